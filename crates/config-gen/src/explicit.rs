//! Sessions that a `BGPPeer` asks for on this node: with an address, with other nodes, with local workloads.

use std::net::IpAddr;
use std::num::NonZeroU16;

use heddle_bgp_core::Asn;
use heddle_resources::bgp_peer::{BgpPeerSpec, PeeringNodes, PeeringPeers, SourceAddress};
use heddle_resources::value::{AsNumber, Family};
use heddle_resources::{BgpPeer, Key, Kind, Selector};

use crate::cluster::{Cluster, FAMILIES, Member};
use crate::context::EndpointStatus;
use crate::generated::PeerKind;
use crate::origin::Source;
use crate::session::{Role, Session, Wishes, mesh_role};
use crate::warning::Warning;

/// The sessions of every `BGPPeer` that is for all nodes: what Calico calls global.
pub(crate) fn global<'a>(
    cluster: &Cluster<'a>,
    endpoints: &[EndpointStatus],
    sessions: &mut Vec<Session<'a>>,
    warnings: &mut Vec<Warning>,
) {
    for peer in cluster.snapshot.all::<BgpPeer>().filter(|p| p.spec.nodes == PeeringNodes::All) {
        of_peer(cluster, peer, PeerKind::Global, endpoints, sessions, warnings);
    }
}

/// The sessions of every `BGPPeer` that names or selects this node.
pub(crate) fn node<'a>(
    cluster: &Cluster<'a>,
    endpoints: &[EndpointStatus],
    sessions: &mut Vec<Session<'a>>,
    warnings: &mut Vec<Warning>,
) {
    for peer in cluster.snapshot.all::<BgpPeer>() {
        if peer.spec.nodes != PeeringNodes::All && is_selected(&peer.spec.nodes, cluster.own()) {
            of_peer(cluster, peer, PeerKind::Node, endpoints, sessions, warnings);
        }
    }
}

/// Workloads that name a `BGPPeer` which is not there, not for this node, or not for workloads.
pub(crate) fn strays(cluster: &Cluster<'_>, endpoints: &[EndpointStatus], warnings: &mut Vec<Warning>) {
    for endpoint in endpoints {
        let Some(name) = &endpoint.bgp_peer else { continue };
        let is_for_them = cluster.snapshot.named::<BgpPeer>(name).is_some_and(|peer| {
            matches!(peer.spec.peers, PeeringPeers::LocalWorkloads(_)) && is_selected(&peer.spec.nodes, cluster.own())
        });
        if !is_for_them {
            let (interface, peer) = (endpoint.interface.clone(), name.clone());
            warnings.push(Warning::UnknownWorkloadPeer { interface, peer });
        }
    }
}

/// Whether a node is among those that have the sessions of a `BGPPeer`.
pub(crate) fn is_selected(nodes: &PeeringNodes, member: &Member<'_>) -> bool {
    match nodes {
        PeeringNodes::All => true,
        PeeringNodes::Node(name) => name == member.name(),
        PeeringNodes::Selector(selector) => selector.matches(&member.node.metadata.labels),
    }
}

/// The key of a `BGPPeer`.
pub(crate) fn key_of(peer: &BgpPeer) -> Key {
    Key::cluster(Kind::BgpPeer, peer.metadata.name.clone())
}

/// What a `BGPPeer` says of sessions with nodes: everything but `localASNumber` and `numAllowedLocalASNumbers`.
pub(crate) fn node_wishes(spec: &BgpPeerSpec) -> Wishes<'_> {
    Wishes { local_asn: None, allow_own_as: 0, ..all_wishes(spec) }
}

fn all_wishes(spec: &BgpPeerSpec) -> Wishes<'_> {
    Wishes {
        local_asn: spec.local_as_number.map(|n| Asn(n.0)),
        source_address: spec.source_address,
        password: spec.password.as_ref(),
        restart_time: spec.max_restart_time,
        keepalive: spec.keepalive_time,
        ttl_security: spec.ttl_security,
        next_hop: spec.next_hop,
        allow_own_as: spec.num_allowed_local_as_numbers,
        filters: &spec.filters,
    }
}

fn of_peer<'a>(
    cluster: &Cluster<'a>,
    peer: &'a BgpPeer,
    kind: PeerKind,
    endpoints: &[EndpointStatus],
    sessions: &mut Vec<Session<'a>>,
    warnings: &mut Vec<Warning>,
) {
    match &peer.spec.peers {
        PeeringPeers::Nobody => {}
        PeeringPeers::Address { peer: address, reachable_by } => {
            let session = with_address(cluster, peer, kind, (address.address, address.port), *reachable_by, warnings);
            sessions.push(session);
        }
        PeeringPeers::Nodes(selector) => with_selected(cluster, peer, kind, selector, sessions),
        PeeringPeers::LocalWorkloads(_) => with_workloads(cluster, peer, endpoints, sessions, warnings),
    }
}

