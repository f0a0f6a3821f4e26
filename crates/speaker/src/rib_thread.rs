//! The thread that owns the RIB.
//!
//! It works in turns: what others asked for, messages of peers for at most a quantum, one quantum of the RIB's own work,
//! then the RIB's outputs. It rests when nothing is left, until its doorbell rings or a timer of the RIB is due. It waits
//! for nobody: peers are told through [`PeerLink`]s, askers through oneshot channels.

use std::collections::{BTreeSet, HashMap};
use std::io;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use heddle_bgp_core::attr::NextHop;
use heddle_bgp_core::{Asn, BgpId, Family, Prefix, Timestamp};
use heddle_config::{Config, PeerAddress};
use heddle_rib::decision::DecisionOptions;
use heddle_rib::feed::Paths;
use heddle_rib::nexthop::{NextHopEvent, Resolve};
use heddle_rib::rib::{Begin, Bounds, NoPeerLeft, Output, Rib, RibConfig, RunStatus, Usage};
use heddle_rib::{Ingested, JournalReader, PeerId};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error, info, warn};

use crate::FirstSession;
use crate::change_reader::ChangeReader;
use crate::fault;
use crate::forwarding::{LocalChange, LocalRoute, TablesLink};
use crate::ingest_queue::{self, IngestQueues};
use crate::local_routes::LocalRoutes;
use crate::mapping::rib::decision;
use crate::peer::Shared;
use crate::peer::failure::message as message_of;
use crate::restart::{Deferral, Whom};
use crate::rib_link::{LimitDirection, LimitReached, PeerLink, RibSender, Seat, SessionUp, StaleStep, ToRib};

/// Questions and commands that may wait for the RIB.
const REQUESTS: usize = 64;
/// How long messages of peers are handled at a stretch.
const QUANTUM: Duration = Duration::from_millis(1);
/// Destinations flushed at a stretch, and about the most routes of peers that are taken in before: more that changed would
/// wait, and what is known of it would leave the caches.
const SLOTS: usize = 4096;
/// Routes of a peer that are taken in before it is another one's turn.
const PIECE: usize = 1024;
/// How soon it is looked again whether the forwarding table has taken all there was.
const LEVEL: Duration = Duration::from_millis(10);
/// The longest rest: work is always announced, so this is for the case of a mistake.
const REST: Duration = Duration::from_secs(3600);

type Work = Box<dyn FnOnce(&mut Rib, Timestamp) + Send>;

enum Request {
    Work(Work),
    Configure(Box<RibSettings>, oneshot::Sender<()>),
    Subscribe(Subscription, Arc<PeerLink>, oneshot::Sender<(PeerId, JournalReader)>),
    LocalRoutes(Vec<LocalChange>),
    NextHops(Vec<NextHopEvent>),
}

/// What a reader of changes wants.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Subscription {
    /// The family.
    pub family: Family,
    /// From where on.
    pub begin: Begin,
    /// Of which paths.
    pub paths: Paths,
}

/// What the RIB has of the configuration beside what concerns a single peer.
#[derive(Clone, Debug)]
pub(crate) struct RibSettings {
    /// Our AS.
    pub asn: Asn,
    /// Our BGP Identifier.
    pub bgp_id: BgpId,
    /// Options of the decision process.
    pub decision: DecisionOptions,
    /// Whether next hops are resolved, where somebody tells about them.
    pub resolve: Resolve,
    /// Originated prefixes with their attributes.
    pub networks: Vec<(Prefix, Vec<u8>)>,
    /// How long a peer's refresh may take.
    pub refresh_time: Duration,
}

/// What a RIB begins with beside the configuration.
#[derive(Debug)]
pub(crate) struct NewRib {
    /// Whether learned routes wait for their peers' End-of-RIB.
    pub start: heddle_rib::rib::Start,
    /// For whom, and how long.
    pub deferral: Deferral,
    /// The owner of the forwarding table.
    pub tables: Option<Arc<TablesLink>>,
    /// Routes of this machine.
    pub local_routes: Option<Vec<LocalRoute>>,
}

/// The RIB thread has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the RIB has stopped")]
pub(crate) struct RibStopped;

