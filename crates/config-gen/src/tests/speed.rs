//! A large cluster: the result is right, and made without looking at everything for everything.

use std::fmt::Write as _;

use super::{cluster, configuration, peer};
use crate::{NodeContext, generate};

/// A mesh of so many nodes with four blocks each, and some services.
pub(super) fn large(nodes: usize) -> String {
    let mut manifests = String::new();
    for n in 0..nodes {
        let (high, low) = (n / 250, n % 250 + 1);
        manifests += &super::node(
            &format!("n{n}"),
            "",
            &format!("ipv4Address: 10.0.{high}.{low}/16, ipv6Address: \"fd00::{high}:{low}/64\""),
        );
        for block in 0..4 {
            let _ = write!(
                manifests,
                "{}",
                super::object(
                    "BlockAffinity",
                    &format!("n{n}-{block}"),
                    "",
                    &format!(
                        "node: n{n}, cidr: \"10.{}.{}.{}/26\", state: confirmed, deleted: \"false\"",
                        100 + high,
                        low,
                        block * 64
                    )
                )
            );
        }
    }
    manifests + &configuration("serviceClusterIPs: [{cidr: 10.96.0.0/12}]")
}

#[test]
fn a_thousand_nodes() {
    let snapshot = cluster(&large(1000));
    let generated = generate(&snapshot, &NodeContext::new("n500"));
    let config = generated.config.as_ref().unwrap();
    assert_eq!((config.peers.len(), config.networks.len()), (2 * 999, 5));
    assert_eq!(config.policies.len(), 3, "shared by all");
    assert_eq!(generated.warnings, []);
    // The same again: the result depends on nothing else.
    assert_eq!(generate(&snapshot, &NodeContext::new("n500")), generated);
}

/// The same with reflectors, seen from a node and from a reflector.
#[test]
fn a_thousand_clients() {
    let rr = |name: &str, n: u8| {
        super::node(name, "rr: \"1\"", &format!("ipv4Address: 10.1.0.{n}/16, routeReflectorClusterID: 1.1.1.1"))
    };
    let manifests = large(1000).replace("serviceClusterIPs", "nodeToNodeMeshEnabled: false, serviceClusterIPs")
        + &rr("rr1", 1)
        + &rr("rr2", 2)
        + &peer("rrs", "nodeSelector: all(), peerSelector: has(rr)");
    let snapshot = cluster(&manifests);
    let count = |node: &str| generate(&snapshot, &NodeContext::new(node)).config.unwrap().peers.len();
    assert_eq!((count("n1"), count("rr1")), (2, 1001));
}

/// `cargo test --release -p heddle-config-gen -- --ignored --nocapture measured`
#[test]
#[ignore = "prints a measurement"]
#[expect(clippy::disallowed_methods, reason = "a measurement")]
fn measured() {
    let snapshot = cluster(&large(1000));
    let context = NodeContext::new("n500");
    for _ in 0..5 {
        let begin = std::time::Instant::now();
        let generated = generate(&snapshot, &context);
        println!("{:?} for {} peers", begin.elapsed(), generated.peers.len());
    }
}
