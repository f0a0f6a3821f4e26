//! The fuzz targets of this crate over their corpus.

#[path = "../../../fuzz/src/corpus.rs"]
pub mod corpus;
#[path = "../../../fuzz/src/mrt.rs"]
pub mod mrt;

#[test]
fn files() {
    corpus::replay("mrt", mrt::file);
}
