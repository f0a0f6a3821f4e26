use heddle_bgp_core::attr::as_path::SegmentKind;
use heddle_bgp_core::attr::block::push_attr;
use heddle_bgp_core::attr::{AsPath, AsPathView, Community};

use super::*;
use crate::policy::{Action, InterfacePattern, Match, NextHopEdit, NumberEdit, Policy, RouteType, Rule, Then};
use crate::test_route::{OWN, TestRoute};

const CLIENT: SourceKind = SourceKind::Client;
const NON_CLIENT: SourceKind = SourceKind::NonClient;
const EBGP: SourceKind = SourceKind::Ebgp;
const LOCAL: SourceKind = SourceKind::Local;
const V4: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
const V6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
const LINK_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1);

/// A key that accepts everything, with an IPv4 address of our own.
fn key(receiver: Receiver) -> ExportKey {
    ExportKey {
        policy: PolicyChain::accept_all(),
        cluster_id: ClusterId(0x0101_0101),
        self_next_hop: SelfNextHop { v4: Some(V4), ..SelfNextHop::default() },
        ..ExportKey::new(Family::IPV4_UNICAST, receiver, OWN)
    }
}

/// The same for IPv6.
fn key6(receiver: Receiver) -> ExportKey {
    ExportKey {
        family: Family::IPV6_UNICAST,
        self_next_hop: SelfNextHop { v6: Some(V6), link_local: Some(LINK_LOCAL), interface: 2, v4: None },
        ..key(receiver)
    }
}

/// A chain of one rule with these actions, that accepts.
fn doing(actions: Vec<Action>) -> PolicyChain {
    let rule = Rule { matches: vec![], actions, then: Then::Accept };
    PolicyChain::new([Policy { name: "p".into(), rules: vec![rule], default: Then::Reject }.into()])
}

/// The outcome as an owned block, or why there is none.
fn run(key: &ExportKey, route: &TestRoute) -> Result<Vec<u8>, Withheld> {
    let mut scratch = ExportScratch::default();
    match export(key, &route.view(), &mut scratch) {
        Exported::Unchanged => Ok(route.block.clone()),
        Exported::Changed(new) => {
            assert_ne!(new, route.block, "changed means changed");
            Ok(new.to_vec())
        }
        Exported::Withheld(reason) => Err(reason),
    }
}

fn exported(key: &ExportKey, route: &TestRoute) -> Vec<u8> {
    run(key, route).expect("advertised")
}

fn value(block: &[u8], code: AttrCode) -> Option<Vec<u8>> {
    BlockView(block).get(code).map(|a| a.value.to_vec())
}

fn number(block: &[u8], code: AttrCode) -> Option<u32> {
    value(block, code).map(|v| u32::from_be_bytes(v.try_into().expect("four octets")))
}

fn path(block: &[u8]) -> String {
    AsPathView(&value(block, AttrCode::AS_PATH).expect("AS_PATH")).to_string()
}

fn communities(block: &[u8]) -> Vec<u32> {
    let octets = value(block, AttrCode::COMMUNITIES).unwrap_or_default();
    octets.chunks(4).map(|c| u32::from_be_bytes(c.try_into().expect("four octets"))).collect()
}

/// RFC 4456 §6: who gets whose routes.
#[test]
fn reflection_matrix() {
    let rows = [
        (LOCAL, [true, true, true]),
        (EBGP, [true, true, true]),
        (CLIENT, [true, true, true]),
        (NON_CLIENT, [true, true, false]),
    ];
    for (kind, expected) in rows {
        for (receiver, goes) in [Receiver::Ebgp, Receiver::Client, Receiver::NonClient].into_iter().zip(expected) {
            let outcome = run(&key(receiver), &TestRoute::new(kind, &[65001]));
            assert_eq!(outcome.is_ok(), goes, "{kind:?} to {receiver:?}");
            if !goes {
                assert_eq!(outcome, Err(Withheld::Reflection));
            }
        }
    }
}

