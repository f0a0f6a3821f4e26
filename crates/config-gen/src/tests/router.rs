//! `bgp_processor.go`, `populateNodeConfig`.

use heddle_bgp_core::{Asn, BgpId};
use heddle_config::ListenAddress;

use super::{cluster, config, configuration, mesh, node, object};
use crate::{NodeContext, Waiting, Warning, generate};

fn id(octets: [u8; 4]) -> BgpId {
    BgpId(u32::from_be_bytes(octets))
}

#[test]
fn nothing_to_do_yet() {
    let generated = super::generated("", "n1");
    assert_eq!((generated.config, generated.waiting), (None, Some(Waiting::Node("n1".into()))));
    let generated = super::generated(&node("n1", "", "ipv6Address: \"fd00::1/64\""), "n1");
    assert_eq!((generated.config, generated.waiting), (None, Some(Waiting::RouterId("n1".into()))));
}

/// The node's IPv4 address; `CALICO_ROUTER_ID`; its hash (`template/util.go`, `HashToIPv4`; the value is that of Calico's
/// own test of it).
#[test]
fn router_id() {
    let manifests = node("kube-master", "", "ipv4Address: 10.0.0.1/24");
    let with = |text: Option<&str>| {
        let mut context = NodeContext::new("kube-master");
        context.router_id = text.map(|t| t.parse().unwrap());
        generate(&cluster(&manifests), &context).config.unwrap().router.router_id
    };
    assert_eq!(with(None), id([10, 0, 0, 1]));
    assert_eq!(with(Some("10.9.9.9")), id([10, 9, 9, 9]));
    assert_eq!(with(Some("hash")), id([25, 79, 212, 8]));
    // The octets of its SHA-256 begin with 245, which no address of a host does: less 32.
    assert_eq!(crate::router::hash("node-18"), id([213, 194, 139, 227]));
    for wrong in ["", "0.0.0.0", "10.0.0", "Hash", "fd00::1"] {
        assert!(wrong.parse::<crate::RouterIdSource>().is_err(), "{wrong:?}");
    }
}

#[test]
fn a_router_id_of_two_nodes() {
    let mut context = NodeContext::new("n1");
    context.router_id = Some("10.0.0.2".parse().unwrap());
    let generated = generate(&cluster(&mesh::nodes(&["10.0.0.1/24", "10.0.0.2/24"])), &context);
    let [warning] = &generated.warnings[..] else { panic!("{:?}", generated.warnings) };
    assert_eq!(warning.to_string(), "router id 10.0.0.2 is that of two nodes: n1 and n2");
    assert!(matches!(warning, Warning::SharedRouterId { .. }));
}

#[test]
fn asn() {
    let of = |spec: &str, bgp: &str| config(&(configuration(spec) + &node("n1", "", bgp)), "n1").router.asn;
    assert_eq!(of("", "ipv4Address: 10.0.0.1/24"), Asn(64512));
    assert_eq!(of("asNumber: 65010", "ipv4Address: 10.0.0.1/24"), Asn(65010));
    assert_eq!(of("asNumber: 65010", "ipv4Address: 10.0.0.1/24, asNumber: 65020"), Asn(65020));
}

/// One socket a family that the node has; on its address only if `bindMode` says so; the node's port before the global.
#[test]
fn listen() {
    let of = |global: &str, own: &str| -> Vec<String> {
        let manifests = configuration(global)
            + &object("BGPConfiguration", "node.n1", "", own)
            + &node("n1", "", "ipv4Address: 10.0.0.1/24, ipv6Address: \"fd00::1/64\"");
        config(&manifests, "n1").router.listen.iter().map(ListenAddress::to_string).collect()
    };
    assert_eq!(of("", ""), ["0.0.0.0:179", "[::]:179"]);
    assert_eq!(of("bindMode: NodeIP, listenPort: 1179", ""), ["10.0.0.1:1179", "[fd00::1]:1179"]);
    assert_eq!(of("bindMode: None, listenPort: 1179", "listenPort: 2179"), ["0.0.0.0:2179", "[::]:2179"]);
    assert_eq!(of("", "bindMode: NodeIP"), ["0.0.0.0:179", "[::]:179"], "that is for all nodes only");
}

#[test]
fn log_level() {
    let of = |global: &str, own: &str, environment: Option<&str>| {
        let manifests = configuration(global)
            + &object("BGPConfiguration", "node.n1", "", own)
            + &node("n1", "", "ipv4Address: 10.0.0.1/24");
        let mut context = NodeContext::new("n1");
        context.log_severity = environment.map(|_| heddle_resources::bgp_configuration::LogSeverity::Trace);
        generate(&cluster(&manifests), &context).config.unwrap().log.level
    };
    assert_eq!(of("", "", None), "info");
    assert_eq!(of("logSeverityScreen: Warning", "", None), "warn");
    assert_eq!(of("logSeverityScreen: Warning", "logSeverityScreen: Debug", None), "debug");
    assert_eq!(of("logSeverityScreen: Warning", "logSeverityScreen: Debug", Some("trace")), "trace");
}

/// `merge paths on`, and no 240 s of silence after a start.
#[test]
fn decision() {
    let router = config(&node("n1", "", "ipv4Address: 10.0.0.1/24"), "n1").router;
    let multipath = router.decision.multipath;
    assert_eq!((multipath.ebgp, multipath.ibgp, multipath.as_path_relax), (16, 16, true));
    assert!(router.decision.resolve_next_hops);
    assert_eq!(router.graceful_restart.selection_deferral_time, heddle_config::Seconds(10));
    assert_eq!(router.graceful_restart.restart_time, heddle_config::Seconds(120));
}
