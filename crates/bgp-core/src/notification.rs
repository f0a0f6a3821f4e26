//! NOTIFICATION: codes, subcodes and their data (RFC 4271 §4.5 and §6, RFC 4486, RFC 6608, RFC 7313, RFC 8538, RFC 9003).

use bytes::Bytes;

/// A NOTIFICATION. Code points that we do not know are kept.
#[derive(Clone, PartialEq, Eq, Hash)]
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
}
