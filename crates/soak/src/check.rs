//! What has to be true when nothing is broken, and what has to be true at any time.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;
use std::time::Duration;

use heddle_lab::fabric::SessionView;
use heddle_lab::process::State;
use serde_json::Value;

use crate::reference::difference;
use crate::strangers;
use crate::world::World;

/// What an answer to a ping may take, on a machine that has much else to do.
const PING: Duration = Duration::from_secs(1);
/// Lines of one log that are told at most.
const LINES: usize = 3;

impl World {
    /// Everything that is not as it should be. Pings come last: they are asked for when all else is well.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for node in &self.scene.nodes {
            match self.found(node) {
                Ok(found) => {
                    let differs = difference(&self.expected(node), &found);
                    wrong.extend(differs.map(|what| format!("{node}: the forwarding table: {what}")));
                }
                Err(error) => wrong.push(format!("{node}: {error:#}")),
            }
        }
        wrong.extend(self.wrong_sessions());
        for host in self.scene.nodes.iter().chain(&self.scene.reflectors) {
            match self.fabric.api(host, "/v1/summary") {
                Ok(summary) => {
                    wrong.extend(unsettled(&summary).map(|what| format!("{host}: {what}")));
                    wrong.extend(unconfined(&summary).iter().map(|part| format!("{host}: not confined: {part}")));
                }
                Err(error) => wrong.push(format!("{host}: no summary: {error}")),
            }
        }
        for node in &self.scene.nodes {
            match self.fabric.api(node, "/v1/node") {
                Ok(report) => wrong.extend(unwell(&report).map(|what| format!("{node}: {what}"))),
                Err(error) => wrong.push(format!("{node}: no report: {error}")),
            }
        }
        if wrong.is_empty() {
            let pings = self.fabric.ping_matrix(PING);
            let lost: Vec<_> = pings.iter().filter(|ping| ping.answer.is_none()).collect();
            if let Some(first) = lost.first() {
                let (from, to, address) = (&first.from, &first.to, first.address);
                wrong.push(format!(
                    "{} of {} pings unanswered, the first {from} > {to} ({address})",
                    lost.len(),
                    pings.len()
                ));
            }
        }
        wrong
    }

    fn wrong_sessions(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        for (host, count) in &self.sessions {
            match self.fabric.sessions(host) {
                Ok(sessions) => {
                    let down: Vec<String> =
                        sessions.iter().filter(|session| !session.is_established()).map(in_words).collect();
                    if sessions.len() != *count || !down.is_empty() {
                        wrong.push(format!("{host}: {} sessions of {count}, down: {down:?}", sessions.len()));
                    }
                }
                Err(error) => wrong.push(format!("{host}: sessions: {error}")),
            }
        }
        wrong
    }

    /// Sessions that are Established, of how many.
    pub(crate) fn sessions_up(&self) -> (usize, usize) {
        let of = |host: &String| self.fabric.sessions(host).unwrap_or_default();
        let asked = self.sessions.keys().filter(|host| !self.is_frozen(host));
        let up = asked.flat_map(of).filter(SessionView::is_established).count();
        (up, self.sessions.values().sum())
    }

    /// Whoever is stopped by SIGSTOP answers nothing: asking would take seconds.
    pub(crate) fn is_frozen(&self, host: &str) -> bool {
        self.fabric.processes().iter().any(|(on, _, _, state)| on == host && *state == State::Frozen)
    }

    /// What nothing that happens to a lab excuses: a program that ended by itself, a stranger's route that was touched.
    pub(crate) fn never(&self, struck: &[String]) -> Vec<String> {
        let mut wrong = Vec::new();
        for (host, name, _, state) in self.fabric.processes() {
            if let State::Ended { code, signal } = state
                && !struck.contains(&host)
            {
                wrong.push(format!("{host}: {name} has ended by itself: exit code {code:?}, signal {signal:?}"));
            }
        }
        for (node, laid) in &self.strangers {
            match strangers::touched(&self.fabric, node, laid) {
                Ok(touched) => wrong.extend(touched),
                Err(error) => wrong.push(format!("{node}: {error:#}")),
            }
        }
        wrong
    }
}

fn in_words(session: &SessionView) -> String {
    format!("{} {}", session.peer, session.state)
}

/// What a speaker has not done yet.
fn unsettled(summary: &Value) -> Option<String> {
    if summary["restarting"] != false {
        return Some("it waits for the End-of-RIB of its peers".to_owned());
    }
    let families = summary["families"].as_array()?;
    let left = families.iter().find(|family| family["stale"] != 0 || family["pending"] != 0)?;
    Some(format!("{}: {} paths are stale, {} destinations pending", left["family"], left["stale"], left["pending"]))
}

