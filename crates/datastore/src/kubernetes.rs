//! Objects of a Kubernetes API server: [`KubernetesSource`].
//!
//! Each kind is listed page by page and then watched from the version of the list, over its own connection. Objects go from
//! the wire into their slim form one by one; no JSON is kept.

mod api;
pub(crate) mod backoff;
mod client;
mod discovery;
mod error;
pub(crate) mod files;
mod filter;
mod follower;
mod hub;
mod items;
mod secret;
mod server;
pub(crate) mod slim;
mod source;
pub(crate) mod unfiltered;
pub(crate) mod value;
mod writer;

pub use api::{CalicoApi, UnknownCalicoApi};
pub use client::{kubernetes_client, kubernetes_config};
pub use error::KubernetesError;
pub use files::KubernetesFiles;
pub use source::{KubernetesOptions, KubernetesSource, PodUse, ServiceUse};
pub use writer::{EventType, KubernetesWriter, NodeEvent, Reachable};
