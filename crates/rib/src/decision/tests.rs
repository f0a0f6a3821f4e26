use heddle_bgp_core::attr::{AsPath, Community, NextHop};

use super::*;
use crate::test_route::TestRoute;

const EBGP: SourceKind = SourceKind::Ebgp;
const IBGP: SourceKind = SourceKind::NonClient;

fn base() -> TestRoute {
    TestRoute::new(EBGP, &[65001, 65002]).med(50)
}

/// All orders of `0..n` (Heap's algorithm).
fn permutations(n: usize) -> Vec<Vec<usize>> {
    fn heap(k: usize, items: &mut Vec<usize>, out: &mut Vec<Vec<usize>>) {
        if k <= 1 {
            out.push(items.clone());
            return;
        }
        for i in 0..k {
            heap(k - 1, items, out);
            let j = if k.is_multiple_of(2) { i } else { 0 };
            items.swap(j, k - 1);
        }
    }
    let (mut items, mut out) = ((0..n).collect(), Vec::new());
    heap(n, &mut items, &mut out);
    out
}

/// The best route's number whatever the order of arrival; asserts that it does not depend on it.
fn best_in_all_orders(routes: &[TestRoute], options: &DecisionOptions) -> usize {
    let mut found = None;
    for order in permutations(routes.len()) {
        let candidates: Vec<_> = order.iter().filter_map(|&i| routes.get(i)).map(TestRoute::candidate).collect();
        let best = select(&candidates, options).best.and_then(|b| order.get(b).copied());
        let best = best.expect("candidates");
        assert_eq!(select_best(&candidates, options).and_then(|b| order.get(b).copied()), Some(best));
        assert_eq!(*found.get_or_insert(best), best, "order {order:?}");
    }
    found.expect("at least one order")
}

/// One difference a row: the worse route, the step that tells, options.
#[test]
fn one_difference_a_row() {
    let off = DecisionOptions::default();
    let aigp = DecisionOptions { aigp: Aigp::On, ..off };
    let always = DecisionOptions { med_scope: MedScope::Always, ..off };
    let worst = DecisionOptions { missing_med: MissingMed::Worst, ..off };
    let oldest = DecisionOptions { prefer_oldest: PreferOldest::On, ..off };
    let ibgp = || TestRoute::new(IBGP, &[65001, 65002]).med(50);
    let local = || TestRoute::new(SourceKind::Local, &[]);
    let stale = [Community::LLGR_STALE.0];
    let rows: Vec<(&str, TestRoute, TestRoute, Step, DecisionOptions)> = vec![
        ("9494 4.3 flag", base(), base().llgr_stale().local_pref(900), Step::LlgrStale, off),
        ("9494 4.3 community", base(), base().communities(&stale).local_pref(900), Step::LlgrStale, off),
        ("local", local(), base(), Step::Local, off),
        ("local with the same preference", local().local_pref(900), base().local_pref(900), Step::Local, off),
        ("any number", base().local_pref(4_000_000_000), base().local_pref(3_000_000_000), Step::LocalPref, off),
        ("none is less than one", base().local_pref(1), base().local_pref(0), Step::LocalPref, off),
        ("learned with a higher preference", base().local_pref(901), local().local_pref(900), Step::LocalPref, off),
        ("local pref", base().local_pref(101), base().local_pref(100), Step::LocalPref, off),
        ("local pref absent is 100", base(), base().local_pref(99), Step::LocalPref, off),
        ("aigp", base().aigp(5), base().aigp(6), Step::Aigp, aigp),
        ("aigp plus cost", base().aigp(5).cost(10), base().aigp(6).cost(10), Step::Aigp, aigp),
        ("aigp plus cost 2", base().aigp(9).cost(1), base().aigp(5).cost(10), Step::Aigp, aigp),
        ("aigp before none", base().aigp(u64::MAX), base(), Step::Aigp, aigp),
        ("as path", base(), TestRoute::new(EBGP, &[65001, 65002, 3]).med(50), Step::AsPathLength, off),
        ("origin", base(), base().origin(1), Step::Origin, off),
        ("origin 2", base().origin(1), base().origin(2), Step::Origin, off),
        ("med", base().med(49), base(), Step::Med, off),
        ("med missing is 0", TestRoute::new(EBGP, &[65001, 65002]), base().med(1), Step::Med, off),
        ("med missing as worst", base().med(1), TestRoute::new(EBGP, &[65001, 65002]), Step::Med, worst),
        ("med always", base().med(1), TestRoute::new(EBGP, &[65009, 65002]).med(2), Step::Med, always),
        ("ebgp over ibgp", base(), ibgp().bgp_id(1), Step::PeerType, off),
        ("cost", ibgp().cost(1), ibgp().cost(2).bgp_id(1), Step::IgpCost, off),
        ("oldest", base().since(1), base().since(2).bgp_id(1), Step::Age, oldest),
        ("bgp id", base().bgp_id(1), base().bgp_id(2), Step::BgpId, off),
        ("originator id", ibgp().originator(1).bgp_id(9), ibgp().bgp_id(2), Step::BgpId, off),
        ("cluster list", ibgp().clusters(&[1]), ibgp().clusters(&[1, 2]), Step::ClusterListLength, off),
        ("no cluster list", ibgp(), ibgp().clusters(&[1]), Step::ClusterListLength, off),
        ("peer address", base().peer(1), base().peer(2), Step::PeerAddress, off),
        ("path id", base().path_id(1), base().path_id(2), Step::PathId, off),
    ];
    for (name, better, worse, step, options) in rows {
        // All later criteria but those under test favour the loser where the row does not set them.
        for swapped in [false, true] {
            let pair = if swapped { [&worse, &better] } else { [&better, &worse] };
            let winner = usize::from(swapped);
            let candidates = pair.map(TestRoute::candidate);
            assert_eq!(select(&candidates, &options).best, Some(winner), "{name}, swapped {swapped}");
            let reasons = explain(&candidates, &options);
            assert_eq!(reasons.get(winner), Some(&Reason::Best), "{name}");
            assert_eq!(reasons.get(1 - winner), Some(&Reason::Lost(step)), "{name}");
        }
    }
}

