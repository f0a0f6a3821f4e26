//! A running BGP speaker: the tokio shell around state machine, RIB and sockets.
//!
//! [`Speaker::start`] takes a configuration value and runs it; [`Speaker::apply`] changes over to another by their
//! difference; [`Speaker::stop`] ends it. `docs/architecture.md` draws the tasks, `docs/limits.md` lists the bounds.

mod backend;
mod clock;
mod connection;
mod ingest_queue;
mod interface;
mod listen;
mod listener;
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

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

use heddle_admin::types::EventKind;
use heddle_admin::{AdminServer, BindError, EventHub};
use heddle_config::{Change, Config, ConfigErrors, ExpressionError, GracefulRestartMode, PeerSettings};
use heddle_rib::policy::AsPathRegex;
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use backend::Backend;
use clock::Clock;
use manager::{ApplyError, Manager, NewManager, REQUESTS, Request, Running};
use peer::Shared;
use registry::Registry;
use restart::Deferral;
use restart_marker::{RestartMarker, Start};
use rib_thread::RibHandle;

/// What a speaker is for; shown by the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Reflects routes and forwards nothing.
    RouteReflector,
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
    /// The system refused.
    #[error("cannot start the RIB thread: {0}")]
    Thread(std::io::Error),
}

/// A running speaker.
#[derive(Debug)]
pub struct Speaker {
    requests: mpsc::Sender<Request>,
    shared: Arc<Shared>,
    stop_admin: oneshot::Sender<()>,
    admin: JoinHandle<()>,
    manager: JoinHandle<()>,
    rib: RibHandle,
    running: Arc<RwLock<Running>>,
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
        // The socket first: a second instance must not touch the marker of the first.
        let server = AdminServer::bind(&config.api.socket)?;
        let (marker, before, failed) = RestartMarker::set(&config.api.socket);
        if let Some(error) = failed {
            warn!(%error, "cannot write the restart marker; the next start will not be taken for a restart");
        }
        let shared = Arc::new(Shared {
            clock: Clock::start(),
            events: EventHub::default(),
            seed: RandomState::new().build_hasher().finish(),
            last_words: TaskTracker::new(),
            marker,
        });
        let deferral = match before.start {
            Start::Fresh => Deferral::none(),
            Start::Restart => {
                info!(peers = before.peers.len(), "restarted: learned routes wait for the peers' End-of-RIB");
                let time = config.router.graceful_restart.selection_deferral_time.duration();
                Deferral::until(shared.clock.now() + time, before.peers)
            }
        };
        let registry = Registry::default();
        let rib = RibHandle::start(&config, before.start, deferral, Arc::clone(&shared)).map_err(StartError::Thread)?;
        let (requests, receiver) = mpsc::channel(REQUESTS);
        let running = Arc::new(RwLock::new(Running {
            toml: config.to_toml().into(),
            config: Arc::new(config),
            file: options.file.clone(),
            applied_at: SystemTime::now(),
            listening: Vec::new(),
        }));
        let manager = Manager::begin(NewManager {
            shared: Arc::clone(&shared),
            rib: rib.clone(),
            registry: registry.clone(),
            running: Arc::clone(&running),
            start: before.start,
            requests: receiver,
        })
        .await?;
        let manager = tokio::spawn(manager.run());
        let running_too = Arc::clone(&running);
        let backend = Backend::new(Arc::clone(&shared), rib.clone(), registry, running_too, requests.clone(), &options);
        let (stop_admin, stopped) = oneshot::channel();
        let admin = tokio::spawn(server.serve(Arc::new(backend), async { drop(stopped.await) }));
        Ok(Self { requests, shared, stop_admin, admin, manager, rib, running })
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
        if self.requests.send(Request::Exit(String::new(), done)).await.is_ok() {
            let _ = ended.await;
        }
        let _ = self.manager.await;
        let _ = self.stop_admin.send(());
        let _ = self.admin.await;
        self.rib.stop();
        let config = Arc::clone(&self.running.read().unwrap_or_else(PoisonError::into_inner).config);
        if !restarts_gracefully(&config) {
            self.shared.marker.clear();
        }
    }
}

/// Whether a peer may keep our routes until we are back.
fn restarts_gracefully(config: &Config) -> bool {
    let on = |s: &PeerSettings| s.graceful_restart == GracefulRestartMode::On;
    config.peers.iter().any(|p| on(&p.settings)) || config.listen_ranges.iter().any(|r| on(&r.settings))
}
