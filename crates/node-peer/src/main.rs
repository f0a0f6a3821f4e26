//! The node peer as a program of its own.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    heddle_node_peer::run(&heddle_node_peer::Args::parse())
}
