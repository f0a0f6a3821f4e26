//! Destinations that change faster than it is of use to write them: the last state is written, and what lay between is not.
//!
//! BGP leaves it to the sender how often a route may change (RFC 4271 §9.2.1.1), so a peer can have one flap thousands of times
//! a second, each time with a write that holds up all routes of the machine. The first changes within a while are written at
//! once, so that nothing that only moves waits; then the destination waits until the while is over. A route that is made for
//! the first time is no change.

use std::collections::BTreeSet;
use std::time::Duration;

use hashbrown::HashMap;
use heddle_bgp_core::{Prefix, Timestamp};

/// How long changes are counted.
pub(super) const WHILE: Duration = Duration::from_millis(100);
/// How many of them are written meanwhile.
pub(super) const CHANGES: u8 = 4;
/// For how many destinations room is kept.
const KEPT: usize = 1024;

/// What may be written now of destinations that change.
#[derive(Debug, Default)]
pub(super) struct Flaps {
    /// Destinations that changed in this while, and how often.
    changes: HashMap<Prefix, u8>,
    until: Timestamp,
    waiting: BTreeSet<Prefix>,
    /// When those that wait may be written.
    due: Option<Timestamp>,
}

impl Flaps {
    fn begin(&mut self, now: Timestamp) {
        if now >= self.until {
            self.changes.clear();
            self.changes.shrink_to(KEPT);
            self.until = now + WHILE;
        }
    }

    /// A route of the destination is replaced or taken away, by us or by others.
    pub(super) fn note(&mut self, prefix: Prefix, now: Timestamp) {
        self.begin(now);
        let changes = self.changes.entry(prefix).or_default();
        *changes = changes.saturating_add(1);
    }

    /// Whether the destination has to wait; then it is one of those that do.
    pub(super) fn must_wait(&mut self, prefix: Prefix, now: Timestamp) -> bool {
        self.begin(now);
        let waits = self.changes.get(&prefix).is_some_and(|changes| *changes >= CHANGES);
        if waits {
            self.waiting.insert(prefix);
            self.due.get_or_insert(self.until);
        }
        waits
    }

    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    /// When those that wait may be written.
    pub(super) fn due(&self) -> Option<Timestamp> {
        self.due
    }

    /// All that wait, whatever the time; changes are counted anew.
    pub(super) fn take_all(&mut self) -> BTreeSet<Prefix> {
        self.changes.clear();
        self.due = None;
        std::mem::take(&mut self.waiting)
    }

    /// Those that have waited long enough.
    pub(super) fn take_due(&mut self, now: Timestamp) -> BTreeSet<Prefix> {
        if self.due.is_none_or(|due| due > now) {
            return BTreeSet::new();
        }
        self.due = None;
        std::mem::take(&mut self.waiting)
    }
}
