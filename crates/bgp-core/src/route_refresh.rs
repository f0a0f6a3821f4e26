//! ROUTE-REFRESH (RFC 2918 §3) with the subtypes of enhanced route refresh (RFC 7313 §3.2).

use bytes::{BufMut, Bytes, BytesMut};
use thiserror::Error;

use crate::family::Family;
use crate::message::{HEADER_LEN, MessageType, encode_message};
use crate::negotiated::Negotiated;
use crate::notification::{self, Notification};
use crate::reader::Reader;

/// Octets of a ROUTE-REFRESH after the header.
const BODY_LEN: usize = 4;

/// A ROUTE-REFRESH message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RouteRefresh {
    /// The family.
    pub family: Family,
    /// What it says.
    pub subtype: RefreshSubtype,
}

/// Message subtype (RFC 7313 §3.2); unknown ones are kept and ignored by the receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefreshSubtype {
    /// 0: please send the family again.
    Request,
    /// 1: Beginning of Route Refresh.
    Begin,
    /// 2: End of Route Refresh.
    End,
    /// Any other. Also 0 with octets behind: those are outbound route filters (RFC 5291 §4), which we never
    /// negotiate, so that the message asks for nothing that we have.
    Unknown(u8),
}

/// Whether both sides advertised enhanced route refresh (RFC 7313 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnhancedRefresh {
    /// They did not: a wrong length is an error of the header.
    Absent,
    /// They did.
    Negotiated,
}

impl From<&Negotiated> for EnhancedRefresh {
    fn from(n: &Negotiated) -> Self {
        if n.enhanced_route_refresh { Self::Negotiated } else { Self::Absent }
    }
}

/// A wrong length: the end of the session.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RouteRefreshError {
    /// Subtype 1 or 2 where enhanced refresh was negotiated (RFC 7313 §5), with the message.
    #[error("a ROUTE-REFRESH of {} octets, not 23", .0.len())]
    Enhanced(Bytes),
    /// Any other, with the length (RFC 4271 §6.1).
    #[error("a ROUTE-REFRESH of {0} octets, not 23")]
    Plain(u16),
}

impl RouteRefreshError {
    /// What goes on the wire for it.
    #[must_use]
    pub fn notification(&self) -> Notification {
        match self {
            // RFC 7313 §5: the data is the complete message.
            Self::Enhanced(message) => {
                Notification { code: notification::ROUTE_REFRESH, subcode: 1, data: message.clone() }
            }
            Self::Plain(len) => Notification::new(notification::HEADER, 2, &len.to_be_bytes()),
        }
    }
}

impl RouteRefresh {
    /// A whole message, header included.
    ///
    /// # Errors
    /// The length is wrong.
    pub fn decode(raw: &[u8], enhanced: EnhancedRefresh) -> Result<Self, RouteRefreshError> {
        let body = raw.get(HEADER_LEN..).unwrap_or_default();
        let plain = || RouteRefreshError::Plain(u16::try_from(raw.len()).unwrap_or(u16::MAX));
        let subtype = match (body.get(2), enhanced) {
            // RFC 7313 §5: the length of subtypes 1 and 2 must be 4.
            (Some(1 | 2), EnhancedRefresh::Negotiated) if body.len() != BODY_LEN => {
                return Err(RouteRefreshError::Enhanced(Bytes::copy_from_slice(raw)));
            }
            (Some(1 | 2), EnhancedRefresh::Absent) if body.len() != BODY_LEN => return Err(plain()),
            (Some(0), _) if body.len() == BODY_LEN => RefreshSubtype::Request,
            (Some(1), _) => RefreshSubtype::Begin,
            (Some(2), _) => RefreshSubtype::End,
            (Some(&other), _) => RefreshSubtype::Unknown(other),
            (None, _) => return Err(plain()),
        };
        let mut r = Reader::new(body);
        match (r.u16(), r.u8(), r.u8()) {
            (Ok(afi), Ok(_), Ok(safi)) => Ok(Self { family: Family::new(afi, safi), subtype }),
            _ => Err(plain()),
        }
    }

    /// Appends the whole message.
    pub fn encode(&self, out: &mut BytesMut) {
        encode_message(out, MessageType::RouteRefresh, |b| {
            b.put_u16(self.family.afi.0);
            b.put_u8(self.subtype.octet());
            b.put_u8(self.family.safi.0);
        });
    }
}

impl RefreshSubtype {
    const fn octet(self) -> u8 {
        match self {
            Self::Request => 0,
            Self::Begin => 1,
            Self::End => 2,
            Self::Unknown(n) => n,
        }
    }
}

#[cfg(test)]
mod tests;
