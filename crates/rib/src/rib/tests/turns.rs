//! Whose turn it is: urgent destinations, those in turn, and what slow readers hold up.

use heddle_bgp_core::update::{Reach, Update};

use super::*;
use crate::ingest::BatchPosition;
use crate::rib::Ingested;

/// A walk, which a peer that joins begins, may decide the last of what a restarting speaker held back.
#[test]
fn the_gate_opens_whoever_decides_the_last_destination() {
    let mut lab = Lab::new(RibConfig { start: Start::Restarting, ..config() });
    let mut a = lab.peer(1, |_| ());
    // More than a flush takes at least.
    let prefixes: Vec<String> = (0..200).map(|n| format!("10.1.{n}.0/24")).collect();
    prefixes.iter().for_each(|prefix| lab.advertise(&a, prefix));
    for family in Family::SUPPORTED {
        lab.rib.open_gate(lab.now, family);
    }
    let mut b = lab.peer(2, |_| ());
    lab.rib.run(lab.now, 1);
    lab.settle(&mut [&mut a, &mut b]);
    assert!(!lab.rib.stats().restarting);
    assert_eq!(b.has().len(), prefixes.len());
    assert!(b.receiver.complete && a.receiver.complete);
}

/// One that does not read holds up tables for a moment at a time, however many single routes come and go meanwhile.
#[test]
fn single_routes_do_not_starve_tables() {
    let bounds = Bounds { journals_full: 1, ..Bounds::default() };
    let mut lab = Lab::new(RibConfig { bounds, ..config() });
    let (mut single, mut table) = (lab.peer(1, |_| ()), lab.peer(2, |_| ()));
    lab.send(&single, |b| b.end_of_rib(V4));
    let mut reads = lab.peer(3, |_| ());
    let stalled = lab.peer(4, |_| ());
    lab.settle(&mut [&mut single, &mut table, &mut reads]);
    lab.advertise(&single, "10.9.0.0/16");
    lab.settle(&mut [&mut single, &mut table, &mut reads]);
    lab.advertise(&table, "10.1.0.0/16");
    let patience = Bounds::default().patience;
    let mut rounds = 0;
    while !reads.has().contains(&"10.1.0.0/16".to_owned()) {
        rounds += 1;
        assert!(rounds < 20, "a table waits for longer than it has to: {:?}", reads.has());
        if rounds % 2 == 0 {
            lab.advertise(&single, "10.9.0.0/16")
        } else {
            lab.withdraw(&single, "10.9.0.0/16")
        }
        lab.now = lab.now + patience / 5;
        for _ in 0..3 {
            lab.rib.run(lab.now, 4096);
            for peer in [&mut single, &mut table, &mut reads] {
                let _ = peer.receiver.write(65_536, usize::MAX);
            }
        }
    }
    assert!(rounds >= 2, "nothing was held up");
    drop(stalled);
}

/// Sends 200 prefixes in one batch: a part of a table.
fn table(lab: &mut Lab, peer: &Peer, number: u8) {
    let octets: Vec<u8> = (0..200).flat_map(|n| wire(&format!("10.1.{n}.0/24"))).collect();
    lab.send(peer, |b| b.advertise(NlriSlice::trusted(V4, PathIds::Absent, &octets), &block(number), None));
}

/// Of a destination that tables of several peers bring, the second and further routes are gathered for a while.
#[test]
fn what_tables_of_several_peers_bring_is_decided_once_for_all_of_them() {
    let mut lab = Lab::new(config());
    let (mut high, mut low, mut reads) = (lab.peer(9, |_| ()), lab.peer(1, |_| ()), lab.peer(3, |_| ()));
    lab.send(&low, |b| b.end_of_rib(V4));
    let mut peers = [&mut high, &mut low, &mut reads];
    lab.settle(&mut peers);
    let told = |lab: &mut Lab, peers: &mut [&mut Peer; 3]| {
        lab.settle(peers);
        peers[2].receiver.adverts
    };
    let begun = told(&mut lab, &mut peers);
    table(&mut lab, peers[0], 1);
    let first = told(&mut lab, &mut peers);
    assert!(first > begun, "the first route to a destination goes out at once");
    assert_eq!(peers[2].has().len(), 200);
    // It has the lower BGP Identifier.
    table(&mut lab, peers[1], 2);
    assert_eq!(told(&mut lab, &mut peers), first, "there may be a better one still");
    lab.withdraw(peers[0], "10.1.7.0/24");
    lab.advertise(peers[1], "10.1.8.0/24");
    let hasty = told(&mut lab, &mut peers);
    assert_eq!(hasty, first + 2, "what is withdrawn, and single changes, are decided at once");
    assert_eq!(told(&mut lab, &mut peers), hasty);
    let gathering = Bounds::default().gathering;
    lab.now = lab.now + gathering;
    assert_eq!(told(&mut lab, &mut peers), hasty + 198, "it has been waited long enough");
    assert_eq!(peers[2].has().len(), 200);
    assert_eq!(lab.rib.run(lab.now, 4096), RunStatus::Idle(None));
}

