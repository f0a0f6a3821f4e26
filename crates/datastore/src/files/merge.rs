//! Files to objects: what counts where a file is wrong, and where several define one object. Pure.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use heddle_resources::{
    Document, InvalidObject, Key, Kind, Location, Object, ObjectName, Problem as FieldProblem, Scope, decode_each,
};

use super::scan::Change;
use super::table::{Definition, FileState, FileTable};
use crate::event::SourceEvent;
use crate::kinds::Kinds;
use crate::problem::{InForce, Problem};

/// All files of a folder.
#[derive(Debug)]
pub(crate) struct Merge {
    root: PathBuf,
    files: FileTable,
}

impl Merge {
    pub(crate) fn new(root: PathBuf) -> Self {
        Self { root, files: FileTable::default() }
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
            files.extend(self.files.defining(&key).map(|(path, ..)| path.to_owned()));
            events.push(match self.files.winner(&key) {
                Some((.., definition)) => SourceEvent::Set { object: definition.object.clone(), revision: None },
                None => SourceEvent::Deleted { key, revision: None },
            });
        }
        events.extend(files.iter().map(|path| self.problems_of(path)));
        events
    }

    /// Every object that counts.
    pub(crate) fn objects(&self) -> impl Iterator<Item = &Object> {
        self.counting().map(|(_, definition)| &definition.object)
    }

    /// Every object that counts, and where it begins.
    pub(crate) fn places(&self) -> impl Iterator<Item = (&Object, Location)> {
        self.counting().map(|(file, definition)| (&definition.object, file.place(definition)))
    }

    fn counting(&self) -> impl Iterator<Item = (&FileState, &Definition)> {
        let all = self.files.iter().flat_map(|(path, file)| file.objects().iter().map(move |d| (path, file, d)));
        let counts =
            |path: &Path, d: &Definition| self.files.winner(&d.object.key()).is_some_and(|(of, ..)| of == path);
        all.filter(move |(path, _, d)| counts(path, d)).map(|(_, file, d)| (file, d))
    }

    /// All kinds, of which there may be objects in files.
    pub(crate) fn kinds() -> Kinds {
        Kinds::all()
    }

    /// One file: its new state, and the keys that it touches.
    fn file(&mut self, path: &Path, change: Change, touched: &mut BTreeSet<Key>) {
        let display = self.root.join(path);
        let name: Arc<str> = display.display().to_string().into();
        let old = self.files.remove(path).unwrap_or_else(|| FileState::new(Arc::clone(&name), Vec::new()));
        touched.extend(old.keys());
        let new = match change {
            Change::Removed => return,
            Change::Ignored => FileState::new(name, vec![Problem::Ignored { path: display }]),
            Change::Unreadable(error) => old.kept(|in_force| Problem::Unreadable { path: display, error, in_force }),
            Change::TooLarge { size, max } => {
                old.kept(|in_force| Problem::TooLarge { path: display, size, max, in_force })
            }
            Change::Content(content) => read(&display, name, &content, old),
        };
        touched.extend(new.keys());
        self.files.insert(path, new);
    }

    /// All that is wrong in a file, objects that another one defines included.
    fn problems_of(&self, path: &Path) -> SourceEvent {
        let origin: Arc<str> = self.root.join(path).display().to_string().into();
        let Some(file) = self.files.get(path) else { return SourceEvent::Problems { origin, problems: Vec::new() } };
        let mut problems = file.problems.clone();
        for definition in file.objects() {
            let key = definition.object.key();
            if let Some((winner, its_file, used)) = self.files.winner(&key)
                && winner != path
            {
                let (at, used) = (file.place(definition), its_file.place(used));
                problems.push(Problem::Duplicate { key, at, used });
            }
        }
        SourceEvent::Problems { origin, problems }
    }
}

impl FileState {
    /// The last good state, and why there is no newer one.
    fn kept(mut self, problem: impl FnOnce(InForce) -> Problem) -> Self {
        let in_force = if self.objects().is_empty() { InForce::Nothing } else { InForce::LastGood };
        self.problems = vec![problem(in_force)];
        self
    }
}

/// The state of a file that was read.
fn read(path: &Path, name: Arc<str>, content: &[u8], old: FileState) -> FileState {
    if content.is_empty() && !old.objects().is_empty() {
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
    let mut reading = Reading { name, old, objects: BTreeMap::new(), problems: Vec::new(), broken: false };
    let name = Arc::clone(&reading.name);
    decode_each(text, &name, |document| reading.document(document));
    reading.end()
}

/// A file that is being read.
struct Reading {
    name: Arc<str>,
    old: FileState,
    objects: BTreeMap<Key, Definition>,
    problems: Vec<Problem>,
    /// Whether a document was no YAML.
    broken: bool,
}

impl Reading {
    fn document(&mut self, document: Result<Document, InvalidObject>) {
        match document {
            Ok(Document::Object(decoded)) => {
                self.problems.extend(decoded.notes.into_iter().map(Problem::Note));
                let (line, column) = decoded.at.as_ref().map_or((1, 1), |at| (at.line, at.column));
                let place = |line, column| Location { file: Arc::clone(&self.name), line, column };
                match self.objects.entry(decoded.key) {
                    Entry::Occupied(first) => {
                        let (at, used) = (place(line, column), place(first.get().line, first.get().column));
                        self.problems.push(Problem::Duplicate { key: first.key().clone(), at, used });
                    }
                    Entry::Vacant(entry) => {
                        entry.insert(Definition { object: decoded.object, line, column });
                    }
                }
            }
            Ok(Document::Skipped { object, api_version, at }) => {
                self.problems.push(Problem::Skipped { object, api_version, at });
            }
            Err(object) => self.invalid(object),
        }
    }

    /// An object with errors: ignored alone. Its last good version stays, if the file had one.
    fn invalid(&mut self, object: InvalidObject) {
        self.broken |= is_no_yaml(&object);
        let last_good = key_of(&object.object).and_then(|key| self.old.get(&key).cloned().map(|d| (key, d)));
        let in_force = if last_good.is_some() { InForce::LastGood } else { InForce::Nothing };
        if let Some((key, definition)) = last_good {
            self.objects.entry(key).or_insert(definition);
        }
        self.problems.push(Problem::Invalid { object, in_force });
    }

    fn end(self) -> FileState {
        let Self { name, mut old, objects, problems, broken } = self;
        if broken && !old.objects().is_empty() {
            // Half-written, most likely: what is behind the break may be there again in a moment.
            let problems = problems.into_iter().map(|p| match p {
                Problem::Invalid { object, .. } => Problem::Invalid { object, in_force: InForce::LastGood },
                other => other,
            });
            old.problems = problems.collect();
            return old;
        }
        FileState::new(name, problems).with(objects)
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
