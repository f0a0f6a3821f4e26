//! Walks: what members owe themselves is written into the journal, a range of slots at a time (B.6).

use std::time::Duration;

use heddle_bgp_core::Timestamp;
use smallvec::SmallVec;

use crate::counters::Tallies;
use crate::debt::NONE;
use crate::dirty::Announced;
use crate::family::{FamilyRib, Shared};
use crate::journal::{Audience, SetId, lock};
use crate::regroup::Had;
use crate::route::PeerId;
use crate::table::{Addr, BLOCK};
use crate::update_group::{Context, Group, Step};

/// Steps of a group that are written and not passed by all.
const MAX_STEPS: usize = 64;

/// Places that are looked at for a step that need not wait.
const MAX_TRIES: usize = 4;
/// How long a step for members that fell behind waits for room.
const STEP_PATIENCE: Duration = Duration::from_secs(10);

/// For whom a step is, and what they owe there at least.
struct Walkers {
    members: SmallVec<[u32; 8]>,
    peers: Vec<PeerId>,
    adv: u32,
    wd: u32,
    /// Whether they are all the attached members of the group.
    all: bool,
}

/// What a step knows of its walkers, and counts.
struct Notes {
    /// What they had before they changed their group, if they all did.
    had: Option<Had>,
    told: Tallies,
}

impl<A: Addr> FamilyRib<A> {
    /// One step for a group; says whether it did anything.
    pub(crate) fn walk(&mut self, shared: &mut Shared, group: u32) -> bool {
        let Some(from) = self.next_walk(shared, group) else { return false };
        let to = self.range_end(group, from, shared.limits.step_slots);
        if self.is_deciding() && self.group(group).is_some_and(Group::reads_legs) {
            self.decide_range(shared, from, to);
        }
        self.flush_range(shared, from, to);
        let Some(walkers) = self.walkers(group, from) else { return true };
        let Some(Some(mut g)) = self.groups.get_mut(group as usize).map(Option::take) else { return false };
        std::mem::swap(&mut g.draft, &mut self.draft);
        let (set, first, before) = {
            let mut journal = lock(&g.journal);
            let set = if walkers.all { None } else { Some(journal.set(&walkers.peers)) };
            (set, journal.head(), journal.bytes())
        };
        let slots_end = to.min(self.table.slots());
        let mut slot = from;
        let mut bytes = 0;
        let moved = walkers.members.iter().map(|&m| self.member(m).and_then(|m| m.moved.as_deref()));
        let mut notes = Notes { had: Had::by(A::FAMILY, moved), told: Tallies::default() };
        while slot < slots_end && bytes < shared.limits.step_bytes {
            if (slot as usize).is_multiple_of(BLOCK) && self.table.block_generation(slot) <= walkers.adv.min(walkers.wd)
            {
                slot = slot.saturating_add(u32::try_from(BLOCK).unwrap_or(0)).min(slots_end);
                continue;
            }
            bytes += self.walk_slot(shared, &mut g, slot, &walkers, set, &mut notes);
            slot += 1;
        }
        let cx = Context {
            table: &self.table,
            sources: &self.sources,
            attrs: &shared.attrs,
            group_of: &self.group_of,
            default_slot: self.default_slot,
        };
        g.encode(&cx, |source| match set {
            Some(set) => Audience::SetExcept(set, source),
            None => Audience::Except(source),
        });
        std::mem::swap(&mut g.draft, &mut self.draft);
        let to = if slot < slots_end { slot } else { to };
        g.rotor = if to == u32::MAX { 0 } else { to };
        self.groups[group as usize] = Some(g);
        self.append(shared, group);
        for &member in &walkers.members {
            if let Some(m) = self.members.get_mut(member as usize).and_then(Option::as_mut) {
                m.told = m.told.plus(notes.told.of(m.peer));
            }
        }
        self.note_size(group, before);
        self.note_step(group, Step { first, last: 0, from, to, members: walkers.members });
        self.check_bounds(shared);
        true
    }

    fn note_size(&mut self, group: u32, before: usize) {
        let Some(Some(g)) = self.groups.get_mut(group as usize) else { return };
        let size = lock(&g.journal).bytes().saturating_sub(before);
        g.largest_step = g.largest_step.max(size);
    }

