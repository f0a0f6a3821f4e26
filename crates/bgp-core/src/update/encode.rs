//! Encoding UPDATEs (RFC 4271 §4.3; RFC 4760 §3, §4; RFC 6793 §4.2.2; RFC 8950 §3).
//!
//! IPv4 prefixes with an IPv4 next hop stand in the NLRI field, all others in MP_REACH_NLRI, which is the first
//! attribute (RFC 7606 §5.1). A message carries either withdrawals or advertisements, never both, and is filled up to
//! the size that was negotiated.

use std::iter::Peekable;

use bytes::BytesMut;
use thiserror::Error;

use crate::asn::AsWidth;
use crate::attr::as_path::{AsPathView, push_raw};
use crate::attr::block::{BlockView, NextHop, RawAttr, push_attr};
use crate::attr::{Aggregator, AttrCode, AttrFlags};
use crate::family::Family;
use crate::message::{HEADER_LEN, MAX_EXTENDED_LEN, MessageType};
use crate::nlri::{MAX_NLRI_LEN, Nlri, PathIds};
use crate::prefix::Prefix;

/// What encoding has to know about the sessions that it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EncodeParams {
    /// The family.
    pub family: Family,
    /// Width of AS numbers in AS_PATH and AGGREGATOR.
    pub as_width: AsWidth,
    /// Whether NLRI that we send carry Path Identifiers.
    pub path_ids: PathIds,
    /// The largest message in octets: 4096 or 65535.
    pub max_message_len: usize,
}

impl EncodeParams {
    /// Octets of one prefix.
    #[inline]
    fn nlri_len(self, nlri: Nlri) -> usize {
        self.path_id_len() + 1 + usize::from(nlri.prefix.len()).div_ceil(8)
    }

    /// Octets of the longest prefix of the family.
    fn longest_nlri(self) -> usize {
        self.path_id_len() + 1 + usize::from(self.family.max_prefix_len().unwrap_or(0)).div_ceil(8)
    }

    fn path_id_len(self) -> usize {
        match self.path_ids {
            PathIds::Absent => 0,
            PathIds::Present => 4,
        }
    }
}

/// Attributes that leave no room for a prefix in a message: the routes cannot be advertised (RFC 4271 §9.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the attributes take {len} octets, which leaves no room for a prefix in a message of {max}")]
pub struct AttributesTooLong {
    /// Octets of a message without a prefix.
    pub len: usize,
    /// The largest message.
    pub max: usize,
}

/// Where the prefixes of a message stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    /// Withdrawn Routes.
    Withdrawn,
    /// NLRI.
    Nlri,
    /// Inside MP_REACH_NLRI or MP_UNREACH_NLRI.
    Multiprotocol,
}

/// What goes before and after the prefixes of a message; lengths are filled in for each message.
#[derive(Clone, Debug)]
struct Frame {
    field: Field,
    head: Vec<u8>,
    tail: Vec<u8>,
}

/// Where Withdrawn Routes Length stands in a message.
const WITHDRAWN_LEN_AT: usize = HEADER_LEN;
/// Where Total Path Attribute Length stands in a message without Withdrawn Routes.
const ATTRS_LEN_AT: usize = HEADER_LEN + 2;
/// Where the attributes begin in a message without Withdrawn Routes.
const ATTRS_AT: usize = HEADER_LEN + 4;

/// Writes whole UPDATEs for one family and kind of session.
///
/// The attributes of the last block stay prepared: a block that comes again costs one comparison.
#[derive(Clone, Debug)]
pub struct Encoder {
    params: EncodeParams,
    max: usize,
    block: Vec<u8>,
    advertise: Frame,
    withdraw: Frame,
    value: Vec<u8>,
}

