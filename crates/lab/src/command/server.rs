//! The supervisor's side of the other commands: a request a connection, text back as it comes.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::watch::{self, Watching};
use crate::fabric::{Fabric, FabricError, Target};
use crate::ping;
use crate::pod::{Borrow, PodError};
use crate::report;
use crate::state::{Place, ProcessId, State};

/// What is asked.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Request {
    Status {
        json: bool,
        routes: bool,
    },
    Ping {
        from: Option<String>,
        to: Option<String>,
    },
    Break {
        target: String,
        seconds: u64,
    },
    Heal {
        target: String,
        seconds: u64,
    },
    AddPod {
        node: String,
        borrowed: Option<String>,
    },
    RemovePod {
        pod: String,
    },
    /// Where the namespace of a host or pod is.
    Locate {
        host: String,
    },
    Down,
}

/// A line of the answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    Text(String),
    /// To [`Request::Locate`].
    Place {
        supervisor: u32,
        network: PathBuf,
    },
    /// The last: nothing, or why it failed.
    End(Option<String>),
}

/// Where an answer goes.
pub(super) struct Answer<'a>(&'a mut dyn FnMut(Reply) -> io::Result<()>);

impl Answer<'_> {
    /// Says something; whoever asked may be gone, which is no reason to leave anything half done.
    pub(super) fn say(&mut self, text: impl Into<String>) {
        let _ = (self.0)(Reply::Text(text.into()));
    }
}

/// A fabric with what is wanted of it.
#[derive(Debug)]
pub(super) struct Supervised {
    pub(super) fabric: Fabric,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) place: Place,
    pub(super) supervisor: ProcessId,
}

impl Supervised {
    /// Writes down which processes there are. The file serves the cleaning after a crash; without it the kernel kills the
    /// processes all the same.
    pub(super) fn record(&self) {
        let processes = self.fabric.processes().into_iter().filter_map(|(_, _, pid, _)| ProcessId::of(pid));
        let _ = self.place.write(&State { supervisor: self.supervisor, processes: processes.collect() });
    }
}

/// Answers requests on a thread, until the program ends.
pub(super) fn serve(listener: UnixListener, supervised: &Arc<Supervised>) -> io::Result<()> {
    let supervised = Arc::downgrade(supervised);
    let accept = move || {
        for stream in listener.incoming().flatten() {
            let Some(supervised) = supervised.upgrade() else { return };
            let work = move || {
                let _ = converse(stream, &supervised);
            };
            // Without a thread the connection is closed, which the other side reports.
            let _ = thread::Builder::new().name("command".to_owned()).spawn(work);
        }
    };
    thread::Builder::new().name("commands".to_owned()).spawn(accept).map(drop)
}

fn converse(mut stream: UnixStream, supervised: &Supervised) -> io::Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut line = String::new();
    BufReader::new(stream.try_clone()?).read_line(&mut line)?;
    let mut send = |reply: Reply| {
        let mut text = serde_json::to_string(&reply)?;
        text.push('\n');
        stream.write_all(text.as_bytes())
    };
    let request: Request = serde_json::from_str(&line)?;
    let result = handle(&request, supervised, &mut Answer(&mut send));
    send(Reply::End(result.err().map(|error| error.to_string())))
}

