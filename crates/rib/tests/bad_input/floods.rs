//! Thousands of malformed UPDATEs among sound ones: none ends the session, and the routes are those of an oracle.

use std::collections::BTreeMap;

use crate::random::Random;
use crate::rows::{Outcome, Session, Update, updates};
use crate::stand::{Kind, Stand};
use crate::updates::{MARK, Observers, marked};
use crate::wire::{UPDATE, advertise, message, withdraw};

/// UPDATEs on each session of a plain run; `HEDDLE_SIM_UPDATES` sets another number.
const UPDATES: usize = 10_000;

/// Ways in which a prefix may be there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Is {
    /// As a sound UPDATE said it.
    Marked,
    /// As a malformed one said it, without this attribute (0: none is missed).
    Without(u8),
}

/// The rows of this session that are about the usual prefix alone, at their end, and end no session.
fn malformed(session: Session) -> Vec<Update> {
    let survived = |row: &Update| matches!(row.outcome, Outcome::Withdraw(_) | Outcome::Discard(_));
    let fits =
        |row: &Update| row.body().ends_with(&[24, 10, 99, 1]) && row.checks.iter().all(|c| !c.starts_with(['+', '-']));
    updates().into_iter().filter(|row| row.session == session && survived(row) && fits(row)).collect()
}

fn flood(session: Session, seed: u64) {
    let mut random = Random::new(seed);
    let rounds = std::env::var("HEDDLE_SIM_UPDATES").ok().and_then(|text| text.parse().ok()).unwrap_or(UPDATES);
    let rows = malformed(session);
    assert!(rows.len() > 50, "{}", rows.len());
    let (mut stand, base) = (Stand::new(), session.base().concat());
    let observers = Observers::new(&mut stand);
    let at = stand.establish(Kind::Of(session), "");
    let mut oracle: BTreeMap<String, Is> = BTreeMap::new();
    let mut faults = [0, 0];
    for _ in 0..rounds {
        let number = u8::try_from(random.below(200)).expect("below 200");
        let prefix = format!("10.99.{number}.0/24");
        match random.below(4) {
            0 => {
                stand.say(at, &advertise(&[&prefix], &(base.clone() + MARK)));
                oracle.insert(prefix, Is::Marked);
            }
            1 if random.below(3) == 0 => {
                stand.say(at, &withdraw(&[&prefix]));
                oracle.remove(&prefix);
            }
            _ => {
                let row = &rows[random.below(rows.len())];
                let mut body = row.body();
                *body.last_mut().expect("a prefix") = number;
                stand.say(at, &message(UPDATE, &body));
                match row.outcome {
                    Outcome::Discard(code) => {
                        faults[1] += 1;
                        oracle.insert(prefix, Is::Without(code));
                    }
                    _ => {
                        faults[0] += 1;
                        oracle.remove(&prefix);
                    }
                }
            }
        }
        assert!(stand.is_established(at), "{:?}", stand.end(at));
    }
    assert_eq!(stand.faults(at), faults);
    for number in 0..200 {
        let prefix = format!("10.99.{number}.0/24");
        let seen = stand.usable(at, &prefix);
        match (oracle.get(&prefix), seen) {
            (None, None) => {}
            (Some(Is::Marked), Some(path)) => assert!(marked(&path), "{prefix}: {path:?}"),
            (Some(Is::Without(_)), Some(path)) => assert!(!marked(&path), "{prefix}: {path:?}"),
            (wanted, seen) => panic!("{prefix}: {wanted:?}, {seen:?}"),
        }
    }
    // What others were sent is the same.
    observers.assert_sound(&stand);
    for observer in [observers.internal, observers.external] {
        let received: Vec<&String> = stand.received(observer).routes.keys().collect();
        assert_eq!(received, oracle.keys().collect::<Vec<_>>());
        for (prefix, is) in &oracle {
            // LOCAL_PREF is always there on an internal session.
            if let Is::Without(code) = *is
                && !matches!(code, 0 | 5)
            {
                stand.received(observer).holds(prefix, &format!("!{code}")).unwrap_or_else(|seen| panic!("{seen}"));
            }
        }
    }
}

#[test]
fn an_external_peer() {
    flood(Session::External, 0x2545_f491_4f6c_dd1d);
}

#[test]
fn an_internal_peer() {
    flood(Session::Internal, 0x9e37_79b9_7f4a_7c15);
}
