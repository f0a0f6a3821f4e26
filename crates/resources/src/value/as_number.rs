//! AS numbers, as Calico writes them.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Why a text is no AS number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no AS number; write a number from 0 to 4294967295, or in dotted notation, such as \"1.10\"")]
pub struct AsNumberError;

/// An AS number of four octets (RFC 6793).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AsNumber(pub u32);

impl AsNumber {
    /// What a node has when nothing sets one: 64512.
    pub const DEFAULT: Self = Self(64512);
}

impl fmt::Display for AsNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for AsNumber {
    type Err = AsNumberError;

    /// `65000` or, in the notation "asdot" of RFC 5396, `1.10`.
    fn from_str(text: &str) -> Result<Self, AsNumberError> {
        fn digits<T: FromStr>(text: &str) -> Result<T, AsNumberError> {
            let digits = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit());
            if digits { text.parse().map_err(|_| AsNumberError) } else { Err(AsNumberError) }
        }
        match text.split_once('.') {
            None => Ok(Self(digits(text)?)),
            Some((high, low)) => Ok(Self(u32::from(digits::<u16>(high)?) << 16 | u32::from(digits::<u16>(low)?))),
        }
    }
}
