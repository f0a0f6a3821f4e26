//! Communities.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Why a text is no community.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CommunityError {
    /// Neither of two nor of three numbers.
    #[error("no community; write two numbers (65000:100), or three for a large community (65000:1:100)")]
    Syntax,
    /// A number of a community is above 65535.
    #[error("a number of a community must be at most 65535; for larger ones use a large community (65000:1:100)")]
    Standard,
    /// A number of a large community is above 4294967295.
    #[error("a number of a large community must be at most 4294967295")]
    Large,
}

/// A community (RFC 1997) or a large community (RFC 8092).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Community {
    /// Two numbers of two octets.
    Standard(u16, u16),
    /// Three numbers of four octets.
    Large(u32, u32, u32),
}

impl Community {
    /// Whether the text has the form of a community: two or three numbers. Anything else is a name.
    #[must_use]
    pub fn has_form(text: &str) -> bool {
        let mut parts = 0_usize;
        let digits = text.split(':').all(|part| {
            parts += 1;
            !part.is_empty() && part.bytes().all(|c| c.is_ascii_digit())
        });
        digits && (parts == 2 || parts == 3)
    }
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Standard(a, b) => write!(f, "{a}:{b}"),
            Self::Large(a, b, c) => write!(f, "{a}:{b}:{c}"),
        }
    }
}

impl FromStr for Community {
    type Err = CommunityError;

    fn from_str(text: &str) -> Result<Self, CommunityError> {
        if !Self::has_form(text) {
            return Err(CommunityError::Syntax);
        }
        let parts: Vec<&str> = text.split(':').collect();
        match parts[..] {
            [a, b] => {
                let number = |text: &str| text.parse().map_err(|_| CommunityError::Standard);
                Ok(Self::Standard(number(a)?, number(b)?))
            }
            [a, b, c] => {
                let number = |text: &str| text.parse().map_err(|_| CommunityError::Large);
                Ok(Self::Large(number(a)?, number(b)?, number(c)?))
            }
            _ => Err(CommunityError::Syntax),
        }
    }
}
