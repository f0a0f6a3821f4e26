use std::time::Duration;

use bytes::BytesMut;
use heddle_bgp_core::attr::block::push_attr;
use heddle_bgp_core::attr::{AttrCode, NextHop};
use heddle_bgp_core::nlri::{PathIds, encode_nlri};
use heddle_bgp_core::{ClusterId, Nlri, NlriSlice, PathId};
use smallvec::smallvec;

use super::*;
use crate::export::{ExportKey, LlgrMode, Receiver as To};
use crate::ingest::{BatchBuilder, IngestContext};
use crate::journal::TakeStatus;
use crate::model::peer::Receiver;
use crate::policy::{Policy, Then};
use crate::query::{Cursor, Reading, Scope, Standing, View};
use crate::route::{Ineligible, NextHopState};
use crate::session::{Beyond, DefaultOriginate, PrefixLimit};
use crate::test_route::OWN;

mod guard;
mod local;
mod multipath;
mod turns;

const V4: Family = Family::IPV4_UNICAST;

struct Lab {
    rib: Rib,
    now: Timestamp,
    seen: Vec<Output>,
}

struct Peer {
    id: SessionId,
    params: SessionParams,
    receiver: Receiver,
}

fn config() -> RibConfig {
    RibConfig {
        asn: OWN,
        bgp_id: BgpId(99),
        decision: DecisionOptions::default(),
        resolve: Resolve::Off,
        bounds: Bounds::default(),
        start: Start::Fresh,
    }
}

fn context() -> IngestContext {
    IngestContext {
        kind: SourceKind::Client,
        own_asns: smallvec![OWN],
        allow_own_as: 0,
        bgp_id: BgpId(99),
        cluster_id: ClusterId(99),
        seed: 1,
    }
}

fn limit(max: u32) -> PrefixLimit {
    PrefixLimit { max, warn_at: Some(max - 1), beyond: Beyond::Refuse }
}

impl Lab {
    fn new(config: RibConfig) -> Self {
        Self { rib: Rib::new(&config, 1), now: Timestamp::from_secs(1), seen: Vec::new() }
    }

    fn peer(&mut self, n: u32, change: impl FnOnce(&mut FamilyParams)) -> Peer {
        let id = SessionId { peer: self.rib.add_peer().expect("free"), serial: 1 };
        let mut export = ExportKey::new(V4, To::Client, OWN);
        export.cluster_id = ClusterId(99);
        export.self_next_hop.v4 = Some([192, 0, 2, 99].into());
        let mut family = FamilyParams {
            export,
            default_originate: DefaultOriginate::Off,
            import: Arc::new(ImportSettings {
                guard: None,
                policy: PolicyChain::accept_all(),
                prepend: None,
                graceful_shutdown: GracefulShutdown::Ignore,
                context: EvalContext { own_asn: OWN, self_next_hop: None },
            }),
            refresh: RefreshMode::Enhanced,
            limit_in: None,
            limit_out: None,
            retained: Retained::Keep,
        };
        change(&mut family);
        let params = SessionParams {
            kind: SourceKind::Client,
            peer_asn: OWN,
            local_asn: OWN,
            bgp_id: BgpId(n),
            peer_addr: Ipv4Addr::from(n).into(),
            families: vec![family],
        };
        let receiver = self.up(id, &params);
        Peer { id, params, receiver }
    }

    fn up(&mut self, id: SessionId, params: &SessionParams) -> Receiver {
        let mut handles = self.rib.peer_up(self.now, id, params).expect("known");
        Receiver::new(handles.readers.pop().expect("one").1, params.bgp_id.0, PathIds::Absent, false)
    }

    fn send(&mut self, peer: &Peer, fill: impl FnOnce(&mut BatchBuilder)) {
        let mut builder = BatchBuilder::new(context());
        fill(&mut builder);
        self.rib.ingest(self.now, peer.id, &builder.take());
    }

    fn advertise(&mut self, peer: &Peer, prefix: &str) {
        self.send(peer, |b| b.advertise(NlriSlice::trusted(V4, PathIds::Absent, &wire(prefix)), &block(1), None));
    }

