//! What an object is and how it is named.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use thiserror::Error;

/// The kinds of objects that Heddle reads. The order is the order of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `Node` of `projectcalico.org/v3`, or of `v1` with Calico's annotations.
    Node,
    /// `BGPConfiguration`
    BgpConfiguration,
    /// `BGPPeer`
    BgpPeer,
    /// `BGPFilter`
    BgpFilter,
    /// `IPPool`
    IpPool,
    /// `BlockAffinity`
    BlockAffinity,
    /// `IPAMBlock`
    IpamBlock,
    /// `Secret` of `v1`
    Secret,
    /// `Service` of `v1`
    Service,
    /// `EndpointSlice` of `discovery.k8s.io/v1`
    EndpointSlice,
    /// `Pod` of `v1`
    Pod,
    /// `CalicoNodeStatus`
    CalicoNodeStatus,
}

impl Kind {
    /// Every kind, in order.
    pub const ALL: [Self; 12] = [
        Self::Node,
        Self::BgpConfiguration,
        Self::BgpPeer,
        Self::BgpFilter,
        Self::IpPool,
        Self::BlockAffinity,
        Self::IpamBlock,
        Self::Secret,
        Self::Service,
        Self::EndpointSlice,
        Self::Pod,
        Self::CalicoNodeStatus,
    ];

    /// As in the field `kind` of a manifest.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Node => "Node",
            Self::BgpConfiguration => "BGPConfiguration",
            Self::BgpPeer => "BGPPeer",
            Self::BgpFilter => "BGPFilter",
            Self::IpPool => "IPPool",
            Self::BlockAffinity => "BlockAffinity",
            Self::IpamBlock => "IPAMBlock",
            Self::Secret => "Secret",
            Self::Service => "Service",
            Self::EndpointSlice => "EndpointSlice",
            Self::Pod => "Pod",
            Self::CalicoNodeStatus => "CalicoNodeStatus",
        }
    }

    /// Whether objects of this kind live in a namespace.
    #[must_use]
    pub const fn scope(self) -> Scope {
        match self {
            Self::Secret | Self::Service | Self::EndpointSlice | Self::Pod => Scope::Namespaced,
            Self::Node
            | Self::BgpConfiguration
            | Self::BgpPeer
            | Self::BgpFilter
            | Self::IpPool
            | Self::BlockAffinity
            | Self::IpamBlock
            | Self::CalicoNodeStatus => Scope::Cluster,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no kind that Heddle reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no kind that Heddle reads; write a kind as in a manifest, such as BGPPeer")]
pub struct UnknownKind;

impl FromStr for Kind {
    type Err = UnknownKind;

    fn from_str(text: &str) -> Result<Self, UnknownKind> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text).ok_or(UnknownKind)
    }
}

/// Where the names of a kind are unique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// In the whole cluster.
    Cluster,
    /// In a namespace.
    Namespaced,
}

/// The identity of an object: no two objects of a snapshot have the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// What it is.
    pub kind: Kind,
    /// The namespace, of kinds that live in one.
    pub namespace: Option<Arc<str>>,
    /// The name.
    pub name: Arc<str>,
}

impl Key {
    /// The key of an object that is unique in the cluster.
    #[must_use]
    pub fn cluster(kind: Kind, name: impl Into<Arc<str>>) -> Self {
        Self { kind, namespace: None, name: name.into() }
    }

    /// The key of an object in a namespace.
    #[must_use]
    pub fn namespaced(kind: Kind, namespace: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self { kind, namespace: Some(namespace.into()), name: name.into() }
    }
}

impl fmt::Display for Key {
    /// `BGPPeer/tor-1`, `Service/default/web`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{}/{namespace}/{}", self.kind, self.name),
            None => write!(f, "{}/{}", self.kind, self.name),
        }
    }
}
