//! What a large cluster costs a node that starts: printed, not judged.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use heddle_interop_tests::kubernetes::client::Client;
use heddle_interop_tests::kubernetes::{CalicoApi, Cluster, Options};
use heddle_interop_tests::peers::Daemon as _;
use heddle_interop_tests::wait::PATIENCE;
use serde_json::{Map, Value, json};

use crate::audit::Audit;
use crate::site::{BLOCK, NODE, OBJECTS, Site, count};

const NODES: usize = 1000;
const SERVICES: usize = 5000;
const ENDPOINTS: usize = 4;
const NAMESPACES: usize = 50;
const WORKERS: usize = 8;
/// How often all changes are made that are timed; two of each kind in a round.
const ROUNDS: usize = 100;
/// The address of a service that an endpoint is advertised for.
const FRONT: &str = "10.101.0.79/32";
/// An address that a service gets.
const OUTER: &str = "203.0.113.79";

/// As large as kubelets make them: images, conditions, labels.
fn node(number: usize) -> Value {
    let images: Vec<Value> = (0..50)
        .map(|image| {
            let name = format!("registry.example.org/team/image-{image}@sha256:{image:064}");
            json!({"names": [name], "sizeBytes": 123_456_789})
        })
        .collect();
    let labels: Map<String, Value> = (0..15)
        .map(|label| (format!("example.org/label-{label}"), json!(format!("value-{label}-{}", number % 40))))
        .collect();
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {"name": format!("node-{number}"), "labels": labels, "annotations": {
            "projectcalico.org/IPv4Address": format!("10.{}.{}.1/16", 64 + number / 250, number % 250)}},
        "spec": {"podCIDR": format!("10.{}.{}.0/24", number / 250, number % 250)},
        "status": {"images": images, "conditions": [{
            "type": "Ready", "status": "True", "reason": "KubeletReady", "message": "kubelet is posting ready status"}]},
    })
}

fn namespace(number: usize) -> String {
    format!("team-{}", number % NAMESPACES)
}

fn service(number: usize) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {"name": format!("service-{number}"), "labels": {"app": format!("app-{number}")}},
        "spec": {"ports": [{"name": "http", "port": 80}], "selector": {"app": format!("app-{number}")}},
    })
}

fn slice(number: usize) -> Value {
    let endpoints: Vec<Value> = (0..ENDPOINTS)
        .map(|endpoint| {
            let of = (number * ENDPOINTS + endpoint) % NODES;
            json!({
                "addresses": [format!("10.{}.{}.{}", of / 250, of % 250, number % 250)], "nodeName": format!("node-{of}"),
                "conditions": {"ready": true, "serving": true, "terminating": false},
                "targetRef": {"kind": "Pod", "name": format!("pod-{number}-{endpoint}"), "namespace": namespace(number)}})
        })
        .collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {"name": format!("service-{number}-abcde"), "labels": {
            "kubernetes.io/service-name": format!("service-{number}")}},
        "ports": [{"name": "http", "port": 80}], "endpoints": endpoints,
    })
}

/// Makes objects, some at a time.
fn make(admin: &Client, count: usize, object: impl Fn(usize) -> (String, Value) + Sync) {
    thread::scope(|scope| {
        for worker in 0..WORKERS {
            let object = &object;
            scope.spawn(move || {
                for number in (worker..count).step_by(WORKERS) {
                    let (path, object) = object(number);
                    admin.post(&path, &object).unwrap_or_else(|error| panic!("{error}"));
                }
            });
        }
    });
}

