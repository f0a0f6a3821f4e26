//! Destinations as numbers: what a receiver counts with.
//!
//! A case has its destinations in a fixed order. Where they lie side by side the number is computed, for a recorded table it is
//! looked up; both are a few nanoseconds, far below what any daemon needs for a route.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use heddle_bgp_core::{Family, Prefix};

/// The first IPv4 destination: 20.0.0.0.
const FIRST_V4: u32 = 0x1400_0000;
/// The first IPv6 destination: 2a10::.
const FIRST_V6: u128 = 0x2a10_0000_0000_0000_0000_0000_0000_0000;

/// Prefixes of one length, side by side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    family: Family,
    length: u8,
    count: usize,
}

impl Block {
    /// IPv4 prefixes of a length.
    pub(crate) const fn v4(length: u8, count: usize) -> Self {
        Self { family: Family::IPV4_UNICAST, length, count }
    }

    /// IPv6 prefixes, all /48.
    pub(crate) const fn v6(count: usize) -> Self {
        Self { family: Family::IPV6_UNICAST, length: 48, count }
    }

    pub(crate) const fn family(self) -> Family {
        self.family
    }

    pub(crate) const fn count(self) -> usize {
        self.count
    }

    /// The prefix of a number.
    pub(crate) fn prefix(self, number: usize) -> Option<Prefix> {
        let address = if self.family == Family::IPV4_UNICAST {
            let step = u32::try_from(number).ok()?.checked_shl(32 - u32::from(self.length))?;
            IpAddr::V4(Ipv4Addr::from(FIRST_V4.checked_add(step)?))
        } else {
            let step = u128::try_from(number).ok()?.checked_shl(128 - u32::from(self.length))?;
            IpAddr::V6(Ipv6Addr::from(FIRST_V6.checked_add(step)?))
        };
        Prefix::new(address, self.length)
    }

    #[inline]
    fn find(self, length: u8, octets: &[u8]) -> Option<usize> {
        if length != self.length {
            return None;
        }
        let number = if self.family == Family::IPV4_UNICAST {
            let offset = v4(octets)?.checked_sub(FIRST_V4)?;
            usize::try_from(offset >> (32 - u32::from(length))).ok()?
        } else {
            let offset = v6(octets)?.checked_sub(FIRST_V6)?;
            usize::try_from(offset >> (128 - u32::from(length))).ok()?
        };
        (number < self.count).then_some(number)
    }
}

#[inline]
fn v4(octets: &[u8]) -> Option<u32> {
    let mut address = [0; 4];
    address.get_mut(..octets.len())?.copy_from_slice(octets);
    Some(u32::from_be_bytes(address))
}

#[inline]
fn v6(octets: &[u8]) -> Option<u128> {
    let mut address = [0; 16];
    address.get_mut(..octets.len())?.copy_from_slice(octets);
    Some(u128::from_be_bytes(address))
}

/// Any IPv4 prefixes, in the order in which they were first seen: open addressing, eight octets a slot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Recorded {
    /// Address (32 bits), length (6 bits), number plus one (26 bits); 0 is free.
    slots: Vec<u64>,
    prefixes: Vec<(u32, u8)>,
}

/// Bits of the number in a slot.
const NUMBER_BITS: u32 = 26;

impl Recorded {
    fn slot(&self, key: u64) -> usize {
        let mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 32;
        usize::try_from(mixed).unwrap_or_default() & self.slots.len().wrapping_sub(1)
    }

    fn key(length: u8, octets: &[u8]) -> Option<(u32, u64)> {
        let address = v4(octets)?;
        Some((address, (u64::from(address) << 6) | u64::from(length)))
    }

    /// The number of a prefix, a new one where it has none yet.
    pub(crate) fn add(&mut self, length: u8, octets: &[u8]) -> Option<usize> {
        if let Some(number) = self.look_up(length, octets) {
            return Some(number);
        }
        if self.prefixes.len() * 4 >= self.slots.len() * 2 {
            self.grow()?;
        }
        let (address, key) = Self::key(length, octets)?;
        self.prefixes.push((address, length));
        self.place(key, self.prefixes.len())?;
        Some(self.prefixes.len() - 1)
    }

    fn grow(&mut self) -> Option<()> {
        let size = (self.slots.len() * 2).max(1024);
        self.slots.clear();
        self.slots.resize(size, 0);
        for number in 1..=self.prefixes.len() {
            let (address, length) = *self.prefixes.get(number - 1)?;
            self.place((u64::from(address) << 6) | u64::from(length), number)?;
        }
        Some(())
    }

