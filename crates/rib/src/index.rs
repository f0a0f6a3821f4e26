//! A hash index of u32 numbers in shards, so that no growth moves more than a 64th of it: one table stalls for 80 ms on
//! the way to a million entries, a shard for two.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;

const SHARDS: usize = 64;

/// Numbers by the hash of what they stand for.
#[derive(Debug)]
pub(crate) struct Index {
    shards: Vec<HashTable<u32>>,
}

impl Index {
    pub(crate) fn new() -> Self {
        Self { shards: (0..SHARDS).map(|_| HashTable::new()).collect() }
    }

    // hashbrown takes its position from the low bits and its tag from the top seven; the shard comes from between.
    fn shard(hash: u64) -> usize {
        (hash >> 48) as usize % SHARDS
    }

    pub(crate) fn find(&self, hash: u64, eq: impl FnMut(&u32) -> bool) -> Option<u32> {
        self.shards[Self::shard(hash)].find(hash, eq).copied()
    }

    /// Adds a number that is not in it; `rehash` tells the hash of any number in it.
    pub(crate) fn insert(&mut self, hash: u64, number: u32, rehash: impl Fn(&u32) -> u64) {
        self.shards[Self::shard(hash)].insert_unique(hash, number, rehash);
    }

    /// The number that `eq` finds, or else `new`, which is added: `Err` with it.
    pub(crate) fn find_or_insert(
        &mut self,
        hash: u64,
        new: u32,
        eq: impl FnMut(&u32) -> bool,
        rehash: impl Fn(&u32) -> u64,
    ) -> Result<u32, u32> {
        match self.shards[Self::shard(hash)].entry(hash, eq, rehash) {
            Entry::Occupied(e) => Ok(*e.get()),
            Entry::Vacant(e) => {
                e.insert(new);
                Err(new)
            }
        }
    }

    pub(crate) fn remove(&mut self, hash: u64, number: u32) {
        if let Ok(entry) = self.shards[Self::shard(hash)].find_entry(hash, |&n| n == number) {
            entry.remove();
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.shards.iter().map(HashTable::allocation_size).sum()
    }
}

/// Mixes two words with a seed into a hash: a folded multiplication, secret by its seed.
#[inline]
pub(crate) fn mix(a: u64, b: u64, seed: u64) -> u64 {
    let fold = |x: u64, y: u64| {
        let m = u128::from(x) * u128::from(y);
        #[expect(clippy::cast_possible_truncation, reason = "the halves are folded on purpose")]
        let folded = m as u64 ^ (m >> 64) as u64;
        folded
    };
    let seed2 = seed.rotate_left(32) ^ 0x9e37_79b9_7f4a_7c15;
    fold(fold(a ^ seed, b ^ seed2) ^ seed2, 0xd6e8_feb8_6659_fd93)
}
