//! What the RIB says and hears: best paths in, states of next hops and local routes out.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use heddle_bgp_core::Prefix;
use smallvec::SmallVec;

use crate::route::IfIndex;

/// A next hop: an address, and for a link-local one the interface that it is on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NextHop {
    /// The address.
    pub address: IpAddr,
    /// The interface of a link-local address; none otherwise.
    pub interface: Option<IfIndex>,
}

impl NextHop {
    /// A next hop that is found by its address alone.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        Self { address, interface: None }
    }
}

impl From<IpAddr> for NextHop {
    fn from(address: IpAddr) -> Self {
        Self::new(address)
    }
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.interface {
            Some(IfIndex(index)) => write!(f, "{}%{index}", self.address),
            None => self.address.fmt(f),
        }
    }
}

/// Where a best path came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// From this node itself: it is in the kernel already, or a blackhole route of ours.
    Local,
    /// From a peer of another AS.
    Ebgp,
    /// From a peer of our AS.
    Ibgp,
}

/// The best path of a destination, with those that share its traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Best {
    /// Where it came from.
    pub source: Source,
    /// LOCAL_PREF, where it has one.
    pub local_pref: Option<u32>,
    /// The next hops, the best path's first.
    pub next_hops: SmallVec<[NextHop; 1]>,
}

/// A change of the best path of a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BestPath {
    /// The destination.
    pub prefix: Prefix,
    /// What is best now; none: withdrawn.
    pub best: Option<Best>,
}

/// Whether the RIB has routes with a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Usage {
    /// It has, and wants to hear of its state.
    Used,
    /// Not any more.
    Unused,
}

/// Whether packets can be sent to a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NextHopState {
    /// The interior cost: 0 on a connected prefix, 1 behind a router (as BIRD, which knows no distance of a route that it
    /// did not compute). None: unreachable.
    pub cost: Option<u32>,
}

/// What kind of local route it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum LocalKind {
    /// A route on a workload interface.
    Workload,
    /// A connected prefix.
    Connected,
    /// A route of a protocol that is learned from.
    Learned,
}

/// A route that this node originates because its kernel has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalRoute {
    /// The destination.
    pub prefix: Prefix,
    /// The interface that it leads to; none for a blackhole of a protocol that is learned from.
    pub interface: Option<Arc<str>>,
    /// The kernel's metric; none for 0 and for connected prefixes.
    pub metric: Option<u32>,
    /// What it is.
    pub kind: LocalKind,
}

/// What whoever drives the forwarding table has to hear.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// A next hop in use has a state, or another one.
    NextHop(NextHop, NextHopState),
    /// A local route is there, or changed.
    LocalSet(LocalRoute),
    /// A local route is gone.
    LocalRemoved(Prefix),
    /// There is another workload interface than before, or one under another name.
    WorkloadInterface(Arc<str>),
    /// The kernel has been read for the first time: all local routes have been told.
    Ready,
    /// So many routes of the run before, which nobody wanted any more, are gone; from now on none is kept.
    Swept(u64),
    /// What came of the initial tables of all peers ([`FibSync::sweep`](crate::FibSync::sweep)) is in the kernel, or was
    /// refused by it. Told once.
    Written,
}
