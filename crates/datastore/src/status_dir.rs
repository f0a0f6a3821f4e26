//! Where status is written.

use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use thiserror::Error;

use crate::yaml;

/// What can go wrong with status files.
#[derive(Debug, Error)]
pub enum StatusDirError {
    /// Status would come back as objects.
    #[error(
        "the status folder {} is inside of the watched folder {}: what is written there would be read as manifests; \
         choose one outside, such as /run/heddle/status", status.display(), watched.display()
    )]
    InsideWatched {
        /// The status folder.
        status: PathBuf,
        /// The watched folder.
        watched: PathBuf,
    },
    /// The folder cannot be made.
    #[error("cannot make the status folder {}: {error}; see to its permissions, or choose another", path.display())]
    Make {
        /// The folder.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A file cannot be written.
    #[error("cannot write {}: {error}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
    /// A name that would lead elsewhere.
    #[error("{0:?} is no name for a status file; use letters, digits, '-', '_' and '.', not at the beginning")]
    Name(String),
}

/// A folder to which documents are written by rename: whoever reads one sees the old text or the new one, whole.
#[derive(Debug)]
pub struct StatusDir {
    path: PathBuf,
}

impl StatusDir {
    /// Makes the folder where it does not exist. `watched` is the folder that is watched for manifests, if there is one.
    ///
    /// # Errors
    /// If it is inside of the watched folder, whatever links lead there, or cannot be made.
    pub fn open(path: &Path, watched: Option<&Path>) -> Result<Self, StatusDirError> {
        // Looked at before it is made as well: nothing is to be made in the watched folder.
        let inside = |status: &Path| {
            watched
                .filter(|w| resolved(status).starts_with(resolved(w)))
                .map(|w| StatusDirError::InsideWatched { status: path.to_owned(), watched: w.to_owned() })
        };
        if let Some(error) = inside(path) {
            return Err(error);
        }
        fs::create_dir_all(path).map_err(|error| StatusDirError::Make { path: path.to_owned(), error })?;
        match inside(path) {
            Some(error) => Err(error),
            None => Ok(Self { path: path.to_owned() }),
        }
    }

    /// Writes a document as `NAME.yaml`. Blocking, for as long as a small file takes.
    ///
    /// # Errors
    /// If the name is no plain name, or the file cannot be written; what was there before stays.
    pub fn write(&self, name: &str, document: &serde_json::Value) -> Result<(), StatusDirError> {
        self.write_text(name, &yaml::document(document))
    }

    /// Writes a text as `NAME.yaml`.
    ///
    /// # Errors
    /// Likewise.
    pub fn write_text(&self, name: &str, text: &str) -> Result<(), StatusDirError> {
        /// Makes names of temporary files differ.
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let path = self.file(name)?;
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let temporary = self.path.join(format!(".{name}.{}.{number}.tmp", std::process::id()));
        let written = fs::File::create(&temporary)
            .and_then(|mut file| file.write_all(text.as_bytes()))
            .and_then(|()| fs::rename(&temporary, &path));
        written.map_err(|error| {
            // What is left over, if anything, is in nobody's way.
            let _ = fs::remove_file(&temporary);
            StatusDirError::Write { path, error }
        })
    }

    /// Removes `NAME.yaml`; that it is not there is no error.
    ///
    /// # Errors
    /// If the name is no plain name, or the file cannot be removed.
    pub fn remove(&self, name: &str) -> Result<(), StatusDirError> {
        let path = self.file(name)?;
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(StatusDirError::Write { path, error }),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn file(&self, name: &str) -> Result<PathBuf, StatusDirError> {
        let good = !name.is_empty()
            && name.len() <= 200
            && !name.starts_with('.')
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
        if good { Ok(self.path.join(format!("{name}.yaml"))) } else { Err(StatusDirError::Name(name.to_owned())) }
    }
}

/// A path without links, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut rest = Vec::new();
    let mut existing = absolute.as_path();
    loop {
        if let Ok(real) = fs::canonicalize(existing) {
            return rest.iter().rev().fold(real, |path, name| path.join(name));
        }
        let (Some(parent), Some(name)) = (existing.parent(), existing.file_name()) else { return absolute };
        rest.push(name.to_owned());
        existing = parent;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn documents_are_written_whole_and_removed() {
        let folder = tempfile::tempdir().unwrap();
        let status = StatusDir::open(&folder.path().join("a/b"), None).unwrap();
        let file = folder.path().join("a/b/node-1.yaml");
        for number in 0..3 {
            status.write("node-1", &json!({ "number": number })).unwrap();
            assert_eq!(fs::read_to_string(&file).unwrap(), format!("number: {number}\n"));
        }
        assert_eq!(fs::read_dir(folder.path().join("a/b")).unwrap().count(), 1, "nothing is left over");
        status.remove("node-1").unwrap();
        status.remove("node-1").unwrap();
        assert!(!file.exists());
        for name in ["", "../x", "a/b", ".hidden", "a b"] {
            assert!(matches!(status.write_text(name, ""), Err(StatusDirError::Name(_))), "{name}");
        }
    }

    #[test]
    fn a_folder_inside_of_the_watched_one_is_refused_and_not_made() {
        let folder = tempfile::tempdir().unwrap();
        let watched = folder.path().join("watched");
        fs::create_dir(&watched).unwrap();
        std::os::unix::fs::symlink(&watched, folder.path().join("link")).unwrap();
        for inside in ["watched", "watched/status", "link/status", "watched/../watched/x", "link"] {
            let refused = StatusDir::open(&folder.path().join(inside), Some(&watched));
            assert!(matches!(refused, Err(StatusDirError::InsideWatched { .. })), "{inside}");
        }
        // The other way round, the watched folder by its other name.
        let refused = StatusDir::open(&watched.join("s"), Some(&folder.path().join("link")));
        assert!(refused.unwrap_err().to_string().contains("choose one outside"));
        assert_eq!(fs::read_dir(&watched).unwrap().count(), 0);
        StatusDir::open(&folder.path().join("watched-not"), Some(&watched)).unwrap();
        StatusDir::open(folder.path(), Some(&watched)).unwrap();
    }
}
