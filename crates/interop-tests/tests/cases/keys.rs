//! Keys of TCP MD5 and TCP-AO stay where they are: in their files and in the memory of whoever needs them.
//!
//! Topology: the reflector (host 1) with a key from a file, one from its configuration, one of TCP-AO and one for a range; a
//! second one (2) that has the first key; a node peer (3) whose keys are a Secret of its datastore. All log everything.
//! Claims: 1. the sessions come up with the keys. 2. No key is in a log, an answer of the API, what a command prints, the
//! arguments or the environment of a process, or a file that one has written; also not when a configuration with a key
//! is refused. 3. Nor in the memory, for another process of the same user: it may not look, and there is no core dump.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;

use heddle_interop_tests::lab::{Host, Lab};
use heddle_interop_tests::peers::heddle::{Heddle, program};
use heddle_interop_tests::process::{Process, Signal};
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};

use crate::Case;
use crate::common::{client, router};

pub(crate) const CASES: &[Case] = &[Case { name: "keys::are_nowhere_else", needs: &[], run: are_nowhere_else }];

/// Whatever has this in it has a key in it.
const MARK: &str = "Wollfaden";
/// The same in base64, wherever it begins in a group of three octets.
const MARKS: [&str; 4] = [MARK, "V29sbGZhZGVu", "dvbGxmYWRlb", "Xb2xsZmFkZW"];
/// `Wollfaden-two` in base64, as a Secret has it.
const SECRET: &str = "V29sbGZhZGVuLXR3bw==";

/// What a reader of `what` may not find.
#[track_caller]
fn assert_clean(what: &str, text: &[u8]) {
    for mark in MARKS {
        let found = text.windows(mark.len()).position(|octets| octets == mark.as_bytes());
        let around = found.and_then(|at| text.get(at.saturating_sub(200)..text.len().min(at + 50)));
        let around = around.map(String::from_utf8_lossy);
        assert!(found.is_none(), "{what} has a key: …{}…", around.unwrap_or_default());
    }
}

/// What others see of a process.
#[track_caller]
fn look_at(what: &str, process: &Process) {
    for file in ["cmdline", "environ"] {
        let path = format!("/proc/{}/{file}", process.pid());
        assert_clean(&format!("{what}: {file}"), &fs::read(&path).expect("root reads it"));
    }
    assert!(["TRACE", "DEBUG"].iter().any(|level| process.log().contains(level)), "{what} logs everything");
    assert_clean(&format!("{what}: log"), process.log().as_bytes());
    // Another process of the same user, with the same capabilities: the memory is not for it.
    let memory = format!("/proc/{}/mem", process.pid());
    let mut reader = Command::new("setpriv");
    reader.args(["--bounding-set=-all,+net_admin,+net_bind_service", "--inh-caps=-all", "head", "-c", "1", &memory]);
    let output = reader.output().expect("setpriv runs");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("Permission denied"), "{what}: {said}");
}

/// Files below a folder.
fn files_below(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder").flatten();
    entries
        .flat_map(|entry| if entry.path().is_dir() { files_below(&entry.path()) } else { vec![entry.path()] })
        .collect()
}

/// Everything that a daemon has written.
#[track_caller]
fn look_at_files(what: &str, host: &Host, ours: &[&str]) {
    let of_test = |path: &PathBuf| ours.iter().any(|own| path.ends_with(own));
    for path in files_below(&host.path("")).into_iter().filter(|path| !of_test(path)) {
        // A socket cannot be read.
        if let Ok(text) = fs::read(&path) {
            assert_clean(&format!("{what}: {}", path.display()), &text);
        }
    }
}

#[track_caller]
fn assert_clean_output(what: &str, output: &Output) {
    assert_clean(what, &output.stdout);
    assert_clean(what, &output.stderr);
}

