//! What `show fib` says of each destination: what is wanted, what the kernel has, and why the two differ.

use std::sync::Arc;

use heddle_bgp_core::{Prefix, Timestamp};

use crate::input::{NextHop, Source};
use crate::resolver::Unresolved;
use crate::route::{IfIndex, Target};

/// Which destinations are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Filter {
    /// All.
    #[default]
    All,
    /// Those that the kernel does not have as they are wanted.
    Differing,
}

/// Where a listing goes on. The order is that of arrival.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Cursor(pub(crate) u32);

impl From<u32> for Cursor {
    fn from(place: u32) -> Self {
        Self(place)
    }
}

impl From<Cursor> for u32 {
    fn from(cursor: Cursor) -> Self {
        cursor.0
    }
}

/// A part of the listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// The destinations.
    pub rows: Vec<Row>,
    /// Where the next page begins; none: this was the last.
    pub next: Option<Cursor>,
}

/// Why a route is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Origin {
    /// BGP's best path.
    Learned(Source),
    /// A static route of the configuration.
    Static,
    /// The blackhole route of a block of this node.
    Blackhole,
}

/// A route as it is wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Why.
    pub origin: Origin,
    /// The metric.
    pub metric: u32,
    /// Its protocol number.
    pub protocol: u8,
    /// The next hops that it was given.
    pub next_hops: Vec<NextHop>,
    /// Where it leads; none while the next hops cannot be resolved, or when a rule keeps it out.
    pub target: Option<Arc<Target>>,
}

/// A route of ours that the kernel has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Present {
    /// The metric.
    pub metric: u32,
    /// Where it leads.
    pub target: Arc<Target>,
    /// Its protocol number: ours, or one that was adopted.
    pub protocol: u8,
    /// It is of the run before, and nobody has asked for it yet.
    pub stale: bool,
}

/// How it stands with a destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// The kernel has what is wanted.
    Installed,
    /// It is about to be written.
    Pending,
    /// A route of this protocol lies under our key.
    Conflict {
        /// Whose it is.
        protocol: u8,
    },
    /// The kernel refuses it with this error number; it is tried again.
    Refused {
        /// `errno`.
        error: i32,
    },
    /// Its next hop cannot be resolved; the last good route stays for its time.
    Held {
        /// Since when.
        since: Timestamp,
        /// Why.
        why: Unresolved,
    },
    /// Its next hop cannot be resolved, and it is not in the kernel.
    Unresolved {
        /// Since when.
        since: Timestamp,
        /// Why.
        why: Unresolved,
    },
    /// A rule keeps it out.
    Rejected {
        /// The rule's name, or its place among the rules, counted from 1.
        rule: String,
    },
    /// Nobody wants it; it is of the run before and will be swept.
    Stale,
}

/// One destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The destination.
    pub prefix: Prefix,
    /// What is wanted.
    pub desired: Option<Desired>,
    /// What the kernel has of ours.
    pub actual: Vec<Present>,
    /// How it stands.
    pub state: State,
}

/// A next hop in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NextHopRow {
    /// The next hop.
    pub next_hop: NextHop,
    /// Where it leads, or why nowhere.
    pub resolution: Result<Target, Unresolved>,
    /// The interior cost; none when it cannot be resolved.
    pub cost: Option<u32>,
}

/// The name of an interface, for listings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceName {
    /// Its number.
    pub index: IfIndex,
    /// Its name.
    pub name: Arc<str>,
}