    fn withdraw(&mut self, peer: &Peer, prefix: &str) {
        self.send(peer, |b| b.withdraw(NlriSlice::trusted(V4, PathIds::Absent, &wire(prefix))));
    }

    /// Until nobody has anything to do.
    fn settle(&mut self, peers: &mut [&mut Peer]) {
        for _ in 0..1000 {
            let status = self.rib.run(self.now, 4096);
            while let Some(output) = self.rib.poll_output() {
                self.seen.push(output);
            }
            let mut quiet = matches!(status, RunStatus::Idle(_));
            for p in peers.iter_mut() {
                let (status, _) = p.receiver.write(65_536, usize::MAX);
                quiet &= !matches!(status, TakeStatus::Taken | TakeStatus::Detached);
                if status == TakeStatus::Detached {
                    let _ = p.receiver.reader.ready();
                }
            }
            if quiet {
                return;
            }
        }
        panic!("never quiet");
    }

    fn paths(&self, prefix: &str) -> Vec<crate::query::RouteInfo> {
        let mut out = Vec::new();
        let scope = Scope::Exact(prefix.parse().expect("a prefix"));
        self.rib.routes(scope, View::LocRib, &mut Cursor::default(), 1, &mut out);
        out
    }
}

impl Peer {
    fn has(&self) -> Vec<String> {
        self.receiver.has.keys().map(|k| k.0.to_string()).collect()
    }
}

fn wire(prefix: &str) -> BytesMut {
    let mut out = BytesMut::new();
    let nlri = Nlri { prefix: prefix.parse().expect("a prefix"), path_id: PathId(0) };
    encode_nlri(&mut out, nlri, PathIds::Absent);
    out
}

/// Attributes with 192.0.2.`hop` as next hop.
fn block(hop: u8) -> Vec<u8> {
    let mut b = Vec::new();
    push_attr(&mut b, 0x40, AttrCode::ORIGIN, &[0]);
    push_attr(&mut b, 0x40, AttrCode::AS_PATH, &[]);
    push_attr(&mut b, 0x40, AttrCode::NEXT_HOP, &[192, 0, 2, hop]);
    push_attr(&mut b, 0x40, AttrCode::LOCAL_PREF, &[0, 0, 0, 100]);
    b
}

/// RFC 4724 §4.1: learned routes wait for the gate, our own do not, and End-of-RIB comes after what waited.
#[test]
fn a_restarting_speaker_sends_its_own_routes_at_once() {
    let mut lab = Lab::new(RibConfig { start: Start::Restarting, ..config() });
    let (mut a, mut b) = (lab.peer(1, |_| ()), lab.peer(2, |_| ()));
    lab.advertise(&a, "10.1.0.0/16");
    lab.rib.originate(lab.now, "10.2.0.0/16".parse().expect("a prefix"), &block(9)[..7]);
    lab.settle(&mut [&mut a, &mut b]);
    assert_eq!(b.has(), ["10.2.0.0/16"]);
    assert!(!b.receiver.complete, "no End-of-RIB yet");
    // A learned route for a destination of our own is no reason to wait either.
    lab.advertise(&a, "10.2.0.0/16");
    lab.rib.retract(lab.now, "10.2.0.0/16".parse().expect("a prefix"));
    for family in Family::SUPPORTED {
        lab.rib.open_gate(lab.now, family);
    }
    lab.settle(&mut [&mut a, &mut b]);
    assert_eq!(b.has(), ["10.1.0.0/16", "10.2.0.0/16"]);
    assert!(b.receiver.complete && a.receiver.complete);
    assert!(!lab.rib.stats().restarting);
}

#[test]
fn a_peer_that_sends_too_much_is_reported_and_the_rest_not_taken() {
    let mut lab = Lab::new(config());
    let mut a = lab.peer(1, |f| f.limit_in = Some(limit(2)));
    for prefix in ["10.1.0.0/16", "10.2.0.0/16", "10.2.0.0/16", "10.3.0.0/16", "10.4.0.0/16"] {
        lab.advertise(&a, prefix);
    }
    lab.settle(&mut [&mut a]);
    let (peer, family, limit) = (a.id.peer, V4, limit(2));
    let warning = Output::LimitWarning { peer, family, count: 1, limit };
    let exceeded = Output::LimitExceeded { peer, family, count: 3, limit };
    let said = |o: &Output| lab.seen.iter().filter(|s| *s == o).count();
    assert_eq!((said(&warning), said(&exceeded)), (1, 1), "{:?}", lab.seen);
    assert_eq!(lab.rib.stats().families[0].destinations, 2, "what is above the limit leaves nothing");
}

