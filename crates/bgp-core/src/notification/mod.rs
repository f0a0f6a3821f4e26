//! NOTIFICATION: codes, subcodes and their data (RFC 4271 §4.5 and §6, RFC 4486, RFC 6608, RFC 7313, RFC 8538, RFC 9003,
//! RFC 9234, RFC 9384, RFC 9687).
//!
//! Whatever comes in is kept: unknown codes, data that does not fit its code. [`Display`](fmt::Display) is made for a
//! log line that is read at night: the names of IANA's registry and the data in words, with control characters escaped.

mod names;

use std::fmt;

use bytes::{BufMut, Bytes, BytesMut};

use crate::asn::Asn;
use crate::capability::Capability;
use crate::family::Family;
use crate::message::{HEADER_LEN, MAX_EXTENDED_LEN, MAX_LEN, MessageType, encode_message};
use crate::reader::Reader;

/// Message Header Error (RFC 4271 §6.1).
pub const HEADER: u8 = 1;
/// OPEN Message Error (RFC 4271 §6.2).
pub const OPEN: u8 = 2;
/// UPDATE Message Error (RFC 4271 §6.3).
pub const UPDATE: u8 = 3;
/// Hold Timer Expired (RFC 4271 §6.5).
pub const HOLD_TIMER: u8 = 4;
/// Finite State Machine Error (RFC 4271 §6.6).
pub const FSM: u8 = 5;
/// Cease (RFC 4271 §6.7).
pub const CEASE: u8 = 6;
/// ROUTE-REFRESH Message Error (RFC 7313 §5).
pub const ROUTE_REFRESH: u8 = 7;
/// Send Hold Timer Expired (RFC 9687 §3.2).
pub const SEND_HOLD_TIMER: u8 = 8;

/// The longest shutdown communication in octets (RFC 9003 §2).
pub const MAX_SHUTDOWN_TEXT: usize = 255;

/// Subcodes of [`CEASE`] (RFC 4486 §3).
pub mod cease {
    /// Maximum Number of Prefixes Reached.
    pub const MAX_PREFIXES: u8 = 1;
    /// Administrative Shutdown; may carry a text (RFC 9003).
    pub const ADMIN_SHUTDOWN: u8 = 2;
    /// Peer De-configured.
    pub const DECONFIGURED: u8 = 3;
    /// Administrative Reset; may carry a text (RFC 9003).
    pub const ADMIN_RESET: u8 = 4;
    /// Connection Rejected.
    pub const REJECTED: u8 = 5;
    /// Other Configuration Change.
    pub const CONFIG_CHANGE: u8 = 6;
    /// Connection Collision Resolution.
    pub const COLLISION: u8 = 7;
    /// Out of Resources.
    pub const OUT_OF_RESOURCES: u8 = 8;
    /// Hard Reset (RFC 8538 §3.1).
    pub const HARD_RESET: u8 = 9;
    /// BFD Down (RFC 9384 §3).
    pub const BFD_DOWN: u8 = 10;
}

/// The state in which a message came that has no place there (RFC 6608 §3), with its subcode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum UnexpectedIn {
    /// OpenSent.
    OpenSent = 1,
    /// OpenConfirm.
    OpenConfirm = 2,
    /// Established.
    Established = 3,
}

/// A NOTIFICATION. Code points that we do not know are kept.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Notification {
    /// Error code.
    pub code: u8,
    /// Error subcode.
    pub subcode: u8,
    /// Data; its meaning depends on code and subcode.
    pub data: Bytes,
}

impl Notification {
    /// One with a copy of `data`.
    #[must_use]
    pub fn new(code: u8, subcode: u8, data: &[u8]) -> Self {
        Self { code, subcode, data: Bytes::copy_from_slice(data) }
    }

