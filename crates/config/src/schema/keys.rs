//! The table of keys.

mod confinement;
mod fib;
mod policy;
mod session;

use super::{Effect, Key, Table};

/// Every key of a configuration file, in the order of the documentation.
pub fn keys() -> impl Iterator<Item = &'static Key> {
    session::KEYS.iter().chain(confinement::KEYS).chain(policy::KEYS).chain(fib::KEYS)
}

/// A key whose change has an effect.
const fn key(
    table: Table,
    name: &'static str,
    kind: &'static str,
    default: &'static str,
    effect: Effect,
    meaning: &'static str,
) -> Key {
    Key { table, name, kind, default, effect: Some(effect), meaning }
}

/// A key that names or holds others.
const fn holder(
    table: Table,
    name: &'static str,
    kind: &'static str,
    default: &'static str,
    meaning: &'static str,
) -> Key {
    Key { table, name, kind, default, effect: None, meaning }
}
