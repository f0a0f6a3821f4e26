//! Routes from the octets of a dump or an event.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use smallvec::{SmallVec, smallvec};

use super::{Leg, Route, RouteKind, Scope};
use crate::attribute::{Attributes, aligned, ip};
use crate::event::Malformed;
use crate::message::{u16_at, u32_at};
use crate::number::{Family, LinkIndex, NexthopId, Protocol, Table, Weight};
use crate::wire::{
    RTA_DST, RTA_GATEWAY, RTA_METRICS, RTA_MULTIPATH, RTA_NH_ID, RTA_OIF, RTA_PREFSRC, RTA_PRIORITY, RTA_SRC,
    RTA_TABLE, RTA_VIA, RTAX_MTU, RTM_F_CLONED, RTNH_F_DEAD, RTNH_F_LINKDOWN, RTNH_F_ONLINK,
};

/// Octets of `struct rtmsg`.
const HEADER: usize = 12;
/// Octets of `struct rtnexthop`.
const LEG_HEADER: usize = 8;

/// Reads what follows the header of an `RTM_NEWROUTE` or `RTM_DELROUTE`; `None` for what is no route of IPv4 or IPv6, or
/// only the kernel's note about one destination.
pub(crate) fn decode(payload: &[u8]) -> Result<Option<Route>, Malformed> {
    const MALFORMED: Malformed = Malformed { message: "a route" };
    let (header, attributes) = payload.split_first_chunk::<HEADER>().ok_or(MALFORMED)?;
    let [family, prefix_length, source_length, tos, table, protocol, scope, kind, ..] = *header;
    let flags = u32_at(header, 8).ok_or(MALFORMED)?;
    let Some(family) = Family::from_code(family) else { return Ok(None) };
    if flags & RTM_F_CLONED != 0 {
        return Ok(None);
    }
    let default = IpNetwork::new(family.unspecified(), prefix_length).map_err(|_| MALFORMED)?;
    let mut route = Route::new(default, Protocol(protocol));
    route.table = Table(u32::from(table));
    route.tos = tos;
    route.scope = Some(Scope::from_code(scope));
    route.kind = RouteKind::from_code(kind);
    let (mut gateway, mut oif) = (None, None);
    for attribute in Attributes(attributes) {
        match attribute.kind {
            RTA_DST => route.prefix = network(attribute.ip(), prefix_length).ok_or(MALFORMED)?,
            RTA_SRC => route.source = Some(network(attribute.ip(), source_length).ok_or(MALFORMED)?),
            RTA_OIF => oif = Some(LinkIndex(attribute.u32().ok_or(MALFORMED)?)),
            RTA_GATEWAY => gateway = attribute.ip(),
            RTA_VIA => gateway = via(attribute.value),
            RTA_PRIORITY => route.metric = attribute.u32().ok_or(MALFORMED)?,
            RTA_PREFSRC => route.preferred_source = attribute.ip(),
            RTA_METRICS => route.mtu = mtu(attribute.nested()),
            RTA_MULTIPATH => route.legs = multipath(attribute.value).ok_or(MALFORMED)?,
            RTA_TABLE => route.table = Table(attribute.u32().ok_or(MALFORMED)?),
            RTA_NH_ID => route.nexthop = Some(NexthopId(attribute.u32().ok_or(MALFORMED)?)),
            _ => {}
        }
    }
    if Family::of(route.prefix.ip()) != family {
        return Err(MALFORMED);
    }
    if route.legs.is_empty() && (gateway.is_some() || oif.is_some()) {
        route.legs = smallvec![leg(gateway, oif, Weight::ONE, flags)];
    }
    Ok(Some(route))
}

fn network(address: Option<IpAddr>, length: u8) -> Option<IpNetwork> {
    IpNetwork::new(address?, length).ok()
}

/// `struct rtvia`: a family and an address of it.
fn via(value: &[u8]) -> Option<IpAddr> {
    ip(value.get(2..)?)
}

fn mtu(metrics: Attributes<'_>) -> Option<u32> {
    metrics.into_iter().find(|metric| metric.kind == RTAX_MTU)?.u32()
}

fn leg(gateway: Option<IpAddr>, oif: Option<LinkIndex>, weight: Weight, flags: u32) -> Leg {
    Leg {
        gateway,
        oif,
        weight,
        onlink: flags & RTNH_F_ONLINK != 0,
        dead: flags & RTNH_F_DEAD != 0,
        linkdown: flags & RTNH_F_LINKDOWN != 0,
    }
}

/// `RTA_MULTIPATH`: a `struct rtnexthop` with attributes for each leg.
fn multipath(mut value: &[u8]) -> Option<SmallVec<[Leg; 1]>> {
    let mut legs = SmallVec::new();
    while !value.is_empty() {
        let length = usize::from(u16_at(value, 0)?);
        let (flags, hops) = (*value.get(2)?, *value.get(3)?);
        let index = u32_at(value, 4)?;
        let mut gateway = None;
        for attribute in Attributes(value.get(LEG_HEADER..length)?) {
            match attribute.kind {
                RTA_GATEWAY => gateway = attribute.ip(),
                RTA_VIA => gateway = via(attribute.value),
                _ => {}
            }
        }
        let oif = (index != 0).then_some(LinkIndex(index));
        legs.push(leg(gateway, oif, Weight::from_hops(u16::from(hops)), u32::from(flags)));
        value = value.get(aligned(length)..).unwrap_or_default();
    }
    Some(legs)
}
