//! The harness proves itself: each daemon against BIRD, without us, so that a failure of a case is not one of its tools.
//!
//! RFC 4271, 4760. Topology: BIRD (10.0.0.1, AS 65001) and one other daemon (10.0.0.2) on a LAN, an iBGP session with
//! both families.
//! Claims: 1. both say Established. 2. What BIRD sent, the other has with every attribute that it can show. 3. What the
//! other sent, BIRD has.

use std::sync::Arc;

use heddle_interop_tests::lab::{Host, Lab};
use heddle_interop_tests::peers::Daemon;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::peers::exabgp::Exabgp;
use heddle_interop_tests::peers::frr::Frr;
use heddle_interop_tests::peers::gobgp::Gobgp;
use heddle_interop_tests::peers::openbgpd::Openbgpd;
use heddle_interop_tests::require::Need;
use heddle_interop_tests::view::Attributes;

use crate::Case;

pub(crate) const CASES: &[Case] = &[
    Case { name: "harness::frr", needs: &[Need::Bird, Need::Frr], run: || pair("frr", frr) },
    Case { name: "harness::gobgp", needs: &[Need::Bird, Need::Gobgp], run: || pair("gobgp", gobgp) },
    Case { name: "harness::openbgpd", needs: &[Need::Bird, Need::Openbgpd], run: || pair("openbgpd", openbgpd) },
    Case { name: "harness::exabgp", needs: &[Need::Bird, Need::Exabgp], run: || pair("exabgp", exabgp) },
];

const BIRD: &str = "
protocol static { ipv4; route 203.0.113.0/24 blackhole {
    bgp_origin = ORIGIN_EGP; bgp_path.prepend(65011); bgp_path.prepend(65010); bgp_med = 10; bgp_local_pref = 200;
    bgp_community.add((65001,1)); bgp_ext_community.add((rt,65001,5)); bgp_large_community.add((65001,1,2)); }; }
protocol static { ipv6; route 2001:db8:1::/48 blackhole; }
protocol bgp second { local 10.0.0.1 as 65001; neighbor 10.0.0.2 as 65001; connect delay time 1;
    ipv4 { import all; export all; next hop self; };
    ipv6 { import all; export all; next hop address fd00::1; };
}";

fn pair<D: Daemon>(name: &str, start: fn(&Arc<Host>) -> D) {
    let lab = Lab::new(name);
    let (left, right) = (lab.host(1, "bird"), lab.host(2, name));
    let bird = Bird::start(&left, BIRD);
    let other = start(&right);
    bird.wait_established("10.0.0.2");
    other.wait_established("10.0.0.1");

    let expected = Attributes {
        origin: "EGP".to_owned(),
        as_path: "65010 65011".to_owned(),
        next_hop: "10.0.0.1".to_owned(),
        med: Some(10),
        local_pref: Some(200),
        communities: vec!["65001:1".to_owned()],
        extended_communities: vec!["rt 65001:5".to_owned()],
        large_communities: vec!["65001:1:2".to_owned()],
        ..Attributes::default()
    };
    assert_eq!(other.wait_route("203.0.113.0/24").attributes, expected);
    assert_eq!(other.wait_route("2001:db8:1::/48").attributes.next_hop, "fd00::1");

    let v4 = bird.wait_route("198.51.100.0/24");
    assert_eq!(v4.attributes.communities, ["65001:1", "65001:2"]);
    assert_eq!((v4.attributes.med, v4.attributes.next_hop.as_str()), (Some(77), "10.0.0.2"));
    assert_eq!(bird.wait_route("2001:db8:2::/48").attributes.next_hop, "fd00::2");
}

fn frr(host: &Arc<Host>) -> Frr {
    Frr::start(
        host,
        "
route-map rich permit 10
 set community 65001:1 65001:2
 set metric 77
exit
route-map own6 permit 10
 set ipv6 next-hop global fd00::2
exit
router bgp 65001
 bgp router-id 10.0.0.2
 no bgp network import-check
 neighbor 10.0.0.1 remote-as 65001
 neighbor 10.0.0.1 timers connect 1
 neighbor 10.0.0.1 advertisement-interval 0
 address-family ipv4 unicast
  network 198.51.100.0/24 route-map rich
 exit-address-family
 address-family ipv6 unicast
  network 2001:db8:2::/48
  neighbor 10.0.0.1 activate
  neighbor 10.0.0.1 route-map own6 out
 exit-address-family
exit",
    )
}

fn gobgp(host: &Arc<Host>) -> Gobgp {
    let gobgp = Gobgp::start(
        host,
        r#"
[global.config]
as = 65001
router-id = "10.0.0.2"
[[neighbors]]
config = { neighbor-address = "10.0.0.1", peer-as = 65001 }
timers.config = { connect-retry = 1 }
[[neighbors.afi-safis]]
config.afi-safi-name = "ipv4-unicast"
[[neighbors.afi-safis]]
config.afi-safi-name = "ipv6-unicast"
"#,
    );
    gobgp.advertise("198.51.100.0/24 nexthop 10.0.0.2 med 77 community 65001:1,65001:2");
    gobgp.advertise("2001:db8:2::/48 nexthop fd00::2");
    gobgp
}

fn openbgpd(host: &Arc<Host>) -> Openbgpd {
    Openbgpd::start(
        host,
        "
AS 65001
network 198.51.100.0/24 set { med 77 community 65001:1 community 65001:2 }
network 2001:db8:2::/48 set nexthop fd00::2
neighbor 10.0.0.1 {
 remote-as 65001
 announce IPv4 unicast
 announce IPv6 unicast
}
allow from any
allow to any",
    )
}

fn exabgp(host: &Arc<Host>) -> Exabgp {
    let exabgp = Exabgp::start(
        host,
        "neighbor 10.0.0.1 {
 router-id 10.0.0.2; local-address 10.0.0.2; local-as 65001; peer-as 65001; hold-time 90;
 family { ipv4 unicast; ipv6 unicast; }
 static { route 198.51.100.0/24 next-hop 10.0.0.2 med 77 community [65001:1 65001:2]; }
 {api}
}",
    );
    exabgp.command("neighbor 10.0.0.1 announce route 2001:db8:2::/48 next-hop fd00::2");
    exabgp
}
