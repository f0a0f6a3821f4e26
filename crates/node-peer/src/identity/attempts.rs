//! When what failed is tried again, and what it means meanwhile.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use tokio::time::Instant;

use super::Settled;

/// How soon it is tried again after a failure, at first and at most.
const AGAIN: Duration = Duration::from_secs(1);
const AGAIN_LATER: Duration = Duration::from_secs(60);
/// More than this a server that is busy does not get to ask for.
const MOST_ASKED: Duration = Duration::from_secs(120);
/// So many failures, or failures for so long, are waited for before sessions begin with what the Node has.
const TRIES: u32 = 5;
const PATIENCE: Duration = Duration::from_secs(20);

/// Attempts that failed, since it went well last.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    failures: u32,
    since: Option<Instant>,
    not_before: Option<Instant>,
}

impl Attempts {
    /// Another has failed. When the next is due: after a pause that is cut by chance, so that nodes that failed together do not come
    /// together again. The API server may have said how long to wait at least.
    pub(super) fn failed(&mut self, now: Instant, asked: Option<Duration>) -> Instant {
        let doubled = AGAIN.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX)).min(AGAIN_LATER);
        let pause = match asked {
            Some(asked) => asked.min(MOST_ASKED).max(cut(doubled)) + cut(AGAIN),
            None => cut(doubled),
        };
        let at = now + pause;
        self.failures = self.failures.saturating_add(1);
        self.since.get_or_insert(now);
        self.not_before = Some(at);
        at
    }

    pub(super) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Until when nothing is tried.
    pub(super) fn held_until(&self, now: Instant) -> Option<Instant> {
        self.not_before.filter(|at| now < *at)
    }

    /// When it is tried that is wanted now.
    pub(super) fn soonest(&self, now: Instant) -> Instant {
        self.held_until(now).unwrap_or(now)
    }

    /// Whether waiting for the next attempt is in vain: it has failed for long.
    pub(super) fn settled(&self, now: Instant) -> Settled {
        let is_long = self.since.is_some_and(|since| now.duration_since(since) >= PATIENCE);
        if is_long || self.failures >= TRIES { Settled::Yes } else { Settled::NotYet }
    }
}

/// A pause, cut by up to a half by chance.
pub(super) fn cut(longest: Duration) -> Duration {
    let half = longest / 2;
    let most = u64::try_from(half.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
    half + Duration::from_millis(RandomState::new().hash_one(0_u8) % most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_and_are_not_shorter_than_asked() {
        let now = Instant::now();
        let mut attempts = Attempts::default();
        assert_eq!(attempts.held_until(now), None);
        for seconds in [1, 2, 4, 8, 16, 32, 60, 60] {
            let at = attempts.failed(now, None);
            let longest = Duration::from_secs(seconds);
            assert!((longest / 2..=longest).contains(&at.duration_since(now)), "{:?}", at.duration_since(now));
            assert_eq!(attempts.held_until(now), Some(at), "whatever else changes meanwhile");
            assert_eq!(attempts.held_until(at), None);
            assert_eq!((attempts.soonest(now), attempts.soonest(at)), (at, at));
        }
        attempts.succeeded();
        assert_eq!((attempts.held_until(now), attempts.soonest(now)), (None, now));
        for (asked, least) in [(7, 7), (0, 1), (86_400, 120)] {
            let pause = attempts.failed(now, Some(Duration::from_secs(asked))).duration_since(now);
            assert!(
                (Duration::from_secs(least)..=Duration::from_secs(least + 3)).contains(&pause),
                "{asked}: {pause:?}"
            );
        }
    }

    /// Nodes that have failed together are not back together.
    #[test]
    fn pauses_differ_by_chance() {
        let now = Instant::now();
        let pause = |asked| Attempts::default().failed(now, asked).duration_since(now);
        for asked in [None, Some(Duration::from_secs(30))] {
            let pauses: std::collections::BTreeSet<Duration> = (0..50).map(|_| pause(asked)).collect();
            assert!(pauses.len() > 10, "{pauses:?}");
        }
    }

    /// A server that is away for a moment is waited for.
    #[test]
    fn only_what_stays_is_settled() {
        let now = Instant::now();
        let mut attempts = Attempts::default();
        attempts.failed(now, None);
        assert_eq!(attempts.settled(now), Settled::NotYet);
        assert_eq!(attempts.settled(now + PATIENCE), Settled::Yes);
        for _ in 1..TRIES {
            assert_eq!(attempts.settled(now), Settled::NotYet);
            attempts.failed(now, None);
        }
        assert_eq!(attempts.settled(now), Settled::Yes);
    }
}
