//! The value types: everything that a speaker runs, with groups and defaults already filled in.

mod address;
mod authentication;
mod community;
mod confinement;
mod fib;
mod guard;
mod located;
mod network;
mod peer;
mod policy;
mod router;
mod seconds;

pub use address::{AddressError, ListenAddress, PeerAddress};
pub(crate) use address::{is_interface_glob, is_interface_name};
pub use authentication::{AoAlgorithm, AoKey};
pub use community::{Administrator, Community, CommunityError, CommunityPattern, ExtendedKind, Span};
pub use confinement::{Confinement, ConfinementPart};
pub use fib::{Fib, FibAction, FibRule, NexthopObjects, PROTOCOL_NAMES, RouteMetric, StaticRoute, Tunnel};
pub use guard::{Guard, Lengths};
pub use located::{Located, Location};
pub use network::Network;
pub use peer::{
    AddPath, AddPathSend, FamilySettings, GracefulRestartMode, IdleHold, LimitAction, ListenRange, LocalAs,
    NextHopMode, Password, Peer, PeerAs, PeerFamily, PeerGroup, PeerSettings, PrefixLimit, RemovePrivateAs, Role,
};
pub use policy::{
    Add, AsPathSet, CommunityMatch, CommunitySet, Conditions, Modifications, NextHopAction, Origin, Policy,
    PolicyDefault, PrefixRange, PrefixRangeError, PrefixSet, Prepend, Range, Remove, RouteType, Rule, RuleAction,
    SetAttributes,
};
pub use router::{Api, Decision, GracefulRestart, Log, LogFormat, LongLived, Multipath, Router};
pub use seconds::Seconds;

/// What one speaker runs.
///
/// Groups are resolved: every peer and every listen range carries its complete settings, so that nothing else has to
/// be looked up to run it. Two equal values make two speakers that behave alike; [`diff`](crate::diff) of two values
/// says what changing over takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The speaker itself.
    pub router: Router,
    /// Socket of the admin API, metrics.
    pub api: Api,
    /// Logging.
    pub log: Log,
    /// What the process takes away from itself when it starts.
    pub confinement: Confinement,
    /// Named prefix sets, in file order.
    pub prefix_sets: Vec<PrefixSet>,
    /// Named community sets, in file order.
    pub community_sets: Vec<CommunitySet>,
    /// Named sets of AS_PATH expressions, in file order.
    pub as_path_sets: Vec<AsPathSet>,
    /// Named route policies, in file order.
    pub policies: Vec<Policy>,
    /// Peer groups, in file order. Only listen ranges and [`to_toml`](Config::to_toml) refer to them.
    pub peer_groups: Vec<PeerGroup>,
    /// Prefixes from which dynamic peers may connect.
    pub listen_ranges: Vec<ListenRange>,
    /// Static peers, in file order, addresses unique.
    pub peers: Vec<Peer>,
    /// Originated prefixes.
    pub networks: Vec<Network>,
    /// The kernel's forwarding table; none: the speaker forwards nothing.
    pub fib: Option<Fib>,
}

impl Config {
    /// A speaker with this AS number and BGP Identifier, everything else by default, and no peers.
    #[must_use]
    pub fn new(asn: heddle_bgp_core::Asn, router_id: heddle_bgp_core::BgpId) -> Self {
        Self {
            router: Router::new(asn, router_id),
            api: Api::default(),
            log: Log::default(),
            confinement: Confinement::default(),
            prefix_sets: Vec::new(),
            community_sets: Vec::new(),
            as_path_sets: Vec::new(),
            policies: Vec::new(),
            peer_groups: Vec::new(),
            listen_ranges: Vec::new(),
            peers: Vec::new(),
            networks: Vec::new(),
            fib: None,
        }
    }

    /// The peer with this address.
    #[must_use]
    pub fn peer(&self, address: &PeerAddress) -> Option<&Peer> {
        self.peers.iter().find(|p| p.address == *address)
    }

    /// The peer group of this name.
    #[must_use]
    pub fn peer_group(&self, name: &str) -> Option<&PeerGroup> {
        self.peer_groups.iter().find(|g| g.name == name)
    }

    /// The route policy of this name.
    #[must_use]
    pub fn policy(&self, name: &str) -> Option<&Policy> {
        self.policies.iter().find(|p| p.name == name)
    }

    /// The prefix set of this name.
    #[must_use]
    pub fn prefix_set(&self, name: &str) -> Option<&PrefixSet> {
        self.prefix_sets.iter().find(|s| s.name == name)
    }

    /// The community set of this name.
    #[must_use]
    pub fn community_set(&self, name: &str) -> Option<&CommunitySet> {
        self.community_sets.iter().find(|s| s.name == name)
    }

    /// The set of AS_PATH expressions of this name.
    #[must_use]
    pub fn as_path_set(&self, name: &str) -> Option<&AsPathSet> {
        self.as_path_sets.iter().find(|s| s.name == name)
    }
}
