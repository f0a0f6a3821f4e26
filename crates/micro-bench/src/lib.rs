//! The way of a route in memory, for measuring: octets of a session in, octets for other sessions out. No socket, no
//! thread, no clock; the same work at every run.
//!
//! [`table`] makes the UPDATEs, [`session`] takes them apart as a session does, [`reflector`] is a RIB with clients, and
//! [`hot_path`] joins them. They are measured in three ways, all described in `docs/profiling.md`:
//!
//! | how | where |
//! |---|---|
//! | time of each piece (criterion) | `benches/` |
//! | allocations a route, with bounds | `tests/allocations.rs` |
//! | instructions of the whole (callgrind), against a committed number | `src/main.rs`, `scripts/instructions` |

pub mod hot_path;
pub mod reflector;
pub mod session;
pub mod table;
