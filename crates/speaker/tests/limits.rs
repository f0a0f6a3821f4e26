//! `docs/limits.md` names constants, keys, counters and messages of the code; each has to be there, the constants with the numbers that
//! the page gives.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

const PAGE: &str = include_str!("../../../docs/limits.md");

fn sources(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("a folder").map(|e| e.expect("an entry").path()) {
        if entry.is_dir() {
            sources(&entry, out);
        } else if entry.extension().is_some_and(|e| e == "rs") {
            out.push(entry);
        }
    }
}

/// Values of `const NAME: … = …;` and of fields in a `Default`, wherever they are.
fn values(name: &str, code: &str) -> BTreeSet<u64> {
    let heads = [format!("const {name}: "), format!("            {name}: ")];
    let lines = code.lines().filter(|l| heads.iter().any(|h| l.contains(h.as_str())));
    lines.filter_map(|l| product(l.rsplit_once(" = ").map_or_else(|| l.rsplit_once(": "), Some)?.1)).collect()
}

/// A number as the code writes it: with underscores, as a product, as a shift.
fn product(text: &str) -> Option<u64> {
    let number = |t: &str| t.trim().trim_end_matches([';', ',']).replace('_', "").parse::<u64>().ok();
    if let Some((a, b)) = text.split_once("<<") {
        return Some(number(a)? << number(b)?);
    }
    text.split('*').map(number).product()
}

/// The sources of the crates whose limits are on the page, as one text.
fn code() -> String {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    let names = [
        "speaker",
        "rib",
        "bgp-core",
        "bgp-fsm",
        "admin",
        "config",
        "datastore",
        "resources",
        "netlink",
        "fib-sync",
        "node-peer",
        "socket-options",
    ];
    for name in names {
        sources(&crates.join(name).join("src"), &mut files);
    }
    files.iter().map(|f| fs::read_to_string(f).expect("readable")).collect()
}

/// The cells of the rows of all tables.
fn rows() -> impl Iterator<Item = Vec<&'static str>> {
    let data = |l: &&str| l.starts_with("| ") && !l.starts_with("| what | ");
    PAGE.lines().filter(data).map(|row| row.trim_matches('|').split('|').map(str::trim).collect())
}

/// What stands between backticks in a cell.
fn quoted(cell: &str) -> impl Iterator<Item = &str> {
    cell.split('`').skip(1).step_by(2)
}

#[test]
fn the_numbers_of_the_page_are_those_of_the_code() {
    let code = code();
    let mut checked = 0;
    for row in rows() {
        let [what, said, constants, ..] = row[..] else { panic!("{row:?}") };
        let names = quoted(constants).map(|n| n.rsplit("::").next().unwrap_or(n));
        let in_capitals =
            |n: &&str| !n.ends_with(".rs") && n.chars().all(|c| !c.is_uppercase() || n.to_uppercase() == **n);
        for name in names.filter(in_capitals) {
            let values = values(name, &code);
            let numbers: BTreeSet<u64> =
                said.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
            // Times are not written as numbers in the code; something else may have the same name elsewhere.
            if values.is_disjoint(&numbers) && code.contains(&format!("const {name}: Duration")) {
                continue;
            }
            assert!(!values.is_empty(), "{what}: there is no {name}");
            assert!(!values.is_disjoint(&numbers), "{what}: {name} is {values:?}, the page says {said:?}");
            checked += 1;
        }
    }
    assert!(checked > 40, "{checked} constants were found on the page");
}

/// A text that is broken in the code is one here: `"one \` at the end of a line goes on in the next.
fn joined(code: &str) -> String {
    code.split("\\\n").map(str::trim_start).collect()
}

#[test]
fn the_keys_counters_and_messages_of_the_page_are_those_of_the_code() {
    let code = joined(&code());
    let metrics = include_str!("../../admin/src/metrics.rs");
    let (mut keys, mut counters, mut messages) = (0, 0, 0);
    for row in rows() {
        // What a peer costs, in octets, is nobody's to reach.
        let [what, _, _, key, _, counter, message] = row[..] else {
            assert_eq!(row.len(), 4, "{row:?}");
            continue;
        };
        for cell in [key, counter, message] {
            assert!(cell == "-" || quoted(cell).next().is_some(), "{what}: {cell:?} says nothing");
        }
        for name in quoted(key) {
            let known = heddle_config::schema::keys().any(|k| k.name == name);
            assert!(known, "{what}: there is no key {name}");
            keys += 1;
        }
        for name in quoted(counter).filter(|n| *n != "null") {
            let field = name.rsplit('.').next().unwrap_or(name);
            // The encoder adds what all names of counters end with.
            let metric = format!("\"{}\"", name.strip_suffix("_total").unwrap_or(name));
            let known = if name.starts_with("heddle_") {
                metrics.contains(&metric)
            } else {
                code.contains(&format!(" {field}: "))
            };
            assert!(known, "{what}: nothing is called {name}");
            counters += 1;
        }
        for text in quoted(message) {
            assert!(code.contains(text), "{what}: nothing says {text:?}");
            messages += 1;
        }
    }
    assert!(keys > 10 && counters > 35 && messages > 25, "{keys} keys, {counters} counters, {messages} messages");
}
