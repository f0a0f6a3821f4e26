//! What a program that forwards has of the speaker beside its sessions: best paths and next hops come out, local routes
//! and the state of next hops go in.
//!
//! The other side is a thread of its own that owns the kernel's forwarding table. It is woken when there is something to
//! take, and takes it without waiting; the RIB waits for it as little as for any peer.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use heddle_bgp_core::attr::{AsPath, NextHop, Origin, PathAttributes};
use heddle_bgp_core::{Family, Prefix};

pub use heddle_rib::feed::{PathRecord, Record};
pub use heddle_rib::nexthop::NextHopEvent;
pub use heddle_rib::rib::Usage;
pub use heddle_rib::route::{NextHopState, SourceKind};

use crate::change_reader::{ChangeReader, Found};
use crate::restart::HeldRoutes;
use crate::rib_thread::RibHandle;

/// Wakes whoever owns the forwarding table. Called by whoever works on the RIB: it must not wait.
#[derive(Clone)]
pub struct Wake {
    wake: Arc<dyn Fn() + Send + Sync>,
    here: Option<Arc<dyn Fn() + Send + Sync>>,
}

impl Wake {
    /// Wakes by calling `f`.
    pub fn new(f: impl Fn() + Send + Sync + 'static) -> Self {
        Self { wake: Arc::new(f), here: None }
    }

    /// Little is taken by calling `f`, which takes it on the calling thread or wakes as well.
    #[must_use]
    pub fn or_here(self, f: impl Fn() + Send + Sync + 'static) -> Self {
        Self { here: Some(Arc::new(f)), ..self }
    }

    pub(crate) fn wake(&self) {
        (self.wake)();
    }

    /// There is little to take.
    pub(crate) fn here(&self) {
        self.here.as_ref().unwrap_or(&self.wake)();
    }
}

impl fmt::Debug for Wake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Wake")
    }
}

/// How a speaker starts that forwards.
#[derive(Clone, Debug)]
pub struct Forwarding {
    /// Wakes the owner of the forwarding table.
    pub wake: Wake,
    /// Routes of this machine that are known already: they are there before the first session, so that its initial
    /// update has them.
    pub local_routes: Vec<LocalRoute>,
    /// Families in which the kernel forwards by the routes of the run before: the F bit after a restart (RFC 4724 §3).
    pub preserved: Vec<Family>,
    /// When learned routes are selected after a restart.
    pub selection: Selection,
    /// From when the time counts that peers have for their initial tables.
    pub time_from: TimeFrom,
}

/// From when the time counts that peers have for their initial tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeFrom {
    /// From the start: the kernel has routes of a run before that must not stay for ever.
    Start,
    /// From the first session, where there are peers: nothing is complete before anybody was there.
    FirstSession,
}

/// When learned routes are selected after a restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selection {
    /// As they come: for a speaker that does not pass them on.
    AtOnce,
    /// When all peers have sent theirs, or the selection deferral time is over (RFC 4724 §4.1).
    Deferred,
}

/// A route of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalRoute {
    /// Where to.
    pub prefix: Prefix,
    /// LOCAL_PREF toward iBGP peers.
    pub local_pref: u32,
    /// The interface that it lies on, which policies match.
    pub interface: Option<String>,
}

impl LocalRoute {
    /// Its attributes.
    pub(crate) fn block(&self) -> Vec<u8> {
        let mut attributes = PathAttributes::new();
        attributes.origin = Some(Origin::Igp);
        attributes.as_path = Some(AsPath::new());
        attributes.local_pref = Some(self.local_pref);
        attributes.interface.clone_from(&self.interface);
        // The name of an interface has at most 15 octets (IFNAMSIZ).
        attributes.to_block().unwrap_or_default()
    }
}

/// A change of the routes of this machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LocalChange {
    /// There is this route, new or in place of another.
    Set(LocalRoute),
    /// There is none any more.
    Removed(Prefix),
}

