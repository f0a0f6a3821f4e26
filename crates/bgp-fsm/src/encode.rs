//! Messages of the state machine as bytes.

use bytes::{Bytes, BytesMut};
use heddle_bgp_core::message::{KEEPALIVE, MessageType, encode_message};

use crate::action::Message;

pub(crate) fn encode(message: &Message) -> Bytes {
    let mut out = BytesMut::new();
    match message {
        Message::Keepalive => return Bytes::from_static(&KEEPALIVE),
        Message::Open(_open, _form) => {}
        Message::Notification(n) => {
            encode_message(&mut out, MessageType::Notification, |b| {
                b.extend_from_slice(&[n.code, n.subcode]);
                b.extend_from_slice(&n.data);
            });
        }
    }
    out.freeze()
}
