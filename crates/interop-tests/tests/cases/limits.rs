//! Prefix limits, what is said at a shutdown, and many dynamic peers.
//!
//! RFC 4486 §4; RFC 9003 §2; RFC 8538 §3. Topology: the reflector (host 1); FRR (2), BIRD (3), ExaBGP (4) and others as
//! said at each case.

use heddle_interop_tests::lab::Lab;
use heddle_interop_tests::peers::Daemon;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::peers::exabgp::Exabgp;
use heddle_interop_tests::peers::frr::Frr;
use heddle_interop_tests::peers::heddle::Heddle;
use heddle_interop_tests::peers::openbgpd::Openbgpd;
use heddle_interop_tests::require::Need;
use heddle_interop_tests::view::Family;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::{Value, json};

use crate::Case;
use crate::common::{bird_session, client, exabgp_session, frr_router, openbgpd_router, router};

pub(crate) const CASES: &[Case] = &[
    Case { name: "limits::dynamic_peers", needs: &[Need::Bird], run: dynamic_peers },
    Case { name: "limits::prefixes", needs: &[Need::Exabgp, Need::Bird], run: prefixes },
    Case { name: "shutdown_communication", needs: &[Need::Bird, Need::Frr, Need::Openbgpd], run: shutdown },
];

/// Claims: 1. our text is seen by FRR, BIRD and OpenBGPD, as Administrative Shutdown. 2. Theirs is seen by us. 3. `up`
/// brings the sessions back. 4. `clear` is an Administrative Reset, after which the session comes back by itself.
fn shutdown() {
    let lab = Lab::new("shutdown");
    let config = [router("10.0.0.1"), client("10.0.0.2", ""), client("10.0.0.3", ""), client("10.0.0.4", "")];
    let heddle = Heddle::start(&lab.host(1, "rr"), &config.concat());
    // A second later it would try again, be refused, and have forgotten why its session ended: it waits for us.
    let passive = frr_router(2, 65001, &["10.0.0.1"], " neighbor RR passive\n", "", "");
    let frr = Frr::start(&lab.host(2, "frr"), &passive);
    let bird = Bird::start(&lab.host(3, "bird"), &bird_session(3, 65001, "10.0.0.1", "", ""));
    let openbgpd = Openbgpd::start(&lab.host(4, "openbgpd"), &openbgpd_router(65001, "10.0.0.1", "", ""));
    let daemons: [(&str, &dyn Daemon); 3] = [("10.0.0.2", &frr), ("10.0.0.3", &bird), ("10.0.0.4", &openbgpd)];
    let text = "loom 7 is being oiled, back at 6";
    for (address, daemon) in daemons {
        daemon.wait_established("10.0.0.1");
        heddle.wait_established(address);
        heddle.shut_down(address, text);
    }
    wait_for("FRR shows our text", PATIENCE, || {
        let neighbor = frr.neighbor("10.0.0.1")?;
        ensure(neighbor["lastShutdownDescription"] == text, || neighbor.to_string())
    });
    wait_for("BIRD logs our text", PATIENCE, || {
        let log = bird.log();
        ensure(log.contains(&format!("Received: Administrative shutdown: \"{text}\"")), || log.clone())
    });
    wait_for("OpenBGPD shows our text", PATIENCE, || {
        let neighbor = openbgpd.neighbor("10.0.0.1")?;
        ensure(neighbor.to_string().contains(text), || neighbor.to_string())
    });
    for (address, _) in daemons {
        heddle.act(address, "up", &json!({}));
    }
    for (address, daemon) in daemons {
        daemon.wait_established("10.0.0.1");
        heddle.wait_established(address);
    }

    let theirs = "the warp is torn";
    frr.configure(&["router bgp 65001", &format!("neighbor 10.0.0.1 shutdown message {theirs}")]);
    bird.expect(&format!("disable rr_10_0_0_1 \"{theirs}\""));
    openbgpd.expect_words(&["neighbor", "10.0.0.1", "down", theirs]);
    for (address, _) in daemons {
        wait_for(&format!("we show the text of {address}"), PATIENCE, || {
            let peer = heddle.peer(address)?;
            let reset = &peer["last_reset"];
            // Where RFC 8538 is on, the Administrative Shutdown (6/2) comes inside a Hard Reset (6/9).
            let shutdown = reset["reason"].as_str().is_some_and(|reason| reason.contains("Administrative Shutdown"));
            let as_said = reset["text"] == theirs && reset["by"] == "received" && reset["code"] == 6 && shutdown;
            ensure(as_said, || reset.to_string())
        });
    }
    bird.expect("enable rr_10_0_0_1");
    let before = bird.wait_established("10.0.0.1");
    heddle.wait_established("10.0.0.3");
    heddle.act("10.0.0.3", "clear", &json!({ "text": "again" }));
    wait_for("the session with BIRD is a new one", PATIENCE, || {
        let now = bird.session("10.0.0.1")?;
        ensure(now.established && now.incarnation != before.incarnation, || format!("{now:?}"))
    });
}

