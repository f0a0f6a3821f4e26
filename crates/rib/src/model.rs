//! The operation-sequence test of the RIB: random histories of routes, sessions, refreshes, changes of policy, lagging
//! writers, detaches and renumbered batches; batches are taken in piece by piece while others write and the RIB works, and
//! prefixes come from a window that moves, so that slots are used again. In the end every receiver has exactly what export
//! over the table gives, and the table is what the sources sent.
//!
//! `HEDDLE_MODEL_HISTORIES` sets how many histories are played, `HEDDLE_MODEL_SEED` plays one. The fuzz target
//! `rib_history` plays those that octets describe.

pub(crate) mod peer;
mod random;
#[cfg(test)]
mod tests;
mod world;

use heddle_bgp_core::Asn;
use random::Random;
use world::{Side, World};

use crate::table::{Addr4, Addr6};

/// Our AS.
pub(crate) const OWN: Asn = Asn(65000);

const STEPS: usize = 400;

/// The history that octets describe: the first says of which family, the others are choices.
///
/// # Panics
/// Something is not as it has to be in the end.
pub fn play_octets(octets: &[u8]) {
    let Some((family, choices)) = octets.split_first() else { return };
    if family % 2 == 0 {
        play::<Addr4>(Random::octets(choices), Steps::UntilSpent);
    } else {
        play::<Addr6>(Random::octets(choices), Steps::UntilSpent);
    }
}

/// How long a history is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Steps {
    /// As long as there are octets, and no longer than others.
    UntilSpent,
    /// As long as others.
    #[cfg(test)]
    All,
}

fn play<A: Side>(random: Random, steps: Steps) {
    let mut world = World::<A>::new(random);
    for _ in 0..STEPS {
        if steps == Steps::UntilSpent && world.is_spent() {
            break;
        }
        world.step();
    }
    world.settle();
    world.check();
}
