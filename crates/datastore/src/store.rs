//! What a datastore knows: pure, time passed in.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use heddle_resources::{Delta, Key, Kind, Object, Snapshot};

use crate::counters::Counters;
use crate::error::SourceError;
use crate::event::{Guard, Held, Revision, SourceEvent, WaitingFor};
use crate::journal::Journal;
use crate::kinds::Kinds;
use crate::problem::Problem;
use crate::status::{State, Status};
use crate::watch::News;

#[cfg(test)]
mod tests;

/// More places with problems than this are only counted, and more problems of one place are left out.
const MOST_PROBLEMS: usize = 1000;

/// More faults than this at once are not logged one by one; the status has them all.
pub(crate) const MOST_LOGGED: usize = 50;

/// The time, on both clocks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) wall: SystemTime,
    pub(crate) monotonic: Instant,
}

/// A list in the making.
#[derive(Debug)]
struct Listing {
    mentioned: HashSet<Key>,
    guard: Guard,
}

/// A list that was not believed.
#[derive(Debug)]
struct Doubt {
    since: Instant,
    missing: BTreeSet<Key>,
}

/// What a datastore knows.
#[derive(Debug)]
pub(crate) struct Store {
    source: Arc<str>,
    expected: Kinds,
    listed: Kinds,
    snapshot: Arc<Snapshot>,
    /// Counts changes from the first snapshot on.
    version: u64,
    journal: Journal,
    listings: BTreeMap<Kind, Listing>,
    doubts: BTreeMap<Kind, Doubt>,
    state: State,
    since: SystemTime,
    last_error: Option<(SystemTime, SourceError)>,
    last_change: Option<SystemTime>,
    revision: Option<Revision>,
    problems: BTreeMap<Arc<str>, Arc<[Problem]>>,
    counters: Counters,
    /// Faults that came since they were asked for, for the log.
    fresh: Vec<String>,
    ended: bool,
}

impl Store {
    pub(crate) fn new(source: Arc<str>, expected: Kinds, now: Now) -> Self {
        Self {
            source,
            expected,
            listed: Kinds::NONE,
            snapshot: Arc::default(),
            version: 0,
            journal: Journal::default(),
            listings: BTreeMap::new(),
            doubts: BTreeMap::new(),
            state: State::Waiting(WaitingFor::Source),
            since: now.wall,
            last_error: None,
            last_change: None,
            revision: None,
            problems: BTreeMap::new(),
            counters: Counters::default(),
            fresh: Vec::new(),
            ended: false,
        }
    }

    /// Takes events; together they are one change.
    pub(crate) fn handle(&mut self, events: impl IntoIterator<Item = SourceEvent>, now: Now) -> Vec<Held> {
        let was_synced = self.is_synced();
        let mut deltas: BTreeMap<Key, Delta> = BTreeMap::new();
        let mut held = Vec::new();
        let before = Arc::clone(&self.snapshot);
        let (state, since) = (self.state.to_string(), self.since);
        for event in events {
            self.counters.events += 1;
            self.one(event, now, &mut deltas, &mut held);
        }
        // What comes back to what it was within one batch, a state or an object, was always so.
        if self.state.to_string() == state {
            self.since = since;
        }
        deltas.retain(|key, delta| match delta {
            Delta::Set(_, object) => before.get(key) != Some(object),
            Delta::Deleted(_) => before.get(key).is_some(),
        });
        if !deltas.is_empty() {
            self.last_change = Some(now.wall);
        }
        if self.is_synced() && !was_synced {
            self.version += 1;
        } else if was_synced && !deltas.is_empty() {
            self.version += 1;
            self.counters.changes += 1;
            self.journal.push(self.version, deltas.into_values().collect());
        }
        held
    }

