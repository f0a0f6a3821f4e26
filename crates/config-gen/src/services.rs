//! Addresses of services that this node advertises.
//!
//! Whether a service is advertised is a function of the service and all of its endpoint slices, computed anew on every
//! change of either. (Calico computes it from the events of single objects and misses some.)

use std::collections::{BTreeMap, HashMap, HashSet};
use std::net::IpAddr;

use heddle_resources::endpoint_slice::{AddressType, Endpoint, Readiness};
use heddle_resources::service::{ClusterIp, ExternalTrafficPolicy, ServiceType};
use heddle_resources::value::{Cidr, Family};
use heddle_resources::{EndpointSlice, Key, Kind, Service};

use crate::cluster::Cluster;
use crate::context::NodeContext;
use crate::origin::Source;

/// The label that keeps a node from advertising services.
const EXCLUDED: &str = "node.kubernetes.io/exclude-from-external-load-balancers";

/// What the node does for services.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct ServiceRoutes {
    /// Advertised: whole CIDRs, and single addresses.
    pub(crate) routes: BTreeMap<Cidr, Vec<Source>>,
    /// Not put into the kernel, nor anything in them.
    pub(crate) rejected: BTreeMap<Cidr, Source>,
}

/// The CIDRs of the configuration.
struct Ranges<'a> {
    cluster: &'a [Cidr],
    external: &'a [Cidr],
    load_balancer: &'a [Cidr],
}

/// All of it, both families.
pub(crate) fn routes(cluster: &Cluster<'_>, context: &NodeContext) -> ServiceRoutes {
    let ranges = Ranges {
        cluster: context.cluster_ips.as_ref().map_or(&*cluster.global.service_cluster_ips, std::slice::from_ref),
        external: &cluster.global.service_external_ips,
        load_balancer: &cluster.global.service_load_balancer_ips,
    };
    let mut found = ServiceRoutes::default();
    if ranges.cluster.is_empty() && ranges.external.is_empty() && ranges.load_balancer.is_empty() {
        return found;
    }
    let is_excluded = cluster.own().node.metadata.labels.get(EXCLUDED) == Some("true");
    for (cidr, source) in whole_ranges(cluster, context, &ranges) {
        if !is_excluded {
            found.routes.entry(cidr).or_default().push(source.clone());
        }
        found.rejected.entry(cidr).or_insert(source);
    }
    if !is_excluded {
        single_addresses(cluster, context, &ranges, &mut found.routes);
    }
    found
}

/// CIDRs that every node advertises as a whole. Single addresses among external and load balancer ranges are left to
/// their services.
fn whole_ranges(cluster: &Cluster<'_>, context: &NodeContext, ranges: &Ranges<'_>) -> Vec<(Cidr, Source)> {
    let cluster_source = match context.cluster_ips {
        Some(_) => Source::Environment("CALICO_ADVERTISE_CLUSTER_IPS"),
        None => cluster.global_or_default(Some(()), "serviceClusterIPs"),
    };
    let mut whole: Vec<(Cidr, Source)> = ranges.cluster.iter().map(|c| (*c, cluster_source.clone())).collect();
    let mut add = |cidrs: &[Cidr], field| {
        let source = cluster.global_or_default(Some(()), field);
        whole.extend(cidrs.iter().filter(|c| !c.is_host()).map(|c| (*c, source.clone())));
    };
    add(ranges.external, "serviceExternalIPs");
    if cluster.aggregates_load_balancers() {
        add(ranges.load_balancer, "serviceLoadBalancerIPs");
    }
    whole
}

/// Addresses of services that are advertised one by one.
fn single_addresses(
    cluster: &Cluster<'_>,
    context: &NodeContext,
    ranges: &Ranges<'_>,
    routes: &mut BTreeMap<Cidr, Vec<Source>>,
) {
    let services = cluster.snapshot.all::<Service>();
    let candidates = services.filter_map(|s| Some((s, wanted(cluster, context, ranges, s)?)));
    let candidates: Vec<(&Service, Wanted<'_>)> = candidates.map(|(service, wanted)| (&**service, wanted)).collect();
    let slices = slices_of(cluster, candidates.iter().map(|(service, _)| *service));
    for (service, wanted) in candidates {
        let Some(slices) = slices.get(&name(service)).filter(|slices| !slices.is_empty()) else { continue };
        let is_advertised = match wanted {
            Wanted::Slice => true,
            Wanted::ReadyEndpoint(node) => has_ready_endpoint(service, slices, node),
        };
        if !is_advertised {
            continue;
        }
        let (namespace, name) = (service.metadata.namespace.clone(), service.metadata.name.clone());
        let source = Source::whole(Key { kind: Kind::Service, namespace, name });
        for address in addresses(ranges, service) {
            routes.entry(Cidr::host(address)).or_default().push(source.clone());
        }
    }
}

/// Namespace and name of a service.
type Name<'a> = (Option<&'a str>, &'a str);

fn name(service: &Service) -> Name<'_> {
    (service.metadata.namespace.as_deref(), &service.metadata.name)
}