/// The later criterion loses against the earlier one, for each pair of neighbouring steps.
#[test]
fn earlier_steps_decide_first() {
    let ibgp = |asns: &[u32]| TestRoute::new(IBGP, asns).med(50);
    let path = [65001, 65002];
    let options = DecisionOptions { aigp: Aigp::On, prefer_oldest: PreferOldest::On, ..DecisionOptions::default() };
    let rows: Vec<(&str, TestRoute, TestRoute)> = vec![
        ("stale, local pref", base(), base().local_pref(200).llgr_stale()),
        ("local pref, local", base().local_pref(200), TestRoute::new(SourceKind::Local, &[])),
        ("local, aigp", TestRoute::new(SourceKind::Local, &[]), base().aigp(1)),
        ("local pref, aigp", base().local_pref(200), base().aigp(1)),
        ("aigp, path", TestRoute::new(EBGP, &[65001, 2, 3]).aigp(1), base()),
        ("path, origin", base().origin(2), TestRoute::new(EBGP, &[65001, 2, 3])),
        ("origin, med", base().med(99), base().med(1).origin(1)),
        ("med, type", ibgp(&path).med(1), base()),
        ("type, cost", base().cost(9), ibgp(&path).cost(1)),
        ("cost, age", base().cost(1).since(200), base().cost(2).since(100)),
        ("age, id", base().since(1).bgp_id(9), base().since(2).bgp_id(1)),
        ("id, clusters", ibgp(&path).bgp_id(1).clusters(&[1, 2]), ibgp(&path).bgp_id(2)),
        ("clusters, address", ibgp(&path).peer(9), ibgp(&path).clusters(&[1]).peer(1)),
        ("address, path id", base().peer(1).path_id(9), base().peer(2).path_id(1)),
    ];
    for (name, better, worse) in rows {
        assert_eq!(best_in_all_orders(&[better, worse], &options), 0, "{name}");
    }
}

