use std::sync::Arc;

use heddle_bgp_core::attr::{AttrCode, BlockView};
use heddle_bgp_core::{Asn, Family, PeerType};

use super::super::{
    AsPathRegex, CommunityEdit, CommunityList, Extended, GracefulShutdown, ImportScratch, ImportSettings, Imported,
    InterfacePattern, Large, NumberEdit, Origin, PeerContext, PolicyError, PolicySet, PrefixRange, PrefixSet,
    Quantifier, Span, import,
};
use super::*;
use crate::route::SourceKind;
use crate::test_route::{OWN, TestRoute};

const CTX: EvalContext = EvalContext { own_asn: OWN, self_next_hop: None };

fn rule(matches: Vec<Match>, actions: Vec<Action>, then: Then) -> Rule {
    Rule { matches, actions, then }
}

fn policy(name: &str, rules: Vec<Rule>, default: Then) -> Arc<Policy> {
    Arc::new(Policy { name: name.into(), rules, default })
}

/// A chain of one policy that accepts what the match matches and rejects the rest.
fn only(m: Match) -> PolicyChain {
    PolicyChain::new([policy("p", vec![rule(vec![m], vec![], Then::Accept)], Then::Reject)])
}

fn doing(actions: Vec<Action>) -> PolicyChain {
    PolicyChain::new([policy("p", vec![rule(vec![], actions, Then::Accept)], Then::Reject)])
}

fn verdict(chain: &PolicyChain, route: &TestRoute) -> Verdict {
    let mut overlay = Overlay::new(BlockView(&route.block));
    chain.evaluate(&route.view(), &mut overlay, &CTX, &mut EvalScratch::default())
}

/// The block after an accepting chain.
fn changed(chain: &PolicyChain, route: &TestRoute) -> Vec<u8> {
    let mut overlay = Overlay::new(BlockView(&route.block));
    let verdict = chain.evaluate(&route.view(), &mut overlay, &CTX, &mut EvalScratch::default());
    assert_eq!(verdict, Verdict::Accept);
    let mut out = Vec::new();
    overlay.write_to(&mut out).expect("short");
    out
}

fn base() -> TestRoute {
    TestRoute::new(SourceKind::Ebgp, &[65001, 65002])
}

fn prefixes(texts: &[&str]) -> Arc<PrefixSet> {
    Arc::new(texts.iter().map(|t| PrefixRange::parse(t).expect(t)).collect())
}

