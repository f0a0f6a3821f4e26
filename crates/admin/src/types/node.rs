//! A node of a cluster: its datastore, what it waits for, what is wrong with it.

use serde::{Deserialize, Serialize};

use super::{ConfinementState, FibSummary, WallTime};

/// `GET /v1/node`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct NodeReport {
    /// The node's name.
    pub node: String,
    /// What it waits for before it can run sessions; none when it runs them.
    pub waiting_for: Option<String>,
    /// Whether it is drained: `none`, `lowered` (its routes are the last choice) or `withdrawn`.
    pub drained: String,
    /// Where its resources come from.
    pub datastore: DatastoreReport,
    /// The addresses that are kept in its Node, and why they are these; none where that is not done.
    pub addresses: Vec<AddressReport>,
    /// What is allowed in the resources and most likely not meant, and what could not be done.
    pub warnings: Vec<String>,
    /// Settings of the kernel that are not as forwarding needs them.
    pub sysctls: Vec<SysctlReport>,
    /// The peers' names as Calico gives them, by address.
    pub peers: Vec<PeerName>,
    /// The forwarding table in numbers; none while nothing is forwarded.
    pub fib: Option<FibSummary>,
    /// What the daemon took away from itself when it started.
    pub confinement: Vec<ConfinementState>,
}

/// Where the resources come from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DatastoreReport {
    /// What it is, such as `files in /etc/heddle/datastore`.
    pub source: String,
    /// `connecting`, `in_sync`, or `lost`; what was read last stays in force.
    pub state: String,
    /// Since when.
    pub since: Option<WallTime>,
    /// What went wrong last.
    pub last_error: Option<String>,
    /// How many objects there are, by kind.
    pub objects: Vec<(String, u64)>,
    /// Objects that are ignored, with the reason.
    pub invalid: Vec<String>,
    /// Changes since the start.
    pub changes: u64,
}

/// An address of the node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct AddressReport {
    /// The address, with the prefix length of its network.
    pub address: String,
    /// The interface that has it; none if there is none.
    pub interface: Option<String>,
    /// Why it is this one.
    pub reason: String,
}

/// A setting of the kernel that is not as forwarding needs it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SysctlReport {
    /// Its name, such as `net.ipv4.ip_forward`.
    pub name: String,
    /// What it is.
    pub found: String,
    /// What it should be.
    pub wanted: String,
    /// What does not work otherwise.
    pub why: String,
}

/// A peer's name as Calico gives it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PeerName {
    /// The peer's address.
    pub address: String,
    /// `Mesh_10_0_0_2`, `Node_…`, `Global_…`, `Local_Workload_…`.
    pub name: String,
    /// The resource that asks for the peer.
    pub origin: String,
}

/// The body of `POST /v1/node/drain`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrainStep {
    /// Routes become the last choice (RFC 8326), then they are withdrawn.
    #[default]
    Drain,
    /// Back to normal.
    Undo,
}

/// The answer to `POST /v1/node/drain`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DrainReport {
    /// As [`NodeReport::drained`].
    pub drained: String,
}
