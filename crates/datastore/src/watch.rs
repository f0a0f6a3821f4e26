//! A consumer's view of the datastore.

use std::collections::BTreeMap;
use std::sync::Arc;

use heddle_resources::{Delta, Key, Snapshot};
use tokio::sync::watch;

use crate::datastore::Shared;

/// What a consumer is told.
#[derive(Clone, Debug)]
pub enum Event {
    /// The first: all objects, now that every kind is known.
    Snapshot(Arc<Snapshot>),
    /// Every further: what changed since the event before.
    Changes {
        /// All objects, with the changes.
        snapshot: Arc<Snapshot>,
        /// What leads from the snapshot of the event before to this one, each object once, in the order of the keys.
        deltas: Vec<Delta>,
    },
}

impl Event {
    /// All objects.
    #[must_use]
    pub const fn snapshot(&self) -> &Arc<Snapshot> {
        match self {
            Self::Snapshot(snapshot) | Self::Changes { snapshot, .. } => snapshot,
        }
    }
}

/// A consumer's view of the datastore: what it was told last, nothing more. However long it does not ask, it keeps one
/// old snapshot alive, which shares with the newest whatever did not change.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    news: watch::Receiver<u64>,
    told: Option<(u64, Arc<Snapshot>)>,
}

impl Watch {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let news = shared.listen();
        Self { shared, news, told: None }
    }

    /// Waits for the next event; none when the datastore has ended. Can be cancelled without losing anything.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            self.news.mark_unchanged();
            if let Some(event) = self.try_next() {
                return Some(event);
            }
            // The sender lives in what we share: it is the datastore's end that is told as the last news.
            if self.shared.has_ended() || self.news.changed().await.is_err() {
                return None;
            }
        }
    }

    /// The next event, if there is one now.
    pub fn try_next(&mut self) -> Option<Event> {
        let Some((version, old)) = &self.told else {
            let (version, snapshot) = self.shared.synced()?;
            self.told = Some((version, Arc::clone(&snapshot)));
            return Some(Event::Snapshot(snapshot));
        };
        let news = self.shared.since(*version)?;
        let deltas = match &news.changes {
            Some(changes) => merge(old, changes),
            None => Snapshot::diff(old, &news.snapshot),
        };
        self.told = Some((news.version, Arc::clone(&news.snapshot)));
        // What was changed and changed back is no news.
        (!deltas.is_empty()).then_some(Event::Changes { snapshot: news.snapshot, deltas })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.leaves();
    }
}

/// What a consumer missed.
#[derive(Debug)]
pub(crate) struct News {
    pub(crate) version: u64,
    pub(crate) snapshot: Arc<Snapshot>,
    /// All changes since its version; none where they are not all known any more.
    pub(crate) changes: Option<Vec<Arc<[Delta]>>>,
}

/// Several changes as one.
fn merge(old: &Snapshot, changes: &[Arc<[Delta]>]) -> Vec<Delta> {
    let last: BTreeMap<&Key, &Delta> = changes.iter().flat_map(|c| c.iter()).map(|d| (d.key(), d)).collect();
    let differs = |delta: &&Delta| match delta {
        Delta::Set(key, object) => old.get(key) != Some(object),
        Delta::Deleted(key) => old.get(key).is_some(),
    };
    last.into_values().filter(differs).cloned().collect()
}
