//! Autonomous System numbers (RFC 4271 §1.1, RFC 6793).

use std::fmt;
use std::num::ParseIntError;
use std::str::FromStr;

/// An Autonomous System number, four octets (RFC 6793).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Asn(pub u32);

/// What a 2-octet speaker sees in place of an AS number above 65535 (RFC 6793 §9).
pub const AS_TRANS: Asn = Asn(23456);

/// How wide AS numbers are in AS_PATH and AGGREGATOR on a session (RFC 6793 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AsWidth {
    /// The peer did not advertise the 4-octet AS capability.
    Two,
    /// Both sides advertised the 4-octet AS capability.
    Four,
}

impl Asn {
    /// Whether the number is reserved for private use (RFC 6996 §5).
    #[must_use]
    pub const fn is_private(self) -> bool {
        matches!(self.0, 64512..=65534 | 4_200_000_000..=4_294_967_294)
    }

    /// The number as a 2-octet speaker sees it: itself, or AS_TRANS when it does not fit (RFC 6793 §4.2.2).
    #[must_use]
    pub fn as_two_octets(self) -> u16 {
        u16::try_from(self.0).unwrap_or(23456)
    }
}

impl fmt::Display for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Asn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AS{}", self.0)
    }
}

impl FromStr for Asn {
    type Err = ParseIntError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        s.parse().map(Self)
    }
}

impl From<u32> for Asn {
    fn from(n: u32) -> Self {
        Self(n)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_numbers() {
        for n in [0, 1, 65_001, u32::MAX] {
            assert_eq!(Asn::from(n), Asn(n));
            assert_eq!((Asn(n).to_string(), n.to_string().parse()), (n.to_string(), Ok(Asn(n))));
        }
        assert!("4294967296".parse::<Asn>().is_err() && "65001x".parse::<Asn>().is_err());
    }

    /// RFC 6996 §5.
    #[test]
    fn private_numbers() {
        let private = [64_512, 65_534, 4_200_000_000, 4_294_967_294];
        let public = [0, 1, 23_456, 64_511, 65_535, 65_536, 4_199_999_999, 4_294_967_295];
        assert!(private.iter().all(|n| Asn(*n).is_private()));
        assert!(!public.iter().any(|n| Asn(*n).is_private()));
    }

    /// RFC 6793 §4.2.2.
    #[test]
    fn what_a_two_octet_speaker_sees() {
        for (asn, seen) in [(1, 1), (65_535, 65_535), (65_536, 23_456), (u32::MAX, 23_456)] {
            assert_eq!(Asn(asn).as_two_octets(), seen);
        }
    }
}