/// RFC 4456 §8: ORIGINATOR_ID once, CLUSTER_ID in front; §10: nothing else changes.
#[test]
fn reflected_attributes() {
    let route = TestRoute::new(CLIENT, &[65001]).bgp_id(7).local_pref(150).med(5);
    for receiver in [Receiver::Client, Receiver::NonClient] {
        let block = exported(&key(receiver), &route);
        let expected = route.clone().originator(7).clusters(&[0x0101_0101]);
        assert_eq!(block, expected.block);
    }
    let again = TestRoute::new(NON_CLIENT, &[65001]).bgp_id(7).local_pref(100).originator(9).clusters(&[3, 2]);
    let block = exported(&key(Receiver::Client), &again);
    assert_eq!(block, again.clusters(&[0x0101_0101, 3, 2]).block, "the originator stays");
    // Next hop self leaves reflected routes alone (§10); those from outside it does not.
    let own = ExportKey { next_hop: NextHopMode::SelfAddress, ..key(Receiver::Client) };
    assert_eq!(BlockView(&exported(&own, &route)).next_hop(), route.view().next_hop());
    let outside = exported(&own, &TestRoute::new(EBGP, &[65001]));
    assert_eq!(BlockView(&outside).next_hop(), Some(NextHop::V4(V4)));
}

/// RFC 4271 §5.1.2, §5.1.3, §5.1.5: from outside to inside only LOCAL_PREF is added.
#[test]
fn external_to_internal() {
    let route = TestRoute::new(EBGP, &[65001]).med(5);
    assert_eq!(exported(&key(Receiver::NonClient), &route), route.clone().local_pref(100).block);
    let set = route.local_pref(200);
    let mut scratch = ExportScratch::default();
    assert_eq!(export(&key(Receiver::NonClient), &set.view(), &mut scratch), Exported::Unchanged);
    // What another AS should not have sent is not passed on as ours.
    let odd = set.clone().originator(9).clusters(&[1]);
    assert_eq!(exported(&key(Receiver::NonClient), &odd), set.block);
}

/// RFC 4271 §5.1.2 b, §5.1.3, §5.1.4, §5.1.5; RFC 4456 §8.
#[test]
fn toward_external_peers() {
    let route = TestRoute::new(CLIENT, &[65001]).local_pref(200).med(5).originator(9).clusters(&[1]);
    let expected = TestRoute::new(EBGP, &[65000, 65001]).next_hop(NextHop::V4(V4));
    assert_eq!(exported(&key(Receiver::Ebgp), &route), expected.block);
}

/// RFC 4271 §5.1.4: MED of another AS stops here; our own goes out.
#[test]
fn med_toward_external_peers() {
    let med =
        |key: &ExportKey, kind| number(&exported(key, &TestRoute::new(kind, &[]).med(5)), AttrCode::MULTI_EXIT_DISC);
    let plain = key(Receiver::Ebgp);
    assert_eq!([LOCAL, EBGP, CLIENT, NON_CLIENT].map(|kind| med(&plain, kind)), [Some(5), None, None, None]);
    let set = ExportKey { policy: doing(vec![Action::Med(NumberEdit::Set(9))]), ..plain };
    assert_eq!([LOCAL, EBGP].map(|kind| med(&set, kind)), [Some(9); 2]);
    let added = ExportKey { policy: doing(vec![Action::Med(NumberEdit::Add(2))]), ..key(Receiver::Ebgp) };
    assert_eq!(med(&added, EBGP), Some(7), "policy sees what is in the Loc-RIB");
}

