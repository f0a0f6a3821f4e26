//! Nexthop objects.

use smallvec::smallvec;

use super::*;

const ENETDOWN: Refusal = Refusal::Errno(100);
const FIRST: u32 = 0x4845_0000;

fn object(number: u32, object: ObjectSpec) -> KernelEvent {
    KernelEvent::Object(KernelObject { id: FIRST + number, protocol: 158, object })
}

fn leg(number: u32, gateway: &str, interface: u32) -> KernelEvent {
    object(number, ObjectSpec::Leg(Leg::new(IfIndex(interface), Some(ip(gateway)))))
}

/// A leg, a group of it and a route over that, as a run before has left them.
fn left_over() -> Vec<KernelEvent> {
    let group = object(1, ObjectSpec::Group(smallvec![(FIRST, 1)]));
    vec![leg(0, "192.0.2.2", 1), group, there(route("10.1.0.0/16", 1024, 158, Target::Object(FIRST + 1)))]
}

fn counted(desk: &Desk) -> (u64, u64) {
    (desk.fib.counters().installed, desk.fib.counters().objects)
}

/// With a route over each of the links, by objects: legs 0 and 2, groups 1 and 3.
fn two_routes() -> Desk {
    let mut desk = Desk::new(always());
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    assert_eq!(desk.writes(), ["create #0 192.0.2.2@1", "create #1 #0", "create 10.1.0.0/16 1024 #1"]);
    desk.learn("10.2.0.0/16", &["198.51.100.2"]);
    assert_eq!(desk.writes(), ["create #2 198.51.100.2@2", "create #3 #2", "create 10.2.0.0/16 1024 #3"]);
    desk
}

/// Groups of more than 10,000 routes get one, and keep it down to half of that.
#[test]
fn only_many_routes_are_worth_an_object() {
    let mut desk = Desk::new(auto());
    let destination = |n: u32| format!("10.{}.{}.0/24", n / 256, n % 256);
    for n in 0..10_000 {
        desk.learn(&destination(n), &["192.0.2.2"]);
    }
    assert_eq!((desk.writes().len(), counted(&desk)), (10_000, (10_000, 0)));
    desk.learn(&destination(10_000), &["192.0.2.2"]);
    assert_eq!((desk.writes().len(), counted(&desk)), (10_003, (10_001, 2)));
    desk.fib.sweep(desk.now);
    desk.later(1);
    for n in 5001..=10_000 {
        desk.withdraw(&destination(n));
    }
    assert_eq!((desk.writes().len(), counted(&desk)), (5000, (5001, 2)));
    desk.later(1);
    desk.withdraw(&destination(5000));
    assert_eq!((desk.writes().len(), counted(&desk)), (5003, (5000, 0)));
}

#[test]
fn objects_go_after_the_routes_over_them() {
    let mut desk = two_routes();
    desk.fib.sweep(desk.now);
    assert_eq!((desk.writes(), desk.fib.is_settled()), (Vec::new(), false), "objects are looked at again and again");
    desk.withdraw("10.1.0.0/16");
    desk.fib.set_blackholes(desk.now, [prefix("10.8.0.0/16")]);
    assert_eq!(desk.batch(10), ["create 10.8.0.0/16 1024 dead", "delete 10.1.0.0/16 1024 #1"]);
    desk.fib.set_blackholes(desk.now, []);
    assert_eq!(desk.batch(10), ["delete 10.8.0.0/16 1024 dead"], "objects wait while a route is to be written");
    assert_eq!(
        (desk.batch(10), desk.batch(10)),
        (vec!["delete #1 #0".to_owned()], vec!["delete #0 192.0.2.2@1".to_owned()])
    );
    assert_eq!((desk.writes(), counted(&desk)), (Vec::new(), (1, 2)));
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    let made = desk.writes();
    assert!(matches!(made.as_slice(), [leg, _, _] if leg.ends_with("192.0.2.2@1")), "{made:?}");
}

/// After a start in which a path to 10.1.0.0/16 came before the kernel was read, which has what the run before has left.
fn restarted(settings: Settings, next_hop: &str) -> Desk {
    let mut desk = Desk::unread(settings);
    desk.learn("10.1.0.0/16", &[next_hop]);
    desk.dump(left_over());
    assert_eq!(counted(&desk), (1, 2));
    desk
}

/// Until the sweep what the run before has left stays, in case that somebody asks for it.
#[test]
fn objects_of_the_run_before_are_taken_over() {
    for settings in [always(), auto()] {
        let mut desk = restarted(settings, "192.0.2.2");
        assert_eq!((desk.writes(), counted(&desk)), (Vec::new(), (1, 2)));
    }
}

