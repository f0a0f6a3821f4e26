//! Numbers of the next hops that attribute sets name, and what is known of each.

use std::collections::VecDeque;
use std::hash::BuildHasher as _;

use hashbrown::{DefaultHashBuilder, HashTable};
use heddle_bgp_core::attr::NextHop;

use crate::nexthop::{NextHopEvent, Resolve};
use crate::rib::Usage;
use crate::route::{NextHopId, NextHopState};

/// Room for so many news is kept; a start brings one for each next hop.
const NEWS_KEPT: usize = 64;

#[derive(Debug)]
struct Entry {
    next_hop: NextHop,
    /// None: the number is free.
    refs: u32,
    /// What the events said; counts only while next hops are resolved.
    state: NextHopState,
}

#[derive(Debug)]
pub(crate) struct NextHopTable {
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// The numbers in use by the hashes of their next hops.
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    resolve: Resolve,
    news: VecDeque<(NextHop, Usage)>,
}

impl NextHopTable {
    pub(crate) fn new(resolve: Resolve) -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
            resolve,
            news: VecDeque::new(),
        }
    }

    /// The number of a next hop, with one reference more.
    pub(crate) fn intern(&mut self, next_hop: NextHop) -> NextHopId {
        if let Some(known) = self.find(next_hop) {
            self.entries[known.0 as usize].refs += 1;
            return known;
        }
        let entry = Entry { next_hop, refs: 1, state: NextHopState::UNREACHABLE };
        let n = match self.free.pop() {
            Some(n) => {
                self.entries[n as usize] = entry;
                n
            }
            None => {
                self.entries.push(entry);
                u32::try_from(self.entries.len() - 1).expect("invariant: fewer next hops than attribute sets")
            }
        };
        let Self { entries, index, hasher, .. } = self;
        index.insert_unique(hasher.hash_one(next_hop), n, |&n| hasher.hash_one(entries[n as usize].next_hop));
        self.tell(next_hop, Usage::Used);
        NextHopId(n)
    }

    pub(crate) fn release(&mut self, id: NextHopId) {
        let entry = &mut self.entries[id.0 as usize];
        entry.refs -= 1;
        if entry.refs > 0 {
            return;
        }
        let next_hop = entry.next_hop;
        if let Ok(found) = self.index.find_entry(self.hasher.hash_one(next_hop), |&n| n == id.0) {
            found.remove();
        }
        self.free.push(id.0);
        self.tell(next_hop, Usage::Unused);
    }

    /// Says it to whoever resolves, if anybody does.
    fn tell(&mut self, next_hop: NextHop, usage: Usage) {
        match self.resolve {
            Resolve::Off => {}
            Resolve::On => self.news.push_back((next_hop, usage)),
        }
    }

    pub(crate) fn state(&self, id: NextHopId) -> NextHopState {
        match self.resolve {
            Resolve::Off => NextHopState::REACHABLE,
            Resolve::On => self.entries[id.0 as usize].state,
        }
    }

    /// Whether next hops are resolved.
    pub(crate) const fn resolve(&self) -> Resolve {
        self.resolve
    }

    /// Resolution begins or ends; the numbers of those next hops whose state is another by that.
    ///
    /// When it begins, those in use are reachable as before until something is said of them, so that nothing is lost; when
    /// it ends, all are reachable.
    pub(crate) fn set_resolve(&mut self, resolve: Resolve) -> Vec<NextHopId> {
        if self.resolve == resolve {
            return Vec::new();
        }
        self.resolve = resolve;
        let mut changed = Vec::new();
        for (n, entry) in (0..).zip(&mut self.entries).filter(|(_, entry)| entry.refs > 0) {
            let before = std::mem::replace(&mut entry.state, NextHopState::REACHABLE);
            let usage = match resolve {
                Resolve::On => Usage::Used,
                Resolve::Off => {
                    if before != NextHopState::REACHABLE {
                        changed.push(NextHopId(n));
                    }
                    Usage::Unused
                }
            };
            self.news.push_back((entry.next_hop, usage));
        }
        changed
    }

    /// The number of a next hop that is in use.
    pub(crate) fn find(&self, next_hop: NextHop) -> Option<NextHopId> {
        let is_it = |&n: &u32| self.entries[n as usize].next_hop == next_hop;
        self.index.find(self.hasher.hash_one(next_hop), is_it).map(|&n| NextHopId(n))
    }

    /// Takes an event in; the number of the next hop when it changed something. What is said of a next hop that nobody uses is
    /// ignored.
    pub(crate) fn handle(&mut self, event: NextHopEvent) -> Option<NextHopId> {
        let id = self.find(event.next_hop).filter(|_| self.resolve == Resolve::On)?;
        let before = std::mem::replace(&mut self.entries[id.0 as usize].state, event.state);
        (before != event.state).then_some(id)
    }

    /// The next thing that whoever resolves has to know.
    pub(crate) fn poll(&mut self) -> Option<(NextHop, Usage)> {
        let next = self.news.pop_front();
        if self.news.is_empty() {
            self.news.shrink_to(NEWS_KEPT);
        }
        next
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOP: NextHop = NextHop::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const OTHER: NextHop = NextHop::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn event(next_hop: NextHop, cost: Option<u32>) -> NextHopEvent {
        NextHopEvent { next_hop, state: NextHopState { cost } }
    }

    fn news(table: &mut NextHopTable) -> Vec<(NextHop, Usage)> {
        std::iter::from_fn(|| table.poll()).collect()
    }

    #[test]
    fn without_resolution_all_are_reachable() {
        let mut table = NextHopTable::new(Resolve::Off);
        let hop = table.intern(HOP);
        assert_eq!(table.state(hop), NextHopState::REACHABLE);
        assert_eq!(table.handle(event(HOP, None)), None);
        assert_eq!(table.state(hop), NextHopState::REACHABLE);
        assert_eq!(news(&mut table), []);
    }

    /// RFC 4271 §9.1.2.1: unresolvable routes are excluded.
    #[test]
    fn with_resolution_events_decide() {
        let mut table = NextHopTable::new(Resolve::On);
        let hop = table.intern(HOP);
        assert_eq!(table.intern(HOP), hop);
        assert_eq!(news(&mut table), [(HOP, Usage::Used)]);
        assert!(!table.state(hop).is_reachable(), "not resolved yet");
        assert_eq!(table.handle(event(HOP, Some(10))), Some(hop));
        assert_eq!(table.handle(event(HOP, Some(10))), None, "the same again");
        assert_eq!(table.state(hop).cost, Some(10));
        assert_eq!(table.handle(event(HOP, Some(20))), Some(hop), "another cost");
        assert_eq!(table.handle(event(HOP, None)), Some(hop));
        assert!(!table.state(hop).is_reachable());
        assert_eq!(table.handle(event(OTHER, Some(1))), None, "nobody uses it");
        table.release(hop);
        assert_eq!((table.find(HOP), news(&mut table)), (Some(hop), vec![]));
        table.release(hop);
        assert_eq!((table.find(HOP), news(&mut table)), (None, vec![(HOP, Usage::Unused)]));
        // The number is used again, and nothing is known of its new next hop.
        assert_eq!(table.intern(OTHER), hop);
        assert!(!table.state(hop).is_reachable());
    }

    #[test]
    fn resolution_that_begins_or_ends_at_run_time() {
        let mut table = NextHopTable::new(Resolve::Off);
        let (gone, hop) = (table.intern(OTHER), table.intern(HOP));
        table.release(gone);
        assert_eq!(table.set_resolve(Resolve::On), []);
        assert_eq!(news(&mut table), [(HOP, Usage::Used)]);
        assert_eq!(table.state(hop), NextHopState::REACHABLE, "until something else is said");
        assert_eq!(table.handle(event(HOP, None)), Some(hop));
        assert_eq!(table.set_resolve(Resolve::Off), [hop]);
        assert_eq!(news(&mut table), [(HOP, Usage::Unused)]);
        assert_eq!(table.state(hop), NextHopState::REACHABLE);
    }

    /// A large cluster has a next hop for each node and family.
    #[test]
    fn an_entry_is_small() {
        assert_eq!(size_of::<Entry>(), 48);
    }
}
