//! What the forwarding table of a node has to have of ours, worked out from the plan alone: all of it, and nothing
//! else.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use heddle_netlink::{IpNetwork, Protocol, Route, RouteKind};

use crate::world::World;

/// Where a route leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Destination {
    Blackhole,
    Via(BTreeSet<IpAddr>),
}

/// Routes by prefix.
pub(crate) type Table = BTreeMap<IpNetwork, Destination>;

impl World {
    /// Own blocks lead nowhere; the blocks of others, and the addresses that are theirs outside of their blocks,
    /// through the switch above: it is the way to the next hops, which are the others' addresses.
    pub(crate) fn expected(&self, node: &str) -> Table {
        let above: Vec<[IpAddr; 2]> = self
            .fabric
            .plan()
            .links
            .iter()
            .filter(|link| link.lower.host == node)
            .filter_map(|link| link.upper.address)
            .map(|pair| pair.addresses())
            .collect();
        let via = |prefix: &IpNetwork| {
            let gateways = above.iter().map(|[v4, v6]| if prefix.is_ipv4() { *v4 } else { *v6 });
            Destination::Via(gateways.collect())
        };
        let mut table = Table::new();
        for other in &self.scene.nodes {
            for block in self.blocks(other) {
                let to = if other == node { Destination::Blackhole } else { via(&block) };
                table.insert(block, to);
            }
        }
        for (prefix, owner) in self.outside() {
            if owner != node {
                table.insert(prefix, via(&prefix));
            }
        }
        table
    }

    /// Addresses outside of their nodes' blocks, with the nodes that have them.
    fn outside(&self) -> Vec<(IpNetwork, String)> {
        let mut all = Vec::new();
        for (number, node) in &self.routed {
            all.extend(Self::churned(*number).into_iter().map(|prefix| (prefix, node.clone())));
        }
        self.fabric.with_pods(|pods| {
            for pod in pods {
                let blocks = self.blocks(pod.node());
                let borrowed = pod
                    .address()
                    .addresses()
                    .into_iter()
                    .filter(|address| !blocks.iter().any(|block| block.contains(*address)));
                all.extend(borrowed.map(|address| (IpNetwork::from(address), pod.node().to_owned())));
            }
        });
        all
    }

    /// What a node's kernel has of ours.
    pub(crate) fn found(&self, node: &str) -> anyhow::Result<Table> {
        let mut table = Table::new();
        for route in self.routes_of(node, Protocol::HEDDLE)? {
            let twice = table.insert(route.prefix, destination(&route));
            anyhow::ensure!(twice.is_none(), "{} is there twice", route.prefix);
        }
        Ok(table)
    }
}

fn destination(route: &Route) -> Destination {
    match route.kind {
        RouteKind::Unicast => Destination::Via(route.legs.iter().filter_map(|leg| leg.gateway).collect()),
        _ => Destination::Blackhole,
    }
}

/// What is missing, and what is there instead; nothing where they are equal.
pub(crate) fn difference(expected: &Table, found: &Table) -> Option<String> {
    let missing: Vec<_> = expected.iter().filter(|(prefix, to)| found.get(prefix) != Some(to)).collect();
    let wrong: Vec<_> = found.iter().filter(|(prefix, to)| expected.get(prefix) != Some(to)).collect();
    let short = |routes: &[(&IpNetwork, &Destination)]| {
        let first: Vec<String> = routes.iter().take(4).map(|(prefix, to)| format!("{prefix} {to:?}")).collect();
        format!("{} ({})", routes.len(), first.join(", "))
    };
    (!missing.is_empty() || !wrong.is_empty())
        .then(|| format!("missing {}; there instead {}", short(&missing), short(&wrong)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_is_seen() {
        let prefix = |text: &str| text.parse::<IpNetwork>().expect("a prefix");
        let via = |text: &str| Destination::Via([text.parse().expect("an address")].into());
        let expected =
            Table::from([(prefix("10.1.0.0/24"), via("192.0.2.1")), (prefix("10.2.0.0/24"), Destination::Blackhole)]);
        assert_eq!(difference(&expected, &expected), None);
        let mut other = expected.clone();
        other.remove(&prefix("10.2.0.0/24"));
        assert!(difference(&expected, &other).is_some_and(|text| text.starts_with("missing 1 (10.2.0.0/24")));
        assert!(difference(&other, &expected).is_some_and(|text| text.starts_with("missing 0 ()")));
        other.insert(prefix("10.2.0.0/24"), via("192.0.2.1"));
        assert!(difference(&expected, &other).is_some());
    }
}
