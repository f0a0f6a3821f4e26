//! What the kernel reports, and what dumps say.

use super::*;

/// Routes of ours that are known: how many, how many of the run before, and how often one was found changed by others.
fn known(desk: &Desk) -> (u64, u64, u64) {
    let counters = desk.fib.counters();
    (counters.installed, counters.stale, counters.repairs)
}

/// With 10.1.0.0/16 over 192.0.2.2 in the kernel.
fn one_route() -> Desk {
    let mut desk = Desk::new(never());
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    desk.writes();
    desk
}

#[test]
fn a_report_of_what_is_known_changes_nothing() {
    let mut desk = one_route();
    desk.hear(there(ours("10.1.0.0/16", 1024, "192.0.2.2@1")));
    assert_eq!((desk.writes(), known(&desk)), (Vec::new(), (1, 0, 0)));
}

#[test]
fn a_route_of_ours_that_somebody_changed_is_changed_back() {
    let mut desk = one_route();
    desk.hear(there(ours("10.1.0.0/16", 1024, "192.0.2.66@1")));
    assert_eq!((desk.writes(), known(&desk)), (vec!["replace 10.1.0.0/16 1024 192.0.2.2@1".to_owned()], (1, 0, 1)));
}

/// Another key with our protocol number is another route.
#[test]
fn a_route_beside_ours_with_our_protocol_number_goes() {
    let mut desk = one_route();
    desk.hear(there(ours("10.1.0.0/16", 77, "192.0.2.2@1")));
    assert_eq!(known(&desk), (2, 0, 0));
    assert_eq!((desk.writes(), known(&desk)), (vec!["delete 10.1.0.0/16 77 192.0.2.2@1".to_owned()], (1, 0, 0)));
}

#[test]
fn a_stranger_beside_a_route_of_ours_changes_nothing() {
    let mut desk = one_route();
    desk.hear(there(strangers("10.1.0.0/16", 77, "192.0.2.9@1")));
    assert_eq!((desk.writes(), known(&desk), desk.wants_dump()), (Vec::new(), (1, 0, 0), false));
    desk.hear(KernelEvent::RouteGone(strangers("10.1.0.0/16", 77, "192.0.2.9@1")));
    desk.hear(KernelEvent::RouteGone(ours("10.1.0.0/16", 77, "192.0.2.2@1")));
    assert_eq!((desk.writes(), known(&desk)), (Vec::new(), (1, 0, 0)));
}

#[test]
fn a_stranger_in_the_place_of_a_route_of_ours_is_a_conflict_until_he_goes() {
    let mut desk = Desk::with(never(), [there(ours("10.3.0.0/16", 1024, "192.0.2.2@1"))]);
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    desk.writes();
    desk.hear(there(strangers("10.1.0.0/16", 1024, "192.0.2.9@1")));
    assert_eq!((known(&desk), desk.wants_dump()), ((1, 1, 1), true));
    desk.dump([there(ours("10.3.0.0/16", 1024, "192.0.2.2@1")), there(strangers("10.1.0.0/16", 1024, "192.0.2.9@1"))]);
    assert_eq!((desk.writes(), desk.state("10.1.0.0/16")), (Vec::new(), State::Conflict { protocol: 4 }));
    let counted = desk.fib.counters();
    assert_eq!((counted.conflicts, counted.conflicts_met, counted.failures), (1, 1, 0));
    desk.hear(KernelEvent::RouteGone(strangers("10.1.0.0/16", 1024, "192.0.2.9@1")));
    assert_eq!(desk.writes(), ["create 10.1.0.0/16 1024 192.0.2.2@1"]);
    let counted = desk.fib.counters();
    assert_eq!((counted.conflicts, counted.conflicts_met), (0, 1));
}

#[test]
fn a_route_of_ours_that_somebody_deleted_is_made_again() {
    let mut desk = one_route();
    desk.hear(KernelEvent::RouteGone(ours("10.1.0.0/16", 1024, "192.0.2.2@1")));
    assert_eq!(known(&desk), (0, 0, 1));
    assert_eq!(desk.writes(), ["create 10.1.0.0/16 1024 192.0.2.2@1"]);
}

/// IPv6 takes the legs of a route away one after the other.
#[test]
fn a_route_that_lost_a_leg_has_the_others() {
    let mut desk = Desk::new(never());
    desk.learn("2001:db8:f1::/48", &["2001:db8:1::2", "2001:db8:2::2"]);
    desk.writes();
    desk.hear(KernelEvent::RouteGone(ours("2001:db8:f1::/48", 1024, "2001:db8:1::2@1")));
    assert_eq!(*desk.row("2001:db8:f1::/48").actual[0].target, legs("2001:db8:2::2@2"));
    assert_eq!((known(&desk), desk.wants_dump()), ((1, 0, 1), false));
    assert_eq!(desk.writes(), ["replace 2001:db8:f1::/48 1024 2001:db8:1::2@1,2001:db8:2::2@2"]);
}

/// What it was is not known: only a dump tells.
#[test]
fn a_leg_that_was_none_of_ours_asks_for_a_dump() {
    let mut desk = Desk::new(never());
    desk.learn("2001:db8:f1::/48", &["2001:db8:1::2", "2001:db8:2::2"]);
    desk.writes();
    desk.hear(KernelEvent::RouteGone(ours("2001:db8:f1::/48", 1024, "2001:db8:1::66@1")));
    assert_eq!((known(&desk), desk.wants_dump()), ((1, 0, 0), true));
}

