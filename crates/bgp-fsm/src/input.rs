//! Events as the states see them: which connection they are about is settled, variants that differ only in what we
//! know ourselves are one.

use heddle_bgp_core::{Notification, Open};

use crate::connection::ConnectionId;
use crate::down::TcpFailure;
use crate::event::{AutomaticStop, Event, Stop};

/// Which of the start events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Start {
    /// 1 and 4.
    Manual,
    /// 3 and 5.
    Automatic,
    /// 6 and 7.
    Damped,
}

/// Whether a start event itself says that we do not connect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum How {
    /// 1, 3, 6: as configured.
    AsConfigured,
    /// 4, 5, 7: wait for the peer.
    Passive,
}

/// An event without its connection; numbers are those of RFC 4271 §8.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// 1, 3 to 7.
    Start(Start, How),
    /// 2.
    ManualStop(Stop),
    /// 8.
    AutomaticStop(AutomaticStop),
    /// 9.
    ConnectRetry,
    /// 10.
    Hold,
    /// 11.
    Keepalive,
    /// 12.
    DelayOpen,
    /// 13.
    IdleHold,
    /// 14 and 15.
    TcpTracked,
    /// 16.
    TcpAcked,
    /// 17, of a connection that is not known yet.
    TcpConfirmed(ConnectionId),
    /// 18.
    TcpFails(TcpFailure),
    /// 19 and 20: whether the DelayOpen timer runs is state.
    Open(Open),
    /// 21.
    HeaderErr(Notification),
    /// 22.
    OpenErr(Notification),
    /// 23.
    CollisionDump,
    /// 24 and 25: which one, its code says.
    Notification(Notification),
    /// 26.
    KeepAlive,
    /// 27.
    Update,
    /// 28.
    UpdateErr(Notification),
    /// 29 (RFC 9687).
    SendHold,
    /// A ROUTE-REFRESH.
    RouteRefresh,
    /// A malformed ROUTE-REFRESH.
    RouteRefreshErr(Notification),
}

/// A report of the shell that no state decides about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Report {
    WriteProgress,
    UpdatesSent(u32),
    ReadPaused,
    ReadResumed,
    ReadEmpty,
}

/// Where an event goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Routed {
    /// To the state.
    Peer(Input),
    /// To the state if this is its connection, or to the second connection.
    Connection(ConnectionId, Input),
    /// A new connection that the peer opened.
    Incoming(ConnectionId),
    /// To a connection, whatever its state.
    Report(ConnectionId, Report),
    /// The session is stable.
    Stable,
}

pub(crate) fn route(event: Event) -> Routed {
    use Routed::{Connection, Peer};
    match event {
        Event::ManualStart => Peer(Input::Start(Start::Manual, How::AsConfigured)),
        Event::ManualStartWithPassiveTcpEstablishment => Peer(Input::Start(Start::Manual, How::Passive)),
        Event::AutomaticStart => Peer(Input::Start(Start::Automatic, How::AsConfigured)),
        Event::AutomaticStartWithPassiveTcpEstablishment => Peer(Input::Start(Start::Automatic, How::Passive)),
        Event::AutomaticStartWithDampPeerOscillations => Peer(Input::Start(Start::Damped, How::AsConfigured)),
        Event::AutomaticStartWithDampPeerOscillationsAndPassiveTcpEstablishment => {
            Peer(Input::Start(Start::Damped, How::Passive))
        }
        Event::ManualStop(stop) => Peer(Input::ManualStop(stop)),
        Event::AutomaticStop(stop) => Peer(Input::AutomaticStop(stop)),
        Event::ConnectRetryTimerExpires => Peer(Input::ConnectRetry),
        Event::HoldTimerExpires(id) => Connection(id, Input::Hold),
        Event::KeepaliveTimerExpires => Peer(Input::Keepalive),
        Event::DelayOpenTimerExpires => Peer(Input::DelayOpen),
        Event::IdleHoldTimerExpires => Peer(Input::IdleHold),
        Event::TcpConnectionValid(_) | Event::TcpCrInvalid(_) => Peer(Input::TcpTracked),
        Event::TcpCrAcked(id) => Connection(id, Input::TcpAcked),
        Event::TcpConnectionConfirmed(id) => Routed::Incoming(id),
        Event::TcpConnectionFails(id, failure) => Connection(id, Input::TcpFails(failure)),
        Event::BgpOpen(id, open) | Event::BgpOpenWithDelayOpenTimerRunning(id, open) => {
            Connection(id, Input::Open(open))
        }
        Event::BgpHeaderErr(id, n) => Connection(id, Input::HeaderErr(n)),
        Event::BgpOpenMsgErr(id, n) => Connection(id, Input::OpenErr(n)),
        Event::OpenCollisionDump(id) => Connection(id, Input::CollisionDump),
        Event::NotifMsgVerErr(id, n) | Event::NotifMsg(id, n) => Connection(id, Input::Notification(n)),
        Event::KeepAliveMsg(id) => Connection(id, Input::KeepAlive),
        Event::UpdateMsg(id, _) => Connection(id, Input::Update),
        Event::UpdateMsgErr(id, n) => Connection(id, Input::UpdateErr(n)),
        Event::SendHoldTimerExpires => Peer(Input::SendHold),
        Event::RouteRefreshMsg(id) => Connection(id, Input::RouteRefresh),
        Event::RouteRefreshMsgErr(id, n) => Connection(id, Input::RouteRefreshErr(n)),
        Event::WriteProgress(id) => Routed::Report(id, Report::WriteProgress),
        Event::UpdatesSent(id, n) => Routed::Report(id, Report::UpdatesSent(n)),
        Event::ReadPaused(id) => Routed::Report(id, Report::ReadPaused),
        Event::ReadResumed(id) => Routed::Report(id, Report::ReadResumed),
        Event::ReadEmpty(id) => Routed::Report(id, Report::ReadEmpty),
        Event::StableTimerExpires => Routed::Stable,
    }
}
