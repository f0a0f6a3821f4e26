//! The forwarding table's thread, joined to the speaker's tables.
//!
//! The thread reads the kernel before there is a speaker, so that the first sessions already have the node's own routes
//! to send. From then on it takes best paths out of the RIB's journal, and what it tells goes straight into the RIB: no
//! task of the runtime lies between the two.

use std::collections::{BTreeMap, BTreeSet};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use heddle_bgp_core::attr::NextHop as WireNextHop;
use heddle_bgp_core::{Family, Prefix, Timestamp};
use heddle_config::{Config, Fib};
use heddle_fib_sync as fib;
use heddle_fib_sync::sysctl::Ipv6;
use heddle_fib_sync::{BestPathSource, Complete, FibSync, More, News, Output, Runner, StartError};
use heddle_speaker::forwarding::{
    Forwarding, LocalChange, LocalRoute, NextHopEvent, NextHopState, Selection, Tables, TimeFrom, Usage, Wake,
};
use tokio::sync::{Notify, oneshot, watch};
use tracing::{info, warn};

use crate::mapping;

/// Families whose initial tables have to be complete.
const FAMILIES: usize = 2;

/// The running thread.
#[derive(Debug)]
pub(crate) struct ForwardingTable {
    runner: Runner,
    link: Arc<Link>,
    /// Its sender ends with the thread.
    life: watch::Receiver<()>,
    /// Families of which the kernel has not lost routes of ours before the start.
    preserved: Vec<Family>,
    /// Whether the kernel had routes of ours at the start, of whatever family: also of a daemon whose routes are adopted.
    found: Found,
}

/// What the kernel had of ours at the start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// Routes, or at least black holes.
    Routes,
    /// Nothing: this machine has just started, or somebody emptied the table, or what it forwards by is another's.
    Nothing,
}

/// What the thread shares with whoever starts and changes it.
#[derive(Debug)]
struct Link {
    state: Mutex<State>,
    /// Workload interfaces that are new and that nobody has looked at, and who is told of them.
    new_interfaces: Mutex<BTreeSet<Arc<str>>>,
    interfaces: Notify,
    /// Whether the initial tables of the peers are in the kernel.
    written: watch::Sender<bool>,
}

#[derive(Debug)]
struct State {
    config: Fib,
    ipv6: Ipv6,
    /// All local routes, as the kernel has them.
    local: BTreeMap<Prefix, fib::LocalRoute>,
    /// The next hops of the RIB by the name that the forwarding table has for them.
    next_hops: BTreeMap<fib::NextHop, Vec<WireNextHop>>,
    tables: Option<Tables>,
    complete: usize,
    ready: Option<oneshot::Sender<()>>,
}

