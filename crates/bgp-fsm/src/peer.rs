//! The session of one peer: the state machine's outside.
//!
//! ```text
//!             start                TCP up, OPEN sent            OPENs agree             KEEPALIVE
//!   Idle ------------> Connect ----------------------> OpenSent ----------> OpenConfirm ----------> Established
//!    ^  \               |   ^                           |  ^                     |                      |
//!    |   \ passive,     |   | connect retry             |  | the peer connected  |                      |
//!    |    \ or a loss   v   |                           |  |                     |                      |
//!    |     `---------> Active <----- TCP ended ---------'  |                     |                      |
//!    |                  `----------------------------------'                     |                      |
//!    `---- every other end, then at once to Active, or after the idle hold time -+----------------------'
//! ```
//!
//! Beside the connection of the state there may be a second one, in the other direction, that has not got the peer's
//! OPEN yet (RFC 4271 §6.8); the state is always that of the connection that is further.
//!
//! Deviations from RFC 4271 §8.2.2, all of which keep a peer reachable that the RFC's machine would refuse for a while:
//! - Connect, event 18: to Active rather than Idle, so that the peer's connection is accepted meanwhile.
//! - After a loss the idle hold time is zero; our own next attempt waits instead.
//! - The end of one connection does not end another that is being set up.
//! - A timer that does not run cannot expire; such an event is ignored.
//! - No NOTIFICATION answers a NOTIFICATION (§6.4).
//! - A passive peer is never connected to, not even when the connect retry timer expires in Active.

mod act;
mod established;
mod failure;
mod opening;
#[cfg(any(test, fuzzing))]
pub mod script;
mod second;
mod waiting;

use std::collections::VecDeque;

use heddle_bgp_core::capability::ForwardingState;
use heddle_bgp_core::{Family, Negotiated, Timestamp};

use crate::action::Action;
use crate::backoff::Backoff;
use crate::config::{ConnectMode, PeerConfig};
use crate::connection::{ConnectionId, Direction, Reading};
use crate::counters::Counters;
use crate::event::Event;
use crate::input::{Input, Report, Routed, route};
use crate::jitter::Jitter;
use crate::state::{Connecting, IdleWhy, Second, State, StateKind};
use crate::timers::{Timer, Timers};

/// The session of one peer: a pure function of its state, the event and the time. See the [crate's page](crate).
#[derive(Clone, Debug)]
pub struct Peer {
    config: PeerConfig,
    state: State,
    second: Second,
    timers: Timers,
    jitter: Jitter,
    backoff: Backoff,
    /// Attempts to connect that failed in a row.
    failed_attempts: u32,
    /// The attempt of [`ConnectMode::Once`] was made.
    dialed_once: bool,
    actions: VecDeque<Action>,
    counters: Counters,
    next_connection: u64,
}

/// Whether UPDATEs that came on a connection may enter the RIB.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub enum Door {
    /// The connection is the established session: hand them on.
    Open,
    /// It is not: drop them; actions wait.
    Shut,
}

/// When a new configuration acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigEffect {
    /// All of it at once.
    AtOnce,
    /// Some of it with the next session: reset the peer ([`Stop::ConfigurationChange`](crate::Stop)) to have it now.
    NextSession,
}

impl Peer {
    /// A peer that is Idle until [`Event::ManualStart`]; `seed` is for its jitter.
    #[must_use]
    pub fn new(config: PeerConfig, seed: u64) -> Self {
        Self {
            config,
            state: State::Idle(IdleWhy::Stopped),
            second: Second::None,
            timers: Timers::default(),
            jitter: Jitter::new(seed),
            backoff: Backoff::default(),
            failed_attempts: 0,
            dialed_once: false,
            actions: VecDeque::new(),
            counters: Counters::default(),
            next_connection: 0,
        }
    }