    fn one(&mut self, event: SourceEvent, now: Now, deltas: &mut BTreeMap<Key, Delta>, held: &mut Vec<Held>) {
        match event {
            SourceEvent::ResyncBegin { kinds, guard } => {
                for kind in kinds.iter() {
                    self.counters.resyncs_begun += 1;
                    self.listings.insert(kind, Listing { mentioned: HashSet::new(), guard });
                }
            }
            SourceEvent::Set { object, revision } => {
                self.counters.sets += 1;
                self.mention(&object.key());
                self.set(object, deltas);
                self.revision = revision.or_else(|| self.revision.take());
            }
            SourceEvent::Kept(key) => self.mention(&key),
            SourceEvent::Deleted { key, revision } => {
                if let Some(listing) = self.listings.get_mut(&key.kind) {
                    listing.mentioned.remove(&key);
                }
                self.delete(key, deltas);
                self.revision = revision.or_else(|| self.revision.take());
            }
            SourceEvent::ResyncEnd { kinds, revision } => {
                for kind in kinds.iter() {
                    held.extend(self.sweep(kind, now, deltas));
                    self.listed.insert(kind);
                }
                self.revision = revision.or_else(|| self.revision.take());
                self.follows(now);
            }
            SourceEvent::Problems { origin, mut problems } => {
                problems.truncate(MOST_PROBLEMS);
                self.freshen(&origin, &problems);
                if problems.is_empty() {
                    self.problems.remove(&origin);
                } else {
                    self.problems.insert(origin, problems.into());
                }
            }
            SourceEvent::Waiting(what) => self.enter(State::Waiting(what), now),
            SourceEvent::Failed(error) => self.error(error, now),
            SourceEvent::Lost(error) => {
                self.error(error.clone(), now);
                self.counters.losses += 1;
                self.enter(State::Lost(error), now);
            }
            SourceEvent::Regained => self.follows(now),
        }
    }

    /// Notes the faults of a place that were not there before.
    fn freshen(&mut self, origin: &Arc<str>, problems: &[Problem]) {
        let faults = |list: &[Problem]| -> Vec<String> {
            list.iter().filter(|p| p.is_fault()).map(ToString::to_string).collect()
        };
        let before = self.problems.get(origin).map(|list| faults(list)).unwrap_or_default();
        let fresh = faults(problems).into_iter().filter(|fault| !before.contains(fault));
        self.fresh.extend(fresh.take(MOST_LOGGED.saturating_sub(self.fresh.len())));
    }

    /// Faults that came since the last time, at most [`MOST_LOGGED`].
    pub(crate) fn take_fresh(&mut self) -> Vec<String> {
        std::mem::take(&mut self.fresh)
    }

    /// The source follows: in sync, or waiting for the kinds that were never listed.
    fn follows(&mut self, now: Now) {
        let missing = self.expected.without(self.listed);
        let state = if missing.is_empty() { State::InSync } else { State::Waiting(WaitingFor::Kinds(missing)) };
        self.enter(state, now);
    }

    /// The only writer of the state.
    fn enter(&mut self, state: State, now: Now) {
        if self.state.to_string() != state.to_string() {
            self.since = now.wall;
        }
        self.state = state;
    }

    fn error(&mut self, error: SourceError, now: Now) {
        self.counters.errors += 1;
        self.last_error = Some((now.wall, error));
    }

    fn mention(&mut self, key: &Key) {
        if let Some(listing) = self.listings.get_mut(&key.kind) {
            listing.mentioned.insert(key.clone());
        }
    }

    fn set(&mut self, object: Object, deltas: &mut BTreeMap<Key, Delta>) {
        let key = object.key();
        if let Some(doubt) = self.doubts.get_mut(&key.kind) {
            doubt.missing.remove(&key);
        }
        let present = self.snapshot.get(&key);
        if present == Some(&object) {
            return;
        }
        if present.is_none() {
            *self.counters.objects.entry(key.kind).or_default() += 1;
        }
        let delta = Delta::Set(key.clone(), object);
        Arc::make_mut(&mut self.snapshot).apply(&delta);
        deltas.insert(key, delta);
    }

    fn delete(&mut self, key: Key, deltas: &mut BTreeMap<Key, Delta>) {
        if let Some(doubt) = self.doubts.get_mut(&key.kind) {
            doubt.missing.remove(&key);
        }
        if self.snapshot.get(&key).is_none() {
            return;
        }
        self.counters.deletes += 1;
        if let Some(count) = self.counters.objects.get_mut(&key.kind) {
            *count = count.saturating_sub(1);
        }
        let delta = Delta::Deleted(key.clone());
        Arc::make_mut(&mut self.snapshot).apply(&delta);
        deltas.insert(key, delta);
    }

