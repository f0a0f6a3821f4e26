//! What a node writes into its datastore about itself: its addresses and its status; in a cluster also its condition, and conflicts.

use std::path::Path;

use heddle_interop_tests::kubernetes::Cluster;
use heddle_interop_tests::peers::Daemon as _;
use heddle_interop_tests::process::Signal;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::{Value, json};

use crate::site::{ADDRESS, BLOCK, NODE, OBJECTS, Site, count, permit_events};
use crate::stores::{Hand, Store};

pub(crate) const V4: &str = "IPv4Address";
pub(crate) const V6: &str = "IPv6Address";
const ASN: &str = "ASNumber";

/// A Node that has nothing of Calico's.
fn nothing(name: &str) -> String {
    format!("{{apiVersion: v1, kind: Node, metadata: {{name: {name}}}}}")
}

/// A Node with an address, and with the AS that the nodes have.
fn has(name: &str, address: &str) -> String {
    format!(
        "{{apiVersion: v1, kind: Node, metadata: {{name: {name}, annotations: {{
           projectcalico.org/IPv4Address: {address}/24, projectcalico.org/ASNumber: '65001'}}}}}}"
    )
}

/// [`OBJECTS`] with a Node that has nothing of Calico's.
pub(crate) fn bare() -> String {
    let (_, others) = OBJECTS.split_once("\n---\n").expect("the Node is the first");
    format!("{}\n---\n{others}", nothing(NODE))
}

