//! A running BGP speaker: the tokio shell around state machine, RIB and sockets.
//!
//! [`Speaker::start`] takes a configuration value and runs it; [`Speaker::apply`] changes over to another by their
//! difference; [`Speaker::stop`] ends it. `docs/architecture.md` draws the tasks, `docs/limits.md` lists the bounds.

mod backend;
mod change_reader;
mod clock;
mod connection;
pub mod daemon;
#[cfg(all(feature = "fault-injection", debug_assertions))]
pub mod fault;
#[cfg(not(all(feature = "fault-injection", debug_assertions)))]
mod fault;
pub mod forwarding;
mod ingest_queue;
mod interface;
mod last_words;
mod listen;
mod listener;
mod local_routes;
mod log_lines;
mod mailbox;
mod manager;
mod mapping;
mod peer;
mod registry;
pub mod replay;
mod report;
mod restart;
mod restart_marker;
mod rib_link;
mod rib_thread;
#[cfg(test)]
#[allow(dead_code, reason = "other tests use more of it")]
#[path = "../tests/speaker/log.rs"]
mod test_log;

use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, RwLock};
use std::time::{Duration, SystemTime};

use heddle_admin::types::EventKind;
use heddle_admin::{Access, AdminServer, BindError, EventHub, serve_metrics};
use heddle_bgp_core::{Family, Timestamp};
use heddle_config::{Change, Config, ConfigErrors, ExpressionError, GracefulRestartMode, PeerAddress, PeerSettings};
use heddle_rib::feed::Paths;
use heddle_rib::policy::AsPathRegex;
use heddle_rib::rib::Begin;
use thiserror::Error;
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;
use tracing::{info, warn};

use backend::Backend;
use clock::Clock;
use forwarding::{Forwarding, Selection, Tables, TablesLink, TimeFrom};
use interface::Interfaces;
use last_words::LastWords;
use manager::{Manager, NewManager, REQUESTS, Request, Returning, Running};
use peer::Shared;
use peer::transport::MissingAddresses;
use registry::Registry;
use restart::{Deferral, HeldRoutes, Whom};
use restart_marker::{Before, RestartMarker, Start};
use rib_link::PeerLink;
use rib_thread::{NewRib, RibHandle, Subscription};

pub use manager::ApplyError;

/// What a speaker is for; shown by the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reflects routes and forwards nothing.
    RouteReflector,
    /// A node of a cluster: it forwards.
    NodePeer,
}

/// Whether there was a session since the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FirstSession {
    /// None was established so far.
    NotYet,
    /// One was, whether it still is or not.
    Established,
}

/// How to start.
#[derive(Clone, Debug)]
pub struct StartOptions {
    /// What it is for.
    pub role: Role,
    /// The file that the configuration came from: what the API's apply without a text reads.
    pub file: Option<PathBuf>,
    /// The socket that the command line named, in place of the file's.
    pub socket: Option<PathBuf>,
    /// Who owns the forwarding table; none: the speaker forwards nothing.
    pub forwarding: Option<Forwarding>,
    /// The node that the speaker is, for its API.
    pub node: Option<Arc<dyn heddle_admin::Node>>,
    /// What the process took away from itself, for its API.
    pub confined: daemon::Confined,
}

impl StartOptions {
    /// For this alone: of no file, no node and no forwarding table, and as free as before.
    #[must_use]
    pub fn new(role: Role) -> Self {
        Self { role, file: None, socket: None, forwarding: None, node: None, confined: daemon::Confined::default() }
    }
}

