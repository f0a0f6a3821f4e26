//! `Pod`

use std::net::IpAddr;

use super::fields::Fields;
use super::tree::{Data, Tree, Truth};
use crate::metadata::Metadata;
use crate::pod::{Pod, PodNetwork, PodPhase};
use crate::value::InterfaceAddress;

pub(super) fn decode(object: &Fields<'_>, metadata: Option<Metadata>) -> Option<Pod> {
    let value = object.required("spec")?;
    let fields = value.fields()?;
    let node_name = fields.get("nodeName").and_then(|name| name.shared());
    let network = match fields.get("hostNetwork").and_then(|host| host.truth()) {
        Some(Truth::True) => PodNetwork::Host,
        Some(Truth::False) | None => PodNetwork::Own,
    };
    let status = object.get("status");
    let status = status.as_ref().map(|status| status.tree);
    let metadata = metadata?;
    let mut addresses = status.map(status_addresses).unwrap_or_default();
    if addresses.is_empty() {
        addresses = annotated_addresses(&metadata);
    }
    Some(Pod { metadata, node_name, network, phase: status.map(phase).unwrap_or_default(), addresses })
}

fn phase(status: &Tree) -> PodPhase {
    match status.field("phase").and_then(Tree::scalar) {
        Some("Pending") => PodPhase::Pending,
        Some("Running") => PodPhase::Running,
        Some("Succeeded") => PodPhase::Succeeded,
        Some("Failed") => PodPhase::Failed,
        Some(_) | None => PodPhase::Unknown,
    }
}

fn status_addresses(status: &Tree) -> Vec<IpAddr> {
    let address = |tree: &Tree| tree.scalar()?.parse().ok();
    if let Some(Data::List(entries)) = status.field("podIPs").map(|list| &list.data) {
        let addresses: Vec<_> = entries.iter().filter_map(|entry| address(entry.field("ip")?)).collect();
        if !addresses.is_empty() {
            return addresses;
        }
    }
    status.field("podIP").and_then(address).into_iter().collect()
}

/// Calico's CNI plugin writes the addresses here before the kubelet reports them.
fn annotated_addresses(metadata: &Metadata) -> Vec<IpAddr> {
    let annotation = |name| metadata.annotations.get(name).filter(|text| !text.is_empty());
    let text = annotation("cni.projectcalico.org/podIPs").or_else(|| annotation("cni.projectcalico.org/podIP"));
    let each = text.into_iter().flat_map(|text| text.split(','));
    each.filter_map(|text| Some(text.trim().parse::<InterfaceAddress>().ok()?.address())).collect()
}
