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
    /// RFC 4360 and 5668: `rt:65001:100`, `soo:192.0.2.1:100`, or `0x` and 16 hexadecimal digits.
    Extended([u8; 8]),
    /// RFC 8092: `65001:1:2`.
    Large([u32; 3]),
}

/// One community or, with `*` or `A-B` in place of a number, many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommunityPattern {
    /// RFC 1997: both halves.
    Standard([Span; 2]),
    /// RFC 4360, exactly these octets.
    Raw([u8; 8]),
    /// RFC 4360: a transitive community with an administrator, of any of the three types that the number allows.
    Extended(ExtendedKind, Administrator, Span),
    /// RFC 8092: the three parts.
    Large([Span; 3]),
}

/// Numbers from `min` to `max`, both included; one part of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// Least.
    pub min: u32,
    /// Greatest.
    pub max: u32,
}

/// The two kinds of extended communities that have names (RFC 4360 §4 and §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ExtendedKind {
    /// `rt`
    RouteTarget,
    /// `soo`
    RouteOrigin,
}

/// Who defined an extended community.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Administrator {
    /// An AS, in two octets where it fits, in four (RFC 5668) where it does not.
    Asn(Span),
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
}

/// Why a text is no community.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum CommunityError {
    /// Unknown shape.
    #[error(
        "write \"65001:100\", a name such as \"no-export\", \"65001:1:2\" (large), \"rt:65001:100\" or \
         \"soo:65001:100\" (extended), or \"0x\" and 16 hexadecimal digits"
    )]
    Shape,
    /// One part of it is no number, or one that its field does not hold.
    #[error("{0:?} does not fit: write a number from 0 to {1}, \"*\", or a range as in \"100-199\"")]
    Part(String, u32),
    /// A `*` or a range where one value is needed.
    #[error("a \"*\" or a range can be matched and removed, but not set or added; write one number")]
    Pattern,
}

/// Well-known communities by the names of the IANA registry.
const WELL_KNOWN: [(&str, u32); 9] = [
    ("graceful-shutdown", 0xffff_0000),   // RFC 8326
    ("accept-own", 0xffff_0001),          // RFC 7611
    ("llgr-stale", 0xffff_0006),          // RFC 9494
    ("no-llgr", 0xffff_0007),             // RFC 9494
    ("blackhole", 0xffff_029a),           // RFC 7999
    ("no-export", 0xffff_ff01),           // RFC 1997
    ("no-advertise", 0xffff_ff02),        // RFC 1997
    ("no-export-subconfed", 0xffff_ff03), // RFC 1997
    ("no-peer", 0xffff_ff04),             // RFC 3765
];

impl Span {
    /// Every number.
    pub const ANY: Self = Self { min: 0, max: u32::MAX };

    /// One number.
    #[must_use]
    pub const fn exactly(n: u32) -> Self {
        Self { min: n, max: n }
    }

    /// The only number inside, where there is only one.
    #[must_use]
    pub const fn single(self) -> Option<u32> {
        if self.min == self.max { Some(self.min) } else { None }
    }

    /// `N`, `*` or `A-B`, nothing above `limit`.
    fn parse(text: &str, limit: u32) -> Result<Self, CommunityError> {
        if text == "*" {
            return Ok(Self::ANY);
        }
        let number = |t: &str| {
            let plain = !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
            t.parse::<u32>().ok().filter(|&n| plain && n <= limit)
        };
        let span = match text.split_once('-') {
            None => number(text).map(Self::exactly),
            Some((a, b)) => match (number(a), number(b)) {
                (Some(min), Some(max)) if min <= max => Some(Self { min, max }),
                (Some(_) | None, Some(_) | None) => None,
            },
        };
        span.ok_or_else(|| CommunityError::Part(text.to_owned(), limit))
    }
}

impl ExtendedKind {
    /// Low octet of the type.
    const fn sub_type(self) -> u8 {
        match self {
            Self::RouteTarget => 0x02,
            Self::RouteOrigin => 0x03,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::RouteTarget => "rt",
            Self::RouteOrigin => "soo",
        }
    }
}

/// The pattern that matches just these octets, with a name where they have one.
const fn named_extended(octets: [u8; 8]) -> CommunityPattern {
    let [kind, sub_type, a, b, c, d, e, f] = octets;
    let name = match sub_type {
        0x02 => ExtendedKind::RouteTarget,
        0x03 => ExtendedKind::RouteOrigin,
        _ => return CommunityPattern::Raw(octets),
    };
    let wide = u32::from_be_bytes([a, b, c, d]);
    let low = Span::exactly(u32::from_be_bytes([0, 0, e, f]));
    match kind {
        0x00 => {
            let asn = Administrator::Asn(Span::exactly(u32::from_be_bytes([0, 0, a, b])));
            CommunityPattern::Extended(name, asn, Span::exactly(u32::from_be_bytes([c, d, e, f])))
        }
        0x01 => CommunityPattern::Extended(name, Administrator::Ipv4(Ipv4Addr::from_bits(wide)), low),
        // An AS that fits into two octets, in the form for four (RFC 5668 §2 does not allow it), has no name.
        0x02 if wide > 0xffff => CommunityPattern::Extended(name, Administrator::Asn(Span::exactly(wide)), low),
        _ => CommunityPattern::Raw(octets),
    }
}