impl Link {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_new_interfaces(&self) -> MutexGuard<'_, BTreeSet<Arc<str>>> {
        self.new_interfaces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ForwardingTable {
    /// Starts the thread and waits until it has read the kernel.
    ///
    /// # Errors
    /// The sockets to the kernel cannot be opened.
    pub(crate) async fn start(config: &Config) -> Result<Self, StartError> {
        let fib = config.fib.clone().unwrap_or_default();
        let settings = mapping::settings(&fib);
        let (ready, read) = oneshot::channel();
        let link = Arc::new(Link {
            state: Mutex::new(State {
                config: fib,
                ipv6: mapping::ipv6(config),
                local: BTreeMap::new(),
                next_hops: BTreeMap::new(),
                tables: None,
                complete: 0,
                ready: Some(ready),
            }),
            new_interfaces: Mutex::default(),
            interfaces: Notify::new(),
            written: watch::Sender::new(false),
        });
        let began = Instant::now();
        let clock = move || Timestamp::ZERO + began.elapsed();
        let source = Box::new(Source(Arc::clone(&link)));
        let of_sink = Arc::clone(&link);
        let (alive, life) = watch::channel(());
        let sink = move |outputs: &mut Vec<Output>| {
            // Dropped with the thread.
            let _ = &alive;
            let written = outputs.contains(&Output::Written);
            let interfaces = of_sink.lock().tell(outputs);
            if !interfaces.is_empty() {
                of_sink.lock_new_interfaces().extend(interfaces);
                of_sink.interfaces.notify_one();
            }
            if written {
                of_sink.written.send_replace(true);
            }
        };
        let runner = Runner::start(settings, clock, Some(source), sink)?;
        // An error: the thread has ended, which the speaker will show.
        let _ = read.await;
        let mut table = Self { runner, link, life, preserved: Vec::new(), found: Found::Nothing };
        let blackholes = mapping::blackholes(config);
        // Before anything is written: a blackhole of now is no route that was preserved.
        let found = table.look(|fib| fib.families_in_kernel()).await.unwrap_or_default();
        table.preserved = mapping::preserved(&found, &blackholes);
        table.found = if found.is_empty() { Found::Nothing } else { Found::Routes };
        table.runner.set_blackholes(blackholes);
        Ok(table)
    }

    /// How a speaker starts that forwards by this table.
    pub(crate) async fn forwarding(&self, config: &Config, time_from: TimeFrom) -> Forwarding {
        let (waker, here) = (self.runner.waker(), self.runner.waker());
        // What was asked for at the start is done.
        let _ = self.look(|_| ()).await;
        let state = self.link.lock();
        let local_routes = state.local.values().map(|r| mapping::local_route(r, &state.config)).collect();
        let passes_on = config.peers.iter().any(|p| p.settings.route_reflector_client);
        Forwarding {
            wake: Wake::new(move || waker.wake()).or_here(move || here.work_here()),
            local_routes,
            preserved: self.preserved.clone(),
            selection: if passes_on { Selection::Deferred } else { Selection::AtOnce },
            time_from,
        }
    }

    /// Joins the speaker's tables; what changed since [`forwarding`](Self::forwarding) is told now.
    pub(crate) fn attach(&self, tables: Tables, told: Vec<LocalRoute>) {
        let link = Arc::clone(&self.link);
        // All of it on the thread: it may wait for the RIB, and nothing that it tells comes in between.
        self.runner.query(move |_| link.lock().attach(tables, &told));
        self.runner.waker().wake();
    }

    /// Changes over to another configuration.
    pub(crate) fn configure(&self, config: &Config) {
        let fib = config.fib.clone().unwrap_or_default();
        self.runner.set_settings(mapping::settings(&fib));
        self.runner.set_blackholes(mapping::blackholes(config));
        let link = Arc::clone(&self.link);
        let ipv6 = mapping::ipv6(config);
        self.runner.query(move |_| link.lock().set_config(fib, ipv6));
    }

    /// All local routes.
    pub(crate) fn local_routes(&self) -> Vec<fib::LocalRoute> {
        self.link.lock().local.values().cloned().collect()
    }

    /// Completes when the thread has ended.
    pub(crate) async fn ended(&self) {
        let mut life = self.life.clone();
        while life.changed().await.is_ok() {}
    }

    /// What the kernel had of ours at the start.
    pub(crate) const fn found(&self) -> Found {
        self.found
    }

    /// Completes when the initial tables of the peers are in the kernel. Cancel-safe.
    pub(crate) async fn written(&self) {
        // The sender is ours.
        let _ = self.link.written.subscribe().wait_for(|written| *written).await;
    }

    /// Workload interfaces that there were not before, once there are some.
    pub(crate) async fn new_workload_interfaces(&self) -> BTreeSet<Arc<str>> {
        self.link.interfaces.notified().await;
        mem::take(&mut *self.link.lock_new_interfaces())
    }

    /// Whether IPv6 is forwarded.
    pub(crate) fn ipv6(&self) -> Ipv6 {
        self.link.lock().ipv6
    }

    /// Looks at the table, on its thread; none when the thread has ended.
    pub(crate) async fn look<T: Send + 'static>(
        &self,
        f: impl FnOnce(&mut FibSync) -> T + Send + 'static,
    ) -> Option<T> {
        let (reply, answer) = oneshot::channel();
        self.runner.query(move |fib| drop(reply.send(f(fib))));
        answer.await.ok()
    }
}

impl State {
    /// Answers which workload interfaces are new.
    fn tell(&mut self, outputs: &mut Vec<Output>) -> Vec<Arc<str>> {
        let mut interfaces = Vec::new();
        let (mut local, mut hops) = (Vec::new(), Vec::new());
        for output in outputs.drain(..) {
            match output {
                Output::NextHop(next_hop, state) => {
                    let known = self.next_hops.get(&next_hop).into_iter().flatten();
                    let state = NextHopState { cost: state.cost };
                    hops.extend(known.map(|&next_hop| NextHopEvent { next_hop, state }));
                }
                Output::LocalSet(route) => {
                    local.push(LocalChange::Set(mapping::local_route(&route, &self.config)));
                    self.local.insert(route.prefix, route);
                }
                Output::LocalRemoved(prefix) => {
                    self.local.remove(&prefix);
                    local.push(LocalChange::Removed(prefix));
                }
                Output::Ready => {
                    if let Some(ready) = self.ready.take() {
                        let _ = ready.send(());
                    }
                }
                Output::Written => {
                    if let Some(tables) = &self.tables {
                        tables.tell_written();
                    }
                }
                Output::Swept(0) => {}
                Output::Swept(routes) => info!(routes, "routes of the run before that nobody wants any more are gone"),
                Output::WorkloadInterface(name) => interfaces.push(name),
            }
        }
        self.change_local(local);
        if let (Some(tables), false) = (&self.tables, hops.is_empty()) {
            // An error: the speaker ends, and this thread after it.
            let _ = tables.tell_next_hops(hops);
        }
        interfaces
    }

