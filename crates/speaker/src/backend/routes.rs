//! A walk over the RIB for a reader of the API: a chunk of destinations at a time, pulled by the reader.

use std::borrow::Cow;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use heddle_admin::RouteCursor;
use heddle_admin::types::{
    ApiError, Destination, Explanation, Match, Path, PathStatus, RouteAttributes, RouteOrigin, RouteQuery, RouteView,
};
use heddle_bgp_core::{Family, PeerType, Prefix, Timestamp};
use heddle_rib::PeerId;
use heddle_rib::decision::{Reason, Step};
use heddle_rib::policy::Refusal;
use heddle_rib::query::{Cursor as RibCursor, Reading, RouteInfo, Scope, Standing, View};
use heddle_rib::route::{Ineligible, Staleness};
use ipnetwork::IpNetwork;

use super::attributes::attributes;
use super::stopped;
use crate::registry::Registry;
use crate::report;
use crate::rib_thread::RibHandle;

/// Destinations looked at in one turn of the RIB, at most.
const MAX_CHUNK: u32 = 512;
/// Paths that a turn should bring: where destinations have many, fewer are looked at.
const CHUNK_PATHS: usize = 1024;

/// A walk.
#[derive(Debug)]
pub(crate) struct Cursor {
    rib: RibHandle,
    registry: Registry,
    query: RouteQuery,
    view: View,
    scopes: Vec<Scope>,
    at: RibCursor,
    chunk: u32,
    /// Attribute sets that were shown last: neighbours share them.
    last: Option<(Vec<u8>, Arc<RouteAttributes>)>,
    addresses: HashMap<PeerId, Option<heddle_admin::types::PeerAddress>>,
}

impl Cursor {
    /// A walk for a query, which has been checked; `peer` is the query's.
    #[must_use]
    pub(crate) fn new(rib: RibHandle, registry: Registry, query: RouteQuery, peer: Option<PeerId>) -> Self {
        let view = match (query.view, peer) {
            (RouteView::Received, Some(p)) => View::Received(p),
            (RouteView::Advertised, Some(p)) => View::Advertised(p),
            (RouteView::All | RouteView::Best, Some(p)) => View::Received(p),
            (_, None) => View::LocRib,
        };
        let mut scopes = scopes(&query);
        scopes.reverse();
        let addresses = HashMap::new();
        Self { rib, registry, query, view, scopes, at: RibCursor::default(), chunk: 64, last: None, addresses }
    }

    fn destination(&mut self, routes: &[RouteInfo], now: Timestamp) -> Option<Destination> {
        let prefix = network(routes.first()?.prefix);
        let best = routes.iter().find(|r| r.standing == Standing::Decided(Reason::Best)).cloned();
        let mut paths: Vec<Path> = routes.iter().map(|r| self.path(r, best.as_ref(), now)).collect();
        if self.query.view == RouteView::Best {
            paths.retain(|p| matches!(p.status, PathStatus::Best | PathStatus::Multipath));
        }
        paths.sort_by(|a, b| {
            let rank = |p: &Path| (p.status as u8, p.peer.clone(), p.path_id_received);
            rank(a).cmp(&rank(b))
        });
        (!paths.is_empty()).then_some(Destination { prefix, paths })
    }

    fn path(&mut self, r: &RouteInfo, best: Option<&RouteInfo>, now: Timestamp) -> Path {
        let received = self.query.view == RouteView::Received;
        let block = r.received.as_deref().filter(|_| received).unwrap_or(&r.block);
        let attributes = match &self.last {
            Some((b, a)) if b == block => Arc::clone(a),
            _ => {
                let a = Arc::new(attributes(block));
                self.last = Some((block.to_vec(), Arc::clone(&a)));
                a
            }
        };
        let local = r.source.peer == PeerId::LOCAL;
        let registry = &self.registry;
        let peer = self
            .addresses
            .entry(r.source.peer)
            .or_insert_with(|| registry.address_of(r.source.peer).map(|a| report::address(&a)))
            .clone()
            .or_else(|| (!local).then(|| r.source.peer_addr.into()));
        let advertised = r.standing == Standing::Advertised;
        let path_id = (r.path_id.0 != 0).then_some(r.path_id.0);
        Path {
            status: status(r.standing),
            origin_type: match r.source.kind.peer_type() {
                None => RouteOrigin::Local,
                Some(PeerType::Ebgp) => RouteOrigin::Ebgp,
                Some(PeerType::Ibgp) => RouteOrigin::Ibgp,
            },
            peer,
            peer_router_id: (!local).then(|| r.source.bgp_id.0.into()),
            path_id_received: path_id.filter(|_| !advertised),
            path_id_sent: path_id.filter(|_| advertised),
            reason: match r.standing {
                Standing::Ineligible(reason) => Some(Cow::Borrowed(reason_word(reason))),
                Standing::Refused(refusal) => Some(Cow::Borrowed(refusal_word(refusal))),
                Standing::Decided(_) | Standing::Advertised => None,
            },
            stale: r.source.staleness != Staleness::Live,
            llgr_stale: r.flags.is_llgr_stale(),
            age_seconds: now.since(Timestamp::from_secs(r.since.into())).as_secs(),
            igp_cost: None,
            attributes,
            explain: self.query.explain.then(|| explanation(r, best)).flatten(),
        }
    }
}

