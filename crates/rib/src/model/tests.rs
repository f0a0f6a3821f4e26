//! Histories from seeds, and those of the corpus.

use super::*;

#[expect(dead_code, unreachable_pub, reason = "shared with tests that are crates of their own")]
#[path = "../../../../fuzz/src/corpus.rs"]
mod corpus;

fn play_all<A: Side>(histories: u64) {
    if let Ok(seed) = std::env::var("HEDDLE_MODEL_SEED") {
        return play::<A>(Random::seed(seed.parse().expect("HEDDLE_MODEL_SEED is a number")), Steps::All);
    }
    let n = std::env::var("HEDDLE_MODEL_HISTORIES").ok().and_then(|n| n.parse().ok()).unwrap_or(histories);
    for seed in 0..n {
        if let Err(panic) = std::panic::catch_unwind(|| play::<A>(Random::seed(seed), Steps::All)) {
            let name = if A::FAMILY == heddle_bgp_core::Family::IPV4_UNICAST {
                "every_history_ends"
            } else {
                "every_history_of_ipv6"
            };
            eprintln!("history {seed} of {n} failed: HEDDLE_MODEL_SEED={seed} cargo test -p heddle-rib --lib {name}");
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

#[test]
fn fuzz_corpus_rib_history() {
    corpus::replay_long("rib_history", play_octets);
}