#[test]
fn age_is_for_external_paths_only() {
    let options = DecisionOptions { prefer_oldest: PreferOldest::On, ..DecisionOptions::default() };
    let old = TestRoute::new(IBGP, &[1]).since(1).bgp_id(9);
    let new = TestRoute::new(IBGP, &[1]).since(2).bgp_id(1);
    assert_eq!(best_in_all_orders(&[old, new], &options), 1);
}

/// Pairwise comparison is a cycle here: A beats B by MED (same neighbouring AS), B beats C and C beats A by BGP
/// Identifier or cost. A filter over the set has one answer: B goes by MED, then C beats A.
#[test]
fn med_is_no_total_order() {
    let a = TestRoute::new(EBGP, &[80, 90]).med(10).bgp_id(3).peer(3);
    let b = TestRoute::new(EBGP, &[80, 91]).med(20).bgp_id(1).peer(1);
    let c = TestRoute::new(EBGP, &[81, 92]).med(30).bgp_id(2).peer(2);
    let options = DecisionOptions::default();
    // Each pair alone.
    assert_eq!(best_in_all_orders(&[a.clone(), b.clone()], &options), 0, "A over B by MED");
    assert_eq!(best_in_all_orders(&[b.clone(), c.clone()], &options), 0, "B over C by identifier");
    assert_eq!(best_in_all_orders(&[c.clone(), a.clone()], &options), 0, "C over A by identifier");
    let all = [a, b, c];
    assert_eq!(best_in_all_orders(&all, &options), 2);
    let candidates: Vec<_> = all.iter().map(TestRoute::candidate).collect();
    let reasons = explain(&candidates, &options);
    assert_eq!(reasons, [Reason::Lost(Step::BgpId), Reason::Lost(Step::Med), Reason::Best]);
    // Compared by arrival the answer follows the ages, and still not the places in the slice.
    let by_arrival = DecisionOptions { med_order: MedOrder::Arrival, ..options };
    let aged = |ages: [u32; 3]| -> Vec<_> { all.iter().zip(ages).map(|(r, age)| r.clone().since(age)).collect() };
    let answers = [[1, 2, 3], [2, 3, 1], [3, 1, 2]].map(|ages| best_in_all_orders(&aged(ages), &by_arrival));
    assert_eq!(answers, [0, 2, 1], "the oldest is compared last");
}

#[test]
fn a_path_without_neighbor_as_counts_to_ours() {
    // Two internal paths that originated in our AS: MED is compared between them.
    let low = TestRoute::new(IBGP, &[]).med(1).bgp_id(9);
    let high = TestRoute::new(IBGP, &[]).med(2).bgp_id(1);
    assert_eq!(best_in_all_orders(&[low, high], &DecisionOptions::default()), 0);
    // A path that a set leads came from the peer's AS.
    let set = AsPath::from_octets(&[1, 1, 0, 0, 0, 9], heddle_bgp_core::AsWidth::Four).expect("one set");
    let low = TestRoute::new(EBGP, &[65001]).med(1).bgp_id(9);
    let high = low.clone().edit(|o| o.set(AttrCode::AS_PATH, set.octets())).med(2).bgp_id(1);
    assert_eq!((high.meta.neighbor_as, high.source.peer_asn), (Asn(0), Asn(65001)));
    assert_eq!(best_in_all_orders(&[low, high], &DecisionOptions::default()), 0);
}

#[test]
fn long_paths_are_counted_in_the_block() {
    let long = vec![7u32; 300];
    let longer = vec![7u32; 301];
    let a = TestRoute::new(EBGP, &long).bgp_id(9);
    let b = TestRoute::new(EBGP, &longer).bgp_id(1);
    assert_eq!((a.meta.as_path_len, b.meta.as_path_len), (255, 255));
    assert_eq!(best_in_all_orders(&[a, b], &DecisionOptions::default()), 0);
}

