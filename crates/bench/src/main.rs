//! Heddle and other daemons through the same cases, in the same run, on the same machine.
//!
//! Each case brings up what it measures in network namespaces, does the same to each contender, and answers with a
//! [`report::Report`]: rows of one measure each, with a value for every contender. What is compared is only ever taken
//! within one run: the contenders take turns, so that whatever else the machine does hits all of them.
//!
//! `docs/performance.md` has the figures, and how to repeat them.

mod args;
mod cases;
mod configuration;
mod contender;
mod launch;
mod machine;
mod reflector;
mod report;
mod route_watch;
mod speaker;
mod stand;
mod stats;
mod usage;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;

use clap::Parser;
use heddle_lab::neighbours::Room;

use args::{Args, Case};

fn main() -> ExitCode {
    if let Some(failed) = launch::launched() {
        eprintln!("heddle-bench: {failed}");
        return ExitCode::FAILURE;
    }
    match run(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("heddle-bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &Args) -> anyhow::Result<()> {
    if let Case::Floor { address } = args.case {
        return reflector::floor::run(address);
    }
    if let Case::FloorNode(node) = &args.case {
        return cases::floor::run(node);
    }
    let directory = tempfile::Builder::new().prefix("heddle-bench-").tempdir()?;
    // Daemons that give up root have to reach their files.
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755))?;
    let measured = if let Case::Reflector(case) = &args.case {
        reflectors(args, case, directory.path())
    } else {
        nodes(args, directory.path())
    };
    if args.keep {
        eprintln!("files are in {}", directory.keep().display());
    }
    measured
}

fn reflectors(args: &Args, case: &args::Reflector, directory: &Path) -> anyhow::Result<()> {
    let _room = Room::make();
    let load = machine::load_average();
    let mut report = reflector::run(case, &args.contenders, &contender::heddle(args)?, directory)?;
    report.notes.push(machine::conditions(load));
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report.to_json())?);
    } else {
        print!("{report}");
    }
    reflector::check(&report)
}

fn nodes(args: &Args, directory: &Path) -> anyhow::Result<()> {
    let setup = contender::Setup::new(args, directory)?;
    let _room = Room::make();
    let load = machine::load_average();
    let mut report = cases::run(&args.case, &setup)?;
    report.load = load;
    report.configurations = setup.configurations();
    report.machine = machine::describe(&setup);
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report.to_json())?);
    } else {
        print!("{report}");
    }
    Ok(())
}
