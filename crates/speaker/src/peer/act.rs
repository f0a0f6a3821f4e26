//! Carrying out what the state machine says.

use std::sync::Arc;

use heddle_admin::types::EventKind;
use heddle_bgp_core::message::{HEADER_LEN, MAX_LEN};
use heddle_bgp_core::{Negotiated, Timestamp};
use heddle_bgp_fsm::{Action, ConnectionId, DownCause, DownReason, Event, Message, StateKind, TcpFailure};
use heddle_rib::session::{SessionHandles, SessionId};
use tokio::sync::oneshot;
use tracing::{debug, info, warn};

use super::session::Session;
use super::status::{Blocked, Obstacle, SessionStatus, Traffic};
use super::{LINGER, Life, PeerTask, transport};
use crate::connection::Connection;
use crate::fault;
use crate::listener::Incoming;
use crate::report;
use crate::restart::Restarts;
use crate::rib_link::{SessionUp, ToRib};

/// Attempts to connect that fail in a row before it is logged: with the shortest pauses that is after a second.
const FAILURES_BEFORE_TOLD: u32 = 5;

impl PeerTask {
    /// Carries out all actions that wait.
    pub(super) fn carry_out(&mut self) {
        while let Some(action) = self.fsm.poll_action() {
            fault::point();
            match action {
                Action::Connect(id) => self.connect(id),
                Action::Send(id, message) => self.send(id, &message),
                Action::Close(id) => self.close(id),
                Action::Up(id, negotiated) => self.up(id, negotiated),
                Action::Down(id, reason) => self.down(id, &reason),
                Action::CheckHold(id) => self.check_hold(id),
                Action::StateChanged { from, to, reason } => self.state_changed(from, to, reason.as_deref()),
            }
        }
    }

    fn connect(&mut self, id: ConnectionId) {
        // Attempts that nobody answers end without a word.
        if self.is_time_to_tell() {
            info!("cannot connect: no answer; tried again and again, and told once");
        }
        debug!("connecting");
        let dial = transport::dial(self.runtime.dial(), Arc::clone(&self.shared));
        if let Some((_, old)) = self.dialing.replace((id, tokio::spawn(dial))) {
            old.abort();
        }
    }

    /// Whether a peer has been out of reach for so long that it is worth a line: once, until it was reached.
    fn is_time_to_tell(&mut self) -> bool {
        if self.fsm.failed_attempts() < FAILURES_BEFORE_TOLD {
            self.told_unreachable = false;
            return false;
        }
        !std::mem::replace(&mut self.told_unreachable, true)
    }

    pub(super) fn dialed(&mut self, result: std::io::Result<tokio::net::TcpStream>) {
        let Some((id, _)) = self.dialing.take() else { return };
        match result.and_then(Connection::new) {
            Ok(connection) => {
                self.hindered = None;
                self.say_what_is_held();
                self.connections.push((id, Box::new(connection)));
                self.event(Event::TcpCrAcked(id));
            }
            Err(error) => {
                self.hindered = transport::hindrance(&error, &self.runtime.address);
                self.event(Event::TcpConnectionFails(id, report::tcp_failure(&error)));
            }
        }
    }

    /// What the kernel has may be complete by now: F in the OPEN that is sent next (RFC 4724 §3).
    fn say_what_is_held(&mut self) {
        self.fsm.set_forwarding(|family| self.shared.held_routes.state(family));
    }

    /// Takes a connection that the peer opened; a peer that is stopped or damped is told so by the state machine.
    pub(super) fn accept(&mut self, incoming: Incoming) {
        if self.life == Life::Ending || self.runtime.keys.is_err() {
            return;
        }
        let connection = transport::prepare_incoming(&incoming.stream, self.runtime.hops())
            .and_then(|()| Connection::new(incoming.stream));
        let connection = match connection {
            Ok(connection) => connection,
            Err(error) => return debug!(%error, "lost a connection that the peer opened"),
        };
        if let Some(wanted) = &self.runtime.settings.local_address
            && crate::listener::peer_address(connection.local).ip != wanted.ip
        {
            return debug!(local = %connection.local, "closed a connection to another of our addresses");
        }
        if matches!(self.life, Life::Lingering(_)) && self.fsm.counters().last_reset.is_none() {
            // The connection for which it was made has come, and there is nothing to remember yet.
            self.life = Life::Lingering(Timestamp::ZERO);
        }
        self.say_what_is_held();
        let id = self.fsm.new_connection_id();
        self.connections.push((id, Box::new(connection)));
        self.event(Event::TcpConnectionConfirmed(id));
    }

