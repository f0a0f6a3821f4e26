//! `CalicoNodeStatus`: who asks for a node's status gets it as Calico writes it: in the object, where that is in a cluster or in etcd, and in
//! the status directory, where there is one.
//!
//! What it says is read from the node's own API, so that it is what `heddle show` says. A class is told whole or not at
//! all, and nothing is written while nothing changed.

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use heddle_admin::types::{
    FibQuery, FibRoute, NodeReport, PathStatus, PeerSummary, RouteQuery, RouteView, Summary, WallTime,
};
use heddle_admin::{Client, ClientError};
use heddle_datastore::{NodeWriter, StatusDir, Watch, WriteError};
use heddle_resources::Snapshot;
use heddle_resources::calico_node_status::{CalicoNodeStatus, NodeStatusClass};
use ipnetwork::IpNetwork;
use serde_json::{Value, json};
use tokio::time::Instant;
use tracing::warn;

use crate::state::{News, NodeState};

/// How soon a status that could not be read is read again: the API changes hands when sessions begin.
const AGAIN: Duration = Duration::from_secs(1);
/// How soon one that could not be written is written again.
const LATER: Duration = Duration::from_secs(10);

/// Writes the statuses that the datastore asks for.
pub(crate) struct StatusWriter {
    node: Arc<str>,
    place: StatusPlace,
    client: Client,
    watch: Watch,
    state: Arc<NodeState>,
    due: HashMap<Arc<str>, Due>,
}

/// Where statuses go to.
pub(crate) struct StatusPlace {
    dir: Option<Arc<StatusDir>>,
    objects: Option<Arc<NodeWriter>>,
}

impl StatusPlace {
    /// None where there is none.
    pub(crate) fn of(dir: Option<StatusDir>, objects: Option<Arc<NodeWriter>>) -> Option<Self> {
        (dir.is_some() || objects.is_some()).then(|| Self { dir: dir.map(Arc::new), objects })
    }
}

/// One wish.
struct Due {
    wish: Arc<CalicoNodeStatus>,
    at: Instant,
    written: Option<Value>,
    /// How often in a row it could not be read.
    failures: u32,
}

impl StatusWriter {
    pub(crate) fn new(node: Arc<str>, place: StatusPlace, socket: PathBuf, state: Arc<NodeState>) -> Self {
        Self { node, place, client: Client::new(socket), watch: state.watch(), state, due: HashMap::new() }
    }

    /// Writes until the datastore ends.
    pub(crate) async fn run(mut self) {
        loop {
            let next = self.due.values().map(|d| d.at).min();
            let timer = async {
                match next {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                event = self.watch.next() => match event {
                    Some(event) => self.wishes(event.snapshot()),
                    None => return,
                },
                () = timer => self.write_due().await,
            }
        }
    }

    fn wishes(&mut self, snapshot: &Snapshot) {
        let wanted: HashMap<Arc<str>, Arc<CalicoNodeStatus>> = snapshot
            .all::<CalicoNodeStatus>()
            .filter(|w| w.spec.node == self.node && w.spec.update_period.is_some())
            .map(|w| (Arc::clone(&w.metadata.name), Arc::clone(w)))
            .collect();
        let gone: Vec<Arc<str>> = self.due.keys().filter(|n| !wanted.contains_key(*n)).cloned().collect();
        for name in gone {
            self.due.remove(&name);
            self.state.status_problem(&name, None);
            if let Some(Err(error)) = self.place.dir.as_ref().map(|dir| dir.remove(&name)) {
                warn!("{error}");
            }
        }
        for (name, wish) in wanted {
            match self.due.get_mut(&name) {
                Some(due) if due.wish.spec == wish.spec => due.wish = wish,
                Some(_) | None => {
                    self.due.insert(name, Due { wish, at: Instant::now(), written: None, failures: 0 });
                }
            }
        }
    }

    async fn write_due(&mut self) {
        let now = Instant::now();
        for (name, due) in self.due.iter_mut().filter(|(_, d)| d.at <= now) {
            due.at = now + due.wish.spec.update_period.unwrap_or(Duration::from_secs(10)).max(Duration::from_secs(1));
            let status = match status(&self.client, &due.wish.spec.classes).await {
                Ok(status) => status,
                Err(error) => {
                    due.at = now + AGAIN;
                    due.failures = due.failures.saturating_add(1);
                    // Once is no fault, and once said is enough.
                    if due.failures == 2 {
                        warn!(name = %name, %error, "the node's status cannot be read; it is tried again every second");
                    }
                    continue;
                }
            };
            due.failures = 0;
            if due.written.as_ref() == Some(&status) {
                continue;
            }
            let document = document(&due.wish, &status);
            let mut done = true;
            if let Some(objects) = &self.place.objects {
                done = into_object(objects, &self.state, name, &document, due).await;
            }
            if let Some(dir) = self.place.dir.clone() {
                let name = Arc::clone(name);
                match tokio::task::spawn_blocking(move || dir.write(&name, &document)).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => {
                        done = false;
                        warn!("{error}");
                    }
                    Err(_) => return,
                }
            }
            due.written = done.then_some(status);
        }
    }
}

