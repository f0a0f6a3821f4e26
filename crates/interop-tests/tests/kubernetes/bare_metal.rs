//! What only an etcd does: members that come and go, certificates and users that are not right.

use std::fs;

use heddle_interop_tests::etcd::EtcdClient;
use heddle_interop_tests::peers::Daemon as _;
use heddle_interop_tests::tls::Authority;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::{Value, json};

use crate::site::{ADDRESS, BLOCK, NODE, OBJECTS, Site, count};
use crate::stores::{Access, BareMetal, Hand as _, Store as _, USER};

fn block(third: u8) -> Value {
    json!({
        "apiVersion": "projectcalico.org/v3", "kind": "BlockAffinity", "metadata": {"name": "any"},
        "spec": {"state": "confirmed", "node": NODE, "cidr": format!("10.20.{third}.0/26"), "deleted": false},
    })
}

fn put(etcd: &EtcdClient, object: &Value) {
    etcd.apply(object).unwrap_or_else(|error| panic!("{error}"));
}

/// The one that is asked goes: another one is, and nobody notices.
pub(crate) fn members() {
    let store = BareMetal::start();
    let mut site = Site::prepare("etcd::members", &store);
    let second = site.second_door(&store);
    site.set_access(store.access_to(&format!("{},{}", site.door().url(), second.url())));
    site.apply(OBJECTS);
    site.run();
    let before = site.tor().wait_established(ADDRESS).incarnation;
    site.tor().wait_route(BLOCK);
    site.await_report("is in sync", |report| report["datastore"]["state"] == "in_sync");
    let etcd = store.etcd().client();
    for (third, door) in [(1, site.door()), (2, &second), (3, site.door())] {
        door.shut();
        put(&etcd, &block(third));
        site.tor().wait_route(&format!("10.20.{third}.0/26"));
        let report = site.report().unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(report["datastore"]["state"], "in_sync", "{report}");
        door.reopen();
    }
    assert_eq!(site.tor().session(ADDRESS).map(|session| session.incarnation), Ok(before));
    // Without any of them it is lost, and says so.
    site.door().shut();
    second.shut();
    site.await_report("is lost", |report| report["datastore"]["state"] == "lost");
    second.reopen();
    site.await_report("is in sync", |report| report["datastore"]["state"] == "in_sync");
}

/// A node that does not know who vouches for etcd, whom etcd does not know, or that has another password: it says what is wrong, and
/// needs no restart once the files are right.
pub(crate) fn strangers() {
    let store = BareMetal::start();
    let mut site = Site::prepare("etcd::strangers", &store);
    site.apply(OBJECTS);
    let says = |site: &Site, text: &str| {
        site.await_report(&format!("says: {text}"), |report| {
            report["datastore"]["last_error"].to_string().contains(text)
        });
        // The report may be read before the line is written.
        let log = wait_for(&format!("the log says: {text}"), PATIENCE, || {
            let log = site.log();
            if log.contains(text) { Ok(log) } else { Err(log) }
        });
        assert!(!log.contains(USER.1), "no password is in the log: {log}");
    };
    let other = Authority::new();
    let (authority, certificate) = (store.directory.path().join("ca.crt"), &store.node.certificate);
    let right = |path: &std::path::Path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{error}"));
    let (right_authority, right_certificate) = (right(&authority), right(certificate));
    let write = |path: &std::path::Path, text: &str| fs::write(path, text).unwrap_or_else(|error| panic!("{error}"));
    write(&authority, &other.pem());
    site.run();
    says(&site, "invalid peer certificate");
    write(&authority, "no certificate");
    says(&site, "ca.crt");
    write(&authority, &right_authority);
    site.tor().wait_route(BLOCK);
    // Whom this etcd does not know.
    let stranger = other.issue(NODE, &[], &[]);
    let right_key = right(&store.node.key);
    write(certificate, &stranger.certificate);
    site.restart();
    says(&site, "worker-1.crt");
    write(&store.node.key, &stranger.key);
    says(&site, "received fatal alert");
    write(certificate, &right_certificate);
    write(&store.node.key, &right_key);
    site.tor().wait_route(BLOCK);
    let wrong = |name: &str, password: &str| {
        let environment = [("ETCD_USERNAME", name), ("ETCD_PASSWORD", password)];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
        Access { environment, ..store.access_to(&site.door().url()) }
    };
    let accesses = [wrong(USER.0, "wrong"), wrong("nobody", USER.1)];
    for access in accesses {
        site.set_access(access);
        site.restart();
        says(&site, "not permitted");
    }
}

