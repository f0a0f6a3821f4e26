//! OpenBGPD, asked with `bgpctl -j` over a control socket of its own.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use serde_json::Value;

use super::{Daemon, START, flag, json, list, number, strings, text};
use crate::lab::Host;
use crate::process::{Process, Signal};
use crate::view::{Attributes, Family, Field, Route, Session};
use crate::wait::wait_for;

/// A running `bgpd`.
#[derive(Debug)]
pub struct Openbgpd {
    host: Arc<Host>,
    process: Process,
    socket: PathBuf,
}

impl Openbgpd {
    /// Starts it with `config`, before which stand the router id (the host's IPv4 address) and the control socket.
    #[track_caller]
    #[must_use]
    pub fn start(host: &Arc<Host>, config: &str) -> Self {
        // Its processes change their root to this directory.
        fs::create_dir_all("/run/openbgpd").expect("/run/openbgpd can be made by root");
        let socket = host.path("bgpd.sock");
        let file = host.write("bgpd.conf", &with_preface(host, config));
        let mut command = host.netns().command("/usr/sbin/bgpd");
        command.arg("-d").arg("-f").arg(file);
        let process = Process::spawn("openbgpd", command, &host.log("openbgpd"));
        let mut openbgpd = Self { host: Arc::clone(host), process, socket };
        wait_for(&format!("{}: OpenBGPD answers", host.name()), START, || {
            openbgpd.process.assert_alive();
            openbgpd.command(&["show", "summary"])
        });
        openbgpd
    }

    /// Runs `bgpctl ARGS`.
    ///
    /// # Errors
    /// What it printed.
    pub fn command(&self, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new("/usr/sbin/bgpctl");
        command.arg("-s").arg(&self.socket).arg("-j").args(args);
        let output = command.output().map_err(|error| error.to_string())?;
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() { Ok(out) } else { Err(format!("{out}{}", String::from_utf8_lossy(&output.stderr))) }
    }

    /// Runs `bgpctl ARGS`, words split at spaces; it must succeed.
    #[track_caller]
    pub fn expect(&self, args: &str) -> String {
        let words: Vec<&str> = args.split_whitespace().collect();
        self.expect_words(&words)
    }

    /// As [`Self::expect`], for words with spaces in them.
    #[track_caller]
    pub fn expect_words(&self, words: &[&str]) -> String {
        self.command(words).unwrap_or_else(|error| panic!("{}: bgpctl {words:?}: {error}", self.host.name()))
    }

    /// `bgpctl show neighbor` of one peer.
    ///
    /// # Errors
    /// What came instead.
    pub fn neighbor(&self, peer: &str) -> Result<Value, String> {
        let all = json(&self.command(&["show", "neighbor"])?)?;
        let found = list(&all, "neighbors").iter().find(|neighbor| text(neighbor, "remote_addr") == peer);
        found.cloned().ok_or_else(|| format!("no neighbor {peer} in {all}"))
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

impl Daemon for Openbgpd {
    fn name(&self) -> &str {
        self.host.name()
    }

    fn session(&self, peer: &str) -> Result<Session, String> {
        let neighbor = self.neighbor(peer)?;
        let state = text(&neighbor, "state").to_owned();
        let opens = neighbor.pointer("/stats/message/received/open").and_then(Value::as_u64).unwrap_or(0);
        Ok(Session { established: state == "Established", state, incarnation: format!("OPEN {opens}") })
    }

    fn routes(&self, family: Family) -> Result<Vec<Route>, String> {
        let answer = json(&self.command(&["show", "rib", "detail"])?)?;
        let entries = list(&answer, "rib").iter().filter(|entry| family.has(text(entry, "prefix")));
        Ok(entries.filter_map(read_entry).collect())
    }

    fn blind_to(&self) -> &'static [Field] {
        // A missing LOCAL_PREF is shown as 100 and a missing MULTI_EXIT_DISC as 0.
        &[Field::Unknown]
    }
}

fn with_preface(host: &Host, config: &str) -> String {
    format!(
        "socket \"{}\"\nrouter-id {}\nfib-update no\nlisten on {}\nlisten on {}\n{config}\n",
        host.path("bgpd.sock").display(),
        host.v4(),
        host.v4(),
        host.v6()
    )
}

/// One entry of the RIB; `None` for networks of its own.
fn read_entry(entry: &Value) -> Option<Route> {
    let neighbor = entry.get("neighbor")?;
    let from = text(neighbor, "remote_addr");
    if text(neighbor, "description") == "LOCAL" {
        return None;
    }
    let mut attributes = Attributes {
        origin: text(entry, "origin").to_owned(),
        as_path: text(entry, "aspath").to_owned(),
        next_hop: text(entry, "exit_nexthop").to_owned(),
        med: number(entry, "metric"),
        local_pref: number(entry, "localpref"),
        communities: strings(entry, "communities"),
        large_communities: strings(entry, "large_communities"),
        extended_communities: strings(entry, "extended_communities"),
        ..Attributes::default()
    };
    // The origin validation state is made up by the receiver.
    attributes.extended_communities.retain(|community| !community.starts_with("ovs "));
    for attribute in list(entry, "attributes") {
        read_attribute(&mut attributes, attribute);
    }
    Some(Route {
        prefix: text(entry, "prefix").to_owned(),
        path_id: number(entry, "path_id").or_else(|| number(entry, "path-id")),
        from: from.to_owned(),
        best: flag(entry, "best"),
        stale: flag(entry, "stale"),
        attributes: attributes.normalized(),
    })
}

fn read_attribute(attributes: &mut Attributes, attribute: &Value) {
    match text(attribute, "type") {
        "Atomic Aggregate" => attributes.atomic_aggregate = true,
        "Aggregator" => {
            let asn = attribute.get("AS").map(|asn| asn.as_str().map_or_else(|| asn.to_string(), str::to_owned));
            attributes.aggregator = asn.map(|asn| format!("{asn} {}", text(attribute, "address")));
        }
        "Originator Id" => {
            attributes.originator_id = attribute.get("originator").and_then(Value::as_str).map(str::to_owned);
        }
        "Cluster Id List" => attributes.cluster_list = strings(attribute, "cluster_list"),
        other => {
            attributes.unknown.insert(0, format!("{other} {attribute}"));
        }
    }
}
