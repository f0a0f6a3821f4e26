//! Small fabrics for real: namespaces, the real program, FRR and BIRD where they are installed.
//!
//! The `heddle` program is HEDDLE_BIN, or built here. A test is skipped by name, with the reason, where network namespaces
//! cannot be made; with `CI=true` in the environment that is a failure.

use std::collections::BTreeSet;
use std::env;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Output};
use std::sync::OnceLock;
use std::thread::sleep;
use std::time::{Duration, Instant};

use heddle_lab::fabric::{Fabric, Options, Patience};
use heddle_lab::namespace::Namespace;
use heddle_lab::pod::Borrow;
use heddle_lab::prober::FlowReport;
use heddle_lab::topology::{Topology, TorDaemon};
use heddle_netlink::Family;

/// Far more than anything here takes.
const LONG: Duration = Duration::from_secs(90);

/// Why network namespaces cannot be made, once told.
fn skipped(test: &str) -> bool {
    let Err(error) = Namespace::new() else { return false };
    skip(test, &error.to_string());
    true
}

/// Says that a test is skipped; with `CI=true` none may be.
fn skip(test: &str, why: &str) {
    let strict = env::var("CI").is_ok_and(|value| value == "true" || value == "1");
    assert!(!strict, "{test} is needed, and CI skips nothing: {why}");
    // Not `eprintln!`, which is not shown of a test that passes.
    let _ = writeln!(std::io::stderr(), "{test} is skipped: {why}");
}

fn program() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| {
        if let Some(path) = env::var_os("HEDDLE_BIN") {
            return PathBuf::from(path);
        }
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        let status = Command::new(cargo).args(["build", "--quiet", "-p", "heddle"]).current_dir(manifest).status();
        assert!(status.as_ref().is_ok_and(ExitStatus::success), "cargo build -p heddle: {status:?}");
        // This test program lies in TARGET/PROFILE/deps.
        let own = env::current_exe().expect("the path of this program");
        own.ancestors().nth(3).expect("a test program lies in a target directory").join("debug/heddle")
    })
}

fn patience() -> Patience<'static> {
    Patience { limit: LONG, interrupted: &|| false }
}

/// Brings a fabric up and waits until it has converged.
fn up(topology: &Topology, directory: &Path) -> Fabric {
    let options = Options { program: program().to_owned(), directory: directory.join("fabric") };
    let fabric = Fabric::up(topology, &options).expect("the fabric comes up");
    let convergence = fabric.await_convergence(patience(), &mut |_| {}).expect("routes can be read");
    assert!(convergence.is_complete(), "{convergence:#?}\n{}", logs(&fabric));
    fabric
}

fn logs(fabric: &Fabric) -> String {
    let mut text = String::new();
    for (host, name, _, state) in fabric.processes() {
        let log = fabric.host(&host).expect("it is there").path(&format!("{name}.log"));
        let words = fs::read_to_string(log).unwrap_or_default();
        let lines: Vec<&str> = words.lines().collect();
        let last = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default().join("\n");
        text.push_str(&format!("---- {host} {name} {state:?}\n{last}\n"));
    }
    text
}

fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !condition() {
        assert!(Instant::now() < deadline, "waited for: {what}");
        sleep(Duration::from_millis(10));
    }
}

fn lost(flows: &[FlowReport]) -> Vec<&FlowReport> {
    flows.iter().filter(|flow| flow.lost > 0).collect()
}

/// Processes that run with a file of this directory in their command line.
fn processes_of(directory: &Path) -> Vec<String> {
    let wanted = directory.to_string_lossy().into_owned();
    let entries = fs::read_dir("/proc").expect("/proc is there").flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).into_owned()).filter(|line| line.contains(&wanted)).collect()
}

