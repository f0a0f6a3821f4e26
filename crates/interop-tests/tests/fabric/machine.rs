//! What this machine adds to the loss: queues and tables that all namespaces share.

use std::fmt;
use std::fs;

/// Counters of packets that the machine lost before any forwarding table was asked. Others' count, too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Losses {
    /// A processor's queue was full (`net.core.netdev_max_backlog`).
    backlog: u64,
    /// The table of neighbours was full.
    neighbours: u64,
}

impl Losses {
    /// So far.
    pub(crate) fn now() -> Self {
        let tables = ["arp_cache", "ndisc_cache"].iter().map(|table| column(&format!("/proc/net/stat/{table}"), 12));
        Self { backlog: column("/proc/net/softnet_stat", 1), neighbours: tables.sum() }
    }

    /// Since an earlier moment.
    pub(crate) fn since(self, before: Self) -> Self {
        let since = |now: u64, before: u64| now.saturating_sub(before);
        Self { backlog: since(self.backlog, before.backlog), neighbours: since(self.neighbours, before.neighbours) }
    }
}

impl fmt::Display for Losses {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "this machine meanwhile dropped {} packets in full queues and found its tables of neighbours full {} times",
            self.backlog, self.neighbours
        )
    }
}

/// The sum of a column of hexadecimal numbers, a line for each processor.
fn column(path: &str, index: usize) -> u64 {
    let text = fs::read_to_string(path).unwrap_or_default();
    let number = |line: &str| line.split_whitespace().nth(index).and_then(|word| u64::from_str_radix(word, 16).ok());
    text.lines().filter_map(number).sum()
}
