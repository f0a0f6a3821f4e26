//! Looks at a folder and reads the files in it that changed. Blocking; run where that is allowed.
//!
//! What the kernel tells about changes only says where to look: a plain file that was written or renamed is looked at
//! alone, and everything else (folders, links, lost events) leads to a look at the whole folder. A look at the whole
//! folder puts the watches in order before it reads, so that nothing changes unseen.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use inotify::{EventMask, EventOwned, WatchDescriptor, WatchMask, Watches};

use super::name::NameUse;

/// Folders are entered no deeper than this.
const DEEPEST: usize = 32;
/// Larger files are not read.
const LARGEST: u64 = 64 << 20;

/// What became of a file.
#[derive(Debug)]
pub(crate) enum Change {
    /// It was read.
    Content(Vec<u8>),
    /// It is there and cannot be read.
    Unreadable(Arc<io::Error>),
    /// It is there and too large.
    TooLarge {
        /// Its size.
        size: u64,
        /// The most.
        max: u64,
    },
    /// It is there and its name is not one that is read.
    Ignored,
    /// It is gone.
    Removed,
}

/// How the folder was found.
#[derive(Clone, Debug)]
pub(crate) enum Root {
    /// It is there.
    Present,
    /// It does not exist.
    Missing,
    /// It cannot be read.
    Unreadable(Arc<io::Error>),
}

/// By what a file is known to be the same: device, inode, size, times of content and inode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Print(u64, u64, u64, i64, i64, i64, i64);

impl Print {
    fn of(m: &Metadata) -> Self {
        Self(m.dev(), m.ino(), m.size(), m.mtime(), m.mtime_nsec(), m.ctime(), m.ctime_nsec())
    }

    fn is_same_file(&self, m: &Metadata) -> bool {
        (self.0, self.1) == (m.dev(), m.ino())
    }
}

/// A file as it was last seen.
#[derive(Clone, Copy, Debug)]
enum Known {
    /// Read, when it was like this.
    Read(Print),
    /// It could not be read; to be tried again.
    Failed,
    /// Its name is not one that is read.
    Ignored,
}

/// Why a folder is watched.
#[derive(Debug, Default)]
struct Roles {
    /// It is the folder, or one below it, under these names relative to it.
    below: BTreeSet<PathBuf>,
    /// Something in it by these names matters: targets of links, the folder itself, or what has to be there first.
    names: BTreeSet<OsString>,
}

/// Where to look.
#[derive(Debug, Default)]
pub(crate) struct Dirty {
    /// At everything.
    pub(crate) all: bool,
    /// At everything, and what looks the same is read all the same: events were lost.
    pub(crate) again: bool,
    /// At these files.
    pub(crate) files: BTreeMap<PathBuf, Written>,
}

/// What an event says about the content of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Written {
    /// Nothing: it was made, and whoever writes it is still at it; or its owner, mode or links changed.
    Unsaid,
    /// It is complete, or gone: it was closed after writing, renamed, removed.
    Done,
}

impl Dirty {
    /// Everything.
    pub(crate) fn everything() -> Self {
        Self { all: true, ..Self::default() }
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.all && !self.again && self.files.is_empty()
    }
}

/// What a look brought.
#[derive(Debug)]
pub(crate) struct Seen {
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
    /// The kernel refuses to watch.
    pub(crate) unwatched: Option<Arc<io::Error>>,
}

/// A folder, and what is known of it.
#[derive(Debug)]
pub(crate) struct Scan {
    root: PathBuf,
    select: fn(&str) -> NameUse,
    watches: Option<Watches>,
    roles: HashMap<WatchDescriptor, Roles>,
    known: BTreeMap<PathBuf, Known>,
    /// Device and inode of the folder, as last looked at.
    root_id: Option<(u64, u64)>,
}

/// What is collected in a look at the whole folder.
#[derive(Default)]
struct Walk {
    roles: HashMap<WatchDescriptor, Roles>,
    entered: HashSet<(u64, u64)>,
    found: BTreeMap<PathBuf, Found>,
    closed: Vec<(PathBuf, Arc<io::Error>)>,
    unwatched: Option<Arc<io::Error>>,
}

/// An entry of a folder.
enum Found {
    File(Metadata),
    Ignored,
    /// A link that leads nowhere, or what cannot be looked at.
    Failed(Arc<io::Error>),
}

