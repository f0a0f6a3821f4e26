//! Follows a folder: the kernel's events, a short pause, a look.

use std::collections::BTreeMap;
use std::future::pending;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use inotify::{EventOwned, EventStream, Inotify};
use tokio::time::{Instant, sleep_until, timeout_at};
use tracing::debug;

use super::name::NameUse;
pub(crate) use super::scan::{Change, Root};
use super::scan::{Dirty, Scan};

/// Where the kernel does not tell of changes, the folder is looked at so often.
pub(crate) const POLL: Duration = Duration::from_secs(2);

/// Octets of events that are read at once: two dozen with the longest names. What is not read yet waits in the kernel's queue.
const EVENTS: usize = 8 * 1024;

/// How long to wait for more before a look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    /// Until nothing has happened for so long.
    pub(crate) quiet: Duration,
    /// And no longer than this.
    pub(crate) longest: Duration,
}

impl Pace {
    /// Several files that are renamed into place one after the other are one change.
    pub(crate) const USUAL: Self = Self { quiet: Duration::from_millis(1), longest: Duration::from_millis(4) };
    /// Somebody fills a folder: its first state is to be whole.
    pub(crate) const FILLING: Self = Self { quiet: Duration::from_millis(100), longest: Duration::from_secs(2) };
}

/// What a look brought.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) root: Root,
    /// Whether another folder stands where the one of the last look stood.
    pub(crate) replaced: bool,
    /// Whether the whole folder was looked at.
    pub(crate) complete: bool,
    /// What became of files, by their names relative to the folder.
    pub(crate) changes: BTreeMap<PathBuf, Change>,
    /// How many files there are that are read.
    pub(crate) files: usize,
    /// Folders below that cannot be listed.
    pub(crate) closed: Vec<(PathBuf, Arc<io::Error>)>,
    /// The kernel refuses to watch; the folder is looked at every [`POLL`].
    pub(crate) unwatched: Option<Arc<io::Error>>,
    /// Whether the kernel lost events.
    pub(crate) overflow: bool,
    /// When the first event came that led to this.
    pub(crate) heard: std::time::Instant,
}

/// A folder that is followed.
pub(crate) struct FileTree {
    events: Option<EventStream<Vec<u8>>>,
    scan: Option<Scan>,
    started: bool,
    again_soon: bool,
    unwatched: Option<Arc<io::Error>>,
}

impl FileTree {
    /// Begins; nothing is looked at yet.
    pub(crate) fn new(root: &Path, select: fn(&str) -> NameUse) -> Self {
        let events = Inotify::init().and_then(|inotify| inotify.into_event_stream(vec![0; EVENTS]));
        let (events, unwatched) = match events {
            Ok(events) => (Some(events), None),
            Err(error) => (None, Some(Arc::new(error))),
        };
        let root = std::path::absolute(root).unwrap_or_else(|_| root.to_owned());
        let watches = events.as_ref().map(EventStream::watches);
        let scan = Some(Scan::new(root, select, watches));
        Self { events, scan, started: false, again_soon: false, unwatched }
    }

    /// As if the kernel refused to watch.
    #[cfg(test)]
    fn unwatched(root: &Path, select: fn(&str) -> NameUse) -> Self {
        let scan = Some(Scan::new(root.to_owned(), select, None));
        let unwatched = Some(Arc::new(io::Error::from_raw_os_error(libc::EMFILE)));
        Self { events: None, scan, started: false, again_soon: false, unwatched }
    }

    /// The next look is at everything, as soon as the pace allows.
    pub(crate) fn look_again(&mut self) {
        self.again_soon = true;
    }

