//! ORIGIN (RFC 4271 §5.1.1).

use std::fmt;

/// Where a route comes from; a smaller one is preferred (RFC 4271 §9.1.2.2 b).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[repr(u8)]
pub enum Origin {
    /// 0: interior to the originating AS.
    Igp = 0,
    /// 1: learned by EGP.
    Egp = 1,
    /// 2: by other means.
    #[default]
    Incomplete = 2,
}

impl Origin {
    /// The origin of its number.
    #[must_use]
    pub const fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            0 => Some(Self::Igp),
            1 => Some(Self::Egp),
            2 => Some(Self::Incomplete),
            _ => None,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Igp => "IGP",
            Self::Egp => "EGP",
            Self::Incomplete => "incomplete",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4271 §5.1.1; the smaller is preferred (§9.1.2.2 b).
    #[test]
    fn numbers_and_names() {
        for (octet, origin, name) in
            [(0, Origin::Igp, "IGP"), (1, Origin::Egp, "EGP"), (2, Origin::Incomplete, "incomplete")]
        {
            assert_eq!((Origin::from_octet(octet), origin as u8), (Some(origin), octet));
            assert_eq!(origin.to_string(), name);
        }
        assert!((3..=u8::MAX).all(|octet| Origin::from_octet(octet).is_none()));
        assert!(Origin::Igp < Origin::Egp && Origin::Egp < Origin::Incomplete);
    }
}
