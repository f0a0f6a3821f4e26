//! The conformance set's files.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use crate::bird::ast::Bird;
use crate::bird::parse;
use crate::session::Version;

/// Where a case's expected files are, each of them possibly kept by another case.
pub struct Data {
    root: PathBuf,
    /// `case/file` to the case that has it.
    same: BTreeMap<String, String>,
}

impl Data {
    /// The copy that belongs to the tests.
    pub fn open() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/calico-confd");
        let list = fs::read_to_string(root.join("same.txt")).expect("tests/data/calico-confd/same.txt");
        let pair = |line: &str| line.split_once(" = ").map(|(a, b)| (a.to_owned(), b.to_owned()));
        let same = list.lines().map(|l| pair(l).expect("each line of same.txt is FILE = CASE")).collect();
        Self { root, same }
    }

    /// The text of an expected file.
    pub fn expected_text(&self, case: &str, file: &str) -> Option<String> {
        let holder = self.same.get(&format!("{case}/{file}")).map_or(case, String::as_str);
        fs::read_to_string(self.root.join("compiled_templates").join(holder).join(file)).ok()
    }

    /// One daemon of a case, or what is wrong with its files. `rewrite` is what is put in place of what, in their text.
    pub fn expected(&self, case: &str, version: Version, rewrite: &[(String, String)]) -> Result<Bird, String> {
        let read = |file: &str| {
            let text = self.expected_text(case, file)?;
            Some(rewrite.iter().fold(text, |text, (from, to)| text.replace(from, to)))
        };
        let file = match version {
            Version::V4 => "bird.cfg",
            Version::V6 => "bird6.cfg",
        };
        parse(file, &read).map_err(|e| format!("{case}: {e}"))
    }

    /// Whether a text to be rewritten is there when its turn comes.
    pub fn occurs(&self, case: &str, rewrite: &[(String, String)], text: &str) -> bool {
        let before = rewrite.iter().take_while(|(from, _)| from != text);
        let files = ["", "6"].into_iter().flat_map(|v| ["", "_aggr", "_ipam"].map(|part| format!("bird{v}{part}.cfg")));
        files
            .filter_map(|file| self.expected_text(case, &file))
            .any(|file| before.clone().fold(file, |file, (from, to)| file.replace(from, to)).contains(text))
    }

    /// A file below `mock_data/calicoctl`.
    pub fn input(&self, file: &str) -> Option<String> {
        fs::read_to_string(self.root.join("mock_data/calicoctl").join(file)).ok()
    }

    /// All cases that have expected files.
    pub fn expected_cases(&self) -> BTreeSet<String> {
        let base = self.root.join("compiled_templates");
        let mut cases: BTreeSet<String> =
            self.same.keys().filter_map(|f| f.rsplit_once('/')).map(|(case, _)| case.to_owned()).collect();
        cases.extend(folders_with(&base, "cfg"));
        cases
    }

    /// All folders that have an `input.yaml`.
    pub fn inputs(&self) -> BTreeSet<String> {
        folders_with(&self.root.join("mock_data/calicoctl"), "yaml")
    }
}

/// Folders below `base`, relative to it, that have a file with this extension.
fn folders_with(base: &Path, extension: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut left = vec![base.to_owned()];
    while let Some(folder) = left.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the conformance set") {
            let path = entry.expect("an entry of the conformance set").path();
            if path.is_dir() {
                left.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                let relative = folder.strip_prefix(base).expect("inside of base");
                found.insert(relative.to_str().expect("names are ASCII").to_owned());
            }
        }
    }
    found
}
