//! Connection collision.
//!
//! RFC 4271 §6.8, RFC 6286 §2.3. Topology: the reflector (host 10, BGP Identifier 10.0.0.10); BIRD (2 and 20) and FRR (3 and
//! 30), of which two have a lower BGP Identifier and two a higher one. At first the reflector's connections alone
//! may begin; then those of the peers too, without data, until both connections of each pair stand; then all but
//! KEEPALIVEs, so that no connection is Established before the OPENs have collided; then everything.
//! `equal_identifiers` (RFC 6286 §2.3): all speakers are Heddle with the same BGP Identifier, the peers in a lower (2) and in a higher (20)
//! AS; who is in the higher AS wins.
//! Claims: 1. each pair ends with one session. 2. Its connection is the one that the speaker with the higher BGP Identifier
//! opened. 3. No second connection is left, and the session stays up.

use heddle_interop_tests::lab::{Host, Lab};
use heddle_interop_tests::peers::Daemon;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::peers::frr::Frr;
use heddle_interop_tests::peers::heddle::Heddle;
use heddle_interop_tests::require::Need;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::Value;

use crate::Case;
use crate::common::{bird_session, client, frr_router, peer, router};

pub(crate) const CASES: &[Case] = &[
    Case { name: "collision", needs: &[Need::Bird, Need::Frr], run },
    Case { name: "collision::equal_identifiers", needs: &[], run: equal_identifiers },
];

const REFLECTOR: &str = "10.0.0.10";
/// Segments with data; on these hosts nobody speaks TCP but BGP.
const DATA: &str = "tcp flags & psh == psh";

fn run() {
    let lab = Lab::new("collision");
    let rr = lab.host(10, "rr");
    let hosts = [(2, "bird2"), (20, "bird20"), (3, "frr3"), (30, "frr30")].map(|(number, name)| lab.host(number, name));
    for host in hosts.iter().chain([&rr]) {
        // An OPEN that is sent again must not take a KEEPALIVE along.
        host.netns().run("sysctl", &["-q", "-w", "net.ipv4.tcp_retrans_collapse=0"]);
    }
    let everywhere = || hosts.iter().chain([&rr]);
    everywhere().for_each(|host| drop_arriving(host, &[DATA]));
    drop_arriving(&rr, &[DATA, "tcp dport 179 tcp flags & (syn | ack) == syn"]);
    let config: String = [2_u8, 20, 3, 30].map(|number| client(&format!("10.0.0.{number}"), "")).concat();
    let heddle = Heddle::start(&rr, &format!("{}{config}", router(REFLECTOR)));
    let [low_bird, high_bird] = [(2, &hosts[0]), (20, &hosts[1])]
        .map(|(number, host)| Bird::start(host, &bird_session(number, 65001, REFLECTOR, "", "")));
    let [low_frr, high_frr] = [(3, &hosts[2]), (30, &hosts[3])]
        .map(|(number, host)| Frr::start(host, &frr_router(number, 65001, &[REFLECTOR], "", "", "")));
    let daemons: [(u8, &dyn Daemon); 4] = [(2, &low_bird), (20, &high_bird), (3, &low_frr), (30, &high_frr)];
    for (number, _) in daemons {
        wait_for(&format!("our connection with host {number}"), PATIENCE, || {
            let (ours, theirs) = connections(&rr, number);
            ensure(ours > 0, || format!("{ours} by us, {theirs} by the peer"))
        });
    }
    drop_arriving(&rr, &[DATA]);
    for (number, _) in daemons {
        wait_for(&format!("two connections between us and host {number}"), PATIENCE, || {
            let (ours, theirs) = connections(&rr, number);
            ensure(ours > 0 && theirs > 0, || format!("{ours} by us, {theirs} by the peer"))
        });
    }
    everywhere().for_each(|host| drop_arriving(host, &["ip length 71 tcp sport 179", "ip length 71 tcp dport 179"]));
    // (71: an IPv4 header, a TCP header with timestamps, and the 19 octets of a KEEPALIVE.)
    for (number, _) in daemons {
        wait_one(&rr, number);
    }
    everywhere().for_each(|host| drop_arriving(host, &[]));
    let sessions = daemons.map(|(number, daemon)| {
        let address = format!("10.0.0.{number}");
        heddle.wait_established(&address);
        let session = daemon.wait_established(REFLECTOR);
        wait_one(&rr, number);
        let peer = heddle.wait_peer(&address);
        let opened_by_peer = peer.pointer("/transport/local_port").and_then(Value::as_u64) == Some(179);
        assert_eq!(opened_by_peer, number > 10, "who has the higher identifier opened it: {peer}");
        (number, session)
    });
    for ((number, daemon), (_, before)) in daemons.into_iter().zip(sessions) {
        assert_eq!(daemon.session(REFLECTOR), Ok(before), "the session with host {number} stayed");
    }
}