impl From<Community> for CommunityPattern {
    fn from(c: Community) -> Self {
        match c {
            Community::Standard(n) => Self::Standard([Span::exactly(n >> 16), Span::exactly(n & 0xffff)]),
            Community::Extended(octets) => named_extended(octets),
            Community::Large(parts) => Self::Large(parts.map(Span::exactly)),
        }
    }
}

impl TryFrom<CommunityPattern> for Community {
    type Error = CommunityError;
    fn try_from(p: CommunityPattern) -> Result<Self, Self::Error> {
        let one = |span: Span| span.single().ok_or(CommunityError::Pattern);
        match p {
            CommunityPattern::Standard([high, low]) => Ok(Self::Standard(one(high)? << 16 | one(low)? & 0xffff)),
            CommunityPattern::Raw(octets) => Ok(Self::Extended(octets)),
            CommunityPattern::Extended(kind, administrator, value) => {
                let value = one(value)?;
                let too_big = |_| CommunityError::Part(value.to_string(), 0xffff);
                let [v0, v1, v2, v3] = value.to_be_bytes();
                let (form, [a, b, c, d, e, f]) = match administrator {
                    Administrator::Asn(asn) => match u16::try_from(one(asn)?).map(u16::to_be_bytes) {
                        Ok([a, b]) => (0x00, [a, b, v0, v1, v2, v3]),
                        Err(_) => {
                            let [a, b, c, d] = one(asn)?.to_be_bytes();
                            let [e, f] = u16::try_from(value).map_err(too_big)?.to_be_bytes();
                            (0x02, [a, b, c, d, e, f])
                        }
                    },
                    Administrator::Ipv4(address) => {
                        let [a, b, c, d] = address.octets();
                        let [e, f] = u16::try_from(value).map_err(too_big)?.to_be_bytes();
                        (0x01, [a, b, c, d, e, f])
                    }
                };
                Ok(Self::Extended([form, kind.sub_type(), a, b, c, d, e, f]))
            }
            CommunityPattern::Large([a, b, c]) => Ok(Self::Large([one(a)?, one(b)?, one(c)?])),
        }
    }
}

/// `rt:A:N` and `soo:A:N` with A a 2-octet AS, a 4-octet AS (RFC 5668) or an IPv4 address.
fn extended(kind: ExtendedKind, administrator: &str, number: &str) -> Result<CommunityPattern, CommunityError> {
    let (administrator, limit) = match administrator.parse::<Ipv4Addr>() {
        Ok(address) => (Administrator::Ipv4(address), 0xffff),
        Err(_) => {
            let asn = Span::parse(administrator, u32::MAX)?;
            (Administrator::Asn(asn), if asn.min > 0xffff { 0xffff } else { u32::MAX })
        }
    };
    Ok(CommunityPattern::Extended(kind, administrator, Span::parse(number, limit)?))
}

impl FromStr for CommunityPattern {
    type Err = CommunityError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        if let Some((_, n)) = WELL_KNOWN.iter().find(|(name, _)| *name == s) {
            return Ok(Community::Standard(*n).into());
        }
        if let Some(hex) = s.strip_prefix("0x") {
            let plain = hex.len() == 16 && hex.bytes().all(|b| b.is_ascii_hexdigit());
            let n = u64::from_str_radix(hex, 16).ok().filter(|_| plain).ok_or(CommunityError::Shape)?;
            return Ok(Self::Raw(n.to_be_bytes()));
        }
        let parts: Vec<&str> = s.split(':').collect();
        match *parts.as_slice() {
            [high, low] => Ok(Self::Standard([Span::parse(high, 0xffff)?, Span::parse(low, 0xffff)?])),
            ["rt", a, b] => extended(ExtendedKind::RouteTarget, a, b),
            ["soo", a, b] => extended(ExtendedKind::RouteOrigin, a, b),
            [a, b, c] => {
                let part = |t| Span::parse(t, u32::MAX);
                Ok(Self::Large([part(a)?, part(b)?, part(c)?]))
            }
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

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (*self, self.single()) {
            (Self::ANY, _) => f.write_str("*"),
            (_, Some(n)) => n.fmt(f),
            (Self { min, max }, None) => write!(f, "{min}-{max}"),
        }
    }
}

impl fmt::Display for CommunityPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard([high, low]) => {
                let whole = high.single().zip(low.single()).map(|(h, l)| h << 16 | l & 0xffff);
                match WELL_KNOWN.iter().find(|(_, n)| whole == Some(*n)) {
                    Some((name, _)) => f.write_str(name),
                    None => write!(f, "{high}:{low}"),
                }
            }
            Self::Raw(octets) => write!(f, "0x{:016x}", u64::from_be_bytes(*octets)),
            Self::Extended(kind, Administrator::Asn(asn), n) => write!(f, "{}:{asn}:{n}", kind.name()),
            Self::Extended(kind, Administrator::Ipv4(address), n) => write!(f, "{}:{address}:{n}", kind.name()),
            Self::Large([a, b, c]) => write!(f, "{a}:{b}:{c}"),
        }
    }
}