fn node(hand: &dyn Hand) -> Value {
    hand.node(NODE).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn await_word(hand: &dyn Hand, word: &str, value: &str) {
    wait_for(&format!("{word} is {value}"), PATIENCE, || {
        let seen = hand.node(NODE)?;
        ensure(seen[word] == value, || seen.to_string())
    });
}

/// Waits until the Node says that its workloads are reached, where Nodes say that.
fn await_up(store: &dyn Store, hand: &dyn Hand) {
    if store.has_conditions() {
        await_word(hand, "NetworkUnavailable", "False");
    }
}

fn warnings(report: &Value) -> String {
    report["warnings"].to_string()
}

/// A Node with addresses is taken as it is: nothing is written, the session stays; what comes is added, and moves nothing.
pub(crate) fn adopted(store: &dyn Store) {
    let mut site = Site::prepare("kubernetes::identity::adopted", store);
    let hand = store.hand();
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
    await_word(&*hand, V6, "fd00::1/64");
    let seen = node(&*hand);
    assert_eq!((&seen[V4], &seen[ASN]), (&json!("10.0.0.1/24"), &json!("65001")));
    assert_eq!(site.tor().session(ADDRESS).map(|session| session.incarnation), Ok(before));
    // An address that is gone for a moment is waited for, whatever else there is.
    netns.ip(&["addr", "del", "10.0.0.1/24", "dev", "eth0"]);
    site.await_report("waits for it", |report| warnings(report).contains("is on no interface that is up"));
    netns.ip(&["addr", "add", "10.0.0.1/24", "dev", "eth0"]);
    site.await_report("has it again", |report| !warnings(report).contains("is on no interface"));
    assert_eq!(node(&*hand)[V4], "10.0.0.1/24");
    assert_eq!(site.log().matches("written into the Node").count(), 1, "the other family's");
}

/// A Node without addresses gets those of the machine, once; Docker's network is none of them.
pub(crate) fn detected(store: &dyn Store) {
    let mut site = Site::prepare("kubernetes::identity::detected", store);
    let hand = store.hand();
    let netns = site.host().netns();
    netns.ip(&["link", "add", "docker0", "type", "bridge"]);
    netns.ip(&["addr", "add", "172.17.0.1/16", "dev", "docker0"]);
    netns.ip(&["link", "set", "docker0", "up"]);
    site.apply(&bare());
    site.run_with(&[("AS", "65001")]);
    site.tor().wait_established(ADDRESS);
    site.tor().wait_route(BLOCK);
    let seen = node(&*hand);
    assert_eq!((&seen[V4], &seen[ASN]), (&json!("10.0.0.1/24"), &json!("65001")));
    assert_eq!(seen[V6], json!(null), "nobody asked for it");
    let report = site.await_report("has the address", |report| report["addresses"][0]["interface"] == "eth0");
    assert_eq!(report["addresses"].as_array().map(Vec::len), Some(1), "{report}");
    assert!(report["addresses"][0]["reason"].as_str().is_some_and(|why| why.contains("first")), "{report}");
    await_up(store, &*hand);
    // However often it begins and looks: all is as wanted.
    site.restart_with(&[("AS", "65001"), ("IP", "autodetect"), ("AUTODETECT_POLL_INTERVAL", "1s")]);
    site.tor().wait_route(BLOCK);
    await_up(store, &*hand);
    // What Calico's node says of interfaces where an address is to be detected.
    wait_for("its interfaces are there", PATIENCE, || {
        let seen = hand.node(NODE)?;
        ensure(seen["Interfaces"] == json!([{"name": "eth0", "addresses": ["10.0.0.1"]}]), || seen.to_string())
    });
    let before = node(&*hand)["version"].clone();
    site.delete("BGPPeer", "tor");
    site.tor().wait_down(ADDRESS);
    assert_eq!(node(&*hand)["version"], before);
    let written = || site.log().matches("written into the Node").count();
    assert_eq!(written(), 2, "the address and the AS, when it began first");
    // What somebody takes away is written again, once.
    site.apply(OBJECTS.rsplit("---").next().unwrap_or_default());
    hand.take_away(NODE, V4).unwrap_or_else(|error| panic!("{error}"));
    await_word(&*hand, V4, "10.0.0.1/24");
    wait_for("the log says so", PATIENCE, || ensure(written() == 3, || site.log()));
}

/// An address that another node has is not taken; one that another node takes is kept. Both are told.
pub(crate) fn taken(store: &dyn Store) {
    let mut site = Site::prepare("kubernetes::identity::taken", store);
    let hand = store.hand();
    site.apply(&has("worker-2", ADDRESS));
    site.apply(&bare());
    site.run_with(&[("IP", "autodetect"), ("AS", "65001")]);
    let report = site.await_report("names the other node", |report| warnings(report).contains("Node worker-2 has it"));
    assert!(report["waiting_for"].as_str().is_some_and(|what| what.contains("router id")), "{report}");
    assert!(node(&*hand)[V4].is_null());
    site.delete("Node", "worker-2");
    let before = site.tor().wait_established(ADDRESS).incarnation;
    site.apply(&has("worker-3", ADDRESS));
    let report = site.await_report("says it too", |report| warnings(report).contains("of Node worker-3"));
    assert!(report["waiting_for"].is_null(), "{report}");
    assert_eq!(site.tor().session(ADDRESS).map(|session| session.incarnation), Ok(before));
    assert_eq!(node(&*hand)[V4], "10.0.0.1/24");
}

/// Two nodes that wait for one address take it at the same moment, when it is free: one of them has it and runs, the other one waits.
pub(crate) fn at_once(store: &dyn Store) {
    const OTHER: &str = "worker-2";
    let mut site = Site::prepare("kubernetes::identity::at_once", store);
    let hand = store.hand();
    site.apply(&bare());
    site.apply(&nothing(OTHER));
    let environment = [("IP", "10.0.0.1/24"), ("AS", "65001")];
    for round in 1..=3 {
        println!("round {round}");
        site.apply(&has("worker-9", ADDRESS));
        site.run_with(&environment);
        let (mut second, socket) = site.another_node(OTHER, &environment);
        let of_second = |what: &str, wanted: &dyn Fn(&Value) -> bool| {
            wait_for(&format!("the second node's report {what}"), PATIENCE * 2, || {
                let report = Site::report_at(&socket)?;
                ensure(wanted(&report), || report.to_string())
            });
        };
        let waits =
            |other: &'static str| move |report: &Value| warnings(report).contains(&format!("Node {other} has it"));
        site.await_report("waits", waits("worker-9"));
        of_second("waits", &waits("worker-9"));
        site.delete("Node", "worker-9");
        site.tor().wait_established(ADDRESS);
        let holder = wait_for("one of the two has it", PATIENCE, || {
            let [first, second] = [NODE, OTHER].map(|name| hand.node(name).map(|node| node[V4] == "10.0.0.1/24"));
            match (first?, second?) {
                (true, false) => Ok(NODE),
                (false, true) => Ok(OTHER),
                both => Err(format!("{both:?}")),
            }
        });
        println!("{holder} has it");
        if holder == NODE {
            of_second("waits", &waits(NODE));
            site.await_report("waits for nothing", |report| report["waiting_for"].is_null());
        } else {
            site.await_report("waits", waits(OTHER));
            of_second("waits for nothing", &|report| report["waiting_for"].is_null());
        }
        second.assert_alive();
        second.end(Signal::Term);
        site.stop();
        for name in [NODE, OTHER] {
            hand.take_away(name, V4).unwrap_or_else(|error| panic!("{error}"));
        }
    }
}

fn events_of(cluster: &Cluster) -> Result<Vec<Value>, String> {
    let events = cluster.admin().get("/api/v1/namespaces/default/events")?;
    events["items"].as_array().cloned().ok_or_else(|| events.to_string())
}

/// Waits for a warning about the Node that says these words.
fn await_event(cluster: &Cluster, reason: &str, words: &[&str]) {
    let event = wait_for(&format!("an event {reason} with {words:?}"), PATIENCE * 2, || {
        let all = events_of(cluster)?;
        let says = |event: &Value, word: &&str| event["message"].as_str().is_some_and(|text| text.contains(*word));
        let is_it = |event: &&Value| event["reason"] == reason && words.iter().all(|word| says(event, word));
        all.iter().find(is_it).cloned().ok_or_else(|| Value::Array(all).to_string())
    });
    assert_eq!(event["type"], "Warning", "{event}");
    assert_eq!((&event["involvedObject"]["kind"], &event["involvedObject"]["name"]), (&json!("Node"), &json!(NODE)));
}

/// Conflicts are events of the Node, where the node may tell them.
pub(crate) fn events(cluster: &Cluster) {
    let mut site = Site::prepare("kubernetes::identity::events", cluster);
    site.apply(&has("worker-2", ADDRESS));
    site.apply(&bare());
    site.run_with(&[("IP", "autodetect"), ("AS", "65001")]);
    // Events are optional: without the right, that is said, and all else goes on.
    site.await_report("says what is not permitted", |report| warnings(report).contains("no events are told"));
    site.delete("Node", "worker-2");
    site.tor().wait_established(ADDRESS);
    permit_events(cluster);
    site.apply(&has("worker-3", ADDRESS));
    await_event(cluster, "AddressConflict", &["Node worker-3"]);
    // Two nodes with one address also have one router id.
    await_event(cluster, "Conflict", &["router id 10.0.0.1", NODE, "worker-3"]);
    // Two peerings with one address: as long as they ask for the same, nothing is amiss.
    let peer = |name: &str, asn: u32| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {{name: {name}}}, spec: {{
               peerIP: 10.0.0.2, asNumber: {asn}}}}}"
        )
    };
    site.apply(&peer("tor-alike", 65002));
    site.await_report("has both", |report| count(report, "BGPPeer") == 2);
    site.apply(&peer("tor-other", 65003));
    await_event(cluster, "Conflict", &["BGPPeer/tor and", "BGPPeer/tor-other"]);
    let all = Value::Array(events_of(cluster).unwrap_or_else(|error| panic!("{error}"))).to_string();
    assert!(!all.contains("tor-alike"), "{all}");
    // What follows is tried without the right again.
    for kind in ["clusterrolebindings", "clusterroles"] {
        let path = format!("/apis/rbac.authorization.k8s.io/v1/{kind}/heddle-node-events");
        cluster.admin().delete(&path).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Two nodes that have swapped their addresses: what this one has not any more it gives up, so that both get theirs.
pub(crate) fn swapped(store: &dyn Store) {
    let mut site = Site::prepare("kubernetes::identity::swapped", store);
    let hand = store.hand();
    site.apply(&OBJECTS.replacen("IPv4Address: 10.0.0.1/24", "IPv4Address: 10.0.0.9/24", 1));
    site.apply(&has("worker-2", ADDRESS));
    site.run_with(&[("IP", "10.0.0.1")]);
    wait_for("the address is given up", PATIENCE, || {
        let seen = hand.node(NODE)?;
        ensure(seen[V4].is_null(), || seen.to_string())
    });
    site.apply(&has("worker-2", "10.0.0.9"));
    await_word(&*hand, V4, "10.0.0.1/24");
    site.tor().wait_route(BLOCK);
}

/// A node without IPv4 waits for a router id, and says how it gets one. With one made from its name, its IPv6 block is on the wire.
pub(crate) fn without_ipv4(store: &dyn Store) {
    // Calico's identifier of this name: SHA-256 begins with 245.194.139.227, and 32 less is below the addresses of groups.
    const NAMED: &str = "node-18";
    const ID: &str = "213.194.139.227";
    const BLOCK6: &str = "fd20::40/122";
    let site = Site::prepare("kubernetes::identity::without_ipv4", store);
    let hand = store.hand();
    site.add_ipv6_of_tor();
    site.host().netns().ip(&["addr", "del", "10.0.0.1/24", "dev", "eth0"]);
    site.apply(&nothing(NAMED));
    site.apply(&format!(
        "{{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {{name: pods6}}, spec: {{cidr: 'fd20::/64'}}}}\n---\n\
         {{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {{name: {NAMED}-fd20---40-122}}, spec: {{
           state: confirmed, node: {NAMED}, type: host, cidr: '{BLOCK6}', deleted: false}}}}\n---\n\
         {{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {{name: default}}, spec: {{
           nodeToNodeMeshEnabled: false}}}}\n---\n\
         {{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {{name: tor6}}, spec: {{
           peerIP: 'fd00::2', asNumber: 65002}}}}"
    ));
    let environment = [("IP", "none"), ("IP6", "autodetect"), ("AS", "65001")];
    let await_waiting = |socket: &Path, wanted: &dyn Fn(&Value) -> bool| {
        wait_for("what the node waits for", PATIENCE, || {
            let report = Site::report_at(socket)?;
            ensure(report["waiting_for"] != "the datastore" && wanted(&report["waiting_for"]), || report.to_string())
        });
    };
    let (mut process, socket) = site.another_node(NAMED, &environment);
    await_waiting(&socket, &|what| {
        what.as_str().is_some_and(|text| text.contains("a router id") && text.contains("CALICO_ROUTER_ID"))
    });
    wait_for("its IPv6 address is there", PATIENCE, || {
        let seen = hand.node(NAMED)?;
        ensure(seen[V6] == "fd00::1/64" && seen[V4].is_null(), || seen.to_string())
    });
    assert!(!site.tor().session("fd00::1").is_ok_and(|session| session.established));
    process.assert_alive();
    process.end(Signal::Term);
    let (mut process, socket) = site.another_node(NAMED, &[&environment[..], &[("CALICO_ROUTER_ID", "hash")]].concat());
    site.tor().wait_established("fd00::1");
    site.tor().wait_route(BLOCK6);
    await_waiting(&socket, &Value::is_null);
    let session = site.tor().protocol("fd00::1").unwrap_or_else(|error| panic!("{error}"));
    let id = session.lines().find_map(|line| line.trim().strip_prefix("Neighbor ID:"));
    assert_eq!(id.map(str::trim), Some(ID), "{session}");
    process.assert_alive();
    process.end(Signal::Term);
}

