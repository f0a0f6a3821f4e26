//! Best paths, next hops, blocks, static routes, rules and other settings.

use super::*;
use crate::input::{LocalKind, LocalRoute, NextHopState};
use crate::resolver::Unresolved;
use crate::settings::{FibAction, FibRule, StaticRoute};

fn cost(hop: &str, cost: Option<u32>) -> Output {
    Output::NextHop(ip(hop).into(), NextHopState { cost })
}

#[test]
fn nothing_is_written_before_the_kernel_was_read() {
    let mut desk = Desk::unread(never());
    desk.apply(|settings| {
        settings.static_routes = vec![StaticRoute { prefix: prefix("10.9.0.0/16"), via: ip("192.0.2.2") }]
    });
    desk.fib.set_blackholes(desk.now, [prefix("10.8.0.0/16")]);
    assert_eq!(desk.writes(), [""; 0]);
    desk.dump([]);
    assert_eq!(desk.writes().len(), 2);
}

#[test]
fn the_rib_hears_of_the_next_hops_that_it_uses_when_their_cost_changes() {
    let mut desk = Desk::with(never(), [there(strangers("203.0.113.0/24", 10, "192.0.2.9@1"))]);
    desk.told();
    let hops = ["192.0.2.2", "203.0.113.1", "10.0.0.1"];
    desk.fib.handle_usage(desk.now, hops.map(|hop| (ip(hop).into(), Usage::Used)));
    desk.learn("10.1.0.0/16", &["198.51.100.2"]);
    assert_eq!(desk.told(), [cost("192.0.2.2", Some(0)), cost("203.0.113.1", Some(1)), cost("10.0.0.1", None)]);
    // Other legs are no other cost.
    desk.hear(there(strangers("203.0.113.0/24", 5, "198.51.100.9@2")));
    assert_eq!(desk.told(), []);
    // Of what only a route of ours uses the RIB hears nothing.
    desk.hear(link(2, LinkState::NoCarrier));
    assert_eq!(desk.told(), [cost("203.0.113.1", None)]);
    desk.fib.handle_usage(desk.now, [(ip("203.0.113.1").into(), Usage::Unused)]);
    desk.hear(link(2, LinkState::Up));
    assert_eq!(desk.told(), []);
}

#[test]
fn a_link_local_next_hop_follows_its_link() {
    let mut desk = Desk::new(never());
    desk.told();
    let next_hop = NextHop { address: ip("fe80::7"), interface: Some(IfIndex(2)) };
    desk.fib.handle_usage(desk.now, [(next_hop, Usage::Used)]);
    let states = [LinkState::NoCarrier, LinkState::Up];
    desk.told();
    for state in states {
        desk.hear(link(2, state));
        let reachable = (state == LinkState::Up).then_some(0);
        assert_eq!(desk.told(), [Output::NextHop(next_hop, NextHopState { cost: reachable })]);
    }
}

/// An address of a link to one peer is in no network of ours.
#[test]
fn a_next_hop_that_becomes_an_address_of_ours_leads_nowhere() {
    let mut desk = Desk::new(never());
    desk.fib.handle_usage(desk.now, [(ip("192.0.2.2").into(), Usage::Used)]);
    desk.told();
    desk.hear(address(2, "192.0.2.2", "203.0.113.5/32"));
    assert!(desk.told().contains(&cost("192.0.2.2", None)));
}

#[test]
fn a_route_to_the_next_hop_alone_counts() {
    let mut desk = Desk::new(never());
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    assert_eq!(desk.writes(), ["create 10.1.0.0/16 1024 192.0.2.2@1"]);
    desk.hear(there(strangers("192.0.2.2/32", 0, "198.51.100.9@2")));
    assert_eq!(desk.writes(), ["replace 10.1.0.0/16 1024 198.51.100.9@2"]);
}

