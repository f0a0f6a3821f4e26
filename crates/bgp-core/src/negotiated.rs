//! What two OPENs agreed on.

use crate::asn::{AsWidth, Asn};
use crate::bgp_id::BgpId;
use crate::capability::{AddPathMode, ForwardingState};
use crate::family::Family;

/// Whether a peer is in our AS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PeerType {
    /// Internal: the same AS.
    Ibgp,
    /// External: another AS.
    Ebgp,
}

/// BGP role of a speaker toward its peer (RFC 9234 §4.1), with the number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum Role {
    /// 0.
    Provider = 0,
    /// 1: route server.
    RouteServer = 1,
    /// 2: route server client.
    RouteServerClient = 2,
    /// 3.
    Customer = 3,
    /// 4.
    Peer = 4,
}

impl Role {
    /// The role of a number on the wire.
    #[must_use]
    pub const fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            0 => Some(Self::Provider),
            1 => Some(Self::RouteServer),
            2 => Some(Self::RouteServerClient),
            3 => Some(Self::Customer),
            4 => Some(Self::Peer),
            _ => None,
        }
    }

    /// The only role that the other side may have (RFC 9234 §4.2, table 2).
    #[must_use]
    pub const fn counterpart(self) -> Self {
        match self {
            Self::Provider => Self::Customer,
            Self::Customer => Self::Provider,
            Self::RouteServer => Self::RouteServerClient,
            Self::RouteServerClient => Self::RouteServer,
            Self::Peer => Self::Peer,
        }
    }
}

/// What both sides of a session agreed on; exists from OpenConfirm on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Our AS toward this peer.
    pub local_asn: Asn,
    /// The peer's AS.
    pub peer_asn: Asn,
    /// Our BGP Identifier.
    pub local_id: BgpId,
    /// The peer's BGP Identifier.
    pub peer_id: BgpId,
    /// iBGP or eBGP.
    pub peer_type: PeerType,
    /// Hold time in seconds: the smaller of both; 0 turns hold and keepalive timers off (RFC 4271 §4.2).
    pub hold_time: u16,
    /// Width of AS numbers.
    pub as_width: AsWidth,
    /// The largest message that we send, in octets: 4096 or 65535 (RFC 8654 §4).
    pub max_message_len: usize,
    /// The largest message that we take, in octets. RFC 8654 §4: 65535 as soon as we advertised the capability, whether or
    /// not the peer did.
    pub max_receive_len: usize,
    /// Families that both sides advertised.
    pub families: Vec<NegotiatedFamily>,
    /// Whether the peer takes ROUTE-REFRESH (RFC 2918).
    pub route_refresh: bool,
    /// Whether both sides do enhanced route refresh (RFC 7313).
    pub enhanced_route_refresh: bool,
    /// The peer's graceful restart capability, where both sides advertised one.
    pub graceful_restart: Option<PeerGracefulRestart>,
    /// The peer's role, where it advertised one (RFC 9234).
    pub peer_role: Option<Role>,
    /// The peer's host name, where it advertised one.
    pub peer_host_name: Option<String>,
}

/// One family that both sides advertised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NegotiatedFamily {
    /// The family.
    pub family: Family,
    /// Which directions carry Path Identifiers, seen from us (RFC 7911 §4).
    pub add_path: Option<AddPathMode>,
    /// Whether IPv4 NLRI may have IPv6 next hops (RFC 8950).
    pub extended_next_hop: bool,
    /// The peer's F bit where graceful restart covers the family on both sides.
    pub graceful_restart: Option<ForwardingState>,
    /// The peer's long-lived stale time in seconds and F bit, where both sides advertised it for the family (RFC 9494).
    pub long_lived: Option<(u32, ForwardingState)>,
}

/// The peer's side of graceful restart (RFC 4724 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerGracefulRestart {
    /// R: it has restarted.
    pub restarted: bool,
    /// N on both sides: a NOTIFICATION other than Hard Reset does not end it (RFC 8538 §2).
    pub notification: bool,
    /// Its restart time in seconds.
    pub restart_time: u16,
}

impl Negotiated {
    /// What was agreed for one family; none when the family was not negotiated.
    #[must_use]
    pub fn family(&self, family: Family) -> Option<&NegotiatedFamily> {
        self.families.iter().find(|f| f.family == family)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_agreed_of_a_family() {
        let of = |family, extended_next_hop| NegotiatedFamily {
            family,
            add_path: None,
            extended_next_hop,
            graceful_restart: None,
            long_lived: None,
        };
        let (v4, v6) = (Family::IPV4_UNICAST, Family::IPV6_UNICAST);
        let mut negotiated = Negotiated {
            local_asn: Asn(65000),
            peer_asn: Asn(65001),
            local_id: BgpId(1),
            peer_id: BgpId(2),
            peer_type: PeerType::Ebgp,
            hold_time: 90,
            as_width: AsWidth::Four,
            max_message_len: 4096,
            max_receive_len: 4096,
            families: vec![of(v6, false), of(v4, true)],
            route_refresh: true,
            enhanced_route_refresh: true,
            graceful_restart: None,
            peer_role: None,
            peer_host_name: None,
        };
        assert_eq!(negotiated.family(v4), Some(&of(v4, true)));
        assert_eq!(negotiated.family(v6), Some(&of(v6, false)));
        negotiated.families.pop();
        assert_eq!(negotiated.family(v4), None);
    }
}
