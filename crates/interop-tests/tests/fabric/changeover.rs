//! A cluster that changes over from BIRD, as Calico runs it, node by node.

use std::collections::BTreeSet;
use std::ffi::OsString;

use heddle_interop_tests::peers::heddle::program;
use heddle_interop_tests::require::Need;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_lab::pod::Borrow;
use heddle_lab::process::{Process, Program};
use heddle_lab::topology::{NodeProgram, Topology};
use heddle_netlink::Protocol;
use ipnetwork::IpNetwork;

use crate::Case;
use crate::mesh::borrowed;
use crate::table::Extra;
use crate::traffic::Traffic;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[Case { name: "changeover::node_by_node", needs: &[Need::Bird], run: node_by_node }];

/// Two nodes with BIRD and two with ours in one mesh; then BIRD is killed and ours started, on one node after the other.
fn node_by_node() {
    let mut topology = Topology::full_mesh(4);
    topology.pods_per_node = 1;
    for node in topology.racks.iter_mut().flat_map(|rack| &mut rack.nodes).take(2) {
        node.program = NodeProgram::Bird;
    }
    let world = World::up("changeover::node_by_node", &topology);
    let all = world.nodes();
    let (birds, ours) = all.split_at(2);
    world.await_tables_of(ours, &[]);
    birds.iter().for_each(|node| await_bird(&world, node, &[]));
    world.await_pings();
    let (_, from_bird) = world.add_pod("node1", Borrow::From("node2"));
    let (_, from_ours) = world.add_pod("node3", Borrow::From("node4"));
    let extras = [borrowed(from_bird, "node1"), borrowed(from_ours, "node3")].concat();
    world.await_tables_of(ours, &extras);
    birds.iter().for_each(|node| await_bird(&world, node, &extras));
    world.await_pings();

    let traffic = Traffic::start(&world, &world.fabric().probe_pairs());
    let mut changed: Vec<Process> = Vec::new();
    let mut done = ours.to_vec();
    for node in birds {
        for daemon in ["bird", "bird6"] {
            world.process(node, Some(daemon), Process::kill);
        }
        changed.push(adopt(&world, node));
        done.push(node.clone());
        world.await_tables_of(&done, &extras);
        wait_for(&format!("{}: nothing of BIRD's is left on {node}", world.case()), PATIENCE, || {
            let left = world.routes_of(node, Protocol::BIRD)?;
            ensure(left.is_empty(), || format!("{left:?}"))
        });
        world.await_fib(node, |fib| fib["stale"] == 0 && fib["pending"] == 0);
        for bird in birds.iter().filter(|bird| !done.contains(bird)) {
            await_bird(&world, bird, &extras);
        }
    }
    world.await_tables_of(&all, &extras);
    traffic.lossless();
    world.await_pings();
}

/// Starts ours where BIRD was.
#[track_caller]
fn adopt(world: &World, node: &str) -> Process {
    let host = world.fabric().host(node).unwrap_or_else(|error| panic!("{error}"));
    let words = ["node-peer", "--adopt-protocols", "12", "--node", node, "--datastore"].map(OsString::from);
    let paths = [
        world.fabric().datastore().into(),
        "--status-dir".into(),
        host.path("status").into(),
        "--socket".into(),
        host.path("heddle.sock").into(),
    ];
    let program = Program::new::<OsString>(program(), words.into_iter().chain(paths));
    let process = world.fabric().spawn(node, &program, &host.path("node-peer.log"));
    process.unwrap_or_else(|error| panic!("{node}: {error}"))
}

/// Waits until the kernel of a node with BIRD has everything that others advertise. It also writes what it has of the LAN.
#[track_caller]
fn await_bird(world: &World, node: &str, extras: &[Extra<'_>]) {
    let expected: BTreeSet<IpNetwork> = world.expected(node, extras).into_keys().collect();
    wait_for(&format!("{}: BIRD on {node} has its routes", world.case()), PATIENCE, || {
        let lan = world.address(node);
        let on_lan = |prefix: &IpNetwork| lan.networks().iter().any(|net| net.contains(prefix.ip()));
        let found = world.routes_of(node, Protocol::BIRD)?.into_iter().map(|route| route.prefix);
        let found: BTreeSet<IpNetwork> = found.filter(|prefix| !on_lan(prefix)).collect();
        ensure(found == expected, || format!("{found:?}, not {expected:?}"))
    });
}
