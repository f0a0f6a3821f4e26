//! Export: what a route becomes on its way from the Loc-RIB to the peers of an update group.
//!
//! [`export`] is pure: group key and route in, attributes or a reason out. Whether the receiver is the peer that the
//! route came from is no input; the journal's audiences see to that.
//!
//! The order, as users of BIRD and FRR expect it:
//!
//! 1. Rules that hold a route back whatever policy says: reflection (RFC 4456 §6), well-known communities *as they are
//!    in the Loc-RIB* (RFC 1997, RFC 7999), AS sets (RFC 9774), long-lived stale routes (RFC 9494 §4.3), Only to Customer (RFC 9234 §5). A
//!    community that export policy adds does not hold back, it is for the receiver.
//! 2. The export policy. It sees the attributes of the Loc-RIB, not those of the wire: no own AS in front, LOCAL_PREF
//!    still there. A next hop or MED that it sets survives what follows; AS numbers that it prepends stand behind our
//!    own.
//! 3. The transformation that the peer's type and settings ask for: next hop, AS_PATH, what stays within the AS, marks.
//!
//! The peer's AS being in the path is not looked at (the receiver drops such a route, RFC 4271 §9.1.2), nor is
//! ORIGINATOR_ID being the receiver's identifier: either would give each peer a group of its own.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use heddle_bgp_core::attr::{AttrCode, BlockView, NextHop, otc};
use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::{AsWidth, Asn, BgpId, ClusterId, Family, PeerType, Role};

use crate::decision::Aigp;
use crate::policy::{EvalContext, EvalScratch, Overlay, PolicyChain, Verdict};
use crate::route::{AttrBits, RouteView, SourceKind};

mod transform;

/// What the receivers of a group are to us.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Receiver {
    /// External peers.
    Ebgp,
    /// Internal peers that are clients of this reflector (RFC 4456 §6).
    Client,
    /// Internal peers that are not.
    NonClient,
}

impl Receiver {
    /// Internal or external.
    #[must_use]
    pub const fn peer_type(self) -> PeerType {
        match self {
            Self::Ebgp => PeerType::Ebgp,
            Self::Client | Self::NonClient => PeerType::Ibgp,
        }
    }
}

/// Which next hop is advertised (RFC 4271 §5.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum NextHopMode {
    /// Our own to external peers, unchanged to internal ones.
    #[default]
    Auto,
    /// Our own to all, except for reflected routes (RFC 4456 §10).
    SelfAddress,
    /// As it is in the Loc-RIB; our own for routes that have none.
    Unchanged,
}

/// Our own addresses on a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct SelfNextHop {
    /// IPv4.
    pub v4: Option<Ipv4Addr>,
    /// IPv6, global.
    pub v6: Option<Ipv6Addr>,
    /// IPv6, link-local: only where the peer is on the same link (RFC 2545 §3).
    pub link_local: Option<Ipv6Addr>,
    /// The interface that the link-local address is on; 0 without one.
    pub interface: u32,
}

/// Whether IPv4 routes may have IPv6 next hops (RFC 8950).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum ExtendedNextHop {
    /// Not negotiated.
    #[default]
    Off,
    /// Negotiated for the family.
    On,
}

/// How many paths of a prefix are sent (RFC 7911).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum AddPathSend {
    /// The best, without Path Identifier.
    #[default]
    Off,
    /// All.
    All,
    /// This many of the best.
    Best(u16),
}

/// What becomes of long-lived stale routes (RFC 9494).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum LlgrMode {
    /// The peer does not know them: they are withheld (§4.3).
    #[default]
    Withhold,
    /// The peer does not know them: internal peers get them with LOCAL_PREF 0 and NO_EXPORT (§4.6), external ones not.
    NoExport,
    /// The peer advertised the capability: they are sent with LLGR_STALE.
    Capable,
}

/// Which private AS numbers (RFC 6996) leave the AS_PATH toward an external peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum RemovePrivateAs {
    /// None.
    #[default]
    Off,
    /// All of a path that has no others.
    IfOnlyPrivate,
    /// Those before the first public one.
    Leading,
    /// All.
    All,
    /// All; our AS takes their places.
    Replace,
}

/// Whether the receiver's AS in the path is replaced by ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum AsOverride {
    /// No.
    #[default]
    Off,
    /// Yes.
    On,
}

/// Whether routes with BLACKHOLE that others gave us go to external peers (RFC 7999 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum BlackholeExport {
    /// No.
    #[default]
    Withhold,
    /// Yes.
    Send,
}

