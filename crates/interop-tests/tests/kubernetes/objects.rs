//! Objects go in, come back as they went in, and are told to whoever watches.

use heddle_interop_tests::kubernetes::client::parse;
use heddle_interop_tests::kubernetes::{CalicoApi, Cluster};
use serde_json::{Value, json};

/// One object of each kind, with every field that Heddle reads; `deleted` of an affinity differs between the APIs.
fn calico_objects(api: CalicoApi) -> Vec<Value> {
    let deleted = match api {
        CalicoApi::Crd => "'false'",
        CalicoApi::Native => "false",
    };
    let text = include_str!("calico.yaml").replace("API_VERSION", api.api_version()).replace("DELETED", deleted);
    parse(&text)
}

/// All kinds of Calico's in both APIs; no field is lost, and none that nobody knows stays.
pub(crate) fn of_calico(cluster: &Cluster) {
    for api in [CalicoApi::Crd, CalicoApi::Native] {
        let objects = calico_objects(api);
        assert_eq!(objects.len(), 7, "one of each kind");
        for object in &objects {
            cluster.admin().apply_object(object).unwrap_or_else(|error| panic!("{error}"));
            let path = cluster.admin().path(object).unwrap_or_else(|error| panic!("{error}"));
            let stored = cluster.admin().get(&path).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(without_defaults(stored["spec"].clone(), &object["spec"]), object["spec"], "{path}");
            assert_eq!(stored["status"], object["status"], "{path}");
        }
        for object in &objects {
            cluster.admin().delete_object(object).unwrap_or_else(|error| panic!("{error}"));
        }
    }
    let unknown = json!({
        "apiVersion": CalicoApi::Crd.api_version(), "kind": "BGPPeer", "metadata": {"name": "unknown"},
        "spec": {"peerIP": "10.0.0.1", "nobodyKnows": 1},
    });
    let stored = cluster.admin().post("/apis/crd.projectcalico.org/v1/bgppeers", &unknown);
    let stored = stored.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(stored["spec"], json!({"peerIP": "10.0.0.1"}));
    cluster.admin().delete_object(&unknown).unwrap_or_else(|error| panic!("{error}"));
}

/// What the definitions fill in is not what is compared.
fn without_defaults(mut stored: Value, given: &Value) -> Value {
    if let (Some(stored), Some(given)) = (stored.as_object_mut(), given.as_object()) {
        stored.retain(|key, _| given.contains_key(key));
    }
    stored
}

