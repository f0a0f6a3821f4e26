//! Writing records.

use std::io::{self, Write};
use std::net::IpAddr;

use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::{AsWidth, Asn, Prefix};

use crate::bgp4mp::{Message, Session, StateChange};
use crate::header::{Header, bgp4mp, kind, table_dump_v2};
use crate::table_dump::TableDump;
use crate::table_dump_v2::{PeerIndexTable, RibEntry, encode_rib, push_addr, push_counted, rib_subtype};

/// When something was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Time {
    /// Seconds since 1970 UTC.
    pub seconds: u32,
    /// Microseconds: where there are any, the extended type is written (RFC 6396 §3).
    pub micros: Option<u32>,
}

/// Writes records one after another.
#[derive(Debug)]
pub struct Writer<W: Write> {
    inner: W,
    body: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Onto `inner`; many small writes, so let it buffer.
    pub const fn new(inner: W) -> Self {
        Self { inner, body: Vec::new() }
    }

    /// What it writes onto.
    pub fn into_inner(self) -> W {
        self.inner
    }

    /// A BGP message.
    ///
    /// # Errors
    /// Writing failed.
    pub fn message(&mut self, time: Time, message: &Message<'_>) -> io::Result<()> {
        self.body.clear();
        push_session(&mut self.body, &message.session, message.as_width);
        self.body.extend_from_slice(message.message);
        self.bgp4mp(time, message.subtype())
    }

    /// A change of state.
    ///
    /// # Errors
    /// Writing failed.
    pub fn state_change(&mut self, time: Time, change: &StateChange) -> io::Result<()> {
        self.body.clear();
        push_session(&mut self.body, &change.session, change.as_width);
        self.body.extend_from_slice(&change.old.to_be_bytes());
        self.body.extend_from_slice(&change.new.to_be_bytes());
        let subtype = match change.as_width {
            AsWidth::Two => bgp4mp::STATE_CHANGE,
            AsWidth::Four => bgp4mp::STATE_CHANGE_AS4,
        };
        self.bgp4mp(time, subtype)
    }

    /// The peers, which the routes after it mean by their index.
    ///
    /// # Errors
    /// Writing failed.
    pub fn peer_index_table(&mut self, seconds: u32, table: &PeerIndexTable) -> io::Result<()> {
        self.body.clear();
        table.encode(&mut self.body);
        self.record(Header {
            seconds,
            micros: None,
            kind: kind::TABLE_DUMP_V2,
            subtype: table_dump_v2::PEER_INDEX_TABLE,
        })
    }

    /// All routes to one prefix.
    ///
    /// # Errors
    /// Writing failed.
    pub fn rib(
        &mut self,
        seconds: u32,
        sequence: u32,
        prefix: Prefix,
        path_ids: PathIds,
        entries: &[RibEntry<'_>],
    ) -> io::Result<()> {
        self.body.clear();
        encode_rib(&mut self.body, sequence, prefix, path_ids, entries);
        self.record(Header { seconds, micros: None, kind: kind::TABLE_DUMP_V2, subtype: rib_subtype(prefix, path_ids) })
    }

    /// A route in the older form.
    ///
    /// # Errors
    /// Writing failed.
    pub fn table_dump(&mut self, seconds: u32, route: &TableDump<'_>) -> io::Result<()> {
        self.body.clear();
        self.body.extend_from_slice(&route.view.to_be_bytes());
        self.body.extend_from_slice(&route.sequence.to_be_bytes());
        push_addr(&mut self.body, route.prefix.addr());
        self.body.extend_from_slice(&[route.prefix.len(), 1]);
        self.body.extend_from_slice(&route.originated.to_be_bytes());
        push_addr(&mut self.body, route.peer);
        push_asn(&mut self.body, route.peer_asn, route.as_width);
        push_counted(&mut self.body, route.attributes);
        self.record(Header { seconds, micros: None, kind: kind::TABLE_DUMP, subtype: route.subtype() })
    }

    fn bgp4mp(&mut self, time: Time, subtype: u16) -> io::Result<()> {
        let kind = if time.micros.is_some() { kind::BGP4MP_ET } else { kind::BGP4MP };
        self.record(Header { seconds: time.seconds, micros: time.micros, kind, subtype })
    }

    /// A record with the body that was prepared.
    fn record(&mut self, header: Header) -> io::Result<()> {
        let len = self.body.len() + if header.micros.is_some() { 4 } else { 0 };
        let len = u32::try_from(len).map_err(|_| io::Error::from(io::ErrorKind::InvalidInput))?;
        self.inner.write_all(&header.seconds.to_be_bytes())?;
        self.inner.write_all(&header.kind.to_be_bytes())?;
        self.inner.write_all(&header.subtype.to_be_bytes())?;
        self.inner.write_all(&len.to_be_bytes())?;
        if let Some(micros) = header.micros {
            self.inner.write_all(&micros.to_be_bytes())?;
        }
        self.inner.write_all(&self.body)
    }
}

fn push_session(out: &mut Vec<u8>, session: &Session, width: AsWidth) {
    push_asn(out, session.peer_asn, width);
    push_asn(out, session.local_asn, width);
    out.extend_from_slice(&session.interface.to_be_bytes());
    let afi: u16 = match session.peer {
        IpAddr::V4(_) => 1,
        IpAddr::V6(_) => 2,
    };
    out.extend_from_slice(&afi.to_be_bytes());
    push_addr(out, session.peer);
    push_addr(out, session.local);
}

fn push_asn(out: &mut Vec<u8>, asn: Asn, width: AsWidth) {
    match width {
        AsWidth::Two => out.extend_from_slice(&asn.as_two_octets().to_be_bytes()),
        AsWidth::Four => out.extend_from_slice(&asn.0.to_be_bytes()),
    }
}

#[cfg(test)]
mod tests;
