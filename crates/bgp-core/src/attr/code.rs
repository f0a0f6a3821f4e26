//! Attribute type codes and flags (IANA "BGP Path Attributes"; RFC 4271 §4.3).

use std::fmt;

/// An attribute type code; unknown numbers are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttrCode(pub u8);

macro_rules! codes {
    ($($(#[$doc:meta])* $name:ident = $n:literal;)*) => {
        impl AttrCode {
            $($(#[$doc])* pub const $name: Self = Self($n);)*
            /// Every code that this crate knows, ascending.
            pub const KNOWN: &'static [Self] = &[$(Self::$name),*];
            /// Its name in the RFCs; none for a code that this crate does not know.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self {
                    $(Self::$name => Some(stringify!($name)),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    /// RFC 4271 §5.1.1.
    ORIGIN = 1;
    /// RFC 4271 §5.1.2.
    AS_PATH = 2;
    /// RFC 4271 §5.1.3; in a canonical block the next hop of any family.
    NEXT_HOP = 3;
    /// RFC 4271 §5.1.4.
    MULTI_EXIT_DISC = 4;
    /// RFC 4271 §5.1.5.
    LOCAL_PREF = 5;
    /// RFC 4271 §5.1.6.
    ATOMIC_AGGREGATE = 6;
    /// RFC 4271 §5.1.7.
    AGGREGATOR = 7;
    /// RFC 1997.
    COMMUNITIES = 8;
    /// RFC 4456 §8.
    ORIGINATOR_ID = 9;
    /// RFC 4456 §8.
    CLUSTER_LIST = 10;
    /// RFC 4760 §3.
    MP_REACH_NLRI = 14;
    /// RFC 4760 §4.
    MP_UNREACH_NLRI = 15;
    /// RFC 4360.
    EXTENDED_COMMUNITIES = 16;
    /// RFC 6793 §3.
    AS4_PATH = 17;
    /// RFC 6793 §3.
    AS4_AGGREGATOR = 18;
    /// RFC 6514 §5.
    PMSI_TUNNEL = 22;
    /// RFC 9012 §2.
    TUNNEL_ENCAP = 23;
    /// RFC 5701.
    IPV6_EXTENDED_COMMUNITIES = 25;
    /// RFC 7311.
    AIGP = 26;
    /// RFC 9552 §5.3.
    BGP_LS = 29;
    /// RFC 8092.
    LARGE_COMMUNITIES = 32;
    /// Only to Customer (RFC 9234 §5).
    OTC = 35;
    /// RFC 8669 §3.
    PREFIX_SID = 40;
    /// RFC 6368 §5.
    ATTR_SET = 128;
}

impl AttrCode {
    /// The interface that a route of our own lies on: a pseudo-attribute of canonical blocks. It has the type that IANA
    /// reserves, which decoding lets into no block, and which encoding leaves out: it neither comes from a peer nor goes
    /// to one.
    pub const INTERFACE: Self = Self(0);
}

impl fmt::Display for AttrCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None if *self == Self::INTERFACE => f.write_str("INTERFACE"),
            None => write!(f, "attribute {}", self.0),
        }
    }
}

/// Attribute flags; the low four bits are zero in what we send and ignored in what we receive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttrFlags(pub u8);

impl AttrFlags {
    /// Optional.
    pub const OPTIONAL: u8 = 0x80;
    /// Transitive.
    pub const TRANSITIVE: u8 = 0x40;
    /// Partial.
    pub const PARTIAL: u8 = 0x20;
    /// Extended Length.
    pub const EXTENDED_LENGTH: u8 = 0x10;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (code, name) in [(1, "ORIGIN"), (14, "MP_REACH_NLRI"), (35, "OTC"), (0, "INTERFACE"), (99, "attribute 99")]
        {
            assert_eq!(AttrCode(code).to_string(), name);
        }
        assert_eq!((AttrCode::COMMUNITIES.name(), AttrCode(99).name()), (Some("COMMUNITIES"), None));
        assert!(AttrCode::KNOWN.is_sorted() && AttrCode::KNOWN.iter().all(|code| code.name().is_some()));
    }
}
