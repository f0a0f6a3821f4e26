//! What a receiver reads of an UPDATE (RFC 4271 §4.3, RFC 4760): a sum over its attributes and its prefixes.
//!
//! The sum does not depend on the order of attributes, on their flags, or on the order of communities, in which daemons
//! differ without fault; on anything else it does. Each attribute adds a term, each community one of its own.

use std::net::Ipv4Addr;

use heddle_bgp_core::attr::AttrCode;
use xxhash_rust::xxh3::xxh3_64_with_seed;

/// Extended length (RFC 4271 §4.3).
const EXTENDED: u8 = 0x10;

/// The parts of an UPDATE. Prefixes of the other family than the session's are none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Update<'a> {
    /// Withdrawn prefixes, packed; IPv4, then those of MP_UNREACH_NLRI.
    pub(crate) withdrawn: [&'a [u8]; 2],
    /// Advertised prefixes, packed; IPv4, then those of MP_REACH_NLRI.
    pub(crate) advertised: [&'a [u8]; 2],
    /// All attributes as they came.
    pub(crate) attributes: &'a [u8],
}

fn octets<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(count)?;
    *rest = tail;
    Some(head)
}

fn number(rest: &mut &[u8]) -> Option<usize> {
    let (head, tail) = rest.split_first_chunk::<2>()?;
    *rest = tail;
    Some(usize::from(u16::from_be_bytes(*head)))
}

/// Cuts the body of an UPDATE; nothing where it is malformed.
#[inline]
pub(crate) fn update(body: &[u8]) -> Option<Update<'_>> {
    let mut rest = body;
    let length = number(&mut rest)?;
    let withdrawn = octets(&mut rest, length)?;
    let length = number(&mut rest)?;
    let attributes = octets(&mut rest, length)?;
    let mut update = Update { withdrawn: [withdrawn, &[]], advertised: [rest, &[]], attributes };
    for (code, value) in Attributes(attributes) {
        match code {
            AttrCode::MP_REACH_NLRI => update.advertised[1] = reach(value)?.1,
            AttrCode::MP_UNREACH_NLRI => update.withdrawn[1] = value.get(3..)?,
            _ => {}
        }
    }
    Some(update)
}

/// Next hop and prefixes of MP_REACH_NLRI (RFC 4760 §3).
fn reach(value: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut rest = value.get(3..)?;
    let length = usize::from(*octets(&mut rest, 1)?.first()?);
    let next_hop = octets(&mut rest, length)?;
    octets(&mut rest, 1)?;
    Some((next_hop, rest))
}

/// Attributes, code and value; ends where they are malformed.
#[derive(Clone, Copy, Debug)]
struct Attributes<'a>(&'a [u8]);

impl<'a> Iterator for Attributes<'a> {
    type Item = (AttrCode, &'a [u8]);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let (&[flags, code], mut rest) = self.0.split_first_chunk::<2>()?;
        let length =
            if flags & EXTENDED == 0 { usize::from(*octets(&mut rest, 1)?.first()?) } else { number(&mut rest)? };
        let value = octets(&mut rest, length)?;
        self.0 = rest;
        Some((AttrCode(code), value))
    }
}

/// A sum over attributes; 0 stands for no route.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sum(pub(crate) u32);

impl Sum {
    #[inline]
    fn add(&mut self, code: AttrCode, value: &[u8]) {
        let hash = xxh3_64_with_seed(value, u64::from(code.0));
        self.0 = self.0.wrapping_add(u32::try_from(hash >> 32).unwrap_or_default());
    }

    /// The sum with a community more.
    pub(crate) fn with_community(mut self, community: u32) -> Self {
        self.add(AttrCode::COMMUNITIES, &community.to_be_bytes());
        self
    }

    /// What is kept for a route with this sum: never 0.
    #[inline]
    pub(crate) fn mark(self) -> u32 {
        self.0.max(1)
    }
}

/// What a reflector adds (RFC 4456 §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reflection {
    /// The BGP Identifier of the client that sent it: ORIGINATOR_ID, where there is none yet.
    pub(crate) originator: Ipv4Addr,
    /// Comes first in CLUSTER_LIST.
    pub(crate) cluster: Ipv4Addr,
}

/// The sum over the attributes of an UPDATE.
#[inline]
pub(crate) fn sum(attributes: &[u8]) -> Sum {
    let mut sum = Sum::default();
    for (code, value) in Attributes(attributes) {
        add(&mut sum, code, value);
    }
    sum
}

#[inline]
fn add(sum: &mut Sum, code: AttrCode, value: &[u8]) {
    match code {
        AttrCode::COMMUNITIES => value.chunks(4).for_each(|community| sum.add(code, community)),
        AttrCode::EXTENDED_COMMUNITIES => value.chunks(8).for_each(|community| sum.add(code, community)),
        AttrCode::LARGE_COMMUNITIES => value.chunks(12).for_each(|community| sum.add(code, community)),
        AttrCode::MP_UNREACH_NLRI => {}
        // Of a link-local address beside the global one (RFC 2545 §3) nothing is asked.
        AttrCode::MP_REACH_NLRI => {
            let next_hop = reach(value).map(|(next_hop, _)| next_hop).unwrap_or_default();
            sum.add(AttrCode::NEXT_HOP, next_hop.get(..16).unwrap_or(next_hop));
        }
        _ => sum.add(code, value),
    }
}

