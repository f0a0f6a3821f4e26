//! Two connections of a peer (RFC 4271 §6.8, RFC 6286 §2.3, RFC 4724 §4.2). Connection 1 is ours, 2 the peer's.

use heddle_bgp_core::Notification;

use super::*;
use crate::down::DownCause;

const OURS: ConnectionId = ConnectionId(1);
const THEIRS: ConnectionId = ConnectionId(2);

/// One who dials, in Connect, whose identifier is `id`; the peer's is 10.0.0.2.
fn dialing(id: u32) -> Peer {
    let mut peer = Peer::new(PeerConfig { local_id: BgpId(id), ..config() }, 1);
    assert_eq!(feed(&mut peer, at(0), Event::ManualStart), "connect#1 >Connect");
    assert_eq!(peer.new_connection_id(), THEIRS);
    peer
}

const LOWER: u32 = 0x0a00_0001;
const HIGHER: u32 = 0x0a00_0003;

/// What can happen while two connections are set up; the order of the two of one connection is fixed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    OursUp,
    TheirsUp,
    OursOpen,
    TheirsOpen,
}

impl Step {
    fn event(self) -> Event {
        match self {
            Self::OursUp => Event::TcpCrAcked(OURS),
            Self::TheirsUp => Event::TcpConnectionConfirmed(THEIRS),
            Self::OursOpen => Event::BgpOpen(OURS, peer_open()),
            Self::TheirsOpen => Event::BgpOpen(THEIRS, peer_open()),
        }
    }
}

/// Both sides, all orders: the connection of the higher identifier stays, the other gets Cease 6/7.
#[test]
fn all_orders_of_two_connections() {
    use Step::{OursOpen, OursUp, TheirsOpen, TheirsUp};
    let orders = [
        [OursUp, TheirsUp, OursOpen, TheirsOpen],
        [OursUp, TheirsUp, TheirsOpen, OursOpen],
        [TheirsUp, OursUp, OursOpen, TheirsOpen],
        [TheirsUp, OursUp, TheirsOpen, OursOpen],
        [OursUp, OursOpen, TheirsUp, TheirsOpen],
        [TheirsUp, TheirsOpen, OursUp, OursOpen],
    ];
    for order in orders {
        for (id, winner, loser) in [(LOWER, THEIRS, OURS), (HIGHER, OURS, THEIRS)] {
            let mut peer = dialing(id);
            let mut said = String::new();
            for step in order {
                said = said + " " + &feed(&mut peer, at(0), step.event());
            }
            assert!(said.contains(&format!("6/7#{loser} close#{loser}")), "{order:?} {id}: {said}");
            assert!(!said.contains(&format!("close#{winner}")), "{order:?} {id}: {said}");
            assert_eq!(peer.state(), StateKind::OpenConfirm);
            assert_eq!(peer.second, Second::None);
            assert_eq!(feed(&mut peer, at(0), Event::KeepAliveMsg(loser)), "", "{order:?}: the loser is forgotten");
            assert_eq!(feed(&mut peer, at(0), Event::KeepAliveMsg(winner)), format!(">Established up#{winner}"));
            assert_eq!(peer.counters().collisions, 1);
        }
    }
}

/// RFC 6286 §2.3: equal identifiers, the higher AS decides.
#[test]
fn equal_identifiers() {
    for (asn, loser) in [(64999, OURS), (65002, THEIRS)] {
        let mut us = PeerConfig { local_asn: Asn(asn), local_id: BgpId(0x0a00_0002), ..config() };
        us.peer_asn = PeerAsn::Exactly(Asn(REMOTE));
        let mut peer = Peer::new(us, 1);
        feed(&mut peer, at(0), Event::ManualStart);
        peer.new_connection_id();
        for step in [Step::OursUp, Step::TheirsUp, Step::OursOpen] {
            feed(&mut peer, at(0), step.event());
        }
        let said = feed(&mut peer, at(0), Step::TheirsOpen.event());
        assert!(said.contains(&format!("6/7#{loser}")), "AS {asn}: {said}");
    }
}

/// The peer decided, and told us on the connection that was further: the other one goes on.
#[test]
fn told_by_the_peer() {
    let mut peer = dialing(LOWER);
    for step in [Step::OursUp, Step::TheirsUp, Step::OursOpen] {
        feed(&mut peer, at(0), step.event());
    }
    assert_eq!(peer.state(), StateKind::OpenConfirm);
    let told = Event::NotifMsg(OURS, Notification::collision());
    assert_eq!(feed(&mut peer, at(0), told), "close#1 >OpenSent");
    assert_eq!(feed(&mut peer, at(0), Step::TheirsOpen.event()), "KEEPALIVE#2 >OpenConfirm");
    assert_eq!(feed(&mut peer, at(0), Event::KeepAliveMsg(THEIRS)), ">Established up#2");
    assert_eq!(peer.counters().flaps, 0);
}

