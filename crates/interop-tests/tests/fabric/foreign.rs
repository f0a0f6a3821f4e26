//! Routes of others in the same table: never touched, and no reason to fail.

use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_lab::pod::Borrow;
use heddle_lab::topology::Topology;
use heddle_netlink::{Control, ControlError, Leg, Protocol, Route};
use ipnetwork::IpNetwork;
use serde_json::Value;

use crate::Case;
use crate::mesh::borrowed;
use crate::traffic::Traffic;
use crate::world::World;

pub(crate) const CASES: &[Case] =
    &[Case { name: "foreign::untouched_and_repaired", needs: &[], run: untouched_and_repaired }];

/// Some other daemon's number.
const STRANGER: Protocol = Protocol(99);
/// The metric of our routes where nothing says otherwise.
const OUR_METRIC: u32 = 1024;

/// A stranger's routes to the same prefixes with other metrics, to other prefixes, and one on our exact key: all of them are
/// there, unchanged, whatever happens; the last one is shown as a conflict until he takes it away. Ours are repaired.
fn untouched_and_repaired() {
    let scene = Scene::build();
    scene.world.start();
    scene.in_conflict();
    scene.he_goes();
    scene.ours_are_repaired();
    scene.world.await_pings();
    scene.untouched(&[]);
}

/// A mesh with strangers' routes on its first node.
struct Scene {
    world: World,
    nodes: Vec<String>,
    /// Routes under keys that are not ours.
    strangers: Vec<Route>,
    /// The destinations whose place he has.
    taken: [IpNetwork; 2],
    on_our_key: [Route; 2],
}

impl Scene {
    fn build() -> Self {
        let mut topology = Topology::full_mesh(4);
        topology.pods_per_node = 1;
        let world = World::build("foreign::untouched_and_repaired", &topology);
        let nodes = world.nodes();
        let mut strangers = Vec::new();
        for prefix in world.blocks("node3").networks() {
            strangers.push(Route::new(prefix, STRANGER).metric(OUR_METRIC + 4000).leg(via(&world, prefix, "node3")));
            strangers.push(Route::new(prefix, STRANGER).metric(OUR_METRIC - 1).leg(via(&world, prefix, "node3")));
        }
        for prefix in ["10.99.0.0/16", "fd00:99::/48"].map(|text| text.parse().expect("a prefix")) {
            strangers.push(Route::new(prefix, STRANGER).metric(OUR_METRIC).leg(via(&world, prefix, "node4")));
        }
        let taken = world.blocks("node2").networks();
        let on_our_key =
            taken.map(|prefix| Route::new(prefix, STRANGER).metric(OUR_METRIC).leg(via(&world, prefix, "node2")));
        let scene = Self { world, nodes, strangers, taken, on_our_key };
        for route in scene.strangers.iter().chain(&scene.on_our_key) {
            scene.kernel(route, |control| control.add_route(route));
        }
        scene
    }

    /// He has our place, whatever we do beside.
    fn in_conflict(&self) {
        let (world, others) = (&self.world, &self.nodes[1..]);
        world.await_tables_of(others, &[]);
        let traffic = Traffic::start(world, &world.fabric().probe_pairs());
        self.await_all_but_taken();
        world.await_fib("node1", |fib| fib["conflicts"] == 2);
        self.untouched(&self.on_our_key);

        // Everything that makes the node write: routes that come and go, a restart, a crash.
        let (pod, address) = world.add_pod("node4", Borrow::From("node3"));
        world.await_tables_of(others, &borrowed(address, "node4"));
        self.untouched(&self.on_our_key);
        world.stop("node1");
        world.revive("node1");
        world.kill("node1");
        world.remove_pod(&pod);
        world.await_tables_of(others, &[]);
        world.revive("node1");
        world.await_sessions(&self.nodes);
        self.await_all_but_taken();
        self.untouched(&self.on_our_key);
        traffic.lossless();
    }