/// A node starts in a cluster of 1,000 nodes and 5,000 services that it may have to advertise.
pub(crate) fn a_start_in_a_large_cluster() {
    let audit = Audit::new();
    let arguments = audit.arguments();
    let cluster = Cluster::start(&Options { calico: vec![CalicoApi::Crd], arguments, ..Options::default() });
    let begun = Instant::now();
    let admin = cluster.admin();
    make(admin, NODES, |n| ("/api/v1/nodes".to_owned(), node(n)));
    make(admin, NAMESPACES, |n| {
        (
            "/api/v1/namespaces".to_owned(),
            json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace(n)}}),
        )
    });
    make(admin, SERVICES, |n| (format!("/api/v1/namespaces/{}/services", namespace(n)), service(n)));
    make(admin, SERVICES, |n| {
        (format!("/apis/discovery.k8s.io/v1/namespaces/{}/endpointslices", namespace(n)), slice(n))
    });
    make(admin, NODES, |n| {
        let (a, b) = (n / 250, n % 250);
        let spec = json!({"node": format!("node-{n}"), "cidr": format!("10.{a}.{b}.0/26"), "state": "confirmed", "deleted": "false"});
        let object = json!({
            "apiVersion": "crd.projectcalico.org/v1", "kind": "BlockAffinity",
            "metadata": {"name": format!("node-{n}-10-{a}-{b}-0-26")}, "spec": spec});
        ("/apis/crd.projectcalico.org/v1/blockaffinities".to_owned(), object)
    });
    println!("the cluster was filled in {:?}", begun.elapsed());
    let mut site = Site::prepare("kubernetes::scale::a_start_in_a_large_cluster", &cluster);
    site.apply(OBJECTS);
    site.apply(
        "{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {name: default}, spec: {
          nodeToNodeMeshEnabled: false, serviceClusterIPs: [{cidr: 10.101.0.0/16}],
          serviceExternalIPs: [{cidr: 203.0.113.0/24}]}}",
    );
    let begun = Instant::now();
    site.run();
    site.tor().wait_route(BLOCK);
    let first_route = begun.elapsed();
    let report = site.await_report("is in sync", |report| report["datastore"]["state"] == "in_sync");
    assert_eq!(count(&report, "Service"), SERVICES + 1, "{report}");
    assert_eq!(count(&report, "EndpointSlice"), SERVICES, "{report}");
    assert_eq!(count(&report, "Node"), NODES + 1, "{report}");
    assert_eq!(count(&report, "BlockAffinity"), 1, "{report}");
    println!("{:?} of CPU time until then", site.process().cpu_time());
    println!(
        "{NODES} nodes, {SERVICES} services with {ENDPOINTS} endpoints each: the first own route is on the wire {first_route:?} \
         after the start; {} KiB resident, {} KiB at most; {} connections, {} KiB from the API server, and so many requests: {}",
        site.process().memory("VmRSS") >> 10,
        site.process().memory("VmHWM") >> 10,
        site.door().connections(),
        site.door().octets() >> 10,
        requests(&audit).join(", "),
    );
    changes(&site);
}

/// A service whose address is advertised while an endpoint of the node is ready, and one that gets an outer address and loses it.
const SERVICES_THAT_CHANGE: &str = "
{apiVersion: v1, kind: Namespace, metadata: {name: wired}}
---
{apiVersion: v1, kind: Service, metadata: {name: front, namespace: wired}, spec: {
  type: NodePort, externalTrafficPolicy: Local, clusterIP: 10.101.0.79, clusterIPs: [10.101.0.79], ports: [{port: 80}]}}
---
{apiVersion: v1, kind: Service, metadata: {name: back, namespace: wired}, spec: {
  type: NodePort, externalTrafficPolicy: Local, ports: [{port: 80}]}}
---
{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {name: back-1, namespace: wired,
  labels: {kubernetes.io/service-name: back}}, ports: [{port: 80}],
  endpoints: [{addresses: [10.20.0.6], nodeName: worker-1, conditions: {ready: true}}]}
";

/// How long changes take from the API server's answer until the peer has them. Each is begun when the one before is with the peer.
fn changes(site: &Site) {
    site.apply(SERVICES_THAT_CHANGE);
    site.apply(&filter("Accept"));
    site.apply(&peer("out"));
    let mut times = Times::default();
    let (begun, busy) = (Instant::now(), site.process().cpu_time());
    for round in 0..ROUNDS {
        times.take(site, "EndpointSlice", &slice_of_front(true), (FRONT, true));
        times.take(site, "EndpointSlice", &slice_of_front(false), (FRONT, false));
        times.take(site, "Service", &back(&[OUTER]), (&format!("{OUTER}/32"), true));
        times.take(site, "Service", &back(&[]), (&format!("{OUTER}/32"), false));
        let block = format!("10.20.{}.{}/26", 1 + round / 4, round % 4 * 64);
        times.take(site, "BlockAffinity", &affinity(&block), (&block, true));
        times.of(site, "BlockAffinity", (&block, false), || site.delete("BlockAffinity", &name_of(&block)));
        times.take(site, "BGPFilter", &filter("Reject"), (BLOCK, false));
        times.take(site, "BGPPeer", &peer(""), (BLOCK, true));
        times.take(site, "BGPPeer", &peer("out"), (BLOCK, false));
        times.take(site, "BGPFilter", &filter("Accept"), (BLOCK, true));
    }
    let (took, busy) = (begun.elapsed(), site.process().cpu_time().saturating_sub(busy));
    times.print(took, busy);
}

