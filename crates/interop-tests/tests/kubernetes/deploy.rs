//! What deploy/ has, as an operator gives it to an API server.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

use heddle_interop_tests::kubernetes::client::parse;
use heddle_interop_tests::kubernetes::{Cluster, program};
use serde_json::Value;

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

fn project(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)
}

/// The standard output of a program that has to succeed.
#[track_caller]
fn output(mut command: Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The API server takes every object as it stands, by kustomize and by Helm; both are the same; roles are those that
/// the documentation names, which the other cases' node has.
pub(crate) fn accepted(cluster: &Cluster) {
    let (kubectl, helm) = (find("kubectl"), find("helm"));
    cluster.define(POD_MONITOR);
    let by_kustomize = output({
        let mut command = Command::new(&kubectl);
        command.arg("kustomize").arg(project("deploy/kustomize/all"));
        command
    });
    let by_helm = output({
        let mut command = Command::new(&helm);
        command.args(["template", "heddle"]).arg(project("deploy/helm/heddle")).args(["--namespace", "kube-system"]);
        command.args(["--set", "reflector.enabled=true,metrics.enabled=true"]);
        command
    });
    assert_eq!(by_name(&by_kustomize), by_name(&by_helm));
    let taken = apply(cluster, &kubectl, "all", &by_kustomize);
    let all = by_name(&by_kustomize).len();
    assert_eq!(
        taken.lines().filter(|line| line.ends_with("serverside-applied (server dry run)")).count(),
        all,
        "{taken}"
    );

    let passwords = output({
        let mut command = Command::new(&helm);
        command.args(["template", "heddle"]).arg(project("deploy/helm/heddle")).args(["--namespace", "kube-system"]);
        command.args(["--set", "passwordSecrets={bgp-passwords}"]);
        command
    });
    apply(cluster, &kubectl, "passwords", &passwords);
    let chart = by_name(&passwords);
    let page = std::fs::read_to_string(project("docs/datastore.md")).expect("the page is there");
    let blocks = page.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let documented: Vec<Value> = blocks.filter(|block| block.contains("ClusterRole")).flat_map(parse).collect();
    let rules = |objects: &mut dyn Iterator<Item = &Value>, kind: &str| -> Vec<String> {
        let of_kind = objects.filter(|object| object["kind"] == kind);
        let mut rules: Vec<String> =
            of_kind.flat_map(|o| o["rules"].as_array().into_iter().flatten()).map(ToString::to_string).collect();
        rules.sort_unstable();
        rules
    };
    for kind in ["ClusterRole", "Role"] {
        assert_eq!(rules(&mut chart.values(), kind), rules(&mut documented.iter(), kind), "{kind}");
    }
}

fn find(name: &str) -> PathBuf {
    program(name).unwrap_or_else(|error| panic!("{error}"))
}

/// Objects by kind and name.
fn by_name(manifests: &str) -> BTreeMap<String, Value> {
    let name = |object: &Value| format!("{} {}", object["kind"], object["metadata"]["name"]);
    parse(manifests).into_iter().map(|object| (name(&object), object)).collect()
}

/// Applies manifests without effect; fields that the API server does not know are errors.
#[track_caller]
fn apply(cluster: &Cluster, kubectl: &Path, name: &str, manifests: &str) -> String {
    let file = cluster.directory().join(format!("deploy-{name}.yaml"));
    std::fs::write(&file, manifests).expect("the directory can be written");
    let mut command = Command::new(kubectl);
    command.env("HOME", cluster.directory()).arg("--kubeconfig").arg(cluster.kubeconfig(None, None));
    command.args(["apply", "--server-side", "--dry-run=server", "-f"]).arg(file);
    output(command)
}
