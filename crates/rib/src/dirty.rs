//! Destinations that changed since they were last flushed, and what their last flush said.

use std::collections::VecDeque;
use std::time::Duration;

use hashbrown::HashMap;
use heddle_bgp_core::Timestamp;

use crate::route::{AttrId, PathFlags, SourceId};

/// What was announced of one path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Announced {
    pub(crate) attr: AttrId,
    pub(crate) source: SourceId,
    /// Path Identifier that it is sent with.
    pub(crate) tx: u16,
    pub(crate) flags: PathFlags,
}

/// What the last flush of a destination said: the best path, and with ADD-PATH all, the better ones first.
#[derive(Clone, Debug, Default)]
pub(crate) struct Before {
    pub(crate) best: Option<Announced>,
    pub(crate) all: Box<[Announced]>,
}

/// In which line a destination waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Urgency {
    /// Soon: single changes.
    Urgent,
    /// In turn: tables.
    Bulk,
    /// In turn, but only after a while: destinations that tables of several peers bring one after the other.
    Later,
    /// Soon, however many wait: our own routes while the gate is closed.
    Own,
}

/// The most destinations that wait urgently.
pub(crate) const URGENT_MAX: usize = 4096;
/// The most destinations that wait for later.
const LATER_MAX: u32 = 32_768;
/// Slots that share a page: those of one word of bits.
const PAGE_SLOTS: usize = 64;
/// Pages that are kept for the next use: those of a flush of neighbours.
const SPARE_PAGES: usize = 128;

/// The best paths that were announced of neighbouring slots, where their attributes are not [`AttrId::NONE`]. Of clean
/// ones anything may stand there.
type Page = Box<[Announced; PAGE_SLOTS]>;

const NOTHING: Announced = Announced { attr: AttrId::NONE, source: SourceId::LOCAL, tx: 0, flags: PathFlags::NONE };

#[derive(Debug, Default)]
pub(crate) struct Dirty {
    bits: Vec<u64>,
    count: u32,
    urgent: VecDeque<u32>,
    /// Those that stand in `urgent`, dirty or not any more.
    hurried: Vec<u64>,
    /// Those of `bits` that are not to be decided yet.
    later: Vec<u64>,
    later_count: u32,
    /// Since when the oldest of them waits.
    later_since: Option<Timestamp>,
    /// By word of `bits`: there while one of its destinations is dirty and had announced something.
    before: Vec<Option<Page>>,
    spare: Vec<Page>,
    /// Only where ADD-PATH groups exist.
    all_before: HashMap<u32, Box<[Announced]>>,
    /// Where the search for the next bulk destination goes on.
    rotor: usize,
    since: Option<Timestamp>,
}

impl Dirty {
    pub(crate) fn is_set(&self, slot: u32) -> bool {
        self.bits.get(slot as usize / 64).is_some_and(|w| w >> (slot % 64) & 1 != 0)
    }
    pub(crate) const fn len(&self) -> u32 {
        self.count
    }
    /// Whether there are any that do not wait for later.
    pub(crate) const fn has_present(&self) -> bool {
        self.count > self.later_count
    }
    /// Whether any may wait urgently.
    pub(crate) fn has_urgent(&self) -> bool {
        !self.urgent.is_empty()
    }
    /// Since when the oldest waits, about.
    pub(crate) const fn since(&self) -> Option<Timestamp> {
        self.since
    }
    pub(crate) fn restart_clock(&mut self, now: Timestamp) {
        self.since = (self.count > 0).then_some(now);
    }

    /// Marks a clean destination.
    pub(crate) fn set(&mut self, slot: u32, urgency: Urgency, before: Before, now: Timestamp) {
        let word = slot as usize / 64;
        if word >= self.bits.len() {
            for bits in [&mut self.bits, &mut self.hurried, &mut self.later] {
                bits.resize(word + 64, 0);
            }
            self.before.resize_with(word + 64, || None);
        }
        self.bits[word] |= 1 << (slot % 64);
        self.count += 1;
        self.since.get_or_insert(now);
        let page = &mut self.before[word];
        if page.is_none() && before.best.is_some() {
            // The page has something of clean destinations, and of one that is dirty and had announced nothing.
            let mut fresh = self.spare.pop().unwrap_or_else(|| Box::new([NOTHING; PAGE_SLOTS]));
            fresh.fill(NOTHING);
            *page = Some(fresh);
        }
        if let Some(page) = page {
            page[slot as usize % PAGE_SLOTS] = before.best.unwrap_or(NOTHING);
        }
        if !before.all.is_empty() {
            self.all_before.insert(slot, before.all);
        }
        if urgency == Urgency::Later {
            self.later[word] |= 1 << (slot % 64);
            self.later_count += 1;
            self.later_since.get_or_insert(now);
        }
        self.hurry(slot, urgency);
    }

