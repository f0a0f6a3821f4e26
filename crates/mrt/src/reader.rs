//! Records out of a byte stream, plain or compressed.

use std::io::{self, BufReader, Chain, Cursor, Read};

use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use heddle_bgp_core::reader::Reader as Octets;
use thiserror::Error;

use crate::header::{HEADER_LEN, Header, kind};
use crate::record::{MalformedRecord, Record};

/// The longest record that is read: a table entry of 65535 peers with large attributes stays below.
pub const MAX_RECORD_LEN: u32 = 32 << 20;

/// What is read ahead of a file, and of what is uncompressed.
const READ_AHEAD: usize = 32 << 10;

/// Why a file cannot be read on. Offsets count octets of the uncompressed content.
#[derive(Debug, Error)]
pub enum MrtError {
    /// The file ends inside a record.
    #[error("the file is cut: it ends inside the record that begins at octet {offset}")]
    Truncated {
        /// Where the record begins.
        offset: u64,
    },
    /// No record of an MRT file.
    #[error("at octet {offset} there is no MRT record (type {kind}): the file is of another kind or damaged")]
    Foreign {
        /// Where a record should begin.
        offset: u64,
        /// What stands in place of its type.
        kind: u16,
    },
    /// A record that is longer than any real one.
    #[error("the record at octet {offset} claims {len} octets, more than any MRT record has: the file is damaged")]
    TooLong {
        /// Where the record begins.
        offset: u64,
        /// Its length field.
        len: u32,
    },
    /// Reading or uncompressing failed.
    #[error("reading failed at octet {offset}: {source}")]
    Io {
        /// Where the record begins that was being read.
        offset: u64,
        /// Why.
        source: io::Error,
    },
}

impl MrtError {
    /// Where it happened: the beginning of the record that could not be read.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        match self {
            Self::Truncated { offset }
            | Self::Foreign { offset, .. }
            | Self::TooLong { offset, .. }
            | Self::Io { offset, .. } => *offset,
        }
    }
}

/// A record as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawRecord<'a> {
    /// Where it begins in the uncompressed content, in octets.
    pub offset: u64,
    /// Its header.
    pub header: Header,
    /// What follows the header, and the microseconds where there are any.
    pub body: &'a [u8],
}

impl<'a> RawRecord<'a> {
    /// The typed form.
    ///
    /// # Errors
    /// The body does not have the form of its type. The next record can be read all the same.
    pub fn decode(&self) -> Result<Record<'a>, MalformedRecord> {
        Record::decode(self.header, self.body)
    }
}

type Source<R> = BufReader<Chain<Cursor<Vec<u8>>, R>>;

enum Stream<R: Read> {
    Plain(Source<R>),
    Gzip(Box<BufReader<MultiGzDecoder<Source<R>>>>),
    Bzip2(Box<BufReader<MultiBzDecoder<Source<R>>>>),
}

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(r) => r.read(buf),
            Self::Gzip(r) => r.read(buf),
            Self::Bzip2(r) => r.read(buf),
        }
    }
}

/// Reads records one after another.
pub struct Reader<R: Read> {
    stream: Stream<R>,
    offset: u64,
    body: Vec<u8>,
}

impl<R: Read> std::fmt::Debug for Reader<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reader").field("offset", &self.offset).finish_non_exhaustive()
    }
}

impl<R: Read> Reader<R> {
    /// Over `inner`, which is uncompressed where its first octets say gzip or bzip2.
    ///
    /// # Errors
    /// The first octets cannot be read.
    pub fn new(mut inner: R) -> Result<Self, MrtError> {
        let mut magic = Vec::with_capacity(3);
        inner.by_ref().take(3).read_to_end(&mut magic).map_err(|source| MrtError::Io { offset: 0, source })?;
        let gzip = magic.starts_with(&[0x1f, 0x8b]);
        let bzip2 = magic.starts_with(b"BZh");
        let source = BufReader::with_capacity(READ_AHEAD, Cursor::new(magic).chain(inner));
        let stream = if gzip {
            Stream::Gzip(Box::new(BufReader::with_capacity(READ_AHEAD, MultiGzDecoder::new(source))))
        } else if bzip2 {
            Stream::Bzip2(Box::new(BufReader::with_capacity(READ_AHEAD, MultiBzDecoder::new(source))))
        } else {
            Stream::Plain(source)
        };
        Ok(Self { stream, offset: 0, body: Vec::new() })
    }

    /// The next record; none at the end of the file.
    ///
    /// # Errors
    /// The file is cut, damaged or no MRT file; nothing can be read after that.
    #[expect(clippy::should_implement_trait, reason = "it lends from itself")]
    pub fn next(&mut self) -> Result<Option<RawRecord<'_>>, MrtError> {
        let offset = self.offset;
        self.read(HEADER_LEN as u64)?;
        if self.body.is_empty() {
            return Ok(None);
        }
        let cut = MrtError::Truncated { offset };
        let mut r = Octets::new(&self.body);
        let (Ok(seconds), Ok(kind), Ok(subtype), Ok(len)) = (r.u32(), r.u16(), r.u16(), r.u32()) else {
            return Err(cut);
        };
        if !kind::is_assigned(kind) {
            return Err(MrtError::Foreign { offset, kind });
        }
        if len > MAX_RECORD_LEN {
            return Err(MrtError::TooLong { offset, len });
        }
        self.read(u64::from(len))?;
        if u64::try_from(self.body.len()) != Ok(u64::from(len)) {
            return Err(cut);
        }
        self.offset = offset + HEADER_LEN as u64 + u64::from(len);
        let mut body = Octets::new(&self.body);
        // RFC 6396 §3: the microseconds count in the length. Where there is no room for them the body is malformed,
        // which its decoder sees.
        let micros = if kind::is_extended(kind) { body.u32().ok() } else { None };
        Ok(Some(RawRecord { offset, header: Header { seconds, micros, kind, subtype }, body: body.rest() }))
    }

    /// Octets of uncompressed content in the records that were read.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Fills the buffer with the next `len` octets, or with what is left. The buffer grows with what is there, not with
    /// what a length field claims.
    fn read(&mut self, len: u64) -> Result<(), MrtError> {
        self.body.clear();
        let offset = self.offset;
        match self.stream.by_ref().take(len).read_to_end(&mut self.body) {
            Ok(_) => Ok(()),
            // The decoders say so where the compressed file is cut.
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof => Err(MrtError::Truncated { offset }),
            Err(source) => Err(MrtError::Io { offset, source }),
        }
    }
}

#[cfg(test)]
mod tests;
