//! `BlockAffinity`: which node a block of addresses belongs to.

use std::sync::Arc;

use crate::metadata::Metadata;
use crate::value::Cidr;

/// The affinity of a block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockAffinity {
    /// Name, labels and version.
    pub metadata: Metadata,
    /// What it says.
    pub spec: BlockAffinitySpec,
}

/// The specification of a block affinity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BlockAffinitySpec {
    /// `state`
    pub state: AffinityState,
    /// `node`
    pub node: Arc<str>,
    /// `type`
    pub owner: AffinityOwner,
    /// `cidr`
    pub cidr: Cidr,
}

/// `state`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AffinityState {
    /// `confirmed`, or empty as old versions wrote it: the block is the node's.
    Confirmed,
    /// `pending`: the node has claimed the block and does not have it yet.
    Pending,
    /// `pendingDeletion`: the node gives the block back.
    PendingDeletion,
    /// `deleted: true`: the object is about to go, and counts as gone.
    Deleted,
}

/// `type`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum AffinityOwner {
    /// A node.
    #[default]
    Host,
    /// Something else, such as the allocator of addresses of load balancers.
    Virtual,
}