#[test]
fn a_small_group_takes_over_only_what_is_there() {
    let mut desk = restarted(auto(), "198.51.100.2");
    assert_eq!(desk.writes(), ["replace 10.1.0.0/16 1024 198.51.100.2@2"]);
}

#[test]
fn where_objects_are_not_wanted_none_is_taken_over() {
    let mut desk = restarted(never(), "192.0.2.2");
    assert_eq!(desk.writes(), ["replace 10.1.0.0/16 1024 192.0.2.2@1"]);
    desk.fib.sweep(desk.now);
    assert_eq!((desk.writes().len(), counted(&desk), desk.fib.is_settled()), (2, (1, 0), true));
}

#[test]
fn a_small_group_takes_over_nothing_after_the_sweep() {
    let mut desk = restarted(auto(), "192.0.2.2");
    desk.fib.sweep(desk.now);
    assert_eq!(desk.writes(), [""; 0]);
    // Something makes the group be looked at again.
    desk.apply(|settings| settings.unresolved_time *= 2);
    assert_eq!(desk.batch(10), ["replace 10.1.0.0/16 1024 192.0.2.2@1"]);
}

/// A leg that nothing uses is looked at again, until it is swept.
#[test]
fn a_leg_alone_is_not_settled() {
    let mut desk = Desk::with(never(), [leg(0, "192.0.2.2", 1)]);
    assert_eq!((desk.writes(), desk.fib.is_settled()), (Vec::new(), false));
    desk.fib.sweep(desk.now);
    assert_eq!((desk.writes(), desk.fib.is_settled()), (vec!["delete #0 192.0.2.2@1".to_owned()], true));
}

#[test]
fn another_mode_holds_for_routes_that_are_there() {
    let mut desk = two_routes();
    desk.apply(|settings| settings.nexthop_objects = NexthopObjects::Never);
    assert_eq!(desk.writes(), ["replace 10.1.0.0/16 1024 192.0.2.2@1", "replace 10.2.0.0/16 1024 198.51.100.2@2"]);
}

#[test]
fn a_batch_has_no_more_objects_than_asked_for() {
    let mut desk = Desk::new(always());
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    desk.learn("10.2.0.0/16", &["198.51.100.2"]);
    assert_eq!(desk.batch(1), ["create #0 192.0.2.2@1", "create #1 #0"]);
}

#[test]
fn no_route_leads_to_an_object_that_may_not_be_there() {
    let mut desk = Desk::new(always());
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    assert_eq!(desk.refuse(Refusal::Unknown).len(), 2);
    assert_eq!((desk.fib.counters().unknown, desk.wants_dump()), (2, true));
    assert_eq!(desk.writes(), [""; 0]);
    desk.dump([leg(0, "192.0.2.2", 1)]);
    assert_eq!(desk.writes(), ["create #1 #0", "create 10.1.0.0/16 1024 #1"]);
}

#[test]
fn an_object_is_made_only_while_its_next_hop_can_be_resolved() {
    let mut desk = Desk::new(always());
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    assert_eq!(desk.refuse(Refusal::Unknown).len(), 2);
    desk.hear(link(1, LinkState::NoCarrier));
    desk.dump_ends([], DumpEnd::Interrupted);
    desk.hear(link(1, LinkState::NoCarrier));
    desk.fib.begin_dump(desk.now);
    desk.fib.handle_dumped(link(1, LinkState::NoCarrier));
    desk.fib.end_dump(desk.now, DumpEnd::Complete);
    assert_eq!(desk.writes(), [""; 0]);
}

/// The routes over it are gone with it, and the kernel does not say so.
#[test]
fn an_object_that_somebody_deleted_is_made_again_with_its_routes() {
    let mut desk = two_routes();
    desk.hear(KernelEvent::ObjectGone(FIRST + 1));
    assert_eq!((counted(&desk), desk.wants_dump()), ((1, 3), true));
    assert_eq!(desk.writes(), ["create #1 #0", "create 10.1.0.0/16 1024 #1"]);
    desk.hear(KernelEvent::ObjectGone(FIRST));
    assert_eq!(counted(&desk), (1, 2));
    assert_eq!(desk.writes(), ["create #0 192.0.2.2@1", "create #1 #0", "create 10.1.0.0/16 1024 #1"]);
}

