//! Malformed UPDATEs: each row of the list of bad input that concerns UPDATE, with its outcome.
//!
//! `tests/data/bad-input.jsonl` has the bytes of most rows; the others are built here. The peer is 10.0.0.2, AS 65001
//! (external) or 65000 (internal), we are AS 65000 and 10.0.0.1, as the list assumes.

use std::collections::BTreeMap;

use bytes::BytesMut;
use heddle_bgp_core::attr::{AttrCode, AttrFlags, BlockView, PathAttributes};
use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::update::{
    AigpSession, AsSets, AsZero, EncodeParams, Encoder, FamilyContext, FaultAction, Ineligible, Scratch, Update,
    UpdateContext, decode,
};
use heddle_bgp_core::{AsWidth, Asn, BgpId, ClusterId, Family, PeerType, Prefix, Role};

/// The session that a row is for.
#[derive(Clone, Copy)]
enum Session {
    External,
    Internal,
    /// External, 2-octet AS numbers.
    TwoOctet,
    /// External, Path Identifiers for IPv4.
    AddPath,
    /// External; the peer is our customer.
    Customer,
    /// External; the first AS is not checked.
    AnyFirstAs,
    /// Internal with `reject_as_sets`.
    InternalNoSets,
}

impl Session {
    fn context(self) -> UpdateContext {
        let external = !matches!(self, Self::Internal | Self::InternalNoSets);
        let path_ids = if matches!(self, Self::AddPath) { PathIds::Present } else { PathIds::Absent };
        UpdateContext {
            peer_type: if external { PeerType::Ebgp } else { PeerType::Ibgp },
            peer_asn: Asn(if external { 65001 } else { 65000 }),
            as_width: if matches!(self, Self::TwoOctet) { AsWidth::Two } else { AsWidth::Four },
            families: [
                Some(FamilyContext { path_ids, extended_next_hop: false }),
                Some(FamilyContext { path_ids: PathIds::Absent, extended_next_hop: false }),
            ],
            enforce_first_as: if matches!(self, Self::AnyFirstAs) { None } else { Some(Asn(65001)) },
            as_sets: if matches!(self, Self::Internal) { AsSets::Accept } else { AsSets::TreatAsWithdraw },
            as_zero: AsZero::Reject,
            local_role: matches!(self, Self::Customer).then_some(Role::Provider),
            aigp: if external { AigpSession::Disabled } else { AigpSession::Enabled },
            local_addrs: ["10.0.0.1".parse().expect("an address")].into_iter().collect(),
            max_as_path_len: 750,
        }
    }
}

/// Where the bytes of a row are from.
enum Input {
    /// The file, by the row's id.
    File,
    /// The usual attributes and this one, with 10.99.1.0/24.
    With(String),
    /// The same with this in place of the attribute of the same type.
    Replace(String),
    /// The whole body.
    Body(String),
}
use Input::{Body, File};

fn with(hex: &str) -> Input {
    Input::With(hex.to_owned())
}
fn replace(hex: &str) -> Input {
    Input::Replace(hex.to_owned())
}
fn body(hex: &str) -> Input {
    Body(hex.to_owned())
}

type Check = fn(&Update<'_>);

/// What has to come out.
enum Expect {
    /// The routes are accepted without a fault, and this holds.
    Ok(Check),
    /// The routes are accepted, the attribute is gone with a fault, and this holds.
    Discard(u8, Check),
    /// All routes are withdrawn; the fault names this attribute.
    Withdraw(Option<u8>),
    /// The session ends with UPDATE Message Error and this subcode.
    Reset(u8),
}
use Expect::{Discard, Ok as Accept, Reset, Withdraw};

const P: &str = "10.99.1.0/24";
const P6: &str = "2001:db8:1::/48";
const BASE: [&str; 3] = ["40010100", "40020602010000fde9", "4003040a000002"];
const BASE_INTERNAL: [&str; 4] = ["40010100", "400200", "4003040a000002", "40050400000064"];
/// MP_REACH_NLRI of 2001:db8:1::/48.
const REACH6: &str = "800e1c0002011020010db8000000000000000000000002003020010db80001";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.chars().filter(|c| !c.is_whitespace()).collect();
    assert!(digits.len().is_multiple_of(2), "{hex}");
    (0..digits.len()).step_by(2).map(|i| u8::from_str_radix(&digits[i..i + 2], 16).expect("hex digits")).collect()
}

