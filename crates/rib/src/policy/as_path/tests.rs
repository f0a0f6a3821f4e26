use super::*;

fn path(parts: &[(u8, &[u32])]) -> Vec<u8> {
    let mut out = Vec::new();
    for (kind, asns) in parts {
        out.extend_from_slice(&[*kind, u8::try_from(asns.len()).expect("short")]);
        asns.iter().for_each(|a| out.extend_from_slice(&a.to_be_bytes()));
    }
    out
}

fn text(value: &[u8]) -> String {
    let mut out = "left over".to_owned();
    write_text(value, &mut out);
    out
}

#[test]
fn text_length_and_ends() {
    let rows: &[(Vec<u8>, &str, usize, Option<u32>, Option<u32>)] = &[
        (path(&[]), "", 0, None, None),
        (path(&[(2, &[65001])]), "65001", 1, Some(65001), Some(65001)),
        (path(&[(2, &[1, 2]), (1, &[3, 4])]), "1 2 {3,4}", 3, Some(1), None),
        (path(&[(1, &[3, 4]), (2, &[4_200_000_000])]), "{3,4} 4200000000", 2, None, Some(4_200_000_000)),
        (path(&[(3, &[7, 8]), (4, &[9]), (2, &[1])]), "(7 8) [9] 1", 1, None, Some(1)),
    ];
    for (value, expected, len, first, origin) in rows {
        assert_eq!(text(value), *expected);
        assert_eq!(length(value), *len, "{expected}");
        assert_eq!(first_as(value), first.map(Asn), "{expected}");
        assert_eq!(origin_as(value), origin.map(Asn), "{expected}");
    }
    // A cut path ends early and does not panic.
    assert_eq!(text(&[2, 2, 0, 0, 0, 1]), "");
}

#[test]
fn prepending() {
    assert_eq!(text(&prepend(&[], Asn(9), 2)), "9 9");
    assert_eq!(prepend(&path(&[(2, &[1])]), Asn(9), 1), path(&[(2, &[9, 1])]), "one segment");
    assert_eq!(prepend(&path(&[(1, &[1])]), Asn(9), 1), path(&[(2, &[9]), (1, &[1])]), "a set stays");
    let full = path(&[(2, &[1; 254])]);
    assert_eq!(prepend(&full, Asn(9), 1).get(..2), Some(&[2, 255][..]));
    // RFC 4271 §5.1.2: more than 255 in a segment opens a new one.
    assert_eq!(prepend(&full, Asn(9), 2), [path(&[(2, &[9, 9])]), full.clone()].concat());
    assert_eq!(prepend(&full, Asn(9), 0), full);
}

#[test]
fn mapping() {
    let value = path(&[(2, &[1, 64512, 2]), (1, &[64513]), (2, &[64512])]);
    let kept = map_asns(&value, |a| (!a.is_private()).then_some(a));
    assert_eq!(kept, path(&[(2, &[1, 2])]), "empty segments go");
    let replaced = map_asns(&value, |a| Some(if a == Asn(64512) { Asn(9) } else { a }));
    assert_eq!(text(&replaced), "1 9 2 {64513} 9");
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
