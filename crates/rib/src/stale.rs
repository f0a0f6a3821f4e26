//! Passes over all destinations, 4096 slots at a time: routes of ended sessions are swept, become long-lived stale, are
//! evaluated anew. Whatever is under way shares one pass.

use hashbrown::HashSet;
use heddle_bgp_core::attr::NextHop;
use heddle_bgp_core::{Nlri, PathId, Timestamp};

use crate::adj_rib_in::{Sender, release};
use crate::dirty::Urgency;
use crate::family::{FamilyRib, Shared};
use crate::rib::Output;
use crate::route::{AttrBits, AttrId, Ineligible, NextHopId, PathFlags, PeerId, SourceId, SourceInfo, Staleness};
use crate::session::DownMode;
use crate::table::{Addr, PathRec, PathVec};

/// Slots of a step.
pub(crate) const PASS_SLOTS: u32 = 4096;
/// A refresh that a peer began ends by itself after this (RFC 7313 §4), unless the owner says otherwise.
pub(crate) const REFRESH_TIME: std::time::Duration = std::time::Duration::from_secs(600);

/// What a pass does with the paths that it meets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Paths of a source become long-lived stale (RFC 9494 §4.2).
    LongLived(SourceId),
    /// Import policy of a peer is evaluated anew.
    Import(PeerId),
    /// Next hops changed: those in [`Passes::hops`].
    NextHops,
    /// Destinations are decided anew.
    Decide,
}

/// A task that is under way.
#[derive(Clone, Copy, Debug)]
struct Pending {
    task: Task,
    /// The slots that there were when it began. Later ones are filled by what is in force by then, and seeing them does
    /// not make up for one of these.
    slots: u32,
    /// How many of these it has still to see.
    left: u32,
}

/// What is under way.
#[derive(Debug, Default)]
pub(crate) struct Passes {
    tasks: Vec<Pending>,
    rotor: u32,
    /// Next hops that changed since the task for them last ended. One that comes in lets the task begin anew: a pass
    /// over all destinations is for as many next hops as changed meanwhile.
    hops: HashSet<NextHopId>,
}

impl Passes {
    pub(crate) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }
}

impl<A: Addr> FamilyRib<A> {
    pub(crate) fn begin_pass(&mut self, task: Task) {
        self.passes.tasks.retain(|p| p.task != task);
        let slots = self.table.slots();
        if slots > 0 {
            self.passes.tasks.push(Pending { task, slots, left: slots });
        }
    }

    /// A next hop changed.
    pub(crate) fn begin_next_hop_pass(&mut self, hop: NextHopId) {
        if self.table.slots() > 0 {
            self.passes.hops.insert(hop);
            self.begin_pass(Task::NextHops);
        }
    }

    /// Whether destinations are being decided anew.
    pub(crate) fn is_deciding(&self) -> bool {
        self.passes.tasks.iter().any(|p| p.task == Task::Decide)
    }

    /// Has destinations decided anew that a pass has perhaps not come to yet.
    pub(crate) fn decide_range(&mut self, shared: &mut Shared, from: u32, to: u32) {
        for slot in from..to.min(self.table.slots()) {
            self.decide_again(shared, slot);
        }
    }

    /// Has a destination decided anew, where there is something to decide.
    fn decide_again(&mut self, shared: &mut Shared, slot: u32) {
        if self.table.dest(slot).has_paths() && !self.table.dest(slot).is_simple() {
            self.touch(shared, slot, Urgency::Bulk);
        }
    }

    /// Whether a pass or a sweep is under way.
    pub(crate) fn has_pass(&self) -> bool {
        !self.passes.is_empty() || self.sources.dying() > 0
    }

    /// One step of what is under way.
    pub(crate) fn pass(&mut self, shared: &mut Shared) -> bool {
        let slots = self.table.slots();
        if !self.has_pass() || slots == 0 {
            return false;
        }
        let from = if self.passes.rotor < slots { self.passes.rotor } else { 0 };
        let to = from.saturating_add(PASS_SLOTS).min(slots);
        let tasks: Vec<Task> = self.passes.tasks.iter().map(|p| p.task).collect();
        for slot in from..to {
            if self.table.dest(slot).has_paths() {
                if tasks.is_empty() {
                    self.bury(shared, slot);
                } else {
                    self.pass_slot(shared, slot, &tasks);
                }
            }
        }
        self.passes.rotor = to;
        for p in &mut self.passes.tasks {
            p.left = p.left.saturating_sub(to.min(p.slots).saturating_sub(from));
        }
        self.passes.tasks.retain(|p| p.left > 0);
        if !self.passes.tasks.iter().any(|p| p.task == Task::NextHops) {
            self.passes.hops.clear();
        }
        true
    }

