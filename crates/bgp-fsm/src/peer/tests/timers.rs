//! Timers: hold, keepalive, connect retry, delay open, send hold (RFC 4271 §4.4, §6.5, §8.1.3, §10; RFC 9687).

use super::*;
use crate::TcpFailure;
use crate::config::{IdleHold, SendHold};

const MAIN: ConnectionId = ConnectionId(1);

fn established(config: PeerConfig) -> Peer {
    in_state(config, StateKind::Established)
}

/// RFC 4271 §4.4, §10: a keepalive each quarter to third of the hold time.
#[test]
fn keepalives() {
    let mut peer = established(PeerConfig { graceful_restart: None, ..config() });
    let mut last = at(0);
    for _ in 0..50 {
        let next = peer.timers.get(Timer::Keepalive).unwrap();
        assert!((Duration::from_millis(22_500)..=secs(30)).contains(&next.since(last)), "{:?}", next.since(last));
        peer.handle(next, Event::KeepAliveMsg(MAIN));
        peer.handle(next, Event::WriteProgress(MAIN));
        assert_eq!(pass(&mut peer, next), "KEEPALIVE#1");
        last = next;
    }
    // An UPDATE sent is as good (§8.2.2).
    peer.handle(last + secs(20), Event::UpdatesSent(MAIN, 3));
    assert!(peer.timers.get(Timer::Keepalive).unwrap() >= last + secs(20) + Duration::from_millis(22_500));
    assert_eq!(peer.counters().messages_out.update, 3);
}

/// RFC 4271 §4.2: hold time zero turns off hold, keepalive and send hold timers (RFC 9687 §4.4); O13.
#[test]
fn hold_time_zero() {
    let mut peer = established(PeerConfig { hold_time: 0, ..config() });
    for timer in [Timer::Hold, Timer::Keepalive, Timer::SendHold] {
        assert_eq!(peer.timers.get(timer), None, "{timer:?}");
    }
    assert_eq!(run_until(&mut peer, at(1_000_000)), "");
    assert_eq!(feed(&mut peer, at(1_000_001), Event::UpdateMsg(MAIN, 1)), "");
    assert_eq!(peer.timers.get(Timer::Hold), None);
}

/// RFC 4271 §6.5: KEEPALIVE and UPDATE restart the hold timer; silence ends the session.
#[test]
fn hold() {
    for sign in [Event::KeepAliveMsg(MAIN), Event::UpdateMsg(MAIN, 1), Event::RouteRefreshMsg(MAIN)] {
        let mut peer = established(config());
        peer.handle(at(80), sign);
        assert_eq!(peer.timers.get(Timer::Hold), Some(at(170)));
    }
    let mut peer = established(config());
    let said = run_until(&mut peer, at(90));
    assert!(said.ends_with("4/0#1 down#1 close#1 >Idle >Active"), "{said}");
}

/// The process was stopped, or busy: what waits in the socket is read before silence counts (S18).
#[test]
fn silence_counts_only_after_the_socket_is_empty() {
    let mut peer = established(config());
    let said = pass(&mut peer, at(150));
    assert!(said.contains("check#1") && !said.contains("4/0"), "{said}");
    assert_eq!(peer.state(), StateKind::Established);
    // A KEEPALIVE was waiting there.
    feed(&mut peer, at(150), Event::KeepAliveMsg(MAIN));
    assert_eq!(feed(&mut peer, at(150), Event::ReadEmpty(MAIN)), "");
    assert_eq!(peer.timers.get(Timer::Hold), Some(at(240)));
    // Nothing was.
    assert!(pass(&mut peer, at(240)).contains("check#1"));
    assert_eq!(feed(&mut peer, at(240), Event::ReadEmpty(MAIN)), "4/0#1 down#1 close#1 >Idle >Active");
}

