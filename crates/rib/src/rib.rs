//! The RIB as its owner drives it: control and routes go in, quanta of work are asked for, outputs are taken out.

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use heddle_bgp_core::{Asn, BgpId, Family, Prefix, Timestamp};
use thiserror::Error;

use crate::attr_store::AttrStore;
use crate::counters::Row;
use crate::decision::DecisionOptions;
use crate::family::{FamilyRib, Gate, PeerFamily, Shared};
use crate::feed::Paths;
use crate::flush::FLUSH_SLOTS;
use crate::ingest::{Batch, BatchPosition};
use crate::journal::JournalReader;
use crate::nexthop::{NextHopEvent, Resolve};
use crate::policy::{EvalContext, GracefulShutdown, ImportScratch, ImportSettings, PolicyChain};
use crate::route::{PeerId, SourceInfo, SourceKind, Staleness};
use crate::session::{DownMode, FamilyParams, RefreshMode, Retained, SessionHandles, SessionId, SessionParams};
use crate::stale::Task;
use crate::table::{Addr, Addr4, Addr6};
use crate::update_group::GroupKind;

pub use crate::output::{Output, ResetReason, Usage};
pub use crate::stats::{FamilyStats, PeerStats, RibStats};

/// Bounds of a RIB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The most that the journal of a group takes, in octets.
    pub journal_bytes: usize,
    /// The most that all journals of a family take together.
    pub journals_bytes: usize,
    /// Tables wait for a while when all journals of a family take more than this: several groups have no need of as much
    /// as one.
    pub journals_full: usize,
    /// The most destinations without paths that are kept for slow members; an eighth of all slots if that is more. As many as
    /// a large table has: it may be withdrawn faster than a peer gets to read, and its slots are there already.
    pub tombstones: usize,
    /// How long a change waits for members to keep up.
    pub patience: std::time::Duration,
    /// Batches with up to so many octets of NLRI are single changes rather than a table.
    pub small_batch: usize,
    /// How long a destination waits that tables of several peers bring, before it is decided again.
    pub gathering: std::time::Duration,
    /// A member that has no more octets of its journal before it than this keeps up.
    pub low: u64,
    /// The most slots of a step of a walk.
    pub step_slots: u32,
    /// About the most octets that a step of a walk writes; a journal has to take several.
    pub step_bytes: usize,
    /// The most octets of attribute sets that a peer brings and nobody brought before.
    pub attribute_bytes: u64,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            journal_bytes: 2 * 1024 * 1024,
            journals_bytes: 16 * 1024 * 1024,
            journals_full: 3 * 1024 * 1024,
            tombstones: 1 << 20,
            patience: std::time::Duration::from_millis(50),
            small_batch: 512,
            gathering: std::time::Duration::from_millis(20),
            low: 256 * 1024,
            step_slots: 4096,
            step_bytes: 128 * 1024,
            attribute_bytes: 256 * 1024 * 1024,
        }
    }
}

/// What a RIB is made with.
#[derive(Clone, Debug)]
pub struct RibConfig {
    /// Our AS.
    pub asn: Asn,
    /// Our BGP Identifier.
    pub bgp_id: BgpId,
    /// Options of the decision process.
    pub decision: DecisionOptions,
    /// Whether next hops are resolved.
    pub resolve: Resolve,
    /// Bounds.
    pub bounds: Bounds,
    /// Whether learned routes wait for [`Rib::open_gate`]: a restarting speaker (RFC 4724 §4.1).
    pub start: Start,
}

/// How a RIB begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Start {
    /// Empty, and nobody remembers us.
    #[default]
    Fresh,
    /// Peers kept our routes: learned ones are deferred until [`Rib::open_gate`] (RFC 4724 §4.1).
    Restarting,
}

/// What a subscriber begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begin {
    /// What is there, then [`Record::Complete`](crate::feed::Record::Complete), then changes.
    Table,
    /// Changes from now on.
    Changes,
}

