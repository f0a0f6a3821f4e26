//! The thread that owns the RIB.
//!
//! It works in turns: what others asked for, messages of peers for at most a quantum, one quantum of the RIB's own work,
//! then the RIB's outputs. It rests when nothing is left, until its doorbell rings or a timer of the RIB is due. It waits
//! for nobody: peers are told through [`PeerLink`]s, askers through oneshot channels.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use heddle_bgp_core::{Family, Prefix, Timestamp};
use heddle_config::Config;
use heddle_rib::decision::DecisionOptions;
use heddle_rib::nexthop::Resolve;
use heddle_rib::rib::{Begin, Bounds, Output, Rib, RibConfig, RunStatus};
use heddle_rib::{JournalReader, PeerId};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tracing::{debug, error, info, warn};

use crate::ingest_queue::IngestQueues;
use crate::mapping::rib::decision;
use crate::peer::Shared;
use crate::restart::Deferral;
use crate::restart_marker::Start;
use crate::rib_link::{LimitDirection, LimitReached, PeerLink, SessionUp, StaleStep, ToRib};

/// Questions and commands that may wait for the RIB.
const REQUESTS: usize = 64;
/// How long messages of peers are handled at a stretch.
const QUANTUM: Duration = Duration::from_millis(1);
/// Destinations flushed at a stretch.
const SLOTS: usize = 4096;
/// The longest rest: work is always announced, so this is for the case of a mistake.
const REST: Duration = Duration::from_secs(10);

type Work = Box<dyn FnOnce(&mut Rib, Timestamp) + Send>;

enum Request {
    Work(Work),
    Configure(Box<RibSettings>, oneshot::Sender<()>),
    Subscribe(Family, Arc<PeerLink>, oneshot::Sender<(PeerId, JournalReader)>),
}

/// What the RIB has of the configuration beside what concerns a single peer.
#[derive(Clone, Debug)]
pub(crate) struct RibSettings {
    /// Options of the decision process.
    pub decision: DecisionOptions,
    /// Originated prefixes with their attributes.
    pub networks: Vec<(Prefix, Vec<u8>)>,
    /// How long a peer's refresh may take.
    pub refresh_time: Duration,
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
        })
    }
}