/// What is resolved over a learned route, whose destination has another address, follows that route.
#[test]
fn a_learned_route_that_moves_takes_those_over_it_along() {
    let mut desk = Desk::new(never());
    desk.learn("203.0.113.0/24", &["192.0.2.2"]);
    desk.learn("10.1.0.0/16", &["203.0.113.1"]);
    assert!(desk.writes().contains(&"create 10.1.0.0/16 1024 192.0.2.2@1".to_owned()));
    desk.learn("203.0.113.0/24", &["192.0.2.3"]);
    assert!(desk.writes().contains(&"replace 10.1.0.0/16 1024 192.0.2.3@1".to_owned()));
}

#[test]
fn a_path_without_a_next_hop_is_not_written() {
    let mut desk = Desk::new(never());
    desk.learn("10.1.0.0/16", &[]);
    desk.learn("10.2.0.0/16", &["203.0.113.1"]);
    assert_eq!(desk.writes(), [""; 0]);
    let (since, address) = (desk.now, ip("203.0.113.1"));
    assert_eq!(desk.state("10.1.0.0/16"), State::Held { since, why: Unresolved::NoNextHop });
    assert_eq!(desk.state("10.2.0.0/16"), State::Held { since, why: Unresolved::NoRoute(address) });
}

/// A block of ours is a blackhole whatever peers say; what they said holds again when it is not ours any more.
#[test]
fn a_block_of_ours_is_a_blackhole_whatever_peers_say() {
    let mut desk = Desk::new(never());
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    desk.writes();
    desk.fib.set_blackholes(desk.now, [prefix("10.1.0.0/16")]);
    assert_eq!(desk.writes(), ["replace 10.1.0.0/16 1024 dead"]);
    desk.learn("10.1.0.0/16", &["192.0.2.3"]);
    assert_eq!(desk.writes(), [""; 0]);
    desk.fib.set_blackholes(desk.now, []);
    assert_eq!(desk.writes(), ["replace 10.1.0.0/16 1024 192.0.2.3@1"]);
}

#[test]
fn a_static_route_is_there_whatever_peers_say() {
    let fixed = StaticRoute { prefix: prefix("10.1.0.0/16"), via: ip("192.0.2.2") };
    let mut desk = Desk::new(Settings { static_routes: vec![fixed], ..never() });
    assert_eq!(desk.writes(), ["create 10.1.0.0/16 1024 192.0.2.2@1"]);
    desk.learn("10.1.0.0/16", &["192.0.2.3"]);
    desk.learn("10.2.0.0/16", &["192.0.2.3"]);
    assert_eq!(desk.writes(), ["create 10.2.0.0/16 1024 192.0.2.3@1"]);
    let moved = StaticRoute { via: ip("198.51.100.2"), ..fixed };
    desk.apply(|settings| settings.static_routes = vec![moved]);
    assert_eq!(desk.writes(), ["replace 10.1.0.0/16 1024 198.51.100.2@2"]);
    desk.apply(|settings| settings.static_routes.clear());
    assert_eq!(desk.writes(), ["replace 10.1.0.0/16 1024 192.0.2.3@1"]);
    desk.withdraw("10.1.0.0/16");
    assert_eq!(desk.writes(), ["delete 10.1.0.0/16 1024 192.0.2.3@1"]);
}

#[test]
fn other_rules_hold_for_routes_that_are_there() {
    let mut desk = Desk::new(never());
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    desk.learn("10.2.0.0/16", &["198.51.100.2"]);
    desk.writes();
    let next_hops = vec![ip("192.0.2.2")];
    let rule = FibRule { name: None, prefixes: Vec::new(), next_hops, action: FibAction::Reject };
    desk.apply(|settings| settings.rules = vec![rule]);
    assert_eq!(desk.writes(), ["delete 10.1.0.0/16 1024 192.0.2.2@1"]);
    desk.apply(|settings| settings.rules.clear());
    assert_eq!(desk.writes(), ["create 10.1.0.0/16 1024 192.0.2.2@1"]);
}

