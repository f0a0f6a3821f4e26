//! EXTENDED_COMMUNITIES (RFC 4360; 4-octet AS specific ones RFC 5668) and the IPv6-address-specific ones of an
//! attribute of their own (RFC 5701).
//!
//! Route targets and route origins have a text: `rt:65001:100`, `rt:192.0.2.1:100`, `ro:4200000000:1`. An AS that
//! would fit in two octets but stands in the 4-octet form has an `L` after it (`rt:65001L:100`), so that the text
//! means one value. All others are sixteen hexadecimal digits after `0x`.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use thiserror::Error;

use super::community::number;
use super::items::Item;
use crate::asn::Asn;

const TWO_OCTET_AS: u8 = 0x00;
const IPV4_ADDRESS: u8 = 0x01;
const FOUR_OCTET_AS: u8 = 0x02;
const ROUTE_TARGET: u8 = 0x02;
const ROUTE_ORIGIN: u8 = 0x03;

/// An extended community: type, sub-type and six octets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtCommunity(pub [u8; 8]);

/// What administers the number in a route target or route origin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Administrator {
    /// A 2-octet AS with a 4-octet number (RFC 4360 §3.1).
    As2(u16, u32),
    /// An IPv4 address with a 2-octet number (RFC 4360 §3.2).
    Ipv4(Ipv4Addr, u16),
    /// A 4-octet AS with a 2-octet number (RFC 5668 §2).
    As4(Asn, u16),
}

impl Administrator {
    fn octets(self, subtype: u8) -> [u8; 8] {
        match self {
            Self::As2(asn, n) => {
                let ([a, b], [c, d, e, f]) = (asn.to_be_bytes(), n.to_be_bytes());
                [TWO_OCTET_AS, subtype, a, b, c, d, e, f]
            }
            Self::Ipv4(addr, n) => {
                let ([a, b, c, d], [e, f]) = (addr.octets(), n.to_be_bytes());
                [IPV4_ADDRESS, subtype, a, b, c, d, e, f]
            }
            Self::As4(asn, n) => {
                let ([a, b, c, d], [e, f]) = (asn.0.to_be_bytes(), n.to_be_bytes());
                [FOUR_OCTET_AS, subtype, a, b, c, d, e, f]
            }
        }
    }
}

impl fmt::Display for Administrator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::As2(asn, n) => write!(f, "{asn}:{n}"),
            Self::Ipv4(addr, n) => write!(f, "{addr}:{n}"),
            Self::As4(asn, n) if asn.0 <= 0xFFFF => write!(f, "{asn}L:{n}"),
            Self::As4(asn, n) => write!(f, "{asn}:{n}"),
        }
    }
}

impl ExtCommunity {
    /// A route target (RFC 4360 §4).
    #[must_use]
    pub fn route_target(administrator: Administrator) -> Self {
        Self(administrator.octets(ROUTE_TARGET))
    }

    /// A route origin (RFC 4360 §5).
    #[must_use]
    pub fn route_origin(administrator: Administrator) -> Self {
        Self(administrator.octets(ROUTE_ORIGIN))
    }

    /// Whether it may cross the border of an AS (RFC 4360 §2: the T bit is 0; §6).
    #[must_use]
    pub const fn is_transitive(self) -> bool {
        let [kind, ..] = self.0;
        kind & 0x40 == 0
    }

    /// The administrator and number of a route target.
    #[must_use]
    pub fn as_route_target(self) -> Option<Administrator> {
        self.administrator(ROUTE_TARGET)
    }

    /// The administrator and number of a route origin.
    #[must_use]
    pub fn as_route_origin(self) -> Option<Administrator> {
        self.administrator(ROUTE_ORIGIN)
    }