fn slice_of_front(ready: bool) -> String {
    format!(
        "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {{name: front-1, namespace: wired, \
          labels: {{kubernetes.io/service-name: front}}}}, ports: [{{port: 80}}], \
          endpoints: [{{addresses: [10.20.0.5], nodeName: {NODE}, conditions: {{ready: {ready}}}}}]}}"
    )
}

fn back(outer: &[&str]) -> String {
    format!(
        "{{apiVersion: v1, kind: Service, metadata: {{name: back, namespace: wired}}, spec: {{\
           type: NodePort, externalTrafficPolicy: Local, externalIPs: [{}], ports: [{{port: 80}}]}}}}",
        outer.join(", ")
    )
}

fn affinity(block: &str) -> String {
    format!(
        "{{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {{name: {}}}, spec: {{
           state: confirmed, node: {NODE}, type: host, cidr: {block}, deleted: false}}}}",
        name_of(block)
    )
}

fn name_of(block: &str) -> String {
    format!("{NODE}-{}", block.replace(['.', '/'], "-"))
}

fn filter(action: &str) -> String {
    format!(
        "{{apiVersion: projectcalico.org/v3, kind: BGPFilter, metadata: {{name: out}}, spec: {{exportV4: [{{
           action: {action}, cidr: {BLOCK}, matchOperator: Equal}}]}}}}"
    )
}

fn peer(filters: &str) -> String {
    format!(
        "{{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {{name: tor}}, spec: {{
           peerIP: 10.0.0.2, asNumber: 65002, filters: [{filters}]}}}}"
    )
}

/// How long changes of a kind took.
#[derive(Default)]
struct Times(BTreeMap<&'static str, Vec<Duration>>);

impl Times {
    /// Applies a manifest, and waits until the peer has a prefix, or has it no more.
    fn take(&mut self, site: &Site, kind: &'static str, manifest: &str, wanted: (&str, bool)) {
        self.of(site, kind, wanted, || site.apply(manifest));
    }

    fn of(&mut self, site: &Site, kind: &'static str, (prefix, wanted): (&str, bool), change: impl FnOnce()) {
        change();
        let begun = Instant::now();
        while site.tor().paths(prefix).is_ok_and(|paths| paths.is_empty()) == wanted {
            assert!(begun.elapsed() < PATIENCE, "{kind}: {prefix} is not as wanted ({wanted})");
            // Who asks without a pause takes the time of those who are asked.
            thread::sleep(Duration::from_millis(1));
        }
        self.0.entry(kind).or_default().push(begun.elapsed());
    }

    fn print(&mut self, took: Duration, busy: Duration) {
        let all = self.0.values().map(Vec::len).sum::<usize>();
        let each = busy / u32::try_from(all).unwrap_or(u32::MAX).max(1);
        println!("{all} changes in {took:.1?}; {each:?} of CPU time of the node for each");
        for (kind, times) in &mut self.0 {
            times.sort_unstable();
            let at = |percent: usize| times.get(percent * (times.len() - 1) / 100).copied().unwrap_or_default();
            println!(
                "{kind}: {} changes, from the API server's answer to the peer: {:.1?} (p50), {:.1?} (p99), {:.1?} (max)",
                times.len(),
                at(50),
                at(99),
                at(100)
            );
        }
    }
}

/// How many requests of each kind there were. A watch counts once it has begun.
fn requests(audit: &Audit) -> Vec<String> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for event in audit.events() {
        *counts.entry(event["verb"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
    }
    assert!(["list", "watch", "get"].iter().all(|verb| counts.contains_key(*verb)), "{counts:?}");
    counts.into_iter().map(|(verb, count)| format!("{count} {verb}")).collect()
}