    /// Joins the speaker's tables, which were told of these local routes before they began.
    fn attach(&mut self, tables: Tables, told: &[LocalRoute]) {
        let now = self.local.values().map(|r| mapping::local_route(r, &self.config));
        let changes = difference(told, now.collect());
        self.tables = Some(tables);
        self.change_local(changes);
    }

    fn change_local(&self, changes: Vec<LocalChange>) {
        if let (Some(tables), false) = (&self.tables, changes.is_empty()) {
            let _ = tables.change_local_routes(changes);
        }
    }

    /// Another ordinary metric makes other routes of all local ones.
    fn set_config(&mut self, config: Fib, ipv6: Ipv6) {
        self.ipv6 = ipv6;
        let before = mem::replace(&mut self.config, config);
        if before.metric != self.config.metric {
            let again = self.local.values().map(|r| LocalChange::Set(mapping::local_route(r, &self.config)));
            self.change_local(again.collect());
        }
    }

    /// Next hops of the RIB that came into use or went out of it, as the table names them.
    fn usage(&mut self, next_hop: WireNextHop, usage: Usage) -> Option<(fib::NextHop, fib::Usage)> {
        let name = mapping::from_wire(next_hop);
        // Hardly ever more than one: a large cluster has a next hop for each node.
        let known = self.next_hops.entry(name).or_insert_with(|| Vec::with_capacity(1));
        match usage {
            Usage::Used => {
                if !known.contains(&next_hop) {
                    known.push(next_hop);
                }
                // Asked again for a second one of the name, so that its state is told, too.
                Some((name, fib::Usage::Used))
            }
            Usage::Unused => {
                known.retain(|k| *k != next_hop);
                let last = known.is_empty();
                if last {
                    self.next_hops.remove(&name);
                }
                last.then_some((name, fib::Usage::Unused))
            }
        }
    }
}

/// What makes the local routes of now out of those that were told.
fn difference(told: &[LocalRoute], now: Vec<LocalRoute>) -> Vec<LocalChange> {
    let there: BTreeSet<Prefix> = now.iter().map(|r| r.prefix).collect();
    let told: BTreeMap<Prefix, &LocalRoute> = told.iter().map(|r| (r.prefix, r)).collect();
    let gone = told.keys().filter(|p| !there.contains(*p)).map(|p| LocalChange::Removed(*p));
    let new = now.into_iter().filter(|r| told.get(&r.prefix) != Some(&r)).map(LocalChange::Set);
    gone.chain(new).collect()
}

/// Where the thread takes best paths from.
struct Source(Arc<Link>);

impl BestPathSource for Source {
    fn take(&mut self, news: &mut News) -> More {
        let mut state = self.0.lock();
        let Some(mut tables) = state.tables.take() else { return More::No };
        for (next_hop, usage) in tables.take_next_hops() {
            news.usages.extend(state.usage(next_hop, usage));
        }
        let more = tables.take(|_, record| news.paths.extend(mapping::best_path(record)));
        let more = match more {
            heddle_speaker::forwarding::More::Yes => More::Yes,
            heddle_speaker::forwarding::More::No => More::No,
            heddle_speaker::forwarding::More::Ended => {
                warn!("the speaker tells of no more routes; the kernel keeps what it has");
                return More::No;
            }
        };
        state.complete += tables.take_complete().len();
        if state.complete >= FAMILIES && more == More::No {
            state.complete = 0;
            news.complete = Complete::Yes;
        }
        state.tables = Some(tables);
        more
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(prefix: &str, local_pref: u32) -> LocalRoute {
        LocalRoute { prefix: prefix.parse().expect("a prefix"), local_pref, interface: None }
    }

    #[test]
    fn what_changed_while_the_speaker_started_is_told() {
        let told = [route("10.0.0.1/32", 1), route("10.0.0.2/32", 1), route("10.0.0.3/32", 1)];
        let now = vec![route("10.0.0.1/32", 1), route("10.0.0.2/32", 2), route("10.0.0.4/32", 1)];
        let expected = [
            LocalChange::Removed(told[2].prefix),
            LocalChange::Set(route("10.0.0.2/32", 2)),
            LocalChange::Set(route("10.0.0.4/32", 1)),
        ];
        assert_eq!(difference(&told, now), expected);
    }
}
