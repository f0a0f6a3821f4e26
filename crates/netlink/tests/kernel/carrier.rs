//! What the kernel does to routes and nexthop objects when a link loses its carrier, is switched off, loses an address or
//! goes: the facts that the documentation of events states. What is silent is what whoever follows events must know.

use heddle_netlink::{
    Change, Cookie, Errno, Event, Leg, MonitorOptions, NexthopId, NexthopObject, NexthopTarget, Protocol, RequestSocket,
};

use crate::Case;
use crate::common::{COOKIE, Ear, Net, done, ip, net, ours, refused, route};
use crate::nexthops::objects;

pub(crate) const CASES: &[Case] = &[
    ("carrier::its_loss_leaves_routes_and_takes_objects_with_their_ipv4_routes_silently", loss),
    ("carrier::an_object_cannot_be_made_without_it", object_without),
    ("carrier::a_link_switched_off_takes_ipv4_routes_silently_and_ipv6_routes_aloud", switched_off),
    ("carrier::a_deleted_object_takes_ipv4_routes_silently_and_ipv6_routes_aloud", object_deleted),
    ("carrier::a_removed_address_leaves_routes_whose_gateway_is_no_longer_on_the_link", address_removed),
];

fn object(net: &Net, id: u32, gateway: &str) -> NexthopObject {
    let target = NexthopTarget::Gateway { gateway: ip(gateway), oif: net.a, onlink: false };
    NexthopObject { id: NexthopId(id), protocol: Protocol::HEDDLE, target }
}

fn deleted_routes(ear: &Ear) -> Vec<String> {
    let deleted = ear.heard.iter().filter_map(|event| match event {
        Event::Route(Change::Deleted, route) if route.protocol == Protocol::HEDDLE => Some(route.prefix.to_string()),
        _ => None,
    });
    deleted.collect()
}

fn loss(mut lab: Net) {
    let mut socket = RequestSocket::open().expect("request socket");
    let classic = [
        route("10.1.0.0/16").leg(Leg::via(ip("192.0.2.2"), lab.a)),
        route("2001:db8:55:1::/64").leg(Leg::via(ip("2001:db8:1::2"), lab.a)),
    ];
    done(&mut socket, |socket| {
        socket.add_nexthop(COOKIE, &object(&lab, 1, "192.0.2.2")).expect("queued");
        socket.add_nexthop(COOKIE, &object(&lab, 2, "2001:db8:1::2")).expect("queued");
        classic.iter().for_each(|route| socket.add(COOKIE, route).expect("queued"));
        socket.add(COOKIE, &route("10.2.0.0/16").via_nexthop(NexthopId(1))).expect("queued");
        socket.add(COOKIE, &route("2001:db8:55:2::/64").via_nexthop(NexthopId(2))).expect("queued");
    });
    assert_eq!(ours().len(), 4);
    let mut ear = Ear::open(&MonitorOptions::default());
    lab.control.set_down(lab.a_peer).expect("down");
    let a = lab.a;
    ear.wait_for(
        "the loss of carrier",
        |event| matches!(event, Event::Link(_, link) if link.index == a && link.up && !link.carrier),
    );
    assert_eq!(objects(), vec![]);
    assert_eq!(ours(), classic.clone().map(|route| route.canonical()));
    lab.control.add_route(&route("10.99.0.0/16").leg(Leg::device(lab.b))).expect("added");
    ear.wait_for(
        "a later route",
        |event| matches!(event, Event::Route(_, route) if route.prefix == net("10.99.0.0/16")),
    );
    assert_eq!(deleted_routes(&ear), vec!["2001:db8:55:2::/64"]);
    assert!(!ear.heard.iter().any(|event| matches!(event, Event::Nexthop(..))), "{:?}", ear.heard);
}

fn object_without(mut lab: Net) {
    let mut socket = RequestSocket::open().expect("request socket");
    lab.control.set_down(lab.a_peer).expect("down");
    let mut ear = Ear::open(&MonitorOptions::default());
    ear.listen();
    let error = refused(&mut socket, |socket| {
        socket.add_nexthop(Cookie(1), &object(&lab, 1, "192.0.2.2")).expect("queued");
    });
    assert_eq!(error, Errno::ENETDOWN);
    // A classic route can be written: it is there, dead, when the carrier comes back.
    let classic = route("10.1.0.0/16").leg(Leg::via(ip("192.0.2.2"), lab.a).onlink());
    let results = crate::common::results(&mut socket, |socket| socket.add(COOKIE, &classic).expect("queued"));
    assert_eq!(results.failures, vec![]);
}

fn switched_off(mut lab: Net) {
    let mut socket = RequestSocket::open().expect("request socket");
    done(&mut socket, |socket| {
        socket.add(COOKIE, &route("10.1.0.0/16").leg(Leg::via(ip("192.0.2.2"), lab.a))).expect("queued");
        socket.add(COOKIE, &route("2001:db8:55:1::/64").leg(Leg::via(ip("2001:db8:1::2"), lab.a))).expect("queued");
    });
    let mut ear = Ear::open(&MonitorOptions::default());
    lab.control.set_down(lab.a).expect("down");
    assert_eq!(ours(), vec![]);
    let a = lab.a;
    ear.wait_for("switched off", |event| matches!(event, Event::Link(_, link) if link.index == a && !link.up));
    ear.listen();
    assert_eq!(deleted_routes(&ear), vec!["2001:db8:55:1::/64"]);
}

fn address_removed(mut lab: Net) {
    let mut socket = RequestSocket::open().expect("request socket");
    let mine = route("10.1.0.0/16").leg(Leg::via(ip("192.0.2.2"), lab.a));
    let mut with_source = route("10.2.0.0/16").leg(Leg::via(ip("198.51.100.2"), lab.b));
    with_source.preferred_source = Some(ip("192.0.2.1"));
    done(&mut socket, |socket| {
        socket.add(COOKIE, &mine).expect("queued");
        socket.add(COOKIE, &with_source).expect("queued");
    });
    lab.control.add_address(lab.a, net("203.0.113.1/24")).expect("added");
    let mut ear = Ear::open(&MonitorOptions::default());
    lab.control.delete_address(lab.a, net("192.0.2.1/24")).expect("deleted");
    // What prefers the address as source goes. That is told since Linux 6.6.
    assert_eq!(ours(), vec![mine.canonical()]);
    ear.wait_for("the address", |event| matches!(event, Event::Address(Change::Deleted, _)));
    ear.listen();
}

fn object_deleted(mut lab: Net) {
    let mut socket = RequestSocket::open().expect("request socket");
    done(&mut socket, |socket| {
        socket.add_nexthop(COOKIE, &object(&lab, 2, "2001:db8:1::2")).expect("queued");
        socket.add(COOKIE, &route("10.2.0.0/16").via_nexthop(NexthopId(2))).expect("queued");
        socket.add(COOKIE, &route("2001:db8:55:2::/64").via_nexthop(NexthopId(2))).expect("queued");
    });
    let mut ear = Ear::open(&MonitorOptions::default());
    lab.control.delete_nexthop(NexthopId(2)).expect("deleted");
    assert_eq!(ours(), vec![]);
    ear.wait_for(
        "the object deleted",
        |event| matches!(event, Event::Nexthop(Change::Deleted, object) if object.id == NexthopId(2)),
    );
    ear.listen();
    assert_eq!(deleted_routes(&ear), vec!["2001:db8:55:2::/64"]);
}
