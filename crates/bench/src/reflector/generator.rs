//! Many clients in one thread: what they send was prepared before, what they hear is counted prefix by prefix.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use bytes::Bytes;
use heddle_bgp_core::message::KEEPALIVE;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use super::index::Index;
use super::routes::end_of_rib;
use super::session::{Received, Session, State};
use super::target::{Became, ClientNumber, Expected, Target};

/// Sessions that are opened at the same time.
const OPENING: usize = 32;
/// Silence after which a daemon has nothing more to say.
pub(crate) const QUIET: Duration = Duration::from_millis(400);
/// Differences that are told.
const TOLD: usize = 5;

/// What ends a phase.
#[derive(Clone, Debug)]
pub(crate) enum Goal {
    /// Every client's table is as the target says.
    Tables,
    /// Every client has heard so many prefixes: of the floor, which does not choose between routes.
    Heard(Vec<u64>),
}

/// Clients that send something, and what everybody should have then.
#[derive(Clone, Debug)]
pub(crate) struct Phase {
    pub(crate) name: &'static str,
    pub(crate) sends: Vec<(ClientNumber, Bytes)>,
    pub(crate) target: Arc<Target>,
}

/// What a phase came to.
#[derive(Clone, Debug)]
pub(crate) struct Outcome {
    /// Until every client had every route; nothing where the limit was reached before.
    pub(crate) complete: Option<Duration>,
    /// Until the last UPDATE.
    pub(crate) last: Duration,
    /// Prefixes that were heard, by all clients.
    pub(crate) heard: u64,
    /// What was wrong with the tables in the end; a few lines.
    pub(crate) wrong: Vec<String>,
}

/// Additional work of a turn.
pub(crate) trait Watch: Became {
    /// A session was read.
    fn read(&mut self) {}
}

impl Watch for () {}

/// The clients.
#[derive(Debug)]
pub(crate) struct Generator {
    epoll: Epoll,
    pub(crate) sessions: Vec<Session>,
    /// How each is registered, and whether it has reached the goal.
    status: Vec<Status>,
    scratch: Vec<u8>,
    pub(crate) index: Arc<Index>,
    pub(crate) target: Arc<Target>,
    goal: Goal,
    complete: usize,
    complete_at: Option<Instant>,
    last_update: Instant,
    keepalive_at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Status {
    interest: Option<EpollFlags>,
    complete: bool,
    reading: Reading,
}

/// Whether a client reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    On,
    Off,
}

impl Generator {
    pub(crate) fn new(sessions: Vec<Session>, index: Arc<Index>) -> anyhow::Result<Self> {
        let status = Status { interest: None, complete: false, reading: Reading::On };
        let now = Instant::now();
        Ok(Self {
            epoll: Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?,
            status: vec![status; sessions.len()],
            sessions,
            scratch: Vec::new(),
            target: Arc::new(Target::empty(index.count())),
            index,
            goal: Goal::Tables,
            complete: 0,
            complete_at: None,
            last_update: now,
            keepalive_at: now,
        })
    }

    /// Opens all sessions and waits until the daemon is quiet; returns how many are missing at the limit.
    pub(crate) fn establish(&mut self, limit: Duration) -> anyhow::Result<usize> {
        let deadline = Instant::now() + limit;
        loop {
            let mut opening = 0;
            let mut idle = 0;
            for number in 0..self.sessions.len() {
                let Some(session) = self.sessions.get_mut(number) else { break };
                match session.state {
                    State::Idle(at) if opening < OPENING && at <= Instant::now() => {
                        opening += 1;
                        if session.connect().is_err() {
                            session.retry();
                        }
                        self.register(number)?;
                    }
                    State::Idle(_) => idle += 1,
                    State::Connecting | State::OpenSent | State::OpenConfirm => opening += 1,
                    State::Established => {}
                }
            }
            if opening + idle == 0 {
                break;
            }
            if Instant::now() >= deadline {
                return Ok(opening + idle);
            }
            self.turn(Duration::from_millis(10), &mut ())?;
        }
        self.settle(&mut ())?;
        Ok(0)
    }

    /// Goes on for so long.
    pub(crate) fn idle(&mut self, time: Duration) -> anyhow::Result<()> {
        let began = Instant::now();
        while began.elapsed() < time {
            self.turn(Duration::from_millis(100), &mut ())?;
        }
        Ok(())
    }

    /// Goes on until nothing has come for a while.
    pub(crate) fn settle(&mut self, watch: &mut impl Watch) -> anyhow::Result<()> {
        let deadline = Instant::now() + Duration::from_secs(5);
        let began = Instant::now();
        while self.last_update.max(began).elapsed() < QUIET && Instant::now() < deadline {
            self.turn(Duration::from_millis(20), watch)?;
        }
        Ok(())
    }