    /// What follows the header of a NOTIFICATION; none when it has not even code and subcode, which the framer
    /// excludes (RFC 4271 §4.5: at least 21 octets).
    #[must_use]
    pub fn decode(body: &[u8]) -> Option<Self> {
        let mut r = Reader::new(body);
        let [code, subcode] = r.array().ok()?;
        Some(Self::new(code, subcode, r.rest()))
    }

    /// Appends the whole message. Data beyond `max_message_len` octets of message (4096, or what was negotiated,
    /// RFC 8654 §4) is cut: the reason matters more than the evidence.
    pub fn encode(&self, out: &mut BytesMut, max_message_len: usize) {
        let room = max_message_len.clamp(MAX_LEN, MAX_EXTENDED_LEN) - HEADER_LEN - 2;
        let data = self.data.get(..room).unwrap_or(&self.data);
        encode_message(out, MessageType::Notification, |b| {
            b.extend_from_slice(&[self.code, self.subcode]);
            b.extend_from_slice(data);
        });
    }

    /// Name of the code.
    #[must_use]
    pub fn code_name(&self) -> Option<&'static str> {
        names::CODES.iter().find(|(code, _)| *code == self.code).map(|(_, name)| *name)
    }

    /// Name of the subcode.
    #[must_use]
    pub fn subcode_name(&self) -> Option<&'static str> {
        names::SUBCODES.iter().find(|(c, s, _)| (*c, *s) == (self.code, self.subcode)).map(|(_, _, name)| *name)
    }

    /// The text that came with an Administrative Shutdown or Reset (RFC 9003 §2), invalid UTF-8 replaced; none
    /// without text, and none where the length exceeds the data, which §4 of the RFC calls malformed.
    #[must_use]
    pub fn shutdown_text(&self) -> Option<String> {
        if self.code != CEASE || !matches!(self.subcode, cease::ADMIN_SHUTDOWN | cease::ADMIN_RESET) {
            return None;
        }
        let mut r = Reader::new(&self.data);
        let len = usize::from(r.u8().ok()?);
        let text = r.take(len).ok().filter(|t| !t.is_empty())?;
        Some(String::from_utf8_lossy(text).into_owned())
    }

    /// Whether this ends the session for good even where both sides keep routes over a NOTIFICATION (RFC 8538 §3.1);
    /// so it is whatever its data.
    #[must_use]
    pub const fn is_hard_reset(&self) -> bool {
        self.code == CEASE && self.subcode == cease::HARD_RESET
    }

    /// The NOTIFICATION inside a Hard Reset (RFC 8538 §3.1); none in others, or where it is cut.
    #[must_use]
    pub fn encapsulated(&self) -> Option<Self> {
        if self.is_hard_reset() { Self::decode(&self.data) } else { None }
    }

    /// This one inside a Hard Reset (RFC 8538 §3.1); a Hard Reset stays as it is.
    #[must_use]
    pub fn into_hard_reset(self) -> Self {
        if self.is_hard_reset() {
            return self;
        }
        let mut data = BytesMut::with_capacity(2 + self.data.len());
        data.put_u8(self.code);
        data.put_u8(self.subcode);
        data.extend_from_slice(&self.data);
        Self { code: CEASE, subcode: cease::HARD_RESET, data: data.freeze() }
    }
}

/// What we send, besides what the errors of the decoders say themselves.
impl Notification {
    /// Hold Timer Expired (RFC 4271 §6.5).
    #[must_use]
    pub fn hold_timer_expired() -> Self {
        Self::new(HOLD_TIMER, 0, &[])
    }

    /// Send Hold Timer Expired (RFC 9687 §3.2).
    #[must_use]
    pub fn send_hold_timer_expired() -> Self {
        Self::new(SEND_HOLD_TIMER, 0, &[])
    }

    /// Finite State Machine Error: a message of type `kind` came where it has no place; the type is the data
    /// (RFC 6608 §3).
    #[must_use]
    pub fn unexpected_message(state: UnexpectedIn, kind: MessageType) -> Self {
        Self::new(FSM, state as u8, &[kind as u8])
    }

