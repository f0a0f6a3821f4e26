//! The cases.

mod latency;
pub(crate) mod reflectors;

use crate::args::Case;
use crate::contender::Setup;
use crate::report::Report;

/// Runs one.
pub(crate) fn run(case: &Case, setup: &Setup) -> anyhow::Result<Report> {
    match case {
        Case::Latency(args) => latency::run(args, setup),
        _ => anyhow::bail!("not yet"),
    }
}
