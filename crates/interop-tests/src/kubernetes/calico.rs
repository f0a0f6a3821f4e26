//! Calico's objects as a cluster keeps them, made from what people write.
//!
//! People (and `calicoctl`) write `projectcalico.org/v3`. A cluster keeps a Calico node in annotations of the node of Kubernetes, and most
//! clusters keep the other kinds in `crd.projectcalico.org/v1`, with labels and annotations inside of one annotation.

use serde_json::{Map, Value, json};

const WRITTEN: &str = "projectcalico.org/v3";

/// Where Calico's objects are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalicoApi {
    /// `crd.projectcalico.org/v1`, as most clusters have it.
    Crd,
    /// `projectcalico.org/v3`, natively.
    Native,
}

impl CalicoApi {
    /// The definitions, as manifests.
    #[must_use]
    pub fn definitions(self) -> &'static str {
        match self {
            CalicoApi::Crd => include_str!("../../kube-apiserver/crds/crd.projectcalico.org.yaml"),
            CalicoApi::Native => include_str!("../../kube-apiserver/crds/projectcalico.org.yaml"),
        }
    }

    /// `GROUP/VERSION`.
    #[must_use]
    pub fn api_version(self) -> &'static str {
        match self {
            CalicoApi::Crd => "crd.projectcalico.org/v1",
            CalicoApi::Native => "projectcalico.org/v3",
        }
    }
}

impl CalicoApi {
    /// An object as the cluster keeps it. Objects of other APIs than `projectcalico.org/v3` are kept as they are.
    #[must_use]
    pub fn stored(self, object: &Value) -> Value {
        if object.get("apiVersion").and_then(Value::as_str) != Some(WRITTEN) {
            return object.clone();
        }
        if object.get("kind").and_then(Value::as_str) == Some("Node") {
            return node(object);
        }
        let mut stored = match self {
            CalicoApi::Native => object.clone(),
            CalicoApi::Crd => definition(object),
        };
        if stored.get("spec").is_none_or(Value::is_null) {
            stored["spec"] = json!({});
        }
        stored
    }
}

/// `crd.projectcalico.org/v1`: the same, but for the metadata.
fn definition(object: &Value) -> Value {
    let mut stored = object.clone();
    stored["apiVersion"] = json!(CalicoApi::Crd.api_version());
    let metadata = object.get("metadata").cloned().unwrap_or_default();
    stored["metadata"] =
        json!({"name": metadata["name"], "annotations": {"projectcalico.org/metadata": metadata.to_string()}});
    let deleted = stored.pointer("/spec/deleted").and_then(Value::as_bool);
    if let Some(deleted) = deleted.filter(|_| object["kind"] == "BlockAffinity") {
        stored["spec"]["deleted"] = json!(deleted.to_string());
    }
    stored
}

/// A node of Kubernetes with Calico's annotations.
fn node(object: &Value) -> Value {
    let fields = [
        ("IPv4Address", "/spec/bgp/ipv4Address"),
        ("IPv6Address", "/spec/bgp/ipv6Address"),
        ("ASNumber", "/spec/bgp/asNumber"),
        ("RouteReflectorClusterID", "/spec/bgp/routeReflectorClusterID"),
        ("IPv4IPIPTunnelAddr", "/spec/bgp/ipv4IPIPTunnelAddr"),
        ("IPv4VXLANTunnelAddr", "/spec/ipv4VXLANTunnelAddr"),
        ("IPv6VXLANTunnelAddr", "/spec/ipv6VXLANTunnelAddr"),
        ("VXLANTunnelMACAddr", "/spec/vxlanTunnelMACAddr"),
        ("VXLANTunnelMACAddrV6", "/spec/vxlanTunnelMACAddrV6"),
        ("IPv4WireguardInterfaceAddr", "/spec/wireguard/interfaceIPv4Address"),
        ("IPv6WireguardInterfaceAddr", "/spec/wireguard/interfaceIPv6Address"),
        ("WireguardPublicKey", "/status/wireguardPublicKey"),
        ("WireguardPublicKeyV6", "/status/wireguardPublicKeyV6"),
    ];
    let mut annotations =
        object.pointer("/metadata/annotations").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, pointer) in fields {
        match object.pointer(pointer) {
            None | Some(Value::Null) => {}
            Some(Value::String(text)) => drop(annotations.insert(format!("projectcalico.org/{name}"), json!(text))),
            Some(value) => drop(annotations.insert(format!("projectcalico.org/{name}"), json!(value.to_string()))),
        }
    }
    let mut metadata = Map::new();
    metadata.insert("name".to_owned(), object["metadata"]["name"].clone());
    if !annotations.is_empty() {
        metadata.insert("annotations".to_owned(), Value::Object(annotations));
    }
    if let Some(labels) = object.pointer("/metadata/labels").and_then(Value::as_object) {
        // Calico's own tools take `true` and numbers for text.
        let words = labels.iter().map(|(name, value)| {
            (name.clone(), json!(value.as_str().map_or_else(|| value.to_string(), str::to_owned)))
        });
        metadata.insert("labels".to_owned(), Value::Object(words.collect()));
    }
    let mut stored = json!({"apiVersion": "v1", "kind": "Node", "metadata": metadata});
    if let Some(cidrs) = object.pointer("/status/podCIDRs").filter(|cidrs| cidrs.is_array()) {
        stored["spec"] = json!({"podCIDR": cidrs[0], "podCIDRs": cidrs});
    }
    stored
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_annotations() {
        let written = json!({
            "apiVersion": "projectcalico.org/v3", "kind": "Node",
            "metadata": {"name": "a", "labels": {"rack": 1}},
            "spec": {"bgp": {"asNumber": 65001, "ipv4Address": "10.0.0.1/24"}},
        });
        let stored = json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": "a", "labels": {"rack": "1"}, "annotations": {
                "projectcalico.org/ASNumber": "65001", "projectcalico.org/IPv4Address": "10.0.0.1/24"}},
        });
        assert_eq!(CalicoApi::Crd.stored(&written), stored);
        assert_eq!(CalicoApi::Native.stored(&written), stored);
    }

    #[test]
    fn labels_are_kept_in_an_annotation() {
        let written = json!({
            "apiVersion": "projectcalico.org/v3", "kind": "BlockAffinity",
            "metadata": {"name": "a", "labels": {"b": "c"}}, "spec": {"deleted": false},
        });
        let stored = CalicoApi::Crd.stored(&written);
        assert_eq!(stored["apiVersion"], "crd.projectcalico.org/v1");
        assert_eq!(stored["metadata"]["labels"], Value::Null);
        let kept = stored["metadata"]["annotations"]["projectcalico.org/metadata"].as_str().unwrap_or_default();
        assert_eq!(serde_json::from_str::<Value>(kept).expect("it is JSON")["labels"], json!({"b": "c"}));
        assert_eq!(stored["spec"]["deleted"], "false");
        assert_eq!(CalicoApi::Native.stored(&written), written);
    }
}