/// Writes a status into its object; false if it was not done.
async fn into_object(
    objects: &NodeWriter,
    state: &NodeState,
    name: &Arc<str>,
    document: &Value,
    due: &mut Due,
) -> bool {
    let written = objects.write_status(name, document.get("status").unwrap_or(&Value::Null)).await;
    if written.is_err() {
        // Not with every period of a second: what is missing is not there so soon.
        due.at = due.at.max(Instant::now() + LATER);
    }
    let problem = problem(&written);
    if let (News::Yes, Some(text)) = (state.status_problem(name, problem.clone()), problem) {
        warn!("{text}");
    }
    written.is_ok()
}

/// What there is to say of an attempt.
fn problem(written: &Result<(), WriteError>) -> Option<String> {
    match written {
        Ok(()) => None,
        // It was deleted, and the watch will say so; or it is being migrated from one of Calico's APIs to the other.
        Err(error) if error.is_absence() => None,
        Err(error) => Some(format!("the node's status is not written: {error}")),
    }
}

fn document(wish: &CalicoNodeStatus, status: &Value) -> Value {
    let classes: Vec<&str> = wish.spec.classes.iter().copied().map(class).collect();
    let period = wish.spec.update_period.map_or(0, |p| p.as_secs());
    let mut status = status.clone();
    if let Some(fields) = status.as_object_mut() {
        fields.insert("lastUpdated".to_owned(), json!(WallTime::now()));
    }
    json!({
        "apiVersion": "projectcalico.org/v3",
        "kind": "CalicoNodeStatus",
        "metadata": { "name": &*wish.metadata.name },
        "spec": { "node": &*wish.spec.node, "classes": classes, "updatePeriodSeconds": period },
        "status": status,
    })
}

const fn class(class: NodeStatusClass) -> &'static str {
    match class {
        NodeStatusClass::Agent => "Agent",
        NodeStatusClass::Bgp => "BGP",
        NodeStatusClass::Routes => "Routes",
    }
}

async fn status(client: &Client, classes: &[NodeStatusClass]) -> Result<Value, ClientError> {
    let mut status = serde_json::Map::new();
    let node = client.node().await?;
    let running = node.waiting_for.is_none();
    for class in classes {
        match class {
            NodeStatusClass::Agent => {
                let summary = if running { Some(client.summary().await?) } else { None };
                status.insert("agent".to_owned(), agent(summary.as_ref()));
            }
            NodeStatusClass::Bgp => {
                status.insert("bgp".to_owned(), bgp(&client.peers().await?.peers, &node));
            }
            NodeStatusClass::Routes => {
                let (routes, learned) = if running {
                    (all_routes(client).await?, learned(client).await?)
                } else {
                    (Vec::new(), Learned::new())
                };
                status.insert("routes".to_owned(), routes_of(&routes, &learned, &node));
            }
        }
    }
    Ok(Value::Object(status))
}

fn agent(summary: Option<&Summary>) -> Value {
    let daemon = match summary {
        None => json!({ "state": "NotReady" }),
        Some(s) => json!({
            "state": if s.restarting { "NotReady" } else { "Ready" },
            "version": format!("heddle {}", s.version.version),
            "routerID": s.router.router_id,
            "lastBootTime": s.version.started_at,
            "lastReconfigurationTime": s.config_applied_at,
        }),
    };
    // One process has both versions; Calico has a daemon for each.
    json!({ "birdV4": daemon, "birdV6": daemon })
}

