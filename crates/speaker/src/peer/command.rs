//! What the manager tells a peer's task, and what the task does about it.

use std::net::IpAddr;
use std::sync::Arc;

use heddle_admin::types::EventKind;
use heddle_bgp_core::route_refresh::{RefreshSubtype, RouteRefresh};
use heddle_bgp_core::update::DecodeOptions;
use heddle_bgp_core::{Asn, Family, Negotiated, PeerType, Timestamp};
use heddle_bgp_fsm::{AutomaticStop, AutomaticStopCause, Event, PeerConfig, Restart, Stop};
use heddle_config::{LimitAction, PeerAddress, PeerAs, PeerSettings, Router};
use heddle_rib::ingest::IngestContext;
use heddle_rib::session::{Retained, SessionHandles, SessionParams};
use tokio::sync::oneshot;
use tracing::{info, warn};

use super::status::{Blocked, PeerOrigin, Traffic, Wish};
use super::transport::{Dial, Hops, Password};
use super::{Life, PeerTask};
use crate::interface::SessionAddresses;
use crate::mapping;
use crate::mapping::rib::Policies;
use crate::report;
use crate::restart_marker::Start;
use crate::rib_link::{LimitDirection, LimitReached, StaleStep, ToRib};

/// What a peer's task runs; replaced as a whole when the configuration changes.
#[derive(Clone, Debug)]
pub(crate) struct Runtime {
    /// The peer.
    pub address: PeerAddress,
    /// Its AS.
    pub asn: PeerAs,
    /// Its group.
    pub group: Option<String>,
    /// Its settings.
    pub settings: PeerSettings,
    /// The speaker.
    pub router: Arc<Router>,
    /// The compiled policies.
    pub policies: Arc<Policies>,
    /// Whether the next session is the first after a restart of the process.
    pub start: Start,
    /// The key, or why there is none though one is configured.
    pub password: Result<Option<Password>, String>,
    /// Static or dynamic.
    pub origin: PeerOrigin,
    /// What the operator wants.
    pub wish: Wish,
    /// When a session that a limit ended starts again.
    pub restart_at: Option<Timestamp>,
}

impl Runtime {
    /// Our AS toward the peer.
    #[must_use]
    pub(crate) fn local_asn(&self) -> Asn {
        mapping::session::local_asn(&self.router, &self.settings)
    }
    /// What the state machine has to know.
    #[must_use]
    pub(crate) fn fsm_config(&self) -> PeerConfig {
        mapping::session::fsm_config(&self.router, self.asn, &self.settings, self.start)
    }
    pub(super) fn dial(&self, peer_type: PeerType) -> Dial {
        Dial {
            peer: self.address.clone(),
            port: self.settings.port,
            local: self.settings.local_address.clone(),
            hops: Hops::of(&self.settings, peer_type),
            password: self.password.as_ref().ok().cloned().flatten(),
        }
    }
    pub(super) fn decode_options(&self, negotiated: &Negotiated, addresses: &SessionAddresses) -> DecodeOptions {
        let ours: Vec<IpAddr> =
            [addresses.v4.map(IpAddr::V4), addresses.v6.map(IpAddr::V6)].into_iter().flatten().collect();
        mapping::session::decode_options(&self.settings, negotiated, &ours)
    }
    pub(super) fn ingest_context(&self, negotiated: &Negotiated, seed: u64) -> IngestContext {
        mapping::rib::ingest_context(&self.router, &self.settings, negotiated, seed)
    }
    pub(super) fn session_params(
        &self,
        negotiated: &Negotiated,
        addresses: &SessionAddresses,
        retained: &[(Family, Retained)],
    ) -> SessionParams {
        mapping::rib::session_params(self, negotiated, addresses, retained)
    }
}

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

/// What a new configuration does to a running session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum SessionEffect {
    /// It goes on.
    Keep,
    /// It goes on, and the routes both ways are evaluated anew.
    Evaluate,
    /// It is reset.
    Reset,
}

/// What came of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// It is done, or begun.
    Done,
    /// There was nothing to do.
    Nothing,
    /// The session is not established.
    NotEstablished,
    /// The peer did not negotiate route refresh.
    NoRefresh,
}

