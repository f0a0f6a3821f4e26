//! What a session is like: `bgp_processor.go`, `buildPeerFromData`, and the template `bird.cfg.template`.

use heddle_bgp_core::{Asn, ClusterId};
use heddle_config::{AddPath, AddPathSend, GracefulRestartMode, NextHopMode, PeerSettings, Seconds};

use super::{config, names, node, only_peer, peer, warned, without_mesh};
use crate::Warning;

fn with(spec: &str) -> PeerSettings {
    PeerSettings::clone(&only_peer(&with_tor(spec), "n1").settings)
}

fn with_tor(spec: &str) -> String {
    without_mesh(&["10.0.0.1/24"]) + &peer("tor", &format!("peerIP: 10.0.0.254, asNumber: 65001, {spec}"))
}

fn next_hop(settings: &PeerSettings) -> NextHopMode {
    settings.families[0].settings.next_hop
}

#[test]
fn as_the_template_has_it() {
    let s = with("");
    assert_eq!((s.hold_time, s.keepalive), (Seconds(240), None));
    assert_eq!((s.connect_retry, s.idle_hold.min, s.idle_hold.max), (Seconds(2), Seconds(1), Seconds(30)));
    assert_eq!(s.families[0].settings.add_path, AddPath { receive: true, send: AddPathSend::All });
    assert_eq!((s.graceful_restart, s.restart_time), (GracefulRestartMode::On, None));
    assert_eq!((s.multihop, s.ttl_security), (Some(64), None));
    assert_eq!(s.local_address, Some("10.0.0.1".parse().unwrap()));
    assert!(!s.passive && !s.enforce_first_as && !s.route_reflector_client);
    assert_eq!((s.local_as, s.allow_own_as, s.port), (None, 0, 179));
}

#[test]
fn source_address() {
    assert_eq!(with("sourceAddress: None").local_address, None);
}

/// `ttl security on; multihop n`: TTLs from 256 - n.
#[test]
fn ttl_security() {
    let s = with("ttlSecurity: 1");
    assert_eq!((s.multihop, s.ttl_security), (None, Some(1)));
    assert_eq!(with("ttlSecurity: 0").ttl_security, None);
}

#[test]
fn timers() {
    let s = with("maxRestartTime: 90s, keepaliveTime: 20s");
    assert_eq!((s.restart_time, s.keepalive), (Some(Seconds(90)), Some(Seconds(20))));
    let (config, warnings) = warned(&with_tor("maxRestartTime: 2h, keepaliveTime: 2m"), "n1");
    let s = &config.peers[0].settings;
    assert_eq!((s.restart_time, s.keepalive), (Some(Seconds(4095)), Some(Seconds(80))));
    assert!(matches!(&warnings[..], [Warning::LongKeepalive { .. }, Warning::LongRestartTime { .. }]), "{warnings:?}");
}

#[test]
fn next_hop_modes() {
    assert_eq!(next_hop(&with("")), NextHopMode::Auto);
    assert_eq!(next_hop(&with("nextHopMode: Auto")), NextHopMode::Auto);
    assert_eq!(next_hop(&with("nextHopMode: Self")), NextHopMode::SelfAddress);
    assert_eq!(next_hop(&with("nextHopMode: Keep")), NextHopMode::Unchanged);
}

/// The field that `nextHopMode` replaced counts on eBGP sessions only.
#[test]
fn keep_original_next_hop() {
    assert_eq!(next_hop(&with("keepOriginalNextHop: true")), NextHopMode::Unchanged);
    let internal = with_tor("keepOriginalNextHop: true").replace("65001", "64512");
    assert_eq!(next_hop(&only_peer(&internal, "n1").settings), NextHopMode::Auto);
}

/// BIRD's `local as`: the AS instead of ours, on the session and in AS_PATHs; and what is internal follows it.
#[test]
fn local_as() {
    let s = with("localASNumber: 65010, numAllowedLocalASNumbers: 2");
    let local = s.local_as.unwrap();
    assert_eq!((local.asn, local.no_prepend, local.replace_as), (Asn(65010), true, true));
    assert_eq!(s.allow_own_as, 2);
    assert_eq!(with("localASNumber: 64512").local_as, None, "that is ours");
    let chain = |spec| with(spec).families[0].settings.export_policy.clone();
    assert_eq!(chain("localASNumber: 65010"), ["export-ipv4-ebgp"]);
    assert_eq!(chain("localASNumber: 65001"), ["export-ipv4-ibgp"]);
}

