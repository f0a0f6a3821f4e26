//! A route that both sides are asked about, and what they say.

use std::collections::BTreeSet;
use std::net::IpAddr;

use heddle_bgp_core::Prefix;

use crate::bird::ast::RouteSource;
use crate::bird::eval::Route;

/// Where a route comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    External,
    Internal,
    /// Ours, as a static route: blocks and services.
    Static,
    /// Ours, from the kernel.
    Kernel,
    /// Ours, the prefix of an address.
    Connected,
}

impl From {
    pub const fn is_learned(self) -> bool {
        match self {
            Self::External | Self::Internal => true,
            Self::Static | Self::Kernel | Self::Connected => false,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate {
    pub net: Prefix,
    pub from: From,
    pub interface: Option<String>,
    /// The kernel's metric of a route of ours.
    pub metric: Option<u32>,
    /// Of a learned route; an internal peer sends it always.
    pub local_pref: u32,
    pub communities: BTreeSet<(u32, u32)>,
    pub large_communities: BTreeSet<(u32, u32, u32)>,
    pub path: Vec<u32>,
    pub next_hop: Option<IpAddr>,
}

/// What a filter makes of a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    Rejected,
    Accepted {
        /// None where it is not sent: to external peers.
        local_pref: Option<u32>,
        communities: BTreeSet<(u32, u32)>,
        large_communities: BTreeSet<(u32, u32, u32)>,
        path: Vec<u32>,
    },
}

/// How BIRD sees the interface of a learned route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LearnedInterface {
    /// That of the next hop.
    Known,
    /// There is none.
    Absent,
}

impl Candidate {
    /// The route as BIRD has it before a filter.
    pub fn bird(&self, learned: LearnedInterface) -> Route {
        let source = match self.from {
            From::External | From::Internal => RouteSource::Bgp,
            From::Static => RouteSource::Static,
            From::Kernel => RouteSource::Inherit,
            From::Connected => RouteSource::Device,
        };
        let mut route = Route::new(self.net, source);
        let absent = self.from.is_learned() && learned == LearnedInterface::Absent;
        route.ifname = (!absent).then(|| self.interface.clone().unwrap_or_default());
        if self.from.is_learned() {
            route.local_pref = Some(self.local_pref);
            route.next_hop = self.next_hop;
        } else {
            route.krt_metric = self.metric;
        }
        route.communities.clone_from(&self.communities);
        route.large_communities.clone_from(&self.large_communities);
        route.path.clone_from(&self.path);
        route
    }
}
