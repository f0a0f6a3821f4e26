//! The manager: owns the configuration, makes and ends the tasks of peers, and applies the difference of two
//! configurations.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, SystemTime};

use heddle_admin::types::EventKind;
use heddle_config::{Change, Config, Effect, ListenAddress, ListenRange, PeerAddress, PeerSettings, Subject};
use heddle_rib::PeerId;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::listen::{self, ListenError, ListenKey};
use crate::listener::{AcceptTable, Incoming, Listener, PEER_BACKLOG, RANGE_BACKLOG, SharedAcceptTable};
use crate::mapping::policy::{self, MappingError};
use crate::mapping::rib::Policies;
use crate::peer::status::{PeerOrigin, PeerShared, PeerStatus, Wish};
use crate::peer::transport::Password;
use crate::peer::{COMMANDS, Command, NewPeer, PeerTask, Runtime, SessionEffect, Shared};
use crate::registry::{PeerEntry, Registry};
use crate::report;
use crate::restart_marker::Start;
use crate::rib_link::RibSender;
use crate::rib_thread::RibHandle;

/// Requests that may wait for the manager.
pub(crate) const REQUESTS: usize = 64;
/// How long peers may take to end when the process does.
const EXIT: Duration = Duration::from_secs(3);

/// The running configuration, for all who look.
#[derive(Clone, Debug)]
pub(crate) struct Running {
    /// The configuration.
    pub config: Arc<Config>,
    /// Its text.
    pub toml: Arc<str>,
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
    Exit(String, oneshot::Sender<()>),
}

