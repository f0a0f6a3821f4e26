//! Many routes from one BGP peer into the kernel of a node.
//!
//! The peer is simulated: all its UPDATEs are made beforehand, six prefixes a set of attributes, four next hops that take
//! turns. What our netlink writer needs for the same routes, fed from memory, is the floor. In the end the kernel's table is
//! compared with what was sent: every prefix, its next hop, its metric, and none besides.

mod frr;
mod routes;

use std::net::IpAddr;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use heddle_bgp_core::{Asn, BgpId};
use heddle_lab::fabric::Fabric;
use heddle_lab::host::Host;
use heddle_lab::process::Process;
use heddle_lab::topology::{DEFAULT_ASN, NodeProgram, Topology};
use heddle_netlink::{Cookie, IpNetwork, Leg, LinkIndex, Protocol, RequestSocket, Route};

use crate::args::Fill;
use crate::contender::{Contender, Setup};
use crate::report::{Aim, Report, Row, Value};
use crate::speaker::{Drain, Identity, write_all};
use crate::stand::build;
use crate::stats::Samples;
use crate::usage;
use routes::{Routes, arrive};

/// Until the session is there and its first route is in the kernel.
const READY: Duration = Duration::from_secs(60);

/// What one contender needed.
#[derive(Debug, Default)]
struct Figures {
    seconds: Samples,
    cpu: Samples,
    peak: Samples,
}

pub(crate) fn run(args: &Fill, setup: &Setup) -> anyhow::Result<Report> {
    let limit = Duration::from_secs(args.limit);
    let mut floor = Samples::default();
    let mut all: Vec<(Contender, Figures)> =
        setup.contenders.iter().map(|contender| (*contender, Figures::default())).collect();
    let mut over = Vec::new();
    for number in 0..args.runs {
        let seconds = writer_alone(setup, args, number)?;
        floor.push(seconds);
        eprintln!("the writer alone: {seconds:.2} s");
        for (contender, figures) in &mut all {
            if over.contains(contender) {
                continue;
            }
            if daemon(setup, *contender, number, args, figures)? == Again::No {
                over.push(*contender);
            }
            eprintln!("{contender}: {:.2?}", figures);
        }
    }
    let floor = floor.median().unwrap_or(f64::INFINITY);
    let mut report = Report::new(format!(
        "fill: {} {} routes from BGP into the kernel",
        args.routes,
        if args.ipv6 { "IPv6" } else { "IPv4" }
    ));
    let mut time = Row::new("from the first UPDATE until all are in the kernel", "s").aim(Aim::OfOther(1.0 / 3.0));
    let mut times = Row::new("times what our writer alone needs", "").aim(Aim::AtMost(1.25));
    let mut cpu = Row::new("CPU time of the daemon", "s");
    let mut peak = Row::new("memory of the daemon, at its highest", "MiB");
    let value =
        |seconds: f64| if seconds.is_finite() { Value::Is(seconds) } else { Value::MoreThan(limit.as_secs_f64()) };
    for (contender, figures) in &all {
        let median = figures.seconds.median();
        time = time.value(*contender, median.map(value));
        times = times.value(*contender, median.filter(|s| s.is_finite()).map(|seconds| Value::Is(seconds / floor)));
        cpu = cpu.value(*contender, figures.cpu.median().map(Value::Is));
        peak = peak.value(*contender, figures.peak.median().map(Value::Is));
    }
    report.rows = vec![time, times, cpu, peak];
    report.notes.push(format!("our netlink writer alone, fed from memory with the same routes: {floor:.2} s"));
    let spread = |(contender, figures): &(Contender, Figures)| {
        Some(format!("{contender} {} to {} s", value(figures.seconds.min()?), value(figures.seconds.max()?)))
    };
    report.notes.push(format!("least and most: {}", all.iter().filter_map(spread).collect::<Vec<_>>().join(", ")));
    report
        .notes
        .push(format!("medians of {} runs; the contenders take turns, each in namespaces of its own", args.runs));
    Ok(report)
}

/// Two hosts on a LAN: the node, and the simulated peer.
fn two_hosts(setup: &Setup, program: NodeProgram, name: &str) -> anyhow::Result<Fabric> {
    let mut topology = Topology::full_mesh(2);
    topology.pods_per_node = 0;
    let programs = [program, NodeProgram::Nothing];
    for (node, program) in topology.racks.iter_mut().flat_map(|rack| &mut rack.nodes).zip(programs) {
        node.program = program;
    }
    build(setup, &topology, name)
}

/// The node and its peer, each with its address of the case's family, and the node's IPv4 address.
struct Pair<'a> {
    node: &'a Host,
    peer: &'a Host,
    address: IpAddr,
    router_id: IpAddr,
    routes: Routes,
}

