//! Members of update groups: where each stands in its journal, what it owes itself, and how it joins, falls behind,
//! comes back, is refreshed and changes its group (B.4, B.6).

use std::sync::Arc;

use heddle_bgp_core::Family;

use crate::counters::Tally;
use crate::debt::{Debt, NONE};
use crate::family::{FamilyRib, Gate, Shared};
use crate::journal::{JournalReader, MemberLink, lock};
use crate::regroup::Moved;
use crate::rib::{Output, ResetReason};
use crate::route::PeerId;
use crate::session::{PrefixLimit, RefreshMode};
use crate::table::Addr;
use crate::update_group::{Group, GroupKind};

/// What follows when a member owes itself nothing any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    None,
    /// End-of-RIB (RFC 4724 §2).
    Initial,
    /// The end of a refresh: EoRR where both sides know it (RFC 7313 §4).
    Refresh,
}

/// A peer and family that is sent to.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) peer: PeerId,
    pub(crate) group: u32,
    pub(crate) link: MemberLink,
    pub(crate) attached: bool,
    /// Steps that begin before this position pay no debt.
    pub(crate) owed_at: u64,
    pub(crate) debt: Debt,
    /// It was detached because it read too slowly, and owes itself something since.
    pub(crate) fell_behind: bool,
    pub(crate) end: End,
    /// Position after the end marker, once it is appended.
    end_at: Option<u64>,
    /// End-of-RIB was passed.
    pub(crate) complete: bool,
    /// Position after a BoRR that is not known to be passed.
    begin_at: Option<u64>,
    refresh_again: bool,
    refresh: RefreshMode,
    pub(crate) limit: Option<PrefixLimit>,
    pub(crate) limit_exceeded: bool,
    pub(crate) limit_warned: bool,
    /// What it was told; while it is attached, less what its group has told: so that a flush counts once for all members.
    pub(crate) told: Tally,
    /// What it had when it changed its group, while not all of that is settled.
    pub(crate) moved: Option<Box<Moved>>,
}

impl Member {
    /// What it was told in all; `group` is its group.
    pub(crate) fn sent(&self, group: Option<&Group>) -> Tally {
        let of_group = group.filter(|_| self.attached).map(|g| g.told.of(self.peer));
        self.told.plus(of_group.unwrap_or_default())
    }

    /// Whether nothing follows any more.
    pub(crate) fn is_settled(&self) -> bool {
        self.end == End::None && self.end_at.is_none() && !self.refresh_again
    }

    /// Whether there is nothing to do when it passes something.
    fn is_quiet(&self) -> bool {
        self.attached && self.is_settled() && self.begin_at.is_none() && self.debt.is_none() && self.moved.is_none()
    }
}

/// ROUTE-REFRESH with a subtype (RFC 7313 §3.2): 1 BoRR, 2 EoRR.
fn route_refresh(family: Family, subtype: u8) -> [u8; 23] {
    let mut m = [0xff; 23];
    let [a0, a1] = family.afi.0.to_be_bytes();
    m[16..].copy_from_slice(&[0, 23, 5, a0, a1, subtype, family.safi.0]);
    m
}

impl<A: Addr> FamilyRib<A> {
    pub(crate) fn member(&self, member: u32) -> Option<&Member> {
        self.members.get(member as usize)?.as_ref()
    }
    pub(crate) fn member_mut(&mut self, member: u32) -> Option<&mut Member> {
        self.members.get_mut(member as usize)?.as_mut()
    }
    pub(crate) fn group(&self, group: u32) -> Option<&Group> {
        self.groups.get(group as usize)?.as_ref()
    }

    /// The group of a kind, a new one if there is none.
    pub(crate) fn group_for(&mut self, shared: &mut Shared, kind: GroupKind) -> u32 {
        let known = self.groups.iter().position(|g| g.as_ref().is_some_and(|g| g.kind == kind));
        let at = known.unwrap_or_else(|| {
            let group = Group::new(kind, A::FAMILY);
            if let Some(n) = group.paths() {
                self.track_all(n);
            }
            if group.reads_legs() {
                self.track_legs();
            }
            let at = self.groups.iter().position(Option::is_none).unwrap_or(self.groups.len());
            if at == self.groups.len() {
                self.groups.push(None);
            }
            self.groups[at] = Some(group);
            at
        });
        let id = u32::try_from(at).unwrap_or(u32::MAX);
        self.pin_default(shared, id);
        id
    }

