//! The command line.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use heddle_bgp_core::Family;

/// Run Heddle and other daemons through the same case, side by side. Needs root.
#[derive(Debug, Parser)]
#[command(name = "heddle-bench", version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) case: Case,
    /// The heddle executable; by default the one beside this program
    #[arg(long, value_name = "PATH", global = true)]
    pub(crate) heddle: Option<PathBuf>,
    /// Who is measured, by default all that are installed: heddle, bird; as reflectors floor, frr, openbgpd, gobgp too
    #[arg(long, value_delimiter = ',', value_name = "NAMES", global = true)]
    pub(crate) contenders: Vec<String>,
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
    /// Many routes from one BGP peer into the kernel, against our netlink writer fed from memory; FRR (with zebra) too
    Fill(Fill),
    /// System calls of a node with idle sessions
    Syscalls(Syscalls),
    /// CPU time of all nodes together, idle and while pods come and go
    Cpu(Cpu),
    /// Memory of one node in a large cluster of simulated peers
    Memory(Memory),
    /// Route reflectors: many clients of one daemon, simulated by a generator
    Reflector(Reflector),
    /// The program that only copies UPDATEs, for the reflector cases
    #[command(hide = true)]
    Floor {
        /// Where it listens
        address: IpAddr,
    },
    /// The program that only copies routes between kernels, for the latency case
    #[command(hide = true)]
    FloorNode(FloorNode),
}

/// A node of the floor of the latency case.
#[derive(Clone, Copy, Debug, ClapArgs)]
pub(crate) struct FloorNode {
    /// The first node's address
    pub(crate) address: Ipv4Addr,
    /// On the first node: to how many it sends; elsewhere 0
    pub(crate) receivers: usize,
}

/// What reflectors go through.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ReflectorCase {
    /// A cluster that starts: --clients with --routes each, all to all
    Cluster,
    /// --routes of one client to --receivers, and all of them taken back
    Table,
    /// --clients with --routes each, all to all, and all of them taken back
    Mesh,
    /// --clients with the same --routes, different attributes
    Best,
    /// --routes to --receivers
    FanOut,
    /// The same, a tenth of the receivers with ADD-PATH
    FanOutAddPath,
    /// The same, with ten export policies
    FanOutPolicies,
    /// A recorded table to --receivers
    Internet,
    /// One route at a time to --receivers
    Latency,
    /// One route at a time to --receivers, while a table of --routes comes and goes
    LatencyUnderLoad,
    /// --rate changes a second of --routes, for --seconds, to --receivers
    Churn,
    /// --routes to --receivers, one of which does not read for --seconds
    Stall,
}

/// Sizes that are not given are those of the case.
#[derive(Clone, Debug, ClapArgs)]
pub(crate) struct Reflector {
    pub(crate) case: ReflectorCase,
    /// Clients, where all of them send
    #[arg(long, value_parser = clap::value_parser!(u16).range(2..=10_000))]
    pub(crate) clients: Option<u16>,
    /// Routes, of each that sends
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=4_000_000))]
    pub(crate) routes: Option<u32>,
    /// Clients that only receive
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub(crate) receivers: Option<u16>,
    /// `table` with IPv6
    #[arg(long)]
    pub(crate) ipv6: bool,
    /// Seconds that `churn` and `stall` last
    #[arg(long)]
    pub(crate) seconds: Option<u64>,
    /// Changes a second of `churn`
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub(crate) rate: u32,
    /// Routes that `latency` times
    #[arg(long, default_value_t = 1000)]
    pub(crate) samples: u32,
    /// How often
    #[arg(long, default_value_t = 3)]
    pub(crate) runs: u32,
    /// Seconds after which a run ends
    #[arg(long, default_value_t = 60)]
    pub(crate) limit: u64,
    /// The recording of `internet`, MRT
    #[arg(long, default_value = "data/internet-2015.mrt.gz")]
    pub(crate) recording: PathBuf,
}

impl Reflector {
    pub(crate) fn family(&self) -> Family {
        if self.ipv6 { Family::IPV6_UNICAST } else { Family::IPV4_UNICAST }
    }
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
    /// IPv6 routes
    #[arg(long)]
    pub(crate) ipv6: bool,
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
