//! Keys of the TCP Authentication Option.

use std::path::PathBuf;

/// A key of a peer (RFC 5925 §3.1): its numbers, how it signs, and where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AoKey {
    /// SendID: the KeyID of what we send.
    pub send_id: u8,
    /// RecvID: the KeyID of what we accept.
    pub recv_id: u8,
    /// How segments are signed.
    pub algorithm: AoAlgorithm,
    /// File with the key: its text without the end of line. Read when sessions are started.
    pub file: PathBuf,
}

/// The algorithms of RFC 5926 §2.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AoAlgorithm {
    /// HMAC-SHA-1-96.
    #[default]
    HmacSha1,
    /// AES-128-CMAC-96.
    CmacAes128,
}

impl AoAlgorithm {
    /// The word of a configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::HmacSha1 => "hmac-sha-1-96",
            Self::CmacAes128 => "cmac-aes-128",
        }
    }
}
