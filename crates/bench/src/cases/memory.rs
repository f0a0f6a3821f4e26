//! Memory of one node in a large cluster.
//!
//! The datastore describes all nodes; of the others only their sessions exist, each with the block of its node. All come
//! from one host, which has the addresses of all, so that no more than a handful of namespaces and neighbours is needed.

use std::net::IpAddr;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use heddle_bgp_core::{Asn, BgpId, Family, Prefix};
use heddle_lab::addressing::{Pair, mac};
use heddle_lab::calico_bird;
use heddle_lab::datastore;
use heddle_lab::fabric::Fabric;
use heddle_lab::host::Host;
use heddle_lab::plan::{self, Plan};
use heddle_lab::topology::{DEFAULT_ASN, NodeProgram, Topology};
use heddle_netlink::{IpNetwork, LinkIndex, MacAddress};

use crate::args::Memory;
use crate::contender::{Contender, Setup};
use crate::report::{Aim, Report, Row, Value};
use crate::speaker::{Drain, Identity, Updates, write_all};
use crate::stand::build;
use crate::usage::{self, Usage};

/// After all routes have arrived, before the memory is read.
const SETTLE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(200);

pub(crate) fn run(args: &Memory, setup: &Setup) -> anyhow::Result<Report> {
    let mut report = Report::new(format!("memory: one node of a cluster of {}, the others simulated", args.nodes));
    let mut rss = Row::new("resident", "MiB").aim(Aim::AtMost(30.0));
    let mut peak = Row::new("resident, at its highest", "MiB");
    let mut cpu = Row::new("CPU time until all routes are in the kernel", "s");
    for contender in &setup.contenders {
        let usage = node(args, setup, *contender)?;
        rss = rss.value(*contender, Some(Value::Is(usage.rss)));
        peak = peak.value(*contender, Some(Value::Is(usage.peak)));
        cpu = cpu.value(*contender, Some(Value::Is(usage.cpu.as_secs_f64())));
    }
    report.rows = vec![rss, peak, cpu];
    report.notes.push(format!(
        "{} sessions, half of them IPv6, each with one block; of BIRD both daemons together",
        u32::from(args.nodes - 1) * 2
    ));
    Ok(report)
}

fn node(args: &Memory, setup: &Setup, contender: Contender) -> anyhow::Result<Usage> {
    let mut topology = Topology::full_mesh(2);
    topology.pods_per_node = 0;
    let programs = [contender.node_program(), NodeProgram::Nothing];
    for (node, program) in topology.racks.iter_mut().flat_map(|rack| &mut rack.nodes).zip(programs) {
        node.program = program;
    }
    let fabric = build(setup, &topology, &contender.to_string())?;
    let cluster = Plan::new(&Topology::full_mesh(args.nodes.into()), heddle_lab::tor::installed());
    let members: Vec<&plan::Host> = cluster.nodes().collect();
    let (own, others) = members.split_first().context("a cluster has nodes")?;
    datastore::write(&fabric.datastore(), &datastore::of_cluster(&cluster))?;
    let names: Vec<String> = fabric.plan().nodes().map(|node| node.name.clone()).collect();
    let [node, peers] = names.as_slice() else { bail!("a fabric of two has two nodes") };
    let (node, peers) = (fabric.host(node)?, fabric.host(peers)?);
    for family in [calico_bird::Family::V4, calico_bird::Family::V6] {
        if contender == Contender::Bird {
            node.write(&format!("{}.conf", calico_bird::name(family)), &calico_bird::config(&cluster, own, family))?;
        }
    }
    let others: Vec<(Pair, Pair)> = others.iter().filter_map(|other| other.address.zip(other.blocks())).collect();
    wire(node, peers, &others)?;
    let result = measure(args, &fabric, own, &others, node, peers);
    setup.note(contender, &fabric)?;
    fabric.down();
    result
}

/// Gives the second host the addresses of all others, and the node their neighbour entries.
fn wire(node: &Host, peers: &Host, others: &[(Pair, Pair)]) -> anyhow::Result<()> {
    let first = others.first().context("a cluster has other nodes")?;
    let mac = MacAddress(mac(first.0.v4.ip()));
    let link = node.link("eth0")?;
    for (address, _) in others {
        for ip in address.addresses() {
            node.kernel(|control| control.set_neighbour(link, ip, mac))?;
            if *address != first.0 {
                peers.kernel(|control| control.add_address(LinkIndex::LOOPBACK, IpNetwork::from(ip)))?;
            }
        }
    }
    Ok(())
}

fn measure(
    args: &Memory,
    fabric: &Fabric,
    own: &plan::Host,
    others: &[(Pair, Pair)],
    node: &Host,
    peers: &Host,
) -> anyhow::Result<Usage> {
    fabric.start(&mut |_| {}, &|| false)?;
    let deadline = Instant::now() + Duration::from_secs(args.limit);
    let remote = own.address.context("a node has addresses")?.addresses();
    let sessions = peers.namespace().run(|| {
        let mut sessions = Vec::new();
        for (address, block) in others {
            for ((local, remote), block) in address.addresses().into_iter().zip(remote).zip(block.networks()) {
                let bgp_id = BgpId::from(address.v4.ip());
                let identity = Identity { local, remote, asn: Asn(DEFAULT_ASN), bgp_id };
                let session = identity.establish(deadline)?;
                write_all(&session, advertisement(local, block)?.octets())?;
                sessions.push(session);
            }
        }
        anyhow::Ok(sessions)
    })??;
    eprintln!("{} sessions", sessions.len());
    let drain = Drain::start(sessions)?;
    let blocks: Vec<IpNetwork> = others.iter().flat_map(|(_, block)| block.networks()).collect();
    loop {
        let known = node.destinations()?;
        let missing = blocks.iter().filter(|block| !known.contains(block)).count();
        if missing == 0 {
            break;
        }
        if Instant::now() >= deadline {
            bail!("{missing} of {} routes are not in the kernel after {} s", blocks.len(), args.limit);
        }
        sleep(PAUSE);
    }
    sleep(SETTLE);
    drain.check()?;
    let pids: Vec<u32> = fabric.processes().into_iter().map(|(.., pid, _)| pid).collect();
    Ok(usage::of_all(&pids))
}

fn advertisement(next_hop: IpAddr, block: IpNetwork) -> anyhow::Result<Updates> {
    let family = if next_hop.is_ipv4() { Family::IPV4_UNICAST } else { Family::IPV6_UNICAST };
    let mut updates = Updates::new(family);
    updates.advertise(next_hop, 1, Prefix::new(block.network(), block.prefix()).into_iter())?;
    updates.end_of_rib();
    Ok(updates)
}
