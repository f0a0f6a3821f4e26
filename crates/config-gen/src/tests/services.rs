//! `routes.go`, `advertiseThisService` and `getAdvertisedRoutes`; `client.go`, `onClusterIPsUpdate` and its like.

use heddle_config::Config;

use super::{cluster, configuration, object};
use crate::{NodeContext, generate};

pub(super) const LOCAL: &str = "type: LoadBalancer, externalTrafficPolicy: Local";

pub(super) fn service(name: &str, spec: &str, ingress: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\nspec: {{{spec}}}\n\
         status: {{loadBalancer: {{ingress: [{ingress}]}}}}\n---\n"
    )
}

pub(super) fn slice(name: &str, service: &str, endpoints: &str) -> String {
    slice_of("IPv4", name, service, endpoints)
}

fn slice_of(kind: &str, name: &str, service: &str, endpoints: &str) -> String {
    format!(
        "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: {name}, namespace: default, labels: \
         {{kubernetes.io/service-name: {service}}}}}\naddressType: {kind}\nendpoints: [{endpoints}]\n---\n"
    )
}

const HERE: &str = "{addresses: [10.1.1.1], nodeName: n1}";
const THERE: &str = "{addresses: [10.1.1.2], nodeName: n2}";

fn run(spec: &str, labels: &str, services: &str) -> Config {
    let manifests = configuration(&format!("nodeToNodeMeshEnabled: false, {spec}"))
        + &object("Node", "n1", labels, "bgp: {ipv4Address: 10.0.0.1/24}")
        + services;
    generate(&cluster(&manifests), &NodeContext::new("n1")).config.unwrap()
}

pub(super) fn networks(config: &Config) -> Vec<String> {
    config.networks.iter().map(|n| n.prefix.to_string()).collect()
}

fn rejected(config: &Config) -> Vec<String> {
    config.fib.as_ref().unwrap().rules.iter().flat_map(|r| r.prefixes.iter().map(|p| p.prefix.to_string())).collect()
}

/// Whole CIDRs from every node; single addresses are left to their services; none of them goes into the kernel.
#[test]
fn whole_ranges() {
    let spec = "serviceClusterIPs: [{cidr: 10.96.0.0/12}, {cidr: \"fd96::/108\"}], \
                serviceExternalIPs: [{cidr: 80.15.0.0/24}, {cidr: 80.15.1.1/32}], \
                serviceLoadBalancerIPs: [{cidr: 90.0.0.0/24}, {cidr: 90.0.1.1/32}]";
    let c = run(spec, "", "");
    let all = ["10.96.0.0/12", "80.15.0.0/24", "90.0.0.0/24", "fd96::/108"];
    assert_eq!(networks(&c), all);
    assert_eq!(rejected(&c), all);
    assert!(c.networks.iter().all(|n| n.blackhole && n.local_pref == Some(2_147_482_623)));
    // Without aggregation ranges of load balancers are neither.
    let c = run(&format!("{spec}, serviceLoadBalancerAggregation: Disabled"), "", "");
    assert_eq!(networks(&c), ["10.96.0.0/12", "80.15.0.0/24", "fd96::/108"]);
    assert_eq!(rejected(&c), ["10.96.0.0/12", "80.15.0.0/24", "fd96::/108"]);
    // An excluded node advertises nothing, and still keeps them out of its kernel.
    let c = run(spec, "node.kubernetes.io/exclude-from-external-load-balancers: \"true\"", "");
    assert_eq!((networks(&c), rejected(&c).len()), (Vec::new(), 4));
}

/// `CALICO_ADVERTISE_CLUSTER_IPS` stands in place of the list.
#[test]
fn cluster_ips_of_the_environment() {
    let manifests = configuration("serviceClusterIPs: [{cidr: 10.96.0.0/12}]")
        + &object("Node", "n1", "", "bgp: {ipv4Address: 10.0.0.1/24}");
    let mut context = NodeContext::new("n1");
    context.cluster_ips = Some("10.200.0.0/16".parse().unwrap());
    assert_eq!(networks(&generate(&cluster(&manifests), &context).config.unwrap()), ["10.200.0.0/16"]);
}

