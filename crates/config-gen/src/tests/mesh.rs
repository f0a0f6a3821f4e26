//! The mesh (§ "Which sessions exist" of Calico's behaviour).

use super::{config, generated};
use crate::PeerKind;

/// Nodes `n1`, `n2`, …, with these addresses.
pub(super) fn nodes(addresses: &[&str]) -> String {
    let node = |(index, address): (usize, &&str)| {
        let key = if address.contains(':') { "ipv6Address" } else { "ipv4Address" };
        let name = index + 1;
        format!(
            "apiVersion: projectcalico.org/v3\nkind: Node\nmetadata: {{name: n{name}}}\nspec: {{bgp: {{{key}: \"{address}\"}}}}\n---\n"
        )
    };
    addresses.iter().enumerate().map(node).collect()
}

#[test]
fn every_other_node_is_a_peer() {
    let generated = generated(&nodes(&["10.0.0.1/24", "10.0.0.2/24", "10.0.0.3/24"]), "n1");
    let names: Vec<&str> = generated.peers.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["Mesh_10_0_0_2", "Mesh_10_0_0_3"]);
    assert!(generated.peers.iter().all(|p| p.kind == PeerKind::Mesh));
    assert_eq!(generated.warnings, []);
}

/// The comparison is one of texts: "10.0.0.9" is greater than "10.0.0.10".
#[test]
fn the_greater_text_connects() {
    let manifests = nodes(&["10.0.0.9/24", "10.0.0.10/24"]);
    let (nine, ten) = (config(&manifests, "n1"), config(&manifests, "n2"));
    assert!(!nine.peers[0].settings.passive, "n1 is the greater text");
    assert!(ten.peers[0].settings.passive);
}
