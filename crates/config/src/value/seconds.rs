//! Whole seconds.

use std::fmt;
use std::time::Duration;

/// A span of time in whole seconds, as every timer of the configuration is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seconds(pub u32);

impl Seconds {
    /// The same span as the standard library's type.
    #[must_use]
    pub const fn duration(self) -> Duration {
        // Lossless: u32 to u64; `From` is not const.
        Duration::from_secs(self.0 as u64)
    }
}

impl From<Seconds> for Duration {
    fn from(s: Seconds) -> Self {
        s.duration()
    }
}

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
