//! Events: what is heard, what is not, what is lost.

use heddle_netlink::{
    Change, Cookie, Event, IpNetwork, Leg, MonitorOptions, Protocol, RequestSocket, Route, Subscriptions,
};

use crate::Case;
use crate::common::{COOKIE, Ear, Net, done, ip, net, route};

pub(crate) const CASES: &[Case] = &[
    ("monitor::hears_others_and_not_us", others),
    ("monitor::an_install_of_ours_takes_no_room_in_a_small_buffer", no_room_taken),
    ("monitor::a_full_buffer_is_an_overrun_and_it_goes_on", overrun),
    ("monitor::links_and_addresses", links_and_addresses),
    ("monitor::hears_only_what_it_subscribed_to", subscriptions),
    ("monitor::a_port_that_leaves_a_bridge_is_no_deleted_link", bridge_port),
];

fn is_route(event: &Event, change: Change, prefix: &str) -> bool {
    matches!(event, Event::Route(what, route) if *what == change && route.prefix == net(prefix))
}

fn others(mut lab: Net) {
    let mut socket = RequestSocket::open().expect("request socket");
    let options = MonitorOptions { deaf_to: vec![socket.port()], ..MonitorOptions::default() };
    let mut ear = Ear::open(&options);
    let leg = Leg::via(ip("192.0.2.2"), lab.a);
    let mine = route("10.1.0.0/16").leg(leg);
    done(&mut socket, |socket| socket.add(COOKIE, &mine).expect("queued"));
    let theirs = Route { protocol: Protocol::STATIC, ..route("10.2.0.0/16").leg(leg) };
    lab.control.add_route(&theirs).expect("added");
    ear.wait_for("a stranger's route", |event| *event == Event::Route(Change::New, theirs.clone().canonical()));
    // A stranger takes our route away.
    lab.control.delete_route(&mine).expect("deleted");
    ear.wait_for("our route, deleted by a stranger", |event| is_route(event, Change::Deleted, "10.1.0.0/16"));
    assert!(!ear.heard.iter().any(|event| is_route(event, Change::New, "10.1.0.0/16")), "{:?}", ear.heard);
}

/// The n-th of many prefixes.
fn nth(n: u32) -> IpNetwork {
    IpNetwork::new(std::net::Ipv4Addr::from(0x0a00_0000 + (n << 8)).into(), 24).expect("a prefix")
}

fn install(socket: &mut RequestSocket, leg: Leg, count: u32) {
    done(socket, |socket| {
        for n in 0..count {
            socket.add(Cookie(0), &Route::new(nth(n), Protocol::HEDDLE).leg(leg)).expect("queued");
        }
    });
}

fn no_room_taken(mut lab: Net) {
    let mut socket = RequestSocket::open().expect("request socket");
    let options =
        MonitorOptions { deaf_to: vec![socket.port()], receive_buffer: 128 << 10, ..MonitorOptions::default() };
    let mut ear = Ear::open(&options);
    let leg = Leg::via(ip("192.0.2.2"), lab.a);
    install(&mut socket, leg, 20_000);
    lab.control.add_route(&route("172.16.0.0/12").leg(leg)).expect("added");
    ear.wait_for("the stranger's route", |event| is_route(event, Change::New, "172.16.0.0/12"));
    assert!(!ear.heard.contains(&Event::Overrun), "{:?}", ear.heard);
}

fn overrun(mut lab: Net) {
    let mut socket = RequestSocket::open().expect("request socket");
    let mut ear = Ear::open(&MonitorOptions { receive_buffer: 16 << 10, ..MonitorOptions::default() });
    let leg = Leg::via(ip("192.0.2.2"), lab.a);
    install(&mut socket, leg, 2000);
    ear.wait_for("the overrun", |event| *event == Event::Overrun);
    assert!(ear.heard.len() < 2000);
    ear.listen();
    ear.heard.clear();
    lab.control.add_route(&route("172.16.0.0/12").leg(leg)).expect("added");
    ear.wait_for("a route after the overrun", |event| is_route(event, Change::New, "172.16.0.0/12"));
    assert!(!ear.heard.contains(&Event::Overrun), "{:?}", ear.heard);
}

fn links_and_addresses(mut lab: Net) {
    let mut ear = Ear::open(&MonitorOptions::default());
    let (a, a_peer) = (lab.a, lab.a_peer);
    lab.control.set_down(a_peer).expect("down");
    ear.wait_for(
        "the loss of carrier",
        |event| matches!(event, Event::Link(Change::New, link) if link.index == a && link.up && !link.carrier),
    );
    lab.control.set_up(a_peer).expect("up");
    ear.wait_for("carrier", |event| matches!(event, Event::Link(_, link) if link.index == a && link.carrier));
    lab.control.set_down(a).expect("down");
    ear.wait_for("switched off", |event| matches!(event, Event::Link(_, link) if link.index == a && !link.up));
    lab.control.rename(a, "uplink").expect("renamed");
    ear.wait_for("the name", |event| matches!(event, Event::Link(_, link) if link.name == "uplink"));
    for address in ["203.0.113.7/25", "2001:db8:9::7/64"] {
        let is = |event: &Event, change| {
            matches!(event, Event::Address(what, told) if *what == change && told.link == lab.b
                && told.address == net(address).ip() && told.network.prefix() == net(address).prefix()
                && told.network.ip() == net(address).network())
        };
        lab.control.add_address(lab.b, net(address)).expect("added");
        ear.wait_for("the address", |event| is(event, Change::New));
        lab.control.delete_address(lab.b, net(address)).expect("deleted");
        ear.wait_for("the address deleted", |event| is(event, Change::Deleted));
    }
    lab.control.delete_link(a).expect("deleted");
    for link in [a, a_peer] {
        ear.wait_for(
            "the link deleted",
            |event| matches!(event, Event::Link(Change::Deleted, gone) if gone.index == link),
        );
    }
}

fn subscriptions(mut lab: Net) {
    let none = Subscriptions { routes: false, links: false, addresses: false, nexthops: false };
    let options =
        MonitorOptions { subscriptions: Subscriptions { addresses: true, ..none }, ..MonitorOptions::default() };
    let mut ear = Ear::open(&options);
    lab.control.create_bridge("br0").expect("bridge");
    lab.control.add_route(&route("10.0.0.0/8").leg(Leg::device(lab.a))).expect("added");
    lab.control.add_address(lab.b, net("203.0.113.7/25")).expect("added");
    ear.wait_for("the address", |event| matches!(event, Event::Address(_, told) if told.address == ip("203.0.113.7")));
    assert!(ear.heard.iter().all(|event| matches!(event, Event::Address(..))), "{:?}", ear.heard);
}

fn bridge_port(mut lab: Net) {
    lab.control.create_bridge("br0").expect("bridge");
    let bridge = lab.control.link("br0").expect("the bridge").index;
    let mut ear = Ear::open(&MonitorOptions::default());
    lab.control.set_master(lab.b, Some(bridge)).expect("port");
    let b = lab.b;
    ear.wait_for(
        "the master",
        |event| matches!(event, Event::Link(_, link) if link.index == b && link.master == Some(bridge)),
    );
    lab.control.set_master(lab.b, None).expect("no port");
    lab.control.create_bridge("br1").expect("bridge");
    ear.wait_for("a later link", |event| matches!(event, Event::Link(Change::New, link) if link.name == "br1"));
    assert!(!ear.heard.iter().any(|event| matches!(event, Event::Link(Change::Deleted, _))), "{:?}", ear.heard);
}
