//! Malformed UPDATEs through the decoder; `data/bad-updates.tsv` says what each is and must become.
//!
//! The peer is 10.0.0.2, AS 65001 (external) or 65000 (internal), we are AS 65000, 10.0.0.1 and 2001:db8::1.

use bytes::BytesMut;
use heddle_bgp_core::attr::block::push_attr;
use heddle_bgp_core::attr::{AttrCode, AttrFlags, BlockView, PathAttributes};
use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::update::{
    AigpSession, AsSets, AsZero, EncodeParams, Encoder, FamilyContext, FaultAction, Ineligible, Scratch, Update,
    UpdateContext, decode,
};
use heddle_bgp_core::{AsWidth, Asn, BgpId, ClusterId, Family, PeerType, Role};

use crate::rows::{self, EXTERNAL_BASE, Outcome, Session, USUAL_PREFIX, hex, unhex, updates};

/// Prefixes of rows that have IPv6 routes.
const P6: &str = "2001:db8:1::/48";

fn context(session: Session) -> UpdateContext {
    use Session::{AddPath, AnyFirstAs, Customer, Internal, InternalAddPath, InternalTwoOctet, TwoOctet};
    let path_ids = if matches!(session, AddPath | InternalAddPath) { PathIds::Present } else { PathIds::Absent };
    let accepts_sets = matches!(session, Internal | InternalTwoOctet | InternalAddPath);
    let first = (!session.internal() && session != AnyFirstAs).then_some(Asn(65001));
    UpdateContext {
        peer_type: if session.internal() { PeerType::Ibgp } else { PeerType::Ebgp },
        peer_asn: Asn(if session.internal() { 65000 } else { 65001 }),
        as_width: if matches!(session, TwoOctet | InternalTwoOctet) { AsWidth::Two } else { AsWidth::Four },
        families: [
            Some(FamilyContext { path_ids, extended_next_hop: false }),
            Some(FamilyContext { path_ids: PathIds::Absent, extended_next_hop: false }),
        ],
        enforce_first_as: first,
        as_sets: if accepts_sets { AsSets::Accept } else { AsSets::TreatAsWithdraw },
        as_zero: AsZero::Reject,
        local_role: (session == Customer).then_some(Role::Provider),
        aigp: if session.internal() { AigpSession::Enabled } else { AigpSession::Disabled },
        local_addrs: ["10.0.0.1", "2001:db8::1"].map(|text| text.parse().expect("an address")).into_iter().collect(),
        max_as_path_len: 750,
    }
}

