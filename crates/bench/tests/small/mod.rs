//! The program, run with small sizes. Nothing here judges a time.

use std::process::Command;

use heddle_interop_tests::peers::heddle;
use heddle_interop_tests::require::{Need, skip};
use serde_json::Value;

/// Runs a case; what it printed, or nothing where namespaces cannot be made.
///
/// # Panics
/// The case fails, or the environment says that nothing may be skipped.
#[track_caller]
pub(crate) fn run(case: &[&str], more: &[&str]) -> Option<Value> {
    if let Some(why) = Need::Namespaces.missing() {
        skip(&case.join(" "), &why);
        return None;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_heddle-bench"));
    command.args(case).args(["--json", "--heddle"]).arg(heddle::program()).args(more);
    let output = command.output().expect("the bench can be started");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "{command:?}: {}\n{errors}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout)
    );
    let report: Value = serde_json::from_slice(&output.stdout).expect("the bench prints JSON");
    assert!(report["absent"].get("Heddle").is_none(), "{errors}");
    Some(report)
}

/// Fails unless a contender has a figure for a measure, and one that is not beyond the limit.
#[track_caller]
pub(crate) fn has(report: &Value, measure: &str, contender: &str) {
    let rows = report["rows"].as_array().expect("a report has rows");
    let row = rows.iter().find(|row| row["measure"] == measure).unwrap_or_else(|| panic!("no {measure} in {report}"));
    assert!(row["values"][contender]["value"].is_number(), "{contender}: {measure} in {report}");
}
