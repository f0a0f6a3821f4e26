//! Routes of others in the tables of every node, under every case: there before anything of ours starts, and there,
//! unchanged, when all of ours has ended.

use heddle_lab::fabric::Fabric;
use heddle_lab::plan::{Host, Role};
use heddle_lab::topology::NodeProgram;
use heddle_netlink::{Family, Leg, LinkIndex, Protocol, Route, RouteKind};
use ipnetwork::IpNetwork;

/// Some other daemon's number, which nobody adopts.
const STRANGER: Protocol = Protocol(98);
/// That of another BGP daemon (`bgp` of rt_protos).
const OTHER_BGP: Protocol = Protocol(186);
/// The metric of our routes where nothing says otherwise.
const OUR_METRIC: u32 = 1024;
/// Behind every metric of ours: 2147483647 less LOCAL_PREF.
const BEHIND_OURS: u32 = 4_000_000_000;

/// What was laid into the tables of the nodes, in the canonical form.
#[derive(Debug)]
pub(crate) struct Strangers(Vec<(String, Vec<Route>)>);

impl Strangers {
    /// Lays them. None depends on a link that a case may cut, and none attracts a packet while ours are there.
    #[track_caller]
    pub(crate) fn lay(fabric: &Fabric) -> Self {
        let mut laid = Vec::new();
        for node in fabric.plan().nodes() {
            let host = fabric.host(&node.name).unwrap_or_else(|error| panic!("{error}"));
            let routes = routes(fabric, node);
            for route in &routes {
                let added = host.kernel(|control| control.add_route(route));
                added.unwrap_or_else(|error| panic!("{}: a stranger's {route}: {error}", node.name));
            }
            laid.push((node.name.clone(), routes.into_iter().map(Route::canonical).collect()));
        }
        Self(laid)
    }

    /// What is missing, and what is there beside.
    pub(crate) fn touched(&self, fabric: &Fabric) -> Vec<String> {
        let mut touched = Vec::new();
        for (node, laid) in &self.0 {
            let mut found = Vec::new();
            for family in Family::BOTH {
                match fabric.kernel_routes(node, family) {
                    Ok(routes) => found.extend(routes.into_iter().map(Route::canonical)),
                    Err(error) => touched.push(format!("{node}: {error}")),
                }
            }
            let missing = laid.iter().filter(|route| !found.contains(route));
            touched.extend(missing.map(|route| format!("{node} has no {route} any more")));
            let beside = found.iter().filter(|route| route.protocol == STRANGER && !laid.contains(route));
            touched.extend(beside.map(|route| format!("{node} has {route}, which nobody laid")));
        }
        touched
    }
}

/// The strangers' routes of one node, of both families.
fn routes(fabric: &Fabric, node: &Host) -> Vec<Route> {
    let program = match node.role {
        Role::Node { program, .. } => program,
        Role::Switch | Role::Tor { .. } | Role::Reflector(_) => return Vec::new(),
    };
    let network = |text: &str| -> IpNetwork { text.parse().unwrap_or_else(|error| panic!("{text}: {error}")) };
    let mut routes = Vec::new();
    for prefix in ["10.98.0.0/16", "fd00:98::/48"].map(network) {
        // With our metric, and with none.
        routes.push(Route::new(prefix, OTHER_BGP).metric(OUR_METRIC).leg(Leg::device(LinkIndex::LOOPBACK)));
        routes.push(Route::new(prefix, STRANGER).leg(Leg::device(LinkIndex::LOOPBACK)).metric(20));
    }
    for prefix in ["203.0.113.128/25", "2001:db8:98::/64"].map(network) {
        routes.push(Route { kind: RouteKind::Unreachable, ..Route::new(prefix, STRANGER).metric(OUR_METRIC) });
    }
    // BIRD learns what lies in a pool, and tells it.
    let mut others = fabric.plan().nodes().filter(|other| other.name != node.name && program == NodeProgram::Heddle);
    if let Some(blocks) = others.find_map(Host::blocks) {
        for block in blocks.networks() {
            // On the very prefix that we learn, behind ours.
            routes.push(Route::new(block, STRANGER).metric(BEHIND_OURS).blackhole());
            routes.push(Route::new(around(block), STRANGER).metric(OUR_METRIC).blackhole());
        }
    }
    routes
}

/// The network twice as large.
fn around(network: IpNetwork) -> IpNetwork {
    let length = network.prefix().saturating_sub(1);
    let wider = IpNetwork::new(network.ip(), length).unwrap_or_else(|error| panic!("{network}: {error}"));
    IpNetwork::new(wider.network(), length).unwrap_or_else(|error| panic!("{network}: {error}"))
}