impl Encoder {
    /// An encoder.
    #[must_use]
    pub fn new(params: EncodeParams) -> Self {
        let withdraw = if params.family == Family::IPV4_UNICAST {
            // Total Path Attribute Length, 0, comes after the prefixes.
            Frame { field: Field::Withdrawn, head: [MESSAGE, &[0; 2]].concat(), tail: vec![0; 2] }
        } else {
            let [a0, a1] = params.family.afi.0.to_be_bytes();
            let attr = [OPTIONAL_EXTENDED, AttrCode::MP_UNREACH_NLRI.0, 0, 0, a0, a1, params.family.safi.0];
            Frame { field: Field::Multiprotocol, head: [MESSAGE, &[0; 4], &attr].concat(), tail: Vec::new() }
        };
        Self {
            params,
            max: params.max_message_len.min(MAX_EXTENDED_LEN),
            block: Vec::new(),
            advertise: Frame { field: Field::Nlri, head: Vec::new(), tail: Vec::new() },
            withdraw,
            value: Vec::new(),
        }
    }

    /// What it encodes for.
    #[must_use]
    pub const fn params(&self) -> EncodeParams {
        self.params
    }

    /// Appends UPDATEs that advertise `nlri` with the attributes of the canonical `block`, until `nlri` is exhausted
    /// or `out` holds `stop_at` octets or more.
    ///
    /// # Errors
    /// The attributes leave no room for the longest prefix of the family; nothing was appended and nothing taken from
    /// `nlri`.
    pub fn advertise(
        &mut self,
        out: &mut BytesMut,
        block: &[u8],
        nlri: &mut Peekable<impl Iterator<Item = Nlri>>,
        stop_at: usize,
    ) -> Result<(), AttributesTooLong> {
        if self.advertise.head.is_empty() || self.block != block {
            self.prepare(block);
        }
        let len = self.advertise.head.len() + self.advertise.tail.len();
        if len + self.params.longest_nlri() > self.max {
            return Err(AttributesTooLong { len, max: self.max });
        }
        self.advertise.write(self.params, self.max, out, nlri, stop_at);
        Ok(())
    }

    /// Appends UPDATEs that withdraw `nlri`, until it is exhausted or `out` holds `stop_at` octets or more.
    pub fn withdraw(&mut self, out: &mut BytesMut, nlri: &mut Peekable<impl Iterator<Item = Nlri>>, stop_at: usize) {
        self.withdraw.write(self.params, self.max, out, nlri, stop_at);
    }

    /// Appends End-of-RIB (RFC 4724 §2).
    pub fn end_of_rib(&mut self, out: &mut BytesMut) {
        self.withdraw.message(out, |_| {});
    }

    /// Prepares the attributes of a block.
    fn prepare(&mut self, block: &[u8]) {
        self.block.clear();
        self.block.extend_from_slice(block);
        let next_hop = BlockView(block).next_hop();
        let (field, mp_next_hop) = match (self.params.family, next_hop) {
            (Family::IPV4_UNICAST, Some(NextHop::V4(_)) | None) => (Field::Nlri, None),
            // Prefixes of IPv6 have next hops of 16 or 32 octets only (RFC 2545 §3): an IPv4 address goes mapped.
            (_, Some(NextHop::V4(a))) => (Field::Multiprotocol, Some(NextHop::V6(a.to_ipv6_mapped()))),
            (_, next_hop) => (Field::Multiprotocol, next_hop),
        };
        let frame = &mut self.advertise;
        frame.field = field;
        frame.head.clear();
        frame.head.extend_from_slice(MESSAGE);
        frame.head.extend_from_slice(&[0; 4]);
        frame.tail.clear();
        let attrs = match field {
            Field::Multiprotocol => {
                let [a0, a1] = self.params.family.afi.0.to_be_bytes();
                let start = [OPTIONAL_EXTENDED, AttrCode::MP_REACH_NLRI.0, 0, 0, a0, a1, self.params.family.safi.0];
                frame.head.extend_from_slice(&start);
                self.value.clear();
                if let Some(next_hop) = mp_next_hop {
                    next_hop.push(&mut self.value);
                }
                // 0, 16 or 32 octets; then one reserved octet (RFC 4760 §3).
                frame.head.push(u8::try_from(self.value.len()).unwrap_or(0));
                frame.head.extend_from_slice(&self.value);
                frame.head.push(0);
                &mut frame.tail
            }
            Field::Nlri | Field::Withdrawn => &mut frame.head,
        };
        // The interface of a route of our own is nobody else's business.
        let on_wire = |a: &RawAttr<'_>| a.code != AttrCode::INTERFACE;
        let view = BlockView(block).iter().filter(on_wire);
        let view = view.filter(|a| field == Field::Nlri || a.code != AttrCode::NEXT_HOP);
        match self.params.as_width {
            AsWidth::Four => view.for_each(|a| push_attr(attrs, a.flags.0, a.code, a.value)),
            AsWidth::Two => two_octet(attrs, view, &mut self.value),
        }
    }
}