    fn track_all(&mut self, paths: u16) {
        self.tracks_all = true;
        if paths < u16::MAX {
            self.rank_depth = self.rank_depth.max(paths);
        }
    }

    /// The destination of the default route exists as long as the family once a group originates it.
    fn pin_default(&mut self, _shared: &mut Shared, group: u32) {
        let originates = self.group(group).is_some_and(Group::originates_default);
        if originates && self.default_slot.is_none() {
            let slot = self.table.slot(A::ZERO, 0);
            if self.table.dest(slot).generation == 0 {
                self.table.set_generation(slot, self.generation);
            }
            self.default_slot = Some(slot);
        }
    }

    /// A peer begins to be sent to: it owes itself all that is there (B.6, join).
    pub(crate) fn join(
        &mut self,
        shared: &mut Shared,
        peer: PeerId,
        kind: GroupKind,
        refresh: RefreshMode,
        limit: Option<PrefixLimit>,
    ) -> (u32, JournalReader) {
        let group = self.group_for(shared, kind);
        let slots = self.table.slots();
        let g = self.groups[group as usize].as_mut().expect("invariant: just found or made");
        let link = MemberLink::new(peer, &g.journal, Arc::clone(&shared.attention));
        let reader = link.reader(g.framing());
        let mut debt = Debt::none();
        debt.owe(0, slots, 0, NONE);
        let member = Member {
            peer,
            group,
            owed_at: link.position(),
            link,
            attached: true,
            debt,
            fell_behind: false,
            end: End::Initial,
            end_at: None,
            complete: false,
            begin_at: None,
            refresh_again: false,
            refresh,
            limit,
            limit_exceeded: false,
            limit_warned: false,
            told: Tally::default().minus(g.told.of(peer)),
            moved: None,
        };
        let at = self.members.iter().position(Option::is_none).unwrap_or(self.members.len());
        if at == self.members.len() {
            self.members.push(None);
        }
        self.members[at] = Some(member);
        self.limits_out |= limit.is_some();
        let id = u32::try_from(at).unwrap_or(u32::MAX);
        g.members.push(id);
        g.calm = false;
        self.set_group_of(peer, Some(group));
        self.look_at_members = true;
        (id, reader)
    }

    pub(crate) fn set_group_of(&mut self, peer: PeerId, group: Option<u32>) {
        let at = usize::from(peer.0);
        if at >= self.group_of.len() {
            self.group_of.resize(at + 1, None);
        }
        self.group_of[at] = group;
    }

    /// A member vanishes, its group too when it was the last.
    pub(crate) fn leave(&mut self, shared: &mut Shared, member: u32) {
        let Some(m) = self.members.get_mut(member as usize).and_then(Option::take) else { return };
        self.set_group_of(m.peer, None);
        if m.link.close() {
            shared.outputs.push_back(Output::WakeWriter { peer: m.peer, family: A::FAMILY });
        }
        self.drop_from_group(m.group, member);
        self.trim(m.group);
        self.untrack_legs(shared);
    }

    pub(crate) fn drop_from_group(&mut self, group: u32, member: u32) {
        let Some(slot) = self.groups.get_mut(group as usize) else { return };
        let Some(g) = slot else { return };
        g.members.retain(|&m| m != member);
        for s in &mut g.steps {
            s.members.retain(|m| *m != member);
        }
        g.steps.retain(|s| !s.members.is_empty());
        if g.members.is_empty() {
            *slot = None;
        }
    }