/// Whether the session is being drained for maintenance (RFC 8326).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Drain {
    /// No.
    #[default]
    Off,
    /// Yes: every route carries GRACEFUL_SHUTDOWN, to internal peers also LOCAL_PREF 0.
    On,
}

/// All that the outcome of export depends on beside the route; peers with equal keys form an update group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ExportKey {
    /// The family.
    pub family: Family,
    /// What the receivers are to us.
    pub receiver: Receiver,
    /// Our AS toward them: what external peers see in front.
    pub local_asn: Asn,
    /// With `local_as`, and unless it says replace-as: the router's own AS, which stands behind `local_asn` (RFC 7705).
    pub router_asn: Option<Asn>,
    /// The receivers' AS; see [`ExportKey::canonical`].
    pub peer_asn: Option<Asn>,
    /// Export policy, [resolved](PolicyChain::resolve) for the receiver.
    pub policy: PolicyChain,
    /// Width of AS numbers on the wire.
    pub as_width: AsWidth,
    /// The largest message in octets.
    pub max_message_len: usize,
    /// How many paths of a prefix are sent.
    pub add_path: AddPathSend,
    /// Which next hop is advertised.
    pub next_hop: NextHopMode,
    /// Our own addresses.
    pub self_next_hop: SelfNextHop,
    /// Whether IPv4 routes may have IPv6 next hops.
    pub extended_next_hop: ExtendedNextHop,
    /// Our role toward the receivers, where one is agreed (RFC 9234).
    pub role: Option<Role>,
    /// Whether AIGP is sent (RFC 7311 §3.1: off unless configured).
    pub aigp: Aigp,
    /// What becomes of long-lived stale routes.
    pub llgr: LlgrMode,
    /// Our CLUSTER_ID as a reflector.
    pub cluster_id: ClusterId,
    /// Which private AS numbers leave the path.
    pub remove_private_as: RemovePrivateAs,
    /// Whether the receiver's AS is replaced.
    pub as_override: AsOverride,
    /// Whether blackhole routes are sent on.
    pub blackhole: BlackholeExport,
    /// Whether the session is being drained.
    pub drain: Drain,
}

impl ExportKey {
    /// A key with everything optional off, a message of 4096 octets, 4-octet AS numbers, and the policy of a peer
    /// without one (RFC 8212 §3).
    #[must_use]
    pub fn new(family: Family, receiver: Receiver, local_asn: Asn) -> Self {
        Self {
            family,
            receiver,
            local_asn,
            router_asn: None,
            peer_asn: None,
            policy: PolicyChain::without_policy(receiver.peer_type()),
            as_width: AsWidth::Four,
            max_message_len: 4096,
            add_path: AddPathSend::Off,
            next_hop: NextHopMode::Auto,
            self_next_hop: SelfNextHop::default(),
            extended_next_hop: ExtendedNextHop::Off,
            role: None,
            aigp: Aigp::Off,
            llgr: LlgrMode::Withhold,
            cluster_id: ClusterId(0),
            remove_private_as: RemovePrivateAs::Off,
            as_override: AsOverride::Off,
            blackhole: BlackholeExport::Withhold,
            drain: Drain::Off,
        }
    }

    /// The key without what has no influence, so that as many peers as possible share a group: the peer's AS stays only
    /// where AS numbers are overridden or removed; what is only for external or only for internal peers goes for the
    /// others.
    #[must_use]
    pub fn canonical(mut self) -> Self {
        match self.receiver {
            Receiver::Ebgp => {
                self.cluster_id = ClusterId(0);
                if self.as_override == AsOverride::Off && self.remove_private_as == RemovePrivateAs::Off {
                    self.peer_asn = None;
                }
            }
            Receiver::Client | Receiver::NonClient => {
                self.peer_asn = None;
                self.router_asn = None;
                self.role = None;
                self.remove_private_as = RemovePrivateAs::Off;
                self.as_override = AsOverride::Off;
                self.blackhole = BlackholeExport::Withhold;
            }
        }
        self
    }

    /// Whether NLRI that are sent carry Path Identifiers.
    #[must_use]
    pub const fn path_ids(&self) -> PathIds {
        match self.add_path {
            AddPathSend::Off => PathIds::Absent,
            AddPathSend::All | AddPathSend::Best(_) => PathIds::Present,
        }
    }

    /// Whether the outcome can differ between two routes of the family with the same attributes, source and flags;
    /// where not, it can be remembered by these.
    #[must_use]
    pub fn depends_on_prefix(&self) -> bool {
        self.policy.depends_on_prefix()
    }

