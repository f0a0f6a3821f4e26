//! What reads a cluster's objects from a real API server and a real etcd, and these two servers themselves.
//!
//! `scripts/kubernetes` builds them. Cases that take nothing down share a cluster.

mod access;
mod deploy;
mod golden;
mod identity;
mod objects;
mod outages;
mod readback;
mod restarts;
mod scale;
mod site;
mod store;
mod wire;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use heddle_interop_tests::kubernetes::{CalicoApi, Cluster, Options};
use heddle_interop_tests::require::Need;
use heddle_interop_tests::trials::{Missing, arguments, trial};

/// A case that shares a cluster with others.
type Shared = fn(&Cluster);

const SERVERS: &[Need] = &[Need::Kubernetes];

const SHARED: [(&str, &[Need], Shared); 10] = [
    ("kubernetes::objects::of_calico", SERVERS, objects::of_calico),
    ("kubernetes::objects::of_kubernetes", SERVERS, objects::of_kubernetes),
    ("kubernetes::objects::watched", SERVERS, objects::watched),
    ("kubernetes::objects::with_rules", SERVERS, objects::with_rules),
    ("kubernetes::access::forbidden", SERVERS, access::forbidden),
    ("kubernetes::access::throttled", SERVERS, access::throttled),
    ("kubernetes::access::through_a_door", SERVERS, access::through_a_door),
    ("kubernetes::access::from_a_namespace", &[Need::Kubernetes, Need::Namespaces], access::from_a_namespace),
    ("kubernetes::deploy::accepted", &[Need::Kubernetes, Need::Kubectl, Need::Helm], deploy::accepted),
    ("kubernetes::access::with_kubectl", &[Need::Kubernetes, Need::Kubectl], access::with_kubectl),
];

/// What a real node needs, and a BIRD that hears it.
const NODES: &[Need] = &[Need::Kubernetes, Need::Namespaces, Need::Bird];

/// Cases with a real node, one after the other in a cluster of theirs.
const WIRE: [(&str, Shared); 13] = [
    ("kubernetes::wire::peers", wire::peers),
    ("kubernetes::wire::nodes", wire::nodes),
    ("kubernetes::wire::configuration", wire::configuration),
    ("kubernetes::wire::blocks", wire::blocks),
    ("kubernetes::wire::filters", wire::filters),
    ("kubernetes::wire::secrets", wire::secrets),
    ("kubernetes::wire::services", wire::services),
    ("kubernetes::identity::adopted", identity::adopted),
    ("kubernetes::identity::detected", identity::detected),
    ("kubernetes::identity::taken", identity::taken),
    ("kubernetes::identity::condition", identity::condition),
    ("kubernetes::identity::status", identity::status),
    ("kubernetes::identity::not_permitted", identity::not_permitted),
];

const OUTAGES: [(&str, fn()); 9] = [
    ("kubernetes::outages::killed_and_compacted", outages::killed_and_compacted),
    ("kubernetes::outages::frozen", outages::frozen),
    ("kubernetes::outages::throttled", outages::throttled),
    ("kubernetes::outages::slow", outages::slow),
    ("kubernetes::outages::restored_from_a_backup", outages::restored_from_a_backup),
    ("kubernetes::outages::forbidden", outages::forbidden),
    ("kubernetes::outages::migrated", outages::migrated),
    ("kubernetes::outages::renewed", outages::renewed),
    ("kubernetes::scale::a_start_in_a_large_cluster", scale::a_start_in_a_large_cluster),
];

const ALONE: [(&str, fn()); 5] = [
    ("kubernetes::golden::inputs_come_back", golden::inputs_come_back),
    ("kubernetes::readback::inputs_are_followed", readback::inputs_are_followed),
    ("kubernetes::restarts::killed_paused_compacted", restarts::killed_paused_compacted),
    ("kubernetes::store::keys", store::keys),
    ("kubernetes::store::tls_and_users", store::tls_and_users),
];

fn main() {
    let arguments = arguments();
    // To list the cases, nothing is built.
    let missing = |needs: &[Need]| if arguments.list { Missing::default() } else { Missing::of(needs.iter().copied()) };
    let cluster: Arc<OnceLock<Cluster>> = Arc::default();
    let shared = SHARED.into_iter().map(|(name, needs, run)| {
        let cluster = Arc::clone(&cluster);
        trial(name, missing(needs), move || run(cluster.get_or_init(shared_cluster)))
    });
    let wired: Arc<OnceLock<Mutex<Cluster>>> = Arc::default();
    let wire = WIRE.into_iter().map(|(name, run)| {
        let wired = Arc::clone(&wired);
        let run = move || run(&wired.get_or_init(wire_cluster).lock().unwrap_or_else(PoisonError::into_inner));
        trial(name, missing(NODES), run)
    });
    let alone = ALONE.into_iter().map(|(name, run)| trial(name, missing(SERVERS), run));
    let outages = OUTAGES.into_iter().map(|(name, run)| trial(name, missing(NODES), run));
    let trials = shared.chain(wire).chain(alone).chain(outages).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Ends the servers, which the end of the process alone would leave to the kernel, and their data to the next run.
    drop(Arc::into_inner(cluster));
    drop(Arc::into_inner(wired));
    conclusion.exit();
}

fn shared_cluster() -> Cluster {
    Cluster::start(&Options { calico: vec![CalicoApi::Crd, CalicoApi::Native], ..Options::default() })
}

fn wire_cluster() -> Mutex<Cluster> {
    Mutex::new(Cluster::start(&Options { calico: vec![CalicoApi::Crd], ..Options::default() }))
}
