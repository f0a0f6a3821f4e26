//! FRR's `bgpd`, without zebra, asked over its vty socket.

use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::{Daemon, START, flag, json, list, number, strings, text};
use crate::lab::Host;
use crate::process::{Process, Signal};
use crate::view::{Attributes, Family, Field, Route, Session};
use crate::wait::wait_for;

/// A running `bgpd`.
#[derive(Debug)]
pub struct Frr {
    host: Arc<Host>,
    process: Process,
    socket: PathBuf,
}

impl Frr {
    /// Starts it with `config`. Route maps must stand before `router bgp`: a `network` line is judged when it is read.
    #[track_caller]
    #[must_use]
    pub fn start(host: &Arc<Host>, config: &str) -> Self {
        let file = host.write("frr.conf", &format!("frr defaults traditional\nhostname {}\n{config}\n", host.name()));
        let directory = host.path("");
        let mut command = host.netns().command("/usr/lib/frr/bgpd");
        command.args(["-Z", "-S", "-P", "0", "--log", "stdout", "-f"]).arg(file);
        command.arg("-i").arg(host.path("frr.pid")).arg("--vty_socket").arg(&directory);
        let process = Process::spawn("frr", command, &host.log("frr"));
        let mut frr = Self { host: Arc::clone(host), process, socket: directory.join("bgpd.vty") };
        wait_for(&format!("{}: FRR answers", host.name()), START, || {
            frr.process.assert_alive();
            frr.command("show version")
        });
        // It goes on without a line that it does not understand.
        let log = frr.process.log();
        let refused: Vec<&str> = log.lines().filter(|line| line.contains("on config line")).collect();
        assert!(refused.is_empty(), "{}: FRR refuses {}", host.name(), refused.join("\n"));
        frr
    }

    /// Runs a command that must succeed.
    #[track_caller]
    pub fn expect(&self, command: &str) -> String {
        self.command(command).unwrap_or_else(|error| panic!("{}: vtysh {command}: {error}", self.host.name()))
    }

    /// Runs a command as `vtysh -c` does.
    ///
    /// # Errors
    /// FRR's message, or why there was no reply.
    pub fn command(&self, command: &str) -> Result<String, String> {
        self.commands(&[command])
    }

    /// Runs lines of configuration.
    #[track_caller]
    pub fn configure(&self, lines: &[&str]) {
        let all = [&["configure terminal"], lines].concat();
        self.commands(&all).unwrap_or_else(|error| panic!("{}: {lines:?}: {error}", self.host.name()));
    }

    /// Runs commands one after the other on one connection; the last reply is returned.
    fn commands(&self, commands: &[&str]) -> Result<String, String> {
        let mut stream = UnixStream::connect(&self.socket).map_err(|error| format!("vty socket: {error}"))?;
        stream.set_read_timeout(Some(Duration::from_secs(120))).map_err(|error| error.to_string())?;
        exchange(&mut stream, "enable")?;
        let mut reply = String::new();
        for command in commands {
            reply = exchange(&mut stream, command)?;
        }
        Ok(reply)
    }

    /// `show bgp neighbors json` of one peer.
    ///
    /// # Errors
    /// What came instead.
    pub fn neighbor(&self, peer: &str) -> Result<Value, String> {
        let all = json(&self.command("show bgp neighbors json")?)?;
        all.get(peer).cloned().ok_or_else(|| format!("no neighbor {peer}"))
    }

    /// The process, for signals.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.process.end(Signal::Kill);
    }
}

impl Daemon for Frr {
    fn name(&self) -> &str {
        self.host.name()
    }

    fn session(&self, peer: &str) -> Result<Session, String> {
        let neighbor = self.neighbor(peer)?;
        let state = text(&neighbor, "bgpState").to_owned();
        let count = number(&neighbor, "connectionsEstablished").unwrap_or(0);
        Ok(Session { established: state == "Established", state, incarnation: format!("establishment {count}") })
    }