    /// The place is ours.
    fn he_goes(&self) {
        for route in &self.on_our_key {
            self.kernel(route, |control| control.delete_route(route));
        }
        self.world.await_tables(&[]);
        await_states(&self.world, &self.taken, "installed");
        self.untouched(&[]);
    }

    /// Somebody deletes what is ours, and changes what is ours.
    fn ours_are_repaired(&self) {
        let ours = self.world.routes_of("node1", Protocol::HEDDLE).expect("routes");
        for route in ours.iter().filter(|route| self.taken.contains(&route.prefix)) {
            self.kernel(route, |control| control.delete_route(route));
        }
        self.world.await_tables(&[]);
        for prefix in self.taken {
            let leg = via(&self.world, prefix, "node4");
            let wrong = Route::new(prefix, Protocol::HEDDLE).metric(OUR_METRIC).leg(leg);
            self.kernel(&wrong, |control| control.replace_route(&wrong));
        }
        self.world.await_tables(&[]);
        self.world.await_fib("node1", |fib| fib["repairs"].as_u64().is_some_and(|repairs| repairs >= 4));
    }

    /// Does something to a route of the first node.
    #[track_caller]
    fn kernel(&self, route: &Route, work: impl FnOnce(&mut Control) -> Result<(), ControlError>) {
        let host = self.world.fabric().host("node1").expect("it is there");
        host.kernel(work).unwrap_or_else(|error| panic!("{route}: {error}"));
    }

    /// Waits until the first node has all routes but the two whose place is taken, and says so of these.
    #[track_caller]
    fn await_all_but_taken(&self) {
        let mut ours = self.world.expected("node1", &[]);
        self.taken.iter().for_each(|prefix| drop(ours.remove(prefix)));
        wait_for(&format!("{}: node1 has its other routes", self.world.case()), PATIENCE, || {
            let found = self.world.table("node1")?;
            ensure(found == ours, || crate::table::difference(&ours, &found))
        });
        await_states(&self.world, &self.taken, "conflict");
    }

    /// What the stranger has is what he wrote, and these.
    #[track_caller]
    fn untouched(&self, extra: &[Route]) {
        let found = self.world.routes_of("node1", STRANGER).expect("routes");
        let wrote: Vec<Route> = self.strangers.iter().chain(extra).cloned().collect();
        assert_eq!(texts(found), texts(wrote), "{}: the stranger's routes", self.world.case());
    }
}

/// The way that the fabric's own routes would have: packets do not miss what is missing.
fn via(world: &World, prefix: IpNetwork, through: &str) -> Leg {
    let link = world.fabric().host("node1").and_then(|host| Ok(host.link("eth0")?)).expect("it has a link");
    let [v4, v6] = world.address(through).addresses();
    Leg::via(if prefix.is_ipv4() { v4 } else { v6 }, link)
}

/// In the canonical form, sorted.
fn texts(routes: Vec<Route>) -> Vec<String> {
    let mut routes: Vec<Route> = routes.into_iter().map(Route::canonical).collect();
    routes.sort_by_key(Route::key);
    routes.iter().map(|route| format!("{route} proto {}", route.protocol.0)).collect()
}

/// Waits until `heddle show fib --json` says how some destinations of node1 stand.
#[track_caller]
fn await_states(world: &World, prefixes: &[IpNetwork], wanted: &str) {
    wait_for(&format!("{}: show fib says {wanted} of {prefixes:?}", world.case()), PATIENCE, || {
        let page = world.show("node1", &["show", "fib"])?;
        let routes = page.get("routes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        let state = |prefix: &IpNetwork| {
            let found = routes.iter().find(|route| route["prefix"] == prefix.to_string());
            found.and_then(|route| route["state"].as_str()).unwrap_or("not there").to_owned()
        };
        let states: Vec<String> = prefixes.iter().map(state).collect();
        ensure(states.iter().all(|state| state == wanted), || format!("{states:?} in {page}"))
    });
}
