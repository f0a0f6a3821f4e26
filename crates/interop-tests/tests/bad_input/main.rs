//! Malformed input against the running program: a peer of the test's own opens a session and says what it should not.
//!
//! The rows are those that the decoders are tested with (`rows.rs`), each with an external and an internal peer. What is sent is read by
//! a few lines in `wire.rs`; nothing of the libraries under test is used. That the program lives and its log has no ERROR is checked at
//! the end of each case.

mod logged;
mod messages;
mod mutated;
mod peer;
#[path = "../../../../fuzz/src/random.rs"]
pub mod random;
mod resources;
#[path = "../../../bgp-core/tests/bad_input/rows.rs"]
pub mod rows;
mod sessions;
mod updates;
mod wire;
mod world;

use heddle_interop_tests::require::Need;
use heddle_interop_tests::trials::{Missing, arguments, trial};

const CASES: [(&str, fn()); 24] = [
    ("bad_input::survived", updates::survived),
    ("bad_input::resets", updates::resets),
    ("bad_input::mutated", mutated::mutated),
    ("bad_input::damping", sessions::damping),
    ("bad_input::opens", messages::opens),
    ("bad_input::headers", messages::headers),
    ("bad_input::states", messages::states),
    ("bad_input::refreshes", messages::refreshes),
    ("bad_input::notifications", messages::notifications),
    ("bad_input::logged", logged::logged),
    ("bad_input::restart_after_notification", sessions::restart_after_notification),
    ("bad_input::floods", sessions::floods),
    ("bad_input::any_split", sessions::any_split),
    ("bad_input::stalled_reader", resources::stalled_reader),
    ("bad_input::slow_open", resources::slow_open),
    ("bad_input::hostile_memory", resources::hostile_memory),
    ("bad_input::too_many_prefixes", resources::too_many_prefixes),
    ("bad_input::strangers", resources::strangers),
    ("bad_input::connection_flood", resources::connection_flood),
    ("bad_input::equal_identifiers", sessions::equal_identifiers),
    ("bad_input::restart_without_end", resources::restart_without_end),
    ("bad_input::half_open", resources::half_open),
    ("bad_input::stopped_process", resources::stopped_process),
    ("bad_input::hold_under_a_full_table", resources::hold_under_a_full_table),
];

fn main() {
    let missing = Missing::of([Need::Namespaces]);
    let trials: Vec<_> = CASES.into_iter().map(|(name, run)| trial(name, missing.clone(), run)).collect();
    libtest_mimic::run(&arguments(), trials).exit();
}
