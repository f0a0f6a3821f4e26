//! A node that starts in a large mesh of which hardly anybody answers.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use heddle_interop_tests::peers::heddle::program;
use heddle_interop_tests::process::read_log;
use heddle_interop_tests::require::Need;
use heddle_interop_tests::usage::Usage;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_lab::process::{Process, Program};
use heddle_lab::topology::{DEFAULT_ASN, NodeProgram, Topology};
use heddle_netlink::{Leg, Protocol, Route};
use ipnetwork::IpNetwork;

use crate::Case;
use crate::world::World;

pub(crate) const CASES: &[Case] =
    &[Case { name: "unreachable::mesh_of_a_thousand", needs: &[Need::Descriptors], run: mesh_of_a_thousand }];

/// Nodes that nobody hears of.
const UNREACHABLE: usize = 999;
/// Sessions that are attempted in vain: one a family with each of them, and that of IPv6 with the node that is there.
const IN_VAIN: usize = 2 * UNREACHABLE + 1;
/// Who answers.
const PEER: &str = "node1";
/// Who starts: its address is the greater one as a text, so that it is the one that connects.
const NODE: &str = "node2";
/// One for each attempt, and half as many again: those that are given up may not be closed yet when others begin; and the node's own.
const DESCRIPTORS: usize = IN_VAIN + IN_VAIN / 2;
const _: () = assert!(DESCRIPTORS as u64 <= Need::DESCRIPTORS);
/// As container runtimes have it where nobody says otherwise.
const FEW_DESCRIPTORS: usize = 1024;
/// Resident memory of a program that is not optimised, at most.
const MEMORY: u64 = 128 << 20;

/// A node of a mesh in which one other node answers, and 999 do not: what is sent to them is lost. It tells the one that answers of its
/// routes as soon as it does without the others, and what the attempts take is bounded.
fn mesh_of_a_thousand() {
    let (alone, ..) = Start::of(0);
    let (among, start) = Start::of(UNREACHABLE);
    println!(
        "{}: the first own route is with the peer {alone:.0?} after the start without the others, {among:.0?} with {UNREACHABLE} of them",
        start.world.case()
    );
    let usage = Usage(start.node.pid());
    let (began, cpu, begun) = (Instant::now(), usage.cpu_time(), usage.connections_begun());
    let mut descriptors = 0;
    wait_for(&format!("{}: each has been tried three times", start.world.case()), PATIENCE * 2, || {
        descriptors = descriptors.max(usage.descriptors());
        let tried = usage.connections_begun() - begun;
        ensure(tried >= 3 * IN_VAIN as u64, || format!("{tried} attempts"))
    });
    let (took, cpu, tried) = (began.elapsed(), usage.cpu_time() - cpu, usage.connections_begun() - begun);
    let peak = usage.memory("VmHWM");
    println!(
        "{}: {tried} attempts in {took:.1?} took {cpu:.0?} of CPU time; {descriptors} descriptors and {} MiB at most",
        start.world.case(),
        peak >> 20
    );
    assert!(descriptors <= DESCRIPTORS, "{descriptors} descriptors");
    assert!(peak <= MEMORY, "{peak} octets");
    let peers = start.world.show(NODE, &["show", "peers"]).expect("it answers");
    let peers = peers["peers"].as_array().expect("a list");
    let established = peers.iter().filter(|peer| peer["state"] == "established");
    assert_eq!((established.count(), peers.len()), (1, IN_VAIN + 1));
    let log = read_log(start.node.log());
    assert!(!log.contains("Too many open files"), "the limit of open files was reached");
    let flaps: u64 = peers.iter().filter_map(|peer| peer["flap_count"].as_u64()).sum();
    assert_eq!(flaps, 0, "the one session stands");
}

/// A node that has started.
struct Start {
    // The processes end before their world.
    node: Process,
    _peer: Process,
    world: World,
}