/// What a quantum left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunStatus {
    /// There is more to do: call again soon.
    More,
    /// Nothing until something comes in, a reader asks for the owner, or this time.
    Idle(Option<Timestamp>),
}

/// How much of a batch is taken in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ingested {
    /// All of it.
    All,
    /// There is more.
    Some,
}

/// Why a session could not begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SessionError {
    /// The peer was not added, or was removed.
    #[error("peer {0:?} is not known to the RIB")]
    UnknownPeer(PeerId),
    /// Too many sessions are named by routes.
    #[error("65536 sessions have routes; wait until those of ended ones are swept")]
    NoSource,
}

/// 65,535 peers are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("65535 peers are known to the RIB; remove some")]
pub struct NoPeerLeft;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Known {
    /// Configured.
    Used {
        /// Its session.
        session: Option<u32>,
    },
    /// Removed; routes or sources may still name it.
    Leaving,
}

/// The RIB of a speaker: both families.
#[derive(Debug)]
pub struct Rib {
    pub(crate) shared: Shared,
    pub(crate) v4: FamilyRib<Addr4>,
    pub(crate) v6: FamilyRib<Addr6>,
    peers: Vec<Known>,
    local: SourceInfo,
    turn: bool,
}

macro_rules! by_family {
    ($self:ident, $family:expr, $rib:ident, $shared:ident => $do:expr) => {{
        let Self { shared: $shared, v4, v6, .. } = $self;
        match $family {
            Family::IPV4_UNICAST => {
                let $rib = v4;
                Some($do)
            }
            Family::IPV6_UNICAST => {
                let $rib = v6;
                Some($do)
            }
            _ => None,
        }
    }};
}
macro_rules! both {
    ($self:ident, $rib:ident, $shared:ident => $do:expr) => {{
        let Self { shared: $shared, v4, v6, .. } = $self;
        {
            let $rib = v4;
            $do
        }
        {
            let $rib = v6;
            $do
        }
    }};
}

impl Rib {
    /// An empty RIB. `seed` keys the hashes of prefixes and attributes and has to be unpredictable for peers; it also
    /// goes into [`IngestContext`](crate::ingest::IngestContext).
    #[must_use]
    pub fn new(config: &RibConfig, seed: u64) -> Self {
        let local = SourceInfo {
            peer: PeerId::LOCAL,
            kind: SourceKind::Local,
            peer_asn: config.asn,
            local_asn: config.asn,
            bgp_id: config.bgp_id,
            peer_addr: IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            staleness: Staleness::Live,
        };
        let mut rib = Self {
            shared: Shared {
                attrs: AttrStore::new(config.resolve),
                decision: config.decision,
                seed,
                outputs: VecDeque::new(),
                attention: Arc::new(AtomicBool::new(false)),
                import: ImportScratch::default(),
                limits: config.bounds,
                refresh_time: crate::stale::REFRESH_TIME,
                now: Timestamp::ZERO,
            },
            v4: FamilyRib::new(seed, local),
            v6: FamilyRib::new(seed, local),
            peers: vec![Known::Used { session: None }],
            local,
            turn: false,
        };
        if config.start == Start::Restarting {
            rib.v4.gate = Gate::Closed;
            rib.v6.gate = Gate::Closed;
        }
        rib
    }

    /// Makes a peer known.
    ///
    /// # Errors
    /// All numbers are in use.
    pub fn add_peer(&mut self) -> Result<PeerId, NoPeerLeft> {
        let (v4, v6) = (&mut self.v4, &mut self.v6);
        let numbered = self.peers.iter_mut().enumerate().filter_map(|(i, k)| Some((u16::try_from(i).ok()?, k)));
        for (i, known) in numbered {
            let reusable = match known {
                Known::Used { .. } => false,
                Known::Leaving => !v4.names(PeerId(i)) && !v6.names(PeerId(i)),
            };
            if reusable {
                // Counts of whoever had the number before.
                v4.forget_peer(PeerId(i));
                v6.forget_peer(PeerId(i));
                self.shared.attrs.forgive(PeerId(i));
                *known = Known::Used { session: None };
                return Ok(PeerId(i));
            }
        }
        let id = u16::try_from(self.peers.len()).map_err(|_| NoPeerLeft)?;
        self.peers.push(Known::Used { session: None });
        Ok(PeerId(id))
    }

