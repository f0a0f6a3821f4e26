//! Routes over nexthop objects.

use heddle_fib_sync::settings::NexthopObjects;
use heddle_fib_sync::{Output, Settings};
use heddle_netlink::{DumpSocket, NexthopObject, NexthopTarget, Protocol, Weight};

use crate::Case;
use crate::common::{Fib, Net, ip, ours, wait_for_routes};

pub(crate) const CASES: &[Case] = &[
    ("objects::routes_point_to_a_group_that_follows_its_next_hops", follow),
    ("objects::the_loss_of_carrier_takes_them_and_its_return_brings_them_back", carrier),
    ("objects::a_restart_takes_them_over", restart),
    ("objects::what_others_do_to_them_is_repaired", repaired),
    ("objects::a_stranger_who_takes_their_numbers_keeps_them", taken),
];

const ALWAYS: NexthopObjects = NexthopObjects::Always;

fn settings() -> Settings {
    Settings { nexthop_objects: ALWAYS, ..Settings::default() }
}

fn objects() -> Vec<NexthopObject> {
    let mut socket = DumpSocket::open().expect("dump socket");
    let mut found = Vec::new();
    let _ = socket.nexthops(|object| found.push(object.canonical())).expect("dump");
    found
}

fn groups() -> Vec<usize> {
    let members = |object: &NexthopObject| match &object.target {
        NexthopTarget::Group(members) => Some(members.len()),
        NexthopTarget::Gateway { .. } | NexthopTarget::Device { .. } | NexthopTarget::Blackhole { .. } => None,
    };
    objects().iter().filter_map(members).collect()
}

/// Waits until there are so many routes, all over objects, and groups of these sizes. While an object cannot be made routes
/// have their legs themselves.
#[track_caller]
fn wait_for(fib: &Fib, routes: u64, sizes: &[usize]) {
    fib.wait_until("routes and groups", |counters| {
        let settled = counters.installed == routes && counters.pending == 0 && groups() == sizes;
        settled && ours().iter().all(|route| route.nexthop.is_some())
    });
    let ours = ours();
    assert_eq!(u64::try_from(ours.len()).expect("few"), routes, "{ours:#?}");
}

const PATHS: &[(&str, &[&str])] = &[
    ("10.1.0.0/16", &["192.0.2.2", "198.51.100.2"]),
    ("10.2.0.0/16", &["192.0.2.2", "198.51.100.2"]),
    ("2001:db8:55::/64", &["2001:db8:1::2", "2001:db8:2::2"]),
];

fn follow(mut lab: Net) {
    let mut fib = Fib::start(settings());
    fib.learn(PATHS);
    wait_for(&fib, 3, &[2, 2]);
    let written = fib.counters();
    assert_eq!((written.created, written.replaced, written.failures), (3, 0, 0), "{written:?}");
    // A leg is lost: groups shrink, routes are not written.
    lab.control.set_down(lab.b_peer).expect("down");
    wait_for(&fib, 3, &[1, 1]);
    lab.control.set_up(lab.b_peer).expect("up");
    wait_for(&fib, 3, &[2, 2]);
    let counters = fib.counters();
    assert_eq!((counters.created, counters.replaced, counters.failures), (3, 0, 0), "{counters:?}");
    // Nobody uses them any more.
    fib.learn(&[("10.1.0.0/16", &[]), ("10.2.0.0/16", &[]), ("2001:db8:55::/64", &[])]);
    wait_for_routes([]);
    fib.runner.sweep();
    fib.wait_for("the sweep", |output| matches!(output, Output::Swept(_)));
    fib.wait_until("no objects", |_| objects().is_empty());
}

