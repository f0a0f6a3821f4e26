//! Message types and the fixed header (RFC 4271 §4.1).

use std::fmt;

use bytes::BytesMut;

/// Octets of the header: marker 16, length 2, type 1.
pub const HEADER_LEN: usize = 19;
/// The largest message without extended messages, and the largest OPEN always (RFC 4271 §4.1).
pub const MAX_LEN: usize = 4096;
/// The largest message with extended messages (RFC 8654 §4).
pub const MAX_EXTENDED_LEN: usize = 65535;

/// The type octet of a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum MessageType {
    /// RFC 4271 §4.2.
    Open = 1,
    /// RFC 4271 §4.3.
    Update = 2,
    /// RFC 4271 §4.5.
    Notification = 3,
    /// RFC 4271 §4.4.
    Keepalive = 4,
    /// RFC 2918 §3.
    RouteRefresh = 5,
}

impl MessageType {
    /// The type of a type octet.
    #[must_use]
    pub const fn from_octet(octet: u8) -> Option<Self> {
        match octet {
            1 => Some(Self::Open),
            2 => Some(Self::Update),
            3 => Some(Self::Notification),
            4 => Some(Self::Keepalive),
            5 => Some(Self::RouteRefresh),
            _ => None,
        }
    }
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Open => "OPEN",
            Self::Update => "UPDATE",
            Self::Notification => "NOTIFICATION",
            Self::Keepalive => "KEEPALIVE",
            Self::RouteRefresh => "ROUTE-REFRESH",
        })
    }
}

/// A whole KEEPALIVE (RFC 4271 §4.4).
pub const KEEPALIVE: [u8; HEADER_LEN] =
    [255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0, 19, 4];

/// Appends a message: the header, and what `body` appends; returns the length of the whole.
///
/// The caller keeps the message within the negotiated maximum; a longer one is cut from `out` again and reported as
/// none.
pub fn encode_message(out: &mut BytesMut, kind: MessageType, body: impl FnOnce(&mut BytesMut)) -> Option<usize> {
    let start = out.len();
    out.extend_from_slice(&[255; 16]);
    out.extend_from_slice(&[0, 0, kind as u8]);
    body(out);
    let len = out.len() - start;
    let Ok(wire_len) = u16::try_from(len) else {
        out.truncate(start);
        return None;
    };
    out.get_mut(start + 16..start + 18)?.copy_from_slice(&wire_len.to_be_bytes());
    Some(len)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4271 §4.1, RFC 2918 §3.
    #[test]
    fn types() {
        let names = ["OPEN", "UPDATE", "NOTIFICATION", "KEEPALIVE", "ROUTE-REFRESH"];
        for octet in 0..=u8::MAX {
            let kind = MessageType::from_octet(octet);
            assert_eq!(kind.map(|k| k as u8), (1..=5).contains(&octet).then_some(octet));
            let name = names.get(usize::from(octet).wrapping_sub(1)).map(ToString::to_string);
            assert_eq!(kind.map(|k| k.to_string()), name);
        }
    }

    /// Messages stand one behind the other, each with its own length.
    #[test]
    fn one_message_after_another() {
        let mut out = BytesMut::new();
        assert_eq!(encode_message(&mut out, MessageType::Keepalive, |_| {}), Some(19));
        assert_eq!(encode_message(&mut out, MessageType::Update, |b| b.extend_from_slice(&[7; 300])), Some(319));
        assert_eq!(encode_message(&mut out, MessageType::Keepalive, |_| {}), Some(19));
        let update = [&[255; 16][..], &[1, 63, 2], &[7; 300]].concat();
        assert_eq!(out[..], [&KEEPALIVE[..], &update, &KEEPALIVE].concat());
    }

    /// What no length can say is not begun.
    #[test]
    fn too_long_is_left_out() {
        let mut out = BytesMut::from(&KEEPALIVE[..]);
        let mut body = |len: usize| {
            encode_message(&mut out, MessageType::Update, |b| b.extend_from_slice(&vec![0; len - HEADER_LEN]))
        };
        assert_eq!(body(MAX_EXTENDED_LEN + 1), None);
        assert_eq!(body(MAX_EXTENDED_LEN), Some(MAX_EXTENDED_LEN));
        assert_eq!(out.len(), HEADER_LEN + MAX_EXTENDED_LEN);
    }
}
