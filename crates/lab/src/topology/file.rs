//! The YAML form of a topology.
//!
//! ```yaml
//! name: two-racks
//! asn: 64512            # of nodes and reflectors
//! mesh: false
//! hold_time: 9          # seconds
//! pods_per_node: 2
//! reflectors:
//!   - rr1
//!   - { name: rr2, kind: node }
//! racks:
//!   - name: rack1
//!     tors: [{ name: tor1, daemon: frr, asn: 65101 }]
//!     nodes: [node1, { name: node2, pods: 5 }]
//! ```

use std::fmt::Write as _;

use serde::Deserialize;
use serde_saphyr::Spanned;
use thiserror::Error;

use super::{CalicoRelease, Fault, Mesh, Node, NodeProgram, Rack, Reflector, ReflectorKind, Topology, Tor, TorDaemon};

/// A topology file that cannot be used.
#[derive(Debug, Error)]
#[error("{}", text(.faults))]
pub struct TopologyFileError {
    /// Every fault with its line; 0 where it is not about one line.
    pub faults: Vec<(u64, FileFault)>,
}

/// What is wrong with a topology file.
#[derive(Debug, Error)]
pub enum FileFault {
    /// It is no YAML, or has keys and values that do not belong there.
    #[error("{0}")]
    Syntax(Box<serde_saphyr::Error>),
    /// It breaks a rule.
    #[error(transparent)]
    Rule(#[from] Fault),
}

fn text(faults: &[(u64, FileFault)]) -> String {
    let mut text = String::new();
    for (line, fault) in faults {
        let separator = if text.is_empty() { "" } else { "\n" };
        // A syntax error of the parser says its place itself.
        let _ = match (line, fault) {
            (0, _) | (_, FileFault::Syntax(_)) => write!(text, "{separator}{fault}"),
            (line, FileFault::Rule(rule)) => write!(text, "{separator}line {line}: {rule}"),
        };
    }
    text
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: Option<Spanned<String>>,
    asn: Option<u32>,
    #[serde(default)]
    mesh: bool,
    hold_time: Option<Spanned<u16>>,
    pods_per_node: Option<u32>,
    #[serde(default)]
    reflectors: Vec<Spanned<ReflectorItem>>,
    racks: Vec<RackItem>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RackItem {
    name: Spanned<String>,
    #[serde(default)]
    tors: Vec<Spanned<TorItem>>,
    nodes: Vec<Spanned<NodeItem>>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum ReflectorItem {
    Name(String),
    Full(ReflectorKeys),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReflectorKeys {
    name: String,
    #[serde(default)]
    kind: Kind,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    #[default]
    Process,
    Node,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TorItem {
    name: String,
    daemon: Option<Daemon>,
    asn: Option<u32>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Daemon {
    Heddle,
    Bird,
    Frr,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NodeItem {
    Name(String),
    Full(NodeKeys),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct NodeKeys {
    name: String,
    asn: Option<u32>,
    pods: Option<u32>,
    #[serde(default)]
    program: Program,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Program {
    #[default]
    Heddle,
    Bird,
    #[serde(rename = "bird-3.31")]
    OlderBird,
    Nothing,
}

/// Where names stand.
#[derive(Default)]
struct Places(Vec<(String, u64)>);

impl Places {
    fn note(&mut self, name: &str, line: u64) {
        self.0.push((name.to_owned(), line));
    }

    /// The last place of a name: of two that are equal, the second is the wrong one.
    fn line(&self, name: &str) -> u64 {
        self.0.iter().rev().find(|(known, _)| known == name).map_or(0, |(_, line)| *line)
    }
}

pub(super) fn parse(text: &str) -> Result<Topology, TopologyFileError> {
    let file: File = serde_saphyr::from_str(text).map_err(|error| {
        let line = error.location().map_or(0, |location| location.line());
        TopologyFileError { faults: vec![(line, FileFault::Syntax(Box::new(error)))] }
    })?;
    let mut places = Places::default();
    let hold_line = file.hold_time.as_ref().map_or(0, |value| value.referenced.line());
    let topology = build(file, &mut places);
    let faults = match topology.check() {
        Ok(()) => return Ok(topology),
        Err(faults) => faults,
    };
    let place = |fault: Fault| {
        let line = match &fault {
            Fault::HoldTime { .. } => hold_line,
            other => other.subject().map_or(0, |name| places.line(name)),
        };
        (line, FileFault::Rule(fault))
    };
    Err(TopologyFileError { faults: faults.into_iter().map(place).collect() })
}

fn build(file: File, places: &mut Places) -> Topology {
    let mut topology = Topology { mesh: if file.mesh { Mesh::Full } else { Mesh::Off }, ..Topology::empty() };
    if let Some(name) = file.name {
        places.note(&name.value, name.referenced.line());
        topology.name = name.value;
    }
    topology.asn = file.asn.unwrap_or(topology.asn);
    topology.hold_time = file.hold_time.map_or(topology.hold_time, |value| value.value);
    topology.pods_per_node = file.pods_per_node.unwrap_or(topology.pods_per_node);
    for item in file.reflectors {
        let line = item.referenced.line();
        let (name, kind) = match item.value {
            ReflectorItem::Name(name) => (name, ReflectorKind::Process),
            ReflectorItem::Full(ReflectorKeys { name, kind: Kind::Process }) => (name, ReflectorKind::Process),
            ReflectorItem::Full(ReflectorKeys { name, kind: Kind::Node }) => (name, ReflectorKind::Node),
        };
        places.note(&name, line);
        topology.reflectors.push(Reflector { name, kind });
    }
    topology.racks = file.racks.into_iter().map(|item| rack(item, places)).collect();
    topology
}

fn rack(item: RackItem, places: &mut Places) -> Rack {
    places.note(&item.name.value, item.name.referenced.line());
    let mut rack = Rack { name: item.name.value, ..Rack::default() };
    for tor in item.tors {
        let line = tor.referenced.line();
        let TorItem { name, daemon, asn } = tor.value;
        places.note(&name, line);
        let daemon = daemon.map(|daemon| match daemon {
            Daemon::Heddle => TorDaemon::Heddle,
            Daemon::Bird => TorDaemon::Bird,
            Daemon::Frr => TorDaemon::Frr,
        });
        rack.tors.push(Tor { name, daemon, asn });
    }
    for node in item.nodes {
        let line = node.referenced.line();
        let node = match node.value {
            NodeItem::Name(name) => Node::named(&name),
            NodeItem::Full(NodeKeys { name, asn, pods, program }) => {
                let program = match program {
                    Program::Heddle => NodeProgram::Heddle,
                    Program::Bird => NodeProgram::Bird(CalicoRelease::V333),
                    Program::OlderBird => NodeProgram::Bird(CalicoRelease::V331),
                    Program::Nothing => NodeProgram::Nothing,
                };
                Node { name, asn, pods, program }
            }
        };
        places.note(&node.name, line);
        rack.nodes.push(node);
    }
    rack
}
