//! What something costs: packets between pods while it is done.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::server::Answer;
use crate::fabric::{Fabric, FabricError};
use crate::report;

/// How long packets flow before something is done.
const BEFORE: Duration = Duration::from_millis(500);
/// How long nothing may be lost before it counts as over.
const QUIET: Duration = Duration::from_secs(1);
/// Between two lines about loss that goes on.
const LINE: Duration = Duration::from_secs(1);
/// How long a packet may be on its way.
const SETTLING: Duration = Duration::from_millis(50);

/// How long to watch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watching {
    /// At most so long; not at all if it is nothing.
    pub(super) limit: Duration,
    /// At least so long: what was frozen is missed when the Hold Time has passed.
    pub(super) least: Duration,
}

/// Does something while probing, then watches until nothing has been lost for a second. `remedy` is what helps where that does
/// not come to pass.
pub(super) fn watch(
    fabric: &Fabric,
    watching: Watching,
    answer: &mut Answer<'_>,
    remedy: &str,
    work: impl FnOnce() -> Result<String, FabricError>,
) -> Result<(), FabricError> {
    let pairs = fabric.probe_pairs();
    if watching.limit.is_zero() || pairs.is_empty() {
        answer.say(format!("{}\n", work()?));
        return Ok(());
    }
    let prober = fabric.probe(&pairs)?;
    sleep(BEFORE);
    let mark = prober.mark();
    let start = Instant::now();
    answer.say(format!("{}; {} flows of a packet each millisecond\n", work()?, pairs.len() * 2));
    let mut next_line = LINE;
    loop {
        sleep(Duration::from_millis(50));
        let passed = start.elapsed();
        let whole = passed > watching.least.max(QUIET + SETTLING) && prober.is_whole(QUIET);
        if whole || passed >= watching.limit {
            break;
        }
        if passed >= next_line {
            next_line += LINE;
            let flows = prober.since(&mark, SETTLING);
            let losers: Vec<u64> = flows.iter().map(|flow| flow.lost).filter(|lost| *lost > 0).collect();
            let worst = losers.iter().max().copied().unwrap_or(0);
            let lost = match losers.len() {
                0 => "nothing lost so far".to_owned(),
                1 => format!("1 flow has lost {worst} ms"),
                several => format!("{several} flows have lost up to {worst} ms each"),
            };
            answer.say(format!("{:>5.1} s  {lost}\n", passed.as_secs_f64()));
        }
    }
    let over = prober.is_whole(QUIET);
    let flows = prober.since(&mark, SETTLING);
    drop(prober);
    answer.say(report::loss(&flows));
    answer.say(match (over, flows.iter().any(|flow| flow.lost > 0)) {
        (true, true) => "Every flow is whole again.\n".to_owned(),
        (true, false) => String::new(),
        (false, _) => format!("Packets are still being lost. {remedy}\n"),
    });
    Ok(())
}
