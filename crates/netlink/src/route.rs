//! Routes, as they are written and as the kernel reports them.
//!
//! What the kernel reports is not always what was written: it fills in, sorts and drops. [`Route::canonical`] is the form
//! in which both are equal, so that whoever keeps a desired state in that form writes nothing while it is the actual one.

mod canonical;
mod decode;
pub(crate) mod encode;

use std::fmt;
use std::net::IpAddr;

use ipnetwork::IpNetwork;
use smallvec::SmallVec;

pub(crate) use decode::decode;

use crate::number::{Family, LinkIndex, NexthopId, Protocol, Table, Weight};

/// A route.
///
/// The kernel's key of it is (table, prefix, tos, metric), for IPv6 also the source prefix.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Route {
    /// Which table it is in.
    pub table: Table,
    /// Where it leads; bits behind the prefix length count for nothing.
    pub prefix: IpNetwork,
    /// IPv6 only, and rare: the route holds for packets from here alone. Strangers' routes may have it; it belongs to the key.
    pub source: Option<IpNetwork>,
    /// IPv4 only: the DSCP that packets must have, in the upper six bits. 0: any.
    pub tos: u8,
    /// The lowest wins. 0 is the best of IPv4; IPv6 makes 1024 of it.
    pub metric: u32,
    /// Who wrote it.
    pub protocol: Protocol,
    /// How far it reaches; `None` when writing: what fits the legs.
    pub scope: Option<Scope>,
    /// What happens to packets.
    pub kind: RouteKind,
    /// Over which links and gateways; several: packets are spread over them. Empty unless `kind` forwards.
    pub legs: SmallVec<[Leg; 1]>,
    /// The nexthop object that the route uses instead of legs. When the kernel reports a route, legs may stand beside it.
    pub nexthop: Option<NexthopId>,
    /// The address that the machine prefers as source of what it sends on this route itself.
    pub preferred_source: Option<IpAddr>,
    /// The MTU of the path, where it is not the link's.
    pub mtu: Option<u32>,
}

impl Route {
    /// A unicast route in the main table without legs yet, metric 0.
    #[must_use]
    pub fn new(prefix: IpNetwork, protocol: Protocol) -> Route {
        Route {
            table: Table::MAIN,
            prefix,
            source: None,
            tos: 0,
            metric: 0,
            protocol,
            scope: None,
            kind: RouteKind::Unicast,
            legs: SmallVec::new(),
            nexthop: None,
            preferred_source: None,
            mtu: None,
        }
    }

    /// The same route with one more leg.
    #[must_use]
    pub fn leg(mut self, leg: Leg) -> Route {
        self.legs.push(leg);
        self
    }

    /// The same route, dropping what it matches: `kind` [`RouteKind::Blackhole`].
    #[must_use]
    pub fn blackhole(mut self) -> Route {
        self.kind = RouteKind::Blackhole;
        self
    }

    /// The same route over a nexthop object.
    #[must_use]
    pub fn via_nexthop(mut self, id: NexthopId) -> Route {
        self.nexthop = Some(id);
        self
    }

    /// The same route in another table.
    #[must_use]
    pub fn table(mut self, table: Table) -> Route {
        self.table = table;
        self
    }

    /// The same route with another metric.
    #[must_use]
    pub fn metric(mut self, metric: u32) -> Route {
        self.metric = metric;
        self
    }

    /// The family of the prefix. Gateways of an IPv4 route may be IPv6 addresses.
    #[must_use]
    pub fn family(&self) -> Family {
        Family::of(self.prefix.ip())
    }

    /// What the kernel tells routes apart by. Two routes with one key cannot both be written with
    /// [`RequestSocket::add`](crate::RequestSocket::add).
    ///
    /// IPv6 metric 0 is 1024 here, and table 0 is the main one, as in [`Route::canonical`].
    #[must_use]
    pub fn key(&self) -> RouteKey {
        canonical::key(self)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            RouteKind::Unicast => {}
            other => write!(f, "{other} ")?,
        }
        write!(f, "{}", self.prefix)?;
        if let Some(source) = self.source {
            write!(f, " from {source}")?;
        }
        if self.tos != 0 {
            write!(f, " tos {:#04x}", self.tos)?;
        }
        if let Some(id) = self.nexthop {
            write!(f, " nhid {id}")?;
        } else {
            for leg in &self.legs {
                if self.legs.len() > 1 {
                    write!(f, " nexthop")?;
                }
                write!(f, "{leg}")?;
                if self.legs.len() > 1 {
                    write!(f, " weight {}", leg.weight)?;
                }
            }
        }
        if self.table != Table::MAIN {
            write!(f, " table {}", self.table)?;
        }
        write!(f, " proto {}", self.protocol)?;
        if self.metric != 0 {
            write!(f, " metric {}", self.metric)?;
        }
        if let Some(source) = self.preferred_source {
            write!(f, " src {source}")?;
        }
        if let Some(mtu) = self.mtu {
            write!(f, " mtu {mtu}")?;
        }
        Ok(())
    }
}

/// What the kernel tells routes apart by: see [`Route::key`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteKey {
    /// Which table.
    pub table: Table,
    /// Where to.
    pub prefix: IpNetwork,
    /// IPv6: from where.
    pub source: Option<IpNetwork>,
    /// IPv4: with which DSCP.
    pub tos: u8,
    /// Which one of several; for IPv6 never 0.
    pub metric: u32,
}

