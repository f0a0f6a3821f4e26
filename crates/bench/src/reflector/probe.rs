//! Single routes whose way is timed: from before the sender's write until the last receiver has read them.

use std::collections::HashMap;
use std::mem::take;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use bytes::Bytes;

use super::daemon::Daemon;
use super::generator::{Generator, Goal, Watch};
use super::index::{Block, Index};
use super::measure::{Bench, Figures, seconds};
use super::process::Process;
use super::routes::{Attributes, Updates};
use super::scenario::{Load, Probing, passage};
use super::target::{Became, Expected, Passage, Target, updates};
use super::world::client_address;
use crate::report::Value;
use crate::stats::Samples;

/// Between two routes that go one after the other.
const PAUSE: Duration = Duration::from_millis(2);
/// After which a route counts as lost.
const LOST: Duration = Duration::from_secs(20);
/// Parts of a churn that are told apart.
const PARTS: usize = 6;
/// LOCAL_PREF of the timed routes.
const LOCAL_PREF: u32 = 100;

/// The routes that are on their way.
#[derive(Debug, Default)]
struct Probes {
    /// When it was sent, and how many receivers do not have it.
    under_way: HashMap<usize, (Instant, usize)>,
    /// Those that the last receiver has just got.
    arrived: Vec<usize>,
    latencies: Samples,
    /// Those of the part of a churn that goes on.
    recent: Samples,
    /// Changes that were overtaken by a later one to the same destination.
    overtaken: u32,
}

impl Became for Probes {
    fn right(&mut self, number: usize) {
        if let Some((_, missing)) = self.under_way.get_mut(&number) {
            *missing -= 1;
            if *missing == 0 {
                self.arrived.push(number);
            }
        }
    }
}

impl Watch for Probes {
    fn read(&mut self) {
        let now = Instant::now();
        for number in self.arrived.drain(..) {
            if let Some((sent, _)) = self.under_way.remove(&number) {
                let latency = now.saturating_duration_since(sent);
                self.latencies.push_millis(latency);
                self.recent.push_millis(latency);
            }
        }
    }
}

/// Makes and sends the changes.
struct Prober {
    probing: Probing,
    block: Block,
    next_hop: IpAddr,
    /// What becomes of its routes.
    passage: Passage,
    sent: u32,
}

impl Prober {
    fn new(daemon: Daemon, probing: Probing, index: &Index) -> anyhow::Result<Self> {
        let Index::Block(block) = index else { bail!("a recording has no routes to time") };
        let next_hop = client_address(index.family(), probing.sender);
        Ok(Self { probing, block: *block, next_hop, passage: passage(daemon, probing.sender), sent: 0 })
    }

    /// Sends the next change: another set of attributes for the next destination.
    fn send(&mut self, generator: &mut Generator, probes: &mut Probes) -> anyhow::Result<()> {
        let number = self.probing.first + usize::try_from(self.sent)? % self.probing.count;
        let attributes = Attributes { next_hop: self.next_hop, number: 10_000_000 + self.sent, local_pref: LOCAL_PREF };
        let mut update = Updates::new(self.block);
        update.advertise(attributes, number..number + 1)?;
        let octets: Bytes = update.finish();
        self.sent += 1;
        let sum = updates(&octets).next().map(|update| self.passage.sum(update.attributes));
        let expected = Expected::route(sum.context("an UPDATE was made")?, self.probing.sender);
        let missing = generator.expect_one(number, expected);
        let sent = Instant::now();
        probes.overtaken += u32::from(probes.under_way.insert(number, (sent, missing)).is_some());
        generator.send(self.probing.sender, octets)
    }
}

fn report(probes: &Probes, figures: &mut Figures) {
    let values = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999), ("most", 1.0)];
    for (name, share) in values {
        if let Some(value) = probes.latencies.percentile(share) {
            figures.push(format!("latency, {name}"), "ms", Value::Is(value));
        }
    }
    figures.push(
        "routes that were timed",
        "",
        Value::Is(f64::from(u32::try_from(probes.latencies.len()).unwrap_or(u32::MAX))),
    );
}

