//! What an image `FROM scratch` holds: the program alone, in a root that is otherwise empty and cannot be written.

use std::fs;
use std::path::Path;
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

/// As a container runtime does it for the DaemonSet of the chart: `/proc`, `/dev` and the folders of the machine are mounted over a root that
/// is read-only; of root's capabilities two are left, and no program that it starts gets more.
const ENTER: &str = r#"mount --bind "$1" "$1"
mount --bind "$2" "$1/run/heddle"
mount --bind "$3" "$1/var/run/calico"
mount --bind /dev/null "$1/dev/null"
mount -t proc -o ro,nosuid,nodev,noexec proc "$1/proc"
mount -o remount,ro,bind "$1"
all=$(seq 0 "$(cat /proc/sys/kernel/cap_last_cap)")
drop=$(echo "$all" | grep --line-regexp --invert-match --regexp 10 --regexp 12 | paste --serial --delimiters ,)
exec capsh --chroot="$1" --no-new-privs --drop="$drop" --shell=/heddle -- \
    node-peer --node node --datastore /etc/datastore --bird-ctl /var/run/calico"#;

/// CAP_NET_BIND_SERVICE and CAP_NET_ADMIN, as `/proc/PID/status` has a set.
const TWO: &str = "0000000000001400";

const PEER: &str = "
protocol kernel { ipv4 { export none; import none; }; }
protocol static { ipv4; route 203.0.113.0/24 blackhole; }
protocol bgp {
  local 10.0.0.2 as 65002; neighbor 10.0.0.1 as 65001;
  ipv4 { import all; export all; };
}";

/// It starts, peers, advertises, forwards and answers as BIRD; a probe asks it in the same root.
fn empty_root() {
    let lab = Lab::new("image");
    let (node, tor) = (lab.host(1, "node"), lab.host(2, "tor"));
    let (root, run, calico) = (node.path("root"), node.path("socket"), node.path("calico"));
    let inside = ["etc/datastore", "run/heddle", "var/run/calico", "proc", "dev"].map(|folder| root.join(folder));
    for folder in inside.iter().chain([&run, &calico]) {
        fs::create_dir_all(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    }
    fs::write(root.join("dev/null"), "").expect("the folder was made");
    let program = static_program().unwrap_or_else(|error| panic!("{error}"));
    fs::copy(&program, root.join("heddle")).unwrap_or_else(|error| panic!("{}: {error}", program.display()));
    fs::write(root.join("etc/datastore/cluster.yaml"), OBJECTS).expect("the folder was made");

    let mut command = node.netns().command("unshare");
    command.args(["--mount", "--propagation", "private", "sh", "-euc", ENTER, "sh"]).arg(&root).arg(&run).arg(&calico);
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
    let status = fs::read_to_string(format!("/proc/{pid}/status")).expect("it runs");
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default();
    assert_eq!((field("CapBnd:"), field("NoNewPrivs:")), (TWO, "1"), "{status}");
    assert!(u64::from_str_radix(field("CapPrm:"), 16).is_ok_and(|set| set & !0x1400 == 0), "{status}");
    let ask = |words: &[&str]| -> Output {
        let mut command = Command::new("nsenter");
        command.args(["--target", &pid, "--mount", "--root", "--wd", "/heddle"]).args(words);
        command.output().unwrap_or_else(|error| panic!("nsenter: {error}"))
    };
    // What asks BIRD is answered, by a program that cannot write anything else.
    let protocols = wait_for("bird.ctl answers", PATIENCE, || {
        heddle.assert_alive();
        birdc(&calico, &["show", "protocols"])
    });
    assert!(protocols.contains("Global_10_0_0_2"), "{protocols}");
    for name in ["bird", "bird6"] {
        let wanted = format!("{name}\0--beside\0{pid}\0");
        let found = fs::read_dir("/proc")
            .expect("all processes")
            .flatten()
            .any(|process| fs::read(process.path().join("cmdline")).is_ok_and(|words| words == wanted.as_bytes()));
        assert!(found, "no process called {name} runs, for which calicoctl looks: {}", heddle.log());
    }
    let ready = ask(&["health", "--socket", "/run/heddle/node-peer.sock"]);
    assert!(ready.status.success(), "{ready:?}");
    let version = ask(&["version"]);
    assert!(version.status.success() && version.stdout.starts_with(b"heddle "), "{version:?}");
    let elsewhere = ask(&["health", "--socket", "/run/heddle/none.sock"]);
    assert!(!elsewhere.status.success(), "{elsewhere:?}");
    // Nothing is in it that was not put there.
    let mut found: Vec<_> = fs::read_dir(&root).expect("the root").flatten().map(|entry| entry.file_name()).collect();
    found.sort_unstable();
    assert_eq!(found, ["dev", "etc", "heddle", "proc", "run", "var"]);
    let log = heddle.log();
    let fault = log.lines().find(|line| line.contains(" ERROR ") || line.contains("not permitted"));
    assert!(fault.is_none(), "{log}");
}

/// What BIRD's client gets at the socket in a folder.
fn birdc(folder: &Path, words: &[&str]) -> Result<String, String> {
    let mut command = Command::new("/usr/sbin/birdcl");
    let output =
        command.arg("-s").arg(folder.join("bird.ctl")).args(words).output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure(output.status.success() && said.contains("birdv1.6"), || format!("{output:?}"))?;
    Ok(said)
}