/// Why a configuration cannot be applied; the old one goes on.
#[derive(Debug, Error)]
pub enum ApplyError {
    /// A policy does not compile.
    #[error(transparent)]
    Policy(#[from] MappingError),
    /// An address cannot be listened on.
    #[error(transparent)]
    Listen(#[from] ListenError),
    /// The RIB is gone.
    #[error("the RIB has stopped; restart the daemon")]
    Stopped,
}

/// Owns the configuration and the peers.
#[derive(Debug)]
pub(crate) struct Manager {
    shared: Arc<Shared>,
    rib: RibHandle,
    registry: Registry,
    running: Arc<RwLock<Running>>,
    policies: Arc<Policies>,
    start: Start,
    listeners: HashMap<ListenAddress, Listener>,
    keys: Vec<ListenKey>,
    accept: SharedAcceptTable,
    dynamic: mpsc::Receiver<Incoming>,
    requests: mpsc::Receiver<Request>,
    tasks: JoinSet<PeerAddress>,
    peers_made: u64,
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
    /// Whether this start is a restart.
    pub start: Start,
    /// Requests.
    pub requests: mpsc::Receiver<Request>,
}

impl Manager {
    /// A manager that runs the configuration in `running`.
    ///
    /// # Errors
    /// It cannot be applied.
    pub(crate) async fn begin(new: NewManager) -> Result<Self, ApplyError> {
        let config = Arc::clone(&new.running.read().unwrap_or_else(PoisonError::into_inner).config);
        let policies = Arc::new(Policies::new(policy::compile(&config)?));
        let (sender, dynamic) = mpsc::channel(RANGE_BACKLOG);
        let table = AcceptTable { peers: HashMap::new(), ranges: Vec::new(), manager: sender };
        let mut manager = Self {
            shared: new.shared,
            rib: new.rib,
            registry: new.registry,
            running: new.running,
            policies,
            start: new.start,
            listeners: HashMap::new(),
            keys: Vec::new(),
            accept: Arc::new(RwLock::new(table)),
            dynamic,
            requests: new.requests,
            tasks: JoinSet::new(),
            peers_made: 0,
        };
        let opened = manager.open_listeners(&config)?;
        manager.apply_rib(&config).await?;
        manager.accept_ranges(&config);
        manager.apply_listen_keys(&config, &opened);
        for peer in &config.peers {
            manager.add_static(&config, peer).await?;
        }
        manager.listeners.extend(opened);
        manager.publish_listening();
        Ok(manager)
    }

    /// Runs until it is told to exit.
    pub(crate) async fn run(mut self) {
        loop {
            tokio::select! {
                request = self.requests.recv() => match request {
                    Some(Request::Apply(config, reply)) => drop(reply.send(self.apply(*config).await)),
                    Some(Request::Exit(text, done)) => {
                        self.exit(&text).await;
                        let _ = done.send(());
                        return;
                    }
                    None => return self.exit("").await,
                },
                Some(incoming) = self.dynamic.recv() => self.accept_dynamic(incoming).await,
                Some(ended) = self.tasks.join_next() => self.ended(ended),
            }
        }
    }

    fn config(&self) -> Arc<Config> {
        Arc::clone(&self.running.read().unwrap_or_else(PoisonError::into_inner).config)
    }

    /// Checks all that can fail first; after that nothing fails half-way.
    async fn apply(&mut self, new: Config) -> Result<Vec<Change>, ApplyError> {
        let old = self.config();
        let changes = heddle_config::diff(&old, &new);
        for change in changes.iter().filter(|c| c.effect == Effect::Restart) {
            warn!(%change, "waits for the next start of the program");
        }
        let policies = Arc::new(Policies::new(policy::compile(&new)?));
        let opened = self.open_listeners(&new)?;
        self.policies = policies;
        self.apply_rib(&new).await?;
        self.listeners.retain(|address, _| new.router.listen.contains(address));
        self.accept_ranges(&new);
        self.apply_listen_keys(&new, &opened);
        self.listeners.extend(opened);
        self.apply_peers(&old, &new, &changes).await?;
        {
            let mut running = self.running.write().unwrap_or_else(PoisonError::into_inner);
            running.toml = new.to_toml().into();
            running.config = Arc::new(new);
            running.applied_at = SystemTime::now();
        }
        self.publish_listening();
        let count = u64::try_from(changes.len()).unwrap_or(u64::MAX);
        self.shared.events.publish(None, EventKind::ConfigApplied { changes: count });
        info!(changes = count, "configuration applied");
        Ok(changes)
    }

    async fn apply_peers(&mut self, old: &Config, new: &Config, changes: &[Change]) -> Result<(), ApplyError> {
        for peer in old.peers.iter().filter(|p| new.peer(&p.address).is_none()) {
            self.remove(&peer.address).await;
        }
        for peer in &new.peers {
            match self.registry.get(&peer.address).filter(|e| e.origin == PeerOrigin::Static) {
                None => {
                    // A dynamic peer that became a static one begins anew.
                    self.remove(&peer.address).await;
                    self.add_static(new, peer).await?;
                }
                Some(entry) => {
                    let runtime = self.static_runtime(new, peer);
                    let effect = session_effect(&peer.address, changes);
                    let _ = entry.commands.send(Command::Reconfigure(Box::new(runtime), effect)).await;
                }
            }
        }
        for (address, entry) in self.registry.all() {
            if entry.origin == PeerOrigin::Static {
                continue;
            }
            match new.listen_ranges.iter().find(|r| r.prefix.contains_addr(address.ip)) {
                None => self.remove(&address).await,
                Some(range) => {
                    let runtime = self.range_runtime(new, range, &address);
                    let effect = session_effect(&address, changes).max(range_effect(range, changes));
                    let _ = entry.commands.send(Command::Reconfigure(Box::new(runtime), effect)).await;
                }
            }
        }
        Ok(())
    }

    async fn apply_rib(&self, config: &Config) -> Result<(), ApplyError> {
        let decision = crate::mapping::rib::decision(config);
        let networks = crate::mapping::rib::networks(config);
        self.rib.configure(decision, networks).await.map_err(|_| ApplyError::Stopped)
    }

    fn open_listeners(&self, config: &Config) -> Result<HashMap<ListenAddress, Listener>, ApplyError> {
        let mut opened = HashMap::new();
        for address in config.router.listen.iter().filter(|a| !self.listeners.contains_key(*a)) {
            let min_ttl = listen::common_min_ttl(config, address.address.ip.is_ipv4());
            opened.insert(address.clone(), listen::open(address, min_ttl, Arc::clone(&self.accept))?);
        }
        Ok(opened)
    }

    fn accept_ranges(&self, config: &Config) {
        let mut table = self.accept.write().unwrap_or_else(PoisonError::into_inner);
        table.ranges = config.listen_ranges.iter().map(|r| r.prefix).collect();
    }

    /// Keys of the peers and ranges on all listening sockets; only what differs is touched.
    fn apply_listen_keys(&mut self, config: &Config, opened: &HashMap<ListenAddress, Listener>) {
        let peers = config.peers.iter().filter_map(|p| Some((listen::host(p.address.ip)?, &p.settings)));
        let ranges = config.listen_ranges.iter().map(|r| (r.prefix, &r.settings));
        let keys: Vec<ListenKey> = peers
            .chain(ranges)
            .filter_map(|(who, settings)| {
                let password = password(settings).ok().flatten()?;
                Some(ListenKey { who, password })
            })
            .collect();
        for listener in self.listeners.values() {
            listen::apply_keys(listener, &self.keys, &keys);
        }
        for listener in opened.values() {
            listen::apply_keys(listener, &[], &keys);
        }
        self.keys = keys;
    }

    fn publish_listening(&self) {
        let mut listening: Vec<String> =
            self.listeners.values().filter_map(Listener::local_addr).map(|a| a.to_string()).collect();
        listening.sort();
        self.running.write().unwrap_or_else(PoisonError::into_inner).listening = listening;
    }

    fn static_runtime(&self, config: &Config, peer: &heddle_config::Peer) -> Runtime {
        Runtime {
            address: peer.address.clone(),
            asn: peer.asn,
            group: peer.group.clone(),
            settings: peer.settings.clone(),
            router: Arc::new(config.router.clone()),
            policies: Arc::clone(&self.policies),
            start: self.start,
            password: password(&peer.settings),
            origin: PeerOrigin::Static,
            wish: if peer.settings.shutdown { Wish::Down } else { Wish::Up },
            restart_at: None,
        }
    }

    fn range_runtime(&self, config: &Config, range: &ListenRange, address: &PeerAddress) -> Runtime {
        Runtime {
            address: address.clone(),
            asn: range.asn,
            group: Some(range.group.clone()),
            settings: PeerSettings { passive: true, ..range.settings.clone() },
            router: Arc::new(config.router.clone()),
            policies: Arc::clone(&self.policies),
            start: self.start,
            password: password(&range.settings),
            origin: PeerOrigin::Dynamic,
            wish: if range.settings.shutdown { Wish::Down } else { Wish::Up },
            restart_at: None,
        }
    }

    async fn add_static(&mut self, config: &Config, peer: &heddle_config::Peer) -> Result<(), ApplyError> {
        let runtime = self.static_runtime(config, peer);
        self.add(runtime).await.map(drop)
    }

    async fn accept_dynamic(&mut self, incoming: Incoming) {
        let config = self.config();
        // The peer may have got a task since it was accepted.
        let entry = self.accept.read().unwrap_or_else(PoisonError::into_inner).peers.get(&incoming.peer).cloned();
        if let Some(sender) = entry {
            drop(sender.try_send(incoming));
            return;
        }
        let Some(range) = config.listen_ranges.iter().find(|r| r.prefix.contains_addr(incoming.peer.ip)) else {
            return;
        };
        if self.registry.dynamic_in(range.prefix) >= usize::try_from(range.limit).unwrap_or(usize::MAX) {
            return warn!(peer = %incoming.peer, range = %range.prefix, limit = range.limit, "refused a dynamic peer: the range is full; raise its limit");
        }
        let runtime = self.range_runtime(&config, range, &incoming.peer);
        if let Ok(sender) = self.add(runtime).await {
            drop(sender.try_send(incoming));
        }
    }

    async fn add(&mut self, runtime: Runtime) -> Result<mpsc::Sender<Incoming>, ApplyError> {
        let id = self.rib.add_peer().await.map_err(|_| ApplyError::Stopped)?;
        let (commands, receiver) = mpsc::channel(COMMANDS);
        let (sender, incoming) = mpsc::channel(PEER_BACKLOG);
        let status = Arc::new(PeerShared::new(first_status(&runtime, self.shared.clock.now())));
        let (address, origin) = (runtime.address.clone(), runtime.origin);
        self.peers_made += 1;
        let task = PeerTask::new(NewPeer {
            shared: Arc::clone(&self.shared),
            status: Arc::clone(&status),
            runtime,
            id,
            rib: RibSender::new(self.rib.queues()),
            commands: receiver,
            incoming,
            seed: self.shared.seed.wrapping_add(self.peers_made.wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        });
        self.registry.insert(address.clone(), PeerEntry { id, status, commands, origin });
        {
            let mut table = self.accept.write().unwrap_or_else(PoisonError::into_inner);
            table.peers.insert(address.clone(), sender.clone());
        }
        let dynamic = origin == PeerOrigin::Dynamic;
        self.shared.events.publish(Some(report::address(&address)), EventKind::PeerAdded { dynamic });
        self.tasks.spawn(async move {
            task.run().await;
            address
        });
        Ok(sender)
    }

    async fn remove(&mut self, address: &PeerAddress) {
        let Some(entry) = self.registry.remove(address) else { return };
        self.forget(address, entry.id).await;
        let _ = entry.commands.send(Command::Remove).await;
    }

    async fn forget(&self, address: &PeerAddress, id: PeerId) {
        self.accept.write().unwrap_or_else(PoisonError::into_inner).peers.remove(address);
        self.shared.events.publish(Some(report::address(address)), EventKind::PeerRemoved);
        let _ = self.rib.remove_peer(id).await;
    }

    /// A task ended by itself: that of a dynamic peer, or of one that was removed.
    fn ended(&mut self, ended: Result<PeerAddress, tokio::task::JoinError>) {
        match ended {
            Ok(address) => {
                // A new task may have the address by now; its channel is open.
                let over = self.registry.get(&address).filter(|e| e.commands.is_closed());
                if let Some(entry) = over {
                    self.registry.remove(&address);
                    self.accept.write().unwrap_or_else(PoisonError::into_inner).peers.remove(&address);
                    self.shared.events.publish(Some(report::address(&address)), EventKind::PeerRemoved);
                    let rib = self.rib.clone();
                    tokio::spawn(async move { rib.remove_peer(entry.id).await });
                }
            }
            Err(error) => tracing::error!(%error, "the task of a peer failed"),
        }
    }

    async fn exit(&mut self, text: &str) {
        self.shared.marker.freeze();
        self.listeners.clear();
        for (_, entry) in self.registry.all() {
            let _ = entry.commands.send(Command::Exit(text.to_owned())).await;
        }
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(EXIT, all).await.is_err() {
            warn!("some peers did not end in time");
        }
        self.shared.last_words.close();
        let _ = tokio::time::timeout(EXIT, self.shared.last_words.wait()).await;
    }
}

fn password(settings: &PeerSettings) -> Result<Option<Password>, String> {
    let Some(path) = &settings.password_file else { return Ok(None) };
    Password::read(path).map(Some).map_err(|e| e.to_string())
}

fn session_effect(address: &PeerAddress, changes: &[Change]) -> SessionEffect {
    effect_where(changes, |s| matches!(s, Subject::Peer(p) if p == address))
}

fn range_effect(range: &ListenRange, changes: &[Change]) -> SessionEffect {
    effect_where(changes, |s| *s == Subject::ListenRange(range.prefix))
}

/// The strongest effect of what concerns one peer: its own keys, the router's, and policies, of which its routes are
/// evaluated anew whether it uses them or not (what comes out the same is not sent).
fn effect_where(changes: &[Change], own: impl Fn(&Subject) -> bool) -> SessionEffect {
    let concerns = |s: &Subject| match s {
        Subject::Router
        | Subject::Policy(_)
        | Subject::PrefixSet(_)
        | Subject::CommunitySet(_)
        | Subject::AsPathSet(_) => true,
        Subject::Peer(_) | Subject::ListenRange(_) => own(s),
        Subject::Api | Subject::Log | Subject::Network(_) => false,
    };
    let mine = changes.iter().filter(|c| concerns(&c.subject));
    mine.map(|c| effect_of(c.effect)).max().unwrap_or(SessionEffect::Keep)
}

const fn effect_of(effect: Effect) -> SessionEffect {
    match effect {
        Effect::Immediate | Effect::NextSession | Effect::Restart => SessionEffect::Keep,
        Effect::Refresh => SessionEffect::Evaluate,
        Effect::Reset => SessionEffect::Reset,
    }
}

fn first_status(runtime: &Runtime, now: heddle_bgp_core::Timestamp) -> PeerStatus {
    PeerStatus {
        address: runtime.address.clone(),
        asn: runtime.asn,
        router_asn: runtime.router.asn,
        group: runtime.group.clone(),
        settings: runtime.settings.clone(),
        origin: runtime.origin,
        state: heddle_bgp_fsm::StateKind::Idle,
        since: now,
        wish: runtime.wish,
        blocked: None,
        retry_at: None,
        messages_in: heddle_bgp_fsm::MessageCounts::default(),
        messages_out: heddle_bgp_fsm::MessageCounts::default(),
        established: 0,
        flaps: 0,
        last_reset: None,
        last_received: None,
        last_sent: None,
        session: None,
        stale_until: None,
    }
}
