//! Many routes from one BGP peer into the kernel of a node.
//!
//! The peer is simulated: all its UPDATEs are made beforehand, six prefixes a set of attributes, four next hops that take
//! turns. What our netlink writer needs for the same routes, fed from memory, is the floor.

use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use heddle_bgp_core::{Asn, BgpId, Family, Prefix};
use heddle_lab::fabric::Fabric;
use heddle_lab::host::Host;
use heddle_lab::topology::{DEFAULT_ASN, NodeProgram, Topology};
use heddle_netlink::{Cookie, IpNetwork, Leg, LinkIndex, Protocol, RequestSocket, Route};

use crate::args::Fill;
use crate::contender::{Contender, Setup};
use crate::report::{Aim, Report, Row, Value};
use crate::speaker::{Drain, Identity, Updates, write_all};
use crate::stand::build;
use crate::stats::Samples;
use crate::usage;

/// Prefixes with the same attributes.
const OF_ONE_SET: u32 = 6;
/// The first destination; all are /24.
const FIRST: u32 = 0x1400_0000;
/// One that comes before all others, to see that the daemon writes routes.
const CANARY: Ipv4Addr = Ipv4Addr::new(19, 0, 0, 0);
/// Of so many destinations, one is looked at while they arrive; all of them at the end.
const STRIDE: usize = 8;
/// Between two looks at a destination that is not there.
const PAUSE: Duration = Duration::from_millis(1);
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
    for number in 0..args.runs {
        let seconds = writer_alone(setup, args.routes, number)?;
        floor.push(seconds);
        eprintln!("the writer alone: {seconds:.2} s");
        for (contender, figures) in &mut all {
            daemon(setup, *contender, number, args.routes, limit, figures)?;
            eprintln!("{contender}: {:.2?}", figures);
        }
    }
    let floor = floor.median().unwrap_or(f64::INFINITY);
    let mut report = Report::new(format!("fill: {} routes from BGP into the kernel", args.routes));
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
    report
        .notes
        .push(format!("medians of {} runs; the contenders take turns, each in namespaces of its own", args.runs));
    Ok(report)
}

/// The routes, in the order in which they are sent.
fn destinations(routes: u32) -> impl Iterator<Item = Ipv4Addr> {
    (0..routes).map(|number| Ipv4Addr::from(FIRST.wrapping_add(number << 8)))
}

fn next_hop(peer: Ipv4Addr, set: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(peer).wrapping_add(set % 4))
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

fn hosts(fabric: &Fabric) -> anyhow::Result<[(&Host, Ipv4Addr); 2]> {
    let mut nodes = fabric.plan().nodes();
    let mut next = || {
        let node = nodes.next().context("a fabric of two has two")?;
        let address = node.address.context("a node has addresses")?.v4.ip();
        anyhow::Ok((fabric.host(&node.name)?, address))
    };
    Ok([next()?, next()?])
}

fn writer_alone(setup: &Setup, routes: u32, number: u32) -> anyhow::Result<f64> {
    let fabric = two_hosts(setup, NodeProgram::Nothing, &format!("writer-{number}"))?;
    let [(node, _), (_, peer)] = hosts(&fabric)?;
    let link = node.link("eth0")?;
    let took = node.namespace().run(|| write(routes, peer, link))?;
    fabric.down();
    took
}