impl Start {
    /// Starts a node in a mesh with so many that do not answer. How long it takes until the peer has its first route.
    fn of(unreachable: usize) -> (Duration, Self) {
        let mut topology = Topology::full_mesh(2);
        topology.pods_per_node = 0;
        topology.racks.iter_mut().flat_map(|rack| &mut rack.nodes).for_each(|node| node.program = NodeProgram::Nothing);
        let world = World::build("unreachable::mesh_of_a_thousand", &topology);
        if unreachable > 0 {
            world.edit("nodes.yaml", |text| text + &nodes(unreachable));
        }
        lose(&world);
        let peer = peer(&world);
        wait_for("the peer waits for the node", PATIENCE, || received(&world).map(drop));
        let begun = Instant::now();
        let node = node(&world);
        while received(&world) != Ok(1) {
            assert!(begun.elapsed() < PATIENCE, "the peer has no routes: {:?}", received(&world));
            // Who asks without a pause takes the time of those who are asked.
            std::thread::sleep(Duration::from_millis(1));
        }
        (begun.elapsed(), Self { node, _peer: peer, world })
    }
}

/// More nodes of the cluster, far away.
fn nodes(count: usize) -> String {
    let mut text = String::new();
    for number in 0..count {
        let (a, b) = (number / 250, number % 250 + 1);
        let _ = writeln!(
            text,
            "---\n{{apiVersion: projectcalico.org/v3, kind: Node, metadata: {{name: far-{number}}}, spec: {{bgp: {{\
             ipv4Address: 10.60.{a}.{b}/16, ipv6Address: 'fd00:60::{a:x}:{b:x}/64'}}}}}}"
        );
    }
    text
}

/// What is sent to them goes to the peer, and is lost there without a word.
fn lose(world: &World) {
    let host = |name: &str| world.fabric().host(name).unwrap_or_else(|error| panic!("{error}"));
    let link = host(NODE).link("eth0").expect("it has a link");
    let far: [IpNetwork; 2] = ["10.60.0.0/16", "fd00:60::/64"].map(|text| text.parse().expect("a prefix"));
    for (prefix, gateway) in far.into_iter().zip(world.address(PEER).addresses()) {
        let there = Route::new(prefix, Protocol::STATIC).leg(Leg::via(gateway, link));
        host(NODE).kernel(|control| control.add_route(&there)).unwrap_or_else(|error| panic!("{error}"));
        let lost = Route::new(prefix, Protocol::STATIC).blackhole();
        host(PEER).kernel(|control| control.add_route(&lost)).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// The one that answers, and does not connect.
fn peer(world: &World) -> Process {
    let host = world.fabric().host(PEER).unwrap_or_else(|error| panic!("{error}"));
    let [own, node] = [PEER, NODE].map(|name| world.address(name).v4.ip());
    let text = format!(
        "[router]\nasn = {DEFAULT_ASN}\nrouter_id = \"{own}\"\nlisten = [\"{own}:179\"]\n\n[api]\nsocket = {:?}\n\n\
         [[peers]]\naddress = \"{node}\"\nasn = {DEFAULT_ASN}\npassive = true\n",
        host.path("heddle.sock")
    );
    let file = host.write("peer.toml", &text).expect("it can be written");
    let program = Program::new(program(), ["route-reflector".into(), "--config".into(), file]);
    world.fabric().spawn(PEER, &program, &host.path("peer.log")).unwrap_or_else(|error| panic!("{error}"))
}

/// How many routes the peer has of the node.
fn received(world: &World) -> Result<u64, String> {
    let answer = world.fabric().api(PEER, "/v1/peers").map_err(|error| error.to_string())?;
    answer["peers"][0]["received"].as_u64().ok_or_else(|| answer.to_string())
}

/// The node, with few descriptors.
fn node(world: &World) -> Process {
    let host = world.fabric().host(NODE).unwrap_or_else(|error| panic!("{error}"));
    let few = format!("ulimit -S -n {FEW_DESCRIPTORS}; exec \"$0\" \"$@\"");
    let words = ["-c", &few].map(OsString::from).into_iter().chain([program().into()]);
    let words = words.chain(["node-peer", "--node", NODE, "--datastore"].map(OsString::from));
    let words = words.chain([
        world.fabric().datastore().into(),
        "--status-dir".into(),
        host.path("status").into(),
        "--socket".into(),
        host.path("heddle.sock").into(),
    ]);
    let program = Program::new(Path::new("/bin/sh"), words);
    world.fabric().spawn(NODE, &program, &host.path("node-peer.log")).unwrap_or_else(|error| panic!("{error}"))
}
