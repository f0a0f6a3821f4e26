//! Reflectors that are none of the nodes, and their other ends.

use std::sync::Arc;

use heddle_bgp_core::{Asn, BgpId, ClusterId};
use heddle_config::{Config, Peer, PeerAs};
use heddle_resources::Snapshot;

use super::{cluster, config, configuration, mesh, peer};
use crate::{Generated, ReflectorContext, Source, Subject, generate_reflector};

fn context(address: &str, port: u16) -> ReflectorContext {
    ReflectorContext {
        name: "r1".into(),
        addresses: vec![address.parse().expect("an address")],
        port: port.try_into().expect("not 0"),
        asn: None,
        cluster_id: Some(ClusterId(0xf400_0001)),
        router_id: None,
        secrets_namespace: "kube-system".into(),
    }
}

fn reflector(manifests: &str, context: &ReflectorContext) -> (Config, Vec<String>) {
    let Generated { config, warnings, waiting, .. } = generate_reflector(&cluster(manifests), context);
    assert_eq!(waiting, None);
    (config.expect("it waits for nothing"), warnings.iter().map(ToString::to_string).collect())
}

fn addresses(config: &Config) -> Vec<String> {
    config.peers.iter().map(|peer| peer.address.to_string()).collect()
}

fn peer_at<'c>(config: &'c Config, address: &str) -> &'c Peer {
    config.peers.iter().find(|peer| peer.address.to_string() == address).expect("a peer")
}

/// Nodes n1 to n3, no mesh, and a reflector's address for all of them.
fn nodes(spec: &str) -> String {
    configuration("nodeToNodeMeshEnabled: false")
        + &mesh::nodes(&["10.0.0.1", "10.0.0.2", "10.0.0.3"])
        + &peer("reflector", &format!("peerIP: '10.0.0.9:1790', asNumber: 64512, {spec}"))
}

