//! What an UPDATE becomes beyond the rows of `tests/bad_input`: whose octets a block is, where faults are, which of them counts.

use super::*;
use crate::attr::{AttrCode, BlockView, NextHop};
use crate::nlri::PathId;
use crate::update::{AigpSession, AsSets, AsZero, FamilyContext};
use crate::{AsWidth, Asn, PeerType, Role};

const ORIGIN: &[u8] = &[0x40, 1, 1, 0];
const AS_PATH: &[u8] = &[0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9];
const NEXT_HOP: &[u8] = &[0x40, 3, 4, 10, 0, 0, 2];
const NLRI: &[u8] = &[8, 10];

fn context(peer_type: PeerType) -> UpdateContext {
    let family = Some(FamilyContext { path_ids: PathIds::Absent, extended_next_hop: false });
    UpdateContext {
        peer_type,
        peer_asn: Asn(65001),
        as_width: AsWidth::Four,
        families: [family, family],
        enforce_first_as: None,
        as_sets: AsSets::Accept,
        as_zero: AsZero::Reject,
        local_role: None,
        aigp: AigpSession::Disabled,
        local_addrs: SmallVec::new(),
        max_as_path_len: 750,
    }
}

fn body(withdrawn: &[u8], attrs: &[&[u8]], nlri: &[u8]) -> Vec<u8> {
    let attrs = attrs.concat();
    let len = |octets: &[u8]| u16::try_from(octets.len()).expect("short").to_be_bytes();
    [&len(withdrawn)[..], withdrawn, &len(&attrs), &attrs, nlri].concat()
}

/// Decodes; hands the outcome to `look`.
fn decoded<T>(body: &[u8], context: &UpdateContext, look: impl FnOnce(&Update<'_>) -> T) -> T {
    let mut scratch = Scratch::new();
    look(&decode(body, context, &mut scratch).expect("the session stays"))
}

/// The block, and whether it is the message's own octets.
fn block(attrs: &[&[u8]], context: &UpdateContext) -> (Vec<u8>, bool) {
    let body = body(&[], attrs, NLRI);
    decoded(&body, context, |update| {
        let [reach] = &update.reach[..] else { panic!("{update:?}") };
        (reach.block.to_vec(), body.as_ptr_range().contains(&reach.block.as_ptr()))
    })
}

/// What came in canonical form is not copied; all else becomes canonical.
#[test]
fn whose_octets_a_block_is() {
    let ebgp = context(PeerType::Ebgp);
    let canonical = [ORIGIN, AS_PATH, NEXT_HOP].concat();
    let med: &[u8] = &[0x80, 4, 4, 0, 0, 0, 9];
    let with_med = [&canonical, med].concat();
    let communities = [&[0xd0, 8, 1, 4][..], &[7; 260]].concat();
    let with_communities = [&canonical, &communities[..]].concat();
    let partial: &[u8] = &[0xe0, 8, 4, 0xfd, 0xe9, 0, 1];
    let with_partial = [&canonical, partial].concat();
    let unknown: &[u8] = &[0xe0, 99, 1, 7];
    let with_unknown = [&canonical, unknown].concat();
    type Row<'a> = (&'a str, Vec<&'a [u8]>, &'a [u8], bool);
    let (long, longer) = ([&[0xe0, 99, 255][..], &[7; 255]].concat(), [&[0xf0, 99, 1, 0][..], &[7; 256]].concat());
    let (with_long, with_longer) = ([&canonical, &long[..]].concat(), [&canonical, &longer[..]].concat());
    let rows: [Row<'_>; 15] = [
        ("255 octets", vec![ORIGIN, AS_PATH, NEXT_HOP, &long], &with_long, true),
        ("256 octets", vec![ORIGIN, AS_PATH, NEXT_HOP, &longer], &with_longer, true),
        ("canonical", vec![ORIGIN, AS_PATH, NEXT_HOP], &canonical, true),
        ("with an optional one", vec![ORIGIN, AS_PATH, NEXT_HOP, med], &with_med, true),
        ("with a long one", vec![ORIGIN, AS_PATH, NEXT_HOP, &communities], &with_communities, true),
        ("Partial stays", vec![ORIGIN, AS_PATH, NEXT_HOP, partial], &with_partial, true),
        ("unknown, Partial already", vec![ORIGIN, AS_PATH, NEXT_HOP, unknown], &with_unknown, true),
        ("unknown, not yet Partial", vec![ORIGIN, AS_PATH, NEXT_HOP, &[0xc0, 99, 1, 7]], &with_unknown, false),
        ("another order", vec![AS_PATH, ORIGIN, NEXT_HOP], &canonical, false),
        ("the last one first", vec![med, ORIGIN, AS_PATH, NEXT_HOP], &with_med, false),
        ("a length needlessly long", vec![&[0x50, 1, 0, 1, 0], AS_PATH, NEXT_HOP], &canonical, false),
        ("low bits of the flags", vec![&[0x4f, 1, 1, 0], AS_PATH, NEXT_HOP], &canonical, false),
        ("Partial on a well-known one", vec![&[0x60, 1, 1, 0], AS_PATH, NEXT_HOP], &canonical, false),
        ("unknown, not transitive", vec![ORIGIN, AS_PATH, NEXT_HOP, &[0x80, 99, 1, 7]], &canonical, false),
        ("repeated", vec![ORIGIN, AS_PATH, NEXT_HOP, &[0x40, 1, 1, 2]], &canonical, false),
    ];
    for (name, attrs, expected, own) in rows {
        assert_eq!(block(&attrs, &ebgp), (expected.to_vec(), own), "{name}");
    }
    // RFC 4271 §5.1.5: an internal route without LOCAL_PREF gets one.
    let (made, own) = block(&[ORIGIN, AS_PATH, NEXT_HOP], &context(PeerType::Ibgp));
    assert_eq!((made, own), ([&canonical[..], &[0x40, 5, 4, 0, 0, 0, 100]].concat(), false));
    let preference: &[u8] = &[0x40, 5, 4, 0, 0, 0, 200];
    let with_preference = [&canonical, preference].concat();
    assert_eq!(block(&[ORIGIN, AS_PATH, NEXT_HOP, preference], &context(PeerType::Ibgp)), (with_preference, true));
}

