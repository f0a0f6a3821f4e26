//! Links that lose their carrier, go down, lose an address, and come back.

use std::time::Duration;

use heddle_fib_sync::settings::NexthopObjects;
use heddle_fib_sync::{NextHop, Output, Settings, Usage};
use heddle_netlink::{Leg, VethEnd};

use crate::Case;
use crate::common::{Fib, Net, ip, net, ours, route, wait_for_routes};

pub(crate) const CASES: &[Case] = &[
    ("links::a_leg_without_carrier_leaves_the_set_and_comes_back", carrier),
    ("links::a_link_that_was_switched_off_gets_its_routes_back", switched_off),
    ("links::without_any_way_the_last_good_route_stays_for_its_time", held),
    ("links::an_address_that_goes_moves_routes", address),
    ("links::a_second_address_of_the_same_network_comes_and_goes", second_address),
    ("links::a_link_that_is_made_again", made_again),
    ("links::another_workload_interface_is_told", workload_interface),
];

fn carrier(mut lab: Net) {
    let mut fib = Fib::start(Settings { nexthop_objects: NexthopObjects::Never, ..Settings::default() });
    let (a, b) = (Leg::via(ip("192.0.2.2"), lab.a), Leg::via(ip("198.51.100.2"), lab.b));
    fib.runner.next_hops(vec![(NextHop::new(ip("192.0.2.2")), Usage::Used)]);
    fib.wait_for_hop("192.0.2.2", Some(0));
    fib.learn(&[("10.1.0.0/16", &["192.0.2.2", "198.51.100.2"])]);
    wait_for_routes([route("10.1.0.0/16").leg(a).leg(b)]);
    lab.control.set_down(lab.a_peer).expect("down");
    fib.wait_for_hop("192.0.2.2", None);
    wait_for_routes([route("10.1.0.0/16").leg(b)]);
    lab.control.set_up(lab.a_peer).expect("up");
    fib.wait_for_hop("192.0.2.2", Some(0));
    wait_for_routes([route("10.1.0.0/16").leg(a).leg(b)]);
    assert_eq!(fib.counters().deleted, 0);
}

fn switched_off(mut lab: Net) {
    let fib = Fib::start(Settings::default());
    let a = Leg::via(ip("192.0.2.2"), lab.a);
    let a6 = Leg::via(ip("2001:db8:1::2"), lab.a);
    fib.learn(&[("10.1.0.0/16", &["192.0.2.2"]), ("2001:db8:55::/64", &["2001:db8:1::2"])]);
    let both = [route("10.1.0.0/16").leg(a), route("2001:db8:55::/64").leg(a6)];
    wait_for_routes(both.clone());
    for _ in 0..3 {
        lab.control.set_down(lab.a).expect("down");
        lab.control.set_up(lab.a).expect("up");
        // IPv6 addresses go with the link.
        let _ = lab.control.add_address(lab.a, net("2001:db8:1::1/64"));
        wait_for_routes(both.clone());
    }
}

fn held(mut lab: Net) {
    let settings = Settings { unresolved_time: Duration::from_millis(300), ..Settings::default() };
    let mut fib = Fib::start(settings);
    let a = Leg::via(ip("192.0.2.2"), lab.a);
    fib.runner.next_hops(vec![(NextHop::new(ip("192.0.2.2")), Usage::Used)]);
    fib.learn(&[("10.1.0.0/16", &["192.0.2.2"]), ("10.2.0.0/16", &["192.0.2.2"])]);
    let both = [route("10.1.0.0/16").leg(a), route("10.2.0.0/16").leg(a)];
    wait_for_routes(both.clone());
    lab.control.set_down(lab.a_peer).expect("down");
    fib.wait_for_hop("192.0.2.2", None);
    // The RIB has no route any more, and says so of one of them.
    fib.learn(&[("10.1.0.0/16", &[])]);
    let held = fib.ask(|fib| (fib.counters().held, fib.counters().installed));
    // Unless the machine was so slow that the time is over.
    assert!(held == (2, 2) || ours().is_empty(), "{held:?}");
    wait_for_routes([]);
    lab.control.set_up(lab.a_peer).expect("up");
    wait_for_routes([both[1].clone()]);
}

