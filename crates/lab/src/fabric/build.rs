//! Building: namespaces, cables, addresses, routes, files, pods.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::AtomicU64;

use super::{Fabric, FabricError, Interrupted, Options, Step};
use crate::daemons;
use crate::datastore as files;
use crate::groups;
use crate::host::{Host, HostError, lay};
use crate::plan::{Plan, Role};
use crate::pod::{Allocator, Borrow, answer_for_gateway};
use crate::process::{ProcessError, Starter};
use crate::topology::{NodeProgram, Topology, TorDaemon};
use crate::tor;

/// The datastore of the nodes, below the directory of a fabric.
pub(super) fn datastore(directory: &Path) -> PathBuf {
    directory.join("datastore")
}

pub(super) fn build(
    topology: &Topology,
    options: &Options,
    progress: &mut dyn FnMut(Step),
    interrupted: Interrupted<'_>,
) -> Result<Fabric, FabricError> {
    topology.check().map_err(FabricError::Topology)?;
    let plan = Plan::new(topology, tor::installed());
    let mut builder = Builder { plan: &plan, progress, interrupted };
    let hosts = builder.hosts(&options.directory)?;
    builder.links(&hosts)?;
    builder.routes(&hosts)?;
    let daemons = builder.files(&hosts, options)?;
    let blocks = plan.nodes().filter_map(|node| node.blocks().map(|blocks| (node.name.clone(), blocks)));
    let allocator = Allocator::new(blocks.collect::<Vec<_>>());
    let starter = starter(&plan, options)?;
    let fabric = Fabric {
        directory: options.directory.clone(),
        processes: Mutex::default(),
        daemons,
        starter,
        pods: Mutex::default(),
        allocator: Mutex::new(allocator),
        serial: AtomicU64::new(1),
        hosts,
        broken: Mutex::default(),
        started: Mutex::default(),
        plan: plan.clone(),
    };
    pods(&fabric, progress, interrupted)?;
    Ok(fabric)
}

/// What starts the programs, in a mount namespace where FRR wants one.
fn starter(plan: &Plan, options: &Options) -> Result<Starter, FabricError> {
    let starter = Starter::new(&options.program)?;
    // Where nothing runs, whoever uses the fabric may start FRR.
    let frr = |role: &Role| match role {
        Role::Tor { daemon, .. } => *daemon == TorDaemon::Frr,
        Role::Node { program, .. } => *program == NodeProgram::Nothing,
        Role::Switch | Role::Reflector(_) => false,
    };
    if plan.hosts.iter().any(|host| frr(&host.role)) {
        let path = options.directory.clone();
        let copy = groups::write(&path).map_err(|source| ProcessError::Groups { path, source })?;
        copy.map_or(Ok(()), |copy| starter.cover_groups(copy))?;
    }
    Ok(starter)
}

struct Builder<'a> {
    plan: &'a Plan,
    progress: &'a mut dyn FnMut(Step),
    interrupted: Interrupted<'a>,
}

impl Builder<'_> {
    fn step(&mut self, what: &'static str, done: usize, total: usize) -> Result<(), FabricError> {
        (self.progress)(Step { what, done, total });
        if (self.interrupted)() { Err(FabricError::Interrupted) } else { Ok(()) }
    }

    fn hosts(&mut self, directory: &Path) -> Result<BTreeMap<String, Host>, FabricError> {
        let total = self.plan.hosts.len();
        let mut hosts = BTreeMap::new();
        for (planned, done) in self.plan.hosts.iter().zip(1..) {
            let host = Host::router(&planned.name, &directory.join("hosts").join(&planned.name))?;
            if planned.role == Role::Switch {
                host.make_bridge()?;
            }
            hosts.insert(planned.name.clone(), host);
            self.step("hosts", done, total)?;
        }
        Ok(hosts)
    }

    fn links(&mut self, hosts: &BTreeMap<String, Host>) -> Result<(), FabricError> {
        let total = self.plan.links.len();
        for (link, done) in self.plan.links.iter().zip(1..) {
            if let (Some(lower), Some(upper)) = (hosts.get(&link.lower.host), hosts.get(&link.upper.host)) {
                lay(link, lower, upper)?;
                upper.connect(&link.upper)?;
                lower.connect(&link.lower)?;
            }
            self.step("links", done, total)?;
        }
        Ok(())
    }

    fn routes(&mut self, hosts: &BTreeMap<String, Host>) -> Result<(), FabricError> {
        let total = self.plan.hosts.len();
        for (planned, done) in self.plan.hosts.iter().zip(1..) {
            if let Some(host) = hosts.get(&planned.name) {
                write_routes(self.plan, host)?;
                if matches!(planned.role, Role::Node { .. }) {
                    answer_for_gateway(host)?;
                }
                write_neighbours(self.plan, host)?;
            }
            self.step("routes", done, total)?;
        }
        Ok(())
    }

    fn files(
        &mut self,
        hosts: &BTreeMap<String, Host>,
        options: &Options,
    ) -> Result<BTreeMap<String, Vec<daemons::Daemon>>, FabricError> {
        let cluster = datastore(&options.directory);
        files::write(&cluster, &files::of_cluster(self.plan))
            .map_err(|source| HostError::File { path: cluster.clone(), source })?;
        let mut all = BTreeMap::new();
        for planned in &self.plan.hosts {
            if let Some(host) = hosts.get(&planned.name) {
                let daemons = daemons::of(self.plan, planned, host, &options.program, &cluster)?;
                all.insert(planned.name.clone(), daemons);
            }
        }
        self.step("files", 1, 1)?;
        Ok(all)
    }
}

fn pods(fabric: &Fabric, progress: &mut dyn FnMut(Step), interrupted: Interrupted<'_>) -> Result<(), FabricError> {
    let wanted: Vec<(String, u32)> = fabric
        .plan
        .nodes()
        .filter_map(|node| match node.role {
            Role::Node { pods, .. } => Some((node.name.clone(), pods)),
            Role::Switch | Role::Tor { .. } | Role::Reflector(_) => None,
        })
        .collect();
    let total = wanted.iter().map(|(_, pods)| *pods as usize).sum();
    let mut done = 0;
    for (node, pods) in wanted {
        for _ in 0..pods {
            fabric.add_pod(&node, Borrow::Own)?;
            done += 1;
            progress(Step { what: "pods", done, total });
            if interrupted() {
                return Err(FabricError::Interrupted);
            }
        }
    }
    Ok(())
}

/// The static routes of a host whose next hops are on links that are up: also after a link came back, because the kernel
/// removed those that led over it.
pub(super) fn write_routes(plan: &Plan, host: &Host) -> Result<(), HostError> {
    let Some(planned) = plan.host(host.name()) else { return Ok(()) };
    for route in &planned.routes {
        if let Some(interface) = Host::interface_toward(plan.ends(host.name()), route.via) {
            host.add_static(route, interface)?;
        }
    }
    Ok(())
}

/// Permanent neighbour entries of a large LAN.
fn write_neighbours(plan: &Plan, host: &Host) -> Result<(), HostError> {
    let Some(planned) = plan.host(host.name()) else { return Ok(()) };
    for neighbour in &planned.neighbours {
        if let Some(interface) = Host::interface_toward(plan.ends(host.name()), neighbour.addresses()[0]) {
            host.add_neighbour(*neighbour, interface)?;
        }
    }
    Ok(())
}
