//! What a running daemon takes away from itself.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;

/// How a daemon confines itself when it starts. Everything is on unless it is turned off.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Confinement {
    /// What is turned off.
    pub off: BTreeSet<ConfinementPart>,
    /// What may be read beside the folders that are known when the daemon starts.
    pub readable: Vec<PathBuf>,
}

/// One thing that a daemon takes away from itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConfinementPart {
    /// Core dumps, and other processes' looks into its memory.
    Dumps,
    /// Capabilities that it does not need.
    Capabilities,
    /// System calls that it does not need.
    Seccomp,
    /// Files that it does not need.
    Landlock,
}

impl ConfinementPart {
    /// All, in the order in which they are taken away.
    pub const ALL: [Self; 4] = [Self::Dumps, Self::Capabilities, Self::Landlock, Self::Seccomp];

    /// Its name in files, options and the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dumps => "dumps",
            Self::Capabilities => "capabilities",
            Self::Seccomp => "seccomp",
            Self::Landlock => "landlock",
        }
    }

    /// The part of this name.
    #[must_use]
    pub fn named(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|part| part.as_str() == text)
    }
}

impl fmt::Display for ConfinementPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
