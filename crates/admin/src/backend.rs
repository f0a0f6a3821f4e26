//! What a speaker implements to be seen and moved over the socket.

use std::future::Future;
use std::pin::Pin;

use crate::events::EventReader;
use crate::node::Node;
use crate::types::{
    ActionResult, ApiError, ConfigApplied, ConfigDiff, ConfigSource, Destination, ErrorCode, Event, Family, Peer,
    PeerAction, PeerAddress, RouteQuery, RunningConfig, Summary, Version,
};

/// A running speaker, seen from the admin socket.
///
/// All methods may be called at once from many connections. None of them may wait on a peer; the RIB answers when it has
/// time and never waits for the caller.
pub trait AdminBackend: Send + Sync + 'static {
    /// A walk over routes; see [`RouteCursor`].
    type Routes: RouteCursor;

    /// Program and version.
    fn version(&self) -> Version;

    /// The speaker as a whole.
    fn summary(&self) -> impl Future<Output = Result<Summary, ApiError>> + Send;

    /// All peers, by address.
    fn peers(&self) -> impl Future<Output = Result<Vec<Peer>, ApiError>> + Send;

    /// One peer; [`PeerNotFound`](crate::types::ErrorCode::PeerNotFound) when there is none with this address.
    fn peer(&self, address: &PeerAddress) -> impl Future<Output = Result<Peer, ApiError>> + Send;

    /// Begins a walk. An error here gets a status of its own; an error of the cursor ends a stream that has begun.
    ///
    /// The query has been checked: `peer` is there for the views that need one.
    fn routes(&self, query: RouteQuery) -> impl Future<Output = Result<Self::Routes, ApiError>> + Send;

    /// Does something to a peer; returns when it is begun.
    fn act(
        &self,
        address: &PeerAddress,
        action: PeerAction,
    ) -> impl Future<Output = Result<ActionResult, ApiError>> + Send;

    /// A reader of live events; [`EventHub::subscribe`](crate::EventHub::subscribe) makes one.
    fn events(&self) -> EventReader;

    /// Changes of best paths from now on, of one family or of all. None where the speaker has no routes to tell of.
    fn route_changes(
        &self,
        _family: Option<Family>,
    ) -> impl Future<Output = Result<Box<dyn ChangeFeed>, ApiError>> + Send {
        async { Err(ApiError::new(ErrorCode::Unavailable, "this daemon does not tell of routes")) }
    }

    /// The node that the speaker is, where it is one.
    fn node(&self) -> Option<&dyn Node> {
        None
    }

    /// The running configuration.
    fn config(&self) -> impl Future<Output = Result<RunningConfig, ApiError>> + Send;

    /// What applying `source` would do.
    fn config_diff(&self, source: ConfigSource) -> impl Future<Output = Result<ConfigDiff, ApiError>> + Send;

    /// Applies `source`; returns when it is applied, and changes nothing when it fails.
    fn config_apply(&self, source: ConfigSource) -> impl Future<Output = Result<ConfigApplied, ApiError>> + Send;
}

/// Changes of best paths, pulled by the reader: nothing waits for him but what the RIB's journal has anyway.
pub trait ChangeFeed: Send + 'static {
    /// What changed since the last call, at least one event; none when the speaker has given the reader up. Cancel-safe.
    fn next(&mut self) -> Pin<Box<dyn Future<Output = Option<Vec<Event>>> + Send + '_>>;
}

/// A walk over routes, pulled by the reader: nothing is computed before the socket has room for it.
pub trait RouteCursor: Send + 'static {
    /// The next destinations; none at the end. An empty list is allowed and means "go on".
    ///
    /// A chunk should hold what one quantum of the RIB yields (about 256 destinations). A destination comes at most once in
    /// a walk; one that is there from the beginning to the end of the walk comes exactly once.
    fn next(&mut self) -> impl Future<Output = Result<Option<Vec<Destination>>, ApiError>> + Send;
}
