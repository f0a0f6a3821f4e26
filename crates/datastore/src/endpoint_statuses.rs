//! Follows the folder in which Felix tells of local workloads.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use heddle_resources::endpoint_status::{EndpointStatus, EndpointStatusError};
use thiserror::Error;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::files::{Batch, Change, Dirty, FileTree, Pace, Root, Scan, any_visible};
use crate::problem::InForce;

/// What is wrong with a file.
#[derive(Clone, Debug, Error)]
pub enum EndpointFault {
    /// It is no status of a workload.
    #[error("{}: {error}; {in_force}", path.display())]
    Invalid {
        /// The file.
        path: PathBuf,
        /// Why.
        error: EndpointStatusError,
        /// What counts instead.
        in_force: InForce,
    },
    /// It cannot be read.
    #[error("{}: cannot be read: {error}; {in_force}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        error: Arc<io::Error>,
        /// What counts instead.
        in_force: InForce,
    },
}

/// What the folder says.
#[derive(Clone, Debug, Default)]
pub struct EndpointStatusReport {
    /// Whether the folder was looked at; before, the list is empty.
    pub known: bool,
    /// All workloads, in the order of their interfaces.
    pub statuses: Arc<[EndpointStatus]>,
    /// What is wrong with files, in the order of their names.
    pub faults: Arc<[EndpointFault]>,
}

/// A folder with a JSON file for each workload, followed until this is dropped.
///
/// A folder that does not exist is one without workloads. One that goes away changes nothing.
#[derive(Debug)]
pub struct EndpointStatuses {
    reports: watch::Receiver<EndpointStatusReport>,
    task: JoinHandle<()>,
}

impl Drop for EndpointStatuses {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl EndpointStatuses {
    /// Where Calico has the folder, if nothing else is said.
    pub const DEFAULT_FOLDER: &'static str = "/var/run/calico/endpoint-status";

    /// The folder for a value of `CALICO_ENDPOINT_STATUS_PATH_PREFIX`, which names the folder above it.
    #[must_use]
    pub fn folder(prefix: impl AsRef<Path>) -> PathBuf {
        prefix.as_ref().join("endpoint-status")
    }

    /// Follows a folder, in a task of the current runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn follow(folder: impl AsRef<Path>) -> Self {
        let folder = folder.as_ref().to_owned();
        let (sender, reports) = watch::channel(EndpointStatusReport::default());
        let task = tokio::spawn(async move {
            let mut tree = FileTree::new(&folder, any_visible);
            let mut files = Files { folder, states: BTreeMap::new() };
            loop {
                let batch = tree.next(Pace::USUAL).await;
                if files.take(batch) || !sender.borrow().known {
                    sender.send_replace(files.report());
                }
            }
        });
        Self { reports, task }
    }

    /// What a folder says, read once. Blocking. One that does not exist is one without workloads.
    #[must_use]
    pub fn read(folder: impl AsRef<Path>) -> EndpointStatusReport {
        let folder = folder.as_ref().to_owned();
        let seen = Scan::new(folder.clone(), any_visible, None).look(Dirty::everything());
        let mut files = Files { folder, states: BTreeMap::new() };
        for (name, change) in seen.changes {
            files.file(name, change);
        }
        files.report()
    }

    /// What the folder says, now and whenever that changes.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<EndpointStatusReport> {
        self.reports.clone()
    }

    /// What the folder says now.
    #[must_use]
    pub fn report(&self) -> EndpointStatusReport {
        self.reports.borrow().clone()
    }
}

/// A file: its last good state, and what is wrong now.
#[derive(Debug, Default)]
struct FileState {
    status: Option<EndpointStatus>,
    fault: Option<EndpointFault>,
}

/// All files.
struct Files {
    folder: PathBuf,
    states: BTreeMap<PathBuf, FileState>,
}

impl Files {
    /// Takes what a look brought; answers whether that may change the report.
    fn take(&mut self, batch: Batch) -> bool {
        match batch.root {
            Root::Present => {}
            // What was known stays.
            Root::Missing | Root::Unreadable(_) => return false,
        }
        let changed = !batch.changes.is_empty();
        for (path, change) in batch.changes {
            self.file(path, change);
        }
        changed
    }

    fn file(&mut self, name: PathBuf, change: Change) {
        let path = self.folder.join(&name);
        let status = self.states.remove(&name).and_then(|s| s.status);
        let in_force = if status.is_some() { InForce::LastGood } else { InForce::Nothing };
        let unreadable = |error| Some(EndpointFault::Unreadable { path: path.clone(), error, in_force });
        let state = match change {
            Change::Removed | Change::Ignored => return,
            Change::Unreadable(error) => FileState { status, fault: unreadable(error) },
            Change::TooLarge { .. } => {
                FileState { status, fault: unreadable(Arc::new(io::Error::from(io::ErrorKind::FileTooLarge))) }
            }
            Change::Content(content) => match EndpointStatus::from_json(&String::from_utf8_lossy(&content)) {
                Ok(status) => FileState { status: Some(status), fault: None },
                Err(error) => {
                    let fault = EndpointFault::Invalid { path, error, in_force };
                    FileState { status, fault: Some(fault) }
                }
            },
        };
        self.states.insert(name, state);
    }

    fn report(&self) -> EndpointStatusReport {
        let mut statuses: Vec<_> = self.states.values().filter_map(|s| s.status.clone()).collect();
        statuses.sort();
        let faults = self.states.values().filter_map(|s| s.fault.clone()).collect();
        EndpointStatusReport { known: true, statuses: statuses.into(), faults }
    }
}