pub(super) const CLUSTER: &str = "serviceClusterIPs: [{cidr: 10.96.0.0/12}]";

fn local(endpoints: &str) -> Vec<String> {
    let services = service("web", &format!("{LOCAL}, clusterIP: 10.96.0.7"), "") + &slice("web-1", "web", endpoints);
    networks(&run(CLUSTER, "", &services))
}

const WITH: [&str; 2] = ["10.96.0.0/12", "10.96.0.7/32"];
const WITHOUT: [&str; 1] = ["10.96.0.0/12"];

/// Services of one name in several namespaces have their own slices each, and others are not asked for.
#[test]
fn namespaces() {
    let everything = |namespace: &str, address: &str, policy: &str, endpoint: &str| {
        let service = service("web", &format!("type: NodePort, {policy} clusterIP: {address}"), "");
        (service + &slice("web-1", "web", endpoint) + &slice("other-1", "other", HERE))
            .replace("namespace: default", &format!("namespace: {namespace}"))
    };
    let local = "externalTrafficPolicy: Local,";
    let services = everything("a", "10.96.0.1", "", HERE)
        + &everything("b", "10.96.0.2", local, HERE)
        + &everything("c", "10.96.0.3", local, THERE)
        + &everything("d", "10.96.0.4", local, HERE);
    assert_eq!(networks(&run(CLUSTER, "", &services)), ["10.96.0.0/12", "10.96.0.2/32", "10.96.0.4/32"]);
    assert_eq!(networks(&run(CLUSTER, "", &everything("a", "10.96.0.1", "", HERE))), WITHOUT);
}

/// `externalTrafficPolicy: Local`: from the nodes that have a ready endpoint.
#[test]
fn local_policy() {
    assert_eq!(local(HERE), WITH);
    assert_eq!(local(THERE), WITHOUT);
    assert_eq!(local(""), WITHOUT);
    assert_eq!(local("{addresses: [10.1.1.1], nodeName: n1, conditions: {ready: false}}"), WITHOUT);
    assert_eq!(local("{addresses: [10.1.1.1], nodeName: n1, conditions: {ready: true}}"), WITH);
}

/// An endpoint as it is from the moment in which its pod is deleted.
fn terminating(node: &str, conditions: &str) -> String {
    format!("{{addresses: [10.1.1.9], nodeName: {node}, conditions: {{{conditions}, terminating: true}}}}")
}

/// The address is withdrawn while the last endpoint here still works, so that what is sent meanwhile comes to another node.
#[test]
fn what_terminates_takes_no_traffic() {
    let (here, there) =
        (terminating("n1", "ready: false, serving: true"), terminating("n2", "ready: false, serving: true"));
    assert_eq!(local(&format!("{here}, {THERE}")), WITHOUT);
    assert_eq!(local(&format!("{here}, {HERE}, {THERE}")), WITH);
    // With `publishNotReadyAddresses` it is ready to the end.
    assert_eq!(local(&format!("{}, {THERE}", terminating("n1", "ready: true, serving: true"))), WITHOUT);
    // Nobody else has it: what there is of connections goes on here, as long as it is served.
    assert_eq!(local(&here), WITH);
    assert_eq!(local(&format!("{here}, {there}")), WITH);
    assert_eq!(local(&there), WITHOUT);
    assert_eq!(local(&terminating("n1", "ready: false, serving: false")), WITHOUT);
    // Ready is what counts of another family or another service neither.
    let web = service("web", &format!("{LOCAL}, clusterIP: 10.96.0.7, ipFamilies: [IPv4]"), "");
    let v6 = "{addresses: [\"fd00::2\"], nodeName: n2}";
    let slices = slice("a", "web", &here) + &slice_of("IPv6", "b", "web", v6) + &slice("c", "api", THERE);
    assert_eq!(networks(&run(CLUSTER, "", &(web + &slices))), WITH);
}

