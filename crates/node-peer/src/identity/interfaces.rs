//! When what the Node says of the machine's interfaces is compared with the Node's.

use std::time::Duration;

use tokio::time::Instant;

use super::attempts::{Attempts, cut};

/// How often it is compared while the interfaces are the same: somebody else may write it, or make the Node anew. Nodes that began
/// together do not ask together.
const CHECK: Duration = Duration::from_secs(300);

/// What is known of it.
#[derive(Debug, Default)]
pub(super) struct Interfaces {
    /// What the Node has, and when that is looked at again.
    known: Option<(String, Instant)>,
    attempts: Attempts,
    /// Why it could not be compared or written.
    pub(super) failed: Option<String>,
}

impl Interfaces {
    /// When what is wanted is to be compared with what the Node has: what changed now, but not in the pause after a failure.
    pub(super) fn due(&self, wanted: &str, now: Instant) -> Instant {
        let at = match &self.known {
            Some((known, at)) if known == wanted => *at,
            Some(_) | None => now,
        };
        self.attempts.soonest(now).max(at)
    }

    /// The Node has it. When it is looked at again.
    pub(super) fn are(&mut self, wanted: String, now: Instant) -> Instant {
        let at = now + cut(CHECK);
        self.known = Some((wanted, at));
        self.attempts.succeeded();
        at
    }

    /// Whether the Node has it is not known. When it is tried again.
    pub(super) fn failed(&mut self, now: Instant, asked: Option<Duration>) -> Instant {
        self.known = None;
        self.attempts.failed(now, asked)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_is_compared_again_after_a_while_and_what_changed_at_once() {
        let now = Instant::now();
        let mut interfaces = Interfaces::default();
        assert_eq!(interfaces.due("a", now), now);
        let again = interfaces.are("a".to_owned(), now);
        assert!((CHECK / 2..=CHECK).contains(&again.duration_since(now)), "{:?}", again.duration_since(now));
        assert_eq!((interfaces.due("a", now), interfaces.due("b", now)), (again, now));
        let later = again + CHECK;
        assert!(interfaces.due("a", later) <= later, "it is looked at then");
    }

    /// However often any Node changes meanwhile.
    #[test]
    fn a_failure_holds_for_its_pause() {
        let now = Instant::now();
        let mut interfaces = Interfaces::default();
        interfaces.are("a".to_owned(), now);
        let again = interfaces.failed(now, Some(Duration::from_secs(30)));
        assert!(again >= now + Duration::from_secs(30));
        for wanted in ["a", "b"] {
            assert_eq!(interfaces.due(wanted, now), again);
            assert_eq!(interfaces.due(wanted, again), again);
        }
        interfaces.are("b".to_owned(), again);
        assert_eq!(interfaces.due("c", again), again);
    }
}
