//! Readers of all paths that share traffic, and what makes them change.

use heddle_bgp_core::attr::{BlockView, PathAttributes};

use super::*;
use crate::decision::Reason;

fn limits(max_paths: u16) -> DecisionOptions {
    DecisionOptions { max_paths_ibgp: max_paths, max_paths_ebgp: max_paths, ..DecisionOptions::default() }
}

impl Lab {
    fn reader(&mut self, begin: Begin, paths: Paths) -> Peer {
        let (peer, reader) = self.rib.subscribe(self.now, V4, begin, paths).expect("free");
        let params = SessionParams {
            kind: SourceKind::Local,
            peer_asn: OWN,
            local_asn: OWN,
            bgp_id: BgpId(0),
            peer_addr: Ipv4Addr::UNSPECIFIED.into(),
            families: Vec::new(),
        };
        Peer { id: SessionId { peer, serial: 0 }, params, receiver: Receiver::new(reader, 0, PathIds::Absent, true) }
    }

    fn advertise_by(&mut self, peer: &Peer, prefix: &str, hop: u8) {
        self.send(peer, |b| b.advertise(NlriSlice::trusted(V4, PathIds::Absent, &wire(prefix)), &block(hop), None));
    }

    fn cost(&mut self, hop: u8, cost: Option<u32>) {
        let next_hop = NextHop::V4([192, 0, 2, hop].into());
        self.rib.next_hops(self.now, &[NextHopEvent { next_hop, state: NextHopState { cost } }]);
    }

    fn best_hop(&self, prefix: &str) -> Option<u8> {
        let best = self.paths(prefix).into_iter().find(|r| r.standing == Standing::Decided(Reason::Best))?;
        hop_of(&best.block)
    }
}

fn hop_of(block: &[u8]) -> Option<u8> {
    match BlockView(block).next_hop() {
        Some(NextHop::V4(a)) => Some(a.octets()[3]),
        _ => None,
    }
}

impl Peer {
    /// Last octets of the next hops of a destination's paths, the best first.
    fn hops(&self, prefix: &str) -> Vec<u8> {
        let legs = self.receiver.legs.get(&prefix.parse().expect("a prefix"));
        legs.into_iter().flatten().filter_map(|l| hop_of(&l.2)).collect()
    }
}

const P: &str = "10.1.0.0/16";

/// What is told: the best path first, then those that share its traffic, each next hop once and no more than the limit;
/// readers of best paths and peers hear nothing of the others.
#[test]
fn all_paths_that_share_traffic() {
    let mut lab = Lab::new(RibConfig { decision: limits(3), ..config() });
    let (mut a, mut b, mut c, mut d) =
        (lab.peer(1, |_| ()), lab.peer(2, |_| ()), lab.peer(3, |_| ()), lab.peer(4, |_| ()));
    let mut all = lab.reader(Begin::Table, Paths::Multipath);
    let mut best = lab.reader(Begin::Table, Paths::Best);
    for (peer, hops) in [(&a, 1), (&b, 2), (&c, 2), (&d, 4)] {
        lab.advertise_by(peer, P, hops);
    }
    lab.settle(&mut [&mut a, &mut b, &mut c, &mut d, &mut all, &mut best]);
    assert_eq!((all.hops(P), best.hops(P)), (vec![1, 2, 4], vec![1]));
    let (peers, kinds): (Vec<_>, Vec<_>) =
        all.receiver.legs[&P.parse().expect("a prefix")].iter().map(|l| (l.0, l.1)).unzip();
    assert_eq!(peers, [a.id.peer, b.id.peer, d.id.peer]);
    assert_eq!(kinds, [SourceKind::Client; 3]);
    let told = (best.receiver.adverts, b.receiver.adverts);
    // A leg goes, and its next hop's other path takes its place; then that one goes too; then the limit.
    lab.withdraw(&b, P);
    lab.settle(&mut [&mut a, &mut b, &mut c, &mut d, &mut all, &mut best]);
    assert_eq!(all.hops(P), [1, 2, 4]);
    lab.withdraw(&c, P);
    lab.settle(&mut [&mut a, &mut b, &mut c, &mut d, &mut all, &mut best]);
    assert_eq!(all.hops(P), [1, 4]);
    lab.rib.set_decision(lab.now, limits(1));
    lab.settle(&mut [&mut a, &mut b, &mut c, &mut d, &mut all, &mut best]);
    assert_eq!(all.hops(P), [1]);
    assert_eq!((best.receiver.adverts, b.receiver.adverts), told, "the best path is as it was");
    // A route of our own shares with nobody, and says what it is.
    let own = PathAttributes { interface: Some("cali1".into()), ..PathAttributes::from_block(&block(9)) };
    lab.rib.originate(lab.now, P.parse().expect("a prefix"), &own.to_block().expect("short"));
    lab.settle(&mut [&mut a, &mut b, &mut c, &mut d, &mut all, &mut best]);
    let legs = &all.receiver.legs[&P.parse().expect("a prefix")];
    assert_eq!(legs.iter().map(|l| (l.0, l.1)).collect::<Vec<_>>(), [(PeerId::LOCAL, SourceKind::Local)]);
    assert_eq!(BlockView(&legs[0].2).interface(), Some("cali1"));
    lab.rib.retract(lab.now, P.parse().expect("a prefix"));
    lab.withdraw(&a, P);
    lab.withdraw(&d, P);
    lab.settle(&mut [&mut a, &mut b, &mut c, &mut d, &mut all, &mut best]);
    assert!(all.has().is_empty() && best.has().is_empty());
    assert_eq!(lab.rib.stats().attributes, 0);
}

