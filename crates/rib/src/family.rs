//! The RIB of one family: destinations, what changed, groups and members.

use std::cmp::Ordering;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use heddle_bgp_core::{PathId, Timestamp};
use smallvec::SmallVec;

use crate::attr_store::AttrStore;
use crate::counters::Row;
use crate::decision::{DecisionOptions, FirstSteps, select_best};
use crate::dirty::{Announced, Before, Dirty, Urgency};
use crate::legs::{LegChange, Legs};
use crate::member::Member;
use crate::policy::{GuardCounts, ImportScratch, ImportSettings};
use crate::rib::Output;
use crate::route::{AttrId, Candidate, PeerId, SourceId, SourceInfo};
use crate::session::PrefixLimit;
use crate::source::Sources;
use crate::stale::Passes;
use crate::table::{Addr, PathRec, Table};
use crate::update_group::{Change, Draft, Group};

/// What the families of a RIB share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) attrs: AttrStore,
    pub(crate) decision: DecisionOptions,
    pub(crate) seed: u64,
    pub(crate) outputs: std::collections::VecDeque<Output>,
    /// Set by readers when there is something to look at.
    pub(crate) attention: Arc<AtomicBool>,
    pub(crate) import: ImportScratch,
    pub(crate) limits: crate::rib::Bounds,
    /// The longest refresh of a peer.
    pub(crate) refresh_time: std::time::Duration,
    pub(crate) now: Timestamp,
}

impl Shared {
    /// Seconds since the start of the RIB.
    pub(crate) fn seconds(&self) -> u32 {
        u32::try_from(self.now.since_origin().as_secs()).unwrap_or(u32::MAX)
    }
}

/// What a family knows of a peer that has, or had, a session with it.
#[derive(Debug)]
pub(crate) struct PeerFamily {
    /// The source of what it sends now; none without a session.
    pub(crate) source: Option<SourceId>,
    /// Sources whose routes it may still replace: stale ones, or those before a refresh.
    pub(crate) old: SmallVec<[SourceId; 2]>,
    pub(crate) import: Arc<ImportSettings>,
    pub(crate) member: Option<u32>,
    pub(crate) limit: Option<PrefixLimit>,
    /// Paths that it has in the table, stale ones too.
    pub(crate) paths: u32,
    /// Those of them whose source is dead.
    pub(crate) dead: u32,
    /// Those of them that are ineligible, for another reason than policy.
    pub(crate) barred: u32,
    /// Those of them that guard or import policy rejected.
    pub(crate) rejected: u32,
    /// Those that take part in the decision.
    pub(crate) eligible: u32,
    /// Destinations whose best path is from it.
    pub(crate) best: u32,
    /// What became of the routes that it advertised and withdrew in this session.
    pub(crate) updates: Row,
    pub(crate) withdraws: Row,
    /// What the guard refused in this session; none as long as it refused nothing.
    pub(crate) guarded: Option<Box<GuardCounts>>,
    pub(crate) warned: bool,
    pub(crate) exceeded: bool,
    /// It sent End-of-RIB.
    pub(crate) complete: bool,
    /// What is swept when its refresh ends, and by when it has to end.
    pub(crate) refresh: Option<(SourceId, Timestamp)>,
}

/// The RIB of one family.
#[derive(Debug)]
pub(crate) struct FamilyRib<A> {
    pub(crate) table: Table<A>,
    pub(crate) sources: Sources,
    pub(crate) dirty: Dirty,
    /// Number of the last flushed batch.
    pub(crate) generation: u32,
    /// By [`PeerId`].
    pub(crate) peers: Vec<Option<Box<PeerFamily>>>,
    pub(crate) groups: Vec<Option<Group>>,
    pub(crate) members: Vec<Option<Member>>,
    /// The group of each peer's member, by [`PeerId`].
    pub(crate) group_of: Vec<Option<u32>>,
    /// Destinations without paths that some member may still have, as their slots.
    pub(crate) tombstones: std::collections::VecDeque<u32>,
    pub(crate) passes: Passes,
    /// Whether an ADD-PATH group ever was: then all paths are tracked.
    pub(crate) tracks_all: bool,
    /// Paths whose rank matters.
    pub(crate) rank_depth: u16,
    /// Closed while a restarting speaker waits for its peers (RFC 4724 §4.1).
    pub(crate) gate: Gate,
    /// The default route's slot while a group originates one.
    pub(crate) default_slot: Option<u32>,
    pub(crate) walk_rotor: usize,
    /// A member may have passed something.
    pub(crate) look_at_members: bool,
    /// Whether what is sent to a member ever had a limit.
    pub(crate) limits_out: bool,
    /// Whether a peer may be refreshing what it sent.
    pub(crate) refreshing: bool,
    pub(crate) changes: Vec<Change>,
    pub(crate) id_changes: Vec<Change>,
    /// What was said of paths beside the best.
    pub(crate) legs: Legs,
    pub(crate) leg_changes: Vec<LegChange>,
    /// For whichever group is about to say something.
    pub(crate) draft: Draft,
    /// Adverts that were refused.
    pub(crate) refused: u64,
    /// Destinations with a best path.
    pub(crate) best: u32,
}