/// The next hop of MP_REACH_NLRI stands where NEXT_HOP would, whatever is around it (RFC 4760 §3), and NEXT_HOP is not looked at.
#[test]
fn next_hops_of_both_fields() {
    let global = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    let reach = [&[0x80, 14, 24, 0, 2, 1, 16][..], &global, &[0, 16, 0x20, 1]].concat();
    let own = [&[0x40, 3, 16][..], &global].concat();
    let med: &[u8] = &[0x80, 4, 4, 0, 0, 0, 9];
    type Row<'a> = (Vec<&'a [u8]>, Vec<&'a [u8]>);
    let rows: [Row<'_>; 4] = [
        (vec![&reach, ORIGIN, AS_PATH], vec![ORIGIN, AS_PATH, &own]),
        (vec![ORIGIN, AS_PATH, &reach, med], vec![ORIGIN, AS_PATH, &own, med]),
        (vec![med, AS_PATH, ORIGIN, &reach], vec![ORIGIN, AS_PATH, &own, med]),
        (vec![ORIGIN, AS_PATH, NEXT_HOP, &reach, med], vec![ORIGIN, AS_PATH, &own, med]),
    ];
    for (attrs, expected) in rows {
        let only = body(&[], &attrs, &[]);
        let (v6, faults) = decoded(&only, &context(PeerType::Ebgp), |u| (u.reach[0].block.to_vec(), u.faults.len()));
        assert_eq!((v6, faults, only.len()), (expected.concat(), 0, attrs.concat().len() + 4));
    }
    // RFC 2545 §3: all that the sender has is a link-local address.
    let link_local = [0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    let second = [&[0x80, 14, 40, 0, 2, 1, 32][..], &[0; 16], &link_local, &[0, 16, 0x20, 1]].concat();
    let hop = decoded(&body(&[], &[&second, ORIGIN, AS_PATH], &[]), &context(PeerType::Ebgp), |u| {
        BlockView(u.reach[0].block).next_hop()
    });
    assert_eq!(hop, Some(NextHop::V6(link_local.into())));
    // Both fields: each with its own next hop.
    let both = body(&[], &[&reach, ORIGIN, AS_PATH, NEXT_HOP], NLRI);
    let hops: Vec<_> = decoded(&both, &context(PeerType::Ebgp), |u| {
        u.reach.iter().map(|r| (r.nlri.family(), BlockView(r.block).next_hop())).collect()
    });
    let v4 = NextHop::V4([10, 0, 0, 2].into());
    assert_eq!(hops, [(Family::IPV4_UNICAST, Some(v4)), (Family::IPV6_UNICAST, Some(NextHop::V6(global.into())))]);
}

/// A fault says where its attribute begins in the message; the strongest action counts, the first of that action as the reason.
#[test]
fn faults_have_places() {
    let ebgp = context(PeerType::Ebgp);
    let (bad_med, bad_aggregator): (&[u8], &[u8]) = (&[0x80, 4, 1, 0], &[0xc0, 7, 1, 0]);
    let message = body(&[16, 10, 9], &[ORIGIN, bad_aggregator, AS_PATH, bad_med, NEXT_HOP, &[0x40, 6]], NLRI);
    let (faults, action) = decoded(&message, &ebgp, |u| {
        (u.faults.iter().map(|f| (f.code, f.offset, f.action)).collect::<Vec<_>>(), u.action)
    });
    use FaultAction::{AttributeDiscard, TreatAsWithdraw};
    let begin = 4 + 3;
    let expected = [
        (Some(AttrCode::AGGREGATOR), begin + 4, AttributeDiscard),
        (Some(AttrCode::MULTI_EXIT_DISC), begin + 4 + 4 + 9, TreatAsWithdraw),
        (None, begin + 4 + 4 + 9 + 4 + 7, TreatAsWithdraw),
    ];
    assert_eq!((&faults[..], action), (&expected[..], Some(TreatAsWithdraw)));
    // RFC 7606 §5.2: without NLRI the reason is the first of the strongest.
    let message = body(&[], &[ORIGIN, bad_aggregator, bad_med, &[0x40, 6]], &[]);
    let mut scratch = Scratch::new();
    let reset = decode(&message, &ebgp, &mut scratch).expect_err("nothing to withdraw");
    let ResetReason::NoNlri(fault) = reset.reason else { panic!("{reset}") };
    assert_eq!((fault.code, fault.action), (Some(AttrCode::MULTI_EXIT_DISC), TreatAsWithdraw));
    assert_eq!((reset.subcode, reset.data.len()), (1, 0));
}

/// Wrong flags are a fault by RFC 7606 §3(c), but for attributes whose own RFC says what is done about them (RFC 6793 §6, RFC 7311 §3.2).
#[test]
fn the_section_that_judges_flags() {
    let narrow = UpdateContext { as_width: AsWidth::Two, ..context(PeerType::Ibgp) };
    let wide = UpdateContext { aigp: AigpSession::Enabled, ..context(PeerType::Ibgp) };
    let multiprotocol = [AttrCode::MP_REACH_NLRI, AttrCode::MP_UNREACH_NLRI];
    for code in AttrCode::KNOWN.iter().copied().filter(|code| !multiprotocol.contains(code)) {
        let (context, expected) = match code {
            AttrCode::AS4_PATH | AttrCode::AS4_AGGREGATOR => (&narrow, "RFC 6793 §6"),
            AttrCode::AIGP => (&wide, "RFC 7311 §3.2"),
            _ => (&wide, "RFC 7606 §3(c)"),
        };
        // Neither Optional nor Transitive: no attribute has such flags.
        let section = decoded(&body(&[], &[&[0, code.0, 0]], NLRI), context, |u| {
            u.faults.iter().find(|f| f.kind == FaultKind::Flags(0)).map(|f| (f.code, f.section))
        });
        assert_eq!(section, Some((Some(code), expected)), "{code}");
    }
}

/// However many faults there are, the first are kept, and a later one that is stronger counts all the same.
#[test]
fn very_many_faults() {
    let repeated: Vec<&[u8]> = std::iter::repeat_n(ORIGIN, 60).collect();
    let attrs = [&[ORIGIN, AS_PATH, NEXT_HOP][..], &repeated, &[&[0x80, 4, 1, 0]]].concat();
    let message = body(&[], &attrs, NLRI);
    let (faults, action, gone) =
        decoded(&message, &context(PeerType::Ebgp), |u| (u.faults.len(), u.action, u.withdrawn.len()));
    assert_eq!((faults, action, gone), (32, Some(FaultAction::TreatAsWithdraw), 1));
}

/// RFC 4271 §6.3: the data is the attribute, as far as a NOTIFICATION of 4096 octets has room.
#[test]
fn the_data_of_a_reset() {
    for (len, sent) in [(3, 7), (10, 14), (4070, 4074), (4071, 4075), (4072, 4075), (9000, 4075)] {
        // A family that is negotiated, and a next hop of 255 octets.
        let value = [&[0, 2, 1, 255][..len.min(4)], &vec![0; len.saturating_sub(4)]].concat();
        let [l0, l1] = u16::try_from(len).expect("short").to_be_bytes();
        let attr = [&[0x90, 14, l0, l1][..], &value].concat();
        let message = body(&[], &[&attr], &[]);
        let mut scratch = Scratch::new();
        let reset = decode(&message, &context(PeerType::Ebgp), &mut scratch).expect_err("unreadable");
        assert_eq!((reset.subcode, reset.data.len()), (9, sent), "{len}");
        assert_eq!(reset.data[..], attr[..sent]);
    }
}

/// RFC 4724 §2: nothing but an empty MP_UNREACH_NLRI, or nothing at all.
#[test]
fn what_ends_a_table() {
    let ebgp = context(PeerType::Ebgp);
    let unreach: &[u8] = &[0x80, 15, 3, 0, 2, 1];
    let (v4, v6) = (Some(Family::IPV4_UNICAST), Some(Family::IPV6_UNICAST));
    let rows: [(Vec<u8>, Option<Family>); 8] = [
        (body(&[], &[], &[]), v4),
        (body(&[8, 10], &[], &[]), None),
        (body(&[], &[ORIGIN, AS_PATH, NEXT_HOP], NLRI), None),
        (body(&[], &[unreach], &[]), v6),
        (body(&[8, 10], &[unreach], &[]), None),
        (body(&[], &[unreach, ORIGIN], &[]), None),
        (body(&[], &[ORIGIN, AS_PATH, NEXT_HOP, unreach], NLRI), None),
        (body(&[], &[&[0x80, 15, 5, 0, 2, 1, 8, 0x20]], &[]), None),
    ];
    for (message, expected) in rows {
        assert_eq!(decoded(&message, &ebgp, |u| u.end_of_rib), expected, "{message:?}");
    }
    let mut only_v6 = ebgp;
    only_v6.families[0] = None;
    assert_eq!(decoded(&body(&[], &[], &[]), &only_v6, |u| u.end_of_rib), None);
    assert_eq!(decoded(&body(&[], &[unreach], &[]), &only_v6, |u| u.end_of_rib), v6);
    // RFC 4760 §6: prefixes of a family that was not negotiated are passed over, and said to be.
    for message in [body(&[8, 10], &[], &[]), body(&[], &[ORIGIN, AS_PATH, NEXT_HOP], NLRI)] {
        let (kind, routes) = decoded(&message, &only_v6, |u| (u.faults[0].kind, u.reach.len() + u.withdrawn.len()));
        assert_eq!((kind, routes), (FaultKind::Family(Family::IPV4_UNICAST), 0));
    }
}

/// RFC 4271 §6.3 and, of a peer with 2-octet numbers whose own does not fit, RFC 6793 §4.2.2.
#[test]
fn the_first_as() {
    use AsWidth::{Four, Two};
    use PeerType::{Ebgp, Ibgp};
    let path = |width, asns: &[u32]| {
        let octets: Vec<u8> = match width {
            Four => asns.iter().flat_map(|asn| asn.to_be_bytes()).collect(),
            Two => asns.iter().flat_map(|asn| Asn(*asn).as_two_octets().to_be_bytes()).collect(),
        };
        let (len, count) = (u8::try_from(octets.len() + 2).expect("short"), u8::try_from(asns.len()).expect("few"));
        [&[0x40, 2, len, 2, count][..], &octets].concat()
    };
    let set: &[u8] = &[0x40, 2, 6, 1, 1, 0, 0, 0xfd, 0xe9];
    let empty: &[u8] = &[0x40, 2, 0];
    let rows: [(PeerType, AsWidth, u32, Vec<u8>, bool); 11] = [
        (Ebgp, Four, 65001, path(Four, &[65001, 2]), true),
        (Ebgp, Four, 65001, path(Four, &[2, 65001]), false),
        (Ebgp, Four, 65001, set.to_vec(), false),
        (Ebgp, Four, 65001, empty.to_vec(), false),
        (Ibgp, Four, 65001, path(Four, &[2, 65001]), true),
        (Ebgp, Two, 65001, path(Two, &[65001]), true),
        (Ebgp, Two, 65001, path(Two, &[23456]), false),
        (Ebgp, Two, 65535, path(Two, &[23456]), false),
        (Ebgp, Two, 65536, path(Two, &[23456]), true),
        (Ebgp, Two, 65536, path(Two, &[65001]), false),
        (Ebgp, Four, 65536, path(Four, &[23456]), false),
    ];
    for (peer_type, as_width, asn, path, passes) in rows {
        let context = UpdateContext { as_width, enforce_first_as: Some(Asn(asn)), ..context(peer_type) };
        let message = body(&[], &[ORIGIN, &path, NEXT_HOP], NLRI);
        let expected = (!passes).then_some(FaultKind::FirstAs { expected: Asn(asn) });
        assert_eq!(decoded(&message, &context, |u| u.faults.first().map(|f| f.kind)), expected, "{asn} {path:?}");
    }
}

/// RFC 4271 §6.3: IGP, EGP and INCOMPLETE are the values of ORIGIN.
#[test]
fn the_values_of_origin() {
    for (value, expected) in [(0, None), (2, None), (3, Some(FaultKind::Value))] {
        let message = body(&[], &[&[0x40, 1, 1, value], AS_PATH, NEXT_HOP], NLRI);
        let fault = decoded(&message, &context(PeerType::Ebgp), |u| u.faults.first().map(|f| f.kind));
        assert_eq!(fault, expected, "{value}");
    }
}

/// RFC 6514 §5: the length of the tunnel's identifier follows from its type.
#[test]
fn the_length_of_a_pmsi_tunnel() {
    let ingress: [&[u8]; 2] = [&[0xc0, 22, 9, 0, 6, 0, 0, 0, 10, 0, 0, 2], &[0xc0, 22, 8, 0, 6, 0, 0, 0, 10, 0, 0]];
    for (attr, expected) in ingress.into_iter().zip([None, Some(FaultKind::Structure)]) {
        let message = body(&[], &[ORIGIN, AS_PATH, NEXT_HOP, attr], NLRI);
        let fault = decoded(&message, &context(PeerType::Ebgp), |u| u.faults.first().map(|f| f.kind));
        assert_eq!(fault, expected);
    }
}

/// A path of exactly as many hops as are accepted is; one hop more is not.
#[test]
fn the_longest_path() {
    let sets = [0x40, 2, 12, 1, 1, 0, 0, 0, 9, 1, 1, 0, 0, 0, 8];
    for (max_as_path_len, expected) in [(2, None), (1, Some(FaultKind::PathTooLong(2)))] {
        let context = UpdateContext { max_as_path_len, ..context(PeerType::Ebgp) };
        let message = body(&[], &[ORIGIN, &sets, NEXT_HOP], NLRI);
        assert_eq!(decoded(&message, &context, |u| u.faults.first().map(|f| f.kind)), expected);
    }
}

/// RFC 9234 §5: on eBGP sessions alone, and where the peer's routes may not have it they are leaks.
#[test]
fn only_to_customer() {
    let otc: &[u8] = &[0xc0, 35, 4, 0, 0, 0, 9];
    let of = |peer_type, attrs: &[&[u8]]| {
        let context = UpdateContext { local_role: Some(Role::Provider), ..context(peer_type) };
        decoded(&body(&[], attrs, NLRI), &context, |u| u.ineligible)
    };
    assert_eq!(of(PeerType::Ebgp, &[ORIGIN, AS_PATH, NEXT_HOP]), None);
    assert_eq!(of(PeerType::Ebgp, &[ORIGIN, AS_PATH, NEXT_HOP, otc]), Some(Ineligible::RouteLeak));
    assert_eq!(of(PeerType::Ibgp, &[ORIGIN, AS_PATH, NEXT_HOP, otc]), None);
    let customer = UpdateContext { local_role: Some(Role::Customer), ..context(PeerType::Ebgp) };
    let added = [ORIGIN, AS_PATH, NEXT_HOP, &[0xc0, 35, 4, 0, 0, 0xfd, 0xe9]].concat();
    assert_eq!(block(&[ORIGIN, AS_PATH, NEXT_HOP], &customer), (added, false));
}

/// RFC 6793 §4.2.3: one path and one aggregator of the two of each, and Partial stays.
#[test]
fn from_a_two_octet_peer() {
    let context = UpdateContext { as_width: AsWidth::Two, ..context(PeerType::Ebgp) };
    let path: &[u8] = &[0x40, 2, 6, 2, 2, 0xfd, 0xe9, 0x5b, 0xa0];
    let as4_path: &[u8] = &[0xc0, 17, 6, 2, 1, 0, 1, 0, 0];
    let aggregator: &[u8] = &[0xe0, 7, 6, 0x5b, 0xa0, 10, 0, 0, 9];
    let as4_aggregator: &[u8] = &[0xc0, 18, 8, 0, 1, 0, 0, 10, 0, 0, 9];
    let merged =
        [ORIGIN, &[0x40, 2, 10, 2, 2, 0, 0, 0xfd, 0xe9, 0, 1, 0, 0], NEXT_HOP, &[0xe0, 7, 8, 0, 1, 0, 0, 10, 0, 0, 9]]
            .concat();
    let attrs = [ORIGIN, path, NEXT_HOP, aggregator, as4_path, as4_aggregator];
    assert_eq!(block(&attrs, &context), (merged, false));
    // AS 0 in either (RFC 7607 §2), and a limit that the merged path is beyond.
    let zero: &[u8] = &[0xc0, 18, 8, 0, 0, 0, 0, 10, 0, 0, 9];
    let message = body(&[], &[ORIGIN, path, NEXT_HOP, zero], NLRI);
    assert_eq!(decoded(&message, &context, |u| u.faults.first().map(|f| f.kind)), Some(FaultKind::AsZero));
    let accepting = UpdateContext { as_zero: AsZero::Accept, ..context };
    assert_eq!(decoded(&message, &accepting, |u| u.faults.len()), 0);
}

/// RFC 7911 §3: Path Identifiers where they were negotiated for the family.
#[test]
fn path_ids_of_each_field() {
    let mut context = context(PeerType::Ebgp);
    context.families[0] = Some(FamilyContext { path_ids: PathIds::Present, extended_next_hop: false });
    let field: &[u8] = &[0, 0, 0, 7, 8, 10];
    let ids = |update: &Update<'_>| -> Vec<(bool, PathId)> {
        let gone = update.withdrawn.iter().flat_map(|n| n.iter()).map(|n| (false, n.path_id));
        gone.chain(update.reach.iter().flat_map(|r| r.nlri.iter()).map(|n| (true, n.path_id))).collect()
    };
    let message = body(field, &[ORIGIN, AS_PATH, NEXT_HOP], field);
    assert_eq!(decoded(&message, &context, ids), [(false, PathId(7)), (true, PathId(7))]);
}

