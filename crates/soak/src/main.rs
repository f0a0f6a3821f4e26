//! The soak: a whole lab under churn and faults, for minutes or hours.
//!
//! Two racks with a switch each (FRR, BIRD), two reflectors, nodes with pods. Rounds follow each other: in the first
//! part of each, faults strike and routes and pods come and go, all of it worked out from a seed before anything is
//! done ([`schedule`]); then everything is mended, and the lab has a while to become what a small reference
//! ([`mod@reference`]) says: each kernel has exactly the routes that it has to have, every session is up, nothing is
//! stale, every pod reaches every other. At any time: no program ends by itself, no stranger's route is touched, no log
//! has an ERROR. At the end, what lived from the beginning must not have grown ([`growth`]). Whatever is otherwise is a
//! violation.
//!
//! `docs/reliability.md` has what it found.

mod api;
mod check;
mod fault;
mod growth;
mod pod_routes;
mod random;
mod reference;
mod report;
mod run;
mod schedule;
mod strangers;
mod strike;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::Parser;
use heddle_lab::neighbours::Room;

/// Run a whole lab under churn and faults; fails where something is not as it has to be. Needs root.
#[derive(Clone, Debug, Parser)]
#[command(name = "heddle-soak", version)]
struct Args {
    /// Minutes; the round in which they are over is finished
    #[arg(long, default_value_t = 10.0)]
    minutes: f64,
    /// The faults and their times come from this number; without it, from one that is told
    #[arg(long)]
    seed: Option<u64>,
    /// The round to begin with
    #[arg(long, default_value_t = 0)]
    round: u32,
    /// Seconds that faults strike in a round, about
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(2..=600))]
    seconds: u64,
    /// Two switches in each rack, every node cabled to both and peering with both, instead of reflectors
    #[arg(long)]
    dual_homed: bool,
    /// Nodes in each of the two racks
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u8).range(1..=20))]
    nodes: u8,
    /// Seconds after the last fault of a round until all must be well
    #[arg(long, default_value_t = 120)]
    patience: u64,
    /// The heddle executable; by default the one beside this program
    #[arg(long, value_name = "PATH")]
    heddle: Option<PathBuf>,
    /// Print JSON at the end, and what happens meanwhile to standard error
    #[arg(long)]
    json: bool,
    /// Break what nothing mends, and wait only a moment: whether it is noticed
    #[arg(long, hide = true)]
    sabotage: bool,
    /// Keep configurations and logs even if nothing was violated
    #[arg(long)]
    keep: bool,
}

fn main() -> ExitCode {
    match soak(&Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("heddle-soak: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn soak(args: &Args) -> anyhow::Result<()> {
    let beside = || Ok::<_, std::io::Error>(std::env::current_exe()?.with_file_name("heddle"));
    let heddle = args.heddle.clone().map_or_else(beside, Ok)?;
    let heddle = heddle.canonicalize().with_context(|| {
        format!("there is no {}; build it (cargo build --release -p heddle) or name it with --heddle", heddle.display())
    })?;
    let directory = tempfile::Builder::new().prefix("heddle-soak-").tempdir()?;
    let _room = Room::make();
    let ended = run::run(args, &heddle, directory.path());
    let well = matches!(&ended, Ok(report) if report.is_well());
    if args.keep || !(well || args.sabotage) {
        eprintln!("configurations and logs are in {}", directory.keep().display());
    }
    let report = ended?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print!("{report}");
    }
    anyhow::ensure!(well, "the same faults come again with --seed {}", report.seed);
    Ok(())
}
