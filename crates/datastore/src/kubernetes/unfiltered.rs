//! Peers that name a filter of which nothing was heard yet.
//!
//! Filters and peers come over connections of their own, so that a peer may come before its filter: by milliseconds, or, if the
//! watch of filters is the one that is still cut off after an outage, by half a minute. A session without the filter that it
//! should have would tell the world too much; the peer stays as it was until the datastore says whether there is the filter.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use heddle_resources::{Key, Kind, Object, Snapshot};
use thiserror::Error;

use crate::error::SourceError;
use crate::event::{Revision, SourceEvent};
use crate::problem::{InForce, Problem};

/// Why a peer is not taken yet.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{peer}: waits for what the datastore says of its BGPFilter {filter}")]
pub(crate) struct FilterUnknown {
    peer: Key,
    filter: Arc<str>,
}

/// A peer that waits.
#[derive(Debug)]
struct Waiting {
    object: Object,
    revision: Option<Revision>,
    lacks: BTreeSet<Arc<str>>,
}

/// Peers that name a filter of which nothing was heard yet.
#[derive(Debug, Default)]
pub(crate) struct Unfiltered {
    peers: BTreeMap<Key, Waiting>,
}

/// The place of what is said of a peer.
fn origin(peer: &Key) -> Arc<str> {
    format!("{peer}/filters").into()
}

fn fine(peer: &Key) -> SourceEvent {
    SourceEvent::Problems { origin: origin(peer), problems: Vec::new() }
}

impl Unfiltered {
    /// The filters that are waited for.
    pub(crate) fn lacking(&self) -> BTreeSet<Arc<str>> {
        self.peers.values().flat_map(|waiting| waiting.lacks.iter().cloned()).collect()
    }

    /// Keeps back peers whose filters are not in the snapshot, and lets go of those whose filters come.
    pub(crate) fn sift(&mut self, events: Vec<SourceEvent>, snapshot: &Snapshot) -> Vec<SourceEvent> {
        let mut sifted = Vec::with_capacity(events.len());
        for event in events {
            match event {
                SourceEvent::Set { object: Object::BgpPeer(peer), revision } => {
                    let key = Object::BgpPeer(Arc::clone(&peer)).key();
                    let known =
                        |name: &Arc<str>| snapshot.get(&Key::cluster(Kind::BgpFilter, Arc::clone(name))).is_some();
                    let lacks: BTreeSet<Arc<str>> =
                        peer.spec.filters.iter().filter(|name| !known(name)).cloned().collect();
                    let object = Object::BgpPeer(peer);
                    if lacks.is_empty() {
                        self.over(&key, &mut sifted);
                        sifted.push(SourceEvent::Set { object, revision });
                    } else {
                        self.keep_back(key, Waiting { object, revision, lacks }, snapshot, &mut sifted);
                    }
                }
                SourceEvent::Set { object, revision } => {
                    let key = object.key();
                    sifted.push(SourceEvent::Set { object, revision });
                    if key.kind == Kind::BgpFilter {
                        self.known(&key.name, &mut sifted);
                    }
                }
                SourceEvent::Deleted { key, revision } => {
                    self.over(&key, &mut sifted);
                    sifted.push(SourceEvent::Deleted { key, revision });
                }
                SourceEvent::ResyncBegin { kinds, guard } => {
                    // The list says anew which there are.
                    if kinds.contains(Kind::BgpPeer) {
                        let gone: Vec<Key> = self.peers.keys().cloned().collect();
                        gone.iter().for_each(|key| self.over(key, &mut sifted));
                    }
                    sifted.push(SourceEvent::ResyncBegin { kinds, guard });
                }
                other @ (SourceEvent::Kept(_)
                | SourceEvent::ResyncEnd { .. }
                | SourceEvent::Problems { .. }
                | SourceEvent::Waiting(_)
                | SourceEvent::Failed(_)
                | SourceEvent::Lost(_)
                | SourceEvent::Regained) => sifted.push(other),
            }
        }
        sifted
    }

    /// There is no filter of this name: peers that wait for it wait in vain.
    pub(crate) fn absent(&mut self, filter: &Arc<str>) -> Vec<SourceEvent> {
        let mut events = Vec::new();
        self.known(filter, &mut events);
        events
    }

