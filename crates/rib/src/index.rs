//! A hash index of u32 numbers in shards, so that no growth moves more than a 64th of it: one table stalls for 80 ms on
//! the way to a million entries, a shard for two.

use hashbrown::HashTable;

const SHARDS: usize = 64;
/// Room that an empty shard keeps.
const KEPT: usize = 64;
/// So many of the low bits of a prefix say where it stands among its neighbours.
pub(crate) const NEAR_BITS: u32 = 3;
const NEAR: u64 = (1 << NEAR_BITS) - 1;
/// hashbrown's tag is the hash from here on.
const TAG_SHIFT: u32 = 57;

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

    pub(crate) fn remove(&mut self, hash: u64, number: u32) {
        let shard = &mut self.shards[Self::shard(hash)];
        if let Ok(entry) = shard.find_entry(hash, |&n| n == number) {
            entry.remove();
            // What a large table leaves is given back; besides, places of what was removed are not all free at once.
            if shard.is_empty() && shard.capacity() > KEPT {
                *shard = HashTable::new();
            }
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.shards.iter().map(HashTable::allocation_size).sum()
    }
}

/// The hash of something with neighbours: `far` is the hash of what they have in common, and `near` tells them apart.
/// Those that differ in the low bits of `near` only get places beside each other, so that tables, where one prefix follows
/// the other, are looked up in one cache line after the other; their tags differ, so that none is taken for another.
///
/// Nobody without the seed can fill a place with more than one such handful, which a group of places takes as well as
/// others would.
#[inline]
pub(crate) const fn near(far: u64, near: u64) -> u64 {
    let near = near & NEAR;
    (far & !NEAR | near) ^ near << TAG_SHIFT
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
