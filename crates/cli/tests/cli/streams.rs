//! Output that is long or never ends.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::support::{Daemon, Fixed, heddle, text};
use heddle_admin::types::{EventKind, LastReset, PeerState, ResetBy, WallTime};

const PEERS: &str = include_str!("../data/peers.json");

/// Waits until `condition` holds, for at most ten seconds.
fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..1000 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("never true: {what}");
}

#[test]
fn json_is_what_the_daemon_says() {
    let daemon = Daemon::start(Fixed::new(PEERS));
    let json = |line: &str| -> serde_json::Value {
        let output = daemon.command(line).output().unwrap();
        assert!(output.status.success(), "{line}: {}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    };
    assert_eq!(json("show summary --json")["router"]["asn"], 65001);
    assert_eq!(json("show --json peers")["peers"][2]["received"], 850);
    assert_eq!(json("show peer fe80::1%eth0 --json")["address"], "fe80::1%eth0");
    let routes = json("show routes 198.51.100.0/24 --explain --json");
    assert_eq!(routes["routes"][0]["paths"][1]["explain"]["rule"], "local_pref");
    let version = json("version --json");
    assert_eq!((&version["program"], &version["daemon"]["pid"]), (&"heddle".into(), &4711.into()));
    assert_eq!(json("config diff good.toml --json")["resets"][0], "192.0.2.9");
    let without = heddle("version --json --socket none.sock").output().unwrap();
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&without.stdout).unwrap()["daemon"],
        serde_json::Value::Null
    );
}

#[test]
fn a_long_table_is_streamed_whole() {
    let daemon = Daemon::start(Fixed { copies: 10_000, ..Fixed::new(PEERS) });
    let output = daemon.command("show routes --family ipv4").output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let table = text(&output.stdout);
    assert!(table.ends_with("\n\n40000 routes, 80000 paths\n"), "{}", &table[table.len() - 200..]);
    assert_eq!(table.lines().count(), 3 + 80_000 + 2);
}

#[test]
fn a_reader_that_has_enough_is_no_error() {
    let daemon = Daemon::start(Fixed { copies: 10_000, ..Fixed::new(PEERS) });
    for line in ["show routes", "show routes --json", "config example", "completions bash"] {
        let mut child = daemon.command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut first = [0; 64];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.status.code(), text(&output.stderr)), (Some(0), String::new()), "{line}");
    }
}

#[test]
fn events_are_shown_as_they_happen() {
    let mut daemon = Daemon::start(Fixed::new(PEERS));
    let mut child = daemon.command("monitor --peer 192.0.2.7").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    assert!(next().ends_with("connected to the daemon, waiting for events"));
    let hub = &daemon.backend.hub;
    let peer = Some("192.0.2.7".parse().unwrap());
    let reset = LastReset {
        at: WallTime::default(),
        seconds_ago: 0,
        by: ResetBy::Received,
        code: Some(6),
        subcode: Some(2),
        reason: "Cease/Administrative Shutdown".to_owned(),
        text: Some("until 6".to_owned()),
        data_hex: None,
    };
    hub.publish(Some("192.0.2.9".parse().unwrap()), EventKind::PeerRemoved);
    let ended = EventKind::PeerState { from: PeerState::Established, to: PeerState::Idle, reset: Some(reset) };
    hub.publish(peer, ended);
    let line = next();
    let expected = "  192.0.2.7        Established -> Idle: received Cease/Administrative Shutdown (6/2): \"until 6\"";
    assert!(line.ends_with(expected), "{line}");
    hub.publish(None, EventKind::ConfigApplied { changes: 1 });
    assert!(next().ends_with("  -                configuration applied, 1 change"));
    daemon.stop();
    assert!(next().ends_with("the daemon ends"));
    assert!(child.wait().unwrap().success());
}

