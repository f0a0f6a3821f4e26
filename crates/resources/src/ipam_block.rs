//! `IPAMBlock`: a block of addresses and who has them.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;

use crate::block_affinity::AffinityOwner;
use crate::metadata::Metadata;
use crate::value::Cidr;

/// A block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpamBlock {
    /// Name, labels and version.
    pub metadata: Metadata,
    /// What it says.
    pub spec: IpamBlockSpec,
}

/// The specification of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IpamBlockSpec {
    /// `cidr`
    pub cidr: Cidr,
    /// `affinity`: whose block it is.
    pub affinity: Option<BlockOwner>,
    /// `allocations` with their `attributes`: addresses in use, in order.
    pub allocations: Box<[Allocation]>,
    /// `deleted`
    pub state: BlockState,
}

/// `affinity` of a block: `host:NAME` or `virtual:NAME`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockOwner {
    /// What the name is of.
    pub kind: AffinityOwner,
    /// The name.
    pub name: Arc<str>,
}

/// `deleted` of a block
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BlockState {
    /// In use.
    #[default]
    Present,
    /// About to go; counts as gone.
    Deleted,
}

/// An address of the block that is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allocation {
    /// The address.
    pub address: IpAddr,
    /// `node`: where it is used; if that is not the node of the block, the address is borrowed.
    pub node: Option<Arc<str>>,
    /// `namespace` of the pod.
    pub namespace: Option<Arc<str>>,
    /// `pod`
    pub pod: Option<Arc<str>>,
    /// `type`, of addresses that no pod has: `ipipTunnelAddress`, `vxlanTunnelAddress` …
    pub kind: Option<Arc<str>>,
    /// `releasedAt`: the address is no longer used, and not yet given out again.
    pub released_at: Option<Timestamp>,
}
