//! GoBGP, asked with `gobgp -j` in its namespace.

use std::process::Command;
use std::sync::Arc;

use serde_json::Value;

use super::{Daemon, START, flag, json, list, number, text};
use crate::lab::Host;
use crate::process::{Process, Signal};
use crate::view::{Attributes, Family, Field, Route, Session};
use crate::wait::wait_for;

/// A running `gobgpd`.
#[derive(Debug)]
pub struct Gobgp {
    host: Arc<Host>,
    process: Process,
}

/// Whether GoBGP says that it restarted (`-r`, the restart state of RFC 4724).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// An ordinary start.
    Fresh,
    /// With `-r`.
    Restarting,
}

impl Gobgp {
    /// Starts it with the TOML of `config`.
    #[track_caller]
    #[must_use]
    pub fn start(host: &Arc<Host>, config: &str) -> Self {
        Self::start_as(host, config, Start::Fresh)
    }

    /// Starts it fresh or restarting.
    #[track_caller]
    #[must_use]
    pub fn start_as(host: &Arc<Host>, config: &str, start: Start) -> Self {
        let file = host.write("gobgp.toml", config);
        let mut command = host.netns().command("/usr/bin/gobgpd");
        command.args(["-p", "-l", "debug", "--pprof-disable", "--api-hosts", "127.0.0.1:50051", "-f"]).arg(file);
        if start == Start::Restarting {
            command.arg("-r");
        }
        let process = Process::spawn("gobgp", command, &host.log("gobgp"));
        let mut gobgp = Self { host: Arc::clone(host), process };
        wait_for(&format!("{}: GoBGP answers", host.name()), START, || {
            gobgp.process.assert_alive();
            gobgp.command(&["global", "rib", "summary"])
        });
        gobgp
    }

    /// Runs `gobgp ARGS`.
    ///
    /// # Errors
    /// What it printed.
    pub fn command(&self, args: &[&str]) -> Result<String, String> {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", self.host.netns().name(), "/usr/bin/gobgp"]).args(args);
        let output = command.output().map_err(|error| error.to_string())?;
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() { Ok(out) } else { Err(format!("{out}{}", String::from_utf8_lossy(&output.stderr))) }
    }

    /// Runs `gobgp ARGS`, words split at spaces; it must succeed.
    #[track_caller]
    pub fn expect(&self, args: &str) -> String {
        let words: Vec<&str> = args.split_whitespace().collect();
        self.command(&words).unwrap_or_else(|error| panic!("{}: gobgp {args}: {error}", self.host.name()))
    }

    /// `gobgp global rib add [-a ipv6] ROUTE`, where `route` starts with the prefix.
    #[track_caller]
    pub fn advertise(&self, route: &str) {
        self.change("add", route);
    }

    /// Takes a route back.
    #[track_caller]
    pub fn withdraw(&self, route: &str) {
        self.change("del", route);
    }

    #[track_caller]
    fn change(&self, verb: &str, route: &str) {
        let prefix = route.split_whitespace().next().unwrap_or_default();
        let family = if prefix.contains(':') { "ipv6" } else { "ipv4" };
        self.expect(&format!("global rib {verb} -a {family} {route}"));
    }

