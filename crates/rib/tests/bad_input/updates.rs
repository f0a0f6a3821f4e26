//! Malformed UPDATEs: the routes afterwards, what other peers are sent, and the next prefix.

use std::collections::BTreeMap;

use heddle_bgp_core::attr::{BlockView, Community};
use heddle_rib::query::RouteInfo;

use crate::rows::{Outcome, Session, Update, hex, updates};
use crate::stand::{End, Kind, Stand};
use crate::wire::{UPDATE, USUAL_PREFIX, advertise, message, withdraw};

/// A community that the sound routes before each row have: 65001:77.
pub(crate) const MARK: &str = "c00804fde9004d";

pub(crate) fn marked(path: &RouteInfo) -> bool {
    BlockView(&path.block).communities().any(|one| one == Community(0xfde9_004d))
}

/// The peers that are sent what the others say.
pub(crate) struct Observers {
    pub(crate) internal: usize,
    pub(crate) external: usize,
}

impl Observers {
    pub(crate) fn new(stand: &mut Stand) -> Self {
        // Extended messages (RFC 8654): LOCAL_PREF makes the longest rows longer than 4096 octets.
        let internal = stand.establish(Kind::Of(Session::Internal), "0600");
        Self { internal, external: stand.establish(Kind::Other, "") }
    }

    pub(crate) fn assert_sound(&self, stand: &Stand) {
        for at in [self.internal, self.external] {
            assert!(stand.received(at).updates > 100, "an observer was sent {} UPDATEs", stand.received(at).updates);
            assert!(stand.received(at).wrong.is_empty(), "malformed: {:?}", stand.received(at).wrong);
        }
    }
}

#[test]
fn every_row_in_one_piece() {
    survived(usize::MAX);
    resets(usize::MAX);
}

/// RFC 4271 §4.1: TCP has no messages.
#[test]
fn every_row_octet_by_octet() {
    survived(1);
    resets(1);
}

/// The rows after which the session goes on, many on one session.
fn survived(piece: usize) {
    let mut stand = Stand::new();
    let observers = Observers::new(&mut stand);
    let mut sessions: BTreeMap<Session, usize> = BTreeMap::new();
    for row in updates().iter().filter(|row| !matches!(row.outcome, Outcome::Reset(_))) {
        let at = *sessions.entry(row.session).or_insert_with(|| stand.establish(Kind::Of(row.session), ""));
        one_row(&mut stand, &observers, at, row, piece);
    }
    observers.assert_sound(&stand);
}

fn one_row(stand: &mut Stand, observers: &Observers, at: usize, row: &Update, piece: usize) {
    let name = row.name();
    let base = row.session.base().concat();
    let (here, gone) = (row.checked('+'), row.checked('-'));
    // What the row has to replace or withdraw.
    let before: Vec<&str> = [USUAL_PREFIX].into_iter().chain(gone.iter().copied()).collect();
    let path_ids = matches!(row.session, Session::AddPath | Session::InternalAddPath);
    assert!(!path_ids, "{name}: the routes before it would need Path Identifiers");
    stand.say(at, &advertise(&before, &(base.clone() + MARK)));
    let counted = stand.faults(at);
    for prefix in &before {
        assert!(stand.usable(at, prefix).is_some_and(|path| marked(&path)), "{prefix} before {name}");
    }
    stand.say_in_pieces(at, &message(UPDATE, &row.body()), piece);
    assert!(stand.is_established(at) && stand.end(at).is_none(), "{name}: {:?}", stand.end(at));
    let usual = stand.usable(at, USUAL_PREFIX);
    match row.outcome {
        Outcome::Withdraw(_) => assert_eq!(stand.path(at, USUAL_PREFIX), None, "{name}"),
        Outcome::Replaced | Outcome::Discard(_) => assert!(usual.is_some_and(|path| !marked(&path)), "{name}"),
        Outcome::Kept => assert!(usual.is_some_and(|path| marked(&path)), "{name}"),
        Outcome::KeptFault | Outcome::Only => assert!(usual.is_some(), "{name}"),
        Outcome::Ineligible(reason) => assert_eq!(stand.unused(at, USUAL_PREFIX), Some(reason), "{name}"),
        Outcome::Reset(_) => unreachable!("filtered"),
    }
    let added = match row.outcome {
        Outcome::Withdraw(_) => [1, 0],
        Outcome::Discard(_) | Outcome::KeptFault => [0, 1],
        Outcome::Replaced | Outcome::Only | Outcome::Kept | Outcome::Ineligible(_) | Outcome::Reset(_) => [0, 0],
    };
    let now = stand.faults(at);
    assert_eq!([now[0] - counted[0], now[1] - counted[1]], added, "{name}: errors counted");
    here.iter().for_each(|prefix| assert!(stand.usable(at, prefix).is_some(), "{name}: {prefix}"));
    gone.iter().for_each(|prefix| assert_eq!(stand.path(at, prefix), None, "{name}: {prefix}"));
    observed(stand, observers, row);
    // The next message is understood.
    stand.say(at, &advertise(&["10.200.0.0/24"], &base));
    assert!(stand.usable(at, "10.200.0.0/24").is_some(), "the prefix after {name}");
    let all: Vec<&str> = before.into_iter().chain(here).chain(["10.200.0.0/24"]).collect();
    stand.say(at, &withdraw(&all));
    all.iter().for_each(|prefix| assert_eq!(stand.path(at, prefix), None, "{prefix} after {name}"));
}

