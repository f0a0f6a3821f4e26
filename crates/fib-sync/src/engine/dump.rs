//! Dumps: when one is wanted, and what it says about our routes.
//!
//! At most one runs and one is pending, and they begin at least 100 ms apart. A dump that the kernel interrupted takes
//! nothing away; it is read again. When nothing asks for one, one is read all the same from time to time: what the kernel
//! took without a word is found then.

use std::time::Duration;

use heddle_bgp_core::Timestamp;

use super::FibSync;
use crate::input::Output;
use crate::route::{KernelEvent, KernelRoute, Placed};
use crate::table::{Actual, Slot};

/// The shortest time between the beginnings of two dumps.
const APART: Duration = Duration::from_millis(100);
/// The longest time without a dump, of a small table.
const AUDIT: Duration = Duration::from_secs(60);
/// Of a large one it is so many times as long as the dump takes: one part in 500 of the time of a processor.
const AUDIT_SHARE: u32 = 500;

/// After so many dumps that did not end the blindness nothing waits for the next one.
const IN_VAIN: u8 = 3;

/// Whether a dump says everything.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DumpEnd {
    /// It does.
    Complete,
    /// The kernel's tables changed under it, or it failed.
    Interrupted,
}

#[derive(Debug, Default)]
pub(super) struct Dumps {
    wanted: bool,
    running: bool,
    complete: bool,
    /// Reports were lost since the last whole dump: what we take to be ours may be a stranger's by now.
    blind: bool,
    /// How many dumps have ended since something could last be written with open eyes, and reports were lost.
    in_vain: u8,
    /// It is not over yet: reports were lost since something could last be written with open eyes.
    losing: bool,
    begun: Option<Timestamp>,
    /// When the next one is read if nothing asks for one.
    audit_at: Option<Timestamp>,
    /// Nothing has asked for the one that runs.
    audits: bool,
}

impl Dumps {
    pub(super) fn want(&mut self) {
        self.wanted = true;
    }

    /// Reports were lost.
    pub(super) fn lost(&mut self) {
        self.blind = true;
        self.losing = true;
        self.wanted = true;
    }

    /// Writes were planned, and nothing had to wait for a dump.
    pub(super) fn seen(&mut self) {
        if !self.blind {
            self.losing = false;
            self.in_vain = 0;
        }
    }

    /// Reports are lost faster than dumps can make up for it: what is to be changed is changed without them.
    pub(super) fn is_in_vain(&self) -> bool {
        self.in_vain >= IN_VAIN
    }

    /// No other dump is read.
    pub(super) fn give_up(&mut self) {
        self.in_vain = IN_VAIN;
    }

    fn ended(&mut self) {
        self.in_vain = if self.losing { self.in_vain.saturating_add(1) } else { 0 };
    }

    pub(super) fn is_blind(&self) -> bool {
        self.blind
    }

    pub(super) fn is_running(&self) -> bool {
        self.running
    }

    pub(super) fn is_wanted(&self) -> bool {
        self.wanted
    }

    /// Whether the kernel was read as a whole once.
    pub(super) fn is_ready(&self) -> bool {
        self.complete
    }

    /// Only what the first dump finds is adopted.
    pub(super) fn adopts(&self) -> bool {
        !self.complete
    }

    pub(super) fn due(&self) -> Option<Timestamp> {
        let Some(begun) = self.begun else { return Some(Timestamp::ZERO) };
        match (self.running, self.wanted) {
            (true, _) => None,
            (false, true) => Some(begun + APART),
            (false, false) => self.audit_at,
        }
    }

    /// All was read: when all is read again.
    fn plan_audit(&mut self, now: Timestamp) {
        let took = self.begun.map_or(Duration::ZERO, |begun| now.since(begun));
        self.audit_at = Some(now + AUDIT.max(took.saturating_mul(AUDIT_SHARE)));
    }
}

impl FibSync {
    /// Whether a dump has to be read now: links, addresses, nexthop objects, and the routes of both families in the
    /// table main and in ours, told as events between [`FibSync::begin_dump`] and [`FibSync::end_dump`].
    #[must_use]
    pub fn wants_dump(&self, now: Timestamp) -> bool {
        self.in_flight.is_empty() && self.dumps.due().is_some_and(|due| due <= now)
    }

    /// A dump begins.
    pub fn begin_dump(&mut self, now: Timestamp) {
        self.advance(now);
        self.dumps.audits = !self.dumps.wanted && self.dumps.complete;
        self.dumps.wanted = false;
        self.dumps.running = true;
        self.dumps.begun = Some(now);
        self.view.begin_dump();
        self.objects.begin_dump();
        for slot in 0..self.table.slots() {
            let Some((slot, _)) = self.table.used(slot) else { continue };
            for known in &mut self.table.entry_mut(slot).actual {
                known.seen = false;
            }
        }
    }

