//! Texts of a datastore in the log.

use std::fs;

use heddle_interop_tests::log_lines::foreign_lines;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_lab::topology::Topology;

use crate::Case;
use crate::world::World;

pub(crate) const CASES: &[Case] =
    &[Case { name: "logged::odd_names_selectors_and_files", needs: &[], run: odd_names_selectors_and_files }];

/// What each text has: a line that looks like ours, a cleared screen, text that runs backwards. As YAML and as it is.
const FORGED: &str = "\\n2026-01-01T00:00:00.000000Z WARN forged\\e[2J\\u202e";
const IN_A_NAME: &str = "\n2026-01-01T00:00:00.000000Z WARN forged\u{1b}[2J\u{202e}";

/// Names, namespaces, kinds, selectors, addresses and file names of the datastore make no line of their own in the log of a
/// node, and what is right goes on.
fn odd_names_selectors_and_files() {
    let mut topology = Topology::full_mesh(2);
    topology.pods_per_node = 1;
    let world = World::up("logged::odd_names_selectors_and_files", &topology);
    let object = |kind: &str, metadata: &str, spec: &str| {
        format!("apiVersion: projectcalico.org/v3\nkind: {kind}\nmetadata: {{{metadata}}}\nspec: {{{spec}}}\n---\n")
    };
    // Of a node that does not exist, where it is understood.
    let peer = "node: nobody, peerIP: 192.0.2.77, asNumber: 65077";
    let objects = [
        object("BGPPeer", &format!("name: \"name{FORGED}\""), peer),
        object("BGPPeer", "name: selector", &format!("nodeSelector: \"has(selector{FORGED}\", peerIP: 192.0.2.77")),
        object("BGPPeer", "name: address", &format!("node: nobody, peerIP: \"address{FORGED}\", asNumber: 65077")),
        object("IPPool", &format!("name: \"pool{FORGED}\""), &format!("cidr: \"cidr{FORGED}\"")),
        object(
            "BGPFilter",
            &format!("name: \"rules{FORGED}\""),
            &format!("exportV4: [{{action: \"action{FORGED}\"}}]"),
        ),
        object("NetworkPolicy", &format!("name: policy, namespace: \"namespace{FORGED}\""), "selector: all()"),
        object(&format!("\"Kind{FORGED}\""), "name: kind", ""),
    ];
    world.put("odd.yaml", &objects.concat());
    let broken = world.fabric().datastore().join(format!("file{IN_A_NAME}.yaml"));
    fs::write(&broken, format!("kind: \"broken{FORGED}\"\nmetadata: {{\n")).expect("it can be written");
    for node in world.nodes() {
        let log = world.fabric().host(&node).expect("it is there").path("node-peer.log");
        let text = wait_for(&format!("{node} tells of what is wrong"), PATIENCE, || {
            let text = fs::read_to_string(&log).map_err(|error| error.to_string())?;
            let told = text.lines().filter(|line| line.contains("forged")).count();
            let named = text.lines().any(|line| line.contains("forged") && line.contains("/file"));
            ensure(told >= 4 && named, || text.clone())?;
            Ok(text)
        });
        let foreign = foreign_lines(&text);
        assert!(foreign.is_empty(), "{node}: {foreign:#?}");
    }
    world.await_sessions(&world.nodes());
    world.await_tables(&[]);
    world.await_pings();
}
