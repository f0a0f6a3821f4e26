//! Best paths in, kernel routes out.

use heddle_fib_sync::{NextHop, Settings, Usage};
use heddle_netlink::Leg;

use crate::Case;
use crate::common::{Fib, Net, foreign, ip, route, wait_for_routes};

pub(crate) const CASES: &[Case] = &[
    ("learned::a_best_path_becomes_a_route_is_replaced_and_goes", install),
    ("learned::several_next_hops_make_one_route_with_legs", multipath),
    ("learned::ipv4_over_an_ipv6_next_hop", ipv4_via_ipv6),
    ("learned::a_next_hop_behind_a_route_of_others_and_behind_a_learned_one", recursive),
];

fn install(lab: Net) {
    let mut fib = Fib::start(Settings::default());
    fib.runner.next_hops(vec![(NextHop::new(ip("192.0.2.2")), Usage::Used)]);
    fib.wait_for_hop("192.0.2.2", Some(0));
    fib.learn(&[("10.1.0.0/16", &["192.0.2.2"]), ("2001:db8:55::/64", &["2001:db8:1::2"])]);
    let six = route("2001:db8:55::/64").leg(Leg::via(ip("2001:db8:1::2"), lab.a));
    wait_for_routes([route("10.1.0.0/16").leg(Leg::via(ip("192.0.2.2"), lab.a)), six.clone()]);
    fib.learn(&[("10.1.0.0/16", &["198.51.100.2"])]);
    wait_for_routes([route("10.1.0.0/16").leg(Leg::via(ip("198.51.100.2"), lab.b)), six]);
    let counters = fib.counters();
    assert_eq!((counters.created, counters.replaced, counters.deleted), (2, 1, 0), "{counters:?}");
    fib.learn(&[("10.1.0.0/16", &[]), ("2001:db8:55::/64", &[])]);
    wait_for_routes([]);
    let counters = fib.counters();
    assert_eq!((counters.installed, counters.wanted, counters.failures), (0, 0, 0), "{counters:?}");
}

fn multipath(lab: Net) {
    let fib = Fib::start(Settings::default());
    let (a, b) = (Leg::via(ip("192.0.2.2"), lab.a), Leg::via(ip("198.51.100.2"), lab.b));
    let (a6, b6) = (Leg::via(ip("2001:db8:1::2"), lab.a), Leg::via(ip("2001:db8:2::2"), lab.b));
    fib.learn(&[
        ("10.1.0.0/16", &["192.0.2.2", "198.51.100.2"]),
        ("2001:db8:55::/64", &["2001:db8:1::2", "2001:db8:2::2"]),
    ]);
    wait_for_routes([route("10.1.0.0/16").leg(a).leg(b), route("2001:db8:55::/64").leg(a6).leg(b6)]);
    fib.learn(&[("10.1.0.0/16", &["198.51.100.2"]), ("2001:db8:55::/64", &["2001:db8:1::2"])]);
    wait_for_routes([route("10.1.0.0/16").leg(b), route("2001:db8:55::/64").leg(a6)]);
    fib.learn(&[("2001:db8:55::/64", &["2001:db8:2::2", "2001:db8:1::2"])]);
    wait_for_routes([route("10.1.0.0/16").leg(b), route("2001:db8:55::/64").leg(a6).leg(b6)]);
    fib.learn(&[("10.1.0.0/16", &[]), ("2001:db8:55::/64", &[])]);
    wait_for_routes([]);
    assert_eq!(fib.counters().failures, 0);
}

fn ipv4_via_ipv6(lab: Net) {
    let fib = Fib::start(Settings::default());
    fib.learn(&[("10.1.0.0/16", &["2001:db8:1::2"])]);
    wait_for_routes([route("10.1.0.0/16").leg(Leg::via(ip("2001:db8:1::2"), lab.a))]);
    fib.learn(&[("10.1.0.0/16", &["2001:db8:1::2", "198.51.100.2"])]);
    let both = route("10.1.0.0/16").leg(Leg::via(ip("2001:db8:1::2"), lab.a));
    wait_for_routes([both.leg(Leg::via(ip("198.51.100.2"), lab.b))]);
}

fn recursive(mut lab: Net) {
    let mut fib = Fib::start(Settings::default());
    let hops = ["10.255.0.1", "10.1.0.1"];
    fib.runner.next_hops(hops.iter().map(|hop| (NextHop::new(ip(hop)), Usage::Used)).collect());
    fib.wait_for_hop("10.255.0.1", None);
    lab.control.add_route(&foreign("10.255.0.0/24").leg(Leg::via(ip("192.0.2.9"), lab.a))).expect("added");
    fib.wait_for_hop("10.255.0.1", Some(1));
    fib.learn(&[("10.1.0.0/16", &["10.255.0.1"]), ("10.2.0.0/16", &["10.1.0.1"])]);
    fib.wait_for_hop("10.1.0.1", Some(1));
    let leg = Leg::via(ip("192.0.2.9"), lab.a);
    wait_for_routes([route("10.1.0.0/16").leg(leg), route("10.2.0.0/16").leg(leg)]);
    let moved = Leg::via(ip("198.51.100.9"), lab.b);
    lab.control.replace_route(&foreign("10.255.0.0/24").leg(moved)).expect("replaced");
    wait_for_routes([route("10.1.0.0/16").leg(moved), route("10.2.0.0/16").leg(moved)]);
}
