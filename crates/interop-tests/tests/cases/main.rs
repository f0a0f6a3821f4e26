//! The cases. They mostly wait for timers of others, so more of them run at once than there are cores.
//!
//! Arguments are those of any Rust test program: a part of a name, `--list`, `--test-threads N`.

mod add_path;
mod api_access;
mod attributes;
mod cluster_reflector;
mod collision;
mod common;
mod extended_messages;
mod extended_next_hop;
mod four_octet_as;
mod full_table;
mod graceful_restart;
mod guard;
mod harness;
mod image;
mod keys;
mod limits;
mod link_local;
mod listeners;
#[path = "../../../../fuzz/src/random.rs"]
pub mod random;
mod reflection;
mod reload;
mod route_refresh;
mod spoofed;
mod transport_security;
mod well_known_communities;

use heddle_interop_tests::require::Need;
use heddle_interop_tests::trials::{self, Missing};
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
        full_table::CASES,
        graceful_restart::CASES,
        cluster_reflector::CASES,
        collision::CASES,
        keys::CASES,
        spoofed::CASES,
        limits::CASES,
        reload::CASES,
        transport_security::CASES,
        reflection::CASES,
        attributes::CASES,
        add_path::CASES,
        extended_messages::CASES,
        extended_next_hop::CASES,
        four_octet_as::CASES,
        route_refresh::CASES,
        link_local::CASES,
        listeners::CASES,
        guard::CASES,
        well_known_communities::CASES,
        api_access::CASES,
        harness::CASES,
        image::CASES,
    ]
    .into_iter()
    .flatten()
}

/// How many run at once: they wait more than they work.
const THREADS: usize = 6;

fn main() {
    let mut arguments = trials::arguments();
    arguments.test_threads.get_or_insert(THREADS);
    let trials = cases().map(trial).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(case: &'static Case) -> Trial {
    let needs = [Need::Namespaces].into_iter().chain(case.needs.iter().copied());
    trials::trial(case.name, Missing::of(needs), case.run)
}
