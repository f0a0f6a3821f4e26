//! What every command prints, compared with the files in `tests/snapshots`; `BLESS=1 cargo test` makes them anew.

use std::path::Path;

use crate::support::{Daemon, Fixed, describe, heddle};

const PEERS: &str = include_str!("../data/peers.json");

/// Compares with the snapshot, or makes it.
fn compare(name: &str, line: &str, text: &str, failures: &mut Vec<String>) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/snapshots").join(format!("{name}.txt"));
    let text = format!("$ heddle {line}\n{text}");
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, text).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    if text != expected {
        failures.push(format!("{}:\n--- expected\n{expected}\n--- found\n{text}", file.display()));
    }
}

fn finish(failures: &[String]) {
    assert!(failures.is_empty(), "{}\nBLESS=1 takes what was found as right", failures.join("\n"));
}

#[test]
fn a_daemon_is_shown() {
    let cases = [
        ("summary", "show summary"),
        ("peers", "show peers"),
        ("peers-wide", "show peers --wide"),
        ("peers-color", "show peers --color always"),
        ("peer-established", "show peer 192.0.2.7"),
        ("peer-dynamic", "show peer 10.10.0.3"),
        ("peer-retrying", "show peer 192.0.2.9"),
        ("peer-down", "show peer 192.0.2.11"),
        ("peer-link-local", "show peer fe80::1%eth0"),
        ("peer-unknown", "show peer 192.0.2.99"),
        ("routes", "show routes"),
        ("routes-explain", "show routes --family ipv4 --explain"),
        ("routes-ipv6", "show routes --family ipv6-unicast"),
        ("routes-best", "show routes --best"),
        ("routes-longer", "show routes 198.51.0.0/16 --longer"),
        ("routes-longer-none", "show routes 8.0.0.0/8 --longer"),
        ("routes-of-peer", "show routes --peer 10.10.0.4"),
        ("routes-advertised", "show routes --peer 192.0.2.7 --advertised --family ipv4"),
        ("route-explain", "show routes 198.51.100.0/24 --explain"),
        ("route-longest", "show routes 203.0.113.200"),
        ("route-brief", "show routes 198.51.100.7 --brief"),
        ("route-none", "show routes 198.51.100.0/25"),
        ("route-none-of-peer", "show routes 10.10.3.0/26 --peer 192.0.2.9 --received"),
        ("routes-detail", "show routes --detail --family ipv6"),
        ("peer-up", "peer 192.0.2.7 up"),
        ("peer-down-text", "peer 192.0.2.7 down maintenance until 6"),
        ("peer-refresh-in", "peer 192.0.2.7 refresh --in --family ipv4"),
        ("peer-refresh-conflict", "peer 192.0.2.9 refresh"),
        ("peer-clear", "peer 192.0.2.7 clear"),
        ("peer-drain-off", "peer 192.0.2.7 drain --off"),
        ("peer-drain-json", "peer 192.0.2.7 drain --json"),
        ("node", "show node"),
        ("health", "health"),
        ("health-json", "health --json"),
        ("health-live", "health --live"),
        ("fib", "show fib"),
        ("fib-diff", "show fib --diff"),
        ("fib-of-prefix", "show fib 10.244.0.64/26"),
        ("fib-diff-none", "show fib 10.244.0.0/26 --diff"),
        ("node-drain", "node-peer drain"),
        ("node-drain-undo", "node-peer drain --undo --json"),
        ("config-show", "config show"),
        ("config-diff", "config diff good.toml"),
        ("config-diff-exit-code", "config diff good.toml --exit-code"),
        ("config-diff-same", "config diff same.toml --exit-code"),
        ("config-apply", "config apply good.toml"),
        ("config-apply-bad", "config apply bad.toml"),
        ("config-apply-own-file", "config apply"),
        ("config-apply-no-file", "config apply missing.toml"),
    ];
    let daemon = Daemon::start(Fixed::new(PEERS));
    let mut failures = Vec::new();
    for (name, line) in cases {
        let found = describe(&daemon.command(line).output().unwrap());
        compare(name, line, &found, &mut failures);
        // Tables of IPv4 fit a terminal, whatever is in them.
        let narrow = ["summary", "peers", "routes-longer", "routes-of-peer", "route-explain", "config-diff"];
        let narrow = narrow.contains(&name) || line.starts_with("show peer ");
        for line in found.lines().filter(|_| narrow) {
            assert!(line.chars().count() <= 80, "{name}: {line:?} is wider than 80 columns");
        }
    }
    finish(&failures);
}