/// Claims: 1. beyond the limit the session ends with Cease, Maximum Number of Prefixes Reached, and the routes go. 2. With
/// `restart` it comes back after the time given, when the peer has fewer routes. 3. With `warn` it stays. 4. With `down` it
/// stays down until it is cleared. 5. A limit of what we send: the same, with Cease from us.
fn prefixes() {
    let lab = Lab::new("prefixes");
    let config = [
        router("10.0.0.1"),
        client(
            "10.0.0.4",
            "prefix_limit = { max = 2, action = \"restart\", restart_after = 1 }\nidle_hold = { max = 1 }",
        ),
        client("10.0.0.5", "prefix_limit = { max = 2, action = \"warn\" }"),
        client("10.0.0.6", "prefix_limit = { max = 2, action = \"down\" }"),
        client("10.0.0.7", ""),
        client("10.0.0.8", "prefix_limit_out = { max = 2, action = \"down\" }"),
    ];
    let heddle = Heddle::start(&lab.host(1, "rr"), &config.concat());
    let overfed = Bird::start(&lab.host(8, "overfed"), &bird_session(8, 65001, "10.0.0.1", "", ""));
    overfed.wait_established("10.0.0.1");
    let start = |number: u8| {
        let routes: String =
            (1..=3).map(|last| format!("route 198.51.{number}.{last}/32 next-hop 10.0.0.{number};\n")).collect();
        let config = exabgp_session(number, 65001, "10.0.0.1", "asn4 enable;", &routes);
        Exabgp::start(&lab.host(number, &format!("exabgp{number}")), &config)
    };
    let observer = Bird::start(&lab.host(7, "observer"), &bird_session(7, 65001, "10.0.0.1", "", ""));
    observer.wait_established("10.0.0.1");
    let (restart, warn, down) = (start(4), start(5), start(6));
    for exabgp in [&restart, &down] {
        wait_for(&format!("{}: Cease 6/1", exabgp.name()), PATIENCE, || {
            let heard = exabgp.notifications("10.0.0.1");
            ensure(heard.iter().any(|body| body.starts_with("0601")), || format!("{heard:?}"))
        });
    }
    let blocked = heddle.peer("10.0.0.6").expect("it answers");
    assert_eq!(blocked.pointer("/down_reason/code").and_then(Value::as_str), Some("prefix_limit"), "{blocked}");
    for last in 1..=3 {
        observer.wait_route(&format!("198.51.5.{last}/32"));
    }
    warn.wait_established("10.0.0.1");
    observer.wait_no_route("198.51.6.1/32");

    for exabgp in [&restart, &down] {
        let number = if std::ptr::eq(exabgp, &restart) { 4 } else { 6 };
        exabgp.command(&format!("neighbor 10.0.0.1 withdraw route 198.51.{number}.3/32 next-hop 10.0.0.{number}"));
    }
    wait_for("the session with too much to send is closed for good", PATIENCE, || {
        let peer = heddle.peer("10.0.0.8")?;
        let blocked = peer.pointer("/down_reason/code") == Some(&Value::from("prefix_limit"));
        ensure(blocked && overfed.log().contains("Maximum number of prefixes reached"), || {
            format!("{peer}\n{}", overfed.log())
        })
    });
    observer.wait_route("198.51.4.1/32");
    restart.wait_established("10.0.0.1");
    assert!(!heddle.session("10.0.0.6").expect("it answers").established);
    heddle.act("10.0.0.6", "up", &json!({}));
    observer.wait_route("198.51.6.1/32");
    down.wait_established("10.0.0.1");
}

