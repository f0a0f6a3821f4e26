//! The inputs of Calico's own tests: every one is read, without an error and without a note.

use std::path::{Path, PathBuf};

use heddle_resources::{Document, decode_documents};

fn inputs(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)
        .expect("the folder is there")
        .map(|entry| entry.expect("it can be read").path())
        .collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            inputs(&path, found);
        } else if path.file_name().is_some_and(|name| name == "input.yaml" || name == "kubectl-input.yaml") {
            found.push(path);
        }
    }
}

#[test]
fn all_are_read() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config-gen/tests/data/calico-confd/mock_data");
    let mut files = Vec::new();
    inputs(&folder, &mut files);
    assert!(files.len() >= 55, "only {} files in {}", files.len(), folder.display());
    let (mut objects, mut expected, mut wrong) = (0, 0, Vec::new());
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        expected += text.lines().filter(|line| line.starts_with("kind:")).count();
        let name = path.strip_prefix(&folder).unwrap().display().to_string();
        for result in decode_documents(&text, &name) {
            match result {
                Ok(Document::Object(decoded)) => {
                    objects += 1;
                    wrong.extend(decoded.notes.iter().map(ToString::to_string));
                }
                Ok(skipped @ Document::Skipped { .. }) => wrong.push(format!("{skipped:?}")),
                Err(error) => wrong.push(error.to_string()),
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(objects, expected);
    assert!(objects >= 366, "only {objects} objects");
}
