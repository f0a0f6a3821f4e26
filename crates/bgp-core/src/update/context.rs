//! What decoding an UPDATE has to know about the session.

use std::net::IpAddr;

use smallvec::SmallVec;

use crate::asn::{AsWidth, Asn};
use crate::capability::AddPathMode;
use crate::family::Family;
use crate::negotiated::{Negotiated, PeerType, Role};
use crate::nlri::PathIds;

/// AS_SET and AS_CONFED_SET in AS_PATH (RFC 9774 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsSets {
    /// Carried as they are.
    Accept,
    /// The routes are treated as withdrawn.
    TreatAsWithdraw,
}

/// AS 0 in AS_PATH and AGGREGATOR (RFC 7607 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AsZero {
    /// Carried as it is, against the RFC: for sessions that play recordings or feed collectors.
    Accept,
    /// Malformed: a path makes its routes withdrawn, an aggregator is discarded.
    Reject,
}

/// Whether AIGP is enabled on the session (RFC 7311 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AigpSession {
    /// The attribute is accepted.
    Enabled,
    /// The attribute is discarded.
    Disabled,
}

/// What the operator chose for a session; the default is that of RFC 9774, 9234 and 7311.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeOptions {
    /// The AS that the first AS of AS_PATH has to be, eBGP only (RFC 4271 §6.3); none turns the check off.
    pub enforce_first_as: Option<Asn>,
    /// AS sets; none: treated as withdrawn from eBGP peers, accepted from iBGP peers.
    pub as_sets: Option<AsSets>,
    /// AS 0; rejected unless chosen otherwise (RFC 7607 §2).
    pub as_zero: AsZero,
    /// Our role toward the peer (RFC 9234 §4.1).
    pub local_role: Option<Role>,
    /// AIGP; none: enabled with iBGP peers, disabled with eBGP peers (RFC 7311 §3.1).
    pub aigp: Option<AigpSession>,
    /// Addresses that are ours on the session: a route to one of them as its next hop is not usable
    /// (RFC 4271 §5.1.3).
    pub local_addrs: SmallVec<[IpAddr; 2]>,
    /// The longest AS_PATH accepted, counted as RFC 4271 §9.1.2.2 does; longer ones are treated as withdrawn.
    pub max_as_path_len: u16,
}

impl DecodeOptions {
    /// The default of [`Self::max_as_path_len`]: beyond what any real path has.
    pub const MAX_AS_PATH_LEN: u16 = 750;
}

impl Default for DecodeOptions {
    fn default() -> Self {
        Self {
            enforce_first_as: None,
            as_sets: None,
            as_zero: AsZero::Reject,
            local_role: None,
            aigp: None,
            local_addrs: SmallVec::new(),
            max_as_path_len: Self::MAX_AS_PATH_LEN,
        }
    }
}

/// What decoding has to know about one negotiated family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyContext {
    /// Whether the NLRI that the peer sends carry Path Identifiers (RFC 7911 §4).
    pub path_ids: PathIds,
    /// Whether IPv4 NLRI may have IPv6 next hops (RFC 8950 §4).
    pub extended_next_hop: bool,
}

/// What decoding an UPDATE has to know about the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpdateContext {
    /// iBGP or eBGP.
    pub peer_type: PeerType,
    /// The peer's AS.
    pub peer_asn: Asn,
    /// Width of AS numbers in AS_PATH and AGGREGATOR.
    pub as_width: AsWidth,
    /// The negotiated families by [`Family::index`].
    pub families: [Option<FamilyContext>; Family::SUPPORTED.len()],
    /// The AS that the first AS of AS_PATH has to be (RFC 4271 §6.3); judged on eBGP sessions only.
    pub enforce_first_as: Option<Asn>,
    /// AS sets (RFC 9774 §3).
    pub as_sets: AsSets,
    /// AS 0 (RFC 7607 §2).
    pub as_zero: AsZero,
    /// Our role toward the peer (RFC 9234); acts on eBGP sessions only.
    pub local_role: Option<Role>,
    /// AIGP (RFC 7311 §3.1).
    pub aigp: AigpSession,
    /// Our own addresses on the session.
    pub local_addrs: SmallVec<[IpAddr; 2]>,
    /// The longest AS_PATH accepted.
    pub max_as_path_len: u16,
}

