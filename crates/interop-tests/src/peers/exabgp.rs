//! ExaBGP, which writes what it hears as JSON lines to a file and reads commands from another.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;

use super::{Daemon, START, list, number, text};
use crate::lab::Host;
use crate::process::{Process, Signal, read_log};
use crate::view::{Attributes, Family, Field, Route, Session};
use crate::wait::{ensure, wait_for};

/// A running ExaBGP.
#[derive(Debug)]
pub struct Exabgp {
    host: Arc<Host>,
    process: Process,
    events: PathBuf,
    commands: PathBuf,
}

impl Exabgp {
    /// Starts it with `config`: `neighbor` blocks, in which `{api}` becomes the block that reports everything.
    #[track_caller]
    #[must_use]
    pub fn start(host: &Arc<Host>, config: &str) -> Self {
        Self::start_with(host, config, &[])
    }

    /// As [`Self::start`], with further settings like `("exabgp.tcp.bind", "10.0.0.2")`.
    #[track_caller]
    #[must_use]
    pub fn start_with(host: &Arc<Host>, config: &str, settings: &[(&str, &str)]) -> Self {
        let events = host.path("events.jsonl");
        let commands = host.path("commands");
        for file in ["events.jsonl", "commands"] {
            host.write(file, "");
        }
        // Its standard output must stay open: ExaBGP takes a closed one for the end of the program.
        let program = host.write(
            "api.sh",
            &format!("tail -n +1 -f --pid=$$ {} &\ncat >> {}\n", commands.display(), events.display()),
        );
        let api = "api { processes [ api ]; neighbor-changes; receive { parsed; packets; update; notification; open; refresh; } send { parsed; notification; } }";
        let text = format!(
            "process api {{ run /bin/sh {}; encoder json; }}\n{}\n",
            program.display(),
            config.replace("{api}", api)
        );
        let file = host.write("exabgp.conf", &text);
        let mut command = host.netns().command("/usr/sbin/exabgp");
        command.arg(file);
        command.env("exabgp.daemon.user", "root").env("exabgp.daemon.drop", "false");
        command.env("exabgp.api.ack", "false").env("exabgp.api.cli", "false");
        for (name, value) in settings {
            command.env(name, value);
        }
        let process = Process::spawn("exabgp", command, &host.log("exabgp"));
        let mut exabgp = Self { host: Arc::clone(host), process, events, commands };
        wait_for(&format!("{}: ExaBGP has read its configuration", host.name()), START, || {
            exabgp.process.assert_alive();
            let log = exabgp.process.log();
            ensure(log.contains("loaded new configuration successfully"), || log.clone())
        });
        exabgp
    }

    /// Gives it a command like `neighbor 10.0.0.1 announce route 203.0.113.0/24 next-hop self`.
    ///
    /// # Panics
    /// When the file of commands cannot be written.
    #[track_caller]
    pub fn command(&self, command: &str) {
        let file = OpenOptions::new().append(true).open(&self.commands);
        let written = file.and_then(|mut file| file.write_all(format!("{command}\n").as_bytes()));
        written.unwrap_or_else(|error| panic!("{}: {error}", self.commands.display()));
    }

    /// All that it reported so far, whole lines only.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        read_log(&self.events).lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The events of one peer.
    #[must_use]
    pub fn events_of(&self, peer: &str) -> Vec<Value> {
        let mut events = self.events();
        events.retain(|event| event.pointer("/neighbor/address/peer").and_then(Value::as_str) == Some(peer));
        events
    }

    /// The bodies of all UPDATEs from a peer, in lower-case hex.
    #[must_use]
    pub fn update_bodies(&self, peer: &str) -> Vec<String> {
        self.bodies(peer, "update")
    }

    /// The bodies of all NOTIFICATIONs from a peer, in lower-case hex: code, subcode, data.
    #[must_use]
    pub fn notifications(&self, peer: &str) -> Vec<String> {
        self.bodies(peer, "notification")
    }

    /// The bodies of all ROUTE-REFRESH messages from a peer, in lower-case hex: AFI, subtype (RFC 7313 §3.2), SAFI.
    #[must_use]
    pub fn refreshes(&self, peer: &str) -> Vec<String> {
        self.bodies(peer, "route refresh")
    }

