//! Communities of the three kinds: values to set and patterns to match.
//!
//! | kind | text of a value | patterns besides |
//! |---|---|---|
//! | standard, RFC 1997 | `65000:100`, `no-export` | `65000:*`, `*:100`, `65000:100-199` |
//! | extended, RFC 4360 and 5668 | `rt:65000:100`, `soo:192.0.2.1:7`, `0x0002fde800000064` | `rt:65000:*`, `rt:*:5-9` |
//! | large, RFC 8092 | `65000:1:2` | `65000:*:1-9` |

use std::fmt;
use std::net::Ipv4Addr;

use heddle_bgp_core::attr::Community;

use super::error::{PolicyError, PolicyField};

const STANDARD_FORM: &str =
    "ASN:VALUE with numbers up to 65535, or a name such as no-export; in matches also * and A-B";
const EXTENDED_FORM: &str =
    "rt:ASN:VALUE, soo:ASN:VALUE, rt:IPV4:VALUE or 0x and 16 hex digits; in matches also * and A-B";
const LARGE_FORM: &str = "ASN:VALUE:VALUE with numbers up to 4294967295; in matches also * and A-B";

/// A closed range of numbers; the way in which each part of a pattern is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Span {
    /// The smallest that matches.
    pub min: u32,
    /// The largest that matches.
    pub max: u32,
}

impl Span {
    /// Every number.
    pub const ANY: Self = Self { min: 0, max: u32::MAX };

    /// One number.
    #[must_use]
    pub const fn exactly(n: u32) -> Self {
        Self { min: n, max: n }
    }
    /// From `n` on.
    #[must_use]
    pub const fn at_least(n: u32) -> Self {
        Self { min: n, max: u32::MAX }
    }
    /// Up to `n`.
    #[must_use]
    pub const fn at_most(n: u32) -> Self {
        Self { min: 0, max: n }
    }
    /// Whether `n` lies inside.
    #[must_use]
    pub const fn contains(self, n: u32) -> bool {
        self.min <= n && n <= self.max
    }
    /// The only number inside, where there is only one.
    #[must_use]
    pub const fn single(self) -> Option<u32> {
        if self.min == self.max { Some(self.min) } else { None }
    }

    /// `*`, `N` or `A-B`, none above `limit`.
    fn parse(text: &str, limit: u32) -> Option<Self> {
        let number =
            |t: &str| t.parse::<u32>().ok().filter(|&n| n <= limit && t.starts_with(|c: char| c.is_ascii_digit()));
        if text == "*" {
            return Some(Self::ANY);
        }
        match text.split_once('-') {
            None => number(text).map(Self::exactly),
            Some((a, b)) => {
                let span = Self { min: number(a)?, max: number(b)? };
                (span.min <= span.max).then_some(span)
            }
        }
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

/// A kind of community: how wide its values are, how they are matched, and what a text of it means.
pub trait CommunityKind: Sized + 'static {
    /// One community in wire form.
    type Value: Copy + Ord + AsRef<[u8]>;
    /// Octets of one.
    const WIDTH: usize;
    /// One community read from its octets.
    fn read(octets: &[u8]) -> Option<Self::Value>;
    /// Whether the pattern matches it.
    fn matches(&self, value: Self::Value) -> bool;
    /// The value, where the pattern matches only one.
    fn exact(&self) -> Option<Self::Value>;
    /// Reads a pattern.
    ///
    /// # Errors
    /// Text of another form, with the part that does not fit.
    fn parse(text: &str) -> Result<Self, PolicyError>;
    /// Reads a single value, which no pattern may stand for.
    ///
    /// # Errors
    /// Text of another form, or a pattern.
    fn parse_value(text: &str) -> Result<Self::Value, PolicyError>;
}

macro_rules! common {
    ($field:expr, $form:expr, $width:literal) => {
        type Value = [u8; $width];
        const WIDTH: usize = $width;
        fn read(octets: &[u8]) -> Option<Self::Value> {
            octets.first_chunk().copied()
        }
        fn parse_value(text: &str) -> Result<Self::Value, PolicyError> {
            Self::parse(text)?.exact().ok_or_else(|| PolicyError::syntax($field, text, text, $form))
        }
    };
}

/// Matches standard communities (RFC 1997).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Standard {
    /// The first two octets.
    pub asn: Span,
    /// The last two octets.
    pub value: Span,
}

impl Standard {
    /// Exactly this community.
    #[must_use]
    pub const fn exactly(community: Community) -> Self {
        Self { asn: Span::exactly(community.0 >> 16), value: Span::exactly(community.0 & 0xffff) }
    }
}

