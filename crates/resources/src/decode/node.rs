//! `Node`, of Calico and of Kubernetes, and `CalicoNodeStatus`

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use super::fields::{Fields, Value};
use super::metadata::json_labels;
use crate::calico_node_status::{CalicoNodeStatus, CalicoNodeStatusSpec, NodeStatusClass};
use crate::error::{Problem, Rule};
use crate::metadata::{Labels, Metadata};
use crate::node::{Node, NodeAddress, NodeBgp, NodeSpec};
use crate::value::{AsNumber, Family, InterfaceAddress};

/// `projectcalico.org/v3`
pub(super) fn decode_calico(object: &Fields<'_>, metadata: Option<Metadata>) -> Option<Node> {
    let mut spec = match object.get("spec") {
        Some(spec) => calico_spec(&spec)?,
        None => NodeSpec::default(),
    };
    if let Some(status) = object.get("status")
        && let Some(fields) = status.fields()
        && let Some(pod_cidrs) = fields.get("podCIDRs")
    {
        spec.pod_cidrs = pod_cidrs.list(|cidr| cidr.parsed()).unwrap_or_default();
    }
    Some(Node { metadata: metadata?, spec })
}

fn calico_spec(spec: &Value<'_>) -> Option<NodeSpec> {
    let fields = spec.fields()?;
    let mut read = NodeSpec {
        bgp: fields.get("bgp").and_then(|bgp| calico_bgp(&bgp)).unwrap_or_default(),
        ipv4_vxlan_tunnel_address: fields.get("ipv4VXLANTunnelAddr").and_then(|address| address.ipv4()),
        ipv6_vxlan_tunnel_address: fields.get("ipv6VXLANTunnelAddr").and_then(|address| address.ipv6()),
        ..NodeSpec::default()
    };
    if let Some(wireguard) = fields.get("wireguard")
        && let Some(fields) = wireguard.fields()
    {
        read.wireguard_ipv4_address = fields.get("interfaceIPv4Address").and_then(|address| address.ipv4());
        read.wireguard_ipv6_address = fields.get("interfaceIPv6Address").and_then(|address| address.ipv6());
        fields.finish();
    }
    if let Some(addresses) = fields.get("addresses") {
        read.addresses = addresses.list(|address| node_address(&address)).unwrap_or_default();
    }
    fields.ignore(&["vxlanTunnelMACAddr", "vxlanTunnelMACAddrV6", "orchRefs", "interfaces"]);
    fields.finish();
    Some(read)
}

fn calico_bgp(bgp: &Value<'_>) -> Option<NodeBgp> {
    let fields = bgp.fields()?;
    let read = NodeBgp {
        as_number: fields.get("asNumber").and_then(|number| number.as_number_in_use()),
        ipv4_address: fields.get("ipv4Address").and_then(|address| address.interface_address(Family::V4)),
        ipv6_address: fields.get("ipv6Address").and_then(|address| address.interface_address(Family::V6)),
        ipv4_ipip_tunnel_address: fields.get("ipv4IPIPTunnelAddr").and_then(|address| address.ipv4()),
        route_reflector_cluster_id: fields.get("routeReflectorClusterID").and_then(|id| id.ipv4()),
    };
    fields.finish();
    Some(read)
}

fn node_address(value: &Value<'_>) -> Option<NodeAddress> {
    let fields = value.fields()?;
    let address = fields.required("address").and_then(|address| address.parsed());
    let kind = fields.get("type").and_then(|kind| kind.shared());
    fields.finish();
    Some(NodeAddress { address: address?, kind })
}

/// `v1`, with Calico's annotations. Values of annotations that are wrong are passed over one by one, as Calico does.
pub(super) fn decode_core(object: &Fields<'_>, metadata: Option<Metadata>) -> Option<Node> {
    let mut metadata = metadata?;
    let mut spec = NodeSpec::default();
    let value = object.get("metadata")?;
    let fields = value.fields()?;
    if let Some(annotations) = fields.get("annotations") {
        let annotations = Annotations(&annotations);
        spec.bgp = NodeBgp {
            as_number: annotations.parsed("ASNumber", |text| AsNumber::from_str(text).map_err(Problem::from)),
            ipv4_address: annotations.parsed("IPv4Address", |text| interface_address(text, Family::V4)),
            ipv6_address: annotations.parsed("IPv6Address", |text| interface_address(text, Family::V6)),
            ipv4_ipip_tunnel_address: annotations.parsed("IPv4IPIPTunnelAddr", |text| host(text, ipv4)),
            route_reflector_cluster_id: annotations.parsed("RouteReflectorClusterID", |text| host(text, ipv4)),
        };
        spec.ipv4_vxlan_tunnel_address = annotations.parsed("IPv4VXLANTunnelAddr", |text| host(text, ipv4));
        spec.ipv6_vxlan_tunnel_address = annotations.parsed("IPv6VXLANTunnelAddr", |text| host(text, ipv6));
        spec.wireguard_ipv4_address = annotations.parsed("IPv4WireguardInterfaceAddr", |text| host(text, ipv4));
        spec.wireguard_ipv6_address = annotations.parsed("IPv6WireguardInterfaceAddr", |text| host(text, ipv6));
        let calico_labels = annotations.parsed("labels", |text| {
            let value = serde_json::from_str::<serde_json::Value>(text).map_err(|_| Problem::Json)?;
            Ok(json_labels(Some(&value)))
        });
        if let Some(calico_labels) = calico_labels {
            let both: Labels = calico_labels.iter().chain(metadata.labels.iter()).collect();
            metadata.labels = both;
        }
    }
    core_addresses(object, &mut spec);
    core_pod_cidrs(object, &mut spec);
    Some(Node { metadata, spec })
}