    /// One thing that the dump says.
    pub fn handle_dumped(&mut self, event: KernelEvent) {
        match event {
            KernelEvent::Route(route, _) if self.is_ours(&route) => self.own_route_dumped(route),
            KernelEvent::Route(route, _) => self.view.set_route(route, Placed::Added),
            // What became of the routes on it is said by the dump itself.
            KernelEvent::Link(link) => {
                self.view.set_link(link);
                self.apply_links();
            }
            other => {
                let now = self.now;
                self.handle_kernel(now, other);
            }
        }
    }

    fn own_route_dumped(&mut self, route: KernelRoute) {
        let first = !self.dumps.complete;
        let slot = self.table.slot(route.prefix);
        let target = self.intern(route.target);
        self.note_interfaces(&target);
        let entry = self.table.entry_mut(slot);
        match entry.actual.iter_mut().find(|known| known.metric == route.metric && known.tos == route.tos) {
            Some(known) => {
                known.seen = true;
                if known.target == target && known.protocol == route.protocol {
                    return;
                }
                known.target = target;
                known.protocol = route.protocol;
            }
            None => {
                entry.actual.push(Actual {
                    metric: route.metric,
                    target,
                    tos: route.tos,
                    protocol: route.protocol,
                    stale: first,
                    seen: true,
                });
                self.counters.installed += 1;
                self.counters.stale += u64::from(first);
            }
        }
        self.mark(slot);
    }

    /// The dump is over.
    pub fn end_dump(&mut self, now: Timestamp, end: DumpEnd) {
        self.advance(now);
        self.dumps.running = false;
        self.counters.dumps += 1;
        self.dumps.ended();
        match end {
            DumpEnd::Interrupted => {
                self.dumps.wanted = true;
                if self.dumps.is_in_vain() && self.dumps.complete {
                    self.mark_unsure();
                }
                return;
            }
            DumpEnd::Complete => {
                self.dumps.plan_audit(now);
                // What was lost while it ran asks for another one.
                self.dumps.blind &= self.dumps.wanted;
            }
        }
        self.view.end_dump();
        self.apply_links();
        self.end_object_dump();
        let mut touched: Vec<Slot> = Vec::new();
        for slot in 0..self.table.slots() {
            let Some((slot, entry)) = self.table.used(slot) else { continue };
            let missing = entry.actual.iter().filter(|known| !known.seen).count() as u64;
            if missing > 0 {
                self.counters.repairs += if self.dumps.audits { missing } else { 0 };
                self.drop_actual(slot, |known| !known.seen);
                touched.push(slot);
            }
        }
        for slot in touched {
            self.mark(slot);
        }
        self.mark_unsure();
        if !self.dumps.complete {
            self.dumps.complete = true;
            self.start_stale_time();
            self.settle();
            self.outputs.push_back(Output::Ready);
        }
    }

    /// What waited for a dump, and what a dump may have made possible, is planned again.
    pub(super) fn mark_unsure(&mut self) {
        let unsure = std::mem::take(&mut self.unsure);
        let unsure = unsure.into_iter().chain(self.conflicts.keys().copied()).chain(self.refused.prefixes());
        let unsure: Vec<Slot> = unsure.filter_map(|prefix| self.table.find(prefix)).collect();
        for slot in unsure {
            self.mark(slot);
        }
    }
}

#[cfg(test)]
mod tests {
    use heddle_bgp_core::Prefix;

    use super::*;
    use crate::engine::{Heard, Write, WriteKind};
    use crate::input::{Best, BestPath, NextHop, Source};
    use crate::route::{Address, IfIndex, Leg, Legs, Link, LinkState, MAIN_TABLE, Target};
    use crate::settings::{METRIC_BASE, Settings};

    fn ip(last: u8) -> std::net::IpAddr {
        [192, 0, 2, last].into()
    }

    fn destination() -> Prefix {
        Prefix::new([10, 0, 0, 0].into(), 8).expect("a prefix")
    }

    /// A link, its address, and a route of ours over it, as a dump tells them.
    fn dump(fib: &mut FibSync, now: Timestamp, meanwhile: Option<KernelEvent>, end: DumpEnd) {
        let link = IfIndex(1);
        let prefix = Prefix::new(ip(0), 24).expect("a prefix");
        let target = |gateway| Target::legs(Legs::from_slice(&[Leg::new(link, gateway)]));
        let route = |prefix, metric, protocol, target| KernelRoute {
            table: MAIN_TABLE,
            prefix,
            tos: 0,
            metric,
            protocol,
            source: None,
            target,
        };
        fib.begin_dump(now);
        fib.handle_dumped(KernelEvent::Link(Link { index: link, name: "a0".to_owned(), state: LinkState::Up }));
        fib.handle_dumped(KernelEvent::Address(Address { interface: link, address: ip(1), prefix }));
        for route in [route(prefix, 0, 2, target(None)), route(destination(), 1024, 158, target(Some(ip(2))))] {
            fib.handle_dumped(KernelEvent::Route(route, Placed::Added));
        }
        if let Some(event) = meanwhile {
            fib.handle_kernel(now, event);
        }
        fib.end_dump(now, end);
    }

