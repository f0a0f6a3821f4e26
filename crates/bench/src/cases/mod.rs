//! The cases.

mod cold_start;
mod cpu;
mod fill;
pub(crate) mod floor;
mod latency;
mod memory;
pub(crate) mod reflectors;
mod start;
mod syscalls;

use crate::args::Case;
use crate::contender::Setup;
use crate::report::Report;

/// Runs one.
pub(crate) fn run(case: &Case, setup: &Setup) -> anyhow::Result<Report> {
    match case {
        Case::Latency(args) => latency::run(args, setup),
        Case::Start(args) => start::run(args, setup),
        Case::ColdStart(args) => cold_start::run(args, setup),
        Case::Fill(args) => fill::run(args, setup),
        Case::Syscalls(args) => syscalls::run(args, setup),
        Case::Cpu(args) => cpu::run(args, setup),
        Case::Memory(args) => memory::run(args, setup),
        Case::Reflector(_) | Case::Floor { .. } | Case::FloorNode(_) => anyhow::bail!("not a case of nodes"),
    }
}
