//! The route reflector as a program of its own; the same as `heddle route-reflector`.

use std::process::ExitCode;

use clap::Parser;
use heddle_route_reflector::Args;

fn main() -> ExitCode {
    heddle_route_reflector::run(&Args::parse())
}
