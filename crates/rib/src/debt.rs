//! What a member owes itself: for ranges of slots, from which batch on it may lack changes.

use smallvec::SmallVec;

/// Nothing is owed.
pub(crate) const NONE: u32 = u32::MAX;
/// More ranges than this are merged.
const MAX_RANGES: usize = 8;

/// From `from` up to the next range, the last one without end: 12 octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct DebtRange {
    pub(crate) from: u32,
    /// Adverts are owed for destinations whose generation is above this.
    pub(crate) adv: u32,
    /// Withdrawals are owed for destinations whose generation is above this.
    pub(crate) wd: u32,
}

impl DebtRange {
    fn is_none(self) -> bool {
        self.adv == NONE && self.wd == NONE
    }
}

/// The debt of a member over all slots.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Debt(SmallVec<[DebtRange; 4]>);

impl Debt {
    /// No debt.
    pub(crate) fn none() -> Self {
        Self(SmallVec::from_slice(&[DebtRange { from: 0, adv: NONE, wd: NONE }]))
    }

    pub(crate) fn is_none(&self) -> bool {
        self.0.iter().all(|r| r.is_none())
    }

    /// What is owed at a slot: (adv, wd).
    pub(crate) fn at(&self, slot: u32) -> (u32, u32) {
        self.0.iter().rev().find(|r| r.from <= slot).map_or((NONE, NONE), |r| (r.adv, r.wd))
    }

    /// The smallest withdrawal bound anywhere: what keeps tombstones.
    pub(crate) fn min_wd(&self) -> u32 {
        self.0.iter().map(|r| r.wd).min().unwrap_or(NONE)
    }

    /// Ranges with something owed, as (from, to, adv, wd); `to` is [`u32::MAX`] for the end.
    pub(crate) fn owed(&self) -> impl Iterator<Item = (u32, u32, u32, u32)> {
        let ends = self.0.iter().skip(1).map(|r| r.from).chain([u32::MAX]);
        self.0.iter().zip(ends).filter(|(r, _)| !r.is_none()).map(|(r, to)| (r.from, to, r.adv, r.wd))
    }

    fn split(&mut self, at: u32) {
        if at == u32::MAX {
            return;
        }
        let i = self.0.partition_point(|r| r.from < at);
        if self.0.get(i).is_none_or(|r| r.from != at) {
            let before = self.0[i - 1];
            self.0.insert(i, DebtRange { from: at, ..before });
        }
    }

    fn change(&mut self, from: u32, to: u32, f: impl Fn(&mut DebtRange)) {
        self.split(from);
        self.split(to);
        self.0.iter_mut().filter(|r| r.from >= from && r.from < to).for_each(f);
        self.0.dedup_by(|b, a| a.adv == b.adv && a.wd == b.wd);
        while self.0.len() > MAX_RANGES {
            self.merge_closest();
        }
    }

    // Any merge by minimum is right, as more is owed than has to be; the pair that differs least repeats least.
    fn merge_closest(&mut self) {
        let cost = |a: DebtRange, b: DebtRange| u64::from(a.adv.abs_diff(b.adv)) + u64::from(a.wd.abs_diff(b.wd));
        let pairs = self.0.windows(2).enumerate();
        let Some((i, _)) = pairs.min_by_key(|(_, w)| cost(w[0], w[1])) else { return };
        let b = self.0.remove(i + 1);
        let a = &mut self.0[i];
        a.adv = a.adv.min(b.adv);
        a.wd = a.wd.min(b.wd);
        self.0.dedup_by(|b, a| a.adv == b.adv && a.wd == b.wd);
    }

    /// Owes at least (adv, wd) on `[from, to)`.
    pub(crate) fn owe(&mut self, from: u32, to: u32, adv: u32, wd: u32) {
        if from < to {
            self.change(from, to, |r| {
                r.adv = r.adv.min(adv);
                r.wd = r.wd.min(wd);
            });
        }
    }

    /// `[from, to)` is paid.
    pub(crate) fn clear(&mut self, from: u32, to: u32) {
        if from < to {
            self.change(from, to, |r| {
                r.adv = NONE;
                r.wd = NONE;
            });
        }
    }

    /// The number of batches begins anew: finite bounds other than 0 become 1 (B.1).
    pub(crate) fn renumber(&mut self) {
        let new = |b: &mut u32| {
            if *b > 0 && *b < NONE {
                *b = 1;
            }
        };
        for r in &mut self.0 {
            new(&mut r.adv);
            new(&mut r.wd);
        }
        self.0.dedup_by(|b, a| a.adv == b.adv && a.wd == b.wd);
    }
}

#[cfg(test)]
mod tests;
