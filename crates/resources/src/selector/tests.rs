use std::collections::BTreeMap;

use proptest::prelude::*;

use super::tokenizer::{Token, Tokenizer};
use super::*;

type Row<'t> = (&'t str, &'t [&'t [(&'t str, &'t str)]], &'t [&'t [(&'t str, &'t str)]]);

/// Selector, labels that it holds for, labels that it does not hold for.
const MATCHES: &[Row<'static>] = &[
    (r#"a == "b""#, &[&[("a", "b")], &[("a", "b"), ("c", "d")]], &[&[], &[("a", "c")], &[("c", "d")]]),
    (
        r#"a == "b" && c == "d""#,
        &[&[("a", "b"), ("c", "d")]],
        &[&[], &[("a", "b"), ("c", "e")], &[("a", "c"), ("c", "d")], &[("c", "d")], &[("a", "b")]],
    ),
    (
        r#"a == "b" || c == "d""#,
        &[&[("a", "b"), ("c", "d")], &[("a", "b")], &[("c", "d")]],
        &[&[], &[("a", "e"), ("c", "e")], &[("c", "e")], &[("a", "e")]],
    ),
    (r#"a in {"'", '"', "c"}"#, &[&[("a", "c")], &[("a", "\"")], &[("a", "'")]], &[&[], &[("a", "e")]]),
    (r#"a not in {"'", '"', "c"}"#, &[&[], &[("a", "e")]], &[&[("a", "c")], &[("a", "\"")], &[("a", "'")]]),
    ("a == 'a'", &[&[("a", "a")]], &[&[("a", "b")], &[]]),
    (r#"a != "b""#, &[&[("a", "a")], &[]], &[&[("a", "b")]]),
    ("a != 'a'", &[&[]], &[&[("a", "a")]]),
    (
        r#"a contains "a""#,
        &[&[("a", "a")], &[("a", "bab")], &[("a", "aaa"), ("b", "c")]],
        &[&[], &[("a", "b")], &[("b", "aaa")]],
    ),
    (
        r#"a starts with "a""#,
        &[&[("a", "a")], &[("a", "abb")], &[("a", "aaa"), ("b", "c")]],
        &[&[], &[("a", "b")], &[("a", "baa")], &[("b", "aaa")]],
    ),
    (
        r#"a ends with "a""#,
        &[&[("a", "a")], &[("a", "bba")], &[("a", "aaa"), ("b", "c")]],
        &[&[], &[("a", "b")], &[("a", "aab")], &[("b", "aaa")]],
    ),
    (r#"a in {"a"}"#, &[&[("a", "a")]], &[&[("a", "b")], &[]]),
    (r#"!a in {"a"}"#, &[&[("a", "b")], &[]], &[&[("a", "a")]]),
    (r#"a in {"a", "b"}"#, &[&[("a", "a")], &[("a", "b")]], &[&[("a", "c")]]),
    (r#"a not in {"d", "e"}"#, &[&[("a", "a")], &[]], &[&[("a", "d")]]),
    ("a in {}", &[], &[&[], &[("a", "")]]),
    ("a not in {}", &[&[], &[("a", "")]], &[]),
    ("has(a)", &[&[("a", "b")], &[("a", "")]], &[&[("b", "a")]]),
    ("!has(a)", &[&[("b", "b")]], &[&[("a", "b")]]),
    ("!!has(b)", &[&[("b", "")]], &[&[("a", "b")]]),
    ("! has(a)", &[&[]], &[&[("a", "b")]]),
    ("!!! has(a)", &[&[]], &[&[("a", "b")]]),
    ("!! ! has(a)", &[&[]], &[&[("a", "b")]]),
    ("! !!has(a)", &[&[]], &[&[("a", "b")]]),
    ("", &[&[], &[("a", "b")]], &[]),
    (" \t ", &[&[]], &[]),
    (" all()", &[&[], &[("a", "b")]], &[]),
    ("global()", &[&[], &[("a", "b")]], &[]),
    ("!global()", &[], &[&[]]),
    ("a == 'a1' && b == 'b1'", &[&[("a", "a1"), ("b", "b1")]], &[]),
    ("a == 'a1' && b != 'b1'", &[&[("a", "a1")]], &[&[("a", "a1"), ("b", "b1")]]),
    ("a != 'a1' && !b == 'b1'", &[&[]], &[&[("a", "a1"), ("b", "b1")]]),
    ("!a == 'a1' && b == 'b1'", &[&[("b", "b1")]], &[&[("a", "a1"), ("b", "b1")]]),
    ("has(a) && !has(b)", &[&[("a", "a")]], &[&[("a", "a"), ("b", "")]]),
    ("!(!has(a) || has(b))", &[&[("a", "a")]], &[&[]]),
    ("!(has(b) || !has(a))", &[&[("a", "a")]], &[&[]]),
    ("a == 'a1' || b != 'b1'", &[&[("a", "a1"), ("b", "b1")]], &[&[("b", "b1")]]),
    ("a != 'a1' || b != 'b1'", &[&[("a", "a1")]], &[&[("a", "a1"), ("b", "b1")]]),
    // && binds tighter than ||, on either side.
    ("has(a) || has(b) && has(c)", &[&[("a", "")], &[("b", ""), ("c", "")]], &[&[("b", "")], &[("c", "")]]),
    ("has(a) && has(b) || has(c)", &[&[("c", "")], &[("a", ""), ("b", "")]], &[&[("a", "")]]),
    // Keywords are keywords behind a label only.
    ("contains contains 'x'", &[&[("contains", "axb")]], &[&[("contains", "")]]),
    ("in in {'in'} && not notin {'x'}", &[&[("in", "in")]], &[&[("in", "in"), ("not", "x")]]),
    ("all == 'a' && has == 'h'", &[&[("all", "a"), ("has", "h")]], &[&[]]),
];

fn labels(pairs: &[(&str, &str)]) -> Labels {
    pairs.iter().copied().collect()
}

#[test]
fn matches() {
    for (text, holds, fails) in MATCHES {
        let selector: Selector = text.parse().unwrap();
        let again: Selector = selector.as_str().parse().unwrap();
        for pairs in *holds {
            assert!(selector.matches(&labels(pairs)), "{text} has to hold for {pairs:?}");
            assert!(again.matches(&labels(pairs)), "{again} has to hold for {pairs:?}");
        }
        for pairs in *fails {
            assert!(!selector.matches(&labels(pairs)), "{text} must not hold for {pairs:?}");
            assert!(!again.matches(&labels(pairs)), "{again} must not hold for {pairs:?}");
        }
    }
}

#[test]
fn what_is_no_selector() {
    const TEXTS: &[(&str, usize)] = &[
        ("b == b", 6),
        ("b contains b", 12),
        ("b starts with b", 3),
        ("b ends with b", 3),
        ("'b1' == b", 1),
        ("b", 2),
        ("a b", 3),
        ("a ", 3),
        ("!", 2),
        (r#"foo == "bar" &"#, 14),
        (r#"foo == "bar" |"#, 14),
        ("foo = 'bar'", 5),
        ("foo != ||", 8),
        (r#"foo in {"", ||"#, 13),
        (r#"foo in """#, 8),
        (r#""FOO"#, 1),
        (r#""FOO'"#, 1),
        ("'FOO", 1),
        ("a == 'x", 6),
        ("(", 2),
        (r#"(a == "foo""#, 12),
        (")", 1),
        ("()", 2),
        ("%", 1),
        (r#"a == "b" && %"#, 13),
        ("has(foo) &&", 12),
        ("has (foo)", 5),
        ("all ()", 5),
        ("has()", 5),
        ("has(foo", 8),
        ("has( foo bar)", 10),
        ("all(", 5),
        ("global(x)", 8),
        ("label starts foo 'x'", 7),
        ("label inf 'x'", 7),
        ("label ends withs 'x'", 7),
        ("label contains_ 'x'", 7),
        ("a in {'x'} b", 12),
        ("a in {,}", 7),
        ("a == 'b'\n", 9),
        ("ä == 'b'", 1),
    ];
    for (text, position) in TEXTS {
        let error = text.parse::<Selector>().expect_err(text);
        let at = match error {
            SelectorError::Expected { at, .. } | SelectorError::UnterminatedText { at } => at,
            SelectorError::LabelTooLong { .. } | SelectorError::TooLong | SelectorError::TooDeep => 0,
        };
        assert_eq!(at, *position, "{text}: {error}");
    }
}

#[test]
fn words() {
    use Token::*;
    const ROWS: &[(&str, &[Token<'static>])] = &[
        (r#"a=="b""#, &[Label("a"), Equal, Text("b"), End]),
        (r#"a != "b""#, &[Label("a"), NotEqual, Text("b"), End]),
        (r#"(a=="b")"#, &[LeftParenthesis, Label("a"), Equal, Text("b"), RightParenthesis, End]),
        (r#"label contains"value""#, &[Label("label"), Contains, Text("value"), End]),
        (r#"startswith starts with "value""#, &[Label("startswith"), StartsWith, Text("value"), End]),
        (r#"label startswith "v""#, &[Label("label"), StartsWith, Text("v"), End]),
        (r#"endswith ends  with "v""#, &[Label("endswith"), EndsWith, Text("v"), End]),
        (r#"label endswith "v""#, &[Label("label"), EndsWith, Text("v"), End]),
        (
            r#"a not in "bar" && !has(foo) || b in c"#,
            &[Label("a"), NotIn, Text("bar"), And, Not, Has("foo"), Or, Label("b"), In, Label("c"), End],
        ),
        (
            r#"a  not  in  "bar"  &&  ! has( foo )  ||  b  in  c "#,
            &[Label("a"), NotIn, Text("bar"), And, Not, Has("foo"), Or, Label("b"), In, Label("c"), End],
        ),
        (
            r#"a notin"bar"&&!has(foo)||b in"c""#,
            &[Label("a"), NotIn, Text("bar"), And, Not, Has("foo"), Or, Label("b"), In, Text("c"), End],
        ),
        ("has(calico/k8s_NS-.1/role)", &[Has("calico/k8s_NS-.1/role"), End]),
        (
            r#"calico/k8s_ns == "kube-system" && k8s-app == "kube-dns""#,
            &[Label("calico/k8s_ns"), Equal, Text("kube-system"), And, Label("k8s-app"), Equal, Text("kube-dns"), End],
        ),
        ("a not in {}", &[Label("a"), NotIn, LeftBrace, RightBrace, End]),
        (r#"a not in {"a","B"}"#, &[Label("a"), NotIn, LeftBrace, Text("a"), Comma, Text("B"), RightBrace, End]),
        ("global( )", &[Global, End]),
        ("all(\t)", &[All, End]),
        ("", &[End]),
    ];
    for (text, expected) in ROWS {
        let mut words = Tokenizer::new(text);
        let mut found = Vec::new();
        while found.last() != Some(&End) {
            found.push(words.next().unwrap());
        }
        assert_eq!(found, *expected, "{text}");
    }
}

#[test]
fn canonical_form_and_identifier() {
    const ROWS: &[(&str, &str, &str)] = &[
        ("", "all()", "s:5y5I3VdRZfDU01O--xXAPx2yxCQQqMf0M6IWug"),
        (" all() ", "all()", "s:5y5I3VdRZfDU01O--xXAPx2yxCQQqMf0M6IWug"),
        (" (all() )", "all()", "s:5y5I3VdRZfDU01O--xXAPx2yxCQQqMf0M6IWug"),
        ("! (has( b)||! has(a ))", "!(has(b) || !has(a))", "s:Iss0uCleLYv1GSv_pNm7hAO58kE9jAx1NKyG3Q"),
        (r#"! (a == "b"&&! c != "d")"#, r#"!(a == "b" && !c != "d")"#, "s:lh3haoY1ikTRkd4UZu0nWSaIBknYLPJLX16d-w"),
        (r#"a == "'""#, r#"a == "'""#, ""),
        (r#"a == '"'"#, r#"a == '"'"#, ""),
        (r#"a contains '"'"#, r#"a contains '"'"#, ""),
        (r#"a startswith '"'"#, r#"a starts with '"'"#, ""),
        (r#"a endswith "'""#, r#"a ends with "'""#, ""),
        (r#"a!='"'"#, r#"a != '"'"#, ""),
        (r#"a in {"z", "z", "x", "y", "x", "a",}"#, r#"a in {"a", "x", "y", "z"}"#, ""),
        ("a notin { }", "a not in {}", ""),
        ("has(a) && has(b) || has(c)", "((has(a) && has(b)) || has(c))", ""),
        ("(has(a) && has(b)) && has(c)", "((has(a) && has(b)) && has(c))", ""),
        // Calico collapses a run of ! only, not a negation in parentheses.
        ("!(!has(a))", "!!has(a)", ""),
    ];
    for (text, canonical, id) in ROWS {
        let selector: Selector = text.parse().unwrap();
        assert_eq!(selector.as_str(), *canonical, "{text}");
        if !id.is_empty() {
            assert_eq!(selector.unique_id(), *id, "{text}");
        }
    }
}

#[test]
fn limits() {
    let label = "a".repeat(MAX_LABEL_LENGTH);
    assert!(format!("{label} == 'v'").parse::<Selector>().is_ok());
    assert_eq!(format!("{label}a == 'v'").parse::<Selector>(), Err(SelectorError::LabelTooLong { at: 1 }));
    let nested = |n: usize| format!("{}has(a){}", "(".repeat(n), ")".repeat(n));
    assert!(nested(MAX_DEPTH).parse::<Selector>().is_ok());
    assert_eq!(nested(MAX_DEPTH + 1).parse::<Selector>(), Err(SelectorError::TooDeep));
    let alternating = |n: usize| format!("{}has(a){}", "(has(b) || has(c) && ".repeat(n), ")".repeat(n));
    assert!(alternating(MAX_DEPTH / 2 - 1).parse::<Selector>().is_ok());
    assert_eq!(alternating(MAX_DEPTH / 2).parse::<Selector>(), Err(SelectorError::TooDeep));
    assert!("!".repeat(MAX_LENGTH - 6).parse::<Selector>().is_err());
    assert!(format!("{}has(a)", "!".repeat(MAX_LENGTH - 6)).parse::<Selector>().is_ok());
    assert_eq!(format!("{}has(a)", "!".repeat(MAX_LENGTH)).parse::<Selector>(), Err(SelectorError::TooLong));
    assert_eq!("(".repeat(MAX_LENGTH).parse::<Selector>(), Err(SelectorError::TooDeep));
}

fn expressions() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        Just("all()".to_owned()),
        Just(" global( )".to_owned()),
        "has\\( ?[a-c] ?\\)",
        "[a-c] ?(==|!=) ?\"[xy']{0,2}\"",
        "[a-c] (contains|starts with|startswith|ends with) ?'[xy\"]{0,2}'",
        "[a-c] (in|not in|notin) ?\\{(\"[xy]{0,2}\", ?){0,3}\\}",
    ];
    leaf.prop_recursive(6, 48, 4, |inner| {
        prop_oneof![
            inner.clone().prop_map(|e| format!("!{e}")),
            inner.clone().prop_map(|e| format!("! !{e}")),
            inner.clone().prop_map(|e| format!("({e} )")),
            prop::collection::vec(inner.clone(), 2..4).prop_map(|es| es.join("&&")),
            prop::collection::vec(inner, 2..4).prop_map(|es| es.join(" || ")),
        ]
    })
}

proptest! {
    #[test]
    fn the_canonical_form_means_the_same(
        text in expressions(),
        labels in prop::collection::btree_map("[a-c]", "[xy]{0,2}", 0..4),
    ) {
        let selector: Selector = text.parse().unwrap();
        let again: Selector = selector.as_str().parse().unwrap();
        let labels: Labels = BTreeMap::into_iter(labels).collect();
        prop_assert_eq!(selector.matches(&labels), again.matches(&labels));
        // A double negation is written once and read as none.
        if !selector.as_str().contains("!!") {
            prop_assert_eq!(&selector, &again);
        }
        prop_assert_eq!(again.as_str().parse::<Selector>().unwrap(), again);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[a-c!&|(){}=\"' \\tä,]{0,40}|\\PC{0,60}") {
        if let Ok(selector) = text.parse::<Selector>() {
            prop_assert!(selector.as_str().parse::<Selector>().is_ok());
        }
    }
}
