//! The destinations of a family: slots with the best path inline, behind a hash index.
//!
//! A slot is the stable number of a destination; a walk over slots is a walk in order of arrival, which packs well.
//! Nothing is doubled when it grows: slots, further paths and extras come in boxed blocks, the index in shards.
//!
//! Tables come in the same order again and again, from other peers, after a refresh, when they are withdrawn: the slot
//! behind the last one is looked at first, which costs next to nothing, as one slot lies behind the other in memory. For
//! the same reason a slot that becomes free stays in the index with its prefix, until another prefix needs it: the one
//! that has been free for longest.

mod addr;
mod paths;
#[cfg(test)]
mod tests;

use heddle_bgp_core::Prefix;
use smallvec::SmallVec;

pub(crate) use addr::{Addr, Addr4, Addr6};
use paths::{ListRef, PathLists};

use crate::index::Index;
use crate::route::{AttrId, PathFlags, SourceId};

/// Slots in a block, and in a step of whatever goes over all slots.
pub(crate) const BLOCK: usize = 4096;
/// The most paths that a destination has.
pub(crate) const MAX_PATHS: usize = 2048;
/// The Path Identifier that we send has 12 bits; this one says that none was free.
pub(crate) const NO_TX: u16 = 0xffe;
const NONE: u32 = u32::MAX;
/// No prefix is that long.
const NO_LEN: u8 = u8::MAX;

/// A destination: 24 octets for IPv4, 36 for IPv6.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
pub(crate) struct Dest<A> {
    pub(crate) addr: A,
    /// Post-policy attributes of the inline path; [`AttrId::NONE`] when there is no path.
    pub(crate) attr: AttrId,
    /// Batch of its last flushed change.
    pub(crate) generation: u32,
    /// When the inline path arrived, in seconds since the start; in a free slot the one that became free after it.
    time: u32,
    /// In a free slot the one that became free before it.
    more: u32,
    pub(crate) source: SourceId,
    pub(crate) len: u8,
    /// Low four bits: [`PathFlags`] of the inline path; then whether the slot is used, and whether it stands in the
    /// list of tombstones.
    bits: u8,
}

impl<A> Dest<A> {
    const USED: u8 = 0x10;
    const LISTED: u8 = 0x20;
    const KEPT: u8 = 0x30;

    pub(crate) const fn flags(&self) -> PathFlags {
        PathFlags(self.bits & 0xf)
    }
    pub(crate) const fn is_used(&self) -> bool {
        self.bits & Self::USED != 0
    }
    /// Whether the inline path is the only one, came without a Path Identifier and was not changed by policy.
    pub(crate) const fn is_simple(&self) -> bool {
        self.more == NONE
    }
    /// Whether it stands in the list of tombstones.
    pub(crate) const fn is_listed(&self) -> bool {
        self.bits & Self::LISTED != 0
    }
    pub(crate) fn set_listed(&mut self) {
        self.bits |= Self::LISTED;
    }
    pub(crate) fn clear_listed(&mut self) {
        self.bits &= !Self::LISTED;
    }
    pub(crate) fn has_paths(&self) -> bool {
        self.attr != AttrId::NONE
    }
}

/// What few destinations need: 16 octets.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct More {
    list: ListRef,
    rx: u32,
    /// Pre-policy attributes of the inline path, where policy changed them.
    pre: AttrId,
    tx: u16,
    /// Above every Path Identifier that was ever sent for the destination.
    id_high: u16,
}

/// One path, taken out of its packed form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PathRec {
    /// Post-policy attributes.
    pub(crate) attr: AttrId,
    /// Pre-policy attributes where they differ, else [`AttrId::NONE`].
    pub(crate) pre: AttrId,
    /// The Path Identifier that it came with.
    pub(crate) rx: u32,
    pub(crate) time: u32,
    pub(crate) source: SourceId,
    /// The Path Identifier that we send.
    pub(crate) tx: u16,
    pub(crate) flags: PathFlags,
}

impl PathRec {
    /// Pre-policy attributes.
    pub(crate) fn received(&self) -> AttrId {
        if self.pre == AttrId::NONE { self.attr } else { self.pre }
    }
}

/// Paths of a destination, the inline one first.
pub(crate) type PathVec = SmallVec<[PathRec; 8]>;

/// The destinations of one family.
#[derive(Debug)]
pub(crate) struct Table<A> {
    blocks: Vec<Box<[Dest<A>]>>,
    /// Slots handed out so far.
    slots: u32,
    /// The slots that have been free for longest and for shortest.
    free: (u32, u32),
    /// The slot that was asked for last.
    last: u32,
    live: u32,
    paths: u32,
    index: Index,
    more: Vec<Box<[More]>>,
    more_used: u32,
    more_free: u32,
    lists: PathLists,
    /// The highest generation in each block.
    block_generation: Vec<u32>,
    seed: u64,
}

