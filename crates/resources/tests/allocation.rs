//! What reading manifests and selectors allocates is bounded by their length.

#[path = "../../../fuzz/src/allocation.rs"]
pub mod allocation;
#[path = "../../../fuzz/src/corpus.rs"]
pub mod corpus;

use allocation::{Bound, TEXT, Worst};
use heddle_resources::{Selector, decode_each};

fn check(target: &str, bound: Bound, further: &[(&str, String)], decode: fn(&str)) {
    let mut worst = Worst::new(bound);
    let mut one = |what: &str, input: &[u8]| {
        if let Ok(text) = std::str::from_utf8(input) {
            worst.decode(what, input, |_| decode(text));
        }
    };
    corpus::each(target, &mut one);
    further.iter().for_each(|(what, text)| one(what, text.as_bytes()));
    worst.check(target);
}

#[test]
fn selectors() {
    let further = [
        ("negations", format!("{}has(a)", "!".repeat(50_000))),
        ("parentheses", "(".repeat(50_000)),
        ("alternatives", vec!["a == 'b'"; 5000].join(" || ")),
        ("a set", format!("a in {{{}}}", vec!["'b'"; 10_000].join(","))),
    ];
    check("selector", TEXT, &further, |text| drop(text.parse::<Selector>()));
}

#[test]
fn manifests() {
    let further = [
        ("brackets", "[".repeat(50_000)),
        ("anchors", format!("{}a: 1", "&a ".repeat(10_000))),
        ("documents", "---\n".repeat(10_000)),
        ("laughter", laughter()),
    ];
    // Aliases may copy 10,000 values, however short the document is.
    let bound = Bound { base: TEXT.base + (2 << 20), ..TEXT };
    check("manifests", bound, &further, |text| decode_each(text, &"file.yaml".into(), drop));
}

/// Aliases of aliases: a billion of them.
fn laughter() -> String {
    let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..9 {
        let all = vec![format!("*a{}", n - 1); 10].join(", ");
        text.push_str(&format!("a{n}: &a{n} [{all}]\n"));
    }
    text
}
