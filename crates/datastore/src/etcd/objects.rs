//! From values in etcd to objects.

use std::collections::BTreeSet;
use std::sync::Arc;

use heddle_resources::{Document, Kind, Snapshot};
use serde_json::{Map, Value, json};

use super::error::EtcdError;
use super::keys::Place;
use crate::event::{Revision, SourceEvent};
use crate::kubernetes::slim::{Names, slim};
use crate::kubernetes::value;
use crate::problem::{InForce, Problem};

const API_VERSION: &str = "projectcalico.org/v3";

/// Makes objects of values, and remembers which are wrong.
#[derive(Debug)]
pub(super) struct Objects {
    node: Arc<str>,
    names: Names,
    /// Objects with problems.
    origins: BTreeSet<Arc<str>>,
}

impl Objects {
    pub(super) fn new(node: Arc<str>) -> Self {
        Self { node, names: Names::default(), origins: BTreeSet::new() }
    }

    /// A list begins; answers which objects had problems before it.
    pub(super) fn begin_list(&mut self) -> BTreeSet<Arc<str>> {
        std::mem::take(&mut self.origins)
    }

    /// It broke off: what was wrong before may still be.
    pub(super) fn break_list(&mut self, before: BTreeSet<Arc<str>>) {
        self.origins.extend(before);
    }

    /// It is complete: of what had problems and was not in it, or has none any more, nothing is said any longer.
    pub(super) fn end_list(&mut self, before: BTreeSet<Arc<str>>, events: &mut Vec<SourceEvent>) {
        let fine = |origin| SourceEvent::Problems { origin, problems: Vec::new() };
        events.extend(before.into_iter().filter(|origin| !self.origins.contains(origin)).map(fine));
    }

    /// An object that is there.
    pub(super) fn put(
        &mut self,
        place: Place,
        text: &[u8],
        revision: Option<Revision>,
        known: &Snapshot,
        events: &mut Vec<SourceEvent>,
    ) {
        let Place { key, block } = place;
        let origin: Arc<str> = key.to_string().into();
        let in_force = if known.get(&key).is_some() { InForce::LastGood } else { InForce::Nothing };
        let read = match value::object(text, key.kind) {
            Ok(read) => read,
            Err(error) => {
                let error = EtcdError::Value { key: Arc::clone(&origin), error: Arc::new(error) };
                let problem = Problem::NotGiven { error: error.into(), in_force };
                events.push(SourceEvent::Kept(key));
                return self.problems(origin, vec![problem], events);
            }
        };
        let object = match block {
            Some(block) => affinity(&read, &key.name, &self.node, &block),
            None => named(read, &key.name),
        };
        if key.kind == Kind::CalicoNodeStatus && self.is_of_another(&object) {
            // It may have been this node's before.
            if in_force == InForce::LastGood {
                self.deleted(Place { key, block: None }, revision, events);
            }
            return;
        }
        match value::decode(object, key.kind, API_VERSION) {
            Ok(Document::Object(decoded)) => {
                let mut object = decoded.object;
                slim(&mut object, &mut self.names);
                events.push(SourceEvent::Set { object, revision });
                self.problems(origin, decoded.notes.into_iter().map(Problem::Note).collect(), events);
            }
            // It says itself that it is of another kind than its key does.
            Ok(Document::Skipped { .. }) => {}
            Err(object) => {
                events.push(SourceEvent::Kept(key));
                self.problems(origin, vec![Problem::Invalid { object, in_force }], events);
            }
        }
    }

    /// An object that is gone.
    pub(super) fn deleted(&mut self, place: Place, revision: Option<Revision>, events: &mut Vec<SourceEvent>) {
        self.problems(place.key.to_string().into(), Vec::new(), events);
        events.push(SourceEvent::Deleted { key: place.key, revision });
    }

    fn is_of_another(&self, object: &Value) -> bool {
        object.get("spec").and_then(|spec| spec.get("node")?.as_str()).is_some_and(|node| *node != *self.node)
    }

    /// All that is wrong with an object.
    fn problems(&mut self, origin: Arc<str>, problems: Vec<Problem>, events: &mut Vec<SourceEvent>) {
        let had = self.origins.remove(&origin);
        if !problems.is_empty() {
            self.origins.insert(Arc::clone(&origin));
        } else if !had {
            return;
        }
        events.push(SourceEvent::Problems { origin, problems });
    }
}

/// A resource, of whose name the key has the last word.
fn named(mut object: Value, name: &str) -> Value {
    if let Value::Object(fields) = &mut object {
        let metadata = fields.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
        if let Value::Object(metadata) = metadata {
            metadata.insert("name".to_owned(), name.into());
        }
    }
    object
}

/// An affinity, most of which is in its key.
fn affinity(value: &Value, name: &str, node: &str, block: &str) -> Value {
    let field = |name: &str| value.get(name).cloned();
    json!({
        "metadata": { "name": name },
        "spec": {
            "node": node,
            "type": "host",
            "cidr": block,
            "state": field("state").unwrap_or_else(|| "".into()),
            "deleted": field("deleted").unwrap_or(Value::Bool(false)),
        },
    })
}

#[cfg(test)]
mod tests {
    use heddle_resources::block_affinity::AffinityState;
    use heddle_resources::{BlockAffinity, IpPool};