impl RouteCursor for Cursor {
    async fn next(&mut self) -> Result<Option<Vec<Destination>>, ApiError> {
        let Some(scope) = self.scopes.last().copied() else { return Ok(None) };
        let (view, mut at, chunk) = (self.view, self.at, self.chunk);
        let (routes, reading, at, now) = self
            .rib
            .call(move |rib, now| {
                let mut routes = Vec::new();
                let reading = rib.routes(scope, view, &mut at, chunk, &mut routes);
                (routes, reading, at, now)
            })
            .await
            .map_err(|_| stopped())?;
        self.at = at;
        self.chunk = next_chunk(chunk, routes.len());
        if reading == Reading::Done {
            self.scopes.pop();
            self.at = RibCursor::default();
        }
        let groups = routes.chunk_by(|a, b| a.prefix == b.prefix);
        let mut destinations = Vec::new();
        for group in groups {
            destinations.extend(self.destination(group, now));
        }
        Ok(Some(destinations))
    }
}

fn next_chunk(chunk: u32, paths: usize) -> u32 {
    if paths > CHUNK_PATHS { (chunk / 2).max(1) } else { chunk.saturating_mul(2).min(MAX_CHUNK) }
}

fn scopes(query: &RouteQuery) -> Vec<Scope> {
    let Some(prefix) = query.prefix.and_then(core_prefix) else {
        let only = query.family.map(report::core_family);
        return Family::SUPPORTED.into_iter().filter(|f| only.is_none_or(|o| o == *f)).map(Scope::All).collect();
    };
    if query.family.is_some_and(|f| report::core_family(f) != prefix.family()) {
        return Vec::new();
    }
    vec![match query.matching {
        Match::Exact => Scope::Exact(prefix),
        Match::Longest => Scope::LongestMatch(prefix),
        Match::Longer => Scope::Longer(prefix),
    }]
}

fn core_prefix(n: IpNetwork) -> Option<Prefix> {
    Prefix::new(n.ip(), n.prefix())
}

pub(super) fn network(p: Prefix) -> IpNetwork {
    let host = || match p.addr() {
        IpAddr::V4(a) => IpNetwork::from(IpAddr::V4(a)),
        IpAddr::V6(a) => IpNetwork::from(IpAddr::V6(a)),
    };
    // The length of a prefix fits its family.
    IpNetwork::new(p.addr(), p.len()).unwrap_or_else(|_| host())
}

const fn status(standing: Standing) -> PathStatus {
    match standing {
        Standing::Decided(Reason::Best) | Standing::Advertised => PathStatus::Best,
        Standing::Decided(Reason::Multipath) => PathStatus::Multipath,
        Standing::Decided(Reason::Lost(_)) => PathStatus::Valid,
        Standing::Ineligible(Ineligible::Guard | Ineligible::ImportPolicy) | Standing::Refused(_) => {
            PathStatus::Rejected
        }
        Standing::Ineligible(_) => PathStatus::Ineligible,
    }
}

const fn reason_word(reason: Ineligible) -> &'static str {
    match reason {
        Ineligible::OwnAsLoop => "as_loop",
        Ineligible::OriginatorLoop => "originator_loop",
        Ineligible::ClusterLoop => "cluster_loop",
        Ineligible::Guard => "guard",
        Ineligible::OtcLeak => "otc_leak",
        Ineligible::ImportPolicy => "import_policy",
        Ineligible::NextHopUnreachable => "next_hop_unreachable",
    }
}