#[test]
fn policy_comes_before_the_transformation() {
    let with = |actions| ExportKey { policy: doing(actions), ..key(Receiver::Ebgp) };
    let route = TestRoute::new(EBGP, &[65001]);
    let block = exported(&with(vec![Action::PrependOwn(2)]), &route);
    assert_eq!(path(&block), "65000 65000 65000 65001", "ours comes on top");
    let block = exported(&with(vec![Action::Prepend([Asn(7), Asn(8)].into())]), &route);
    assert_eq!(path(&block), "65000 7 8 65001");
    let address = with(vec![Action::NextHop(NextHopEdit::Address(Ipv4Addr::new(192, 0, 2, 99).into()))]);
    let next_hop = |key: &ExportKey| BlockView(&exported(key, &route)).next_hop();
    assert_eq!(next_hop(&address), Some(NextHop::V4(Ipv4Addr::new(192, 0, 2, 99))));
    assert_eq!(next_hop(&with(vec![Action::NextHop(NextHopEdit::Unchanged)])), route.view().next_hop());
    let unchanged = ExportKey { next_hop: NextHopMode::Unchanged, ..with(vec![]) };
    assert_eq!(next_hop(&unchanged), route.view().next_hop());
    let own = ExportKey { policy: doing(vec![Action::NextHop(NextHopEdit::SelfAddress)]), ..unchanged };
    assert_eq!(next_hop(&own), Some(NextHop::V4(V4)));
    // Inside, too, and even where it is reflected.
    let own = ExportKey { policy: doing(vec![Action::NextHop(NextHopEdit::SelfAddress)]), ..key(Receiver::Client) };
    assert_eq!(BlockView(&exported(&own, &TestRoute::new(CLIENT, &[]))).next_hop(), Some(NextHop::V4(V4)));
    // LOCAL_PREF of the policy has no meaning outside, and stays inside.
    let pref = doing(vec![Action::LocalPref(NumberEdit::Set(7))]);
    let outside = ExportKey { policy: pref.clone(), ..key(Receiver::Ebgp) };
    assert_eq!(number(&exported(&outside, &route), AttrCode::LOCAL_PREF), None);
    let inside = ExportKey { policy: pref, ..key(Receiver::NonClient) };
    assert_eq!(number(&exported(&inside, &route), AttrCode::LOCAL_PREF), Some(7));
}

/// RFC 8212 §3: nothing to an external peer without policy.
#[test]
fn without_policy() {
    let route = TestRoute::new(LOCAL, &[]);
    let without = |receiver| ExportKey {
        self_next_hop: key(receiver).self_next_hop,
        ..ExportKey::new(Family::IPV4_UNICAST, receiver, OWN)
    };
    assert_eq!(run(&without(Receiver::Ebgp), &route), Err(Withheld::Policy));
    assert!(run(&without(Receiver::NonClient), &route).is_ok());
}

/// RFC 1997, RFC 7999 §3.2.
#[test]
fn well_known_communities() {
    let all = [Receiver::Ebgp, Receiver::Client, Receiver::NonClient];
    let outcome = |kind, community: Community| {
        let route = TestRoute::new(kind, &[65001]).communities(&[1, community.0]);
        all.map(|receiver| run(&key(receiver), &route).err())
    };
    let only_inside = |reason| [Some(reason), None, None];
    assert_eq!(outcome(EBGP, Community::NO_EXPORT), only_inside(Withheld::NoExport));
    assert_eq!(outcome(CLIENT, Community::NO_EXPORT), only_inside(Withheld::NoExport));
    assert_eq!(outcome(EBGP, Community::NO_EXPORT_SUBCONFED), only_inside(Withheld::NoExport));
    assert_eq!(outcome(EBGP, Community::NO_ADVERTISE), [Some(Withheld::NoAdvertise); 3]);
    assert_eq!(outcome(EBGP, Community::BLACKHOLE), only_inside(Withheld::Blackhole));
    assert_eq!(outcome(EBGP, Community::GRACEFUL_SHUTDOWN), [None; 3], "it goes on");
    // What originates here is ours to send with any community.
    for community in [Community::NO_EXPORT, Community::NO_ADVERTISE, Community::BLACKHOLE] {
        assert_eq!(outcome(LOCAL, community), [None; 3], "{community}");
    }
    let sending = ExportKey { blackhole: BlackholeExport::Send, ..key(Receiver::Ebgp) };
    assert!(run(&sending, &TestRoute::new(EBGP, &[65001]).communities(&[Community::BLACKHOLE.0])).is_ok());
    // A community that policy adds does not hold the route back.
    let tag = crate::policy::CommunityEdit::add(["no-export"]).expect("a community");
    let tagging = ExportKey { policy: doing(vec![Action::Communities(tag)]), ..key(Receiver::Ebgp) };
    let block = exported(&tagging, &TestRoute::new(EBGP, &[65001]));
    assert_eq!(communities(&block), [Community::NO_EXPORT.0]);
}

