//! The routing information bases of a BGP speaker (RFC 4271 §3.2, §9), without I/O.
//!
//! One owner drives a [`Rib`]; sessions hand it [`Batch`]es of decoded routes and read what
//! they have to send through [`JournalReader`]s. Time is an argument.

mod adj_rib_in;
mod attr_store;
pub mod counters;
mod debt;
pub mod decision;
mod dirty;
pub mod export;
mod family;
pub mod feed;
mod flush;
mod index;
pub mod ingest;
pub mod journal;
mod legs;
mod limits;
mod member;
#[cfg(any(test, fuzzing))]
pub mod model;
mod next_hop_ids;
pub mod nexthop;
mod output;
pub mod policy;
pub mod query;
mod regroup;
pub mod rib;
pub mod route;
pub mod session;
mod source;
mod stale;
pub mod stats;
mod table;
#[cfg(test)]
mod test_route;
mod update_group;
mod walk;

pub use ingest::{Batch, BatchBuilder, BatchPosition, IngestContext};
pub use journal::{JournalReader, Progress, TakeStatus};
pub use rib::{Ingested, Output, Rib, RibConfig, RunStatus};
pub use route::{
    AttrId, AttrMeta, Candidate, Ineligible, NextHopId, NextHopState, PathFlags, PeerId, RouteView, SourceId,
    SourceInfo, SourceKind, Staleness,
};
pub use session::{SessionHandles, SessionId, SessionParams};
