//! Manifests and label selectors.

use heddle_resources::{Document, Selector, decode_documents};

/// Any text: each error names the file, each object has its key.
pub fn manifests(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    for result in decode_documents(text, "fuzz.yaml") {
        match result {
            Err(error) => {
                assert!(!error.errors.is_empty());
                assert!(error.to_string().starts_with("fuzz.yaml:"), "{error}");
            }
            Ok(Document::Object(decoded)) => assert_eq!(decoded.key, decoded.object.key()),
            Ok(Document::Skipped { .. }) => {}
        }
    }
}

/// Any text: what is a selector has a canonical form that means the same; the first line is the selector, the others
/// are names and values of labels.
pub fn selector(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (text, labels) = text.split_once('\n').unwrap_or((text, ""));
    let Ok(selector) = text.parse::<Selector>() else { return };
    let again: Selector = selector.as_str().parse().expect("a canonical form is a selector");
    let lookup = |name: &str| labels.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    assert_eq!(selector.matches_with(lookup), again.matches_with(lookup), "{selector}");
    if !selector.as_str().contains("!!") {
        assert_eq!(selector, again);
    }
}
