//! What states do: sending, setting timers, and the moves from one state to another. [`Peer::transition`] is the only
//! writer of the state.

use std::sync::Arc;
use std::time::Duration;

use heddle_bgp_core::{Notification, Timestamp};

use super::Peer;
use crate::action::{Action, Message};
use crate::backoff::{Class, Penalty, classify, doubled};
use crate::config::{ConnectMode, SendHold};
use crate::connection::{Connection, ConnectionId, Direction, Reading};
use crate::counters::LastReset;
use crate::down::{DownCause, DownReason, Initiator, NotificationWay, Retention};
use crate::ending;
use crate::event::Restart;
use crate::input::How;
use crate::open;
use crate::state::{Connecting, Established, IdleWhy, OpenSent, Second, Session, State};
use crate::timers::Timer;

/// The least send hold time of [`SendHold::Auto`] (RFC 9687 §6: 8 minutes).
const SEND_HOLD_MIN: Duration = Duration::from_secs(480);
/// No failed attempt to connect is followed by another sooner, before jitter.
const RETRY_MIN: Duration = Duration::from_millis(100);
/// What an attempt to connect may take at least: a SYN that was lost is sent again after a second (RFC 6298 §2).
const ATTEMPT_MIN: Duration = Duration::from_secs(1);
/// What the first attempt may take, where the connect retry time is not shorter.
const FIRST_ATTEMPT: Duration = Duration::from_secs(5);

/// How the connection of the state ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Goodbye {
    /// Close it without a word.
    Silent,
    /// Send this and close it.
    Send(Notification),
    /// The peer sent this; close it.
    Received(Notification),
    /// It is closed already.
    Gone,
}

impl Peer {
    /// The only writer of the state.
    pub(super) fn transition(&mut self, to: State, reason: Option<Box<DownReason>>) {
        let from = self.state.kind();
        self.state = to;
        let to = self.state.kind();
        if from != to || reason.is_some() {
            self.actions.push_back(Action::StateChanged { from, to, reason });
        }
    }

    pub(super) fn send(&mut self, id: ConnectionId, message: Message) {
        let counts = &mut self.counters.messages_out;
        match &message {
            Message::Open(..) => counts.open += 1,
            Message::Keepalive => counts.keepalive += 1,
            Message::Notification(_) => counts.notification += 1,
        }
        self.actions.push_back(Action::Send(id, message));
    }

    pub(super) fn close_with(&mut self, id: ConnectionId, notification: Notification) {
        self.send(id, Message::Notification(notification));
        self.actions.push_back(Action::Close(id));
    }

    /// Leaves Idle (RFC 4271 §8.2.2, events 1, 3 to 7, 13).
    pub(super) fn start(&mut self, now: Timestamp, how: How) {
        match (how, self.config.mode) {
            (How::AsConfigured, ConnectMode::Active) => self.dial(now),
            (How::AsConfigured, ConnectMode::Once) if !std::mem::replace(&mut self.dialed_once, true) => self.dial(now),
            (How::Passive, ConnectMode::Active) | (_, ConnectMode::Passive | ConnectMode::Once) => {
                self.wait_for_peer(now, None);
            }
        }
    }

    /// To Connect with a new attempt.
    pub(super) fn dial(&mut self, now: Timestamp) {
        let id = self.new_connection_id();
        self.timers.stop(Timer::IdleHold);
        self.actions.push_back(Action::Connect(id));
        self.transition(State::Connect(Connecting::Dialing(id)), None);
        let limit = self.attempt_limit();
        self.timers.start(Timer::ConnectRetry, now, limit);
    }

    /// How long an attempt may take before another takes its place: doubling to the connect retry time, with jitter
    /// (RFC 4271 §10).
    fn attempt_limit(&mut self) -> Duration {
        let longest = self.config.connect_retry.max(ATTEMPT_MIN);
        let limit = doubled(FIRST_ATTEMPT.min(longest), self.failed_attempts, longest);
        self.jitter.apply(limit)
    }

