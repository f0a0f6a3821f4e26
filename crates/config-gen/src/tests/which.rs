//! Which sessions there are beside the mesh: `client.go`, `updatePeersV1`.

use heddle_bgp_core::Asn;
use heddle_config::PeerAs;

use super::{address, cluster, config, generated, mesh, names, node, only_peer, peer, warned, without_mesh};
use crate::{EndpointStatus, NodeContext, PeerKind, Warning, generate};

const THREE: [&str; 3] = ["10.0.0.1/24", "10.0.0.2/24", "10.0.0.3/24"];

#[test]
fn a_peer_for_all_nodes_is_global() {
    let manifests = without_mesh(&THREE) + &peer("tor", "peerIP: 10.0.0.254, asNumber: 65001");
    for node in ["n1", "n2", "n3"] {
        assert_eq!(names(&manifests, node), ["Global_10_0_0_254"]);
    }
}

#[test]
fn a_peer_for_some_nodes() {
    let manifests = without_mesh(&THREE)
        + &node("n4", "rack: \"1\"", "ipv4Address: 10.0.0.4/24")
        + &peer("by-name", "node: n2, peerIP: 10.0.0.254, asNumber: 65001")
        + &peer("by-label", "nodeSelector: rack == '1', peerIP: \"10.0.0.253:1179\", asNumber: 65001");
    assert_eq!(names(&manifests, "n1"), Vec::<String>::new());
    assert_eq!(names(&manifests, "n2"), ["Node_10_0_0_254"]);
    assert_eq!(names(&manifests, "n4"), ["Node_10_0_0_253_port_1179"]);
    assert_eq!(only_peer(&manifests, "n4").settings.port, 1179);
}

/// Selected nodes are peers over both families, in their own AS, on their own port.
#[test]
fn peers_by_selector() {
    let manifests = without_mesh(&THREE)
        + &node("rr", "rr: \"1\"", "ipv4Address: 10.0.0.9/24, ipv6Address: \"fd00::9/64\", asNumber: 65009")
        + &node("n4", "", "ipv4Address: 10.0.0.4/24, ipv6Address: \"fd00::4/64\"")
        + &peer("rrs", "nodeSelector: \"!has(rr)\", peerSelector: has(rr)");
    assert_eq!(names(&manifests, "n1"), ["Node_10_0_0_9"]);
    assert_eq!(names(&manifests, "n4"), ["Node_10_0_0_9", "Node_fd00__9"]);
    assert_eq!(only_peer(&manifests, "n1").asn, PeerAs::Asn(Asn(65009)));
    // ... and the other way round, without a peering of its own.
    let back = ["Node_10_0_0_1", "Node_10_0_0_2", "Node_10_0_0_3", "Node_10_0_0_4", "Node_fd00__4"];
    assert_eq!(names(&manifests, "rr"), back);
    let manual = manifests.replace("peerSelector: has(rr)", "peerSelector: has(rr), reversePeering: Manual");
    assert_eq!(names(&manual, "rr"), Vec::<String>::new());
}

/// Nobody peers with himself, though the selector means him too.
#[test]
fn not_with_oneself() {
    let manifests = without_mesh(&THREE) + &peer("all", "nodeSelector: all(), peerSelector: all()");
    assert_eq!(names(&manifests, "n2"), ["Node_10_0_0_1", "Node_10_0_0_3"]);
}

/// The other end of a session by address: address, AS and port have to be those of the node.
#[test]
fn reverse_of_an_address() {
    let with = |spec: &str| without_mesh(&THREE) + &peer("one", &format!("node: n1, {spec}"));
    assert_eq!(names(&with("peerIP: 10.0.0.2, asNumber: 64512"), "n2"), ["Node_10_0_0_1"]);
    assert_eq!(names(&with("peerIP: 10.0.0.2, asNumber: 64512"), "n3"), Vec::<String>::new());
    assert_eq!(names(&with("peerIP: 10.0.0.2, asNumber: 65000"), "n2"), Vec::<String>::new());
    assert_eq!(names(&with("peerIP: \"10.0.0.2:1179\", asNumber: 64512"), "n2"), ["Node_10_0_0_1"]);
    let listening = |spec: &str| with(spec) + &super::object("BGPConfiguration", "node.n2", "", "listenPort: 1179");
    assert_eq!(names(&listening("peerIP: \"10.0.0.2:1179\", asNumber: 64512"), "n2"), ["Node_10_0_0_1"]);
    assert_eq!(names(&listening("peerIP: \"10.0.0.2:1180\", asNumber: 64512"), "n2"), Vec::<String>::new());
}

/// Only sessions of the address's family come back.
#[test]
fn reverse_of_an_address_is_of_its_family() {
    let both = |name, n| node(name, "", &format!("ipv4Address: 10.0.0.{n}/24, ipv6Address: \"fd00::{n}/64\""));
    let manifests = super::configuration("nodeToNodeMeshEnabled: false")
        + &both("n1", 1)
        + &both("n2", 2)
        + &peer("one", "node: n1, peerIP: \"fd00::2\", asNumber: 64512");
    assert_eq!(names(&manifests, "n2"), ["Node_fd00__1"]);
}

