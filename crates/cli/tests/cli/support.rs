//! A daemon that knows fixed values, on a real Unix socket, and the command run against it.

use std::net::IpAddr;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use heddle_admin::node::Later;
use heddle_admin::types::*;
use heddle_admin::{Access, AdminBackend, AdminServer, ChangeFeed, EventHub, EventReader, Node, RouteCursor};
use tokio::sync::oneshot;

/// What the daemon knows.
pub(crate) struct Fixed {
    pub(crate) peers: Vec<Peer>,
    pub(crate) routes: Vec<Destination>,
    pub(crate) hub: EventHub,
    /// How often the routes come again, under other prefixes.
    pub(crate) copies: u32,
    /// Readers of events that came.
    pub(crate) readers: AtomicU64,
}

impl Fixed {
    pub(crate) fn new(peers: &str) -> Self {
        Self {
            peers: serde_json::from_str(peers).unwrap(),
            routes: serde_json::from_str(include_str!("../data/routes.json")).unwrap(),
            hub: EventHub::default(),
            copies: 1,
            readers: AtomicU64::new(0),
        }
    }
}

/// What a node adds.
#[derive(Debug)]
struct FixedNode;

impl Node for FixedNode {
    fn report(&self) -> Later<'_, NodeReport> {
        Box::pin(async { Ok(serde_json::from_str(include_str!("../data/node.json")).unwrap()) })
    }

    fn fib(&self, query: FibQuery) -> Later<'_, FibPage> {
        let mut page: FibPage = serde_json::from_str(include_str!("../data/fib.json")).unwrap();
        page.routes.retain(|r| !query.differing || r.state != FibState::Installed);
        page.routes.retain(|r| query.prefix.is_none_or(|p| p.contains(r.prefix.ip())));
        Box::pin(async { Ok(page) })
    }

    fn drain(&self, step: DrainStep) -> Later<'_, DrainReport> {
        let drained = match step {
            DrainStep::Drain => "lowered",
            DrainStep::Undo => "none",
        };
        Box::pin(async move { Ok(DrainReport { drained: drained.to_owned() }) })
    }
}

fn no_peer(address: &PeerAddress) -> ApiError {
    ApiError::new(ErrorCode::PeerNotFound, format!("there is no peer {address}"))
        .with_remedy("`heddle show peers` lists all")
}

/// Changes that have happened; then the feed ends.
struct Changed(Option<Vec<Event>>);

impl ChangeFeed for Changed {
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<Vec<Event>>> + Send + '_>> {
        Box::pin(std::future::ready(self.0.take()))
    }
}

impl AdminBackend for Fixed {
    type Routes = Walk;

    fn version(&self) -> Version {
        let summary: Summary = serde_json::from_str(include_str!("../data/summary.json")).unwrap();
        summary.version
    }
    fn node(&self) -> Option<&dyn Node> {
        Some(&FixedNode)
    }
    async fn summary(&self) -> Result<Summary, ApiError> {
        Ok(serde_json::from_str(include_str!("../data/summary.json")).unwrap())
    }
    async fn peers(&self) -> Result<Vec<Peer>, ApiError> {
        Ok(self.peers.clone())
    }
    async fn peer(&self, address: &PeerAddress) -> Result<Peer, ApiError> {
        self.peers.iter().find(|p| p.address == *address).cloned().ok_or_else(|| no_peer(address))
    }
    async fn routes(&self, query: RouteQuery) -> Result<Walk, ApiError> {
        let matching: Vec<Destination> = self.routes.iter().filter_map(|d| select(d, &query)).collect();
        let matching = match query.matching {
            Match::Longest => matching.into_iter().max_by_key(|d| d.prefix.prefix()).into_iter().collect(),
            Match::Exact | Match::Longer => matching,
        };
        Ok(Walk { routes: matching, copies: self.copies })
    }
    async fn act(&self, address: &PeerAddress, action: PeerAction) -> Result<ActionResult, ApiError> {
        if self.peer(address).await?.state != PeerState::Established
            && let PeerAction::Refresh(_) = action
        {
            return Err(ApiError::new(ErrorCode::Conflict, "the session is not established"));
        }
        let message = format!("asked for {action:?}");
        Ok(ActionResult { peer: address.clone(), action: action.name().into(), changed: true, message })
    }
    fn events(&self) -> EventReader {
        self.readers.fetch_add(1, Ordering::SeqCst);
        self.hub.subscribe()
    }
    async fn route_changes(&self, family: Option<Family>) -> Result<Box<dyn ChangeFeed>, ApiError> {
        let at = WallTime::default();
        let mine = |prefix: &str| family.is_none_or(|f| f == Family::of(&prefix.parse().unwrap()));
        let routes = self.routes.iter().filter(|d| mine(&d.prefix.to_string()));
        let mut events: Vec<Event> = routes
            .map(|d| {
                let path = &d.paths[0];
                let (prefix, attributes) = (d.prefix, path.attributes.clone());
                Event {
                    at,
                    peer: path.peer.clone(),
                    kind: EventKind::RouteBest { prefix, llgr_stale: path.llgr_stale, attributes },
                }
            })
            .collect();
        events.push(Event { at, peer: None, kind: EventKind::Lost { count: 0 } });
        for prefix in ["10.9.0.0/16", "2001:db8:9::/48"].into_iter().filter(|p| mine(p)) {
            let kind = EventKind::RouteWithdrawn { prefix: prefix.parse().unwrap() };
            events.push(Event { at, peer: None, kind });
        }
        Ok(Box::new(Changed(Some(events))))
    }
    async fn config(&self) -> Result<RunningConfig, ApiError> {
        let toml = "[router]\nasn = 65001\n".to_owned();
        Ok(RunningConfig { file: None, applied_at: WallTime::default(), toml })
    }
    async fn config_diff(&self, source: ConfigSource) -> Result<ConfigDiff, ApiError> {
        match source.toml.as_deref() {
            Some("bad") => {
                let mut error = ApiError::new(ErrorCode::ConfigInvalid, "the configuration is not valid");
                error.details.push(ErrorDetail {
                    file: source.file,
                    line: Some(1),
                    column: Some(1),
                    text: Some("bad".to_owned()),
                    message: "this is no TOML".to_owned(),
                    remedy: Some("write KEY = VALUE".to_owned()),
                });
                Err(error)
            }
            Some("same") => Ok(ConfigDiff::default()),
            _ => Ok(serde_json::from_str(include_str!("../data/diff.json")).unwrap()),
        }
    }
    async fn config_apply(&self, source: ConfigSource) -> Result<ConfigApplied, ApiError> {
        Ok(ConfigApplied { applied_at: WallTime::default(), diff: self.config_diff(source).await? })
    }
}

