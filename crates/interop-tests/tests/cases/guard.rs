//! What is refused of eBGP peers, with and without a guard.
//!
//! RFC 7454 §6 and §10; RFC 4271 §6.3 (next hops); RFC 8212 §2; RFC 9774 §3. Topology: the reflector (host 1, AS 65001); BIRD
//! (2, AS 65002) and ExaBGP (4, AS 65004), eBGP peers with a guard; BIRD (5, AS 65005), an eBGP peer without; BIRD (6, AS
//! 65006), an eBGP peer without policies; BIRD (3), a client, which sees what is left.
//! Claims: 1. of a peer with a guard the client gets what is usual between networks, of one without also /32 in private space.
//! 2. What was refused is shown as rejected, with the reason, and counted by it, in the API, the metrics and `heddle show`. 3. A
//! next hop in class E is refused by the guard, one in 127/8 makes the route malformed without it too. 4. With another guard in
//! a new configuration other routes are there; the session stays. 5. From an eBGP peer without policies nothing is taken, and
//! nothing is sent to it.

use heddle_interop_tests::lab::Lab;
use heddle_interop_tests::peers::Daemon;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::peers::exabgp::Exabgp;
use heddle_interop_tests::peers::heddle::Heddle;
use heddle_interop_tests::require::Need;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::Value;

use crate::Case;
use crate::common::{bird_session, client, exabgp_session, peer, router};

pub(crate) const CASES: &[Case] = &[Case { name: "guard", needs: &[Need::Bird, Need::Exabgp], run }];

/// Of BIRD: what it announces, and the reason for which the guard refuses it.
const ROUTES: [(&str, Option<&str>); 11] = [
    ("9.1.0.0/16", None),
    ("9.2.3.0/24", None),
    ("2a00:1::/32", None),
    ("0.0.0.0/0", Some("default_route")),
    ("::/0", Some("default_route")),
    ("9.7.1.0/24", Some("own_prefix")),
    ("10.65.0.0/26", Some("martian")),
    ("2001:db8:1::/48", Some("martian")),
    ("9.1.0.0/25", Some("too_long")),
    ("2a00:2::/64", Some("too_long")),
    ("16.0.0.0/5", Some("too_short")),
];

fn statics(routes: &[&str]) -> String {
    let of = |six: bool| -> String {
        routes.iter().filter(|r| r.contains(':') == six).map(|r| format!("route {r} blackhole;\n")).collect()
    };
    format!("protocol static s4 {{ ipv4;\n{}}}\nprotocol static s6 {{ ipv6;\n{}}}\n", of(false), of(true))
}

fn config(guard: &str) -> String {
    [
        router("10.0.0.1"),
        "\n[[networks]]\nprefix = \"9.7.0.0/16\"\n".to_owned(),
        peer("10.0.0.2", 65002, &format!("guard = {guard}")),
        client("10.0.0.3", ""),
        peer("10.0.0.4", 65004, "guard = true"),
        peer("10.0.0.5", 65005, ""),
        "\n[[peers]]\naddress = \"10.0.0.6\"\nasn = 65006\nconnect_retry = 1\n".to_owned(),
    ]
    .concat()
}

/// The status and the reason of the path that a peer sent.
fn verdict(heddle: &Heddle, peer: &str, prefix: &str) -> Result<(String, Option<String>), String> {
    let answer = heddle.get(&format!("/v1/routes?view=received&peer={peer}&prefix={prefix}"))?;
    let path = answer.pointer("/routes/0/paths/0").ok_or_else(|| format!("{prefix}: {answer}"))?;
    let word = |key: &str| path.get(key).and_then(Value::as_str).map(str::to_owned);
    Ok((word("status").unwrap_or_default(), word("reason")))
}