    fn administrator(self, subtype: u8) -> Option<Administrator> {
        let [kind, sub, a, b, c, d, e, f] = self.0;
        if sub != subtype {
            return None;
        }
        match kind {
            TWO_OCTET_AS => Some(Administrator::As2(u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, f]))),
            IPV4_ADDRESS => Some(Administrator::Ipv4([a, b, c, d].into(), u16::from_be_bytes([e, f]))),
            FOUR_OCTET_AS => {
                Some(Administrator::As4(Asn(u32::from_be_bytes([a, b, c, d])), u16::from_be_bytes([e, f])))
            }
            _ => None,
        }
    }
}

impl Item for ExtCommunity {
    const LEN: usize = 8;
    fn from_octets(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(Self)
    }
    fn push(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl fmt::Display for ExtCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(target) = self.as_route_target() {
            write!(f, "rt:{target}")
        } else if let Some(origin) = self.as_route_origin() {
            write!(f, "ro:{origin}")
        } else {
            write!(f, "{:#018x}", u64::from_be_bytes(self.0))
        }
    }
}

impl fmt::Debug for ExtCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no extended community.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no extended community: write rt:AS:NUMBER, rt:ADDRESS:NUMBER, the same with ro, or 0x and 16 digits")]
pub struct ExtCommunityParseError(pub String);

impl FromStr for ExtCommunity {
    type Err = ExtCommunityParseError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let parse = || {
            if let Some(hex) = s.strip_prefix("0x") {
                let digits = hex.len() == 16 && hex.bytes().all(|b| b.is_ascii_hexdigit());
                return digits.then(|| u64::from_str_radix(hex, 16).ok()).flatten().map(|n| Self(n.to_be_bytes()));
            }
            let (kind, rest) = s.split_once(':')?;
            let (administrator, n) = rest.split_once(':')?;
            let administrator = if let Ok(addr) = administrator.parse::<Ipv4Addr>() {
                Administrator::Ipv4(addr, number(n)?)
            } else if let Some(asn) = administrator.strip_suffix('L') {
                Administrator::As4(Asn(number(asn)?), number(n)?)
            } else {
                let asn: u32 = number(administrator)?;
                match u16::try_from(asn) {
                    Ok(asn) => Administrator::As2(asn, number(n)?),
                    Err(_) => Administrator::As4(Asn(asn), number(n)?),
                }
            };
            match kind {
                "rt" => Some(Self::route_target(administrator)),
                "ro" => Some(Self::route_origin(administrator)),
                _ => None,
            }
        };
        parse().ok_or_else(|| ExtCommunityParseError(s.to_owned()))
    }
}

/// An IPv6-address-specific extended community (RFC 5701 §2): type, sub-type, address and two octets.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ipv6ExtCommunity(pub [u8; 20]);

impl Ipv6ExtCommunity {
    /// Whether it may cross the border of an AS.
    #[must_use]
    pub const fn is_transitive(self) -> bool {
        let [kind, ..] = self.0;
        kind & 0x40 == 0
    }
}

impl Item for Ipv6ExtCommunity {
    const LEN: usize = 20;
    fn from_octets(octets: &[u8]) -> Option<Self> {
        octets.try_into().ok().map(Self)
    }
    fn push(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }
}

impl fmt::Display for Ipv6ExtCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [kind, subtype, addr @ .., n0, n1] = self.0;
        let (addr, n) = (Ipv6Addr::from(addr), u16::from_be_bytes([n0, n1]));
        match (kind, subtype) {
            (0, ROUTE_TARGET) => write!(f, "rt:[{addr}]:{n}"),
            (0, ROUTE_ORIGIN) => write!(f, "ro:[{addr}]:{n}"),
            _ => write!(f, "{kind:#04x}{subtype:02x}:[{addr}]:{n}"),
        }
    }
}

