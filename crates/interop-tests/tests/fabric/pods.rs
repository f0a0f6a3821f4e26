//! Pods that come and go while others talk.

use std::collections::BTreeSet;
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use heddle_lab::pod::Borrow;
use heddle_lab::topology::Topology;

use crate::Case;
use crate::mesh::borrowed;
use crate::traffic::Traffic;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[Case { name: "pods::come_and_go", needs: &[], run: come_and_go }];

/// Pods that each of the busy nodes gets, and loses again.
const PODS: u32 = 100;
/// Between two pods of a node: with two busy nodes, 50 a second are made and 50 removed.
const PACE: Duration = Duration::from_millis(40);
/// Pods of a node that are there at once.
const ALIVE: usize = 8;

/// Two nodes, 50 pods a second together, every other one with a borrowed address that every kernel has to learn and forget.
fn come_and_go() {
    let world = World::up("pods::come_and_go", &Topology::full_mesh(5));
    world.await_tables(&[]);
    let traffic = Traffic::start(&world, &world.fabric().probe_pairs());
    let before: BTreeSet<String> = names(&world);
    thread::scope(|scope| {
        for (node, lender) in [("node1", "node4"), ("node3", "node5")] {
            let world = &world;
            scope.spawn(move || churn(world, node, lender));
        }
    });
    assert_eq!(names(&world), before, "the pods that were there are left, and no other");
    world.await_tables(&[]);
    // And the last word counts: one comes and stays.
    let (_, address) = world.add_pod("node1", Borrow::From("node4"));
    world.await_tables(&borrowed(address, "node1"));
    world.await_pings();
    traffic.lossless();
}

fn churn(world: &World, node: &str, lender: &str) {
    let (began, mut next) = (Instant::now(), Instant::now());
    let mut alive = Vec::new();
    for number in 0..PODS {
        let borrow = if number % 2 == 0 { Borrow::Own } else { Borrow::From(lender) };
        alive.push(world.add_pod(node, borrow).0);
        if alive.len() > ALIVE {
            world.remove_pod(&alive.remove(0));
        }
        // The pace is what is tested, not waited for.
        next += PACE;
        sleep(next.saturating_duration_since(Instant::now()));
    }
    alive.iter().for_each(|pod| world.remove_pod(pod));
    println!("{}: {PODS} pods of {node} came and went in {} ms", world.case(), began.elapsed().as_millis());
}

fn names(world: &World) -> BTreeSet<String> {
    world.fabric().with_pods(|pods| pods.iter().map(|pod| pod.name().to_owned()).collect())
}
