//! What is written to the kernel, and what becomes of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use heddle_bgp_core::{Prefix, Timestamp};

use super::FibSync;
use crate::plan::{Stale, Step, plan};
use crate::route::{KernelObject, RouteSpec};
use crate::table::{Actual, Slot};

/// The error of a key that is taken.
pub(super) const EEXIST: i32 = 17;

/// What a write does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum WriteKind {
    /// Make it; refused when the key or number is taken.
    Create,
    /// Put it in place of what has the key or number; refused when there is nothing.
    Replace,
    /// Take it away.
    Delete,
}

/// One request to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Write {
    /// A route.
    Route(WriteKind, RouteSpec),
    /// A nexthop object.
    Object(WriteKind, KernelObject),
}

/// Why a write was not done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Refusal {
    /// The key is taken (`EEXIST`).
    Exists,
    /// There is nothing (`ENOENT`, `ESRCH`).
    Missing,
    /// Another error of the kernel, by its number.
    Errno(i32),
    /// It may or may not have been done: the answer was lost.
    Unknown,
}

/// How much of what the kernel has reported so far was handed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Heard {
    /// Perhaps not all of it.
    Some,
    /// All of it: nobody is known to have taken the place of a route of ours since.
    All,
}

/// When a destination is dealt with that only loses routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Deletions {
    Now,
    Last,
}

#[derive(Debug)]
pub(super) enum InFlight {
    Route(Slot, Step),
    Object(WriteKind, KernelObject),
}

/// Destinations that the kernel refused, with the error.
#[derive(Debug, Default)]
pub(super) struct Refused {
    by_prefix: BTreeMap<Prefix, i32>,
    retry_at: Option<Timestamp>,
    wait: Option<Duration>,
}

impl Refused {
    pub(super) fn len(&self) -> usize {
        self.by_prefix.len()
    }

    pub(super) fn retry_at(&self) -> Option<Timestamp> {
        self.retry_at
    }

    pub(super) fn get(&self, prefix: Prefix) -> Option<i32> {
        self.by_prefix.get(&prefix).copied()
    }

    fn add(&mut self, prefix: Prefix, error: i32, now: Timestamp, (first, most): (Duration, Duration)) {
        self.by_prefix.insert(prefix, error);
        if self.retry_at.is_none() {
            let wait = self.wait.map_or(first, |wait| wait.saturating_mul(2).min(most));
            self.wait = Some(wait);
            self.retry_at = Some(now + wait);
        }
    }

    fn remove(&mut self, prefix: Prefix) {
        if !self.by_prefix.is_empty() && self.by_prefix.remove(&prefix).is_some() && self.by_prefix.is_empty() {
            self.retry_at = None;
            self.wait = None;
        }
    }

    /// All of them.
    pub(super) fn prefixes(&self) -> impl Iterator<Item = Prefix> + '_ {
        self.by_prefix.keys().copied()
    }

    /// Those whose time has come.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Vec<Prefix> {
        if self.retry_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.retry_at = None;
        self.by_prefix.keys().copied().collect()
    }

    /// Something happened: all are tried again at once.
    pub(super) fn take_all(&mut self) -> Vec<Prefix> {
        self.wait = None;
        self.retry_at = None;
        self.by_prefix.keys().copied().collect()
    }
}

impl FibSync {
    /// Appends writes, about `most` of them; [`FibSync::handle_results`] has to follow when there are any. Nothing is
    /// written before the kernel was read once, and never while what is wanted is what is there.
    ///
    /// The kernel puts a route in the place of whichever has the key, also of a stranger's. So nothing is replaced unless
    /// all was [`Heard`]; until then [`FibSync::wants_to_hear`] says so. After reports were lost, nothing is replaced before
    /// a dump has told whose is what; where reports are lost after each dump, a route of ours goes by its full description
    /// and the new one is made where nobody has the key.
    pub fn poll_writes(&mut self, most: usize, heard: Heard, writes: &mut Vec<Write>) {
        if !self.dumps.is_ready() || !self.in_flight.is_empty() {
            return;
        }
        self.to_hear = false;
        self.settle();
        self.poll_objects(most, heard, writes);
        if !self.in_flight.is_empty() {
            // Routes follow when the objects are there.
            return;
        }
        while self.in_flight.len() < most
            && !self.to_hear
            && let Some(slot) = self.dirty.pop_front()
        {
            self.plan_slot(slot, Deletions::Last, heard, writes);
        }
        while self.in_flight.len() < most
            && self.dirty.is_empty()
            && !self.deletions_wait_for_dump()
            && let Some(slot) = self.deletions.pop_front()
        {
            self.plan_slot(slot, Deletions::Now, heard, writes);
        }
        if !self.to_hear {
            self.dumps.seen();
        }
        if self.in_flight.is_empty() && !self.to_hear {
            self.poll_object_deletions(most, heard, writes);
            self.tell_swept();
            self.tell_written();
        }
    }

    /// Whether something waits to be replaced until all that the kernel has reported is handed in: then
    /// [`FibSync::poll_writes`] is to be told so.
    #[must_use]
    pub fn wants_to_hear(&self) -> bool {
        self.to_hear
    }