/// The peer's connection is established before ours is even up: our attempt is given up.
#[test]
fn an_attempt_ends_with_the_session() {
    let mut peer = dialing(LOWER);
    feed(&mut peer, at(0), Step::TheirsUp.event());
    feed(&mut peer, at(0), Step::TheirsOpen.event());
    assert_eq!(feed(&mut peer, at(0), Event::KeepAliveMsg(THEIRS)), "close#1 >Established up#2");
    assert_eq!(feed(&mut peer, at(0), Step::OursUp.event()), "close#1", "its success comes too late");
}

/// The peer's connection ends while our attempt is under way: that goes on.
#[test]
fn an_attempt_survives_the_other_connection() {
    let mut peer = dialing(LOWER);
    feed(&mut peer, at(0), Step::TheirsUp.event());
    let lost = Event::TcpConnectionFails(THEIRS, crate::TcpFailure::Reset);
    assert_eq!(feed(&mut peer, at(0), lost), ">Connect");
    assert_eq!(feed(&mut peer, at(0), Step::OursUp.event()), "OPEN#1 >OpenSent");
}

/// Whatever ends one connection while both are set up leaves the other alone.
#[test]
fn one_fails_the_other_goes_on() {
    let failures = [
        Event::TcpConnectionFails(THEIRS, crate::TcpFailure::Reset),
        Event::KeepAliveMsg(THEIRS),
        Event::UpdateMsg(THEIRS, 1),
        Event::RouteRefreshMsg(THEIRS),
        Event::BgpHeaderErr(THEIRS, Notification::new(1, 1, &[])),
        Event::BgpOpenMsgErr(THEIRS, Notification::new(2, 1, &[])),
        Event::NotifMsg(THEIRS, Notification::new(6, 5, &[])),
        Event::HoldTimerExpires(THEIRS),
        Event::OpenCollisionDump(THEIRS),
    ];
    for failure in failures {
        let mut peer = dialing(LOWER);
        for step in [Step::OursUp, Step::TheirsUp] {
            feed(&mut peer, at(0), step.event());
        }
        feed(&mut peer, at(0), failure.clone());
        assert_eq!((peer.state(), &peer.second), (StateKind::OpenSent, &Second::None), "{failure:?}");
        assert_eq!(feed(&mut peer, at(0), Step::OursOpen.event()), "KEEPALIVE#1 >OpenConfirm", "{failure:?}");
    }
    // The same for the one that carries the state.
    let mut peer = dialing(LOWER);
    for step in [Step::OursUp, Step::TheirsUp] {
        feed(&mut peer, at(0), step.event());
    }
    let lost = Event::TcpConnectionFails(OURS, crate::TcpFailure::Reset);
    feed(&mut peer, at(0), lost);
    assert_eq!(feed(&mut peer, at(0), Step::TheirsOpen.event()), "KEEPALIVE#2 >OpenConfirm");
}

/// A newer connection of the peer replaces one that has no session yet: the peer has forgotten that one.
#[test]
fn the_newer_of_two_incoming_stays() {
    let mut peer = Peer::new(passive(), 1);
    feed(&mut peer, at(0), Event::ManualStart);
    let (a, b) = (peer.new_connection_id(), peer.new_connection_id());
    assert_eq!(feed(&mut peer, at(0), Event::TcpConnectionConfirmed(a)), "OPEN#1 >OpenSent");
    assert_eq!(feed(&mut peer, at(1), Event::TcpConnectionConfirmed(b)), "6/7#1 close#1 OPEN#2");
    assert_eq!(peer.counters().collisions, 1);
    assert_eq!(feed(&mut peer, at(1), Event::BgpOpen(b, peer_open())), "KEEPALIVE#2 >OpenConfirm");
}

/// Established, without graceful restart: a second connection is tracked until its OPEN, and closed (§8.2.2).
#[test]
fn established_wins() {
    let plain = PeerConfig { graceful_restart: None, ..config() };
    let mut peer = in_state(plain, StateKind::Established);
    let new = peer.new_connection_id();
    assert_eq!(feed(&mut peer, at(5), Event::TcpConnectionConfirmed(new)), "");
    assert_eq!(feed(&mut peer, at(5), Event::BgpOpen(new, peer_open())), "6/7#2 close#2");
    assert_eq!(peer.state(), StateKind::Established);
}