fn carrier(mut lab: Net) {
    let fib = Fib::start(settings());
    fib.learn(&[("10.1.0.0/16", &["192.0.2.2"]), ("2001:db8:55::/64", &["2001:db8:1::2"])]);
    wait_for(&fib, 2, &[1, 1]);
    for _ in 0..3 {
        lab.control.set_down(lab.a_peer).expect("down");
        fib.wait_until("nothing left", |counters| counters.installed == 0 && counters.pending == 0);
        assert_eq!((ours(), objects()), (vec![], vec![]));
        lab.control.set_up(lab.a_peer).expect("up");
        wait_for(&fib, 2, &[1, 1]);
    }
}

fn restart(_lab: Net) {
    let first = Fib::start(settings());
    first.learn(PATHS);
    wait_for(&first, 3, &[2, 2]);
    let before = (ours(), objects());
    first.runner.stop();
    let mut second = Fib::start(settings());
    second.learn(PATHS);
    second.wait_until("all are taken in", |counters| counters.stale == 0 && counters.pending == 0);
    let counters = second.counters();
    assert_eq!((counters.created, counters.replaced, counters.deleted), (0, 0, 0), "{counters:?}");
    second.runner.sweep();
    second.wait_for("the sweep", |output| matches!(output, Output::Swept(_)));
    assert_eq!((ours(), objects()), before);
    second.runner.stop();
    // Without objects: the routes get their legs, and the objects go.
    let third = Fib::start(Settings { nexthop_objects: NexthopObjects::Never, ..settings() });
    third.learn(PATHS);
    third.runner.sweep();
    third.wait_until("no objects", |counters| counters.replaced == 3 && counters.pending == 0 && objects().is_empty());
    assert!(ours().iter().all(|route| route.legs.len() == 2), "{:#?}", ours());
}

fn repaired(mut lab: Net) {
    let fib = Fib::start(settings());
    fib.learn(PATHS);
    wait_for(&fib, 3, &[2, 2]);
    for object in objects() {
        // Some go with others.
        let _ = lab.control.delete_nexthop(object.id);
    }
    wait_for(&fib, 3, &[2, 2]);
    assert!(objects().iter().all(|object| object.protocol == Protocol::HEDDLE));
}

/// The kernel deletes and replaces by the number alone, whoever has it.
fn taken(mut lab: Net) {
    let mut fib = Fib::start(settings());
    fib.learn(PATHS);
    wait_for(&fib, 3, &[2, 2]);
    let busy = fib.occupy();
    let ours_before = objects();
    for object in &ours_before {
        // Some go with others.
        let _ = lab.control.delete_nexthop(object.id);
    }
    let mut theirs: Vec<NexthopObject> = Vec::new();
    for object in ours_before {
        let leg = NexthopTarget::Gateway { gateway: ip("198.51.100.9"), oif: lab.b, onlink: false };
        let target = match (object.target, theirs.first()) {
            (NexthopTarget::Group(_), Some(first)) => {
                NexthopTarget::Group([(first.id, Weight::ONE)].into_iter().collect())
            }
            _ => leg,
        };
        let stranger = NexthopObject { id: object.id, protocol: Protocol::STATIC, target };
        lab.control.add_nexthop(&stranger).expect("nobody has the number");
        theirs.push(stranger.canonical());
    }
    drop(busy);
    let of_his = || objects().into_iter().filter(|object| object.protocol == Protocol::STATIC).collect::<Vec<_>>();
    assert_eq!(of_his(), theirs);
    fib.wait_until("routes over other objects", |counters| {
        let over = |id| theirs.iter().any(|object| object.id == id);
        counters.installed == 3 && counters.pending == 0 && ours().iter().all(|r| r.nexthop.is_some_and(|id| !over(id)))
    });
    fib.learn(&[("10.1.0.0/16", &[]), ("10.2.0.0/16", &[]), ("2001:db8:55::/64", &[])]);
    wait_for_routes([]);
    fib.runner.sweep();
    fib.wait_for("the sweep", |output| matches!(output, Output::Swept(_)));
    fib.wait_until("his objects alone", |_| objects().iter().all(|object| object.protocol == Protocol::STATIC));
    assert_eq!(of_his(), theirs);
}
