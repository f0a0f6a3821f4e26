//! What is true of a network at rest.

use heddle_rib::RunStatus;
use heddle_rib::rib::FamilyStats;

use super::Net;
use crate::node::{ATTRIBUTES, Node, TABLE};
use crate::reference::{Loop, Table};

impl Net {
    /// Every table is as the model says.
    pub(crate) fn check(&mut self, expected: &[Table], seed: u64) {
        // What everybody has read is given back when the owner runs next.
        for node in &mut self.nodes {
            while node.rib.run(self.now, 4096) == RunStatus::More {}
        }
        for (number, (node, expected)) in self.nodes.iter().zip(expected).enumerate() {
            let table = node.table();
            for (_, _, why) in table.values().flat_map(|destination| &destination.routes) {
                match why {
                    None => {}
                    Some(Loop::AsPath) => self.seen.as_loops += 1,
                    Some(Loop::Originator) => self.seen.originator_loops += 1,
                    Some(Loop::Cluster) => self.seen.cluster_loops += 1,
                    Some(Loop::Policy) => self.seen.rejected += 1,
                }
            }
            for prefix in table.keys().chain(expected.keys()) {
                let (has, wants) = (table.get(prefix), expected.get(prefix));
                assert_eq!(has, wants, "seed {seed}: node {number}, {prefix}: what it has, what the model says");
            }
            check_memory(number, node, expected, seed);
        }
    }
}

/// Nothing is left of what was, whatever it was: as many paths, destinations and attribute sets as the model has, and no
/// more octets than these take.
fn check_memory(number: usize, node: &Node, expected: &Table, seed: u64) {
    let stats = node.rib.stats();
    let sum = |of: fn(&FamilyStats) -> u64| stats.families.iter().map(of).sum::<u64>();
    let routes = expected.values().map(|destination| destination.routes.len() as u64).sum::<u64>();
    let at = format!("seed {seed}: node {number}: {stats:?}");
    assert_eq!(sum(|f| f.paths), routes, "{at}: paths");
    assert_eq!(sum(|f| f.destinations), expected.len() as u64, "{at}: destinations");
    assert_eq!(sum(|f| f.stale), 0, "{at}: stale paths");
    assert_eq!(sum(|f| f.pending), 0, "{at}: changes not flushed");
    assert_eq!(sum(|f| f.tombstones), 0, "{at}: tombstones");
    assert!(stats.attributes <= routes, "{at}: attribute sets that no route has, of {routes} routes");
    assert!(sum(|f| f.table_bytes) <= 2 * TABLE, "{at}: octets of tables");
    assert!(stats.attribute_bytes <= ATTRIBUTES, "{at}: octets of attributes");
    assert!(!stats.restarting, "{at}: learned routes are held back");
    assert_eq!(sum(|f| f.journal_bytes), 0, "{at}: octets in journals");
    for end in &node.ends {
        for family in node.rib.peer_stats(end.peer) {
            assert_eq!((family.too_long, family.stale), (0, 0), "{at}: {family:?}");
            // Whoever waited for a restarted speaker, or was one, waits no more.
            let markers = (family.end_of_rib_received, family.end_of_rib_sent);
            assert_eq!(markers, (true, true), "{at}: {family:?}: End-of-RIB");
        }
    }
}