/// RFC 9494 §4.3, §4.6.
#[test]
fn long_lived_stale() {
    let flagged = TestRoute::new(CLIENT, &[65001]).llgr_stale().local_pref(200);
    let tagged = TestRoute::new(CLIENT, &[65001]).local_pref(200).communities(&[Community::LLGR_STALE.0]);
    for route in [&flagged, &tagged] {
        for receiver in [Receiver::Ebgp, Receiver::Client, Receiver::NonClient] {
            let with = |llgr| ExportKey { llgr, ..key(receiver) };
            assert_eq!(run(&with(LlgrMode::Withhold), route), Err(Withheld::LlgrStale), "{receiver:?}");
            let block = exported(&with(LlgrMode::Capable), route);
            assert_eq!(communities(&block), [Community::LLGR_STALE.0], "{receiver:?}");
            match (run(&with(LlgrMode::NoExport), route), receiver) {
                (outcome, Receiver::Ebgp) => assert_eq!(outcome, Err(Withheld::LlgrStale)),
                (outcome, Receiver::Client | Receiver::NonClient) => {
                    let block = outcome.expect("advertised");
                    assert_eq!(number(&block, AttrCode::LOCAL_PREF), Some(0));
                    assert_eq!(communities(&block), [Community::LLGR_STALE.0, Community::NO_EXPORT.0]);
                }
            }
        }
    }
}

/// RFC 9234 §5, egress, all roles.
#[test]
fn only_to_customer() {
    let with = |role| ExportKey { role: Some(role), ..key(Receiver::Ebgp) };
    let plain = TestRoute::new(EBGP, &[65001]);
    let marked = plain.clone().edit(|o| o.set_number(AttrCode::OTC, 65001));
    let rows = [
        (Role::Provider, Some(OWN.0), true),
        (Role::RouteServer, Some(OWN.0), true),
        (Role::Peer, Some(OWN.0), false),
        (Role::Customer, None, false),
        (Role::RouteServerClient, None, false),
    ];
    for (role, added, goes) in rows {
        assert_eq!(number(&exported(&with(role), &plain), AttrCode::OTC), added, "{role:?}");
        match run(&with(role), &marked) {
            Ok(block) => assert_eq!((number(&block, AttrCode::OTC), goes), (Some(65001), true), "{role:?}"),
            Err(reason) => assert_eq!((reason, goes), (Withheld::OnlyToCustomer, false), "{role:?}"),
        }
    }
    // Without a role, and inside the AS, it is carried as it is.
    assert_eq!(number(&exported(&key(Receiver::Ebgp), &marked), AttrCode::OTC), Some(65001));
    let inside = ExportKey { role: Some(Role::Customer), ..key(Receiver::NonClient) };
    assert_eq!(number(&exported(&inside, &marked), AttrCode::OTC), Some(65001));
}

/// RFC 7705 §3: the AS that the peer knows us by, with and without the router's own behind it.
#[test]
fn local_as() {
    let route = TestRoute::new(EBGP, &[65001]);
    let both = ExportKey { local_asn: Asn(64999), router_asn: Some(OWN), ..key(Receiver::Ebgp) };
    assert_eq!(path(&exported(&both, &route)), "64999 65000 65001");
    let replaced = ExportKey { router_asn: None, ..both };
    assert_eq!(path(&exported(&replaced, &route)), "64999 65001");
}

