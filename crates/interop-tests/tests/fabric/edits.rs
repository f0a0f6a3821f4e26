//! A datastore that is edited while packets flow.

use std::net::IpAddr;

use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_lab::topology::{Mesh, Topology};
use ipnetwork::IpNetwork;
use serde_json::Value;

use crate::Case;
use crate::reflecting_nodes::{Step, await_step, change_reflectors, selected};
use crate::table::{Destination, difference};
use crate::traffic::Traffic;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[
    Case { name: "edits::mesh_to_reflectors_and_back", needs: &[], run: mesh_to_reflectors_and_back },
    Case { name: "edits::nodes_become_reflectors", needs: &[], run: nodes_become_reflectors },
    Case { name: "edits::address_and_as", needs: &[], run: address_and_as },
];

const NODES: usize = 6;

/// Reflectors are added, the mesh is ended; the mesh begins again, the reflectors go. Whoever does it in this order loses nothing;
/// then all of it in one change.
fn mesh_to_reflectors_and_back() {
    let mut topology = Topology::reflected(NODES, 2);
    topology.mesh = Mesh::Full;
    topology.pods_per_node = 1;
    let world = World::build("edits::mesh_to_reflectors_and_back", &topology);
    let mut peers = String::new();
    world.edit("peers.yaml", |text| {
        peers = text;
        "# none\n".to_owned()
    });
    world.start();
    let nodes = world.nodes();
    let mesh = 2 * (NODES - 1);
    await_received(&world, &nodes, mesh, 1);
    world.await_tables(&[]);
    let traffic = Traffic::start(&world, &world.fabric().probe_pairs());

    world.put("peers.yaml", &peers);
    await_received(&world, &nodes, mesh + 4, 1);
    await_received_of_reflectors(&world, &nodes);
    world.edit("configuration.yaml", |text| text.replace("MeshEnabled: true", "MeshEnabled: false"));
    await_received(&world, &nodes, 4, NODES - 1);
    world.await_tables(&[]);

    world.edit("configuration.yaml", |text| text.replace("MeshEnabled: false", "MeshEnabled: true"));
    await_received(&world, &nodes, mesh + 4, 1);
    world.put("peers.yaml", "# none\n");
    await_received(&world, &nodes, mesh, 1);
    world.await_tables(&[]);
    traffic.lossless();

    // All in one change.
    let traffic = Traffic::start(&world, &world.fabric().probe_pairs());
    world.edit("configuration.yaml", |text| {
        format!("{}---\n{peers}", text.replace("MeshEnabled: true", "MeshEnabled: false"))
    });
    await_received(&world, &nodes, 4, NODES - 1);
    world.await_tables(&[]);
    traffic.await_whole();
    traffic.lossy(NEW_SESSIONS, "sessions of the mesh ended in the same change in which those with reflectors began");
    world.await_pings();
}

/// The steps of docs/kubernetes.md by which nodes of a mesh become reflectors of the others, and back: none of them ends a session without
/// another one, or graceful restart, having its routes.
fn nodes_become_reflectors() {
    let mut topology = Topology::full_mesh(5);
    topology.pods_per_node = 1;
    let world = World::up("edits::nodes_become_reflectors", &topology);
    await_step(&world, Step::Mesh);
    let traffic = Traffic::start(&world, &world.fabric().probe_pairs());
    let done = |step: Step| {
        await_step(&world, step);
        world.await_tables(&[]);
    };
    let peers = selected();
    let mesh = |is: bool| {
        let (was, is) = (format!("MeshEnabled: {}", !is), format!("MeshEnabled: {is}"));
        world.edit("configuration.yaml", |text| text.replace(&was, &is));
    };

    change_reflectors(&world, |node| node["metadata"]["labels"]["route-reflector"] = "true".into());
    world.put("peers.yaml", &peers);
    done(Step::Selected);
    change_reflectors(&world, |node| node["spec"]["bgp"]["routeReflectorClusterID"] = "244.0.0.1".into());
    done(Step::Reflecting);
    mesh(false);
    done(Step::Reflected);
    world.await_pings();

    mesh(true);
    done(Step::Reflecting);
    change_reflectors(&world, |node| {
        node["spec"]["bgp"].as_object_mut().map(|bgp| bgp.remove("routeReflectorClusterID"));
    });
    done(Step::Selected);
    world.put("peers.yaml", "# none\n");
    done(Step::Mesh);
    traffic.lossless();
    world.await_pings();
}

