//! The command line of `heddle lab`.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::Subcommand;

const UP: &str = "\
Without a topology: two racks with a top-of-rack switch each (FRR and BIRD where they are
installed, Heddle otherwise), two route reflectors, four nodes with two pods each. docs/lab.md
describes topology files.

It stays in the foreground until Ctrl-C or `heddle lab down`, then nothing is left. Root is not
needed where user namespaces are allowed.

Environment:
  HEDDLE_BIN      the program to start on nodes and reflectors, instead of this one
  HEDDLE_LAB_DIR  where labs are, instead of /run/heddle-lab or $XDG_RUNTIME_DIR/heddle-lab";

const BREAK: &str = "\
What can be broken:
  link A-B             takes the link down; `heddle lab status` names them
  kill HOST [PROCESS]  SIGKILL; without a process, the one that speaks BGP
  freeze HOST [PROCESS]
                       SIGSTOP: its sessions stay open, and silent

While it watches, it sends a packet each millisecond between pods of different nodes: a lost packet
is a millisecond of loss.";

const HEAL: &str = "\
What can be healed:
  link A-B  takes the link up again
  HOST      starts what was killed, lets go on what was frozen, takes its links up
  all       that, on every host";

/// What the command line says.
#[derive(Clone, Debug, clap::Args)]
#[command(infer_subcommands = true)]
pub struct Args {
    /// Name of the lab; only needed where there are several
    #[arg(long, global = true, value_name = "NAME")]
    pub(super) name: Option<String>,
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Clone, Debug, Subcommand)]
pub(super) enum Command {
    /// Bring a fabric up, in network namespaces of this machine
    #[command(after_help = UP)]
    Up(Up),
    /// Show hosts, sessions, routes, pods and processes
    Status {
        /// Print JSON
        #[arg(long)]
        json: bool,
        /// Print the forwarding table of every host too
        #[arg(long)]
        routes: bool,
    },
    /// Run a program on a host or in a pod
    Exec {
        /// The host or pod
        host: String,
        /// The program with its arguments; a shell where there is none
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        program: Vec<OsString>,
    },
    /// Ping from pods to pods
    Ping {
        /// From this pod; from all where it is left out
        from: Option<String>,
        /// To this pod; to all where it is left out
        to: Option<String>,
    },
    /// Break something, and measure what it costs
    #[command(after_help = BREAK)]
    Break(Fault),
    /// Heal something, and measure what it costs
    #[command(after_help = HEAL)]
    Heal(Fault),
    /// Add a pod to a node
    AddPod {
        /// The node
        node: String,
        /// Take the address out of the block of another node
        #[arg(long, value_name = "NODE")]
        borrowed: Option<String>,
    },
    /// Remove a pod
    RemovePod {
        /// The pod
        pod: String,
    },
    /// End the lab, or remove what a crashed one left behind
    Down,
    /// Become a program that the kernel kills when its parent ends
    #[command(hide = true)]
    Launch {
        /// The parent
        #[arg(long)]
        parent: u32,
        /// The program with its arguments
        #[arg(last = true, required = true)]
        program: Vec<OsString>,
    },
}

#[derive(Clone, Debug, clap::Args)]
pub(super) struct Up {
    /// Topology file (YAML)
    pub(super) topology: Option<PathBuf>,
    /// Return when the fabric has converged; it goes on in the background
    #[arg(long)]
    pub(super) detach: bool,
    /// Seconds to wait for convergence
    #[arg(long, value_name = "SECONDS", default_value_t = 60)]
    pub(super) timeout: u64,
    /// End with the fabric down and exit code 1 when it does not converge
    #[arg(long)]
    pub(super) strict: bool,
    /// End when it has converged: for a first look, and for scripts
    #[arg(long, conflicts_with = "detach")]
    pub(super) once: bool,
    /// The background half of --detach
    #[arg(long, hide = true)]
    pub(super) background: bool,
}

#[derive(Clone, Debug, clap::Args)]
pub(super) struct Fault {
    /// What
    #[arg(required = true)]
    pub(super) words: Vec<String>,
    /// Seconds to watch at most; it ends earlier when nothing has been lost for a second
    #[arg(long, value_name = "SECONDS", default_value_t = 20)]
    pub(super) watch: u64,
}
