//! Waiting for the initial tables of peers: deferral of route selection after our own restart (RFC 4724 §4.1), and of the
//! end of routes that the kernel has of a run before.
//!
//! The marker of the instance before names the peers whose sessions it had. Selection of a family waits for the
//! End-of-RIB of each of them, and of whoever else is connected, at most the selection deferral time. Peers that have
//! restarted themselves or have no graceful restart are not waited for.
//!
//! Where selection begins at once, only routes in the kernel wait. They may have come from any peer, so all are waited
//! for, also those without graceful restart: what waits too long is an old route, what goes too early is lost packets.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use heddle_bgp_core::capability::ForwardingState;
use heddle_bgp_core::{Family, Timestamp};
use heddle_config::PeerAddress;
use heddle_rib::PeerId;

/// Which families still wait, and for whom.
#[derive(Clone, Debug)]
pub(crate) struct Deferral {
    waiting: Vec<Family>,
    until: Until,
    /// Peers of the instance before that are not back.
    missing: BTreeSet<PeerAddress>,
    /// Peers that are back, with the families whose End-of-RIB is due.
    due: BTreeMap<PeerId, (PeerAddress, Vec<Family>)>,
    whom: Whom,
}

/// When waiting ends, whoever is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Until {
    /// Then.
    At(Timestamp),
    /// So long after the first session, and not before there is one.
    AfterFirstSession(Duration),
}

/// For whom is waited, and with what.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whom {
    /// For peers with graceful restart that have not restarted themselves, with the selection of routes.
    Graceful,
    /// For all peers, with the end of routes of the run before in the kernel.
    All,
}

/// Whether a peer's End-of-RIB is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Restarts {
    /// It has graceful restart, and has not restarted itself.
    WaitFor,
    /// It has none, or has restarted itself (R = 1).
    Ignore,
}

impl Deferral {
    /// After a fresh start: nothing waits.
    #[must_use]
    pub(crate) const fn none() -> Self {
        Self {
            waiting: Vec::new(),
            until: Until::At(Timestamp::ZERO),
            missing: BTreeSet::new(),
            due: BTreeMap::new(),
            whom: Whom::Graceful,
        }
    }

    /// All families wait for `peers`, until `until` at most.
    #[must_use]
    pub(crate) fn until(until: Timestamp, peers: BTreeSet<PeerAddress>, whom: Whom) -> Self {
        let until = Until::At(until);
        Self { waiting: Family::SUPPORTED.to_vec(), until, missing: peers, due: BTreeMap::new(), whom }
    }

    /// The same, but its time is this, and counts from the first session: a link that is late takes nothing of it.
    #[must_use]
    pub(crate) fn after_first_session(self, time: Duration) -> Self {
        Self { until: Until::AfterFirstSession(time), ..self }
    }

    /// There is a session.
    pub(crate) fn session_began(&mut self, now: Timestamp) {
        match self.until {
            Until::AfterFirstSession(time) => self.until = Until::At(now + time),
            Until::At(_) => {}
        }
    }

    /// For whom is waited.
    #[must_use]
    pub(crate) const fn whom(&self) -> Whom {
        self.whom
    }

    /// A session is established.
    pub(crate) fn up(&mut self, id: PeerId, address: &PeerAddress, families: &[Family], restarts: Restarts) {
        if self.waiting.is_empty() {
            return;
        }
        self.missing.remove(address);
        match (restarts, self.whom) {
            (Restarts::WaitFor, _) | (Restarts::Ignore, Whom::All) => {
                self.due.insert(id, (address.clone(), families.to_vec()))
            }
            (Restarts::Ignore, Whom::Graceful) => self.due.remove(&id),
        };
    }

    /// A session ended, perhaps before its End-of-RIB: selection does not wait for it again, routes in the kernel do.
    pub(crate) fn down(&mut self, id: PeerId) {
        let Some((address, families)) = self.due.remove(&id) else { return };
        match self.whom {
            Whom::All if !families.is_empty() => drop(self.missing.insert(address)),
            Whom::All | Whom::Graceful => {}
        }
    }

    /// A peer is gone.
    pub(crate) fn forget(&mut self, id: PeerId) {
        self.due.remove(&id);
    }

    /// A peer sent its End-of-RIB.
    pub(crate) fn end_of_rib(&mut self, id: PeerId, family: Family) {
        if let Some((_, families)) = self.due.get_mut(&id) {
            families.retain(|f| *f != family);
        }
    }

    /// When waiting ends at the latest; none when nothing waits, or nobody knows yet.
    #[must_use]
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        match self.until {
            Until::At(until) => (!self.waiting.is_empty()).then_some(until),
            Until::AfterFirstSession(_) => None,
        }
    }

    /// Families that need wait no longer; each comes out once.
    pub(crate) fn opened(&mut self, now: Timestamp) -> Vec<Family> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let over = match self.until {
            Until::At(until) => now >= until,
            Until::AfterFirstSession(_) => return Vec::new(),
        };
        let (due, missing) = (&self.due, self.missing.is_empty());
        let mut opened = Vec::new();
        self.waiting.retain(|family| {
            let open = over || missing && !due.values().any(|(_, f)| f.contains(family));
            if open {
                opened.push(*family);
            }
            !open
        });
        opened
    }
}

/// Whether what we forward by is what peers learned from us before: the F bit of each family (RFC 4724 §3: "has indeed been
/// preserved"). Shared by all clones.
#[derive(Clone, Debug)]
pub(crate) struct HeldRoutes(Arc<[AtomicBool; Family::SUPPORTED.len()]>);

impl HeldRoutes {
    /// It is so in these families.
    pub(crate) fn of(families: &[Family]) -> Self {
        Self(Arc::new(Family::SUPPORTED.map(|family| AtomicBool::new(families.contains(&family)))))
    }

