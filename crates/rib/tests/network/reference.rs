//! The reference model: who ends with which routes, by rounds in which everybody tells everybody all at once.
//!
//! Written from RFC 4271 §9.1, §5.1, RFC 4456 §6, §8, §9 and RFC 1997, over structs; it shares no code with the RIB. MED is
//! compared between all routes, which leaves one stable outcome of nearly all topologies.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::net::IpAddr;

use heddle_bgp_core::Prefix;

use crate::topology::{
    NO_ADVERTISE, NO_EXPORT, Neighbor, Origin, Paths, Relation, Speaker, Topology, address, address6,
};

/// A route as a speaker has it after import.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Route {
    pub(crate) origin: u8,
    pub(crate) as_path: Vec<u32>,
    pub(crate) next_hop: Option<IpAddr>,
    pub(crate) med: Option<u32>,
    pub(crate) local_pref: Option<u32>,
    pub(crate) communities: Vec<u32>,
    pub(crate) originator: Option<u32>,
    pub(crate) clusters: Vec<u32>,
}

/// Why a route takes no part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loop {
    AsPath,
    Originator,
    Cluster,
    /// No loop: import policy.
    Policy,
}

/// The neighbor that a route is from, `None` being the speaker itself; the route; why it takes no part.
pub(crate) type Known = (Option<usize>, Route, Option<Loop>);

/// What a speaker has of one prefix, in order; and from whom the best is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Destination {
    pub(crate) routes: Vec<Known>,
    pub(crate) best: Option<Option<usize>>,
}

/// All of one speaker.
pub(crate) type Table = BTreeMap<Prefix, Destination>;

/// The state that does not change any more; none where the rounds go on for ever, because there are several such states
/// (RFC 3345 has examples), so that which one is reached depends on who speaks first.
pub(crate) fn converge(topology: &Topology) -> Option<Vec<Table>> {
    let mut tables: Vec<Table> = topology.speakers.iter().map(local_table).collect();
    // A path visits a speaker once, so that each round settles at least one more hop.
    for _ in 0..4 * topology.speakers.len() + 8 {
        let next = round(topology, &tables);
        if next == tables {
            return Some(tables);
        }
        tables = next;
    }
    None
}

fn local_table(speaker: &Speaker) -> Table {
    let local = |origin: &Origin| Route {
        origin: origin.origin,
        as_path: Vec::new(),
        next_hop: None,
        med: origin.med,
        local_pref: origin.local_pref,
        communities: origin.communities.clone(),
        originator: None,
        clusters: Vec::new(),
    };
    let destination = |origin| Destination { routes: vec![(None, local(origin), None)], best: Some(None) };
    speaker.origins.iter().map(|(prefix, origin)| (*prefix, destination(origin))).collect()
}

fn round(topology: &Topology, tables: &[Table]) -> Vec<Table> {
    let mut next: Vec<Table> = topology.speakers.iter().map(local_table).collect();
    for (node, table) in tables.iter().enumerate() {
        for neighbor in &topology.speakers[node].neighbors {
            for (prefix, destination) in table {
                for sent in exports(topology, node, neighbor, *prefix, destination) {
                    let (route, why) = import(&topology.speakers[neighbor.node], neighbor, *prefix, sent);
                    let there = next[neighbor.node].entry(*prefix).or_default();
                    there.routes.push((Some(neighbor.back), route, why));
                }
            }
        }
    }
    for (node, table) in next.iter_mut().enumerate() {
        for destination in table.values_mut() {
            destination.routes.sort();
            destination.best = ranked(topology, node, destination).first().map(|(source, ..)| *source);
        }
    }
    next
}

/// What a node tells a neighbor of a prefix: of the best path, or of several.
fn exports(topology: &Topology, node: usize, to: &Neighbor, prefix: Prefix, of: &Destination) -> Vec<Route> {
    let count = match to.sends {
        Paths::One => 1,
        Paths::Best(count) => usize::from(count),
        Paths::All => usize::MAX,
    };
    let ranked = ranked(topology, node, of).into_iter().take(count);
    ranked.filter_map(|known| export(topology, node, to, prefix, known)).collect()
}

/// What a node tells a neighbor of a path.
fn export(topology: &Topology, node: usize, to: &Neighbor, prefix: Prefix, known: &Known) -> Option<Route> {
    let speaker = &topology.speakers[node];
    let source = known.0;
    let neighbor = |at: usize| &speaker.neighbors[at];
    if source.is_some_and(|at| neighbor(at).node == to.node && neighbor(at).back == to.back) {
        return None;
    }
    let from = source.map(|at| neighbor(at).relation);
    // RFC 4456 §6.
    if (from, to.relation) == (Some(Relation::NonClient), Relation::NonClient) {
        return None;
    }
    let mut route = known.1.clone();
    if to.filters.export == Some(prefix) {
        return None;
    }
    let external = to.relation == Relation::External;
    if from.is_some() && route.communities.contains(&NO_ADVERTISE) {
        return None;
    }
    if from.is_some() && external && route.communities.contains(&NO_EXPORT) {
        return None;
    }
    let own = if prefix.addr().is_ipv4() { address(node) } else { address6(node).into() };
    if external {
        route.as_path.insert(0, speaker.asn);
        route.local_pref = None;
        route.originator = None;
        route.clusters.clear();
        route.next_hop = Some(own);
        // RFC 4271 §5.1.4.
        route.med = route.med.filter(|_| from.is_none());
        return Some(route);
    }
    route.next_hop.get_or_insert(own);
    route.local_pref.get_or_insert(100);
    if let (Some(at), Some(Relation::Client | Relation::NonClient)) = (source, from) {
        // RFC 4456 §8.
        route.originator = route.originator.or_else(|| Some(topology.speakers[neighbor(at).node].bgp_id));
        route.clusters.insert(0, speaker.cluster);
    }
    Some(route)
}

/// What the receiver makes of it; `sender` is the receiver as the sender sees it.
fn import(receiver: &Speaker, sender: &Neighbor, prefix: Prefix, route: Route) -> (Route, Option<Loop>) {
    let internal = sender.relation != Relation::External;
    let why = if route.as_path.contains(&receiver.asn) {
        Some(Loop::AsPath)
    } else if internal && route.originator == Some(receiver.bgp_id) {
        Some(Loop::Originator)
    } else if internal && route.clusters.contains(&receiver.cluster) {
        Some(Loop::Cluster)
    } else if receiver.neighbors[sender.back].filters.import == Some(prefix) {
        Some(Loop::Policy)
    } else {
        None
    };
    (route, why)
}

/// RFC 4271 §9.1.2.2, RFC 4456 §9; of the same preference, what is originated here comes first.
fn ranked<'a>(topology: &Topology, node: usize, destination: &'a Destination) -> Vec<&'a Known> {
    let speaker = &topology.speakers[node];
    let rank = |(source, route, _): &&Known| {
        let peer = source.map(|at| &speaker.neighbors[at]);
        let identifier = peer.map_or(0, |peer| route.originator.unwrap_or(topology.speakers[peer.node].bgp_id));
        (
            Reverse(route.local_pref.unwrap_or(100)),
            peer.is_some(),
            route.as_path.len(),
            route.origin,
            route.med.unwrap_or(0),
            peer.is_some_and(|peer| peer.relation != Relation::External),
            identifier,
            route.clusters.len(),
            peer.map(|peer| address(peer.node)),
        )
    };
    let mut eligible: Vec<&Known> = destination.routes.iter().filter(|(_, _, why)| why.is_none()).collect();
    eligible.sort_by_key(rank);
    eligible
}
