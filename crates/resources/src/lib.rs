//! The resources that Heddle reads (Calico's and Kubernetes'), label selectors, validation, the snapshot and its deltas.
//!
//! 1. [`decode_documents`] reads the text of a file, [`decode_json`] an object of the Kubernetes API. Each object is
//!    either read, or skipped (a kind that we do not read), or [invalid](InvalidObject): then it is ignored alone, with
//!    every reason, its place and what to write instead.
//! 2. What is read is typed and valid: addresses, AS numbers, communities and [selectors](Selector) are parsed, unset
//!    fields are `None` or have their default. `docs/resources.md` has the table of rules.
//! 3. A [`Snapshot`] holds all objects at one moment; [`Delta`]s lead from one to the next.
//!
//! No I/O: text comes in as an argument.
//!
//! ```
//! use heddle_resources::{BgpPeer, Delta, Document, Snapshot, decode_documents};
//!
//! let text = "
//! apiVersion: projectcalico.org/v3
//! kind: BGPPeer
//! metadata: {name: tor}
//! spec: {nodeSelector: rack == '1', peerIP: 192.0.2.1, asNumber: 65001}
//! ---
//! apiVersion: projectcalico.org/v3
//! kind: BGPPeer
//! metadata: {name: other}
//! spec: {peerIP: 192.0.2.300}
//! ";
//! let mut snapshot = Snapshot::new();
//! for result in decode_documents(text, "peers.yaml") {
//!     match result {
//!         Ok(Document::Object(decoded)) => snapshot.apply(&Delta::Set(decoded.key, decoded.object)),
//!         Ok(Document::Skipped { .. }) => {}
//!         Err(error) => assert!(error.to_string().starts_with("peers.yaml:10:16: BGPPeer/other: spec.peerIP: ")),
//!     }
//! }
//! let names: Vec<_> = snapshot.all::<BgpPeer>().map(|peer| &*peer.metadata.name).collect();
//! assert_eq!(names, ["tor"]);
//! ```

pub mod bgp_configuration;
pub mod bgp_filter;
pub mod bgp_peer;
pub mod block_affinity;
pub mod calico_node_status;
mod decode;
pub mod endpoint_slice;
pub mod endpoint_status;
mod error;
pub mod ip_pool;
pub mod ipam_block;
mod kind;
mod metadata;
pub mod node;
mod object;
pub mod pod;
pub mod secret;
pub mod selector;
pub mod service;
mod snapshot;
pub mod value;

pub use bgp_configuration::BgpConfiguration;
pub use bgp_filter::BgpFilter;
pub use bgp_peer::BgpPeer;
pub use block_affinity::BlockAffinity;
pub use calico_node_status::CalicoNodeStatus;
pub use decode::{Decoded, Document, decode_documents, decode_each, decode_json};
pub use endpoint_slice::EndpointSlice;
pub use endpoint_status::{EndpointStatus, EndpointStatusError};
pub use error::{FieldError, InvalidObject, Location, Note, ObjectName, Problem, Remark, Rule, ValueType};
pub use ip_pool::IpPool;
pub use ipam_block::IpamBlock;
pub use kind::{Key, Kind, Scope, UnknownKind};
pub use metadata::{Labels, Metadata};
pub use node::Node;
pub use object::{Object, Resource};
pub use pod::Pod;
pub use secret::Secret;
pub use selector::Selector;
pub use service::Service;
pub use snapshot::{Delta, Snapshot};