    /// The peer's AS is not the configured one (RFC 4271 §6.2).
    #[must_use]
    pub fn bad_peer_as() -> Self {
        Self::new(OPEN, 2, &[])
    }

    /// The peer's BGP Identifier is zero, or ours on iBGP (RFC 6286 §2.1).
    #[must_use]
    pub fn bad_bgp_id() -> Self {
        Self::new(OPEN, 3, &[])
    }

    /// A hold time that we do not accept, which is the data (RFC 4271 §6.2).
    #[must_use]
    pub fn unacceptable_hold_time(seconds: u16) -> Self {
        Self::new(OPEN, 6, &seconds.to_be_bytes())
    }

    /// The peer lacks capabilities without which there is no session; the data lists them (RFC 5492 §3, §5).
    #[must_use]
    pub fn unsupported_capability(required: &[Capability]) -> Self {
        let mut data = BytesMut::new();
        for capability in required {
            capability.encode(&mut data);
        }
        Self { code: OPEN, subcode: 7, data: data.freeze() }
    }

    /// The roles do not fit each other, or a required one is missing (RFC 9234 §4.2).
    #[must_use]
    pub fn role_mismatch() -> Self {
        Self::new(OPEN, 11, &[])
    }

    /// Cease: more prefixes of `family` than `limit` (RFC 4486 §4: the data is AFI, SAFI and the limit).
    #[must_use]
    pub fn max_prefixes(family: Family, limit: u32) -> Self {
        let mut data = BytesMut::with_capacity(7);
        data.put_u16(family.afi.0);
        data.put_u8(family.safi.0);
        data.put_u32(limit);
        Self { code: CEASE, subcode: cease::MAX_PREFIXES, data: data.freeze() }
    }

    /// Cease: Administrative Shutdown with a text (RFC 9003), cut to 255 octets; an empty one sends no data.
    #[must_use]
    pub fn admin_shutdown(text: &str) -> Self {
        Self { code: CEASE, subcode: cease::ADMIN_SHUTDOWN, data: shutdown_communication(text) }
    }

    /// Cease: Administrative Reset with a text (RFC 9003), cut to 255 octets; an empty one sends no data.
    #[must_use]
    pub fn admin_reset(text: &str) -> Self {
        Self { code: CEASE, subcode: cease::ADMIN_RESET, data: shutdown_communication(text) }
    }

    /// Cease: Peer De-configured (RFC 4486 §4).
    #[must_use]
    pub fn deconfigured() -> Self {
        Self::new(CEASE, cease::DECONFIGURED, &[])
    }

    /// Cease: Connection Rejected (RFC 4486 §4).
    #[must_use]
    pub fn connection_rejected() -> Self {
        Self::new(CEASE, cease::REJECTED, &[])
    }

    /// Cease: Other Configuration Change (RFC 4486 §4).
    #[must_use]
    pub fn config_change() -> Self {
        Self::new(CEASE, cease::CONFIG_CHANGE, &[])
    }

    /// Cease: Connection Collision Resolution (RFC 4271 §6.8, RFC 4486 §4).
    #[must_use]
    pub fn collision() -> Self {
        Self::new(CEASE, cease::COLLISION, &[])
    }

    /// Cease: Out of Resources (RFC 4486 §4).
    #[must_use]
    pub fn out_of_resources() -> Self {
        Self::new(CEASE, cease::OUT_OF_RESOURCES, &[])
    }
}

/// Length octet and text (RFC 9003 §2), cut at a character boundary.
fn shutdown_communication(text: &str) -> Bytes {
    let text = floor_utf8(text, MAX_SHUTDOWN_TEXT);
    match u8::try_from(text.len()) {
        Ok(len) if len > 0 => [&[len], text.as_bytes()].concat().into(),
        Ok(_) | Err(_) => Bytes::new(),
    }
}

