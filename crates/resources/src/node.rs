//! `Node`: a server that routes for its workloads.
//!
//! Read from `projectcalico.org/v3`, and from a `v1` Node with Calico's annotations: both give the same type.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use crate::metadata::Metadata;
use crate::value::{AsNumber, Cidr, Family, InterfaceAddress};

/// A node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Name, labels and version. Of a `v1` Node the labels are those of Kubernetes over those that Calico keeps in an
    /// annotation.
    pub metadata: Metadata,
    /// What it is to do.
    pub spec: NodeSpec,
}

/// The specification of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeSpec {
    /// `bgp`
    pub bgp: NodeBgp,
    /// `ipv4VXLANTunnelAddr`
    pub ipv4_vxlan_tunnel_address: Option<Ipv4Addr>,
    /// `ipv6VXLANTunnelAddr`
    pub ipv6_vxlan_tunnel_address: Option<Ipv6Addr>,
    /// `wireguard.interfaceIPv4Address`
    pub wireguard_ipv4_address: Option<Ipv4Addr>,
    /// `wireguard.interfaceIPv6Address`
    pub wireguard_ipv6_address: Option<Ipv6Addr>,
    /// `addresses`: where clients reach the node.
    pub addresses: Vec<NodeAddress>,
    /// `status.podCIDRs` of `projectcalico.org/v3`, `spec.podCIDRs` of `v1`: the node's addresses under host-local IPAM.
    pub pod_cidrs: Vec<Cidr>,
}

/// `spec.bgp` of a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeBgp {
    /// `asNumber`; the global one counts where it is not set.
    pub as_number: Option<AsNumber>,
    /// `ipv4Address`: without it the node has no IPv4 sessions.
    pub ipv4_address: Option<InterfaceAddress>,
    /// `ipv6Address`: without it the node has no IPv6 sessions.
    pub ipv6_address: Option<InterfaceAddress>,
    /// `ipv4IPIPTunnelAddr`
    pub ipv4_ipip_tunnel_address: Option<Ipv4Addr>,
    /// `routeReflectorClusterID`: makes the node a route reflector.
    pub route_reflector_cluster_id: Option<Ipv4Addr>,
}

impl NodeBgp {
    /// The address of sessions of this family.
    #[must_use]
    pub const fn address(&self, family: Family) -> Option<InterfaceAddress> {
        match family {
            Family::V4 => self.ipv4_address,
            Family::V6 => self.ipv6_address,
        }
    }
}

impl NodeSpec {
    /// The address of the WireGuard interface of this family.
    #[must_use]
    pub fn wireguard_address(&self, family: Family) -> Option<IpAddr> {
        match family {
            Family::V4 => self.wireguard_ipv4_address.map(IpAddr::V4),
            Family::V6 => self.wireguard_ipv6_address.map(IpAddr::V6),
        }
    }
}

/// An entry of `addresses`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    /// `address`, with or without a prefix length.
    pub address: InterfaceAddress,
    /// `type`: `CalicoNodeIP`, `InternalIP`, `ExternalIP`.
    pub kind: Option<Arc<str>>,
}
