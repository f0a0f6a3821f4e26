//! The addresses of the interface that a session runs over: what next-hop self puts into the other family, and the
//! link-local address beside a global one (RFC 2545 §3).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use heddle_bgp_core::Timestamp;
use nix::ifaddrs::getifaddrs;

/// How old what was read may be: asking the kernel takes as long as it has interfaces, and when a speaker starts many
/// sessions come at once.
const FRESH: Duration = Duration::from_millis(250);

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

/// An address of an interface.
#[derive(Clone, Debug)]
struct Held {
    interface: String,
    ip: IpAddr,
    mask: Option<IpAddr>,
}

/// The addresses of all interfaces, as they were a moment ago.
#[derive(Debug, Default)]
pub(crate) struct Interfaces(Mutex<Option<(Timestamp, Vec<Held>)>>);

impl Interfaces {
    /// Finds the interface that holds `local` and its addresses of both families; what the interface has not stays none.
    /// An address of the session itself always stands for its family; loopback addresses stand for nothing else.
    #[must_use]
    pub(crate) fn of_session(&self, now: Timestamp, local: SocketAddr, remote: SocketAddr) -> SessionAddresses {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // An address that is not among them may be a moment old.
        let fresh = |(at, all): &&(Timestamp, Vec<Held>)| now.since(*at) < FRESH && has(all, local.ip());
        if let Some((_, all)) = known.as_ref().filter(fresh) {
            return choose(all, local.ip(), remote.ip());
        }
        let all: Vec<Held> = getifaddrs().map(|i| i.filter_map(held).collect()).unwrap_or_default();
        let found = choose(&all, local.ip(), remote.ip());
        *known = Some((now, all));
        found
    }
}

fn has(all: &[Held], local: IpAddr) -> bool {
    all.iter().any(|h| h.ip == local)
}

fn choose(all: &[Held], local: IpAddr, remote: IpAddr) -> SessionAddresses {
    let mut found = SessionAddresses::default();
    let holder = all.iter().find(|h| h.ip == local);
    // RFC 2545 §3: the link-local address is for peers on the same link alone.
    let on_link = is_link_local(remote) || holder.is_some_and(|h| h.mask.is_some_and(|m| same_net(h.ip, remote, m)));
    found.interface = holder.map(|h| h.interface.clone());
    found.index = found.interface.as_deref().and_then(|name| nix::net::if_::if_nametoindex(name).ok());
    for h in all.iter().filter(|h| Some(&h.interface) == found.interface.as_ref()) {
        match h.ip {
            IpAddr::V6(a) if a.is_unicast_link_local() => {
                found.link_local = if on_link { found.link_local.or(Some(a)) } else { None };
            }
            ip if ip.is_loopback() => {}
            IpAddr::V4(a) => found.v4 = found.v4.or(Some(a)),
            IpAddr::V6(a) => found.v6 = found.v6.or(Some(a)),
        }
    }
    match local {
        IpAddr::V4(a) => found.v4 = Some(a),
        IpAddr::V6(a) if a.is_unicast_link_local() => found.link_local = Some(a),
        IpAddr::V6(a) => found.v6 = Some(a),
    }
    found
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(a) if a.is_unicast_link_local())
}

fn same_net(a: IpAddr, b: IpAddr, mask: IpAddr) -> bool {
    match (a, b, mask) {
        (IpAddr::V4(a), IpAddr::V4(b), IpAddr::V4(m)) => (a & m) == (b & m),
        (IpAddr::V6(a), IpAddr::V6(b), IpAddr::V6(m)) => (a & m) == (b & m),
        _ => false,
    }
}

fn held(entry: nix::ifaddrs::InterfaceAddress) -> Option<Held> {
    let ip = |storage: &nix::sys::socket::SockaddrStorage| match (storage.as_sockaddr_in(), storage.as_sockaddr_in6()) {
        (Some(a), _) => Some(IpAddr::V4(a.ip())),
        (None, Some(a)) => Some(IpAddr::V6(a.ip())),
        (None, None) => None,
    };
    let (address, mask) = (entry.address.as_ref().and_then(ip)?, entry.netmask.as_ref().and_then(ip));
    Some(Held { interface: entry.interface_name, ip: address, mask })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn interfaces() -> Vec<Held> {
        let held = |interface: &str, a: &str, mask: &str| Held {
            interface: interface.to_owned(),
            ip: ip(a),
            mask: Some(ip(mask)),
        };
        vec![
            held("lo", "127.0.0.1", "255.0.0.0"),
            held("lo", "10.255.0.1", "255.255.255.255"),
            held("lo", "2001:db8::1", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"),
            held("test0", "192.0.2.1", "255.255.255.0"),
            held("test0", "2001:db8:1::1", "ffff:ffff:ffff:ffff::"),
            held("test0", "fe80::1", "ffff:ffff:ffff:ffff::"),
        ]
    }

    fn interfaces_without_loopback() -> Vec<Held> {
        interfaces().into_iter().filter(|h| h.interface != "lo").collect()
    }

    #[test]
    fn the_other_family_and_the_link_come_from_the_interface() {
        let a = choose(&interfaces(), ip("192.0.2.1"), ip("192.0.2.2"));
        assert_eq!(a.v4.map(IpAddr::V4), Some(ip("192.0.2.1")));
        assert_eq!(a.v6.map(IpAddr::V6), Some(ip("2001:db8:1::1")));
        assert_eq!(a.link_local.map(IpAddr::V6), Some(ip("fe80::1")));
    }

    #[test]
    fn a_peer_beyond_the_link_gets_no_link_local_address() {
        let a = choose(&interfaces(), ip("192.0.2.1"), ip("198.51.100.2"));
        assert_eq!(a.link_local, None);
    }

    #[test]
    fn a_session_from_a_loopback_interface_never_has_127_as_next_hop() {
        let a = choose(&interfaces(), ip("2001:db8::1"), ip("2001:db8::2"));
        assert_eq!(a.v4.map(IpAddr::V4), Some(ip("10.255.0.1")));
    }

    #[test]
    fn an_address_that_no_interface_has_stands_for_its_family_alone() {
        let a = choose(&interfaces(), ip("2001:db8:9::1"), ip("2001:db8:9::2"));
        assert_eq!(a.v6.map(IpAddr::V6), Some(ip("2001:db8:9::1")));
        assert_eq!((a.v4, a.interface), (None, None));
    }

    #[test]
    fn the_system_knows_its_loopback_address() {
        let interfaces = Interfaces::default();
        let ask = |at| {
            let (local, remote) = ("127.0.0.1:179", "127.0.0.1:1");
            interfaces.of_session(at, local.parse().expect("valid"), remote.parse().expect("valid"))
        };
        let at = |millis| Timestamp::ZERO + Duration::from_millis(millis);
        assert_eq!(ask(at(0)).interface.as_deref(), Some("lo"));
        let remember = |all: Vec<Held>| *interfaces.0.lock().expect("no panic") = Some((at(0), all));
        let moved = Held { interface: "lo2".to_owned(), ip: ip("127.0.0.1"), mask: None };
        remember(vec![moved]);
        assert_eq!(ask(at(10)).interface.as_deref(), Some("lo2"), "what was read a moment ago counts");
        assert_eq!(ask(at(1000)).interface.as_deref(), Some("lo"), "later it is read again");
        remember(interfaces_without_loopback());
        assert_eq!(ask(at(10)).interface.as_deref(), Some("lo"), "an address that was not there is looked for");
    }
}