    /// Forgets a peer; what it sent goes.
    pub fn remove_peer(&mut self, now: Timestamp, peer: PeerId) {
        self.shared.now = now;
        if peer == PeerId::LOCAL || !matches!(self.known(peer), Some(Known::Used { .. })) {
            return;
        }
        both!(self, rib, shared => {
            rib.session_down(shared, peer, DownMode::Discard);
            rib.sweep_old(peer);
        });
        if let Some(known) = self.peers.get_mut(usize::from(peer.0)) {
            *known = Known::Leaving;
        }
    }

    fn known(&self, peer: PeerId) -> Option<Known> {
        self.peers.get(usize::from(peer.0)).copied()
    }

    fn is_current(&self, id: SessionId) -> bool {
        id.peer != PeerId::LOCAL && self.known(id.peer) == Some(Known::Used { session: Some(id.serial) })
    }

    /// A session is established. An older one of the peer that was not ended is.
    ///
    /// # Errors
    /// The peer is unknown, or too many sessions have routes.
    pub fn peer_up(
        &mut self,
        now: Timestamp,
        id: SessionId,
        params: &SessionParams,
    ) -> Result<SessionHandles, SessionError> {
        self.shared.now = now;
        let Some(Known::Used { session }) = self.known(id.peer).filter(|_| id.peer != PeerId::LOCAL) else {
            return Err(SessionError::UnknownPeer(id.peer));
        };
        if let Some(serial) = session {
            self.peer_down(now, SessionId { peer: id.peer, serial }, &[]);
        }
        self.peers[usize::from(id.peer.0)] = Known::Used { session: Some(id.serial) };
        self.shared.attrs.ledger.begin(id.peer);
        if !self.v4.has_paths_of(id.peer) && !self.v6.has_paths_of(id.peer) {
            self.shared.attrs.forgive(id.peer);
        }
        let info = SourceInfo {
            peer: id.peer,
            kind: params.kind,
            peer_asn: params.peer_asn,
            local_asn: params.local_asn,
            bgp_id: params.bgp_id,
            peer_addr: params.peer_addr,
            staleness: Staleness::Live,
        };
        // RFC 4724 §4.2: families that the new session has not got keep nothing.
        for family in Family::SUPPORTED {
            if !params.families.iter().any(|f| f.export.family == family) {
                by_family!(self, family, rib, _shared => rib.sweep_old(id.peer));
            }
        }
        let mut readers = Vec::new();
        for f in &params.families {
            let reader = by_family!(self, f.export.family, rib, shared => rib.session_up(shared, info, f));
            match reader {
                Some(Ok(reader)) => readers.push((f.export.family, reader)),
                Some(Err(e)) => {
                    self.peer_down(now, id, &[]);
                    return Err(e);
                }
                None => {}
            }
        }
        Ok(SessionHandles { id, readers })
    }

    /// A session ended. Families that are not named lose their routes. Ignored when it is not the peer's present one.
    pub fn peer_down(&mut self, now: Timestamp, id: SessionId, families: &[(Family, DownMode)]) {
        self.shared.now = now;
        if !self.is_current(id) {
            return;
        }
        for family in Family::SUPPORTED {
            let mode = families.iter().find(|f| f.0 == family).map_or(DownMode::Discard, |f| f.1);
            by_family!(self, family, rib, shared => rib.session_down(shared, id.peer, mode));
        }
        self.peers[usize::from(id.peer.0)] = Known::Used { session: None };
    }

    /// Routes of a session. Those of an older one are ignored.
    pub fn ingest(&mut self, now: Timestamp, id: SessionId, batch: &Batch) {
        let mut at = BatchPosition::default();
        while self.ingest_some(now, id, batch, &mut at, usize::MAX) == Ingested::Some {}
    }

