//! Nodes of a mesh on their way to be reflectors of the others: what they are told, and what each node has to have at every step.

use std::net::IpAddr;

use heddle_interop_tests::kubernetes::client::parse;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::{Value, json};

use crate::edits::peers;
use crate::world::World;

/// The nodes that become reflectors; not the first ones, so that of sessions with them either side may be the one that connects.
const REFLECTORS: [&str; 2] = ["node2", "node4"];

/// Where the cluster stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// A full mesh.
    Mesh,
    /// Sessions with the reflectors to be are those of `BGPPeer`s.
    Selected,
    /// And they reflect.
    Reflecting,
    /// And the mesh is ended.
    Reflected,
}

/// The `BGPPeer`s: all others with the reflectors, and these with each other.
pub(crate) fn selected() -> String {
    let peer = |name: &str, nodes: &str| {
        json!({
            "apiVersion": "projectcalico.org/v3", "kind": "BGPPeer", "metadata": {"name": name},
            "spec": {"nodeSelector": nodes, "peerSelector": "has(route-reflector)"},
        })
    };
    documents(&[peer("reflectors", "!has(route-reflector)"), peer("between-reflectors", "has(route-reflector)")])
}

/// Changes the nodes that become reflectors, both at once.
#[track_caller]
pub(crate) fn change_reflectors(world: &World, change: impl Fn(&mut Value)) {
    world.edit("nodes.yaml", |text| {
        let mut nodes = parse(&text);
        let is_one = |node: &Value| node["metadata"]["name"].as_str().is_some_and(|name| REFLECTORS.contains(&name));
        nodes.iter_mut().filter(|node| is_one(node)).for_each(&change);
        documents(&nodes)
    });
}

/// JSON, which is YAML.
fn documents(objects: &[Value]) -> String {
    objects.iter().map(|object| format!("{object}\n")).collect::<Vec<_>>().join("---\n")
}

/// Waits until every node has the sessions of a step, all Established, with the routes that have to come by them.
#[track_caller]
pub(crate) fn await_step(world: &World, step: Step) {
    let nodes = world.nodes();
    for node in &nodes {
        wait_for(&format!("{}: {node} is at {step:?}", world.case()), PATIENCE, || {
            let peers = peers(world, node)?;
            let mut wanted = Vec::new();
            for other in nodes.iter().filter(|other| *other != node) {
                for address in world.address(other).addresses() {
                    wanted.extend(Wanted::of(step, (node, other), nodes.len()).map(|wanted| (address, wanted)));
                }
            }
            ensure(peers.len() == wanted.len(), || format!("{} sessions, not {}", peers.len(), wanted.len()))?;
            wanted.iter().try_for_each(|(address, wanted)| wanted.look(world, node, *address, &peers))
        });
    }
}

/// A session as it has to be.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    /// What its description begins with.
    asked_by: &'static str,
    client: bool,
    /// Routes that come by it, at least.
    routes: usize,
}

impl Wanted {
    /// That of a node with another one.
    fn of(step: Step, (node, other): (&str, &str), nodes: usize) -> Option<Self> {
        let [own, others] = [node, other].map(|name| REFLECTORS.contains(&name));
        let is_selected = own || others;
        let reflects = [Step::Reflecting, Step::Reflected].contains(&step);
        let asked_by = match step {
            Step::Mesh => "mesh",
            Step::Selected | Step::Reflecting | Step::Reflected if is_selected => "BGPPeer",
            Step::Selected | Step::Reflecting => "mesh",
            Step::Reflected => return None,
        };
        // To a client a reflector passes on what it has of all others.
        let routes = if reflects && others && !own { nodes - 1 } else { 1 };
        Some(Self { asked_by, client: reflects && own && !others, routes })
    }

    fn look(self, world: &World, node: &str, address: IpAddr, peers: &[Value]) -> Result<(), String> {
        let peer = peers.iter().find(|peer| peer["address"] == address.to_string());
        let peer = peer.ok_or_else(|| format!("no session with {address}"))?;
        let is_asked_by = peer["description"].as_str().is_some_and(|text| text.starts_with(self.asked_by));
        let routes = peer["received"].as_u64().and_then(|count| usize::try_from(count).ok()).unwrap_or_default();
        ensure(is_asked_by && peer["state"] == "established" && routes >= self.routes, || {
            format!("{peer}, and not {self:?}")
        })?;
        let whole = world.show(node, &["show", "peer", &address.to_string()])?;
        ensure(whole["route_reflector_client"] == self.client, || format!("{whole}, and not {self:?}"))
    }
}
