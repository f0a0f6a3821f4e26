//! A workload that peers with its node: a pod with a BIRD in it, what Felix writes of it, and a `BGPPeer` with
//! `localWorkloadSelector`.

use std::sync::Arc;

use heddle_interop_tests::lab::Host;
use heddle_interop_tests::peers::Daemon as _;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::json;

use crate::site::{ADDRESS, BLOCK, Site};
use crate::stores::Store;

/// The pod's interface on the node.
const INTERFACE: &str = "cali0123456789a";
/// The pod's address, and the one of `localWorkloadPeeringIPV4`, which Felix puts on the interface.
const POD: &str = "10.20.0.5";
const NODES: &str = "169.254.10.1";
/// The same of IPv6.
const POD6: &str = "fd00:20::5";
const NODES6: &str = "fd00:169::1";
/// What the pod advertises.
const FIRST: &str = "10.20.200.0/24";
const SECOND: &str = "10.20.201.0/24";
const FIRST6: &str = "fd00:20:0:200::/64";
const SECOND6: &str = "fd00:20:0:201::/64";
/// The node's block of IPv6 addresses.
const BLOCK6: &str = "fd00:20::/122";

const CHILD: &str = "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: child}, spec: {
  nodeSelector: all(), localWorkloadSelector: color == 'red', asNumber: 65030, localASNumber: 65020}}";

/// The pod's BIRD, with these routes.
fn bird(routes: &[&str]) -> String {
    let routes: String = routes.iter().map(|prefix| format!("route {prefix} blackhole; ")).collect();
    format!(
        "protocol static {{ ipv4; {routes} }} \
         protocol bgp node {{ local {POD} as 65030; neighbor {NODES} as 65020; multihop; \
         connect delay time 1; connect retry time 2; error wait time 1, 2; \
         ipv4 {{ import all; export all; next hop self; }}; }}"
    )
}

/// The pod, and a node that knows of it.
fn start(case: &str, store: &dyn Store) -> (Site, Arc<Host>, Bird) {
    let site = Site::start(case, store);
    let pod = site.pod(INTERFACE, (POD, NODES));
    let bird = Bird::start(&pod, &bird(&[FIRST, SECOND]));
    site.apply(CHILD);
    site.endpoint_status(
        INTERFACE,
        Some(&json!({
            "ifaceName": INTERFACE, "mac": "ee:ee:ee:ee:ee:ee", "ipv4Nets": [format!("{POD}/32")], "ipv6Nets": [],
            "bgpPeerName": "child"})),
    );
    (site, pod, bird)
}

/// The routes over the pod's interface, as `ip` has them.
fn over_interface(site: &Site) -> Vec<String> {
    let routes = site.host().netns().run("ip", &["-4", "route", "show", "dev", INTERFACE]);
    routes.lines().map(|line| line.trim().to_owned()).collect()
}

#[track_caller]
fn await_over_interface(site: &Site, wanted: &[&str]) {
    wait_for("the kernel's routes over the pod's interface", PATIENCE, || {
        let mut found: Vec<String> =
            over_interface(site).iter().filter_map(|line| Some(line.split(' ').next()?.to_owned())).collect();
        found.sort();
        ensure(found == wanted, || format!("{found:?}"))
    });
}

/// What Felix does to the pod's interface (`RemoveExternalRoutes`, which is its default): away with what it has not made itself, but
/// for routes of BIRD's number, because a workload peers there. How many those were.
fn felix(site: &Site) -> usize {
    let foreign = |line: &&String| !line.contains(" proto bird") && !line.starts_with(&format!("{POD} "));
    let foreign: Vec<String> = over_interface(site).iter().filter(foreign).cloned().collect();
    for line in &foreign {
        let route: Vec<&str> = line.split(' ').filter(|word| !word.is_empty()).collect();
        site.host().netns().ip(&[&["route", "del"], route.as_slice(), &["dev", INTERFACE]].concat());
    }
    foreign.len()
}

