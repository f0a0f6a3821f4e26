//! The command line.

mod config;
mod mrt;
mod node;
mod peer;
mod show;

use std::path::PathBuf;

use clap::builder::styling::{AnsiColor, Styles};
use clap::{Args, Parser, Subcommand};
use clap_complete::Shell;

pub(crate) use config::{Config, ConfigCommand, Render, RenderFormat};
pub(crate) use mrt::{Mrt, MrtCommand, Replay};
pub(crate) use node::{NodeDrain, NodePeer, NodePeerCommand};
pub(crate) use peer::{Peer, PeerCommand};
pub(crate) use show::{Fib, Routes, Show, ShowCommand};

use crate::screen::Color;

const STYLES: Styles = Styles::styled()
    .header(AnsiColor::Yellow.on_default().bold())
    .usage(AnsiColor::Yellow.on_default().bold())
    .literal(AnsiColor::Green.on_default())
    .placeholder(AnsiColor::Cyan.on_default());

/// Heading of the options that many commands have.
const GENERAL: &str = "General options";

const AFTER: &str = "\
Words may be shortened as long as they are unambiguous: `heddle sh ro 10.0.0.1`.

Exit codes:
  0  done; `config check`: the file is valid
  1  failed: the daemon refused, a file has errors, there is no such peer or route
  2  the command line is wrong
  3  no daemon answers on the socket
  4  `config diff --exit-code`: applying would reset sessions or need a restart";

const REFLECTOR: &str = "\
It runs in the foreground and logs to standard error; packaging/ has a systemd unit.

Signals:
  HUP        reads the configuration again and applies what differs
  TERM, INT  ends; where graceful restart was negotiated the peers keep its routes

Exit codes:
  0  stopped by a signal
  1  could not start: the message says why";

const NODE_PEER: &str = "\
It runs in the foreground, follows the datastore and logs to standard error. Routes in the kernel stay when it ends.

Signals:
  TERM, INT  ends; peers keep the node's routes (graceful restart)

Exit codes:
  0  stopped by a signal
  1  could not start: the message says why";

/// BGP routing fabric: node peers, route reflectors, and the command to look at it and move it
#[derive(Debug, Parser)]
#[command(name = "heddle", version, styles = STYLES, infer_subcommands = true, after_help = AFTER, max_term_width = 100)]
pub(crate) struct Heddle {
    /// Use colours: auto (on terminals, unless NO_COLOR is set), always, never
    #[arg(long, value_name = "WHEN", default_value = "auto", global = true, help_heading = GENERAL)]
    #[arg(hide_possible_values = true, hide_default_value = true)]
    pub(crate) color: Color,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a route reflector
    #[command(after_help = REFLECTOR)]
    RouteReflector(heddle_route_reflector::Args),
    /// Run a node of a cluster, or drain one
    #[command(after_help = NODE_PEER)]
    NodePeer(NodePeer),
    /// Bring up a fabric of racks, nodes and pods on this machine, look at it, break it
    Lab(heddle_lab::command::Args),
    #[command(flatten)]
    Tool(Tool),
}

/// What ends by itself.
#[derive(Debug, Subcommand)]
pub(crate) enum Tool {
    /// Show peers, routes and the state of a running daemon
    Show(Show),
    /// Tell by the exit code whether a daemon runs and is ready: for probes and scripts
    Health(Health),
    /// Start, stop, refresh, reset or drain a peer
    Peer(Peer),
    #[command(skip)]
    NodeDrain(NodeDrain),
    /// Show events as they happen
    Monitor(Monitor),
    /// Check, compare and apply configurations
    Config(Config),
    /// Show MRT files, and play them to a peer
    Mrt(Mrt),
    /// Print a completion script for a shell
    #[command(after_help = "Example:\n  heddle completions bash > /etc/bash_completion.d/heddle")]
    Completions {
        /// Which shell
        shell: Shell,
    },
    /// Print the version of this command, and of the daemon if one runs
    Version(Version),
}