/// The header of an UPDATE, its length still 0.
const MESSAGE: &[u8] =
    &[255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, MessageType::Update as u8];

const OPTIONAL_EXTENDED: u8 = AttrFlags::OPTIONAL | AttrFlags::EXTENDED_LENGTH;
const OPTIONAL_TRANSITIVE: u8 = AttrFlags::OPTIONAL | AttrFlags::TRANSITIVE;

/// Writes attributes for a 2-octet speaker: AS_PATH and AGGREGATOR with AS_TRANS where an AS does not fit, and then
/// AS4_PATH and AS4_AGGREGATOR beside them (RFC 6793 §4.2.2).
fn two_octet<'a>(out: &mut Vec<u8>, attrs: impl Iterator<Item = RawAttr<'a>>, value: &mut Vec<u8>) {
    let mut as4_path = None;
    let mut as4_aggregator = None;
    for attr in attrs {
        if attr.code > AttrCode::AS4_AGGREGATOR {
            as4_attributes(out, as4_path.take(), as4_aggregator.take(), value);
        }
        match attr.code {
            AttrCode::AS_PATH => {
                let path = AsPathView(attr.value);
                if path.asns().any(|asn| asn.0 > 0xFFFF) {
                    as4_path = Some(path);
                }
                value.clear();
                for segment in path.segments() {
                    let count = u8::try_from(segment.len()).unwrap_or(u8::MAX);
                    value.extend_from_slice(&[segment.kind as u8, count]);
                    segment.asns().for_each(|asn| value.extend_from_slice(&asn.as_two_octets().to_be_bytes()));
                }
                push_attr(out, attr.flags.0, attr.code, value);
            }
            AttrCode::AGGREGATOR => {
                let Some(Aggregator { asn, addr }) = Aggregator::from_octets(attr.value) else { continue };
                as4_aggregator = (asn.0 > 0xFFFF).then_some(attr);
                let ([a, b], [c, d, e, f]) = (asn.as_two_octets().to_be_bytes(), addr.octets());
                push_attr(out, attr.flags.0, attr.code, &[a, b, c, d, e, f]);
            }
            _ => push_attr(out, attr.flags.0, attr.code, attr.value),
        }
    }
    as4_attributes(out, as4_path, as4_aggregator, value);
}

fn as4_attributes(
    out: &mut Vec<u8>,
    path: Option<AsPathView<'_>>,
    aggregator: Option<RawAttr<'_>>,
    value: &mut Vec<u8>,
) {
    if let Some(path) = path {
        value.clear();
        // RFC 6793 §4.2.2: without the segments of confederations.
        path.segments().filter(|s| !s.kind.is_confed()).for_each(|s| push_raw(value, s.kind, s.asns()));
        push_attr(out, OPTIONAL_TRANSITIVE, AttrCode::AS4_PATH, value);
    }
    if let Some(aggregator) = aggregator {
        push_attr(out, OPTIONAL_TRANSITIVE, AttrCode::AS4_AGGREGATOR, aggregator.value);
    }
}

