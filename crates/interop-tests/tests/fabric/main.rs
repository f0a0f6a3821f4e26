//! Whole fabrics of node peers: real kernels, real traffic.
//!
//! Each case raises a fabric of `heddle-lab` in network namespaces, with the real `heddle` program on every node, and a prober
//! that sends 1,000 packets a second on each of its flows, IPv4 and IPv6, through the kernels' forwarding tables. One lost
//! packet fails a case, unless the case names the loss that it allows; docs/testing.md lists them. Every node has routes of
//! strangers in its table, and at the end of every case they have to be there as they were.
//!
//! Arguments are those of any Rust test program: a part of a name, `--list`, `--test-threads N`.

mod bird_ctl;
mod calico_readers;
mod changeover;
mod datastore;
mod drain;
mod edits;
mod foreign;
mod full_fib;
mod links;
mod listener;
mod logged;
mod lone_node;
mod machine;
mod many_links;
mod mesh;
mod monitor;
mod moves;
mod pods;
mod preferences;
mod racks;
mod random;
mod reflecting_nodes;
mod reflectors;
mod restarts;
mod strangers;
mod table;
mod traffic;
mod unreachable;
mod world;

use heddle_interop_tests::require::Need;
use heddle_interop_tests::trials::{self, Missing};
use heddle_lab::neighbours::Room;
use libtest_mimic::Trial;

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
        bird_ctl::CASES,
        full_fib::CASES,
        links::CASES,
        datastore::CASES,
        lone_node::CASES,
        many_links::CASES,
        unreachable::CASES,
        logged::CASES,
        mesh::CASES,
    ]
    .into_iter()
    .flatten()
}

/// How many run at once. Each has a thread that sends and one that receives all the time.
const THREADS: usize = 2;

fn main() {
    let mut arguments = trials::arguments();
    arguments.test_threads.get_or_insert(THREADS);
    let trials = cases().map(trial).collect();
    let room = Room::make();
    let conclusion = libtest_mimic::run(&arguments, trials);
    drop(room);
    conclusion.exit();
}

fn trial(case: &'static Case) -> Trial {
    let needs = [Need::Namespaces].into_iter().chain(case.needs.iter().copied());
    trials::trial(case.name, Missing::of(needs), case.run)
}
