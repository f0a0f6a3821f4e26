//! An address that is on its old and its new node for a while: the live migration of a virtual machine, between nodes of ours and of Calico's.

use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_lab::addressing::{self, Pair};
use heddle_lab::topology::{CalicoRelease, NodeProgram, Topology};
use heddle_netlink::{Leg, Protocol, Route, Scope};
use ipnetwork::IpNetwork;

use crate::preferences::{ELEVATED, Mixture, NORMAL, Winner};
use crate::world::World;

/// Nodes of Calico's, and of ours: one that the address is on, one that looks on.
const CALICOS: [&str; 2] = ["node1", "node2"];
const OURS: [&str; 2] = ["node3", "node4"];

/// What Calico before 3.32 writes: the kernel makes 1024 of it for IPv6.
const NONE: u32 = 0;

/// Calico from 3.32 on: whichever node has the route of the better metric wins everywhere, the old node included.
pub(crate) fn one_address_on_two_nodes() {
    let (world, number) = (mixed("changeover::one_address_on_two_nodes", CalicoRelease::V333), 40);
    let moves = Moves { world: &world, mixture: Mixture::new(&world) };
    for (from, to) in [(CALICOS[0], OURS[0]), (OURS[0], CALICOS[0])] {
        let address = addressing::pod(world.blocks(from), number);
        moves.put(from, address, NORMAL);
        moves.all_have_heard(from, NORMAL);
        moves.everywhere(address, &[], Winner::Nobody);
        // The new node has it, for all but itself.
        moves.put(to, address, ELEVATED);
        moves.everywhere(address, &[to], Winner::Nodes(&[to], ELEVATED));
        moves.take(from, address, NORMAL);
        moves.everywhere(address, &[to], Winner::Nodes(&[to], ELEVATED));
        moves.put(to, address, NORMAL);
        moves.take(to, address, ELEVATED);
        moves.everywhere(address, &[to], Winner::Nodes(&[to], NORMAL));
        // And back, into its own block.
        moves.put(from, address, ELEVATED);
        moves.everywhere(address, &[from], Winner::Nodes(&[from], ELEVATED));
        moves.take(to, address, NORMAL);
        moves.everywhere(address, &[from], Winner::Nodes(&[from], ELEVATED));
        moves.put(from, address, NORMAL);
        moves.take(from, address, ELEVATED);
        moves.everywhere(address, &[], Winner::Nobody);
    }
    // Nothing tells them apart: those that look on spread packets over both.
    let address = addressing::pod(world.blocks("node2"), number);
    let both = [CALICOS[0], OURS[0]];
    both.iter().for_each(|node| moves.put(node, address, NORMAL));
    moves.everywhere(address, &both, Winner::Nodes(&both, NORMAL));
    world.await_pings();
}

/// Calico before 3.32 says nothing of metrics: a route of ours wins over one of Calico's, everywhere; what is only on a node of Calico's is where it should be.
pub(crate) fn one_address_beside_older() {
    let (world, number) = (mixed("changeover::one_address_beside_older", CalicoRelease::V331), 40);
    let moves = Moves { world: &world, mixture: Mixture::new(&world) };
    let (calicos, ours) = (CALICOS[0], OURS[0]);
    let address = addressing::pod(world.blocks("node2"), number);
    moves.put(calicos, address, NONE);
    moves.everywhere(address, &[calicos], Winner::Nodes(&[calicos], NORMAL));
    // To a node of ours: at once. The old node may do as it likes: its BIRD writes over Felix's route, which has no metric either.
    moves.put(ours, address, ELEVATED);
    moves.everywhere(address, &[calicos, ours], Winner::Nodes(&[ours], ELEVATED));
    moves.put(ours, address, NORMAL);
    moves.take(ours, address, ELEVATED);
    moves.everywhere(address, &[calicos, ours], Winner::Nodes(&[ours], NORMAL));
    moves.take_what_is_left(calicos, address);
    moves.everywhere(address, &[ours], Winner::Nodes(&[ours], NORMAL));
    // From the block of a node of ours to one of Calico's: at once, but for the old node; and back.
    let address = addressing::pod(world.blocks(ours), number);
    moves.put(ours, address, NORMAL);
    moves.put(calicos, address, NONE);
    moves.everywhere(address, &[calicos, ours], Winner::Nodes(&[calicos], NORMAL));
    moves.all_have_heard(calicos, NONE);
    moves.everywhere(address, &[CALICOS[0], CALICOS[1], OURS[1]], Winner::Nobody);
    moves.take(ours, address, NORMAL);
    moves.everywhere(address, &[calicos], Winner::Nodes(&[calicos], NORMAL));
    moves.put(ours, address, ELEVATED);
    moves.everywhere(address, &[calicos, ours], Winner::Nodes(&[ours], ELEVATED));
    moves.take_what_is_left(calicos, address);
    moves.put(ours, address, NORMAL);
    moves.take(ours, address, ELEVATED);
    moves.everywhere(address, &[], Winner::Nobody);
    world.await_pings();
}

