//! Routes of others in the tables of the nodes: whatever happens, they stay as they are.

use std::collections::BTreeMap;

use anyhow::Context as _;
use heddle_lab::fabric::Fabric;
use heddle_netlink::{Family, IpNetwork, Leg, LinkIndex, Protocol, Route, RouteKind};

/// Some other daemon's number.
const STRANGER: Protocol = Protocol(98);
/// That of another BGP daemon (`bgp` of rt_protos).
const OTHER_BGP: Protocol = Protocol(186);
/// The metric of our routes where nothing says otherwise.
const OUR_METRIC: u32 = 1024;
/// Behind every metric of ours.
const BEHIND_OURS: u32 = 4_000_000_000;

/// Lays them. None depends on a link that may be cut, and none attracts a packet while ours are there.
pub(crate) fn lay(fabric: &Fabric) -> anyhow::Result<BTreeMap<String, Vec<Route>>> {
    let mut laid = BTreeMap::new();
    for node in fabric.plan().nodes() {
        let host = fabric.host(&node.name)?;
        let mut routes = Vec::new();
        for prefix in ["10.98.0.0/16", "fd00:98::/48"] {
            let prefix: IpNetwork = prefix.parse()?;
            routes.push(Route::new(prefix, OTHER_BGP).metric(OUR_METRIC).leg(Leg::device(LinkIndex::LOOPBACK)));
        }
        for prefix in ["203.0.113.128/25", "2001:db8:98::/64"] {
            let route = Route::new(prefix.parse()?, STRANGER).metric(OUR_METRIC);
            routes.push(Route { kind: RouteKind::Unreachable, ..route });
        }
        // On the very prefixes that we learn, behind ours.
        for other in fabric.plan().nodes().filter(|other| other.name != node.name) {
            for block in other.blocks().into_iter().flat_map(|pair| pair.networks()) {
                routes.push(Route::new(block, STRANGER).metric(BEHIND_OURS).blackhole());
            }
        }
        for route in &routes {
            host.kernel(|control| control.add_route(route)).with_context(|| format!("{}: {route}", node.name))?;
        }
        laid.insert(node.name.clone(), routes.into_iter().map(Route::canonical).collect());
    }
    Ok(laid)
}

/// What is missing of them on a node, and what is there beside.
pub(crate) fn touched(fabric: &Fabric, node: &str, laid: &[Route]) -> anyhow::Result<Vec<String>> {
    let mut found = Vec::new();
    for family in Family::BOTH {
        found.extend(fabric.kernel_routes(node, family)?.into_iter().map(Route::canonical));
    }
    let missing = laid.iter().filter(|route| !found.contains(route));
    let mut touched: Vec<String> = missing.map(|route| format!("{node}: a stranger's {route} is gone")).collect();
    let beside = found.iter().filter(|route| route.protocol == STRANGER && !laid.contains(route));
    touched.extend(beside.map(|route| format!("{node}: nobody has laid the stranger's {route}")));
    Ok(touched)
}
