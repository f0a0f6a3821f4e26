//! A whole table that goes into a kernel, with the shortest hold time there is.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use heddle_interop_tests::peers::heddle::program;
use heddle_interop_tests::require::recording;
use heddle_interop_tests::wait::{ensure, wait_for};
use heddle_lab::process::{Process, Program};
use heddle_lab::topology::{DEFAULT_ASN, NodeProgram, Topology};
use heddle_netlink::{Leg, Protocol, Route};
use serde_json::Value;

use crate::Case;
use crate::world::World;

pub(crate) const CASES: &[Case] =
    &[Case { name: "full_fib::hold_times_are_kept", needs: &[], run: hold_times_are_kept }];

/// Of whoever laid the default route.
const STATIC: Protocol = Protocol(4);
/// How many routes the kernel has to have: `HEDDLE_FULL_FIB`, or so many of the 577,703 that are recorded.
const ROUTES: u64 = 500_000;
/// For debug builds on two cores.
const LOADED: Duration = Duration::from_secs(400);

/// A node of ours, and two hosts on which nothing runs.
fn topology() -> Topology {
    let mut topology = Topology::full_mesh(3);
    topology.pods_per_node = 0;
    let nodes = topology.racks.iter_mut().flat_map(|rack| &mut rack.nodes);
    nodes.skip(1).for_each(|node| node.program = NodeProgram::Nothing);
    topology
}

fn start(world: &World, host: &str, words: &[&str], name: &str) -> Process {
    let log: PathBuf = world.fabric().host(host).expect("it is there").path(&format!("{name}.log"));
    let program = Program::new(program(), words.iter().copied());
    world.fabric().spawn(host, &program, &log).unwrap_or_else(|error| panic!("{name} on {host}: {error}"))
}

/// A speaker with a session to `node1` and the shortest hold time. Nothing but KEEPALIVEs goes over it.
fn speaker(world: &World, host: &str) -> Process {
    let (own, node) = (world.address(host).v4.ip(), world.address("node1").v4.ip());
    let directory = world.fabric().host(host).expect("it is there");
    let socket = directory.path("speaker.sock");
    let text = format!(
        "[router]\nasn = {DEFAULT_ASN}\nrouter_id = \"{own}\"\n\n[api]\nsocket = \"{}\"\n\n[[peers]]\naddress = \"{node}\"\n\
         local_address = \"{own}\"\nasn = {DEFAULT_ASN}\nhold_time = 3\nconnect_retry = 1\n",
        socket.display()
    );
    let file = directory.write("speaker.toml", &text).expect("it can be written");
    start(world, host, &["route-reflector", "--config", &file.display().to_string()], "speaker")
}

/// What the node says of its session with a host.
fn peer(world: &World, host: &str) -> Result<Value, String> {
    world.show("node1", &["show", "peer", &world.address(host).v4.ip().to_string()])
}

/// More routes go into the kernel than a node ever has: no session with a hold time of 3 s, and with that a KEEPALIVE each
/// second, ends meanwhile. The other ends give the node up after 3 s of silence, and the node them.
fn hold_times_are_kept() {
    let text = env::var("HEDDLE_FULL_FIB").ok();
    let routes = text.map_or(ROUTES, |text| text.parse().expect("HEDDLE_FULL_FIB is a number of routes"));
    let world = World::build("full_fib::hold_times_are_kept", &topology());
    // The recorded next hops lie beyond the player.
    let node = world.fabric().host("node1").expect("it is there");
    let via = Leg::via(world.address("node2").v4.ip().into(), node.link("eth0").expect("it has a link"));
    let default = Route::new("0.0.0.0/0".parse().expect("a prefix"), STATIC).leg(via);
    node.kernel(|control| control.add_route(&default)).unwrap_or_else(|error| panic!("{default}: {error}"));
    world.start();
    let _other = speaker(&world, "node3");
    wait_for("the session without routes", LOADED, || {
        let peer = peer(&world, "node3")?;
        ensure(peer["state"] == "established", || peer.to_string())
    });
    let recording = recording().display().to_string();
    let (own, to) = (world.address("node2").v4.ip().to_string(), world.address("node1").v4.ip().to_string());
    let asn = DEFAULT_ASN.to_string();
    let words = ["mrt", "replay", &recording, "--local-as", &asn, "--to", &to, "--bind", &own, "--hold-time", "3"];
    let mut player = start(&world, "node2", &words, "replay");
    wait_for("the kernel has the routes", LOADED, || {
        ensure(player.is_alive(), || "the player has ended".to_owned())?;
        let report = world.show("node1", &["show", "node"])?;
        let fib = &report["fib"];
        ensure(fib["installed"].as_u64() >= Some(routes), || fib.to_string())
    });
    for host in ["node2", "node3"] {
        let peer = peer(&world, host).expect("it answers");
        assert_eq!(peer["state"], "established", "{host}: {peer}");
        assert_eq!(peer["timers"]["hold_time_seconds"], 3, "{host}: {peer}");
        assert_eq!((&peer["established_count"], &peer["flap_count"]), (&1.into(), &0.into()), "{host}: {peer}");
    }
}
