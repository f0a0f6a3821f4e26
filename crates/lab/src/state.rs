//! What other invocations find a running lab by: its directory, a socket, and a file that says who runs it.

use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, geteuid};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// The file of a lab.
const STATE: &str = "lab.json";
/// The socket of a lab.
const SOCKET: &str = "lab.sock";

/// A process that can be told from a later one of the same number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ProcessId {
    pub(crate) pid: u32,
    /// When it began, in ticks since the machine did (field 22 of `/proc/PID/stat`).
    pub(crate) began: u64,
}

impl ProcessId {
    /// A running process; `None` when there is none of this number.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the program's name in parentheses, which may have anything in it.
        let (_, rest) = text.rsplit_once(')')?;
        let began = rest.split_whitespace().nth(19)?.parse().ok()?;
        // A zombie has ended.
        (rest.split_whitespace().next() != Some("Z")).then_some(Self { pid, began })
    }

    pub(crate) fn is_alive(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    pub(crate) fn signal(self, signal: Signal) {
        if let (true, Ok(pid)) = (self.is_alive(), i32::try_from(self.pid)) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }
}

/// What a lab writes down about itself.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    /// The program that holds the namespaces.
    pub(crate) supervisor: ProcessId,
    /// What it started.
    pub(crate) processes: Vec<ProcessId>,
}

/// No lab, or one too many.
#[derive(Debug, Error)]
pub(crate) enum StateError {
    #[error("no lab runs here; start one with `heddle lab up`")]
    None,
    #[error("no lab {0:?} runs here; start it with `heddle lab up --name {0}`")]
    NoSuch(String),
    #[error("several labs run here: {}; choose one with --name", .0.join(", "))]
    Several(Vec<String>),
    #[error("the lab {0:?} runs already; end it with `heddle lab down --name {0}`, or choose another --name")]
    Runs(String),
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
}

/// The place of a lab.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) name: String,
    pub(crate) directory: PathBuf,
}

impl Place {
    /// The place of a lab of this name, which need not be there.
    pub(crate) fn named(name: &str) -> Self {
        Self { name: name.to_owned(), directory: base().join(name) }
    }

    /// The lab of this name, or the only one. What is found may be the remains of one.
    pub(crate) fn find(name: Option<&str>) -> Result<Self, StateError> {
        if let Some(name) = name {
            let place = Self::named(name);
            return if place.directory.exists() { Ok(place) } else { Err(StateError::NoSuch(name.to_owned())) };
        }
        let entries = fs::read_dir(base()).map_err(|_| StateError::None)?;
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        match names.as_slice() {
            [] => Err(StateError::None),
            [name] => Ok(Self::named(name)),
            _ => Err(StateError::Several(names)),
        }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.join(SOCKET)
    }

    /// What is written down; `None` where nothing readable is.
    pub(crate) fn state(&self) -> Option<State> {
        serde_json::from_str(&fs::read_to_string(self.directory.join(STATE)).ok()?).ok()
    }

    pub(crate) fn write(&self, state: &State) -> Result<(), StateError> {
        let path = self.directory.join(STATE);
        let half = self.directory.join(".lab.json.new");
        let failed = |source| StateError::File { path: path.clone(), source };
        let text = serde_json::to_string(state).map_err(|error| failed(error.into()))?;
        fs::create_dir_all(&self.directory).map_err(failed)?;
        fs::write(&half, text).and_then(|()| fs::rename(&half, &path)).map_err(failed)
    }

    /// Makes the place free: an error while a lab runs there, otherwise the remains of a crashed one go.
    pub(crate) fn claim(&self) -> Result<(), StateError> {
        if self.state().is_some_and(|state| state.supervisor.is_alive()) {
            return Err(StateError::Runs(self.name.clone()));
        }
        self.clean();
        let failed = |source| StateError::File { path: self.directory.clone(), source };
        fs::create_dir_all(&self.directory).map_err(failed)
    }

    /// Kills what a lab left behind, and removes its directory. Namespaces go with the last process inside.
    pub(crate) fn clean(&self) {
        if let Some(state) = self.state() {
            state.processes.iter().for_each(|process| process.signal(Signal::SIGKILL));
        }
        let _ = fs::remove_dir_all(&self.directory);
        // The directory of all labs, when this was the last.
        if let Some(base) = self.directory.parent() {
            let _ = fs::remove_dir(base);
        }
    }
}

/// The directory of all labs of this user.
fn base() -> PathBuf {
    if let Some(base) = env::var_os("HEDDLE_LAB_DIR") {
        return PathBuf::from(base);
    }
    if geteuid().is_root() {
        return PathBuf::from("/run/heddle-lab");
    }
    match env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| is_ours(path)) {
        Some(runtime) => runtime.join("heddle-lab"),
        None => env::temp_dir().join(format!("heddle-lab-{}", geteuid())),
    }
}

fn is_ours(path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    fs::metadata(path).is_ok_and(|data| data.is_dir() && data.uid() == geteuid().as_raw())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_by_its_beginning() {
        let own = ProcessId::of(std::process::id()).expect("we run");
        assert!(own.is_alive());
        assert!(!ProcessId { began: own.began + 1, ..own }.is_alive());
        assert_eq!(ProcessId::of(u32::MAX), None);
    }

    #[test]
    fn a_place_is_claimed_once_while_its_lab_runs() {
        let directory = tempfile::tempdir().expect("a directory");
        let place = Place { name: "x".to_owned(), directory: directory.path().join("labs/x") };
        place.claim().expect("free");
        let own = ProcessId::of(std::process::id()).expect("we run");
        place.write(&State { supervisor: own, processes: Vec::new() }).expect("written");
        assert!(matches!(place.claim(), Err(StateError::Runs(_))));
        let ended = ProcessId { began: own.began + 1, ..own };
        place.write(&State { supervisor: ended, processes: vec![ended] }).expect("written");
        place.claim().expect("the one before crashed");
        assert!(place.state().is_none());
        place.clean();
        assert!(!directory.path().join("labs").exists());
    }
}