    use super::*;

    const POOL: &str = "/calico/resources/v3/projectcalico.org/ippools/p";
    const BLOCK: &str = "/calico/ipam/v2/host/n1/ipv4/block/10.20.0.0-26";
    const STATUS: &str = "/calico/resources/v3/projectcalico.org/caliconodestatuses/s";

    fn place(key: &str) -> Place {
        Place::of(key.as_bytes(), "n1").expect("a key of ours")
    }

    fn put(objects: &mut Objects, known: &mut Snapshot, key: &str, text: &str) -> Vec<String> {
        let mut events = Vec::new();
        objects.put(place(key), text.as_bytes(), None, known, &mut events);
        shown(events, known)
    }

    fn shown(events: Vec<SourceEvent>, known: &mut Snapshot) -> Vec<String> {
        let one = |event| match event {
            SourceEvent::Set { object, .. } => {
                let key = object.key().to_string();
                known.insert(object);
                format!("set {key}")
            }
            SourceEvent::Kept(key) => format!("kept {key}"),
            SourceEvent::Deleted { key, .. } => format!("deleted {key}"),
            SourceEvent::Problems { problems, .. } => {
                let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
                format!("problems {}", texts.join(" "))
            }
            other => panic!("{other:?}"),
        };
        events.into_iter().map(one).collect()
    }

    #[test]
    fn the_key_says_which_object_it_is() {
        let (mut objects, mut known) = (Objects::new("n1".into()), Snapshot::new());
        let text = r#"{"metadata":{"name":"other"},"spec":{"cidr":"10.20.0.0/16"}}"#;
        assert_eq!(put(&mut objects, &mut known, POOL, text), ["set IPPool/p"]);
        assert_eq!(put(&mut objects, &mut known, POOL, r#"{"spec":{"cidr":"10.21.0.0/16"}}"#), ["set IPPool/p"]);
        assert!(known.named::<IpPool>("p").is_some_and(|pool| pool.spec.cidr.to_string() == "10.21.0.0/16"));
    }

    #[test]
    fn affinities_of_all_ages() {
        let (mut objects, mut known) = (Objects::new("n1".into()), Snapshot::new());
        let states = [
            (r#"{"state":"confirmed","deleted":false}"#, AffinityState::Confirmed),
            (r#"{"state":"pending"}"#, AffinityState::Pending),
            (r#"{"state":"pendingDeletion","deleted":false}"#, AffinityState::PendingDeletion),
            (r#"{"state":"confirmed","deleted":true}"#, AffinityState::Deleted),
            ("{}", AffinityState::Confirmed),
        ];
        for (text, state) in states {
            assert_eq!(put(&mut objects, &mut known, BLOCK, text), ["set BlockAffinity/n1-10-20-0-0-26"], "{text}");
            let affinity = known.named::<BlockAffinity>("n1-10-20-0-0-26").expect("it was set");
            assert_eq!((affinity.spec.state, &*affinity.spec.node), (state, "n1"), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said_until_it_is_not() {
        let (mut objects, mut known) = (Objects::new("n1".into()), Snapshot::new());
        let said = put(&mut objects, &mut known, POOL, "{");
        assert!(said[0] == "kept IPPool/p" && said[1].contains("IPPool/p: no JSON"), "{said:?}");
        assert!(said[1].ends_with("it is ignored"), "{said:?}");
        assert_eq!(
            put(&mut objects, &mut known, POOL, r#"{"spec":{"cidr":"10.20.0.0/16"}}"#),
            ["set IPPool/p", "problems "]
        );
        let said = put(&mut objects, &mut known, POOL, r#"{"spec":{"cidr":"10.20.0.0/99"}}"#);
        assert!(said[0] == "kept IPPool/p" && said[1].contains("spec.cidr"), "{said:?}");
        assert!(said[1].ends_with("its last good state stays in force"), "{said:?}");
        // A list without it: nothing is wrong with it any more. One that broke off says nothing.
        let before = objects.begin_list();
        objects.break_list(before);
        let before = objects.begin_list();
        let mut events = Vec::new();
        objects.end_list(before, &mut events);
        assert_eq!(shown(events, &mut known), ["problems "]);
        for text in ["", "null", "[]", "1", "\u{0}"] {
            let said = put(&mut objects, &mut known, POOL, text);
            assert_eq!(said[0], "kept IPPool/p", "{text}");
        }
        let mut events = Vec::new();
        objects.deleted(place(POOL), None, &mut events);
        assert_eq!(shown(events, &mut known), ["problems ", "deleted IPPool/p"]);
    }

    #[test]
    fn statuses_of_other_nodes_are_left_alone() {
        let (mut objects, mut known) = (Objects::new("n1".into()), Snapshot::new());
        let status =
            |node: &str| format!(r#"{{"spec":{{"node":"{node}","classes":["BGP"],"updatePeriodSeconds":10}}}}"#);
        assert!(put(&mut objects, &mut known, STATUS, &status("n2")).is_empty());
        assert_eq!(put(&mut objects, &mut known, STATUS, &status("n1")), ["set CalicoNodeStatus/s"]);
        assert_eq!(put(&mut objects, &mut known, STATUS, &status("n2")), ["deleted CalicoNodeStatus/s"]);
    }
}