/// What a query wants of a destination: enough of the API for the tables here.
fn select(destination: &Destination, query: &RouteQuery) -> Option<Destination> {
    let has = |wide: ipnetwork::IpNetwork, narrow: ipnetwork::IpNetwork| {
        wide.contains(narrow.ip()) && wide.prefix() <= narrow.prefix()
    };
    let prefix = destination.prefix;
    let family = query.family.is_none_or(|family| family == Family::of(&prefix));
    let matches = query.prefix.is_none_or(|wanted| match query.matching {
        Match::Exact => wanted == prefix,
        Match::Longest => has(prefix, wanted),
        Match::Longer => has(wanted, prefix),
    });
    let mut destination = destination.clone();
    destination.paths.retain(|path| {
        let used = matches!(path.status, PathStatus::Best | PathStatus::Multipath);
        let peer = query.peer.is_none() || query.peer == path.peer || query.view == RouteView::Advertised;
        peer && (used || !matches!(query.view, RouteView::Best | RouteView::Advertised))
    });
    for path in &mut destination.paths {
        path.explain = path.explain.take().filter(|_| query.explain);
    }
    (family && matches && !destination.paths.is_empty()).then_some(destination)
}

pub(crate) struct Walk {
    routes: Vec<Destination>,
    copies: u32,
}

impl RouteCursor for Walk {
    async fn next(&mut self) -> Result<Option<Vec<Destination>>, ApiError> {
        let Some(left) = self.copies.checked_sub(1) else { return Ok(None) };
        self.copies = left;
        let mut routes = self.routes.clone();
        if left > 0 {
            for (n, route) in routes.iter_mut().enumerate() {
                let n = left << 8 | u32::try_from(n).unwrap();
                route.prefix = ipnetwork::IpNetwork::new(IpAddr::V4(n.into()), 32).unwrap();
            }
        }
        Ok(Some(routes))
    }
}

/// A daemon in a thread of its own, ended on drop.
pub(crate) struct Daemon {
    dir: tempfile::TempDir,
    pub(crate) backend: Arc<Fixed>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Daemon {
    pub(crate) fn start(backend: Fixed) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let backend = Arc::new(backend);
        let (stop, stopped) = oneshot::channel();
        let (ready, is_ready) = std::sync::mpsc::channel();
        let (path, served) = (dir.path().join("heddle.sock"), backend.clone());
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let server = AdminServer::bind(&path, Access::Owner).unwrap();
                ready.send(()).unwrap();
                let stopped = async {
                    let _ = stopped.await;
                };
                server.serve(served, stopped).await;
            });
        });
        is_ready.recv().unwrap();
        Self { dir, backend, stop: Some(stop), thread: Some(thread) }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.dir.path().join("heddle.sock")
    }

    /// The command with the daemon's socket.
    pub(crate) fn command(&self, line: &str) -> Command {
        let mut command = heddle(line);
        command.env("HEDDLE_SOCKET", self.socket());
        command
    }

    pub(crate) fn stop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        self.stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The command with these words, in the folder of the test data.
pub(crate) fn heddle(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_heddle"));
    command.args(line.split(' ').filter(|word| !word.is_empty()));
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data"));
    command.env_remove("HEDDLE_SOCKET").env_remove("NO_COLOR").env_remove("COLUMNS");
    command
}

pub(crate) fn text(octets: &[u8]) -> String {
    String::from_utf8(octets.to_vec()).unwrap()
}

/// What came out: exit code, standard output, standard error.
pub(crate) fn describe(output: &Output) -> String {
    let code = output.status.code().unwrap();
    let mut description = format!("exit code {code}\n--- standard output\n{}", text(&output.stdout));
    if !output.stderr.is_empty() {
        description.push_str(&format!("--- standard error\n{}", text(&output.stderr)));
    }
    description
}
