//! Addresses are unique, and whoever needs a route has one.

use std::collections::BTreeSet;

use super::*;
use crate::topology::TorDaemon;

const BOTH: Installed = Installed { bird: Presence::Present, frr: Presence::Present };

fn topologies() -> [Topology; 4] {
    let heddle = Some(TorDaemon::Heddle);
    [
        Topology::standard(),
        Topology::full_mesh(100),
        Topology::reflected(20, 2),
        Topology::racks(&[&[heddle, heddle], &[heddle], &[None, None, None]], 5),
    ]
}

#[test]
fn no_address_is_given_twice() {
    for topology in topologies() {
        let plan = Plan::new(&topology, BOTH);
        let mut seen = BTreeSet::new();
        let ends = plan.links.iter().flat_map(|link| [&link.lower, &link.upper]);
        for address in ends.filter_map(|end| end.address).flat_map(|pair| pair.addresses()) {
            assert!(seen.insert(address), "{}: {address} is given twice", topology.name);
        }
        for host in plan.nodes() {
            let blocks = host.blocks().expect("a node has blocks");
            let pods = (1..BLOCK).map(|number| addressing::pod(blocks, number));
            for address in pods.flat_map(|pair| pair.addresses()) {
                assert!(seen.insert(address), "{}: {address} is given twice", topology.name);
                let pools = addressing::pools().networks();
                assert!(pools.iter().any(|pool| pool.contains(address)), "{address} is in no pool");
                assert!(blocks.networks().iter().any(|block| block.contains(address)), "{address} is not in its block");
            }
        }
    }
}

const BLOCK: u8 = addressing::BLOCK_SIZE;

#[test]
fn interfaces_are_unique_and_short() {
    for topology in topologies() {
        let plan = Plan::new(&topology, BOTH);
        let mut seen = BTreeSet::new();
        for end in plan.links.iter().flat_map(|link| [&link.lower, &link.upper]) {
            assert!(seen.insert((&end.host, &end.interface)), "{}: {end:?} is there twice", topology.name);
            assert!(end.interface.len() <= 15, "{}", end.interface);
            assert!(plan.host(&end.host).is_some(), "{}", end.host);
        }
    }
}

#[test]
fn each_next_hop_of_a_static_route_is_on_a_link_of_its_host() {
    for topology in topologies() {
        let plan = Plan::new(&topology, BOTH);
        for host in &plan.hosts {
            for route in &host.routes {
                let subnets: Vec<IpNetwork> =
                    plan.ends(&host.name).filter_map(|end| end.address).flat_map(|pair| pair.networks()).collect();
                assert!(subnets.iter().any(|subnet| subnet.contains(route.via)), "{}: {route:?}", host.name);
            }
        }
    }
}

#[test]
fn daemons_take_turns_as_far_as_they_are_installed() {
    let daemons = |installed| {
        let plan = Plan::new(&Topology::racks(&[&[None], &[None], &[None]], 1), installed);
        let roles = plan.hosts.into_iter().filter_map(|host| match host.role {
            Role::Tor { daemon, .. } => Some(daemon),
            Role::Switch | Role::Reflector(_) | Role::Node { .. } => None,
        });
        roles.collect::<Vec<_>>()
    };
    assert_eq!(daemons(BOTH), [TorDaemon::Frr, TorDaemon::Bird, TorDaemon::Frr]);
    assert_eq!(daemons(Installed { frr: Presence::Absent, ..BOTH }), [TorDaemon::Bird; 3]);
    let none = Installed { bird: Presence::Absent, frr: Presence::Absent };
    assert_eq!(daemons(none), [TorDaemon::Heddle; 3]);
}

#[test]
fn switches_have_sessions_with_their_nodes_and_with_other_racks() {
    let heddle = Some(TorDaemon::Heddle);
    let plan = Plan::new(&Topology::racks(&[&[heddle, heddle], &[heddle]], 2), BOTH);
    let of = |tor: &str| {
        let sessions = plan.sessions.iter().filter(|session| session.tor == tor);
        sessions.map(|session| session.peer.clone()).collect::<Vec<_>>()
    };
    assert_eq!(of("tor1"), ["node1", "node2", "tor3"]);
    assert_eq!(of("tor2"), ["node1", "node2", "tor3"]);
    assert_eq!(of("tor3"), ["node3", "node4", "tor1", "tor2"]);
    for session in &plan.sessions {
        assert_ne!(session.local_asn, session.remote_asn, "{session:?}");
    }
}

#[test]
fn a_large_lan_has_its_neighbours_written_down() {
    let plan = Plan::new(&Topology::full_mesh(100), BOTH);
    for host in plan.nodes() {
        assert_eq!(host.neighbours.len(), 99, "{}", host.name);
        assert!(!host.neighbours.contains(&host.address.expect("a node has an address")));
    }
    let small = Plan::new(&Topology::full_mesh(8), BOTH);
    assert!(small.hosts.iter().all(|host| host.neighbours.is_empty()));
}
