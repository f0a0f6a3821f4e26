//! Routes one a line, as `bgpdump -m` prints them (bgpdump 1.6.2).
//!
//! ```text
//! BGP4MP|SECONDS|A|PEER|PEER AS|PREFIX|AS_PATH|ORIGIN|NEXT HOP|LOCAL_PREF|MED|COMMUNITIES|AG or NAG|AGGREGATOR|
//! BGP4MP|SECONDS|W|PEER|PEER AS|PREFIX
//! BGP4MP|SECONDS|STATE|PEER|PEER AS|OLD|NEW
//! TABLE_DUMP2|SECONDS|B|PEER|PEER AS|PREFIX|AS_PATH|...
//! ```
//!
//! `_ET` stands behind `BGP4MP` where there are microseconds, `_LOCAL` for messages to the peer, `_AP` where routes have
//! Path Identifiers, which then follow the prefix. Where this differs from bgpdump, on purpose: the records that were sent
//! to the peer and have Path Identifiers name the peer (bgpdump takes them for received ones, and names the recorder);
//! many communities are not cut at 8 kB; a prefix longer than its address ends the list; attributes that stand twice,
//! on which bgpdump aborts, count once.

mod text;

use std::io::{self, Read, Write};
use std::net::IpAddr;

use heddle_bgp_core::attr::NextHop;
use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::{AsWidth, Family, MessageType, Nlri, NlriSlice};
use thiserror::Error;

use crate::attrs::{Attrs, Reach, slot_family};
use crate::bgp4mp::{Direction, Message, StateChange};
use crate::header::Header;
use crate::reader::{MrtError, RawRecord, Reader};
use crate::record::{MalformedRecord, Record};
use crate::table_dump::TableDump;
use crate::table_dump_v2::{PeerIndexTable, Rib};
use text::{
    push_addr, push_aggregator, push_communities, push_ipv4, push_next_hop, push_number, push_origin, push_path,
    push_prefix, push_signed,
};

/// Lines are written in pieces of about so many octets.
const CHUNK: usize = 64 << 10;

/// What was printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Lines.
    pub lines: u64,
    /// Records, or parts of them, that were passed over because they are malformed.
    pub skipped: u64,
    /// The first of them: where it begins, and why.
    pub first_skipped: Option<(u64, MalformedRecord)>,
}