    /// Takes an event in. Poll the actions and the timeout afterwards. An event of a connection that the machine has
    /// closed is ignored.
    pub fn handle(&mut self, now: Timestamp, event: Event) {
        self.count_in(&event);
        match route(event) {
            Routed::Peer(input) => self.step(now, input),
            Routed::Connection(id, input) if self.state.connection_id() == Some(id) => self.step(now, input),
            Routed::Connection(id, input) if self.second.id() == Some(id) => self.step_second(now, input),
            // We gave this attempt up before its success was reported.
            Routed::Connection(id, Input::TcpAcked) => self.actions.push_back(Action::Close(id)),
            Routed::Connection(..) => {}
            Routed::Incoming(id) if self.knows(id) => {}
            Routed::Incoming(id) => self.step(now, Input::TcpConfirmed(id)),
            Routed::Report(id, report) => self.report(now, id, report),
            Routed::Stable => self.backoff.clear(),
        }
    }

    /// The fast path of [`Event::UpdateMsg`]: `count` UPDATEs came on `connection`; says whether they may enter the
    /// RIB.
    pub fn updates_received(&mut self, now: Timestamp, connection: ConnectionId, count: u32) -> Door {
        self.handle(now, Event::UpdateMsg(connection, count));
        if self.established().is_some_and(|(id, _)| id == connection) { Door::Open } else { Door::Shut }
    }

    /// Lets the timers that are due at `now` run out, each once. Poll the actions and the timeout afterwards.
    pub fn handle_timeout(&mut self, now: Timestamp) {
        for timer in Timer::ALL {
            if self.timers.take_due(timer, now) {
                self.expire(now, timer);
            }
        }
    }

    fn expire(&mut self, now: Timestamp, timer: Timer) {
        match timer {
            Timer::ConnectRetry => self.handle(now, Event::ConnectRetryTimerExpires),
            Timer::Hold => self.hold_is_due(self.state.connection_id()),
            Timer::SecondHold => self.hold_is_due(self.second.id()),
            Timer::Keepalive => self.handle(now, Event::KeepaliveTimerExpires),
            Timer::DelayOpen => self.handle(now, Event::DelayOpenTimerExpires),
            Timer::IdleHold => self.handle(now, Event::IdleHoldTimerExpires),
            Timer::SendHold => self.handle(now, Event::SendHoldTimerExpires),
            Timer::Stable => self.handle(now, Event::StableTimerExpires),
        }
    }

    /// The next thing to do; poll until none after each call that takes `now`.
    pub fn poll_action(&mut self) -> Option<Action> {
        let action = self.actions.pop_front();
        if action.is_none() {
            // Most peers have nothing to do most of the time; there may be thousands of them.
            self.actions.shrink_to_fit();
        }
        action
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next; ask after the actions.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        self.timers.next()
    }

    /// A fresh name for a connection that the peer opened.
    pub fn new_connection_id(&mut self) -> ConnectionId {
        self.next_connection += 1;
        ConnectionId(self.next_connection)
    }

    /// Replaces the configuration; says whether something in it waits for the next session.
    ///
    /// Timers act when they are set next, the send hold time and the mode of connecting at once. A change of what is
    /// negotiated ends damping: what went wrong before may have been just that.
    pub fn set_config(&mut self, now: Timestamp, config: PeerConfig) -> ConfigEffect {
        let old = std::mem::replace(&mut self.config, config);
        let renegotiates = self.config.negotiates_otherwise(&old);
        if renegotiates {
            self.backoff.clear();
            if self.state == State::Idle(IdleWhy::Holding) {
                self.step(now, Input::IdleHold);
            }
        }
        if old.mode != self.config.mode {
            self.mode_changed(now);
        }
        if old.keepalive != self.config.keepalive {
            self.hasten_keepalive(now);
        }
        if old.send_hold != self.config.send_hold {
            self.restart_send_hold(now);
        }
        match self.state {
            State::OpenSent(_) | State::OpenConfirm(_) | State::Established(_) if renegotiates => {
                ConfigEffect::NextSession
            }
            State::Idle(_)
            | State::Connect(_)
            | State::Active(_)
            | State::OpenSent(_)
            | State::OpenConfirm(_)
            | State::Established(_) => ConfigEffect::AtOnce,
        }
    }

    /// Says of each family what is left of its forwarding state: the bit F of the next OPEN (RFC 4724 §3). Nothing else
    /// changes with it; damping and pauses go on.
    pub fn set_forwarding(&mut self, state: impl Fn(Family) -> ForwardingState) {
        for family in &mut self.config.families {
            family.forwarding = state(family.family);
        }
    }

