//! A fabric with what every case wants to know of it. When a case fails, it prints the logs of all daemons.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use heddle_interop_tests::peers::heddle::program;
use heddle_interop_tests::process::{read_log, tail};
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_lab::addressing::Pair;
use heddle_lab::fabric::{Fabric, Options};
use heddle_lab::pod::Borrow;
use heddle_lab::process::Process;
use heddle_lab::topology::Topology;
use ipnetwork::IpNetwork;
use nix::sys::signal::Signal;
use serde_json::Value;
use tempfile::TempDir;

use crate::strangers::Strangers;

/// The process of a node.
pub(crate) const NODE_PEER: &str = "node-peer";

/// A fabric, its directory, and the name of the case.
#[derive(Debug)]
pub(crate) struct World {
    // Its processes end before the directory goes.
    fabric: Option<Fabric>,
    directory: TempDir,
    case: &'static str,
    strangers: Strangers,
}

impl World {
    /// Builds a fabric with strangers' routes on its nodes; nothing runs yet.
    #[track_caller]
    pub(crate) fn build(case: &'static str, topology: &Topology) -> Self {
        let directory = tempfile::Builder::new().prefix("hd-fabric-").tempdir().expect("a temporary directory");
        let options = Options { program: program().to_owned(), directory: directory.path().join("lab") };
        let built = Fabric::build(topology, &options, &mut |_| {}, &|| false);
        let fabric = built.unwrap_or_else(|error| panic!("{case}: the fabric cannot be built: {error}"));
        let strangers = Strangers::lay(&fabric);
        Self { fabric: Some(fabric), directory, case, strangers }
    }

    /// Builds a fabric, starts all processes, and waits until every kernel has the routes that it has to have.
    #[track_caller]
    pub(crate) fn up(case: &'static str, topology: &Topology) -> Self {
        let world = Self::build(case, topology);
        world.start();
        world
    }

    /// Starts all processes.
    #[track_caller]
    pub(crate) fn start(&self) {
        self.fabric().start(&mut |_| {}, &|| false).unwrap_or_else(|error| panic!("{}: {error}", self.case));
    }

    /// The fabric.
    #[track_caller]
    pub(crate) fn fabric(&self) -> &Fabric {
        self.fabric.as_ref().expect("invariant: it is there until the end")
    }