#[test]
fn a_group_that_lost_a_leg_gets_it_back() {
    let mut desk = Desk::new(always());
    desk.learn("10.1.0.0/16", &["192.0.2.2", "198.51.100.2"]);
    desk.writes();
    desk.hear(KernelEvent::ObjectGone(FIRST));
    assert_eq!((counted(&desk), desk.wants_dump()), ((1, 2), true));
    assert_eq!(desk.writes(), ["create #0 192.0.2.2@1", "replace #2 #0+#1"]);
    desk.hear(object(2, ObjectSpec::Group(smallvec![(FIRST, 1)])));
    assert_eq!(desk.writes(), ["replace #2 #0+#1"]);
}

#[test]
fn the_loss_of_carrier_takes_the_objects_of_that_link_and_their_routes() {
    let mut desk = two_routes();
    desk.hear(link(1, LinkState::NoCarrier));
    assert_eq!((counted(&desk), desk.wants_dump()), ((1, 2), true));
    desk.hear(link(1, LinkState::Up));
    assert_eq!(desk.writes(), ["create #0 192.0.2.2@1", "create #1 #0", "create 10.1.0.0/16 1024 #1"]);
}

/// A route cannot lead to what the same dump did not have.
#[test]
fn a_dump_without_an_object_is_one_without_its_routes() {
    let mut desk = two_routes();
    let over = |destination, number| there(route(destination, 1024, 158, Target::Object(FIRST + number)));
    let other = [leg(2, "198.51.100.2", 2), object(3, ObjectSpec::Group(smallvec![(FIRST + 2, 1)]))];
    desk.dump(other.into_iter().chain([over("10.1.0.0/16", 1), over("10.2.0.0/16", 3)]));
    assert_eq!(counted(&desk), (1, 2));
}

/// Routes whose object cannot be made have their legs themselves, and only those.
#[test]
fn where_an_object_cannot_be_made_the_routes_have_their_legs() {
    let mut desk = Desk::new(always());
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    assert_eq!(desk.writes().len(), 3);
    desk.learn("10.2.0.0/16", &["198.51.100.2"]);
    desk.learn("10.3.0.0/16", &["192.0.2.3"]);
    let writes = desk.poll(10);
    let writes: Vec<String> = writes.iter().map(text).collect();
    let asked = ["create #2 198.51.100.2@2", "create #4 192.0.2.3@1", "create #3 #2", "create #5 #4"];
    assert_eq!(writes, asked);
    // The leg of one of them, and so its group.
    desk.fib.handle_results(desk.now, &[(0, ENETDOWN)]);
    assert_eq!(desk.fib.counters().failures, 1);
    assert_eq!(desk.writes(), ["create 10.2.0.0/16 1024 198.51.100.2@2", "create 10.3.0.0/16 1024 #5"]);
}

#[test]
fn what_could_not_be_made_is_tried_again_after_a_time_or_when_a_link_comes() {
    for hears in [false, true] {
        let mut desk = Desk::new(always());
        desk.learn("10.1.0.0/16", &["192.0.2.2"]);
        assert_eq!(desk.refuse(ENETDOWN).len(), 2);
        assert_eq!((desk.wants_dump(), desk.fib.counters().failures), (true, 2));
        desk.dump([]);
        assert_eq!(desk.writes(), ["create 10.1.0.0/16 1024 192.0.2.2@1"]);
        assert_eq!(desk.fib.poll_timeout(), Some(desk.now + Duration::from_secs(1)));
        if hears {
            desk.hear(link(2, LinkState::NoCarrier));
            assert_eq!(desk.writes(), [""; 0]);
            desk.hear(link(2, LinkState::Up));
        } else {
            desk.later(1);
        }
        let written = desk.writes();
        assert!(
            matches!(written.as_slice(), [_, _, route] if route.starts_with("replace 10.1.0.0/16 1024 #")),
            "{written:?}"
        );
    }
}

#[test]
fn a_number_that_somebody_has_taken_is_not_used() {
    let mut desk = Desk::new(always());
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    assert_eq!(desk.refuse(Refusal::Exists), ["create #0 192.0.2.2@1", "create #1 #0"]);
    assert_eq!(desk.writes(), ["create #2 192.0.2.2@1", "create #3 #2", "create 10.1.0.0/16 1024 #3"]);
    assert_eq!(desk.fib.counters().failures, 0);
}