    /// What is written when BGP wants the route of ours to lead elsewhere.
    fn moved(fib: &mut FibSync, now: Timestamp, last: u8) -> Vec<WriteKind> {
        let next_hops = std::iter::once(NextHop::new(ip(last))).collect();
        let best = Best { source: Source::Ibgp, local_pref: Some(METRIC_BASE - 1024), next_hops };
        fib.handle_best_paths(now, [BestPath { prefix: destination(), best: Some(best) }]);
        let mut writes = Vec::new();
        fib.poll_writes(10, Heard::All, &mut writes);
        let kinds = writes.iter().map(|write| match write {
            Write::Route(kind, _) | Write::Object(kind, _) => *kind,
        });
        let kinds = kinds.collect();
        if !writes.is_empty() {
            fib.handle_results(now, &[]);
        }
        kinds
    }

    /// Only a whole dump that began after the last loss says whose is what; a few dumps later it is done without.
    #[test]
    fn nothing_is_replaced_before_a_whole_dump_has_followed_the_loss() {
        let now = Timestamp::from_secs(1);
        let mut fib = FibSync::new(Settings::default());
        dump(&mut fib, now, None, DumpEnd::Complete);
        assert_eq!(moved(&mut fib, now, 3), [WriteKind::Replace]);
        fib.handle_kernel(now, KernelEvent::Overrun);
        assert_eq!(moved(&mut fib, now, 4), []);
        assert_eq!(fib.counters().pending, 1);
        dump(&mut fib, now, None, DumpEnd::Interrupted);
        assert_eq!(moved(&mut fib, now, 5), []);
        dump(&mut fib, now, Some(KernelEvent::Overrun), DumpEnd::Complete);
        assert_eq!(moved(&mut fib, now, 6), []);
        dump(&mut fib, now, Some(KernelEvent::Overrun), DumpEnd::Complete);
        assert_eq!(moved(&mut fib, now, 7), [WriteKind::Delete, WriteKind::Create]);
        dump(&mut fib, now, None, DumpEnd::Complete);
        assert_eq!(moved(&mut fib, now, 8), [WriteKind::Replace]);
        fib.handle_kernel(now, KernelEvent::Overrun);
        assert_eq!(moved(&mut fib, now, 9), [], "the losses of before do not count any more");
        dump(&mut fib, now, None, DumpEnd::Complete);
        assert_eq!(moved(&mut fib, now, 10), [WriteKind::Replace]);
    }

    /// Neither what we have written nor what we have learned is gone because a torn dump leaves it out.
    #[test]
    fn what_a_torn_dump_leaves_out_is_there_still() {
        let now = Timestamp::from_secs(1);
        let later = Timestamp::from_secs(2);
        let mut fib = FibSync::new(Settings::default());
        dump(&mut fib, now, None, DumpEnd::Complete);
        assert_eq!(moved(&mut fib, now, 3), [WriteKind::Replace]);
        for (end, left) in [(DumpEnd::Interrupted, (0, 1, 1)), (DumpEnd::Complete, (0, 0, 0))] {
            fib.begin_dump(later);
            fib.end_dump(later, end);
            let mut writes = Vec::new();
            fib.poll_writes(10, Heard::All, &mut writes);
            assert_eq!((writes.len(), fib.counters().installed, fib.view.links().count()), left, "{end:?}");
        }
    }

    /// There is no other dump when the program ends.
    #[test]
    fn what_waits_for_a_dump_is_written_at_the_end() {
        let now = Timestamp::from_secs(1);
        let mut fib = FibSync::new(Settings::default());
        dump(&mut fib, now, None, DumpEnd::Complete);
        fib.handle_kernel(now, KernelEvent::Overrun);
        assert_eq!((moved(&mut fib, now, 3), fib.counters().pending), (vec![], 1));
        fib.hurry(now);
        let mut writes = Vec::new();
        fib.poll_writes(10, Heard::Some, &mut writes);
        let kinds = writes.iter().map(|write| match write {
            Write::Route(kind, _) | Write::Object(kind, _) => *kind,
        });
        assert_eq!(kinds.collect::<Vec<_>>(), [WriteKind::Delete, WriteKind::Create]);
        fib.handle_results(now, &[]);
        assert_eq!(fib.counters().pending, 0);
    }

    /// Nor is there another time for a destination that changes too fast.
    #[test]
    fn what_flaps_is_written_at_the_end() {
        let now = Timestamp::from_secs(1);
        let mut fib = FibSync::new(Settings::default());
        dump(&mut fib, now, None, DumpEnd::Complete);
        for last in [3, 4, 5, 6] {
            assert_eq!(moved(&mut fib, now, last), [WriteKind::Replace]);
        }
        assert_eq!((moved(&mut fib, now, 7), fib.counters().pending), (vec![], 1));
        fib.hurry(now);
        let mut writes = Vec::new();
        fib.poll_writes(10, Heard::All, &mut writes);
        assert!(matches!(writes.as_slice(), [Write::Route(WriteKind::Replace, _)]), "{writes:?}");
        fib.handle_results(now, &[]);
        assert_eq!(fib.counters().pending, 0);
        assert_eq!((fib.counters().pending, fib.wants_dump(Timestamp::from_secs(2))), (0, false));
    }
}
