//! What peer type and settings make of a route after policy let it through.

use std::net::IpAddr;

use heddle_bgp_core::attr::{AsPath, AsPathView, AttrCode, AttrFlags, Community, NextHop, otc};
use heddle_bgp_core::{BgpId, Family, PeerType};
use smallvec::SmallVec;

use super::{
    AsOverride, Drain, ExportKey, ExtendedNextHop, LlgrMode, NextHopMode, Receiver, RemovePrivateAs, Withheld,
};
use crate::decision::Aigp;
use crate::policy::Overlay;
use crate::policy::as_path::without_leading_private;
use crate::policy::eval::{DEFAULT_LOCAL_PREF, add_community, prepend};
use crate::policy::overlay::{MedOrigin, NextHopChoice};
use crate::route::SourceKind;

/// What the transformation has to know of where the route came from.
#[derive(Clone, Copy, Debug)]
pub(super) struct From {
    /// The kind of source.
    pub(super) kind: SourceKind,
    /// Its BGP Identifier.
    pub(super) bgp_id: BgpId,
    /// Whether the route is long-lived stale.
    pub(super) llgr_stale: bool,
}

impl From {
    /// Whether an internal peer's route goes to an internal peer (RFC 4456 §6).
    fn is_reflected(self, key: &ExportKey) -> bool {
        self.kind.peer_type() == Some(PeerType::Ibgp) && key.receiver.peer_type() == PeerType::Ibgp
    }
}

/// Applies the transformation.
pub(super) fn apply(key: &ExportKey, from: From, overlay: &mut Overlay<'_>) -> Result<(), Withheld> {
    set_next_hop(key, from, overlay)?;
    // What a route lies on here says nothing elsewhere, and has no form on the wire.
    overlay.remove(AttrCode::INTERFACE);
    if from.llgr_stale {
        // RFC 9494 §4.2, §4.3: the mark is attached and never taken off.
        add_community(overlay, Community::LLGR_STALE);
    }
    match key.receiver {
        Receiver::Ebgp => external(key, from, overlay),
        Receiver::Client | Receiver::NonClient => internal(key, from, overlay),
    }
    // RFC 7311 §3.1, §3.3: not to peers for which it is not enabled.
    if key.aigp == Aigp::Off {
        overlay.remove(AttrCode::AIGP);
    }
    // RFC 4271 §5: unrecognised non-transitive attributes are not passed along.
    let unknown: SmallVec<[AttrCode; 4]> = overlay
        .base()
        .iter()
        .filter(|a| a.flags.0 & AttrFlags::TRANSITIVE == 0 && !AttrCode::KNOWN.contains(&a.code))
        .map(|a| a.code)
        .collect();
    unknown.into_iter().for_each(|code| overlay.remove(code));
    // RFC 8326 §4.1: while draining, every route toward the peer says so.
    if key.drain == Drain::On {
        add_community(overlay, Community::GRACEFUL_SHUTDOWN);
    }
    Ok(())
}

/// Toward external peers.
fn external(key: &ExportKey, from: From, overlay: &mut Overlay<'_>) {
    rewrite_path(key, overlay);
    // RFC 4271 §5.1.2 b: our AS in front; with `local_as` the router's own behind it (RFC 7705 §3.1).
    if let Some(asn) = key.router_asn {
        prepend(overlay, asn, 1);
    }
    prepend(overlay, key.local_asn, 1);
    // RFC 4271 §5.1.5; RFC 4456 §8: both are non-transitive and for this AS only.
    overlay.remove(AttrCode::LOCAL_PREF);
    overlay.remove(AttrCode::ORIGINATOR_ID);
    overlay.remove(AttrCode::CLUSTER_LIST);
    // RFC 4360 §6: what is not transitive across ASes stays in ours; RFC 5701 §2 has the same bit.
    keep_transitive::<8>(overlay, AttrCode::EXTENDED_COMMUNITIES);
    keep_transitive::<20>(overlay, AttrCode::IPV6_EXTENDED_COMMUNITIES);
    // RFC 4271 §5.1.4: a MED that another AS set goes no further; ours does, and so does what export policy set.
    match (from.kind, overlay.med_origin) {
        (SourceKind::Local, _) | (_, MedOrigin::Policy) => {}
        (SourceKind::Ebgp | SourceKind::Client | SourceKind::NonClient, MedOrigin::AsReceived) => {
            overlay.remove(AttrCode::MULTI_EXIT_DISC);
        }
    }
    // RFC 9234 §5: OTC is added toward customers, peers and route server clients. Policy cannot take it off.
    if let Some(role) = key.role {
        let present = overlay.number(AttrCode::OTC).map(Into::into);
        match otc::egress(role, key.local_asn, present) {
            otc::Egress::Add(asn) => overlay.set_number(AttrCode::OTC, asn.0),
            otc::Egress::Keep | otc::Egress::Forbid => {}
        }
    }
}