fn write(routes: u32, peer: Ipv4Addr, link: LinkIndex) -> anyhow::Result<f64> {
    let mut socket = RequestSocket::open()?;
    let began = Instant::now();
    for (number, destination) in (0u32..).zip(destinations(routes)) {
        let prefix = IpNetwork::new(destination.into(), 24)?;
        let leg = Leg::via(next_hop(peer, number / OF_ONE_SET).into(), link);
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

fn daemon(
    setup: &Setup,
    contender: Contender,
    number: u32,
    routes: u32,
    limit: Duration,
    figures: &mut Figures,
) -> anyhow::Result<()> {
    let fabric = two_hosts(setup, contender.node_program(), &format!("{contender}-{number}"))?;
    let [(node, address), (peer_host, peer)] = hosts(&fabric)?;
    let updates = updates(routes, peer)?;
    fabric.start(&mut |_| {}, &|| false)?;
    let identity =
        Identity { local: peer.into(), remote: address.into(), asn: Asn(DEFAULT_ASN), bgp_id: BgpId::from(peer) };
    let session = peer_host.namespace().run(|| identity.establish(Instant::now() + READY))??;
    let writer = session.try_clone()?;
    let drain = Drain::start(vec![session])?;
    let mut first = Updates::new(Family::IPV4_UNICAST);
    first.advertise(peer.into(), u32::MAX, Prefix::new(CANARY.into(), 24).into_iter())?;
    first.end_of_rib();
    write_all(&writer, first.octets())?;
    let canary = |limit| node.namespace().run(move || arrive(&[CANARY], limit));
    canary(READY)??.with_context(|| format!("{contender} writes no routes after {} s", READY.as_secs()))?;
    let pids: Vec<u32> = fabric.processes().into_iter().map(|(.., pid, _)| pid).collect();
    let before = usage::of_all(&pids).cpu;
    let sample: Vec<Ipv4Addr> =
        destinations(routes).skip(STRIDE - 1).step_by(STRIDE).chain(destinations(routes).last()).collect();
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
        verify(node, routes, peer, limit)?;
    }
    let seconds = arrived.map_or(f64::INFINITY, |_| began.elapsed().as_secs_f64());
    let used = usage::of_all(&pids);
    figures.seconds.push(arrived.map_or(seconds, |at| at.saturating_duration_since(began).as_secs_f64()));
    figures.cpu.push(used.cpu.saturating_sub(before).as_secs_f64());
    figures.peak.push(used.peak);
    drop(drain);
    fabric.down();
    Ok(())
}

fn updates(routes: u32, peer: Ipv4Addr) -> anyhow::Result<Updates> {
    let mut updates = Updates::new(Family::IPV4_UNICAST);
    let all: Vec<Prefix> = destinations(routes).filter_map(|address| Prefix::new(address.into(), 24)).collect();
    for (set, prefixes) in (0u32..).zip(all.chunks(usize::try_from(OF_ONE_SET)?)) {
        updates.advertise(next_hop(peer, set).into(), set, prefixes.iter().copied())?;
    }
    Ok(updates)
}

/// Waits until the kernel has a route to each of these, one after the other; tells when it had the last, or nothing when
/// that takes too long. A connected datagram socket is the cheapest lookup: no route is ENETUNREACH.
fn arrive(destinations: &[Ipv4Addr], limit: Duration) -> anyhow::Result<Option<Instant>> {
    let deadline = Instant::now() + limit;
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    for destination in destinations {
        let target = SocketAddr::new(IpAddr::V4(*destination), 9);
        while socket.connect(target).is_err() {
            if Instant::now() >= deadline {
                return Ok(None);
            }
            sleep(PAUSE);
        }
    }
    Ok(Some(Instant::now()))
}

/// Every route is there, through its next hop.
fn verify(node: &Host, routes: u32, peer: Ipv4Addr, limit: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + limit;
    loop {
        let mut right = vec![false; usize::try_from(routes)?];
        for route in node.routes(heddle_netlink::Family::Ipv4)? {
            let IpAddr::V4(address) = route.prefix.ip() else { continue };
            let number = u32::from(address).wrapping_sub(FIRST) >> 8;
            let wanted = IpAddr::V4(next_hop(peer, number / OF_ONE_SET));
            let fits = route.legs.len() == 1 && route.legs.iter().all(|leg| leg.gateway == Some(wanted));
            if let Some(right) = usize::try_from(number).ok().and_then(|number| right.get_mut(number)) {
                *right = fits && route.prefix.prefix() == 24;
            }
        }
        let wrong = right.iter().filter(|right| !**right).count();
        if wrong == 0 {
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!("{wrong} of {routes} routes are missing or have another next hop");
        }
        sleep(PAUSE);
    }
}
