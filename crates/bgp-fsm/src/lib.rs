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
//!
//! # What the shell does
//!
//! - A connection of the peer: [`Peer::new_connection_id`], then [`Event::TcpConnectionConfirmed`]. It is refused by
//!   [`Action::Close`], after a NOTIFICATION, where the peer is stopped or damped.
//! - Messages: OPEN, NOTIFICATION and errors of the decoders as events. UPDATEs it decodes itself, on the established
//!   connection only; [`Peer::updates_received`] keeps the hold timer going, for as many at a time as a read brought,
//!   and says whether they may enter the RIB.
//! - Writing: [`Event::WriteProgress`] when the socket took octets, [`Event::UpdatesSent`] when whole UPDATEs left.
//! - Silence: [`Action::CheckHold`] asks it to read the socket empty before the peer is blamed
//!   ([`Event::ReadEmpty`]); while it does not read by its own choice ([`Event::ReadPaused`],
//!   [`Event::ReadResumed`]) nobody is.
//! - The end: [`Action::Down`] with a [`DownReason`], which knows whether the routes stay.
//!
//! # RFCs
//!
//! | RFC | what | code | test |
//! |---|---|---|---|
//! | 4271 §8 | states and events, as a table | [`peer`] | `peer/tests/table.rs` |
//! | 4271 §6.8, 6286 §2.3 | collision | `collision.rs`, `peer/second.rs` | `peer/tests/collision.rs` |
//! | 4271 §4.2, §6.2; 6286 §2.1 | what of an OPEN is accepted | [`mod@negotiate`] | `negotiate/tests.rs` |
//! | 4271 §4.4, §6.5, §10 | keepalive, hold, connect retry, jitter | `peer/act.rs`, `jitter.rs` | `peer/tests/timers.rs` |
//! | 4271 §8.1.1 | passive, DelayOpen, damping | `peer/waiting.rs`, `backoff.rs` | `peer/tests/damping.rs` |
//! | 4486, 9003 | Cease with its text | `ending.rs` | `peer/tests/ends.rs` |
//! | 4724 §4, 8538 | which ends keep routes; a restarted peer takes over | `ending.rs`, `peer/second.rs` | `peer/tests/ends.rs`, `collision.rs` |
//! | 2918, 4760, 5492, 6793, 7313, 7911, 8654, 8950, 9494 | negotiation | [`mod@negotiate`] | `negotiate/tests.rs` |
//! | 6608 | FSM errors by state | `peer/opening.rs` | `peer/tests/ends.rs` |
//! | 9234 §4.2 | roles | [`mod@negotiate`] | `negotiate/tests.rs` |
//! | 9687 | send hold timer | `peer/act.rs` | `peer/tests/timers.rs` |
//!
//! Deviations are listed on the page of [`peer`].

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