    /// `gobgp -j neighbor` of one peer.
    ///
    /// # Errors
    /// What came instead.
    pub fn neighbor(&self, peer: &str) -> Result<Value, String> {
        json(&self.command(&["-j", "neighbor", peer])?)
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

impl Daemon for Gobgp {
    fn name(&self) -> &str {
        self.host.name()
    }

    fn session(&self, peer: &str) -> Result<Session, String> {
        let neighbor = self.neighbor(peer)?;
        let state = neighbor.pointer("/state/session_state").and_then(Value::as_u64).unwrap_or(0);
        let uptime = neighbor.pointer("/timers/state/uptime/seconds").and_then(Value::as_u64).unwrap_or(0);
        let flops = neighbor.pointer("/state/flops").and_then(Value::as_u64).unwrap_or(0);
        const WORDS: [&str; 7] = ["unknown", "idle", "connect", "active", "opensent", "openconfirm", "established"];
        let word = usize::try_from(state).ok().and_then(|index| WORDS.get(index)).unwrap_or(&"unknown");
        Ok(Session {
            state: (*word).to_owned(),
            established: state == 6,
            incarnation: format!("up at {uptime}, flaps {flops}"),
        })
    }

    fn routes(&self, family: Family) -> Result<Vec<Route>, String> {
        let name = if family == Family::Ipv4 { "ipv4" } else { "ipv6" };
        let answer = self.command(&["-j", "global", "rib", "-a", name])?;
        if answer.contains("Network not in table") {
            return Ok(Vec::new());
        }
        let answer = json(&answer)?;
        let mut all = Vec::new();
        for (prefix, paths) in answer.as_object().into_iter().flatten() {
            let paths = paths.as_array().map(Vec::as_slice).unwrap_or_default();
            all.extend(paths.iter().filter_map(|path| read_path(prefix, path)));
        }
        Ok(all)
    }

    fn blind_to(&self) -> &'static [Field] {
        &[]
    }
}

/// One path; `None` for routes of its own.
fn read_path(prefix: &str, path: &Value) -> Option<Route> {
    let from = path.get("neighbor-ip").and_then(Value::as_str).filter(|from| *from != "<nil>")?;
    let mut attributes = Attributes::default();
    for attribute in list(path, "attrs") {
        read_attribute(&mut attributes, attribute);
    }
    Some(Route {
        prefix: prefix.to_owned(),
        path_id: path.pointer("/nlri/id").and_then(Value::as_u64).and_then(|id| u32::try_from(id).ok()),
        from: from.to_owned(),
        best: flag(path, "best"),
        stale: flag(path, "stale"),
        attributes: attributes.normalized(),
    })
}

/// Attributes are told apart by their type code.
fn read_attribute(attributes: &mut Attributes, attribute: &Value) {
    let code = number(attribute, "type").unwrap_or(0);
    match code {
        1 => {
            let origin = number(attribute, "value").and_then(|value| usize::try_from(value).ok()).unwrap_or(9);
            attributes.origin = (*["IGP", "EGP", "incomplete"].get(origin).unwrap_or(&"?")).to_owned();
        }
        2 => attributes.as_path = list(attribute, "as_paths").iter().map(segment).collect::<Vec<_>>().join(" "),
        3 | 14 => attributes.next_hop = text(attribute, "nexthop").to_owned(),
        4 => attributes.med = number(attribute, "metric"),
        5 => attributes.local_pref = number(attribute, "value"),
        6 => attributes.atomic_aggregate = true,
        7 => {
            let asn = number(attribute, "as").unwrap_or(0);
            attributes.aggregator = Some(format!("{asn} {}", text(attribute, "address")));
        }
        8 => {
            let values = list(attribute, "communities").iter().filter_map(Value::as_u64);
            attributes.communities = values.map(|value| format!("{}:{}", value >> 16, value & 0xffff)).collect();
        }
        9 => attributes.originator_id = Some(text(attribute, "value").to_owned()),
        10 => {
            let clusters = list(attribute, "value").iter().filter_map(Value::as_str);
            attributes.cluster_list = clusters.map(str::to_owned).collect();
        }
        16 => attributes.extended_communities = list(attribute, "value").iter().map(extended).collect(),
        26 => {
            let metric = list(attribute, "value").first().and_then(|tlv| tlv.get("metric"));
            attributes.aigp = metric.and_then(Value::as_u64);
        }
        32 => {
            attributes.large_communities = list(attribute, "value")
                .iter()
                .map(|value| {
                    let part = |key| number(value, key).unwrap_or(0);
                    format!("{}:{}:{}", part("ASN"), part("LocalData1"), part("LocalData2"))
                })
                .collect();
        }
        other => {
            let number = u8::try_from(other).unwrap_or(0);
            attributes.unknown.insert(number, base64_to_hex(text(attribute, "value")));
        }
    }
}

fn segment(segment: &Value) -> String {
    let numbers: Vec<String> = list(segment, "asns").iter().map(Value::to_string).collect();
    if number(segment, "segment_type") == Some(1) { format!("{{{}}}", numbers.join(" ")) } else { numbers.join(" ") }
}

/// Route targets by name, all others in hex.
fn extended(value: &Value) -> String {
    let (kind, subtype) = (number(value, "type").unwrap_or(0), number(value, "subtype").unwrap_or(0));
    match (kind, subtype, value.get("value")) {
        (0..=2, 2, Some(Value::String(target))) => format!("rt {target}"),
        (0..=2, 3, Some(Value::String(target))) => format!("soo {target}"),
        (_, _, Some(Value::Number(rest))) => format!("{kind:02x}{subtype:02x}{:012x}", rest.as_u64().unwrap_or(0)),
        (_, _, Some(Value::String(rest))) => format!("{kind:02x}{subtype:02x}{}", base64_to_hex(rest)),
        (_, _, other) => format!("{kind:02x}{subtype:02x} {other:?}"),
    }
}

/// Octets in JSON are base64.
fn base64_to_hex(text: &str) -> String {
    let mut bits = 0_u32;
    let mut have = 0;
    let mut hex = String::new();
    for octet in text.bytes() {
        let value = match octet {
            b'A'..=b'Z' => octet - b'A',
            b'a'..=b'z' => octet - b'a' + 26,
            b'0'..=b'9' => octet - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => continue,
        };
        bits = (bits << 6) | u32::from(value);
        have += 6;
        if have >= 8 {
            have -= 8;
            hex.push_str(&format!("{:02x}", (bits >> have) & 0xff));
        }
    }
    hex
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_becomes_hex() {
        assert_eq!(base64_to_hex("AQID"), "010203");
        assert_eq!(base64_to_hex("AQI="), "0102");
        assert_eq!(base64_to_hex(""), "");
    }
}
