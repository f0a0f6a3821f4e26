//! The connection that does not carry the state, and what happens when its OPEN comes (RFC 4271 §6.8, RFC 4724 §4.2).
//!
//! Invariants: it never has the peer's OPEN (what gets it carries the state or is closed), and it never has the
//! direction of the connection that carries the state, except in Established, where a new connection of the peer is
//! watched until it sends an OPEN (RFC 4271 §8.2.2).
//!
//! One more exception: OPENs may cross on the connection that a collision keeps while a KEEPALIVE makes the other one the
//! session of one side only. By the letter of §6.8 that side closes the new connection, as there is a session, and the
//! other side the old one, as it is in OpenConfirm: nothing is left. So the side that has the session closes neither for
//! a moment, and follows the peer.

use std::time::Duration;

use heddle_bgp_core::notification::UnexpectedIn;
use heddle_bgp_core::{MessageType, Notification, Open, Timestamp};

use super::Peer;
use super::act::Goodbye;
use crate::action::{Action, Message};
use crate::collision::{Side, keep};
use crate::connection::{Connection, ConnectionId, Direction};
use crate::down::{DownCause, Initiator};
use crate::input::Input;
use crate::negotiate::negotiate;
use crate::open;
use crate::state::{Established, IdleWhy, OpenSent, Second, Session, State, StateKind};
use crate::timers::Timer;

/// A session that is younger than this was not left by a restart of the peer.
const SETTLED: Duration = Duration::from_secs(5);

impl Peer {
    /// The peer opened a connection beside the one that carries the state. The newer of two of the same direction
    /// stays.
    pub(super) fn admit_second(&mut self, now: Timestamp, id: ConnectionId) {
        self.drop_second(now, Some(Notification::collision()));
        self.second_connected(now, Connection::new(id, Direction::Incoming, now));
    }

    fn second_connected(&mut self, now: Timestamp, connection: Connection) {
        let sent = match self.state.kind() {
            // RFC 4271 §8.2.2: tracked until it sends an OPEN; ours would only invite the peer to go on with it.
            StateKind::Established => None,
            StateKind::Idle | StateKind::Connect | StateKind::Active | StateKind::OpenSent | StateKind::OpenConfirm => {
                let sent = open::build(&self.config);
                self.send(connection.id, Message::Open(sent.clone(), self.config.open_form));
                Some(sent)
            }
        };
        self.timers.start(Timer::SecondHold, now, self.config.open_hold_time);
        self.second = Second::Waiting(connection, sent);
    }

    /// Ends the second connection, if there is one.
    pub(super) fn drop_second(&mut self, _now: Timestamp, goodbye: Option<Notification>) {
        self.timers.stop(Timer::SecondHold);
        match std::mem::replace(&mut self.second, Second::None) {
            Second::None => {}
            Second::Dialing(id) => self.actions.push_back(Action::Close(id)),
            Second::Waiting(c, _) => {
                if let Some(n) = goodbye {
                    self.send(c.id, Message::Notification(n));
                }
                self.actions.push_back(Action::Close(c.id));
            }
            Second::Agreed(s) => {
                if let Some(n) = goodbye {
                    self.send(s.connection.id, Message::Notification(n));
                }
                self.actions.push_back(Action::Close(s.connection.id));
            }
        }
    }

    /// Events of the second connection.
    pub(super) fn step_second(&mut self, now: Timestamp, input: Input) {
        let unexpected = |kind| Some(Notification::unexpected_message(UnexpectedIn::OpenSent, kind));
        match (input, self.second.clone()) {
            (Input::TcpAcked, Second::Dialing(id)) => {
                self.second_connected(now, Connection::new(id, Direction::Outgoing, now));
            }
            (Input::TcpFails(_), _) => {
                self.timers.stop(Timer::SecondHold);
                self.second = Second::None;
            }
            (Input::Open(received), Second::Waiting(connection, sent)) => {
                self.second_open(now, connection, sent, &received);
            }
            // The peer has the session, too.
            (Input::Hold, Second::Agreed(_)) => self.second_lost(now),
            (Input::Hold, _) => self.drop_second(now, Some(Notification::hold_timer_expired())),
            (Input::HeaderErr(n) | Input::OpenErr(n), _) => self.drop_second(now, Some(n)),
            (Input::Notification(_), _) => self.drop_second(now, None),
            (Input::CollisionDump, _) => self.second_lost(now),
            // The peer has closed the session for this one, and said so there.
            (Input::KeepAlive, Second::Agreed(session)) => {
                self.take_over(now, session, DownCause::CollisionLost, Goodbye::Send(Notification::collision()));
                self.step(now, Input::KeepAlive);
            }
            (Input::KeepAlive, _) => self.drop_second(now, unexpected(MessageType::Keepalive)),
            (Input::Update | Input::UpdateErr(_), _) => self.drop_second(now, unexpected(MessageType::Update)),
            (Input::RouteRefresh | Input::RouteRefreshErr(_), _) => {
                self.drop_second(now, unexpected(MessageType::RouteRefresh));
            }
            // These are not about a connection, or about one in another phase.
            (Input::TcpAcked, Second::None | Second::Waiting(..) | Second::Agreed(_))
            | (Input::Open(_), Second::None | Second::Dialing(_) | Second::Agreed(_))
            | (
                Input::Start(..)
                | Input::ManualStop(_)
                | Input::AutomaticStop(_)
                | Input::ConnectRetry
                | Input::Keepalive
                | Input::DelayOpen
                | Input::IdleHold
                | Input::TcpTracked
                | Input::TcpConfirmed(_)
                | Input::SendHold,
                _,
            ) => {}
        }
    }

