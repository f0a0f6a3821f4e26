//! Every malformed UPDATE against the running program, and a sound prefix after each.
//!
//! RFC 7606, 4271 §6.3, 7607, 9774, 9234. Claims: 1. each row has its outcome, on the wire or in the RIB. 2. The next UPDATE is
//! understood. 3. What other peers are sent is well-formed, and what is carried unknown is carried octet for octet.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::Value;

use crate::peer::{End, RawPeer};
use crate::rows::{Outcome, Session, Update, updates};
use crate::wire::{OpenWith, Received, UPDATE, USUAL_PREFIX, advertise, hex, message, withdraw};
use crate::world::{Kind, Witness, World};

/// A community that the sound routes before each row have: 65001:77.
const MARK: &str = "c00804fde9004d";

/// What the other peers of the reflector are sent.
pub(crate) struct Observers {
    internal: Arc<Mutex<Received>>,
    external: Arc<Mutex<Received>>,
}

impl Observers {
    pub(crate) fn new(world: &World) -> Self {
        // Extended messages (RFC 8654): LOCAL_PREF makes the longest rows longer than 4096 octets.
        let internal = world.session_with(Kind::INTERNAL, "0600").observe();
        // Another AS, so that no loop keeps anything away; it is from a range of its own.
        let capabilities = format!("{} {}", crate::wire::FAMILIES, crate::wire::four_octets(65002));
        let open = OpenWith { asn: 65002, hold_time: 90, capabilities: &capabilities };
        let external = RawPeer::establish(OBSERVER, open);
        world.heddle.wait_peer(OBSERVER);
        Self { internal, external: external.observe() }
    }

    /// A check of a row: what the internal, or the external peer was sent.
    fn check(&self, which: char, check: &str) -> Result<(), String> {
        let received = if which == 'e' { &self.external } else { &self.internal };
        let received = received.lock().unwrap_or_else(PoisonError::into_inner);
        received.holds(USUAL_PREFIX, check).map_err(|seen| format!("{which}{check}: {seen}"))
    }

    pub(crate) fn assert_sound(&self) {
        for which in [&self.internal, &self.external] {
            let received = which.lock().unwrap_or_else(PoisonError::into_inner);
            assert!(received.updates > 100, "an observer was sent {} UPDATEs", received.updates);
            assert!(received.wrong.is_empty(), "malformed messages of ours: {:?}", received.wrong);
        }
    }
}

const OBSERVER: &str = "10.20.0.1";
pub(crate) const OBSERVER_PEER: &str = "\n[[peers]]\naddress = \"10.20.0.1\"\nasn = 65002\npassive = true\n\
    families = [\"ipv4-unicast\", \"ipv6-unicast\"]\nimport_policy = \"all\"\nexport_policy = \"all\"\n";

/// The rows after which the session goes on, many on one session.
pub(crate) fn survived() {
    let mut world = World::new("bad_input::survived", OBSERVER_PEER);
    let observers = Observers::new(&world);
    let mut sessions: BTreeMap<Session, RawPeer> = BTreeMap::new();
    for (number, row) in updates().iter().enumerate().filter(|(_, row)| !matches!(row.outcome, Outcome::Reset(_))) {
        let peer = sessions.entry(row.session).or_insert_with(|| {
            let peer = world.session(Kind::Of(row.session));
            peer.drain();
            peer
        });
        one_row(&mut world, &observers, peer, number, row);
    }
    observers.assert_sound();
}

fn one_row(world: &mut World, observers: &Observers, peer: &mut RawPeer, number: usize, row: &Update) {
    let name = row.name();
    let address = peer.address.clone();
    let (here, gone) = (row.checked('+'), row.checked('-'));
    // What the row has to replace or withdraw.
    let before: Vec<&str> = [USUAL_PREFIX].into_iter().chain(gone.iter().copied()).collect();
    peer.send(&advertise(&before, &(row.session.base().concat() + MARK)));
    wait_for(&format!("the routes before {name}"), PATIENCE, || {
        before.iter().try_for_each(|prefix| usable(world, &address, prefix).and_then(|path| marked(&path, true)))
    });
    let kinds = ["treat_as_withdraw", "attribute_discard"];
    let counted = kinds.map(|which| world.errors(&address, which));

    peer.send(&message(UPDATE, &row.body()));
    let sentinel = format!("10.{}.{}.0/24", 200 + number / 250, number % 250);
    peer.send(&advertise(&[&sentinel], &row.session.base().concat()));
    wait_for(&format!("the prefix after {name}"), PATIENCE, || usable(world, &address, &sentinel).map(drop));

    wait_for(&name, PATIENCE, || {
        outcome(world, &address, row)?;
        here.iter().try_for_each(|prefix| usable(world, &address, prefix).map(drop))?;
        gone.iter().try_for_each(|prefix| absent(world, &address, prefix))?;
        observed(observers, row)
    });
    let now = kinds.map(|which| world.errors(&address, which));
    let added = match row.outcome {
        Outcome::Withdraw(_) => [1, 0],
        Outcome::Discard(_) | Outcome::KeptFault => [0, 1],
        Outcome::Replaced | Outcome::Only | Outcome::Kept | Outcome::Ineligible(_) | Outcome::Reset(_) => [0, 0],
    };
    assert_eq!([now[0] - counted[0], now[1] - counted[1]], added, "{name}: errors counted, of {kinds:?}");
    world.assert_established(&address, &name);
    let all: Vec<&str> = before.into_iter().chain(here).chain([sentinel.as_str()]).collect();
    peer.send(&withdraw(&all));
    wait_for(&format!("no routes after {name}"), PATIENCE, || {
        all.iter().try_for_each(|prefix| absent(world, &address, prefix))
    });
}

