//! One node of ours, and a speaker beside it: routes that lead to themselves; how long routes of ours are missing, or wrong, that somebody
//! took away or changed, heard or not, or that went with a link.

use std::fs;
use std::time::{Duration, Instant};

use heddle_interop_tests::peers::heddle::program;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_lab::process::{Process, Program};
use heddle_lab::topology::{DEFAULT_ASN, NodeProgram, Topology};
use heddle_netlink::{Control, ControlError, Leg, LinkIndex, Protocol, Route};
use serde_json::Value;

use crate::Case;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[
    Case { name: "lone_node::own_next_hop", needs: &[], run: own_next_hop },
    Case { name: "lone_node::drift", needs: &[], run: drift },
    Case { name: "lone_node::drift_unheard", needs: &[], run: drift_unheard },
];

/// A node of ours, and `others` on which nothing runs.
pub(crate) fn topology(others: usize) -> Topology {
    let mut topology = Topology::full_mesh(1 + others);
    topology.pods_per_node = 0;
    let nodes = topology.racks.iter_mut().flat_map(|rack| &mut rack.nodes);
    nodes.skip(1).for_each(|node| node.program = NodeProgram::Nothing);
    topology
}

/// The shortest hold time, in seconds.
const SHORT: u16 = 3;

/// A reflector on a host, with a session to `node1` and a hold time; `more` stands at the end of its configuration.
pub(crate) fn speaker(world: &World, host: &str, hold_time: u16, more: &str) -> Process {
    let (own, node) = (world.address(host).v4.ip(), world.address("node1").v4.ip());
    let directory = world.fabric().host(host).expect("it is there");
    let socket = directory.path("speaker.sock");
    let text = format!(
        "[router]\nasn = {DEFAULT_ASN}\nrouter_id = \"{own}\"\n\n[api]\nsocket = \"{}\"\n\n[[peers]]\naddress = \"{node}\"\n\
         local_address = \"{own}\"\nasn = {DEFAULT_ASN}\nhold_time = {hold_time}\nconnect_retry = 1\n{more}",
        socket.display()
    );
    let file = directory.write("speaker.toml", &text).expect("it can be written");
    let program = Program::new(program(), ["route-reflector", "--config", &file.display().to_string()]);
    let log = directory.path("speaker.log");
    world.fabric().spawn(host, &program, &log).unwrap_or_else(|error| panic!("a speaker on {host}: {error}"))
}