impl RibHandle {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system refuses.
    pub(crate) fn start(config: &Config, start: Start, deferral: Deferral, shared: Arc<Shared>) -> io::Result<Self> {
        let queues = Arc::new(IngestQueues::default());
        let (requests, receiver) = mpsc::channel(REQUESTS);
        let stop = Arc::new(AtomicBool::new(false));
        let rib_config = RibConfig {
            asn: config.router.asn,
            bgp_id: config.router.router_id,
            decision: decision(config),
            // Nobody tells this speaker about next hops: with resolution on, all would be unreachable.
            resolve: Resolve::Off,
            bounds: Bounds::default(),
            start: match start {
                Start::Fresh => heddle_rib::rib::Start::Fresh,
                Start::Restart => heddle_rib::rib::Start::Restarting,
            },
        };
        let owner = Owner {
            rib: Rib::new(&rib_config, shared.seed),
            shared,
            queues: Arc::clone(&queues),
            requests: receiver,
            links: Vec::new(),
            feeds: Vec::new(),
            networks: BTreeMap::new(),
            deferral,
        };
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("rib".to_owned()).spawn(move || {
            let _guard = NoZombie;
            owner.run(&stopped);
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
        let added = self.call(|rib, _| rib.add_peer()).await?;
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

    /// Subscribes to changes of best paths from now on; `link` is rung when there are some. A [`Seat`] of the number ends
    /// it.
    ///
    /// # Errors
    /// The thread has ended, or no number is free.
    ///
    /// [`Seat`]: crate::rib_link::Seat
    pub(crate) async fn subscribe(
        &self,
        family: Family,
        link: Arc<PeerLink>,
    ) -> Result<(PeerId, JournalReader), RibStopped> {
        let (reply, answer) = oneshot::channel();
        self.send(Request::Subscribe(family, link, reply)).await?;
        answer.await.map_err(|_| RibStopped)
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

/// A process whose RIB has failed would go on with sessions that nobody feeds: better none, and a restart.
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
    /// Numbers of readers of changes.
    feeds: Vec<PeerId>,
    networks: BTreeMap<Prefix, Vec<u8>>,
    deferral: Deferral,
}

impl Owner {
    fn run(mut self, stop: &AtomicBool) {
        while !stop.load(Ordering::Acquire) {
            let mut worked = self.requests();
            worked |= self.messages();
            let status = self.rib.run(self.shared.clock.now(), SLOTS);
            self.outputs();
            self.gate();
            if worked || status == RunStatus::More {
                continue;
            }
            let RunStatus::Idle(until) = status else { continue };
            let now = self.shared.clock.now();
            let until = [until, self.deferral.deadline()].into_iter().flatten().min();
            let rest = until.map_or(REST, |t| t.since(now)).min(REST);
            if self.queues.is_empty() && self.requests.is_empty() && !rest.is_zero() {
                std::thread::park_timeout(rest);
            }
        }
        // Before the tables are freed, which takes a while.
        self.requests.close();
    }

    fn requests(&mut self) -> bool {
        let began = Instant::now();
        let mut worked = false;
        while began.elapsed() < QUANTUM {
            let Ok(request) = self.requests.try_recv() else { break };
            worked = true;
            let now = self.shared.clock.now();
            match request {
                Request::Work(work) => work(&mut self.rib, now),
                Request::Configure(settings, done) => {
                    self.rib.set_decision(now, settings.decision);
                    self.rib.set_refresh_time(settings.refresh_time);
                    self.set_networks(now, settings.networks);
                    let _ = done.send(());
                }
                Request::Subscribe(family, link, reply) => self.subscribe(now, family, link, reply),
            }
        }
        worked
    }

    fn subscribe(
        &mut self,
        now: Timestamp,
        family: Family,
        link: Arc<PeerLink>,
        reply: oneshot::Sender<(PeerId, JournalReader)>,
    ) {
        let Ok((peer, reader)) = self.rib.subscribe(now, family, Begin::Changes) else { return };
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
        self.feeds.retain(|f| *f != peer);
        if let Some(link) = self.links.get_mut(usize::from(peer.0)) {
            *link = None;
        }
    }

    fn set_networks(&mut self, now: Timestamp, networks: Vec<(Prefix, Vec<u8>)>) {
        let new: BTreeMap<Prefix, Vec<u8>> = networks.into_iter().collect();
        for prefix in self.networks.keys().filter(|p| !new.contains_key(*p)) {
            self.rib.retract(now, *prefix);
        }
        for (prefix, block) in new.iter().filter(|(p, b)| self.networks.get(*p) != Some(*b)) {
            self.rib.originate(now, *prefix, block);
        }
        self.networks = new;
    }

    fn messages(&mut self) -> bool {
        let began = Instant::now();
        let mut worked = false;
        while let Some(message) = self.queues.pop() {
            worked = true;
            self.message(message);
            if began.elapsed() >= QUANTUM {
                break;
            }
        }
        worked
    }

    fn message(&mut self, message: ToRib) {
        let now = self.shared.clock.now();
        match message {
            ToRib::Batch(id, batch) => self.rib.ingest(now, id, &batch),
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
    }

    fn up(&mut self, now: Timestamp, up: SessionUp) {
        match self.rib.peer_up(now, up.id, &up.params) {
            Ok(handles) => {
                self.set_link(up.id.peer, up.link);
                let families: Vec<Family> = up.params.families.iter().map(|f| f.export.family).collect();
                self.deferral.up(up.id.peer, &up.address, &families, up.restarts);
                let _ = up.reply.send(handles);
            }
            Err(e) => {
                error!(peer = %up.address, error = %e, "the RIB refused a session");
                up.link.signal(|s| s.out_of_resources = true);
            }
        }
    }

    fn outputs(&mut self) {
        while let Some(output) = self.rib.poll_output() {
            match output {
                Output::WakeWriter { peer, .. } => {
                    if let Some(link) = self.link(peer) {
                        link.news.notify_one();
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
                }
                Output::Reset { peer, reason } => {
                    warn!(peer = peer.0, ?reason, "the RIB gives a session up");
                    self.signal(peer, |s| s.out_of_resources = true);
                }
                // Next hops are resolved by nobody here yet: the reflector takes all as reachable.
                Output::NextHop { next_hop, usage } => debug!(?next_hop, ?usage, "next hop"),
            }
        }
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

    /// RFC 4724 §4.1: routes of peers are selected when all of them have sent theirs, or their time is over.
    fn gate(&mut self) {
        let now = self.shared.clock.now();
        for family in self.deferral.opened(now) {
            info!(%family, "graceful restart: route selection begins");
            self.rib.open_gate(now, family);
        }
    }
}