/// The keys that a node has to read and to write, each by itself, as datastore.md grants them: more it does not ask for. There is no Node:
/// it makes its own.
pub(crate) fn least_rights() {
    let store = BareMetal::start();
    let etcd = store.etcd();
    let granted = |done: Result<(), String>| done.unwrap_or_else(|error| panic!("{error}"));
    granted(etcd.revoke(USER.0, "/calico/"));
    let plurals = ["nodes", "bgpconfigurations", "bgpfilters", "bgppeers", "ippools", "caliconodestatuses"];
    let resources = |plural: &str| format!("/calico/resources/v3/projectcalico.org/{plural}/");
    for prefix in plurals.map(resources).into_iter().chain([format!("/calico/ipam/v2/host/{NODE}/")]) {
        granted(etcd.grant_reading(USER.0, &prefix));
    }
    granted(etcd.grant_key(USER.0, &format!("{}{NODE}", resources("nodes"))));
    granted(etcd.grant(USER.0, &resources("caliconodestatuses")));
    let mut site = Site::prepare("etcd::least_rights", &store);
    let (_, others) = OBJECTS.split_once("\n---\n").expect("the Node is the first");
    site.apply(others);
    site.apply(
        "{apiVersion: projectcalico.org/v3, kind: CalicoNodeStatus, metadata: {name: mine}, spec: {
           node: worker-1, classes: [BGP], updatePeriodSeconds: 1}}",
    );
    site.run_with(&[("IP", "autodetect"), ("AS", "65001")]);
    site.tor().wait_route(BLOCK);
    let hand = store.hand();
    let node = hand.node(NODE).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!((&node["IPv4Address"], &node["ASNumber"]), (&json!("10.0.0.1/24"), &json!("65001")));
    wait_for("its status is there", PATIENCE, || {
        let status = hand.status("mine")?;
        ensure(status["status"]["bgp"]["numberEstablishedV4"] == 1, || status.to_string())
    });
    put(&etcd.client(), &block(1));
    site.tor().wait_route("10.20.1.0/26");
    let filtered = "
{apiVersion: projectcalico.org/v3, kind: BGPFilter, metadata: {name: out}, spec: {exportV4: [
  {action: Reject, matchOperator: In, cidr: 10.20.1.0/24}]}}
---
{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: tor}, spec: {peerIP: 10.0.0.2, asNumber: 65002, filters: [out]}}
";
    site.apply(filtered);
    site.tor().wait_no_route("10.20.1.0/26");
    wait_for("nothing is refused", PATIENCE, || {
        let report = site.report()?;
        let fine = report["datastore"]["last_error"].is_null() && report["warnings"] == json!([]);
        ensure(fine, || report.to_string())
    });
    // A Node that is deleted while the node runs is not made again; what runs goes on.
    let before = site.tor().wait_established(ADDRESS).incarnation;
    let own = json!({"apiVersion": "projectcalico.org/v3", "kind": "Node", "metadata": {"name": NODE}});
    hand.delete(&own).unwrap_or_else(|error| panic!("{error}"));
    site.await_report("misses its Node", |report| report["warnings"].to_string().contains("goes on"));
    site.delete("BlockAffinity", &format!("{NODE}-10-20-0-0-26"));
    put(&etcd.client(), &block(2));
    site.await_report("follows on", |report| count(report, "BlockAffinity") == 2);
    assert_eq!(site.tor().session(ADDRESS).map(|session| session.incarnation), Ok(before));
    assert!(hand.node(NODE).is_err_and(|error| error.contains("there is no")));
}

/// Two who write one Node at the same time, each something else: nothing of either is lost.
pub(crate) fn others_write_too() {
    let store = BareMetal::start();
    let mut site = Site::prepare("etcd::others_write_too", &store);
    site.apply(OBJECTS);
    let hand = store.hand();
    site.run_with(&[("IP", "autodetect"), ("AUTODETECT_POLL_INTERVAL", "1s")]);
    site.tor().wait_route(BLOCK);
    // As Felix writes what it knows of tunnels, and calicoctl labels.
    let etcd = store.etcd().client();
    let key = format!("/calico/resources/v3/projectcalico.org/nodes/{NODE}");
    let read = || -> Value {
        let text = etcd.get(&key).unwrap_or_else(|error| panic!("{error}")).expect("a Node");
        serde_json::from_slice(&text).expect("JSON")
    };
    let mut node = read();
    node["spec"]["ipv4VXLANTunnelAddr"] = json!("10.20.0.1");
    node["metadata"]["labels"]["rack"] = json!("b");
    node["spec"]["bgp"]["ipv4Address"] = json!("10.0.0.8/24");
    etcd.put(&key, &node.to_string()).unwrap_or_else(|error| panic!("{error}"));
    wait_for("the address is right again", PATIENCE, || {
        let seen = hand.node(NODE)?;
        ensure(seen["IPv4Address"] == "10.0.0.1/24", || seen.to_string())
    });
    node["spec"]["bgp"]["ipv4Address"] = json!("10.0.0.1/24");
    let mut written = read();
    node["spec"]["interfaces"] = json!(null);
    written["spec"]["interfaces"] = json!(null);
    assert_eq!(written, node);
}

/// What is left out with etcd is said where it is asked for.
pub(crate) fn nothing_of_kubernetes() {
    let store = BareMetal::start();
    let mut site = Site::prepare("etcd::nothing_of_kubernetes", &store);
    site.apply(OBJECTS);
    site.run_with(&[("CALICO_K8S_NODE_REF", "machine-1")]);
    site.tor().wait_route(BLOCK);
    site.await_report("says what is not written", |report| {
        let warnings = report["warnings"].to_string();
        ["machine-1", "NetworkUnavailable", "orchRefs", "--datastore kubernetes"]
            .iter()
            .all(|part| warnings.contains(part))
    });
    let node = store.hand().node(NODE).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(node["IPv4Address"], "10.0.0.1/24");
}
