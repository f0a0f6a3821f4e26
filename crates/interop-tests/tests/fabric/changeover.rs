//! A cluster that changes over from BIRD, as Calico runs it, and back, node by node: the steps of docs/migration.md.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::time::Duration;

use heddle_interop_tests::peers::heddle::program;
use heddle_interop_tests::require::Need;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_lab::pod::Borrow;
use heddle_lab::process::{Process, Program};
use heddle_lab::topology::{CalicoRelease, NodeProgram, Topology};
use heddle_netlink::Protocol;
use ipnetwork::IpNetwork;

use crate::mesh::borrowed;
use crate::preferences::Mixture;
use crate::table::{Extra, difference};
use crate::traffic::Traffic;
use crate::world::World;
use crate::{Case, moves};

pub(crate) const CASES: &[Case] = &[
    Case { name: "changeover::there_and_back", needs: &[Need::Bird], run: there_and_back },
    Case { name: "changeover::beside_older_calico", needs: &[Need::Bird], run: beside_older_calico },
    Case { name: "changeover::one_address_on_two_nodes", needs: &[Need::Bird], run: moves::one_address_on_two_nodes },
    Case { name: "changeover::one_address_beside_older", needs: &[Need::Bird], run: moves::one_address_beside_older },
];

/// BIRD's number, by which its routes are told from those of others.
const BIRDS: &str = "12";
/// Ours.
const OURS: &str = "158";

/// With numbers of our own: routes of BIRD are adopted, and before BIRD comes back ours get its number.
fn there_and_back() {
    let change = Change {
        release: CalicoRelease::V333,
        there: &["--adopt-protocols", BIRDS],
        protocol: Protocol::HEDDLE,
        before_back: Some(&["--protocol", BIRDS, "--adopt-protocols", OURS]),
    };
    node_by_node("changeover::there_and_back", &change);
}

/// With BIRD's number from the first to the last, so that routes need no change of hands; and as Calico 3.29 to 3.31 has it, whose
/// routes have another metric, or none.
fn beside_older_calico() {
    let change = Change {
        release: CalicoRelease::V331,
        there: &["--protocol", "bird"],
        protocol: Protocol::BIRD,
        before_back: None,
    };
    node_by_node("changeover::beside_older_calico", &change);
}

/// How a cluster changes over, and back.
struct Change {
    /// What it comes from, and goes back to.
    release: CalicoRelease,
    /// Options with which ours takes a node over.
    there: &'static [&'static str],
    /// Whose number the routes have then.
    protocol: Protocol,
    /// Options of a restart before BIRD comes back.
    before_back: Option<&'static [&'static str]>,
}

/// Two nodes with BIRD and two with ours in one mesh; then BIRD is killed and ours started, on one node after the other; then ours is
/// stopped and BIRD started again. What comes and goes in the meantime and afterwards is followed.
fn node_by_node(name: &'static str, change: &Change) {
    let mut topology = Topology::full_mesh(4);
    topology.pods_per_node = 1;
    for node in topology.racks.iter_mut().flat_map(|rack| &mut rack.nodes).take(2) {
        node.program = NodeProgram::Bird(change.release);
    }
    let world = World::up(name, &topology);
    let all = world.nodes();
    let (birds, ours) = all.split_at(2);
    world.await_tables_of(ours, &[]);
    birds.iter().for_each(|node| await_bird(&world, node, &[]));
    world.await_pings();
    let mut mixture = Mixture::new(&world);
    mixture.await_blocks();
    let (_, from_bird) = world.add_pod("node1", Borrow::From("node2"));
    let (pod, from_ours) = world.add_pod("node3", Borrow::From("node4"));
    let stays = borrowed(from_bird, "node1").to_vec();
    let extras = [stays.clone(), borrowed(from_ours, "node3").to_vec()].concat();
    world.await_tables_of(ours, &extras);
    birds.iter().for_each(|node| await_bird(&world, node, &extras));
    world.await_pings();

    let traffic = Traffic::start(&world, &world.fabric().probe_pairs());
    let mut changed: BTreeMap<&str, Process> = BTreeMap::new();
    for node in birds {
        for daemon in ["bird", "bird6"] {
            world.process(node, Some(daemon), Process::kill);
        }
        changed.insert(node, start(&world, node, change.there));
        await_changed(&world, node, change.protocol, &extras);
        world.await_tables_of(ours, &extras);
        for bird in birds.iter().filter(|bird| !changed.contains_key(bird.as_str())) {
            await_bird(&world, bird, &extras);
        }
        mixture.now_runs(node, NodeProgram::Heddle);
        mixture.await_blocks();
    }
    for node in birds {
        let mut process = changed.remove(node.as_str()).expect("it was started");
        if let Some(options) = change.before_back {
            process.stop();
            process = start(&world, node, options);
            await_changed(&world, node, Protocol::BIRD, &extras);
        }
        process.stop();
        world.revive(node);
        world.await_sessions(std::slice::from_ref(node));
        await_bird(&world, node, &extras);
        world.await_tables_of(ours, &extras);
        mixture.now_runs(node, NodeProgram::Bird(change.release));
        mixture.await_blocks();
    }
    // Before anything is looked at that might go wrong later: nothing was lost until now.
    world.await_sessions(&all);
    traffic.flow(SETTLED);
    traffic.lossless();
    // Routes that ours wrote are BIRD's now: they go when they should.
    world.remove_pod(&pod);
    birds.iter().for_each(|node| await_bird(&world, node, &stays));
    world.await_tables_of(ours, &stays);
    world.await_pings();
}

/// BIRD looks at the kernel every two seconds.
const SETTLED: Duration = Duration::from_secs(5);

/// Starts ours, where BIRD was or with other options.
#[track_caller]
pub(crate) fn start(world: &World, node: &str, options: &[&str]) -> Process {
    let host = world.fabric().host(node).unwrap_or_else(|error| panic!("{error}"));
    let words = ["node-peer", "--node", node].into_iter().chain(options.iter().copied()).map(OsString::from);
    let paths = [
        "--datastore".into(),
        world.fabric().datastore().into(),
        "--status-dir".into(),
        host.path("status").into(),
        "--socket".into(),
        host.path("heddle.sock").into(),
    ];
    let program = Program::new::<OsString>(program(), words.chain(paths));
    let process = world.fabric().spawn(node, &program, &host.path("node-peer.log"));
    process.unwrap_or_else(|error| panic!("{node}: {error}"))
}

/// Waits until ours has a node: all routes are there, of one protocol, and nothing is left to be done.
#[track_caller]
fn await_changed(world: &World, node: &str, protocol: Protocol, extras: &[Extra<'_>]) {
    let expected = world.expected(node, extras);
    wait_for(&format!("{}: {node} has its routes from ours", world.case()), PATIENCE, || {
        let found = world.table_of(node, protocol)?;
        ensure(found == expected, || difference(&expected, &found))?;
        let other = if protocol == Protocol::BIRD { Protocol::HEDDLE } else { Protocol::BIRD };
        let left = world.routes_of(node, other)?;
        ensure(left.is_empty(), || format!("there are routes of the other number, too: {left:?}"))
    });
    world.await_fib(node, |fib| fib["stale"] == 0 && fib["pending"] == 0);
    world.await_sessions_of_ours(node);
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