#[test]
fn a_peer_that_would_get_too_much_is_reported() {
    let mut lab = Lab::new(config());
    let (mut a, mut b) = (lab.peer(1, |_| ()), lab.peer(2, |f| f.limit_out = Some(limit(2))));
    for prefix in ["10.1.0.0/16", "10.2.0.0/16"] {
        lab.advertise(&a, prefix);
        lab.advertise(&b, &prefix.replace("10.", "20."));
    }
    lab.settle(&mut [&mut a, &mut b]);
    let over = |lab: &Lab| lab.seen.iter().any(|o| matches!(o, Output::OutLimitExceeded { count: 3, .. }));
    assert!(!over(&lab), "its own routes do not count");
    lab.advertise(&a, "10.3.0.0/16");
    lab.settle(&mut [&mut a, &mut b]);
    assert!(over(&lab), "{:?}", lab.seen);
}

/// RFC 4271 §9.1.2: routes whose next hop is unreachable are kept and not considered.
#[test]
fn next_hops_make_routes_eligible() {
    let mut lab = Lab::new(RibConfig { resolve: Resolve::On, ..config() });
    let (mut a, mut b) = (lab.peer(1, |_| ()), lab.peer(2, |_| ()));
    lab.advertise(&a, "10.1.0.0/16");
    lab.settle(&mut [&mut a, &mut b]);
    let next_hop = NextHop::V4([192, 0, 2, 1].into());
    assert!(lab.seen.contains(&Output::NextHop { next_hop, usage: Usage::Used }));
    let standing = lab.paths("10.1.0.0/16").first().expect("kept").standing;
    assert_eq!(standing, Standing::Ineligible(Ineligible::NextHopUnreachable));
    assert!(b.has().is_empty());
    for (cost, has) in [(Some(5), 1), (None, 0), (Some(1), 1)] {
        lab.rib.next_hops(lab.now, &[NextHopEvent { next_hop, state: NextHopState { cost } }]);
        lab.settle(&mut [&mut a, &mut b]);
        assert_eq!(b.has().len(), has, "cost {cost:?}");
    }
    lab.withdraw(&a, "10.1.0.0/16");
    lab.settle(&mut [&mut a, &mut b]);
    assert!(lab.seen.contains(&Output::NextHop { next_hop, usage: Usage::Unused }));
    assert_eq!(lab.rib.stats().attributes, 0);
}

