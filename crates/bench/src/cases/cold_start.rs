//! How long a cluster that starts with a dead node is without routes.
//!
//! BIRD as Calico starts it (`-R`) takes its own start for a restart: it waits for End-of-RIB of all configured peers, for up to
//! 240 s, and until then tells nobody anything. One node that is down is enough.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use heddle_lab::fabric::Fabric;
use heddle_lab::topology::NodeProgram;
use heddle_netlink::IpNetwork;

use crate::args::ColdStart;
use crate::contender::{Contender, Setup};
use crate::report::{Aim, Report, Row, Value};
use crate::stand::{build, topology};
use crate::stats::Samples;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// What one start came to: nothing where the limit came first.
#[derive(Clone, Copy, Debug, Default)]
struct Start {
    first: Option<Duration>,
    all: Option<Duration>,
}

pub(crate) fn run(args: &ColdStart, setup: &Setup) -> anyhow::Result<Report> {
    let limit = Duration::from_secs(args.limit);
    let mut report = Report::new(format!("cold start: full mesh of {} nodes, one of which is dead", args.shape.nodes));
    let mut first = Row::new("first route of another node", "s").aim(Aim::OfOther(0.5));
    let mut all = Row::new("routes of all live nodes on all", "s").aim(Aim::OfOther(0.5));
    for contender in &setup.contenders {
        let mut starts = Vec::new();
        for number in 0..args.runs {
            starts.push(start(args, setup, *contender, number, limit)?);
        }
        first = first.value(*contender, median(starts.iter().map(|start| start.first), limit));
        all = all.value(*contender, median(starts.iter().map(|start| start.all), limit));
    }
    report.rows = vec![first, all];
    report.notes.push(format!("median of {} starts, from the start of the first process; both families", args.runs));
    Ok(report)
}

fn median(times: impl Iterator<Item = Option<Duration>>, limit: Duration) -> Option<Value> {
    let mut samples = Samples::default();
    times.for_each(|time| samples.push(time.map_or(f64::INFINITY, |time| time.as_secs_f64())));
    let more = Value::MoreThan(limit.as_secs_f64());
    samples.median().map(|median| if median.is_finite() { Value::Is(median) } else { more })
}

fn start(args: &ColdStart, setup: &Setup, contender: Contender, number: u32, limit: Duration) -> anyhow::Result<Start> {
    let mut topology = topology(args.shape, contender);
    let dead = topology.racks.iter_mut().flat_map(|rack| &mut rack.nodes).next_back();
    dead.context("a fabric has nodes")?.program = NodeProgram::Nothing;
    let fabric = build(setup, &topology, &format!("{contender}-{number}"))?;
    fabric.start(&mut |_| {}, &|| false)?;
    let result = observe(&fabric, limit);
    setup.note(contender, &fabric)?;
    eprintln!("{contender}: {result:.1?}");
    fabric.down();
    result
}

fn observe(fabric: &Fabric, limit: Duration) -> anyhow::Result<Start> {
    let nodes: Vec<_> = fabric.plan().nodes().collect();
    let (_, live) = nodes.split_last().context("a fabric has nodes")?;
    let mut missing: Vec<(&str, BTreeSet<IpNetwork>)> = Vec::new();
    for node in live {
        let others = live.iter().filter(|other| other.name != node.name).filter_map(|other| other.blocks());
        missing.push((&node.name, others.flat_map(|blocks| blocks.networks()).collect()));
    }
    let wanted: usize = missing.iter().map(|(_, blocks)| blocks.len()).sum();
    let mut result = Start::default();
    loop {
        let look = Instant::now();
        for (node, blocks) in &mut missing {
            let known = fabric.host(node)?.destinations()?;
            blocks.retain(|block| !known.contains(block));
        }
        let running = fabric.running_for().unwrap_or_default();
        let left: usize = missing.iter().map(|(_, blocks)| blocks.len()).sum();
        if left < wanted && result.first.is_none() {
            result.first = Some(running);
        }
        if left == 0 {
            result.all = Some(running);
        }
        if left == 0 || running >= limit {
            return Ok(result);
        }
        sleep(PAUSE.max(look.elapsed()));
    }
}