/// The body of an UPDATE of three parts in hexadecimal digits.
fn update_of(withdrawn: &str, attributes: &str, nlri: &str) -> Vec<u8> {
    rows::update(&unhex(withdrawn), &unhex(attributes), &unhex(nlri))
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

#[test]
fn every_row() {
    let mut scratch = Scratch::new();
    for row in updates() {
        let body = row.body();
        outcome(&row, &body, &mut scratch);
        // The next message finds the decoder as it was (a sentinel after each row).
        let sentinel = update_of("", &EXTERNAL_BASE.concat(), "180a6301");
        let update = decode(&sentinel, &context(Session::External), &mut scratch).expect("well-formed");
        assert_eq!((reached(&update), update.action), (vec![USUAL_PREFIX.to_owned()], None), "after {}", row.name());
    }
}

fn outcome(row: &rows::Update, body: &[u8], scratch: &mut Scratch) {
    let name = row.name();
    let result = decode(body, &context(row.session), scratch);
    let update = match (row.outcome, result) {
        (Outcome::Reset(subcode), Err(reset)) => {
            let n = reset.notification();
            assert_eq!((n.code, n.subcode), (3, subcode), "{name}: {reset}");
            assert_eq!(hex(&n.data), hex(&row.data()), "{name}: data");
            return;
        }
        (Outcome::Reset(_), Ok(update)) => panic!("{name}: {update:?}"),
        (_, Ok(update)) => update,
        (_, Err(reset)) => panic!("{name}: {reset}"),
    };
    for reach in &update.reach {
        let codes: Vec<u8> = BlockView(reach.block).iter().map(|a| a.code.0).collect();
        assert!(codes.windows(2).all(|w| w[0] < w[1]), "{name}: not canonical: {codes:?}");
    }
    let discarded = |code: u8| update.faults.iter().any(|f| f.code == Some(AttrCode(code)));
    let usual = reached(&update).contains(&USUAL_PREFIX.to_owned());
    let gone = withdrawn(&update).contains(&USUAL_PREFIX.to_owned());
    let (action, is) = match row.outcome {
        Outcome::Reset(_) => unreachable!("returned above"),
        Outcome::Withdraw(code) => {
            let strongest = update.faults.iter().find(|f| f.action == FaultAction::TreatAsWithdraw);
            assert_eq!(strongest.map(|f| f.code), Some(code.map(AttrCode)), "{name}: {:?}", update.faults);
            (Some(FaultAction::TreatAsWithdraw), update.reach.is_empty() && gone && update.end_of_rib.is_none())
        }
        Outcome::Discard(code) => {
            (Some(FaultAction::AttributeDiscard), usual && (code == 0 || (discarded(code) && !has(&update, code))))
        }
        // Families that are not carried are faults of MP_REACH_NLRI.
        Outcome::KeptFault => (Some(FaultAction::AttributeDiscard), discarded(14) && !gone),
        Outcome::Replaced => (None, usual),
        // Loops are the RIB's to find: well-formed here.
        Outcome::Ineligible(reason) => {
            (None, usual && (update.ineligible == Some(Ineligible::RouteLeak)) == (reason == "otc_leak"))
        }
        Outcome::Only => (None, !usual && !gone),
        Outcome::Kept => (None, update.reach.is_empty() && update.withdrawn.is_empty() && update.end_of_rib.is_some()),
    };
    assert_eq!(update.action, action, "{name}: {:?}", update.faults);
    assert_eq!(action.is_none(), update.faults.is_empty(), "{name}: {:?}", update.faults);
    assert!(is, "{name}: {update:?}");
    checks(row, &update);
}

/// What the decoder has to do with the checks of a row.
fn checks(row: &rows::Update, update: &Update<'_>) {
    let name = row.name();
    row.checked('+').iter().for_each(|p| assert!(reached(update).contains(&(*p).to_owned()), "{name}: {p}"));
    row.checked('-').iter().for_each(|p| assert!(withdrawn(update).contains(&(*p).to_owned()), "{name}: {p}"));
    for check in row.checked('i') {
        let number = |code: &str| code.parse().unwrap_or_else(|_| panic!("{check} is no check"));
        match (check.strip_prefix(':'), check.strip_prefix('?'), check.strip_prefix('!')) {
            (Some(octets), ..) => {
                let code = unhex(octets)[1];
                // RFC 4271 §5.1.5: LOCAL_PREF of a route of an external peer is ours.
                if code != 5 || row.session.internal() {
                    carried(update, code, octets);
                }
            }
            (_, Some(code), _) => assert!(has(update, number(code)), "{name}"),
            (_, _, Some(code)) => assert!(!has(update, number(code)), "{name}"),
            _ => panic!("{check} is no check"),
        }
    }
}

/// The attribute as it stands in the block, octet for octet.
fn carried(update: &Update<'_>, code: u8, expected: &str) {
    let attr = block(update).get(AttrCode(code)).unwrap_or_else(|| panic!("attribute {code} is gone"));
    let mut octets = Vec::new();
    push_attr(&mut octets, attr.flags.0, attr.code, attr.value);
    assert_eq!(hex(&octets), expected);
}

/// The result of a row, looked at more closely.
fn closely(id: &str, session: Session, look: impl Fn(&Update<'_>)) {
    let row = updates().into_iter().find(|row| row.id == id && row.session == session).expect("a row");
    let body = row.body();
    look(&decode(&body, &context(session), &mut Scratch::new()).expect("no reset"));
}

#[test]
fn what_is_withdrawn_and_advertised_is_told_in_this_order() {
    for (id, prefix) in [("U09", USUAL_PREFIX), ("M14", P6)] {
        closely(id, Session::External, |u| {
            assert_eq!((withdrawn(u), reached(u)), (vec![prefix.to_owned()], vec![prefix.to_owned()]), "{id}");
        });
    }
    for (id, family) in [("U03", Family::IPV4_UNICAST), ("M13", Family::IPV6_UNICAST)] {
        closely(id, Session::External, |u| assert_eq!(u.end_of_rib, Some(family)));
    }
}

#[test]
fn attributes_are_kept_in_one_form() {
    let flags = |u: &Update<'_>| block(u).get(AttrCode::ORIGIN).map(|a| a.flags);
    closely("A03", Session::External, |u| assert_eq!(flags(u), Some(AttrFlags(0x40))));
    closely("A04", Session::External, |u| assert_eq!(flags(u), Some(AttrFlags(0x40))));
    closely("U19", Session::External, |u| assert_eq!(block(u).iter().count(), 3 + 199));
    closely("A19", Session::External, |u| assert_eq!(block(u).as_path().to_string(), "65001 23456"));
    closely("A80", Session::TwoOctet, |u| assert_eq!(block(u).as_path().to_string(), "65001 65536 65537"));
    closely("A107", Session::External, |u| {
        let codes: Vec<u8> = block(u).iter().map(|a| a.code.0).collect();
        assert_eq!((reached(u), codes), (vec![USUAL_PREFIX.to_owned(), P6.to_owned()], vec![1, 2, 3, 8]));
    });
    // What the RIB finds loops by.
    closely("A27", Session::External, |u| assert!(block(u).as_path().contains(Asn(65000))));
    closely("A60", Session::Internal, |u| assert_eq!(block(u).originator_id(), Some(BgpId(0x0a00_0001))));
    closely("A61", Session::Internal, |u| assert!(block(u).cluster_list().eq([ClusterId(0x0a00_0001)])));
}

/// RFC 7606 §5.1: each family has the next hop of its own.
#[test]
fn next_hops_by_family() {
    let hops = |u: &Update<'_>| -> Vec<String> {
        let hops = u.reach.iter().filter_map(|r| BlockView(r.block).next_hop());
        hops.map(|hop| hop.addr().to_string()).collect()
    };
    for id in ["M09", "A107"] {
        closely(id, Session::External, |u| assert_eq!(hops(u), ["10.0.0.2", "2001:db8::2"], "{id}"));
    }
    // RFC 2545 §3: the second address is none that is link-local; the first one counts.
    closely("M18", Session::External, |u| {
        assert_eq!(block(u).get(AttrCode::NEXT_HOP).map(|a| a.value.len()), Some(16));
    });
}

/// RFC 4271 §6.3: not our own address, of IPv6 as of IPv4; what only MP_REACH_NLRI advertises goes as well.
#[test]
fn our_own_address_is_no_next_hop() {
    for session in [Session::External, Session::Internal] {
        let base: String = session.base().into_iter().filter(|attribute| !attribute.starts_with("4003")).collect();
        for (last, withdraws) in [("01", true), ("02", false)] {
            let reach = format!("800e1c 000201 10 20010db80000000000000000000000{last} 00 3020010db80001");
            let body = update_of("", &(base.clone() + &reach), "");
            let mut scratch = Scratch::new();
            let update = decode(&body, &context(session), &mut scratch).expect("no reset");
            let told = if withdraws { withdrawn(&update) } else { reached(&update) };
            assert_eq!((told, update.reach.is_empty()), (vec![P6.to_owned()], withdraws), "{last} on {session:?}");
        }
    }
}

/// RFC 4271 §5.1.2: prepending to a full segment opens a new one.
#[test]
fn prepending_to_a_full_segment() {
    closely("A25", Session::External, |u| {
        let mut attributes = PathAttributes::from_block(u.reach[0].block);
        attributes.as_path_mut().prepend(Asn(65000), 1);
        let lengths: Vec<usize> = attributes.as_path().segments().map(|s| s.len()).collect();
        assert_eq!(lengths, [1, 255]);
    });
}

/// RFC 4271 §9.2: what our own prepending makes too long is not advertised.
#[test]
fn too_long_once_prepended() {
    closely("A72", Session::External, |u| {
        let mut attributes = PathAttributes::from_block(u.reach[0].block);
        attributes.as_path_mut().prepend(Asn(65000), 1);
        let block = attributes.to_block().expect("short values");
        let mut encoder = Encoder::new(EncodeParams {
            family: Family::IPV4_UNICAST,
            as_width: AsWidth::Four,
            path_ids: PathIds::Absent,
            max_message_len: 4096,
        });
        let mut out = BytesMut::new();
        let mut nlri = u.reach[0].nlri.iter().peekable();
        assert!(encoder.advertise(&mut out, &block, &mut nlri, usize::MAX).is_err());
        assert!(out.is_empty() && nlri.peek().is_some());
    });
}

/// A fault says in one line what was wrong, where, and what was done.
#[test]
fn faults_have_a_text() {
    let mut scratch = Scratch::new();
    let body = update_of("", &format!("{}800403000000", EXTERNAL_BASE.concat()), "180a6301");
    let update = decode(&body, &context(Session::External), &mut scratch).expect("no reset");
    assert_eq!(
        update.faults[0].to_string(),
        "MULTI_EXIT_DISC at octet 24: length 3 is impossible; treated as withdraw (RFC 7606 §7.4)"
    );
    assert_eq!(withdrawn(&update), [USUAL_PREFIX]);
}

/// RFC 7607 §2 turned off: AS 0 in AS_PATH and AGGREGATOR is carried as it came.
#[test]
fn as_zero_is_carried_where_it_is_asked_for() {
    let octets = update_of(
        "",
        "40010100 400206 0201 00000000 400304 0a000002 400504 00000064 c00708 00000000 00000000",
        "180a6301",
    );
    let mut context = context(Session::Internal);
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
        for attrs in [format!("{attr}{}", EXTERNAL_BASE.concat()), format!("{}{attr}", EXTERNAL_BASE.concat())] {
            for session in [Session::External, Session::Internal] {
                let body = update_of("", &attrs, "180a6301");
                let update = decode(&body, &context(session), &mut scratch).expect("no reset");
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
