//! `BGPConfiguration`

use super::fields::{Fields, Value};
use super::secret::key_ref;
use super::tree::Truth;
use crate::bgp_configuration::{
    BgpConfiguration, BgpConfigurationSpec, BindMode, ConfigurationScope, LogSeverity, NamedCommunity, NodeToNodeMesh,
    PrefixAdvertisement, ProgramClusterRoutes, ServiceLoadBalancerAggregation,
};
use crate::error::{Problem, Rule};
use crate::metadata::Metadata;
use crate::value::{Cidr, Community, InterfacePattern};

pub(super) fn decode(object: &Fields<'_>, metadata: Option<Metadata>) -> Option<BgpConfiguration> {
    let scope = metadata.as_ref().and_then(|metadata| scope(object, &metadata.name));
    let spec = match object.get("spec") {
        Some(spec) => decode_spec(&spec)?,
        None => BgpConfigurationSpec::default(),
    };
    Some(BgpConfiguration { metadata: metadata?, scope: scope?, spec })
}

fn scope(object: &Fields<'_>, name: &str) -> Option<ConfigurationScope> {
    if name == "default" {
        return Some(ConfigurationScope::Global);
    }
    match name.strip_prefix("node.") {
        Some(node) => Some(ConfigurationScope::Node(node.into())),
        None => object.get("metadata")?.fields()?.fail("name", Problem::ConfigurationName),
    }
}

fn decode_spec(value: &Value<'_>) -> Option<BgpConfigurationSpec> {
    let fields = value.fields()?;
    let communities =
        fields.get("communities").and_then(|list| list.list_within(0, 500, |entry| named_community(&entry)));
    let communities = communities.unwrap_or_default();
    let advertisements = fields.get("prefixAdvertisements");
    let advertisements =
        advertisements.and_then(|list| list.list_within(0, 500, |entry| advertisement(&entry, &communities)));
    let spec = BgpConfigurationSpec {
        log_severity_screen: fields.get("logSeverityScreen").and_then(|severity| log_severity(&severity)),
        node_to_node_mesh: fields.get("nodeToNodeMeshEnabled").and_then(|enabled| mesh(&enabled)),
        as_number: fields.get("asNumber").and_then(|number| number.as_number_in_use()),
        service_load_balancer_ips: blocks(&fields, "serviceLoadBalancerIPs"),
        service_external_ips: blocks(&fields, "serviceExternalIPs"),
        service_cluster_ips: blocks(&fields, "serviceClusterIPs"),
        service_load_balancer_aggregation: fields.get("serviceLoadBalancerAggregation").and_then(|value| {
            use ServiceLoadBalancerAggregation::{Disabled, Enabled};
            value.choice(&["Enabled", "Disabled"], &[Enabled, Disabled])
        }),
        communities,
        prefix_advertisements: advertisements.unwrap_or_default(),
        listen_port: fields.get("listenPort").and_then(|port| port.small::<u16>(1, 65_535)?.try_into().ok()),
        node_mesh_password: fields.get("nodeMeshPassword").and_then(|password| key_ref(&password)),
        node_mesh_max_restart_time: fields.get("nodeMeshMaxRestartTime").and_then(|time| time.duration()),
        bind_mode: fields
            .get("bindMode")
            .and_then(|mode| mode.choice(&["None", "NodeIP"], &[BindMode::None, BindMode::NodeIp])),
        ignored_interfaces: fields
            .get("ignoredInterfaces")
            .and_then(|list| list.list(|pattern| ignored_interface(&pattern)))
            .unwrap_or_default(),
        local_workload_peering_ipv4: fields.get("localWorkloadPeeringIPV4").and_then(|address| address.ipv4()),
        local_workload_peering_ipv6: fields.get("localWorkloadPeeringIPV6").and_then(|address| address.ipv6()),
        program_cluster_routes: fields.get("programClusterRoutes").and_then(|value| program_cluster_routes(&value)),
        ipv4_normal_route_priority: fields.get("ipv4NormalRoutePriority").and_then(|value| value.route_priority()),
        ipv6_normal_route_priority: fields.get("ipv6NormalRoutePriority").and_then(|value| value.route_priority()),
    };
    fields.finish();
    if fields.is_clean() {
        rules(&fields, &spec);
    }
    Some(spec)
}