    /// A member falls out of its journal and owes itself what it has not passed (B.6, detach). Says the last batch that
    /// it has wholly; none when it was detached.
    pub(crate) fn detach(&mut self, shared: &mut Shared, member: u32) -> Option<u32> {
        let generation = self.generation;
        let m = self.members.get_mut(member as usize).and_then(Option::as_mut).filter(|m| m.attached)?;
        let g = self.groups.get_mut(m.group as usize).and_then(Option::as_mut)?;
        let mut journal = lock(&g.journal);
        let (position, wake) = m.link.detach(&mut journal);
        let s = journal.delivered(position, generation);
        drop(journal);
        m.told = m.sent(Some(g));
        m.attached = false;
        g.calm = false;
        m.moved = None;
        m.debt.owe(0, u32::MAX, s, s);
        if wake {
            shared.outputs.push_back(Output::WakeWriter { peer: m.peer, family: A::FAMILY });
        }
        for step in &mut g.steps {
            step.members.retain(|x| *x != member);
        }
        g.steps.retain(|step| !step.members.is_empty());
        Some(s)
    }

    /// The writer of a detached member can write again (B.6, attach).
    fn attach(&mut self, shared: &mut Shared, member: u32) {
        let family = A::FAMILY;
        let Some(m) = self.members.get_mut(member as usize).and_then(Option::as_mut) else { return };
        let Some(Some(g)) = self.groups.get_mut(m.group as usize) else { return };
        // Markers count as passed when the message that the writer had begun was one. Positions are still those of the
        // journal that the member fell out of, even if it has changed its group.
        let position = m.link.position();
        if m.end_at.is_some_and(|at| position >= at) {
            m.complete = true;
            m.end = End::None;
        }
        let begin = m.begin_at.take().is_some_and(|at| position < at);
        m.end_at = None;
        m.link.attach(&g.journal);
        m.attached = true;
        g.calm = false;
        m.owed_at = m.link.position();
        let peer = m.peer;
        m.told = m.told.minus(g.told.of(peer));
        if begin && m.end == End::Refresh && m.refresh == RefreshMode::Enhanced {
            g.encode_raw(peer, &route_refresh(family, 1));
            let group = m.group;
            self.append(shared, group);
            self.mark_begin(member);
        }
        self.look_at_members = true;
    }

    fn mark_begin(&mut self, member: u32) {
        let head = self.head_of(member);
        if let Some(m) = self.member_mut(member) {
            m.begin_at = Some(head);
            m.owed_at = head;
        }
    }

    /// A member that has just joined wants only what changes from now on.
    pub(crate) fn owe_nothing(&mut self, member: u32) {
        if let Some(m) = self.member_mut(member) {
            m.debt = Debt::none();
            m.end = End::None;
            m.complete = true;
        }
    }

    fn head_of(&self, member: u32) -> u64 {
        let group = self.member(member).and_then(|m| self.group(m.group));
        group.map_or(0, |g| lock(&g.journal).head())
    }

    /// The peer asks for everything again (RFC 2918, RFC 7313): one walk however often it asks.
    pub(crate) fn refresh(&mut self, shared: &mut Shared, member: u32) {
        let slots = self.table.slots();
        let Some(m) = self.member_mut(member) else { return };
        if m.end != End::None || !m.attached {
            m.refresh_again = true;
            return;
        }
        let (group, peer, mode) = (m.group, m.peer, m.refresh);
        m.refresh_again = false;
        m.end = End::Refresh;
        m.moved = None;
        m.debt.owe(0, slots, 0, NONE);
        self.stir(group);
        match mode {
            RefreshMode::Plain => {
                let head = self.head_of(member);
                if let Some(m) = self.member_mut(member) {
                    m.owed_at = head;
                }
            }
            // RFC 7313 §4: never before End-of-RIB, which `end` saw to.
            RefreshMode::Enhanced => {
                if let Some(Some(g)) = self.groups.get_mut(group as usize) {
                    g.encode_raw(peer, &route_refresh(A::FAMILY, 1));
                }
                self.append(shared, group);
                self.mark_begin(member);
            }
        }
        self.look_at_members = true;
    }

    /// Another limit on routes sent.
    pub(crate) fn set_limit_out(&mut self, shared: &mut Shared, member: u32, limit: Option<PrefixLimit>) {
        let Some(m) = self.member_mut(member) else { return };
        if m.limit == limit {
            return;
        }
        m.limit = limit;
        m.limit_exceeded = false;
        m.limit_warned = false;
        self.limits_out |= limit.is_some();
        self.check_out_limits(shared);
    }

