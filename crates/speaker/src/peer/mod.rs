//! The task of one peer: it owns the peer's state machine and its connections, carries out what the machine says, and
//! reports to it what happened.
//!
//! One `select!` waits for all of it: commands, an incoming connection, a connection being opened, the machine's next
//! timer, both sockets, room in the queue to the RIB, news in the journals. Nothing in a turn of the loop waits.

mod act;
mod command;
pub(crate) mod failure;
mod io;
pub(crate) mod keys;
mod limit;
mod reconfigure;
mod runtime;
mod session;
#[cfg(test)]
mod sizes;
mod stale;
pub(crate) mod status;
pub(crate) mod transport;

pub(crate) use command::{Command, Outcome};
pub(crate) use reconfigure::SessionEffect;
pub(crate) use runtime::{Faults, Limited, Runtime};

use std::future::{pending, poll_fn};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use heddle_admin::EventHub;
use heddle_bgp_core::Timestamp;
use heddle_bgp_fsm::{ConnectionId, Event, Peer};
use heddle_rib::session::SessionHandles;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Sleep, sleep_until};

use crate::FirstSession;
use crate::clock::Clock;
use crate::connection::Connection;
use crate::fault;
use crate::interface::Interfaces;
use crate::last_words::LastWords;
use crate::mailbox::{Inbox, Mail};
use crate::restart::HeldRoutes;
use crate::restart_marker::RestartMarker;
use crate::rib_link::{PeerLink, RibSender, Seat};
use session::Session;
use stale::StaleTimers;
use status::{Blocked, PeerOrigin, PeerShared, Wish};
use transport::MissingAddresses;

/// How long a dynamic peer without a session is remembered: what it did wrong counts when it comes back.
const LINGER: Duration = Duration::from_secs(60);
/// How long a dynamic peer's task waits for the connection for which it was made.
const FIRST_CONNECTION: Duration = Duration::from_secs(10);
/// Longer than any timer.
const FAR: Duration = Duration::from_secs(86_400);

/// What all peers share.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The process's clock.
    pub clock: Clock,
    /// Live events.
    pub events: EventHub,
    /// Seed of the hash of attribute blocks.
    pub seed: u64,
    /// Connections that say their last words.
    pub last_words: LastWords,
    /// The marker of this instance.
    pub marker: RestartMarker,
    /// The addresses of the interfaces.
    pub interfaces: Interfaces,
    /// Addresses to connect from that this machine does not have.
    pub missing_addresses: MissingAddresses,
    /// Whether what we forward by is what peers learned from us before.
    pub held_routes: HeldRoutes,
    /// Whether there was a session.
    pub first_session: watch::Sender<FirstSession>,
}

/// The task of one peer.
#[derive(Debug)]
pub(crate) struct PeerTask {
    shared: Arc<Shared>,
    status: Arc<PeerShared>,
    runtime: Runtime,
    fsm: Peer,
    /// At most two, and mostly one.
    connections: Vec<(ConnectionId, Box<Connection>)>,
    dialing: Option<(ConnectionId, JoinHandle<std::io::Result<TcpStream>>)>,
    session: Option<Box<Session>>,
    serial: u32,
    stale: StaleTimers,
    /// Why the state machine is not started.
    blocked: Option<Blocked>,
    /// What was in the way of the last attempt to connect.
    hindered: Option<Blocked>,
    /// It was logged that the peer is out of reach.
    told_unreachable: bool,
    rib: RibSender,
    link: Arc<PeerLink>,
    inbox: Inbox,
    life: Life,
    /// The last field: dropped after everything that sends to the RIB.
    seat: Seat,
}

/// Whether the task goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// It does: a static peer.
    Going,
    /// A dynamic peer: it ends when nothing is left of it, not before this time.
    Lingering(Timestamp),
    /// It ends as soon as no connection is left.
    Ending,
}

/// How the work of a task begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    /// The peer is started.
    Start,
    /// After a panic: the state machine starts by itself.
    GoOn,
}

