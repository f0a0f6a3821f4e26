//! From a topology to hosts, links, addresses, static routes and sessions: everything that is decided before anything is made.

mod sessions;
#[cfg(test)]
mod tests;

use std::net::IpAddr;

use ipnetwork::IpNetwork;

use crate::addressing::{self, LanNumber, Pair};
use crate::topology::{FIRST_TOR_ASN, NodeProgram, Rack, ReflectorKind, Topology, TorDaemon};

pub use sessions::Session;

/// The switch that joins the hosts of a fabric without racks.
pub const LAN: &str = "lan";
/// The switch that joins the racks.
pub const SPINE: &str = "spine";
/// Above so many hosts on one LAN, their neighbour entries are written as permanent ones: the kernel's table of the others
/// is shared by all namespaces and holds 1024 of a family.
const QUIET_LAN: usize = 20;

/// Which foreign daemons can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Installed {
    /// BIRD 2.
    pub bird: Presence,
    /// FRR.
    pub frr: Presence,
}

/// Whether a program is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    Present,
    /// It is not.
    Absent,
}

/// A fabric, worked out.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What was asked for.
    pub topology: Topology,
    /// All hosts; switches (bridges) first.
    pub hosts: Vec<Host>,
    /// All links.
    pub links: Vec<Link>,
    /// The sessions of top-of-rack switches.
    pub sessions: Vec<Session>,
}

/// A host.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// What it is.
    pub role: Role,
    /// Its main addresses; none of a switch.
    pub address: Option<Pair>,
    /// Its static routes.
    pub routes: Vec<StaticRoute>,
    /// Permanent neighbour entries: addresses on the LAN.
    pub neighbours: Vec<Pair>,
}

/// What a host is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Role {
    /// A bridge.
    Switch,
    /// A top-of-rack switch.
    Tor {
        /// Its daemon.
        daemon: TorDaemon,
        /// Its AS.
        asn: u32,
        /// Its rack.
        rack: String,
    },
    /// A reflector.
    Reflector(ReflectorKind),
    /// A node.
    Node {
        /// What runs there.
        program: NodeProgram,
        /// Its AS.
        asn: u32,
        /// Its rack.
        rack: String,
        /// Its blocks.
        blocks: Pair,
        /// Pods that it begins with.
        pods: u32,
    },
}

/// A cable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// The lower end: of a node, a reflector, or a top-of-rack switch below the spine.
    pub lower: End,
    /// The upper end: it is the one that goes down when the link is broken, so that the other sees its carrier vanish.
    pub upper: End,
}

/// One end of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// The host.
    pub host: String,
    /// The interface there.
    pub interface: String,
    /// Its addresses; none of a bridge port.
    pub address: Option<Pair>,
}

/// A static route of the underlay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticRoute {
    /// Whereto.
    pub to: IpNetwork,
    /// Through whom.
    pub via: IpAddr,
    /// Metric.
    pub metric: u32,
}

impl Plan {
    /// Works out a fabric.
    #[must_use]
    pub fn new(topology: &Topology, installed: Installed) -> Self {
        let mut plan = Self { topology: topology.clone(), hosts: Vec::new(), links: Vec::new(), sessions: Vec::new() };
        let switch = if topology.tors().next().is_some() { SPINE } else { LAN };
        plan.hosts.push(Host::new(switch, Role::Switch, None));
        plan.add_tors(installed);
        plan.add_reflectors(switch);
        plan.add_nodes();
        plan.route_underlay();
        plan.quieten_lan();
        plan.sessions = sessions::of_tors(&plan);
        plan
    }

    /// A host by its name.
    #[must_use]
    pub fn host(&self, name: &str) -> Option<&Host> {
        self.hosts.iter().find(|host| host.name == name)
    }

    /// The nodes: those with pods.
    pub fn nodes(&self) -> impl Iterator<Item = &Host> {
        self.hosts.iter().filter(|host| matches!(host.role, Role::Node { .. }))
    }

    /// The interfaces of a host, with their links.
    pub fn ends<'a>(&'a self, host: &'a str) -> impl Iterator<Item = &'a End> {
        self.links.iter().flat_map(|link| [&link.lower, &link.upper]).filter(move |end| end.host == host)
    }

    fn add_tors(&mut self, installed: Installed) {
        let mut daemons = TurnTaking::new(installed);
        let mut index = 0;
        for (rack, number) in self.topology.racks.clone().iter().zip(FIRST_TOR_ASN..) {
            let shared = rack.tors.iter().find_map(|tor| tor.asn).unwrap_or(number);
            for tor in &rack.tors {
                let daemon = tor.daemon.unwrap_or_else(|| daemons.next());
                let role = Role::Tor { daemon, asn: shared, rack: rack.name.clone() };
                let address = addressing::lan(LanNumber::tor(index));
                self.hosts.push(Host::new(&tor.name, role, Some(address)));
                self.attach(&tor.name, "spine", address, SPINE);
                index += 1;
            }
        }
    }

    fn add_reflectors(&mut self, switch: &str) {
        for (index, reflector) in self.topology.reflectors.clone().iter().enumerate() {
            let address = addressing::lan(LanNumber::reflector(index));
            self.hosts.push(Host::new(&reflector.name, Role::Reflector(reflector.kind), Some(address)));
            self.attach(&reflector.name, "eth0", address, switch);
        }
    }

