//! The forwarding table of a node: what should be in the kernel, what is there, and why they differ.

use std::net::IpAddr;

use ipnetwork::IpNetwork;
use serde::{Deserialize, Serialize};

/// The parameters of `GET /v1/fib`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FibQuery {
    /// Only this prefix and what is inside it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<IpNetwork>,
    /// Only routes that are not as they should be.
    pub differing: bool,
    /// Where to go on: `next` of the page before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<u32>,
}

/// `GET /v1/fib`: some routes, in no particular order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FibPage {
    /// Numbers of the whole table.
    pub summary: FibSummary,
    /// The routes.
    pub routes: Vec<FibRoute>,
    /// Where the next page begins; none at the end.
    pub next: Option<u32>,
}

/// The forwarding table in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct FibSummary {
    /// The kernel's routing table; 254 is `main`.
    pub table: u32,
    /// Our protocol number.
    pub protocol: u8,
    /// Routes that should be there.
    pub desired: u64,
    /// Routes that are as they should be.
    pub installed: u64,
    /// Routes that are being written.
    pub pending: u64,
    /// Routes whose place a stranger has.
    pub conflicts: u64,
    /// Routes whose next hop cannot be resolved, kept for a while.
    pub held: u64,
    /// Routes whose next hop cannot be resolved, not installed.
    pub unresolved: u64,
    /// Routes of the run before that are not confirmed yet.
    pub stale: u64,
    /// Requests sent to the kernel since the start.
    pub writes: u64,
    /// Requests that failed.
    pub failures: u64,
    /// Changes of our routes by others that were undone.
    pub repairs: u64,
    /// Complete readings of the kernel's table.
    pub resyncs: u64,
    /// Times that the kernel had more to tell than we read.
    pub overruns: u64,
}

/// How a route of the forwarding table stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FibState {
    /// The kernel has it as it should be.
    Installed,
    /// It is being written, or waits for its link.
    Pending,
    /// A stranger has its place.
    Conflict,
    /// Its next hop cannot be resolved any more; the last good route is kept for a while.
    Held,
    /// Its next hop cannot be resolved.
    Unresolved,
    /// A rule keeps it out of the kernel.
    Rejected,
    /// It is of the run before, and not confirmed yet.
    Stale,
    /// The kernel refused it.
    Failed,
    /// A state that this version does not know.
    #[serde(other)]
    Unknown,
}

impl FibState {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Installed => "installed",
            Self::Pending => "pending",
            Self::Conflict => "conflict",
            Self::Held => "held",
            Self::Unresolved => "unresolved",
            Self::Rejected => "rejected",
            Self::Stale => "stale",
            Self::Failed => "failed",
            Self::Unknown => "unknown",
        }
    }
}

/// One destination.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FibRoute {
    /// Where to.
    pub prefix: IpNetwork,
    /// How it stands.
    pub state: FibState,
    /// Why, where it is not installed: who has its place, which next hop, which rule.
    pub reason: Option<String>,
    /// What should be there.
    pub desired: Option<KernelRoute>,
    /// What is there of ours.
    pub actual: Option<KernelRoute>,
}

/// A route as the kernel has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelRoute {
    /// `unicast`, `blackhole`, `unreachable` or `prohibit`.
    pub kind: String,
    /// Metric.
    pub metric: u32,
    /// Protocol number.
    pub protocol: u8,
    /// Its nexthop object, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nexthop_id: Option<u32>,
    /// Its legs.
    pub legs: Vec<KernelLeg>,
}

/// One leg of a route.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelLeg {
    /// The gateway.
    pub via: Option<IpAddr>,
    /// The interface.
    pub interface: Option<String>,
    /// Its weight among the legs, from 1.
    pub weight: u16,
    /// The gateway counts as on the link whatever its address.
    pub onlink: bool,
}
