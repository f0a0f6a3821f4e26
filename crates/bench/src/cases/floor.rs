//! The floor of the latency case: programs that only copy. The first node's writes each change of a host route that its
//! kernel reports to a connection a node; those of the others write it into their kernels. No BGP, no table, no
//! decision, nothing kept: no routing daemon with a process a node can be faster.

use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, bail};
use heddle_lab::fabric::Fabric;
use heddle_lab::host::Host;
use heddle_lab::process::{Process, Program};
use heddle_netlink::{
    Change, Cookie, Event, IpNetwork, Leg, Monitor, MonitorOptions, Protocol, RequestSocket, Route, Subscriptions,
    Weight,
};
use nix::sys::epoll::{Epoll, EpollCreateFlags, EpollEvent, EpollFlags, EpollTimeout};

use crate::args::FloorNode;

const PORT: u16 = 1790;
/// Octets that say what changed, as many as a short UPDATE has.
const RECORD: usize = 48;
/// Attempts to connect, 100 ms apart.
const ATTEMPTS: u32 = 100;

/// Starts the programs on the nodes of a fabric on which nothing runs.
pub(super) fn start(fabric: &Fabric) -> anyhow::Result<Vec<Process>> {
    let (first, nodes) = (first(fabric)?, fabric.plan().nodes());
    let address = fabric.plan().nodes().next().and_then(|node| node.address).context("nodes have addresses")?.v4.ip();
    let others = nodes.count().saturating_sub(1);
    let start = |node: &str| {
        let receivers = if node == first.name() { others } else { 0 };
        let arguments = ["floor-node".to_owned(), address.to_string(), receivers.to_string()];
        let program = Program::new(&std::env::current_exe()?, arguments);
        Ok(fabric.spawn(node, &program, &fabric.host(node)?.path("floor.log"))?)
    };
    fabric.plan().nodes().map(|node| start(&node.name)).collect()
}

/// What runs on a node.
pub(crate) fn run(node: &FloorNode) -> anyhow::Result<()> {
    if node.receivers > 0 { send(node.address, node.receivers) } else { receive(node.address) }
}

fn send(address: Ipv4Addr, receivers: usize) -> anyhow::Result<()> {
    let subscriptions = Subscriptions { routes: true, links: false, addresses: false, nexthops: false };
    let mut monitor = Monitor::open(&MonitorOptions { subscriptions, deaf_to: Vec::new(), receive_buffer: 1 << 20 })?;
    let listener = TcpListener::bind((address, PORT))?;
    let accept = || {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        Ok(stream)
    };
    let mut streams = (0..receivers).map(|_| accept()).collect::<std::io::Result<Vec<TcpStream>>>()?;
    let epoll = Epoll::new(EpollCreateFlags::EPOLL_CLOEXEC)?;
    epoll.add(monitor.as_fd(), EpollEvent::new(EpollFlags::EPOLLIN, 0))?;
    let mut events = Vec::new();
    loop {
        epoll.wait(&mut [EpollEvent::empty()], EpollTimeout::NONE)?;
        let _ = monitor.receive(&mut events)?;
        for record in events.drain(..).filter_map(|event| record(&event)) {
            for stream in &mut streams {
                stream.write_all(&record)?;
            }
        }
    }
}

/// What is said of a change of a pod's route.
fn record(event: &Event) -> Option<[u8; RECORD]> {
    let Event::Route(change, Route { prefix: IpNetwork::V4(prefix), protocol: Protocol::BOOT, .. }) = event else {
        return None;
    };
    let mut record = [0; RECORD];
    let [kind, a, b, c, d, ..] = &mut record;
    *kind = u8::from(*change == Change::New);
    [*a, *b, *c, *d] = prefix.ip().octets();
    (prefix.prefix() == 32).then_some(record)
}

fn receive(first: Ipv4Addr) -> anyhow::Result<()> {
    let mut stream = connect(first)?;
    let mut kernel = RequestSocket::open()?;
    let leg = Leg {
        gateway: Some(IpAddr::V4(first)),
        oif: None,
        weight: Weight::ONE,
        onlink: false,
        dead: false,
        linkdown: false,
    };
    let mut record = [0; RECORD];
    loop {
        match stream.read_exact(&mut record) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        let [kind, a, b, c, d, ..] = record;
        let route = Route::new(IpAddr::from([a, b, c, d]).into(), Protocol::HEDDLE).leg(leg);
        if kind == 1 {
            kernel.add(Cookie(0), &route)?
        } else {
            kernel.delete(Cookie(0), &route)?
        }
        let _ = kernel.flush()?;
    }
}

fn connect(first: Ipv4Addr) -> anyhow::Result<TcpStream> {
    for _ in 0..ATTEMPTS {
        if let Ok(stream) = TcpStream::connect((first, PORT)) {
            return Ok(stream);
        }
        sleep(Duration::from_millis(100));
    }
    bail!("the first node does not listen on {first}")
}

/// The node that sends.
pub(super) fn first(fabric: &Fabric) -> anyhow::Result<&Host> {
    Ok(fabric.host(&fabric.plan().nodes().next().context("a fabric has nodes")?.name)?)
}

/// The nodes that receive.
pub(super) fn receivers(fabric: &Fabric) -> impl Iterator<Item = &Host> {
    fabric.plan().nodes().skip(1).filter_map(|node| fabric.host(&node.name).ok())
}
