use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::node::Node;
use crate::pod::Pod;
use crate::{BgpFilter, Metadata};

fn pod(namespace: &str, name: &str, node: &str) -> Object {
    let metadata = Metadata { namespace: Some(namespace.into()), ..Metadata::named(name) };
    Pod { metadata, node_name: Some(node.into()), ..Pod::default() }.into()
}

fn node(name: &str) -> Object {
    Node { metadata: Metadata::named(name), ..Node::default() }.into()
}

fn keys<'o>(objects: impl Iterator<Item = &'o Object>) -> Vec<String> {
    objects.map(|object| object.key().to_string()).collect()
}

#[test]
fn order_and_look_up() {
    let objects = [pod("b", "a", "x"), pod("a", "z", "x"), node("n2"), pod("a", "b", "x"), node("n1")];
    let snapshot: Snapshot = objects.into_iter().collect();
    assert_eq!(keys(snapshot.iter()), ["Node/n1", "Node/n2", "Pod/a/b", "Pod/a/z", "Pod/b/a"]);
    assert_eq!((snapshot.len(), snapshot.is_empty()), (5, false));
    let names: Vec<&str> = snapshot.all::<Node>().map(|node| &*node.metadata.name).collect();
    assert_eq!(names, ["n1", "n2"]);
    assert_eq!(snapshot.all::<BgpFilter>().count(), 0);
    assert!(snapshot.named::<Node>("n1").is_some());
    assert!(snapshot.named::<Node>("n3").is_none());
    assert!(snapshot.named::<Pod>("a").is_none());
    assert_eq!(snapshot.namespaced::<Pod>("a", "b").unwrap().node_name.as_deref(), Some("x"));
    assert!(snapshot.get(&Key::namespaced(Kind::Pod, "b", "a")).is_some());
    assert!(snapshot.get(&Key::cluster(Kind::Pod, "a")).is_none());
}

#[test]
fn a_clone_stays_as_it_is() {
    let mut snapshot: Snapshot = [node("a")].into_iter().collect();
    let before = snapshot.clone();
    snapshot.apply(&Delta::Deleted(Key::cluster(Kind::Node, "a")));
    snapshot.insert(node("b"));
    assert_eq!(keys(before.iter()), ["Node/a"]);
    assert_eq!(keys(snapshot.iter()), ["Node/b"]);
    assert!(Arc::ptr_eq(before.of_kind(Kind::Pod), snapshot.of_kind(Kind::Pod)));
}

#[test]
fn objects_that_are_equal_are_no_change() {
    let old: Snapshot = [node("a"), pod("n", "p", "x"), pod("n", "q", "x")].into_iter().collect();
    let new: Snapshot = [node("a"), pod("n", "p", "y"), pod("n", "r", "x")].into_iter().collect();
    let deltas = Snapshot::diff(&old, &new);
    let expected = [
        Delta::set(pod("n", "p", "y")),
        Delta::Deleted(Key::namespaced(Kind::Pod, "n", "q")),
        Delta::set(pod("n", "r", "x")),
    ];
    assert_eq!(deltas, expected);
    assert_eq!(old, old.clone());
    assert_ne!(old, new);
}

#[test]
fn an_object_under_a_key_of_another_kind_is_not_taken() {
    let mut snapshot = Snapshot::new();
    snapshot.apply(&Delta::Set(Key::cluster(Kind::Node, "a"), pod("n", "a", "x")));
    assert!(snapshot.is_empty());
}

fn deltas() -> impl Strategy<Value = Vec<Delta>> {
    let delta =
        (0..2_u8, "[ab]", "[a-d]", prop::option::of("[xy]")).prop_map(|(kind, namespace, name, value)| {
            match (kind, value) {
                (0, Some(_)) => Delta::set(node(&name)),
                (0, None) => Delta::Deleted(Key::cluster(Kind::Node, name)),
                (_, Some(value)) => Delta::set(pod(&namespace, &name, &value)),
                (_, None) => Delta::Deleted(Key::namespaced(Kind::Pod, namespace, name)),
            }
        });
    prop::collection::vec(delta, 0..30)
}

proptest! {
    #[test]
    fn a_snapshot_is_a_map_and_a_difference_leads_from_one_to_the_other(first in deltas(), second in deltas()) {
        let mut model: BTreeMap<Key, Object> = BTreeMap::new();
        let mut snapshot = Snapshot::new();
        for delta in &first {
            snapshot.apply(delta);
        }
        let before = snapshot.clone();
        for delta in &second {
            snapshot.apply(delta);
        }
        for delta in first.iter().chain(&second) {
            match delta {
                Delta::Set(key, object) => drop(model.insert(key.clone(), object.clone())),
                Delta::Deleted(key) => drop(model.remove(key)),
            }
        }
        let found: Vec<(Key, Object)> = snapshot.iter().map(|object| (object.key(), object.clone())).collect();
        prop_assert_eq!(found, model.into_iter().collect::<Vec<_>>());
        let deltas = Snapshot::diff(&before, &snapshot);
        prop_assert!(deltas.is_sorted_by(|a, b| a.key() < b.key()));
        let mut after = before;
        for delta in &deltas {
            after.apply(delta);
        }
        prop_assert_eq!(&after, &snapshot);
        prop_assert_eq!(Snapshot::diff(&after, &snapshot), []);
    }
}