/// The speaker's tables, for the owner of the forwarding table. The functions that send wait for room in the RIB's queue
/// and must not be called on a thread of the runtime.
#[derive(Debug)]
pub struct Tables {
    readers: Vec<(Family, ChangeReader)>,
    link: Arc<TablesLink>,
    rib: RibHandle,
    held: HeldRoutes,
}

/// What there may be beside what was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// More without a wake-up.
    Yes,
    /// Nothing until the next wake-up.
    No,
    /// Nothing ever: the speaker has ended.
    Ended,
}

impl Tables {
    pub(crate) const fn new(
        readers: Vec<(Family, ChangeReader)>,
        link: Arc<TablesLink>,
        rib: RibHandle,
        held: HeldRoutes,
    ) -> Self {
        Self { readers, link, rib, held }
    }

    /// Takes some changes of best paths of each family.
    pub fn take(&mut self, mut f: impl FnMut(Family, Record<'_>)) -> More {
        let mut more = More::No;
        for (family, reader) in &mut self.readers {
            match reader.take(|record| f(*family, record)) {
                Found::Records => more = More::Yes,
                Found::Nothing | Found::Behind => {}
                Found::Closed => return More::Ended,
            }
        }
        more
    }

    /// Takes the news about next hops: which came into use and which went out of it.
    #[must_use]
    pub fn take_next_hops(&self) -> BTreeMap<NextHop, Usage> {
        std::mem::take(&mut self.link.state().next_hops)
    }

    /// Families whose initial update is complete, each once: the peers that came back after our start have sent theirs,
    /// or the selection deferral time is over.
    #[must_use]
    pub fn take_complete(&self) -> Vec<Family> {
        std::mem::take(&mut self.link.state().complete)
    }

    /// All that came of the initial updates of all families is in the kernel. From now on peers are told in each OPEN that
    /// what they learned from us is forwarded (RFC 4724 §3, F), also where the kernel had lost the routes of the run before.
    pub fn tell_written(&self) {
        for family in Family::SUPPORTED {
            self.held.hold(family);
        }
    }

    /// Tells what holds for next hops. An error: the speaker has ended.
    ///
    /// # Errors
    /// The speaker has ended.
    pub fn tell_next_hops(&self, events: Vec<NextHopEvent>) -> Result<(), Ended> {
        self.rib.tell_next_hops(events).map_err(|_| Ended)
    }

    /// Changes the routes of this machine.
    ///
    /// # Errors
    /// The speaker has ended.
    pub fn change_local_routes(&self, changes: Vec<LocalChange>) -> Result<(), Ended> {
        self.rib.change_local_routes(changes).map_err(|_| Ended)
    }
}

/// The speaker has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the speaker has ended")]
pub struct Ended;

/// The RIB's end. Whoever puts something in wakes the owner afterwards.
#[derive(Debug)]
pub(crate) struct TablesLink {
    wake: Wake,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// The last word on each: what comes and goes while nobody takes it is not told twice.
    next_hops: BTreeMap<NextHop, Usage>,
    complete: Vec<Family>,
}

impl TablesLink {
    pub(crate) fn new(wake: Wake) -> Self {
        Self { wake, state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) const fn waker(&self) -> &Wake {
        &self.wake
    }

    pub(crate) fn next_hop(&self, next_hop: NextHop, usage: Usage) {
        self.state().next_hops.insert(next_hop, usage);
    }

    pub(crate) fn complete(&self, family: Family) {
        self.state().complete.push(family);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn next_hops_that_nobody_takes_do_not_pile_up() {
        let link = TablesLink::new(Wake::new(|| {}));
        let [a, b] = [1, 2].map(|n| NextHop::V4([192, 0, 2, n].into()));
        for usage in [Usage::Used, Usage::Unused].repeat(1000) {
            link.next_hop(a, usage);
        }
        link.next_hop(b, Usage::Used);
        let expected = BTreeMap::from([(a, Usage::Unused), (b, Usage::Used)]);
        assert_eq!(link.state().next_hops, expected);
    }
}
