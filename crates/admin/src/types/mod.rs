//! What goes over the socket: one type for each request and each answer of `docs/api.md`.
//!
//! The speaker makes them and the command reads them, so both directions are derived. Keys are snake_case and carry their
//! unit (`uptime_seconds`). A key that was there stays; new ones may come, so a reader ignores what it does not know,
//! and a counter that an older daemon does not have reads as zero.

mod address;
mod config;
mod confinement;
mod error;
mod event;
mod fib;
mod node;
mod peer;
mod route;
mod summary;

pub use address::{Family, InvalidAddress, PeerAddress, UnknownFamily, WallTime, prefix_of};
pub use config::{ChangeEffect, ConfigApplied, ConfigChange, ConfigDiff, ConfigSource, RunningConfig};
pub use confinement::ConfinementState;
pub use error::{ApiError, ErrorBody, ErrorCode, ErrorDetail};
pub use event::{Event, EventKind, EventQuery, UpdateFault};
pub use fib::{FibPage, FibQuery, FibRoute, FibState, FibSummary, KernelLeg, KernelRoute};
pub use node::{AddressReport, DatastoreReport, DrainReport, DrainStep, NodeReport, PeerName, SysctlReport};
pub use peer::{
    ActionResult, AdminState, Capability, Clear, ConnectError, CounterRow, Down, DownReason, Drain, ErrorCounts,
    GracefulRestart, GuardCounts, LastReset, MessageCounts, Messages, Peer, PeerAction, PeerFamily, PeerList,
    PeerState, PeerSummary, PeerType, Refresh, RefreshDirection, ResetBy, RouteCounters, Timers, Transport,
};
pub use route::{
    Aggregator, Destination, Explanation, Match, Path, PathStatus, RouteAttributes, RouteOrigin, RouteQuery, RouteView,
    UnknownAttribute,
};
pub use summary::{FamilySummary, PeerCounts, RouterIdentity, Summary, Version};