#[test]
fn private_as_numbers_and_override() {
    let with = |remove, over| ExportKey {
        local_asn: Asn(9),
        peer_asn: Some(Asn(64513)),
        remove_private_as: remove,
        as_override: over,
        ..key(Receiver::Ebgp)
    };
    let mixed = TestRoute::new(EBGP, &[64512, 64513, 3, 64514]);
    let private = TestRoute::new(EBGP, &[64512, 64514]);
    let rows = [
        (RemovePrivateAs::Off, AsOverride::Off, "9 64512 64513 3 64514", "9 64512 64514"),
        (RemovePrivateAs::IfOnlyPrivate, AsOverride::Off, "9 64512 64513 3 64514", "9"),
        (RemovePrivateAs::Leading, AsOverride::Off, "9 64513 3 64514", "9"),
        (RemovePrivateAs::All, AsOverride::Off, "9 64513 3", "9"),
        (RemovePrivateAs::Replace, AsOverride::Off, "9 9 64513 3 9", "9 9 9"),
        (RemovePrivateAs::Off, AsOverride::On, "9 64512 9 3 64514", "9 64512 64514"),
        (RemovePrivateAs::All, AsOverride::On, "9 9 3", "9"),
    ];
    for (remove, over, of_mixed, of_private) in rows {
        let key = with(remove, over);
        assert_eq!(path(&exported(&key, &mixed)), of_mixed, "{remove:?} {over:?}");
        assert_eq!(path(&exported(&key, &private)), of_private, "{remove:?} {over:?}");
    }
    // Internal peers get the path as it is.
    let inside = ExportKey { receiver: Receiver::NonClient, ..with(RemovePrivateAs::All, AsOverride::On) };
    assert_eq!(path(&exported(&inside, &mixed)), "64512 64513 3 64514");
}

/// RFC 8326 §4.1.
#[test]
fn drain() {
    let route = TestRoute::new(CLIENT, &[65001]).local_pref(200).communities(&[5]);
    let block = exported(&ExportKey { drain: Drain::On, ..key(Receiver::Ebgp) }, &route);
    assert_eq!(communities(&block), [5, Community::GRACEFUL_SHUTDOWN.0]);
    let block = exported(&ExportKey { drain: Drain::On, ..key(Receiver::Client) }, &route);
    assert_eq!(communities(&block), [5, Community::GRACEFUL_SHUTDOWN.0]);
    assert_eq!(number(&block, AttrCode::LOCAL_PREF), Some(0));
}

/// RFC 7311 §3.1.
#[test]
fn aigp_only_where_enabled() {
    let route = TestRoute::new(CLIENT, &[65001]).aigp(5);
    for receiver in [Receiver::Ebgp, Receiver::Client] {
        assert_eq!(value(&exported(&key(receiver), &route), AttrCode::AIGP), None);
        let on = ExportKey { aigp: Aigp::On, ..key(receiver) };
        assert!(value(&exported(&on, &route), AttrCode::AIGP).is_some());
    }
}

/// RFC 4271 §5: unrecognised attributes that are not transitive stay here; others go on byte for byte.
#[test]
fn unknown_attributes() {
    let mut route = TestRoute::new(CLIENT, &[65001]).local_pref(100).originator(1);
    push_attr(&mut route.block, 0x80, AttrCode(200), b"stays");
    push_attr(&mut route.block, 0xe0, AttrCode(201), b"goes");
    for receiver in [Receiver::Ebgp, Receiver::Client] {
        let block = exported(&key(receiver), &route);
        assert_eq!(value(&block, AttrCode(200)), None);
        let kept = BlockView(&block).get(AttrCode(201)).map(|a| (a.flags.0, a.value));
        assert_eq!(kept, Some((0xe0, &b"goes"[..])));
    }
}