/// What is given to a new task.
#[derive(Debug)]
pub(crate) struct NewPeer {
    /// What all peers share.
    pub shared: Arc<Shared>,
    /// Where the task publishes its state.
    pub status: Arc<PeerShared>,
    /// What it runs.
    pub runtime: Runtime,
    /// Its place in the RIB.
    pub seat: Seat,
    /// Commands, and connections that the peer opened.
    pub inbox: Inbox,
    /// Seed of its jitter.
    pub seed: u64,
}

/// Why the loop woke.
#[derive(Debug)]
enum Wake {
    Mail(Mail),
    Dialed(std::io::Result<TcpStream>),
    Timer,
    Ready(ConnectionId, tokio::io::Ready),
    Broken(ConnectionId),
    Handles(Option<SessionHandles>),
    Room,
    News,
}

impl PeerTask {
    /// A task that is not started. In a box: what stays is kept out of the future, which would have it twice.
    #[must_use]
    pub(crate) fn new(new: NewPeer) -> Box<Self> {
        let fsm = Peer::new(new.runtime.fsm_config(&new.shared), new.seed);
        let life = match new.runtime.origin {
            PeerOrigin::Static => Life::Going,
            PeerOrigin::Dynamic => Life::Lingering(new.shared.clock.now() + FIRST_CONNECTION),
        };
        Box::new(Self {
            shared: new.shared,
            status: new.status,
            runtime: new.runtime,
            fsm,
            connections: Vec::new(),
            dialing: None,
            session: None,
            serial: 0,
            stale: StaleTimers::default(),
            blocked: None,
            hindered: None,
            told_unreachable: false,
            rib: new.seat.rib.clone(),
            link: Arc::default(),
            inbox: new.inbox,
            life,
            seat: new.seat,
        })
    }

    /// Runs until the peer is removed, or nothing is left of a dynamic one. A panic ends the session, not the task; one more
    /// while that is cleaned up ends the task, and the manager makes the peer anew.
    pub(crate) async fn run(mut self: Box<Self>) {
        let peer = self.runtime.address.ip;
        let mut begin = Begin::Start;
        loop {
            // Not handed on by value, which would have it in the future twice.
            let ended = failure::caught(peer, pin!(self.work(begin))).await;
            match ended {
                Ok(()) => return,
                Err(panic) => fault::within(peer, || self.failed(&*panic)),
            }
            begin = Begin::GoOn;
        }
    }

    async fn work(&mut self, begin: Begin) {
        if begin == Begin::Start {
            self.start();
        }
        let sleep = sleep_until((Instant::now() + FAR).into());
        tokio::pin!(sleep);
        loop {
            self.carry_out();
            self.pump_writes();
            self.publish();
            if self.is_over() {
                break;
            }
            let deadline = self.deadline().unwrap_or_else(|| Instant::now() + FAR).into();
            if sleep.deadline() != deadline {
                sleep.as_mut().reset(deadline);
            }
            let wake = self.wait(sleep.as_mut()).await;
            self.handle_wake(wake);
        }
    }

    fn is_over(&self) -> bool {
        if !self.connections.is_empty() || self.session.is_some() {
            return false;
        }
        match self.life {
            Life::Going => false,
            Life::Ending => true,
            Life::Lingering(until) => until <= self.shared.clock.now() && self.is_forgettable(),
        }
    }

    /// Whether nothing would be lost with a dynamic peer: stale routes, a connection that waits, a penalty, what the
    /// operator said.
    fn is_forgettable(&self) -> bool {
        let told = match self.runtime.wish {
            Wish::Up => false,
            Wish::Down => !self.runtime.settings.shutdown,
            Wish::Draining => true,
        };
        let limited = self.blocked.as_ref().is_some_and(|b| b.by == status::Obstacle::PrefixLimit);
        let held = self.fsm.idle_until().is_some();
        self.stale.is_empty() && !self.inbox.has_incoming() && !held && !told && !limited
    }

    fn deadline(&self) -> Option<Instant> {
        let life = match self.life {
            Life::Lingering(until) if self.connections.is_empty() && until > self.shared.clock.now() => Some(until),
            Life::Going | Life::Lingering(_) | Life::Ending => None,
        };
        let timers = [self.fsm.poll_timeout(), self.stale.next(), life];
        timers.into_iter().flatten().min().map(|t| self.shared.clock.instant(t))
    }

