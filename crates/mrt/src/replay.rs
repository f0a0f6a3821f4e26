//! A file as UPDATEs: what one recorded peer sent, made fit for a session of ours.
//!
//! Messages keep their form and order. What changes:
//!
//! - AS numbers get the width of the session; AS4_PATH and AS4_AGGREGATOR are merged or made (RFC 6793 §4.2);
//! - toward an external peer LOCAL_PREF, ORIGINATOR_ID and CLUSTER_LIST are dropped and the local AS is prepended
//!   (RFC 4271 §5.1.2, §5.1.5, RFC 4456 §8); toward an internal peer a missing LOCAL_PREF becomes 100, since it must not
//!   be missing there (RFC 4271 §5.1.5);
//! - Path Identifiers are taken off: a later path to a prefix replaces an earlier one;
//! - families that the session does not have, and IPv6 next hops of IPv4 prefixes where it does not have these, are left
//!   out;
//! - a message that would exceed the session's maximum becomes several;
//! - routes of a table are packed by their attributes;
//! - a message that is malformed is passed over and counted, because it could end the session.

mod convert;
mod groups;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::IpAddr;

use bytes::{Bytes, BytesMut};
use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::update::{EncodeParams, Encoder};
use heddle_bgp_core::{AsWidth, Asn, Family, MessageType, Negotiated, NlriSlice, PeerType};

use crate::bgp4mp::{Direction, Message};
use crate::reader::{MrtError, RawRecord, Reader};
use crate::record::Record;
use crate::show::RecordedUpdate;
use crate::table_dump::TableDump;
use crate::table_dump_v2::{PeerIndexTable, Rib};
use convert::{Converted, Target};
use groups::Groups;

/// What [`Replay`] has to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayOptions {
    /// The recorded peer whose routes are sent.
    pub peer: IpAddr,
    /// Our AS, prepended toward an external peer.
    pub local_asn: Asn,
    /// Whether the session is internal.
    pub peer_type: PeerType,
    /// Width of AS numbers of the session.
    pub as_width: AsWidth,
    /// The largest message in octets.
    pub max_message_len: usize,
    /// Families of the session.
    pub families: Vec<Family>,
    /// Families among them whose next hop may be of another address family (RFC 8950).
    pub extended_next_hop: Vec<Family>,
}

impl ReplayOptions {
    /// For a session and one recorded peer. The session must not have ADD-PATH in our direction: Path Identifiers are
    /// never sent.
    #[must_use]
    pub fn new(peer: IpAddr, session: &Negotiated) -> Self {
        let families = |wanted: fn(&heddle_bgp_core::negotiated::NegotiatedFamily) -> bool| {
            session.families.iter().filter(|f| wanted(f)).map(|f| f.family).collect()
        };
        Self {
            peer,
            local_asn: session.local_asn,
            peer_type: session.peer_type,
            as_width: session.as_width,
            max_message_len: session.max_message_len,
            families: families(|_| true),
            extended_next_hop: families(|f| f.extended_next_hop),
        }
    }
}

/// What was sent, and what was not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// UPDATEs made.
    pub messages: u64,
    /// Prefixes advertised in them.
    pub advertised: u64,
    /// Prefixes withdrawn in them.
    pub withdrawn: u64,
    /// Malformed records and messages that were passed over.
    pub malformed: u64,
    /// Prefixes that were left out because their attributes leave no room for them in a message.
    pub too_long: u64,
}

/// Whether [`Replay::fill`] has more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Filled {
    /// The buffer is as full as was asked.
    More,
    /// The file has ended; nothing comes after this.
    End,
}

/// Makes UPDATEs of a file.
///
/// [`fill`](Self::fill) is the fast way; as an iterator it yields message by message.
#[derive(Debug)]
pub struct Replay<R: Read> {
    reader: Reader<R>,
    state: State,
    buffer: BytesMut,
    ended: Option<MrtError>,
    finished: bool,
}

/// All but the reader, which lends the records.
#[derive(Debug)]
struct State {
    options: ReplayOptions,
    peers: PeerIndexTable,
    groups: Groups,
    /// UPDATEs that wait until the routes of the table before them were given out.
    held: BytesMut,
    counters: Counters,
}

impl<R: Read> Replay<R> {
    /// Of all that `reader` has left.
    #[must_use]
    pub fn new(reader: Reader<R>, options: ReplayOptions) -> Self {
        let state = State {
            options,
            peers: PeerIndexTable::default(),
            groups: Groups::default(),
            held: BytesMut::new(),
            counters: Counters::default(),
        };
        Self { reader, state, buffer: BytesMut::new(), ended: None, finished: false }
    }

