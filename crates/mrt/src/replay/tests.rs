use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::Ipv4Addr;
use std::path::Path;

use heddle_bgp_core::update::{AsSets, DecodeOptions, FaultKind, Scratch, UpdateContext, decode};
use heddle_bgp_core::{Framer, PathId, Prefix};
use proptest::prelude::*;

use super::*;
use crate::Writer;
use crate::bgp4mp::Session;
use crate::show::show;
use crate::table_dump_v2::{PeerEntry, RibEntry};
use crate::writer::Time;

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn options(peer: IpAddr, peer_type: PeerType, as_width: AsWidth) -> ReplayOptions {
    ReplayOptions {
        peer,
        local_asn: Asn(65001),
        peer_type,
        as_width,
        max_message_len: 4096,
        families: Family::SUPPORTED.to_vec(),
        extended_next_hop: vec![],
    }
}

fn session(peer: IpAddr) -> Session {
    Session { peer_asn: Asn(65002), local_asn: Asn(65001), interface: 0, peer, local: peer }
}

/// A recorded UPDATE of three raw fields.
fn update(withdrawn: &[u8], attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let mut out = BytesMut::new();
    heddle_bgp_core::message::encode_message(&mut out, MessageType::Update, |b| {
        for field in [withdrawn, attributes] {
            b.extend_from_slice(&u16::try_from(field.len()).unwrap().to_be_bytes());
            b.extend_from_slice(field);
        }
        b.extend_from_slice(nlri);
    });
    out.to_vec()
}

/// A file with messages in one form.
fn file(messages: &[Vec<u8>], as_width: AsWidth, path_ids: PathIds) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for message in messages {
        let direction = Direction::Received;
        let message = Message { session: session(PEER), direction, as_width, path_ids, message };
        writer.message(Time::default(), &message).unwrap();
    }
    writer.into_inner()
}

fn replay(file: &[u8], options: ReplayOptions) -> (Vec<Bytes>, Counters) {
    let max = options.max_message_len;
    let mut replay = Replay::new(Reader::new(file).unwrap(), options);
    let messages: Vec<_> = replay.by_ref().map(Result::unwrap).collect();
    assert_eq!(replay.counters().messages, messages.len() as u64);
    assert!(messages.iter().all(|m| m.len() <= max));
    (messages, replay.counters())
}

/// The lines for messages, from the prefix on, without the order.
fn lines(messages: &[Bytes], as_width: AsWidth) -> Vec<String> {
    let messages: Vec<_> = messages.iter().map(|m| m.to_vec()).collect();
    shown(&file(&messages, as_width, PathIds::Absent), PEER)
}

/// The lines for what a file has of a peer, from the prefix on.
fn shown(file: &[u8], peer: IpAddr) -> Vec<String> {
    let mut out = Vec::new();
    show(&mut Reader::new(file).unwrap(), &mut out).unwrap();
    let text = String::from_utf8(out).unwrap();
    let lines = text.lines().map(|l| l.splitn(6, '|').collect::<Vec<_>>()).filter(|f| f[2] != "STATE");
    lines.filter(|f| f[3] == peer.to_string()).map(|f| f[5].to_owned()).collect()
}

fn data(name: &str) -> Vec<u8> {
    std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name)).unwrap()
}

/// A field of a line after the prefix: 0 the path, 3 LOCAL_PREF.
fn with_field(line: &str, field: usize, change: impl Fn(&str) -> String) -> String {
    let mut fields: Vec<_> = line.split('|').map(str::to_owned).collect();
    if let Some(f) = fields.get_mut(1 + field) {
        *f = change(f);
    }
    fields.join("|")
}

/// What goes to an internal peer says the same as the record, in both widths, and in the same order.
#[test]
fn as_recorded() {
    let recorded = data("updates.et.gz");
    let peers = peers(&mut Reader::new(&recorded[..]).unwrap());
    assert!(peers.error.is_none());
    let [peer] = peers.peers[..] else { panic!("{peers:?}") };
    let want = shown(&recorded, peer.addr);
    for width in [AsWidth::Four, AsWidth::Two] {
        let (messages, counters) = replay(&recorded, options(peer.addr, PeerType::Ibgp, width));
        assert_eq!(lines(&messages, width), want);
        assert_eq!(counters.advertised + counters.withdrawn, want.len() as u64);
        assert_eq!((counters.malformed, counters.too_long), (0, 0));
    }
}

