//! Time as an argument.

use std::ops::{Add, Sub};
use std::time::Duration;

/// A point on the monotonic clock of whoever drives a state machine: nanoseconds since an origin of his choice.
///
/// The sans-IO crates read no clock; a `Timestamp` reaches them with each call and never goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The origin.
    pub const ZERO: Self = Self(0);

    /// `secs` seconds after the origin.
    #[must_use]
    pub const fn from_secs(secs: u64) -> Self {
        Self(secs.saturating_mul(1_000_000_000))
    }

    /// The time since the origin.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        Duration::from_nanos(self.0)
    }

    /// The time from `earlier` to `self`; zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;
    fn add(self, d: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;
    fn sub(self, d: Duration) -> Self {
        Self(self.0.saturating_sub(u64::try_from(d.as_nanos()).unwrap_or(u64::MAX)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Time never goes back, and never comes around.
    #[test]
    fn arithmetic() {
        let (ten, end) = (Timestamp::from_secs(10), Timestamp(u64::MAX));
        let secs = Duration::from_secs;
        assert_eq!((ten, ten.since_origin()), (Timestamp(10_000_000_000), secs(10)));
        assert_eq!((ten + secs(5), ten - secs(5)), (Timestamp::from_secs(15), Timestamp::from_secs(5)));
        assert_eq!((ten.since(Timestamp::from_secs(4)), Timestamp::from_secs(4).since(ten)), (secs(6), secs(0)));
        assert_eq!((ten - secs(11), end + secs(1), ten + Duration::MAX), (Timestamp::ZERO, end, end));
        assert_eq!((end - Duration::MAX, Timestamp::from_secs(u64::MAX)), (Timestamp::ZERO, end));
    }
}