    /// Makes this what is expected from now on.
    pub(crate) fn expect(&mut self, target: Arc<Target>, goal: Goal) {
        self.target = target;
        self.goal = goal;
        self.complete = 0;
        self.complete_at = None;
        for number in 0..self.sessions.len() {
            if let Some(session) = self.sessions.get_mut(number) {
                session.view.begin(&self.target);
            }
            if let Some(status) = self.status.get_mut(number) {
                status.complete = false;
            }
            self.judge(number);
        }
    }

    /// Changes what is expected for one destination, in force at once; returns how many clients do not have it yet.
    pub(crate) fn expect_one(&mut self, number: usize, expected: Expected) -> usize {
        let before = Arc::make_mut(&mut self.target).exchange(number, expected).unwrap_or_default();
        let missing = self.sessions.iter_mut().filter_map(|session| {
            let has = session.view.expect(number, before, expected);
            (!has).then_some(())
        });
        let missing = missing.count();
        (0..self.sessions.len()).for_each(|number| self.judge(number));
        missing
    }

    /// Expects what a phase brings, but keeps what is expected from this destination on.
    pub(crate) fn expect_phase(&mut self, phase: &Phase, kept: usize) {
        let mut target = Target::clone(&phase.target);
        target.keep(&self.target, kept);
        self.expect(Arc::new(target), Goal::Tables);
    }

    /// Whether all clients have all that is expected, but for these destinations.
    pub(crate) fn complete_without(&self, under_way: usize) -> bool {
        self.sessions.iter().all(|session| session.view.wrong() <= under_way)
    }

    /// Runs a phase.
    pub(crate) fn run(&mut self, phase: &Phase, goal: Goal, limit: Duration) -> anyhow::Result<Outcome> {
        self.expect(Arc::clone(&phase.target), goal);
        let began = self.begin(phase)?;
        while self.complete_at.is_none() && began.elapsed() < limit {
            self.turn(Duration::from_millis(100), &mut ())?;
        }
        if self.complete_at.is_some() {
            self.settle(&mut ())?;
        }
        Ok(self.outcome(began))
    }

    /// Lets the clients of a phase begin to send; returns when that was.
    pub(crate) fn begin(&mut self, phase: &Phase) -> anyhow::Result<Instant> {
        let end_of_rib = end_of_rib(self.index.family());
        for (client, octets) in &phase.sends {
            let session = self.sessions.get_mut(usize::from(client.0)).context("no such client")?;
            session.send(octets.clone());
            session.send(end_of_rib.clone());
        }
        let began = Instant::now();
        self.last_update = began;
        for (client, _) in &phase.sends {
            self.write(usize::from(client.0))?;
        }
        Ok(began)
    }

    /// What has come of a phase until now.
    pub(crate) fn outcome(&self, began: Instant) -> Outcome {
        let mut wrong = Vec::new();
        if matches!(self.goal, Goal::Tables) {
            let all = self.sessions.iter().zip(&self.status);
            // Nobody knows what one that does not read has.
            let right = |session: &Session| session.view.complete() && session.view.is_clean();
            let incomplete = all.filter(|(session, status)| status.reading == Reading::On && !right(session));
            let lines = incomplete.flat_map(|(session, _)| session.view.differences(&self.index, &self.target, TOLD));
            wrong = lines.take(TOLD).collect();
        }
        Outcome {
            complete: self.complete_at.map(|at| at.saturating_duration_since(began)),
            last: self.last_update.saturating_duration_since(began),
            heard: self.sessions.iter().map(|session| session.view.heard).sum(),
            wrong,
        }
    }

    pub(crate) fn complete_at(&self) -> Option<Instant> {
        self.complete_at
    }

    /// The longest time since this was last asked for in which a client that reads heard nothing of the daemon.
    pub(crate) fn longest_silence(&mut self) -> Duration {
        let reading = self.status.iter().map(|status| status.reading);
        let silences = self.sessions.iter_mut().zip(reading).map(|(session, reading)| {
            let silence = session.silence.restart();
            if reading == Reading::On { silence } else { Duration::ZERO }
        });
        silences.max().unwrap_or_default()
    }

    /// Lets a client read or not; one that does not is not waited for.
    pub(crate) fn set_reading(&mut self, client: ClientNumber, reading: Reading) -> anyhow::Result<()> {
        let number = usize::from(client.0);
        self.status.get_mut(number).context("no such client")?.reading = reading;
        self.register(number)?;
        self.judge(number);
        Ok(())
    }