fn message(withdrawn: &str, attrs: &str, nlri: &str) -> Vec<u8> {
    let (withdrawn, attrs) = (bytes(withdrawn), bytes(attrs));
    let len = |b: &[u8]| u16::try_from(b.len()).expect("short").to_be_bytes();
    [&len(&withdrawn)[..], &withdrawn, &len(&attrs), &attrs, &bytes(nlri)].concat()
}

fn hex_body(withdrawn: &str, attrs: &str, nlri: &str) -> Input {
    body(&message(withdrawn, attrs, nlri).iter().map(|b| format!("{b:02x}")).collect::<String>())
}

impl Input {
    fn bytes(&self, id: &str, session: Session, file: &BTreeMap<String, Vec<u8>>) -> Vec<u8> {
        let base: &[&str] = if session.context().peer_type == PeerType::Ibgp { &BASE_INTERNAL } else { &BASE };
        match self {
            File => file.get(id).unwrap_or_else(|| panic!("{id} is not in the file")).clone(),
            Body(hex) => bytes(hex),
            Self::With(hex) => message("", &format!("{}{hex}", base.concat()), "180a6301"),
            Self::Replace(hex) => {
                let attrs: String = base.iter().map(|a| if a[2..4] == hex[2..4] { hex } else { *a }).collect();
                message("", &attrs, "180a6301")
            }
        }
    }
}

fn file() -> BTreeMap<String, Vec<u8>> {
    include_str!("data/bad-input.jsonl")
        .lines()
        .map(|line| {
            let row: serde_json::Value = serde_json::from_str(line).expect("JSON");
            let text = |key: &str| row[key].as_str().expect("a text").to_owned();
            (text("id"), bytes(&text("hex"))[19..].to_vec())
        })
        .collect()
}

fn reached(update: &Update<'_>) -> Vec<String> {
    update.reach.iter().flat_map(|r| r.nlri).map(|n| n.prefix.to_string()).collect()
}

fn withdrawn(update: &Update<'_>) -> Vec<String> {
    update.withdrawn.iter().flat_map(|w| *w).map(|n| n.prefix.to_string()).collect()
}

fn block<'a>(update: &Update<'a>) -> BlockView<'a> {
    BlockView(update.reach[0].block)
}

fn has(update: &Update<'_>, code: u8) -> bool {
    update.reach.iter().any(|r| BlockView(r.block).get(AttrCode(code)).is_some())
}

fn usual(update: &Update<'_>) {
    assert_eq!(reached(update), [P]);
    assert_eq!(block(update).next_hop().map(|n| n.addr().to_string()).as_deref(), Some("10.0.0.2"));
}

