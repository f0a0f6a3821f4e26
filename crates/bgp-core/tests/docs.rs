//! What the documentation names is there: paths in all of it, and in the table of RFCs also that the code says the same.

use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// README and `docs/*.md`, with their text.
fn pages() -> Vec<(PathBuf, String)> {
    let in_docs = fs::read_dir(root().join("docs")).expect("docs").map(|entry| entry.expect("an entry").path());
    let pages = in_docs.chain([root().join("README.md"), root().join("fuzz/README.md")]);
    let pages = pages.filter(|path| path.extension().is_some_and(|extension| extension == "md"));
    pages.map(|path| (path.clone(), fs::read_to_string(&path).expect("a text"))).collect()
}

/// What stands between single backquotes; blocks of code are no prose.
fn quoted(text: &str) -> Vec<&str> {
    let prose = text.split("```").step_by(2);
    prose.flat_map(|part| part.lines()).flat_map(|line| line.split('`').skip(1).step_by(2)).collect()
}

/// Files of this repository look like this; `/run/…`, `/v1/…` and `http://…` are something else.
fn is_path(text: &str) -> bool {
    const ENDS: [&str; 9] = [".rs", ".md", ".toml", ".tsv", ".jsonl", ".json", ".service", ".py", ".sh"];
    const FOLDERS: [&str; 6] = ["crates/", "docs/", "scripts/", "fuzz/", "packaging/", "examples/"];
    let plain = text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-".contains(c));
    let named = ENDS.iter().any(|end| text.ends_with(end)) || FOLDERS.iter().any(|folder| text.starts_with(folder));
    plain && text.contains('/') && !text.starts_with(['/', '.']) && named
}

/// A path from the root, or below `crates/`, or below the sources of a crate.
fn find(text: &str) -> Option<PathBuf> {
    let crates = fs::read_dir(root().join("crates")).expect("crates").flatten().map(|entry| entry.path().join("src"));
    [root(), root().join("crates")].into_iter().chain(crates).map(|folder| folder.join(text)).find(|path| path.exists())
}

#[test]
fn paths_exist() {
    let (mut seen, mut wrong) = (0, Vec::new());
    for (page, text) in pages() {
        let folder = page.parent().expect("a folder");
        for path in quoted(&text).into_iter().filter(|text| is_path(text)) {
            if find(path).or_else(|| find_beside(folder, path)).is_none() {
                wrong.push(format!("{}: `{path}` is not there", page.display()));
            }
            seen += 1;
        }
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") {
                if !folder.join(target).exists() {
                    wrong.push(format!("{}: the link {link} leads nowhere", page.display()));
                }
                seen += 1;
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    assert!(seen > 100, "hardly any path is read: {seen}");
}

fn find_beside(folder: &Path, path: &str) -> Option<PathBuf> {
    Some(folder.join(path)).filter(|path| path.exists())
}

/// The RFCs that this project is about.
const RFCS: [u32; 41] = [
    1997, 2385, 2545, 2918, 4271, 4360, 4456, 4486, 4724, 4760, 5082, 5492, 5668, 5701, 5925, 6286, 6396, 6608, 6793,
    6996, 7311, 7313, 7454, 7606, 7607, 7705, 7911, 7999, 8050, 8092, 8212, 8326, 8538, 8654, 8950, 9003, 9072, 9234,
    9494, 9687, 9774,
];

#[test]
fn table_of_rfcs() {
    let text = fs::read_to_string(root().join("docs/rfcs.md")).expect("docs/rfcs.md");
    let rows: Vec<Vec<&str>> = text
        .lines()
        .filter(|line| line.starts_with("| ") && line.chars().nth(2).is_some_and(|c| c.is_ascii_digit()))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let mut wrong = Vec::new();
    for row in &rows {
        let [number, _, code, tests, _] = row[..] else { panic!("not five columns: {row:?}") };
        let rfc = format!("RFC {}", number.split(' ').next().unwrap_or_default());
        let (code, tests) = (quoted(code), quoted(tests));
        assert!(!code.is_empty() && !tests.is_empty(), "{rfc} has no code or no test");
        for path in code.iter().chain(&tests) {
            let text = find(path).map(|file| fs::read_to_string(file).expect("a source"));
            match text {
                None => wrong.push(format!("{rfc}: `{path}` is not there")),
                Some(text) if code.contains(path) && !text.contains(&rfc) => {
                    wrong.push(format!("{rfc} is not named in `{path}`"));
                }
                Some(text) if !code.contains(path) && !text.contains("fn ") => {
                    wrong.push(format!("{rfc}: `{path}` has no test"));
                }
                Some(_) => {}
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    for rfc in RFCS {
        let wanted = rfc.to_string();
        let has = rows.iter().any(|row| row.first().is_some_and(|cell| cell.split(' ').next() == Some(&wanted)));
        assert!(has, "RFC {rfc} has no row");
    }
}
