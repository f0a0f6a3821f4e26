//! IPv4 routes with IPv6 next hops.
//!
//! RFC 8950 §3, §4. Topology: the reflector (host 1) over IPv6; clients FRR (2), BIRD (3) and ExaBGP (4) with the
//! capability, and GoBGP (5) without it on our side.
//! Claims: 1. the capability is negotiated with the three. 2. An IPv4 route with an IPv6 next hop from each arrives at the
//! other two with that next hop. 3. An IPv4 route with an IPv4 next hop goes over the same sessions unchanged. 4. Toward
//! GoBGP, with which it is not negotiated, the former are not sent, and the latter are.

use heddle_interop_tests::lab::Lab;
use heddle_interop_tests::peers::Daemon;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::peers::exabgp::Exabgp;
use heddle_interop_tests::peers::frr::Frr;
use heddle_interop_tests::peers::gobgp::Gobgp;
use heddle_interop_tests::peers::heddle::Heddle;
use heddle_interop_tests::require::Need;

use crate::Case;
use crate::common::{bird_session, client, exabgp_session, frr_router, gobgp_router, router};

pub(crate) const CASES: &[Case] =
    &[Case { name: "extended_next_hop", needs: &[Need::Bird, Need::Frr, Need::Gobgp, Need::Exabgp], run }];

fn run() {
    let lab = Lab::new("extended_next_hop");
    let on = "extended_next_hop = true";
    let config =
        [router("10.0.0.1"), ["fd00::2", "fd00::3", "fd00::4"].map(|a| client(a, on)).concat(), client("fd00::5", "")];
    let heddle = Heddle::start(&lab.host(1, "rr"), &config.concat());
    let router = frr_router(
        2,
        65001,
        &["fd00::1"],
        " neighbor RR capability extended-nexthop\n",
        "  network 198.51.2.0/24\n  neighbor RR route-map own6 out\n",
        "",
    );
    let frr = Frr::start(&lab.host(2, "frr"), &router);
    let session = bird_session(3, 65001, "fd00::1", "", "");
    let session = session.replace("next hop address 10.0.0.3", "extended next hop on; next hop address fd00::3");
    let bird = Bird::start(
        &lab.host(3, "bird"),
        &format!("protocol static {{ ipv4; route 198.51.3.0/24 blackhole; }}\n{session}"),
    );
    let routes = "route 198.51.4.0/24 next-hop fd00::4; route 198.51.104.0/24 next-hop 10.0.0.4;";
    let session = exabgp_session(4, 65001, "fd00::1", "asn4 enable; nexthop enable;", routes)
        .replace(" capability", " nexthop { ipv4 unicast ipv6; }\n capability");
    let exabgp = Exabgp::start(&lab.host(4, "exabgp"), &session);
    let gobgp = Gobgp::start(&lab.host(5, "gobgp"), &gobgp_router(5, 65001, &["fd00::1"], "", ""));
    for peer in ["fd00::2", "fd00::3", "fd00::4"] {
        heddle.wait_established(peer);
        let common = heddle.common_capabilities(peer).expect("it answers");
        assert!(common.contains(&"extended_next_hop".to_owned()), "{peer}: {common:?}");
    }
    for (number, daemon) in [(2, &frr as &dyn Daemon), (3, &bird), (4, &exabgp)] {
        for origin in [2, 3, 4].into_iter().filter(|origin| *origin != number) {
            let route = daemon.wait_route(&format!("198.51.{origin}.0/24"));
            assert_eq!(route.attributes.next_hop, format!("fd00::{origin}"), "{}: {route:#?}", daemon.name());
        }
    }
    for daemon in [&frr as &dyn Daemon, &bird, &gobgp] {
        assert_eq!(daemon.wait_route("198.51.104.0/24").attributes.next_hop, "10.0.0.4", "{}", daemon.name());
    }
    for origin in [2, 3, 4] {
        assert_eq!(gobgp.paths(&format!("198.51.{origin}.0/24")), Ok(Vec::new()));
    }
}
