//! Transcripts as Calico's readers take them: their own samples are the measure of the form.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use heddle_admin::BindError;
use heddle_admin::types::{Destination, NodeReport, Peer, PeerName, PeerSummary, Summary, WallTime};
use heddle_fib_sync::{LocalKind, LocalRoute};
use serde_json::{Value, json};
use tokio::sync::Semaphore;

use super::routes::{Around, Which, lines};
use super::{Command, Daemon, Failure, Reply, in_turn, not_bound, protocols, status};

fn time(text: &str) -> WallTime {
    serde_json::from_value(json!(text)).expect("a time")
}

fn node() -> NodeReport {
    let peer =
        |address: &str, name: &str| PeerName { address: address.into(), name: name.into(), ..PeerName::default() };
    let peers = [
        peer("172.17.8.102", "Mesh_172_17_8_102"),
        peer("172.17.8.104", "Node_172_17_8_104_port_1179"),
        peer("192.168.0.9", "Local_Workload_192_168_0_9"),
        peer("100.100.100.100", "Global_100_100_100_100"),
        peer("fd80:24e2:f998:72d7::2", "Mesh_fd80_24e2_f998_72d7__2"),
    ];
    NodeReport { peers: peers.into(), ..NodeReport::default() }
}

fn peer(address: &str, state: &str, more: &Value) -> Peer {
    let mut peer = json!({
        "address": address, "asn": 64512, "local_asn": 64512, "peer_type": "ibgp", "state": state,
        "state_since": "2026-11-21T20:10:57Z", "state_seconds": 2266,
        "router_id": "172.17.8.102",
        "transport": { "local_address": "172.17.8.101", "multihop_ttl": 64 },
        "timers": { "hold_time_seconds": 90, "hold_remaining_seconds": 66,
                    "keepalive_interval_seconds": 30, "keepalive_remaining_seconds": 18 },
        "capabilities": [
            { "code": 2, "name": "route_refresh", "advertised": true, "received": true },
            { "code": 65, "name": "four_octet_as", "advertised": true, "received": true },
            { "code": 69, "name": "add_path", "advertised": true, "received": false },
        ],
        "families": [{ "family": "ipv4-unicast", "negotiated": true, "accepted": 3, "advertised": 2, "best": 1,
                       "export_policy": "mesh-out",
                       "counters": { "import_updates": { "received": 4, "rejected": 0, "filtered": 1, "ignored": 0, "accepted": 3 } } }],
    });
    if let (Some(fields), Some(more)) = (peer.as_object_mut(), more.as_object()) {
        fields.extend(more.clone());
    }
    serde_json::from_value(peer).expect("a peer")
}

fn peers() -> Vec<Peer> {
    let refused = json!({ "connect_error": {
        "at": "2026-11-21T20:10:57Z", "seconds_ago": 1, "code": "refused", "text": "connection\nrefused", "attempts": 7 } });
    vec![
        peer("172.17.8.102", "established", &json!({})),
        peer("172.17.8.104", "active", &refused),
        peer("192.168.0.9", "idle", &json!({ "admin_state": "down", "state_seconds": 72_000 })),
        peer("203.0.113.1", "active", &json!({ "down_reason": { "code": "passive", "text": "it connects" } })),
        peer("fd80:24e2:f998:72d7::2", "established", &json!({})),
    ]
}

fn summaries() -> Vec<PeerSummary> {
    peers().into_iter().map(PeerSummary::from).collect()
}

fn summary(restarting: bool) -> Summary {
    let summary = json!({
        "version": { "started_at": "2021-09-19T20:10:56Z" },
        "router": { "asn": 64512, "router_id": "172.17.0.3", "cluster_id": null },
        "uptime_seconds": 3, "config_file": null, "config_applied_at": "2021-09-19T20:10:57Z",
        "restarting": restarting, "peers": { "total": 3, "established": 1 }, "families": [],
        "memory_bytes": null, "tasks": null, "attribute_bytes": 0, "journal_bytes": 0,
    });
    serde_json::from_value(summary).expect("a summary")
}

