//! Damping (RFC 4271 §8.1.1): S11 of the list of bad input, and what must not be damped.

use heddle_bgp_core::Notification;

use super::*;
use crate::TcpFailure;
use crate::event::Stop;

/// The peer connects, establishes, and poisons the session; says for how long it is refused then.
fn poison(peer: &mut Peer, now: Timestamp) -> Duration {
    let id = peer.new_connection_id();
    assert!(feed(peer, now, Event::TcpConnectionConfirmed(id)).contains("OPEN"), "not refused at {now:?}");
    feed(peer, now, Event::BgpOpen(id, peer_open()));
    feed(peer, now, Event::KeepAliveMsg(id));
    assert_eq!(peer.state(), StateKind::Established);
    feed(peer, now, Event::UpdateMsgErr(id, Notification::new(3, 1, &[])));
    assert_eq!(peer.idle_why(), Some(IdleWhy::Holding));
    peer.idle_until().unwrap().since(now)
}

/// A session that is poisoned each time: at most one round in 30 s after three, doubling to an hour; for a passive
/// peer too, whose connections are refused meanwhile.
#[test]
fn poisoned_sessions_back_off_although_they_establish() {
    let mut peer = Peer::new(passive(), 1);
    feed(&mut peer, at(0), Event::ManualStart);
    let mut now = at(1);
    for expected in [1, 1, 30, 60, 120, 240, 480, 960, 1920, 3600, 3600] {
        assert_eq!(poison(&mut peer, now), secs(expected));
        let early = peer.new_connection_id();
        let just_before = now + secs(expected) - Duration::from_millis(1);
        let refused = feed(&mut peer, just_before, Event::TcpConnectionConfirmed(early));
        assert_eq!(refused, format!("6/5#{early} close#{early}"));
        now = now + secs(expected);
        assert_eq!(pass(&mut peer, now), ">Active");
    }
    assert_eq!(peer.counters().refused, 11);
    assert_eq!(peer.counters().flaps, 11);
}

/// Somebody connects as fast as he can for a day, and poisons every session that he gets; whether we connect too makes no difference.
#[test]
fn an_attacker_gets_few_sessions_a_day() {
    for config in [passive(), config()] {
        let mut peer = Peer::new(config, 1);
        feed(&mut peer, at(0), Event::ManualStart);
        let (mut began, mut now) = (Vec::new(), at(1));
        while now < at(86_400) {
            pass(&mut peer, now);
            let id = peer.new_connection_id();
            if feed(&mut peer, now, Event::TcpConnectionConfirmed(id)).contains("OPEN") {
                began.push(now);
                feed(&mut peer, now, Event::BgpOpen(id, peer_open()));
                feed(&mut peer, now, Event::KeepAliveMsg(id));
                assert_eq!(peer.state(), StateKind::Established);
                feed(&mut peer, now, Event::UpdateMsgErr(id, Notification::new(3, 1, &[])));
            }
            now = now + secs(2);
        }
        let pauses: Vec<Duration> = began.windows(2).map(|pair| pair[1].since(pair[0])).collect();
        // After three errors.
        assert!(pauses.iter().skip(2).all(|pause| *pause >= secs(30)), "{pauses:?}");
        assert!(pauses.iter().skip(9).all(|pause| *pause >= secs(3600)), "{pauses:?}");
        assert!((25..=35).contains(&began.len()), "{} sessions", began.len());
    }
}

/// Only a session that lasts ends it.
#[test]
fn a_stable_session_ends_damping() {
    let mut peer = Peer::new(PeerConfig { hold_time: 0, ..passive() }, 1);
    feed(&mut peer, at(0), Event::ManualStart);
    let mut now = at(1);
    for _ in 0..4 {
        now = now + poison(&mut peer, now);
        pass(&mut peer, now);
    }
    for (lasts, expected) in [(599, secs(120)), (600, secs(1))] {
        let id = peer.new_connection_id();
        feed(&mut peer, now, Event::TcpConnectionConfirmed(id));
        feed(&mut peer, now, Event::BgpOpen(id, peer_open()));
        feed(&mut peer, now, Event::KeepAliveMsg(id));
        now = now + secs(lasts);
        run_until(&mut peer, now);
        feed(&mut peer, now, Event::UpdateMsgErr(id, Notification::new(3, 1, &[])));
        assert_eq!(peer.idle_until().unwrap().since(now), expected, "a session of {lasts} s");
        now = now + expected;
        pass(&mut peer, now);
    }
}

/// A lost session may come back at once: a peer that restarts is not refused.
#[test]
fn a_lost_session_may_come_back_at_once() {
    let mut peer = in_state(config(), StateKind::Established);
    let lost = Event::TcpConnectionFails(ConnectionId(1), TcpFailure::Reset);
    assert_eq!(feed(&mut peer, at(10), lost), "down#1 >Idle >Active");
    let next = peer.poll_timeout().unwrap().since(at(10));
    assert!(next <= secs(1) && next >= Duration::from_millis(750), "our own attempt waits: {next:?}");
    let id = peer.new_connection_id();
    assert_eq!(feed(&mut peer, at(10), Event::TcpConnectionConfirmed(id)), "OPEN#2 >OpenSent");
}