impl CommunityKind for Standard {
    common!(PolicyField::Community, STANDARD_FORM, 4);

    fn matches(&self, value: [u8; 4]) -> bool {
        let n = u32::from_be_bytes(value);
        self.asn.contains(n >> 16) && self.value.contains(n & 0xffff)
    }
    fn exact(&self) -> Option<[u8; 4]> {
        Some((self.asn.single()? << 16 | self.value.single()?).to_be_bytes())
    }
    fn parse(text: &str) -> Result<Self, PolicyError> {
        if let Some(community) = Community::from_name(text) {
            return Ok(Self::exactly(community));
        }
        let bad = |part: &str| PolicyError::syntax(PolicyField::Community, text, part, STANDARD_FORM);
        let (asn, value) = text.split_once(':').ok_or_else(|| bad(text))?;
        let part = |t: &str| Span::parse(t, 0xffff).ok_or_else(|| bad(t));
        Ok(Self { asn: part(asn)?, value: part(value)? })
    }
}

/// The administrator field of an extended community.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Administrator {
    /// An AS number: two octets (type 0x00, RFC 4360 §3.1) or four (type 0x02, RFC 5668).
    Asn(Span),
    /// An IPv4 address (type 0x01, RFC 4360 §3.2).
    Ipv4(Ipv4Addr),
}

/// Matches extended communities (RFC 4360).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Extended {
    /// These eight octets.
    Raw([u8; 8]),
    /// A transitive community of the three types with administrator and value.
    Field {
        /// 0x02 route target, 0x03 route origin (site of origin).
        subtype: u8,
        /// Who defined it.
        administrator: Administrator,
        /// What it says.
        value: Span,
    },
}

const EXT_AS2: u8 = 0x00;
const EXT_IPV4: u8 = 0x01;
const EXT_AS4: u8 = 0x02;
const SUBTYPE_RT: u8 = 0x02;
const SUBTYPE_SOO: u8 = 0x03;

impl CommunityKind for Extended {
    common!(PolicyField::ExtendedCommunity, EXTENDED_FORM, 8);

    fn matches(&self, octets: [u8; 8]) -> bool {
        match self {
            Self::Raw(raw) => *raw == octets,
            Self::Field { subtype, administrator, value } => {
                let [kind, sub, a, b, c, d, e, f] = octets;
                if sub != *subtype {
                    return false;
                }
                match (kind, administrator) {
                    (EXT_AS2, Administrator::Asn(asn)) => {
                        asn.contains(u32::from(u16::from_be_bytes([a, b])))
                            && value.contains(u32::from_be_bytes([c, d, e, f]))
                    }
                    (EXT_AS4, Administrator::Asn(asn)) => {
                        asn.contains(u32::from_be_bytes([a, b, c, d]))
                            && value.contains(u32::from(u16::from_be_bytes([e, f])))
                    }
                    (EXT_IPV4, Administrator::Ipv4(addr)) => {
                        addr.octets() == [a, b, c, d] && value.contains(u32::from(u16::from_be_bytes([e, f])))
                    }
                    (_, Administrator::Asn(_) | Administrator::Ipv4(_)) => false,
                }
            }
        }
    }

    /// The two-octet form wherever the AS number fits (RFC 5668 §2 leaves 4-octet forms to 4-octet numbers).
    fn exact(&self) -> Option<[u8; 8]> {
        match self {
            Self::Raw(raw) => Some(*raw),
            Self::Field { subtype, administrator, value } => {
                let value = value.single()?;
                let low = u16::try_from(value).ok().map(u16::to_be_bytes);
                let (kind, [a, b, c, d, e, f]) = match *administrator {
                    Administrator::Asn(asn) => match u16::try_from(asn.single()?).map(u16::to_be_bytes) {
                        Ok([a, b]) => {
                            let [c, d, e, f] = value.to_be_bytes();
                            (EXT_AS2, [a, b, c, d, e, f])
                        }
                        Err(_) => {
                            let ([a, b, c, d], [e, f]) = (asn.single()?.to_be_bytes(), low?);
                            (EXT_AS4, [a, b, c, d, e, f])
                        }
                    },
                    Administrator::Ipv4(addr) => {
                        let ([a, b, c, d], [e, f]) = (addr.octets(), low?);
                        (EXT_IPV4, [a, b, c, d, e, f])
                    }
                };
                Some([kind, *subtype, a, b, c, d, e, f])
            }
        }
    }