/// While the shell does not read by its own choice the hold timer is not judged.
#[test]
fn paused_reading() {
    let mut peer = established(config());
    feed(&mut peer, at(10), Event::ReadPaused(MAIN));
    assert!(!pass(&mut peer, at(300)).contains("check"));
    assert_eq!(feed(&mut peer, at(300), Event::ReadEmpty(MAIN)), "", "nothing was asked");
    assert_eq!(feed(&mut peer, at(301), Event::ReadResumed(MAIN)), "check#1");
    assert_eq!(feed(&mut peer, at(301), Event::ReadPaused(MAIN)), "", "paused again before it was answered");
    assert_eq!(feed(&mut peer, at(302), Event::ReadEmpty(MAIN)), "");
    assert_eq!(feed(&mut peer, at(303), Event::ReadResumed(MAIN)), "check#1");
    assert_eq!(feed(&mut peer, at(303), Event::ReadEmpty(MAIN)), "4/0#1 down#1 close#1 >Idle >Active");
    // Paused and resumed in time: nothing is asked.
    let mut peer = established(config());
    feed(&mut peer, at(10), Event::ReadPaused(MAIN));
    assert_eq!(feed(&mut peer, at(20), Event::ReadResumed(MAIN)), "");
    assert_eq!(peer.timers.get(Timer::Hold), Some(at(90)));
}

/// RFC 4271 §8.2.2 (4 minutes are suggested), S01: no OPEN comes.
#[test]
fn no_open() {
    for (open_hold_time, limit) in [(secs(240), 240), (secs(30), 30)] {
        let mut peer = in_state(PeerConfig { open_hold_time, ..config() }, StateKind::OpenSent);
        assert_eq!(run_until(&mut peer, at(limit - 1)), "");
        assert!(run_until(&mut peer, at(limit)).starts_with("4/0#1 close#1 >Idle"));
    }
}

/// Attempts: quick at first, doubling to the connect retry time, with jitter (RFC 4271 §10).
#[test]
fn connect_retry() {
    let mut peer = Peer::new(config(), 3);
    feed(&mut peer, at(0), Event::ManualStart);
    let mut now = at(0);
    assert_eq!(feed(&mut peer, now, Event::TcpConnectionFails(MAIN, TcpFailure::Refused)), ">Active");
    for full in [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, 102_400, 120_000, 120_000] {
        let full = Duration::from_millis(full);
        let next = peer.timers.get(Timer::ConnectRetry).unwrap();
        let waited = next.since(now);
        assert!(waited <= full && waited >= full * 3 / 4, "{full:?}: {waited:?}");
        now = next;
        let said = pass(&mut peer, now);
        assert!(said.starts_with("connect#") && said.ends_with(">Connect"), "{said}");
        let id = peer.state.connection_id().unwrap();
        assert_eq!(feed(&mut peer, now, Event::TcpConnectionFails(id, TcpFailure::Refused)), ">Active");
    }
}

/// However short the pauses are, an attempt has the time that a handshake over a network with loss takes.
#[test]
fn short_pauses_are_no_short_attempts() {
    let mut peer = Peer::new(PeerConfig { connect_retry: secs(2), ..config() }, 3);
    feed(&mut peer, at(0), Event::ManualStart);
    for _ in 0..8 {
        let now = peer.timers.get(Timer::ConnectRetry).unwrap();
        let id = peer.state.connection_id().unwrap();
        feed(&mut peer, now, Event::TcpConnectionFails(id, TcpFailure::Refused));
        let now = peer.timers.get(Timer::ConnectRetry).unwrap();
        assert!(pass(&mut peer, now).ends_with(">Connect"));
        let limit = peer.timers.get(Timer::ConnectRetry).unwrap().since(now);
        assert!(limit <= secs(2) && limit >= secs(2) * 3 / 4, "{limit:?}");
    }
}

/// A peer that connects while we pause is taken at once, and the pause is over.
#[test]
fn an_incoming_connection_ends_the_pause() {
    let mut peer = Peer::new(config(), 3);
    feed(&mut peer, at(0), Event::ManualStart);
    feed(&mut peer, at(0), Event::TcpConnectionFails(MAIN, TcpFailure::Refused));
    assert_eq!(feed(&mut peer, at(0), Event::TcpConnectionConfirmed(ConnectionId(9))), "OPEN#9 >OpenSent");
    assert_eq!(peer.timers.get(Timer::ConnectRetry), None);
}

