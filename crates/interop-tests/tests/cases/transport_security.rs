//! TCP MD5 and the TTL of packets.
//!
//! RFC 2385 §2; RFC 5082 §3; RFC 4271 §8 (eBGP peers are one hop away). Topology: the reflector (host 1, AS 65001) on LAN 0;
//! BIRD (2, AS 65002) and FRR (3, AS 65003) on LAN 0 with passwords; BIRD (4, AS 65004) and FRR (5, AS 65005) with GTSM; BIRD
//! (6, AS 65006), which sends with TTL 1 although we ask for GTSM; a router (9) between LAN 0 and LAN 1; BIRD (7, AS 65007)
//! on LAN 1, two hops away; dynamic peers from 10.0.1.128/25 with a password for the whole range (BIRD, 10.0.1.200).
//! Claims: 1. with the right key the sessions come up, over IPv4 and IPv6, and the kernel has them as signed. 2. With a wrong
//! key BIRD and FRR stay down; with the right one they come up. 3. A peer whose password file is missing is down with that
//! reason, and the daemon runs. 4. With GTSM on both sides sessions come up; a peer that sends with TTL 1 stays down. 5. A
//! peer two hops away comes up with `multihop`, and with GTSM of two hops, and not without. 6. A dynamic peer of a range
//! with a password comes up. 7. Where the kernel has no TCP-AO (RFC 5925) a peer with `tcp_ao` is down with that reason, which
//! names it and the kernel's option, and others come up; where it has, two of ours come up with it, and stay through a roll-over.

use std::sync::Arc;

use heddle_interop_tests::lab::{Host, Lab};
use heddle_interop_tests::peers::Daemon;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::peers::frr::Frr;
use heddle_interop_tests::peers::heddle::Heddle;
use heddle_interop_tests::require::{Need, tell_skipped};
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::Value;

use crate::Case;
use crate::common::{bird_session, frr_router, peer, router};

pub(crate) const CASES: &[Case] = &[
    Case { name: "transport_security::tcp_md5", needs: &[Need::Bird, Need::Frr], run: tcp_md5 },
    Case { name: "transport_security::tcp_ao", needs: &[Need::Bird], run: tcp_ao },
    Case { name: "transport_security::ttl", needs: &[Need::Bird, Need::Frr], run: ttl },
];

fn tcp_md5() {
    let lab = Lab::new("tcp_md5");
    let rr = lab.host(1, "rr");
    let key = rr.write("right.key", "spun-yarn\n");
    let key = key.display();
    let missing = rr.path("missing.key");
    let config = [
        router("10.0.0.1"),
        peer("10.0.0.2", 65002, &format!("password_file = \"{key}\"")),
        peer("fd00::3", 65003, &format!("password_file = \"{key}\"")),
        peer("10.0.0.4", 65004, &format!("password_file = \"{}\"", missing.display())),
        format!(
            "\n[[peer_groups]]\nname = \"range\"\nasn = \"external\"\npassive = true\nimport_policy = \"all\"\n\
             export_policy = \"all\"\n\n[[listen_ranges]]\nprefix = \"10.0.0.128/25\"\ngroup = \"range\"\n\
             password_file = \"{key}\"\n"
        ),
    ];
    let heddle = Heddle::start(&rr, &config.concat());
    let with = |text: &str| bird_session(2, 65002, "10.0.0.1", &format!("password \"{text}\";"), "");
    let bird = Bird::start(&lab.host(2, "bird"), &with("moth-eaten"));
    let frr = Frr::start(
        &lab.host(3, "frr"),
        &frr_router(3, 65003, &["fd00::1"], " neighbor RR password spun-yarn\n", "", ""),
    );
    let dynamic = bird_session(200, 65200, "10.0.0.1", "password \"spun-yarn\";", "");
    let dynamic = Bird::start(&lab.host(200, "dynamic"), &dynamic);
    frr.wait_established("fd00::1");
    dynamic.wait_established("10.0.0.1");
    for address in ["fd00::3", "10.0.0.200"] {
        let peer = heddle.wait_peer(address);
        assert_eq!(peer.pointer("/transport/tcp_md5"), Some(&Value::Bool(true)), "{peer}");
    }
    let blocked = heddle.peer("10.0.0.4").expect("the daemon runs");
    assert_eq!(blocked.pointer("/down_reason/code").and_then(Value::as_str), Some("password_missing"), "{blocked}");

    // The kernel counts segments that it drops for a wrong signature; then the key is put right.
    wait_md5_failures(&rr, 0);
    assert!(!heddle.session("10.0.0.2").expect("it answers").established);
    bird.configure(&with("spun-yarn"));
    bird.wait_established("10.0.0.1");
    heddle.wait_established("10.0.0.2");

    let before = md5_failures(&rr);
    frr.configure(&["router bgp 65003", "neighbor fd00::1 password moth-eaten"]);
    frr.wait_down("fd00::1");
    wait_md5_failures(&rr, before);
    assert!(!heddle.session("fd00::3").expect("it answers").established);
    frr.configure(&["router bgp 65003", "neighbor fd00::1 password spun-yarn"]);
    frr.wait_established("fd00::1");
    heddle.wait_established("10.0.0.2");
}