#[test]
fn large_numbers_fit_80_columns() {
    let daemon = Daemon::start(Fixed::new(include_str!("../data/peers-wide-numbers.json")));
    let found = describe(&daemon.command("show peers").output().unwrap());
    for line in found.lines() {
        assert!(line.chars().count() <= 80, "{line:?} is wider than 80 columns");
    }
    let mut failures = Vec::new();
    compare("peers-large-numbers", "show peers", &found, &mut failures);
    finish(&failures);
}

#[test]
fn files_are_checked_and_compared_without_a_daemon() {
    let cases = [
        ("config-check", "config check valid.toml"),
        ("config-check-errors", "config check wrong.toml"),
        ("config-check-missing", "config check missing.toml"),
        ("config-diff-files", "config diff valid-2.toml --against valid.toml"),
        ("config-diff-files-exit-code", "config diff valid-2.toml --against valid.toml --exit-code"),
        ("config-diff-files-same", "config diff valid.toml --against valid.toml --exit-code"),
        ("config-diff-files-json", "config diff valid-2.toml --against valid.toml --json"),
        ("config-render", "config render --node node-1 --datastore cluster"),
        ("config-render-explain", "config render --node node-1 --datastore cluster --explain"),
        ("config-render-json", "config render --node node-2 --datastore cluster --format json --explain"),
        ("config-render-diff", "config render --node node-1 --datastore cluster --diff cluster-2"),
        ("config-render-diff-warned", "config render --node node-1 --datastore cluster-warned --diff cluster-warned-2"),
        ("config-render-wrong", "config render --node node-1 --datastore cluster-wrong"),
        ("config-render-no-node", "config render --node node-3 --datastore cluster"),
        ("config-render-missing", "config render --node node-1 --datastore nowhere"),
        ("no-daemon", "show peers --socket none/heddle.sock"),
        ("usage", "show routes --longer"),
    ];
    let mut failures = Vec::new();
    for (name, line) in cases {
        compare(name, line, &describe(&heddle(line).output().unwrap()), &mut failures);
    }
    finish(&failures);
}

#[test]
fn help_is_as_it_was() {
    let cases = [
        ("help", "--help"),
        ("help-show", "show --help"),
        ("help-show-peers", "show peers --help"),
        ("help-show-routes", "show routes --help"),
        ("help-peer", "peer --help"),
        ("help-peer-drain", "peer 192.0.2.7 drain --help"),
        ("help-config-check", "config check --help"),
        ("help-config-diff", "config diff --help"),
        ("help-config-render", "config render --help"),
        ("help-mrt-show", "mrt show --help"),
        ("help-monitor", "monitor --help"),
        ("help-route-reflector", "route-reflector --help"),
        ("help-health", "health --help"),
        ("help-node-peer", "node-peer --help"),
        ("help-node-peer-drain", "node-peer drain --help"),
        ("help-show-fib", "show fib --help"),
        ("help-lab", "lab --help"),
        ("help-lab-up", "lab up --help"),
        ("help-mrt-replay", "mrt replay --help"),
    ];
    let mut failures = Vec::new();
    for (name, line) in cases {
        compare(name, line, &describe(&heddle(line).output().unwrap()), &mut failures);
    }
    finish(&failures);
}
