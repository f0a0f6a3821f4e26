//! What deploy/ has, as an operator gives it to an API server.

use std::fs;
use std::process::Command;

use heddle_interop_tests::kubernetes::Cluster;
use heddle_interop_tests::netns::output;
use serde_json::{Value, json};

use crate::chart::{blocks, by_helm, by_kustomize, by_name, find, page, words};

/// The fields of a PodMonitor that are in use, as the operator of Prometheus defines them.
const POD_MONITOR: &str = "
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: podmonitors.monitoring.coreos.com}
spec:
  group: monitoring.coreos.com
  scope: Namespaced
  names: {kind: PodMonitor, listKind: PodMonitorList, plural: podmonitors, singular: podmonitor}
  versions:
    - name: v1
      served: true
      storage: true
      schema:
        openAPIV3Schema:
          type: object
          properties:
            spec:
              type: object
              required: [selector, podMetricsEndpoints]
              properties:
                selector: {type: object, properties: {matchLabels: {type: object, additionalProperties: {type: string}}}}
                podTargetLabels: {type: array, items: {type: string}}
                podMetricsEndpoints:
                  type: array
                  items: {type: object, properties: {port: {type: string}, path: {type: string}}}
";

/// The values that docs/migration.md has for `heddle.yaml`, and the node's label that it sets.
fn values_of_migration() -> (String, String) {
    let page = page("migration.md");
    let values = blocks(&page, "yaml").into_iter().find(|block| block.starts_with("nodePeer:\n"));
    let label = page.lines().find_map(|line| line.trim_start().strip_prefix("kubectl label node $NODE "));
    (values.expect("the page has values"), label.expect("the page has a label").to_owned())
}

/// The API server takes every object as it stands, by kustomize and by Helm, with few values and with those of a migration; both ways are the
/// same; pods have what they need, and no more.
pub(crate) fn accepted(cluster: &Cluster) {
    cluster.define(POD_MONITOR);
    let kustomized = by_kustomize("all");
    let all = "reflector.enabled=true,metrics.enabled=true,nodePeer.events=true,nodePeer.nativeStatus=true";
    let all = by_helm(&["--set", all]);
    assert_eq!(by_name(&kustomized), by_name(&all));

    let (values, label) = values_of_migration();
    let file = cluster.directory().join("migration-values.yaml");
    fs::write(&file, &values).expect("the directory can be written");
    let file = file.display().to_string();
    let image = ["--set", "image.repository=REGISTRY/heddle", "--set", "passwordSecrets={bgp-passwords}"];
    let migration = by_helm(&[&["--values", &file], &image[..]].concat());

    for (name, manifests) in [("all", &kustomized), ("plain", &by_helm(&[])), ("migration", &migration)] {
        let taken = apply(cluster, name, manifests);
        let taken = taken.lines().filter(|line| line.ends_with("serverside-applied (server dry run)")).count();
        let objects = by_name(manifests);
        assert_eq!(taken, objects.len(), "{name}");
        let asked = if name == "migration" { BirdCtl::Served } else { BirdCtl::NotServed };
        node_peer(&objects["DaemonSet heddle-node-peer"], asked);
    }
    let objects = by_name(&kustomized);
    reflector(&objects["Deployment heddle-route-reflector"], &objects["PodDisruptionBudget heddle-route-reflector"]);
    let pods = [&objects["DaemonSet heddle-node-peer"], &objects["Deployment heddle-route-reflector"]];
    monitor(&objects["PodMonitor heddle"], pods);

    // What the page says of the values is what they do.
    let pod = &by_name(&migration)["DaemonSet heddle-node-peer"]["spec"]["template"]["spec"];
    let (key, value) = label.split_once('=').expect("KEY=VALUE");
    assert_eq!(pod["nodeSelector"], json!({"kubernetes.io/os": "linux", key: value}));
    let container = &pod["containers"][0];
    let arguments = words(&container["args"]);
    let expected =
        ["node-peer", "--socket=/run/heddle/node-peer.sock", "--bird-ctl=/var/run/calico", "--protocol", "bird"];
    assert_eq!(arguments, expected);
    assert!(container["image"].as_str().is_some_and(|image| image.starts_with("REGISTRY/heddle:")), "{container}");
}

/// Whether `nodePeer.birdCtl` is set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BirdCtl {
    Served,
    NotServed,
}

