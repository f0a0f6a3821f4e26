//! One receiver stops to read while the others get their routes: it must not hold up anybody, nor make the daemon grow.

use std::time::{Duration, Instant};

use anyhow::Context as _;

use super::daemon::Daemon;
use super::generator::{Generator, Reading};
use super::measure::{Bench, Figures, seconds};
use super::process::Process;
use super::scenario::Scenario;
use super::target::ClientNumber;
use crate::report::Value;

/// The same routes twice: once while all read, once while one does not.
pub(crate) fn run(
    bench: &Bench<'_>,
    daemon: Daemon,
    time: Duration,
    generator: &mut Generator,
    process: &Process,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let phases = bench.scenario.phases(daemon);
    let [advertisement, withdrawal] = phases.as_slice() else {
        anyhow::bail!("a stall has two phases");
    };
    let clients = generator.sessions.len();
    let goal = |phase| Scenario::goal(daemon, phase, clients);
    let usual = generator.run(advertisement, goal(advertisement), bench.limit)?;
    bench.report("nobody stalls", &usual, figures);
    let Some(reference) = usual.complete else { return Ok(()) };
    let withdrawn = generator.run(withdrawal, goal(withdrawal), bench.limit)?;
    if withdrawn.complete.is_none() {
        figures.given_up = true;
        return Ok(());
    }
    // Twice, so that what the second time takes is not the price of pages that were never used before.
    let last = ClientNumber(u16::try_from(generator.sessions.len())?.checked_sub(1).context("a case has clients")?);
    let before = process.usage();
    generator.set_reading(last, Reading::Off)?;
    generator.longest_silence();
    let began = Instant::now();
    let stalled = generator.run(advertisement, goal(advertisement), bench.limit)?;
    bench.report("one stalls", &stalled, figures);
    while began.elapsed() < time {
        generator.turn(Duration::from_millis(100), &mut ())?;
    }
    let usage = process.usage();
    let silence = generator.longest_silence();
    let resumed = Instant::now();
    generator.set_reading(last, Reading::On)?;
    while generator.complete_at().is_none() && resumed.elapsed() < bench.limit {
        generator.turn(Duration::from_millis(100), &mut ())?;
    }
    if let Some(time) = stalled.complete {
        let ratio = time.as_secs_f64() / reference.as_secs_f64().max(1e-6);
        figures.push("the others, against no stall", "", Value::Is(ratio));
    }
    figures.push("longest silence toward the others", "s", seconds(silence));
    figures.push("RSS growth", "MiB", Value::Is(usage.peak - before.peak));
    let caught_up = generator.complete_at().map(|at| seconds(at.saturating_duration_since(resumed)));
    figures.push("until the stalled one has all", "s", caught_up.unwrap_or(Value::MoreThan(bench.limit.as_secs_f64())));
    figures.wrong.extend(generator.outcome(began).wrong);
    Ok(())
}
