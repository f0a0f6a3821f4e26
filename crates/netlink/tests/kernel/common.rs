//! The network of a case: two links with addresses and carrier, and the sockets.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use heddle_netlink::{
    Control, Cookie, DumpSocket, Dumped, Errno, Event, Family, IpNetwork, LinkIndex, Monitor, MonitorOptions, Pending,
    Protocol, RequestSocket, Results, Route, RouteFilter, VethEnd,
};

/// How long anything may take that is waited for.
const LONG: Duration = Duration::from_secs(20);

/// A network namespace with the veth pairs `a0`-`a1` and `b0`-`b1`, the first ends with addresses.
pub(crate) struct Net {
    pub(crate) control: Control,
    pub(crate) a: LinkIndex,
    pub(crate) a_peer: LinkIndex,
    pub(crate) b: LinkIndex,
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
        Net { control, a, a_peer, b }
    }
}

pub(crate) fn net(text: &str) -> IpNetwork {
    text.parse().expect("a prefix")
}

pub(crate) fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// A route of ours without legs.
pub(crate) fn route(prefix: &str) -> Route {
    Route::new(net(prefix), Protocol::HEDDLE)
}

/// Routes that the kernel has, in the canonical form.
pub(crate) fn routes(filter: &RouteFilter) -> Vec<Route> {
    let mut socket = DumpSocket::open().expect("dump socket");
    for _ in 0..100 {
        let mut found = Vec::new();
        match socket.routes(filter, |route| found.push(route.canonical())).expect("dump") {
            Dumped::Complete => return found,
            // The kernel does something to routes of its own for the links.
            Dumped::Interrupted => {}
        }
    }
    panic!("no dump of {filter:?} came through");
}

/// Our routes of both families, in the canonical form.
pub(crate) fn ours() -> Vec<Route> {
    let of = |family| routes(&RouteFilter::family(family).protocol(Protocol::HEDDLE));
    Family::BOTH.into_iter().flat_map(of).collect()
}

/// Sends requests and expects that all are done.
pub(crate) fn done(socket: &mut RequestSocket, queue: impl FnOnce(&mut RequestSocket)) {
    assert_eq!(results(socket, queue), Results::default());
}

/// Sends one request and expects that the kernel refuses it.
pub(crate) fn refused(socket: &mut RequestSocket, queue: impl FnOnce(&mut RequestSocket)) -> Errno {
    let results = results(socket, queue);
    assert!(results.unknown.is_empty());
    assert_eq!(results.failures.len(), 1, "{results:?}");
    results.failures[0].error
}

pub(crate) fn results(socket: &mut RequestSocket, queue: impl FnOnce(&mut RequestSocket)) -> Results {
    queue(socket);
    socket.flush().expect("sent")
}

pub(crate) const COOKIE: Cookie = Cookie(7);

/// A monitor with the usual options, and what it heard.
pub(crate) struct Ear {
    pub(crate) monitor: Monitor,
    pub(crate) heard: Vec<Event>,
}

impl Ear {
    pub(crate) fn open(options: &MonitorOptions) -> Ear {
        Ear { monitor: Monitor::open(options).expect("monitor"), heard: Vec::new() }
    }

    /// Reads all that is there.
    pub(crate) fn listen(&mut self) {
        while self.monitor.receive(&mut self.heard).expect("events") == Pending::More {}
    }

    /// Waits until something was heard.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, what: &str, mut is: impl FnMut(&Event) -> bool) {
        let end = Instant::now() + LONG;
        loop {
            self.listen();
            if self.heard.iter().any(&mut is) {
                return;
            }
            let left = end.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "not heard: {what}; but {:#?}", self.heard);
            self.monitor.wait(left).expect("poll");
        }
    }
}