    fn parse(text: &str) -> Result<Self, PolicyError> {
        let bad = |part: &str| PolicyError::syntax(PolicyField::ExtendedCommunity, text, part, EXTENDED_FORM);
        if let Some(hex) = text.strip_prefix("0x") {
            let plain = hex.len() == 16 && hex.bytes().all(|b| b.is_ascii_hexdigit());
            let number = u64::from_str_radix(hex, 16).ok().filter(|_| plain).ok_or_else(|| bad(text))?;
            return Ok(Self::Raw(number.to_be_bytes()));
        }
        let (kind, rest) = text.split_once(':').ok_or_else(|| bad(text))?;
        let subtype = match kind {
            "rt" => SUBTYPE_RT,
            "soo" => SUBTYPE_SOO,
            other => return Err(bad(other)),
        };
        let (admin, value) = rest.split_once(':').ok_or_else(|| bad(rest))?;
        let (administrator, limit) = match admin.parse::<Ipv4Addr>() {
            Ok(addr) => (Administrator::Ipv4(addr), 0xffff),
            Err(_) => {
                let span = Span::parse(admin, u32::MAX).ok_or_else(|| bad(admin))?;
                (Administrator::Asn(span), if span.min > 0xffff { 0xffff } else { u32::MAX })
            }
        };
        let value = Span::parse(value, limit).ok_or_else(|| bad(value))?;
        Ok(Self::Field { subtype, administrator, value })
    }
}

/// Matches large communities (RFC 8092).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Large {
    /// Global administrator.
    pub asn: Span,
    /// First part of local data.
    pub first: Span,
    /// Second part of local data.
    pub second: Span,
}

impl CommunityKind for Large {
    common!(PolicyField::LargeCommunity, LARGE_FORM, 12);

    fn matches(&self, value: [u8; 12]) -> bool {
        let [a, b, c, d, e, f, g, h, i, j, k, l] = value;
        self.asn.contains(u32::from_be_bytes([a, b, c, d]))
            && self.first.contains(u32::from_be_bytes([e, f, g, h]))
            && self.second.contains(u32::from_be_bytes([i, j, k, l]))
    }
    fn exact(&self) -> Option<[u8; 12]> {
        let [a, b, c, d] = self.asn.single()?.to_be_bytes();
        let [e, f, g, h] = self.first.single()?.to_be_bytes();
        let [i, j, k, l] = self.second.single()?.to_be_bytes();
        Some([a, b, c, d, e, f, g, h, i, j, k, l])
    }
    fn parse(text: &str) -> Result<Self, PolicyError> {
        let bad = |part: &str| PolicyError::syntax(PolicyField::LargeCommunity, text, part, LARGE_FORM);
        let (asn, rest) = text.split_once(':').ok_or_else(|| bad(text))?;
        let (first, second) = rest.split_once(':').ok_or_else(|| bad(rest))?;
        let part = |t: &str| Span::parse(t, u32::MAX).ok_or_else(|| bad(t));
        Ok(Self { asn: part(asn)?, first: part(first)?, second: part(second)? })
    }
}

/// When a list of patterns matches a route's communities.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantifier {
    /// One community or more matches one pattern or more.
    Any,
    /// Every pattern is matched by some community.
    All,
    /// No community matches any pattern.
    None,
}

/// A list of patterns of one kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CommunityList<K> {
    /// The patterns.
    pub patterns: Box<[K]>,
    /// How they are combined.
    pub quantifier: Quantifier,
}

impl<K: CommunityKind> CommunityList<K> {
    /// Reads every text as a pattern.
    ///
    /// # Errors
    /// The first text that is none.
    pub fn parse<'t>(quantifier: Quantifier, texts: impl IntoIterator<Item = &'t str>) -> Result<Self, PolicyError> {
        Ok(Self { patterns: texts.into_iter().map(K::parse).collect::<Result<_, _>>()?, quantifier })
    }

    /// Whether the list matches the communities in an attribute's value (empty when the route has none).
    #[must_use]
    pub fn matches(&self, value: &[u8]) -> bool {
        let has = |p: &K| values::<K>(value).any(|v| p.matches(v));
        match self.quantifier {
            Quantifier::Any => self.patterns.iter().any(has),
            Quantifier::All => self.patterns.iter().all(has),
            Quantifier::None => !self.patterns.iter().any(has),
        }
    }
}

/// The communities in an attribute's value.
pub fn values<K: CommunityKind>(value: &[u8]) -> impl Iterator<Item = K::Value> + '_ {
    value.chunks_exact(K::WIDTH).filter_map(K::read)
}

#[cfg(test)]
mod tests;