    fn second_lost(&mut self, now: Timestamp) {
        self.counters.collisions += 1;
        self.drop_second(now, Some(Notification::collision()));
    }

    /// The second connection got the peer's OPEN.
    fn second_open(&mut self, now: Timestamp, connection: Connection, sent: Option<Open>, received: &Open) {
        let unsent = sent.is_none();
        let sent = sent.unwrap_or_else(|| open::build(&self.config));
        let negotiated = match negotiate(&self.config, &sent, received) {
            Ok(negotiated) => negotiated,
            Err(rejected) => return self.drop_second(now, Some(rejected.notification())),
        };
        let session = Session::new(connection, &sent, negotiated);
        match self.state.clone() {
            // The other one is further now.
            State::OpenSent(main) => self.swap(now, session, main),
            State::OpenConfirm(main) => {
                if connection.direction == preferred(&main) {
                    self.take_over(now, session, DownCause::CollisionLost, Goodbye::Send(Notification::collision()));
                } else {
                    self.second_lost(now);
                }
            }
            State::Established(main) => {
                self.second_open_in_established(now, session, &main, unsent.then_some(sent));
            }
            State::Idle(_) | State::Connect(_) | State::Active(_) => self.drop_second(now, None),
        }
    }

    /// RFC 4271 §6.8: the new connection is closed, unless configuration says that established sessions collide too.
    /// RFC 4724 §4.2: one that a peer with graceful restart opened later means that it has restarted, and takes over.
    /// Not so in the first moments of a session: then it is the other one of a collision, opened before and seen late.
    fn second_open_in_established(
        &mut self,
        now: Timestamp,
        session: Session,
        main: &Established,
        unsent: Option<Open>,
    ) {
        let restarts = main.session.negotiated.families.iter().any(|f| f.graceful_restart.is_some());
        let collides = self.config.collision_detect_established;
        let (cause, goodbye) = if restarts && unsent.is_some() && now.since(main.since) >= SETTLED {
            // Without a NOTIFICATION: the peer knows nothing of the old connection.
            (DownCause::PeerRestarted, Goodbye::Silent)
        } else if collides && session.connection.direction == preferred(&main.session) {
            (DownCause::CollisionLost, Goodbye::Send(Notification::collision()))
        } else if unsent.is_none() && session.connection.direction == preferred(&main.session) {
            self.second = Second::Agreed(session);
            return self.timers.start(Timer::SecondHold, now, SETTLED);
        } else {
            return self.second_lost(now);
        };
        if let Some(open) = unsent {
            self.send(session.connection.id, Message::Open(open, self.config.open_form));
        }
        self.take_over(now, session, cause, goodbye);
    }

    /// Main and second change places: `session` is further than `main`.
    fn swap(&mut self, now: Timestamp, session: Session, main: OpenSent) {
        let hold = self.timers.get(Timer::Hold);
        self.timers.set(Timer::SecondHold, hold);
        self.second = Second::Waiting(main.connection, Some(main.sent));
        self.confirm(now, session);
    }

    /// The connection of the state ends, and `session` takes its place.
    fn take_over(&mut self, now: Timestamp, session: Session, cause: DownCause, goodbye: Goodbye) {
        self.timers.stop(Timer::SecondHold);
        self.second = Second::None;
        let was_up = self.established().is_some();
        let reason = self.end(now, Initiator::Local, cause, goodbye);
        if was_up {
            self.transition(State::Idle(IdleWhy::Holding), Some(reason));
        }
        self.confirm(now, session);
    }
}

/// The direction of the connection that a collision keeps.
fn preferred(session: &Session) -> Direction {
    let n = &session.negotiated;
    keep(Side { id: n.local_id, asn: n.local_asn }, Side { id: n.peer_id, asn: n.peer_asn })
}