    fn place(&mut self, key: u64, number: usize) -> Option<()> {
        let number = u64::try_from(number).ok().filter(|number| number >> NUMBER_BITS == 0)?;
        let mut slot = self.slot(key);
        while *self.slots.get(slot)? != 0 {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        *self.slots.get_mut(slot)? = (key << NUMBER_BITS) | number;
        Some(())
    }

    #[inline]
    fn find(&self, length: u8, octets: &[u8], next: &mut usize) -> Option<usize> {
        let number = match self.prefixes.get(*next) {
            Some((address, known)) if *known == length && v4(octets) == Some(*address) => *next,
            Some(_) | None => self.look_up(length, octets)?,
        };
        *next = number + 1;
        Some(number)
    }

    fn look_up(&self, length: u8, octets: &[u8]) -> Option<usize> {
        let (_, key) = Self::key(length, octets)?;
        let mut slot = self.slot(key);
        loop {
            match *self.slots.get(slot)? {
                0 => return None,
                entry if entry >> NUMBER_BITS == key => {
                    return usize::try_from((entry & ((1 << NUMBER_BITS) - 1)) - 1).ok();
                }
                _ => slot = (slot + 1) & (self.slots.len() - 1),
            }
        }
    }

    fn prefix(&self, number: usize) -> Option<Prefix> {
        let (address, length) = self.prefixes.get(number)?;
        Prefix::new(IpAddr::V4(Ipv4Addr::from(*address)), *length)
    }
}

/// The destinations of a case.
#[derive(Clone, Debug)]
pub(crate) enum Index {
    /// Made up.
    Block(Block),
    /// From a recording.
    Recorded(Recorded),
}

impl Index {
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::Block(block) => block.count(),
            Self::Recorded(recorded) => recorded.prefixes.len(),
        }
    }

    pub(crate) fn family(&self) -> Family {
        match self {
            Self::Block(block) => block.family(),
            Self::Recorded(_) => Family::IPV4_UNICAST,
        }
    }

    /// The number of a prefix as it stands on the wire. `next` is where to look first: daemons keep the order for the most part,
    /// so that it is mostly the one after the last, which is near in memory.
    #[inline]
    pub(crate) fn find(&self, length: u8, octets: &[u8], next: &mut usize) -> Option<usize> {
        match self {
            Self::Block(block) => block.find(length, octets),
            Self::Recorded(recorded) => recorded.find(length, octets, next),
        }
    }

    pub(crate) fn prefix(&self, number: usize) -> Option<Prefix> {
        match self {
            Self::Block(block) => block.prefix(number),
            Self::Recorded(recorded) => recorded.prefix(number),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_a_block_go_both_ways() {
        for block in [Block::v4(24, 1_000_000), Block::v4(26, 4000), Block::v6(1_000_000)] {
            for number in [0, 1, 255, 256, block.count() - 1] {
                let prefix = block.prefix(number).expect("inside");
                let (octets, length) = match prefix.addr() {
                    IpAddr::V4(address) => (address.octets().to_vec(), usize::from(prefix.len()).div_ceil(8)),
                    IpAddr::V6(address) => (address.octets().to_vec(), usize::from(prefix.len()).div_ceil(8)),
                };
                assert_eq!(block.find(prefix.len(), &octets[..length]), Some(number), "{prefix}");
            }
        }
        assert_eq!(Block::v4(24, 10).find(24, &[20, 0, 10]), None);
        assert_eq!(Block::v4(24, 10).find(25, &[20, 0, 1, 0]), None);
        assert_eq!(Block::v4(24, 10).find(24, &[19, 0, 1]), None);
    }

    #[test]
    fn recorded_prefixes_keep_their_number() {
        let mut recorded = Recorded::default();
        let wire = |number: u32| [10, (number >> 8) as u8, number as u8];
        for number in 0..5000 {
            assert_eq!(recorded.add(24, &wire(number)), Some(number as usize));
        }
        assert_eq!(recorded.add(0, &[]), Some(5000));
        assert_eq!(recorded.add(32, &[0, 0, 0, 0]), Some(5001));
        assert_eq!(recorded.add(24, &wire(17)), Some(17));
        let mut next = 4998;
        assert_eq!(recorded.find(24, &wire(4998), &mut next), Some(4998));
        assert_eq!((recorded.find(24, &wire(4999), &mut next), next), (Some(4999), 5000));
        assert_eq!((recorded.find(24, &wire(17), &mut next), next), (Some(17), 18));
        assert_eq!((recorded.find(23, &wire(18), &mut next), next), (None, 18));
        assert_eq!(recorded.prefix(5001).map(|prefix| prefix.to_string()), Some("0.0.0.0/32".to_owned()));
    }
}
