//! The RIB among peers that send and receive, and what is true of their routes.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::marker::PhantomData;
use std::sync::Arc;

use heddle_bgp_core::attr::block::push_attr;
use heddle_bgp_core::attr::{AttrCode, NextHop};
use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::{BgpId, ClusterId, PathId, Prefix, Timestamp};
use smallvec::smallvec;

use batch::Piece;

use super::OWN;
use super::peer::{Receiver, Routes};
use super::random::Random;
use crate::decision::{DecisionOptions, Reason};
use crate::export::{AddPathSend, ExportKey, Receiver as ExportReceiver};
use crate::feed::Paths;
use crate::ingest::{BatchBuilder, IngestContext};
use crate::journal::{Progress, TakeStatus};
use crate::nexthop::Resolve;
use crate::policy::{
    Action, CommunityEdit, CommunityList, EvalContext, GracefulShutdown, ImportSettings, Match, NumberEdit, Policy,
    PolicyChain, Quantifier, Rule, Then,
};
use crate::query::{Cursor, Reading, Scope, Standing, View};
use crate::rib::{Begin, Bounds, Output, Rib, RibConfig, RunStatus, Start, Usage};
use crate::route::{PeerId, SourceId, SourceKind};

use crate::session::{DefaultOriginate, DownMode, FamilyParams, RefreshMode, Retained, SessionId, SessionParams};

mod batch;
mod multipath;
mod side;

pub(super) use side::Side;

const PEERS: usize = 5;
const SEED: u64 = 7;
/// Next hops that routes have.
const HOPS: usize = 4;
/// How many prefixes a window has that moves.
const MOVING: usize = 16;
/// The attribute that the import policy of some rejects.
const UNWANTED: u32 = 4;

/// A route that a source has: attribute, version, whether it is stale or long-lived stale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Truth {
    attr: u32,
    version: u32,
    stale: bool,
    llgr: bool,
}

#[derive(Debug)]
struct Peer {
    id: PeerId,
    serial: u32,
    bgp_id: u32,
    up: bool,
    policy: usize,
    add_path: AddPathSend,
    refresh: RefreshMode,
    rejects: bool,
    default_originate: DefaultOriginate,
    refreshing: bool,
    sends_ids: bool,
    receiver: Option<Receiver>,
}

#[derive(Debug)]
pub(super) struct World<A> {
    random: Random,
    rib: Rib,
    now: Timestamp,
    peers: Vec<Peer>,
    feed: Receiver,
    /// A reader of all paths that share traffic, at times.
    multipath: Option<(PeerId, Receiver)>,
    decision: DecisionOptions,
    resolve: Resolve,
    /// Costs of the next hops, none where one is unreachable: what whoever resolves knows.
    costs: [Option<u32>; HOPS],
    /// (prefix, peer or [`PEERS`] for our own, received Path Identifier).
    truth: BTreeMap<(usize, usize, u32), Truth>,
    /// Prefixes are from a window of so many, and where it begins: when it moves on, slots are freed and used again.
    prefixes: usize,
    window: usize,
    /// Nobody is sent more than the best path, and many paths are as good as others.
    plain: bool,
    version: u32,
    versioned: bool,
    wrote: bool,
    /// Sources that are dead and not swept, with the number of the last batch before they died.
    dead: BTreeMap<SourceId, u32>,
    /// Versions of routes whose source died: what is written from then on has none of them.
    gone: BTreeSet<u32>,
    family: PhantomData<A>,
}

/// Three policies: all as it is; differences hidden; some rejected, and one prefix too.
fn export_policy<A: Side>(number: usize) -> PolicyChain {
    let community = |k: u32| {
        Match::Communities(Arc::new(
            CommunityList::parse(Quantifier::Any, [format!("65000:{k}").as_str()]).expect("a community"),
        ))
    };
    let rule = |matches, actions, then| Rule { matches, actions, then };
    let rules = match number {
        0 => return PolicyChain::accept_all(),
        1 => vec![rule(
            vec![],
            vec![
                Action::LocalPref(NumberEdit::Set(50)),
                Action::RemoveMed,
                Action::Communities(CommunityEdit::set([]).expect("no community")),
            ],
            Then::Accept,
        )],
        _ => vec![
            rule(vec![Match::AnyOf([0, 3, 6].map(community).into())], vec![], Then::Reject),
            rule(
                vec![
                    Match::Prefix(Arc::new(
                        [crate::policy::PrefixRange::parse(&A::nth(1).to_string()).expect("a range")]
                            .into_iter()
                            .collect(),
                    )),
                    community(1),
                ],
                vec![],
                Then::Reject,
            ),
        ],
    };
    PolicyChain::new([Arc::new(Policy { name: format!("export {number}"), rules, default: Then::Accept })])
}

