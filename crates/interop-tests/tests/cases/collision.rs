//! Connection collision.
//!
//! RFC 4271 §6.8, RFC 6286 §2.3. Topology: the reflector (host 10, BGP Identifier 10.0.0.10); BIRD (2 and 20) and FRR (3 and
//! 30), of which two have a lower BGP Identifier and two a higher one. The reflector's host drops all TCP segments with
//! data until both connections of each pair stand, one from each side; then it lets all pass but KEEPALIVEs, so that no
//! connection is Established before the OPENs have collided; then everything.
//! Claims: 1. each pair ends with one session. 2. Its connection is the one that the speaker with the higher BGP Identifier
//! opened. 3. No second connection is left, and the session stays up.

use std::sync::Arc;

use heddle_interop_tests::lab::{Host, Lab};
use heddle_interop_tests::peers::Daemon;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::peers::frr::Frr;
use heddle_interop_tests::peers::heddle::Heddle;
use heddle_interop_tests::require::Need;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use serde_json::Value;

use crate::Case;
use crate::common::{bird_session, client, frr_router, router};

pub(crate) const CASES: &[Case] = &[Case { name: "collision", needs: &[Need::Bird, Need::Frr], run }];

const REFLECTOR: &str = "10.0.0.10";

fn run() {
    let lab = Lab::new("collision");
    let rr = lab.host(10, "rr");
    rr.netns().run("sysctl", &["-q", "-w", "net.ipv4.tcp_retrans_collapse=0"]);
    drop_segments(&rr, "tcp flags & psh == psh");
    let config: String = [2_u8, 20, 3, 30].map(|number| client(&format!("10.0.0.{number}"), "")).concat();
    let heddle = Heddle::start(&rr, &format!("{}{config}", router(REFLECTOR)));
    let bird = |number: u8| {
        Bird::start(&lab.host(number, &format!("bird{number}")), &bird_session(number, 65001, REFLECTOR, "", ""))
    };
    let frr = |number: u8| {
        Frr::start(&lab.host(number, &format!("frr{number}")), &frr_router(number, 65001, &[REFLECTOR], "", "", ""))
    };
    let (low_bird, high_bird, low_frr, high_frr) = (bird(2), bird(20), frr(3), frr(30));
    let daemons: [(u8, &dyn Daemon); 4] = [(2, &low_bird), (20, &high_bird), (3, &low_frr), (30, &high_frr)];
    for (number, _) in daemons {
        wait_for(&format!("two connections between us and host {number}"), PATIENCE, || {
            let (ours, theirs) = connections(&rr, number);
            ensure(ours > 0 && theirs > 0, || format!("{ours} by us, {theirs} by the peer"))
        });
    }
    // An IPv4 header, a TCP header with timestamps, and 19 octets.
    drop_segments(&rr, "ip length 71");
    for (number, _) in daemons {
        wait_one(&rr, number);
    }
    rr.netns().run("nft", &["delete", "table", "inet", "mute"]);
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

/// Drops segments of BGP connections that match, in place of those of before.
fn drop_segments(host: &Arc<Host>, what: &str) {
    let rules: String = [("in", "input"), ("out", "output")]
        .map(|(name, hook)| {
            format!(
                " chain {name} {{ type filter hook {hook} priority 0; tcp sport 179 {what} drop; tcp dport 179 {what} drop; }}\n"
            )
        })
        .concat();
    let file =
        host.write("mute.nft", &format!("table inet mute\ndelete table inet mute\ntable inet mute {{\n{rules}}}\n"));
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