/// A match, a route that it matches, a route that it does not match.
#[test]
fn one_match_a_row() {
    let regex = |text: &str| Match::AsPath([AsPathRegex::new(text).expect(text)].into());
    let standard = |q, t: &[&str]| Match::Communities(CommunityList::parse(q, t.iter().copied()).expect("list").into());
    let ext = CommunityList::<Extended>::parse(Quantifier::Any, ["rt:65000:*"]).expect("list");
    let large = CommunityList::<Large>::parse(Quantifier::Any, ["65000:1:*"]).expect("list");
    let ext_of = |v: [u8; 8]| base().edit(|o| o.set(AttrCode::EXTENDED_COMMUNITIES, &v));
    let large_of =
        |n: u8| base().edit(|o| o.set(AttrCode::LARGE_COMMUNITIES, &[0, 0, 0xfd, 0xe8, 0, 0, 0, n, 0, 0, 0, 9]));
    let set = |n: u8| base().next_hop(NextHop::V4([192, 0, 2, n].into()));
    let on = |name: &str| TestRoute::new(SourceKind::Local, &[]).edit(|o| o.set(AttrCode::INTERFACE, name.as_bytes()));
    let interface = |patterns: &[&str]| Match::Interface(patterns.iter().map(|p| InterfacePattern::new(p)).collect());
    let tagged = |n: u32| base().communities(&[65000 << 16 | n]);
    let rows: Vec<(&str, Match, TestRoute, TestRoute)> = vec![
        ("prefix", Match::Prefix(prefixes(&["198.51.0.0/16 le 24"])), base(), base().prefix("198.51.100.0/25")),
        ("community", standard(Quantifier::Any, &["65000:*"]), tagged(1), base()),
        ("community all", standard(Quantifier::All, &["65000:1", "*:1"]), tagged(1), tagged(2)),
        ("community none", standard(Quantifier::None, &["65000:1"]), base(), tagged(1)),
        (
            "ext",
            Match::ExtendedCommunities(ext.into()),
            ext_of([0, 2, 0xfd, 0xe8, 0, 0, 0, 1]),
            ext_of([0, 2, 0, 1, 0, 0, 0, 1]),
        ),
        ("large", Match::LargeCommunities(large.into()), large_of(1), large_of(2)),
        ("path", regex("^65001_"), base(), TestRoute::new(SourceKind::Ebgp, &[65002, 65001])),
        ("path length", Match::AsPathLength(Span { min: 2, max: 3 }), base(), TestRoute::new(SourceKind::Ebgp, &[1])),
        ("path length above", Match::AsPathLength(Span::at_most(1)), TestRoute::new(SourceKind::Ebgp, &[1]), base()),
        ("origin AS", Match::OriginAs([Asn(65002)].into()), base(), TestRoute::new(SourceKind::Ebgp, &[65002, 1])),
        ("first AS", Match::FirstAs([Asn(65001)].into()), base(), TestRoute::new(SourceKind::Ebgp, &[65002, 65001])),
        ("next hop", Match::NextHop(prefixes(&["192.0.2.0/28"])), set(15), set(16)),
        ("origin", Match::Origin(Origin::Egp), base().origin(1), base()),
        ("med", Match::Med(Span::exactly(5)), base().med(5), base().med(6)),
        ("no med", Match::Med(Span::ANY), base().med(0), base()),
        ("local pref", Match::LocalPref(Span::at_least(101)), base().local_pref(101), base()),
        ("local pref absent", Match::LocalPref(Span::exactly(100)), base(), base().local_pref(99)),
        ("family", Match::Family(Family::IPV6_UNICAST), base().prefix("2001:db8::/32"), base()),
        ("ebgp", Match::RouteType(RouteType::Ebgp), base(), TestRoute::new(SourceKind::Client, &[])),
        ("ibgp", Match::RouteType(RouteType::Ibgp), TestRoute::new(SourceKind::NonClient, &[]), base()),
        ("local", Match::RouteType(RouteType::Local), TestRoute::new(SourceKind::Local, &[]), base()),
        ("interface", interface(&["eth0", "cali*"]), on("cali12"), on("tunl0")),
        ("no interface", interface(&["*"]), on("tunl0"), TestRoute::new(SourceKind::Local, &[])),
    ];
    for (name, m, inside, outside) in rows {
        let inverse = Match::Not(Box::new(m.clone()));
        let any = Match::AnyOf([Match::Med(Span::exactly(77)), m.clone()].into());
        let all = Match::AllOf([Match::Not(Box::new(Match::Med(Span::exactly(77)))), m.clone()].into());
        assert_eq!(verdict(&only(inverse.clone()), &inside), Verdict::Reject, "not {name}");
        assert_eq!(verdict(&only(inverse), &outside), Verdict::Accept, "not {name}");
        for m in [m, any, all] {
            assert_eq!(verdict(&only(m.clone()), &inside), Verdict::Accept, "{name}");
            assert_eq!(verdict(&only(m), &outside), Verdict::Reject, "{name}");
        }
    }
}

/// The interface is part of the attributes: the outcome can be remembered by them.
#[test]
fn the_interface_is_remembered_by_attributes() {
    let chain = only(Match::Interface([InterfacePattern::new("cali*")].into()));
    assert!(!chain.depends_on_prefix() && !chain.depends_on_peer());
    let peer = PeerContext { address: [192, 0, 2, 1].into(), group: None, asn: OWN };
    assert_eq!(chain.resolve(&peer), chain);
}