fn no_check(_: &Update<'_>) {}

fn fe80(update: &Update<'_>, expected: usize) {
    assert_eq!(block(update).get(AttrCode::NEXT_HOP).map(|a| a.value.len()), Some(expected));
}

#[expect(clippy::too_many_lines, reason = "one table")]
fn rows() -> Vec<(&'static str, Session, Input, Expect)> {
    use Session::{AddPath, AnyFirstAs, Customer, External, Internal, InternalNoSets, TwoOctet};
    let attrs = BASE.concat();
    let v6_base = "4001010040020602010000fde9";
    let mp = |attr: &str| hex_body("", &format!("{v6_base}{attr}"), "");
    vec![
        ("U01", External, File, Reset(1)),
        ("U02", External, File, Reset(1)),
        ("U03", External, body("00000000"), Accept(|u| assert_eq!(u.end_of_rib, Some(Family::IPV4_UNICAST)))),
        ("U04", External, File, Reset(10)),
        ("U05", External, File, Reset(10)),
        ("U06", External, File, Reset(10)),
        ("U07", External, File, Reset(10)),
        ("U08", External, hex_body("", &attrs, "140a631f"), Accept(|u| assert_eq!(reached(u), ["10.99.16.0/20"]))),
        (
            "U09",
            External,
            File,
            Accept(|u| {
                // Withdrawals are applied first: the prefix ends advertised.
                assert_eq!((withdrawn(u), reached(u)), (vec![P.to_owned()], vec![P.to_owned()]));
            }),
        ),
        ("U10", External, hex_body("", "", "180a6301"), Withdraw(Some(1))),
        ("U11", External, with("4001"), Withdraw(None)),
        ("U12", External, File, Withdraw(None)),
        ("U13", External, File, Withdraw(None)),
        ("U14", External, File, Reset(1)),
        ("U15", External, File, Withdraw(None)),
        ("U16", External, hex_body("", "ff1f0004deadbeef", "eb00ac100b0b"), Reset(10)),
        ("U17", External, File, Reset(10)),
        ("U18", External, File, Accept(|u| assert_eq!(block(u).get(AttrCode(253)).map(|a| a.value.len()), Some(4000)))),
        ("U19", External, File, Accept(|u| assert_eq!(block(u).iter().count(), 3 + 199))),
        ("A01", External, File, Withdraw(Some(1))),
        ("A02", External, replace("00010100"), Withdraw(Some(1))),
        (
            "A03",
            External,
            replace("60010100"),
            Accept(|u| assert_eq!(block(u).get(AttrCode::ORIGIN).map(|a| a.flags), Some(AttrFlags(0x40)))),
        ),
        ("A04", External, replace("4f010100"), Accept(usual)),
        ("A05", External, File, Withdraw(Some(1))),
        ("A06", External, replace("4001020000"), Withdraw(Some(1))),
        ("A07", External, replace("400101ff"), Withdraw(Some(1))),
        ("A07", External, replace("40010103"), Withdraw(Some(1))),
        ("A08", External, File, Withdraw(Some(1))),
        ("A09", External, File, Withdraw(Some(2))),
        ("A10", External, File, Withdraw(Some(3))),
        ("A11", External, replace("c0020602010000fde9"), Withdraw(Some(2))),
        ("A12", External, replace("40020600010000fde9"), Withdraw(Some(2))),
        ("A13", External, File, Withdraw(Some(2))),
        ("A14", External, File, Withdraw(Some(2))),
        ("A15", External, File, Withdraw(Some(2))),
        ("A16", External, File, Withdraw(Some(2))),
        ("A17", External, File, Withdraw(Some(2))),
        // The anchors disagree; RFC 7607 §2 has no exception for internal peers.
        ("A18", External, File, Withdraw(Some(2))),
        ("A18", Internal, replace("400206020100000000"), Withdraw(Some(2))),
        (
            "A19",
            External,
            replace("40020a02020000fde900005ba0"),
            Accept(|u| assert_eq!(block(u).as_path().to_string(), "65001 23456")),
        ),
        ("A20", External, File, Withdraw(Some(2))),
        ("A20", AnyFirstAs, File, Accept(|u| assert!(block(u).as_path().is_empty()))),
        ("A21", External, replace("40020602010000fdea"), Withdraw(Some(2))),
        ("A21", AnyFirstAs, replace("40020602010000fdea"), Accept(usual)),
        ("A22", External, File, Withdraw(Some(2))),
        ("A22", Internal, replace("40020a01020000fdea0000fdeb"), Accept(usual)),
        ("A22", InternalNoSets, replace("40020a01020000fdea0000fdeb"), Withdraw(Some(2))),
        ("A23", External, replace("40020603010000fde9"), Withdraw(Some(2))),
        // A deviation: the row is for a confederation peer, and there are none; so it is as A23.
        ("A24", External, File, Withdraw(Some(2))),
        ("A25", External, File, Accept(prepended)),
        // 62 segments of 255: beyond what is accepted by default.
        (
            "A26",
            External,
            hex_body(
                "",
                &format!("40010100 5002f784{} 4003040a000002", ["02ff", &"0000fde9".repeat(255)].concat().repeat(62)),
                "180a6301",
            ),
            Withdraw(Some(2)),
        ),
        // The loop is the RIB's to find: well-formed here.
        ("A27", External, File, Accept(|u| assert!(block(u).as_path().contains(Asn(65000))))),
        ("A28", External, replace("400300"), Withdraw(Some(3))),
        ("A29", External, File, Withdraw(Some(3))),
        ("A30", External, File, Withdraw(Some(3))),
        ("A31", External, File, Withdraw(Some(3))),
        ("A32", External, replace("c003040a000002"), Withdraw(Some(3))),
        ("A33", External, replace("40030400000000"), Withdraw(Some(3))),
        ("A34", External, File, Withdraw(Some(3))),
        ("A35", External, replace("400304e0000001"), Withdraw(Some(3))),
        ("A36", External, replace("400304ffffffff"), Withdraw(Some(3))),
        ("A37", External, replace("4003040a000001"), Withdraw(Some(3))),
        ("A38", External, File, Withdraw(Some(4))),
        ("A39", External, with("800403000000"), Withdraw(Some(4))),
        ("A40", External, with("800405000000000a"), Withdraw(Some(4))),
        ("A41", External, with("c0040400000001"), Withdraw(Some(4))),
        ("A42", External, with("400503000000"), Discard(5, usual)),
        ("A42", External, with("40050400000064"), Discard(5, usual)),
        ("A43", Internal, File, Withdraw(Some(5))),
        // A deviation, as in BIRD: without LOCAL_PREF a route of an internal peer has 100.
        ("A44", Internal, File, Accept(|u| assert_eq!(block(u).local_pref(), Some(100)))),
        ("A45", External, with("40060100"), Discard(6, usual)),
        ("A46", External, File, Discard(7, usual)),
        ("A47", External, File, Discard(7, usual)),
        ("A48", External, File, Discard(7, usual)),
        ("A49", External, with("c007090000fde90a00000200"), Discard(7, usual)),
        ("A50", External, File, Discard(7, usual)),
        ("A51", External, File, Withdraw(Some(8))),
        ("A52", External, with("c00803fde900"), Withdraw(Some(8))),
        ("A53", External, with("c00805fde9000100"), Withdraw(Some(8))),
        ("A54", External, File, Withdraw(Some(8))),
        ("A55", External, File, Discard(9, usual)),
        ("A56", Internal, File, Withdraw(Some(9))),
        ("A57", External, File, Discard(10, usual)),
        ("A58", Internal, File, Withdraw(Some(10))),
        ("A59", Internal, File, Withdraw(Some(10))),
        // Loops of reflection are the RIB's to find: well-formed here.
        ("A60", Internal, File, Accept(|u| assert_eq!(block(u).originator_id(), Some(BgpId(0x0a00_0001))))),
        ("A61", Internal, File, Accept(|u| assert!(block(u).cluster_list().eq([ClusterId(0x0a00_0001)])))),
        // RFC 7606 §3(g): the first counts; the second is reported as discarded.
        ("A62", External, with("80040400000001 80040400000002"), Discard(0, |u| assert_eq!(block(u).med(), Some(1)))),
        ("A63", External, File, Discard(0, |u| assert_eq!(block(u).origin().map(|o| o as u8), Some(0)))),
        ("A64", External, File, Reset(1)),
        ("A65", External, with("800f03000201 800f03000201"), Reset(1)),
        // A decision: type 0 is reserved at IANA.
        ("A66", External, File, Discard(0, usual)),
        // A deviation from RFC 4271 §6.3, which asks for a reset with 3/2.
        ("A67", External, File, Withdraw(Some(99))),
        ("A68", External, File, Accept(|u| assert!(!has(u, 253)))),
        ("A69", External, with("c0fe04deadbeef"), Accept(|u| carried(u, 254, "e0fe04deadbeef"))),
        ("A69", External, with("c0ff04deadbeef"), Accept(|u| carried(u, 255, "e0ff04deadbeef"))),
        ("A70", External, File, Accept(|u| carried(u, 28, "e01c00"))),
        ("A71", External, File, Accept(|u| carried(u, 35, "e023040000fde9"))),
        ("A72", External, File, Accept(too_long_once_prepended)),
        ("A73", External, File, Withdraw(Some(16))),
        ("A74", External, File, Withdraw(Some(16))),
        ("A75", External, File, Withdraw(Some(16))),
        ("A76", External, with("8010080002fde900000001"), Withdraw(Some(16))),
        ("A77", External, File, Accept(|u| carried(u, 16, "c01008800bffff00000000"))),
        ("A78", External, File, Discard(17, usual)),
        // The bytes have AS_PATH in 4 octets, so that they are for a 4-octet session; the next row is the 2-octet one.
        ("A79", External, File, Discard(17, usual)),
        (
            "A79",
            TwoOctet,
            hex_body("", "c0110600010001000140010100400204 0201fde9 4003040a000002", "180a6301"),
            Discard(17, usual),
        ),
        (
            "A80",
            TwoOctet,
            hex_body(
                "",
                "40010100 40020802 03fde95ba05ba0 4003040a000002 c01110 03010001000102020001000000010001",
                "180a6301",
            ),
            Accept(|u| assert_eq!(block(u).as_path().to_string(), "65001 65536 65537")),
        ),
        // RFC 9774 §3 speaks of AS4_PATH too: AS_PATH "65001 23456 7" with AS4_PATH "{65536} 7".
        (
            "A80",
            TwoOctet,
            hex_body(
                "",
                "40010100 40020802 03fde95ba00007 4003040a000002 c0110c 010100010000 020100000007",
                "180a6301",
            ),
            Withdraw(Some(2)),
        ),
        ("A81", External, File, Discard(18, usual)),
        (
            "A81",
            TwoOctet,
            hex_body("", "40010100 4002040201fde9 4003040a000002 c012070000fde90a0000", "180a6301"),
            Discard(18, usual),
        ),
        ("A82", External, with("c0160400060000"), Withdraw(Some(22))),
        ("A83", External, File, Withdraw(Some(23))),
        ("A84", External, File, Withdraw(Some(23))),
        ("A85", External, File, Withdraw(Some(23))),
        // The list leaves it open: the TLVs are whole, so that the attribute is carried; nothing is kept per TLV.
        ("A86", External, File, Accept(|u| assert!(has(u, 23)))),
        ("A87", External, File, Discard(26, usual)),
        ("A88", Internal, with("c01a0b01000b000000000000000a"), Discard(26, usual)),
        ("A89", Internal, File, Discard(26, usual)),
        ("A90", Internal, File, Discard(26, usual)),
        ("A91", External, File, Discard(29, usual)),
        ("A92", External, File, Withdraw(Some(25))),
        ("A93", External, with(&format!("c01915{}", "00".repeat(21))), Withdraw(Some(25))),
        ("A94", External, with("c02000"), Withdraw(Some(32))),
        ("A95", External, File, Withdraw(Some(32))),
        ("A96", External, with("c023030000fd"), Withdraw(Some(35))),
        ("A96", External, with("c023050000fde900"), Withdraw(Some(35))),
        ("A97", Customer, File, Accept(|u| assert_eq!(u.ineligible, Some(Ineligible::RouteLeak)))),
        ("A98", External, with(&format!("e0281c{}", "00".repeat(28))), Discard(40, usual)),
        ("A99", External, File, Discard(40, usual)),
        ("A100", External, File, Discard(40, usual)),
        // SRv6 services are not implemented: discarded, not treated as withdrawn (RFC 8669 §6, RFC 9252 §7).
        ("A101", External, File, Discard(40, usual)),
        ("A102", External, File, Withdraw(Some(128))),
        ("A103", External, File, Accept(|u| carried(u, 255, "e0ff04deadbeef"))),
        ("A104", External, with("c00b020000 c00c00 c00d00"), Accept(|u| carried(u, 11, "e00b020000"))),
        ("A105", External, with("40060100 c00800"), Withdraw(Some(8))),
        ("A106", External, File, Withdraw(Some(8))),
        (
            "A107",
            External,
            hex_body("", &format!("c00804fde90001 4003040a000002 40020602010000fde9 40010100 {REACH6}"), "180a6301"),
            Accept(|u| {
                assert_eq!(reached(u), [P, P6]);
                let codes: Vec<u8> = block(u).iter().map(|a| a.code.0).collect();
                assert_eq!(codes, [1, 2, 3, 8]);
                assert_eq!(
                    BlockView(u.reach[1].block).next_hop().map(|n| n.addr().to_string()).as_deref(),
                    Some("2001:db8::2")
                );
            }),
        ),
        ("M01", External, mp("800e0400020110"), Reset(9)),
        ("M02", External, File, Reset(9)),
        ("M03", External, mp("800e15000201402001 0db800000000000000000000000200"), Reset(9)),
        ("M04", External, File, Reset(9)),
        ("M05", External, File, Reset(9)),
        ("M06", External, mp("800e1a0002011020010db8000000000000000000000002004020010db8"), Reset(9)),
        // The anchors disagree; ignored with a fault.
        ("M07", External, with("800e0f00194604 0a000002 00 fe0400000000"), Discard(14, usual)),
        (
            "M08",
            External,
            mp(&REACH6.replace("0000000002003020", "0000000002053020")),
            Accept(|u| assert_eq!(reached(u), [P6])),
        ),
        (
            "M09",
            External,
            File,
            Accept(|u| {
                assert_eq!(reached(u), [P, "2001:db8:1::/64"]);
                assert_eq!(withdrawn(u), ["10.99.2.0/24", "2001:db8:2::/64"]);
                assert_eq!(block(u).next_hop().map(|n| n.addr().to_string()).as_deref(), Some("10.0.0.2"));
                assert_eq!(
                    BlockView(u.reach[1].block).next_hop().map(|n| n.addr().to_string()).as_deref(),
                    Some("2001:db8::2")
                );
            }),
        ),
        ("M10", External, File, Reset(9)),
        ("M11", External, hex_body("", "800f080002014020010db8", ""), Reset(9)),
        ("M12", External, File, Withdraw(Some(1))),
        (
            "M13",
            External,
            hex_body("", "800f03000201", ""),
            Accept(|u| assert_eq!(u.end_of_rib, Some(Family::IPV6_UNICAST))),
        ),
        (
            "M14",
            External,
            mp(&format!("{REACH6} 800f0a0002013020010db80001")),
            Accept(|u| assert_eq!((withdrawn(u), reached(u)), (vec![P6.to_owned()], vec![P6.to_owned()]))),
        ),
        ("M15", AddPath, File, Reset(10)),
        // As parsed; whether 0.0.0.0/0 is wanted is a matter of policy.
        ("M16", External, File, Accept(|u| assert_eq!(reached(u).len(), 5))),
        ("M17", External, File, Reset(9)),
        ("M18", External, File, Accept(|u| fe80(u, 16))),
        // Families that are not carried: not negotiated, ignored.
        ("M19", External, with("800e0e00010404 0a000002 00 1b000640a0"), Discard(14, usual)),
        ("M20", External, with("800e060001850000 00"), Discard(14, usual)),
        ("M21", External, File, Discard(14, no_check)),
        ("M22", External, File, Discard(14, no_check)),
        ("M23", External, File, Discard(14, no_check)),
    ]
}

/// The attribute as it stands in the block, byte for byte.
fn carried(update: &Update<'_>, code: u8, expected: &str) {
    let mut block = Vec::new();
    let attr = block_attr(update, code);
    heddle_bgp_core::attr::block::push_attr(&mut block, attr.flags.0, attr.code, attr.value);
    assert_eq!(block, bytes(expected));
}

fn block_attr<'a>(update: &Update<'a>, code: u8) -> heddle_bgp_core::attr::RawAttr<'a> {
    block(update).get(AttrCode(code)).unwrap_or_else(|| panic!("attribute {code} is gone"))
}

