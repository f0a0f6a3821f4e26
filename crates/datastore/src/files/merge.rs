//! Files to objects: what counts where a file is wrong, and where several define one object. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use heddle_resources::{
    Document, InvalidObject, Key, Kind, Location, Object, ObjectName, Problem as FieldProblem, Scope, decode_documents,
};

use super::scan::Change;
use crate::event::SourceEvent;
use crate::kinds::Kinds;
use crate::problem::{InForce, Problem};

/// An object as a file defines it.
#[derive(Clone, Debug)]
struct Definition {
    object: Object,
    at: Location,
}

/// What is known of a file.
#[derive(Debug, Default)]
struct FileState {
    objects: BTreeMap<Key, Definition>,
    problems: Vec<Problem>,
}

/// All files of a folder.
#[derive(Debug)]
pub(crate) struct Merge {
    root: PathBuf,
    files: BTreeMap<PathBuf, FileState>,
    /// The files that define an object; the first of them counts.
    owners: BTreeMap<Key, BTreeSet<PathBuf>>,
}

impl Merge {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, files: BTreeMap::new(), owners: BTreeMap::new() }
    }

    /// Takes changes of files; answers what that changes.
    pub(crate) fn take(&mut self, changes: BTreeMap<PathBuf, Change>) -> Vec<SourceEvent> {
        let (mut keys, mut files) = (BTreeSet::new(), BTreeSet::new());
        for (path, change) in changes {
            self.file(&path, change, &mut keys);
            files.insert(path);
        }
        let mut events = Vec::new();
        for key in keys {
            // Whoever else defines it counts now, or not any more.
            files.extend(self.owners.get(&key).into_iter().flatten().cloned());
            events.push(match self.winner(&key) {
                Some((_, definition)) => SourceEvent::Set { object: definition.object.clone(), revision: None },
                None => SourceEvent::Deleted { key, revision: None },
            });
        }
        events.extend(files.iter().map(|path| self.problems_of(path)));
        events
    }

    /// Every object that counts.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Object> {
        self.places().map(|(object, _)| object)
    }

    /// Every object that counts, and where it begins.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&Object, &Location)> {
        self.owners
            .keys()
            .filter_map(|key| self.winner(key))
            .map(|(_, definition)| (&definition.object, &definition.at))
    }

    /// All kinds, of which there may be objects in files.
    pub(crate) fn kinds() -> Kinds {
        Kinds::all()
    }

    fn winner(&self, key: &Key) -> Option<(&Path, &Definition)> {
        let path = self.owners.get(key)?.first()?;
        let definition = self.files.get(path)?.objects.get(key)?;
        Some((path, definition))
    }

    /// One file: its new state, and the keys that it touches.
    fn file(&mut self, path: &Path, change: Change, touched: &mut BTreeSet<Key>) {
        let display = self.root.join(path);
        let old = self.files.remove(path).unwrap_or_default();
        let before: BTreeSet<Key> = old.objects.keys().cloned().collect();
        let new = match change {
            Change::Removed => None,
            Change::Ignored => {
                Some(FileState { objects: BTreeMap::new(), problems: vec![Problem::Ignored { path: display }] })
            }
            Change::Unreadable(error) => {
                Some(old.kept(|in_force| Problem::Unreadable { path: display, error, in_force }))
            }
            Change::TooLarge { size, max } => {
                Some(old.kept(|in_force| Problem::TooLarge { path: display, size, max, in_force }))
            }
            Change::Content(content) => Some(read(&display, &content, old)),
        };
        let after: BTreeSet<Key> = new.iter().flat_map(|f| f.objects.keys().cloned()).collect();
        for gone in before.difference(&after) {
            if let Some(owners) = self.owners.get_mut(gone) {
                owners.remove(path);
                if owners.is_empty() {
                    self.owners.remove(gone);
                }
            }
        }
        for key in &after {
            self.owners.entry(key.clone()).or_default().insert(path.to_owned());
        }
        if let Some(new) = new {
            self.files.insert(path.to_owned(), new);
        }
        touched.extend(before);
        touched.extend(after);
    }

    /// All that is wrong in a file, objects that another one defines included.
    fn problems_of(&self, path: &Path) -> SourceEvent {
        let origin: Arc<str> = self.root.join(path).display().to_string().into();
        let Some(file) = self.files.get(path) else { return SourceEvent::Problems { origin, problems: Vec::new() } };
        let mut problems = file.problems.clone();
        for (key, definition) in &file.objects {
            if let Some((winner, used)) = self.winner(key)
                && winner != path
            {
                let (at, used) = (definition.at.clone(), used.at.clone());
                problems.push(Problem::Duplicate { key: key.clone(), at, used });
            }
        }
        SourceEvent::Problems { origin, problems }
    }
}

