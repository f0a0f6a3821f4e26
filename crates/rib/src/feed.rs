//! Change records: what programs (a monitor, the FIB) read from a journal in place of UPDATEs. Each is a change of the
//! best path of a destination, or where a subscriber asks for [`Paths::Multipath`], of the paths that share its traffic.
//!
//! | field | octets |
//! |---|---|
//! | length of the record, this field included | 4 |
//! | kind: 0 withdrawn, 1 announced, 2 end of the initial table | 1 |
//! | AFI | 1 |
//! | prefix length in bits | 1 |
//! | 0 | 1 |
//! | address | 16, IPv4 in the first 4 |
//! | paths, of an announcement: one or more, the best first | the rest |
//!
//! A path:
//!
//! | field | octets |
//! |---|---|
//! | its flags ([`PathFlags`]) | 1 |
//! | where it came from ([`SourceKind`]): 0 local, 1 eBGP, 2 client, 3 non-client; plus 16 stale, 32 long-lived stale | 1 |
//! | peer that it came from ([`PeerId`]) | 2 |
//! | length of its attributes | 2 |
//! | attributes: canonical block | that many |

use std::iter::Peekable;
use std::net::IpAddr;

use bytes::BytesMut;
use heddle_bgp_core::attr::BlockView;
use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::update::EncodeParams;
use heddle_bgp_core::{AsWidth, Family, Nlri, Prefix};
use thiserror::Error;

use crate::route::{PathFlags, PeerId, SourceInfo, SourceKind, Staleness};

const HEAD: usize = 24;
const PATH_HEAD: usize = 6;

/// Of which paths a subscriber reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Paths {
    /// The best of each destination.
    Best,
    /// All that share the traffic of the best, as many as the
    /// [options of the decision process](crate::decision::DecisionOptions) allow: what a forwarding table needs. A
    /// change of the others is told as well as one of the best.
    Multipath,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record<'a> {
    /// The destination has no best path any more.
    Withdrawn(Prefix),
    /// The destination has a new best path, or others beside it. It has these and none else from now on.
    Announced {
        /// The destination.
        prefix: Prefix,
        /// Its best path.
        best: PathRecord<'a>,
        /// Those that share its traffic.
        others: PathRecords<'a>,
    },
    /// All that was there when the reader began has been told.
    Complete,
}

/// A path of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PathRecord<'a> {
    /// The peer that it came from.
    pub peer: PeerId,
    /// What kind of speaker that is; of a route of our own, local.
    pub kind: SourceKind,
    /// Whether its session was over when the record was written. No record is written when a session ends and its routes
    /// are kept as stale (RFC 4724 §4.2), nor when they come again unchanged: nothing of the decision changes by either.
    pub staleness: Staleness,
    /// Its flags.
    pub flags: PathFlags,
    /// Its attributes.
    pub block: BlockView<'a>,
}

/// Paths of a record, the better ones first.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PathRecords<'a>(&'a [u8]);

impl<'a> PathRecords<'a> {
    fn split(&self) -> Option<(PathRecord<'a>, &'a [u8])> {
        let (&[flags, source, p0, p1, l0, l1], rest) = self.0.split_first_chunk::<PATH_HEAD>()?;
        let (block, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes([l0, l1])))?;
        let kind = match source & 0xf {
            0 => SourceKind::Local,
            1 => SourceKind::Ebgp,
            2 => SourceKind::Client,
            3 => SourceKind::NonClient,
            _ => return None,
        };
        let staleness = match source >> 4 {
            0 => Staleness::Live,
            1 => Staleness::Stale,
            2 => Staleness::LongLived,
            _ => return None,
        };
        let peer = PeerId(u16::from_be_bytes([p0, p1]));
        Some((PathRecord { peer, kind, staleness, flags: PathFlags(flags & 0xf), block: BlockView(block) }, rest))
    }

    /// Whether all of it is paths.
    fn is_sound(&self) -> bool {
        let mut rest = self.clone();
        rest.by_ref().for_each(drop);
        rest.0.is_empty()
    }
}

impl<'a> Iterator for PathRecords<'a> {
    type Item = PathRecord<'a>;
    fn next(&mut self) -> Option<PathRecord<'a>> {
        let (path, rest) = self.split()?;
        self.0 = rest;
        Some(path)
    }
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
    let (head, paths) = record.split_first_chunk::<HEAD>().ok_or(NotARecord)?;
    let &[_, _, _, _, kind, afi, bits, ..] = head;
    let addr: [u8; 16] = head[8..].try_into().map_err(|_| NotARecord)?;
    let addr = match (afi, addr) {
        (1, [a, b, c, d, ..]) => IpAddr::from([a, b, c, d]),
        (_, a) => IpAddr::from(a),
    };
    let prefix = Prefix::new(addr, bits).ok_or(NotARecord)?;
    let mut paths = PathRecords(paths);
    if !paths.is_sound() {
        return Err(NotARecord);
    }
    let record = match kind {
        0 => Record::Withdrawn(prefix),
        1 => Record::Announced { prefix, best: paths.next().ok_or(NotARecord)?, others: paths },
        2 => Record::Complete,
        _ => return Err(NotARecord),
    };
    Ok(Some((record, rest)))
}

/// Appends what the group's memo keeps of a path.
pub(crate) fn push_path(out: &mut Vec<u8>, block: BlockView<'_>, flags: PathFlags, source: &SourceInfo) {
    let kind = match source.kind {
        SourceKind::Local => 0,
        SourceKind::Ebgp => 1,
        SourceKind::Client => 2,
        SourceKind::NonClient => 3,
    };
    let staleness = match source.staleness {
        Staleness::Live => 0,
        Staleness::Stale => 0x10,
        Staleness::LongLived => 0x20,
    };
    // What was interned is no longer than a message.
    let len = u16::try_from(block.0.len()).unwrap_or(u16::MAX);
    out.extend_from_slice(&[flags.0, kind | staleness]);
    out.extend_from_slice(&source.peer.0.to_be_bytes());
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(block.0.get(..usize::from(len)).unwrap_or_default());
}

fn push(out: &mut BytesMut, kind: u8, nlri: Option<Nlri>, paths: &[u8]) {
    let len = u32::try_from(HEAD + paths.len()).unwrap_or(u32::MAX);
    let (afi, bits, addr) = match nlri.map(|n| (n.prefix.addr(), n.prefix.len())) {
        Some((IpAddr::V4(a), bits)) => {
            let [a, b, c, d] = a.octets();
            (1, bits, [a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
        }
        Some((IpAddr::V6(a), bits)) => (2, bits, a.octets()),
        None => (1, 0, [0; 16]),
    };
    out.extend_from_slice(&len.to_be_bytes());
    out.extend_from_slice(&[kind, afi, bits, 0]);
    out.extend_from_slice(&addr);
    out.extend_from_slice(paths);
}

pub(crate) fn advertise(
    out: &mut BytesMut,
    paths: &[u8],
    nlri: &mut Peekable<impl Iterator<Item = Nlri>>,
    stop_at: usize,
) {
    while out.len() < stop_at
        && let Some(n) = nlri.next()
    {
        push(out, 1, Some(n), paths);
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
