//! What a topology has to fulfil before it can be brought up.

use std::collections::BTreeMap;

use thiserror::Error;

use super::{Mesh, Topology};

/// The longest host name: interfaces are named after hosts, and the kernel allows 15 octets.
const LONGEST_NAME: usize = 12;
/// Blocks of 64 addresses in the pod pools, of which each node owns one.
pub(crate) const MAX_NODES: usize = 1000;
/// Point-to-point subnets below one top-of-rack switch.
pub(crate) const MAX_NODES_PER_TOR: usize = 120;
/// Pods that a node's block of 64 addresses has room for, when it begins.
const MAX_PODS: u32 = 50;
/// Top-of-rack switches.
const MAX_TORS: usize = 100;
/// RFC 4271 §4.2: the Hold Time is zero or at least three seconds; zero would never notice a frozen daemon.
const MIN_HOLD_TIME: u16 = 3;

/// A rule that a topology breaks.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// A name that cannot be one.
    #[error("{name:?} cannot be a name: use a lower-case letter, then letters, digits and hyphens, at most 12 in all")]
    Name {
        /// The name.
        name: String,
    },
    /// Two hosts or racks of one name.
    #[error("the name {name:?} is used twice; every host needs its own")]
    Duplicate {
        /// The name.
        name: String,
    },
    /// A name that the lab uses itself.
    #[error("{name:?} is the name of a host that the lab makes itself; choose another")]
    Reserved {
        /// The name.
        name: String,
    },
    /// There is no node.
    #[error("there is no node; list some under `racks[].nodes`")]
    NoNodes,
    /// More than there are addresses for.
    #[error("{count} {what} are too many; at most {limit} can have addresses")]
    TooMany {
        /// What of.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many can be.
        limit: usize,
    },
    /// Racks that nothing joins.
    #[error(
        "rack {rack:?} has no top-of-rack switch (`tors`); only the one rack of a single-LAN fabric can do without"
    )]
    Unconnected {
        /// The rack.
        rack: String,
    },
    /// Switches of one rack in different AS.
    #[error("the top-of-rack switches of {rack:?} are in AS {first} and {second}; switches of one rack share an AS")]
    TorAsns {
        /// The rack.
        rack: String,
        /// One AS.
        first: u32,
        /// The other.
        second: u32,
    },
    /// Nodes with two links cannot have sessions that hang on one of their addresses.
    #[error(
        "rack {rack:?} has {tors} top-of-rack switches, so its nodes peer with these alone: \
         leave out `mesh` and `reflectors`"
    )]
    DualHomed {
        /// The rack.
        rack: String,
        /// How many.
        tors: usize,
    },
    /// Nodes that learn of each other by eBGP alone and reject each other's routes as loops (RFC 4271 §9.1.2).
    #[error(
        "node {node:?} shares AS {asn} with node {other:?} and they meet over eBGP alone, where their routes are loops: \
         give each an `asn` of its own, or add `reflectors`"
    )]
    SharedAsn {
        /// A node.
        node: String,
        /// Another.
        other: String,
        /// Their AS.
        asn: u32,
    },
    /// A node and its switch in one AS.
    #[error("{name:?} is in AS {asn} as its top-of-rack switch is; their session is meant to be eBGP")]
    TorInNodeAsn {
        /// The node.
        name: String,
        /// Their AS.
        asn: u32,
    },
    /// AS 0 is reserved (RFC 7607).
    #[error("AS 0 is reserved; choose another for {name:?}")]
    ZeroAsn {
        /// Whose.
        name: String,
    },
    /// A Hold Time that is too short.
    #[error("a hold_time of {seconds} s is too short; use 3 or more")]
    HoldTime {
        /// The time.
        seconds: u16,
    },
    /// Nobody tells the nodes of each other.
    #[error("no session would carry routes between the nodes: set `mesh: true`, or list `reflectors` or `tors`")]
    NoSessions,
}

impl Fault {
    /// The name in the file that it is about, if it is about one.
    pub(crate) fn subject(&self) -> Option<&str> {
        match self {
            Self::Name { name } | Self::Duplicate { name } | Self::Reserved { name } => Some(name),
            Self::Unconnected { rack } | Self::TorAsns { rack, .. } | Self::DualHomed { rack, .. } => Some(rack),
            Self::SharedAsn { node, .. } => Some(node),
            Self::TorInNodeAsn { name, .. } | Self::ZeroAsn { name } => Some(name),
            Self::NoNodes | Self::TooMany { .. } | Self::HoldTime { .. } | Self::NoSessions => None,
        }
    }
}

pub(super) fn faults(topology: &Topology) -> Vec<Fault> {
    let mut faults = Vec::new();
    names(topology, &mut faults);
    counts(topology, &mut faults);
    fabric(topology, &mut faults);
    asns(topology, &mut faults);
    if topology.hold_time < MIN_HOLD_TIME {
        faults.push(Fault::HoldTime { seconds: topology.hold_time });
    }
    faults
}

