//! What the admin API asks of a running speaker.
//!
//! State of peers comes from what their tasks publish; counts and routes come from the RIB thread, a chunk at a time,
//! each pulled by the reader. Changes go to the tasks of peers and to the manager.

mod attributes;
mod changes;
mod peer;
mod routes;

use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use heddle_admin::types::{
    ActionResult, ApiError, ChangeEffect, ConfigApplied, ConfigChange, ConfigDiff, ConfigSource, ErrorCode,
    ErrorDetail, EventKind, Family, FamilySummary, Peer, PeerAction, PeerAddress, PeerCounts, RefreshDirection,
    RouteQuery, RouterIdentity, RunningConfig, Summary, Version,
};
use heddle_admin::{AdminBackend, ChangeFeed, EventReader};
use heddle_bgp_core::Timestamp;
use heddle_config::{Change, Config, ConfigErrors, Effect, Subject};
use heddle_rib::stats::PeerStats;
use tokio::sync::{mpsc, oneshot};

use crate::daemon::Confined;
use crate::manager::{ApplyError, Request, Running};
use crate::peer::status::Wish;
use crate::peer::{Command, Outcome, Shared};
use crate::registry::{PeerEntry, Registry};
use crate::report;
use crate::rib_thread::RibHandle;
use crate::{Role, StartOptions};
use changes::Changes;
use routes::Cursor;

/// The speaker behind the API.
#[derive(Debug)]
pub(crate) struct Backend {
    shared: Arc<Shared>,
    rib: RibHandle,
    registry: Registry,
    running: Arc<RwLock<Running>>,
    requests: mpsc::Sender<Request>,
    role: Role,
    node: Option<Arc<dyn heddle_admin::Node>>,
    socket: Option<PathBuf>,
    confined: Confined,
    started: Timestamp,
}

impl Backend {
    /// Of a running speaker.
    #[must_use]
    pub(crate) fn new(
        shared: Arc<Shared>,
        rib: RibHandle,
        registry: Registry,
        running: Arc<RwLock<Running>>,
        requests: mpsc::Sender<Request>,
        options: &StartOptions,
    ) -> Self {
        let started = shared.clock.now();
        Self {
            shared,
            rib,
            registry,
            running,
            requests,
            role: options.role,
            node: options.node.clone(),
            socket: options.socket.clone(),
            confined: options.confined.clone(),
            started,
        }
    }

    fn running(&self) -> Running {
        self.running.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn entry(&self, address: &PeerAddress) -> Result<PeerEntry, ApiError> {
        self.registry.get(&report::config_address(address)).ok_or_else(|| {
            ApiError::new(ErrorCode::PeerNotFound, format!("there is no peer {address}"))
                .with_remedy("heddle show peers lists all")
        })
    }

    /// The configuration of a source: its text, else the daemon's own file.
    fn read(&self, source: ConfigSource) -> Result<Config, ApiError> {
        let (text, file) = match source.toml {
            Some(text) => (text, source.file.unwrap_or_else(|| "request".to_owned())),
            None => {
                let file = self.running().file.ok_or_else(|| {
                    ApiError::new(ErrorCode::BadRequest, "the daemon has no configuration file; send the text")
                })?;
                let name = file.display().to_string();
                let text = std::fs::read_to_string(&file).map_err(|e| {
                    ApiError::new(ErrorCode::ConfigInvalid, format!("cannot read the configuration {name}: {e}"))
                })?;
                (text, name)
            }
        };
        let mut config = crate::read_config(&text, &file).map_err(|e| self.rejected(invalid(&e)))?;
        if let Some(socket) = &self.socket {
            config.api.socket.clone_from(socket);
        }
        Ok(config)
    }

    fn rejected(&self, error: ApiError) -> ApiError {
        let text = error.details.first().map_or(&error.message, |d| &d.message).clone();
        self.shared.events.publish(None, EventKind::ConfigRejected { text });
        error
    }
}

/// Whether it is of a cluster: a node mostly is of none.
fn reflects(role: Role, config: &Config) -> bool {
    let peers = config.peers.iter().map(|p| &p.settings);
    let mut all = peers.chain(config.listen_ranges.iter().map(|r| &r.settings));
    match role {
        Role::RouteReflector => true,
        Role::NodePeer => all.any(|settings| settings.route_reflector_client),
    }
}

fn invalid(errors: &ConfigErrors) -> ApiError {
    let details: Vec<ErrorDetail> = errors
        .0
        .iter()
        .map(|e| ErrorDetail {
            file: Some(e.at.file.to_string()),
            line: Some(e.at.line),
            column: Some(e.at.column),
            text: Some(e.line_text.clone()),
            message: e.problem.to_string(),
            remedy: None,
        })
        .collect();
    let mut error = ApiError::new(ErrorCode::ConfigInvalid, "the configuration is not valid; nothing was changed");
    error.details = details;
    error
}

fn stopped() -> ApiError {
    ApiError::new(ErrorCode::Unavailable, "the daemon is stopping")
}

impl AdminBackend for Backend {
    type Routes = Cursor;

