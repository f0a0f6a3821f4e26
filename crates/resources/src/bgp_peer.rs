//! `BGPPeer`: sessions beyond the mesh.

use std::net::IpAddr;
use std::num::NonZeroU8;
use std::sync::Arc;
use std::time::Duration;

use crate::metadata::Metadata;
use crate::secret::SecretKeyRef;
use crate::selector::Selector;
use crate::value::{AsNumber, PeerAddress};

/// Sessions between some nodes and some peers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BgpPeer {
    /// Name, labels and version.
    pub metadata: Metadata,
    /// What it says.
    pub spec: BgpPeerSpec,
}

/// The specification of a BGP peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BgpPeerSpec {
    /// `node` or `nodeSelector`: which nodes have these sessions.
    pub nodes: PeeringNodes,
    /// `peerIP`, `peerSelector` or `localWorkloadSelector`: with whom.
    pub peers: PeeringPeers,
    /// `asNumber` of the peer; not set where the manifest says 0.
    pub as_number: Option<AsNumber>,
    /// `localASNumber`
    pub local_as_number: Option<AsNumber>,
    /// `nextHopMode`, or `keepOriginalNextHop`, which it replaced.
    pub next_hop: NextHop,
    /// `password`
    pub password: Option<SecretKeyRef>,
    /// `sourceAddress`
    pub source_address: SourceAddress,
    /// `maxRestartTime`
    pub max_restart_time: Option<Duration>,
    /// `keepaliveTime`
    pub keepalive_time: Option<Duration>,
    /// `numAllowedLocalASNumbers`; 0 is the same as not set.
    pub num_allowed_local_as_numbers: u32,
    /// `ttlSecurity`: how many hops the peer is away. 0 is the same as not set.
    pub ttl_security: Option<NonZeroU8>,
    /// `filters`: names of BGP filters, in the order in which they are asked.
    pub filters: Vec<Arc<str>>,
    /// `reversePeering`
    pub reverse_peering: ReversePeering,
}

/// Which nodes have the sessions of a BGP peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeeringNodes {
    /// Neither `node` nor `nodeSelector`: every node. Such a peer is "global".
    All,
    /// `node`
    Node(Arc<str>),
    /// `nodeSelector`
    Selector(Selector),
}

/// With whom the nodes of a BGP peer have sessions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeeringPeers {
    /// None of the fields: with nobody.
    Nobody,
    /// `peerIP`
    Address {
        /// The address, and the port if there is one.
        peer: PeerAddress,
        /// `reachableBy`: the gateway to it, of the same family.
        reachable_by: Option<IpAddr>,
    },
    /// `peerSelector`: other nodes.
    Nodes(Selector),
    /// `localWorkloadSelector`: workloads of the node itself.
    LocalWorkloads(Selector),
}

/// What becomes of the next hop of routes that are advertised.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NextHop {
    /// `nextHopMode: Auto`, or nothing: as BGP has it.
    #[default]
    Auto,
    /// `nextHopMode: Self`
    OwnAddress,
    /// `nextHopMode: Keep`
    Keep,
    /// `keepOriginalNextHop: true`: kept on eBGP sessions, as BGP has it on others.
    KeepExternal,
}

/// `sourceAddress`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SourceAddress {
    /// The node's own address.
    #[default]
    UseNodeIp,
    /// As the kernel chooses.
    None,
}

/// `reversePeering`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReversePeering {
    /// The selected nodes get the sessions too, the other way round.
    #[default]
    Auto,
    /// They need a BGP peer of their own.
    Manual,
}