/// No answer to an attempt: it is given up for a new one (RFC 4271 §8.2.2, Connect, event 9).
#[test]
fn no_answer() {
    let mut peer = Peer::new(config(), 3);
    feed(&mut peer, at(0), Event::ManualStart);
    assert_eq!(run_until(&mut peer, at(5)), "close#1 connect#2");
    assert_eq!(feed(&mut peer, at(6), Event::TcpCrAcked(MAIN)), "close#1", "the first answers late");
    assert_eq!(feed(&mut peer, at(6), Event::TcpCrAcked(ConnectionId(2))), "OPEN#2 >OpenSent");
}

/// RFC 4271 §8.1.1, DelayOpen: the peer's OPEN comes first, or the timer runs out.
#[test]
fn delay_open() {
    let delaying = PeerConfig { delay_open: Some(secs(10)), ..config() };
    let mut peer = Peer::new(delaying.clone(), 1);
    feed(&mut peer, at(0), Event::ManualStart);
    assert_eq!(feed(&mut peer, at(1), Event::TcpCrAcked(MAIN)), "");
    assert_eq!(run_until(&mut peer, at(11)), "OPEN#1 >OpenSent");
    let mut peer = Peer::new(delaying, 1);
    feed(&mut peer, at(0), Event::ManualStart);
    feed(&mut peer, at(1), Event::TcpCrAcked(MAIN));
    assert_eq!(feed(&mut peer, at(2), Event::BgpOpen(MAIN, peer_open())), "OPEN#1 KEEPALIVE#1 >OpenConfirm");
    assert_eq!(peer.timers.get(Timer::DelayOpen), None);
}

/// RFC 9687 §4, S04: nothing can be written for max(8 min, twice the hold time).
#[test]
fn send_hold() {
    let rows = [
        (90, SendHold::Auto, Some(480)),
        (300, SendHold::Auto, Some(600)),
        (90, SendHold::After(secs(100)), Some(100)),
        (90, SendHold::Off, None),
        (0, SendHold::Auto, None),
        (0, SendHold::After(secs(100)), None),
    ];
    for (hold_time, send_hold, expected) in rows {
        let us = PeerConfig { hold_time, send_hold, graceful_restart: None, ..config() };
        let theirs = open::build(&PeerConfig { hold_time: 300, ..peer_config() });
        let mut peer = in_state(us, StateKind::OpenSent);
        feed(&mut peer, at(0), Event::BgpOpen(MAIN, theirs));
        feed(&mut peer, at(0), Event::KeepAliveMsg(MAIN));
        assert_eq!(peer.timers.get(Timer::SendHold), expected.map(at), "{hold_time} {send_hold:?}");
        let Some(limit) = expected else { continue };
        // The peer stays alive and takes nothing; KEEPALIVEs that we only queue are no progress.
        for t in 1..limit {
            peer.handle(at(t), Event::KeepAliveMsg(MAIN));
            peer.handle_timeout(at(t));
            assert!(!words(&drain(&mut peer)).contains("8/0"), "at {t} of {limit}");
        }
        let said = pass(&mut peer, at(limit));
        assert!(said.ends_with("8/0#1 down#1 close#1 >Idle"), "{said}");
    }
}

/// RFC 9687 §4.4: each octet that the socket takes restarts it.
#[test]
fn send_hold_restarts_with_progress() {
    let mut peer = established(config());
    for event in [Event::WriteProgress(MAIN), Event::UpdatesSent(MAIN, 1)] {
        feed(&mut peer, at(70), event);
        assert_eq!(peer.timers.get(Timer::SendHold), Some(at(550)));
        feed(&mut peer, at(71), Event::WriteProgress(ConnectionId(77)));
        assert_eq!(peer.timers.get(Timer::SendHold), Some(at(550)), "of another connection");
    }
}