/// What waits to be gathered does not have its turn because something else waited for long: the owner would be told to come
/// back at a time that has passed, and again, until it has been gathered.
#[test]
fn an_idle_owner_is_told_of_a_time_to_come() {
    let mut lab = Lab::new(config());
    let (mut low, mut high, mut single) = (lab.peer(1, |_| ()), lab.peer(9, |_| ()), lab.peer(3, |_| ()));
    for peer in [&low, &single] {
        lab.send(peer, |b| b.end_of_rib(V4));
    }
    table(&mut lab, &high, 1);
    lab.settle(&mut [&mut low, &mut high, &mut single]);
    let (patience, gathering) = (Bounds::default().patience, Bounds::default().gathering);
    lab.advertise(&single, "10.9.0.0/16");
    lab.now = lab.now + patience - gathering / 2;
    table(&mut lab, &low, 2);
    // The urgent one goes, and the clock of the others is as old as it was.
    for _ in 0..2 {
        let mut idle = None;
        for _ in 0..100 {
            match lab.rib.run(lab.now, 4096) {
                RunStatus::More => {}
                RunStatus::Idle(at) => idle = at,
            }
        }
        assert!(idle.is_some_and(|at| at > lab.now), "{idle:?} at {:?}", lab.now);
        lab.now = lab.now + gathering / 2;
    }
}

/// The paths of one destination take more than a journal may, and the peer reads slowly: it gets them all the same. (If the
/// step that wrote them had it detached, it would owe itself the same step again, for ever.)
#[test]
fn a_destination_that_is_larger_than_a_journal_is_sent_to_a_slow_reader() {
    let bounds = Bounds { journal_bytes: 1024, low: 128, step_bytes: 128, step_slots: 2, ..Bounds::default() };
    let mut lab = Lab::new(RibConfig { bounds, ..config() });
    let mut senders: Vec<Peer> = (1..=8).map(|n| lab.peer(n, |_| ())).collect();
    for (sender, hop) in senders.iter().zip(1..) {
        for prefix in ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16"] {
            lab.send(sender, |b| {
                b.advertise(NlriSlice::trusted(V4, PathIds::Absent, &wire(prefix)), &block(hop), None)
            });
        }
    }
    lab.settle(&mut senders.iter_mut().collect::<Vec<_>>());
    let mut reads = lab.peer(99, |f| f.export.add_path = crate::export::AddPathSend::All);
    lab.rib.peer_down(lab.now, reads.id, &[]);
    reads.id.serial += 1;
    let mut handles = lab.rib.peer_up(lab.now, reads.id, &reads.params).expect("known");
    reads.receiver = Receiver::new(handles.readers.pop().expect("one").1, 99, PathIds::Present, false);
    for _ in 0..10_000 {
        let _ = reads.receiver.write(64, 16);
        if reads.receiver.reader.take(&mut Vec::new(), 64) == TakeStatus::Detached {
            let _ = reads.receiver.reader.ready();
        }
        for _ in 0..20 {
            lab.rib.run(lab.now, 4096);
        }
    }
    assert!(reads.receiver.complete, "{} adverts, {:?}", reads.receiver.adverts, lab.rib.stats());
    assert_eq!((reads.receiver.has.len(), reads.receiver.adverts), (24, 24));
}

