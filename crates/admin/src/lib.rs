//! The admin socket: HTTP/1.1 with JSON over a Unix socket, as `docs/api.md` says, and a client for it.
//!
//! A speaker implements [`AdminBackend`], binds an [`AdminServer`] and serves. Everything is bounded: connections
//! ([`server::MAX_CONNECTIONS`]), streams ([`server::MAX_STREAMS`]), bodies ([`server::MAX_BODY`]), events that wait for a
//! slow reader ([`events::EVENT_RING`]). Routes are pulled from the backend when the reader's socket has room.

pub mod backend;
mod caller;
pub mod client;
pub mod events;
mod metrics;
pub mod node;
mod served;
pub mod server;
pub mod socket;
mod stream;
pub mod types;

pub use backend::{AdminBackend, ChangeFeed, RouteCursor};
pub use client::{Client, ClientError};
pub use events::{EventHub, EventReader};
pub use node::Node;
pub use server::{AdminServer, serve_metrics};
pub use socket::{Access, BindError, BoundSocket};
