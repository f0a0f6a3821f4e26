//! What a daemon takes away from itself before it speaks to anybody.
//!
//! | module | what goes | by |
//! |---|---|---|
//! | `dumps` | core dumps, looks into its memory | `PR_SET_DUMPABLE`, `RLIMIT_CORE` |
//! | `capabilities` | all but those that it uses, and ways to new ones | `capset(2)`, `PR_SET_NO_NEW_PRIVS` |
//! | `files` | files that it neither reads nor writes | Landlock |
//! | `calls` | system calls that it never makes | seccomp |
//!
//! Capabilities and Landlock belong to a thread, and threads have them from the one that made them: [`confine`] is called
//! while there is only one. Nothing of it can be undone in the process. What the kernel does not have is left out and said;
//! what it has is found out by asking it, not by its version.

mod calls;
mod capabilities;
mod dumps;
mod files;

use std::path::{Path, PathBuf};

use heddle_config::{Confinement, ConfinementPart};

/// What a daemon goes on to need.
#[derive(Clone, Debug)]
pub struct Needs {
    /// Whether it writes the kernel's routes.
    pub routes: Routes,
    /// Whether it starts programs.
    pub programs: Programs,
    /// Folders and files that it reads. What does not exist yet stands for the folder in which it will be made.
    pub reads: Vec<PathBuf>,
    /// Folders in which it makes, replaces and removes files and sockets, and files that it writes. They exist.
    pub writes: Vec<PathBuf>,
}

/// Whether a daemon writes the kernel's routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routes {
    /// It does: `CAP_NET_ADMIN`.
    Written,
    /// It does not.
    Untouched,
}

/// Whether a daemon starts programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Programs {
    /// It starts some, which may read and execute all files and write where programs of its user do.
    Started,
    /// It starts none.
    Unused,
}

/// What became of one part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum State {
    /// It is in force; what it comes to.
    InForce(String),
    /// It is turned off.
    Off,
    /// The kernel does not have it.
    Missing(String),
    /// It was refused.
    Failed(String),
}

impl State {
    /// Its name in the API.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::InForce(_) => "in_force",
            Self::Off => "off",
            Self::Missing(_) => "missing",
            Self::Failed(_) => "failed",
        }
    }

    /// What there is to say beside.
    #[must_use]
    pub fn detail(&self) -> &str {
        match self {
            Self::InForce(text) | Self::Missing(text) | Self::Failed(text) => text,
            Self::Off => "",
        }
    }
}

/// Takes from the process what it does not need; to be called while it has one thread.
#[must_use]
pub fn confine(wanted: &Confinement, needs: &Needs) -> Vec<(ConfinementPart, State)> {
    let alone = alone();
    let apply = |part: ConfinementPart| {
        if wanted.off.contains(&part) {
            return State::Off;
        }
        match part {
            ConfinementPart::Dumps => dumps::refuse(),
            ConfinementPart::Capabilities | ConfinementPart::Landlock | ConfinementPart::Seccomp if !alone => {
                State::Failed("the process has more than one thread already".to_owned())
            }
            ConfinementPart::Capabilities => capabilities::drop_others(needs.routes),
            ConfinementPart::Landlock => files::restrict(wanted, needs),
            ConfinementPart::Seccomp => calls::restrict(needs.programs),
        }
    };
    ConfinementPart::ALL.into_iter().map(|part| (part, apply(part))).collect()
}

/// Whether the process has one thread. Where that cannot be found out it is taken for granted.
fn alone() -> bool {
    std::fs::read_dir("/proc/self/task").map_or(true, |tasks| tasks.count() == 1)
}

/// The folder of a file, by the path as it is written and by the one that links lead to. `/` alone for none of both: it would
/// be everything.
#[must_use]
pub fn folders(file: &Path) -> Vec<PathBuf> {
    let written = std::path::absolute(file).ok();
    let real = file.canonicalize().ok();
    let parents = [written, real].into_iter().flatten().filter_map(|path| path.parent().map(Path::to_owned));
    let mut found: Vec<PathBuf> = parents.filter(|folder| folder.parent().is_some()).collect();
    found.dedup();
    if found.is_empty() { vec![file.to_owned()] } else { found }
}

/// The folder of a socket, made where it does not exist: a folder that is made later cannot be written to.
#[must_use]
pub fn folder_of_socket(socket: &Path) -> Option<PathBuf> {
    let folder = std::path::absolute(socket).ok()?.parent()?.to_owned();
    // What is in the way is said by whoever binds the socket.
    let _ = std::fs::create_dir_all(&folder);
    Some(folder)
}
