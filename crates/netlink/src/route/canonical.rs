//! The form of a route in which what was written and what the kernel reports are equal.

use std::net::IpAddr;

use ipnetwork::IpNetwork;

use super::{Leg, Route, RouteKey, RouteKind, Scope};
use crate::number::{Family, LinkIndex, Protocol, Table, Weight};

/// What IPv6 makes of metric 0 (`IP6_RT_PRIO_USER`).
const IPV6_DEFAULT_METRIC: u32 = 1024;
/// The largest MTU that the kernel keeps for a route.
const MTU_MAX: u32 = 65_535 - 15;

impl Route {
    /// The form in which the kernel reads it back. Two routes are the same to the kernel if they are equal in this form,
    /// as long as every leg names its link ([`Leg::oif`]).
    ///
    /// - The prefix has no bits behind its length; table 0 is the main one.
    /// - IPv6: metric 0 is 1024, protocol 0 is [`Protocol::BOOT`], the scope is the universe.
    /// - IPv4: a scope that was left open is the one of the legs: the universe over a gateway, a nexthop object or none,
    ///   else the link, for local ones the host.
    /// - A nexthop object stands alone: the legs beside it depend on `net.ipv4.nexthop_compat_mode`, and the kind on the
    ///   object.
    /// - Legs are a set, here sorted, with weights; of a single one the weight says nothing. Dead and linkdown are
    ///   no part of it. Kinds that do not forward have none (IPv6 reports the loopback link with them).
    /// - An MTU of 0 is none, and there is an upper bound.
    #[must_use]
    pub fn canonical(mut self) -> Route {
        self.canonicalize();
        self
    }

    /// [`Route::canonical`] in place.
    pub fn canonicalize(&mut self) {
        let family = self.family();
        let key = key(self);
        (self.table, self.prefix, self.source, self.tos, self.metric) =
            (key.table, key.prefix, key.source, key.tos, key.metric);
        if family == Family::Ipv6 && self.protocol == Protocol(0) {
            self.protocol = Protocol::BOOT;
        }
        self.scope = Some(self.effective_scope());
        if self.nexthop.is_some() {
            self.legs.clear();
            if self.kind == RouteKind::Blackhole {
                self.kind = RouteKind::Unicast;
            }
        }
        if !self.kind.has_legs() {
            self.legs.clear();
        }
        for leg in &mut self.legs {
            canonicalize_leg(leg);
        }
        if let [only] = self.legs.as_mut_slice() {
            only.weight = Weight::ONE;
        }
        self.legs.sort_unstable_by_key(order);
        self.preferred_source = self.preferred_source.filter(|address| !address.is_unspecified());
        self.mtu = self.mtu.filter(|mtu| *mtu != 0).map(|mtu| mtu.min(MTU_MAX));
    }

    /// The scope that it is written with.
    pub(crate) fn effective_scope(&self) -> Scope {
        if self.family() == Family::Ipv6 {
            return Scope::Universe;
        }
        self.scope.unwrap_or_else(|| match self.kind {
            RouteKind::Local => Scope::Host,
            RouteKind::Broadcast | RouteKind::Anycast | RouteKind::Multicast => Scope::Link,
            RouteKind::Unicast => {
                let on_link = self.nexthop.is_none() && self.legs.iter().all(|leg| leg.gateway.is_none());
                if on_link { Scope::Link } else { Scope::Universe }
            }
            RouteKind::Blackhole
            | RouteKind::Unreachable
            | RouteKind::Prohibit
            | RouteKind::Throw
            | RouteKind::Other(_) => Scope::Universe,
        })
    }
}

/// The key, in the form in which the kernel reads it back.
pub(super) fn key(route: &Route) -> RouteKey {
    let ipv6 = route.family() == Family::Ipv6;
    RouteKey {
        table: if route.table == Table(0) { Table::MAIN } else { route.table },
        prefix: masked(route.prefix),
        source: route.source.map(masked).filter(|source| source.prefix() != 0),
        tos: route.tos,
        metric: if ipv6 && route.metric == 0 { IPV6_DEFAULT_METRIC } else { route.metric },
    }
}

/// The prefix without bits behind its length.
fn masked(prefix: IpNetwork) -> IpNetwork {
    IpNetwork::new(prefix.network(), prefix.prefix()).unwrap_or(prefix)
}

fn canonicalize_leg(leg: &mut Leg) {
    leg.gateway = leg.gateway.filter(|gateway| !gateway.is_unspecified());
    leg.dead = false;
    leg.linkdown = false;
}

/// An order of legs; any would do.
fn order(leg: &Leg) -> (Option<IpAddr>, Option<LinkIndex>, Weight, bool) {
    (leg.gateway, leg.oif, leg.weight, leg.onlink)
}
