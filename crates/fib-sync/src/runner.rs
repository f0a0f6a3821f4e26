//! The thread that owns the sockets to the kernel and drives a [`FibSync`].
//!
//! It sleeps until it is woken: by a command, by [`Waker::wake`] when a [`BestPathSource`] has something, by the kernel's
//! reports, or by the engine's next timer. What is there is done at once: one changed route is one wake-up, one system
//! call that writes it and one that finds no error; many are packed. An idle thread makes no system call.

mod convert;
mod sockets;

use std::io;
use std::mem;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use heddle_bgp_core::{Prefix, Timestamp};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::engine::FibSync;
use crate::input::{BestPath, NextHop, Output, Usage};
use crate::settings::Settings;
use sockets::{Sockets, Work};

/// Most best paths in the queue of commands.
const QUEUED_PATHS: usize = 16_384;
/// How long to wait before sockets that cannot be opened are tried again.
const REOPEN: Duration = Duration::from_secs(1);

/// Where best paths are fetched from, on the thread of the forwarding table: a reader of the RIB's changes. It is asked
/// after each [`Waker::wake`], and again until it has no more.
pub trait BestPathSource: Send {
    /// Appends some changes, a few thousand at most.
    fn take(&mut self, news: &mut News) -> More;
}

/// What a [`BestPathSource`] has.
#[derive(Debug, Default)]
pub struct News {
    /// Next hops that came into use or went out of it.
    pub usages: Vec<(NextHop, Usage)>,
    /// Changes of best paths.
    pub paths: Vec<BestPath>,
    /// Whether the initial tables of all peers are complete.
    pub complete: Complete,
}

/// Whether the initial tables of all peers are complete.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Complete {
    /// Not yet, or it was said before.
    #[default]
    No,
    /// They are, all best paths that came of them having been taken.
    Yes,
}

/// Whether a source has more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// Nothing now.
    No,
    /// Ask again.
    Yes,
}

/// The thread cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// A netlink socket cannot be opened.
    #[error("no socket to the kernel's routing tables (rtnetlink): {0}")]
    Netlink(#[from] heddle_netlink::OpenError),
    /// What wakes the thread cannot be made, or the thread itself.
    #[error("the thread of the forwarding table cannot be started: {0}")]
    Thread(#[from] io::Error),
}

impl From<Errno> for StartError {
    fn from(error: Errno) -> Self {
        Self::Thread(error.into())
    }
}

type Query = Box<dyn FnOnce(&mut FibSync) + Send>;
type Sink = Box<dyn FnMut(&mut Vec<Output>) + Send>;

enum Command {
    BestPaths(Vec<BestPath>),
    Usage(Vec<(NextHop, Usage)>),
    Blackholes(Vec<Prefix>),
    Settings(Box<Settings>),
    Sweep,
    Query(Query),
    Stop,
}

#[derive(Default)]
struct Queue {
    commands: Vec<Command>,
    paths: usize,
    closed: bool,
}

struct Shared {
    queue: Mutex<Queue>,
    room: Condvar,
    event: EventFd,
    /// The thread sleeps, or is about to: whoever has something for it has to wake it.
    sleeping: AtomicBool,
    /// The source has something.
    source: AtomicBool,
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) {
        if self.sleeping.swap(false, Ordering::SeqCst) {
            // It fails only when the counter is full, and then the thread is woken anyway.
            let _ = self.event.write(1);
        }
    }
}

/// Wakes the thread because its [`BestPathSource`] has something. Cheap when it is awake.
#[derive(Clone)]
pub struct Waker(Arc<Shared>);

impl std::fmt::Debug for Waker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Waker")
    }
}

impl Waker {
    /// The source has something.
    pub fn wake(&self) {
        self.0.source.store(true, Ordering::SeqCst);
        self.0.wake();
    }
}

/// The running thread. Dropping it stops the thread; the routes stay in the kernel.
pub struct Runner {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl std::fmt::Debug for Runner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Runner")
    }
}