fn mask() -> WatchMask {
    WatchMask::CLOSE_WRITE
        | WatchMask::CREATE
        | WatchMask::DELETE
        | WatchMask::MOVED_FROM
        | WatchMask::MOVED_TO
        | WatchMask::ATTRIB
        | WatchMask::DELETE_SELF
        | WatchMask::MOVE_SELF
        | WatchMask::ONLYDIR
}

impl Scan {
    pub(crate) fn new(root: PathBuf, select: fn(&str) -> NameUse, watches: Option<Watches>) -> Self {
        Self { root, select, watches, roles: HashMap::new(), known: BTreeMap::new(), root_id: None }
    }

    fn root_id(&self) -> Option<(u64, u64)> {
        fs::metadata(&self.root).ok().map(|m| (m.dev(), m.ino()))
    }

    /// What the kernel tells, as places to look at.
    pub(crate) fn note(&mut self, event: &EventOwned, dirty: &mut Dirty) {
        if event.mask.contains(EventMask::Q_OVERFLOW) {
            dirty.all = true;
            dirty.again = true;
            return;
        }
        let Some(roles) = self.roles.get(&event.wd) else { return };
        let ended = EventMask::IGNORED | EventMask::UNMOUNT | EventMask::DELETE_SELF | EventMask::MOVE_SELF;
        if event.mask.intersects(ended) {
            dirty.all = true;
            if event.mask.contains(EventMask::IGNORED) {
                self.roles.remove(&event.wd);
            }
            return;
        }
        let Some(name) = &event.name else {
            // About the folder itself: its permissions, most likely.
            dirty.all |= !roles.below.is_empty();
            return;
        };
        if roles.names.contains(name) {
            dirty.all = true;
        }
        let hidden = name.to_str().is_none_or(|n| (self.select)(n) == NameUse::Hidden);
        if !roles.below.is_empty() && event.mask.contains(EventMask::ISDIR) && !hidden {
            dirty.all = true;
        } else if !hidden {
            let unsaid = event.mask.intersects(EventMask::CREATE | EventMask::ATTRIB);
            let written = if unsaid { Written::Unsaid } else { Written::Done };
            for folder in &roles.below {
                let known = dirty.files.entry(folder.join(name)).or_insert(written);
                *known = written.max(*known);
            }
        }
    }

    /// Looks where it may have changed.
    pub(crate) fn look(&mut self, mut dirty: Dirty) -> Seen {
        let mut changes = BTreeMap::new();
        if !dirty.all {
            for (file, written) in &dirty.files {
                match self.look_at(file, *written) {
                    Some(Some(change)) => {
                        changes.insert(file.clone(), change);
                    }
                    Some(None) => {}
                    None => dirty.all = true,
                }
            }
        }
        let mut seen = if dirty.all {
            let done = dirty.files.into_iter().filter(|(_, written)| *written == Written::Done);
            self.look_at_all(dirty.again, &done.map(|(file, _)| file).collect())
        } else {
            Seen {
                root: Root::Present,
                replaced: false,
                complete: false,
                changes: BTreeMap::new(),
                files: 0,
                closed: Vec::new(),
                unwatched: None,
            }
        };
        for (path, change) in changes {
            // What was read before the look at everything counts as read there.
            seen.changes.entry(path).or_insert(change);
        }
        seen.files = self.known.values().filter(|k| !matches!(k, Known::Ignored)).count();
        seen
    }

    /// A plain file, alone. The outer none: it is no plain file, so that the whole folder has to be looked at; the inner:
    /// nothing is new.
    fn look_at(&mut self, file: &Path, written: Written) -> Option<Option<Change>> {
        let path = self.root.join(file);
        match fs::symlink_metadata(&path) {
            Ok(m) if m.is_file() => {
                let name = file.file_name().and_then(OsStr::to_str).unwrap_or_default();
                if (self.select)(name) == NameUse::Other {
                    let before = self.known.insert(file.to_owned(), Known::Ignored);
                    return Some(before.is_none().then_some(Change::Ignored));
                }
                let read = match (written, self.known.get(file)) {
                    (Written::Done, _) | (Written::Unsaid, Some(Known::Failed | Known::Ignored)) => true,
                    // Another file by this name: a hard link.
                    (Written::Unsaid, Some(Known::Read(print))) => !print.is_same_file(&m),
                    (Written::Unsaid, None) => m.nlink() > 1,
                };
                Some(read.then(|| self.read(file)))
            }
            // A folder, a link to one, or something that is not read and may stand where a file was.
            Ok(_) => None,
            Err(_) => {
                let folder = self.known.range(file.to_owned()..).any(|(k, _)| k != file && k.starts_with(file));
                if folder || self.root_id() != self.root_id {
                    return None;
                }
                Some(self.known.remove(file).map(|_| Change::Removed))
            }
        }
    }

