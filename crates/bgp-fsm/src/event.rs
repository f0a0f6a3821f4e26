//! What happens to a peer: the 28 events of RFC 4271 §8.1, event 29 of RFC 9687, and what the shell reports besides.
//!
//! The shell reports facts; which optional attributes are set is the [`Peer`](crate::Peer)'s knowledge. So it sends
//! [`Event::ManualStart`] to a passive peer too, [`Event::BgpOpen`] whether or not the DelayOpen timer runs, and
//! [`Event::NotifMsg`] for every NOTIFICATION; the machine turns them into events 4, 20 and 24 where that is what they
//! are. Timers are the machine's own: the shell calls [`Peer::handle_timeout`](crate::Peer::handle_timeout).

use std::time::Duration;

use heddle_bgp_core::{Family, Notification, Open};

use crate::connection::ConnectionId;
use crate::down::TcpFailure;

/// An input of the state machine; numbers are those of RFC 4271 §8.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// 1: the operator or the configuration wants the session.
    ManualStart,
    /// 2: the operator or the configuration ends the session; it stays down until event 1.
    ManualStop(Stop),
    /// 3: something other than the operator wants the session.
    AutomaticStart,
    /// 4: as 1, for a peer that we do not connect to.
    ManualStartWithPassiveTcpEstablishment,
    /// 5: as 3, for a peer that we do not connect to.
    AutomaticStartWithPassiveTcpEstablishment,
    /// 6: as 3, unless the idle hold timer runs.
    AutomaticStartWithDampPeerOscillations,
    /// 7: as 5, unless the idle hold timer runs.
    AutomaticStartWithDampPeerOscillationsAndPassiveTcpEstablishment,
    /// 8: the speaker itself ends the session.
    AutomaticStop(AutomaticStop),
    /// 9.
    ConnectRetryTimerExpires,
    /// 10, of a connection.
    HoldTimerExpires(ConnectionId),
    /// 11.
    KeepaliveTimerExpires,
    /// 12.
    DelayOpenTimerExpires,
    /// 13.
    IdleHoldTimerExpires,
    /// 14: a connection request from the peer is being tracked. Nothing is done before TCP is up (17).
    TcpConnectionValid(ConnectionId),
    /// 15: a connection request that is not for this peer. Nothing is done.
    TcpCrInvalid(ConnectionId),
    /// 16: the connection that [`Action::Connect`](crate::Action::Connect) asked for is up.
    TcpCrAcked(ConnectionId),
    /// 17: a connection that the peer opened is up; its id is from
    /// [`Peer::new_connection_id`](crate::Peer::new_connection_id).
    TcpConnectionConfirmed(ConnectionId),
    /// 18: a connection ended, or could not be opened. Not reported for one that the machine closed.
    TcpConnectionFails(ConnectionId, TcpFailure),
    /// 19: a well-formed OPEN.
    BgpOpen(ConnectionId, Open),
    /// 20: as 19 while the DelayOpen timer runs.
    BgpOpenWithDelayOpenTimerRunning(ConnectionId, Open),
    /// 21: a bad message header, with what the framer says is to be sent (RFC 4271 §6.1).
    BgpHeaderErr(ConnectionId, Notification),
    /// 22: an OPEN that does not decode, with what the decoder says is to be sent (RFC 4271 §6.2).
    BgpOpenMsgErr(ConnectionId, Notification),
    /// 23: this connection lost a collision (RFC 4271 §6.8).
    OpenCollisionDump(ConnectionId),
    /// 24: a NOTIFICATION with Unsupported Version Number.
    NotifMsgVerErr(ConnectionId, Notification),
    /// 25: a NOTIFICATION.
    NotifMsg(ConnectionId, Notification),
    /// 26: a KEEPALIVE.
    KeepAliveMsg(ConnectionId),
    /// 27: that many UPDATEs, sound or with faults that do not end the session (RFC 7606).
    UpdateMsg(ConnectionId, u32),
    /// 28: an UPDATE that ends the session, with what the decoder says is to be sent (RFC 4271 §6.3, RFC 7606).
    UpdateMsgErr(ConnectionId, Notification),
    /// 29: nothing could be written for the send hold time (RFC 9687 §4.1).
    SendHoldTimerExpires,
    /// A ROUTE-REFRESH (RFC 2918, RFC 7313).
    RouteRefreshMsg(ConnectionId),
    /// A ROUTE-REFRESH that ends the session, with what the decoder says is to be sent (RFC 7313 §5).
    RouteRefreshMsgErr(ConnectionId, Notification),
    /// The socket took octets that wait for the peer: restarts the send hold timer (RFC 9687 §4.4).
    WriteProgress(ConnectionId),
    /// That many UPDATEs left for good: restarts the keepalive timer (RFC 4271 §8.2.2), counts as progress.
    UpdatesSent(ConnectionId, u32),
    /// The shell stops reading by its own choice: silence is not the peer's fault from here on.
    ReadPaused(ConnectionId),
    /// The shell reads again.
    ReadResumed(ConnectionId),
    /// The answer to [`Action::CheckHold`](crate::Action::CheckHold): the socket was read empty, and all that was in
    /// it has been handled.
    ReadEmpty(ConnectionId),
    /// The session was up for [`IdleHold::stable_after`](crate::IdleHold): what went wrong before is forgotten.
    StableTimerExpires,
}

/// Why the operator or the configuration ends a session (event 2). Text is sent to the peer (RFC 9003 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stop {
    /// `peer down`, `peer drain`: Cease 6/2; Hard Reset where N was negotiated.
    AdministrativeShutdown(String),
    /// `peer clear`: Cease 6/4; to be followed by [`Event::ManualStart`].
    AdministrativeReset(String),
    /// The peer was removed from the configuration: Cease 6/3; Hard Reset where N was negotiated.
    PeerDeconfigured,
    /// The configuration changed in a way that needs a new session: Cease 6/6; to be followed by
    /// [`Event::ManualStart`].
    ConfigurationChange,
    /// The process ends. Where graceful restart was negotiated the peer shall keep our routes: TCP is closed without
    /// a NOTIFICATION (RFC 4724 §4), or with Cease 6/2 and no Hard Reset where N was negotiated (RFC 8538 §4);
    /// otherwise Cease 6/2.
    ProcessExit(String),
}

/// Why the speaker itself ends a session (event 8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AutomaticStop {
    /// Why.
    pub cause: AutomaticStopCause,
    /// When the session may come back.
    pub restart: Restart,
}

/// Why the speaker itself ends a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutomaticStopCause {
    /// More prefixes than allowed: Cease 6/1 with family and limit (RFC 4486 §4); Hard Reset where N was negotiated.
    PrefixLimit(Family, u32),
    /// Out of resources: Cease 6/8 (RFC 4486 §4).
    OutOfResources,
}

/// When a session that the speaker itself ended may come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Restart {
    /// When the operator starts it.
    Manual,
    /// After this time.
    After(Duration),
    /// After the idle hold time, as after an error.
    Backoff,
}
