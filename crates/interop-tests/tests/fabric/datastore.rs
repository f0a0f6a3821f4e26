//! What a node does with a datastore that is empty, half written, or contradicts itself.

use std::fs;

use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_lab::topology::Topology;
use serde_json::Value;

use crate::Case;
use crate::world::World;

pub(crate) const CASES: &[Case] = &[
    Case { name: "datastore::empty_half_written_doubled", needs: &[], run: empty_half_written_doubled },
    Case { name: "datastore::status_where_it_is_asked_for", needs: &[], run: status_where_it_is_asked_for },
];

const FILES: [&str; 4] = ["configuration.yaml", "pools.yaml", "nodes.yaml", "blocks.yaml"];

/// Empty: it waits. Half a file, or none any more: what runs goes on. One address twice: both nodes are named.
fn empty_half_written_doubled() {
    let mut topology = Topology::full_mesh(2);
    topology.pods_per_node = 1;
    let world = World::build("datastore::empty_half_written_doubled", &topology);
    empty(&world);
    half_written(&world);
    gone(&world);
    doubled(&world);
    world.await_sessions(&world.nodes());
    world.await_tables(&[]);
    world.await_pings();
}

/// It waits, and says for what. So it does while its own resource is missing.
fn empty(world: &World) {
    let nodes = world.nodes();
    let directory = world.fabric().datastore();
    let files = FILES.map(|name| (name, read(world, name)));
    for file in fs::read_dir(&directory).expect("the datastore").flatten() {
        fs::remove_file(file.path()).expect("it can be removed");
    }
    world.start();
    let (others, own): (Vec<_>, Vec<_>) = files.iter().partition(|(name, _)| *name != "nodes.yaml");
    nodes.iter().for_each(|node| await_waiting(world, node, &directory.display().to_string()));
    for (name, text) in others {
        world.put(name, text);
    }
    nodes.iter().for_each(|node| await_waiting(world, node, node));
    for (name, text) in own {
        world.put(name, text);
    }
    world.await_sessions(&nodes);
    world.await_tables(&[]);
    world.await_pings();
}

/// Everything stays, and it is said where it breaks off.
fn half_written(world: &World) {
    let nodes = world.nodes();
    let established = counts(world, &nodes);
    let whole = read(world, "nodes.yaml");
    let half = whole.rfind("ipv4Address: ").map(|at| at + "ipv4Addr".len()).and_then(|end| whole.get(..end));
    let path = world.fabric().datastore().join("nodes.yaml");
    fs::write(path, half.expect("the file has addresses")).expect("it can be written");
    await_reports(world, "names the half file", |report| {
        let store = &report["datastore"];
        format!("{} {}", store["last_error"], store["invalid"]).contains("nodes.yaml")
    });
    world.await_tables(&[]);
    assert_eq!(counts(world, &nodes), established, "{}: no session was touched", world.case());
    world.put("nodes.yaml", &whole);
    await_reports(world, "is content again", |report| !report["datastore"].to_string().contains("nodes.yaml:"));
    assert_eq!(counts(world, &nodes), established, "{}: no session was touched", world.case());
}

/// The whole directory goes away, and comes back.
fn gone(world: &World) {
    let established = counts(world, &world.nodes());
    let directory = world.fabric().datastore();
    let away = directory.with_extension("away");
    fs::rename(&directory, &away).expect("it can be renamed");
    await_reports(world, "misses its datastore", |report| report["datastore"]["state"] == "lost");
    world.await_tables(&[]);
    fs::rename(&away, &directory).expect("it can be renamed");
    await_reports(world, "has its datastore again", |report| report["datastore"]["state"] == "in_sync");
    assert_eq!(counts(world, &world.nodes()), established, "{}: no session was touched", world.case());
}

/// One address twice: both are named.
fn doubled(world: &World) {
    let whole = read(world, "nodes.yaml");
    let [one, two] = ["node1", "node2"].map(|node| world.address(node).v4.to_string());
    world.edit("nodes.yaml", |text| text.replace(&format!(": {two}\n"), &format!(": {one}\n")));
    await_reports(world, "warns of both", |report| {
        let warnings = report["warnings"].as_array().map(Vec::as_slice).unwrap_or_default();
        let names_both =
            |warning: &Value| warning.as_str().is_some_and(|text| text.contains("node1") && text.contains("node2"));
        warnings.iter().any(names_both)
    });
    world.put("nodes.yaml", &whole);
}

