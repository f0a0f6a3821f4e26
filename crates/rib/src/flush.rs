//! Flush: the decision process for a batch of changed destinations, and what groups have to say about it (B.6).

use hashbrown::HashMap;

use crate::dirty::{Announced, Before};
use crate::family::{FamilyRib, Gate, Shared};
use crate::journal::{Audience, lock};
use crate::legs::LegChange;
use crate::member::Member;
use crate::rib::Output;
use crate::route::{PeerId, SourceId};
use crate::table::Addr;
use crate::update_group::{Change, Context, Exported};

/// The most destinations of a flush.
pub(crate) const FLUSH_SLOTS: usize = 4096;
/// A flush ends when its adverts may take about so many octets: a quarter of a journal's bound.
const FLUSH_BYTES: usize = 512 * 1024;
/// Batches are numbered anew above this (B.1).
pub(crate) const LAST_GENERATION: u32 = u32::MAX - 2;

impl<A: Addr> FamilyRib<A> {
    /// Whether at least half of the attached members keep up.
    pub(crate) fn half_keeps_up(&self, keeping_up: u64) -> bool {
        let (mut all, mut low) = (0_u32, 0_u32);
        for group in self.groups.iter().flatten() {
            if group.calm {
                let members = u32::try_from(group.members.len()).unwrap_or(u32::MAX);
                (all, low) = (all + members, low + members);
                continue;
            }
            let head = lock(&group.journal).head();
            for m in group.members.iter().filter_map(|&m| self.member(m)).filter(|m| m.attached) {
                all += 1;
                low += u32::from(head.saturating_sub(m.link.position()) <= keeping_up);
            }
        }
        low * 2 >= all
    }

    /// Flushes urgent destinations, or else the next ones in turn; says how many. Those in turn that have waited long enough
    /// have half of the room, however many are urgent.
    pub(crate) fn flush_some(&mut self, shared: &mut Shared, max: usize) -> usize {
        let max = max.min(FLUSH_SLOTS);
        let in_turn = self.gate != Gate::Closed && self.has_waited(shared);
        let urgent_max = if in_turn { max / 2 } else { max };
        let mut slots = Vec::new();
        while slots.len() < urgent_max
            && let Some(slot) = self.dirty.pop_urgent()
        {
            // What the gate holds back stays dirty, and has its turn when it opens.
            if self.may_pass(slot) {
                slots.push(slot);
            }
        }
        let urgent = slots.len();
        if in_turn || (urgent == 0 && self.gate != Gate::Closed) {
            self.dirty.next(max, &mut slots);
        }
        let done = self.flush(shared, &slots);
        self.dirty.hurry_back(slots.get(done..urgent).unwrap_or_default());
        if done > urgent {
            self.dirty.restart_clock(shared.now);
        }
        done
    }

    /// Whether destinations wait for longer than slow readers may cost.
    pub(crate) fn has_waited(&self, shared: &Shared) -> bool {
        self.dirty.since().is_some_and(|since| shared.now.since(since) >= shared.limits.patience)
    }

    /// Opens the gate when all that was held back is decided, whoever decided it.
    pub(crate) fn end_opening(&mut self) {
        if self.gate == Gate::Opening && self.dirty.len() == 0 {
            self.gate = Gate::Open;
            self.look_at_members = true;
        }
    }

    /// Whether the gate lets a destination through: RFC 4724 §4.1 defers the selection of learned routes, not our own.
    fn may_pass(&self, slot: u32) -> bool {
        self.gate != Gate::Closed || self.table.each_path(slot).any(|p| p.source == SourceId::LOCAL)
    }

