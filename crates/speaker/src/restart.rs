//! Deferral of route selection after our own restart (RFC 4724 §4.1).
//!
//! The marker of the instance before names the peers whose sessions it had. Selection of a family waits for the
//! End-of-RIB of each of them, and of whoever else is connected, at most the selection deferral time. Peers that have
//! restarted themselves or have no graceful restart are not waited for.

use std::collections::{BTreeMap, BTreeSet};

use heddle_bgp_core::{Family, Timestamp};
use heddle_config::PeerAddress;
use heddle_rib::PeerId;

/// Which families still wait, and for whom.
#[derive(Clone, Debug)]
pub(crate) struct Deferral {
    waiting: Vec<Family>,
    until: Timestamp,
    /// Peers of the instance before that are not back.
    missing: BTreeSet<PeerAddress>,
    /// Peers that are back, with the families whose End-of-RIB is due.
    due: BTreeMap<PeerId, Vec<Family>>,
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
        Self { waiting: Vec::new(), until: Timestamp::ZERO, missing: BTreeSet::new(), due: BTreeMap::new() }
    }

    /// After a restart: all families wait for `peers`, until `until` at most.
    #[must_use]
    pub(crate) fn until(until: Timestamp, peers: BTreeSet<PeerAddress>) -> Self {
        Self { waiting: Family::SUPPORTED.to_vec(), until, missing: peers, due: BTreeMap::new() }
    }

    /// A session is established.
    pub(crate) fn up(&mut self, id: PeerId, address: &PeerAddress, families: &[Family], restarts: Restarts) {
        if self.waiting.is_empty() {
            return;
        }
        self.missing.remove(address);
        match restarts {
            Restarts::WaitFor => self.due.insert(id, families.to_vec()),
            Restarts::Ignore => self.due.remove(&id),
        };
    }

    /// A session ended before its End-of-RIB: it is not waited for again.
    pub(crate) fn down(&mut self, id: PeerId) {
        self.due.remove(&id);
    }

    /// A peer is gone.
    pub(crate) fn forget(&mut self, id: PeerId) {
        self.due.remove(&id);
    }

    /// A peer sent its End-of-RIB.
    pub(crate) fn end_of_rib(&mut self, id: PeerId, family: Family) {
        if let Some(families) = self.due.get_mut(&id) {
            families.retain(|f| *f != family);
        }
    }

    /// When waiting ends at the latest; none when nothing waits.
    #[must_use]
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        (!self.waiting.is_empty()).then_some(self.until)
    }

    /// Families that need wait no longer; each comes out once.
    pub(crate) fn opened(&mut self, now: Timestamp) -> Vec<Family> {
        if self.waiting.is_empty() {
            return Vec::new();
        }
        let over = now >= self.until;
        let (due, missing) = (&self.due, self.missing.is_empty());
        let mut opened = Vec::new();
        self.waiting.retain(|family| {
            let open = over || missing && !due.values().any(|f| f.contains(family));
            if open {
                opened.push(*family);
            }
            !open
        });
        opened
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
        let mut d = Deferral::until(Timestamp::from_secs(360), [a.clone(), b.clone()].into());
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
        let mut d = Deferral::until(Timestamp::from_secs(360), [address("192.0.2.1")].into());
        assert_eq!(d.deadline(), Some(Timestamp::from_secs(360)));
        assert_eq!(d.opened(Timestamp::from_secs(360)), [V4, V6]);
    }

    #[test]
    fn peers_that_restarted_themselves_are_not_waited_for() {
        let a = address("192.0.2.1");
        let mut d = Deferral::until(Timestamp::from_secs(360), [a.clone()].into());
        d.up(PeerId(1), &a, &[V4], Restarts::Ignore);
        assert_eq!(d.opened(Timestamp::from_secs(1)), [V4, V6]);
    }
}