impl UpdateContext {
    /// From what two OPENs agreed on and what the operator chose.
    #[must_use]
    pub fn new(negotiated: &Negotiated, options: DecodeOptions) -> Self {
        let (as_sets, aigp) = match negotiated.peer_type {
            PeerType::Ibgp => (AsSets::Accept, AigpSession::Enabled),
            PeerType::Ebgp => (AsSets::TreatAsWithdraw, AigpSession::Disabled),
        };
        let mut families = [None; Family::SUPPORTED.len()];
        for (slot, family) in families.iter_mut().zip(Family::SUPPORTED) {
            *slot = negotiated.family(family).map(|f| FamilyContext {
                path_ids: match f.add_path {
                    Some(AddPathMode::Receive | AddPathMode::Both) => PathIds::Present,
                    Some(AddPathMode::Send) | None => PathIds::Absent,
                },
                extended_next_hop: f.extended_next_hop,
            });
        }
        Self {
            peer_type: negotiated.peer_type,
            peer_asn: negotiated.peer_asn,
            as_width: negotiated.as_width,
            families,
            enforce_first_as: options.enforce_first_as,
            as_sets: options.as_sets.unwrap_or(as_sets),
            as_zero: options.as_zero,
            local_role: options.local_role,
            aigp: options.aigp.unwrap_or(aigp),
            local_addrs: options.local_addrs,
            max_as_path_len: options.max_as_path_len,
        }
    }

    /// What was negotiated for a family; none when it was not.
    #[must_use]
    pub fn family(&self, family: Family) -> Option<FamilyContext> {
        self.families.get(family.index()?).copied().flatten()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bgp_id::BgpId;
    use crate::negotiated::NegotiatedFamily;

    fn negotiated(peer_type: PeerType, families: Vec<NegotiatedFamily>) -> Negotiated {
        Negotiated {
            local_asn: Asn(65000),
            peer_asn: Asn(65001),
            local_id: BgpId(1),
            peer_id: BgpId(2),
            peer_type,
            hold_time: 90,
            as_width: AsWidth::Two,
            max_message_len: 4096,
            max_receive_len: 4096,
            families,
            route_refresh: true,
            enhanced_route_refresh: true,
            graceful_restart: None,
            peer_role: None,
            peer_host_name: None,
        }
    }

    fn family(family: Family, add_path: Option<AddPathMode>, extended_next_hop: bool) -> NegotiatedFamily {
        NegotiatedFamily { family, add_path, extended_next_hop, graceful_restart: None, long_lived: None }
    }

    /// RFC 9774 §3, RFC 7311 §3.1: what holds where the operator says nothing, and that he may say otherwise.
    #[test]
    fn what_the_peer_may_send() {
        let rows = [
            (PeerType::Ibgp, AsSets::Accept, AigpSession::Enabled),
            (PeerType::Ebgp, AsSets::TreatAsWithdraw, AigpSession::Disabled),
        ];
        for (peer_type, as_sets, aigp) in rows {
            let negotiated = negotiated(peer_type, vec![]);
            let context = UpdateContext::new(&negotiated, DecodeOptions::default());
            assert_eq!((context.as_sets, context.aigp), (as_sets, aigp), "{peer_type:?}");
            assert_eq!((context.peer_type, context.as_width, context.peer_asn), (peer_type, AsWidth::Two, Asn(65001)));
            assert_eq!((context.as_zero, context.enforce_first_as, context.local_role), (AsZero::Reject, None, None));
            assert_eq!((context.max_as_path_len, context.local_addrs.len()), (750, 0));
            for (as_sets, aigp) in
                [(AsSets::Accept, AigpSession::Disabled), (AsSets::TreatAsWithdraw, AigpSession::Enabled)]
            {
                let options = DecodeOptions { as_sets: Some(as_sets), aigp: Some(aigp), ..DecodeOptions::default() };
                let context = UpdateContext::new(&negotiated, options);
                assert_eq!((context.as_sets, context.aigp), (as_sets, aigp), "{peer_type:?}");
            }
        }
    }

    /// RFC 7911 §4, RFC 8950 §4: the form of NLRI, family by family; none for what was not negotiated.
    #[test]
    fn what_nlri_look_like() {
        let (v4, v6) = (Family::IPV4_UNICAST, Family::IPV6_UNICAST);
        let rows = [
            (None, PathIds::Absent),
            (Some(AddPathMode::Send), PathIds::Absent),
            (Some(AddPathMode::Receive), PathIds::Present),
            (Some(AddPathMode::Both), PathIds::Present),
        ];
        for (mode, path_ids) in rows {
            for extended_next_hop in [false, true] {
                let families = vec![family(v4, mode, extended_next_hop)];
                let context = UpdateContext::new(&negotiated(PeerType::Ibgp, families), DecodeOptions::default());
                assert_eq!(context.family(v4), Some(FamilyContext { path_ids, extended_next_hop }), "{mode:?}");
                assert_eq!(context.family(v6), None);
            }
        }
        let both = vec![family(v6, Some(AddPathMode::Both), false), family(v4, None, true)];
        let context = UpdateContext::new(&negotiated(PeerType::Ebgp, both), DecodeOptions::default());
        let of = |path_ids, extended_next_hop| Some(FamilyContext { path_ids, extended_next_hop });
        assert_eq!((context.family(v4), context.family(v6)), (of(PathIds::Absent, true), of(PathIds::Present, false)));
        assert_eq!(context.family(Family::new(1, 4)), None);
    }
}