fn handle(request: &Request, supervised: &Supervised, answer: &mut Answer<'_>) -> Result<(), FabricError> {
    let fabric = &supervised.fabric;
    match request {
        Request::Status { json: true, .. } => answer.say(format!("{:#}\n", report::status_json(fabric)?)),
        Request::Status { json: false, routes } => status(fabric, *routes, answer)?,
        Request::Ping { from, to } => pings(fabric, from.as_deref(), to.as_deref(), answer)?,
        Request::Break { target, seconds } => {
            let target: Target = target.parse()?;
            let undo = match &target {
                Target::Link { .. } => target.to_string(),
                Target::Kill { host, .. } | Target::Freeze { host, .. } | Target::Host { host } => host.clone(),
            };
            let remedy = format!("`heddle lab heal {undo}` undoes it.");
            watch::watch(fabric, watching(fabric, &target, *seconds), answer, &remedy, || {
                fabric.break_down(&target).map(|()| format!("{target}: broken"))
            })?;
        }
        Request::Heal { target, seconds } => {
            let target: Target = target.parse()?;
            let watching = Watching { limit: Duration::from_secs(*seconds), least: Duration::ZERO };
            let remedy = "`heddle lab status` shows what is down.";
            watch::watch(fabric, watching, answer, remedy, || {
                fabric.heal(&target).map(|()| format!("{target}: healed"))
            })?;
            supervised.record();
        }
        Request::AddPod { node, borrowed } => {
            let name = fabric.add_pod(node, borrowed.as_deref().map_or(Borrow::Own, Borrow::From))?;
            let addresses = fabric.with_pods(|pods| {
                let pod = pods.iter().find(|pod| pod.name() == name);
                pod.map(|pod| pod.address().addresses().map(|address| address.to_string()).join(", "))
            });
            answer.say(format!("{name}: {}\n", addresses.unwrap_or_default()));
        }
        Request::RemovePod { pod } => fabric.remove_pod(pod)?,
        Request::Locate { host } => {
            let network = locate(fabric, host)?;
            let _ = (answer.0)(Reply::Place { supervisor: std::process::id(), network });
        }
        Request::Down => supervised.stop.store(true, Ordering::Release),
    }
    Ok(())
}

fn watching(fabric: &Fabric, target: &Target, seconds: u64) -> Watching {
    let least = match target {
        Target::Freeze { .. } => Duration::from_secs(u64::from(fabric.plan().topology.hold_time) + 2),
        Target::Link { .. } | Target::Kill { .. } | Target::Host { .. } => Duration::ZERO,
    };
    Watching { limit: Duration::from_secs(seconds), least }
}

fn status(fabric: &Fabric, routes: bool, answer: &mut Answer<'_>) -> Result<(), FabricError> {
    let name = &fabric.plan().topology.name;
    let age = fabric.running_for().map(report::span).unwrap_or_default();
    answer.say(format!("Lab {name}, running for {age}, files in {}\n\n", fabric.directory().display()));
    answer.say(report::hosts(fabric)?);
    answer.say("\n");
    answer.say(report::pods(fabric));
    let broken = fabric.broken_links();
    let links: Vec<String> =
        fabric.plan().links.iter().map(|link| format!("{}-{}", link.lower.host, link.upper.host)).collect();
    answer.say(format!("\nLinks: {}\n", links.join(" ")));
    if !broken.is_empty() {
        answer.say(format!("Down:  {}\n", broken.join(" ")));
    }
    if routes {
        for host in fabric.hosts() {
            answer.say(format!("\n{}\n{}", host.name(), report::forwarding(fabric, host.name())?));
        }
    }
    Ok(())
}

fn pings(fabric: &Fabric, from: Option<&str>, to: Option<&str>, answer: &mut Answer<'_>) -> Result<(), FabricError> {
    let patience = Duration::from_secs(1);
    for name in [from, to].into_iter().flatten() {
        if !fabric.with_pods(|pods| pods.iter().any(|pod| pod.name() == name)) {
            return Err(PodError::NoPod(name.to_owned()).into());
        }
    }
    let results = fabric.with_pods(|pods| {
        let mut results = Vec::new();
        for source in pods.iter().filter(|pod| from.is_none_or(|name| name == pod.name())) {
            let targets =
                pods.iter().filter(|pod| to.is_none_or(|name| name == pod.name()) && pod.name() != source.name());
            let targets: Vec<_> =
                targets.flat_map(|pod| pod.address().addresses().map(|to| (pod.name().to_owned(), to))).collect();
            results.extend(ping::ping(source, &targets, patience));
        }
        results
    });
    if from.is_none() && to.is_none() {
        answer.say(report::ping_matrix(&results));
        return Ok(());
    }
    for ping in &results {
        let time = ping.answer.map_or_else(|| "no answer".to_owned(), |time| format!("{} us", time.as_micros()));
        answer.say(format!("{} > {} ({}): {time}\n", ping.from, ping.to, ping.address));
    }
    Ok(())
}

fn locate(fabric: &Fabric, name: &str) -> Result<PathBuf, FabricError> {
    if let Ok(host) = fabric.host(name) {
        return Ok(host.namespace().path());
    }
    let pod = fabric.with_pods(|pods| pods.iter().find(|pod| pod.name() == name).map(|pod| pod.namespace().path()));
    Ok(pod.ok_or_else(|| PodError::NoNode(name.to_owned()))?)
}
