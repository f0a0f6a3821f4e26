//! The speaker as a whole.

use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::{ConfinementState, Family, WallTime};

/// `GET /v1/version`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Version {
    /// Name of the program: `heddle`.
    pub program: String,
    /// What runs: `route-reflector`, `node-peer`.
    pub role: String,
    /// Version of the program, like `0.1.0`.
    pub version: String,
    /// Versions of the API that this daemon speaks, newest first: `["v1"]`.
    pub api: Vec<String>,
    /// Process id of the daemon.
    pub pid: u32,
    /// When it was started.
    pub started_at: WallTime,
}

/// `GET /v1/summary`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Program and version.
    pub version: Version,
    /// Who we are.
    pub router: RouterIdentity,
    /// Seconds since the start of the daemon.
    pub uptime_seconds: u64,
    /// Path of the configuration file; none when it came from elsewhere.
    pub config_file: Option<String>,
    /// When the running configuration was applied.
    pub config_applied_at: WallTime,
    /// Whether the daemon itself is in graceful restart: it waits for the End-of-RIB of its peers (RFC 4724 §4.1).
    pub restarting: bool,
    /// How many peers are in which state.
    pub peers: PeerCounts,
    /// One for each family that is configured.
    pub families: Vec<FamilySummary>,
    /// Resident memory of the process in bytes; none where the system does not tell.
    pub memory_bytes: Option<u64>,
    /// Asynchronous tasks that have not ended.
    pub tasks: Option<u64>,
    /// Memory of attribute sets in bytes, over all families.
    pub attribute_bytes: u64,
    /// Memory of update-group journals in bytes, over all families.
    pub journal_bytes: u64,
    /// What the daemon took away from itself when it started.
    #[serde(default)]
    pub confinement: Vec<ConfinementState>,
}

/// Who the speaker is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouterIdentity {
    /// Our AS.
    pub asn: u32,
    /// Our BGP Identifier.
    pub router_id: Ipv4Addr,
    /// Our cluster id when we reflect routes (RFC 4456).
    pub cluster_id: Option<Ipv4Addr>,
    /// Addresses on which we listen, with ports: `10.255.0.1:179`.
    #[serde(default)]
    pub listen: Vec<String>,
}

/// Peers by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PeerCounts {
    /// All.
    pub total: u32,
    /// Those of them that came by a listen range.
    pub dynamic: u32,
    /// In Established.
    pub established: u32,
    /// Shut down by an operator, the configuration or a limit.
    pub down: u32,
    /// Draining (RFC 8326).
    pub draining: u32,
}

/// One family of the RIB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FamilySummary {
    /// The family.
    pub family: Family,
    /// Destinations with at least one path.
    #[serde(default)]
    pub destinations: u64,
    /// Destinations with a best path.
    #[serde(default)]
    pub best: u64,
    /// Paths of all peers, and local ones.
    #[serde(default)]
    pub paths: u64,
    /// Paths that import policy rejected.
    #[serde(default)]
    pub rejected: u64,
    /// Paths that may not be used (loops, unreachable next hop).
    #[serde(default)]
    pub ineligible: u64,
    /// Stale paths (graceful restart, route refresh).
    #[serde(default)]
    pub stale: u64,
    /// Distinct attribute sets.
    #[serde(default)]
    pub attribute_sets: u64,
    /// Update groups.
    #[serde(default)]
    pub update_groups: u32,
    /// Destinations whose best path is to be selected anew.
    #[serde(default)]
    pub pending: u64,
}
