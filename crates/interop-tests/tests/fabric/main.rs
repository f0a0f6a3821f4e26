//! Whole fabrics of node peers: real kernels, real traffic.
//!
//! Each case raises a fabric of `heddle-lab` in network namespaces, with the real `heddle` program on every node, and a prober
//! that sends 1,000 packets a second on each of its flows, IPv4 and IPv6, through the kernels' forwarding tables. One lost
//! packet fails a case, unless the case names the loss that it allows; docs/testing.md lists them. Every node has routes of
//! strangers in its table, and at the end of every case they have to be there as they were.
//!
//! Arguments are those of any Rust test program: a part of a name, `--list`, `--test-threads N`.

mod changeover;
mod datastore;
mod drain;
mod edits;
mod foreign;
mod links;
mod listener;
mod machine;
mod mesh;
mod monitor;
mod pods;
mod racks;
mod random;
mod reflectors;
mod restarts;
mod strangers;
mod table;
mod traffic;
mod world;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

use heddle_interop_tests::require::{Need, strict};
use heddle_lab::neighbours::Room;
use libtest_mimic::{Arguments, Failed, Trial};

/// A case: what it needs, and what it does.
struct Case {
    name: &'static str,
    needs: &'static [Need],
    run: fn(),
}

/// All cases, the longest ones first.
fn cases() -> impl Iterator<Item = &'static Case> {
    [
        reflectors::CASES,
        racks::CASES,
        changeover::CASES,
        restarts::CASES,
        drain::CASES,
        edits::CASES,
        pods::CASES,
        foreign::CASES,
        links::CASES,
        datastore::CASES,
        mesh::CASES,
    ]
    .into_iter()
    .flatten()
}

/// How many run at once. Each has a thread that sends and one that receives all the time.
const THREADS: usize = 2;

fn main() {
    // The test command asks every test program for times in this way; they are printed here in any case.
    let ours = env::args().filter(|argument| !matches!(argument.as_str(), "-Z" | "unstable-options" | "--report-time"));
    let mut arguments = Arguments::from_iter(ours);
    arguments.test_threads.get_or_insert(THREADS);
    let trials = cases().map(trial).collect();
    let room = Room::make();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(room);
    conclusion.exit();
}

fn trial(case: &'static Case) -> Trial {
    let all = || [Need::Namespaces].into_iter().chain(case.needs.iter().copied());
    let missing: Vec<String> = all().filter_map(Need::missing).collect();
    let skipped = !missing.is_empty() && !strict();
    if skipped {
        eprintln!("{} is skipped: {}", case.name, missing.join("; "));
    }
    Trial::test(case.name, move || {
        if !missing.is_empty() {
            return Err(Failed::from(format!("needed, and CI skips nothing: {}", missing.join("; "))));
        }
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(case.run));
        println!("test {} ... took <{:.3}s>", case.name, start.elapsed().as_secs_f64());
        result.unwrap_or_else(|panic| resume_unwind(panic));
        Ok(())
    })
    .with_ignored_flag(skipped)
}
