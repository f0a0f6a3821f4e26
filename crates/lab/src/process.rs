//! The processes of a fabric: started inside a namespace, stopped by their process ids, killed by the kernel when the
//! program that started them ends.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getppid};
use thiserror::Error;

use crate::groups;
use crate::namespace::{Namespace, NamespaceError, Worker};

/// How long a process that was told to end may take before it is killed.
const PATIENCE: Duration = Duration::from_secs(5);

/// What to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Program {
    /// The executable.
    pub executable: PathBuf,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables beside the inherited ones.
    pub environment: BTreeMap<String, String>,
}

impl Program {
    /// A program with its arguments.
    #[must_use]
    pub fn new<A: Into<OsString>>(executable: &Path, arguments: impl IntoIterator<Item = A>) -> Self {
        Self {
            executable: executable.to_owned(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            environment: BTreeMap::new(),
        }
    }
}

/// A process could not be started or signalled.
#[derive(Debug, Error)]
pub enum ProcessError {
    /// It could not be started.
    #[error("cannot start {}: {source}", executable.display())]
    Start {
        /// What.
        executable: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Its log file could not be opened.
    #[error("cannot write {}: {source}", path.display())]
    Log {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// FRR's group could not be given to root.
    #[error("cannot cover /etc/group with {}, which FRR needs: {source}", path.display())]
    Groups {
        /// The copy.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A signal could not be sent.
    #[error("cannot signal process {pid}: {source}")]
    Signal {
        /// Whom to.
        pid: u32,
        /// Why.
        source: io::Error,
    },
    /// It does not run.
    #[error("{name} does not run on {host}; start it again with `heddle lab heal {host}`")]
    NotRunning {
        /// The process.
        name: String,
        /// Its host.
        host: String,
    },
    /// The namespace.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
}

/// Starts processes, all from one thread that lives as long as this does.
#[derive(Debug)]
pub(crate) struct Starter {
    worker: Worker,
    /// Our own executable: it sets the parent-death signal and then becomes the program.
    launcher: PathBuf,
}

impl Starter {
    pub(crate) fn new(launcher: &Path) -> Result<Self, NamespaceError> {
        Ok(Self { worker: Worker::start()?, launcher: launcher.to_owned() })
    }

    /// Has all programs see `copy` instead of the groups file.
    pub(crate) fn cover_groups(&self, copy: PathBuf) -> Result<(), ProcessError> {
        let path = copy.clone();
        let covered = self.worker.run(move || groups::cover(&copy))?;
        covered.map_err(|source| ProcessError::Groups { path, source })
    }

    /// Starts a program; what it writes is appended to `log`.
    pub(crate) fn start(&self, namespace: &Namespace, program: &Program, log: &Path) -> Result<Process, ProcessError> {
        let failed = |source| ProcessError::Log { path: log.to_owned(), source };
        let output = OpenOptions::new().create(true).append(true).open(log).map_err(failed)?;
        let errors = output.try_clone().map_err(failed)?;
        let mut command = Command::new(&self.launcher);
        command.args(["lab", "launch", "--parent", &std::process::id().to_string(), "--"]);
        command.arg(&program.executable).args(&program.arguments).envs(&program.environment);
        command.stdin(Stdio::null()).stdout(output).stderr(errors);
        // Ctrl-C at the terminal is for us, who stop everything in order.
        command.process_group(0);
        let namespace = namespace.as_fd().try_clone_to_owned().map_err(NamespaceError::Enter)?;
        let spawn = move || {
            nix::sched::setns(namespace, nix::sched::CloneFlags::CLONE_NEWNET)
                .map_err(|error| NamespaceError::Enter(error.into()))?;
            Ok::<_, NamespaceError>(command.spawn())
        };
        let child = self.worker.run(spawn)??;
        let child = child.map_err(|source| ProcessError::Start { executable: program.executable.clone(), source })?;
        Ok(Process { child, log: log.to_owned(), state: State::Running })
    }
}

/// Becomes `program`, after asking the kernel for a SIGKILL when the thread that started us ends.
///
/// Returns only when it fails.
#[must_use]
pub fn launch(parent: u32, program: &[OsString]) -> io::Error {
    let Some((executable, arguments)) = program.split_first() else { return io::ErrorKind::InvalidInput.into() };
    if let Err(error) = set_pdeathsig(Signal::SIGKILL) {
        return error.into();
    }
    // It may have ended before we asked.
    if u32::try_from(getppid().as_raw()) != Ok(parent) {
        return io::Error::other("the program that started this one has ended");
    }
    Command::new(executable).args(arguments).exec()
}

/// A running process, or one that ended.
#[derive(Debug)]
pub struct Process {
    child: Child,
    log: PathBuf,
    state: State,
}

/// What became of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It runs.
    Running,
    /// It is stopped by SIGSTOP.
    Frozen,
    /// It ended, with this exit code or by this signal.
    Ended {
        /// The exit code.
        code: Option<i32>,
        /// The signal.
        signal: Option<i32>,
    },
}

impl Process {
    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Its log file.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// What it does.
    pub fn state(&mut self) -> State {
        // An error means that somebody else waited for it: then it has ended.
        if let Some(status) = self.child.try_wait().unwrap_or_else(|_| Some(ExitStatus::from_raw(0))) {
            self.state = State::Ended { code: status.code(), signal: status.signal() };
        }
        self.state
    }

    /// Whether it has not ended.
    pub fn is_alive(&mut self) -> bool {
        !matches!(self.state(), State::Ended { .. })
    }

    /// Kills it: no last words on its sessions.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn kill(&mut self) -> Result<(), ProcessError> {
        self.signal(Signal::SIGKILL)?;
        let _ = self.child.wait();
        self.state();
        Ok(())
    }

    /// Stops it with SIGSTOP: its sockets stay open, and silent.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn freeze(&mut self) -> Result<(), ProcessError> {
        self.signal(Signal::SIGSTOP)?;
        self.state = State::Frozen;
        Ok(())
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// When the signal cannot be sent.
    pub fn thaw(&mut self) -> Result<(), ProcessError> {
        self.signal(Signal::SIGCONT)?;
        self.state = State::Running;
        Ok(())
    }

    /// Ends it as planned: SIGTERM, and SIGKILL when that does not help.
    pub fn stop(&mut self) {
        self.begin_stop();
        self.finish_stop(Instant::now() + PATIENCE);
    }

    /// Tells it to end.
    pub(crate) fn begin_stop(&mut self) {
        if self.state() == State::Frozen {
            let _ = self.signal(Signal::SIGCONT);
        }
        if self.is_alive() {
            let _ = self.signal(Signal::SIGTERM);
        }
    }

    /// Waits for the end until `deadline`, then brings it about.
    pub(crate) fn finish_stop(&mut self, deadline: Instant) {
        while self.is_alive() {
            if Instant::now() >= deadline {
                let _ = self.child.kill();
                let _ = self.child.wait();
                return;
            }
            sleep(Duration::from_millis(5));
        }
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// When it has ended.
    pub fn signal(&mut self, signal: Signal) -> Result<(), ProcessError> {
        let pid = self.pid();
        let failed = |source| ProcessError::Signal { pid, source };
        if !self.is_alive() {
            return Err(failed(io::ErrorKind::NotFound.into()));
        }
        let number = i32::try_from(pid).map_err(|_| failed(io::ErrorKind::InvalidData.into()))?;
        kill(Pid::from_raw(number), signal).map_err(|error| failed(error.into()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How long [`stop_all`] waits.
pub(crate) fn stop_deadline() -> Instant {
    Instant::now() + PATIENCE
}
