//! Twenty nodes that know of each other through two route reflectors alone.

use std::time::Duration;

use heddle_lab::pod::Borrow;
use heddle_lab::topology::{ReflectorKind, Topology};

use crate::Case;
use crate::mesh::borrowed;
use crate::traffic::{Traffic, pairs};
use crate::world::World;

pub(crate) const CASES: &[Case] = &[
    Case { name: "reflectors::lost_and_back", needs: &[], run: lost_and_back },
    Case { name: "reflectors::that_are_nodes", needs: &[], run: that_are_nodes },
];

/// One reflector is killed: the other one has everything. Both are: nodes keep forwarding by what they had (RFC 4724), for as
/// long as the restart time, which is far more than this takes. Back, they bring what changed meanwhile; what only the one that
/// is still away knew is kept until it comes.
fn lost_and_back() {
    let mut topology = Topology::reflected(20, 2);
    topology.pods_per_node = 1;
    let world = World::up("reflectors::lost_and_back", &topology);
    let nodes = world.nodes();
    let [one, two] = [world.address("rr1"), world.address("rr2")];
    world.await_tables(&[]);
    world.await_sessions(&nodes);
    world.await_pings();
    let traffic =
        Traffic::start(&world, &pairs(&world, &[("node1", "node11"), ("node20", "node2"), ("node7", "node14")]));

    world.kill("rr1");
    world.await_down(&nodes, one);
    let (first, address) = world.add_pod("node3", Borrow::From("node4"));
    let extras = borrowed(address, "node3");
    world.await_tables(&extras);

    world.kill("rr2");
    world.await_down(&nodes, two);
    world.remove_pod(&first);
    let (_, address) = world.add_pod("node5", Borrow::From("node6"));
    traffic.flow(Duration::from_secs(1));
    // Nobody can tell them, and nothing was taken from them.
    let others: Vec<String> =
        nodes.iter().filter(|node| !["node3", "node5"].contains(&node.as_str())).cloned().collect();
    world.await_tables_of(&others, &extras);

    let news = borrowed(address, "node5");
    world.revive("rr1");
    world.await_tables(&[extras, news].concat());
    world.revive("rr2");
    world.await_sessions(&nodes);
    world.await_tables(&news);
    traffic.lossless();
}

/// Reflectors that are nodes of the cluster (`routeReflectorClusterID`), found by selectors: one is killed, then both at once.
fn that_are_nodes() {
    let mut topology = Topology::reflected(5, 2);
    topology.pods_per_node = 1;
    topology.reflectors.iter_mut().for_each(|reflector| reflector.kind = ReflectorKind::Node);
    let world = World::up("reflectors::that_are_nodes", &topology);
    let nodes = world.nodes();
    let [one, two] = [world.address("rr1"), world.address("rr2")];
    world.await_tables(&[]);
    world.await_sessions(&nodes);
    let traffic = Traffic::start(&world, &world.fabric().probe_pairs());

    world.kill("rr1");
    world.await_down(&nodes, one);
    let (pod, address) = world.add_pod("node1", Borrow::From("node2"));
    world.await_tables(&borrowed(address, "node1"));
    world.revive("rr1");
    world.await_sessions(&nodes);

    world.kill("rr2");
    world.kill("rr1");
    world.await_down(&nodes, one);
    world.await_down(&nodes, two);
    world.remove_pod(&pod);
    let (_, address) = world.add_pod("node3", Borrow::From("node2"));
    world.revive("rr2");
    world.revive("rr1");
    world.await_sessions(&nodes);
    world.await_tables(&borrowed(address, "node3"));
    traffic.lossless();
    world.await_pings();
}
