//! Framing: whole messages out of a byte stream (RFC 4271 §4.1, §6.1; RFC 8654 §4).

use bytes::{Buf, BytesMut};
use thiserror::Error;

use crate::message::{HEADER_LEN, MAX_EXTENDED_LEN, MAX_LEN, MessageType};
use crate::notification::{self, Notification};

/// One whole message, borrowed from the framer's buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// Its type.
    pub kind: MessageType,
    /// All of it, header included.
    pub raw: &'a [u8],
}

impl<'a> Frame<'a> {
    /// What follows the header.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        self.raw.get(HEADER_LEN..).unwrap_or_default()
    }
}

/// What is wrong with a header: always the end of the session (RFC 4271 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum HeaderError {
    /// The marker is not all ones.
    #[error("the marker is not all ones: this is no BGP message")]
    Marker,
    /// The length is impossible for the type, or above what was negotiated.
    #[error("length {0} is impossible for this message")]
    Length(u16),
    /// A NOTIFICATION without room for code and subcode.
    #[error("a NOTIFICATION of length {0} is too short")]
    NotificationLength(u16),
    /// No such message type.
    #[error("message type {0} does not exist")]
    Type(u8),
}

impl HeaderError {
    /// What goes on the wire for it before the connection is closed (RFC 4271 §6.1); none for a malformed
    /// NOTIFICATION, which is never answered with another (RFC 4271 §6.4).
    #[must_use]
    pub fn notification(self) -> Option<Notification> {
        match self {
            Self::Marker => Some(Notification::new(notification::HEADER, 1, &[])),
            Self::Length(len) => Some(Notification::new(notification::HEADER, 2, &len.to_be_bytes())),
            Self::NotificationLength(_) => None,
            Self::Type(t) => Some(Notification::new(notification::HEADER, 3, &[t])),
        }
    }
}

/// Splits a byte stream into messages.
///
/// Call [`push`](Self::push) with what was read, then [`next`](Self::next) until it returns `Ok(None)`. After an error
/// the stream has no further messages. The buffer holds what was pushed and not yet taken.
#[derive(Debug, Default)]
pub struct Framer {
    buf: BytesMut,
    taken: usize,
    extended: bool,
}

/// Octets that a framer may hold for an unfinished message, however short.
const RELEASE_ABOVE: usize = 4096;

impl Framer {
    /// An empty one, for messages of at most 4096 octets.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// From now on UPDATE, NOTIFICATION and ROUTE-REFRESH may have up to 65535 octets (RFC 8654 §4).
    pub fn allow_extended(&mut self) {
        self.extended = true;
    }

    /// Appends what was read.
    pub fn push(&mut self, bytes: &[u8]) {
        self.drop_taken();
        self.buf.extend_from_slice(bytes);
    }

    /// Gives back what the buffer holds beyond the unfinished message, so that an idle connection costs nothing.
    pub fn release(&mut self) {
        self.drop_taken();
        if self.buf.is_empty() {
            self.buf = BytesMut::new();
        } else if self.buf.capacity() > RELEASE_ABOVE.max(self.buf.len().saturating_mul(2)) {
            self.buf = BytesMut::from(&self.buf[..]);
        }
    }

    /// Octets that were pushed and not yet taken.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.buf.len() - self.taken
    }

    /// The next whole message; none when more bytes are needed.
    ///
    /// # Errors
    /// The header is wrong; known from its 19 octets, the body is not awaited.
    #[expect(clippy::should_implement_trait, reason = "it lends from itself")]
    pub fn next(&mut self) -> Result<Option<Frame<'_>>, HeaderError> {
        self.drop_taken();
        let Some((len, kind)) = self.header()? else { return Ok(None) };
        let Some(raw) = self.buf.get(..len) else { return Ok(None) };
        self.taken = len;
        Ok(Some(Frame { kind, raw }))
    }

    fn header(&self) -> Result<Option<(usize, MessageType)>, HeaderError> {
        let Some((header, _)) = self.buf.split_first_chunk::<HEADER_LEN>() else { return Ok(None) };
        let [marker @ .., l0, l1, type_octet] = header;
        if *marker != [255; 16] {
            return Err(HeaderError::Marker);
        }
        let wire_len = u16::from_be_bytes([*l0, *l1]);
        let len = usize::from(wire_len);
        let kind = MessageType::from_octet(*type_octet);
        let max = if self.extended { MAX_EXTENDED_LEN } else { MAX_LEN };
        let (min, max) = match kind {
            // RFC 8654 §4: OPEN and KEEPALIVE keep the old maximum.
            Some(MessageType::Open) => (29, MAX_LEN),
            Some(MessageType::Update) => (23, max),
            Some(MessageType::Notification) => (21, max),
            Some(MessageType::Keepalive) => (19, 19),
            // The length of a ROUTE-REFRESH is judged by its decoder: RFC 7313 §5 has a code of its own for it.
            Some(MessageType::RouteRefresh) | None => (19, max),
        };
        if len < min && kind == Some(MessageType::Notification) {
            return Err(HeaderError::NotificationLength(wire_len));
        }
        if len < min || len > max {
            return Err(HeaderError::Length(wire_len));
        }
        let kind = kind.ok_or(HeaderError::Type(*type_octet))?;
        Ok(Some((len, kind)))
    }

    fn drop_taken(&mut self) {
        self.buf.advance(self.taken);
        self.taken = 0;
    }
}

#[cfg(test)]
mod tests;