    async fn wait(&mut self, sleep: Pin<&mut Sleep>) -> Wake {
        let reading = self.session.as_ref().is_none_or(|s| !s.has_waiting_batch());
        let (first, second) = match self.connections.as_slice() {
            [] => (None, None),
            [a] => (Some(a), None),
            [a, b, ..] => (Some(a), Some(b)),
        };
        let (first_interest, second_interest) = (self.interest(first), self.interest(second));
        // Not biased: whatever is always ready must not keep the others from their turn.
        tokio::select! {
            mail = self.inbox.next() => Wake::Mail(mail),
            () = sleep => Wake::Timer,
            dialed = dialed(self.dialing.as_mut()) => Wake::Dialed(dialed),
            handles = handles(self.session.as_deref_mut()) => Wake::Handles(handles),
            wake = poll_fn(|cx| poll_ready(second, second_interest, cx)) => wake,
            wake = poll_fn(|cx| poll_ready(first, first_interest, cx)) => wake,
            () = self.rib.queue.room(), if !reading => Wake::Room,
            () = self.link.news.notified() => Wake::News,
        }
    }

    /// What is awaited of a connection's socket.
    fn interest(&self, connection: Option<&(ConnectionId, Box<Connection>)>) -> Option<Interest> {
        let (id, connection) = connection?;
        let session = self.session.as_deref().filter(|s| s.connection == *id);
        let read = session.is_none_or(|s| !s.has_waiting_batch());
        let write = connection.has_control() || session.is_some_and(Session::wants_write);
        match (read, write) {
            (true, true) => Some(Interest::READABLE | Interest::WRITABLE),
            (true, false) => Some(Interest::READABLE),
            (false, true) => Some(Interest::WRITABLE),
            (false, false) => None,
        }
    }

    fn handle_wake(&mut self, wake: Wake) {
        fault::point();
        match wake {
            Wake::Mail(Mail::Command(command)) => self.command(command),
            Wake::Mail(Mail::Incoming(incoming)) => self.accept(incoming),
            Wake::Dialed(result) => self.dialed(result),
            Wake::Timer => self.timer(),
            Wake::Ready(id, ready) => {
                if ready.is_writable()
                    && let Some(session) = self.session.as_mut().filter(|s| s.connection == id)
                {
                    session.writable();
                }
                if ready.is_readable() {
                    self.read(id);
                }
            }
            Wake::Broken(id) => self.connection_failed(id, heddle_bgp_fsm::TcpFailure::Reset),
            Wake::Handles(handles) => self.attach_writer(handles),
            Wake::Room => self.hand_over(),
            Wake::News => self.signals(),
        }
    }

    fn timer(&mut self) {
        let now = self.shared.clock.now();
        if self.fsm.poll_timeout().is_some_and(|t| t <= now) {
            self.fsm.handle_timeout(now);
        }
        self.stale_timers(now);
    }

    fn event(&mut self, event: Event) {
        self.fsm.handle(self.shared.clock.now(), event);
        self.carry_out();
    }
}

async fn dialed(
    dialing: Option<&mut (ConnectionId, JoinHandle<std::io::Result<TcpStream>>)>,
) -> std::io::Result<TcpStream> {
    match dialing {
        Some((_, task)) => task.await.unwrap_or_else(|e| Err(std::io::Error::other(e))),
        None => pending().await,
    }
}

async fn handles(session: Option<&mut Session>) -> Option<SessionHandles> {
    match session.and_then(|s| s.handles.as_mut()) {
        Some(reply) => reply.await.ok(),
        None => pending().await,
    }
}

fn poll_ready(
    connection: Option<&(ConnectionId, Box<Connection>)>,
    interest: Option<Interest>,
    cx: &mut Context<'_>,
) -> Poll<Wake> {
    let (Some((id, connection)), Some(interest)) = (connection, interest) else { return Poll::Pending };
    connection.poll_ready(cx, interest).map(|ready| match ready {
        Ok(ready) => Wake::Ready(*id, ready),
        Err(_) => Wake::Broken(*id),
    })
}
