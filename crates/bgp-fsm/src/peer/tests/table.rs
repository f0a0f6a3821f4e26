//! RFC 4271 §8.2.2 as a table: six states by 28 events, and event 29 of RFC 9687.
//!
//! Connect and Active stand twice: waiting for TCP, and with a connection on which the DelayOpen timer runs. A cell is
//! what the machine does, or `ignored` with the reason. `#1` is the connection that carries the state, `#9` a new one
//! of the peer.

use heddle_bgp_core::Notification;

use super::*;
use crate::TcpFailure;
use crate::event::{AutomaticStop, AutomaticStopCause, Restart, Stop};

const MAIN: ConnectionId = ConnectionId(1);
const NEW: ConnectionId = ConnectionId(9);

/// The eight columns.
fn columns() -> [(&'static str, Peer); 8] {
    let delaying = PeerConfig { delay_open: Some(secs(10)), ..config() };
    let mut connect = Peer::new(delaying.clone(), 1);
    feed(&mut connect, at(0), Event::ManualStart);
    feed(&mut connect, at(0), Event::TcpCrAcked(MAIN));
    let mut active = Peer::new(PeerConfig { mode: ConnectMode::Passive, ..delaying }, 1);
    feed(&mut active, at(0), Event::ManualStart);
    feed(&mut active, at(0), Event::TcpConnectionConfirmed(MAIN));
    assert_eq!((connect.state(), active.state()), (StateKind::Connect, StateKind::Active));
    [
        ("Idle", in_state(config(), StateKind::Idle)),
        ("Connect", in_state(config(), StateKind::Connect)),
        ("Connect, delaying", connect),
        ("Active", in_state(config(), StateKind::Active)),
        ("Active, delaying", active),
        ("OpenSent", in_state(config(), StateKind::OpenSent)),
        ("OpenConfirm", in_state(config(), StateKind::OpenConfirm)),
        ("Established", in_state(config(), StateKind::Established)),
    ]
}

fn event(number: u8) -> Event {
    let n = |code, subcode| Notification::new(code, subcode, &[]);
    match number {
        1 => Event::ManualStart,
        2 => Event::ManualStop(Stop::AdministrativeShutdown(String::new())),
        3 => Event::AutomaticStart,
        4 => Event::ManualStartWithPassiveTcpEstablishment,
        5 => Event::AutomaticStartWithPassiveTcpEstablishment,
        6 => Event::AutomaticStartWithDampPeerOscillations,
        7 => Event::AutomaticStartWithDampPeerOscillationsAndPassiveTcpEstablishment,
        8 => {
            Event::AutomaticStop(AutomaticStop { cause: AutomaticStopCause::OutOfResources, restart: Restart::Manual })
        }
        9 => Event::ConnectRetryTimerExpires,
        10 => Event::HoldTimerExpires(MAIN),
        11 => Event::KeepaliveTimerExpires,
        12 => Event::DelayOpenTimerExpires,
        13 => Event::IdleHoldTimerExpires,
        14 => Event::TcpConnectionValid(NEW),
        15 => Event::TcpCrInvalid(NEW),
        16 => Event::TcpCrAcked(MAIN),
        17 => Event::TcpConnectionConfirmed(NEW),
        18 => Event::TcpConnectionFails(MAIN, TcpFailure::Reset),
        19 => Event::BgpOpen(MAIN, peer_open()),
        20 => Event::BgpOpenWithDelayOpenTimerRunning(MAIN, peer_open()),
        21 => Event::BgpHeaderErr(MAIN, n(1, 1)),
        22 => Event::BgpOpenMsgErr(MAIN, n(2, 1)),
        23 => Event::OpenCollisionDump(MAIN),
        24 => Event::NotifMsgVerErr(MAIN, n(2, 1)),
        25 => Event::NotifMsg(MAIN, n(6, 2)),
        26 => Event::KeepAliveMsg(MAIN),
        27 => Event::UpdateMsg(MAIN, 1),
        28 => Event::UpdateMsgErr(MAIN, n(3, 1)),
        _ => Event::SendHoldTimerExpires,
    }
}

/// Not in Idle, where it would start.
const S: &str = "ignored: RFC 4271 §8.2.2, start events outside Idle";
const I: &str = "ignored: RFC 4271 §8.2.2, Idle: does not change the state";
/// RFC 4271 §8.2.2 lists the expiry of timers that it has stopped itself as errors.
const T: &str = "ignored: the timer does not run here, so it cannot expire (deviation)";
const N: &str = "ignored: there is no connection that it could come from";
const V: &str = "ignored: RFC 4271 §8.1.4, nothing is to be done before TCP is up";
const U: &str = "ignored: TCP is up already";

/// Event; Idle, Connect, Connect delaying, Active, Active delaying, OpenSent, OpenConfirm, Established.
#[rustfmt::skip]
const TABLE: [(u8, [&str; 8]); 29] = [
    // RFC 4271 §8.2.2, Idle.
    (1, ["connect#1 >Connect", S, S, S, S, S, S, S]),
    // Cease; Hard Reset where N was negotiated (RFC 8538 §3.1).
    (2, [I, "close#1 >Idle", "6/2#1 close#1 >Idle", ">Idle", "6/2#1 close#1 >Idle", "6/2#1 close#1 >Idle", "6/9#1 close#1 >Idle", "6/9#1 down#1 close#1 >Idle"]),
    (3, ["connect#1 >Connect", S, S, S, S, S, S, S]),
    (4, [">Active", S, S, S, S, S, S, S]),
    (5, [">Active", S, S, S, S, S, S, S]),
    (6, ["connect#1 >Connect", S, S, S, S, S, S, S]),
    (7, [">Active", S, S, S, S, S, S, S]),
    (8, [I, "close#1 >Idle", "6/8#1 close#1 >Idle", ">Idle", "6/8#1 close#1 >Idle", "6/8#1 close#1 >Idle", "6/9#1 close#1 >Idle", "6/9#1 down#1 close#1 >Idle"]),
    (9, [T, "close#1 connect#2", T, "connect#2 >Connect", T, T, T, T]),
    // RFC 4271 §6.5.
    (10, [T, T, T, T, T, "4/0#1 close#1 >Idle >Active", "4/0#1 close#1 >Idle >Active", "4/0#1 down#1 close#1 >Idle >Active"]),
    (11, [T, T, T, T, T, T, "KEEPALIVE#1", "KEEPALIVE#1"]),
    (12, [T, T, "OPEN#1 >OpenSent", T, "OPEN#1 >OpenSent", T, T, T]),
    (13, [T, T, T, T, T, T, T, T]),
    (14, [V, V, V, V, V, V, V, V]),
    (15, [V, V, V, V, V, V, V, V]),
    // An attempt that was given up has its success reported late: it is closed.
    (16, ["close#1", "OPEN#1 >OpenSent", U, "close#1", U, U, U, U]),
    // RFC 4486 §4 in Idle. Elsewhere the second connection is set up beside the first (§6.8), takes the place of an
    // older one of the same direction, or is tracked until it sends an OPEN (Established).
    (17, ["6/5#9 close#9", "OPEN#9 >OpenSent", "OPEN#1 >OpenSent OPEN#9", "OPEN#9 >OpenSent", "6/7#1 close#1", "OPEN#9", "OPEN#9", ""]),
    // Connect: RFC deviation, to Active rather than to Idle, see the module's page.
    (18, [I, ">Active", ">Active", N, ">Idle >Active", ">Active", ">Idle >Active", "down#1 >Idle >Active"]),
    // RFC 6608 §3 from OpenConfirm on.
    (19, [I, "close#1 >Idle", "OPEN#1 KEEPALIVE#1 >OpenConfirm", N, "OPEN#1 KEEPALIVE#1 >OpenConfirm", "KEEPALIVE#1 >OpenConfirm", "5/2#1 close#1 >Idle", "5/3#1 down#1 close#1 >Idle"]),
    (20, [I, "close#1 >Idle", "OPEN#1 KEEPALIVE#1 >OpenConfirm", N, "OPEN#1 KEEPALIVE#1 >OpenConfirm", "KEEPALIVE#1 >OpenConfirm", "5/2#1 close#1 >Idle", "5/3#1 down#1 close#1 >Idle"]),
    (21, [I, "close#1 >Idle", "1/1#1 close#1 >Idle", N, "1/1#1 close#1 >Idle", "1/1#1 close#1 >Idle", "1/1#1 close#1 >Idle", "1/1#1 down#1 close#1 >Idle"]),
    (22, [I, "close#1 >Idle", "2/1#1 close#1 >Idle", N, "2/1#1 close#1 >Idle", "2/1#1 close#1 >Idle", "2/1#1 close#1 >Idle", "5/3#1 down#1 close#1 >Idle"]),
    (23, [I, "close#1 >Idle >Active", "close#1 >Idle >Active", N, "close#1 >Idle >Active", "6/7#1 close#1 >Idle >Active", "6/7#1 close#1 >Idle >Active", "6/7#1 down#1 close#1 >Idle >Active"]),
    // RFC 4271 §6.4: no NOTIFICATION answers a NOTIFICATION.
    (24, [I, "close#1 >Idle >Active", "close#1 >Idle >Active", N, "close#1 >Idle >Active", "close#1 >Idle >Active", "close#1 >Idle >Active", "down#1 close#1 >Idle >Active"]),
    (25, [I, "close#1 >Idle >Active", "close#1 >Idle >Active", N, "close#1 >Idle >Active", "close#1 >Idle >Active", "close#1 >Idle >Active", "down#1 close#1 >Idle >Active"]),
    (26, [I, "close#1 >Idle", "close#1 >Idle", N, "close#1 >Idle", "5/1#1 close#1 >Idle", ">Established up#1", ""]),
    (27, [I, "close#1 >Idle", "close#1 >Idle", N, "close#1 >Idle", "5/1#1 close#1 >Idle", "5/2#1 close#1 >Idle", ""]),
    (28, [I, "close#1 >Idle", "close#1 >Idle", N, "close#1 >Idle", "5/1#1 close#1 >Idle", "5/2#1 close#1 >Idle", "3/1#1 down#1 close#1 >Idle"]),
    // RFC 9687 §4.3.
    (29, [T, T, T, T, T, T, T, "8/0#1 down#1 close#1 >Idle"]),
];

#[test]
fn every_event_in_every_state() {
    let mut wrong = Vec::new();
    for (index, (number, cells)) in TABLE.into_iter().enumerate() {
        assert_eq!(index + 1, usize::from(number));
        for (cell, (column, mut peer)) in cells.into_iter().zip(columns()) {
            let before = (peer.state.clone(), peer.second.clone(), peer.timers.clone());
            let said = feed(&mut peer, at(1), event(number));
            let unchanged = before == (peer.state.clone(), peer.second.clone(), peer.timers.clone());
            let ignored = cell.starts_with("ignored");
            if ignored != (said.is_empty() && unchanged) || (!ignored && said != cell) {
                wrong.push(format!("event {number} in {column}: expected {cell:?}, got {said:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A cell without an action restarts the hold timer, or tracks a second connection.
#[test]
fn silent_cells_of_established() {
    for (number, timer, expected) in [(26, Timer::Hold, 91), (27, Timer::Hold, 91), (17, Timer::SecondHold, 241)] {
        let mut peer = in_state(config(), StateKind::Established);
        assert_eq!(feed(&mut peer, at(1), event(number)), "");
        assert_eq!(peer.timers.get(timer), Some(at(expected)), "event {number}");
    }
}

/// A passive peer: event 1 is event 4, and nothing makes us connect.
#[test]
fn a_passive_peer_is_never_connected_to() {
    let mut peer = Peer::new(passive(), 1);
    assert_eq!(feed(&mut peer, at(0), event(1)), ">Active");
    assert_eq!(peer.poll_timeout(), None);
    assert_eq!(feed(&mut peer, at(1), event(9)), "");
}