    fn routes(&self, family: Family) -> Result<Vec<Route>, String> {
        let name = if family == Family::Ipv4 { "ipv4" } else { "ipv6" };
        let answer = json(&self.command(&format!("show bgp {name} unicast json detail"))?)?;
        let routes = answer.get("routes").and_then(Value::as_object).ok_or_else(|| format!("no routes in {answer}"))?;
        let mut all = Vec::new();
        for (prefix, paths) in routes {
            let paths = paths.as_array().map(Vec::as_slice).unwrap_or_default();
            all.extend(paths.iter().filter_map(|path| read_path(prefix, path)));
        }
        Ok(all)
    }

    fn paths(&self, prefix: &str) -> Result<Vec<Route>, String> {
        let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
        let answer = json(&self.command(&format!("show bgp {family} unicast {prefix} json"))?)?;
        // The answer may be about a less specific prefix.
        let asked = text(&answer, "prefix") == prefix;
        Ok(list(&answer, "paths").iter().filter(|_| asked).filter_map(|path| read_path(prefix, path)).collect())
    }

    fn blind_to(&self) -> &'static [Field] {
        &[Field::Unknown, Field::Aigp]
    }
}

/// A command ends with a NUL; the reply with three NULs and a status octet, which is not 0 for an error.
fn exchange(stream: &mut UnixStream, command: &str) -> Result<String, String> {
    stream.write_all(format!("{command}\0").as_bytes()).map_err(|error| error.to_string())?;
    let mut reply = Vec::new();
    let mut buffer = vec![0; 65536];
    loop {
        let length = match stream.read(&mut buffer) {
            Ok(length) => length,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(format!("vty socket: {error}")),
        };
        if length == 0 {
            return Err("the vty socket closed".to_owned());
        }
        reply.extend_from_slice(buffer.get(..length).unwrap_or_default());
        if let Some([0, 0, 0, status]) = reply.last_chunk::<4>().copied() {
            reply.truncate(reply.len() - 4);
            let text = String::from_utf8_lossy(&reply).into_owned();
            return if status == 0 { Ok(text) } else { Err(format!("{command}: status {status}: {text}")) };
        }
    }
}

/// One path of `json detail`; `None` for the header that stands before them and for routes of its own.
fn read_path(prefix: &str, path: &Value) -> Option<Route> {
    let peer = path.get("peer")?;
    let from = text(peer, "peerId");
    if from == "0.0.0.0" || from == "::" || flag(path, "sourced") {
        return None;
    }
    let inner = |key: &str| path.get(key).map(|value| strings(value, "list")).unwrap_or_default();
    let extended = path.get("extendedCommunity").map(|value| text(value, "string")).unwrap_or_default();
    let hops = list(path, "nexthops");
    let global = hops.iter().find(|hop| text(hop, "scope") != "link-local").or_else(|| hops.first());
    let attributes = Attributes {
        origin: text(path, "origin").to_owned(),
        as_path: path.get("aspath").map(|value| text(value, "string").replace("Local", "")).unwrap_or_default(),
        next_hop: global.map(|hop| text(hop, "ip").to_owned()).unwrap_or_default(),
        med: number(path, "metric"),
        local_pref: number(path, "locPrf"),
        atomic_aggregate: flag(path, "atomicAggregate"),
        aggregator: number(path, "aggregatorAs").map(|asn| format!("{asn} {}", text(path, "aggregatorId"))),
        communities: inner("community"),
        // The origin validation state is made up by the receiver.
        extended_communities: extended
            .split_whitespace()
            .filter(|word| !word.starts_with("OVS:"))
            .map(|word| {
                word.split_once(':')
                    .map_or_else(|| word.to_owned(), |(kind, rest)| format!("{} {rest}", kind.to_lowercase()))
            })
            .collect(),
        large_communities: inner("largeCommunity"),
        originator_id: path.get("originatorId").and_then(Value::as_str).map(str::to_owned),
        cluster_list: inner("clusterList"),
        aigp: None,
        unknown: Default::default(),
    };
    Some(Route {
        prefix: prefix.to_owned(),
        path_id: number(path, "addpathRxId").filter(|id| *id != 0),
        from: from.to_owned(),
        best: path.get("bestpath").is_some_and(|best| flag(best, "overall")),
        stale: flag(path, "stale"),
        attributes: attributes.normalized(),
    })
}