/// What the node says of its session with a host.
pub(crate) fn peer(world: &World, host: &str) -> Result<Value, String> {
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
    let _speaker = speaker(&world, "node2", SHORT, &more.concat());
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

/// How many routes a speaker brings that somebody does harm to.
const ROUTES: usize = 200;
/// How much time the node has for its hold time while it is stopped.
pub(crate) const LONG: u16 = 180;

/// A node with [`ROUTES`] routes of a speaker.
struct Drift {
    world: World,
    _speaker: Process,
    /// What the kernel has of them.
    before: Vec<Route>,
    link: LinkIndex,
    /// A way that leads elsewhere.
    elsewhere: Leg,
}

impl Drift {
    fn new(case: &'static str) -> Self {
        let world = World::build(case, &topology(2));
        world.start();
        let own = world.address("node2").v4.ip().to_string();
        let networks: Vec<String> = (0..ROUTES).map(|n| network(&format!("10.98.{n}.0/24"), &own)).collect();
        let speaker = speaker(&world, "node2", LONG, &networks.concat());
        let before: Vec<Route> = wait_for("all its routes", PATIENCE, || {
            let routes = of_speaker(&world)?;
            ensure(routes.len() == ROUTES, || format!("{} of {ROUTES}", routes.len()))?;
            Ok(routes)
        });
        let host = world.fabric().host("node1").expect("it is there");
        let link = host.link("eth0").expect("it has a link");
        let elsewhere = Leg::via(world.address("node3").v4.ip().into(), link);
        Self { world, _speaker: speaker, before, link, elsewhere }
    }

    /// Does something to the kernel of the node.
    #[track_caller]
    fn kernel(&self, work: impl FnOnce(&mut Control) -> Result<(), ControlError>) {
        let host = self.world.fabric().host("node1").expect("it is there");
        host.kernel(work).unwrap_or_else(|error| panic!("{error}"));
    }

    fn change(&self, route: &Route, control: &mut Control) -> Result<(), ControlError> {
        control.replace_route(&Route::new(route.prefix, Protocol::HEDDLE).metric(route.metric).leg(self.elsewhere))
    }

    /// How long it takes from `began` until all is as before; looked at without a pause, for it takes less than any.
    #[track_caller]
    fn until_as_before(&self, began: Instant, what: &str) -> Duration {
        let before = texts(&self.before);
        // An error: the table changed while it was read.
        while !of_speaker(&self.world).is_ok_and(|routes| texts(&routes) == before) {
            assert!(began.elapsed() < PATIENCE, "{what}: not as before, and it is not waited for any longer");
        }
        began.elapsed()
    }

    /// A number of the node's forwarding table.
    #[track_caller]
    fn number(&self, name: &str) -> u64 {
        let report = self.world.show("node1", &["show", "node"]).expect("it answers");
        report["fib"][name].as_u64().unwrap_or_else(|| panic!("no {name}: {report}"))
    }
}

/// The routes of the speaker that the kernel of the node has.
fn of_speaker(world: &World) -> Result<Vec<Route>, String> {
    let mut routes = world.routes_of("node1", Protocol::HEDDLE)?;
    routes.retain(|route| route.prefix.to_string().starts_with("10.98."));
    Ok(routes)
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |part: usize| times.get(part * (times.len() - 1) / 100).copied().unwrap_or_default();
    let (median, most, all) = (at(50), at(99), at(100));
    println!(
        "{what}: {} times, as before after {median:.1?} (median), {most:.1?} (p99), {all:.1?} at most",
        times.len()
    );
}

/// Routes of ours are deleted by somebody, and others changed: each is as it was before the next one is. Prints how long it took.
fn drift() {
    /// The kernel is read as a whole each minute, which would mend everything, and when something was lost.
    const READ: u64 = 50;
    let drift = Drift::new("lone_node::drift");
    let readings = drift.number("resyncs");
    for what in ["deleted", "changed"] {
        let mut times: Vec<Duration> = Vec::new();
        for route in &drift.before {
            let began = Instant::now();
            drift.kernel(|control| match what {
                "deleted" => control.delete_route(route),
                _ => drift.change(route, control),
            });
            times.push(drift.until_as_before(began, what));
        }
        print(what, times);
    }
    let repairs = u64::try_from(2 * ROUTES).expect("small");
    drift.world.await_fib("node1", |fib| fib["repairs"].as_u64() >= Some(repairs));
    let readings = drift.number("resyncs") - readings;
    assert!(readings < READ, "reports did not do: all was read {readings} times");
}

/// The same where the reports are lost, with many others that the node had no room for while it did not run; and where the routes go with
/// their link, of which the kernel says nothing.
fn drift_unheard() {
    const TIMES: usize = 10;
    /// How many routes are deleted each time, and how many changed.
    const HARMED: usize = 10;
    let drift = Drift::new("lone_node::drift_unheard");
    let mut times: Vec<Duration> = Vec::new();
    for n in 0..TIMES {
        let overruns = drift.number("overruns");
        let pid = drift.world.process("node1", None, |process| process.freeze().map(|()| process.pid()));
        fill(&drift, pid);
        let (deleted, changed) = drift.before[n * HARMED..].split_at(HARMED);
        drift.kernel(|control| {
            deleted.iter().try_for_each(|route| control.delete_route(route))?;
            changed.iter().take(HARMED).try_for_each(|route| drift.change(route, control))
        });
        let began = Instant::now();
        drift.world.process("node1", None, |process| process.thaw());
        times.push(drift.until_as_before(began, "reports lost"));
        drift.world.await_fib("node1", |fib| fib["overruns"].as_u64() > Some(overruns));
    }
    print("reports lost", times);
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..TIMES {
        drift.kernel(|control| control.set_down(drift.link));
        assert_eq!(of_speaker(&drift.world), Ok(vec![]), "the kernel keeps routes over a link that is down");
        let began = Instant::now();
        drift.kernel(|control| control.set_up(drift.link));
        times.push(drift.until_as_before(began, "link down and up"));
    }
    print("link down and up", times);
}

/// Changes a route of nobody's until the kernel has dropped reports that a process was to have.
fn fill(drift: &Drift, pid: u32) {
    /// More than fills any buffer.
    const STORM: usize = 1_000_000;
    /// How often it is looked whether something was dropped.
    const LOOK: usize = 500;
    let before = dropped(pid);
    let storm = Route::new("203.0.113.0/24".parse().expect("a prefix"), Protocol::STATIC).leg(Leg::device(drift.link));
    drift.kernel(|control| {
        for n in 0..STORM {
            control.add_route(&storm)?;
            control.delete_route(&storm)?;
            if n % LOOK == 0 && dropped(pid) > before {
                break;
            }
        }
        Ok(())
    });
    assert!(dropped(pid) > before, "the socket has room for {STORM} changes");
}

/// How many reports the kernel has dropped for want of room, on the sockets that listen in the network namespace of a process.
fn dropped(pid: u32) -> u64 {
    let table = fs::read_to_string(format!("/proc/{pid}/net/netlink")).expect("the kernel lists its sockets");
    let column = |line: &str, at: usize| line.split_whitespace().nth(at).map(str::to_owned).unwrap_or_default();
    let listening = table.lines().skip(1).filter(|line| column(line, 3) != "00000000");
    listening.map(|line| column(line, 8).parse::<u64>().expect("a number")).sum()
}

/// In a canonical form, sorted.
fn texts(routes: &[Route]) -> Vec<String> {
    let mut texts: Vec<String> = routes.iter().map(|route| route.clone().canonical().to_string()).collect();
    texts.sort();
    texts
}
