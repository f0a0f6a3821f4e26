//! Malformed headers, OPENs, ROUTE-REFRESHes and NOTIFICATIONs against the running program: `bad-messages.tsv` of bgp-core,
//! which its decoders are tested with, at the level of a session.
//!
//! RFC 4271 §6.1, §6.2, §6.4, 5492, 6793, 9072, 9234, 7313. Claim: each gets the NOTIFICATION that the list says, with its data, or
//! the session is established, or stays.

use heddle_interop_tests::wait::{PATIENCE, wait_for};

use crate::peer::{End, RawPeer};
use crate::updates::file;
use crate::wire::{KEEPALIVE, OPEN, USUAL_PREFIX, advertise, hex, message, unhex};
use crate::world::{Kind, World};

const ROWS: &str = include_str!("../../../bgp-core/tests/data/bad-messages.tsv");

/// id, outcome, octets, text.
fn rows(letter: char) -> Vec<(&'static str, &'static str, Vec<u8>, &'static str)> {
    let lines = ROWS.lines().filter(|line| line.starts_with(letter));
    lines
        .map(|line| {
            let fields: Vec<&'static str> = line.split('\t').collect();
            let [id, outcome, octets, text] = fields[..] else { panic!("no row: {line}") };
            (id, outcome, unhex(octets), text)
        })
        .collect()
}

/// `CODE/SUBCODE DATA`, as the list writes it; `*` is the message itself.
fn shown(end: &End, sent: &[u8]) -> String {
    match end {
        End::Closed => "close".to_owned(),
        End::Notification(code, subcode, data) if data.is_empty() => format!("{code}/{subcode}"),
        End::Notification(code, subcode, data) if data == sent => format!("{code}/{subcode} *"),
        End::Notification(code, subcode, data) => format!("{code}/{subcode} {}", hex(data)),
    }
}

/// Headers in Established, and the same as the first octets of a connection.
pub(crate) fn headers() {
    let mut world = World::new("bad_input::headers", "");
    for (id, outcome, octets, text) in rows('H').into_iter().filter(|row| row.0 != "H15") {
        // H05, H06: the length is too much where we did not advertise extended messages (RFC 8654 §4).
        let kind = if matches!(id, "H05" | "H06") { Kind::ShortMessages } else { Kind::External };
        let mut peer = world.session(kind);
        peer.send(&octets);
        assert_eq!(shown(&peer.end(), &octets), outcome, "{id} in Established: {text}");
        world.wait_down(&peer.address);
        let mut peer = RawPeer::connect(&world.address(Kind::ShortMessages));
        peer.send(&octets);
        assert_eq!(shown(&peer.end(), &octets), outcome, "{id} as first message: {text}");
        world.heddle.process().assert_alive();
    }
    half_a_header(&mut world);
}

/// H15, RFC 4271 §8.2.2: the connection ends, nothing is processed, nobody is notified.
fn half_a_header(world: &mut World) {
    let (_, _, octets, _) = rows('H').into_iter().find(|row| row.0 == "H15").expect("H15 is in the list");
    let mut peer = world.session(Kind::External);
    peer.send(&octets);
    peer.finish();
    assert_eq!(peer.end(), End::Closed, "H15");
    world.wait_down(&peer.address);
}

/// What a session makes of an OPEN that decodes: the list says `open`.
fn opened(id: &str) -> &'static str {
    match id {
        // Another AS than the configured one: RFC 4271 §6.2.
        "O04" => "2/2",
        // Role: provider to provider; none although wanted: RFC 9234 §4.2.
        "O34" | "O36" => "2/11",
        _ => "open",
    }
}

