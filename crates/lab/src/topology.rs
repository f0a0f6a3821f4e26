//! What a fabric consists of: racks, top-of-rack switches, nodes, reflectors.
//!
//! A [`Topology`] is a value. It comes from a YAML file ([`Topology::from_yaml`], whose errors point at lines) or is built in
//! code ([`Topology::full_mesh`], [`Topology::reflected`], [`Topology::racks`]); both ways end in [`Topology::check`], so that
//! whatever can be brought up has passed the same rules.

mod file;
mod rules;

use std::fmt;
use std::str::FromStr;

pub use file::TopologyFileError;
pub use rules::Fault;

/// The AS of nodes and reflectors, unless the topology says otherwise: Calico's default.
pub const DEFAULT_ASN: u32 = 64512;
/// The AS of the first top-of-rack switch; the following racks count up.
pub const FIRST_TOR_ASN: u32 = 65101;
/// The AS of the first node where each node has its own (RFC 6996 private range).
pub const FIRST_NODE_ASN: u32 = 4_200_000_001;

/// A fabric of hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topology {
    /// What it is called: part of the run directory.
    pub name: String,
    /// AS of the nodes and reflectors.
    pub asn: u32,
    /// Whether the nodes peer with each other (Calico's node-to-node mesh).
    pub mesh: Mesh,
    /// Hold Time of the sessions that the lab configures itself (reflectors, ToRs), in seconds.
    pub hold_time: u16,
    /// Pods that each node begins with.
    pub pods_per_node: u32,
    /// The route reflectors.
    pub reflectors: Vec<Reflector>,
    /// The racks. One without a top-of-rack switch is a plain LAN, and then the only one.
    pub racks: Vec<Rack>,
}

/// Whether the nodes have sessions with each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mesh {
    /// Each node with each.
    Full,
    /// None.
    #[default]
    Off,
}

/// A route reflector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reflector {
    /// Host name.
    pub name: String,
    /// What runs there.
    pub kind: ReflectorKind,
}

/// What reflects.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ReflectorKind {
    /// `heddle route-reflector`, outside of the cluster.
    #[default]
    Process,
    /// A node of the cluster with a `routeReflectorClusterID`.
    Node,
}

/// Nodes, and the switches above them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rack {
    /// What it is called; nodes have it as the label `rack`.
    pub name: String,
    /// Top-of-rack switches. Each node has a link to each of them.
    pub tors: Vec<Tor>,
    /// The nodes.
    pub nodes: Vec<Node>,
}

/// A top-of-rack switch: a router with an eBGP session to each node of its rack and to the other racks' switches.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tor {
    /// Host name.
    pub name: String,
    /// Its routing daemon; without one, FRR and BIRD take turns where they are installed, and ours stands in.
    pub daemon: Option<TorDaemon>,
    /// Its AS; switches of one rack share theirs.
    pub asn: Option<u32>,
}

/// A routing daemon of a top-of-rack switch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TorDaemon {
    /// Our own `heddle node-peer`, with a datastore of its own.
    Heddle,
    /// BIRD 2.
    Bird,
    /// FRR: `zebra` and `bgpd`.
    Frr,
}

/// A server with pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Host name.
    pub name: String,
    /// Its AS where it is not the fabric's.
    pub asn: Option<u32>,
    /// Pods that it begins with, where not [`Topology::pods_per_node`].
    pub pods: Option<u32>,
    /// What routes there.
    pub program: NodeProgram,
}

/// What runs on a node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeProgram {
    /// `heddle node-peer`.
    #[default]
    Heddle,
    /// BIRD as Calico runs it, one daemon a family.
    Bird(CalicoRelease),
    /// Nothing: whoever uses the fabric starts something there.
    Nothing,
}

/// How Calico configures BIRD.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CalicoRelease {
    /// v3.32 and v3.33: metrics travel as LOCAL_PREF.
    #[default]
    V333,
    /// v3.29 to v3.31: LOCAL_PREF is 100, and routes in the kernel have no metric.
    V331,
}

impl Topology {
    /// Two racks, two reflectors, four nodes with two pods each.
    #[must_use]
    pub fn standard() -> Self {
        let mut topology = Self::racks(&[&[None], &[None]], 2);
        topology.reflectors = reflectors(2);
        "default".clone_into(&mut topology.name);
        topology
    }

