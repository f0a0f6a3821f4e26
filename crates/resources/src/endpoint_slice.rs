//! `EndpointSlice`: pods that stand behind a service.

use std::net::IpAddr;
use std::sync::Arc;

use crate::metadata::{Labels, Metadata};

/// Some endpoints of a service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndpointSlice {
    /// Name, labels and version.
    pub metadata: Metadata,
    /// `addressType`
    pub address_type: AddressType,
    /// `endpoints`
    pub endpoints: Box<[Endpoint]>,
}

impl EndpointSlice {
    /// The name of the service that it belongs to, of the same namespace.
    #[must_use]
    pub fn service_name(&self) -> Option<&str> {
        Labels::get(&self.metadata.labels, "kubernetes.io/service-name").filter(|name| !name.is_empty())
    }
}

/// `addressType`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressType {
    /// `IPv4`
    Ipv4,
    /// `IPv6`
    Ipv6,
    /// `FQDN`: names; the addresses of such endpoints are left out.
    Fqdn,
}

/// An endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// `addresses`
    pub addresses: Box<[IpAddr]>,
    /// `nodeName`
    pub node_name: Option<Arc<str>>,
    /// `conditions`; ready where nothing is set.
    pub readiness: Readiness,
}

/// `conditions`: `ready`, `serving` and `terminating`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Readiness {
    /// Takes traffic.
    #[default]
    Ready,
    /// Is terminating, and goes on with what it has until it is gone.
    Draining,
    /// Does not take any.
    NotReady,
}