fn import(rejects: bool) -> Arc<ImportSettings> {
    let list = CommunityList::parse(Quantifier::Any, ["65000:4"]).expect("a community");
    let rules = vec![Rule { matches: vec![Match::Communities(Arc::new(list))], actions: vec![], then: Then::Reject }];
    let policy = Policy { name: "import".into(), rules, default: Then::Accept };
    Arc::new(ImportSettings {
        guard: None,
        policy: if rejects { PolicyChain::new([Arc::new(policy)]) } else { PolicyChain::accept_all() },
        prepend: None,
        graceful_shutdown: GracefulShutdown::Ignore,
        context: EvalContext { own_asn: OWN, self_next_hop: None },
    })
}

impl Peer {
    fn session(&self) -> SessionId {
        SessionId { peer: self.id, serial: self.serial }
    }

    fn params<A: Side>(&self) -> SessionParams {
        let mut export = ExportKey::new(A::FAMILY, ExportReceiver::Client, OWN);
        export.policy = export_policy::<A>(self.policy);
        export.add_path = self.add_path;
        export.cluster_id = ClusterId(99);
        export.self_next_hop.v4 = Some([192, 0, 2, 99].into());
        export.self_next_hop.v6 = Some([0x2001, 0xdb8, 0, 0, 0, 0, 0, 99].into());
        SessionParams {
            kind: SourceKind::Client,
            peer_asn: OWN,
            local_asn: OWN,
            bgp_id: BgpId(self.bgp_id),
            peer_addr: std::net::Ipv4Addr::from(self.bgp_id).into(),
            families: vec![FamilyParams {
                export,
                default_originate: self.default_originate,
                import: import(self.rejects),
                refresh: self.refresh,
                limit_in: None,
                limit_out: None,
                retained: Retained::Keep,
            }],
        }
    }

    fn path_ids(&self) -> PathIds {
        if self.add_path == AddPathSend::Off { PathIds::Absent } else { PathIds::Present }
    }

    fn builder(&self) -> BatchBuilder {
        BatchBuilder::new(IngestContext {
            kind: SourceKind::Client,
            own_asns: smallvec![OWN],
            allow_own_as: 0,
            bgp_id: BgpId(99),
            cluster_id: ClusterId(99),
            seed: SEED,
        })
    }
}

impl<A: Side> World<A> {
    pub(super) fn new(mut random: Random) -> Self {
        let journal_bytes = [4000, 9000, 20000][random.below(3)];
        let config = RibConfig {
            asn: OWN,
            bgp_id: BgpId(99),
            decision: DecisionOptions::default(),
            resolve: Resolve::Off,
            bounds: Bounds {
                journal_bytes,
                journals_bytes: journal_bytes * 3,
                journals_full: [journal_bytes / 2, journal_bytes * 3 / 2][random.below(2)],
                tombstones: 1000,
                patience: std::time::Duration::from_millis(50),
                low: [300, 1500, 100_000][random.below(3)],
                step_slots: [1, 2, 3, 4096][random.below(4)],
                step_bytes: 1000,
                small_batch: [0, 512][random.below(2)],
                ..Bounds::default()
            },
            start: Start::Fresh,
        };
        let mut rib = Rib::new(&config, SEED);
        let now = Timestamp::from_secs(1);
        let (_, reader) = rib.subscribe(now, A::FAMILY, Begin::Table, Paths::Best).expect("a number is free");
        let mut world = Self {
            prefixes: [4, 7, 16][random.below(3)],
            window: 0,
            versioned: random.one_in(2),
            plain: random.one_in(3),
            random,
            rib,
            now,
            peers: Vec::new(),
            feed: Receiver::new(reader, 0, PathIds::Absent, true),
            multipath: None,
            decision: DecisionOptions::default(),
            resolve: Resolve::Off,
            costs: [Some(0); HOPS],
            truth: BTreeMap::new(),
            version: 0,
            wrote: false,
            dead: BTreeMap::new(),
            gone: BTreeSet::new(),
            family: PhantomData,
        };
        for i in 0..PEERS {
            let peer = Peer {
                id: world.rib.add_peer().expect("a number is free"),
                serial: 0,
                bgp_id: u32::try_from(i).expect("few") + 1,
                up: false,
                policy: 0,
                add_path: AddPathSend::Off,
                refresh: RefreshMode::Plain,
                rejects: false,
                default_originate: DefaultOriginate::Off,
                refreshing: false,
                sends_ids: false,
                receiver: None,
            };
            world.peers.push(peer);
            world.session_up(i);
        }
        world
    }

