//! Links that flap.

use heddle_lab::pod::Borrow;
use heddle_lab::topology::Topology;

use crate::Case;
use crate::mesh::borrowed;
use crate::traffic::{Traffic, pairs};
use crate::world::World;

pub(crate) const CASES: &[Case] = &[Case { name: "links::flap", needs: &[], run: flap }];

/// How often the link goes down and up again.
const FLAPS: usize = 5;
/// What that may cost flows over it, in packets: they have no other way. It is down for as long as it takes to switch it, the
/// rest is the time until the routes are back that the kernel took away with it.
const MOST: u64 = 5000;

/// The kernel removes all routes over a link that is switched off, IPv4's without a word; when it is on again they are there
/// again, though no peer has said anything. Who does not need the link notices nothing.
fn flap() {
    let mut topology = Topology::full_mesh(4);
    topology.pods_per_node = 1;
    let world = World::up("links::flap", &topology);
    world.await_tables(&[]);
    world.await_sessions(&world.nodes());
    let host = world.fabric().host("node1").expect("it is there");
    let link = host.link("eth0").expect("it has a link");
    let others = Traffic::start(&world, &pairs(&world, &[("node2", "node3"), ("node3", "node4"), ("node4", "node2")]));
    let over_it = Traffic::start(&world, &pairs(&world, &[("node1", "node3"), ("node2", "node1")]));
    for _ in 0..FLAPS {
        host.kernel(|control| control.set_down(link)).expect("it can be switched off");
        let left = world.table("node1").expect("a table");
        assert!(left.len() < world.expected("node1", &[]).len(), "the kernel takes routes with their link: {left:?}");
        host.kernel(|control| control.set_up(link)).expect("it can be switched on");
        world.await_tables(&[]);
        over_it.await_whole();
    }
    over_it.lossy(MOST, "their only link was switched off five times");
    // Still in step.
    let (pod, address) = world.add_pod("node1", Borrow::From("node2"));
    world.await_tables(&borrowed(address, "node1"));
    world.remove_pod(&pod);
    world.await_tables(&[]);
    others.lossless();
    world.await_pings();
}
