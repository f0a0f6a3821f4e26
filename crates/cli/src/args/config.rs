//! `heddle config`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::Connection;

#[derive(Debug, Args)]
#[command(infer_subcommands = true)]
pub(crate) struct Config {
    #[command(flatten)]
    pub(crate) connection: Connection,
    #[command(subcommand)]
    pub(crate) command: ConfigCommand,
}

const CHECK: &str = "\
Nothing but the file is read: no daemon is asked, no name is looked up.

Exit codes:
  0  valid; warnings are printed
  1  not valid, or cannot be read; each error has file, line, column, the text and what would be right
  2  the command line is wrong";

const DIFF: &str = "\
Each change is shown with what it does:
  at once     nothing is seen on the wire
  next        acts with the next session of the peer
  refresh     routes are evaluated or sent anew, the session stays
  reset       the session is reset
  restart     only a restart of the daemon brings it

Exit codes:
  0  compared
  1  a file is not valid, or cannot be read
  3  no daemon answers
  4  with --exit-code: applying would reset a session or need a restart

Examples:
  heddle config diff new.toml
  heddle config diff new.toml --against old.toml";

const RENDER: &str = "\
The directory holds Calico's resources (Node, BGPConfiguration, BGPPeer, BGPFilter, IPPool, BlockAffinity) and Secrets, Services and
EndpointSlices, in any files and folders. What is wrong with a manifest, and what is most likely not meant, goes to standard error.
Passwords are not printed.

Exit codes:
  0  printed
  1  a manifest is invalid (what is left is printed), nothing can be read, or the node would run no sessions
  2  the command line is wrong

Examples:
  heddle config render --node node-1 --datastore manifests/ --explain
  heddle config render --node node-1 --datastore manifests/ --diff manifests.new/";

/// How a configuration is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum RenderFormat {
    /// As configuration files are.
    #[default]
    Toml,
    /// For programs.
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct Render {
    /// The name of the node
    #[arg(long, value_name = "NAME")]
    pub(crate) node: String,
    /// A directory of manifests, `kubernetes`, or `etcd`: where resources come from (docs/datastore.md)
    #[arg(long, value_name = "DIR|kubernetes|etcd", env = "DATASTORE_TYPE", hide_env_values = true)]
    pub(crate) datastore: heddle_node_peer::DatastorePlace,
    /// How to print it
    #[arg(long, value_enum, default_value_t)]
    pub(crate) format: RenderFormat,
    /// Say which resource each part comes from, with file and line
    #[arg(long, conflicts_with = "diff")]
    pub(crate) explain: bool,
    /// Print what would change if the manifests were those of this directory
    #[arg(long, value_name = "DIR")]
    pub(crate) diff: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) context: heddle_node_peer::ContextArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ConfigCommand {
    /// Say whether a configuration is valid
    #[command(after_help = CHECK)]
    Check {
        /// The file; - is standard input
        file: PathBuf,
    },
    /// Say what applying a configuration would change, and which sessions it would reset
    #[command(after_help = DIFF)]
    Diff {
        /// The new configuration; - is standard input
        file: PathBuf,
        /// Compare with this file instead of the running daemon
        #[arg(long, value_name = "FILE")]
        against: Option<PathBuf>,
        /// Exit with 4 when a session would be reset
        #[arg(long)]
        exit_code: bool,
    },
    /// Apply a configuration to the running daemon
    ///
    /// Only what differs changes; sessions that need no reset go on. An invalid file changes nothing. The file is not copied:
    /// at its next start or SIGHUP the daemon reads its own again.
    Apply {
        /// The new configuration; without it the daemon reads its own file anew, as on SIGHUP
        file: Option<PathBuf>,
    },
    /// Print what a node would run, out of a directory of manifests
    #[command(after_help = RENDER)]
    Render(Render),
    /// Print the configuration that runs
    Show,
    /// Print a configuration to begin with, every key explained
    Example,
}