/// The nodes that a `BGPPeer` sends to the reflector are its clients, and reach it on its port.
#[test]
fn both_ends_of_a_peer() {
    let manifests = nodes("keepaliveTime: 10s, maxRestartTime: 90s");
    let (runs, warnings) = reflector(&manifests, &context("10.0.0.9", 1790));
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(addresses(&runs), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    for peer in &runs.peers {
        let settings = &peer.settings;
        assert!(settings.route_reflector_client && !settings.passive);
        assert_eq!((peer.asn, settings.port), (PeerAs::Asn(Asn(64512)), 179));
        assert_eq!((settings.keepalive.map(|s| s.0), settings.restart_time.map(|s| s.0)), (Some(10), Some(90)));
        assert_eq!(settings.local_address.as_ref().map(ToString::to_string).as_deref(), Some("10.0.0.9"));
    }
    assert_eq!(runs.router.cluster_id, ClusterId(0xf400_0001));
    assert_eq!((runs.router.asn, runs.router.listen.len()), (Asn(64512), 1));
    assert_eq!(runs.router.listen.first().map(|l| (l.address.to_string(), l.port)), Some(("10.0.0.9".into(), 1790)));
    assert!(runs.fib.is_none() && runs.networks.is_empty());
    let node = config(&manifests, "n2");
    assert_eq!(addresses(&node), ["10.0.0.9"]);
    assert_eq!(peer_at(&node, "10.0.0.9").settings.port, 1790);
    assert!(!peer_at(&node, "10.0.0.9").settings.route_reflector_client);
}

/// Neither end of the reflector's session makes a session of two nodes.
#[test]
fn only_selected_nodes() {
    let (runs, _) = reflector(&nodes("node: n2"), &context("10.0.0.9", 1790));
    assert_eq!(addresses(&runs), ["10.0.0.2"]);
    let (runs, _) = reflector(&nodes("nodeSelector: kubernetes.io/hostname == 'nobody'"), &context("10.0.0.9", 1790));
    assert_eq!(addresses(&runs), [""; 0]);
}

/// It may stand on a node, at the node's address and a port of its own; the node there has a session with it, too.
#[test]
fn beside_a_node() {
    let manifests = nodes("reversePeering: Manual").replace("10.0.0.9", "10.0.0.2");
    let (runs, warnings) = reflector(&manifests, &context("10.0.0.2", 1790));
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(addresses(&runs), ["10.0.0.1", "10.0.0.2", "10.0.0.3"]);
    assert_ne!(runs.router.router_id, BgpId(0x0a00_0002));
    for name in ["n1", "n2", "n3"] {
        let node = config(&manifests, name);
        assert_eq!((name, addresses(&node)), (name, vec!["10.0.0.2".to_owned()]));
        assert_eq!(peer_at(&node, "10.0.0.2").settings.port, 1790);
    }
    // Otherwise it is the node that is meant, whatever the port, as in Calico.
    let manifests = nodes("").replace("10.0.0.9", "10.0.0.2");
    assert_eq!(addresses(&config(&manifests, "n2")), ["10.0.0.1", "10.0.0.3"]);
    let (_, warnings) = reflector(&manifests, &context("10.0.0.2", 1790));
    assert_eq!(
        warnings,
        ["BGPPeer/reflector: the address of this reflector is that of node n2, too; write reversePeering: Manual"]
    );
}

/// The ends of one peering agree on who has which AS, on the key, and on hops.
#[test]
fn what_the_node_has_the_reflector_has() {
    let key = "password: {secretKeyRef: {name: bgp, key: rr}}, ttlSecurity: 3, localASNumber: 65100";
    let manifests = nodes(key) + &object_secret();
    let (runs, warnings) = reflector(&manifests, &context("10.0.0.9", 1790));
    assert!(warnings.is_empty(), "{warnings:?}");
    let node = config(&manifests, "n1");
    let (there, here) = (peer_at(&runs, "10.0.0.1"), peer_at(&node, "10.0.0.9"));
    assert!(here.settings.password.is_some());
    assert_eq!(there.settings.password, here.settings.password);
    assert_eq!((there.settings.ttl_security, here.settings.ttl_security), (Some(3), Some(3)));
    assert_eq!(here.settings.local_as.map(|l| l.asn), Some(Asn(65100)));
    // An external one is no client, and gets routes because a policy says so (RFC 8212).
    assert_eq!((there.asn, there.settings.route_reflector_client), (PeerAs::Asn(Asn(65100)), false));
    let family = there.settings.families.first().expect("a family");
    assert_eq!((family.settings.import_policy.len(), family.settings.export_policy.len()), (1, 1));
    assert_eq!(runs.policies.len(), 1);
}

fn object_secret() -> String {
    "apiVersion: v1\nkind: Secret\nmetadata: {name: bgp, namespace: kube-system}\nstringData: {rr: s3cret}\n---\n"
        .to_owned()
}

/// Who is not named, or by another AS or port, hears of it.
#[test]
fn nobody_peers() {
    let manifests = nodes("");
    let (runs, warnings) = reflector(&manifests, &context("10.0.0.9", 179));
    assert!(runs.peers.is_empty());
    let expected = "nobody peers with 10.0.0.9: write a BGPPeer with peerIP \"10.0.0.9:179\" and asNumber 64512";
    assert_eq!(warnings, [expected]);
    let other = ReflectorContext { asn: Some(Asn(65000)), ..context("10.0.0.9", 1790) };
    let (runs, warnings) = reflector(&manifests, &other);
    assert!(runs.peers.is_empty());
    assert!(
        warnings.iter().any(|w| w.starts_with("BGPPeer/reflector has the address") && w.contains("65000")),
        "{warnings:?}"
    );
}

/// Each family has its address; nodes without one have no session of that family.
#[test]
fn two_families() {
    let manifests = nodes("")
        + &super::node("n4", "", "ipv4Address: 10.0.0.4/24, ipv6Address: 'fd00::4/64'")
        + &peer("reflector6", "peerIP: '[fd00::9]:1790', asNumber: 64512, reversePeering: Manual");
    let mut context = context("10.0.0.9", 1790);
    context.addresses.push("fd00::9".parse().expect("an address"));
    let (runs, warnings) = reflector(&manifests, &context);
    assert!(warnings.is_empty(), "{warnings:?}");
    assert_eq!(addresses(&runs), ["10.0.0.1", "10.0.0.2", "10.0.0.3", "10.0.0.4", "fd00::4"]);
    assert_eq!(runs.router.listen.len(), 2);
}

/// An empty cluster has a reflector, too; its identifiers come from its name.
#[test]
fn of_nothing() {
    let unnamed = ReflectorContext { cluster_id: None, ..context("10.0.0.9", 1790) };
    let generated = generate_reflector(&Snapshot::new(), &unnamed);
    let config = generated.config.expect("a configuration");
    assert_eq!(config.router.cluster_id.0, config.router.router_id.0);
    let other = ReflectorContext { name: Arc::from("r2"), ..unnamed };
    let second = generate_reflector(&Snapshot::new(), &other).config.expect("a configuration");
    assert_ne!(second.router.router_id, config.router.router_id);
    assert_eq!(generated.origins.of(&Subject::Setting("router.asn")), [Source::Default("asNumber")]);
}