    /// `nodes` nodes on one LAN, each with a session to each.
    #[must_use]
    pub fn full_mesh(nodes: usize) -> Self {
        let rack = Rack { name: "rack1".to_owned(), tors: Vec::new(), nodes: numbered(1, nodes) };
        Self { name: "mesh".to_owned(), mesh: Mesh::Full, racks: vec![rack], ..Self::empty() }
    }

    /// `nodes` nodes on one LAN, each with a session to each of `count` reflectors.
    #[must_use]
    pub fn reflected(nodes: usize, count: usize) -> Self {
        let mesh = Self::full_mesh(nodes);
        Self { name: "reflected".to_owned(), mesh: Mesh::Off, reflectors: reflectors(count), ..mesh }
    }

    /// Racks, each with the daemons of its top-of-rack switches and `nodes` nodes. With two switches a rack is dual-homed, and
    /// then every node has an AS of its own, because its only sessions are those with its switches.
    #[must_use]
    pub fn racks(racks: &[&[Option<TorDaemon>]], nodes: usize) -> Self {
        let dual_homed = racks.iter().any(|daemons| daemons.len() > 1);
        let (mut tors, mut first) = (0, 1);
        let build = |(index, daemons): (usize, &&[Option<TorDaemon>])| {
            let mut rack = Rack { name: format!("rack{}", index + 1), ..Rack::default() };
            for daemon in *daemons {
                tors += 1;
                rack.tors.push(Tor { name: format!("tor{tors}"), daemon: *daemon, asn: None });
            }
            rack.nodes = numbered(first, nodes);
            for (node, number) in rack.nodes.iter_mut().zip(first..).filter(|_| dual_homed) {
                node.asn = u32::try_from(number).ok().map(|number| FIRST_NODE_ASN - 1 + number);
            }
            first += nodes;
            rack
        };
        let racks = racks.iter().enumerate().map(build).collect();
        Self { name: "racks".to_owned(), racks, ..Self::empty() }
    }

    /// Parses and checks a topology file.
    ///
    /// # Errors
    /// What is wrong, by line.
    pub fn from_yaml(text: &str) -> Result<Self, TopologyFileError> {
        file::parse(text)
    }

    /// Whether it can be brought up.
    ///
    /// # Errors
    /// Every rule that it breaks.
    pub fn check(&self) -> Result<(), Vec<Fault>> {
        let faults = rules::faults(self);
        if faults.is_empty() { Ok(()) } else { Err(faults) }
    }

    /// All nodes, in order.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.racks.iter().flat_map(|rack| &rack.nodes)
    }

    /// All top-of-rack switches, in order.
    pub fn tors(&self) -> impl Iterator<Item = &Tor> {
        self.racks.iter().flat_map(|rack| &rack.tors)
    }

    /// Pods that a node begins with.
    #[must_use]
    pub fn pods_of(&self, node: &Node) -> u32 {
        node.pods.unwrap_or(self.pods_per_node)
    }

    fn empty() -> Self {
        Self {
            name: "lab".to_owned(),
            asn: DEFAULT_ASN,
            mesh: Mesh::Off,
            hold_time: 9,
            pods_per_node: 2,
            reflectors: Vec::new(),
            racks: Vec::new(),
        }
    }
}

impl Node {
    /// A node with nothing special.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self { name: name.to_owned(), asn: None, pods: None, program: NodeProgram::Heddle }
    }
}

fn numbered(first: usize, count: usize) -> Vec<Node> {
    (first..first + count).map(|number| Node::named(&format!("node{number}"))).collect()
}

fn reflectors(count: usize) -> Vec<Reflector> {
    (1..=count).map(|number| Reflector { name: format!("rr{number}"), kind: ReflectorKind::Process }).collect()
}

impl TorDaemon {
    /// The word for it in files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Heddle => "heddle",
            Self::Bird => "bird",
            Self::Frr => "frr",
        }
    }
}

impl fmt::Display for TorDaemon {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for TorDaemon {
    type Err = ();

    fn from_str(word: &str) -> Result<Self, ()> {
        [Self::Heddle, Self::Bird, Self::Frr].into_iter().find(|daemon| daemon.as_str() == word).ok_or(())
    }
}

#[cfg(test)]
mod tests;
