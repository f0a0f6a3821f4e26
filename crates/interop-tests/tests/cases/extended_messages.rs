//! Messages beyond 4096 octets, and OPEN with extended optional parameters.
//!
//! RFC 8654 §3, §4; RFC 9072 §2. Topology: the reflector (host 1); clients BIRD (2), FRR (3), ExaBGP (4) with extended
//! messages; GoBGP (5), a client that knows none. FRR sends its OPEN with extended optional parameters, and so do we to it.
//! Claims: 1. the capability is negotiated with the three. 2. A route with 1,000 large communities (12,000 octets of one
//! attribute) from ExaBGP arrives whole at BIRD and FRR. 3. GoBGP does not get it, its session stays, the failure is
//! counted, and later routes arrive. 4. The session with FRR's extended OPEN comes up.

use heddle_interop_tests::lab::Lab;
use heddle_interop_tests::peers::Daemon;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::peers::exabgp::Exabgp;
use heddle_interop_tests::peers::frr::Frr;
use heddle_interop_tests::peers::gobgp::Gobgp;
use heddle_interop_tests::peers::heddle::Heddle;
use heddle_interop_tests::require::Need;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::Value;

use crate::Case;
use crate::common::{bird_session, client, exabgp_session, frr_router, gobgp_router, router};

pub(crate) const CASES: &[Case] =
    &[Case { name: "extended_messages", needs: &[Need::Bird, Need::Frr, Need::Gobgp, Need::Exabgp], run }];

fn run() {
    let lab = Lab::new("extended_messages");
    let config = [
        router("10.0.0.1"),
        client("10.0.0.2", ""),
        client("10.0.0.3", "force_extended_open = true"),
        client("10.0.0.4", ""),
        client("10.0.0.5", ""),
    ];
    let heddle = Heddle::start(&lab.host(1, "rr"), &config.concat());
    let bird =
        Bird::start(&lab.host(2, "bird"), &bird_session(2, 65001, "10.0.0.1", "enable extended messages on;", ""));
    let options = " neighbor RR extended-optional-parameters\n";
    let frr = Frr::start(&lab.host(3, "frr"), &frr_router(3, 65001, &["10.0.0.1"], options, "", ""));
    let gobgp = Gobgp::start(&lab.host(5, "gobgp"), &gobgp_router(5, 65001, &["10.0.0.1"], "", ""));
    let communities: Vec<String> = (0..1000).map(|number| format!("65001:7:{number}")).collect();
    let route = format!("route 198.51.100.0/24 next-hop 10.0.0.4 large-community [{}];", communities.join(" "));
    let capability = "asn4 enable; extended-message enable;";
    let exabgp = Exabgp::start(&lab.host(4, "exabgp"), &exabgp_session(4, 65001, "10.0.0.1", capability, &route));
    for (peer, expected) in [("10.0.0.2", true), ("10.0.0.3", true), ("10.0.0.4", true), ("10.0.0.5", false)] {
        heddle.wait_established(peer);
        let common = heddle.common_capabilities(peer).expect("it answers");
        assert_eq!(common.contains(&"extended_message".to_owned()), expected, "{peer}: {common:?}");
    }
    let neighbor = frr.neighbor("10.0.0.1").expect("it answers");
    assert_eq!(neighbor["extendedOptionalParametersLength"], true, "{neighbor}");
    let before = gobgp.wait_established("10.0.0.1");

    let mut expected = communities;
    expected.sort();
    let seen = frr.wait_route("198.51.100.0/24").attributes.large_communities;
    assert!(seen == expected, "FRR has {} of {} large communities", seen.len(), expected.len());
    // birdc cuts long lists, so BIRD is asked for their number.
    wait_for("BIRD has the route with 1,000 large communities", PATIENCE, || {
        let count = bird.command("show route table master4 where bgp_large_community.len = 1000 count")?;
        ensure(count.starts_with("1 of"), || {
            format!("{count}{:?}", bird.paths("198.51.100.0/24").map(|paths| paths.len()))
        })
    });
    wait_for("the route that fits in no message to GoBGP is counted", PATIENCE, || {
        let peer = heddle.peer("10.0.0.5")?;
        let count = peer.pointer("/errors/attributes_too_long").and_then(Value::as_u64);
        ensure(count.is_some_and(|count| count > 0), || peer.to_string())
    });
    exabgp.command("neighbor 10.0.0.1 announce route 198.51.101.0/24 next-hop 10.0.0.4");
    gobgp.wait_route("198.51.101.0/24");
    assert_eq!(gobgp.paths("198.51.100.0/24"), Ok(Vec::new()));
    assert_eq!(gobgp.wait_established("10.0.0.1"), before, "the session stayed");
}
