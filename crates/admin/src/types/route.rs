//! Routes.

use std::borrow::Cow;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use ipnetwork::IpNetwork;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Family, PeerAddress, PeerType, prefix_of};

/// The parameters of `GET /v1/routes`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RouteQuery {
    /// Only this family; none is all, IPv4 first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<Family>,
    /// Only destinations that match this prefix.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "lenient_prefix")]
    pub prefix: Option<IpNetwork>,
    /// How they match it.
    #[serde(rename = "match")]
    pub matching: Match,
    /// Only paths of this peer, or toward it for [`RouteView::Advertised`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerAddress>,
    /// Which table.
    pub view: RouteView,
    /// Say of each path that is not the best why it is not.
    pub explain: bool,
}

/// Takes an address without a length too, and clears host bits.
fn lenient_prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpNetwork>, D::Error> {
    prefix_of(&String::deserialize(deserializer)?).map(Some).map_err(D::Error::custom)
}

/// How a destination matches the prefix that was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// It is the same.
    #[default]
    Exact,
    /// It is the most specific one that covers the prefix and has a best path.
    Longest,
    /// It is the same or more specific.
    Longer,
}

/// Which table is shown.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteView {
    /// Loc-RIB with all paths of each destination, after import policy.
    #[default]
    All,
    /// Loc-RIB, only best and multipath ones.
    Best,
    /// Adj-RIB-In of `peer`: as received, before import policy, rejected and ineligible paths too.
    Received,
    /// Adj-RIB-Out of `peer`: as sent.
    Advertised,
}

/// One destination with its paths; the element of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Destination {
    /// The prefix.
    pub prefix: IpNetwork,
    /// Its paths, best first, then by peer address and Path Identifier.
    pub paths: Vec<Path>,
}

/// One path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Path {
    /// What became of it.
    pub status: PathStatus,
    /// Where it is from.
    pub origin_type: RouteOrigin,
    /// The peer that sent it; absent for local routes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer: Option<PeerAddress>,
    /// The peer's BGP Identifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_router_id: Option<Ipv4Addr>,
    /// The Path Identifier with which it came (RFC 7911).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_id_received: Option<u32>,
    /// The one with which it is sent on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path_id_sent: Option<u32>,
    /// Why it is rejected or ineligible: `import_policy`, `as_loop`, `originator_loop`, `cluster_loop`,
    /// `next_hop_unreachable`, `first_as`, `otc_leak`, `prefix_limit`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'static, str>>,
    /// Its peer is restarting, or is sending its routes anew (RFC 4724, RFC 7313).
    #[serde(default, skip_serializing_if = "is_false")]
    pub stale: bool,
    /// It is long-lived stale (RFC 9494).
    #[serde(default, skip_serializing_if = "is_false")]
    pub llgr_stale: bool,
    /// Seconds since it came or last changed.
    #[serde(default)]
    pub age_seconds: u64,
    /// Cost to its next hop, where next hops are resolved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub igp_cost: Option<u32>,
    /// Its attributes: after import policy in [`RouteView::All`] and [`RouteView::Best`].
    pub attributes: Arc<RouteAttributes>,
    /// Why it is not the best, where asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explain: Option<Explanation>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature that serde calls")]
const fn is_false(b: &bool) -> bool {
    !*b
}

/// What became of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PathStatus {
    /// The best of its destination.
    Best,
    /// Used beside the best.
    Multipath,
    /// It could be used, another is better.
    Valid,
    /// Import policy rejected it.
    Rejected,
    /// It may not be used.
    Ineligible,
}

/// Where a path is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RouteOrigin {
    /// An iBGP peer.
    Ibgp,
    /// An eBGP peer.
    Ebgp,
    /// This speaker.
    Local,
}

impl From<PeerType> for RouteOrigin {
    fn from(peer_type: PeerType) -> Self {
        match peer_type {
            PeerType::Ibgp => Self::Ibgp,
            PeerType::Ebgp => Self::Ebgp,
        }
    }
}

/// Path attributes in words. A key whose attribute the path does not have is absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteAttributes {
    /// ORIGIN: `igp`, `egp` or `incomplete`.
    pub origin: Cow<'static, str>,
    /// AS_PATH as FRR prints it: `65001 65002 {65003,65004}`; empty for an empty one.
    pub as_path: String,
    /// Its length as the decision process counts it: a set is one.
    pub as_path_length: u32,
    /// Next hop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_hop: Option<IpAddr>,
    /// The link-local next hop beside it (RFC 2545 §3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next_hop_link_local: Option<IpAddr>,
    /// MULTI_EXIT_DISC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub med: Option<u32>,
    /// LOCAL_PREF.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub local_pref: Option<u32>,
    /// ATOMIC_AGGREGATE.
    #[serde(skip_serializing_if = "is_false")]
    pub atomic_aggregate: bool,
    /// AGGREGATOR.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aggregator: Option<Aggregator>,
    /// Communities (RFC 1997): `65001:100`, well-known ones by name: `no-export`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub communities: Vec<String>,
    /// Large communities (RFC 8092): `65001:1:2`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub large_communities: Vec<String>,
    /// Extended communities (RFC 4360, RFC 5701): `rt:65001:100`, `soo:192.0.2.1:1`, others as `0x` and hexadecimal.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extended_communities: Vec<String>,
    /// ORIGINATOR_ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub originator_id: Option<Ipv4Addr>,
    /// CLUSTER_LIST.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cluster_list: Vec<Ipv4Addr>,
    /// Accumulated IGP metric (RFC 7311).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub aigp: Option<u64>,
    /// Only to customer (RFC 9234).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub otc: Option<u32>,
    /// All others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other: Vec<UnknownAttribute>,
}

/// AGGREGATOR (RFC 4271 §5.1.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Aggregator {
    /// AS of the speaker that aggregated.
    pub asn: u32,
    /// Its BGP Identifier.
    pub router_id: Ipv4Addr,
}

/// An attribute that the API has no key for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnknownAttribute {
    /// Type code.
    pub code: u8,
    /// Flags octet.
    pub flags: u8,
    /// Value in hexadecimal.
    pub value_hex: String,
}

/// Why a path is not the best.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The rule that decided: `ineligible`, `rejected`, `local_pref`, `aigp`, `as_path_length`, `origin`, `med`,
    /// `ebgp_over_ibgp`, `igp_cost`, `stale`, `router_id`, `cluster_list_length`, `peer_address`, `path_id`, `local`.
    pub rule: Cow<'static, str>,
    /// In words: `local preference 100, the best has 200`.
    pub text: String,
}
