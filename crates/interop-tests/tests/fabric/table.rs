//! What the kernels of a fabric have to have of ours, exactly: every route that should be there, and no other.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_lab::plan::{Host, Role};
use heddle_lab::topology::NodeProgram;
use heddle_netlink::{Family, Protocol, Route, RouteKind};
use ipnetwork::IpNetwork;

use crate::world::World;

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    /// Nowhere.
    Blackhole,
    /// To these gateways.
    Via(BTreeSet<IpAddr>),
}

/// The routes of a kernel that are ours.
pub(crate) type Table = BTreeMap<IpNetwork, Destination>;

/// A prefix that a node advertises beside its blocks.
pub(crate) type Extra<'a> = (IpNetwork, &'a str);

impl World {
    /// The routes of a protocol that a host's kernel has.
    pub(crate) fn routes_of(&self, host: &str, protocol: Protocol) -> Result<Vec<Route>, String> {
        let mut all = Vec::new();
        for family in Family::BOTH {
            all.extend(self.fabric().kernel_routes(host, family).map_err(|error| error.to_string())?);
        }
        all.retain(|route| route.protocol == protocol);
        Ok(all)
    }

    /// What a host's kernel has of ours.
    pub(crate) fn table(&self, host: &str) -> Result<Table, String> {
        self.table_of(host, Protocol::HEDDLE)
    }

    /// As [`Self::table`], where the routes have another number.
    pub(crate) fn table_of(&self, host: &str, protocol: Protocol) -> Result<Table, String> {
        let mut table = Table::new();
        for route in self.routes_of(host, protocol)? {
            // Two metrics at once: one of them is a leftover.
            ensure(!table.contains_key(&route.prefix), || format!("{} is there twice", route.prefix))?;
            table.insert(route.prefix, destination(&route));
        }
        Ok(table)
    }

    /// What a node's kernel has to have where all nodes are on one LAN: its own blocks as blackholes, those of others and
    /// what they advertise beside them through their addresses. Where nothing runs nothing is advertised.
    pub(crate) fn expected(&self, node: &str, extras: &[Extra<'_>]) -> Table {
        let mut table = Table::new();
        for other in self.fabric().plan().nodes() {
            let (Some(blocks), Some(address)) = (other.blocks(), other.address) else { continue };
            if program(other) == Some(NodeProgram::Nothing) {
                continue;
            }
            let extras = extras.iter().filter(|(_, owner)| *owner == other.name).map(|(prefix, _)| *prefix);
            if other.name == node {
                table.extend(blocks.networks().map(|block| (block, Destination::Blackhole)));
                continue;
            }
            for prefix in blocks.networks().into_iter().chain(extras) {
                let [v4, v6] = address.addresses();
                let via = if prefix.is_ipv4() { v4 } else { v6 };
                table.insert(prefix, Destination::Via(BTreeSet::from([via])));
            }
        }
        table
    }

    /// Waits until every node of ours has exactly the routes that it has to have.
    #[track_caller]
    pub(crate) fn await_tables(&self, extras: &[Extra<'_>]) {
        let ours = self.fabric().plan().nodes().filter(|node| program(node) == Some(NodeProgram::Heddle));
        let names: Vec<String> = ours.map(|node| node.name.clone()).collect();
        assert!(!names.is_empty(), "{}: no node of ours", self.case());
        self.await_tables_of(&names, extras);
    }

    /// As [`Self::await_tables`], of some nodes.
    #[track_caller]
    pub(crate) fn await_tables_of(&self, nodes: &[String], extras: &[Extra<'_>]) {
        for node in nodes {
            let expected = self.expected(node, extras);
            wait_for(&format!("{}: {node} has its routes", self.case()), PATIENCE, || {
                let found = self.table(node)?;
                ensure(found == expected, || difference(&expected, &found))
            });
        }
    }
}

/// What runs on a node.
fn program(host: &Host) -> Option<NodeProgram> {
    match &host.role {
        Role::Node { program, .. } => Some(*program),
        Role::Switch | Role::Tor { .. } | Role::Reflector(_) => None,
    }
}

fn destination(route: &Route) -> Destination {
    match route.kind {
        RouteKind::Unicast => Destination::Via(route.legs.iter().filter_map(|leg| leg.gateway).collect()),
        _ => Destination::Blackhole,
    }
}

/// What is missing, and what is there instead.
pub(crate) fn difference(expected: &Table, found: &Table) -> String {
    let missing: Vec<_> = expected.iter().filter(|(prefix, to)| found.get(prefix) != Some(to)).collect();
    let wrong: Vec<_> = found.iter().filter(|(prefix, to)| expected.get(prefix) != Some(to)).collect();
    format!("missing {missing:?}; there instead {wrong:?}")
}
