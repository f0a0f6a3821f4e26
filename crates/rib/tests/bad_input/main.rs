//! Malformed input against a simulated speaker: state machine, framer, decoders and RIB joined as the real shell joins them, without
//! sockets and in virtual time. The rows are those that the decoders are tested with.

mod floods;
mod messages;
#[path = "../../../../fuzz/src/random.rs"]
pub mod random;
#[path = "../../../bgp-core/tests/bad_input/rows.rs"]
pub mod rows;
mod stand;
mod timers;
mod updates;
#[path = "../../../interop-tests/tests/bad_input/wire.rs"]
#[expect(dead_code, reason = "the peers of the interop tests use more of it")]
mod wire;
