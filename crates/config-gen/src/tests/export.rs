//! `bird_ipam.cfg.template` and `bird_aggr.cfg.template`: `calico_export_to_bgp_peers`, `calico_aggr`,
//! `apply_communities`.

use heddle_config::{Community, Config, PolicyDefault, Range, RouteType, Rule, RuleAction};

use super::{cluster, config, configuration, mesh, node, object, peer, policy};
use crate::{NodeContext, PodCidrs, generate};

const M: u32 = 2_147_483_647;

fn block(cidr: &str, node: &str, state: &str) -> String {
    let name = format!("{node}-{}", cidr.replace(['.', ':', '/'], "-"));
    object(
        "BlockAffinity",
        &name,
        "",
        &format!("node: {node}, cidr: \"{cidr}\", state: \"{state}\", deleted: \"false\""),
    )
}

fn two() -> String {
    mesh::nodes(&["10.0.0.1/24", "10.0.0.2/24"])
}

/// Each rule as `prefixes -> action`.
fn shown(config: &Config, name: &str) -> Vec<String> {
    let of = |rule: &Rule| {
        let c = &rule.conditions;
        let mut parts: Vec<String> = c.prefixes.iter().map(ToString::to_string).collect();
        parts.extend(c.interfaces.iter().cloned());
        parts.extend(c.local_pref.map(|r| format!("metric {} to {}", M - r.le, M - r.ge)));
        let action = match rule.action {
            RuleAction::Accept => "accept",
            RuleAction::Reject => "reject",
            RuleAction::Next => "next",
        };
        format!("{} -> {action}", parts.join(", "))
    };
    let policy = policy(config, name);
    assert_eq!(policy.default, PolicyDefault::Reject);
    policy.rules.iter().map(of).collect()
}

const TUNNELS: &str = "*.cali, *.calico, tunl0 -> reject";
const BPF: &str = "bpf*.cali -> reject";

/// The order of the whole.
#[test]
fn the_order() {
    let manifests = two()
        + &block("10.244.1.0/26", "n1", "confirmed")
        + &object("IPPool", "hidden", "", "cidr: 10.250.0.0/16, disableBGPExport: true")
        + &object("IPPool", "pods", "", "cidr: 10.244.0.0/16")
        + &object("IPPool", "six", "", "cidr: \"fd00:244::/48\"")
        + &configuration(
            "serviceClusterIPs: [{cidr: 10.96.0.0/12}], \
             prefixAdvertisements: [{cidr: 10.244.0.0/16, communities: [\"65000:7\"]}]",
        )
        + &peer("tor", "node: n1, peerIP: 10.0.0.254, asNumber: 65001");
    let config = config(&manifests, "n1");
    let common = [
        "10.244.0.0/16 le 32 -> next",
        "10.244.1.0/26 -> accept",
        "10.244.1.0/26 le 32, metric 0 to 1023 -> accept",
        "10.244.1.0/26 le 32 -> reject",
        "10.96.0.0/12 le 32 -> accept",
        "10.244.0.0/16 le 32 -> accept",
    ];
    let hidden = "10.250.0.0/16 le 32 -> reject";
    assert_eq!(shown(&config, "export-ipv4-ibgp"), [&[hidden, TUNNELS, BPF], &common[..]].concat());
    assert_eq!(shown(&config, "export-ipv4-ebgp"), [&[hidden, BPF], &common[..]].concat());
    let communities = &policy(&config, "export-ipv4-ebgp").rules[2].modifications.add.communities;
    assert_eq!(communities[..], [Community::Standard(65000 << 16 | 7)]);
}

/// `tunl0` is ours to advertise from where IPIP is ours to put into the kernel.
#[test]
fn tunnels() {
    for (value, expected) in [
        ("Enabled", "*.cali, *.calico -> reject"),
        ("EnabledIPIPOnly", "*.cali, *.calico -> reject"),
        ("EnabledNoEncapOnly", TUNNELS),
        ("Disabled", TUNNELS),
    ] {
        let config = config(&(two() + &configuration(&format!("programClusterRoutes: {value}"))), "n1");
        assert_eq!(shown(&config, "export-ipv4-ibgp"), [expected, BPF], "{value}");
    }
}

