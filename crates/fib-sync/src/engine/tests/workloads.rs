//! Routes that leave by workload interfaces, where these have a number of their own.

use super::*;
use crate::input::LocalKind;

/// `b0` is a workload's.
fn with_workload(nexthop_objects: NexthopObjects) -> Settings {
    Settings {
        workload_protocol: Some(12),
        workload_interfaces: vec!["b*".to_owned()],
        ..with_objects(nexthop_objects)
    }
}

fn birds(destination: &str, gateways: &str) -> KernelRoute {
    route(destination, 1024, 12, legs(gateways))
}

fn named(index: u32, name: &str) -> KernelEvent {
    KernelEvent::Link(Link { index: IfIndex(index), name: name.to_owned(), state: LinkState::Up })
}

/// Of the legs all count, and no object is used: a route is known by the interfaces that it names.
#[test]
fn routes_over_workloads_alone_have_that_number_and_legs_of_their_own() {
    let mut desk = Desk::new(with_workload(NexthopObjects::Always));
    desk.learn("10.1.0.0/16", &["198.51.100.2"]);
    desk.learn("10.2.0.0/16", &["198.51.100.2", "198.51.100.3"]);
    assert_eq!(
        desk.writes(),
        ["create 10.1.0.0/16 1024 198.51.100.2@2 as 12", "create 10.2.0.0/16 1024 198.51.100.2@2,198.51.100.3@2 as 12"]
    );
    desk.learn("10.2.0.0/16", &["192.0.2.2", "198.51.100.2"]);
    assert_eq!(
        desk.writes(),
        ["create #0 192.0.2.2@1", "create #1 198.51.100.2@2", "create #2 #0+#1", "replace 10.2.0.0/16 1024 #2"]
    );
    assert_eq!(desk.row("10.1.0.0/16").desired.map(|desired| desired.protocol), Some(12));
    assert_eq!(desk.state("10.1.0.0/16"), State::Installed);
    // A next hop that moves to a workload takes its routes out of the object.
    desk.learn("10.3.0.0/16", &["203.0.113.1"]);
    desk.hear(there(strangers("203.0.113.0/24", 10, "192.0.2.9@1")));
    desk.fib.sweep(desk.now);
    assert_eq!(desk.writes().last().map(String::as_str), Some("create 10.3.0.0/16 1024 #4"));
    desk.hear(KernelEvent::Route(strangers("203.0.113.0/24", 10, "198.51.100.9@2"), Placed::Replaced));
    assert_eq!(desk.writes().first().map(String::as_str), Some("replace 10.3.0.0/16 1024 198.51.100.9@2 as 12"));
}

/// Also when a dump tells of it between the two.
#[test]
fn an_interface_that_gets_another_name_renumbers_its_routes_in_place() {
    let mut desk = Desk::new(with_workload(NexthopObjects::Never));
    desk.learn("10.1.0.0/16", &["198.51.100.2"]);
    assert_eq!(desk.writes(), ["create 10.1.0.0/16 1024 198.51.100.2@2 as 12"]);
    desk.hear(named(2, "eth7"));
    desk.fib.begin_dump(desk.now);
    let told = [link(1, LinkState::Up), named(2, "eth7")];
    let others = machine().into_iter().skip(2).chain([there(birds("10.1.0.0/16", "198.51.100.2@2"))]);
    for event in told.into_iter().chain(others) {
        desk.fib.handle_dumped(event);
    }
    desk.fib.end_dump(desk.now, DumpEnd::Complete);
    assert_eq!(desk.writes(), ["replace 10.1.0.0/16 1024 198.51.100.2@2"]);
    assert_eq!(desk.fib.counters().conflicts, 0);
    desk.hear(named(2, "b1"));
    assert_eq!(desk.writes(), ["replace 10.1.0.0/16 1024 198.51.100.2@2 as 12"]);
    desk.apply(|settings| settings.workload_interfaces.clear());
    assert_eq!(desk.writes(), ["replace 10.1.0.0/16 1024 198.51.100.2@2"]);
}

