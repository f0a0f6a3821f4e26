//! TABLE_DUMP_V2: the peers once, then a record for each prefix (RFC 6396 §4.3, RFC 8050 §4).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::reader::Reader;
use heddle_bgp_core::{AsWidth, Asn, BgpId, PathId, Prefix};

use crate::bgp4mp::{address, asn};
use crate::header::table_dump_v2 as subtype;
use crate::record::MalformedRecord;

/// PEER_INDEX_TABLE (RFC 6396 §4.3.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PeerIndexTable {
    /// BGP Identifier of the collector.
    pub collector_id: BgpId,
    /// Name of the view; empty for none. Invalid UTF-8 is replaced.
    pub view: String,
    /// The peers, by index.
    pub peers: Vec<PeerEntry>,
}

/// One peer of a [`PeerIndexTable`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerEntry {
    /// BGP Identifier.
    pub bgp_id: BgpId,
    /// Address.
    pub addr: IpAddr,
    /// AS.
    pub asn: Asn,
}

const PEER_IPV6: u8 = 0x01;
const PEER_AS4: u8 = 0x02;

impl PeerIndexTable {
    /// From the body of a record.
    ///
    /// # Errors
    /// It ends inside a field.
    pub fn decode(body: &[u8]) -> Result<Self, MalformedRecord> {
        let mut r = Reader::new(body);
        let collector_id = BgpId(r.u32()?);
        let len = usize::from(r.u16()?);
        let view = String::from_utf8_lossy(r.take(len)?).into_owned();
        let count = r.u16()?;
        let mut peers = Vec::new();
        for _ in 0..count {
            let kind = r.u8()?;
            let bgp_id = BgpId(r.u32()?);
            let addr = address(&mut r, if kind & PEER_IPV6 == 0 { 1 } else { 2 })?;
            let asn = asn(&mut r, if kind & PEER_AS4 == 0 { AsWidth::Two } else { AsWidth::Four })?;
            peers.push(PeerEntry { bgp_id, addr, asn });
        }
        Ok(Self { collector_id, view, peers })
    }

    /// Appends the body of a record; 4-octet AS numbers throughout.
    pub fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.collector_id.0.to_be_bytes());
        let view = self.view.as_bytes();
        push_counted(out, view);
        let count = u16::try_from(self.peers.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&count.to_be_bytes());
        for peer in self.peers.iter().take(usize::from(count)) {
            out.push(PEER_AS4 | if peer.addr.is_ipv6() { PEER_IPV6 } else { 0 });
            out.extend_from_slice(&peer.bgp_id.0.to_be_bytes());
            push_addr(out, peer.addr);
            out.extend_from_slice(&peer.asn.0.to_be_bytes());
        }
    }
}

/// All routes to one prefix (RFC 6396 §4.3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rib<'a> {
    /// Sequence number.
    pub sequence: u32,
    /// The prefix.
    pub prefix: Prefix,
    /// Whether the entries have Path Identifiers (RFC 8050 §4).
    pub path_ids: PathIds,
    /// How many entries the record claims.
    pub count: u16,
    entries: &'a [u8],
}

/// One route of a [`Rib`] (RFC 6396 §4.3.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RibEntry<'a> {
    /// Index of the peer in the [`PeerIndexTable`] before.
    pub peer_index: u16,
    /// When the route was learned, in seconds since 1970 UTC.
    pub originated: u32,
    /// Path Identifier; 0 in the forms without.
    pub path_id: PathId,
    /// Path attributes as recorded, 4-octet AS numbers; MP_REACH_NLRI has only the next hop. Not checked.
    pub attributes: &'a [u8],
}

