//! Batches: failures find their requests, deletions hit nothing else.

use heddle_netlink::{
    Cookie, EncodeError, Errno, Family, IpNetwork, Leg, NexthopId, NexthopObject, NexthopTarget, Protocol, QueueError,
    RequestSocket, Route, RouteFilter, Table, Weight,
};

use crate::Case;
use crate::common::{COOKIE, Net, done, ip, ours, refused, results, route, routes};

pub(crate) const CASES: &[Case] = &[
    ("requests::failures_among_10000_find_their_requests", ten_thousand),
    ("requests::a_small_buffer_makes_small_batches_and_loses_nothing", small_buffer),
    ("requests::a_request_that_cannot_be_said_leaves_the_batch_alone", not_sayable),
    ("requests::add_replace_and_delete_say_what_is_there_and_what_is_not", exact),
    ("requests::a_deletion_of_an_ipv6_multipath_route_takes_all_of_it_and_nothing_else", ipv6_multipath),
    ("requests::a_deletion_leaves_routes_of_others_alone", strangers),
    ("requests::a_key_change_adds_before_it_deletes", key_change),
    ("requests::as_many_legs_as_a_message_holds", many_legs),
];

/// The n-th of many prefixes.
fn nth(n: u32) -> IpNetwork {
    IpNetwork::new(std::net::Ipv4Addr::from(0x0a00_0000 + (n << 8)).into(), 24).expect("a prefix")
}

fn ten_thousand(net: Net) {
    const COUNT: u32 = 10_000;
    let mut socket = RequestSocket::open().expect("request socket");
    let reachable = Leg::via(ip("192.0.2.2"), net.a);
    let unreachable = Leg::via(ip("203.0.113.1"), net.a);
    let taken: Vec<u32> = vec![0, 17, 999, 1000, 1023, 1024, 5000, 9999];
    for n in &taken {
        done(&mut socket, |socket| {
            socket.add(COOKIE, &Route::new(nth(*n), Protocol::STATIC).leg(reachable)).expect("queued")
        });
    }
    let nowhere: Vec<u32> = vec![1, 18, 2222, 9998];
    let results = results(&mut socket, |socket| {
        for n in 0..COUNT {
            let leg = if nowhere.contains(&n) { unreachable } else { reachable };
            let route = Route::new(nth(n), Protocol::HEDDLE).leg(leg);
            socket.add(Cookie(u64::from(n) << 32), &route).expect("queued");
        }
    });
    assert_eq!(results.unknown, vec![]);
    let failed = |error| {
        let of_it = results.failures.iter().filter(move |failure| failure.error == error);
        of_it.map(|failure| u32::try_from(failure.cookie.0 >> 32).expect("ours")).collect::<Vec<_>>()
    };
    assert_eq!(failed(Errno::EEXIST), taken);
    assert_eq!(failed(Errno::ENETUNREACH), nowhere);
    assert_eq!(results.failures.len(), taken.len() + nowhere.len());
    let words =
        results.failures.iter().find(|failure| failure.error == Errno::ENETUNREACH).expect("one").text.as_deref();
    assert_eq!(words, Some("Nexthop has invalid gateway"));
    assert_eq!(ours().len(), 10_000 - taken.len() - nowhere.len());
    let sent = socket.sent();
    assert_eq!(sent.requests, 10_000 + 8);
    assert!(sent.batches < 8 + 20, "{sent:?}");
    assert_eq!(sent.overruns, 0);
    let results = self::results(&mut socket, |socket| {
        for n in 0..COUNT {
            socket.delete(Cookie(u64::from(n)), &Route::new(nth(n), Protocol::HEDDLE).leg(reachable)).expect("queued");
        }
    });
    assert!(results.failures.iter().all(|failure| failure.error == Errno::ESRCH));
    assert_eq!(results.failures.len(), taken.len() + nowhere.len());
    assert_eq!(ours(), vec![]);
    let others = routes(&RouteFilter::family(Family::Ipv4).protocol(Protocol::STATIC));
    assert_eq!(others.len(), taken.len());
}

