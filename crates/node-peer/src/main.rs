//! The node peer as a program of its own.

use std::process::ExitCode;

use clap::Parser;

/// Run a node of a cluster
#[derive(Debug, Parser)]
#[command(version)]
struct Program {
    #[command(flatten)]
    args: heddle_node_peer::Args,
    #[command(flatten)]
    context: heddle_node_peer::ContextArgs,
    #[command(flatten)]
    addresses: heddle_node_peer::AddressArgs,
}

fn main() -> ExitCode {
    if let Some(ended) = heddle_node_peer::stand_in() {
        return ended;
    }
    let Program { args, context, addresses } = Program::parse();
    heddle_node_peer::run(&args, &context, &addresses)
}
