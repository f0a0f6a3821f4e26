//! What consumers may rely on, whatever the source, with a real etcd and with a real API server: the same cases that the library's own
//! tests run with the others, and what only a server can do. [`whatever_happens`] is for etcd alone: an API server that forgets is one
//! that is started again, which takes seconds; the library's tests do it with a server of theirs.

use std::net::TcpListener;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use heddle_datastore::{Datastore, EtcdSource, Guard, KubernetesOptions, KubernetesSource, kubernetes_config};
use heddle_interop_tests::kubernetes::door::Door;
use heddle_interop_tests::kubernetes::{CalicoApi, Cluster, Options};
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_resources::{Kind, Node};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

use crate::stores::{BareMetal, Hand, Store as _};
use crate::suite::{self, Happens, Place, Pools, Reader};

const NODE: &str = "n1";

/// An etcd behind a door.
struct Behind {
    // Connections end before what they lead to.
    door: Door,
    store: BareMetal,
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({"apiVersion": "projectcalico.org/v3", "kind": kind, "metadata": {"name": name}, "spec": spec})
}

fn open(port: u16) -> Door {
    Door::open(TcpListener::bind("127.0.0.1:0").expect("a loopback interface"), port)
}

impl Place for Behind {
    type Source = EtcdSource;

    async fn new() -> Self {
        let store = BareMetal::start();
        Self { door: open(store.etcd().port()), store }
    }

    fn source(&self) -> EtcdSource {
        EtcdSource::new(self.store.options(NODE, &self.door.url()))
    }

    fn set(&self, kind: &str, name: &str, spec: Value) {
        let object = object(kind, name, &spec);
        self.store.etcd().client().apply(&object).unwrap_or_else(|error| panic!("{error}"));
    }

    fn delete(&self, kind: &str, name: &str) {
        let object = object(kind, name, &Value::Null);
        let etcd = self.store.etcd().client();
        heddle_interop_tests::etcd::EtcdClient::delete(&etcd, &key(&object)).unwrap_or_else(|error| panic!("{error}"));
    }

    fn lose(&self) {
        self.door.shut();
    }

    fn regain(&self) {
        self.door.reopen();
    }

    fn forget(&self) {
        // What the watches would go on with is among what is forgotten.
        for _ in 0..2 {
            self.store.etcd().put("/heddle-tests/other", "").unwrap_or_else(|error| panic!("{error}"));
        }
        self.store.etcd().compact().unwrap_or_else(|error| panic!("{error}"));
        self.door.cut();
    }
}

/// An API server behind a door.
struct BehindServer {
    door: Door,
    source: Mutex<Option<KubernetesSource>>,
    hand: Box<dyn Hand>,
    cluster: Mutex<Cluster>,
}

impl Place for BehindServer {
    type Source = KubernetesSource;

    async fn new() -> Self {
        let cluster = Cluster::start(&Options { calico: vec![CalicoApi::Crd], ..Options::default() });
        let door = open(Cluster::port(&cluster));
        let config = kubernetes_config(Some(&cluster.kubeconfig(None, Some(&door.url())))).await.expect("a kubeconfig");
        // Tests do not wait for other nodes.
        let options = KubernetesOptions { spread: Duration::from_millis(250), ..KubernetesOptions::of(NODE) };
        let source = KubernetesSource::connect(&config, options).expect("a client");
        Self { door, source: Mutex::new(Some(source)), hand: cluster.hand(), cluster: Mutex::new(cluster) }
    }

    fn source(&self) -> KubernetesSource {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).take().expect("it is followed once")
    }

    fn set(&self, kind: &str, name: &str, spec: Value) {
        self.hand.apply(&object(kind, name, &spec)).unwrap_or_else(|error| panic!("{error}"));
    }

    fn delete(&self, kind: &str, name: &str) {
        self.hand.delete(&object(kind, name, &Value::Null)).unwrap_or_else(|error| panic!("{error}"));
    }

    fn lose(&self) {
        self.door.shut();
    }

    fn regain(&self) {
        self.door.reopen();
    }

    fn forget(&self) {
        self.cluster.lock().unwrap_or_else(PoisonError::into_inner).forget_history();
    }
}

fn key(object: &Value) -> String {
    heddle_interop_tests::etcd::calico::stored(object).expect("a kind of Calico's").0
}

