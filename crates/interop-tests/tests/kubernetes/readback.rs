//! The inputs of Calico's own conformance set, put into a real API server and a real etcd, and read back through the watch: a node makes the same of them
//! as of the same objects in a folder.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::Duration;

use heddle_config_gen::{NodeContext, generate};
use heddle_datastore::{
    Datastore, EtcdSource, FolderContent, KubernetesOptions, KubernetesSource, ServiceUse, kubernetes_config,
};
use heddle_interop_tests::etcd::{EtcdClient, calico};
use heddle_interop_tests::kubernetes::client::parse;
use heddle_interop_tests::kubernetes::{CalicoApi, Cluster, Options};
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_resources::{Kind, Snapshot};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::golden::inputs;
use crate::stores::{BareMetal, Hand};

/// The node that the set is about.
const NODE: &str = "kube-master";

/// What a node makes of its objects: the objects that count, what it runs, and what it says of that.
#[derive(Debug, PartialEq)]
struct Made {
    keys: BTreeSet<String>,
    config: String,
    said: BTreeSet<String>,
}

/// What is in the cluster without anybody's doing is left out.
fn made(snapshot: &Snapshot, own: &BTreeSet<String>) -> Made {
    let generated = generate(snapshot, &NodeContext::new(NODE));
    let counts = |kind: Kind| match kind {
        // Of the node, or where a session needs it.
        Kind::BlockAffinity | Kind::CalicoNodeStatus | Kind::Secret | Kind::IpamBlock | Kind::Pod => false,
        Kind::Node
        | Kind::BgpConfiguration
        | Kind::BgpPeer
        | Kind::BgpFilter
        | Kind::IpPool
        | Kind::Service
        | Kind::EndpointSlice => true,
    };
    let keys = snapshot.iter().filter(|object| counts(object.kind())).map(|object| object.key().to_string());
    let waiting = generated.waiting.iter().map(ToString::to_string);
    Made {
        keys: keys.filter(|key| !own.contains(key)).collect(),
        config: format!("{:#?}", generated.config),
        said: generated.warnings.iter().map(ToString::to_string).chain(waiting).collect(),
    }
}

/// Where inputs are put, and taken away again.
trait Place {
    /// Objects of this kind can be there.
    fn takes(&self, object: &Value) -> bool;

    fn put(&self, object: &Value) -> Result<(), String>;

    fn remove(&self, object: &Value) -> Result<(), String>;
}

/// A cluster, with one of Calico's APIs.
struct InCluster<'c>(&'c Cluster, CalicoApi);

impl Place for InCluster<'_> {
    fn takes(&self, _: &Value) -> bool {
        true
    }

    fn put(&self, object: &Value) -> Result<(), String> {
        self.0.admin().apply_object(&self.1.stored(object)).map(|_| ())
    }

    fn remove(&self, object: &Value) -> Result<(), String> {
        let path = self.0.admin().path(&self.1.stored(object))?;
        self.0.admin().delete(&format!("{path}?gracePeriodSeconds=0")).map(|_| ())
    }
}

/// Bare metal: what is Calico's, and nothing of a cluster.
impl Place for EtcdClient {
    fn takes(&self, object: &Value) -> bool {
        calico::stored(object).is_some()
    }

    fn put(&self, object: &Value) -> Result<(), String> {
        self.apply(object)
    }

    fn remove(&self, object: &Value) -> Result<(), String> {
        Hand::delete(self, object)
    }
}

fn runtime() -> Runtime {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime")
}

/// Each input in both of Calico's APIs, one after the other under one watch.
pub(crate) fn inputs_are_followed() {
    let runtime = runtime();
    for api in [CalicoApi::Crd, CalicoApi::Native] {
        let cluster = Cluster::start(&Options { calico: vec![api], ..Options::default() });
        let datastore = runtime.block_on(async {
            let config = kubernetes_config(Some(&cluster.kubeconfig(None, None))).await.expect("it was written");
            let options = KubernetesOptions { services: ServiceUse::Always, ..KubernetesOptions::of(NODE) };
            Datastore::start(KubernetesSource::connect(&config, options).expect("a client"))
        });
        follow_all(&InCluster(&cluster, api), &datastore, api.api_version());
    }
}