/// A file of the datastore.
#[track_caller]
fn read(world: &World, name: &str) -> String {
    let path = world.fabric().datastore().join(name);
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Waits until `heddle show node --json` of every node is as wanted.
#[track_caller]
fn await_reports(world: &World, what: &str, wanted: impl Fn(&Value) -> bool) {
    for node in world.nodes() {
        wait_for(&format!("{}: {node} {what}", world.case()), PATIENCE, || {
            let report = world.show(&node, &["show", "node"])?;
            ensure(wanted(&report), || report.to_string())
        });
    }
}

/// A `CalicoNodeStatus` of one node: written by that node alone, as its sessions and its kernel are; gone with the wish.
fn status_where_it_is_asked_for() {
    const WISH: &str = "\
apiVersion: projectcalico.org/v3
kind: CalicoNodeStatus
metadata: {name: wish}
spec: {node: node1, classes: [Agent, BGP, Routes], updatePeriodSeconds: 1}
---
apiVersion: projectcalico.org/v3
kind: CalicoNodeStatus
metadata: {name: never}
spec: {node: node1, classes: [BGP], updatePeriodSeconds: 0}
";
    let mut topology = Topology::reflected(2, 1);
    topology.pods_per_node = 1;
    let world = World::build("datastore::status_where_it_is_asked_for", &topology);
    world.put("wishes.yaml", WISH);
    world.start();
    world.await_tables(&[]);
    let folder = |node: &str| world.fabric().host(node).expect("it is there").path("status");
    let statuses = |node: &str| -> Vec<String> {
        let entries = fs::read_dir(folder(node)).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
    };
    let [reflector, other, own] = ["rr1", "node2", "node1"].map(|host| world.address(host).addresses()[0]);
    let [block, _] = world.blocks("node2").networks();
    wait_for(&format!("{}: the status is written", world.case()), PATIENCE, || {
        let files = statuses("node1");
        let [name] = files.as_slice() else { return Err(format!("{files:?}")) };
        let text = fs::read_to_string(folder("node1").join(name)).map_err(|error| error.to_string())?;
        let lines: Vec<&str> = text.lines().map(|line| line.trim().trim_start_matches("- ")).collect();
        let has = |wanted: &str| lines.contains(&wanted);
        // Learned from the reflector, over the other node.
        let route = text.split("- destination: ").find(|part| part.starts_with(&format!("\"{block}\"")));
        let route = route.unwrap_or_default();
        let learned = [format!("gateway: \"{}\"", other), format!("peerIP: \"{}\"", reflector)];
        let whole = has("numberEstablishedV4: 1")
            && has("numberEstablishedV6: 1")
            && has("numberNotEstablishedV4: 0")
            && has(&format!("routerID: \"{}\"", own))
            && has("state: Ready")
            && learned.iter().all(|line| route.contains(line.as_str()));
        ensure(whole, || text.clone())
    });
    assert_eq!(statuses("node2"), Vec::<String>::new(), "nobody asks for it");
    fs::remove_file(world.fabric().datastore().join("wishes.yaml")).expect("it is there");
    wait_for(&format!("{}: the status is gone", world.case()), PATIENCE, || {
        ensure(statuses("node1").is_empty(), || format!("{:?}", statuses("node1")))
    });
}

/// Waits until a node says that it waits for `what`, and is idle.
#[track_caller]
fn await_waiting(world: &World, node: &str, what: &str) {
    wait_for(&format!("{}: {node} waits for {what}", world.case()), PATIENCE, || {
        let report = world.show(node, &["show", "node"])?;
        ensure(report["waiting_for"].as_str().is_some_and(|text| text.contains(what)), || report.to_string())
    });
    assert_eq!(world.fabric().sessions(node).expect("an answer"), [], "{node} has no session");
    assert!(world.table(node).expect("a table").is_empty(), "{node} has no route");
}

/// Since when each session is as it is.
fn counts(world: &World, nodes: &[String]) -> Vec<(String, String, Value)> {
    let mut all = Vec::new();
    for node in nodes {
        let answer = world.show(node, &["show", "peers"]).unwrap_or_else(|error| panic!("{error}"));
        for peer in answer["peers"].as_array().cloned().unwrap_or_default() {
            all.push((node.clone(), peer["address"].to_string(), peer["state_since"].clone()));
        }
    }
    assert!(!all.is_empty(), "{}: no session", world.case());
    all
}
