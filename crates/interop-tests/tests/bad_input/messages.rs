//! Malformed headers, OPENs, ROUTE-REFRESHes and NOTIFICATIONs against the running program, from an external and an internal peer.
//!
//! RFC 4271 §6.1, §6.2, §6.4, 5492, 6793, 9072, 9234, 7313. Claims: 1. each gets the NOTIFICATION that its row says, with its data, or
//! the session is established, or stays. 2. Where a session ends, its routes are gone. 3. Others are not concerned: after each message the
//! next route of another peer is taken.

use heddle_interop_tests::wait::{PATIENCE, wait_for};

use crate::peer::{End, RawPeer};
use crate::rows::{Message, messages};
use crate::wire::{KEEPALIVE, OPEN, OpenWith, USUAL_PREFIX, advertise, hex, message};
use crate::world::{Kind, Witness, World};

/// The rows of a group, each with an external and with an internal peer.
fn rows(letter: char) -> impl Iterator<Item = (Message, Kind, &'static str)> {
    let rows = messages().into_iter().filter(move |row| row.id.starts_with(letter));
    rows.flat_map(|row| {
        let sessions = row.sessions;
        Kind::BOTH.into_iter().zip(sessions).map(move |(kind, outcome)| (row.clone(), kind, outcome))
    })
}

/// What fails in the words of the row.
fn name(row: &Message, kind: Kind) -> String {
    format!("{} from {kind:?} ({})", row.id, row.text)
}

/// `CODE/SUBCODE DATA`, as the rows write it; `*` is the message itself.
fn shown(end: &End, sent: &[u8]) -> String {
    match end {
        End::Closed => "close".to_owned(),
        End::Notification(code, subcode, data) if data.is_empty() => format!("{code}/{subcode}"),
        End::Notification(code, subcode, data) if data == sent => format!("{code}/{subcode} *"),
        End::Notification(code, subcode, data) => format!("{code}/{subcode} {}", hex(data)),
    }
}

/// A session with a route, for what will end it.
fn with_a_route(world: &World, kind: Kind, more: &str, before: &str) -> RawPeer {
    let mut peer = world.session_with(kind, more);
    world.advertised(&mut peer, &kind.base().concat(), before);
    peer
}

/// Headers in Established, and the same as the first octets of a connection.
pub(crate) fn headers() {
    let mut world = World::new("bad_input::headers", "");
    let mut witness = Witness::new(&world);
    for (row, kind, outcome) in rows('H') {
        let name = name(&row, kind);
        // H05, H06: the length is too much where we did not advertise extended messages (RFC 8654 §4).
        let kind = if matches!(row.id, "H05" | "H06") { kind.short() } else { kind };
        // H15, RFC 4271 §8.2.2: the connection ends in the middle; nothing is processed, nobody is notified.
        let half = row.decoder == "more";
        let mut peer = with_a_route(&world, kind, "", &name);
        peer.send(&row.octets);
        if half {
            peer.finish();
        }
        assert_eq!(shown(&peer.end(), &row.octets), outcome, "{name}, in Established");
        world.is_over(&peer, &name);
        let mut peer = RawPeer::connect(&world.address(kind.short()));
        peer.send(&row.octets);
        if half {
            peer.finish();
        }
        assert_eq!(shown(&peer.end(), &row.octets), outcome, "{name}, as first message");
        world.heddle.process().assert_alive();
        witness.is_heard(&mut world, &name);
    }
}

/// OPENs.
pub(crate) fn opens() {
    let mut world = World::new("bad_input::opens", "");
    let mut witness = Witness::new(&world);
    let first = |(row, _, _): &(Message, Kind, &str)| row.state == "opensent" && row.octets.get(18) == Some(&OPEN);
    let listed = rows('O').filter(first).map(|(row, kind, outcome)| {
        let kind = match (row.id, kind.internal()) {
            ("O34", false) => Kind::Of(crate::rows::Session::Customer),
            ("O36", false) => Kind::StrictRole,
            _ => kind,
        };
        let octets = row.octets_of(kind.asn());
        (name(&row, kind), row.id, kind, outcome, octets)
    });
    // Our own AS where an external peer is configured.
    let ours = messages().into_iter().find(|row| row.id == "O15").expect("a row").octets_of(65000);
    let ours = ("our AS from an external peer".to_owned(), "", Kind::EXTERNAL, "2/2", ours);
    for (name, id, kind, outcome, octets) in listed.chain([ours]) {
        let mut peer = RawPeer::connect(&world.address(kind));
        peer.send(&octets);
        if outcome.starts_with("open") {
            assert_eq!(peer.expect_message("an OPEN").0, OPEN, "{name}");
            let (kind, body) = peer.expect_message("a KEEPALIVE");
            assert_eq!(kind, KEEPALIVE, "{name}: {}", hex(&body));
            peer.send(&message(KEEPALIVE, &[]));
            let state = world.heddle.wait_peer(&peer.address);
            if id == "O13" {
                assert_eq!(state["timers"]["hold_time_seconds"], 0, "{name}: {state}");
            }
        } else {
            assert_eq!(shown(&peer.end(), &octets), outcome, "{name}");
            assert_ne!(world.state(&peer.address).as_deref(), Some("established"), "{name}");
        }
        world.heddle.process().assert_alive();
        witness.is_heard(&mut world, &name);
    }
}

