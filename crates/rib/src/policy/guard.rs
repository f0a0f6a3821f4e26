//! The guard of a peer on the Internet: what nobody has to announce to us, refused before any policy (RFC 7454 §6).
//!
//! A guard looks at the prefix (its length, whether it is the default route, special-purpose space or our own) and at the
//! next hop. In a data centre none of this holds (a pod is a /32 in private space): a peer has a guard where its
//! configuration says so. What it refuses stays in Adj-RIB-In, ineligible, with the reason.

use std::fmt;
use std::net::Ipv6Addr;
use std::ops::RangeInclusive;
use std::sync::Arc;

use heddle_bgp_core::attr::NextHop;
use heddle_bgp_core::{Prefix, Prefix4, Prefix6};

use super::definition::Verdict;

/// What a guard refuses. Equal guards judge alike.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Guard {
    /// Lengths of IPv4 prefixes that pass.
    pub ipv4_lengths: RangeInclusive<u8>,
    /// Lengths of IPv6 prefixes that pass.
    pub ipv6_lengths: RangeInclusive<u8>,
    /// The default route.
    pub default_route: Verdict,
    /// Special-purpose prefixes.
    pub martians: Verdict,
    /// Ours, with everything more specific.
    pub own: Arc<[Prefix]>,
}

/// Why a guard refuses a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Refusal {
    /// The default route (RFC 7454 §6.1.6).
    DefaultRoute,
    /// Our own prefix, or part of it (RFC 7454 §6.1.4).
    OwnPrefix,
    /// Special-purpose space (RFC 7454 §6.1.1, RFC 6890).
    Martian,
    /// Too specific (RFC 7454 §6.1.3).
    TooLong,
    /// More than anybody was ever given.
    TooShort,
    /// A next hop that is nobody's neighbour (RFC 7454 §10).
    NextHop,
}

impl Refusal {
    /// All.
    pub const ALL: [Self; 6] =
        [Self::DefaultRoute, Self::OwnPrefix, Self::Martian, Self::TooLong, Self::TooShort, Self::NextHop];
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::DefaultRoute => "it is the default route (RFC 7454 §6.1.6)",
            Self::OwnPrefix => "the prefix is our own, or part of it (RFC 7454 §6.1.4)",
            Self::Martian => "the prefix is special-purpose space (RFC 7454 §6.1.1, RFC 6890)",
            Self::TooLong => "the prefix is too specific (RFC 7454 §6.1.3)",
            Self::TooShort => "the prefix is shorter than any that was ever assigned",
            Self::NextHop => "the next hop is no address of a neighbour (RFC 7454 §10)",
        })
    }
}

/// How often a guard refused, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GuardCounts([u64; Refusal::ALL.len()]);

impl GuardCounts {
    /// How often for this reason.
    #[must_use]
    pub const fn of(&self, refusal: Refusal) -> u64 {
        self.0[refusal as usize]
    }
    /// Whether nothing was refused.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        *self == Self::default()
    }
    /// Counts one.
    pub(crate) fn count(&mut self, refusal: Refusal) {
        self.0[refusal as usize] += 1;
    }
}

impl std::ops::AddAssign for GuardCounts {
    fn add_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(n, more)| *n += more);
    }
}

/// IPv4: what the registry of RFC 6890 has as not globally reachable, 6to4 relays (RFC 7526), multicast and class E.
const MARTIANS_V4: [Prefix4; 15] = [
    v4([0, 0, 0, 0], 8),
    v4([10, 0, 0, 0], 8),
    v4([100, 64, 0, 0], 10),
    v4([127, 0, 0, 0], 8),
    v4([169, 254, 0, 0], 16),
    v4([172, 16, 0, 0], 12),
    v4([192, 0, 0, 0], 24),
    v4([192, 0, 2, 0], 24),
    v4([192, 88, 99, 0], 24),
    v4([192, 168, 0, 0], 16),
    v4([198, 18, 0, 0], 15),
    v4([198, 51, 100, 0], 24),
    v4([203, 0, 113, 0], 24),
    v4([224, 0, 0, 0], 4),
    CLASS_E,
];

/// Reserved (RFC 1112 §4).
const CLASS_E: Prefix4 = v4([240, 0, 0, 0], 4);