    fn send(&mut self, id: ConnectionId, message: &Message) {
        let bytes = message.encode();
        let Some(connection) = self.connection(id) else { return };
        if let Message::Open(..) = message {
            connection.opens.sent = bytes.get(HEADER_LEN..).unwrap_or_default().into();
        }
        if connection.queue_control(&bytes) {
            Traffic::add(&self.status.traffic.bytes_out, bytes.len());
        } else {
            self.connection_failed(id, TcpFailure::TimedOut);
        }
    }

    fn close(&mut self, id: ConnectionId) {
        if self.dialing.as_ref().is_some_and(|(d, _)| *d == id)
            && let Some((_, task)) = self.dialing.take()
        {
            task.abort();
            // Another attempt takes its place: nobody answered this one.
            if self.fsm.state() == StateKind::Connect {
                self.unreached(TcpFailure::TimedOut);
            }
        }
        if let Some(at) = self.connections.iter().position(|(c, _)| *c == id) {
            let (_, connection) = self.connections.swap_remove(at);
            let session = self.session.as_deref().filter(|s| s.connection == id);
            self.shared.last_words.close(*connection, session.and_then(Session::rest_of_message));
        }
        self.forget_session(id);
    }

    /// A session whose connection is gone writes nothing more.
    fn forget_session(&mut self, id: ConnectionId) {
        if self.session.as_ref().is_some_and(|s| s.connection == id) {
            self.session = None;
        }
    }

    pub(super) fn connection(&mut self, id: ConnectionId) -> Option<&mut Connection> {
        self.connections.iter_mut().find(|(c, _)| *c == id).map(|(_, c)| &mut **c)
    }

    pub(super) fn connection_failed(&mut self, id: ConnectionId, failure: TcpFailure) {
        if let Some(at) = self.connections.iter().position(|(c, _)| *c == id) {
            self.connections.swap_remove(at);
            self.event(Event::TcpConnectionFails(id, failure));
            self.forget_session(id);
        }
    }

    fn up(&mut self, id: ConnectionId, negotiated: Arc<Negotiated>) {
        let Some(connection) = self.connection(id) else { return };
        if negotiated.max_receive_len > MAX_LEN {
            connection.framer.allow_extended();
        }
        let opens = std::mem::take(&mut connection.opens);
        let (local, remote) = (connection.local, connection.remote);
        let addresses = self.shared.interfaces.of_session(self.shared.clock.now(), local, remote);
        self.serial += 1;
        let session_id = SessionId { peer: self.seat.id, serial: self.serial };
        fault::point();
        let retained = self.stale.back(&negotiated);
        fault::point();
        let until = self.shared.clock.now() + self.runtime.router.graceful_restart.stale_time.duration();
        self.stale.wait_for_end_of_rib(until);
        let params = self.runtime.session_params(&negotiated, &addresses, &retained);
        let (reply, handles) = oneshot::channel();
        let restarts = match negotiated.graceful_restart {
            Some(g) if !g.restarted => Restarts::WaitFor,
            Some(_) | None => Restarts::Ignore,
        };
        let seed = self.shared.seed;
        let mut session =
            Session::new(id, session_id, &self.runtime, Arc::clone(&negotiated), addresses, seed, handles);
        session.note_imports(&params);
        self.session = Some(Box::new(session));
        self.link = Arc::default();
        fault::point();
        self.rib.control(ToRib::Up(Box::new(SessionUp {
            id: session_id,
            address: self.runtime.address.clone(),
            restarts,
            params,
            link: Arc::clone(&self.link),
            reply,
        })));
        fault::point();
        if negotiated.graceful_restart.is_some() {
            self.shared.marker.peer_up(&self.runtime.address);
        }
        // R = 1 is for the first session after a restart only (RFC 4724 §3).
        self.runtime.start = crate::restart_marker::Start::Fresh;
        let _ = self.fsm.set_config(self.shared.clock.now(), self.runtime.fsm_config(&self.shared));
        self.status.lock().session = Some(SessionStatus { negotiated, local, remote, opens });
    }