    /// Everything that the choices say was done.
    pub(super) fn is_spent(&self) -> bool {
        self.random.is_spent()
    }

    fn session_up(&mut self, i: usize) {
        let r = &mut self.random;
        let p = &mut self.peers[i];
        p.serial += 1;
        p.policy = r.below(3);
        let add_path = [AddPathSend::Off, AddPathSend::Off, AddPathSend::All, AddPathSend::Best(2)][r.below(4)];
        p.add_path = if self.plain { AddPathSend::Off } else { add_path };
        p.refresh = [RefreshMode::Plain, RefreshMode::Enhanced][r.below(2)];
        p.rejects = r.one_in(4);
        p.default_originate = if r.one_in(5) { DefaultOriginate::On } else { DefaultOriginate::Off };
        p.refreshing = false;
        p.sends_ids = r.one_in(3);
        p.up = true;
        let mut handles = self.rib.peer_up(self.now, p.session(), &p.params::<A>()).expect("the peer is known");
        let (_, reader) = handles.readers.pop().expect("one family");
        let mut receiver = Receiver::new(reader, p.bgp_id, p.path_ids(), false);
        receiver.gone.clone_from(&self.gone);
        p.receiver = Some(receiver);
    }

    /// Which next hop a path has: two of a source have others, and sources share them.
    fn hop_of(source: usize, rx: u32) -> usize {
        (source + rx as usize) % HOPS
    }
    fn hop(n: usize) -> Vec<u8> {
        [A::NEXT_HOP, &[u8::try_from(n).expect("few") + 1]].concat()
    }

    fn block(&self, attr: u32, version: u32, source: usize, rx: u32) -> Vec<u8> {
        let mut block = Vec::new();
        push_attr(&mut block, 0x40, AttrCode::ORIGIN, &[0]);
        push_attr(&mut block, 0x40, AttrCode::AS_PATH, &[]);
        if source < PEERS {
            push_attr(&mut block, 0x40, AttrCode::NEXT_HOP, &Self::hop(Self::hop_of(source, rx)));
        }
        if self.versioned {
            push_attr(&mut block, 0x80, AttrCode::MULTI_EXIT_DISC, &version.to_be_bytes());
        }
        push_attr(&mut block, 0x40, AttrCode::LOCAL_PREF, &(100 + attr).to_be_bytes());
        let communities = [65000_u32 << 16 | attr, 65001_u32 << 16 | rx].map(u32::to_be_bytes);
        push_attr(&mut block, 0xc0, AttrCode::COMMUNITIES, communities.as_flattened());
        block
    }

    fn attribute(&mut self) -> u32 {
        let of = if self.plain { 2 } else { 9 };
        u32::try_from(self.random.below(of)).expect("few")
    }

    fn local(&mut self, p: usize) {
        if self.random.one_in(2) {
            self.version += 1;
            let attr = self.attribute();
            let block = self.block(attr, self.version, PEERS, 0);
            self.rib.originate(self.now, A::nth(p), &block);
            self.truth.insert((p, PEERS, 0), Truth { attr, version: self.version, stale: false, llgr: false });
        } else {
            self.rib.retract(self.now, A::nth(p));
            self.truth.remove(&(p, PEERS, 0));
        }
    }

