//! What is generated is a configuration like any other, and each part of it is explained.

use heddle_config::Config;

use super::{configuration, generated, node, object, peer};
use crate::{Source, Subject};

/// Something of everything.
fn rich() -> String {
    node("n1", "rack: \"1\"", "ipv4Address: 10.0.0.1/24, ipv6Address: \"fd00::1/64\", routeReflectorClusterID: 1.1.1.1")
        + &node("n2", "", "ipv4Address: 10.0.0.2/24, ipv6Address: \"fd00::2/64\"")
        + &configuration(
            "listenPort: 1179, bindMode: NodeIP, ignoredInterfaces: [\"docker*\"], programClusterRoutes: Enabled, \
             ipv4NormalRoutePriority: 2000, serviceClusterIPs: [{cidr: 10.96.0.0/12}], serviceExternalIPs: [{cidr: 80.0.0.1/32}], \
             prefixAdvertisements: [{cidr: 10.244.0.0/16, communities: [\"65000:1\", \"65000:1:2\"]}]",
        )
        + &object(
            "BGPFilter",
            "f",
            "",
            "importV4: [{action: Accept, matchOperator: NotIn, cidr: 10.0.0.0/8, prefixLength: {min: 9, max: 30}, \
             asPathPrefix: [65001], priority: 512, interface: \"eth*\", source: RemotePeers}], \
             exportV4: [{action: Accept, peerType: eBGP, communities: {values: [\"65000:3\"]}, \
             operations: [{prependASPath: {prefix: [65001, 65002]}}, {setPriority: {value: 5}}, {addCommunity: {value: \"1:2:3\"}}]}]",
        )
        + &peer(
            "tor",
            "nodeSelector: rack == '1', peerIP: 10.0.0.254, asNumber: 65001, localASNumber: 65009, \
             numAllowedLocalASNumbers: 1, filters: [f], ttlSecurity: 2, maxRestartTime: 60s, keepaliveTime: 7s, \
             reachableBy: 10.0.0.253, nextHopMode: Keep",
        )
        + &peer("clients", "node: n1, peerSelector: \"!has(rack)\", nextHopMode: Self, sourceAddress: None")
        + &object("IPPool", "a", "", "cidr: 10.244.0.0/16, ipipMode: CrossSubnet")
        + &object("IPPool", "b", "", "cidr: 10.245.0.0/16, vxlanMode: Always, disableBGPExport: true")
        + &object("BlockAffinity", "n1-a", "", "node: n1, cidr: 10.244.0.0/26, state: confirmed, deleted: \"false\"")
}

#[test]
fn it_can_be_written_and_read() {
    let generated = generated(&rich(), "n1");
    assert_eq!(generated.warnings, []);
    let config = generated.config.unwrap();
    let text = config.to_toml();
    let read = Config::from_toml(&text, "n1.toml").unwrap_or_else(|e| panic!("{e}\n{text}"));
    assert_eq!(read, config, "{text}");
    assert_eq!(config.warnings(), []);
}

#[test]
fn every_part_has_an_origin() {
    let generated = generated(&rich(), "n1");
    let config = generated.config.as_ref().unwrap();
    let mut subjects = Vec::new();
    for policy in &config.policies {
        let rules = 0..policy.rules.len();
        subjects.extend(rules.map(|index| Subject::Rule(policy.name.as_str().into(), index)));
    }
    subjects.extend(config.peers.iter().map(|p| Subject::Peer(p.address.clone())));
    subjects.extend(config.networks.iter().map(|n| Subject::Network(n.prefix)));
    let fib = config.fib.as_ref().unwrap();
    subjects.extend(fib.static_routes.iter().map(|r| Subject::StaticRoute(r.prefix)));
    subjects.extend((0..fib.rules.len()).map(Subject::FibRule));
    for setting in
        ["router.asn", "router.router_id", "router.cluster_id", "router.listen", "log.level", "fib.metric.v4"]
    {
        subjects.push(Subject::Setting(setting));
    }
    for subject in subjects {
        assert!(!generated.origins.of(&subject).is_empty(), "{subject}");
    }
    let text = |subject| -> Vec<String> { generated.origins.of(&subject).iter().map(Source::to_string).collect() };
    assert_eq!(text(Subject::Peer("10.0.0.254".parse().unwrap())), ["BGPPeer/tor"]);
    assert_eq!(text(Subject::Peer("10.0.0.2".parse().unwrap())), ["BGPPeer/clients", "Node/n2"]);
    assert_eq!(text(Subject::Rule("filter-f-import-ipv4".into(), 0)), ["BGPFilter/f importV4[0]"]);
    assert_eq!(text(Subject::Setting("router.asn")), ["asNumber by default"]);
}

/// The order of the objects in the datastore's files, and of the deltas, says nothing.
#[test]
fn order_does_not_matter() {
    let manifests = rich();
    let mut documents: Vec<&str> = manifests.split_inclusive("---\n").collect();
    let forward = generated(&documents.concat(), "n1");
    documents.reverse();
    assert_eq!(generated(&documents.concat(), "n1"), forward);
}