/// The kinds of Kubernetes' own that Heddle reads; the status that kubelets and others write comes along.
pub(crate) fn of_kubernetes(cluster: &Cluster) {
    let objects = parse(include_str!("kubernetes.yaml"));
    for object in &objects {
        cluster.admin().apply_object(object).unwrap_or_else(|error| panic!("{error}"));
    }
    let get = |path: &str| cluster.admin().get(path).unwrap_or_else(|error| panic!("{error}"));
    let node = get("/api/v1/nodes/worker-1");
    assert_eq!(node["metadata"]["annotations"]["projectcalico.org/IPv4Address"], "10.0.0.11/24");
    assert_eq!(node["spec"]["podCIDRs"], json!(["10.244.1.0/24"]));
    assert_eq!(node["status"]["addresses"][0]["address"], "10.0.0.11");
    let service = get("/api/v1/namespaces/web/services/front");
    assert_eq!(service["status"]["loadBalancer"]["ingress"][0]["ip"], "198.51.100.7");
    assert_eq!(service["spec"]["clusterIPs"], json!(["10.101.0.7", "fd00:96::7"]));
    let slice = get("/apis/discovery.k8s.io/v1/namespaces/web/endpointslices/front-1");
    assert_eq!(slice["endpoints"][0]["nodeName"], "worker-1");
    let secret = get("/api/v1/namespaces/kube-system/secrets/bgp-passwords");
    assert_eq!(secret["data"]["tor"], "c2VjcmV0");
    let pods = get("/api/v1/pods?fieldSelector=spec.nodeName%3Dworker-1");
    assert_eq!(pods["items"][0]["status"]["podIPs"], json!([{"ip": "10.244.1.5"}]));
    let elsewhere = get("/api/v1/pods?fieldSelector=spec.nodeName%3Dworker-2");
    assert_eq!(elsewhere["items"], json!([]));
    for object in objects.iter().rev() {
        // A pod that no kubelet ends stays for its grace period.
        let path = cluster.admin().path(object).unwrap_or_else(|error| panic!("{error}"));
        cluster.admin().delete(&format!("{path}?gracePeriodSeconds=0")).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// A watch from a list's version on: added, modified and deleted, each once and in order, and bookmarks of no other kind.
pub(crate) fn watched(cluster: &Cluster) {
    let path = "/apis/crd.projectcalico.org/v1/ippools";
    let list = cluster.admin().get(path).unwrap_or_else(|error| panic!("{error}"));
    let version = list["metadata"]["resourceVersion"].as_str().unwrap_or_else(|| panic!("no version: {list}"));
    let mut watch = cluster.admin().watch(path, version, 60).unwrap_or_else(|error| panic!("{error}"));
    let mut pool = json!({
        "apiVersion": "crd.projectcalico.org/v1", "kind": "IPPool", "metadata": {"name": "watched"},
        "spec": {"cidr": "10.20.0.0/16"},
    });
    cluster.admin().apply_object(&pool).unwrap_or_else(|error| panic!("{error}"));
    pool["spec"]["natOutgoing"] = json!(true);
    cluster.admin().apply_object(&pool).unwrap_or_else(|error| panic!("{error}"));
    cluster.admin().delete_object(&pool).unwrap_or_else(|error| panic!("{error}"));
    let mut seen = Vec::new();
    while seen.last().is_none_or(|(kind, _)| kind != "DELETED") {
        let event = watch.next().unwrap_or_else(|| panic!("the watch ended after {seen:?}"));
        let event = event.unwrap_or_else(|error| panic!("{error}"));
        let kind = event["type"].as_str().unwrap_or_default().to_owned();
        if kind != "BOOKMARK" {
            seen.push((kind, event["object"]["spec"]["natOutgoing"].clone()));
        }
    }
    let expected = [("ADDED", Value::Null), ("MODIFIED", json!(true)), ("DELETED", json!(true))];
    assert_eq!(seen, expected.map(|(kind, nat)| (kind.to_owned(), nat)));
}

/// The native API refuses what breaks a rule; the other stores it, so that whoever reads it has to look.
pub(crate) fn with_rules(cluster: &Cluster) {
    let broken = [
        ("BGPPeer", json!({"peerIP": "10.0.0.1", "peerSelector": "all()"})),
        ("BGPPeer", json!({"nextHopMode": "Sideways"})),
        ("BGPFilter", json!({"exportV4": [{"action": "Accept", "cidr": "10.0.0.0/8"}]})),
        ("BGPConfiguration", json!({"nodeToNodeMeshEnabled": false, "nodeMeshMaxRestartTime": "10s"})),
        ("BGPConfiguration", json!({"listenPort": 70000})),
        ("IPPool", json!({"cidr": "10.0.0.1/8"})),
        ("BlockAffinity", json!({"cidr": "10.0.0.0/26", "node": "a", "state": "undecided", "deleted": false})),
    ];
    for (kind, spec) in broken {
        let mut object = json!({"kind": kind, "metadata": {"name": "default"}, "spec": spec});
        object["apiVersion"] = json!(CalicoApi::Native.api_version());
        let refused = cluster.admin().apply_object(&object);
        assert!(refused.as_ref().is_err_and(|error| error.contains("422")), "{object}: {refused:?}");
        object["apiVersion"] = json!(CalicoApi::Crd.api_version());
        if kind == "BlockAffinity" {
            object["spec"]["deleted"] = json!("false");
        }
        cluster.admin().apply_object(&object).unwrap_or_else(|error| panic!("{error}"));
        cluster.admin().delete_object(&object).unwrap_or_else(|error| panic!("{error}"));
    }
}
