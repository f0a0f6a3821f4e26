//! Pauses between attempts.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

/// Pauses that double, from a quarter of a second (or more, if that is wanted) to half a minute, each cut by up to a half at
/// random: a thousand nodes that lost the same server do not come back in step.
#[derive(Debug)]
pub(crate) struct Backoff {
    first: Duration,
    attempts: u32,
}

impl Default for Backoff {
    fn default() -> Self {
        Self::starting_at(Self::FIRST)
    }
}

impl Backoff {
    pub(crate) const FIRST: Duration = Duration::from_millis(250);
    const LONGEST: Duration = Duration::from_secs(30);
    /// More than this a server that is busy does not get to ask for.
    const MOST_ASKED: Duration = Duration::from_secs(120);

    /// The first pause is at most this long.
    pub(crate) const fn starting_at(first: Duration) -> Self {
        Self { first, attempts: 0 }
    }

    /// The pause before the next attempt; a server that is busy may have said how long to wait at least.
    pub(crate) fn next(&mut self, asked: Option<Duration>) -> Duration {
        let doubled = self.first.saturating_mul(1_u32.checked_shl(self.attempts).unwrap_or(u32::MAX));
        self.attempts = (self.attempts + 1).min(16);
        let pause = cut(doubled.min(Self::LONGEST));
        match asked {
            Some(asked) => asked.min(Self::MOST_ASKED) + cut(pause),
            None => pause,
        }
    }

    /// Whether there was no pause yet since all was well.
    pub(crate) const fn is_fresh(&self) -> bool {
        self.attempts == 0
    }

    /// All is well.
    pub(crate) fn reset(&mut self) {
        self.attempts = 0;
    }
}

/// A duration, cut by up to a half at random.
pub(crate) fn cut(longest: Duration) -> Duration {
    let half = longest / 2;
    let most = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    half + Duration::from_millis(RandomState::new().hash_one(0_u8) % most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_bound_and_differ() {
        let mut backoff = Backoff::default();
        for doubled in [250, 500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000] {
            let pause = backoff.next(None).as_millis();
            assert!((doubled / 2..=doubled).contains(&pause), "{pause} of {doubled}");
        }
        (0..100).for_each(|_| assert!(backoff.next(None) <= Backoff::LONGEST));
        backoff.reset();
        assert!(backoff.next(None) <= Backoff::FIRST);
        let pauses: std::collections::BTreeSet<_> = (0..50).map(|_| cut(Backoff::LONGEST)).collect();
        assert!(pauses.len() > 10, "{pauses:?}");
    }

    #[test]
    fn a_busy_server_is_waited_for_as_long_as_it_asks_within_bounds() {
        let mut backoff = Backoff::default();
        let pause = backoff.next(Some(Duration::from_secs(7)));
        assert!(pause >= Duration::from_secs(7) && pause < Duration::from_secs(8), "{pause:?}");
        assert!(backoff.next(Some(Duration::from_secs(100_000))) <= Backoff::MOST_ASKED + Backoff::LONGEST);
    }
}