/// Some five paths, all orders of arrival; and adding or removing one and selecting again gives what selecting from
/// scratch gives, since selection has no memory.
#[test]
fn arrival_order_does_not_matter() {
    let mut seed = 7u32;
    let mut random = |n: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) % n
    };
    for round in 0..60 {
        let order = if round % 2 == 0 { MedOrder::Deterministic } else { MedOrder::Arrival };
        let options = DecisionOptions { med_order: order, ..DecisionOptions::default() };
        let routes: Vec<_> = (0..5u8)
            .map(|n| {
                let kind = if random(2) == 0 { EBGP } else { IBGP };
                let route = TestRoute::new(kind, &[100 + random(3), 5]).peer(n + 1).bgp_id(random(3) + 1);
                route.med(random(3)).cost(random(2)).since(random(3)).local_pref(100 + random(2))
            })
            .collect();
        best_in_all_orders(&routes, &options);
    }
}

/// What runs in few passes gives what the steps one by one give.
#[test]
fn at_once_is_step_by_step() {
    let mut seed = 11u32;
    let mut random = |n: u32| {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (seed >> 16) % n
    };
    let mut lost_at = std::collections::BTreeSet::new();
    for round in 0..1000u32 {
        let options = DecisionOptions {
            aigp: if round % 3 == 0 { Aigp::On } else { Aigp::Off },
            med_scope: if round % 5 == 0 { MedScope::Always } else { MedScope::NeighborAs },
            missing_med: if round % 7 == 0 { MissingMed::Worst } else { MissingMed::Best },
            prefer_oldest: if round % 2 == 0 { PreferOldest::On } else { PreferOldest::Off },
            ..DecisionOptions::default()
        };
        let routes: Vec<_> = (0..2 + random(6))
            .map(|_| {
                let kinds = [SourceKind::Local, EBGP, EBGP, EBGP, IBGP, SourceKind::Client, IBGP];
                let path = [100 + random(2), 5, 6];
                let len = if random(4) == 0 { 3 } else { 2 };
                let kind = kinds[random(7) as usize];
                let mut r = TestRoute::new(kind, &path[..len]).peer(random(9) as u8).bgp_id(1 + random(3));
                if random(3) > 0 {
                    r = r.med(random(2));
                }
                if random(8) == 0 {
                    r = r.llgr_stale();
                }
                if random(3) == 0 {
                    r = r.originator(1 + random(3)).clusters(&[7, 8][..random(3) as usize]);
                }
                if random(2) == 0 {
                    r = r.aigp(u64::from(random(2)));
                }
                let pref = if random(6) == 0 { 101 } else { 100 };
                let origin = u8::from(random(6) == 0);
                r.local_pref(pref).origin(origin).cost(random(2)).since(random(2)).path_id(random(50))
            })
            .collect();
        let candidates: Vec<_> = routes.iter().map(TestRoute::candidate).collect();
        let slow = filter_down(&candidates, &options, &mut all(&candidates));
        assert_eq!(best_at_once(&candidates, &options, &all(&candidates)), slow, "round {round}");
        for reason in explain(&candidates, &options) {
            if let Reason::Lost(step) = reason {
                lost_at.insert(step);
            }
        }
    }
    assert_eq!(lost_at.len(), Step::ALL.len(), "every step told something: {lost_at:?}");
}

fn multipath_of(routes: &[TestRoute], options: &DecisionOptions) -> (Option<usize>, Vec<u16>) {
    let candidates: Vec<_> = routes.iter().map(TestRoute::candidate).collect();
    let selection = select(&candidates, options);
    (selection.best, selection.multipath.to_vec())
}

fn hop(n: u8) -> NextHop {
    NextHop::V4([192, 0, 2, n].into())
}

