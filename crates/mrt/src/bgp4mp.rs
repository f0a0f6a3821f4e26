//! BGP4MP and BGP4MP_ET: messages and state changes of sessions (RFC 6396 §4.4, RFC 8050 §3).

use std::net::IpAddr;

use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::reader::{Reader, UnexpectedEnd};
use heddle_bgp_core::{AsWidth, Asn};

use crate::header::bgp4mp as subtype;
use crate::record::MalformedRecord;

/// The two ends of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Session {
    /// The peer's AS.
    pub peer_asn: Asn,
    /// The AS of whoever recorded.
    pub local_asn: Asn,
    /// Interface index; 0 where it is not known.
    pub interface: u16,
    /// The peer's address.
    pub peer: IpAddr,
    /// The address of whoever recorded, of the same family.
    pub local: IpAddr,
}

/// Which way a recorded message went (RFC 6396 §4.4.5, §4.4.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the peer.
    Received,
    /// To the peer: the LOCAL forms.
    Sent,
}

/// A recorded message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<'a> {
    /// The session.
    pub session: Session,
    /// Which way it went.
    pub direction: Direction,
    /// Width of AS numbers in AS_PATH and AGGREGATOR.
    pub as_width: AsWidth,
    /// Whether its NLRI have Path Identifiers (RFC 8050 §3).
    pub path_ids: PathIds,
    /// The whole BGP message with its header, as recorded: not checked.
    pub message: &'a [u8],
}

/// A change of a session's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateChange {
    /// The session.
    pub session: Session,
    /// Width of the AS numbers in the record.
    pub as_width: AsWidth,
    /// The state before: 1 Idle to 6 Established (RFC 6396 §4.4.1).
    pub old: u16,
    /// The state after.
    pub new: u16,
}

impl Session {
    fn decode(r: &mut Reader<'_>, width: AsWidth) -> Result<Self, MalformedRecord> {
        let (peer_asn, local_asn) = (asn(r, width)?, asn(r, width)?);
        let (interface, afi) = (r.u16()?, r.u16()?);
        let (peer, local) = (address(r, afi)?, address(r, afi)?);
        Ok(Self { peer_asn, local_asn, interface, peer, local })
    }
}

impl<'a> Message<'a> {
    /// From the body of a record; none for a subtype that is no message.
    ///
    /// # Errors
    /// It ends inside the session, or has addresses of another family.
    pub fn decode(subtype: u16, body: &'a [u8]) -> Result<Option<Self>, MalformedRecord> {
        use AsWidth::{Four, Two};
        use Direction::{Received, Sent};
        use PathIds::{Absent, Present};
        let (as_width, direction, path_ids) = match subtype {
            subtype::MESSAGE => (Two, Received, Absent),
            subtype::MESSAGE_AS4 => (Four, Received, Absent),
            subtype::MESSAGE_LOCAL => (Two, Sent, Absent),
            subtype::MESSAGE_AS4_LOCAL => (Four, Sent, Absent),
            subtype::MESSAGE_ADDPATH => (Two, Received, Present),
            subtype::MESSAGE_AS4_ADDPATH => (Four, Received, Present),
            subtype::MESSAGE_LOCAL_ADDPATH => (Two, Sent, Present),
            subtype::MESSAGE_AS4_LOCAL_ADDPATH => (Four, Sent, Present),
            _ => return Ok(None),
        };
        let mut r = Reader::new(body);
        let session = Session::decode(&mut r, as_width)?;
        Ok(Some(Self { session, direction, as_width, path_ids, message: r.rest() }))
    }

    /// The subtype that stands for the form of this message.
    #[must_use]
    pub const fn subtype(&self) -> u16 {
        match (self.as_width, self.direction, self.path_ids) {
            (AsWidth::Two, Direction::Received, PathIds::Absent) => subtype::MESSAGE,
            (AsWidth::Four, Direction::Received, PathIds::Absent) => subtype::MESSAGE_AS4,
            (AsWidth::Two, Direction::Sent, PathIds::Absent) => subtype::MESSAGE_LOCAL,
            (AsWidth::Four, Direction::Sent, PathIds::Absent) => subtype::MESSAGE_AS4_LOCAL,
            (AsWidth::Two, Direction::Received, PathIds::Present) => subtype::MESSAGE_ADDPATH,
            (AsWidth::Four, Direction::Received, PathIds::Present) => subtype::MESSAGE_AS4_ADDPATH,
            (AsWidth::Two, Direction::Sent, PathIds::Present) => subtype::MESSAGE_LOCAL_ADDPATH,
            (AsWidth::Four, Direction::Sent, PathIds::Present) => subtype::MESSAGE_AS4_LOCAL_ADDPATH,
        }
    }
}

impl StateChange {
    /// From the body of a record.
    ///
    /// # Errors
    /// It ends inside a field, or has addresses of another family.
    pub fn decode(subtype: u16, body: &[u8]) -> Result<Self, MalformedRecord> {
        let as_width = if subtype == subtype::STATE_CHANGE_AS4 { AsWidth::Four } else { AsWidth::Two };
        let mut r = Reader::new(body);
        let session = Session::decode(&mut r, as_width)?;
        Ok(Self { session, as_width, old: r.u16()?, new: r.u16()? })
    }
}

/// An AS number of either width.
pub(crate) fn asn(r: &mut Reader<'_>, width: AsWidth) -> Result<Asn, UnexpectedEnd> {
    match width {
        AsWidth::Two => r.u16().map(|n| Asn(n.into())),
        AsWidth::Four => r.u32().map(Asn),
    }
}

/// An address of a family.
pub(crate) fn address(r: &mut Reader<'_>, afi: u16) -> Result<IpAddr, MalformedRecord> {
    match afi {
        1 => Ok(IpAddr::from(r.array::<4>()?)),
        2 => Ok(IpAddr::from(r.array::<16>()?)),
        afi => Err(MalformedRecord::Afi(afi)),
    }
}
