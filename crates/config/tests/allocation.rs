//! What reading a configuration allocates is bounded by its length.

#[path = "../../../fuzz/src/allocation.rs"]
pub mod allocation;
#[path = "../../../fuzz/src/corpus.rs"]
pub mod corpus;

use allocation::{TEXT, Worst};
use heddle_config::Config;

#[test]
fn files() {
    let mut worst = Worst::new(TEXT);
    corpus::each("config", |what, input| {
        if let Ok(text) = std::str::from_utf8(input) {
            worst.decode(what, input, |_| drop(Config::from_toml(text, "file.toml")));
        }
    });
    worst.check("config");
}
