//! Random octets drive a peer: it never panics, and the invariants hold after each event.

use proptest::prelude::*;

use super::super::script;

#[expect(dead_code, unreachable_pub, reason = "shared with tests that are crates of their own")]
#[path = "../../../../../fuzz/src/corpus.rs"]
mod corpus;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn random_events(octets in prop::collection::vec(any::<u8>(), 1..500)) {
        script::play(&octets);
    }
}

#[test]
fn fuzz_corpus_fsm_script() {
    corpus::replay("fsm_script", script::play);
}
