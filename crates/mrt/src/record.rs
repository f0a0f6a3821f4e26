//! A typed record.

use heddle_bgp_core::reader::UnexpectedEnd;
use thiserror::Error;

use crate::bgp4mp::{Message, StateChange};
use crate::header::{Header, bgp4mp, kind, table_dump_v2};
use crate::table_dump::TableDump;
use crate::table_dump_v2::{PeerIndexTable, Rib};

/// The body of a record does not have the form of its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum MalformedRecord {
    /// It ends inside a field.
    #[error("the record ends inside a field")]
    Cut,
    /// An address family other than IPv4 and IPv6.
    #[error("addresses of AFI {0}, which is neither IPv4 nor IPv6")]
    Afi(u16),
    /// A prefix that is longer than its address.
    #[error("prefix length {0} exceeds the address")]
    PrefixLength(u8),
    /// A route of a peer that the table of peers does not have, or there is no such table.
    #[error("a route of peer {0}, which the file does not name")]
    PeerIndex(u16),
    /// A BGP message without the marker.
    #[error("the BGP message has no marker")]
    Marker,
}

impl From<UnexpectedEnd> for MalformedRecord {
    fn from(UnexpectedEnd: UnexpectedEnd) -> Self {
        Self::Cut
    }
}

/// A typed record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// A route of a table (RFC 6396 §4.2).
    TableDump(TableDump<'a>),
    /// The peers of the table that follows (RFC 6396 §4.3.1).
    PeerIndexTable(PeerIndexTable),
    /// All routes to one prefix (RFC 6396 §4.3.2, RFC 8050 §4).
    Rib(Rib<'a>),
    /// A change of a session's state (RFC 6396 §4.4.1, §4.4.4).
    StateChange(StateChange),
    /// A BGP message (RFC 6396 §4.4.2, §4.4.3, §4.4.5, §4.4.6, RFC 8050 §3).
    Message(Message<'a>),
    /// Of a type or subtype that is not read.
    Other,
}

impl<'a> Record<'a> {
    /// From header and body.
    ///
    /// # Errors
    /// The body does not have the form of its type.
    pub fn decode(header: Header, body: &'a [u8]) -> Result<Self, MalformedRecord> {
        match (header.kind, header.subtype) {
            (kind::TABLE_DUMP, subtype) => {
                Ok(TableDump::decode(subtype, body)?.map_or(Record::Other, Record::TableDump))
            }
            (kind::TABLE_DUMP_V2, table_dump_v2::PEER_INDEX_TABLE) => {
                PeerIndexTable::decode(body).map(Record::PeerIndexTable)
            }
            (kind::TABLE_DUMP_V2, subtype) => Ok(Rib::decode(subtype, body)?.map_or(Record::Other, Record::Rib)),
            (kind::BGP4MP | kind::BGP4MP_ET, bgp4mp::STATE_CHANGE | bgp4mp::STATE_CHANGE_AS4) => {
                StateChange::decode(header.subtype, body).map(Record::StateChange)
            }
            (kind::BGP4MP | kind::BGP4MP_ET, subtype) => {
                Ok(Message::decode(subtype, body)?.map_or(Record::Other, Record::Message))
            }
            _ => Ok(Record::Other),
        }
    }
}
