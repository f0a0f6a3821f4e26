//! A peer that octets drive: each few are an event, or a change of the configuration, and a pause before it. Whatever
//! they say nothing panics, and the invariants hold after each. A property test and the fuzz target `fsm_script` make
//! the octets.

use std::collections::BTreeSet;
use std::slice::Iter;
use std::time::Duration;

use heddle_bgp_core::capability::ForwardingState;
use heddle_bgp_core::{Asn, BgpId, Family, Notification, Open, Timestamp};

use super::Peer;
use crate::TcpFailure;
use crate::action::Action;
use crate::config::{
    ConnectMode, FamilyConfig, GracefulRestartConfig, GracefulRestartMode, PeerAsn, PeerConfig, SendHold,
};
use crate::connection::{ConnectionId, Reading};
use crate::event::{AutomaticStop, AutomaticStopCause, Event, Restart, Stop};
use crate::open;
use crate::state::{Connecting, IdleWhy, Second, State, StateKind};
use crate::timers::Timer;

pub(super) const LOCAL: u32 = 65000;
pub(super) const REMOTE: u32 = 65001;

/// Us: AS 65000, 10.0.0.1.
pub(super) fn config() -> PeerConfig {
    PeerConfig::new(Asn(LOCAL), BgpId(0x0a00_0001), PeerAsn::Exactly(Asn(REMOTE)))
}

/// The peer: AS 65001, 10.0.0.2.
pub(super) fn peer_config() -> PeerConfig {
    PeerConfig::new(Asn(REMOTE), BgpId(0x0a00_0002), PeerAsn::Exactly(Asn(LOCAL)))
}

/// A configuration that restarts gracefully, with N.
pub(super) fn restarting(base: PeerConfig) -> PeerConfig {
    PeerConfig {
        families: Family::SUPPORTED
            .map(|family| FamilyConfig { forwarding: ForwardingState::Preserved, ..FamilyConfig::new(family) })
            .to_vec(),
        graceful_restart: Some(GracefulRestartConfig {
            mode: GracefulRestartMode::Restarter,
            restart_time: 120,
            restarted: false,
            notification: true,
        }),
        ..base
    }
}

/// The OPEN that the peer sends.
pub(super) fn peer_open() -> Open {
    open::build(&peer_config())
}

pub(super) fn at(secs: u64) -> Timestamp {
    Timestamp::from_secs(secs)
}

pub(super) const fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(super) fn drain(peer: &mut Peer) -> Vec<Action> {
    std::iter::from_fn(|| peer.poll_action()).collect()
}

/// What octets say; zeros where there are no more.
struct Octets<'a>(Iter<'a, u8>);

impl Octets<'_> {
    fn next(&mut self) -> u8 {
        self.0.next().copied().unwrap_or_default()
    }

    fn below(&mut self, bound: u8) -> u8 {
        self.next() % bound
    }

    fn config(&mut self) -> PeerConfig {
        let flags = self.next();
        let on = |bit: u8| flags & (1 << bit) != 0;
        let hold_time = [0, 3, 90][usize::from(flags >> 4) % 3];
        let base = PeerConfig { hold_time, ..config() };
        let mut c = if on(0) { restarting(base) } else { base };
        if on(1) {
            c.mode = ConnectMode::Passive;
        }
        c.delay_open = on(2).then_some(secs(3));
        c.collision_detect_established = on(3);
        c.send_hold = if on(2) { SendHold::After(secs(20)) } else { SendHold::Auto };
        c
    }

    fn notification(&mut self) -> Notification {
        Notification::new(1 + self.below(8), self.below(12), &[])
    }

    fn open(&mut self) -> Open {
        match self.below(7) {
            0..4 => peer_open(),
            4..6 => open::build(&restarting(peer_config())),
            _ => Open { asn: Asn(1), ..peer_open() },
        }
    }

    /// A connection that exists: mostly the one that carries the state, at times the second one, or one that is gone.
    fn connection(&mut self, peer: &Peer) -> ConnectionId {
        let id = match self.below(7) {
            0..4 => peer.state.connection_id(),
            4..6 => peer.second.id(),
            _ => None,
        };
        id.unwrap_or(GONE)
    }

    /// An event; none where the shell could not report it.
    fn event(&mut self, peer: &mut Peer) -> Option<Event> {
        let out_of_resources = AutomaticStop { cause: AutomaticStopCause::OutOfResources, restart: Restart::Backoff };
        let event = match self.below(85) {
            0 => Event::ManualStart,
            1 => Event::AutomaticStart,
            2 => Event::AutomaticStartWithDampPeerOscillations,
            3 => Event::ManualStartWithPassiveTcpEstablishment,
            4 => Event::ManualStop(Stop::AdministrativeShutdown("x".into())),
            5 => Event::ManualStop(Stop::ProcessExit(String::new())),
            6 => Event::AutomaticStop(out_of_resources),
            7 => Event::ConnectRetryTimerExpires,
            8 => Event::KeepaliveTimerExpires,
            9 => Event::DelayOpenTimerExpires,
            10 => Event::IdleHoldTimerExpires,
            11 => Event::SendHoldTimerExpires,
            12 => Event::StableTimerExpires,
            13..23 => Event::TcpCrAcked(Some(self.connection(peer)).filter(|id| *id != GONE)?),
            // One that the peer opens has a name of its own.
            23..33 => Event::TcpConnectionConfirmed(peer.new_connection_id()),
            33..36 => Event::TcpConnectionFails(self.connection(peer), TcpFailure::Reset),
            36..51 => Event::BgpOpen(self.connection(peer), self.open()),
            51..66 => Event::KeepAliveMsg(self.connection(peer)),
            66..70 => Event::UpdateMsg(self.connection(peer), u32::from(self.next()) << 24),
            70..72 => Event::RouteRefreshMsg(self.connection(peer)),
            72 => Event::BgpHeaderErr(self.connection(peer), self.notification()),
            73 => Event::BgpOpenMsgErr(self.connection(peer), self.notification()),
            74 => Event::UpdateMsgErr(self.connection(peer), self.notification()),
            75 => Event::RouteRefreshMsgErr(self.connection(peer), self.notification()),
            76..78 => Event::NotifMsg(self.connection(peer), self.notification()),
            78 => Event::OpenCollisionDump(self.connection(peer)),
            79 => Event::HoldTimerExpires(self.connection(peer)),
            80 => Event::ReadPaused(self.connection(peer)),
            81 => Event::ReadResumed(self.connection(peer)),
            82 => Event::ReadEmpty(self.connection(peer)),
            83 => Event::WriteProgress(self.connection(peer)),
            _ => Event::UpdatesSent(self.connection(peer), u32::from(self.below(9))),
        };
        Some(event)
    }
}

