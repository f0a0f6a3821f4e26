//! The second and further paths of destinations, in lists of a few sizes.
//!
//! A list is sorted by source and received Path Identifier. A path whose attributes policy changed is followed by a
//! record with the attributes before policy ([`PRE`]).

use smallvec::SmallVec;

use super::{PathRec, PathVec};
use crate::route::{AttrId, PathFlags, SourceId};

/// A path: 16 octets.
#[derive(Clone, Copy, Debug)]
#[repr(C)]
struct Path {
    /// [`AttrId::NONE`] after the last one; in a free list the next free one stands in `rx`.
    attr: AttrId,
    rx: u32,
    time: u32,
    source: SourceId,
    /// Path Identifier that we send, and flags in the low four bits.
    tx_flags: u16,
}

impl Path {
    /// A path, and the record behind it where it has attributes from before policy.
    fn packed(p: &PathRec) -> [Self; 2] {
        let tx_flags = p.tx << 4 | u16::from(p.flags.0);
        let path = Self { attr: p.attr, rx: p.rx, time: p.time, source: p.source, tx_flags };
        [path, Self { attr: p.pre, tx_flags: PRE << 4, ..path }]
    }

    fn unpacked(&self, pre: AttrId) -> PathRec {
        PathRec {
            attr: self.attr,
            pre,
            rx: self.rx,
            time: self.time,
            source: self.source,
            tx: self.tx_flags >> 4,
            flags: PathFlags((self.tx_flags & 0xf) as u8),
        }
    }

    const fn is_pre(&self) -> bool {
        self.tx_flags >> 4 == PRE
    }
}

/// In place of a sent Path Identifier: the record has the attributes before policy of the path before it.
const PRE: u16 = 0xfff;
const SIZES: [u16; 24] =
    [1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048, 3072, 4096, 6144, 8192];
/// Paths in a block of lists.
const BLOCK: usize = 4096;
const EMPTY: Path = Path { attr: AttrId::NONE, rx: u32::MAX, time: 0, source: SourceId::LOCAL, tx_flags: 0 };

/// Size class (high 5 bits) and number of a list in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ListRef(u32);

impl ListRef {
    pub(super) const EMPTY: Self = Self(u32::MAX);
    const fn new(class: usize, number: u32) -> Self {
        Self((class as u32) << 27 | number)
    }
    const fn class(self) -> usize {
        (self.0 >> 27) as usize
    }
    const fn number(self) -> usize {
        (self.0 & 0x07ff_ffff) as usize
    }
}

#[derive(Debug)]
struct Class {
    blocks: Vec<Box<[Path]>>,
    used: u32,
    free: u32,
}

#[derive(Debug)]
pub(super) struct PathLists {
    classes: Vec<Class>,
}

fn lists_per_block(class: usize) -> usize {
    (BLOCK / usize::from(SIZES[class])).max(1)
}

impl PathLists {
    pub(super) fn new() -> Self {
        Self { classes: SIZES.iter().map(|_| Class { blocks: Vec::new(), used: 0, free: u32::MAX }).collect() }
    }

    pub(super) fn bytes(&self) -> usize {
        let blocks = self.classes.iter().flat_map(|c| &c.blocks);
        blocks.map(|b| size_of_val(&**b)).sum()
    }

    fn raw(&self, list: ListRef) -> &[Path] {
        if list == ListRef::EMPTY {
            return &[];
        }
        let (class, size) = (list.class(), usize::from(SIZES[list.class()]));
        let block = &self.classes[class].blocks[list.number() / lists_per_block(class)];
        let at = list.number() % lists_per_block(class) * size;
        let all = &block[at..at + size];
        let used = all.iter().position(|p| p.attr == AttrId::NONE).unwrap_or(size);
        &all[..used]
    }

    pub(super) fn count(&self, list: ListRef) -> u32 {
        let n = self.raw(list).iter().filter(|p| !p.is_pre()).count();
        u32::try_from(n).unwrap_or(u32::MAX)
    }

