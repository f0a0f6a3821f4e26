//! Routes of our own: on interfaces, many of them, beside learned ones.

use heddle_bgp_core::attr::{BlockView, Origin, PathAttributes};

use super::*;
use crate::decision::Reason;
use crate::route::SourceId;

/// BIRD's highest metric, from which Calico subtracts a route's to get its preference.
const TOP: u32 = 2_147_483_647;

fn local(interface: &str, local_pref: u32) -> Vec<u8> {
    let attributes = PathAttributes {
        interface: Some(interface.into()),
        origin: Some(Origin::Igp),
        as_path: Some(heddle_bgp_core::attr::AsPath::default()),
        local_pref: Some(local_pref),
        ..PathAttributes::default()
    };
    attributes.to_block().expect("short")
}

fn prefix(text: &str) -> Prefix {
    text.parse().expect("a prefix")
}

fn host(n: u32) -> Prefix {
    Prefix::new(Ipv4Addr::from(0x0a41_0000 + n).into(), 32).expect("32 bits")
}

/// UPDATEs that lie in a peer's journal.
fn updates(peer: &mut Peer) -> usize {
    let mut out = Vec::new();
    assert_eq!(peer.receiver.reader.take(&mut out, 65_536), TakeStatus::Taken);
    let stream = out.concat();
    let (mut at, mut n) = (0, 0);
    while let Some(len) = stream.get(at + 16..at + 18) {
        at += usize::from(u16::from_be_bytes(len.try_into().expect("two octets")));
        n += 1;
    }
    assert_eq!(at, stream.len(), "whole messages");
    n
}

/// Attributes that differ only in the interface are one set to peers: many prefixes in one UPDATE, and none when only the
/// interface changes.
#[test]
fn interfaces_do_not_split_updates() {
    let mut lab = Lab::new(config());
    let mut a = lab.peer(1, |_| ());
    lab.settle(&mut [&mut a]);
    for n in 0..100 {
        // Every other one is elevated, so that equal ones are no neighbours.
        lab.rib.originate(lab.now, host(n), &local(&format!("cali{n}"), TOP - 1024 + n % 2 * 512));
    }
    while lab.rib.run(lab.now, 4096) == RunStatus::More {}
    assert_eq!(updates(&mut a), 2);
    lab.settle(&mut [&mut a]);
    assert_eq!(a.receiver.adverts, 100);
    for n in 0..100 {
        lab.rib.originate(lab.now, host(n), &local(&format!("cali{}", n + 1), TOP - 1024 + n % 2 * 512));
    }
    lab.settle(&mut [&mut a]);
    assert_eq!((a.receiver.adverts, a.receiver.withdrawals), (100, 0));
    lab.rib.originate(lab.now, host(7), &local("cali8", TOP - 1024));
    lab.settle(&mut [&mut a]);
    assert_eq!(a.receiver.adverts, 101);
}

/// The interface is seen in the table, and not in what a peer is said to get.
#[test]
fn the_interface_in_views() {
    let mut lab = Lab::new(config());
    let mut a = lab.peer(1, |_| ());
    lab.rib.originate(lab.now, host(1), &local("cali1", 100));
    lab.settle(&mut [&mut a]);
    for (view, interface) in [(View::LocRib, Some("cali1")), (View::Advertised(a.id.peer), None)] {
        let mut out = Vec::new();
        lab.rib.routes(Scope::Exact(host(1)), view, &mut Cursor::default(), 1, &mut out);
        let blocks: Vec<_> = out.iter().map(|r| BlockView(&r.block).interface()).collect();
        assert_eq!(blocks, [interface], "{view:?}");
    }
}

/// A route of our own is worth its preference: one that is learned with a higher one wins, as that of a workload that
/// was moved does; at the same, ours does (RFC 4271 §9.1.1 leaves it to the speaker).
#[test]
fn ours_and_learned_ones() {
    let mut lab = Lab::new(config());
    let (mut a, mut b) = (lab.peer(1, |_| ()), lab.peer(2, |_| ()));
    let text = "10.65.0.1/32";
    lab.rib.originate(lab.now, prefix(text), &local("cali1", TOP - 1024));
    lab.settle(&mut [&mut a, &mut b]);
    for (learned, wins) in [(TOP - 1024, false), (TOP - 512, true), (TOP - 1025, false)] {
        let mut attributes = PathAttributes::from_block(&block(1));
        attributes.local_pref = Some(learned);
        let block = attributes.to_block().expect("short");
        lab.send(&a, |b| b.advertise(NlriSlice::trusted(V4, PathIds::Absent, &wire(text)), &block, None));
        lab.settle(&mut [&mut a, &mut b]);
        let best = lab.paths(text).into_iter().find(|r| r.standing == Standing::Decided(Reason::Best)).expect("one");
        assert_eq!(best.source.peer == a.id.peer, wins, "LOCAL_PREF {learned}");
        let sent = b.receiver.has.values().next().expect("advertised");
        assert_eq!(BlockView(sent).originator_id().is_some(), wins, "reflected at LOCAL_PREF {learned}");
        // The source of the best does not get it; the other one's does.
        assert_eq!(a.has().is_empty(), wins, "LOCAL_PREF {learned}");
    }
    lab.rib.retract(lab.now, prefix(text));
    lab.settle(&mut [&mut a, &mut b]);
    assert_eq!((a.has().len(), b.has().len()), (0, 1));
}

/// While a table comes in, changes of our own go out in the next quantum, before the table.
#[test]
fn own_changes_do_not_wait_for_tables() {
    let mut lab = Lab::new(config());
    let (mut a, mut b) = (lab.peer(1, |_| ()), lab.peer(2, |_| ()));
    lab.settle(&mut [&mut a, &mut b]);
    for round in 0..50 {
        for n in 0..100 {
            let third = Ipv4Addr::new(20, 0, round, n);
            lab.advertise(&a, &format!("{third}/32"));
        }
        let own = host(u32::from(round));
        lab.rib.originate(lab.now, own, &local(&format!("cali{round}"), TOP - 1024));
        if round > 0 {
            lab.rib.retract(lab.now, host(u32::from(round) - 1));
        }
        let _ = lab.rib.run(lab.now, 16);
        let _ = b.receiver.write(65_536, usize::MAX);
        let own_ones: Vec<_> =
            b.receiver.has.keys().map(|k| k.0).filter(|p| prefix("10.0.0.0/8").contains(*p)).collect();
        assert_eq!(own_ones, [own]);
    }
    lab.settle(&mut [&mut a, &mut b]);
    assert_eq!(b.has().len(), 5001);
}

/// Another AS or BGP Identifier is that of local routes, those that are there included.
#[test]
fn local_routes_have_the_identity_that_is_in_force() {
    let mut lab = Lab::new(config());
    lab.rib.set_identity(lab.now, Asn(64999), BgpId(7));
    let of = |info: &SourceInfo| (info.peer_asn, info.local_asn, info.bgp_id);
    let expected = (Asn(64999), Asn(64999), BgpId(7));
    assert_eq!(of(lab.rib.local()), expected);
    assert_eq!(of(lab.rib.v4.sources.info(SourceId::LOCAL)), expected);
    assert_eq!(of(lab.rib.v6.sources.info(SourceId::LOCAL)), expected);
}