    /// Looks at the cursors of the members of groups that are not calm: steps that are passed pay, markers follow,
    /// detached ones come back.
    pub(crate) fn look_at_members(&mut self, shared: &mut Shared) {
        for group in 0..u32::try_from(self.groups.len()).unwrap_or(u32::MAX) {
            // Nobody joins or leaves a group by what is done here.
            let members = self.group(group).filter(|g| !g.calm).map_or(0, |g| g.members.len());
            if members == 0 {
                continue;
            }
            for i in 0..members {
                let Some(&member) = self.group(group).and_then(|g| g.members.get(i)) else { continue };
                let Some(m) = self.member(member) else { continue };
                if m.attached {
                    self.settle(shared, member);
                } else if m.link.is_ready() {
                    self.attach(shared, member);
                    self.settle(shared, member);
                }
            }
            self.trim(group);
            self.calm(group);
        }
    }

    /// Notes whether nobody has to look at the members of a group any more.
    fn calm(&mut self, group: u32) {
        let Some(g) = self.group(group) else { return };
        let head = lock(&g.journal).head();
        let calm = g.members.iter().all(|&m| self.member(m).is_some_and(|m| m.is_quiet() && m.link.position() == head));
        let calm = calm && g.steps.is_empty();
        if let Some(Some(g)) = self.groups.get_mut(group as usize) {
            g.calm = calm;
            if calm {
                g.largest_step = 0;
            }
        }
    }

    #[cfg(any(test, fuzzing))]
    pub(crate) fn calm_groups_are_calm(&self) -> bool {
        self.groups.iter().flatten().filter(|g| g.calm).all(|g| {
            let head = lock(&g.journal).head();
            let members =
                g.members.iter().all(|&m| self.member(m).is_some_and(|m| m.is_quiet() && m.link.position() == head));
            members && g.steps.is_empty() && lock(&g.journal).bytes() == 0
        })
    }

    /// There is something to look at in a group.
    fn stir(&mut self, group: u32) {
        if let Some(Some(g)) = self.groups.get_mut(group as usize) {
            g.calm = false;
        }
    }

    /// Applies what a member passed.
    fn settle(&mut self, shared: &mut Shared, member: u32) {
        let Some(m) = self.members.get_mut(member as usize).and_then(Option::as_mut) else { return };
        let Some(Some(g)) = self.groups.get_mut(m.group as usize) else { return };
        let position = m.link.position();
        if m.is_quiet() && g.steps.is_empty() && lock(&g.journal).head().saturating_sub(position) <= shared.limits.low {
            m.link.wake_never();
            return;
        }
        if m.begin_at.is_some_and(|at| position >= at) {
            m.begin_at = None;
        }
        let mut wake = u64::MAX;
        for s in g.steps.iter_mut().filter(|s| s.members.contains(&member)) {
            if position < s.last {
                wake = wake.min(s.last);
                continue;
            }
            if s.first >= m.owed_at {
                m.debt.clear(s.from, s.to);
            }
            s.members.retain(|x| *x != member);
        }
        g.steps.retain(|s| !s.members.is_empty());
        if m.end_at.is_some_and(|at| position >= at) {
            m.end_at = None;
            m.complete = true;
            m.end = End::None;
        }
        if m.debt.is_none() {
            m.moved = None;
            m.fell_behind = false;
        }
        if m.debt.is_none() && m.end_at.is_none() {
            self.finish(shared, member);
        }
        let (Some(m), head) = (self.member(member), self.head_of(member)) else { return };
        let mut wake = m.end_at.map_or(wake, |at| wake.min(at));
        // Flushes and walks are pulled by whoever gets below the mark.
        let low = shared.limits.low;
        if head.saturating_sub(m.link.position()) > low {
            wake = wake.min(head - low);
        }
        m.link.wake_at(wake);
        if m.link.position() >= wake {
            // It was passed in between.
            self.look_at_members = true;
        }
    }

