//! Kernel routes in, local routes out.

use heddle_fib_sync::{LocalKind, Output, Settings};
use heddle_netlink::{Leg, Protocol, Route, VethEnd};

use crate::Case;
use crate::common::{Fib, Net, foreign, net};

pub(crate) const CASES: &[Case] = &[
    ("local::a_workload_route_and_connected_prefixes_are_local", workload),
    ("local::an_interface_that_comes_back_under_its_name", comes_back),
    ("local::protocols_that_are_learned_from", learned),
    ("local::routes_that_go_with_the_address_they_prefer", preferred_source),
];

fn workload(mut lab: Net) {
    lab.control.create_veth(&VethEnd::new("cali1"), &VethEnd::new("pod1")).expect("veth pair");
    let cali = lab.control.link("cali1").expect("link").index;
    lab.control.set_up(cali).expect("up");
    let pod = Route::new(net("10.65.0.2/32"), Protocol::BOOT).leg(Leg::device(cali));
    lab.control.add_route(&pod).expect("added");
    let mut fib = Fib::start(Settings::default());
    let local = fib.wait_for_local("10.65.0.2/32");
    assert_eq!((local.interface.as_deref(), local.metric, local.kind), (Some("cali1"), None, LocalKind::Workload));
    let local = fib.wait_for_local("192.0.2.0/24");
    assert_eq!((local.interface.as_deref(), local.kind), (Some("a0"), LocalKind::Connected));
    fib.wait_for_local("2001:db8:1::/64");
    // Not what others route elsewhere, nor loopback and link-local.
    assert!(
        fib.heard.iter().all(|output| match output {
            Output::LocalSet(local) =>
                ["198.51.100.0/24", "2001:db8:2::/64"].contains(&local.prefix.to_string().as_str()),
            _ => true,
        }),
        "{:?}",
        fib.heard
    );
    let other = Route::new(net("10.65.0.3/32"), Protocol(80)).metric(512).leg(Leg::device(cali));
    lab.control.add_route(&other).expect("added");
    let local = fib.wait_for_local("10.65.0.3/32");
    assert_eq!((local.metric, local.kind), (Some(512), LocalKind::Workload));
    lab.control.add_route(&Route { metric: 100, ..other.clone() }).expect("added");
    assert_eq!(fib.wait_for_local("10.65.0.3/32").metric, Some(100), "the lowest metric wins");
    lab.control.delete_route(&Route { metric: 100, ..other.clone() }).expect("deleted");
    assert_eq!(fib.wait_for_local("10.65.0.3/32").metric, Some(512));
    lab.control.delete_route(&other).expect("deleted");
    fib.wait_for("the removal", |o| *o == Output::LocalRemoved("10.65.0.3/32".parse().expect("prefix")));
}

fn comes_back(mut lab: Net) {
    let mut fib = Fib::start(Settings::default());
    for _ in 0..3 {
        lab.control.create_veth(&VethEnd::new("cali1"), &VethEnd::new("pod1")).expect("veth pair");
        let cali = lab.control.link("cali1").expect("link").index;
        lab.control.set_up(cali).expect("up");
        let pod = Route::new(net("10.65.0.2/32"), Protocol::BOOT).leg(Leg::device(cali));
        lab.control.add_route(&pod).expect("added");
        assert_eq!(fib.wait_for_local("10.65.0.2/32").interface.as_deref(), Some("cali1"));
        lab.control.delete_link(cali).expect("deleted");
        fib.wait_for("the removal", |o| *o == Output::LocalRemoved("10.65.0.2/32".parse().expect("prefix")));
    }
}

fn learned(mut lab: Net) {
    let settings = Settings { learn_protocols: vec![Protocol::STATIC.0], ..Settings::default() };
    let mut fib = Fib::start(settings);
    lab.control.add_route(&foreign("203.0.113.0/24").leg(Leg::device(lab.b))).expect("added");
    let local = fib.wait_for_local("203.0.113.0/24");
    assert_eq!((local.interface.as_deref(), local.kind), (Some("b0"), LocalKind::Learned));
    lab.control.set_down(lab.b).expect("down");
    fib.wait_for("the removal", |o| *o == Output::LocalRemoved("203.0.113.0/24".parse().expect("prefix")));
}

fn preferred_source(mut lab: Net) {
    let settings = Settings { learn_protocols: vec![Protocol::STATIC.0], ..Settings::default() };
    let mut fib = Fib::start(settings);
    lab.control.add_address(lab.b, net("203.0.113.9/32")).expect("added");
    let mut route = foreign("203.0.114.0/24").leg(Leg::device(lab.b));
    route.preferred_source = Some("203.0.113.9".parse().expect("an address"));
    lab.control.add_route(&route).expect("added");
    fib.wait_for_local("203.0.114.0/24");
    lab.control.delete_address(lab.b, net("203.0.113.9/32")).expect("deleted");
    fib.wait_for("the removal", |o| *o == Output::LocalRemoved("203.0.114.0/24".parse().expect("prefix")));
    assert_eq!(fib.counters().dumps, 1, "without another dump");
}