impl<'a> Rib<'a> {
    /// From the body of a record; none for subtypes that are not read.
    ///
    /// # Errors
    /// It ends inside the prefix, or the prefix is too long. Entries are judged as they are read.
    pub fn decode(subtype: u16, body: &'a [u8]) -> Result<Option<Self>, MalformedRecord> {
        let (ipv6, path_ids) = match subtype {
            subtype::RIB_IPV4_UNICAST => (false, PathIds::Absent),
            subtype::RIB_IPV6_UNICAST => (true, PathIds::Absent),
            subtype::RIB_IPV4_UNICAST_ADDPATH => (false, PathIds::Present),
            subtype::RIB_IPV6_UNICAST_ADDPATH => (true, PathIds::Present),
            _ => return Ok(None),
        };
        let mut r = Reader::new(body);
        let sequence = r.u32()?;
        let len = r.u8()?;
        let octets = r.take(usize::from(len).div_ceil(8))?;
        let addr = if ipv6 {
            padded(octets).map(|a: [u8; 16]| IpAddr::V6(Ipv6Addr::from(a)))
        } else {
            padded(octets).map(|a: [u8; 4]| IpAddr::V4(Ipv4Addr::from(a)))
        };
        let prefix = addr.and_then(|a| Prefix::new(a, len)).ok_or(MalformedRecord::PrefixLength(len))?;
        Ok(Some(Self { sequence, prefix, path_ids, count: r.u16()?, entries: r.rest() }))
    }

    /// The entries; ends after the first that is cut.
    pub fn entries(&self) -> impl Iterator<Item = Result<RibEntry<'a>, MalformedRecord>> + use<'a> {
        let (mut r, path_ids) = (Reader::new(self.entries), self.path_ids);
        let mut left = self.count;
        std::iter::from_fn(move || {
            left = left.checked_sub(1)?;
            let entry = RibEntry::decode(&mut r, path_ids);
            if entry.is_err() {
                left = 0;
            }
            Some(entry)
        })
    }
}

impl<'a> RibEntry<'a> {
    fn decode(r: &mut Reader<'a>, path_ids: PathIds) -> Result<Self, MalformedRecord> {
        let (peer_index, originated) = (r.u16()?, r.u32()?);
        let path_id = match path_ids {
            PathIds::Absent => PathId(0),
            PathIds::Present => PathId(r.u32()?),
        };
        let len = usize::from(r.u16()?);
        Ok(Self { peer_index, originated, path_id, attributes: r.take(len)? })
    }
}

/// Appends the body of a record with the routes to one prefix.
pub fn encode_rib(out: &mut Vec<u8>, sequence: u32, prefix: Prefix, path_ids: PathIds, entries: &[RibEntry<'_>]) {
    out.extend_from_slice(&sequence.to_be_bytes());
    out.push(prefix.len());
    let octets = usize::from(prefix.len()).div_ceil(8);
    match prefix.addr() {
        IpAddr::V4(a) => out.extend(a.octets().into_iter().take(octets)),
        IpAddr::V6(a) => out.extend(a.octets().into_iter().take(octets)),
    }
    let count = u16::try_from(entries.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&count.to_be_bytes());
    for entry in entries.iter().take(usize::from(count)) {
        out.extend_from_slice(&entry.peer_index.to_be_bytes());
        out.extend_from_slice(&entry.originated.to_be_bytes());
        if path_ids == PathIds::Present {
            out.extend_from_slice(&entry.path_id.0.to_be_bytes());
        }
        push_counted(out, entry.attributes);
    }
}

/// The subtype for routes to a prefix.
#[must_use]
pub const fn rib_subtype(prefix: Prefix, path_ids: PathIds) -> u16 {
    match (prefix, path_ids) {
        (Prefix::V4(_), PathIds::Absent) => subtype::RIB_IPV4_UNICAST,
        (Prefix::V6(_), PathIds::Absent) => subtype::RIB_IPV6_UNICAST,
        (Prefix::V4(_), PathIds::Present) => subtype::RIB_IPV4_UNICAST_ADDPATH,
        (Prefix::V6(_), PathIds::Present) => subtype::RIB_IPV6_UNICAST_ADDPATH,
    }
}

/// Octets after their length in two octets; what exceeds 65535 is cut.
pub(crate) fn push_counted(out: &mut Vec<u8>, octets: &[u8]) {
    let len = u16::try_from(octets.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(octets.get(..usize::from(len)).unwrap_or(octets));
}

pub(crate) fn push_addr(out: &mut Vec<u8>, addr: IpAddr) {
    match addr {
        IpAddr::V4(a) => out.extend_from_slice(&a.octets()),
        IpAddr::V6(a) => out.extend_from_slice(&a.octets()),
    }
}

/// `octets` with zeros behind; none when they are too many.
pub(crate) fn padded<const N: usize>(octets: &[u8]) -> Option<[u8; N]> {
    let mut array = [0; N];
    array.get_mut(..octets.len())?.copy_from_slice(octets);
    Some(array)
}
