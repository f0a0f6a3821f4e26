//! What is written, in Calico's words.

use heddle_admin::types::{FibState, KernelLeg, KernelRoute, PeerName};
use heddle_datastore::{EtcdError, KubernetesError};

use super::*;

fn node() -> NodeReport {
    let peer =
        |address: &str, name: &str| PeerName { address: address.into(), name: name.into(), ..PeerName::default() };
    NodeReport {
        peers: vec![
            peer("10.0.0.2", "Mesh_10_0_0_2"),
            peer("10.0.0.3", "Node_10_0_0_3"),
            peer("10.0.0.4", "Global_10_0_0_4"),
            peer("192.168.0.9", "Local_Workload_192_168_0_9"),
        ],
        ..NodeReport::default()
    }
}

fn kernel(kind: &str, via: &[&str]) -> KernelRoute {
    let leg =
        |via: &&str| KernelLeg { via: via.parse().ok(), interface: Some("eth0".into()), weight: 1, onlink: false };
    KernelRoute {
        kind: kind.into(),
        metric: 1024,
        protocol: 158,
        nexthop_id: None,
        legs: via.iter().map(leg).collect(),
    }
}

fn fib(prefix: &str, desired: Option<KernelRoute>, actual: Option<KernelRoute>) -> FibRoute {
    let prefix = prefix.parse().expect("a prefix");
    FibRoute { prefix, state: FibState::Installed, reason: None, desired, actual }
}

#[test]
fn sessions_have_the_types_of_calico() {
    let types = ["10.0.0.2", "10.0.0.3", "10.0.0.4", "192.168.0.9"].map(|address| kind(&node(), address));
    assert_eq!(types, ["NodeMesh", "NodePeer", "GlobalPeer", "NodePeer"]);
}

/// The peer is the one that told of the route, which need not be its gateway: a reflector.
#[test]
fn routes_name_who_told_of_them() {
    let via = || Some(kernel("unicast", &["10.0.0.7"]));
    let block = || Some(kernel("blackhole", &[]));
    let routes = [
        fib("10.1.0.0/26", block(), block()),
        fib("10.1.0.64/26", via(), via()),
        fib("10.1.0.128/26", via(), via()),
        fib("10.1.0.192/26", via(), None),
        fib("10.1.1.0/26", None, via()),
        fib("10.1.2.0/26", None, None),
    ];
    let mut learned = Learned::new();
    for (prefix, peer) in [("10.1.0.64/26", "10.0.0.2"), ("10.1.0.128/26", "10.0.0.3"), ("10.1.0.192/26", "10.0.0.4")] {
        learned.insert(prefix.parse().expect("a prefix"), peer.to_owned());
    }
    let told = routes_of(&routes, &learned, &node());
    let entry = |destination: &str, table: &str, gateway: &str, interface: &str, learned_from: Value| {
        json!({
            "destination": destination, "type": table, "gateway": gateway, "interface": interface,
            "learnedFrom": learned_from,
        })
    };
    let from = |source: &str, peer: &str| json!({ "sourceType": source, "peerIP": peer });
    let expected = [
        entry("10.1.0.0/26", "FIB", "N/A", "blackhole", json!({ "sourceType": "Static" })),
        entry("10.1.0.64/26", "FIB", "10.0.0.7", "eth0", from("NodeMesh", "10.0.0.2")),
        entry("10.1.0.128/26", "FIB", "10.0.0.7", "eth0", from("BGPPeer", "10.0.0.3")),
        entry("10.1.0.192/26", "RIB", "10.0.0.7", "eth0", from("BGPPeer", "10.0.0.4")),
        entry("10.1.1.0/26", "FIB", "10.0.0.7", "eth0", json!({ "sourceType": "Kernel" })),
    ];
    assert_eq!(told, json!({ "routesV4": expected, "routesV6": [] }));
}

/// A route with several legs has an entry for each, as Calico has it.
#[test]
fn each_leg_is_an_entry() {
    let legs = Some(kernel("unicast", &["fd00::1", "fd00::2"]));
    let told = routes_of(&[fib("fd01::/64", legs.clone(), legs)], &Learned::new(), &node());
    let gateways = told["routesV6"].as_array().expect("a list").iter().map(|r| r["gateway"].as_str());
    assert_eq!(gateways.collect::<Vec<_>>(), [Some("fd00::1"), Some("fd00::2")]);
}

#[test]
fn a_node_without_sessions_is_not_ready() {
    let told = agent(None);
    assert_eq!((&told["birdV4"]["state"], &told["birdV6"]["state"]), (&json!("NotReady"), &json!("NotReady")));
    let told = bgp(&[], &node());
    assert_eq!((&told["numberEstablishedV4"], &told["peersV6"]), (&json!(0), &json!([])));
}

/// What was wrong with an object that is not there any more is over.
#[test]
fn an_object_that_is_absent_has_no_problem() {
    let what = || Arc::from("CalicoNodeStatus/mine");
    assert_eq!(problem(&Ok(())), None);
    assert_eq!(problem(&Err(KubernetesError::Absent { what: what() }.into())), None);
    assert_eq!(problem(&Err(EtcdError::Absent { key: what() }.into())), None);
    let forbidden = KubernetesError::Forbidden { what: what(), message: "no".to_owned() };
    assert!(problem(&Err(forbidden.into())).is_some_and(|text| text.starts_with("the node's status is not written: ")));
}
