//! What is written and what is read back are equal in the canonical form, for any route.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use heddle_netlink::{
    Change, Event, Family, IpNetwork, Leg, LinkIndex, MonitorOptions, Protocol, RequestSocket, Route, RouteFilter,
    RouteKind, Table, Weight,
};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

use crate::Case;
use crate::common::{COOKIE, Ear, Net, done, ip, net, route, routes};

pub(crate) const CASES: &[Case] =
    &[("read_back::any_route_is_read_back_as_it_was_written", any_route), ("read_back::each_kind_of_route", each_kind)];

/// A leg of an IPv4 route: the gateway may be an IPv6 one.
fn leg_v4(a: LinkIndex, b: LinkIndex) -> impl Strategy<Value = Leg> {
    let gateway = prop_oneof![
        (2u8..255).prop_map(|host| IpAddr::from([192, 0, 2, host])),
        (2u16..).prop_map(|host| IpAddr::from([0x2001, 0xdb8, 1, 0, 0, 0, 0, host])),
        (1u16..).prop_map(|host| IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, host])),
    ];
    let on_a = (gateway, any::<bool>()).prop_map(move |(gateway, onlink)| via(gateway, a, onlink));
    let on_b = (2u8..255).prop_map(move |host| via([198, 51, 100, host].into(), b, false));
    let anywhere =
        any::<u32>().prop_map(move |bits| via(Ipv4Addr::from(bits & 0x000f_ffff | 0xac10_0000).into(), b, true));
    (prop_oneof![on_a, on_b, anywhere, Just(Leg::device(b))], weight()).prop_map(|(leg, weight)| leg.weight(weight))
}

/// A leg of an IPv6 route; several of them need gateways.
fn leg_v6(a: LinkIndex, b: LinkIndex) -> impl Strategy<Value = Leg> {
    let on_a = (2u16.., any::<bool>())
        .prop_map(move |(host, onlink)| via([0x2001, 0xdb8, 1, 0, 0, 0, 0, host].into(), a, onlink));
    let local = (1u16..).prop_map(move |host| via([0xfe80, 0, 0, 0, 0, 0, 0, host].into(), b, false));
    let anywhere = any::<u64>().prop_map(move |bits| {
        via(Ipv6Addr::from(0x2001_0db8_0077_0000_0000_0000_0000_0001 | u128::from(bits)).into(), b, true)
    });
    (prop_oneof![on_a, local, anywhere], weight()).prop_map(|(leg, weight)| leg.weight(weight))
}

fn via(gateway: IpAddr, oif: LinkIndex, onlink: bool) -> Leg {
    let leg = Leg::via(gateway, oif);
    if onlink { leg.onlink() } else { leg }
}

fn weight() -> impl Strategy<Value = Weight> {
    (1u16..=256).prop_map(|weight| Weight::new(weight).expect("not 0"))
}

fn kind() -> impl Strategy<Value = RouteKind> {
    prop_oneof![
        6 => Just(RouteKind::Unicast),
        1 => Just(RouteKind::Blackhole),
        1 => Just(RouteKind::Unreachable),
        1 => Just(RouteKind::Prohibit),
        1 => Just(RouteKind::Throw),
    ]
}

fn table() -> impl Strategy<Value = Table> {
    prop_oneof![Just(Table::MAIN), (1u32..250).prop_map(Table), (256u32..100_000).prop_map(Table)]
}

/// Metric, protocol, MTU.
fn common() -> impl Strategy<Value = (u32, u8, Option<u32>)> {
    (prop_oneof![Just(0), 1u32..4000, any::<u32>()], any::<u8>(), proptest::option::of(0u32..70_000))
}

fn route_v4(a: LinkIndex, b: LinkIndex) -> impl Strategy<Value = Route> {
    let prefix = (any::<u32>(), 0u8..=32)
        .prop_map(|(bits, length)| IpNetwork::new(Ipv4Addr::from(bits & 0x00ff_ffff | 0x0a00_0000).into(), length));
    let legs = prop_oneof![3 => vec(leg_v4(a, b), 1), 2 => vec(leg_v4(a, b), 2..8)];
    let source = proptest::option::of(prop_oneof![Just(ip("192.0.2.1")), Just(ip("198.51.100.1"))]);
    let tos = prop_oneof![2 => Just(0u8), 1 => (0u8..64).prop_map(|dscp| dscp << 2)];
    (prefix, table(), kind(), common(), legs, source, tos).prop_map(
        |(prefix, table, kind, common, legs, source, tos)| {
            let mut route = assemble(prefix.expect("a prefix"), table, kind, common, legs);
            route.tos = tos;
            route.preferred_source = source.filter(|_| kind == RouteKind::Unicast);
            route
        },
    )
}

fn route_v6(a: LinkIndex, b: LinkIndex) -> impl Strategy<Value = Route> {
    let prefix = (any::<u64>(), 16u8..=128).prop_map(|(bits, length)| {
        IpNetwork::new(Ipv6Addr::from(0x2001_0db8_0055_0000_0000_0000_0000_0000 | u128::from(bits)).into(), length)
    });
    let one = prop_oneof![3 => leg_v6(a, b), 1 => Just(Leg::device(b))].prop_map(|leg| vec![leg]);
    let legs = prop_oneof![3 => one, 2 => vec(leg_v6(a, b), 2..8)];
    let source = proptest::option::of(prop_oneof![Just(ip("2001:db8:1::1")), Just(ip("2001:db8:2::1"))]);
    (prefix, table(), kind(), common(), legs, source).prop_map(|(prefix, table, kind, common, mut legs, source)| {
        // IPv6 takes no leg twice.
        legs.sort_by_key(|leg| (leg.gateway, leg.oif));
        legs.dedup_by_key(|leg| (leg.gateway, leg.oif));
        let mut route = assemble(prefix.expect("a prefix"), table, kind, common, legs);
        route.preferred_source = source.filter(|_| kind == RouteKind::Unicast);
        route
    })
}

