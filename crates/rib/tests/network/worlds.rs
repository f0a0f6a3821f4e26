//! Smaller worlds, each with one kind of trouble, that are looked at again and again while sessions stand: in the large one
//! a later session, sweep or refresh mends what was wrong before anybody looks.

use crate::net::{Change, Faults, Net};
use crate::topology::Topology;
use crate::{PATIENCE, Random, Seen, reference, seeds};

/// One kind of trouble.
struct World {
    /// Its test, by which one seed is repeated.
    name: &'static str,
    topology: fn(&mut Random) -> Topology,
    faults: Faults,
    /// How often there is trouble, and for how many seconds, before all is compared.
    rounds: u64,
    seconds: u64,
    /// Whether no session ends, whatever happens.
    steady: bool,
}

fn run(world: &World, seed: u64) -> Seen {
    let mut random = Random::new(seed);
    let topology = (world.topology)(&mut random);
    let mut net = Net::new(&topology, random);
    net.steady = world.steady;
    net.start();
    for _ in 0..world.rounds {
        net.trouble(world.seconds, world.faults);
        net.calm(PATIENCE);
        match reference::converge(&topology.changed(net.present())) {
            Some(expected) => net.check(&expected, seed),
            None => net.seen.open += 1,
        }
    }
    net.seen
}

fn all(world: &World, count: u64) -> Seen {
    let (seen, seeds) = seeds(world.name, count, |seed| run(world, seed));
    let rounds = usize::try_from(seeds * world.rounds).expect("few");
    assert!(seen.open <= rounds / 20 + 1, "hardly anything was compared: {seen:?}");
    seen
}

/// Readers that fall behind, are detached, and come back: what they owe themselves is told once, by walks, in steps that may be
/// larger than a journal. Nobody's session ends.
#[test]
fn slow_readers() {
    let kinds =
        &[Change::Route, Change::Burst, Change::Burst, Change::Pause, Change::Pause, Change::Policy, Change::Refresh];
    let faults = Faults { kinds, changes: 1500, pauses: 8, ..Faults::NONE };
    let world = World { name: "slow_readers", topology: Topology::star, faults, rounds: 4, seconds: 12, steady: true };
    let seen = all(&world, 40);
    assert!(seen.detached > 0 && seen.refreshes > 0 && seen.pauses > 0, "{seen:?}");
}

/// UPDATEs are not taken in, as if they had been forgotten, and a refresh brings what they said, and sweeps what they withdrew
/// (RFC 7313 §4).
#[test]
fn refresh() {
    let kinds = &[Change::Route, Change::Route, Change::Burst, Change::Policy, Change::Refresh, Change::Pause];
    let faults = Faults { kinds, changes: 2000, deaf: Some(40), pauses: 4, ..Faults::NONE };
    let topology = |random: &mut Random| {
        let mut topology = if random.one_in(2) { Topology::star(random) } else { Topology::random(random) };
        (topology.hold_time, topology.send_hold) = (90, None);
        topology
    };
    let world = World { name: "refresh", topology, faults, rounds: 3, seconds: 12, steady: true };
    let seen = all(&world, 30);
    assert!(seen.unheard > 0 && seen.refreshes > 0, "{seen:?}");
}

/// Speakers die and come back, most of them gracefully: what they tell again takes the place of what was stale, their own
/// End-of-RIB comes, and so does everybody else's (RFC 4724 §4).
#[test]
fn graceful_restart() {
    let kinds = &[Change::Crash, Change::Route, Change::Route, Change::Burst, Change::Pause, Change::Policy];
    let faults = Faults { kinds, changes: 4000, pauses: 6, ..Faults::NONE };
    let topology = |random: &mut Random| {
        let topology = Topology::random(random);
        Topology { graceful: true, send_hold: None, ..topology }
    };
    let world = World { name: "graceful_restart", topology, faults, rounds: 3, seconds: 15, steady: false };
    let seen = all(&world, 30);
    assert!(seen.kept_stale > 0 && seen.crashes > 0, "{seen:?}");
}

/// Owners of RIBs that get to their work late, so that routes of a session that is over are still there when the next one
/// counts its own.
#[test]
fn limits() {
    let kinds = &[Change::Limit, Change::Limit, Change::Session, Change::Session, Change::Route, Change::Burst];
    let faults = Faults { kinds, changes: 2500, ..Faults::NONE };
    let topology = |random: &mut Random| {
        let topology = Topology::random(random);
        Topology { owner: 4000, hold_time: 90, send_hold: None, ..topology }
    };
    let world = World { name: "limits", topology, faults, rounds: 2, seconds: 40, steady: false };
    let seen = all(&world, 30);
    assert!(seen.limited > 0, "{seen:?}");
}

/// Two connections that overtake each other in any order: one stays, both sides know which, and it is never taken for a restart
/// (RFC 4271 §6.8, RFC 4724 §4.2).
#[test]
fn reordering() {
    let kinds = &[Change::Route];
    let faults = Faults { kinds, changes: 4000, ..Faults::NONE };
    let world = World { name: "reordering", topology: Topology::late, faults, rounds: 1, seconds: 15, steady: true };
    let seen = all(&world, 400);
    assert!(seen.collisions > 0, "{seen:?}");
}
