//! Communities of the three kinds, and patterns of them.

use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

use thiserror::Error;

/// One community, of any of the three kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Community {
    /// RFC 1997: `65001:100`, or the name of a well-known one.
    Standard(u32),
    /// RFC 4360 and 5668: `rt:65001:100`, `soo:192.0.2.1:100`, or `ext:` and 16 hexadecimal digits.
    Extended([u8; 8]),
    /// RFC 8092: `65001:1:2`.
    Large([u32; 3]),
}

/// One community or, with `*` in place of a number, many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommunityPattern {
    /// RFC 1997: high and low half, none is any.
    Standard([Option<u16>; 2]),
    /// RFC 4360, exactly this one.
    Extended([u8; 8]),
    /// RFC 8092, none is any.
    Large([Option<u32>; 3]),
}

/// Why a text is no community.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommunityError {
    /// Unknown shape.
    #[error(
        "write \"65001:100\", a name such as \"no-export\", \"rt:65001:100\" or \"soo:65001:100\" (extended), \
         \"ext:\" and 16 hexadecimal digits, or \"65001:1:2\" (large)"
    )]
    Shape,
    /// A number beyond what its field holds.
    #[error("{0:?} does not fit: {1}")]
    TooBig(String, &'static str),
    /// A `*` where one value is needed.
    #[error("a \"*\" can be matched and removed, but not set or added; write a number")]
    Wildcard,
}

/// Well-known communities by the names of the IANA registry.
const WELL_KNOWN: [(&str, u32); 8] = [
    ("graceful-shutdown", 0xffff_0000),   // RFC 8326
    ("accept-own", 0xffff_0001),          // RFC 7611
    ("llgr-stale", 0xffff_0006),          // RFC 9494
    ("no-llgr", 0xffff_0007),             // RFC 9494
    ("blackhole", 0xffff_029a),           // RFC 7999
    ("no-export", 0xffff_ff01),           // RFC 1997
    ("no-advertise", 0xffff_ff02),        // RFC 1997
    ("no-export-subconfed", 0xffff_ff03), // RFC 1997
];

impl CommunityPattern {
    /// Whether a community matches.
    #[must_use]
    pub fn matches(&self, community: Community) -> bool {
        match (*self, community) {
            (Self::Standard([high, low]), Community::Standard(n)) => {
                let halves = [(n >> 16) as u16, (n & 0xffff) as u16];
                [high, low].into_iter().zip(halves).all(|(want, have)| want.is_none_or(|w| w == have))
            }
            (Self::Extended(want), Community::Extended(have)) => want == have,
            (Self::Large(want), Community::Large(have)) => {
                want.into_iter().zip(have).all(|(want, have)| want.is_none_or(|w| w == have))
            }
            (Self::Standard(_), Community::Extended(_) | Community::Large(_))
            | (Self::Extended(_), Community::Standard(_) | Community::Large(_))
            | (Self::Large(_), Community::Standard(_) | Community::Extended(_)) => false,
        }
    }
}

impl From<Community> for CommunityPattern {
    fn from(c: Community) -> Self {
        match c {
            Community::Standard(n) => Self::Standard([Some((n >> 16) as u16), Some((n & 0xffff) as u16)]),
            Community::Extended(octets) => Self::Extended(octets),
            Community::Large(parts) => Self::Large(parts.map(Some)),
        }
    }
}

impl TryFrom<CommunityPattern> for Community {
    type Error = CommunityError;
    fn try_from(p: CommunityPattern) -> Result<Self, Self::Error> {
        match p {
            CommunityPattern::Standard([Some(high), Some(low)]) => {
                Ok(Self::Standard(u32::from(high) << 16 | u32::from(low)))
            }
            CommunityPattern::Extended(octets) => Ok(Self::Extended(octets)),
            CommunityPattern::Large([Some(a), Some(b), Some(c)]) => Ok(Self::Large([a, b, c])),
            CommunityPattern::Standard(_) | CommunityPattern::Large(_) => Err(CommunityError::Wildcard),
        }
    }
}

/// A number or `*`.
fn part<T: FromStr>(text: &str, range: &'static str) -> Result<Option<T>, CommunityError> {
    if text == "*" {
        return Ok(None);
    }
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return Err(CommunityError::Shape);
    }
    text.parse().map(Some).map_err(|_| CommunityError::TooBig(text.to_owned(), range))
}

/// Low octet of the type of an extended community (RFC 4360 §4 and §5).
fn extended_sub_type(name: &str) -> Option<u8> {
    match name {
        "rt" => Some(0x02),
        "soo" | "ro" => Some(0x03),
        _ => None,
    }
}

