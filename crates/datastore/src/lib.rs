//! The watch on the datastore: sources that fill and follow a snapshot of all objects, and those who read it.
//!
//! 1. [`Datastore::start`] runs one [`Source`]: [`FileSource`], [`KubernetesSource`], [`EtcdSource`], or another that lists and watches.
//! 2. The source tells what it sees as [`SourceEvent`]s: a resync begins, an object is set or deleted, a resync ends. The
//!    datastore owns the snapshot and knows, kind by kind, what a resync did not mention.
//! 3. [`Datastore::subscribe`] gives a [`Watch`]. It is silent until every kind of the source was listed once; then comes
//!    [`Event::Snapshot`], and from there on [`Event::Changes`] in order. Any number of consumers share one source; one
//!    that is slow gets the newest snapshot with all changes since its last one merged, and nothing queues up for it.
//! 4. Losing the source changes nothing: the snapshot stays, and [`Datastore::status`] tells since when and why.
//!
//! [`FolderContent::read`] reads a folder once, by the same rules. Beside that, [`EndpointStatuses`] follows the folder in which Felix tells of local workloads, and [`StatusDir`]
//! writes what we have to say, by rename, never into a folder that is watched. `docs/datastore.md` is for operators.

mod counters;
mod datastore;
mod endpoint_statuses;
mod error;
mod etcd;
mod event;
mod files;
mod journal;
mod kinds;
mod kubernetes;
mod node_writer;
mod problem;
mod status;
mod status_dir;
mod store;
mod watch;
mod yaml;

pub use counters::{Counters, Lag};
pub use datastore::{Datastore, Feed, Source};
pub use endpoint_statuses::{EndpointFault, EndpointStatusReport, EndpointStatuses};
pub use error::SourceError;
pub use etcd::{Endpoint, EtcdError, EtcdFiles, EtcdOptions, EtcdSource, EtcdTls, EtcdUser, EtcdWriter};
pub use event::{Guard, Held, Revision, SourceEvent, WaitingFor};
pub use files::{FileOptions, FileSource, FolderContent};
pub use kinds::Kinds;
pub use kubernetes::{
    CalicoApi, EventType, KubernetesError, KubernetesFiles, KubernetesOptions, KubernetesSource, KubernetesWriter,
    NodeEvent, PodUse, Reachable, ServiceUse, UnknownCalicoApi, kubernetes_client, kubernetes_config,
};
pub use node_writer::{IfAbsent, NodeField, NodeWriter, WriteError};
pub use problem::{InForce, Problem};
pub use status::{State, Status};
pub use status_dir::{StatusDir, StatusDirError};
pub use watch::{Event, Watch};
