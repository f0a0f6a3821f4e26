//! Encoding UPDATEs.

use std::iter::Peekable;

use bytes::BytesMut;
use thiserror::Error;

use crate::asn::AsWidth;
use crate::family::Family;
use crate::nlri::{Nlri, PathIds};

/// What encoding has to know about the sessions that it is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EncodeParams {
    /// The family.
    pub family: Family,
    /// Width of AS numbers in AS_PATH and AGGREGATOR.
    pub as_width: AsWidth,
    /// Whether NLRI that we send carry Path Identifiers.
    pub path_ids: PathIds,
    /// The largest message in octets: 4096 or 65535.
    pub max_message_len: usize,
}

/// Attributes that leave no room for a single prefix in a message: the routes cannot be advertised (RFC 4271 §9.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the attributes take {len} octets, which leaves no room for a prefix in a message of {max}")]
pub struct AttributesTooLong {
    /// Octets of the attributes on the wire.
    pub len: usize,
    /// The largest message.
    pub max: usize,
}

/// Writes whole UPDATEs for one family and kind of session.
#[derive(Clone, Debug)]
pub struct Encoder {
    params: EncodeParams,
}

impl Encoder {
    /// An encoder.
    #[must_use]
    pub fn new(params: EncodeParams) -> Self {
        Self { params }
    }

    /// What it encodes for.
    #[must_use]
    pub const fn params(&self) -> EncodeParams {
        self.params
    }

    /// Appends UPDATEs that advertise `nlri` with the attributes of the canonical `block`, until `nlri` is exhausted
    /// or `out` holds `stop_at` octets or more.
    ///
    /// # Errors
    /// The attributes leave no room for a prefix; nothing was appended and nothing taken from `nlri`.
    pub fn advertise(
        &mut self,
        out: &mut BytesMut,
        block: &[u8],
        nlri: &mut Peekable<impl Iterator<Item = Nlri>>,
        stop_at: usize,
    ) -> Result<(), AttributesTooLong> {
        let _ = (out, block, nlri, stop_at);
        todo!("lands next")
    }

    /// Appends UPDATEs that withdraw `nlri`, until it is exhausted or `out` holds `stop_at` octets or more.
    pub fn withdraw(&mut self, out: &mut BytesMut, nlri: &mut Peekable<impl Iterator<Item = Nlri>>, stop_at: usize) {
        let _ = (out, nlri, stop_at);
        todo!("lands next")
    }

    /// Appends End-of-RIB (RFC 4724 §2).
    pub fn end_of_rib(&mut self, out: &mut BytesMut) {
        let _ = out;
        todo!("lands next")
    }
}
