//! What a large cluster costs a node that starts: printed, not judged.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use heddle_interop_tests::kubernetes::client::Client;
use heddle_interop_tests::kubernetes::{CalicoApi, Cluster, Options};
use heddle_interop_tests::peers::Daemon as _;
use heddle_interop_tests::wait::PATIENCE;
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::site::{ACCOUNT, BLOCK, NODE, OBJECTS, Site, count};

const NODES: usize = 1000;
const SERVICES: usize = 5000;
const ENDPOINTS: usize = 4;
const NAMESPACES: usize = 50;
const WORKERS: usize = 8;
/// How often each change is made that is timed.
const CHANGES: usize = 50;

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
          nodeToNodeMeshEnabled: false, serviceClusterIPs: [{cidr: 10.101.0.0/16}]}}",
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
        audit.requests().join(", "),
    );
    changes(&site);
}

/// How long changes take from the API server's answer until the peer has them.
fn changes(site: &Site) {
    let mut times: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    let mut measure = |what, manifest: &str, prefix: &str, wanted: bool| {
        site.apply(manifest);
        let begun = Instant::now();
        while site.tor().paths(prefix).is_ok_and(|paths| paths.is_empty()) == wanted {
            assert!(begun.elapsed() < PATIENCE, "{what}: {prefix} is not as wanted: {manifest}");
            // Who asks without a pause takes the time of those who are asked.
            thread::sleep(Duration::from_millis(1));
        }
        times.entry(what).or_default().push(begun.elapsed());
    };
    site.apply("{apiVersion: v1, kind: Namespace, metadata: {name: wired}}");
    site.apply(
        "{apiVersion: v1, kind: Service, metadata: {name: front, namespace: wired}, spec: {
          type: NodePort, externalTrafficPolicy: Local, clusterIP: 10.101.0.79, clusterIPs: [10.101.0.79],
          ports: [{port: 80}]}}",
    );
    let filter = |action: &str| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: BGPFilter, metadata: {{name: out}}, spec: {{exportV4: [{{
               action: {action}, cidr: {BLOCK}, matchOperator: Equal}}]}}}}"
        )
    };
    let peer = |filters: &str| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {{name: tor}}, spec: {{
               peerIP: 10.0.0.2, asNumber: 65002, filters: [{filters}]}}}}"
        )
    };
    let busy = site.process().cpu_time();
    for round in 0..CHANGES {
        let slice = |ready: bool| {
            format!(
                "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {{name: front-1, namespace: wired, \
                  labels: {{kubernetes.io/service-name: front}}}}, ports: [{{port: 80}}], \
                  endpoints: [{{addresses: [10.20.0.5], nodeName: {NODE}, conditions: {{ready: {ready}}}}}]}}"
            )
        };
        measure("EndpointSlice", &slice(true), "10.101.0.79/32", true);
        measure("EndpointSlice", &slice(false), "10.101.0.79/32", false);
        let block = format!("10.20.{}.{}/26", 1 + round / 4, round % 4 * 64);
        let name = block.replace(['.', '/'], "-");
        let affinity = format!(
            "{{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {{name: {NODE}-{name}}}, spec: {{
               state: confirmed, node: {NODE}, type: host, cidr: {block}, deleted: false}}}}"
        );
        measure("BlockAffinity", &affinity, &block, true);
        if round == 0 {
            site.apply(&filter("Accept"));
            site.apply(&peer("out"));
        }
        measure("BGPFilter", &filter("Reject"), BLOCK, false);
        measure("BGPPeer", &peer(""), BLOCK, true);
        measure("BGPPeer", &peer("out"), BLOCK, false);
        measure("BGPFilter", &filter("Accept"), BLOCK, true);
    }
    let busy = site.process().cpu_time().saturating_sub(busy);
    let all = u32::try_from(times.values().map(Vec::len).sum::<usize>()).unwrap_or(u32::MAX);
    println!("{:?} of CPU time of the node for each change", busy / all.max(1));
    for (what, times) in &mut times {
        times.sort_unstable();
        let at =
            |percent: usize| times.get((times.len() * percent / 100).min(times.len() - 1)).copied().unwrap_or_default();
        println!(
            "{what}: {} changes, from the API server's answer to the peer: {:?} (median), {:?} (p99)",
            times.len(),
            at(50),
            at(99)
        );
    }
}

/// What the API server writes down of the node's requests.
struct Audit(TempDir);

impl Audit {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (namespace, name) = ACCOUNT;
        let policy = json!({
            "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
            "rules": [{"level": "Metadata", "users": [format!("system:serviceaccount:{namespace}:{name}")]}],
        });
        fs::write(directory.path().join("policy.json"), policy.to_string()).expect("the directory can be written");
        Self(directory)
    }

    fn log(&self) -> PathBuf {
        self.0.path().join("audit.log")
    }

    fn arguments(&self) -> Vec<String> {
        let policy = self.0.path().join("policy.json");
        vec![format!("--audit-policy-file={}", policy.display()), format!("--audit-log-path={}", self.log().display())]
    }

    /// How many of each kind there were. A watch counts once it has begun.
    fn requests(&self) -> Vec<String> {
        let log = fs::read_to_string(self.log()).unwrap_or_default();
        let mut counts: BTreeMap<String, u64> = BTreeMap::new();
        for event in log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()) {
            let wanted = if event["verb"] == "watch" { "ResponseStarted" } else { "ResponseComplete" };
            if event["stage"] == wanted {
                *counts.entry(event["verb"].as_str().unwrap_or_default().to_owned()).or_default() += 1;
            }
        }
        assert!(counts.contains_key("list") && counts.contains_key("watch") && counts.contains_key("get"), "{log}");
        counts.into_iter().map(|(verb, count)| format!("{count} {verb}")).collect()
    }
}