const NO_MORE: More = More { list: ListRef::EMPTY, rx: 0, pre: AttrId::NONE, tx: 0, id_high: 1 };

impl<A: Addr> Table<A> {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            blocks: Vec::new(),
            slots: 0,
            free: (NONE, NONE),
            last: NONE,
            live: 0,
            paths: 0,
            index: Index::new(),
            more: Vec::new(),
            more_used: 0,
            more_free: NONE,
            lists: PathLists::new(),
            block_generation: Vec::new(),
            seed,
        }
    }

    /// Slots handed out so far: every slot is below.
    pub(crate) const fn slots(&self) -> u32 {
        self.slots
    }
    /// Destinations, tombstones among them.
    pub(crate) const fn destinations(&self) -> u32 {
        self.live
    }
    /// Paths of all destinations.
    pub(crate) const fn paths_len(&self) -> u32 {
        self.paths
    }
    pub(crate) fn bytes(&self) -> usize {
        self.blocks.len() * BLOCK * size_of::<Dest<A>>()
            + self.index.bytes()
            + self.more.len() * BLOCK * size_of::<More>()
            + self.lists.bytes()
    }

    #[inline]
    pub(crate) fn dest(&self, slot: u32) -> &Dest<A> {
        &self.blocks[slot as usize / BLOCK][slot as usize % BLOCK]
    }
    #[inline]
    pub(crate) fn dest_mut(&mut self, slot: u32) -> &mut Dest<A> {
        &mut self.blocks[slot as usize / BLOCK][slot as usize % BLOCK]
    }
    pub(crate) fn prefix(&self, slot: u32) -> Prefix {
        let d = self.dest(slot);
        d.addr.prefix(d.len)
    }

    pub(crate) fn find(&self, addr: A, len: u8) -> Option<u32> {
        self.look_up(addr.hash(len, self.seed), addr, len).filter(|&slot| self.dest(slot).is_used())
    }

    /// The same where one prefix is asked for after the other.
    pub(crate) fn find_next(&mut self, addr: A, len: u8) -> Option<u32> {
        let slot = self.guess(addr, len).or_else(|| self.look_up(addr.hash(len, self.seed), addr, len))?;
        self.last = slot;
        self.dest(slot).is_used().then_some(slot)
    }

    /// The slot of a prefix, in use or free.
    fn look_up(&self, hash: u64, addr: A, len: u8) -> Option<u32> {
        self.index.find(hash, |&slot| self.is_of(slot, addr, len))
    }

    /// The slot behind the last one, if it is that of the prefix.
    fn guess(&self, addr: A, len: u8) -> Option<u32> {
        let next = self.last.wrapping_add(1);
        (next < self.slots && self.is_of(next, addr, len)).then_some(next)
    }

    fn is_of(&self, slot: u32, addr: A, len: u8) -> bool {
        let d = self.dest(slot);
        d.addr == addr && d.len == len
    }

    /// The slot of a prefix, a new one without paths if need be.
    pub(crate) fn slot(&mut self, addr: A, len: u8) -> u32 {
        let slot = if let Some(slot) = self.guess(addr, len) {
            slot
        } else {
            let hash = addr.hash(len, self.seed);
            match self.look_up(hash, addr, len) {
                Some(slot) => slot,
                None => self.allot(hash),
            }
        };
        self.last = slot;
        if self.dest(slot).is_used() {
            return slot;
        }
        self.unlink(slot);
        *self.dest_mut(slot) = Dest {
            addr,
            attr: AttrId::NONE,
            generation: 0,
            time: 0,
            more: NONE,
            source: SourceId::LOCAL,
            len,
            bits: Dest::<A>::USED,
        };
        self.live += 1;
        slot
    }

    /// A free slot that the index knows by `hash` from now on.
    fn allot(&mut self, hash: u64) -> u32 {
        let slot = if self.free.0 == NONE { self.add() } else { self.free.0 };
        let d = *self.dest(slot);
        if d.len != NO_LEN {
            self.index.remove(d.addr.hash(d.len, self.seed), slot);
        }
        let (blocks, seed) = (&self.blocks, self.seed);
        let at = |s: u32| &blocks[s as usize / BLOCK][s as usize % BLOCK];
        self.index.insert(hash, slot, |&s| at(s).addr.hash(at(s).len, seed));
        slot
    }

    /// Takes a free slot out of the list of free ones.
    fn unlink(&mut self, slot: u32) {
        let Dest { more: before, time: after, .. } = *self.dest(slot);
        match before {
            NONE => self.free.0 = after,
            _ => self.dest_mut(before).time = after,
        }
        match after {
            NONE => self.free.1 = before,
            _ => self.dest_mut(after).more = before,
        }
    }

    /// Puts a slot behind all free ones.
    fn link(&mut self, slot: u32) {
        let before = std::mem::replace(&mut self.free.1, slot);
        let d = self.dest_mut(slot);
        (d.more, d.time) = (before, NONE);
        match before {
            NONE => self.free.0 = slot,
            _ => self.dest_mut(before).time = slot,
        }
    }

    /// One slot more, which is free and of no prefix.
    fn add(&mut self) -> u32 {
        let slot = self.slots;
        if slot as usize / BLOCK == self.blocks.len() {
            let vacant = Dest {
                addr: A::ZERO,
                attr: AttrId::NONE,
                generation: 0,
                time: 0,
                more: NONE,
                source: SourceId::LOCAL,
                len: NO_LEN,
                bits: 0,
            };
            self.blocks.push(vec![vacant; BLOCK].into_boxed_slice());
            self.block_generation.push(0);
        }
        self.slots += 1;
        self.link(slot);
        slot
    }

    /// Frees the slot of a destination without paths.
    pub(crate) fn remove(&mut self, slot: u32) {
        self.drop_more(slot);
        let d = self.dest_mut(slot);
        d.bits = 0;
        d.generation = 0;
        self.link(slot);
        self.live -= 1;
    }

    /// Notes that a change of the destination went out with batch `generation`.
    pub(crate) fn set_generation(&mut self, slot: u32, generation: u32) {
        self.dest_mut(slot).generation = generation;
        self.block_generation[slot as usize / BLOCK] = generation;
    }
    /// The highest generation in the block of a slot.
    pub(crate) fn block_generation(&self, slot: u32) -> u32 {
        self.block_generation.get(slot as usize / BLOCK).copied().unwrap_or(0)
    }
    /// The number of batches begins anew (B.1).
    pub(crate) fn renumber(&mut self, floor: u32) {
        let new = |g: &mut u32| {
            if *g > 0 {
                *g = if *g > floor { 2 } else { 1 };
            }
        };
        for block in &mut self.blocks {
            block.iter_mut().for_each(|d| new(&mut d.generation));
        }
        self.block_generation.iter_mut().for_each(new);
    }

    /// Puts the only path of a destination that has none, or replaces the inline path of a simple one.
    pub(crate) fn set_simple(&mut self, slot: u32, attr: AttrId, source: SourceId, flags: PathFlags, time: u32) {
        let d = self.dest_mut(slot);
        let had = d.has_paths();
        d.attr = attr;
        d.source = source;
        d.time = time;
        d.bits = d.bits & Dest::<A>::KEPT | flags.0;
        if !had {
            self.paths += 1;
        }
    }

    /// Removes the only path of a simple destination.
    pub(crate) fn clear_simple(&mut self, slot: u32) {
        let d = self.dest_mut(slot);
        d.attr = AttrId::NONE;
        d.bits &= Dest::<A>::KEPT;
        self.paths -= 1;
    }

    fn more(&self, index: u32) -> &More {
        &self.more[index as usize / BLOCK][index as usize % BLOCK]
    }

    /// The inline path; none when there is no path.
    #[inline]
    pub(crate) fn inline(&self, slot: u32) -> Option<PathRec> {
        let d = self.dest(slot);
        if !d.has_paths() {
            return None;
        }
        let more = if d.more == NONE { &NO_MORE } else { self.more(d.more) };
        Some(PathRec {
            attr: d.attr,
            pre: more.pre,
            rx: more.rx,
            time: d.time,
            source: d.source,
            tx: more.tx,
            flags: d.flags(),
        })
    }

    /// All paths, the inline one first, the others by source and Path Identifier.
    pub(crate) fn paths(&self, slot: u32) -> PathVec {
        let mut all = PathVec::new();
        let Some(first) = self.inline(slot) else { return all };
        all.push(first);
        let d = self.dest(slot);
        if d.more != NONE {
            self.lists.read(self.more(d.more).list, &mut all);
        }
        all
    }

    /// The same, one after the other.
    pub(crate) fn each_path(&self, slot: u32) -> impl Iterator<Item = PathRec> + '_ {
        let d = self.dest(slot);
        // In a free slot `more` is no index of what is beside it.
        let list = if d.more == NONE || !d.has_paths() { ListRef::EMPTY } else { self.more(d.more).list };
        self.inline(slot).into_iter().chain(self.lists.iter(list))
    }

    /// Adds a path to a destination that has one, which stays the inline one.
    pub(crate) fn add_path(&mut self, slot: u32, new: &PathRec) {
        let m = self.more_mut(slot);
        let list = m.list;
        if new.tx < NO_TX {
            m.id_high = m.id_high.max(new.tx + 1);
        }
        let list = self.lists.insert(list, new);
        self.more_mut(slot).list = list;
        self.paths += 1;
    }

    /// Makes the `index`-th of the further paths the inline one.
    pub(crate) fn promote(&mut self, slot: u32, index: usize) {
        let Some(old) = self.inline(slot) else { return };
        let list = self.more_mut(slot).list;
        let Some(new) = self.lists.take(list, index) else { return };
        let list = self.lists.insert(list, &old);
        let m = self.more_mut(slot);
        *m = More { list, rx: new.rx, pre: new.pre, tx: new.tx, id_high: m.id_high };
        self.put_inline(slot, &new);
    }

    fn put_inline(&mut self, slot: u32, p: &PathRec) {
        let d = self.dest_mut(slot);
        d.attr = p.attr;
        d.source = p.source;
        d.time = p.time;
        d.bits = d.bits & Dest::<A>::KEPT | p.flags.0;
    }

    /// What is kept beside a destination, from now on if need be.
    fn more_mut(&mut self, slot: u32) -> &mut More {
        let mut at = self.dest(slot).more;
        if at == NONE {
            at = self.allot_more();
            self.dest_mut(slot).more = at;
        }
        &mut self.more[at as usize / BLOCK][at as usize % BLOCK]
    }

    /// Puts the paths of a destination: the first becomes inline.
    pub(crate) fn set_paths(&mut self, slot: u32, all: &mut [PathRec]) {
        let before = self.count(slot);
        let id_high = self.id_high(slot);
        let Some((first, rest)) = all.split_first_mut() else {
            self.paths -= before;
            let d = self.dest_mut(slot);
            d.attr = AttrId::NONE;
            d.bits &= Dest::<A>::KEPT;
            if d.more != NONE {
                self.write_more(slot, &mut [], |m| *m = More { list: m.list, id_high, ..NO_MORE });
            }
            return;
        };
        rest.sort_unstable_by_key(|p| (p.source, p.rx));
        let high = rest.iter().chain([&*first]).filter(|p| p.tx < NO_TX).map(|p| p.tx + 1).max().unwrap_or(0);
        let id_high = id_high.max(high);
        self.paths = self.paths + 1 + u32::try_from(rest.len()).unwrap_or(0) - before;
        let first = *first;
        self.put_inline(slot, &first);
        let plain = rest.is_empty() && first.rx == 0 && first.tx == 0 && first.pre == AttrId::NONE && id_high <= 1;
        if plain {
            self.drop_more(slot);
        } else {
            self.write_more(slot, rest, |m| {
                *m = More { list: m.list, rx: first.rx, pre: first.pre, tx: first.tx, id_high };
            });
        }
    }

    fn count(&self, slot: u32) -> u32 {
        let d = self.dest(slot);
        if !d.has_paths() {
            return 0;
        }
        if d.more == NONE {
            return 1;
        }
        1 + self.lists.count(self.more(d.more).list)
    }

    fn write_more(&mut self, slot: u32, rest: &mut [PathRec], set: impl FnOnce(&mut More)) {
        let list = self.more_mut(slot).list;
        let list = self.lists.write(list, rest);
        let m = self.more_mut(slot);
        set(m);
        m.list = list;
    }

    fn allot_more(&mut self) -> u32 {
        if self.more_free != NONE {
            let at = self.more_free;
            let m = &mut self.more[at as usize / BLOCK][at as usize % BLOCK];
            self.more_free = m.rx;
            *m = NO_MORE;
            return at;
        }
        let at = self.more_used;
        if at as usize / BLOCK == self.more.len() {
            self.more.push(vec![NO_MORE; BLOCK].into_boxed_slice());
        }
        self.more_used += 1;
        at
    }

    fn drop_more(&mut self, slot: u32) {
        let at = std::mem::replace(&mut self.dest_mut(slot).more, NONE);
        if at == NONE {
            return;
        }
        let list = self.more(at).list;
        self.lists.write(list, &[]);
        let free = self.more_free;
        let m = &mut self.more[at as usize / BLOCK][at as usize % BLOCK];
        m.list = ListRef::EMPTY;
        m.rx = free;
        self.more_free = at;
    }

    /// Above every Path Identifier that was ever sent for the destination.
    pub(crate) fn id_high(&self, slot: u32) -> u16 {
        let d = self.dest(slot);
        if d.more == NONE { 1 } else { self.more(d.more).id_high }
    }
}
