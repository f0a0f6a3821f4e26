//! What only an etcd does: members that come and go, certificates and users that are not right.

use std::fs;

use heddle_interop_tests::etcd::EtcdClient;
use heddle_interop_tests::peers::Daemon as _;
use heddle_interop_tests::tls::Authority;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::{Value, json};

use crate::site::{ADDRESS, BLOCK, NODE, OBJECTS, Site};
use crate::stores::{Access, BareMetal, Hand as _, USER};

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

/// The keys that a node has to read, each by itself, as Calico's documentation grants them: more it does not ask for.
pub(crate) fn least_rights() {
    let store = BareMetal::start();
    let etcd = store.etcd();
    etcd.revoke(USER.0, "/calico/").unwrap_or_else(|error| panic!("{error}"));
    let resources = ["nodes", "bgpconfigurations", "bgpfilters", "bgppeers", "ippools", "caliconodestatuses"];
    let resources = resources.map(|plural| format!("/calico/resources/v3/projectcalico.org/{plural}/"));
    for prefix in resources.into_iter().chain([format!("/calico/ipam/v2/host/{NODE}/")]) {
        etcd.grant(USER.0, &prefix).unwrap_or_else(|error| panic!("{error}"));
    }
    let site = Site::start("etcd::least_rights", &store);
    site.tor().wait_route(BLOCK);
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
        ensure(report["datastore"]["last_error"].is_null(), || report.to_string())
    });
}
