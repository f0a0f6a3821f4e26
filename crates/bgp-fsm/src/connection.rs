//! The TCP connections of a peer: at most one that we opened and one that the peer opened (RFC 4271 §6.8).

use std::fmt;

use heddle_bgp_core::Timestamp;

/// Names one TCP connection of one peer; never used twice by a [`Peer`](crate::Peer).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who opened a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// We did.
    Outgoing,
    /// The peer did.
    Incoming,
}

/// Whether silence on a connection may be held against the peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// The shell reads; the hold timer runs.
    Flowing,
    /// The shell does not read, by its own choice.
    Paused,
    /// As [`Reading::Paused`], and the hold timer has run out meanwhile.
    PausedPastHold,
    /// The hold timer ran out; the shell was asked to read the socket empty before it is judged.
    Checking,
}

/// A TCP connection that exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Connection {
    pub(crate) id: ConnectionId,
    pub(crate) direction: Direction,
    /// When TCP was up.
    pub(crate) since: Timestamp,
    pub(crate) reading: Reading,
}

impl Connection {
    pub(crate) const fn new(id: ConnectionId, direction: Direction, now: Timestamp) -> Self {
        Self { id, direction, since: now, reading: Reading::Flowing }
    }
}
