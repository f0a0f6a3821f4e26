//! `deviations.toml`: where Heddle differs on purpose.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;

use serde::Deserialize;

/// One way to differ that the comparison knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Deviation {
    DuplicatePeers,
    OneSessionAnAddress,
    MissingPassword,
    UnusableAddress,
    LengthWithEquality,
    LearnedInterface,
    Preference,
}

impl Deviation {
    const ALL: [Self; 7] = [
        Self::DuplicatePeers,
        Self::OneSessionAnAddress,
        Self::MissingPassword,
        Self::UnusableAddress,
        Self::LengthWithEquality,
        Self::LearnedInterface,
        Self::Preference,
    ];
}

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deviations {
    #[serde(rename = "deviation")]
    all: Vec<Entry>,
    /// What configurations do not show.
    #[serde(default)]
    running: Vec<Running>,
}

/// A difference in what a running node does.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Running {
    /// The test that shows it: a file below `crates`, `::`, the name.
    test: String,
    calico: String,
    heddle: String,
    reason: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    id: Deviation,
    /// Names of cases; `*` at the end stands for anything.
    cases: Vec<String>,
    calico: String,
    heddle: String,
    reason: String,
}

fn covers(pattern: &str, case: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == case, |start| case.starts_with(start))
}

impl Deviations {
    pub fn load() -> Self {
        toml::from_str(include_str!("../deviations.toml")).unwrap_or_else(|e| panic!("tests/deviations.toml: {e}"))
    }

    /// What does not fit: a use without entry, an entry or a part of one without use.
    pub fn check(&self, used: &BTreeSet<(Deviation, String)>) -> Vec<String> {
        let mut wrong = Vec::new();
        for (id, case) in used {
            let entry = self.all.iter().find(|e| e.id == *id);
            if !entry.is_some_and(|e| e.cases.iter().any(|p| covers(p, case))) {
                wrong.push(format!("{case}: differs by {id:?}, which deviations.toml does not list for it"));
            }
        }
        for entry in &self.all {
            for pattern in &entry.cases {
                if !used.iter().any(|(id, case)| *id == entry.id && covers(pattern, case)) {
                    wrong.push(format!("deviations.toml: {:?} is not needed for {pattern:?}", entry.id));
                }
            }
        }
        wrong
    }

    fn document(&self) -> String {
        let mut text = String::from(
            "# Where Heddle differs from Calico\n\n\
             What Heddle makes of Calico's resources is what Calico 3.33 makes of them; its own conformance set \
             (`confd/tests`)\nis checked case by case. These are the deliberate differences. The table comes from \
             `crates/config-gen/tests/deviations.toml`:\nthe tests allow what is in it, and fail for an entry that \
             nothing needs.\n\n\
             | Calico | Heddle | Why |\n|---|---|---|\n",
        );
        let whole = self.all.iter().map(|e| [&e.calico, &e.heddle, &e.reason]);
        row_each(whole, &mut text);
        text.push_str(
            "\nWhat a running node does otherwise, with the test that shows it:\n\n\
             | Calico (BIRD) | Heddle | Why | Test |\n|---|---|---|---|\n",
        );
        for entry in &self.running {
            let test = format!("`{}`", entry.test);
            row_each([[&entry.calico, &entry.heddle, &entry.reason, &test]].into_iter(), &mut text);
        }
        text
    }
}

/// Rows of a table of Markdown.
fn row_each<'a, const N: usize>(rows: impl Iterator<Item = [&'a String; N]>, text: &mut String) {
    for row in rows {
        let cell = |t: &String| t.split_ascii_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
        writeln!(text, "| {} |", row.map(cell).join(" | ")).expect("a String takes all");
    }
}

/// The tests that are named are there.
#[test]
fn what_a_running_node_does_otherwise_has_a_test() {
    for entry in Deviations::load().running {
        has_test(&entry.test);
    }
}

/// Fails unless there is a test `FILE::NAME`, the file below `crates/`.
fn has_test(test: &str) {
    let (file, name) = test.split_once("::").unwrap_or_else(|| panic!("{test}: write FILE::NAME"));
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let text = std::fs::read_to_string(crates.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
    let is_there = text.contains(&format!("fn {name}(")) || text.contains(&format!("::{name}\""));
    assert!(is_there, "{file} has no test {name}");
}

/// What was reported of Calico has a test here, which is there.
#[test]
fn reports_have_their_tests() {
    let page = include_str!("../../../../docs/calico-reports.md");
    let mut tests = 0;
    for test in page.split('`').skip(1).step_by(2).filter(|code| code.contains(".rs::")) {
        has_test(test);
        tests += 1;
    }
    assert!(tests > 30, "{tests} tests");
}

#[test]
fn each_deviation_is_listed_once() {
    let listed: Vec<Deviation> = Deviations::load().all.iter().map(|e| e.id).collect();
    assert_eq!(listed, Deviation::ALL);
}

#[test]
fn the_document_is_in_step() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/calico-deviations.md");
    let wanted = Deviations::load().document();
    if std::env::var_os("HEDDLE_BLESS").is_some() {
        std::fs::write(&path, &wanted).expect("docs/calico-deviations.md can be written");
    }
    let found = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(found == wanted, "docs/calico-deviations.md is out of step: HEDDLE_BLESS=1 cargo test rewrites it");
}

#[test]
fn uses_and_entries_have_to_meet() {
    let deviations: Deviations =
        toml::from_str("[[deviation]]\nid = 'preference'\ncases = ['a/*', 'b']\ncalico = ''\nheddle = ''\nreason = ''")
            .unwrap();
    let check = |used: &[(Deviation, &str)]| {
        deviations.check(&used.iter().map(|(id, case)| (*id, (*case).to_owned())).collect()).len()
    };
    assert_eq!(check(&[(Deviation::Preference, "a/1"), (Deviation::Preference, "b")]), 0);
    assert_eq!(check(&[(Deviation::Preference, "a/1")]), 1);
    assert_eq!(check(&[(Deviation::Preference, "a/1"), (Deviation::Preference, "b"), (Deviation::Preference, "c")]), 1);
    let other = (Deviation::MissingPassword, "b");
    assert_eq!(check(&[(Deviation::Preference, "a/1"), (Deviation::Preference, "b"), other]), 1);
}