/// The servers are asked from one thread while others follow them.
fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// A case by its names, and what runs it in each place.
type Cases = ([&'static str; 2], [fn(); 2]);

/// Cases of the library's own tests, with an API server and with etcd.
pub(crate) const EVERYWHERE: [Cases; 5] = [
    (
        ["kubernetes::contract::away_and_back", "etcd::contract::away_and_back"],
        [away_and_back::<BehindServer>, away_and_back::<Behind>],
    ),
    (
        ["kubernetes::contract::one_wrong_object", "etcd::contract::one_wrong_object"],
        [one_wrong_object::<BehindServer>, one_wrong_object::<Behind>],
    ),
    (
        ["kubernetes::contract::waiting_is_cancelled", "etcd::contract::waiting_is_cancelled"],
        [waiting_is_cancelled::<BehindServer>, waiting_is_cancelled::<Behind>],
    ),
    (
        ["kubernetes::contract::most_are_gone", "etcd::contract::most_are_gone"],
        [most_are_gone::<BehindServer>, most_are_gone::<Behind>],
    ),
    (
        ["kubernetes::contract::many_pages", "etcd::contract::many_pages"],
        [many_pages::<BehindServer>, many_pages::<Behind>],
    ),
];

fn away_and_back<P: Place>() {
    runtime().block_on(suite::away_and_back::<P>());
}

fn one_wrong_object<P: Place>() {
    runtime().block_on(suite::one_wrong_object::<P>());
}

fn waiting_is_cancelled<P: Place>() {
    runtime().block_on(suite::a_reader_that_waits_can_be_cancelled::<P>());
}

/// Sequences of everything that can happen, each by its number.
pub(crate) fn whatever_happens() {
    for seed in 1..=4_u64 {
        println!("sequence {seed}");
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut below = |bound: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            usize::try_from(state % bound).expect("small")
        };
        let pool = |below: &mut dyn FnMut(u64) -> usize| (below(6), u8::try_from(24 + below(4)).expect("small"));
        let mut events = Vec::new();
        for _ in 0..40 {
            events.push(match below(17) {
                0..=5 => {
                    let (n, size) = pool(&mut below);
                    Happens::Set(n, size)
                }
                6..=8 => Happens::Delete(below(6)),
                9 => Happens::Forget,
                10 => {
                    let count = below(4);
                    Happens::Away((0..count).map(|_| pool(&mut below)).collect())
                }
                11..=14 => Happens::Read(below(3)),
                _ => Happens::Wait,
            });
        }
        runtime().block_on(suite::every_reader_ends_up_with_what_is_there::<Behind>(events));
    }
}

/// A list that lacks most is not believed before a second one agrees; deletions that are told are.
fn most_are_gone<P: Place>() {
    runtime().block_on(async {
        let place = P::new().await;
        (0..12).for_each(|n| suite::put(&place, n, 26));
        let all: Pools = (0..12).map(|n| (format!("p{n}"), 26)).collect();
        let datastore = Datastore::start(place.source());
        let mut reader = Reader::new(&datastore);
        reader.until(&all).await;
        place.lose();
        (0..8).for_each(|n| place.delete("IPPool", &format!("p{n}")));
        place.forget();
        place.regain();
        wait_for("the list is not believed", PATIENCE, || {
            let held = datastore.status().held;
            ensure(held.get(&Kind::IpPool) == Some(&8), || format!("{held:?}"))
        });
        assert_eq!(datastore.snapshot().map(|snapshot| suite::pools(&snapshot)), Some(all.clone()));
        // Other kinds and what comes in go on meanwhile.
        place.set("Node", "n2", json!({"bgp": {"ipv4Address": "10.0.0.2/24"}}));
        wait_for("a node", PATIENCE, || {
            let known = datastore.snapshot().is_some_and(|snapshot| snapshot.named::<Node>("n2").is_some());
            ensure(known, || datastore.status().state.to_string())
        });
        assert_eq!(datastore.status().held.get(&Kind::IpPool), Some(&8), "less than {:?} passed", Guard::PAUSE);
        let left: Pools = all.into_iter().filter(|(name, _)| matches!(&**name, "p8" | "p9" | "p10" | "p11")).collect();
        reader.until(&left).await;
        assert!(datastore.status().held.is_empty());
        (0..12).for_each(|n| suite::put(&place, n, 26));
        reader.until(&(0..12).map(|n| (format!("p{n}"), 26)).collect()).await;
        (0..8).for_each(|n| place.delete("IPPool", &format!("p{n}")));
        reader.until(&left).await;
        assert!(datastore.status().held.is_empty(), "deletions that are told are believed");
    });
}

/// More objects than a page of a list has; all of them are one change.
fn many_pages<P: Place>() {
    runtime().block_on(async {
        let place = P::new().await;
        (0..1201).for_each(|n| {
            let bgp = json!({"bgp": {"ipv4Address": format!("10.{}.{}.1/24", n / 250, n % 250)}});
            place.set("Node", &format!("node-{n}"), bgp);
        });
        let datastore = Datastore::start(place.source());
        let snapshot = wait_for("the first snapshot", PATIENCE, || {
            datastore.snapshot().ok_or_else(|| datastore.status().state.to_string())
        });
        assert_eq!(snapshot.all::<Node>().count(), 1201);
        place.set("Node", "one-more", json!({"bgp": {"ipv4Address": "10.99.0.1/24"}}));
        wait_for("one more", PATIENCE, || {
            let known = datastore.snapshot().is_some_and(|snapshot| snapshot.named::<Node>("one-more").is_some());
            ensure(known, || datastore.status().state.to_string())
        });
        assert_eq!(datastore.status().version, 2, "the first snapshot and one change");
    });
}
