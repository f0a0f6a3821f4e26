//! What every object has: its name, its labels, its version.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

/// Names and values, each name once, in the order of the names: labels, annotations.
///
/// All of them are one text and the places where it is to be cut: a cluster has many more labels than objects, and an
/// allocation for each would take more room than the text. Most objects have none at all, and no room for them.
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct Labels(Option<Box<Pairs>>);

#[derive(Clone, PartialEq, Eq, Hash)]
struct Pairs {
    /// Name, value, name, value …
    text: Box<str>,
    /// Where each of them ends.
    ends: Box<[u32]>,
}

impl Labels {
    /// The value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let (found, value) = self.at(middle)?;
            match found.cmp(name) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal => return Some(value),
                Ordering::Greater => high = middle,
            }
        }
        None
    }

    /// Whether the name is there, with any value.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// All of them, in the order of the names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        (0..self.len()).filter_map(|index| self.at(index))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.as_ref().map_or(0, |pairs| pairs.ends.len() / 2)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    fn at(&self, index: usize) -> Option<(&str, &str)> {
        let Pairs { text, ends } = &**self.0.as_ref()?;
        let end = |number: usize| ends.get(number).and_then(|end| usize::try_from(*end).ok());
        let first = index.checked_mul(2)?;
        let start = first.checked_sub(1).map_or(Some(0), end)?;
        let (middle, last) = (end(first)?, end(first + 1)?);
        Some((text.get(start..middle)?, text.get(middle..last)?))
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for Labels {
    /// Of a name that comes more than once, the last value counts. What is beyond 4 GiB of text is left out.
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let pairs: Vec<(N, V)> = pairs.into_iter().collect();
        let sorted: BTreeMap<&str, &str> = pairs.iter().map(|(name, value)| (name.as_ref(), value.as_ref())).collect();
        let mut text = String::with_capacity(sorted.iter().map(|(name, value)| name.len() + value.len()).sum());
        let mut ends = Vec::with_capacity(sorted.len() * 2);
        for (name, value) in sorted {
            let middle = text.len() + name.len();
            let (Ok(middle), Ok(end)) = (u32::try_from(middle), u32::try_from(middle + value.len())) else { break };
            text.push_str(name);
            text.push_str(value);
            ends.extend([middle, end]);
        }
        Self((!ends.is_empty()).then(|| Box::new(Pairs { text: text.into(), ends: ends.into() })))
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{BlockAffinity, Node};

    /// A cluster has thousands of them: of nodes, blocks and who has them.
    #[test]
    fn objects_are_small() {
        for (what, size, most) in [
            ("metadata", size_of::<Metadata>(), 104),
            ("a node", size_of::<Node>(), 288),
            ("an affinity", size_of::<BlockAffinity>(), 144),
        ] {
            assert!(size <= most && size > most * 3 / 4, "{what}: {size} octets, at most {most} wanted");
        }
    }

    proptest! {
        #[test]
        fn labels_are_a_map(pairs in prop::collection::vec(("[abä]{0,2}", "[xy]{0,2}"), 0..8), other in "[abä]{0,2}") {
            let labels: Labels = pairs.iter().map(|(name, value)| (name, value)).collect();
            let model: BTreeMap<&str, &str> = pairs.iter().map(|(name, value)| (&**name, &**value)).collect();
            prop_assert_eq!(labels.iter().collect::<Vec<_>>(), model.clone().into_iter().collect::<Vec<_>>());
            prop_assert_eq!((labels.len(), labels.is_empty()), (model.len(), model.is_empty()));
            prop_assert_eq!(labels.get(&other), model.get(&*other).copied());
            for (name, value) in model {
                prop_assert_eq!(labels.get(name), Some(value));
            }
        }
    }
}
