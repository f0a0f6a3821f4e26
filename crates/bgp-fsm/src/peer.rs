//! The session of one peer.

use std::collections::VecDeque;

use heddle_bgp_core::{Negotiated, Timestamp};

use crate::action::Action;
use crate::config::PeerConfig;
use crate::connection::ConnectionId;
use crate::counters::Counters;
use crate::event::Event;
use crate::state::{IdleWhy, State, StateKind};

/// The session of one peer: a pure function of its state, the event and the time. See the [crate's page](crate).
#[derive(Clone, Debug)]
pub struct Peer {
    config: PeerConfig,
    state: State,
    actions: VecDeque<Action>,
    counters: Counters,
    next_connection: u64,
    _seed: u64,
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

impl Peer {
    /// A peer that is Idle until [`Event::ManualStart`]; `seed` is for its jitter.
    #[must_use]
    pub fn new(config: PeerConfig, seed: u64) -> Self {
        Self {
            config,
            state: State::Idle(IdleWhy::Stopped),
            actions: VecDeque::new(),
            counters: Counters::default(),
            next_connection: 0,
            _seed: seed,
        }
    }

    /// Takes an event in. Poll the actions and the timeout afterwards.
    pub fn handle(&mut self, _now: Timestamp, _event: Event) {}

    /// The fast path of [`Event::UpdateMsg`]: `count` UPDATEs came on `connection`; says whether they may enter the
    /// RIB.
    pub fn updates_received(&mut self, now: Timestamp, connection: ConnectionId, count: u32) -> Door {
        self.handle(now, Event::UpdateMsg(connection, count));
        if self.established().is_some_and(|(id, _)| id == connection) { Door::Open } else { Door::Shut }
    }

    /// Lets the timers that are due at `now` run out. Poll the actions and the timeout afterwards.
    pub fn handle_timeout(&mut self, _now: Timestamp) {}

    /// The next thing to do; poll until none after each call that takes `now`.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`handle_timeout`](Self::handle_timeout) is to be called next; ask after the actions.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Timestamp> {
        None
    }

    /// A fresh name for a connection that the peer opened.
    pub fn new_connection_id(&mut self) -> ConnectionId {
        self.next_connection += 1;
        ConnectionId(self.next_connection)
    }

    /// Replaces the configuration; says whether something in it waits for the next session.
    pub fn set_config(&mut self, _now: Timestamp, config: PeerConfig) -> ConfigEffect {
        self.config = config;
        ConfigEffect::AtOnce
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

    /// The established session.
    #[must_use]
    pub fn established(&self) -> Option<(ConnectionId, &Negotiated)> {
        match &self.state {
            State::Established(e) => Some((e.connection.id, &e.negotiated)),
            State::Idle(_) | State::Connect(_) | State::Active(_) | State::OpenSent(_) | State::OpenConfirm(_) => None,
        }
    }

    /// Since when the session is established.
    #[must_use]
    pub fn established_since(&self) -> Option<Timestamp> {
        match &self.state {
            State::Established(e) => Some(e.since),
            State::Idle(_) | State::Connect(_) | State::Active(_) | State::OpenSent(_) | State::OpenConfirm(_) => None,
        }
    }

    /// Its counters.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// When a new configuration acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigEffect {
    /// All of it at once.
    AtOnce,
    /// Some of it with the next session: reset the peer ([`Stop::ConfigurationChange`](crate::Stop)) to have it now.
    NextSession,
}