/// CollisionDetectEstablishedState (RFC 4271 §8.1.1): the rule of §6.8 applies to established sessions too.
#[test]
fn established_collides_where_configured() {
    for (id, expected) in
        [(LOWER, "OPEN#2 6/7#1 down#1 close#1 >Idle KEEPALIVE#2 >OpenConfirm"), (HIGHER, "6/7#2 close#2")]
    {
        let us =
            PeerConfig { local_id: BgpId(id), collision_detect_established: true, graceful_restart: None, ..config() };
        let mut peer = in_state(us, StateKind::Established);
        let new = peer.new_connection_id();
        feed(&mut peer, at(5), Event::TcpConnectionConfirmed(new));
        assert_eq!(feed(&mut peer, at(5), Event::BgpOpen(new, peer_open())), expected, "{id:x}");
    }
}

fn established_with_restarter() -> (Peer, Open) {
    let theirs = open::build(&restarting(peer_config()));
    let mut peer = in_state(restarting(config()), StateKind::OpenSent);
    feed(&mut peer, at(0), Event::BgpOpen(OURS, theirs.clone()));
    feed(&mut peer, at(0), Event::KeepAliveMsg(OURS));
    (peer, theirs)
}

/// RFC 4724 §4.2: a new session of a peer with graceful restart takes over, without NOTIFICATION, and routes stay.
#[test]
fn a_restarted_peer_takes_over() {
    let (mut peer, theirs) = established_with_restarter();
    let new = peer.new_connection_id();
    assert_eq!(feed(&mut peer, at(5), Event::TcpConnectionConfirmed(new)), "");
    peer.handle(at(5), Event::BgpOpen(new, theirs));
    let actions = drain(&mut peer);
    assert_eq!(words(&actions), "OPEN#2 down#1 close#1 >Idle KEEPALIVE#2 >OpenConfirm");
    let reason = actions.iter().find_map(|a| if let Action::Down(_, r) = a { Some(r) } else { None }).unwrap();
    assert_eq!(reason.cause, DownCause::PeerRestarted);
    assert!(reason.retains_routes());
    assert_eq!(feed(&mut peer, at(5), Event::KeepAliveMsg(new)), ">Established up#2");
}

/// Both connections got our OPEN, ours is the session, and then the peer's OPEN comes on the other one.
fn crossed(id: u32) -> (Peer, String) {
    let theirs = open::build(&restarting(peer_config()));
    let mut peer = Peer::new(restarting(PeerConfig { local_id: BgpId(id), ..config() }), 1);
    feed(&mut peer, at(0), Event::ManualStart);
    let incoming = peer.new_connection_id();
    feed(&mut peer, at(0), Event::TcpCrAcked(OURS));
    feed(&mut peer, at(0), Event::TcpConnectionConfirmed(incoming));
    feed(&mut peer, at(0), Event::BgpOpen(OURS, theirs.clone()));
    feed(&mut peer, at(0), Event::KeepAliveMsg(OURS));
    assert_eq!(peer.state(), StateKind::Established);
    let said = feed(&mut peer, at(1), Event::BgpOpen(incoming, theirs));
    (peer, said)
}

/// But one that was there before the session was established is a collision, not a restart: it is closed.
#[test]
fn a_late_open_is_no_restart() {
    let (peer, said) = crossed(HIGHER);
    assert_eq!(said, "6/7#2 close#2");
    assert_eq!(peer.state(), StateKind::Established);
}

/// If it is the one that a collision keeps, the peer may be in OpenConfirm on both, and close the session (RFC 4271 §6.8): both
/// stay until it is known. Were each side to close another one, nothing would be left.
#[test]
fn a_late_open_on_the_connection_that_a_collision_keeps() {
    let told = |id| Event::NotifMsg(id, Notification::collision());
    // The peer has the session as well.
    let (mut peer, said) = crossed(LOWER);
    assert_eq!(said, "");
    assert_eq!(feed(&mut peer, at(1), told(THEIRS)), "close#2");
    assert_eq!((peer.state(), &peer.second), (StateKind::Established, &Second::None));
    // It was in OpenConfirm, and its words on the session come first.
    let (mut peer, _) = crossed(LOWER);
    assert_eq!(feed(&mut peer, at(1), told(OURS)), "down#1 close#1 >Idle KEEPALIVE#2 >OpenConfirm");
    assert_eq!(feed(&mut peer, at(1), Event::KeepAliveMsg(THEIRS)), ">Established up#2");
    // The session's end comes first, without words.
    let (mut peer, _) = crossed(LOWER);
    let lost = Event::TcpConnectionFails(OURS, crate::TcpFailure::Closed);
    assert_eq!(feed(&mut peer, at(1), lost), "down#1 >Idle KEEPALIVE#2 >OpenConfirm");
    // Its words on the other one come first.
    let (mut peer, _) = crossed(LOWER);
    let said = feed(&mut peer, at(1), Event::KeepAliveMsg(THEIRS));
    assert_eq!(said, "6/7#1 down#1 close#1 >Idle KEEPALIVE#2 >OpenConfirm >Established up#2");
    assert_eq!((peer.state(), &peer.second), (StateKind::Established, &Second::None));
    // Both sides have the session, and each waits for the other.
    let (mut peer, _) = crossed(LOWER);
    assert_eq!(run_until(&mut peer, at(5)), "");
    assert!(run_until(&mut peer, at(6)).contains("6/7#2 close#2"));
    assert_eq!((peer.state(), &peer.second), (StateKind::Established, &Second::None));
}