/// All that was ever assigned to networks lies in here (RFC 4291 §2.4, RFC 7454 §6.1.2).
const GLOBAL_V6: Prefix6 = v6([0x2000, 0], 3);

/// Within that: Teredo, benchmarking, ORCHID, documentation, 6to4 (RFC 7526), the 6bone (RFC 3701), documentation (RFC
/// 9637).
const MARTIANS_V6: [Prefix6; 7] = [
    v6([0x2001, 0], 32),
    v6([0x2001, 2], 48),
    v6([0x2001, 0x10], 28),
    v6([0x2001, 0xdb8], 32),
    v6([0x2002, 0], 16),
    v6([0x3ffe, 0], 16),
    v6([0x3fff, 0], 20),
];

const fn v4(octets: [u8; 4], len: u8) -> Prefix4 {
    match Prefix4::new(u32::from_be_bytes(octets), len) {
        Some(prefix) => prefix,
        None => panic!("invariant: a prefix of this table has no host bits"),
    }
}

const fn v6(groups: [u16; 2], len: u8) -> Prefix6 {
    let [a, b] = groups;
    match Prefix6::new(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0).to_bits(), len) {
        Some(prefix) => prefix,
        None => panic!("invariant: a prefix of this table has no host bits"),
    }
}

impl Guard {
    /// What is usual between networks: IPv4 /8 to /24, IPv6 /16 to /48, no default route, no special-purpose space.
    #[must_use]
    pub fn internet() -> Self {
        Self {
            ipv4_lengths: 8..=24,
            ipv6_lengths: 16..=48,
            default_route: Verdict::Reject,
            martians: Verdict::Reject,
            own: Arc::new([]),
        }
    }

    /// Why a route is refused; none when it passes.
    #[must_use]
    pub fn refuses(&self, prefix: Prefix, next_hop: Option<NextHop>) -> Option<Refusal> {
        self.refuses_prefix(prefix).or_else(|| {
            let neighbour = next_hop.is_none_or(is_neighbour);
            (!neighbour).then_some(Refusal::NextHop)
        })
    }

    fn refuses_prefix(&self, prefix: Prefix) -> Option<Refusal> {
        let len = prefix.len();
        if len == 0 {
            return (self.default_route == Verdict::Reject).then_some(Refusal::DefaultRoute);
        }
        if self.own.iter().any(|own| own.contains(prefix)) {
            return Some(Refusal::OwnPrefix);
        }
        if self.martians == Verdict::Reject && is_martian(prefix) {
            return Some(Refusal::Martian);
        }
        let lengths = match prefix {
            Prefix::V4(_) => &self.ipv4_lengths,
            Prefix::V6(_) => &self.ipv6_lengths,
        };
        if len > *lengths.end() {
            return Some(Refusal::TooLong);
        }
        (len < *lengths.start()).then_some(Refusal::TooShort)
    }
}

/// Whether a prefix lies in special-purpose space.
#[must_use]
pub fn is_martian(prefix: Prefix) -> bool {
    match prefix {
        Prefix::V4(p) => MARTIANS_V4.iter().any(|m| m.contains(p)),
        Prefix::V6(p) => !GLOBAL_V6.contains(p) && !p.contains(GLOBAL_V6) || MARTIANS_V6.iter().any(|m| m.contains(p)),
    }
}

/// Whether a next hop may be the address of a router beside us. What no host has at all (0/8, 127/8, multicast, our own
/// address) makes a route malformed whoever sends it (RFC 4271 §6.3); here it is class E, and IPv6 addresses that are
/// neither global nor unique local nor link-local.
fn is_neighbour(next_hop: NextHop) -> bool {
    match next_hop {
        NextHop::V4(a) => Prefix4::new(a.to_bits(), 32).is_none_or(|host| !CLASS_E.contains(host)),
        NextHop::V6(a) | NextHop::V6LinkLocal(a, _) => {
            let global = Prefix6::new(a.to_bits(), 128).is_some_and(|host| GLOBAL_V6.contains(host));
            global || a.is_unique_local() || a.is_unicast_link_local()
        }
    }
}

#[cfg(test)]
mod tests;
