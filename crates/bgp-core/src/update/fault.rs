//! What is wrong with an UPDATE, and what is done about it (RFC 7606 §2).

use std::fmt;

use bytes::Bytes;
use thiserror::Error;

use crate::asn::Asn;
use crate::attr::AttrCode;
use crate::family::Family;
use crate::nlri::NlriError;
use crate::notification::Notification;

/// What is done about a fault, weakest first; the strongest of an UPDATE wins (RFC 7606 §3(h)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultAction {
    /// The attribute is removed, the routes stay.
    AttributeDiscard,
    /// The routes of the UPDATE are handled as if they had been withdrawn.
    TreatAsWithdraw,
    /// The session ends with a NOTIFICATION.
    SessionReset,
}

impl fmt::Display for FaultAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::AttributeDiscard => "attribute discarded",
            Self::TreatAsWithdraw => "treated as withdraw",
            Self::SessionReset => "session reset",
        })
    }
}

/// What is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum FaultKind {
    /// The attribute's flags contradict its type (RFC 7606 §3(c)).
    #[error("flags {0:#04x} contradict the attribute's type")]
    Flags(u8),
    /// The attribute's length is impossible.
    #[error("length {0} is impossible")]
    Length(u16),
    /// The attribute list ends inside an attribute (RFC 7606 §4).
    #[error("the attribute list ends inside an attribute")]
    Overrun,
    /// A value that does not exist or must not be used.
    #[error("the value is not valid")]
    Value,
    /// TLVs or inner attributes do not fill the attribute exactly.
    #[error("the TLVs inside are malformed")]
    Structure,
    /// A segment of AS_PATH is malformed, or of a type that the session must not carry.
    #[error("a path segment is malformed")]
    Segment,
    /// AS 0 (RFC 7607 §2).
    #[error("AS 0 must not occur")]
    AsZero,
    /// AS_SET or AS_CONFED_SET (RFC 9774 §3).
    #[error("AS sets are not accepted")]
    AsSet,
    /// The first AS is not the peer's (RFC 4271 §6.3).
    #[error("the first AS is not the peer's AS {expected}")]
    FirstAs {
        /// The AS that it has to be.
        expected: Asn,
    },
    /// The path is longer than what is accepted.
    #[error("the AS path has {0} hops, more than is accepted")]
    PathTooLong(u16),
    /// No usable next hop: unspecified, loopback, multicast, broadcast or our own address (RFC 4271 §6.3).
    #[error("the next hop is not usable")]
    NextHop,
    /// A mandatory attribute is missing (RFC 7606 §3(d)).
    #[error("the attribute is missing")]
    Missing,
    /// The attribute stands there again; the first counts (RFC 7606 §3(g)).
    #[error("the attribute is repeated")]
    Duplicate,
    /// Not for this session: from an external peer, from a 4-octet speaker, or not enabled.
    #[error("the attribute does not belong on this session")]
    NotForSession,
    /// Unknown, and said to be well-known (RFC 4271 §6.3).
    #[error("unknown well-known attribute")]
    UnknownWellKnown,
    /// Routes of a family that was not negotiated (RFC 4760 §6).
    #[error("routes of {0}, which was not negotiated")]
    Family(Family),
}

/// One fault of an UPDATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct AttrFault {
    /// The attribute; none where it is the list or the message.
    pub code: Option<AttrCode>,
    /// What is wrong.
    pub kind: FaultKind,
    /// What is done about it.
    pub action: FaultAction,
    /// The RFC and section that say so.
    pub section: &'static str,
    /// Where the attribute begins: octets from the beginning of the message's body.
    pub offset: u16,
}

impl fmt::Display for AttrFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "{code} at octet {}: ", self.offset)?,
            None => write!(f, "octet {}: ", self.offset)?,
        }
        write!(f, "{}; {} ({})", self.kind, self.action, self.section)
    }
}

/// Why an UPDATE ends the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ResetReason {
    /// Withdrawn Routes Length or Total Attribute Length goes beyond the message (RFC 7606 §3(b)).
    #[error("a length field goes beyond the message (RFC 7606 §3(b))")]
    Lengths,
    /// MP_REACH_NLRI or MP_UNREACH_NLRI twice (RFC 7606 §3(g)).
    #[error("{0} is there twice (RFC 7606 §3(g))")]
    Repeated(AttrCode),
    /// An error that asks for more than discarding the attribute, and no reachable NLRI to withdraw (RFC 7606 §5.2).
    #[error("no NLRI to treat as withdrawn (RFC 7606 §5.2) after: {0}")]
    NoNlri(AttrFault),
    /// The Withdrawn Routes or NLRI field is malformed (RFC 7606 §3(i), §3(j), §5.3).
    #[error("malformed NLRI (RFC 7606 §5.3): {0}")]
    Nlri(NlriError),
    /// MP_REACH_NLRI or MP_UNREACH_NLRI cannot be read (RFC 7606 §7.11, §7.12).
    #[error("{0} is too short or its next hop has an impossible length (RFC 7606 §7.11, §7.12)")]
    Multiprotocol(AttrCode),
    /// NLRI inside MP_REACH_NLRI or MP_UNREACH_NLRI are malformed (RFC 7606 §5.3).
    #[error("malformed NLRI in {0} (RFC 7606 §5.3): {1}")]
    MultiprotocolNlri(AttrCode, NlriError),
}

/// An UPDATE that ends the session, with what goes on the wire for it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{reason}")]
pub struct SessionReset {
    /// Why.
    pub reason: ResetReason,
    /// Subcode of the UPDATE Message Error.
    pub(super) subcode: u8,
    /// Data of the NOTIFICATION.
    pub(super) data: Bytes,
}

impl SessionReset {
    /// What goes on the wire (RFC 4271 §6.3).
    #[must_use]
    pub fn notification(&self) -> Notification {
        Notification { code: 3, subcode: self.subcode, data: self.data.clone() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the log says of a fault: where, what, what is done, and who says so.
    #[test]
    fn in_words() {
        let fault =
            |code, action| AttrFault {
                code, kind: FaultKind::Length(3), action, section: "RFC 7606 §7.1", offset: 27
            };
        let rows = [
            (
                fault(Some(AttrCode::ORIGIN), FaultAction::TreatAsWithdraw),
                "ORIGIN at octet 27: ",
                "treated as withdraw",
            ),
            (fault(None, FaultAction::AttributeDiscard), "octet 27: ", "attribute discarded"),
            (fault(None, FaultAction::SessionReset), "octet 27: ", "session reset"),
        ];
        for (fault, place, action) in rows {
            assert_eq!(fault.to_string(), format!("{place}length 3 is impossible; {action} (RFC 7606 §7.1)"));
        }
    }

    /// RFC 4271 §6.3: UPDATE Message Error with its subcode and data.
    #[test]
    fn on_the_wire() {
        let reset = SessionReset { reason: ResetReason::Lengths, subcode: 9, data: Bytes::from_static(&[1, 2]) };
        assert_eq!(reset.notification(), Notification::new(3, 9, &[1, 2]));
        assert_eq!(reset.to_string(), "a length field goes beyond the message (RFC 7606 §3(b))");
    }
}
