//! `bgp_processor.go`, `processMeshPeers`.

use heddle_bgp_core::Asn;
use heddle_config::{PeerAs, Seconds};

use super::{config, configuration, generated, names, node, object, only_peer, warned};
use crate::{PeerKind, Warning};

/// Nodes `n1`, `n2`, …, with these addresses.
pub(super) fn nodes(addresses: &[&str]) -> String {
    let of = |(index, address): (usize, &&str)| {
        let key = if address.contains(':') { "ipv6Address" } else { "ipv4Address" };
        node(&format!("n{}", index + 1), "", &format!("{key}: \"{address}\""))
    };
    addresses.iter().enumerate().map(of).collect()
}

#[test]
fn every_other_node_is_a_peer() {
    let generated = generated(&nodes(&["10.0.0.1/24", "10.0.0.2/24", "10.0.0.3/24"]), "n1");
    let names: Vec<&str> = generated.peers.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["Mesh_10_0_0_2", "Mesh_10_0_0_3"]);
    assert!(generated.peers.iter().all(|p| p.kind == PeerKind::Mesh));
    assert_eq!(generated.warnings, []);
    let peers = generated.config.unwrap().peers;
    assert_eq!(peers[0].settings.local_address, Some("10.0.0.1".parse().unwrap()));
    assert_eq!((peers[0].settings.multihop, peers[0].settings.ttl_security), (Some(64), None));
}

/// One session a family, each over its own kind of addresses.
#[test]
fn families_have_sessions_of_their_own() {
    let both = |name, n| node(name, "", &format!("ipv4Address: 10.0.0.{n}/24, ipv6Address: \"fd00::{n}/64\""));
    let manifests = both("n1", 1) + &both("n2", 2);
    assert_eq!(names(&manifests, "n1"), ["Mesh_10_0_0_2", "Mesh_fd00__2"]);
    for peer in config(&manifests, "n1").peers {
        let families: Vec<bool> = peer.settings.families.iter().map(|f| f.family.afi.0 == 1).collect();
        assert_eq!(families, [peer.address.ip.is_ipv4()]);
    }
}

/// A node that has no address of a family has no sessions of it, whatever the others have.
#[test]
fn only_families_that_both_have() {
    let manifests = node("n1", "", "ipv4Address: 10.0.0.1/24")
        + &node("n2", "", "ipv4Address: 10.0.0.2/24, ipv6Address: \"fd00::2/64\"")
        + &node("n3", "", "ipv6Address: \"fd00::3/64\"");
    assert_eq!(names(&manifests, "n1"), ["Mesh_10_0_0_2"]);
}

/// The comparison is one of texts: "10.0.0.9" is greater than "10.0.0.10".
#[test]
fn the_greater_text_connects() {
    let manifests = nodes(&["10.0.0.9/24", "10.0.0.10/24"]);
    let (nine, ten) = (config(&manifests, "n1"), config(&manifests, "n2"));
    assert!(!nine.peers[0].settings.passive, "n1 is the greater text");
    assert!(ten.peers[0].settings.passive);
}

/// A large cluster has thousands of them.
#[test]
fn equal_settings_are_shared_whoever_connects_in_between() {
    let own = config(&nodes(&["10.0.0.5/24", "10.0.0.2/24", "10.0.0.7/24", "10.0.0.10/24"]), "n1");
    let [two, seven, ten] = &*own.peers else { panic!("three peers: {:?}", own.peers) };
    assert!(!two.settings.passive && seven.settings.passive);
    assert!(std::sync::Arc::ptr_eq(&two.settings, &ten.settings));
}

#[test]
fn reflectors_are_in_no_mesh() {
    let manifests = nodes(&["10.0.0.1/24", "10.0.0.2/24"])
        + &node("rr", "", "ipv4Address: 10.0.0.9/24, routeReflectorClusterID: 10.0.0.9");
    assert_eq!(names(&manifests, "n1"), ["Mesh_10_0_0_2"]);
    assert_eq!(names(&manifests, "rr"), Vec::<String>::new());
}

#[test]
fn the_mesh_can_be_off() {
    let manifests = nodes(&["10.0.0.1/24", "10.0.0.2/24"]) + &configuration("nodeToNodeMeshEnabled: false");
    assert_eq!(names(&manifests, "n1"), Vec::<String>::new());
}

