//! `IPPool`

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::bgp_peer::selector;
use super::fields::{Fields, Value};
use super::tree::Truth;
use crate::error::{Problem, Rule};
use crate::ip_pool::{
    AllowedUses, AssignmentMode, BgpExport, EncapsulationMode, IpPool, IpPoolSpec, NatOutgoing, PoolAllocation,
};
use crate::metadata::Metadata;
use crate::selector::Selector;
use crate::value::{Cidr, Family};

pub(super) fn decode(object: &Fields<'_>, metadata: Option<Metadata>) -> Option<IpPool> {
    let value = object.required("spec")?;
    let fields = value.fields()?;
    let spec = decode_spec(&fields);
    fields.finish();
    Some(IpPool { metadata: metadata?, spec: spec? })
}

fn decode_spec(fields: &Fields<'_>) -> Option<IpPoolSpec> {
    let cidr: Option<Cidr> = fields.required("cidr").and_then(|cidr| cidr.parsed());
    let block_size = fields.get("blockSize").and_then(|size| size.small::<u8>(0, 128)).filter(|size| *size != 0);
    let truth = |name| fields.get(name).and_then(|value| value.truth()) == Some(Truth::True);
    let (nat, disabled, not_exported) = (truth("natOutgoing"), truth("disabled"), truth("disableBGPExport"));
    let ipip_mode = fields.get("ipipMode").and_then(|mode| encapsulation(&mode)).unwrap_or_default();
    let vxlan_mode = fields.get("vxlanMode").and_then(|mode| encapsulation(&mode)).unwrap_or_default();
    let node_selector = fields.get("nodeSelector").and_then(|value| pool_selector(&value));
    let namespace_selector = fields.get("namespaceSelector").and_then(|value| pool_selector(&value));
    let allowed_uses =
        fields.get("allowedUses").map_or(Some(AllowedUses::WorkloadAndTunnel), |uses| allowed_uses(&uses));
    let assignment_mode = fields
        .get("assignmentMode")
        .and_then(|mode| mode.choice(&["Automatic", "Manual"], &[AssignmentMode::Automatic, AssignmentMode::Manual]));
    if !fields.is_clean() {
        return None;
    }
    let cidr = cidr?;
    let default_size = match cidr.family() {
        Family::V4 => 26,
        Family::V6 => 122,
    };
    let spec = IpPoolSpec {
        cidr,
        ipip_mode,
        vxlan_mode,
        nat_outgoing: if nat { NatOutgoing::Enabled } else { NatOutgoing::Disabled },
        allocation: if disabled { PoolAllocation::Disabled } else { PoolAllocation::Enabled },
        bgp_export: if not_exported { BgpExport::Disabled } else { BgpExport::Enabled },
        block_size: block_size.unwrap_or(default_size),
        node_selector: node_selector.unwrap_or_else(Selector::all),
        namespace_selector,
        allowed_uses: allowed_uses?,
        assignment_mode: assignment_mode.unwrap_or_default(),
    };
    rules(fields, &spec);
    Some(spec)
}

fn encapsulation(value: &Value<'_>) -> Option<EncapsulationMode> {
    value.choice(
        &["Never", "Always", "CrossSubnet"],
        &[EncapsulationMode::Never, EncapsulationMode::Always, EncapsulationMode::CrossSubnet],
    )
}

fn pool_selector(value: &Value<'_>) -> Option<Selector> {
    let selector = selector(value)?;
    if selector.mentions_global() { value.fail(Rule::Global) } else { Some(selector) }
}

fn allowed_uses(value: &Value<'_>) -> Option<AllowedUses> {
    const WORDS: &[&str] = &["Workload", "Tunnel", "LoadBalancer"];
    const VALUES: [AllowedUses; 3] = [AllowedUses::Workload, AllowedUses::Tunnel, AllowedUses::LoadBalancer];
    let uses = value.list_within(0, 10, |word| word.choice(WORDS, &VALUES))?;
    let has = |wanted| uses.contains(&wanted);
    match (has(AllowedUses::Workload), has(AllowedUses::Tunnel), has(AllowedUses::LoadBalancer)) {
        (false, false, false) | (true, true, false) => Some(AllowedUses::WorkloadAndTunnel),
        (true, false, false) => Some(AllowedUses::Workload),
        (false, true, false) => Some(AllowedUses::Tunnel),
        (false, false, true) => Some(AllowedUses::LoadBalancer),
        (_, _, true) => value.fail(Rule::LoadBalancerBesideOthers),
    }
}

/// The rules of Calico's CRD that several fields have part in.
fn rules(fields: &Fields<'_>, spec: &IpPoolSpec) {
    let fail = |name, problem: Problem| {
        fields.fail::<()>(name, problem);
    };
    let (ipip, vxlan) = (spec.ipip_mode != EncapsulationMode::Never, spec.vxlan_mode != EncapsulationMode::Never);
    if ipip && vxlan {
        fail("vxlanMode", Rule::TwoEncapsulations.into());
    }
    if ipip && spec.cidr.family() == Family::V6 {
        fail("ipipMode", Rule::IpipOfIpv6.into());
    }
    if spec.allowed_uses == AllowedUses::LoadBalancer {
        if ipip || vxlan {
            fail(if ipip { "ipipMode" } else { "vxlanMode" }, Rule::LoadBalancerEncapsulated.into());
        }
        if spec.bgp_export == BgpExport::Disabled {
            fail("disableBGPExport", Rule::LoadBalancerNotExported.into());
        }
        if spec.node_selector != Selector::all() {
            fail("nodeSelector", Rule::LoadBalancerOfSomeNodes.into());
        }
    }
    let for_tunnels = match spec.allowed_uses {
        // Calico's rule looks at what is written: without allowedUses a pool may have a namespace selector.
        AllowedUses::WorkloadAndTunnel => fields.get("allowedUses").is_some_and(|uses| uses.tree.size() > 1),
        AllowedUses::Tunnel => true,
        AllowedUses::Workload | AllowedUses::LoadBalancer => false,
    };
    if for_tunnels && spec.namespace_selector.is_some() {
        fail("namespaceSelector", Rule::TunnelOfNamespaces.into());
    }
    sizes(fields, spec);
}

fn sizes(fields: &Fields<'_>, spec: &IpPoolSpec) {
    let (link_local, (min, max)) = match spec.cidr.family() {
        Family::V4 => (Cidr::of(IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16), (20, 32)),
        Family::V6 => (Cidr::of(IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10), (116, 128)),
    };
    if link_local.is_some_and(|range| range.overlaps(spec.cidr)) {
        fields.fail::<()>("cidr", Rule::LinkLocal);
    }
    if spec.block_size < min || spec.block_size > max {
        fields.fail::<()>("blockSize", Problem::Range { min: min.into(), max: max.into() });
    } else if spec.allocation == PoolAllocation::Enabled && spec.cidr.length() > spec.block_size {
        fields.fail::<()>("cidr", Rule::PoolSmallerThanBlock);
    }
}