/// Ends with the usage of `node-peer`: it was called without anything.
pub(crate) fn missing_node() -> ! {
    use clap::CommandFactory;
    use clap::error::ErrorKind;
    Heddle::command()
        .error(ErrorKind::MissingRequiredArgument, "node-peer needs --node and --datastore, or `drain`")
        .exit()
}

/// How to reach a daemon.
#[derive(Clone, Debug, Args)]
pub(crate) struct Connection {
    /// Admin socket of the daemon; without it /run/heddle/node-peer.sock where that is there or only a
    /// node can answer, else /run/heddle/route-reflector.sock
    #[arg(long, value_name = "PATH", env = "HEDDLE_SOCKET", global = true)]
    #[arg(help_heading = GENERAL, hide_env_values = true)]
    socket: Option<PathBuf>,
    /// Print JSON, as docs/api.md describes it
    #[arg(long, global = true, help_heading = GENERAL)]
    pub(crate) json: bool,
}

impl Connection {
    /// The socket that was named, else that of a node where there is one, else that of a reflector.
    pub(crate) fn socket(&self) -> PathBuf {
        let node = self.node_socket();
        if self.socket.is_some() || node.exists() { node } else { heddle_config::Api::DEFAULT_SOCKET.into() }
    }

    /// The socket that was named, else that of a node: for what nobody else answers.
    pub(crate) fn node_socket(&self) -> PathBuf {
        self.socket.clone().unwrap_or_else(|| heddle_node_peer::DEFAULT_SOCKET.into())
    }
}

#[derive(Debug, Args)]
#[command(after_help = "\
Ready: what a node needs is in its datastore; after a restart the peers' initial tables are there, or were waited
for long enough; and if any peer is to be up, at least one is.

Exit codes:
  0  ready; with --live: it answers
  1  not ready: the output says why
  3  no daemon answers on the socket")]
pub(crate) struct Health {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Only whether it answers
    #[arg(long)]
    pub(crate) live: bool,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  heddle monitor
  heddle monitor --routes --family ipv6
  heddle monitor --peer 192.0.2.7 --json | jq -r 'select(.event == \"peer_state\") | .to'")]
pub(crate) struct Monitor {
    #[command(flatten)]
    pub(crate) connection: Connection,
    /// Only events of this peer
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) peer: Option<heddle_admin::types::PeerAddress>,
    /// Changes of best routes, too
    #[arg(long)]
    pub(crate) routes: bool,
    /// Only routes of this family: ipv4-unicast or ipv6-unicast (short: ipv4, ipv6)
    #[arg(long, value_name = "FAMILY", requires = "routes")]
    pub(crate) family: Option<heddle_admin::types::Family>,
}

