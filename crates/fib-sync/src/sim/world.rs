//! The engine, the model of the kernel, somebody who does random things, and an oracle that knows what has to come of it.

mod strangers;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use heddle_bgp_core::{Prefix, Timestamp};

use super::kernel::{Kernel, Kind};
use crate::engine::{DumpEnd, FibSync, Heard, Refusal, Write, WriteKind};
use crate::input::{Best, BestPath, NextHop, Source};
use crate::route::{IfIndex, KernelEvent, KernelRoute, Leg, Legs, Link, LinkState, ObjectSpec, OnLink, Target};
use crate::settings::{NexthopObjects, Settings};
pub(super) use strangers::{Take, Which};

/// How often the program is killed at most before all is quiet.
const LIVES: usize = 100;
const OWN: u8 = 158;

/// What goes wrong in the next round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    LostAnswers,
    Overrun,
    /// Tables change while they are read, so that some of what is there is told twice or not at all; the kernel says so.
    TornDump,
    /// Only some of what the kernel reports is read before the next writes.
    LateReports,
}

/// The wish of BGP for a prefix.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wish {
    metric: u32,
    next_hops: Vec<IpAddr>,
}

/// Whether the program is the one that it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    On,
    Killed,
}

/// How much of what the kernel reports is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hear {
    All,
    Some,
}

pub(super) struct World {
    kernel: Kernel,
    fib: FibSync,
    settings: Settings,
    now: Timestamp,
    seed: u64,
    bgp: BTreeMap<Prefix, Wish>,
    strangers: Vec<KernelRoute>,
    faults: Vec<Fault>,
    /// Whether what follows on the carrier does so at any moment, or only when nothing else is to be done.
    any_moment: bool,
    /// When strangers rest and nobody is killed any more, so that it can be seen what comes of it all.
    calm_from: Timestamp,
    next_index: u32,
    /// Indices of links that are gone: others may get them.
    free_indices: Vec<IfIndex>,
    written: usize,
    /// Writes of routes that the kernel took.
    done: usize,
    /// One in so many moments is the last one of the program; none: it is not killed.
    killed_one_in: Option<u64>,
    kills: usize,
    /// How often it may still be killed before all is to be quiet: a program that is killed in most of its dumps never is.
    lives: usize,
    /// What BGP has not said again since the last start.
    unsaid: Vec<Prefix>,
}

const NETS: [(u32, &str, &str); 4] = [
    (1, "192.0.2.1", "192.0.2.0/24"),
    (2, "198.51.100.1", "198.51.100.0/24"),
    (1, "2001:db8:1::1", "2001:db8:1::/64"),
    (2, "2001:db8:2::1", "2001:db8:2::/64"),
];
const PREFIXES: [&str; 6] =
    ["10.1.0.0/16", "10.1.2.0/24", "10.2.0.0/16", "10.3.0.1/32", "2001:db8:f1::/48", "2001:db8:f2::/48"];
const HOPS4: [&str; 5] = ["192.0.2.2", "192.0.2.3", "198.51.100.2", "203.0.113.7", "2001:db8:1::2"];
const HOPS6: [&str; 3] = ["2001:db8:1::2", "2001:db8:2::2", "2001:db8:a::7"];

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn prefix(text: &str) -> Prefix {
    text.parse().expect("a prefix")
}

impl World {
    pub(super) fn new(settings: Settings, seed: u64) -> Self {
        let mut world = Self {
            kernel: Kernel::default(),
            fib: FibSync::new(settings.clone()),
            settings,
            now: Timestamp::from_secs(1),
            seed: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            bgp: BTreeMap::new(),
            strangers: Vec::new(),
            faults: Vec::new(),
            any_moment: false,
            calm_from: Timestamp::ZERO,
            next_index: 10,
            free_indices: Vec::new(),
            written: 0,
            done: 0,
            killed_one_in: None,
            kills: 0,
            lives: LIVES,
            unsaid: Vec::new(),
        };
        for (index, name) in [(1, "a0"), (2, "b0")] {
            world.set_link(IfIndex(index), name, LinkState::Up);
        }
        for (index, address, net) in NETS {
            world.kernel.add_address(IfIndex(index), ip(address), prefix(net));
        }
        world
    }

