//! Change records: what programs (a monitor, the FIB) read from a journal in place of UPDATEs. Each is a change of the
//! best path of a destination.
//!
//! | field | octets |
//! |---|---|
//! | length of the record, this field included | 4 |
//! | kind: 0 withdrawn, 1 announced, 2 end of the initial table | 1 |
//! | AFI | 1 |
//! | prefix length in bits | 1 |
//! | flags of the path ([`PathFlags`]) | 1 |
//! | peer that the path came from ([`PeerId`]) | 2 |
//! | address | 16, IPv4 in the first 4 |
//! | attributes: canonical block | the rest |

use std::iter::Peekable;
use std::net::IpAddr;

use bytes::BytesMut;
use heddle_bgp_core::attr::BlockView;
use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::update::EncodeParams;
use heddle_bgp_core::{AsWidth, Family, Nlri, Prefix};
use thiserror::Error;

use crate::dirty::Announced;
use crate::route::{PathFlags, PeerId, SourceInfo};

const HEAD: usize = 26;
/// Octets that a block has in front in a group's memo: flags, peer.
const BLOCK_HEAD: usize = 3;

/// One change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// The destination has no best path any more.
    Withdrawn(Prefix),
    /// The destination has a new best path.
    Announced {
        /// The destination.
        prefix: Prefix,
        /// The peer that it came from.
        peer: PeerId,
        /// Its flags.
        flags: PathFlags,
        /// Its attributes.
        block: BlockView<'a>,
    },
    /// All that was there when the reader began has been told.
    Complete,
}

/// The octets are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("not a change record")]
pub struct NotARecord;

/// Reads the first record of `data`; with what follows it. None at the end.
///
/// # Errors
/// The octets were not written by a journal of changes.
pub fn read(data: &[u8]) -> Result<Option<(Record<'_>, &[u8])>, NotARecord> {
    let Some((len, _)) = data.split_first_chunk::<4>() else { return Ok(None) };
    let len = usize::try_from(u32::from_be_bytes(*len)).map_err(|_| NotARecord)?;
    let (record, rest) = data.split_at_checked(len).ok_or(NotARecord)?;
    let (head, block) = record.split_first_chunk::<HEAD>().ok_or(NotARecord)?;
    let &[_, _, _, _, kind, afi, bits, flags, p0, p1, ..] = head;
    let addr: [u8; 16] = head[10..].try_into().map_err(|_| NotARecord)?;
    let addr = match (afi, addr) {
        (1, [a, b, c, d, ..]) => IpAddr::from([a, b, c, d]),
        (_, a) => IpAddr::from(a),
    };
    let prefix = Prefix::new(addr, bits).ok_or(NotARecord)?;
    let record = match kind {
        0 => Record::Withdrawn(prefix),
        1 => Record::Announced {
            prefix,
            peer: PeerId(u16::from_be_bytes([p0, p1])),
            flags: PathFlags(flags & 0xf),
            block: BlockView(block),
        },
        2 => Record::Complete,
        _ => return Err(NotARecord),
    };
    Ok(Some((record, rest)))
}

/// What the group's memo keeps of a path.
pub(crate) fn block(block: BlockView<'_>, path: Announced, source: &SourceInfo) -> Vec<u8> {
    let [p0, p1] = source.peer.0.to_be_bytes();
    [&[path.flags.0, p0, p1], block.0].concat()
}

fn push(out: &mut BytesMut, kind: u8, nlri: Option<Nlri>, block: &[u8]) {
    let (head, block) = block.split_at_checked(BLOCK_HEAD).unwrap_or((&[0; BLOCK_HEAD], &[]));
    let len = u32::try_from(HEAD + block.len()).unwrap_or(u32::MAX);
    let (afi, bits, addr) = match nlri.map(|n| (n.prefix.addr(), n.prefix.len())) {
        Some((IpAddr::V4(a), bits)) => {
            let [a, b, c, d] = a.octets();
            (1, bits, [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        }
        Some((IpAddr::V6(a), bits)) => (2, bits, a.octets()),
        None => (1, 0, [0; 16]),
    };
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&[kind, afi, bits]);
    out.extend_from_slice(head);
    out.extend_from_slice(&addr);
    out.extend_from_slice(block);
}

pub(crate) fn advertise(
    out: &mut BytesMut,
    block: &[u8],
    nlri: &mut Peekable<impl Iterator<Item = Nlri>>,
    stop_at: usize,
) {
    while out.len() < stop_at
        && let Some(n) = nlri.next()
    {
        push(out, 1, Some(n), block);
    }
}

pub(crate) fn withdraw(out: &mut BytesMut, nlri: &mut Peekable<impl Iterator<Item = Nlri>>, stop_at: usize) {
    while out.len() < stop_at
        && let Some(n) = nlri.next()
    {
        push(out, 0, Some(n), &[]);
    }
}

pub(crate) fn end_of_rib(out: &mut BytesMut) {
    push(out, 2, None, &[]);
}

/// A group of records encodes no UPDATEs; its encoder is never asked.
pub(crate) const fn params(family: Family) -> EncodeParams {
    EncodeParams { family, as_width: AsWidth::Four, path_ids: PathIds::Absent, max_message_len: 4096 }
}