fn address(mut lab: Net) {
    let fib = Fib::start(Settings::default());
    lab.control.add_address(lab.b, net("192.0.2.129/25")).expect("added");
    let (a, b) = (Leg::via(ip("192.0.2.130"), lab.a), Leg::via(ip("192.0.2.130"), lab.b));
    fib.learn(&[("10.1.0.0/16", &["192.0.2.130"])]);
    wait_for_routes([route("10.1.0.0/16").leg(b)]);
    lab.control.delete_address(lab.b, net("192.0.2.129/25")).expect("deleted");
    wait_for_routes([route("10.1.0.0/16").leg(a)]);
    lab.control.add_address(lab.b, net("192.0.2.129/25")).expect("added");
    wait_for_routes([route("10.1.0.0/16").leg(b)]);
}

/// With the first address the kernel takes the second one of the same network, and with these all routes to gateways there, or it makes
/// the second one the first (`promote_secondaries`).
fn second_address(mut lab: Net) {
    let fib = Fib::start(Settings::default());
    let learned = || route("10.1.0.0/16").leg(Leg::via(ip("192.0.2.2"), lab.a));
    fib.learn(&[("10.1.0.0/16", &["192.0.2.2"])]);
    wait_for_routes([learned()]);
    for promote in ["0", "1"] {
        for interface in ["all", "a0"] {
            let setting = format!("/proc/sys/net/ipv4/conf/{interface}/promote_secondaries");
            std::fs::write(setting, promote).expect("it can be set");
        }
        lab.control.add_address(lab.a, net("192.0.2.3/24")).expect("added");
        lab.control.delete_address(lab.a, net("192.0.2.1/24")).expect("deleted");
        if promote == "0" {
            wait_for_routes([]);
        }
        lab.control.add_address(lab.a, net("192.0.2.1/24")).expect("added");
        wait_for_routes([learned()]);
        if promote == "1" {
            lab.control.delete_address(lab.a, net("192.0.2.3/24")).expect("deleted");
            // Whatever the kernel has told of it is taken in.
            fib.wait_until("all is written", |counters| counters.pending == 0);
            wait_for_routes([learned()]);
        }
    }
}

fn made_again(mut lab: Net) {
    use heddle_netlink::VethEnd;
    let fib = Fib::start(Settings::default());
    fib.learn(&[("10.1.0.0/16", &["203.0.113.2"])]);
    for _ in 0..3 {
        lab.control.create_veth(&VethEnd::new("c0"), &VethEnd::new("c1")).expect("veth pair");
        let (c0, c1) = (lab.control.link("c0").expect("link").index, lab.control.link("c1").expect("link").index);
        lab.control.add_address(c0, net("203.0.113.1/24")).expect("added");
        lab.control.set_up(c0).expect("up");
        lab.control.set_up(c1).expect("up");
        wait_for_routes([route("10.1.0.0/16").leg(Leg::via(ip("203.0.113.2"), c0))]);
        lab.control.delete_link(c0).expect("deleted");
        wait_for_routes([]);
    }
}

fn workload_interface(mut lab: Net) {
    let mut fib = Fib::start(Settings::default());
    lab.control.rename(lab.b, "cali1").expect("renamed");
    fib.wait_for("the interface", |output| *output == Output::WorkloadInterface("cali1".into()));
    lab.control.create_veth(&VethEnd::new("heddle7"), &VethEnd::new("c0")).expect("veth pair");
    fib.wait_for("the interface", |output| *output == Output::WorkloadInterface("heddle7".into()));
    assert!(!fib.heard.iter().any(|output| *output == Output::WorkloadInterface("c0".into())));
}
