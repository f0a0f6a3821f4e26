//! What an image `FROM scratch` holds: the program alone, in a root that is otherwise empty and cannot be written.

use std::fs;
use std::process::{Command, Output};

use heddle_interop_tests::lab::Lab;
use heddle_interop_tests::peers::Daemon;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::process::Process;
use heddle_interop_tests::require::{Need, static_program};
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};

use crate::Case;

pub(crate) const CASES: &[Case] =
    &[Case { name: "image::empty_root", needs: &[Need::Bird, Need::StaticProgram], run: empty_root }];

/// A node with a block, and a peer.
const OBJECTS: &str = "
{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: node}, spec: {bgp: {ipv4Address: 10.0.0.1/24, asNumber: 65001}}}
---
{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: pods}, spec: {cidr: 10.20.0.0/16}}
---
{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {name: node-10-20-0-0-26}, spec: {
  state: confirmed, node: node, type: host, cidr: 10.20.0.0/26, deleted: 'false'}}
---
{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {name: default}, spec: {nodeToNodeMeshEnabled: false}}
---
{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: tor}, spec: {peerIP: 10.0.0.2, asNumber: 65002}}
";

/// As a container runtime does it: the root is mounted read-only, the folder of the socket over it.
const ENTER: &str = r#"mount --bind "$1" "$1"
mount --bind "$2" "$1/run/heddle"
mount -o remount,ro,bind "$1"
exec chroot "$1" /heddle node-peer --node node --datastore /etc/datastore"#;

const PEER: &str = "
protocol kernel { ipv4 { export none; import none; }; }
protocol static { ipv4; route 203.0.113.0/24 blackhole; }
protocol bgp {
  local 10.0.0.2 as 65002; neighbor 10.0.0.1 as 65001;
  ipv4 { import all; export all; };
}";

/// It starts, peers, advertises and forwards; a probe asks it in the same root.
fn empty_root() {
    let lab = Lab::new("image");
    let (node, tor) = (lab.host(1, "node"), lab.host(2, "tor"));
    let (root, run) = (node.path("root"), node.path("socket"));
    for folder in [root.join("etc/datastore"), root.join("run/heddle"), run.clone()] {
        fs::create_dir_all(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    }
    let program = static_program().unwrap_or_else(|error| panic!("{error}"));
    fs::copy(&program, root.join("heddle")).unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    fs::write(root.join("etc/datastore/cluster.yaml"), OBJECTS).expect("the folder was made");

    let mut command = node.netns().command("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-euc", ENTER, "sh"]).arg(&root).arg(&run);
    let mut heddle = Process::spawn("heddle", command, &node.log("heddle"));
    let bird = Bird::start(&tor, PEER);
    wait_for("BIRD has the block of the node", PATIENCE, || {
        heddle.assert_alive();
        let routes = bird.prefixes();
        ensure(routes.contains("10.20.0.0/26"), || routes.clone())
    });
    wait_for("the kernel has BIRD's route", PATIENCE, || {
        let routes = node.netns().run("ip", &["route", "show", "proto", "158"]);
        ensure(routes.contains("203.0.113.0/24 via 10.0.0.2"), || routes.clone())
    });
    let pid = heddle.pid().to_string();
    let ask = |words: &[&str]| -> Output {
        let mut command = Command::new("nsenter");
        command.args(["--target", &pid, "--mount", "--root", "--wd", "/heddle"]).args(words);
        command.output().unwrap_or_else(|error| panic!("nsenter: {error}"))
    };
    let ready = ask(&["health", "--socket", "/run/heddle/node-peer.sock"]);
    assert!(ready.status.success(), "{ready:?}");
    let version = ask(&["version"]);
    assert!(version.status.success() && version.stdout.starts_with(b"heddle "), "{version:?}");
    let elsewhere = ask(&["health", "--socket", "/run/heddle/none.sock"]);
    assert!(!elsewhere.status.success(), "{elsewhere:?}");
    // Nothing is in it that was not put there.
    let mut found: Vec<_> = fs::read_dir(&root).expect("the root").flatten().map(|entry| entry.file_name()).collect();
    found.sort_unstable();
    assert_eq!(found, ["etc", "heddle", "run"]);
}