/// Racks with the switches that are installed, and reflectors: packets between all pods, then a link that is cut and healed, and a
/// daemon that is killed and comes back; then nothing is left.
#[test]
fn a_link_breaks_and_heals() {
    if skipped("a_link_breaks_and_heals") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let fabric = up(&Topology::standard(), directory.path());
    let link = "node1-tor1".to_owned();
    let target = format!("link {link}").parse().expect("a target");
    fabric.break_down(&target).expect("the link goes down");
    assert_eq!(fabric.broken_links(), [link]);
    let reaches = |from: &str| {
        let pings = fabric.ping_matrix(Duration::from_millis(300));
        pings.iter().any(|ping| ping.from.starts_with(from) && !ping.to.starts_with(from) && ping.answer.is_some())
    };
    wait_for("node1 is cut off", || !reaches("node1"));
    assert!(reaches("node2"), "the others are not");
    fabric.heal(&target).expect("the link comes up");
    let convergence = fabric.await_convergence(patience(), &mut |_| {}).expect("routes can be read");
    assert!(convergence.is_complete(), "{convergence:#?}\n{}", logs(&fabric));

    // A daemon that dies costs nothing: the kernel forwards on.
    let prober = fabric.probe(&fabric.probe_pairs()).expect("probes");
    fabric.break_down(&"kill node3".parse().expect("a target")).expect("killed");
    fabric.heal(&"node3".parse().expect("a target")).expect("started");
    wait_for("node3 has its sessions again", || {
        fabric.sessions("node3").is_ok_and(|sessions| sessions.iter().all(|session| session.is_established()))
    });
    let flows = prober.finish();
    assert!(lost(&flows).is_empty(), "{:#?}\n{}", lost(&flows), logs(&fabric));

    fabric.down();
    assert!(!directory.path().join("fabric").exists());
    assert_eq!(processes_of(directory.path()), Vec::<String>::new());
}

/// A borrowed address is reached everywhere, also from its own block's node.
#[test]
fn pods_come_and_go() {
    if skipped("pods_come_and_go") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let fabric = up(&Topology::full_mesh(3), directory.path());
    let name = fabric.add_pod("node1", Borrow::From("node2")).expect("a pod");
    let answered = || {
        let pings = fabric.ping_matrix(Duration::from_millis(300));
        pings.iter().filter(|ping| ping.to == name).all(|ping| ping.answer.is_some())
    };
    wait_for("everybody reaches the borrowed address", answered);
    let [v4, _] =
        fabric.with_pods(|pods| pods.iter().find(|pod| pod.name() == name).expect("it is there").address().networks());
    let has_route = |host: &str| {
        let routes = fabric.kernel_routes(host, Family::Ipv4).expect("routes can be read");
        routes.iter().any(|route| route.prefix == v4)
    };
    assert!(has_route("node2") && has_route("node3"));
    fabric.remove_pod(&name).expect("removed");
    wait_for("the route goes", || !has_route("node2") && !has_route("node3"));
    fabric.down();
}

/// Two switches a rack: routes over both, and what one link carried goes over the other.
#[test]
fn dual_homed_nodes_survive_a_link() {
    if skipped("dual_homed_nodes_survive_a_link") {
        return;
    }
    let heddle = Some(TorDaemon::Heddle);
    let directory = tempfile::tempdir().expect("a directory");
    let fabric = up(&Topology::racks(&[&[heddle, heddle], &[heddle]], 1), directory.path());
    let legs = || {
        let routes = fabric.kernel_routes("node1", Family::Ipv4).expect("routes can be read");
        let others = routes.iter().filter(|route| route.protocol.0 == 158 && !route.legs.is_empty());
        others.map(|route| route.legs.len()).collect::<BTreeSet<usize>>()
    };
    wait_for("routes over both links", || legs() == BTreeSet::from([2]));
    fabric.break_down(&"link node1-tor1".parse().expect("a target")).expect("cut");
    let prober = fabric.probe(&fabric.probe_pairs()).expect("probes");
    wait_for("routes over the other link", || legs() == BTreeSet::from([1]));
    wait_for("packets flow", || prober.is_whole(Duration::from_millis(500)));
    fabric.heal(&"link node1-tor1".parse().expect("a target")).expect("healed");
    wait_for("routes over both links again", || legs() == BTreeSet::from([2]));
    drop(prober);
    fabric.down();
}

