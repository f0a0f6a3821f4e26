//! The command, run as its users run it, against a daemon that knows fixed values.
#![allow(clippy::unwrap_used)]

mod snapshots;
mod streams;
mod support;
