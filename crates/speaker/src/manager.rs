//! The manager: owns the configuration, makes and ends the tasks of peers.

mod apply;
mod crash;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use heddle_admin::types::EventKind;
use heddle_bgp_core::{Prefix, Timestamp};
use heddle_config::{Change, Config, ListenAddress, ListenRange, PeerAddress, PeerSettings, Router};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tracing::{Instrument, error_span, info, warn};

use crate::listen::{self, ListenError, ListenKey};
use crate::listener::{AcceptTable, Incoming, Listener, RANGE_BACKLOG, SharedAcceptTable};
use crate::mailbox::{Mailbox, mailbox};
use crate::mapping;
use crate::mapping::policy::MappingError;
use crate::mapping::rib::Policies;
use crate::peer::keys::Keys;
use crate::peer::status::{Blocked, PeerOrigin, PeerShared, PeerStatus, Wish};
use crate::peer::{Command, Faults, NewPeer, PeerTask, Runtime, Shared};
use crate::registry::{PeerEntry, Registry};
use crate::report;
use crate::restart_marker::Start;
use crate::rib_link::{RibSender, Seat};
use crate::rib_thread::{RibHandle, RibStopped};
use crash::Crashes;

/// Requests that may wait for the manager.
pub(crate) const REQUESTS: usize = 64;
/// How long peers may take to end when the process does.
const EXIT: Duration = Duration::from_secs(3);

/// The running configuration, for all who look.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    /// The configuration.
    pub config: Arc<Config>,
    /// The file that it came from.
    pub file: Option<PathBuf>,
    /// When it was applied.
    pub applied_at: SystemTime,
    /// Addresses on which we listen.
    pub listening: Vec<String>,
}

/// What can be asked of the manager.
#[derive(Debug)]
pub(crate) enum Request {
    /// Apply this configuration.
    Apply(Box<Config>, oneshot::Sender<Result<Vec<Change>, ApplyError>>),
    /// End all peers, then the manager.
    Exit(oneshot::Sender<()>),
}

/// Why a configuration cannot be applied; the old one goes on.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// A policy does not compile.
    #[error(transparent)]
    Policy(#[from] Box<MappingError>),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The RIB is gone.
    #[error("the speaker has stopped; restart the daemon")]
    Stopped,
}

impl From<RibStopped> for ApplyError {
    fn from(_: RibStopped) -> Self {
        Self::Stopped
    }
}

/// Owns the configuration and the peers.
#[derive(Debug)]
pub(crate) struct Manager {
    shared: Arc<Shared>,
    rib: RibHandle,
    registry: Registry,
    running: Arc<RwLock<Running>>,
    applied: watch::Sender<Arc<Config>>,
    /// What all peers run of the configuration.
    policies: Arc<Policies>,
    router: Arc<Router>,
    networks: Arc<[Prefix]>,
    returning: Returning,
    listeners: HashMap<ListenAddress, Listener>,
    keys: Vec<ListenKey>,
    accept: SharedAcceptTable,
    dynamic: mpsc::Receiver<Incoming>,
    requests: mpsc::Receiver<Request>,
    tasks: JoinSet<()>,
    /// Whose task it is.
    task_of: HashMap<tokio::task::Id, PeerAddress>,
    peers_made: u64,
    /// Peers whose task failed.
    crashes: Crashes,
}

/// What a new manager is given.
#[derive(Debug)]
pub(crate) struct NewManager {
    /// What all peers share.
    pub shared: Arc<Shared>,
    /// The way to the RIB.
    pub rib: RibHandle,
    /// Where peers are found.
    pub registry: Registry,
    /// The configuration to run, and where it is seen.
    pub running: Arc<RwLock<Running>>,
    /// Who is told of a new one.
    pub applied: watch::Sender<Arc<Config>>,
    /// Who is told that this start is a restart.
    pub returning: Returning,
    /// Requests.
    pub requests: mpsc::Receiver<Request>,
}

/// To whom we say that we have restarted (R = 1, RFC 4724 §3): to each peer once, and only soon after the start.
#[derive(Debug)]
pub(crate) struct Returning {
    /// Whether this start is a restart.
    pub start: Start,
    /// Until when anybody is told.
    pub until: Timestamp,
    /// Dynamic peers that knew the instance before; static ones are told all.
    pub peers: BTreeSet<PeerAddress>,
    /// Peers on whose messages the instance before failed, and how often in a row.
    pub blamed: BTreeMap<PeerAddress, u32>,
}

impl Returning {
    fn start_of(&mut self, now: Timestamp, origin: PeerOrigin, address: &PeerAddress) -> Start {
        let knew_us = self.peers.remove(address);
        let told = knew_us || origin == PeerOrigin::Static;
        if told && now < self.until { self.start } else { Start::Fresh }
    }
}