/// Whether learned routes may be flushed (B.7, restarting speaker).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Gate {
    Open,
    /// Only destinations with a local route are flushed.
    Closed,
    /// It was opened; what it held back is being flushed.
    Opening,
}

impl<A: Addr> FamilyRib<A> {
    pub(crate) fn new(seed: u64, local: SourceInfo) -> Self {
        Self {
            table: Table::new(seed),
            sources: Sources::new(local),
            dirty: Dirty::default(),
            generation: 1,
            peers: Vec::new(),
            groups: Vec::new(),
            members: Vec::new(),
            group_of: Vec::new(),
            tombstones: std::collections::VecDeque::new(),
            passes: Passes::default(),
            tracks_all: false,
            rank_depth: 1,
            gate: Gate::Open,
            default_slot: None,
            walk_rotor: 0,
            look_at_members: false,
            limits_out: false,
            refreshing: false,
            changes: Vec::new(),
            id_changes: Vec::new(),
            legs: Legs::default(),
            leg_changes: Vec::new(),
            draft: Draft::default(),
            refused: 0,
            best: 0,
        }
    }

    pub(crate) fn peer(&self, peer: PeerId) -> Option<&PeerFamily> {
        self.peers.get(usize::from(peer.0))?.as_deref()
    }
    pub(crate) fn peer_mut(&mut self, peer: PeerId) -> Option<&mut PeerFamily> {
        self.peers.get_mut(usize::from(peer.0))?.as_deref_mut()
    }

    pub(crate) fn announced_of(&self, p: &PathRec) -> Option<Announced> {
        (p.flags.is_eligible()).then_some(Announced { attr: p.attr, source: p.source, tx: p.tx, flags: p.flags })
    }

    /// What the last flush said of the best path.
    pub(crate) fn announced(&self, slot: u32) -> Option<Announced> {
        if self.dirty.is_set(slot) {
            return self.dirty.before(slot);
        }
        self.table.inline(slot).and_then(|p| self.announced_of(&p))
    }

    /// What the last flush said of all paths, the better ones first.
    pub(crate) fn announced_all(&self, shared: &Shared, slot: u32) -> SmallVec<[Announced; 8]> {
        if self.dirty.is_set(slot) {
            return SmallVec::from_slice(self.dirty.all_before(slot));
        }
        self.ranked(shared, &self.table.paths(slot))
    }

    /// Marks a destination dirty before its paths change; keeps what it had announced.
    pub(crate) fn touch(&mut self, shared: &mut Shared, slot: u32, urgency: Urgency) {
        if self.dirty.is_set(slot) {
            // A change of our own has to pass the gate even if a learned one came first.
            self.dirty.hurry(slot, urgency);
            return;
        }
        let best = self.announced(slot);
        let all: Box<[Announced]> =
            if self.tracks_all { self.announced_all(shared, slot).as_slice().into() } else { Box::default() };
        for a in best.iter().chain(&all) {
            shared.attrs.hold(a.attr);
            self.sources.hold(a.source);
        }
        self.dirty.set(slot, urgency, Before { best, all }, shared.now);
    }

    /// What a flushed destination had announced is needed no more.
    pub(crate) fn forget(&mut self, shared: &mut Shared, announced: Announced) {
        shared.attrs.release(announced.attr);
        self.sources.release(announced.source);
    }