/// RFC 4271 §5.1.2, §5.1.5, RFC 4456 §8: to an external peer, our AS in front and no attribute of our own side.
#[test]
fn toward_an_external_peer() {
    let recorded = data("updates.et.gz");
    let peer = peers(&mut Reader::new(&recorded[..]).unwrap()).peers[0].addr;
    let want: Vec<_> = shown(&recorded, peer)
        .iter()
        .map(|l| with_field(&with_field(l, 0, |path| format!("65001 {path}").trim_end().to_owned()), 3, |_| "0".into()))
        .collect();
    for width in [AsWidth::Four, AsWidth::Two] {
        let (messages, _) = replay(&recorded, options(peer, PeerType::Ebgp, width));
        assert_eq!(lines(&messages, width), want);
        for message in &messages {
            let update = RecordedUpdate::read_sound(message).unwrap().unwrap();
            let codes: BTreeSet<_> =
                heddle_bgp_core::attr::BlockView(update.attributes).iter().map(|a| a.code.0).collect();
            assert!(codes.is_disjoint(&[5, 9, 10].into()), "{codes:?}");
        }
    }
}

const ORIGIN: &[u8] = &[0x40, 1, 1, 0];
const NEXT_HOP: &[u8] = &[0x40, 3, 4, 192, 0, 2, 9];
const LOCAL_PREF: &[u8] = &[0x40, 5, 4, 0, 0, 0, 100];

fn attributes(parts: &[&[u8]]) -> Vec<u8> {
    [&[ORIGIN], parts, &[NEXT_HOP]].concat().concat()
}

fn attributes_of(message: &[u8]) -> Vec<u8> {
    RecordedUpdate::read_sound(message).unwrap().unwrap().attributes.to_vec()
}

/// RFC 6793 §4.2: what becomes of AS numbers that two octets cannot hold, in both directions, octet by octet.
#[test]
fn widths() {
    let wide = [0x40, 2, 10, 2, 2, 0, 0, 0, 9, 0, 1, 0, 0];
    let wide_aggregator = [0xc0, 7, 8, 0, 1, 0, 0, 10, 0, 0, 1];
    let narrow = [0x40, 2, 6, 2, 2, 0, 9, 0x5b, 0xa0];
    let narrow_aggregator = [0xc0, 7, 6, 0x5b, 0xa0, 10, 0, 0, 1];
    let as4 = [0xc0, 17, 10, 2, 2, 0, 0, 0, 9, 0, 1, 0, 0];
    let as4_aggregator = [0xc0, 18, 8, 0, 1, 0, 0, 10, 0, 0, 1];
    let in_four = attributes(&[&wide, LOCAL_PREF, &wide_aggregator]);
    let in_two =
        [attributes(&[&narrow, LOCAL_PREF, &narrow_aggregator]), as4.to_vec(), as4_aggregator.to_vec()].concat();
    for (from, recorded) in [(AsWidth::Four, &in_four), (AsWidth::Two, &in_two)] {
        for (to, want) in [(AsWidth::Four, &in_four), (AsWidth::Two, &in_two)] {
            let file = file(&[update(&[], recorded, &[8, 10])], from, PathIds::Absent);
            let (messages, _) = replay(&file, options(PEER, PeerType::Ibgp, to));
            assert_eq!(&attributes_of(&messages[0]), want, "{from:?} to {to:?}");
        }
    }
}

