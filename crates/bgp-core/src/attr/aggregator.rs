//! AGGREGATOR (RFC 4271 §5.1.7, RFC 6793 §3).

use std::fmt;
use std::net::Ipv4Addr;

use crate::asn::Asn;
use crate::reader::Reader;

/// Who aggregated a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Aggregator {
    /// Its AS.
    pub asn: Asn,
    /// Its address, usually the BGP Identifier.
    pub addr: Ipv4Addr,
}

impl Aggregator {
    /// From the eight octets of a block.
    #[must_use]
    pub fn from_octets(octets: &[u8]) -> Option<Self> {
        let mut r = Reader::new(octets);
        let aggregator = Self { asn: Asn(r.u32().ok()?), addr: r.array::<4>().ok()?.into() };
        r.is_empty().then_some(aggregator)
    }

    /// As eight octets.
    #[must_use]
    pub fn to_octets(self) -> [u8; 8] {
        let [a, b, c, d] = self.asn.0.to_be_bytes();
        let [e, f, g, h] = self.addr.octets();
        [a, b, c, d, e, f, g, h]
    }
}

impl fmt::Display for Aggregator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.asn, self.addr)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_both_ways() {
        let octets = [0, 1, 0, 0, 192, 0, 2, 1];
        let aggregator = Aggregator { asn: Asn(65_536), addr: Ipv4Addr::new(192, 0, 2, 1) };
        assert_eq!((Aggregator::from_octets(&octets), aggregator.to_octets()), (Some(aggregator), octets));
        assert_eq!(aggregator.to_string(), "65536 192.0.2.1");
        for len in [0, 3, 4, 6, 7, 9] {
            assert_eq!(Aggregator::from_octets(&vec![1; len]), None, "{len} octets");
        }
    }
}
