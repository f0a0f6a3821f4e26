//! Writes YAML: block style, texts in double quotes as JSON has them, which every YAML reader takes.

use std::fmt::Write as _;

use serde_json::Value;

/// A document, with its end of line.
pub(crate) fn document(value: &Value) -> String {
    let mut out = String::new();
    block(&mut out, value, 0);
    out
}

/// A value on lines of its own; scalars and empty collections on one.
fn block(out: &mut String, value: &Value, depth: usize) {
    let indent = "  ".repeat(depth);
    match value {
        Value::Object(map) if !map.is_empty() => {
            for (key, value) in map {
                let _ = write!(out, "{indent}{}:", plain(key));
                below(out, value, depth);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for item in items {
                // The dash stands in place of the indent of the item's first line.
                let mut lines = String::new();
                block(&mut lines, item, depth + 1);
                let _ = write!(out, "{indent}- {}", lines.trim_start());
            }
        }
        Value::Object(_) | Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let _ = writeln!(out, "{indent}{}", scalar(value));
        }
    }
}

/// A value behind its key.
fn below(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::Object(map) if !map.is_empty() => {
            out.push('\n');
            block(out, value, depth + 1);
        }
        Value::Array(items) if !items.is_empty() => {
            out.push('\n');
            block(out, value, depth + 1);
        }
        Value::Object(_) | Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            let _ = writeln!(out, " {}", scalar(value));
        }
    }
}

/// A scalar or an empty collection, as JSON writes it; texts that can be nothing else go without quotes.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => plain(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

fn plain(text: &str) -> String {
    let word = text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '/' | '_' | '-'))
        && !["true", "false", "null", "yes", "no", "on", "off", "y", "n"].contains(&text.to_ascii_lowercase().as_str());
    if word { text.to_owned() } else { Value::String(text.to_owned()).to_string() }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_document() {
        let value = json!({
            "apiVersion": "projectcalico.org/v3",
            "status": { "empty": [], "none": null, "on": true, "text": "a: \"b\"\n", "list": [{ "peerIP": "192.0.2.1", "n": 1 }, [2]] },
        });
        let want = "apiVersion: projectcalico.org/v3\nstatus:\n  empty: []\n  list:\n    - \"n\": 1\n      peerIP: \"192.0.2.1\"\n    \
                    - - 2\n  none: null\n  \"on\": true\n  text: \"a: \\\"b\\\"\\n\"\n";
        assert_eq!(document(&value), want);
    }
}