    /// The time from an attempt that failed to the next: short at first, doubling to the connect retry time, with jitter
    /// (RFC 4271 §10). A peer that starts with us refuses connections until it listens, a moment from now.
    fn next_attempt(&mut self) -> Duration {
        let longest = self.config.connect_retry.max(RETRY_MIN);
        let first = self.config.connect_retry_initial.max(RETRY_MIN);
        let retry = doubled(first, self.failed_attempts, longest);
        self.jitter.apply(retry)
    }

    /// An attempt failed: to Active, until the next.
    pub(super) fn attempt_failed(&mut self, now: Timestamp, reason: Box<DownReason>) {
        self.record(now, &reason);
        let retry = self.next_attempt();
        self.failed_attempts = self.failed_attempts.saturating_add(1);
        self.timers.stop(Timer::DelayOpen);
        self.transition(State::Active(None), Some(reason));
        self.arm_connect_retry(now, retry);
    }

    /// To Active; our next attempt, if we connect at all, after `delay`.
    pub(super) fn wait_for_peer(&mut self, now: Timestamp, delay: Option<Duration>) {
        self.timers.stop(Timer::IdleHold);
        self.transition(State::Active(None), None);
        let delay = match delay {
            Some(delay) => self.jitter.apply(delay),
            None => self.attempt_limit(),
        };
        self.arm_connect_retry(now, delay);
    }

    fn arm_connect_retry(&mut self, now: Timestamp, delay: Duration) {
        match self.config.mode {
            ConnectMode::Active => self.timers.start(Timer::ConnectRetry, now, delay),
            ConnectMode::Passive | ConnectMode::Once => self.timers.stop(Timer::ConnectRetry),
        }
    }

    /// TCP is up: delay, or send OPEN (RFC 4271 §8.2.2, events 16 and 17 in Connect and Active).
    pub(super) fn connected(&mut self, now: Timestamp, connection: Connection) {
        self.timers.stop(Timer::ConnectRetry);
        match (self.config.delay_open, connection.direction) {
            (None, Direction::Outgoing | Direction::Incoming) => self.send_open(now, connection),
            (Some(delay), direction) => {
                self.timers.start(Timer::DelayOpen, now, delay);
                let to = match direction {
                    Direction::Outgoing => State::Connect(Connecting::Delaying(connection)),
                    Direction::Incoming => State::Active(Some(connection)),
                };
                self.transition(to, None);
            }
        }
    }

    /// Sends our OPEN: to OpenSent.
    pub(super) fn send_open(&mut self, now: Timestamp, connection: Connection) {
        let sent = open::build(&self.config);
        self.timers.stop(Timer::ConnectRetry);
        self.timers.stop(Timer::DelayOpen);
        self.send(connection.id, Message::Open(sent.clone(), self.config.open_form));
        // RFC 4271 §8.2.2: a large hold time until the peer's OPEN says what it is.
        self.timers.start(Timer::Hold, now, self.config.open_hold_time);
        self.transition(State::OpenSent(OpenSent { connection, sent }), None);
    }

    /// OPENs agree: KEEPALIVE, to OpenConfirm (RFC 4271 §8.2.2, event 19).
    pub(super) fn confirm(&mut self, now: Timestamp, session: Session) {
        let id = session.connection.id;
        self.failed_attempts = 0;
        self.timers.stop(Timer::DelayOpen);
        self.timers.stop(Timer::ConnectRetry);
        self.send(id, Message::Keepalive);
        self.transition(State::OpenConfirm(session), None);
        self.restart_hold(now);
        self.restart_keepalive(now);
    }

    /// The peer's KEEPALIVE came: to Established (RFC 4271 §8.2.2, event 26).
    pub(super) fn establish(&mut self, now: Timestamp, session: Session) {
        if let Second::Dialing(id) = self.second {
            self.actions.push_back(Action::Close(id));
            self.second = Second::None;
        }
        self.counters.established += 1;
        self.backoff.established();
        let up = Action::Up(session.connection.id, Arc::clone(&session.negotiated));
        self.transition(State::Established(Established { session, since: now }), None);
        self.actions.push_back(up);
        self.restart_hold(now);
        self.restart_send_hold(now);
        self.timers.start(Timer::Stable, now, self.config.idle_hold.stable_after);
    }