/// Several members of a group fell behind, each at another place, and read on as slowly as before: each is sent what it owes itself,
/// once, in steps of its own. (If these were written whether or not there is room, those of some would have others detached in the
/// middle of theirs, who would owe themselves all of these again.)
#[test]
fn those_who_fell_behind_do_not_detach_each_other() {
    let bounds = Bounds { journal_bytes: 1024, low: 64, step_bytes: 128, step_slots: 4, ..Bounds::default() };
    let mut lab = Lab::new(RibConfig { bounds, ..config() });
    let mut sender = lab.peer(1, |_| ());
    let mut readers: Vec<Peer> = (10..26).map(|n| lab.peer(n, |_| ())).collect();
    for n in 0..200 {
        let route = wire(&format!("10.1.{n}.0/24"));
        lab.send(&sender, |b| b.advertise(NlriSlice::trusted(V4, PathIds::Absent, &route), &block(n), None));
    }
    let mut rounds = 0_usize;
    while readers.iter().any(|peer| peer.receiver.has.len() < 200) {
        rounds += 1;
        assert!(rounds < 20_000, "{:?}", readers.iter().map(|p| p.receiver.adverts).collect::<Vec<_>>());
        lab.rib.run(lab.now, 4096);
        let _ = sender.receiver.write(65_536, usize::MAX);
        for (n, peer) in readers.iter_mut().enumerate() {
            if (rounds + n).is_multiple_of(n + 1) && peer.receiver.write(64, 32).0 == TakeStatus::Detached {
                let _ = peer.receiver.reader.ready();
            }
        }
    }
    assert!(readers.iter().all(|peer| peer.receiver.adverts == 200), "a step was for nothing");
}

/// A policy that lets out all but one prefix.
fn all_but(prefix: &str) -> PolicyChain {
    let range = crate::policy::PrefixRange::parse(prefix).expect("a range");
    let matches = vec![crate::policy::Match::Prefix(Arc::new([range].into_iter().collect()))];
    let rules = vec![crate::policy::Rule { matches, actions: Vec::new(), then: Then::Reject }];
    PolicyChain::new([Arc::new(Policy { name: prefix.into(), rules, default: Then::Accept })])
}

/// Two steps of a group are more than what all journals together may take: that group keeps what it needs, and another one, which
/// has less, but more than it needs, gives way.
#[test]
fn the_bound_of_all_journals_leaves_each_group_what_it_needs() {
    const ALL: usize = 2400;
    let bounds = Bounds { journals_bytes: ALL, low: 4096, step_bytes: 128, step_slots: 1, ..Bounds::default() };
    let mut lab = Lab::new(RibConfig { bounds, ..config() });
    let mut senders: Vec<Peer> = (1..=16).map(|n| lab.peer(n, |_| ())).collect();
    for (sender, hop) in senders.iter().zip(1..) {
        for prefix in ["10.1.0.0/16", "10.2.0.0/16"] {
            lab.send(sender, |b| {
                b.advertise(NlriSlice::trusted(V4, PathIds::Absent, &wire(prefix)), &block(hop), None)
            });
        }
    }
    // It has all, and then reads nothing, while one route changes again and again.
    let mut stalls = lab.peer(98, |f| f.export.policy = all_but("10.8.0.0/16"));
    let all = |senders: &mut Vec<Peer>, lab: &mut Lab| lab.settle(&mut senders.iter_mut().collect::<Vec<_>>());
    lab.settle(&mut senders.iter_mut().chain([&mut stalls]).collect::<Vec<_>>());
    for hop in 20..25 {
        let changed = wire("10.9.0.0/16");
        lab.send(&senders[0], |b| b.advertise(NlriSlice::trusted(V4, PathIds::Absent, &changed), &block(hop), None));
        all(&mut senders, &mut lab);
    }
    let backlog = |lab: &Lab, peer: &Peer| lab.rib.peer_stats(peer.id.peer)[0].backlog;
    let before = lab.rib.stats().families[0].journal_bytes;
    assert!(backlog(&lab, &stalls).is_some_and(|octets| octets > 0) && before < ALL as u64, "{before}");
    // What the other one is sent is more than all may take.
    let mut reads = lab.peer(99, |f| {
        f.export.add_path = crate::export::AddPathSend::All;
        f.export.policy = all_but("10.9.0.0/16");
    });
    lab.rib.peer_down(lab.now, reads.id, &[]);
    reads.id.serial += 1;
    let mut handles = lab.rib.peer_up(lab.now, reads.id, &reads.params).expect("known");
    reads.receiver = Receiver::new(handles.readers.pop().expect("one").1, 99, PathIds::Present, false);
    all(&mut senders, &mut lab);
    let journals = lab.rib.stats().families[0].journal_bytes;
    assert!(journals > ALL as u64, "{journals}: what it needs is more than all may take");
    assert!(backlog(&lab, &reads).is_some_and(|octets| octets > 1400), "{:?}", backlog(&lab, &reads));
    assert_eq!(backlog(&lab, &stalls), None, "it gives way");
    lab.settle(&mut senders.iter_mut().chain([&mut stalls, &mut reads]).collect::<Vec<_>>());
    assert_eq!((reads.receiver.has.len(), reads.receiver.adverts, stalls.receiver.has.len()), (32, 32, 3));
}

