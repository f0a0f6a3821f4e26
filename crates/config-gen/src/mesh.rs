//! The full mesh between all nodes that are no route reflectors.

use heddle_resources::secret::SecretKeyRef;
use heddle_resources::{Key, Kind};

use crate::cluster::{Cluster, FAMILIES};
use crate::generated::PeerKind;
use crate::origin::Source;
use crate::session::{Session, Wishes, mesh_role};

/// One session a family with every other node that has an address of it.
pub(crate) fn sessions<'a>(cluster: &Cluster<'a>, sessions: &mut Vec<Session<'a>>) {
    let own = cluster.own();
    // A reflector is in no mesh, and nodes do not mesh with reflectors.
    if !cluster.is_mesh_enabled() || own.cluster_id.is_some() {
        return;
    }
    let password: Option<&'a SecretKeyRef> = cluster.global.node_mesh_password.as_ref();
    let wishes = Wishes { password, restart_time: cluster.global.node_mesh_max_restart_time, ..Wishes::NONE };
    let asked_by = Key::cluster(Kind::BgpConfiguration, "default");
    let source = cluster.global_or_default(cluster.global.node_to_node_mesh, "nodeToNodeMeshEnabled");
    // A node without an AS of its own is taken to be in ours, not in the global one.
    let own_asn = cluster.own_asn();
    for family in FAMILIES {
        let Some(own_address) = own.address(family) else { continue };
        for member in cluster.members.iter().filter(|m| m.cluster_id.is_none()) {
            let Some(address) = member.address(family).filter(|a| *a != own_address) else { continue };
            sessions.push(Session {
                kind: PeerKind::Mesh,
                address,
                port: cluster.port_of(member),
                asn: member.asn.unwrap_or(own_asn),
                wishes,
                role: mesh_role(own_address, address),
                cluster_id: None,
                node: Some(member.name()),
                reachable_by: None,
                asked_by: asked_by.clone(),
                sources: vec![Source::whole(member.key()), source.clone()],
            });
        }
    }
}