/// The longest beginning of `text` with at most `max` octets that ends between characters.
pub(crate) fn floor_utf8(text: &str, max: usize) -> &str {
    text.get(..text.floor_char_boundary(max)).unwrap_or_default()
}

impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code_name() {
            Some(name) => f.write_str(name)?,
            None => write!(f, "error code {}", self.code)?,
        }
        match (self.subcode_name(), self.subcode) {
            (Some(name), _) => write!(f, "/{name}")?,
            // RFC 4271 §4.5: zero where a code has no subcodes or none fits.
            (None, 0) => {}
            (None, n) => write!(f, "/subcode {n}")?,
        }
        self.fmt_data(f)
    }
}

impl Notification {
    /// What the data says, in words where we know its form.
    fn fmt_data(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(text) = self.shutdown_text() {
            // Escapes control characters, so that a peer cannot write to the operator's terminal.
            return write!(f, ": \"{}\"", text.escape_debug());
        }
        match (self.code, self.subcode, &self.data[..]) {
            (_, _, []) | (CEASE, cease::ADMIN_SHUTDOWN | cease::ADMIN_RESET, [0]) => Ok(()),
            (HEADER, 2, &[a, b]) => write!(f, ": length {}", u16::from_be_bytes([a, b])),
            (HEADER, 3, &[kind]) => write!(f, ": type {kind}"),
            (OPEN, 1, &[a, b]) => write!(f, ": version {} is supported", u16::from_be_bytes([a, b])),
            (OPEN, 2, &[a, b]) => write!(f, ": AS {}", u16::from_be_bytes([a, b])),
            (OPEN, 2, &[a, b, c, d]) => write!(f, ": AS {}", Asn(u32::from_be_bytes([a, b, c, d]))),
            (OPEN, 6, &[a, b]) => write!(f, ": {} s", u16::from_be_bytes([a, b])),
            (OPEN, 7, data) => fmt_capability_codes(f, data),
            (FSM, 1..=3, &[kind]) => match MessageType::from_octet(kind) {
                Some(kind) => write!(f, ": {kind}"),
                None => write!(f, ": type {kind}"),
            },
            (CEASE, cease::MAX_PREFIXES, &[afi0, afi1, safi, a, b, c, d]) => {
                let family = Family::new(u16::from_be_bytes([afi0, afi1]), safi);
                write!(f, ": {family}, limit {}", u32::from_be_bytes([a, b, c, d]))
            }
            (CEASE, cease::HARD_RESET, _) => match self.encapsulated() {
                // One level only: what is inside a Hard Reset inside a Hard Reset is shown as octets.
                Some(inner) if !inner.is_hard_reset() => write!(f, " ({inner})"),
                Some(_) | None => fmt_octets(f, &self.data),
            },
            (_, _, data) => fmt_octets(f, data),
        }
    }
}

/// The first 32 octets in hex.
fn fmt_octets(f: &mut fmt::Formatter<'_>, data: &[u8]) -> fmt::Result {
    const SHOWN: usize = 32;
    f.write_str(", data ")?;
    for octet in data.iter().take(SHOWN) {
        write!(f, "{octet:02x}")?;
    }
    if data.len() > SHOWN { write!(f, "... ({} octets)", data.len()) } else { Ok(()) }
}

/// The codes of the capabilities that the peer asks for (RFC 5492 §5).
fn fmt_capability_codes(f: &mut fmt::Formatter<'_>, data: &[u8]) -> fmt::Result {
    let mut r = Reader::new(data);
    let mut codes = Vec::new();
    while let Ok([code, len]) = r.array() {
        codes.push(code);
        if r.take(usize::from(len)).is_err() {
            return fmt_octets(f, data);
        }
    }
    write!(f, ": capability {}", codes.iter().map(u8::to_string).collect::<Vec<_>>().join(", "))
}

#[cfg(test)]
mod tests;
