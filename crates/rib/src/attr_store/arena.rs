//! Where the octets of attribute blocks lie: units of one size in pages of 64 KiB.

/// Distance between size classes.
const STEP: usize = 16;
const PAGE: usize = 64 * 1024;
/// Units a page at most: what the low bits of an offset count.
const UNITS: usize = PAGE / STEP;
/// Blocks above this have a page of their own.
const LARGE: usize = 4096;
const NONE: u16 = u16::MAX;

#[derive(Debug)]
struct Page {
    data: Box<[u8]>,
    class: u16,
    used: u16,
    /// Units that were used at some time; those after it never.
    touched: u16,
    /// First free unit among the touched ones; each names the next in its first two octets.
    free: u16,
    /// Whether it stands in its class's list of pages with room.
    listed: bool,
}

/// Octets by offset: page number and unit.
#[derive(Debug, Default)]
pub(super) struct Arena {
    pages: Vec<Page>,
    /// Numbers of pages without memory.
    vacant: Vec<u32>,
    /// Pages with room, by class.
    room: Vec<Vec<u32>>,
    bytes: usize,
    freed: usize,
}

fn class_of(len: usize) -> usize {
    len.div_ceil(STEP).max(1)
}

impl Page {
    fn capacity(&self) -> u16 {
        u16::try_from(self.data.len() / (usize::from(self.class) * STEP)).unwrap_or(1).max(1)
    }
    fn has_room(&self) -> bool {
        self.free != NONE || self.touched < self.capacity()
    }
    fn take(&mut self) -> u16 {
        self.used += 1;
        if self.free == NONE {
            self.touched += 1;
            return self.touched - 1;
        }
        let unit = self.free;
        let at = usize::from(unit) * usize::from(self.class) * STEP;
        self.free = u16::from_ne_bytes([self.data[at], self.data[at + 1]]);
        unit
    }
    fn give(&mut self, unit: u16) {
        self.used -= 1;
        let at = usize::from(unit) * usize::from(self.class) * STEP;
        self.data[at..at + 2].copy_from_slice(&self.free.to_ne_bytes());
        self.free = unit;
    }
    fn is_sparse(&self) -> bool {
        self.capacity() > 1 && self.touched == self.capacity() && self.used < self.capacity() / 4
    }
}

impl Arena {
    pub(super) fn new() -> Self {
        Self::default()
    }

    pub(super) fn put(&mut self, block: &[u8]) -> u32 {
        let class = class_of(block.len());
        let page = self.page_with_room(class);
        let p = &mut self.pages[page as usize];
        let unit = p.take();
        let at = usize::from(unit) * class * STEP;
        p.data[at..at + block.len()].copy_from_slice(block);
        if !p.has_room() {
            p.listed = false;
            self.room[class].pop();
        }
        page * UNITS as u32 + u32::from(unit)
    }

    fn page_with_room(&mut self, class: usize) -> u32 {
        if self.room.len() <= class {
            self.room.resize_with(class + 1, Vec::new);
        }
        if let Some(&page) = self.room[class].last() {
            return page;
        }
        let size = if class * STEP > LARGE { class * STEP } else { PAGE / (class * STEP) * class * STEP };
        let page = Page {
            data: vec![0; size].into_boxed_slice(),
            class: u16::try_from(class).unwrap_or(NONE),
            used: 0,
            touched: 0,
            free: NONE,
            listed: true,
        };
        self.bytes += size;
        let number = match self.vacant.pop() {
            Some(n) => {
                self.pages[n as usize] = page;
                n
            }
            None => {
                self.pages.push(page);
                u32::try_from(self.pages.len() - 1).expect("invariant: 2^20 pages are 64 GiB")
            }
        };
        self.room[class].push(number);
        number
    }

    fn split(offset: u32) -> (u32, u16) {
        #[expect(clippy::cast_possible_truncation, reason = "below UNITS")]
        let unit = (offset % UNITS as u32) as u16;
        (offset / UNITS as u32, unit)
    }

    #[inline]
    pub(super) fn get(&self, offset: u32, len: u16) -> &[u8] {
        let (page, unit) = Self::split(offset);
        let p = &self.pages[page as usize];
        let at = usize::from(unit) * usize::from(p.class) * STEP;
        &p.data[at..at + usize::from(len)]
    }

    pub(super) fn free(&mut self, offset: u32, len: u16) {
        let class = class_of(usize::from(len));
        self.freed += class * STEP;
        let (page, unit) = Self::split(offset);
        let p = &mut self.pages[page as usize];
        p.give(unit);
        if p.used == 0 {
            self.bytes -= p.data.len();
            p.data = Box::default();
            let listed = std::mem::replace(&mut p.listed, false);
            self.vacant.push(page);
            if listed {
                self.room[class].retain(|&n| n != page);
            }
        } else if !p.listed {
            p.listed = true;
            self.room[class].push(page);
        }
    }

    /// Octets freed since the last [`forget_freed`](Self::forget_freed).
    pub(super) const fn freed(&self) -> usize {
        self.freed
    }
    pub(super) const fn forget_freed(&mut self) {
        self.freed = 0;
    }

    /// Moves a block out of a sparse page; its new offset.
    pub(super) fn relocate(&mut self, offset: u32, len: u16) -> Option<u32> {
        let (page, _) = Self::split(offset);
        let p = &mut self.pages[page as usize];
        if !p.is_sparse() {
            return None;
        }
        let class = usize::from(p.class);
        if std::mem::replace(&mut p.listed, false) {
            self.room[class].retain(|&n| n != page);
        }
        let block = self.get(offset, len).to_vec();
        let new = self.put(&block);
        let (page, unit) = Self::split(offset);
        // The page is being emptied: it stays off the list until it is gone.
        let p = &mut self.pages[page as usize];
        p.give(unit);
        if p.used == 0 {
            self.bytes -= p.data.len();
            p.data = Box::default();
            self.vacant.push(page);
        }
        Some(new)
    }

    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }
}