/// What every node's pod has.
fn node_peer(object: &Value, bird_ctl: BirdCtl) {
    let spec = &object["spec"];
    assert_eq!(spec["updateStrategy"], json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}}));
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["priorityClassName"], "system-node-critical");
    let calico = json!({"name": "calico", "mountPath": "/var/run/calico", "readOnly": bird_ctl == BirdCtl::NotServed,
        "mountPropagation": "HostToContainer"});
    assert_eq!(pod["containers"][0]["volumeMounts"], json!([{"name": "run", "mountPath": "/run/heddle"}, calico]));
    assert_eq!(
        pod["volumes"],
        json!([
            {"name": "run", "hostPath": {"path": "/run/heddle", "type": "DirectoryOrCreate"}},
            {"name": "calico", "hostPath": {"path": "/var/run/calico", "type": "DirectoryOrCreate"}},
        ])
    );
    confined(spec);
}

/// What a reflector has: never two on a machine, never two gone at a time.
fn reflector(object: &Value, budget: &Value) {
    let spec = &object["spec"];
    assert_eq!(
        spec["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}})
    );
    assert!(spec["replicas"].as_u64().is_some_and(|replicas| replicas >= 2), "{spec}");
    let pod = &spec["template"]["spec"];
    assert_eq!(pod["priorityClassName"], "system-cluster-critical");
    assert_eq!(
        pod["affinity"],
        json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
            {"topologyKey": "kubernetes.io/hostname", "labelSelector": spec["selector"]}]}})
    );
    assert_eq!(budget["spec"], json!({"maxUnavailable": 1, "selector": spec["selector"]}));
    confined(spec);
}

/// What both have: the machine's network, two capabilities, a root that cannot be written, and probes that ask the program.
fn confined(spec: &Value) {
    let pod = &spec["template"]["spec"];
    assert_eq!(spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"]);
    assert_eq!(pod["terminationGracePeriodSeconds"], 30);
    assert_eq!(pod["tolerations"], json!([{"operator": "Exists"}]), "of all taints");
    assert_eq!((&pod["hostNetwork"], &pod["dnsPolicy"]), (&json!(true), &json!("Default")));
    for none in ["hostPID", "hostIPC", "securityContext", "initContainers"] {
        assert!(pod[none].is_null(), "{none}");
    }
    let containers = pod["containers"].as_array().map(Vec::as_slice).unwrap_or_default();
    let [container] = containers else { panic!("{containers:?}") };
    assert_eq!(
        container["securityContext"],
        json!({
            "runAsUser": 0, "runAsGroup": 0,
            "allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
            "capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN", "NET_BIND_SERVICE"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        })
    );
    let socket = words(&container["args"]).into_iter().find_map(|word| word.strip_prefix("--socket="));
    let socket = socket.expect("a socket");
    let ask = |more: &[&str]| {
        let command = [&["/heddle", "health"], more, &["--socket", socket]].concat();
        json!({"command": command})
    };
    assert_eq!(container["startupProbe"]["exec"], ask(&["--live"]));
    assert_eq!(
        container["livenessProbe"],
        json!({"exec": ask(&["--live"]), "periodSeconds": 10, "timeoutSeconds": 10, "failureThreshold": 6})
    );
    assert_eq!(container["readinessProbe"], json!({"exec": ask(&[]), "periodSeconds": 5, "timeoutSeconds": 5}));
}

/// Prometheus' operator finds the port that each pod listens on.
fn monitor(object: &Value, pods: [&Value; 2]) {
    let spec = &object["spec"];
    assert_eq!(spec["podMetricsEndpoints"], json!([{"port": "metrics", "path": "/metrics"}]));
    for pod in pods {
        let template = &pod["spec"]["template"];
        let selector = spec["selector"]["matchLabels"].as_object().expect("labels");
        assert!(!selector.is_empty());
        for (label, value) in selector {
            assert_eq!(&template["metadata"]["labels"][label], value);
        }
        let container = &template["spec"]["containers"][0];
        let port = container["ports"].as_array().into_iter().flatten().find(|port| port["name"] == "metrics");
        let port = &port.expect("a port of this name")["containerPort"];
        let listens = words(&container["args"]).into_iter().find_map(|word| word.strip_prefix("--metrics="));
        assert_eq!(listens, Some(&*format!("0.0.0.0:{port}")));
    }
}

/// Applies manifests without effect; fields that the API server does not know are errors.
#[track_caller]
fn apply(cluster: &Cluster, name: &str, manifests: &str) -> String {
    let file = cluster.directory().join(format!("deploy-{name}.yaml"));
    fs::write(&file, manifests).expect("the directory can be written");
    let mut command = Command::new(find("kubectl"));
    command.env("HOME", cluster.directory()).arg("--kubeconfig").arg(cluster.kubeconfig(None, None));
    command.args(["apply", "--server-side", "--dry-run=server", "-f"]).arg(file);
    output(command)
}