/// An action, a route, the route afterwards.
#[test]
fn one_action_a_row() {
    let standard = |e: Result<CommunityEdit<Standard>, PolicyError>| Action::Communities(e.expect("communities"));
    let c = |n: u32| 65000 << 16 | n;
    let set = |texts: &[&str]| standard(CommunityEdit::set(texts.iter().copied()));
    let add = |texts: &[&str]| standard(CommunityEdit::add(texts.iter().copied()));
    let remove = |texts: &[&str]| standard(CommunityEdit::remove(texts.iter().copied()));
    let path = |asns: &[u32]| TestRoute::new(SourceKind::Ebgp, asns);
    let rows: Vec<(&str, Action, TestRoute, TestRoute)> = vec![
        ("local pref", Action::LocalPref(NumberEdit::Set(7)), base(), base().local_pref(7)),
        ("local pref up", Action::LocalPref(NumberEdit::Add(7)), base(), base().local_pref(107)),
        ("local pref down", Action::LocalPref(NumberEdit::Subtract(200)), base(), base().local_pref(0)),
        ("med", Action::Med(NumberEdit::Set(7)), base().med(1), base().med(7)),
        ("med up", Action::Med(NumberEdit::Add(u32::MAX)), base().med(5), base().med(u32::MAX)),
        ("med up from none", Action::Med(NumberEdit::Add(3)), base(), base().med(3)),
        ("no med", Action::RemoveMed, base().med(5), base()),
        ("origin", Action::Origin(Origin::Incomplete), base(), base().origin(2)),
        (
            "next hop",
            Action::NextHop(NextHopEdit::Address([192, 0, 2, 9].into())),
            base(),
            base().next_hop(NextHop::V4([192, 0, 2, 9].into())),
        ),
        ("set", set(&["65000:1", "65000:1", "65000:2"]), base().communities(&[9]), base().communities(&[c(1), c(2)])),
        ("set none", set(&[]), base().communities(&[9]), base()),
        ("add", add(&["65000:1", "65000:2"]), base().communities(&[c(2), 9]), base().communities(&[c(2), 9, c(1)])),
        ("remove", remove(&["65000:*"]), base().communities(&[c(1), 9, c(2)]), base().communities(&[9])),
        ("remove the last", remove(&["*:*"]), base().communities(&[9]), base()),
        ("prepend", Action::prepend_own(2).expect("two"), path(&[1]), path(&[65000, 65000, 1])),
        ("prepend these", Action::prepend(&[Asn(7), Asn(8)]).expect("two"), path(&[1]), path(&[7, 8, 1])),
    ];
    for (name, action, before, after) in rows {
        assert_eq!(changed(&doing(vec![action]), &before), after.block, "{name}");
    }
    let ext = CommunityEdit::<Extended>::add(["rt:65000:1"]).expect("value");
    let large = CommunityEdit::<Large>::add(["65000:1:2"]).expect("value");
    let block = changed(&doing(vec![Action::ExtendedCommunities(ext), Action::LargeCommunities(large)]), &base());
    let value = |code| BlockView(&block).get(code).map(|a| a.value.to_vec());
    assert_eq!(value(AttrCode::EXTENDED_COMMUNITIES), Some(vec![0, 2, 0xfd, 0xe8, 0, 0, 0, 1]));
    assert_eq!(value(AttrCode::LARGE_COMMUNITIES), Some(vec![0, 0, 0xfd, 0xe8, 0, 0, 0, 1, 0, 0, 0, 2]));
    for bad in [Action::prepend_own(0), Action::prepend_own(1000), Action::prepend(&[])] {
        assert!(matches!(bad, Err(PolicyError::PrependCount { .. })));
    }
}

#[test]
fn rules_policies_and_defaults() {
    let pref = |n| vec![Action::LocalPref(NumberEdit::Add(n))];
    let is = |n| vec![Match::LocalPref(Span::exactly(n))];
    // Changes are seen by later matches, in the same policy and in the next.
    let first = policy(
        "first",
        vec![
            rule(vec![], pref(1), Then::NextRule),
            rule(is(101), pref(10), Then::NextPolicy),
            rule(vec![], pref(1000), Then::Accept),
        ],
        Then::Reject,
    );
    let second = policy("second", vec![rule(is(111), pref(100), Then::Accept)], Then::Reject);
    let chain = PolicyChain::new([first.clone(), second.clone()]);
    assert_eq!(changed(&chain, &base()), base().local_pref(211).block);
    // Passed on by the last policy: rejected.
    assert_eq!(verdict(&PolicyChain::new([first]), &base()), Verdict::Reject);
    // The default of a policy.
    assert_eq!(verdict(&PolicyChain::new([second]), &base()), Verdict::Reject);
    let pass = policy("pass", vec![], Then::NextPolicy);
    let accept = policy("accept", vec![], Then::Accept);
    assert_eq!(verdict(&PolicyChain::new([pass.clone(), accept.clone()]), &base()), Verdict::Accept);
    assert_eq!(verdict(&PolicyChain::new([pass, policy("reject", vec![], Then::Reject)]), &base()), Verdict::Reject);
    // The first verdict counts.
    assert_eq!(verdict(&PolicyChain::new([accept, policy("reject", vec![], Then::Reject)]), &base()), Verdict::Accept);
}

