//! Objects without what nobody reads: a cluster has thousands of them, in the memory of every node.

use std::collections::HashSet;
use std::sync::Arc;

use heddle_resources::{Labels, Metadata, Object};

/// What says of a pod, before anything else does, that its addresses are not its own any more.
const POD_ANNOTATIONS: [&str; 2] = ["cni.projectcalico.org/podIP", "cni.projectcalico.org/podIPs"];

/// The one label of an EndpointSlice that counts.
const SERVICE_NAME: &str = "kubernetes.io/service-name";

/// Texts that many objects have, each kept once.
#[derive(Debug, Default)]
pub(crate) struct Names {
    known: HashSet<Arc<str>>,
    /// At so many, those that nobody has any more go.
    sweep_at: usize,
}

impl Names {
    const FEWEST: usize = 256;

    fn share(&mut self, name: &mut Arc<str>) {
        if let Some(known) = self.known.get(&**name) {
            *name = Arc::clone(known);
            return;
        }
        if self.known.len() >= self.sweep_at {
            self.known.retain(|known| Arc::strong_count(known) > 1);
            self.sweep_at = (self.known.len() * 2).max(Self::FEWEST);
        }
        self.known.insert(Arc::clone(name));
    }
}

/// Takes away what nobody reads of an object that was just decoded: so an object that the API server counts as changed,
/// such as a node by its heartbeat, is the same object as before.
pub(crate) fn slim(object: &mut Object, names: &mut Names) {
    if let Some(metadata) = object.metadata_mut() {
        metadata.resource_version = None;
        if let Some(namespace) = &mut metadata.namespace {
            names.share(namespace);
        }
    }
    match object {
        Object::Node(node) => {
            if let Some(node) = Arc::get_mut(node) {
                node.metadata.annotations = Labels::default();
                let kinds = node.spec.addresses.iter_mut().filter_map(|a| a.kind.as_mut());
                kinds.for_each(|kind| names.share(kind));
            }
        }
        Object::Service(service) => {
            if let Some(service) = Arc::get_mut(service) {
                bare(&mut service.metadata);
                service.metadata.labels = Labels::default();
            }
        }
        Object::EndpointSlice(slice) => {
            if let Some(slice) = Arc::get_mut(slice) {
                bare(&mut slice.metadata);
                slice.metadata.labels = only(&slice.metadata.labels, &[SERVICE_NAME]);
                let nodes = slice.endpoints.iter_mut().filter_map(|e| e.node_name.as_mut());
                nodes.for_each(|node| names.share(node));
            }
        }
        Object::Pod(pod) => {
            if let Some(pod) = Arc::get_mut(pod) {
                pod.metadata.annotations = only(&pod.metadata.annotations, &POD_ANNOTATIONS);
            }
        }
        Object::Secret(secret) => {
            if let Some(secret) = Arc::get_mut(secret) {
                bare(&mut secret.metadata);
            }
        }
        Object::BlockAffinity(affinity) => {
            if let Some(affinity) = Arc::get_mut(affinity) {
                bare(&mut affinity.metadata);
                affinity.metadata.labels = Labels::default();
            }
        }
        Object::BgpConfiguration(_)
        | Object::BgpPeer(_)
        | Object::BgpFilter(_)
        | Object::IpPool(_)
        | Object::IpamBlock(_)
        | Object::CalicoNodeStatus(_) => {
            if let Some(metadata) = object.metadata_mut() {
                metadata.annotations = Labels::default();
            }
        }
    }
}

fn bare(metadata: &mut Metadata) {
    metadata.annotations = Labels::default();
    metadata.uid = None;
}

fn only(labels: &Labels, names: &[&str]) -> Labels {
    labels.iter().filter(|(name, _)| names.contains(name)).collect()
}

#[cfg(test)]
mod tests {
    use heddle_resources::{Document, decode_json};
    use serde_json::{Value, json};

    use super::*;

    fn read(value: &Value, names: &mut Names) -> Object {
        let Ok(Document::Object(decoded)) = decode_json(value) else { panic!("{value}") };
        let mut object = decoded.object;
        slim(&mut object, names);
        object
    }

    /// A heartbeat of a node is no change.
    #[test]
    fn what_the_api_server_counts_is_no_part_of_an_object() {
        let mut names = Names::default();
        let mut node = |version: &str, more: &str| {
            let value = json!({
                "apiVersion": "v1", "kind": "Node",
                "metadata": {
                    "name": "n1", "resourceVersion": version, "labels": { "rack": "1" },
                    "annotations": { "projectcalico.org/IPv4Address": "10.0.0.1/24", "other": more },
                },
                "status": { "addresses": [{ "type": "InternalIP", "address": "10.0.0.1" }] },
            });
            read(&value, &mut names)
        };
        let (one, two) = (node("1", "a"), node("2", "b"));
        assert_eq!(one, two);
        let Object::Node(one) = one else { panic!() };
        assert!(one.metadata.labels.has("rack") && one.spec.bgp.ipv4_address.is_some());
    }

    #[test]
    fn names_are_shared_and_forgotten() {
        let mut names = Names::default();
        let slice = |node: &str, names: &mut Names| {
            let value = json!({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
                "metadata": {
                    "name": "a", "namespace": "ns", "uid": "u",
                    "labels": { "kubernetes.io/service-name": "web", "x": "y" },
                    "annotations": { "endpoints.kubernetes.io/last-change-trigger-time": node },
                },
                "endpoints": [{ "addresses": ["10.0.0.1"], "nodeName": node }],
            });
            match read(&value, names) {
                Object::EndpointSlice(slice) => slice,
                other => panic!("{other:?}"),
            }
        };
        let (one, two) = (slice("n1", &mut names), slice("n1", &mut names));
        let node = |slice: &heddle_resources::EndpointSlice| slice.endpoints[0].node_name.clone().expect("a node");
        assert!(Arc::ptr_eq(&node(&one), &node(&two)));
        assert_eq!((one.service_name(), one.metadata.labels.len(), &one.metadata.uid), (Some("web"), 1, &None));
        for i in 0..10_000 {
            drop(slice(&format!("gone-{i}"), &mut names));
        }
        assert!(names.known.len() <= Names::FEWEST && names.known.contains("n1"), "{}", names.known.len());
    }
}
