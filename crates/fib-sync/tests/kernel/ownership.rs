//! Whose routes are whose: strangers' routes are left, ours are kept as they have to be, through restarts too.

use std::sync::mpsc::RecvTimeoutError::Disconnected;

use heddle_fib_sync::settings::{FibAction, FibRule, PrefixRange, StaticRoute};
use heddle_fib_sync::{Output, Settings};
use heddle_netlink::{Leg, NexthopId, NexthopObject, NexthopTarget, Protocol, Route};

use crate::Case;
use crate::common::{Fib, METRIC, Net, best, foreign, ip, net, ours, route, routes, wait_for_routes};

pub(crate) const CASES: &[Case] = &[
    ("ownership::a_stranger_under_our_key_is_left_and_followed_when_he_goes", conflict),
    ("ownership::what_others_do_to_ours_is_repaired", repaired),
    ("ownership::a_restart_writes_nothing_that_is_there_and_sweeps_the_rest", restart),
    ("ownership::adopted_routes_are_replaced_in_place_and_swept", adopted),
    ("ownership::what_points_to_objects_is_taken_away_as_such_or_not_at_all", objects_of_the_run_before),
    ("ownership::blackholes_static_routes_and_rules", rules),
    ("ownership::another_table", another_table),
    ("ownership::sysctls_are_reported_and_set_when_asked", sysctls),
    ("ownership::nobody_waits_for_a_thread_that_has_failed", failed_thread),
];

fn conflict(mut lab: Net) {
    let stranger = foreign("10.1.0.0/16").leg(Leg::via(ip("198.51.100.9"), lab.b));
    let stranger6 = foreign("2001:db8:55::/64").leg(Leg::via(ip("2001:db8:2::9"), lab.b));
    lab.control.add_route(&stranger).expect("added");
    let fib = Fib::start(Settings::default());
    fib.learn(&[("10.1.0.0/16", &["192.0.2.2"]), ("2001:db8:55::/64", &["2001:db8:1::2"])]);
    let six = route("2001:db8:55::/64").leg(Leg::via(ip("2001:db8:1::2"), lab.a));
    wait_for_routes([six]);
    fib.wait_until("a conflict", |counters| counters.conflicts == 1 && counters.pending == 0);
    assert_eq!(routes(Protocol::STATIC), [stranger.clone().canonical()]);
    // A stranger takes the key of one that is there.
    lab.control.replace_route(&stranger6).expect("replaced");
    fib.wait_until("two conflicts", |counters| counters.conflicts == 2 && counters.pending == 0);
    assert_eq!(routes(Protocol::STATIC).len(), 2);
    assert_eq!(ours(), []);
    lab.control.delete_route(&stranger).expect("deleted");
    lab.control.delete_route(&stranger6).expect("deleted");
    wait_for_routes([
        route("10.1.0.0/16").leg(Leg::via(ip("192.0.2.2"), lab.a)),
        route("2001:db8:55::/64").leg(Leg::via(ip("2001:db8:1::2"), lab.a)),
    ]);
    fib.wait_until("no conflict", |counters| counters.conflicts == 0);
}

fn repaired(mut lab: Net) {
    let fib = Fib::start(Settings::default());
    fib.learn(&[("10.1.0.0/16", &["192.0.2.2"]), ("2001:db8:55::/64", &["2001:db8:1::2", "2001:db8:2::2"])]);
    let four = route("10.1.0.0/16").leg(Leg::via(ip("192.0.2.2"), lab.a));
    let (a6, b6) = (Leg::via(ip("2001:db8:1::2"), lab.a), Leg::via(ip("2001:db8:2::2"), lab.b));
    let six = route("2001:db8:55::/64").leg(a6).leg(b6);
    let both = [four.clone(), six.clone()];
    wait_for_routes(both.clone());
    lab.control.delete_route(&four).expect("deleted");
    lab.control.delete_route(&six).expect("deleted");
    fib.wait_until("two repairs", |counters| counters.repairs >= 2 && counters.pending == 0);
    wait_for_routes(both.clone());
    // One leg of two, and a change of where it leads.
    lab.control.delete_route(&route("2001:db8:55::/64").leg(a6)).expect("deleted");
    lab.control.replace_route(&route("10.1.0.0/16").leg(Leg::via(ip("198.51.100.2"), lab.b))).expect("replaced");
    wait_for_routes(both);
    // One that nobody wants.
    lab.control.add_route(&route("10.77.0.0/16").leg(Leg::device(lab.b))).expect("added");
    wait_for_routes([four, six]);
    assert_eq!(fib.counters().failures, 0);
}