    /// About `most` routes of a session's batch from `at` on, which is moved: a large batch is taken in pieces, so that
    /// what others sent does not wait for all of it. Between the pieces, nothing else that the session did may be told.
    pub fn ingest_some(
        &mut self,
        now: Timestamp,
        id: SessionId,
        batch: &Batch,
        at: &mut BatchPosition,
        most: usize,
    ) -> Ingested {
        self.shared.now = now;
        if !self.is_current(id) {
            return Ingested::All;
        }
        let mut most = most;
        while let Some(entry) = batch.entry(*at) {
            if most == 0 {
                return Ingested::Some;
            }
            let mut whole = usize::MAX;
            let left = if batch.is_cut(entry) { &mut most } else { &mut whole };
            let (of, taken) = ((batch, entry), at.octets());
            let rest = by_family!(self, entry.family, rib, shared => rib.ingest(shared, id.peer, of, taken, left));
            match rest {
                Some(rest) if *left == 0 && rest > 0 => *at = at.within_entry(batch.octets(entry) - rest),
                Some(_) | None => *at = at.next_entry(),
            }
        }
        Ingested::All
    }

    /// The peer, or an operator, asks for all routes to be sent again (RFC 2918).
    pub fn refresh(&mut self, now: Timestamp, id: SessionId, family: Family) {
        self.shared.now = now;
        if self.is_current(id) {
            by_family!(self, family, rib, shared => {
                if let Some(member) = rib.peer(id.peer).and_then(|p| p.member) {
                    rib.refresh(shared, member);
                }
            });
        }
    }

    /// The parameters of a running session change: policies and limits are applied to what is there, without asking
    /// the peer. What is agreed in OPEN has to be the same as before.
    pub fn update_session(&mut self, now: Timestamp, id: SessionId, params: &SessionParams) {
        self.shared.now = now;
        if !self.is_current(id) {
            return;
        }
        for f in &params.families {
            by_family!(self, f.export.family, rib, shared => rib.session_changed(shared, id.peer, f));
        }
    }

    /// The stale routes of a peer have had their time: they go (RFC 4724 §4.2).
    pub fn sweep_stale(&mut self, now: Timestamp, peer: PeerId, family: Family) {
        self.shared.now = now;
        by_family!(self, family, rib, _shared => rib.sweep_old(peer));
    }

    /// The stale routes of a peer become long-lived stale (RFC 9494 §4.2).
    pub fn become_long_lived(&mut self, now: Timestamp, peer: PeerId, family: Family) {
        self.shared.now = now;
        by_family!(self, family, rib, _shared => rib.become_long_lived(peer));
    }

    /// Our AS and BGP Identifier, which local routes have as their source. Sessions learn of another one by beginning anew,
    /// so what was sent needs no second look.
    pub fn set_identity(&mut self, now: Timestamp, asn: Asn, bgp_id: BgpId) {
        self.shared.now = now;
        let local = SourceInfo { peer_asn: asn, local_asn: asn, bgp_id, ..self.local };
        if local != self.local {
            self.local = local;
            both!(self, rib, _shared => *rib.sources.info_mut(crate::route::SourceId::LOCAL) = local);
        }
    }

    /// Other options of the decision process: all destinations are decided anew.
    pub fn set_decision(&mut self, now: Timestamp, decision: DecisionOptions) {
        self.shared.now = now;
        if self.shared.decision != decision {
            both!(self, rib, shared => rib.decide_all(shared));
            self.shared.decision = decision;
        }
    }

    /// How long routes that a peer has not sent again since it began a refresh are kept when its end does not come
    /// (RFC 7313 §4); for refreshes that begin from now on.
    pub fn set_refresh_time(&mut self, time: std::time::Duration) {
        self.shared.refresh_time = time;
    }

    /// Originates a route with the attributes of a canonical block, or changes them. Attributes that are longer than a
    /// message are ignored.
    pub fn originate(&mut self, now: Timestamp, prefix: Prefix, block: &[u8]) {
        self.shared.now = now;
        let Ok(attr) = self.shared.attrs.intern_own(block, self.shared.seed, PeerId::LOCAL) else { return };
        by_family!(self, prefix.family(), rib, shared => rib.originate(shared, prefix, attr));
        self.shared.attrs.release(attr);
    }