impl FileState {
    /// The last good state, and why there is no newer one.
    fn kept(mut self, problem: impl FnOnce(InForce) -> Problem) -> Self {
        let in_force = if self.objects.is_empty() { InForce::Nothing } else { InForce::LastGood };
        self.problems = vec![problem(in_force)];
        self
    }
}

/// The state of a file that was read.
fn read(path: &Path, content: &[u8], old: FileState) -> FileState {
    if content.is_empty() && !old.objects.is_empty() {
        // A write that was cut off leaves this; one who wants the objects gone removes the file.
        return old.kept(|_| Problem::Emptied { path: path.to_owned() });
    }
    let text = match std::str::from_utf8(content) {
        Ok(text) => text,
        Err(error) => {
            let error = Arc::new(io::Error::new(io::ErrorKind::InvalidData, error));
            return old.kept(|in_force| Problem::Unreadable { path: path.to_owned(), error, in_force });
        }
    };
    let documents = decode_documents(text, &path.display().to_string());
    let broken = documents.iter().any(|d| d.as_ref().is_err_and(is_no_yaml));
    let mut new = FileState::default();
    for document in documents {
        match document {
            Ok(Document::Object(decoded)) => {
                new.problems.extend(decoded.notes.into_iter().map(Problem::Note));
                let at = decoded.at.unwrap_or_else(|| Location {
                    file: path.display().to_string().into(),
                    line: 1,
                    column: 1,
                });
                if let Some(first) = new.objects.get(&decoded.key) {
                    let used = first.at.clone();
                    new.problems.push(Problem::Duplicate { key: decoded.key, at, used });
                } else {
                    new.objects.insert(decoded.key, Definition { object: decoded.object, at });
                }
            }
            Ok(Document::Skipped { object, api_version, at }) => {
                new.problems.push(Problem::Skipped { object, api_version, at });
            }
            Err(object) => new.invalid(object, &old.objects),
        }
    }
    if broken && !old.objects.is_empty() {
        // Half-written, most likely: what is behind the break may be there again in a moment.
        let problems = new.problems.into_iter().map(|p| match p {
            Problem::Invalid { object, .. } => Problem::Invalid { object, in_force: InForce::LastGood },
            other => other,
        });
        return FileState { problems: problems.collect(), objects: old.objects };
    }
    new
}

impl FileState {
    /// An object with errors: ignored alone. Its last good version stays, if the file had one.
    fn invalid(&mut self, object: InvalidObject, old: &BTreeMap<Key, Definition>) {
        let last_good = key_of(&object.object).and_then(|key| old.get(&key).cloned().map(|d| (key, d)));
        let in_force = if last_good.is_some() { InForce::LastGood } else { InForce::Nothing };
        if let Some((key, definition)) = last_good {
            self.objects.entry(key).or_insert(definition);
        }
        self.problems.push(Problem::Invalid { object, in_force });
    }
}

/// The key of an object that is invalid, as far as its name can be read.
fn key_of(object: &ObjectName) -> Option<Key> {
    let kind: Kind = object.kind.as_deref()?.parse().ok()?;
    let name = Arc::clone(object.name.as_ref()?);
    Some(match kind.scope() {
        Scope::Cluster => Key::cluster(kind, name),
        Scope::Namespaced => Key::namespaced(kind, object.namespace.clone().unwrap_or_else(|| "default".into()), name),
    })
}

/// Whether a text could not be read as YAML, so that there is no telling what it lacks.
fn is_no_yaml(invalid: &InvalidObject) -> bool {
    invalid.errors.iter().any(|e| matches!(e.problem, FieldProblem::Yaml(_) | FieldProblem::Size(_)))
}
