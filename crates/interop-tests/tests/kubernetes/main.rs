//! What reads a cluster's objects from a real API server and a real etcd, and these two servers themselves.
//!
//! `scripts/kubernetes` builds them. Cases that take nothing down share a cluster.

mod access;
mod audit;
mod bare_metal;
mod chart;
mod configuration;
mod contract;
mod deploy;
mod detection;
mod filters;
mod golden;
mod identity;
mod migration;
mod native;
mod objects;
mod outages;
mod readback;
mod reflector;
mod restarts;
mod rights;
mod scale;
mod sessions;
mod site;
mod store;
mod stores;
#[path = "../../../datastore/tests/suite/mod.rs"]
mod suite;
mod wire;
mod workload;

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use heddle_interop_tests::kubernetes::{CalicoApi, Cluster, Options};
use heddle_interop_tests::require::Need;
use heddle_interop_tests::trials::{Missing, arguments, trial};
use stores::{BareMetal, Store};

/// A case that shares a cluster with others.
type Shared = fn(&Cluster);

const SERVERS: &[Need] = &[Need::Kubernetes];

const SHARED: [(&str, &[Need], Shared); 11] = [
    ("kubernetes::rights::within_calico_node", &[Need::Kubernetes, Need::Helm], rights::within_calico_node),
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
    ("kubernetes::wire::secrets", wire::secrets),
    ("kubernetes::wire::secret_not_permitted", wire::secret_not_permitted),
    ("kubernetes::wire::services", wire::services),
    ("kubernetes::wire::outer_addresses", wire::outer_addresses),
    ("kubernetes::wire::services_of_both_families", wire::services_of_both_families),
    ("kubernetes::wire::pod_cidrs", wire::pod_cidrs),
    ("kubernetes::wire::services_wait_for_routes", wire::services_wait_for_routes),
    ("kubernetes::wire::services_of_vxlan", wire::services_of_vxlan),
    ("kubernetes::detection::every_method", detection::every_method),
    ("kubernetes::configuration::mesh_password", configuration::mesh_password),
    ("kubernetes::identity::condition", identity::condition),
    ("kubernetes::identity::events", identity::events),
    ("kubernetes::identity::left_up", identity::left_up),
];

/// The same, and the chart.
const CHARTED: &[Need] = &[Need::Kubernetes, Need::Namespaces, Need::Bird, Need::Helm];

/// Cases of that kind, in the same cluster.
const WIRE_CHARTED: [(&str, Shared); 1] = [("kubernetes::reflector::of_the_chart", reflector::of_the_chart)];

/// A case that is the same wherever a node's objects are, and shares the place with others.
type Anywhere = fn(&dyn Store);

/// Cases with a real node, one after the other in a cluster of theirs and in an etcd of theirs.
const WIRE_ANYWHERE: [([&str; 2], Anywhere); 28] = [
    (["kubernetes::wire::peers", "etcd::wire::peers"], wire::peers),
    (["kubernetes::wire::nodes", "etcd::wire::nodes"], wire::nodes),
    (["kubernetes::wire::configuration", "etcd::wire::configuration"], wire::configuration),
    (["kubernetes::wire::blocks", "etcd::wire::blocks"], wire::blocks),
    (["kubernetes::wire::filters", "etcd::wire::filters"], wire::filters),
    (
        ["kubernetes::configuration::cluster_routes", "etcd::configuration::cluster_routes"],
        configuration::cluster_routes,
    ),
    (["kubernetes::configuration::listening", "etcd::configuration::listening"], configuration::listening),
    (["kubernetes::sessions::next_hops", "etcd::sessions::next_hops"], sessions::next_hops),
    (["kubernetes::sessions::reachable_by", "etcd::sessions::reachable_by"], sessions::reachable_by),
    (["kubernetes::sessions::keepalives", "etcd::sessions::keepalives"], sessions::keepalives),
    (["kubernetes::sessions::ttl_security", "etcd::sessions::ttl_security"], sessions::ttl_security),
    (["kubernetes::sessions::link_local", "etcd::sessions::link_local"], sessions::link_local),
    (["kubernetes::workload::comes_and_goes", "etcd::workload::comes_and_goes"], workload::comes_and_goes),
    (["kubernetes::workload::beside_felix", "etcd::workload::beside_felix"], workload::beside_felix),
    (["kubernetes::workload::over_ipv6", "etcd::workload::over_ipv6"], workload::over_ipv6),
    (["kubernetes::filters::operations", "etcd::filters::operations"], filters::operations),
    (["kubernetes::filters::conditions", "etcd::filters::conditions"], filters::conditions),
    (["kubernetes::filters::priorities", "etcd::filters::priorities"], filters::priorities),
    (["kubernetes::filters::own_as", "etcd::filters::own_as"], filters::own_as),
    (["kubernetes::reflector::beside_a_node", "etcd::reflector::beside_a_node"], reflector::beside_a_node),
    (["kubernetes::identity::adopted", "etcd::identity::adopted"], identity::adopted),
    (["kubernetes::identity::detected", "etcd::identity::detected"], identity::detected),
    (["kubernetes::identity::taken", "etcd::identity::taken"], identity::taken),
    (["kubernetes::identity::at_once", "etcd::identity::at_once"], identity::at_once),
    (["kubernetes::identity::swapped", "etcd::identity::swapped"], identity::swapped),
    (["kubernetes::identity::without_ipv4", "etcd::identity::without_ipv4"], identity::without_ipv4),
    (["kubernetes::identity::status", "etcd::identity::status"], identity::status),
    (["kubernetes::identity::not_permitted", "etcd::identity::not_permitted"], identity::not_permitted),
];

