//! A folder of manifests as a source.

mod merge;
mod name;
mod scan;
mod source;
mod table;
mod tree;

pub(crate) use name::any_visible;
pub(crate) use scan::{Dirty, Scan};
pub use source::{FileOptions, FileSource, FolderContent};
pub(crate) use tree::{Batch, Change, FileTree, Pace, Root};