    fn pass_slot(&mut self, shared: &mut Shared, slot: u32, tasks: &[Task]) {
        if self.sources.dying() > 0 {
            self.sweep_slot(shared, slot);
        }
        if tasks.contains(&Task::Decide) {
            self.decide_again(shared, slot);
        }
        let mut at = 0;
        while let Some(p) = self.table.paths(slot).get(at).copied().filter(|_| !tasks.is_empty()) {
            let mut removed = false;
            for task in tasks {
                removed = match *task {
                    Task::LongLived(source) => p.source == source && self.make_long_lived(shared, slot, at),
                    Task::Import(peer) => {
                        if p.source != SourceId::LOCAL && self.sources.peer(p.source) == peer {
                            self.import_again(shared, slot, at);
                        }
                        false
                    }
                    Task::Decide => false,
                    Task::NextHops => {
                        if self.passes.hops.contains(&shared.attrs.meta(p.attr).next_hop) {
                            self.judge_again(shared, slot, at);
                        }
                        false
                    }
                };
                if removed {
                    break;
                }
            }
            if !removed {
                at += 1;
            }
        }
    }

    /// Removes the paths of dead sources, all at once: of a destination with very many paths each removal alone would
    /// copy all the others.
    fn sweep_slot(&mut self, shared: &mut Shared, slot: u32) {
        let paths = self.table.paths(slot);
        let (dead, mut kept): (PathVec, PathVec) = paths.into_iter().partition(|p| self.sources.is_dead(p.source));
        if dead.is_empty() {
            return;
        }
        self.touch(shared, slot, Urgency::Bulk);
        self.table.set_paths(slot, &mut kept);
        for p in &dead {
            self.count_removed(p.source, p.flags);
            Self::release_attrs(shared, p);
        }
    }

    /// Removes the paths of dead sources that a sweep has not reached yet: what is decided or sent from now on is
    /// decided and sent without them (B.7). What was announced of them is kept aside, as with any change.
    pub(crate) fn bury(&mut self, shared: &mut Shared, slot: u32) {
        if self.sources.dying() > 0 && self.has_dead(slot) {
            self.pass_slot(shared, slot, &[]);
        }
    }

    fn has_dead(&self, slot: u32) -> bool {
        let d = self.table.dest(slot);
        d.has_paths()
            && if d.is_simple() {
                self.sources.is_dead(d.source)
            } else {
                self.table.each_path(slot).any(|p| self.sources.is_dead(p.source))
            }
    }

    /// A next hop is about to change: where the best so many paths are sent, what was sent is kept aside before.
    pub(crate) fn before_next_hop(&mut self, shared: &mut Shared, next_hop: NextHop) {
        let Some(hop) = shared.attrs.next_hops.find(next_hop).filter(|_| self.rank_depth > 1) else { return };
        for slot in 0..self.table.slots() {
            if self.table.each_path(slot).any(|p| shared.attrs.meta(p.attr).next_hop == hop) {
                self.touch(shared, slot, Urgency::Bulk);
            }
        }
    }

    fn remove_at(&mut self, shared: &mut Shared, slot: u32, at: usize) {
        self.touch(shared, slot, Urgency::Bulk);
        let paths = self.table.paths(slot);
        self.remove_path(shared, slot, paths, at);
    }

    /// RFC 9494 §4.2: NO_LLGR routes go, the others are marked. Says whether the path is gone.
    fn make_long_lived(&mut self, shared: &mut Shared, slot: u32, at: usize) -> bool {
        let mut paths = self.table.paths(slot);
        let p = paths[at];
        let bits = shared.attrs.meta(p.received()).bits;
        if bits.has(AttrBits::NO_LLGR) {
            self.remove_at(shared, slot, at);
            return true;
        }
        if !p.flags.is_llgr_stale() {
            self.touch(shared, slot, Urgency::Bulk);
            paths[at].flags = p.flags.with_llgr_stale();
            self.table.set_paths(slot, &mut paths);
        }
        false
    }

