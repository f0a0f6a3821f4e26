//! What a route reflector runs that is none of the nodes: a session with every node that a `BGPPeer` sends to its address.
//!
//! A `BGPPeer` with the reflector's address and port in `peerIP`, and its AS in `asNumber`, is read from the other end: the
//! nodes that it selects are the reflector's peers, and those of its own AS are its clients (RFC 4456). Keys, restart times and
//! TTL security are those that the nodes have. What is reflected is not filtered: `filters` are for the nodes. Where the address is
//! that of a node, too, `reversePeering: Manual` says that it is not the node that is meant; otherwise that field is no matter,
//! for nobody else makes this end.

use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use heddle_bgp_core::{Asn, BgpId, ClusterId};
use heddle_config::{AddPath, AddPathSend, Config, FamilySettings, ListenAddress, PeerAddress};
use heddle_resources::bgp_configuration::BgpConfigurationSpec;
use heddle_resources::bgp_peer::{BgpPeerSpec, NextHop, PeeringPeers, ReversePeering};

use heddle_resources::node::{NodeBgp, NodeSpec};
use heddle_resources::value::{self, Family, InterfaceAddress};
use heddle_resources::{BgpPeer, Metadata, Node, Snapshot};

use crate::cluster::{Cluster, Member};
use crate::explicit::{is_selected, key_of, node_wishes, with_node};
use crate::generated::{Generated, PeerKind};
use crate::origin::{Source, Subject};
use crate::passwords::Passwords;
use crate::policies;
use crate::router::{BGP_PORT, DEFERRAL, hash};
use crate::session::{Session, Wishes};
use crate::sessions::{made, once_each};
use crate::warning::Warning;

/// What a reflector knows beside the datastore.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReflectorContext {
    /// What it is called, unlike all other reflectors.
    pub name: Arc<str>,
    /// Where nodes reach it, at most one address a family.
    pub addresses: Vec<IpAddr>,
    /// The port on which it listens.
    pub port: NonZeroU16,
    /// Its AS; none: the cluster's.
    pub asn: Option<Asn>,
    /// Its CLUSTER_ID; none: its BGP Identifier (RFC 4456 §7).
    pub cluster_id: Option<ClusterId>,
    /// Its BGP Identifier; none: from its name, for its address may be that of a node.
    pub router_id: Option<BgpId>,
    /// Where the Secrets with passwords are.
    pub secrets_namespace: Arc<str>,
}

impl ReflectorContext {
    fn address(&self, family: Family) -> Option<InterfaceAddress> {
        let address = self.addresses.iter().find(|ip| Family::of(**ip) == family)?;
        InterfaceAddress::new(*address, family.bits())
    }

    fn bgp_id(&self) -> BgpId {
        self.router_id.unwrap_or_else(|| hash(&format!("reflector {}", self.name)))
    }

    /// The reflector as if it were a node: what a session has to do with its own end is then the same.
    fn as_node(&self, cluster_id: ClusterId) -> Node {
        let bgp = NodeBgp {
            as_number: self.asn.map(|asn| value::AsNumber(asn.0)),
            ipv4_address: self.address(Family::V4),
            ipv6_address: self.address(Family::V6),
            route_reflector_cluster_id: Some(cluster_id.0.into()),
            ..NodeBgp::default()
        };
        Node {
            metadata: Metadata { name: Arc::clone(&self.name), ..Metadata::default() },
            spec: NodeSpec { bgp, ..NodeSpec::default() },
        }
    }
}

