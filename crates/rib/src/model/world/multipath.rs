//! A reader of all paths that share traffic, and what changes which these are: options, costs of next hops.

use std::collections::{BTreeMap, BTreeSet};

use heddle_bgp_core::attr::NextHop;
use heddle_bgp_core::nlri::PathIds;

use super::{HOPS, PEERS, Side, World};
use crate::feed::Paths;
use crate::journal::TakeStatus;
use crate::model::peer::Receiver;
use crate::nexthop::{NextHopEvent, Resolve};
use crate::rib::Begin;
use crate::route::{NextHopState, PeerId, SourceKind};

impl<A: Side> World<A> {
    pub(super) fn tell_hop(&mut self, n: usize) {
        let next_hop = NextHop::from_octets(&Self::hop(n)).expect("an address");
        let state = NextHopState { cost: self.costs[n] };
        self.rib.next_hops(self.now, &[NextHopEvent { next_hop, state }]);
    }

    pub(super) fn subscribe(&mut self) {
        let (peer, reader) =
            self.rib.subscribe(self.now, A::FAMILY, Begin::Table, Paths::Multipath).expect("a number is free");
        let mut receiver = Receiver::new(reader, 0, PathIds::Absent, true);
        receiver.gone.clone_from(&self.gone);
        self.multipath = Some((peer, receiver));
    }

    /// What concerns the paths that share traffic.
    pub(super) fn multipath_event(&mut self) {
        match self.random.below(12) {
            0 => match self.multipath.take() {
                Some((peer, _)) => self.rib.unsubscribe(self.now, peer),
                None => self.subscribe(),
            },
            1 | 2 => {
                let (rib, shared) = A::parts(&mut self.rib);
                let peer = self.multipath.as_ref().map(|m| m.0);
                if let Some(member) = peer.and_then(|p| rib.peer(p)).and_then(|p| p.member) {
                    rib.detach(shared, member);
                }
            }
            3 => {
                self.decision.max_paths_ibgp = [1, 2, 3, 8][self.random.below(4)];
                self.rib.set_decision(self.now, self.decision);
            }
            4 => {
                self.resolve = if self.resolve == Resolve::On { Resolve::Off } else { Resolve::On };
                self.rib.set_resolve(self.now, self.resolve);
            }
            // It catches up, so that it owes itself nothing when it falls behind next.
            5..9 => {
                for _ in 0..8 {
                    self.run();
                    if let Some((_, receiver)) = &mut self.multipath
                        && receiver.write(5000, 100_000).0 == TakeStatus::Detached
                    {
                        let _ = receiver.reader.ready();
                    }
                }
            }
            _ => {
                let n = self.random.below(HOPS);
                self.costs[n] = [None, Some(0), Some(0), Some(7)][self.random.below(4)];
                self.tell_hop(n);
            }
        }
    }

    /// The reader of all paths that share traffic has what the sources sent: paths as good as the best, up to the limit,
    /// each next hop once, the lowest identifiers first.
    pub(super) fn check_multipath(&self) {
        let (_, receiver) = self.multipath.as_ref().expect("subscribed");
        assert!(receiver.complete);
        let mut expected = BTreeMap::new();
        for p in 0..self.window + self.prefixes {
            let of = self.truth.iter().filter(|(k, t)| k.0 == p && self.is_wanted(k, t));
            let Some(best) = of.clone().map(|(k, t)| self.rank(k, t)).max() else { continue };
            let mut hops = BTreeSet::new();
            let limit = if best.1 { 1 } else { usize::from(self.decision.max_paths_ibgp) };
            let equal = of.filter(|(k, t)| self.rank(k, t) == best);
            let legs = equal.filter(|(k, _)| hops.insert(Self::hop_of(k.1, k.2))).take(limit).map(|(k, t)| {
                let peer = self.peers.get(k.1).map_or(PeerId::LOCAL, |p| p.id);
                let kind = if k.1 == PEERS { SourceKind::Local } else { SourceKind::Client };
                (peer, kind, self.block(t.attr, t.version, k.1, k.2))
            });
            expected.insert(A::nth(p), legs.collect());
        }
        assert_eq!(receiver.legs, expected, "paths that share traffic: has, should have");
    }
}
