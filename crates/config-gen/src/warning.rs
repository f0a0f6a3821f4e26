//! What is worth saying about a cluster, and what a node waits for.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use heddle_bgp_core::{Asn, BgpId};
use heddle_resources::Key;
use thiserror::Error;

/// Why a node runs no sessions yet.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum Waiting {
    /// There is no such node in the datastore.
    #[error("waiting for the Node {0:?}: the datastore has none of this name")]
    Node(Arc<str>),
    /// No BGP Identifier: the node has no IPv4 address and nothing overrides it.
    #[error(
        "waiting for a router id: Node {0:?} has no bgp.ipv4Address to take it from; set one there, or the router id \
         (CALICO_ROUTER_ID, an address or \"hash\")"
    )]
    RouterId(Arc<str>),
}

/// Something that is allowed, or passed over, and most likely not meant.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum Warning {
    /// Two peerings with one address and different settings.
    #[error("{address}: {used} and {ignored} both ask for a session; the one of {used} counts (first by name)")]
    DuplicatePeer {
        /// The peer.
        address: IpAddr,
        /// What counts.
        used: Key,
        /// What does not.
        ignored: Key,
    },
    /// Sessions have to have a password, and there is none: they stay down.
    #[error("{peer}: no sessions: {reason}")]
    MissingPassword {
        /// Which resource names the password.
        peer: Key,
        /// What is missing.
        reason: String,
    },
    /// `Equal` and `NotEqual` with `prefixLength`: BIRD compares a prefix with a set, which are never equal.
    #[error(
        "BGPFilter/{filter}, {direction} rule {rule}: matchOperator {operator} with prefixLength matches {matches} route; \
         write In or NotIn, or leave prefixLength out"
    )]
    LengthWithEquality {
        /// The filter.
        filter: Arc<str>,
        /// Its list: `importV4`, …
        direction: &'static str,
        /// From 1.
        rule: usize,
        /// `Equal` or `NotEqual`.
        operator: &'static str,
        /// `no` or `every`.
        matches: &'static str,
    },
    /// A rule prepends more AS numbers than a policy may.
    #[error("BGPFilter/{filter}, {direction} rule {rule}: prepends {asked} AS numbers; the first {used} are taken")]
    LongPrepend {
        /// The filter.
        filter: Arc<str>,
        /// Its list: `importV4`, …
        direction: &'static str,
        /// From 1.
        rule: usize,
        /// How many.
        asked: usize,
        /// How many are taken.
        used: usize,
    },
    /// A BGPPeer names a filter that does not exist.
    #[error("{peer}: there is no BGPFilter {filter:?}; it is passed over")]
    UnknownFilter {
        /// The BGPPeer.
        peer: Key,
        /// The filter's name.
        filter: Arc<str>,
    },
    /// Two nodes have one address.
    #[error("{address} is the address of two nodes: {} and {}", nodes.0, nodes.1)]
    SharedAddress {
        /// The address.
        address: IpAddr,
        /// By name.
        nodes: (Arc<str>, Arc<str>),
    },
    /// This node has the BGP Identifier of another one; they refuse each other (RFC 6286 §2.2).
    #[error("router id {id} is that of two nodes: {} and {}", nodes.0, nodes.1)]
    SharedRouterId {
        /// The BGP Identifier.
        id: BgpId,
        /// By name.
        nodes: (Arc<str>, Arc<str>),
    },
    /// A BGPPeer with an address and no AS.
    #[error("{peer}: no asNumber; the cluster's, {used}, is taken")]
    NoPeerAs {
        /// The BGPPeer.
        peer: Key,
        /// What is taken.
        used: Asn,
    },
    /// An address that no peer can have.
    #[error("{peer}: no session with {address}: {reason}")]
    UnusableAddress {
        /// The resource that asks for it.
        peer: Key,
        /// The address.
        address: IpAddr,
        /// Why not.
        reason: String,
    },
    /// A `BGPPeer` with the address and port of a reflector, and another AS.
    #[error(
        "{peer} has the address of this reflector and asNumber {asn}; it is passed over, for the reflector's AS is {own}"
    )]
    OtherReflectorAs {
        /// The BGPPeer.
        peer: Key,
        /// Its `asNumber`.
        asn: Asn,
        /// The reflector's.
        own: Asn,
    },
    /// No `BGPPeer` leads to an address of a reflector.
    #[error(
        "nobody peers with {address}: write a BGPPeer with peerIP \"{}\" and asNumber {asn}",
        std::net::SocketAddr::new(*address, port.get())
    )]
    UnusedReflector {
        /// The reflector's address.
        address: IpAddr,
        /// The reflector's port.
        port: NonZeroU16,
        /// The reflector's AS.
        asn: Asn,
    },
    /// A `BGPPeer` of a reflector whose address is that of a node: the node takes itself for the other end.
    #[error("{peer}: the address of this reflector is that of node {node}, too; write reversePeering: Manual")]
    ReflectorTakenForNode {
        /// The BGPPeer.
        peer: Key,
        /// The node.
        node: Arc<str>,
    },
    /// `keepaliveTime` above a third of the hold time.
    #[error("{peer}: keepaliveTime {asked} s is more than a third of the hold time; {used} s is taken")]
    LongKeepalive {
        /// The BGPPeer.
        peer: Key,
        /// As asked for.
        asked: u32,
        /// As taken.
        used: u32,
    },
    /// `maxRestartTime` above what the capability holds.
    #[error("{peer}: a restart time of {asked} s does not fit into the capability; 4095 s is taken (RFC 4724)")]
    LongRestartTime {
        /// The resource.
        peer: Key,
        /// As asked for.
        asked: u32,
    },
    /// The `BGPPeer` that a local workload names is not for this node, or for no workloads.
    #[error("workload on {interface}: BGPPeer/{peer} does not select workloads of this node")]
    UnknownWorkloadPeer {
        /// The workload's interface.
        interface: Arc<str>,
        /// The BGPPeer.
        peer: Arc<str>,
    },
}