/// `rt:A:N` and `soo:A:N` with A a 2-octet AS, a 4-octet AS (RFC 5668) or an IPv4 address.
fn extended(sub_type: u8, administrator: &str, number: &str) -> Result<[u8; 8], CommunityError> {
    let mut octets = [0; 8];
    let value: u32 = match part(number, "the last number has 32 bits at most")? {
        Some(n) => n,
        None => return Err(CommunityError::Shape),
    };
    let address = administrator.parse::<Ipv4Addr>().ok();
    let asn = match address {
        Some(_) => None,
        None => part::<u32>(administrator, "an AS number has 32 bits at most")?,
    };
    let narrow = || u16::try_from(value).map_err(|_| CommunityError::TooBig(number.to_owned(), "at most 65535 here"));
    let (kind, wide) = match (address, asn) {
        (Some(address), _) => (0x01, u32::from(address)),
        (None, Some(asn)) => match u16::try_from(asn) {
            Ok(asn) => {
                octets = [0x00, sub_type, 0, 0, 0, 0, 0, 0];
                octets[2..4].copy_from_slice(&asn.to_be_bytes());
                octets[4..].copy_from_slice(&value.to_be_bytes());
                return Ok(octets);
            }
            Err(_) => (0x02, asn),
        },
        (None, None) => return Err(CommunityError::Shape),
    };
    octets[0] = kind;
    octets[1] = sub_type;
    octets[2..6].copy_from_slice(&wide.to_be_bytes());
    octets[6..].copy_from_slice(&narrow()?.to_be_bytes());
    Ok(octets)
}

impl FromStr for CommunityPattern {
    type Err = CommunityError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if let Some((_, n)) = WELL_KNOWN.iter().find(|(name, _)| *name == s) {
            return Ok(Community::Standard(*n).into());
        }
        let parts: Vec<&str> = s.split(':').collect();
        match *parts.as_slice() {
            ["ext", hex] => {
                let hex = hex.strip_prefix("0x").unwrap_or(hex);
                let digits = hex.len() == 16 && hex.bytes().all(|b| b.is_ascii_hexdigit());
                let n = u64::from_str_radix(hex, 16).ok().filter(|_| digits).ok_or(CommunityError::Shape)?;
                Ok(Self::Extended(n.to_be_bytes()))
            }
            [high, low] => {
                let range = "each half of a community is 0 to 65535; a large community has three parts";
                Ok(Self::Standard([part(high, range)?, part(low, range)?]))
            }
            [a, b, c] => match extended_sub_type(a) {
                Some(sub_type) => extended(sub_type, b, c).map(Self::Extended),
                None => {
                    let range = "each part of a large community is 0 to 4294967295";
                    Ok(Self::Large([part(a, range)?, part(b, range)?, part(c, range)?]))
                }
            },
            _ => Err(CommunityError::Shape),
        }
    }
}

impl FromStr for Community {
    type Err = CommunityError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        s.parse::<CommunityPattern>()?.try_into()
    }
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        CommunityPattern::from(*self).fmt(f)
    }
}

impl fmt::Display for CommunityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn write_parts<T: fmt::Display>(f: &mut fmt::Formatter<'_>, parts: &[Option<T>]) -> fmt::Result {
            for (i, part) in parts.iter().enumerate() {
                let colon = if i == 0 { "" } else { ":" };
                match part {
                    Some(n) => write!(f, "{colon}{n}")?,
                    None => write!(f, "{colon}*")?,
                }
            }
            Ok(())
        }
        match self {
            Self::Standard(parts) => {
                let name = Community::try_from(*self).ok().and_then(|c| match c {
                    Community::Standard(n) => WELL_KNOWN.iter().find(|(_, known)| *known == n),
                    Community::Extended(_) | Community::Large(_) => None,
                });
                match name {
                    Some((name, _)) => f.write_str(name),
                    None => write_parts(f, parts),
                }
            }
            Self::Large(parts) => write_parts(f, parts),
            Self::Extended(octets) => write_extended(f, *octets),
        }
    }
}

/// The text that parses to these octets.
fn write_extended(f: &mut fmt::Formatter<'_>, octets: [u8; 8]) -> fmt::Result {
    let [kind, sub_type, a, b, c, d, e, g] = octets;
    let name = match sub_type {
        0x02 => "rt",
        0x03 => "soo",
        _ => "",
    };
    let wide = u32::from_be_bytes([a, b, c, d]);
    let low = u16::from_be_bytes([e, g]);
    match kind {
        0x00 if !name.is_empty() => {
            write!(f, "{name}:{}:{}", u16::from_be_bytes([a, b]), u32::from_be_bytes([c, d, e, g]))
        }
        0x01 if !name.is_empty() => write!(f, "{name}:{}:{low}", Ipv4Addr::from(wide)),
        0x02 if !name.is_empty() && wide > 0xffff => write!(f, "{name}:{wide}:{low}"),
        _ => write!(f, "ext:{:016x}", u64::from_be_bytes(octets)),
    }
}
