//! The network of a case: two links with addresses and carrier, and the forwarding table's thread.

use std::net::IpAddr;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use heddle_bgp_core::{Prefix, Timestamp};
use heddle_fib_sync::{
    Best, BestPath, BestPathSource, Counters, FibSync, LocalRoute, NextHop, NextHopState, Output, Runner, Settings,
    Source,
};
use heddle_netlink::{
    Control, DumpSocket, Dumped, Family, IpNetwork, Link, LinkIndex, NexthopObject, Protocol, Route, RouteFilter,
    VethEnd,
};

/// How long anything may take that is waited for.
const LONG: Duration = Duration::from_secs(20);

/// Patience for one thing: it ends when [`LONG`] is over twice. When the machine stood still meanwhile, which may take
/// that long, there is time to look again.
struct Patience {
    end: Instant,
    again: bool,
}

impl Patience {
    fn new() -> Patience {
        Patience { end: Instant::now() + LONG, again: true }
    }

    /// How much is left; none: it is over.
    fn left(&mut self) -> Option<Duration> {
        let now = Instant::now();
        if now >= self.end && std::mem::take(&mut self.again) {
            self.end = now + LONG;
        }
        self.end.checked_duration_since(now).filter(|left| !left.is_zero())
    }
}

/// A network namespace with the veth pairs `a0`-`a1` and `b0`-`b1`, the first ends with addresses.
pub(crate) struct Net {
    pub(crate) control: Control,
    pub(crate) a: LinkIndex,
    pub(crate) a_peer: LinkIndex,
    pub(crate) b: LinkIndex,
    pub(crate) b_peer: LinkIndex,
}

impl Net {
    pub(crate) fn new() -> Net {
        let mut control = Control::open().expect("control socket");
        for (name, peer) in [("a0", "a1"), ("b0", "b1")] {
            control.create_veth(&VethEnd::new(name), &VethEnd::new(peer)).expect("veth pair");
        }
        let mut index = |name| control.link(name).expect("the link").index;
        let (a, a_peer, b, b_peer) = (index("a0"), index("a1"), index("b0"), index("b1"));
        for link in [LinkIndex::LOOPBACK, a, a_peer, b, b_peer] {
            control.set_up(link).expect("up");
        }
        for (link, address) in
            [(a, "192.0.2.1/24"), (a, "2001:db8:1::1/64"), (b, "198.51.100.1/24"), (b, "2001:db8:2::1/64")]
        {
            control.add_address(link, net(address)).expect("address");
        }
        Net { control, a, a_peer, b, b_peer }
    }
}

/// The thread, and what it told.
pub(crate) struct Fib {
    pub(crate) runner: Runner,
    told: Receiver<Output>,
    pub(crate) heard: Vec<Output>,
}

impl Fib {
    /// Keeps the thread busy until what is returned is dropped.
    pub(crate) fn occupy(&self) -> mpsc::Sender<()> {
        let (release, released) = mpsc::channel();
        let (hold, held) = mpsc::channel();
        self.runner.query(move |_| {
            let _ = hold.send(());
            let _ = released.recv();
        });
        held.recv().expect("the thread is held");
        release
    }

    pub(crate) fn start(settings: Settings) -> Fib {
        Self::start_with(settings, None)
    }

    pub(crate) fn start_with(settings: Settings, source: Option<Box<dyn BestPathSource>>) -> Fib {
        let begun = Instant::now();
        let clock = move || Timestamp(u64::try_from(begun.elapsed().as_nanos()).expect("short"));
        let (tell, told) = mpsc::channel();
        let sink = move |outputs: &mut Vec<Output>| {
            for output in outputs.drain(..) {
                let _ = tell.send(output);
            }
        };
        let runner = Runner::start(settings, clock, source, sink).expect("the thread");
        let mut fib = Fib { runner, told, heard: Vec::new() };
        fib.wait_for("the first dump", |output| *output == Output::Ready);
        fib
    }

