//! From a snapshot of the datastore and a node's name to what that node runs: a pure function.
//!
//! [`generate`] takes all resources at one moment and a [`NodeContext`] (what the node knows besides: its name, the
//! overrides of its environment, its local workloads that want to peer) and gives [`Generated`]: a
//! [`Config`](heddle_config::Config) for the speaker, [`Warning`]s, the [`Origins`] of everything in it, and under which
//! name and kind each peer is shown. The same input gives the same output, whatever order anything arrived in.
//!
//! [`generate_reflector`] does the same for a route reflector that is none of the nodes.
//!
//! The semantics are those of Calico's BGP configuration (release 3.33): `docs/config-gen.md` has the table of fields,
//! and of the few cases that differ on purpose.
//!
//! ```
//! use heddle_config_gen::{NodeContext, Waiting, generate};
//! use heddle_resources::Snapshot;
//!
//! let generated = generate(&Snapshot::new(), &NodeContext::new("node-1"));
//! assert_eq!(generated.waiting, Some(Waiting::Node("node-1".into())));
//! assert!(generated.config.is_none());
//! ```

mod blocks;
mod cluster;
mod communities;
mod context;
mod explicit;
mod export;
mod fib;
mod filters;
mod generated;
mod mesh;
mod origin;
mod passwords;
mod policies;
mod reflector;
mod reverse;
mod router;
mod services;
mod session;
mod sessions;
#[cfg(test)]
mod tests;
mod warning;

pub use context::{EndpointStatus, NodeContext, PodCidrs, RouterIdError, RouterIdSource};
pub use generated::{Generated, PeerIdentity, PeerKind, generate};
pub use origin::{Origins, Source, Subject};
pub use reflector::{ReflectorContext, generate_reflector};
pub use warning::{Waiting, Warning};