    /// Originates a route no more.
    pub fn retract(&mut self, now: Timestamp, prefix: Prefix) {
        self.shared.now = now;
        by_family!(self, prefix.family(), rib, shared => rib.retract(shared, prefix));
    }

    /// What became known of next hops; the destinations behind those that changed are decided anew.
    pub fn next_hops(&mut self, now: Timestamp, events: &[NextHopEvent]) {
        self.shared.now = now;
        for &event in events {
            // The paths that were sent are told by the costs that were in force.
            both!(self, rib, shared => rib.before_next_hop(shared, event.next_hop));
            if let Some(hop) = self.shared.attrs.next_hops.handle(event) {
                both!(self, rib, _shared => rib.begin_next_hop_pass(hop));
            }
        }
    }

    /// Whether next hops are resolved from now on.
    ///
    /// Nothing is lost when resolution begins: next hops in use are told by [`Output::NextHop`] and stay reachable at no
    /// cost until an event says otherwise. When it ends all are reachable, and [`Output::NextHop`] says of all that they
    /// are watched no more.
    pub fn set_resolve(&mut self, now: Timestamp, resolve: Resolve) {
        self.shared.now = now;
        if self.shared.attrs.next_hops.resolve() == resolve {
            return;
        }
        both!(self, rib, shared => rib.keep_ranks(shared));
        for hop in self.shared.attrs.next_hops.set_resolve(resolve) {
            both!(self, rib, _shared => rib.begin_next_hop_pass(hop));
        }
    }

    /// Learned routes need wait no longer: all peers sent End-of-RIB, or the deferral timer fired (RFC 4724 §4.1).
    pub fn open_gate(&mut self, now: Timestamp, family: Family) {
        self.shared.now = now;
        by_family!(self, family, rib, _shared => rib.open_gate());
    }

    /// Subscribes to the changes of a family's best paths, or of all that share traffic. The peer is what wake-ups name, and what
    /// [`unsubscribe`](Self::unsubscribe) takes. A reader that falls behind gets the present state of what changed
    /// meanwhile; one that stays away for long is named by [`Output::Reset`].
    ///
    /// # Errors
    /// All numbers of peers are in use.
    pub fn subscribe(
        &mut self,
        now: Timestamp,
        family: Family,
        begin: Begin,
        paths: Paths,
    ) -> Result<(PeerId, JournalReader), NoPeerLeft> {
        self.shared.now = now;
        let peer = self.add_peer()?;
        let reader = by_family!(self, family, rib, shared => {
            let (member, reader) = rib.join(shared, peer, GroupKind::Feed(paths), RefreshMode::Plain, None);
            rib.note_subscriber(peer, member);
            match begin {
                Begin::Table => {}
                Begin::Changes => rib.owe_nothing(member),
            }
            reader
        });
        reader.map(|r| (peer, r)).ok_or(NoPeerLeft)
    }

    /// Sends nothing more to a subscriber, whose number stays in use until [`unsubscribe`](Self::unsubscribe).
    pub fn close_subscription(&mut self, now: Timestamp, peer: PeerId) {
        self.shared.now = now;
        both!(self, rib, shared => rib.session_down(shared, peer, DownMode::Discard));
    }

    /// Ends a subscription.
    pub fn unsubscribe(&mut self, now: Timestamp, peer: PeerId) {
        self.remove_peer(now, peer);
    }

