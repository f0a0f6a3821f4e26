//! One node of ours, and a speaker beside it: routes that lead to themselves; how long a route of ours is missing, or wrong, that somebody
//! took away or changed.

use std::time::{Duration, Instant};

use heddle_interop_tests::peers::heddle::program;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_lab::process::{Process, Program};
use heddle_lab::topology::{DEFAULT_ASN, NodeProgram, Topology};
use heddle_netlink::{Control, ControlError, Leg, Protocol, Route};
use serde_json::Value;

use crate::Case;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[
    Case { name: "lone_node::own_next_hop", needs: &[], run: own_next_hop },
    Case { name: "lone_node::drift", needs: &[], run: drift },
];

/// A node of ours, and `others` on which nothing runs.
fn topology(others: usize) -> Topology {
    let mut topology = Topology::full_mesh(1 + others);
    topology.pods_per_node = 0;
    let nodes = topology.racks.iter_mut().flat_map(|rack| &mut rack.nodes);
    nodes.skip(1).for_each(|node| node.program = NodeProgram::Nothing);
    topology
}

/// A reflector on a host, with a session to `node1` and the shortest hold time; `more` stands at the end of its configuration.
fn speaker(world: &World, host: &str, more: &str) -> Process {
    let (own, node) = (world.address(host).v4.ip(), world.address("node1").v4.ip());
    let directory = world.fabric().host(host).expect("it is there");
    let socket = directory.path("speaker.sock");
    let text = format!(
        "[router]\nasn = {DEFAULT_ASN}\nrouter_id = \"{own}\"\n\n[api]\nsocket = \"{}\"\n\n[[peers]]\naddress = \"{node}\"\n\
         local_address = \"{own}\"\nasn = {DEFAULT_ASN}\nhold_time = 3\nconnect_retry = 1\n{more}",
        socket.display()
    );
    let file = directory.write("speaker.toml", &text).expect("it can be written");
    let program = Program::new(program(), ["route-reflector", "--config", &file.display().to_string()]);
    let log = directory.path("speaker.log");
    world.fabric().spawn(host, &program, &log).unwrap_or_else(|error| panic!("a speaker on {host}: {error}"))
}

/// What the node says of its session with a host.
fn peer(world: &World, host: &str) -> Result<Value, String> {
    world.show("node1", &["show", "peer", &world.address(host).v4.ip().to_string()])
}

/// A network that a speaker originates.
fn network(prefix: &str, next_hop: &str) -> String {
    format!("\n[[networks]]\nprefix = \"{prefix}\"\nnext_hop = \"{next_hop}\"\n")
}

#[track_caller]
fn is_unbroken(world: &World, host: &str) {
    let peer = peer(world, host).expect("it answers");
    assert_eq!(peer["state"], "established", "{host}: {peer}");
    assert_eq!(peer["timers"]["hold_time_seconds"], 3, "{host}: {peer}");
    assert_eq!((&peer["established_count"], &peer["flap_count"]), (&1.into(), &0.into()), "{host}: {peer}");
}

/// S14: a route to the peer through itself, one to its own next hop, and one that both of them would mislead. The session stands for
/// several hold times, and the kernel has all of them through the peer.
fn own_next_hop() {
    const KEEPALIVES: u64 = 12;
    let world = World::build("lone_node::own_next_hop", &topology(1));
    world.start();
    let own = world.address("node2").v4.ip();
    let own_text = own.to_string();
    let more = [
        network(&format!("{own}/32"), &own_text),
        network("10.97.0.1/32", "10.97.0.1"),
        network("10.97.1.0/24", "10.97.1.1"),
        network("10.97.0.0/16", &own_text),
    ];
    let _speaker = speaker(&world, "node2", &more.concat());
    let prefixes = [&format!("{own}/32"), "10.97.0.1/32", "10.97.1.0/24", "10.97.0.0/16"];
    let prefixes = prefixes.map(|text| text.parse::<ipnetwork::IpNetwork>().expect("a prefix"));
    // What would lead to itself leads where the prefix around it does.
    let has_them = || {
        let table = world.table("node1")?;
        let to = crate::table::Destination::Via([own.into()].into());
        ensure(prefixes.iter().all(|prefix| table.get(prefix) == Some(&to)), || format!("{table:?}"))
    };
    wait_for("the routes through the peer", PATIENCE, has_them);
    wait_for("several hold times pass", PATIENCE, || {
        let peer = peer(&world, "node2")?;
        ensure(peer["messages"]["received"]["keepalive"].as_u64() >= Some(KEEPALIVES), || peer["messages"].to_string())
    });
    is_unbroken(&world, "node2");
    has_them().expect("they are there still");
    let peer = peer(&world, "node2").expect("it answers");
    assert_eq!(peer["families"][0]["received"], 4, "{peer}");
}