/// No connection has this name.
const GONE: ConnectionId = ConnectionId(u64::MAX);

/// Lets octets drive a peer.
///
/// # Panics
/// An invariant does not hold.
pub fn play(octets: &[u8]) {
    let mut octets = Octets(octets.iter());
    let mut peer = Peer::new(octets.config(), 5);
    let mut shell = Shell::default();
    let mut now = at(0);
    while !octets.0.as_slice().is_empty() {
        now = now + secs(u64::from(octets.below(40)));
        peer.handle_timeout(now);
        shell.see(&drain(&mut peer));
        check(&peer, &shell);
        if octets.below(64) == 0 {
            peer.set_config(now, octets.config());
        } else if let Some(event) = octets.event(&mut peer) {
            if let Event::TcpConnectionFails(id, _) = &event
                && peer.knows(*id)
            {
                shell.closed.insert(*id);
            }
            peer.handle(now, event);
        }
        shell.see(&drain(&mut peer));
        check(&peer, &shell);
    }
}

/// What the shell sees: which connections are open, and whether a session is up.
#[derive(Default)]
struct Shell {
    closed: BTreeSet<ConnectionId>,
    up: Option<ConnectionId>,
}

impl Shell {
    fn see(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::Connect(id) => assert!(!self.closed.contains(id), "a name is used once"),
                Action::Send(id, _) => assert!(!self.closed.contains(id), "nothing is sent after Close"),
                Action::Close(id) => {
                    assert!(self.closed.insert(*id), "closed once");
                    assert_ne!(self.up, Some(*id), "Down comes before Close");
                }
                Action::Up(id, _) => assert_eq!(self.up.replace(*id), None, "one session at a time"),
                Action::Down(id, _) => assert_eq!(self.up.take(), Some(*id), "Down after Up"),
                Action::CheckHold(id) => assert!(!self.closed.contains(id)),
                Action::StateChanged { .. } => {}
            }
        }
    }
}

fn check(peer: &Peer, shell: &Shell) {
    assert_eq!(peer.established().map(|(id, _)| id), shell.up, "Up and Down follow the state");
    let runs = |t| peer.timers.get(t).is_some();
    let hold_time = peer.state.session().map(|s| s.negotiated.hold_time);
    match &peer.state {
        State::Idle(why) => {
            assert_eq!(runs(Timer::IdleHold), *why == IdleWhy::Holding);
            assert_eq!(peer.second, Second::None, "Idle has no connection");
            assert!(!runs(Timer::Hold) && !runs(Timer::ConnectRetry));
        }
        State::Connect(Connecting::Dialing(_)) => {
            assert!(runs(Timer::ConnectRetry), "an attempt ends");
            assert_eq!(peer.second, Second::None);
        }
        State::Active(None) => {
            assert_eq!(
                runs(Timer::ConnectRetry),
                peer.config.mode == ConnectMode::Active,
                "an active peer tries again"
            );
            assert_eq!(peer.second, Second::None);
        }
        State::Connect(Connecting::Delaying(_)) | State::Active(Some(_)) => assert!(runs(Timer::DelayOpen)),
        State::OpenSent(s) => {
            assert!(runs(Timer::Hold) || s.connection.reading != Reading::Flowing, "a silent peer is given up");
        }
        State::OpenConfirm(s) | State::Established(crate::state::Established { session: s, .. }) => {
            assert_eq!(runs(Timer::Keepalive), hold_time != Some(0));
            if hold_time == Some(0) {
                assert!(!runs(Timer::Hold));
            } else {
                assert!(runs(Timer::Hold) || s.connection.reading != Reading::Flowing, "a silent peer is given up");
            }
        }
    }
    if let (Second::Waiting(c, _), Some(main)) = (&peer.second, peer.state.connection()) {
        assert_ne!(c.id, main.id);
        if peer.state() != StateKind::Established {
            assert_ne!(c.direction, main.direction, "one connection in each direction");
        }
        assert!(runs(Timer::SecondHold) || c.reading != Reading::Flowing, "a silent second connection ends");
    }
    if let Second::Agreed(s) = &peer.second {
        assert!(peer.established().is_some_and(|(id, _)| id != s.connection.id), "beside a session");
        assert!(runs(Timer::SecondHold) || s.connection.reading != Reading::Flowing, "it is given up");
    }
    if peer.established().is_some() {
        assert!(!matches!(peer.second, Second::Dialing(_)), "nobody dials beside a session");
    }
    assert!(!runs(Timer::SendHold) || peer.established().is_some());
}