impl fmt::Debug for Ipv6ExtCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_wire_both_ways() {
        let rows: [(&str, [u8; 8]); 7] = [
            ("rt:65001:100", [0, 2, 0xfd, 0xe9, 0, 0, 0, 100]),
            ("ro:65001:4294967295", [0, 3, 0xfd, 0xe9, 255, 255, 255, 255]),
            ("rt:192.0.2.1:7", [1, 2, 192, 0, 2, 1, 0, 7]),
            ("rt:4200000000:7", [2, 2, 0xfa, 0x56, 0xea, 0, 0, 7]),
            ("ro:65001L:7", [2, 3, 0, 0, 0xfd, 0xe9, 0, 7]),
            ("0x800bffff00000000", [0x80, 0x0b, 0xff, 0xff, 0, 0, 0, 0]),
            ("0x4004fde900000000", [0x40, 4, 0xfd, 0xe9, 0, 0, 0, 0]),
        ];
        for (text, octets) in rows {
            assert_eq!(text.parse(), Ok(ExtCommunity(octets)), "{text}");
            assert_eq!(ExtCommunity(octets).to_string(), text);
        }
        for text in ["rt:65535:1", "rt:65535L:1", "rt:65536:1"] {
            assert_eq!(text.parse::<ExtCommunity>().map(|c| c.to_string()).as_deref(), Ok(text));
        }
        assert!(!ExtCommunity([0x40, 4, 0, 0, 0, 0, 0, 0]).is_transitive());
        assert!(ExtCommunity([0x80, 4, 0, 0, 0, 0, 0, 0]).is_transitive());
    }

    #[test]
    fn what_is_no_extended_community() {
        let rows = [
            "",
            "rt",
            "rt:1",
            "rt:1:2:3",
            "xx:1:2",
            "rt:192.0.2.1:65536",
            "rt:65536:65536",
            "0x12",
            "0x+00000000000000",
        ];
        for text in rows {
            assert!(text.parse::<ExtCommunity>().is_err(), "{text:?}");
        }
    }

    /// RFC 4360 §4, §5: the sub-type says which; of another type there is neither.
    #[test]
    fn targets_and_origins() {
        for administrator in [
            Administrator::As2(65001, 7),
            Administrator::Ipv4([192, 0, 2, 1].into(), 7),
            Administrator::As4(Asn(4_200_000_000), 7),
        ] {
            let (target, origin) =
                (ExtCommunity::route_target(administrator), ExtCommunity::route_origin(administrator));
            assert_eq!((target.as_route_target(), target.as_route_origin()), (Some(administrator), None));
            assert_eq!((origin.as_route_target(), origin.as_route_origin()), (None, Some(administrator)));
        }
        let opaque = ExtCommunity([3, ROUTE_TARGET, 0, 0, 0, 0, 0, 1]);
        assert_eq!((opaque.as_route_target(), opaque.as_route_origin()), (None, None));
    }

    #[test]
    fn wire() {
        let (octets, mut out) = ([0, 2, 0xfd, 0xe9, 0, 0, 0, 100], Vec::new());
        ExtCommunity::from_octets(&octets).expect("eight octets").push(&mut out);
        assert_eq!((&out[..], ExtCommunity::from_octets(&octets[1..])), (&octets[..], None));
        let (octets, mut out) = ([7; 20], Vec::new());
        Ipv6ExtCommunity::from_octets(&octets).expect("twenty octets").push(&mut out);
        assert_eq!((&out[..], Ipv6ExtCommunity::from_octets(&octets[1..])), (&octets[..], None));
    }

    #[test]
    fn ipv6_specific_text() {
        let mut octets = [0; 20];
        octets[1] = ROUTE_TARGET;
        octets[2..6].copy_from_slice(&[0x20, 0x01, 0x0d, 0xb8]);
        octets[19] = 9;
        assert_eq!(Ipv6ExtCommunity(octets).to_string(), "rt:[2001:db8::]:9");
        assert!(Ipv6ExtCommunity(octets).is_transitive());
        octets[1] = ROUTE_ORIGIN;
        assert_eq!(Ipv6ExtCommunity(octets).to_string(), "ro:[2001:db8::]:9");
        octets[0] = 0x40;
        assert_eq!(Ipv6ExtCommunity(octets).to_string(), "0x4003:[2001:db8::]:9");
        assert!(!Ipv6ExtCommunity(octets).is_transitive());
        octets[0] = 0x80;
        assert!(Ipv6ExtCommunity(octets).is_transitive());
    }
}
