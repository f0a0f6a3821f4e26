//! What is counted: plain numbers for metrics and `show fib`.

/// Numbers of the forwarding table. Those of the first part only grow, those of the second say how it is now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Routes made.
    pub created: u64,
    /// Routes replaced in place.
    pub replaced: u64,
    /// Routes taken away.
    pub deleted: u64,
    /// Writes that the kernel refused for other reasons than a stranger's route.
    pub failures: u64,
    /// Writes whose results were lost.
    pub unknown: u64,
    /// Routes of ours that somebody else removed or changed, those that went without a word included.
    pub repairs: u64,
    /// Times that a stranger's route was met under a key of ours.
    pub conflicts_met: u64,
    /// Dumps that were read.
    pub dumps: u64,
    /// Times that events were lost.
    pub overruns: u64,

    /// Routes of ours in the kernel.
    pub installed: u64,
    /// Of these, those of the run before that nobody has asked for yet.
    pub stale: u64,
    /// Destinations that are wanted.
    pub wanted: u64,
    /// Destinations whose next hop cannot be resolved, and that are kept for a time.
    pub held: u64,
    /// Destinations whose next hop cannot be resolved, and that have no route.
    pub unresolved: u64,
    /// Destinations that a rule keeps out of the kernel.
    pub rejected: u64,
    /// Destinations with a stranger's route under our key.
    pub conflicts: u64,
    /// Destinations that the kernel refuses.
    pub refused: u64,
    /// Destinations that wait to be written.
    pub pending: u64,
    /// Local routes.
    pub local_routes: u64,
    /// Nexthop objects of ours.
    pub objects: u64,
}
