//! How a datastore is.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use heddle_resources::Kind;

use crate::error::SourceError;
use crate::event::{Revision, WaitingFor};
use crate::problem::Problem;

/// How far a source is.
#[derive(Clone, Debug)]
pub enum State {
    /// Nothing is known yet; consumers are told nothing.
    Waiting(WaitingFor),
    /// All kinds were listed, and the source follows them.
    InSync,
    /// The source cannot follow. What was known last stays in force.
    Lost(SourceError),
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waiting(what) => write!(f, "waiting for {what}"),
            Self::InSync => f.write_str("in sync"),
            Self::Lost(error) => write!(f, "lost: {error}"),
        }
    }
}

/// How a datastore is, at one moment.
#[derive(Clone, Debug)]
pub struct Status {
    /// The source, for people: `files in /etc/heddle/datastore`.
    pub source: Arc<str>,
    /// How far it is.
    pub state: State,
    /// Since when it is in this state.
    pub since: SystemTime,
    /// Whether consumers have been told a snapshot.
    pub synced_once: bool,
    /// The last error, and when it was.
    pub last_error: Option<(SystemTime, SourceError)>,
    /// How many objects of each kind there are.
    pub objects: BTreeMap<Kind, usize>,
    /// When the snapshot changed last.
    pub last_change: Option<SystemTime>,
    /// Counts the changes of the snapshot.
    pub version: u64,
    /// The newest version that the source told.
    pub revision: Option<Revision>,
    /// Kinds whose last list lacked so much that it is not believed yet, with the number of objects that stay.
    pub held: BTreeMap<Kind, usize>,
    /// What is wrong or worth knowing, by place, in the order of places.
    pub problems: BTreeMap<Arc<str>, Arc<[Problem]>>,
    /// Places with problems that are not in `problems`, because there are too many.
    pub more_problems: usize,
}

impl Status {
    /// Objects and files that do not count as they are.
    pub fn faults(&self) -> impl Iterator<Item = &Problem> {
        self.problems.values().flat_map(|list| list.iter()).filter(|p| p.is_fault())
    }
}
