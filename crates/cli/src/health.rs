//! `heddle health`: whether a daemon runs and does its work, in an exit code; for probes of Kubernetes, load balancers and
//! scripts.

use heddle_admin::Client;
use heddle_admin::types::{NodeReport, Summary};
use serde::Serialize;

use crate::args::Health;
use crate::exit::Failure;
use crate::screen::{Screen, Tone};
use crate::words::printable;

/// What is printed with `--json`.
#[derive(Debug, Serialize)]
struct Report {
    /// Whether it does its work.
    ready: bool,
    /// Why it does not.
    reasons: Vec<String>,
}

pub(crate) async fn run(args: Health, screen: &mut Screen) -> Result<(), Failure> {
    let client = Client::new(args.connection.socket());
    let version = client.version().await?;
    let reasons = if args.live {
        Vec::new()
    } else if version.role == "node-peer" {
        let node = client.node().await?;
        // A node that waits has no sessions that could be asked about.
        let summary = if node.waiting_for.is_none() { Some(client.summary().await?) } else { None };
        of_node(&node).chain(summary.iter().flat_map(of_sessions)).collect()
    } else {
        of_sessions(&client.summary().await?).collect::<Vec<_>>()
    };
    let report = Report { ready: reasons.is_empty(), reasons };
    if args.connection.json {
        let text = serde_json::to_string(&report).map_err(std::io::Error::from)?;
        writeln!(screen, "{text}")?;
    } else if report.ready {
        let word = screen.paint(Tone::Good, if args.live { "live" } else { "ready" });
        writeln!(screen, "{word}")?;
    } else {
        let words = screen.paint(Tone::Warn, "not ready");
        for reason in &report.reasons {
            writeln!(screen, "{words}: {}", printable(reason))?;
        }
    }
    if report.ready { Ok(()) } else { Err(Failure::NotReady) }
}

fn of_node(node: &NodeReport) -> impl Iterator<Item = String> {
    node.waiting_for.iter().map(|what| format!("it waits for {what}"))
}

/// A restart is over, and of the peers that are to be up at least one is.
fn of_sessions(summary: &Summary) -> impl Iterator<Item = String> + use<> {
    let peers = summary.peers;
    let restarting = "it restarted, and waits for the initial tables of its peers (graceful restart)";
    let wanted = peers.total.saturating_sub(peers.down);
    let alone = (wanted > 0 && peers.established == 0).then(|| format!("none of {wanted} sessions is established"));
    summary.restarting.then(|| restarting.to_owned()).into_iter().chain(alone)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn reasons(restarting: bool, total: u32, down: u32, established: u32) -> Vec<String> {
        let mut summary: Summary = serde_json::from_str(include_str!("../tests/data/summary.json")).unwrap();
        summary.restarting = restarting;
        (summary.peers.total, summary.peers.down, summary.peers.established) = (total, down, established);
        of_sessions(&summary).collect()
    }

    #[test]
    fn one_session_is_enough_and_none_is_where_none_is_wanted() {
        for (total, down, established) in [(0, 0, 0), (3, 3, 0), (3, 0, 1), (3, 2, 1)] {
            assert!(reasons(false, total, down, established).is_empty(), "{total} {down} {established}");
        }
        assert_eq!(reasons(false, 3, 1, 0), ["none of 2 sessions is established"]);
    }

    #[test]
    fn after_a_restart_the_initial_tables_are_waited_for() {
        assert_eq!(reasons(true, 3, 0, 3).len(), 1);
        assert_eq!(reasons(true, 3, 0, 0).len(), 2);
    }

    #[test]
    fn a_node_that_waits_says_for_what() {
        let node = NodeReport { waiting_for: Some("Node node-1".to_owned()), ..NodeReport::default() };
        assert_eq!(of_node(&node).collect::<Vec<_>>(), ["it waits for Node node-1"]);
        assert_eq!(of_node(&NodeReport::default()).count(), 0);
    }
}
