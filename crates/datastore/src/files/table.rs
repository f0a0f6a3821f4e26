//! What is known of the files of a folder, and which of them define an object.
//!
//! A cluster has thousands of objects, and nearly every one is defined once: a file has its objects in one sorted piece of
//! memory, and the index over all files has two numbers for each of them.

use std::collections::BTreeMap;
use std::hash::BuildHasher as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use heddle_resources::{Key, Kind, Location, Object};

use crate::problem::Problem;

/// An object as a file defines it.
#[derive(Clone, Debug)]
pub(super) struct Definition {
    pub(super) object: Object,
    /// Where it begins in its file.
    pub(super) line: u32,
    pub(super) column: u32,
}

/// The identity of an object, as it is compared: that of a [`Key`].
type Id<'a> = (Kind, Option<&'a str>, &'a str);

impl Definition {
    fn id(&self) -> Id<'_> {
        let metadata = self.object.metadata();
        (self.object.kind(), metadata.namespace.as_deref(), &metadata.name)
    }
}

fn id_of(key: &Key) -> Id<'_> {
    (key.kind, key.namespace.as_deref(), &key.name)
}

/// What is known of a file.
#[derive(Debug)]
pub(super) struct FileState {
    /// The file, as messages call it.
    name: Arc<str>,
    /// In the order of the keys, each once.
    objects: Box<[Definition]>,
    pub(super) problems: Vec<Problem>,
}

impl FileState {
    /// A file without objects so far.
    pub(super) fn new(name: Arc<str>, problems: Vec<Problem>) -> Self {
        Self { name, objects: Box::default(), problems }
    }

    /// The same with these objects.
    pub(super) fn with(self, objects: BTreeMap<Key, Definition>) -> Self {
        Self { objects: objects.into_values().collect(), ..self }
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Definition> {
        let at = self.objects.binary_search_by(|definition| definition.id().cmp(&id_of(key))).ok()?;
        self.objects.get(at)
    }

    pub(super) fn objects(&self) -> &[Definition] {
        &self.objects
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = Key> {
        self.objects.iter().map(|definition| definition.object.key())
    }

    /// Where one of its objects begins.
    pub(super) fn place(&self, definition: &Definition) -> Location {
        Location { file: Arc::clone(&self.name), line: definition.line, column: definition.column }
    }
}

/// A definition: the number of its file, and where it is among the objects of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    file: u32,
    at: u32,
}

/// All files of a folder.
#[derive(Debug, Default)]
pub(super) struct FileTable {
    numbers: BTreeMap<PathBuf, u32>,
    /// By their numbers, with the path again; none: the number is free.
    files: Vec<Option<(PathBuf, FileState)>>,
    free: Vec<u32>,
    places: HashTable<Place>,
    hasher: DefaultHashBuilder,
}

impl FileTable {
    /// The files, in the order of their paths.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&Path, &FileState)> {
        self.numbers.values().filter_map(|number| lookup_file(&self.files, *number))
    }

    pub(super) fn get(&self, path: &Path) -> Option<&FileState> {
        lookup_file(&self.files, *self.numbers.get(path)?).map(|(_, state)| state)
    }

    /// Takes a file out.
    pub(super) fn remove(&mut self, path: &Path) -> Option<FileState> {
        let number = self.numbers.remove(path)?;
        let (_, state) = self.files.get_mut(number as usize)?.take()?;
        for (at, definition) in (0..).zip(state.objects()) {
            let place = Place { file: number, at };
            if let Ok(entry) = self.places.find_entry(self.hasher.hash_one(definition.id()), |other| *other == place) {
                entry.remove();
            }
        }
        self.free.push(number);
        Some(state)
    }

    /// Puts a file in that is not there.
    pub(super) fn insert(&mut self, path: &Path, state: FileState) {
        let file = Some((path.to_owned(), state));
        let number = match self.free.pop() {
            Some(number) => number,
            None => {
                self.files.push(None);
                u32::try_from(self.files.len() - 1).expect("invariant: fewer files than 2^32")
            }
        };
        self.files[number as usize] = file;
        self.numbers.insert(path.to_owned(), number);
        let Self { files, places, hasher, .. } = self;
        let hash = |place: &Place| lookup(files, *place).map_or(0, |(.., definition)| hasher.hash_one(definition.id()));
        let objects = lookup_file(files, number).map_or(0, |(_, state)| state.objects.len());
        for at in 0..u32::try_from(objects).expect("invariant: fewer objects than a file may have octets") {
            let place = Place { file: number, at };
            places.insert_unique(hash(&place), place, hash);
        }
    }

