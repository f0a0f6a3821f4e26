//! The thread that owns the sockets to the kernel and drives a [`FibSync`].
//!
//! It sleeps until it is woken: by a command, by [`Waker::wake`] when a [`BestPathSource`] has something, by the kernel's
//! reports, or by the engine's next timer. What is there is done at once: one changed route is one system call that writes
//! it and one that finds no error; many are packed. An idle thread makes no system call. While it sleeps, whoever has a
//! route or two for it writes them itself ([`Waker::work_here`]).

mod convert;
mod sockets;
mod worker;

use std::io;
use std::mem;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, OnceLock, PoisonError, TryLockError, Weak};
use std::thread::{self, JoinHandle};

use heddle_bgp_core::{Prefix, Timestamp};
use nix::errno::Errno;
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::engine::FibSync;
use crate::input::{BestPath, NextHop, Output, Usage};
use crate::settings::Settings;
use sockets::Sockets;
use worker::{Driver, Little, Parts, Worker};

/// Most best paths in the queue of commands.
const QUEUED_PATHS: usize = 16_384;
/// What an event of the thread's epoll is: somebody wakes it, or the kernel has something to report.
const EVENT: u64 = 0;
const MONITOR: u64 = 1;

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
    /// What the thread drives; set before it starts.
    worker: OnceLock<Weak<Mutex<Worker>>>,
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

/// Says that the [`BestPathSource`] has something. Cheap when the thread is awake.
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

    /// The source has a little: it is taken and written on the calling thread if the table's own has nothing to do, for
    /// waking that one takes longer than a route. Otherwise as [`wake`](Self::wake). Does not wait but for the kernel's
    /// answers; the source and the sink may be called.
    pub fn work_here(&self) {
        self.0.source.store(true, Ordering::SeqCst);
        let Some(worker) = self.0.worker.get().and_then(Weak::upgrade) else { return };
        match worker.try_lock() {
            Ok(mut worker) => {
                // After a panic the table's thread finds the lock poisoned, and ends.
                let mut waking = Waking(Some(&self.0));
                if worker.little() == Little::Done {
                    waking.0 = None;
                }
            }
            // It is busy, or has failed.
            Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => self.0.wake(),
        }
    }
}

/// Wakes the thread when it is dropped.
struct Waking<'a>(Option<&'a Shared>);

impl Drop for Waking<'_> {
    fn drop(&mut self) {
        if let Some(shared) = self.0 {
            // It may be about to sleep, with a time that is not right any more.
            shared.source.store(true, Ordering::SeqCst);
            shared.wake();
        }
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
            worker: OnceLock::new(),
        });
        let worker = Worker::new(Parts {
            fib: FibSync::new(settings),
            sockets,
            shared: Arc::clone(&shared),
            clock: Box::new(clock),
            source,
            sink: Box::new(sink),
        });
        let worker = Arc::new(Mutex::new(worker));
        let _ = shared.worker.set(Arc::downgrade(&worker));
        let driver = Driver::new(worker, epoll, Arc::clone(&shared));
        let closing = Closing(Arc::clone(&shared));
        let thread = thread::Builder::new().name("fib".to_owned()).spawn(move || {
            let _closing = closing;
            driver.run();
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
