//! Time: what is held too long goes, what was refused is tried again, what is stale is swept.

use std::time::Duration;

use heddle_bgp_core::Timestamp;

use super::FibSync;
use crate::input::Output;
use crate::plan::Stale;
use crate::table::{GroupId, GroupState, Slot};

/// Whether it is told that the initial tables are in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Written {
    /// They are not complete yet.
    Unasked,
    /// As soon as they are.
    Asked,
    Told,
}

impl FibSync {
    /// When [`FibSync::handle_timeout`] wants to be called; none: not before something happens.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        let held = self.held_until.first().map(|(at, _)| *at);
        let withdrawn = self.withdrawn_until.first().map(|(at, _)| *at);
        let retries = [self.refused.retry_at(), self.objects.retry_at(), self.flaps.due()];
        [held, withdrawn, self.stale_until, self.dumps.due()].into_iter().chain(retries).flatten().min()
    }

    /// It is that late.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        self.advance(now);
        self.settle();
        while let Some((at, group)) = self.held_until.first().copied()
            && at <= self.now
        {
            self.held_until.pop_first();
            self.give_up(group);
        }
        while let Some((at, prefix)) = self.withdrawn_until.first().copied()
            && at <= self.now
        {
            self.withdrawn_until.pop_first();
            if self.table.find(prefix).is_some_and(|slot| self.table.entry(slot).withdrawn) {
                self.set_key(prefix, None);
            }
        }
        if self.stale_until.is_some_and(|at| at <= self.now) {
            self.sweep_stale();
        }
        self.retry_objects();
        let due = self.refused.take_due(self.now).into_iter().chain(self.flaps.take_due(self.now));
        for prefix in due {
            if let Some(slot) = self.table.find(prefix) {
                self.mark(slot);
            }
        }
    }

    /// The program ends: what waits for its time, or for a dump, is written as well as it can be now. To be called once.
    pub fn hurry(&mut self, now: Timestamp) {
        self.advance(now);
        self.dumps.give_up();
        for prefix in self.flaps.take_all() {
            if let Some(slot) = self.table.find(prefix) {
                self.mark(slot);
            }
        }
        if self.dumps.is_ready() {
            self.mark_unsure();
        }
    }

    /// The time of a group that cannot be resolved is over.
    fn give_up(&mut self, id: GroupId) {
        let hold = self.settings.unresolved_time;
        let Some(group) = self.table.group_mut(id) else { return };
        if let GroupState::Held { since, why } = &group.state {
            if *since + hold > self.now {
                // Of another group that had the number, or of the time before the settings changed.
                self.held_until.insert((*since + hold, id));
                return;
            }
            group.state = GroupState::Unresolved { since: *since, why: why.clone() };
            self.mark_group(id);
        }
    }

    /// The initial tables of all peers are complete: routes of the run before that nobody asked for go.
    pub fn sweep(&mut self, now: Timestamp) {
        self.advance(now);
        match self.written {
            Written::Unasked => self.written = Written::Asked,
            Written::Asked | Written::Told => {}
        }
        self.sweep_stale();
    }

    fn sweep_stale(&mut self) {
        self.stale_until = None;
        if self.stale == Stale::Swept {
            return;
        }
        self.stale = Stale::Swept;
        let stale: Vec<Slot> = (0..self.table.slots())
            .filter_map(|slot| self.table.used(slot))
            .filter(|(_, entry)| entry.actual.iter().any(|known| known.stale))
            .map(|(slot, _)| slot)
            .collect();
        for slot in stale {
            self.mark(slot);
        }
    }

    /// Tells once that what was swept is gone.
    pub(super) fn tell_swept(&mut self) {
        let waits = !self.unsure.is_empty() || self.flaps.len() > 0 || self.objects.waiting() > 0;
        let done = self.stale == Stale::Swept && self.dumps.is_ready() && self.is_quiet() && !waits;
        if done && !self.swept_told {
            self.swept_told = true;
            self.outputs.push_back(Output::Swept(self.swept));
        }
    }

    /// Tells once that the initial tables are in the kernel. What the kernel refuses, or what flaps, is not waited for.
    pub(super) fn tell_written(&mut self) {
        let waits = !self.unsure.is_empty() || self.objects.waiting() > 0;
        if self.written == Written::Asked && self.dumps.is_ready() && self.is_quiet() && !waits {
            self.written = Written::Told;
            self.outputs.push_back(Output::Written);
        }
    }

    /// Whether that is to be told.
    pub(super) fn has_to_tell_written(&self) -> bool {
        self.written == Written::Asked
    }

    /// When stale routes go at the latest.
    pub(super) fn start_stale_time(&mut self) {
        if self.stale == Stale::Kept {
            self.stale_until = Some(self.now + self.settings.stale_time);
        }
    }

    /// How long what was refused waits before it is tried again, for the first time and at most.
    pub(super) const RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
}

#[cfg(test)]
mod tests {
    use heddle_bgp_core::Prefix;