    /// Whether [`FibSync::poll_writes`] has nothing to do until something is handed in: then it need not be asked.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        let told = (self.swept_told || self.stale == Stale::Kept) && !self.has_to_tell_written();
        let waits = self.deletions_wait_for_dump() && !self.deletions.is_empty();
        let quiet = self.is_quiet() || (waits && self.dirty.is_empty() && self.in_flight.is_empty());
        quiet && !self.unsettled && self.dirty_groups.is_empty() && self.objects.is_empty() && (told || waits)
    }

    /// What is only to be taken away waits for what is to be made, and for a dump that may show that what we take to be
    /// there in its place is not.
    fn deletions_wait(&self) -> bool {
        !self.dirty.is_empty() || !self.in_flight.is_empty() || self.deletions_wait_for_dump()
    }

    pub(super) fn deletions_wait_for_dump(&self) -> bool {
        self.dumps.is_wanted() && !self.dumps.is_in_vain()
    }

    /// Whether nothing is to be written.
    pub(super) fn is_quiet(&self) -> bool {
        self.dirty.is_empty() && self.deletions.is_empty() && self.in_flight.is_empty()
    }

    /// Plans a destination. What is only to be taken away can wait until all that is to be made is there.
    fn plan_slot(&mut self, slot: Slot, deletions: Deletions, heard: Heard, writes: &mut Vec<Write>) {
        let wanted = self.wanted(slot);
        let entry = self.table.entry(slot);
        let prefix = entry.prefix;
        let stranger = match &wanted {
            crate::plan::Wanted::Route { metric, .. } => {
                self.view.stranger(self.settings.table, prefix, *metric).map(|route| route.protocol)
            }
            crate::plan::Wanted::Nothing | crate::plan::Wanted::Kept => None,
        };
        let plan = plan(&wanted, &entry.actual, stranger, self.stale);
        self.note_conflict(prefix, plan.conflict);
        if let Some(known) = plan.wanted.and_then(|at| self.table.entry_mut(slot).actual.get_mut(at))
            && known.stale
        {
            known.stale = false;
            self.counters.stale = self.counters.stale.saturating_sub(1);
        }
        let nothing = plan.write.is_none() && plan.deletions.is_empty();
        if !nothing && self.flaps.must_wait(prefix, self.now) {
            self.table.entry_mut(slot).dirty = false;
            return;
        }
        match plan.write {
            Some(Step::Replace { metric, protocol, target }) if self.dumps.is_blind() && self.dumps.is_in_vain() => {
                self.change(slot, Step::Create { metric, protocol, target }, metric, writes);
            }
            Some(Step::Replace { .. }) if self.dumps.is_blind() => {
                self.table.entry_mut(slot).dirty = false;
                self.unsure.insert(prefix);
                return;
            }
            Some(Step::Replace { .. }) if heard == Heard::Some => {
                self.dirty.push_front(slot);
                self.to_hear = true;
                return;
            }
            Some(step) => self.send(slot, prefix, step, writes),
            None if nothing => {
                self.table.entry_mut(slot).dirty = false;
                self.refused.remove(prefix);
                self.table.forget_if_empty(slot);
                return;
            }
            None if deletions == Deletions::Last && self.deletions_wait() => {
                self.deletions.push_back(slot);
                return;
            }
            None => {}
        }
        self.table.entry_mut(slot).dirty = false;
        for step in plan.deletions {
            self.send(slot, prefix, step, writes);
        }
    }

    /// Puts a route in place of ours where it is not known whether ours is still there: the kernel deletes only what is
    /// described in full, and creates only where nobody has the key. In between there is none.
    fn change(&mut self, slot: Slot, create: Step, metric: u32, writes: &mut Vec<Write>) {
        let entry = self.table.entry(slot);
        let prefix = entry.prefix;
        let ours = entry.actual.iter().find(|known| known.tos == 0 && known.metric == metric).cloned();
        if let Some(ours) = ours {
            self.send(slot, prefix, Step::Delete(ours), writes);
        }
        self.send(slot, prefix, create, writes);
    }

    fn note_conflict(&mut self, prefix: Prefix, conflict: Option<u8>) {
        match conflict {
            Some(protocol) => {
                if self.conflicts.insert(prefix, protocol).is_none() {
                    self.counters.conflicts_met += 1;
                }
            }
            None if self.conflicts.is_empty() => {}
            None => {
                self.conflicts.remove(&prefix);
            }
        }
    }

    fn send(&mut self, slot: Slot, prefix: Prefix, step: Step, writes: &mut Vec<Write>) {
        let spec = |metric: u32, target: &Arc<_>, tos, protocol| RouteSpec {
            table: self.settings.table,
            prefix,
            tos,
            metric,
            protocol,
            target: Arc::clone(target),
        };
        match step {
            Step::Create { .. } => {}
            Step::Replace { .. } | Step::Delete(_) => self.flaps.note(prefix, self.now),
        }
        writes.push(match &step {
            Step::Create { metric, protocol, target } => {
                Write::Route(WriteKind::Create, spec(*metric, target, 0, *protocol))
            }
            Step::Replace { metric, protocol, target } => {
                Write::Route(WriteKind::Replace, spec(*metric, target, 0, *protocol))
            }
            Step::Delete(known) => {
                Write::Route(WriteKind::Delete, spec(known.metric, &known.target, known.tos, known.protocol))
            }
        });
        self.in_flight.push(InFlight::Route(slot, step));
    }

    /// What became of the writes of the last [`FibSync::poll_writes`]: those that were not done, by their place there, in
    /// order; all others were.
    pub fn handle_results(&mut self, now: Timestamp, refusals: &[(usize, Refusal)]) {
        self.now = self.now.max(now);
        let mut refusals = refusals.iter().peekable();
        let mut sent = std::mem::take(&mut self.in_flight);
        for (at, write) in sent.drain(..).enumerate() {
            let refusal = refusals.next_if(|(place, _)| *place == at).map(|(_, refusal)| *refusal);
            match write {
                InFlight::Route(slot, step) => self.route_result(slot, step, refusal),
                InFlight::Object(kind, object) => self.object_result(kind, object, refusal),
            }
        }
        self.in_flight = sent;
    }

    fn route_result(&mut self, slot: Slot, step: Step, refusal: Option<Refusal>) {
        let prefix = self.table.entry(slot).prefix;
        match (step, refusal) {
            (_, Some(Refusal::Unknown)) => {
                self.counters.unknown += 1;
                self.unsure.insert(prefix);
                self.dumps.want();
            }
            (Step::Create { metric, protocol, target } | Step::Replace { metric, protocol, target }, None) => {
                self.written(slot, Actual { metric, target, tos: 0, protocol, stale: false, seen: true });
            }
            (Step::Delete(known), None) => {
                self.counters.deleted += 1;
                self.swept += u64::from(known.stale);
                self.deleted(slot, &known);
            }
            (Step::Delete(known), Some(Refusal::Missing)) => self.deleted(slot, &known),
            (Step::Replace { metric, .. }, Some(Refusal::Missing)) => {
                let entry = self.table.entry_mut(slot);
                if let Some(at) = entry.actual.iter().position(|known| known.tos == 0 && known.metric == metric) {
                    let known = entry.actual.remove(at);
                    self.uncount(&known);
                    self.counters.repairs += 1;
                }
                self.mark(slot);
            }
            (Step::Create { .. }, Some(Refusal::Exists)) => {
                // Nobody was known there: what it is comes as an event, or by the dump.
                if self.refused.get(prefix) != Some(EEXIST) {
                    self.dumps.want();
                }
                let now = self.now;
                self.refused.add(prefix, EEXIST, now, Self::RETRY);
            }
            (
                Step::Create { .. } | Step::Replace { .. } | Step::Delete(_),
                Some(refusal @ (Refusal::Exists | Refusal::Missing | Refusal::Errno(_))),
            ) => {
                let error = match refusal {
                    Refusal::Errno(error) => error,
                    Refusal::Exists | Refusal::Missing | Refusal::Unknown => 0,
                };
                self.counters.failures += 1;
                if self.refused.get(prefix).is_none() {
                    // Something that it needs may be gone without a word.
                    self.dumps.want();
                }
                let now = self.now;
                self.refused.add(prefix, error, now, Self::RETRY);
            }
        }
    }

    fn written(&mut self, slot: Slot, now: Actual) {
        self.note_interfaces(&now.target);
        let entry = self.table.entry_mut(slot);
        let prefix = entry.prefix;
        match entry.actual.iter_mut().find(|known| known.tos == 0 && known.metric == now.metric) {
            Some(known) => {
                let before = std::mem::replace(known, now);
                self.counters.stale = self.counters.stale.saturating_sub(u64::from(before.stale));
                self.counters.replaced += 1;
            }
            None => {
                entry.actual.push(now);
                self.counters.created += 1;
                self.counters.installed += 1;
            }
        }
        // What lies under another key of ours goes now that this one is there.
        if self.table.entry(slot).actual.len() > 1 {
            self.mark(slot);
        }
        self.refused.remove(prefix);
    }

    fn deleted(&mut self, slot: Slot, gone: &Actual) {
        let entry = self.table.entry_mut(slot);
        let at = entry.actual.iter().position(|known| known.tos == gone.tos && known.metric == gone.metric);
        if let Some(at) = at {
            let known = entry.actual.remove(at);
            self.uncount(&known);
        }
        let prefix = self.table.entry(slot).prefix;
        self.refused.remove(prefix);
        self.table.forget_if_empty(slot);
    }

    pub(super) fn uncount(&mut self, gone: &Actual) {
        self.counters.installed = self.counters.installed.saturating_sub(1);
        self.counters.stale = self.counters.stale.saturating_sub(u64::from(gone.stale));
    }

    /// The routes of the run before may not go yet, or may.
    #[must_use]
    pub fn is_swept(&self) -> bool {
        self.stale == Stale::Swept
    }
}