    fn keep_back(&mut self, key: Key, waiting: Waiting, snapshot: &Snapshot, events: &mut Vec<SourceEvent>) {
        let in_force = if snapshot.get(&key).is_some() { InForce::LastGood } else { InForce::Nothing };
        let problem = |filter: &Arc<str>| {
            let error = FilterUnknown { peer: key.clone(), filter: Arc::clone(filter) };
            Problem::NotGiven { error: SourceError::Other(Arc::new(error)), in_force }
        };
        let problems = waiting.lacks.iter().map(problem).collect();
        events.push(SourceEvent::Kept(key.clone()));
        events.push(SourceEvent::Problems { origin: origin(&key), problems });
        self.peers.insert(key, waiting);
    }

    /// A peer does not wait any more.
    fn over(&mut self, key: &Key, events: &mut Vec<SourceEvent>) {
        if self.peers.remove(key).is_some() {
            events.push(fine(key));
        }
    }

    /// It is known of a filter whether there is one.
    fn known(&mut self, filter: &Arc<str>, events: &mut Vec<SourceEvent>) {
        self.peers.values_mut().for_each(|waiting| {
            waiting.lacks.remove(filter);
        });
        for (key, waiting) in self.peers.extract_if(.., |_, waiting| waiting.lacks.is_empty()) {
            events.push(SourceEvent::Set { object: waiting.object, revision: waiting.revision });
            events.push(fine(&key));
        }
    }
}

#[cfg(test)]
mod tests {
    use heddle_resources::{Document, decode_json};
    use serde_json::{Value, json};

    use super::*;

    fn set(kind: &str, name: &str, spec: &Value) -> SourceEvent {
        let value =
            json!({ "apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": { "name": name }, "spec": spec });
        let Ok(Document::Object(decoded)) = decode_json(&value) else { panic!("{value}") };
        SourceEvent::Set { object: decoded.object, revision: None }
    }

    fn peer(name: &str, filters: &[&str]) -> SourceEvent {
        set("BGPPeer", name, &json!({ "peerIP": "192.0.2.1", "asNumber": 65001, "filters": filters }))
    }

    fn filter(name: &str) -> SourceEvent {
        set("BGPFilter", name, &json!({ "exportV4": [{ "action": "Reject" }] }))
    }

    /// What comes of events, without what is said of them.
    fn shown(events: &[SourceEvent]) -> Vec<String> {
        let one = |event: &SourceEvent| match event {
            SourceEvent::Set { object, .. } => Some(object.key().to_string()),
            SourceEvent::Kept(key) => Some(format!("kept {key}")),
            SourceEvent::Deleted { key, .. } => Some(format!("deleted {key}")),
            _ => None,
        };
        events.iter().filter_map(one).collect()
    }

    #[test]
    fn peers_wait_for_what_they_name() {
        let (mut unfiltered, mut snapshot) = (Unfiltered::default(), Snapshot::new());
        let SourceEvent::Set { object, .. } = filter("known") else { panic!() };
        snapshot.insert(object);
        let come = vec![peer("a", &["known"]), peer("b", &["x", "y"]), peer("c", &["y"])];
        let come = unfiltered.sift(come, &snapshot);
        assert_eq!(shown(&come), ["BGPPeer/a", "kept BGPPeer/b", "kept BGPPeer/c"]);
        assert_eq!(unfiltered.lacking(), ["x".into(), "y".into()].into());
        assert_eq!(shown(&unfiltered.sift(vec![filter("y")], &snapshot)), ["BGPFilter/y", "BGPPeer/c"]);
        assert_eq!(shown(&unfiltered.absent(&"x".into())), ["BGPPeer/b"]);
        assert!(unfiltered.lacking().is_empty());
    }

    #[test]
    fn who_waits_can_change_and_go() {
        let (mut unfiltered, snapshot) = (Unfiltered::default(), Snapshot::new());
        unfiltered.sift(vec![peer("a", &["x"]), peer("b", &["x"])], &snapshot);
        assert_eq!(shown(&unfiltered.sift(vec![peer("a", &[])], &snapshot)), ["BGPPeer/a"]);
        let deleted = SourceEvent::Deleted { key: Key::cluster(Kind::BgpPeer, "b"), revision: None };
        assert_eq!(shown(&unfiltered.sift(vec![deleted], &snapshot)), ["deleted BGPPeer/b"]);
        assert!(unfiltered.absent(&"x".into()).is_empty());
        // A list says which there are: what waited before it does not come back by itself.
        unfiltered.sift(vec![peer("c", &["x"])], &snapshot);
        let begin = SourceEvent::ResyncBegin { kinds: Kind::BgpPeer.into(), guard: crate::event::Guard::Doubt };
        unfiltered.sift(vec![begin], &snapshot);
        assert!(unfiltered.lacking().is_empty());
    }
}
