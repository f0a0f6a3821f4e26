//! What a node writes into the cluster about itself: its addresses, its condition, its status, and conflicts.

use heddle_interop_tests::kubernetes::Cluster;
use heddle_interop_tests::peers::Daemon as _;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::{Value, json};

use crate::site::{ADDRESS, BLOCK, NODE, OBJECTS, Site, permit, permit_events};

const V4: &str = "projectcalico.org/IPv4Address";
const V6: &str = "projectcalico.org/IPv6Address";
const ASN: &str = "projectcalico.org/ASNumber";

/// [`OBJECTS`] with a Node that has nothing of Calico's.
fn bare() -> String {
    let (_, others) = OBJECTS.split_once("\n---\n").expect("the Node is the first");
    format!("{{apiVersion: v1, kind: Node, metadata: {{name: {NODE}}}}}\n---\n{others}")
}

fn node(cluster: &Cluster) -> Value {
    cluster.admin().get(&format!("/api/v1/nodes/{NODE}")).unwrap_or_else(|error| panic!("{error}"))
}

fn annotation(cluster: &Cluster, name: &str) -> Value {
    node(cluster)["metadata"]["annotations"][name].clone()
}

fn await_annotation(cluster: &Cluster, name: &str, value: &str) {
    wait_for(&format!("{name} is {value}"), PATIENCE, || {
        let seen = annotation(cluster, name);
        ensure(seen == value, || seen.to_string())
    });
}

fn warnings(report: &Value) -> String {
    report["warnings"].to_string()
}

/// A Node with addresses is taken as it is: nothing is written, the session stays; what comes is added, and moves nothing.
pub(crate) fn adopted(cluster: &Cluster) {
    let mut site = Site::prepare("kubernetes::identity::adopted", cluster);
    site.apply(OBJECTS);
    site.host().netns().ip(&["addr", "del", "fd00::1/64", "dev", "eth0"]);
    site.run_with(&[("IP", "autodetect"), ("IP6", "autodetect"), ("AUTODETECT_POLL_INTERVAL", "1s")]);
    let before = site.tor().wait_established(ADDRESS).incarnation;
    site.tor().wait_route(BLOCK);
    let report = site.await_report("has the address", |report| report["addresses"][0]["address"] == "10.0.0.1/24");
    let reason = report["addresses"][0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("has it already"), "{reason}");
    // A better place for an address, and one of the other family, which shows that it was looked.
    let netns = site.host().netns();
    netns.ip(&["link", "add", "eth9", "type", "veth", "peer", "name", "far9"]);
    netns.ip(&["addr", "add", "10.9.0.1/24", "dev", "eth9"]);
    netns.ip(&["link", "set", "far9", "up"]);
    netns.ip(&["link", "set", "eth9", "up"]);
    netns.ip(&["route", "add", "default", "dev", "eth9"]);
    netns.ip(&["addr", "add", "fd00::1/64", "dev", "eth0", "nodad"]);
    await_annotation(cluster, V6, "fd00::1/64");
    assert_eq!((annotation(cluster, V4), annotation(cluster, ASN)), (json!("10.0.0.1/24"), json!("65001")));
    assert_eq!(site.tor().session(ADDRESS).map(|session| session.incarnation), Ok(before));
    // An address that is gone for a moment is waited for, whatever else there is.
    netns.ip(&["addr", "del", "10.0.0.1/24", "dev", "eth0"]);
    site.await_report("waits for it", |report| warnings(report).contains("is on no interface that is up"));
    netns.ip(&["addr", "add", "10.0.0.1/24", "dev", "eth0"]);
    site.await_report("has it again", |report| !warnings(report).contains("is on no interface"));
    assert_eq!(annotation(cluster, V4), "10.0.0.1/24");
    assert_eq!(site.log().matches("written into the Node").count(), 1, "the other family's");
}

