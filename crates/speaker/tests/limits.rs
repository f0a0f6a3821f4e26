//! `docs/limits.md` names constants of the code; each has to be there, with the number that the page gives.

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

#[test]
fn the_numbers_of_the_page_are_those_of_the_code() {
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
    ];
    for name in names {
        sources(&crates.join(name).join("src"), &mut files);
    }
    let code: String = files.iter().map(|f| fs::read_to_string(f).expect("readable")).collect();
    let mut checked = 0;
    for row in PAGE.lines().filter(|l| l.starts_with("| ") && !l.starts_with("| what")) {
        let cells: Vec<&str> = row.split('|').map(str::trim).collect();
        let [_, what, said, constants, ..] = cells[..] else { panic!("{row}") };
        let names = constants.split('`').skip(1).step_by(2).map(|n| n.rsplit("::").next().unwrap_or(n));
        let in_capitals =
            |n: &&str| !n.ends_with(".rs") && n.chars().all(|c| !c.is_uppercase() || n.to_uppercase() == **n);
        for name in names.filter(in_capitals) {
            let values = values(name, &code);
            let numbers: BTreeSet<u64> =
                said.split(|c: char| !c.is_ascii_digit()).filter_map(|n| n.parse().ok()).collect();
            // Times are not written as numbers in the code.
            if values.is_empty() && code.contains(&format!("const {name}: Duration")) {
                continue;
            }
            assert!(!values.is_empty(), "{what}: there is no {name}");
            assert!(!values.is_disjoint(&numbers), "{what}: {name} is {values:?}, the page says {said:?}");
            checked += 1;
        }
    }
    assert!(checked > 35, "{checked} constants were found on the page");
}
