//! `heddle lab up`.

use std::fs::{self, File};
use std::io::{self, IsTerminal};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixListener;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use nix::sys::signal::{SigSet, Signal};

use super::args::Up;
use super::server::{Supervised, serve};
use super::{Failure, program};
use crate::fabric::{Fabric, Options, Patience, Step};
use crate::plan::Role;
use crate::report;
use crate::rootless;
use crate::state::{Place, ProcessId, State};
use crate::topology::Topology;

/// What the background half of `--detach` writes.
const LOG: &str = "up.log";
/// It is there when the background half has said everything.
const READY: &str = "ready";

pub(super) fn run(args: &Up, name: Option<&str>) -> Result<(), Failure> {
    let topology = topology(args, name)?;
    let place = Place::named(&topology.name);
    if args.detach {
        place.claim()?;
        return detach(&place);
    }
    if !args.background {
        place.claim()?;
    }
    let supervisor = ProcessId::of(std::process::id());
    let supervisor = supervisor.ok_or_else(|| Failure::Signals(io::ErrorKind::NotFound.into()))?;
    place.write(&State { supervisor, processes: Vec::new() })?;
    let result = supervise(args, &topology, &place, supervisor);
    place.clean();
    result
}

fn topology(args: &Up, name: Option<&str>) -> Result<Topology, Failure> {
    let mut topology = match &args.topology {
        None => Topology::standard(),
        Some(path) => {
            let text = fs::read_to_string(path).map_err(|source| Failure::File { path: path.clone(), source })?;
            Topology::from_yaml(&text).map_err(|source| Failure::Topology { path: path.clone(), source })?
        }
    };
    if let Some(name) = name {
        name.clone_into(&mut topology.name);
    }
    topology.check().map_err(crate::fabric::FabricError::Topology)?;
    Ok(topology)
}

/// Starts the background half and waits until it is ready, showing what it says.
fn detach(place: &Place) -> Result<(), Failure> {
    let log = place.directory.join(LOG);
    let failed = |source| Failure::File { path: log.clone(), source };
    // Read by the open file: when the lab fails, its directory is gone, and what it said is wanted all the same.
    let output = File::options().read(true).write(true).create(true).truncate(true).open(&log).map_err(failed)?;
    let mut said = output.try_clone().map_err(failed)?;
    let errors = output.try_clone().map_err(failed)?;
    let own = program()?;
    let mut arguments: Vec<_> = std::env::args_os().skip(1).filter(|word| word != "--detach").collect();
    arguments.push("--background".into());
    let mut command = Command::new(&own);
    command.args(arguments).stdin(Stdio::null()).stdout(output).stderr(errors).process_group(0);
    let mut child = command.spawn().map_err(|source| Failure::Program { program: own, source })?;
    let mut shown = 0;
    loop {
        let ended = child.try_wait().map_err(Failure::Signals)?;
        let ready = place.directory.join(READY).exists();
        let text = read_from(&mut said, shown).map_err(failed)?;
        print!("{}", String::from_utf8_lossy(&text));
        shown += text.len() as u64;
        if let Some(status) = ended {
            return Err(Failure::Refused(format!("the lab ended: {status}")));
        }
        if ready {
            return Ok(());
        }
        sleep(Duration::from_millis(50));
    }
}

/// What a file has from this place on. The place of writers, who share it, stays where it is.
fn read_from(file: &mut File, from: u64) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let mut part = [0; 4096];
    loop {
        match file.read_at(&mut part, from + text.len() as u64)? {
            0 => return Ok(text),
            read => text.extend_from_slice(part.get(..read).unwrap_or_default()),
        }
    }
}

