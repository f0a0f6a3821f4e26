//! `BGPPeer`

use std::net::IpAddr;
use std::num::NonZeroU8;

use super::fields::{Fields, Value};
use super::secret::key_ref;
use super::tree::Truth;
use crate::bgp_peer::{BgpPeer, BgpPeerSpec, NextHop, PeeringNodes, PeeringPeers, ReversePeering, SourceAddress};
use crate::error::{Problem, Rule};
use crate::metadata::Metadata;
use crate::selector::Selector;
use crate::value::{AsNumber, Family, PeerAddress};

pub(super) fn decode(object: &Fields<'_>, metadata: Option<Metadata>) -> Option<BgpPeer> {
    let value = object.required("spec")?;
    let fields = value.fields()?;
    let spec = decode_spec(&fields);
    fields.finish();
    Some(BgpPeer { metadata: metadata?, spec: spec? })
}

/// A selector of at most as many octets as Calico allows.
pub(super) fn selector(value: &Value<'_>) -> Option<Selector> {
    value.at_most(1024)?;
    value.parsed()
}

fn decode_spec(fields: &Fields<'_>) -> Option<BgpPeerSpec> {
    let node = fields.get("node").and_then(|node| node.name());
    let node_selector = fields.get("nodeSelector").and_then(|value| selector(&value));
    let remote = Remote {
        peer_ip: fields.get("peerIP").and_then(|value| {
            value.at_most(64)?;
            value.parsed()
        }),
        peer_selector: fields.get("peerSelector").and_then(|value| selector(&value)),
        workload_selector: fields.get("localWorkloadSelector").and_then(|value| selector(&value)),
        reachable_by: fields.get("reachableBy").and_then(|value| value.address()),
        as_number: fields.get("asNumber").and_then(|number| number.as_number()).filter(|number| number.0 != 0),
    };
    let keep = fields.get("keepOriginalNextHop").and_then(|keep| keep.truth());
    let next_hop_mode = fields
        .get("nextHopMode")
        .and_then(|mode| mode.choice(&["Auto", "Self", "Keep"], &[NextHop::Auto, NextHop::OwnAddress, NextHop::Keep]));
    let read = BgpPeerSpec {
        nodes: PeeringNodes::All,
        peers: PeeringPeers::Nobody,
        as_number: remote.as_number,
        local_as_number: fields.get("localASNumber").and_then(|number| number.as_number_in_use()),
        next_hop: match (next_hop_mode, keep) {
            (Some(mode), _) => mode,
            (None, Some(Truth::True)) => NextHop::KeepExternal,
            (None, Some(Truth::False) | None) => NextHop::Auto,
        },
        password: fields.get("password").and_then(|password| key_ref(&password)),
        source_address: fields
            .get("sourceAddress")
            .and_then(|value| value.choice(&["UseNodeIP", "None"], &[SourceAddress::UseNodeIp, SourceAddress::None]))
            .unwrap_or_default(),
        max_restart_time: fields.get("maxRestartTime").and_then(|time| time.duration()),
        keepalive_time: fields.get("keepaliveTime").and_then(|time| time.duration()),
        num_allowed_local_as_numbers: fields
            .get("numAllowedLocalASNumbers")
            .and_then(|number| number.small(0, 2_147_483_647))
            .unwrap_or_default(),
        ttl_security: fields.get("ttlSecurity").and_then(|hops| hops.small::<u8>(0, 255)).and_then(NonZeroU8::new),
        filters: fields
            .get("filters")
            .and_then(|list| list.list(|filter| filter.name().map(Into::into)))
            .unwrap_or_default(),
        reverse_peering: fields
            .get("reversePeering")
            .and_then(|value| value.choice(&["Auto", "Manual"], &[ReversePeering::Auto, ReversePeering::Manual]))
            .unwrap_or_default(),
    };
    if !fields.is_clean() {
        return None;
    }
    if next_hop_mode.is_some() && keep == Some(Truth::True) {
        fields.fail::<()>("keepOriginalNextHop", Rule::KeepBesideNextHopMode);
    }
    let nodes = match (node, node_selector) {
        (None, None) => Some(PeeringNodes::All),
        (Some(node), None) => Some(PeeringNodes::Node(node.into())),
        (None, Some(selector)) => Some(PeeringNodes::Selector(selector)),
        (Some(_), Some(_)) => fields.fail("nodeSelector", Rule::NodeAndSelector),
    };
    let peers = remote.decide(fields);
    Some(BgpPeerSpec { nodes: nodes?, peers: peers?, ..read })
}

/// The fields that say with whom.
struct Remote {
    peer_ip: Option<PeerAddress>,
    peer_selector: Option<Selector>,
    workload_selector: Option<Selector>,
    reachable_by: Option<IpAddr>,
    as_number: Option<AsNumber>,
}

impl Remote {
    /// The rules of Calico's CRD about them.
    fn decide(self, fields: &Fields<'_>) -> Option<PeeringPeers> {
        if self.reachable_by.is_some() && self.peer_ip.is_none() {
            return fields.fail("reachableBy", Rule::ReachableByWithoutPeerIp);
        }
        match (self.peer_ip, self.peer_selector, self.workload_selector) {
            (Some(_), _, Some(_)) => fields.fail("peerIP", Rule::BesideLocalWorkloads),
            (None, Some(_), Some(_)) => fields.fail("peerSelector", Rule::BesideLocalWorkloads),
            (Some(_), Some(_), None) => fields.fail("peerSelector", Rule::PeerIpAndSelector),
            (None, Some(_), None) if self.as_number.is_some() => fields.fail("asNumber", Rule::AsNumberBesideSelector),
            (None, None, Some(_)) if self.as_number.is_none() => {
                fields.fail("localWorkloadSelector", Rule::LocalWorkloadsWithoutAsNumber)
            }
            (Some(peer), None, None) => {
                let family = Family::of(peer.address);
                match self.reachable_by {
                    Some(gateway) if Family::of(gateway) != family => {
                        fields.fail("reachableBy", Problem::Family(family))
                    }
                    reachable_by => Some(PeeringPeers::Address { peer, reachable_by }),
                }
            }
            (None, Some(selector), None) => Some(PeeringPeers::Nodes(selector)),
            (None, None, Some(selector)) => Some(PeeringPeers::LocalWorkloads(selector)),
            (None, None, None) => Some(PeeringPeers::Nobody),
        }
    }
}
