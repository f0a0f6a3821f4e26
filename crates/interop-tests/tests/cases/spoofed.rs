//! Segments in a peer's name.
//!
//! S10 of the list of bad input; RFC 5961 §3, §4; RFC 2385 §2; RFC 5082 §3. Topology: the reflector (host 1, AS 65001); BIRD (2, AS 65002)
//! without protection, BIRD (3, AS 65003) with a password, BIRD (4, AS 65004) with GTSM; an attacker (5) on the same LAN, who knows
//! addresses and ports of all sessions and not their sequence numbers.
//! Claims: 1. RSTs and SYNs at places all over the sequence space end none of the sessions. 2. With a password each one
//! is dropped for the signature that it lacks. 3. With GTSM each one that came over a router is dropped for its TTL.

use std::fs::File;
use std::net::SocketAddrV4;

use heddle_interop_tests::lab::{Host, Lab};
use heddle_interop_tests::peers::Daemon;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::peers::heddle::Heddle;
use heddle_interop_tests::require::Need;
use heddle_interop_tests::segment::{Forger, RST, RST_ACK, SYN, Segment, at};
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use nix::sched::{CloneFlags, setns};

use crate::Case;
use crate::common::{bird_session, peer, router};
use crate::random::Random;

pub(crate) const CASES: &[Case] = &[Case { name: "spoofed", needs: &[Need::Bird], run }];

/// Of each kind, to each session.
const SEGMENTS: u64 = 1500;

fn run() {
    let lab = Lab::new("spoofed");
    let rr = lab.host(1, "rr");
    let key = rr.write("right.key", "spun-yarn\n");
    let config = [
        router("10.0.0.1"),
        peer("10.0.0.2", 65002, "passive = true"),
        peer("10.0.0.3", 65003, &format!("passive = true\npassword_file = \"{}\"", key.display())),
        peer("10.0.0.4", 65004, "passive = true\nttl_security = 1"),
    ];
    let heddle = Heddle::start(&rr, &config.concat());
    let bird = |number: u8, options: &str| {
        let config = bird_session(number, 65000 + u32::from(number), "10.0.0.1", options, "");
        Bird::start(&lab.host(number, &format!("bird{number}")), &config)
    };
    let birds = [bird(2, ""), bird(3, "password \"spun-yarn\";"), bird(4, "ttl security on;")];
    let attacker = lab.host(5, "attacker");
    let before = ["10.0.0.2", "10.0.0.3", "10.0.0.4"].map(|address| heddle.wait_established(address));
    birds.iter().for_each(|bird| drop(bird.wait_established("10.0.0.1")));
    let peers = [2, 3, 4].map(|number| peer_end(&rr, number));

    let dropped = |counter: &str| count(&rr, counter);
    let unsigned = dropped("TcpExtTCPMD5NotFound");
    let too_far = dropped("TcpExtTCPMinTTLDrop");
    std::thread::scope(|scope| {
        scope.spawn(|| {
            enter(&attacker);
            attack(&peers);
        });
    });
    let all = 3 * SEGMENTS;
    for (counter, before) in [("TcpExtTCPMD5NotFound", unsigned), ("TcpExtTCPMinTTLDrop", too_far)] {
        wait_for(&format!("all of them have come: {counter}"), PATIENCE, || {
            let came = dropped(counter) - before;
            ensure(came >= all, || format!("{came} of {all}"))
        });
    }
    // What the peers send now arrives.
    for (bird, address) in birds.iter().zip(["10.0.0.2", "10.0.0.3", "10.0.0.4"]) {
        bird.expect("disable all");
        wait_for(&format!("{address} ends its session itself"), PATIENCE, || {
            let session = heddle.session(address)?;
            ensure(!session.established, || format!("{session:?}"))
        });
    }
    for (address, before) in ["10.0.0.2", "10.0.0.3", "10.0.0.4"].into_iter().zip(before) {
        let peer = heddle.peer(address).expect("it answers");
        assert_eq!(heddle.session(address).expect("it answers").incarnation, before.incarnation, "{peer}");
        assert_eq!(peer["flap_count"], 1, "only the end that the peer wanted: {peer}");
        assert_eq!(peer["last_reset"]["by"], "received", "{peer}");
    }
}

/// Where a session's other end is.
#[track_caller]
fn peer_end(rr: &Host, number: u8) -> SocketAddrV4 {
    let peer = format!("10.0.0.{number}");
    let text = rr.netns().run("ss", &["-Htn", "state", "established", "dst", &peer]);
    let ends: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().last()).collect();
    let [end] = ends[..] else { panic!("one connection with {peer}: {text}") };
    end.parse().unwrap_or_else(|error| panic!("{end}: {error}"))
}

fn attack(peers: &[SocketAddrV4; 3]) {
    let forger = Forger::new();
    let mut random = Random::new(65_001);
    let any =
        |random: &mut Random| u32::try_from(random.below(1 << 16) << 16 | random.below(1 << 16)).expect("32 bits");
    for _ in 0..SEGMENTS {
        for (which, from) in peers.iter().enumerate() {
            // Over one router.
            let ttl = if which == 2 { 254 } else { 255 };
            for flags in [RST, RST_ACK, SYN] {
                let (sequence, acknowledgment) = (any(&mut random), any(&mut random));
                let to = at("10.0.0.1", 179);
                forger.send(&Segment { from: *from, to, sequence, acknowledgment, flags, ttl });
            }
        }
    }
}

/// Moves this thread into the namespace of a host.
fn enter(host: &Host) {
    let path = format!("/run/netns/{}", host.netns().name());
    let file = File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    setns(file, CloneFlags::CLONE_NEWNET).unwrap_or_else(|error| panic!("{path}: {error}"));
}

/// A counter of a host's kernel.
fn count(host: &Host, counter: &str) -> u64 {
    let counters = host.netns().run("nstat", &["-asz", counter]);
    let count = counters.split_whitespace().skip_while(|word| *word != counter).nth(1);
    count.and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count in {counters}"))
}
