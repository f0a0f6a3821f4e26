//! What a node knows beside the datastore.

use std::net::Ipv4Addr;
use std::str::FromStr;
use std::sync::Arc;

use heddle_bgp_core::BgpId;
use heddle_resources::bgp_configuration::LogSeverity;
use heddle_resources::value::{Cidr, InterfaceAddress};
use thiserror::Error;

/// What a node knows beside the datastore: who it is, the overrides of its environment, and which of its workloads want
/// to peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeContext {
    /// The name of its `Node` (`NODENAME`).
    pub node: Arc<str>,
    /// The name that endpoints of services have for it (`CALICO_K8S_NODE_REF`), if it is another one.
    pub kubernetes_node: Option<Arc<str>>,
    /// `CALICO_ROUTER_ID`; none: the node's IPv4 address.
    pub router_id: Option<RouterIdSource>,
    /// `CALICO_ADVERTISE_CLUSTER_IPS`: this CIDR in place of `serviceClusterIPs`.
    pub cluster_ips: Option<Cidr>,
    /// `BGP_LOGSEVERITYSCREEN`: in place of `logSeverityScreen`.
    pub log_severity: Option<LogSeverity>,
    /// What the node's pod CIDRs are (`usePodCidr`).
    pub pod_cidrs: PodCidrs,
    /// Where the Secrets with passwords are (`NAMESPACE`).
    pub secrets_namespace: Arc<str>,
    /// The local workloads, as far as they have a BGP peer: the files of the endpoint-status directory.
    pub endpoints: Vec<EndpointStatus>,
}

impl NodeContext {
    /// Where Secrets are if nothing else is said.
    pub const DEFAULT_SECRETS_NAMESPACE: &'static str = "kube-system";

    /// The context of a node that overrides nothing.
    #[must_use]
    pub fn new(node: impl Into<Arc<str>>) -> Self {
        Self {
            node: node.into(),
            kubernetes_node: None,
            router_id: None,
            cluster_ips: None,
            log_severity: None,
            pod_cidrs: PodCidrs::Unused,
            secrets_namespace: Self::DEFAULT_SECRETS_NAMESPACE.into(),
            endpoints: Vec::new(),
        }
    }

    /// The name that endpoints of services have for the node.
    pub(crate) fn endpoint_node(&self) -> &str {
        self.kubernetes_node.as_deref().unwrap_or(&self.node)
    }
}

/// What the pod CIDRs of a Kubernetes node are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PodCidrs {
    /// Nothing: addresses come from pools, in blocks.
    #[default]
    Unused,
    /// The node's blocks (host-local IPAM).
    Blocks,
}

/// Where the BGP Identifier comes from, if not from the node's IPv4 address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouterIdSource {
    /// `hash`: from the node's name.
    NodeName,
    /// This one.
    Given(BgpId),
}

/// The text is no source of a BGP Identifier.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "{0:?} is no router id; write four numbers as in 192.0.2.1 (not 0.0.0.0), or hash to take it from the node's name"
)]
pub struct RouterIdError(String);

impl FromStr for RouterIdSource {
    type Err = RouterIdError;

    fn from_str(text: &str) -> Result<Self, RouterIdError> {
        if text == "hash" {
            return Ok(Self::NodeName);
        }
        // RFC 6286 §2.1: any number of four octets but 0.
        let id = text.parse::<Ipv4Addr>().ok().filter(|ip| !ip.is_unspecified());
        id.map(|ip| Self::Given(BgpId(ip.into()))).ok_or_else(|| RouterIdError(text.to_owned()))
    }
}

/// A local workload that wants to peer, as the file of the endpoint-status directory says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointStatus {
    /// `ifaceName`: the host's side of its link.
    pub interface: Arc<str>,
    /// `ipv4Nets`, `ipv6Nets`, in order.
    pub addresses: Vec<InterfaceAddress>,
    /// `bgpPeerName`: the `BGPPeer` that selects it.
    pub bgp_peer: Option<Arc<str>>,
}