/// RFC 4271 §5.1.2: prepending to a full segment opens a new one.
fn prepended(update: &Update<'_>) {
    let mut attributes = PathAttributes::from_block(update.reach[0].block);
    attributes.as_path_mut().prepend(Asn(65000), 1);
    let lengths: Vec<usize> = attributes.as_path().segments().map(|s| s.len()).collect();
    assert_eq!(lengths, [1, 255]);
}

/// RFC 4271 §9.2: what our own prepending makes too long is not advertised.
fn too_long_once_prepended(update: &Update<'_>) {
    let mut attributes = PathAttributes::from_block(update.reach[0].block);
    attributes.as_path_mut().prepend(Asn(65000), 1);
    let block = attributes.to_block().expect("short values");
    let mut encoder = Encoder::new(EncodeParams {
        family: Family::IPV4_UNICAST,
        as_width: AsWidth::Four,
        path_ids: PathIds::Absent,
        max_message_len: 4096,
    });
    let mut out = BytesMut::new();
    let mut nlri = update.reach[0].nlri.iter().peekable();
    assert!(encoder.advertise(&mut out, &block, &mut nlri, usize::MAX).is_err());
    assert!(out.is_empty() && nlri.peek().is_some());
}

#[test]
fn every_row() {
    let file = file();
    let mut scratch = Scratch::new();
    for (id, session, input, expect) in rows() {
        let body = input.bytes(id, session, &file);
        check(id, session, &body, &expect, &mut scratch);
        // The next message finds the decoder as it was (a sentinel after each row).
        let sentinel = message("", &BASE.concat(), "180a6301");
        let update = decode(&sentinel, &Session::External.context(), &mut scratch).expect("well-formed");
        assert_eq!((reached(&update), update.action), (vec![P.to_owned()], None), "after {id}");
    }
}

