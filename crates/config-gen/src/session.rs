//! One session as the resources ask for it, before it becomes a peer of the configuration.

use std::net::IpAddr;
use std::num::{NonZeroU8, NonZeroU16};
use std::sync::Arc;
use std::time::Duration;

use heddle_bgp_core::{Asn, ClusterId};
use heddle_resources::Key;
use heddle_resources::bgp_peer::{NextHop, SourceAddress};
use heddle_resources::secret::SecretKeyRef;
use heddle_resources::value::Family;

use crate::generated::PeerKind;
use crate::origin::Source;

/// Who opens the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// Both sides try.
    Active,
    /// The peer does.
    Passive,
}

/// What makes a session, and from where.
#[derive(Clone, Debug)]
pub(crate) struct Session<'a> {
    pub(crate) kind: PeerKind,
    pub(crate) address: IpAddr,
    /// None: 179.
    pub(crate) port: Option<NonZeroU16>,
    pub(crate) asn: Asn,
    pub(crate) wishes: Wishes<'a>,
    pub(crate) role: Role,
    /// The peer's CLUSTER_ID, if it is a route reflector that we know as such.
    pub(crate) cluster_id: Option<ClusterId>,
    /// The node at the other end, if it is one.
    pub(crate) node: Option<&'a Arc<str>>,
    /// The gateway to the peer.
    pub(crate) reachable_by: Option<IpAddr>,
    /// The resource that asks for the session.
    pub(crate) asked_by: Key,
    /// What else says something about it.
    pub(crate) sources: Vec<Source>,
}

/// What a `BGPPeer`, or the mesh, says of its sessions whoever the peer is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wishes<'a> {
    pub(crate) local_asn: Option<Asn>,
    pub(crate) source_address: SourceAddress,
    pub(crate) password: Option<&'a SecretKeyRef>,
    pub(crate) restart_time: Option<Duration>,
    pub(crate) keepalive: Option<Duration>,
    pub(crate) ttl_security: Option<NonZeroU8>,
    pub(crate) next_hop: NextHop,
    /// How many times our own AS may stand in the peer's AS_PATHs.
    pub(crate) allow_own_as: u32,
    pub(crate) filters: &'a [Arc<str>],
}

impl Wishes<'_> {
    /// What a session has of which nothing is said.
    pub(crate) const NONE: Self = Self {
        local_asn: None,
        source_address: SourceAddress::UseNodeIp,
        password: None,
        restart_time: None,
        keepalive: None,
        ttl_security: None,
        next_hop: NextHop::Auto,
        allow_own_as: 0,
        filters: &[],
    };
}

impl Session<'_> {
    pub(crate) fn family(&self) -> Family {
        Family::of(self.address)
    }

    /// Whether two sessions with one peer come to the same.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.port == other.port
            && self.asn == other.asn
            && self.wishes == other.wishes
            && self.cluster_id == other.cluster_id
            && self.reachable_by == other.reachable_by
    }
}

/// Calico's rule for who waits: of two nodes the one whose address is the greater text connects, the other is passive
/// toward it (`"10.0.0.9" > "10.0.0.10"`). Toward Calico's BIRD both sides have to follow it.
pub(crate) fn mesh_role(own: IpAddr, peer: IpAddr) -> Role {
    if peer.to_string() > own.to_string() { Role::Passive } else { Role::Active }
}
