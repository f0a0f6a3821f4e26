//! Fields of a `BGPPeer` that change how a session is held, and what it carries: seen by the BIRD at its other end, in messages, and in
//! the node's kernel.

use std::sync::Arc;

use heddle_interop_tests::lab::Host;
use heddle_interop_tests::peers::Daemon as _;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};

use crate::site::{ADDRESS, BLOCK, Site};
use crate::stores::Store;

/// The peer in the datastore, with further fields.
fn peer(asn: u32, more: &str) -> String {
    format!(
        "{{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {{name: tor}}, spec: {{
           peerIP: 10.0.0.2, asNumber: {asn}, {more}}}}}"
    )
}

/// The BIRD at the other end: its AS, and further lines.
fn bird(asn: u32, more: &str) -> String {
    format!(
        "protocol bgp node {{ local 10.0.0.2 as {asn}; neighbor 10.0.0.1 as 65001; {more} \
         connect delay time 1; connect retry time 2; error wait time 1, 2; \
         ipv4 {{ import all; export none; }}; }}"
    )
}

/// Another peer of the node, which advertises a prefix to it.
fn third(site: &Site) -> (Arc<Host>, Bird) {
    let host = site.machine(3, "spine");
    let bird = Bird::start(
        &host,
        &format!(
            "protocol static {{ ipv4; route {LEARNED} blackhole; }} \
             protocol bgp node {{ local 10.0.0.3 as 65003; neighbor 10.0.0.1 as 65001; multihop; \
             ipv4 {{ import all; export all; next hop self; }}; }}"
        ),
    );
    site.apply(
        "{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: spine}, spec: {peerIP: 10.0.0.3, asNumber: 65003}}",
    );
    (host, bird)
}

/// What the node learns from the third.
const LEARNED: &str = "10.20.128.0/24";

#[track_caller]
fn await_next_hop(site: &Site, mode: &str, wanted: &str) {
    wait_for(&format!("the next hop of {mode:?}"), PATIENCE, || {
        let hop = site.tor().wait_route(LEARNED).attributes.next_hop;
        ensure(hop == wanted, || hop)
    });
}

/// `nextHopMode`: whose address a learned route has, toward another AS and within one. The node's own routes have its own.
pub(crate) fn next_hops(store: &dyn Store) {
    let site = Site::start("kubernetes::sessions::next_hops", store);
    let (_host, _spine) = third(&site);
    let (own, learned) = (ADDRESS, "10.0.0.3");
    for (mode, wanted) in [("Auto", own), ("Keep", learned), ("Self", own), ("Keep", learned)] {
        site.apply(&peer(65002, &format!("nextHopMode: {mode}")));
        await_next_hop(&site, mode, wanted);
    }
    site.configure_tor(&bird(65001, "multihop;"));
    for (mode, wanted) in [("Auto", learned), ("Self", own), ("Keep", learned), ("Self", own)] {
        site.apply(&peer(65001, &format!("nextHopMode: {mode}")));
        await_next_hop(&site, mode, wanted);
        assert_eq!(site.tor().wait_route(BLOCK).attributes.next_hop, own);
    }
}

/// `reachableBy`: the kernel has a route to the peer, which nobody hears of, as long as the field is there.
pub(crate) fn reachable_by(store: &dyn Store) {
    let mut site = Site::prepare("kubernetes::sessions::reachable_by", store);
    let loopback = "10.99.0.2";
    site.configure_tor(
        "protocol direct { ipv4; interface \"lo\"; } \
         protocol bgp node { local 10.99.0.2 as 65002; neighbor 10.0.0.1 as 65001; multihop; passive; \
         ipv4 { import all; export none; }; }",
    );
    site.tor_host().netns().ip(&["addr", "add", "10.99.0.2/32", "dev", "lo"]);
    site.apply(crate::site::OBJECTS);
    site.delete("BGPPeer", "tor");
    let far = |more: &str| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {{name: far}}, spec: {{
               peerIP: {loopback}, asNumber: 65002, sourceAddress: UseNodeIP{more}}}}}"
        )
    };
    site.apply(&far(""));
    site.run();
    let route = |site: &Site| site.host().netns().run("ip", &["-4", "route", "show", "10.99.0.2/32"]);
    site.await_report("has the session", |report| report["peers"].to_string().contains(loopback));
    assert_eq!(route(&site), "", "no way leads there");
    site.apply(&far(", reachableBy: 10.0.0.2"));
    site.tor().wait_established(ADDRESS);
    site.tor().wait_route(BLOCK);
    wait_for("the kernel's route to the peer", PATIENCE, || {
        let found = route(&site);
        ensure(found.starts_with("10.99.0.2 via 10.0.0.2 dev eth0 proto 158 metric 1024"), || found)
    });
    let told = site.tor().prefixes();
    assert!(!told.contains("10.99.0.2/32"), "{told}");
    site.apply(&far(""));
    wait_for("the route is gone", PATIENCE, || ensure(route(&site).is_empty(), || route(&site)));
}

