//! Network namespaces held by a file descriptor.
//!
//! A namespace lives as long as something holds it: here the descriptor of a [`Namespace`], and the processes inside. There is
//! nothing to remove: when the program that made a fabric is gone, however it ended, so are the namespaces.

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;
use std::sync::mpsc::{Sender, SyncSender, channel, sync_channel};
use std::thread;

use heddle_netlink::namespace::{create, within};
use thiserror::Error;

/// A network namespace.
#[derive(Debug)]
pub struct Namespace {
    descriptor: OwnedFd,
}

/// A namespace could not be made or entered.
#[derive(Debug, Error)]
pub enum NamespaceError {
    /// A thread could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] io::Error),
    /// The kernel refused a new namespace.
    #[error(
        "cannot make a network namespace: {0}; run as root, or allow user namespaces (sysctl user.max_user_namespaces)"
    )]
    Make(#[source] io::Error),
    /// The kernel refused the way in.
    #[error("cannot enter a network namespace: {0}")]
    Enter(#[source] io::Error),
    /// A setting could not be written.
    #[error("cannot write {path}: {source}")]
    Setting {
        /// The file below `/proc/sys`.
        path: String,
        /// Why.
        source: io::Error,
    },
    /// The thread that starts processes is gone.
    #[error("the thread that starts processes has ended")]
    WorkerGone,
}

impl Namespace {
    /// Makes one; `lo` is down, as the kernel leaves it.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn new() -> Result<Self, NamespaceError> {
        Ok(Self { descriptor: create().map_err(NamespaceError::Make)? })
    }

    /// Runs `work` inside, on a thread of its own. Sockets that it opens stay inside wherever they are used.
    ///
    /// # Errors
    /// When the namespace cannot be entered.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NamespaceError> {
        within(&self.descriptor, work).map_err(NamespaceError::Enter)
    }

    /// Writes settings below `/proc/sys/net`; paths and values.
    ///
    /// # Errors
    /// The first that cannot be written.
    pub fn set(&self, settings: &[(&str, &str)]) -> Result<(), NamespaceError> {
        self.run(|| settings.iter().try_for_each(|(path, value)| write_setting(path, value)))?
    }

    /// Where other processes find it: valid while this process lives and holds it.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/fd/{}", std::process::id(), self.descriptor.as_raw_fd()))
    }
}

impl AsFd for Namespace {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}

/// Writes `/proc/sys/net/PATH` of the calling thread's namespace.
pub(crate) fn write_setting(path: &str, value: &str) -> Result<(), NamespaceError> {
    let path = format!("/proc/sys/net/{path}");
    fs::write(&path, value).map_err(|source| NamespaceError::Setting { path, source })
}

type Job = Box<dyn FnOnce() + Send>;

/// A thread that does one job after the other and lives until this is dropped.
///
/// Processes are started from it: the kernel kills a process with a parent-death signal when the *thread* that started it
/// ends, not the whole program.
#[derive(Debug)]
pub(crate) struct Worker {
    jobs: Sender<Job>,
}

impl Worker {
    pub(crate) fn start() -> Result<Self, NamespaceError> {
        let (jobs, queue) = channel::<Job>();
        let work = move || queue.into_iter().for_each(|job| job());
        thread::Builder::new().name("starter".to_owned()).spawn(work).map_err(NamespaceError::Thread)?;
        Ok(Self { jobs })
    }

    /// Does a job on the thread and waits for its end.
    pub(crate) fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, NamespaceError> {
        let (reply, answer): (SyncSender<T>, _) = sync_channel(1);
        let job: Job = Box::new(move || {
            let _ = reply.send(work());
        });
        self.jobs.send(job).map_err(|_| NamespaceError::WorkerGone)?;
        answer.recv().map_err(|_| NamespaceError::WorkerGone)
    }
}