/// RFC 4360 §6: extended communities with the T bit stay in the AS.
#[test]
fn extended_communities_that_do_not_leave_the_as() {
    let (goes, stays) = ([0, 2, 0, 1, 0, 0, 0, 1], [0x43, 0, 0, 0, 0, 0, 0, 1]);
    let mut route = TestRoute::new(CLIENT, &[65001]).local_pref(100).originator(1);
    push_attr(&mut route.block, 0xc0, AttrCode::EXTENDED_COMMUNITIES, &[goes, stays].concat());
    let outside = exported(&key(Receiver::Ebgp), &route);
    assert_eq!(value(&outside, AttrCode::EXTENDED_COMMUNITIES), Some(goes.to_vec()));
    let inside = exported(&key(Receiver::Client), &route);
    assert_eq!(value(&inside, AttrCode::EXTENDED_COMMUNITIES), Some([goes, stays].concat()));

    let mut route = TestRoute::new(CLIENT, &[65001]).local_pref(100).originator(1);
    push_attr(&mut route.block, 0xc0, AttrCode::EXTENDED_COMMUNITIES, &stays);
    assert_eq!(value(&exported(&key(Receiver::Ebgp), &route), AttrCode::EXTENDED_COMMUNITIES), None);
}

/// RFC 2545 §3, RFC 8950 §4, and routes without a next hop of their own.
#[test]
fn next_hops() {
    let other = Ipv6Addr::new(0x2001, 0xdb8, 9, 0, 0, 0, 0, 9);
    let other_ll = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 9);
    let route = |kind, n| TestRoute::new(kind, &[65001]).prefix("2001:db8:1::/48").next_hop(n);
    let hop = |key: &ExportKey, route: &TestRoute| run(key, route).map(|b| BlockView(&b).next_hop().expect("next hop"));
    let (v6, both, ll) = (NextHop::V6(other), NextHop::V6LinkLocal(other, other_ll), NextHop::V6(other_ll));
    let own = NextHop::V6LinkLocal(V6, LINK_LOCAL);
    // Toward external peers our own: both addresses on a shared link, one elsewhere.
    assert_eq!(hop(&key6(Receiver::Ebgp), &route(CLIENT, v6)), Ok(own));
    let far =
        ExportKey { self_next_hop: SelfNextHop { v6: Some(V6), ..SelfNextHop::default() }, ..key6(Receiver::Ebgp) };
    assert_eq!(hop(&far, &route(CLIENT, v6)), Ok(NextHop::V6(V6)));
    let near = SelfNextHop { link_local: Some(LINK_LOCAL), interface: 2, ..SelfNextHop::default() };
    let unnumbered = ExportKey { self_next_hop: near, ..key6(Receiver::Ebgp) };
    assert_eq!(hop(&unnumbered, &route(CLIENT, v6)), Ok(NextHop::V6LinkLocal(LINK_LOCAL, LINK_LOCAL)));
    // Inside: the global one goes on, a link-local one never.
    assert_eq!(hop(&key6(Receiver::NonClient), &route(EBGP, v6)), Ok(v6));
    assert_eq!(hop(&key6(Receiver::NonClient), &route(EBGP, both)), Ok(v6));
    assert_eq!(hop(&key6(Receiver::NonClient), &route(EBGP, ll)), Ok(own));
    // No address of ours of the family.
    let none =
        ExportKey { self_next_hop: SelfNextHop { v4: Some(V4), ..SelfNextHop::default() }, ..key6(Receiver::Ebgp) };
    assert_eq!(hop(&none, &route(CLIENT, v6)), Err(Withheld::NextHop));
    // IPv6 routes have no form for an IPv4 next hop.
    assert_eq!(hop(&key6(Receiver::NonClient), &route(EBGP, NextHop::V4(V4))), Err(Withheld::NextHop));
    // IPv4 routes have IPv6 next hops where that was negotiated.
    let v4_route = TestRoute::new(EBGP, &[65001]).next_hop(v6);
    assert_eq!(hop(&key(Receiver::NonClient), &v4_route), Err(Withheld::NextHop));
    let extended = ExportKey { extended_next_hop: ExtendedNextHop::On, ..key(Receiver::NonClient) };
    assert_eq!(hop(&extended, &v4_route), Ok(v6));
    let over_v6 = ExportKey {
        self_next_hop: SelfNextHop { v6: Some(V6), ..SelfNextHop::default() },
        extended_next_hop: ExtendedNextHop::On,
        ..key(Receiver::Ebgp)
    };
    assert_eq!(hop(&over_v6, &TestRoute::new(LOCAL, &[])), Ok(NextHop::V6(V6)));
    // Originated here without a next hop: ours, whatever the mode.
    let bare = TestRoute::new(LOCAL, &[]).next_hop(NextHop::V4(Ipv4Addr::UNSPECIFIED));
    let unchanged = ExportKey { next_hop: NextHopMode::Unchanged, ..key(Receiver::NonClient) };
    assert_eq!(hop(&unchanged, &bare), Ok(NextHop::V4(V4)));
}

