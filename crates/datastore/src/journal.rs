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
