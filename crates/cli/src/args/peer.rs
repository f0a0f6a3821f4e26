//! `heddle peer`.

use clap::{Args, Subcommand};
use heddle_admin::types::{Family, PeerAddress};

use super::Connection;

#[derive(Debug, Args)]
#[command(infer_subcommands = true)]
pub(crate) struct Peer {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Address of the peer, like 192.0.2.7 or fe80::1%eth0
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: PeerAddress,
    #[command(subcommand)]
    pub(crate) command: PeerCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum PeerCommand {
    /// Start the session again after `down`, a limit or errors
    Up,
    /// End the session, and stay down
    ///
    /// The peer stays down until `up`, a change of its configuration or a restart of the daemon.
    Down {
        /// For the operator of the peer, who sees it in his log; at most 255 octets (RFC 9003)
        #[arg(value_name = "TEXT")]
        text: Vec<String>,
    },
    /// Exchange the routes anew without a reset
    Refresh {
        /// Only ask the peer for its routes
        #[arg(long = "in", conflicts_with = "outward")]
        inward: bool,
        /// Only send ours again
        #[arg(long = "out")]
        outward: bool,
        /// Only this family
        #[arg(long, value_name = "FAMILY")]
        family: Option<Family>,
    },
    /// Reset the session; it comes back by itself
    Clear {
        /// For the operator of the peer; at most 255 octets (RFC 9003)
        #[arg(value_name = "TEXT")]
        text: Vec<String>,
    },
    /// Move traffic away from the peer before maintenance (RFC 8326)
    ///
    /// What we advertise to the peer and learn from it gets the community GRACEFUL_SHUTDOWN and is preferred by nobody any
    /// more, while the session stays. Wait until the traffic has moved, then take it `down`.
    Drain {
        /// End it
        #[arg(long)]
        off: bool,
    },
}