    /// Waits until something changed, and tells what. The first time it tells all there is. To be dropped together with
    /// the tree, not before it is done.
    pub(crate) async fn next(&mut self, pace: Pace) -> Batch {
        let mut dirty = Dirty { all: !self.started || self.again_soon, ..Dirty::default() };
        self.again_soon = false;
        while dirty.is_empty() {
            self.wait(&mut dirty).await;
        }
        let heard = std::time::Instant::now();
        if self.started {
            self.collect(pace, &mut dirty).await;
        }
        self.started = true;
        let overflow = dirty.again;
        let Some(mut scan) = self.scan.take() else {
            // Only a look that panicked took it for good.
            return pending().await;
        };
        let (scan, seen) = match tokio::task::spawn_blocking(move || {
            let seen = scan.look(dirty);
            (scan, seen)
        })
        .await
        {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                // The runtime ends.
                Err(_) => return pending().await,
            },
        };
        self.scan = Some(scan);
        if seen.complete && self.events.is_some() {
            self.unwatched = seen.unwatched.clone();
        }
        debug!(changes = seen.changes.len(), complete = seen.complete, "looked at the folder");
        Batch {
            root: seen.root,
            replaced: seen.replaced,
            complete: seen.complete,
            changes: seen.changes,
            files: seen.files,
            closed: seen.closed,
            unwatched: self.unwatched.clone(),
            overflow,
            heard,
        }
    }

    /// Waits for an event, or for the time to look without one.
    async fn wait(&mut self, dirty: &mut Dirty) {
        let poll = Instant::now() + POLL;
        let unwatched = self.unwatched.is_some();
        tokio::select! {
            event = event(&mut self.events) => self.note(event, dirty),
            () = sleep_until(poll), if unwatched => dirty.all = true,
        }
    }

    /// Collects what else happens.
    async fn collect(&mut self, pace: Pace, dirty: &mut Dirty) {
        let end = Instant::now() + pace.longest;
        loop {
            let until = end.min(Instant::now() + pace.quiet);
            match timeout_at(until, event(&mut self.events)).await {
                Ok(event) => self.note(event, dirty),
                Err(_) => return,
            }
            if Instant::now() >= end {
                return;
            }
        }
    }

    fn note(&mut self, event: io::Result<EventOwned>, dirty: &mut Dirty) {
        match (event, &mut self.scan) {
            (Ok(event), Some(scan)) => scan.note(&event, dirty),
            (Ok(_), None) => {}
            (Err(error), _) => {
                // Reading the queue fails only by a bug; looking goes on without it.
                self.unwatched = Some(Arc::new(error));
                self.events = None;
                dirty.all = true;
                dirty.again = true;
            }
        }
    }
}

async fn event(events: &mut Option<EventStream<Vec<u8>>>) -> io::Result<EventOwned> {
    match events {
        Some(events) => match events.next().await {
            Some(event) => event,
            None => Err(io::Error::from(io::ErrorKind::UnexpectedEof)),
        },
        None => pending().await,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::name::manifest;
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn where_the_kernel_does_not_tell_the_folder_is_looked_at_now_and_then() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.yaml"), "a").unwrap();
        let mut tree = FileTree::unwatched(folder.path(), manifest);
        let names = |batch: &Batch| batch.changes.keys().map(|p| p.display().to_string()).collect::<Vec<_>>();
        let batch = tree.next(Pace::USUAL).await;
        assert_eq!((names(&batch), batch.unwatched.is_some()), (vec!["a.yaml".to_owned()], true));
        fs::write(folder.path().join("b.yaml"), "b").unwrap();
        fs::write(folder.path().join("c.txt"), "c").unwrap();
        let start = Instant::now();
        let batch = tree.next(Pace::USUAL).await;
        assert_eq!(names(&batch), ["b.yaml", "c.txt"], "what is the same is not read again");
        assert!(start.elapsed() >= POLL && batch.files == 2);
        fs::remove_file(folder.path().join("a.yaml")).unwrap();
        let batch = tree.next(Pace::USUAL).await;
        assert!(matches!(batch.changes.values().next(), Some(Change::Removed)) && batch.changes.len() == 1);
    }
}