/// The way to the RIB thread.
#[derive(Clone, Debug)]
pub(crate) struct RibHandle {
    queues: Arc<IngestQueues<ToRib>>,
    requests: mpsc::Sender<Request>,
    stop: Arc<AtomicBool>,
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Work(_) => "Work",
            Self::Configure(..) => "Configure",
            Self::Subscribe(..) => "Subscribe",
            Self::LocalRoutes(_) => "LocalRoutes",
            Self::NextHops(_) => "NextHops",
        })
    }
}

impl RibHandle {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn start(config: &Config, new: NewRib, shared: Arc<Shared>) -> io::Result<Self> {
        let queues = Arc::new(IngestQueues::default());
        let (requests, receiver) = mpsc::channel(REQUESTS);
        let stop = Arc::new(AtomicBool::new(false));
        let rib_config = RibConfig {
            asn: config.router.asn,
            bgp_id: config.router.router_id,
            decision: decision(config),
            // Where nobody tells about next hops, all would be unreachable.
            resolve: match &new.tables {
                Some(_) if config.router.decision.resolve_next_hops => Resolve::On,
                Some(_) | None => Resolve::Off,
            },
            bounds: Bounds::default(),
            start: new.start,
        };
        let shared_now = shared.clock.now();
        let mut owner = Owner {
            rib: Rib::new(&rib_config, shared.seed),
            shared,
            queues: Arc::clone(&queues),
            requests: receiver,
            links: Vec::new(),
            sessions: HashMap::new(),
            feeds: Vec::new(),
            table_feeds: Vec::new(),
            completing: Vec::new(),
            unanswered: BTreeSet::new(),
            local_routes: LocalRoutes::default(),
            deferral: new.deferral,
            tables: new.tables,
            wake_table: false,
        };
        if let Some(routes) = new.local_routes {
            let changes = routes.into_iter().map(LocalChange::Set).collect();
            owner.local_routes.change(shared_now, &mut owner.rib, changes);
        }
        let owner = Arc::new(Mutex::new(owner));
        let (weak, stopped) = (Arc::downgrade(&owner), Arc::clone(&stop));
        queues.set_here(move || work_here(&weak, &stopped));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("rib".to_owned()).spawn(move || {
            let _guard = NoZombie;
            run(&owner, &stopped);
        })?;
        queues.set_owner(thread.thread().clone());
        Ok(Self { queues, requests, stop })
    }

    /// The queues of sessions.
    #[must_use]
    pub(crate) fn queues(&self) -> Arc<IngestQueues<ToRib>> {
        Arc::clone(&self.queues)
    }

