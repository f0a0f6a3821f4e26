//! What a cluster of 1,000 nodes and 5,000 services costs a node: memory is asserted, the rest is printed.

mod api_server;

use std::sync::mpsc;
use std::time::{Duration, Instant};

use api_server::{ApiServer, STORED};
use heddle_datastore::{Datastore, Event};
use serde_json::{Value, json};

const NODES: usize = 1000;
const SERVICES: usize = 5000;
const ENDPOINTS: usize = 4;
/// What may be in use at any time.
const MOST: u64 = 20 << 20;

fn node(number: usize) -> Value {
    // As large as kubelets make them: images, conditions, labels, and who wrote which field.
    let images: Vec<Value> = (0..50)
        .map(|i| json!({ "names": [format!("registry.example.org/team/image-{i}@sha256:{i:064}")], "sizeBytes": 123_456_789 }))
        .collect();
    let labels: serde_json::Map<String, Value> =
        (0..15).map(|i| (format!("example.org/label-{i}"), format!("value-{i}-{}", number % 40).into())).collect();
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": format!("node-{number}"), "uid": format!("00000000-0000-0000-0000-{number:012}"), "labels": labels,
            "annotations": {
                "projectcalico.org/IPv4Address": format!("10.{}.{}.1/16", 64 + number / 250, number % 250),
                "projectcalico.org/IPv4VXLANTunnelAddr": "192.168.0.1",
                "node.alpha.kubernetes.io/ttl": "0",
            },
        },
        "spec": { "podCIDRs": [format!("10.{}.{}.0/24", number / 250, number % 250)] },
        "status": {
            "images": images,
            "conditions": [{ "type": "Ready", "status": "True", "message": "kubelet is posting ready status" }],
            "addresses": [
                { "type": "InternalIP", "address": format!("10.{}.{}.1", 64 + number / 250, number % 250) },
                { "type": "Hostname", "address": format!("node-{number}") },
            ],
        },
    })
}

fn service(number: usize) -> Value {
    let address = format!("10.96.{}.{}", number / 250, number % 250);
    json!({
        "apiVersion": "v1", "kind": "Service",
        "metadata": {
            "name": format!("service-{number}"), "namespace": format!("team-{}", number % 100),
            "uid": format!("00000000-0000-0000-0001-{number:012}"),
            "labels": { "app": format!("app-{number}"), "team": "x" }, "annotations": { "example.org/owner": "somebody" },
        },
        "spec": {
            "type": "ClusterIP", "clusterIP": address, "clusterIPs": [address], "ipFamilies": ["IPv4"],
            "ports": [{ "name": "http", "port": 80, "protocol": "TCP" }], "selector": { "app": format!("app-{number}") },
        },
    })
}

fn slice(number: usize) -> Value {
    let endpoint = |i: usize| {
        let of = (number * ENDPOINTS + i) % NODES;
        json!({
            "addresses": [format!("10.{}.{}.{}", of / 250, of % 250, number % 250)], "nodeName": format!("node-{of}"),
            "conditions": { "ready": true, "serving": true, "terminating": false },
            "targetRef": { "kind": "Pod", "name": format!("pod-{number}-{i}"), "namespace": "team" },
        })
    };
    let endpoints: Vec<Value> = (0..ENDPOINTS).map(endpoint).collect();
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": {
            "name": format!("service-{number}-abcde"), "namespace": format!("team-{}", number % 100),
            "uid": format!("00000000-0000-0000-0002-{number:012}"),
            "labels": { "kubernetes.io/service-name": format!("service-{number}"), "app": format!("app-{number}") },
            "annotations": { "endpoints.kubernetes.io/last-change-trigger-time": "2026-01-01T00:00:00Z" },
        },
        "endpoints": endpoints,
    })
}

/// The server, in a thread of its own: what it needs is not what is counted.
fn serve() -> (ApiServer, impl Drop) {
    struct Stop(Option<tokio::sync::oneshot::Sender<()>>);
    impl Drop for Stop {
        fn drop(&mut self) {
            self.0.take().map(|stop| stop.send(()));
        }
    }
    let ((tell, told), (stop, stopped)) = (mpsc::channel(), tokio::sync::oneshot::channel());
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(async {
            let server = ApiServer::start().await;
            (0..NODES).for_each(|n| server.set(node(n)));
            (0..SERVICES).for_each(|n| {
                server.set(service(n));
                server.set(slice(n));
            });
            let calico = |kind: &str, name: &str, spec: Value| {
                server.set(json!({ "apiVersion": STORED, "kind": kind, "metadata": { "name": name }, "spec": spec }));
            };
            calico("BGPConfiguration", "default", json!({ "serviceClusterIPs": [{ "cidr": "10.96.0.0/12" }] }));
            calico("IPPool", "pool", json!({ "cidr": "10.0.0.0/8" }));
            for n in 0..NODES {
                let (a, b) = (n / 250, n % 250);
                let spec = json!({
                    "node": format!("node-{n}"), "cidr": format!("10.{a}.{b}.0/26"), "state": "confirmed", "deleted": "false",
                });
                calico("BlockAffinity", &format!("node-{n}-10-{a}-{b}-0-26"), spec);
            }
            tell.send(server).expect("somebody waits");
            let _ = stopped.await;
        });
    });
    (told.recv().expect("a server"), Stop(Some(stop)))
}

#[test]
fn a_large_cluster_costs_little() {
    let (server, _stop) = serve();
    let options = heddle_datastore::KubernetesOptions::of("node-1");
    let mut kept = None;
    let (mut took, mut busy) = (Duration::ZERO, Duration::ZERO);
    let memory = allocation_counter::measure(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let begun = (Instant::now(), cpu_time());
        let (datastore, watch) = runtime.block_on(async {
            let datastore = Datastore::start(server.source_with(options));
            let mut watch = datastore.subscribe();
            let first = tokio::time::timeout(Duration::from_secs(120), watch.next()).await.expect("it comes");
            let Some(Event::Snapshot(snapshot)) = first else { panic!("{:?}", datastore.status()) };
            assert_eq!(snapshot.len(), NODES + 2 * SERVICES + 2 + 1, "{:?}", datastore.status());
            (datastore, watch)
        });
        took = begun.0.elapsed();
        busy = cpu_time().saturating_sub(begun.1);
        kept = Some((runtime, datastore, watch));
    });
    let bytes = u64::try_from(memory.bytes_current).expect("more than none");
    println!(
        "{NODES} nodes, {SERVICES} services with {ENDPOINTS} endpoints: {:.1} MiB kept, {:.1} MiB at most, {} allocations, \
         {} requests, first snapshot after {took:?}, {busy:?} of CPU time in this thread",
        mebibytes(bytes),
        mebibytes(memory.bytes_max),
        memory.count_total,
        server.requests(&[]).len(),
    );
    assert!(memory.bytes_max < MOST, "{memory:?}");
}

#[allow(clippy::cast_precision_loss, reason = "for people")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}

/// The CPU time of this thread.
fn cpu_time() -> Duration {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|n| n.parse().ok()).unwrap_or_default())
}