/// RFC 7606 §5.2: where prefixes can be withdrawn, or nothing but withdrawals came, the session stays whatever is wrong.
#[test]
fn what_is_withdrawn_and_the_session_stays() {
    let global = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    let reach = |afi: u8, nlri: &[u8]| {
        let len = u8::try_from(21 + nlri.len()).expect("short");
        [&[0x80, 14, len, 0, afi, 1, 16][..], &global, &[0], nlri].concat()
    };
    let bad: &[u8] = &[0x80, 4, 1, 0];
    let unreach = |flags| [flags, 15, 5, 0, 2, 1, 8, 0x20];
    let of = |message: &[u8], context: &UpdateContext| {
        let mut scratch = Scratch::new();
        decode(message, context, &mut scratch).map(|u| (u.action, u.withdrawn.len(), u.reach.len())).ok()
    };
    let ebgp = context(PeerType::Ebgp);
    let withdraw = Some(FaultAction::TreatAsWithdraw);
    let mut only_v6 = ebgp.clone();
    only_v6.families[0] = None;
    let rows = [
        ("prefixes in the NLRI field", body(&[], &[ORIGIN, AS_PATH, NEXT_HOP, bad], NLRI), Some((withdraw, 1, 0))),
        ("in MP_REACH_NLRI", body(&[], &[&reach(2, &[8, 0x20]), ORIGIN, AS_PATH, bad], &[]), Some((withdraw, 1, 0))),
        (
            "of a family that nobody asked for",
            body(&[], &[&reach(9, &[8, 0x20]), ORIGIN, AS_PATH, bad], &[]),
            Some((withdraw, 0, 0)),
        ),
        ("none in MP_REACH_NLRI", body(&[], &[&reach(2, &[]), bad], &[]), Some((withdraw, 0, 0))),
        ("withdrawals alone, with wrong flags", body(&[], &[&unreach(0xc0)], &[]), Some((withdraw, 1, 0))),
        ("withdrawals beside attributes", body(&[8, 10], &[ORIGIN, AS_PATH, bad], &[]), None),
        ("attributes alone", body(&[], &[ORIGIN, AS_PATH, bad], &[]), None),
        ("MP_UNREACH_NLRI beside attributes", body(&[], &[&unreach(0x80), bad], &[]), None),
        ("nothing wrong", body(&[], &[ORIGIN, AS_PATH, &unreach(0x80)], &[]), Some((None, 1, 0))),
    ];
    for (name, message, expected) in rows {
        assert_eq!(of(&message, &ebgp), expected, "{name}");
    }
    let nlri = body(&[], &[ORIGIN, AS_PATH, NEXT_HOP, bad], NLRI);
    assert_eq!(of(&nlri, &only_v6), Some((withdraw, 0, 0)), "prefixes of a family that was not negotiated");
}