fn check(id: &str, session: Session, body: &[u8], expect: &Expect, scratch: &mut Scratch) {
    let context = session.context();
    let result = decode(body, &context, scratch);
    for reach in result.iter().flat_map(|u| &u.reach) {
        let codes: Vec<u8> = BlockView(reach.block).iter().map(|a| a.code.0).collect();
        assert!(codes.windows(2).all(|w| w[0] < w[1]), "{id}: not canonical: {codes:?}");
    }
    match (expect, result) {
        (Reset(subcode), Err(reset)) => {
            let n = reset.notification();
            assert_eq!((n.code, n.subcode), (3, *subcode), "{id}: {reset}");
            assert_eq!(n.data.is_empty(), *subcode != 9, "{id}: the attribute is the data of 3/9, and of nothing else");
        }
        (Accept(check), Ok(update)) => {
            assert_eq!((update.action, update.faults), (None, &[][..]), "{id}");
            check(&update);
        }
        (Discard(code, check), Ok(update)) => {
            assert_eq!(update.action, Some(FaultAction::AttributeDiscard), "{id}: {:?}", update.faults);
            assert!(*code == 0 || update.faults.iter().any(|f| f.code == Some(AttrCode(*code))), "{id}");
            assert!(*code == 0 || !has(&update, *code), "{id}: the attribute is still there");
            check(&update);
        }
        (Withdraw(code), Ok(update)) => {
            assert_eq!(update.action, Some(FaultAction::TreatAsWithdraw), "{id}: {:?}", update.faults);
            let strongest = update.faults.iter().find(|f| f.action == FaultAction::TreatAsWithdraw);
            assert_eq!(strongest.map(|f| f.code), Some(code.map(AttrCode)), "{id}: {:?}", update.faults);
            assert!(update.reach.is_empty(), "{id}");
            assert!(withdrawn(&update).contains(&P.to_owned()), "{id}: {:?}", withdrawn(&update));
            assert_eq!(update.end_of_rib, None, "{id}");
            if id == "A106" {
                assert!(withdrawn(&update).contains(&"2001:db8:1::/64".to_owned()), "both families");
            }
        }
        (_, result) => panic!("{id}: {result:?}"),
    }
}