#[test]
fn events_as_json_are_a_line_each() {
    let mut daemon = Daemon::start(Fixed::new(PEERS));
    let mut child = daemon.command("monitor --json").stdout(Stdio::piped()).spawn().unwrap();
    wait_for("the reader is there", || daemon.backend.readers.load(Ordering::SeqCst) == 1);
    daemon.backend.hub.publish(Some("192.0.2.7".parse().unwrap()), EventKind::PeerAdded { dynamic: true });
    daemon.stop();
    let mut output = String::new();
    child.stdout.take().unwrap().read_to_string(&mut output).unwrap();
    let events: Vec<serde_json::Value> = output.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let names: Vec<_> = events.iter().map(|event| event["event"].as_str().unwrap()).collect();
    assert_eq!(names, ["connected", "peer_added", "stopping"]);
    assert_eq!((&events[1]["peer"], &events[1]["dynamic"]), (&"192.0.2.7".into(), &true.into()));
    assert!(child.wait().unwrap().success());
}

/// Changes of routes stand in columns; the stream ends when the daemon gives its reader up.
#[test]
fn changes_of_routes_are_shown_as_they_happen() {
    let daemon = Daemon::start(Fixed::new(PEERS));
    let output = daemon.command("monitor --routes --family ipv4").output().unwrap();
    let shown = text(&output.stdout);
    let lines: Vec<_> = shown.lines().filter_map(|l| l.get(25..)).collect();
    let [connected, routes @ .., lost, withdrawn, end] = lines.as_slice() else { panic!("{shown}") };
    assert!(connected.ends_with("waiting for events"));
    assert!(!routes.is_empty() && routes.iter().all(|r| r.contains('.')), "{shown}");
    assert_eq!(routes[0], "-                0.0.0.0/0           10.255.0.1       ?");
    assert_eq!(*withdrawn, "-                10.9.0.0/16         withdrawn");
    assert_eq!((lost, lost.ends_with("the last of each follows")), (end, true));
    let output = daemon.command("monitor --routes --json").output().unwrap();
    let events: Vec<serde_json::Value> =
        text(&output.stdout).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let best = events.iter().find(|e| e["event"] == "route_best").unwrap();
    assert!(best["attributes"]["as_path"].is_string() && best["prefix"].is_string(), "{best}");
    assert!(events.iter().any(|e| e["event"] == "route_withdrawn" && e["prefix"] == "2001:db8:9::/48"));
    // Of a family only where routes are asked for.
    assert_eq!(daemon.command("monitor --family ipv4").output().unwrap().status.code(), Some(2));
}

#[test]
fn colours_only_where_they_are_wanted() {
    let daemon = Daemon::start(Fixed::new(PEERS));
    let colored = |line: &str| text(&daemon.command(line).output().unwrap().stdout).contains('\u{1b}');
    assert!(!colored("show peers"), "a pipe is no terminal");
    assert!(colored("show peers --color always"));
    assert!(!colored("show peers --color never"));
}

#[test]
fn completions_know_the_commands() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let output = heddle(&format!("completions {shell}")).output().unwrap();
        let script = text(&output.stdout);
        assert!(output.status.success() && script.contains("longest") && script.contains("drain"), "{shell}");
    }
}

#[test]
fn a_cut_mrt_file_shows_what_is_there() {
    // A BGP4MP_STATE_CHANGE (RFC 6396 §4.4.1): peer 192.0.2.7 of AS 65001 comes from OpenConfirm to Established.
    let body = [0xfd, 0xe9, 0xfd, 0xe9, 0, 0, 0, 1, 192, 0, 2, 7, 192, 0, 2, 1, 0, 5, 0, 6];
    let mut record = vec![0x5f, 0, 0, 0, 0, 16, 0, 0, 0, 0, 0, 20];
    record.extend_from_slice(&body);
    let dir = tempfile::tempdir().unwrap();
    let show = |name: &str, content: &[u8]| {
        let file = dir.path().join(name);
        std::fs::write(&file, content).unwrap();
        heddle("mrt show").arg(&file).output().unwrap()
    };
    let whole = show("whole", &record);
    assert_eq!(text(&whole.stdout), "BGP4MP|1593835520|STATE|192.0.2.7|65001|5|6\n");
    assert!(whole.status.success(), "{}", text(&whole.stderr));
    let cut = show("cut", &[record.as_slice(), &record[..20]].concat());
    assert_eq!(text(&cut.stdout), text(&whole.stdout));
    assert_eq!(cut.status.code(), Some(1));
    assert!(text(&cut.stderr).contains("octet 32"), "{}", text(&cut.stderr));
    let missing = heddle("mrt show none.mrt").output().unwrap();
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(&missing.stderr).contains("cannot read none.mrt"), "{}", text(&missing.stderr));
}
