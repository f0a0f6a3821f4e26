//! Dumps: the kernel filters, and says when they were disturbed.

use std::collections::HashSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use heddle_netlink::{
    Control, DumpSocket, Dumped, Family, IpNetwork, Leg, LinkIndex, NexthopId, NexthopObject, NexthopTarget, Protocol,
    RequestSocket, Route, RouteFilter, Scope, Table,
};

use crate::Case;
use crate::common::{COOKIE, Net, done, ip, net, route, routes};
use crate::nexthops::objects;

pub(crate) const CASES: &[Case] = &[
    ("dumps::routes_by_table_protocol_and_link", filters),
    ("dumps::twenty_thousand_routes_one_by_one", many),
    ("dumps::deletions_meanwhile_interrupt_a_dump_of_ipv6_routes", deletions),
    ("dumps::links_and_addresses", links_and_addresses),
    ("dumps::one_that_was_disturbed_says_so", interrupted),
];

fn filters(lab: Net) {
    let mut socket = RequestSocket::open().expect("request socket");
    let leg = Leg::via(ip("192.0.2.2"), lab.a);
    let v6 = Leg::via(ip("2001:db8:2::2"), lab.b);
    let all = [
        route("10.1.0.0/16").leg(leg),
        Route { protocol: Protocol::BIRD, ..route("10.2.0.0/16").leg(leg) },
        route("10.3.0.0/16").leg(leg).table(Table(100)),
        route("10.4.0.0/16").leg(Leg::via(ip("198.51.100.2"), lab.b)).table(Table(70_000)),
        route("2001:db8:55:1::/64").leg(v6).table(Table(100)),
        route("2001:db8:55:2::/64").leg(v6),
    ];
    done(&mut socket, |socket| all.iter().for_each(|route| socket.add(COOKIE, route).expect("queued")));
    let found = |filter: RouteFilter| -> Vec<String> {
        let mut found: Vec<String> = routes(&filter).iter().map(|route| route.prefix.to_string()).collect();
        found.sort();
        found
    };
    let (v4, v6) = (Family::Ipv4, Family::Ipv6);
    assert_eq!(found(RouteFilter::table(v4, Table(100))), ["10.3.0.0/16"]);
    assert_eq!(found(RouteFilter::table(v4, Table(70_000))), ["10.4.0.0/16"]);
    assert_eq!(found(RouteFilter::table(v6, Table(100))), ["2001:db8:55:1::/64"]);
    let heddle = |filter: RouteFilter| filter.protocol(Protocol::HEDDLE);
    assert_eq!(found(heddle(RouteFilter::family(v4))), ["10.1.0.0/16", "10.3.0.0/16", "10.4.0.0/16"]);
    assert_eq!(found(heddle(RouteFilter::table(v4, Table::MAIN))), ["10.1.0.0/16"]);
    assert_eq!(found(heddle(RouteFilter::table(v6, Table::MAIN))), ["2001:db8:55:2::/64"]);
    assert_eq!(found(RouteFilter::family(v4).protocol(Protocol::BIRD)), ["10.2.0.0/16"]);
    assert_eq!(found(heddle(RouteFilter::family(v4).oif(lab.b))), ["10.4.0.0/16"]);
    for family in Family::BOTH {
        assert_eq!(found(RouteFilter::table(family, Table(4711))), [""; 0], "a table that does not exist");
        let local = routes(&RouteFilter::table(family, Table::LOCAL));
        assert!(local.iter().any(|route| route.legs.first().is_some_and(|leg| leg.oif == Some(LinkIndex::LOOPBACK))));
    }
}

fn many(lab: Net) {
    const COUNT: u32 = 20_000;
    let mut socket = RequestSocket::open().expect("request socket");
    let nth = |n| nth(&lab, Family::Ipv4, n);
    done(&mut socket, |socket| (0..COUNT).for_each(|n| socket.add(COOKIE, &nth(n)).expect("queued")));
    let mut dump = DumpSocket::open().expect("dump socket");
    let mut next = 0;
    let filter = RouteFilter::table(Family::Ipv4, Table::MAIN).protocol(Protocol::HEDDLE);
    let dumped = dump.routes(&filter, |route| {
        assert_eq!(route, nth(next).canonical());
        next += 1;
    });
    assert_eq!((dumped.expect("dump"), next), (Dumped::Complete, COUNT));
}