/// The same number on another interface is somebody else's, at the start too; on a workload's it is ours, and goes when
/// nobody wants it. None of it is originated.
#[test]
fn the_number_is_ours_on_workload_interfaces_alone() {
    let found = [
        there(birds("10.1.0.0/16", "198.51.100.2@2")),
        there(birds("10.2.0.0/16", "198.51.100.2@2")),
        there(birds("10.3.0.0/16", "192.0.2.2@1")),
        there(birds("10.4.0.0/16", "192.0.2.2@1 198.51.100.2@2")),
    ];
    let mut desk = Desk::with(with_workload(NexthopObjects::Never), found);
    let workloads = |outputs: Vec<Output>| {
        outputs
            .into_iter()
            .any(|output| matches!(output, Output::LocalSet(route) if route.prefix == prefix("10.1.0.0/16")))
    };
    assert!(!workloads(desk.told()));
    for destination in ["10.1.0.0/16", "10.3.0.0/16", "10.4.0.0/16"] {
        desk.learn(destination, &["198.51.100.2"]);
    }
    desk.fib.sweep(desk.now);
    assert_eq!(desk.writes(), ["delete 10.2.0.0/16 1024 198.51.100.2@2"]);
    assert_eq!(desk.state("10.1.0.0/16"), State::Installed);
    for destination in ["10.3.0.0/16", "10.4.0.0/16"] {
        assert_eq!(desk.state(destination), State::Conflict { protocol: 12 });
    }
    // Somebody has ours lead elsewhere: now it is his.
    desk.hear(KernelEvent::Route(birds("10.1.0.0/16", "192.0.2.9@1"), Placed::Replaced));
    assert_eq!((desk.writes(), desk.state("10.1.0.0/16")), (vec![], State::Conflict { protocol: 12 }));
    desk.hear(KernelEvent::RouteGone(birds("10.1.0.0/16", "192.0.2.9@1")));
    assert_eq!(desk.writes(), ["create 10.1.0.0/16 1024 198.51.100.2@2 as 12"]);
}

/// Who makes the routes to workloads may give them the same number. Such a route is a stranger's: it stays when what is stale
/// goes, it is originated, and who wants its destination meets a conflict.
#[test]
fn routes_to_the_workloads_themselves_are_strangers_whatever_their_number() {
    let device = Leg::new(IfIndex(2), None);
    let to_workload = |destination| route(destination, 1024, 12, Target::legs(Legs::from_slice(&[device])));
    let half = [device, Leg::new(IfIndex(2), Some(ip("198.51.100.2")))];
    let found = [
        there(to_workload("10.65.0.1/32")),
        there(to_workload("10.65.0.2/32")),
        there(route("10.65.0.3/32", 1024, 12, Target::legs(Legs::from_slice(&half)))),
        there(birds("10.65.0.4/32", "198.51.100.2@2")),
    ];
    let mut desk = Desk::with(with_workload(NexthopObjects::Never), found);
    desk.learn("10.65.0.2/32", &["198.51.100.2"]);
    desk.fib.sweep(desk.now);
    assert_eq!(desk.writes(), ["delete 10.65.0.4/32 1024 198.51.100.2@2"]);
    assert_eq!(desk.state("10.65.0.2/32"), State::Conflict { protocol: 12 });
    let mut local: Vec<String> = desk.fib.local_routes().map(|route| route.prefix.to_string()).collect();
    local.retain(|prefix| prefix.starts_with("10.65."));
    local.sort();
    assert_eq!(local, ["10.65.0.1/32", "10.65.0.2/32", "10.65.0.3/32"]);
    desk.hear(KernelEvent::Route(to_workload("10.65.0.5/32"), Placed::Replaced));
    assert_eq!(desk.writes(), [""; 0]);
}

