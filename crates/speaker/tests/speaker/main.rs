//! Whole speakers on loopback addresses, against each other and against peers that speak BGP octet by octet.
//!
//! Every wait is for a condition and has a bound; no test asserts a time.

mod apply;
mod changes;
mod endings;
mod isolation;
mod lives;
mod log;
mod logged;
mod raw_peer;
mod start;
mod world;
