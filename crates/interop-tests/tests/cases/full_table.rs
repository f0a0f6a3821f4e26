//! A full Internet table through the reflector.
//!
//! RFC 4271 §9, 4456 §10, 6396 §4.3. Topology: the reflector (host 1, AS 3856); `heddle mrt replay` of a recorded table as an
//! iBGP client (2); BIRD (3) and FRR (4) as clients. The file is `data/internet-2015.mrt.gz`; the expectation
//! is the text that `bgpdump -m` makes of it.
//! The file has 577,703 prefixes in the end. Four of them have AS 0 in the AS_PATH and 18 have AS 0 as AGGREGATOR, which
//! RFC 7607 §2 calls malformed; the session that plays the recording has `reject_as_zero = false`, so that they are carried
//! as both daemons would take them (FRR discards the AGGREGATOR).
//! Claims: 1. both end with all of them, and nothing was malformed. 2. In the MRT table that each of them
//! writes, as `bgpdump` reads it, every prefix has the AS_PATH, ORIGIN, NEXT_HOP, LOCAL_PREF, MULTI_EXIT_DISC, communities,
//! ATOMIC_AGGREGATE and AGGREGATOR that the file has in the end. 3. A route carries the ORIGINATOR_ID of the file and our
//! cluster id before the CLUSTER_LIST of the file.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use heddle_interop_tests::lab::Lab;
use heddle_interop_tests::peers::Daemon;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::peers::frr::Frr;
use heddle_interop_tests::peers::heddle::{Heddle, program};
use heddle_interop_tests::process::Process;
use heddle_interop_tests::require::{Need, recording};
use heddle_interop_tests::wait::{ensure, wait_for};
use serde_json::Value;

use crate::Case;
use crate::common::{client, router};

pub(crate) const CASES: &[Case] = &[Case { name: "full_table", needs: &[Need::Bird, Need::Frr, Need::Bgpdump], run }];

const PREFIXES: usize = 577_703;
/// Debug builds and both daemons share two cores with other tests.
const LOADED: Duration = Duration::from_secs(300);

fn run() {
    let lab = Lab::new("full_table");
    let clients = [("10.0.0.2", "reject_as_zero = false\n"), ("10.0.0.3", ""), ("10.0.0.4", "")]
        .map(|(address, more)| client(address, more).replace("65001", "3856"));
    let config = format!("{}{}", router("10.0.0.1").replace("65001", "3856"), clients.concat());
    let heddle = Heddle::start(&lab.host(1, "rr"), &config);
    let session = "protocol bgp reflector { local 10.0.0.3 as 3856; neighbor 10.0.0.1 as 3856; connect delay time 1; \
        ipv4 { import all; export none; }; }";
    let bird = Bird::start(&lab.host(3, "bird"), session);
    let frr = Frr::start(
        &lab.host(4, "frr"),
        "router bgp 3856\n bgp router-id 10.0.0.4\n neighbor 10.0.0.1 remote-as 3856\n neighbor 10.0.0.1 timers connect 1\n",
    );
    bird.wait_established("10.0.0.1");
    frr.wait_established("10.0.0.1");

    let player = lab.host(2, "player");
    let recording = recording();
    let mut replay = player.netns().command(&program().to_string_lossy());
    replay.args(["mrt", "replay"]).arg(&recording).args([
        "--local-as",
        "3856",
        "--to",
        "10.0.0.1",
        "--bind",
        "10.0.0.2",
    ]);
    let _replay = Process::spawn("replay", replay, &player.log("replay"));
    let expected = final_state(&recording);
    assert_eq!(expected.len(), PREFIXES);

    wait_for("BIRD has all routes", LOADED, || {
        let count = bird.command("show route count table master4")?;
        ensure(count.contains(&format!("for {PREFIXES} networks")), || count.clone())
    });
    wait_for("FRR has all routes", LOADED, || {
        let neighbor = frr.neighbor("10.0.0.1")?;
        let count = neighbor.pointer("/addressFamilyInfo/ipv4Unicast/acceptedPrefixCounter").and_then(Value::as_u64);
        ensure(count == Some(PREFIXES as u64), || format!("{count:?}"))
    });
    let summary = heddle.get("/v1/summary").expect("it answers");
    assert_eq!(summary.pointer("/families/0/best").and_then(Value::as_u64), Some(PREFIXES as u64), "{summary}");

    let player = heddle.peer("10.0.0.2").expect("it answers");
    for error in ["treat_as_withdraw", "attribute_discard"] {
        assert_eq!(player.pointer(&format!("/errors/{error}")).and_then(Value::as_u64), Some(0), "{player}");
    }

    let bird_dump = lab.directory().join("bird.mrt");
    bird.expect(&format!("mrt dump table \"master4\" to \"{}\"", bird_dump.display()));
    compare("BIRD", &bird_dump, &expected);
    let frr_dump = lab.directory().join("frr.mrt");
    frr.configure(&[&format!("dump bgp routes-mrt {}", frr_dump.display())]);
    frr.expect("show version");
    compare("FRR", &frr_dump, &without_as_zero_aggregator(expected));

    let sample = "8.8.8.0/24";
    let ours = bird.wait_route(sample).attributes;
    assert!(ours.originator_id.is_some(), "{ours:#?}");
    assert_eq!(ours.cluster_list.first().map(String::as_str), Some("10.0.0.1"), "{ours:#?}");
    assert!(ours.cluster_list.len() > 1, "the CLUSTER_LIST of the file follows: {ours:#?}");
    assert_eq!(frr.wait_route(sample).attributes.without(frr.blind_to()), ours.without(frr.blind_to()));
}

