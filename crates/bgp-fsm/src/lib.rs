//! The session of one BGP peer, without I/O (RFC 4271 §8).
//!
//! A [`Peer`] takes [`Event`]s and time, and gives [`Action`]s and the time at which it wants to be called again. It
//! opens no socket and reads no clock; the same events at the same times give the same actions.
//!
//! # Call order
//!
//! ```text
//!  Peer::handle(now, event)  |  Peer::handle_timeout(now)  |  Peer::set_config(now, config)
//!        then  Peer::poll_action()  until None    (carry out in order)
//!        then  Peer::poll_timeout()               (sleep until then, or until the next event)
//! ```
//!
//! Actions are to be polled after every event, before the next frame is taken from the same connection: an
//! [`Action::Up`] changes how the next frame is read. `now` never goes back.

#![cfg_attr(
    not(test),
    warn(clippy::indexing_slicing, clippy::cast_possible_truncation, clippy::wildcard_enum_match_arm)
)]

pub mod action;
mod backoff;
mod collision;
pub mod config;
pub mod connection;
pub mod counters;
pub mod down;
mod encode;
mod ending;
pub mod event;
mod input;
mod jitter;
pub mod negotiate;
mod open;
pub mod peer;
pub mod state;
mod timers;

pub use action::{Action, Message};
pub use config::{
    ConnectMode, FamilyConfig, GracefulRestartConfig, GracefulRestartMode, HostName, IdleHold, PeerAsn, PeerConfig,
    RoleConfig, SendHold,
};
pub use connection::{ConnectionId, Direction};
pub use counters::{Counters, LastReset, MessageCounts};
pub use down::{DownCause, DownReason, Initiator, NotificationWay, TcpFailure};
pub use event::{AutomaticStop, AutomaticStopCause, Event, Restart, Stop};
pub use negotiate::{OpenRejected, negotiate};
pub use peer::{ConfigEffect, Door, Peer};
pub use state::{IdleWhy, StateKind};