    /// Runs `f` in the RIB thread, between two quanta. It has to be short: about a millisecond.
    ///
    /// # Errors
    /// The thread has ended.
    pub(crate) async fn call<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut Rib, Timestamp) -> R + Send + 'static,
    ) -> Result<R, RibStopped> {
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |rib, now| drop(reply.send(f(rib, now))));
        self.send(Request::Work(work)).await?;
        answer.await.map_err(|_| RibStopped)
    }

    /// A number for a new peer; none when all are in use.
    ///
    /// # Errors
    /// The thread has ended.
    pub(crate) async fn add_peer(&self) -> Result<Option<PeerId>, RibStopped> {
        let added = self.call(|rib, _| if fault::rib_is_full() { Err(NoPeerLeft) } else { rib.add_peer() }).await?;
        Ok(added.map_err(|e| error!(error = %e, "cannot add a peer")).ok())
    }

    /// What the configuration says.
    ///
    /// # Errors
    /// The thread has ended.
    pub(crate) async fn configure(&self, settings: RibSettings) -> Result<(), RibStopped> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Configure(Box::new(settings), reply)).await?;
        answer.await.map_err(|_| RibStopped)
    }

    /// Subscribes to changes of best paths; `link` is rung when there are some. The subscription ends with the reader.
    ///
    /// # Errors
    /// The thread has ended, or no number is free.
    pub(crate) async fn subscribe(
        &self,
        wanted: Subscription,
        link: Arc<PeerLink>,
    ) -> Result<ChangeReader, RibStopped> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Subscribe(wanted, link, reply)).await?;
        let (id, reader) = answer.await.map_err(|_| RibStopped)?;
        Ok(ChangeReader::new(reader, self.queues(), Seat { id, rib: RibSender::new(self.queues()) }))
    }

    /// Changes the routes of this machine.
    ///
    /// # Errors
    /// The thread has ended.
    pub(crate) fn change_local_routes(&self, changes: Vec<LocalChange>) -> Result<(), RibStopped> {
        self.send_now(Request::LocalRoutes(changes))
    }

    /// Tells what holds for next hops.
    ///
    /// # Errors
    /// The thread has ended.
    pub(crate) fn tell_next_hops(&self, events: Vec<NextHopEvent>) -> Result<(), RibStopped> {
        self.send_now(Request::NextHops(events))
    }

    /// Sends from a thread that may be anybody's: with a full queue it helps the RIB.
    fn send_now(&self, mut request: Request) -> Result<(), RibStopped> {
        loop {
            match self.requests.try_send(request) {
                Ok(()) => {
                    self.queues.work_or_ring();
                    return Ok(());
                }
                Err(mpsc::error::TrySendError::Closed(_)) => return Err(RibStopped),
                Err(mpsc::error::TrySendError::Full(again)) => {
                    request = again;
                    self.queues.work_or_ring();
                    std::thread::yield_now();
                }
            }
        }
    }

    /// Ends the thread; when this returns it says nothing more to any peer.
    pub(crate) async fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.queues.ring();
        self.requests.closed().await;
    }

    async fn send(&self, request: Request) -> Result<(), RibStopped> {
        self.requests.send(request).await.map_err(|_| RibStopped)?;
        self.queues.ring();
        Ok(())
    }
}

/// A process whose RIB has failed would go on with sessions that nobody feeds, or with a table that is half changed: better
/// none, and a restart, over which forwarding goes on (`docs/faults.md`).
struct NoZombie;

impl Drop for NoZombie {
    fn drop(&mut self) {
        if std::thread::panicking() {
            error!("the RIB failed; the process ends");
            std::process::abort();
        }
    }
}

struct Owner {
    rib: Rib,
    shared: Arc<Shared>,
    queues: Arc<IngestQueues<ToRib>>,
    requests: mpsc::Receiver<Request>,
    /// By [`PeerId`].
    links: Vec<Option<Arc<PeerLink>>>,
    /// Peers with a session, and since when.
    sessions: HashMap<PeerId, (PeerAddress, Timestamp)>,
    /// Numbers of readers of changes.
    feeds: Vec<PeerId>,
    /// Those of them that fill the forwarding table.
    table_feeds: Vec<PeerId>,
    /// Families whose initial tables have come, of which the forwarding table is to be told.
    completing: Vec<Family>,
    /// Next hops that the forwarding table was asked about and has said nothing of: routes over them are not decided.
    unanswered: BTreeSet<NextHop>,
    local_routes: LocalRoutes,
    deferral: Deferral,
    tables: Option<Arc<TablesLink>>,
    /// There is something for the owner of the forwarding table.
    wake_table: bool,
}

/// What a turn left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Left {
    /// More to do.
    More,
    /// Nothing until somebody rings, or this time.
    Nothing(Option<Timestamp>),
}

/// What follows from what the RIB put out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Nothing,
    /// The RIB was given something to do.
    RunAgain,
}

/// Turns of a thread that is not the RIB's own.
const TURNS_HERE: usize = 4;

fn lock(owner: &Mutex<Owner>) -> MutexGuard<'_, Owner> {
    // Poisoned: the process is about to end, see NoZombie.
    owner.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The RIB's own thread. It has the RIB while it works, and not while it rests.
fn run(owner: &Mutex<Owner>, stop: &AtomicBool) {
    while !stop.load(Ordering::Acquire) {
        let (rest, wake) = {
            let mut owner = lock(owner);
            let left = owner.turn();
            (owner.rest(left), owner.take_wake())
        };
        if let Some(tables) = wake {
            tables.waker().wake();
        }
        if let Some(rest) = rest {
            std::thread::park_timeout(rest);
        }
    }
    // Before the tables are freed, which takes a while.
    lock(owner).requests.close();
}