#[derive(Debug, Args)]
pub(crate) struct Version {
    #[command(flatten)]
    pub(crate) connection: Connection,
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Heddle::command().debug_assert();
    }

    fn parses(line: &str) -> Result<Heddle, clap::Error> {
        Heddle::try_parse_from(line.split(' '))
    }

    /// What `node-peer` is given is what runs.
    #[test]
    fn a_node_peer_is_started_by_its_options_alone() {
        let line = "heddle node-peer --node n1 --datastore /d --kubernetes-node k1 --protocol 99";
        let Command::NodePeer(NodePeer { run: Some(args), context, command: None, .. }) = parses(line).unwrap().command
        else {
            panic!("{line} starts no node");
        };
        assert_eq!((args.node.as_str(), args.protocol), ("n1", 99));
        assert_eq!(context.context("n1").kubernetes_node.as_deref(), Some("k1"));
        let drain = parses("heddle node-peer drain").unwrap().command;
        assert!(matches!(drain, Command::NodePeer(NodePeer { run: None, command: Some(_), .. })), "{drain:?}");
    }

    /// Without a daemon, and without a word about where one is.
    #[test]
    fn what_only_a_node_answers_is_asked_of_the_node() {
        // The environment of whoever runs this may name a socket.
        let named = std::env::var_os("HEDDLE_SOCKET").map(PathBuf::from);
        let node = named.unwrap_or_else(|| heddle_node_peer::DEFAULT_SOCKET.into());
        for line in ["heddle show node", "heddle show fib --diff", "heddle show fib 10.0.0.0/8"] {
            let Command::Tool(Tool::Show(show)) = parses(line).unwrap().command else { panic!("{line}") };
            assert_eq!(show.socket(), node, "{line}");
        }
        let Command::NodePeer(NodePeer { command: Some(NodePeerCommand::Drain(drain)), .. }) =
            parses("heddle node-peer drain").unwrap().command
        else {
            panic!("it drains");
        };
        assert_eq!(drain.connection.node_socket(), node);
        for line in ["heddle show node --socket /tmp/x", "heddle show peers --socket /tmp/x"] {
            let Command::Tool(Tool::Show(show)) = parses(line).unwrap().command else { panic!("{line}") };
            assert_eq!(show.socket(), PathBuf::from("/tmp/x"), "{line}");
        }
    }

    #[test]
    fn what_is_allowed_and_what_is_not() {
        for line in [
            "heddle show peers",
            "heddle show peers --json --socket /tmp/x",
            "heddle show --socket /tmp/x peers",
            "heddle sh ro 10.0.0.1",
            "heddle show routes 10.0.0.0/8 --longer --explain",
            "heddle show routes --peer 192.0.2.7 --received",
            "heddle show routes --peer fe80::1%eth0 --advertised --family ipv6-unicast",
            "heddle show routes --family ipv6",
            "heddle health",
            "heddle health --live --socket /tmp/x",
            "heddle peer 192.0.2.7 down maintenance until 6",
            "heddle peer 192.0.2.7 refresh --in",
            "heddle peer 192.0.2.7 drain --off",
            "heddle config diff a.toml --against b.toml",
            "heddle config apply",
            "heddle completions zsh",
            "heddle route-reflector --config a.toml --socket /tmp/x",
            "heddle route-reflector --datastore /tmp/d --name r1 --address 10.0.0.9,fd00::9 --port 1790",
            "heddle node-peer --node n1 --datastore /tmp/d",
            "heddle node-peer drain --undo",
            "heddle show fib 10.0.0.0/8 --diff",
            "heddle show node --json",
            "heddle mrt replay a.gz --local-as 65001 --to 127.0.0.1:1790 --bind 127.0.0.2 --peer 192.0.2.1 --hold 10",
            "heddle mrt replay a.gz --local-as 65001 --to 2001:db8::1",
            "heddle mrt replay a.gz --local-as 65001 --to 127.0.0.1 --hold-time 0",
            "heddle mrt replay a.gz --local-as 65001 --to 127.0.0.1 --hold-time 3",
        ] {
            if let Err(error) = parses(line) {
                panic!("{line}: {error}");
            }
        }
        for line in [
            "heddle",
            "heddle show",
            "heddle show peer",
            "heddle show peer banana",
            "heddle show routes 10.0.0.0/8 --longer --longest",
            "heddle show routes --longer",
            "heddle show routes --received",
            "heddle show routes --peer 192.0.2.7 --received --advertised",
            "heddle show routes 10.0.0.0/33",
            "heddle show routes --family vpnv4",
            "heddle peer 192.0.2.7",
            "heddle peer 192.0.2.7 refresh --in --out",
            "heddle config check",
            "heddle c",
            "heddle route-reflector",
            "heddle route-reflector --datastore /tmp/d --address 10.0.0.9",
            "heddle node-peer --node n1",
            "heddle show fib banana",
            "heddle mrt replay a.gz --local-as 65001",
            "heddle mrt replay a.gz --local-as 65001 --to banana",
            "heddle mrt replay a.gz --local-as 65001 --to 127.0.0.1 --hold-time 2",
        ] {
            let error = parses(line).map(|_| ()).expect_err(line);
            assert_eq!(error.exit_code(), 2, "{line}");
        }
    }
}
