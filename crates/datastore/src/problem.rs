//! What is wrong with what a source has.

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use heddle_resources::{InvalidObject, Key, Location, Note, ObjectName};
use thiserror::Error;

use crate::error::SourceError;

/// What is in force in place of something that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InForce {
    /// Its last good state.
    LastGood,
    /// Nothing: there was no good state.
    Nothing,
}

impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::LastGood => "its last good state stays in force",
            Self::Nothing => "it is ignored",
        })
    }
}

/// Something that is wrong, or worth knowing, at one place of a source.
#[derive(Clone, Debug, Error)]
pub enum Problem {
    /// An object with errors, or a text that is no YAML.
    #[error("{object}; {in_force}")]
    Invalid {
        /// The object and its errors, each with file, line and field.
        object: InvalidObject,
        /// What counts instead.
        in_force: InForce,
    },
    /// A file that cannot be read.
    #[error("{}: cannot be read: {error}; {in_force}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: Arc<io::Error>,
        /// What counts instead.
        in_force: InForce,
    },
    /// A file that is too large.
    #[error("{}: has {size} octets, more than {max}; split it; {in_force}", path.display())]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// Its size.
        size: u64,
        /// The most.
        max: u64,
        /// What counts instead.
        in_force: InForce,
    },
    /// A file that had objects and has not a single octet any more: most likely half-written.
    #[error("{}: is empty; its last good state stays in force; remove the file to remove its objects", path.display())]
    Emptied {
        /// The file.
        path: PathBuf,
    },
    /// An object that is defined more than once.
    #[error("{at}: {key} is defined in {used} already, which counts; remove one of them")]
    Duplicate {
        /// The object.
        key: Key,
        /// The definition that does not count.
        at: Location,
        /// The one that counts.
        used: Location,
    },
    /// A file whose name is not one of a manifest.
    #[error("{}: ignored; manifests have names that end in .yaml, .yml or .json", path.display())]
    Ignored {
        /// The file.
        path: PathBuf,
    },
    /// An object of a kind that Heddle does not read.
    #[error("{}{object} ({api_version}): of a kind that Heddle does not read", place(at.as_ref()))]
    Skipped {
        /// The object.
        object: ObjectName,
        /// Its version.
        api_version: String,
        /// Where it is.
        at: Option<Location>,
    },
    /// Something that the source is not given, such as a kind for which a permission is missing.
    #[error("{error}; {in_force}")]
    NotGiven {
        /// What, and why.
        error: SourceError,
        /// What counts instead.
        in_force: InForce,
    },
    /// Something about an object that counts.
    #[error("{0}")]
    Note(Note),
}

/// `FILE:LINE:COLUMN: `
fn place(at: Option<&Location>) -> String {
    at.map(|at| format!("{at}: ")).unwrap_or_default()
}

impl Problem {
    /// Whether somebody has to do something about it: objects or files that do not count as they are.
    #[must_use]
    pub const fn is_fault(&self) -> bool {
        match self {
            Self::Invalid { .. }
            | Self::Unreadable { .. }
            | Self::TooLarge { .. }
            | Self::Emptied { .. }
            | Self::NotGiven { .. }
            | Self::Duplicate { .. } => true,
            Self::Ignored { .. } | Self::Skipped { .. } | Self::Note(_) => false,
        }
    }
}
