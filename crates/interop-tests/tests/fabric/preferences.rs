//! What nodes of ours and BIRD as Calico's releases configure it make of each other's LOCAL_PREF: who wins, and with which metric the kernel has it.
//!
//! Calico 3.32 and later, and ours, send M less the kernel's metric (M = 2147483647), and write M less LOCAL_PREF; before, LOCAL_PREF is 100 whatever the
//! metric, and routes are written without one (which the kernel makes 1024 of for IPv6).

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_lab::plan::Role;
use heddle_lab::topology::{CalicoRelease, NodeProgram};
use heddle_lab::tor::bird;
use heddle_netlink::{Protocol, RouteKind};
use ipnetwork::IpNetwork;
use serde_json::Value;

use crate::world::World;

/// What metrics are told as.
const M: u32 = 2_147_483_647;
/// The metric of ordinary routes.
pub(crate) const NORMAL: u32 = 1024;
/// That of a workload's new node, while it moves.
pub(crate) const ELEVATED: u32 = 512;
/// What says nothing of a metric.
const OLD: u32 = 100;

/// What runs on the nodes of a fabric at the moment.
pub(crate) struct Mixture<'w> {
    world: &'w World,
    runs: BTreeMap<String, NodeProgram>,
}

/// Who wins a prefix on a node.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Winner<'a> {
    /// These nodes, with a kernel metric of their own for it.
    Nodes(&'a [&'a str], u32),
    /// The node itself; or nobody, and the block around it counts.
    Nobody,
}

impl<'w> Mixture<'w> {
    /// As the fabric was raised.
    pub(crate) fn new(world: &'w World) -> Self {
        let program = |role: &Role| match role {
            Role::Node { program, .. } => *program,
            Role::Switch | Role::Tor { .. } | Role::Reflector(_) => NodeProgram::Nothing,
        };
        let runs = world.fabric().plan().nodes().map(|node| (node.name.clone(), program(&node.role))).collect();
        Self { world, runs }
    }

    /// Another program runs on a node now.
    pub(crate) fn now_runs(&mut self, node: &str, program: NodeProgram) {
        self.runs.insert(node.to_owned(), program);
    }

    fn runs(&self, node: &str) -> NodeProgram {
        *self.runs.get(node).unwrap_or_else(|| panic!("{}: no node {node}", self.world.case()))
    }

    /// LOCAL_PREF as a node sends it for a route with a metric.
    fn local_pref(&self, node: &str, metric: u32) -> u32 {
        match self.runs(node) {
            NodeProgram::Bird(CalicoRelease::V331) => OLD,
            NodeProgram::Bird(CalicoRelease::V333) | NodeProgram::Heddle | NodeProgram::Nothing => M - metric,
        }
    }

    /// The metric with which a node's kernel has a route of a LOCAL_PREF.
    fn metric(&self, node: &str, prefix: IpNetwork, local_pref: u32) -> u32 {
        match self.runs(node) {
            NodeProgram::Bird(CalicoRelease::V331) if prefix.is_ipv4() => 0,
            NodeProgram::Bird(CalicoRelease::V331) => 1024,
            NodeProgram::Bird(CalicoRelease::V333) | NodeProgram::Heddle | NodeProgram::Nothing => M - local_pref,
        }
    }

    /// Waits until every node has the blocks of every other with its LOCAL_PREF, and the metric that goes with it.
    #[track_caller]
    pub(crate) fn await_blocks(&self) {
        for owner in self.runs.keys() {
            for block in self.world.blocks(owner).networks() {
                for node in self.runs.keys().filter(|node| *node != owner) {
                    self.await_winner(node, block, Winner::Nodes(&[owner], NORMAL));
                }
            }
        }
    }

    /// Waits until a node's kernel has the way to a prefix, and the daemon the LOCAL_PREF, that it has to have.
    #[track_caller]
    pub(crate) fn await_winner(&self, node: &str, prefix: IpNetwork, winner: Winner<'_>) {
        wait_for(&format!("{}: on {node} {prefix} is {winner:?}", self.world.case()), PATIENCE, || {
            self.look(node, prefix, winner)
        });
    }