fn small_buffer(net: Net) {
    let mut socket = RequestSocket::with_receive_buffer(8 << 10).expect("request socket");
    // Each of them fails, with an answer that takes its room.
    let results = results(&mut socket, |socket| {
        for n in 0..2000 {
            let route = Route::new(nth(n), Protocol::HEDDLE).leg(Leg::via(ip("203.0.113.1"), net.a));
            socket.add(Cookie(u64::from(n)), &route).expect("queued");
        }
    });
    assert_eq!(results.unknown, vec![]);
    let failed: Vec<u64> = results.failures.iter().map(|failure| failure.cookie.0).collect();
    assert_eq!(failed, (0..2000).collect::<Vec<u64>>());
    assert_eq!(socket.sent().overruns, 0);
    assert!(socket.sent().batches >= 2000 / 16, "{:?}", socket.sent());
}

fn not_sayable(net: Net) {
    let mut socket = RequestSocket::open().expect("request socket");
    let good = |n| Route::new(nth(n), Protocol::HEDDLE).leg(Leg::via(ip("192.0.2.2"), net.a));
    let heavy = Leg::via(ip("192.0.2.2"), net.a).weight(Weight::new(257).expect("not 0"));
    let mut strange_source = good(3);
    strange_source.preferred_source = Some(ip("2001:db8:1::1"));
    let many = (0..8000).fold(good(4), |route, _| route.leg(Leg::via(ip("192.0.2.2"), net.a)));
    let bad = [
        (route("10.0.0.0/8"), EncodeError::NoLeg),
        (route("2001:db8:55::/48").leg(Leg::via(ip("192.0.2.2"), net.a)), EncodeError::Gateway),
        (good(2).leg(heavy), EncodeError::Weight),
        (strange_source, EncodeError::Family),
        (many, EncodeError::TooLong),
    ];
    let results = results(&mut socket, |socket| {
        for (n, (route, want)) in (10..).zip(&bad) {
            socket.add(COOKIE, &good(n)).expect("queued");
            match socket.add(COOKIE, route) {
                Err(QueueError::Encode(error)) => assert_eq!(error, *want),
                other => panic!("{other:?}"),
            }
        }
        socket.add(Cookie(1), &good(10)).expect("queued");
    });
    assert_eq!(results.failures.len(), 1, "{results:?}");
    assert_eq!((results.failures[0].cookie, results.failures[0].error), (Cookie(1), Errno::EEXIST));
    assert_eq!(ours().len(), bad.len());
}

fn exact(net: Net) {
    let mut socket = RequestSocket::open().expect("request socket");
    for (prefix, first, second) in
        [("10.0.0.0/8", "192.0.2.2", "192.0.2.3"), ("2001:db8:55::/48", "2001:db8:1::2", "2001:db8:1::3")]
    {
        let one = route(prefix).leg(Leg::via(ip(first), net.a)).metric(50);
        let other = route(prefix).leg(Leg::via(ip(second), net.a)).metric(50);
        assert_eq!(refused(&mut socket, |socket| socket.replace(COOKIE, &one).expect("queued")), Errno::ENOENT);
        assert_eq!(refused(&mut socket, |socket| socket.delete(COOKIE, &one).expect("queued")), Errno::ESRCH);
        done(&mut socket, |socket| socket.add(COOKIE, &one).expect("queued"));
        assert_eq!(refused(&mut socket, |socket| socket.add(COOKIE, &other).expect("queued")), Errno::EEXIST);
        // A deletion names the gateway.
        assert_eq!(refused(&mut socket, |socket| socket.delete(COOKIE, &other).expect("queued")), Errno::ESRCH);
        done(&mut socket, |socket| socket.replace(COOKIE, &other).expect("queued"));
        assert_eq!(ours(), vec![other.clone().canonical()]);
        let multipath = one.clone().leg(Leg::via(ip(second), net.a));
        done(&mut socket, |socket| socket.replace(COOKIE, &multipath).expect("queued"));
        assert_eq!(ours(), vec![multipath.clone().canonical()]);
        done(&mut socket, |socket| socket.replace(COOKIE, &one).expect("queued"));
        assert_eq!(ours(), vec![one.clone().canonical()]);
        done(&mut socket, |socket| socket.delete(COOKIE, &one).expect("queued"));
        assert_eq!(ours(), vec![]);
    }
}