fn bgp(peers: &[PeerSummary], node: &NodeReport) -> Value {
    let mut status = serde_json::Map::new();
    for (version, is_v4) in [("V4", true), ("V6", false)] {
        let of_version = || peers.iter().filter(|p| p.address.ip().is_ipv4() == is_v4);
        let established = of_version().filter(|p| p.uptime_seconds.is_some()).count();
        let listed: Vec<Value> = of_version().map(|p| peer(p, node)).collect();
        status.insert(format!("numberEstablished{version}"), json!(established));
        status.insert(format!("numberNotEstablished{version}"), json!(listed.len() - established));
        status.insert(format!("peers{version}"), Value::Array(listed));
    }
    Value::Object(status)
}

fn peer(peer: &PeerSummary, node: &NodeReport) -> Value {
    let address = peer.address.to_string();
    json!({ "peerIP": address, "type": kind(node, &address), "state": peer.state.as_str(), "since": peer.state_since })
}

/// Calico's word for why there is a session.
fn kind(node: &NodeReport, address: &str) -> &'static str {
    let name = node.peers.iter().find(|p| p.address == address).map_or("", |p| p.name.as_str());
    match name.split('_').next() {
        Some("Mesh") => "NodeMesh",
        Some("Node" | "Local") => "NodePeer",
        _ => "GlobalPeer",
    }
}

async fn all_routes(client: &Client) -> Result<Vec<FibRoute>, ClientError> {
    let mut query = FibQuery::default();
    let mut routes = Vec::new();
    loop {
        let mut page = client.fib(&query).await?;
        routes.append(&mut page.routes);
        query.from = page.next;
        if page.next.is_none() {
            routes.sort_by_key(|r| r.prefix);
            return Ok(routes);
        }
    }
}

/// From which peer the best path of a destination is.
type Learned = HashMap<IpNetwork, String>;

async fn learned(client: &Client) -> Result<Learned, ClientError> {
    let mut best = client.routes(&RouteQuery { view: RouteView::Best, ..RouteQuery::default() }).await?;
    let mut learned = Learned::new();
    while let Some(destination) = best.next().await? {
        let path = destination.paths.iter().find(|p| p.status == PathStatus::Best);
        if let Some(peer) = path.and_then(|p| p.peer.as_ref()) {
            learned.insert(destination.prefix, peer.to_string());
        }
    }
    Ok(learned)
}

fn routes_of(routes: &[FibRoute], learned: &Learned, node: &NodeReport) -> Value {
    let (v4, v6): (Vec<&FibRoute>, Vec<&FibRoute>) = routes.iter().partition(|r| r.prefix.is_ipv4());
    let list = |routes: Vec<&FibRoute>| -> Vec<Value> {
        routes.into_iter().flat_map(|r| route(r, source(r, learned, node))).collect()
    };
    json!({ "routesV4": list(v4), "routesV6": list(v6) })
}

/// Who told of a route. One that nobody wants is only in the kernel.
fn source(route: &FibRoute, learned: &Learned, node: &NodeReport) -> Value {
    match learned.get(&route.prefix) {
        Some(peer) => {
            let source = if kind(node, peer) == "NodeMesh" { "NodeMesh" } else { "BGPPeer" };
            json!({ "sourceType": source, "peerIP": peer })
        }
        None if route.desired.is_some() => json!({ "sourceType": "Static" }),
        None => json!({ "sourceType": "Kernel" }),
    }
}

/// One entry a leg: `FIB` for what the kernel has, `RIB` for what it should have and has not.
fn route(route: &FibRoute, learned_from: Value) -> Vec<Value> {
    let (table, kernel) = match (&route.actual, &route.desired) {
        (Some(actual), _) => ("FIB", actual),
        (None, Some(desired)) => ("RIB", desired),
        (None, None) => return Vec::new(),
    };
    let entry = |gateway: Option<IpAddr>, interface: &str| {
        json!({
            "type": table,
            "destination": route.prefix,
            "gateway": gateway.map_or_else(|| "N/A".to_owned(), |g| g.to_string()),
            "interface": interface,
            "learnedFrom": learned_from,
        })
    };
    if kernel.legs.is_empty() {
        return vec![entry(None, &kernel.kind)];
    }
    kernel.legs.iter().map(|l| entry(l.via, l.interface.as_deref().unwrap_or(""))).collect()
}
