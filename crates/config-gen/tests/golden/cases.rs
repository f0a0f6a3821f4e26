//! `cases.toml`: which input belongs to which expected files.

use std::collections::{BTreeMap, BTreeSet};

use heddle_resources::{Document, Key, Kind, Scope, Snapshot, decode_documents};
use serde::Deserialize;

use crate::data::Data;

/// The whole file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Cases {
    block_affinities: String,
    #[serde(rename = "case")]
    pub cases: Vec<Case>,
}

/// One case. The file's head says what each field is.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub expected: Option<String>,
    name: Option<String>,
    inputs: Option<Vec<String>>,
    #[serde(default = "kube_master")]
    pub node: String,
    #[serde(default)]
    pub environment: BTreeMap<String, String>,
    #[serde(default = "yes")]
    affinities: bool,
    #[serde(default)]
    apply: String,
    repeat: Option<Repeat>,
    #[serde(default)]
    delete: Vec<String>,
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    pub sessions: Option<usize>,
    #[serde(default)]
    pub rewrite: Vec<(String, String)>,
    #[serde(default)]
    pub warnings: Vec<String>,
}

/// An endpoint-status file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct Endpoint {
    pub iface_name: String,
    pub ipv4_nets: Vec<String>,
    pub ipv6_nets: Vec<String>,
    pub bgp_peer_name: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Repeat {
    from: u32,
    to: u32,
    apply: String,
}

fn kube_master() -> String {
    "kube-master".to_owned()
}

const fn yes() -> bool {
    true
}

impl Cases {
    pub fn load() -> Self {
        toml::from_str(include_str!("../cases.toml")).unwrap_or_else(|e| panic!("tests/cases.toml: {e}"))
    }

    /// All objects of a case, its steps done.
    pub fn snapshot(&self, case: &Case, data: &Data) -> Result<Snapshot, String> {
        let mut snapshot = Snapshot::new();
        if case.affinities {
            apply(&mut snapshot, &self.block_affinities, "block-affinities")?;
        }
        for folder in case.inputs() {
            let file = format!("{folder}/input.yaml");
            let text = data.input(&file).ok_or_else(|| format!("there is no {file}"))?;
            apply(&mut snapshot, &text, &file)?;
            let file = format!("{folder}/kubectl-input.yaml");
            if let Some(text) = data.input(&file) {
                apply(&mut snapshot, &without_status(&text), &file)?;
            }
        }
        apply(&mut snapshot, &case.apply, "apply")?;
        if let Some(repeat) = &case.repeat {
            for i in repeat.from..=repeat.to {
                apply(&mut snapshot, &repeat.apply.replace("{i}", &i.to_string()), "repeat")?;
            }
        }
        for object in &case.delete {
            let key = key(object).ok_or_else(|| format!("{object:?} is no KIND/NAME"))?;
            if snapshot.get(&key).is_none() {
                return Err(format!("{object} cannot be deleted: it is not there"));
            }
            snapshot.apply(&heddle_resources::Delta::Deleted(key));
        }
        Ok(snapshot)
    }
}

impl Case {
    /// What messages call it.
    pub fn name(&self) -> &str {
        self.name.as_deref().or(self.expected.as_deref()).unwrap_or("a case without name")
    }

    fn inputs(&self) -> Vec<String> {
        self.inputs.clone().unwrap_or_else(|| self.expected.iter().cloned().collect())
    }
}

fn apply(snapshot: &mut Snapshot, text: &str, file: &str) -> Result<(), String> {
    for document in decode_documents(text, file) {
        match document {
            Ok(Document::Object(decoded)) => {
                snapshot.apply(&heddle_resources::Delta::set(decoded.object));
            }
            Ok(Document::Skipped { object, .. }) => return Err(format!("{file}: skipped {object:?}")),
            Err(invalid) => return Err(format!("{file}: {invalid}")),
        }
    }
    Ok(())
}

/// What reaches the API server of a manifest: `status` is a resource of its own and is dropped when an object is
/// created. In the inputs it is the last field of its document.
fn without_status(text: &str) -> String {
    let mut kept = String::new();
    let mut in_status = false;
    for line in text.lines() {
        in_status = match line {
            "status:" => true,
            "---" => false,
            _ => in_status,
        };
        if !in_status {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// `KIND/NAME` or `KIND/NAMESPACE/NAME`.
fn key(text: &str) -> Option<Key> {
    let (kind, name) = text.split_once('/')?;
    let kind: Kind = kind.parse().ok()?;
    let (namespace, name) = match kind.scope() {
        Scope::Cluster => (None, name),
        Scope::Namespaced => name.split_once('/').map(|(ns, name)| (Some(ns.into()), name))?,
    };
    Some(Key { kind, namespace, name: name.into() })
}

#[test]
fn every_expected_folder_has_a_case_and_every_input_is_used() {
    let (cases, data) = (Cases::load(), Data::open());
    let listed: BTreeSet<String> = cases.cases.iter().filter_map(|c| c.expected.clone()).collect();
    assert_eq!(listed, data.expected_cases(), "cases.toml on the left, expected files on the right");
    let used: BTreeSet<String> = cases.cases.iter().flat_map(Case::inputs).collect();
    assert_eq!(used, data.inputs(), "inputs of cases.toml on the left, mock_data on the right");
    let names: BTreeSet<&str> = cases.cases.iter().map(Case::name).collect();
    assert_eq!(names.len(), cases.cases.len(), "two cases of one name");
    for case in &cases.cases {
        assert_eq!(case.expected.is_some(), case.sessions.is_none(), "{}: expected or sessions", case.name());
    }
}

#[test]
fn every_input_is_read() {
    let (cases, data) = (Cases::load(), Data::open());
    for case in &cases.cases {
        let snapshot = cases.snapshot(case, &data).unwrap_or_else(|e| panic!("{}: {e}", case.name()));
        assert!(!snapshot.is_empty(), "{}", case.name());
    }
}

#[test]
fn status_is_dropped() {
    assert_eq!(without_status("a: 1\nstatus:\n  b: 2\n\n---\nc: 3\n"), "a: 1\n---\nc: 3\n");
}