/// A line that loses what is on it is nobody's fault, whichever side's hold timer notices it first: a passive peer that has made errors
/// before is not refused for a minute because of it.
#[test]
fn a_hold_timer_that_expired_is_a_loss_on_either_side() {
    let mut peer = Peer::new(passive(), 1);
    feed(&mut peer, at(0), Event::ManualStart);
    let mut now = at(1);
    for _ in 0..3 {
        now = now + poison(&mut peer, now);
        pass(&mut peer, now);
    }
    let id = peer.new_connection_id();
    feed(&mut peer, now, Event::TcpConnectionConfirmed(id));
    feed(&mut peer, now, Event::BgpOpen(id, peer_open()));
    feed(&mut peer, now, Event::KeepAliveMsg(id));
    feed(&mut peer, now, Event::NotifMsg(id, Notification::new(4, 0, &[])));
    assert_eq!((peer.state(), peer.idle_until()), (StateKind::Active, None));
    let next = peer.new_connection_id();
    assert_eq!(feed(&mut peer, now, Event::TcpConnectionConfirmed(next)), format!("OPEN#{next} >OpenSent"));
}

/// Losses without end are oscillation too.
#[test]
fn losses_without_end_are_refused() {
    let mut peer = Peer::new(passive(), 1);
    feed(&mut peer, at(0), Event::ManualStart);
    let mut refused_at = None;
    for n in 1..20 {
        let id = peer.new_connection_id();
        feed(&mut peer, at(n), Event::TcpConnectionConfirmed(id));
        feed(&mut peer, at(n), Event::BgpOpen(id, peer_open()));
        feed(&mut peer, at(n), Event::KeepAliveMsg(id));
        feed(&mut peer, at(n), Event::TcpConnectionFails(id, TcpFailure::Closed));
        if peer.state() == StateKind::Idle {
            refused_at = Some(n);
            break;
        }
    }
    assert_eq!(refused_at, Some(6));
    assert_eq!(peer.idle_until(), Some(at(6 + 30)));
}

/// A configuration that does not fit is refused for two minutes at most; correcting ours ends that at once.
#[test]
fn a_misconfigured_peer() {
    let us = PeerConfig { peer_asn: PeerAsn::Exactly(Asn(64999)), ..passive() };
    let mut peer = Peer::new(us, 1);
    feed(&mut peer, at(0), Event::ManualStart);
    let mut now = at(1);
    for expected in [1, 1, 30, 60, 120, 120] {
        let id = peer.new_connection_id();
        feed(&mut peer, now, Event::TcpConnectionConfirmed(id));
        let said = feed(&mut peer, now, Event::BgpOpen(id, peer_open()));
        assert_eq!(said, format!("2/2#{id} close#{id} >Idle"));
        assert_eq!(peer.idle_until().unwrap().since(now), secs(expected));
        now = now + secs(expected);
        pass(&mut peer, now);
    }
    let id = peer.new_connection_id();
    feed(&mut peer, now, Event::TcpConnectionConfirmed(id));
    feed(&mut peer, now, Event::BgpOpen(id, peer_open()));
    assert_eq!(peer.state(), StateKind::Idle);
    peer.set_config(now, passive());
    assert_eq!(words(&drain(&mut peer)), ">Active");
    assert!(poison(&mut peer, now) == secs(1), "and nothing is remembered");
}

/// The operator's start ends it too; his stop is final.
#[test]
fn the_operator_decides() {
    let mut peer = in_state(config(), StateKind::Established);
    feed(&mut peer, at(1), Event::UpdateMsgErr(ConnectionId(1), Notification::new(3, 1, &[])));
    let mut stopped = peer.clone();
    assert_eq!(feed(&mut peer, at(1), Event::ManualStart), "connect#2 >Connect");
    feed(&mut stopped, at(1), Event::ManualStop(Stop::AdministrativeShutdown(String::new())));
    assert_eq!((stopped.idle_why(), stopped.poll_timeout()), (Some(IdleWhy::Stopped), None));
    assert_eq!(run_until(&mut stopped, at(100_000)), "");
    // RFC 4271 §8.1.2: events 6 and 7 wait for the idle hold timer, 13 does not.
    let mut peer = in_state(config(), StateKind::Established);
    feed(&mut peer, at(1), Event::UpdateMsgErr(ConnectionId(1), Notification::new(3, 1, &[])));
    assert_eq!(feed(&mut peer, at(1), Event::AutomaticStartWithDampPeerOscillations), "");
    assert_eq!(pass(&mut peer, at(2)), "connect#2 >Connect");
}

/// What is told of the kernel's routes changes while a peer is held; it waits its time all the same, and is told then.
#[test]
fn another_f_does_not_end_damping() {
    let families = vec![FamilyConfig::new(Family::IPV4_UNICAST)];
    let config = PeerConfig { families, ..passive() };
    let mut peer = Peer::new(config, 1);
    feed(&mut peer, at(0), Event::ManualStart);
    poison(&mut peer, at(1));
    let until = peer.idle_until();
    peer.set_forwarding(|_| ForwardingState::Preserved);
    assert_eq!((peer.idle_why(), peer.idle_until()), (Some(IdleWhy::Holding), until));
    assert_eq!(pass(&mut peer, until.unwrap()), ">Active");
    assert_eq!(peer.config().families[0].forwarding, ForwardingState::Preserved);
}