/// A session comes and goes with what Felix writes of the pod. What the pod advertises is in the node's kernel and at the node's other
/// peers, and it hears of the node, each with the AS that it is told.
pub(crate) fn comes_and_goes(store: &dyn Store) {
    let (site, _pod, bird) = start("kubernetes::workload::comes_and_goes", store);
    bird.wait_established(NODES);
    assert_eq!(bird.wait_route(BLOCK).attributes.as_path, "65020");
    assert_eq!(site.tor().wait_route(FIRST).attributes.as_path, "65001 65030");
    await_over_interface(&site, &[POD, FIRST, SECOND]);
    let expected = format!("{FIRST} via {POD} proto bird metric 2147483547");
    assert!(over_interface(&site).contains(&expected), "{:?}", over_interface(&site));
    site.endpoint_status(INTERFACE, None);
    bird.wait_down(NODES);
    site.tor().wait_no_route(FIRST);
    await_over_interface(&site, &[POD]);
    site.tor().wait_established(ADDRESS);
    site.tor().wait_route(BLOCK);
}

/// Felix, who looks at the interface again and again, finds nothing to take away, and the node nothing to write again. After a restart
/// of the node what the pod still advertises is there all the time, and the rest goes; nothing of it is taken for the node's own.
pub(crate) fn beside_felix(store: &dyn Store) {
    let (mut site, _pod, bird_of_pod) = start("kubernetes::workload::beside_felix", store);
    site.tor().wait_route(FIRST);
    site.tor().wait_route(SECOND);
    await_over_interface(&site, &[POD, FIRST, SECOND]);
    let before = site.await_report("has nothing to write", |report| report["fib"]["pending"] == 0)["fib"].clone();
    for _ in 0..20 {
        assert_eq!(felix(&site), 0, "{:?}", over_interface(&site));
    }
    // Other things are written, so that there is time to repair what was taken.
    site.apply(
        "{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {name: worker-1-10-20-1-0-26}, spec: {
          state: confirmed, node: worker-1, type: host, cidr: 10.20.1.0/26, deleted: false}}",
    );
    site.tor().wait_route("10.20.1.0/26");
    // The ToR may have it before its black hole is even planned.
    let installed = before["installed"].as_u64().map(|before| before + 1);
    let after = site.await_report("has the new block in the kernel", |report| {
        report["fib"]["installed"].as_u64() == installed && report["fib"]["pending"] == 0
    });
    assert_eq!(after["fib"]["repairs"], before["repairs"], "{after}");
    site.stop();
    await_over_interface(&site, &[POD, FIRST, SECOND]);
    bird_of_pod.configure(&bird(&[FIRST]));
    site.run();
    site.tor().wait_established(ADDRESS);
    assert_eq!(site.tor().wait_route(FIRST).attributes.as_path, "65001 65030");
    await_over_interface(&site, &[POD, FIRST]);
    site.tor().wait_no_route(SECOND);
    assert_eq!(felix(&site), 0, "{:?}", over_interface(&site));
    let report = site.await_report("has nothing of before", |report| report["fib"]["stale"] == 0);
    assert_eq!((&report["fib"]["conflicts"], &report["fib"]["failures"]), (&json!(0), &json!(0)), "{report}");
}

/// A node with addresses of both families, a pool and a block of IPv6, and a peer that hears of them.
const OBJECTS6: &str = "
{apiVersion: v1, kind: Node, metadata: {name: worker-1, labels: {rack: a}, annotations: {
  projectcalico.org/IPv4Address: 10.0.0.1/24, projectcalico.org/IPv6Address: 'fd00::1/64', projectcalico.org/ASNumber: '65001'}}}
---
{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: pods6}, spec: {cidr: 'fd00:20::/32'}}
---
{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {name: worker-1-fd00-20-0-0-0-0-0-0-122}, spec: {
  state: confirmed, node: worker-1, type: host, cidr: 'fd00:20::/122', deleted: false}}
---
{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: tor6}, spec: {peerIP: 'fd00::2', asNumber: 65002}}
";