/// RFC 4271 §5.1.2: a full segment, a set and no segment at all get one of their own in front.
#[test]
fn prepending() {
    let path = |value: &[u8]| {
        let mut out = Vec::new();
        heddle_bgp_core::attr::block::push_attr(&mut out, 0x40, heddle_bgp_core::attr::AttrCode::AS_PATH, value);
        out
    };
    let ours = [0, 0, 0xfd, 0xe9];
    let full = [&[2, 255][..], &[0, 0, 0, 7].repeat(255)].concat();
    let full_with = [&[2, 1][..], &ours, &full].concat();
    for (recorded, want) in [
        (vec![2, 1, 0, 0, 0, 7], [&[2, 2][..], &ours, &[0, 0, 0, 7]].concat()),
        (vec![1, 1, 0, 0, 0, 7], [&[2, 1][..], &ours, &[1, 1, 0, 0, 0, 7]].concat()),
        (vec![], [&[2, 1][..], &ours].concat()),
        (full, full_with),
    ] {
        let file = file(&[update(&[], &attributes(&[&path(&recorded)]), &[8, 10])], AsWidth::Four, PathIds::Absent);
        let (messages, _) = replay(&file, options(PEER, PeerType::Ebgp, AsWidth::Four));
        assert_eq!(attributes_of(&messages[0]), attributes(&[&path(&want)]));
    }
}

/// RFC 4271 §5.1.5: an internal peer gets a LOCAL_PREF, its own where the record has one.
#[test]
fn local_pref() {
    let path = [0x40, 2, 0];
    for (recorded, want) in [
        (attributes(&[&path, LOCAL_PREF]), attributes(&[&path, LOCAL_PREF])),
        (attributes(&[&path]), [attributes(&[&path]), LOCAL_PREF.to_vec()].concat()),
    ] {
        let file = file(&[update(&[], &recorded, &[8, 10])], AsWidth::Four, PathIds::Absent);
        assert_eq!(attributes_of(&replay(&file, options(PEER, PeerType::Ibgp, AsWidth::Four)).0[0]), want);
    }
}

/// A message that our AS makes too long becomes several, with the same routes.
#[test]
fn too_long_for_one_message() {
    let path = [0x40, 2, 6, 2, 1, 0, 0, 0, 7];
    let attrs = attributes(&[&path]);
    let room = 4096 - 23 - attrs.len();
    let nlri: Vec<u8> = (0..room / 4).flat_map(|n| [24, 10, (n >> 8) as u8, n as u8]).collect();
    let message = update(&[], &attrs, &nlri);
    assert!(message.len() > 4092, "{}", message.len());
    let recorded = file(&[message], AsWidth::Four, PathIds::Absent);
    let (messages, counters) = replay(&recorded, options(PEER, PeerType::Ebgp, AsWidth::Four));
    assert_eq!((messages.len(), counters.advertised), (2, (room / 4) as u64));
    let want: Vec<_> = shown(&recorded, PEER).iter().map(|l| with_field(l, 0, |_| "65001 7".into())).collect();
    assert_eq!(lines(&messages, AsWidth::Four), want);

    // Attributes that leave no room at all: counted, and nothing is sent.
    let big = [&[0xd0, 99, 0x0f, 0xd0][..], &[0; 0xfd0]].concat();
    let recorded = file(&[update(&[], &attributes(&[&path, &big]), &[8, 10])], AsWidth::Four, PathIds::Absent);
    let (messages, counters) = replay(&recorded, options(PEER, PeerType::Ebgp, AsWidth::Four));
    assert_eq!((messages.len(), counters.too_long, counters.advertised), (0, 1, 0));
}

/// RFC 7911: Path Identifiers are taken off everywhere.
#[test]
fn path_identifiers() {
    let reach = [&[0x80, 14, 30, 0, 2, 1, 16][..], &[0x20; 16], &[0, 0, 0, 0, 5, 32, 0x20, 1, 0xd, 0xb8]].concat();
    let unreach = [0x80, 15, 11, 0, 2, 1, 0, 0, 0, 6, 24, 0x20, 1, 0xd];
    let attrs = attributes(&[&[0x40, 2, 0], LOCAL_PREF, &reach, &unreach]);
    let message = update(&[0, 0, 0, 1, 8, 11], &attrs, &[0, 0, 0, 2, 8, 10]);
    let (messages, counters) =
        replay(&file(&[message], AsWidth::Four, PathIds::Present), options(PEER, PeerType::Ibgp, AsWidth::Four));
    assert_eq!((counters.advertised, counters.withdrawn), (2, 2));
    let prefixes: Vec<_> =
        lines(&messages, AsWidth::Four).iter().map(|l| l.split('|').next().unwrap().to_owned()).collect();
    assert_eq!(prefixes, ["11.0.0.0/8", "2001:d00::/24", "10.0.0.0/8", "2001:db8::/32"]);
}

