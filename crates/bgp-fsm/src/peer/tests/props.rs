//! Random events never panic, and the invariants hold after each.

use std::collections::BTreeSet;

use heddle_bgp_core::Notification;
use proptest::prelude::*;

use super::*;
use crate::TcpFailure;
use crate::config::SendHold;
use crate::event::{AutomaticStop, AutomaticStopCause, Restart, Stop};
use crate::state::Connecting;

fn an_event() -> impl Strategy<Value = Event> {
    let id = (1..8u64).prop_map(ConnectionId);
    let n = || (1..9u8, 0..12u8).prop_map(|(c, s)| Notification::new(c, s, &[]));
    let open = prop_oneof![
        4 => Just(peer_open()),
        2 => Just(open::build(&restarting(peer_config()))),
        1 => Just(Open { asn: Asn(1), ..peer_open() }),
    ];
    prop_oneof![
        1 => Just(Event::ManualStart),
        1 => Just(Event::AutomaticStart),
        1 => Just(Event::AutomaticStartWithDampPeerOscillations),
        1 => Just(Event::ManualStartWithPassiveTcpEstablishment),
        1 => Just(Event::ManualStop(Stop::AdministrativeShutdown("x".into()))),
        1 => Just(Event::ManualStop(Stop::ProcessExit(String::new()))),
        1 => Just(Event::AutomaticStop(AutomaticStop {
            cause: AutomaticStopCause::OutOfResources,
            restart: Restart::Backoff
        })),
        1 => Just(Event::ConnectRetryTimerExpires),
        1 => Just(Event::KeepaliveTimerExpires),
        1 => Just(Event::DelayOpenTimerExpires),
        1 => Just(Event::IdleHoldTimerExpires),
        1 => Just(Event::SendHoldTimerExpires),
        1 => Just(Event::StableTimerExpires),
        10 => id.clone().prop_map(Event::TcpCrAcked),
        10 => id.clone().prop_map(Event::TcpConnectionConfirmed),
        3 => id.clone().prop_map(|i| Event::TcpConnectionFails(i, TcpFailure::Reset)),
        15 => (id.clone(), open).prop_map(|(i, o)| Event::BgpOpen(i, o)),
        15 => id.clone().prop_map(Event::KeepAliveMsg),
        4 => (id.clone(), 0..u32::MAX).prop_map(|(i, n)| Event::UpdateMsg(i, n)),
        2 => id.clone().prop_map(Event::RouteRefreshMsg),
        1 => (id.clone(), n()).prop_map(|(i, n)| Event::BgpHeaderErr(i, n)),
        1 => (id.clone(), n()).prop_map(|(i, n)| Event::BgpOpenMsgErr(i, n)),
        1 => (id.clone(), n()).prop_map(|(i, n)| Event::UpdateMsgErr(i, n)),
        1 => (id.clone(), n()).prop_map(|(i, n)| Event::RouteRefreshMsgErr(i, n)),
        2 => (id.clone(), n()).prop_map(|(i, n)| Event::NotifMsg(i, n)),
        1 => id.clone().prop_map(Event::OpenCollisionDump),
        1 => id.clone().prop_map(Event::HoldTimerExpires),
        1 => id.clone().prop_map(Event::ReadPaused),
        1 => id.clone().prop_map(Event::ReadResumed),
        1 => id.clone().prop_map(Event::ReadEmpty),
        1 => id.clone().prop_map(Event::WriteProgress),
        1 => (id, 0..9u32).prop_map(|(i, n)| Event::UpdatesSent(i, n)),
    ]
}

fn a_config() -> impl Strategy<Value = PeerConfig> {
    (any::<[bool; 4]>(), prop_oneof![Just(0u16), Just(3), Just(90)]).prop_map(|(on, hold_time)| {
        let base = PeerConfig { hold_time, ..config() };
        let mut c = if on[0] { restarting(base) } else { base };
        if on[1] {
            c.mode = ConnectMode::Passive;
        }
        c.delay_open = on[2].then_some(secs(3));
        c.collision_detect_established = on[3];
        c.send_hold = if on[2] { SendHold::After(secs(20)) } else { SendHold::Auto };
        c
    })
}

/// The event with its connection drawn from those that exist: 1 to 4 is the one that carries the state, 5 and 6 the
/// second one, 7 one that is gone; one that the peer opens has a name of its own.
fn target(event: Event, peer: &mut Peer) -> Event {
    let gone = ConnectionId(u64::MAX);
    let (main, second) = (peer.state.connection_id().unwrap_or(gone), peer.second.id().unwrap_or(gone));
    let pick = |id: ConnectionId| match id.0 {
        1..=4 => main,
        5..=6 => second,
        _ => gone,
    };
    match event {
        Event::TcpConnectionConfirmed(_) => Event::TcpConnectionConfirmed(peer.new_connection_id()),
        Event::TcpCrAcked(i) => Event::TcpCrAcked(pick(i)),
        Event::TcpConnectionFails(i, f) => Event::TcpConnectionFails(pick(i), f),
        Event::BgpOpen(i, o) => Event::BgpOpen(pick(i), o),
        Event::KeepAliveMsg(i) => Event::KeepAliveMsg(pick(i)),
        Event::UpdateMsg(i, n) => Event::UpdateMsg(pick(i), n),
        Event::RouteRefreshMsg(i) => Event::RouteRefreshMsg(pick(i)),
        Event::BgpHeaderErr(i, n) => Event::BgpHeaderErr(pick(i), n),
        Event::BgpOpenMsgErr(i, n) => Event::BgpOpenMsgErr(pick(i), n),
        Event::UpdateMsgErr(i, n) => Event::UpdateMsgErr(pick(i), n),
        Event::RouteRefreshMsgErr(i, n) => Event::RouteRefreshMsgErr(pick(i), n),
        Event::NotifMsg(i, n) => Event::NotifMsg(pick(i), n),
        Event::OpenCollisionDump(i) => Event::OpenCollisionDump(pick(i)),
        Event::HoldTimerExpires(i) => Event::HoldTimerExpires(pick(i)),
        Event::ReadPaused(i) => Event::ReadPaused(pick(i)),
        Event::ReadResumed(i) => Event::ReadResumed(pick(i)),
        Event::ReadEmpty(i) => Event::ReadEmpty(pick(i)),
        Event::WriteProgress(i) => Event::WriteProgress(pick(i)),
        Event::UpdatesSent(i, n) => Event::UpdatesSent(pick(i), n),
        other => other,
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
    if peer.established().is_some() {
        assert!(!matches!(peer.second, Second::Dialing(_)), "nobody dials beside a session");
    }
    assert!(!runs(Timer::SendHold) || peer.established().is_some());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn random_events(config in a_config(), steps in prop::collection::vec((an_event(), 0..40u64), 1..120)) {
        let mut peer = Peer::new(config, 5);
        let mut shell = Shell::default();
        let mut now = at(0);
        for (event, pause) in steps {
            now = now + secs(pause);
            peer.handle_timeout(now);
            shell.see(&drain(&mut peer));
            check(&peer, &shell);
            let event = target(event, &mut peer);
            if let Event::TcpConnectionFails(id, _) = &event
                && peer.knows(*id)
            {
                shell.closed.insert(*id);
            }
            if matches!(&event, Event::TcpCrAcked(ConnectionId(u64::MAX))) {
                continue;
            }
            peer.handle(now, event);
            shell.see(&drain(&mut peer));
            check(&peer, &shell);
        }
    }
}