/// What stands between the prefix and the end of a line of `bgpdump -m`: all attributes that it shows.
type Table = HashMap<String, String>;

/// The routes that are left when all announcements and withdrawals of a recording have been applied.
fn final_state(recording: &Path) -> Table {
    let mut table = Table::new();
    for_each_line(Command::new("bgpdump").arg("-m").arg(recording), |line| {
        let mut fields = line.splitn(7, '|').skip(2);
        let (kind, prefix, rest) = (fields.next(), fields.nth(2), fields.next());
        match (kind, prefix) {
            (Some("A"), Some(prefix)) => {
                table.insert(prefix.to_owned(), rest.unwrap_or_default().to_owned());
            }
            (Some("W"), Some(prefix)) => {
                table.remove(prefix);
            }
            _ => {}
        }
    });
    table
}

/// What FRR keeps of it: an AGGREGATOR with AS 0 it discards itself (RFC 7607 §2); paths with AS 0 it takes.
fn without_as_zero_aggregator(mut table: Table) -> Table {
    for rest in table.values_mut() {
        if let Some(kept) = rest.strip_suffix("|0 0.0.0.0|") {
            *rest = format!("{kept}||");
        }
    }
    table
}

/// Each prefix of the dump has the attributes of `expected`, and none is missing.
fn compare(who: &str, dump: &PathBuf, expected: &Table) {
    let mut seen = 0;
    let mut wrong = Vec::new();
    for_each_line(Command::new("bgpdump").arg("-m").arg(dump), |line| {
        let mut fields = line.splitn(7, '|').skip(5);
        let (Some(prefix), Some(rest)) = (fields.next(), fields.next()) else { return };
        seen += 1;
        let wanted = expected.get(prefix).map(String::as_str);
        if wanted != Some(rest) && wrong.len() < 10 {
            wrong.push(format!("{prefix}\n  has      {rest}\n  expected {wanted:?}"));
        }
    });
    assert!(wrong.is_empty(), "{who}: the first routes that differ:\n{}", wrong.join("\n"));
    assert_eq!(seen, expected.len(), "{who}: routes in its dump");
}

fn for_each_line(command: &mut Command, mut each: impl FnMut(&str)) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("it can be started");
    let mut reader = BufReader::new(child.stdout.take().expect("its output is a pipe"));
    let mut line = String::new();
    while reader.read_line(&mut line).expect("its output is text") > 0 {
        each(line.trim_end());
        line.clear();
    }
    let status = child.wait().expect("it is a child of ours");
    assert!(status.success(), "{command:?}: {status}");
}
