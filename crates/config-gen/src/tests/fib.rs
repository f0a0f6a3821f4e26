//! `calico_kernel_programming` and what is static: `bgp_processor.go`, `processIPPool`, `processWireguardPeerFilter`.

use heddle_config::{Fib, FibAction, FibRule};

use super::{config, configuration, mesh, node, object};

fn pools() -> String {
    object("IPPool", "z-plain", "", "cidr: 172.17.0.0/16")
        + &object("IPPool", "ipip", "", "cidr: 192.168.0.0/16, ipipMode: Always")
        + &object("IPPool", "cross", "", "cidr: 172.16.0.0/16, ipipMode: CrossSubnet")
        + &object("IPPool", "vxlan", "", "cidr: 10.244.0.0/16, vxlanMode: Always")
        + &object("IPPool", "six", "", "cidr: \"fd00:1::/64\"")
        + &object("IPPool", "six-vxlan", "", "cidr: \"fd00:2::/64\", vxlanMode: CrossSubnet")
}

fn shown(fib: &Fib) -> Vec<String> {
    let of = |rule: &FibRule| {
        let action = match &rule.action {
            FibAction::Install => "install".to_owned(),
            FibAction::Reject => "reject".to_owned(),
            FibAction::Tunnel(t) => format!("{} except {:?}", t.interface, t.except),
        };
        let prefixes = rule.prefixes.iter().map(ToString::to_string);
        let matches: Vec<String> = prefixes.chain(rule.next_hops.iter().map(|ip| format!("via {ip}"))).collect();
        format!("{} {action}", matches.join(", "))
    };
    fib.rules.iter().map(of).collect()
}

fn rules(spec: &str) -> Vec<String> {
    let manifests = mesh::nodes(&["10.0.0.1/24", "10.0.0.2/24"]) + &pools() + &configuration(spec);
    shown(&config(&manifests, "n1").fib.unwrap())
}

const VXLAN: [&str; 2] = ["10.244.0.0/16 le 32 reject", "fd00:2::/64 le 128 reject"];

/// In the order of the texts; of IPv6 only what is rejected.
#[test]
fn whose_pools() {
    let [v4, v6] = VXLAN;
    let plain = "172.17.0.0/16 le 32 install";
    let ipip = "192.168.0.0/16 le 32 tunl0 except []";
    let cross = "172.16.0.0/16 le 32 tunl0 except [10.0.0.0/24]";
    let not = ["172.16.0.0/16 le 32 reject", "172.17.0.0/16 le 32 reject", "192.168.0.0/16 le 32 reject"];
    assert_eq!(rules(""), [v4, not[0], plain, not[2], v6]);
    assert_eq!(rules("programClusterRoutes: EnabledNoEncapOnly"), [v4, not[0], plain, not[2], v6]);
    assert_eq!(rules("programClusterRoutes: Enabled"), [v4, cross, plain, ipip, v6]);
    let six = "fd00:1::/64 le 128 reject";
    assert_eq!(rules("programClusterRoutes: EnabledIPIPOnly"), [v4, cross, not[1], ipip, six, v6]);
    assert_eq!(rules("programClusterRoutes: Disabled"), [v4, not[0], not[1], not[2], six, v6]);
}

/// Whether any workload peers changes while a node runs, and between two runs; whose routes are whose may not change with it.
#[test]
fn the_number_of_routes_by_workloads_is_there_with_and_without_such_peers() {
    let nodes = mesh::nodes(&["10.0.0.1/24", "10.0.0.2/24"]);
    let child = object("BGPPeer", "child", "", "localWorkloadSelector: color == 'red', asNumber: 65030");
    for manifests in [nodes.clone(), nodes + &child] {
        let fib = config(&manifests, "n1").fib.unwrap();
        assert_eq!((fib.workload_protocol, fib.protocol), (Some(12), Fib::PROTOCOL));
    }
}

/// A node without an IPv4 address has no IPv4 rules for pools.
#[test]
fn without_a_network() {
    let manifests = node("n1", "", "ipv6Address: \"fd00::1/64\"") + &pools();
    let mut context = crate::NodeContext::new("n1");
    context.router_id = Some("10.9.9.9".parse().unwrap());
    let generated = crate::generate(&super::cluster(&manifests), &context);
    assert_eq!(shown(&generated.config.unwrap().fib.unwrap()), ["fd00:2::/64 le 128 reject"]);
}

/// Between two nodes with WireGuard routes are Felix's; others are reached as ever.
#[test]
fn wireguard() {
    let wg =
        |name: &str, n: u8, spec: &str| object("Node", name, "", &format!("bgp: {{ipv4Address: 10.0.0.{n}/24}}{spec}"));
    let on = ", wireguard: {interfaceIPv4Address: 10.244.0.9}";
    let three = wg("n2", 2, on) + &wg("n3", 3, "") + &wg("n4", 4, on);
    let with = config(&(wg("n1", 1, on) + &three), "n1");
    assert_eq!(shown(&with.fib.unwrap()), ["via 10.0.0.2, via 10.0.0.4 reject"]);
    let without = config(&(wg("n1", 1, "") + &three), "n1");
    assert_eq!(shown(&without.fib.unwrap()), Vec::<String>::new());
}

/// `direct`: the configured patterns before those that are always there.
#[test]
fn interfaces() {
    let manifests = mesh::nodes(&["10.0.0.1/24"]) + &configuration("ignoredInterfaces: [\"docker*\", lo1]");
    let fib = config(&manifests, "n1").fib.unwrap();
    assert_eq!(fib.ignored_interfaces, ["docker*", "lo1", "kube-ipvs*"]);
    assert_eq!(fib.workload_interfaces, ["cali*", "heddle*"]);
    assert_eq!((fib.table, fib.protocol, fib.stale_time), (254, 158, heddle_config::Seconds(10)));
}
