//! Path attributes as a file has them: read as far as they can be read, without judging them.
//!
//! A recorder keeps what a peer sent, right or wrong, and tables hold attributes in forms of their own. So this is laxer
//! than the decoder of UPDATEs: cut values read as if zeros followed, the first of several attributes counts, and one
//! that exceeds the list ends it.

use std::net::Ipv4Addr;

use heddle_bgp_core::attr::{AttrCode, BlockView};
use heddle_bgp_core::reader::Reader;
use heddle_bgp_core::{AsWidth, Asn, Family};

/// The families that are shown, AFI 1 and 2 with SAFI 1 to 3, in the order in which they are.
pub(crate) const SLOTS: usize = 6;

/// Position of the family among [`SLOTS`].
pub(crate) fn slot(afi: u16, safi: u8) -> Option<usize> {
    match (afi, safi) {
        (1, 1..=3) => Some(usize::from(safi) - 1),
        (2, 1..=3) => Some(usize::from(safi) + 2),
        _ => None,
    }
}

/// The unicast family with the addresses of a slot.
pub(crate) const fn slot_family(slot: usize) -> Family {
    if slot < 3 { Family::IPV4_UNICAST } else { Family::IPV6_UNICAST }
}

/// MP_REACH_NLRI.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reach<'a> {
    /// Next hop: 4, 16 or 32 octets from a sound sender.
    pub(crate) next_hop: &'a [u8],
    /// NLRI; empty in tables.
    pub(crate) nlri: &'a [u8],
}

/// An AS and an address.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Aggregator {
    pub(crate) asn: Asn,
    pub(crate) addr: Ipv4Addr,
}

/// What is shown of the attributes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Attrs<'a> {
    pub(crate) origin: Option<u8>,
    pub(crate) as_path: Option<&'a [u8]>,
    pub(crate) as4_path: Option<&'a [u8]>,
    pub(crate) next_hop: Option<Ipv4Addr>,
    pub(crate) med: Option<u32>,
    pub(crate) local_pref: Option<u32>,
    pub(crate) atomic_aggregate: Option<()>,
    pub(crate) aggregator: Option<Aggregator>,
    pub(crate) as4_aggregator: Option<Aggregator>,
    pub(crate) communities: Option<&'a [u8]>,
    pub(crate) reach: [Option<Reach<'a>>; SLOTS],
    pub(crate) unreach: [Option<&'a [u8]>; SLOTS],
}

impl<'a> Attrs<'a> {
    /// From the list of attributes of an UPDATE or a table.
    pub(crate) fn read(list: &'a [u8], width: AsWidth) -> Self {
        let mut attrs = Self::default();
        for attr in BlockView(list) {
            let value = attr.value;
            match attr.code {
                AttrCode::ORIGIN => first(&mut attrs.origin, value.first().copied().unwrap_or(0)),
                AttrCode::AS_PATH => first(&mut attrs.as_path, value),
                AttrCode::NEXT_HOP => first(&mut attrs.next_hop, Ipv4Addr::from(octets(value, 0))),
                AttrCode::MULTI_EXIT_DISC => first(&mut attrs.med, u32::from_be_bytes(octets(value, 0))),
                AttrCode::LOCAL_PREF => first(&mut attrs.local_pref, u32::from_be_bytes(octets(value, 0))),
                AttrCode::ATOMIC_AGGREGATE => first(&mut attrs.atomic_aggregate, ()),
                AttrCode::AGGREGATOR => first(&mut attrs.aggregator, aggregator(value, width)),
                AttrCode::COMMUNITIES => first(&mut attrs.communities, value),
                AttrCode::AS4_PATH => first(&mut attrs.as4_path, value),
                AttrCode::AS4_AGGREGATOR => first(&mut attrs.as4_aggregator, aggregator(value, AsWidth::Four)),
                AttrCode::MP_REACH_NLRI => attrs.read_reach(value),
                AttrCode::MP_UNREACH_NLRI => {
                    if let [afi0, afi1, safi, nlri @ ..] = value
                        && let Some(i) = slot(u16::from_be_bytes([*afi0, *afi1]), *safi)
                        && let Some(unreach) = attrs.unreach.get_mut(i)
                    {
                        first(unreach, nlri);
                    }
                }
                _ => {}
            }
        }
        attrs
    }

    fn read_reach(&mut self, value: &'a [u8]) {
        if let Some((i, reach)) = read_reach(value)
            && let Some(place) = self.reach.get_mut(i)
        {
            first(place, reach);
        }
    }

    /// AS_PATH and AGGREGATOR with what AS4_PATH and AS4_AGGREGATOR say, where numbers are two octets wide
    /// (RFC 6793 §4.2.3).
    pub(crate) fn merge(&self, width: AsWidth) -> Merged<'a> {
        let plain = Merged { path: self.as_path, newer: None, width, aggregator: self.aggregator };
        if width == AsWidth::Four {
            return plain;
        }
        let mut merged = plain;
        if let (Some(old), Some(new)) = (self.aggregator, self.as4_aggregator) {
            // §4.2.3: with another number than AS_TRANS both AS4 attributes are ignored.
            if old.asn != heddle_bgp_core::asn::AS_TRANS {
                return plain;
            }
            merged.aggregator = Some(new);
        }
        merged.newer = self.as4_path;
        merged
    }
}