    /// The paths of a list, in its order.
    pub(super) fn iter(&self, list: ListRef) -> impl Iterator<Item = PathRec> + '_ {
        let mut rest = self.raw(list);
        std::iter::from_fn(move || {
            let (path, after) = rest.split_first()?;
            let pre = after.first().filter(|next| next.is_pre());
            rest = if pre.is_some() { after.get(1..).unwrap_or_default() } else { after };
            Some(path.unpacked(pre.map_or(AttrId::NONE, |pre| pre.attr)))
        })
    }

    pub(super) fn read(&self, list: ListRef, out: &mut PathVec) {
        out.extend(self.iter(list));
    }

    /// Puts one path more into a list, at its place; the list may lie elsewhere afterwards.
    pub(super) fn insert(&mut self, list: ListRef, new: &PathRec) -> ListRef {
        let records = Path::packed(new);
        let records = if new.pre == AttrId::NONE { &records[..1] } else { &records[..] };
        let used = self.raw(list).len();
        let list = self.grown(list, used + records.len());
        let room = self.room_mut(list);
        let key = (new.source, new.rx);
        let at = room[..used].partition_point(|p| (p.source, p.rx) <= key);
        room.copy_within(at..used, at + records.len());
        room[at..at + records.len()].copy_from_slice(records);
        list
    }

    /// Takes the `index`-th path out of a list, which keeps its size.
    pub(super) fn take(&mut self, list: ListRef, index: usize) -> Option<PathRec> {
        let raw = self.raw(list);
        let used = raw.len();
        let (at, path) = raw.iter().enumerate().filter(|(_, p)| !p.is_pre()).nth(index)?;
        let pre = raw.get(at + 1).filter(|next| next.is_pre()).map(|pre| pre.attr);
        let path = path.unpacked(pre.unwrap_or(AttrId::NONE));
        let records = 1 + usize::from(pre.is_some());
        let room = self.room_mut(list);
        room.copy_within(at + records..used, at);
        room[used - records..used].fill(EMPTY);
        Some(path)
    }

    /// The list, or one with its paths that has room for `need` records.
    fn grown(&mut self, list: ListRef, need: usize) -> ListRef {
        if list != ListRef::EMPTY && need <= usize::from(SIZES[list.class()]) {
            return list;
        }
        let class = SIZES.iter().position(|&s| usize::from(s) >= need).expect("invariant: MAX_PATHS fit");
        let new = self.allot(class);
        let old: SmallVec<[Path; 16]> = SmallVec::from_slice(self.raw(list));
        let room = self.room_mut(new);
        room[..old.len()].copy_from_slice(&old);
        room[old.len()..].fill(EMPTY);
        self.free(list);
        new
    }

    /// All of what a list has room for; it is not [`ListRef::EMPTY`].
    fn room_mut(&mut self, list: ListRef) -> &mut [Path] {
        let (class, size) = (list.class(), usize::from(SIZES[list.class()]));
        let at = list.number() % lists_per_block(class) * size;
        &mut self.classes[class].blocks[list.number() / lists_per_block(class)][at..at + size]
    }

    /// Replaces a list; the new one may lie elsewhere.
    pub(super) fn write(&mut self, list: ListRef, paths: &[PathRec]) -> ListRef {
        let need = paths.len() + paths.iter().filter(|p| p.pre != AttrId::NONE).count();
        let class = SIZES.iter().position(|&s| usize::from(s) >= need).expect("invariant: MAX_PATHS fit");
        let list = if need > 0 && list != ListRef::EMPTY && list.class() == class {
            list
        } else {
            self.free(list);
            if need == 0 {
                return ListRef::EMPTY;
            }
            self.allot(class)
        };
        let mut room = self.room_mut(list).iter_mut();
        for p in paths {
            let [path, pre] = Path::packed(p);
            if let Some(r) = room.next() {
                *r = path;
            }
            if p.pre != AttrId::NONE
                && let Some(r) = room.next()
            {
                *r = pre;
            }
        }
        room.for_each(|r| *r = EMPTY);
        list
    }

    fn allot(&mut self, class: usize) -> ListRef {
        let per_block = lists_per_block(class);
        let size = usize::from(SIZES[class]);
        let c = &mut self.classes[class];
        if c.free != u32::MAX {
            let n = c.free;
            c.free = c.blocks[n as usize / per_block][n as usize % per_block * size].rx;
            return ListRef::new(class, n);
        }
        let n = c.used;
        if n as usize / per_block == c.blocks.len() {
            c.blocks.push(vec![EMPTY; per_block * size].into_boxed_slice());
        }
        c.used += 1;
        ListRef::new(class, n)
    }

    fn free(&mut self, list: ListRef) {
        if list == ListRef::EMPTY {
            return;
        }
        let class = list.class();
        let (per_block, size) = (lists_per_block(class), usize::from(SIZES[class]));
        let n = list.number();
        let c = &mut self.classes[class];
        let first = &mut c.blocks[n / per_block][n % per_block * size];
        *first = Path { rx: c.free, ..EMPTY };
        c.free = u32::try_from(n).unwrap_or(u32::MAX);
    }
}

#[cfg(test)]
pub(super) const PATH_SIZE: usize = size_of::<Path>();
