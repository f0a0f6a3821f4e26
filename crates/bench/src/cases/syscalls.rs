//! System calls of a node whose peers are idle, by `strace -f -c`.

use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value as Json;

use crate::args::{Shape, Syscalls};
use crate::contender::{Contender, Setup};
use crate::report::{Aim, Report, Row, Value};
use crate::stand::Stand;

/// After the nodes have converged, before the counting.
const SETTLE: Duration = Duration::from_secs(10);
/// Until strace has attached.
const ATTACH: Duration = Duration::from_secs(1);

pub(crate) fn run(args: &Syscalls, setup: &Setup) -> anyhow::Result<Report> {
    let shape = Shape { nodes: args.peers + 1, reflectors: 0 };
    let mut report = Report::new(format!("system calls: {} established, idle peers, {} s", args.peers, args.seconds));
    let mut all = Row::new("system calls", "a second");
    let mut each = Row::new("for each KEEPALIVE sent or received", "calls").aim(Aim::AtMost(4.0));
    for contender in &setup.contenders {
        let stand = Stand::up(setup, *contender, shape)?;
        sleep(SETTLE);
        let node = stand.nodes().next().context("a fabric has nodes")?.name().to_owned();
        let before = keepalives(&stand, &node)?;
        let calls = strace(&stand, &node, Duration::from_secs(args.seconds))?;
        let after = keepalives(&stand, &node)?;
        let count: u64 = calls.values().sum();
        let seconds = u32::try_from(args.seconds).map_or(f64::INFINITY, f64::from);
        all = all.value(*contender, Some(Value::Is(number(count) / seconds)));
        if let (Some(before), Some(after)) = (before, after) {
            let messages = after.saturating_sub(before);
            // Without a KEEPALIVE every call is one too many.
            let share = match (messages, count) {
                (0, 0) => None,
                (0, count) => Some(Value::MoreThan(number(count))),
                (messages, count) => Some(Value::Is(number(count) / number(messages))),
            };
            each = each.value(*contender, share);
            report.notes.push(format!("{contender}: {messages} KEEPALIVEs"));
        }
        let table: Vec<String> = calls.iter().map(|(name, count)| format!("{name} {count}")).collect();
        report.notes.push(format!("{contender}: {}", table.join(", ")));
        stand.fabric.down();
    }
    report.rows = vec![all, each];
    report.notes.push("each peer has a session a family; of BIRD's two daemons the one for IPv4 is watched".to_owned());
    Ok(report)
}

/// KEEPALIVEs sent and received so far, where the daemon counts them.
fn keepalives(stand: &Stand, node: &str) -> anyhow::Result<Option<u64>> {
    if stand.contender == Contender::Bird {
        return Ok(None);
    }
    let ask = |path: &str| stand.fabric.api(node, path).with_context(|| format!("{node} does not answer"));
    let list = ask("/v1/peers")?;
    let mut sum = 0;
    for peer in list.get("peers").and_then(Json::as_array).context("no peers in the answer")? {
        let address = peer.get("address").and_then(Json::as_str).context("a peer without address")?;
        let details = ask(&format!("/v1/peers/{address}"))?;
        for way in ["sent", "received"] {
            let count = details.pointer(&format!("/messages/{way}/keepalive")).and_then(Json::as_u64);
            sum += count.with_context(|| format!("no counters in the answer about {address}: {details}"))?;
        }
    }
    Ok(Some(sum))
}

/// Counts the system calls of the first daemon of a node, by name.
fn strace(stand: &Stand, node: &str, time: Duration) -> anyhow::Result<BTreeMap<String, u64>> {
    let running = stand.fabric.processes().into_iter().find(|(host, ..)| host == node);
    let (_, _, pid, _) = running.with_context(|| format!("nothing runs on {node}"))?;
    let mut command = Command::new("strace");
    command.args(["-f", "-c", "-U", "calls,name", "-p", &pid.to_string()]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut child = command.spawn().context("strace cannot be started; install it")?;
    sleep(ATTACH + time);
    kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGINT)?;
    let mut text = String::new();
    child.stderr.take().context("strace writes to a pipe")?.read_to_string(&mut text)?;
    child.wait()?;
    parse(&text)
}

fn parse(text: &str) -> anyhow::Result<BTreeMap<String, u64>> {
    let mut calls = BTreeMap::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        if let (Some(count), Some(name), None) = (words.next(), words.next(), words.next())
            && let Ok(count) = count.parse()
            && name != "total"
        {
            calls.insert(name.to_owned(), count);
        }
    }
    // A daemon that made none has no table.
    if calls.is_empty() && !text.contains("attached") {
        bail!("strace says: {}", text.trim());
    }
    Ok(calls)
}

fn number(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_table_of_strace_is_read() {
        let text = "strace: Process 7 attached with 3 threads\nstrace: Process 7 detached\n    calls syscall\n\
            --------- ----------------\n       80 epoll_wait\n       40 recvfrom\n--------- ----------------\n      120 total\n";
        let calls = parse(text).unwrap();
        assert_eq!(calls, BTreeMap::from([("epoll_wait".to_owned(), 80), ("recvfrom".to_owned(), 40)]));
        assert!(parse("strace: attach: ptrace(PTRACE_SEIZE, 7): Operation not permitted\n").is_err());
    }
}