/// Each of the three lists that decide what is local is looked at when it alone changes.
#[test]
fn other_settings_make_other_local_routes() {
    let lan = |kind| LocalRoute { prefix: prefix("192.0.2.0/24"), interface: Some("a0".into()), metric: None, kind };
    let mut desk = Desk::with(never(), [there(route("10.7.0.0/16", 10, 42, legs("192.0.2.9@1")))]);
    desk.told();
    desk.apply(|settings| settings.ignored_interfaces.push("a*".to_owned()));
    assert!(desk.told().contains(&Output::LocalRemoved(prefix("192.0.2.0/24"))));
    desk.apply(|settings| settings.workload_interfaces.push("a*".to_owned()));
    assert!(desk.told().contains(&Output::LocalSet(lan(LocalKind::Workload))));
    desk.apply(|settings| settings.workload_interfaces.retain(|name| name != "a*"));
    assert!(desk.told().contains(&Output::LocalRemoved(prefix("10.7.0.0/16"))));
    desk.apply(|settings| settings.learn_protocols.push(42));
    let learned = LocalRoute { metric: Some(10), prefix: prefix("10.7.0.0/16"), ..lan(LocalKind::Learned) };
    assert_eq!(desk.told(), [Output::LocalSet(learned)]);
}

#[test]
fn what_is_to_be_made_comes_before_what_is_only_to_go() {
    let mut desk = Desk::new(never());
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    desk.writes();
    desk.withdraw("10.1.0.0/16");
    desk.learn("10.2.0.0/16", &["192.0.2.2"]);
    assert_eq!(desk.writes(), ["create 10.2.0.0/16 1024 192.0.2.2@1", "delete 10.1.0.0/16 1024 192.0.2.2@1"]);
}

#[test]
fn a_batch_has_no_more_writes_than_asked_for() {
    let mut desk = Desk::new(never());
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    desk.learn("10.2.0.0/16", &["192.0.2.2"]);
    let is_settled = |desk: &Desk| desk.fib.is_settled();
    assert_eq!((desk.batch(1).len(), is_settled(&desk)), (1, false));
    assert_eq!((desk.batch(1).len(), desk.batch(1).len(), is_settled(&desk)), (1, 0, true));
    desk.withdraw("10.1.0.0/16");
    desk.withdraw("10.2.0.0/16");
    assert_eq!((desk.batch(1).len(), is_settled(&desk)), (1, false));
    assert_eq!((desk.batch(1).len(), desk.batch(1).len(), is_settled(&desk)), (1, 0, true));
}

/// Whoever drives the table asks for writes only while it is not settled.
#[test]
fn it_is_settled_when_nothing_is_left_to_ask_for() {
    let mut desk = Desk::with(never(), [there(ours("10.3.0.0/16", 1024, "192.0.2.2@1"))]);
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    assert!(!desk.fib.is_settled(), "something is to be written");
    assert_eq!(desk.poll(10).len(), 1);
    assert!(!desk.fib.is_settled(), "an answer is missing");
    desk.fib.handle_results(desk.now, &[]);
    desk.writes();
    assert!(desk.fib.is_settled());
    desk.hear(address(1, "192.0.2.77", "192.0.2.0/24"));
    assert!(!desk.fib.is_settled(), "what was heard has consequences");
    desk.writes();
    assert!(desk.fib.is_settled());
    desk.hear(KernelEvent::Overrun);
    desk.withdraw("10.1.0.0/16");
    assert_eq!(desk.writes(), [""; 0]);
    assert!(desk.fib.is_settled(), "what waits for a dump is not asked for before");
    desk.dump([there(ours("10.3.0.0/16", 1024, "192.0.2.2@1"))]);
    assert_eq!((desk.writes(), desk.fib.is_swept()), (Vec::new(), false), "the dump did not have it");
    desk.fib.sweep(desk.now);
    assert_eq!((desk.fib.is_settled(), desk.fib.is_swept()), (false, true), "what is stale is to go");
    assert_eq!(desk.writes(), ["delete 10.3.0.0/16 1024 192.0.2.2@1"]);
    assert!(desk.fib.is_settled(), "that it is gone was told");
}
