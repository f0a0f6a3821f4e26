//! Names of interfaces, with the wildcards of a shell.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// Why a text is no pattern of interface names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InterfacePatternError {
    /// Longer than a name can be, or empty.
    #[error("an interface name has 1 to 15 characters")]
    Length,
    /// A character that is not in names.
    #[error("only letters, digits, '_', '.', '-' and the wildcard '*' may be in an interface pattern")]
    Character,
}

/// A pattern of interface names: `*` is any text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct InterfacePattern(Arc<str>);

impl InterfacePattern {
    /// The pattern as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InterfacePattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for InterfacePattern {
    type Err = InterfacePatternError;

    fn from_str(text: &str) -> Result<Self, InterfacePatternError> {
        if text.is_empty() || text.len() > 15 {
            return Err(InterfacePatternError::Length);
        }
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"_.-*".contains(&c);
        if text.bytes().all(allowed) { Ok(Self(text.into())) } else { Err(InterfacePatternError::Character) }
    }
}