    fn mode_changed(&mut self, now: Timestamp) {
        match (self.config.mode, &self.state) {
            (ConnectMode::Passive, State::Connect(Connecting::Dialing(id))) => {
                let id = *id;
                self.actions.push_back(Action::Close(id));
                self.wait_for_peer(now, None);
            }
            (ConnectMode::Passive | ConnectMode::Once, State::Active(None)) => self.timers.stop(Timer::ConnectRetry),
            (ConnectMode::Active, State::Active(None)) => self.dial(now),
            (
                ConnectMode::Active | ConnectMode::Passive | ConnectMode::Once,
                State::Idle(_)
                | State::Connect(_)
                | State::Active(_)
                | State::OpenSent(_)
                | State::OpenConfirm(_)
                | State::Established(_),
            ) => {}
        }
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &PeerConfig {
        &self.config
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> StateKind {
        self.state.kind()
    }

    /// Why the peer is Idle; none in other states.
    #[must_use]
    pub const fn idle_why(&self) -> Option<IdleWhy> {
        match &self.state {
            State::Idle(why) => Some(*why),
            State::Connect(_)
            | State::Active(_)
            | State::OpenSent(_)
            | State::OpenConfirm(_)
            | State::Established(_) => None,
        }
    }

    /// When the idle hold time ends; none unless it runs.
    #[must_use]
    pub fn idle_until(&self) -> Option<Timestamp> {
        self.timers.get(Timer::IdleHold)
    }

    /// The established session.
    #[must_use]
    pub fn established(&self) -> Option<(ConnectionId, &Negotiated)> {
        match &self.state {
            State::Established(e) => Some((e.session.connection.id, &e.session.negotiated)),
            State::Idle(_) | State::Connect(_) | State::Active(_) | State::OpenSent(_) | State::OpenConfirm(_) => None,
        }
    }

    /// Since when the session is established.
    #[must_use]
    pub const fn established_since(&self) -> Option<Timestamp> {
        match &self.state {
            State::Established(e) => Some(e.since),
            State::Idle(_) | State::Connect(_) | State::Active(_) | State::OpenSent(_) | State::OpenConfirm(_) => None,
        }
    }

    /// What the OPENs agreed on, from OpenConfirm on.
    #[must_use]
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.state.session().map(|s| &*s.negotiated)
    }

    /// Who opened the connection that carries the state.
    #[must_use]
    pub fn direction(&self) -> Option<Direction> {
        self.state.connection().map(|c| c.direction)
    }

    /// When we connect next, or give up the attempt that is under way.
    #[must_use]
    pub fn connect_retry_at(&self) -> Option<Timestamp> {
        self.timers.get(Timer::ConnectRetry)
    }

    /// Attempts to connect that failed in a row.
    #[must_use]
    pub const fn failed_attempts(&self) -> u32 {
        self.failed_attempts
    }

    /// When the peer is given up unless it says something; none where the hold time is zero.
    #[must_use]
    pub fn hold_until(&self) -> Option<Timestamp> {
        self.timers.get(Timer::Hold)
    }

    /// Its counters.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    fn knows(&self, id: ConnectionId) -> bool {
        self.state.connection_id() == Some(id) || self.second.id() == Some(id)
    }

    /// The transition function of RFC 4271 §8.2.2 for the connection that carries the state.
    fn step(&mut self, now: Timestamp, input: Input) {
        match self.state.kind() {
            StateKind::Idle => self.in_idle(now, input),
            StateKind::Connect => self.in_connect(now, input),
            StateKind::Active => self.in_active(now, input),
            StateKind::OpenSent => self.in_open_sent(now, input),
            StateKind::OpenConfirm => self.in_open_confirm(now, input),
            StateKind::Established => self.in_established(now, input),
        }
    }

    /// The hold timer of a connection ran out. It is judged only after the socket was read empty.
    fn hold_is_due(&mut self, id: Option<ConnectionId>) {
        let Some(id) = id else { return };
        let Some(reading) = self.reading_mut(id) else { return };
        match *reading {
            Reading::Flowing | Reading::Checking => {
                *reading = Reading::Checking;
                self.actions.push_back(Action::CheckHold(id));
            }
            Reading::Paused | Reading::PausedPastHold => *reading = Reading::PausedPastHold,
        }
    }