/// A mesh of two nodes of Calico's and two of ours.
fn mixed(case: &'static str, release: CalicoRelease) -> World {
    let mut topology = Topology::full_mesh(4);
    topology.pods_per_node = 1;
    for node in topology.racks.iter_mut().flat_map(|rack| &mut rack.nodes).take(CALICOS.len()) {
        node.program = NodeProgram::Bird(release);
    }
    let world = World::up(case, &topology);
    world.await_sessions(&world.nodes());
    world
}

struct Moves<'w> {
    world: &'w World,
    mixture: Mixture<'w>,
}

impl Moves<'_> {
    /// Every node but some has this winner.
    #[track_caller]
    fn everywhere(&self, address: Pair, but: &[&str], winner: Winner<'_>) {
        for node in CALICOS.iter().chain(&OURS).filter(|node| !but.contains(node)) {
            for prefix in address.networks() {
                self.mixture.await_winner(node, prefix, winner);
            }
        }
    }

    /// All others have what a node had to tell until now: they have an address that it borrowed just now, which stays.
    #[track_caller]
    fn all_have_heard(&self, node: &str, metric: u32) {
        // One for each side.
        let number = if CALICOS.contains(&node) { 50 } else { 51 };
        let address = addressing::pod(self.world.blocks("node2"), number);
        self.put(node, address, metric);
        self.everywhere(address, &[node], Winner::Nodes(&[node], NORMAL));
    }

    /// A node gets the routes of a workload with this address, as Felix writes them.
    #[track_caller]
    fn put(&self, node: &str, address: Pair, metric: u32) {
        for route in self.routes(node, address, metric) {
            let host = self.world.fabric().host(node).expect("it is there");
            host.kernel(|control| control.replace_route(&route)).unwrap_or_else(|error| panic!("{route}: {error}"));
        }
    }

    /// The node loses them.
    #[track_caller]
    fn take(&self, node: &str, address: Pair, metric: u32) {
        for route in self.routes(node, address, metric) {
            let host = self.world.fabric().host(node).expect("it is there");
            host.kernel(|control| control.delete_route(&route)).unwrap_or_else(|error| panic!("{route}: {error}"));
        }
    }

    /// As [`Self::take`], of a node of Calico's before 3.32, whose BIRD may write over what is to be taken at any moment.
    #[track_caller]
    fn take_what_is_left(&self, node: &str, address: Pair) {
        let host = self.world.fabric().host(node).expect("it is there");
        wait_for(&format!("{}: {node} has no route of a workload to {address:?}", self.world.case()), PATIENCE, || {
            let mut routes = self.world.routes_of(node, Protocol::BOOT)?;
            routes.retain(|route| address.networks().contains(&route.prefix));
            let taken = routes.iter().try_for_each(|route| host.kernel(|control| control.delete_route(route)));
            taken.map_err(|error| error.to_string())?;
            ensure(routes.is_empty(), || format!("there were {routes:?}"))
        });
    }

    #[track_caller]
    fn routes(&self, node: &str, address: Pair, metric: u32) -> [Route; 2] {
        let interface = self.world.fabric().with_pods(|pods| {
            pods.iter().find(|pod| pod.node() == node).map(|pod| pod.interface().to_owned()).expect("it has a pod")
        });
        let host = self.world.fabric().host(node).expect("it is there");
        let link = host.link(&interface).expect("it is there");
        address.networks().map(|prefix: IpNetwork| {
            let route = Route::new(prefix, Protocol::BOOT).metric(metric).leg(Leg::device(link));
            if prefix.is_ipv4() { Route { scope: Some(Scope::Link), ..route } } else { route }
        })
    }
}
