//! Two racks with two top-of-rack switches each, FRR and BIRD, every node cabled to both and peering with both over eBGP.

use std::collections::BTreeSet;
use std::net::IpAddr;

use heddle_interop_tests::require::Need;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_lab::pod::Borrow;
use heddle_lab::topology::{Topology, TorDaemon};
use heddle_lab::tor::{bird, frr};
use ipnetwork::IpNetwork;
use serde_json::Value;

use crate::Case;
use crate::table::{Destination, Table, difference};
use crate::traffic::{Traffic, pairs};
use crate::world::World;

pub(crate) const CASES: &[Case] =
    &[Case { name: "racks::dual_homed", needs: &[Need::Frr, Need::Bird], run: dual_homed }];

/// The communities of the pools, for every route of theirs.
const CONFIGURATION: &str = "\
apiVersion: projectcalico.org/v3
kind: BGPConfiguration
metadata:
  name: default
spec:
  asNumber: 64512
  nodeToNodeMeshEnabled: false
  communities:
  - name: pods
    value: '65000:100'
  prefixAdvertisements:
  - cidr: 10.244.0.0/16
    communities: [pods, '65000:7:8']
  - cidr: fd00:10:244::/48
    communities: [pods, '65000:7:8']
";

/// Keeps routes of single addresses off a session, both ways.
const NO_HOST_ROUTES: &str = "\
apiVersion: projectcalico.org/v3
kind: BGPFilter
metadata:
  name: no-host-routes
spec:
  exportV4: &v4
  - {action: Reject, cidr: 10.244.0.0/16, matchOperator: In, prefixLength: {min: 32, max: 32}}
  importV4: *v4
  exportV6: &v6
  - {action: Reject, cidr: 'fd00:10:244::/48', matchOperator: In, prefixLength: {min: 128, max: 128}}
  importV6: *v6
";

/// What a cut link may cost a flow, in packets. The carrier goes at once; after that switches have to tell each other. The Hold
/// Time is three times as much: had anybody waited for it, more would be lost.
const CUT: u64 = 3000;

/// Filters and communities as the switches see them; routes with a leg over each switch; a link that is cut and mended; a node
/// that is drained.
fn dual_homed() {
    let rack: &[Option<TorDaemon>] = &[Some(TorDaemon::Frr), Some(TorDaemon::Bird)];
    let mut topology = Topology::racks(&[rack, rack], 2);
    topology.pods_per_node = 1;
    let world = World::build("racks::dual_homed", &topology);
    world.put("configuration.yaml", CONFIGURATION);
    world.put("filters.yaml", NO_HOST_ROUTES);
    // Nothing of single addresses to FRR from node1, nothing from anybody to node4.
    world.edit("peers.yaml", |text| {
        let filtered = ["name: node1-tor1-", "name: node4-"];
        let change = |document: &str| {
            let more = filtered.iter().any(|name| document.contains(name));
            if more {
                document.replace("- own-routes-only", "- own-routes-only\n  - no-host-routes")
            } else {
                document.to_owned()
            }
        };
        text.split("---\n").map(change).collect::<Vec<_>>().join("---\n")
    });
    world.start();
    let nodes = world.nodes();
    await_legs(&world, &nodes, &[]);
    world.await_pings();
    communities(&world);
    filters(&world);

    let flows = [("node1", "node3"), ("node3", "node1"), ("node2", "node1"), ("node4", "node2")];
    let traffic = Traffic::start(&world, &pairs(&world, &flows));
    let link = "link node1-tor1".parse().expect("words that say what");
    world.fabric().break_down(&link).expect("the link can be cut");
    await_legs(&world, &nodes, &[("node1", "tor1")]);
    traffic.await_whole();
    traffic.lossy(CUT, "a link was cut: until the switches have told each other, packets for its node come to it");

    let traffic = Traffic::start(&world, &pairs(&world, &flows));
    world.fabric().heal(&link).expect("the link can be mended");
    await_legs(&world, &nodes, &[]);
    traffic.await_whole();
    traffic.lossy(CUT, "a link came back: FRR tells of routes before they are in its kernel");
    world.await_pings();
    drained(&world);
}

/// A switch sees that a node is drained (RFC 8326 §4.1), then its routes go; undone, they are back.
fn drained(world: &World) {
    let drain = |words: &[&str]| world.show("node1", words).unwrap_or_else(|error| panic!("{error}"));
    let blocks = world.blocks("node1").networks();
    drain(&["node-peer", "drain"]);
    let marked = |block: IpNetwork| -> Result<bool, String> {
        let answer = frr_route(world, "tor1", block)?;
        let communities = answer.pointer("/paths/0/community/string").and_then(Value::as_str).unwrap_or_default();
        Ok(communities.contains("graceful-shutdown") && communities.contains("65000:100"))
    };
    wait_for(&format!("{}: FRR has node1's routes as those of a drained node", world.case()), PATIENCE, || {
        let [v4, v6] = blocks;
        ensure(marked(v4)? && marked(v6)?, || format!("{:?}", frr_route(world, "tor1", v4)))
    });
    for tor in ["tor1", "tor2"] {
        wait_for(&format!("{}: {tor} has node1's routes no more", world.case()), PATIENCE, || {
            let kernel = world.fabric().host(tor).map_err(|error| error.to_string())?.destinations();
            let kernel = kernel.map_err(|error| error.to_string())?;
            ensure(!blocks.iter().any(|block| kernel.contains(block)), || format!("{kernel:?}"))
        });
    }
    drain(&["node-peer", "drain", "--undo"]);
    await_legs(world, &world.nodes(), &[]);
    world.await_pings();
}

