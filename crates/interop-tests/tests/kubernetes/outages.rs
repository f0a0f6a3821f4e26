//! What a node does while its datastore is gone, slow, frozen, busy, forgetful, set back, or refuses: what was known stays in force, and
//! what changed meanwhile is caught up with.

use std::path::Path;
use std::time::Duration;

use heddle_interop_tests::kubernetes::client::parse;
use heddle_interop_tests::kubernetes::{CalicoApi, Cluster, Options};
use heddle_interop_tests::peers::Daemon as _;
use heddle_interop_tests::process::Signal;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::{Value, json};

use crate::site::{ACCOUNT, ADDRESS, BLOCK, NODE, OBJECTS, Site, count, permit_status};
use crate::stores::{Store, copy, put_back};

/// A cluster with Calico's definitions as most have them.
fn cluster() -> Cluster {
    Cluster::start(&Options { calico: vec![CalicoApi::Crd], ..Options::default() })
}

/// Starts what a case is about.
pub(crate) type Start = fn() -> Box<dyn Store>;

/// A block of the node: `10.20.THIRD.0/26`.
fn block(third: u8) -> String {
    format!(
        "{{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {{name: {NODE}-10-20-{third}-0-26}}, spec: {{
          state: confirmed, node: {NODE}, type: host, cidr: 10.20.{third}.0/26, deleted: false}}}}"
    )
}

fn route(third: u8) -> String {
    format!("10.20.{third}.0/26")
}

fn delete_block(site: &Site, third: u8) {
    site.delete("BlockAffinity", &format!("{NODE}-10-20-{third}-0-26"));
}

fn in_sync(report: &Value) -> bool {
    report["datastore"]["state"] == "in_sync"
}

fn lost(report: &Value) -> bool {
    report["datastore"]["state"] == "lost"
}

/// The session of before still stands.
#[track_caller]
fn assert_session(site: &Site, incarnation: &str) {
    let session = site.tor().session(ADDRESS).unwrap_or_else(|error| panic!("{error}"));
    assert!(session.established && session.incarnation == incarnation, "{session:?} instead of {incarnation}");
}

/// The address of a service with an endpoint on the node and another elsewhere, in a slice each.
const SERVICE: &str = "10.101.0.80/32";

/// Makes that service, and waits for its address.
fn serve(site: &Site) {
    let slice = |name: &str, node: &str| {
        format!(
            "{{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, addressType: IPv4, metadata: {{name: {name}, namespace: away,
              labels: {{kubernetes.io/service-name: front}}}}, ports: [{{port: 80}}],
              endpoints: [{{addresses: [10.20.0.5], nodeName: {node}, conditions: {{ready: true}}}}]}}"
        )
    };
    site.apply("{apiVersion: v1, kind: Namespace, metadata: {name: away}}");
    site.apply(
        "{apiVersion: v1, kind: Service, metadata: {name: front, namespace: away}, spec: {
          type: NodePort, externalTrafficPolicy: Local, clusterIP: 10.101.0.80, clusterIPs: [10.101.0.80],
          ports: [{port: 80}]}}",
    );
    site.apply(&slice("front-here", NODE));
    site.apply(&slice("front-there", "worker-2"));
    site.apply(
        "{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {name: default}, spec: {
          nodeToNodeMeshEnabled: false, serviceClusterIPs: [{cidr: 10.101.0.0/16}]}}",
    );
    site.tor().wait_route(SERVICE);
}

/// Killed while objects change, then with its history forgotten (410): sessions and routes stay, then come the changes.
pub(crate) fn killed_and_compacted(start: Start) {
    let mut store = start();
    let site = Site::start("kubernetes::outages::killed_and_compacted", &*store);
    site.apply(&block(1));
    let before = site.tor().wait_established(ADDRESS).incarnation;
    site.tor().wait_route(&route(1));
    if store.has_services() {
        serve(&site);
    }
    store.stop(Signal::Kill);
    site.await_report("is lost", lost);
    assert_session(&site, &before);
    site.tor().wait_route(BLOCK);
    // What happens meanwhile the node learns from a server that has forgotten how it came about.
    store.start_again();
    site.door().shut();
    site.apply(&block(2));
    delete_block(&site, 1);
    if store.has_services() {
        site.delete("EndpointSlice", "front-here");
        site.tor().wait_route(SERVICE);
    }
    store.forget_history();
    site.tor().wait_route(&route(1));
    site.door().reopen();
    site.tor().wait_route(&route(2));
    site.tor().wait_no_route(&route(1));
    // The last endpoint of a service here went without a word: its address goes, and the network of services stays.
    if store.has_services() {
        site.tor().wait_no_route(SERVICE);
        site.tor().wait_route("10.101.0.0/16");
    }
    site.await_report("is in sync", in_sync);
    assert_session(&site, &before);
    // A start while nobody answers says why it waits, in the log too.
    drop(site);
    let mut site = Site::prepare("kubernetes::outages::killed_and_compacted, a start", &*store);
    site.apply(OBJECTS);
    store.stop(Signal::Kill);
    site.run();
    site.await_report("waits", |report| report["datastore"]["last_error"].to_string().contains("no answer"));
    assert!(site.log().contains("no answer"), "{}", site.log());
    store.start_again();
    site.tor().wait_route(BLOCK);
}

