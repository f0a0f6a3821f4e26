//! What the manager and the operator tell a peer's task, and what the task does about it.

use std::time::Duration;

use heddle_admin::types::EventKind;
use heddle_bgp_core::Family;
use heddle_bgp_core::route_refresh::{RefreshSubtype, RouteRefresh};
use heddle_bgp_fsm::{Event, StateKind, Stop};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::reconfigure::SessionEffect;
use super::runtime::Runtime;
use super::status::{Blocked, Obstacle, Traffic, Wish};
use super::{LINGER, Life, PeerTask};
use crate::rib_link::ToRib;

/// What a peer's task is told. A reply says whether anything changed; it is sent when the action is begun.
#[derive(Debug)]
pub(crate) enum Command {
    /// `peer up`.
    Up(oneshot::Sender<Outcome>),
    /// `peer down`.
    Down(String, oneshot::Sender<Outcome>),
    /// `peer clear`.
    Clear(String, oneshot::Sender<Outcome>),
    /// `peer refresh`: ask the peer for its routes.
    RefreshIn(Option<Family>, oneshot::Sender<Outcome>),
    /// `peer refresh`: send ours again.
    RefreshOut(Option<Family>, oneshot::Sender<Outcome>),
    /// `peer drain` and its end.
    Drain(Wish, oneshot::Sender<Outcome>),
    /// The configuration changed.
    Reconfigure(Box<Runtime>, SessionEffect),
    /// The peer was removed from the configuration.
    Remove,
    /// The process ends.
    Exit(String),
}

/// What came of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is done, or begun.
    Done,
    /// There was nothing to do.
    Nothing,
    /// The session is not established.
    NotEstablished,
    /// The peer did not negotiate route refresh.
    NoRefresh,
    /// Something is in the way that the command cannot remove.
    Blocked(String),
}

impl PeerTask {
    /// Wants a session, where nothing is in the way.
    pub(super) fn start(&mut self) {
        if self.runtime.wish == Wish::Down {
            let text = if self.runtime.settings.shutdown { "shutdown = true" } else { "taken down by the operator" };
            self.blocked = Some(Blocked { by: Obstacle::AdminDown, text: text.into() });
        } else if let Err(blocked) = &self.runtime.keys {
            if self.blocked.as_ref() != Some(blocked) {
                let blocked = blocked.clone();
                warn!(reason = %blocked.text, "the peer stays down");
                self.tell(EventKind::PeerBlocked { reason: blocked.text.to_string() });
                self.blocked = Some(blocked);
            }
        } else {
            let limited = self.runtime.limited.take();
            self.blocked = limited.as_ref().map(|limited| limited.blocked.clone());
            let now = self.shared.clock.now();
            match (self.runtime.faults.take(), limited.map(|limited| limited.until)) {
                // It is for the operator to start it.
                (_, Some(None)) => info!("a prefix limit holds the peer, as before its task was made anew"),
                (Some(faults), Some(Some(until))) => self.hold_for_faults(faults, until.since(now)),
                (Some(faults), None) => self.hold_for_faults(faults, Duration::ZERO),
                (None, Some(Some(_)) | None) => self.event(Event::ManualStart),
            }
        }
    }

    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Up(reply) => drop(reply.send(self.up_again())),
            Command::Down(text, reply) => {
                let was = std::mem::replace(&mut self.runtime.wish, Wish::Down);
                self.event(Event::ManualStop(Stop::AdministrativeShutdown(text)));
                self.forget_stale();
                self.start();
                let _ = reply.send(if was == Wish::Down { Outcome::Nothing } else { Outcome::Done });
            }
            Command::Clear(text, reply) => drop(reply.send(self.clear(text))),
            Command::RefreshIn(family, reply) => drop(reply.send(self.ask_refresh(family))),
            Command::RefreshOut(family, reply) => drop(reply.send(self.send_again(family))),
            Command::Drain(wish, reply) => drop(reply.send(self.drain(wish))),
            Command::Reconfigure(runtime, effect) => self.reconfigure(*runtime, effect),
            Command::Remove => {
                self.event(Event::ManualStop(Stop::PeerDeconfigured));
                self.end();
            }
            Command::Exit(text) => {
                self.event(Event::ManualStop(Stop::ProcessExit(text)));
                self.end();
            }
        }
    }

    /// The task ends as soon as nothing is left to do.
    pub(super) fn end(&mut self) {
        self.life = Life::Ending;
        if self.fsm.state() != StateKind::Idle {
            self.event(Event::ManualStop(Stop::ProcessExit(String::new())));
        }
    }

    fn up_again(&mut self) -> Outcome {
        let idle = self.fsm.state() == StateKind::Idle;
        if self.runtime.wish == Wish::Down {
            self.runtime.wish = Wish::Up;
        }
        if idle {
            // Who asks does not want to wait.
            (self.runtime.faults, self.runtime.limited) = (None, None);
            self.start();
            if let Life::Lingering(_) = self.life {
                // The peer has time to come before it is forgotten.
                self.life = Life::Lingering(self.shared.clock.now() + LINGER);
            }
        }
        match &self.blocked {
            Some(b) => Outcome::Blocked(b.text.to_string()),
            None if idle => Outcome::Done,
            None => Outcome::Nothing,
        }
    }

    fn clear(&mut self, text: String) -> Outcome {
        if self.runtime.wish == Wish::Down {
            return Outcome::Blocked("the peer is down".to_owned());
        }
        self.event(Event::ManualStop(Stop::AdministrativeReset(text)));
        self.start();
        Outcome::Done
    }

    fn drain(&mut self, wish: Wish) -> Outcome {
        if self.runtime.wish == Wish::Down {
            return Outcome::Blocked("the peer is down".to_owned());
        }
        if std::mem::replace(&mut self.runtime.wish, wish) == wish {
            return Outcome::Nothing;
        }
        self.evaluate();
        Outcome::Done
    }

    pub(super) fn ask_refresh(&mut self, only: Option<Family>) -> Outcome {
        let Some(session) = &self.session else { return Outcome::NotEstablished };
        if !session.negotiated.route_refresh {
            return Outcome::NoRefresh;
        }
        let id = session.connection;
        let families: Vec<Family> = session.families().filter(|f| only.is_none_or(|o| o == *f)).collect();
        for family in families {
            let mut message = bytes::BytesMut::new();
            RouteRefresh { family, subtype: RefreshSubtype::Request }.encode(&mut message);
            if self.connection(id).is_some_and(|c| c.queue_control(&message)) {
                Traffic::add(&self.status.traffic.refreshes_out, 1);
                Traffic::add(&self.status.traffic.bytes_out, message.len());
            }
        }
        Outcome::Done
    }

    fn send_again(&mut self, only: Option<Family>) -> Outcome {
        let Some(session) = &self.session else { return Outcome::NotEstablished };
        for family in session.families().filter(|f| only.is_none_or(|o| o == *f)) {
            if let Some(asked) = session.refresh_mark(family)
                && asked.ask()
            {
                self.rib.control(ToRib::Refresh(session.id, family, asked));
            }
        }
        Outcome::Done
    }
}
