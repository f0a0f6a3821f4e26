//! The reflector cases in small sizes: every client of every daemon has the table that it must have.
//!
//! No time is judged. Daemons that are not installed are left out by the bench itself, which names them.

mod small;

use std::path::Path;

use serde_json::Value;

/// Runs a case once.
#[track_caller]
fn run(case: &str, more: &[&str]) -> Option<Value> {
    small::run(&["reflector", case, "--runs", "1"], more)
}

/// As [`small::has`], and all tables have to be right.
#[track_caller]
fn has(report: &Value, measure: &str, contender: &str) {
    small::has(report, measure, contender);
    assert_eq!(report["wrong_tables"][contender], Value::Array(Vec::new()), "{contender}");
}

const ALL: &str = "advertisement: all have all";

#[test]
fn every_daemon_reflects_a_cluster() {
    let Some(report) = run("cluster", &["--clients", "6", "--routes", "13"]) else { return };
    for (contender, program) in [
        ("floor", "/"),
        ("Heddle", "/"),
        ("BIRD", "/usr/sbin/bird"),
        ("FRR", "/usr/lib/frr/bgpd"),
        ("OpenBGPD", "/usr/sbin/bgpd"),
        ("GoBGP", "/usr/bin/gobgpd"),
    ] {
        if Path::new(program).exists() {
            has(&report, ALL, contender);
        }
    }
}

#[test]
fn tables_come_and_go() {
    for family in [&[][..], &["--ipv6"]] {
        let sizes = ["--routes", "2000", "--receivers", "3", "--contenders", "heddle,bird,floor"];
        let Some(report) = run("table", &[&sizes, family].concat()) else { return };
        has(&report, ALL, "Heddle");
        has(&report, "withdrawal: all have all", "Heddle");
    }
    let Some(report) = run("mesh", &["--clients", "4", "--routes", "500", "--contenders", "heddle"]) else { return };
    has(&report, "withdrawal: all have all", "Heddle");
}

#[test]
fn the_best_of_many_paths_is_reflected() {
    let sizes = ["--clients", "5", "--routes", "600", "--contenders", "floor,heddle,bird"];
    let Some(report) = run("best", &sizes) else { return };
    // Which of the copies would be the last is open.
    has(&report, ALL, "floor");
    has(&report, ALL, "Heddle");
}

#[test]
fn receivers_differ() {
    for case in ["fan-out", "fan-out-add-path", "fan-out-policies"] {
        let sizes = ["--routes", "1000", "--receivers", "22", "--contenders", "floor,heddle"];
        let Some(report) = run(case, &sizes) else { return };
        has(&report, ALL, "floor");
        has(&report, ALL, "Heddle");
    }
}

#[test]
fn single_routes_are_timed() {
    let sizes = ["--routes", "3000", "--samples", "20", "--receivers", "2", "--contenders", "floor,heddle"];
    for case in ["latency", "latency-under-load"] {
        let Some(report) = run(case, &sizes) else { return };
        has(&report, "latency, p50", "floor");
        has(&report, "latency, p50", "Heddle");
    }
    let sizes = ["--routes", "100", "--rate", "200", "--seconds", "6", "--receivers", "2", "--contenders", "heddle"];
    let Some(report) = run("churn", &sizes) else { return };
    for second in 1..=6 {
        has(&report, &format!("latency until {second} s, p99"), "Heddle");
        has(&report, &format!("RSS after {second} s"), "Heddle");
    }
}

#[test]
fn a_receiver_that_stalls_gets_its_routes_later() {
    let sizes = ["--routes", "20000", "--receivers", "3", "--seconds", "4", "--contenders", "heddle"];
    let Some(report) = run("stall", &sizes) else { return };
    has(&report, "until the stalled one has all", "Heddle");
    has(&report, "longest silence toward the others", "Heddle");
}

#[test]
fn a_recording_is_played() {
    let recording = concat!(env!("CARGO_MANIFEST_DIR"), "/../mrt/tests/data/updates.gz");
    let more = ["--recording", recording, "--receivers", "2", "--contenders", "heddle,floor"];
    let Some(report) = run("internet", &more) else { return };
    has(&report, ALL, "Heddle");
}