    /// Flushes the dirty ones among `[from, to)` that the gate lets through. Those with paths of dead sources are dirty:
    /// nobody is told of them any more.
    pub(crate) fn flush_range(&mut self, shared: &mut Shared, from: u32, to: u32) {
        if self.sources.dying() > 0 {
            for slot in from..to.min(self.table.slots()) {
                self.bury(shared, slot);
            }
        }
        let mut slots = Vec::new();
        self.dirty.within(from, to.min(self.table.slots()), &mut slots);
        slots.retain(|&s| self.may_pass(s));
        // One batch as a rule; more where the attributes are large.
        let mut rest = slots.as_slice();
        while !rest.is_empty() {
            let done = self.flush(shared, rest);
            rest = rest.get(done..).unwrap_or_default();
        }
    }

    /// Flushes `slots` from the first on, until what they may take is much; says how many.
    fn flush(&mut self, shared: &mut Shared, slots: &[u32]) -> usize {
        if slots.is_empty() {
            return 0;
        }
        if self.generation >= LAST_GENERATION {
            self.renumber();
        }
        self.generation += 1;
        let mut flushed: Vec<Announced> = Vec::with_capacity(slots.len());
        let (mut done, mut bytes) = (0, 0);
        for &slot in slots {
            if bytes > FLUSH_BYTES {
                break;
            }
            done += 1;
            self.bury(shared, slot);
            if let Some(before) = self.dirty.clear(slot) {
                bytes += self.decide(shared, slot, &before);
                flushed.extend(before.best.iter().chain(&before.all));
            }
        }
        // Long runs, and one export for each.
        let key = |c: &Change| c.new.map(|n| (n.source, n.attr));
        self.changes.sort_by_key(key);
        self.id_changes.sort_by_key(key);
        self.encode_changes(shared);
        self.changes.clear();
        self.id_changes.clear();
        self.leg_changes.clear();
        for announced in flushed {
            self.forget(shared, announced);
        }
        self.check_bounds(shared);
        done
    }

    /// Selects for one destination and notes what changed; says about how many octets an advert of it takes.
    fn decide(&mut self, shared: &mut Shared, slot: u32, before: &Before) -> usize {
        let new = self.select(shared, slot);
        let changed_best = !self.same(before.best.as_ref(), new.as_ref());
        let mut changed = changed_best;
        let mut bytes = new.map_or(0, |n| usize::from(shared.attrs.meta(n.attr).len));
        if changed_best {
            self.count_best(before.best.as_ref(), new.as_ref());
            self.changes.push(Change { slot, tx: 0, old: before.best, old_rank: 0, new, new_rank: 0 });
        }
        if self.tracks_all {
            let all = self.announced_all(shared, slot);
            let ids = self.id_changes.len();
            self.compare_ids(slot, &before.all, &all);
            changed |= self.id_changes.len() > ids;
            bytes = all.iter().map(|n| usize::from(shared.attrs.meta(n.attr).len)).sum();
        }
        if self.legs.is_on() {
            let (legs, others) = self.decide_legs(shared, slot);
            changed |= others;
            bytes += legs.iter().map(|n| usize::from(shared.attrs.meta(n.attr).len)).sum::<usize>();
            if changed_best || others {
                let new = new.into_iter().chain(legs).collect();
                self.leg_changes.push(LegChange { slot, had: before.best.is_some(), new });
            }
        }
        if changed {
            self.table.set_generation(slot, self.generation);
        }
        let d = self.table.dest_mut(slot);
        if !d.has_paths() && !d.is_listed() && self.default_slot != Some(slot) {
            d.set_listed();
            self.tombstones.push_back(slot);
        }
        bytes
    }

    fn count_best(&mut self, old: Option<&Announced>, new: Option<&Announced>) {
        if let Some(old) = old {
            let peer = self.sources.peer(old.source);
            self.peer_mut(peer).into_iter().for_each(|p| p.best = p.best.saturating_sub(1));
            self.best -= 1;
        }
        if let Some(new) = new {
            let peer = self.sources.peer(new.source);
            self.peer_mut(peer).into_iter().for_each(|p| p.best += 1);
            self.best += 1;
        }
    }