/// Frozen: its kernel keeps the connections, and nothing comes. That is noticed, changes nothing, and passes.
pub(crate) fn frozen(start: Start) {
    let store = start();
    let site = Site::start("kubernetes::outages::frozen", &*store);
    let before = site.tor().wait_established(ADDRESS).incarnation;
    site.await_report("is in sync", in_sync);
    store.pause();
    site.await_report("is lost", lost);
    site.tor().wait_route(BLOCK);
    store.resume();
    site.await_report("is in sync", in_sync);
    wait_for("the server answers", PATIENCE, || site.hand().is_ready());
    site.apply(&block(1));
    site.tor().wait_route(&route(1));
    assert_session(&site, &before);
}

/// Busy (429): watches go on where they were, and nothing is listed anew.
pub(crate) fn throttled() {
    let cluster = cluster();
    let site = Site::start("kubernetes::outages::throttled", &cluster);
    let before = site.tor().wait_established(ADDRESS).incarnation;
    site.tor().wait_route(BLOCK);
    site.await_report("is in sync", in_sync);
    let lists = Site::requests(&cluster, "bgppeers", "LIST");
    assert!(lists > 0, "the server counts lists");
    let throttle = cluster.throttle(ACCOUNT.0, ACCOUNT.1);
    site.door().cut();
    site.await_report("names the answer", |report| {
        lost(report) && report["datastore"]["last_error"].to_string().contains("429")
    });
    site.apply(&block(1));
    drop(throttle);
    site.tor().wait_route(&route(1));
    site.await_report("is in sync", in_sync);
    assert_session(&site, &before);
    let after = Site::requests(&cluster, "bgppeers", "LIST");
    // One of a single object says whether the server still has the version that the watch goes on from.
    assert!(after <= lists + 1, "{after} lists after {lists}");
}

/// Slow: each piece of an answer comes late; what is asked for comes all the same.
pub(crate) fn slow(start: Start) {
    let store = start();
    let mut site = Site::prepare("kubernetes::outages::slow", &*store);
    site.apply(OBJECTS);
    site.door().slow_down(Duration::from_millis(300));
    site.run();
    site.tor().wait_route(BLOCK);
    let before = site.tor().wait_established(ADDRESS).incarnation;
    site.apply(&block(1));
    site.tor().wait_route(&route(1));
    assert_session(&site, &before);
}

/// Set back to a backup: its versions are smaller than those that the node has seen, and a watch from those would say nothing.
pub(crate) fn restored_from_a_backup(start: Start) {
    let mut store = start();
    let site = Site::start("kubernetes::outages::restored_from_a_backup", &*store);
    let before = site.tor().wait_established(ADDRESS).incarnation;
    site.tor().wait_route(BLOCK);
    let backup = |data: &Path| data.with_file_name("backup");
    store.with_data(&mut |data| copy(data, &backup(data)));
    // Much happens that will not have happened.
    store.much();
    site.apply(&block(1));
    site.tor().wait_route(&route(1));
    store.with_data(&mut |data| put_back(&backup(data), data));
    site.tor().wait_no_route(&route(1));
    site.await_report("is in sync", in_sync);
    site.tor().wait_route(BLOCK);
    assert_session(&site, &before);
    site.apply(&block(1));
    site.tor().wait_route(&route(1));
}

/// Rights that are taken away cost nothing but news; given back, nothing needs to be restarted. A start without them waits, and says for what.
pub(crate) fn forbidden(start: Start) {
    let store = start();
    let mut site = Site::start("kubernetes::outages::forbidden", &*store);
    let before = site.tor().wait_established(ADDRESS).incarnation;
    site.tor().wait_route(BLOCK);
    store.forbid();
    site.door().cut();
    let says = |report: &Value| report["datastore"].to_string().contains("not permitted");
    site.await_report("says what is missing", |report| lost(report) && says(report));
    assert_session(&site, &before);
    site.tor().wait_route(BLOCK);
    store.permit();
    site.await_report("is in sync", in_sync);
    store.forbid();
    site.restart();
    site.await_report("waits", says);
    store.permit();
    site.tor().wait_route(BLOCK);
}

