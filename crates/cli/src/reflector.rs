//! `heddle route-reflector`.

use std::process::ExitCode;

/// Runs until a signal ends it.
pub(crate) fn run(args: &heddle_route_reflector::Args) -> ExitCode {
    heddle_route_reflector::run(args)
}