    fn session_ends(&mut self, i: usize) {
        let mode = [DownMode::Discard, DownMode::KeepStale, DownMode::KeepLongLived][self.random.below(3)];
        self.rib.peer_down(self.now, self.peers[i].session(), &[(A::FAMILY, mode)]);
        self.peers[i].up = false;
        self.peers[i].receiver = None;
        match mode {
            DownMode::Discard => self.bury(|k, _| k.1 == i),
            DownMode::KeepStale => self.each_of(i, |t| t.stale = true),
            DownMode::KeepLongLived => self.each_of(i, |t| (t.stale, t.llgr) = (true, true)),
        }
    }

    fn each_of(&mut self, i: usize, f: impl Fn(&mut Truth)) {
        self.truth.iter_mut().filter(|(k, _)| k.1 == i).for_each(|(_, t)| f(t));
    }
    fn sweep_truth(&mut self, i: usize) {
        self.bury(|k, t| k.1 == i && t.stale);
    }
    /// The sources of these routes are dead.
    fn bury(&mut self, dead: impl Fn(&(usize, usize, u32), &Truth) -> bool) {
        let gone = self.truth.extract_if(.., |k, t| dead(k, t));
        self.gone.extend(gone.map(|(_, t)| t.version));
    }

    /// B.7: a source is dead at once. A destination that still has a path of it was not decided since.
    fn check_dead(&mut self) {
        let rib = A::rib(&self.rib);
        let dead: BTreeSet<SourceId> = rib.sources.iter().map(|s| s.0).filter(|&s| rib.sources.is_dead(s)).collect();
        self.dead.retain(|s, _| dead.contains(s));
        for &source in &dead {
            self.dead.entry(source).or_insert(rib.generation);
        }
        for slot in (0..rib.table.slots()).filter(|&s| !rib.dirty.is_set(s)) {
            let decided = rib.table.dest(slot).generation;
            for p in rib.table.paths(slot) {
                let died = self.dead.get(&p.source);
                assert!(died.is_none_or(|&d| decided <= d), "{} has a path of a dead source", rib.table.prefix(slot));
            }
        }
        assert!(rib.calm_groups_are_calm());
    }

    /// Something to do with the session of a peer.
    fn session_event(&mut self, i: usize) {
        if !self.peers[i].up {
            match self.random.below(4) {
                0 => {
                    self.rib.become_long_lived(self.now, self.peers[i].id, A::FAMILY);
                    self.each_of(i, |t| t.llgr |= t.stale);
                }
                1 => {
                    self.rib.sweep_stale(self.now, self.peers[i].id, A::FAMILY);
                    self.sweep_truth(i);
                }
                _ => self.session_up(i),
            }
            return;
        }
        match self.random.below(4) {
            0 => self.session_ends(i),
            1 => self.send(i, &[Piece::EndOfRib]),
            2 => self.send(i, &[Piece::BeginRefresh]),
            _ => self.send(i, &[Piece::EndRefresh]),
        }
    }

    fn write(&mut self, who: usize) {
        let max = [1, 50, 200, 5000][self.random.below(4)];
        let accepted = [1, 7, 60, 100_000][self.random.below(4)];
        let times = [1, 1, 3, 9][self.random.below(4)];
        let ready = !self.random.one_in(3);
        let receiver = match self.peers.get_mut(who) {
            Some(p) => p.receiver.as_mut(),
            None if who == PEERS => Some(&mut self.feed),
            None => self.multipath.as_mut().map(|m| &mut m.1),
        };
        let Some(receiver) = receiver else { return };
        for _ in 0..times {
            let (status, progress) = receiver.write(max, accepted);
            self.wrote |= status == TakeStatus::Taken || progress == Progress::WakeOwner;
            if status == TakeStatus::Detached && ready {
                self.wrote |= receiver.reader.ready() == Progress::WakeOwner;
            }
        }
    }

    fn run(&mut self) -> RunStatus {
        let max = [1, 2, 4096][self.random.below(3)];
        let status = self.rib.run(self.now, max);
        while let Some(output) = self.rib.poll_output() {
            if let Output::NextHop { next_hop, usage: Usage::Used } = output {
                let n =
                    (0..HOPS).find(|&n| NextHop::from_octets(&Self::hop(n)) == Some(next_hop)).expect("one of ours");
                self.tell_hop(n);
                continue;
            }
            let harmless = matches!(
                output,
                Output::WakeWriter { .. } | Output::EndOfRib { .. } | Output::NextHop { usage: Usage::Unused, .. }
            );
            assert!(harmless, "{output:?}");
        }
        status
    }