    fn reading_mut(&mut self, id: ConnectionId) -> Option<&mut Reading> {
        let main = self.state.connection_mut().filter(|c| c.id == id);
        let second = match &mut self.second {
            Second::Waiting(c, _) if c.id == id => Some(c),
            Second::Agreed(s) if s.connection.id == id => Some(&mut s.connection),
            Second::None | Second::Dialing(_) | Second::Waiting(..) | Second::Agreed(_) => None,
        };
        main.or(second).map(|c| &mut c.reading)
    }

    fn report(&mut self, now: Timestamp, id: ConnectionId, report: Report) {
        let Some(reading) = self.reading_mut(id) else { return };
        match (report, *reading) {
            (Report::ReadPaused, Reading::Flowing) => *reading = Reading::Paused,
            (Report::ReadPaused, Reading::Checking) => *reading = Reading::PausedPastHold,
            (Report::ReadResumed, Reading::Paused) => *reading = Reading::Flowing,
            (Report::ReadResumed, Reading::PausedPastHold) => {
                *reading = Reading::Checking;
                self.actions.push_back(Action::CheckHold(id));
            }
            (Report::ReadEmpty, Reading::Checking) => self.handle(now, Event::HoldTimerExpires(id)),
            (Report::ReadPaused, Reading::Paused | Reading::PausedPastHold)
            | (Report::ReadResumed, Reading::Flowing | Reading::Checking)
            | (Report::ReadEmpty, Reading::Flowing | Reading::Paused | Reading::PausedPastHold) => {}
            (
                Report::WriteProgress,
                Reading::Flowing | Reading::Paused | Reading::PausedPastHold | Reading::Checking,
            ) => self.restart_send_hold(now),
            (
                Report::UpdatesSent(count),
                Reading::Flowing | Reading::Paused | Reading::PausedPastHold | Reading::Checking,
            ) => self.updates_sent(now, count),
        }
    }

    fn updates_sent(&mut self, now: Timestamp, count: u32) {
        if self.established().is_some() {
            self.counters.messages_out.update += u64::from(count);
            self.restart_send_hold(now);
            // RFC 4271 §8.2.2: each UPDATE sent restarts the keepalive timer.
            self.restart_keepalive(now);
        }
    }

    fn count_in(&mut self, event: &Event) {
        let counts = &mut self.counters.messages_in;
        match event {
            Event::BgpOpen(..) | Event::BgpOpenWithDelayOpenTimerRunning(..) | Event::BgpOpenMsgErr(..) => {
                counts.open += 1;
            }
            Event::NotifMsg(..) | Event::NotifMsgVerErr(..) => counts.notification += 1,
            Event::KeepAliveMsg(_) => counts.keepalive += 1,
            Event::UpdateMsg(_, n) => counts.update += u64::from(*n),
            Event::UpdateMsgErr(..) => counts.update += 1,
            Event::RouteRefreshMsg(_) | Event::RouteRefreshMsgErr(..) => counts.route_refresh += 1,
            Event::ManualStart
            | Event::ManualStop(_)
            | Event::AutomaticStart
            | Event::ManualStartWithPassiveTcpEstablishment
            | Event::AutomaticStartWithPassiveTcpEstablishment
            | Event::AutomaticStartWithDampPeerOscillations
            | Event::AutomaticStartWithDampPeerOscillationsAndPassiveTcpEstablishment
            | Event::AutomaticStop(_)
            | Event::ConnectRetryTimerExpires
            | Event::HoldTimerExpires(_)
            | Event::KeepaliveTimerExpires
            | Event::DelayOpenTimerExpires
            | Event::IdleHoldTimerExpires
            | Event::TcpConnectionValid(_)
            | Event::TcpCrInvalid(_)
            | Event::TcpCrAcked(_)
            | Event::TcpConnectionConfirmed(_)
            | Event::TcpConnectionFails(..)
            | Event::BgpHeaderErr(..)
            | Event::OpenCollisionDump(_)
            | Event::SendHoldTimerExpires
            | Event::WriteProgress(_)
            | Event::UpdatesSent(..)
            | Event::ReadPaused(_)
            | Event::ReadResumed(_)
            | Event::ReadEmpty(_)
            | Event::StableTimerExpires => {}
        }
    }
}

#[cfg(test)]
mod tests;