/// The T bit of the high octet of an extended community's type: not transitive across ASes (RFC 4360 §2).
const NON_TRANSITIVE: u8 = 0x40;

/// Takes the extended communities of `N` octets out that do not leave an AS.
fn keep_transitive<const N: usize>(overlay: &mut Overlay<'_>, code: AttrCode) {
    let value = overlay.value(code).unwrap_or_default();
    let transitive = |c: &&[u8; N]| c.first().is_some_and(|kind| kind & NON_TRANSITIVE == 0);
    let (communities, _) = value.as_chunks::<N>();
    let kept: SmallVec<[u8; 64]> = communities.iter().filter(transitive).flatten().copied().collect();
    if kept.len() < value.len() {
        overlay.set_list(code, &kept);
    }
}

/// The AS numbers that leave the path or change in it; ours is not in front yet.
fn rewrite_path(key: &ExportKey, overlay: &mut Overlay<'_>) {
    let view = AsPathView(overlay.value(AttrCode::AS_PATH).unwrap_or_default());
    // The receiver's own AS stays, however private: it must see its loops (RFC 4271 §9.1.2).
    let keep = key.peer_asn;
    let removable = |asn: heddle_bgp_core::Asn| asn.is_private() && Some(asn) != keep;
    let mut new: Option<AsPath> = None;
    match key.remove_private_as {
        RemovePrivateAs::Off => {}
        RemovePrivateAs::IfOnlyPrivate if view.asns().any(|asn| !asn.is_private()) => {}
        RemovePrivateAs::IfOnlyPrivate | RemovePrivateAs::All => {
            if view.asns().any(removable) {
                new.insert(view.to_owned()).remove_private(keep);
            }
        }
        RemovePrivateAs::Leading => {
            if view.asns().next().is_some_and(|asn| asn.is_private()) {
                new = Some(without_leading_private(view.0, keep));
            }
        }
        RemovePrivateAs::Replace => {
            for asn in view.asns().filter(|&asn| removable(asn)) {
                new.get_or_insert_with(|| view.to_owned()).replace(asn, key.local_asn);
            }
        }
    }
    if let (AsOverride::On, Some(peer)) = (key.as_override, key.peer_asn)
        && view.contains(peer)
    {
        new.get_or_insert_with(|| view.to_owned()).replace(peer, key.local_asn);
    }
    if let Some(new) = new {
        overlay.set(AttrCode::AS_PATH, new.octets());
    }
}

/// Toward internal peers.
fn internal(key: &ExportKey, from: From, overlay: &mut Overlay<'_>) {
    // RFC 4271 §5.1.5: LOCAL_PREF is in every UPDATE to an internal peer.
    if overlay.value(AttrCode::LOCAL_PREF).is_none() {
        overlay.set_number(AttrCode::LOCAL_PREF, DEFAULT_LOCAL_PREF);
    }
    if from.is_reflected(key) {
        // RFC 4456 §8: ORIGINATOR_ID is created once and never overwritten; our CLUSTER_ID goes in front.
        if overlay.value(AttrCode::ORIGINATOR_ID).is_none() {
            overlay.set_number(AttrCode::ORIGINATOR_ID, from.bgp_id.0);
        }
        let list = overlay.value(AttrCode::CLUSTER_LIST).unwrap_or_default();
        let mut new: SmallVec<[u8; 32]> = SmallVec::from_slice(&key.cluster_id.0.to_be_bytes());
        new.extend_from_slice(list);
        overlay.set(AttrCode::CLUSTER_LIST, &new);
    } else {
        // They say what happened inside an AS; from elsewhere they mean nothing here.
        overlay.remove(AttrCode::ORIGINATOR_ID);
        overlay.remove(AttrCode::CLUSTER_LIST);
    }
    // RFC 8326 §4.1 asks for the lowest LOCAL_PREF on the maintained router's side.
    if key.drain == Drain::On {
        overlay.set_number(AttrCode::LOCAL_PREF, 0);
    }
    // RFC 9494 §4.6: to internal peers without the capability, so that they neither prefer it nor let it out.
    if from.llgr_stale && key.llgr == LlgrMode::NoExport {
        overlay.set_number(AttrCode::LOCAL_PREF, 0);
        add_community(overlay, Community::NO_EXPORT);
    }
}