/// One route at a time; with a load, its phases go on meanwhile, again and again.
pub(crate) fn latency(
    bench: &Bench<'_>,
    daemon: Daemon,
    probing: Probing,
    generator: &mut Generator,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let mut prober = Prober::new(daemon, probing, &generator.index.clone())?;
    let mut probes = Probes::default();
    let load = bench.scenario.phases(daemon);
    let mut phases = load.iter().cycle();
    let began = Instant::now();
    generator.expect(Arc::new(Target::empty(generator.index.count())), Goal::Tables);
    let mut next = Instant::now();
    while prober.sent < probing.samples || !probes.under_way.is_empty() {
        if probing.load == Load::Phases && generator.complete_without(probes.under_way.len()) {
            let phase = phases.next().context("a load has phases")?;
            generator.expect_phase(phase, probing.first);
            generator.begin(phase)?;
        }
        if probes.under_way.is_empty() && next <= Instant::now() && prober.sent < probing.samples {
            prober.send(generator, &mut probes)?;
            next = Instant::now() + PAUSE;
        }
        generator.turn(Duration::from_millis(1), &mut probes)?;
        if probes.under_way.values().any(|(sent, _)| sent.elapsed() > LOST) {
            figures.wrong.push(format!("a route was not everywhere after {} s", LOST.as_secs()));
            break;
        }
        if began.elapsed() > bench.limit {
            figures.given_up = true;
            break;
        }
    }
    report(&probes, figures);
    compare(bench, began, generator, figures)
}

/// Waits until every table is as the last change and the load left it; if that is not so in the end, says what is wrong.
fn compare(bench: &Bench<'_>, began: Instant, generator: &mut Generator, figures: &mut Figures) -> anyhow::Result<()> {
    let deadline = Instant::now() + LOST.min(bench.limit);
    while generator.complete_at().is_none() && Instant::now() < deadline {
        generator.turn(Duration::from_millis(1), &mut ())?;
    }
    generator.settle(&mut ())?;
    let wrong = generator.outcome(began).wrong;
    if figures.given_up {
        figures.unfinished.extend(wrong)
    } else {
        figures.wrong.extend(wrong)
    }
    Ok(())
}

/// A part of a churn.
struct Part {
    /// When it ended, since the begin of the churn.
    until: Duration,
    latencies: Samples,
    /// MiB at its end.
    rss: f64,
}

/// What changes while the same goes on.
fn over_time(parts: &[Part], figures: &mut Figures) {
    for part in parts {
        let until = part.until.as_secs_f64().round();
        for (name, share) in [("p50", 0.5), ("p99", 0.99)] {
            if let Some(value) = part.latencies.percentile(share) {
                figures.push(format!("latency until {until} s, {name}"), "ms", Value::Is(value));
            }
        }
        figures.push(format!("RSS after {until} s"), "MiB", Value::Is(part.rss));
    }
}

/// Changes at a rate, over routes that are there already.
pub(crate) fn churn(
    bench: &Bench<'_>,
    daemon: Daemon,
    probing: Probing,
    generator: &mut Generator,
    process: &Process,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    for phase in &bench.scenario.phases(daemon) {
        let outcome = generator.run(phase, Goal::Tables, bench.limit)?;
        if outcome.complete.is_none() {
            bench.report(phase.name, &outcome, figures);
            return Ok(());
        }
    }
    let mut prober = Prober::new(daemon, probing, &generator.index.clone())?;
    let mut probes = Probes::default();
    let rate = probing.rate.unwrap_or(1).max(1);
    let interval = Duration::from_secs(1) / rate;
    let part = probing.samples.div_ceil(u32::try_from(PARTS)?).max(1);
    let mut end_of_part = part;
    let mut parts = Vec::new();
    let before = process.usage();
    let began = Instant::now();
    let mut rss = Samples::default();
    while prober.sent < probing.samples {
        let due = u32::try_from(began.elapsed().as_nanos() / interval.as_nanos().max(1)).unwrap_or(u32::MAX);
        while prober.sent < due.min(probing.samples) {
            prober.send(generator, &mut probes)?;
        }
        generator.turn(Duration::from_millis(1), &mut probes)?;
        if rss.len() < usize::try_from(began.elapsed().as_secs())? {
            rss.push(process.usage().rss);
        }
        if prober.sent >= end_of_part && parts.len() < PARTS {
            parts.push(Part { until: began.elapsed(), latencies: take(&mut probes.recent), rss: process.usage().rss });
            end_of_part = end_of_part.saturating_add(part);
        }
    }
    let deadline = Instant::now() + LOST;
    while !probes.under_way.is_empty() && Instant::now() < deadline {
        generator.turn(Duration::from_millis(1), &mut probes)?;
    }
    let after = process.usage();
    report(&probes, figures);
    over_time(&parts, figures);
    figures.push("changes that were overtaken", "", Value::Is(f64::from(probes.overtaken)));
    figures.push("CPU", "s", seconds(after.cpu.saturating_sub(before.cpu)));
    figures.push("RSS before", "MiB", Value::Is(before.rss));
    figures.push("RSS at most, each second", "MiB", Value::Is(rss.max().unwrap_or(after.rss)));
    figures.push("RSS at the end", "MiB", Value::Is(after.rss));
    compare(bench, began, generator, figures)
}