/// No row of the list is forgotten, and every UPDATE of the file is used.
#[test]
fn all_rows_are_there() {
    let ids: Vec<&str> = rows().iter().map(|r| r.0).collect();
    let numbered = |letter: char, last: usize| (1..=last).map(move |n| format!("{letter}{n:02}"));
    for id in numbered('U', 19).chain(numbered('A', 107)).chain(numbered('M', 23)) {
        assert!(ids.contains(&id.as_str()), "{id} is not in the table");
    }
    let rows = rows();
    for id in file().keys().filter(|id| id.starts_with(['U', 'A', 'M'])) {
        assert!(rows.iter().any(|r| r.0 == id && matches!(r.2, File)), "{id} of the file is not used");
    }
}

/// A fault says in one line what was wrong, where, and what was done.
#[test]
fn faults_have_a_text() {
    let mut scratch = Scratch::new();
    let body = message("", &format!("{}800403000000", BASE.concat()), "180a6301");
    let update = decode(&body, &Session::External.context(), &mut scratch).expect("no reset");
    assert_eq!(
        update.faults[0].to_string(),
        "MULTI_EXIT_DISC at octet 24: length 3 is impossible; treated as withdraw (RFC 7606 §7.4)"
    );
    let prefix: Prefix = P.parse().expect("a prefix");
    assert!(update.withdrawn.iter().flat_map(|w| *w).any(|n| n.prefix == prefix));
}

