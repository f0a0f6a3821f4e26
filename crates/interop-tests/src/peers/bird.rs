//! BIRD 2, asked over its control socket.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use super::{Daemon, START};
use crate::lab::Host;
use crate::process::{Process, Signal};
use crate::view::{Attributes, Family, Field, Route, Session};
use crate::wait::wait_for;

/// A running BIRD.
#[derive(Debug)]
pub struct Bird {
    host: Arc<Host>,
    process: Process,
    socket: PathBuf,
    /// Since when each session stands, as BIRD told it first.
    since: Mutex<BTreeMap<String, String>>,
}

/// Whether BIRD recovers the routes of before (`-R`, the restart state of RFC 4724).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// An ordinary start.
    Fresh,
    /// With `-R`.
    Recovering,
}

impl Bird {
    /// Starts it with `config`, before which stand the router id (the host's IPv4 address), logging and the device protocol.
    #[track_caller]
    #[must_use]
    pub fn start(host: &Arc<Host>, config: &str) -> Self {
        Self::start_as(host, config, Start::Fresh)
    }

    /// Starts it as [`Self::start`] does, fresh or recovering.
    #[track_caller]
    #[must_use]
    pub fn start_as(host: &Arc<Host>, config: &str, start: Start) -> Self {
        let socket = host.path("bird.ctl");
        let file = host.write("bird.conf", &with_preface(host, config));
        let mut command = host.netns().command("/usr/sbin/bird");
        command.arg("-f").arg("-c").arg(file).arg("-s").arg(&socket).arg("-P").arg(host.path("bird.pid"));
        if start == Start::Recovering {
            command.arg("-R");
        }
        let process = Process::spawn("bird", command, &host.log("bird"));
        let mut bird = Self { host: Arc::clone(host), process, socket, since: Mutex::default() };
        wait_for(&format!("{}: BIRD answers", host.name()), START, || {
            bird.process.assert_alive();
            bird.command("show status")
        });
        bird
    }

    /// Replaces the configuration (`configure`), as a reload does.
    #[track_caller]
    pub fn configure(&self, config: &str) {
        self.host.write("bird.conf", &with_preface(&self.host, config));
        self.expect("configure");
    }

    /// Replaces the configuration without telling peers of changed filters (`configure soft`).
    #[track_caller]
    pub fn configure_soft(&self, config: &str) {
        self.host.write("bird.conf", &with_preface(&self.host, config));
        self.expect("configure soft");
    }

    /// Runs a command that must succeed.
    #[track_caller]
    pub fn expect(&self, command: &str) -> String {
        self.command(command).unwrap_or_else(|error| panic!("{}: birdc {command}: {error}", self.host.name()))
    }

    /// Runs a command as `birdc` does and returns the text of the reply.
    ///
    /// # Errors
    /// BIRD's message for a reply code of 8000 or more, or why there was no reply.
    pub fn command(&self, command: &str) -> Result<String, String> {
        let mut stream = UnixStream::connect(&self.socket).map_err(|error| format!("control socket: {error}"))?;
        stream.set_read_timeout(Some(Duration::from_secs(60))).map_err(|error| error.to_string())?;
        let mut reader = BufReader::new(stream.try_clone().map_err(|error| error.to_string())?);
        read_reply(&mut reader)?;
        stream.write_all(format!("{command}\n").as_bytes()).map_err(|error| error.to_string())?;
        read_reply(&mut reader)
    }

    /// `graceful restart`, after which BIRD ends by itself and keeps its sockets closed without a NOTIFICATION.
    #[track_caller]
    pub fn graceful_stop(&mut self) {
        self.expect("graceful restart");
        wait_for(&format!("{}: BIRD ends", self.host.name()), START, || {
            self.process.exited().map(drop).ok_or_else(|| "it runs".to_owned())
        });
    }

    /// Everything that it logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.log()
    }

    /// The process, for signals.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Kills it with SIGKILL.
    pub fn kill(&mut self) {
        self.process.end(Signal::Kill);
    }

    /// What `show protocols all` says of the protocol whose neighbor address is `peer`.
    ///
    /// # Errors
    /// When there is none.
    pub fn protocol(&self, peer: &str) -> Result<String, String> {
        let text = self.command("show protocols all")?;
        let wanted = format!("Neighbor address: {peer}");
        let blocks = text.split("\n\n");
        let mut found = blocks.filter(|block| {
            block.lines().any(|line| line.trim() == wanted || line.trim().starts_with(&format!("{wanted}%")))
        });
        found.next().map(str::to_owned).ok_or_else(|| format!("no protocol with neighbor {peer} in\n{text}"))
    }
}