/// Claim 7. Which of the two is seen is up to the kernel: the other one is skipped by name.
fn tcp_ao() {
    let lab = Lab::new("tcp_ao");
    let (rr, other) = (lab.host(1, "rr"), lab.host(2, "other"));
    let keys = |host: &Host, order: [u8; 2]| {
        let one = |id: u8| {
            let file = host.write(&format!("{id}.key"), &format!("spun-yarn-{id}\n"));
            let algorithm = if id == 1 { "hmac-sha-1-96" } else { "cmac-aes-128" };
            format!("{{ send_id = {id}, recv_id = {id}, algorithm = \"{algorithm}\", file = \"{}\" }}", file.display())
        };
        format!("tcp_ao = [{}, {}]", one(order[0]), one(order[1]))
    };
    let config =
        |order| [router("10.0.0.1"), peer("10.0.0.2", 65002, &keys(&rr, order)), peer("10.0.0.3", 65003, "")].concat();
    let heddle = Heddle::start(&rr, &config([1, 2]));
    let bird = Bird::start(&lab.host(3, "bird"), &bird_session(3, 65003, "10.0.0.1", "", ""));
    bird.wait_established("10.0.0.1");
    heddle.wait_established("10.0.0.3");
    let refused = heddle.peer("10.0.0.2").expect("the daemon runs");
    let reason = |key: &str| refused.pointer(&format!("/down_reason/{key}")).and_then(Value::as_str);
    if let (Some("tcp_ao_unsupported"), Some(text)) = (reason("code"), reason("text")) {
        assert!(text.contains("10.0.0.2 has") && text.contains("CONFIG_TCP_AO"), "{text}");
        let configured =
            rr.netns().run("sh", &["-c", "zcat /proc/config.gz 2>/dev/null | grep CONFIG_TCP_AO=y || true"]);
        assert_eq!(configured, "", "the kernel has TCP-AO");
        let log = heddle.log();
        assert!(log.contains("the peer stays down") && !log.contains("spun-yarn"), "{log}");
        assert!(heddle.expect("show peer 10.0.0.2").contains("CONFIG_TCP_AO"));
        // Without the keys there is nothing in the way.
        heddle.reload(&[router("10.0.0.1"), peer("10.0.0.2", 65002, ""), peer("10.0.0.3", 65003, "")].concat());
        wait_for("the reason is gone", PATIENCE, || {
            let peer = heddle.peer("10.0.0.2")?;
            ensure(peer["down_reason"]["code"] != "tcp_ao_unsupported", || peer.to_string())
        });
        tell_skipped("transport_security::tcp_ao, the session itself,", "the kernel has no TCP-AO");
        return;
    }
    let theirs = |order| {
        let us = peer("10.0.0.1", 65001, &keys(&other, order));
        let policies = "import_policy = \"all\"\nexport_policy = \"all\"\n";
        format!("{}{us}{policies}", router("10.0.0.2").replace("asn = 65001", "asn = 65002"))
    };
    let second = Heddle::start_named(&other, &theirs([1, 2]), "second");
    let before = second.wait_established("10.0.0.1");
    assert_eq!(heddle.wait_peer("10.0.0.2").pointer("/transport/tcp_ao"), Some(&Value::Bool(true)));
    heddle.reload(&config([2, 1]));
    second.reload(&theirs([2, 1]));
    assert_eq!(second.session("10.0.0.1"), Ok(before), "the session stayed");
    heddle.act("10.0.0.2", "clear", &serde_json::json!({}));
    heddle.wait_established("10.0.0.2");
}

