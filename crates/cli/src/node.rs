//! `heddle node-peer`.

use std::process::ExitCode;

use heddle_admin::Client;
use heddle_admin::types::DrainStep;

use crate::args::NodeDrain;
use crate::exit::Failure;
use crate::screen::Screen;

/// Runs until a signal ends it.
pub(crate) fn run(
    args: &heddle_node_peer::Args,
    context: &heddle_node_peer::ContextArgs,
    addresses: &heddle_node_peer::AddressArgs,
) -> ExitCode {
    heddle_node_peer::run(args, context, addresses)
}

/// Drains a running node, or undoes it.
pub(crate) async fn drain(args: NodeDrain, screen: &mut Screen) -> Result<(), Failure> {
    let step = if args.undo { DrainStep::Undo } else { DrainStep::Drain };
    let report = Client::new(args.connection.node_socket()).drain_node(step).await?;
    if args.connection.json {
        let text = serde_json::to_string(&report).map_err(std::io::Error::from)?;
        return Ok(writeln!(screen, "{text}")?);
    }
    let text = match report.drained.as_str() {
        "none" => "the node's routes are advertised as usual",
        "lowered" => {
            "the node's routes are the last choice now (GRACEFUL_SHUTDOWN, LOCAL_PREF 0); they are withdrawn next"
        }
        "withdrawn" => "the node's routes are withdrawn",
        other => other,
    };
    Ok(writeln!(screen, "{text}")?)
}