    /// Restarts the hold timer with what was negotiated; zero turns it off (RFC 4271 §4.2).
    pub(super) fn restart_hold(&mut self, now: Timestamp) {
        let Some(hold_time) = self.state.session().map(|s| s.negotiated.hold_time) else { return };
        match hold_time {
            0 => self.timers.stop(Timer::Hold),
            secs => self.timers.start(Timer::Hold, now, Duration::from_secs(secs.into())),
        }
        if let Some(c) = self.state.connection_mut() {
            c.reading = match c.reading {
                Reading::Flowing | Reading::Checking => Reading::Flowing,
                Reading::Paused | Reading::PausedPastHold => Reading::Paused,
            };
        }
    }

    /// Restarts the keepalive timer: a third of the hold time (RFC 4271 §4.4) or what is configured, if that is less,
    /// with jitter (§10).
    pub(super) fn restart_keepalive(&mut self, now: Timestamp) {
        let Some(hold_time) = self.state.session().map(|s| s.negotiated.hold_time) else { return };
        match hold_time {
            0 => self.timers.stop(Timer::Keepalive),
            secs => {
                let third = Duration::from_secs(secs.into()) / 3;
                let interval = self.config.keepalive.filter(|k| !k.is_zero()).map_or(third, |k| k.min(third));
                let interval = self.jitter.apply(interval);
                self.timers.start(Timer::Keepalive, now, interval);
            }
        }
    }

    /// The interval of KEEPALIVEs is another one: the next is sent when it is over, but no later than it was to be.
    pub(super) fn hasten_keepalive(&mut self, now: Timestamp) {
        let Some(due) = self.timers.get(Timer::Keepalive) else { return };
        self.restart_keepalive(now);
        let next = self.timers.get(Timer::Keepalive).map_or(due, |at| at.min(due));
        self.timers.set(Timer::Keepalive, Some(next));
    }

    /// Restarts the send hold timer (RFC 9687 §4.4: off where the hold time is zero).
    pub(super) fn restart_send_hold(&mut self, now: Timestamp) {
        let State::Established(e) = &self.state else { return };
        let hold_time = Duration::from_secs(e.session.negotiated.hold_time.into());
        let after = match self.config.send_hold {
            SendHold::Off => None,
            SendHold::Auto | SendHold::After(_) if hold_time.is_zero() => None,
            SendHold::Auto => Some(SEND_HOLD_MIN.max(hold_time.saturating_mul(2))),
            SendHold::After(d) => Some(d),
        };
        self.timers.set(Timer::SendHold, after.map(|d| now + d));
    }

    /// The connection of the state ends by the protocol's rules, and with it the state.
    pub(super) fn fail(&mut self, now: Timestamp, by: Initiator, cause: DownCause, goodbye: Goodbye) {
        let reason = self.end(now, by, cause, goodbye);
        self.after_end(now, reason);
    }

    /// Ends the connection of the state: NOTIFICATION, Down, Close. What follows is the caller's.
    pub(super) fn end(&mut self, now: Timestamp, by: Initiator, cause: DownCause, goodbye: Goodbye) -> Box<DownReason> {
        let id = self.state.connection_id();
        let close = goodbye != Goodbye::Gone;
        let notification = match goodbye {
            Goodbye::Silent | Goodbye::Gone => None,
            Goodbye::Send(n) => self.state.connection().map(|c| c.id).map(|id| {
                self.send(id, Message::Notification(n.clone()));
                (NotificationWay::Sent, n)
            }),
            Goodbye::Received(n) => Some((NotificationWay::Received, n)),
        };
        let retention = match &self.state {
            State::Established(e) => ending::retention(&e.session.negotiated, &cause, notification.as_ref()),
            State::Idle(_) | State::Connect(_) | State::Active(_) | State::OpenSent(_) | State::OpenConfirm(_) => {
                Retention::Flush
            }
        };
        let state = self.state.kind();
        let reason = Box::new(DownReason { by, cause, notification, state, retention });
        self.record(now, &reason);
        if let Some((id, _)) = self.established() {
            self.counters.flaps += 1;
            self.actions.push_back(Action::Down(id, reason.clone()));
        }
        if close && let Some(id) = id {
            self.actions.push_back(Action::Close(id));
        }
        for timer in
            [Timer::ConnectRetry, Timer::Hold, Timer::Keepalive, Timer::DelayOpen, Timer::SendHold, Timer::Stable]
        {
            self.timers.stop(timer);
        }
        reason
    }