const fn reason_text(reason: Ineligible) -> &'static str {
    match reason {
        Ineligible::OwnAsLoop => "our AS is in its AS_PATH (RFC 4271 §9.1.2); allow_own_as permits it",
        Ineligible::OriginatorLoop => "its ORIGINATOR_ID is our BGP Identifier (RFC 4456 §8)",
        Ineligible::ClusterLoop => "its CLUSTER_LIST has our cluster id (RFC 4456 §8)",
        Ineligible::Guard => "the peer's guard refused it (RFC 7454 §6)",
        Ineligible::OtcLeak => "Only to Customer says that it was leaked (RFC 9234 §5)",
        Ineligible::ImportPolicy => "import policy rejects it, or an eBGP peer has none (RFC 8212)",
        Ineligible::NextHopUnreachable => "its next hop is unreachable (RFC 4271 §9.1.2)",
    }
}

const fn refusal_word(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::DefaultRoute => "guard_default_route",
        Refusal::OwnPrefix => "guard_own_prefix",
        Refusal::Martian => "guard_martian",
        Refusal::TooLong => "guard_too_long",
        Refusal::TooShort => "guard_too_short",
        Refusal::NextHop => "guard_next_hop",
    }
}

/// Why a path is not the best, with what it has and what the best has.
fn explanation(r: &RouteInfo, best: Option<&RouteInfo>) -> Option<Explanation> {
    match r.standing {
        Standing::Decided(Reason::Best) | Standing::Advertised => None,
        Standing::Decided(Reason::Multipath) => Some(Explanation {
            rule: Cow::Borrowed("multipath"),
            text: "as good as the best up to the interior cost; used beside it".to_owned(),
        }),
        Standing::Ineligible(reason) => Some(Explanation {
            rule: Cow::Borrowed(match status(r.standing) {
                PathStatus::Rejected => "rejected",
                PathStatus::Best | PathStatus::Multipath | PathStatus::Valid | PathStatus::Ineligible => "ineligible",
            }),
            text: reason_text(reason).to_owned(),
        }),
        Standing::Refused(refusal) => Some(Explanation {
            rule: Cow::Borrowed("rejected"),
            text: format!("refused by the peer's guard: {refusal}"),
        }),
        Standing::Decided(Reason::Lost(step)) => {
            let own = value(step, r);
            let other = best.and_then(|b| value(step, b));
            let text = match (own, other) {
                (Some(own), Some(other)) => format!("{step}: {own}, the best has {other}"),
                _ => step.to_string(),
            };
            Some(Explanation { rule: Cow::Borrowed(rule_word(step)), text })
        }
    }
}

const fn rule_word(step: Step) -> &'static str {
    match step {
        Step::LlgrStale => "stale",
        Step::Local => "local",
        Step::LocalPref => "local_pref",
        Step::Aigp => "aigp",
        Step::AsPathLength => "as_path_length",
        Step::Origin => "origin",
        Step::Med => "med",
        Step::PeerType => "ebgp_over_ibgp",
        Step::IgpCost => "igp_cost",
        Step::Age => "oldest",
        Step::BgpId => "router_id",
        Step::ClusterListLength => "cluster_list_length",
        Step::PeerAddress => "peer_address",
        Step::PathId => "path_id",
    }
}

/// What a path has in the step that decided, where it is a value.
fn value(step: Step, r: &RouteInfo) -> Option<String> {
    let a = attributes(&r.block);
    match step {
        Step::LocalPref => Some(a.local_pref.unwrap_or(100).to_string()),
        Step::Aigp => Some(a.aigp.map_or_else(|| "none".to_owned(), |m| m.to_string())),
        Step::AsPathLength => Some(a.as_path_length.to_string()),
        Step::Origin => Some(a.origin.into_owned()),
        Step::Med => Some(a.med.unwrap_or(0).to_string()),
        Step::BgpId => Some(a.originator_id.unwrap_or_else(|| r.source.bgp_id.0.into()).to_string()),
        Step::ClusterListLength => Some(a.cluster_list.len().to_string()),
        Step::PeerAddress => Some(r.source.peer_addr.to_string()),
        Step::PathId => Some(r.path_id.to_string()),
        Step::LlgrStale | Step::Local | Step::PeerType | Step::IgpCost | Step::Age => None,
    }
}
