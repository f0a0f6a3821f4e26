//! Calico's confd conformance set, compared as meaning: `cases.toml` says which input belongs to which expected BIRD
//! configuration, which is read and run by a small interpreter; the generated configuration is run by the RIB's route
//! policy. Sessions have to be equal, and filters have to decide alike on generated routes. `deviations.toml` lists what
//! differs on purpose.
//!
//! `HEDDLE_CASE=part-of-a-name` checks these cases alone and prints their warnings.

#![expect(unreachable_pub, reason = "a program of tests has no outside")]

mod bird;
mod candidate;
mod cases;
mod compare;
mod data;
mod deviations;
mod expected;
mod generate;
#[path = "../../../speaker/src/mapping/policy.rs"]
mod mapping;
mod ours;
mod pools;
mod run;
mod session;
