//! The six states (RFC 4271 §8.2.2). A state owns its data: what was negotiated exists from OpenConfirm on.

use std::fmt;
use std::sync::Arc;

use heddle_bgp_core::{Capability, Negotiated, Open, Timestamp};

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
pub(crate) struct Session {
    pub(crate) connection: Connection,
    /// Of our OPEN; nothing else of it matters any more.
    pub(crate) restart: OwnRestart,
    pub(crate) negotiated: Arc<Negotiated>,
}

impl Session {
    /// From our OPEN and what was agreed.
    pub(crate) fn new(connection: Connection, sent: &Open, negotiated: Negotiated) -> Self {
        Self { connection, restart: OwnRestart::of(sent), negotiated: Arc::new(negotiated) }
    }
}

/// Whether our OPEN asked the peer to keep our routes while we restart (RFC 4724 §3): the capability with at least one
/// family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OwnRestart {
    /// It did.
    Asked,
    /// It did not.
    NotAsked,
}

impl OwnRestart {
    /// What an OPEN of ours asks.
    pub(crate) fn of(sent: &Open) -> Self {
        let asks = |c: &Capability| matches!(c, Capability::GracefulRestart(gr) if !gr.families.is_empty());
        if sent.capabilities.iter().any(asks) { Self::Asked } else { Self::NotAsked }
    }
}

/// An established session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Established {
    pub(crate) session: Session,
    pub(crate) since: Timestamp,
}

/// What there is besides the connection of the state (RFC 4271 §6.8).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Second {
    /// Nothing.
    None,
    /// Our own attempt, still waiting for TCP while the peer's connection carries the state.
    Dialing(ConnectionId),
    /// A connection without the peer's OPEN. In Established ours is not sent before the peer's came.
    Waiting(Connection, Option<Open>),
    /// Beside a session that has just been established: one that OPENs agreed on as well, and that the peer may prefer.
    Agreed(Session),
}

/// A state with its data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Idle(IdleWhy),
    Connect(Connecting),
    Active(Option<Connection>),
    OpenSent(OpenSent),
    OpenConfirm(Session),
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

    /// The connection that carries the state; none where TCP is not up.
    pub(crate) const fn connection(&self) -> Option<&Connection> {
        match self {
            Self::Idle(_) | Self::Connect(Connecting::Dialing(_)) | Self::Active(None) => None,
            Self::Connect(Connecting::Delaying(c)) | Self::Active(Some(c)) => Some(c),
            Self::OpenSent(s) => Some(&s.connection),
            Self::OpenConfirm(s) => Some(&s.connection),
            Self::Established(e) => Some(&e.session.connection),
        }
    }

    pub(crate) const fn connection_mut(&mut self) -> Option<&mut Connection> {
        match self {
            Self::Idle(_) | Self::Connect(Connecting::Dialing(_)) | Self::Active(None) => None,
            Self::Connect(Connecting::Delaying(c)) | Self::Active(Some(c)) => Some(c),
            Self::OpenSent(s) => Some(&mut s.connection),
            Self::OpenConfirm(s) => Some(&mut s.connection),
            Self::Established(e) => Some(&mut e.session.connection),
        }
    }

    /// The connection that carries the state, or that is being opened for it.
    pub(crate) const fn connection_id(&self) -> Option<ConnectionId> {
        match self {
            Self::Connect(Connecting::Dialing(id)) => Some(*id),
            Self::Idle(_)
            | Self::Connect(Connecting::Delaying(_))
            | Self::Active(_)
            | Self::OpenSent(_)
            | Self::OpenConfirm(_)
            | Self::Established(_) => match self.connection() {
                Some(c) => Some(c.id),
                None => None,
            },
        }
    }

    /// What the OPENs agreed on, with ours.
    pub(crate) const fn session(&self) -> Option<&Session> {
        match self {
            Self::OpenConfirm(s) => Some(s),
            Self::Established(e) => Some(&e.session),
            Self::Idle(_) | Self::Connect(_) | Self::Active(_) | Self::OpenSent(_) => None,
        }
    }
}

impl Second {
    pub(crate) const fn id(&self) -> Option<ConnectionId> {
        match self {
            Self::None => None,
            Self::Dialing(id) => Some(*id),
            Self::Waiting(c, _) => Some(c.id),
            Self::Agreed(s) => Some(s.connection.id),
        }
    }
}
