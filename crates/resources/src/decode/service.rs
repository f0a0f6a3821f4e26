//! `Service` and `EndpointSlice`

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use super::fields::{Fields, Value};
use super::tree::{Data, Tree, Truth};
use crate::endpoint_slice::{AddressType, Endpoint, EndpointSlice, Readiness};
use crate::metadata::Metadata;
use crate::service::{ClusterIp, ExternalTrafficPolicy, Service, ServiceSpec, ServiceType};
use crate::value::Family;

pub(super) fn decode(object: &Fields<'_>, metadata: Option<Metadata>) -> Option<Service> {
    let value = object.required("spec")?;
    let fields = value.fields()?;
    let spec = decode_spec(&fields)?;
    let load_balancer_ingress = object.get("status").map(|status| ingress(status.tree)).unwrap_or_default();
    Some(Service { metadata: metadata?, spec, load_balancer_ingress })
}

fn decode_spec(fields: &Fields<'_>) -> Option<ServiceSpec> {
    let kind = fields.get("type").map_or(Some(ServiceType::ClusterIp), |kind| {
        use ServiceType::{ClusterIp, ExternalName, LoadBalancer, NodePort};
        kind.choice(
            &["ClusterIP", "NodePort", "LoadBalancer", "ExternalName"],
            &[ClusterIp, NodePort, LoadBalancer, ExternalName],
        )
    });
    let cluster_ip = fields.get("clusterIP").map_or(Some(ClusterIp::Unset), |value| match value.text()? {
        "None" => Some(ClusterIp::Headless),
        _ => value.address().map(ClusterIp::Address),
    });
    let cluster_ips = match fields.get("clusterIPs") {
        Some(list) => list.list(|value| match value.text()? {
            "None" => None,
            _ => value.address(),
        }),
        None => match cluster_ip {
            Some(ClusterIp::Address(address)) => Some(vec![address]),
            Some(ClusterIp::Unset | ClusterIp::Headless) | None => Some(Vec::new()),
        },
    };
    let external_ips = fields.get("externalIPs").map_or(Some(Vec::new()), |list| list.list(|value| value.address()));
    let load_balancer_ip = fields.get("loadBalancerIP").and_then(|value| value.address());
    let policy = fields.get("externalTrafficPolicy").and_then(|value| {
        value.choice(&["Cluster", "Local"], &[ExternalTrafficPolicy::Cluster, ExternalTrafficPolicy::Local])
    });
    let families = fields
        .get("ipFamilies")
        .and_then(|list| list.list(|value| value.choice(&["IPv4", "IPv6"], &[Family::V4, Family::V6])));
    let (kind, cluster_ips, external_ips) = (kind?, cluster_ips?, external_ips?);
    let accessible = match kind {
        ServiceType::NodePort | ServiceType::LoadBalancer => true,
        ServiceType::ClusterIp => !external_ips.is_empty(),
        ServiceType::ExternalName => false,
    };
    let default_policy = accessible.then_some(ExternalTrafficPolicy::Cluster);
    Some(ServiceSpec {
        kind,
        cluster_ip: cluster_ip?,
        ip_families: families.unwrap_or_else(|| cluster_ips.iter().copied().map(Family::of).collect()),
        cluster_ips,
        external_ips,
        load_balancer_ip,
        external_traffic_policy: policy.or(default_policy),
    })
}

/// Addresses in the status; whatever else is there is none of ours and left out.
fn ingress(status: &Tree) -> Vec<IpAddr> {
    let list = status.field("loadBalancer").and_then(|balancer| balancer.field("ingress"));
    let Some(Data::List(entries)) = list.map(|list| &list.data) else { return Vec::new() };
    entries.iter().filter_map(|entry| entry.field("ip")?.scalar()?.parse().ok()).collect()
}

pub(super) fn decode_slice(object: &Fields<'_>, metadata: Option<Metadata>) -> Option<EndpointSlice> {
    let address_type = object.required("addressType").and_then(|value| {
        value.choice(&["IPv4", "IPv6", "FQDN"], &[AddressType::Ipv4, AddressType::Ipv6, AddressType::Fqdn])
    });
    let address_type = address_type?;
    let nodes = std::cell::RefCell::new(BTreeSet::<Arc<str>>::new());
    let endpoints = match object.get("endpoints") {
        Some(list) => list.list(|value| endpoint(&value, address_type, &mut nodes.borrow_mut()))?,
        None => Vec::new(),
    };
    Some(EndpointSlice { metadata: metadata?, address_type, endpoints: endpoints.into() })
}

fn endpoint(value: &Value<'_>, address_type: AddressType, nodes: &mut BTreeSet<Arc<str>>) -> Option<Endpoint> {
    let fields = value.fields()?;
    let addresses = match address_type {
        AddressType::Ipv4 | AddressType::Ipv6 => fields.required("addresses")?.list(|value| value.address())?,
        AddressType::Fqdn => Vec::new(),
    };
    let node_name = fields.get("nodeName").and_then(|name| name.text()).map(|name| {
        let shared: Arc<str> = nodes.get(name).cloned().unwrap_or_else(|| name.into());
        nodes.insert(shared.clone());
        shared
    });
    let conditions = fields.get("conditions");
    let conditions = conditions.as_ref().and_then(|conditions| conditions.fields());
    let is = |name| conditions.as_ref().and_then(|fields| fields.get(name)?.truth());
    let ready = is("ready");
    // Where `publishNotReadyAddresses` is set, an endpoint is ready to its last moment; `serving` then says how it is.
    let readiness = match (is("terminating"), ready, is("serving").or(ready)) {
        (Some(Truth::True), _, Some(Truth::True) | None) => Readiness::Draining,
        (Some(Truth::True), _, Some(Truth::False)) | (Some(Truth::False) | None, Some(Truth::False), _) => {
            Readiness::NotReady
        }
        (Some(Truth::False) | None, Some(Truth::True) | None, _) => Readiness::Ready,
    };
    Some(Endpoint { addresses: addresses.into(), node_name, readiness })
}
