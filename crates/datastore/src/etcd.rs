//! Objects of Calico's in etcd: [`EtcdSource`].
//!
//! One connection to one member at a time: all kinds are listed at one revision, page by page, and then watched from the revision behind it.
//! The parts of etcd's API that this takes are written down here as messages, so that nothing is generated and no compiler of protocols is
//! needed; gRPC itself is tonic's, over a connection of hyper's with rustls.

mod client;
mod connection;
mod error;
mod keys;
mod objects;
mod options;
mod position;
mod rpc;
mod source;
mod watch;
mod writer;

pub use error::EtcdError;
pub use options::{Endpoint, EtcdFiles, EtcdOptions, EtcdTls, EtcdUser};
pub use source::EtcdSource;
pub use writer::EtcdWriter;
