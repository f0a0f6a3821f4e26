//! The blocks of addresses that belong to this node.

use heddle_resources::block_affinity::{AffinityOwner, AffinityState};
use heddle_resources::value::{Cidr, Family};
use heddle_resources::{BlockAffinity, Key, Kind};

use crate::cluster::Cluster;
use crate::context::{NodeContext, PodCidrs};
use crate::origin::Source;

/// A block of this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) cidr: Cidr,
    pub(crate) hold: Hold,
    pub(crate) source: Source,
}

/// How firmly the block is ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// Ours: the block is advertised, and nothing in it.
    Confirmed,
    /// We give it back: still a black hole, but nothing is aggregated.
    Releasing,
}

/// The blocks of a family, in the order of their texts, each once. A pending claim counts as none.
pub(crate) fn own(cluster: &Cluster<'_>, context: &NodeContext, family: Family) -> Vec<Block> {
    let own = cluster.own();
    let of_affinity = |affinity: &BlockAffinity| {
        let hold = match affinity.spec.state {
            AffinityState::Confirmed => Hold::Confirmed,
            AffinityState::PendingDeletion => Hold::Releasing,
            AffinityState::Pending | AffinityState::Deleted => return None,
        };
        let source = Source::whole(Key::cluster(Kind::BlockAffinity, affinity.metadata.name.clone()));
        Some(Block { cidr: affinity.spec.cidr, hold, source })
    };
    let is_own = |a: &BlockAffinity| a.spec.owner == AffinityOwner::Host && a.spec.node == *own.name();
    let affinities = cluster.snapshot.all::<BlockAffinity>().filter(|a| is_own(a)).filter_map(|a| of_affinity(a));
    let pod_cidrs: &[Cidr] = match context.pod_cidrs {
        PodCidrs::Unused => &[],
        PodCidrs::Blocks => &own.node.spec.pod_cidrs,
    };
    let pod_cidrs = pod_cidrs.iter().map(|&cidr| Block {
        cidr,
        hold: Hold::Confirmed,
        source: Source::field(own.key(), "podCIDRs"),
    });
    let mut blocks: Vec<Block> = affinities.chain(pod_cidrs).filter(|b| b.cidr.family() == family).collect();
    // Of two affinities for one block the confirmed one counts.
    blocks.sort_by_cached_key(|b| (b.cidr.to_string(), b.hold == Hold::Releasing));
    blocks.dedup_by(|later, first| later.cidr == first.cidr);
    blocks
}

/// Whether a block lies in another one. Pools do not overlap and have one block size, but the size of a pool that was
/// made anew may be another one than that of old blocks.
pub(crate) fn are_nested(blocks: &[&Block]) -> bool {
    let mut cidrs: Vec<Cidr> = blocks.iter().map(|b| b.cidr).collect();
    cidrs.sort_unstable();
    // In this order a CIDR is followed at once by something that lies in it, if anything does.
    cidrs.iter().zip(cidrs.iter().skip(1)).any(|(outer, inner)| outer.contains(*inner))
}
