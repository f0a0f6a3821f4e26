//! Rules of the semantics, one by one, each with the place in Calico 3.33 that it follows (`confd/pkg/backends/calico`
//! where nothing else is said).

mod export;
mod fib;
mod filters;
mod mesh;
mod peers;
mod reflector;
mod router;
mod service_events;
mod services;
mod speed;
mod toml;
mod which;

use heddle_config::{Config, Peer, PeerAddress, Policy};
use heddle_resources::{Document, Snapshot, decode_documents};

use crate::{Generated, NodeContext, Warning, generate};

/// A resource; `spec` and `labels` are YAML in flow style.
fn object(kind: &str, name: &str, labels: &str, spec: &str) -> String {
    format!(
        "apiVersion: projectcalico.org/v3\nkind: {kind}\nmetadata: {{name: {name}, labels: {{{labels}}}}}\nspec: {{{spec}}}\n---\n"
    )
}

fn node(name: &str, labels: &str, bgp: &str) -> String {
    object("Node", name, labels, &format!("bgp: {{{bgp}}}"))
}

/// Nodes `n1`, `n2`, … with these IPv4 addresses, and no mesh.
fn without_mesh(addresses: &[&str]) -> String {
    configuration("nodeToNodeMeshEnabled: false") + &mesh::nodes(addresses)
}

fn configuration(spec: &str) -> String {
    object("BGPConfiguration", "default", "", spec)
}

fn peer(name: &str, spec: &str) -> String {
    object("BGPPeer", name, "", spec)
}

/// A cluster out of manifests.
fn cluster(manifests: &str) -> Snapshot {
    let objects = decode_documents(manifests, "cluster.yaml").into_iter().map(|document| match document {
        Ok(Document::Object(decoded)) => decoded.object,
        other => panic!("not read: {other:?}\n{manifests}"),
    });
    objects.collect()
}

/// What `node` runs in a cluster out of manifests.
fn generated(manifests: &str, node: &str) -> Generated {
    generate(&cluster(manifests), &NodeContext::new(node))
}

/// Likewise, the configuration alone; there must be nothing to warn of.
fn config(manifests: &str, node: &str) -> Config {
    let (config, warnings) = warned(manifests, node);
    assert_eq!(warnings, []);
    config
}

/// Likewise, with warnings.
fn warned(manifests: &str, node: &str) -> (Config, Vec<Warning>) {
    let generated = generated(manifests, node);
    (generated.config.unwrap_or_else(|| panic!("waiting: {:?}", generated.waiting)), generated.warnings)
}

/// The names of the sessions.
fn names(manifests: &str, node: &str) -> Vec<String> {
    generated(manifests, node).peers.into_iter().map(|p| p.name).collect()
}

fn only_peer(manifests: &str, node: &str) -> Peer {
    let mut peers = config(manifests, node).peers;
    assert_eq!(peers.len(), 1, "{peers:#?}");
    peers.remove(0)
}

fn address(text: &str) -> PeerAddress {
    text.parse().unwrap()
}

fn policy<'a>(config: &'a Config, name: &str) -> &'a Policy {
    config.policy(name).unwrap_or_else(|| {
        panic!("no {name} in {:?}", config.policies.iter().map(|p| &p.name).collect::<Vec<_>>());
    })
}