impl Manager {
    /// A manager that runs the configuration in `running`.
    ///
    /// # Errors
    /// It cannot be applied.
    pub(crate) async fn begin(new: NewManager) -> Result<Self, ApplyError> {
        let config = Arc::clone(&new.running.read().unwrap_or_else(PoisonError::into_inner).config);
        let policies = Arc::new(Policies::new(mapping::policy::compile(&config)?));
        let (sender, dynamic) = mpsc::channel(RANGE_BACKLOG);
        let table = AcceptTable { peers: HashMap::new(), ranges: Vec::new(), manager: sender };
        let mut manager = Self {
            shared: new.shared,
            rib: new.rib,
            registry: new.registry,
            running: new.running,
            applied: new.applied,
            policies,
            router: Arc::new(config.router.clone()),
            networks: config.networks.iter().map(|n| n.prefix).collect(),
            returning: new.returning,
            listeners: HashMap::new(),
            keys: Vec::new(),
            accept: Arc::new(RwLock::new(table)),
            dynamic,
            requests: new.requests,
            tasks: JoinSet::new(),
            task_of: HashMap::new(),
            peers_made: 0,
            crashes: Crashes::default(),
        };
        let opened = manager.open_listeners(&config)?;
        manager.rib.configure(mapping::rib::settings(&config)).await?;
        manager.apply_listen_keys(&config, &opened);
        for peer in &config.peers {
            manager.add_static(peer).await?;
        }
        manager.accept_ranges(&config);
        manager.listeners.extend(opened);
        manager.start_listeners();
        manager.publish_listening();
        Ok(manager)
    }

    /// Runs until it is told to exit.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::select! {
                request = self.requests.recv() => match request {
                    Some(Request::Apply(config, reply)) => drop(reply.send(self.apply(*config).await)),
                    Some(Request::Exit(done)) => {
                        self.exit().await;
                        let _ = done.send(());
                        return;
                    }
                    None => return self.exit().await,
                },
                Some(incoming) = self.dynamic.recv() => self.accept_dynamic(incoming).await,
                Some(ended) = self.tasks.join_next_with_id() => self.ended(ended).await,
            }
        }
    }

    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.running.read().unwrap_or_else(PoisonError::into_inner).config)
    }

    fn static_runtime(&self, peer: &heddle_config::Peer) -> Runtime {
        Runtime {
            address: peer.address.clone(),
            asn: peer.asn,
            description: peer.description.clone(),
            group: peer.group.clone(),
            settings: Arc::clone(&peer.settings),
            router: Arc::clone(&self.router),
            policies: Arc::clone(&self.policies),
            networks: Arc::clone(&self.networks),
            start: Start::Fresh,
            keys: keys_of(&peer.settings, &peer.address),
            origin: PeerOrigin::Static,
            wish: if peer.settings.shutdown { Wish::Down } else { Wish::Up },
            faults: None,
            limited: None,
        }
    }

    fn range_runtime(&self, range: &ListenRange, address: &PeerAddress) -> Runtime {
        Runtime {
            address: address.clone(),
            asn: range.asn,
            description: range.settings.description.clone(),
            group: Some(range.group.clone()),
            settings: Arc::new(PeerSettings { passive: true, ..PeerSettings::clone(&range.settings) }),
            router: Arc::clone(&self.router),
            policies: Arc::clone(&self.policies),
            networks: Arc::clone(&self.networks),
            start: Start::Fresh,
            keys: keys_of(&range.settings, address),
            origin: PeerOrigin::Dynamic,
            wish: if range.settings.shutdown { Wish::Down } else { Wish::Up },
            faults: None,
            limited: None,
        }
    }

    async fn add_static(&mut self, peer: &heddle_config::Peer) -> Result<(), RibStopped> {
        let runtime = self.static_runtime(peer);
        self.add(runtime).await.map(drop)
    }

    async fn accept_dynamic(&mut self, incoming: Incoming) {
        let config = self.config();
        // The peer may have got a task since it was accepted; one that has ended is forgotten first.
        let known = self.accept.read().unwrap_or_else(PoisonError::into_inner).peers.get(&incoming.peer).cloned();
        match known {
            Some(mailbox) if !mailbox.is_closed() => {
                // Where it is refused, the peer tries again.
                let _ = mailbox.deliver(incoming);
                return;
            }
            Some(_) => self.forget_ended(&incoming.peer),
            None => {}
        }
        let Some(range) = range_of(&config, &incoming.peer) else { return };
        let mine = |a: &PeerAddress| range_of(&config, a).is_some_and(|r| r.prefix == range.prefix);
        if self.registry.dynamic_where(mine) >= usize::try_from(range.limit).unwrap_or(usize::MAX) {
            return warn!(peer = %incoming.peer, range = %range.prefix, limit = range.limit, "refused a dynamic peer: the range is full; raise its limit");
        }
        let runtime = self.range_runtime(range, &incoming.peer);
        if let Ok(Some(mailbox)) = self.add(runtime).await {
            let _ = mailbox.deliver(incoming);
        }
    }

    /// Makes the task of a peer; none when the RIB has no number left.
    async fn add(&mut self, mut runtime: Runtime) -> Result<Option<Arc<Mailbox>>, RibStopped> {
        let Some(id) = self.rib.add_peer().await? else { return Ok(None) };
        let now = self.shared.clock.now();
        runtime.start = self.returning.start_of(now, runtime.origin, &runtime.address);
        let (mailbox, inbox) = mailbox();
        let status = Arc::new(PeerShared::new(first_status(&runtime, now)));
        let (address, origin) = (runtime.address.clone(), runtime.origin);
        self.peers_made += 1;
        if let Some(in_a_row) = self.returning.blamed.remove(&runtime.address) {
            runtime.faults = Some(Faults::OfRunBefore { in_a_row });
        }
        let task = PeerTask::new(NewPeer {
            shared: Arc::clone(&self.shared),
            status: Arc::clone(&status),
            runtime,
            seat: Seat { id, rib: RibSender::new(self.rib.queues()) },
            inbox,
            seed: self.shared.seed.wrapping_add(self.peers_made.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        });
        self.registry.insert(address.clone(), PeerEntry { id, status, mailbox: Arc::clone(&mailbox), origin });
        {
            let mut table = self.accept.write().unwrap_or_else(PoisonError::into_inner);
            table.peers.insert(address.clone(), Arc::clone(&mailbox));
        }
        let dynamic = origin == PeerOrigin::Dynamic;
        self.shared.events.publish(Some(report::address(&address)), EventKind::PeerAdded { dynamic });
        let span = error_span!("peer", %address);
        let handle = self.tasks.spawn(task.run().instrument(span));
        self.task_of.insert(handle.id(), address);
        Ok(Some(mailbox))
    }

    /// Ends a peer's task; its place in the RIB goes with it.
    async fn remove(&mut self, address: &PeerAddress) {
        let Some(entry) = self.forget(address) else { return };
        entry.mailbox.end();
        let _ = entry.mailbox.send(Command::Remove).await;
    }

    fn forget(&self, address: &PeerAddress) -> Option<PeerEntry> {
        let entry = self.registry.remove(address)?;
        self.accept.write().unwrap_or_else(PoisonError::into_inner).peers.remove(address);
        self.shared.events.publish(Some(report::address(address)), EventKind::PeerRemoved);
        Some(entry)
    }

    /// Forgets a peer whose task has ended; a new task may have the address by now, and its channel is open.
    fn forget_ended(&self, address: &PeerAddress) {
        if self.registry.get(address).is_some_and(|e| e.mailbox.is_closed()) {
            self.forget(address);
        }
    }

    async fn ended(&mut self, ended: Result<(tokio::task::Id, ()), tokio::task::JoinError>) {
        let id = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let Some(address) = self.task_of.remove(&id) else { return };
        match ended {
            Ok(_) => self.forget_ended(&address),
            Err(error) => self.crashed(&address, error).await,
        }
    }

    /// Ends all peers. The RIB says nothing more before: what is withdrawn because one session ends must not reach the
    /// peers that are to keep our routes.
    async fn exit(&mut self) {
        self.shared.marker.freeze();
        self.listeners.clear();
        self.rib.stop().await;
        for (_, entry) in self.registry.all() {
            entry.mailbox.end();
            let _ = entry.mailbox.send(Command::Exit(String::new())).await;
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(EXIT, all).await.is_err() {
            warn!("some peers did not end in time");
        }
        if tokio::time::timeout(EXIT, self.shared.last_words.all_said()).await.is_err() {
            info!("some peers did not take our last words");
        }
    }
}

/// The listen range of a dynamic peer: of several the longest.
fn range_of<'c>(config: &'c Config, address: &PeerAddress) -> Option<&'c ListenRange> {
    config.listen_ranges.iter().filter(|r| r.prefix.contains_addr(address.ip)).max_by_key(|r| r.prefix.len())
}