    fn look(&self, node: &str, prefix: IpNetwork, winner: Winner<'_>) -> Result<(), String> {
        let mut routes = self.world.routes_of(node, Protocol::HEDDLE)?;
        routes.extend(self.world.routes_of(node, Protocol::BIRD)?);
        routes.retain(|route| route.prefix == prefix && route.kind == RouteKind::Unicast);
        let Winner::Nodes(nodes, metric) = winner else {
            return ensure(routes.is_empty(), || format!("{routes:?}"));
        };
        let addresses: BTreeSet<IpAddr> = nodes.iter().map(|node| self.address(node, prefix)).collect();
        let best = routes.iter().map(|route| route.metric).min();
        let used = routes.iter().filter(|route| Some(route.metric) == best).flat_map(|route| &route.legs);
        ensure(addresses == used.filter_map(|leg| leg.gateway).collect(), || format!("{routes:?}"))?;
        let heard = self.heard(node, prefix)?;
        for winner in nodes {
            let local_pref = self.local_pref(winner, metric);
            let metric = self.metric(node, prefix, local_pref);
            let is_as_wanted = match self.runs(node) {
                // BIRD leaves behind what it had with another metric, to the end of the route.
                NodeProgram::Bird(_) => routes.iter().any(|route| route.metric == metric),
                NodeProgram::Heddle | NodeProgram::Nothing => routes.iter().all(|route| route.metric == metric),
            };
            ensure(is_as_wanted, || format!("{routes:?}, not metric {metric}"))?;
            let address = self.address(winner, prefix);
            ensure(heard.get(&address) == Some(&local_pref), || format!("{heard:?}, not {local_pref} of {address}"))?;
        }
        Ok(())
    }

    fn address(&self, node: &str, prefix: IpNetwork) -> IpAddr {
        let [v4, v6] = self.world.address(node).addresses();
        if prefix.is_ipv4() { v4 } else { v6 }
    }

    /// The LOCAL_PREF of each peer's route to a prefix, as a node's daemon has it.
    fn heard(&self, node: &str, prefix: IpNetwork) -> Result<BTreeMap<IpAddr, u32>, String> {
        match self.runs(node) {
            NodeProgram::Bird(_) => {
                let socket = if prefix.is_ipv4() { "bird.ctl" } else { "bird6.ctl" };
                let host = self.world.fabric().host(node).map_err(|error| error.to_string())?;
                let text = bird::command(&host.path(socket), &format!("show route {prefix} all"));
                Ok(of_bird(&text.map_err(|error| error.to_string())?))
            }
            NodeProgram::Heddle | NodeProgram::Nothing => {
                let answer = self.world.show(node, &["show", "routes", &prefix.to_string()])?;
                let paths = answer["routes"][0]["paths"].as_array().cloned().unwrap_or_default();
                ensure(!paths.is_empty(), || format!("no paths: {answer}"))?;
                Ok(paths.iter().filter_map(of_path).collect())
            }
        }
    }
}

fn of_path(path: &Value) -> Option<(IpAddr, u32)> {
    let local_pref = path["attributes"]["local_pref"].as_u64().and_then(|number| u32::try_from(number).ok())?;
    Some((path["peer"].as_str()?.parse().ok()?, local_pref))
}

/// The routes of BIRD's `show route … all`: a gateway, and behind it the attributes.
fn of_bird(text: &str) -> BTreeMap<IpAddr, u32> {
    let mut found = BTreeMap::new();
    let mut next_hop = None;
    for line in text.lines() {
        if let Some(address) = line.trim().strip_prefix("BGP.next_hop: ") {
            next_hop = address.split_whitespace().next().and_then(|word| word.parse::<IpAddr>().ok());
        } else if let Some(number) = line.trim().strip_prefix("BGP.local_pref: ") {
            found.extend(next_hop.take().zip(number.parse().ok()));
        }
    }
    found
}
