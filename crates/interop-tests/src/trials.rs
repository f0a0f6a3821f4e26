//! How a test program runs its cases: arguments are those of any Rust test program, a case whose needs are missing is skipped
//! by name with the reason, or fails with `CI=true`, and each says how long it took.

use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::time::Instant;

use libtest_mimic::{Arguments, Failed, Trial};

use crate::require::{Need, strict, tell_skipped};

/// The arguments of the program.
#[must_use]
pub fn arguments() -> Arguments {
    // The test command asks every test program for times in this way; they are printed here in any case.
    let ours = env::args().filter(|argument| !matches!(argument.as_str(), "-Z" | "unstable-options" | "--report-time"));
    Arguments::from_iter(ours)
}

/// What a case needs and this machine does not have; by default nothing.
#[derive(Clone, Debug, Default)]
pub struct Missing {
    reasons: Vec<String>,
}

impl Missing {
    /// What is missing of these.
    #[must_use]
    pub fn of(needs: impl IntoIterator<Item = Need>) -> Self {
        Self { reasons: needs.into_iter().filter_map(Need::missing).collect() }
    }
}

/// A case.
pub fn trial(name: &'static str, missing: Missing, run: impl FnOnce() + Send + 'static) -> Trial {
    let Missing { reasons } = missing;
    let skipped = !reasons.is_empty() && !strict();
    if skipped {
        tell_skipped(name, &reasons.join("; "));
    }
    Trial::test(name, move || {
        if !reasons.is_empty() {
            return Err(Failed::from(format!("needed, and CI skips nothing: {}", reasons.join("; "))));
        }
        let start = Instant::now();
        let result = catch_unwind(AssertUnwindSafe(run));
        println!("test {name} ... took <{:.3}s>", start.elapsed().as_secs_f64());
        result.unwrap_or_else(|panic| resume_unwind(panic));
        Ok(())
    })
    .with_ignored_flag(skipped)
}