    /// Whether a message of the negotiated size has room for the attributes and the longest prefix of the family. With
    /// 2-octet AS numbers, whose attributes are as long as the path makes them, the longest form is assumed.
    #[must_use]
    pub fn fits(&self, block: &[u8]) -> bool {
        const HEADER: usize = 19 + 2 + 2;
        let view = BlockView(block);
        let multiprotocol = match (self.family, view.next_hop()) {
            (Family::IPV4_UNICAST, Some(NextHop::V4(_))) => 0,
            // MP_REACH_NLRI in place of NEXT_HOP: an extended length, AFI, SAFI, next hop length, a reserved octet.
            _ => 6,
        };
        let path_id = match self.path_ids() {
            PathIds::Absent => 0,
            PathIds::Present => 4,
        };
        let nlri = path_id + 1 + usize::from(self.family.max_prefix_len().unwrap_or(128)) / 8;
        // RFC 6793 §4.2.2: AS4_PATH and AS4_AGGREGATOR come on top.
        let as4 = match self.as_width {
            AsWidth::Four => 0,
            AsWidth::Two => view.get(AttrCode::AS_PATH).map_or(0, |a| a.value.len()) + 4 + 11,
        };
        HEADER + block.len() + multiprotocol + nlri + as4 <= self.max_message_len
    }
}

/// Why a route is not advertised to a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Withheld {
    /// From a non-client to a non-client (RFC 4456 §6).
    Reflection,
    /// NO_ADVERTISE (RFC 1997).
    NoAdvertise,
    /// NO_EXPORT or NO_EXPORT_SUBCONFED, and the peer is external (RFC 1997).
    NoExport,
    /// BLACKHOLE, and the peer is external (RFC 7999 §3.2).
    Blackhole,
    /// AS_PATH has an AS_SET or AS_CONFED_SET, and the peer is external (RFC 9774 §3).
    AsSet,
    /// Long-lived stale, and the peer does not know such routes (RFC 9494 §4.3).
    LlgrStale,
    /// Only to Customer, and the peer is none (RFC 9234 §5).
    OnlyToCustomer,
    /// Export policy rejected it.
    Policy,
    /// No next hop that the peer could use: no address of ours of the family, or one whose form was not negotiated.
    NextHop,
    /// The attributes leave no room for a prefix in a message (RFC 4271 §9.2).
    TooLong,
}

impl fmt::Display for Withheld {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Reflection => "from an internal peer that is no client, to one that is no client",
            Self::NoAdvertise => "community no-advertise",
            Self::NoExport => "community no-export",
            Self::Blackhole => "community blackhole",
            Self::AsSet => "an AS set in the path, and the peer is external",
            Self::LlgrStale => "long-lived stale, and the peer does not know long-lived graceful restart",
            Self::OnlyToCustomer => "only to customers (OTC)",
            Self::Policy => "export policy",
            Self::NextHop => "no next hop that the peer could use",
            Self::TooLong => "the attributes do not fit in a message",
        })
    }
}

/// The outcome of export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exported<'s> {
    /// Advertised with the attributes that it has.
    Unchanged,
    /// Advertised with these, a canonical block.
    Changed(&'s [u8]),
    /// Not advertised.
    Withheld(Withheld),
}

impl<'s> Exported<'s> {
    /// The attributes to advertise, `block` being those of the route; none when it is withheld.
    #[must_use]
    pub const fn attributes(self, block: BlockView<'s>) -> Option<&'s [u8]> {
        match self {
            Self::Unchanged => Some(block.0),
            Self::Changed(new) => Some(new),
            Self::Withheld(_) => None,
        }
    }
}

/// Buffers that export reuses; the block of [`Exported::Changed`] lies here.
#[derive(Clone, Debug, Default)]
pub struct ExportScratch {
    eval: EvalScratch,
    out: Vec<u8>,
}

/// What the receivers of a group get of a route. Pure; depends on the key and on the route's attributes, flags, source
/// kind and, where it is reflected for the first time, the source's BGP Identifier; on the prefix only when
/// [`ExportKey::depends_on_prefix`] says so.
pub fn export<'s>(key: &ExportKey, route: &RouteView<'_>, scratch: &'s mut ExportScratch) -> Exported<'s> {
    if let Some(reason) = held_back(key, route) {
        return Exported::Withheld(reason);
    }
    let mut overlay = Overlay::new(route.block);
    let ctx = EvalContext { own_asn: key.local_asn, self_next_hop: None };
    match key.policy.evaluate(route, &mut overlay, &ctx, &mut scratch.eval) {
        Verdict::Reject => return Exported::Withheld(Withheld::Policy),
        Verdict::Accept => {}
    }
    let from =
        transform::From { kind: route.source.kind, bgp_id: route.source.bgp_id, llgr_stale: is_llgr_stale(route) };
    finish(key, from, overlay, &mut scratch.out)
}

/// The default route of `default_originate` as the group gets it: originated here, not subject to export policy.
pub fn export_default<'s>(key: &ExportKey, scratch: &'s mut ExportScratch) -> Exported<'s> {
    /// ORIGIN IGP and an empty AS_PATH; the next hop comes with the transformation.
    const BLOCK: [u8; 7] = [0x40, 1, 1, 0, 0x40, 2, 0];
    let from = transform::From { kind: SourceKind::Local, bgp_id: BgpId(0), llgr_stale: false };
    finish(key, from, Overlay::new(BlockView(&BLOCK)), &mut scratch.out)
}

