//! Services and slices that come, change and go, one event at a time, as the datastore's followers tell them (projectcalico/calico
//! #11503, #11639; rancher/rke2 #9484): what is advertised after each event is what the objects of that moment say, not what came before.
//!
//! Events of one object come in their order; those of several objects come in any.

use std::collections::{BTreeMap, BTreeSet};

use heddle_resources::{Delta, Document, Snapshot, decode_documents};
use proptest::prelude::*;

use super::services::{CLUSTER, LOCAL, networks, service, slice};
use super::{cluster, configuration, object};
use crate::{NodeContext, generate};

/// The services, with the addresses that this node advertises for them.
const SERVICES: [(&str, &str); 2] = [("web", "10.96.0.7"), ("api", "10.96.0.8")];

/// This node, and two others.
const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// How an endpoint is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Unready,
    Ready,
    /// Its pod is deleted, and goes on with what it has.
    Terminating,
    /// Its pod is deleted, and answers nobody.
    Ended,
}

use State::{Ended, Ready, Terminating, Unready};

type Endpoints = Vec<(&'static str, State)>;

/// What is heard of one object.
#[derive(Clone, Debug)]
enum Event {
    Service(&'static str),
    ServiceGone(&'static str),
    /// A slice with its service, which may be another one than before.
    Slice(&'static str, &'static str, Endpoints),
    SliceGone(&'static str),
}

impl Event {
    fn object(&self) -> (&'static str, &'static str) {
        match self {
            Self::Service(name) | Self::ServiceGone(name) => ("service", name),
            Self::Slice(name, ..) | Self::SliceGone(name) => ("slice", name),
        }
    }

    /// As a follower tells it.
    fn delta(&self) -> Delta {
        let (text, is_gone) = match self {
            Self::Service(name) => (manifest_of_service(name), false),
            Self::ServiceGone(name) => (manifest_of_service(name), true),
            Self::Slice(name, service, endpoints) => (manifest_of_slice(name, service, endpoints), false),
            Self::SliceGone(name) => (manifest_of_slice(name, "web", &[]), true),
        };
        let Some(Ok(Document::Object(decoded))) = decode_documents(&text, "event.yaml").into_iter().next() else {
            panic!("not read: {text}");
        };
        if is_gone { Delta::Deleted(decoded.object.key()) } else { Delta::set(decoded.object) }
    }
}

fn manifest_of_service(name: &str) -> String {
    let (_, address) = SERVICES.iter().find(|(service, _)| *service == name).expect("one of them");
    service(name, &format!("{LOCAL}, clusterIP: {address}"), "")
}

fn manifest_of_slice(name: &str, service: &str, endpoints: &[(&str, State)]) -> String {
    let endpoint = |(node, state): &(&str, State)| {
        let conditions = match state {
            Unready => "ready: false",
            Ready => "ready: true, serving: true",
            Terminating => "ready: false, serving: true, terminating: true",
            Ended => "ready: false, serving: false, terminating: true",
        };
        format!("{{addresses: [10.1.1.1], nodeName: {node}, conditions: {{{conditions}}}}}")
    };
    slice(name, service, &endpoints.iter().map(endpoint).collect::<Vec<_>>().join(", "))
}

/// The objects of a moment, kept in the plainest way there is.
#[derive(Clone, Debug, Default)]
struct Objects {
    services: BTreeSet<&'static str>,
    slices: BTreeMap<&'static str, (&'static str, Endpoints)>,
}

impl Objects {
    fn apply(&mut self, event: &Event) {
        match event {
            Event::Service(name) => drop(self.services.insert(name)),
            Event::ServiceGone(name) => drop(self.services.remove(name)),
            Event::Slice(name, service, endpoints) => drop(self.slices.insert(name, (service, endpoints.clone()))),
            Event::SliceGone(name) => drop(self.slices.remove(name)),
        }
    }

    /// How many endpoints a service has in a state, here or anywhere.
    fn count(&self, service: &str, wanted: State, nodes: &[&str]) -> usize {
        let slices = self.slices.values().filter(|(of, _)| *of == service);
        slices
            .flat_map(|(_, endpoints)| endpoints)
            .filter(|(node, state)| *state == wanted && nodes.contains(node))
            .count()
    }

    /// A local endpoint takes traffic; or none anywhere does, and a local one still ends what it has.
    fn is_advertised(&self, service: &str) -> bool {
        let here = |state| self.count(service, state, &["n1"]) > 0;
        let is_served = here(Ready) || self.count(service, Ready, &NODES) == 0 && here(Terminating);
        self.services.contains(service) && is_served
    }

    fn advertised(&self) -> Vec<String> {
        let all = SERVICES.iter().filter(|(name, _)| self.is_advertised(name));
        ["10.96.0.0/12".to_owned()].into_iter().chain(all.map(|(_, address)| format!("{address}/32"))).collect()
    }

    /// Endpoints of a service here that still work.
    fn working_here(&self, service: &str) -> usize {
        self.count(service, Ready, &["n1"]) + self.count(service, Terminating, &["n1"])
    }
}

/// The datastore, and what is so.
#[derive(Clone)]
struct World {
    snapshot: Snapshot,
    objects: Objects,
}

impl World {
    /// A cluster without services.
    fn new() -> Self {
        let manifests = configuration(&format!("nodeToNodeMeshEnabled: false, {CLUSTER}"))
            + &object("Node", "n1", "", "bgp: {ipv4Address: 10.0.0.1/24}");
        Self { snapshot: cluster(&manifests), objects: Objects::default() }
    }

    fn advertised(&self) -> Vec<String> {
        networks(&generate(&self.snapshot, &NodeContext::new("n1")).config.expect("a configuration"))
    }

    /// One event, and what has to be so after it.
    fn hear(&mut self, event: &Event, delta: &Delta) {
        let before = self.clone();
        self.snapshot.apply(delta);
        self.objects.apply(event);
        let advertised = self.advertised();
        assert_eq!(advertised, self.objects.advertised(), "after {event:?}: {:?}", self.objects);
        // Withdrawn before the last endpoint here is gone, if that one terminated first and another node takes over.
        for (service, address) in SERVICES {
            let had = before.objects.count(service, Terminating, &["n1"]) > 0
                && before.objects.count(service, Ready, &["n1"]) == 0;
            let is_last = before.objects.working_here(service) > 0 && self.objects.working_here(service) == 0;
            if had && is_last && before.objects.count(service, Ready, &NODES) > 0 {
                let address = format!("{address}/32");
                assert!(!before.advertised().contains(&address), "{address} outlived its endpoint: {event:?}");
            }
        }
    }
}

/// Tries every order in which the rest of these courses may be heard of; answers how many there are.
fn every_order(world: &World, courses: &[&[(Event, Delta)]], ends: &mut BTreeSet<Vec<String>>) -> usize {
    let mut orders = 0;
    for (at, course) in courses.iter().enumerate() {
        let Some(((event, delta), rest)) = course.split_first() else { continue };
        let mut world = world.clone();
        world.hear(event, delta);
        let mut courses = courses.to_vec();
        courses[at] = rest;
        orders += every_order(&world, &courses, ends);
    }
    if courses.iter().all(|course| course.is_empty()) {
        ends.insert(world.advertised());
        orders = 1;
    }
    orders
}

fn with_deltas(events: Vec<Event>) -> Vec<(Event, Delta)> {
    events.into_iter().map(|event| (event.clone(), event.delta())).collect()
}

/// Every order of a rolling update, with a service that is deleted and made again, and a slice that changes hands.
#[test]
fn every_order_of_a_rolling_update() {
    let service = with_deltas(vec![Event::Service("web"), Event::ServiceGone("web"), Event::Service("web")]);
    let old = |endpoints: &[(&'static str, State)]| Event::Slice("web-old", "web", endpoints.to_vec());
    let gone = Event::SliceGone("web-old");
    let old = with_deltas(vec![old(&[("n1", Ready)]), old(&[("n1", Terminating), ("n2", Unready)]), gone]);
    let new = |service, endpoints: &[(&'static str, State)]| Event::Slice("web-new", service, endpoints.to_vec());
    let new = with_deltas(vec![
        new("api", &[("n1", Ready)]),
        new("web", &[("n1", Unready), ("n2", Ready)]),
        new("web", &[("n1", Ready), ("n2", Terminating)]),
        new("web", &[("n1", Ended), ("n2", Ready)]),
    ]);
    let mut world = World::new();
    world.hear(&Event::Service("api"), &Event::Service("api").delta());
    let mut ends = BTreeSet::new();
    let orders = every_order(&world, &[&service, &old, &new], &mut ends);
    assert_eq!(orders, 10 * 9 * 8 * 7 * 6 * 5 / (6 * 6), "10! / (3! 3! 4!)");
    assert_eq!(ends, BTreeSet::from([vec!["10.96.0.0/12".to_owned()]]), "the last objects alone decide");
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let service = || prop::sample::select(SERVICES.map(|(name, _)| name).to_vec());
    let slice = || prop::sample::select(vec!["a", "b", "c", "d"]);
    let state = prop::sample::select(vec![Unready, Ready, Terminating, Ended]);
    let endpoints = prop::collection::vec((prop::sample::select(NODES.to_vec()), state), 0..4);
    let event = prop_oneof![
        2 => service().prop_map(Event::Service),
        1 => service().prop_map(Event::ServiceGone),
        8 => (slice(), service(), endpoints).prop_map(|(name, service, endpoints)| Event::Slice(name, service, endpoints)),
        2 => slice().prop_map(Event::SliceGone),
    ];
    prop::collection::vec(event, 1..40)
}

/// Another order of the same events, in which each object still has its own in order.
fn reordered(events: &[Event], picks: &[prop::sample::Index]) -> Vec<Event> {
    let mut courses: BTreeMap<_, std::collections::VecDeque<Event>> = BTreeMap::new();
    for event in events {
        courses.entry(event.object()).or_default().push_back(event.clone());
    }
    let mut order = Vec::new();
    for pick in picks.iter().cycle().take(events.len()) {
        let objects: Vec<_> = courses.keys().copied().collect();
        let object = *pick.get(&objects);
        let course = courses.get_mut(&object).expect("one of them");
        order.extend(course.pop_front());
        if course.is_empty() {
            courses.remove(&object);
        }
    }
    order
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Longer courses of more objects, in two orders: right after each event, and the same in the end, as if only the last objects had
    /// ever been there.
    #[test]
    fn any_order_ends_alike(events in events(), picks in prop::collection::vec(any::<prop::sample::Index>(), 40)) {
        let mut ends = Vec::new();
        for order in [events.clone(), reordered(&events, &picks)] {
            prop_assert_eq!(order.len(), events.len());
            let mut world = World::new();
            for event in &order {
                world.hear(event, &event.delta());
            }
            ends.push(world);
        }
        let mut fresh = World::new();
        for object in ends[0].snapshot.iter() {
            fresh.snapshot.insert(object.clone());
        }
        prop_assert_eq!(ends[0].advertised(), fresh.advertised());
        prop_assert_eq!(ends[0].advertised(), ends[1].advertised());
        prop_assert!(ends[0].snapshot == ends[1].snapshot);
    }
}