/// A node that gets no address does not say of itself that packets reach its workloads, as one that was killed has left it.
pub(crate) fn left_up(cluster: &Cluster) {
    let mut site = Site::prepare("kubernetes::identity::left_up", cluster);
    site.apply(&OBJECTS.replacen(
        "IPv4Address: 10.0.0.1/24, projectcalico.org/ASNumber: '65001'}}}",
        "IPv4Address: 10.0.0.9/24, projectcalico.org/ASNumber: '65001'}}, status: {conditions: [
           {type: NetworkUnavailable, status: 'False', reason: HeddleIsUp}]}}",
        1,
    ));
    site.apply(&has("worker-2", ADDRESS));
    await_condition(cluster, "False");
    site.run_with(&[("IP", "10.0.0.1")]);
    let conditions = await_condition(cluster, "True");
    assert!(conditions.to_string().contains("HeddleWaits"), "{conditions}");
    site.apply(&has("worker-2", "10.0.0.9"));
    site.tor().wait_route(BLOCK);
    await_condition(cluster, "False");
}

fn await_condition(cluster: &Cluster, wanted: &str) -> Value {
    wait_for(&format!("NetworkUnavailable is {wanted}"), PATIENCE, || {
        let node = cluster.admin().get(&format!("/api/v1/nodes/{NODE}"))?;
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
pub(crate) fn status(store: &dyn Store) {
    let mut site = Site::prepare("kubernetes::identity::status", store);
    let hand = store.hand();
    site.apply(OBJECTS);
    site.apply(
        "{apiVersion: projectcalico.org/v3, kind: CalicoNodeStatus, metadata: {name: mine}, spec: {
           node: worker-1, classes: [Agent, BGP, Routes], updatePeriodSeconds: 1}}\n---\n\
         {apiVersion: projectcalico.org/v3, kind: CalicoNodeStatus, metadata: {name: theirs}, spec: {
           node: worker-2, classes: [BGP], updatePeriodSeconds: 1}}",
    );
    site.run();
    let read = |name: &str| hand.status(name);
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
pub(crate) fn not_permitted(store: &dyn Store) {
    let mut site = Site::prepare("kubernetes::identity::not_permitted", store);
    let hand = store.hand();
    store.forbid_writing();
    let wish = "{apiVersion: projectcalico.org/v3, kind: CalicoNodeStatus, metadata: {name: mine}, spec: {
           node: worker-1, classes: [BGP], updatePeriodSeconds: 1}}";
    site.apply(OBJECTS);
    site.apply(wish);
    site.run_with(&[("IP", "autodetect"), ("IP6", "autodetect")]);
    site.tor().wait_established(ADDRESS);
    site.tor().wait_route(BLOCK);
    let condition = store.has_conditions().then_some("NetworkUnavailable of the Node: not permitted");
    site.await_report("says what is not permitted", |report| {
        let said = |parts: &[&str]| {
            let all = report["warnings"].as_array().map(Vec::as_slice).unwrap_or_default();
            all.iter().any(|warning| parts.iter().all(|part| warning.to_string().contains(part)))
        };
        said(&["addresses are not written into its Node", "not permitted"])
            && said(&["status is not written", "not permitted", "mine"])
            && condition.is_none_or(|text| said(&[text]))
    });
    assert!(node(&*hand)[V6].is_null());
    store.permit();
    await_word(&*hand, V6, "fd00::1/64");
    await_up(store, &*hand);
    site.await_report("has nothing to say any more", |report| !warnings(report).contains("not permitted"));
}