/// Families that the session does not have are left out, End-of-RIB markers (RFC 4724 §2) included.
#[test]
fn families() {
    let reach = [&[0x80, 14, 26, 0, 2, 1, 16][..], &[0x20; 16], &[0, 32, 0x20, 1, 0xd, 0xb8]].concat();
    let attrs = attributes(&[&[0x40, 2, 0], LOCAL_PREF, &reach]);
    let messages = [
        update(&[], &attrs, &[8, 10]),
        update(&[], &reach, &[]),
        update(&[], &[], &[]),
        update(&[], &[0x80, 15, 3, 0, 2, 1], &[]),
    ];
    let file = file(&messages, AsWidth::Four, PathIds::Absent);
    let run = |families: &[Family]| {
        let mut options = options(PEER, PeerType::Ibgp, AsWidth::Four);
        options.families = families.to_vec();
        let (messages, counters) = replay(&file, options);
        (messages.len(), counters.advertised, lines(&messages, AsWidth::Four))
    };
    let (count, advertised, _) = run(&Family::SUPPORTED);
    assert_eq!((count, advertised), (4, 3));
    let (count, advertised, shown) = run(&[Family::IPV4_UNICAST]);
    assert_eq!((count, advertised), (2, 1));
    assert!(shown[0].starts_with("10.0.0.0/8|"), "{shown:?}");
    let (count, advertised, shown) = run(&[Family::IPV6_UNICAST]);
    assert_eq!((count, advertised), (3, 2));
    assert!(shown.iter().all(|l| l.starts_with("2001:db8::/32|")), "{shown:?}");
}

/// RFC 8950: an IPv6 next hop of an IPv4 prefix only where the session has that.
#[test]
fn next_hops_of_the_other_family() {
    let reach = [&[0x80, 14, 23, 0, 1, 1, 16][..], &[0x20; 16], &[0, 8, 10]].concat();
    let file = file(&[update(&[], &[ORIGIN, &[0x40, 2, 0], &reach].concat(), &[])], AsWidth::Four, PathIds::Absent);
    let mut options = options(PEER, PeerType::Ibgp, AsWidth::Four);
    assert_eq!(replay(&file, options.clone()).1.advertised, 0);
    options.extended_next_hop = vec![Family::IPV4_UNICAST];
    assert_eq!(replay(&file, options).1.advertised, 1);
}

/// What is malformed could end the session: it is counted, and the rest goes on.
#[test]
fn malformed_messages() {
    let sound = update(&[], &attributes(&[&[0x40, 2, 0]]), &[8, 10]);
    let mut cut = sound.clone();
    cut.pop();
    let mut marker = sound.clone();
    marker[3] = 0;
    let bad = [
        update(&[33, 1, 2, 3, 4, 5], &[], &[]),
        update(&[], &attributes(&[&[0x40, 2, 0]]), &[24, 10]),
        update(&[], &[0x40, 1, 9, 0], &[8, 10]),
        update(&[], &attributes(&[ORIGIN]), &[8, 10]),
        update(&[], &attributes(&[&[0x40, 2, 4, 9, 1, 0, 0]]), &[8, 10]),
        update(&[], &[0x80, 14, 3, 0, 2, 1], &[]),
        cut,
        marker,
    ];
    let messages: Vec<_> = bad.iter().flat_map(|m| [m.clone(), sound.clone()]).collect();
    let (sent, counters) =
        replay(&file(&messages, AsWidth::Four, PathIds::Absent), options(PEER, PeerType::Ibgp, AsWidth::Four));
    assert_eq!((sent.len(), counters.malformed), (bad.len(), bad.len() as u64));
}