impl Runner {
    /// Opens the sockets in the network namespace of the calling thread, and starts the thread, which reads the kernel at
    /// once. `sink` is called on that thread with what there is to be told; it must not block.
    ///
    /// # Errors
    ///
    /// When the sockets or the thread cannot be made.
    pub fn start(
        settings: Settings,
        clock: impl Fn() -> Timestamp + Send + 'static,
        source: Option<Box<dyn BestPathSource>>,
        sink: impl FnMut(&mut Vec<Output>) + Send + 'static,
    ) -> Result<Self, StartError> {
        let sockets = Sockets::open()?;
        let event = EventFd::from_flags(EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC)?;
        let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
        // Edge-triggered: the counter need not be read.
        epoll.add(&event, EpollEvent::new(EpollFlags::EPOLLIN | EpollFlags::EPOLLET, EVENT))?;
        epoll.add(sockets.monitor.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, MONITOR))?;
        let shared = Arc::new(Shared {
            queue: Mutex::default(),
            room: Condvar::new(),
            event,
            sleeping: AtomicBool::new(false),
            source: AtomicBool::new(true),
        });
        let of_thread = Arc::clone(&shared);
        let closing = Closing(Arc::clone(&shared));
        let thread = thread::Builder::new().name("fib".to_owned()).spawn(move || {
            let _closing = closing;
            let mut worker = Worker {
                fib: FibSync::new(settings),
                sockets,
                epoll,
                shared: of_thread,
                clock: Box::new(clock),
                source,
                sink: Box::new(sink),
                news: News::default(),
                outputs: Vec::new(),
                reopened: None,
            };
            worker.run();
        })?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// What wakes the thread when its source has something.
    #[must_use]
    pub fn waker(&self) -> Waker {
        Waker(Arc::clone(&self.shared))
    }

    /// Hands best paths over; waits while 16,384 of them have not been taken in yet. For those who have no
    /// [`BestPathSource`].
    pub fn best_paths(&self, paths: Vec<BestPath>) {
        let mut queue = self.shared.lock();
        while queue.paths >= QUEUED_PATHS && !queue.closed {
            queue = self.shared.room.wait(queue).unwrap_or_else(PoisonError::into_inner);
        }
        queue.paths = queue.paths.saturating_add(paths.len());
        self.push(queue, Command::BestPaths(paths));
    }

    /// The RIB has routes with these next hops, or not any more.
    pub fn next_hops(&self, usages: Vec<(NextHop, Usage)>) {
        self.command(Command::Usage(usages));
    }

    /// The blocks of this node, each of which gets a blackhole route.
    pub fn set_blackholes(&self, prefixes: Vec<Prefix>) {
        self.command(Command::Blackholes(prefixes));
    }

    /// Other settings; table and protocol stay as they were.
    pub fn set_settings(&self, settings: Settings) {
        self.command(Command::Settings(Box::new(settings)));
    }

    /// The initial tables of all peers are complete.
    pub fn sweep(&self) {
        self.command(Command::Sweep);
    }

    /// Runs something on the thread, to look at the table: keep it short, a page at a time.
    pub fn query(&self, query: impl FnOnce(&mut FibSync) + Send + 'static) {
        self.command(Command::Query(Box::new(query)));
    }

    /// Stops the thread after what was handed over is written. The routes stay in the kernel.
    pub fn stop(mut self) {
        self.end();
    }

    fn end(&mut self) {
        self.command(Command::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread of the forwarding table ended by a panic");
        }
    }

    fn command(&self, command: Command) {
        self.push(self.shared.lock(), command);
    }

    fn push(&self, mut queue: std::sync::MutexGuard<'_, Queue>, command: Command) {
        if !queue.closed {
            queue.commands.push(command);
        }
        drop(queue);
        self.shared.wake();
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        if self.thread.is_some() {
            self.end();
        }
    }
}

/// Closes the queue when the thread ends, by a panic too: nobody waits for an answer that will not come.
struct Closing(Arc<Shared>);

impl Drop for Closing {
    fn drop(&mut self) {
        let commands = {
            let mut queue = self.0.lock();
            queue.closed = true;
            mem::take(&mut queue.commands)
        };
        self.0.room.notify_all();
        drop(commands);
    }
}

const EVENT: u64 = 0;
const MONITOR: u64 = 1;

/// Whether the thread goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    On,
    Stop,
}

struct Worker {
    fib: FibSync,
    sockets: Sockets,
    epoll: Epoll,
    shared: Arc<Shared>,
    clock: Box<dyn Fn() -> Timestamp + Send>,
    source: Option<Box<dyn BestPathSource>>,
    sink: Sink,
    news: News,
    outputs: Vec<Output>,
    reopened: Option<Instant>,
}

