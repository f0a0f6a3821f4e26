//! The table of rules in `docs/resources.md`: what it says is what happens, and nothing else happens that it does not
//! say.

mod table;

use heddle_resources::{Decoded, Document, InvalidObject, decode_documents};
use table::{Effect, Rule, rules};

const DOCS: &str = include_str!("../../../docs/resources.md");

/// The manifest of an example: what the example leaves out is filled in.
fn manifest(kind: &str, example: &str) -> String {
    let (kind, api_version) = match kind {
        "all" => ("BGPFilter", "projectcalico.org/v3"),
        "Node (v1)" => ("Node", "v1"),
        "Secret" | "Service" | "Pod" => (kind, "v1"),
        "EndpointSlice" => (kind, "discovery.k8s.io/v1"),
        "Node" | "BGPConfiguration" | "BGPPeer" | "BGPFilter" | "IPPool" | "BlockAffinity" | "IPAMBlock"
        | "CalicoNodeStatus" => (kind, "projectcalico.org/v3"),
        _ => unreachable!("a kind of the table: {kind}"),
    };
    let mut text = String::new();
    for (field, value) in [("apiVersion", api_version), ("kind", kind), ("metadata", "{name: default}")] {
        if !example.lines().any(|line| line.starts_with(field)) {
            text += &format!("{field}: {value}\n");
        }
    }
    text + example
}

fn decode(rule: &Rule, example: &str) -> Result<Decoded, InvalidObject> {
    let mut results = decode_documents(&manifest(rule.kind, example), "example.yaml");
    assert_eq!(results.len(), 1, "{example}");
    match results.remove(0)? {
        Document::Object(decoded) => Ok(decoded),
        skipped @ Document::Skipped { .. } => panic!("{example}: {skipped:?}"),
    }
}

/// A path without the numbers of its entries.
fn field(path: &str) -> String {
    let mut parts = path.split('[');
    let mut field = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        field.push('[');
        field += part.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    field
}

#[test]
fn examples_do_what_the_table_says() {
    let mut wrong = Vec::new();
    for rule in rules() {
        for example in rule.examples {
            let outcome = decode(rule, example);
            let fields: Vec<String> = match (&outcome, rule.effect) {
                (Err(error), Effect::Invalid) => error.errors.iter().map(|error| field(&error.path)).collect(),
                (Ok(decoded), Effect::PassedOver) => decoded.notes.iter().map(|note| field(&note.path)).collect(),
                (Err(_), Effect::PassedOver) | (Ok(_), Effect::Invalid) => Vec::new(),
            };
            let text = outcome.as_ref().map_or_else(ToString::to_string, |_| "example.yaml:".to_owned());
            if fields != [rule.field] || !text.starts_with("example.yaml:") || text.contains("hunter2") {
                wrong.push(format!("{} {}: {example}: {fields:?}: {text}", rule.kind, rule.field));
            }
        }
        for example in rule.allowed {
            let told = match decode(rule, example) {
                Ok(decoded) => decoded.notes.iter().map(ToString::to_string).collect(),
                Err(error) => error.to_string(),
            };
            if !told.is_empty() {
                wrong.push(format!("{} {}: {example} is allowed: {told}", rule.kind, rule.field));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_table_is_in_the_documentation() {
    let mut rows: Vec<String> = Vec::new();
    for rule in rules() {
        let effect = match rule.effect {
            Effect::Invalid => "the object is ignored",
            Effect::PassedOver => "the value is passed over",
        };
        let field = if rule.field.is_empty() { String::new() } else { format!("`{}`", rule.field) };
        rows.push(format!("| {} | {field} | {} | {effect} |", rule.kind, rule.rule));
    }
    let (_, documented) = DOCS.split_once("<!-- rules -->\n").expect("the mark in docs/resources.md");
    let documented: Vec<&str> = documented
        .lines()
        .skip_while(|line| !line.starts_with("|---"))
        .skip(1)
        .take_while(|line| line.starts_with('|'))
        .collect();
    assert!(documented == rows, "docs/resources.md has to have these rows:\n{}", rows.join("\n"));
}