    fn bodies(&self, peer: &str, kind: &str) -> Vec<String> {
        let events = self.events_of(peer);
        let wanted = events.iter().filter(|event| text(event, "type") == kind);
        let bodies = wanted.filter_map(|event| event.pointer("/neighbor/message/body")?.as_str());
        bodies.map(|body| body.trim_start_matches("0x").to_lowercase()).collect()
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

impl Daemon for Exabgp {
    fn name(&self) -> &str {
        self.host.name()
    }

    fn session(&self, peer: &str) -> Result<Session, String> {
        let events = self.events_of(peer);
        let states = events.iter().filter(|event| text(event, "type") == "state");
        let words: Vec<&str> = states.filter_map(|event| event.pointer("/neighbor/state")?.as_str()).collect();
        let count = words.iter().filter(|word| **word == "up").count();
        let state = (*words.last().unwrap_or(&"none")).to_owned();
        Ok(Session { established: state == "up", state, incarnation: format!("establishment {count}") })
    }

    /// What its peers advertised and did not withdraw, from the events since each session came up.
    fn routes(&self, family: Family) -> Result<Vec<Route>, String> {
        let mut table: BTreeMap<(String, String, Option<u32>), Route> = BTreeMap::new();
        for event in self.events() {
            let peer = event.pointer("/neighbor/address/peer").and_then(Value::as_str).unwrap_or_default().to_owned();
            match text(&event, "type") {
                "state" => table.retain(|(from, _, _), _| *from != peer),
                "update" => apply_update(&mut table, &peer, &event),
                _ => {}
            }
        }
        Ok(table.into_values().filter(|route| family.has(&route.prefix)).collect())
    }

    fn blind_to(&self) -> &'static [Field] {
        &[]
    }
}

fn apply_update(table: &mut BTreeMap<(String, String, Option<u32>), Route>, peer: &str, event: &Value) {
    let Some(update) = event.pointer("/neighbor/message/update") else { return };
    for entries in members(update, "withdraw") {
        for entry in entries.1.as_array().into_iter().flatten() {
            table.remove(&(peer.to_owned(), text(entry, "nlri").to_owned(), path_id(entry)));
        }
    }
    let attributes = update.get("attribute").map(read_attributes).unwrap_or_default();
    for (_, hops) in members(update, "announce") {
        // A link-local next hop stands beside the global one as if it were another.
        let both = hops.as_object().is_some_and(|hops| hops.len() > 1);
        let hops = hops.as_object().into_iter().flatten();
        for (next_hop, entries) in hops.filter(|(hop, _)| !(both && hop.starts_with("fe80:"))) {
            for entry in entries.as_array().into_iter().flatten() {
                let prefix = text(entry, "nlri").to_owned();
                let mut attributes = attributes.clone();
                attributes.next_hop.clone_from(next_hop);
                let id = path_id(entry);
                let route = Route {
                    prefix: prefix.clone(),
                    path_id: id,
                    from: peer.to_owned(),
                    best: true,
                    stale: false,
                    attributes,
                };
                table.insert((peer.to_owned(), prefix, id), route);
            }
        }
    }
}

fn members<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = (&'a String, &'a Value)> {
    value.get(key).and_then(Value::as_object).into_iter().flatten()
}

/// `"path-information": "0.0.0.1"`
fn path_id(entry: &Value) -> Option<u32> {
    let text = entry.get("path-information")?.as_str()?;
    text.parse::<std::net::Ipv4Addr>().ok().map(u32::from)
}

fn read_attributes(value: &Value) -> Attributes {
    let parts = |key: &str, separator: &str| -> Vec<String> {
        let communities = list(value, key).iter().filter_map(Value::as_array);
        communities.map(|parts| parts.iter().map(Value::to_string).collect::<Vec<_>>().join(separator)).collect()
    };
    let mut attributes = Attributes {
        origin: match text(value, "origin") {
            "igp" => "IGP".to_owned(),
            "egp" => "EGP".to_owned(),
            other => other.to_owned(),
        },
        as_path: as_path(value),
        med: number(value, "med"),
        local_pref: number(value, "local-preference"),
        atomic_aggregate: value.get("atomic-aggregate").and_then(Value::as_bool).unwrap_or(false),
        aggregator: value.get("aggregator").and_then(Value::as_str).map(|text| text.replace(':', " ")),
        communities: parts("community", ":"),
        large_communities: parts("large-community", ":"),
        extended_communities: list(value, "extended-community").iter().map(extended).collect(),
        originator_id: value.get("originator-id").and_then(Value::as_str).map(str::to_owned),
        cluster_list: list(value, "cluster-list").iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        ..Attributes::default()
    };
    for (name, unknown) in value.as_object().into_iter().flatten() {
        // "attribute-0x63-0xE0": "0x010203"
        let code = name.strip_prefix("attribute-0x").and_then(|rest| u8::from_str_radix(rest.get(..2)?, 16).ok());
        if let (Some(code), Some(hex)) = (code, unknown.as_str()) {
            attributes.unknown.insert(code, hex.trim_start_matches("0x").to_lowercase());
        }
    }
    attributes.normalized()
}

/// Sequence and sets stand in members of their own.
fn as_path(value: &Value) -> String {
    let join = |key: &str| list(value, key).iter().map(Value::to_string).collect::<Vec<_>>().join(" ");
    let set = join("as-set");
    if set.is_empty() { join("as-path") } else { format!("{} {{{set}}}", join("as-path")) }
}

/// Route targets by name, all others in hex.
fn extended(value: &Value) -> String {
    let string = text(value, "string");
    if let Some(target) = string.strip_prefix("target:") {
        return format!("rt {target}");
    }
    format!("{:016x}", value.get("value").and_then(Value::as_u64).unwrap_or(0))
}
