//! What a source tells the datastore.

use std::collections::BTreeSet;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use heddle_resources::{Key, Kind, Object};

use crate::error::SourceError;
use crate::kinds::Kinds;
use crate::problem::Problem;

/// The version of an object or of a list, as the source counts; opaque.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub Arc<str>);

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether a resync that lacks many objects is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// What it does not mention is gone.
    Believe,
    /// If it lacks more than half of at least [`Guard::FEWEST`] objects of a kind, they stay until a second resync, no
    /// sooner than [`Guard::PAUSE`] later, agrees. A list that came out short (a server just restored, a filter gone
    /// wrong) then costs nobody a session. Deletions that are told one by one are believed at once all the same.
    Doubt,
}

impl Guard {
    /// Fewer objects of a kind than this are not guarded.
    pub const FEWEST: usize = 10;
    /// Time between two lists that have to agree.
    pub const PAUSE: Duration = Duration::from_secs(30);
}

/// Objects that a resync did not mention and that stay for now, because it lacks too many.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Their kind.
    pub kind: Kind,
    /// Which they are.
    pub keys: BTreeSet<Key>,
    /// When the source is to list the kind again.
    pub list_again_in: Duration,
}

/// What keeps a source from having anything to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WaitingFor {
    /// The source has just begun.
    Source,
    /// A folder that does not exist.
    Folder(PathBuf),
    /// A folder that cannot be read yet.
    Readable(PathBuf),
    /// A file with objects in a folder that has none.
    Files(PathBuf),
    /// A server that has to answer first, by its address.
    Server(Arc<str>),
    /// The first list of these kinds.
    Kinds(Kinds),
}

impl fmt::Display for WaitingFor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source => f.write_str("the source to begin"),
            Self::Folder(path) => write!(f, "the folder {}, which does not exist; create it", path.display()),
            Self::Readable(path) => write!(f, "permission to read the folder {}", path.display()),
            Self::Files(path) => {
                let folder = path.display();
                write!(f, "a manifest in {folder}: put a file there whose name ends in .yaml, .yml or .json")
            }
            Self::Server(address) => write!(f, "an answer of {address}"),
            Self::Kinds(kinds) => write!(f, "the first list of {kinds}"),
        }
    }
}

/// One thing that a source saw. Events that come in one batch are in force at once.
#[derive(Debug)]
pub enum SourceEvent {
    /// A complete list of these kinds begins: until its end, what is set or kept counts as mentioned.
    ResyncBegin {
        /// What is listed.
        kinds: Kinds,
        /// Whether the end is believed if much is missing.
        guard: Guard,
    },
    /// The object is there, new or changed.
    Set {
        /// The object.
        object: Object,
        /// Its version.
        revision: Option<Revision>,
    },
    /// The object is there, but cannot be read now: its last good version, if there was one, stays.
    Kept(Key),
    /// The object is gone. Believed at once.
    Deleted {
        /// Which object.
        key: Key,
        /// The version at which it went.
        revision: Option<Revision>,
    },
    /// The list of these kinds is complete: what it did not mention is gone.
    ResyncEnd {
        /// What was listed.
        kinds: Kinds,
        /// The version of the list.
        revision: Option<Revision>,
    },
    /// All that is wrong at one place (a file, an object of an API), in place of what was wrong there before.
    Problems {
        /// The place.
        origin: Arc<str>,
        /// What is wrong; empty: nothing.
        problems: Vec<Problem>,
    },
    /// There is nothing to list yet.
    Waiting(WaitingFor),
    /// Something went wrong, and the source goes on.
    Failed(SourceError),
    /// The source cannot follow any more for now. What is known stays in force.
    Lost(SourceError),
    /// The source follows again where it left off; a resync that ends says the same.
    Regained,
}