/// Each input in etcd, likewise.
pub(crate) fn inputs_are_followed_in_etcd() {
    let store = BareMetal::start();
    let options = store.options(NODE, store.etcd().url());
    let runtime = runtime();
    let datastore = runtime.block_on(async { Datastore::start(EtcdSource::new(options)) });
    follow_all(&store.etcd().client(), &datastore, "etcd");
}

fn follow_all(place: &dyn Place, datastore: &Datastore, called: &str) {
    let snapshot = || datastore.snapshot().ok_or_else(|| datastore.status().state.to_string());
    let own: BTreeSet<String> =
        wait_for("the first snapshot", PATIENCE, snapshot).iter().map(|object| object.key().to_string()).collect();
    let mut count = 0;
    for input in inputs() {
        follow(place, &input, &own, &snapshot);
        count += 1;
    }
    println!("{count} inputs in {called}: {} changes, {:?}", datastore.status().version, lag(datastore));
    assert_eq!(datastore.counters().losses, 0);
}

/// From the first octet of a change until consumers could read it: all and the longest.
fn lag(datastore: &Datastore) -> (u64, Duration, Duration) {
    let lag = datastore.counters().lag;
    (lag.count, lag.total, lag.longest)
}

fn follow(
    place: &dyn Place,
    input: &std::path::Path,
    own: &BTreeSet<String>,
    snapshot: &impl Fn() -> Result<std::sync::Arc<Snapshot>, String>,
) {
    let text = fs::read_to_string(input).unwrap_or_else(|error| panic!("{}: {error}", input.display()));
    // Whatever is given twice counts as it is given last.
    let mut objects: BTreeMap<String, Value> = BTreeMap::new();
    for mut object in parse(&text).into_iter().filter(|object| place.takes(object)) {
        if object["kind"] == "Service"
            && let Some(fields) = object.as_object_mut()
        {
            // kubectl, with which these inputs are meant to be applied, does not write it.
            fields.remove("status");
        }
        let metadata = &object["metadata"];
        objects.insert(format!("{} {} {}", object["kind"], metadata["namespace"], metadata["name"]), object);
    }
    let folder = tempfile::tempdir().expect("a folder");
    let list = json!({"apiVersion": "v1", "kind": "List", "items": objects.values().collect::<Vec<_>>()});
    fs::write(folder.path().join("input.json"), list.to_string()).expect("a file");
    let in_folder = FolderContent::read(folder.path()).unwrap_or_else(|error| panic!("{error}"));
    let wanted = made(&in_folder.snapshot, &BTreeSet::new());
    for object in objects.values() {
        place.put(object).unwrap_or_else(|error| panic!("{error}"));
    }
    wait_for(&format!("{}: the same as in a folder", input.display()), PATIENCE, || {
        let made = made(&*snapshot()?, own);
        ensure(made == wanted, || difference(&made, &wanted))
    });
    for object in objects.values() {
        place.remove(object).unwrap_or_else(|error| panic!("{error}"));
    }
    wait_for(&format!("{}: all is gone", input.display()), PATIENCE, || {
        let made = made(&*snapshot()?, own);
        ensure(made.keys.is_empty(), || format!("{:?}", made.keys))
    });
}

/// The first lines that differ.
fn difference(made: &Made, wanted: &Made) -> String {
    let lines = made.config.lines().zip(wanted.config.lines()).enumerate();
    let differ = lines.filter(|(_, (made, wanted))| made != wanted).take(5);
    let differ: Vec<String> = differ.map(|(at, (made, wanted))| format!("{at}: {made} instead of {wanted}")).collect();
    format!(
        "keys {:?} instead of {:?}; said {:?} instead of {:?}; configuration {differ:#?}",
        made.keys, wanted.keys, made.said, wanted.said
    )
}