/// Segments that the kernel of a host has dropped for a wrong signature.
fn md5_failures(host: &Host) -> u64 {
    let counters = host.netns().run("nstat", &["-asz", "TcpExtTCPMD5Failure"]);
    let count = counters.split_whitespace().skip_while(|word| *word != "TcpExtTCPMD5Failure").nth(1);
    count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count in {counters}"))
}

fn wait_md5_failures(host: &Host, before: u64) {
    wait_for("segments with a wrong signature are dropped", PATIENCE, || {
        let count = md5_failures(host);
        ensure(count > before, || count.to_string())
    });
}

fn ttl() {
    let mut lab = Lab::new("ttl");
    let far_lan = lab.add_lan();
    let rr = lab.host(1, "rr");
    let middle = lab.host(9, "router");
    lab.attach(&middle, far_lan);
    middle.netns().run("sysctl", &["-q", "-w", "net.ipv4.ip_forward=1"]);
    let config = [
        router("10.0.0.1"),
        peer("10.0.0.4", 65004, "ttl_security = 1"),
        peer("10.0.0.5", 65005, "ttl_security = 1"),
        peer("10.0.0.6", 65006, "ttl_security = 1\npassive = true"),
        peer("10.0.1.7", 65007, "multihop = 2"),
        peer("10.0.1.8", 65008, "ttl_security = 2"),
        peer("10.0.1.10", 65010, ""),
    ];
    let heddle = Heddle::start(&rr, &config.concat());
    rr.netns().ip(&["route", "add", "10.0.1.0/24", "via", "10.0.0.9"]);
    let near = |number: u8, options: &str| {
        let config = bird_session(number, 65000 + u32::from(number), "10.0.0.1", options, "");
        Bird::start(&lab.host(number, &format!("bird{number}")), &config)
    };
    let far = |number: u8, options: &str| -> (Arc<Host>, Bird) {
        let host = lab.host_on(far_lan, number, &format!("far{number}"));
        host.netns().ip(&["route", "add", "10.0.0.0/24", "via", "10.0.1.9"]);
        let config = bird_session(number, 65000 + u32::from(number), "10.0.0.1", options, "")
            .replace(&format!("local 10.0.0.{number}"), &format!("local 10.0.1.{number}"));
        let bird = Bird::start(&host, &config);
        (host, bird)
    };
    let secured = near(4, "ttl security on;");
    let frr = Frr::start(
        &lab.host(5, "frr"),
        &frr_router(5, 65005, &["10.0.0.1"], " neighbor RR ttl-security hops 1\n", "", ""),
    );
    let _insecure = near(6, "");
    let (_, multihop) = far(7, "multihop 2;");
    let (_, gtsm_two) = far(8, "multihop 2; ttl security on;");
    let (_, _unexpected) = far(10, "multihop 2;");
    for daemon in [&secured as &dyn Daemon, &frr, &multihop, &gtsm_two] {
        daemon.wait_established("10.0.0.1");
    }
    for address in ["10.0.0.4", "10.0.0.5", "10.0.1.7", "10.0.1.8"] {
        heddle.wait_established(address);
    }
    // Both had as much time as the others, and tried: the kernel counted what arrived with too low a TTL.
    wait_for("packets with too low a TTL are dropped", PATIENCE, || {
        let counters = rr.netns().run("nstat", &["-asz", "TcpExtTCPMinTTLDrop"]);
        let count =
            counters.split_whitespace().skip_while(|word| *word != "TcpExtTCPMinTTLDrop").nth(1).map(str::to_owned);
        ensure(count.as_deref().is_some_and(|count| count != "0"), || counters.clone())
    });
    for address in ["10.0.0.6", "10.0.1.10"] {
        assert!(!heddle.session(address).expect("it answers").established, "{address} must stay down");
    }
}