    /// The first file, in the order of paths, that defines an object: that definition counts.
    pub(super) fn winner(&self, key: &Key) -> Option<(&Path, &FileState, &Definition)> {
        self.defining(key).min_by_key(|(path, ..)| *path)
    }

    /// The files that define an object, in no order.
    pub(super) fn defining(&self, key: &Key) -> impl Iterator<Item = (&Path, &FileState, &Definition)> {
        let found = self.places.iter_hash(self.hasher.hash_one(id_of(key)));
        found.filter_map(|place| lookup(&self.files, *place)).filter(|(.., definition)| definition.id() == id_of(key))
    }
}

fn lookup_file(files: &[Option<(PathBuf, FileState)>], number: u32) -> Option<(&Path, &FileState)> {
    files.get(number as usize)?.as_ref().map(|(path, state)| (path.as_path(), state))
}

fn lookup(files: &[Option<(PathBuf, FileState)>], place: Place) -> Option<(&Path, &FileState, &Definition)> {
    let (path, state) = lookup_file(files, place.file)?;
    Some((path, state, state.objects.get(place.at as usize)?))
}

#[cfg(test)]
mod tests {
    use heddle_resources::{BgpFilter, Metadata};

    use super::*;

    fn state(names: &[&str]) -> FileState {
        let definition = |(line, name): (u32, &&str)| {
            let filter = BgpFilter { metadata: Metadata::named(*name), spec: Default::default() };
            let object = Object::from(filter);
            (object.key(), Definition { object, line, column: 1 })
        };
        FileState::new("f".into(), Vec::new()).with((1..).zip(names).map(definition).collect())
    }

    fn key(name: &str) -> Key {
        Key::cluster(Kind::BgpFilter, name)
    }

    fn winner(table: &FileTable, name: &str) -> Option<(String, u32)> {
        table.winner(&key(name)).map(|(path, _, definition)| (path.display().to_string(), definition.line))
    }

    #[test]
    fn the_first_file_counts_and_when_it_goes_the_next() {
        let mut table = FileTable::default();
        table.insert(Path::new("b"), state(&["x", "y"]));
        table.insert(Path::new("a"), state(&["z", "y"]));
        let at = |path: &str, line| Some((path.to_owned(), line));
        assert_eq!((winner(&table, "x"), winner(&table, "y")), (at("b", 1), at("a", 2)));
        assert_eq!(table.defining(&key("y")).count(), 2);
        assert_eq!(
            table.remove(Path::new("a")).map(|state| state.keys().collect::<Vec<_>>()),
            Some(vec![key("y"), key("z")])
        );
        assert_eq!((winner(&table, "y"), winner(&table, "z")), (at("b", 2), None));
        // Its number is used again, and what the file before it had is forgotten.
        table.insert(Path::new("c"), state(&["z"]));
        assert_eq!((winner(&table, "z"), winner(&table, "y"), table.files.len()), (at("c", 1), at("b", 2), 2));
        assert_eq!(table.iter().map(|(path, _)| path.display().to_string()).collect::<Vec<_>>(), ["b", "c"]);
    }

    #[test]
    fn thousands_of_objects_are_found() {
        let names: Vec<String> = (0..3000).map(|n| format!("n{n}")).collect();
        let mut table = FileTable::default();
        for (file, names) in names.chunks(100).enumerate() {
            table.insert(Path::new(&format!("{file}")), state(&names.iter().map(String::as_str).collect::<Vec<_>>()));
        }
        assert!(names.iter().all(|name| table.defining(&key(name)).count() == 1));
        for file in 0..30 {
            assert!(table.remove(Path::new(&format!("{file}"))).is_some());
        }
        assert!(table.places.is_empty() && winner(&table, "n0").is_none());
    }

    /// There is one of each for every object of the cluster.
    #[test]
    fn an_object_takes_little_beside_itself() {
        assert_eq!((size_of::<Definition>(), size_of::<Place>()), (24, 8));
    }
}