/// A few turns on the thread that brings little, where the RIB's own rests.
fn work_here(owner: &Weak<Mutex<Owner>>, stop: &AtomicBool) -> ingest_queue::Work {
    use ingest_queue::Work;
    let Some(owner) = owner.upgrade() else { return Work::Left };
    let Ok(mut owner) = owner.try_lock() else { return Work::Left };
    if stop.load(Ordering::Acquire) {
        return Work::Left;
    }
    let _guard = NoZombie;
    let mut work = Work::Left;
    for _ in 0..TURNS_HERE {
        match owner.turn() {
            Left::More => {}
            // The RIB's thread has to learn of a new time.
            Left::Nothing(Some(_)) => break,
            Left::Nothing(None) => {
                work = Work::Done;
                break;
            }
        }
    }
    let wake = owner.take_wake();
    drop(owner);
    if let Some(tables) = wake {
        tables.waker().here();
    }
    work
}

impl Owner {
    fn turn(&mut self) -> Left {
        self.requests();
        self.messages();
        let status = self.rib.run(self.shared.clock.now(), SLOTS);
        // What comes of that may give the RIB something to do, too.
        let outputs = self.outputs();
        let gate = self.gate();
        self.tell_complete(status);
        let again = outputs == Then::RunAgain || gate == Then::RunAgain;
        match status {
            RunStatus::Idle(until) if !again && self.queues.is_empty() && self.requests.is_empty() => {
                let level = (!self.completing.is_empty()).then(|| self.shared.clock.now() + LEVEL);
                Left::Nothing([until, self.deferral.deadline(), level].into_iter().flatten().min())
            }
            RunStatus::Idle(_) | RunStatus::More => Left::More,
        }
    }

    /// How long to rest; none: not at all.
    fn rest(&self, left: Left) -> Option<Duration> {
        let Left::Nothing(until) = left else { return None };
        let now = self.shared.clock.now();
        let rest = until.map_or(REST, |t| t.since(now)).min(REST);
        (self.queues.is_empty() && self.requests.is_empty() && !rest.is_zero()).then_some(rest)
    }

    /// The owner of the forwarding table, where there is something for it.
    fn take_wake(&mut self) -> Option<Arc<TablesLink>> {
        if mem::take(&mut self.wake_table) { self.tables.clone() } else { None }
    }

    fn requests(&mut self) {
        let began = Instant::now();
        while began.elapsed() < QUANTUM {
            let Ok(request) = self.requests.try_recv() else { break };
            let now = self.shared.clock.now();
            match request {
                Request::Work(work) => work(&mut self.rib, now),
                Request::Configure(settings, done) => {
                    self.rib.set_identity(now, settings.asn, settings.bgp_id);
                    self.rib.set_decision(now, settings.decision);
                    if self.tables.is_some() {
                        self.rib.set_resolve(now, settings.resolve);
                    }
                    self.rib.set_refresh_time(settings.refresh_time);
                    self.local_routes.set_networks(now, &mut self.rib, settings.networks);
                    let _ = done.send(());
                }
                Request::Subscribe(wanted, link, reply) => self.subscribe(now, wanted, link, reply),
                Request::LocalRoutes(changes) => self.local_routes.change(now, &mut self.rib, changes),
                Request::NextHops(events) => {
                    self.rib.next_hops(now, &events);
                    for event in &events {
                        self.unanswered.remove(&event.next_hop);
                    }
                }
            }
        }
    }

    fn subscribe(
        &mut self,
        now: Timestamp,
        wanted: Subscription,
        link: Arc<PeerLink>,
        reply: oneshot::Sender<(PeerId, JournalReader)>,
    ) {
        let Ok((peer, reader)) = self.rib.subscribe(now, wanted.family, wanted.begin, wanted.paths) else { return };
        if link.is_of_thread() {
            self.table_feeds.push(peer);
        }
        self.set_link(peer, link);
        self.feeds.push(peer);
        if reply.send((peer, reader)).is_err() {
            // Whoever asked has gone.
            self.remove(now, peer);
        }
    }

