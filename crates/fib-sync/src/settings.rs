//! What an operator decides about the forwarding table.

use std::net::IpAddr;
use std::time::Duration;

use heddle_bgp_core::Prefix;

use crate::route::MAIN_TABLE;

/// What a metric of the kernel and LOCAL_PREF add up to: a learned route of LOCAL_PREF `p` has metric `METRIC_BASE - p`.
pub const METRIC_BASE: u32 = 2_147_483_647;
/// LOCAL_PREF of a route that has none.
pub const DEFAULT_LOCAL_PREF: u32 = 100;

/// All settings of the forwarding table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The table of the kernel that our routes go into.
    pub table: u32,
    /// `rtm_protocol` of our routes.
    pub protocol: u8,
    /// `rtm_protocol` of learned and static routes that leave by workload interfaces alone, where it is another; what has it there,
    /// and a gateway on every leg, is ours.
    pub workload_protocol: Option<u8>,
    /// Routes of these protocols in our table count as ours when they are found at the start.
    pub adopt_protocols: Vec<u8>,
    /// Routes of these protocols on any interface are local routes.
    pub learn_protocols: Vec<u8>,
    /// Interfaces of workloads, as shell globs.
    pub workload_interfaces: Vec<String>,
    /// Interfaces whose connected prefixes are no local routes, as shell globs.
    pub ignored_interfaces: Vec<String>,
    /// Metric of blackhole and static routes, IPv4 and IPv6.
    pub metric: RouteMetric,
    /// When routes point to nexthop objects.
    pub nexthop_objects: NexthopObjects,
    /// How long routes of the run before are kept without word that the initial tables are complete.
    pub stale_time: Duration,
    /// How long the last good route is kept when its next hop cannot be resolved any more.
    pub unresolved_time: Duration,
    /// Whether sysctls are written or only looked at.
    pub manage_sysctls: ManageSysctls,
    /// Routes that the kernel gets whatever peers say.
    pub static_routes: Vec<StaticRoute>,
    /// What goes into the kernel: the first that applies decides; what none decides goes in.
    pub rules: Vec<FibRule>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            table: MAIN_TABLE,
            protocol: 158,
            workload_protocol: None,
            adopt_protocols: Vec::new(),
            learn_protocols: Vec::new(),
            workload_interfaces: vec!["cali*".to_owned(), "heddle*".to_owned()],
            ignored_interfaces: vec!["kube-ipvs*".to_owned()],
            metric: RouteMetric { v4: 1024, v6: 1024 },
            nexthop_objects: NexthopObjects::Auto,
            stale_time: Duration::from_secs(10),
            unresolved_time: Duration::from_secs(30),
            manage_sysctls: ManageSysctls::No,
            static_routes: Vec::new(),
            rules: Vec::new(),
        }
    }
}

impl Settings {
    /// The metric of a learned route: `METRIC_BASE - LOCAL_PREF`, at least 1.
    #[must_use]
    pub fn learned_metric(local_pref: Option<u32>) -> u32 {
        METRIC_BASE.saturating_sub(local_pref.unwrap_or(DEFAULT_LOCAL_PREF)).max(1)
    }

    /// The metric of blackhole and static routes to a prefix; 0 is what IPv6 reads back as 1024, so at least 1.
    #[must_use]
    pub fn own_metric(&self, prefix: Prefix) -> u32 {
        match prefix {
            Prefix::V4(_) => self.metric.v4,
            Prefix::V6(_) => self.metric.v6,
        }
        .max(1)
    }
}

/// A metric by version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteMetric {
    /// IPv4.
    pub v4: u32,
    /// IPv6.
    pub v6: u32,
}

/// When routes point to nexthop objects, which live and die with the carrier of their link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum NexthopObjects {
    /// For sets of next hops with more than 10,000 routes.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Whether sysctls are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ManageSysctls {
    /// They are looked at, and what is wrong is said.
    #[default]
    No,
    /// They are set.
    Yes,
}

/// A route that the kernel gets whatever peers say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StaticRoute {
    /// Where to.
    pub prefix: Prefix,
    /// The next router, resolved as next hops are.
    pub via: IpAddr,
}

/// Prefixes within one, of some lengths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixRange {
    /// The covering prefix.
    pub prefix: Prefix,
    /// The shortest length.
    pub min: u8,
    /// The longest length.
    pub max: u8,
}

impl PrefixRange {
    /// Whether a prefix is in the range.
    #[must_use]
    pub fn contains(&self, prefix: Prefix) -> bool {
        self.prefix.contains(prefix) && (self.min..=self.max).contains(&prefix.len())
    }
}

/// What goes into the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FibRule {
    /// For people.
    pub name: Option<String>,
    /// The prefix is in one of these; empty: any.
    pub prefixes: Vec<PrefixRange>,
    /// The next hop of the best path is one of these; empty: any.
    pub next_hops: Vec<IpAddr>,
    /// What becomes of the route.
    pub action: FibAction,
}

impl FibRule {
    /// Whether it decides about a route.
    #[must_use]
    pub fn applies(&self, prefix: Prefix, next_hop: Option<IpAddr>) -> bool {
        (self.prefixes.is_empty() || self.prefixes.iter().any(|range| range.contains(prefix)))
            && (self.next_hops.is_empty() || next_hop.is_some_and(|hop| self.next_hops.contains(&hop)))
    }
}

/// What becomes of a route on its way to the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FibAction {
    /// It goes in.
    Install,
    /// It goes in, through a tunnel whose far end is the next hop.
    Tunnel {
        /// The interface.
        interface: String,
        /// Next hops in these are reached without the tunnel.
        except: Vec<Prefix>,
    },
    /// It does not go in.
    Reject,
}