/// Why printing ended early.
#[derive(Debug, Error)]
pub enum ShowError {
    /// The file cannot be read on; all before it was printed.
    #[error(transparent)]
    File(#[from] MrtError),
    /// The lines cannot be written.
    #[error("writing failed: {0}")]
    Write(#[source] io::Error),
}

/// Prints all that `reader` has left onto `out`.
///
/// # Errors
/// The file is cut, damaged or no MRT file, after the lines of what stands before; or `out` fails.
pub fn show<R: Read, W: Write>(reader: &mut Reader<R>, mut out: W) -> Result<Summary, ShowError> {
    let mut show = Show::default();
    let mut lines = Vec::with_capacity(2 * CHUNK);
    let end = loop {
        match reader.next() {
            Ok(Some(record)) => show.record(&record, &mut lines),
            Ok(None) => break Ok(()),
            Err(e) => break Err(e),
        }
        if lines.len() >= CHUNK {
            out.write_all(&lines).map_err(ShowError::Write)?;
            lines.clear();
        }
    };
    out.write_all(&lines).and_then(|()| out.flush()).map_err(ShowError::Write)?;
    end?;
    Ok(show.summary)
}

/// Makes lines of records; what it keeps between them is the table of peers.
#[derive(Debug, Default)]
pub struct Show {
    peers: PeerIndexTable,
    head: Vec<u8>,
    tail: Vec<u8>,
    common: Common,
    summary: Summary,
}

/// The parts of a line that the attributes decide, without next hop, LOCAL_PREF and MED.
#[derive(Debug, Default)]
struct Common {
    /// `AS_PATH|ORIGIN|`.
    path: Vec<u8>,
    /// `COMMUNITIES|AG|AGGREGATOR|`.
    rest: Vec<u8>,
}

impl Common {
    fn fill(&mut self, attrs: &Attrs<'_>, width: AsWidth) {
        let merged = attrs.merge(width);
        self.path.clear();
        push_path(&mut self.path, &merged);
        self.path.push(b'|');
        push_origin(&mut self.path, attrs.origin);
        self.path.push(b'|');
        self.rest.clear();
        push_communities(&mut self.rest, attrs.communities.unwrap_or_default());
        self.rest.extend_from_slice(if attrs.atomic_aggregate.is_some() { b"|AG|" } else { b"|NAG|" });
        push_aggregator(&mut self.rest, merged.aggregator);
        self.rest.push(b'|');
    }
}

impl Show {
    /// What was printed so far.
    #[must_use]
    pub const fn summary(&self) -> Summary {
        self.summary
    }

    /// Appends the lines of one record.
    pub fn record(&mut self, record: &RawRecord<'_>, out: &mut Vec<u8>) {
        let header = record.header;
        let done = record.decode().and_then(|decoded| match decoded {
            Record::Message(message) => self.message(header, &message, out),
            Record::StateChange(change) => {
                self.state_change(header, &change, out);
                Ok(())
            }
            Record::PeerIndexTable(table) => {
                self.peers = table;
                Ok(())
            }
            Record::Rib(rib) => self.rib(header, &rib, out),
            Record::TableDump(route) => {
                self.table_dump(header, &route, out);
                Ok(())
            }
            Record::Other => Ok(()),
        });
        if let Err(why) = done {
            self.summary.skipped += 1;
            self.summary.first_skipped.get_or_insert((record.offset, why));
        }
    }

    /// `FORMAT|TIME|TYPE|PEER|PEER AS|`.
    fn begin(&mut self, format: &[&str], header: Header, kind: &str, peer: IpAddr, asn: u32) {
        self.head.clear();
        for part in format {
            self.head.extend_from_slice(part.as_bytes());
        }
        self.head.push(b'|');
        push_number(&mut self.head, header.seconds);
        if let Some(micros) = header.micros {
            self.head.extend_from_slice(format!(".{micros:06}").as_bytes());
        }
        self.head.push(b'|');
        self.head.extend_from_slice(kind.as_bytes());
        self.head.push(b'|');
        push_addr(&mut self.head, peer);
        self.head.push(b'|');
        push_number(&mut self.head, asn);
        self.head.push(b'|');
    }

    /// One line: what [`Show::begin`] prepared, the route, and the tail.
    fn line(&mut self, nlri: Nlri, path_ids: PathIds, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.head);
        push_prefix(out, nlri.prefix);
        if path_ids == PathIds::Present {
            out.push(b'|');
            push_number(out, nlri.path_id.0);
        }
        out.extend_from_slice(&self.tail);
        out.push(b'\n');
        self.summary.lines += 1;
    }

    fn state_change(&mut self, header: Header, change: &StateChange, out: &mut Vec<u8>) {
        let et = if header.micros.is_some() { "_ET" } else { "" };
        self.begin(&["BGP4MP", et], header, "STATE", change.session.peer, change.session.peer_asn.0);
        out.extend_from_slice(&self.head);
        push_number(out, change.old.into());
        out.push(b'|');
        push_number(out, change.new.into());
        out.push(b'\n');
        self.summary.lines += 1;
    }

    fn message(&mut self, header: Header, message: &Message<'_>, out: &mut Vec<u8>) -> Result<(), MalformedRecord> {
        let Some(update) = RecordedUpdate::read(message.message)? else { return Ok(()) };
        let attrs = Attrs::read(update.attributes, message.as_width);
        let et = if header.micros.is_some() { "_ET" } else { "" };
        let local = match message.direction {
            Direction::Received => "",
            Direction::Sent => "_LOCAL",
        };
        let ap = match message.path_ids {
            PathIds::Absent => "",
            PathIds::Present => "_AP",
        };
        let format = ["BGP4MP", et, local, ap];
        let (peer, asn) = (message.session.peer, message.session.peer_asn.0);

        self.begin(&format, header, "W", peer, asn);
        self.tail.clear();
        self.lines(Family::IPV4_UNICAST, message.path_ids, update.withdrawn, out);
        for (slot, nlri) in attrs.unreach.iter().enumerate() {
            self.lines(slot_family(slot), message.path_ids, nlri.unwrap_or_default(), out);
        }

        if update.nlri.is_empty() && attrs.reach.iter().flatten().all(|r| r.nlri.is_empty()) {
            return Ok(());
        }
        self.begin(&format, header, "A", peer, asn);
        self.common.fill(&attrs, message.as_width);
        self.tail.clear();
        self.tail.push(b'|');
        self.tail.extend_from_slice(&self.common.path);
        push_ipv4(&mut self.tail, attrs.next_hop);
        self.push_preferences(&attrs, push_number);
        self.tail.extend_from_slice(&self.common.rest);
        self.lines(Family::IPV4_UNICAST, message.path_ids, update.nlri, out);
        for (slot, reach) in attrs.reach.iter().enumerate() {
            if let Some(reach) = reach.filter(|r| !r.nlri.is_empty()) {
                self.reach_tail(slot_family(slot), &attrs, reach);
                self.lines(slot_family(slot), message.path_ids, reach.nlri, out);
            }
        }
        Ok(())
    }

    fn lines(&mut self, family: Family, path_ids: PathIds, nlri: &[u8], out: &mut Vec<u8>) {
        for nlri in NlriSlice::trusted(family, path_ids, nlri) {
            self.line(nlri, path_ids, out);
        }
    }

    /// The tail for MP_REACH_NLRI. With a next hop of an impossible length bgpdump leaves fields out.
    fn reach_tail(&mut self, family: Family, attrs: &Attrs<'_>, reach: Reach<'_>) {
        let next_hop = NextHop::from_octets(reach.next_hop);
        self.tail.clear();
        self.tail.push(b'|');
        if family == Family::IPV4_UNICAST || next_hop.is_some() {
            self.tail.extend_from_slice(&self.common.path);
        }
        if let Some(next_hop) = next_hop {
            push_next_hop(&mut self.tail, next_hop);
            // bgpdump prints these two as signed numbers for IPv4, and as unsigned ones for IPv6.
            let push = if family == Family::IPV4_UNICAST { push_signed } else { push_number };
            self.push_preferences(attrs, push);
        }
        self.tail.extend_from_slice(&self.common.rest);
    }

    /// `|LOCAL_PREF|MED|`; 0 for what is absent.
    fn push_preferences(&mut self, attrs: &Attrs<'_>, push: fn(&mut Vec<u8>, u32)) {
        self.tail.push(b'|');
        push(&mut self.tail, attrs.local_pref.unwrap_or(0));
        self.tail.push(b'|');
        push(&mut self.tail, attrs.med.unwrap_or(0));
        self.tail.push(b'|');
    }

    fn rib(&mut self, header: Header, rib: &Rib<'_>, out: &mut Vec<u8>) -> Result<(), MalformedRecord> {
        let format = match rib.path_ids {
            PathIds::Absent => "TABLE_DUMP2",
            PathIds::Present => "TABLE_DUMP2_AP",
        };
        for entry in rib.entries() {
            let entry = entry?;
            let missing = MalformedRecord::PeerIndex(entry.peer_index);
            let peer = *self.peers.peers.get(usize::from(entry.peer_index)).ok_or(missing)?;
            let attrs = Attrs::read(entry.attributes, AsWidth::Four);
            self.begin(&[format], header, "B", peer.addr, peer.asn.0);
            self.table_tail(&attrs, AsWidth::Four, [3, 0]);
            self.line(Nlri { prefix: rib.prefix, path_id: entry.path_id }, rib.path_ids, out);
        }
        Ok(())
    }

    fn table_dump(&mut self, header: Header, route: &TableDump<'_>, out: &mut Vec<u8>) {
        let attrs = Attrs::read(route.attributes, route.as_width);
        self.begin(&["TABLE_DUMP"], header, "B", route.peer, route.peer_asn.0);
        self.table_tail(&attrs, route.as_width, [3, 3]);
        self.line(Nlri { prefix: route.prefix, path_id: heddle_bgp_core::PathId(0) }, PathIds::Absent, out);
    }

    /// The tail for a route of a table: the next hop is in MP_REACH_NLRI of one of `slots`, or in NEXT_HOP.
    fn table_tail(&mut self, attrs: &Attrs<'_>, width: AsWidth, slots: [usize; 2]) {
        self.common.fill(attrs, width);
        self.tail.clear();
        self.tail.push(b'|');
        self.tail.extend_from_slice(&self.common.path);
        let reach = slots.iter().find_map(|slot| *attrs.reach.get(*slot)?);
        match reach.and_then(|r| NextHop::from_octets(r.next_hop)) {
            Some(next_hop) => push_next_hop(&mut self.tail, next_hop),
            None => push_ipv4(&mut self.tail, attrs.next_hop),
        }
        self.push_preferences(attrs, push_number);
        self.tail.extend_from_slice(&self.common.rest);
    }
}

/// The three fields of a recorded UPDATE, each as far as the message goes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RecordedUpdate<'a> {
    pub(crate) withdrawn: &'a [u8],
    pub(crate) attributes: &'a [u8],
    pub(crate) nlri: &'a [u8],
}