/// Global ones come first, then those for nodes, then the other ends, then the mesh.
#[test]
fn the_first_of_an_address_counts() {
    let everything = mesh::nodes(&THREE)
        + &peer("a-reverse", "node: n2, peerIP: 10.0.0.1, asNumber: 64512, keepaliveTime: 4s")
        + &peer("b-node", "node: n1, peerIP: 10.0.0.2, asNumber: 64512, keepaliveTime: 3s")
        + &peer("c-global", "peerIP: 10.0.0.2, asNumber: 64512, keepaliveTime: 2s");
    let keepalive = |manifests: &str| {
        let (config, _) = warned(manifests, "n1");
        config.peer(&address("10.0.0.2")).unwrap().settings.keepalive.map(|s| s.0)
    };
    assert_eq!(keepalive(&everything), Some(2));
    let without_global =
        everything.replace("peerIP: 10.0.0.2, asNumber: 64512, keepaliveTime: 2s", "peerIP: 10.0.0.99, asNumber: 1");
    assert_eq!(keepalive(&without_global), Some(3));
    let only_reverse = without_global.replace("node: n1, peerIP: 10.0.0.2", "node: n3, peerIP: 10.0.0.98");
    assert_eq!(keepalive(&only_reverse), Some(4));
    assert_eq!(names(&only_reverse, "n1"), ["Node_10_0_0_2", "Mesh_10_0_0_3", "Global_10_0_0_99"]);
}

/// Two of one kind: the first name counts, and both are named. (Calico takes any of the two.)
#[test]
fn duplicates_by_name() {
    let manifests = without_mesh(&THREE)
        + &peer("b", "peerIP: 10.0.0.254, asNumber: 65002")
        + &peer("a", "peerIP: 10.0.0.254, asNumber: 65001");
    let (config, warnings) = warned(&manifests, "n1");
    assert_eq!(config.peers[0].asn, PeerAs::Asn(Asn(65001)));
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert_eq!(
        warning.to_string(),
        "10.0.0.254: BGPPeer/a and BGPPeer/b both ask for a session; the one of BGPPeer/a counts (first by name)"
    );
    // Nothing to say of two that come to the same.
    super::config(&manifests.replace("65002", "65001"), "n1");
}

/// One address is one peer, so that leaving the mesh for reflectors changes sessions in place.
#[test]
fn mesh_to_reflector_is_a_change_in_place() {
    let mesh = mesh::nodes(&["10.0.0.1/24", "10.0.0.2/24"]);
    let both = mesh.clone() + &peer("rr", "node: n1, peerIP: 10.0.0.2, asNumber: 64512");
    let before = config(&mesh, "n1");
    let after = config(&both, "n1");
    assert_eq!((before.peers.len(), after.peers.len()), (1, 1));
    assert_eq!(generated(&both, "n1").peers[0].kind, PeerKind::Node);
    let changes = heddle_config::diff(&before, &after);
    assert_eq!(heddle_config::resets(&before, &changes), [], "{changes:?}");
}

/// `peerIP` without a port is on the port of the node that has the address, if it is in the same AS.
#[test]
fn the_port_of_a_node() {
    let with = |asn: u32| {
        without_mesh(&THREE)
            + &super::object("BGPConfiguration", "node.n2", "", "listenPort: 1179")
            + &peer("one", &format!("node: n1, peerIP: 10.0.0.2, asNumber: {asn}"))
    };
    assert_eq!(names(&with(64512), "n1"), ["Node_10_0_0_2_port_1179"]);
    assert_eq!(names(&with(65000), "n1"), ["Node_10_0_0_2"]);
}

/// Workloads that the endpoint status names: one session a family, with the first address; passive, from any of our
/// addresses, and nothing of the BGPPeer counts but AS numbers and filters.
#[test]
fn local_workloads() {
    let manifests = without_mesh(&["10.0.0.1/24"])
        + &peer("vm", "localWorkloadSelector: app == 'bird', asNumber: 65001, localASNumber: 65002, keepaliveTime: 9s");
    let endpoint = |name: &str, nets: &[&str]| EndpointStatus {
        interface: "cali1".into(),
        addresses: nets.iter().map(|n| n.parse().unwrap()).collect(),
        bgp_peer: Some(name.into()),
    };
    let mut context = NodeContext::new("n1");
    context.endpoints =
        vec![endpoint("vm", &["10.1.0.5/32", "10.1.0.6/32", "fd00::5/128"]), endpoint("other", &["10.1.0.7/32"])];
    let generated = generate(&cluster(&manifests), &context);
    let names: Vec<_> = generated.peers.iter().map(|p| (p.name.as_str(), p.kind)).collect();
    assert_eq!(names, [("Local_Workload_10_1_0_5", PeerKind::LocalWorkload)], "the node has no IPv6");
    let [warning] = &generated.warnings[..] else { panic!("{:?}", generated.warnings) };
    assert_eq!(warning.to_string(), "workload on cali1: BGPPeer/other does not select workloads of this node");
    let settings = &generated.config.unwrap().peers[0].settings;
    assert!(settings.passive);
    assert_eq!((&settings.local_address, settings.keepalive), (&None, None));
    assert_eq!(settings.local_as.unwrap().asn, Asn(65002));
}

/// It stands in the list with the reason, and has no session.
#[test]
fn an_address_that_nobody_can_have() {
    let manifests = without_mesh(&THREE) + &peer("bad", "peerIP: 224.0.0.5, asNumber: 65001");
    let (config, warnings) = warned(&manifests, "n1");
    assert!(config.peers[0].settings.blocked.as_ref().unwrap().contains("no peer can have this address"));
    assert!(matches!(&warnings[..], [Warning::UnusableAddress { .. }]), "{warnings:?}");
    // Calico takes no zone.
    let n1 = node("n1", "", "ipv4Address: 10.0.0.1/24, ipv6Address: \"fd00::1/64\"");
    let manifests = n1 + &peer("bad", "peerIP: \"fe80::5\", asNumber: 65001");
    let (config, warnings) = warned(&manifests, "n1");
    assert!(config.peers[0].settings.blocked.as_ref().unwrap().contains("a BGPPeer cannot say which"));
    assert!(matches!(&warnings[..], [Warning::UnusableAddress { .. }]), "{warnings:?}");
}
