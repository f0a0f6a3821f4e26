//! Between the kernel's messages and the engine's values.

use heddle_bgp_core::Prefix;
use heddle_netlink as netlink;
use heddle_netlink::{IpNetwork, LinkIndex, NexthopId, NexthopTarget, Protocol, RouteKind, Weight};
use smallvec::SmallVec;

use crate::route::{
    Address, Dead, IfIndex, KernelEvent, KernelObject, KernelRoute, Leg, Legs, Link, LinkState, ObjectSpec, OnLink,
    Placed, RouteSpec, Target,
};
use crate::settings::Settings;

/// The protocol numbers of routes that are or may be ours.
pub(super) type OwnNumbers = SmallVec<[u8; 4]>;

/// Those that the settings name.
pub(super) fn own_numbers(settings: &Settings) -> OwnNumbers {
    let others = settings.workload_protocol.into_iter().chain(settings.adopt_protocols.iter().copied());
    std::iter::once(settings.protocol).chain(others).collect()
}

/// A route as the kernel reports it; none for those that no key of ours can meet.
///
/// Of a route with a nexthop object the object is what counts if the route may be ours by its number, and otherwise the legs
/// beside it: the kernel takes nothing away that has an object and is described by legs.
pub(super) fn route(mut route: netlink::Route, own: &OwnNumbers) -> Option<KernelRoute> {
    if route.source.is_some_and(|source| source.prefix() != 0) {
        return None;
    }
    let object = route.nexthop.filter(|_| own.contains(&route.protocol.0) || route.legs.is_empty());
    if object.is_none() {
        route.nexthop = None;
    }
    route.canonicalize();
    let target = match (object, route.kind) {
        (Some(id), _) => Target::Object(id.0),
        (None, RouteKind::Unicast) => Target::legs(legs(&route.legs)),
        (None, RouteKind::Blackhole) => Target::Dead(Dead::Blackhole),
        (None, RouteKind::Unreachable) => Target::Dead(Dead::Unreachable),
        (None, RouteKind::Prohibit) => Target::Dead(Dead::Prohibit),
        (
            None,
            RouteKind::Local
            | RouteKind::Broadcast
            | RouteKind::Anycast
            | RouteKind::Multicast
            | RouteKind::Throw
            | RouteKind::Other(_),
        ) => Target::Dead(Dead::Other),
    };
    Some(KernelRoute {
        table: route.table.0,
        prefix: prefix(route.prefix)?,
        tos: route.tos,
        metric: route.metric,
        protocol: route.protocol.0,
        source: route.preferred_source,
        target,
    })
}

fn legs(legs: &[netlink::Leg]) -> Legs {
    legs.iter()
        .filter_map(|leg| {
            Some(Leg {
                interface: IfIndex(leg.oif?.0),
                gateway: leg.gateway,
                weight: leg.weight.get(),
                on_link: if leg.onlink { OnLink::Yes } else { OnLink::No },
            })
        })
        .collect()
}

fn prefix(network: IpNetwork) -> Option<Prefix> {
    Prefix::new(network.ip(), network.prefix())
}

/// A route to be written or taken away.
pub(super) fn route_request(spec: &RouteSpec) -> Option<netlink::Route> {
    let network = IpNetwork::new(spec.prefix.addr(), spec.prefix.len()).ok()?;
    let mut route = netlink::Route::new(network, Protocol(spec.protocol));
    route.table = netlink::Table(spec.table);
    route.tos = spec.tos;
    route.metric = spec.metric;
    match &*spec.target {
        Target::Object(id) => route.nexthop = Some(NexthopId(*id)),
        Target::Dead(Dead::Blackhole) => route.kind = RouteKind::Blackhole,
        Target::Dead(Dead::Unreachable) => route.kind = RouteKind::Unreachable,
        Target::Dead(Dead::Prohibit) => route.kind = RouteKind::Prohibit,
        Target::Dead(Dead::Other) => return None,
        Target::Legs(legs) => route.legs.extend(legs.iter().map(|leg| netlink::Leg {
            gateway: leg.gateway,
            oif: Some(LinkIndex(leg.interface.0)),
            weight: Weight::new(leg.weight).unwrap_or(Weight::ONE),
            onlink: leg.on_link == OnLink::Yes,
            dead: false,
            linkdown: false,
        })),
    }
    Some(route)
}

/// A nexthop object to be written.
pub(super) fn object_request(object: &KernelObject) -> Option<netlink::NexthopObject> {
    let target = match &object.object {
        ObjectSpec::Leg(leg) => {
            let oif = LinkIndex(leg.interface.0);
            NexthopTarget::Gateway { gateway: leg.gateway?, oif, onlink: leg.on_link == OnLink::Yes }
        }
        ObjectSpec::Group(members) => NexthopTarget::Group(
            members.iter().map(|(id, weight)| (NexthopId(*id), Weight::new(*weight).unwrap_or(Weight::ONE))).collect(),
        ),
        ObjectSpec::Other => return None,
    };
    Some(netlink::NexthopObject { id: NexthopId(object.id), protocol: Protocol(object.protocol), target })
}

