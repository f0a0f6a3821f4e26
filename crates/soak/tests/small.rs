//! The soak in a small size: two rounds of faults, each of which is mended. No time is judged.

use std::process::Command;

use heddle_interop_tests::peers::heddle;
use heddle_interop_tests::require::{Need, skip};
use serde_json::Value;

/// Runs it; what it printed and how it ended, or nothing where it cannot run.
fn soak(arguments: &[&str]) -> Option<(Value, String, bool)> {
    if let Some(why) = Need::Namespaces.missing() {
        skip(&format!("a soak with {}", arguments.join(" ")), &why);
        return None;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_heddle-soak"));
    command.args(["--json", "--nodes", "2", "--seconds", "8", "--heddle"]).arg(heddle::program()).args(arguments);
    let output = command.output().expect("the soak can be started");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}\n{told}"));
    Some((report, told, output.status.success()))
}

#[test]
fn a_small_soak_finds_nothing() {
    let Some((report, told, ended_well)) = soak(&["--minutes", "0.3", "--seed", "1"]) else { return };
    assert!(ended_well && report["violations"].as_array().is_some_and(Vec::is_empty), "{report:#}\n{told}");
    let faults = report["faults"].as_object().expect("it counts faults");
    let count: u64 = faults.values().filter_map(Value::as_u64).sum();
    assert!(count >= 3 && report["rounds"].as_u64() >= Some(1), "{report:#}\n{told}");
    assert!(told.contains("all is well after"), "{told}");
}

/// What the checker is for: a lab that is not mended in time is a violation, and fails.
#[test]
fn what_is_not_well_is_told() {
    let Some((report, told, ended_well)) = soak(&["--minutes", "0.05", "--seed", "1", "--sabotage"]) else { return };
    let violations: Vec<&str> =
        report["violations"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    let has = |words: &str| violations.iter().any(|what| what.contains(words));
    assert!(!ended_well && has("the forwarding table: missing") && has("ended by itself"), "{report:#}\n{told}");
    assert!(has("a stranger's") && has("the log says: "), "{report:#}\n{told}");
}