fn run() {
    let lab = Lab::new("guard");
    let heddle = Heddle::start(&lab.host(1, "rr"), &config("true"));
    let session = |number: u8, asn: u32| bird_session(number, asn, "10.0.0.1", "", "");
    let all: Vec<&str> = ROUTES.iter().map(|(route, _)| *route).collect();
    let bird = Bird::start(&lab.host(2, "bird"), &format!("{}{}", statics(&all), session(2, 65002)));
    let client = Bird::start(&lab.host(3, "client"), &session(3, 65001));
    let routes = "route 9.8.0.0/16 next-hop 240.0.0.1; route 9.9.0.0/16 next-hop 127.0.0.1; route 9.10.0.0/16 next-hop 10.0.0.4; \
                  route 9.11.0.0/16 next-hop 10.0.0.4 as-path [ 65004 ( 65010 65011 ) ]; \
                  route 9.12.0.0/16 next-hop 10.0.0.4 as-path [ 65099 65004 ];";
    let exabgp = Exabgp::start(&lab.host(4, "exabgp"), &exabgp_session(4, 65004, "10.0.0.1", "asn4 enable;", routes));
    let fabric = format!("{}{}", statics(&["10.5.0.7/32", "10.5.1.0/26"]), session(5, 65005));
    let _fabric = Bird::start(&lab.host(5, "fabric"), &fabric);
    let unruled = Bird::start(&lab.host(6, "unruled"), &format!("{}{}", statics(&["9.6.0.0/16"]), session(6, 65006)));
    let before = bird.wait_established("10.0.0.1");
    exabgp.wait_established("10.0.0.1");

    // Claim 1.
    for prefix in ["9.1.0.0/16", "9.2.3.0/24", "2a00:1::/32", "9.10.0.0/16", "10.5.0.7/32", "10.5.1.0/26", "9.7.0.0/16"]
    {
        client.wait_route(prefix);
    }
    // Claim 2.
    wait_for("the peer has sent all", PATIENCE, || {
        let peer = heddle.peer("10.0.0.2")?;
        let ends = peer["families"].as_array().map(|f| f.iter().all(|f| f["end_of_rib_received"] == true));
        ensure(ends == Some(true), || peer.to_string())
    });
    for (prefix, reason) in ROUTES {
        let (status, shown) = verdict(&heddle, "10.0.0.2", prefix).unwrap_or_else(|e| panic!("{e}"));
        match reason {
            Some(reason) => {
                assert_eq!((status.as_str(), shown), ("rejected", Some(format!("guard_{reason}"))), "{prefix}");
                assert_eq!(client.paths(prefix), Ok(Vec::new()), "{prefix}");
            }
            None => assert_eq!((status.as_str(), shown), ("best", None), "{prefix}"),
        }
    }
    let peer = heddle.peer("10.0.0.2").expect("it answers");
    let of = |family: usize| peer.pointer(&format!("/families/{family}/guard_refused")).cloned().unwrap_or_default();
    let counts = |family: usize| {
        ["default_route", "own_prefix", "martian", "too_long", "too_short", "next_hop"]
            .map(|reason| of(family)[reason].as_u64().unwrap_or(u64::MAX))
    };
    assert_eq!((counts(0), counts(1)), ([1, 1, 1, 1, 1, 0], [1, 0, 1, 1, 0, 0]), "{peer}");
    assert_eq!(heddle.peer("10.0.0.5").expect("it answers").pointer("/families/0/guard_refused"), None);
    let shown = heddle.expect("show peer 10.0.0.2");
    assert!(shown.contains("1 default route, 1 own prefix, 1 martian, 1 too long, 1 too short"), "{shown}");
    let explained = heddle.expect("show routes 10.65.0.0/26 --peer 10.0.0.2 --received --explain");
    assert!(explained.contains("refused by the peer's guard: the prefix is special-purpose space"), "{explained}");

    // Claim 3, RFC 9774 (an AS_SET) and RFC 4271 §6.3 (the first AS is not the peer's): all are treated as withdrawn.
    let (status, reason) = verdict(&heddle, "10.0.0.4", "9.8.0.0/16").unwrap_or_else(|e| panic!("{e}"));
    assert_eq!((status.as_str(), reason.as_deref()), ("rejected", Some("guard_next_hop")));
    for malformed in ["9.9.0.0/16", "9.11.0.0/16", "9.12.0.0/16"] {
        assert!(verdict(&heddle, "10.0.0.4", malformed).is_err(), "{malformed} is not there");
    }
    let faults = heddle.peer("10.0.0.4").expect("it answers")["errors"]["treat_as_withdraw"].clone();
    assert_eq!(faults, 3, "all were treated as withdrawn");

    // Claim 4.
    let other = "{ ipv4_lengths = [8, 25], allow_default = true, allow_networks = true, own = [\"9.2.0.0/16\"] }";
    heddle.reload(&config(other));
    for prefix in ["9.1.0.0/25", "0.0.0.0/0", "::/0", "9.7.1.0/24"] {
        client.wait_route(prefix);
    }
    client.wait_no_route("9.2.3.0/24");
    assert_eq!(verdict(&heddle, "10.0.0.2", "10.65.0.0/26").map(|v| v.1), Ok(Some("guard_martian".to_owned())));
    heddle.reload(&config("false"));
    for prefix in ["10.65.0.0/26", "16.0.0.0/5", "9.2.3.0/24", "2a00:2::/64"] {
        client.wait_route(prefix);
    }
    assert_eq!(bird.session("10.0.0.1"), Ok(before), "the session stayed");

    // Claim 5.
    unruled.wait_established("10.0.0.1");
    wait_for("its route has come and is refused", PATIENCE, || {
        let (status, reason) = verdict(&heddle, "10.0.0.6", "9.6.0.0/16")?;
        ensure((status.as_str(), reason.as_deref()) == ("rejected", Some("import_policy")), || format!("{reason:?}"))
    });
    assert_eq!(client.paths("9.6.0.0/16"), Ok(Vec::new()));
    assert_eq!(unruled.paths("9.10.0.0/16"), Ok(Vec::new()));
    assert_eq!(heddle.peer("10.0.0.6").expect("it answers").pointer("/families/0/advertised"), Some(&Value::from(0)));
}
