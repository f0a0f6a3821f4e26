//! Numbers that look random and are the same for the same seed.

/// A generator: splitmix64, for which every seed is as good as any other.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    /// The numbers of one round: each round has its own, so that it can be repeated without those before it.
    pub(crate) fn of_round(seed: u64, round: u32) -> Self {
        let mut random = Self(seed);
        let of_seed = random.next();
        Self(of_seed ^ u64::from(round).wrapping_mul(0xd6e8_feb8_6659_fd93))
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number from `least` to below `limit`.
    pub(crate) fn between(&mut self, least: u64, limit: u64) -> u64 {
        least + self.next() % limit.saturating_sub(least).max(1)
    }

    /// One of several; nothing of none.
    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let index = usize::try_from(self.next() % (of.len() as u64).max(1)).ok()?;
        of.get(index)
    }
}
