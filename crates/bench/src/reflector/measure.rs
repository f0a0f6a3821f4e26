//! One contender, once.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use heddle_bgp_core::Asn;

use super::daemon::Daemon;
use super::generator::{Generator, Outcome, Phase};
use super::process::Process;
use super::report::RATE;
use super::routes::end_of_rib;
use super::scenario::{Drive, Scenario};
use super::session::{Identity, Session};
use super::target::{ClientNumber, View};
use super::world::{World, client_address, client_id, daemon_address};
use super::{ASN, probe, stall};
use crate::report::Value;

/// What is the same for all contenders.
#[derive(Debug)]
pub(crate) struct Bench<'a> {
    pub(crate) scenario: &'a Scenario,
    pub(crate) world: &'a World,
    pub(crate) heddle: &'a Path,
    /// After which a phase ends.
    pub(crate) limit: Duration,
}

/// One figure.
#[derive(Clone, Debug)]
pub(crate) struct Figure {
    pub(crate) measure: String,
    pub(crate) unit: &'static str,
    pub(crate) value: Value,
}

/// What one run came to.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) figures: Vec<Figure>,
    /// What was wrong with tables that had been complete.
    pub(crate) wrong: Vec<String>,
    /// What was not as it should be at the limit.
    pub(crate) unfinished: Vec<String>,
    /// Whether it was ended at the limit, so that no other run is worth its time.
    pub(crate) given_up: bool,
}

impl Figures {
    pub(crate) fn push(&mut self, measure: impl Into<String>, unit: &'static str, value: Value) {
        self.figures.push(Figure { measure: measure.into(), unit, value });
    }
}