    fn node(&self) -> Option<&dyn heddle_admin::Node> {
        self.node.as_deref()
    }

    fn version(&self) -> Version {
        Version {
            program: "heddle".to_owned(),
            role: match self.role {
                Role::RouteReflector => "route-reflector".to_owned(),
                Role::NodePeer => "node-peer".to_owned(),
            },
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api: vec!["v1".to_owned()],
            pid: std::process::id(),
            started_at: report::wall(self.shared.clock.wall(self.started)),
        }
    }

    async fn summary(&self) -> Result<Summary, ApiError> {
        let running = self.running();
        let stats = self.rib.call(|rib, _| rib.stats()).await.map_err(|_| stopped())?;
        let mut counts = PeerCounts::default();
        for (_, entry) in self.registry.all() {
            let status = entry.status.lock();
            counts.total += 1;
            counts.dynamic += u32::from(entry.origin == crate::peer::status::PeerOrigin::Dynamic);
            counts.established += u32::from(status.state == heddle_bgp_fsm::StateKind::Established);
            counts.down += u32::from(status.is_down());
            counts.draining += u32::from(status.wish == Wish::Draining);
        }
        let router = &running.config.router;
        Ok(Summary {
            version: self.version(),
            router: RouterIdentity {
                asn: router.asn.0,
                router_id: router.router_id.0.into(),
                cluster_id: reflects(self.role, &running.config).then(|| router.cluster_id.0.into()),
                listen: running.listening,
            },
            uptime_seconds: self.shared.clock.now().since(self.started).as_secs(),
            config_file: running.file.map(|f| f.display().to_string()),
            config_applied_at: report::wall(running.applied_at),
            restarting: stats.restarting,
            peers: counts,
            families: stats.families.iter().map(|f| family_summary(f, stats.attributes)).collect(),
            memory_bytes: resident(),
            tasks: tasks(),
            attribute_bytes: stats.attribute_bytes,
            journal_bytes: stats.families.iter().map(|f| f.journal_bytes).sum(),
            confinement: self.confined.report(),
        })
    }

    async fn peers(&self) -> Result<Vec<Peer>, ApiError> {
        let all = self.registry.all();
        let ids: Vec<_> = all.iter().map(|(_, e)| e.id).collect();
        let stats: Vec<Vec<PeerStats>> = self
            .rib
            .call(move |rib, _| ids.iter().map(|id| rib.peer_stats(*id)).collect())
            .await
            .map_err(|_| stopped())?;
        let clock = &self.shared.clock;
        Ok(all.iter().zip(&stats).map(|((_, e), s)| peer::peer(clock, &e.status, s)).collect())
    }

    async fn peer(&self, address: &PeerAddress) -> Result<Peer, ApiError> {
        let entry = self.entry(address)?;
        let id = entry.id;
        let stats = self.rib.call(move |rib, _| rib.peer_stats(id)).await.map_err(|_| stopped())?;
        Ok(peer::peer(&self.shared.clock, &entry.status, &stats))
    }

    async fn routes(&self, query: RouteQuery) -> Result<Cursor, ApiError> {
        let peer = query.peer.as_ref().map(|p| self.entry(p)).transpose()?;
        Ok(Cursor::new(self.rib.clone(), self.registry.clone(), query, peer.map(|p| p.id)))
    }

    async fn act(&self, address: &PeerAddress, action: PeerAction) -> Result<ActionResult, ApiError> {
        let entry = self.entry(address)?;
        let name = match &action {
            PeerAction::Drain(d) if d.undrain => "undrain",
            other => other.name(),
        };
        let outcome = act(&entry, &action).await?;
        let event = EventKind::PeerAction { action: name.to_owned() };
        self.shared.events.publish(Some(address.clone()), event);
        Ok(ActionResult {
            peer: address.clone(),
            action: name.into(),
            changed: outcome == Outcome::Done,
            message: message(&action, &outcome),
        })
    }

