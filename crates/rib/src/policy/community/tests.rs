use super::*;

fn standard(text: &str) -> [u8; 4] {
    Standard::parse_value(text).expect(text)
}

#[test]
fn standard_patterns() {
    let rows: &[(&str, &str, bool)] = &[
        ("65000:100", "65000:100", true),
        ("65000:100", "65000:101", false),
        ("65000:100", "65001:100", false),
        ("65000:*", "65000:7", true),
        ("65000:*", "65001:7", false),
        ("*:7", "1:7", true),
        ("*:7", "1:8", false),
        ("65000:100-199", "65000:199", true),
        ("65000:100-199", "65000:200", false),
        ("65000:100-199", "65000:99", false),
        ("no-export", "65535:65281", true),
        ("no-export", "no-advertise", false),
        ("65535:666", "blackhole", true),
        ("65535:0", "graceful-shutdown", true),
        ("65535:6", "llgr-stale", true),
        ("65535:7", "no-llgr", true),
        ("65535:65282", "no-advertise", true),
        ("65535:65283", "no-export-subconfed", true),
        ("*:*", "no-export", true),
    ];
    for (pattern, value, expected) in rows {
        assert_eq!(Standard::parse(pattern).expect(pattern).matches(standard(value)), *expected, "{pattern} {value}");
    }
}

#[test]
fn extended_values_and_patterns() {
    let hex = |text: &str| Extended::parse_value(text).expect(text);
    assert_eq!(hex("rt:65000:100"), [0, 2, 0xfd, 0xe8, 0, 0, 0, 100]);
    assert_eq!(hex("soo:4200000000:100"), [2, 3, 0xfa, 0x56, 0xea, 0, 0, 100]);
    assert_eq!(hex("rt:192.0.2.1:7"), [1, 2, 192, 0, 2, 1, 0, 7]);
    assert_eq!(hex("0x0002fde800000064"), hex("rt:65000:100"));
    // RFC 4360 §3.1: the largest AS number of two octets leaves four to the value.
    assert_eq!(hex("rt:65535:70000"), [0, 2, 0xff, 0xff, 0, 1, 0x11, 0x70]);
    let rows: &[(&str, &str, bool)] = &[
        ("rt:65000:*", "rt:65000:9", true),
        ("rt:65000:*", "soo:65000:9", false),
        ("soo:65000:9", "soo:65000:9", true),
        ("rt:*:9", "rt:4200000000:9", true),
        ("rt:*:9", "rt:192.0.2.1:9", false),
        ("rt:192.0.2.1:*", "rt:192.0.2.1:9", true),
        ("rt:192.0.2.1:*", "rt:192.0.2.2:9", false),
        ("rt:65000:5-9", "rt:65000:10", false),
        ("rt:4200000000:9", "rt:4200000000:9", true),
        ("rt:4200000000:9", "rt:4200000000:8", false),
        ("rt:4200000000:9", "rt:4200000001:9", false),
        ("rt:192.0.2.1:9", "rt:192.0.2.1:8", false),
        ("rt:192.0.2.1:9", "rt:65000:9", false),
        ("0x0002fde800000009", "rt:65000:9", true),
        ("0x0002fde800000009", "rt:65000:8", false),
        // RFC 5668: a small AS number in the four-octet form is the same administrator.
        ("rt:65000:9", "0x02020000fde80009", true),
        // Non-transitive (type bit 0x40, RFC 4360 §2) is another type.
        ("rt:65000:9", "0x4002fde800000009", false),
    ];
    for (pattern, value, expected) in rows {
        assert_eq!(Extended::parse(pattern).expect(pattern).matches(hex(value)), *expected, "{pattern} {value}");
    }
}

#[test]
fn large_patterns() {
    let value = Large::parse_value("4200000000:1:2").expect("value");
    assert_eq!(value, [0xfa, 0x56, 0xea, 0, 0, 0, 0, 1, 0, 0, 0, 2]);
    let rows = [
        ("4200000000:1:2", true),
        ("4200000000:*:2", true),
        ("*:*:1-2", true),
        ("4200000000:2:2", false),
        ("1:1:2", false),
    ];
    for (pattern, expected) in rows {
        assert_eq!(Large::parse(pattern).expect(pattern).matches(value), expected, "{pattern}");
    }
}

#[test]
fn quantifiers() {
    let value: Vec<u8> = ["65000:1", "65000:2"].iter().flat_map(|t| standard(t)).collect();
    let list = |q, texts: &[&str]| CommunityList::<Standard>::parse(q, texts.iter().copied()).expect("list");
    assert!(list(Quantifier::Any, &["65000:9", "65000:2"]).matches(&value));
    assert!(!list(Quantifier::Any, &["65000:9"]).matches(&value));
    assert!(list(Quantifier::All, &["65000:1", "65000:2"]).matches(&value));
    assert!(!list(Quantifier::All, &["65000:1", "65000:9"]).matches(&value));
    assert!(list(Quantifier::None, &["65000:9"]).matches(&value));
    assert!(!list(Quantifier::None, &["65000:9", "65000:1"]).matches(&value));
    assert!(!list(Quantifier::Any, &["*:*"]).matches(&[]));
}

#[test]
fn errors_name_the_column() {
    let rows: &[(PolicyError, &str, usize)] = &[
        (Standard::parse("65000:70000").expect_err("too large"), "70000", 7),
        (Standard::parse("65000").expect_err("no colon"), "65000", 1),
        (Standard::parse("no-exports").expect_err("unknown name"), "no-exports", 1),
        (Standard::parse("65000:9-1").expect_err("upside down"), "9-1", 7),
        (Standard::parse("65000:+1").expect_err("a sign"), "+1", 7),
        (Standard::parse_value("65000:*").expect_err("a pattern is no value"), "65000:*", 1),
        (Extended::parse("xx:1:2").expect_err("unknown kind"), "xx", 1),
        (Extended::parse("rt:1:2:3").expect_err("too many parts"), "2:3", 6),
        (Extended::parse("rt:4200000000:70000").expect_err("too large"), "70000", 15),
        (Extended::parse("0x12").expect_err("short"), "0x12", 1),
        (Large::parse("1:2").expect_err("two parts"), "2", 3),
        // The part that is meant, not the first that reads so.
        (Large::parse("12:2").expect_err("two parts"), "2", 4),
        (Large::parse("1:2:4294967296").expect_err("too large"), "4294967296", 5),
    ];
    for (error, part, at) in rows {
        let PolicyError::Syntax { found, column, .. } = error else { panic!("{error}") };
        assert_eq!((found.as_str(), *column), (*part, *at), "{error}");
    }
}

/// A span reads as it is written in a pattern.
#[test]
fn spans_in_words() {
    for text in ["*", "7", "0", "5-9", "0-65535", "4294967295"] {
        assert_eq!(Span::parse(text, u32::MAX).expect(text).to_string(), text);
    }
}
