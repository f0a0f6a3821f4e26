//! The fuzz targets of this crate over their corpus.

#[path = "../../../fuzz/src/config.rs"]
pub mod config;
#[path = "../../../fuzz/src/corpus.rs"]
pub mod corpus;

#[test]
fn files() {
    corpus::replay("config", config::toml);
}
