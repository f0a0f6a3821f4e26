//! Addresses as a table stores them: without alignment above 4.

use std::fmt;

use heddle_bgp_core::{Family, Prefix, Prefix4, Prefix6};

use crate::index::{NEAR_BITS, mix, near};

/// An address of a family.
pub(crate) trait Addr: Copy + Eq + fmt::Debug {
    const FAMILY: Family;
    const ZERO: Self;
    /// Address and length of a prefix; none for one of another family.
    fn of(prefix: Prefix) -> Option<(Self, u8)>;
    fn prefix(self, len: u8) -> Prefix;
    fn hash(self, len: u8, seed: u64) -> u64;
}

/// IPv4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Addr4(u32);

/// IPv6.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Addr6([u32; 4]);

impl Addr for Addr4 {
    const FAMILY: Family = Family::IPV4_UNICAST;
    const ZERO: Self = Self(0);
    #[inline]
    fn of(prefix: Prefix) -> Option<(Self, u8)> {
        match prefix {
            Prefix::V4(p) => Some((Self(p.addr()), p.len())),
            Prefix::V6(_) => None,
        }
    }
    #[inline]
    fn prefix(self, len: u8) -> Prefix {
        Prefix::V4(Prefix4::new(self.0, len).expect("invariant: lengths in the table are possible"))
    }
    #[inline]
    fn hash(self, len: u8, seed: u64) -> u64 {
        let network = u64::from(self.0) >> 32_u8.saturating_sub(len);
        near(mix(network >> NEAR_BITS, u64::from(len), seed), network)
    }
}

impl Addr for Addr6 {
    const FAMILY: Family = Family::IPV6_UNICAST;
    const ZERO: Self = Self([0; 4]);
    #[inline]
    fn of(prefix: Prefix) -> Option<(Self, u8)> {
        match prefix {
            Prefix::V6(p) => {
                #[expect(clippy::cast_possible_truncation, reason = "words of the address")]
                let words = [96, 64, 32, 0].map(|shift| (p.addr() >> shift) as u32);
                Some((Self(words), p.len()))
            }
            Prefix::V4(_) => None,
        }
    }
    #[inline]
    fn prefix(self, len: u8) -> Prefix {
        let addr = self.0.iter().fold(0, |a, &w| a << 32 | u128::from(w));
        Prefix::V6(Prefix6::new(addr, len).expect("invariant: lengths in the table are possible"))
    }
    #[inline]
    fn hash(self, len: u8, seed: u64) -> u64 {
        let [a, b, c, d] = self.0.map(u64::from);
        let (high, low) = (a << 32 | b, c << 32 | d);
        // The last word of the network, and what is before it.
        let (before, last) = match len {
            0..=64 => (0, high.checked_shr(64 - u32::from(len)).unwrap_or(0)),
            65.. => (high, low.checked_shr(128_u32.saturating_sub(u32::from(len))).unwrap_or(0)),
        };
        near(mix(mix(before, u64::from(len), seed), last >> NEAR_BITS, seed), last)
    }
}
