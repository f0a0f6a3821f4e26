//! A fabric with one contender on its nodes, and pods' routes that come and go there.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use heddle_lab::fabric::{Fabric, Options, Patience};
use heddle_lab::host::Host;
use heddle_lab::process::State;
use heddle_lab::topology::Topology;
use heddle_netlink::{Control, IpNetwork, Leg, LinkIndex, Protocol, Route, Scope};

use crate::args::Shape;
use crate::contender::{Contender, Setup};
use crate::launch;
use crate::usage;

/// How long a fabric may take until all nodes have each other's routes.
const CONVERGENCE: Duration = Duration::from_secs(180);
/// Nodes that have a pod, on whose interface routes are added.
const WITH_PODS: usize = 10;
/// Pods that come and go have these addresses of the pool, which are in no node's block: as if they were borrowed.
const CHURNED: u32 = 0xc800;
/// How many of them.
const CHURNED_RANGE: u32 = 1024;
/// How long a pod lives.
const LIFE: u32 = 1;

/// A fabric of one contender.
#[derive(Debug)]
pub(crate) struct Stand {
    pub(crate) contender: Contender,
    pub(crate) fabric: Fabric,
    /// Their BIRD in place of our reflectors.
    _reflectors: Vec<heddle_lab::process::Process>,
    pub(crate) started: Started,
}

/// What the start of a fabric came to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Started {
    /// Seconds from the start of the first process until every kernel had all routes.
    pub(crate) routes: f64,
    /// CPU time of all nodes until then, and until all sessions were there.
    pub(crate) cpu: Duration,
}

/// The topology of a shape.
pub(crate) fn topology(shape: Shape, contender: Contender) -> Topology {
    let nodes = usize::from(shape.nodes);
    let mut topology = match usize::from(shape.reflectors) {
        0 => Topology::full_mesh(nodes),
        reflectors => Topology::reflected(nodes, reflectors),
    };
    topology.pods_per_node = 0;
    for (index, node) in topology.racks.iter_mut().flat_map(|rack| &mut rack.nodes).enumerate() {
        node.program = contender.node_program();
        node.pods = Some(u32::from(index < WITH_PODS));
    }
    topology
}

/// Makes hosts, links and pods; nothing runs yet.
pub(crate) fn build(setup: &Setup, topology: &Topology, name: &str) -> anyhow::Result<Fabric> {
    let directory: PathBuf = setup.directory(name);
    std::fs::create_dir_all(&directory)?;
    let program = launch::prepare(&directory, &setup.heddle)?;
    let options = Options { program, directory };
    Fabric::build(topology, &options, &mut |_| {}, &|| false).context("cannot make the fabric")
}

impl Stand {
    /// Brings a fabric up and waits until all nodes have each other's routes.
    pub(crate) fn up(setup: &Setup, contender: Contender, shape: Shape) -> anyhow::Result<Self> {
        let fabric = build(setup, &topology(shape, contender), &contender.to_string())?;
        fabric.start(&mut |_| {}, &|| false)?;
        let started = fabric.running_for().unwrap_or_default();
        let reflectors = match contender {
            Contender::Heddle => Vec::new(),
            Contender::Bird => crate::cases::reflectors::exchange(&fabric)?,
            Contender::Frr => bail!("FRR has no part in this case"),
        };
        let patience = Patience { limit: CONVERGENCE, interrupted: &|| false };
        let convergence = fabric.await_convergence(patience, &mut |_| {})?;
        if convergence.routes.is_none() {
            let missing: usize = convergence.missing.values().map(Vec::len).sum();
            bail!("{contender}: {missing} routes between nodes are missing after {} s", CONVERGENCE.as_secs());
        }
        setup.note(contender, &fabric)?;
        let seconds = |at: Option<Duration>| at.map_or(f64::INFINITY, |at| at.as_secs_f64());
        let routes = seconds(convergence.routes);
        let mut stand = Self { contender, fabric, _reflectors: reflectors, started: Started::default() };
        stand.started = Started { routes, cpu: usage::of_all(&stand.pids()).cpu };
        eprintln!(
            "{contender}: {} nodes started in {:.1} s, have all routes after {routes:.1} s, all sessions after {:.1} s, with {:.1} s of CPU",
            shape.nodes,
            started.as_secs_f64(),
            seconds(convergence.sessions),
            stand.started.cpu.as_secs_f64(),
        );
        Ok(stand)
    }