/// The annotations of a node, `projectcalico.org/` before each name.
struct Annotations<'a>(&'a Value<'a>);

impl Annotations<'_> {
    fn parsed<T>(&self, name: &str, parse: impl Fn(&str) -> Result<T, Problem>) -> Option<T> {
        let found = self.0.pairs(|full, value| {
            if full.strip_prefix("projectcalico.org/") != Some(name) {
                return None;
            }
            let text = value.text().filter(|text| !text.is_empty())?;
            parse(text).map_or_else(|problem| value.pass_over(problem), Some)
        });
        found?.into_iter().next().map(|(_, value)| value)
    }
}

fn interface_address(text: &str, family: Family) -> Result<InterfaceAddress, Problem> {
    let address = InterfaceAddress::from_str(text)?;
    if Family::of(address.address()) == family { Ok(address) } else { Err(Problem::Family(family)) }
}

/// One address; a prefix length may stand behind it.
fn host<T>(text: &str, family: impl Fn(IpAddr) -> Result<T, Problem>) -> Result<T, Problem> {
    family(InterfaceAddress::from_str(text).map_err(|_| Problem::Address)?.address())
}

fn ipv4(address: IpAddr) -> Result<std::net::Ipv4Addr, Problem> {
    match address {
        IpAddr::V4(address) => Ok(address),
        IpAddr::V6(_) => Err(Problem::Family(Family::V4)),
    }
}

fn ipv6(address: IpAddr) -> Result<std::net::Ipv6Addr, Problem> {
    match address {
        IpAddr::V6(address) => Ok(address),
        IpAddr::V4(_) => Err(Problem::Family(Family::V6)),
    }
}

/// The node's own addresses first, then those that Kubernetes knows.
fn core_addresses(object: &Fields<'_>, spec: &mut NodeSpec) {
    let kind: Arc<str> = "CalicoNodeIP".into();
    let own = [spec.bgp.ipv4_address, spec.bgp.ipv6_address].into_iter().flatten();
    spec.addresses = own.map(|address| NodeAddress { address, kind: Some(kind.clone()) }).collect();
    let Some(status) = object.get("status") else { return };
    let Some(addresses) = status.tree.field("addresses") else { return };
    let addresses = Value { tree: addresses, ..status };
    let known = addresses.list(|value| {
        let kind = value.tree.field("type")?.scalar()?;
        let address = value.tree.field("address")?.scalar()?;
        let known = matches!(kind, "InternalIP" | "ExternalIP");
        let address = address.parse().ok().filter(|_| known)?;
        Some(NodeAddress { address, kind: Some(kind.into()) })
    });
    spec.addresses.extend(known.unwrap_or_default());
}

fn core_pod_cidrs(object: &Fields<'_>, spec: &mut NodeSpec) {
    let Some(value) = object.get("spec") else { return };
    let Some(fields) = value.fields() else { return };
    if let Some(cidrs) = fields.get("podCIDRs") {
        spec.pod_cidrs = cidrs.list(|cidr| cidr.parsed()).unwrap_or_default();
    } else if let Some(cidr) = fields.get("podCIDR") {
        spec.pod_cidrs = cidr.parsed().into_iter().collect();
    }
}

/// `CalicoNodeStatus`
pub(super) fn decode_status(object: &Fields<'_>, metadata: Option<Metadata>) -> Option<CalicoNodeStatus> {
    const CLASSES: &[&str] = &["Agent", "BGP", "Routes"];
    const VALUES: [NodeStatusClass; 3] = [NodeStatusClass::Agent, NodeStatusClass::Bgp, NodeStatusClass::Routes];
    let value = object.required("spec")?;
    let fields = value.fields()?;
    let node = fields.required("node").and_then(|node| node.name());
    let classes = fields.required("classes").and_then(|classes| {
        let seen = std::cell::RefCell::new(Vec::new());
        classes.list(|class| {
            let read = class.choice(CLASSES, &VALUES)?;
            if seen.borrow().contains(&read) {
                return class.fail(Rule::Twice);
            }
            seen.borrow_mut().push(read);
            Some(read)
        })
    });
    let seconds = fields.required("updatePeriodSeconds").and_then(|seconds| seconds.number(0, 86_400));
    fields.finish();
    let mut classes = classes?;
    classes.sort();
    let update_period = seconds.map(Duration::from_secs)?;
    let spec = CalicoNodeStatusSpec {
        node: node?.into(),
        classes,
        update_period: (!update_period.is_zero()).then_some(update_period),
    };
    Some(CalicoNodeStatus { metadata: metadata?, spec })
}
