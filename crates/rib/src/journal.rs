//! The journal of an update group: what its members have to be sent, encoded once, in the order in which it happened.
//!
//! The owner of the RIB appends segments; each consists of whole messages in runs, and each run says whom it is
//! for. A member is a position in that stream of octets. The writer of a session reads through a [`JournalReader`],
//! which is the only thing of this crate that leaves the owner's thread. The mutex of a journal is held to append, to
//! look at up to 64 runs, to detach a member and to drop what all have passed; nothing waits inside.
//!
//! A position is a count of octets since the group began, so that positions are comparable, a segment is found by
//! binary search, and what a member has yet to pass is a subtraction.

mod reader;
mod store;
#[cfg(test)]
mod tests;

pub use reader::{JournalReader, Progress, TakeStatus};
pub(crate) use reader::{MemberLink, lock};
pub(crate) use store::{Journal, Run, SetId};

use crate::route::PeerId;

/// The most octets that a segment's data has; it may be exceeded by one message.
pub const SEGMENT_BYTES: usize = 64 * 1024;
/// What a segment costs beside its data, as it is counted against the bounds.
pub(crate) const SEGMENT_OVERHEAD: usize = 128;

/// Whom a run is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Audience {
    /// All members.
    All,
    /// All but one: the source of the route.
    Except(PeerId),
    /// One.
    Only(PeerId),
    /// Those of a set: members that were walked for.
    Set(SetId),
    /// Those of a set but one.
    SetExcept(SetId, PeerId),
}

/// How messages are delimited in a journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Framing {
    /// BGP: the length stands in octets 16 and 17 (RFC 4271 §4.1).
    Bgp,
    /// Change records: the length stands in the first four octets.
    Records,
}

impl Framing {
    /// Octets of the message that begins at `at`; to the end of `data` where none can be read.
    pub(crate) fn message_len(self, data: &[u8], at: usize) -> usize {
        let rest = data.len().saturating_sub(at);
        let len = match self {
            Self::Bgp => data.get(at + 16..at + 18).map(|l| l.iter().fold(0, |n, &b| n << 8 | usize::from(b))),
            Self::Records => data.get(at..at + 4).map(|l| l.iter().fold(0, |n, &b| n << 8 | usize::from(b))),
        };
        len.filter(|&l| l > 0).unwrap_or(rest).min(rest)
    }
}