/// `client.go`, `updateCache`: pending is none, pendingDeletion is not aggregated, the blocks of others are not ours.
#[test]
fn states_of_blocks() {
    let manifests = two()
        + &block("10.244.0.0/26", "n1", "")
        + &block("10.244.1.0/26", "n1", "pending")
        + &block("10.244.2.0/26", "n1", "pendingDeletion")
        + &block("10.244.3.0/26", "n2", "confirmed")
        + &block("10.244.4.1/32", "n1", "confirmed");
    let config = config(&manifests, "n1");
    let expected = [
        TUNNELS,
        BPF,
        "10.244.0.0/26, 10.244.4.1/32 -> accept",
        "10.244.0.0/26 le 32, 10.244.4.1/32, metric 0 to 1023 -> accept",
        "10.244.0.0/26 le 32, 10.244.4.1/32 -> reject",
    ];
    assert_eq!(shown(&config, "export-ipv4-ibgp"), expected);
    let networks: Vec<String> = config.networks.iter().map(|n| n.prefix.to_string()).collect();
    assert_eq!(networks, ["10.244.0.0/26", "10.244.2.0/26"], "no black hole for a single address");
    assert!(config.networks.iter().all(|n| n.blackhole && n.local_pref == Some(M - 1024)));
}

/// `USE_POD_CIDR` (`client.go`, `getPodCIDRs`): the node's own `podCIDRs` are blocks as if they were confirmed, of each family; those of other
/// nodes are not, nor are any where it is not asked for.
#[test]
fn pod_cidrs() {
    let node = |name: &str, address: &str, cidrs: &str| {
        format!(
            "apiVersion: v1\nkind: Node\nmetadata: {{name: {name}, annotations: {{projectcalico.org/IPv4Address: {address}}}}}\n\
             spec: {{podCIDRs: [{cidrs}]}}\n---\n"
        )
    };
    let manifests = node("n1", "10.0.0.1/24", "10.244.1.0/24, \"fd00:244:1::/64\"")
        + &node("n2", "10.0.0.2/24", "10.244.2.0/24")
        // The same block, given back by Calico's IPAM: it is the node's all the same, and is there once.
        + &block("10.244.1.0/24", "n1", "pendingDeletion")
        + &block("10.245.0.0/26", "n1", "confirmed");
    let config = |pod_cidrs| {
        let context = NodeContext { pod_cidrs, ..NodeContext::new("n1") };
        generate(&cluster(&manifests), &context).config.unwrap()
    };
    let networks = |config: &Config| -> Vec<String> {
        assert!(config.networks.iter().all(|n| n.blackhole && n.local_pref == Some(M - 1024)));
        config.networks.iter().map(|n| n.prefix.to_string()).collect()
    };
    let with = config(PodCidrs::Blocks);
    assert_eq!(networks(&with), ["10.244.1.0/24", "10.245.0.0/26", "fd00:244:1::/64"]);
    let of_block = |action: [&str; 3], cidrs: [&str; 3]| {
        cidrs.into_iter().zip(action).map(|(cidrs, action)| format!("{cidrs} -> {action}")).collect::<Vec<_>>()
    };
    let (actions, tunnels) = (["accept", "accept", "reject"], [TUNNELS.to_owned(), BPF.to_owned()]);
    let v4 = [
        "10.244.1.0/24, 10.245.0.0/26",
        "10.244.1.0/24 le 32, 10.245.0.0/26 le 32, metric 0 to 1023",
        "10.244.1.0/24 le 32, 10.245.0.0/26 le 32",
    ];
    assert_eq!(shown(&with, "export-ipv4-ibgp"), [&tunnels[..], &of_block(actions, v4)].concat());
    let without = config(PodCidrs::Unused);
    assert_eq!(networks(&without), ["10.244.1.0/24", "10.245.0.0/26"], "the affinity that goes");
    let v4 = ["10.245.0.0/26", "10.245.0.0/26 le 32, metric 0 to 1023", "10.245.0.0/26 le 32"];
    assert_eq!(shown(&without, "export-ipv4-ibgp"), [&tunnels[..], &of_block(actions, v4)].concat());
}