impl Worker {
    fn run(&mut self) {
        let mut heard = true;
        loop {
            let now = (self.clock)();
            let mut work = Work::Done;
            if self.fib.wants_dump(now) {
                work = self.sockets.dump(&mut self.fib, &self.clock);
                // What was reported meanwhile is older or newer than what the dump said: it comes before any write.
                heard = true;
            }
            if heard && work != Work::Broken {
                work = self.sockets.listen(&mut self.fib, now);
            }
            let life = self.take_commands(now);
            let more = self.take_paths(now);
            if self.fib.poll_timeout().is_some_and(|at| at <= now) {
                self.fib.handle_timeout(now);
            }
            self.tell();
            let wrote = self.sockets.write(&mut self.fib, &self.clock);
            self.tell();
            if work == Work::Broken || wrote == Work::Broken {
                if life == Life::Stop || self.reopen() == Life::Stop {
                    return;
                }
                heard = true;
                continue;
            }
            let busy = work == Work::More || wrote == Work::More || more == More::Yes;
            if life == Life::Stop && !busy {
                return;
            }
            heard = self.wait(busy || life == Life::Stop);
        }
    }

    fn tell(&mut self) {
        while let Some(output) = self.fib.poll_output() {
            self.outputs.push(output);
        }
        if !self.outputs.is_empty() {
            (self.sink)(&mut self.outputs);
            self.outputs.clear();
        }
    }

    fn take_commands(&mut self, now: Timestamp) -> Life {
        let commands = {
            let mut queue = self.shared.lock();
            if queue.paths > 0 {
                queue.paths = 0;
                self.shared.room.notify_all();
            }
            mem::take(&mut queue.commands)
        };
        let mut life = Life::On;
        for command in commands {
            match command {
                Command::BestPaths(paths) => self.fib.handle_best_paths(now, paths),
                Command::Usage(usages) => self.fib.handle_usage(now, usages),
                Command::Blackholes(prefixes) => self.fib.set_blackholes(now, prefixes),
                Command::Settings(settings) => self.fib.set_settings(now, *settings),
                Command::Sweep => self.fib.sweep(now),
                Command::Query(query) => query(&mut self.fib),
                Command::Stop => life = Life::Stop,
            }
        }
        life
    }

    fn take_paths(&mut self, now: Timestamp) -> More {
        let Some(source) = &mut self.source else { return More::No };
        if !self.shared.source.swap(false, Ordering::SeqCst) {
            return More::No;
        }
        let more = source.take(&mut self.news);
        if more == More::Yes {
            self.shared.source.store(true, Ordering::SeqCst);
        }
        if !self.news.usages.is_empty() {
            self.fib.handle_usage(now, self.news.usages.drain(..));
        }
        self.fib.handle_best_paths(now, self.news.paths.drain(..));
        match mem::take(&mut self.news.complete) {
            Complete::Yes => self.fib.sweep(now),
            Complete::No => {}
        }
        more
    }

    /// Sleeps unless there is something to do; says whether the kernel has reported something.
    fn wait(&mut self, busy: bool) -> bool {
        let mut timeout = EpollTimeout::ZERO;
        if !busy {
            self.shared.sleeping.store(true, Ordering::SeqCst);
            // What came before this thread said that it sleeps woke nobody.
            let commands = !self.shared.lock().commands.is_empty();
            let paths = self.source.is_some() && self.shared.source.load(Ordering::SeqCst);
            if commands || paths {
                self.shared.sleeping.store(false, Ordering::SeqCst);
            } else {
                timeout = self.timeout();
            }
        }
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

    /// Until the engine's next timer.
    fn timeout(&self) -> EpollTimeout {
        let Some(at) = self.fib.poll_timeout() else { return EpollTimeout::NONE };
        let left = at.since((self.clock)());
        // Rounded up, so that the timer is due when the thread wakes.
        let millis = left.as_nanos().div_ceil(1_000_000);
        EpollTimeout::try_from(Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX)))
            .unwrap_or(EpollTimeout::MAX)
    }

    /// New sockets in place of broken ones; what happened meanwhile is read anew.
    fn reopen(&mut self) -> Life {
        if self.reopened.is_some_and(|at| at.elapsed() < REOPEN) && self.pause() == Life::Stop {
            return Life::Stop;
        }
        loop {
            self.reopened = Some(Instant::now());
            match Sockets::open() {
                Ok(sockets) => {
                    let event = EpollEvent::new(EpollFlags::EPOLLIN, MONITOR);
                    if let Err(error) = self.epoll.add(sockets.monitor.as_fd(), event) {
                        tracing::error!(%error, "the kernel's reports cannot be waited for");
                    }
                    self.sockets = sockets;
                    let now = (self.clock)();
                    self.fib.handle_kernel(now, crate::route::KernelEvent::Overrun);
                    return Life::On;
                }
                Err(error) => {
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
