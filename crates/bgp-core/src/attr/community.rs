//! COMMUNITIES (RFC 1997), with the well-known ones by name (IANA "BGP Well-known Communities").

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use super::items::Item;

/// A community: an AS and a number that it gives meaning to, or a well-known one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Community(pub u32);

macro_rules! well_known {
    ($($(#[$doc:meta])* $name:ident = $n:literal, $text:literal $(or $alias:literal)?;)*) => {
        impl Community {
            $($(#[$doc])* pub const $name: Self = Self($n);)*

            /// The name of a well-known community.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some($text),)*
                    _ => None,
                }
            }

            /// The well-known community of a name.
            #[must_use]
            pub fn from_name(name: &str) -> Option<Self> {
                match name {
                    $($text $(| $alias)? => Some(Self::$name),)*
                    _ => None,
                }
            }
        }
    };
}

well_known! {
    /// RFC 8326 §4: prefer any other route, this one is about to go.
    GRACEFUL_SHUTDOWN = 0xFFFF_0000, "graceful-shutdown";
    /// RFC 7611.
    ACCEPT_OWN = 0xFFFF_0001, "accept-own";
    /// RFC 9494 §4.6: kept although its session is long gone.
    LLGR_STALE = 0xFFFF_0006, "llgr-stale";
    /// RFC 9494 §4.6: not to be kept.
    NO_LLGR = 0xFFFF_0007, "no-llgr";
    /// RFC 7999 §5: drop the traffic.
    BLACKHOLE = 0xFFFF_029A, "blackhole";
    /// RFC 1997: not to eBGP peers outside a confederation.
    NO_EXPORT = 0xFFFF_FF01, "no-export";
    /// RFC 1997: to nobody.
    NO_ADVERTISE = 0xFFFF_FF02, "no-advertise";
    /// RFC 1997: to no eBGP peer, not even inside a confederation.
    NO_EXPORT_SUBCONFED = 0xFFFF_FF03, "no-export-subconfed" or "local-as";
    /// RFC 3765.
    NOPEER = 0xFFFF_FF04, "no-peer" or "nopeer";
}

impl Community {
    /// `asn:value`.
    #[must_use]
    pub const fn new(asn: u16, value: u16) -> Self {
        let ([a, b], [c, d]) = (asn.to_be_bytes(), value.to_be_bytes());
        Self(u32::from_be_bytes([a, b, c, d]))
    }
}

impl Item for Community {
    const LEN: usize = 4;
    fn from_octets(octets: &[u8]) -> Option<Self> {
        Some(Self(u32::from_be_bytes(octets.try_into().ok()?)))
    }
    fn push(self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0.to_be_bytes());
    }
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}:{}", self.0 >> 16, self.0 & 0xFFFF),
        }
    }
}

impl fmt::Debug for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no community.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{0:?} is no community: write AS:NUMBER with both at most 65535, or a name as in no-export")]
pub struct CommunityParseError(pub String);

impl FromStr for Community {
    type Err = CommunityParseError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let parsed = Self::from_name(s).or_else(|| {
            let (asn, value) = s.split_once(':')?;
            Some(Self::new(number(asn)?, number(value)?))
        });
        parsed.ok_or_else(|| CommunityParseError(s.to_owned()))
    }
}

/// A number in decimal digits alone (`FromStr` of integers also takes a plus sign).
pub(super) fn number<N: FromStr>(text: &str) -> Option<N> {
    text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_both_ways() {
        let rows = [
            ("65001:100", 0xFDE9_0064),
            ("0:0", 0),
            ("65535:0", 0xFFFF_0000),
            ("no-export", 0xFFFF_FF01),
            ("no-advertise", 0xFFFF_FF02),
            ("no-export-subconfed", 0xFFFF_FF03),
            ("graceful-shutdown", 0xFFFF_0000),
            ("blackhole", 0xFFFF_029A),
            ("llgr-stale", 0xFFFF_0006),
            ("no-llgr", 0xFFFF_0007),
        ];
        for (text, number) in rows {
            assert_eq!(text.parse(), Ok(Community(number)), "{text}");
            assert_eq!(Community(number).to_string().parse(), Ok(Community(number)), "{text}");
        }
        assert_eq!(Community::NO_EXPORT.to_string(), "no-export");
        assert_eq!(Community::new(65001, 100).to_string(), "65001:100");
        assert_eq!("local-as".parse(), Ok(Community::NO_EXPORT_SUBCONFED));
    }

    #[test]
    fn what_is_no_community() {
        for text in ["", ":", "1", "65536:1", "1:65536", "1:2:3", "+1:2", "1:-2", "noexport", " 1:2"] {
            assert!(text.parse::<Community>().is_err(), "{text:?}");
        }
    }
}
