//! Where the choices of a history come from: a seed, or octets that somebody else varies.

/// Choices. Those that octets give come first, then numbers that are the same everywhere (splitmix64).
#[derive(Debug)]
pub(super) struct Random {
    octets: Vec<u8>,
    taken: usize,
    state: u64,
}

impl Random {
    #[cfg(test)]
    pub(super) fn seed(seed: u64) -> Self {
        Self { octets: Vec::new(), taken: 0, state: seed }
    }

    pub(super) fn octets(octets: &[u8]) -> Self {
        Self { octets: octets.to_vec(), taken: 0, state: 1 }
    }

    /// All octets were taken.
    pub(super) fn is_spent(&self) -> bool {
        self.taken >= self.octets.len()
    }

    pub(super) fn below(&mut self, n: usize) -> usize {
        if let Some(octet) = self.octets.get(self.taken).filter(|_| n <= 256) {
            self.taken += 1;
            return usize::from(*octet) % n;
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n as u64).expect("below n")
    }

    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
}
