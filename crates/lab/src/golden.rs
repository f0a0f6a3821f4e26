//! Generated files against files of this repository. `BLESS=1` writes the latter anew.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

use crate::datastore;
use crate::plan::{Installed, Plan, Presence, Role, Session};
use crate::topology::{CalicoRelease, NodeProgram, ReflectorKind, Topology, TorDaemon};
use crate::tor::{bird, frr};
use crate::{calico_bird, reflector};

fn compare(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if env::var_os("BLESS").is_some() {
        fs::create_dir_all(file.parent().expect("a file has a directory")).expect("a directory");
        fs::write(&file, text).expect("a golden file");
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    assert!(expected == text, "{name} differs; look at it, then run the tests with BLESS=1\n{text}");
}

/// Two racks with all kinds of hosts.
fn plan() -> Plan {
    let daemons: [&[Option<TorDaemon>]; 2] = [&[Some(TorDaemon::Frr)], &[Some(TorDaemon::Bird)]];
    let mut topology = Topology::racks(&daemons, 2);
    topology.racks[1].tors[0].daemon = Some(TorDaemon::Heddle);
    topology.racks[1].nodes[1].program = NodeProgram::Bird(CalicoRelease::V333);
    topology.reflectors = Topology::standard().reflectors;
    topology.reflectors[1].kind = ReflectorKind::Node;
    assert_eq!(topology.check(), Ok(()));
    Plan::new(&topology, Installed { bird: Presence::Absent, frr: Presence::Absent })
}

#[test]
fn the_datastore_of_the_nodes() {
    for file in datastore::of_cluster(&plan()) {
        compare(&format!("cluster/{}", file.name), &file.text);
    }
}

#[test]
fn the_datastore_of_a_switch() {
    let plan = plan();
    for file in datastore::of_tor(&plan, plan.host("tor2").expect("it is planned")) {
        compare(&format!("tor/{}", file.name), &file.text);
    }
}

#[test]
fn the_configurations_of_switches() {
    let plan = plan();
    let tor = plan.host("tor1").expect("it is planned");
    let Role::Tor { asn, .. } = tor.role else { panic!("{tor:?} is a switch") };
    let sessions: Vec<&Session> = plan.sessions.iter().filter(|session| session.tor == "tor1").collect();
    compare("bird.conf", &bird::config(tor, asn, 9, &sessions));
    compare("bgpd.conf", &frr::config(tor, asn, 9, &sessions));
    compare("zebra.conf", &frr::zebra_config(tor));
}

#[test]
fn the_configuration_of_a_reflector() {
    let plan = plan();
    let host = plan.host("rr1").expect("it is planned");
    compare("route-reflector.toml", &reflector::config(&plan, host, &PathBuf::from("/run/lab/heddle.sock")));
}

#[test]
fn the_configurations_of_a_node_of_calico() {
    let plan = plan();
    let host = plan.host("node4").expect("it is planned");
    compare("calico-bird.conf", &calico_bird::config(&plan, host, calico_bird::Family::V4));
    compare("calico-bird6.conf", &calico_bird::config(&plan, host, calico_bird::Family::V6));
}

#[test]
fn the_configuration_of_a_node_of_older_calico() {
    let mut topology = Topology::full_mesh(2);
    topology.racks[0].nodes[0].program = NodeProgram::Bird(CalicoRelease::V331);
    let plan = Plan::new(&topology, Installed { bird: Presence::Absent, frr: Presence::Absent });
    let host = plan.host("node1").expect("it is planned");
    compare("calico-3.31-bird.conf", &calico_bird::config(&plan, host, calico_bird::Family::V4));
}

#[test]
fn files_are_written_whole() {
    let directory = tempfile::tempdir().expect("a directory");
    let files = datastore::of_cluster(&plan());
    datastore::write(directory.path(), &files).expect("written");
    datastore::write(directory.path(), &files).expect("written again");
    let mut names: Vec<String> = fs::read_dir(directory.path())
        .expect("a directory")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    assert_eq!(names, ["blocks.yaml", "configuration.yaml", "nodes.yaml", "peers.yaml", "pools.yaml"]);
}