    use super::*;
    use crate::engine::{DumpEnd, Heard};
    use crate::route::{Dead, KernelEvent, KernelRoute, MAIN_TABLE, Placed, Target};
    use crate::settings::Settings;

    fn route(number: u8) -> KernelRoute {
        let prefix = Prefix::new([10, number, 0, 0].into(), 16).expect("a prefix");
        let target = Target::Dead(Dead::Blackhole);
        KernelRoute { table: MAIN_TABLE, prefix, tos: 0, metric: 1024, protocol: 158, target, source: None }
    }

    /// After a start that found so many routes of ours.
    fn started(now: Timestamp, found: u8) -> FibSync {
        let mut fib = FibSync::new(Settings::default());
        fib.begin_dump(now);
        for number in 0..found {
            fib.handle_dumped(KernelEvent::Route(route(number), Placed::Added));
        }
        fib.end_dump(now, DumpEnd::Complete);
        fib
    }

    /// What is told of the sweep.
    fn swept(fib: &mut FibSync, now: Timestamp) -> Vec<Output> {
        fib.sweep(now);
        for _ in 0..10 {
            let mut writes = Vec::new();
            fib.poll_writes(10, Heard::All, &mut writes);
            if !writes.is_empty() {
                fib.handle_results(now, &[]);
            }
        }
        std::iter::from_fn(|| fib.poll_output()).filter(|output| matches!(output, Output::Swept(_))).collect()
    }

    #[test]
    fn it_is_told_how_many_routes_were_swept() {
        let now = Timestamp::from_secs(1);
        assert_eq!(swept(&mut started(now, 0), now), [Output::Swept(0)]);
        assert_eq!(swept(&mut started(now, 3), now), [Output::Swept(3)]);
    }

    /// Not before the last of what there is to write was written, and not because a time is over.
    #[test]
    fn the_initial_tables_are_written_when_all_of_it_is_there() {
        let now = Timestamp::from_secs(1);
        let mut fib = FibSync::new(Settings { stale_time: Duration::from_secs(1), ..Settings::default() });
        fib.begin_dump(now);
        fib.end_dump(now, DumpEnd::Complete);
        let written = |fib: &mut FibSync| {
            let mut writes = Vec::new();
            fib.poll_writes(1, Heard::All, &mut writes);
            let told = std::iter::from_fn(|| fib.poll_output()).filter(|output| *output == Output::Written).count();
            if !writes.is_empty() {
                fib.handle_results(now, &[]);
            }
            (writes.len(), told)
        };
        fib.handle_timeout(Timestamp::from_secs(3));
        assert_eq!((fib.is_swept(), written(&mut fib)), (true, (0, 0)));
        fib.set_blackholes(now, [route(1).prefix, route(2).prefix]);
        fib.sweep(now);
        assert!(!fib.is_settled());
        assert_eq!([(); 4].map(|()| written(&mut fib)), [(1, 0), (1, 0), (0, 1), (0, 0)]);
        fib.sweep(now);
        assert_eq!((written(&mut fib), fib.is_settled()), ((0, 0), true));
    }

    /// Reports were lost, and what is to go waits for a dump.
    #[test]
    fn the_initial_tables_are_not_written_while_a_deletion_waits_for_a_dump() {
        let now = Timestamp::from_secs(1);
        let mut fib = started(now, 1);
        fib.handle_kernel(now, KernelEvent::Overrun);
        fib.sweep(now);
        let written = |fib: &mut FibSync| {
            let mut writes = Vec::new();
            fib.poll_writes(10, Heard::All, &mut writes);
            if !writes.is_empty() {
                fib.handle_results(now, &[]);
            }
            (writes.len(), std::iter::from_fn(|| fib.poll_output()).any(|output| output == Output::Written))
        };
        assert_eq!([(); 2].map(|()| written(&mut fib)), [(0, false); 2]);
        fib.begin_dump(now);
        fib.handle_dumped(KernelEvent::Route(route(0), Placed::Added));
        fib.end_dump(now, DumpEnd::Complete);
        assert_eq!([(); 2].map(|()| written(&mut fib)), [(1, false), (0, true)]);
    }

    /// A route that somebody deletes and makes again waits until it may be taken away: until then not all is swept.
    #[test]
    fn it_is_not_told_while_a_deletion_waits() {
        let now = Timestamp::from_secs(1);
        let mut fib = started(now, 2);
        for _ in 0..10 {
            fib.handle_kernel(now, KernelEvent::RouteGone(route(0)));
            fib.handle_kernel(now, KernelEvent::Route(route(0), Placed::Added));
        }
        assert_eq!((swept(&mut fib, now), fib.counters().installed), (vec![], 1));
        let later = Timestamp::from_secs(2);
        fib.handle_timeout(later);
        assert_eq!((swept(&mut fib, later), fib.counters().installed), (vec![Output::Swept(1)], 0));
    }
}
