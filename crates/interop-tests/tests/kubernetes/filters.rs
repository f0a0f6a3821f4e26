//! What a `BGPFilter` asks of a route and does to it, on the wire and in the node's kernel; and which routes with the node's own AS it takes.

use heddle_interop_tests::peers::Daemon as _;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};

use crate::site::{ADDRESS, BLOCK, OBJECTS, Site};
use crate::stores::Store;

/// LOCAL_PREF is this less the priority of a route.
const LEAST_PREFERRED: u32 = 2_147_483_647;

/// Three prefixes of the peer.
const STATIC: &str = "route 192.0.2.0/24 blackhole; route 198.51.100.0/24 blackhole; route 203.0.113.0/24 blackhole;";

fn filter(import: &str, export: &str) -> String {
    format!(
        "{{apiVersion: projectcalico.org/v3, kind: BGPFilter, metadata: {{name: both}}, spec: {{
           importV4: [{import}], exportV4: [{export}]}}}}"
    )
}

/// The peer in the datastore: its AS, and further fields.
fn peer(asn: u32, more: &str) -> String {
    format!(
        "{{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {{name: tor}}, spec: {{
           peerIP: 10.0.0.2, asNumber: {asn}, {more}}}}}"
    )
}

/// A node that runs, with a peer of this AS that advertises [`STATIC`], each changed by these commands of BIRD's.
fn start(case: &str, store: &dyn Store, asn: u32, export: &str) -> Site {
    let mut site = Site::prepare(case, store);
    site.make_tor_advertise(asn, STATIC, export);
    site.apply(OBJECTS);
    site.apply(&peer(asn, "filters: [both]"));
    site.run();
    site
}

/// The routes of the peer in the node's kernel, sorted: prefix and metric.
fn learned(site: &Site) -> Vec<(String, u32)> {
    let routes = site.host().netns().run("ip", &["-4", "route", "show", "proto", "158"]);
    let metric = |line: &str| line.split_once(" metric ").and_then(|(_, rest)| rest.split(' ').next()?.parse().ok());
    let of_peer = routes.lines().filter(|line| line.contains(" via 10.0.0.2 "));
    let mut all: Vec<(String, u32)> = of_peer
        .map(|line| (line.split(' ').next().unwrap_or_default().to_owned(), metric(line).unwrap_or_default()))
        .collect();
    all.sort();
    all
}

/// Waits until these are the routes of the peer in the node's kernel: prefix and metric.
#[track_caller]
pub(crate) fn await_learned(site: &Site, what: &str, wanted: &[(&str, u32)]) {
    wait_for(what, PATIENCE, || {
        let found = learned(site);
        let same = found.iter().map(|(prefix, metric)| (prefix.as_str(), *metric)).eq(wanted.iter().copied());
        ensure(same, || format!("{found:?}"))
    });
}

/// The metric of routes that say no LOCAL_PREF, which count as those of 100.
pub(crate) const UNSAID: u32 = LEAST_PREFERRED - 100;

/// Conditions of rules, and what they do to what they accept, in both directions; no session is reset for it.
pub(crate) fn operations(store: &dyn Store) {
    let export = "if net = 192.0.2.0/24 then bgp_community.add((65002, 1));
                  if net = 198.51.100.0/24 then { bgp_path.prepend(65021); bgp_path.prepend(65020); }
                  accept;";
    let site = start("kubernetes::filters::operations", store, 65002, export);
    let before = site.tor().wait_established(ADDRESS).incarnation;
    let untouched = site.tor().wait_route(BLOCK).attributes;
    assert_eq!(untouched.as_path, "65001");
    await_learned(
        &site,
        "without the filter all is learned",
        &[("192.0.2.0/24", UNSAID), ("198.51.100.0/24", UNSAID), ("203.0.113.0/24", UNSAID)],
    );
    site.apply(&filter(
        "{action: Reject, communities: {values: ['65002:1']}},
         {action: Reject, peerType: iBGP},
         {action: Accept, asPathPrefix: [65002, 65021], operations: [{setPriority: {value: 256}}]},
         {action: Accept, asPathPrefix: [65002, 65020], operations: [{setPriority: {value: 512}}]}",
        "{action: Reject, priority: 999},
         {action: Reject, source: RemotePeers},
         {action: Reject, matchOperator: In, cidr: 10.20.0.0/16, prefixLength: {min: 27, max: 32}},
         {action: Accept, priority: 1024, peerType: eBGP, matchOperator: In, cidr: 10.20.0.0/16, prefixLength: {min: 26, max: 26},
          operations: [{addCommunity: {value: '65001:7'}}, {addCommunity: {value: '65001:7:8'}},
                       {prependASPath: {prefix: [65010, 65011]}}]}",
    ));
    await_learned(
        &site,
        "one is rejected by its community, one has another priority by its path",
        &[("198.51.100.0/24", 512), ("203.0.113.0/24", UNSAID)],
    );
    wait_for("what was added is on the wire", PATIENCE, || {
        let route = site.tor().wait_route(BLOCK);
        let (communities, large) = (&route.attributes.communities, &route.attributes.large_communities);
        let all =
            *communities == ["65001:7"] && *large == ["65001:7:8"] && route.attributes.as_path == "65001 65010 65011";
        ensure(all, || format!("{route:?}"))
    });
    site.delete("BGPFilter", "both");
    await_learned(
        &site,
        "without the filter all is as before",
        &[("192.0.2.0/24", UNSAID), ("198.51.100.0/24", UNSAID), ("203.0.113.0/24", UNSAID)],
    );
    wait_for("nothing is added any more", PATIENCE, || {
        let route = site.tor().wait_route(BLOCK);
        ensure(route.attributes == untouched, || format!("{route:?}"))
    });
    assert_eq!(site.tor().session(ADDRESS).map(|session| session.incarnation), Ok(before));
}

