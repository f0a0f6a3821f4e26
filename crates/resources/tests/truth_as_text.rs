//! Truth values where text is wanted, as Calico's tools read them.

use heddle_resources::{Document, decode_documents};

fn label(written: &str) -> Option<String> {
    let text = format!(
        "apiVersion: projectcalico.org/v3\nkind: Node\nmetadata:\n  name: a\n  labels:\n    reflector: {written}\n"
    );
    let mut documents = decode_documents(&text, "f.yaml");
    match documents.pop() {
        Some(Ok(Document::Object(node))) if documents.is_empty() => {
            node.object.metadata().labels.get("reflector").map(str::to_owned)
        }
        other => panic!("{written}: {other:?}"),
    }
}

/// `reflector: yes` is selected by `reflector == 'true'`.
#[test]
fn without_quotation_marks_they_are_true_or_false() {
    let rows = [
        ("yes", "true"),
        ("On", "true"),
        ("TRUE", "true"),
        ("no", "false"),
        ("off", "false"),
        ("'yes'", "yes"),
        ("\"no\"", "no"),
        ("y", "y"),
        ("1", "1"),
        ("0x10", "0x10"),
    ];
    for (written, want) in rows {
        assert_eq!(label(written).as_deref(), Some(want), "{written}");
    }
}