/// One of the ways that a route leads: a gateway, a link, or a gateway on a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Leg {
    /// The next router. An IPv4 route may have an IPv6 gateway (`RTA_VIA`), not the other way round.
    pub gateway: Option<IpAddr>,
    /// The link. Where it is not named the kernel finds it by the gateway and reports it, so that only a route that
    /// names it is reported as it was written.
    pub oif: Option<LinkIndex>,
    /// Its part of the traffic; counts only among several legs. At most [`Weight::LEG_MAX`].
    pub weight: Weight,
    /// The gateway is taken to be on the link even where no address of the link says so.
    pub onlink: bool,
    /// Reported: the link is down.
    pub dead: bool,
    /// Reported: the link has no carrier.
    pub linkdown: bool,
}

impl Leg {
    /// A gateway on a link.
    #[must_use]
    pub fn via(gateway: IpAddr, oif: LinkIndex) -> Leg {
        Leg { gateway: Some(gateway), ..Leg::device(oif) }
    }

    /// A link, on which the destination itself is.
    #[must_use]
    pub fn device(oif: LinkIndex) -> Leg {
        Leg { gateway: None, oif: Some(oif), weight: Weight::ONE, onlink: false, dead: false, linkdown: false }
    }

    /// The same leg, with the gateway taken to be on the link whatever the link's addresses are.
    #[must_use]
    pub fn onlink(mut self) -> Leg {
        self.onlink = true;
        self
    }

    /// The same leg with a weight.
    #[must_use]
    pub fn weight(mut self, weight: Weight) -> Leg {
        self.weight = weight;
        self
    }
}

impl fmt::Display for Leg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(gateway) = self.gateway {
            write!(f, " via {gateway}")?;
        }
        if let Some(oif) = self.oif {
            write!(f, " dev {oif}")?;
        }
        for (set, name) in [(self.onlink, " onlink"), (self.dead, " dead"), (self.linkdown, " linkdown")] {
            if set {
                f.write_str(name)?;
            }
        }
        Ok(())
    }
}

/// What happens to packets that a route matches (`rtm_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteKind {
    /// Forwarded over the legs.
    Unicast,
    /// For this machine.
    Local,
    /// For this machine and others of the link.
    Broadcast,
    /// For this machine, as one of several.
    Anycast,
    /// For a multicast group.
    Multicast,
    /// Dropped.
    Blackhole,
    /// Dropped; the sender is told that there is no way.
    Unreachable,
    /// Dropped; the sender is told that it is forbidden.
    Prohibit,
    /// The search goes on in the next table.
    Throw,
    /// Another number.
    Other(u8),
}

impl RouteKind {
    /// Whether a route of this kind leads over legs.
    #[must_use]
    pub fn has_legs(self) -> bool {
        match self {
            RouteKind::Unicast
            | RouteKind::Local
            | RouteKind::Broadcast
            | RouteKind::Anycast
            | RouteKind::Multicast
            | RouteKind::Other(_) => true,
            RouteKind::Blackhole | RouteKind::Unreachable | RouteKind::Prohibit | RouteKind::Throw => false,
        }
    }

    /// The kernel's number.
    pub(crate) fn code(self) -> u8 {
        match self {
            RouteKind::Unicast => 1,
            RouteKind::Local => 2,
            RouteKind::Broadcast => 3,
            RouteKind::Anycast => 4,
            RouteKind::Multicast => 5,
            RouteKind::Blackhole => 6,
            RouteKind::Unreachable => 7,
            RouteKind::Prohibit => 8,
            RouteKind::Throw => 9,
            RouteKind::Other(code) => code,
        }
    }

    /// From the kernel's number.
    pub(crate) fn from_code(code: u8) -> RouteKind {
        match code {
            1 => RouteKind::Unicast,
            2 => RouteKind::Local,
            3 => RouteKind::Broadcast,
            4 => RouteKind::Anycast,
            5 => RouteKind::Multicast,
            6 => RouteKind::Blackhole,
            7 => RouteKind::Unreachable,
            8 => RouteKind::Prohibit,
            9 => RouteKind::Throw,
            other => RouteKind::Other(other),
        }
    }
}

impl fmt::Display for RouteKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            RouteKind::Unicast => "unicast",
            RouteKind::Local => "local",
            RouteKind::Broadcast => "broadcast",
            RouteKind::Anycast => "anycast",
            RouteKind::Multicast => "multicast",
            RouteKind::Blackhole => "blackhole",
            RouteKind::Unreachable => "unreachable",
            RouteKind::Prohibit => "prohibit",
            RouteKind::Throw => "throw",
            RouteKind::Other(code) => return write!(f, "type {code}"),
        })
    }
}

/// How far a route or an address reaches (`rtm_scope`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Everywhere: over a gateway.
    Universe,
    /// Within the site.
    Site,
    /// On the link.
    Link,
    /// In this machine.
    Host,
    /// Nowhere.
    Nowhere,
    /// Another number.
    Other(u8),
}

impl Scope {
    /// The kernel's number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Scope::Universe => 0,
            Scope::Site => 200,
            Scope::Link => 253,
            Scope::Host => 254,
            Scope::Nowhere => 255,
            Scope::Other(code) => code,
        }
    }

    /// From the kernel's number.
    pub(crate) fn from_code(code: u8) -> Scope {
        match code {
            0 => Scope::Universe,
            200 => Scope::Site,
            253 => Scope::Link,
            254 => Scope::Host,
            255 => Scope::Nowhere,
            other => Scope::Other(other),
        }
    }
}

#[cfg(test)]
mod tests;