    /// Nothing is owed: the marker, and what was asked for meanwhile.
    fn finish(&mut self, shared: &mut Shared, member: u32) {
        // RFC 4724 §4.1: End-of-RIB only when what was deferred is sent.
        if self.gate != Gate::Open {
            return;
        }
        let Some(m) = self.member_mut(member) else { return };
        let (group, peer) = (m.group, m.peer);
        match (m.end, m.refresh) {
            (End::None, _) => {
                if m.refresh_again {
                    self.refresh(shared, member);
                }
                return;
            }
            (End::Refresh, RefreshMode::Plain) => {
                m.end = End::None;
                if m.refresh_again {
                    self.refresh(shared, member);
                }
                return;
            }
            (End::Initial, _) => {
                if let Some(Some(g)) = self.groups.get_mut(group as usize) {
                    g.encode_end_of_rib(peer);
                }
            }
            (End::Refresh, RefreshMode::Enhanced) => {
                if let Some(Some(g)) = self.groups.get_mut(group as usize) {
                    g.encode_raw(peer, &route_refresh(A::FAMILY, 2));
                }
            }
        }
        self.append(shared, group);
        let head = self.head_of(member);
        if let Some(m) = self.member_mut(member) {
            m.end_at = Some(head);
        }
    }

    /// Drops what all attached members of a group have passed.
    pub(crate) fn trim(&mut self, group: u32) {
        let Some(g) = self.group(group) else { return };
        let members = g.members.iter().filter_map(|&m| self.member(m)).filter(|m| m.attached);
        let lowest = members.map(|m| m.link.position()).min();
        let mut journal = lock(&g.journal);
        let head = journal.head();
        journal.trim(lowest.unwrap_or(head));
    }

    /// The last batch that every member has wholly (B.5, I7): tombstones up to it can go.
    pub(crate) fn floor(&self) -> u32 {
        let mut floor = NONE;
        // Members of calm groups have it all.
        for g in self.groups.iter().flatten().filter(|g| !g.calm) {
            for m in g.members.iter().filter_map(|&m| self.member(m)) {
                floor = floor.min(self.floor_of(m));
            }
        }
        floor
    }

    fn floor_of(&self, m: &Member) -> u32 {
        let mut floor = m.debt.min_wd();
        if m.attached
            && let Some(g) = self.group(m.group)
        {
            floor = floor.min(lock(&g.journal).delivered(m.link.position(), self.generation));
        }
        floor
    }

    /// Keeps journals within their bounds, and frees tombstones that no member needs.
    pub(crate) fn check_bounds(&mut self, shared: &mut Shared) {
        for group in 0..u32::try_from(self.groups.len()).unwrap_or(u32::MAX) {
            let bound = shared.limits.journal_bytes.max(self.two_steps(group));
            while self.journal_bytes(group) > bound {
                self.trim(group);
                if self.journal_bytes(group) <= bound || !self.detach_slowest(shared, group) {
                    break;
                }
                self.trim(group);
            }
        }
        loop {
            let sizes = (0..u32::try_from(self.groups.len()).unwrap_or(u32::MAX)).map(|g| (self.journal_bytes(g), g));
            let all: usize = sizes.clone().map(|s| s.0).sum();
            // What a group needs in any case it keeps; others may have more than they need.
            let Some((_, largest)) = sizes.filter(|(size, g)| *size > self.two_steps(*g)).max() else { break };
            if all <= shared.limits.journals_bytes || !self.detach_slowest(shared, largest) {
                break;
            }
            self.trim(largest);
        }
        self.free_tombstones(shared);
    }

    /// What the journal of a group has to have room for, whatever the bounds say: a step follows another before that is read
    /// to its end. A member that was detached for it would owe itself both again, and so on for ever.
    fn two_steps(&self, group: u32) -> usize {
        self.group(group).map_or(0, |g| 2 * g.largest_step)
    }

