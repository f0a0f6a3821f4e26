//! The whole of it, driven by calls and free of I/O: inputs are handed in, writes, outputs and timers are polled.
//!
//! 1. [`FibSync::begin_dump`], the events of a dump, [`FibSync::end_dump`]: until the first whole dump nothing is written.
//! 2. [`FibSync::handle_best_paths`], [`FibSync::handle_usage`], [`FibSync::handle_kernel`], [`FibSync::handle_timeout`]
//!    in any order.
//! 3. After each round: [`FibSync::poll_writes`] and [`FibSync::handle_results`] until nothing is to be written,
//!    [`FibSync::poll_output`] until it is empty, [`FibSync::wants_dump`], [`FibSync::poll_timeout`].

mod dump;
mod flaps;
mod inputs;
mod kernel;
mod objects;
mod show;
mod timers;
mod workloads;
mod writes;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};
use heddle_bgp_core::{Prefix, Timestamp};

use crate::counters::Counters;
use crate::input::{Best, NextHop, Output};
use crate::kernel_view::KernelView;
use crate::local::LocalRoutes;
use crate::plan::{Stale, Wanted};
use crate::resolver::Resolver;
use crate::route::{IfIndex, Target};
use crate::settings::Settings;
use crate::table::{GroupId, GroupState, Slot, Table};
pub use dump::DumpEnd;
use dump::Dumps;
use objects::Objects;
pub use writes::{Heard, Refusal, Write, WriteKind};

/// Fewer targets than this are not searched for unused ones.
const TARGETS: usize = 1024;

/// The forwarding table: what is wanted, what the kernel has, and what is to be done about it.
#[derive(Debug)]
pub struct FibSync {
    settings: Settings,
    now: Timestamp,
    view: KernelView,
    table: Table,
    resolver: Resolver,
    local: LocalRoutes,
    objects: Objects,
    /// Own blocks, which get a blackhole route each.
    blackholes: BTreeSet<Prefix>,
    /// Best paths of destinations that have a blackhole or a static route.
    parked: HashMap<Prefix, Best>,
    /// Groups by the next hops that they use.
    hop_groups: BTreeSet<(NextHop, GroupId)>,
    dirty_groups: BTreeSet<GroupId>,
    /// When groups that cannot be resolved lose their routes.
    held_until: BTreeSet<(Timestamp, GroupId)>,
    /// When destinations go that were withdrawn while their group was held.
    withdrawn_until: BTreeSet<(Timestamp, Prefix)>,
    targets: HashSet<Arc<Target>>,
    /// At how many targets those that nobody uses are looked for.
    targets_bound: usize,
    /// Interfaces that routes of ours in the kernel have used.
    interfaces: HashSet<IfIndex>,
    dirty: VecDeque<Slot>,
    deletions: VecDeque<Slot>,
    in_flight: Vec<writes::InFlight>,
    refused: writes::Refused,
    conflicts: BTreeMap<Prefix, u8>,
    /// Destinations of which it is not known what became of the last write, or whose the route is: the next dump tells.
    unsure: BTreeSet<Prefix>,
    /// Destinations that change too fast.
    flaps: flaps::Flaps,
    /// Something waits to be replaced until all reports are read.
    to_hear: bool,
    dumps: Dumps,
    stale: Stale,
    stale_until: Option<Timestamp>,
    swept_told: bool,
    written: timers::Written,
    /// Routes of the run before that were taken away.
    swept: u64,
    unsettled: bool,
    outputs: VecDeque<Output>,
    counters: Counters,
}