    /// Reads a file, following links.
    fn read(&mut self, file: &Path) -> Change {
        let (known, change) = match read(&self.root.join(file)) {
            Ok((print, Ok(content))) => (Known::Read(print), Change::Content(content)),
            Ok((print, Err(size))) => (Known::Read(print), Change::TooLarge { size, max: LARGEST }),
            Err(error) => (Known::Failed, Change::Unreadable(Arc::new(error))),
        };
        self.known.insert(file.to_owned(), known);
        change
    }

    fn look_at_all(&mut self, again: bool, dirty: &BTreeSet<PathBuf>) -> Seen {
        let mut walk = Walk::default();
        let root = self.enter(&mut walk);
        let before = self.root_id;
        let present = matches!(root, Root::Present);
        self.root_id = if present { self.root_id() } else { before };
        let replaced = present && before.is_some() && before != self.root_id;
        let mut changes = BTreeMap::new();
        if matches!(root, Root::Present) {
            let found = std::mem::take(&mut walk.found);
            let gone: Vec<PathBuf> = self.known.keys().filter(|k| !found.contains_key(*k)).cloned().collect();
            for file in gone {
                // What cannot be listed is not gone.
                if !walk.closed.iter().any(|(closed, _)| file.starts_with(closed)) {
                    self.known.remove(&file);
                    changes.insert(file, Change::Removed);
                }
            }
            for (file, found) in found {
                let forced = again || dirty.contains(&file);
                if let Some(change) = self.compare(&file, found, forced) {
                    changes.insert(file, change);
                }
            }
        }
        self.take_watches(&mut walk);
        Seen { root, replaced, complete: true, changes, files: 0, closed: walk.closed, unwatched: walk.unwatched }
    }

    /// A file of the whole folder against what is known of it.
    fn compare(&mut self, file: &Path, found: Found, forced: bool) -> Option<Change> {
        match (found, self.known.get(file)) {
            (Found::Ignored, Some(Known::Ignored)) => None,
            (Found::Ignored, _) => {
                self.known.insert(file.to_owned(), Known::Ignored);
                Some(Change::Ignored)
            }
            (Found::Failed(error), _) => {
                self.known.insert(file.to_owned(), Known::Failed);
                Some(Change::Unreadable(error))
            }
            (Found::File(m), Some(Known::Read(print))) if *print == Print::of(&m) && !forced => None,
            (Found::File(_), _) => Some(self.read(file)),
        }
    }

    /// Walks the whole folder, watching first.
    fn enter(&self, walk: &mut Walk) -> Root {
        self.watch_path_to(&self.root, walk);
        // The folder above may be closed to us; that matters only while there is no folder to watch.
        let above = walk.unwatched.take();
        let root = self.enter_root(walk);
        if !matches!(root, Root::Present) {
            walk.unwatched = walk.unwatched.take().or(above);
        }
        root
    }