#[test]
fn default_route() {
    let mut scratch = ExportScratch::default();
    // Policy is not asked.
    let outside = ExportKey { policy: PolicyChain::reject_all(), ..key(Receiver::Ebgp) };
    let Exported::Changed(block) = export_default(&outside, &mut scratch) else { panic!("advertised") };
    assert_eq!(block, TestRoute::new(EBGP, &[65000]).next_hop(NextHop::V4(V4)).block);
    let Exported::Changed(block) = export_default(&key(Receiver::Client), &mut scratch) else { panic!("advertised") };
    assert_eq!(block, TestRoute::new(LOCAL, &[]).next_hop(NextHop::V4(V4)).local_pref(100).block);
}

/// RFC 4271 §9.2: attributes that leave no room for a prefix; compared with the encoder's own arithmetic.
#[test]
fn message_size() {
    use heddle_bgp_core::Nlri;
    use heddle_bgp_core::update::{EncodeParams, Encoder};
    let longest = [("203.0.113.7/32", key(Receiver::NonClient)), ("2001:db8::7/128", key6(Receiver::NonClient))];
    let (mut fitted, mut refused) = (0, 0);
    for (prefix, key) in longest {
        for add_path in [AddPathSend::Off, AddPathSend::All] {
            let key = ExportKey { add_path, ..key.clone() };
            let hop = if key.family == Family::IPV4_UNICAST { NextHop::V4(V4) } else { NextHop::V6(V6) };
            let base = TestRoute::new(NON_CLIENT, &[1]).local_pref(100).next_hop(hop).prefix(prefix);
            for len in 3900..4096 {
                let mut route = base.clone();
                push_attr(&mut route.block, 0xc0, AttrCode(201), &vec![0; len]);
                let params = EncodeParams {
                    family: key.family,
                    as_width: key.as_width,
                    path_ids: key.path_ids(),
                    max_message_len: key.max_message_len,
                };
                let nlri = [Nlri { prefix: route.prefix, path_id: heddle_bgp_core::PathId(1) }];
                let mut out = bytes::BytesMut::new();
                let encoded = Encoder::new(params).advertise(
                    &mut out,
                    &route.block,
                    &mut nlri.into_iter().peekable(),
                    usize::MAX,
                );
                assert_eq!(key.fits(&route.block), encoded.is_ok(), "{prefix} {add_path:?} {len}");
                if encoded.is_ok() { fitted += 1 } else { refused += 1 }
            }
        }
    }
    assert!(fitted > 100 && refused > 100, "{fitted} {refused}");
    // A path that grows beyond the limit on export.
    let mut route = TestRoute::new(NON_CLIENT, &[1]).local_pref(100);
    push_attr(&mut route.block, 0xc0, AttrCode(201), &[0; 4030]);
    assert!(key(Receiver::Client).fits(&route.block), "as it is in the Loc-RIB");
    assert_eq!(run(&key(Receiver::Client), &route).err(), Some(Withheld::TooLong));
}

