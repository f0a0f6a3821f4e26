//! Communities and attributes that act by themselves.
//!
//! RFC 1997, RFC 7999 §3.2, RFC 8326 §4, RFC 9234 §4 and §5, RFC 7311 §3. Topology: the reflector (host 1, AS 65001); BIRD (2),
//! a client; GoBGP (3), a client; ExaBGP (4, AS 65004) and FRR (5, AS 65005), eBGP peers, FRR as our customer.
//! Claims: 1. NO_EXPORT, NO_EXPORT_SUBCONFED and BLACKHOLE stay inside the AS, NO_ADVERTISE with us. 2. A route of an eBGP
//! peer with GRACEFUL_SHUTDOWN has LOCAL_PREF 0 inside. 3. After `drain` the peer gets our routes with GRACEFUL_SHUTDOWN, its
//! own have LOCAL_PREF 0 at the others, and its session stays; `undrain` puts all back. 4. FRR, our customer, negotiates
//! roles, and has our AS in the OTC attribute of our routes. 5. A peer whose role does not fit is refused with Role
//! Mismatch.

use heddle_interop_tests::lab::Lab;
use heddle_interop_tests::peers::Daemon;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::peers::exabgp::Exabgp;
use heddle_interop_tests::peers::frr::Frr;
use heddle_interop_tests::peers::gobgp::Gobgp;
use heddle_interop_tests::peers::heddle::Heddle;
use heddle_interop_tests::require::Need;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::json;

use crate::Case;
use crate::common::{bird_session, client, exabgp_session, frr_router, gobgp_router, peer, router};

pub(crate) const CASES: &[Case] =
    &[Case { name: "well_known_communities", needs: &[Need::Bird, Need::Frr, Need::Gobgp, Need::Exabgp], run }];

fn run() {
    let lab = Lab::new("well_known_communities");
    let config = [
        router("10.0.0.1"),
        client("10.0.0.2", ""),
        client("10.0.0.3", ""),
        peer("10.0.0.4", 65004, ""),
        peer("10.0.0.5", 65005, "role = \"provider\""),
        peer("10.0.0.6", 65006, "role = \"provider\""),
    ];
    let heddle = Heddle::start(&lab.host(1, "rr"), &config.concat());
    let marked = [(0, "65535,65281"), (1, "65535,65283"), (2, "65535,666"), (3, "65535,65282"), (4, "65001,7")];
    let routes: String = marked
        .iter()
        .map(|(third, community)| {
            format!("route 198.51.{third}.0/24 blackhole {{ bgp_community.add(({community})); }};\n")
        })
        .collect();
    let session = bird_session(2, 65001, "10.0.0.1", "", "");
    let _bird = Bird::start(&lab.host(2, "bird"), &format!("protocol static {{ ipv4;\n{routes}}}\n{session}"));
    let gobgp = Gobgp::start(&lab.host(3, "gobgp"), &gobgp_router(3, 65001, &["10.0.0.1"], "", ""));
    let routes = "route 203.0.0.0/24 next-hop 10.0.0.4 community [65535:0]; route 203.0.1.0/24 next-hop 10.0.0.4;";
    let exabgp = Exabgp::start(&lab.host(4, "exabgp"), &exabgp_session(4, 65004, "10.0.0.1", "asn4 enable;", routes));
    let role = " neighbor RR local-role customer strict-mode\n";
    let frr = Frr::start(&lab.host(5, "frr"), &frr_router(5, 65005, &["10.0.0.1"], role, "", ""));

    // The last route has no marks: when it is there, the others would be too.
    exabgp.wait_route("198.51.4.0/24");
    gobgp.wait_route("198.51.4.0/24");
    for third in [0, 1, 2] {
        gobgp.wait_route(&format!("198.51.{third}.0/24"));
    }
    assert_eq!(gobgp.paths("198.51.3.0/24"), Ok(Vec::new()), "NO_ADVERTISE");
    for third in [0, 1, 2, 3] {
        assert_eq!(exabgp.paths(&format!("198.51.{third}.0/24")), Ok(Vec::new()), "toward eBGP: {:?}", marked[third]);
    }
    assert_eq!(gobgp.wait_route("203.0.0.0/24").attributes.local_pref, Some(0), "GRACEFUL_SHUTDOWN of an eBGP peer");
    assert_eq!(gobgp.wait_route("203.0.1.0/24").attributes.local_pref, Some(100));

    let before = exabgp.wait_established("10.0.0.1");
    for (body, mark, local_pref) in [(json!({}), true, 0), (json!({ "undrain": true }), false, 100)] {
        heddle.act("10.0.0.4", "drain", &body);
        wait_for(&format!("ExaBGP has our route with GRACEFUL_SHUTDOWN: {mark}"), PATIENCE, || {
            let route = exabgp.paths("198.51.4.0/24")?.pop().ok_or("it is gone")?;
            ensure(route.attributes.communities.contains(&"65535:0".to_owned()) == mark, || format!("{route:#?}"))
        });
        wait_for(&format!("GoBGP has its route with LOCAL_PREF {local_pref}"), PATIENCE, || {
            let route = gobgp.paths("203.0.1.0/24")?.pop().ok_or("it is gone")?;
            ensure(route.attributes.local_pref == Some(local_pref), || format!("{route:#?}"))
        });
    }
    assert_eq!(exabgp.session("10.0.0.1"), Ok(before), "the session stayed");

    roles(&lab, &heddle, &frr);
}

/// Claims 4 and 5.
fn roles(lab: &Lab, heddle: &Heddle, frr: &Frr) {
    frr.wait_established("10.0.0.1");
    assert!(heddle.common_capabilities("10.0.0.5").expect("it answers").contains(&"role".to_owned()));
    wait_for("FRR has our AS in OTC", PATIENCE, || {
        let answer = frr.command("show bgp ipv4 unicast 198.51.4.0/24 json")?;
        ensure(answer.contains("\"otc\":65001"), || answer.clone())
    });
    let role = " neighbor RR local-role provider\n";
    let _wrong = Frr::start(&lab.host(6, "wrong"), &frr_router(6, 65006, &["10.0.0.1"], role, "", ""));
    wait_for("a Role Mismatch is said to FRR", PATIENCE, || {
        let peer = heddle.peer("10.0.0.6")?;
        let reset = &peer["last_reset"];
        ensure(reset["code"] == 2 && reset["subcode"] == 11, || reset.to_string())
    });
}
