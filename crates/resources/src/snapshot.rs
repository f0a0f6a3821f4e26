//! All objects at one moment, and what changes from one moment to the next.

use std::sync::Arc;

use rpds::RedBlackTreeMapSync;

use crate::kind::{Key, Kind};
use crate::object::{Object, Resource};

/// One change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delta {
    /// The object is there, new or changed.
    Set(Key, Object),
    /// The object is gone.
    Deleted(Key),
}

impl Delta {
    /// Sets an object under its own key.
    #[must_use]
    pub fn set(object: impl Into<Object>) -> Self {
        let object = object.into();
        Self::Set(object.key(), object)
    }

    /// Which object it is about.
    #[must_use]
    pub const fn key(&self) -> &Key {
        match self {
            Self::Set(key, _) | Self::Deleted(key) => key,
        }
    }
}

/// The name of an object within its kind: namespace, name.
type Name = (Option<Arc<str>>, Arc<str>);

type Objects = Arc<RedBlackTreeMapSync<Name, Object>>;

/// All objects at one moment.
///
/// Cheap to clone: clones share what they have in common, and a change copies a few nodes of one tree.
#[derive(Clone, Debug)]
pub struct Snapshot {
    kinds: [Objects; Kind::ALL.len()],
}

impl Default for Snapshot {
    fn default() -> Self {
        Self::new()
    }
}

impl PartialEq for Snapshot {
    fn eq(&self, other: &Self) -> bool {
        Self::diff(self, other).is_empty()
    }
}

impl Eq for Snapshot {}

impl Snapshot {
    /// No objects.
    #[must_use]
    pub fn new() -> Self {
        Self { kinds: Kind::ALL.map(|_| Objects::default()) }
    }

    fn of_kind(&self, kind: Kind) -> &Objects {
        let [node, configuration, peer, filter, pool, affinity, block, secret, service, slice, pod, status] =
            &self.kinds;
        match kind {
            Kind::Node => node,
            Kind::BgpConfiguration => configuration,
            Kind::BgpPeer => peer,
            Kind::BgpFilter => filter,
            Kind::IpPool => pool,
            Kind::BlockAffinity => affinity,
            Kind::IpamBlock => block,
            Kind::Secret => secret,
            Kind::Service => service,
            Kind::EndpointSlice => slice,
            Kind::Pod => pod,
            Kind::CalicoNodeStatus => status,
        }
    }

    fn of_kind_mut(&mut self, kind: Kind) -> &mut Objects {
        let [node, configuration, peer, filter, pool, affinity, block, secret, service, slice, pod, status] =
            &mut self.kinds;
        match kind {
            Kind::Node => node,
            Kind::BgpConfiguration => configuration,
            Kind::BgpPeer => peer,
            Kind::BgpFilter => filter,
            Kind::IpPool => pool,
            Kind::BlockAffinity => affinity,
            Kind::IpamBlock => block,
            Kind::Secret => secret,
            Kind::Service => service,
            Kind::EndpointSlice => slice,
            Kind::Pod => pod,
            Kind::CalicoNodeStatus => status,
        }
    }

    /// The object with this key.
    #[must_use]
    pub fn get(&self, key: &Key) -> Option<&Object> {
        self.of_kind(key.kind).get(&(key.namespace.clone(), key.name.clone()))
    }

    /// The object of this type and name, of types that do not live in a namespace.
    ///
    /// ```
    /// use heddle_resources::{BgpConfiguration, Snapshot};
    ///
    /// assert!(Snapshot::new().named::<BgpConfiguration>("default").is_none());
    /// ```
    #[must_use]
    pub fn named<R: Resource>(&self, name: &str) -> Option<&Arc<R>> {
        self.of_kind(R::KIND).get(&(None, name.into())).and_then(R::of)
    }

    /// The object of this type, namespace and name.
    #[must_use]
    pub fn namespaced<R: Resource>(&self, namespace: &str, name: &str) -> Option<&Arc<R>> {
        self.of_kind(R::KIND).get(&(Some(namespace.into()), name.into())).and_then(R::of)
    }

    /// All objects of this type, in the order of namespace and name.
    pub fn all<R: Resource + 'static>(&self) -> impl Iterator<Item = &Arc<R>> {
        self.of_kind(R::KIND).values().filter_map(R::of)
    }

    /// All objects, in the order of kind, namespace and name.
    pub fn iter(&self) -> impl Iterator<Item = &Object> {
        self.kinds.iter().flat_map(|objects| objects.values())
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.kinds.iter().map(|objects| objects.size()).sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.kinds.iter().all(|objects| objects.is_empty())
    }

    /// Makes one change. An object under a key of another kind is not taken.
    pub fn apply(&mut self, delta: &Delta) {
        match delta {
            Delta::Set(key, object) if key.kind == object.kind() => {
                let name = (key.namespace.clone(), key.name.clone());
                Arc::make_mut(self.of_kind_mut(key.kind)).insert_mut(name, object.clone());
            }
            Delta::Set(..) => {}
            Delta::Deleted(key) => {
                let name = (key.namespace.clone(), key.name.clone());
                let objects = self.of_kind_mut(key.kind);
                if objects.contains_key(&name) {
                    Arc::make_mut(objects).remove_mut(&name);
                }
            }
        }
    }

    /// Sets an object under its own key.
    pub fn insert(&mut self, object: impl Into<Object>) {
        self.apply(&Delta::set(object));
    }

    /// What leads from `old` to `new`, in the order of the keys. Objects that are equal are not in it.
    #[must_use]
    pub fn diff(old: &Self, new: &Self) -> Vec<Delta> {
        let mut deltas = Vec::new();
        for kind in Kind::ALL {
            let (old, new) = (old.of_kind(kind), new.of_kind(kind));
            if !Arc::ptr_eq(old, new) {
                diff_kind(kind, old, new, &mut deltas);
            }
        }
        deltas
    }
}

fn diff_kind(kind: Kind, old: &Objects, new: &Objects, deltas: &mut Vec<Delta>) {
    let key = |name: &Name| Key { kind, namespace: name.0.clone(), name: name.1.clone() };
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    loop {
        match (old.peek(), new.peek()) {
            (None, None) => return,
            (Some((a, _)), Some((b, object))) if b < a => {
                deltas.push(Delta::Set(key(b), (*object).clone()));
                new.next();
            }
            (Some((a, before)), Some((b, object))) if a == b => {
                if !before.is_same(object) && before != object {
                    deltas.push(Delta::Set(key(b), (*object).clone()));
                }
                old.next();
                new.next();
            }
            (None, Some((b, object))) => {
                deltas.push(Delta::Set(key(b), (*object).clone()));
                new.next();
            }
            (Some((a, _)), _) => {
                deltas.push(Delta::Deleted(key(a)));
                old.next();
            }
        }
    }
}

impl FromIterator<Object> for Snapshot {
    fn from_iter<I: IntoIterator<Item = Object>>(objects: I) -> Self {
        let mut snapshot = Self::new();
        for object in objects {
            snapshot.insert(object);
        }
        snapshot
    }
}

#[cfg(test)]
mod tests;