/// Peers that get the same bytes have equal keys.
#[test]
fn canonical_keys() {
    let outside = |peer| ExportKey { peer_asn: Some(Asn(peer)), cluster_id: ClusterId(peer), ..key(Receiver::Ebgp) };
    assert_eq!(outside(1).canonical(), outside(2).canonical());
    let over = |peer| ExportKey { as_override: AsOverride::On, ..outside(peer) };
    assert_ne!(over(1).canonical(), over(2).canonical());
    let inside = |peer| ExportKey { receiver: Receiver::Client, cluster_id: ClusterId(1), ..over(peer) };
    assert_eq!(inside(1).canonical(), inside(2).canonical());
    // Canonical or not, what is sent is the same.
    let route = TestRoute::new(EBGP, &[1, 2]);
    for key in [outside(1), over(1), inside(1)] {
        assert_eq!(run(&key, &route), run(&key.clone().canonical(), &route));
    }
}

/// The outcome does not depend on what the buffers held before.
#[test]
fn pure() {
    let mut scratch = ExportScratch::default();
    let key = key(Receiver::Ebgp);
    let routes =
        [TestRoute::new(EBGP, &[1]), TestRoute::new(CLIENT, &[]).med(1).originator(3), TestRoute::new(LOCAL, &[])];
    for route in routes.iter().chain(routes.iter().rev()) {
        let fresh = run(&key, route).expect("advertised");
        assert_eq!(export(&key, &route.view(), &mut scratch).attributes(route.view().block), Some(&fresh[..]));
    }
    let path = AsPath::from_asns(&[OWN, Asn(1)]);
    assert_eq!(value(&run(&key, &routes[0]).expect("advertised"), AttrCode::AS_PATH).as_deref(), Some(path.octets()));
}

/// RFC 9774 §3: sets stay in the AS.
#[test]
fn as_sets() {
    let set = |kind| {
        let mut path = AsPath::from_asns(&[Asn(1)]);
        path.push_segment(kind, &[Asn(2), Asn(3)]);
        TestRoute::new(CLIENT, &[1]).edit(|overlay| overlay.set(AttrCode::AS_PATH, path.octets()))
    };
    for kind in [SegmentKind::Set, SegmentKind::ConfedSet] {
        assert_eq!(run(&key(Receiver::Ebgp), &set(kind)).err(), Some(Withheld::AsSet));
        assert_eq!(run(&key(Receiver::Client), &set(kind)).err(), None);
        assert_eq!(run(&key(Receiver::NonClient), &set(kind)).err(), None);
    }
}

#[test]
fn reasons_are_words_for_operators() {
    assert_eq!(Withheld::Policy.to_string(), "export policy");
}

/// The interface of a local route matters to policy and does not leave.
#[test]
fn policy_sees_the_interface_and_nobody_else() {
    let on = |name: &str| {
        let local = TestRoute::new(LOCAL, &[]);
        local.edit(|o| o.set(AttrCode::INTERFACE, name.as_bytes()))
    };
    let rule = |matches, then| Rule { matches, actions: vec![], then };
    let tunnels = Match::Interface(["*.cali", "*.calico", "tunl0"].map(InterfacePattern::new).into());
    let rules = vec![
        rule(vec![tunnels], Then::Reject),
        rule(vec![Match::RouteType(RouteType::Local)], Then::Accept),
        rule(vec![], Then::Reject),
    ];
    let policy = PolicyChain::new([Policy { name: "p".into(), rules, default: Then::Reject }.into()]);
    for receiver in [Receiver::Ebgp, Receiver::Client, Receiver::NonClient] {
        let key = ExportKey { policy: policy.clone(), ..key(receiver) };
        assert_eq!(run(&key, &on("vxlan.calico")), Err(Withheld::Policy));
        assert_eq!(run(&key, &on("tunl0")), Err(Withheld::Policy));
        let block = exported(&key, &on("cali1234"));
        assert_eq!(block, exported(&key, &TestRoute::new(LOCAL, &[])), "as if it had none");
        assert_eq!(BlockView(&block).interface(), None);
        assert_eq!(run(&key, &TestRoute::new(EBGP, &[65001])), Err(Withheld::Policy), "not local");
    }
}
