//! Route refresh, plain and enhanced, asked and answered.
//!
//! RFC 2918 §4; RFC 7313 §4. Topology: the reflector (host 1); clients BIRD (2), FRR (3), ExaBGP (4), GoBGP (5, without the
//! enhanced form).
//! Claims: 1. the enhanced capability is negotiated with the first three. 2. ExaBGP asks: it gets the beginning, all
//! routes, and the end. 3. BIRD and FRR ask: each gets an UPDATE again. 4. We ask FRR: it counts the request. 5. We
//! ask BIRD, whose export filter has changed in silence: what it no longer sends is swept at the end of the refresh, and
//! what it sends again was never withdrawn from anybody.

use heddle_interop_tests::lab::Lab;
use heddle_interop_tests::peers::Daemon;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::peers::exabgp::Exabgp;
use heddle_interop_tests::peers::frr::Frr;
use heddle_interop_tests::peers::gobgp::Gobgp;
use heddle_interop_tests::peers::heddle::Heddle;
use heddle_interop_tests::require::Need;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::{Value, json};

use crate::Case;
use crate::common::{bird_session, client, exabgp_session, frr_router, gobgp_router, router};

pub(crate) const CASES: &[Case] =
    &[Case { name: "route_refresh", needs: &[Need::Bird, Need::Frr, Need::Gobgp, Need::Exabgp], run }];

fn run() {
    let lab = Lab::new("route_refresh");
    let config = [router("10.0.0.1"), ["10.0.0.2", "10.0.0.3", "10.0.0.4", "10.0.0.5"].map(|a| client(a, "")).concat()];
    let heddle = Heddle::start(&lab.host(1, "rr"), &config.concat());
    let routes = "protocol static { ipv4; route 198.51.100.0/24 blackhole; route 198.51.101.0/24 blackhole; }\n";
    let bird_config = format!("{routes}{}", bird_session(2, 65001, "10.0.0.1", "", ""));
    let bird = Bird::start(&lab.host(2, "bird"), &bird_config);
    let frr =
        Frr::start(&lab.host(3, "frr"), &frr_router(3, 65001, &["10.0.0.1"], "", "  network 198.51.102.0/24\n", ""));
    let capability = "asn4 enable; route-refresh enable;";
    let exabgp = Exabgp::start(&lab.host(4, "exabgp"), &exabgp_session(4, 65001, "10.0.0.1", capability, ""));
    let gobgp = Gobgp::start(&lab.host(5, "gobgp"), &gobgp_router(5, 65001, &["10.0.0.1"], "", ""));
    for (peer, enhanced) in [("10.0.0.2", true), ("10.0.0.3", true), ("10.0.0.4", true), ("10.0.0.5", false)] {
        heddle.wait_established(peer);
        let common = heddle.common_capabilities(peer).expect("it answers");
        assert!(common.contains(&"route_refresh".to_owned()), "{peer}: {common:?}");
        assert_eq!(common.contains(&"enhanced_route_refresh".to_owned()), enhanced, "{peer}: {common:?}");
    }
    for daemon in [&frr as &dyn Daemon, &exabgp, &gobgp] {
        daemon.wait_route("198.51.100.0/24");
        daemon.wait_route("198.51.101.0/24");
    }
    exabgp.wait_route("198.51.102.0/24");
    exabgp_asks(&exabgp);
    others_ask(&heddle, &bird, &frr);

    heddle.act("10.0.0.3", "refresh", &json!({ "direction": "in" }));
    wait_for("FRR counts our request", PATIENCE, || {
        let neighbor = frr.neighbor("10.0.0.1")?;
        let count = neighbor.pointer("/messageStats/routeRefreshRecv").and_then(Value::as_u64);
        ensure(count.is_some_and(|count| count > 0), || format!("{:?}", neighbor.get("messageStats")))
    });

    let seen = exabgp.events().len();
    // The filter changes without a word to us: `soft` sends nothing.
    bird.configure_soft(
        &bird_config.replace("export all", "export filter { if net = 198.51.101.0/24 then reject; accept; }"),
    );
    heddle.act("10.0.0.2", "refresh", &json!({ "family": "ipv4-unicast", "direction": "in" }));
    for daemon in [&frr as &dyn Daemon, &exabgp, &gobgp] {
        daemon.wait_no_route("198.51.101.0/24");
        assert_eq!(daemon.wait_route("198.51.100.0/24").attributes.next_hop, "10.0.0.2");
    }
    let withdrawn: Vec<String> = exabgp.events()[seen..].iter().filter_map(withdrawal).collect();
    assert_eq!(withdrawn, ["198.51.101.0/24"], "only what went was withdrawn");
}

