//! What deploy/ renders, as operators do it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use heddle_interop_tests::kubernetes::client::parse;
use heddle_interop_tests::kubernetes::program;
use heddle_interop_tests::netns::output;
use serde_json::Value;

/// A file or folder of the project.
pub(crate) fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// A page of the documentation.
pub(crate) fn page(name: &str) -> String {
    let path = project("docs").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// What stands in a page as code of one language: ```` ```yaml ```` and the like, each without what it is indented by.
pub(crate) fn blocks(page: &str, language: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut open: Option<(usize, Vec<&str>)> = None;
    for line in page.lines() {
        let text = line.trim_start();
        match &mut open {
            None if text.strip_prefix("```") == Some(language) => open = Some((line.len() - text.len(), Vec::new())),
            None => {}
            Some(_) if text.starts_with("```") => {
                let (_, lines) = open.take().unwrap_or_default();
                blocks.push(lines.join("\n") + "\n");
            }
            Some((indent, lines)) => lines.push(line.get(*indent..).unwrap_or(text)),
        }
    }
    blocks
}

/// A program of `scripts/kubernetes`.
#[track_caller]
pub(crate) fn find(name: &str) -> PathBuf {
    program(name).unwrap_or_else(|error| panic!("{error}"))
}

/// The chart, with these arguments.
#[track_caller]
pub(crate) fn by_helm(arguments: &[&str]) -> String {
    let mut command = Command::new(find("helm"));
    command.args(["template", "heddle"]).arg(project("deploy/helm/heddle")).args(["--namespace", "kube-system"]);
    command.args(arguments);
    output(command)
}

/// A folder of kustomize.
#[track_caller]
pub(crate) fn by_kustomize(folder: &str) -> String {
    let mut command = Command::new(find("kubectl"));
    command.arg("kustomize").arg(project("deploy/kustomize").join(folder));
    output(command)
}

/// Objects by kind and name.
pub(crate) fn by_name(manifests: &str) -> BTreeMap<String, Value> {
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let name = |object: &Value| format!("{} {}", word(&object["kind"]), word(&object["metadata"]["name"]));
    parse(manifests).into_iter().map(|object| (name(&object), object)).collect()
}

/// The strings of an array.
pub(crate) fn words(array: &Value) -> Vec<&str> {
    array.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}