/// Of sessions by selector neither counts.
#[test]
fn local_as_is_for_addresses() {
    let manifests = without_mesh(&["10.0.0.1/24"])
        + &node("n2", "rr: \"1\"", "ipv4Address: 10.0.0.2/24")
        + &peer("rr", "node: n1, peerSelector: has(rr), localASNumber: 65010, numAllowedLocalASNumbers: 2");
    let s = only_peer(&manifests, "n1").settings;
    assert_eq!((s.local_as, s.allow_own_as), (None, 0));
}

/// Internal peers of a reflector are clients, unless they are reflectors of the same cluster; of a peer by address nobody
/// knows.
#[test]
fn clients() {
    let rr = |name, n, cluster| {
        let bgp = format!("ipv4Address: 10.0.0.{n}/24, routeReflectorClusterID: 244.0.0.{cluster}");
        node(name, "rr: \"1\"", &bgp)
    };
    let manifests = without_mesh(&["10.0.0.1/24"])
        + &rr("rr1", 11, 1)
        + &rr("rr2", 12, 1)
        + &rr("rr3", 13, 2)
        + &peer("rrs", "nodeSelector: all(), peerSelector: has(rr)")
        + &peer("same-by-address", "node: rr3, peerIP: 10.0.0.200, asNumber: 64512")
        + &peer("external", "node: rr1, peerIP: 10.0.0.254, asNumber: 65001");
    let config = config(&manifests, "rr1");
    assert_eq!(config.router.cluster_id, ClusterId(u32::from_be_bytes([244, 0, 0, 1])));
    let clients: Vec<_> =
        config.peers.iter().map(|p| (p.address.to_string(), p.settings.route_reflector_client)).collect();
    let expected = [("10.0.0.1", true), ("10.0.0.12", false), ("10.0.0.13", true), ("10.0.0.254", false)];
    assert_eq!(clients, expected.map(|(a, c)| (a.to_owned(), c)));
    assert!(
        super::config(&manifests, "rr3").peer(&super::address("10.0.0.200")).unwrap().settings.route_reflector_client
    );
    assert!(super::config(&manifests, "n1").peers.iter().all(|p| !p.settings.route_reflector_client));
}

/// BIRD's `next hop self` is for reflected routes too; our mode leaves them alone (RFC 4456 §10), a policy does not.
#[test]
fn next_hop_self_of_a_reflector() {
    let manifests = without_mesh(&["10.0.0.1/24"])
        + &node("rr", "", "ipv4Address: 10.0.0.9/24, routeReflectorClusterID: 10.0.0.9")
        + &peer("clients", "node: rr, peerSelector: \"!has(rr)\", nextHopMode: Self");
    let config = config(&manifests, "rr");
    let chain = &config.peers[0].settings.families[0].settings.export_policy;
    assert_eq!(chain[..], ["next-hop-self", "export-ipv4-ibgp"]);
    let n1 = &super::config(&manifests, "n1").peers[0].settings.families[0].settings.export_policy;
    assert_eq!(n1[..], ["export-ipv4-ibgp"]);
}

/// Of explicit sessions only global ones toward another node are passive by address.
#[test]
fn who_waits() {
    let passive = |spec: &str| {
        let manifests = without_mesh(&["10.0.0.1/24", "10.0.0.2/24"]) + &peer("p", spec);
        only_peer(&manifests, "n1").settings.passive
    };
    assert!(passive("peerIP: 10.0.0.2, asNumber: 64512"));
    assert!(!passive("node: n1, peerIP: 10.0.0.2, asNumber: 64512"));
    assert!(!passive("peerIP: 10.0.0.254, asNumber: 64512"), "no node");
    assert!(!passive("peerSelector: all()"));
}

/// `reachableBy`: a route to the peer, so that it does not come and go with what peers say.
#[test]
fn reachable_by() {
    let config = config(&with_tor("reachableBy: 10.0.0.253"), "n1");
    let routes = config.fib.unwrap().static_routes;
    let texts: Vec<String> = routes.iter().map(|r| format!("{} via {}", r.prefix, r.via)).collect();
    assert_eq!(texts, ["10.0.0.254/32 via 10.0.0.253"]);
}

#[test]
fn no_as() {
    let manifests = without_mesh(&["10.0.0.1/24"]) + &peer("tor", "peerIP: 10.0.0.254");
    let (_, warnings) = warned(&manifests, "n1");
    assert!(matches!(&warnings[..], [Warning::NoPeerAs { used: Asn(64512), .. }]), "{warnings:?}");
    assert_eq!(names(&manifests, "n1"), ["Global_10_0_0_254"]);
}
