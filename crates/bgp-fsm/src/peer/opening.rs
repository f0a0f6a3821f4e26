//! OpenSent and OpenConfirm (RFC 4271 §8.2.2).

use heddle_bgp_core::notification::UnexpectedIn;
use heddle_bgp_core::{MessageType, Notification, Open, Timestamp};

use super::Peer;
use super::act::Goodbye;
use crate::connection::{ConnectionId, Direction};
use crate::down::{DownCause, Initiator, TcpFailure};
use crate::input::Input;
use crate::negotiate::negotiate;
use crate::state::{OpenSent, Second, Session, State, StateKind};

impl Peer {
    pub(super) fn in_open_sent(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::ManualStop(stop) => self.manual_stop(now, stop),
            Input::AutomaticStop(stop) => self.automatic_stop(now, stop),
            Input::Hold => self.hold_expired(now),
            Input::TcpConfirmed(id) => self.another_connection(now, id),
            Input::TcpFails(failure) => self.open_sent_lost(now, failure),
            Input::Open(received) => self.open_received(now, &received),
            Input::HeaderErr(n) => self.fail(now, Initiator::Local, DownCause::HeaderError, Goodbye::Send(n)),
            Input::OpenErr(n) => self.fail(now, Initiator::Local, DownCause::OpenError, Goodbye::Send(n)),
            Input::CollisionDump => self.collision_lost(now),
            Input::Notification(n) => self.notified(now, n),
            Input::KeepAlive => self.fsm_error(now, MessageType::Keepalive),
            Input::Update | Input::UpdateErr(_) => self.fsm_error(now, MessageType::Update),
            Input::RouteRefresh | Input::RouteRefreshErr(_) => self.fsm_error(now, MessageType::RouteRefresh),
            Input::Start(..)
            | Input::ConnectRetry
            | Input::Keepalive
            | Input::DelayOpen
            | Input::IdleHold
            | Input::TcpTracked
            | Input::TcpAcked
            | Input::SendHold => {}
        }
    }

    pub(super) fn in_open_confirm(&mut self, now: Timestamp, input: Input) {
        match input {
            Input::ManualStop(stop) => self.manual_stop(now, stop),
            Input::AutomaticStop(stop) => self.automatic_stop(now, stop),
            Input::Hold => self.hold_expired(now),
            Input::Keepalive => self.send_keepalive(now),
            Input::TcpConfirmed(id) => self.another_connection(now, id),
            Input::TcpFails(failure) => self.tcp_failed(now, failure),
            // On this connection; one that comes on the other is a collision (RFC 4271 §6.8).
            Input::Open(_) => self.fsm_error(now, MessageType::Open),
            Input::HeaderErr(n) => self.fail(now, Initiator::Local, DownCause::HeaderError, Goodbye::Send(n)),
            Input::OpenErr(n) => self.fail(now, Initiator::Local, DownCause::OpenError, Goodbye::Send(n)),
            Input::CollisionDump => self.collision_lost(now),
            Input::Notification(n) => self.notified(now, n),
            Input::KeepAlive => {
                if let State::OpenConfirm(session) = self.state.clone() {
                    self.establish(now, session);
                }
            }
            Input::Update | Input::UpdateErr(_) => self.fsm_error(now, MessageType::Update),
            Input::RouteRefresh | Input::RouteRefreshErr(_) => self.fsm_error(now, MessageType::RouteRefresh),
            Input::Start(..)
            | Input::ConnectRetry
            | Input::DelayOpen
            | Input::IdleHold
            | Input::TcpTracked
            | Input::TcpAcked
            | Input::SendHold => {}
        }
    }

    /// Event 19 in OpenSent.
    fn open_received(&mut self, now: Timestamp, received: &Open) {
        let State::OpenSent(OpenSent { connection, sent }) = self.state.clone() else { return };
        match negotiate(&self.config, &sent, received) {
            Ok(negotiated) => self.confirm(now, Session::new(connection, &sent, negotiated)),
            Err(rejected) => {
                let n = rejected.notification();
                self.fail(now, Initiator::Local, DownCause::OpenRejected(rejected), Goodbye::Send(n));
            }
        }
    }

    /// Event 18 in OpenSent: to Active, unless the peer's other connection carries on.
    fn open_sent_lost(&mut self, now: Timestamp, failure: TcpFailure) {
        match self.second {
            Second::None => {
                let reason = self.end(now, Initiator::Remote, DownCause::Tcp(failure), Goodbye::Gone);
                self.counters.connect_retries -= 1;
                self.attempt_failed(now, reason);
            }
            Second::Dialing(_) | Second::Waiting(..) | Second::Agreed(_) => self.tcp_failed(now, failure),
        }
    }

    /// Event 17 with a connection that carries the state: the second one (RFC 4271 §6.8).
    pub(super) fn another_connection(&mut self, now: Timestamp, id: ConnectionId) {
        match self.state.connection() {
            Some(main) if main.direction == Direction::Incoming => {
                let old = main.id;
                self.replace_main(now, old, id);
            }
            Some(_) | None => self.admit_second(now, id),
        }
    }

    /// Event 10 (RFC 4271 §6.5).
    pub(super) fn hold_expired(&mut self, now: Timestamp) {
        let n = Notification::hold_timer_expired();
        self.fail(now, Initiator::Local, DownCause::HoldTimerExpired, Goodbye::Send(n));
    }

    /// Event 11.
    pub(super) fn send_keepalive(&mut self, now: Timestamp) {
        if let Some(c) = self.state.connection() {
            let id = c.id;
            self.send(id, crate::action::Message::Keepalive);
            self.restart_keepalive(now);
        }
    }

    /// Event 23.
    pub(super) fn collision_lost(&mut self, now: Timestamp) {
        let n = Notification::collision();
        self.fail(now, Initiator::Local, DownCause::CollisionLost, Goodbye::Send(n));
    }

    /// Events 24 and 25.
    pub(super) fn notified(&mut self, now: Timestamp, n: Notification) {
        self.fail(now, Initiator::Remote, DownCause::NotificationReceived, Goodbye::Received(n));
    }

    /// A message that has no place in the state (RFC 4271 §6.6, RFC 6608 §3).
    pub(super) fn fsm_error(&mut self, now: Timestamp, message: MessageType) {
        let kind = self.state.kind();
        let goodbye = match unexpected_in(kind) {
            Some(state) => Goodbye::Send(Notification::unexpected_message(state, message)),
            None => Goodbye::Silent,
        };
        self.fail(now, Initiator::Local, DownCause::FsmError(kind), goodbye);
    }
}

/// The subcode of a state (RFC 6608 §3).
const fn unexpected_in(state: StateKind) -> Option<UnexpectedIn> {
    match state {
        StateKind::OpenSent => Some(UnexpectedIn::OpenSent),
        StateKind::OpenConfirm => Some(UnexpectedIn::OpenConfirm),
        StateKind::Established => Some(UnexpectedIn::Established),
        StateKind::Idle | StateKind::Connect | StateKind::Active => None,
    }
}