/// Waits until each node has the blocks of all others, with a leg over each of its links that is not cut.
#[track_caller]
fn await_legs(world: &World, nodes: &[String], cut: &[(&str, &str)]) {
    for node in nodes {
        let links = world.fabric().plan().links.iter().filter(|link| link.lower.host == *node);
        let whole = links.filter(|link| !cut.contains(&(node.as_str(), link.upper.host.as_str())));
        let gateways: Vec<[IpAddr; 2]> =
            whole.filter_map(|link| link.upper.address).map(|pair| pair.addresses()).collect();
        // A node whose own link is cut has lost a leg; another one learns of it from the switch on the other side.
        let lost = |other: &str| -> Vec<IpAddr> {
            let links = world.fabric().plan().links.iter().filter(|link| link.lower.host == *node);
            let cut_there = |tor: &str| cut.iter().any(|(end, switch)| *end == other && *switch == tor);
            let same = links.filter(|link| cut_there(&link.upper.host));
            same.filter_map(|link| link.upper.address).flat_map(|pair| pair.addresses()).collect()
        };
        let mut expected = Table::new();
        for other in nodes {
            let blocks = world.blocks(other).networks();
            if other == node {
                expected.extend(blocks.map(|block| (block, Destination::Blackhole)));
                continue;
            }
            for block in blocks {
                let legs = gateways.iter().map(|[v4, v6]| if block.is_ipv4() { *v4 } else { *v6 });
                let legs: BTreeSet<IpAddr> = legs.filter(|leg| !lost(other).contains(leg)).collect();
                expected.insert(block, Destination::Via(legs));
            }
        }
        wait_for(&format!("{}: {node} has a leg over each link", world.case()), PATIENCE, || {
            let found = world.table(node)?;
            ensure(found == expected, || difference(&expected, &found))
        });
    }
}

/// The switches see the communities.
fn communities(world: &World) {
    for block in world.blocks("node1").networks() {
        wait_for(&format!("{}: FRR has {block} with its communities", world.case()), PATIENCE, || {
            let answer = frr_route(world, "tor1", block)?;
            let word = |key: &str| {
                let found = answer.pointer(&format!("/paths/0/{key}/string")).and_then(Value::as_str);
                found.unwrap_or_default().to_owned()
            };
            ensure(word("community") == "65000:100" && word("largeCommunity") == "65000:7:8", || answer.to_string())
        });
        wait_for(&format!("{}: BIRD has {block} with its communities", world.case()), PATIENCE, || {
            let answer = bird_route(world, "tor2", block)?;
            let has = |text: &str| answer.contains(text);
            ensure(has("BGP.community: (65000,100)") && has("BGP.large_community: (65000, 7, 8)"), || answer.clone())
        });
    }
}

/// A borrowed address goes to BIRD, and from there on; not to FRR, and not to node4.
fn filters(world: &World) {
    let (pod, address) = world.add_pod("node1", Borrow::From("node2"));
    for network in address.networks() {
        wait_for(&format!("{}: BIRD has {network}", world.case()), PATIENCE, || {
            let answer = bird_route(world, "tor2", network)?;
            ensure(answer.contains(&network.to_string()), || answer.clone())
        });
        wait_for(&format!("{}: node3 has {network} over both switches", world.case()), PATIENCE, || {
            let found = world.table("node3")?;
            let legs = |to: Option<&Destination>| matches!(to, Some(Destination::Via(legs)) if legs.len() == 2);
            ensure(legs(found.get(&network)), || format!("{found:?}"))
        });
        // Everybody who is to have it has it: who has it not now, has it because of a filter.
        let answer = frr_route(world, "tor1", network).unwrap_or_else(|error| panic!("{error}"));
        assert!(answer.get("paths").is_none(), "{}: the export filter toward tor1: {answer}", world.case());
        let found = world.table("node4").unwrap_or_else(|error| panic!("{error}"));
        assert!(!found.contains_key(&network), "{}: the import filter of node4: {found:?}", world.case());
    }
    world.remove_pod(&pod);
    await_legs(world, &world.nodes(), &[]);
}

fn frr_route(world: &World, tor: &str, prefix: IpNetwork) -> Result<Value, String> {
    let socket = world.fabric().host(tor).map_err(|error| error.to_string())?.path("bgpd.vty");
    let family = if prefix.is_ipv4() { "ipv4" } else { "ipv6" };
    let command = format!("show bgp {family} unicast {prefix} json");
    let text = frr::command(&socket, &command).map_err(|error| error.to_string())?;
    let value: Value = serde_json::from_str(&text).map_err(|error| format!("{error} in {text}"))?;
    // It may answer about a less specific prefix.
    let same = value.get("prefix").and_then(Value::as_str) == Some(&prefix.to_string());
    Ok(if same { value } else { Value::Null })
}

fn bird_route(world: &World, tor: &str, prefix: IpNetwork) -> Result<String, String> {
    let socket = world.fabric().host(tor).map_err(|error| error.to_string())?.path("bird.ctl");
    let answer = bird::command(&socket, &format!("show route {prefix} all"));
    answer.map_err(|error| error.to_string())
}
