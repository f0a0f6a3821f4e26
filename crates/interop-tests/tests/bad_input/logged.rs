//! Texts of a peer in the log.

use heddle_interop_tests::log_lines::foreign_lines;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};

use crate::peer::{End, RawPeer};
use crate::wire::{KEEPALIVE, NOTIFICATION, OpenWith, advertise, hex, message, unhex};
use crate::world::{Kind, World};

/// A line that looks like ours, a cleared screen, text that runs backwards, and a line separator.
const TEXT: &str = "loom\n2026-01-01T00:00:00.000000Z ERROR forged\r\u{1b}[2J\u{202e}\u{2028}\u{9b}0m";

/// O37, N07 and others; RFC 9003 §2: what a peer says in a host name, a software version, a shutdown communication, the data
/// of other NOTIFICATIONs and in malformed attributes makes no line of its own, and moves no cursor.
pub(crate) fn logged() {
    let mut world = World::new("bad_input::logged", "[log]\nlevel = \"debug\"\n");
    let mut said = 0;
    let text = hex(TEXT.as_bytes());
    let len = TEXT.len();
    for kind in Kind::BOTH {
        // FQDN (73): host, no domain; software version (75); a code that nobody has.
        let capabilities = format!(
            "{} 49{:02x}{len:02x}{text}00 4b{:02x}{len:02x}{text} fd{len:02x}{text}",
            kind.capabilities(),
            len + 2,
            len + 1,
        );
        let communication = format!("0602{len:02x}{text}");
        let raw = format!("0304{text}");
        for notification in [communication.as_str(), &raw] {
            let mut peer = RawPeer::establish(
                &world.address(kind),
                OpenWith { asn: kind.asn(), hold_time: 90, capabilities: &capabilities },
            );
            world.heddle.wait_peer(&peer.address);
            // An unknown attribute of a well-known kind is told with its octets.
            let malformed = format!("{} 50fe{len:04x}{text}", kind.base().concat());
            peer.send(&advertise(&["198.51.100.0/24"], &malformed));
            peer.send(&message(KEEPALIVE, &[]));
            peer.send(&message(NOTIFICATION, &unhex(notification)));
            assert_eq!(peer.end(), End::Closed);
            world.wait_down(&peer.address);
            said += 1;
        }
    }
    let log = wait_for("the ends of all sessions are logged", PATIENCE, || {
        let log = world.heddle.log();
        let ends = log.lines().filter(|line| line.contains("session ended")).count();
        ensure(ends >= said, || format!("{ends} of {said}\n{log}"))?;
        Ok(log)
    });
    assert!(log.matches("forged").count() >= said / 2, "the shutdown communications are told:\n{log}");
    let foreign = foreign_lines(&log);
    assert!(foreign.is_empty(), "{foreign:#?}");
    // The reflector's own answers show it as well: a terminal is safe from it there, too.
    let shown = world.heddle.expect("show peers");
    assert!(!shown.contains(['\u{1b}', '\u{202e}', '\r']), "{shown:?}");
    world.heddle.process().assert_alive();
}
