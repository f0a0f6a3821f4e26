//! Interned attribute sets: a canonical block is stored once, and a number stands for it.
//!
//! Numbers are indirect: the block lies in an arena of size classes (16 octets apart, in pages of 64 KiB of one class),
//! and the [`AttrMeta`] says where. References are plain counts; the owner of the RIB is the only writer.

use heddle_bgp_core::Asn;
use heddle_bgp_core::attr::block::{Marks, Summary};
use heddle_bgp_core::attr::{BlockView, NextHop};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::index::Index;
use crate::next_hop_ids::NextHopTable;
use crate::nexthop::Resolve;
use crate::route::{AttrBits, AttrId, AttrMeta, NextHopId, NextHopState, PeerId};

mod arena;
mod ledger;
#[cfg(test)]
mod tests;

use arena::Arena;
use ledger::Ledger;

const BLOCK: usize = 4096;
/// Freed octets after which the arena is compacted, or half of it if that is more.
const COMPACT_AFTER: usize = 1024 * 1024;
/// Numbers in a step of compaction.
const COMPACT_STEP: u32 = 4096;

/// All attribute sets of a RIB.
#[derive(Debug)]
pub(crate) struct AttrStore {
    metas: Vec<Box<[AttrMeta]>>,
    /// Numbers handed out so far.
    used: u32,
    /// First free number; free ones are chained by `offset`.
    free: u32,
    live: u32,
    index: Index,
    arena: Arena,
    /// The next number that compaction looks at.
    compacting: Option<u32>,
    pub(crate) next_hops: NextHopTable,
    pub(crate) ledger: Ledger,
}

const FREE: AttrMeta = AttrMeta {
    offset: u32::MAX,
    refs: 0,
    hash: 0,
    local_pref: 0,
    med: 0,
    neighbor_as: Asn(0),
    next_hop: NextHopId(u32::MAX),
    len: 0,
    as_path_len: 0,
    bits: AttrBits(0),
};