    /// The nodes, in order.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = &Host> {
        self.fabric.plan().nodes().filter_map(|node| self.fabric.host(&node.name).ok())
    }

    /// Process ids of what routes on the nodes.
    pub(crate) fn pids(&self) -> Vec<u32> {
        let nodes: Vec<&str> = self.nodes().map(Host::name).collect();
        let running = |(host, _, pid, state): (String, &str, u32, State)| {
            (nodes.contains(&host.as_str()) && state == State::Running).then_some(pid)
        };
        self.fabric.processes().into_iter().filter_map(running).collect()
    }

    /// What adds routes of pods to the first node.
    pub(crate) fn first_node(&self) -> anyhow::Result<PodRoutes> {
        let node = self.nodes().next().context("a fabric has nodes")?;
        pod_routes(&self.fabric, node)
    }

    /// Lets pods come and go until what is returned drops: so many are created, and as many deleted, each second, one node
    /// after the other. They are routes on a workload interface, IPv4 and IPv6, each of which has to reach all nodes.
    pub(crate) fn churn(&self, pods_per_second: u32) -> anyhow::Result<Churn> {
        let nodes: Vec<&Host> = self.nodes().take(WITH_PODS).collect();
        let places =
            nodes.into_iter().map(|node| pod_routes(&self.fabric, node)).collect::<anyhow::Result<Vec<_>>>()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = thread::Builder::new()
            .name("churn".to_owned())
            .spawn(move || churn(places, pods_per_second.max(1), &stopped))?;
        Ok(Churn { stop, thread: Some(thread) })
    }
}

/// What adds routes of pods to a node.
pub(crate) fn pod_routes(fabric: &Fabric, node: &Host) -> anyhow::Result<PodRoutes> {
    let interface = fabric
        .with_pods(|pods| pods.iter().find(|pod| pod.node() == node.name()).map(|pod| pod.interface().to_owned()));
    let link = node.link(&interface.ok_or_else(|| anyhow!("{} has no pod", node.name()))?)?;
    let control = node.namespace().run(Control::open)??;
    Ok(PodRoutes { control, link })
}

/// Adds and removes routes of pods on a node.
#[derive(Debug)]
pub(crate) struct PodRoutes {
    control: Control,
    link: LinkIndex,
}

impl PodRoutes {
    pub(crate) fn add(&mut self, to: IpNetwork) -> anyhow::Result<()> {
        Ok(self.control.add_route(&workload(to, self.link))?)
    }

    pub(crate) fn remove(&mut self, to: IpNetwork) -> anyhow::Result<()> {
        Ok(self.control.delete_route(&workload(to, self.link))?)
    }
}

/// A node's route to a pod: as Calico's Felix writes it.
fn workload(to: IpNetwork, link: LinkIndex) -> Route {
    let route = Route::new(to, Protocol::BOOT).metric(1024).leg(Leg::device(link));
    if to.is_ipv4() { Route { scope: Some(Scope::Link), ..route } } else { route }
}

/// The addresses at an offset in the pools.
pub(crate) fn pod(offset: u32) -> [IpNetwork; 2] {
    let pools = heddle_lab::addressing::pools();
    let v4 = Ipv4Addr::from(u32::from(pools.v4.ip()).wrapping_add(offset));
    let v6 = Ipv6Addr::from(u128::from(pools.v6.ip()).wrapping_add(offset.into()));
    [IpNetwork::from(IpAddr::V4(v4)), IpNetwork::from(IpAddr::V6(v6))]
}

/// Pods that come and go.
#[derive(Debug)]
pub(crate) struct Churn {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<anyhow::Result<u64>>>,
}

impl Churn {
    /// Ends it; tells how many pods were created.
    pub(crate) fn end(mut self) -> anyhow::Result<u64> {
        self.stop.store(true, Ordering::Release);
        let ended = self.thread.take().map(JoinHandle::join);
        ended.context("the churn has ended")?.map_err(|_| anyhow!("the churn ended by a panic"))?
    }
}

impl Drop for Churn {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn churn(mut places: Vec<PodRoutes>, pods_per_second: u32, stop: &AtomicBool) -> anyhow::Result<u64> {
    let interval = Duration::from_secs(1) / pods_per_second;
    let alive = pods_per_second.saturating_mul(LIFE).min(CHURNED_RANGE / 2);
    let count = u32::try_from(places.len())?;
    let mut created = 0u32;
    let mut next = Instant::now();
    let mut change = |number: u32, work: fn(&mut PodRoutes, IpNetwork) -> anyhow::Result<()>| {
        let place = number.checked_rem(count).and_then(|place| places.get_mut(usize::try_from(place).ok()?));
        let place = place.context("there is no node with pods")?;
        pod(CHURNED + number % CHURNED_RANGE).into_iter().try_for_each(|to| work(place, to))
    };
    while !stop.load(Ordering::Acquire) {
        change(created, PodRoutes::add)?;
        if let Some(oldest) = created.checked_sub(alive) {
            change(oldest, PodRoutes::remove)?;
        }
        created = created.wrapping_add(1);
        next += interval;
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    for number in created.saturating_sub(alive)..created {
        change(number, PodRoutes::remove)?;
    }
    Ok(created.into())
}
