//! Counts of what is in a RIB.

use heddle_bgp_core::Family;

use crate::counters::{RouteCounters, Tally};
use crate::family::{FamilyRib, Gate};
use crate::journal::lock;
use crate::policy::GuardCounts;
use crate::rib::Rib;
use crate::route::PeerId;
use crate::table::Addr;

/// What one family of one peer amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerStats {
    /// The family.
    pub family: Family,
    /// Routes of the peer in Adj-RIB-In, whatever became of them, stale ones too.
    pub received: u64,
    /// Those that take part in the decision.
    pub accepted: u64,
    /// Those that guard or import policy rejected.
    pub rejected: u64,
    /// Those that are barred for another reason.
    pub ineligible: u64,
    /// Those of an earlier session, or of before a refresh.
    pub stale: u64,
    /// Destinations whose best path is from the peer.
    pub best: u64,
    /// Routes that the peer gets.
    pub advertised: u64,
    /// Routes withheld from the peer's update group because their attributes do not fit in a message.
    pub too_long: u64,
    /// What became of routes in this session, or in the last one.
    pub counters: RouteCounters,
    /// How often the guard refused a route in this session, by reason; none as long as it refused nothing.
    pub guarded: Option<GuardCounts>,
    /// Number of the update group, from 1; none without a session.
    pub update_group: Option<u32>,
    /// The peer sent End-of-RIB in this session.
    pub end_of_rib_received: bool,
    /// The socket took our End-of-RIB in this session.
    pub end_of_rib_sent: bool,
    /// Octets of the group's journal that the peer has before it; none while it is detached or has no session.
    pub backlog: Option<u64>,
}

/// What one family amounts to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyStats {
    /// The family.
    pub family: Family,
    /// Destinations with a path.
    pub destinations: u64,
    /// Destinations with a best path.
    pub best: u64,
    /// Paths of all peers and our own.
    pub paths: u64,
    /// Paths that import policy rejected.
    pub rejected: u64,
    /// Paths that are barred for another reason.
    pub ineligible: u64,
    /// Paths of earlier sessions, or of before a refresh.
    pub stale: u64,
    /// Destinations that changed and are not flushed yet.
    pub pending: u64,
    /// Destinations without paths that are kept for members that have not heard of it.
    pub tombstones: u64,
    /// Update groups.
    pub update_groups: u64,
    /// What the journals take, in octets.
    pub journal_bytes: u64,
    /// What destinations, paths and index take, in octets.
    pub table_bytes: u64,
    /// Number of the last flushed batch.
    pub generation: u32,
}

/// What a RIB amounts to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RibStats {
    /// By family.
    pub families: Vec<FamilyStats>,
    /// Different attribute sets.
    pub attributes: u64,
    /// What they take, in octets.
    pub attribute_bytes: u64,
    /// Learned routes are deferred (RFC 4724 §4.1).
    pub restarting: bool,
}

impl Rib {
    /// What is in it.
    #[must_use]
    pub fn stats(&self) -> RibStats {
        RibStats {
            families: vec![self.v4.stats(), self.v6.stats()],
            attributes: u64::from(self.shared.attrs.len()),
            attribute_bytes: self.shared.attrs.bytes() as u64,
            restarting: self.v4.gate != Gate::Open || self.v6.gate != Gate::Open,
        }
    }

    /// Destinations of a family that changed and are not flushed yet.
    #[must_use]
    pub fn pending(&self, family: Family) -> u32 {
        if family == Family::IPV6_UNICAST { self.v6.dirty.len() } else { self.v4.dirty.len() }
    }

    /// Octets of attribute sets that a peer was the first to bring, in both families: what
    /// [`Bounds::attribute_bytes`](crate::rib::Bounds) bounds.
    #[must_use]
    pub fn attribute_bytes(&self, peer: PeerId) -> u64 {
        self.shared.attrs.ledger.octets(peer)
    }

    /// What there is of a peer, by family; only families that it had a session with.
    #[must_use]
    pub fn peer_stats(&self, peer: PeerId) -> Vec<PeerStats> {
        self.v4.peer_stats(peer).into_iter().chain(self.v6.peer_stats(peer)).collect()
    }
}

impl<A: Addr> FamilyRib<A> {
    fn stats(&self) -> FamilyStats {
        let sum = |f: fn(&crate::family::PeerFamily) -> u32| self.peers.iter().flatten().map(|p| u64::from(f(p))).sum();
        let stale = (0..self.peers.len()).filter_map(|p| u16::try_from(p).ok()).map(|p| self.stale(PeerId(p))).sum();
        let groups = || self.groups.iter().flatten();
        let tombstones = self.tombstones.len() as u64;
        FamilyStats {
            family: A::FAMILY,
            destinations: u64::from(self.table.destinations()).saturating_sub(tombstones),
            best: u64::from(self.best),
            paths: u64::from(self.table.paths_len()),
            rejected: sum(|p| p.rejected),
            ineligible: sum(|p| p.barred),
            stale,
            pending: u64::from(self.dirty.len()),
            tombstones,
            update_groups: groups().count() as u64,
            journal_bytes: groups().map(|g| lock(&g.journal).bytes() as u64).sum(),
            table_bytes: (self.table.bytes() + self.dirty.bytes() + self.legs.bytes()) as u64,
            generation: self.generation,
        }
    }

    fn stale(&self, peer: PeerId) -> u64 {
        let old = self.peer(peer).map(|p| p.old.iter());
        old.into_iter().flatten().map(|&s| u64::from(self.sources.get(s).paths)).sum()
    }

    fn peer_stats(&self, peer: PeerId) -> Option<PeerStats> {
        let p = self.peer(peer)?;
        let member = p.member.and_then(|m| self.member(m));
        let group = member.and_then(|m| self.group(m.group));
        let attached = member.filter(|m| m.attached);
        let sent = member.map_or_else(Tally::default, |m| m.sent(group));
        Some(PeerStats {
            family: A::FAMILY,
            received: u64::from(p.living()),
            accepted: u64::from(p.eligible),
            rejected: u64::from(p.rejected),
            ineligible: u64::from(p.barred),
            stale: self.stale(peer),
            best: u64::from(p.best),
            advertised: group.map_or(0, |g| u64::from(g.exported.to(peer))),
            too_long: group.map_or(0, |g| g.too_long),
            counters: RouteCounters {
                import_updates: p.updates,
                import_withdraws: p.withdraws,
                export_updates: sent.updates(),
                export_withdraws: sent.withdraws(),
            },
            guarded: p.guarded.as_deref().copied(),
            update_group: member.map(|m| m.group.saturating_add(1)),
            end_of_rib_received: p.complete,
            end_of_rib_sent: member.is_some_and(|m| m.complete),
            backlog: attached.zip(group).map(|(m, g)| lock(&g.journal).head().saturating_sub(m.link.position())),
        })
    }
}