/// A token that is good no more: the kubeconfig is read again, and nothing needs to be restarted.
pub(crate) fn renewed() {
    let cluster = cluster();
    let site = Site::start("kubernetes::outages::renewed", &cluster);
    let before = site.tor().wait_established(ADDRESS).incarnation;
    site.tor().wait_route(BLOCK);
    let account = format!("/api/v1/namespaces/{}/serviceaccounts/{}", ACCOUNT.0, ACCOUNT.1);
    cluster.admin().delete(&account).unwrap_or_else(|error| panic!("{error}"));
    // The server knows its tokens for some seconds, so that it is asked again and again.
    wait_for("the node is told 401", PATIENCE, || {
        site.door().cut();
        let report = site.report()?;
        let is_told = lost(&report) && report["datastore"]["last_error"].to_string().contains("401");
        ensure(is_told, || report.to_string())
    });
    site.renew_token(&cluster);
    site.await_report("is in sync", in_sync);
    site.apply(&block(1));
    site.tor().wait_route(&route(1));
    assert_session(&site, &before);
}

/// A migration of Calico's objects to native v3 resources: the old ones are locked, then their definitions deleted, which deletes them one
/// by one. No session ends, and the new objects count.
pub(crate) fn migrated() {
    let cluster = cluster();
    let site = Site::start("kubernetes::outages::migrated", &cluster);
    let ready = |api: CalicoApi, ready: bool| {
        let object = json!({
            "apiVersion": api.api_version(), "kind": "ClusterInformation", "metadata": {"name": "default"},
            "spec": {"datastoreReady": ready}});
        cluster.admin().apply_object(&object).unwrap_or_else(|error| panic!("{error}"));
    };
    ready(CalicoApi::Crd, true);
    // Who asks for the node's status gets it where the objects are, before and after.
    let wish = "{apiVersion: projectcalico.org/v3, kind: CalicoNodeStatus, metadata: {name: mine}, spec: {
      node: worker-1, classes: [Agent, BGP, Routes], updatePeriodSeconds: 1}}";
    site.apply(wish);
    let await_status = |api: CalicoApi| {
        wait_for(&format!("the status in {}", api.api_version()), PATIENCE, || {
            let object = cluster.admin().get(&format!("/apis/{}/caliconodestatuses/mine", api.api_version()))?;
            ensure(object["status"]["bgp"]["numberEstablishedV4"] == 1, || object.to_string())
        });
    };
    await_status(CalicoApi::Crd);
    let before = site.tor().wait_established(ADDRESS).incarnation;
    site.tor().wait_route(BLOCK);
    site.await_report("is in sync", in_sync);
    cluster.define(CalicoApi::Native.definitions());
    ready(CalicoApi::Crd, false);
    ready(CalicoApi::Native, false);
    for object in parse(&format!("{OBJECTS}\n---\n{wish}")).iter().filter(|object| object["kind"] != "Node") {
        let object = CalicoApi::Native.stored(object);
        cluster.admin().apply_object(&object).unwrap_or_else(|error| panic!("{error}"));
    }
    ready(CalicoApi::Native, true);
    for definition in parse(CalicoApi::Crd.definitions()) {
        cluster.admin().delete_object(&definition).unwrap_or_else(|error| panic!("{error}"));
    }
    wait_for("the old group is gone", PATIENCE, || {
        let groups = cluster.admin().get("/apis")?.to_string();
        ensure(!groups.contains("crd.projectcalico.org/v1"), || groups)
    });
    // The new objects are followed.
    let text = block(1);
    let new = parse(&text).first().map(|object| CalicoApi::Native.stored(object)).expect("an object");
    cluster.admin().apply_object(&new).unwrap_or_else(|error| panic!("{error}"));
    site.tor().wait_route(&route(1));
    site.tor().wait_route(BLOCK);
    assert_session(&site, &before);
    let report = site.await_report("is in sync", in_sync);
    assert_eq!(count(&report, "BGPPeer"), 1, "{report}");
    // The status is apart there, and writing it needs a right that Calico's node has not: without it, that is said, and nothing else ends.
    let not_permitted =
        |report: &Value| report["warnings"].to_string().contains("CalicoNodeStatus/mine: not permitted");
    site.await_report("says what is not permitted", not_permitted);
    assert_session(&site, &before);
    permit_status(&cluster);
    await_status(CalicoApi::Native);
    site.await_report("has nothing to say any more", |report| !not_permitted(report));
    site.forget_applied();
}