/// It may be ours, taken to be gone too early: the dump tells.
#[test]
fn a_number_that_may_be_ours_is_kept_until_the_dump() {
    let mut desk = Desk::new(always());
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    desk.hear(KernelEvent::Overrun);
    assert_eq!(desk.refuse(Refusal::Exists), ["create #0 192.0.2.2@1", "create #1 #0"]);
    desk.dump([leg(0, "192.0.2.2", 1), object(1, ObjectSpec::Group(smallvec![(FIRST, 1)]))]);
    assert_eq!(desk.writes(), ["create 10.1.0.0/16 1024 #1"]);

    let mut desk = Desk::new(always());
    desk.learn("10.1.0.0/16", &["192.0.2.2"]);
    desk.hear(KernelEvent::Overrun);
    assert_eq!(desk.refuse(Refusal::Exists), ["create #0 192.0.2.2@1", "create #1 #0"]);
    desk.dump([]);
    assert_eq!(desk.writes(), ["create #0 192.0.2.2@1", "create #1 #0", "create 10.1.0.0/16 1024 #1"]);
}

/// He may have gone since: a dump tells, unless it is a dump that says so.
#[test]
fn a_stranger_who_takes_a_number_of_ours_asks_for_a_dump() {
    let his = Leg::new(IfIndex(2), Some(ip("198.51.100.9")));
    let his = || KernelEvent::Object(KernelObject { id: FIRST, protocol: 4, object: ObjectSpec::Leg(his) });
    let mut desk = two_routes();
    desk.hear(his());
    assert!(desk.wants_dump());
    let mut desk = two_routes();
    let group = |number| object(number, ObjectSpec::Group(smallvec![(FIRST + number - 1, 1)]));
    let over = |destination, number| there(route(destination, 1024, 158, Target::Object(FIRST + number)));
    let routes = [over("10.1.0.0/16", 1), over("10.2.0.0/16", 3)];
    desk.dump([his(), group(1), leg(2, "198.51.100.2", 2), group(3)].into_iter().chain(routes));
    assert_eq!((desk.wants_dump(), desk.fib.counters().installed), (false, 2));
}

#[test]
fn a_number_to_which_no_route_leads_asks_for_no_dump() {
    let mut desk = two_routes();
    desk.fib.sweep(desk.now);
    desk.withdraw("10.1.0.0/16");
    assert_eq!((desk.writes().len(), desk.wants_dump()), (3, false));
    desk.hear(KernelEvent::ObjectGone(FIRST + 1));
    assert!(!desk.wants_dump());
}

/// The kernel takes an object away by its number, whoever has it.
#[test]
fn an_object_goes_when_all_reports_are_read() {
    let mut desk = two_routes();
    desk.fib.sweep(desk.now);
    desk.withdraw("10.1.0.0/16");
    assert_eq!(desk.batch(10), ["delete 10.1.0.0/16 1024 #1"]);
    let mut writes = Vec::new();
    desk.fib.poll_writes(10, Heard::Some, &mut writes);
    assert_eq!((writes.len(), desk.fib.wants_to_hear()), (0, true));
    assert_eq!(desk.batch(10), ["delete #1 #0"]);
}

/// A link is reported without carrier, and what was over it is assumed gone, but is not: the kernel takes it away later. A
/// torn dump finds the objects, and not the route that points to them.
#[test]
fn an_object_that_only_a_torn_dump_has_found_stays() {
    let mut desk = Desk::with(always(), left_over());
    desk.fib.sweep(desk.now);
    desk.hear(link(1, LinkState::NoCarrier));
    assert_eq!(counted(&desk), (0, 0));
    desk.dump_ends(left_over().into_iter().take(2), DumpEnd::Interrupted);
    assert_eq!((counted(&desk), desk.writes(), desk.wants_dump()), ((0, 2), Vec::new(), true));
    desk.dump(left_over());
    assert_eq!(desk.writes(), ["delete 10.1.0.0/16 1024 #1", "delete #1 #0", "delete #0 192.0.2.2@1"]);
}

#[test]
fn a_sweep_is_not_told_while_an_object_waits_to_be_replaced() {
    let swept = |desk: &mut Desk| desk.told().iter().any(|output| matches!(output, Output::Swept(_)));
    let changed = || object(2, ObjectSpec::Group(smallvec![(FIRST, 1)]));
    let mut desk = Desk::new(always());
    desk.learn("10.1.0.0/16", &["192.0.2.2", "198.51.100.2"]);
    desk.writes();
    desk.hear(KernelEvent::Overrun);
    desk.hear(changed());
    desk.fib.sweep(desk.now);
    assert_eq!((desk.writes(), swept(&mut desk)), (Vec::new(), false));
    let over = there(route("10.1.0.0/16", 1024, 158, Target::Object(FIRST + 2)));
    desk.dump([leg(0, "192.0.2.2", 1), leg(1, "198.51.100.2", 2), changed(), over]);
    assert_eq!((desk.writes(), swept(&mut desk)), (vec!["replace #2 #0+#1".to_owned()], true));
}
