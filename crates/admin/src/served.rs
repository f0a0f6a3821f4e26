//! A backend and its walks behind a pointer: the server is compiled once, not once for each kind of speaker.

use crate::backend::{AdminBackend, ChangeFeed, RouteCursor};
use crate::events::EventReader;
use crate::node::{Later, Node};
use crate::types::{
    ActionResult, ConfigApplied, ConfigDiff, ConfigSource, Destination, Family, Peer, PeerAction, PeerAddress,
    RouteQuery, RunningConfig, Summary, Version,
};

/// [`AdminBackend`], whichever it is.
pub(crate) trait Served: Send + Sync + 'static {
    fn version(&self) -> Version;
    fn summary(&self) -> Later<'_, Summary>;
    fn peers(&self) -> Later<'_, Vec<Peer>>;
    fn peer<'a>(&'a self, address: &'a PeerAddress) -> Later<'a, Peer>;
    fn routes(&self, query: RouteQuery) -> Later<'_, Box<dyn Walk>>;
    fn act<'a>(&'a self, address: &'a PeerAddress, action: PeerAction) -> Later<'a, ActionResult>;
    fn events(&self) -> EventReader;
    fn route_changes(&self, family: Option<Family>) -> Later<'_, Box<dyn ChangeFeed>>;
    fn node(&self) -> Option<&dyn Node>;
    fn config(&self) -> Later<'_, RunningConfig>;
    fn config_diff(&self, source: ConfigSource) -> Later<'_, ConfigDiff>;
    fn config_apply(&self, source: ConfigSource) -> Later<'_, ConfigApplied>;
}

/// [`RouteCursor`], whichever it is.
pub(crate) trait Walk: Send + 'static {
    fn next(&mut self) -> Later<'_, Option<Vec<Destination>>>;
}

impl<B: AdminBackend> Served for B {
    fn version(&self) -> Version {
        AdminBackend::version(self)
    }

    fn summary(&self) -> Later<'_, Summary> {
        Box::pin(AdminBackend::summary(self))
    }

    fn peers(&self) -> Later<'_, Vec<Peer>> {
        Box::pin(AdminBackend::peers(self))
    }

    fn peer<'a>(&'a self, address: &'a PeerAddress) -> Later<'a, Peer> {
        Box::pin(AdminBackend::peer(self, address))
    }

    fn routes(&self, query: RouteQuery) -> Later<'_, Box<dyn Walk>> {
        Box::pin(async move { AdminBackend::routes(self, query).await.map(|cursor| Box::new(cursor) as Box<dyn Walk>) })
    }

    fn act<'a>(&'a self, address: &'a PeerAddress, action: PeerAction) -> Later<'a, ActionResult> {
        Box::pin(AdminBackend::act(self, address, action))
    }

    fn events(&self) -> EventReader {
        AdminBackend::events(self)
    }

    fn route_changes(&self, family: Option<Family>) -> Later<'_, Box<dyn ChangeFeed>> {
        Box::pin(AdminBackend::route_changes(self, family))
    }

    fn node(&self) -> Option<&dyn Node> {
        AdminBackend::node(self)
    }

    fn config(&self) -> Later<'_, RunningConfig> {
        Box::pin(AdminBackend::config(self))
    }

    fn config_diff(&self, source: ConfigSource) -> Later<'_, ConfigDiff> {
        Box::pin(AdminBackend::config_diff(self, source))
    }

    fn config_apply(&self, source: ConfigSource) -> Later<'_, ConfigApplied> {
        Box::pin(AdminBackend::config_apply(self, source))
    }
}

impl<C: RouteCursor> Walk for C {
    fn next(&mut self) -> Later<'_, Option<Vec<Destination>>> {
        Box::pin(RouteCursor::next(self))
    }
}