/// A pass that is behind the beginning of the table comes to it, however much the table grows meanwhile.
#[test]
fn a_next_hop_counts_for_old_routes_while_many_come() {
    let mut lab = Lab::new(RibConfig { resolve: Resolve::On, ..config() });
    let (mut a, mut b) = (lab.peer(1, |_| ()), lab.peer(2, |_| ()));
    let next_hop = NextHop::V4([192, 0, 2, 1].into());
    lab.advertise(&a, "10.1.0.0/16");
    lab.settle(&mut [&mut a, &mut b]);
    for cost in [Some(5), None] {
        lab.rib.next_hops(lab.now, &[NextHopEvent { next_hop, state: NextHopState { cost } }]);
        lab.settle(&mut [&mut a, &mut b]);
    }
    assert!(b.has().is_empty());
    lab.rib.next_hops(lab.now, &[NextHopEvent { next_hop, state: NextHopState { cost: Some(1) } }]);
    lab.advertise(&a, "10.2.0.0/16");
    lab.advertise(&a, "10.3.0.0/16");
    lab.settle(&mut [&mut a, &mut b]);
    assert_eq!(b.has(), ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"]);
}

/// RFC 4724 §4.2: routes of a lost session stay, those that are not sent again go with End-of-RIB; nobody is told of
/// those that are. RFC 9494 §4.3: long-lived stale ones go to those who know them.
#[test]
fn stale_routes_of_a_lost_session() {
    let mut lab = Lab::new(config());
    let mut a = lab.peer(1, |_| ());
    let (mut b, mut c) = (lab.peer(2, |_| ()), lab.peer(3, |f| f.export.llgr = LlgrMode::Capable));
    lab.advertise(&a, "10.1.0.0/16");
    lab.advertise(&a, "10.2.0.0/16");
    lab.settle(&mut [&mut a, &mut b, &mut c]);
    lab.rib.peer_down(lab.now, a.id, &[(V4, DownMode::KeepStale)]);
    lab.settle(&mut [&mut b, &mut c]);
    assert_eq!((b.has().len(), c.has().len()), (2, 2));
    let generation = lab.rib.stats().families[0].generation;
    a.id.serial += 1;
    a.receiver = lab.up(a.id, &a.params);
    lab.advertise(&a, "10.1.0.0/16");
    lab.settle(&mut [&mut a, &mut b, &mut c]);
    assert_eq!(lab.rib.stats().families[0].generation, generation, "the same route again is no change");
    lab.send(&a, |b| b.end_of_rib(V4));
    lab.settle(&mut [&mut a, &mut b, &mut c]);
    assert_eq!(b.has(), ["10.1.0.0/16"]);
    lab.rib.peer_down(lab.now, a.id, &[(V4, DownMode::KeepStale)]);
    lab.rib.become_long_lived(lab.now, a.id.peer, V4);
    lab.settle(&mut [&mut b, &mut c]);
    assert_eq!((b.has().len(), c.has().len()), (0, 1));
    lab.rib.sweep_stale(lab.now, a.id.peer, V4);
    lab.settle(&mut [&mut b, &mut c]);
    assert!(c.has().is_empty());
    assert_eq!(lab.rib.stats().families[0].tombstones, 0);
}

/// A peer that fails again before End-of-RIB takes nothing along (docs/rfcs.md, RFC 4724).
#[test]
fn stale_routes_outlive_a_second_loss() {
    let mut lab = Lab::new(config());
    let mut a = lab.peer(1, |_| ());
    let mut b = lab.peer(2, |_| ());
    lab.advertise(&a, "10.1.0.0/16");
    lab.advertise(&a, "10.2.0.0/16");
    lab.settle(&mut [&mut a, &mut b]);
    for _ in 0..100 {
        lab.rib.peer_down(lab.now, a.id, &[(V4, DownMode::KeepStale)]);
        a.id.serial += 1;
        a.receiver = lab.up(a.id, &a.params);
        lab.advertise(&a, "10.1.0.0/16");
        lab.settle(&mut [&mut a, &mut b]);
        assert_eq!(b.has().len(), 2);
    }
    lab.send(&a, |b| b.end_of_rib(V4));
    lab.settle(&mut [&mut a, &mut b]);
    assert_eq!(b.has(), ["10.1.0.0/16"], "what it did not send again goes at last");
    lab.rib.peer_down(lab.now, a.id, &[(V4, DownMode::KeepStale)]);
    lab.rib.sweep_stale(lab.now, a.id.peer, V4);
    lab.settle(&mut [&mut b]);
    assert!(b.has().is_empty());
}

/// RFC 7313 §4: a refresh that does not end is ended.
#[test]
fn a_refresh_that_never_ends_is_ended() {
    let mut lab = Lab::new(config());
    let (mut a, mut b) = (lab.peer(1, |_| ()), lab.peer(2, |_| ()));
    lab.advertise(&a, "10.1.0.0/16");
    lab.advertise(&a, "10.2.0.0/16");
    lab.send(&a, |b| b.begin_refresh(V4));
    lab.advertise(&a, "10.1.0.0/16");
    lab.settle(&mut [&mut a, &mut b]);
    assert_eq!(b.has().len(), 2);
    let RunStatus::Idle(Some(timer)) = lab.rib.run(lab.now, 1) else { panic!("a timer runs") };
    assert_eq!(timer, lab.now + Duration::from_secs(600));
    lab.now = timer;
    lab.settle(&mut [&mut a, &mut b]);
    assert_eq!(b.has(), ["10.1.0.0/16"]);
}

#[test]
fn look_ups() {
    let mut lab = Lab::new(config());
    let mut a = lab.peer(1, |_| ());
    for prefix in ["0.0.0.0/0", "10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24", "11.0.0.0/8"] {
        lab.advertise(&a, prefix);
    }
    lab.settle(&mut [&mut a]);
    let ask = |scope| {
        let mut out = Vec::new();
        let mut cursor = Cursor::default();
        while lab.rib.routes(scope, View::Received(a.id.peer), &mut cursor, 2, &mut out) == Reading::More {}
        out.iter().map(|r| r.prefix.to_string()).collect::<Vec<_>>()
    };
    let p = |s: &str| s.parse::<Prefix>().expect("a prefix");
    assert_eq!(ask(Scope::Exact(p("10.1.0.0/16"))), ["10.1.0.0/16"]);
    assert!(ask(Scope::Exact(p("10.2.0.0/16"))).is_empty());
    assert_eq!(ask(Scope::LongestMatch(p("10.1.2.3/32"))), ["10.1.2.0/24"]);
    assert_eq!(ask(Scope::LongestMatch(p("10.9.0.0/16"))), ["10.0.0.0/8"]);
    assert_eq!(ask(Scope::LongestMatch(p("12.0.0.1/32"))), ["0.0.0.0/0"]);
    assert_eq!(ask(Scope::Longer(p("10.0.0.0/8"))), ["10.0.0.0/8", "10.1.0.0/16", "10.1.2.0/24"]);
    assert_eq!(ask(Scope::All(V4)).len(), 5);
    assert!(ask(Scope::All(Family::IPV6_UNICAST)).is_empty());
}

/// Batches of a session that is over change nothing, and numbers of peers come back when nothing names them.
#[test]
fn old_sessions_are_ignored_and_numbers_reused() {
    let mut lab = Lab::new(config());
    let (mut a, mut b) = (lab.peer(1, |_| ()), lab.peer(2, |_| ()));
    lab.advertise(&a, "10.1.0.0/16");
    lab.settle(&mut [&mut a, &mut b]);
    lab.rib.remove_peer(lab.now, a.id.peer);
    lab.advertise(&a, "10.2.0.0/16");
    assert_ne!(lab.rib.add_peer(), Ok(a.id.peer), "routes name it");
    lab.settle(&mut [&mut b]);
    assert!(b.has().is_empty());
    assert_eq!(a.receiver.write(100, 100).0, TakeStatus::Closed);
    assert_eq!(lab.rib.add_peer(), Ok(a.id.peer));
}

/// What a peer makes us keep by ever new attributes is bounded, the more so as the routes may be few.
#[test]
fn a_peer_pays_for_the_attributes_that_it_brings() {
    let bounds = Bounds { attribute_bytes: 200, ..Bounds::default() };
    let mut lab = Lab::new(RibConfig { bounds, ..config() });
    let (mut a, mut b) = (lab.peer(1, |_| ()), lab.peer(2, |_| ()));
    let cost = 32 + block(1).len() as u64;
    let send = |lab: &mut Lab, peer: &Peer, hop: u8| {
        let prefix = wire(&format!("10.{hop}.0.0/16"));
        lab.send(peer, |b| b.advertise(NlriSlice::trusted(V4, PathIds::Absent, &prefix), &block(hop), None));
    };
    for hop in [1, 1, 2, 3] {
        send(&mut lab, &a, hop);
        send(&mut lab, &b, hop);
    }
    let ids = [a.id.peer, b.id.peer];
    let bytes = |lab: &Lab| (lab.rib.attribute_bytes(ids[0]), lab.rib.attribute_bytes(ids[1]));
    assert_eq!(bytes(&lab), (3 * cost, 0), "who comes second pays nothing");
    for hop in 4..9 {
        send(&mut lab, &a, hop);
    }
    lab.settle(&mut [&mut a, &mut b]);
    let reset = Output::Reset { peer: a.id.peer, reason: ResetReason::OutOfResources };
    assert_eq!(lab.seen.iter().filter(|o| **o == reset).count(), 1, "{:?}", lab.seen);
    assert_eq!(lab.rib.peer_stats(a.id.peer)[0].received, 3, "what is above the budget is not taken");
    // Gone with its session, but for what the other uses; that is no debt of the next session.
    lab.withdraw(&b, "10.3.0.0/16");
    lab.rib.peer_down(lab.now, a.id, &[]);
    lab.settle(&mut [&mut b]);
    assert_eq!(bytes(&lab), (2 * cost, 0));
    a.id.serial += 1;
    a.receiver = lab.up(a.id, &a.params);
    assert_eq!(bytes(&lab), (0, 0));
    for hop in 1..5 {
        send(&mut lab, &a, hop);
    }
    assert_eq!(bytes(&lab), (2 * cost, 0));
    for prefix in ["10.3.0.0/16", "10.4.0.0/16"] {
        lab.withdraw(&a, prefix);
    }
    lab.settle(&mut [&mut a, &mut b]);
    assert_eq!(bytes(&lab), (0, 0));
}

#[test]
fn what_became_of_routes_is_counted() {
    let rejects_all = Arc::new(Policy { name: "none".into(), rules: Vec::new(), default: Then::Reject });
    let mut lab = Lab::new(config());
    let (mut a, mut b) = (lab.peer(1, |_| ()), lab.peer(2, |_| ()));
    let mut c = lab.peer(3, |f| f.export.policy = PolicyChain::new([rejects_all]));
    // Again, looped, and beyond what is there.
    for prefix in ["10.1.0.0/16", "10.1.0.0/16", "10.2.0.0/16"] {
        lab.advertise(&a, prefix);
    }
    let loops = Some(Ineligible::OwnAsLoop);
    lab.send(&a, |b| b.advertise(NlriSlice::trusted(V4, PathIds::Absent, &wire("10.3.0.0/16")), &block(1), loops));
    lab.settle(&mut [&mut a, &mut b, &mut c]);
    for prefix in ["10.2.0.0/16", "10.9.0.0/16"] {
        lab.withdraw(&a, prefix);
    }
    lab.settle(&mut [&mut a, &mut b, &mut c]);
    // One who comes late gets what is there by a walk; then the same route from another peer is better.
    let mut d = lab.peer(4, |_| ());
    lab.settle(&mut [&mut a, &mut b, &mut c, &mut d]);
    let mut better = block(1);
    *better.last_mut().expect("LOCAL_PREF") = 200;
    lab.send(&d, |b| b.advertise(NlriSlice::trusted(V4, PathIds::Absent, &wire("10.1.0.0/16")), &better, None));
    lab.settle(&mut [&mut a, &mut b, &mut c, &mut d]);

    let counters = |p: &Peer| lab.rib.peer_stats(p.id.peer)[0].counters;
    let row = |received, rejected, filtered, ignored, accepted| Row { received, rejected, filtered, ignored, accepted };
    assert_eq!(counters(&a).import_updates, row(4, 1, 0, 1, 2));
    assert_eq!(counters(&a).import_withdraws, row(2, 0, 0, 1, 1));
    assert_eq!(counters(&a).export_updates, row(1, 0, 0, 0, 1), "its own routes are none");
    assert_eq!(counters(&b).export_updates, row(3, 0, 0, 0, 3));
    assert_eq!(counters(&b).export_withdraws, row(1, 0, 0, 0, 1));
    assert_eq!(counters(&c).export_updates, row(3, 0, 3, 0, 0));
    assert_eq!(counters(&c).export_withdraws, row(1, 0, 0, 0, 0), "it never had it");
    assert_eq!(counters(&d).export_updates, row(1, 0, 0, 0, 1));
    assert_eq!(counters(&d).export_withdraws.accepted, 1, "what is its own now, it had from another");
    let group = |p: &Peer| lab.rib.peer_stats(p.id.peer)[0].update_group;
    assert_eq!((group(&a), group(&b), group(&d)), (Some(1), Some(1), Some(1)));
    assert_eq!(group(&c), Some(2));
    assert_eq!((b.receiver.adverts, b.receiver.withdrawals), (3, 1));
    // Counts are those of a session.
    a.id.serial += 1;
    a.receiver = lab.up(a.id, &a.params);
    assert_eq!(lab.rib.peer_stats(a.id.peer)[0].counters, crate::counters::RouteCounters::default());
}

/// A policy of other words that says nearly the same: only what differs is sent, and nobody is asked to forget anything.
#[test]
fn a_change_of_policy_sends_what_it_changes() {
    let policy = |name: &str, but: &str| {
        let range = crate::policy::PrefixRange::parse(but).expect("a range");
        let matches = vec![crate::policy::Match::Prefix(Arc::new([range].into_iter().collect()))];
        let rules = vec![crate::policy::Rule { matches, actions: Vec::new(), then: Then::Reject }];
        PolicyChain::new([Arc::new(Policy { name: name.into(), rules, default: Then::Accept })])
    };
    let mut lab = Lab::new(config());
    let mut a = lab.peer(1, |_| ());
    let mut b = lab.peer(2, |f| f.export.policy = policy("one", "10.1.0.0/16"));
    let mut c = lab.peer(3, |f| f.export.policy = policy("one", "10.1.0.0/16"));
    for i in 1..100 {
        lab.advertise(&a, &format!("10.{i}.0.0/16"));
    }
    lab.settle(&mut [&mut a, &mut b, &mut c]);
    for p in [&mut b, &mut c] {
        assert_eq!((p.receiver.adverts, p.receiver.withdrawals), (98, 0));
        p.params.families[0].export.policy = policy("two", "10.2.0.0/16");
        lab.rib.update_session(lab.now, p.id, &p.params);
    }
    // What changes meanwhile is sent, too.
    lab.withdraw(&a, "10.50.0.0/16");
    lab.settle(&mut [&mut a, &mut b, &mut c]);
    for p in [&b, &c] {
        assert_eq!((p.receiver.adverts, p.receiver.withdrawals), (99, 2), "10.1 came, 10.2 and 10.50 went");
        assert_eq!(p.has().len(), 97);
    }
    // A refresh sends all.
    lab.rib.update_session(lab.now, b.id, &c.params);
    b.params.families[0].export.policy = policy("three", "10.2.0.0/16");
    lab.rib.update_session(lab.now, b.id, &b.params);
    lab.settle(&mut [&mut a, &mut b, &mut c]);
    assert_eq!(b.receiver.adverts, 99);
    lab.rib.refresh(lab.now, b.id, V4);
    lab.settle(&mut [&mut a, &mut b, &mut c]);
    assert_eq!(b.receiver.adverts, 99 + 97);
}

/// Who wants changes only gets those, also after it was too slow for them: then the last state of each destination.
#[test]
fn a_subscriber_of_changes() {
    let mut lab = Lab::new(config());
    let (mut a, mut b) = (lab.peer(1, |_| ()), lab.peer(2, |_| ()));
    for prefix in ["10.1.0.0/16", "10.2.0.0/16"] {
        lab.advertise(&a, prefix);
    }
    lab.settle(&mut [&mut a, &mut b]);
    let (peer, reader) = lab.rib.subscribe(lab.now, V4, Begin::Changes, Paths::Best).expect("free");
    let mut feed = Peer {
        id: SessionId { peer, serial: 0 },
        params: b.params.clone(),
        receiver: Receiver::new(reader, 0, PathIds::Absent, true),
    };
    lab.advertise(&a, "10.3.0.0/16");
    lab.settle(&mut [&mut a, &mut b, &mut feed]);
    assert_eq!(feed.has(), ["10.3.0.0/16"]);
    let Rib { v4, shared, .. } = &mut lab.rib;
    let member = v4.peer(peer).and_then(|p| p.member).expect("a member");
    v4.detach(shared, member);
    lab.withdraw(&a, "10.3.0.0/16");
    lab.advertise(&a, "10.4.0.0/16");
    lab.settle(&mut [&mut a, &mut b]);
    lab.withdraw(&a, "10.4.0.0/16");
    lab.advertise(&a, "10.5.0.0/16");
    lab.settle(&mut [&mut a, &mut b, &mut feed]);
    assert_eq!(feed.has(), ["10.5.0.0/16"]);
    lab.rib.close_subscription(lab.now, peer);
    assert_eq!(feed.receiver.write(100, 100).0, TakeStatus::Closed);
    assert_ne!(lab.rib.add_peer(), Ok(peer), "its number is in use");
    lab.rib.unsubscribe(lab.now, peer);
    assert_eq!(lab.rib.add_peer(), Ok(peer));
}