fn supervise(args: &Up, topology: &Topology, place: &Place, supervisor: ProcessId) -> Result<(), Failure> {
    let program = program()?;
    // Threads inherit the mask; only the one that waits for signals gets them. Programs that are started begin without it.
    let mut signals = SigSet::empty();
    [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().for_each(|signal| signals.add(signal));
    signals.thread_block().map_err(|error| Failure::Signals(error.into()))?;
    if !rootless::is_privileged() {
        rootless::enter(&place.directory)?;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let heard = Arc::clone(&stop);
    let wait = move || {
        while signals.wait().is_ok() {
            heard.store(true, Ordering::Release);
        }
    };
    thread::Builder::new().name("signals".to_owned()).spawn(wait).map_err(Failure::Signals)?;
    let result =
        hold(args, topology, &Options { program, directory: place.directory.join("fabric") }, place, supervisor, &stop);
    match result {
        // Whoever asked for the end knows of it.
        Err(Failure::Fabric(crate::fabric::FabricError::Interrupted)) => Ok(()),
        other => other,
    }
}

/// Builds, shows, and stays until it is told to stop.
fn hold(
    args: &Up,
    topology: &Topology,
    options: &Options,
    place: &Place,
    supervisor: ProcessId,
    stop: &Arc<AtomicBool>,
) -> Result<(), Failure> {
    let interrupted = || stop.load(Ordering::Acquire);
    let mut progress = Progress::new();
    let begun = Instant::now();
    let fabric = Fabric::build(topology, options, &mut |step| progress.show(step), &interrupted)?;
    let path = place.socket();
    let listener = UnixListener::bind(&path).map_err(|source| Failure::File { path, source })?;
    let supervised = Supervised { fabric, stop: Arc::clone(stop), place: place.clone(), supervisor };
    let supervised = Arc::new(supervised);
    let fabric = &supervised.fabric;
    fabric.start(&mut |step| progress.show(step), &interrupted)?;
    supervised.record();
    serve(listener, &supervised).map_err(Failure::Signals)?;
    let patience = Patience { limit: Duration::from_secs(args.timeout), interrupted: &interrupted };
    let convergence = fabric.await_convergence(patience, &mut |step| progress.show(step))?;
    progress.finish();
    supervised.record();
    summary(fabric, &convergence, begun.elapsed())?;
    if !args.once {
        suggest(fabric, args);
    }
    if args.strict && !convergence.is_complete() {
        return Err(Failure::NotConverged);
    }
    if args.once {
        return if convergence.is_complete() { Ok(()) } else { Err(Failure::NotConverged) };
    }
    let ready = place.directory.join(READY);
    File::create(&ready).map_err(|source| Failure::File { path: ready, source })?;
    while !interrupted() {
        sleep(Duration::from_millis(50));
    }
    progress.say("Stopping.");
    end(supervised)
}

/// Ends the fabric when the last command that works on it has ended.
fn end(supervised: Arc<Supervised>) -> Result<(), Failure> {
    let mut supervised = supervised;
    let deadline = Instant::now() + Duration::from_secs(3);
    loop {
        match Arc::try_unwrap(supervised) {
            Ok(last) => {
                last.fabric.down();
                return Ok(());
            }
            // A command that takes too long: ending the program ends everything.
            Err(_) if Instant::now() >= deadline => return Ok(()),
            Err(shared) => supervised = shared,
        }
        sleep(Duration::from_millis(10));
    }
}

fn summary(fabric: &Fabric, convergence: &crate::fabric::Convergence, took: Duration) -> Result<(), Failure> {
    print!("{}", report::hosts(fabric)?);
    let mut racks = std::collections::BTreeSet::new();
    for host in fabric.plan().nodes() {
        let Role::Node { rack, .. } = &host.role else { continue };
        if racks.insert(rack) && racks.len() <= 2 {
            print!("\nForwarding table of {}\n{}", host.name, report::forwarding(fabric, &host.name)?);
        }
    }
    print!("\n{}", report::ping_matrix(&convergence.matrix));
    print!("\n{}", report::convergence(convergence));
    print!("{}", report::obituaries(fabric));
    println!("Building and convergence took {}. Files: {}", report::span(took), fabric.directory().display());
    Ok(())
}

/// What to do with a fabric that stays.
fn suggest(fabric: &Fabric, args: &Up) {
    let link = fabric.plan().links.last().map(|link| format!("{}-{}", link.lower.host, link.upper.host));
    let node = fabric.plan().nodes().next().map(|node| node.name.clone()).unwrap_or_default();
    println!("\n{}", if args.background { "Try:" } else { "Try, in another terminal:" });
    println!("  heddle lab status --routes");
    println!("  heddle lab exec {node} -- ip route");
    println!("  heddle lab break link {}", link.unwrap_or_default());
    println!("  heddle lab break kill {node}        then: heddle lab heal all");
    println!("  heddle lab add-pod {node}");
    println!("{} ends it.", if args.background { "`heddle lab down`" } else { "Ctrl-C or `heddle lab down`" });
}

/// A bar on a terminal; elsewhere a line for each kind of work when it is done.
struct Progress {
    bar: Option<ProgressBar>,
    last: &'static str,
}

impl Progress {
    fn new() -> Self {
        let style = ProgressStyle::with_template("{spinner} {msg:14} {wide_bar:.cyan} {pos}/{len} {elapsed}");
        let bar = io::stderr().is_terminal().then(|| ProgressBar::new(0));
        if let (Some(bar), Ok(style)) = (&bar, style) {
            bar.set_style(style);
        }
        Self { bar, last: "" }
    }

    fn show(&mut self, step: Step) {
        let Step { what, done, total } = step;
        if let Some(bar) = &self.bar {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
            bar.set_message(what);
        }
        if done == total && self.last != what {
            self.last = what;
            self.say(&format!("{what}: {total}"));
        }
    }

    fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None => eprintln!("{text}"),
        }
    }

    fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