impl Frame {
    /// Writes messages until `nlri` is exhausted or `out` holds `stop_at` octets or more.
    fn write(
        &self,
        params: EncodeParams,
        max: usize,
        out: &mut BytesMut,
        nlri: &mut Peekable<impl Iterator<Item = Nlri>>,
        stop_at: usize,
    ) {
        let Some(room) = max.checked_sub(self.head.len() + self.tail.len()) else { return };
        while out.len() < stop_at && nlri.peek().is_some_and(|n| params.nlri_len(*n) <= room) {
            self.message(out, |out| {
                let mut room = room;
                // Prefixes gather in a small buffer: one copy for many of them.
                let mut chunk = [0; CHUNK];
                let mut filled = 0;
                while let Some(next) = nlri.next_if(|n| params.nlri_len(*n) <= room) {
                    room -= params.nlri_len(next);
                    if filled > CHUNK - MAX_NLRI_LEN {
                        out.extend_from_slice(chunk.get(..filled).unwrap_or_default());
                        filled = 0;
                    }
                    if let Some(at) = chunk.get_mut(filled..) {
                        filled += put_nlri(at, next, params.path_ids);
                    }
                }
                out.extend_from_slice(chunk.get(..filled).unwrap_or_default());
            });
        }
    }

    /// Writes one message around the prefixes that `nlri` writes.
    fn message(&self, out: &mut BytesMut, nlri: impl FnOnce(&mut BytesMut)) {
        let start = out.len();
        out.extend_from_slice(&self.head);
        nlri(out);
        match self.field {
            Field::Withdrawn => {
                let len = out.len() - start - self.head.len();
                put_u16(out, start + WITHDRAWN_LEN_AT, len);
                out.extend_from_slice(&self.tail);
            }
            Field::Nlri => {
                put_u16(out, start + ATTRS_LEN_AT, self.head.len() - ATTRS_AT);
            }
            Field::Multiprotocol => {
                minimal_length(out, start + ATTRS_AT);
                out.extend_from_slice(&self.tail);
                let len = out.len() - start - ATTRS_AT;
                put_u16(out, start + ATTRS_LEN_AT, len);
            }
        }
        let len = out.len() - start;
        put_u16(out, start + HEADER_LEN - 3, len);
    }
}

/// Octets of prefixes that gather before they are copied.
const CHUNK: usize = 512;

/// Writes one prefix to the front of `out`, which has room for the longest; returns its octets.
#[inline]
fn put_nlri(out: &mut [u8], nlri: Nlri, path_ids: PathIds) -> usize {
    let (out, before) = match path_ids {
        PathIds::Absent => (out, 0),
        PathIds::Present => {
            let Some((id, rest)) = out.split_first_chunk_mut::<4>() else { return 0 };
            *id = nlri.path_id.0.to_be_bytes();
            (rest, 4)
        }
    };
    let len = nlri.prefix.len();
    let Some((octet, out)) = out.split_first_mut() else { return 0 };
    *octet = len;
    // The whole address is written; what follows the prefix is written over by the next one.
    match nlri.prefix {
        Prefix::V4(p) => {
            if let Some(addr) = out.first_chunk_mut() {
                *addr = p.addr().to_be_bytes();
            }
        }
        Prefix::V6(p) => {
            if let Some(addr) = out.first_chunk_mut() {
                *addr = p.addr().to_be_bytes();
            }
        }
    }
    before + 1 + usize::from(len).div_ceil(8)
}

/// Fills in the length of the attribute that begins at `at` with Extended Length and ends where `out` does; the length
/// takes one octet where that is enough (RFC 4271 §4.3).
fn minimal_length(out: &mut BytesMut, at: usize) {
    let len = out.len() - at - 4;
    let Ok(short) = u8::try_from(len) else { return put_u16(out, at + 2, len) };
    out.copy_within(at + 4.., at + 3);
    out.truncate(at + 3 + len);
    if let Some([flags, _, octet]) = out.get_mut(at..at + 3) {
        *flags = AttrFlags::OPTIONAL;
        *octet = short;
    }
}

/// Writes a length; every message is shorter than 65,536 octets.
fn put_u16(out: &mut BytesMut, at: usize, n: usize) {
    if let (Some(field), Ok(n)) = (out.get_mut(at..at + 2), u16::try_from(n)) {
        field.copy_from_slice(&n.to_be_bytes());
    }
}

#[cfg(test)]
mod tests;
