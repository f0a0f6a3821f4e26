//! Topology files and the rules.

use super::*;

const TWO_RACKS: &str = "\
name: two-racks
asn: 64513
hold_time: 6
reflectors:
  - rr1
  - { name: rr2, kind: node }
racks:
  - name: rack1
    tors: [{ name: tor1, daemon: frr, asn: 65101 }]
    nodes:
      - node1
      - { name: node2, pods: 5, program: nothing }
  - name: rack2
    tors:
      - name: tor2
    nodes: [node3]
";

fn message(text: &str) -> String {
    Topology::from_yaml(text).expect_err("it is wrong").to_string()
}

#[test]
fn reads_a_file() {
    let topology = Topology::from_yaml(TWO_RACKS).expect("valid");
    assert_eq!((topology.name.as_str(), topology.asn, topology.hold_time), ("two-racks", 64513, 6));
    let kinds: Vec<ReflectorKind> = topology.reflectors.iter().map(|reflector| reflector.kind).collect();
    assert_eq!(kinds, [ReflectorKind::Process, ReflectorKind::Node]);
    let daemons: Vec<Option<TorDaemon>> = topology.tors().map(|tor| tor.daemon).collect();
    assert_eq!(daemons, [Some(TorDaemon::Frr), None]);
    let pods: Vec<u32> = topology.nodes().map(|node| topology.pods_of(node)).collect();
    assert_eq!(pods, [2, 5, 2]);
    let programs: Vec<NodeProgram> = topology.nodes().map(|node| node.program).collect();
    assert_eq!(programs, [NodeProgram::Heddle, NodeProgram::Nothing, NodeProgram::Heddle]);
}

#[test]
fn a_rule_that_is_broken_is_shown_with_its_line() {
    let doubled = TWO_RACKS.replace("[node3]", "[node1]");
    assert_eq!(message(&doubled), "line 16: the name \"node1\" is used twice; every host needs its own");
    let badly = TWO_RACKS.replace("- node1", "- Node_1");
    assert!(message(&badly).starts_with("line 11: \"Node_1\" cannot be a name"), "{}", message(&badly));
    let hasty = TWO_RACKS.replace("hold_time: 6", "hold_time: 1");
    assert_eq!(message(&hasty), "line 3: a hold_time of 1 s is too short; use 3 or more");
}

#[test]
fn all_faults_come_at_once() {
    let text = TWO_RACKS.replace("hold_time: 6", "hold_time: 1").replace("[node3]", "[node1, spine]");
    let lines: Vec<String> = message(&text).lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 3, "{lines:#?}");
}

#[test]
fn a_key_that_does_not_exist_is_an_error_with_its_line() {
    let text = TWO_RACKS.replace("hold_time: 6", "holdtime: 6");
    let message = message(&text);
    assert!(message.contains("holdtime") && message.contains("line 3"), "{message}");
}

#[test]
fn what_is_built_in_code_passes_the_rules() {
    let heddle = Some(TorDaemon::Heddle);
    let all = [
        Topology::standard(),
        Topology::full_mesh(20),
        Topology::reflected(100, 2),
        Topology::racks(&[&[heddle, heddle], &[Some(TorDaemon::Bird), Some(TorDaemon::Frr)]], 3),
    ];
    for topology in all {
        assert_eq!(topology.check(), Ok(()), "{}", topology.name);
    }
}

#[test]
fn each_rule_is_found_broken() {
    type Change = fn(&mut Topology);
    let broken: [(Change, &str); 10] = [
        (|t| t.racks[0].nodes[0].name = "eth0".to_owned(), "the lab makes itself"),
        (|t| t.racks[0].nodes[0].name = "a-name-that-is-long".to_owned(), "cannot be a name"),
        (|t| t.racks[1].name = "rack1".to_owned(), "used twice"),
        (|t| t.racks.iter_mut().for_each(|rack| rack.nodes.clear()), "there is no node"),
        (|t| t.racks[1].tors.clear(), "has no top-of-rack switch"),
        (|t| t.racks[0].tors.push(Tor { name: "tor9".to_owned(), daemon: None, asn: None }), "peer with these alone"),
        (|t| t.racks[0].tors[0].asn = Some(64512), "meant to be eBGP"),
        (|t| t.reflectors.clear(), "their routes are loops"),
        (|t| t.asn = 0, "AS 0 is reserved"),
        (|t| t.pods_per_node = 51, "too many"),
    ];
    for (change, expected) in broken {
        let mut topology = Topology::standard();
        change(&mut topology);
        let faults = topology.check().expect_err(expected);
        assert!(faults.iter().any(|fault| fault.to_string().contains(expected)), "{expected}: {faults:?}");
    }
    let mut lan = Topology::full_mesh(2);
    lan.mesh = Mesh::Off;
    assert_eq!(lan.check(), Err(vec![Fault::NoSessions]));
    let mut tors = Topology::racks(&[&[None, None]], 1);
    tors.racks[0].tors[0].asn = Some(1);
    tors.racks[0].tors[1].asn = Some(2);
    assert!(matches!(tors.check().expect_err("two AS").as_slice(), [Fault::TorAsns { first: 1, second: 2, .. }]));
}
