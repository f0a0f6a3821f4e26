//! Several paths of a prefix on one session.
//!
//! RFC 7911 §3, §4. Topology: the reflector (host 1); clients BIRD (2), FRR (3), GoBGP (4) with ADD-PATH both ways, of which
//! FRR is sent two paths and the others all; ExaBGP (5), a client without it. All but FRR originate 192.0.2.0/24;
//! GoBGP originates 198.51.100.0/24 twice.
//! Claims: 1. the capability is negotiated with the three. 2. BIRD and GoBGP get the paths of both others, FRR the best
//! two, ExaBGP one. 3. Both of GoBGP's paths arrive at us under their own Path Identifiers, and at BIRD. 4. When one of them is
//! withdrawn, the other stays and FRR sees it under the same Path Identifier as before.

use std::collections::BTreeSet;

use heddle_interop_tests::lab::Lab;
use heddle_interop_tests::peers::Daemon;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::peers::exabgp::Exabgp;
use heddle_interop_tests::peers::frr::Frr;
use heddle_interop_tests::peers::gobgp::Gobgp;
use heddle_interop_tests::peers::heddle::Heddle;
use heddle_interop_tests::require::Need;
use heddle_interop_tests::view::Route;
use heddle_interop_tests::wait::{PATIENCE, wait_for};

use crate::Case;
use crate::common::{bird_session, client, exabgp_session, frr_router, gobgp_router, router};

pub(crate) const CASES: &[Case] =
    &[Case { name: "add_path", needs: &[Need::Bird, Need::Frr, Need::Gobgp, Need::Exabgp], run }];

const SHARED: &str = "192.0.2.0/24";
const TWICE: &str = "198.51.100.0/24";

fn run() {
    let lab = Lab::new("add_path");
    let all = "add_path = { receive = true, send = \"all\" }";
    let config = [
        router("10.0.0.1"),
        client("10.0.0.2", all),
        client("10.0.0.3", "add_path = { receive = true, send = 2 }"),
        client("10.0.0.4", all),
        client("10.0.0.5", ""),
    ];
    let heddle = Heddle::start(&lab.host(1, "rr"), &config.concat());
    let origin = format!("protocol static {{ ipv4; route {SHARED} blackhole; }}\n");
    let bird = Bird::start(
        &lab.host(2, "bird"),
        &format!("{origin}{}", bird_session(2, 65001, "10.0.0.1", "", "add paths on;")),
    );
    let network = "  network 198.51.103.0/24\n  neighbor RR addpath-tx-all-paths\n";
    let frr = Frr::start(&lab.host(3, "frr"), &frr_router(3, 65001, &["10.0.0.1"], "", network, ""));
    let add_paths = "add-paths.config.receive = true\nadd-paths.config.send-max = 8";
    let gobgp = Gobgp::start(&lab.host(4, "gobgp"), &gobgp_router(4, 65001, &["10.0.0.1"], "", add_paths));
    gobgp.advertise(&format!("{SHARED} nexthop 10.0.0.4 origin igp"));
    gobgp.advertise(&format!("{TWICE} identifier 1 nexthop 10.0.0.4 med 1"));
    gobgp.advertise(&format!("{TWICE} identifier 2 nexthop 10.0.0.44 med 2"));
    let route = format!("route {SHARED} next-hop 10.0.0.5;");
    let exabgp = Exabgp::start(&lab.host(5, "exabgp"), &exabgp_session(5, 65001, "10.0.0.1", "asn4 enable;", &route));

    for (peer, expected) in [("10.0.0.2", true), ("10.0.0.3", true), ("10.0.0.4", true), ("10.0.0.5", false)] {
        heddle.wait_established(peer);
        let common = heddle.common_capabilities(peer).expect("it answers");
        assert_eq!(common.contains(&"add_path".to_owned()), expected, "{peer}: {common:?}");
    }
    wait_next_hops(&bird, SHARED, &["10.0.0.4", "10.0.0.5"]);
    wait_next_hops(&gobgp, SHARED, &["10.0.0.2", "10.0.0.5"]);
    // By ORIGINATOR_ID the lowest BGP Identifier is best: hosts 2 and 4 (RFC 4456 §9).
    wait_next_hops(&frr, SHARED, &["10.0.0.2", "10.0.0.4"]);
    assert_eq!(exabgp.wait_route(SHARED).attributes.next_hop, "10.0.0.2");

    let ours = wait_next_hops(&heddle, TWICE, &["10.0.0.4", "10.0.0.44"]);
    let ids: BTreeSet<_> = ours.iter().map(|route| route.path_id).collect();
    assert_eq!(ids.len(), 2, "two Path Identifiers: {ours:#?}");
    wait_next_hops(&bird, TWICE, &["10.0.0.4", "10.0.0.44"]);
    let before = wait_next_hops(&frr, TWICE, &["10.0.0.4", "10.0.0.44"]);

    gobgp.expect(&format!("global rib del -a ipv4 {TWICE} identifier 1 nexthop 10.0.0.4"));
    wait_next_hops(&bird, TWICE, &["10.0.0.44"]);
    let after = wait_next_hops(&frr, TWICE, &["10.0.0.44"]);
    let id_of = |routes: &[Route]| {
        routes.iter().find(|route| route.attributes.next_hop == "10.0.0.44").and_then(|route| route.path_id)
    };
    assert!(id_of(&before).is_some(), "{before:#?}");
    assert_eq!(id_of(&before), id_of(&after), "the Path Identifier of a path that stayed");
}

/// Waits until the paths of a prefix are those with these next hops.
#[track_caller]
fn wait_next_hops(daemon: &dyn Daemon, prefix: &str, expected: &[&str]) -> Vec<Route> {
    wait_for(&format!("{}: {prefix} with next hops {expected:?}", daemon.name()), PATIENCE, || {
        let paths = daemon.paths(prefix)?;
        let mut hops: Vec<&str> = paths.iter().map(|path| path.attributes.next_hop.as_str()).collect();
        hops.sort_unstable();
        if hops == expected { Ok(paths) } else { Err(format!("{hops:?}")) }
    })
}