impl<'a> RecordedUpdate<'a> {
    /// From a whole message; none when it is no UPDATE.
    pub(crate) fn read(message: &'a [u8]) -> Result<Option<Self>, MalformedRecord> {
        let mut r = heddle_bgp_core::reader::Reader::new(message);
        if r.array::<16>()? != [255; 16] {
            return Err(MalformedRecord::Marker);
        }
        let len = usize::from(r.u16()?);
        if MessageType::from_octet(r.u8()?) != Some(MessageType::Update) {
            return Ok(None);
        }
        let mut rest = message.get(heddle_bgp_core::message::HEADER_LEN..len).unwrap_or_else(|| r.rest());
        let withdrawn = counted(&mut rest);
        let attributes = counted(&mut rest);
        Ok(Some(Self { withdrawn, attributes, nlri: rest }))
    }
}

impl<'a> RecordedUpdate<'a> {
    /// Whether it says nothing.
    pub(crate) const fn is_empty(&self) -> bool {
        self.withdrawn.is_empty() && self.attributes.is_empty() && self.nlri.is_empty()
    }

    /// Like [`RecordedUpdate::read`], but all lengths must fit.
    pub(crate) fn read_sound(message: &'a [u8]) -> Result<Option<Self>, MalformedRecord> {
        let Some(update) = Self::read(message)? else { return Ok(None) };
        let mut r = heddle_bgp_core::reader::Reader::new(message);
        r.array::<16>()?;
        let whole = usize::from(r.u16()?) == message.len();
        r.u8()?;
        let len = usize::from(r.u16()?);
        r.take(len)?;
        let len = usize::from(r.u16()?);
        r.take(len)?;
        if whole { Ok(Some(update)) } else { Err(MalformedRecord::Cut) }
    }
}

/// A field after its length of two octets, or what there is of it.
fn counted<'a>(rest: &mut &'a [u8]) -> &'a [u8] {
    let Some(([l0, l1], tail)) = rest.split_first_chunk::<2>() else {
        *rest = &[];
        return &[];
    };
    let len = usize::from(u16::from_be_bytes([*l0, *l1])).min(tail.len());
    let (field, tail) = tail.split_at_checked(len).unwrap_or((tail, &[]));
    *rest = tail;
    field
}

#[cfg(test)]
mod tests;