/// The other conditions of rules: the ways to compare a prefix, a large community, and the interface of a local route.
pub(crate) fn conditions(store: &dyn Store) {
    let export = "if net = 203.0.113.0/24 then bgp_large_community.add((65002, 1, 2)); accept;";
    let site = start("kubernetes::filters::conditions", store, 65002, export);
    let before = site.tor().wait_established(ADDRESS).incarnation;
    let (first, second, third) = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24");
    let set = |condition: &str, priority: u32| {
        format!("{{action: Accept, {condition}, operations: [{{setPriority: {{value: {priority}}}}}]}}")
    };
    let rules = |rules: &[(&str, u32)]| {
        rules.iter().map(|(condition, priority)| set(condition, *priority)).collect::<Vec<_>>().join(", ")
    };
    site.apply(&filter(
        &rules(&[
            ("matchOperator: Equal, cidr: 192.0.2.0/24", 201),
            ("matchOperator: Equal, cidr: 198.51.0.0/16", 202),
            ("communities: {values: ['65002:1:3']}", 203),
            ("communities: {values: ['65002:1:2']}", 204),
        ]),
        "",
    ));
    await_learned(
        &site,
        "a prefix is equal to itself alone, and a large community is found",
        &[(first, 201), (second, UNSAID), (third, 204)],
    );
    site.apply(&filter(&rules(&[("matchOperator: NotEqual, cidr: 192.0.2.0/24", 301)]), ""));
    await_learned(&site, "all but one prefix", &[(first, UNSAID), (second, 301), (third, 301)]);
    site.apply(&filter(
        &rules(&[("matchOperator: NotIn, cidr: 192.0.0.0/4", 401), ("matchOperator: NotIn, cidr: 198.51.0.0/16", 402)]),
        "",
    ));
    await_learned(&site, "what is outside of a prefix", &[(first, 402), (second, UNSAID), (third, 402)]);
    // An address that a pod brought along from another node's block.
    let borrowed = "10.20.9.9/32";
    let host = site.host().netns();
    host.ip(&["link", "add", "cali0", "type", "veth", "peer", "name", "pod0"]);
    host.ip(&["link", "set", "pod0", "up"]);
    host.ip(&["link", "set", "cali0", "up"]);
    host.ip(&["route", "add", borrowed, "dev", "cali0", "scope", "link"]);
    site.tor().wait_route(borrowed);
    for (interface, is_told) in [("cali*", false), ("cali1", true), ("cali0", false), ("eth*", true)] {
        site.apply(&filter("", &format!("{{action: Reject, interface: '{interface}'}}")));
        if is_told {
            site.tor().wait_route(borrowed);
        } else {
            site.tor().wait_no_route(borrowed);
        }
        site.tor().wait_route(BLOCK);
    }
    assert_eq!(site.tor().session(ADDRESS).map(|session| session.incarnation), Ok(before));
}

/// A priority is the LOCAL_PREF of the session within the AS, and is read from there.
pub(crate) fn priorities(store: &dyn Store) {
    let local_pref = LEAST_PREFERRED - 700;
    let export =
        format!("if net = 192.0.2.0/24 then bgp_local_pref = {local_pref}; else bgp_local_pref = 100; accept;");
    let site = start("kubernetes::filters::priorities", store, 65001, &export);
    let before = site.tor().wait_established(ADDRESS).incarnation;
    assert_eq!(site.tor().wait_route(BLOCK).attributes.local_pref, Some(LEAST_PREFERRED - 1024));
    for priority in [512, 2048] {
        site.apply(&filter(
            "{action: Accept, priority: 700, operations: [{addCommunity: {value: '65001:1'}}]}, {action: Reject}",
            &format!(
                "{{action: Reject, peerType: eBGP}}, {{action: Accept, peerType: iBGP, operations: [{{setPriority: {{value: {priority}}}}}]}}"
            ),
        ));
        wait_for("the priority is on the wire", PATIENCE, || {
            let route = site.tor().wait_route(BLOCK);
            ensure(route.attributes.local_pref == Some(LEAST_PREFERRED - priority), || format!("{route:?}"))
        });
        await_learned(&site, "only the route of that priority is learned", &[("192.0.2.0/24", 700)]);
    }
    assert_eq!(site.tor().session(ADDRESS).map(|session| session.incarnation), Ok(before));
}

/// A path with the node's own AS in it is taken as often as the peer allows, and no oftener.
pub(crate) fn own_as(store: &dyn Store) {
    let export = "if net = 192.0.2.0/24 then bgp_path.prepend(65001);
                  if net = 198.51.100.0/24 then { bgp_path.prepend(65001); bgp_path.prepend(65001); }
                  accept;";
    let site = start("kubernetes::filters::own_as", store, 65002, export);
    let (plain, once, twice) = (("203.0.113.0/24", UNSAID), ("192.0.2.0/24", UNSAID), ("198.51.100.0/24", UNSAID));
    await_learned(&site, "neither path with the own AS is taken", &[plain]);
    site.apply(&peer(65002, "numAllowedLocalASNumbers: 1"));
    await_learned(&site, "the path that has it once is", &[once, plain]);
    site.apply(&peer(65002, "numAllowedLocalASNumbers: 2"));
    await_learned(&site, "both are", &[once, twice, plain]);
    site.apply(&peer(65002, ""));
    await_learned(&site, "neither is any more", &[plain]);
    site.tor().wait_route(BLOCK);
}
