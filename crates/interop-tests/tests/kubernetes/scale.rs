//! What a large cluster costs a node that starts: printed, not judged.

use std::thread;
use std::time::Instant;

use heddle_interop_tests::kubernetes::client::Client;
use heddle_interop_tests::kubernetes::{CalicoApi, Cluster, Options};
use heddle_interop_tests::peers::Daemon as _;
use serde_json::{Map, Value, json};

use crate::site::{BLOCK, OBJECTS, Site, count};

const NODES: usize = 1000;
const SERVICES: usize = 5000;
const ENDPOINTS: usize = 4;
const NAMESPACES: usize = 50;
const WORKERS: usize = 8;

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

/// A number of `/proc/PID/status`, in KiB.
fn kib(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or_default()
}

/// A node starts in a cluster of 1,000 nodes and 5,000 services that it may have to advertise.
pub(crate) fn a_start_in_a_large_cluster() {
    let cluster = Cluster::start(&Options { calico: vec![CalicoApi::Crd], ..Options::default() });
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
    let verbs = ["LIST", "WATCH", "GET"];
    let before = verbs.map(|verb| site.requests("", verb));
    let begun = Instant::now();
    site.run();
    site.tor().wait_route(BLOCK);
    let first_route = begun.elapsed();
    let report = site.await_report("is in sync", |report| report["datastore"]["state"] == "in_sync");
    assert_eq!(count(&report, "Service"), SERVICES + 1, "{report}");
    assert_eq!(count(&report, "EndpointSlice"), SERVICES, "{report}");
    assert_eq!(count(&report, "Node"), NODES + 1, "{report}");
    assert_eq!(count(&report, "BlockAffinity"), 1, "{report}");
    let after = verbs.map(|verb| site.requests("", verb));
    let requests: Vec<String> = verbs
        .iter()
        .zip(before.iter().zip(after))
        .map(|(verb, (before, after))| format!("{} {verb}", after - before))
        .collect();
    let status = site.status_of_process();
    println!(
        "{NODES} nodes, {SERVICES} services with {ENDPOINTS} endpoints each: the first own route is on the wire {first_route:?} \
         after the start; {} KiB resident, {} KiB at most; {} connections, {} KiB from the API server, and so many requests of \
         all its clients meanwhile: {}",
        kib(&status, "VmRSS:"),
        kib(&status, "VmHWM:"),
        site.door().connections(),
        site.door().octets() >> 10,
        requests.join(", "),
    );
}
