//! Processes by the names of Calico's two BIRDs.
//!
//! `calicoctl node status` looks at the processes of the machine first: where none is called `bird` it asks no `bird.ctl`, and for
//! `bird6` likewise. So who wants these sockets gets two processes more, which do nothing, have no rights, and end with the node.

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitCode, Stdio};

use heddle_config::Confinement;
use heddle_confinement::{Needs, Programs, Routes};
use tracing::warn;

/// What the processes are called: the first word of their command line.
const NAMES: [&str; 2] = ["bird", "bird6"];
/// Before the number of the node's process, which is for people.
const BESIDE: &str = "--beside";

/// Does what such a process does, if this is one; to be asked before anything else. It returns only if it is none, or its node has ended.
#[must_use]
pub fn stand_in() -> Option<ExitCode> {
    let mut words = std::env::args_os().map(|word| word.into_string().unwrap_or_default());
    if !NAMES.contains(&words.next()?.as_str()) || words.next()? != BESIDE {
        return None;
    }
    words.next()?.parse::<u32>().ok().map(|_| wait())
}

/// Waits until the node's end of standard input is closed, as it is when the node has ended, however that was. (A signal for the death
/// of a parent does not come: a confined node cannot send signals, and the kernel sends it in its name.)
fn wait() -> ExitCode {
    let nothing =
        Needs { routes: Routes::Untouched, programs: Programs::Unused, reads: Vec::new(), writes: Vec::new() };
    let _ = heddle_confinement::confine(&Confinement::default(), &nothing);
    // Nothing is ever written to it.
    let _ = io::stdin().read(&mut [0]);
    ExitCode::SUCCESS
}

/// The two processes; they end when this is dropped, and with the process.
#[derive(Debug, Default)]
pub(crate) struct StandIns(Vec<Child>);

impl StandIns {
    /// Starts them. What cannot be started is said: nothing else depends on it.
    pub(crate) fn start() -> Self {
        let start = |name: &str| {
            let mut command = Command::new(std::env::current_exe()?);
            command.arg0(name).arg(BESIDE).arg(std::process::id().to_string()).env_clear();
            command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()
        };
        let mut all = Self::default();
        for name in NAMES {
            match start(name) {
                Ok(child) => all.0.push(child),
                Err(error) => warn!(%error, "no process called {name} runs, so that calicoctl does not ask"),
            }
        }
        all
    }
}

impl Drop for StandIns {
    fn drop(&mut self) {
        for child in &mut self.0 {
            drop(child.stdin.take());
            let _ = child.wait();
        }
    }
}