/// A cut file: the routes up to there, then the error, then the end.
#[test]
fn a_cut_file() {
    let recorded = file(&vec![update(&[8, 10], &[], &[]); 3], AsWidth::Four, PathIds::Absent);
    let cut = &recorded[..recorded.len() - 1];
    let mut replay = Replay::new(Reader::new(cut).unwrap(), options(PEER, PeerType::Ibgp, AsWidth::Four));
    assert!(replay.next().unwrap().is_ok());
    assert!(replay.next().unwrap().is_ok());
    assert!(matches!(replay.next(), Some(Err(MrtError::Truncated { .. }))));
    assert!(replay.next().is_none());
    let mut reader = Reader::new(cut).unwrap();
    let peers = peers(&mut reader);
    assert_eq!(peers.peers[0].updates, 2);
    assert!(matches!(peers.error, Some(MrtError::Truncated { .. })));
}

/// Only what the chosen peer sent; the list has those with routes.
#[test]
fn one_of_several_peers() {
    let recorded = data("updates.gz");
    let list = peers(&mut Reader::new(&recorded[..]).unwrap());
    assert!(list.peers.len() > 3);
    let mut total = 0;
    for peer in &list.peers {
        let want = shown(&recorded, peer.addr);
        let (messages, _) = replay(&recorded, options(peer.addr, PeerType::Ebgp, AsWidth::Four));
        let sent = lines(&messages, AsWidth::Four);
        assert_eq!(sent.len(), want.len());
        total += sent.len();
    }
    assert!(total > 100);
}

/// What the recorder sent to the peer is not the peer's, and makes it none of the listed (RFC 6396 §4.4.5).
#[test]
fn sent_messages_are_left_out() {
    let message = update(&[8, 10], &[], &[]);
    let mut writer = Writer::new(Vec::new());
    let (as_width, path_ids) = (AsWidth::Four, PathIds::Absent);
    let sent = Message { session: session(PEER), direction: Direction::Sent, as_width, path_ids, message: &message };
    writer.message(Time::default(), &sent).unwrap();
    let file = writer.into_inner();
    assert_eq!(replay(&file, options(PEER, PeerType::Ibgp, AsWidth::Four)).0.len(), 0);
    assert!(peers(&mut Reader::new(&file[..]).unwrap()).peers.is_empty());
}

/// A table: every route of the peer, packed by its attributes; then the UPDATEs that follow in the file.
#[test]
fn tables() {
    let other = IpAddr::from([192, 0, 2, 7]);
    let entry = |addr, n| PeerEntry { bgp_id: heddle_bgp_core::BgpId(n), addr, asn: Asn(n) };
    let table = PeerIndexTable { peers: vec![entry(other, 7), entry(PEER, 8)], ..PeerIndexTable::default() };
    let v4 = |med| [&attributes(&[&[0x40, 2, 6, 2, 1, 0, 0, 0, 9]])[..], &[0x80, 4, 4, 0, 0, 0, med]].concat();
    let short_reach = [&[0x80, 14, 17, 16][..], &[0x20; 16]].concat();
    let v6 = [ORIGIN, &[0x40, 2, 6, 2, 1, 0, 0, 0, 9], &short_reach].concat();
    let (odd, even) = (v4(1), v4(0));
    let mut writer = Writer::new(Vec::new());
    writer.peer_index_table(1, &table).unwrap();
    let mut want = BTreeMap::new();
    for n in 0..3000_u32 {
        let prefix = Prefix::new(Ipv4Addr::from(0x0a00_0000 + (n << 8)).into(), 24).unwrap();
        let attrs = if n % 2 == 1 { &odd } else { &even };
        let entry = |peer_index| RibEntry { peer_index, originated: 0, path_id: PathId(0), attributes: attrs };
        writer.rib(1, n, prefix, PathIds::Absent, &[entry(0), entry(1)]).unwrap();
        want.insert(prefix.to_string(), n % 2);
    }
    let prefix: Prefix = "2001:db8::/32".parse().unwrap();
    let entry = RibEntry { peer_index: 1, originated: 0, path_id: PathId(0), attributes: &v6 };
    writer.rib(1, 3000, prefix, PathIds::Absent, &[entry]).unwrap();
    let message = update(&[24, 10, 0, 0], &[], &[]);
    let direction = Direction::Received;
    let message = Message {
        session: session(PEER),
        direction,
        as_width: AsWidth::Four,
        path_ids: PathIds::Absent,
        message: &message,
    };
    writer.message(Time::default(), &message).unwrap();
    let file = writer.into_inner();

    assert_eq!(peers(&mut Reader::new(&file[..]).unwrap()).peers.len(), 2);
    let (messages, counters) = replay(&file, options(PEER, PeerType::Ebgp, AsWidth::Four));
    assert_eq!((counters.advertised, counters.withdrawn, counters.malformed), (3001, 1, 0));
    assert!(messages.len() < 10, "not packed: {}", messages.len());
    let sent = lines(&messages, AsWidth::Four);
    assert_eq!(sent.last().unwrap(), "10.0.0.0/24");
    for line in &sent[..3001] {
        let (prefix, rest) = line.split_once('|').unwrap();
        match want.remove(prefix) {
            Some(med) => assert_eq!(rest, format!("65001 9|IGP|192.0.2.9|0|{med}||NAG||")),
            None => assert_eq!(line, "2001:db8::/32|65001 9|IGP|2020:2020:2020:2020:2020:2020:2020:2020|0|0||NAG||"),
        }
    }
    assert!(want.is_empty());
}

