//! The cases of nodes in small sizes: they come to an end, and every contender has its figures.
//!
//! The bench itself fails where a route is missing that a kernel must have.

mod small;

use std::path::Path;

use heddle_interop_tests::require::skip;

/// Those of the node cases that are installed.
fn contenders() -> Vec<&'static str> {
    let bird = Path::new("/usr/sbin/bird").exists().then_some("BIRD");
    ["Heddle"].into_iter().chain(bird).collect()
}

/// Runs a case with all of them; each must have a figure for each of the measures.
fn all_have(case: &[&str], measures: &[&str]) {
    let Some(report) = small::run(case, &[]) else { return };
    for contender in contenders() {
        measures.iter().for_each(|measure| small::has(&report, measure, contender));
    }
}

#[test]
fn an_address_that_comes_and_goes_is_timed() {
    all_have(&["latency", "--nodes", "3", "--samples", "2"], &["added, median", "removed, median"]);
    all_have(
        &["latency", "--nodes", "3", "--reflectors", "1", "--samples", "2", "--churn", "5"],
        &["added, median", "removed, median"],
    );
}

#[test]
fn clusters_start() {
    let measures = ["all routes in every kernel, median", "CPU time of all nodes until then, median"];
    all_have(&["start", "--nodes", "3", "--runs", "1"], &measures);
    // BIRD would wait for the dead node for minutes: that is what the case is about.
    let case = ["cold-start", "--nodes", "3", "--runs", "1", "--contenders", "heddle"];
    let Some(report) = small::run(&case, &[]) else { return };
    small::has(&report, "first route of another node", "Heddle");
    small::has(&report, "routes of all live nodes on all", "Heddle");
}

#[test]
fn a_kernel_is_filled() {
    let frr = Path::new("/usr/lib/frr/zebra").exists().then_some("FRR");
    for family in [&[][..], &["--ipv6"]] {
        let Some(report) = small::run(&["fill", "--routes", "3000", "--runs", "1"], family) else { return };
        for contender in contenders().into_iter().chain(frr) {
            small::has(&report, "from the first UPDATE until all are in the kernel", contender);
            small::has(&report, "times what our writer alone needs", contender);
            let configuration = report["configurations"][contender].as_str();
            assert!(configuration.is_some_and(|text| text.contains("64512")), "{contender}: {configuration:?}");
        }
    }
}

#[test]
fn idle_and_busy_nodes_are_counted() {
    all_have(
        &["cpu", "--nodes", "2", "--seconds", "1", "--churn", "2"],
        &["idle", "2 pods a second come and go", "resident memory of a node, on average"],
    );
    all_have(&["memory", "--nodes", "5"], &["resident", "CPU time until all routes are in the kernel"]);
}

#[test]
fn system_calls_are_counted() {
    if !Path::new("/usr/bin/strace").exists() {
        skip("system_calls_are_counted", "strace is not installed (Debian package strace)");
        return;
    }
    all_have(&["syscalls", "--peers", "1", "--seconds", "1"], &["system calls"]);
}
