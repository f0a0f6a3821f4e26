//! The thread of the forwarding table against the kernel of this machine, each case in a network namespace of its own that has no
//! name and goes with it.
//!
//! Arguments are those of any Rust test program. Without privileges the cases are skipped, with the reason; where `CI` is set
//! they fail instead.

mod common;
mod here;
mod learned;
mod links;
mod local;
mod objects;
mod overrun;
mod ownership;

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use heddle_netlink::namespace;
use libtest_mimic::{Arguments, Failed, Trial};

use common::Net;

/// A name, and what it does with its namespace.
type Case = (&'static str, fn(Net));

fn main() {
    let ours = env::args().filter(|argument| !matches!(argument.as_str(), "-Z" | "unstable-options" | "--report-time"));
    let arguments = Arguments::from_iter(ours);
    let missing =
        namespace::create().err().map(|error| format!("network namespaces cannot be made, run as root: {error}"));
    let cases =
        [here::CASES, learned::CASES, links::CASES, local::CASES, objects::CASES, overrun::CASES, ownership::CASES];
    let trials = cases.into_iter().flatten().map(|case| trial(case, missing.clone())).collect();
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial((name, run): &'static Case, missing: Option<String>) -> Trial {
    let strict = env::var("CI").is_ok_and(|value| value == "true" || value == "1");
    let skipped = missing.is_some() && !strict;
    if let Some(missing) = missing.as_ref().filter(|_| skipped) {
        eprintln!("{name} is skipped: {missing}");
    }
    Trial::test(*name, move || {
        if let Some(missing) = missing {
            return Err(Failed::from(format!("needed, and CI skips nothing: {missing}")));
        }
        let namespace = namespace::create().map_err(|error| format!("a network namespace: {error}"))?;
        let result = namespace::within(&namespace, || catch_unwind(AssertUnwindSafe(|| run(Net::new()))));
        result.map_err(|error| format!("the network namespace: {error}"))?.unwrap_or_else(|panic| resume_unwind(panic));
        Ok(())
    })
    .with_ignored_flag(skipped)
}