    /// One quantum of work: at most about `max_slots` destinations are flushed, then a step of each walk and sweep that
    /// is under way.
    pub fn run(&mut self, now: Timestamp, max_slots: usize) -> RunStatus {
        self.shared.now = now;
        let looked = self.shared.attention.swap(false, Ordering::SeqCst);
        self.turn = !self.turn;
        let max = max_slots.clamp(1, FLUSH_SLOTS);
        let Self { shared, v4, v6, .. } = self;
        let statuses = if self.turn {
            [v4.run(shared, max, looked), v6.run(shared, max, looked)]
        } else {
            [v6.run(shared, max, looked), v4.run(shared, max, looked)]
        };
        shared.report_next_hops();
        let compacting = shared.attrs.compact();
        match statuses {
            [RunStatus::Idle(a), RunStatus::Idle(b)] if !compacting => RunStatus::Idle(match (a, b) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            }),
            [RunStatus::Idle(_) | RunStatus::More, RunStatus::Idle(_) | RunStatus::More] => RunStatus::More,
        }
    }

    /// The next thing to pass on; to be called until there is none after every call of anything else.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.shared.outputs.pop_front()
    }

    /// What local routes come from.
    #[must_use]
    pub const fn local(&self) -> &SourceInfo {
        &self.local
    }
}

impl Shared {
    fn report_next_hops(&mut self) {
        while let Some((next_hop, usage)) = self.attrs.next_hops.poll() {
            self.outputs.push_back(Output::NextHop { next_hop, usage });
        }
    }
}

impl<A: Addr> FamilyRib<A> {
    fn names(&self, peer: PeerId) -> bool {
        self.sources.names(peer) || self.members.iter().flatten().any(|m| m.peer == peer)
    }

    fn has_paths_of(&self, peer: PeerId) -> bool {
        self.peer(peer).is_some_and(|p| p.paths > 0)
    }

    fn forget_peer(&mut self, peer: PeerId) {
        if let Some(slot) = self.peers.get_mut(usize::from(peer.0)) {
            *slot = None;
        }
    }

    fn peer_slot(&mut self, peer: PeerId) -> &mut Option<Box<PeerFamily>> {
        let at = usize::from(peer.0);
        if at >= self.peers.len() {
            self.peers.resize_with(at + 1, || None);
        }
        &mut self.peers[at]
    }

    fn session_up(
        &mut self,
        shared: &mut Shared,
        info: SourceInfo,
        params: &FamilyParams,
    ) -> Result<JournalReader, SessionError> {
        let source = self.sources.add(info).map_err(|_| SessionError::NoSource)?;
        if params.retained == Retained::Discard {
            self.sweep_old(info.peer);
        }
        let (member, reader) = self.join(shared, info.peer, Self::kind(params), params.refresh, params.limit_out);
        let import = Arc::clone(&params.import);
        let p = self.peer_slot(info.peer).get_or_insert_with(|| Box::new(PeerFamily::new(Arc::clone(&import))));
        p.source = Some(source);
        (p.updates, p.withdraws, p.guarded) = (Row::default(), Row::default(), None);
        p.import = import;
        p.member = Some(member);
        p.limit = params.limit_in;
        self.check_out_limits(shared);
        Ok(reader)
    }

    fn kind(params: &FamilyParams) -> GroupKind {
        GroupKind::Peers {
            key: Arc::new(params.export.clone().canonical()),
            default_originate: params.default_originate,
        }
    }

    fn note_subscriber(&mut self, peer: PeerId, member: u32) {
        let context = EvalContext { own_asn: Asn(0), self_next_hop: None };
        let accept = Arc::new(ImportSettings {
            guard: None,
            policy: PolicyChain::accept_all(),
            prepend: None,
            graceful_shutdown: GracefulShutdown::Ignore,
            context,
        });
        let p = self.peer_slot(peer).get_or_insert_with(|| Box::new(PeerFamily::new(accept)));
        p.member = Some(member);
    }

    fn session_changed(&mut self, shared: &mut Shared, peer: PeerId, params: &FamilyParams) {
        let Some(p) = self.peer_mut(peer) else { return };
        p.limit = params.limit_in;
        let over = params.limit_in.is_some_and(|l| p.living() > l.max);
        if !over {
            p.exceeded = false;
        }
        let import = !Arc::ptr_eq(&p.import, &params.import);
        p.import = Arc::clone(&params.import);
        let (member, count) = (p.member, p.living());
        if let Some(limit) = params.limit_in.filter(|_| over) {
            shared.outputs.push_back(Output::LimitExceeded { peer, family: A::FAMILY, count, limit });
        }
        if import {
            self.begin_pass(Task::Import(peer));
        }
        if let Some(member) = member {
            self.set_limit_out(shared, member, params.limit_out);
            self.regroup(shared, member, Self::kind(params));
        }
    }