impl Bird {
    /// BIRD reckons the time of a change anew each time it is asked, from the age and a clock: it may say the same a hundredth of
    /// a second apart.
    fn steady(&self, peer: &str, since: &str) -> String {
        let mut known = self.since.lock().unwrap_or_else(PoisonError::into_inner);
        let first = known.entry(peer.to_owned()).or_insert_with(|| since.to_owned());
        let same = hundredths(first).zip(hundredths(since)).is_some_and(|(a, b)| a.abs_diff(b) <= 2);
        if !same {
            since.clone_into(first);
        }
        first.clone()
    }
}

/// Of a second, since midnight, of `2026-11-22 02:11:08.56`.
fn hundredths(time: &str) -> Option<u32> {
    let (_, time) = time.split_once(' ')?;
    let (clock, part) = time.split_once('.')?;
    let mut seconds = 0_u32;
    for number in clock.split(':') {
        seconds = seconds.checked_mul(60)?.checked_add(number.parse().ok()?)?;
    }
    seconds.checked_mul(100)?.checked_add(part.get(..2)?.parse().ok()?)
}

impl Daemon for Bird {
    fn name(&self) -> &str {
        self.host.name()
    }

    fn session(&self, peer: &str) -> Result<Session, String> {
        let block = self.protocol(peer)?;
        let head = block.lines().find(|line| line.contains(" BGP ")).unwrap_or_default();
        let words: Vec<&str> = head.split_whitespace().collect();
        // In hundredths of a second: much finer, the same moment is not always shown the same.
        let since = words.get(4..6).unwrap_or_default().join(" ");
        let since = since.get(..since.len().saturating_sub(1)).unwrap_or_default();
        let state = words.get(6..).unwrap_or_default().join(" ");
        Ok(Session { established: state.starts_with("Established"), state, incarnation: self.steady(peer, since) })
    }

    fn routes(&self, family: Family) -> Result<Vec<Route>, String> {
        let table = if family == Family::Ipv4 { "master4" } else { "master6" };
        Ok(parse_routes(&self.command(&format!("show route all table {table}"))?))
    }

    fn paths(&self, prefix: &str) -> Result<Vec<Route>, String> {
        match self.command(&format!("show route for {prefix} all")) {
            Ok(text) => {
                let mut routes = parse_routes(&text);
                routes.retain(|route| route.prefix == prefix);
                Ok(routes)
            }
            Err(error) if error.contains("Network not found") => Ok(Vec::new()),
            Err(error) => Err(error),
        }
    }

    fn blind_to(&self) -> &'static [Field] {
        &[]
    }
}

fn with_preface(host: &Host, config: &str) -> String {
    format!(
        "log stderr all;\nrouter id {};\ntimeformat protocol iso long ms;\nprotocol device {{}}\n{config}\n",
        host.v4()
    )
}

/// One reply: lines `CODE-text`, ` text` (the code of before) and at the end `CODE text`.
fn read_reply(reader: &mut impl BufRead) -> Result<String, String> {
    let mut text = String::new();
    loop {
        let mut line = String::new();
        let length = reader.read_line(&mut line).map_err(|error| format!("control socket: {error}"))?;
        if length == 0 {
            return Err(format!("the control socket closed after: {text}"));
        }
        if let Some(rest) = line.strip_prefix(' ') {
            text.push_str(rest);
            continue;
        }
        let (code, rest) = line.split_at_checked(4).ok_or_else(|| format!("strange reply {line:?}"))?;
        text.push_str(rest.get(1..).unwrap_or_default());
        if rest.starts_with(' ') {
            return if code.starts_with('8') || code.starts_with('9') { Err(text) } else { Ok(text) };
        }
    }
}

/// Reads `show route all`, leaving out what is not from BGP.
fn parse_routes(text: &str) -> Vec<Route> {
    let mut routes = Vec::new();
    let mut prefix = String::new();
    let mut current: Option<(Route, bool)> = None;
    for line in text.lines() {
        if let Some(attribute) = line.strip_prefix('\t') {
            if let Some((route, is_bgp)) = &mut current {
                *is_bgp |= attribute.starts_with("Type: BGP");
                read_attribute(&mut route.attributes, attribute);
            }
            continue;
        }
        if line.starts_with("Table ") || line.trim().is_empty() {
            continue;
        }
        finish(&mut routes, current.take());
        if !line.starts_with(' ') {
            line.split_whitespace().next().unwrap_or_default().clone_into(&mut prefix);
        }
        current = Some((read_head(&prefix, line), false));
    }
    finish(&mut routes, current);
    routes
}

fn finish(routes: &mut Vec<Route>, current: Option<(Route, bool)>) {
    if let Some((mut route, true)) = current {
        route.attributes = route.attributes.normalized();
        routes.push(route);
    }
}

