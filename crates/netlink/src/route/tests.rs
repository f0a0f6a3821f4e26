//! Without a kernel: what is encoded is decoded, and the canonical form is one.

use std::net::IpAddr;

use proptest::prelude::*;

use super::*;
use crate::event::Event;
use crate::message::Message;

fn address(family: Family) -> BoxedStrategy<IpAddr> {
    match family {
        Family::Ipv4 => any::<[u8; 4]>().prop_map(IpAddr::from).boxed(),
        Family::Ipv6 => any::<[u8; 16]>().prop_map(IpAddr::from).boxed(),
    }
}

fn family() -> impl Strategy<Value = Family> {
    prop_oneof![Just(Family::Ipv4), Just(Family::Ipv6)]
}

fn network(family: Family) -> impl Strategy<Value = IpNetwork> {
    let longest = if family == Family::Ipv4 { 32u8 } else { 128 };
    (address(family), 0..=longest).prop_map(|(address, length)| IpNetwork::new(address, length).expect("a prefix"))
}

fn leg(family: Family) -> impl Strategy<Value = Leg> {
    let gateway = match family {
        Family::Ipv4 => prop_oneof![address(Family::Ipv4), address(Family::Ipv6)].boxed(),
        Family::Ipv6 => address(Family::Ipv6),
    };
    (proptest::option::of(gateway), 1u32.., 1u16..=256, any::<bool>()).prop_map(|(gateway, oif, weight, onlink)| Leg {
        gateway,
        weight: Weight::new(weight).expect("not 0"),
        onlink,
        ..Leg::device(LinkIndex(oif))
    })
}

fn any_route() -> impl Strategy<Value = Route> {
    family().prop_flat_map(|family| {
        let key = (network(family), proptest::option::of(network(family)), any::<u32>(), any::<u8>(), any::<u32>());
        let target = (proptest::collection::vec(leg(family), 1..5), proptest::option::of(1u32..), any::<u8>());
        let rest = (any::<u8>(), proptest::option::of(address(family)), proptest::option::of(any::<u32>()));
        (key, target, rest).prop_map(|((prefix, source, table, tos, metric), (legs, nexthop, kind), rest)| Route {
            table: Table(table),
            source,
            tos,
            metric,
            kind: RouteKind::from_code(kind),
            legs: legs.into(),
            nexthop: nexthop.map(NexthopId),
            preferred_source: rest.1,
            mtu: rest.2,
            ..Route::new(prefix, Protocol(rest.0))
        })
    })
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(route in any_route()) {
        let mut buffer = Vec::new();
        encode::route(&mut buffer, &route).expect("sayable");
        let decoded = decode(&buffer).expect("well-formed").expect("a route");
        prop_assert_eq!(decoded.canonical(), route.canonical());
    }

    #[test]
    fn canonical_is_canonical(route in any_route()) {
        let once = route.clone().canonical();
        prop_assert_eq!(once.key(), route.key());
        prop_assert_eq!(once.clone().canonical(), once);
    }

    #[test]
    fn legs_are_a_set(route in any_route(), seed in any::<usize>()) {
        let mut turned = route.clone();
        let by = seed % turned.legs.len();
        turned.legs.rotate_left(by);
        for leg in &mut turned.legs {
            leg.dead = !leg.dead;
            leg.linkdown = seed & 1 == 0;
        }
        prop_assert_eq!(turned.canonical(), route.canonical());
    }

    #[test]
    fn any_octets_are_read_without_panic(kind in 0u16..110, payload in proptest::collection::vec(any::<u8>(), 0..120)) {
        let _ = Event::decode(&Message { kind, flags: 0, sequence: 0, payload: &payload });
    }

    #[test]
    fn a_route_with_a_damaged_octet_is_read_without_panic(route in any_route(), at in any::<usize>(), octet in any::<u8>()) {
        let mut buffer = Vec::new();
        encode::route(&mut buffer, &route).expect("sayable");
        let at = at % buffer.len();
        buffer[at] = octet;
        let _ = decode(&buffer);
        let _ = decode(&buffer[..at]);
    }
}

#[test]
fn different_routes_stay_different() {
    let prefix: IpNetwork = "10.0.0.0/8".parse().expect("a prefix");
    let gateway = |last| IpAddr::from([192, 0, 2, last]);
    let one = Route::new(prefix, Protocol::HEDDLE).leg(Leg::via(gateway(1), LinkIndex(3)));
    let both = one.clone().leg(Leg::via(gateway(2), LinkIndex(3)));
    let twice = one.clone().leg(Leg::via(gateway(1), LinkIndex(3)));
    let mut heavier = both.clone();
    heavier.legs[0].weight = Weight::new(2).expect("not 0");
    let mut with_mtu = one.clone();
    with_mtu.mtu = Some(1400);
    let with_source = Route { preferred_source: Some(gateway(9)), ..one.clone() };
    let all = [
        both,
        twice,
        heavier,
        with_mtu,
        with_source,
        one.clone().metric(1),
        one.clone().table(Table(100)),
        one.clone().via_nexthop(NexthopId(1)),
        one.clone().blackhole(),
        Route { protocol: Protocol::BIRD, ..one.clone() },
        Route { tos: 4, ..one.clone() },
        one,
        Route::new(prefix, Protocol::HEDDLE).leg(Leg::via(gateway(1), LinkIndex(4))),
        Route::new(prefix, Protocol::HEDDLE).leg(Leg::via(gateway(1), LinkIndex(3)).onlink()),
        Route::new(prefix, Protocol::HEDDLE).leg(Leg::device(LinkIndex(3))),
    ];
    let canonical: std::collections::HashSet<Route> = all.iter().cloned().map(Route::canonical).collect();
    assert_eq!(canonical.len(), all.len());
}

#[test]
fn a_route_reads_as_the_ip_command_writes_it() {
    let prefix = |text: &str| text.parse::<IpNetwork>().expect("a prefix");
    let two = Route::new(prefix("10.0.0.0/8"), Protocol::HEDDLE)
        .metric(5)
        .leg(Leg::via(IpAddr::from([192, 0, 2, 1]), LinkIndex(3)))
        .leg(Leg::device(LinkIndex(4)).weight(Weight::new(7).expect("not 0")).onlink());
    assert_eq!(
        two.to_string(),
        "10.0.0.0/8 nexthop via 192.0.2.1 dev 3 weight 1 nexthop dev 4 onlink weight 7 proto 158 metric 5"
    );
    let black = Route::new(prefix("2001:db8::/32"), Protocol::STATIC).blackhole().table(Table(100));
    assert_eq!(black.to_string(), "blackhole 2001:db8::/32 table 100 proto 4");
}
