//! `heddle lab`: a fabric on this machine, from one command.
//!
//! `up` builds the fabric and stays in the foreground, holding its namespaces; the other commands speak to it over a socket in
//! its directory. When it ends, however it ends, namespaces and processes go with it.

mod args;
mod client;
mod server;
mod up;
mod watch;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use thiserror::Error;

pub use args::Args;
use args::Command;

use crate::fabric::FabricError;
use crate::rootless::RootlessError;
use crate::state::StateError;
use crate::topology::TopologyFileError;

/// A command failed.
#[derive(Debug, Error)]
enum Failure {
    #[error(transparent)]
    State(#[from] StateError),
    #[error(transparent)]
    Fabric(#[from] FabricError),
    #[error(transparent)]
    Rootless(#[from] RootlessError),
    #[error("{}:\n{source}", path.display())]
    Topology { path: PathBuf, source: TopologyFileError },
    #[error("{}: {source}", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the lab does not answer: {0}; `heddle lab down` removes what is left of it")]
    Silent(#[source] io::Error),
    /// What the lab said.
    #[error("{0}")]
    Refused(String),
    #[error("cannot start {}: {source}", program.display())]
    Program { program: PathBuf, source: io::Error },
    #[error("cannot handle signals: {0}")]
    Signals(#[source] io::Error),
    #[error("the fabric did not converge")]
    NotConverged,
}

/// Runs `heddle lab …`. No thread may have been started before: user namespaces are entered by the whole program.
#[must_use]
pub fn run(args: &Args) -> ExitCode {
    let name = args.name.as_deref();
    let result = match &args.command {
        Command::Up(up) => up::run(up, name),
        Command::Launch { parent, program } => {
            eprintln!("cannot start: {}", crate::process::launch(*parent, program));
            return ExitCode::from(127);
        }
        Command::Exec { host, program } => client::exec(name, host, program),
        Command::Down => client::down(name),
        Command::Status { json, routes } => {
            client::ask(name, &server::Request::Status { json: *json, routes: *routes })
        }
        Command::Ping { from, to } => client::ask(name, &server::Request::Ping { from: from.clone(), to: to.clone() }),
        Command::Break(fault) => {
            let request = server::Request::Break { target: fault.words.join(" "), seconds: fault.watch };
            client::ask(name, &request)
        }
        Command::Heal(fault) => {
            let request = server::Request::Heal { target: fault.words.join(" "), seconds: fault.watch };
            client::ask(name, &request)
        }
        Command::AddPod { node, borrowed } => {
            client::ask(name, &server::Request::AddPod { node: node.clone(), borrowed: borrowed.clone() })
        }
        Command::RemovePod { pod } => client::ask(name, &server::Request::RemovePod { pod: pod.clone() }),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            ExitCode::FAILURE
        }
    }
}

/// The `heddle` program: HEDDLE_BIN, or the one that runs.
fn program() -> Result<PathBuf, Failure> {
    let own = PathBuf::from("/proc/self/exe");
    match std::env::var_os("HEDDLE_BIN") {
        Some(path) => Ok(path.into()),
        None => std::fs::read_link(&own).map_err(|source| Failure::File { path: own, source }),
    }
}
