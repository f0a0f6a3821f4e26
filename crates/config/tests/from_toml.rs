//! What a configuration file may say, and what is said about one that is wrong.

use heddle_bgp_core::{Asn, BgpId, ClusterId, Family};
use heddle_config::{Config, PeerAs, Seconds};

const REFLECTOR: &str = r#"
[router]
asn = 65001
router_id = "10.255.0.1"
cluster_id = "10.255.0.1"
listen = ["10.255.0.1:179"]

[api]
socket = "/run/heddle/route-reflector.sock"

[[policies]]
name = "all"
default = "accept"

[[peer_groups]]
name = "nodes"
asn = 65001
route_reflector_client = true
passive = true
hold_time = 240
families = ["ipv4-unicast"]

[[listen_ranges]]
prefix = "10.10.0.0/16"
group = "nodes"

[[peers]]
address = "192.0.2.7"
asn = 65001
description = "second reflector"
password_file = "/etc/heddle/rr2.key"

[[peers]]
address = "192.0.2.9"
asn = 65010
multihop = 10
passive = true
import_policy = "all"
export_policy = "all"
families = ["ipv4-unicast", "ipv6-unicast"]
"#;

#[test]
fn a_reflector() {
    let config = Config::from_toml(REFLECTOR, "rr.toml").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!(config.router.asn, Asn(65001));
    assert_eq!(config.router.router_id, BgpId(0x0aff_0001));
    assert_eq!(config.router.cluster_id, ClusterId(0x0aff_0001));
    assert_eq!(config.router.listen[0].to_string(), "10.255.0.1:179");
    let range = &config.listen_ranges[0];
    assert_eq!(range.prefix.to_string(), "10.10.0.0/16");
    assert_eq!((range.asn, range.limit), (PeerAs::Asn(Asn(65001)), 1000));
    assert!(range.settings.route_reflector_client && range.settings.passive);
    assert_eq!(range.settings.hold_time, Seconds(240));
    let [first, second] = config.peers.as_slice() else { panic!("two peers") };
    assert_eq!(first.settings.password_file.as_deref(), Some("/etc/heddle/rr2.key".as_ref()));
    assert_eq!(first.settings.families.len(), 1);
    assert_eq!(first.settings.families[0].family, Family::IPV4_UNICAST);
    assert_eq!(second.settings.multihop, Some(10));
    let families: Vec<_> = second.settings.families.iter().map(|f| f.family).collect();
    assert_eq!(families, [Family::IPV4_UNICAST, Family::IPV6_UNICAST]);
    assert!(second.settings.families.iter().all(|f| f.settings.import_policy == ["all"]));
}
