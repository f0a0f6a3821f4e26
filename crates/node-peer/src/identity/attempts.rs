//! When what failed is tried again, and what it means meanwhile.

use std::time::Duration;

use heddle_datastore::KubernetesError;
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
    /// Another has failed. When the next is due: the API server may have said how long to wait at least.
    pub(super) fn failed(&mut self, now: Instant, asked: Option<Duration>) -> Instant {
        let doubled = AGAIN.saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX)).min(AGAIN_LATER);
        let at = now + asked.map_or(doubled, |asked| asked.min(MOST_ASKED).max(doubled));
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

    /// Whether waiting for the next attempt is in vain: a permission is missing, or it has failed for long.
    pub(super) fn settled(&self, error: &KubernetesError, now: Instant) -> Settled {
        let is_long = self.since.is_some_and(|since| now.duration_since(since) >= PATIENCE);
        let forbidden = matches!(error, KubernetesError::Forbidden { .. });
        if forbidden || is_long || self.failures >= TRIES { Settled::Yes } else { Settled::NotYet }
    }
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
            assert_eq!(at, now + Duration::from_secs(seconds));
            assert_eq!(attempts.held_until(now), Some(at), "whatever else changes meanwhile");
            assert_eq!(attempts.held_until(at), None);
        }
        attempts.succeeded();
        assert_eq!(attempts.held_until(now), None);
        for (asked, seconds) in [(7, 7), (0, 2), (86_400, 120)] {
            assert_eq!(attempts.failed(now, Some(Duration::from_secs(asked))), now + Duration::from_secs(seconds));
        }
    }

    /// A server that is away for a moment is waited for; a missing permission is not.
    #[test]
    fn only_what_stays_is_settled() {
        let now = Instant::now();
        let what = "annotations of the Node";
        let forbidden = KubernetesError::Forbidden { what: what.into(), message: String::new() };
        let away = KubernetesError::CutOff { what: what.into() };
        let mut attempts = Attempts::default();
        attempts.failed(now, None);
        assert_eq!(attempts.settled(&forbidden, now), Settled::Yes);
        assert_eq!(attempts.settled(&away, now), Settled::NotYet);
        assert_eq!(attempts.settled(&away, now + PATIENCE), Settled::Yes);
        for _ in 1..TRIES {
            assert_eq!(attempts.settled(&away, now), Settled::NotYet);
            attempts.failed(now, None);
        }
        assert_eq!(attempts.settled(&away, now), Settled::Yes);
    }
}
