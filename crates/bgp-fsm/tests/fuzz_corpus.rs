//! The fuzz target of negotiation over its corpus.

#[path = "../../../fuzz/src/corpus.rs"]
pub mod corpus;
#[path = "../../../fuzz/src/negotiate.rs"]
pub mod opens;

#[test]
fn negotiate() {
    corpus::replay("negotiate", opens::opens);
}