fn are_nowhere_else() {
    let lab = Lab::new("keys");
    let rr = lab.host(1, "rr");
    let file = rr.write("peer.key", &format!("{MARK}-one\n"));
    let file = format!("password_file = \"{}\"", file.display());
    let inline = format!("password = \"{MARK}-two\"");
    let ao = rr.write("ao.key", &format!("{MARK}-four\n"));
    let ao = format!("passive = true\ntcp_ao = [{{ send_id = 1, recv_id = 1, file = \"{}\" }}]", ao.display());
    let range = format!(
        "\n[[peer_groups]]\nname = \"range\"\nasn = 65001\npassive = true\n{inline}\n\n[[listen_ranges]]\n\
         prefix = \"10.0.0.128/25\"\ngroup = \"range\"\n"
    );
    let config = |log: &str| {
        [
            router("10.0.0.1"),
            log.to_owned(),
            client("10.0.0.2", &file),
            client("10.0.0.3", &inline),
            client("10.0.0.5", &ao),
            range.clone(),
        ]
        .concat()
    };
    let trace = "\n[log]\nlevel = \"trace\"\n";
    let mut heddle = Heddle::start(&rr, &config(trace));
    let second = lab.host(2, "second");
    let key = second.write("peer.key", &format!("{MARK}-one\n"));
    let to_rr = client("10.0.0.1", &format!("password_file = \"{}\"", key.display()));
    let mut other = Heddle::start(&second, &[router("10.0.0.2"), trace.to_owned(), to_rr].concat());
    let node = lab.host(3, "node");
    let mut node_peer = start_node(&node);
    for address in ["10.0.0.2", "10.0.0.3"] {
        let peer = heddle.wait_peer(address);
        assert_eq!(peer.pointer("/transport/tcp_md5"), Some(&true.into()), "{peer}");
    }
    look_at_node(&node, &mut node_peer);
    // A configuration with a key that is refused, and one that is taken.
    let wrong =
        rr.write("wrong.toml", &format!("{}\n[[peers]]\naddress = \"10.0.0.4\"\n{inline}\nasn = 0\n", config(trace)));
    let changed = rr.write("changed.toml", &config(trace).replace("-two", "-three"));
    for file in [&wrong, &changed] {
        for command in ["check", "diff", "apply"] {
            let output = heddle.run(&["config", command, &file.to_string_lossy()]);
            assert_clean_output(&format!("config {command}"), &output);
        }
    }
    for args in [
        "show summary",
        "show peers",
        "show peer 10.0.0.2",
        "show peer 10.0.0.3",
        "show peer 10.0.0.5",
        "show routes",
        "config show",
    ] {
        for json in ["", " --json"] {
            assert_clean(args, heddle.expect(&format!("{args}{json}")).as_bytes());
        }
    }
    for path in ["/v1/config", "/v1/config/diff", "/v1/peers/10.0.0.3", "/v1/summary"] {
        assert_clean(path, heddle.get(path).unwrap_or_else(|error| panic!("{path}: {error}")).to_string().as_bytes());
    }
    let log = heddle.log();
    assert!(log.contains("asked over the API: another configuration uid=0"), "who changed it is said");
    look_at("the reflector", heddle.process());
    look_at("the second reflector", other.process());
    look_at_files("the reflector", &rr, &["peer.key", "ao.key", "heddle.toml", "wrong.toml", "changed.toml"]);
    look_at_files("the second reflector", &second, &["peer.key"]);
    look_at_files("the node", &node, &["datastore/all.yaml"]);
}

/// A node peer whose key is in a Secret. It may leave core dumps, as far as the system goes.
fn start_node(node: &Arc<Host>) -> Process {
    let datastore = node.path("datastore");
    fs::create_dir(&datastore).expect("a folder");
    let manifests = format!(
        "{{apiVersion: projectcalico.org/v3, kind: Node, metadata: {{name: n1}}, spec: {{bgp: {{ipv4Address: 10.0.0.3/24, \
         asNumber: 65001}}}}}}\n---\n\
         {{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {{name: rr}}, spec: {{node: n1, peerIP: 10.0.0.1, \
         asNumber: 65001, password: {{secretKeyRef: {{name: keys, key: rr}}}}}}}}\n---\n\
         {{apiVersion: v1, kind: Secret, metadata: {{name: keys, namespace: kube-system}}, data: {{rr: {SECRET}}}}}\n"
    );
    fs::write(datastore.join("all.yaml"), manifests).expect("a file");
    let mut command = node.netns().command("prlimit");
    command.args(["--core=unlimited:unlimited", "--"]).arg(program()).args([
        "node-peer",
        "--node",
        "n1",
        "--datastore",
    ]);
    command.arg(datastore).arg("--status-dir").arg(node.path("status")).arg("--socket").arg(node.path("node.sock"));
    command.current_dir(node.path("")).env("RUST_LOG", "trace").env("NO_COLOR", "1");
    Process::spawn("node-peer", command, &node.log("node-peer"))
}

fn look_at_node(node: &Arc<Host>, process: &mut Process) {
    let ask = |args: &str| {
        let mut command = Command::new(program());
        command.args(args.split(' ')).arg("--socket").arg(node.path("node.sock")).env("NO_COLOR", "1");
        command.output().expect("heddle runs")
    };
    wait_for("the node runs its session", PATIENCE, || {
        let said = String::from_utf8_lossy(&ask("show peers").stdout).into_owned();
        ensure(said.contains("established"), || said.clone())
    });
    for args in
        ["show summary", "show node", "show fib", "show peers", "show peer 10.0.0.1", "show routes", "config show"]
    {
        for json in ["", " --json"] {
            let output = ask(&format!("{args}{json}"));
            assert!(output.status.success(), "{args}: {output:?}");
            assert_clean_output(args, &output);
        }
    }
    look_at("the node", process);
    // As a fault ends it: the memory is written nowhere.
    let aborted = Command::new("kill").args(["-s", "ABRT", &process.pid().to_string()]).status();
    assert!(aborted.is_ok_and(|status| status.success()));
    wait_for("the node ends", PATIENCE, || ensure(process.exited().is_some(), || "it runs".to_owned()));
    let status = process.end(Signal::Kill);
    assert!(status.signal() == Some(6) && !status.core_dumped(), "{status:?}");
}
