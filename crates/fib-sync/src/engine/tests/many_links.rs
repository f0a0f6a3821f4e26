//! A machine with as many workload interfaces as make other daemons busy (projectcalico/bird #95, #77, #102; projectcalico/calico #5942:
//! 30,000 to 40,000, and a core that does nothing else).

use std::net::Ipv4Addr;
use std::time::Instant;

use super::*;

/// How many there are.
const LINKS: u32 = 40_000;
/// The first of them; 1 and 2 are the machine's own.
const FIRST: u32 = 3;
/// Of every workload interface, as Calico has it.
const GATEWAY: &str = "fe80::ecee:eeff:feee:eeee";

fn workload_link(index: u32) -> KernelEvent {
    KernelEvent::Link(Link { index: IfIndex(index), name: format!("cali{index:08x}"), state: LinkState::Up })
}

/// The address that the kernel gives to the interface, and the route to its network: the same for all of them.
fn link_local(index: u32) -> [KernelEvent; 2] {
    let target = Target::legs(Legs::from_slice(&[Leg::new(IfIndex(index), None)]));
    [address(index, GATEWAY, "fe80::/64"), there(route("fe80::/64", 256, PROTOCOL_KERNEL, target))]
}

fn pod(index: u32) -> KernelRoute {
    let address = Prefix::new(Ipv4Addr::from_bits(0x0a40_0000 + index).into(), 32).expect("a prefix");
    let target = Target::legs(Legs::from_slice(&[Leg::new(IfIndex(index), None)]));
    KernelRoute { table: MAIN_TABLE, prefix: address, tos: 0, metric: 0, protocol: 3, source: None, target }
}

/// All that the kernel tells of an interface, in the order of a dump.
fn dump(links: std::ops::Range<u32>) -> Vec<KernelEvent> {
    let local: Vec<[KernelEvent; 2]> = links.clone().map(link_local).collect();
    let (addresses, routes): (Vec<_>, Vec<_>) = local.into_iter().map(|[address, route]| (address, route)).unzip();
    let pods = links.clone().map(|index| there(pod(index)));
    links.map(workload_link).chain(addresses).chain(pods).chain(routes).collect()
}

/// What is told; nothing is written.
#[track_caller]
fn outputs(desk: &mut Desk) -> Vec<Output> {
    assert_eq!(desk.writes(), Vec::<String>::new());
    desk.told()
}

/// One more pod, among 40,000, is told at once, without a word to the kernel and without reading it again; so is one that goes.
#[test]
fn one_more_pod_costs_what_the_first_one_did() {
    let began = Instant::now();
    let mut desk = Desk::with(never(), dump(FIRST..FIRST + LINKS));
    let told = outputs(&mut desk).iter().filter(|output| matches!(output, Output::LocalSet(_))).count();
    let start = began.elapsed();
    assert_eq!(told, usize::try_from(LINKS).expect("small") + 4, "and the networks of the two other links");
    let began = Instant::now();
    desk.dump(dump(FIRST..FIRST + LINKS));
    assert_eq!(outputs(&mut desk), []);
    let again = began.elapsed();
    const MORE: u32 = 1000;
    let began = Instant::now();
    for index in FIRST + LINKS..FIRST + LINKS + MORE {
        let name = format!("cali{index:08x}");
        let [address, network] = link_local(index);
        for event in [workload_link(index), address, network, there(pod(index))] {
            desk.hear(event);
        }
        let expected = |output: &Output| match output {
            Output::WorkloadInterface(interface) => **interface == *name,
            Output::LocalSet(route) => route.prefix == pod(index).prefix && route.interface.as_deref() == Some(&*name),
            _ => false,
        };
        let told = outputs(&mut desk);
        assert!(told.len() == 2 && told.iter().all(expected), "{told:?}");
    }
    let more = began.elapsed();
    let began = Instant::now();
    for index in FIRST..FIRST + MORE {
        desk.hear(KernelEvent::LinkGone(IfIndex(index)));
        assert_eq!(outputs(&mut desk), [Output::LocalRemoved(pod(index).prefix)]);
    }
    let fewer = began.elapsed();
    assert!(!desk.wants_dump());
    println!(
        "{LINKS} workload interfaces: read in {start:.1?}, read again in {again:.1?}; one more {:.1?}, one less {:.1?}",
        more / MORE,
        fewer / MORE
    );
}