/// Routes of ours are deleted by somebody, and others changed: each is as it was before the next one is. Prints how long it took.
fn drift() {
    const ROUTES: usize = 200;
    /// All routes are read again every minute: what nobody has noticed is mended then.
    const UNNOTICED: Duration = Duration::from_secs(20);
    let world = World::build("lone_node::drift", &topology(2));
    world.start();
    let own = world.address("node2").v4.ip().to_string();
    let networks: Vec<String> = (0..ROUTES).map(|n| network(&format!("10.98.{n}.0/24"), &own)).collect();
    let _speaker = speaker(&world, "node2", &networks.concat());
    let of_speaker = |route: &Route| route.prefix.to_string().starts_with("10.98.");
    let before: Vec<Route> = wait_for("all its routes", PATIENCE, || {
        let routes = world.routes_of("node1", Protocol::HEDDLE)?;
        let count = routes.iter().filter(|route| of_speaker(route)).count();
        ensure(count == ROUTES, || format!("{count} of {ROUTES}"))?;
        Ok(routes)
    });
    let host = world.fabric().host("node1").expect("it is there");
    let elsewhere = Leg::via(world.address("node3").v4.ip().into(), host.link("eth0").expect("it has a link"));
    let deleted = |route: &Route, control: &mut Control| control.delete_route(route);
    let changed = |route: &Route, control: &mut Control| {
        control.replace_route(&Route::new(route.prefix, Protocol::HEDDLE).metric(route.metric).leg(elsewhere))
    };
    type Harm<'a> = &'a dyn Fn(&Route, &mut Control) -> Result<(), ControlError>;
    let harms: [(&str, Harm<'_>); 2] = [("deleted", &deleted), ("changed", &changed)];
    for (what, harm) in harms {
        let mut times: Vec<Duration> = Vec::new();
        for route in before.iter().filter(|route| of_speaker(route)) {
            let began = Instant::now();
            host.kernel(|control| harm(route, control)).unwrap_or_else(|error| panic!("{route}: {error}"));
            // Looked at without a pause: it takes less than any.
            while texts(&world.routes_of("node1", Protocol::HEDDLE).expect("routes")) != texts(&before) {
                assert!(began.elapsed() < UNNOTICED, "{route} was {what}, and is not as it was");
            }
            times.push(began.elapsed());
        }
        times.sort();
        let at = |part: usize| times.get(part * (times.len() - 1) / 100).copied().unwrap_or_default();
        println!(
            "{what}: {} routes, as before after {:.1?} (median), {:.1?} (p99), {:.1?} at most",
            times.len(),
            at(50),
            at(99),
            at(100)
        );
    }
    let repairs = u64::try_from(2 * ROUTES).expect("small");
    world.await_fib("node1", |fib| fib["repairs"].as_u64() >= Some(repairs));
}

/// In a canonical form, sorted.
fn texts(routes: &[Route]) -> Vec<String> {
    let mut texts: Vec<String> = routes.iter().map(|route| route.clone().canonical().to_string()).collect();
    texts.sort();
    texts
}
