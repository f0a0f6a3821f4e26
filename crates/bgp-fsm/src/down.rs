//! Why a session or a connection ended: by whom, what, and what was said about it.

use std::fmt;

use heddle_bgp_core::Notification;
use thiserror::Error;

use crate::event::{AutomaticStop, Stop};
use crate::negotiate::OpenRejected;
use crate::state::StateKind;

/// Who ended it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Initiator {
    /// This speaker, by the protocol's rules.
    Local,
    /// The peer, or the network between.
    Remote,
    /// The operator or the configuration.
    Operator,
}

/// Which way a NOTIFICATION went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NotificationWay {
    /// We sent it.
    Sent,
    /// We received it.
    Received,
}

/// What the transport said when a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum TcpFailure {
    /// The peer closed the connection.
    #[error("the peer closed the connection")]
    Closed,
    /// The connection was reset.
    #[error("the connection was reset")]
    Reset,
    /// Nobody listens there.
    #[error("connection refused: nothing listens at the peer's address and port, or it does not know us")]
    Refused,
    /// No answer.
    #[error("no answer from the peer's address")]
    TimedOut,
    /// No route to the peer, or nobody there who answers.
    #[error("no route to the peer's address, or nobody there has it")]
    Unreachable,
    /// A local error: errno.
    #[error("the system says: error {0}")]
    Os(i32),
    /// The session of a peer with a password has none that can be used, or the like: it cannot be opened as configured.
    #[error("the connection cannot be opened as configured")]
    NotPossible,
}

/// What ended it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DownCause {
    /// Event 2.
    #[error("stopped by the operator or the configuration")]
    ManualStop(Stop),
    /// Event 8.
    #[error("stopped by this speaker")]
    AutomaticStop(AutomaticStop),
    /// Event 10 (RFC 4271 §6.5).
    #[error("hold timer expired")]
    HoldTimerExpired,
    /// Event 29 (RFC 9687).
    #[error("send hold timer expired: the peer took nothing that we wrote")]
    SendHoldTimerExpired,
    /// Event 18.
    #[error("{0}")]
    Tcp(TcpFailure),
    /// Event 21 (RFC 4271 §6.1).
    #[error("the peer sent a bad message header")]
    HeaderError,
    /// Event 22, an OPEN that does not decode (RFC 4271 §6.2).
    #[error("the peer sent a malformed OPEN")]
    OpenError,
    /// An OPEN that decodes and that we do not accept.
    #[error("{0}")]
    OpenRejected(OpenRejected),
    /// Event 28 (RFC 4271 §6.3, RFC 7606).
    #[error("the peer sent an UPDATE whose errors end the session")]
    UpdateError,
    /// A malformed ROUTE-REFRESH (RFC 7313 §5).
    #[error("the peer sent a malformed ROUTE-REFRESH")]
    RouteRefreshError,
    /// A message that the state does not allow (RFC 4271 §6.6, RFC 6608).
    #[error("the peer sent a message that state {0} does not allow")]
    FsmError(StateKind),
    /// Events 24 and 25.
    #[error("the peer sent a NOTIFICATION")]
    NotificationReceived,
    /// Event 23: the other connection of the peer won (RFC 4271 §6.8).
    #[error("connection collision: the peer's other connection was kept")]
    CollisionLost,
    /// The peer opened a new session although this one was established: it has restarted (RFC 4724 §4.2).
    #[error("the peer has restarted and opened a new session")]
    PeerRestarted,
    /// None of the protocol's: whoever carries out our actions failed half-way ([`Peer::failed`](crate::Peer::failed)).
    #[error("internal error of this speaker: {0}")]
    InternalError(String),
}

/// Why a session or a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DownReason {
    /// Who ended it.
    pub by: Initiator,
    /// What ended it.
    pub cause: DownCause,
    /// The NOTIFICATION that was sent or received about it.
    pub notification: Option<(NotificationWay, Notification)>,
    /// The state in which it ended.
    pub state: StateKind,
    pub(crate) retention: Retention,
}

/// Whether the end of a session lets its routes stay for a graceful restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retention {
    Retain,
    Flush,
}

impl DownReason {
    /// Whether the routes of the peer are kept as stale, in the families whose graceful restart was negotiated
    /// (RFC 4724 §4.2, RFC 8538 §4). Never for a session that was not established.
    #[must_use]
    pub fn retains_routes(&self) -> bool {
        self.retention == Retention::Retain
    }
}

impl fmt::Display for DownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.cause.fmt(f)?;
        match &self.notification {
            Some((NotificationWay::Sent, n)) => write!(f, " (sent NOTIFICATION {}/{})", n.code, n.subcode),
            Some((NotificationWay::Received, n)) => write!(f, " (received NOTIFICATION {}/{})", n.code, n.subcode),
            None => Ok(()),
        }
    }
}
