//! `CalicoNodeStatus`: somebody wants to know how a node is.

use std::sync::Arc;
use std::time::Duration;

use crate::metadata::Metadata;

/// The wish for a node's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalicoNodeStatus {
    /// Name, labels and version.
    pub metadata: Metadata,
    /// What it says.
    pub spec: CalicoNodeStatusSpec,
}

/// What is to be told about which node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CalicoNodeStatusSpec {
    /// `node`
    pub node: Arc<str>,
    /// `classes`, each once, in order.
    pub classes: Vec<NodeStatusClass>,
    /// `updatePeriodSeconds`: how often the status is written; `None`: it is not, which the manifest says with 0.
    pub update_period: Option<Duration>,
}

/// `classes`
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeStatusClass {
    /// The daemon.
    Agent,
    /// The sessions.
    Bgp,
    /// The routes.
    Routes,
}