/// RFC 7607 §2 turned off: AS 0 in AS_PATH and AGGREGATOR is carried as it came.
#[test]
fn as_zero_is_carried_where_it_is_asked_for() {
    let octets = message(
        "",
        "40010100 400206 0201 00000000 400304 0a000002 400504 00000064 c00708 00000000 00000000",
        "180a6301",
    );
    let mut context = Session::Internal.context();
    let mut scratch = Scratch::new();
    let rejected = decode(&octets, &context, &mut scratch).expect("no reset").action;
    assert_eq!(rejected, Some(FaultAction::TreatAsWithdraw));
    context.as_zero = AsZero::Accept;
    let carried = decode(&octets, &context, &mut scratch).expect("no reset");
    assert_eq!((carried.action, reached(&carried)), (None, vec!["10.99.1.0/24".to_owned()]));
    assert!(has(&carried, 2) && has(&carried, 7));
}

/// Type 0, which in blocks stands for the interface of a route of our own, comes in from no peer, whatever its flags and
/// wherever it stands.
#[test]
fn no_interface_from_the_wire() {
    let mut scratch = Scratch::new();
    let name = "00 04 63616c69";
    for flags in ["00", "40", "80", "a0", "c0", "e0", "f0"] {
        let name = if flags == "f0" { "00 0004 63616c69" } else { name };
        let attr = format!("{flags}{name}");
        for attrs in [format!("{attr}{}", BASE.concat()), format!("{}{attr}", BASE.concat())] {
            for session in [Session::External, Session::Internal] {
                let body = message("", &attrs, "180a6301");
                let update = decode(&body, &session.context(), &mut scratch).expect("no reset");
                for reach in &update.reach {
                    assert_eq!(BlockView(reach.block).interface(), None, "{attrs}");
                    assert!(BlockView(reach.block).iter().all(|a| a.code.0 != 0), "{attrs}");
                }
                assert!(!update.faults.is_empty(), "{attrs}");
                assert_eq!(update.action, Some(FaultAction::AttributeDiscard), "{attrs}");
                assert_eq!(reached(&update), ["10.99.1.0/24"], "{attrs}");
            }
        }
    }
}
