//! The addresses of the interface that a session runs over: what next-hop self puts into the other family, and the
//! link-local address beside a global one (RFC 2545 §3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use nix::ifaddrs::getifaddrs;

/// Our addresses on a session.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct SessionAddresses {
    /// IPv4.
    pub v4: Option<Ipv4Addr>,
    /// Global IPv6.
    pub v6: Option<Ipv6Addr>,
    /// Link-local IPv6, where the peer is on the link.
    pub link_local: Option<Ipv6Addr>,
    /// The interface that holds the session's local address.
    pub interface: Option<String>,
    /// Its index.
    pub index: Option<u32>,
}

/// Finds the interface that holds `local` and its addresses of both families; what the interface has not stays none.
/// An address of the session itself always stands for its family.
#[must_use]
pub(crate) fn session_addresses(local: SocketAddr) -> SessionAddresses {
    let mut found = SessionAddresses::default();
    let all: Vec<(String, IpAddr)> = getifaddrs().map(|i| i.filter_map(address).collect()).unwrap_or_default();
    found.interface = all.iter().find(|(_, a)| *a == local.ip()).map(|(name, _)| name.clone());
    found.index = found.interface.as_deref().and_then(|name| nix::net::if_::if_nametoindex(name).ok());
    for (name, addr) in &all {
        if Some(name) != found.interface.as_ref() {
            continue;
        }
        match addr {
            IpAddr::V4(a) => found.v4 = found.v4.or(Some(*a)),
            IpAddr::V6(a) if a.is_unicast_link_local() => found.link_local = found.link_local.or(Some(*a)),
            IpAddr::V6(a) if !a.is_loopback() => found.v6 = found.v6.or(Some(*a)),
            IpAddr::V6(_) => {}
        }
    }
    match local.ip() {
        IpAddr::V4(a) => found.v4 = Some(a),
        IpAddr::V6(a) if a.is_unicast_link_local() => found.link_local = Some(a),
        IpAddr::V6(a) => found.v6 = Some(a),
    }
    found
}

fn address(entry: nix::ifaddrs::InterfaceAddress) -> Option<(String, IpAddr)> {
    let storage = entry.address?;
    let addr = match (storage.as_sockaddr_in(), storage.as_sockaddr_in6()) {
        (Some(a), _) => IpAddr::V4(a.ip()),
        (None, Some(a)) => IpAddr::V6(a.ip()),
        (None, None) => return None,
    };
    Some((entry.interface_name, addr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_loopback_interface_has_an_ipv4_address() {
        let a = session_addresses("127.0.0.1:179".parse().expect("an address"));
        assert_eq!(a.v4, Some(Ipv4Addr::LOCALHOST));
        assert_eq!(a.interface.as_deref(), Some("lo"));
    }

    #[test]
    fn an_address_that_no_interface_has_stands_for_its_family_alone() {
        let a = session_addresses("[2001:db8::1]:179".parse().expect("an address"));
        assert_eq!(a.v6, Some("2001:db8::1".parse().expect("an address")));
        assert_eq!((a.v4, a.interface), (None, None));
    }
}