/// A node without an AS is taken to be in ours, which need not be the global one.
#[test]
fn a_node_without_an_as_is_in_ours() {
    let manifests = node("n1", "", "ipv4Address: 10.0.0.1/24, asNumber: 64999")
        + &node("n2", "", "ipv4Address: 10.0.0.2/24")
        + &node("n3", "", "ipv4Address: 10.0.0.3/24, asNumber: 65003");
    let asns: Vec<PeerAs> = config(&manifests, "n1").peers.iter().map(|p| p.asn).collect();
    assert_eq!(asns, [PeerAs::Asn(Asn(64999)), PeerAs::Asn(Asn(65003))]);
    let asns: Vec<PeerAs> = config(&manifests, "n2").peers.iter().map(|p| p.asn).collect();
    assert_eq!(asns, [PeerAs::Asn(Asn(64999)), PeerAs::Asn(Asn(65003))]);
}

/// The port is the peer's: of its own configuration, else of the global one.
#[test]
fn ports_are_those_of_the_other_side() {
    let manifests = nodes(&["10.0.0.1/24", "10.0.0.2/24", "10.0.0.3/24"])
        + &configuration("listenPort: 1179")
        + &object("BGPConfiguration", "node.n2", "", "listenPort: 2179");
    let config = config(&manifests, "n1");
    assert_eq!(config.peers.iter().map(|p| p.settings.port).collect::<Vec<_>>(), [2179, 1179]);
    assert_eq!(config.router.listen[0].port, 1179);
    assert_eq!(names(&manifests, "n1"), ["Mesh_10_0_0_2", "Mesh_10_0_0_3"], "no port in names of the mesh");
}

#[test]
fn restart_time_is_rounded() {
    let manifests = nodes(&["10.0.0.1/24", "10.0.0.2/24"]) + &configuration("nodeMeshMaxRestartTime: 10.5s");
    assert_eq!(only_peer(&manifests, "n1").settings.restart_time, Some(Seconds(11)));
}

/// No Secret, no session: Calico would run it without a password.
#[test]
fn without_its_password_a_session_stays_down() {
    let manifests = nodes(&["10.0.0.1/24", "10.0.0.2/24", "10.0.0.3/24"])
        + &configuration("nodeMeshPassword: {secretKeyRef: {name: bgp, key: mesh}}");
    let secret = |key| {
        format!(
            "apiVersion: v1\nkind: Secret\nmetadata: {{name: bgp, namespace: kube-system}}\nstringData: {{{key}: s3cret}}\n"
        )
    };
    for (text, says) in
        [(manifests.clone(), "does not exist"), (manifests.clone() + &secret("other"), "has no such key")]
    {
        let (config, warnings) = warned(&text, "n1");
        for peer in &config.peers {
            assert!(peer.settings.blocked.as_ref().unwrap().contains(says), "{:?}", peer.settings.blocked);
            assert_eq!(peer.settings.password, None);
        }
        assert!(matches!(&warnings[..], [Warning::MissingPassword { .. }]), "once for all sessions: {warnings:?}");
    }
    let config = config(&(manifests + &secret("mesh")), "n1");
    assert_eq!(config.peers[0].settings.password.as_ref().unwrap().reveal(), "s3cret");
    assert_eq!(config.peers[0].settings.blocked, None);
}

/// All sessions of a mesh have the same policies, so that they are one update group.
#[test]
fn policies_are_shared() {
    let config = config(&nodes(&["10.0.0.1/24", "10.0.0.2/24", "10.0.0.3/24"]), "n1");
    let families: Vec<_> = config.peers.iter().map(|p| &p.settings.families).collect();
    assert_eq!(families[0], families[1]);
    let names: Vec<&str> = config.policies.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["export-ipv4-ibgp", "import-accept"]);
}

#[test]
fn two_nodes_with_one_address_are_named() {
    let (_, warnings) = warned(&nodes(&["10.0.0.1/24", "10.0.0.2/24", "10.0.0.2/24"]), "n1");
    let [warning] = &warnings[..] else { panic!("{warnings:?}") };
    assert_eq!(warning.to_string(), "10.0.0.2 is the address of two nodes: n2 and n3");
}