    pub(crate) fn candidate<'a>(&'a self, shared: &'a Shared, p: &PathRec) -> Candidate<'a> {
        let meta = shared.attrs.meta(p.attr);
        Candidate {
            meta,
            block: shared.attrs.block(p.attr),
            source: self.sources.info(p.source),
            path_id: PathId(p.rx),
            flags: p.flags,
            igp_cost: shared.attrs.cost(p.attr),
            since: p.time,
        }
    }

    /// Index of the best path; none when no path is eligible.
    fn best_of(&self, shared: &Shared, paths: &[PathRec]) -> Option<usize> {
        let eligible: SmallVec<[usize; 16]> = (0..paths.len()).filter(|&i| paths[i].flags.is_eligible()).collect();
        match eligible.as_slice() {
            [] => None,
            [only] => Some(*only),
            many => {
                let candidates: SmallVec<[Candidate<'_>; 16]> =
                    many.iter().map(|&i| self.candidate(shared, &paths[i])).collect();
                select_best(&candidates, &shared.decision).and_then(|i| many.get(i).copied())
            }
        }
    }

    /// The eligible paths: as many in order of rank as anybody asks for, then the rest. The inline path of a clean
    /// destination is the best one.
    pub(crate) fn ranked(&self, shared: &Shared, paths: &[PathRec]) -> SmallVec<[Announced; 8]> {
        let mut rest: SmallVec<[PathRec; 8]> = paths.iter().filter(|p| p.flags.is_eligible()).copied().collect();
        let mut ranked = SmallVec::new();
        while ranked.len() < usize::from(self.rank_depth) && rest.len() > 1 {
            let Some(best) = self.best_of(shared, &rest) else { break };
            ranked.extend(self.announced_of(&rest.remove(best)));
        }
        ranked.extend(rest.iter().filter_map(|p| self.announced_of(p)));
        ranked
    }

    /// Runs the decision process for a destination; the best path becomes the inline one.
    pub(crate) fn select(&mut self, shared: &Shared, slot: u32) -> Option<Announced> {
        if self.table.dest(slot).is_simple() {
            return self.table.inline(slot).and_then(|p| self.announced_of(&p));
        }
        let best = match self.best_by_first_steps(shared, slot) {
            Some(best) => best,
            None => self.best_of(shared, &self.table.paths(slot))?,
        };
        if let Some(further) = best.checked_sub(1) {
            self.table.promote(slot, further);
        }
        self.table.inline(slot).and_then(|p| self.announced_of(&p))
    }

    /// Index of the best path where the steps that are a number of each path leave one alone, as most of the time.
    fn best_by_first_steps(&self, shared: &Shared, slot: u32) -> Option<usize> {
        let first_steps = FirstSteps::of(&shared.decision)?;
        let (mut least, mut best) = (u64::MAX, None);
        for (i, p) in self.table.each_path(slot).enumerate().filter(|(_, p)| p.flags.is_eligible()) {
            let key = first_steps.key(&self.candidate(shared, &p));
            match key.cmp(&least) {
                Ordering::Less => (least, best) = (key, Some(i)),
                Ordering::Equal => best = None,
                Ordering::Greater => {}
            }
        }
        best
    }

    /// Whether two announcements say the same to everybody.
    pub(crate) fn same(&self, a: Option<&Announced>, b: Option<&Announced>) -> bool {
        match (a, b) {
            (None, None) => true,
            (Some(a), Some(b)) => {
                a.attr == b.attr && a.flags == b.flags && a.tx == b.tx && self.same_source(a.source, b.source)
            }
            (Some(_), None) | (None, Some(_)) => false,
        }
    }

    /// Whether two sources are as good as one: the same peer, and the same as far as decision and export look.
    pub(crate) fn same_source(&self, a: SourceId, b: SourceId) -> bool {
        if a == b {
            return true;
        }
        let (a, b) = (self.sources.info(a), self.sources.info(b));
        SourceInfo { staleness: b.staleness, ..*a } == *b
    }

    /// Whether a path is kept for a dead or absent reason: for queries.
    pub(crate) fn hold_attrs(shared: &mut Shared, p: &PathRec) {
        shared.attrs.hold(p.attr);
        if p.pre != AttrId::NONE {
            shared.attrs.hold(p.pre);
        }
    }
    pub(crate) fn release_attrs(shared: &mut Shared, p: &PathRec) {
        shared.attrs.release(p.attr);
        if p.pre != AttrId::NONE {
            shared.attrs.release(p.pre);
        }
    }
}
