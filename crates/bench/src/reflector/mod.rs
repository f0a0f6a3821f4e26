//! Route reflectors side by side: the same clients send the same octets to each, and must have the same tables in the end.
//!
//! | module | what |
//! |---|---|
//! | [`mod@scenario`], [`cases`] | the cases: clients, what they send, what everybody must have then |
//! | [`routes`], [`index`] | UPDATEs made beforehand; destinations as numbers |
//! | [`generator`], [`session`] | many clients in one thread, with epoll |
//! | [`walk`], [`target`] | what a receiver reads, prefix by prefix; what it must have |
//! | [`floor`] | the copy-only program that shows what the machine and the generator cost |
//! | [`world`], [`daemon`], [`configs`], [`process`] | two namespaces, the daemons, how they are configured and stopped |
//! | [`measure`], [`probe`], [`stall`] | one contender, once: phases, single routes, a receiver that stalls |
//! | [`report`] | the table |
//!
//! The clock of a phase runs from before the first octet is written until the last client's table is as it must be, which is known
//! at each prefix that arrives. Attributes are compared as a sum over all of them; see [`walk`].

mod cases;
mod configs;
pub(crate) mod daemon;
pub(crate) mod floor;
mod generator;
mod index;
mod measure;
mod probe;
mod process;
mod report;
mod routes;
mod scenario;
mod session;
mod stall;
mod target;
mod walk;
mod world;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, bail};

use crate::args::{Reflector, ReflectorCase};
use cases::scenario;
use daemon::{Daemon, Shape};
use measure::Bench;
use report::{Aim, Report};
use scenario::Scenario;
use world::World;

/// The AS of all; the recorded table has it in no AS_PATH.
const ASN: u32 = 64_777;
/// Clients that a printed configuration shows.
const SHOWN: usize = 2;

/// Runs a case with all contenders in turn.
pub(crate) fn run(args: &Reflector, names: &[String], heddle: &Path, directory: &Path) -> anyhow::Result<Report> {
    let wanted: Vec<Daemon> = match names {
        [] => Daemon::ALL.into(),
        names => names.iter().map(|name| name.parse()).collect::<anyhow::Result<_>>()?,
    };
    let scenario = scenario(args)?;
    let mut report = Report::new(scenario.title.clone());
    let shape = scenario.shape();
    let mut contenders = Vec::new();
    for daemon in wanted {
        match absence(daemon, &shape, heddle)? {
            Some(why) => {
                report.absent.insert(daemon, why);
            }
            None => contenders.push(daemon),
        }
    }
    for daemon in &contenders {
        report.versions.insert(*daemon, daemon.version(heddle)?);
        report.configurations.insert(*daemon, shortened(*daemon, &shape));
    }
    let world = World::new(scenario.family(), u16::try_from(scenario.clients.len())?)?;
    let bench = Bench { scenario: &scenario, world: &world, heddle, limit: Duration::from_secs(args.limit) };
    let mut done: BTreeMap<Daemon, u32> = BTreeMap::new();
    for number in 0..args.runs {
        contenders.retain(|daemon| {
            let figures = match bench.run(*daemon, &directory.join(format!("{daemon}-{number}"))) {
                Ok(figures) => figures,
                Err(error) => {
                    eprintln!("{daemon}: {error:#}");
                    report.absent.insert(*daemon, format!("{error:#}"));
                    return false;
                }
            };
            let first = figures.figures.first();
            eprintln!(
                "{daemon}: {}",
                first.map_or_else(String::new, |first| format!("{} {} {}", first.measure, first.value, first.unit))
            );
            let again = !figures.given_up;
            report.add(*daemon, figures);
            *done.entry(*daemon).or_default() += 1;
            again
        });
    }
    aims(args, &scenario, &mut report);
    report.notes.push(format!("medians of {} runs, least and most; the contenders take turns", args.runs));
    if report.versions.contains_key(&Daemon::Frr) {
        report.notes.push("FRR may send clients their own routes back; they are passed over".to_owned());
    }
    let fewer = done.iter().filter(|(_, runs)| **runs < args.runs);
    report.notes.extend(fewer.map(|(daemon, runs)| format!("{daemon}: {runs} of the runs, the limit was reached")));
    if done.is_empty() {
        bail!("no contender could be measured: {:?}", report.absent);
    }
    Ok(report)
}

/// Why a contender cannot take part.
fn absence(daemon: Daemon, shape: &Shape, heddle: &Path) -> anyhow::Result<Option<String>> {
    let program = daemon.program(heddle)?;
    Ok(if !program.exists() {
        Some(format!("{} is not installed", program.display()))
    } else if !daemon.can(shape) {
        Some("it cannot be configured for this case".to_owned())
    } else {
        None
    })
}

/// The configuration with the first clients only.
fn shortened(daemon: Daemon, shape: &Shape) -> String {
    let mut few = shape.clone();
    few.clients.truncate(SHOWN);
    let text = daemon.config(&few, Path::new("/run/heddle-bench"));
    match shape.clients.len().saturating_sub(SHOWN) {
        0 => text,
        _ if text.is_empty() => text,
        more => format!("{text}# and so on for {more} more clients\n"),
    }
}

/// What Heddle has to reach.
fn aims(args: &Reflector, scenario: &Scenario, report: &mut Report) {
    const ALL: &str = "advertisement: all have all";
    const RSS: &str = "advertisement: peak RSS";
    let third = 1.0 / 3.0;
    let aims: &[(&str, Aim)] = match args.case {
        ReflectorCase::Cluster => &[(ALL, Aim::Of(Daemon::Frr, third))],
        ReflectorCase::Table => &[
            (ALL, Aim::Of(Daemon::Bird, 1.0 / 12.0)),
            (RSS, Aim::Of(Daemon::Bird, 2.0 / 3.0)),
            ("withdrawal: all have all", Aim::Of(Daemon::Bird, third)),
        ],
        ReflectorCase::Mesh => &[(ALL, Aim::Of(Daemon::Frr, 0.1))],
        ReflectorCase::Best => &[("advertisement: last UPDATE", Aim::Of(Daemon::Bird, 1.0 / 9.0))],
        ReflectorCase::FanOut | ReflectorCase::FanOutAddPath | ReflectorCase::FanOutPolicies => {
            &[(ALL, Aim::Of(Daemon::Frr, third)), (RSS, Aim::Of(Daemon::Bird, 1.0))]
        }
        ReflectorCase::Latency => &[("latency, p99", Aim::AtMost(0.5))],
        ReflectorCase::LatencyUnderLoad => &[("latency, p99", Aim::AtMost(20.0))],
        ReflectorCase::Stall => {
            &[
                ("the others, against no stall", Aim::AtMost(1.05)),
                // The hold time: whoever hears nothing for so long ends the session.
                ("longest silence toward the others", Aim::AtMost(3.0)),
                ("RSS growth", Aim::AtMost(4.0)),
            ]
        }
        ReflectorCase::Internet | ReflectorCase::Churn => &[],
    };
    for (measure, aim) in aims {
        report.aim(measure, *aim);
    }
    if matches!(args.case, ReflectorCase::Table) {
        let routes = u32::try_from(scenario.index.count()).map_or(0.0, f64::from);
        let most = routes * 64.0 / f64::from(1 << 20) + 24.0;
        report.notes.push(format!("64 octets a route and 24 MiB are {most:.0} MiB: what Heddle may have at most"));
    }
}

/// For the caller: fails where a table was wrong.
pub(crate) fn check(report: &Report) -> anyhow::Result<()> {
    if report.all_right() { Ok(()) } else { Err(anyhow::anyhow!("a table was wrong")).context("see above") }
}
