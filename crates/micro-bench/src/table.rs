//! A table as a peer sends it: UPDATEs whose sizes are those of the Internet's table.

use std::net::Ipv6Addr;

use bytes::{Bytes, BytesMut};
use heddle_bgp_core::attr::block::push_attr;
use heddle_bgp_core::attr::{AttrCode, AttrFlags};
use heddle_bgp_core::message::MAX_LEN;
use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::update::{EncodeParams, Encoder};
use heddle_bgp_core::{AsWidth, Family, Nlri, PathId, Prefix, Prefix4};
use smallvec::SmallVec;

/// Prefixes with the same attributes: about as many as in the Internet's table.
pub const OF_ONE_SET: u32 = 6;

/// The most routes of a table: all prefixes differ.
pub const MOST: u32 = 1 << 18;

/// What a peer has to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Table {
    /// IPv4 or IPv6, unicast.
    pub family: Family,
    /// Destinations, at most [`MOST`].
    pub routes: u32,
    /// Destinations with the same attributes.
    pub of_one_set: u32,
    /// Who tells: it stands in AS_PATH, and it decides which half of the sets has the higher LOCAL_PREF.
    pub client: u32,
    /// Tells an older table of a client from a newer one: MULTI_EXIT_DISC.
    pub version: u32,
}

impl Table {
    /// Of one client, [`OF_ONE_SET`] destinations a set.
    #[must_use]
    pub const fn new(family: Family, routes: u32) -> Self {
        Self { family, routes, of_one_set: OF_ONE_SET, client: 0, version: 0 }
    }

    /// A destination. Neighbours in number are far from each other in the table, and lengths are mixed.
    #[must_use]
    pub fn prefix(&self, number: u32) -> Prefix {
        // An odd factor: no two numbers below 2^18 come to the same.
        let place = number.wrapping_mul(0x9e37_79b1) % MOST;
        if self.family == Family::IPV4_UNICAST {
            let len = [24, 24, 23, 24, 24, 22, 24, 20][number as usize % 8];
            Prefix::V4(Prefix4::new(0x0100_0000 + (place << 12), len).expect("invariant: no bit is set behind /20"))
        } else {
            let len = [48, 48, 32, 48, 40, 48, 48, 44][number as usize % 8];
            let addr = Ipv6Addr::from((0x2000_u128 << 112) | (u128::from(place) << 96));
            Prefix::new(addr.into(), len).expect("invariant: no bit is set behind /32")
        }
    }

    /// The attributes of a set as a canonical block: ORIGIN, AS_PATH of four ASes, NEXT_HOP, MULTI_EXIT_DISC, LOCAL_PREF,
    /// two communities; 57 octets with an IPv4 next hop.
    #[must_use]
    pub fn block(&self, set: u32) -> Vec<u8> {
        const OPTIONAL_TRANSITIVE: u8 = AttrFlags::OPTIONAL | AttrFlags::TRANSITIVE;
        // Room enough, so that a profile of allocations is not of this.
        let mut block = Vec::with_capacity(96);
        let asns = [3356 + self.client, 1299, 100_000 + set % 60_000, 200_000 + set].map(u32::to_be_bytes);
        let path = [2, 4].into_iter().chain(asns.into_iter().flatten()).collect::<SmallVec<[u8; 18]>>();
        let next_hop: &[u8] = if self.family == Family::IPV4_UNICAST { &[192, 0, 2, 1] } else { &[0x20; 16] };
        let local_pref = 100 + (set + self.client) % 2;
        let communities = [(3356 << 16) | (set >> 16), (3357 << 16) | (set & 0xffff)].map(u32::to_be_bytes);
        push_attr(&mut block, AttrFlags::TRANSITIVE, AttrCode::ORIGIN, &[0]);
        push_attr(&mut block, AttrFlags::TRANSITIVE, AttrCode::AS_PATH, &path);
        push_attr(&mut block, AttrFlags::TRANSITIVE, AttrCode::NEXT_HOP, next_hop);
        push_attr(&mut block, AttrFlags::OPTIONAL, AttrCode::MULTI_EXIT_DISC, &self.version.to_be_bytes());
        push_attr(&mut block, AttrFlags::TRANSITIVE, AttrCode::LOCAL_PREF, &local_pref.to_be_bytes());
        push_attr(&mut block, OPTIONAL_TRANSITIVE, AttrCode::COMMUNITIES, communities.as_flattened());
        block
    }

    /// How many sets of attributes there are.
    #[must_use]
    pub const fn sets(&self) -> u32 {
        self.routes.div_ceil(self.of_one_set)
    }

    /// The destinations of a set.
    pub fn nlri(&self, set: u32) -> impl Iterator<Item = Nlri> + use<> {
        let (table, from) = (*self, set * self.of_one_set);
        let to = (from + self.of_one_set).min(self.routes);
        (from..to).map(move |number| Nlri { prefix: table.prefix(number), path_id: PathId(0) })
    }

    /// UPDATEs that advertise all of it, one a set.
    #[must_use]
    pub fn advertisement(&self) -> Bytes {
        let (mut encoder, mut octets) = (encoder(self.family), BytesMut::new());
        for set in 0..self.sets() {
            let written = encoder.advertise(&mut octets, &self.block(set), &mut self.nlri(set).peekable(), usize::MAX);
            written.expect("invariant: a block of less than 100 octets fits a message");
        }
        octets.freeze()
    }

    /// UPDATEs that withdraw all of it, as few as can be.
    #[must_use]
    pub fn withdrawal(&self) -> Bytes {
        let (mut encoder, mut octets) = (encoder(self.family), BytesMut::new());
        let mut nlri = (0..self.sets()).flat_map(|set| self.nlri(set)).peekable();
        encoder.withdraw(&mut octets, &mut nlri, usize::MAX);
        octets.freeze()
    }
}

/// Writes UPDATEs of at most 4096 octets, ASes in four.
#[must_use]
pub fn encoder(family: Family) -> Encoder {
    Encoder::new(EncodeParams { family, as_width: AsWidth::Four, path_ids: PathIds::Absent, max_message_len: MAX_LEN })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn destinations_differ() {
        for family in Family::SUPPORTED {
            let table = Table::new(family, MOST);
            let all: BTreeSet<Prefix> = (0..MOST).map(|number| table.prefix(number)).collect();
            assert_eq!(all.len(), MOST as usize, "{family}");
        }
    }

    #[test]
    fn sets_have_the_size_that_is_said() {
        assert_eq!(Table::new(Family::IPV4_UNICAST, 1).block(70_000).len(), 57);
        let table = Table::new(Family::IPV4_UNICAST, 13);
        let sizes: Vec<usize> = (0..table.sets()).map(|set| table.nlri(set).count()).collect();
        assert_eq!(sizes, [6, 6, 1]);
    }
}