#[test]
fn multipath() {
    let options = DecisionOptions { max_paths_ebgp: 3, max_paths_ibgp: 2, ..DecisionOptions::default() };
    let relax = DecisionOptions { multipath_as_path: MultipathAsPath::Relax, ..options };
    let route = |n: u8, asn: u32| TestRoute::new(EBGP, &[asn, 7]).next_hop(hop(n)).peer(n).bgp_id(u32::from(n));
    let same = [route(1, 65001), route(2, 65001), route(3, 65001), route(4, 65001)];
    assert_eq!(multipath_of(&same, &DecisionOptions::default()), (Some(0), vec![]), "off by default");
    assert_eq!(multipath_of(&same, &options), (Some(0), vec![1, 2]), "bounded by the maximum");
    let paths = [route(1, 65001), route(2, 65002), route(3, 65001)];
    assert_eq!(multipath_of(&paths, &options), (Some(0), vec![2]), "equal paths only");
    assert_eq!(multipath_of(&paths, &relax), (Some(0), vec![1, 2]), "relaxed to equal length");
    let shared = [route(1, 65001), route(2, 65001).next_hop(hop(1))];
    assert_eq!(multipath_of(&shared, &options), (Some(0), vec![]), "a next hop counts once");
    let costs = [route(1, 65001), route(2, 65001).cost(1), route(3, 65001).med(1)];
    assert_eq!(multipath_of(&costs, &options), (Some(0), vec![]), "up to the interior cost all is equal");
    let ibgp = |n: u8| TestRoute::new(IBGP, &[65001, 7]).next_hop(hop(n)).peer(n).bgp_id(u32::from(n));
    assert_eq!(
        multipath_of(&[ibgp(1), ibgp(2), ibgp(3)], &options),
        (Some(0), vec![1]),
        "internal ones have their own"
    );
    assert_eq!(multipath_of(&[route(1, 65001), ibgp(2)], &options), (Some(0), vec![]), "never mixed");
    let explained: Vec<_> = same.iter().map(TestRoute::candidate).collect();
    let expected = [Reason::Best, Reason::Multipath, Reason::Multipath, Reason::Lost(Step::BgpId)];
    assert_eq!(explain(&explained, &options), expected);
}

#[test]
fn multipath_leaves_out_what_med_removed() {
    // The second loses by MED to the third, although it agrees with the best in everything that the two compare.
    let options =
        DecisionOptions { max_paths_ebgp: 4, multipath_as_path: MultipathAsPath::Relax, ..DecisionOptions::default() };
    let route =
        |n: u8, asn: u32, med: u32| TestRoute::new(EBGP, &[asn]).med(med).next_hop(hop(n)).peer(n).bgp_id(u32::from(n));
    let routes = [route(1, 65001, 5), route(2, 65002, 50), route(3, 65002, 10)];
    assert_eq!(multipath_of(&routes, &options), (Some(0), vec![2]));
}

/// RFC 7911: the best few, each being the best without those before it.
#[test]
fn the_best_few() {
    let options = DecisionOptions::default();
    // As in `med_is_no_total_order`: C is best of all; without C it is A; B comes last although it beats C alone.
    let a = TestRoute::new(EBGP, &[80, 90]).med(10).bgp_id(3).peer(3);
    let b = TestRoute::new(EBGP, &[80, 91]).med(20).bgp_id(1).peer(1);
    let c = TestRoute::new(EBGP, &[81, 92]).med(30).bgp_id(2).peer(2);
    let routes = [a, b, c];
    let expected = [2, 0, 1];
    for order in permutations(3) {
        let candidates: Vec<_> = order.iter().map(|&i| routes[i].candidate()).collect();
        for n in 0..5 {
            let few: Vec<_> = select_few(&candidates, &options, n).iter().map(|&i| order[usize::from(i)]).collect();
            assert_eq!(few, expected[..n.min(3)], "{n} of {order:?}");
        }
    }
    let by_arrival = DecisionOptions { med_order: MedOrder::Arrival, ..options };
    let candidates: Vec<_> = routes.iter().map(TestRoute::candidate).collect();
    let first = select_few(&candidates, &by_arrival, 1).first().map(|&i| usize::from(i));
    assert_eq!(first, select_best(&candidates, &by_arrival));
    assert_eq!(select_few(&[], &options, 3).len(), 0);
}

#[test]
fn none_and_one() {
    let options = DecisionOptions::default();
    assert_eq!((select(&[], &options), select_best(&[], &options)), (Selection::default(), None));
    assert_eq!(explain(&[], &options), []);
    let one = base();
    assert_eq!(select(&[one.candidate()], &options).best, Some(0));
    assert_eq!(explain(&[one.candidate()], &options), [Reason::Best]);
}