fn restart(mut lab: Net) {
    let (a, b) = (Leg::via(ip("192.0.2.2"), lab.a), Leg::via(ip("198.51.100.2"), lab.b));
    let first = Fib::start(Settings::default());
    let paths: &[(&str, &[&str])] = &[
        ("10.1.0.0/16", &["192.0.2.2"]),
        ("10.2.0.0/16", &["192.0.2.2"]),
        ("10.3.0.0/16", &["192.0.2.2", "198.51.100.2"]),
    ];
    first.learn(paths);
    let all = [route("10.1.0.0/16").leg(a), route("10.2.0.0/16").leg(a), route("10.3.0.0/16").leg(a).leg(b)];
    wait_for_routes(all.clone());
    first.runner.stop();
    assert_eq!(ours().len(), 3, "they stay");
    lab.control.add_route(&foreign("10.9.0.0/16").leg(a)).expect("added");
    let mut second = Fib::start(Settings::default());
    assert_eq!(second.counters().stale, 3);
    second.learn(&[("10.1.0.0/16", &["192.0.2.2"]), ("10.3.0.0/16", &["192.0.2.2", "198.51.100.2"])]);
    second.wait_until("all are taken in", |counters| counters.stale == 1 && counters.pending == 0);
    let counters = second.counters();
    assert_eq!((counters.created, counters.replaced, counters.deleted), (0, 0, 0), "{counters:?}");
    wait_for_routes(all.clone());
    second.runner.sweep();
    second.wait_for("the sweep", |output| matches!(output, Output::Swept(_)));
    wait_for_routes([all[0].clone(), all[2].clone()]);
    assert_eq!(second.counters().deleted, 1);
    assert_eq!(routes(Protocol::STATIC).len(), 1);
}

fn adopted(mut lab: Net) {
    let (a, b) = (Leg::via(ip("192.0.2.2"), lab.a), Leg::via(ip("198.51.100.2"), lab.b));
    let bird = |prefix: &str, metric| Route::new(net(prefix), Protocol::BIRD).metric(metric);
    for route in [
        bird("10.1.0.0/16", 1024).leg(b),
        bird("10.2.0.0/16", 0).leg(a),
        bird("10.3.0.0/16", 0).leg(b),
        bird("10.4.0.0/26", 1024).blackhole(),
        bird("2001:db8:55::/64", 1024).leg(Leg::via(ip("2001:db8:1::2"), lab.a)),
    ] {
        lab.control.add_route(&route).expect("added");
    }
    let mut fib = Fib::start(Settings { adopt_protocols: vec![12], ..Settings::default() });
    fib.runner.set_blackholes(vec!["10.4.0.0/26".parse().expect("a block")]);
    fib.learn(&[
        ("10.1.0.0/16", &["192.0.2.2"]),
        ("10.2.0.0/16", &["192.0.2.2"]),
        ("2001:db8:55::/64", &["2001:db8:1::2"]),
    ]);
    let wanted = [
        route("10.1.0.0/16").leg(a),
        route("10.2.0.0/16").leg(a),
        route("10.4.0.0/26").blackhole(),
        route("2001:db8:55::/64").leg(Leg::via(ip("2001:db8:1::2"), lab.a)),
    ];
    wait_for_routes(wanted.clone());
    // Where the metric is another one the old route goes after the new one has come.
    fib.wait_until("the old one of another metric is gone", |counters| counters.deleted == 1 && counters.pending == 0);
    assert_eq!(routes(Protocol::BIRD), [bird("10.3.0.0/16", 0).leg(b).canonical()]);
    fib.runner.sweep();
    fib.wait_for("the sweep", |output| matches!(output, Output::Swept(_)));
    assert_eq!(routes(Protocol::BIRD), []);
    wait_for_routes(wanted);
    // Later ones are strangers'.
    lab.control.add_route(&bird("10.5.0.0/16", 1024).leg(b)).expect("added");
    fib.learn(&[("10.5.0.0/16", &["192.0.2.2"])]);
    fib.wait_until("a conflict", |counters| counters.conflicts == 1);
    assert_eq!(routes(Protocol::BIRD).len(), 1);
}