/// Only what the first dump finds is adopted, each by its own key.
#[test]
fn what_comes_later_is_not_adopted() {
    let bird = |destination, metric| there(route(destination, metric, 12, legs("192.0.2.2@1")));
    let settings = Settings { adopt_protocols: vec![12], ..never() };
    let mut desk = Desk::with(settings, [bird("10.1.0.0/16", 32)]);
    assert_eq!(known(&desk), (1, 1, 0));
    desk.hear(bird("10.2.0.0/16", 32));
    desk.hear(bird("10.1.0.0/16", 33));
    assert_eq!(known(&desk), (1, 1, 0));
    desk.dump([bird("10.1.0.0/16", 32), bird("10.1.0.0/16", 33), bird("10.2.0.0/16", 32), bird("10.4.0.0/16", 32)]);
    assert_eq!(known(&desk), (1, 1, 0));
    desk.dump([there(ours("10.1.0.0/16", 32, "192.0.2.2@1"))]);
    assert_eq!(desk.row("10.1.0.0/16").actual[0].protocol, 158, "somebody made it ours");
}

/// Somebody made away with it while reports were lost, or nobody knows who: only what a dump finds that nothing asked for is
/// a route that went without a word.
#[test]
fn what_a_dump_misses_is_a_repair_where_nothing_asked_for_the_dump() {
    let mut desk = one_route();
    desk.hear(KernelEvent::Overrun);
    desk.dump([]);
    assert_eq!((known(&desk), desk.fib.counters().overruns), ((0, 0, 0), 1));
    desk.writes();
    desk.dump([]);
    assert_eq!(known(&desk), (0, 0, 1));
}

#[test]
fn dumps_begin_at_some_distance() {
    let mut desk = one_route();
    desk.hear(KernelEvent::Overrun);
    let soon = desk.now + Duration::from_millis(50);
    assert_eq!((desk.fib.wants_dump(soon), desk.wants_dump()), (false, true));
    assert_eq!(desk.fib.poll_timeout(), Some(desk.now + Duration::from_millis(100)));
}

/// What became of a write whose answer was lost is told by a whole dump, and by nothing else.
#[test]
fn a_lost_answer_waits_for_a_whole_dump() {
    let mut desk = Desk::new(never());
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    desk.learn("10.2.0.0/16", &["192.0.2.2"]);
    assert_eq!(desk.refuse(Refusal::Unknown).len(), 2);
    assert_eq!((desk.fib.counters().unknown, desk.wants_dump()), (2, true));
    desk.dump_ends([], DumpEnd::Interrupted);
    assert_eq!(desk.writes(), [""; 0]);
    desk.dump([there(ours("10.1.0.0/16", 1024, "192.0.2.2@1"))]);
    assert_eq!(desk.writes(), ["create 10.2.0.0/16 1024 192.0.2.2@1"]);
}

/// The kernel keeps IPv4 routes that have another leg.
#[test]
fn a_link_that_goes_down_takes_ipv4_routes_without_another_leg() {
    let mut desk = one_route();
    desk.learn("10.2.0.0/16", &["192.0.2.2", "198.51.100.2"]);
    desk.learn("10.3.0.0/16", &["198.51.100.2"]);
    desk.writes();
    desk.hear(link(1, LinkState::Down));
    assert_eq!((known(&desk).0, desk.wants_dump()), (2, true));
    assert_eq!(desk.writes(), ["replace 10.2.0.0/16 1024 198.51.100.2@2"]);
}

/// Of IPv6 it says so.
#[test]
fn an_ipv6_route_is_there_until_its_loss_is_reported_or_its_link_is_gone() {
    let mut desk = Desk::new(never());
    desk.learn("2001:db8:f1::/48", &["2001:db8:1::2"]);
    desk.writes();
    desk.hear(link(1, LinkState::Down));
    assert_eq!(known(&desk).0, 1);
    desk.hear(KernelEvent::LinkGone(IfIndex(1)));
    assert_eq!(known(&desk).0, 0);
}

#[test]
fn a_link_that_no_route_of_ours_uses_asks_for_no_dump() {
    let mut desk = one_route();
    desk.hear(link(2, LinkState::Down));
    assert_eq!((known(&desk).0, desk.wants_dump()), (1, false));
}

/// Where routes have to be replaced blindly, and where there is no such route any more, the one that is meant is the one of the
/// same metric.
#[test]
fn of_two_routes_of_ours_the_one_with_the_metric_is_meant() {
    let both = || [512, 1024].map(|metric| there(ours("10.1.0.0/16", metric, "192.0.2.2@1")));
    let metrics = |desk: &Desk| desk.row("10.1.0.0/16").actual.iter().map(|known| known.metric).collect::<Vec<_>>();
    let mut desk = Desk::with(never(), both());
    desk.learn("10.1.0.0/16", &["192.0.2.3"]);
    assert_eq!(desk.refuse(Refusal::Missing), ["replace 10.1.0.0/16 1024 192.0.2.3@1"]);
    assert_eq!((metrics(&desk), known(&desk).2), (vec![512], 1));

    let mut desk = Desk::with(never(), both());
    desk.learn("10.1.0.0/16", &["192.0.2.3"]);
    desk.hear(KernelEvent::Overrun);
    desk.fib.hurry(desk.now);
    let blindly = ["delete 10.1.0.0/16 1024 192.0.2.2@1", "create 10.1.0.0/16 1024 192.0.2.3@1"];
    assert_eq!(desk.batch(2), blindly);

    let mut desk = Desk::with(never(), both());
    desk.learn_at("10.1.0.0/16", 512, &["192.0.2.2"]);
    assert_eq!((desk.writes(), metrics(&desk)), (vec!["delete 10.1.0.0/16 1024 192.0.2.2@1".to_owned()], vec![512]));
}
