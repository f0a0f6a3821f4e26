//! Objects for an API server, and what a datastore makes of them.

use std::sync::Arc;
use std::time::Duration;

use heddle_datastore::{Datastore, State};
use heddle_resources::{Key, Kind, Object, Snapshot};
use serde_json::{Value, json};

use super::STORED;

pub(crate) fn calico_in(api: &str, kind: &str, name: &str, spec: Value) -> Value {
    json!({ "apiVersion": api, "kind": kind, "metadata": { "name": name }, "spec": spec })
}

pub(crate) fn calico(kind: &str, name: &str, spec: Value) -> Value {
    calico_in(STORED, kind, name, spec)
}

pub(crate) fn peer(name: &str) -> Value {
    calico("BGPPeer", name, json!({ "peerIP": "192.0.2.1", "asNumber": 65001 }))
}

pub(crate) fn peer_with_password(name: &str, secret: &str) -> Value {
    let password = json!({ "secretKeyRef": { "name": secret, "key": "password" } });
    calico("BGPPeer", name, json!({ "peerIP": "192.0.2.1", "asNumber": 65001, "password": password }))
}

pub(crate) fn pool(number: usize) -> Value {
    calico("IPPool", &format!("pool-{number}"), json!({ "cidr": format!("10.{number}.0.0/16") }))
}

pub(crate) fn node(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": name, "labels": { "rack": "1" },
            "annotations": { "projectcalico.org/IPv4Address": "10.0.0.1/24", "projectcalico.org/ASNumber": "65000" },
        },
        "spec": { "podCIDRs": ["10.1.0.0/24"] },
        "status": { "images": [{ "names": ["large"] }] },
    })
}

pub(crate) fn service(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Service", "metadata": { "name": name, "namespace": "default" },
        "spec": { "clusterIP": "10.96.0.1", "ports": [{ "port": 80 }] },
    })
}

pub(crate) fn slice(name: &str) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
        "metadata": { "name": name, "namespace": "default", "labels": { "kubernetes.io/service-name": name } },
        "endpoints": [{ "addresses": ["10.1.0.9"], "nodeName": "n1" }],
    })
}

pub(crate) fn secret(name: &str, password: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": { "name": name, "namespace": "kube-system" },
        "stringData": { "password": password },
    })
}

pub(crate) fn affinity(node: &str, number: usize) -> Value {
    let spec = json!({ "node": node, "cidr": format!("10.9.{number}.0/26"), "state": "confirmed", "deleted": "false" });
    calico("BlockAffinity", &format!("{node}-10-9-{number}-0-26"), spec)
}

pub(crate) fn advertising() -> Value {
    calico("BGPConfiguration", "default", json!({ "serviceClusterIPs": [{ "cidr": "10.96.0.0/12" }] }))
}

/// Waits until the datastore is so; longer than this nothing takes.
pub(crate) async fn until(datastore: &Datastore, what: &str, is_so: impl Fn(&Datastore) -> bool) {
    let mut news = datastore.news();
    let waiting = async {
        while !is_so(datastore) {
            news.changed().await.expect("it runs");
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(90), waiting).await;
    assert!(done.is_ok(), "never: {what}; {:#?}", datastore.status());
}

pub(crate) fn in_sync(datastore: &Datastore) -> bool {
    matches!(datastore.status().state, State::InSync)
}

pub(crate) async fn synced(datastore: &Datastore) -> Arc<Snapshot> {
    until(datastore, "in sync", |d| in_sync(d) && d.snapshot().is_some()).await;
    datastore.snapshot().expect("it is in sync")
}

pub(crate) fn names(snapshot: &Snapshot) -> Vec<String> {
    snapshot.iter().map(|o| o.key().to_string()).collect()
}

pub(crate) fn has(datastore: &Datastore, key: &str) -> bool {
    datastore.snapshot().is_some_and(|s| names(&s).iter().any(|name| name == key))
}

pub(crate) fn problems(datastore: &Datastore, origin: &str) -> Vec<String> {
    let status = datastore.status();
    status.problems.get(origin).into_iter().flat_map(|list| list.iter()).map(ToString::to_string).collect()
}

/// The password in a Secret.
pub(crate) fn password(datastore: &Datastore, name: &str) -> Option<String> {
    let snapshot = datastore.snapshot()?;
    let key = Key::namespaced(Kind::Secret, "kube-system", name);
    let Object::Secret(secret) = snapshot.get(&key)?.clone() else { return None };
    Some(String::from_utf8_lossy(secret.password("password").ok()?.reveal()).into_owned())
}
