//! Keys of what a daemon takes away from itself.

use super::key;
use crate::schema::Effect::Restart;
use crate::schema::{Key, Table as T};

pub(super) const KEYS: &[Key] = &[
    key(
        T::Confinement,
        "off",
        "list of `\"dumps\"`, `\"capabilities\"`, `\"seccomp\"`, `\"landlock\"`",
        "[]",
        Restart,
        "What the process does not take away from itself when it starts ([confinement.md](confinement.md)): `dumps` allows core \
         dumps, which have all keys in them, and debuggers.",
    ),
    key(
        T::Confinement,
        "readable",
        "list of absolute paths",
        "[]",
        Restart,
        "Folders and files that may be read beside those that the configuration names when the process starts: where keys will be \
         that a later configuration names.",
    ),
];