    /// Whether the journal of a group has room for another step, with nobody of it detached: as much as it needs in any case, or
    /// within the bounds. Beyond that of all journals the largest gives way.
    pub(crate) fn has_room(&mut self, shared: &Shared, group: u32) -> bool {
        self.trim(group);
        let bytes = self.journal_bytes(group) + self.group(group).map_or(0, |g| g.largest_step);
        let needed = self.two_steps(group);
        let mut others = (0..u32::try_from(self.groups.len()).unwrap_or(u32::MAX)).filter(|g| *g != group);
        let all = bytes + others.clone().map(|g| self.journal_bytes(g)).sum::<usize>();
        let is_largest = !others.any(|g| self.journal_bytes(g) > bytes.max(self.two_steps(g)));
        bytes <= needed
            || (bytes <= shared.limits.journal_bytes && (all <= shared.limits.journals_bytes || !is_largest))
    }

    /// Whether all journals together take more than `full`, but for what all members have passed.
    pub(crate) fn journals_are_full(&mut self, full: usize) -> bool {
        if self.journals_bytes() <= full {
            return false;
        }
        (0..u32::try_from(self.groups.len()).unwrap_or(u32::MAX)).for_each(|group| self.trim(group));
        self.journals_bytes() > full
    }

    fn journals_bytes(&self) -> usize {
        // Those of calm groups are empty.
        self.groups.iter().flatten().filter(|g| !g.calm).map(|g| lock(&g.journal).bytes()).sum()
    }

    /// Asks the slowest member of the largest journal to wake the owner as soon as it passes anything; true when it has
    /// since it was looked at.
    pub(crate) fn await_room(&self) -> bool {
        let largest = self.groups.iter().flatten().max_by_key(|g| lock(&g.journal).bytes());
        let slowest = largest.and_then(|g| self.slowest_of(g));
        slowest.map(|m| &m.link).is_some_and(|link| {
            let at = link.position();
            link.wake_at(at + 1);
            link.position() > at
        })
    }

    /// Asks the slowest member of each group in which a step waits for room to wake the owner as soon as it passes anything;
    /// true when one has since it was looked at.
    pub(crate) fn await_step(&self) -> bool {
        let waiting = self.groups.iter().flatten().filter(|g| g.waits.is_some());
        let slowest = waiting.filter_map(|g| self.slowest_of(g)).map(|m| &m.link);
        slowest.fold(false, |passed, link| {
            let at = link.position();
            link.wake_at(at + 1);
            passed | (link.position() > at)
        })
    }

    fn slowest_of(&self, g: &Group) -> Option<&Member> {
        let members = g.members.iter().filter_map(|&m| self.member(m));
        members.filter(|m| m.attached).min_by_key(|m| m.link.position())
    }

    fn journal_bytes(&self, group: u32) -> usize {
        self.group(group).map_or(0, |g| lock(&g.journal).bytes())
    }

    fn detach_slowest(&mut self, shared: &mut Shared, group: u32) -> bool {
        let Some(g) = self.group(group) else { return false };
        let attached = g.members.iter().filter(|&&m| self.member(m).is_some_and(|m| m.attached));
        let slowest = attached.min_by_key(|&&m| self.member(m).map(|m| m.link.position())).copied();
        let Some(slowest) = slowest else { return false };
        self.detach(shared, slowest);
        if let Some(m) = self.member_mut(slowest) {
            m.fell_behind = true;
        }
        true
    }

    fn free_tombstones(&mut self, shared: &mut Shared) {
        if self.tombstones.is_empty() {
            return;
        }
        let floor = self.floor();
        while let Some(&slot) = self.tombstones.front() {
            let d = self.table.dest(slot);
            let dead = d.is_used() && !d.has_paths() && !self.dirty.is_set(slot) && self.default_slot != Some(slot);
            if dead && d.generation > floor {
                break;
            }
            self.tombstones.pop_front();
            self.table.dest_mut(slot).clear_listed();
            if dead {
                self.table.remove(slot);
            }
        }
        let bound = shared.limits.tombstones.max(self.table.slots() as usize / 8);
        if self.tombstones.len() > bound
            && let Some(lowest) = self.members.iter().flatten().min_by_key(|m| self.floor_of(m))
        {
            let output = Output::Reset { peer: lowest.peer, reason: ResetReason::Tombstones };
            if shared.outputs.back() != Some(&output) {
                shared.outputs.push_back(output);
            }
        }
    }
}
