//! Prefixes that the speaker originates.

use std::net::IpAddr;

use heddle_bgp_core::Prefix;

use super::community::Community;
use super::policy::Origin;

/// A prefix that the speaker originates, with the attributes that it starts out with; export policy sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Network {
    /// The prefix.
    pub prefix: Prefix,
    /// NEXT_HOP; none: the local address of each session.
    pub next_hop: Option<IpAddr>,
    /// ORIGIN.
    pub origin: Origin,
    /// LOCAL_PREF toward iBGP peers; 100 where none is given.
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// Communities of the three kinds.
    pub communities: Vec<Community>,
    /// The kernel gets a blackhole route for it, unless a rule of [`Fib`](super::Fib) rejects it: what more specific
    /// routes do not take is dropped here, and never sent back up.
    pub blackhole: bool,
}

impl Network {
    /// A prefix with no attributes beyond the mandatory ones, origin IGP.
    #[must_use]
    pub const fn new(prefix: Prefix) -> Self {
        Self {
            prefix,
            next_hop: None,
            origin: Origin::Igp,
            local_pref: None,
            med: None,
            communities: Vec::new(),
            blackhole: false,
        }
    }
}