fn usable(world: &World, address: &str, prefix: &str) -> Result<Value, String> {
    let path = world.path(address, prefix)?.ok_or_else(|| format!("no path to {prefix}"))?;
    ensure(matches!(path["status"].as_str(), Some("best" | "valid")), || path.to_string())?;
    Ok(path)
}

fn absent(world: &World, address: &str, prefix: &str) -> Result<(), String> {
    let path = world.path(address, prefix)?;
    ensure(path.is_none(), || format!("{prefix} is there: {path:?}"))
}

fn marked(path: &Value, wanted: bool) -> Result<(), String> {
    let communities = path["attributes"]["communities"].as_array();
    let mark = communities.is_some_and(|all| all.iter().any(|one| one == "65001:77"));
    ensure(mark == wanted, || path.to_string())
}

/// The state of the usual prefix that the outcome names.
fn outcome(world: &World, address: &str, row: &Update) -> Result<(), String> {
    match row.outcome {
        Outcome::Withdraw(_) => absent(world, address, USUAL_PREFIX),
        Outcome::Replaced | Outcome::Discard(_) => marked(&usable(world, address, USUAL_PREFIX)?, false),
        Outcome::Kept => marked(&usable(world, address, USUAL_PREFIX)?, true),
        // The families of other addresses: with NLRI of our own, or without.
        Outcome::KeptFault | Outcome::Only => usable(world, address, USUAL_PREFIX).map(drop),
        Outcome::Ineligible(reason) => {
            let path = world.path(address, USUAL_PREFIX)?.ok_or("no path")?;
            ensure(path["status"] == "ineligible" && path["reason"] == reason, || path.to_string())
        }
        Outcome::Reset(_) => panic!("{}: its session ends", row.id),
    }
}

fn observed(observers: &Observers, row: &Update) -> Result<(), String> {
    match row.outcome {
        // An internal peer always gets LOCAL_PREF; 0 is no attribute.
        Outcome::Discard(0 | 5) => {}
        Outcome::Discard(code) => observers.check('i', &format!("!{code}"))?,
        Outcome::Withdraw(_) | Outcome::Ineligible(_) => observers.check('i', "-")?,
        Outcome::Replaced | Outcome::Only | Outcome::Kept | Outcome::KeptFault | Outcome::Reset(_) => {}
    }
    row.checked('i').iter().try_for_each(|check| observers.check('i', check))?;
    row.checked('e').iter().try_for_each(|check| observers.check('e', check))?;
    if row.checks.contains(&"as-segments") {
        observers.check('e', "as-segments")?;
    }
    Ok(())
}

/// The rows that end the session, each on its own; the routes of the session are gone with it, and nobody else's.
pub(crate) fn resets() {
    let mut world = World::new("bad_input::resets", "");
    let mut witness = Witness::new(&world);
    let resets = updates().into_iter().filter_map(|row| match row.outcome {
        Outcome::Reset(subcode) => Some((subcode, row)),
        _ => None,
    });
    for (subcode, row) in resets {
        let name = row.name();
        let mut peer = world.session(Kind::Of(row.session));
        if !matches!(row.session, Session::AddPath | Session::InternalAddPath) {
            world.advertised(&mut peer, &row.session.base().concat(), &name);
        }
        peer.send(&message(UPDATE, &row.body()));
        match peer.end() {
            // RFC 4271 §6.3: the attribute is the data of Optional Attribute Error, and nothing else has any here.
            End::Notification(3, seen, data) if seen == subcode => {
                assert_eq!(hex(&data), hex(&row.data()), "{name}: the data");
            }
            end => panic!("{name}: {end:?}"),
        }
        world.is_over(&peer, &name);
        witness.is_heard(&mut world, &name);
    }
}
