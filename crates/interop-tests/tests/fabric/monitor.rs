//! FRR as an observer: an iBGP peer of some nodes, without routes of its own and without a kernel.

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use heddle_interop_tests::process::read_log;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_lab::process::{Process, Program};
use heddle_lab::tor::frr;
use ipnetwork::IpNetwork;
use serde_json::Value;

use crate::world::World;

/// A `bgpd` on a node on which nothing else runs.
#[derive(Debug)]
pub(crate) struct FrrMonitor {
    case: &'static str,
    /// Killed when it drops.
    _process: Process,
    socket: PathBuf,
    log: PathBuf,
    peers: Vec<String>,
}

impl FrrMonitor {
    /// Starts it on a host, with a session a family to each of some nodes.
    #[track_caller]
    pub(crate) fn start(world: &World, host: &str, nodes: &[String]) -> Self {
        let machine = world.fabric().host(host).unwrap_or_else(|error| panic!("{error}"));
        let own = world.address(host).v4.ip();
        let mut text = format!(
            "frr defaults datacenter\nhostname {host}\ndebug bgp updates in\nlog stdout debugging\n\
            router bgp 64512\n bgp router-id {own}\n no bgp default ipv4-unicast\n bgp graceful-restart\n"
        );
        let mut families = [String::new(), String::new()];
        let mut peers = Vec::new();
        for node in nodes {
            for address in world.address(node).addresses() {
                let _ = write!(text, " neighbor {address} remote-as 64512\n neighbor {address} timers connect 1\n");
                let [v4, v6] = &mut families;
                let family = if address.is_ipv4() { v4 } else { v6 };
                let _ = writeln!(family, "  neighbor {address} activate");
                peers.push(address.to_string());
            }
        }
        for (name, lines) in ["ipv4", "ipv6"].iter().zip(families) {
            let _ = write!(text, " address-family {name} unicast\n{lines} exit-address-family\n");
        }
        let file = machine.write("monitor.conf", &text).unwrap_or_else(|error| panic!("{error}"));
        let directory = machine.path("monitor");
        fs::create_dir_all(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let (pid, log) = (machine.path("monitor.pid"), machine.path("monitor.log"));
        let arguments = ["-Z", "-S", "-P", "0", "--log", "stdout", "-f"].map(Into::into).into_iter();
        let arguments =
            arguments.chain([file.into(), "-i".into(), pid.into(), "--vty_socket".into(), directory.clone().into()]);
        let program = Program::new::<std::ffi::OsString>(frr::BGPD.as_ref(), arguments);
        let process = world.fabric().spawn(host, &program, &log).unwrap_or_else(|error| panic!("{error}"));
        let monitor = Self { case: world.case(), _process: process, socket: directory.join("bgpd.vty"), log, peers };
        wait_for(&format!("{}: the monitor answers", world.case()), PATIENCE, || {
            monitor.command("show version").map_err(|error| format!("{error}\n{}", read_log(&monitor.log)))
        });
        monitor
    }

    fn command(&self, command: &str) -> Result<String, String> {
        frr::command(&self.socket, command).map_err(|error| error.to_string())
    }

    /// Its routes, by prefix.
    fn routes(&self) -> Result<serde_json::Map<String, Value>, String> {
        let mut all = serde_json::Map::new();
        for family in ["ipv4", "ipv6"] {
            let text = self.command(&format!("show bgp {family} unicast json"))?;
            let value: Value = serde_json::from_str(&text).map_err(|error| format!("{error} in {text}"))?;
            let routes = value.get("routes").and_then(Value::as_object).cloned().unwrap_or_default();
            all.extend(routes);
        }
        Ok(all)
    }

    /// Which of some prefixes it has no valid path to.
    pub(crate) fn missing(&self, wanted: &[IpNetwork]) -> Vec<IpNetwork> {
        let routes = self.routes().unwrap_or_default();
        let has = |prefix: &IpNetwork| {
            routes.get(&prefix.to_string()).and_then(Value::as_array).is_some_and(|p| !p.is_empty())
        };
        wanted.iter().filter(|prefix| !has(prefix)).copied().collect()
    }

    /// Waits until it has exactly these prefixes.
    #[track_caller]
    pub(crate) fn await_prefixes(&self, wanted: &[IpNetwork]) {
        wait_for(&format!("{}: the monitor has all routes", self.case), PATIENCE, || {
            let routes = self.routes()?;
            let missing = self.missing(wanted);
            ensure(missing.is_empty() && routes.len() == wanted.len(), || {
                format!("missing {missing:?} of {:?}", routes.keys().collect::<Vec<_>>())
            })
        });
    }

    /// Waits until its sessions are Established.
    #[track_caller]
    pub(crate) fn await_established(&self, nodes: &[String]) {
        assert!(!nodes.is_empty(), "{}: no peer", self.case);
        wait_for(&format!("{}: the monitor's sessions are up", self.case), PATIENCE, || {
            let sessions = frr::sessions(&self.command("show bgp neighbors json")?);
            let up = |peer: &String| sessions.iter().any(|(address, state)| address == peer && state == "Established");
            ensure(self.peers.iter().all(up), || format!("{sessions:?}"))
        });
    }

    /// Waits until no route is one of a session that has ended.
    #[track_caller]
    pub(crate) fn await_fresh(&self) {
        wait_for(&format!("{}: the monitor has no stale route", self.case), PATIENCE, || {
            let routes = self.routes()?;
            let stale = |path: &Value| path.get("stale").is_some_and(|stale| stale == true);
            let old: Vec<_> = routes
                .iter()
                .filter(|(_, paths)| paths.as_array().is_some_and(|paths| paths.iter().any(stale)))
                .map(|(prefix, _)| prefix)
                .collect();
            ensure(old.is_empty(), || format!("{old:?}"))
        });
    }

    /// How many withdrawals it has heard: lines of its log.
    pub(crate) fn withdrawals(&self) -> Vec<String> {
        let log = read_log(&self.log);
        log.lines().filter(|line| line.contains("withdrawn")).map(str::to_owned).collect()
    }
}