/// What the reflector of this context runs in this cluster. It waits for nothing: without a `BGPPeer` that names it, it
/// runs without peers, and a warning says so.
#[must_use]
pub fn generate_reflector(snapshot: &Snapshot, context: &ReflectorContext) -> Generated {
    let mut generated = Generated::default();
    let id = context.bgp_id();
    let cluster_id = context.cluster_id.unwrap_or(ClusterId(id.0));
    let node = context.as_node(cluster_id);
    let fallback = BgpConfigurationSpec::default();
    let guest = Member { node: &node, asn: context.asn, cluster_id: Some(cluster_id), listen_port: Some(context.port) };
    let Some(cluster) = Cluster::around_guest(guest, snapshot, &fallback) else { return generated };
    let Generated { warnings, origins, peers, .. } = &mut generated;

    let mut config = Config::new(cluster.own_asn(), id);
    let source = match context.asn {
        Some(_) => Source::BuiltIn,
        None => cluster.global_or_default(cluster.global.as_number, "asNumber"),
    };
    origins.add(Subject::Setting("router.asn"), source);
    config.router.cluster_id = cluster_id;
    config.router.listen = listen(context);
    config.router.graceful_restart.selection_deferral_time = DEFERRAL;
    let accept = policies::accept();
    let of_family = FamilySettings {
        // Named, because an external peer without a policy gives and gets nothing (RFC 8212 §2).
        import_policy: vec![accept.name.clone()],
        export_policy: vec![accept.name.clone()],
        add_path: AddPath { receive: true, send: AddPathSend::All },
        ..FamilySettings::default()
    };
    config.policies = vec![accept];
    let sessions = once_each(&cluster, sessions(&cluster, context, warnings), warnings);
    let mut passwords = Passwords::new(snapshot, &context.secrets_namespace);
    let mut family = |_: &Session<'_>, _, _: &mut Vec<Warning>| of_family.clone();
    let all = made(&cluster, sessions, &mut passwords, &mut family, (warnings, origins));
    config.peers = all.peers;
    *peers = all.identities;
    warnings.sort_unstable();
    warnings.dedup();
    generated.config = Some(config);
    generated
}

/// Only where nodes reach it: beside a node that has all other addresses.
fn listen(context: &ReflectorContext) -> Vec<ListenAddress> {
    let port = context.port.get();
    context.addresses.iter().map(|&address| ListenAddress { address: PeerAddress::from(address), port }).collect()
}

fn sessions<'a>(cluster: &Cluster<'a>, context: &ReflectorContext, warnings: &mut Vec<Warning>) -> Vec<Session<'a>> {
    let mut sessions = Vec::new();
    let mut unnamed = context.addresses.clone();
    for peer in cluster.snapshot.all::<BgpPeer>() {
        let PeeringPeers::Address { peer: at, .. } = &peer.spec.peers else { continue };
        let asn = peer.spec.as_number.map_or_else(|| cluster.global_asn(), |n| Asn(n.0));
        let port = at.port.map_or(BGP_PORT, NonZeroU16::get);
        if !context.addresses.contains(&at.address) || port != context.port.get() {
            continue;
        }
        if asn != cluster.own_asn() {
            let (peer, own) = (key_of(peer), cluster.own_asn());
            warnings.push(Warning::OtherReflectorAs { peer, asn, own });
            continue;
        }
        unnamed.retain(|address| *address != at.address);
        let beside = cluster.with_address(at.address).find(|m| !cluster.is_own(m));
        if let (Some(node), ReversePeering::Auto) = (beside, peer.spec.reverse_peering) {
            let (peer, node) = (key_of(peer), Arc::clone(node.name()));
            warnings.push(Warning::ReflectorTakenForNode { peer, node });
        }
        let families = [Family::of(at.address)];
        for member in cluster.members.iter().filter(|m| !cluster.is_own(m) && is_selected(&peer.spec.nodes, m)) {
            let before = sessions.len();
            with_node(cluster, peer, PeerKind::Node, member, &families, wishes(&peer.spec), &mut sessions);
            // The node calls itself so toward us.
            if let Some(asn) = peer.spec.local_as_number {
                sessions.iter_mut().skip(before).for_each(|session| session.asn = Asn(asn.0));
            }
        }
    }
    let port = context.port;
    warnings.extend(unnamed.into_iter().map(|address| Warning::UnusedReflector {
        address,
        port,
        asn: cluster.own_asn(),
    }));
    sessions
}

/// What a `BGPPeer` says of the session, as its other end has it.
fn wishes(spec: &BgpPeerSpec) -> Wishes<'_> {
    Wishes { next_hop: NextHop::Auto, filters: &[], ..node_wishes(spec) }
}