#[test]
fn an_expression_sees_what_was_prepended() {
    let regex = |text: &str| vec![Match::AsPath([AsPathRegex::new(text).expect(text)].into())];
    let rules = vec![
        rule(regex("^65001"), vec![Action::PrependOwn(1)], Then::NextRule),
        rule(regex("^65000 65001"), vec![], Then::Accept),
    ];
    assert_eq!(verdict(&PolicyChain::new([policy("p", rules, Then::Reject)]), &base()), Verdict::Accept);
}

/// RFC 8212 §3.
#[test]
fn without_policy() {
    assert_eq!(verdict(&PolicyChain::without_policy(PeerType::Ebgp), &base()), Verdict::Reject);
    assert_eq!(verdict(&PolicyChain::without_policy(PeerType::Ibgp), &base()), Verdict::Accept);
}

#[test]
fn resolved_for_a_peer() {
    let peer = |n: u8, group| PeerContext { address: [10, 0, 0, n].into(), group, asn: Asn(65000 + u32::from(n)) };
    let address = Match::PeerAddress([[10, 0, 0, 1].into()].into());
    let group = Match::PeerGroup(["rack".to_owned()].into());
    let asn = Match::PeerAs([Asn(65001)].into());
    let rows = [
        (address.clone(), [true, false, false]),
        (group.clone(), [false, true, false]),
        (asn, [true, false, false]),
        (Match::Not(Box::new(group.clone())), [true, false, true]),
        (Match::AnyOf([address.clone(), group.clone()].into()), [true, true, false]),
        (Match::AllOf([address.clone(), Match::Not(Box::new(group))].into()), [true, false, false]),
        (Match::AllOf([address.clone(), Match::Med(Span::exactly(1))].into()), [false; 3]),
        (Match::AnyOf([address, Match::LocalPref(Span::exactly(100))].into()), [true; 3]),
    ];
    let peers = [peer(1, None), peer(2, Some("rack")), peer(3, Some("spine"))];
    for (m, expected) in rows {
        let chain = only(m.clone());
        assert!(chain.depends_on_peer(), "{m:?}");
        let resolved = peers.map(|p| chain.resolve(&p));
        for (r, accepted) in resolved.iter().zip(expected) {
            assert!(!r.depends_on_peer(), "{m:?}");
            assert_eq!(verdict(r, &base()) == Verdict::Accept, accepted, "{m:?}");
        }
        // Peers for which it comes out the same share an update group.
        if expected[1] == expected[2] && !matches!(m, Match::AnyOf(_)) {
            assert_eq!(resolved[1], resolved[2], "{m:?}");
        }
        if expected[0] != expected[1] {
            assert_ne!(resolved[0], resolved[1], "{m:?}");
        }
    }
    // A chain that does not look at the peer stays the same value.
    let plain = only(Match::Med(Span::ANY));
    assert_eq!(plain.resolve(&peers[0]), plain);
}

#[test]
fn equality_is_that_of_content() {
    let make = |n| only(Match::AllOf([Match::Med(Span::exactly(n)), Match::Prefix(prefixes(&["10.0.0.0/8"]))].into()));
    assert_eq!(make(1), make(1));
    assert_ne!(make(1), make(2));
    assert_ne!(PolicyChain::accept_all(), PolicyChain::reject_all());
    let hash = |c: &PolicyChain| {
        use std::hash::{Hash, Hasher};
        let mut h = xxhash_rust::xxh3::Xxh3Default::new();
        c.hash(&mut h);
        h.finish()
    };
    assert_eq!(hash(&make(1)), hash(&make(1)));
}

