//! What a soak came to.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::growth::Growth;

/// What a soak came to.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) seed: u64,
    pub(crate) rounds: u32,
    pub(crate) minutes: f64,
    /// What programs of ours have taken away from themselves: of each part, how many.
    pub(crate) confined: BTreeMap<String, usize>,
    pub(crate) faults: BTreeMap<&'static str, u32>,
    /// Faults that this machine does not allow, or that met nothing to strike.
    pub(crate) misses: u32,
    /// Seconds from the end of the last fault of a round until everything was as it has to be.
    pub(crate) recovery_median: Option<f64>,
    pub(crate) recovery_worst: Option<f64>,
    pub(crate) warnings: usize,
    pub(crate) growth: Vec<Growth>,
    pub(crate) violations: Vec<String>,
}

impl Report {
    /// Whether nothing was violated.
    pub(crate) fn is_well(&self) -> bool {
        self.violations.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let strikes: u32 = self.faults.values().sum();
        writeln!(f, "\nseed {}: {} rounds in {:.1} minutes, {strikes} faults:", self.seed, self.rounds, self.minutes)?;
        let confined: Vec<String> = self.confined.iter().map(|(part, count)| format!("{part} ({count})")).collect();
        writeln!(f, "  programs confined, at the end: {}", confined.join(", "))?;
        for (kind, count) in &self.faults {
            writeln!(f, "  {count:>4}  {kind}")?;
        }
        writeln!(f, "  {:>4}  steps met nothing to strike; {} warnings in the logs", self.misses, self.warnings)?;
        if let (Some(median), Some(worst)) = (self.recovery_median, self.recovery_worst) {
            writeln!(
                f,
                "all was well {median:.1} s after the last fault of a round in the median, {worst:.1} s at worst"
            )?;
        }
        for Growth { host, samples, earlier, later, slope, .. } in &self.growth {
            writeln!(
                f,
                "{host}, {samples} quiet moments: resident {:.1} MiB, later {:.1} ({slope:+.0} KiB a minute), \
                 descriptors {} and {}, threads {} and {}, tasks {} and {}",
                earlier.rss,
                later.rss,
                earlier.descriptors,
                later.descriptors,
                earlier.threads,
                later.threads,
                earlier.tasks,
                later.tasks
            )?;
        }
        writeln!(f, "{} violations", self.violations.len())?;
        self.violations.iter().try_for_each(|what| writeln!(f, "  {what}"))
    }
}