/// Nor one that is seen just after: both sides connected at once, and the session was established over one of the two
/// before the other was accepted.
#[test]
fn a_connection_just_after_the_session_is_no_restart() {
    let (mut peer, theirs) = established_with_restarter();
    let new = peer.new_connection_id();
    feed(&mut peer, at(1), Event::TcpConnectionConfirmed(new));
    assert_eq!(feed(&mut peer, at(1), Event::BgpOpen(new, theirs)), "6/7#2 close#2");
    assert_eq!(peer.state(), StateKind::Established);
}

/// S01: a connection that says nothing beside an established session is closed after the OPEN hold time.
#[test]
fn a_silent_second_connection_ends() {
    let mut peer = in_state(PeerConfig { hold_time: 0, ..config() }, StateKind::Established);
    let new = peer.new_connection_id();
    feed(&mut peer, at(5), Event::TcpConnectionConfirmed(new));
    assert_eq!(run_until(&mut peer, at(244)), "");
    assert_eq!(run_until(&mut peer, at(245)), "4/0#2 close#2");
    assert_eq!(peer.state(), StateKind::Established);
}

/// Before there is a session the fault of one connection is not that of the other (RFC 4271 §6.8): what ends the one that carries
/// the state leaves the peer not held, and the other one carries it.
#[test]
fn the_fault_of_one_is_not_that_of_the_other() {
    let mut peer = dialing(LOWER);
    for step in [Step::OursUp, Step::TheirsUp] {
        feed(&mut peer, at(0), step.event());
    }
    let malformed = Event::BgpOpenMsgErr(OURS, Notification::new(2, 1, &[]));
    assert_eq!(feed(&mut peer, at(0), malformed), "2/1#1 close#1 >OpenSent");
    assert_eq!(feed(&mut peer, at(0), Step::TheirsOpen.event()), "KEEPALIVE#2 >OpenConfirm");
    // An established session costs a whole table each time: then both end, and the peer is held.
    let mut peer = in_state(config(), StateKind::Established);
    let new = peer.new_connection_id();
    feed(&mut peer, at(5), Event::TcpConnectionConfirmed(new));
    let poison = Event::UpdateMsgErr(OURS, Notification::new(3, 1, &[]));
    assert_eq!(feed(&mut peer, at(5), poison), "3/1#1 down#1 close#1 6/5#2 close#2 >Idle");
}

/// A connection that is told of twice is one.
#[test]
fn told_twice() {
    let mut peer = dialing(LOWER);
    for step in [Step::OursUp, Step::TheirsUp] {
        feed(&mut peer, at(0), step.event());
    }
    let before = peer.second.clone();
    for known in [OURS, THEIRS] {
        assert_eq!(feed(&mut peer, at(1), Event::TcpConnectionConfirmed(known)), "", "{known}");
    }
    assert_eq!((peer.state(), &peer.second), (StateKind::OpenSent, &before));
}

/// What the shell reports of a connection that is gone says nothing of those that are there.
#[test]
fn reports_of_others() {
    let mut peer = in_state(PeerConfig { hold_time: 0, ..config() }, StateKind::Established);
    let new = peer.new_connection_id();
    feed(&mut peer, at(5), Event::TcpConnectionConfirmed(new));
    feed(&mut peer, at(6), Event::ReadPaused(ConnectionId(77)));
    assert_eq!(pass(&mut peer, at(245)), "check#2", "it is read");
    assert_eq!(feed(&mut peer, at(245), Event::ReadEmpty(ConnectionId(77))), "");
    assert_eq!(feed(&mut peer, at(245), Event::ReadEmpty(new)), "4/0#2 close#2");
    // The same where OPENs agreed on the second one, too.
    let (mut peer, _) = crossed(LOWER);
    let before = peer.second.clone();
    assert!(matches!(before, Second::Agreed(_)), "{before:?}");
    feed(&mut peer, at(1), Event::ReadPaused(ConnectionId(77)));
    assert_eq!(peer.second, before);
    feed(&mut peer, at(1), Event::ReadPaused(THEIRS));
    assert_ne!(peer.second, before, "its own");
}