/// Waits until nodes have so many sessions, all Established, and at least so many routes on each.
#[track_caller]
fn await_received(world: &World, nodes: &[String], sessions: usize, routes: usize) {
    for node in nodes {
        wait_for(&format!("{}: {node} has {sessions} sessions with routes", world.case()), PATIENCE, || {
            let peers = peers(world, node)?;
            let ready = |peer: &&Value| {
                peer["state"] == "established" && peer["received"].as_u64().is_some_and(|count| count >= routes as u64)
            };
            let count = peers.iter().filter(ready).count();
            ensure(count == sessions && peers.len() == sessions, || {
                format!("{} sessions, of which {count} have routes", peers.len())
            })
        });
    }
}

/// Waits until nodes have all blocks of all others from each reflector.
#[track_caller]
fn await_received_of_reflectors(world: &World, nodes: &[String]) {
    let addresses: Vec<String> =
        ["rr1", "rr2"].iter().flat_map(|rr| world.address(rr).addresses()).map(|address| address.to_string()).collect();
    for node in nodes {
        wait_for(&format!("{}: {node} has all routes from the reflectors", world.case()), PATIENCE, || {
            let peers = peers(world, node)?;
            let of_reflectors = peers.iter().filter(|peer| {
                peer["address"].as_str().is_some_and(|address| addresses.iter().any(|known| known == address))
            });
            let counts: Vec<u64> = of_reflectors.filter_map(|peer| peer["received"].as_u64()).collect();
            let enough = counts.iter().all(|count| *count >= (NODES - 1) as u64);
            ensure(enough && counts.len() == addresses.len(), || format!("{counts:?}"))
        });
    }
}

pub(crate) fn peers(world: &World, node: &str) -> Result<Vec<Value>, String> {
    let answer = world.show(node, &["show", "peers"])?;
    answer.get("peers").and_then(Value::as_array).cloned().ok_or_else(|| format!("no peers in {answer}"))
}

/// What the change of an address or an AS may cost a flow: its sessions end, and new ones begin. Peers keep nothing of sessions
/// that are configured no longer (RFC 4724 §4.2), so the protocol makes it necessary.
const NEW_SESSIONS: u64 = 10_000;

/// A node gets another address; then the cluster gets another AS.
fn address_and_as() {
    let mut topology = Topology::full_mesh(4);
    topology.pods_per_node = 1;
    let world = World::up("edits::address_and_as", &topology);
    let nodes = world.nodes();
    world.await_tables(&[]);
    world.await_sessions(&nodes);

    let traffic = Traffic::start(&world, &world.fabric().probe_pairs());
    let host = world.fabric().host("node3").expect("it is there");
    let link = host.link("eth0").expect("it has a link");
    let new: [IpNetwork; 2] = ["10.64.77.3/16", "fd00:64::7703/64"].map(|text| text.parse().expect("an address"));
    for address in new {
        host.kernel(|control| control.add_address(link, address)).unwrap_or_else(|error| panic!("{address}: {error}"));
    }
    let old = world.address("node3").networks().map(|network| network.to_string());
    world.edit("nodes.yaml", |text| {
        old.iter().zip(new).fold(text, |text, (old, new)| text.replace(&format!(": {old}\n"), &format!(": {new}\n")))
    });
    await_address(&world, &nodes, new.map(|network| network.ip()));
    traffic.await_whole();
    traffic.lossy(NEW_SESSIONS, "the address of a node was changed");

    let traffic = Traffic::start(&world, &world.fabric().probe_pairs());
    world.edit("configuration.yaml", |text| text.replace("asNumber: 64512", "asNumber: 64999"));
    for node in &nodes {
        wait_for(&format!("{}: {node} has its sessions in the new AS", world.case()), PATIENCE, || {
            let peers = peers(&world, node)?;
            let ready = |peer: &Value| peer["state"] == "established" && peer["asn"] == 64999;
            ensure(peers.len() == 2 * (nodes.len() - 1) && peers.iter().all(ready), || format!("{peers:?}"))
        });
    }
    await_address(&world, &nodes, new.map(|network| network.ip()));
    traffic.await_whole();
    traffic.lossy(NEW_SESSIONS, "the AS of all nodes was changed");
    world.await_pings();
}

/// Waits until all nodes have their routes, those of node3 over these addresses.
#[track_caller]
fn await_address(world: &World, nodes: &[String], of_node3: [IpAddr; 2]) {
    for node in nodes {
        let mut expected = world.expected(node, &[]);
        let [v4, v6] = of_node3;
        for block in world.blocks("node3").networks().into_iter().filter(|_| node != "node3") {
            let via = if block.is_ipv4() { v4 } else { v6 };
            expected.insert(block, Destination::Via([via].into()));
        }
        wait_for(&format!("{}: {node} has the routes over the new address", world.case()), PATIENCE, || {
            let found = world.table(node)?;
            ensure(found == expected, || difference(&expected, &found))
        });
    }
}
