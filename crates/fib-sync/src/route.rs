//! Routes, links and addresses as the kernel reports them, in the form in which two of them can be compared.

use std::net::IpAddr;
use std::sync::Arc;

use heddle_bgp_core::Prefix;
use smallvec::SmallVec;

/// The table `main`.
pub const MAIN_TABLE: u32 = 254;
/// `RTPROT_KERNEL`: connected routes.
pub const PROTOCOL_KERNEL: u8 = 2;

/// The number of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct IfIndex(pub u32);

/// Whether the kernel takes the gateway's word that it is on the link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum OnLink {
    /// The gateway has to be on a connected prefix of the interface.
    #[default]
    No,
    /// It is taken to be on the link, as the far end of a tunnel is (`onlink`).
    Yes,
}

/// One of the ways that a route leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leg {
    /// The interface.
    pub interface: IfIndex,
    /// The next router; none when the destination is on the link.
    pub gateway: Option<IpAddr>,
    /// Share of the traffic, 1 to 256.
    pub weight: u16,
    /// Whether the gateway is on the link by decree.
    pub on_link: OnLink,
}

impl Leg {
    /// A leg of weight 1.
    #[must_use]
    pub const fn new(interface: IfIndex, gateway: Option<IpAddr>) -> Self {
        Self { interface, gateway, weight: 1, on_link: OnLink::No }
    }
}

/// The ways that a route leads, sorted.
pub type Legs = SmallVec<[Leg; 1]>;

/// Why a packet goes nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dead {
    /// Silently (`blackhole`).
    Blackhole,
    /// With an ICMP message (`unreachable`).
    Unreachable,
    /// With another ICMP message (`prohibit`).
    Prohibit,
    /// In a way that no route of ours has: to this machine itself, to another table, ….
    Other,
}

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// To routers or links.
    Legs(Legs),
    /// To what a nexthop object of the kernel says.
    Object(u32),
    /// Nowhere.
    Dead(Dead),
}

impl Target {
    /// Legs, sorted and each once, so that equal sets are equal values.
    #[must_use]
    pub fn legs(mut legs: Legs) -> Self {
        legs.sort_unstable();
        legs.dedup();
        Self::Legs(legs)
    }

    /// Whether a leg goes out of this interface.
    #[must_use]
    pub fn uses(&self, interface: IfIndex) -> bool {
        match self {
            Self::Legs(legs) => legs.iter().any(|leg| leg.interface == interface),
            Self::Object(_) | Self::Dead(_) => false,
        }
    }

    /// Whether it has legs, each of them to a gateway, as those of a learned route are; the route to a workload itself has none.
    #[must_use]
    pub fn is_by_gateways(&self) -> bool {
        match self {
            Self::Legs(legs) => !legs.is_empty() && legs.iter().all(|leg| leg.gateway.is_some()),
            Self::Object(_) | Self::Dead(_) => false,
        }
    }

    /// What is left of it without the legs of another; none when that is nothing. Targets that have no legs to compare are
    /// the same or not.
    #[must_use]
    pub fn without(&self, gone: &Self) -> Option<Self> {
        let (Self::Legs(legs), Self::Legs(gone)) = (self, gone) else {
            return (self != gone).then(|| self.clone());
        };
        let same = |a: &Leg, b: &Leg| a.interface == b.interface && a.gateway == b.gateway;
        let rest: Legs = legs.iter().filter(|leg| !gone.iter().any(|gone| same(leg, gone))).copied().collect();
        (!rest.is_empty()).then(|| Self::legs(rest))
    }

    /// Whether it has legs, and all of them go out of these interfaces.
    #[must_use]
    pub fn is_only_on(&self, interfaces: &[IfIndex]) -> bool {
        match self {
            Self::Legs(legs) => legs.iter().all(|leg| interfaces.contains(&leg.interface)),
            Self::Object(_) | Self::Dead(_) => false,
        }
    }
}

/// What the kernel has under one key beside the key: a route as it was reported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelRoute {
    /// The table.
    pub table: u32,
    /// The destination.
    pub prefix: Prefix,
    /// Type of service; 0 for all of ours.
    pub tos: u8,
    /// The metric, as read back: IPv6 has no 0.
    pub metric: u32,
    /// Who made it (`rtm_protocol`).
    pub protocol: u8,
    /// The address that it prefers as source; an IPv4 route goes with it. None of ours has one.
    pub source: Option<IpAddr>,
    /// Where it leads.
    pub target: Target,
}

/// A route for the kernel, or one to be taken from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteSpec {
    /// The table.
    pub table: u32,
    /// The destination.
    pub prefix: Prefix,
    /// Type of service.
    pub tos: u8,
    /// The metric.
    pub metric: u32,
    /// Who made it.
    pub protocol: u8,
    /// Where it leads.
    pub target: Arc<Target>,
}

/// Whether packets can go out of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkState {
    /// Up, with carrier.
    Up,
    /// Up, without carrier.
    NoCarrier,
    /// Down.
    Down,
}

/// An interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number.
    pub index: IfIndex,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: LinkState,
}

/// An address of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The interface.
    pub interface: IfIndex,
    /// The address.
    pub address: IpAddr,
    /// The connected prefix.
    pub prefix: Prefix,
}

/// What happened in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KernelEvent {
    /// A link is there or changed.
    Link(Link),
    /// A link is gone.
    LinkGone(IfIndex),
    /// An address was added.
    Address(Address),
    /// An address was removed.
    AddressGone(Address),
    /// A route was added, or took the place of one.
    Route(KernelRoute, Placed),
    /// A route was removed.
    RouteGone(KernelRoute),
    /// A nexthop object is there or changed.
    Object(KernelObject),
    /// A nexthop object is gone.
    ObjectGone(u32),
    /// Events were lost: only a dump tells what is there.
    Overrun,
}

/// How a route came to its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Placed {
    /// Beside those that were there, or the report does not say.
    Added,
    /// In place of the first one with the same destination, type of service and metric.
    Replaced,
}

/// A nexthop object as the kernel reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KernelObject {
    /// Its number.
    pub id: u32,
    /// Who made it.
    pub protocol: u8,
    /// What it says.
    pub object: ObjectSpec,
}

/// What a nexthop object says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ObjectSpec {
    /// One way.
    Leg(Leg),
    /// Other objects, with weights; sorted.
    Group(SmallVec<[(u32, u16); 2]>),
    /// Something that we never write.
    Other,
}
