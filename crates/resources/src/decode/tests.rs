use super::*;

#[test]
fn nothing() {
    assert!(decode_documents("", "f").is_empty());
}