fn heddle(labs: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(program());
    command.args(arguments).env("HEDDLE_LAB_DIR", labs).env("HEDDLE_BIN", program());
    command.output().expect("the program runs")
}

/// Somebody without any rights.
const NOBODY: u32 = 65534;

/// Without root, where user namespaces are allowed: the default topology, FRR and BIRD included, then nothing is left.
#[test]
fn no_root_is_needed() {
    if skipped("no_root_is_needed") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let home = directory.path().join("home");
    fs::create_dir(&home).expect("a directory");
    for path in [directory.path(), &home] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).expect("it is ours");
    }
    // The program may lie where only root may go.
    let copy = home.join("heddle");
    fs::copy(program(), &copy).expect("a copy of the program");
    let as_nobody = |program: &Path| {
        let mut command = Command::new(program);
        command.env_clear().env("PATH", env::var_os("PATH").unwrap_or_default()).current_dir("/");
        if nix::unistd::Uid::effective().is_root() {
            chown(&home, Some(NOBODY), Some(NOBODY)).expect("it is ours");
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    };
    let probe = as_nobody(Path::new("unshare")).args(["--user", "--map-root-user", "--net", "true"]).output();
    if !probe.as_ref().is_ok_and(|output| output.status.success()) {
        skip("no_root_is_needed", &format!("user namespaces: {probe:?}"));
        return;
    }
    let labs = home.join("labs");
    let output = as_nobody(&copy).args(["lab", "up", "--once"]).env("HEDDLE_LAB_DIR", &labs).output();
    let output = output.expect("the program runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert!(text.contains("Pings: 112 of 112 answered"), "{text}");
    // It has ended: nobody is told what to try with it.
    assert!(!text.contains("lab break"), "{text}");
    assert!(!labs.exists() && processes_of(&labs).is_empty());
}

/// What is said of a link that cannot heal by itself, and how to undo it; why a lab in the background ended.
#[test]
fn remedies_are_named() {
    if skipped("remedies_are_named") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let labs = directory.path().join("labs");
    let file = directory.path().join("mesh.yaml");
    fs::write(&file, "mesh: true\npods_per_node: 1\nracks:\n  - { name: r, nodes: [a, b] }\n").expect("a topology");
    let topology = file.to_string_lossy().into_owned();
    let up = ["lab", "up", &topology, "--detach"];
    let said = |output: &Output| {
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    };
    let run = |arguments: &[&str]| said(&heddle(&labs, arguments));
    let text = run(&up);
    assert!(text.contains("`heddle lab down` ends it") && !text.contains("Ctrl-C"), "{text}");
    let link = heddle(&labs, &["lab", "status", "--json"]);
    let status: serde_json::Value = serde_json::from_slice(&link.stdout).expect("JSON");
    assert_eq!(status["broken_links"], serde_json::json!([]));
    let listed = run(&["lab", "status"]);
    let links = listed.lines().find_map(|line| line.strip_prefix("Links: ")).expect("links");
    let link = links.split_whitespace().find(|link| link.starts_with("a-")).expect("a link of a");
    let text = run(&["lab", "break", "link", link, "--watch", "2"]);
    assert!(text.contains(&format!("`heddle lab heal link {link}` undoes it")), "{text}");
    assert!(run(&["lab", "status"]).contains(&format!("Down:  {link}")));
    assert!(run(&["lab", "heal", "all"]).contains("Every flow is whole again"));
    run(&["lab", "down"]);

    // A node on which nothing runs: the fabric never converges, and whoever started it in the background is told what is missing.
    fs::write(&file, "mesh: true\nracks:\n  - { name: r, nodes: [a, { name: b, program: nothing }] }\n")
        .expect("a topology");
    let output = heddle(&labs, &[&up[..], &["--strict", "--timeout", "1"]].concat());
    assert!(!output.status.success());
    let text = said(&output);
    assert!(text.contains("Routes are missing:\n  a: 10.244.0.64/26"), "{text}");
    assert!(processes_of(&labs).is_empty());
}

/// The commands, one after the other, then a supervisor that is killed: `down` removes what it left.
#[test]
fn the_command_leaves_nothing_behind() {
    if skipped("the_command_leaves_nothing_behind") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("mesh.yaml");
    fs::write(&file, "name: mesh\nmesh: true\nracks:\n  - { name: r, nodes: [a, b] }\n").expect("a topology");
    let labs = directory.path().join("labs");
    let run = |arguments: &[&str]| {
        let output = heddle(&labs, arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{arguments:?}: {text}{}", String::from_utf8_lossy(&output.stderr));
        text
    };
    let topology = file.to_string_lossy().into_owned();
    let text = run(&["lab", "up", &topology, "--detach"]);
    assert!(text.contains("Converged in"), "{text}");
    assert!(!heddle(&labs, &["lab", "up", &topology]).status.success(), "it runs already");
    let status: serde_json::Value = serde_json::from_str(&run(&["lab", "status", "--json"])).expect("JSON");
    assert_eq!(status["pods"].as_array().map(Vec::len), Some(4));
    assert!(run(&["lab", "ping", "a-pod1", "b-pod1"]).lines().all(|line| line.ends_with("us")));
    assert!(run(&["lab", "exec", "a", "--", "cat", "/proc/net/fib_trie"]).contains("10.244.0.64"));
    assert!(run(&["lab", "break", "kill", "a", "--watch", "2"]).contains("kill a: broken"));
    assert!(run(&["lab", "heal", "all"]).contains("all: healed"));
    assert!(run(&["lab", "add-pod", "a", "--borrowed", "b"]).starts_with("a-pod3: "));
    run(&["lab", "down"]);
    assert!(!labs.exists() && processes_of(&labs).is_empty());

    run(&["lab", "up", &topology, "--detach"]);
    let state: serde_json::Value =
        serde_json::from_str(&fs::read_to_string(labs.join("mesh/lab.json")).expect("a state file")).expect("JSON");
    let supervisor = state["supervisor"]["pid"].as_i64().expect("a process id");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(supervisor).expect("a process id"));
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).expect("it runs");
    // The kernel kills the daemons, and with them go the namespaces.
    wait_for("the daemons are gone", || processes_of(&labs).is_empty());
    assert!(!heddle(&labs, &["lab", "status"]).status.success());
    run(&["lab", "down"]);
    assert!(!labs.exists());
}

/// What docs/lab.md says of topology files is a topology file.
#[test]
fn the_documented_topology_is_one() {
    let text =
        fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/lab.md")).expect("the documentation");
    let block = text.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a block of YAML");
    let topology = Topology::from_yaml(block).expect("valid");
    assert_eq!(topology.nodes().count(), 3);
}

/// Pods by the hundred: their routes come and go, and their addresses are given again.
#[test]
fn many_pods_come_and_go() {
    if skipped("many_pods_come_and_go") {
        return;
    }
    let directory = tempfile::tempdir().expect("a directory");
    let fabric = up(&Topology::full_mesh(2), directory.path());
    let routes = || fabric.kernel_routes("node1", Family::Ipv6).expect("routes can be read");
    let to_pods = || routes().iter().filter(|route| route.prefix.prefix() == 128 && route.protocol.0 == 3).count();
    let before = to_pods();
    for _ in 0..3 {
        let names: Vec<String> = (0..50).map(|_| fabric.add_pod("node1", Borrow::Own).expect("a pod")).collect();
        assert_eq!(to_pods(), before + names.len());
        names.iter().for_each(|name| fabric.remove_pod(name).expect("removed"));
        assert_eq!(to_pods(), before);
    }
    fabric.down();
}