/// The transformation, and the block written out.
fn finish<'s>(key: &ExportKey, from: transform::From, mut overlay: Overlay<'_>, out: &'s mut Vec<u8>) -> Exported<'s> {
    if let Err(reason) = transform::apply(key, from, &mut overlay) {
        return Exported::Withheld(reason);
    }
    let base = overlay.base().0;
    if !overlay.is_changed() {
        return if key.fits(base) { Exported::Unchanged } else { Exported::Withheld(Withheld::TooLong) };
    }
    match overlay.write_to(out) {
        Ok(()) if !key.fits(out) => Exported::Withheld(Withheld::TooLong),
        Ok(()) if out.as_slice() == base => Exported::Unchanged,
        Ok(()) => Exported::Changed(out),
        Err(crate::policy::overlay::BlockTooLong) => Exported::Withheld(Withheld::TooLong),
    }
}

/// The rules that hold a route back whatever policy says.
fn held_back(key: &ExportKey, route: &RouteView<'_>) -> Option<Withheld> {
    let external = key.receiver == Receiver::Ebgp;
    let bits = route.meta.bits;
    let received = match (route.source.kind, key.receiver) {
        // RFC 4456 §6: from a non-client to clients and external peers; from a client to all.
        (SourceKind::NonClient, Receiver::NonClient) => return Some(Withheld::Reflection),
        (SourceKind::Local, _) => false,
        (SourceKind::Ebgp | SourceKind::Client | SourceKind::NonClient, _) => true,
    };
    // RFC 1997 speaks of routes received; what originates here with such a community is for the receivers to obey.
    if received && bits.has(AttrBits::NO_ADVERTISE) {
        return Some(Withheld::NoAdvertise);
    }
    if received && external && bits.has(AttrBits::NO_EXPORT) {
        return Some(Withheld::NoExport);
    }
    // RFC 7999 §3.2: not beyond the AS that was asked to drop.
    if received && external && bits.has(AttrBits::BLACKHOLE) && key.blackhole == BlackholeExport::Withhold {
        return Some(Withheld::Blackhole);
    }
    // RFC 9774 §3: AS_SET and AS_CONFED_SET are not advertised; within our AS they go on as they came.
    if external && route.block.as_path().has_set() {
        return Some(Withheld::AsSet);
    }
    if is_llgr_stale(route) {
        match key.llgr {
            LlgrMode::Capable => {}
            // RFC 9494 §4.6: internal peers only.
            LlgrMode::NoExport if !external => {}
            LlgrMode::NoExport | LlgrMode::Withhold => return Some(Withheld::LlgrStale),
        }
    }
    let role = key.role.filter(|_| external)?;
    match otc::egress(role, key.local_asn, otc_of(route.block)) {
        otc::Egress::Forbid => Some(Withheld::OnlyToCustomer),
        otc::Egress::Keep | otc::Egress::Add(_) => None,
    }
}

/// RFC 9494 §4.3: kept here as long-lived stale, or received with LLGR_STALE.
fn is_llgr_stale(route: &RouteView<'_>) -> bool {
    route.flags.is_llgr_stale() || route.meta.bits.has(AttrBits::LLGR_STALE)
}

fn otc_of(block: BlockView<'_>) -> Option<Asn> {
    let octets = block.get(AttrCode::OTC)?.value.try_into().ok()?;
    Some(Asn(u32::from_be_bytes(octets)))
}

#[cfg(test)]
mod tests;
