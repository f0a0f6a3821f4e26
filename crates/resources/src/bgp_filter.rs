//! `BGPFilter`: rules for routes that sessions take in and give out.

use crate::metadata::Metadata;
use crate::value::{AsNumber, Cidr, Community, Family, InterfacePattern, RoutePriority};

/// A BGP filter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BgpFilter {
    /// Name, labels and version.
    pub metadata: Metadata,
    /// What it says.
    pub spec: BgpFilterSpec,
}

/// The rules of a BGP filter, each list in the order in which it is evaluated.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BgpFilterSpec {
    /// `exportV4`
    pub export_v4: Vec<BgpFilterRule>,
    /// `importV4`
    pub import_v4: Vec<BgpFilterRule>,
    /// `exportV6`
    pub export_v6: Vec<BgpFilterRule>,
    /// `importV6`
    pub import_v6: Vec<BgpFilterRule>,
}

impl BgpFilterSpec {
    /// The rules for routes of this family that a session gives out.
    #[must_use]
    pub fn export(&self, family: Family) -> &[BgpFilterRule] {
        match family {
            Family::V4 => &self.export_v4,
            Family::V6 => &self.export_v6,
        }
    }

    /// The rules for routes of this family that a session takes in.
    #[must_use]
    pub fn import(&self, family: Family) -> &[BgpFilterRule] {
        match family {
            Family::V4 => &self.import_v4,
            Family::V6 => &self.import_v6,
        }
    }
}

/// One rule. All conditions that are set have to hold; with none of them it holds for every route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BgpFilterRule {
    /// `cidr`, `matchOperator`, `prefixLength`
    pub prefix: Option<PrefixMatch>,
    /// `source`
    pub source: Option<RouteSource>,
    /// `interface`: the route has an interface, and its name matches.
    pub interface: Option<InterfacePattern>,
    /// `peerType`
    pub peer_type: Option<PeerType>,
    /// `communities.values`, which has exactly one value.
    pub community: Option<Community>,
    /// `asPathPrefix`: the AS_PATH begins with these; empty: no condition.
    pub as_path_prefix: Vec<AsNumber>,
    /// `priority`
    pub priority: Option<RoutePriority>,
    /// `action`
    pub action: FilterAction,
    /// `operations`, in order; only with [`FilterAction::Accept`].
    pub operations: Vec<FilterOperation>,
}

/// The condition on a route's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixMatch {
    /// `cidr`, of the family of the list that the rule is in.
    pub cidr: Cidr,
    /// `matchOperator`
    pub operator: MatchOperator,
    /// `prefixLength`
    pub length: Option<PrefixLength>,
}

/// `prefixLength`: bounds of a route's prefix length, both included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PrefixLength {
    /// `min`; the CIDR's own length where it is not set or shorter.
    pub min: Option<u8>,
    /// `max`; 32 or 128 where it is not set.
    pub max: Option<u8>,
}

/// `matchOperator`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchOperator {
    /// Exactly the CIDR.
    Equal,
    /// Anything but exactly the CIDR.
    NotEqual,
    /// The CIDR or a part of it.
    In,
    /// Neither the CIDR nor a part of it.
    NotIn,
}

/// `source`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RouteSource {
    /// Learned by BGP.
    RemotePeers,
}

/// `peerType`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerType {
    /// Peers of another AS.
    Ebgp,
    /// Peers of the own AS.
    Ibgp,
}

/// `action`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterAction {
    /// The route passes, and no further rule is asked.
    Accept,
    /// The route does not pass.
    Reject,
}

/// An entry of `operations`: what is done to a route that is accepted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FilterOperation {
    /// `addCommunity`
    AddCommunity(Community),
    /// `prependASPath`: the AS_PATH then begins with these, in this order.
    PrependAsPath(Vec<AsNumber>),
    /// `setPriority`
    SetPriority(RoutePriority),
}
