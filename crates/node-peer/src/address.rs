//! The node's own addresses, where they are not simply given: what Calico's node does at its start and every minute.
//!
//! [`detect`] is a pure function over a [`Listing`] of this machine; [`read`] is the I/O around it. [`Wishes`] is
//! what the environment asks for, by the variables of Calico's node; [`plan`] compares it with what the Node has.

mod detect;
mod listing;
mod memory;
mod method;
mod plan;
#[cfg(test)]
mod tests;
mod wishes;

pub(crate) use listing::{Listing, read};
pub(crate) use memory::Memory;
pub(crate) use plan::{Plan, Retreat, interfaces, plan};
pub use wishes::AddressArgs;
pub(crate) use wishes::{WishError, Wishes};
