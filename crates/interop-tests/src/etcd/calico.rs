//! Calico's objects as `calicoctl` and Calico's IPAM write them into etcd.

use serde_json::{Value, json};

/// The key and the value of an object of `projectcalico.org/v3`; none: Calico keeps no objects of this kind in etcd.
#[must_use]
pub fn stored(object: &Value) -> Option<(String, String)> {
    let ours = node(object);
    let object = ours.as_ref().unwrap_or(object);
    let text = |at: &str| object.pointer(at).and_then(Value::as_str).unwrap_or_default();
    if text("/apiVersion") != "projectcalico.org/v3" {
        return None;
    }
    let plural = match text("/kind") {
        "Node" => "nodes",
        "BGPConfiguration" => "bgpconfigurations",
        "BGPPeer" => "bgppeers",
        "BGPFilter" => "bgpfilters",
        "IPPool" => "ippools",
        "CalicoNodeStatus" => "caliconodestatuses",
        "BlockAffinity" => {
            let (node, cidr) = (text("/spec/node"), text("/spec/cidr"));
            let family = if cidr.contains(':') { "ipv6" } else { "ipv4" };
            let key = format!("/calico/ipam/v2/host/{node}/{family}/block/{}", cidr.replacen('/', "-", 1));
            let deleted = object.pointer("/spec/deleted").is_some_and(|deleted| *deleted == json!(true));
            return Some((key, json!({"state": text("/spec/state"), "deleted": deleted}).to_string()));
        }
        _ => return None,
    };
    let key = format!("/calico/resources/v3/projectcalico.org/{plural}/{}", text("/metadata/name"));
    let mut value = object.clone();
    value["metadata"]["uid"] = json!("c4c8e2f0-6d3b-4a7c-9a3d-2f1f3a9d2b11");
    value["metadata"]["creationTimestamp"] = json!("2026-01-01T00:00:00Z");
    // Of a label that YAML takes for something else than a text, calicoctl makes one.
    if let Some(labels) = value.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        for label in labels.values_mut().filter(|label| !label.is_string()) {
            *label = json!(label.to_string());
        }
    }
    Some((key, value.to_string()))
}

/// Calico's node of a cluster's, with the addresses and the AS number of its annotations.
fn node(object: &Value) -> Option<Value> {
    if object["apiVersion"] != "v1" || object["kind"] != "Node" {
        return None;
    }
    let metadata = &object["metadata"];
    let said = |name: &str| metadata["annotations"][format!("projectcalico.org/{name}")].as_str();
    let as_number = said("ASNumber").and_then(|number| number.parse::<u32>().ok());
    Some(json!({
        "apiVersion": "projectcalico.org/v3", "kind": "Node",
        "metadata": {"name": metadata["name"], "labels": metadata["labels"]},
        "spec": {"bgp": {
            "ipv4Address": said("IPv4Address"), "ipv6Address": said("IPv6Address"), "asNumber": as_number}},
    }))
}