impl<'a> Pair<'a> {
    fn of(fabric: &'a Fabric, args: &Fill) -> anyhow::Result<Self> {
        let mut nodes = fabric.plan().nodes();
        let mut next = || {
            let node = nodes.next().context("a fabric of two has two")?;
            let address = node.address.context("a node has addresses")?;
            let [v4, v6] = address.addresses();
            anyhow::Ok((fabric.host(&node.name)?, if args.ipv6 { v6 } else { v4 }, v4))
        };
        let (node, address, router_id) = next()?;
        let (peer, remote, _) = next()?;
        Ok(Self { node, peer, address, router_id, routes: Routes { count: args.routes, peer: remote } })
    }
}

fn writer_alone(setup: &Setup, args: &Fill, number: u32) -> anyhow::Result<f64> {
    let fabric = two_hosts(setup, NodeProgram::Nothing, &format!("writer-{number}"))?;
    let Pair { node, routes, .. } = Pair::of(&fabric, args)?;
    let link = node.link("eth0")?;
    let took = node.namespace().run(|| write(routes, link))?;
    fabric.down();
    took
}

fn write(routes: Routes, link: LinkIndex) -> anyhow::Result<f64> {
    let mut socket = RequestSocket::open()?;
    let began = Instant::now();
    for (number, destination) in (0u32..).zip(routes.destinations()) {
        let prefix = IpNetwork::new(destination, routes.length())?;
        let leg = Leg::via(routes.next_hop(number), link);
        socket.add(Cookie(number.into()), &Route::new(prefix, Protocol::HEDDLE).metric(1024).leg(leg))?;
    }
    let results = socket.flush()?;
    let took = began.elapsed();
    if results.all_done() {
        Ok(took.as_secs_f64())
    } else {
        bail!("the kernel refused {} routes", results.failures.len())
    }
}

/// Whether a contender is worth another run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Again {
    Yes,
    /// The limit was reached.
    No,
}

fn daemon(
    setup: &Setup,
    contender: Contender,
    number: u32,
    args: &Fill,
    figures: &mut Figures,
) -> anyhow::Result<Again> {
    let limit = Duration::from_secs(args.limit);
    let fabric = two_hosts(setup, contender.node_program(), &format!("{contender}-{number}"))?;
    let pair = Pair::of(&fabric, args)?;
    let (node, routes) = (pair.node, pair.routes);
    let updates = routes.updates()?;
    fabric.start(&mut |_| {}, &|| false)?;
    let spawned: Vec<Process> = match contender {
        Contender::Heddle | Contender::Bird => Vec::new(),
        Contender::Frr => frr::start(&fabric, node, [pair.address, pair.router_id], routes.peer)?,
    };
    setup.note(contender, &fabric)?;
    let remote = pair.address;
    let bgp_id = match fabric.plan().nodes().nth(1).and_then(|node| node.address) {
        Some(address) => BgpId::from(address.v4.ip()),
        None => bail!("a peer has an address"),
    };
    let identity = Identity { local: routes.peer, remote, asn: Asn(DEFAULT_ASN), bgp_id };
    let session = pair.peer.namespace().run(|| identity.establish(Instant::now() + READY))??;
    let writer = session.try_clone()?;
    let drain = Drain::start(vec![session])?;
    write_all(&writer, routes.first_update()?.octets())?;
    let canary = |limit| node.namespace().run(move || arrive(&[routes.canary()], limit));
    canary(READY)??.with_context(|| format!("{contender} writes no routes after {} s", READY.as_secs()))?;
    let started = fabric.processes().into_iter().map(|(.., pid, _)| pid);
    let pids: Vec<u32> = started.chain(spawned.iter().map(Process::pid)).collect();
    let before = usage::of_all(&pids).cpu;
    let sample = routes.sample();
    let began = Instant::now();
    let arrived = thread::scope(|scope| {
        let sender = scope.spawn(|| write_all(&writer, updates.octets()));
        let arrived = node.namespace().run(|| arrive(&sample, limit));
        drain.check()?;
        match (arrived??, sender.join()) {
            (arrived, Ok(Ok(()))) => Ok(arrived),
            (None, _) => Ok(None),
            (Some(_), Ok(Err(error))) => Err(error),
            (Some(_), Err(_)) => bail!("the sender ended by a panic"),
        }
    })?;
    if arrived.is_some() {
        routes.verify(node, limit).with_context(|| format!("{contender}: the kernel's table is wrong"))?;
    }
    let seconds = arrived.map_or(f64::INFINITY, |at| at.saturating_duration_since(began).as_secs_f64());
    let used = usage::of_all(&pids);
    figures.seconds.push(seconds);
    figures.cpu.push(used.cpu.saturating_sub(before).as_secs_f64());
    figures.peak.push(used.peak);
    drop(drain);
    drop(spawned);
    fabric.down();
    Ok(if arrived.is_some() { Again::Yes } else { Again::No })
}