fn assemble(
    prefix: IpNetwork,
    table: Table,
    kind: RouteKind,
    (metric, protocol, mtu): (u32, u8, Option<u32>),
    legs: Vec<Leg>,
) -> Route {
    let mut route = Route::new(prefix, Protocol(protocol)).table(table).metric(metric);
    route.kind = kind;
    route.mtu = mtu.filter(|_| kind == RouteKind::Unicast);
    route.legs = if kind == RouteKind::Unicast { legs.into() } else { Vec::new().into() };
    route
}

/// Routes of a table, except those that the kernel keeps there itself.
fn of_table(route: &Route) -> Vec<Route> {
    let mut found = routes(&RouteFilter::table(route.family(), route.key().table));
    found.retain(|found| found.key() == route.key());
    found
}

fn any_route(net: Net) {
    let mut socket = RequestSocket::open().expect("request socket");
    let mut ear = Ear::open(&MonitorOptions::default());
    let strategy = prop_oneof![route_v4(net.a, net.b), route_v6(net.a, net.b)];
    let mut runner = TestRunner::new(Config { cases: 2048, failure_persistence: None, ..Config::default() });
    let socket = std::cell::RefCell::new((&mut socket, &mut ear));
    let result = runner.run(&strategy, |route| {
        let (socket, ear) = &mut *socket.borrow_mut();
        let want = route.clone().canonical();
        socket.add(COOKIE, &route).expect("queued");
        prop_assert_eq!(socket.flush().expect("sent").failures, vec![]);
        let read = of_table(&route);
        prop_assert_eq!(&read, std::slice::from_ref(&want));
        // A canonical route is one that can be written, and it is the same.
        socket.replace(COOKIE, &want).expect("queued");
        prop_assert_eq!(socket.flush().expect("sent").failures, vec![]);
        prop_assert_eq!(&of_table(&route), std::slice::from_ref(&want));
        socket.delete(COOKIE, &want).expect("queued");
        prop_assert_eq!(socket.flush().expect("sent").failures, vec![]);
        prop_assert_eq!(of_table(&route), vec![]);
        ear.heard.clear();
        ear.listen();
        let told = |change| {
            let written = ear.heard.iter().filter_map(|event| match event {
                // The kernel makes routes of its own for the links meanwhile.
                Event::Route(told, route) if *told == change && route.key() == want.key() => {
                    Some(route.clone().canonical())
                }
                _ => None,
            });
            written.collect::<Vec<_>>()
        };
        // IPv4 says nothing of a replacement by the same.
        prop_assert!(!told(Change::New).is_empty());
        prop_assert!(told(Change::New).iter().all(|told| *told == want));
        prop_assert!(!told(Change::Deleted).is_empty());
        Ok(())
    });
    result.unwrap_or_else(|error| panic!("{error}"));
}

/// The kinds of the specification, one by one, so that a failure of the property says less and these say more.
fn each_kind(lab: Net) {
    let mut socket = RequestSocket::open().expect("request socket");
    let heavy = Weight::new(3).expect("not 0");
    let two = |prefix: &str, first: &str, second: &str| {
        route(prefix).leg(Leg::via(ip(first), lab.a).weight(heavy)).leg(Leg::via(ip(second), lab.b))
    };
    let mut with_all = route("10.9.0.0/16").leg(Leg::via(ip("192.0.2.9"), lab.a)).metric(77);
    with_all.mtu = Some(1400);
    with_all.preferred_source = Some(ip("198.51.100.1"));
    with_all.tos = 0x20;
    let all = [
        route("10.1.0.0/16").leg(Leg::via(ip("192.0.2.2"), lab.a)),
        two("10.2.0.0/16", "192.0.2.2", "198.51.100.2"),
        two("2001:db8:55:2::/64", "2001:db8:1::2", "2001:db8:2::2"),
        route("10.3.0.0/16").leg(Leg::via(ip("2001:db8:1::2"), lab.a)),
        two("10.4.0.0/16", "2001:db8:1::2", "198.51.100.2"),
        route("10.5.0.0/16").blackhole(),
        route("2001:db8:55:5::/64").blackhole(),
        route("10.6.0.0/16").leg(Leg::via(ip("203.0.113.1"), lab.a).onlink()),
        route("2001:db8:55:6::/64").leg(Leg::via(ip("2001:db8:77::1"), lab.a).onlink()),
        route("10.7.0.1/32").leg(Leg::device(lab.a)),
        route("2001:db8:55:7::1/128").leg(Leg::device(lab.a)),
        with_all,
    ];
    for route in &all {
        done(&mut socket, |socket| socket.add(COOKIE, route).expect("queued"));
        assert_eq!(of_table(route), vec![route.clone().canonical()], "{route}");
    }
    let on_link = Family::BOTH.map(|family| routes(&RouteFilter::table(family, Table::MAIN)));
    assert!(on_link[0].iter().any(|route| route.prefix == net("192.0.2.0/24") && route.protocol == Protocol::KERNEL));
    assert!(
        on_link[1].iter().any(|route| route.prefix == net("2001:db8:1::/64") && route.protocol == Protocol::KERNEL)
    );
    for route in &all {
        done(&mut socket, |socket| socket.delete(COOKIE, route).expect("queued"));
        assert_eq!(of_table(route), vec![], "{route}");
    }
}