fn links_and_addresses(mut lab: Net) {
    lab.control.create_bridge("br0").expect("bridge");
    let bridge = lab.control.link("br0").expect("the bridge").index;
    lab.control.set_master(lab.b, Some(bridge)).expect("port");
    let mut dump = DumpSocket::open().expect("dump socket");
    let mut links = Vec::new();
    assert_eq!(dump.links(|link| links.push(link)).expect("dump"), Dumped::Complete);
    let link = |name: &str| links.iter().find(|link| link.name == name).unwrap_or_else(|| panic!("{name}: {links:#?}"));
    assert_eq!(links.len(), 6, "{links:#?}");
    assert!(link("lo").loopback && link("lo").up && link("lo").index == LinkIndex::LOOPBACK);
    assert_eq!(link("a0").kind.as_deref(), Some("veth"));
    assert_eq!(link("a0").lower, Some(lab.a_peer));
    assert!(link("a0").up && link("a0").carrier && !link("a0").lower_elsewhere && link("a0").mac.is_some());
    assert_eq!((link("b0").master, link("br0").kind.as_deref()), (Some(bridge), Some("bridge")));
    assert!(!link("br0").up && !link("br0").carrier);
    assert_eq!(link("br0"), &lab.control.link_of(bridge).expect("the bridge"));
    let mut addresses = Vec::new();
    assert_eq!(dump.addresses(|address| addresses.push(address)).expect("dump"), Dumped::Complete);
    for (of, text) in [(lab.a, "192.0.2.1/24"), (lab.b, "2001:db8:2::1/64"), (LinkIndex::LOOPBACK, "127.0.0.1/8")] {
        let is = |address: &&heddle_netlink::Address| address.link == of && address.address == net(text).ip();
        let address = addresses.iter().find(is).unwrap_or_else(|| panic!("{text}: {addresses:#?}"));
        assert_eq!(address.network.to_string(), format!("{}/{}", net(text).network(), net(text).prefix()));
        assert!(!address.tentative && !address.duplicate && address.peer.is_none());
    }
    assert!(addresses.iter().any(|address| address.scope == Scope::Host && address.address == ip("::1")));
}

fn interrupted(_: Net) {
    const COUNT: u32 = 5000;
    let mut socket = RequestSocket::open().expect("request socket");
    let object = |id| NexthopObject {
        id: NexthopId(id),
        protocol: Protocol::HEDDLE,
        target: NexthopTarget::Blackhole { family: Family::Ipv4 },
    };
    done(&mut socket, |socket| (1..=COUNT).for_each(|id| socket.add_nexthop(COOKIE, &object(id)).expect("queued")));
    let mut dump = DumpSocket::open().expect("dump socket");
    let mut control = Control::open().expect("control socket");
    let mut told = 0;
    let dumped = dump.nexthops(|_| {
        told += 1;
        if told == 1 {
            control.add_nexthop(&object(COUNT + 1)).expect("added");
        }
    });
    assert_eq!(dumped.expect("dump"), Dumped::Interrupted);
    // The next one on the same socket is whole.
    told = 0;
    assert_eq!(dump.nexthops(|_| told += 1).expect("dump"), Dumped::Complete);
    assert_eq!((told, objects().len()), (COUNT + 1, 5001));
}

/// The n-th of many routes of a family.
fn nth(lab: &Net, family: Family, n: u32) -> Route {
    let (address, length, gateway) = match family {
        Family::Ipv4 => (IpAddr::from(Ipv4Addr::from(0x0a00_0000 + (n << 8))), 24, "192.0.2.2"),
        Family::Ipv6 => {
            let network: u128 = 0x2001_0db8_0055_0000_0000_0000_0000_0000;
            (Ipv6Addr::from(network + (u128::from(n) << 32)).into(), 96, "2001:db8:1::2")
        }
    };
    Route::new(IpNetwork::new(address, length).expect("a prefix"), Protocol::HEDDLE).leg(Leg::via(ip(gateway), lab.a))
}

/// Deletes the first routes, and adds one, while the later ones are told: IPv4 tells all that stays, IPv6 that it was interrupted.
fn deletions(lab: Net) {
    const COUNT: u32 = 5000;
    const DELETED: u32 = 50;
    let mut socket = RequestSocket::open().expect("request socket");
    let mut dump = DumpSocket::open().expect("dump socket");
    for (family, want) in [(Family::Ipv4, Dumped::Complete), (Family::Ipv6, Dumped::Interrupted)] {
        done(&mut socket, |socket| {
            (0..COUNT).for_each(|n| socket.add(COOKIE, &nth(&lab, family, n)).expect("queued"));
        });
        let filter = RouteFilter::table(family, Table::MAIN).protocol(Protocol::HEDDLE);
        let mut told = HashSet::new();
        let dumped = dump.routes(&filter, |route| {
            if told.is_empty() {
                done(&mut socket, |socket| {
                    (0..DELETED).for_each(|n| socket.delete(COOKIE, &nth(&lab, family, n)).expect("queued"));
                    socket.add(COOKIE, &nth(&lab, family, COUNT)).expect("queued");
                });
            }
            told.insert(route.prefix);
        });
        assert_eq!(dumped.expect("dump"), want);
        let missing = (DELETED..COUNT).filter(|n| !told.contains(&nth(&lab, family, *n).prefix)).count();
        assert_eq!(missing == 0, want == Dumped::Complete, "{missing} untouched {family} routes are missing");
        // A deletion in another table does no harm, nor does anything that happened before.
        let elsewhere = nth(&lab, family, 0).table(Table(100));
        done(&mut socket, |socket| socket.add(COOKIE, &elsewhere).expect("queued"));
        let mut told = 0;
        let dumped = dump.routes(&filter, |_| {
            if told == 0 {
                done(&mut socket, |socket| socket.delete(COOKIE, &elsewhere).expect("queued"));
            }
            told += 1;
        });
        assert_eq!((dumped.expect("dump"), told), (Dumped::Complete, COUNT - DELETED + 1));
    }
}
