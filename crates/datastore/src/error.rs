//! What can go wrong with a source.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use thiserror::Error;

/// What went wrong with a source. Objects that are wrong are [problems](crate::Problem), not errors.
#[derive(Clone, Debug, Error)]
pub enum SourceError {
    /// A folder cannot be read.
    #[error("cannot read the folder {}: {error}; see to its permissions", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: Arc<io::Error>,
    },
    /// The folder that is watched is gone.
    #[error("the folder {} is gone; what was in it stays in force until it is back", path.display())]
    FolderGone {
        /// The folder.
        path: PathBuf,
    },
    /// The folder is back, and there is nothing in it.
    #[error("the folder {} is back, but empty; what was in it stays in force until there are files", path.display())]
    FolderEmpty {
        /// The folder.
        path: PathBuf,
    },
    /// The kernel tells nothing about changes.
    #[error(
        "cannot watch {}: {error}; it is looked at every {seconds} s instead. If this is a limit, raise the sysctls \
         fs.inotify.max_user_watches and fs.inotify.max_user_instances", path.display()
    )]
    Watch {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: Arc<io::Error>,
        /// How often the folder is looked at.
        seconds: u64,
    },
    /// The source has ended, by itself or by a bug of ours.
    #[error("the source has ended; start the program again and report this")]
    Ended,
    /// Another source's own error.
    #[error(transparent)]
    Other(Arc<dyn std::error::Error + Send + Sync>),
}
