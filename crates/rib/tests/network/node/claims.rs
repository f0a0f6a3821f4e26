//! What is true of a speaker's memory and tables while things go wrong.

use heddle_bgp_core::{Family, Timestamp};
use heddle_rib::query::{Cursor, Reading, RouteInfo, Scope, View};
use heddle_rib::route::PeerId;

use super::{JOURNAL, Node, STEP};
use crate::topology::Paths;

/// Octets that the table of a family takes with no more destinations than these networks have: blocks of slots and of lists
/// of paths, shards of the index.
pub(crate) const TABLE: u64 = 640 * 1024;
/// Octets of attribute sets: pages of some sizes.
pub(crate) const ATTRIBUTES: u64 = 1024 * 1024;
/// Octets of an UPDATE with one route of these networks, at most.
const UPDATE: u64 = 140;
/// Octets of markers: they have room in any journal.
const MARKERS: u64 = 64;

impl Node {
    /// Journals, tables, tombstones and attributes are within their bounds, whatever happens.
    pub(crate) fn check_bounds(&self, number: usize, now: Timestamp) {
        let stats = self.rib.stats();
        let at = || format!("node {number} at {now:?}: {stats:?}");
        let (mut paths, mut kept) = (0, 0);
        for family in &stats.families {
            let prefixes = self.topology.prefixes.iter().filter(|p| p.family() == family.family).count() as u64;
            assert!(family.destinations + family.tombstones <= prefixes, "{}: destinations and tombstones", at());
            assert!(family.pending <= prefixes, "{}: pending", at());
            assert!(family.table_bytes <= TABLE, "{}: octets of tables", at());
            paths += family.paths;
            // What was announced of a destination is kept until it is decided: the best path, and all of them.
            kept += family.pending * (1 + self.most_paths());
        }
        assert!(stats.attributes <= paths + kept, "{}: attribute sets that nothing has", at());
        assert!(stats.attribute_bytes <= ATTRIBUTES, "{}: octets of attributes", at());
        for end in &self.ends {
            // Two steps have room, however many paths a destination has.
            let paths = if end.sends == Paths::One { 1 } else { self.most_paths() };
            let steps = 2 * (STEP + (1 + paths) * UPDATE);
            let bound = steps.max(JOURNAL as u64) + MARKERS;
            for family in self.rib.peer_stats(end.peer) {
                let backlog = family.backlog.unwrap_or(0);
                assert!(backlog <= bound, "{}: {backlog} octets of a journal wait for {:?}", at(), end.to);
            }
        }
    }

    /// How many paths a destination may have: everybody is sent several by one neighbor at most.
    fn most_paths(&self) -> u64 {
        self.topology.speakers.len() as u64
    }

    fn received(&self, peer: PeerId, family: Family) -> Vec<RouteInfo> {
        let (mut cursor, mut found) = (Cursor::default(), Vec::new());
        while self.rib.routes(Scope::All(family), View::Received(peer), &mut cursor, 64, &mut found) == Reading::More {}
        found
    }

    /// A limit is reported because of routes that the peer has, and perhaps of one more.
    pub(crate) fn check_limit(&self, peer: PeerId, family: Family, count: u32) {
        let received = self.received(peer, family).len();
        let to = self.ends[self.end_of(peer)].to;
        assert!(count as usize <= received + 1, "{to:?}: {count} routes exceed a limit, and there are {received}");
    }

    pub(crate) fn has_stale(&self, peer: PeerId) -> bool {
        self.rib.peer_stats(peer).iter().any(|family| family.stale > 0)
    }

    /// What a peer has sent again stands in the place of what was stale (RFC 4724 §4.2).
    pub(crate) fn check_replaced(&self, peer: PeerId) {
        for family in self.rib.peer_stats(peer).iter().filter(|family| family.stale > 0) {
            let routes = self.received(peer, family.family);
            let mut keys: Vec<_> = routes.iter().map(|route| (route.prefix, route.path_id)).collect();
            keys.sort_unstable();
            keys.dedup();
            let to = self.ends[self.end_of(peer)].to;
            assert_eq!(keys.len(), routes.len(), "{to:?} has a route beside the stale one: {routes:?}");
        }
    }
}