#[test]
fn status_is_that_of_a_daemon_that_runs() {
    assert_eq!(
        status::at(&summary(false), time("2021-09-19T20:48:43Z")).text(),
        "1000-BIRD v0.3.3+birdv1.6.8\n\
         1011-Router ID is 172.17.0.3\n \
         Current server time is 2021-09-19 20:48:43\n \
         Last reboot on 2021-09-19 20:10:56\n \
         Last reconfiguration on 2021-09-19 20:10:57\n\
         0013 Daemon is up and running\n"
    );
}

/// By this line calico-node knows that it is not ready yet.
#[test]
fn status_says_that_a_restart_is_under_way() {
    let text = status::at(&summary(true), time("2021-09-19T20:48:43Z"));
    let (_, restart) = text.text().split_once("20:10:57\n").expect("the times");
    assert_eq!(
        restart,
        "0024-Graceful restart recovery in progress\n   Waiting for 2 protocols to recover\n   Wait timer is 7/10\n\
         0013 Daemon is up and running\n"
    );
}

/// Names without a port, and workloads as peers of the node: readers know no others.
#[test]
fn protocols_are_a_table_of_peers() {
    assert_eq!(
        protocols::table(Daemon::V4, &summaries(), &node()).text(),
        "2002-name     proto    table    state  since       info\n\
         1002-static1  Static   master   up                 \n \
         kernel1  Kernel   master   up                 \n \
         device1  Device   master   up                 \n \
         direct1  Direct   master   up                 \n \
         Mesh_172_17_8_102 BGP      master   up     20:10:57    Established   \n \
         Node_172_17_8_104 BGP      master   start  20:10:57    Active        Socket: connection refused\n \
         Node_192_168_0_9 BGP      master   down   2026-11-21  Idle          \n \
         Global_203_0_113_1 BGP      master   start  20:10:57    Active        \n\
         0000 \n"
    );
    let v6 = protocols::table(Daemon::V6, &summaries(), &node());
    assert!(v6.text().contains("\n Mesh_fd80_24e2_f998_72d7__2 BGP "), "{}", v6.text());
    assert!(!v6.text().contains("172"), "{}", v6.text());
}

#[test]
fn a_protocol_is_told_in_full() {
    let mut reply = Reply::default();
    protocols::heading(&mut reply);
    protocols::detail(&mut reply, "Mesh_172_17_8_102", &peers()[0]);
    reply.end(true);
    assert_eq!(
        reply.text(),
        "2002-name     proto    table    state  since       info\n\
         1002-Mesh_172_17_8_102 BGP      master   up     20:10:57    Established   \n\
         1006-  Description:    Connection to BGP peer\n   \
         Preference:     100\n   \
         Input filter:   ACCEPT\n   \
         Output filter:  mesh-out\n   \
         Routes:         3 imported, 2 exported, 1 preferred\n   \
         Route change stats:     received   rejected   filtered    ignored   accepted\n     \
         Import updates:              4          0          1          0          3\n     \
         Import withdraws:          ---        ---        ---        ---        ---\n     \
         Export updates:            ---        ---        ---        ---        ---\n     \
         Export withdraws:          ---        ---        ---        ---        ---\n   \
         BGP state:          Established\n     \
         Neighbor address: 172.17.8.102\n     \
         Neighbor AS:      64512\n     \
         Neighbor ID:      172.17.8.102\n     \
         Neighbor caps:    refresh AS4\n     \
         Session:          internal multihop AS4\n     \
         Source address:   172.17.8.101\n     \
         Hold timer:       66/90\n     \
         Keepalive timer:  18/30\n \n\
         0000 \n"
    );
    let mut reply = Reply::default();
    protocols::detail(&mut reply, "Node_172_17_8_104", &peers()[1]);
    let (_, end) = reply.text().split_once("  BGP state:").expect("a state");
    assert_eq!(
        end,
        "          Active\n     Neighbor address: 172.17.8.104\n     Neighbor AS:      64512\n     \
         Last error:       Socket: connection refused\n \n"
    );
}

