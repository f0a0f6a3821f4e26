//! The datastore of a fabric: YAML files in `projectcalico.org/v3` form.
//!
//! The nodes' own datastore has everything of the cluster; a top-of-rack switch that runs our own daemon has one of its own,
//! in which it is the only node.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::addressing::{self, Pair};
use crate::plan::{Host, Plan, Role, Session};
use crate::topology::{Mesh, ReflectorKind};

/// A file of the datastore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct File {
    /// Its name.
    pub name: &'static str,
    /// YAML, perhaps of many documents.
    pub text: String,
}

const ROUTE_REFLECTOR: &str = "route-reflector";
/// The filter that keeps what other nodes advertised out of sessions with top-of-rack switches.
const OWN_ROUTES: &str = "own-routes-only";

/// The datastore of the nodes.
#[must_use]
pub fn of_cluster(plan: &Plan) -> Vec<File> {
    let members: Vec<&Host> = plan.hosts.iter().filter(|host| is_member(host)).collect();
    let mesh = plan.topology.mesh == Mesh::Full;
    let mut peers = reflector_peers(plan);
    peers.extend(plan.sessions.iter().flat_map(peers_of_node));
    if !peers.is_empty() {
        peers.insert(0, own_routes_only());
    }
    vec![
        file("configuration.yaml", &[configuration(plan.topology.asn, mesh)]),
        file("pools.yaml", &pools()),
        file("nodes.yaml", &members.iter().map(|host| node(host, plan.topology.asn)).collect::<Vec<_>>()),
        file("peers.yaml", &peers),
        file("blocks.yaml", &members.iter().flat_map(|host| affinities(host)).collect::<Vec<_>>()),
    ]
}

/// The datastore of a top-of-rack switch.
#[must_use]
pub fn of_tor(plan: &Plan, tor: &Host) -> Vec<File> {
    let Role::Tor { asn, .. } = tor.role else { return Vec::new() };
    let sessions = plan.sessions.iter().filter(|session| session.tor == tor.name);
    let peers: Vec<Value> = sessions.flat_map(|session| peers(session, Side::Tor)).collect();
    vec![
        file("configuration.yaml", &[configuration(asn, false)]),
        file("pools.yaml", &pools()),
        file("nodes.yaml", &[node(tor, asn)]),
        file("peers.yaml", &peers),
    ]
}

/// Writes files, each by a rename, so that nobody sees half of one.
///
/// # Errors
/// The file system's.
pub fn write(directory: &Path, files: &[File]) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    for file in files {
        // A name with a leading dot is no file of the datastore.
        let half = directory.join(format!(".{}.new", file.name));
        fs::write(&half, &file.text)?;
        fs::rename(&half, directory.join(file.name))?;
    }
    Ok(())
}

/// Whether the host is a node of the cluster.
fn is_member(host: &Host) -> bool {
    match &host.role {
        Role::Node { .. } | Role::Reflector(ReflectorKind::Node) => true,
        Role::Reflector(ReflectorKind::Process) | Role::Tor { .. } | Role::Switch => false,
    }
}

fn file(name: &'static str, documents: &[Value]) -> File {
    let mut text = String::new();
    for document in documents {
        let yaml = serde_saphyr::to_string(document).expect("invariant: a JSON value is YAML");
        let separator = if text.is_empty() { "" } else { "---\n" };
        let _ = writeln!(text, "{separator}{}", yaml.trim_end());
    }
    File { name, text }
}

