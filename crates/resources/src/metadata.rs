//! What every object has: its name, its labels, its version.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

/// Names and values, each name once, in the order of the names: labels, annotations.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Labels(Box<[(Arc<str>, Arc<str>)]>);

impl Labels {
    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let index = self.0.binary_search_by(|(n, _)| (**n).cmp(name)).ok()?;
        self.0.get(index).map(|(_, value)| &**value)
    }

    /// Whether the name is there, with any value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All of them, in the order of the names.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<N: Into<Arc<str>>, V: Into<Arc<str>>> FromIterator<(N, V)> for Labels {
    /// Of a name that comes more than once, the last value counts.
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let map: std::collections::BTreeMap<Arc<str>, Arc<str>> =
            pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect();
        Self(map.into_iter().collect())
    }
}

/// What every object has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Metadata {
    /// The name.
    pub name: Arc<str>,
    /// The namespace, of kinds that live in one; `default` where the manifest names none.
    pub namespace: Option<Arc<str>>,
    /// Labels, which selectors look at.
    pub labels: Labels,
    /// Annotations, without the one in which kubectl keeps the whole manifest a second time.
    pub annotations: Labels,
    /// The version that the API server gave the object; opaque.
    pub resource_version: Option<Arc<str>>,
    /// The identity that the API server gave the object.
    pub uid: Option<Arc<str>>,
    /// Since when the object is being deleted.
    pub deletion_timestamp: Option<Timestamp>,
}

impl Metadata {
    /// Of an object that is known by its name only.
    #[must_use]
    pub fn named(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), ..Self::default() }
    }
}