/// MP_REACH_NLRI with its slot, in full or with the next hop alone (RFC 6396 §4.3.4), which is told from the other by a
/// first octet that is no half of a known AFI.
pub(crate) fn read_reach(value: &[u8]) -> Option<(usize, Reach<'_>)> {
    let mut r = Reader::new(value);
    match value.first() {
        None => None,
        Some(0) => {
            let (afi, safi) = (r.u16().ok()?, r.u8().ok()?);
            let len = usize::from(r.u8().ok()?);
            let next_hop = r.take(len).ok()?;
            // RFC 4760 §3: the octet behind the next hop is reserved. It once counted addresses of another kind.
            for _ in 0..r.u8().ok()? {
                let len = usize::from(r.u8().ok()?);
                r.take(len).ok()?;
            }
            Some((slot(afi, safi)?, Reach { next_hop, nlri: r.rest() }))
        }
        Some(_) => {
            let len = usize::from(r.u8().ok()?);
            Some((slot(2, 1)?, Reach { next_hop: r.take(len).ok()?, nlri: &[] }))
        }
    }
}

/// The path to show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Merged<'a> {
    /// AS_PATH.
    pub(crate) path: Option<&'a [u8]>,
    /// AS4_PATH, where it counts.
    pub(crate) newer: Option<&'a [u8]>,
    /// Width of AS_PATH.
    pub(crate) width: AsWidth,
    /// AGGREGATOR.
    pub(crate) aggregator: Option<Aggregator>,
}

fn first<T>(place: &mut Option<T>, value: T) {
    place.get_or_insert(value);
}

/// Four octets from `at` on, zeros where the value ends before.
fn octets(value: &[u8], at: usize) -> [u8; 4] {
    std::array::from_fn(|i| value.get(at + i).copied().unwrap_or(0))
}

fn aggregator(value: &[u8], width: AsWidth) -> Aggregator {
    let [a, b, c, d] = octets(value, 0);
    match width {
        AsWidth::Two => {
            Aggregator { asn: Asn(u32::from_be_bytes([0, 0, a, b])), addr: Ipv4Addr::from(octets(value, 2)) }
        }
        AsWidth::Four => {
            Aggregator { asn: Asn(u32::from_be_bytes([a, b, c, d])), addr: Ipv4Addr::from(octets(value, 4)) }
        }
    }
}

/// A segment of a path as it is recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RawSegment<'a> {
    /// Type: 1 AS_SET, 2 AS_SEQUENCE, 3 AS_CONFED_SEQUENCE, 4 AS_CONFED_SET.
    pub(crate) kind: u8,
    /// The numbers.
    pub(crate) octets: &'a [u8],
    /// Their width.
    pub(crate) width: AsWidth,
}

pub(crate) const AS_SET: u8 = 1;
pub(crate) const AS_SEQUENCE: u8 = 2;
pub(crate) const AS_CONFED_SEQUENCE: u8 = 3;
pub(crate) const AS_CONFED_SET: u8 = 4;

pub(crate) const fn octets_of(width: AsWidth) -> usize {
    match width {
        AsWidth::Two => 2,
        AsWidth::Four => 4,
    }
}

impl RawSegment<'_> {
    pub(crate) const fn is_set(&self) -> bool {
        matches!(self.kind, AS_SET | AS_CONFED_SET)
    }

    /// What it adds to the length of a path.
    pub(crate) fn hops(&self) -> usize {
        if self.is_set() { 1 } else { self.octets.len() / octets_of(self.width) }
    }

    pub(crate) fn asns(&self) -> impl Iterator<Item = u32> {
        self.octets.chunks_exact(octets_of(self.width)).map(|n| n.iter().fold(0, |sum, o| sum << 8 | u32::from(*o)))
    }
}

/// The path has a segment of an unknown type, or one that exceeds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadPath;

/// The segments of a path; ends after the first fault.
pub(crate) fn segments(path: &[u8], width: AsWidth) -> impl Iterator<Item = Result<RawSegment<'_>, BadPath>> {
    let mut r = Reader::new(path);
    std::iter::from_fn(move || {
        if r.is_empty() {
            return None;
        }
        let segment = (|| {
            let [kind, count] = r.array().ok()?;
            let octets = r.take(usize::from(count) * octets_of(width)).ok()?;
            matches!(kind, 1..=4).then_some(RawSegment { kind, octets, width })
        })();
        if segment.is_none() {
            r = Reader::new(&[]);
        }
        Some(segment.ok_or(BadPath))
    })
}

/// AS_PATH with its end replaced by AS4_PATH (RFC 6793 §4.2.3): the first hops of the one, and all of the other. Where
/// AS4_PATH is longer, or either is broken, AS_PATH alone.
pub(crate) fn merged<'a>(path: &'a [u8], newer: &'a [u8]) -> Result<Vec<RawSegment<'a>>, BadPath> {
    let old = segments(path, AsWidth::Two).collect::<Result<Vec<_>, _>>()?;
    let Ok(new) = segments(newer, AsWidth::Four).collect::<Result<Vec<_>, _>>() else { return Ok(old) };
    let hops = |path: &[RawSegment<'_>]| path.iter().map(RawSegment::hops).sum::<usize>();
    let Some(mut left) = hops(&old).checked_sub(hops(&new)) else { return Ok(old) };
    let mut merged = Vec::with_capacity(old.len() + new.len());
    for mut segment in old {
        if left == 0 {
            break;
        }
        if !segment.is_set() {
            segment.octets = segment.octets.get(..left * octets_of(segment.width)).unwrap_or(segment.octets);
        }
        left = left.saturating_sub(segment.hops());
        merged.push(segment);
    }
    merged.extend(new);
    Ok(merged)
}