/// `externalTrafficPolicy: Local` holds for load balancer and external addresses as for cluster addresses (#6074, #3564, #5235).
#[test]
fn local_policy_holds_for_every_kind_of_address() {
    let spec = "serviceClusterIPs: [{cidr: 10.96.0.0/12}], serviceExternalIPs: [{cidr: 80.15.0.0/24}, {cidr: 80.16.0.1/32}], \
                serviceLoadBalancerIPs: [{cidr: 90.0.0.0/24}, {cidr: 90.1.0.1/32}]";
    let web = |endpoints: &str| {
        let spec = format!("{LOCAL}, clusterIP: 10.96.0.7, externalIPs: [80.15.0.1, 80.16.0.1]");
        service("web", &spec, "{ip: 90.0.0.1}, {ip: 90.1.0.1}") + &slice("web-1", "web", endpoints)
    };
    let ranges = ["10.96.0.0/12", "80.15.0.0/24", "90.0.0.0/24"];
    let singles = ["10.96.0.7/32", "80.15.0.1/32", "80.16.0.1/32", "90.0.0.1/32", "90.1.0.1/32"];
    let of = |endpoints: &str| networks(&run(spec, "", &web(endpoints)));
    assert_eq!(of(THERE), ranges);
    let mut all: Vec<&str> = ranges.into_iter().chain(singles).collect();
    let mut found = of(HERE);
    all.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, all);
}

/// One decision over all slices of the service (Calico judges the slice of the event alone).
#[test]
fn all_slices_count() {
    let web = service("web", &format!("{LOCAL}, clusterIP: 10.96.0.7"), "");
    let slices = slice("a", "web", THERE) + &slice("b", "web", HERE) + &slice("c", "web", THERE);
    assert_eq!(networks(&run(CLUSTER, "", &(web.clone() + &slices))), WITH);
    // The slice that counted goes away.
    assert_eq!(networks(&run(CLUSTER, "", &(web.clone() + &slice("a", "web", THERE)))), WITHOUT);
    // Slices of other services, and of the same name elsewhere, are none of ours.
    let elsewhere = slice("x", "web", HERE).replace("namespace: default", "namespace: other");
    assert_eq!(networks(&run(CLUSTER, "", &(web + &slice("a", "api", HERE) + &elsewhere))), WITHOUT);
}

/// The node may have another name for Kubernetes (`CALICO_K8S_NODE_REF`).
#[test]
fn name_of_the_node() {
    let manifests = configuration(CLUSTER)
        + &object("Node", "n1", "", "bgp: {ipv4Address: 10.0.0.1/24}")
        + &service("web", &format!("{LOCAL}, clusterIP: 10.96.0.7"), "")
        + &slice("a", "web", "{addresses: [10.1.1.1], nodeName: k8s-1}");
    let mut context = NodeContext::new("n1");
    context.kubernetes_node = Some("k8s-1".into());
    assert_eq!(networks(&generate(&cluster(&manifests), &context).config.unwrap()), WITH);
}

/// Only types that have a cluster address; not headless ones.
#[test]
fn types() {
    let of = |spec: &str| networks(&run(CLUSTER, "", &(service("web", spec, "") + &slice("a", "web", HERE)))).len();
    assert_eq!(of("type: NodePort, externalTrafficPolicy: Local, clusterIP: 10.96.0.7"), 2);
    assert_eq!(of("type: LoadBalancer, externalTrafficPolicy: Local, clusterIP: None"), 1);
    assert_eq!(of("type: ExternalName, externalName: example.org"), 1);
    assert_eq!(of("type: ClusterIP, clusterIP: 10.96.0.7"), 1, "no policy: the CIDR as a whole is there");
}