/// The slices of some services. There may be thousands of others, which cost a comparison at each change of anything: they come in the
/// order of their namespaces.
fn slices_of<'a>(
    cluster: &Cluster<'a>,
    services: impl Iterator<Item = &'a Service>,
) -> HashMap<Name<'a>, Vec<&'a EndpointSlice>> {
    let mut found: HashMap<Name<'a>, Vec<&EndpointSlice>> = services.map(|s| (name(s), Vec::new())).collect();
    let namespaces: HashSet<Option<&str>> = found.keys().map(|(namespace, _)| *namespace).collect();
    if namespaces.is_empty() {
        return found;
    }
    let mut current = None;
    for slice in cluster.snapshot.all::<EndpointSlice>() {
        let namespace = slice.metadata.namespace.as_deref();
        let is_wanted = match current {
            Some((same, is_wanted)) if same == namespace => is_wanted,
            Some(_) | None => namespaces.contains(&namespace),
        };
        current = Some((namespace, is_wanted));
        if is_wanted
            && let Some(service) = slice.service_name()
            && let Some(slices) = found.get_mut(&(namespace, service))
        {
            slices.push(slice);
        }
    }
    found
}

fn is_in(ranges: &[Cidr], address: IpAddr) -> bool {
    ranges.iter().any(|range| range.contains_address(address))
}

/// What of a service is advertised, if it is. Cluster addresses are not compared with the configured CIDRs.
fn addresses<'a>(ranges: &'a Ranges<'_>, service: &'a Service) -> impl Iterator<Item = IpAddr> + 'a {
    let cluster = service.spec.cluster_ips.iter().filter(|_| !ranges.cluster.is_empty());
    let external = service.spec.external_ips.iter().filter(|ip| is_in(ranges.external, **ip));
    let balanced = service.load_balancer_ingress.iter().filter(|ip| is_in(ranges.load_balancer, **ip));
    cluster.chain(external).chain(balanced).copied()
}

/// What has to be there so that this node advertises the addresses of a service one by one.
#[derive(Clone, Copy, Debug)]
enum Wanted<'a> {
    /// Any slice.
    Slice,
    /// An endpoint that takes traffic, on this node if one is given.
    ReadyEndpoint(Option<&'a str>),
}

/// What has to be there so that this node advertises the addresses of a service one by one; none: it never does.
fn wanted<'a>(
    cluster: &Cluster<'_>,
    context: &'a NodeContext,
    ranges: &Ranges<'_>,
    service: &Service,
) -> Option<Wanted<'a>> {
    match (service.spec.kind, service.spec.cluster_ip) {
        (ServiceType::ClusterIp | ServiceType::NodePort | ServiceType::LoadBalancer, ClusterIp::Address(_)) => {}
        (ServiceType::ExternalName, _) | (_, ClusterIp::Unset | ClusterIp::Headless) => return None,
    }
    match service.spec.external_traffic_policy {
        // Any node will do, but there has to be one that tells of the address.
        Some(ExternalTrafficPolicy::Cluster) if has_single_address(ranges, service) => Some(Wanted::Slice),
        Some(ExternalTrafficPolicy::Local) => Some(Wanted::ReadyEndpoint(Some(context.endpoint_node()))),
        // The range as a whole is advertised.
        Some(ExternalTrafficPolicy::Cluster) | None if cluster.aggregates_load_balancers() => None,
        Some(ExternalTrafficPolicy::Cluster) | None => Some(Wanted::ReadyEndpoint(None)),
    }
}

/// Whether an address of the service is configured as a range of its own.
fn has_single_address(ranges: &Ranges<'_>, service: &Service) -> bool {
    let is_single = |ranges: &[Cidr], ip: IpAddr| ranges.iter().any(|r| r.is_host() && r.contains_address(ip));
    let balanced = service.spec.load_balancer_ip.iter().chain(&service.load_balancer_ingress);
    service.spec.kind == ServiceType::LoadBalancer
        && balanced.into_iter().any(|ip| is_single(ranges.load_balancer, *ip))
        || service.spec.external_ips.iter().any(|ip| is_single(ranges.external, *ip))
}

/// Whether a slice of a family of the service has an endpoint that takes traffic, on this node if one is given.
///
/// What is terminating takes none any more, so that an address is withdrawn before its last endpoint here is gone. Where no
/// endpoint anywhere is ready, those that terminate go on with what they have, as in kube-proxy: there is nowhere else for
/// it to go.
fn has_ready_endpoint(service: &Service, slices: &[&EndpointSlice], node: Option<&str>) -> bool {
    let families = &service.spec.ip_families;
    let counts = |slice: &EndpointSlice| match slice.address_type {
        AddressType::Ipv4 => families.is_empty() || families.contains(&Family::V4),
        AddressType::Ipv6 => families.is_empty() || families.contains(&Family::V6),
        AddressType::Fqdn => false,
    };
    let endpoints = || slices.iter().filter(|slice| counts(slice)).flat_map(|slice| &slice.endpoints);
    let any_is = |wanted| endpoints().any(|endpoint| endpoint.readiness == wanted);
    let wanted = if any_is(Readiness::Ready) { Readiness::Ready } else { Readiness::Draining };
    let is_here = |endpoint: &Endpoint| node.is_none() || endpoint.node_name.as_deref() == node;
    endpoints().any(|endpoint| endpoint.readiness == wanted && is_here(endpoint))
}