    fn set_link(&mut self, peer: PeerId, link: Arc<PeerLink>) {
        let at = usize::from(peer.0);
        if at >= self.links.len() {
            self.links.resize_with(at + 1, || None);
        }
        if let Some(slot) = self.links.get_mut(at) {
            *slot = Some(link);
        }
    }

    fn remove(&mut self, now: Timestamp, peer: PeerId) {
        self.rib.remove_peer(now, peer);
        self.deferral.forget(peer);
        self.sessions.remove(&peer);
        self.feeds.retain(|f| *f != peer);
        self.table_feeds.retain(|f| *f != peer);
        if let Some(link) = self.links.get_mut(usize::from(peer.0)) {
            *link = None;
        }
    }

    fn messages(&mut self) {
        let began = Instant::now();
        let queues = Arc::clone(&self.queues);
        let mut pieces = 0;
        while began.elapsed() < QUANTUM
            && pieces < SLOTS / PIECE
            && queues.take(|message| {
                let rest = self.blaming(message);
                pieces += usize::from(rest.is_some());
                rest
            })
        {}
    }

    /// As [`message`](Self::message). Where the RIB fails on it, the next run of the program is told on whose message: that
    /// peer is held for a while then, so that it cannot make us fail again and again.
    fn blaming(&mut self, message: ToRib) -> Option<ToRib> {
        let peer = message.peer();
        // Unwind safe: nobody works on after it, see `NoZombie`.
        let handled = catch_unwind(AssertUnwindSafe(|| self.message(message)));
        handled.unwrap_or_else(|panic| {
            if let Some((address, since)) = self.sessions.get(&peer) {
                error!(peer = %address, panic = %message_of(&*panic), "the RIB failed on what a peer sent");
                self.shared.marker.blame(address, self.shared.clock.now().since(*since));
            }
            resume_unwind(panic)
        })
    }

    /// Handles a message, or a piece of it; what is left.
    fn message(&mut self, message: ToRib) -> Option<ToRib> {
        let now = self.shared.clock.now();
        match message {
            ToRib::Batch(id, batch, mut at) => {
                fault::rib_point();
                match self.rib.ingest_some(now, id, &batch, &mut at, PIECE) {
                    Ingested::All => {}
                    Ingested::Some => return Some(ToRib::Batch(id, batch, at)),
                }
            }
            ToRib::Up(up) => self.up(now, *up),
            ToRib::Refresh(id, family, asked) => {
                asked.taken();
                self.rib.refresh(now, id, family);
            }
            ToRib::Evaluate(id, params) => self.rib.update_session(now, id, &params),
            ToRib::Down(id, modes) => {
                self.rib.peer_down(now, id, &modes);
                self.deferral.down(id.peer);
            }
            ToRib::Stale(peer, family, StaleStep::Sweep) => self.rib.sweep_stale(now, peer, family),
            ToRib::Stale(peer, family, StaleStep::BecomeLongLived) => self.rib.become_long_lived(now, peer, family),
            ToRib::Remove(peer) => self.remove(now, peer),
        }
        None
    }

    fn up(&mut self, now: Timestamp, up: SessionUp) {
        match self.rib.peer_up(now, up.id, &up.params) {
            Ok(handles) => {
                self.set_link(up.id.peer, up.link);
                self.sessions.insert(up.id.peer, (up.address.clone(), now));
                let families: Vec<Family> = up.params.families.iter().map(|f| f.export.family).collect();
                self.deferral.session_began(now);
                self.deferral.up(up.id.peer, &up.address, &families, up.restarts);
                self.shared
                    .first_session
                    .send_if_modified(|first| mem::replace(first, FirstSession::Established) == FirstSession::NotYet);
                let _ = up.reply.send(handles);
            }
            Err(e) => {
                error!(peer = %up.address, error = %e, "the RIB refused a session");
                up.link.signal(|s| s.out_of_resources = true);
            }
        }
    }