    fn note_step(&mut self, group: u32, mut step: Step) {
        let Some(Some(g)) = self.groups.get_mut(group as usize) else { return };
        step.last = lock(&g.journal).head();
        // Steps in which nothing was to be said are one.
        if let Some(last) = g.steps.back_mut()
            && last.to == step.from
            && last.members == step.members
            && step.first == step.last
            && last.last == step.last
        {
            last.to = step.to;
        } else {
            g.steps.push_back(step);
        }
        self.look_at_members = true;
    }

    /// Writes what one destination's state asks for; says about how many octets it takes.
    fn walk_slot(
        &self,
        shared: &Shared,
        g: &mut Group,
        slot: u32,
        walkers: &Walkers,
        set: Option<SetId>,
        notes: &mut Notes,
    ) -> usize {
        let d = self.table.dest(slot);
        if !d.is_used() || (d.generation <= walkers.adv && d.generation <= walkers.wd) {
            return 0;
        }
        let generation = d.generation;
        let cx = Context {
            table: &self.table,
            sources: &self.sources,
            attrs: &shared.attrs,
            group_of: &self.group_of,
            default_slot: self.default_slot,
        };
        let Notes { had, told } = notes;
        let mut had = had.as_mut().filter(|h| h.knows(slot, generation));
        let mut bytes = 0;
        let mut one = |g: &mut Group, tx: u16, path: Option<Announced>| {
            bytes += 24;
            let said = g.say(&cx, slot, tx, path);
            let repeats = had.as_mut().is_some_and(|h| h.is_same(&cx, (slot, tx, path), g, said));
            let source = said.map(|s| s.peer).or_else(|| path.map(|p| cx.sources.peer(p.source)));
            if let Some(source) = source.filter(|_| generation > walkers.adv) {
                told.count(source, |t| match said {
                    None => t.filtered += 1,
                    Some(_) if repeats => t.ignored += 1,
                    Some(_) => t.accepted += 1,
                });
            }
            if repeats {
                return;
            }
            match said {
                Some(said) => {
                    if generation > walkers.adv {
                        bytes += g.block(said).len();
                        g.advertise(said, slot, tx);
                    }
                    if generation > walkers.wd && walkers.peers.binary_search(&said.peer).is_ok() {
                        told.count_only(said.peer, |t| t.withdrawn += 1);
                        g.withdraw(Audience::Only(said.peer), slot, tx);
                    }
                }
                None if generation > walkers.wd => {
                    told.count_all(|t| t.withdrawn += 1);
                    g.withdraw(set.map_or(Audience::All, Audience::Set), slot, tx);
                }
                None => {}
            }
        };
        if g.reads_legs() {
            match g.say_paths(&cx, &self.announced_legs(slot)) {
                Some(said) if generation > walkers.adv => {
                    bytes += 24 + g.block(said).len();
                    g.advertise(said, slot, 0);
                }
                None if generation > walkers.wd => {
                    bytes += 24;
                    g.withdraw(set.map_or(Audience::All, Audience::Set), slot, 0);
                }
                Some(_) | None => {}
            }
            return bytes;
        }
        match g.paths() {
            None => one(g, 0, self.announced(slot)),
            Some(max) => {
                let all = self.announced_all(shared, slot);
                let sent = all.get(..usize::from(max)).unwrap_or(&all);
                for tx in 0..self.table.id_high(slot) {
                    one(g, tx, sent.iter().find(|a| a.tx == tx).copied());
                }
            }
        }
        bytes
    }

    /// Ranges that a member owes itself and for which no step is under way.
    fn unpaid(&self, group: &Group, member: u32) -> SmallVec<[(u32, u32); 4]> {
        let mut out = SmallVec::new();
        let Some(m) = self.member(member).filter(|m| m.attached) else { return out };
        for (from, to, ..) in m.debt.owed() {
            let mut rest: SmallVec<[(u32, u32); 4]> = SmallVec::from_slice(&[(from, to)]);
            for s in group.steps.iter().filter(|s| s.first >= m.owed_at && s.members.contains(&member)) {
                let mut next = SmallVec::new();
                for (a, b) in rest {
                    if a < s.from.min(b) {
                        next.push((a, s.from.min(b)));
                    }
                    if s.to.max(a) < b {
                        next.push((s.to.max(a), b));
                    }
                }
                rest = next;
            }
            out.extend(rest);
        }
        out
    }