/// What a program has not taken away from itself, although the kernel could.
fn unconfined(summary: &Value) -> Vec<String> {
    let parts = summary["confinement"].as_array().map(Vec::as_slice).unwrap_or_default();
    if parts.is_empty() {
        return vec!["at all".to_owned()];
    }
    let lacks = parts.iter().filter(|part| !matches!(part["state"].as_str(), Some("in_force" | "missing")));
    lacks.map(|part| format!("{}: {}", part["part"], part["detail"])).collect()
}

/// What a node says is wrong with it.
fn unwell(report: &Value) -> Option<String> {
    let nothing = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
    let well = report["waiting_for"].is_null()
        && report["drained"] == "none"
        && report["datastore"]["state"] == "in_sync"
        && nothing(&report["datastore"]["invalid"])
        && nothing(&report["warnings"])
        && ["pending", "conflicts", "held", "unresolved", "stale"].iter().all(|count| report["fib"][count] == 0);
    (!well).then(|| format!("it says {report}"))
}

/// The logs of our programs, as far as they have been read.
#[derive(Debug, Default)]
pub(crate) struct Logs {
    read: BTreeMap<PathBuf, u64>,
    /// Warnings so far.
    pub(crate) warnings: usize,
}

impl Logs {
    /// What has been written since the last look that may not be there: an ERROR is a fault of our own, and so is a
    /// panic.
    pub(crate) fn faults(&mut self, world: &World) -> Vec<String> {
        let mut faults = Vec::new();
        for (host, _) in world.ours() {
            for name in ["node-peer.log", "route-reflector.log"] {
                let Ok(path) = world.fabric.host(&host).map(|machine| machine.path(name)) else { continue };
                let text = self.news(path);
                self.warnings += text.lines().filter(|line| line.contains(" WARN ")).count();
                faults.extend(bad_lines(&text).take(LINES).map(|line| format!("{host}: the log says: {line}")));
            }
        }
        faults
    }

    /// Whole lines only: the last one may be in the middle of being written.
    fn news(&mut self, path: PathBuf) -> String {
        let Ok(mut file) = File::open(&path) else { return String::new() };
        let from = self.read.entry(path).or_default();
        let mut octets = Vec::new();
        if file.seek(SeekFrom::Start(*from)).is_err() || file.read_to_end(&mut octets).is_err() {
            return String::new();
        }
        let whole = octets.iter().rposition(|octet| *octet == b'\n').map_or(0, |at| at + 1);
        octets.truncate(whole);
        *from += octets.len() as u64;
        String::from_utf8_lossy(&octets).into_owned()
    }
}

fn bad_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| line.contains(" ERROR ") || line.contains("panicked at"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn errors_and_panics_are_bad_lines() {
        let text = "a INFO x\nb ERROR y\nthread 'rib' panicked at z\nb WARN w\n";
        assert_eq!(bad_lines(text).collect::<Vec<_>>(), ["b ERROR y", "thread 'rib' panicked at z"]);
    }

    #[test]
    fn what_is_left_to_do_is_seen() {
        let family = |stale: u32, pending: u32| json!({"family": "ipv4-unicast", "stale": stale, "pending": pending});
        let summary = |restarting: bool, family: Value| json!({"restarting": restarting, "families": [family]});
        assert_eq!(unsettled(&summary(false, family(0, 0))), None);
        for left in [summary(true, family(0, 0)), summary(false, family(1, 0)), summary(false, family(0, 1))] {
            assert!(unsettled(&left).is_some(), "{left}");
        }
    }

    #[test]
    fn a_node_that_complains_is_not_well() {
        let well = json!({
            "waiting_for": null, "drained": "none", "datastore": {"state": "in_sync", "invalid": []}, "warnings": [],
            "fib": {"pending": 0, "conflicts": 0, "held": 0, "unresolved": 0, "stale": 0},
        });
        assert_eq!(unwell(&well), None);
        for (pointer, value) in [
            ("/waiting_for", json!("a node")),
            ("/drained", json!("lowered")),
            ("/datastore/state", json!("lost")),
            ("/datastore/invalid", json!(["x"])),
            ("/warnings", json!(["x"])),
            ("/fib", Value::Null),
            ("/fib/held", json!(1)),
        ] {
            let mut other = well.clone();
            *other.pointer_mut(pointer).expect("it is there") = value;
            assert!(unwell(&other).is_some(), "{pointer}");
        }
    }
}