/// OPENs.
pub(crate) fn opens() {
    let mut world = World::new("bad_input::opens", "");
    let internal = "ffffffffffffffffffffffffffffffff 0025 01 04 fde8 005a 0a000001 08 0206 010400010001";
    let further = [
        ("O15", "2/3", unhex(internal), "internal peer with our BGP Identifier", Kind::Internal),
        ("O15e", "2/2", unhex(internal), "our AS where an external one is configured", Kind::External),
    ];
    let listed = rows('O').into_iter().filter(|row| row.0 != "O45").map(|(id, outcome, octets, text)| {
        let kind = match id {
            "O34" => Kind::Customer,
            "O36" => Kind::StrictRole,
            _ => Kind::External,
        };
        (id, if outcome.starts_with("open") { opened(id) } else { outcome }, octets, text, kind)
    });
    for (id, outcome, octets, text, kind) in listed.chain(further) {
        let mut peer = RawPeer::connect(&world.address(kind));
        peer.send(&octets);
        if outcome == "open" {
            assert_eq!(peer.expect_message("an OPEN").0, OPEN, "{id}: {text}");
            let (kind, body) = peer.expect_message("a KEEPALIVE");
            assert_eq!(kind, KEEPALIVE, "{id}: {text}: {}", hex(&body));
            peer.send(&message(KEEPALIVE, &[]));
            let state = world.heddle.wait_peer(&peer.address);
            if id == "O13" {
                assert_eq!(state["timers"]["hold_time_seconds"], 0, "{id}: {state}");
            }
        } else {
            assert_eq!(shown(&peer.end(), &octets), outcome, "{id}: {text}");
        }
        world.heddle.process().assert_alive();
    }
}

/// Messages that are sound, in a state that they are not for. RFC 6608 §3: the data is the type of the message.
pub(crate) fn states() {
    let mut world = World::new("bad_input::states", "");
    let file = file();
    let (open, update) = (&file["O45"], &file["O44"]);
    let refresh = message(5, &unhex("00010001"));
    // O44, R06: in OpenSent.
    for (id, octets) in [("O44", update.as_slice()), ("R06", &refresh), ("KEEPALIVE", &message(KEEPALIVE, &[]))] {
        let mut peer = RawPeer::connect(&world.address(Kind::External));
        peer.send(octets);
        assert_eq!(shown(&peer.end(), &[]), format!("5/1 {:02x}", octets[18]), "{id} in OpenSent");
    }
    // O45 and others: in OpenConfirm.
    for (id, octets) in [("O45", open.as_slice()), ("O44", update), ("R06", &refresh)] {
        let capabilities = Kind::External.capabilities();
        let with = crate::wire::OpenWith { asn: 65001, hold_time: 90, capabilities: &capabilities };
        let mut peer = RawPeer::open(&world.address(Kind::External), with);
        peer.send(octets);
        assert_eq!(shown(&peer.end(), &[]), format!("5/2 {:02x}", octets[18]), "{id} in OpenConfirm");
    }
    // O43: in Established.
    let mut peer = world.session(Kind::External);
    peer.send(open);
    assert_eq!(shown(&peer.end(), &[]), "5/3 01", "O43: OPEN in Established");
    world.heddle.process().assert_alive();
}

/// ROUTE-REFRESH. R01 depends on what was negotiated; the others are ignored.
pub(crate) fn refreshes() {
    let mut world = World::new("bad_input::refreshes", "");
    for (id, outcome, octets, text) in rows('R') {
        // Capability 70, enhanced route refresh.
        let mut peer = world.session_with(Kind::External, "4600");
        peer.send(&octets);
        if id == "R01" {
            assert_eq!(shown(&peer.end(), &octets), outcome, "{id} with enhanced refresh: {text}");
            let mut peer = world.session(Kind::External);
            peer.send(&octets);
            assert_eq!(shown(&peer.end(), &octets), "1/2 0016", "{id} without: {text}");
            continue;
        }
        peer.drain();
        peer.send(&advertise(&[USUAL_PREFIX], &Kind::External.base().concat()));
        wait_for(&format!("the prefix after {id}"), PATIENCE, || {
            world.path(&peer.address, USUAL_PREFIX)?.ok_or_else(|| "no path".to_owned())
        });
        world.assert_established(&peer.address.clone(), id);
    }
}

/// NOTIFICATIONs: the session is closed without an answer, and what they say is escaped where it is shown.
pub(crate) fn notifications() {
    let mut world = World::new("bad_input::notifications", "");
    for (id, _, octets, text) in rows('N') {
        let mut peer = world.session(Kind::External);
        peer.send(&octets);
        assert_eq!(peer.end(), End::Closed, "{id}: {text}");
        world.wait_down(&peer.address);
        world.heddle.process().assert_alive();
    }
    let log = world.heddle.log();
    assert!(
        log.contains("Cease/Administrative Shutdown") && log.contains("\\u{1b}[2J\\n"),
        "the log does not tell of them:\n{log}"
    );
    let control = |c: char| c.is_control() && c != '\n';
    assert!(!log.contains(control), "control characters of a peer are in the log:\n{log:?}");
}