/// Who subscribes to a table that is there is told of all paths before the table is called complete, be it written in one
/// step or in many.
#[test]
fn a_late_reader_is_complete_with_all_paths() {
    for size in [10, 9000] {
        late_reader(size);
    }
}

fn late_reader(size: u32) {
    let mut lab = Lab::new(RibConfig { decision: limits(8), ..config() });
    let (mut a, mut b) = (lab.peer(1, |_| ()), lab.peer(2, |_| ()));
    let prefixes: Vec<String> = (0..size).map(|n| format!("{}/32", Ipv4Addr::from(0x0a00_0000 + n))).collect();
    for prefix in &prefixes {
        lab.advertise_by(&a, prefix, 1);
        lab.advertise_by(&b, prefix, 2);
    }
    lab.settle(&mut [&mut a, &mut b]);
    let mut all = lab.reader(Begin::Table, Paths::Multipath);
    for _ in 0..100_000 {
        let _ = lab.rib.run(lab.now, 4096);
        // Record by record: what comes after the end does not count.
        while !all.receiver.complete && all.receiver.write(1, 26).0 == TakeStatus::Taken {}
        if all.receiver.complete {
            break;
        }
    }
    assert!(all.receiver.complete);
    assert!(prefixes.iter().all(|p| all.hops(p) == [1, 2]));
    // When nobody reads any more, nothing of it is left.
    lab.rib.unsubscribe(lab.now, all.id.peer);
    for prefix in &prefixes {
        lab.withdraw(&a, prefix);
        lab.withdraw(&b, prefix);
    }
    lab.settle(&mut [&mut a, &mut b]);
    assert_eq!(lab.rib.stats().attributes, 0);
}

/// A change of the other paths alone reaches a reader who fell out of its journal.
#[test]
fn a_reader_that_fell_behind_learns_of_other_paths() {
    let mut lab = Lab::new(RibConfig { decision: limits(8), ..config() });
    let (mut a, mut b) = (lab.peer(1, |_| ()), lab.peer(2, |_| ()));
    let mut all = lab.reader(Begin::Changes, Paths::Multipath);
    lab.advertise_by(&a, P, 1);
    lab.settle(&mut [&mut a, &mut b, &mut all]);
    assert_eq!(all.hops(P), [1]);
    let Rib { v4, shared, .. } = &mut lab.rib;
    let member = v4.peer(all.id.peer).and_then(|p| p.member).expect("a member");
    v4.detach(shared, member);
    lab.advertise_by(&b, P, 2);
    lab.settle(&mut [&mut a, &mut b]);
    lab.settle(&mut [&mut a, &mut b, &mut all]);
    assert_eq!(all.hops(P), [1, 2]);
}