/// `203.0.113.0/24  unicast [x 08:11:02.631 from 10.0.0.2] * (100) [AS65010i]`
fn read_head(prefix: &str, line: &str) -> Route {
    let from = line.split_once('[').and_then(|(_, rest)| rest.split_whitespace().next()).unwrap_or_default();
    let after = line.split_once(']').map_or("", |(_, rest)| rest);
    let preference = after.split_once('(').and_then(|(_, rest)| rest.split(')').next()).unwrap_or_default();
    Route {
        prefix: prefix.to_owned(),
        path_id: None,
        from: from.to_owned(),
        best: after.trim_start().starts_with('*'),
        stale: preference.split('/').next().unwrap_or_default().contains('s'),
        attributes: Attributes::default(),
    }
}

/// `BGP.origin: IGP`
fn read_attribute(attributes: &mut Attributes, line: &str) {
    let Some((name, value)) = line.strip_prefix("BGP.").and_then(|rest| rest.split_once(':')) else { return };
    let value = value.trim();
    let first = || value.split_whitespace().next().unwrap_or_default();
    match name {
        "origin" => attributes.origin = if value == "Incomplete" { "incomplete" } else { value }.to_owned(),
        "as_path" => value.clone_into(&mut attributes.as_path),
        "next_hop" => first().clone_into(&mut attributes.next_hop),
        "med" => attributes.med = value.parse().ok(),
        "local_pref" => attributes.local_pref = value.parse().ok(),
        "atomic_aggr" => attributes.atomic_aggregate = true,
        "aggregator" => {
            attributes.aggregator = value.split_once(" AS").map(|(address, asn)| format!("{asn} {address}"));
        }
        "community" => attributes.communities = tuples(value).map(|parts| parts.join(":")).collect(),
        "large_community" => attributes.large_communities = tuples(value).map(|parts| parts.join(":")).collect(),
        "ext_community" => attributes.extended_communities = tuples(value).map(|parts| extended(&parts)).collect(),
        "originator_id" => attributes.originator_id = Some(value.to_owned()),
        "cluster_list" => attributes.cluster_list = value.split_whitespace().map(str::to_owned).collect(),
        "aigp" => attributes.aigp = value.parse().ok(),
        unknown => {
            // `BGP.63 [t]: 01 02 03`, the type in hex
            let number = unknown.split_whitespace().next().and_then(|hex| u8::from_str_radix(hex, 16).ok());
            if let Some(number) = number {
                attributes.unknown.insert(number, value.replace(' ', ""));
            }
        }
    }
}

/// `(65001,1) (65001,2)`
fn tuples(value: &str) -> impl Iterator<Item = Vec<&str>> {
    value.split(')').filter_map(|part| part.split_once('(')).map(|(_, inner)| inner.split(',').map(str::trim).collect())
}

/// `(rt, 65001, 5)` is `rt 65001:5`; `(generic, 0x43000000, 0x1)` is `4300000000000001`.
fn extended(parts: &[&str]) -> String {
    match parts {
        ["generic", high, low] => {
            let digits = |word: &str| u32::from_str_radix(word.trim_start_matches("0x"), 16).unwrap_or(0);
            format!("{:08x}{:08x}", digits(high), digits(low))
        }
        [kind, high, low] => format!("{kind} {high}:{low}"),
        other => other.join(" "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_routes_with_all_attributes() {
        let text = "Table master4:\n198.51.100.0/24      unicast [x 08:11:02.631 from 10.0.0.9] * (100s) [AS65011e]\n\
            \tvia 10.0.0.2 on eth0\n\tType: BGP univ\n\tBGP.origin: EGP\n\tBGP.as_path: 65010 {65011 65012}\n\
            \tBGP.next_hop: 10.0.0.2\n\tBGP.med: 77\n\tBGP.aggregator: 10.9.9.9 AS65010\n\tBGP.atomic_aggr: \n\
            \tBGP.community: (65001,2) (65001,1)\n\tBGP.ext_community: (rt, 65001, 5) (generic, 0x43000000, 0x1)\n\
            \tBGP.63 [t]: 01 02\n                     unicast [y 08:11:02.631] (100) [i]\n\tType: BGP univ\n\
            203.0.113.0/24       blackhole [s4 08:11:00.550] * (200)\n\tType: static univ\n";
        let routes = parse_routes(text);
        assert_eq!(routes.len(), 2, "{routes:#?}");
        let first = &routes[0];
        assert_eq!((first.prefix.as_str(), first.from.as_str()), ("198.51.100.0/24", "x"));
        assert!(first.best && first.stale && first.attributes.atomic_aggregate);
        assert_eq!(first.attributes.as_path, "65010 {65011 65012}");
        assert_eq!(first.attributes.aggregator.as_deref(), Some("65010 10.9.9.9"));
        assert_eq!(first.attributes.communities, ["65001:1", "65001:2"]);
        assert_eq!(first.attributes.extended_communities, ["4300000000000001", "rt 65001:5"]);
        assert_eq!(first.attributes.unknown.get(&0x63).map(String::as_str), Some("0102"));
        assert_eq!((routes[1].prefix.as_str(), routes[1].best), ("198.51.100.0/24", false));
    }
}
