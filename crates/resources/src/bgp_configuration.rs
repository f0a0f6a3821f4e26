//! `BGPConfiguration`: what all nodes, or one, have in common.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use crate::metadata::Metadata;
use crate::secret::SecretKeyRef;
use crate::value::{AsNumber, Cidr, Community, Family, InterfacePattern, RoutePriority};

/// A BGP configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BgpConfiguration {
    /// Name, labels and version.
    pub metadata: Metadata,
    /// Whom the name says that it is for.
    pub scope: ConfigurationScope,
    /// What it says.
    pub spec: BgpConfigurationSpec,
}

/// Whom a BGP configuration is for; its name says it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConfigurationScope {
    /// `default`: every node.
    Global,
    /// `node.NAME`: this node. Only `prefixAdvertisements` with `communities`, `listenPort` and `logSeverityScreen`
    /// count in such an object.
    Node(Arc<str>),
}

/// The specification of a BGP configuration. `None`: the field is not set, and the default counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BgpConfigurationSpec {
    /// `logSeverityScreen`
    pub log_severity_screen: Option<LogSeverity>,
    /// `nodeToNodeMeshEnabled`; default: enabled.
    pub node_to_node_mesh: Option<NodeToNodeMesh>,
    /// `asNumber` of nodes that have none of their own; default 64512.
    pub as_number: Option<AsNumber>,
    /// `serviceLoadBalancerIPs`
    pub service_load_balancer_ips: Vec<Cidr>,
    /// `serviceExternalIPs`
    pub service_external_ips: Vec<Cidr>,
    /// `serviceClusterIPs`
    pub service_cluster_ips: Vec<Cidr>,
    /// `serviceLoadBalancerAggregation`; default: enabled.
    pub service_load_balancer_aggregation: Option<ServiceLoadBalancerAggregation>,
    /// `communities`: names of communities.
    pub communities: Vec<NamedCommunity>,
    /// `prefixAdvertisements`
    pub prefix_advertisements: Vec<PrefixAdvertisement>,
    /// `listenPort`; default 179.
    pub listen_port: Option<NonZeroU16>,
    /// `nodeMeshPassword`
    pub node_mesh_password: Option<SecretKeyRef>,
    /// `nodeMeshMaxRestartTime`
    pub node_mesh_max_restart_time: Option<Duration>,
    /// `bindMode`; default: none.
    pub bind_mode: Option<BindMode>,
    /// `ignoredInterfaces`
    pub ignored_interfaces: Vec<InterfacePattern>,
    /// `localWorkloadPeeringIPV4`
    pub local_workload_peering_ipv4: Option<Ipv4Addr>,
    /// `localWorkloadPeeringIPV6`
    pub local_workload_peering_ipv6: Option<Ipv6Addr>,
    /// `programClusterRoutes`; default: for pools without encapsulation.
    pub program_cluster_routes: Option<ProgramClusterRoutes>,
    /// `ipv4NormalRoutePriority`; default 1024.
    pub ipv4_normal_route_priority: Option<RoutePriority>,
    /// `ipv6NormalRoutePriority`; default 1024.
    pub ipv6_normal_route_priority: Option<RoutePriority>,
}

impl BgpConfigurationSpec {
    /// The normal route priority of a family; 1024 where it is not set.
    #[must_use]
    pub fn normal_route_priority(&self, family: Family) -> RoutePriority {
        let set = match family {
            Family::V4 => self.ipv4_normal_route_priority,
            Family::V6 => self.ipv6_normal_route_priority,
        };
        set.unwrap_or(RoutePriority::NORMAL)
    }

    /// The community of this name.
    #[must_use]
    pub fn community(&self, name: &str) -> Option<Community> {
        self.communities.iter().find(|community| &*community.name == name).map(|community| community.value)
    }
}

/// `logSeverityScreen`, in any case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogSeverity {
    /// Everything.
    Trace,
    /// What helps to find errors.
    Debug,
    /// What changes.
    Info,
    /// What is most likely not meant.
    Warning,
    /// What fails.
    Error,
    /// What ends the program.
    Fatal,
    /// `None`: nothing. Calico's templates honour it though its validation does not offer it.
    None,
}

/// `nodeToNodeMeshEnabled`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeToNodeMesh {
    /// Every node peers with every other.
    Enabled,
    /// No mesh.
    Disabled,
}

/// `serviceLoadBalancerAggregation`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceLoadBalancerAggregation {
    /// The whole CIDR is advertised.
    Enabled,
    /// Each address is advertised for itself.
    Disabled,
}

/// `bindMode`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindMode {
    /// Listen on all addresses.
    None,
    /// Listen on the node's addresses only.
    NodeIp,
}

/// `programClusterRoutes`: routes of which pools the BGP side puts into the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProgramClusterRoutes {
    /// With IPIP, and without encapsulation.
    Enabled,
    /// None.
    Disabled,
    /// With IPIP.
    EnabledIpipOnly,
    /// Without encapsulation.
    EnabledNoEncapOnly,
}

/// An entry of `communities`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamedCommunity {
    /// `name`
    pub name: Arc<str>,
    /// `value`
    pub value: Community,
}

/// An entry of `prefixAdvertisements`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixAdvertisement {
    /// `cidr`: routes in it get the communities.
    pub cidr: Cidr,
    /// `communities`: values, and names of the same object's [`communities`](BgpConfigurationSpec::communities) looked
    /// up; each value once, in order.
    pub communities: Vec<Community>,
}
