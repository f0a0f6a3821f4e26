//! Rounds of faults and quiet, one after the other.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use heddle_lab::process::State;
use nix::sys::signal::Signal;

use crate::Args;
use crate::check::Logs;
use crate::fault::Fault;
use crate::growth::{self, Held, Record};
use crate::report::Report;
use crate::schedule::{self, Step};
use crate::world::World;

/// Between two lines about what the processes hold.
const LINE: Duration = Duration::from_secs(10);
/// Between two looks at a lab that is not yet as it has to be.
const LOOK: Duration = Duration::from_millis(200);
/// Between two looks at what must never be.
const NEVER: Duration = Duration::from_secs(1);
/// Violations that are kept; more are counted.
const KEPT: usize = 100;

/// Raises the lab, and does everything.
pub(crate) fn run(args: &Args, heddle: &Path, directory: &Path) -> anyhow::Result<Report> {
    let world = World::up(args, directory, heddle)?;
    let mut soak = Running {
        world,
        json: args.json,
        begun: Instant::now(),
        struck: BTreeMap::new(),
        record: Record::default(),
        logs: Logs::default(),
        next_line: Duration::ZERO,
        next_look: Duration::ZERO,
        faults: BTreeMap::new(),
        misses: 0,
        recoveries: Vec::new(),
        violations: Vec::new(),
        limit: if args.sabotage { NEVER } else { Duration::from_secs(args.patience) },
        sabotage: args.sabotage,
    };
    let seed = args.seed.unwrap_or_else(|| u64::from(std::process::id()));
    soak.say(&format!("seed {seed}; {:.1} minutes of a lab with {} hosts", args.minutes, soak.world.scene.hosts.len()));
    soak.say(&format!("never killed: {}", soak.world.scene.elders.join(", ")));
    let mut round = args.round;
    while soak.begun.elapsed().as_secs_f64() < args.minutes * 60.0 {
        soak.round(seed, round, args.seconds)?;
        round += 1;
    }
    let growth = soak.record.growth();
    for process in &growth {
        for what in &process.grows {
            soak.violation(format!("{} grows: {what}", process.host));
        }
    }
    let confined = soak.world.confined();
    soak.finish();
    let Running { begun, faults, misses, recoveries, logs, violations, .. } = soak;
    Ok(Report {
        seed,
        rounds: round - args.round,
        minutes: begun.elapsed().as_secs_f64() / 60.0,
        confined,
        faults,
        misses,
        recovery_median: growth::median(&recoveries),
        recovery_worst: recoveries.iter().copied().max_by(f64::total_cmp),
        warnings: logs.warnings,
        growth,
        violations,
    })
}

/// A soak that runs.
struct Running {
    world: World,
    json: bool,
    begun: Instant,
    /// Hosts whose process was struck, and does not run because of that: how often.
    struck: BTreeMap<String, u32>,
    record: Record,
    logs: Logs,
    next_line: Duration,
    next_look: Duration,
    faults: BTreeMap<&'static str, u32>,
    misses: u32,
    recoveries: Vec<f64>,
    violations: Vec<String>,
    limit: Duration,
    sabotage: bool,
}

impl Running {
    fn round(&mut self, seed: u64, round: u32, seconds: u64) -> anyhow::Result<()> {
        let schedule = schedule::of_round(&self.world.scene, seed, round, seconds);
        self.say(&format!("round {round}: {} steps in {:.1} s", schedule.steps.len(), schedule.lasts.as_secs_f64()));
        let begun = Instant::now();
        for (at, step) in &schedule.steps {
            while let Some(left) = at.checked_sub(begun.elapsed()) {
                self.look();
                sleep(left.min(Duration::from_millis(100)));
            }
            self.step(step);
        }
        self.world.heal()?;
        self.struck.clear();
        if self.sabotage {
            self.world.sabotage()?;
        }
        self.settle(round);
        let minutes = self.begun.elapsed().as_secs_f64() / 60.0;
        for (host, pid) in self.world.ours() {
            let held = self.world.held(&host, pid);
            self.record.note(&host, pid, minutes, held);
        }
        Ok(())
    }

