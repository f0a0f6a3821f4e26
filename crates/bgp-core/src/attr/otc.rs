//! OTC, Only to Customer: route leaks found by roles (RFC 9234 §5), on eBGP sessions for IPv4 and IPv6 unicast.

use crate::asn::Asn;
use crate::negotiated::Role;

/// What is done with a route that came in (RFC 9234 §5, ingress).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ingress {
    /// Nothing.
    Keep,
    /// The attribute is added with this value.
    Add(Asn),
    /// The route is a leak and not eligible.
    Leak,
}

/// What is done with a route that goes out (RFC 9234 §5, egress).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Egress {
    /// Nothing.
    Keep,
    /// The attribute is added with this value.
    Add(Asn),
    /// The route must not be advertised to this peer.
    Forbid,
}

/// The ingress procedure: `role` is our role toward the peer.
#[must_use]
pub fn ingress(role: Role, peer_asn: Asn, otc: Option<Asn>) -> Ingress {
    match (role, otc) {
        // The peer is a Customer or RS-Client: a route with OTC is a leak (rule 1).
        (Role::Provider | Role::RouteServer, Some(_)) => Ingress::Leak,
        (Role::Provider | Role::RouteServer, None) => Ingress::Keep,
        // The peer is a Peer: OTC with another value is a leak (rule 2).
        (Role::Peer, Some(otc)) if otc != peer_asn => Ingress::Leak,
        // The peer is a Provider, a Peer or an RS: OTC is added where it is not there (rule 3).
        (Role::Customer | Role::Peer | Role::RouteServerClient, None) => Ingress::Add(peer_asn),
        (Role::Customer | Role::Peer | Role::RouteServerClient, Some(_)) => Ingress::Keep,
    }
}

/// The egress procedure: `role` is our role toward the peer.
#[must_use]
pub fn egress(role: Role, local_asn: Asn, otc: Option<Asn>) -> Egress {
    match (role, otc) {
        // Toward a Customer, a Peer or an RS-Client OTC is added where it is not there (rule 1).
        (Role::Provider | Role::Peer | Role::RouteServer, None) => Egress::Add(local_asn),
        (Role::Provider | Role::RouteServer, Some(_)) => Egress::Keep,
        // A route with OTC does not go to Providers, Peers or RSes (rule 2).
        (Role::Customer | Role::Peer | Role::RouteServerClient, Some(_)) => Egress::Forbid,
        (Role::Customer | Role::RouteServerClient, None) => Egress::Keep,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PEER: Asn = Asn(65001);
    const OTHER: Asn = Asn(65002);
    const LOCAL: Asn = Asn(65000);

    /// RFC 9234 §5, all roles: without OTC, with the peer's AS, with another.
    #[test]
    fn ingress_table() {
        let rows = [
            (Role::Provider, Ingress::Keep, Ingress::Leak, Ingress::Leak),
            (Role::RouteServer, Ingress::Keep, Ingress::Leak, Ingress::Leak),
            (Role::Customer, Ingress::Add(PEER), Ingress::Keep, Ingress::Keep),
            (Role::RouteServerClient, Ingress::Add(PEER), Ingress::Keep, Ingress::Keep),
            (Role::Peer, Ingress::Add(PEER), Ingress::Keep, Ingress::Leak),
        ];
        for (role, without, own, other) in rows {
            assert_eq!(ingress(role, PEER, None), without, "{role:?}");
            assert_eq!(ingress(role, PEER, Some(PEER)), own, "{role:?}");
            assert_eq!(ingress(role, PEER, Some(OTHER)), other, "{role:?}");
        }
    }

    /// RFC 9234 §5, all roles: without OTC, with it.
    #[test]
    fn egress_table() {
        let rows = [
            (Role::Provider, Egress::Add(LOCAL), Egress::Keep),
            (Role::RouteServer, Egress::Add(LOCAL), Egress::Keep),
            (Role::Peer, Egress::Add(LOCAL), Egress::Forbid),
            (Role::Customer, Egress::Keep, Egress::Forbid),
            (Role::RouteServerClient, Egress::Keep, Egress::Forbid),
        ];
        for (role, without, with) in rows {
            assert_eq!(egress(role, LOCAL, None), without, "{role:?}");
            assert_eq!(egress(role, LOCAL, Some(OTHER)), with, "{role:?}");
        }
    }
}