    pub(super) fn step(&mut self) {
        self.now = self.now + std::time::Duration::from_millis(self.random.below(20) as u64);
        let i = self.random.below(PEERS);
        match self.random.below(115) {
            0..38 if self.peers[i].up => {
                let piece = self.route(i);
                self.send(i, &[piece]);
            }
            38..41 => {
                let p = self.prefix();
                self.local(p);
            }
            41..62 => {
                self.run();
            }
            62..84 => {
                let who = self.random.below(PEERS + 2);
                self.write(who);
            }
            84..88 => self.detach(i),
            88..91 => self.rib.refresh(self.now, self.peers[i].session(), A::FAMILY),
            91..94 if self.peers[i].up => self.change_policy(i),
            94..99 => self.session_event(i),
            99 => {
                A::parts(&mut self.rib).0.renumber();
                let generation = A::rib(&self.rib).generation;
                self.dead.values_mut().for_each(|d| *d = generation);
            }
            100..109 => self.multipath_event(),
            109..113 if self.peers[i].up => self.several(i),
            113..115 if self.prefixes == MOVING => self.move_window(),
            _ => {}
        }
        self.check_dead();
    }

    fn change_policy(&mut self, i: usize) {
        let r = &mut self.random;
        let peer = &mut self.peers[i];
        peer.policy = r.below(3);
        peer.rejects = r.one_in(3);
        let params = peer.params::<A>();
        self.rib.update_session(self.now, self.peers[i].session(), &params);
    }

    fn detach(&mut self, i: usize) {
        let (rib, shared) = A::parts(&mut self.rib);
        if let Some(member) = rib.peer(self.peers[i].id).and_then(|p| p.member) {
            rib.detach(shared, member);
        }
    }

    /// Lets everybody write and the RIB work until nothing happens any more.
    pub(super) fn settle(&mut self) {
        for i in 0..PEERS {
            if !self.peers[i].up {
                self.session_up(i);
            }
            // What is stale was not sent again.
            if self.peers[i].refreshing {
                self.send(i, &[Piece::EndRefresh]);
            }
            self.send(i, &[Piece::EndOfRib]);
        }
        if self.multipath.is_none() {
            self.subscribe();
        }
        for _ in 0..20_000 {
            self.now = self.now + std::time::Duration::from_millis(60);
            self.wrote = false;
            let status = self.run();
            self.check_dead();
            for who in 0..PEERS + 2 {
                self.write(who);
            }
            let quiet = matches!(status, RunStatus::Idle(_)) && !self.wrote;
            if quiet && self.peers.iter().all(|p| p.receiver.as_ref().is_some_and(|r| r.complete)) && self.is_paid() {
                // Writers may have passed what was for others, of which the owner hears when it runs next.
                self.run();
                return;
            }
        }
        let members: Vec<_> = A::rib(&self.rib).members.iter().flatten().collect();
        panic!("never quiet: {members:#?} dirty {}", A::rib(&self.rib).dirty.len());
    }

    fn is_paid(&self) -> bool {
        let rib = A::rib(&self.rib);
        rib.members.iter().flatten().all(|m| m.attached && m.debt.is_none() && m.is_settled())
    }

    fn read(&self, view: View) -> Vec<crate::query::RouteInfo> {
        let mut out = Vec::new();
        let mut cursor = Cursor::default();
        for _ in 0..1000 {
            if self.rib.routes(Scope::All(A::FAMILY), view, &mut cursor, 2, &mut out) == Reading::Done {
                return out;
            }
        }
        panic!("the table has no end");
    }