impl FibSync {
    /// An empty table.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        let mut fib = Self {
            objects: Objects::new(settings.nexthop_objects),
            settings,
            now: Timestamp::ZERO,
            view: KernelView::default(),
            table: Table::default(),
            resolver: Resolver::default(),
            local: LocalRoutes::default(),
            blackholes: BTreeSet::new(),
            parked: HashMap::new(),
            hop_groups: BTreeSet::new(),
            dirty_groups: BTreeSet::new(),
            held_until: BTreeSet::new(),
            withdrawn_until: BTreeSet::new(),
            targets: HashSet::new(),
            targets_bound: TARGETS,
            interfaces: HashSet::new(),
            dirty: VecDeque::new(),
            deletions: VecDeque::new(),
            in_flight: Vec::new(),
            refused: writes::Refused::default(),
            conflicts: BTreeMap::new(),
            unsure: BTreeSet::new(),
            flaps: flaps::Flaps::default(),
            to_hear: false,
            dumps: Dumps::default(),
            stale: Stale::Kept,
            stale_until: None,
            swept_told: false,
            written: timers::Written::Unasked,
            swept: 0,
            unsettled: false,
            outputs: VecDeque::new(),
            counters: Counters::default(),
        };
        fib.apply_statics();
        fib
    }

    /// The settings in force.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// The next thing that whoever drives the table has to hear.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.settle();
        self.outputs.pop_front()
    }

    /// What was counted, and how much there is.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let groups = || self.table.group_ids().into_iter().filter_map(|id| self.table.group(id));
        let members = |f: fn(&GroupState) -> bool| groups().filter(|g| f(&g.state)).map(|g| u64::from(g.members)).sum();
        Counters {
            held: members(|state| matches!(state, GroupState::Held { .. })),
            unresolved: members(|state| matches!(state, GroupState::Unresolved { .. })),
            rejected: members(|state| matches!(state, GroupState::Rejected)),
            conflicts: count(self.conflicts.len()),
            refused: count(self.refused.len()),
            pending: count(
                self.dirty.len()
                    + self.deletions.len()
                    + self.in_flight.len()
                    + self.unsure.len()
                    + self.flaps.len()
                    + self.objects.waiting(),
            ),
            local_routes: count(self.local.len()),
            objects: count(self.objects.len()),
            ..self.counters
        }
    }

    fn advance(&mut self, now: Timestamp) {
        self.now = self.now.max(now);
        self.unsettled = true;
    }

    fn mark(&mut self, slot: Slot) {
        let entry = self.table.entry_mut(slot);
        if !entry.dirty {
            entry.dirty = true;
            self.dirty.push_back(slot);
        }
    }

    fn mark_group(&mut self, group: GroupId) {
        let Self { table, dirty, .. } = self;
        let members: Vec<Slot> = table.members(group).collect();
        for slot in members {
            let entry = table.entry_mut(slot);
            if !entry.dirty {
                entry.dirty = true;
                dirty.push_back(slot);
            }
        }
    }

    /// What a destination is wanted to be.
    fn wanted(&self, slot: Slot) -> Wanted {
        let Some(group) = self.table.entry(slot).group().and_then(|group| self.table.group(group)) else {
            return Wanted::Nothing;
        };
        match &group.state {
            GroupState::Good(target) => {
                let target = Arc::clone(group.object.as_ref().unwrap_or(target));
                if !self.objects.is_ready(&target) {
                    return Wanted::Kept;
                }
                Wanted::Route { metric: group.key.metric, protocol: self.protocol_of(group.exit), target }
            }
            GroupState::Held { .. } => Wanted::Kept,
            GroupState::Unresolved { .. } | GroupState::Rejected => Wanted::Nothing,
        }
    }

    /// The one shared value of equal targets.
    fn intern(&mut self, target: Target) -> Arc<Target> {
        if let Some(known) = self.targets.get(&target) {
            return Arc::clone(known);
        }
        if self.targets.len() >= self.targets_bound {
            self.targets.retain(|target| Arc::strong_count(target) > 1);
            self.targets_bound = self.targets.len().saturating_mul(2).max(TARGETS);
        }
        let target = Arc::new(target);
        self.targets.insert(Arc::clone(&target));
        target
    }
}

pub(crate) fn count(number: usize) -> u64 {
    u64::try_from(number).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