    pub(super) fn record(&mut self, now: Timestamp, reason: &DownReason) {
        if reason.cause == DownCause::CollisionLost {
            self.counters.collisions += 1;
            return;
        }
        self.counters.connect_retries += 1;
        self.counters.last_reset = Some(Box::new(LastReset { at: now, reason: reason.clone() }));
    }

    /// Where the peer goes after its connection ended: to its other connection, to Active, or to Idle.
    fn after_end(&mut self, now: Timestamp, reason: Box<DownReason>) {
        let class = classify(&reason);
        match self.backoff.note(class, &self.config.idle_hold) {
            Penalty::Hold(hold) if self.second_may_go_on(class) => self.promote_or(now, reason, hold),
            Penalty::Hold(hold) => {
                self.drop_second(now, Some(Notification::connection_rejected()));
                self.transition(State::Idle(IdleWhy::Holding), Some(reason));
                self.timers.start(Timer::IdleHold, now, hold);
            }
            Penalty::Delay(delay) => self.promote_or(now, reason, delay),
        }
    }

    /// Before a session was established, the fault of one connection is not that of the other.
    fn second_may_go_on(&self, class: Class) -> bool {
        class != Class::SessionError && self.second != Second::None
    }

    fn promote_or(&mut self, now: Timestamp, reason: Box<DownReason>, delay: Duration) {
        match std::mem::replace(&mut self.second, Second::None) {
            Second::Dialing(id) => {
                self.transition(State::Connect(Connecting::Dialing(id)), Some(reason));
                let limit = self.attempt_limit();
                self.timers.start(Timer::ConnectRetry, now, limit);
            }
            Second::Waiting(connection, Some(sent)) => {
                let hold = self.timers.get(Timer::SecondHold);
                self.timers.stop(Timer::SecondHold);
                self.timers.set(Timer::Hold, hold);
                self.transition(State::OpenSent(OpenSent { connection, sent }), Some(reason));
            }
            Second::Waiting(connection, None) => {
                self.timers.stop(Timer::SecondHold);
                self.transition(State::Idle(IdleWhy::Holding), Some(reason));
                self.send_open(now, connection);
            }
            Second::Agreed(session) => {
                self.timers.stop(Timer::SecondHold);
                self.transition(State::Idle(IdleWhy::Holding), Some(reason));
                self.confirm(now, session);
            }
            Second::None => {
                // The idle hold time is zero: RFC 4271 leaves the method of damping open (§8.1.1).
                self.transition(State::Idle(IdleWhy::Holding), Some(reason));
                self.wait_for_peer(now, Some(delay));
            }
        }
    }

    /// The operator, the configuration or the speaker ends all of it.
    pub(super) fn stop(&mut self, now: Timestamp, cause: DownCause, goodbye: Option<Notification>, restart: Restart) {
        let by = match cause {
            DownCause::ManualStop(_) => Initiator::Operator,
            DownCause::AutomaticStop(_)
            | DownCause::HoldTimerExpired
            | DownCause::SendHoldTimerExpired
            | DownCause::Tcp(_)
            | DownCause::HeaderError
            | DownCause::OpenError
            | DownCause::OpenRejected(_)
            | DownCause::UpdateError
            | DownCause::RouteRefreshError
            | DownCause::FsmError(_)
            | DownCause::NotificationReceived
            | DownCause::CollisionLost
            | DownCause::PeerRestarted
            | DownCause::InternalError(_) => Initiator::Local,
        };
        self.drop_second(now, goodbye.clone());
        let reason = self.end(now, by, cause, goodbye.map_or(Goodbye::Silent, Goodbye::Send));
        let (why, hold) = match restart {
            Restart::Manual => (IdleWhy::Stopped, None),
            Restart::After(d) => (IdleWhy::Holding, Some(d)),
            Restart::Backoff => match self.backoff.note(Class::SessionError, &self.config.idle_hold) {
                Penalty::Delay(d) | Penalty::Hold(d) => (IdleWhy::Holding, Some(d)),
            },
        };
        self.transition(State::Idle(why), Some(reason));
        self.timers.set(Timer::IdleHold, hold.map(|d| now + d));
    }
}
