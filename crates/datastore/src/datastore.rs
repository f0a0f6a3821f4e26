//! The datastore: one source, one snapshot, any number of consumers.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Instant, SystemTime};

use heddle_resources::Snapshot;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tracing::{debug, info, warn};

use crate::counters::Counters;
use crate::error::SourceError;
use crate::event::{Held, SourceEvent, WaitingFor};
use crate::kinds::Kinds;
use crate::status::{State, Status};
use crate::store::{MOST_LOGGED, Now, Store};
use crate::watch::{News, Watch};

/// Something that lists objects and follows them.
///
/// A source tells everything through its [`Feed`]. For each kind it first tells a whole list, between
/// [`ResyncBegin`](SourceEvent::ResyncBegin) and [`ResyncEnd`](SourceEvent::ResyncEnd); several kinds may be listed in
/// one, or one after the other. Then it tells changes. Whenever it may have missed some, it lists again.
pub trait Source: Send + 'static {
    /// What it is, for people: `files in /etc/heddle/datastore`.
    fn name(&self) -> String;

    /// The kinds that it lists. Consumers are told nothing until each was listed once.
    fn kinds(&self) -> Kinds;

    /// Lists and follows until it is dropped.
    fn run(self, feed: Feed) -> impl Future<Output = ()> + Send;
}

/// What is shared by the datastore, its source and its consumers.
pub(crate) struct Shared {
    store: Mutex<Store>,
    /// Counts whatever happens: changes, states, the end.
    news: watch::Sender<u64>,
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

impl Shared {
    fn store(&self) -> MutexGuard<'_, Store> {
        // A panic while it was held leaves a consistent store: every change of it is made by one call at its end.
        self.store.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self) {
        self.news.send_modify(|n| *n = n.wrapping_add(1));
    }

    pub(crate) fn listen(&self) -> watch::Receiver<u64> {
        self.store().consumer_comes();
        self.news.subscribe()
    }

    pub(crate) fn leaves(&self) {
        self.store().consumer_goes();
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.store().has_ended()
    }

    pub(crate) fn synced(&self) -> Option<(u64, Arc<Snapshot>)> {
        self.store().synced()
    }

    pub(crate) fn since(&self, version: u64) -> Option<News> {
        self.store().since(version)
    }
}

/// The way of a source into the datastore.
#[derive(Clone, Debug)]
pub struct Feed {
    shared: Arc<Shared>,
}

impl Feed {
    /// All that was told so far, whether consumers were told or not.
    #[must_use]
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.shared.store().told()
    }

    /// Tells events; together they are one change. Answers which objects stay although a resync that ended did not
    /// mention them, and when those kinds are to be listed again.
    pub fn tell(&self, events: impl IntoIterator<Item = SourceEvent>) -> Vec<Held> {
        self.tell_heard_at(events, Instant::now())
    }

    /// As [`tell`](Self::tell), with the moment at which the source heard of it, for the lag.
    pub fn tell_heard_at(&self, events: impl IntoIterator<Item = SourceEvent>, heard: Instant) -> Vec<Held> {
        let now = Now { wall: SystemTime::now(), monotonic: Instant::now() };
        let mut store = self.shared.store();
        let lists = |store: &Store| matches!(store.state(), State::Waiting(WaitingFor::Kinds(_)));
        let (before, was_listing) = (store.state().to_string(), lists(&store));
        let held = store.handle(events, now);
        store.heard(now.monotonic.saturating_duration_since(heard));
        let fresh = store.take_fresh();
        let after = store.state().to_string();
        let (source, lost) = (Arc::clone(store.source()), matches!(store.state(), State::Lost(_)));
        let listing = lists(&store);
        drop(store);
        self.shared.tell();
        if before != after {
            if lost {
                warn!(%source, "datastore {after}");
            } else if listing && was_listing {
                // Kind by kind on the way to the first snapshot.
                debug!(%source, "datastore {after}");
            } else {
                info!(%source, "datastore {after}");
            }
        }
        for fault in &fresh {
            warn!(%source, "{fault}");
        }
        if fresh.len() >= MOST_LOGGED {
            warn!(%source, "there is more that is wrong; the status has it all");
        }
        for held in &held {
            let (kind, count) = (held.kind, held.keys.len());
            warn!(%source, %kind, "the list lacks {count} objects, more than half: they stay until a second list agrees");
        }
        held
    }
}

/// One source, one snapshot, any number of consumers. Cheap to clone; the source is stopped with the last clone.
#[derive(Clone, Debug)]
pub struct Datastore {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shared: Arc<Shared>,
    source: JoinHandle<()>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // The end first: a source that is stopped is none that was lost.
        self.shared.store().end();
        self.source.abort();
        self.shared.tell();
    }
}

impl Datastore {
    /// Runs a source, in a task of the current runtime.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(source: impl Source) -> Self {
        let now = Now { wall: SystemTime::now(), monotonic: Instant::now() };
        let store = Store::new(source.name().into(), source.kinds(), now);
        let shared = Arc::new(Shared { store: Mutex::new(store), news: watch::Sender::new(0) });
        let feed = Feed { shared: Arc::clone(&shared) };
        let ends = EndGuard(feed.clone());
        let task = tokio::spawn(async move {
            let _ends = ends;
            source.run(feed).await;
        });
        Self { inner: Arc::new(Inner { shared, source: task }) }
    }

    /// A new consumer.
    #[must_use]
    pub fn subscribe(&self) -> Watch {
        Watch::new(Arc::clone(&self.inner.shared))
    }

    /// The newest snapshot, once there is one.
    #[must_use]
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.inner.shared.synced().map(|(_, snapshot)| snapshot)
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> Status {
        self.inner.shared.store().status()
    }

    /// Changes its value whenever [`status`](Self::status) may say something new.
    #[must_use]
    pub fn news(&self) -> watch::Receiver<u64> {
        self.inner.shared.news.subscribe()
    }

    /// What it has done.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.inner.shared.store().counters()
    }
}

/// Says that a source has ended, however it did.
struct EndGuard(Feed);

impl Drop for EndGuard {
    fn drop(&mut self) {
        if !self.0.shared.has_ended() {
            self.0.tell([SourceEvent::Lost(SourceError::Ended)]);
        }
    }
}