/// RFC 7606 §3(d): what is mandatory is missed where routes are advertised, in either field, and nowhere else.
#[test]
fn mandatory_attributes() {
    let global = [0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    let reach = [&[0x80, 14, 23, 0, 2, 1, 16][..], &global, &[0, 8, 0x20]].concat();
    let empty = [&[0x80, 14, 21, 0, 2, 1, 16][..], &global, &[0]].concat();
    let missing = |attrs: &[&[u8]], nlri: &[u8]| -> Vec<_> {
        decoded(&body(&[], attrs, nlri), &context(PeerType::Ebgp), |u| {
            assert!(u.faults.iter().all(|f| f.kind == FaultKind::Missing), "{:?}", u.faults);
            u.faults.iter().filter_map(|f| f.code).map(|code| code.0).collect()
        })
    };
    assert_eq!(missing(&[ORIGIN, AS_PATH, NEXT_HOP], NLRI), []);
    assert_eq!(missing(&[], NLRI), [1, 2, 3]);
    assert_eq!(missing(&[AS_PATH], NLRI), [1, 3]);
    assert_eq!(missing(&[&reach], &[]), [1, 2], "NEXT_HOP is the other field's");
    assert_eq!(missing(&[&reach, ORIGIN], NLRI), [2, 3]);
    assert_eq!(missing(&[&empty], &[]), [], "no route");
    assert_eq!(missing(&[ORIGIN], &[]), [], "no route");
    // RFC 4271 §5.1.5 in MP_REACH_NLRI alone.
    let message = body(&[], &[&reach, ORIGIN, AS_PATH], &[]);
    let preference = decoded(&message, &context(PeerType::Ibgp), |u| BlockView(u.reach[0].block).local_pref());
    assert_eq!(preference, Some(100));
}

/// What was found in one message says nothing of the next.
#[test]
fn buffers_are_used_again() {
    let ebgp = context(PeerType::Ebgp);
    let bad = body(&[], &[&[0x80, 4, 1, 0], NEXT_HOP, AS_PATH, ORIGIN, &[0xc0, 99, 1, 7]], NLRI);
    let good = body(&[], &[AS_PATH, ORIGIN, NEXT_HOP], NLRI);
    let mut scratch = Scratch::new();
    let first = decode(&bad, &ebgp, &mut scratch).map(|u| (u.faults.len(), u.action));
    assert_eq!(first, Ok((1, Some(FaultAction::TreatAsWithdraw))));
    let second = decode(&good, &ebgp, &mut scratch).map(|u| (u.faults.len(), u.action, u.reach[0].block.to_vec()));
    assert_eq!(second, Ok((0, None, [ORIGIN, AS_PATH, NEXT_HOP].concat())));
}

/// What AS4_PATH brings is a fault of the path that both make, and stands where AS_PATH does (RFC 6793 §4.2.3).
#[test]
fn faults_of_a_merged_path() {
    let context = UpdateContext {
        as_width: AsWidth::Two,
        as_sets: AsSets::TreatAsWithdraw,
        max_as_path_len: u16::MAX,
        ..context(PeerType::Ebgp)
    };
    let set: &[u8] = &[0xc0, 17, 6, 1, 1, 0, 1, 0, 0];
    let fault = |path: &[u8], more: &[u8]| {
        decoded(&body(&[], &[ORIGIN, path, NEXT_HOP, more], NLRI), &context, |u| {
            u.faults.first().map(|f| (f.code, f.kind, f.offset))
        })
    };
    let (short, extended): (&[u8], &[u8]) = (&[0x40, 2, 4, 2, 1, 0x5b, 0xa0], &[0x50, 2, 0, 4, 2, 1, 0x5b, 0xa0]);
    for path in [short, extended] {
        assert_eq!(fault(path, set), Some((Some(AttrCode::AS_PATH), FaultKind::AsSet, 8)), "{path:?}");
    }
    // With four octets for each AS it has more than an attribute can have.
    for (segments, expected) in [(64, None), (65, Some((Some(AttrCode::AS_PATH), FaultKind::PathTooLong(u16::MAX), 8)))]
    {
        let value = [&[2, 255][..], &[0xfd, 0xe9].repeat(255)].concat().repeat(segments);
        let [l0, l1] = u16::try_from(value.len()).expect("an attribute").to_be_bytes();
        let path = [&[0x50, 2, l0, l1][..], &value].concat();
        assert_eq!(fault(&path, &[]), expected, "{segments} segments");
    }
}
