//! Nexthop objects and groups.

use heddle_netlink::{
    Change, DumpSocket, Dumped, Errno, Event, Family, MonitorOptions, NexthopId, NexthopObject, NexthopTarget,
    Protocol, RequestSocket, Weight,
};

use crate::Case;
use crate::common::{COOKIE, Ear, Net, done, ip, ours, refused, route};

pub(crate) const CASES: &[Case] = &[
    ("nexthops::each_kind_is_read_back_as_it_was_written", each_kind),
    ("nexthops::routes_follow_their_object_and_go_with_it", routes_follow),
    ("nexthops::a_single_one_and_a_group_do_not_replace_one_another", not_replaced),
    ("nexthops::events_of_objects", events),
];

/// All nexthop objects.
pub(crate) fn objects() -> Vec<NexthopObject> {
    let mut found = Vec::new();
    let mut socket = DumpSocket::open().expect("dump socket");
    assert_eq!(socket.nexthops(|object| found.push(object.canonical())).expect("dump"), Dumped::Complete);
    found
}

fn object(id: u32, target: NexthopTarget) -> NexthopObject {
    NexthopObject { id: NexthopId(id), protocol: Protocol::HEDDLE, target }
}

fn group(id: u32, members: &[(u32, u16)]) -> NexthopObject {
    let members = members.iter().map(|(id, weight)| (NexthopId(*id), Weight::new(*weight).expect("not 0")));
    object(id, NexthopTarget::Group(members.collect()))
}

fn gateway(net: &Net, id: u32, gateway: &str) -> NexthopObject {
    object(id, NexthopTarget::Gateway { gateway: ip(gateway), oif: net.a, onlink: false })
}

fn each_kind(net: Net) {
    let mut socket = RequestSocket::open().expect("request socket");
    let all = [
        gateway(&net, 1, "192.0.2.2"),
        gateway(&net, 2, "192.0.2.3"),
        gateway(&net, 3, "2001:db8:1::2"),
        object(4, NexthopTarget::Gateway { gateway: ip("203.0.113.1"), oif: net.b, onlink: true }),
        object(5, NexthopTarget::Device { family: Family::Ipv4, oif: net.b }),
        object(6, NexthopTarget::Device { family: Family::Ipv6, oif: net.b }),
        object(7, NexthopTarget::Blackhole { family: Family::Ipv4 }),
        object(8, NexthopTarget::Blackhole { family: Family::Ipv6 }),
        group(9, &[(1, 1)]),
        group(10, &[(2, 256), (1, 3), (4, 1)]),
    ];
    done(&mut socket, |socket| all.iter().for_each(|object| socket.add_nexthop(COOKIE, object).expect("queued")));
    assert_eq!(objects(), all.clone().map(NexthopObject::canonical));
    let routes = [
        route("10.1.0.0/16").via_nexthop(NexthopId(1)),
        // IPv4 over an IPv6 gateway.
        route("10.3.0.0/16").via_nexthop(NexthopId(3)),
        route("10.5.0.1/32").via_nexthop(NexthopId(5)),
        route("10.7.0.0/16").via_nexthop(NexthopId(7)),
        route("10.9.0.0/16").via_nexthop(NexthopId(9)),
        route("10.10.0.0/16").via_nexthop(NexthopId(10)).metric(7),
        route("2001:db8:55:3::/64").via_nexthop(NexthopId(3)),
        route("2001:db8:55:8::/64").via_nexthop(NexthopId(8)),
    ];
    done(&mut socket, |socket| routes.iter().for_each(|route| socket.add(COOKIE, route).expect("queued")));
    let mut found = ours();
    found.sort_by_key(|route| (route.family(), route.nexthop));
    assert_eq!(found, routes.clone().map(|route| route.canonical()));
    done(&mut socket, |socket| routes.iter().for_each(|route| socket.delete(COOKIE, route).expect("queued")));
    assert_eq!(ours(), vec![]);
    done(&mut socket, |socket| {
        all.iter().rev().for_each(|object| socket.delete_nexthop(COOKIE, object.id).expect("queued"));
    });
    assert_eq!(objects(), vec![]);
    assert_eq!(
        refused(&mut socket, |socket| socket.delete_nexthop(COOKIE, NexthopId(1)).expect("queued")),
        Errno::ENOENT
    );
}

fn routes_follow(net: Net) {
    let mut socket = RequestSocket::open().expect("request socket");
    let used = route("10.1.0.0/16").via_nexthop(NexthopId(20));
    done(&mut socket, |socket| {
        socket.add_nexthop(COOKIE, &gateway(&net, 1, "192.0.2.2")).expect("queued");
        socket.add_nexthop(COOKIE, &gateway(&net, 2, "192.0.2.3")).expect("queued");
        socket.add_nexthop(COOKIE, &group(20, &[(1, 1)])).expect("queued");
        socket.add(COOKIE, &used).expect("queued");
    });
    done(&mut socket, |socket| socket.replace_nexthop(COOKIE, &group(20, &[(2, 1), (1, 2)])).expect("queued"));
    assert_eq!(ours(), vec![used.canonical()]);
    assert_eq!(objects().last(), Some(&group(20, &[(1, 2), (2, 1)])));
    // A member that goes leaves its groups.
    done(&mut socket, |socket| socket.delete_nexthop(COOKIE, NexthopId(1)).expect("queued"));
    assert_eq!(objects().last(), Some(&group(20, &[(2, 1)])));
    // The last member takes the group with it, and the group its routes.
    done(&mut socket, |socket| socket.delete_nexthop(COOKIE, NexthopId(2)).expect("queued"));
    assert_eq!((objects(), ours()), (vec![], vec![]));
}

fn not_replaced(net: Net) {
    let mut socket = RequestSocket::open().expect("request socket");
    done(&mut socket, |socket| {
        socket.add_nexthop(COOKIE, &gateway(&net, 1, "192.0.2.2")).expect("queued");
        socket.add_nexthop(COOKIE, &gateway(&net, 2, "192.0.2.2")).expect("queued");
        socket.add_nexthop(COOKIE, &group(3, &[(1, 1)])).expect("queued");
    });
    let taken =
        refused(&mut socket, |socket| socket.add_nexthop(COOKIE, &gateway(&net, 1, "192.0.2.9")).expect("queued"));
    assert_eq!(taken, Errno::EEXIST);
    let to_group = refused(&mut socket, |socket| socket.replace_nexthop(COOKIE, &group(2, &[(1, 1)])).expect("queued"));
    let to_single =
        refused(&mut socket, |socket| socket.replace_nexthop(COOKIE, &gateway(&net, 3, "192.0.2.9")).expect("queued"));
    assert_eq!((to_group, to_single), (Errno::EINVAL, Errno::EINVAL));
    let missing =
        refused(&mut socket, |socket| socket.replace_nexthop(COOKIE, &gateway(&net, 4, "192.0.2.9")).expect("queued"));
    assert_eq!(missing, Errno::ENOENT);
}

fn events(mut net: Net) {
    let mut ear = Ear::open(&MonitorOptions::default());
    let one = gateway(&net, 1, "192.0.2.2");
    net.control.add_nexthop(&one).expect("added");
    ear.wait_for("the object", |event| *event == Event::Nexthop(Change::New, one.clone()));
    net.control.delete_nexthop(one.id).expect("deleted");
    ear.wait_for("its deletion", |event| *event == Event::Nexthop(Change::Deleted, one.clone()));
}