    fn outputs(&mut self) -> Then {
        let mut then = Then::Nothing;
        while let Some(output) = self.rib.poll_output() {
            match output {
                Output::WakeWriter { peer, .. } => {
                    if let Some(link) = self.link(peer) {
                        let of_table = link.is_of_thread();
                        link.wake();
                        self.wake_table |= of_table;
                    }
                }
                Output::EndOfRib { peer, family } => {
                    self.deferral.end_of_rib(peer, family);
                    self.signal(peer, |s| s.end_of_rib(family));
                }
                Output::LimitWarning { peer, family, count, limit } => {
                    self.limit(peer, LimitDirection::In, family, count, limit.max, false);
                }
                Output::LimitExceeded { peer, family, count, limit } => {
                    self.limit(peer, LimitDirection::In, family, count, limit.max, true);
                }
                Output::OutLimitWarning { peer, family, count, limit } => {
                    self.limit(peer, LimitDirection::Out, family, count, limit.max, false);
                }
                Output::OutLimitExceeded { peer, family, count, limit } => {
                    self.limit(peer, LimitDirection::Out, family, count, limit.max, true);
                }
                Output::OutOfResources { peer, family } => {
                    warn!(peer = peer.0, %family, "a peer sent more paths of a prefix than are kept");
                    self.signal(peer, |s| s.out_of_resources = true);
                }
                // It has its number until its reader drops it.
                Output::Reset { peer, .. } if self.feeds.contains(&peer) => {
                    self.rib.close_subscription(self.shared.clock.now(), peer);
                    then = Then::RunAgain;
                }
                Output::Reset { peer, reason } => {
                    warn!(peer = peer.0, ?reason, "the RIB gives a session up");
                    self.signal(peer, |s| s.out_of_resources = true);
                }
                Output::NextHop { next_hop, usage } => {
                    let Some(tables) = &self.tables else { continue };
                    match usage {
                        Usage::Used => self.unanswered.insert(next_hop),
                        Usage::Unused => self.unanswered.remove(&next_hop),
                    };
                    tables.next_hop(next_hop, usage);
                    self.wake_table = true;
                }
            }
        }
        then
    }

    fn limit(&self, peer: PeerId, direction: LimitDirection, family: Family, count: u32, max: u32, exceeded: bool) {
        self.signal(peer, |s| s.limit(LimitReached { family, direction, count, max, exceeded }));
    }

    fn link(&self, peer: PeerId) -> Option<&Arc<PeerLink>> {
        self.links.get(usize::from(peer.0))?.as_ref()
    }

    fn signal(&self, peer: PeerId, f: impl FnOnce(&mut crate::rib_link::Signals)) {
        if let Some(link) = self.link(peer) {
            link.signal(f);
        }
    }

    /// Tells the owner of the forwarding table that the initial tables are complete, when all that came of them is decided
    /// and taken.
    fn tell_complete(&mut self, status: RunStatus) {
        let (Some(tables), RunStatus::Idle(_)) = (&self.tables, status) else { return };
        let flushed = self.completing.iter().all(|family| self.rib.pending(*family) == 0);
        let decided = flushed && self.unanswered.is_empty() && self.table_feeds.iter().all(|f| self.is_level(*f));
        if self.completing.is_empty() || !decided {
            return;
        }
        for family in self.completing.drain(..) {
            tables.complete(family);
        }
        self.wake_table = true;
    }

    /// Whether a reader has all there is.
    fn is_level(&self, feed: PeerId) -> bool {
        self.rib.peer_stats(feed).iter().all(|s| s.backlog == Some(0) && s.end_of_rib_sent)
    }

    /// RFC 4724 §4.1: routes of peers are selected when all of them have sent theirs, or their time is over.
    fn gate(&mut self) -> Then {
        let mut then = Then::Nothing;
        let now = self.shared.clock.now();
        let in_time = self.deferral.deadline().is_some_and(|until| now < until);
        for family in self.deferral.opened(now) {
            match (self.deferral.whom(), in_time) {
                (Whom::Graceful, _) => info!(%family, "graceful restart: route selection begins"),
                (Whom::All, true) => debug!(%family, "the initial tables of all peers have come"),
                (Whom::All, false) => {
                    info!(%family, "the initial tables of some peers have not come in time; they are waited for no longer");
                }
            }
            self.rib.open_gate(now, family);
            then = Then::RunAgain;
            if self.tables.is_some() {
                self.completing.push(family);
            }
        }
        then
    }
}
