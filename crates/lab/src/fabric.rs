//! A fabric that runs: hosts, pods and processes, and what can be done to them.

mod build;
mod converge;
mod faults;
mod observe;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use thiserror::Error;

use crate::daemons::Daemon;
use crate::host::{Host, HostError, lock};
use crate::namespace::NamespaceError;
use crate::ping::{self, Ping};
use crate::plan::Plan;
use crate::pod::{Allocator, Borrow, Pod, PodError};
use crate::prober::{Endpoints, ProbeError, Prober};
use crate::process::{Process, ProcessError, Starter, State, stop_deadline};
use crate::topology::{Fault, Topology};

pub use converge::{Convergence, Patience};
pub use faults::{Target, TargetError};
pub use observe::{FibEntry, SessionView};

/// Where a fabric's programs and files are.
#[derive(Clone, Debug)]
pub struct Options {
    /// The `heddle` executable.
    pub program: PathBuf,
    /// A directory for configurations, sockets and logs; it is made.
    pub directory: PathBuf,
}

/// How far the building has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// What is being done.
    pub what: &'static str,
    /// How much of it is done.
    pub done: usize,
    /// How much there is.
    pub total: usize,
}

/// Something could not be done to a fabric.
#[derive(Debug, Error)]
pub enum FabricError {
    /// The topology breaks rules.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Topology(Vec<Fault>),
    /// A namespace.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A host.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A pod.
    #[error(transparent)]
    Pod(#[from] PodError),
    /// A process.
    #[error(transparent)]
    Process(#[from] ProcessError),
    /// A prober.
    #[error(transparent)]
    Probe(#[from] ProbeError),
    /// What to break or heal.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// Somebody wants it to end.
    #[error("interrupted")]
    Interrupted,
}

/// Whether a long work should go on.
pub type Interrupted<'a> = &'a (dyn Fn() -> bool + Sync);

/// A running fabric. When it drops, its processes are killed and its namespaces go.
#[derive(Debug)]
pub struct Fabric {
    plan: Plan,
    directory: PathBuf,
    // Processes go before the hosts that they run on.
    processes: Mutex<BTreeMap<(String, &'static str), Process>>,
    daemons: BTreeMap<String, Vec<Daemon>>,
    starter: Starter,
    pods: Mutex<BTreeMap<String, Pod>>,
    allocator: Mutex<Allocator>,
    serial: AtomicU64,
    hosts: BTreeMap<String, Host>,
    /// Interfaces that [`Fabric::break_down`] took down.
    broken: Mutex<Vec<usize>>,
    started: Mutex<Option<Instant>>,
}

impl Fabric {
    /// Builds hosts, links and pods, and writes all files. Nothing runs yet: see [`Fabric::start`].
    ///
    /// # Errors
    /// What could not be made; what was made until then is gone.
    pub fn build(
        topology: &Topology,
        options: &Options,
        progress: &mut dyn FnMut(Step),
        interrupted: Interrupted<'_>,
    ) -> Result<Self, FabricError> {
        build::build(topology, options, progress, interrupted)
    }

    /// Builds and starts, without a word.
    ///
    /// # Errors
    /// As [`Fabric::build`] and [`Fabric::start`].
    pub fn up(topology: &Topology, options: &Options) -> Result<Self, FabricError> {
        let fabric = Self::build(topology, options, &mut |_| {}, &|| false)?;
        fabric.start(&mut |_| {}, &|| false)?;
        Ok(fabric)
    }

    /// Starts all processes.
    ///
    /// # Errors
    /// When one cannot be started.
    pub fn start(&self, progress: &mut dyn FnMut(Step), interrupted: Interrupted<'_>) -> Result<(), FabricError> {
        let total = self.daemons.values().map(Vec::len).sum();
        let mut done = 0;
        *lock(&self.started) = Some(Instant::now());
        for (host, daemons) in &self.daemons {
            for daemon in daemons {
                if interrupted() {
                    return Err(FabricError::Interrupted);
                }
                self.start_daemon(host, daemon)?;
                done += 1;
                progress(Step { what: "processes", done, total });
            }
        }
        Ok(())
    }

    fn start_daemon(&self, host: &str, daemon: &Daemon) -> Result<(), FabricError> {
        let machine = self.host(host)?;
        let log = machine.path(&format!("{}.log", daemon.name));
        if let Some(ready) = &daemon.ready {
            // One of a run before it would be taken for ready.
            let _ = std::fs::remove_file(ready);
        }
        let mut process = self.starter.start(machine.namespace(), &daemon.program, &log)?;
        if let Some(ready) = &daemon.ready {
            let deadline = Instant::now() + Duration::from_secs(5);
            while !ready.exists() && process.is_alive() && Instant::now() < deadline {
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        lock(&self.processes).insert((host.to_owned(), daemon.name), process);
        Ok(())
    }

    /// Starts a program of the caller's on a host, beside those of the fabric. It ends when what is returned drops.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(&self, host: &str, program: &crate::process::Program, log: &Path) -> Result<Process, FabricError> {
        Ok(self.starter.start(self.host(host)?.namespace(), program, log)?)
    }

    /// The plan it was built from.
    #[must_use]
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Its directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The datastore of the nodes.
    #[must_use]
    pub fn datastore(&self) -> PathBuf {
        build::datastore(&self.directory)
    }

    /// A host.
    ///
    /// # Errors
    /// When there is none of this name.
    pub fn host(&self, name: &str) -> Result<&Host, PodError> {
        self.hosts.get(name).ok_or_else(|| PodError::NoNode(name.to_owned()))
    }

    /// All hosts.
    pub fn hosts(&self) -> impl Iterator<Item = &Host> {
        self.hosts.values()
    }

    /// Since when it has been running.
    #[must_use]
    pub fn running_for(&self) -> Option<Duration> {
        lock(&self.started).map(|started| started.elapsed())
    }

    /// The processes, with what they do: host, name, process id, state.
    #[must_use]
    pub fn processes(&self) -> Vec<(String, &'static str, u32, State)> {
        let mut processes = lock(&self.processes);
        let view = |((host, name), process): (&(String, &'static str), &mut Process)| {
            (host.clone(), *name, process.pid(), process.state())
        };
        processes.iter_mut().map(view).collect()
    }

    /// Does something to a process. Without a name it is the one that speaks BGP.
    ///
    /// # Errors
    /// When there is none.
    pub fn process<T>(
        &self,
        host: &str,
        name: Option<&str>,
        work: impl FnOnce(&mut Process) -> Result<T, ProcessError>,
    ) -> Result<T, FabricError> {
        let daemons = self.daemons.get(host).map(Vec::as_slice).unwrap_or_default();
        let wanted = name.or_else(|| daemons.last().map(|daemon| daemon.name)).unwrap_or("daemon");
        let mut processes = lock(&self.processes);
        let found = processes.iter_mut().find(|((on, known), _)| on == host && *known == wanted);
        let missing = || ProcessError::NotRunning { name: wanted.to_owned(), host: host.to_owned() };
        let (_, process) = found.ok_or_else(missing)?;
        Ok(work(process)?)
    }

    /// Starts those processes of a host again that have ended, and lets frozen ones go on. Returns how many there were.
    ///
    /// # Errors
    /// When one cannot be started.
    pub fn revive(&self, host: &str) -> Result<usize, FabricError> {
        let mut revived = 0;
        for daemon in self.daemons.get(host).map(Vec::as_slice).unwrap_or_default() {
            let state = lock(&self.processes).get_mut(&(host.to_owned(), daemon.name)).map(Process::state);
            match state {
                Some(State::Running) => continue,
                Some(State::Frozen) => self.process(host, Some(daemon.name), Process::thaw)?,
                Some(State::Ended { .. }) | None => self.start_daemon(host, daemon)?,
            }
            revived += 1;
        }
        Ok(revived)
    }

    /// Adds a pod to a node and returns its name.
    ///
    /// # Errors
    /// When there is no such node, no address, or the kernel refuses.
    pub fn add_pod(&self, node: &str, borrow: Borrow<'_>) -> Result<String, FabricError> {
        let host = self.host(node)?;
        let address = lock(&self.allocator).take(node, borrow)?;
        let serial = self.serial.fetch_add(1, Ordering::Relaxed);
        let name = self.free_name(node);
        match Pod::new(&name, host, address, serial) {
            Ok(pod) => {
                lock(&self.pods).insert(name.clone(), pod);
                Ok(name)
            }
            Err(error) => {
                lock(&self.allocator).release(address);
                Err(error.into())
            }
        }
    }

    fn free_name(&self, node: &str) -> String {
        let pods = lock(&self.pods);
        let mut names = (1u32..).map(|number| format!("{node}-pod{number}"));
        names.find(|name| !pods.contains_key(name)).unwrap_or_default()
    }

    /// Removes a pod.
    ///
    /// # Errors
    /// When there is none of this name, or the kernel refuses.
    pub fn remove_pod(&self, name: &str) -> Result<(), FabricError> {
        let pod = lock(&self.pods).remove(name).ok_or_else(|| PodError::NoPod(name.to_owned()))?;
        let (node, address) = (pod.node().to_owned(), pod.address());
        let removed = pod.remove(self.host(&node)?);
        lock(&self.allocator).release(address);
        Ok(removed?)
    }

    /// Looks at the pods, in the order of their names.
    pub fn with_pods<T>(&self, work: impl FnOnce(&[&Pod]) -> T) -> T {
        let pods = lock(&self.pods);
        let all: Vec<&Pod> = pods.values().collect();
        work(&all)
    }

    /// Every pod pings every other in both families.
    #[must_use]
    pub fn ping_matrix(&self, patience: Duration) -> Vec<Ping> {
        self.with_pods(|pods| ping::matrix(pods, patience))
    }

    /// Starts to probe between pods, both families: each pair is a flow from the first to the second.
    ///
    /// # Errors
    /// When a pod is not there, or a socket cannot be made.
    pub fn probe(&self, pairs: &[(String, String)]) -> Result<Prober, FabricError> {
        let pods = lock(&self.pods);
        let mut flows = Vec::new();
        for (from, to) in pairs {
            let find = |name: &String| pods.get(name).ok_or_else(|| PodError::NoPod(name.clone()));
            let (sender, receiver) = (find(from)?, find(to)?);
            let both = sender.address().addresses().into_iter().zip(receiver.address().addresses());
            for ((source, target), family) in both.zip(["v4", "v6"]) {
                flows.push(Endpoints {
                    name: format!("{from} > {to} {family}"),
                    from: (sender.namespace(), source),
                    to: (receiver.namespace(), target),
                });
            }
        }
        Ok(Prober::start(&flows)?)
    }

    /// Pairs worth probing: each node's first pod to that of the next node, and to that of the node half the way around.
    #[must_use]
    pub fn probe_pairs(&self) -> Vec<(String, String)> {
        /// Of pairs, two flows each: more would load a small machine instead of the fabric.
        const MOST: usize = 8;
        let firsts: Vec<String> = self.with_pods(|pods| {
            let mut seen = std::collections::BTreeSet::new();
            pods.iter().filter(|pod| seen.insert(pod.node().to_owned())).map(|pod| pod.name().to_owned()).collect()
        });
        let count = firsts.len();
        let mut pairs = Vec::new();
        for step in [1, count / 2] {
            for (index, from) in firsts.iter().enumerate() {
                let Some(to) = (index + step).checked_rem(count).and_then(|to| firsts.get(to)) else { continue };
                let pair = (from.clone(), to.clone());
                if from != to && !pairs.contains(&pair) && pairs.len() < MOST {
                    pairs.push(pair);
                }
            }
        }
        pairs
    }

    /// Ends it in order: processes by SIGTERM, pods, namespaces, and its directory.
    pub fn down(self) {
        self.stop_processes();
        let directory = self.directory.clone();
        drop(self);
        let _ = std::fs::remove_dir_all(directory);
    }

    fn stop_processes(&self) {
        let mut processes = lock(&self.processes);
        processes.values_mut().for_each(Process::begin_stop);
        let deadline = stop_deadline();
        processes.values_mut().for_each(|process| process.finish_stop(deadline));
        processes.clear();
    }
}