/// A new configuration: what acts at once and what waits.
#[test]
fn set_config() {
    let mut peer = established(config());
    let timers = PeerConfig { connect_retry: secs(7), idle_hold: IdleHold::default(), ..config() };
    assert_eq!(peer.set_config(at(1), timers.clone()), ConfigEffect::AtOnce);
    let send = PeerConfig { send_hold: SendHold::After(secs(9)), ..timers };
    assert_eq!(peer.set_config(at(1), send.clone()), ConfigEffect::AtOnce);
    assert_eq!(peer.timers.get(Timer::SendHold), Some(at(10)));
    for changed in [
        PeerConfig { hold_time: 30, ..send.clone() },
        PeerConfig { families: vec![], ..send.clone() },
        PeerConfig { peer_asn: PeerAsn::Any, ..send.clone() },
        PeerConfig { extended_message: false, ..send },
    ] {
        assert_eq!(peer.clone().set_config(at(1), changed), ConfigEffect::NextSession);
    }
    // Without a session there is nothing to wait for.
    let mut peer = in_state(config(), StateKind::Active);
    assert_eq!(peer.set_config(at(1), PeerConfig { hold_time: 30, ..config() }), ConfigEffect::AtOnce);
    assert_eq!((peer.set_config(at(1), passive()), peer.poll_timeout()), (ConfigEffect::AtOnce, None));
    peer.set_config(at(2), config());
    assert_eq!(words(&drain(&mut peer)), "connect#2 >Connect");
    peer.set_config(at(3), passive());
    assert_eq!(words(&drain(&mut peer)), "close#2 >Active");
}

/// Another interval of KEEPALIVEs counts for the next one already, which never comes later than it was to.
#[test]
fn another_interval_of_keepalives_counts_at_once() {
    let mut peer = established(config());
    let due = |peer: &Peer| peer.timers.get(Timer::Keepalive);
    let usual = due(&peer);
    assert!(usual > Some(at(10)));
    peer.set_config(at(1), PeerConfig { keepalive: Some(secs(4)), ..config() });
    let sooner = due(&peer);
    assert!(sooner > Some(at(1)) && sooner <= Some(at(5)), "{sooner:?}");
    peer.set_config(at(2), config());
    assert_eq!(due(&peer), sooner);
    let mut idle = Peer::new(config(), 1);
    idle.set_config(at(1), PeerConfig { keepalive: Some(secs(4)), ..config() });
    assert_eq!(due(&idle), None);
}

/// A speaker that has restarted connects once even where it waits otherwise; then it waits.
#[test]
fn once_is_one_attempt() {
    let mut peer = Peer::new(PeerConfig { mode: ConnectMode::Once, ..config() }, 1);
    assert_eq!(feed(&mut peer, at(0), Event::ManualStart), "connect#1 >Connect");
    let failed = feed(&mut peer, at(0), Event::TcpConnectionFails(MAIN, TcpFailure::Refused));
    assert!(failed.ends_with(">Active"), "{failed}");
    assert_eq!(run_until(&mut peer, at(3600)), "");
    feed(&mut peer, at(3600), Event::ManualStop(crate::Stop::ProcessExit(String::new())));
    assert_eq!(feed(&mut peer, at(3601), Event::ManualStart), ">Active");
}

/// RFC 4271 §4.4: a third of the hold time, or less where that is configured; zero means that nothing is.
#[test]
fn configured_keepalives() {
    let rows = [(None, 30), (Some(secs(10)), 10), (Some(secs(60)), 30), (Some(Duration::ZERO), 30)];
    for (keepalive, expected) in rows {
        let peer = established(PeerConfig { keepalive, ..config() });
        let interval = peer.timers.get(Timer::Keepalive).unwrap().since(at(0));
        assert!(interval <= secs(expected) && interval >= secs(expected) * 3 / 4, "{keepalive:?}: {interval:?}");
    }
}
