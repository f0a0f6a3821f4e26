//! CPU time of all nodes together, idle and while pods come and go.

use std::thread::sleep;
use std::time::Duration;

use crate::args::Cpu;
use crate::contender::Setup;
use crate::report::{Aim, Report, Row, Value};
use crate::stand::Stand;
use crate::usage;

/// After the nodes have converged, before the clock runs.
const SETTLE: Duration = Duration::from_secs(10);
/// After a churn began.
const WARM_UP: Duration = Duration::from_secs(2);

pub(crate) fn run(args: &Cpu, setup: &Setup) -> anyhow::Result<Report> {
    let stands = setup.contenders.iter().map(|contender| Stand::up(setup, *contender, args.shape));
    let stands = stands.collect::<anyhow::Result<Vec<_>>>()?;
    sleep(SETTLE);
    let window = Duration::from_secs(args.seconds);
    let mut report = Report::new(format!(
        "CPU: {} nodes, {} reflectors, {} s each",
        args.shape.nodes, args.shape.reflectors, args.seconds
    ));
    // Idle, they do not disturb each other: one window for all.
    let before: Vec<Duration> = stands.iter().map(cpu).collect();
    sleep(window);
    let mut idle = Row::new("idle", "ms of CPU a second").aim(Aim::OfOther(1.0));
    for (stand, before) in stands.iter().zip(before) {
        idle = idle.value(stand.contender, Some(rate(cpu(stand).saturating_sub(before), window)));
    }
    let mut busy =
        Row::new(format!("{} pods a second come and go", args.churn), "ms of CPU a second").aim(Aim::OfOther(1.0));
    let mut memory = Row::new("resident memory of a node, on average", "MiB");
    let mut peak = Row::new("the same, at its highest", "MiB");
    for stand in &stands {
        let churn = stand.churn(args.churn)?;
        sleep(WARM_UP);
        let before = cpu(stand);
        sleep(window);
        let used = cpu(stand).saturating_sub(before);
        churn.end()?;
        busy = busy.value(stand.contender, Some(rate(used, window)));
        let all = usage::of_all(&stand.pids());
        let nodes = f64::from(args.shape.nodes);
        memory = memory.value(stand.contender, Some(Value::Is(all.rss / nodes)));
        peak = peak.value(stand.contender, Some(Value::Is(all.peak / nodes)));
    }
    report.rows = vec![idle, busy, memory, peak];
    report.notes.push("all daemons of all nodes together; BIRD has one a family".to_owned());
    Ok(report)
}

fn cpu(stand: &Stand) -> Duration {
    usage::of_all(&stand.pids()).cpu
}

fn rate(used: Duration, window: Duration) -> Value {
    Value::Is(used.as_secs_f64() * 1e3 / window.as_secs_f64())
}