/// The sum that the attributes have after reflection.
pub(crate) fn reflected(attributes: &[u8], reflection: Reflection) -> Sum {
    let mut sum = Sum::default();
    let mut originator = reflection.originator.octets().to_vec();
    let mut clusters = reflection.cluster.octets().to_vec();
    for (code, value) in Attributes(attributes) {
        match code {
            AttrCode::ORIGINATOR_ID => originator = value.to_vec(),
            AttrCode::CLUSTER_LIST => clusters.extend_from_slice(value),
            _ => add(&mut sum, code, value),
        }
    }
    sum.add(AttrCode::ORIGINATOR_ID, &originator);
    sum.add(AttrCode::CLUSTER_LIST, &clusters);
    sum
}

/// LOCAL_PREF, 0 where there is none.
pub(crate) fn local_pref(attributes: &[u8]) -> u32 {
    let found = Attributes(attributes).find(|(code, _)| *code == AttrCode::LOCAL_PREF);
    found.and_then(|(_, value)| value.try_into().ok().map(u32::from_be_bytes)).unwrap_or_default()
}

/// Attributes as text, for messages.
pub(crate) fn describe(attributes: &[u8]) -> String {
    let one = |(code, value): (AttrCode, &[u8])| {
        let name = code.name().map_or_else(|| code.0.to_string(), str::to_owned);
        let octets: String = value.iter().take(32).map(|octet| format!("{octet:02x}")).collect();
        format!("{name}={octets}")
    };
    Attributes(attributes).map(one).collect::<Vec<_>>().join(" ")
}

/// Whether each prefix has a Path Identifier before it (RFC 7911 §3).
pub(crate) use heddle_bgp_core::nlri::PathIds;

/// Calls `found` with length and octets of each packed prefix; returns how many there are, nothing where they are cut.
#[inline]
pub(crate) fn prefixes(mut packed: &[u8], path_ids: PathIds, mut found: impl FnMut(u8, &[u8])) -> Option<u64> {
    let mut count = 0;
    while !packed.is_empty() {
        if path_ids == PathIds::Present {
            packed = packed.get(4..)?;
        }
        let (&length, rest) = packed.split_first()?;
        let (octets, rest) = rest.split_at_checked(usize::from(length).div_ceil(8))?;
        packed = rest;
        count += 1;
        found(length, octets);
    }
    Some(count)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ORIGIN: &[u8] = &[0x40, 1, 1, 0];
    const NEXT_HOP: &[u8] = &[0x40, 3, 4, 10, 0, 0, 1];
    const COMMUNITIES: &[u8] = &[0xc0, 8, 8, 0, 1, 0, 2, 0, 3, 0, 4];
    const SWAPPED: &[u8] = &[0xd0, 8, 0, 8, 0, 3, 0, 4, 0, 1, 0, 2];

    #[test]
    fn order_and_flags_do_not_count_and_values_do() {
        let one = sum(&[ORIGIN, NEXT_HOP, COMMUNITIES].concat());
        assert_eq!(one, sum(&[SWAPPED, NEXT_HOP, ORIGIN].concat()));
        assert_ne!(one, sum(&[ORIGIN, NEXT_HOP].concat()));
        assert_ne!(one, sum(&[ORIGIN, COMMUNITIES, &[0x40, 3, 4, 10, 0, 0, 2]].concat()));
        let shorter = sum(&[ORIGIN, NEXT_HOP, &[0xc0, 8, 4, 0, 1, 0, 2]].concat());
        assert_eq!(one, shorter.with_community(0x0003_0004));
    }

    #[test]
    fn reflection_adds_what_a_reflector_adds() {
        let reflection = Reflection { originator: Ipv4Addr::new(10, 0, 0, 7), cluster: Ipv4Addr::new(10, 0, 0, 1) };
        let plain = [ORIGIN, NEXT_HOP].concat();
        let once = [ORIGIN, NEXT_HOP, &[0x80, 9, 4, 10, 0, 0, 7], &[0x80, 10, 4, 10, 0, 0, 1]].concat();
        assert_eq!(reflected(&plain, reflection), sum(&once));
        let other = Reflection { originator: Ipv4Addr::new(10, 0, 0, 9), cluster: Ipv4Addr::new(10, 0, 0, 2) };
        let twice = [ORIGIN, NEXT_HOP, &[0x80, 9, 4, 10, 0, 0, 7], &[0x80, 10, 8, 10, 0, 0, 2, 10, 0, 0, 1]].concat();
        assert_eq!(reflected(&once, other), sum(&twice));
    }

    #[test]
    fn prefixes_of_both_places_are_found() {
        let reach = [&[0x80, 14, 28, 0, 2, 1, 16][..], &[0x20; 16], &[0, 48, 1, 2, 3, 4, 5, 6]].concat();
        let body = [&[0, 0, 0, 31][..], &reach].concat();
        let update = update(&body).expect("well-formed");
        let mut seen = Vec::new();
        let count =
            prefixes(update.advertised[1], PathIds::Absent, |length, octets| seen.push((length, octets.to_vec())));
        assert_eq!((count, seen), (Some(1), vec![(48, vec![1, 2, 3, 4, 5, 6])]));
        assert_eq!(prefixes(&[0, 0, 0, 9, 24, 1, 2, 3], PathIds::Present, |_, _| {}), Some(1));
        assert_eq!(prefixes(&[24, 1, 2], PathIds::Absent, |_, _| {}), None);
        assert!(super::update(&[0, 9, 0, 0]).is_none());
    }
}
