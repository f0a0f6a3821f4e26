//! Routes to the octets of a request. Nothing is allocated but what the buffer grows by.

use std::net::IpAddr;

use super::{Leg, Route, RouteKind, Scope};
use crate::attribute::{Mark, TooLong, close, open, put, put_ip, put_u32};
use crate::number::{Family, Table, Weight};
use crate::request::EncodeError;
use crate::wire::{
    RTA_DST, RTA_GATEWAY, RTA_METRICS, RTA_MULTIPATH, RTA_NH_ID, RTA_OIF, RTA_PREFSRC, RTA_PRIORITY, RTA_SRC,
    RTA_TABLE, RTA_VIA, RTAX_MTU, RTNH_F_ONLINK,
};

impl From<TooLong> for EncodeError {
    fn from(_: TooLong) -> EncodeError {
        EncodeError::TooLong
    }
}

/// Writes what follows the header of an `RTM_NEWROUTE`.
pub(crate) fn route(buffer: &mut Vec<u8>, route: &Route) -> Result<(), EncodeError> {
    check(route)?;
    let forwards = route.kind.has_legs() && route.nexthop.is_none();
    let legs = if forwards { route.legs.as_slice() } else { &[] };
    let flags = match legs {
        [only] if only.onlink => RTNH_F_ONLINK,
        _ => 0,
    };
    header(buffer, route, route.effective_scope(), flags);
    key(buffer, route);
    if let Some(id) = route.nexthop {
        put_u32(buffer, RTA_NH_ID, id.0);
    }
    match legs {
        [] => {}
        [only] => leg(buffer, route.family(), only),
        several => multipath(buffer, route.family(), several)?,
    }
    if let Some(source) = route.preferred_source {
        put_ip(buffer, RTA_PREFSRC, source);
    }
    if let Some(mtu) = route.mtu {
        let mark = open(buffer, RTA_METRICS);
        put_u32(buffer, RTAX_MTU, mtu);
        close(buffer, mark)?;
    }
    Ok(())
}

/// Writes what follows the header of an `RTM_DELROUTE`: enough that no route but this one fits, neither a stranger's
/// with another metric, protocol or gateway, nor one leg of it alone.
///
/// - IPv4: key, kind, protocol; the leg, if there is one, or the nexthop object. Several legs are not named: the kernel
///   compares them in the order in which they were written, which nobody knows who only read them. They are one route
///   and go together.
/// - IPv6: likewise, but several legs are named: the kernel makes one route of all legs of a metric, also of those that a
///   stranger appended, and would delete them all. It takes the named ones away one after the other.
pub(crate) fn deletion(buffer: &mut Vec<u8>, route: &Route) -> Result<(), EncodeError> {
    check(route)?;
    header(buffer, route, Scope::Nowhere, 0);
    key(buffer, route);
    if let Some(id) = route.nexthop {
        put_u32(buffer, RTA_NH_ID, id.0);
        return Ok(());
    }
    if !route.kind.has_legs() {
        return Ok(());
    }
    match (route.legs.as_slice(), route.family()) {
        ([], _) => {}
        ([only], family) => leg(buffer, family, only),
        (_, Family::Ipv4) => {}
        (several, Family::Ipv6) => multipath(buffer, Family::Ipv6, several)?,
    }
    Ok(())
}

/// What no message can say, and what the kernel would take for something else.
fn check(route: &Route) -> Result<(), EncodeError> {
    let family = route.family();
    let other = |address: IpAddr| Family::of(address) != family;
    if route.source.is_some_and(|source| other(source.ip())) || route.preferred_source.is_some_and(other) {
        return Err(EncodeError::Family);
    }
    for leg in &route.legs {
        if family == Family::Ipv6 && leg.gateway.is_some_and(other) {
            return Err(EncodeError::Gateway);
        }
        if route.legs.len() > 1 && leg.weight > Weight::LEG_MAX {
            return Err(EncodeError::Weight);
        }
    }
    if route.kind == RouteKind::Unicast && route.legs.is_empty() && route.nexthop.is_none() {
        return Err(EncodeError::NoLeg);
    }
    Ok(())
}

/// `struct rtmsg`.
fn header(buffer: &mut Vec<u8>, route: &Route, scope: Scope, flags: u32) {
    let short_table = u8::try_from(route.table.0).unwrap_or(0);
    let source_length = route.source.map_or(0, |source| source.prefix());
    buffer.extend_from_slice(&[
        route.family().code(),
        route.prefix.prefix(),
        source_length,
        route.tos,
        short_table,
        route.protocol.0,
        scope.code(),
        route.kind.code(),
    ]);
    buffer.extend_from_slice(&flags.to_ne_bytes());
}

fn key(buffer: &mut Vec<u8>, route: &Route) {
    if route.prefix.prefix() != 0 {
        put_ip(buffer, RTA_DST, route.prefix.network());
    }
    if let Some(source) = route.source {
        put_ip(buffer, RTA_SRC, source.network());
    }
    put_u32(buffer, RTA_TABLE, if route.table == Table(0) { Table::MAIN.0 } else { route.table.0 });
    if route.metric != 0 {
        put_u32(buffer, RTA_PRIORITY, route.metric);
    }
}

/// The attributes of one leg.
fn leg(buffer: &mut Vec<u8>, family: Family, leg: &Leg) {
    if let Some(oif) = leg.oif {
        put_u32(buffer, RTA_OIF, oif.0);
    }
    gateway(buffer, family, leg.gateway);
}

fn gateway(buffer: &mut Vec<u8>, family: Family, gateway: Option<IpAddr>) {
    match (family, gateway) {
        (_, None) => {}
        (Family::Ipv4, Some(IpAddr::V6(gateway))) => {
            let mut via = [0; 18];
            let (kind, address) = via.split_at_mut(2);
            kind.copy_from_slice(&u16::from(Family::Ipv6.code()).to_ne_bytes());
            address.copy_from_slice(&gateway.octets());
            put(buffer, RTA_VIA, &via);
        }
        (Family::Ipv4 | Family::Ipv6, Some(gateway)) => put_ip(buffer, RTA_GATEWAY, gateway),
    }
}

/// `RTA_MULTIPATH`: a `struct rtnexthop` with attributes for each leg.
fn multipath(buffer: &mut Vec<u8>, family: Family, legs: &[Leg]) -> Result<(), EncodeError> {
    let all = open(buffer, RTA_MULTIPATH);
    for leg in legs {
        let mark = Mark(buffer.len());
        let flags = if leg.onlink { RTNH_F_ONLINK } else { 0 };
        let flags = u8::try_from(flags).map_err(|_| EncodeError::TooLong)?;
        let hops = u8::try_from(leg.weight.hops()).map_err(|_| EncodeError::Weight)?;
        buffer.extend_from_slice(&[0, 0, flags, hops]);
        buffer.extend_from_slice(&leg.oif.map_or(0, |oif| oif.0).to_ne_bytes());
        gateway(buffer, family, leg.gateway);
        close(buffer, mark)?;
    }
    close(buffer, all)?;
    Ok(())
}