impl PeerTask {
    /// The first thing that the task does.
    pub(super) fn begin(&mut self) {
        self.check_password();
        if self.runtime.settings.shutdown {
            self.runtime.wish = Wish::Down;
        }
        self.start();
    }

    /// Wants a session, where nothing is in the way.
    pub(super) fn start(&mut self) {
        match (self.runtime.wish, &self.blocked) {
            (Wish::Down, _) => {
                let text = "shut down by the operator or the configuration".to_owned();
                self.blocked = Some(Blocked { code: "admin_down", text });
            }
            (Wish::Up | Wish::Draining, Some(b)) if b.code == "password_missing" => {}
            (Wish::Up | Wish::Draining, _) => {
                self.blocked = None;
                self.event(Event::ManualStart);
            }
        }
    }

    fn check_password(&mut self) {
        match &self.runtime.password {
            Ok(_) => {
                self.blocked = self.blocked.take().filter(|b| b.code != "password_missing");
            }
            Err(text) => {
                warn!(peer = %self.runtime.address, reason = %text, "the peer stays down");
                let address = report::address(&self.runtime.address);
                self.shared.events.publish(Some(address), EventKind::PeerBlocked { reason: text.clone() });
                self.blocked = Some(Blocked { code: "password_missing", text: text.clone() });
            }
        }
    }

    pub(super) fn command(&mut self, command: Command) {
        match command {
            Command::Up(reply) => {
                let idle = self.runtime.wish == Wish::Down || self.blocked.is_some();
                self.runtime.wish = if self.runtime.wish == Wish::Down { Wish::Up } else { self.runtime.wish };
                self.runtime.restart_at = None;
                self.start();
                let _ = reply.send(if idle { Outcome::Done } else { Outcome::Nothing });
            }
            Command::Down(text, reply) => {
                let was = std::mem::replace(&mut self.runtime.wish, Wish::Down);
                self.event(Event::ManualStop(Stop::AdministrativeShutdown(text)));
                self.forget_stale();
                self.start();
                let _ = reply.send(if was == Wish::Down { Outcome::Nothing } else { Outcome::Done });
            }
            Command::Clear(text, reply) => {
                self.event(Event::ManualStop(Stop::AdministrativeReset(text)));
                self.runtime.restart_at = None;
                self.start();
                let _ = reply.send(Outcome::Done);
            }
            Command::RefreshIn(family, reply) => drop(reply.send(self.ask_refresh(family))),
            Command::RefreshOut(family, reply) => drop(reply.send(self.send_again(family))),
            Command::Drain(wish, reply) => drop(reply.send(self.drain(wish))),
            Command::Reconfigure(runtime, effect) => self.reconfigure(*runtime, effect),
            Command::Remove => {
                self.event(Event::ManualStop(Stop::PeerDeconfigured));
                self.forget_stale();
                self.end();
            }
            Command::Exit(text) => {
                self.event(Event::ManualStop(Stop::ProcessExit(text)));
                self.forget_stale();
                self.end();
            }
        }
    }

    /// The task ends as soon as nothing is left to do.
    pub(super) fn end(&mut self) {
        self.life = Life::Ending;
        if self.fsm.state() != heddle_bgp_fsm::StateKind::Idle {
            self.event(Event::ManualStop(Stop::ProcessExit(String::new())));
        }
    }

    fn reconfigure(&mut self, mut new: Runtime, effect: SessionEffect) {
        new.start = self.runtime.start;
        new.restart_at = self.runtime.restart_at;
        let shutdown_changed = new.settings.shutdown != self.runtime.settings.shutdown;
        new.wish = match (shutdown_changed, new.settings.shutdown) {
            (true, true) => Wish::Down,
            (true, false) => Wish::Up,
            (false, _) => self.runtime.wish,
        };
        let was = std::mem::replace(&mut self.runtime, new);
        {
            let mut status = self.status.lock();
            status.settings = self.runtime.settings.clone();
            status.asn = self.runtime.asn;
            status.group.clone_from(&self.runtime.group);
        }
        let _ = self.fsm.set_config(self.shared.clock.now(), self.runtime.fsm_config());
        self.check_password();
        if self.runtime.wish == Wish::Down {
            if was.wish != Wish::Down {
                let text = self.runtime.settings.shutdown_text.clone().unwrap_or_default();
                self.event(Event::ManualStop(Stop::AdministrativeShutdown(text)));
                self.forget_stale();
            }
            return self.start();
        }
        match effect {
            SessionEffect::Keep => {}
            SessionEffect::Evaluate => self.evaluate(),
            SessionEffect::Reset => {
                self.event(Event::ManualStop(Stop::ConfigurationChange));
                self.forget_stale();
            }
        }
        self.start();
    }