    fn events(&self) -> EventReader {
        self.shared.events.subscribe()
    }

    async fn route_changes(&self, family: Option<Family>) -> Result<Box<dyn ChangeFeed>, ApiError> {
        let changes = Changes::subscribe(&self.rib, &self.registry, family.map(report::core_family)).await?;
        Ok(Box::new(changes))
    }

    async fn config(&self) -> Result<RunningConfig, ApiError> {
        let running = self.running();
        Ok(RunningConfig {
            file: running.file.map(|f| f.display().to_string()),
            applied_at: report::wall(running.applied_at),
            // Made when asked for: of a large cluster the text is a megabyte, and the tree that it is made of several.
            toml: running.config.to_toml(),
        })
    }

    async fn config_diff(&self, source: ConfigSource) -> Result<ConfigDiff, ApiError> {
        let new = self.read(source)?;
        let old = self.running().config;
        Ok(diff(&old, &new, &heddle_config::diff(&old, &new)))
    }

    async fn config_apply(&self, source: ConfigSource) -> Result<ConfigApplied, ApiError> {
        if self.node.is_some() {
            let text = "a node's configuration comes from its datastore alone";
            let remedy = "change the resources; heddle config render shows what they come to";
            return Err(ApiError::new(ErrorCode::Conflict, text).with_remedy(remedy));
        }
        let new = self.read(source)?;
        let old = self.running().config;
        let (reply, answer) = oneshot::channel();
        self.requests.send(Request::Apply(Box::new(new), reply)).await.map_err(|_| stopped())?;
        let changes = answer.await.map_err(|_| stopped())?.map_err(|e| {
            self.rejected(match e {
                ApplyError::Stopped => stopped(),
                other => ApiError::new(ErrorCode::ConfigInvalid, format!("{other}; nothing was changed")),
            })
        })?;
        let running = self.running();
        let diff = diff(&old, &running.config, &changes);
        Ok(ConfigApplied { applied_at: report::wall(running.applied_at), diff })
    }
}

async fn act(entry: &PeerEntry, action: &PeerAction) -> Result<Outcome, ApiError> {
    let text = |t: &Option<String>| t.clone().unwrap_or_default();
    match action {
        PeerAction::Up => command(entry, Command::Up).await,
        PeerAction::Down(d) => command(entry, |r| Command::Down(text(&d.text), r)).await,
        PeerAction::Clear(c) => command(entry, |r| Command::Clear(text(&c.text), r)).await,
        PeerAction::Drain(d) => {
            let wish = if d.undrain { Wish::Up } else { Wish::Draining };
            command(entry, |r| Command::Drain(wish, r)).await
        }
        PeerAction::Refresh(refresh) => {
            let family = refresh.family.map(report::core_family);
            match refresh.direction {
                RefreshDirection::In => command(entry, |r| Command::RefreshIn(family, r)).await,
                RefreshDirection::Out => command(entry, |r| Command::RefreshOut(family, r)).await,
                RefreshDirection::Both => {
                    command(entry, |r| Command::RefreshOut(family, r)).await?;
                    command(entry, |r| Command::RefreshIn(family, r)).await
                }
            }
        }
    }
}

async fn command(
    entry: &PeerEntry,
    make: impl FnOnce(oneshot::Sender<Outcome>) -> Command,
) -> Result<Outcome, ApiError> {
    let (reply, answer) = oneshot::channel();
    let gone = || ApiError::new(ErrorCode::Conflict, "the peer has just gone");
    entry.mailbox.send(make(reply)).await.map_err(|_| gone())?;
    match answer.await.map_err(|_| gone())? {
        Outcome::NotEstablished => Err(ApiError::new(ErrorCode::Conflict, "the session is not established")
            .with_remedy("heddle show peer ADDRESS says why")),
        Outcome::NoRefresh => Err(ApiError::new(ErrorCode::Conflict, "the peer does not support route refresh")
            .with_remedy("heddle peer ADDRESS clear resets the session")),
        Outcome::Blocked(text) => {
            Err(ApiError::new(ErrorCode::Conflict, text)
                .with_remedy("heddle show peer ADDRESS says what is in the way"))
        }
        other @ (Outcome::Done | Outcome::Nothing) => Ok(other),
    }
}

fn message(action: &PeerAction, outcome: &Outcome) -> String {
    let nothing = *outcome == Outcome::Nothing;
    match action {
        PeerAction::Up if nothing => "the peer is up already",
        PeerAction::Up => "the session is being started",
        PeerAction::Down(_) if nothing => "the peer is down already",
        PeerAction::Down(_) => "the session is ended and stays down",
        PeerAction::Refresh(r) => match r.direction {
            RefreshDirection::In => "the peer is asked for its routes",
            RefreshDirection::Out => "our routes are being sent again",
            RefreshDirection::Both => "the peer is asked for its routes, and ours are being sent again",
        },
        PeerAction::Clear(_) => "the session is reset",
        PeerAction::Drain(d) if nothing && d.undrain => "the peer was not draining",
        PeerAction::Drain(_) if nothing => "the peer is draining already",
        PeerAction::Drain(d) if d.undrain => "our routes lose GRACEFUL_SHUTDOWN",
        PeerAction::Drain(_) => "our routes carry GRACEFUL_SHUTDOWN; take the peer down when traffic has moved",
    }
    .to_owned()
}

fn diff(old: &Config, new: &Config, changes: &[Change]) -> ConfigDiff {
    let (mut resets, mut reset_ranges) = (Vec::new(), Vec::new());
    for subject in heddle_config::resets(old, changes) {
        match subject {
            Subject::Peer(address) => resets.push(report::address(&address)),
            Subject::ListenRange(prefix) => reset_ranges.push(routes::network(prefix)),
            Subject::Router
            | Subject::Api
            | Subject::Log
            | Subject::Confinement
            | Subject::Policy(_)
            | Subject::PrefixSet(_)
            | Subject::CommunitySet(_)
            | Subject::AsPathSet(_)
            | Subject::Network(_)
            | Subject::Fib => {}
        }
    }
    let changes = changes
        .iter()
        .map(|c| ConfigChange {
            subject: c.subject.kind().into(),
            name: c.subject.name(),
            key: c.key.clone(),
            peer: c.peer().map(report::address),
            effect: match c.effect {
                Effect::Immediate => ChangeEffect::Immediate,
                Effect::NextSession => ChangeEffect::NextSession,
                Effect::Refresh => ChangeEffect::Refresh,
                Effect::Reset => ChangeEffect::Reset,
                Effect::Restart => ChangeEffect::Restart,
            },
            old: c.old.clone(),
            new: c.new.clone(),
        })
        .collect();
    ConfigDiff { changes, resets, reset_ranges, warnings: new.warnings().iter().map(ToString::to_string).collect() }
}

fn family_summary(f: &heddle_rib::stats::FamilyStats, attributes: u64) -> FamilySummary {
    FamilySummary {
        family: report::family(f.family),
        destinations: f.destinations,
        best: f.best,
        paths: f.paths,
        rejected: f.rejected,
        ineligible: f.ineligible,
        stale: f.stale,
        attribute_sets: attributes,
        update_groups: u32::try_from(f.update_groups).unwrap_or(u32::MAX),
        pending: f.pending,
    }
}

/// Resident memory of the process (`proc(5)`, statm).
fn resident() -> Option<u64> {
    let statm = std::fs::read_to_string("/proc/self/statm").ok()?;
    let pages: u64 = statm.split_ascii_whitespace().nth(1)?.parse().ok()?;
    Some(pages * 4096)
}

/// Tasks of the runtime that asks.
fn tasks() -> Option<u64> {
    let runtime = tokio::runtime::Handle::try_current().ok()?;
    u64::try_from(runtime.metrics().num_alive_tasks()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_of_a_cluster_where_it_reflects() {
        let config = |more: &str| {
            let head =
                "router = { asn = 65001, router_id = \"10.0.0.1\" }\n[[peers]]\naddress = \"10.0.0.2\"\nasn = 65001\n";
            crate::read_config(&format!("{head}{more}"), "test.toml").expect("valid")
        };
        let (plain, client) = (config(""), config("route_reflector_client = true\n"));
        assert!(reflects(Role::RouteReflector, &plain));
        assert!(!reflects(Role::NodePeer, &plain));
        assert!(reflects(Role::NodePeer, &client));
    }
}
