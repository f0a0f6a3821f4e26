//! How long a cluster takes from its first process until every node has all routes.

use crate::args::{Shape, Start};
use crate::contender::{Contender, Setup};
use crate::report::{Aim, Report, Row, Value};
use crate::stand::{Stand, Started};
use crate::stats::Samples;

/// One contender's starts.
struct Side {
    contender: Contender,
    routes: Samples,
    cpu: Samples,
}

pub(crate) fn run(args: &Start, setup: &Setup) -> anyhow::Result<Report> {
    let shape = Shape { nodes: args.nodes, reflectors: args.reflectors };
    let side =
        |contender: &Contender| Side { contender: *contender, routes: Samples::default(), cpu: Samples::default() };
    let mut sides: Vec<Side> = setup.contenders.iter().map(side).collect();
    for _ in 0..args.runs {
        for side in &mut sides {
            let stand = Stand::up(setup, side.contender, shape)?;
            let Started { routes, cpu } = stand.started;
            side.routes.push(routes);
            side.cpu.push(cpu.as_secs_f64());
            stand.fabric.down();
        }
    }
    let mut report = Report::new(format!("start: {} nodes, {} reflectors", args.nodes, args.reflectors));
    let row = |name: &str, measure: fn(&Side) -> Option<f64>| {
        let value = |row: Row, side: &Side| row.value(side.contender, measure(side).map(Value::Is));
        sides.iter().fold(Row::new(name, "s"), value).aim(Aim::OfOther(1.0))
    };
    report.rows.push(row("all routes in every kernel, median", |side| side.routes.median()));
    report.rows.push(row("CPU time of all nodes until then, median", |side| side.cpu.median()));
    report.notes.push(format!("{} starts each, from the start of the first process", args.runs));
    Ok(report)
}