    fn import_again(&mut self, shared: &mut Shared, slot: u32, at: usize) {
        let mut paths = self.table.paths(slot);
        let p = paths[at];
        // What the session found stays; what guard, policy and next hop said is found anew.
        let found = match p.flags.reason() {
            Some(Ineligible::Guard | Ineligible::ImportPolicy | Ineligible::NextHopUnreachable) | None => {
                PathFlags::NONE
            }
            reason @ Some(
                Ineligible::OwnAsLoop | Ineligible::OriginatorLoop | Ineligible::ClusterLoop | Ineligible::OtcLeak,
            ) => PathFlags::NONE.with_reason(reason),
        };
        let sender = Sender {
            peer: self.sources.peer(p.source),
            source: p.source,
            urgency: Urgency::Bulk,
            further: Urgency::Bulk,
        };
        let route = self.import(shared, sender, self.table.prefix(slot), p.received(), found);
        let flags = if p.flags.is_llgr_stale() && self.sources.info(p.source).staleness == Staleness::LongLived {
            route.flags.with_llgr_stale()
        } else {
            route.flags
        };
        let new = PathRec { attr: route.attr, pre: route.pre, flags, ..p };
        if new != p {
            self.touch(shared, slot, Urgency::Bulk);
            Self::hold_attrs(shared, &new);
            paths[at] = new;
            self.table.set_paths(slot, &mut paths);
            self.count_added(new.source, new.flags);
            self.count_removed(p.source, p.flags);
            Self::release_attrs(shared, &p);
        }
        release(shared, route);
    }

    fn judge_again(&mut self, shared: &mut Shared, slot: u32, at: usize) {
        let mut paths = self.table.paths(slot);
        let p = paths[at];
        let base = match p.flags.reason() {
            Some(Ineligible::NextHopUnreachable) => p.flags.with_reason(None),
            Some(
                Ineligible::Guard
                | Ineligible::ImportPolicy
                | Ineligible::OwnAsLoop
                | Ineligible::OriginatorLoop
                | Ineligible::ClusterLoop
                | Ineligible::OtcLeak,
            )
            | None => p.flags,
        };
        let flags = self.judge(shared, p.source, p.attr, base);
        // The cost matters where there is a choice.
        if flags != p.flags || paths.len() > 1 {
            self.touch(shared, slot, Urgency::Bulk);
        }
        if flags != p.flags {
            self.count_added(p.source, flags);
            self.count_removed(p.source, p.flags);
            paths[at].flags = flags;
            self.table.set_paths(slot, &mut paths);
        }
    }

    /// The peer sent its whole table (RFC 4724 §2): what it had before and did not send again goes.
    pub(crate) fn end_of_rib(&mut self, shared: &mut Shared, peer: PeerId) {
        let Some(p) = self.peer_mut(peer) else { return };
        p.complete = true;
        shared.outputs.push_back(Output::EndOfRib { peer, family: A::FAMILY });
        if p.refresh.is_none() {
            self.sweep_old(peer);
        }
    }

    /// All sources of the peer but its present one are dead.
    pub(crate) fn sweep_old(&mut self, peer: PeerId) {
        let Some(p) = self.peer_mut(peer) else { return };
        p.refresh = None;
        for source in std::mem::take(&mut p.old) {
            self.kill(source);
        }
    }

    /// A source is dead at once: nothing is decided with its paths any more, nor counted by a limit. The sweep only
    /// frees what they take.
    fn kill(&mut self, source: SourceId) {
        let (peer, paths) = (self.sources.peer(source), self.sources.get(source).paths);
        if let Some(p) = self.peer_mut(peer) {
            p.dead += paths;
        }
        self.sources.kill(source);
    }

    /// The peer begins to send its table anew (RFC 7313 §4): what it does not send again goes when it ends. A new
    /// source tells the one from the other.
    pub(crate) fn begin_refresh(&mut self, shared: &mut Shared, peer: PeerId) {
        let Some(p) = self.peer(peer) else { return };
        let Some(source) = p.source else { return };
        if p.refresh.is_some() {
            // RFC 7313 §4: a BoRR during a refresh begins it anew; what came since counts as not sent.
            self.sweep_old(peer);
        }
        let info = *self.sources.info(source);
        let Ok(new) = self.sources.add(info) else { return };
        let until = shared.now + shared.refresh_time;
        if let Some(p) = self.peer_mut(peer) {
            p.old.push(source);
            p.source = Some(new);
            p.refresh = Some((source, until));
            self.refreshing = true;
        }
    }