/// S08: identifiers that are equal are legal between ASes, and the AS numbers decide.
fn equal_identifiers() {
    let lab = Lab::new("equal_identifiers");
    let rr = lab.host(10, "rr");
    let hosts =
        [(2_u8, 64_999_u32), (20, 65_002)].map(|(number, asn)| (lab.host(number, &format!("as{asn}")), number, asn));
    let everywhere = || hosts.iter().map(|(host, ..)| host).chain([&rr]);
    for host in everywhere() {
        host.netns().run("sysctl", &["-q", "-w", "net.ipv4.tcp_retrans_collapse=0"]);
        drop_arriving(host, &[DATA]);
    }
    drop_arriving(&rr, &[DATA, "tcp dport 179 tcp flags & (syn | ack) == syn"]);
    let config: String = hosts.iter().map(|(_, number, asn)| peer(&format!("10.0.0.{number}"), *asn, "")).collect();
    let ours = Heddle::start(&rr, &format!("{}{config}", router("10.9.9.9")));
    let theirs = hosts.each_ref().map(|(host, _, asn)| {
        let config = format!("{}{}", router("10.9.9.9").replace("65001", &asn.to_string()), peer(REFLECTOR, 65001, ""));
        // The helper takes AS 65001 for one's own.
        let config = config.replace(
            "asn = 65001\nconnect_retry",
            "asn = 65001\nimport_policy = \"all\"\nexport_policy = \"all\"\nconnect_retry",
        );
        Heddle::start(host, &config)
    });
    for (_, number, _) in &hosts {
        wait_for(&format!("our connection with host {number}"), PATIENCE, || {
            let (ours, theirs) = connections(&rr, *number);
            ensure(ours > 0, || format!("{ours} by us, {theirs} by the peer"))
        });
    }
    drop_arriving(&rr, &[DATA]);
    for (_, number, _) in &hosts {
        wait_for(&format!("two connections between us and host {number}"), PATIENCE, || {
            let (ours, theirs) = connections(&rr, *number);
            ensure(ours > 0 && theirs > 0, || format!("{ours} by us, {theirs} by the peer"))
        });
    }
    everywhere().for_each(|host| drop_arriving(host, &["ip length 71 tcp sport 179", "ip length 71 tcp dport 179"]));
    hosts.iter().for_each(|(_, number, _)| wait_one(&rr, *number));
    everywhere().for_each(|host| drop_arriving(host, &[]));
    for ((_, number, asn), their) in hosts.iter().zip(&theirs) {
        their.wait_established(REFLECTOR);
        let peer = ours.wait_peer(&format!("10.0.0.{number}"));
        let opened_by_peer = peer.pointer("/transport/local_port").and_then(Value::as_u64) == Some(179);
        assert_eq!(opened_by_peer, *asn > 65_001, "who is in the higher AS opened it: {peer}");
        assert_eq!(peer["router_id"], "10.9.9.9", "{peer}");
        assert_eq!(peer["flap_count"], 0, "{peer}");
    }
}

/// Drops packets on arrival that one of these expressions matches, in place of those of before. (One that is dropped on
/// its way out counts as not sent, and what follows is put into the same segment.)
fn drop_arriving(host: &Host, what: &[&str]) {
    let rules: String = what.iter().map(|expression| format!("{expression} drop; ")).collect();
    let text = format!(
        "table inet mute\ndelete table inet mute\n\
         table inet mute {{\n chain input {{ type filter hook input priority 0; {rules} }}\n}}\n"
    );
    let file = host.write("mute.nft", &text);
    host.netns().run("nft", &["-f", &file.to_string_lossy()]);
}

#[track_caller]
fn wait_one(host: &Host, number: u8) {
    wait_for(&format!("one connection with host {number}"), PATIENCE, || {
        let (ours, theirs) = connections(host, number);
        ensure(ours + theirs == 1, || format!("{ours} by us, {theirs} by the peer"))
    });
}

/// How many connections with a host stand that we opened, and that it opened.
fn connections(host: &Host, number: u8) -> (usize, usize) {
    let peer = format!("10.0.0.{number}");
    let text = host.netns().run("ss", &["-Htn", "state", "established", "dst", &peer]);
    let lines = || text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let remote_179 = format!("{peer}:179");
    let ours = lines().filter(|words| words.last().is_some_and(|word| *word == remote_179)).count();
    (ours, lines().count() - ours)
}