    fn enter_root(&self, walk: &mut Walk) -> Root {
        let metadata = match fs::metadata(&self.root) {
            Ok(m) if m.is_dir() => m,
            Ok(_) => return Root::Unreadable(Arc::new(io::Error::from(io::ErrorKind::NotADirectory))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Root::Missing,
            Err(e) => return Root::Unreadable(Arc::new(e)),
        };
        self.folder(Path::new(""), &metadata, 0, walk);
        // The folder itself cannot be listed, or went while we looked.
        match walk.closed.iter().find(|(path, _)| path.as_os_str().is_empty()) {
            Some((_, e)) if e.kind() == io::ErrorKind::NotFound => Root::Missing,
            Some((_, e)) => Root::Unreadable(Arc::clone(e)),
            None => Root::Present,
        }
    }

    fn folder(&self, below: &Path, metadata: &Metadata, depth: usize, walk: &mut Walk) {
        if depth > DEEPEST || !walk.entered.insert((metadata.dev(), metadata.ino())) {
            // A link back up, or a folder that was entered by another way.
            return;
        }
        let path = self.root.join(below);
        if let Some(roles) = self.watch(&path, walk) {
            roles.below.insert(below.to_owned());
        }
        let entries = match fs::read_dir(&path).and_then(Iterator::collect::<io::Result<Vec<_>>>) {
            Ok(entries) => entries,
            Err(error) => {
                walk.closed.push((below.to_owned(), Arc::new(error)));
                return;
            }
        };
        let mut entries: Vec<_> = entries.into_iter().map(|e| (e.file_name(), e.file_type())).collect();
        entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        for (name, kind) in entries {
            let text = name.to_str().unwrap_or_default();
            let used = if text.is_empty() { NameUse::Hidden } else { (self.select)(text) };
            if used == NameUse::Hidden {
                continue;
            }
            let file = below.join(&name);
            let path = self.root.join(&file);
            if kind.is_ok_and(|k| k.is_symlink()) {
                self.watch_target(&path, walk);
            }
            match fs::metadata(&path) {
                Ok(m) if m.is_dir() => self.folder(&file, &m, depth + 1, walk),
                Ok(m) if m.is_file() => {
                    let found = if used == NameUse::Other { Found::Ignored } else { Found::File(m) };
                    walk.found.insert(file, found);
                }
                // A socket, a pipe, a device.
                Ok(_) => {}
                // Gone while we looked; there will be an event. A link that leads nowhere is still there.
                Err(_) if fs::symlink_metadata(&path).is_err() => {}
                Err(_) if used == NameUse::Other => {
                    walk.found.insert(file, Found::Ignored);
                }
                Err(error) => {
                    walk.found.insert(file, Found::Failed(Arc::new(error)));
                }
            }
        }
    }

    /// Watches a folder; none where that is not possible.
    fn watch<'w>(&self, path: &Path, walk: &'w mut Walk) -> Option<&'w mut Roles> {
        let mut watches = self.watches.clone()?;
        match watches.add(path, mask()) {
            Ok(wd) => Some(walk.roles.entry(wd).or_default()),
            // There is nothing to watch, which is found out elsewhere.
            Err(e) if matches!(e.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => None,
            Err(e) => {
                walk.unwatched = Some(Arc::new(e));
                None
            }
        }
    }

    /// Watches for what happens to a path: in its folder, or in the nearest one above that exists.
    fn watch_path_to(&self, path: &Path, walk: &mut Walk) {
        let mut path = path;
        while let Some(parent) = path.parent() {
            let name = match path.components().next_back() {
                Some(Component::Normal(name)) => name.to_owned(),
                Some(_) | None => return,
            };
            let parent = if parent.as_os_str().is_empty() { Path::new(".") } else { parent };
            if let Some(roles) = self.watch(parent, walk) {
                roles.names.insert(name);
                return;
            }
            path = parent;
        }
    }

    /// Watches for what happens to the target of a link.
    fn watch_target(&self, link: &Path, walk: &mut Walk) {
        // A chain of links is followed to its end, and each of its links is watched: a mounted ConfigMap is switched by one
        // in the middle, `..data` (Kubernetes' AtomicWriter).
        let mut next = link.to_owned();
        for _ in 0..8 {
            let Ok(target) = fs::read_link(&next) else { break };
            let Some(folder) = next.parent() else { break };
            next = folder.join(target);
            self.watch_path_to(&next, walk);
        }
        if let Ok(end) = fs::canonicalize(link) {
            self.watch_path_to(&end, walk);
        }
    }

    /// The watches of the last look at everything are those in force; others end.
    fn take_watches(&mut self, walk: &mut Walk) {
        let old = std::mem::replace(&mut self.roles, std::mem::take(&mut walk.roles));
        let Some(watches) = &mut self.watches else { return };
        for (wd, _) in old {
            if !self.roles.contains_key(&wd) {
                // It has ended by itself where the folder is gone.
                let _ = watches.remove(wd);
            }
        }
    }
}

/// Reads a regular file; an error of the inner result is the size of one that is too large.
fn read(path: &Path) -> io::Result<(Print, Result<Vec<u8>, u64>)> {
    // What stands there may have become a pipe since we looked: never wait for it.
    let mut file: File = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    let print = Print::of(&metadata);
    if metadata.size() > LARGEST {
        return Ok((print, Err(metadata.size())));
    }
    let mut content = Vec::new();
    Read::by_ref(&mut file).take(LARGEST + 1).read_to_end(&mut content)?;
    if content.len() as u64 > LARGEST {
        return Ok((print, Err(content.len() as u64)));
    }
    Ok((print, Ok(content)))
}