impl Bench<'_> {
    /// Runs the case with one contender.
    pub(crate) fn run(&self, daemon: Daemon, directory: &Path) -> anyhow::Result<Figures> {
        let shape = self.scenario.shape();
        let mut process = daemon.start(&self.world.daemon, &shape, directory, self.heddle)?;
        // All sockets are made by the thread that runs in the generator's namespace.
        let ran = self.world.generator.run(|| self.with_clients(daemon, &mut process))?;
        ran.with_context(|| process.ended().unwrap_or_else(|| format!("its log ends: {}", process.last_words())))
    }

    fn with_clients(&self, daemon: Daemon, process: &mut Process) -> anyhow::Result<Figures> {
        let mut generator = Generator::new(self.sessions(daemon), Arc::clone(&self.scenario.index))?;
        let began = Instant::now();
        await_listener(process, generator.sessions.first().context("a case has clients")?, self.limit)?;
        let missing = generator.establish(self.limit.saturating_sub(began.elapsed()))?;
        let mut figures = Figures::default();
        if missing > 0 {
            self.not_established(missing, &mut figures);
            return Ok(figures);
        }
        self.end_initial_tables(&mut generator)?;
        generator.idle(daemon.hold_back(generator.sessions.len()))?;
        match &self.scenario.drive {
            Drive::Phases => {
                for phase in &self.scenario.phases(daemon) {
                    if !figures.given_up {
                        self.phase(daemon, phase, &mut generator, process, &mut figures)?;
                    }
                }
            }
            Drive::Latency(probing) => probe::latency(self, daemon, *probing, &mut generator, &mut figures)?,
            Drive::Churn(probing) => probe::churn(self, daemon, *probing, &mut generator, process, &mut figures)?,
            Drive::Stall(time) => stall::run(self, daemon, *time, &mut generator, process, &mut figures)?,
        }
        if let Some(ended) = process.ended() {
            bail!(ended);
        }
        Ok(figures)
    }

    /// The case has not even begun at the limit.
    fn not_established(&self, missing: usize, figures: &mut Figures) {
        let limit = self.limit.as_secs_f64();
        match &self.scenario.drive {
            Drive::Phases => {
                let first = self.scenario.phases.first().map_or("advertisement", |phase| phase.name);
                figures.push(format!("{first}: all have all"), "s", Value::MoreThan(limit));
            }
            Drive::Latency(_) | Drive::Churn(_) => figures.push("latency, p50", "ms", Value::MoreThan(limit * 1e3)),
            Drive::Stall(_) => figures.push("nobody stalls: all have all", "s", Value::MoreThan(limit)),
        }
        let sessions = self.scenario.clients.len();
        figures.unfinished.push(format!("{missing} of {sessions} sessions are not established after {limit:.0} s"));
        figures.given_up = true;
    }

    /// Whoever has nothing to send at first says so. Who has does at the end of it, where the daemon sees that nothing
    /// more comes.
    fn end_initial_tables(&self, generator: &mut Generator) -> anyhow::Result<()> {
        let first = self.scenario.phases.first();
        for number in 0..u16::try_from(generator.sessions.len())? {
            let client = ClientNumber(number);
            if first.is_none_or(|phase| phase.sends.iter().all(|(sender, _)| *sender != client)) {
                generator.send(client, end_of_rib(self.scenario.family()))?;
            }
        }
        Ok(())
    }

    fn sessions(&self, daemon: Daemon) -> Vec<Session> {
        let family = self.scenario.family();
        let one = |(number, plan): (u16, &super::scenario::ClientPlan)| {
            let client = ClientNumber(number);
            let identity = Identity {
                local: client_address(family, client),
                remote: daemon_address(family),
                asn: Asn(ASN),
                bgp_id: client_id(client),
                family,
                hold_time: self.scenario.hold_time,
                add_path: plan.add_path,
                receive_buffer: plan.receive_buffer,
            };
            let view =
                View::new(client, daemon.echo(), self.scenario.community(daemon, client), self.scenario.index.count());
            Session::new(identity, view)
        };
        (0..).zip(&self.scenario.clients).map(one).collect()
    }

    fn phase(
        &self,
        daemon: Daemon,
        phase: &Phase,
        generator: &mut Generator,
        process: &Process,
        figures: &mut Figures,
    ) -> anyhow::Result<()> {
        let before = process.usage();
        let own = thread_cpu();
        let goal = Scenario::goal(daemon, phase, generator.sessions.len());
        let outcome = generator.run(phase, goal, self.limit)?;
        let usage = process.usage();
        let own = thread_cpu().saturating_sub(own);
        self.report(phase.name, &outcome, figures);
        figures.push(format!("{}: CPU", phase.name), "s", seconds(usage.cpu.saturating_sub(before.cpu)));
        figures.push(format!("{}: peak RSS", phase.name), "MiB", Value::Is(usage.peak));
        figures.push(format!("{}: CPU of the generator", phase.name), "s", seconds(own));
        Ok(())
    }

    /// Times and rate of a phase.
    pub(crate) fn report(&self, name: &str, outcome: &Outcome, figures: &mut Figures) {
        let complete = outcome.complete.map_or(Value::MoreThan(self.limit.as_secs_f64()), seconds);
        figures.push(format!("{name}: all have all"), "s", complete);
        if let Some(time) = outcome.complete {
            figures.push(format!("{name}: last UPDATE"), "s", seconds(outcome.last));
            let heard = u32::try_from(outcome.heard).map_or(f64::INFINITY, f64::from);
            figures.push(format!("{name}: routes"), RATE, Value::Is(heard / 1e3 / time.as_secs_f64().max(1e-6)));
        }
        figures.given_up |= outcome.complete.is_none();
        let wrong = outcome.wrong.iter().map(|line| format!("{name}: {line}"));
        if outcome.complete.is_some() { figures.wrong.extend(wrong) } else { figures.unfinished.extend(wrong) }
    }
}

pub(crate) fn seconds(time: Duration) -> Value {
    Value::Is(time.as_secs_f64())
}

/// Waits until the daemon accepts connections.
fn await_listener(process: &mut Process, session: &Session, limit: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + limit;
    let remote = std::net::SocketAddr::new(session.identity.remote, 179);
    // From an address that is no client's.
    while std::net::TcpStream::connect_timeout(&remote, Duration::from_millis(200)).is_err() {
        if let Some(ended) = process.ended() {
            bail!(ended);
        }
        if Instant::now() >= deadline {
            bail!("nobody listens at {remote} after {} s", limit.as_secs());
        }
        sleep(Duration::from_millis(20));
    }
    Ok(())
}

/// CPU time of the calling thread.
fn thread_cpu() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or_default())
}