    /// Import and export of the running session follow the new settings; the peer is not asked.
    fn evaluate(&mut self) {
        let Some(session) = &self.session else { return };
        let addresses = self.status.lock().session.as_ref().map(|s| s.addresses.clone()).unwrap_or_default();
        let params = self.runtime.session_params(&session.negotiated, &addresses, &[]);
        self.rib.control(ToRib::Evaluate(session.id, Box::new(params)));
    }

    fn drain(&mut self, wish: Wish) -> Outcome {
        if self.runtime.wish == Wish::Down {
            return Outcome::NotEstablished;
        }
        if std::mem::replace(&mut self.runtime.wish, wish) == wish {
            return Outcome::Nothing;
        }
        self.evaluate();
        Outcome::Done
    }

    fn ask_refresh(&mut self, only: Option<Family>) -> Outcome {
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

    /// The RIB made the writer's side of the session.
    pub(super) fn attach_writer(&mut self, handles: Option<SessionHandles>) {
        let Some(session) = &mut self.session else { return };
        session.handles = None;
        if let Some(handles) = handles {
            let until = self.shared.clock.now() + self.runtime.router.graceful_restart.stale_time.duration();
            self.stale.wait_for_end_of_rib(until);
            session.attach(handles);
        }
    }

    /// What the RIB has to say.
    pub(super) fn signals(&mut self) {
        let signals = self.link.take();
        for family in signals.end_of_rib {
            self.stale.end_of_rib(family);
            let address = report::address(&self.runtime.address);
            self.shared.events.publish(Some(address), EventKind::EndOfRib { family: report::family(family) });
        }
        if let Some(limit) = signals.limit {
            self.limit(limit);
        }
        if signals.out_of_resources && self.session.is_some() {
            warn!(peer = %self.runtime.address, "the session costs more than it may");
            let stop = AutomaticStop { cause: AutomaticStopCause::OutOfResources, restart: Restart::Backoff };
            self.event(Event::AutomaticStop(stop));
        }
    }

    fn limit(&mut self, limit: LimitReached) {
        if self.session.is_none() {
            return;
        }
        let settings = self.runtime.settings.family(limit.family);
        let action = settings.and_then(|s| match limit.direction {
            LimitDirection::In => s.prefix_limit,
            LimitDirection::Out => s.prefix_limit_out,
        });
        let (peer, family, count, max) = (&self.runtime.address, limit.family, limit.count, limit.max);
        self.shared.events.publish(
            Some(report::address(peer)),
            EventKind::PrefixLimit {
                family: report::family(family),
                prefixes: count.into(),
                limit: max.into(),
                exceeded: limit.exceeded,
            },
        );
        warn!(%peer, %family, count, max, exceeded = limit.exceeded, direction = ?limit.direction, "prefix limit");
        let restart = match action.map(|l| l.action).filter(|_| limit.exceeded) {
            None | Some(LimitAction::Warn) => return,
            Some(LimitAction::Restart(after)) => Restart::After(after.duration()),
            Some(LimitAction::Down) => Restart::Manual,
        };
        let text = format!("{count} prefixes of {family} exceed the limit of {max}");
        self.blocked = match restart {
            Restart::Manual => Some(Blocked { code: "prefix_limit", text }),
            Restart::After(_) | Restart::Backoff => None,
        };
        let cause = AutomaticStopCause::PrefixLimit(family, max);
        self.event(Event::AutomaticStop(AutomaticStop { cause, restart }));
    }

    pub(super) fn stale_timers(&mut self, now: Timestamp) {
        for (family, step) in self.stale.due(now) {
            info!(peer = %self.runtime.address, %family, ?step, "the time of stale routes is over");
            self.rib.control(ToRib::Stale(self.id, family, step));
        }
    }

    /// Nothing of the peer is kept.
    fn forget_stale(&mut self) {
        for family in self.stale.clear() {
            self.rib.control(ToRib::Stale(self.id, family, StaleStep::Sweep));
        }
    }
}