    /// Waits until something is told that was not waited for before.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, what: &str, mut is: impl FnMut(&Output) -> bool) -> Output {
        let mut patience = Patience::new();
        loop {
            if let Some(at) = self.heard.iter().position(&mut is) {
                return self.heard.remove(at);
            }
            let Some(left) = patience.left() else { panic!("not told: {what}; but {:#?}", self.heard) };
            match self.told.recv_timeout(left) {
                Ok(output) => self.heard.push(output),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => panic!("the thread has ended; not told: {what}"),
            }
        }
    }

    #[track_caller]
    pub(crate) fn wait_for_local(&mut self, prefix: &str) -> LocalRoute {
        let wanted: Prefix = prefix.parse().expect("a prefix");
        match self.wait_for(prefix, |o| matches!(o, Output::LocalSet(local) if local.prefix == wanted)) {
            Output::LocalSet(local) => local,
            other => panic!("{other:?}"),
        }
    }

    #[track_caller]
    pub(crate) fn wait_for_hop(&mut self, next_hop: &str, cost: Option<u32>) {
        let wanted = Output::NextHop(NextHop::new(ip(next_hop)), NextHopState { cost });
        self.wait_for(next_hop, |output| *output == wanted);
    }

    /// Hands best paths over.
    pub(crate) fn learn(&self, paths: &[(&str, &[&str])]) {
        self.runner.best_paths(paths.iter().map(|(prefix, hops)| best(prefix, hops)).collect());
    }

    /// Runs something on the thread, and waits for what it says.
    pub(crate) fn ask<T: Send + 'static>(&self, query: impl FnOnce(&mut FibSync) -> T + Send + 'static) -> T {
        let (tell, told) = mpsc::channel();
        self.runner.query(move |fib| {
            let _ = tell.send(query(fib));
        });
        told.recv_timeout(2 * LONG).expect("the thread answers")
    }

    pub(crate) fn counters(&self) -> Counters {
        self.ask(|fib| fib.counters())
    }

    /// Waits until the counters say so.
    #[track_caller]
    pub(crate) fn wait_until(&self, what: &str, is: impl Fn(&Counters) -> bool) {
        let mut patience = Patience::new();
        loop {
            let counters = self.counters();
            if is(&counters) {
                return;
            }
            assert!(patience.left().is_some(), "not so: {what}; {counters:#?}; the kernel has {:#?}", Kernel::now());
            std::thread::yield_now();
        }
    }
}

/// A best path; without next hops it is withdrawn.
pub(crate) fn best(prefix: &str, next_hops: &[&str]) -> BestPath {
    let next_hops = next_hops.iter().map(|hop| NextHop::new(ip(hop))).collect::<Vec<_>>();
    let best = (!next_hops.is_empty()).then(|| Best {
        source: Source::Ibgp,
        local_pref: Some(2_147_482_623),
        next_hops: next_hops.into(),
    });
    BestPath { prefix: prefix.parse().expect("a prefix"), best }
}

/// The metric of what [`best`] makes.
pub(crate) const METRIC: u32 = 1024;

pub(crate) fn net(text: &str) -> IpNetwork {
    text.parse().expect("a prefix")
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A route of ours as [`best`] makes it, without legs.
pub(crate) fn route(prefix: &str) -> Route {
    Route::new(net(prefix), Protocol::HEDDLE).metric(METRIC)
}

/// The same, of somebody else.
pub(crate) fn foreign(prefix: &str) -> Route {
    Route::new(net(prefix), Protocol::STATIC).metric(METRIC)
}

/// Routes that the kernel has, in the canonical form, sorted.
pub(crate) fn routes(protocol: Protocol) -> Vec<Route> {
    let mut socket = DumpSocket::open().expect("dump socket");
    let mut found = Vec::new();
    for family in Family::BOTH {
        let filter = RouteFilter::family(family).protocol(protocol);
        loop {
            let mut of_family = Vec::new();
            let dumped = socket.routes(&filter, |route| of_family.push(route.canonical())).expect("dump");
            if dumped == Dumped::Complete {
                found.extend(of_family);
                break;
            }
        }
    }
    found.sort_by_key(|route| route.prefix.to_string());
    found
}

/// Our routes.
pub(crate) fn ours() -> Vec<Route> {
    routes(Protocol::HEDDLE)
}

/// What the kernel has, to see whether it or the table is late.
#[derive(Debug)]
#[expect(dead_code, reason = "read by people")]
struct Kernel {
    links: Vec<Link>,
    objects: Vec<NexthopObject>,
    routes: Vec<Route>,
}

impl Kernel {
    fn now() -> Kernel {
        let mut socket = DumpSocket::open().expect("dump socket");
        let (mut links, mut objects) = (Vec::new(), Vec::new());
        let _ = socket.links(|link| links.push(link)).expect("dump");
        let _ = socket.nexthops(|object| objects.push(object)).expect("dump");
        Kernel { links, objects, routes: ours() }
    }
}

/// Waits until our routes are these.
#[track_caller]
pub(crate) fn wait_for_routes(wanted: impl IntoIterator<Item = Route>) {
    let mut wanted: Vec<Route> = wanted.into_iter().map(Route::canonical).collect();
    wanted.sort_by_key(|route| route.prefix.to_string());
    let mut patience = Patience::new();
    loop {
        let found = ours();
        if found == wanted {
            return;
        }
        assert!(patience.left().is_some(), "the kernel has {found:#?}, not {wanted:#?}");
        std::thread::yield_now();
    }
}
