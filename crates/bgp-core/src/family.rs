//! Address families (RFC 4760 §3).

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Address Family Identifier; unknown numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Afi(pub u16);

/// Subsequent Address Family Identifier; unknown numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Safi(pub u8);

impl Afi {
    /// IPv4.
    pub const IPV4: Self = Self(1);
    /// IPv6.
    pub const IPV6: Self = Self(2);
}

impl Safi {
    /// Unicast forwarding.
    pub const UNICAST: Self = Self(1);
}

/// An AFI/SAFI pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Family {
    /// Address family.
    pub afi: Afi,
    /// Subsequent address family.
    pub safi: Safi,
}

impl Family {
    /// IPv4 unicast (1/1).
    pub const IPV4_UNICAST: Self = Self { afi: Afi::IPV4, safi: Safi::UNICAST };
    /// IPv6 unicast (2/1).
    pub const IPV6_UNICAST: Self = Self { afi: Afi::IPV6, safi: Safi::UNICAST };
    /// The families that this implementation carries, in the order in which they are shown.
    pub const SUPPORTED: [Self; 2] = [Self::IPV4_UNICAST, Self::IPV6_UNICAST];

    /// The pair of two numbers.
    #[must_use]
    pub const fn new(afi: u16, safi: u8) -> Self {
        Self { afi: Afi(afi), safi: Safi(safi) }
    }

    /// The longest prefix of the family in bits; none for a family that we do not carry.
    #[must_use]
    pub const fn max_prefix_len(self) -> Option<u8> {
        match (self.afi.0, self.safi.0) {
            (1, 1) => Some(32),
            (2, 1) => Some(128),
            _ => None,
        }
    }

    /// Position in [`Family::SUPPORTED`]; none for a family that we do not carry.
    #[must_use]
    pub const fn index(self) -> Option<usize> {
        match (self.afi.0, self.safi.0) {
            (1, 1) => Some(0),
            (2, 1) => Some(1),
            _ => None,
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.afi, self.safi) {
            (Afi::IPV4, Safi::UNICAST) => f.write_str("ipv4-unicast"),
            (Afi::IPV6, Safi::UNICAST) => f.write_str("ipv6-unicast"),
            (afi, safi) => write!(f, "afi {} safi {}", afi.0, safi.0),
        }
    }
}

/// The text is no family that we carry.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("unknown address family {0:?}; known are \"ipv4-unicast\" and \"ipv6-unicast\"")]
pub struct UnknownFamily(pub String);

impl FromStr for Family {
    type Err = UnknownFamily;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        match s {
            "ipv4-unicast" => Ok(Self::IPV4_UNICAST),
            "ipv6-unicast" => Ok(Self::IPV6_UNICAST),
            other => Err(UnknownFamily(other.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families() {
        let rows = [
            (Family::IPV4_UNICAST, "ipv4-unicast", Some((0, 32))),
            (Family::IPV6_UNICAST, "ipv6-unicast", Some((1, 128))),
            (Family::new(1, 4), "afi 1 safi 4", None),
            (Family::new(2, 128), "afi 2 safi 128", None),
            (Family::new(16_388, 71), "afi 16388 safi 71", None),
        ];
        for (family, text, carried) in rows {
            assert_eq!(family.to_string(), text);
            assert_eq!(family.index().zip(family.max_prefix_len()), carried, "{family}");
            assert_eq!(
                (family.index().is_some(), family.max_prefix_len().is_some()),
                (carried.is_some(), carried.is_some())
            );
            assert_eq!(text.parse().ok(), carried.map(|_| family));
        }
        assert!(Family::SUPPORTED.iter().enumerate().all(|(n, family)| family.index() == Some(n)));
    }
}