    /// A number below `bound` (xorshift).
    pub(super) fn random(&mut self, bound: u64) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        (self.seed >> 11) % bound
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        let at = self.random(from.len() as u64);
        from[usize::try_from(at).expect("small")]
    }

    fn set_link(&mut self, index: IfIndex, name: &str, state: LinkState) {
        self.kernel.set_link(Link { index, name: name.to_owned(), state });
    }

    pub(super) fn add_tunnel(&mut self, name: &str, index: u32) {
        self.set_link(IfIndex(index), name, LinkState::Up);
    }

    pub(super) fn next_fault(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(super) fn written(&self) -> usize {
        self.written
    }

    /// From here on one in so many moments is the last one of the program.
    pub(super) fn is_killed_at_any_moment(&mut self, one_in: u64) {
        self.killed_one_in = Some(one_in);
    }

    pub(super) fn kills(&self) -> usize {
        self.kills
    }

    /// Whether the program was killed right now. It is started again at once, and hears from BGP little by little.
    fn is_killed(&mut self) -> bool {
        let killed = self.killed_one_in.is_some_and(|one_in| self.random(one_in) == 0);
        let killed = killed && self.lives > 0 && self.now < self.calm_from;
        if killed {
            self.lives -= 1;
            self.kills += 1;
            self.fib = FibSync::new(self.settings.clone());
            self.kernel.events.clear();
            self.unsaid = self.bgp.keys().copied().collect();
        }
        killed
    }

    /// BGP says again what the program has forgotten, at most so many.
    fn say_again(&mut self, most: usize) {
        for _ in 0..most {
            let Some(prefix) = self.unsaid.pop() else { return };
            if let Some(wish) = self.bgp.get(&prefix).cloned() {
                self.wish(prefix, Some(wish));
            }
        }
    }

    pub(super) fn dump_again(&mut self) {
        self.kernel.events.push(KernelEvent::Overrun);
    }

    pub(super) fn learn(&mut self, text: &str, hops: &[&str]) {
        let wish = Wish { metric: 1024, next_hops: hops.iter().map(|hop| ip(hop)).collect() };
        self.wish(prefix(text), (!hops.is_empty()).then_some(wish));
    }

    fn wish(&mut self, prefix: Prefix, wish: Option<Wish>) {
        let best = wish.as_ref().map(|wish| Best {
            source: Source::Ibgp,
            local_pref: Some(crate::settings::METRIC_BASE - wish.metric),
            next_hops: wish.next_hops.iter().copied().map(NextHop::new).collect(),
        });
        match wish {
            Some(wish) => self.bgp.insert(prefix, wish),
            None => self.bgp.remove(&prefix),
        };
        self.fib.handle_best_paths(self.now, [BestPath { prefix, best }]);
    }

    /// Somebody does something.
    pub(super) fn act(&mut self) {
        match self.random(20) {
            0..=6 => self.random_wish(),
            7 => {
                let prefix = prefix(self.pick(&PREFIXES));
                self.wish(prefix, None);
            }
            8..=9 => self.random_stranger(),
            10 => {
                if let Some(route) = self.strangers.pop() {
                    self.kernel.stranger_deletes(&route);
                }
            }
            11 => self.molest(),
            12..=16 => self.random_link(),
            17 => {
                let (_, address, net) = self.pick(&NETS);
                let found = self.kernel.addresses.iter().find(|a| a.address == ip(address)).copied();
                match found {
                    Some(address) => self.kernel.remove_address(address),
                    None => self.restore_address(address, net),
                }
            }
            18 => {
                // Not before the initial tables are complete.
                self.say_again(usize::MAX);
                self.fib.sweep(self.now);
            }
            _ if self.random(2) == 0 => self.random_taker(),
            _ => {
                let ids: Vec<u32> = self.kernel.objects.keys().copied().collect();
                if !ids.is_empty() {
                    let id = self.pick(&ids);
                    self.kernel.delete_object(id);
                }
            }
        }
    }

    fn random_wish(&mut self) {
        let prefix = prefix(self.pick(&PREFIXES));
        let hops: &[&str] = if prefix.addr().is_ipv4() { &HOPS4 } else { &HOPS6 };
        let mut next_hops = vec![ip(self.pick(hops))];
        if self.random(2) == 0 {
            next_hops.push(ip(self.pick(hops)));
        }
        let metric = self.pick(&[1024, 1024, 512]);
        self.wish(prefix, Some(Wish { metric, next_hops }));
    }

    fn index_of(&self, number: u32) -> Option<IfIndex> {
        let name = if number == 1 { "a0" } else { "b0" };
        self.kernel.links.values().find(|link| link.name == name).map(|link| link.index)
    }

    fn random_link(&mut self) {
        let number = self.pick(&[1_u32, 2]);
        let name = if number == 1 { "a0" } else { "b0" };
        match (self.index_of(number), self.random(8)) {
            (Some(index), 0) => {
                self.kernel.remove_link(index);
                self.free_indices.push(index);
            }
            (Some(index), 1..=2) => self.set_carrier(index, name, LinkState::NoCarrier),
            (Some(index), 3) => self.set_link(index, name, LinkState::Down),
            (Some(index), 4) => self.kernel.report(index),
            (Some(index), _) => self.set_carrier(index, name, LinkState::Up),
            (None, _) => {
                let index = self.new_index();
                self.set_link(index, name, LinkState::Up);
                for (_, address, net) in NETS.into_iter().filter(|(n, ..)| *n == number) {
                    self.kernel.add_address(index, ip(address), prefix(net));
                }
            }
        }
    }

    /// An index for a new link: one that no link ever had, or one that another had before.
    fn new_index(&mut self) -> IfIndex {
        if !self.free_indices.is_empty() && self.random(2) == 0 {
            let at = usize::try_from(self.random(self.free_indices.len() as u64)).expect("small");
            return self.free_indices.swap_remove(at);
        }
        self.next_index += 1;
        IfIndex(self.next_index)
    }

    /// What is to be heard is not, and nothing says so any more than before.
    pub(super) fn lose_reports(&mut self) {
        self.kernel.events.clear();
    }

    pub(super) fn conflicts(&self) -> u64 {
        self.fib.counters().conflicts
    }

    pub(super) fn dumps(&self) -> u64 {
        self.fib.counters().dumps
    }

    pub(super) fn repairs(&self) -> u64 {
        self.fib.counters().repairs
    }

    fn restore_address(&mut self, address: &str, net: &str) {
        let number = NETS.iter().find(|(_, a, _)| *a == address).map_or(1, |(n, ..)| *n);
        if let Some(index) = self.index_of(number) {
            self.kernel.add_address(index, ip(address), prefix(net));
        }
    }

    /// The program is killed and started again; it learns the same paths.
    pub(super) fn restart(&mut self) {
        self.fib = FibSync::new(self.settings.clone());
        self.kernel.events.clear();
        let bgp = std::mem::take(&mut self.bgp);
        for (prefix, wish) in bgp {
            self.wish(prefix, Some(wish));
        }
    }

    /// The same with other settings.
    pub(super) fn restart_with(&mut self, settings: Settings) {
        self.settings = settings;
        self.restart();
    }

    /// How many local routes were told: those of the addresses, and what is on workload interfaces.
    pub(super) fn local_routes(&self) -> usize {
        self.fib.local_routes().count()
    }

    /// Not learned again after a restart.
    pub(super) fn forget(&mut self, text: &str) {
        self.bgp.remove(&prefix(text));
    }

    /// A link goes down and comes up before anybody looks.
    pub(super) fn flap(&mut self, index: u32) {
        self.set_link(IfIndex(index), "a0", LinkState::Down);
        self.set_link(IfIndex(index), "a0", LinkState::Up);
    }

    /// What follows on the carrier comes at once or later; a link that was down is up at once.
    fn set_carrier(&mut self, index: IfIndex, name: &str, state: LinkState) {
        match self.kernel.state(index) {
            Some(LinkState::Up | LinkState::NoCarrier) if self.random(3) > 0 => {
                self.kernel.set_carrier(Link { index, name: name.to_owned(), state });
            }
            Some(_) | None => self.set_link(index, name, state),
        }
    }

    /// The carrier is lost, or there again, and nothing has followed yet.
    pub(super) fn only_carrier(&mut self, index: u32, state: LinkState) {
        self.kernel.set_carrier(Link { index: IfIndex(index), name: "a0".to_owned(), state });
    }

    /// What follows on the carrier now.
    pub(super) fn act_on_carrier(&mut self) {
        while let Some(index) = self.kernel.watched() {
            self.kernel.act_on_carrier(index);
        }
    }

    /// From here on what follows on the carrier may do so at any moment.
    pub(super) fn at_any_moment(&mut self) {
        self.any_moment = true;
    }

    /// What follows on the carrier follows, or the link is reported for another reason, or the carrier changes once more.
    fn maybe_act_on_carrier(&mut self) -> bool {
        let Some(index) = self.kernel.watched().filter(|_| self.any_moment) else { return false };
        match self.random(16) {
            0..=1 => self.kernel.act_on_carrier(index),
            2 => self.kernel.report(index),
            3 => self.kernel.flip_carrier(index),
            _ => return false,
        }
        true
    }

    pub(super) fn lose_carrier(&mut self, index: u32) {
        self.set_link(IfIndex(index), "a0", LinkState::NoCarrier);
    }

    /// Time passes.
    pub(super) fn later(&mut self, by: Duration) {
        self.now = self.now + by;
    }

    /// Hears and writes, and lets no time pass.
    pub(super) fn react(&mut self) {
        if self.fib.poll_timeout().is_some_and(|at| at <= self.now) {
            self.fib.handle_timeout(self.now);
        }
        for _ in 0..100 {
            if !self.hear_and_write(Hear::All) {
                return;
            }
        }
        panic!("never quiet");
    }

    /// The same, where some of what is reported is read when writes are due.
    pub(super) fn react_before_all_is_heard(&mut self) {
        self.hear_and_write(Hear::Some);
        self.react();
    }

    /// Writes, and does not hear yet.
    pub(super) fn only_write(&mut self) {
        let events = std::mem::take(&mut self.kernel.events);
        self.hear_and_write(Hear::All);
        self.kernel.events.splice(0..0, events);
    }

    /// Hears, and does not write yet.
    pub(super) fn only_hear(&mut self) {
        let events = std::mem::take(&mut self.kernel.events);
        assert_eq!(self.hear(events), Life::On);
    }

    /// The initial tables of all peers are complete.
    pub(super) fn sweep(&mut self) {
        self.fib.sweep(self.now);
    }

    /// The same after a dump.
    pub(super) fn react_with_dump(&mut self) {
        self.round();
        self.react();
    }

    fn has_fault(&mut self, fault: Fault) -> bool {
        let at = self.faults.iter().position(|known| *known == fault);
        at.map(|at| self.faults.swap_remove(at)).is_some()
    }

    /// Runs until nothing is to be done for five minutes.
    pub(super) fn run_until_quiet(&mut self) {
        self.run(Duration::from_secs(100));
    }

    /// Five minutes in which nothing happens: the kernel is read again and again, and gets no route. What it refuses is tried
    /// again, and so are objects, leg by leg.
    pub(super) fn idle(&mut self, context: &str) {
        let (killed, done, written) = (self.killed_one_in.take(), self.done, self.written);
        self.run(Duration::ZERO);
        assert_eq!(self.done, done, "{context}: writes while nothing happens");
        let objects = self.settings.nexthop_objects != NexthopObjects::Never;
        assert!(objects || self.fib.counters().refused > 0 || self.written == written, "{context}: needless attempts");
        self.killed_one_in = killed;
    }

    fn run(&mut self, restless: Duration) {
        let limit = self.now + Duration::from_secs(300);
        self.calm_from = self.now + restless;
        self.lives = LIVES;
        for _ in 0..2000 {
            if self.round() {
                self.now = self.now + Duration::from_millis(1);
                continue;
            }
            // What follows on the carrier does so within a second.
            let within = self.kernel.watched().map_or(limit, |_| self.now + Duration::from_secs(1));
            match self.fib.poll_timeout() {
                Some(at) if at < limit.min(within) => {
                    self.now = self.now.max(at);
                    self.fib.handle_timeout(self.now);
                }
                Some(_) | None if self.kernel.watched().is_some() => self.act_on_carrier(),
                Some(_) | None => return,
            }
        }
        panic!("never quiet: {:#?}\n{:#?}", self.fib.counters(), self.kernel);
    }

    /// One round of what the thread does; says whether something was done.
    fn round(&mut self) -> bool {
        self.say_again(1);
        if self.fib.wants_dump(self.now) {
            self.fib.begin_dump(self.now);
            let end = if self.has_fault(Fault::TornDump) { DumpEnd::Interrupted } else { DumpEnd::Complete };
            if self.read(end) == Life::On {
                self.fib.end_dump(self.now, end);
                // What was reported meanwhile comes before any write.
                self.hear_and_write(Hear::All);
            }
            return true;
        }
        let hear = if self.has_fault(Fault::LateReports) { Hear::Some } else { Hear::All };
        self.hear_and_write(hear)
    }

    /// All that the kernel has is told, or what a torn dump has of it.
    fn read(&mut self, end: DumpEnd) -> Life {
        let others_act_one_in = match end {
            DumpEnd::Complete => 40,
            DumpEnd::Interrupted => 8,
        };
        for kind in [Kind::Links, Kind::Addresses, Kind::Objects, Kind::Routes] {
            let mut told = self.kernel.dump(kind);
            if end == DumpEnd::Interrupted {
                told = self.torn(told);
            }
            for event in told {
                self.fib.handle_dumped(event);
                if self.is_killed() {
                    return Life::Killed;
                }
                if self.any_moment && self.now < self.calm_from && self.random(others_act_one_in) == 0 {
                    self.random_doing_of_others();
                }
            }
            self.maybe_act_on_carrier();
        }
        Life::On
    }

    /// Some of it is left out, and some is there twice.
    fn torn(&mut self, whole: Vec<KernelEvent>) -> Vec<KernelEvent> {
        let mut torn = Vec::new();
        for event in whole {
            match self.random(8) {
                0..=1 => continue,
                2 => {
                    let before = usize::try_from(self.random(torn.len() as u64 + 1)).expect("small");
                    torn.insert(before, event.clone());
                }
                _ => {}
            }
            torn.push(event);
        }
        torn
    }

    fn hear_and_write(&mut self, hear: Hear) -> bool {
        let mut busy = self.maybe_act_on_carrier();
        let mut events = std::mem::take(&mut self.kernel.events);
        if hear == Hear::Some && !events.is_empty() {
            let read = usize::try_from(self.random(events.len() as u64)).expect("small");
            self.kernel.events = events.split_off(read);
            busy = true;
        }
        if !events.is_empty() && self.has_fault(Fault::Overrun) {
            let kept = usize::try_from(self.random(events.len() as u64)).expect("small");
            events.truncate(kept);
            events.push(KernelEvent::Overrun);
        }
        busy |= !events.is_empty();
        if self.hear(events) == Life::Killed {
            return true;
        }
        let mut writes = Vec::new();
        self.fib.poll_writes(4, Heard::Some, &mut writes);
        if writes.is_empty() && self.fib.wants_to_hear() {
            let late = std::mem::take(&mut self.kernel.events);
            if self.hear(late) == Life::Killed {
                return true;
            }
            self.fib.poll_writes(4, Heard::All, &mut writes);
        }
        self.maybe_act_on_carrier();
        if !writes.is_empty() {
            busy = true;
            self.apply(&writes);
        }
        while self.fib.poll_output().is_some() {}
        busy || !self.kernel.events.is_empty() || !self.unsaid.is_empty()
    }

    fn hear(&mut self, events: Vec<KernelEvent>) -> Life {
        for event in events {
            self.fib.handle_kernel(self.now, event);
            if self.is_killed() {
                return Life::Killed;
            }
        }
        Life::On
    }

    /// Destinations that are wanted and have a route, but for those that may lose it because they cannot be resolved.
    fn served(&self) -> BTreeSet<Prefix> {
        let patient = self.settings.unresolved_time > Duration::from_secs(100_000);
        let has = |prefix: &Prefix| self.kernel.routes.iter().any(|route| route.prefix == *prefix);
        let stays = |wish| patient || self.expected(wish).is_some();
        self.bgp.iter().filter(|(prefix, wish)| has(prefix) && stays(wish)).map(|(prefix, _)| *prefix).collect()
    }

    /// The kernel does what it is asked, and no destination that is wanted is without a route on the way.
    fn apply(&mut self, writes: &[Write]) {
        let lost = self.has_fault(Fault::LostAnswers);
        let mut refusals = Vec::new();
        for (at, write) in writes.iter().enumerate() {
            self.written += 1;
            if lost && self.random(2) == 0 {
                // Whether it was done is not known; here it was not.
                refusals.push((at, Refusal::Unknown));
                continue;
            }
            let (served, foreign) = (self.served(), (self.foreign(), self.foreign_objects()));
            match self.kernel.write(write) {
                Ok(()) => {
                    self.done += usize::from(matches!(write, Write::Route(..)));
                    if lost {
                        refusals.push((at, Refusal::Unknown));
                    }
                }
                Err(refusal) => refusals.push((at, refusal)),
            }
            let after = self.served();
            let bare: Vec<&Prefix> = served.difference(&after).collect();
            let heard = self.kernel.events.is_empty();
            // Nobody can do anything between the two halves of a change.
            let half = is_followed_by_creation(write, writes.get(at + 1));
            assert!(bare.is_empty() || !heard || half, "{bare:?} are without a route after {write:?} of {writes:#?}");
            assert!((self.foreign(), self.foreign_objects()) == foreign, "{write:?} touches a stranger: {foreign:#?}");
            if self.is_killed() {
                return;
            }
            self.maybe_act_on_carrier();
        }
        self.fib.handle_results(self.now, &refusals);
    }

    /// The kernel has what BGP wants as far as it can be, and what strangers have put there.
    pub(super) fn check(&self, context: &str) {
        let table = || format!("{context}: {:#?}\n{:#?}\n{:#?}", self.kernel, self.bgp, self.fib.counters());
        for route in self.kernel.routes.iter().filter(|route| self.is_ours(route)) {
            let wanted = self.bgp.get(&route.prefix);
            let stale = !self.fib.is_swept();
            assert!(wanted.is_some() || stale || self.is_held(route.prefix), "nobody wants {route:?}\n{}", table());
        }
        let objects = self.kernel.objects.values().filter(|object| object.protocol == OWN).count();
        let there = (self.ours().len() as u64, objects as u64);
        assert_eq!(self.known(), there, "routes and objects of ours that are known, and that are there\n{}", table());
        for (prefix, wish) in &self.bgp {
            let Some(legs) = self.expected(wish) else { continue };
            let at_key = |r: &&KernelRoute| r.prefix == *prefix && r.metric == wish.metric;
            let found: Vec<&KernelRoute> = self.kernel.routes.iter().filter(at_key).collect();
            match found.as_slice() {
                [route] if !self.is_ours(route) => {}
                [route] => {
                    let number = self.number_for(&legs);
                    assert_eq!((self.legs_of(route), route.protocol), (Some(legs), number), "{prefix}\n{}", table());
                }
                others => panic!("{prefix}: {others:?}, wanted {legs:?}\n{}", table()),
            }
            let old: Vec<&KernelRoute> = self
                .kernel
                .routes
                .iter()
                .filter(|r| r.prefix == *prefix && self.is_ours(r) && r.metric != wish.metric)
                .collect();
            assert!(old.is_empty(), "{old:?} is left over\n{}", table());
        }
    }

    /// Whether a leg is on a workload interface of [`Settings::workload_interfaces`].
    fn is_on_workload(&self, leg: &Leg) -> bool {
        let link = self.kernel.links.get(&leg.interface);
        link.is_some_and(|link| crate::glob::matches_any(&self.settings.workload_interfaces, &link.name))
    }

    /// The number that a route with these legs is to have.
    fn number_for(&self, legs: &[Leg]) -> u8 {
        let other = self
            .settings
            .workload_protocol
            .filter(|_| !legs.is_empty() && legs.iter().all(|leg| leg.gateway.is_some() && self.is_on_workload(leg)));
        other.unwrap_or(OWN)
    }

    /// Whether a route is one of ours by its number, or by that and its interface.
    fn is_ours(&self, route: &KernelRoute) -> bool {
        match &route.target {
            Target::Legs(legs) if route.protocol != OWN => route.protocol == self.number_for(legs),
            Target::Legs(_) | Target::Object(_) | Target::Dead(_) => route.protocol == OWN,
        }
    }

    /// How many routes and objects of ours are known to be in the kernel.
    pub(super) fn known(&self) -> (u64, u64) {
        (self.fib.counters().installed, self.fib.counters().objects)
    }

    /// Withdrawn while its next hop could not be resolved.
    fn is_held(&self, prefix: Prefix) -> bool {
        self.fib.show_prefix(prefix).is_some_and(|row| row.desired.is_none() && !row.actual.is_empty())
    }

    /// Where a wish has to lead; none when no next hop can be resolved: then it is not said what the kernel has.
    fn expected(&self, wish: &Wish) -> Option<Legs> {
        let legs: Legs = wish.next_hops.iter().filter_map(|hop| self.resolve(*hop)).collect();
        match Target::legs(legs) {
            // What the kernel refuses, because the gateway is not on the link, is not said either.
            Target::Legs(legs) if !legs.is_empty() && legs.iter().all(|leg| self.kernel.takes(leg)) => Some(legs),
            Target::Legs(_) | Target::Object(_) | Target::Dead(_) => None,
        }
    }

    /// The longest route of others around an address, connected ones first; no learned route is around any.
    fn resolve(&self, hop: IpAddr) -> Option<Leg> {
        let around = self.kernel.routes.iter().filter(|r| !self.is_ours(r) && r.prefix.contains_addr(hop));
        let best = around.max_by_key(|r| (r.prefix.len(), std::cmp::Reverse(r.metric)))?;
        let Target::Legs(legs) = &best.target else { return None };
        let leg = legs.first()?;
        let up = self.kernel.state(leg.interface) == Some(LinkState::Up);
        up.then(|| Leg { gateway: leg.gateway.or(Some(hop)), ..*leg })
    }

    /// The legs of a route, those of its object included.
    fn legs_of(&self, route: &KernelRoute) -> Option<Legs> {
        match &route.target {
            Target::Legs(legs) => Some(legs.clone()),
            Target::Dead(_) => None,
            Target::Object(id) => {
                let ObjectSpec::Group(members) = &self.kernel.objects.get(id)?.object else { return None };
                let leg = |id: &u32| match &self.kernel.objects.get(id)?.object {
                    ObjectSpec::Leg(leg) => Some(*leg),
                    ObjectSpec::Group(_) | ObjectSpec::Other => None,
                };
                let legs: Option<Legs> = members.iter().map(|(id, _)| leg(id)).collect();
                match Target::legs(legs?) {
                    Target::Legs(legs) => Some(legs),
                    Target::Object(_) | Target::Dead(_) => None,
                }
            }
        }
    }

    /// How many routes of BIRD there are.
    pub(super) fn of_bird(&self) -> usize {
        self.kernel.routes.iter().filter(|route| route.protocol == 12).count()
    }

    /// Our routes, for people: prefix, metric, gateways with links, `!` for onlink.
    pub(super) fn ours(&self) -> Vec<String> {
        let leg = |leg: &Leg| {
            let gateway = leg.gateway.map_or_else(|| "-".to_owned(), |gateway| gateway.to_string());
            let mark = if leg.on_link == OnLink::Yes { "!" } else { "" };
            format!("{gateway}@{}{mark}", leg.interface.0)
        };
        let text = |route: &KernelRoute| {
            let legs = self.legs_of(route).unwrap_or_default();
            let legs: Vec<String> = legs.iter().map(leg).collect();
            format!("{} {} {}", route.prefix, route.metric, legs.join(","))
        };
        let mut ours: Vec<String> = self.kernel.routes.iter().filter(|r| self.is_ours(r)).map(text).collect();
        ours.sort();
        ours
    }
}

/// Whether a route goes only to be made again by the next write.
fn is_followed_by_creation(write: &Write, next: Option<&Write>) -> bool {
    let (Write::Route(WriteKind::Delete, gone), Some(Write::Route(WriteKind::Create, made))) = (write, next) else {
        return false;
    };
    (gone.prefix, gone.metric, gone.tos) == (made.prefix, made.metric, made.tos)
}
