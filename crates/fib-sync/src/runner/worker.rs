//! What the thread does when it is awake, and how it sleeps.

use std::mem;
use std::os::fd::AsFd;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread;
use std::time::{Duration, Instant};

use heddle_bgp_core::Timestamp;
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollEvent, EpollFlags, EpollTimeout};

use super::sockets::{Patience, Sockets, Work};
use super::{BestPathSource, Command, Complete, MONITOR, More, News, Shared, Sink};
use crate::engine::FibSync;
use crate::input::Output;

/// How long to wait before sockets that cannot be opened are tried again.
const REOPEN: Duration = Duration::from_secs(1);
/// How often a thread that is not the table's own asks the source, and writes: twice, as the second time finds nothing.
const LITTLE: usize = 2;

/// Whether the thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    On,
    Stop,
}

/// What a round left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    /// More to do.
    Busy,
    /// The sockets are of no more use.
    Broken,
    /// Nothing to do before this time; none: until the thread is woken.
    Idle(Option<Timestamp>),
    /// The thread is to end.
    Over,
}

/// What became of the little that another thread wanted to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Little {
    /// It is done.
    Done,
    /// The table's own thread has to go on.
    Left,
}

/// What a worker is made of.
pub(super) struct Parts {
    pub(super) fib: FibSync,
    pub(super) sockets: Sockets,
    pub(super) shared: Arc<Shared>,
    pub(super) clock: Box<dyn Fn() -> Timestamp + Send>,
    pub(super) source: Option<Box<dyn BestPathSource>>,
    pub(super) sink: Sink,
}

/// The forwarding table and all that it is kept in step with. Whoever works on it has it locked; no other lock of the
/// program is held meanwhile but by the source and the sink, within their calls.
pub(super) struct Worker {
    parts: Parts,
    news: News,
    outputs: Vec<Output>,
    /// Until when the thread sleeps, if nobody wakes it.
    asleep_until: Option<Timestamp>,
    reopened: Option<Instant>,
    /// It was told to stop: what waits was hurried, once.
    hurried: bool,
}

impl Worker {
    pub(super) fn new(parts: Parts) -> Self {
        Self { parts, news: News::default(), outputs: Vec::new(), asleep_until: None, reopened: None, hurried: false }
    }

    fn now(&self) -> Timestamp {
        (self.parts.clock)()
    }

    fn round(&mut self, heard: bool) -> Round {
        let now = self.now();
        let Parts { fib, sockets, clock, .. } = &mut self.parts;
        let mut work = Work::Done;
        if fib.wants_dump(now) {
            work = sockets.dump(fib, clock);
            if work != Work::Broken {
                // What was reported meanwhile is older or newer than what the dump said: it comes before any write.
                work = sockets.listen_to_all(fib, now, Patience::All);
            }
        } else if heard {
            work = sockets.listen(fib, now);
        }
        let life = self.take_commands(now);
        let more = self.take_paths(now);
        let fib = &mut self.parts.fib;
        if fib.poll_timeout().is_some_and(|at| at <= now) {
            fib.handle_timeout(now);
        }
        self.tell();
        let wrote = self.write(Patience::All);
        let broken = work == Work::Broken || wrote == Work::Broken;
        let busy = work == Work::More || wrote == Work::More || more == More::Yes;
        match (life, broken, busy) {
            (Life::On, true, _) => Round::Broken,
            (Life::On, false, true) => Round::Busy,
            (Life::On, false, false) => {
                self.asleep_until = self.parts.fib.poll_timeout();
                Round::Idle(self.asleep_until)
            }
            (Life::Stop, false, true) => {
                // To be heard again once the rest is written.
                self.parts.shared.lock().commands.push(Command::Stop);
                Round::Busy
            }
            (Life::Stop, true, _) | (Life::Stop, false, false) => Round::Over,
        }
    }

    /// What the source has and what comes of it, if it is little and nothing else is to be done.
    pub(super) fn little(&mut self) -> Little {
        let now = self.now();
        if self.parts.fib.wants_dump(now) || !self.parts.shared.lock().commands.is_empty() {
            return Little::Left;
        }
        for _ in 0..LITTLE {
            let more = self.take_paths(now);
            self.tell();
            let wrote = self.write(Patience::Little);
            if wrote == Work::Broken {
                return Little::Left;
            }
            if wrote == Work::Done && more == More::No {
                let timer = self.parts.fib.poll_timeout();
                let sooner = timer.is_some_and(|at| self.asleep_until.is_none_or(|until| at < until));
                return if sooner { Little::Left } else { Little::Done };
            }
        }
        Little::Left
    }

    fn write(&mut self, patience: Patience) -> Work {
        let Parts { fib, sockets, clock, .. } = &mut self.parts;
        let wrote = sockets.write(fib, clock, patience);
        self.tell();
        wrote
    }

    fn tell(&mut self) {
        while let Some(output) = self.parts.fib.poll_output() {
            self.outputs.push(output);
        }
        if !self.outputs.is_empty() {
            (self.parts.sink)(&mut self.outputs);
            self.outputs.clear();
        }
    }