    fn down(&mut self, id: ConnectionId, reason: &DownReason) {
        let Some(session) = self.session.as_ref().filter(|s| s.connection == id) else { return };
        let now = self.shared.clock.now();
        let modes = self.stale.lost(now, &session.negotiated, reason, &self.runtime.router);
        fault::point();
        self.rib.control(ToRib::Down(session.id, modes));
        fault::point();
        self.status.lock().session = None;
        self.shared.marker.peer_down(&self.runtime.address);
    }

    fn state_changed(&mut self, from: StateKind, to: StateKind, reason: Option<&DownReason>) {
        let now = self.shared.clock.now();
        let reset = reason.map(|r| report::last_reset(&self.shared.clock, now, r));
        let (from_name, to_name) = (from.name(), to.name());
        match (from, to, &reset) {
            (_, StateKind::Established, _) => info!(from = from_name, "established"),
            (StateKind::Established, _, Some(r)) => {
                warn!(to = to_name, by = ?r.by, reason = %r.reason, text = r.text, "session ended");
            }
            // A peer that is not up yet is tried again soon; only one that stays away is worth a line.
            (StateKind::Connect, StateKind::Active, Some(r)) if !self.is_time_to_tell() => {
                debug!(reason = %r.reason, "cannot connect");
            }
            (StateKind::Connect, StateKind::Active, Some(r)) => {
                info!(reason = %r.reason, "cannot connect; tried again and again, and told once");
            }
            (_, _, Some(r)) => {
                info!(from = from_name, to = to_name, by = ?r.by, reason = %r.reason, text = r.text, "connection ended");
            }
            (_, _, None) => debug!(from = from_name, to = to_name, "state changed"),
        }
        {
            let mut status = self.status.lock();
            fault::point();
            status.state = to;
            status.since = now;
            status.established = self.fsm.counters().established;
            status.flaps = self.fsm.counters().flaps;
            match to {
                StateKind::OpenConfirm | StateKind::Established => status.connect_error = None,
                StateKind::Idle | StateKind::Connect | StateKind::Active | StateKind::OpenSent => {}
            }
            if reason.is_some_and(report::had_open) {
                status.last_reset = reset.clone().map(|r| Box::new((now, r)));
            }
        }
        if let Some(DownReason { cause: DownCause::Tcp(failure), .. }) = reason.filter(|r| !report::had_open(r)) {
            self.unreached(*failure);
        }
        self.tell(EventKind::PeerState { from: report::peer_state(from), to: report::peer_state(to), reset });
        if to != StateKind::Idle {
            // The time of a limit that held the peer is over.
            self.blocked = None;
        }
        if let (Life::Lingering(_), Some(held)) = (self.life, self.fsm.idle_until()) {
            self.life = Life::Lingering(held + LINGER);
        }
    }

    /// Notes why an attempt to connect failed.
    fn unreached(&self, failure: TcpFailure) {
        let now = self.shared.clock.now();
        let error = report::connect_error(&self.shared.clock, now, failure, self.fsm.failed_attempts().max(1));
        self.status.lock().connect_error = Some(Box::new((now, error)));
    }

    /// The RIB made the writer's side of the session.
    pub(super) fn attach_writer(&mut self, handles: Option<SessionHandles>) {
        let Some(session) = &mut self.session else { return };
        session.handles = None;
        if let Some(handles) = handles {
            fault::point();
            session.attach(handles);
        }
    }

    /// Copies what changes often to where others can see it.
    pub(super) fn publish(&self) {
        let counters = self.fsm.counters();
        let mut status = self.status.lock();
        status.messages_in = counters.messages_in;
        status.messages_out = counters.messages_out;
        status.retry_at = self.fsm.idle_until().or_else(|| self.fsm.connect_retry_at());
        status.hold_until = self.fsm.hold_until();
        status.blocked = self.obstacle();
        status.stale_until = self.stale.next();
        status.wish = self.runtime.wish;
    }
}

impl PeerTask {
    /// What is in the way of a session.
    fn obstacle(&self) -> Option<Blocked> {
        if self.session.is_some() {
            return None;
        }
        let held = || {
            let text = "a pause after an error; the last reset says which".into();
            self.fsm.idle_until().map(|_| Blocked { by: Obstacle::IdleHold, text })
        };
        let waits = self.runtime.settings.passive && self.fsm.state() == StateKind::Active;
        let passive = || Blocked { by: Obstacle::Passive, text: "passive: it is the peer that connects".into() };
        self.blocked.clone().or_else(held).or_else(|| self.hindered.clone()).or_else(|| waits.then(passive))
    }
}