#[test]
fn reasons_are_words_for_operators() {
    let texts: std::collections::BTreeSet<_> = Step::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(texts.len(), Step::ALL.len(), "each says something of its own");
    assert_eq!(Reason::Lost(Step::LocalPref).to_string(), "lower local preference");
    let ineligible = [
        Ineligible::OwnAsLoop,
        Ineligible::OriginatorLoop,
        Ineligible::ClusterLoop,
        Ineligible::OtcLeak,
        Ineligible::ImportPolicy,
        Ineligible::NextHopUnreachable,
    ];
    let texts: std::collections::BTreeSet<_> = ineligible.iter().map(ToString::to_string).collect();
    assert!(texts.len() == ineligible.len() && !texts.contains(""), "{texts:?}");
}

/// Where MED is compared in the order of arrival, the reason is that of the comparison with the best alone.
#[test]
fn in_the_order_of_arrival_each_is_explained_by_the_best() {
    let options = DecisionOptions { med_order: MedOrder::Arrival, ..DecisionOptions::default() };
    let best = || base().local_pref(200).peer(1);
    let worse = [
        (base().local_pref(100).peer(2), Step::LocalPref),
        (base().local_pref(200).origin(2).peer(3), Step::Origin),
        (base().local_pref(200).med(60).peer(4), Step::Med),
    ];
    for place in 0..=worse.len() {
        let mut routes: Vec<_> = worse.iter().map(|(route, step)| (route.clone(), Reason::Lost(*step))).collect();
        routes.insert(place, (best(), Reason::Best));
        let candidates: Vec<_> = routes.iter().map(|(route, _)| route.candidate()).collect();
        let expected: Vec<_> = routes.iter().map(|(_, reason)| *reason).collect();
        assert_eq!(explain(&candidates, &options), expected, "best at {place}");
    }
}

#[test]
fn multipath_in_the_order_of_arrival() {
    let options = DecisionOptions { max_paths_ebgp: 4, med_order: MedOrder::Arrival, ..DecisionOptions::default() };
    let route = |n: u8| TestRoute::new(EBGP, &[65001, 7]).next_hop(hop(n)).peer(n).bgp_id(u32::from(n));
    let routes = [route(1), route(2), route(3).cost(1), route(4)];
    assert_eq!(multipath_of(&routes, &options), (Some(0), vec![1, 3]), "those that agree with the best, and no other");
}

/// Where the steps before MED are a number of each path alone, the only one with the smallest is the best; not so where AIGP or the
/// order of arrival has a say.
#[test]
fn the_first_steps_as_a_number() {
    for (aigp, med_order, one_number) in [
        (Aigp::Off, MedOrder::Deterministic, true),
        (Aigp::On, MedOrder::Deterministic, false),
        (Aigp::Off, MedOrder::Arrival, false),
        (Aigp::On, MedOrder::Arrival, false),
    ] {
        let options = DecisionOptions { aigp, med_order, ..DecisionOptions::default() };
        assert_eq!(FirstSteps::of(&options).is_some(), one_number, "{options:?}");
    }
    let steps = FirstSteps::of(&DecisionOptions::default()).expect("by default");
    let better_first = [
        (base().local_pref(101), base()),
        (base(), base().local_pref(900).llgr_stale()),
        (TestRoute::new(SourceKind::Local, &[]), base()),
        (base(), TestRoute::new(EBGP, &[65001, 65002, 65003])),
        (base(), base().origin(1)),
    ];
    for (better, worse) in &better_first {
        assert!(steps.key(&better.candidate()) < steps.key(&worse.candidate()), "{better:?} {worse:?}");
        assert_eq!(best_in_all_orders(&[better.clone(), worse.clone()], &DecisionOptions::default()), 0);
    }
    assert_eq!(steps.key(&base().candidate()), steps.key(&base().med(9).cost(7).candidate()), "later steps");
}
