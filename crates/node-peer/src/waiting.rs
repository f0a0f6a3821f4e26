//! The API of a node that cannot run sessions yet: it says what it waits for.

use std::sync::Arc;

use heddle_admin::types::{
    ActionResult, ApiError, ConfigApplied, ConfigDiff, ConfigSource, Destination, ErrorCode, Peer, PeerAction,
    PeerAddress, RouteQuery, RunningConfig, Summary, Version, WallTime,
};
use heddle_admin::{AdminBackend, EventHub, EventReader, Node, RouteCursor};

/// A node without a speaker.
#[derive(Debug)]
pub(crate) struct Waiting {
    node: Arc<dyn Node>,
    events: EventHub,
    started: WallTime,
}

impl Waiting {
    pub(crate) fn new(node: Arc<dyn Node>) -> Self {
        Self { node, events: EventHub::default(), started: WallTime::now() }
    }

    async fn unavailable(&self) -> ApiError {
        let what = self.node.report().await.ok().and_then(|r| r.waiting_for);
        let text =
            format!("the node runs no sessions yet: it waits for {}", what.as_deref().unwrap_or("its datastore"));
        ApiError::new(ErrorCode::Unavailable, text).with_remedy("heddle show node says more")
    }
}

/// Never made.
pub(crate) enum NoRoutes {}

impl RouteCursor for NoRoutes {
    async fn next(&mut self) -> Result<Option<Vec<Destination>>, ApiError> {
        match *self {}
    }
}

impl AdminBackend for Waiting {
    type Routes = NoRoutes;

    fn version(&self) -> Version {
        Version {
            program: "heddle".to_owned(),
            role: "node-peer".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            api: vec!["v1".to_owned()],
            pid: std::process::id(),
            started_at: self.started,
        }
    }

    async fn summary(&self) -> Result<Summary, ApiError> {
        Err(self.unavailable().await)
    }

    async fn peers(&self) -> Result<Vec<Peer>, ApiError> {
        Ok(Vec::new())
    }

    async fn peer(&self, _address: &PeerAddress) -> Result<Peer, ApiError> {
        Err(self.unavailable().await)
    }

    async fn routes(&self, _query: RouteQuery) -> Result<NoRoutes, ApiError> {
        Err(self.unavailable().await)
    }

    async fn act(&self, _address: &PeerAddress, _action: PeerAction) -> Result<ActionResult, ApiError> {
        Err(self.unavailable().await)
    }

    fn events(&self) -> EventReader {
        self.events.subscribe()
    }

    fn node(&self) -> Option<&dyn Node> {
        Some(&*self.node)
    }

    async fn config(&self) -> Result<RunningConfig, ApiError> {
        Err(self.unavailable().await)
    }

    async fn config_diff(&self, _source: ConfigSource) -> Result<ConfigDiff, ApiError> {
        Err(self.unavailable().await)
    }

    async fn config_apply(&self, _source: ConfigSource) -> Result<ConfigApplied, ApiError> {
        Err(self.unavailable().await)
    }
}