    pub(super) fn check(&self) {
        self.check_table();
        for (i, p) in self.peers.iter().enumerate() {
            let receiver = p.receiver.as_ref().expect("all are up");
            let should: Routes = self
                .read(View::Advertised(p.id))
                .into_iter()
                .map(|r| ((r.prefix, r.path_id), self.on_the_wire(&r.block)))
                .collect();
            assert_eq!(receiver.has, should, "peer {i}: has, should have; {p:?}");
            let stats = self.rib.peer_stats(p.id);
            let advertised = stats.first().expect("one family").advertised;
            assert_eq!(advertised, should.len() as u64, "peer {i}: count of routes advertised; {p:?}");
            let c = stats.first().expect("one family").counters;
            for row in [c.import_updates, c.import_withdraws, c.export_updates] {
                let parts = row.rejected + row.filtered + row.ignored + row.accepted;
                assert_eq!(parts, row.received, "peer {i}: {c:?}");
            }
            // What a journal had when the peer fell out of it was counted, and never written.
            let told = (c.export_updates.accepted, c.export_withdraws.accepted);
            let came = (receiver.adverts, receiver.withdrawals);
            assert!(came.0 <= told.0 && came.1 <= told.1, "peer {i}: told {told:?}, came {came:?}");
            let received = stats.first().expect("one family").received;
            assert_eq!(received, self.truth.keys().filter(|k| k.1 == i).count() as u64, "peer {i}: count received");
        }
        let best: Routes = self
            .read(View::LocRib)
            .into_iter()
            .filter(|r| r.standing == Standing::Decided(Reason::Best))
            .map(|r| ((r.prefix, PathId(0)), r.block))
            .collect();
        assert_eq!(self.feed.has, best, "the feed: has, should have");
        assert_eq!(
            self.rib.stats().families.iter().find(|f| f.family == A::FAMILY).expect("both are told").best,
            best.len() as u64,
            "count of best paths"
        );
        assert!(self.feed.complete);
        self.check_multipath();
        assert_eq!(A::rib(&self.rib).tombstones.len(), 0, "a tombstone is left");
        assert_eq!(A::rib(&self.rib).sources.iter().count(), PEERS + 1, "a source is left");
    }

    /// Decoding normalises nothing that is in these blocks.
    fn on_the_wire(&self, block: &[u8]) -> Vec<u8> {
        block.to_vec()
    }

    fn check_table(&self) {
        let table: BTreeSet<(Prefix, u32, u32, Vec<u8>)> = self
            .read(View::LocRib)
            .into_iter()
            .map(|r| (r.prefix, r.source.bgp_id.0, r.path_id.0, r.received.unwrap_or(r.block)))
            .collect();
        let truth: BTreeSet<(Prefix, u32, u32, Vec<u8>)> = self
            .truth
            .iter()
            .map(|(&(p, i, rx), t)| {
                let bgp_id = self.peers.get(i).map_or(99, |p| p.bgp_id);
                (A::nth(p), bgp_id, rx, self.block(t.attr, t.version, i, rx))
            })
            .collect();
        assert_eq!(table, truth, "the table: has, should have");
        for p in 0..self.window + self.prefixes {
            let wanted = self.truth.iter().filter(|(k, t)| k.0 == p && self.is_wanted(k, t));
            let best = wanted.max_by_key(|(k, t)| (self.rank(k, t), Reverse(k.1), Reverse(k.2)));
            let shown = self.rib_best(A::nth(p));
            assert_eq!(shown, best.map(|(k, t)| self.block(t.attr, t.version, k.1, k.2)), "best path of {}", A::nth(p));
        }
    }

    /// Whether a path takes part: import policy wants it, and its next hop is reachable.
    fn is_wanted(&self, k: &(usize, usize, u32), t: &Truth) -> bool {
        let Some(peer) = self.peers.get(k.1) else { return true };
        let reachable = self.resolve == Resolve::Off || self.costs[Self::hop_of(k.1, k.2)].is_some();
        reachable && !(t.attr == UNWANTED && peer.rejects)
    }

    /// LOCAL_PREF first, then our own, then the lowest MED, as without a neighbouring AS all are of one; then the cost.
    /// Nothing is stale in the end. The lowest identifiers decide between equal ones.
    fn rank(&self, k: &(usize, usize, u32), t: &Truth) -> (u32, bool, Reverse<u32>, Reverse<u32>) {
        let own = k.1 == PEERS;
        let cost = match self.resolve {
            Resolve::On if !own => self.costs[Self::hop_of(k.1, k.2)].unwrap_or(u32::MAX),
            Resolve::On | Resolve::Off => 0,
        };
        (t.attr, own, Reverse(if self.versioned { t.version } else { 0 }), Reverse(cost))
    }

    fn rib_best(&self, prefix: Prefix) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        self.rib.routes(Scope::Exact(prefix), View::LocRib, &mut Cursor::default(), 1, &mut out);
        out.into_iter().find(|r| r.standing == Standing::Decided(Reason::Best)).map(|r| r.block)
    }
}