/// A Node without addresses gets those of the machine, once; Docker's network is none of them.
pub(crate) fn detected(cluster: &Cluster) {
    let mut site = Site::prepare("kubernetes::identity::detected", cluster);
    let netns = site.host().netns();
    netns.ip(&["link", "add", "docker0", "type", "bridge"]);
    netns.ip(&["addr", "add", "172.17.0.1/16", "dev", "docker0"]);
    netns.ip(&["link", "set", "docker0", "up"]);
    site.apply(&bare());
    site.run_with(&[("AS", "65001")]);
    site.tor().wait_established(ADDRESS);
    site.tor().wait_route(BLOCK);
    assert_eq!((annotation(cluster, V4), annotation(cluster, ASN)), (json!("10.0.0.1/24"), json!("65001")));
    assert_eq!(annotation(cluster, V6), json!(null), "nobody asked for it");
    let report = site.await_report("has the address", |report| report["addresses"][0]["interface"] == "eth0");
    assert_eq!(report["addresses"].as_array().map(Vec::len), Some(1), "{report}");
    assert!(report["addresses"][0]["reason"].as_str().is_some_and(|why| why.contains("first")), "{report}");
    await_condition(cluster, "False");
    // However often it begins and looks: all is as wanted.
    site.restart_with(&[("AS", "65001"), ("IP", "autodetect"), ("AUTODETECT_POLL_INTERVAL", "1s")]);
    site.tor().wait_route(BLOCK);
    await_condition(cluster, "False");
    // What Calico's node says of interfaces where an address is to be detected.
    let interfaces = annotation(cluster, "projectcalico.org/Interfaces");
    let interfaces: Value = serde_json::from_str(interfaces.as_str().unwrap_or_default()).unwrap_or_default();
    assert_eq!(interfaces, json!([{"name": "eth0", "addresses": ["10.0.0.1"]}]));
    let before = node(cluster)["metadata"]["resourceVersion"].clone();
    site.delete("BGPPeer", "tor");
    site.tor().wait_down(ADDRESS);
    assert_eq!(node(cluster)["metadata"]["resourceVersion"], before);
    let written = || site.log().matches("written into the Node").count();
    assert_eq!(written(), 2, "the address and the AS, when it began first");
    // What somebody takes away is written again, once.
    site.apply(OBJECTS.rsplit("---").next().unwrap_or_default());
    let gone = json!({"metadata": {"annotations": {V4: null}}});
    cluster.admin().merge(&format!("/api/v1/nodes/{NODE}"), &gone).unwrap_or_else(|error| panic!("{error}"));
    await_annotation(cluster, V4, "10.0.0.1/24");
    assert_eq!(written(), 3);
}

