//! The kernel's forwarding table: what a speaker that forwards puts there, and what it takes from there.

use std::net::IpAddr;

use heddle_bgp_core::Prefix;

use super::policy::PrefixRange;
use super::seconds::Seconds;

/// The forwarding table of a speaker that forwards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fib {
    /// The kernel's routing table; 254 is `main`.
    pub table: u32,
    /// The protocol number of our routes (`rtm_protocol`). Routes of others are never touched.
    pub protocol: u8,
    /// The protocol number of learned and static routes that leave by workload interfaces alone, where it is to be another one:
    /// somebody else takes routes of other numbers off these interfaces. A route there that has it, and a gateway on every leg,
    /// is ours.
    pub workload_protocol: Option<u8>,
    /// Routes of these protocols in our table and metric range count as ours at the first start: they are replaced in
    /// place, and swept when stale routes are.
    pub adopt_protocols: Vec<u8>,
    /// Routes of these protocols on any interface are local routes.
    pub learn_protocols: Vec<u8>,
    /// Interfaces of workloads, as shell globs: every route on them is a local route, whatever its protocol.
    pub workload_interfaces: Vec<String>,
    /// Interfaces, as shell globs, whose connected prefixes are not local routes.
    pub ignored_interfaces: Vec<String>,
    /// The metric of ordinary routes.
    pub metric: RouteMetric,
    /// When routes point to nexthop objects.
    pub nexthop_objects: NexthopObjects,
    /// After a start, how long routes of the run before are kept when peers do not end their initial update.
    pub stale_time: Seconds,
    /// How long the last good route to a next hop that cannot be resolved any more is kept.
    pub unresolved_time: Seconds,
    /// Set the sysctls that forwarding needs, instead of only saying which are wrong.
    pub manage_sysctls: bool,
    /// Host routes in the kernel that are not advertised.
    pub static_routes: Vec<StaticRoute>,
    /// What goes into the kernel, asked in this order; the first that applies decides; what none decides goes in.
    pub rules: Vec<FibRule>,
}

impl Fib {
    /// The greatest metric, and what LOCAL_PREF is counted from: a route of metric m has LOCAL_PREF `METRIC_BASE - m`,
    /// as Calico has it.
    pub const METRIC_BASE: u32 = 2_147_483_647;
    /// The table `main`.
    pub const MAIN_TABLE: u32 = 254;
    /// The protocol number of our routes, where no other is given.
    pub const PROTOCOL: u8 = 158;
}

impl Default for Fib {
    fn default() -> Self {
        Self {
            table: Self::MAIN_TABLE,
            protocol: Self::PROTOCOL,
            workload_protocol: None,
            adopt_protocols: Vec::new(),
            learn_protocols: Vec::new(),
            workload_interfaces: vec!["cali*".to_owned(), "heddle*".to_owned()],
            ignored_interfaces: vec!["kube-ipvs*".to_owned()],
            metric: RouteMetric::default(),
            nexthop_objects: NexthopObjects::Auto,
            stale_time: Seconds(10),
            unresolved_time: Seconds(30),
            manage_sysctls: false,
            static_routes: Vec::new(),
            rules: Vec::new(),
        }
    }
}

/// Names of protocol numbers (`rtm_protocol`), as `rt_protos` of iproute2 and ours have them.
pub const PROTOCOL_NAMES: &[(&str, u8)] = &[
    ("redirect", 1),
    ("kernel", 2),
    ("boot", 3),
    ("static", 4),
    ("gated", 8),
    ("ra", 9),
    ("mrt", 10),
    ("zebra", 11),
    ("bird", 12),
    ("dnrouted", 13),
    ("xorp", 14),
    ("ntk", 15),
    ("dhcp", 16),
    ("mrouted", 17),
    ("keepalived", 18),
    ("babel", 42),
    ("openr", 99),
    ("heddle", Fib::PROTOCOL),
    ("bgp", 186),
    ("isis", 187),
    ("ospf", 188),
    ("rip", 189),
    ("eigrp", 192),
];

/// The metric of ordinary routes, by version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteMetric {
    /// IPv4.
    pub v4: u32,
    /// IPv6.
    pub v6: u32,
}

impl Default for RouteMetric {
    fn default() -> Self {
        Self { v4: 1024, v6: 1024 }
    }
}

/// When routes point to nexthop objects, which live and die with the carrier of their link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum NexthopObjects {
    /// For next hops of more than 10,000 routes.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// A route that the kernel gets whatever peers say. It is not advertised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StaticRoute {
    /// Where to.
    pub prefix: Prefix,
    /// The gateway.
    pub via: IpAddr,
}

/// What goes into the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FibRule {
    /// For people; `show fib` names it as the reason.
    pub name: Option<String>,
    /// The prefix is in one of these; empty: any.
    pub prefixes: Vec<PrefixRange>,
    /// The next hop of the route is one of these; empty: any.
    pub next_hops: Vec<IpAddr>,
    /// What becomes of the route.
    pub action: FibAction,
}

/// What becomes of a route on its way to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FibAction {
    /// It goes in.
    Install,
    /// It goes in, through a tunnel.
    Tunnel(Tunnel),
    /// It does not go in.
    Reject,
}

/// A tunnel interface whose far end is the route's next hop (`via NEXT_HOP dev INTERFACE onlink`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tunnel {
    /// The interface, such as `tunl0`.
    pub interface: String,
    /// Next hops in these prefixes are reached without the tunnel.
    pub except: Vec<Prefix>,
}
