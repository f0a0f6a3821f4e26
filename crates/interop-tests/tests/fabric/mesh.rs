//! A full mesh: every node has a session with every other.

use heddle_lab::addressing::Pair;
use heddle_lab::pod::Borrow;
use heddle_lab::topology::Topology;

use crate::Case;
use crate::table::Extra;
use crate::traffic::Traffic;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[Case { name: "mesh::eight_nodes", needs: &[], run: eight_nodes }];

/// What a pod with a borrowed address makes its node advertise.
pub(crate) fn borrowed(address: Pair, node: &str) -> [Extra<'_>; 2] {
    address.networks().map(|network| (network, node))
}

/// Every kernel has every block; a borrowed address reaches every kernel, and goes again.
fn eight_nodes() {
    let world = World::up("mesh::eight_nodes", &Topology::full_mesh(8));
    world.await_tables(&[]);
    world.await_pings();
    let traffic = Traffic::start(&world, &world.fabric().probe_pairs());
    let (pod, address) = world.add_pod("node1", Borrow::From("node2"));
    assert!(world.blocks("node2").v4.contains(address.v4.ip()), "the address is borrowed");
    world.await_tables(&borrowed(address, "node1"));
    world.await_pings();
    world.remove_pod(&pod);
    world.await_tables(&[]);
    traffic.lossless();
}
