//! Probes: 1,000 packets a second on each flow, every one of them counted.

use std::time::Duration;

use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_lab::prober::{FlowReport, Mark, Prober};

use crate::machine::Losses;
use crate::world::World;

/// How long all must have arrived before the counting begins, and how much is sent when a case waits for packets.
const WHOLE: Duration = Duration::from_millis(300);

/// Flows that run, and since when they count.
#[derive(Debug)]
pub(crate) struct Traffic {
    prober: Prober,
    start: Mark,
    losses: Losses,
    case: &'static str,
}

impl Traffic {
    /// Sends from pod to pod, both families, and counts from when everything arrives.
    #[track_caller]
    pub(crate) fn start(world: &World, pairs: &[(String, String)]) -> Self {
        assert!(!pairs.is_empty(), "{}: no flow", world.case());
        let prober = world.fabric().probe(pairs).unwrap_or_else(|error| panic!("{}: {error}", world.case()));
        Self::of(prober, world.case())
    }

    /// Counts a prober's packets from when everything arrives.
    #[track_caller]
    pub(crate) fn of(prober: Prober, case: &'static str) -> Self {
        let begin = prober.mark();
        wait_for(&format!("{case}: packets arrive on all flows"), PATIENCE, || {
            ensure(prober.is_whole(WHOLE), || losses(&prober.since(&begin, Duration::from_millis(50))).join("\n"))
        });
        let start = prober.mark();
        Self { prober, start, losses: Losses::now(), case }
    }

    /// Waits until `span` worth of further packets has been sent.
    #[track_caller]
    pub(crate) fn flow(&self, span: Duration) {
        let from = self.prober.mark();
        let wanted = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
        wait_for(&format!("{}: {wanted} further packets are sent", self.case), PATIENCE, || {
            let least = self.prober.since(&from, Duration::ZERO).iter().map(|flow| flow.sent).min().unwrap_or(0);
            ensure(least >= wanted, || format!("{least} are"))
        });
    }

    /// Waits until nothing has been lost for a while.
    #[track_caller]
    pub(crate) fn await_whole(&self) {
        wait_for(&format!("{}: all flows are whole again", self.case), PATIENCE, || {
            ensure(self.prober.is_whole(WHOLE), || "packets are lost".to_owned())
        });
    }

    /// Ends it. One lost packet is a failure.
    #[track_caller]
    pub(crate) fn lossless(self) {
        let case = self.case;
        let (lost, machine, reports) = self.end();
        assert!(lost.is_empty(), "{case}: packets were lost, and none may be ({machine}):\n{}", lost.join("\n"));
        let sent: u64 = reports.iter().map(|flow| flow.sent).sum();
        println!("{case}: {sent} packets on {} flows, none lost", reports.len());
    }

    /// Ends it, and prints what was lost. A flow may lose `most` packets (milliseconds), for the reason given.
    #[track_caller]
    pub(crate) fn lossy(self, most: u64, why: &str) {
        let case = self.case;
        let (lost, _, reports) = self.end();
        let worst = reports.iter().map(|flow| flow.lost).max().unwrap_or(0);
        println!("{case}: {worst} packets lost at most on a flow ({most} allowed: {why})");
        assert!(worst <= most, "{case}: more than {most} packets were lost on a flow ({why}):\n{}", lost.join("\n"));
    }

    fn end(self) -> (Vec<String>, Losses, Vec<FlowReport>) {
        let reports = self.prober.finish_since(&self.start);
        assert!(reports.iter().all(|flow| flow.sent > 0), "{}: nothing was sent: {reports:?}", self.case);
        (losses(&reports), Losses::now().since(self.losses), reports)
    }
}

fn losses(reports: &[FlowReport]) -> Vec<String> {
    let line = |flow: &FlowReport| {
        format!("{}: {} of {} lost, {} in a row", flow.name, flow.lost, flow.sent, flow.longest_gap)
    };
    reports.iter().filter(|flow| flow.lost > 0).map(line).collect()
}

/// The first pods of some nodes, as pairs of names.
pub(crate) fn pairs(world: &World, nodes: &[(&str, &str)]) -> Vec<(String, String)> {
    let first = |node: &str| {
        let found = world
            .fabric()
            .with_pods(|pods| pods.iter().find(|pod| pod.node() == node).map(|pod| pod.name().to_owned()));
        found.unwrap_or_else(|| panic!("{}: {node} has no pod", world.case()))
    };
    nodes.iter().map(|(from, to)| (first(from), first(to))).collect()
}
