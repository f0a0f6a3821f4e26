//! How sessions end: what is sent, and whether routes stay (RFC 4486, 4724 §4.2, 6608, 8538, 9003).

use heddle_bgp_core::capability::Capability;
use heddle_bgp_core::{MessageType, Notification};

use super::*;
use crate::TcpFailure;
use crate::down::{DownReason, Initiator, NotificationWay};
use crate::event::{AutomaticStop, AutomaticStopCause, Restart, Stop};

const MAIN: ConnectionId = ConnectionId(1);

/// Which graceful restart is negotiated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gr {
    Off,
    /// Without N.
    Plain,
    /// With N on both sides.
    WithN,
    /// With N, where the peer only helps: it has no routes that we would keep.
    HelperPeer,
}

fn with_n(mut config: PeerConfig, notification: bool) -> PeerConfig {
    if let Some(gr) = &mut config.graceful_restart {
        gr.notification = notification;
    }
    config
}

fn established(gr: Gr) -> Peer {
    let (us, them) = match gr {
        Gr::Off => (PeerConfig { graceful_restart: None, ..config() }, peer_config()),
        Gr::Plain => (restarting(config()), with_n(restarting(peer_config()), false)),
        Gr::WithN => (restarting(config()), restarting(peer_config())),
        Gr::HelperPeer => (restarting(config()), peer_config()),
    };
    let mut peer = in_state(us, StateKind::OpenSent);
    feed(&mut peer, at(0), Event::BgpOpen(MAIN, open::build(&them)));
    feed(&mut peer, at(0), Event::KeepAliveMsg(MAIN));
    assert_eq!(peer.state(), StateKind::Established);
    peer
}

fn down(peer: &mut Peer, event: Event) -> DownReason {
    peer.handle(at(10), event);
    let actions = drain(peer);
    let reason = actions.iter().find_map(|a| if let Action::Down(MAIN, r) = a { Some(r.clone()) } else { None });
    *reason.expect("the session ends")
}

/// What is sent, as "code/subcode", with what a Hard Reset encapsulates in brackets.
fn said(reason: &DownReason) -> String {
    match &reason.notification {
        None => "nothing".into(),
        Some((way, n)) => {
            let inner = n.encapsulated().map(|i| format!("({}/{})", i.code, i.subcode)).unwrap_or_default();
            let way = if *way == NotificationWay::Sent { "sent" } else { "got" };
            format!("{way} {}/{}{inner}", n.code, n.subcode)
        }
    }
}