    fn step(&mut self, step: &Step) {
        let result = match step {
            Step::Begin(fault) => {
                *self.faults.entry(fault.kind()).or_default() += 1;
                self.strikes(fault);
                let result = self.world.begin(fault);
                self.say(&format!("fault: {fault}{}", if fault.is_a_moment() { "" } else { " …" }));
                result
            }
            Step::End(fault) => {
                let result = self.world.end(fault);
                self.say(&format!("       over: {fault}"));
                if let Fault::Kill { host } | Fault::Stop { host } = fault {
                    self.struck.remove(host);
                }
                result
            }
            Step::Route { number, node } => self.world.toggle_route(*number, node),
            Step::Pod { node, pick } => self.world.toggle_pod(node, *pick),
        };
        if let Err(error) = result {
            self.misses += 1;
            self.say(&format!("       it met nothing: {error:#}"));
        }
    }

    /// A process that is killed or stopped does not run until the fault is over.
    fn strikes(&mut self, fault: &Fault) {
        if let Fault::Kill { host } | Fault::Stop { host } = fault {
            *self.struck.entry(host.clone()).or_default() += 1;
        }
    }

    /// Waits until everything is as it has to be; says from time to time what it waits for.
    fn settle(&mut self, round: u32) {
        let begun = Instant::now();
        let mut next_word = LINE;
        loop {
            self.look();
            let wrong = self.world.wrong();
            if wrong.is_empty() {
                let took = begun.elapsed().as_secs_f64();
                self.recoveries.push(took);
                self.say(&format!("round {round} is over: all is well after {took:.1} s"));
                break;
            }
            if begun.elapsed() >= self.limit {
                for what in wrong {
                    self.violation(format!("round {round}: {} s after the last fault: {what}", self.limit.as_secs()));
                }
                break;
            }
            if begun.elapsed() >= next_word {
                next_word += LINE;
                let others = wrong.len() - 1;
                self.say(&format!(
                    "waiting: {}{}",
                    wrong[0],
                    if others > 0 { format!(", and {others} more") } else { String::new() }
                ));
            }
            sleep(LOOK);
        }
        for what in self.logs.faults(&self.world) {
            self.violation(format!("round {round}: {what}"));
        }
    }

    /// Ends all programs as planned: what they say at their end is read, too. Files stay.
    fn finish(&mut self) {
        for (host, name, ..) in self.world.fabric.processes() {
            let _ = self.world.fabric.process(&host, Some(name), |process| process.signal(Signal::SIGTERM));
        }
        for (host, name, ..) in self.world.fabric.processes() {
            let ended = self.world.fabric.process(&host, Some(name), |process| {
                process.stop();
                Ok(process.state())
            });
            if self.world.is_ours(name) && !matches!(ended, Ok(State::Ended { code: Some(0), .. })) {
                self.violation(format!("{host}: at its end {name} is {ended:?}"));
            }
        }
        for what in self.logs.faults(&self.world) {
            self.violation(format!("at the end: {what}"));
        }
    }

    /// Looks at what must never be, and says from time to time how things are.
    fn look(&mut self) {
        let now = self.begun.elapsed();
        if now >= self.next_look {
            self.next_look = now + NEVER;
            let struck: Vec<String> = self.struck.keys().cloned().collect();
            for what in self.world.never(&struck) {
                self.violation(what);
            }
        }
        if now >= self.next_line {
            self.next_line = now + LINE;
            let each: Vec<Held> = self.world.ours().iter().map(|(host, pid)| self.world.held(host, *pid)).collect();
            let most = each.iter().map(|held| held.rss).fold(0.0, f64::max);
            let all = each.into_iter().fold(Held::default(), Held::and);
            let (up, of) = self.world.sessions_up();
            self.say(&format!(
                "sessions {up}/{of}, resident {:.1} MiB (most {most:.1}), descriptors {}, threads {}, tasks {}, \
                 violations {}",
                all.rss,
                all.descriptors,
                all.threads,
                all.tasks,
                self.violations.len(),
            ));
        }
    }

    /// Each is told once, however often it is seen.
    fn violation(&mut self, what: String) {
        if self.violations.contains(&what) || self.violations.len() >= KEPT {
            return;
        }
        self.say(&format!("VIOLATION: {what}"));
        self.violations.push(what);
    }

    fn say(&self, what: &str) {
        let seconds = self.begun.elapsed().as_secs_f64();
        let (minutes, seconds) = ((seconds / 60.0).floor(), seconds % 60.0);
        let line = format!("{minutes:>4.0}:{seconds:04.1}  {what}");
        if self.json { eprintln!("{line}") } else { println!("{line}") }
    }
}
