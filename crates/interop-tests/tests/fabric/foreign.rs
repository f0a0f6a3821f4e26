//! Routes of others in the same table: never touched, and no reason to fail.

use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_lab::pod::Borrow;
use heddle_lab::topology::Topology;
use heddle_netlink::{Leg, Protocol, Route};
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
    let mut topology = Topology::full_mesh(4);
    topology.pods_per_node = 1;
    let world = World::build("foreign::untouched_and_repaired", &topology);
    let nodes = world.nodes();
    let taken = world.blocks("node2").networks();
    let host = world.fabric().host("node1").expect("it is there");
    let link = host.link("eth0").expect("it has a link");
    // The way that the fabric's own routes would have: packets do not miss what is missing.
    let via = |prefix: IpNetwork, through: &str| {
        let [v4, v6] = world.address(through).addresses();
        Leg::via(if prefix.is_ipv4() { v4 } else { v6 }, link)
    };
    let mut strangers = Vec::new();
    for prefix in world.blocks("node3").networks() {
        strangers.push(Route::new(prefix, STRANGER).metric(OUR_METRIC + 4000).leg(via(prefix, "node3")));
        strangers.push(Route::new(prefix, STRANGER).metric(OUR_METRIC - 1).leg(via(prefix, "node3")));
    }
    for prefix in ["10.99.0.0/16", "fd00:99::/48"].map(|text| text.parse().expect("a prefix")) {
        strangers.push(Route::new(prefix, STRANGER).metric(OUR_METRIC).leg(via(prefix, "node4")));
    }
    let on_our_key = taken.map(|prefix| Route::new(prefix, STRANGER).metric(OUR_METRIC).leg(via(prefix, "node2")));
    for route in strangers.iter().chain(&on_our_key) {
        host.kernel(|control| control.add_route(route)).unwrap_or_else(|error| panic!("{route}: {error}"));
    }
    let before = |extra: &[Route]| {
        let mut all: Vec<Route> = strangers.iter().chain(extra).cloned().map(Route::canonical).collect();
        all.sort_by_key(Route::key);
        all
    };
    let untouched = |extra: &[Route]| {
        let mut found: Vec<Route> =
            world.routes_of("node1", STRANGER).expect("routes").into_iter().map(Route::canonical).collect();
        found.sort_by_key(Route::key);
        let (found, before) = (texts(&found), texts(&before(extra)));
        assert_eq!(found, before, "{}: the stranger's routes", world.case());
    };

    world.start();
    world.await_tables_of(&nodes[1..], &[]);
    let traffic = Traffic::start(&world, &world.fabric().probe_pairs());
    // Ours but for the two whose place is taken.
    let mut ours = world.expected("node1", &[]);
    taken.iter().for_each(|prefix| drop(ours.remove(prefix)));
    wait_for(&format!("{}: node1 has its other routes", world.case()), PATIENCE, || {
        let found = world.table("node1")?;
        ensure(found == ours, || crate::table::difference(&ours, &found))
    });
    await_states(&world, &taken, "conflict");
    world.await_fib("node1", |fib| fib["conflicts"] == 2);
    untouched(&on_our_key);

    // Everything that makes the node write: routes that come and go, a restart, a crash.
    let (pod, address) = world.add_pod("node4", Borrow::From("node3"));
    world.await_tables_of(&nodes[1..], &borrowed(address, "node4"));
    untouched(&on_our_key);
    world.stop("node1");
    world.revive("node1");
    world.kill("node1");
    world.remove_pod(&pod);
    world.await_tables_of(&nodes[1..], &[]);
    world.revive("node1");
    world.await_sessions(&nodes);
    wait_for(&format!("{}: node1 has its other routes again", world.case()), PATIENCE, || {
        let found = world.table("node1")?;
        ensure(found == ours, || crate::table::difference(&ours, &found))
    });
    await_states(&world, &taken, "conflict");
    untouched(&on_our_key);
    traffic.lossless();

    // He goes: the place is ours.
    for route in &on_our_key {
        host.kernel(|control| control.delete_route(route)).unwrap_or_else(|error| panic!("{route}: {error}"));
    }
    world.await_tables(&[]);
    await_states(&world, &taken, "installed");
    untouched(&[]);

    // Somebody deletes what is ours, and changes what is ours.
    let ours = world.routes_of("node1", Protocol::HEDDLE).expect("routes");
    for route in ours.iter().filter(|route| taken.contains(&route.prefix)) {
        host.kernel(|control| control.delete_route(route)).unwrap_or_else(|error| panic!("{route}: {error}"));
    }
    world.await_tables(&[]);
    for prefix in taken {
        let wrong = Route::new(prefix, Protocol::HEDDLE).metric(OUR_METRIC).leg(via(prefix, "node4"));
        host.kernel(|control| control.replace_route(&wrong)).unwrap_or_else(|error| panic!("{wrong}: {error}"));
    }
    world.await_tables(&[]);
    world.await_fib("node1", |fib| fib["repairs"].as_u64().is_some_and(|repairs| repairs >= 4));
    world.await_pings();
    untouched(&[]);
}

fn texts(routes: &[Route]) -> Vec<String> {
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