/// RFC 4271 §5.1.3, RFC 2545 §3, RFC 8950 §4.
fn set_next_hop(key: &ExportKey, from: From, overlay: &mut Overlay<'_>) -> Result<(), Withheld> {
    let usable = overlay.next_hop().filter(|n| is_usable_elsewhere(n.addr()));
    let own = match (overlay.next_hop_choice, key.next_hop) {
        (NextHopChoice::SelfAddress, _) => true,
        (NextHopChoice::Fixed, _) | (NextHopChoice::ByPeer, NextHopMode::Unchanged) => false,
        // RFC 4456 §10: a reflector leaves the next hop of reflected routes alone.
        (NextHopChoice::ByPeer, NextHopMode::SelfAddress) => !from.is_reflected(key),
        (NextHopChoice::ByPeer, NextHopMode::Auto) => key.receiver == Receiver::Ebgp,
    };
    let next_hop = match (own, usable) {
        // RFC 2545 §3: a link-local address means nothing beyond the link that it came from.
        (false, Some(NextHop::V6LinkLocal(global, _))) => NextHop::V6(global),
        (false, Some(next_hop)) => next_hop,
        // Originated here without an address, or known only by a link-local one: ours is the only one that helps.
        (true, _) | (false, None) => own_next_hop(key).ok_or(Withheld::NextHop)?,
    };
    match (key.family, next_hop, key.extended_next_hop) {
        (Family::IPV4_UNICAST, NextHop::V4(_), _)
        | (Family::IPV4_UNICAST, NextHop::V6(_) | NextHop::V6LinkLocal(..), ExtendedNextHop::On)
        | (Family::IPV6_UNICAST, NextHop::V6(_) | NextHop::V6LinkLocal(..), _) => {
            overlay.set_next_hop(next_hop);
            Ok(())
        }
        // RFC 8950 §4: only where it was negotiated; and there is no form for an IPv4 next hop of IPv6 routes.
        (_, NextHop::V4(_) | NextHop::V6(_) | NextHop::V6LinkLocal(..), _) => Err(Withheld::NextHop),
    }
}

/// Whether the address can be a next hop for somebody on another link.
fn is_usable_elsewhere(addr: IpAddr) -> bool {
    match addr {
        IpAddr::V4(a) => !a.is_unspecified(),
        IpAddr::V6(a) => !a.is_unspecified() && !a.is_unicast_link_local(),
    }
}

/// Our own next hop for the family, in the form that the session can carry.
fn own_next_hop(key: &ExportKey) -> Option<NextHop> {
    let own = key.self_next_hop;
    let v6 = match (own.v6, own.link_local) {
        (Some(global), Some(link_local)) => Some(NextHop::V6LinkLocal(global, link_local)),
        (Some(global), None) => Some(NextHop::V6(global)),
        // A link without global addresses: the link-local one stands in both places, as FRR sends it.
        (None, Some(link_local)) => Some(NextHop::V6LinkLocal(link_local, link_local)),
        (None, None) => None,
    };
    if key.family == Family::IPV6_UNICAST {
        return v6;
    }
    match (own.v4, key.extended_next_hop) {
        (Some(v4), _) => Some(NextHop::V4(v4)),
        (None, ExtendedNextHop::On) => v6,
        (None, ExtendedNextHop::Off) => None,
    }
}
