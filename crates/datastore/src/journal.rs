//! The last changes of a snapshot, for consumers that are close behind.

use std::collections::VecDeque;
use std::sync::Arc;

use heddle_resources::Delta;

/// Changes by version. Bounded: what a consumer missed that is further behind is found by comparing snapshots.
#[derive(Debug, Default)]
pub(crate) struct Journal {
    entries: VecDeque<(u64, Arc<[Delta]>)>,
    deltas: usize,
}

impl Journal {
    /// The most deltas in it; a single larger change is not kept at all.
    const MOST: usize = 4096;

    /// Adds the changes that lead to `version`, one more than that of the entry before.
    pub(crate) fn push(&mut self, version: u64, deltas: Arc<[Delta]>) {
        self.deltas += deltas.len();
        self.entries.push_back((version, deltas));
        while self.deltas > Self::MOST {
            let Some((_, gone)) = self.entries.pop_front() else { break };
            self.deltas -= gone.len();
        }
    }

    /// All changes after `version`; none where they are not all known any more.
    pub(crate) fn since(&self, version: u64) -> Option<Vec<Arc<[Delta]>>> {
        let (first, _) = self.entries.front()?;
        if *first > version + 1 {
            return None;
        }
        Some(self.entries.iter().filter(|(v, _)| *v > version).map(|(_, d)| Arc::clone(d)).collect())
    }
}

#[cfg(test)]
mod tests {
    use heddle_resources::{Key, Kind};

    use super::*;

    fn deltas(count: usize) -> Arc<[Delta]> {
        (0..count).map(|n| Delta::Deleted(Key::cluster(Kind::Node, n.to_string()))).collect()
    }

    #[test]
    fn it_reaches_back_so_far_and_says_when_no_further() {
        let mut journal = Journal::default();
        assert_eq!(journal.since(0), None);
        for version in 1..=5 {
            journal.push(version, deltas(1));
        }
        let reach = |journal: &Journal, version| journal.since(version).map(|list| list.len());
        assert_eq!((reach(&journal, 0), reach(&journal, 3), reach(&journal, 5)), (Some(5), Some(2), Some(0)));
        // Version 1 goes: who was told 0 misses it, who was told 1 does not.
        journal.push(6, deltas(Journal::MOST - 4));
        assert_eq!((reach(&journal, 0), reach(&journal, 1)), (None, Some(5)));
        journal.push(7, deltas(Journal::MOST + 1));
        assert_eq!((reach(&journal, 6), journal.deltas), (None, 0));
        journal.push(8, deltas(2));
        assert_eq!((reach(&journal, 6), reach(&journal, 7)), (None, Some(1)));
    }
}