/// `keepaliveTime`: so often the peer hears of the node; by default it were a third of the Hold Time.
pub(crate) fn keepalives(store: &dyn Store) {
    let site = Site::start("kubernetes::sessions::keepalives", store);
    let before = site.tor().wait_established(ADDRESS).incarnation;
    let timers = |site: &Site| site.peer("10.0.0.2").map(|peer| peer["timers"].clone());
    let usual = timers(&site).unwrap_or_else(|error| panic!("{error}"));
    assert!(usual["keepalive_interval_seconds"].as_u64() > Some(20), "{usual}");
    site.apply(&peer(65002, "keepaliveTime: 1s"));
    wait_for("the interval of KEEPALIVEs", PATIENCE, || {
        let now = timers(&site)?;
        ensure(now["keepalive_interval_seconds"] == 1, || now.to_string())?;
        ensure(now["hold_time_seconds"] == usual["hold_time_seconds"], || now.to_string())
    });
    let sent = |site: &Site| {
        let peer = site.peer("10.0.0.2")?;
        peer["messages"]["sent"]["keepalive"].as_u64().ok_or_else(|| peer.to_string())
    };
    let at_first = sent(&site).unwrap_or_else(|error| panic!("{error}"));
    wait_for("KEEPALIVEs", PATIENCE / 3, || {
        let now = sent(&site)?;
        ensure(now >= at_first + 3, || now.to_string())
    });
    assert_eq!(site.tor().session(ADDRESS).map(|session| session.incarnation), Ok(before), "the session stays");
    site.tor().wait_route(BLOCK);
}

/// `ttlSecurity`: the node takes only packets that have come so far at most, and sends such; both ends have to.
pub(crate) fn ttl_security(store: &dyn Store) {
    let site = Site::start("kubernetes::sessions::ttl_security", store);
    site.tor().wait_established(ADDRESS);
    // The other end wants packets that crossed no router: those of an ordinary session have a TTL of 64.
    site.configure_tor(&bird(65002, "multihop 1; ttl security on;"));
    site.tor().wait_down(ADDRESS);
    site.apply(&peer(65002, "ttlSecurity: 1"));
    site.tor().wait_established(ADDRESS);
    site.tor().wait_route(BLOCK);
    // The other end sends packets that look as if they had come from afar.
    site.configure_tor(&bird(65002, "multihop 64;"));
    site.tor().wait_down(ADDRESS);
    site.apply(&peer(65002, ""));
    site.tor().wait_established(ADDRESS);
    site.tor().wait_route(BLOCK);
}

/// `peerIP` names no interface: Calico's own checks and confd take no zone, and BIRD no link-local address without one. Whoever gets such a
/// peer past them is told why it has no session; all else goes on, and so does the peer once it has an address.
pub(crate) fn link_local(store: &dyn Store) {
    let site = Site::start("kubernetes::sessions::link_local", store);
    let before = site.tor().wait_established(ADDRESS).incarnation;
    let near = |address: &str| {
        format!(
            "{{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {{name: near}}, spec: {{
               peerIP: '{address}', asNumber: 65003}}}}"
        )
    };
    site.apply(&near("fe80::3%eth0"));
    site.await_report("says that there is no zone", |report| {
        let invalid = report["datastore"]["invalid"].to_string();
        invalid.contains("near") && invalid.contains("zone")
    });
    site.apply(
        "{apiVersion: v1, kind: Node, metadata: {name: worker-1, labels: {rack: a}, annotations: {
           projectcalico.org/IPv4Address: 10.0.0.1/24, projectcalico.org/IPv6Address: 'fd00::1/64',
           projectcalico.org/ASNumber: '65001'}}}",
    );
    site.apply(&near("fe80::3"));
    site.await_report("says that the interface is missing", |report| {
        let (invalid, warnings) = (&report["datastore"]["invalid"], report["warnings"].to_string());
        !invalid.to_string().contains("near") && warnings.contains("fe80::3") && warnings.contains("cannot say which")
    });
    site.apply(&near("fd00::2"));
    site.await_report("has the session", |report| report["peers"].to_string().contains("fd00::2"));
    assert_eq!(site.tor().session(ADDRESS).map(|session| session.incarnation), Ok(before));
}