fn names(topology: &Topology, faults: &mut Vec<Fault>) {
    let hosts = topology.nodes().map(|node| &node.name).chain(topology.tors().map(|tor| &tor.name));
    let hosts = hosts.chain(topology.reflectors.iter().map(|reflector| &reflector.name));
    let mut seen = BTreeMap::new();
    for name in hosts {
        if !is_name(name) {
            faults.push(Fault::Name { name: name.clone() });
        }
        if matches!(name.as_str(), "spine" | "lan" | "lo" | "br0")
            || name.starts_with("eth")
            || name.starts_with("cali")
        {
            faults.push(Fault::Reserved { name: name.clone() });
        }
        if seen.insert(name, ()).is_some() {
            faults.push(Fault::Duplicate { name: name.clone() });
        }
    }
    let mut racks = BTreeMap::new();
    for name in topology.racks.iter().map(|rack| &rack.name).chain([&topology.name]) {
        if !is_name(name) {
            faults.push(Fault::Name { name: name.clone() });
        }
    }
    for rack in &topology.racks {
        if racks.insert(&rack.name, ()).is_some() {
            faults.push(Fault::Duplicate { name: rack.name.clone() });
        }
    }
}

/// Host names become names of interfaces, files and resources.
fn is_name(name: &str) -> bool {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    name.len() <= LONGEST_NAME
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && !name.ends_with('-')
        && name.chars().all(letters)
}

fn counts(topology: &Topology, faults: &mut Vec<Fault>) {
    let mut limit = |what, count, limit| {
        if count > limit {
            faults.push(Fault::TooMany { what, count, limit });
        }
    };
    limit("nodes", topology.nodes().count(), MAX_NODES);
    limit("reflectors", topology.reflectors.len(), MAX_TORS);
    limit("top-of-rack switches", topology.tors().count(), MAX_TORS);
    for rack in topology.racks.iter().filter(|rack| !rack.tors.is_empty()) {
        limit("nodes of one rack", rack.nodes.len(), MAX_NODES_PER_TOR);
    }
    let most = topology.nodes().map(|node| topology.pods_of(node)).max().unwrap_or(0);
    limit("pods of one node", most as usize, MAX_PODS as usize);
    if topology.nodes().next().is_none() {
        faults.push(Fault::NoNodes);
    }
}

fn fabric(topology: &Topology, faults: &mut Vec<Fault>) {
    let alone = topology.racks.len() == 1;
    for rack in topology.racks.iter().filter(|rack| rack.tors.is_empty() && !alone) {
        faults.push(Fault::Unconnected { rack: rack.name.clone() });
    }
    let has_ibgp = topology.mesh == Mesh::Full || !topology.reflectors.is_empty();
    for rack in topology.racks.iter().filter(|rack| rack.tors.len() > 1 && has_ibgp) {
        faults.push(Fault::DualHomed { rack: rack.name.clone(), tors: rack.tors.len() });
    }
    if !has_ibgp && topology.tors().next().is_none() && topology.nodes().count() > 1 {
        faults.push(Fault::NoSessions);
    }
}

fn asns(topology: &Topology, faults: &mut Vec<Fault>) {
    let asn_of = |node: &super::Node| node.asn.unwrap_or(topology.asn);
    for rack in &topology.racks {
        let asns: Vec<u32> = rack.tors.iter().filter_map(|tor| tor.asn).collect();
        if let [first, .., second] = asns.as_slice()
            && first != second
        {
            faults.push(Fault::TorAsns { rack: rack.name.clone(), first: *first, second: *second });
        }
        for node in &rack.nodes {
            if asns.contains(&asn_of(node)) {
                faults.push(Fault::TorInNodeAsn { name: node.name.clone(), asn: asn_of(node) });
            }
        }
    }
    let mut named: Vec<(&str, u32)> = topology.nodes().map(|node| (node.name.as_str(), asn_of(node))).collect();
    let tors = topology.tors().filter_map(|tor| tor.asn.map(|asn| (tor.name.as_str(), asn)));
    let zero =
        tors.chain(named.iter().copied()).chain([(topology.name.as_str(), topology.asn)]).find(|(_, asn)| *asn == 0);
    if let Some((name, _)) = zero {
        faults.push(Fault::ZeroAsn { name: name.to_owned() });
    }
    if topology.mesh == Mesh::Full || !topology.reflectors.is_empty() || topology.tors().next().is_none() {
        return;
    }
    named.sort_by_key(|(_, asn)| *asn);
    for pair in named.windows(2) {
        if let [(other, asn), (node, same)] = pair
            && asn == same
        {
            faults.push(Fault::SharedAsn { node: (*node).to_owned(), other: (*other).to_owned(), asn: *asn });
        }
    }
}
