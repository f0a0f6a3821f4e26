//! The six states (RFC 4271 §8.2.2). A state owns its data: what was negotiated exists from OpenConfirm on.

use std::fmt;

use heddle_bgp_core::{Negotiated, Open, Timestamp};

use crate::connection::{Connection, ConnectionId};

/// A state without its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum StateKind {
    /// No session, connections are refused.
    Idle,
    /// Waiting for TCP.
    Connect,
    /// Waiting for the peer to connect, or for the connect retry timer.
    Active,
    /// OPEN sent, OPEN awaited.
    OpenSent,
    /// OPENs exchanged, KEEPALIVE awaited.
    OpenConfirm,
    /// UPDATEs flow.
    Established,
}

impl StateKind {
    /// All of them, in the order of the RFC.
    pub const ALL: [Self; 6] =
        [Self::Idle, Self::Connect, Self::Active, Self::OpenSent, Self::OpenConfirm, Self::Established];

    /// Its name as the RFC writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Idle => "Idle",
            Self::Connect => "Connect",
            Self::Active => "Active",
            Self::OpenSent => "OpenSent",
            Self::OpenConfirm => "OpenConfirm",
            Self::Established => "Established",
        }
    }
}

impl fmt::Display for StateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Why a peer is Idle.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdleWhy {
    /// It was not started, or it was stopped: only a start event ends that.
    Stopped,
    /// The idle hold timer runs after an error or a loss.
    Holding,
}

/// What Connect waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Connecting {
    /// TCP.
    Dialing(ConnectionId),
    /// The DelayOpen timer, or the peer's OPEN.
    Delaying(Connection),
}

/// A connection on which our OPEN was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenSent {
    pub(crate) connection: Connection,
    pub(crate) sent: Open,
}

/// A connection on which OPENs agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenConfirm {
    pub(crate) connection: Connection,
    pub(crate) negotiated: Box<Negotiated>,
}

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Established {
    pub(crate) connection: Connection,
    pub(crate) negotiated: Box<Negotiated>,
    pub(crate) since: Timestamp,
}

/// A state with its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Idle(IdleWhy),
    Connect(Connecting),
    Active(Option<Connection>),
    OpenSent(OpenSent),
    OpenConfirm(OpenConfirm),
    Established(Established),
}

impl State {
    pub(crate) const fn kind(&self) -> StateKind {
        match self {
            Self::Idle(_) => StateKind::Idle,
            Self::Connect(_) => StateKind::Connect,
            Self::Active(_) => StateKind::Active,
            Self::OpenSent(_) => StateKind::OpenSent,
            Self::OpenConfirm(_) => StateKind::OpenConfirm,
            Self::Established(_) => StateKind::Established,
        }
    }
}