/// 500 sessions from as many addresses of one host, of one BIRD, each with a BGP Identifier of its own. BIRD runs only one
/// session with an address, so the reflector has as many.
/// Claims: 1. all come up. 2. Each one's route arrives at a static client. 3. When the daemon is killed all
/// sessions end and all routes go; the static client's session stays.
fn dynamic_peers() {
    const PEERS: u32 = 500;
    let lab = Lab::new("dynamic_peers");
    let rr = lab.host(1, "rr");
    let octets = |number: u32| format!("{}.{}", 1 + number / 250, 1 + number % 250);
    let addresses =
        |first: &str| -> Vec<String> { (0..PEERS).map(|number| format!("{first}.{}/32", octets(number))).collect() };
    rr.add_addresses("lo", addresses("10.11").iter().map(String::as_str));
    rr.netns().ip(&["route", "add", "10.10.0.0/16", "via", "10.0.0.2"]);
    let group = "\n[[peer_groups]]\nname = \"nodes\"\nasn = 65001\nroute_reflector_client = true\npassive = true\n\
        graceful_restart = \"helper\"\n\n[[listen_ranges]]\nprefix = \"10.10.0.0/16\"\ngroup = \"nodes\"\n";
    let heddle = Heddle::start(&rr, &format!("{}{}{group}", router("10.0.0.1"), client("10.0.0.3", "")));
    let observer = Bird::start(&lab.host(3, "observer"), &bird_session(3, 65001, "10.0.0.1", "", ""));
    let before = observer.wait_established("10.0.0.1");

    let many = lab.host(2, "many");
    many.add_addresses("lo", addresses("10.10").iter().map(String::as_str));
    many.netns().ip(&["route", "add", "10.11.0.0/16", "via", "10.0.0.1"]);
    let mut config = String::from("protocol static { ipv4;\n");
    config.extend((0..PEERS).map(|number| format!("route 10.20.{}/32 blackhole;\n", octets(number))));
    config.push_str("}\n");
    config.extend((0..PEERS).map(|number| {
        let own = octets(number);
        format!(
            "protocol bgp p{number} {{ local 10.10.{own} as 65001; neighbor 10.11.{own} as 65001; router id 10.10.{own};\n\
             connect delay time 1; graceful restart off; \
             ipv4 {{ import none; export where net = 10.20.{own}/32; next hop self; }}; }}\n"
        )
    }));
    let mut bird = Bird::start(&many, &config);
    // 250,000 routes go out meanwhile, in a debug build slowly.
    wait_for("500 dynamic peers are established", 3 * PATIENCE, || {
        let peers = heddle.peers()?;
        let up = peers.iter().filter(|peer| peer["dynamic"] == true && peer["state"] == "established").count();
        ensure(up == 500, || format!("{up} of {} peers", peers.len()))
    });
    wait_for("the observer has the 500 routes", PATIENCE, || {
        let routes = observer.routes(Family::Ipv4)?;
        ensure(routes.len() == 500, || format!("{} routes", routes.len()))
    });
    bird.kill();
    wait_for("no dynamic peer is established", PATIENCE, || {
        let peers = heddle.peers()?;
        let up = peers.iter().filter(|peer| peer["dynamic"] == true && peer["state"] == "established").count();
        ensure(up == 0, || format!("{up} of {} peers", peers.len()))
    });
    wait_for("the observer has no routes", PATIENCE, || {
        let routes = observer.routes(Family::Ipv4)?;
        ensure(routes.is_empty(), || format!("{} routes", routes.len()))
    });
    assert_eq!(observer.wait_established("10.0.0.1"), before);
}
