//! What the daemon took away from itself.

use serde::{Deserialize, Serialize};

/// One part of it, and what became of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ConfinementState {
    /// `dumps`, `capabilities`, `landlock`, `seccomp`.
    pub part: String,
    /// `in_force`, `off` (turned off), `missing` (the kernel does not have it), `failed` (refused).
    pub state: String,
    /// What it comes to, or what is in the way; empty where there is nothing to say.
    pub detail: String,
}
