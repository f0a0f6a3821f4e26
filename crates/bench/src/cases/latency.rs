//! How long one address takes from the kernel of one node into the kernels of all others.
//!
//! The address is added as a pod's would be: a host route on a workload interface, by netlink. Monitors in all other
//! namespaces see it arrive. The clock runs from before the request until the last monitor has reported.

use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::bail;
use heddle_lab::fabric::Fabric;
use heddle_lab::host::Host;
use heddle_lab::process::Process;
use heddle_netlink::Change;

use crate::args::Latency;
use crate::contender::{Contender, Setup};
use crate::report::{Aim, Report, Row, Value};
use crate::route_watch::RouteWatch;
use crate::stand::{self, PodRoutes, Stand, pod};
use crate::stats::Samples;

/// Samples of one contender before the other's turn.
const TURN: u32 = 10;
/// Between two changes, so that nothing of the first is left.
const PAUSE: Duration = Duration::from_millis(40);
/// Before the first change of a turn under churn.
const WARM_UP: Duration = Duration::from_millis(1500);
/// After which a change counts as lost.
const LOST: Duration = Duration::from_secs(20);
/// Where in the pools the addresses are: in no node's block, so they are borrowed whoever has them.
const OFFSET: u32 = 0xfc00;
/// How many take turns.
const ADDRESSES: u32 = 256;

/// One contender's fabric and figures.
struct Side {
    stand: Stand,
    watched: Watched,
}

/// The programs that only copy.
struct Floor {
    /// Ended before the fabric they are in.
    _processes: Vec<Process>,
    _fabric: Fabric,
    watched: Watched,
}

/// Where changes are made and seen, and how long they took.
struct Watched {
    whose: String,
    watch: RouteWatch,
    routes: PodRoutes,
    added: Samples,
    removed: Samples,
}

pub(crate) fn run(args: &Latency, setup: &Setup) -> anyhow::Result<Report> {
    let mut sides = Vec::new();
    for contender in &setup.contenders {
        let stand = Stand::up(setup, *contender, args.shape)?;
        let watched = Watched::new(contender.to_string(), stand.nodes().skip(1), stand.first_node()?)?;
        sides.push(Side { stand, watched });
    }
    let has_floor = args.churn == 0 && args.shape.reflectors == 0;
    let mut floor = if has_floor { Some(Floor::up(setup, args)?) } else { None };
    let mut number = 0;
    while number < args.samples {
        let turn = TURN.min(args.samples - number);
        for side in &mut sides {
            let churn = if args.churn > 0 { Some(side.stand.churn(args.churn)?) } else { None };
            if churn.is_some() {
                sleep(WARM_UP);
            }
            for index in number..number + turn {
                side.watched.sample(index)?;
            }
            churn.map(stand::Churn::end).transpose()?;
        }
        for index in number..number + turn {
            floor.as_mut().map(|floor| floor.watched.sample(index)).transpose()?;
        }
        number += turn;
    }
    Ok(report(args, &sides, floor.as_ref()))
}

impl Floor {
    fn up(setup: &Setup, args: &Latency) -> anyhow::Result<Self> {
        let fabric = stand::build(setup, &stand::topology(args.shape, Contender::Heddle), "floor")?;
        let processes = super::floor::start(&fabric)?;
        let routes = stand::pod_routes(&fabric, super::floor::first(&fabric)?)?;
        let mut watched = Watched::new("floor".to_owned(), super::floor::receivers(&fabric), routes)?;
        // The first one waits for the connections.
        watched.sample(0)?;
        (watched.added, watched.removed) = (Samples::default(), Samples::default());
        Ok(Self { _processes: processes, _fabric: fabric, watched })
    }
}

impl Watched {
    fn new<'a>(whose: String, others: impl Iterator<Item = &'a Host>, routes: PodRoutes) -> anyhow::Result<Self> {
        let watch = RouteWatch::open(others)?;
        Ok(Self { whose, watch, routes, added: Samples::default(), removed: Samples::default() })
    }

    fn sample(&mut self, index: u32) -> anyhow::Result<()> {
        let [address, _] = pod(OFFSET + index % ADDRESSES);
        for change in [Change::New, Change::Deleted] {
            sleep(PAUSE);
            self.watch.forget()?;
            let began = Instant::now();
            match change {
                Change::New => self.routes.add(address)?,
                Change::Deleted => self.routes.remove(address)?,
            }
            let Some(last) = self.watch.last(address, change, began + LOST)? else {
                bail!("{}: {address} was not seen everywhere after {} s ({change:?})", self.whose, LOST.as_secs());
            };
            let samples = match change {
                Change::New => &mut self.added,
                Change::Deleted => &mut self.removed,
            };
            samples.push_millis(last.saturating_duration_since(began));
        }
        Ok(())
    }
}

fn report(args: &Latency, sides: &[Side], floor: Option<&Floor>) -> Report {
    let shape = match args.shape.reflectors {
        0 => format!("full mesh of {} nodes", args.shape.nodes),
        reflectors => format!("{} nodes, {reflectors} reflectors", args.shape.nodes),
    };
    let churn = if args.churn > 0 { format!(", {} pods a second come and go", args.churn) } else { String::new() };
    let mut report = Report::new(format!("latency: {shape}{churn}"));
    let all = |samples: fn(&Watched) -> &Samples| -> Vec<(Contender, &Samples)> {
        sides.iter().map(|side| (side.stand.contender, samples(&side.watched))).collect()
    };
    report.rows.extend(rows("added", &all(|side| &side.added)));
    report.rows.extend(rows("removed", &all(|side| &side.removed)));
    let counts: Vec<usize> = sides.iter().map(|side| side.watched.added.len()).collect();
    report.notes.push(format!(
        "{} additions and removals each, from the request on the first node until the last of the others has it",
        counts.first().copied().unwrap_or_default()
    ));
    for (kind, samples) in floor.iter().flat_map(|f| [("added", &f.watched.added), ("removed", &f.watched.removed)]) {
        report.notes.push(format!(
            "floor, {kind}: median {:.2} ms, least {:.2} ms: programs that only copy from kernel to kernel, without BGP",
            samples.median().unwrap_or(f64::NAN),
            samples.min().unwrap_or(f64::NAN)
        ));
    }
    if sides.iter().any(|side| side.stand.contender == Contender::Bird) && args.churn > 0 {
        report.notes.push(
            "only the fabric that is measured has churn; both families, each address reaches all nodes".to_owned(),
        );
    }
    report
}

fn rows(kind: &str, sides: &[(Contender, &Samples)]) -> [Row; 4] {
    let row = |name: &str, measure: fn(&Samples) -> Option<f64>| {
        let value = |row: Row, (contender, samples): &(Contender, &Samples)| {
            row.value(*contender, measure(samples).map(Value::Is))
        };
        sides.iter().fold(Row::new(format!("{kind}, {name}"), "ms"), value)
    };
    [
        row("median", Samples::median).aim(Aim::OfOther(0.5)),
        row("p99", |samples| samples.percentile(0.99)),
        row("least", Samples::min),
        row("most", Samples::max),
    ]
}