/// The kernel takes a route with a nexthop object away where the object is named, and not where its legs are. On a workload's
/// interface none of ours has one; what is adopted may, and goes.
fn objects_of_the_run_before(mut lab: Net) {
    let object = NexthopTarget::Gateway { gateway: ip("198.51.100.2"), oif: lab.b, onlink: false };
    let id = NexthopId(77);
    lab.control.add_nexthop(&NexthopObject { id, protocol: Protocol::BIRD, target: object }).expect("added");
    let birds = |prefix: &str| Route::new(net(prefix), Protocol::BIRD).metric(METRIC);
    for prefix in ["10.1.0.0/16", "10.2.0.0/16"] {
        lab.control.add_route(&birds(prefix).via_nexthop(id)).expect("added");
    }
    let settings = |adopted: &[u8]| Settings {
        workload_protocol: Some(12),
        workload_interfaces: vec!["b0".to_owned()],
        adopt_protocols: adopted.to_vec(),
        ..Settings::default()
    };
    let mut fib = Fib::start(settings(&[]));
    fib.learn(&[("10.1.0.0/16", &["198.51.100.2"])]);
    fib.wait_until("a conflict", |counters| counters.conflicts == 1 && counters.pending == 0);
    fib.runner.sweep();
    fib.wait_for("the sweep", |output| matches!(output, Output::Swept(_)));
    assert_eq!((routes(Protocol::BIRD).len(), fib.counters().installed), (2, 0));
    fib.runner.stop();
    let mut fib = Fib::start(settings(&[12]));
    fib.learn(&[("10.1.0.0/16", &["198.51.100.2"])]);
    fib.wait_until("one is replaced", |counters| counters.replaced == 1 && counters.pending == 0);
    fib.runner.sweep();
    fib.wait_for("the sweep", |output| matches!(output, Output::Swept(_)));
    let replaced = birds("10.1.0.0/16").leg(Leg::via(ip("198.51.100.2"), lab.b));
    assert_eq!(routes(Protocol::BIRD), [replaced.canonical()]);
    assert_eq!((fib.counters().failures, fib.counters().conflicts), (0, 0));
}

fn rules(lab: Net) {
    let range = |text: &str| PrefixRange { prefix: text.parse().expect("a prefix"), min: 0, max: 128 };
    let rule = |prefix: &str, action| FibRule {
        name: Some("services".to_owned()),
        prefixes: vec![range(prefix)],
        next_hops: Vec::new(),
        action,
    };
    let statics = StaticRoute { prefix: "203.0.113.7/32".parse().expect("a prefix"), via: ip("192.0.2.7") };
    let settings = Settings {
        rules: vec![rule("10.96.0.0/12", FibAction::Reject)],
        static_routes: vec![statics],
        ..Settings::default()
    };
    let fib = Fib::start(settings.clone());
    fib.learn(&[("10.96.0.0/12", &["192.0.2.2"]), ("10.1.0.0/16", &["192.0.2.2"]), ("10.4.0.0/26", &["192.0.2.2"])]);
    fib.runner.set_blackholes(vec!["10.4.0.0/26".parse().expect("a block")]);
    let a = Leg::via(ip("192.0.2.2"), lab.a);
    let fixed = route("203.0.113.7/32").leg(Leg::via(ip("192.0.2.7"), lab.a));
    wait_for_routes([route("10.1.0.0/16").leg(a), route("10.4.0.0/26").blackhole(), fixed]);
    // The block goes, the rule changes sides, the static route goes.
    fib.runner.set_blackholes(Vec::new());
    let rules = vec![rule("10.1.0.0/16", FibAction::Reject)];
    fib.runner.set_settings(Settings { rules, static_routes: Vec::new(), ..settings });
    wait_for_routes([route("10.96.0.0/12").leg(a), route("10.4.0.0/26").leg(a)]);
}