    /// From now on it is so in this family, too.
    pub(crate) fn hold(&self, family: Family) {
        if let Some(held) = family.index().and_then(|at| self.0.get(at)) {
            held.store(true, Ordering::Release);
        }
    }

    /// What peers are told of a family.
    pub(crate) fn state(&self, family: Family) -> ForwardingState {
        let held = family.index().and_then(|at| self.0.get(at));
        if held.is_some_and(|held| held.load(Ordering::Acquire)) {
            ForwardingState::Preserved
        } else {
            ForwardingState::Lost
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: Family = Family::IPV4_UNICAST;
    const V6: Family = Family::IPV6_UNICAST;

    fn address(text: &str) -> PeerAddress {
        text.parse().expect("an address")
    }

    #[test]
    fn selection_waits_for_end_of_rib_of_every_known_peer_by_family() {
        let (a, b) = (address("192.0.2.1"), address("192.0.2.2"));
        let mut d = Deferral::until(Timestamp::from_secs(360), [a.clone(), b.clone()].into(), Whom::Graceful);
        assert!(d.opened(Timestamp::from_secs(1)).is_empty());
        d.up(PeerId(1), &a, &[V4, V6], Restarts::WaitFor);
        d.end_of_rib(PeerId(1), V4);
        assert!(d.opened(Timestamp::from_secs(1)).is_empty(), "the second peer is missing");
        d.up(PeerId(2), &b, &[V4], Restarts::WaitFor);
        d.end_of_rib(PeerId(2), V4);
        assert_eq!(d.opened(Timestamp::from_secs(2)), [V4]);
        d.end_of_rib(PeerId(1), V6);
        assert_eq!(d.opened(Timestamp::from_secs(3)), [V6]);
        assert_eq!(d.deadline(), None);
    }

    #[test]
    fn a_dead_peer_delays_by_the_timer_at_most() {
        let mut d = Deferral::until(Timestamp::from_secs(360), [address("192.0.2.1")].into(), Whom::Graceful);
        assert_eq!(d.deadline(), Some(Timestamp::from_secs(360)));
        assert_eq!(d.opened(Timestamp::from_secs(360)), [V4, V6]);
    }

    #[test]
    fn peers_that_restarted_themselves_are_not_waited_for() {
        let a = address("192.0.2.1");
        let mut d = Deferral::until(Timestamp::from_secs(360), [a.clone()].into(), Whom::Graceful);
        d.up(PeerId(1), &a, &[V4], Restarts::Ignore);
        assert_eq!(d.opened(Timestamp::from_secs(1)), [V4, V6]);
    }

    /// Routes in the kernel may be of any peer: of one without graceful restart, of one that has restarted itself, of one
    /// whose session ends again before its table has come.
    #[test]
    fn routes_in_the_kernel_wait_for_all_peers() {
        let (a, b) = (address("192.0.2.1"), address("192.0.2.2"));
        let mut d = Deferral::until(Timestamp::from_secs(10), [a.clone(), b.clone()].into(), Whom::All);
        d.up(PeerId(1), &a, &[V4, V6], Restarts::Ignore);
        d.up(PeerId(2), &b, &[V4], Restarts::WaitFor);
        d.end_of_rib(PeerId(2), V4);
        assert_eq!(d.opened(Timestamp::from_secs(1)), [], "the first one's table has not come");
        d.down(PeerId(1));
        assert_eq!(d.opened(Timestamp::from_secs(2)), [], "it comes back");
        d.up(PeerId(1), &a, &[V4, V6], Restarts::Ignore);
        d.end_of_rib(PeerId(1), V6);
        assert_eq!(d.opened(Timestamp::from_secs(3)), [V6]);
        d.end_of_rib(PeerId(1), V4);
        d.down(PeerId(1));
        assert_eq!(d.opened(Timestamp::from_secs(4)), [V4], "its table had come");
    }

    /// A link that is late: its session has all the time that it had at once.
    #[test]
    fn time_that_counts_from_the_first_session_is_not_over_before_it() {
        let (a, b) = (address("192.0.2.1"), address("192.0.2.2"));
        let time = Duration::from_secs(10);
        let of = |peers: BTreeSet<PeerAddress>| {
            Deferral::until(Timestamp::from_secs(10), peers, Whom::All).after_first_session(time)
        };
        let mut d = of([a.clone(), b].into());
        assert_eq!((d.opened(Timestamp::from_secs(60)), d.deadline()), (vec![], None));
        d.session_began(Timestamp::from_secs(61));
        d.up(PeerId(1), &a, &[V4, V6], Restarts::WaitFor);
        d.session_began(Timestamp::from_secs(65));
        assert_eq!(d.deadline(), Some(Timestamp::from_secs(71)), "of the first, whoever else comes");
        assert_eq!(d.opened(Timestamp::from_secs(70)), []);
        assert_eq!(d.opened(Timestamp::from_secs(71)), [V4, V6]);
        // Peers that are not waited for now (they have no password yet) may be the first to come all the same.
        let mut d = of(BTreeSet::new());
        assert_eq!(d.opened(Timestamp::from_secs(60)), []);
        d.session_began(Timestamp::from_secs(61));
        assert_eq!(d.opened(Timestamp::from_secs(61)), [V4, V6]);
    }

    #[test]
    fn each_family_is_held_on_its_own() {
        let kernel = HeldRoutes::of(&[V4]);
        assert_eq!([V4, V6].map(|f| kernel.state(f)), [ForwardingState::Preserved, ForwardingState::Lost]);
        kernel.hold(V6);
        assert_eq!([V4, V6].map(|f| kernel.state(f)), [ForwardingState::Preserved; 2]);
    }
}