    /// The first slot after the rotor, circular, that an attached member owes itself.
    fn next_owed(&self, group: u32) -> Option<u32> {
        let g = self.group(group).filter(|g| !g.calm)?;
        if g.steps.len() >= MAX_STEPS {
            return None;
        }
        let mut best: Option<u32> = None;
        let distance = |slot: u32| slot.wrapping_sub(g.rotor);
        for &m in &g.members {
            for (from, to) in self.unpaid(g, m) {
                let slot = if from <= g.rotor && g.rotor < to { g.rotor } else { from };
                if best.is_none_or(|b| distance(slot) < distance(b)) {
                    best = Some(slot);
                }
            }
        }
        best
    }

    /// Where the range from `from` ends: after a step, or where the set of members that owe it changes.
    fn range_end(&self, group: u32, from: u32, slots: u32) -> u32 {
        let Some(g) = self.group(group) else { return from };
        let mut to = from.saturating_add(slots);
        // What lies beyond the last slot is nothing: later destinations come by the journal.
        if to >= self.table.slots() {
            to = u32::MAX;
        }
        for &m in &g.members {
            for (a, b) in self.unpaid(g, m) {
                for end in [a, b] {
                    if end > from {
                        to = to.min(end);
                    }
                }
            }
        }
        to
    }

    fn walkers(&self, group: u32, from: u32) -> Option<Walkers> {
        let g = self.group(group)?;
        let mut w = Walkers { members: SmallVec::new(), peers: Vec::new(), adv: NONE, wd: NONE, all: true };
        for &m in &g.members {
            let Some(member) = self.member(m).filter(|m| m.attached) else { continue };
            if !self.unpaid(g, m).iter().any(|&(a, b)| a <= from && from < b) {
                w.all = false;
                continue;
            }
            let (adv, wd) = member.debt.at(from);
            w.adv = w.adv.min(adv);
            w.wd = w.wd.min(wd);
            w.members.push(m);
            w.peers.push(member.peer);
        }
        w.peers.sort_unstable();
        (!w.members.is_empty()).then_some(w)
    }

    fn keep_up(&self, group: u32, w: &Walkers, keeping_up: u64) -> bool {
        let Some(g) = self.group(group) else { return false };
        let head = lock(&g.journal).head();
        let members = w.members.iter().filter_map(|&m| self.member(m));
        let low = members.filter(|m| head.saturating_sub(m.link.position()) <= keeping_up).count();
        low * 2 >= w.members.len()
    }

    /// Where the next step begins; none where there is nothing to do, or its time has not come.
    fn next_walk(&mut self, shared: &Shared, group: u32) -> Option<u32> {
        let mut waits = false;
        for _ in 0..MAX_TRIES {
            let Some(from) = self.next_owed(group) else { break };
            let Some(walkers) = self.walkers(group, from).filter(|w| self.keep_up(group, w, shared.limits.low)) else {
                break;
            };
            if !self.waits_for_room(shared, group, &walkers) {
                self.wait_for_room(group, None);
                return Some(from);
            }
            // Others may be owed something elsewhere, and need not wait.
            waits = true;
            let to = self.range_end(group, from, u32::MAX);
            if let Some(Some(g)) = self.groups.get_mut(group as usize) {
                g.rotor = if to == u32::MAX { 0 } else { to };
            }
        }
        let since = self.group(group).and_then(|g| g.waits).unwrap_or(shared.now);
        self.wait_for_room(group, waits.then_some(since));
        None
    }

    /// Whether a step has to wait because it is for members alone that fell behind, and has no room: others of these would be
    /// detached for it in the middle of their steps, owe themselves all of them again, have others detached for that, and so on
    /// for ever. Who keeps up waits for nobody, and nobody waits for long for one who reads next to nothing.
    fn waits_for_room(&mut self, shared: &Shared, group: u32, w: &Walkers) -> bool {
        let behind = w.members.iter().all(|&m| self.member(m).is_some_and(|m| m.fell_behind));
        let waits = behind && !self.has_room(shared, group);
        let since = self.group(group).and_then(|g| g.waits).unwrap_or(shared.now);
        waits && shared.now.since(since) < STEP_PATIENCE
    }

    fn wait_for_room(&mut self, group: u32, since: Option<Timestamp>) {
        if let Some(Some(g)) = self.groups.get_mut(group as usize) {
            g.waits = since;
        }
    }

    /// When a step is written whether or not it has room.
    pub(crate) fn step_deadline(&self) -> Option<Timestamp> {
        self.groups.iter().flatten().filter_map(|g| g.waits).min().map(|since| since + STEP_PATIENCE)
    }
}