/// The rules of Calico's CRD that several fields have part in.
fn rules(fields: &Fields<'_>, spec: &BgpConfigurationSpec) {
    if spec.node_to_node_mesh == Some(NodeToNodeMesh::Disabled) {
        for name in ["nodeMeshPassword", "nodeMeshMaxRestartTime"] {
            if fields.get(name).is_some() {
                fields.fail::<()>(name, Rule::NeedsMesh);
            }
        }
    }
    if !spec.communities.is_empty() && spec.prefix_advertisements.is_empty() {
        fields.fail::<()>("communities", Rule::UnusedCommunities);
    }
}

fn log_severity(value: &Value<'_>) -> Option<LogSeverity> {
    let severity = match value.text()?.to_ascii_lowercase().as_str() {
        "trace" => LogSeverity::Trace,
        "debug" => LogSeverity::Debug,
        "info" => LogSeverity::Info,
        "warning" => LogSeverity::Warning,
        "error" => LogSeverity::Error,
        "fatal" => LogSeverity::Fatal,
        "none" => LogSeverity::None,
        _ => {
            return value.fail(Problem::UnknownValue(&["Trace", "Debug", "Info", "Warning", "Error", "Fatal", "None"]));
        }
    };
    Some(severity)
}

fn mesh(value: &Value<'_>) -> Option<NodeToNodeMesh> {
    value.truth().map(|truth| match truth {
        Truth::True => NodeToNodeMesh::Enabled,
        Truth::False => NodeToNodeMesh::Disabled,
    })
}

fn program_cluster_routes(value: &Value<'_>) -> Option<ProgramClusterRoutes> {
    use ProgramClusterRoutes::{Disabled, Enabled, EnabledIpipOnly, EnabledNoEncapOnly};
    value.choice(
        &["Enabled", "Disabled", "EnabledIPIPOnly", "EnabledNoEncapOnly"],
        &[Enabled, Disabled, EnabledIpipOnly, EnabledNoEncapOnly],
    )
}

/// Entries with nothing but an empty `cidr` are left out.
fn blocks(fields: &Fields<'_>, name: &'static str) -> Vec<Cidr> {
    let list = fields.get(name).and_then(|list| {
        list.list(|entry| {
            let fields = entry.fields()?;
            let cidr = fields.get("cidr").and_then(|cidr| cidr.parsed());
            fields.finish();
            cidr
        })
    });
    list.unwrap_or_default()
}

fn ignored_interface(value: &Value<'_>) -> Option<InterfacePattern> {
    let pattern: InterfacePattern = value.parsed()?;
    if pattern.as_str() == "*" { value.fail(Rule::EveryInterface) } else { Some(pattern) }
}

fn named_community(value: &Value<'_>) -> Option<NamedCommunity> {
    let fields = value.fields()?;
    let name = fields.required("name").and_then(|name| name.name());
    let community = fields.required("value").and_then(|value| value.parsed());
    fields.finish();
    Some(NamedCommunity { name: name?.into(), value: community? })
}

fn advertisement(value: &Value<'_>, named: &[NamedCommunity]) -> Option<PrefixAdvertisement> {
    let fields = value.fields()?;
    let cidr = fields.required("cidr").and_then(|cidr| cidr.parsed());
    let communities =
        fields.required("communities").and_then(|list| list.list_within(0, 50, |entry| community(&entry, named)));
    fields.finish();
    let mut communities = communities?;
    communities.sort();
    communities.dedup();
    Some(PrefixAdvertisement { cidr: cidr?, communities })
}

/// A value, or the name of one. A name that is not defined is passed over.
fn community(value: &Value<'_>, named: &[NamedCommunity]) -> Option<Community> {
    let text = value.text()?;
    if Community::has_form(text) {
        return value.parsed();
    }
    let found = named.iter().find(|community| &*community.name == text).map(|community| community.value);
    found.or_else(|| value.pass_over(Problem::UndefinedCommunity))
}
