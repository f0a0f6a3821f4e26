//! Where the API server has which kind, and what of it is of interest.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use heddle_resources::Kind;
use serde_json::Value;
use thiserror::Error;

/// In which API Calico's objects are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CalicoApi {
    /// `crd.projectcalico.org/v1`: what Calico's API server, if there is one, stores.
    Stored,
    /// `projectcalico.org/v3`, as custom resource definitions of its own, without Calico's API server.
    Native,
}

impl CalicoApi {
    /// Group and version.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stored => "crd.projectcalico.org/v1",
            Self::Native => "projectcalico.org/v3",
        }
    }
}

impl fmt::Display for CalicoApi {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text names no API that has Calico's objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("no API of Calico's; write crd.projectcalico.org/v1 or projectcalico.org/v3")]
pub struct UnknownCalicoApi;

impl FromStr for CalicoApi {
    type Err = UnknownCalicoApi;

    fn from_str(text: &str) -> Result<Self, UnknownCalicoApi> {
        [Self::Stored, Self::Native].into_iter().find(|api| api.as_str() == text).ok_or(UnknownCalicoApi)
    }
}

/// Whether a node can do without a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Need {
    /// Sessions begun without it could be too many, too few or unfiltered: it is waited for.
    Always,
    /// What depends on it is left out, and said.
    Perhaps,
}

/// How much a node needs a kind.
pub(super) const fn need(kind: Kind) -> Need {
    match kind {
        Kind::Node | Kind::BgpConfiguration | Kind::BgpPeer | Kind::BgpFilter | Kind::IpPool | Kind::BlockAffinity => {
            Need::Always
        }
        Kind::IpamBlock | Kind::Secret | Kind::Service | Kind::EndpointSlice | Kind::Pod | Kind::CalicoNodeStatus => {
            Need::Perhaps
        }
    }
}

/// The name of a kind in paths.
pub(super) const fn plural(kind: Kind) -> &'static str {
    match kind {
        Kind::Node => "nodes",
        Kind::BgpConfiguration => "bgpconfigurations",
        Kind::BgpPeer => "bgppeers",
        Kind::BgpFilter => "bgpfilters",
        Kind::IpPool => "ippools",
        Kind::BlockAffinity => "blockaffinities",
        Kind::IpamBlock => "ipamblocks",
        Kind::Secret => "secrets",
        Kind::Service => "services",
        Kind::EndpointSlice => "endpointslices",
        Kind::Pod => "pods",
        Kind::CalicoNodeStatus => "caliconodestatuses",
    }
}

/// Group and version of a kind.
pub(super) const fn api_version(kind: Kind, calico: CalicoApi) -> &'static str {
    match kind {
        Kind::Node | Kind::Secret | Kind::Service | Kind::Pod => "v1",
        Kind::EndpointSlice => "discovery.k8s.io/v1",
        Kind::BgpConfiguration
        | Kind::BgpPeer
        | Kind::BgpFilter
        | Kind::IpPool
        | Kind::BlockAffinity
        | Kind::IpamBlock
        | Kind::CalicoNodeStatus => calico.as_str(),
    }
}

/// The path of an API.
pub(super) fn api_path(api_version: &str) -> String {
    if api_version.contains('/') { format!("/apis/{api_version}") } else { format!("/api/{api_version}") }
}

/// A kind that is followed.
#[derive(Clone, Debug)]
pub(super) struct Followed {
    pub(super) kind: Kind,
    /// Its name, for messages.
    pub(super) what: Arc<str>,
    pub(super) api_version: &'static str,
    pub(super) path: String,
    /// What the API server is to select.
    pub(super) selector: Option<Selector>,
    /// Of which node objects are taken; others are left alone before they are decoded.
    pub(super) only: Option<Arc<str>>,
}

/// A selection by the API server.
#[derive(Clone, Debug)]
pub(super) struct Selector {
    /// `fieldSelector`
    pub(super) fields: String,
    /// Whether every API server knows the field.
    pub(super) known: Known,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Known {
    Everywhere,
    /// Where the custom resource definition names it; elsewhere the API server says that it does not, and all is asked for.
    Perhaps,
}

impl Followed {
    /// A kind, in an API, as a node needs it.
    pub(super) fn new(kind: Kind, calico: CalicoApi, node: &Arc<str>) -> Self {
        let api_version = api_version(kind, calico);
        let select = |field: &str, known| Some(Selector { fields: format!("{field}={node}"), known });
        let (selector, only) = match kind {
            Kind::Pod => (select("spec.nodeName", Known::Everywhere), None),
            Kind::BlockAffinity | Kind::CalicoNodeStatus => {
                (select("spec.node", Known::Perhaps), Some(Arc::clone(node)))
            }
            Kind::Node
            | Kind::BgpConfiguration
            | Kind::BgpPeer
            | Kind::BgpFilter
            | Kind::IpPool
            | Kind::IpamBlock
            | Kind::Secret
            | Kind::Service
            | Kind::EndpointSlice => (None, None),
        };
        let path = format!("{}/{}", api_path(api_version), plural(kind));
        Self { kind, what: kind.as_str().into(), api_version, path, selector, only }
    }

    /// Whether an object is of interest.
    pub(super) fn takes(&self, object: &Value) -> bool {
        let node = || object.get("spec")?.get("node")?.as_str();
        self.only.as_deref().is_none_or(|only| node() == Some(only))
    }
}
