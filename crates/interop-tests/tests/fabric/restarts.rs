//! Node peers that are killed, and node peers that are stopped and started again, under traffic.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use heddle_interop_tests::require::Need;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_lab::addressing::Pair;
use heddle_lab::pod::Borrow;
use heddle_lab::topology::Topology;
use heddle_netlink::{Family, Protocol};

use crate::Case;
use crate::listener::Listener;
use crate::mesh::borrowed;
use crate::monitor::FrrMonitor;
use crate::random::Random;
use crate::table::difference;
use crate::traffic::{Traffic, pairs};
use crate::world::World;

pub(crate) const CASES: &[Case] = &[
    Case { name: "restarts::killed_at_random_moments", needs: &[], run: killed_at_random_moments },
    Case { name: "restarts::with_a_dead_peer", needs: &[], run: with_a_dead_peer },
    Case { name: "restarts::planned", needs: &[Need::Frr], run: planned },
    Case { name: "restarts::with_an_emptied_kernel", needs: &[], run: with_an_emptied_kernel },
];

/// How often a node peer is killed.
const KILLS: usize = 12;
/// The moments are the same in each run.
const SEED: u64 = 0x0048_6564_646c_6521;

/// What a node tells of its forwarding state is so (RFC 4724 §3, the bit F): a restart over a kernel that has the routes, and one
/// over a kernel from which those of a family, or all, were taken meanwhile.
fn with_an_emptied_kernel() {
    let mut topology = Topology::full_mesh(2);
    topology.pods_per_node = 1;
    let world = World::up("restarts::with_an_emptied_kernel", &topology);
    let nodes = world.nodes();
    world.await_sessions(&nodes);
    world.await_tables(&[]);
    let peers = world.address("node1").addresses().map(|address| address.to_string());
    let told = |peer: &str| -> Result<String, String> {
        let answer = world.show("node2", &["show", "peer", peer])?;
        let all = answer["capabilities"].as_array().cloned().unwrap_or_default();
        let restart = all.iter().find(|capability| capability["name"] == "graceful_restart");
        Ok(restart.map(|capability| capability["remote"].to_string()).unwrap_or_default())
    };
    let [v4, v6] = Family::BOTH;
    // A session a family.
    let families = [(v4, &peers[0]), (v6, &peers[1])];
    for emptied in [&[][..], &[v6], &[v4], &[v4, v6]] {
        world.kill("node1");
        let host = world.fabric().host("node1").expect("it is there");
        let ours = world.routes_of("node1", Protocol::HEDDLE).expect("routes");
        for route in ours.iter().filter(|route| emptied.contains(&route.family())) {
            host.kernel(|control| control.delete_route(route)).unwrap_or_else(|error| panic!("{route}: {error}"));
        }
        world.await_down(&["node2".to_owned()], world.address("node1"));
        world.revive("node1");
        world.await_sessions(&nodes);
        for (family, peer) in families {
            let what = told(peer).unwrap_or_else(|error| panic!("{error}"));
            assert!(what.contains("restarted"), "{}: {what}", world.case());
            let kept = what.contains("forwarding preserved");
            assert_eq!(kept, !emptied.contains(&family), "{}: emptied: {emptied:?}: {peer}: {what}", world.case());
        }
        world.await_tables(&[]);
        // Of the next sessions it has the routes, as soon as all peers have told theirs.
        for (_, peer) in families {
            wait_for(&format!("{}: {peer} is back with its routes", world.case()), PATIENCE, || {
                let what = told(peer)?;
                if !what.contains("restarted") && what.contains("forwarding preserved") {
                    return Ok(());
                }
                world.show("node2", &["peer", peer, "clear"])?;
                Err(what)
            });
        }
        world.await_sessions(&nodes);
    }
    world.await_pings();
}

/// SIGKILL at random moments, sometimes before the node has come back from the last one: the kernel forwards all the time, and
/// the others keep the node's routes. Meanwhile pods come and go, of which the node hears nothing until it is back.
fn killed_at_random_moments() {
    let mut topology = Topology::full_mesh(4);
    topology.pods_per_node = 1;
    let world = World::up("restarts::killed_at_random_moments", &topology);
    let nodes = world.nodes();
    world.await_tables(&[]);
    world.await_sessions(&nodes);
    let traffic = Traffic::start(&world, &world.fabric().probe_pairs());
    let mut random = Random::new(SEED);
    let mut borrowers: BTreeMap<&str, (String, Pair)> = BTreeMap::new();
    for _ in 0..KILLS {
        let victim = random.pick(&nodes).as_str();
        world.kill(victim);
        traffic.flow(Duration::from_millis(random.below(150)));
        match borrowers.remove(victim) {
            Some((pod, _)) => world.remove_pod(&pod),
            None => {
                let lender = nodes.iter().find(|node| *node != victim).expect("there are several");
                borrowers.insert(victim, world.add_pod(victim, Borrow::From(lender)));
            }
        }
        traffic.flow(Duration::from_millis(random.below(150)));
        world.revive(victim);
        traffic.flow(Duration::from_millis(random.below(1200)));
    }
    world.await_sessions(&nodes);
    let extras: Vec<_> = borrowers.iter().flat_map(|(node, (_, address))| borrowed(*address, node)).collect();
    world.await_tables(&extras);
    // What is left of the run before would be swept by now, and with it what was forgotten.
    for node in &nodes {
        world.await_fib(node, |fib| fib["stale"] == 0 && fib["pending"] == 0);
    }
    world.await_tables(&extras);
    traffic.lossless();
}