    /// What was made so far.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.state.counters
    }

    /// Octets of uncompressed content that were read.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.reader.offset()
    }

    /// Appends whole messages until `out` has `stop_at` octets or the file ends.
    ///
    /// # Errors
    /// The file cannot be read on. Everything that stands before was made first; after an error comes the end.
    pub fn fill(&mut self, out: &mut BytesMut, stop_at: usize) -> Result<Filled, MrtError> {
        while out.len() < stop_at {
            if self.state.groups.draining() {
                self.state.drain_one(out);
                continue;
            }
            if !self.state.held.is_empty() {
                out.unsplit(self.state.held.split());
                continue;
            }
            if self.finished {
                return self.ended.take().map_or(Ok(Filled::End), Err);
            }
            match self.reader.next() {
                Ok(Some(record)) => self.state.record(&record, out),
                Ok(None) => self.finish(None),
                Err(e) => self.finish(Some(e)),
            }
        }
        Ok(Filled::More)
    }

    fn finish(&mut self, error: Option<MrtError>) {
        self.finished = true;
        self.ended = error;
        self.state.groups.drain();
    }
}

impl<R: Read> Iterator for Replay<R> {
    type Item = Result<Bytes, MrtError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.buffer.is_empty() {
            let mut buffer = std::mem::take(&mut self.buffer);
            let filled = self.fill(&mut buffer, 1);
            self.buffer = buffer;
            if let Err(e) = filled {
                return Some(Err(e));
            }
        }
        let [l0, l1] = self.buffer.get(16..18)?.try_into().ok()?;
        let len = usize::from(u16::from_be_bytes([l0, l1])).min(self.buffer.len());
        Some(Ok(self.buffer.split_to(len).freeze()))
    }
}

impl State {
    fn record(&mut self, record: &RawRecord<'_>, out: &mut BytesMut) {
        match record.decode() {
            Ok(Record::Message(message)) => self.message(&message, out),
            Ok(Record::PeerIndexTable(table)) => self.peers = table,
            Ok(Record::Rib(rib)) => self.rib(&rib),
            Ok(Record::TableDump(route)) => self.table_dump(&route),
            Ok(Record::StateChange(_) | Record::Other) => {}
            Err(_) => self.counters.malformed += 1,
        }
    }

    fn message(&mut self, message: &Message<'_>, out: &mut BytesMut) {
        if message.session.peer != self.options.peer || message.direction == Direction::Sent {
            return;
        }
        // Nothing of an UPDATE may overtake the routes of a table before it.
        self.groups.drain();
        if self.groups.draining() {
            let mut held = BytesMut::new();
            self.push_message(message, &mut held);
            self.held = held;
        } else {
            self.push_message(message, out);
        }
    }

    fn push_message(&mut self, message: &Message<'_>, out: &mut BytesMut) {
        let target = Target::of(&self.options);
        let converted = match RecordedUpdate::read_sound(message.message) {
            Ok(None) => return,
            Ok(Some(update)) => Converted::update(&update, message, &target),
            Err(_) => None,
        };
        let Some(converted) = converted else {
            self.counters.malformed += 1;
            return;
        };
        if converted.is_empty() {
            return;
        }
        if converted.push(out, &target) {
            self.counters.messages += 1;
            self.counters.advertised += converted.advertised();
            self.counters.withdrawn += converted.withdrawn();
        } else {
            self.push_in_parts(&converted, out);
        }
    }

    /// Several messages in place of one that would be too long: withdrawals first, then the rest.
    fn push_in_parts(&mut self, update: &Converted<'_>, out: &mut BytesMut) {
        for (family, nlri) in update.withdrawals() {
            let mut encoder = Encoder::new(self.params(family));
            let before = out.len();
            let mut routes = NlriSlice::trusted(family, PathIds::Absent, nlri).iter().peekable();
            encoder.withdraw(out, &mut routes, usize::MAX);
            self.count(out, before);
            self.counters.withdrawn += count(family, nlri);
        }
        for (family, next_hop, nlri) in update.advertisements() {
            let block = update.block(next_hop);
            self.advertise(family, &block, nlri, out);
        }
    }

    fn advertise(&mut self, family: Family, block: &[u8], nlri: &[u8], out: &mut BytesMut) {
        let before = out.len();
        let mut routes = NlriSlice::trusted(family, PathIds::Absent, nlri).iter().peekable();
        let routes_count = count(family, nlri);
        match Encoder::new(self.params(family)).advertise(out, block, &mut routes, usize::MAX) {
            Ok(()) => self.counters.advertised += routes_count,
            Err(_) => self.counters.too_long += routes_count,
        }
        self.count(out, before);
    }