/// Paths that come again in a new session tell nobody anything, and nothing of the old session is kept for it.
#[test]
fn paths_of_a_session_that_came_back() {
    let mut lab = Lab::new(RibConfig { decision: limits(8), ..config() });
    let (mut a, mut b) = (lab.peer(1, |_| ()), lab.peer(2, |_| ()));
    let mut all = lab.reader(Begin::Table, Paths::Multipath);
    lab.advertise_by(&a, P, 1);
    lab.advertise_by(&b, P, 2);
    lab.settle(&mut [&mut a, &mut b, &mut all]);
    let adverts = all.receiver.adverts;
    for _ in 0..3 {
        lab.rib.peer_down(lab.now, b.id, &[(V4, DownMode::KeepStale)]);
        b.id.serial += 1;
        b.receiver = lab.up(b.id, &b.params.clone());
        lab.advertise_by(&b, P, 2);
        lab.send(&b, |builder| builder.end_of_rib(V4));
        lab.settle(&mut [&mut a, &mut b, &mut all]);
    }
    assert_eq!((all.receiver.adverts, all.hops(P)), (adverts, vec![1, 2]));
    assert_eq!(lab.rib.v4.sources.iter().count(), 3, "ourselves and two sessions");
}

/// RFC 4271 §9.1.2.2 e: the cost decides, and paths share traffic only at the same cost.
#[test]
fn costs_decide_and_divide() {
    let mut lab = Lab::new(RibConfig { decision: limits(8), resolve: Resolve::On, ..config() });
    let (mut a, mut b, mut c) = (lab.peer(1, |_| ()), lab.peer(2, |_| ()), lab.peer(3, |_| ()));
    let mut all = lab.reader(Begin::Table, Paths::Multipath);
    for (peer, hop) in [(&a, 1), (&b, 2), (&c, 3)] {
        lab.advertise_by(peer, P, hop);
    }
    lab.settle(&mut [&mut a, &mut b, &mut c, &mut all]);
    assert!(all.has().is_empty());
    let rows: [(u8, Option<u32>, &[u8]); 7] = [
        (3, Some(5), &[3]),
        (2, Some(5), &[2, 3]),
        (1, Some(9), &[2, 3]),
        (1, Some(5), &[1, 2, 3]),
        (2, Some(4), &[2]),
        (2, None, &[1, 3]),
        (1, None, &[3]),
    ];
    for (hop, cost, expected) in rows {
        lab.cost(hop, cost);
        lab.settle(&mut [&mut a, &mut b, &mut c, &mut all]);
        assert_eq!(all.hops(P), expected, "{hop} at {cost:?}");
        assert_eq!(lab.best_hop(P), expected.first().copied());
    }
}

/// Routes of our own need no next hop: without one, or with the unspecified address, they are eligible and nobody is asked
/// to resolve anything.
#[test]
fn own_routes_need_no_next_hop() {
    let mut lab = Lab::new(RibConfig { resolve: Resolve::On, ..config() });
    let mut a = lab.peer(1, |_| ());
    let own = PathAttributes::from_block(&block(1));
    for (n, next_hop) in [None, Some([0, 0, 0, 0]), Some([192, 0, 2, 9])].into_iter().enumerate() {
        let attributes = PathAttributes { next_hop: next_hop.map(|h| NextHop::V4(h.into())), ..own.clone() };
        let prefix = format!("10.{n}.0.0/16").parse().expect("a prefix");
        lab.rib.originate(lab.now, prefix, &attributes.to_block().expect("short"));
    }
    lab.settle(&mut [&mut a]);
    assert_eq!(a.has().len(), 3);
    let asked = lab.seen.iter().filter(|o| matches!(o, Output::NextHop { .. })).collect::<Vec<_>>();
    let next_hop = NextHop::V4([192, 0, 2, 9].into());
    assert_eq!(asked, [&Output::NextHop { next_hop, usage: Usage::Used }], "that of the kernel's route alone");
}