    /// Notes each Path Identifier whose path or rank changed.
    fn compare_ids(&mut self, slot: u32, old: &[Announced], new: &[Announced]) {
        let rank = |i: usize| u16::try_from(i).unwrap_or(u16::MAX);
        let mut by_id: HashMap<u16, Change> = HashMap::new();
        for (i, &a) in old.iter().enumerate() {
            let none = Change { slot, tx: a.tx, old: None, old_rank: 0, new: None, new_rank: 0 };
            let c = by_id.entry(a.tx).or_insert(none);
            (c.old, c.old_rank) = (Some(a), rank(i));
        }
        for (i, &a) in new.iter().enumerate() {
            let none = Change { slot, tx: a.tx, old: None, old_rank: 0, new: None, new_rank: 0 };
            let c = by_id.entry(a.tx).or_insert(none);
            (c.new, c.new_rank) = (Some(a), rank(i));
        }
        let depth = self.rank_depth;
        let mut changed: Vec<Change> = by_id.into_values().collect();
        changed.retain(|c| {
            let ranks = c.old_rank.min(depth) != c.new_rank.min(depth);
            !self.same(c.old.as_ref(), c.new.as_ref()) || (ranks && c.new.is_some())
        });
        changed.sort_by_key(|c| c.tx);
        self.id_changes.extend(changed);
    }

    fn encode_changes(&mut self, shared: &mut Shared) {
        for g in 0..self.groups.len() {
            let Some(group) = &self.groups[g] else { continue };
            let needed = |m: &Member| m.attached || m.limit.is_some();
            let needed = group.members.iter().any(|&m| self.member(m).is_some_and(needed));
            let Some(mut group) = self.groups[g].take() else { continue };
            if !needed {
                // Nobody would read it; it is counted anew when somebody does.
                group.exported = Exported::default();
                self.groups[g] = Some(group);
                continue;
            }
            let me = u32::try_from(g).unwrap_or(u32::MAX);
            std::mem::swap(&mut group.draft, &mut self.draft);
            let cx = Context {
                table: &self.table,
                sources: &self.sources,
                attrs: &shared.attrs,
                group_of: &self.group_of,
                default_slot: self.default_slot,
            };
            if group.reads_legs() {
                self.leg_changes.iter().for_each(|c| group.change_legs(&cx, c));
            } else {
                let changes = if group.paths().is_some() { &self.id_changes } else { &self.changes };
                changes.iter().for_each(|c| group.change(&cx, me, c));
            }
            group.encode(&cx, Audience::Except);
            std::mem::swap(&mut group.draft, &mut self.draft);
            self.groups[g] = Some(group);
            self.append(shared, me);
        }
        self.check_out_limits(shared);
    }

    /// Appends what a group encoded to its journal and wakes writers; what nobody would read is dropped.
    pub(crate) fn append(&mut self, shared: &mut Shared, group: u32) {
        let Some(Some(g)) = self.groups.get_mut(group as usize) else { return };
        let segments = g.take_segments();
        if segments.is_empty() {
            return;
        }
        g.calm = false;
        let members = &self.members;
        let attached = || {
            let all = g.members.iter().filter_map(|&m| members.get(m as usize)?.as_ref());
            all.filter(|m| m.attached).map(|m| &m.link)
        };
        if attached().next().is_none() {
            return;
        }
        let mut wake: Vec<PeerId> = Vec::new();
        let mut journal = lock(&g.journal);
        for (data, runs) in segments {
            journal.append(self.generation, data, runs, attached(), &mut wake);
        }
        drop(journal);
        shared.outputs.extend(wake.into_iter().map(|peer| Output::WakeWriter { peer, family: A::FAMILY }));
    }

    /// The number of batches begins anew (B.1): everything keeps its order toward what members owe themselves.
    pub(crate) fn renumber(&mut self) {
        let floor = self.floor();
        self.table.renumber(floor);
        for group in self.groups.iter().flatten() {
            lock(&group.journal).renumber();
        }
        for member in self.members.iter_mut().flatten() {
            member.debt.renumber();
            member.moved = None;
        }
        self.generation = 3;
    }
}
