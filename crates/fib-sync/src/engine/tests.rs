//! The engine by hand: what is handed in, and what is written, told, shown and counted.

mod listing;
mod many_links;
mod objects;
mod refusals;
mod reports;
mod time;
mod wishes;
mod workloads;

use std::net::IpAddr;
use std::time::Duration;

use heddle_bgp_core::{Prefix, Timestamp};

use super::{DumpEnd, FibSync, Heard, Refusal, Write, WriteKind};
use crate::input::{Best, BestPath, NextHop, Output, Source, Usage};
use crate::route::{
    Address, IfIndex, KernelEvent, KernelObject, KernelRoute, Leg, Legs, Link, LinkState, MAIN_TABLE, ObjectSpec,
    OnLink, PROTOCOL_KERNEL, Placed, Target,
};
use crate::settings::{METRIC_BASE, NexthopObjects, Settings};
use crate::status::{Row, State};

/// What is handed in between two writes.
struct Desk {
    fib: FibSync,
    now: Timestamp,
}

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn prefix(text: &str) -> Prefix {
    text.parse().expect("a prefix")
}

/// `GATEWAY@INTERFACE`, separated by spaces.
fn legs(text: &str) -> Target {
    let leg = |leg: &str| {
        let (gateway, interface) = leg.split_once('@').expect("gateway@interface");
        Leg::new(IfIndex(interface.parse().expect("an index")), Some(ip(gateway)))
    };
    Target::legs(text.split(' ').map(leg).collect())
}

fn route(destination: &str, metric: u32, protocol: u8, target: Target) -> KernelRoute {
    KernelRoute { table: MAIN_TABLE, prefix: prefix(destination), tos: 0, metric, protocol, source: None, target }
}

fn ours(destination: &str, metric: u32, gateways: &str) -> KernelRoute {
    route(destination, metric, 158, legs(gateways))
}

fn strangers(destination: &str, metric: u32, gateways: &str) -> KernelRoute {
    route(destination, metric, 4, legs(gateways))
}

fn there(route: KernelRoute) -> KernelEvent {
    KernelEvent::Route(route, Placed::Added)
}

fn link(index: u32, state: LinkState) -> KernelEvent {
    let name = if index == 1 { "a0" } else { "b0" };
    KernelEvent::Link(Link { index: IfIndex(index), name: name.to_owned(), state })
}

fn address(interface: u32, own: &str, net: &str) -> KernelEvent {
    KernelEvent::Address(Address { interface: IfIndex(interface), address: ip(own), prefix: prefix(net) })
}

/// Two links with two networks each.
fn machine() -> Vec<KernelEvent> {
    let mut events = vec![link(1, LinkState::Up), link(2, LinkState::Up)];
    let nets = [
        (1, "192.0.2.1", "192.0.2.0/24"),
        (2, "198.51.100.1", "198.51.100.0/24"),
        (1, "2001:db8:1::1", "2001:db8:1::/64"),
        (2, "2001:db8:2::1", "2001:db8:2::/64"),
    ];
    for (index, own, net) in nets {
        events.push(address(index, own, net));
        let target = Target::legs(Legs::from_slice(&[Leg::new(IfIndex(index), None)]));
        events.push(there(route(net, 0, PROTOCOL_KERNEL, target)));
    }
    events
}

/// Nothing is swept before the test says so.
fn with_objects(nexthop_objects: NexthopObjects) -> Settings {
    Settings { nexthop_objects, stale_time: Duration::from_secs(1_000_000), ..Settings::default() }
}

fn never() -> Settings {
    with_objects(NexthopObjects::Never)
}

fn always() -> Settings {
    with_objects(NexthopObjects::Always)
}

fn auto() -> Settings {
    with_objects(NexthopObjects::Auto)
}

impl Desk {
    /// Before the kernel was read.
    fn unread(settings: Settings) -> Self {
        Self { fib: FibSync::new(settings), now: Timestamp::from_secs(100) }
    }

    fn new(settings: Settings) -> Self {
        Self::with(settings, [])
    }

    /// The kernel has more than the links and their networks.
    fn with(settings: Settings, more: impl IntoIterator<Item = KernelEvent>) -> Self {
        let mut desk = Self::unread(settings);
        desk.dump(more);
        desk
    }

    fn dump(&mut self, more: impl IntoIterator<Item = KernelEvent>) {
        self.dump_ends(more, DumpEnd::Complete);
    }

    fn dump_ends(&mut self, more: impl IntoIterator<Item = KernelEvent>, end: DumpEnd) {
        self.fib.begin_dump(self.now);
        for event in machine().into_iter().chain(more) {
            self.fib.handle_dumped(event);
        }
        self.fib.end_dump(self.now, end);
    }

