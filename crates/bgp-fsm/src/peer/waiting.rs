//! Idle, Connect and Active: no OPEN of ours is out (RFC 4271 §8.2.2).

use heddle_bgp_core::{Notification, Open, Timestamp};

use super::Peer;
use super::act::Goodbye;
use crate::action::{Action, Message};
use crate::config::ConnectMode;
use crate::connection::{Connection, ConnectionId, Direction};
use crate::down::{DownCause, DownReason, Initiator, Retention, TcpFailure};
use crate::ending;
use crate::event::{AutomaticStop, Restart, Stop};
use crate::input::{How, Input, Start};
use crate::negotiate::negotiate;
use crate::open;
use crate::state::{Connecting, IdleWhy, Second, Session, State};
use crate::timers::Timer;

impl Peer {
    pub(super) fn in_idle(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::Start(Start::Manual, how) => {
                self.backoff.clear();
                self.failed_attempts = 0;
                self.counters.connect_retries = 0;
                self.start(now, how);
            }
            Input::Start(Start::Automatic, how) => self.start(now, how),
            // RFC 4271 §8.1.2: these wait for the idle hold timer.
            Input::Start(Start::Damped, _) if self.timers.get(Timer::IdleHold).is_some() => {}
            Input::Start(Start::Damped, how) => self.start(now, how),
            Input::IdleHold if self.state == State::Idle(IdleWhy::Holding) => self.start(now, How::AsConfigured),
            // A stop while the peer is held: it stays down until it is started.
            Input::ManualStop(_) => {
                self.timers.stop(Timer::IdleHold);
                self.transition(State::Idle(IdleWhy::Stopped), None);
            }
            // RFC 4271 §8.2.2: refuses all connections; RFC 4486 §4: with Cease, Connection Rejected.
            Input::TcpConfirmed(id) => {
                self.counters.refused += 1;
                self.close_with(id, Notification::connection_rejected());
            }
            Input::AutomaticStop(_)
            | Input::IdleHold
            | Input::ConnectRetry
            | Input::Hold
            | Input::Keepalive
            | Input::DelayOpen
            | Input::TcpTracked
            | Input::TcpAcked
            | Input::TcpFails(_)
            | Input::Open(_)
            | Input::HeaderErr(_)
            | Input::OpenErr(_)
            | Input::CollisionDump
            | Input::Notification(_)
            | Input::KeepAlive
            | Input::Update
            | Input::UpdateErr(_)
            | Input::SendHold
            | Input::RouteRefresh
            | Input::RouteRefreshErr(_) => {}
        }
    }

    pub(super) fn in_connect(&mut self, now: Timestamp, input: Input) {
        let State::Connect(connecting) = self.state.clone() else { return };
        match (input, connecting) {
            (Input::ManualStop(stop), _) => self.manual_stop(now, stop),
            (Input::AutomaticStop(stop), _) => self.automatic_stop(now, stop),
            // Drops the attempt and makes a new one; the state stays.
            (Input::ConnectRetry, Connecting::Dialing(id)) => {
                self.failed_attempts = self.failed_attempts.saturating_add(1);
                self.actions.push_back(Action::Close(id));
                self.dial(now);
            }
            (Input::DelayOpen, Connecting::Delaying(c)) => self.send_open(now, c),
            (Input::TcpAcked, Connecting::Dialing(id)) => {
                self.connected(now, Connection::new(id, Direction::Outgoing, now));
            }
            (Input::TcpConfirmed(id), Connecting::Dialing(dialing)) => {
                self.second = Second::Dialing(dialing);
                self.connected(now, Connection::new(id, Direction::Incoming, now));
            }
            // Two connections: no use in delaying the first any longer.
            (Input::TcpConfirmed(id), Connecting::Delaying(c)) => {
                self.send_open(now, c);
                self.admit_second(now, id);
            }
            (Input::TcpFails(failure), Connecting::Dialing(_) | Connecting::Delaying(_)) => {
                let reason = self.not_up(DownCause::Tcp(failure));
                self.attempt_failed(now, reason);
            }
            // Event 20.
            (Input::Open(received), Connecting::Delaying(c)) => self.open_while_delaying(now, c, &received),
            (Input::HeaderErr(n), _) => self.malformed(now, DownCause::HeaderError, n),
            (Input::OpenErr(n), _) => self.malformed(now, DownCause::OpenError, n),
            (Input::Notification(n), _) => self.notified(now, n),
            (
                Input::Open(_)
                | Input::KeepAlive
                | Input::Update
                | Input::UpdateErr(_)
                | Input::RouteRefresh
                | Input::RouteRefreshErr(_),
                _,
            ) => self.fsm_error_before_open(now),
            (Input::CollisionDump, _) => self.fail(now, Initiator::Local, DownCause::CollisionLost, Goodbye::Silent),
            (Input::ConnectRetry | Input::TcpAcked, Connecting::Delaying(_))
            | (Input::DelayOpen, Connecting::Dialing(_))
            | (
                Input::Start(..)
                | Input::Hold
                | Input::Keepalive
                | Input::IdleHold
                | Input::TcpTracked
                | Input::SendHold,
                _,
            ) => {}
        }
    }

    pub(super) fn in_active(&mut self, now: Timestamp, input: Input) {
        let State::Active(delaying) = self.state.clone() else { return };
        match (input, delaying) {
            (Input::ManualStop(stop), _) => self.manual_stop(now, stop),
            (Input::AutomaticStop(stop), _) => self.automatic_stop(now, stop),
            (Input::ConnectRetry, None) if self.config.mode == ConnectMode::Active => self.dial(now),
            (Input::DelayOpen, Some(c)) => self.send_open(now, c),
            (Input::TcpConfirmed(id), None) => {
                self.connected(now, Connection::new(id, Direction::Incoming, now));
            }
            (Input::TcpConfirmed(id), Some(c)) => self.replace_main(now, c.id, id),
            (Input::TcpFails(failure), Some(_)) => self.tcp_failed(now, failure),
            (Input::Open(received), Some(c)) => self.open_while_delaying(now, c, &received),
            (Input::HeaderErr(n), Some(_)) => self.malformed(now, DownCause::HeaderError, n),
            (Input::OpenErr(n), Some(_)) => self.malformed(now, DownCause::OpenError, n),
            (Input::Notification(n), Some(_)) => self.notified(now, n),
            (
                Input::KeepAlive
                | Input::Update
                | Input::UpdateErr(_)
                | Input::RouteRefresh
                | Input::RouteRefreshErr(_),
                Some(_),
            ) => self.fsm_error_before_open(now),
            (Input::CollisionDump, Some(_)) => {
                self.fail(now, Initiator::Local, DownCause::CollisionLost, Goodbye::Silent);
            }
            // Without a connection nothing can have come on it.
            (
                Input::DelayOpen
                | Input::TcpFails(_)
                | Input::Open(_)
                | Input::HeaderErr(_)
                | Input::OpenErr(_)
                | Input::Notification(_)
                | Input::KeepAlive
                | Input::Update
                | Input::UpdateErr(_)
                | Input::RouteRefresh
                | Input::RouteRefreshErr(_)
                | Input::CollisionDump,
                None,
            )
            | (
                Input::Start(..)
                | Input::ConnectRetry
                | Input::Hold
                | Input::Keepalive
                | Input::IdleHold
                | Input::TcpTracked
                | Input::TcpAcked
                | Input::SendHold,
                _,
            ) => {}
        }
    }

    pub(super) fn manual_stop(&mut self, now: Timestamp, stop: Stop) {
        let session = self.state.session().map(|s| (s.restart, &*s.negotiated));
        let goodbye = ending::manual_stop(&stop, session);
        self.backoff.clear();
        self.stop(now, DownCause::ManualStop(stop), goodbye, Restart::Manual);
    }

    pub(super) fn automatic_stop(&mut self, now: Timestamp, stop: AutomaticStop) {
        let negotiated = self.state.session().map(|s| &*s.negotiated);
        let goodbye = ending::automatic_stop(stop, negotiated);
        self.stop(now, DownCause::AutomaticStop(stop), Some(goodbye), stop.restart);
    }

    pub(super) fn tcp_failed(&mut self, now: Timestamp, failure: TcpFailure) {
        self.fail(now, Initiator::Remote, DownCause::Tcp(failure), Goodbye::Gone);
    }

    /// A reason for an attempt that never was a connection.
    pub(super) fn not_up(&self, cause: DownCause) -> Box<DownReason> {
        Box::new(DownReason {
            by: Initiator::Remote,
            cause,
            notification: None,
            state: self.state.kind(),
            retention: Retention::Flush,
        })
    }

    /// A newer connection of the peer takes the place of one in the same direction: the peer has given that one up,
    /// and it would otherwise block the peer until its hold timer expires.
    pub(super) fn replace_main(&mut self, now: Timestamp, old: ConnectionId, new: ConnectionId) {
        self.counters.collisions += 1;
        self.close_with(old, Notification::collision());
        for timer in [Timer::Hold, Timer::Keepalive, Timer::DelayOpen] {
            self.timers.stop(timer);
        }
        self.connected(now, Connection::new(new, Direction::Incoming, now));
    }

    /// Event 20: sends OPEN and KEEPALIVE at once.
    fn open_while_delaying(&mut self, now: Timestamp, connection: Connection, received: &Open) {
        self.timers.stop(Timer::DelayOpen);
        let sent = open::build(&self.config);
        match negotiate(&self.config, &sent, received) {
            Ok(negotiated) => {
                let session = Session::new(connection, &sent, negotiated);
                self.send(session.connection.id, Message::Open(sent, self.config.open_form));
                self.confirm(now, session);
            }
            Err(rejected) => {
                let n = rejected.notification();
                self.fail(now, Initiator::Local, DownCause::OpenRejected(rejected), Goodbye::Send(n));
            }
        }
    }

    /// Events 21 and 22 before our OPEN; SendNOTIFICATIONwithoutOPEN (RFC 4271 §8.1.1) is on.
    fn malformed(&mut self, now: Timestamp, cause: DownCause, n: Notification) {
        self.fail(now, Initiator::Local, cause, Goodbye::Send(n));
    }

    /// Events 26 to 28 before our OPEN. RFC 6608 has no subcode for these states, and RFC 4271 sends nothing.
    fn fsm_error_before_open(&mut self, now: Timestamp) {
        let cause = DownCause::FsmError(self.state.kind());
        self.fail(now, Initiator::Local, cause, Goodbye::Silent);
    }
}
