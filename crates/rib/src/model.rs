//! The operation-sequence test of the RIB: random histories of routes, sessions, refreshes, changes of policy, lagging
//! writers, detaches and renumbered batches; in the end every receiver has exactly what export over the table gives,
//! and the table is what the sources sent.
//!
//! `HEDDLE_MODEL_HISTORIES` sets how many histories are played, `HEDDLE_MODEL_SEED` plays one.

pub(crate) mod peer;
mod world;

use world::{Side, World};

use crate::table::{Addr4, Addr6};

const STEPS: usize = 400;

fn play<A: Side>(seed: u64) {
    let mut world = World::<A>::new(seed);
    for _ in 0..STEPS {
        world.step();
    }
    world.settle();
    world.check();
}

fn play_all<A: Side>(histories: u64) {
    if let Ok(seed) = std::env::var("HEDDLE_MODEL_SEED") {
        return play::<A>(seed.parse().expect("HEDDLE_MODEL_SEED is a number"));
    }
    let n = std::env::var("HEDDLE_MODEL_HISTORIES").ok().and_then(|n| n.parse().ok()).unwrap_or(histories);
    for seed in 0..n {
        if let Err(panic) = std::panic::catch_unwind(|| play::<A>(seed)) {
            eprintln!("history {seed} of {n} failed: play it again with HEDDLE_MODEL_SEED={seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn every_history_ends_in_the_right_state() {
    play_all::<Addr4>(200);
}

#[test]
fn every_history_of_ipv6_ends_in_the_right_state() {
    play_all::<Addr6>(100);
}