/// Both families of a service with one ready slice: the decision is one for the service.
#[test]
fn both_families() {
    let spec = "type: LoadBalancer, externalTrafficPolicy: Local, clusterIP: 10.96.0.7, clusterIPs: [10.96.0.7, \"fd96::7\"], \
                ipFamilies: [IPv4, IPv6]";
    let services = service("web", spec, "") + &slice("a", "web", HERE) + &slice_of("IPv6", "b", "web", "");
    assert_eq!(networks(&run(CLUSTER, "", &services)), ["10.96.0.0/12", "10.96.0.7/32", "fd96::7/128"]);
    // A slice of a family that the service does not have says nothing.
    let spec = format!("{LOCAL}, clusterIP: 10.96.0.7, ipFamilies: [IPv4]");
    let services =
        service("web", &spec, "") + &slice_of("IPv6", "b", "web", "{addresses: [\"fd00::1\"], nodeName: n1}");
    assert_eq!(networks(&run(CLUSTER, "", &services)), WITHOUT);
}

/// External and load balancer addresses only inside of what is configured; cluster addresses without comparison.
#[test]
fn which_addresses() {
    let spec = "serviceExternalIPs: [{cidr: 80.15.0.0/24}], serviceLoadBalancerIPs: [{cidr: 90.0.0.0/24}]";
    let web = |ingress: &str| {
        let spec = format!("{LOCAL}, clusterIP: 10.96.0.7, externalIPs: [80.15.0.9, 80.99.0.9]");
        service("web", &spec, ingress) + &slice("a", "web", HERE)
    };
    let ingress = "{ip: 90.0.0.9}, {ip: 90.9.0.9}, {hostname: example.org}";
    let expected = ["80.15.0.0/24", "80.15.0.9/32", "90.0.0.0/24", "90.0.0.9/32"];
    assert_eq!(networks(&run(spec, "", &web(ingress))), expected, "no cluster CIDR, no cluster address");
    let with_cluster = format!("{spec}, serviceClusterIPs: [{{cidr: 10.0.0.0/30}}]");
    assert!(networks(&run(&with_cluster, "", &web(ingress))).contains(&"10.96.0.7/32".to_owned()));
}

/// `externalTrafficPolicy: Cluster`: single addresses from every node, ranges as a whole; without aggregation where any
/// endpoint is ready.
#[test]
fn cluster_policy() {
    let web = |endpoints: &str| {
        service("web", "type: LoadBalancer, externalTrafficPolicy: Cluster, clusterIP: 10.96.0.7", "{ip: 90.0.0.9}")
            + &slice("a", "web", endpoints)
    };
    let single = "serviceLoadBalancerIPs: [{cidr: 90.0.0.9/32}]";
    assert_eq!(networks(&run(single, "", &web(THERE))), ["90.0.0.9/32"]);
    assert_eq!(rejected(&run(single, "", &web(THERE))), Vec::<String>::new(), "a black hole of its own");
    let range = "serviceLoadBalancerIPs: [{cidr: 90.0.0.0/24}]";
    assert_eq!(networks(&run(range, "", &web(THERE))), ["90.0.0.0/24"]);
    let apart = format!("{range}, serviceLoadBalancerAggregation: Disabled");
    assert_eq!(networks(&run(&apart, "", &web(THERE))), ["90.0.0.9/32"]);
    assert_eq!(networks(&run(&apart, "", &web(""))), Vec::<String>::new());
}

/// A service that no slice is known of is not advertised, whatever its policy.
#[test]
fn without_slices() {
    let spec = "type: LoadBalancer, externalTrafficPolicy: Cluster, clusterIP: 10.96.0.7";
    let services = service("web", spec, "{ip: 90.0.0.9}");
    assert_eq!(networks(&run("serviceLoadBalancerIPs: [{cidr: 90.0.0.9/32}]", "", &services)), Vec::<String>::new());
}

/// Nothing configured: services are nobody's business here.
#[test]
fn not_asked_for() {
    let services = service("web", &format!("{LOCAL}, clusterIP: 10.96.0.7"), "") + &slice("a", "web", HERE);
    assert_eq!(networks(&run("", "", &services)), Vec::<String>::new());
}