    fn params(&self, family: Family) -> EncodeParams {
        EncodeParams {
            family,
            as_width: self.options.as_width,
            path_ids: PathIds::Absent,
            max_message_len: self.options.max_message_len,
        }
    }

    /// Counts the messages that were appended.
    fn count(&mut self, out: &BytesMut, before: usize) {
        let mut rest = out.get(before..).unwrap_or_default();
        while let Some([l0, l1]) = rest.get(16..18) {
            self.counters.messages += 1;
            rest = rest.get(usize::from(u16::from_be_bytes([*l0, *l1]))..).unwrap_or_default();
        }
    }

    fn drain_one(&mut self, out: &mut BytesMut) {
        if let Some(group) = self.groups.pop() {
            self.advertise(group.family, &group.block, &group.nlri, out);
        }
    }

    fn rib(&mut self, rib: &Rib<'_>) {
        for entry in rib.entries() {
            let Ok(entry) = entry else {
                self.counters.malformed += 1;
                return;
            };
            match self.peers.peers.get(usize::from(entry.peer_index)) {
                None => self.counters.malformed += 1,
                Some(peer) if peer.addr != self.options.peer => {}
                Some(_) => self.route(rib.prefix, entry.attributes, AsWidth::Four),
            }
        }
    }

    fn table_dump(&mut self, route: &TableDump<'_>) {
        if route.peer == self.options.peer {
            self.route(route.prefix, route.attributes, route.as_width);
        }
    }

    /// A route of a table joins the others with its attributes.
    fn route(&mut self, prefix: heddle_bgp_core::Prefix, attributes: &[u8], width: AsWidth) {
        let family = prefix.family();
        let target = Target::of(&self.options);
        if !self.options.families.contains(&family) {
            return;
        }
        let Some((converted, next_hop)) = Converted::route(attributes, width, &target) else {
            self.counters.malformed += 1;
            return;
        };
        if target.takes_next_hop(family, next_hop) {
            self.groups.add(family, converted.block(next_hop), prefix);
        }
    }
}

/// How many prefixes a checked field has.
fn count(family: Family, nlri: &[u8]) -> u64 {
    NlriSlice::trusted(family, PathIds::Absent, nlri).iter().count() as u64
}

/// A peer of which a file has routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordedPeer {
    /// Address.
    pub addr: IpAddr,
    /// AS, as first recorded.
    pub asn: Asn,
    /// UPDATEs from it, or its routes in tables.
    pub updates: u64,
}

/// The peers of a file.
#[derive(Debug)]
pub struct RecordedPeers {
    /// By address; only those that have routes.
    pub peers: Vec<RecordedPeer>,
    /// Why reading ended before the end of the file, where it did.
    pub error: Option<MrtError>,
}

/// Lists the peers of which a file has routes, by reading all of it.
#[must_use]
pub fn peers<R: Read>(reader: &mut Reader<R>) -> RecordedPeers {
    let mut found: BTreeMap<IpAddr, RecordedPeer> = BTreeMap::new();
    let mut table = PeerIndexTable::default();
    let mut add = |addr: IpAddr, asn: Asn| {
        found.entry(addr).or_insert(RecordedPeer { addr, asn, updates: 0 }).updates += 1;
    };
    let error = loop {
        let record = match reader.next() {
            Ok(Some(record)) => record,
            Ok(None) => break None,
            Err(e) => break Some(e),
        };
        match record.decode() {
            Ok(Record::Message(m)) if m.direction == Direction::Received && is_update(m.message) => {
                add(m.session.peer, m.session.peer_asn);
            }
            Ok(Record::TableDump(route)) => add(route.peer, route.peer_asn),
            Ok(Record::PeerIndexTable(t)) => table = t,
            Ok(Record::Rib(rib)) => {
                for entry in rib.entries().map_while(Result::ok) {
                    if let Some(peer) = table.peers.get(usize::from(entry.peer_index)) {
                        add(peer.addr, peer.asn);
                    }
                }
            }
            Ok(Record::Message(_) | Record::StateChange(_) | Record::Other) | Err(_) => {}
        }
    };
    RecordedPeers { peers: found.into_values().collect(), error }
}

fn is_update(message: &[u8]) -> bool {
    message.get(18).and_then(|t| MessageType::from_octet(*t)) == Some(MessageType::Update)
}

#[cfg(test)]
mod tests;
