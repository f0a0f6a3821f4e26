//! A node with thousands of workload interfaces, as make daemons busy that look at all of them every two seconds (projectcalico/bird #95,
//! #77, #102; projectcalico/calico #5942).

use std::net::Ipv4Addr;
use std::ops::Range;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use heddle_interop_tests::usage::Usage;
use heddle_interop_tests::wait::{PATIENCE, ensure, wait_for};
use heddle_netlink::{Leg, LinkIndex, Protocol, Route, Scope, VethEnd};
use serde_json::Value;

use crate::Case;
use crate::lone_node::{LONG, peer, speaker, topology};
use crate::world::World;

pub(crate) const CASES: &[Case] = &[Case { name: "many_links::one_more_pod", needs: &[], run: one_more_pod }];

/// Workload interfaces that are there when the node starts.
const LINKS: u32 = 2000;
/// Those that come, one after the other.
const MORE: u32 = 20;
/// Files that may be read for one of them: its own settings, and those of the whole machine.
const READS: u64 = 200;

/// The kernel is read again when nobody has asked for it, but not sooner than this.
const AUDIT: Duration = Duration::from_secs(60);

/// Makes workload interfaces on `node1`, each with the route to its pod, in the pool and in no block.
#[track_caller]
fn add(world: &World, numbers: Range<u32>) {
    let [node, far] = ["node1", "node2"].map(|name| world.fabric().host(name).expect("it is there"));
    let work = |control: &mut heddle_netlink::Control| {
        for number in numbers {
            let (name, pod) = (format!("cali{number:08x}"), format!("pod{number:08x}"));
            let end = VethEnd::new(&pod).namespace(far.namespace().as_fd());
            control.create_veth(&VethEnd::new(&name), &end)?;
            let link = control.link(&name)?.index;
            control.set_up(link)?;
            control.add_route(&route(number, link))?;
        }
        Ok(())
    };
    node.kernel(work).unwrap_or_else(|error| panic!("{error}"));
}

fn route(number: u32, link: LinkIndex) -> Route {
    let address = Ipv4Addr::from_bits(Ipv4Addr::new(10, 244, 128, 0).to_bits() + number);
    let to = ipnetwork::IpNetwork::new(address.into(), 32).expect("a host's prefix");
    Route { scope: Some(Scope::Link), ..Route::new(to, Protocol::BOOT).leg(Leg::device(link)) }
}

/// How many routes the peer has been told.
fn advertised(world: &World) -> Result<u64, String> {
    let peer = peer(world, "node2")?;
    peer["families"][0]["advertised"].as_u64().ok_or_else(|| peer.to_string())
}

#[track_caller]
fn await_pods(world: &World, pods: u32) {
    // Its block as well.
    let wanted = u64::from(pods) + 1;
    wait_for(&format!("{pods} pods are advertised"), PATIENCE, || {
        let advertised = advertised(world)?;
        ensure(advertised == wanted, || format!("{advertised} of {wanted}"))
    });
}

/// 2,000 interfaces when the node starts, then one after the other: none is told to the kernel or makes it be read again, and none makes the
/// settings of the others be read. Prints CPU time and memory.
fn one_more_pod() {
    let world = World::build("many_links::one_more_pod", &topology(1));
    let node = world.fabric().host("node1").expect("it is there");
    node.namespace().set(&[("ipv4/conf/default/proxy_arp", "1")]).unwrap_or_else(|error| panic!("{error}"));
    add(&world, 0..LINKS);
    world.start();
    let _speaker = speaker(&world, "node2", LONG, "");
    await_pods(&world, LINKS);
    let pid = world.process("node1", None, |process| Ok(process.pid()));
    let fib = || world.show("node1", &["show", "node"]).expect("it answers")["fib"].clone();
    let number = |fib: &Value, name: &str| fib[name].as_u64().unwrap_or_else(|| panic!("no {name}: {fib}"));
    let usage = Usage(pid);
    let memory = usage.memory("RssAnon") >> 20;
    println!(
        "{LINKS} workload interfaces: {:.1?} of CPU time until all are advertised, {memory} MiB of its own memory",
        usage.cpu_time()
    );
    let (before, first) = (fib(), Instant::now());
    let (mut used, read) = (Vec::new(), usage.file_reads());
    for pod in LINKS..LINKS + MORE {
        let then = usage.cpu_time();
        add(&world, pod..pod + 1);
        await_pods(&world, pod + 1);
        used.push(usage.cpu_time().saturating_sub(then));
    }
    // The node reads a setting of each interface when it is asked about itself.
    let reads = usage.file_reads().saturating_sub(read);
    let (after, took) = (fib(), first.elapsed());
    used.sort();
    let (cpu, at_most) = (used[used.len() / 2], used[used.len() - 1]);
    println!("one more pod: {cpu:.1?} of CPU time (median), {at_most:.1?} at most; {reads} reads of files for {MORE}");
    assert_eq!(number(&after, "writes"), number(&before, "writes"), "a pod of the node's own needs no route of ours");
    let readings = number(&after, "resyncs") - number(&before, "resyncs");
    let allowed = 1 + took.as_secs() / AUDIT.as_secs();
    assert!(
        readings <= allowed,
        "the kernel was read {readings} times in {took:.0?}, and not only because a minute was over"
    );
    assert!(reads <= u64::from(MORE) * READS, "{reads} reads of files for {MORE} pods");
}