/// Why a speaker cannot start.
#[derive(Debug, Error)]
pub enum StartError {
    /// The configuration cannot be run.
    #[error(transparent)]
    Config(#[from] ApplyError),
    /// The API socket.
    #[error(transparent)]
    Api(#[from] BindError),
    /// The TCP port of the metrics.
    #[error("cannot serve metrics on {0}: {1}; choose another address in api.metrics")]
    Metrics(SocketAddr, std::io::Error),
    /// The system refused.
    #[error("cannot start the RIB thread: {0}")]
    Thread(std::io::Error),
}

/// A running speaker.
#[derive(Debug)]
pub struct Speaker {
    requests: mpsc::Sender<Request>,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    servers: Vec<JoinHandle<()>>,
    manager: JoinHandle<()>,
    applied: watch::Receiver<Arc<Config>>,
    tables: Option<Tables>,
}

/// Reads a configuration, its AS_PATH expressions compiled.
///
/// # Errors
/// Everything that is wrong with it.
pub fn read_config(text: &str, file: &str) -> Result<Config, ConfigErrors> {
    Config::from_toml_with(text, file, &|expression| {
        AsPathRegex::new(expression)
            .map(drop)
            .map_err(|e| ExpressionError { column: e.column().unwrap_or(1), reason: e.to_string() })
    })
}

impl Speaker {
    /// Starts a speaker; when this returns it listens, and its API answers.
    ///
    /// # Errors
    /// A policy does not compile, an address is taken, another instance has the socket.
    pub async fn start(config: Config, options: StartOptions) -> Result<Self, StartError> {
        Self::starting(config, options).await
    }

    /// Boxed, which makes all that a speaker runs code of this crate: else each crate that starts one has it once more.
    fn starting(
        config: Config,
        options: StartOptions,
    ) -> Pin<Box<dyn Future<Output = Result<Self, StartError>> + Send>> {
        Box::pin(Self::start_all(config, options))
    }

    async fn start_all(config: Config, options: StartOptions) -> Result<Self, StartError> {
        // The socket first: a second instance must not touch the marker of the first.
        let server = AdminServer::bind(&config.api.socket, access(&config))?;
        let metrics = match config.api.metrics {
            Some(at) => Some(TcpListener::bind(at).await.map_err(|e| StartError::Metrics(at, e))?),
            None => None,
        };
        if config.router.decision.resolve_next_hops && options.forwarding.is_none() {
            warn!("router.decision.resolve_next_hops has no effect here: every next hop counts as reachable at cost 0");
        }
        let (marker, mut before) = RestartMarker::read(&config.api.socket);
        before.peers.retain(|p| is_configured(&config, p));
        let shared = Arc::new(Shared {
            clock: Clock::start(),
            events: EventHub::default(),
            seed: RandomState::new().build_hasher().finish(),
            last_words: LastWords::default(),
            marker,
            interfaces: Interfaces::default(),
            missing_addresses: MissingAddresses::default(),
            held_routes: held_routes(&options, before.start),
            first_session: watch::Sender::new(FirstSession::NotYet),
        });
        let (parts, backend) = Self::begin(config, &options, &shared, before).await?;
        if let Err(error) = shared.marker.set() {
            warn!(%error, "cannot write the restart marker; the next start will not be taken for a restart");
        }
        let (stop, stopping) = watch::channel(false);
        let mut servers = vec![tokio::spawn(server.serve(Arc::clone(&backend), told(stopping.clone())))];
        if let Some(listener) = metrics {
            servers.push(tokio::spawn(serve_metrics(listener, backend, told(stopping))));
        }
        let Parts { requests, manager, applied, tables } = parts;
        Ok(Self { requests, shared, stop, servers, manager: tokio::spawn(manager.run()), applied, tables })
    }

    async fn begin(
        config: Config,
        options: &StartOptions,
        shared: &Arc<Shared>,
        before: Before,
    ) -> Result<(Parts, Arc<Backend>), StartError> {
        let until = shared.clock.now() + deferral_time(&config);
        let deferral = deferral(&config, options, &before, until);
        let registry = Registry::default();
        let link = options.forwarding.as_ref().map(|f| Arc::new(TablesLink::new(f.wake.clone())));
        let new = NewRib {
            start: selection(options, before.start),
            deferral,
            tables: link.clone(),
            local_routes: options.forwarding.as_ref().map(|f| f.local_routes.clone()),
        };
        let rib = RibHandle::start(&config, new, Arc::clone(shared)).map_err(StartError::Thread)?;
        let tables = match link {
            Some(link) => Some(tables(&rib, link, shared.held_routes.clone()).await?),
            None => None,
        };
        let (requests, receiver) = mpsc::channel(REQUESTS);
        let config = Arc::new(config);
        let (applied_sender, applied) = watch::channel(Arc::clone(&config));
        let running = Arc::new(RwLock::new(Running {
            config,
            file: options.file.clone(),
            applied_at: SystemTime::now(),
            listening: Vec::new(),
        }));
        let begun = Manager::begin(NewManager {
            shared: Arc::clone(shared),
            rib: rib.clone(),
            registry: registry.clone(),
            running: Arc::clone(&running),
            applied: applied_sender,
            returning: Returning { start: before.start, until, peers: before.peers, blamed: before.blamed },
            requests: receiver,
        });
        let manager = match begun.await {
            Ok(manager) => manager,
            Err(error) => {
                rib.stop().await;
                return Err(error.into());
            }
        };
        let backend = Backend::new(Arc::clone(shared), rib, registry, running, requests.clone(), options);
        Ok((Parts { requests, manager, applied, tables }, Arc::new(backend)))
    }

    /// The tables, for the owner of the forwarding table; once, and only where the speaker was started to forward.
    pub fn take_tables(&mut self) -> Option<Tables> {
        self.tables.take()
    }

    /// The configuration that runs; changes when another one is applied, by whomever.
    #[must_use]
    pub fn applied(&self) -> watch::Receiver<Arc<Config>> {
        self.applied.clone()
    }

    /// Whether there was a session since the start: before the first one nobody hears what is advertised.
    #[must_use]
    pub fn first_session(&self) -> watch::Receiver<FirstSession> {
        self.shared.first_session.subscribe()
    }

    /// Changes over to another configuration; sessions go on unless what identifies them changed.
    ///
    /// # Errors
    /// It cannot be applied; the running one goes on.
    pub async fn apply(&self, config: Config) -> Result<Vec<Change>, ApplyError> {
        let (reply, answer) = oneshot::channel();
        let request = Request::Apply(Box::new(config), reply);
        self.requests.send(request).await.map_err(|_| ApplyError::Stopped)?;
        answer.await.map_err(|_| ApplyError::Stopped)?
    }

    /// Ends all sessions, then the speaker. Peers with which graceful restart was negotiated keep our routes.
    pub async fn stop(self) {
        self.shared.events.publish(None, EventKind::Stopping);
        let (done, ended) = oneshot::channel();
        if self.requests.send(Request::Exit(done)).await.is_ok() {
            let _ = ended.await;
        }
        let _ = self.manager.await;
        self.stop.send_replace(true);
        for server in self.servers {
            let _ = server.await;
        }
        if !restarts_gracefully(&self.applied.borrow()) {
            self.shared.marker.clear();
        }
    }
}

/// What a speaker is made of, before it runs.
struct Parts {
    requests: mpsc::Sender<Request>,
    manager: Manager,
    applied: watch::Receiver<Arc<Config>>,
    tables: Option<Tables>,
}

/// Of which families peers may be told that we forward as before: of all unless the kernel lost the routes of the run
/// before. A reflector forwards nothing, so its forwarding state is always preserved.
fn held_routes(options: &StartOptions, start: Start) -> HeldRoutes {
    match (start, &options.forwarding) {
        (Start::Restart, Some(forwarding)) => HeldRoutes::of(&forwarding.preserved),
        (Start::Fresh, _) | (Start::Restart, None) => HeldRoutes::of(&Family::SUPPORTED),
    }
}

/// When learned routes are selected.
fn selection(options: &StartOptions, start: Start) -> heddle_rib::rib::Start {
    match (start, options.forwarding.as_ref().map(|f| f.selection)) {
        (Start::Fresh, _) | (Start::Restart, Some(Selection::AtOnce)) => heddle_rib::rib::Start::Fresh,
        (Start::Restart, Some(Selection::Deferred) | None) => heddle_rib::rib::Start::Restarting,
    }
}

fn deferral_time(config: &Config) -> Duration {
    config.router.graceful_restart.selection_deferral_time.duration()
}

/// Whose End-of-RIB is waited for, and from when.
fn deferral(config: &Config, options: &StartOptions, before: &Before, until: Timestamp) -> Deferral {
    let deferral = whose_tables(config, options, before, until);
    let has_peers = !config.peers.is_empty() || !config.listen_ranges.is_empty();
    match options.forwarding.as_ref().map(|f| f.time_from) {
        Some(TimeFrom::FirstSession) if has_peers => deferral.after_first_session(deferral_time(config)),
        Some(TimeFrom::FirstSession | TimeFrom::Start) | None => deferral,
    }
}

/// Whose End-of-RIB is waited for. Where we forward, the kernel may have routes of a run before that came from any peer,
/// whether it remembers us or not: then it is that of all peers of the configuration, unless selection waits with them.
fn whose_tables(config: &Config, options: &StartOptions, before: &Before, until: Timestamp) -> Deferral {
    let configured = || {
        let waited = config.peers.iter().filter(|p| !p.settings.shutdown && p.settings.blocked.is_none());
        waited.map(|p| p.address.clone())
    };
    match (before.start, options.forwarding.as_ref().map(|f| f.selection)) {
        (Start::Fresh, None) => Deferral::none(),
        (Start::Fresh, Some(_)) => Deferral::until(until, configured().collect(), Whom::All),
        (Start::Restart, Some(Selection::AtOnce)) => {
            let peers: BTreeSet<PeerAddress> = configured().chain(before.peers.iter().cloned()).collect();
            info!(peers = peers.len(), "restarted: routes of the run before stay until the peers' End-of-RIB");
            Deferral::until(until, peers, Whom::All)
        }
        (Start::Restart, Some(Selection::Deferred) | None) => {
            // A peer that is held is not back soon.
            let held = |peer: &&PeerAddress| before.blamed.contains_key(*peer);
            let peers: BTreeSet<PeerAddress> = before.peers.iter().filter(|p| !held(p)).cloned().collect();
            info!(peers = peers.len(), "restarted: the peers' End-of-RIB is waited for");
            Deferral::until(until, peers, Whom::Graceful)
        }
    }
}

/// Subscribes to all families.
async fn tables(rib: &RibHandle, link: Arc<TablesLink>, held: HeldRoutes) -> Result<Tables, ApplyError> {
    let mut readers = Vec::new();
    for family in Family::SUPPORTED {
        let to_thread = Arc::new(PeerLink::to_thread());
        let wanted = Subscription { family, begin: Begin::Table, paths: Paths::Multipath };
        readers.push((family, rib.subscribe(wanted, to_thread).await?));
    }
    Ok(Tables::new(readers, link, rib.clone(), held))
}

/// Completes when the servers are told to stop.
async fn told(mut stopping: watch::Receiver<bool>) {
    let _ = stopping.wait_for(|stop| *stop).await;
}

/// Who may use the API socket.
#[must_use]
pub fn access(config: &Config) -> Access {
    if config.api.group_access { Access::Group } else { Access::Owner }
}

/// Whether the configuration has the peer, by address or by a listen range.
fn is_configured(config: &Config, peer: &PeerAddress) -> bool {
    config.peer(peer).is_some() || config.listen_ranges.iter().any(|r| r.prefix.contains_addr(peer.ip))
}

/// Whether a peer may keep our routes until we are back.
fn restarts_gracefully(config: &Config) -> bool {
    let on = |s: &PeerSettings| s.graceful_restart == GracefulRestartMode::On;
    config.peers.iter().any(|p| on(&p.settings)) || config.listen_ranges.iter().any(|r| on(&r.settings))
}