/// A nexthop object as the kernel reports it.
pub(super) fn object(object: netlink::NexthopObject) -> KernelObject {
    let object = object.canonical();
    let spec = match object.target {
        NexthopTarget::Gateway { gateway, oif, onlink } => ObjectSpec::Leg(Leg {
            on_link: if onlink { OnLink::Yes } else { OnLink::No },
            ..Leg::new(IfIndex(oif.0), Some(gateway))
        }),
        NexthopTarget::Device { .. } | NexthopTarget::Blackhole { .. } => ObjectSpec::Other,
        NexthopTarget::Group(members) => {
            let members: SmallVec<[(u32, u16); 2]> = members.iter().map(|(id, w)| (id.0, w.get())).collect();
            ObjectSpec::Group(members)
        }
    };
    KernelObject { id: object.id.0, protocol: object.protocol.0, object: spec }
}

/// A link.
pub(super) fn link(link: netlink::Link) -> Link {
    let state = match (link.up, link.carrier) {
        (true, true) => LinkState::Up,
        (true, false) => LinkState::NoCarrier,
        (false, _) => LinkState::Down,
    };
    Link { index: IfIndex(link.index.0), name: link.name, state }
}

/// An address.
pub(super) fn address(address: &netlink::Address) -> Option<Address> {
    let prefix = prefix(address.network)?;
    Some(Address { interface: IfIndex(address.link.0), address: address.address, prefix })
}

/// What happened before an event that does not say it: a link that is reported to have carrier while the kernel has just acted
/// on its loss had none for a moment.
pub(super) fn before(event: &netlink::Event) -> Option<KernelEvent> {
    match event {
        netlink::Event::Link(netlink::Change::New, heard) if heard.up && heard.carrier && !heard.running => {
            Some(KernelEvent::Link(Link { state: LinkState::NoCarrier, ..link(heard.clone()) }))
        }
        netlink::Event::Link(..)
        | netlink::Event::Route(..)
        | netlink::Event::Address(..)
        | netlink::Event::Nexthop(..)
        | netlink::Event::Overrun => None,
    }
}

/// What the monitor heard; none for what does not concern us.
pub(super) fn event(event: netlink::Event, tables: [u32; 2], own: &OwnNumbers) -> Option<KernelEvent> {
    use netlink::Change;
    Some(match event {
        netlink::Event::Route(change, heard) => {
            if !tables.contains(&heard.table.0) {
                return None;
            }
            let route = route(heard, own)?;
            match change {
                // The report does not say whether it took the place of another; two under one key are rare.
                Change::New => KernelEvent::Route(route, Placed::Replaced),
                Change::Deleted => KernelEvent::RouteGone(route),
            }
        }
        netlink::Event::Link(Change::New, heard) => KernelEvent::Link(link(heard)),
        netlink::Event::Link(Change::Deleted, heard) => KernelEvent::LinkGone(IfIndex(heard.index.0)),
        netlink::Event::Address(Change::New, heard) => KernelEvent::Address(address(&heard)?),
        netlink::Event::Address(Change::Deleted, heard) => KernelEvent::AddressGone(address(&heard)?),
        netlink::Event::Nexthop(Change::New, heard) => KernelEvent::Object(object(heard)),
        netlink::Event::Nexthop(Change::Deleted, heard) => KernelEvent::ObjectGone(heard.id.0),
        netlink::Event::Overrun => KernelEvent::Overrun,
    })
}

#[cfg(test)]
mod tests {
    use netlink::{Change, Event};

    use super::*;

    fn reported(carrier: bool, running: bool) -> Event {
        let link = netlink::Link {
            index: LinkIndex(3),
            name: "a0".to_owned(),
            kind: None,
            up: true,
            carrier,
            running,
            loopback: false,
            master: None,
            lower: None,
            lower_elsewhere: false,
            mtu: 1500,
            mac: None,
        };
        Event::Link(Change::New, link)
    }

    /// What has another number is led by the legs that are beside the object.
    #[test]
    fn the_object_of_a_route_that_may_be_ours_is_what_counts() {
        let settings = Settings { workload_protocol: Some(12), adopt_protocols: vec![11], ..Settings::default() };
        let own = own_numbers(&settings);
        for (number, is_kept) in [(158, true), (12, true), (11, true), (4, false)] {
            let network = "10.1.0.0/16".parse().expect("a prefix");
            let gateway = netlink::Leg::via([192, 0, 2, 2].into(), LinkIndex(3));
            let heard =
                netlink::Route { nexthop: Some(NexthopId(7)), ..netlink::Route::new(network, Protocol(number)) };
            let target = route(heard.leg(gateway), &own).expect("a route").target;
            assert_eq!(target == Target::Object(7), is_kept, "{number}: {target:?}");
        }
    }

    #[test]
    fn carrier_that_came_back_before_its_loss_was_reported() {
        let lost = KernelEvent::Link(Link { index: IfIndex(3), name: "a0".to_owned(), state: LinkState::NoCarrier });
        assert_eq!(before(&reported(true, false)), Some(lost.clone()));
        assert_eq!(before(&reported(true, true)), None);
        assert_eq!(before(&reported(false, false)), None);
        assert_eq!(event(reported(false, false), [254, 254], &own_numbers(&Settings::default())), Some(lost));
    }
}
