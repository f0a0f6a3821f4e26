//! `Pod`: a workload.

use std::net::IpAddr;
use std::sync::Arc;

use crate::metadata::Metadata;

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Name, labels and version.
    pub metadata: Metadata,
    /// `spec.nodeName`: where it runs.
    pub node_name: Option<Arc<str>>,
    /// `spec.hostNetwork`
    pub network: PodNetwork,
    /// `status.phase`
    pub phase: PodPhase,
    /// `status.podIPs`, or `status.podIP` alone; where there is none, Calico's annotations.
    pub addresses: Vec<IpAddr>,
}

/// `spec.hostNetwork`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodNetwork {
    /// Addresses of its own.
    #[default]
    Own,
    /// The node's addresses.
    Host,
}

/// `status.phase`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodPhase {
    /// Not set, or unknown.
    #[default]
    Unknown,
    /// Does not run yet.
    Pending,
    /// Runs.
    Running,
    /// Has ended well.
    Succeeded,
    /// Has ended.
    Failed,
}

impl Pod {
    /// Whether it has ended: then its addresses are somebody else's, or will be. While a pod is being deleted, Calico's
    /// CNI plugin says so by an empty annotation.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        match self.phase {
            PodPhase::Succeeded | PodPhase::Failed => true,
            PodPhase::Unknown | PodPhase::Pending | PodPhase::Running => {
                self.metadata.deletion_timestamp.is_some()
                    && self.metadata.annotations.get("cni.projectcalico.org/podIP") == Some("")
            }
        }
    }
}
