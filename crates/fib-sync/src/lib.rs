//! From best paths to the kernel's forwarding table, and from the kernel's routes to those that a node originates.
//!
//! | module | what |
//! |---|---|
//! | [`runner`] | the thread that owns the sockets: [`Runner::start`], then [`Waker::wake`] or [`Runner::best_paths`] |
//! | [`engine`] | [`FibSync`]: all decisions, driven by calls, without I/O |
//! | [`input`] | best paths in; states of next hops and local routes out |
//! | [`settings`] | what an operator decides |
//! | [`status`] | listings: wanted, there, and why the two differ |
//! | [`sysctl`] | settings of the kernel that forwarding needs |
//! | [`route`], [`glob`], [`counters`] | values |
//!
//! Within: `resolver` (next hops to legs), `local` (what is originated), `table` (destinations, and groups of them with the
//! same next hops), `plan` (what to write for one destination), `kernel_view` (what others have in the kernel), `sim`
//! (tests: a model of the kernel and random histories against it).
//!
//! # Rules
//!
//! - Only routes of our protocol number in our table are touched, and of [`Settings::workload_protocol`] on workload interfaces
//!   those with a gateway on every leg; routes of adopted protocols count as ours if the first dump finds them. A stranger's route under our key is left, reported, and followed when it goes.
//! - What is there is not written again. A key that is not known as ours is made with `CREATE | EXCL`, one that is ours is
//!   replaced in place; where the metric changes the new route is there before the old one goes; deletions come last.
//! - The kernel replaces whichever route has the key, a stranger's too. So all that it has reported is read before any route
//!   is replaced, and after lost reports a dump. A stranger who comes between that and the write, which takes microseconds,
//!   cannot be told from ours: the kernel knows no "replace if". Where reports are lost after each dump, ours is deleted by
//!   its full description and the new one made where nobody has the key: that touches no stranger, but for a moment there
//!   is no route.
//! - Nexthop objects are replaced and deleted by their number, whoever has it; both wait in the same way. Where reports are
//!   lost after each dump, the routes of an object that is to change lead by legs of their own instead. Where a stranger is
//!   found to have the number of one of ours, ours gets another one. A group that he replaces in place stays ours: the
//!   kernel keeps its protocol number.
//! - A destination whose route has changed four times in a tenth of a second waits until that is over: the last state counts.
//! - The kernel is read at the start, after lost events or answers, and where it changes routes without saying so: at most
//!   one dump at a time, 100 ms apart.
//! - A link that is reported to be without carrier or down has taken its nexthop objects, or its IPv4 routes, along, whatever
//!   a dump has told of the link before: the kernel acts on a lost carrier up to a second after a dump can see it.
//! - A next hop that cannot be resolved keeps its last good route for [`Settings::unresolved_time`], also when the RIB
//!   withdraws it for that reason; a leg of several leaves at once.
//! - Routes of the run before stay until [`FibSync::sweep`] or [`Settings::stale_time`].
//!
//! RFC 4271 §9.1.2.1 (resolvability of next hops), RFC 8950 (IPv4 with IPv6 next hops), RFC 3704 §2.2 (reverse path
//! check).

pub mod counters;
pub mod engine;
pub mod glob;
pub mod input;
mod kernel_view;
mod lengths;
mod local;
mod plan;
mod resolver;
pub mod route;
pub mod runner;
pub mod settings;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod sizes;
pub mod status;
pub mod sysctl;
mod table;

pub use counters::Counters;
pub use engine::FibSync;
pub use input::{Best, BestPath, LocalKind, LocalRoute, NextHop, NextHopState, Output, Source, Usage};
pub use resolver::Unresolved;
pub use runner::{BestPathSource, Complete, More, News, Runner, StartError, Waker};
pub use settings::Settings;