/// A connection in OpenConfirm.
fn open_confirm(world: &World, kind: Kind) -> RawPeer {
    let capabilities = kind.capabilities();
    let with = OpenWith { asn: kind.asn(), hold_time: 90, capabilities: &capabilities };
    RawPeer::open(&world.address(kind), with)
}

/// Messages that are sound, in a state that they are not for. RFC 6608 §3: the data is the type of the message.
pub(crate) fn states() {
    let mut world = World::new("bad_input::states", "");
    let mut witness = Witness::new(&world);
    let ids = ["O43", "O44", "O45", "R06"];
    for (row, kind, outcome) in rows('O').chain(rows('R')).filter(|(row, ..)| ids.contains(&row.id)) {
        let name = name(&row, kind);
        let octets = row.octets_of(kind.asn());
        match row.state {
            "opensent" => {
                let mut peer = RawPeer::connect(&world.address(kind));
                peer.send(&octets);
                assert_eq!(shown(&peer.end(), &[]), outcome, "{name}");
                // The same a state later: RFC 6608 §4, subcode 2.
                let mut peer = open_confirm(&world, kind);
                peer.send(&octets);
                assert_eq!(shown(&peer.end(), &[]), format!("5/2 {:02x}", octets[18]), "{name}, in OpenConfirm");
            }
            "openconfirm" => {
                let mut peer = open_confirm(&world, kind);
                peer.send(&octets);
                assert_eq!(shown(&peer.end(), &[]), outcome, "{name}");
            }
            "established" => {
                let mut peer = with_a_route(&world, kind, "", &name);
                peer.send(&octets);
                assert_eq!(shown(&peer.end(), &[]), outcome, "{name}");
                world.is_over(&peer, &name);
            }
            other => panic!("{other} is no state"),
        }
        witness.is_heard(&mut world, &name);
    }
    for kind in Kind::BOTH {
        let mut peer = RawPeer::connect(&world.address(kind));
        peer.send(&message(KEEPALIVE, &[]));
        assert_eq!(shown(&peer.end(), &[]), "5/1 04", "KEEPALIVE from {kind:?} in OpenSent");
    }
}

/// ROUTE-REFRESH. R01 depends on what was negotiated; the others are ignored.
pub(crate) fn refreshes() {
    let mut world = World::new("bad_input::refreshes", "");
    let mut witness = Witness::new(&world);
    for (row, kind, outcome) in rows('R').filter(|(row, ..)| row.state == "established") {
        let name = name(&row, kind);
        // Capability 70, enhanced route refresh.
        if row.id == "R01" {
            for (more, outcome) in [("4600", outcome), ("", "1/2 0016")] {
                let mut peer = with_a_route(&world, kind, more, &name);
                peer.send(&row.octets);
                assert_eq!(shown(&peer.end(), &row.octets), outcome, "{name}, with capabilities {more}");
                world.is_over(&peer, &name);
            }
        } else {
            let mut peer = world.session_with(kind, "4600");
            peer.drain();
            peer.send(&row.octets);
            peer.send(&advertise(&[USUAL_PREFIX], &kind.base().concat()));
            wait_for(&format!("the prefix after {name}"), PATIENCE, || {
                world.path(&peer.address, USUAL_PREFIX)?.ok_or_else(|| "no path".to_owned())
            });
            world.assert_established(&peer.address.clone(), &name);
            peer.finish();
            wait_for(&format!("no routes after {name}"), PATIENCE, || world.no_routes(USUAL_PREFIX));
        }
        witness.is_heard(&mut world, &name);
    }
}

/// NOTIFICATIONs: the session is closed without an answer, and what they say is escaped where it is shown.
pub(crate) fn notifications() {
    let mut world = World::new("bad_input::notifications", "");
    let mut witness = Witness::new(&world);
    for (row, kind, _) in rows('N') {
        let name = name(&row, kind);
        let mut peer = with_a_route(&world, kind, "", &name);
        peer.send(&row.octets);
        assert_eq!(peer.end(), End::Closed, "{name}");
        world.is_over(&peer, &name);
        witness.is_heard(&mut world, &name);
    }
    let log = world.heddle.log();
    assert!(
        log.contains("Cease/Administrative Shutdown") && log.contains("\\u{1b}[2J\\n"),
        "the log does not tell of them:\n{log}"
    );
    let control = |c: char| c.is_control() && c != '\n';
    assert!(!log.contains(control), "control characters of a peer are in the log:\n{log:?}");
}