/// What an UPDATE withdraws and advertises is not withdrawn (RFC 4271 §4.3), however small the pieces are.
#[test]
fn an_update_that_withdraws_and_advertises_is_taken_whole() {
    let mut lab = Lab::new(config());
    let (mut a, mut b) = (lab.peer(1, |_| ()), lab.peer(2, |_| ()));
    lab.advertise(&a, "10.1.0.0/16");
    lab.settle(&mut [&mut a, &mut b]);
    let octets = wire("10.1.0.0/16");
    let nlri = NlriSlice::trusted(V4, PathIds::Absent, &octets);
    let attributes = block(2);
    let mut builder = BatchBuilder::new(context());
    builder.withdraw(nlri);
    builder.push(&Update {
        withdrawn: [nlri].into_iter().collect(),
        reach: [Reach { nlri, block: &attributes }].into_iter().collect(),
        end_of_rib: None,
        ineligible: None,
        faults: &[],
        action: None,
    });
    let batch = builder.take();
    let mut at = BatchPosition::default();
    assert_eq!(lab.rib.ingest_some(lab.now, a.id, &batch, &mut at, 1), Ingested::Some);
    lab.settle(&mut [&mut a, &mut b]);
    assert_eq!(b.has(), [] as [&str; 0]);
    assert_eq!(lab.rib.ingest_some(lab.now, a.id, &batch, &mut at, 1), Ingested::All);
    lab.settle(&mut [&mut a, &mut b]);
    assert_eq!(b.has(), ["10.1.0.0/16"]);
}

/// A large table is withdrawn in less time than a busy machine needs to let a peer read: that must not end its session.
#[test]
fn a_table_may_go_faster_than_it_is_read() {
    let mut lab = Lab::new(config());
    let (mut a, mut b) = (lab.peer(1, |_| ()), lab.peer(2, |_| ()));
    let prefix = |n: u32| Prefix::new(Ipv4Addr::from(0x1400_0000 + (n << 8)).into(), 24).expect("a prefix");
    let pieces: Vec<BytesMut> = (0..80u32)
        .map(|piece| {
            let mut packed = BytesMut::new();
            for number in piece * 1000..(piece + 1) * 1000 {
                let nlri = Nlri { prefix: prefix(number), path_id: PathId(0) };
                encode_nlri(&mut packed, nlri, PathIds::Absent);
            }
            packed
        })
        .collect();
    for packed in &pieces {
        lab.send(&a, |batch| batch.advertise(NlriSlice::trusted(V4, PathIds::Absent, packed), &block(1), None));
    }
    lab.settle(&mut [&mut a, &mut b]);
    assert_eq!(b.has().len(), 80_000);
    for packed in &pieces {
        lab.send(&a, |batch| batch.withdraw(NlriSlice::trusted(V4, PathIds::Absent, packed)));
    }
    // The sender reads, the other does not.
    for _ in 0..100 {
        lab.now = lab.now + Bounds::default().patience;
        lab.settle(&mut [&mut a]);
    }
    assert!(lab.rib.stats().families[0].tombstones > 70_000, "nothing waited for the other");
    assert!(!lab.seen.iter().any(|output| matches!(output, Output::Reset { .. })), "{:?}", lab.seen.last());
    lab.settle(&mut [&mut a, &mut b]);
    assert!(b.has().is_empty());
}
