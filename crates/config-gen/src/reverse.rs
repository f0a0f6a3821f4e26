//! Sessions that a `BGPPeer` asks for on other nodes toward this one: they need their counterpart here.

use heddle_resources::bgp_peer::{PeeringPeers, ReversePeering};
use heddle_resources::value::Family;
use heddle_resources::{BgpPeer, value};

use crate::cluster::{Cluster, FAMILIES};
use crate::explicit::{is_selected, node_wishes, with_node};
use crate::generated::PeerKind;
use crate::session::Session;

/// For every `BGPPeer` whose peers include this node: sessions with the nodes that have it.
pub(crate) fn sessions<'a>(cluster: &Cluster<'a>, sessions: &mut Vec<Session<'a>>) {
    for peer in cluster.snapshot.all::<BgpPeer>() {
        let families: &[Family] = match &peer.spec.peers {
            PeeringPeers::Nobody | PeeringPeers::LocalWorkloads(_) => continue,
            PeeringPeers::Nodes(selector) if selector.matches(&cluster.own().node.metadata.labels) => &FAMILIES,
            PeeringPeers::Address { peer: address, .. } if is_own(cluster, peer, *address) => {
                // An address is of one family, and so are the sessions back.
                match Family::of(address.address) {
                    Family::V4 => &[Family::V4],
                    Family::V6 => &[Family::V6],
                }
            }
            PeeringPeers::Nodes(_) | PeeringPeers::Address { .. } => continue,
        };
        match peer.spec.reverse_peering {
            ReversePeering::Auto => {}
            ReversePeering::Manual => continue,
        }
        let wishes = node_wishes(&peer.spec);
        for member in cluster.members.iter().filter(|m| is_selected(&peer.spec.nodes, m)) {
            with_node(cluster, peer, PeerKind::Node, member, families, wishes, sessions);
        }
    }
}

/// Whether `peerIP` and `asNumber` mean this node.
fn is_own(cluster: &Cluster<'_>, peer: &BgpPeer, address: value::PeerAddress) -> bool {
    let own = cluster.own();
    let asn = peer.spec.as_number.map_or_else(|| cluster.global_asn(), |n| heddle_bgp_core::Asn(n.0));
    let same_port = match (address.port, cluster.port_of(own)) {
        (None, _) | (Some(_), None) => true,
        (Some(asked), Some(listening)) => asked == listening,
    };
    own.address(Family::of(address.address)) == Some(address.address) && cluster.asn_of(own) == asn && same_port
}
