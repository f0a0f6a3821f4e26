//! Headers, OPENs, ROUTE-REFRESHes and NOTIFICATIONs, in one piece and octet by octet.

use crate::rows::{Message, Session, messages};
use crate::stand::{End, Kind, Stand};
use crate::wire::{KEEPALIVE, USUAL_PREFIX, advertise, hex, message};

/// `CODE/SUBCODE DATA`, as the rows write it; `*` is the message itself.
fn shown(end: Option<&End>, sent: &[u8]) -> String {
    match end {
        None => "nothing".to_owned(),
        Some(End::Closed) => "close".to_owned(),
        Some(End::Notification(n)) if n.data.is_empty() => format!("{}/{}", n.code, n.subcode),
        Some(End::Notification(n)) if n.data == sent => format!("{}/{} *", n.code, n.subcode),
        Some(End::Notification(n)) => format!("{}/{} {}", n.code, n.subcode, hex(&n.data)),
    }
}

/// The kind of peer that a row is for.
fn kind_of(row: &Message, kind: Kind) -> Kind {
    match (row.id, kind) {
        ("H05" | "H06", Kind::Of(sort)) => Kind::Short(sort),
        ("O34", Kind::Of(Session::External)) => Kind::Of(Session::Customer),
        ("O36", Kind::Of(Session::External)) => Kind::StrictRole,
        _ => kind,
    }
}

/// Says a row in a state; what is checked after it is done by the caller.
fn said(stand: &mut Stand, row: &Message, kind: Kind, state: &str, more: &str, piece: usize) -> usize {
    let octets = row.octets_of(kind.asn());
    let at = match state {
        "opensent" => stand.connect(kind),
        "openconfirm" => stand.open(kind, more),
        "established" => {
            let at = stand.establish(kind, more);
            stand.say(at, &advertise(&[USUAL_PREFIX], &kind.base()));
            assert!(stand.usable(at, USUAL_PREFIX).is_some(), "{}: the route before", row.id);
            at
        }
        other => panic!("{other} is no state"),
    };
    stand.say_in_pieces(at, &octets, piece.min(octets.len()));
    if row.decoder == "more" {
        stand.finish(at);
    }
    at
}

/// What the row says has become of it.
fn check(stand: &mut Stand, row: &Message, kind: Kind, state: &str, at: usize, outcome: &str) {
    let name = format!("{} from {kind:?} in {state} ({})", row.id, row.text);
    let octets = row.octets_of(kind.asn());
    match outcome.split(' ').next().unwrap_or_default() {
        "open" => {
            assert_eq!((stand.control(at), stand.end(at)), ((1, 1), None), "{name}");
            stand.say(at, &message(KEEPALIVE, &[]));
            assert!(stand.is_established(at), "{name}");
        }
        "refresh" => {
            stand.say(at, &advertise(&["10.98.0.0/24"], &kind.base()));
            assert!(stand.is_established(at) && stand.usable(at, "10.98.0.0/24").is_some(), "{name}");
            stand.finish(at);
        }
        "text" => assert_eq!(shown(stand.end(at), &octets), "close", "{name}"),
        _ => assert_eq!(shown(stand.end(at), &octets), outcome, "{name}"),
    }
    if outcome.split(' ').next() != Some("open") {
        assert!(!stand.is_established(at) && stand.path(at, USUAL_PREFIX).is_none(), "{name}: it is over");
    }
}

#[test]
fn every_row() {
    let mut stand = Stand::new();
    let witness = stand.establish(Kind::Of(Session::Internal), "");
    for row in messages() {
        for (kind, outcome) in Kind::BOTH.into_iter().zip(row.sessions) {
            let kind = kind_of(&row, kind);
            let states: &[&str] =
                if row.state == "any" { &["opensent", "openconfirm", "established"] } else { &[row.state] };
            for state in states {
                for piece in [usize::MAX, 1] {
                    // Capability 70, enhanced route refresh.
                    let at =
                        said(&mut stand, &row, kind, state, if row.id.starts_with('R') { "4600" } else { "" }, piece);
                    check(&mut stand, &row, kind, state, at, outcome);
                }
            }
            // RFC 7313 §5: 7/1 is for those who negotiated it.
            if row.id == "R01" {
                let at = said(&mut stand, &row, kind, row.state, "", 7);
                check(&mut stand, &row, kind, row.state, at, "1/2 0016");
            }
            stand.say(witness, &advertise(&["10.97.0.0/24"], &Kind::Of(Session::Internal).base()));
            assert!(stand.usable(witness, "10.97.0.0/24").is_some(), "{}: another peer's route", row.id);
        }
    }
}
