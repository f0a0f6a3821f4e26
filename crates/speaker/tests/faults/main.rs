//! Panics on purpose: in a peer's task they end that peer's session and nothing else; in the RIB they end the process, and the
//! run after it holds the peer on whose message it failed. Needs the feature `fault-injection` and debug assertions.
//!
//! `HEDDLE_FAULT_POINTS` says at how many points (200), `HEDDLE_FAULT_SEED` which ones.

#![cfg(debug_assertions)]

mod anywhere;
#[path = "../speaker/log.rs"]
mod log;
mod made_anew;
mod process_log;
#[path = "../../../../fuzz/src/random.rs"]
pub mod random;
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../speaker/raw_peer.rs"]
mod raw_peer;
mod rib;
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../speaker/world.rs"]
mod world;