    fn add_nodes(&mut self) {
        let (mut index, mut first_tor) = (0, 0);
        for rack in self.topology.racks.clone() {
            for (port, node) in rack.nodes.iter().enumerate() {
                let address = if rack.tors.is_empty() {
                    addressing::lan(LanNumber::node(index))
                } else {
                    addressing::downlink(first_tor, port).1
                };
                let role = Role::Node {
                    program: node.program,
                    asn: node.asn.unwrap_or(self.topology.asn),
                    rack: rack.name.clone(),
                    blocks: addressing::blocks(index),
                    pods: self.topology.pods_of(node),
                };
                self.hosts.push(Host::new(&node.name, role, Some(address)));
                if rack.tors.is_empty() {
                    self.attach(&node.name, "eth0", address, LAN);
                }
                self.cable_node(&node.name, &rack, first_tor, port);
                index += 1;
            }
            first_tor += rack.tors.len();
        }
    }

    /// Links from a node to all switches of its rack, and a default route through each.
    fn cable_node(&mut self, node: &str, rack: &Rack, first_tor: usize, port: usize) {
        for (number, tor) in rack.tors.iter().enumerate() {
            let (above, below) = addressing::downlink(first_tor + number, port);
            self.links.push(Link {
                lower: End::new(node, &format!("eth{number}"), Some(below)),
                upper: End::new(&tor.name, node, Some(above)),
            });
            let metric = u32::try_from(number).map_or(u32::MAX, |number| 100 * (number + 1));
            let defaults = [("0.0.0.0/0", above.addresses()[0]), ("::/0", above.addresses()[1])];
            for (to, via) in defaults {
                let to = to.parse().expect("invariant: both are prefixes");
                self.add_route(node, StaticRoute { to, via, metric });
            }
        }
    }

    /// A cable from a host to a bridge.
    fn attach(&mut self, host: &str, interface: &str, address: Pair, switch: &str) {
        self.links.push(Link { lower: End::new(host, interface, Some(address)), upper: End::new(switch, host, None) });
    }

    fn add_route(&mut self, name: &str, route: StaticRoute) {
        if let Some(host) = self.hosts.iter_mut().find(|host| host.name == name) {
            host.routes.push(route);
        }
    }

    /// Switches and reflectors reach the links below every (other) switch through it.
    fn route_underlay(&mut self) {
        let tors: Vec<Host> = self.hosts.iter().filter(|host| matches!(host.role, Role::Tor { .. })).cloned().collect();
        for host in &mut self.hosts {
            if !matches!(host.role, Role::Tor { .. } | Role::Reflector(_)) {
                continue;
            }
            for (index, tor) in tors.iter().enumerate().filter(|(_, tor)| tor.name != host.name) {
                let Some(address) = tor.address else { continue };
                let targets = addressing::downlinks(index).networks();
                for (to, via) in targets.into_iter().zip(address.addresses()) {
                    host.routes.push(StaticRoute { to, via, metric: 100 });
                }
            }
        }
    }

    fn quieten_lan(&mut self) {
        let on_lan: Vec<(String, Pair)> = self
            .links
            .iter()
            .filter(|link| link.upper.address.is_none())
            .filter_map(|link| link.lower.address.map(|address| (link.lower.host.clone(), address)))
            .collect();
        if on_lan.len() <= QUIET_LAN {
            return;
        }
        for host in &mut self.hosts {
            if on_lan.iter().any(|(name, _)| *name == host.name) {
                let others = on_lan.iter().filter(|(name, _)| *name != host.name);
                host.neighbours = others.map(|(_, address)| *address).collect();
            }
        }
    }
}

impl Host {
    fn new(name: &str, role: Role, address: Option<Pair>) -> Self {
        Self { name: name.to_owned(), role, address, routes: Vec::new(), neighbours: Vec::new() }
    }

    /// The blocks of a node.
    #[must_use]
    pub fn blocks(&self) -> Option<Pair> {
        match &self.role {
            Role::Node { blocks, .. } => Some(*blocks),
            Role::Switch | Role::Tor { .. } | Role::Reflector(_) => None,
        }
    }
}

impl End {
    fn new(host: &str, interface: &str, address: Option<Pair>) -> Self {
        Self { host: host.to_owned(), interface: interface.to_owned(), address }
    }
}

/// FRR, BIRD, FRR, … as far as they are installed.
struct TurnTaking {
    order: Vec<TorDaemon>,
    given: usize,
}

impl TurnTaking {
    fn new(installed: Installed) -> Self {
        let all = [(TorDaemon::Frr, installed.frr), (TorDaemon::Bird, installed.bird)];
        let order = all.into_iter().filter(|(_, presence)| *presence == Presence::Present).map(|(daemon, _)| daemon);
        Self { order: order.collect(), given: 0 }
    }

    fn next(&mut self) -> TorDaemon {
        let turn = self.given.checked_rem(self.order.len()).and_then(|turn| self.order.get(turn));
        self.given += 1;
        turn.copied().unwrap_or(TorDaemon::Heddle)
    }
}