/// An address that another node has is not taken; one that another node takes is kept. Both are told.
pub(crate) fn taken(cluster: &Cluster) {
    let mut site = Site::prepare("kubernetes::identity::taken", cluster);
    let other = |name: &str| {
        format!(
            "{{apiVersion: v1, kind: Node, metadata: {{name: {name}, annotations: {{{V4}: 10.0.0.1/24, {ASN}: '65001'}}}}}}"
        )
    };
    site.apply(&other("worker-2"));
    site.apply(&bare());
    site.run_with(&[("IP", "autodetect"), ("AS", "65001")]);
    let report = site.await_report("names the other node", |report| warnings(report).contains("Node worker-2 has it"));
    assert!(report["waiting_for"].as_str().is_some_and(|what| what.contains("router id")), "{report}");
    assert!(annotation(cluster, V4).is_null());
    // Events are optional: without the right, that is said, and all else goes on.
    site.await_report("says what is not permitted", |report| warnings(report).contains("no events are told"));
    site.delete("Node", "worker-2");
    site.tor().wait_established(ADDRESS);
    let before = site.tor().wait_established(ADDRESS).incarnation;
    permit_events(cluster);
    site.apply(&other("worker-3"));
    let event = wait_for("an event tells of the conflict", PATIENCE * 2, || {
        let events = cluster.admin().get("/api/v1/namespaces/default/events")?;
        let all = events["items"].as_array().cloned().unwrap_or_default();
        let names = |event: &Value| event["message"].as_str().is_some_and(|text| text.contains("Node worker-3"));
        let ours = |event: &Value| event["reason"] == "AddressConflict" && names(event);
        all.into_iter().find(ours).ok_or_else(|| events.to_string())
    });
    assert_eq!(event["type"], "Warning", "{event}");
    assert_eq!((&event["involvedObject"]["kind"], &event["involvedObject"]["name"]), (&json!("Node"), &json!(NODE)));
    let report = site.await_report("says it too", |report| warnings(report).contains("of Node worker-3"));
    assert!(report["waiting_for"].is_null(), "{report}");
    assert_eq!(site.tor().session(ADDRESS).map(|session| session.incarnation), Ok(before));
    // What follows is tried without the right again.
    for kind in ["clusterrolebindings", "clusterroles"] {
        let path = format!("/apis/rbac.authorization.k8s.io/v1/{kind}/heddle-node-events");
        cluster.admin().delete(&path).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Two nodes that have swapped their addresses: what this one has not any more it gives up, so that both get theirs. It does not say of
/// itself meanwhile that packets reach its workloads, as a node that was killed has left it.
pub(crate) fn swapped(cluster: &Cluster) {
    let mut site = Site::prepare("kubernetes::identity::swapped", cluster);
    site.apply(&OBJECTS.replacen(
        "IPv4Address: 10.0.0.1/24, projectcalico.org/ASNumber: '65001'}}}",
        "IPv4Address: 10.0.0.9/24, projectcalico.org/ASNumber: '65001'}}, status: {conditions: [
           {type: NetworkUnavailable, status: 'False', reason: HeddleIsUp}]}}",
        1,
    ));
    let other = |address: &str| {
        format!(
            "{{apiVersion: v1, kind: Node, metadata: {{name: worker-2, annotations: {{{V4}: {address}/24, {ASN}: '65001'}}}}}}"
        )
    };
    site.apply(&other("10.0.0.1"));
    await_condition(cluster, "False");
    site.run_with(&[("IP", "10.0.0.1")]);
    wait_for("the address is given up", PATIENCE, || {
        let seen = annotation(cluster, V4);
        ensure(seen.is_null(), || seen.to_string())
    });
    let conditions = await_condition(cluster, "True");
    assert!(conditions.to_string().contains("HeddleWaits"), "{conditions}");
    site.apply(&other("10.0.0.9"));
    await_annotation(cluster, V4, "10.0.0.1/24");
    site.tor().wait_route(BLOCK);
    await_condition(cluster, "False");
}

fn await_condition(cluster: &Cluster, wanted: &str) -> Value {
    wait_for(&format!("NetworkUnavailable is {wanted}"), PATIENCE, || {
        let node = node(cluster);
        let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
        let found = conditions.iter().find(|condition| condition["type"] == "NetworkUnavailable").cloned();
        let found = found.ok_or_else(|| node["status"].to_string())?;
        ensure(found["status"] == wanted, || found.to_string())?;
        Ok(Value::Array(conditions))
    })
}

/// The condition says whether the node routes for its workloads; those of others are left alone.
pub(crate) fn condition(cluster: &Cluster) {
    let mut site = Site::prepare("kubernetes::identity::condition", cluster);
    site.apply(&OBJECTS.replacen(
        "projectcalico.org/ASNumber: '65001'}}}",
        "projectcalico.org/ASNumber: '65001'}}, status: {conditions: [
           {type: Ready, status: 'True', reason: KubeletReady}, {type: NetworkUnavailable, status: 'True', reason: NoRouteCreated}]}}",
        1,
    ));
    await_condition(cluster, "True");
    site.run();
    let conditions = await_condition(cluster, "False");
    assert!(conditions.to_string().contains("HeddleIsUp"), "{conditions}");
    assert!(conditions.to_string().contains("KubeletReady"), "{conditions}");
    site.tor().wait_route(BLOCK);
    site.stop();
    let conditions = await_condition(cluster, "True");
    assert!(conditions.to_string().contains("HeddleIsDown"), "{conditions}");
    assert!(conditions.to_string().contains("KubeletReady"), "{conditions}");
    site.run();
    await_condition(cluster, "False");
}

