//! A route reflector that takes its peers from the cluster's resources, on the machine and at the address of a node.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use heddle_interop_tests::lab::{Host, Lab};
use heddle_interop_tests::peers::Daemon;
use heddle_interop_tests::peers::bird::Bird;
use heddle_interop_tests::peers::heddle::program;
use heddle_interop_tests::process::{Process, Signal};
use heddle_interop_tests::require::Need;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};

use crate::Case;

pub(crate) const CASES: &[Case] =
    &[Case { name: "cluster_reflector::beside_a_node", needs: &[Need::Bird], run: beside_a_node }];

/// Three nodes without a mesh, the first two with a block each.
const CLUSTER: &str = "
{apiVersion: projectcalico.org/v3, kind: BGPConfiguration, metadata: {name: default}, spec: {nodeToNodeMeshEnabled: false}}
---
{apiVersion: projectcalico.org/v3, kind: IPPool, metadata: {name: pods}, spec: {cidr: 10.20.0.0/16}}
---
{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: n1}, spec: {bgp: {ipv4Address: 10.0.0.1/24}}}
---
{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: n2}, spec: {bgp: {ipv4Address: 10.0.0.2/24}}}
---
{apiVersion: projectcalico.org/v3, kind: Node, metadata: {name: n3}, spec: {bgp: {ipv4Address: 10.0.0.3/24}}}
---
{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {name: n1-10-20-0-0-26}, spec: {
  state: confirmed, node: n1, type: host, cidr: 10.20.0.0/26, deleted: 'false'}}
---
{apiVersion: projectcalico.org/v3, kind: BlockAffinity, metadata: {name: n2-10-20-0-64-26}, spec: {
  state: confirmed, node: n2, type: host, cidr: 10.20.0.64/26, deleted: 'false'}}
";

/// What leads the nodes to the reflector, and the reflector to them.
const REFLECTOR: &str = "
{apiVersion: projectcalico.org/v3, kind: BGPPeer, metadata: {name: reflector}, spec: {
  peerIP: '10.0.0.2:1790', asNumber: 64512, reversePeering: Manual}}
";

/// A third node, as BIRD would run it.
const BIRD: &str = "
protocol kernel { ipv4 { export none; import none; }; }
protocol static { ipv4; route 10.20.0.128/26 blackhole; }
protocol bgp {
  local 10.0.0.3 as 64512; neighbor 10.0.0.2 port 1790 as 64512;
  multihop; connect delay time 1; connect retry time 1; error wait time 1, 2;
  ipv4 { import all; export all; next hop self; add paths on; };
}";

fn node(host: &Arc<Host>, name: &str, datastore: &Path) -> Process {
    let mut command = host.netns().command(&program().to_string_lossy());
    command.args(["node-peer", "--node", name, "--datastore"]).arg(datastore);
    command.arg("--socket").arg(host.path("node.sock")).env("NO_COLOR", "1");
    Process::spawn("node", command, &host.log("node"))
}

fn ask(socket: &Path, words: &[&str]) -> Result<String, String> {
    let mut command = Command::new(program());
    let output = command.args(words).arg("--socket").arg(socket).env("NO_COLOR", "1").output().expect("it runs");
    let said = String::from_utf8_lossy(if output.status.success() { &output.stdout } else { &output.stderr });
    if output.status.success() { Ok(said.into_owned()) } else { Err(said.into_owned()) }
}

fn has_routes(host: &Arc<Host>, wanted: &[&str]) {
    wait_for(&format!("the kernel of {} has its routes", host.name()), PATIENCE, || {
        let routes = host.netns().run("ip", &["route", "show", "proto", "158"]);
        ensure(wanted.iter().all(|route| routes.contains(route)), || routes.clone())
    });
}

fn beside_a_node() {
    let lab = Lab::new("cluster_reflector");
    let (first, second, third) = (lab.host(1, "n1"), lab.host(2, "n2"), lab.host(3, "n3"));
    let datastore = lab.directory().join("datastore");
    fs::create_dir(&datastore).expect("a folder");
    fs::write(datastore.join("cluster.yaml"), CLUSTER).expect("a file");

    let socket = second.path("reflector.sock");
    let reflector = || {
        let mut command = second.netns().command(&program().to_string_lossy());
        command.args(["route-reflector", "--name", "r1", "--address", "10.0.0.2", "--port", "1790"]);
        command.args(["--cluster-id", "244.0.0.1", "--datastore"]).arg(&datastore).arg("--socket").arg(&socket);
        command.env("NO_COLOR", "1");
        Process::spawn("reflector", command, &second.log("reflector"))
    };
    let mut running = reflector();
    wait_for("it says that nobody peers with it", PATIENCE, || {
        running.assert_alive();
        let log = running.log();
        ensure(log.contains("write a BGPPeer with peerIP \"10.0.0.2:1790\" and asNumber 64512"), || log.clone())
    });
    let _nodes = [node(&first, "n1", &datastore), node(&second, "n2", &datastore)];
    let bird = Bird::start(&third, BIRD);

    // The file is what changes for all of them.
    fs::write(datastore.join("reflector.yaml"), REFLECTOR).expect("a file");
    has_routes(&first, &["10.20.0.64/26 via 10.0.0.2", "10.20.0.128/26 via 10.0.0.3"]);
    has_routes(&second, &["10.20.0.0/26 via 10.0.0.1", "10.20.0.128/26 via 10.0.0.3"]);
    bird.wait_route("10.20.0.0/26");
    bird.wait_route("10.20.0.64/26");
    ask(&socket, &["health"]).unwrap_or_else(|error| panic!("{error}"));
    let peers = ask(&socket, &["show", "peers"]).unwrap_or_else(|error| panic!("{error}"));
    assert!(peers.contains("3 peers, 3 established"), "{peers}");

    // Killed and started again, it has all of them again, and nobody has lost a route meanwhile.
    running.end(Signal::Kill);
    running = reflector();
    wait_for("all are back", PATIENCE, || {
        running.assert_alive();
        let peers = ask(&socket, &["show", "peers"])?;
        ensure(peers.contains("3 peers, 3 established"), || peers.clone())
    });
    has_routes(&first, &["10.20.0.64/26 via 10.0.0.2", "10.20.0.128/26 via 10.0.0.3"]);

    fs::remove_file(datastore.join("reflector.yaml")).expect("it is there");
    wait_for("nobody peers with it any more", PATIENCE, || {
        let peers = ask(&socket, &["show", "peers"])?;
        ensure(!peers.contains("10.0.0.1"), || peers.clone())
    });
    bird.wait_no_route("10.20.0.0/26");
}
