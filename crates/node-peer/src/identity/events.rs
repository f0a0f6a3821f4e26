//! Which events about the Node are told, and when.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::attempts::Attempts;

/// So many events are told as they come; each one after that not before so much time has passed.
const AT_ONCE: usize = 25;
const LATER: Duration = Duration::from_secs(300);

/// What is worth an event, and what of it was told.
#[derive(Debug, Default)]
pub(super) struct Events {
    current: BTreeMap<&'static str, BTreeSet<String>>,
    told: BTreeSet<(&'static str, String)>,
    count: usize,
    /// The next beyond those that are told at once.
    spaced: Option<Instant>,
    attempts: Attempts,
}

impl Events {
    /// All that there is now of a reason. What is over, and comes again, is told again.
    pub(super) fn are(&mut self, reason: &'static str, messages: BTreeSet<String>) {
        self.told.retain(|(of, message)| *of != reason || messages.contains(message));
        self.current.insert(reason, messages);
        if self.pending().is_none() {
            self.attempts.succeeded();
        }
    }

    /// What was not told yet.
    pub(super) fn pending(&self) -> Option<(&'static str, String)> {
        let all = self.current.iter().flat_map(|(reason, all)| all.iter().map(|message| (*reason, message.clone())));
        all.into_iter().find(|event| !self.told.contains(event))
    }

    /// What is to be told now.
    pub(super) fn next(&self, now: Instant) -> Option<(&'static str, String)> {
        if self.held_until(now).is_some() { None } else { self.pending() }
    }

    /// When something is to be told, if that is not now.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        self.pending().and_then(|_| self.held_until(now).or(Some(now)))
    }

    fn held_until(&self, now: Instant) -> Option<Instant> {
        self.spaced.filter(|at| now < *at).max(self.attempts.held_until(now))
    }

    pub(super) fn were_told(&mut self, event: (&'static str, String), now: Instant) {
        self.told.insert(event);
        self.count = self.count.saturating_add(1);
        self.spaced = (self.count >= AT_ONCE).then(|| now + LATER);
        self.attempts.succeeded();
    }

    pub(super) fn failed(&mut self, now: Instant, asked: Option<Duration>) {
        self.attempts.failed(now, asked);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn messages(count: usize) -> BTreeSet<String> {
        (0..count).map(|number| number.to_string()).collect()
    }

    /// Tells all that may be told now.
    fn tell(events: &mut Events, now: Instant) -> usize {
        let mut told = 0;
        while let Some(event) = events.next(now) {
            events.were_told(event, now);
            told += 1;
            assert!(told <= 1000, "without end");
        }
        told
    }

    #[test]
    fn many_are_told_slowly() {
        let now = Instant::now();
        let mut events = Events::default();
        events.are("Conflict", messages(30));
        assert_eq!(tell(&mut events, now), 25);
        assert_eq!(events.due(now), Some(now + LATER));
        assert_eq!(tell(&mut events, now + LATER / 2), 0);
        assert_eq!(tell(&mut events, now + LATER), 1);
        assert_eq!(tell(&mut events, now + LATER), 0);
    }

    #[test]
    fn each_is_told_once_while_it_lasts() {
        let now = Instant::now();
        let mut events = Events::default();
        events.are("Conflict", messages(2));
        events.are("AddressConflict", messages(1));
        assert_eq!(tell(&mut events, now), 3);
        events.are("Conflict", messages(3));
        assert_eq!(tell(&mut events, now), 1);
        assert_eq!(events.due(now), None);
        events.are("Conflict", messages(0));
        events.are("Conflict", messages(3));
        assert_eq!(tell(&mut events, now), 3, "they were over");
    }

    #[test]
    fn a_failure_holds_until_nothing_is_left_to_tell() {
        let now = Instant::now();
        let mut events = Events::default();
        events.are("Conflict", messages(1));
        events.failed(now, Some(Duration::from_secs(7)));
        events.are("AddressConflict", messages(1));
        assert_eq!(events.next(now), None);
        assert!(events.due(now).is_some_and(|at| at >= now + Duration::from_secs(7)), "{:?}", events.due(now));
        events.are("Conflict", messages(0));
        events.are("AddressConflict", messages(0));
        events.are("Conflict", messages(1));
        assert_eq!(tell(&mut events, now), 1);
    }
}