/// A case that takes down what it is about.
type Outage = fn(outages::Start);

/// Cases with a real node that take down what they are about, for both.
const OUTAGES_ANYWHERE: [([&str; 2], Outage); 5] = [
    (
        ["kubernetes::outages::killed_and_compacted", "etcd::outages::killed_and_compacted"],
        outages::killed_and_compacted,
    ),
    (["kubernetes::outages::frozen", "etcd::outages::frozen"], outages::frozen),
    (["kubernetes::outages::slow", "etcd::outages::slow"], outages::slow),
    (
        ["kubernetes::outages::restored_from_a_backup", "etcd::outages::restored_from_a_backup"],
        outages::restored_from_a_backup,
    ),
    (["kubernetes::outages::forbidden", "etcd::outages::forbidden"], outages::forbidden),
];

const OUTAGES: [(&str, fn()); 11] = [
    ("kubernetes::native::alone", native::alone),
    ("kubernetes::native::selected_by_the_server", native::selected_by_the_server),
    ("etcd::members", bare_metal::members),
    ("etcd::strangers", bare_metal::strangers),
    ("etcd::least_rights", bare_metal::least_rights),
    ("etcd::others_write_too", bare_metal::others_write_too),
    ("etcd::nothing_of_kubernetes", bare_metal::nothing_of_kubernetes),
    ("kubernetes::outages::throttled", outages::throttled),
    ("kubernetes::outages::migrated", outages::migrated),
    ("kubernetes::outages::renewed", outages::renewed),
    ("kubernetes::scale::a_start_in_a_large_cluster", scale::a_start_in_a_large_cluster),
];

/// Cases as operators have them, each with a cluster of its own.
const OPERATED: [(&str, fn()); 1] = [("kubernetes::migration::forth_and_back", migration::forth_and_back)];

const ALONE: [(&str, fn()); 7] = [
    ("etcd::contract::whatever_happens", contract::whatever_happens),
    ("etcd::readback::inputs_are_followed", readback::inputs_are_followed_in_etcd),
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
    let charted = WIRE_CHARTED.map(|(name, run)| (name, CHARTED, run));
    let wire = WIRE.map(|(name, run)| (name, NODES, run)).into_iter().chain(charted).map(|(name, needs, run)| {
        let wired = Arc::clone(&wired);
        let run = move || run(&wired.get_or_init(wire_cluster).lock().unwrap_or_else(PoisonError::into_inner));
        trial(name, missing(needs), run)
    });
    let in_cluster = WIRE_ANYWHERE.into_iter().map(|([name, _], run)| {
        let wired = Arc::clone(&wired);
        let run = move || run(&*wired.get_or_init(wire_cluster).lock().unwrap_or_else(PoisonError::into_inner));
        trial(name, missing(NODES), run)
    });
    let etcd: Arc<OnceLock<Mutex<BareMetal>>> = Arc::default();
    let in_etcd = WIRE_ANYWHERE.into_iter().map(|([_, name], run)| {
        let etcd = Arc::clone(&etcd);
        let start = || Mutex::new(BareMetal::start());
        let run = move || run(&*etcd.get_or_init(start).lock().unwrap_or_else(PoisonError::into_inner));
        trial(name, missing(NODES), run)
    });
    let anywhere = OUTAGES_ANYWHERE.into_iter().flat_map(|(names, run)| {
        let starts = [stores::cluster as outages::Start, stores::bare_metal];
        let trials = names.into_iter().zip(starts);
        trials.map(|(name, start)| trial(name, missing(NODES), move || run(start))).collect::<Vec<_>>()
    });
    let contract = contract::EVERYWHERE.into_iter().flat_map(|(names, runs)| names.into_iter().zip(runs));
    let alone = ALONE.into_iter().chain(contract).map(|(name, run)| trial(name, missing(SERVERS), run));
    let tools = &[Need::Kubernetes, Need::Kubectl, Need::Helm];
    let alone = alone.chain(OPERATED.into_iter().map(|(name, run)| trial(name, missing(tools), run)));
    let outages = OUTAGES.into_iter().map(|(name, run)| trial(name, missing(NODES), run));
    let trials =
        shared.chain(wire).chain(in_cluster).chain(in_etcd).chain(alone).chain(outages).chain(anywhere).collect();
    let conclusion = libtest_mimic::run(&arguments, trials);
    // Ends the servers, which the end of the process alone would leave to the kernel, and their data to the next run.
    drop(Arc::into_inner(cluster));
    drop(Arc::into_inner(wired));
    drop(Arc::into_inner(etcd));
    conclusion.exit();
}

fn shared_cluster() -> Cluster {
    Cluster::start(&Options { calico: vec![CalicoApi::Crd, CalicoApi::Native], ..Options::default() })
}

fn wire_cluster() -> Mutex<Cluster> {
    Mutex::new(Cluster::start(&Options { calico: vec![CalicoApi::Crd], ..Options::default() }))
}
