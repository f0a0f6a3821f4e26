//! What the shell is to do.

use std::sync::Arc;

use bytes::Bytes;
use heddle_bgp_core::open::OptionalParameters;
use heddle_bgp_core::{Negotiated, Notification, Open};

use crate::connection::ConnectionId;
use crate::down::DownReason;
use crate::state::StateKind;

/// An output of the state machine, in the order in which it is to be carried out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Open a TCP connection to the peer; answer with
    /// [`TcpCrAcked`](crate::Event::TcpCrAcked) or [`TcpConnectionFails`](crate::Event::TcpConnectionFails).
    Connect(ConnectionId),
    /// Write this message, after what was given before for the connection. Before [`Action::Up`] nothing else is
    /// written to it. A KEEPALIVE does not wait behind bulk UPDATEs. A NOTIFICATION is followed by
    /// [`Action::Close`]: it replaces UPDATEs not yet begun; when the socket does not take it soon (a second is
    /// plenty), it is not sent (RFC 9687 §4.3 for the send hold timer).
    Send(ConnectionId, Message),
    /// Close this connection, or give up opening it. No event for it is expected any more; late ones are ignored.
    Close(ConnectionId),
    /// The session is established: make its decoder and its RIB source, allow what was negotiated in the framer.
    Up(ConnectionId, Arc<Negotiated>),
    /// The established session ended; [`DownReason::retains_routes`] says whether its routes become stale or go.
    /// Comes after the messages that announce it and before the [`Action::Close`].
    Down(ConnectionId, Box<DownReason>),
    /// The hold timer ran out. Read the socket until it has nothing more, hand on all that came, then report
    /// [`ReadEmpty`](crate::Event::ReadEmpty): only then silence counts. It keeps a stopped or busy process from
    /// blaming the peer for its own delay.
    CheckHold(ConnectionId),
    /// The state changed; for logs and watchers. For an attempt that ended before it was established, `reason` says
    /// why.
    StateChanged {
        /// Before.
        from: StateKind,
        /// After.
        to: StateKind,
        /// Why, where it is an end.
        reason: Option<Box<DownReason>>,
    },
}

/// A message that the state machine sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// OPEN.
    Open(Open, OptionalParameters),
    /// KEEPALIVE.
    Keepalive,
    /// NOTIFICATION.
    Notification(Notification),
}

impl Message {
    /// The whole message as it goes on the wire.
    #[must_use]
    pub fn encode(&self) -> Bytes {
        crate::encode::encode(self)
    }
}
