//! Reports that the kernel could not deliver: more happened than the monitor's socket has room for.

use std::fs;

use heddle_fib_sync::{Output, Settings};
use heddle_netlink::{Leg, Protocol, Route, VethEnd};

use crate::Case;
use crate::common::{Fib, Net, foreign, ip, net, route, routes, wait_for_routes};

pub(crate) const CASES: &[Case] = &[("overrun::what_was_not_heard_is_read_and_put_right", unheard)];

/// More than fills any buffer.
const STORM: usize = 1_000_000;
/// How often it is looked whether something was lost.
const LOOK: usize = 1000;

/// How many reports the kernel has dropped for want of room, on the sockets of this network namespace that listen.
fn dropped() -> u64 {
    let table = fs::read_to_string("/proc/thread-self/net/netlink").expect("the kernel lists its sockets");
    let column = |line: &str, at: usize| line.split_whitespace().nth(at).map(str::to_owned).unwrap_or_default();
    let listening = table.lines().skip(1).filter(|line| column(line, 3) != "00000000");
    listening.map(|line| column(line, 8).parse::<u64>().expect("a number")).sum()
}

/// The thread is busy with something else while strangers change more routes than it has room to hear of. Behind that, unheard:
/// ours are deleted and changed, a stranger takes the place of one, a workload interface comes with a route.
fn unheard(mut lab: Net) {
    let mut fib = Fib::start(Settings::default());
    let prefixes = ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16", "2001:db8:55::/64"];
    let hops = [["192.0.2.2"], ["192.0.2.2"], ["192.0.2.2"], ["2001:db8:1::2"]];
    let paths: Vec<(&str, &[&str])> = prefixes.iter().zip(&hops).map(|(p, h)| (*p, h.as_slice())).collect();
    fib.learn(&paths);
    let [one, two, three, six] = [0, 1, 2, 3].map(|n: usize| route(prefixes[n]).leg(Leg::via(ip(hops[n][0]), lab.a)));
    wait_for_routes([one.clone(), two.clone(), three.clone(), six.clone()]);
    fib.wait_until("rest", |counters| counters.pending == 0);
    let before = fib.counters();
    assert_eq!((before.overruns, before.dumps, dropped()), (0, 1, 0));

    let busy = fib.occupy();
    let storm = foreign("203.0.113.0/24").leg(Leg::device(lab.b));
    for n in 0..STORM {
        lab.control.add_route(&storm).expect("added");
        lab.control.delete_route(&storm).expect("deleted");
        if n % LOOK == 0 && dropped() > 0 {
            break;
        }
    }
    assert!(dropped() > 0, "the socket has room for {STORM} changes");
    lab.control.delete_route(&one).expect("deleted");
    lab.control.delete_route(&six).expect("deleted");
    let wrong = route(prefixes[1]).leg(Leg::via(ip("198.51.100.2"), lab.b));
    lab.control.replace_route(&wrong).expect("replaced");
    let stranger = foreign(prefixes[2]).leg(Leg::via(ip("198.51.100.9"), lab.b));
    lab.control.replace_route(&stranger).expect("replaced");
    lab.control.create_veth(&VethEnd::new("cali1"), &VethEnd::new("pod1")).expect("veth pair");
    let cali = lab.control.link("cali1").expect("link").index;
    lab.control.set_up(cali).expect("up");
    let pod = Route::new(net("10.65.0.2/32"), Protocol::BOOT).leg(Leg::device(cali));
    lab.control.add_route(&pod).expect("added");
    drop(busy);

    assert_eq!(fib.wait_for_local("10.65.0.2/32").interface.as_deref(), Some("cali1"));
    wait_for_routes([one.clone(), two.clone(), six.clone()]);
    fib.wait_until("the stranger's place", |counters| counters.conflicts == 1 && counters.pending == 0);
    assert_eq!(routes(Protocol::STATIC), [stranger.clone().canonical()], "the stranger is left alone");
    let after = fib.counters();
    assert!(after.overruns >= 1 && after.dumps >= 2, "{after:?}");

    // From then on all is heard again.
    lab.control.delete_route(&stranger).expect("deleted");
    wait_for_routes([one.clone(), two.clone(), three.clone(), six.clone()]);
    lab.control.delete_route(&one).expect("deleted");
    wait_for_routes([one, two, three, six]);
    lab.control.delete_link(cali).expect("deleted");
    fib.wait_for("the removal", |o| *o == Output::LocalRemoved("10.65.0.2/32".parse().expect("prefix")));
    fib.wait_until("rest", |counters| counters.pending == 0 && counters.conflicts == 0);
    let end = fib.counters();
    assert_eq!((end.overruns, end.dumps), (after.overruns, after.dumps), "without another dump");
}
