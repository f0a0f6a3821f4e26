//! Numbers that look random and are the same in every run: tests include this file.

/// A small generator of numbers (xorshift64).
#[derive(Debug)]
pub struct Random(u64);

impl Random {
    /// The same numbers for the same seed, which is not 0.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `bound`; 0 if there is none.
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 >> 33).unwrap_or(0) % bound.max(1)
    }
}
