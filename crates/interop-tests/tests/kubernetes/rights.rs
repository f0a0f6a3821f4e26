//! What the chart grants, beside what Calico's manifests grant to the service account `calico-node`.

use std::collections::{BTreeMap, BTreeSet};

use heddle_interop_tests::kubernetes::Cluster;
use heddle_interop_tests::kubernetes::client::parse;
use serde_json::{Value, json};

use crate::chart::{blocks, by_helm, by_name, page, words};

/// API group, resource, verb.
type Grant = (String, String, String);

/// What the ClusterRole `calico-node` grants in each of the manifests of Calico 3.29 to 3.33 (`calico.yaml`, `calico-typha.yaml`,
/// `calico-v3-crds.yaml`), but for what is about named objects: groups, resources, verbs. From 3.32 on, `projectcalico.org` has what
/// `crd.projectcalico.org` has; before, Calico's API server alone has that group.
const CALICO_NODE: [(&str, &str, &str); 14] = [
    ("", "configmaps", "get"),
    ("", "endpoints namespaces nodes pods services", "get list watch"),
    ("", "serviceaccounts", "list watch"),
    ("", "pods/status", "patch"),
    ("", "nodes/status", "patch update"),
    ("apps", "daemonsets", "get"),
    ("discovery.k8s.io", "endpointslices", "list watch"),
    ("networking.k8s.io", "networkpolicies", "list watch"),
    (CALICO, "ipamhandles", "create delete get list update"),
    (CALICO, "blockaffinities ipamblocks", "create delete get list update watch"),
    (CALICO, "ipamconfigs", "create get"),
    (
        CALICO,
        "bgpconfigurations bgppeers clusterinformations felixconfigurations ippools",
        "create get list update watch",
    ),
    (CALICO, "caliconodestatuses", "get list update watch"),
    (
        CALICO,
        "bgpfilters globalnetworkpolicies globalnetworksets hostendpoints ipreservations networkpolicies networksets tiers",
        "get list watch",
    ),
];

const CALICO: &str = "crd.projectcalico.org projectcalico.org";

/// Rules as a ClusterRole has them.
fn calico_node() -> Vec<Value> {
    let all = |text: &str| -> Value { text.split(' ').collect() };
    let rule = |(groups, resources, verbs)| json!({"apiGroups": all(groups), "resources": all(resources), "verbs": all(verbs)});
    CALICO_NODE.map(rule).to_vec()
}

/// One by one.
fn grants(rules: &Value) -> BTreeSet<Grant> {
    let mut all = BTreeSet::new();
    for rule in rules.as_array().into_iter().flatten() {
        for group in words(&rule["apiGroups"]) {
            for resource in words(&rule["resources"]) {
                all.extend(words(&rule["verbs"]).into_iter().map(|verb| (group.into(), resource.into(), verb.into())));
            }
        }
    }
    all
}

fn grant(group: &str, resource: &str, verb: &str) -> Grant {
    (group.into(), resource.into(), verb.into())
}

/// The base roles are within what calico-node has, right by right; each of the optional ones is one right more; Secrets are read by their
/// names. The API server, which lets nobody grant what he has not, says the same. The documentation names these roles.
pub(crate) fn within_calico_node(cluster: &Cluster) {
    let base = by_name(&by_helm(&["--set", "reflector.enabled=true"]));
    let all = "reflector.enabled=true,nodePeer.events=true,nodePeer.nativeStatus=true,passwordSecrets={bgp-passwords}";
    let all = by_name(&by_helm(&["--set", all]));
    let theirs = grants(&Value::Array(calico_node()));
    let roles = |objects: &BTreeMap<String, Value>| -> Vec<String> {
        objects.keys().filter(|name| name.starts_with("ClusterRole ") || name.starts_with("Role ")).cloned().collect()
    };
    assert_eq!(roles(&base), ["ClusterRole heddle-node-peer", "ClusterRole heddle-route-reflector"]);
    for name in roles(&base) {
        let more: Vec<_> = grants(&base[&name]["rules"]).difference(&theirs).cloned().collect();
        assert!(more.is_empty(), "{name} has more than calico-node: {more:?}");
        assert_eq!(base[&name]["rules"], all[&name]["rules"], "{name} does not depend on what is optional");
    }
    let optional = [
        ("ClusterRole heddle-node-peer-events", vec![grant("", "events", "create")]),
        (
            "ClusterRole heddle-node-peer-status",
            ["crd.projectcalico.org", "projectcalico.org"]
                .map(|of| grant(of, "caliconodestatuses/status", "update"))
                .to_vec(),
        ),
        ("Role heddle-bgp-passwords", vec![grant("", "secrets", "get"), grant("", "secrets", "watch")]),
    ];
    assert_eq!(roles(&all).len(), roles(&base).len() + optional.len());
    for (name, wanted) in &optional {
        assert_eq!(grants(&all[*name]["rules"]), wanted.iter().cloned().collect(), "{name}");
    }
    assert_eq!(all["Role heddle-bgp-passwords"]["rules"][0]["resourceNames"], json!(["bgp-passwords"]));
    judged_by_the_server(cluster, &base, &all);
    documented(&all);
}

/// Whoever has calico-node's rights, and that of making roles, may make the base ones and no others.
fn judged_by_the_server(cluster: &Cluster, base: &BTreeMap<String, Value>, all: &BTreeMap<String, Value>) {
    let token = cluster.service_account("kube-system", "calico-node");
    let metadata = json!({"name": "calico-node"});
    let mut rules = calico_node();
    rules.push(json!({"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["create", "patch"]}));
    let group = "rbac.authorization.k8s.io";
    let role =
        json!({"apiVersion": format!("{group}/v1"), "kind": "ClusterRole", "metadata": metadata, "rules": rules});
    let binding = json!({
        "apiVersion": format!("{group}/v1"), "kind": "ClusterRoleBinding", "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": "calico-node"},
        "subjects": [{"kind": "ServiceAccount", "name": "calico-node", "namespace": "kube-system"}],
    });
    for object in [&role, &binding] {
        cluster.admin().apply_object(object).unwrap_or_else(|error| panic!("{error}"));
    }
    let node = cluster.client(&token);
    for (name, role) in all.iter().filter(|(name, _)| name.starts_with("ClusterRole ")) {
        let made = node.apply_object(role);
        if base.contains_key(name) {
            made.unwrap_or_else(|error| panic!("{name}: {error}"));
        } else {
            let refused = made.expect_err("it grants more than calico-node has");
            assert!(refused.contains("attempting to grant RBAC permissions not currently held"), "{name}: {refused}");
        }
    }
}

/// What the page says that a node needs is what the chart grants it; the other cases' node has the rights of the page.
fn documented(all: &BTreeMap<String, Value>) {
    let page = page("datastore.md");
    let documented: Vec<Value> = blocks(&page, "yaml")
        .iter()
        .filter(|block| block.contains("ClusterRole"))
        .flat_map(|block| parse(block))
        .collect();
    let rules = |objects: &mut dyn Iterator<Item = &Value>, kind: &str| -> Vec<String> {
        let of_kind = objects.filter(|object| object["kind"] == kind);
        let mut rules: Vec<String> =
            of_kind.flat_map(|o| o["rules"].as_array().into_iter().flatten()).map(ToString::to_string).collect();
        rules.sort_unstable();
        rules
    };
    let of_nodes = || all.values().filter(|object| object["metadata"]["name"] != "heddle-route-reflector");
    for kind in ["ClusterRole", "Role"] {
        assert_eq!(rules(&mut of_nodes(), kind), rules(&mut documented.iter(), kind), "{kind}");
    }
}
