//! What the decoders allocate is bounded by what they are given, whatever a length field says.

#[path = "../../../fuzz/src/allocation.rs"]
pub mod allocation;
#[path = "../../../fuzz/src/corpus.rs"]
pub mod corpus;

use std::net::{IpAddr, Ipv4Addr};

use allocation::{WIRE, Worst};
use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::route_refresh::{EnhancedRefresh, RouteRefresh};
use heddle_bgp_core::update::{AigpSession, AsSets, AsZero, FamilyContext, Scratch, UpdateContext, decode};
use heddle_bgp_core::{AsWidth, Asn, Framer, Notification, Open, PeerType};

const HEADER: usize = 19;

/// The corpus of a target, and further inputs.
fn check(target: &str, further: &[(&str, Vec<u8>)], decode: fn(&[u8])) {
    let mut worst = Worst::new(WIRE);
    corpus::each(target, |what, input| worst.decode(what, input, decode));
    further.iter().for_each(|(what, input)| worst.decode(what, input, decode));
    worst.check(target);
}

/// The messages of a stream.
fn framer(data: &[u8]) {
    let mut framer = Framer::new();
    framer.allow_extended();
    for piece in data.chunks(usize::from(u16::MAX)) {
        framer.push(piece);
        while let Ok(Some(frame)) = framer.next() {
            assert!(frame.raw.len() >= HEADER);
        }
    }
}

#[test]
fn streams() {
    let claims = |length: [u8; 2]| [&[0xff; 16][..], &length, &[2]].concat();
    let whole = [claims([0xff, 0xff]), vec![0; 65_535 - HEADER]].concat();
    let further = [
        ("a header that claims 65535 octets", claims([0xff, 0xff])),
        ("one message of 65535 octets", whole.clone()),
        ("a hundred of them", whole.repeat(100)),
        ("many KEEPALIVEs", [&[0xff; 16][..], &[0, 19, 4]].concat().repeat(5000)),
    ];
    check("framer", &further, framer);
}

#[test]
fn opens() {
    let with = |capabilities: Vec<u8>| {
        let length = |n: usize| u16::try_from(n).expect("short").to_be_bytes();
        let head = [4, 0xfd, 0xe9, 0, 90, 10, 0, 0, 2, 255, 255];
        let (outer, inner) = (length(capabilities.len() + 3), length(capabilities.len()));
        [&head[..], &outer, &[2], &inner, &capabilities].concat()
    };
    let room = 4096 - HEADER - 16;
    let each = |n: u16, value: &[u8]| [&[200 + (n >> 8) as u8 % 50, value.len() as u8][..], value].concat();
    let further = [
        (
            "unknown capabilities that differ",
            with((0..room as u16 / 4).flat_map(|n| each(n, &n.to_be_bytes())).collect()),
        ),
        (
            "unknown capabilities of one octet that differ",
            with((0..room as u16 / 3).flat_map(|n| each(n, &[n as u8])).collect()),
        ),
        ("unknown capabilities of no octet", with((0..room as u16 / 2).flat_map(|n| each(n, &[])).collect())),
        (
            "multiprotocol for many families",
            with((0..room as u16 / 6).flat_map(|n| [1, 4, (n >> 8) as u8, n as u8, 0, 1]).collect()),
        ),
        (
            "ADD-PATH for many families",
            with((0..16_u8).flat_map(|n| [vec![69, 252], [n, 1, 1, 3].repeat(63)].concat()).collect()),
        ),
    ];
    check("open", &further, |data| drop(Open::decode(data)));
}

#[test]
fn notifications() {
    let further = [("a long text", [&[6, 2, 255][..], &[0xc3; 65_000]].concat())];
    check("notification", &further, |data| drop(Notification::decode(data)));
}

#[test]
fn refreshes() {
    check("route_refresh", &[], |data| {
        let Ok(length) = u16::try_from(HEADER + data.len()) else { return };
        let message = [&[0xff; 16][..], &length.to_be_bytes(), &[5], data].concat();
        let _ = RouteRefresh::decode(&message, EnhancedRefresh::Negotiated);
    });
}

fn session(peer_type: PeerType, as_width: AsWidth, path_ids: PathIds) -> UpdateContext {
    let family = Some(FamilyContext { path_ids, extended_next_hop: false });
    UpdateContext {
        peer_type,
        peer_asn: Asn(65001),
        as_width,
        families: [family, family],
        enforce_first_as: None,
        as_sets: AsSets::Accept,
        as_zero: AsZero::Reject,
        local_role: None,
        aigp: AigpSession::Enabled,
        local_addrs: std::iter::once(IpAddr::V4(Ipv4Addr::LOCALHOST)).collect(),
        max_as_path_len: 750,
    }
}

/// The body of an UPDATE, in one of eight sessions that its first octet says.
fn update(data: &[u8]) {
    let Some((choice, body)) = data.split_first() else { return };
    let bit = |n: u8| choice & (1 << n) != 0;
    let context = session(
        if bit(0) { PeerType::Ibgp } else { PeerType::Ebgp },
        if bit(1) { AsWidth::Two } else { AsWidth::Four },
        if bit(2) { PathIds::Present } else { PathIds::Absent },
    );
    let _ = decode(body, &context, &mut Scratch::new());
}

#[test]
fn updates() {
    let with = |choice: u8, attributes: &[u8], nlri: &[u8]| {
        let length = u16::try_from(attributes.len()).expect("short").to_be_bytes();
        [&[choice, 0, 0][..], &length, attributes, nlri].concat()
    };
    let base: &[u8] = &[0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 3, 4, 10, 0, 0, 2];
    let more = |attribute: Vec<u8>| with(1, &[base, &attribute].concat(), &[24, 10, 99, 1]);
    let long = |flags: u8, code: u8, value: &[u8]| {
        [&[flags | 0x10, code][..], &u16::try_from(value.len()).expect("short").to_be_bytes(), value].concat()
    };
    let path2: Vec<u8> = [&[2, 255][..], &[0xfd, 0xe9].repeat(255)].concat().repeat(2);
    let path4: Vec<u8> = [&[2, 255][..], &[0, 1, 0, 1].repeat(255)].concat().repeat(2);
    let narrow =
        [&[0x40, 1, 1, 0][..], &long(0x40, 2, &path2), &[0x40, 3, 4, 10, 0, 0, 2], &long(0xc0, 17, &path4)].concat();
    let further = [
        ("default routes alone", with(1, base, &vec![0; 65_000])),
        ("default routes with Path Identifiers", with(5, base, &[0; 65_000])),
        ("unknown attributes of no octet", more((30..=255_u8).flat_map(|code| [0xc0, code, 0]).collect())),
        ("the same attribute again and again", more([0xc0, 8, 0].repeat(20_000))),
        ("well-known ones that nobody knows", more([0x40, 99, 0].repeat(20_000))),
        ("communities", more(long(0xc0, 8, &vec![7; 64_000]))),
        ("an attribute that nobody knows", more(long(0xc0, 200, &vec![7; 64_000]))),
        ("a long AS_PATH", more([&[2, 255][..], &[7; 1020]].concat().repeat(60))),
        ("segments of one", more(long(0x40, 2, &[2, 1, 0, 0, 0, 7].repeat(10_000)))),
        ("empty TLVs", more(long(0xc0, 23, &[0, 1, 0, 0].repeat(15_000)))),
        ("AS4_PATH", with(3, &narrow, &[24, 10, 99, 1])),
        ("a length that is not there", vec![1, 0, 0, 0xff, 0xff]),
    ];
    check("update", &further, update);
}
