//! Counters of a datastore, for metrics.

use std::collections::BTreeMap;
use std::time::Duration;

use heddle_resources::Kind;

/// What a datastore has done since its start. All but `objects`, `problems`, `faults`, `in_sync` and `consumers` only grow.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Events of the source.
    pub events: u64,
    /// Objects set, changed or not.
    pub sets: u64,
    /// Objects deleted, those that resyncs found gone included.
    pub deletes: u64,
    /// Lists begun, a kind each.
    pub resyncs_begun: u64,
    /// Lists that were complete, a kind each.
    pub resyncs_done: u64,
    /// Lists that lacked too much to be believed at once, a kind each.
    pub resyncs_held: u64,
    /// Errors of the source.
    pub errors: u64,
    /// How often the source was lost.
    pub losses: u64,
    /// Changes of the snapshot that consumers see.
    pub changes: u64,
    /// Changes that a consumer got together with a later one.
    pub coalesced: u64,
    /// Objects by kind, now.
    pub objects: BTreeMap<Kind, usize>,
    /// What is wrong or worth knowing, now.
    pub problems: usize,
    /// Of those, what does not count as it is.
    pub faults: usize,
    /// 1 while the source follows, else 0.
    pub in_sync: u64,
    /// Consumers, now.
    pub consumers: u64,
    /// From when the source heard of a change until consumers could read it.
    pub lag: Lag,
}

/// Times from one moment to another, summed up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lag {
    /// How many.
    pub count: u64,
    /// All together.
    pub total: Duration,
    /// The last one.
    pub last: Duration,
    /// The longest.
    pub longest: Duration,
}

impl Lag {
    pub(crate) fn add(&mut self, lag: Duration) {
        self.count += 1;
        self.total = self.total.saturating_add(lag);
        self.last = lag;
        self.longest = self.longest.max(lag);
    }
}
