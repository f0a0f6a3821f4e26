//! Next hops as they come: their length by family, and whether they can be used at all.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ops::Range;

use crate::attr::NextHop;
use crate::family::Family;

/// Which octets of MP_REACH_NLRI's next hop count; none when the length is impossible for the family (RFC 7606 §7.11).
///
/// IPv6: 16 octets, or 32 of which the second half is a link-local address (RFC 2545 §3). IPv4: 4 octets, and those
/// of IPv6 where extended next hops were negotiated (RFC 8950 §3).
pub(super) fn select(octets: &[u8], family: Family, extended: bool) -> Option<Range<usize>> {
    let v6 = family == Family::IPV6_UNICAST || extended;
    match octets.len() {
        4 if family == Family::IPV4_UNICAST => Some(0..4),
        16 if v6 => Some(0..16),
        32 if v6 => {
            let NextHop::V6LinkLocal(global, second) = NextHop::from_octets(octets)? else { return None };
            Some(match (global.is_unspecified() || global.is_unicast_link_local(), second.is_unicast_link_local()) {
                // No global address: what the sender has is the link-local one.
                (true, true) => 16..32,
                (false, true) => 0..32,
                // The second is no link-local address: ignored.
                (_, false) => 0..16,
            })
        }
        _ => None,
    }
}

/// Whether a next hop is the address of another host: not unspecified, loopback, multicast or broadcast, and not ours
/// (RFC 4271 §6.3).
#[inline]
pub(super) fn is_usable(octets: &[u8], local_addrs: &[IpAddr]) -> bool {
    let Some(next_hop) = NextHop::from_octets(octets) else { return false };
    let usable = match next_hop {
        NextHop::V4(a) => is_usable_v4(a),
        NextHop::V6(a) | NextHop::V6LinkLocal(a, _) => is_usable_v6(a),
    };
    usable && !local_addrs.contains(&next_hop.addr().to_canonical())
}

fn is_usable_v4(a: Ipv4Addr) -> bool {
    let [first, ..] = a.octets();
    first != 0 && first != 127 && !a.is_multicast() && !a.is_broadcast()
}

fn is_usable_v6(a: Ipv6Addr) -> bool {
    // An IPv4 address may stand in IPv6 form (RFC 4291 §2.5.5.2): it is that address.
    !a.is_unspecified() && !a.is_loopback() && !a.is_multicast() && a.to_ipv4_mapped().is_none_or(is_usable_v4)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4271 §6.3.
    #[test]
    fn usable() {
        let ours: [IpAddr; 2] = ["10.0.0.1".parse().expect("v4"), "2001:db8::1".parse().expect("v6")];
        let rows = [
            ("10.0.0.2", true),
            ("10.0.0.1", false),
            ("0.0.0.0", false),
            ("0.1.2.3", false),
            ("127.0.0.1", false),
            ("224.0.0.1", false),
            ("239.255.255.255", false),
            ("240.0.0.1", true),
            ("255.255.255.255", false),
            ("2001:db8::2", true),
            ("2001:db8::1", false),
            ("fe80::1", true),
            ("::ffff:10.0.0.2", true),
            ("::ffff:10.0.0.1", false),
            ("::ffff:127.0.0.1", false),
            ("::ffff:0.0.0.0", false),
            ("::ffff:224.0.0.1", false),
            ("::", false),
            ("::1", false),
            ("ff02::1", false),
        ];
        for (text, expected) in rows {
            let octets = match text.parse().expect("an address") {
                IpAddr::V4(a) => a.octets().to_vec(),
                IpAddr::V6(a) => a.octets().to_vec(),
            };
            assert_eq!(is_usable(&octets, &ours), expected, "{text}");
        }
    }

    /// RFC 2545 §3, RFC 8950 §3.
    #[test]
    fn lengths() {
        let v6 = |a: &str, b: &str| {
            let octets = |s: &str| s.parse::<Ipv6Addr>().expect("v6").octets();
            [octets(a), octets(b)].concat()
        };
        let v4 = Family::IPV4_UNICAST;
        assert_eq!(select(&[0; 4], v4, false), Some(0..4));
        assert_eq!(select(&[0; 16], v4, false), None);
        assert_eq!(select(&[0; 16], v4, true), Some(0..16));
        assert_eq!(select(&v6("2001:db8::2", "fe80::2"), v4, false), None);
        assert_eq!(select(&v6("2001:db8::2", "fe80::2"), v4, true), Some(0..32));
        assert_eq!(select(&v6("2001:db8::2", "fe80::2"), Family::IPV6_UNICAST, false), Some(0..32));
        assert_eq!(select(&v6("2001:db8::2", "2001:db8::3"), Family::IPV6_UNICAST, false), Some(0..16));
        assert_eq!(select(&v6("::", "fe80::2"), Family::IPV6_UNICAST, false), Some(16..32));
        assert_eq!(select(&v6("fe80::2", "fe80::2"), Family::IPV6_UNICAST, false), Some(16..32));
        for len in [0, 1, 4, 5, 9, 15, 17, 24, 31, 33, 48] {
            assert_eq!(select(&vec![0; len], Family::IPV6_UNICAST, false), None, "{len}");
        }
    }
}