/// `peerIP`
fn with_address<'a>(
    cluster: &Cluster<'a>,
    peer: &'a BgpPeer,
    kind: PeerKind,
    (address, port): (IpAddr, Option<NonZeroU16>),
    reachable_by: Option<IpAddr>,
    warnings: &mut Vec<Warning>,
) -> Session<'a> {
    let asn = peer_asn(cluster, peer, warnings);
    let nodes = || cluster.with_address(address);
    // Without a port: that of the node which has this address and AS, if it is one.
    let port = port.or_else(|| nodes().find(|m| cluster.asn_of(m) == asn).and_then(|m| cluster.port_of(m)));
    let node = nodes().next().map(Member::name);
    // Toward an address of another node, global sessions follow the rule of the mesh; those of single nodes do not.
    let own_address = cluster.own().address(Family::of(address));
    let role = match (kind, node, own_address) {
        (PeerKind::Global, Some(_), Some(own)) => mesh_role(own, address),
        (PeerKind::Global | PeerKind::Node | PeerKind::Mesh | PeerKind::LocalWorkload, _, _) => Role::Active,
    };
    Session {
        kind,
        address,
        port,
        asn,
        wishes: all_wishes(&peer.spec),
        role,
        // Nobody looks whether the address is that of a reflector: a peer by address is always a client.
        cluster_id: None,
        node,
        reachable_by,
        asked_by: key_of(peer),
        sources: vec![Source::whole(key_of(peer))],
    }
}

/// `asNumber` of a peer by address.
fn peer_asn(cluster: &Cluster<'_>, peer: &BgpPeer, warnings: &mut Vec<Warning>) -> Asn {
    match peer.spec.as_number {
        Some(AsNumber(n)) => Asn(n),
        None => {
            let used = cluster.global_asn();
            warnings.push(Warning::NoPeerAs { peer: key_of(peer), used });
            used
        }
    }
}

/// `peerSelector`
fn with_selected<'a>(
    cluster: &Cluster<'a>,
    peer: &'a BgpPeer,
    kind: PeerKind,
    selector: &Selector,
    sessions: &mut Vec<Session<'a>>,
) {
    let wishes = node_wishes(&peer.spec);
    for member in &cluster.members {
        if selector.matches(&member.node.metadata.labels) {
            with_node(cluster, peer, kind, member, &FAMILIES, wishes, sessions);
        }
    }
}

/// One session a family with a node.
pub(crate) fn with_node<'a>(
    cluster: &Cluster<'a>,
    peer: &'a BgpPeer,
    kind: PeerKind,
    member: &Member<'a>,
    families: &[Family],
    wishes: Wishes<'a>,
    sessions: &mut Vec<Session<'a>>,
) {
    for address in families.iter().filter_map(|&family| member.address(family)) {
        sessions.push(Session {
            kind,
            address,
            port: cluster.port_of(member),
            asn: cluster.asn_of(member),
            wishes,
            role: Role::Active,
            cluster_id: member.cluster_id,
            node: Some(member.name()),
            reachable_by: None,
            asked_by: key_of(peer),
            sources: vec![Source::whole(key_of(peer)), Source::whole(member.key())],
        });
    }
}

/// `localWorkloadSelector`: which workloads it selects says the endpoint status, which names the `BGPPeer`. Only the AS
/// numbers and the filters count.
fn with_workloads<'a>(
    cluster: &Cluster<'a>,
    peer: &'a BgpPeer,
    endpoints: &[EndpointStatus],
    sessions: &mut Vec<Session<'a>>,
    warnings: &mut Vec<Warning>,
) {
    let spec = &peer.spec;
    let wishes = Wishes {
        local_asn: spec.local_as_number.map(|n| Asn(n.0)),
        source_address: SourceAddress::None,
        filters: &spec.filters,
        ..Wishes::NONE
    };
    let named = |e: &&EndpointStatus| e.bgp_peer.as_deref() == Some(&*peer.metadata.name);
    let mut addresses: Vec<IpAddr> = Vec::new();
    for endpoint in endpoints.iter().filter(named) {
        let first = |family| endpoint.addresses.iter().map(|a| a.address()).find(|a| Family::of(*a) == family);
        addresses.extend(FAMILIES.into_iter().filter_map(first));
    }
    if addresses.is_empty() {
        return;
    }
    let asn = peer_asn(cluster, peer, warnings);
    sessions.extend(addresses.into_iter().map(|address| Session {
        kind: PeerKind::LocalWorkload,
        address,
        port: None,
        asn,
        wishes,
        role: Role::Passive,
        cluster_id: None,
        node: None,
        reachable_by: None,
        asked_by: key_of(peer),
        sources: vec![Source::whole(key_of(peer))],
    }));
}