    /// Lets a dirty destination wait in another line, if its turn comes sooner there.
    pub(crate) fn hurry(&mut self, slot: u32, urgency: Urgency) {
        let urgent = match urgency {
            Urgency::Later => return,
            Urgency::Urgent => self.urgent.len() < URGENT_MAX,
            Urgency::Bulk => false,
            Urgency::Own => true,
        };
        self.end_waiting(slot);
        if urgent && !self.is_hurried(slot) {
            self.urgent.push_back(slot);
            self.hurried[slot as usize / 64] |= 1 << (slot % 64);
        }
    }

    fn is_hurried(&self, slot: u32) -> bool {
        self.hurried.get(slot as usize / 64).is_some_and(|w| w >> (slot % 64) & 1 != 0)
    }

    /// A destination that waited for later does so no more.
    fn end_waiting(&mut self, slot: u32) {
        let (word, bit) = (slot as usize / 64, 1 << (slot % 64));
        if self.later[word] & bit != 0 {
            self.later[word] &= !bit;
            self.later_count -= 1;
            if self.later_count == 0 {
                self.later_since = None;
            }
        }
    }

    /// Lets those that waited for later have their turn, if they are many or have waited for so long.
    pub(crate) fn mature(&mut self, now: Timestamp, time: Duration) {
        if self.later_count >= LATER_MAX || self.matures(time).is_some_and(|at| at <= now) {
            self.later.fill(0);
            self.later_count = 0;
            self.later_since = None;
        }
    }

    /// When that is.
    pub(crate) fn matures(&self, time: Duration) -> Option<Timestamp> {
        self.later_since.map(|since| since + time)
    }

    /// Marks it clean; what it had announced. None when it was clean.
    pub(crate) fn clear(&mut self, slot: u32) -> Option<Before> {
        if !self.is_set(slot) {
            return None;
        }
        let best = self.before(slot);
        let word = slot as usize / 64;
        self.bits[word] &= !(1 << (slot % 64));
        self.count -= 1;
        self.end_waiting(slot);
        if self.count == 0 {
            self.since = None;
        }
        if self.bits[word] == 0
            && let Some(page) = self.before[word].take()
            && self.spare.len() < SPARE_PAGES
        {
            self.spare.push(page);
        }
        let all = if self.all_before.is_empty() { None } else { self.all_before.remove(&slot) };
        Some(Before { best, all: all.unwrap_or_default() })
    }

    /// What a dirty destination had announced.
    pub(crate) fn before(&self, slot: u32) -> Option<Announced> {
        let page = self.before.get(slot as usize / 64)?.as_ref()?;
        let best = page[slot as usize % PAGE_SLOTS];
        (best.attr != AttrId::NONE).then_some(best)
    }
    /// The same of all paths.
    pub(crate) fn all_before(&self, slot: u32) -> &[Announced] {
        self.all_before.get(&slot).map_or(&[], |b| b)
    }

    /// Takes the next urgent destination out of its line.
    pub(crate) fn pop_urgent(&mut self) -> Option<u32> {
        while let Some(slot) = self.urgent.pop_front() {
            self.hurried[slot as usize / 64] &= !(1 << (slot % 64));
            if self.is_set(slot) {
                return Some(slot);
            }
        }
        None
    }

    /// Puts urgent destinations, in their order, back to the front of their line.
    pub(crate) fn hurry_back(&mut self, slots: &[u32]) {
        for &slot in slots.iter().rev() {
            self.urgent.push_front(slot);
            self.hurried[slot as usize / 64] |= 1 << (slot % 64);
        }
    }

    /// Up to `max` dirty destinations after the last ones, circular, but for those that wait for later; they stay dirty.
    pub(crate) fn next(&mut self, max: usize, out: &mut Vec<u32>) {
        let words = self.bits.len();
        let mut seen = 0;
        let present = self.count - self.later_count;
        while seen < words && out.len() < max.min(present as usize) {
            let at = self.rotor % words;
            let mut word = self.bits[at] & !self.later[at];
            if word != 0 && out.len() + word.count_ones() as usize > max && !out.is_empty() {
                return;
            }
            while word != 0 {
                let bit = word.trailing_zeros();
                out.push(u32::try_from(at * 64).unwrap_or(u32::MAX) + bit);
                word &= word - 1;
            }
            self.rotor = at + 1;
            seen += 1;
        }
    }

    /// Dirty destinations of `[from, to)`.
    pub(crate) fn within(&self, from: u32, to: u32, out: &mut Vec<u32>) {
        let words = from as usize / 64..(to as usize).div_ceil(64);
        for at in words {
            let mut word = self.bits.get(at).copied().unwrap_or(0);
            while word != 0 {
                let slot = u32::try_from(at * 64).unwrap_or(u32::MAX) + word.trailing_zeros();
                if (from..to).contains(&slot) {
                    out.push(slot);
                }
                word &= word - 1;
            }
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        let pages = self.before.iter().flatten().count() + self.spare.len();
        let words = 3 * size_of::<u64>() + size_of::<Option<Page>>();
        self.bits.len() * words + pages * size_of::<[Announced; PAGE_SLOTS]>() + self.all_before.allocation_size()
    }
}