/// What goes over the wire and whether routes stay, for each kind of graceful restart.
type Expected = [(&'static str, bool); 4];

/// Event; for each kind of graceful restart: what goes over the wire, and whether routes stay.
#[test]
fn what_ends_a_session_and_what_stays() {
    use Gr::{HelperPeer, Off, Plain, WithN};
    let n = |code, subcode| Notification::new(code, subcode, &[]);
    let text = String::new;
    let auto = |cause| Event::AutomaticStop(AutomaticStop { cause, restart: Restart::Manual });
    let rows: Vec<(&str, Event, Expected)> = vec![
        // RFC 4724 §4.2.
        (
            "TCP",
            Event::TcpConnectionFails(MAIN, TcpFailure::Reset),
            [("nothing", false), ("nothing", true), ("nothing", true), ("nothing", false)],
        ),
        // RFC 8538 §4: N06; N05 below.
        (
            "got 6/4",
            Event::NotifMsg(MAIN, n(6, 4)),
            [("got 6/4", false), ("got 6/4", false), ("got 6/4", true), ("got 6/4", false)],
        ),
        (
            "got 3/1",
            Event::NotifMsg(MAIN, n(3, 1)),
            [("got 3/1", false), ("got 3/1", false), ("got 3/1", true), ("got 3/1", false)],
        ),
        (
            "got hard reset",
            Event::NotifMsg(MAIN, n(6, 4).into_hard_reset()),
            [("got 6/9(6/4)", false), ("got 6/9(6/4)", false), ("got 6/9(6/4)", false), ("got 6/9(6/4)", false)],
        ),
        (
            "hold timer",
            Event::HoldTimerExpires(MAIN),
            [("sent 4/0", false), ("sent 4/0", false), ("sent 4/0", true), ("sent 4/0", false)],
        ),
        (
            "send hold timer",
            Event::SendHoldTimerExpires,
            [("sent 8/0", false), ("sent 8/0", false), ("sent 8/0", true), ("sent 8/0", false)],
        ),
        (
            "bad UPDATE",
            Event::UpdateMsgErr(MAIN, n(3, 10)),
            [("sent 3/10", false), ("sent 3/10", false), ("sent 3/10", true), ("sent 3/10", false)],
        ),
        (
            "shutdown",
            Event::ManualStop(Stop::AdministrativeShutdown(text())),
            [("sent 6/2", false), ("sent 6/2", false), ("sent 6/9(6/2)", false), ("sent 6/9(6/2)", false)],
        ),
        (
            "clear",
            Event::ManualStop(Stop::AdministrativeReset(text())),
            [("sent 6/4", false), ("sent 6/4", false), ("sent 6/4", true), ("sent 6/4", false)],
        ),
        (
            "removal",
            Event::ManualStop(Stop::PeerDeconfigured),
            [("sent 6/3", false), ("sent 6/3", false), ("sent 6/9(6/3)", false), ("sent 6/9(6/3)", false)],
        ),
        (
            "change",
            Event::ManualStop(Stop::ConfigurationChange),
            [("sent 6/6", false), ("sent 6/6", false), ("sent 6/6", true), ("sent 6/6", false)],
        ),
        // RFC 4724 §4.2, RFC 8538 §4: the peer is to keep our routes while we are away.
        (
            "exit",
            Event::ManualStop(Stop::ProcessExit(text())),
            [("sent 6/2", false), ("nothing", false), ("sent 6/2", true), ("sent 6/2", false)],
        ),
        (
            "prefix limit",
            auto(AutomaticStopCause::PrefixLimit(Family::IPV6_UNICAST, 1000)),
            [("sent 6/1", false), ("sent 6/1", false), ("sent 6/9(6/1)", false), ("sent 6/9(6/1)", false)],
        ),
        (
            "resources",
            auto(AutomaticStopCause::OutOfResources),
            [("sent 6/8", false), ("sent 6/8", false), ("sent 6/9(6/8)", false), ("sent 6/9(6/8)", false)],
        ),
    ];
    for (name, event, expected) in rows {
        for (gr, (wire, stays)) in [Off, Plain, WithN, HelperPeer].into_iter().zip(expected) {
            let reason = down(&mut established(gr), event.clone());
            assert_eq!((said(&reason).as_str(), reason.retains_routes()), (wire, stays), "{name}, {gr:?}");
        }
    }
}

/// One that only helps others has no routes kept by the peer: it says goodbye.
#[test]
fn a_helper_says_goodbye() {
    let mut peer = in_state(with_n(config(), false), StateKind::Established);
    assert_eq!(said(&down(&mut peer, Event::ManualStop(Stop::ProcessExit(String::new())))), "sent 6/2");
}

/// RFC 9003 §2: the operator's text; also inside a Hard Reset.
#[test]
fn shutdown_communication() {
    let stop = Event::ManualStop(Stop::AdministrativeShutdown("maintenance, back at 4".into()));
    let reason = down(&mut established(Gr::Off), stop.clone());
    let text = |n: &Notification| n.shutdown_text().unwrap();
    assert_eq!(text(&reason.notification.unwrap().1), "maintenance, back at 4");
    let reason = down(&mut established(Gr::WithN), stop);
    assert_eq!(text(&reason.notification.unwrap().1.encapsulated().unwrap()), "maintenance, back at 4");
    assert_eq!(reason.by, Initiator::Operator);
    // Longer than 255 octets: cut between characters.
    let long = "ü".repeat(200);
    let reason = down(&mut established(Gr::Off), Event::ManualStop(Stop::AdministrativeReset(long)));
    assert_eq!(text(&reason.notification.unwrap().1), "ü".repeat(127));
}

/// RFC 4486 §4: family and limit.
#[test]
fn prefix_limit_has_family_and_limit() {
    let stop = |restart| {
        let cause = AutomaticStopCause::PrefixLimit(Family::IPV6_UNICAST, 1000);
        Event::AutomaticStop(AutomaticStop { cause, restart })
    };
    let mut peer = established(Gr::Off);
    let reason = down(&mut peer, stop(Restart::After(secs(60))));
    assert_eq!(reason.notification.unwrap().1.data[..], [0, 2, 1, 0, 0, 3, 232]);
    assert_eq!(peer.idle_until(), Some(at(70)));
    assert_eq!(run_until(&mut peer, at(70)), "connect#2 >Connect");
    let mut peer = established(Gr::Off);
    down(&mut peer, stop(Restart::Manual));
    assert_eq!((peer.idle_why(), peer.poll_timeout()), (Some(IdleWhy::Stopped), None));
    let mut peer = established(Gr::Off);
    down(&mut peer, stop(Restart::Backoff));
    assert_eq!(peer.idle_until(), Some(at(11)));
}

/// RFC 6608 §3: state and message; O43, O44, O45, R06 of the list of bad input.
#[test]
fn messages_out_of_place() {
    use StateKind::{Established, OpenConfirm, OpenSent};
    let rows = [
        (OpenSent, Event::UpdateMsg(MAIN, 1), 1, MessageType::Update),
        (OpenSent, Event::KeepAliveMsg(MAIN), 1, MessageType::Keepalive),
        (OpenSent, Event::RouteRefreshMsg(MAIN), 1, MessageType::RouteRefresh),
        (OpenSent, Event::RouteRefreshMsgErr(MAIN, Notification::new(7, 1, &[])), 1, MessageType::RouteRefresh),
        (OpenConfirm, Event::UpdateMsg(MAIN, 1), 2, MessageType::Update),
        (OpenConfirm, Event::BgpOpen(MAIN, peer_open()), 2, MessageType::Open),
        (OpenConfirm, Event::RouteRefreshMsg(MAIN), 2, MessageType::RouteRefresh),
        (Established, Event::BgpOpen(MAIN, peer_open()), 3, MessageType::Open),
    ];
    for (state, event, subcode, message) in rows {
        let mut peer = in_state(config(), state);
        peer.handle(at(1), event.clone());
        let expected = Notification::new(5, subcode, &[message as u8]);
        let sent = Action::Send(MAIN, Message::Notification(expected));
        assert_eq!(drain(&mut peer).first(), Some(&sent), "{state} {event:?}");
    }
}

/// There is no other door into the RIB than an established session.
#[test]
fn the_door() {
    for kind in StateKind::ALL {
        let mut peer = in_state(config(), kind);
        let expected = if kind == StateKind::Established { Door::Open } else { Door::Shut };
        assert_eq!(peer.updates_received(at(1), MAIN, 2), expected, "{kind}");
    }
    let mut peer = in_state(config(), StateKind::Established);
    assert_eq!(peer.updates_received(at(1), ConnectionId(5), 1), Door::Shut);
    assert_eq!(peer.established().unwrap().1.peer_asn, Asn(REMOTE));
}

/// RFC 7313 §5.
#[test]
fn malformed_route_refresh() {
    let reason = down(&mut established(Gr::Off), Event::RouteRefreshMsgErr(MAIN, Notification::new(7, 1, &[])));
    assert_eq!(said(&reason), "sent 7/1");
}

/// N04: a code that nobody knows ends the session like any other, and counts.
#[test]
fn an_unknown_notification() {
    let mut peer = established(Gr::Off);
    let reason = down(&mut peer, Event::NotifMsg(MAIN, Notification::new(99, 99, &[])));
    assert_eq!((said(&reason).as_str(), reason.by), ("got 99/99", Initiator::Remote));
    assert_eq!(peer.counters().messages_in.notification, 1);
    assert_eq!(peer.counters().last_reset.as_ref().unwrap().reason, reason);
    assert_eq!(reason.to_string(), "the peer sent a NOTIFICATION (received NOTIFICATION 99/99)");
}

/// O34 to O36 through the machine: 2/11 goes out, and the session waits.
#[test]
fn role_mismatch() {
    use heddle_bgp_core::Role;
    let strict = crate::config::RoleConfig { role: Role::Provider, strict: true };
    for theirs in [None, Some(Role::Provider)] {
        let mut peer = in_state(PeerConfig { role: Some(strict), ..config() }, StateKind::OpenSent);
        let mut open = peer_open();
        open.capabilities.extend(theirs.map(Capability::Role));
        assert_eq!(feed(&mut peer, at(1), Event::BgpOpen(MAIN, open)), "2/11#1 close#1 >Idle");
    }
}

#[test]
fn counters() {
    let mut peer = in_state(config(), StateKind::Established);
    peer.handle(at(1), Event::UpdateMsg(MAIN, 7));
    peer.handle(at(1), Event::RouteRefreshMsg(MAIN));
    peer.handle(at(1), Event::TcpConnectionFails(MAIN, TcpFailure::Closed));
    let c = peer.counters();
    assert_eq!((c.established, c.flaps), (1, 1));
    assert_eq!((c.messages_in.open, c.messages_in.keepalive, c.messages_in.update), (1, 1, 7));
    assert_eq!((c.messages_out.open, c.messages_out.keepalive), (1, 1));
    assert_eq!((c.messages_in.total(), c.messages_out.total()), (10, 2));
}

/// What came malformed was a message, too; and each NOTIFICATION of ours is counted.
#[test]
fn malformed_messages_and_farewells_count() {
    let n = |code, subcode| Notification::new(code, subcode, &[]);
    let mut peer = in_state(config(), StateKind::Established);
    peer.handle(at(1), Event::UpdateMsg(MAIN, 7));
    peer.handle(at(1), Event::UpdateMsgErr(MAIN, n(3, 1)));
    assert_eq!((peer.counters().messages_in.update, peer.counters().messages_out.notification), (8, 1));
    let mut peer = in_state(config(), StateKind::Established);
    peer.handle(at(1), Event::RouteRefreshMsg(MAIN));
    peer.handle(at(1), Event::RouteRefreshMsgErr(MAIN, n(7, 1)));
    assert_eq!((peer.counters().messages_in.route_refresh, peer.counters().messages_out.notification), (2, 1));
    let mut peer = in_state(config(), StateKind::OpenSent);
    peer.handle(at(1), Event::BgpOpenMsgErr(MAIN, n(2, 1)));
    assert_eq!((peer.counters().messages_in.open, peer.counters().messages_out.notification), (1, 1));
}

/// ConnectRetryCounter (RFC 4271 §8): each end counts once, in whatever state it was.
#[test]
fn each_lost_connection_counts_once() {
    for kind in [StateKind::Connect, StateKind::OpenSent, StateKind::OpenConfirm, StateKind::Established] {
        let mut peer = in_state(config(), kind);
        feed(&mut peer, at(1), Event::TcpConnectionFails(MAIN, TcpFailure::Reset));
        assert_eq!(peer.counters().connect_retries, 1, "{kind}");
    }
}

/// What `show peers` tells of a peer in each state.
#[test]
fn what_is_told_of_a_peer() {
    for kind in StateKind::ALL {
        let peer = in_state(config(), kind);
        let connected = matches!(kind, StateKind::OpenSent | StateKind::OpenConfirm | StateKind::Established);
        assert_eq!(peer.direction(), connected.then_some(Direction::Outgoing), "{kind}");
        assert_eq!(peer.connect_retry_at().is_some(), matches!(kind, StateKind::Connect | StateKind::Active), "{kind}");
        let hold = match kind {
            StateKind::OpenSent => Some(at(240)),
            StateKind::OpenConfirm | StateKind::Established => Some(at(90)),
            StateKind::Idle | StateKind::Connect | StateKind::Active => None,
        };
        assert_eq!(peer.hold_until(), hold, "{kind}");
        let established = kind == StateKind::Established;
        assert_eq!(peer.established_since(), established.then_some(at(0)), "{kind}");
        assert_eq!(peer.idle_why(), (kind == StateKind::Idle).then_some(IdleWhy::Stopped), "{kind}");
        assert_eq!(peer.failed_attempts(), u32::from(kind == StateKind::Active), "{kind}");
    }
    let mut peer = in_state(config(), StateKind::Connect);
    let next = peer.connect_retry_at().unwrap();
    assert!((Duration::from_millis(3750)..=secs(5)).contains(&next.since(at(0))), "{next:?}");
    for n in 1..4 {
        peer.handle_timeout(peer.connect_retry_at().unwrap());
        assert_eq!(peer.failed_attempts(), n);
    }
}
