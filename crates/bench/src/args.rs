//! The command line.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand};

use crate::contender::Contender;

/// Run Heddle and BIRD through the same case, side by side. Needs root.
#[derive(Debug, Parser)]
#[command(name = "heddle-bench", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) case: Case,
    /// The heddle executable; by default the one beside this program
    #[arg(long, value_name = "PATH", global = true)]
    pub(crate) heddle: Option<PathBuf>,
    /// Who is measured; those that are not installed are left out
    #[arg(long, value_delimiter = ',', default_values = ["heddle", "bird"], global = true)]
    pub(crate) contenders: Vec<Contender>,
    /// Print JSON instead of a table
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Keep configurations and logs
    #[arg(long, global = true)]
    pub(crate) keep: bool,
}

/// What is measured.
#[derive(Clone, Debug, Subcommand)]
pub(crate) enum Case {
    /// A pod's address added on one node until it is in the kernel of the last of the others; likewise its removal
    Latency(Latency),
    /// From the start of a cluster until every node has all routes
    Start(Start),
    /// From the start of a cluster with a dead node until the live ones have each other's routes
    ColdStart(ColdStart),
    /// Many routes from one BGP peer into the kernel, against our netlink writer fed from memory
    Fill(Fill),
    /// System calls of a node with idle sessions
    Syscalls(Syscalls),
    /// CPU time of all nodes together, idle and while pods come and go
    Cpu(Cpu),
    /// Memory of one node in a large cluster of simulated peers
    Memory(Memory),
}

/// What a fabric of nodes looks like.
#[derive(Clone, Copy, Debug, ClapArgs)]
pub(crate) struct Shape {
    /// Nodes
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(2..=200))]
    pub(crate) nodes: u16,
    /// Route reflectors instead of a full mesh
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=4))]
    pub(crate) reflectors: u16,
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Latency {
    #[command(flatten)]
    pub(crate) shape: Shape,
    /// Additions, and as many removals
    #[arg(long, default_value_t = 50)]
    pub(crate) samples: u32,
    /// Pods that are created, and that are deleted, each second meanwhile
    #[arg(long, default_value_t = 0, value_name = "PODS")]
    pub(crate) churn: u32,
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Start {
    /// Nodes
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u16).range(2..=200))]
    pub(crate) nodes: u16,
    /// Route reflectors instead of a full mesh
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=4))]
    pub(crate) reflectors: u16,
    /// How often
    #[arg(long, default_value_t = 3)]
    pub(crate) runs: u32,
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct ColdStart {
    #[command(flatten)]
    pub(crate) shape: Shape,
    /// How often
    #[arg(long, default_value_t = 3)]
    pub(crate) runs: u32,
    /// Seconds after which a run ends
    #[arg(long, default_value_t = 60)]
    pub(crate) limit: u64,
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Fill {
    /// Routes
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u32).range(1000..=4_000_000))]
    pub(crate) routes: u32,
    /// How often
    #[arg(long, default_value_t = 3)]
    pub(crate) runs: u32,
    /// Seconds after which a run ends
    #[arg(long, default_value_t = 60)]
    pub(crate) limit: u64,
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Syscalls {
    /// Idle peers; each has a session for IPv4 and one for IPv6
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u16).range(1..=200))]
    pub(crate) peers: u16,
    /// How long
    #[arg(long, default_value_t = 60)]
    pub(crate) seconds: u64,
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Cpu {
    #[command(flatten)]
    pub(crate) shape: Shape,
    /// How long each measurement lasts
    #[arg(long, default_value_t = 30)]
    pub(crate) seconds: u64,
    /// Pods that are created, and that are deleted, each second
    #[arg(long, default_value_t = 50, value_name = "PODS")]
    pub(crate) churn: u32,
}

#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Memory {
    /// Nodes of the cluster
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u16).range(2..=1000))]
    pub(crate) nodes: u16,
    /// Seconds until all sessions must be there
    #[arg(long, default_value_t = 120)]
    pub(crate) limit: u64,
}
