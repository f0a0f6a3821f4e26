//! The fuzz targets of this crate over their corpus.

#[path = "../../../fuzz/src/corpus.rs"]
pub mod corpus;
#[path = "../../../fuzz/src/resources.rs"]
pub mod resources;

#[test]
fn manifests() {
    corpus::replay("manifests", resources::manifests);
}

#[test]
fn selectors() {
    corpus::replay("selector", resources::selector);
}