/// What other peers are sent.
fn observed(stand: &Stand, observers: &Observers, row: &Update) {
    let name = row.name();
    let holds = |at: usize, check: &str| {
        stand.received(at).holds(USUAL_PREFIX, check).unwrap_or_else(|seen| panic!("{name}: {check}: {seen}"));
    };
    match row.outcome {
        // An internal peer always gets LOCAL_PREF; 0 is no attribute.
        Outcome::Discard(0 | 5) => {}
        Outcome::Discard(code) => holds(observers.internal, &format!("!{code}")),
        Outcome::Withdraw(_) | Outcome::Ineligible(_) => holds(observers.internal, "-"),
        Outcome::Replaced | Outcome::Only | Outcome::Kept | Outcome::KeptFault | Outcome::Reset(_) => {}
    }
    row.checked('i').iter().for_each(|check| holds(observers.internal, check));
    row.checked('e').iter().for_each(|check| holds(observers.external, check));
    if row.checks.contains(&"as-segments") {
        holds(observers.external, "as-segments");
    }
}

/// The rows that end the session, each on its own; the routes of the session are gone with it.
fn resets(piece: usize) {
    let mut stand = Stand::new();
    let witness = stand.establish(Kind::Of(Session::Internal), "");
    for row in updates() {
        let Outcome::Reset(subcode) = row.outcome else { continue };
        let name = row.name();
        let at = stand.establish(Kind::Of(row.session), "");
        let path_ids = matches!(row.session, Session::AddPath | Session::InternalAddPath);
        if !path_ids {
            stand.say(at, &advertise(&[USUAL_PREFIX], &row.session.base().concat()));
            assert!(stand.usable(at, USUAL_PREFIX).is_some(), "the route before {name}");
        }
        stand.say_in_pieces(at, &message(UPDATE, &row.body()), piece);
        let Some(End::Notification(n)) = stand.end(at).cloned() else { panic!("{name}: {:?}", stand.end(at)) };
        assert_eq!((n.code, n.subcode), (3, subcode), "{name}");
        assert_eq!(hex(&n.data), hex(&row.data()), "{name}: data");
        assert!(!stand.is_established(at) && stand.path(at, USUAL_PREFIX).is_none(), "{name}: it is over");
        stand.say(witness, &advertise(&["10.97.0.0/24"], &Kind::Of(Session::Internal).base()));
        assert!(stand.usable(witness, "10.97.0.0/24").is_some(), "{name}: another peer's route");
        stand.say(witness, &withdraw(&["10.97.0.0/24"]));
    }
}