    /// Waits for what comes, at most so long, and handles it.
    pub(crate) fn turn(&mut self, at_most: Duration, watch: &mut impl Watch) -> anyhow::Result<()> {
        let mut events = [EpollEvent::empty(); 256];
        let timeout = EpollTimeout::try_from(at_most).unwrap_or(EpollTimeout::ZERO);
        let count = match self.epoll.wait(&mut events, timeout) {
            Ok(count) => count,
            Err(Errno::EINTR) => 0,
            Err(error) => return Err(error).context("epoll_wait"),
        };
        for event in events.iter().take(count) {
            let number = usize::try_from(event.data())?;
            let flags = event.events();
            let worked = self.handle(number, flags, watch);
            let Some(session) = self.sessions.get_mut(number) else { continue };
            match (worked, session.state) {
                (Ok(()), _) => {}
                (Err(error), State::Established) => {
                    return Err(error.context(format!("the session from {} was lost", session.identity.local)));
                }
                (Err(_), _) => {
                    self.status.get_mut(number).context("no such client")?.interest = None;
                    session.retry();
                    continue;
                }
            }
            self.register(number)?;
        }
        self.keepalives()
    }

    fn handle(&mut self, number: usize, flags: EpollFlags, watch: &mut impl Watch) -> anyhow::Result<()> {
        if flags.intersects(EpollFlags::EPOLLIN | EpollFlags::EPOLLHUP | EpollFlags::EPOLLERR) {
            let session = self.sessions.get_mut(number).context("no such client")?;
            if session.state != State::Connecting {
                let received = session.read(&mut self.scratch, &self.index, &self.target, watch)?;
                if received == Received::Updates {
                    self.last_update = Instant::now();
                    watch.read();
                    self.judge(number);
                }
            }
        }
        let session = self.sessions.get_mut(number).context("no such client")?;
        if session.wants_to_write() { session.write() } else { Ok(()) }
    }

    fn write(&mut self, number: usize) -> anyhow::Result<()> {
        self.sessions.get_mut(number).context("no such client")?.write()?;
        self.register(number)
    }

    /// Sends octets from a client at once.
    pub(crate) fn send(&mut self, client: ClientNumber, octets: Bytes) -> anyhow::Result<()> {
        let number = usize::from(client.0);
        self.sessions.get_mut(number).context("no such client")?.send(octets);
        self.write(number)
    }

    /// Whether a client has reached the goal, and whether all have.
    fn judge(&mut self, number: usize) {
        let Some((session, status)) = self.sessions.get(number).zip(self.status.get_mut(number)) else { return };
        let complete = match &self.goal {
            Goal::Tables => session.view.complete(),
            Goal::Heard(goals) => goals.get(number).is_none_or(|goal| session.view.heard >= *goal),
        };
        let complete = complete || status.reading == Reading::Off;
        if complete != status.complete {
            status.complete = complete;
            self.complete = if complete { self.complete + 1 } else { self.complete - 1 };
        }
        if self.complete < self.sessions.len() {
            self.complete_at = None;
        } else if self.complete_at.is_none() {
            self.complete_at = Some(Instant::now());
        }
    }

    fn register(&mut self, number: usize) -> anyhow::Result<()> {
        let Some((session, status)) = self.sessions.get(number).zip(self.status.get_mut(number)) else { return Ok(()) };
        let Some(stream) = &session.stream else {
            status.interest = None;
            return Ok(());
        };
        let mut interest = EpollFlags::empty();
        interest.set(EpollFlags::EPOLLIN, status.reading == Reading::On);
        interest.set(EpollFlags::EPOLLOUT, session.wants_to_write());
        let mut event = EpollEvent::new(interest, u64::try_from(number)?);
        match status.interest {
            Some(current) if current == interest => return Ok(()),
            Some(_) => self.epoll.modify(stream.as_fd(), &mut event)?,
            None => self.epoll.add(stream.as_fd(), event)?,
        }
        status.interest = Some(interest);
        Ok(())
    }

    fn keepalives(&mut self) -> anyhow::Result<()> {
        if Instant::now() < self.keepalive_at {
            return Ok(());
        }
        let mut interval = Duration::from_secs(60);
        for number in 0..self.sessions.len() {
            let Some(session) = self.sessions.get_mut(number) else { break };
            interval = interval.min(Duration::from_secs(session.identity.hold_time.into()) / 3);
            // Whoever still has something to send needs none.
            if session.state == State::Established && !session.wants_to_write() {
                session.send(Bytes::from_static(&KEEPALIVE));
                self.write(number)?;
            }
        }
        self.keepalive_at = Instant::now() + interval.max(Duration::from_millis(500));
        Ok(())
    }
}
