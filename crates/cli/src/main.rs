//! The `heddle` command: runs the daemons, and shows and moves those that run.
//!
//! Every subcommand is a module: `show`, `peer`, `monitor` and parts of `config` speak to a daemon over its admin socket,
//! `config check` and `mrt` work on files alone. Arguments are in `args`, the ways in which a command ends in `exit`.

mod args;
mod completions;
mod config;
mod exit;
mod monitor;
mod mrt;
mod peer;
mod screen;
mod show;
mod table;
mod version;
mod words;

use std::process::ExitCode;

use clap::Parser;

use args::{Command, Heddle};
use exit::Failure;
use screen::Screen;

fn main() -> ExitCode {
    let heddle = Heddle::parse();
    let mut screen = Screen::new(heddle.color);
    let result = run(heddle.command, &mut screen).and_then(|()| screen.flush().map_err(Failure::from));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(&screen),
    }
}

fn run(command: Command, screen: &mut Screen) -> Result<(), Failure> {
    match command {
        Command::Show(show) => client(show::run(show, screen)),
        Command::Peer(peer) => client(peer::run(peer, screen)),
        Command::Monitor(monitor) => client(monitor::run(monitor, screen)),
        Command::Config(config) => client(config::run(config, screen)),
        Command::Mrt(mrt) => mrt::run(mrt, screen),
        Command::Completions { shell } => completions::run(shell, screen),
        Command::Version(version) => client(version::run(version, screen)),
    }
}

/// Runs what speaks to a daemon.
fn client(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Runtime)?;
    runtime.block_on(work)
}