fn ipv6_multipath(net: Net) {
    let mut socket = RequestSocket::open().expect("request socket");
    let legs = |route: Route| route.leg(Leg::via(ip("2001:db8:1::2"), net.a)).leg(Leg::via(ip("2001:db8:2::2"), net.b));
    let mine = legs(route("2001:db8:55::/48").metric(50));
    let neighbours = [
        legs(route("2001:db8:55::/48").metric(40)),
        legs(route("2001:db8:55::/48").metric(60)),
        legs(route("2001:db8:55::/48").metric(50).table(Table(100))),
    ];
    done(&mut socket, |socket| {
        for route in neighbours.iter().chain([&mine]) {
            socket.add(COOKIE, route).expect("queued");
        }
    });
    done(&mut socket, |socket| socket.delete(COOKIE, &mine).expect("queued"));
    let mut left = ours();
    left.sort_by_key(|route| (route.table, route.metric));
    let want = [&neighbours[2], &neighbours[0], &neighbours[1]].map(|route| route.clone().canonical());
    assert_eq!(left, want);
    assert_eq!(refused(&mut socket, |socket| socket.delete(COOKIE, &mine).expect("queued")), Errno::ESRCH);
    // Of another gateway, nothing is deleted.
    let other = route("2001:db8:55::/48").metric(60).leg(Leg::via(ip("2001:db8:1::9"), net.a));
    assert_eq!(refused(&mut socket, |socket| socket.delete(COOKIE, &other).expect("queued")), Errno::ESRCH);
    assert_eq!(ours().len(), 3);
}

fn strangers(net: Net) {
    let mut socket = RequestSocket::open().expect("request socket");
    let target = NexthopTarget::Device { family: Family::Ipv6, oif: net.b };
    let object = NexthopObject { id: NexthopId(9), protocol: Protocol::BIRD, target };
    done(&mut socket, |socket| socket.add_nexthop(COOKIE, &object).expect("queued"));
    for (prefix, gateway) in [("10.0.0.0/8", "192.0.2.2"), ("2001:db8:55::/48", "2001:db8:1::2")] {
        let leg = Leg::via(ip(gateway), net.a);
        let mine = route(prefix).metric(50).leg(leg);
        let theirs = Route { protocol: Protocol::BIRD, ..mine.clone() };
        done(&mut socket, |socket| socket.add(COOKIE, &theirs).expect("queued"));
        for route in [&mine, &route(prefix).metric(50).via_nexthop(NexthopId(9)), &route(prefix).metric(50).blackhole()]
        {
            assert_eq!(refused(&mut socket, |socket| socket.delete(COOKIE, route).expect("queued")), Errno::ESRCH);
        }
        let family = mine.family();
        let left = routes(&RouteFilter::family(family).protocol(Protocol::BIRD));
        assert_eq!(left, vec![theirs.canonical()]);
    }
}

fn key_change(net: Net) {
    let mut socket = RequestSocket::open().expect("request socket");
    for (prefix, gateway) in [("10.0.0.0/8", "192.0.2.2"), ("2001:db8:55::/48", "2001:db8:1::2")] {
        let old = route(prefix).metric(50).leg(Leg::via(ip(gateway), net.a));
        let new = old.clone().metric(51);
        done(&mut socket, |socket| socket.add(COOKIE, &old).expect("queued"));
        done(&mut socket, |socket| {
            socket.add(COOKIE, &new).expect("queued");
            socket.delete(COOKIE, &old).expect("queued");
        });
        let family = new.family();
        assert_eq!(routes(&RouteFilter::family(family).protocol(Protocol::HEDDLE)), vec![new.canonical()]);
    }
}

fn many_legs(net: Net) {
    let mut socket = RequestSocket::open().expect("request socket");
    let legs = |prefix: &str, gateway: fn(u16) -> std::net::IpAddr| {
        (2..202).fold(route(prefix), |route, n| route.leg(Leg::via(gateway(n), net.a)))
    };
    let both = [
        legs("10.0.0.0/8", |n| [192, 0, 2, u8::try_from(n).expect("short")].into()),
        legs("2001:db8:55::/48", |n| [0x2001, 0xdb8, 1, 0, 0, 0, 0, n].into()),
    ];
    done(&mut socket, |socket| both.iter().for_each(|route| socket.add(COOKIE, route).expect("queued")));
    let found: Vec<usize> = ours().iter().map(|route| route.legs.len()).collect();
    assert_eq!(found, [200, 200]);
    assert!(ours() == both.clone().map(Route::canonical));
    done(&mut socket, |socket| both.iter().for_each(|route| socket.delete(COOKIE, route).expect("queued")));
    assert_eq!(ours(), vec![]);
}