fn around() -> Around {
    let leg = |via: &str| json!({ "via": via, "interface": "eth0", "weight": 1, "onlink": false });
    let route = |legs: Vec<Value>| {
        let route = json!({ "kind": "unicast", "metric": 1024, "protocol": 158, "legs": legs });
        serde_json::from_value(route).expect("a route")
    };
    let kernel = [
        ("192.168.110.128/26", vec![leg("172.17.8.102")]),
        ("192.168.82.0/26", vec![leg("172.17.8.104"), leg("172.17.8.105")]),
        ("10.9.0.0/16", vec![leg("172.17.0.1")]),
    ];
    let local = |prefix: &str, interface: &str, kind: LocalKind| LocalRoute {
        prefix: prefix.parse().expect("a prefix"),
        interface: Some(Arc::from(interface)),
        metric: None,
        kind,
    };
    let local = [
        local("192.168.162.129/32", "calie58e37f9a7f", LocalKind::Workload),
        local("172.17.0.0/16", "eth0", LocalKind::Connected),
    ];
    let kernel = kernel.into_iter().map(|(p, legs)| (p.parse().expect("a prefix"), route(legs))).collect();
    Around::new(&node(), kernel, local.into(), time("2026-11-21T20:11:00Z"))
}

fn destination(prefix: &str, paths: &[Value]) -> Destination {
    serde_json::from_value(json!({ "prefix": prefix, "paths": paths })).expect("a destination")
}

fn path(status: &str, peer: &str, next_hop: &str, as_path: &str) -> Value {
    let attributes = json!({ "origin": "igp", "as_path": as_path, "next_hop": next_hop });
    let origin = if as_path.is_empty() { "ibgp" } else { "ebgp" };
    json!({ "status": status, "origin_type": origin, "peer": peer, "age_seconds": 3, "igp_cost": 0, "attributes": attributes })
}

fn own() -> Value {
    json!({ "status": "best", "origin_type": "local", "age_seconds": 80_000, "attributes": { "origin": "igp" } })
}

#[test]
fn routes_have_gateways_and_who_told_of_them() {
    let shown = |prefix: &str, paths: &[Value]| lines(&destination(prefix, paths), &Which::default(), &around());
    let mesh = |status: &str| path(status, "172.17.8.102", "172.17.8.102", "");
    assert_eq!(
        shown("192.168.110.128/26", &[mesh("best")]),
        ["192.168.110.128/26 via 172.17.8.102 on eth0 [Mesh_172_17_8_102 20:10:57] * (100/0) [i]"]
    );
    // Over several gateways, and one more that is not used; the interface is that of other routes by its gateway.
    let several = [
        path("best", "172.17.8.104", "172.17.8.104", "65001 65002"),
        path("multipath", "172.17.8.104", "172.17.8.105", "65001 65003"),
        path("valid", "100.100.100.100", "172.17.0.1", "65001"),
        path("rejected", "100.100.100.100", "172.17.0.1", "65001"),
        path("ineligible", "100.100.100.100", "10.0.0.77", "65001"),
    ];
    assert_eq!(
        shown("192.168.82.0/26", &several),
        [
            "192.168.82.0/26    via 172.17.8.104 on eth0 [Node_172_17_8_104 20:10:57] * (100/0) [AS65002i]",
            "                   via 172.17.8.105 on eth0 [Node_172_17_8_104 20:10:57 from 172.17.8.104] * (100/0) [AS65003i]",
            "                   via 172.17.0.1 on eth0 [Global_100_100_100_100 20:10:57 from 100.100.100.100] (100/0) [AS65001i]",
            "                   unreachable [Global_100_100_100_100 20:10:57] (100/-) [AS65001i]",
        ]
    );
    // A next hop behind another gateway: what the kernel has.
    assert_eq!(
        shown("10.9.0.0/16", &[path("best", "172.17.8.102", "10.77.0.1", "")]),
        ["10.9.0.0/16        via 172.17.0.1 on eth0 [Mesh_172_17_8_102 20:10:57 from 172.17.8.102] * (100/0) [i]"]
    );
    assert_eq!(shown("192.168.162.128/26", &[own()]), ["192.168.162.128/26 blackhole [static1 2026-11-20] * (200)"]);
    assert_eq!(
        shown("192.168.162.129/32", &[own()]),
        ["192.168.162.129/32 dev calie58e37f9a7f [kernel1 2026-11-20] * (10)"]
    );
    assert_eq!(shown("172.17.0.0/16", &[own()]), ["172.17.0.0/16      dev eth0 [direct1 2026-11-20] * (240)"]);
}

