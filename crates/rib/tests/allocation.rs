//! What compiling an AS_PATH expression, and matching with it, allocates is bounded, whatever it says.

#[path = "../../../fuzz/src/allocation.rs"]
pub mod allocation;
#[path = "../../../fuzz/src/corpus.rs"]
pub mod corpus;

use allocation::{Bound, Worst};
use heddle_rib::policy::AsPathRegex;

#[test]
fn expressions() {
    // A short expression may ask for much (`a{1000}{1000}`): what it compiles to may take 1 MiB, and making it some times that. Until then
    // a single `_` is a group of alternatives and a class, nodes of a tree.
    let mut worst = Worst::new(Bound { base: 4 << 20, each: 4 << 10 });
    let compile = |data: &[u8]| {
        let Ok(text) = std::str::from_utf8(data) else { return };
        let (expression, path) = text.split_once('\n').unwrap_or((text, "65001 65002 {65003,65004}"));
        if let Ok(regex) = AsPathRegex::new(expression) {
            let _ = regex.matches(path);
        }
    };
    corpus::each("policy_regex", |what, input| worst.decode(what, input, compile));
    let further = [
        ("repetitions", "(a{100}){100}{100}".to_owned()),
        ("repetitions that just fit", "(_[0-9]{1,5}){1,40}".to_owned()),
        ("separators", "_".repeat(20_000)),
        ("alternatives", vec!["_65001_"; 5000].join("|")),
        ("parentheses", "(".repeat(50_000)),
        ("classes", "[^_0-9]".repeat(5000)),
        ("a long path", format!("^1( 1)*$\n1{}", " 1".repeat(50_000))),
    ];
    further.iter().for_each(|(what, text)| worst.decode(what, text.as_bytes(), compile));
    worst.check("policy_regex");
}