/// The index hash of a block's 32 bits of hash, which are all that is kept of it.
fn spread(hash: u32) -> u64 {
    u64::from(hash).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// A block longer than a message can carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TooLong;

impl AttrStore {
    pub(crate) fn new(resolve: Resolve) -> Self {
        Self {
            metas: Vec::new(),
            used: 0,
            free: u32::MAX,
            live: 0,
            index: Index::new(),
            arena: Arena::new(),
            compacting: None,
            next_hops: NextHopTable::new(resolve),
            ledger: Ledger::default(),
        }
    }

    /// The number of a block, with one reference more; `hash` is its seeded xxh3. A new one is charged to `payer`.
    pub(crate) fn intern(&mut self, block: &[u8], hash: u64, payer: PeerId) -> Result<AttrId, TooLong> {
        #[expect(clippy::cast_possible_truncation, reason = "half of the hash is kept")]
        let hash = (hash ^ (hash >> 32)) as u32;
        let found = self.index.find(spread(hash), |&n| {
            let m = self.meta(AttrId(n));
            m.hash == hash && self.arena.get(m.offset, m.len) == block
        });
        if let Some(n) = found {
            self.hold(AttrId(n));
            return Ok(AttrId(n));
        }
        let len = u16::try_from(block.len()).map_err(|_| TooLong)?;
        let summary = Summary::of(block);
        let next_hop = summary.next_hop.filter(is_somewhere);
        let next_hop = next_hop.map_or(NextHopId(u32::MAX), |n| self.next_hops.intern(n));
        let meta = AttrMeta {
            offset: self.arena.put(block),
            refs: 1,
            hash,
            local_pref: summary.local_pref.unwrap_or(100),
            med: summary.med.unwrap_or(0),
            neighbor_as: summary.neighbor_as.unwrap_or(Asn(0)),
            next_hop,
            len,
            as_path_len: u8::try_from(summary.as_path_len).unwrap_or(u8::MAX),
            bits: bits(&summary),
        };
        let n = self.allot();
        self.metas[n as usize / BLOCK][n as usize % BLOCK] = meta;
        self.ledger.charge(AttrId(n), len, payer);
        self.live += 1;
        let metas = &self.metas;
        self.index.insert(spread(hash), n, |&n| spread(metas[n as usize / BLOCK][n as usize % BLOCK].hash));
        Ok(AttrId(n))
    }

    /// The same for a block that was made here.
    pub(crate) fn intern_own(&mut self, block: &[u8], seed: u64, payer: PeerId) -> Result<AttrId, TooLong> {
        self.intern(block, xxh3_64_with_seed(block, seed), payer)
    }

    /// Whether the next hop of a set is reachable; sets without a next hop are.
    pub(crate) fn is_reachable(&self, id: AttrId) -> bool {
        self.state(id).cost.is_some()
    }
    /// The interior cost to the next hop of a set.
    pub(crate) fn cost(&self, id: AttrId) -> u32 {
        self.state(id).cost.unwrap_or(u32::MAX)
    }
    fn state(&self, id: AttrId) -> NextHopState {
        let next_hop = self.meta(id).next_hop;
        if next_hop == NextHopId(u32::MAX) { NextHopState::REACHABLE } else { self.next_hops.state(next_hop) }
    }

    fn allot(&mut self) -> u32 {
        if self.free != u32::MAX {
            let n = self.free;
            self.free = self.meta(AttrId(n)).offset;
            return n;
        }
        let n = self.used;
        if n as usize / BLOCK == self.metas.len() {
            self.metas.push(vec![FREE; BLOCK].into_boxed_slice());
        }
        self.used += 1;
        n
    }

    /// One reference more.
    pub(crate) fn hold(&mut self, id: AttrId) {
        self.meta_mut(id).refs += 1;
    }

    /// One reference less; the last one frees the set.
    pub(crate) fn release(&mut self, id: AttrId) {
        let m = self.meta_mut(id);
        m.refs -= 1;
        if m.refs > 0 {
            return;
        }
        let m = *m;
        self.index.remove(spread(m.hash), id.0);
        self.arena.free(m.offset, m.len);
        self.ledger.refund(id, m.len);
        if m.next_hop != NextHopId(u32::MAX) {
            self.next_hops.release(m.next_hop);
        }
        let free = self.free;
        *self.meta_mut(id) = AttrMeta { offset: free, ..FREE };
        self.free = id.0;
        self.live -= 1;
    }

    #[inline]
    pub(crate) fn meta(&self, id: AttrId) -> &AttrMeta {
        &self.metas[id.0 as usize / BLOCK][id.0 as usize % BLOCK]
    }
    fn meta_mut(&mut self, id: AttrId) -> &mut AttrMeta {
        &mut self.metas[id.0 as usize / BLOCK][id.0 as usize % BLOCK]
    }
    /// The canonical block.
    #[inline]
    pub(crate) fn block(&self, id: AttrId) -> BlockView<'_> {
        let m = self.meta(id);
        BlockView(self.arena.get(m.offset, m.len))
    }
    /// How many sets there are.
    pub(crate) const fn len(&self) -> u32 {
        self.live
    }
    /// Octets that the store takes.
    pub(crate) fn bytes(&self) -> usize {
        self.metas.len() * BLOCK * size_of::<AttrMeta>() + self.index.bytes() + self.arena.bytes() + self.ledger.bytes()
    }

    /// A step of moving blocks out of pages that are less than a quarter used, after much was freed; all numbers stay
    /// as they are. Says whether there is more to do.
    pub(crate) fn compact(&mut self) -> bool {
        if self.compacting.is_none() && self.arena.freed() > COMPACT_AFTER.max(self.arena.bytes() / 2) {
            self.arena.forget_freed();
            self.compacting = Some(0);
        }
        let Some(from) = self.compacting else { return false };
        let to = from.saturating_add(COMPACT_STEP).min(self.used);
        for n in from..to {
            let m = self.metas[n as usize / BLOCK][n as usize % BLOCK];
            if m.refs > 0
                && let Some(offset) = self.arena.relocate(m.offset, m.len)
            {
                self.metas[n as usize / BLOCK][n as usize % BLOCK].offset = offset;
            }
        }
        self.compacting = (to < self.used).then_some(to);
        self.compacting.is_some()
    }
}

/// Whether there is something to reach: a route of our own may have the unspecified address, which says that it has no
/// next hop. Decoding takes it from no peer.
fn is_somewhere(next_hop: &NextHop) -> bool {
    match next_hop {
        NextHop::V4(a) => !a.is_unspecified(),
        NextHop::V6(a) => !a.is_unspecified(),
        NextHop::V6LinkLocal(a, l) => !a.is_unspecified() || !l.is_unspecified(),
    }
}

fn bits(s: &Summary) -> AttrBits {
    let facts = [
        (s.has(Marks::NO_EXPORT.union(Marks::NO_EXPORT_SUBCONFED)), AttrBits::NO_EXPORT),
        (s.has(Marks::NO_ADVERTISE), AttrBits::NO_ADVERTISE),
        (s.has(Marks::BLACKHOLE), AttrBits::BLACKHOLE),
        (s.has(Marks::LLGR_STALE), AttrBits::LLGR_STALE),
        (s.has(Marks::NO_LLGR), AttrBits::NO_LLGR),
        (s.med.is_some(), AttrBits::HAS_MED),
    ];
    AttrBits(facts.iter().filter(|f| f.0).fold(s.origin as u8, |b, f| b | f.1))
}