/// The pod's BIRD with a session of either family, and these routes of IPv6.
fn bird_of_both(routes: &[&str]) -> String {
    let routes: String = routes.iter().map(|prefix| format!("route {prefix} blackhole; ")).collect();
    format!(
        "{} protocol static {{ ipv6; {routes} }} \
         protocol bgp node6 {{ local {POD6} as 65030; neighbor {NODES6} as 65020; multihop; \
         connect delay time 1; connect retry time 2; error wait time 1, 2; \
         ipv6 {{ import all; export all; next hop self; }}; }}",
        bird(&[FIRST])
    )
}

/// Waits until these are the IPv6 routes by way of the pod, with the protocol number that Felix leaves alone.
#[track_caller]
fn await_by_way_of_pod(site: &Site, wanted: &[&str]) {
    let by_way = format!(" via {POD6} proto bird metric 2147483547");
    wait_for("the kernel's IPv6 routes by way of the pod", PATIENCE, || {
        let routes = site.host().netns().run("ip", &["-6", "route", "show", "dev", INTERFACE]);
        let mut found: Vec<&str> = routes.lines().filter_map(|line| Some(line.split_once(&by_way)?.0)).collect();
        found.sort_unstable();
        ensure(found == wanted, || routes.clone())
    });
}

/// A pod of both families: a session of each, which come and go with the addresses that Felix writes; and a restart of the node, during
/// which what the pod advertises stays.
pub(crate) fn over_ipv6(store: &dyn Store) {
    let mut site = Site::start("kubernetes::workload::over_ipv6", store);
    site.add_ipv6_of_tor();
    site.apply(OBJECTS6);
    let pod = site.pod(INTERFACE, (POD, NODES));
    pod.netns().ip(&["addr", "add", &format!("{POD6}/128"), "dev", "eth0", "nodad"]);
    pod.netns().ip(&["-6", "route", "add", NODES6, "dev", "eth0"]);
    site.host().netns().ip(&["addr", "add", &format!("{NODES6}/128"), "dev", INTERFACE, "nodad"]);
    site.host().netns().ip(&["-6", "route", "add", POD6, "dev", INTERFACE]);
    let bird = Bird::start(&pod, &bird_of_both(&[FIRST6, SECOND6]));
    site.apply(CHILD);
    let status = |ipv6: &[String]| {
        let nets = [format!("{POD}/32")];
        let status = json!({
            "ifaceName": INTERFACE, "mac": "ee:ee:ee:ee:ee:ee", "ipv4Nets": nets, "ipv6Nets": ipv6, "bgpPeerName": "child"});
        site.endpoint_status(INTERFACE, Some(&status));
    };
    status(&[]);
    let before = bird.wait_established(NODES).incarnation;
    assert!(!bird.session(NODES6).is_ok_and(|session| session.established), "Felix knows no such address");
    status(&[format!("{POD6}/128")]);
    bird.wait_established(NODES6);
    assert_eq!(bird.wait_route(BLOCK6).attributes.as_path, "65020");
    assert_eq!(site.tor().wait_route(FIRST6).attributes.as_path, "65001 65030");
    site.tor().wait_route(SECOND6);
    await_by_way_of_pod(&site, &[FIRST6, SECOND6]);
    status(&[]);
    bird.wait_down(NODES6);
    site.tor().wait_no_route(FIRST6);
    await_by_way_of_pod(&site, &[]);
    assert_eq!(bird.session(NODES).map(|session| session.incarnation), Ok(before));
    status(&[format!("{POD6}/128")]);
    site.tor().wait_route(SECOND6);
    await_by_way_of_pod(&site, &[FIRST6, SECOND6]);
    site.stop();
    await_by_way_of_pod(&site, &[FIRST6, SECOND6]);
    bird.configure(&bird_of_both(&[FIRST6]));
    site.run();
    await_by_way_of_pod(&site, &[FIRST6]);
    site.tor().wait_route(FIRST6);
    site.tor().wait_no_route(SECOND6);
    let report = site.await_report("has nothing of before", |report| report["fib"]["stale"] == 0);
    assert_eq!((&report["fib"]["conflicts"], &report["fib"]["failures"]), (&json!(0), &json!(0)), "{report}");
}
