//! `Service`: addresses that stand for many pods.

use std::net::IpAddr;

use crate::metadata::Metadata;
use crate::value::Family;

/// A service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Name, labels and version.
    pub metadata: Metadata,
    /// What it says.
    pub spec: ServiceSpec,
    /// `status.loadBalancer.ingress[].ip`: the addresses that a load balancer has. Host names are left out.
    pub load_balancer_ingress: Vec<IpAddr>,
}

/// The specification of a service, with the API server's defaults filled in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServiceSpec {
    /// `type`
    pub kind: ServiceType,
    /// `clusterIP`
    pub cluster_ip: ClusterIp,
    /// `clusterIPs`; the one of `clusterIP` where it is not set. Empty if the service is headless.
    pub cluster_ips: Vec<IpAddr>,
    /// `externalIPs`
    pub external_ips: Vec<IpAddr>,
    /// `loadBalancerIP`
    pub load_balancer_ip: Option<IpAddr>,
    /// `externalTrafficPolicy`; `None` where it is not set and the type has none.
    pub external_traffic_policy: Option<ExternalTrafficPolicy>,
    /// `ipFamilies`; those of the cluster addresses where it is not set.
    pub ip_families: Vec<Family>,
}

/// `type`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServiceType {
    /// `ClusterIP`
    #[default]
    ClusterIp,
    /// `NodePort`
    NodePort,
    /// `LoadBalancer`
    LoadBalancer,
    /// `ExternalName`
    ExternalName,
}

/// `clusterIP`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClusterIp {
    /// Not set.
    #[default]
    Unset,
    /// `None`: a headless service.
    Headless,
    /// The address.
    Address(IpAddr),
}

/// `externalTrafficPolicy`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExternalTrafficPolicy {
    /// To all endpoints.
    Cluster,
    /// To the endpoints of the node that traffic arrives at.
    Local,
}