/// Both forms of tables, as foreign programs wrote them: what has a next hop is sent, what has none (the sample with
/// ADD-PATH names them nowhere for IPv6) is counted.
#[test]
fn recorded_tables() {
    let recorded = data("rib.gz");
    let list = peers(&mut Reader::new(&recorded[..]).unwrap());
    let prefixes = |lines: &[String]| -> BTreeSet<String> {
        lines.iter().map(|l| l.split('|').next().unwrap().to_owned()).collect()
    };
    let mut total = 0;
    for peer in &list.peers {
        let (without, with): (Vec<_>, Vec<_>) =
            shown(&recorded, peer.addr).into_iter().partition(|l| l.contains("|255.255.255.255|"));
        let (messages, counters) = replay(&recorded, options(peer.addr, PeerType::Ibgp, AsWidth::Four));
        assert_eq!(prefixes(&lines(&messages, AsWidth::Four)), prefixes(&with), "{}", peer.addr);
        assert_eq!(counters.malformed, without.len() as u64);
        total += with.len();
    }
    assert!(total > 50, "{total}");
}

fn negotiated(peer_type: PeerType, as_width: AsWidth) -> Negotiated {
    let family = |family| heddle_bgp_core::negotiated::NegotiatedFamily {
        family,
        add_path: None,
        extended_next_hop: false,
        graceful_restart: None,
        long_lived: None,
    };
    Negotiated {
        local_asn: Asn(65001),
        peer_asn: Asn(65001),
        local_id: heddle_bgp_core::BgpId(1),
        peer_id: heddle_bgp_core::BgpId(2),
        peer_type,
        hold_time: 90,
        as_width,
        max_message_len: 4096,
        max_receive_len: 4096,
        families: Family::SUPPORTED.map(family).to_vec(),
        route_refresh: true,
        enhanced_route_refresh: false,
        graceful_restart: None,
        peer_role: None,
        peer_host_name: None,
    }
}

type Received = (BTreeSet<Prefix>, BTreeSet<Prefix>, Counters);

/// What the receiver of a replay has in the end, judged by its rules, with the prefixes that it takes for withdrawn
/// because the record has AS 0 in their paths (RFC 7607 §2); it must find no other fault.
fn received(recorded: Reader<impl Read>, peer: IpAddr, session: &Negotiated) -> Received {
    let mut replay = Replay::new(recorded, ReplayOptions::new(peer, session));
    let options = DecodeOptions { as_sets: Some(AsSets::Accept), ..DecodeOptions::default() };
    let (context, mut scratch) = (UpdateContext::new(session, options), Scratch::new());
    let (mut table, mut as_zero, mut framer) = (BTreeSet::new(), BTreeSet::new(), Framer::new());
    let mut out = BytesMut::new();
    loop {
        let filled = replay.fill(&mut out, 1 << 20).unwrap();
        assert!(out.len() < (1 << 20) + 4096);
        framer.push(&out);
        out.clear();
        while let Some(frame) = framer.next().unwrap() {
            let update = decode(frame.body(), &context, &mut scratch).unwrap();
            let faults: Vec<_> = update.faults.iter().filter(|f| f.kind != FaultKind::AsZero).collect();
            assert!(faults.is_empty(), "{faults:?} in {:02x?}", frame.raw);
            let reached: Vec<_> = update.reach.iter().flat_map(|r| r.nlri.iter()).map(|n| n.prefix).collect();
            for nlri in update.withdrawn.iter().flat_map(|n| n.iter()) {
                table.remove(&nlri.prefix);
                as_zero.remove(&nlri.prefix);
                as_zero.extend((!update.faults.is_empty()).then_some(nlri.prefix));
            }
            as_zero.retain(|p| !reached.contains(p));
            table.extend(reached);
        }
        if filled == Filled::End {
            return (table, as_zero, replay.counters());
        }
    }
}

