//! The source.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use heddle_resources::{Key, Location, Object, Snapshot};
use tracing::info;

use super::merge::Merge;
use super::name::manifest;
use super::scan::{Dirty, Scan};
use super::tree::{Batch, Change, FileTree, POLL, Pace, Root};
use crate::datastore::{Feed, Source};
use crate::error::SourceError;
use crate::event::{Guard, SourceEvent, WaitingFor};
use crate::kinds::Kinds;
use crate::problem::{InForce, Problem};

/// Options of a source of files.
#[derive(Clone, Debug)]
pub struct FileOptions {
    /// The folder.
    pub folder: PathBuf,
}

/// A folder of YAML files, any number of objects in each, in any layout below it.
///
/// Files count that end in `.yaml`, `.yml` or `.json` and are not hidden; links are followed, as a mounted ConfigMap has
/// them. A file is read when whoever writes it closes it or renames it into place. What cannot be read keeps its last
/// good state; of two definitions of one object the first in the order of paths counts. The folder being gone, or coming
/// back empty, changes nothing.
#[derive(Debug)]
pub struct FileSource {
    options: FileOptions,
}

impl FileSource {
    /// A source of this folder.
    #[must_use]
    pub const fn new(options: FileOptions) -> Self {
        Self { options }
    }

    /// A source of this folder, with everything else by default.
    #[must_use]
    pub fn of(folder: impl Into<PathBuf>) -> Self {
        Self::new(FileOptions { folder: folder.into() })
    }
}

impl Source for FileSource {
    fn name(&self) -> String {
        format!("files in {}", self.options.folder.display())
    }

    fn kinds(&self) -> Kinds {
        Merge::kinds()
    }

    async fn run(self, feed: Feed) {
        let folder = self.options.folder;
        let mut tree = FileTree::new(&folder, manifest);
        let mut run =
            Run { merge: Merge::new(folder.clone()), folder, feed, pending: BTreeMap::new(), phase: Phase::First };
        loop {
            let batch = tree.next(run.phase.pace()).await;
            // Decoding is work for the processor: thousands of files would hold up other tasks.
            let done = tokio::task::spawn_blocking(move || {
                let next = run.take(batch);
                (run, next)
            });
            let next;
            (run, next) = match done.await {
                Ok(done) => done,
                Err(error) => match error.try_into_panic() {
                    Ok(panic) => std::panic::resume_unwind(panic),
                    // The runtime ends.
                    Err(_) => return,
                },
            };
            match next {
                Next::Wait => {}
                Next::LookAgain => tree.look_again(),
            }
        }
    }
}

/// What a folder of manifests has, read once.
#[derive(Debug)]
pub struct FolderContent {
    /// Every object that counts.
    pub snapshot: Snapshot,
    /// Where each of them begins.
    pub places: BTreeMap<Key, Location>,
    /// What is wrong or worth knowing, in the order of paths.
    pub problems: Vec<Problem>,
}

impl FolderContent {
    /// Reads a folder as a [`FileSource`] does that has just begun. Blocking.
    ///
    /// # Errors
    /// If the folder does not exist or cannot be read. What is wrong inside is a problem, no error.
    pub fn read(folder: &Path) -> Result<Self, SourceError> {
        let path = || folder.to_owned();
        let seen = Scan::new(path(), manifest, None).look(Dirty::everything());
        match seen.root {
            Root::Present => {}
            Root::Missing => {
                let error = Arc::new(io::Error::from(io::ErrorKind::NotFound));
                return Err(SourceError::Folder { path: path(), error });
            }
            Root::Unreadable(error) => return Err(SourceError::Folder { path: path(), error }),
        }
        let mut merge = Merge::new(path());
        let told = merge.take(seen.changes);
        let problems = told.into_iter().filter_map(|event| match event {
            SourceEvent::Problems { problems, .. } => Some(problems),
            _ => None,
        });
        let closed = seen.closed.into_iter().map(|(below, error)| Problem::Unreadable {
            path: folder.join(below),
            error,
            in_force: InForce::Nothing,
        });
        let problems = problems.flatten().chain(closed).collect();
        let places = merge.places().map(|(object, at)| (object.key(), at)).collect();
        Ok(Self { snapshot: merge.objects().cloned().collect(), places, problems })
    }
}

