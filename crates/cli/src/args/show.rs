//! `heddle show`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use heddle_admin::types::{Family, InvalidAddress, PeerAddress, prefix_of};
use ipnetwork::IpNetwork;

use super::Connection;

#[derive(Debug, Args)]
#[command(infer_subcommands = true)]
pub(crate) struct Show {
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(subcommand)]
    pub(crate) command: ShowCommand,
}

impl Show {
    /// Where it is asked.
    pub(crate) fn socket(&self) -> PathBuf {
        match self.command {
            ShowCommand::Fib(_) | ShowCommand::Node => self.connection.node_socket(),
            ShowCommand::Summary | ShowCommand::Peers { .. } | ShowCommand::Peer { .. } | ShowCommand::Routes(_) => {
                self.connection.socket()
            }
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum ShowCommand {
    /// The speaker as a whole: identity, peers by state, tables
    Summary,
    /// All peers, one a line
    #[command(after_help = PEERS)]
    Peers {
        /// Also group, flaps and description; wider than 80 columns
        #[arg(long)]
        wide: bool,
    },
    /// All that is known about one peer
    Peer {
        /// Its address, like 192.0.2.7 or fe80::1%eth0
        #[arg(value_name = "ADDRESS")]
        address: PeerAddress,
    },
    /// Routes: all, one, or those of a peer
    #[command(after_help = ROUTES)]
    Routes(Routes),
    /// The forwarding table of a node: what should be in the kernel, and what is
    #[command(after_help = FIB)]
    Fib(Fib),
    /// A node: its datastore, what it waits for, what is wrong
    Node,
}

const FIB: &str = "\
States:
  installed   the kernel has it as it should be
  pending     being written, or waiting for its link
  conflict    another program's route has its place; it is left alone
  held        the next hop cannot be resolved any more; the last good route is kept for a while
  unresolved  the next hop cannot be resolved
  rejected    a rule keeps it out of the kernel
  stale       of the run before, not confirmed yet
  failed      the kernel refused it

With --diff, + is what should be there and - what is.

Examples:
  heddle show fib
  heddle show fib 10.1.0.0/16
  heddle show fib --diff";

#[derive(Debug, Args)]
pub(crate) struct Fib {
    /// Only this prefix and what is inside it
    #[arg(value_name = "PREFIX", value_parser = prefix_of)]
    pub(crate) prefix: Option<IpNetwork>,
    /// Only what is not as it should be, desired beside actual
    #[arg(long)]
    pub(crate) diff: bool,
}

const PEERS: &str = "\
Columns:
  State/since  state of the session and for how long; `Down` is shut down, `Draining` is up and drained
  Received     paths from the peer; Accepted: those that import policy took and that may be used
  Sent         paths that we advertise to it
  Last error   why the last session ended (code/subcode of the NOTIFICATION, and who sent it), or why none is tried";

const ROUTES: &str = "\
Without PREFIX, with --longer or --brief: a table. With PREFIX: every path of it in detail.

Flags in the first columns:
  * can be used    > best    = used beside the best (multipath)
  s stale    r rejected by import policy    x may not be used
  i from an iBGP peer    e from an eBGP peer    l local

Examples:
  heddle show routes
  heddle show routes 10.1.2.3
  heddle show routes 10.1.0.0/16 --longer
  heddle show routes 198.51.100.0/24 --explain
  heddle show routes --peer 192.0.2.7 --advertised
  heddle show routes --json | jq '.routes | length'";

#[derive(Debug, Args)]
pub(crate) struct Routes {
    /// A prefix, or an address: then the longest match is shown
    #[arg(value_name = "PREFIX", value_parser = lookup)]
    pub(crate) prefix: Option<Lookup>,
    /// The most specific route that covers PREFIX
    #[arg(long, requires = "prefix", conflicts_with = "longer")]
    pub(crate) longest: bool,
    /// PREFIX and all more specific routes
    #[arg(long, requires = "prefix")]
    pub(crate) longer: bool,
    /// Only this family: ipv4-unicast or ipv6-unicast (short: ipv4, ipv6)
    #[arg(long, value_name = "FAMILY")]
    pub(crate) family: Option<Family>,
    /// Only paths of this peer
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) peer: Option<PeerAddress>,
    /// What the peer sent, before import policy
    #[arg(long, requires = "peer", conflicts_with_all = ["advertised", "best"])]
    pub(crate) received: bool,
    /// What we send to the peer, after export policy
    #[arg(long, requires = "peer", conflicts_with = "best")]
    pub(crate) advertised: bool,
    /// Only best paths, and those used beside them
    #[arg(long)]
    pub(crate) best: bool,
    /// Say of each path that is not the best why it is not
    #[arg(long)]
    pub(crate) explain: bool,
    /// Every path in detail
    #[arg(long, conflicts_with = "brief")]
    pub(crate) detail: bool,
    /// A table also for PREFIX
    #[arg(long)]
    pub(crate) brief: bool,
}

/// What a user looks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lookup {
    pub(crate) prefix: IpNetwork,
    /// Written without a length.
    pub(crate) is_address: bool,
}

fn lookup(text: &str) -> Result<Lookup, InvalidAddress> {
    Ok(Lookup { prefix: prefix_of(text)?, is_address: !text.contains('/') })
}
