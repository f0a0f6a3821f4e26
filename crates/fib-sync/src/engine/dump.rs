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
        match end {
            DumpEnd::Interrupted => {
                self.dumps.wanted = true;
                return;
            }
            DumpEnd::Complete => self.dumps.plan_audit(now),
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
        let unsure = std::mem::take(&mut self.unsure);
        let unsure = unsure.into_iter().chain(self.conflicts.keys().copied()).chain(self.refused.prefixes());
        let unsure: Vec<Slot> = unsure.filter_map(|prefix| self.table.find(prefix)).collect();
        for slot in unsure {
            self.mark(slot);
        }
        if !self.dumps.complete {
            self.dumps.complete = true;
            self.start_stale_time();
            self.settle();
            self.outputs.push_back(Output::Ready);
        }
    }
}