    /// It sent it all (RFC 7313 §4). Without a beginning it means nothing.
    pub(crate) fn end_refresh(&mut self, _shared: &mut Shared, peer: PeerId) {
        if self.peer(peer).is_some_and(|p| p.refresh.is_some()) {
            self.sweep_old(peer);
        }
    }

    /// When the next refresh has to end.
    pub(crate) fn refresh_deadline(&mut self) -> Option<Timestamp> {
        if !self.refreshing {
            return None;
        }
        let deadline = self.peers.iter().flatten().filter_map(|p| p.refresh.map(|r| r.1)).min();
        self.refreshing = deadline.is_some();
        deadline
    }

    pub(crate) fn end_late_refreshes(&mut self, shared: &Shared) {
        if !self.refreshing {
            return;
        }
        for peer in 0..u16::try_from(self.peers.len()).unwrap_or(u16::MAX) {
            let late = |p: &crate::family::PeerFamily| p.refresh.is_some_and(|r| r.1 <= shared.now);
            if self.peer(PeerId(peer)).is_some_and(late) {
                self.sweep_old(PeerId(peer));
            }
        }
    }

    /// A session is over: its member vanishes, its routes go or stay as stale.
    pub(crate) fn session_down(&mut self, shared: &mut Shared, peer: PeerId, mode: DownMode) {
        let Some(p) = self.peer_mut(peer) else { return };
        p.complete = false;
        p.exceeded = false;
        p.warned = false;
        p.refresh = None;
        let (source, member) = (p.source.take(), p.member.take());
        if let Some(member) = member {
            self.leave(shared, member);
        }
        let Some(source) = source else { return };
        match mode {
            DownMode::Discard => {
                self.sweep_old(peer);
                self.kill(source);
            }
            // What was stale already, as the session ended before End-of-RIB, stays: where RFC 4724 §4.2 has it deleted
            // (docs/rfcs.md), a peer that fails twice in a row would take its traffic along. The caller sees to its end.
            DownMode::KeepStale | DownMode::KeepLongLived => {
                let Some(p) = self.peer_mut(peer) else { return };
                p.old.push(source);
                for source in std::mem::take(&mut p.old) {
                    if self.sources.get(source).paths == 0 {
                        self.kill(source);
                        continue;
                    }
                    let info = self.sources.info_mut(source);
                    if info.staleness == Staleness::Live {
                        info.staleness = Staleness::Stale;
                    }
                    if let Some(p) = self.peer_mut(peer) {
                        p.old.push(source);
                    }
                }
                if mode == DownMode::KeepLongLived {
                    self.become_long_lived(peer);
                }
            }
        }
    }

    /// The restart time is over and the long-lived stale time begins (RFC 9494 §4.2).
    pub(crate) fn become_long_lived(&mut self, peer: PeerId) {
        let Some(p) = self.peer(peer) else { return };
        for source in p.old.clone() {
            let info: &mut SourceInfo = self.sources.info_mut(source);
            if info.staleness == Staleness::Stale {
                info.staleness = Staleness::LongLived;
                self.begin_pass(Task::LongLived(source));
            }
        }
    }

    /// A route of our own.
    pub(crate) fn originate(&mut self, shared: &mut Shared, nlri: heddle_bgp_core::Prefix, attr: AttrId) {
        let route = crate::adj_rib_in::Incoming { attr, pre: AttrId::NONE, flags: PathFlags::NONE, refused: None };
        let nlri = Nlri { prefix: nlri, path_id: PathId(0) };
        self.advertise(shared, LOCAL, nlri, route);
    }

    /// It is ours no more.
    pub(crate) fn retract(&mut self, shared: &mut Shared, nlri: heddle_bgp_core::Prefix) {
        self.withdraw(shared, LOCAL, Nlri { prefix: nlri, path_id: PathId(0) });
    }
}

const LOCAL: Sender =
    Sender { peer: PeerId::LOCAL, source: SourceId::LOCAL, urgency: Urgency::Urgent, further: Urgency::Urgent };