/// They are taken away from the interface just as learned ones are.
#[test]
fn static_routes_over_a_workload_have_the_number_as_well() {
    let via = crate::settings::StaticRoute { prefix: prefix("203.0.113.7/32"), via: ip("198.51.100.2") };
    let settings = Settings { static_routes: vec![via], ..with_workload(NexthopObjects::Never) };
    let mut desk = Desk::new(settings);
    let created: Vec<String> = desk.writes().into_iter().filter(|write| write.starts_with("create")).collect();
    assert_eq!(created, ["create 203.0.113.7/32 1024 198.51.100.2@2 as 12"]);
    desk.apply(|settings| settings.static_routes.clear());
    assert_eq!(desk.writes(), ["delete 203.0.113.7/32 1024 198.51.100.2@2"]);
}

/// The second link has this name, and the kernel has these routes as well.
fn read(desk: &mut Desk, name: &str, found: &[KernelEvent]) {
    desk.fib.begin_dump(desk.now);
    let links = [link(1, LinkState::Up), named(2, name)];
    for event in links.into_iter().chain(machine().into_iter().skip(2)).chain(found.iter().cloned()) {
        desk.fib.handle_dumped(event);
    }
    desk.fib.end_dump(desk.now, DumpEnd::Complete);
}

/// An interface is a workload's from now on, by its name or by the settings: what has the number there is read again at once, and
/// is ours. Where nothing has it but the route to the workload, nothing is read.
#[test]
fn what_becomes_ours_with_its_interface_is_read_again() {
    let device = Target::legs(Legs::from_slice(&[Leg::new(IfIndex(2), None)]));
    let to_workload = there(route("10.65.0.1/32", 1024, 12, device));
    let led = there(birds("10.1.0.0/16", "198.51.100.9@2"));
    for (name, found, wants_dump) in [
        ("b1", vec![to_workload.clone()], false),
        ("eth7", vec![to_workload.clone()], false),
        ("b1", vec![to_workload.clone(), led.clone()], true),
        ("eth7", vec![to_workload, led], true),
    ] {
        let mut desk = Desk::unread(with_workload(NexthopObjects::Never));
        read(&mut desk, "eth7", &found);
        desk.learn("10.1.0.0/16", &["198.51.100.2"]);
        let created = usize::from(!wants_dump);
        assert_eq!((desk.writes().len(), desk.wants_dump()), (created, false));
        match name {
            "eth7" => desk.apply(|settings| settings.workload_interfaces = vec!["eth*".to_owned()]),
            other => desk.hear(named(2, other)),
        }
        assert_eq!(desk.wants_dump(), wants_dump, "{name}: {found:?}");
        if wants_dump {
            assert_eq!((desk.writes(), desk.state("10.1.0.0/16")), (vec![], State::Conflict { protocol: 12 }));
            read(&mut desk, name, &found);
        }
        assert_eq!(desk.writes(), ["replace 10.1.0.0/16 1024 198.51.100.2@2 as 12"], "{name}");
        assert_eq!((desk.state("10.1.0.0/16"), desk.wants_dump()), (State::Installed, false));
    }
}

/// Without a number of their own, or with the usual one, they are as all others.
#[test]
fn without_a_number_of_their_own_nothing_is_different() {
    for number in [None, Some(158)] {
        let settings = Settings { workload_protocol: number, ..with_workload(NexthopObjects::Always) };
        let mut desk = Desk::with(settings, [there(birds("10.2.0.0/16", "198.51.100.2@2"))]);
        desk.learn("10.1.0.0/16", &["198.51.100.2"]);
        let local = desk.fib.local_routes().find(|route| route.prefix == prefix("10.2.0.0/16"));
        assert_eq!(local.map(|route| route.kind), Some(LocalKind::Workload));
        assert_eq!(desk.writes().last().map(String::as_str), Some("create 10.1.0.0/16 1024 #1"));
    }
}