/// The receiver finds no fault, whichever session it is.
#[test]
fn the_receiver_finds_no_fault() {
    for name in ["updates.et.gz", "updates.gz"] {
        let recorded = data(name);
        for peer in peers(&mut Reader::new(&recorded[..]).unwrap()).peers {
            for peer_type in [PeerType::Ibgp, PeerType::Ebgp] {
                for as_width in [AsWidth::Two, AsWidth::Four] {
                    let reader = Reader::new(&recorded[..]).unwrap();
                    let (_, _, counters) = received(reader, peer.addr, &negotiated(peer_type, as_width));
                    assert_eq!(counters.malformed, 0);
                }
            }
        }
    }
}

/// A full table: every announcement, and what is left in the end. Four of its routes end in AS 0, which a receiver must take for withdrawals (RFC 7607 §2).
#[test]
fn full_table() {
    let recorded = File::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../data/internet-2015.mrt.gz")).unwrap();
    let peer = "206.220.231.55".parse().unwrap();
    let session = negotiated(PeerType::Ibgp, AsWidth::Four);
    let (table, as_zero, counters) = received(Reader::new(recorded).unwrap(), peer, &session);
    assert_eq!((counters.advertised, counters.withdrawn), (577_737, 3));
    assert_eq!((table.len() + as_zero.len(), as_zero.len()), (577_703, 4));
    assert_eq!((counters.malformed, counters.too_long), (0, 0));
}

proptest! {
    /// Whatever is recorded, what comes out is sound, and nothing panics.
    #[test]
    fn any_update(withdrawn in field(), attrs in field(), nlri in field(), wide in any::<bool>(), ids in any::<bool>(),
                  external in any::<bool>()) {
        let width = if wide { AsWidth::Four } else { AsWidth::Two };
        let path_ids = if ids { PathIds::Present } else { PathIds::Absent };
        let peer_type = if external { PeerType::Ebgp } else { PeerType::Ibgp };
        let recorded = file(&[update(&withdrawn, &attrs, &nlri)], width, path_ids);
        show(&mut Reader::new(&recorded[..]).unwrap(), std::io::sink()).unwrap();
        for as_width in [AsWidth::Two, AsWidth::Four] {
            let (messages, counters) = replay(&recorded, options(PEER, peer_type, as_width));
            prop_assert!(messages.len() as u64 + counters.malformed <= 1);
            for message in &messages {
                let update = RecordedUpdate::read_sound(message).unwrap().unwrap();
                prop_assert!(NlriSlice::parse(Family::IPV4_UNICAST, PathIds::Absent, update.nlri).is_ok());
                prop_assert!(NlriSlice::parse(Family::IPV4_UNICAST, PathIds::Absent, update.withdrawn).is_ok());
            }
        }
    }
}

/// Octets that often look like attributes or prefixes.
fn field() -> impl Strategy<Value = Vec<u8>> {
    let attr = (prop::sample::select(vec![0x40_u8, 0x80, 0xc0, 0x50]), 1_u8..20, prop::collection::vec(0_u8..9, 0..30))
        .prop_map(|(flags, code, value)| {
            let len = u8::try_from(value.len()).unwrap();
            let head = if flags & 0x10 == 0 { vec![flags, code, len] } else { vec![flags, code, 0, len] };
            [head, value].concat()
        });
    prop_oneof![
        Just(vec![]),
        prop::collection::vec(attr, 0..5).prop_map(|a| a.concat()),
        prop::collection::vec(prop_oneof![Just(0_u8), Just(8), Just(10), any::<u8>()], 0..20),
    ]
}