/// The metric of ordinary routes is configured, a family at a time.
#[test]
fn normal_route_priority() {
    let manifests = two()
        + &block("10.244.0.0/26", "n1", "confirmed")
        + &block("fd00:244::/122", "n1", "confirmed")
        + &configuration("ipv4NormalRoutePriority: 5000, ipv6NormalRoutePriority: 80");
    let config = config(&manifests, "n1");
    let elevated = policy(&config, "export-ipv4-ibgp").rules[3].conditions.local_pref;
    assert_eq!(elevated, Some(Range { ge: M - 4999, le: M }));
    let prefs: Vec<_> = config.networks.iter().map(|n| n.local_pref).collect();
    assert_eq!(prefs, [Some(M - 5000), Some(M - 80)]);
    let metric = config.fib.unwrap().metric;
    assert_eq!((metric.v4, metric.v6), (5000, 80));
}

/// One in the other: each is asked in the order of the texts, as Calico has it.
#[test]
fn nested_blocks() {
    let manifests = two() + &block("10.244.0.0/24", "n1", "confirmed") + &block("10.244.0.64/26", "n1", "confirmed");
    let config = config(&manifests, "n1");
    let expected = [
        TUNNELS,
        BPF,
        "10.244.0.0/24 -> accept",
        "10.244.0.0/24 le 32, metric 0 to 1023 -> accept",
        "10.244.0.0/24 le 32 -> reject",
        "10.244.0.64/26 -> accept",
        "10.244.0.64/26 le 32, metric 0 to 1023 -> accept",
        "10.244.0.64/26 le 32 -> reject",
    ];
    assert_eq!(shown(&config, "export-ipv4-ibgp"), expected);
}

/// A reflector passes on the service routes of its clients (`bird_ipam.cfg.template`, 3.33: external ones too).
#[test]
fn services_on_a_reflector() {
    let manifests = node("rr", "", "ipv4Address: 10.0.0.9/24, routeReflectorClusterID: 10.0.0.9")
        + &configuration(
            "serviceLoadBalancerIPs: [{cidr: 10.80.0.1/32}, {cidr: \"fd80::/64\"}], \
             serviceExternalIPs: [{cidr: 10.81.0.1/32}]",
        )
        + &peer("c", "node: rr, peerIP: 10.0.0.1, asNumber: 64512");
    let config = config(&manifests, "rr");
    let expected = [TUNNELS, BPF, "10.80.0.1/32 -> accept", "10.81.0.1/32 -> accept"];
    assert_eq!(shown(&config, "export-ipv4-ibgp"), expected);
}

/// `processCommunityRules`: the node's own entries stand in place of all global ones.
#[test]
fn communities_of_a_node() {
    let global = configuration(
        "communities: [{name: west, value: \"65000:1:2\"}], \
         prefixAdvertisements: [{cidr: 10.1.0.0/16, communities: [west, \"65000:9\"]}, {cidr: \"fd01::/64\", communities: [west]}]",
    );
    let added = |manifests: &str, node: &str| -> Vec<Vec<Community>> {
        let config = config(manifests, node);
        let rules = policy(&config, "export-ipv4-ibgp").rules.clone();
        rules.into_iter().map(|r| r.modifications.add.communities).filter(|c| !c.is_empty()).collect()
    };
    let mut of_all = added(&(two() + &global), "n1");
    of_all[0].sort();
    assert_eq!(of_all, [vec![Community::Standard(65000 << 16 | 9), Community::Large([65000, 1, 2])]]);
    let own = object(
        "BGPConfiguration",
        "node.n1",
        "",
        "prefixAdvertisements: [{cidr: \"fd02::/64\", communities: [\"65000:3\"]}]",
    );
    assert_eq!(added(&(two() + &global + &own), "n1"), Vec::<Vec<Community>>::new(), "none of IPv4 there");
    assert_eq!(added(&(two() + &global + &own), "n2").len(), 1);
}

/// Nothing here asks where a route came from: routes of other nodes are advertised like our own.
#[test]
fn no_route_types() {
    let config = config(&(two() + &object("IPPool", "pods", "", "cidr: 10.244.0.0/16")), "n1");
    let types: Vec<RouteType> =
        policy(&config, "export-ipv4-ibgp").rules.iter().flat_map(|r| r.conditions.route_types.clone()).collect();
    assert_eq!(types, []);
}