fn resource(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn configuration(asn: u32, mesh: bool) -> Value {
    resource("BGPConfiguration", "default", &json!({"asNumber": asn, "nodeToNodeMeshEnabled": mesh}))
}

fn pools() -> Vec<Value> {
    let pools = addressing::pools().networks();
    let pools = pools.iter().zip(addressing::blocks(0).networks()).map(|(cidr, block)| {
        let spec = json!({
            "cidr": cidr.to_string(),
            "blockSize": block.prefix(),
            "ipipMode": "Never",
            "vxlanMode": "Never",
            "natOutgoing": false,
            "nodeSelector": "all()",
        });
        resource("IPPool", if cidr.is_ipv4() { "pods-v4" } else { "pods-v6" }, &spec)
    });
    pools.collect()
}

fn node(host: &Host, default_asn: u32) -> Value {
    let mut bgp = json!({});
    if let Some(address) = host.address {
        bgp["ipv4Address"] = address.v4.to_string().into();
        bgp["ipv6Address"] = address.v6.to_string().into();
    }
    let mut labels = json!({"kubernetes.io/hostname": host.name});
    match &host.role {
        Role::Node { asn, rack, .. } => {
            labels["rack"] = rack.clone().into();
            if *asn != default_asn {
                bgp["asNumber"] = (*asn).into();
            }
        }
        Role::Reflector(_) => {
            labels[ROUTE_REFLECTOR] = "true".into();
            // All reflectors of a fabric are one cluster (RFC 4456 §7): a route passes only one of them.
            bgp["routeReflectorClusterID"] = "10.64.0.128".into();
        }
        Role::Tor { .. } | Role::Switch => {}
    }
    let mut value = resource("Node", &host.name, &json!({"bgp": bgp}));
    value["metadata"]["labels"] = labels;
    value
}

/// Sessions with the reflectors: by address where they are processes, by selector where they are nodes.
fn reflector_peers(plan: &Plan) -> Vec<Value> {
    let mut peers = Vec::new();
    for host in &plan.hosts {
        let (Role::Reflector(ReflectorKind::Process), Some(address)) = (&host.role, host.address) else { continue };
        for (family, ip) in ["v4", "v6"].into_iter().zip(address.addresses()) {
            let spec = json!({
                "nodeSelector": format!("!has({ROUTE_REFLECTOR})"),
                "peerIP": ip.to_string(),
                "asNumber": plan.topology.asn,
            });
            peers.push(resource("BGPPeer", &format!("{}-{family}", host.name), &spec));
        }
    }
    let nodes = plan.hosts.iter().filter(|host| host.role == Role::Reflector(ReflectorKind::Node)).count();
    if nodes > 0 {
        let spec = json!({
            "nodeSelector": format!("!has({ROUTE_REFLECTOR})"), "peerSelector": format!("has({ROUTE_REFLECTOR})"),
        });
        peers.push(resource("BGPPeer", "reflectors", &spec));
    }
    if nodes > 1 {
        let spec = json!({
            "nodeSelector": format!("has({ROUTE_REFLECTOR})"), "peerSelector": format!("has({ROUTE_REFLECTOR})"),
        });
        peers.push(resource("BGPPeer", "between-reflectors", &spec));
    }
    peers
}

/// Nodes re-advertise to eBGP peers what they learned by iBGP, as Calico does; a switch would then send traffic for one node
/// through another. This filter leaves only what the node originates.
fn own_routes_only() -> Value {
    let reject = json!([{"action": "Reject", "source": "RemotePeers"}]);
    resource("BGPFilter", OWN_ROUTES, &json!({"exportV4": reject, "exportV6": reject}))
}

/// Whose view of a session.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Node,
    Tor,
}

/// The node's side of a session of a switch; nothing for one between switches.
fn peers_of_node(session: &Session) -> Vec<Value> {
    if session.local.v4.prefix() == 31 { peers(session, Side::Node) } else { Vec::new() }
}

/// A session as two peers, one a family.
fn peers(session: &Session, side: Side) -> Vec<Value> {
    let (name, on, other, asn) = match side {
        Side::Tor => (&session.peer, &session.tor, session.remote, session.remote_asn),
        Side::Node => (&session.tor, &session.peer, session.local, session.local_asn),
    };
    let peer = |(family, ip): (&str, std::net::IpAddr)| {
        let mut spec = json!({"node": on, "peerIP": ip.to_string(), "asNumber": asn, "sourceAddress": "None"});
        if side == Side::Node {
            spec["filters"] = json!([OWN_ROUTES]);
        }
        resource("BGPPeer", &format!("{on}-{name}-{family}"), &spec)
    };
    ["v4", "v6"].into_iter().zip(other.addresses()).map(peer).collect()
}

fn affinities(host: &Host) -> Vec<Value> {
    let blocks = host.blocks().map(|pair: Pair| pair.networks()).into_iter().flatten();
    let affinity = |block: ipnetwork::IpNetwork| {
        let cidr = block.to_string();
        let name = format!("{}-{}", host.name, cidr.replace(['.', ':', '/'], "-"));
        let spec = json!({"cidr": cidr, "node": host.name, "state": "confirmed", "type": "host", "deleted": false});
        resource("BlockAffinity", &name, &spec)
    };
    blocks.map(affinity).collect()
}
