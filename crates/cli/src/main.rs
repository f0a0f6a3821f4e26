//! The `heddle` command: runs the daemons, and shows and moves those that run.
//!
//! Every subcommand is a module: `show`, `peer`, `monitor` and parts of `config` speak to a daemon over its admin socket,
//! `config check` and `mrt` work on files alone. Arguments are in `args`, the ways in which a command ends in `exit`.

mod args;
mod completions;
mod config;
mod exit;
mod health;
mod monitor;
mod mrt;
mod node;
mod peer;
mod reflector;
mod render;
mod screen;
mod show;
mod table;
mod version;
mod words;

use std::process::ExitCode;

use clap::Parser;

use args::{Command, Heddle, NodePeerCommand, Tool};
use exit::Failure;
use screen::Screen;

fn main() -> ExitCode {
    if let Some(ended) = heddle_node_peer::stand_in() {
        return ended;
    }
    let heddle = Heddle::parse();
    let tool = match heddle.command {
        Command::RouteReflector(args) => return reflector::run(&args),
        Command::NodePeer(args::NodePeer { command: Some(NodePeerCommand::Drain(drain)), .. }) => {
            Tool::NodeDrain(drain)
        }
        Command::NodePeer(args::NodePeer { run: Some(args), context, addresses, .. }) => {
            return node::run(&args, &context, &addresses);
        }
        Command::NodePeer(args::NodePeer { run: None, .. }) => args::missing_node(),
        // It must see no other thread: it may enter a user namespace.
        Command::Lab(args) => return heddle_lab::command::run(&args),
        Command::Tool(tool) => tool,
    };
    let mut screen = Screen::new(heddle.color);
    let result = run(tool, &mut screen).and_then(|()| screen.flush().map_err(Failure::from));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(&screen),
    }
}

fn run(tool: Tool, screen: &mut Screen) -> Result<(), Failure> {
    match tool {
        Tool::Show(show) => client(show::run(show, screen)),
        Tool::NodeDrain(drain) => client(node::drain(drain, screen)),
        Tool::Health(health) => client(health::run(health, screen)),
        Tool::Peer(peer) => client(peer::run(peer, screen)),
        Tool::Monitor(monitor) => client(monitor::run(monitor, screen)),
        Tool::Config(config) => client(config::run(config, screen)),
        Tool::Mrt(mrt) => mrt::run(mrt, screen),
        Tool::Completions { shell } => completions::run(shell, screen),
        Tool::Version(version) => client(version::run(version, screen)),
    }
}

/// Runs what speaks to a daemon.
fn client(work: impl Future<Output = Result<(), Failure>>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(Failure::Runtime)?;
    runtime.block_on(work)
}