/// One next hop of very many routes changes: each quantum does a part of it.
#[test]
fn a_next_hop_of_many_routes_is_switched_in_steps() {
    let mut lab = Lab::new(RibConfig { resolve: Resolve::On, ..config() });
    let (mut a, mut b) = (lab.peer(1, |_| ()), lab.peer(2, |_| ()));
    let routes = 20_000_u32;
    let mut first = BytesMut::new();
    for n in 0..routes {
        let prefix = Prefix::new(Ipv4Addr::from(0x0a00_0000 + n).into(), 32).expect("32 bits");
        encode_nlri(&mut first, Nlri { prefix, path_id: PathId(0) }, PathIds::Absent);
    }
    for (peer, hop) in [(&a, 1), (&b, 2)] {
        lab.send(peer, |builder| builder.advertise(NlriSlice::trusted(V4, PathIds::Absent, &first), &block(hop), None));
    }
    lab.cost(1, Some(1));
    lab.cost(2, Some(2));
    lab.settle(&mut [&mut a, &mut b]);
    assert_eq!(lab.best_hop("10.0.0.7/32"), Some(1));
    lab.cost(1, Some(3));
    assert_eq!(lab.rib.v4.dirty.len(), 0, "the call itself does nothing");
    let mut most = 0;
    for _ in 0..1000 {
        let before = lab.rib.v4.generation;
        let _ = lab.rib.run(lab.now, 4096);
        most = most.max(lab.rib.v4.dirty.len());
        let _ = (a.receiver.write(1 << 20, usize::MAX), b.receiver.write(1 << 20, usize::MAX));
        if before == lab.rib.v4.generation && !lab.rib.v4.has_pass() {
            break;
        }
    }
    assert!((1..=2 * 4096).contains(&most), "{most} at once");
    lab.settle(&mut [&mut a, &mut b]);
    assert_eq!(lab.best_hop("10.0.0.7/32"), Some(2));
    assert_eq!(a.has().len(), usize::try_from(routes).expect("fits"));
    assert!(b.has().is_empty());
}

/// Resolution that begins while routes are in use takes nothing away before something is known.
#[test]
fn resolution_begins_and_ends_at_run_time() {
    let mut lab = Lab::new(config());
    let (mut a, mut b) = (lab.peer(1, |_| ()), lab.peer(2, |_| ()));
    lab.advertise_by(&a, P, 1);
    lab.settle(&mut [&mut a, &mut b]);
    assert!(lab.seen.iter().all(|o| !matches!(o, Output::NextHop { .. })));
    lab.rib.set_resolve(lab.now, Resolve::On);
    lab.settle(&mut [&mut a, &mut b]);
    let next_hop = NextHop::V4([192, 0, 2, 1].into());
    assert!(lab.seen.contains(&Output::NextHop { next_hop, usage: Usage::Used }));
    assert_eq!((b.has().len(), b.receiver.withdrawals), (1, 0));
    // One that comes in later is unreachable until something is known.
    lab.advertise_by(&a, "10.2.0.0/16", 2);
    lab.cost(1, None);
    lab.settle(&mut [&mut a, &mut b]);
    assert!(b.has().is_empty());
    lab.rib.set_resolve(lab.now, Resolve::Off);
    lab.settle(&mut [&mut a, &mut b]);
    assert_eq!(b.has().len(), 2);
    assert!(lab.seen.contains(&Output::NextHop { next_hop, usage: Usage::Unused }));
}

/// Who gets the two best paths gets the others when costs count no more.
#[test]
fn ranks_follow_the_resolution() {
    let mut lab = Lab::new(RibConfig { resolve: Resolve::On, ..config() });
    let (mut a, mut b, mut c) = (lab.peer(1, |_| ()), lab.peer(2, |_| ()), lab.peer(3, |_| ()));
    let mut to = lab.peer(4, |f| f.export.add_path = crate::export::AddPathSend::Best(2));
    lab.rib.peer_down(lab.now, to.id, &[]);
    to.id.serial += 1;
    let mut handles = lab.rib.peer_up(lab.now, to.id, &to.params).expect("known");
    to.receiver = Receiver::new(handles.readers.pop().expect("one").1, 4, PathIds::Present, false);
    for (peer, hop) in [(&a, 1), (&b, 2), (&c, 3)] {
        lab.advertise_by(peer, P, hop);
    }
    let has = |to: &Peer| {
        let mut hops: Vec<u8> = to.receiver.has.values().filter_map(|b| hop_of(b)).collect();
        hops.sort_unstable();
        hops
    };
    lab.settle(&mut [&mut a, &mut b, &mut c, &mut to]);
    for (hop, cost) in [(1, 9), (2, 1), (3, 1)] {
        lab.cost(hop, Some(cost));
        lab.settle(&mut [&mut a, &mut b, &mut c, &mut to]);
    }
    assert_eq!(has(&to), [2, 3]);
    lab.rib.set_resolve(lab.now, Resolve::Off);
    lab.settle(&mut [&mut a, &mut b, &mut c, &mut to]);
    assert_eq!(has(&to), [1, 2]);
}