/// How far a source of files is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing was told yet, and nothing was waited for.
    First,
    /// Nothing was told yet.
    Filling,
    /// What is in the folder is in force.
    Following,
    /// The folder was there and is gone.
    Lost,
}

impl Phase {
    const fn pace(self) -> Pace {
        match self {
            Self::First | Self::Following => Pace::USUAL,
            Self::Filling | Self::Lost => Pace::FILLING,
        }
    }
}

/// What to do after a look.
enum Next {
    Wait,
    LookAgain,
}

/// A running source.
struct Run {
    folder: PathBuf,
    merge: Merge,
    feed: Feed,
    /// Changes that are not in force, because the folder is not there or has nothing in it.
    pending: BTreeMap<PathBuf, Change>,
    phase: Phase,
}

impl Run {
    fn take(&mut self, batch: Batch) -> Next {
        let heard = batch.heard;
        let mut events = self.faults(&batch);
        let next = self.judge(batch, &mut events);
        self.feed.tell_heard_at(events, heard);
        next
    }

    /// What a look means.
    fn judge(&mut self, batch: Batch, events: &mut Vec<SourceEvent>) -> Next {
        let path = || self.folder.clone();
        self.pending.extend(batch.changes);
        let empty = (WaitingFor::Files(path()), SourceError::FolderEmpty { path: path() });
        let (waiting, error) = match batch.root {
            Root::Missing => (WaitingFor::Folder(path()), SourceError::FolderGone { path: path() }),
            Root::Unreadable(error) => (WaitingFor::Readable(path()), SourceError::Folder { path: path(), error }),
            // Whoever puts another folder in this place may still be filling it.
            Root::Present if batch.replaced && self.phase == Phase::Following => {
                let gone = SourceError::FolderGone { path: path() };
                events.push(self.away(WaitingFor::Folder(path()), gone));
                return Next::LookAgain;
            }
            Root::Present if batch.files > 0 || self.phase == Phase::Following => {
                if batch.overflow {
                    info!(folder = %self.folder.display(), "the kernel lost events, the whole folder was read again");
                }
                let changes = std::mem::take(&mut self.pending);
                let news = self.merge.take(changes);
                if self.phase == Phase::Following && !batch.complete {
                    events.extend(news);
                    return Next::Wait;
                }
                // Deletions are what a resync does not mention; that a file has no problems any more has to be told.
                events.extend(news.into_iter().filter(|e| matches!(e, SourceEvent::Problems { .. })));
                if self.phase == Phase::Following || self.merge.objects().next().is_some() {
                    self.resync(events);
                    return Next::Wait;
                }
                // Files, and not an object in them: as good as none.
                empty
            }
            Root::Present => empty,
        };
        events.push(self.away(waiting, error));
        Next::Wait
    }

    /// Everything that is in the folder, as a list.
    fn resync(&mut self, events: &mut Vec<SourceEvent>) {
        let kinds = Merge::kinds();
        events.push(SourceEvent::ResyncBegin { kinds, guard: Guard::Believe });
        let set = |object: &Object| SourceEvent::Set { object: object.clone(), revision: None };
        events.extend(self.merge.objects().map(set));
        events.push(SourceEvent::ResyncEnd { kinds, revision: None });
        self.phase = Phase::Following;
    }

    /// What is wrong beside the files.
    fn faults(&self, batch: &Batch) -> Vec<SourceEvent> {
        let mut events = Vec::new();
        if !batch.complete {
            return events;
        }
        if let Some(error) = &batch.unwatched {
            let (path, seconds) = (self.folder.clone(), POLL.as_secs());
            events.push(SourceEvent::Failed(SourceError::Watch { path, error: Arc::clone(error), seconds }));
        }
        for (below, error) in &batch.closed {
            if below != Path::new("") {
                let path = self.folder.join(below);
                events.push(SourceEvent::Failed(SourceError::Folder { path, error: Arc::clone(error) }));
            }
        }
        events
    }

    /// There is nothing to be had from the folder: at first it is waited for, later what was known stays in force.
    fn away(&mut self, waiting: WaitingFor, lost: SourceError) -> SourceEvent {
        match self.phase {
            Phase::First | Phase::Filling => {
                self.phase = Phase::Filling;
                SourceEvent::Waiting(waiting)
            }
            Phase::Following | Phase::Lost => {
                self.phase = Phase::Lost;
                SourceEvent::Lost(lost)
            }
        }
    }
}