fn another_table(lab: Net) {
    let fib = Fib::start(Settings { table: 1000, ..Settings::default() });
    let a = Leg::via(ip("192.0.2.2"), lab.a);
    fib.runner.best_paths(vec![best("10.1.0.0/16", &["192.0.2.2"])]);
    wait_for_routes([route("10.1.0.0/16").table(heddle_netlink::Table(1000)).leg(a)]);
}

fn sysctls(mut lab: Net) {
    use heddle_fib_sync::settings::ManageSysctls;
    use heddle_fib_sync::sysctl::{Ipv6, Outcome, check};
    use heddle_netlink::sysctl::{read, write};

    lab.control.rename(lab.b, "cali.1").expect("renamed");
    let forward = ["net", "ipv4", "ip_forward"];
    write(&forward, "0").expect("written");
    write(&["net", "ipv6", "conf", "all", "forwarding"], "0").expect("written");
    write(&["net", "ipv4", "conf", "all", "rp_filter"], "1").expect("written");
    let settings = Settings::default();
    let found = check(&settings, &["a0", "cali.1"], Ipv6::Forwarded);
    let names: Vec<_> = found.iter().map(|finding| finding.name.as_str()).collect();
    assert!(names.contains(&"net.ipv4.ip_forward") && names.contains(&"net.ipv4.conf.cali/1.proxy_arp"), "{names:?}");
    assert!(names.contains(&"net.ipv4.conf.all.rp_filter"), "{names:?}");
    assert!(found.iter().all(|finding| finding.outcome == Outcome::Reported), "{found:?}");
    assert_eq!(read(&forward).expect("read"), "0", "only looked at");
    let of_v6 = |ipv6| check(&settings, &[], ipv6).iter().any(|finding| finding.name.contains("ipv6"));
    assert!(of_v6(Ipv6::Forwarded) && !of_v6(Ipv6::Unused), "where IPv6 is not used it is left alone");
    let settings = Settings { manage_sysctls: ManageSysctls::Yes, ..settings };
    let set = check(&settings, &["a0", "cali.1"], Ipv6::Forwarded);
    assert!(set.len() == found.len() && set.iter().all(|finding| finding.outcome == Outcome::Set), "{set:?}");
    assert_eq!(check(&settings, &["a0", "cali.1"], Ipv6::Forwarded), []);

    // Strict on an interface alone; on a workload's that is wanted, and 2 for all makes all loose.
    let all = ["net", "ipv4", "conf", "all", "rp_filter"];
    write(&all, "0").expect("written");
    for interface in ["a0", "cali.1"] {
        write(&["net", "ipv4", "conf", interface, "rp_filter"], "1").expect("written");
    }
    let strict = |settings: &Settings| -> Vec<String> {
        check(settings, &["lo", "a0", "cali.1"], Ipv6::Forwarded).into_iter().map(|finding| finding.name).collect()
    };
    let look = Settings::default();
    assert_eq!(strict(&look), ["net.ipv4.conf.a0.rp_filter"]);
    write(&all, "2").expect("written");
    assert_eq!(strict(&look), Vec::<String>::new());
    write(&all, "0").expect("written");
    assert_eq!(strict(&settings), ["net.ipv4.conf.a0.rp_filter"], "set");
    assert_eq!(strict(&look), Vec::<String>::new());
}

fn failed_thread(_: Net) {
    let fib = Fib::start(Settings::default());
    fib.runner.query(|_| panic!("as it is asked to"));
    // Those that came in time are dropped with the thread, later ones at once.
    for _ in 0..2 {
        let (tell, told) = std::sync::mpsc::channel::<()>();
        fib.runner.query(move |_| tell.send(()).expect("somebody listens"));
        assert!(told.recv_timeout(std::time::Duration::from_secs(20)).is_err_and(|e| e == Disconnected));
    }
}