    /// Other options are about to be in force.
    fn decide_all(&mut self, shared: &mut Shared) {
        self.keep_ranks(shared);
        self.begin_pass(Task::Decide);
    }

    /// What ranks depend on is about to change: where the best so many paths are sent, what was sent is kept aside.
    fn keep_ranks(&mut self, shared: &mut Shared) {
        if self.rank_depth > 1 {
            self.decide_range(shared, 0, u32::MAX);
        }
    }

    fn open_gate(&mut self) {
        if self.gate == Gate::Closed {
            self.gate = if self.dirty.len() == 0 { Gate::Open } else { Gate::Opening };
            self.look_at_members = true;
        }
    }

    /// Whether readers keep up well enough for more: single routes do not wait for full journals, tables do.
    fn readers_have_room(&mut self, shared: &Shared) -> bool {
        (self.dirty.has_urgent() || !self.journals_are_full(shared.limits.journals_full))
            && self.half_keeps_up(shared.limits.low)
    }

    /// A quantum.
    fn run(&mut self, shared: &mut Shared, max: usize, looked: bool) -> RunStatus {
        if looked || std::mem::take(&mut self.look_at_members) {
            self.look_at_members(shared);
        }
        self.end_late_refreshes(shared);
        let mut worked = false;
        self.dirty.mature(shared.now, shared.limits.gathering);
        if self.dirty.len() > 0 && (self.has_waited(shared) || self.readers_have_room(shared)) {
            worked |= self.flush_some(shared, max) > 0;
        }
        let groups = self.groups.len();
        for i in 0..groups {
            let group = (self.walk_rotor + i) % groups;
            worked |= self.walk(shared, u32::try_from(group).unwrap_or(u32::MAX));
        }
        self.walk_rotor = self.walk_rotor.wrapping_add(1);
        worked |= self.pass(shared);
        self.end_opening();
        for group in 0..groups {
            worked |= self.count_exported(shared, u32::try_from(group).unwrap_or(u32::MAX));
        }
        if worked || self.look_at_members {
            return RunStatus::More;
        }
        // Before it rests, the owner says at which positions of the members it wants to be woken.
        self.look_at_members(shared);
        if std::mem::take(&mut self.look_at_members) || shared.attention.load(Ordering::SeqCst) {
            self.look_at_members = true;
            return RunStatus::More;
        }
        self.check_bounds(shared);
        if self.dirty.len() > 0 && self.journals_are_full(shared.limits.journals_full) && self.await_room() {
            self.look_at_members = true;
            return RunStatus::More;
        }
        if self.await_step() {
            self.look_at_members = true;
            return RunStatus::More;
        }
        // Those that wait for later have their turn no sooner because another one waited.
        let in_turn = self.gate != Gate::Closed && self.dirty.has_present();
        let patience = self.dirty.since().filter(|_| in_turn).map(|s| s + shared.limits.patience);
        let gathered = self.dirty.matures(shared.limits.gathering);
        let deadlines = [patience, gathered, self.refresh_deadline(), self.step_deadline()];
        RunStatus::Idle(deadlines.into_iter().flatten().min())
    }
}

impl PeerFamily {
    fn new(import: Arc<ImportSettings>) -> Self {
        Self {
            source: None,
            old: smallvec::SmallVec::new(),
            import,
            member: None,
            limit: None,
            paths: 0,
            dead: 0,
            barred: 0,
            rejected: 0,
            eligible: 0,
            best: 0,
            updates: Row::default(),
            withdraws: Row::default(),
            guarded: None,
            warned: false,
            exceeded: false,
            complete: false,
            refresh: None,
        }
    }
}

#[cfg(test)]
mod tests;
