//! A node that is drained, and comes back.

use std::net::IpAddr;
use std::os::fd::AsFd;

use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_lab::prober::{Endpoints, Prober};
use heddle_lab::topology::Topology;
use heddle_netlink::{Control, ControlError, Leg, LinkIndex, MacAddress, Protocol, Route, Scope, VethEnd};
use ipnetwork::IpNetwork;
use serde_json::Value;

use crate::Case;
use crate::table::Destination;
use crate::traffic::Traffic;
use crate::world::World;

pub(crate) const CASES: &[Case] =
    &[Case { name: "drain::moves_then_withdraws", needs: &[], run: moves_then_withdraws }];

/// Addresses that node1 and node2 both have a route to: a pod that is joined to both.
const SHARED: [&str; 2] = ["10.244.200.1/32", "fd00:10:244::c801/128"];
/// Flows of each family: enough that, spread over two nodes, each gets some.
const FLOWS: usize = 6;

/// Traffic to what another node reaches, too, moves there before anything is withdrawn: nothing is lost. Undone, all is as it was.
fn moves_then_withdraws() {
    let mut topology = Topology::full_mesh(3);
    topology.pods_per_node = 1;
    let world = World::up("drain::moves_then_withdraws", &topology);
    let nodes = world.nodes();
    world.await_tables(&[]);
    let shared = SHARED.map(|text| text.parse::<IpNetwork>().expect("a prefix"));
    share(&world, shared);
    let (one, two) = (world.address("node1").addresses(), world.address("node2").addresses());
    await_via(&world, shared, &[one, two]);
    let traffic = Traffic::of(probe(&world, shared), world.case());

    let drained = drain(&world, &[]);
    assert_eq!(drained["drained"], "lowered", "{drained}");
    // First it is the last choice, with everything still there …
    await_via(&world, shared, &[two]);
    let blocks = world.blocks("node1").networks();
    let has = |node: &str| world.table(node).map(|table| blocks.iter().all(|block| table.contains_key(block)));
    wait_for(&format!("{}: what has no alternative is still there", world.case()), PATIENCE, || {
        let report = world.show("node1", &["show", "node"])?;
        ensure(has("node3")? || report["drained"] == "withdrawn", || report.to_string())
    });
    // … then it is gone.
    wait_for(&format!("{}: the routes are withdrawn", world.case()), PATIENCE, || {
        let report = world.show("node1", &["show", "node"])?;
        ensure(report["drained"] == "withdrawn", || report["drained"].to_string())?;
        let table = world.table("node3")?;
        ensure(!blocks.iter().any(|block| table.contains_key(block)), || format!("{table:?}"))
    });
    await_via(&world, shared, &[two]);

    let undone = drain(&world, &["--undo"]);
    assert_eq!(undone["drained"], "none", "{undone}");
    await_via(&world, shared, &[one, two]);
    wait_for(&format!("{}: the routes are back", world.case()), PATIENCE, || {
        ensure(has("node3")? && has("node2")?, || format!("{:?}", world.table("node3")))
    });
    traffic.lossless();
    world.await_sessions(&nodes);
    world.await_pings();
}

#[track_caller]
fn drain(world: &World, more: &[&str]) -> Value {
    let words = [&["node-peer", "drain"], more].concat();
    world.show("node1", &words).unwrap_or_else(|error| panic!("{}: {error}", world.case()))
}

/// Waits until node3 reaches the shared addresses over these nodes.
#[track_caller]
fn await_via(world: &World, shared: [IpNetwork; 2], gateways: &[[IpAddr; 2]]) {
    for (index, prefix) in shared.into_iter().enumerate() {
        let legs = gateways.iter().filter_map(|pair| pair.get(index)).copied().collect();
        let expected = Destination::Via(legs);
        wait_for(&format!("{}: node3 reaches {prefix} over {gateways:?}", world.case()), PATIENCE, || {
            let table = world.table("node3")?;
            ensure(table.get(&prefix) == Some(&expected), || format!("{:?}", table.get(&prefix)))
        });
    }
}

/// Gives the pod of node1 another address in each family, and a second cable, to node2.
fn share(world: &World, shared: [IpNetwork; 2]) {
    let fabric = world.fabric();
    let (one, two) = (fabric.host("node1").expect("node1"), fabric.host("node2").expect("node2"));
    let interface = fabric.with_pods(|pods| {
        let pod = pods.iter().find(|pod| pod.node() == "node1").expect("node1 has a pod");
        let inside = pod.namespace();
        // Packets come in over one cable and are answered over the other.
        inside.set(&[("ipv4/conf/all/rp_filter", "0"), ("ipv4/conf/default/rp_filter", "0")]).expect("it can be set");
        let near = VethEnd { mac: Some(MacAddress([0xee; 6])), ..VethEnd::new("cali-second") };
        let far = VethEnd::new("eth1").namespace(inside.as_fd());
        two.kernel(|control| control.create_veth(&near, &far)).expect("a second cable");
        let configured = inside.run(|| {
            let mut control = Control::open().map_err(|error| error.to_string())?;
            inside_pod(&mut control, shared).map_err(|error| error.to_string())
        });
        configured.expect("its namespace").expect("its second cable");
        pod.interface().to_owned()
    });
    for (host, interface) in [(one, interface.as_str()), (two, "cali-second")] {
        let link = host.link(interface).expect("the node's end");
        host.kernel(|control| {
            control.set_up(link)?;
            shared.into_iter().try_for_each(|prefix| control.replace_route(&workload(prefix, link)))
        })
        .expect("the routes of the node");
    }
}

fn inside_pod(control: &mut Control, shared: [IpNetwork; 2]) -> Result<(), ControlError> {
    for name in ["eth0", "eth1"] {
        let link = control.link(name)?.index;
        for address in shared {
            control.add_address(link, address)?;
        }
        control.set_up(link)?;
    }
    Ok(())
}

fn workload(to: IpNetwork, link: LinkIndex) -> Route {
    let route = Route::new(to, Protocol::BOOT).metric(1024).leg(Leg::device(link));
    if to.is_ipv4() { Route { scope: Some(Scope::Link), ..route } } else { route }
}

/// Flows from node3's pod to the shared addresses.
fn probe(world: &World, shared: [IpNetwork; 2]) -> Prober {
    let started = world.fabric().with_pods(|pods| {
        let of = |node: &str| pods.iter().find(|pod| pod.node() == node).expect("each node has a pod");
        let (from, to) = (of("node3"), of("node1"));
        let flow = |number: usize, (source, target): (IpAddr, IpNetwork)| Endpoints {
            name: format!("{number} to {target}"),
            from: (from.namespace(), source),
            to: (to.namespace(), target.ip()),
        };
        let both = || from.address().addresses().into_iter().zip(shared);
        let flows: Vec<Endpoints<'_>> = (0..FLOWS)
            .flat_map(|number| both().map(move |ends| (number, ends)))
            .map(|(number, ends)| flow(number, ends))
            .collect();
        Prober::start(&flows)
    });
    started.unwrap_or_else(|error| panic!("{}: {error}", world.case()))
}