/// A node comes back while another one is dead: whoever lives has its routes at once, and only what the dead one alone could
/// confirm goes, after a bounded time.
fn with_a_dead_peer() {
    let mut topology = Topology::full_mesh(4);
    topology.pods_per_node = 1;
    let world = World::up("restarts::with_a_dead_peer", &topology);
    world.await_tables(&[]);
    world.await_sessions(&world.nodes());
    let alive = [("node1", "node3"), ("node3", "node1"), ("node3", "node4"), ("node4", "node1")];
    let traffic = Traffic::start(&world, &pairs(&world, &alive));
    world.kill("node2");
    // node1 knows that it is dead, and keeps its routes: the run to come has to keep them, too.
    world.await_down(&["node1".to_owned()], world.address("node2"));
    world.kill("node1");
    let (_, address) = world.add_pod("node1", Borrow::From("node3"));
    world.revive("node1");
    // The others keep what node2 told them, and hear of what is new on node1.
    let others = ["node3".to_owned(), "node4".to_owned()];
    world.await_tables_of(&others, &borrowed(address, "node1"));
    let report = world.show("node1", &["show", "node"]).unwrap_or_else(|error| panic!("{error}"));
    assert!(report["fib"]["stale"].as_u64().is_some_and(|stale| stale >= 2), "the dead peer delays nobody: {report}");
    let mut expected = world.expected("node1", &[]);
    assert!(
        world.table("node1").is_ok_and(|table| table == expected),
        "routes to the dead peer's blocks are kept so far"
    );
    for block in world.blocks("node2").networks() {
        expected.remove(&block);
    }
    wait_for(&format!("{}: node1 gives up what nobody confirms", world.case()), PATIENCE, || {
        let found = world.table("node1")?;
        ensure(found == expected, || difference(&expected, &found))
    });
    world.revive("node2");
    world.await_tables(&borrowed(address, "node1"));
    traffic.lossless();
    world.await_pings();
}

/// SIGTERM and a start: no peer sees a route withdrawn, no kernel is written to, not even that of the node itself.
fn planned() {
    let mut topology = Topology::full_mesh(4);
    topology.pods_per_node = 1;
    let [.., last] = topology.racks[0].nodes.as_mut_slice() else { panic!("there are nodes") };
    last.program = heddle_lab::topology::NodeProgram::Nothing;
    let world = World::up("restarts::planned", &topology);
    let nodes: Vec<String> = world.nodes().into_iter().filter(|node| node != "node4").collect();
    let monitor = FrrMonitor::start(&world, "node4", &nodes);
    world.await_sessions(&nodes);
    // The monitor advertises nothing: the block of its node is nobody's.
    let expected = world.blocks_of(&nodes);
    monitor.await_prefixes(&expected);
    let traffic = Traffic::start(&world, &pairs(&world, &[("node1", "node2"), ("node2", "node3"), ("node3", "node1")]));
    let heard = monitor.withdrawals();
    let listeners: Vec<Listener> = nodes.iter().map(|node| Listener::start(&world, node)).collect();
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        let missed = scope.spawn(|| {
            let mut looks = 0;
            while !over.load(Ordering::Acquire) {
                let missing = monitor.missing(&expected);
                if !missing.is_empty() {
                    return Err(missing);
                }
                looks += 1;
                thread::sleep(Duration::from_millis(10));
            }
            Ok(looks)
        });
        let began = Instant::now();
        world.stop("node1");
        traffic.flow(Duration::from_millis(500));
        world.revive("node1");
        world.await_sessions(&nodes);
        world.await_fib("node1", |fib| fib["stale"] == 0 && fib["pending"] == 0 && fib["installed"] == fib["desired"]);
        monitor.await_established(&nodes);
        monitor.await_fresh();
        println!("{}: node1 was stopped and complete again after {} ms", world.case(), began.elapsed().as_millis());
        over.store(true, Ordering::Release);
        let looks = missed.join().expect("the thread ends");
        assert!(matches!(looks, Ok(1..)), "the monitor had no route to {looks:?}");
    });
    assert_eq!(monitor.withdrawals(), heard, "withdrawals that the monitor heard");
    for listener in listeners {
        let events = listener.finish();
        assert!(events.is_empty(), "{}: the kernels' routes were touched: {events:#?}", world.case());
    }
    traffic.lossless();

    // Those who heard nothing would have heard.
    let listener = Listener::start(&world, "node2");
    let (pod, address) = world.add_pod("node1", Borrow::From("node3"));
    world.await_tables_of(&nodes, &borrowed(address, "node1"));
    monitor.await_prefixes(&[expected.as_slice(), address.networks().as_slice()].concat());
    world.remove_pod(&pod);
    monitor.await_prefixes(&expected);
    world.await_tables_of(&nodes, &[]);
    assert!(listener.finish().len() >= 4, "two routes came and went");
    assert!(monitor.withdrawals().len() >= heard.len() + 2, "two routes were withdrawn");
}
