//! `heddle node-peer`.

use clap::{Args, Subcommand};

use super::Connection;

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct NodePeer {
    #[command(flatten)]
    pub(crate) run: Option<heddle_node_peer::Args>,
    #[command(flatten)]
    pub(crate) context: heddle_node_peer::ContextArgs,
    #[command(flatten)]
    pub(crate) addresses: Box<heddle_node_peer::AddressArgs>,
    #[command(subcommand)]
    pub(crate) command: Option<NodePeerCommand>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodePeerCommand {
    /// Make the routes of a running node the last choice (RFC 8326), then withdraw them
    Drain(NodeDrain),
}

#[derive(Debug, Args)]
pub(crate) struct NodeDrain {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Advertise the node's routes as usual again
    #[arg(long)]
    pub(crate) undo: bool,
}
