//! A failure of our own: the session is lost without a word, and comes back by itself.

use super::*;
use crate::event::Stop;

fn fails(peer: &mut Peer, now: Timestamp) -> Box<crate::DownReason> {
    let lost = peer.negotiated().cloned().filter(|_| peer.established().is_some());
    let (new, reason) = peer.failed(now, peer.config().clone(), lost.as_ref(), "oh".to_owned());
    *peer = new;
    reason
}

fn establish(peer: &mut Peer, now: Timestamp) {
    let id = peer.new_connection_id();
    assert!(feed(peer, now, Event::TcpConnectionConfirmed(id)).contains("OPEN"), "not refused at {now:?}");
    feed(peer, now, Event::BgpOpen(id, peer_open()));
    feed(peer, now, Event::KeepAliveMsg(id));
    assert_eq!(peer.state(), StateKind::Established);
}

/// RFC 4724 §4.2: nothing is said, routes stay where graceful restart was negotiated.
#[test]
fn it_is_a_lost_connection() {
    for (graceful, retains) in [(true, true), (false, false)] {
        let mut peer = Peer::new(restarting(passive()), 1);
        feed(&mut peer, at(0), Event::ManualStart);
        let id = peer.new_connection_id();
        feed(&mut peer, at(1), Event::TcpConnectionConfirmed(id));
        let theirs = if graceful { open::build(&restarting(peer_config())) } else { peer_open() };
        feed(&mut peer, at(1), Event::BgpOpen(id, theirs));
        feed(&mut peer, at(1), Event::KeepAliveMsg(id));
        let reason = fails(&mut peer, at(5));
        assert_eq!(words(&drain(&mut peer)), ">Idle");
        assert_eq!((reason.retains_routes(), reason.state), (retains, StateKind::Established));
        assert_eq!(reason.to_string(), "internal error of this speaker: oh");
        assert_eq!((peer.counters().flaps, peer.counters().established), (1, 1));
        assert_eq!(peer.counters().last_reset.as_ref().map(|r| r.at), Some(at(5)));
    }
}

/// It comes back within 100 ms the first time, then as rarely as after errors; only a stable session ends that.
#[test]
fn it_starts_again_by_itself_and_ever_later() {
    let mut peer = Peer::new(PeerConfig { hold_time: 0, ..passive() }, 1);
    feed(&mut peer, at(0), Event::ManualStart);
    let mut now = at(1);
    for expected in [50, 1000, 30_000, 60_000, 120_000] {
        establish(&mut peer, now);
        fails(&mut peer, now);
        drain(&mut peer);
        let held = Duration::from_millis(expected);
        assert_eq!(peer.idle_until().map(|t| t.since(now)), Some(held));
        now = now + held;
        assert_eq!(pass(&mut peer, now), ">Active");
    }
    establish(&mut peer, now);
    now = now + secs(600);
    run_until(&mut peer, now);
    fails(&mut peer, now);
    assert_eq!(peer.idle_until().map(|t| t.since(now)), Some(Duration::from_millis(50)));
}

/// In any state, also in the middle of connecting, there is nothing left of what was; a hold is not cut short.
#[test]
fn nothing_is_left_of_what_was() {
    for kind in
        [StateKind::Connect, StateKind::Active, StateKind::OpenSent, StateKind::OpenConfirm, StateKind::Established]
    {
        let mut peer = in_state(config(), kind);
        let state = fails(&mut peer, at(3)).state;
        assert_eq!(state, kind);
        assert_eq!((peer.state(), peer.idle_why()), (StateKind::Idle, Some(IdleWhy::Holding)));
        assert_eq!(peer.poll_timeout(), Some(at(3) + Duration::from_millis(50)));
        drain(&mut peer);
        let late = feed(&mut peer, at(3), Event::TcpCrAcked(ConnectionId(1)));
        assert_eq!(late, "close#1", "what was under way is not known any more");
    }
    let mut held = Peer::new(passive(), 1);
    feed(&mut held, at(0), Event::ManualStart);
    for now in [1, 3, 10] {
        establish(&mut held, at(now));
        let id = held.established().map(|(id, _)| id).expect("established");
        feed(&mut held, at(now), Event::UpdateMsgErr(id, heddle_bgp_core::Notification::new(3, 1, &[])));
        if now < 10 {
            pass(&mut held, at(now + 1));
        }
    }
    assert_eq!(held.idle_until(), Some(at(40)));
    fails(&mut held, at(11));
    assert_eq!(held.idle_until(), Some(at(71)), "the fourth error");
    drain(&mut held);
    feed(&mut held, at(12), Event::ManualStop(Stop::ConfigurationChange));
    assert_eq!((held.idle_why(), held.poll_timeout()), (Some(IdleWhy::Stopped), None), "whoever wants it down has it");
}

/// A peer on whose messages the whole program failed waits before it is tried, longer each time.
#[test]
fn a_peer_that_the_program_failed_on_is_held_at_the_start() {
    for (faults, held) in [(1, 1), (2, 30), (3, 60), (4, 120), (u32::MAX, 3600)] {
        let mut peer = Peer::new(config(), 1);
        peer.hold_for_faults(at(1), faults, Duration::ZERO, "it".to_owned());
        assert_eq!(words(&drain(&mut peer)), ">Idle");
        assert_eq!(peer.poll_timeout(), Some(at(1 + held)), "{faults} faults");
        let early = peer.new_connection_id();
        assert_eq!(feed(&mut peer, at(1), Event::TcpConnectionConfirmed(early)), format!("6/5#{early} close#{early}"));
        assert_eq!(pass(&mut peer, at(1 + held)), "connect#2 >Connect");
    }
    // A pause of another kind that is longer is kept.
    for (at_least, held) in [(20, 30), (50, 50)] {
        let mut peer = Peer::new(config(), 1);
        peer.hold_for_faults(at(1), 2, Duration::from_secs(at_least), "it".to_owned());
        assert_eq!(peer.poll_timeout(), Some(at(1 + held)));
    }
}