#[test]
fn routes_can_be_chosen() {
    let two = destination(
        "192.168.82.0/26",
        &[path("best", "172.17.8.104", "172.17.8.104", ""), path("valid", "172.17.8.102", "172.17.8.105", "")],
    );
    let shown = |words: &[&str]| lines(&two, &Which::parse(words).expect("it is understood"), &around()).len();
    assert_eq!([shown(&[]), shown(&["primary"]), shown(&["protocol", "Mesh_172_17_8_102"])], [2, 1, 1]);
    assert_eq!(shown(&["protocol", "\"Mesh_172_17_8_102\"", "primary"]), 0);
    for wrong in [&["export", "x"][..], &["protocol"], &["for"], &["for", "x"], &["10.0.0.0/33"], &["all"]] {
        assert_eq!(Which::parse(wrong), None, "{wrong:?}");
    }
    assert!(Which::parse(&["for", "10.0.0.1"]).is_some() && Which::parse(&["10.0.0.0/8", "count"]).is_some());
}

#[test]
fn commands_are_those_of_birds_client() {
    let parse = Command::parse;
    assert_eq!(parse("show status\n"), Command::Status);
    assert_eq!(parse("  show   protocols ; \r\n"), Command::Protocols);
    assert_eq!(parse("show protocols all\n"), Command::ProtocolsAll(None));
    assert_eq!(parse("show protocols all \"Mesh_1\"\n"), Command::ProtocolsAll(Some("Mesh_1")));
    assert_eq!(parse("show route\n"), Command::Routes(Which::default()));
    assert_eq!(parse("restrict\n"), Command::Restrict);
    for refused in ["configure soft", "down", "disable all", "restart Mesh_1", "reload in all", "debug all all"] {
        assert_eq!(parse(refused), Command::Refused, "{refused}");
    }
    for unknown in ["", "show", "show interfaces", "show route all", "GET / HTTP/1.1", "\u{0}"] {
        assert_eq!(parse(unknown), Command::Unknown, "{unknown}");
    }
}

/// A gateway that is reached by several interfaces is shown with the same one each time.
#[test]
fn a_gateway_has_one_interface() {
    let leg = |interface: String| json!({ "via": "10.0.0.1", "interface": interface, "weight": 1, "onlink": false });
    let route = |number: u8| {
        let legs = [leg(format!("eth{number}"))];
        let route = json!({ "kind": "unicast", "metric": 1024, "protocol": 158, "legs": legs });
        let prefix = format!("10.1.{number}.0/24").parse().expect("a prefix");
        (prefix, serde_json::from_value(route).expect("a route"))
    };
    let one = destination("10.9.0.0/16", &[path("valid", "172.17.8.102", "10.0.0.1", "")]);
    for _ in 0..20 {
        let around = Around::new(&node(), (1..=9).map(route).collect(), Vec::new(), time("2026-11-21T20:11:00Z"));
        let shown = lines(&one, &Which::default(), &around);
        assert!(shown.iter().all(|line| line.contains("via 10.0.0.1 on eth1 [")) && shown.len() == 1, "{shown:?}");
    }
}

/// A client that reads slowly does not keep others waiting for ever.
#[tokio::test]
async fn a_walk_without_end_is_ended() {
    let walks = Semaphore::new(1);
    let walk = in_turn(&walks, Duration::from_millis(1), std::future::pending());
    let ended = tokio::time::timeout(Duration::from_secs(60), walk).await.expect("it is ended");
    assert!(matches!(&ended, Err(Failure::Client(error)) if error.kind() == io::ErrorKind::TimedOut), "{ended:?}");
    let next = in_turn(&walks, Duration::from_secs(60), async { Ok(()) });
    assert!(next.await.is_ok(), "it is the next one's turn");
}

#[test]
fn what_cannot_be_bound_names_the_right_option() {
    let path = || std::path::PathBuf::from("/run/calico/bird.ctl");
    for error in [
        BindError::InUse { path: path(), pid: None },
        BindError::NotASocket { path: path() },
        BindError::TooLong { path: path(), length: 200 },
        BindError::Io { action: "bind", path: path(), source: io::ErrorKind::PermissionDenied.into() },
    ] {
        let text = not_bound(&error);
        assert!(text.contains("/run/calico/bird.ctl") && !text.contains("--socket"), "{text}");
    }
    assert!(not_bound(&BindError::NotASocket { path: path() }).contains("--bird-ctl DIR"));
}
