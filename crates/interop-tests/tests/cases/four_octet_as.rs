//! Four-octet AS numbers against a peer that has only two.
//!
//! RFC 6793 §4.1, §4.2. Topology: the reflector (host 1, AS 65001); FRR (2) and GoBGP (3), clients; ExaBGP (6, AS 65006) an eBGP peer
//! that does not offer the capability; ExaBGP (7, AS 65007) another, to which we are AS 4200000100.
//! Claims: 1. the session with the two-octet speaker comes up, without the capability. 2. It gets AS_PATH and AGGREGATOR
//! with AS_TRANS for what does not fit, and the numbers in AS4_PATH and AS4_AGGREGATOR, octet for octet. 3. From its
//! AS_PATH with AS_TRANS and AS4_PATH FRR gets the whole path again, and the aggregator. 4. Toward a two-octet peer our
//! own four-octet AS is AS_TRANS in OPEN and AS_PATH.

use heddle_interop_tests::lab::Lab;
use heddle_interop_tests::peers::Daemon;
use heddle_interop_tests::peers::exabgp::Exabgp;
use heddle_interop_tests::peers::frr::Frr;
use heddle_interop_tests::peers::gobgp::Gobgp;
use heddle_interop_tests::peers::heddle::Heddle;
use heddle_interop_tests::require::Need;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};

use crate::Case;
use crate::common::{client, exabgp_session, frr_router, gobgp_router, peer, router};

pub(crate) const CASES: &[Case] =
    &[Case { name: "four_octet_as", needs: &[Need::Frr, Need::Gobgp, Need::Exabgp], run }];

fn run() {
    let lab = Lab::new("four_octet_as");
    let config = [
        router("10.0.0.1"),
        client("10.0.0.2", ""),
        client("10.0.0.3", ""),
        peer("10.0.0.6", 65006, ""),
        peer("10.0.0.7", 65007, "local_as = { asn = 4200000100, replace_as = true }"),
    ];
    let heddle = Heddle::start(&lab.host(1, "rr"), &config.concat());
    let frr = Frr::start(&lab.host(2, "frr"), &frr_router(2, 65001, &["10.0.0.1"], "", "", ""));
    // FRR 8.4 garbles an aggregator of its own that has four octets, so this route is not its own.
    let gobgp = Gobgp::start(&lab.host(3, "gobgp"), &gobgp_router(3, 65001, &["10.0.0.1"], "", ""));
    gobgp.advertise("198.51.2.0/24 nexthop 10.0.0.3 origin igp aspath 4200000001,65100 aggregator 4200000003:10.9.9.9");
    let route = "route 198.51.6.0/24 next-hop 10.0.0.6 as-path [65006 4200000005 65100] \
        aggregator (4200000006:10.9.9.8);";
    let old = Exabgp::start(&lab.host(6, "exabgp"), &exabgp_session(6, 65006, "10.0.0.1", "asn4 disable;", route));
    let seventh = exabgp_session(7, 65007, "10.0.0.1", "asn4 disable;", "").replace("peer-as 65001", "peer-as 23456");
    let other = Exabgp::start(&lab.host(7, "exabgp7"), &seventh);
    for (daemon, peer) in [(&frr as &dyn Daemon, "10.0.0.2"), (&old, "10.0.0.6"), (&other, "10.0.0.7")] {
        daemon.wait_established("10.0.0.1");
        heddle.wait_established(peer);
    }
    let common = heddle.common_capabilities("10.0.0.6").expect("it answers");
    assert!(!common.contains(&"four_octet_as".to_owned()), "{common:?}");

    // AS_PATH 65001 23456 65100; AGGREGATOR 23456 10.9.9.9; AS4_PATH 65001 4200000001 65100; AS4_AGGREGATOR 4200000003.
    wait_update(
        &old,
        "198.51.2.0/24 as a two-octet speaker gets it",
        &[
            "40020802 03fde9 5ba0fe4c".replace(' ', ""),
            "c00706 5ba0 0a090909".replace(' ', ""),
            "c0110e 0203 0000fde9 fa56ea01 0000fe4c".replace(' ', ""),
            "c01208 fa56ea03 0a090909".replace(' ', ""),
        ],
    );
    // AS_PATH 23456 23456 65100.
    wait_update(
        &other,
        "AS_TRANS for our own AS",
        &["40020802 035ba0 5ba0fe4c".replace(' ', ""), "c0110e 0203 fa56ea64 fa56ea01 0000fe4c".replace(' ', "")],
    );
    let seen = frr.wait_route("198.51.6.0/24").attributes;
    assert_eq!(seen.as_path, "65006 4200000005 65100");
    assert_eq!(seen.aggregator.as_deref(), Some("4200000006 10.9.9.8"));
}

/// Waits for one UPDATE with all these octets in its body.
#[track_caller]
fn wait_update(exabgp: &Exabgp, what: &str, octets: &[String]) {
    wait_for(what, PATIENCE, || {
        let bodies = exabgp.update_bodies("10.0.0.1");
        ensure(bodies.iter().any(|body| octets.iter().all(|part| body.contains(part.as_str()))), || {
            format!("no UPDATE with all of {octets:?} among {bodies:#?}")
        })
    });
}