    /// The case.
    pub(crate) fn case(&self) -> &'static str {
        self.case
    }

    /// The names of the nodes.
    pub(crate) fn nodes(&self) -> Vec<String> {
        self.fabric().plan().nodes().map(|node| node.name.clone()).collect()
    }

    /// The blocks of a node.
    #[track_caller]
    pub(crate) fn blocks(&self, node: &str) -> Pair {
        self.fabric().plan().host(node).and_then(|host| host.blocks()).unwrap_or_else(|| panic!("{node} has no blocks"))
    }

    /// The addresses of a host.
    #[track_caller]
    pub(crate) fn address(&self, host: &str) -> Pair {
        self.fabric().plan().host(host).and_then(|host| host.address).unwrap_or_else(|| panic!("{host} has no address"))
    }

    /// Asks the program on a host, as a user does, for JSON.
    pub(crate) fn show(&self, host: &str, words: &[&str]) -> Result<Value, String> {
        let socket = self.fabric().host(host).map_err(|error| error.to_string())?.path("heddle.sock");
        let output = Command::new(program()).args(words).arg("--json").arg("--socket").arg(socket).output();
        let output = output.map_err(|error| error.to_string())?;
        if !output.status.success() {
            return Err(format!("heddle {words:?}: {}", String::from_utf8_lossy(&output.stderr)));
        }
        serde_json::from_slice(&output.stdout).map_err(|error| format!("heddle {words:?}: {error}"))
    }

    /// Waits until the numbers of a node's forwarding table (`heddle show node --json`) are as wanted.
    #[track_caller]
    pub(crate) fn await_fib(&self, node: &str, wanted: impl Fn(&Value) -> bool) {
        wait_for(&format!("{}: the forwarding table of {node} in numbers", self.case), PATIENCE, || {
            let report = self.show(node, &["show", "node"])?;
            let fib = report.get("fib").filter(|fib| !fib.is_null()).ok_or("no forwarding table")?;
            ensure(wanted(fib), || fib.to_string())
        });
    }

    /// The blocks of some nodes, both families.
    #[track_caller]
    pub(crate) fn blocks_of(&self, nodes: &[String]) -> Vec<IpNetwork> {
        nodes.iter().flat_map(|node| self.blocks(node).networks()).collect()
    }

    /// Waits until all sessions of some hosts are Established, and there are some.
    #[track_caller]
    pub(crate) fn await_sessions(&self, hosts: &[String]) {
        for host in hosts {
            wait_for(&format!("{}: all sessions of {host} are up", self.case), PATIENCE, || {
                let sessions = self.fabric().sessions(host).map_err(|error| error.to_string())?;
                let down: Vec<_> = sessions.iter().filter(|session| !session.is_established()).collect();
                ensure(!sessions.is_empty() && down.is_empty(), || {
                    format!("{} sessions, down: {down:?}", sessions.len())
                })
            });
        }
    }

    /// Waits until all sessions of a node are Established where ours runs though the plan says BIRD.
    #[track_caller]
    pub(crate) fn await_sessions_of_ours(&self, node: &str) {
        wait_for(&format!("{}: all sessions of {node} are up", self.case), PATIENCE, || {
            let answer = self.show(node, &["show", "peers"])?;
            let peers = answer["peers"].as_array().cloned().unwrap_or_default();
            let down = peers.iter().filter(|peer| peer["state"] != "established").count();
            ensure(!peers.is_empty() && down == 0, || format!("{down} of {} sessions are down", peers.len()))
        });
    }

    /// Waits until no session of some hosts with a peer is Established.
    #[track_caller]
    pub(crate) fn await_down(&self, hosts: &[String], peer: Pair) {
        let addresses = peer.addresses().map(|address| address.to_string());
        for host in hosts {
            wait_for(&format!("{}: {host} has no session with {addresses:?}", self.case), PATIENCE, || {
                let sessions = self.fabric().sessions(host).map_err(|error| error.to_string())?;
                let up = sessions.iter().any(|session| session.is_established() && addresses.contains(&session.peer));
                ensure(!up, || format!("{sessions:?}"))
            });
        }
    }

    /// Adds a pod and returns its name and addresses.
    #[track_caller]
    pub(crate) fn add_pod(&self, node: &str, borrow: Borrow<'_>) -> (String, Pair) {
        let name = self.fabric().add_pod(node, borrow).unwrap_or_else(|error| panic!("a pod on {node}: {error}"));
        let address =
            self.fabric().with_pods(|pods| pods.iter().find(|pod| pod.name() == name).map(|pod| pod.address()));
        (name, address.expect("invariant: the pod was made"))
    }

    /// Removes a pod.
    #[track_caller]
    pub(crate) fn remove_pod(&self, name: &str) {
        self.fabric().remove_pod(name).unwrap_or_else(|error| panic!("{name}: {error}"));
    }

    /// Waits until every pod has an answer from every other, in both families.
    #[track_caller]
    pub(crate) fn await_pings(&self) {
        wait_for(&format!("{}: all pods ping each other", self.case), PATIENCE, || {
            let matrix = self.fabric().ping_matrix(Duration::from_secs(1));
            let lost: Vec<_> = matrix.iter().filter(|ping| ping.answer.is_none()).collect();
            ensure(!matrix.is_empty() && lost.is_empty(), || {
                format!("{} unanswered, the first {:?}", lost.len(), lost.first())
            })
        });
    }

    /// Kills the process that speaks BGP on a host.
    #[track_caller]
    pub(crate) fn kill(&self, host: &str) {
        self.process(host, None, |process| process.kill());
    }

    /// Ends the node peer of a host as planned.
    #[track_caller]
    pub(crate) fn stop(&self, host: &str) {
        self.process(host, Some(NODE_PEER), |process| {
            process.signal(Signal::SIGTERM)?;
            process.stop();
            Ok(())
        });
    }

    /// Starts what was killed or stopped on a host.
    #[track_caller]
    pub(crate) fn revive(&self, host: &str) {
        let revived = self.fabric().revive(host).unwrap_or_else(|error| panic!("{host}: {error}"));
        assert!(revived > 0, "{host}: nothing was to be started");
    }

    /// Does something to a process of a host; that which speaks BGP where none is named.
    #[track_caller]
    pub(crate) fn process<T>(
        &self,
        host: &str,
        name: Option<&str>,
        work: impl FnOnce(&mut Process) -> Result<T, heddle_lab::process::ProcessError>,
    ) -> T {
        self.fabric().process(host, name, work).unwrap_or_else(|error| panic!("{host}: {error}"))
    }

    /// Changes a file of the datastore, by a rename.
    #[track_caller]
    pub(crate) fn edit(&self, file: &str, change: impl FnOnce(String) -> String) {
        let path = self.fabric().datastore().join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let changed = change(text.clone());
        assert_ne!(text, changed, "{file}: the change changes nothing");
        self.put(file, &changed);
    }

    /// Writes a file of the datastore, by a rename.
    #[track_caller]
    pub(crate) fn put(&self, file: &str, text: &str) {
        let path = self.fabric().datastore().join(file);
        let half = self.fabric().datastore().join(format!(".{file}.new"));
        let written = fs::write(&half, text).and_then(|()| fs::rename(&half, &path));
        written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// All log files, with what to call them.
    fn logs(&self) -> Vec<(String, PathBuf)> {
        let mut logs = Vec::new();
        let hosts = self.directory.path().join("lab/hosts");
        for host in fs::read_dir(hosts).into_iter().flatten().flatten() {
            for file in fs::read_dir(host.path()).into_iter().flatten().flatten() {
                let path = file.path();
                if path.extension().is_some_and(|extension| extension == "log") {
                    let name = format!("{} ({})", host.file_name().display(), file.file_name().display());
                    logs.push((name, path));
                }
            }
        }
        logs.sort();
        logs
    }

    fn report(&self) {
        let mut report = format!("==== {}: the daemons' logs\n", self.case);
        for (name, path) in self.logs() {
            report.push_str(&format!("---- {name}\n{}\n", tail(&path, 40)));
        }
        report.push_str(&format!("==== end of the logs of {}\n", self.case));
        eprint!("{report}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let (mut errors, mut touched) = (None, Vec::new());
        if std::thread::panicking() {
            self.report();
        } else {
            if let Some(fabric) = &self.fabric {
                end(fabric);
                touched = self.strangers.touched(fabric);
            }
            errors = self.logs().iter().find_map(|(name, path)| fault(path).map(|line| format!("{name}: {line}")));
        }
        if std::env::var_os("HEDDLE_INTEROP_KEEP").is_some() {
            self.directory.disable_cleanup(true);
            eprintln!("kept: {}", self.directory.path().display());
        }
        drop(self.fabric.take());
        assert!(touched.is_empty(), "{}: strangers' routes were touched: {touched:#?}", self.case);
        assert!(
            errors.is_none(),
            "{}: a daemon of ours has an error in its log: {}",
            self.case,
            errors.unwrap_or_default()
        );
    }
}

/// Ends the processes as planned: what they say at their end is read, too.
fn end(fabric: &Fabric) {
    for (host, name, ..) in fabric.processes() {
        let _ = fabric.process(&host, Some(name), |process| process.signal(Signal::SIGTERM));
    }
    for (host, name, ..) in fabric.processes() {
        let _ = fabric.process(&host, Some(name), |process| {
            process.stop();
            Ok(())
        });
    }
}

/// A line of a log of ours that must not be there: an ERROR is a fault of our own, and so is a panic.
fn fault(log: &Path) -> Option<String> {
    let ours = ["node-peer", "route-reflector"];
    let name = log.file_name()?.to_str()?;
    if !ours.iter().any(|program| name.starts_with(program)) {
        return None;
    }
    let text = read_log(log);
    text.lines().find(|line| line.contains(" ERROR ") || line.contains("panicked at")).map(str::to_owned)
}