#[test]
fn dependence_on_the_prefix() {
    assert!(only(Match::Not(Box::new(Match::Prefix(prefixes(&["10.0.0.0/8"]))))).depends_on_prefix());
    assert!(only(Match::AnyOf([Match::AllOf([Match::Prefix(prefixes(&[]))].into())].into())).depends_on_prefix());
    assert!(!only(Match::NextHop(prefixes(&["10.0.0.0/8"]))).depends_on_prefix());
    // A match on prefixes that the peer rules out is none.
    let m = Match::AllOf([Match::PeerAs([Asn(1)].into()), Match::Prefix(prefixes(&["10.0.0.0/8"]))].into());
    let peer = PeerContext { address: [10, 0, 0, 1].into(), group: None, asn: Asn(2) };
    assert!(only(m.clone()).depends_on_prefix());
    assert!(!only(m).resolve(&peer).depends_on_prefix());
}

#[test]
fn nothing_changes_means_no_change() {
    let chain = doing(vec![
        Action::LocalPref(NumberEdit::Set(100)),
        Action::Communities(CommunityEdit::remove(["65000:*"]).expect("pattern")),
        Action::RemoveMed,
        Action::Origin(Origin::Igp),
    ]);
    let route = base().local_pref(100);
    let mut overlay = Overlay::new(BlockView(&route.block));
    chain.evaluate(&route.view(), &mut overlay, &CTX, &mut EvalScratch::default());
    assert!(!overlay.is_changed());
}

#[test]
fn names() {
    let make = |name: &str| Policy { name: name.into(), rules: vec![], default: Then::Accept };
    let set = PolicySet::builder().policy(make("a")).and_then(|b| b.policy(make("b"))).expect("two names").build();
    assert_eq!(set.chain(["b", "a"]).expect("known").policies().len(), 2);
    let error = set.chain(["a", "c"]).expect_err("unknown");
    assert_eq!(error.to_string(), "there is no policy \"c\"; known are: a, b");
    let twice = PolicySet::builder().policy(make("a")).and_then(|b| b.policy(make("a"))).expect_err("twice");
    assert_eq!(twice, PolicyError::DuplicatePolicy("a".into()));
}

fn settings(policy: PolicyChain) -> ImportSettings {
    ImportSettings { guard: None, policy, prepend: None, graceful_shutdown: GracefulShutdown::Honor, context: CTX }
}

#[test]
fn importing() {
    let mut scratch = ImportScratch::default();
    let accept = settings(PolicyChain::accept_all());
    assert_eq!(import(&accept, &base().view(), &mut scratch), Imported::Unchanged);
    assert_eq!(import(&settings(PolicyChain::reject_all()), &base().view(), &mut scratch), Imported::Rejected);
    let pref = settings(doing(vec![Action::LocalPref(NumberEdit::Set(200))]));
    assert_eq!(import(&pref, &base().view(), &mut scratch), Imported::Changed(&base().local_pref(200).block));
    // There and back again is no change.
    let round = settings(doing(vec![Action::Med(NumberEdit::Add(1)), Action::Med(NumberEdit::Subtract(1))]));
    assert_eq!(import(&round, &base().med(5).view(), &mut scratch), Imported::Unchanged);
}

/// RFC 8326 §4.2: from external peers, and whatever policy says.
#[test]
fn graceful_shutdown() {
    let mut scratch = ImportScratch::default();
    let leaving = |kind| TestRoute::new(kind, &[65001]).communities(&[1, 0xffff_0000]);
    let pref = settings(doing(vec![
        Action::LocalPref(NumberEdit::Set(200)),
        Action::Communities(CommunityEdit::remove(["*:*"]).expect("pattern")),
    ]));
    let ebgp = leaving(SourceKind::Ebgp);
    let expected = TestRoute::new(SourceKind::Ebgp, &[65001]).local_pref(0);
    assert_eq!(import(&pref, &ebgp.view(), &mut scratch), Imported::Changed(&expected.block));
    let accept = settings(PolicyChain::accept_all());
    assert_eq!(import(&accept, &ebgp.view(), &mut scratch), Imported::Changed(&ebgp.clone().local_pref(0).block));
    assert_eq!(import(&accept, &leaving(SourceKind::Client).view(), &mut scratch), Imported::Unchanged);
    let ignore = ImportSettings { graceful_shutdown: GracefulShutdown::Ignore, ..accept };
    assert_eq!(import(&ignore, &ebgp.view(), &mut scratch), Imported::Unchanged);
}

