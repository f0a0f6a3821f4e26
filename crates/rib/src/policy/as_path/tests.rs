use super::*;

use heddle_bgp_core::attr::as_path::SegmentKind;

fn path(parts: &[(SegmentKind, &[u32])]) -> AsPath {
    let mut path = AsPath::new();
    for (kind, asns) in parts {
        path.push_segment(*kind, &asns.iter().copied().map(Asn).collect::<Vec<_>>());
    }
    path
}

fn text(path: &AsPath) -> String {
    let mut out = "left over".to_owned();
    write_text(path.octets(), &mut out);
    out
}

#[test]
fn the_text_is_that_of_frr() {
    use SegmentKind::{ConfedSequence, ConfedSet, Sequence, Set};
    assert_eq!(text(&path(&[])), "");
    assert_eq!(text(&path(&[(Sequence, &[1, 2]), (Set, &[3, 4])])), "1 2 {3,4}");
    assert_eq!(text(&path(&[(ConfedSequence, &[7, 8]), (ConfedSet, &[9]), (Sequence, &[1])])), "(7 8) [9] 1");
}

#[test]
fn leading_private_ones() {
    use SegmentKind::{Sequence, Set};
    let value = path(&[(Sequence, &[64512, 64513, 1, 64514]), (Set, &[64515])]);
    assert_eq!(text(&without_leading_private(value.octets(), None)), "1 64514 {64515}");
    assert_eq!(text(&without_leading_private(value.octets(), Some(Asn(64513)))), "64513 1 64514 {64515}");
    let value = path(&[(Sequence, &[64512]), (Set, &[64515]), (Sequence, &[2])]);
    assert_eq!(text(&without_leading_private(value.octets(), None)), "2", "empty segments go");
}

#[test]
fn expressions() {
    let rows: &[(&str, &str, bool)] = &[
        ("^$", "", true),
        ("^$", "1", false),
        ("^65001$", "65001", true),
        ("^65001$", "65001 65002", false),
        ("_65001_", "65001", true),
        ("_65001_", "1 65001 2", true),
        ("_65001_", "1 {65001,2}", true),
        ("_65001_", "1 {2,65001}", true),
        ("_65001_", "(65001 7) 2", true),
        ("_65001_", "1 165001 2", false),
        ("_65001_", "1 650012", false),
        ("_65001$", "7 65001", true),
        ("_65001$", "65001 7", false),
        ("^65001_", "65001 7", true),
        ("^65001_", "650011 7", false),
        // One underscore takes one separator: between neighbours one is enough, not two.
        ("_1_2_", "1 2", true),
        ("^[0-9]+$", "65001", true),
        ("^[0-9]+ [0-9]+$", "65001 2", true),
        ("^[0-9]+_[0-9]+$", "65001 2", true),
        ("1[_]2", "1 2", true),
        ("1[_]2", "1-2", false),
        ("1[_]2", "1|2", false),
        ("1[^_]2", "1 2", false),
        ("1[^_]2", "1|2", true),
        // A bracket that is escaped opens no class.
        (r"\[1_2", "[1 2", true),
        (r"[\_]", "1 2", false),
        ("(64512|64513)", "1 64513", true),
        ("^65001( 65001)*$", "65001 65001 65001", true),
        (r"\_", "1 2", false),
        (".*", "", true),
        (r"\{", "1 {2}", true),
    ];
    for (pattern, path, expected) in rows {
        assert_eq!(AsPathRegex::new(pattern).expect(pattern).matches(path), *expected, "{pattern:?} {path:?}");
    }
}

#[test]
fn a_fault_has_its_column() {
    let rows = [("65001(", 6), ("_1_(2", 4), ("_[9-0]", 3), ("*", 1), ("__a{2,1}", 4), ("1_[5", 3), (r"_1\", 3)];
    for (pattern, expected) in rows {
        let error = AsPathRegex::new(pattern).expect_err(pattern);
        let PolicyError::Regex { column, ref text, .. } = error else { panic!("{error}") };
        assert_eq!((column, text.as_str()), (expected, pattern), "{error}");
        assert!(error.to_string().contains(&format!("column {expected}")), "{error}");
    }
}

#[test]
fn size_is_bounded_and_time_is_linear() {
    assert!(matches!(AsPathRegex::new("((1{1000}){1000}){10}"), Err(PolicyError::RegexTooLarge { .. })));
    // Exponential for a backtracking engine.
    let evil = AsPathRegex::new("^(1*)*( 1*)*(1|1 )*x$").expect("compiles");
    let path = "1 ".repeat(16_000);
    assert!(!evil.matches(&path));
}

/// Policies are compared, and share an update group, by what the operator wrote.
#[test]
fn an_expression_is_its_text() {
    use std::collections::HashSet;
    let regex = |text: &str| AsPathRegex::new(text).expect(text);
    let one = regex("_65001$");
    assert_eq!((one.as_str(), one.to_string().as_str()), ("_65001$", "_65001$"));
    assert_eq!(one, regex("_65001$"));
    assert_ne!(one, regex("_65002$"));
    let state = std::hash::RandomState::new();
    let hashes: HashSet<u64> = ["_1$", "_1$", "_2$", "_3$"]
        .map(|text| std::hash::BuildHasher::hash_one(&state, regex(text)))
        .into_iter()
        .collect();
    assert_eq!(hashes.len(), 3);
}