    /// Takes away what a list that is complete did not mention, unless that is too much to be believed.
    fn sweep(&mut self, kind: Kind, now: Now, deltas: &mut BTreeMap<Key, Delta>) -> Option<Held> {
        // An end without a beginning: a bug of the source, which must not cost every object of the kind.
        let listing = self.listings.remove(&kind)?;
        self.counters.resyncs_done += 1;
        let keys = self.snapshot.iter().filter(|o| o.kind() == kind).map(Object::key);
        let missing: BTreeSet<Key> = keys.filter(|key| !listing.mentioned.contains(key)).collect();
        let count = self.counters.objects.get(&kind).copied().unwrap_or_default();
        let many = count >= Guard::FEWEST && missing.len() * 2 > count;
        let doubted = match listing.guard {
            Guard::Doubt => many,
            Guard::Believe => false,
        };
        if !doubted {
            self.doubts.remove(&kind);
            missing.into_iter().for_each(|key| self.delete(key, deltas));
            return None;
        }
        let before = self.doubts.remove(&kind);
        let age = before.as_ref().map(|d| now.monotonic.saturating_duration_since(d.since));
        if let (Some(before), Some(age)) = (before, age) {
            if age >= Guard::PAUSE {
                let (agreed, new): (BTreeSet<Key>, BTreeSet<Key>) =
                    missing.into_iter().partition(|key| before.missing.contains(key));
                agreed.into_iter().for_each(|key| self.delete(key, deltas));
                let left = self.counters.objects.get(&kind).copied().unwrap_or_default();
                if left < Guard::FEWEST || new.len() * 2 <= left {
                    new.into_iter().for_each(|key| self.delete(key, deltas));
                    return None;
                }
                return Some(self.doubt(kind, now.monotonic, new, Guard::PAUSE));
            }
            let rest = Guard::PAUSE.saturating_sub(age);
            return Some(self.doubt(kind, before.since, missing, rest));
        }
        Some(self.doubt(kind, now.monotonic, missing, Guard::PAUSE))
    }

    fn doubt(&mut self, kind: Kind, since: Instant, missing: BTreeSet<Key>, list_again_in: Duration) -> Held {
        self.counters.resyncs_held += 1;
        self.doubts.insert(kind, Doubt { since, missing: missing.clone() });
        Held { kind, keys: missing, list_again_in }
    }

    /// Whether consumers may be told: every kind was listed once.
    fn is_synced(&self) -> bool {
        self.expected.without(self.listed).is_empty()
    }

    /// All that is known.
    pub(crate) fn told(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot)
    }

    pub(crate) fn synced(&self) -> Option<(u64, Arc<Snapshot>)> {
        self.is_synced().then(|| (self.version, Arc::clone(&self.snapshot)))
    }

    /// What a consumer missed that was told `version`; none: nothing.
    pub(crate) fn since(&mut self, version: u64) -> Option<News> {
        if self.version == version {
            return None;
        }
        self.counters.coalesced += (self.version - version).saturating_sub(1);
        let changes = self.journal.since(version);
        Some(News { version: self.version, snapshot: Arc::clone(&self.snapshot), changes })
    }

    pub(crate) fn state(&self) -> &State {
        &self.state
    }

    pub(crate) fn source(&self) -> &Arc<str> {
        &self.source
    }

    pub(crate) fn heard(&mut self, lag: Duration) {
        self.counters.lag.add(lag);
    }

    pub(crate) fn consumer_comes(&mut self) {
        self.counters.consumers += 1;
    }

    pub(crate) fn consumer_goes(&mut self) {
        self.counters.consumers = self.counters.consumers.saturating_sub(1);
    }

    pub(crate) fn end(&mut self) {
        self.ended = true;
    }

    pub(crate) const fn has_ended(&self) -> bool {
        self.ended
    }

    pub(crate) fn status(&self) -> Status {
        let shown = self.problems.iter().take(MOST_PROBLEMS);
        Status {
            source: Arc::clone(&self.source),
            state: self.state.clone(),
            since: self.since,
            synced_once: self.is_synced(),
            last_error: self.last_error.clone(),
            objects: self.objects(),
            last_change: self.last_change,
            version: self.version,
            revision: self.revision.clone(),
            held: self.doubts.iter().map(|(kind, doubt)| (*kind, doubt.missing.len())).collect(),
            problems: shown.map(|(origin, list)| (Arc::clone(origin), Arc::clone(list))).collect(),
            more_problems: self.problems.len().saturating_sub(MOST_PROBLEMS),
        }
    }

    /// Objects by kind, every kind that is expected included.
    fn objects(&self) -> BTreeMap<Kind, usize> {
        let mut objects: BTreeMap<Kind, usize> = self.expected.iter().map(|kind| (kind, 0)).collect();
        objects.extend(self.counters.objects.iter().map(|(kind, count)| (*kind, *count)));
        objects
    }

    pub(crate) fn counters(&self) -> Counters {
        let mut counters = self.counters.clone();
        counters.objects = self.objects();
        let all = || self.problems.values().flat_map(|list| list.iter());
        counters.problems = all().count();
        counters.faults = all().filter(|p| p.is_fault()).count();
        counters.in_sync = u64::from(matches!(self.state, State::InSync));
        counters
    }
}
