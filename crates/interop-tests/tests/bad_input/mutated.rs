//! UPDATEs of the rows with bits turned over, octets changed, or cut: what becomes of each is not written down, but little is allowed.
//!
//! Claims: 1. the session stays, and its next route is taken, or it ends with a NOTIFICATION 3 and is over. 2. Other peers keep
//! their sessions, and are sent nothing that is malformed. `HEDDLE_FUZZ_ROUNDS` is how many there are, always the same ones.

use heddle_interop_tests::wait::{PATIENCE, wait_for};

use crate::peer::{End, RawPeer};
use crate::random::Random;
use crate::rows::{Session, Update, updates};
use crate::updates::{OBSERVER_PEER, Observers};
use crate::wire::{UPDATE, advertise, hex, message};
use crate::world::{Kind, Witness, World};

/// UPDATEs of a plain run.
const ROUNDS: usize = 400;

/// One to three changes to what follows the two lengths as often as to these.
fn mutate(random: &mut Random, body: &[u8]) -> Vec<u8> {
    let mut new = body.to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(new.len());
        match random.below(4) {
            _ if new.is_empty() => new.push(0),
            0 | 1 => new[at] ^= 1 << random.below(8),
            2 => new[at] = [0, 1, 0x7f, 0xff][random.below(4)],
            _ => new.truncate(at),
        }
    }
    new
}

pub(crate) fn mutated() {
    let mut world = World::new("bad_input::mutated", OBSERVER_PEER);
    let observers = Observers::new(&world);
    let mut witness = Witness::new(&world);
    let usual = |row: &Update| matches!(row.session, Session::External | Session::Internal) && row.body().len() < 1000;
    let rows: Vec<Update> = updates().into_iter().filter(usual).collect();
    let rounds = std::env::var("HEDDLE_FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(ROUNDS);
    let mut random = Random::new(0x2545_f491_4f6c_dd1d);
    let mut sessions: [Option<RawPeer>; 2] = [None, None];
    let (mut stayed, mut ended) = (0, 0);
    for round in 0..rounds {
        let row = &rows[random.below(rows.len())];
        let body = mutate(&mut random, &row.body());
        let kind = Kind::Of(row.session);
        let session = &mut sessions[usize::from(kind.internal())];
        let peer = session.get_or_insert_with(|| world.session(kind));
        // One after the other, so that there is none of an earlier round.
        let sentinel = format!("10.{}.{}.0/24", 100 + round / 250 % 100, round % 250);
        // It may be closed already when the second is written.
        peer.send(&message(UPDATE, &body));
        let _ = peer.try_send(&advertise(&[&sentinel], &row.session.base().concat()));
        let what = format!("{}, round {round}: {}", row.name(), hex(&body));
        let stays = wait_for(&what, PATIENCE, || {
            if world.path(&peer.address, &sentinel)?.is_some() {
                return Ok(true);
            }
            if world.state(&peer.address).as_deref() == Some("established") {
                Err("neither".to_owned())
            } else {
                Ok(false)
            }
        });
        if stays {
            stayed += 1;
            continue;
        }
        ended += 1;
        let end = peer.end();
        // RFC 4271 §6.1: less than the two lengths is no UPDATE.
        let short = body.len() < 4 && matches!(end, End::Notification(1, 2, _));
        assert!(short || matches!(end, End::Notification(3, 1..=11, _)), "{what}: {end:?}");
        *session = None;
        witness.is_heard(&mut world, &what);
    }
    assert!(stayed > rounds / 4 && ended > rounds / 20, "{stayed} stayed, {ended} ended");
    observers.assert_sound();
}