/// The keys of one peer.
fn keys_of(settings: &PeerSettings, address: &PeerAddress) -> Result<Option<Keys>, Blocked> {
    // An address has a host prefix.
    listen::host(address.ip).map_or(Ok(None), |who| Keys::of(settings, who))
}

fn first_status(runtime: &Runtime, now: Timestamp) -> PeerStatus {
    PeerStatus {
        address: runtime.address.clone(),
        asn: runtime.asn,
        description: runtime.description.clone(),
        router_asn: runtime.router.asn,
        group: runtime.group.clone(),
        settings: Arc::clone(&runtime.settings),
        origin: runtime.origin,
        state: heddle_bgp_fsm::StateKind::Idle,
        since: now,
        wish: runtime.wish,
        blocked: None,
        retry_at: None,
        hold_until: None,
        signature: runtime.signature(),
        messages_in: heddle_bgp_fsm::MessageCounts::default(),
        messages_out: heddle_bgp_fsm::MessageCounts::default(),
        established: 0,
        flaps: 0,
        internal_errors: match runtime.faults {
            Some(Faults::OfTaskBefore { counted, .. }) => counted,
            Some(Faults::OfRunBefore { .. }) | None => 0,
        },
        connect_error: None,
        last_reset: None,
        last_received: None,
        last_sent: None,
        session: None,
        stale_until: None,
    }
}
