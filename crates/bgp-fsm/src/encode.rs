//! Messages of the state machine as bytes.

use bytes::{Bytes, BytesMut};
use heddle_bgp_core::Open;
use heddle_bgp_core::message::{KEEPALIVE, MAX_LEN};
use heddle_bgp_core::open::OptionalParameters;

use crate::action::Message;

pub(crate) fn encode(message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    match message {
        Message::Keepalive => return Bytes::from_static(&KEEPALIVE),
        Message::Open(open, form) => encode_open(open, *form, &mut out),
        // Any peer takes 4096 octets, whatever was negotiated (RFC 8654 §4).
        Message::Notification(n) => n.encode(&mut out, MAX_LEN),
    }
    out.freeze()
}

/// An OPEN that is too long loses capabilities from the end until it fits; the state machine's own are always short.
fn encode_open(open: &Open, form: OptionalParameters, out: &mut BytesMut) {
    let mut open = open.clone();
    while open.encode(out, form).is_err() && open.capabilities.pop().is_some() {}
}