    /// Whether a dump is asked for, and not only because it is time for one again.
    fn wants_dump(&self) -> bool {
        self.fib.wants_dump(self.now + Duration::from_secs(1))
    }

    fn hear(&mut self, event: KernelEvent) {
        self.fib.handle_kernel(self.now, event);
    }

    fn learn(&mut self, destination: &str, hops: &[&str]) {
        self.learn_at(destination, 1024, hops);
    }

    fn learn_at(&mut self, destination: &str, metric: u32, hops: &[&str]) {
        let next_hops = hops.iter().map(|hop| NextHop::new(ip(hop))).collect();
        let best = Best { source: Source::Ibgp, local_pref: Some(METRIC_BASE - metric), next_hops };
        self.fib.handle_best_paths(self.now, [BestPath { prefix: prefix(destination), best: Some(best) }]);
    }

    fn withdraw(&mut self, destination: &str) {
        self.fib.handle_best_paths(self.now, [BestPath { prefix: prefix(destination), best: None }]);
    }

    fn apply(&mut self, change: impl FnOnce(&mut Settings)) {
        let mut settings = self.fib.settings().clone();
        change(&mut settings);
        self.fib.set_settings(self.now, settings);
    }

    fn later(&mut self, seconds: u64) {
        self.now = self.now + Duration::from_secs(seconds);
        self.fib.handle_timeout(self.now);
    }

    fn poll(&mut self, most: usize) -> Vec<Write> {
        let mut writes = Vec::new();
        self.fib.poll_writes(most, Heard::All, &mut writes);
        writes
    }

    /// One round of at most so many writes, all of which are done.
    fn batch(&mut self, most: usize) -> Vec<String> {
        let writes = self.poll(most);
        if !writes.is_empty() {
            self.fib.handle_results(self.now, &[]);
        }
        writes.iter().map(text).collect()
    }

    /// All writes, which are done.
    #[track_caller]
    fn writes(&mut self) -> Vec<String> {
        let mut all = Vec::new();
        for _ in 0..20 {
            let batch = self.batch(1_000_000);
            if batch.is_empty() {
                return all;
            }
            all.extend(batch);
        }
        panic!("never quiet: {all:?}");
    }

    /// One round of writes, none of which is done.
    fn refuse(&mut self, refusal: Refusal) -> Vec<String> {
        let writes = self.poll(100);
        let refusals: Vec<_> = (0..writes.len()).map(|at| (at, refusal)).collect();
        self.fib.handle_results(self.now, &refusals);
        writes.iter().map(text).collect()
    }

    fn told(&mut self) -> Vec<Output> {
        std::iter::from_fn(|| self.fib.poll_output()).collect()
    }

    #[track_caller]
    fn row(&self, destination: &str) -> Row {
        self.fib.show_prefix(prefix(destination)).expect("a row")
    }

    #[track_caller]
    fn state(&self, destination: &str) -> State {
        self.row(destination).state
    }
}

/// A write, for people; numbers of objects are counted from the first of ours.
fn text(write: &Write) -> String {
    let leg = |leg: &Leg| {
        let gateway = leg.gateway.map_or_else(|| "-".to_owned(), |gateway| gateway.to_string());
        let mark = if leg.on_link == OnLink::Yes { "!" } else { "" };
        format!("{gateway}@{}{mark}", leg.interface.0)
    };
    let number = |id: u32| format!("#{}", i64::from(id) - 0x4845_0000);
    let verb = |kind: &WriteKind| match kind {
        WriteKind::Create => "create",
        WriteKind::Replace => "replace",
        WriteKind::Delete => "delete",
    };
    match write {
        Write::Route(kind, spec) => {
            let target = match &*spec.target {
                Target::Legs(legs) => legs.iter().map(leg).collect::<Vec<_>>().join(","),
                Target::Object(id) => number(*id),
                Target::Dead(_) => "dead".to_owned(),
            };
            let number = match (kind, spec.protocol) {
                (WriteKind::Delete, _) | (_, 158) => String::new(),
                (WriteKind::Create | WriteKind::Replace, number) => format!(" as {number}"),
            };
            format!("{} {} {} {target}{number}", verb(kind), spec.prefix, spec.metric)
        }
        Write::Object(kind, KernelObject { id, object, .. }) => {
            let says = match object {
                ObjectSpec::Leg(found) => leg(found),
                ObjectSpec::Group(members) => members.iter().map(|(id, _)| number(*id)).collect::<Vec<_>>().join("+"),
                ObjectSpec::Other => "other".to_owned(),
            };
            format!("{} {} {says}", verb(kind), number(*id))
        }
    }
}
