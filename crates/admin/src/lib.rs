//! The admin socket: HTTP/1.1 with JSON over a Unix socket, as `docs/api.md` says, and a client for it.

pub mod backend;
pub mod events;
pub mod types;

pub use backend::{AdminBackend, RouteCursor};
pub use events::{EventHub, EventReader};