    fn take_commands(&mut self, now: Timestamp) -> Life {
        let Self { parts: Parts { fib, shared, .. }, hurried, .. } = self;
        let commands = {
            let mut queue = shared.lock();
            if queue.paths > 0 {
                queue.paths = 0;
                shared.room.notify_all();
            }
            mem::take(&mut queue.commands)
        };
        let mut life = Life::On;
        for command in commands {
            match command {
                Command::BestPaths(paths) => fib.handle_best_paths(now, paths),
                Command::Usage(usages) => fib.handle_usage(now, usages),
                Command::Blackholes(prefixes) => fib.set_blackholes(now, prefixes),
                Command::Settings(settings) => fib.set_settings(now, *settings),
                Command::Sweep => fib.sweep(now),
                Command::Query(query) => query(fib),
                Command::Stop => life = Life::Stop,
            }
        }
        if life == Life::Stop && !mem::replace(hurried, true) {
            fib.hurry(now);
        }
        life
    }

    fn take_paths(&mut self, now: Timestamp) -> More {
        let Parts { fib, shared, source, .. } = &mut self.parts;
        if !shared.source.swap(false, Ordering::SeqCst) {
            return More::No;
        }
        let Some(source) = source else { return More::No };
        let more = source.take(&mut self.news);
        if more == More::Yes {
            shared.source.store(true, Ordering::SeqCst);
        }
        if !self.news.usages.is_empty() {
            fib.handle_usage(now, self.news.usages.drain(..));
        }
        fib.handle_best_paths(now, self.news.paths.drain(..));
        match mem::take(&mut self.news.complete) {
            Complete::Yes => fib.sweep(now),
            Complete::No => {}
        }
        more
    }
}

/// The thread: it has the worker while there is something to do, and not while it sleeps.
pub(super) struct Driver {
    worker: Arc<Mutex<Worker>>,
    epoll: Epoll,
    shared: Arc<Shared>,
}

impl Driver {
    pub(super) fn new(worker: Arc<Mutex<Worker>>, epoll: Epoll, shared: Arc<Shared>) -> Self {
        Self { worker, epoll, shared }
    }

    /// Goes on until it is told to stop, or another thread failed in the middle of the worker.
    pub(super) fn run(&self) {
        let mut heard = true;
        while let Some(round) = self.worker().map(|mut worker| worker.round(heard)) {
            heard = match round {
                Round::Busy => self.wait(EpollTimeout::ZERO),
                Round::Idle(until) => self.sleep(until),
                Round::Broken => match self.reopen() {
                    Life::On => true,
                    Life::Stop => return,
                },
                Round::Over => return,
            };
        }
    }

    fn worker(&self) -> Option<MutexGuard<'_, Worker>> {
        let worker = self.worker.lock();
        if worker.is_err() {
            tracing::error!("the forwarding table is left as it is: a thread that wrote to it failed");
        }
        worker.ok()
    }

    /// Sleeps unless there is something to do; says whether the kernel has reported something.
    fn sleep(&self, until: Option<Timestamp>) -> bool {
        self.shared.sleeping.store(true, Ordering::SeqCst);
        // What came before this thread said that it sleeps woke nobody.
        let commands = !self.shared.lock().commands.is_empty();
        if commands || self.shared.source.load(Ordering::SeqCst) {
            return self.wait(EpollTimeout::ZERO);
        }
        let Some(until) = until else { return self.wait(EpollTimeout::NONE) };
        let Some(now) = self.worker().map(|worker| worker.now()) else { return false };
        // Rounded up, so that the timer is due when the thread wakes.
        let millis = until.since(now).as_nanos().div_ceil(1_000_000);
        let millis = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
        self.wait(EpollTimeout::try_from(millis).unwrap_or(EpollTimeout::MAX))
    }

    fn wait(&self, timeout: EpollTimeout) -> bool {
        let mut events = [EpollEvent::empty(); 2];
        let ready = match self.epoll.wait(&mut events, timeout) {
            Ok(ready) => ready,
            Err(Errno::EINTR) => 0,
            Err(error) => {
                tracing::error!(%error, "waiting for the kernel failed");
                0
            }
        };
        self.shared.sleeping.store(false, Ordering::SeqCst);
        events.iter().take(ready).any(|event| event.data() == MONITOR)
    }

    /// New sockets in place of broken ones; what happened meanwhile is read anew.
    fn reopen(&self) -> Life {
        let Some(reopened) = self.worker().map(|worker| worker.reopened) else { return Life::Stop };
        if reopened.is_some_and(|at| at.elapsed() < REOPEN) && self.pause() == Life::Stop {
            return Life::Stop;
        }
        loop {
            let sockets = Sockets::open();
            let Some(mut worker) = self.worker() else { return Life::Stop };
            worker.reopened = Some(Instant::now());
            match sockets {
                Ok(sockets) => {
                    let event = EpollEvent::new(EpollFlags::EPOLLIN, MONITOR);
                    if let Err(error) = self.epoll.add(sockets.monitor.as_fd(), event) {
                        tracing::error!(%error, "the kernel's reports cannot be waited for");
                    }
                    let now = worker.now();
                    worker.parts.sockets = sockets;
                    worker.parts.fib.handle_kernel(now, crate::route::KernelEvent::Overrun);
                    return Life::On;
                }
                Err(error) => {
                    drop(worker);
                    tracing::error!(%error, "no sockets to the kernel; trying again");
                    if self.pause() == Life::Stop {
                        return Life::Stop;
                    }
                }
            }
        }
    }

    /// Waits before another attempt, less long when the thread is to stop.
    fn pause(&self) -> Life {
        const LOOKS: u32 = 20;
        for _ in 0..LOOKS {
            if self.shared.lock().commands.iter().any(|command| matches!(command, Command::Stop)) {
                return Life::Stop;
            }
            thread::sleep(REOPEN / LOOKS);
        }
        Life::On
    }
}