/// RFC 7705 §3.1: received paths carry the AS that the peer knows us by, before policy sees them.
#[test]
fn local_as_in_received_paths() {
    let mut scratch = ImportScratch::default();
    let regex = AsPathRegex::new("^64999 65001").expect("compiles");
    let with = ImportSettings { prepend: Some(Asn(64999)), ..settings(only(Match::AsPath([regex].into()))) };
    let expected = TestRoute::new(SourceKind::Ebgp, &[64999, 65001, 65002]);
    assert_eq!(import(&with, &base().view(), &mut scratch), Imported::Changed(&expected.block));
}

/// RFC 8326 §4.2: the community, not any.
#[test]
fn only_graceful_shutdown_shuts_down() {
    let mut scratch = ImportScratch::default();
    let accept = settings(PolicyChain::accept_all());
    let (other, leaving) = (base().communities(&[65000 << 16 | 1]), base().communities(&[0xffff_0000]));
    assert_eq!(import(&accept, &other.view(), &mut scratch), Imported::Unchanged);
    assert_eq!(import(&accept, &leaving.view(), &mut scratch), Imported::Changed(&leaving.clone().local_pref(0).block));
}

/// RFC 8326 §3.1: the routes of a session that is about to end are the last choice, and say so to whoever gets them.
#[test]
fn a_drained_peer() {
    let mut scratch = ImportScratch::default();
    let draining = ImportSettings { graceful_shutdown: GracefulShutdown::Drain, ..settings(PolicyChain::accept_all()) };
    for kind in [SourceKind::Ebgp, SourceKind::Client] {
        let expected = TestRoute::new(kind, &[65001]).local_pref(0).communities(&[0xffff_0000]);
        let imported = TestRoute::new(kind, &[65001]);
        assert_eq!(import(&draining, &imported.view(), &mut scratch), Imported::Changed(&expected.block));
        let already = TestRoute::new(kind, &[65001]).local_pref(9).communities(&[0xffff_0000]);
        assert_eq!(import(&draining, &already.view(), &mut scratch), Imported::Changed(&expected.block));
    }
}

/// What is remembered by attributes alone must not look at the prefix.
#[test]
fn what_looks_at_the_prefix() {
    let plain = settings(doing(vec![Action::LocalPref(NumberEdit::Set(200))]));
    let by_prefix = settings(only(Match::Not(Box::new(Match::Prefix(prefixes(&["10.0.0.0/8"]))))));
    let guarded = ImportSettings { guard: Some(crate::policy::Guard::internet()), ..plain.clone() };
    assert!(!plain.depends_on_prefix());
    assert!(by_prefix.depends_on_prefix());
    assert!(guarded.depends_on_prefix());
}

/// The prefix that stands for all of a family.
#[test]
fn any_prefix_of_a_family() {
    assert_eq!(any_prefix(Family::IPV4_UNICAST), "0.0.0.0/0".parse().ok());
    assert_eq!(any_prefix(Family::IPV6_UNICAST), "::/0".parse().ok());
    let labeled = Family { safi: heddle_bgp_core::Safi(4), ..Family::IPV4_UNICAST };
    assert_eq!(any_prefix(labeled), None);
}

/// Chains that decide without a look at the route, and those that do not.
#[test]
fn chains_without_policies() {
    let named = only(Match::Med(Span::ANY));
    let rows = [
        (PolicyChain::accept_all(), true, false),
        (PolicyChain::reject_all(), false, true),
        (PolicyChain::new([]), false, true),
        (PolicyChain::without_policy(PeerType::Ibgp), true, false),
        (PolicyChain::without_policy(PeerType::Ebgp), false, true),
        (named.clone(), false, false),
    ];
    for (chain, accepts, rejects) in &rows {
        assert_eq!((chain.is_accept_all(), chain.is_reject_all()), (*accepts, *rejects), "{chain:?}");
    }
    let state = std::hash::RandomState::new();
    let hash = |chain: &PolicyChain| std::hash::BuildHasher::hash_one(&state, chain);
    assert_eq!(hash(&named), hash(&only(Match::Med(Span::ANY))), "equal chains hash alike");
    assert_ne!(hash(&named), hash(&only(Match::Med(Span::exactly(1)))));
    assert_ne!(hash(&PolicyChain::accept_all()), hash(&PolicyChain::reject_all()));
}
