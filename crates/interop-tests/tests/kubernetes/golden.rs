//! The inputs of Calico's own conformance set, kept by a real API server in both ways.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use heddle_interop_tests::kubernetes::client::parse;
use heddle_interop_tests::kubernetes::{CalicoApi, Cluster, Options};
use serde_json::Value;

/// Each input goes in, and comes back complete: no definition of ours lacks a field of theirs.
pub(crate) fn inputs_come_back() {
    let cluster = Cluster::start(&Options { calico: vec![CalicoApi::Crd, CalicoApi::Native], ..Options::default() });
    let inputs = inputs();
    assert!(inputs.len() > 20, "{inputs:?}");
    for (api, input) in inputs.iter().flat_map(|input| [(CalicoApi::Crd, input), (CalicoApi::Native, input)]) {
        let text = fs::read_to_string(input).unwrap_or_else(|error| panic!("{}: {error}", input.display()));
        let mut objects: Vec<Value> = parse(&text).iter().map(|object| api.stored(object)).collect();
        for object in objects.iter_mut().filter(|object| object["kind"] == "Service").filter_map(Value::as_object_mut) {
            // kubectl, with which these inputs are meant to be applied, does not write it; the API server would refuse it.
            object.remove("status");
        }
        let failed = |error: String| -> Value { panic!("{}: {error}", input.display()) };
        // Whatever is given twice counts as it is given last.
        let mut expected = BTreeMap::new();
        for object in &objects {
            cluster.admin().apply_object(object).unwrap_or_else(failed);
            expected.insert(cluster.admin().path(object).unwrap_or_else(|error| panic!("{error}")), object);
        }
        for (path, object) in &expected {
            let stored = cluster.admin().get(path).unwrap_or_else(failed);
            assert_contains(&stored, object, &format!("{}: {path}", input.display()));
        }
        for path in expected.keys() {
            cluster.admin().delete(path).unwrap_or_else(failed);
        }
    }
}

pub(crate) fn inputs() -> Vec<PathBuf> {
    let mut found = Vec::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config-gen/tests/data/calico-confd/mock_data");
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
        for entry in entries.flatten().map(|entry| entry.path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.file_name().is_some_and(|name| name == "input.yaml" || name == "kubectl-input.yaml") {
                found.push(entry);
            }
        }
    }
    found.sort();
    found
}

/// All that `given` says is in `stored`, which may say more: what the API server fills in.
#[track_caller]
fn assert_contains(stored: &Value, given: &Value, at: &str) {
    match (stored, given) {
        (Value::Object(stored), Value::Object(given)) => {
            for (key, value) in given {
                // What is null is not kept.
                if !value.is_null() {
                    assert_contains(stored.get(key).unwrap_or(&Value::Null), value, &format!("{at}.{key}"));
                }
            }
        }
        (Value::Array(stored), Value::Array(given)) => {
            assert_eq!(stored.len(), given.len(), "{at}");
            stored.iter().zip(given).for_each(|(stored, given)| assert_contains(stored, given, &format!("{at}[]")));
        }
        _ => assert_eq!(stored, given, "{at}"),
    }
}
