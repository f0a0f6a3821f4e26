//! The routing information bases of a BGP speaker (RFC 4271 §3.2, §9), without I/O.
//!
//! One owner drives a `Rib`; sessions hand it [`Batch`](ingest::Batch)es of decoded routes and read what
//! they have to send through [`JournalReader`](journal::JournalReader)s. Time is an argument.

pub mod decision;
pub mod export;
pub mod ingest;
pub mod journal;
pub mod nexthop;
pub mod policy;
pub mod route;
#[cfg(test)]
mod test_route;

pub use ingest::{Batch, BatchBuilder, IngestContext};
pub use journal::{JournalReader, Progress, TakeStatus};
pub use route::{
    AttrId, AttrMeta, Candidate, Ineligible, NextHopId, NextHopState, PathFlags, PeerId, RouteView, SourceId,
    SourceInfo, SourceKind, Staleness,
};