/// Claim 2: the markers around all three routes.
fn exabgp_asks(exabgp: &Exabgp) {
    let seen = exabgp.events().len();
    exabgp.command("neighbor 10.0.0.1 announce route-refresh ipv4 unicast");
    wait_for("ExaBGP has the routes between beginning and end of the refresh", PATIENCE, || {
        let events = exabgp.events().split_off(seen);
        let marks: Vec<String> = events.iter().flat_map(marks_of).collect();
        let begin = marks.iter().position(|mark| mark == "begin");
        let end = marks.iter().position(|mark| mark == "end");
        let (Some(begin), Some(end)) = (begin, end) else { return Err(format!("{marks:?}")) };
        let mut routes: Vec<&str> = marks.get(begin + 1..end).unwrap_or_default().iter().map(String::as_str).collect();
        routes.sort_unstable();
        let expected = ["198.51.100.0/24", "198.51.101.0/24", "198.51.102.0/24"];
        ensure(routes == expected, || format!("{marks:?}"))
    });
}

/// The parts of an event that matter here: a marker, or the prefixes that are advertised.
fn marks_of(event: &Value) -> Vec<String> {
    if event["type"] == "route refresh" {
        let body = event.pointer("/neighbor/message/body").and_then(Value::as_str).unwrap_or_default();
        let name = match body.get(6..8) {
            Some("01") => "begin",
            Some("02") => "end",
            _ => body,
        };
        return vec![name.to_owned()];
    }
    let hops = event.pointer("/neighbor/message/update/announce/ipv4 unicast").and_then(Value::as_object);
    let entries = hops.into_iter().flat_map(|hops| hops.values()).filter_map(Value::as_array).flatten();
    entries.filter_map(|entry| entry.get("nlri")?.as_str()).map(str::to_owned).collect()
}

fn withdrawal(event: &Value) -> Option<String> {
    event.pointer("/neighbor/message/update/withdraw/ipv4 unicast/0/nlri")?.as_str().map(str::to_owned)
}

/// Claim 3: we count each request, and the session is sent UPDATEs again.
fn others_ask(heddle: &Heddle, bird: &Bird, frr: &Frr) {
    let count = |peer: &str, path: &str| {
        heddle.peer(peer).ok().and_then(|peer| peer.pointer(path).and_then(Value::as_u64)).unwrap_or(0)
    };
    let ask: [(&str, &dyn Fn()); 2] = [
        ("10.0.0.2", &|| drop(bird.expect("reload in rr_10_0_0_1"))),
        ("10.0.0.3", &|| drop(frr.expect("clear bgp ipv4 unicast 10.0.0.1 soft in"))),
    ];
    for (peer, request) in ask {
        let (requests, updates) = ("/messages/received/route_refresh", "/messages/sent/update");
        let before = (count(peer, requests), count(peer, updates));
        request();
        wait_for(&format!("the request of {peer} is answered with UPDATEs"), PATIENCE, || {
            let now = (count(peer, requests), count(peer, updates));
            ensure(now.0 > before.0 && now.1 > before.1, || format!("before {before:?}, now {now:?}"))
        });
    }
}