/// Who asks for a node's status finds it in what he asked with, as Calico's node would have written it.
pub(crate) fn status(cluster: &Cluster) {
    let mut site = Site::prepare("kubernetes::identity::status", cluster);
    site.apply(OBJECTS);
    site.apply(
        "{apiVersion: projectcalico.org/v3, kind: CalicoNodeStatus, metadata: {name: mine}, spec: {
           node: worker-1, classes: [Agent, BGP, Routes], updatePeriodSeconds: 1}}\n---\n\
         {apiVersion: projectcalico.org/v3, kind: CalicoNodeStatus, metadata: {name: theirs}, spec: {
           node: worker-2, classes: [BGP], updatePeriodSeconds: 1}}",
    );
    site.run();
    let read = |name: &str| cluster.admin().get(&format!("/apis/crd.projectcalico.org/v1/caliconodestatuses/{name}"));
    let await_status = |what: &str, wanted: &dyn Fn(&Value) -> bool| {
        wait_for(&format!("the status {what}"), PATIENCE * 2, || {
            let object = read("mine")?;
            ensure(wanted(&object["status"]), || object["status"].to_string())?;
            Ok(object)
        })
    };
    let object = await_status("has the session", &|status| status["bgp"]["numberEstablishedV4"] == 1);
    let status = &object["status"];
    // As Calico's node reads them from BIRD: `show status`, `show protocols`, `show route`.
    let agent = &status["agent"]["birdV4"];
    assert_eq!((&agent["state"], &agent["routerID"]), (&json!("Ready"), &json!(ADDRESS)), "{status}");
    for name in ["version", "lastBootTime", "lastReconfigurationTime"] {
        assert!(agent[name].as_str().is_some_and(|text| !text.is_empty()), "{name}: {status}");
    }
    let peer = &status["bgp"]["peersV4"][0];
    assert_eq!(
        (&peer["peerIP"], &peer["type"], &peer["state"]),
        (&json!("10.0.0.2"), &json!("GlobalPeer"), &json!("Established"))
    );
    assert_eq!(status["bgp"]["numberNotEstablishedV4"], 0, "{status}");
    assert_eq!(status["bgp"]["peersV6"], json!([]), "{status}");
    let routes = status["routes"]["routesV4"].as_array().cloned().unwrap_or_default();
    let block = routes.iter().find(|route| route["destination"] == BLOCK).unwrap_or_else(|| panic!("{status}"));
    assert_eq!(
        *block,
        json!({"type": "FIB", "destination": BLOCK, "gateway": "N/A", "interface": "blackhole", "learnedFrom": {"sourceType": "Static"}})
    );
    assert_eq!(object["spec"]["updatePeriodSeconds"], 1, "{object}");
    assert!(read("theirs").is_ok_and(|object| object["status"].is_null()), "it is of another node");
    let before = object["metadata"]["resourceVersion"].clone();
    site.delete("BGPPeer", "tor");
    let after = await_status("has no session", &|status| status["bgp"]["peersV4"] == json!([]));
    assert_ne!(after["metadata"]["resourceVersion"], before);
}

/// Without the permission to write, what is there counts, and what is missing is said; with it, all goes on.
pub(crate) fn not_permitted(cluster: &Cluster) {
    let mut site = Site::prepare("kubernetes::identity::not_permitted", cluster);
    let path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/heddle-node";
    let mut role = cluster.admin().get(path).unwrap_or_else(|error| panic!("{error}"));
    let writes = |rule: &Value| ["patch", "update"].iter().any(|verb| rule["verbs"].to_string().contains(verb));
    if let Some(rules) = role["rules"].as_array_mut() {
        rules.retain(|rule| !writes(rule));
    }
    cluster.admin().put(path, &role).unwrap_or_else(|error| panic!("{error}"));
    let wish = "{apiVersion: projectcalico.org/v3, kind: CalicoNodeStatus, metadata: {name: mine}, spec: {
           node: worker-1, classes: [BGP], updatePeriodSeconds: 1}}";
    site.apply(OBJECTS);
    site.apply(wish);
    site.run_with(&[("IP", "autodetect"), ("IP6", "autodetect")]);
    site.tor().wait_established(ADDRESS);
    site.tor().wait_route(BLOCK);
    site.await_report("says what is not permitted", |report| {
        let all = warnings(report);
        [
            "annotations of the Node: not permitted",
            "NetworkUnavailable of the Node: not permitted",
            "CalicoNodeStatus/mine: not permitted",
        ]
        .iter()
        .all(|part| all.contains(part))
    });
    assert!(annotation(cluster, V6).is_null());
    permit(cluster);
    await_annotation(cluster, V6, "fd00::1/64");
    await_condition(cluster, "False");
    site.await_report("has nothing to say any more", |report| !warnings(report).contains("not permitted"));
}
