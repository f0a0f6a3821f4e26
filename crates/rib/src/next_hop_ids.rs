//! Numbers of the next hops that attribute sets name.

use std::collections::VecDeque;

use hashbrown::HashMap;
use heddle_bgp_core::attr::NextHop;

use crate::nexthop::{Changed, NextHopEvent, NextHops, Resolve};
use crate::rib::Usage;
use crate::route::{NextHopId, NextHopState};

#[derive(Debug)]
struct Entry {
    next_hop: NextHop,
    refs: u32,
}

#[derive(Debug)]
pub(crate) struct NextHopTable {
    numbers: HashMap<NextHop, u32>,
    entries: Vec<Entry>,
    free: Vec<u32>,
    resolve: Resolve,
    states: NextHops,
    news: VecDeque<(NextHop, Usage)>,
}

impl NextHopTable {
    pub(crate) fn new(resolve: Resolve) -> Self {
        Self {
            numbers: HashMap::new(),
            entries: Vec::new(),
            free: Vec::new(),
            resolve,
            states: NextHops::new(resolve),
            news: VecDeque::new(),
        }
    }

    /// The number of a next hop, with one reference more.
    pub(crate) fn intern(&mut self, next_hop: NextHop) -> NextHopId {
        if let Some(&n) = self.numbers.get(&next_hop) {
            self.entries[n as usize].refs += 1;
            return NextHopId(n);
        }
        let entry = Entry { next_hop, refs: 1 };
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
        self.numbers.insert(next_hop, n);
        if self.states.hold(next_hop) == Changed::Yes {
            self.news.push_back((next_hop, Usage::Used));
        }
        NextHopId(n)
    }

    pub(crate) fn release(&mut self, id: NextHopId) {
        let entry = &mut self.entries[id.0 as usize];
        entry.refs -= 1;
        if entry.refs > 0 {
            return;
        }
        let next_hop = entry.next_hop;
        self.numbers.remove(&next_hop);
        self.free.push(id.0);
        if self.states.release(next_hop) == Changed::Yes {
            self.news.push_back((next_hop, Usage::Unused));
        }
    }

    pub(crate) fn state(&self, id: NextHopId) -> NextHopState {
        match self.resolve {
            Resolve::Off => NextHopState::REACHABLE,
            Resolve::On => self.states.state(self.entries[id.0 as usize].next_hop),
        }
    }

    /// Whether next hops are resolved.
    pub(crate) const fn resolve(&self) -> Resolve {
        self.resolve
    }

    /// Resolution begins or ends; the numbers of those next hops whose state is another by that.
    ///
    /// When it begins, those in use are reachable as before until something is said of them; when it ends, all are
    /// reachable.
    pub(crate) fn set_resolve(&mut self, resolve: Resolve) -> Vec<NextHopId> {
        if self.resolve == resolve {
            return Vec::new();
        }
        let before = std::mem::replace(&mut self.states, NextHops::new(resolve));
        self.resolve = resolve;
        let mut changed = Vec::new();
        for (&next_hop, &n) in &self.numbers {
            match resolve {
                Resolve::On => {
                    self.states.adopt(next_hop);
                    self.news.push_back((next_hop, Usage::Used));
                }
                Resolve::Off => {
                    if before.state(next_hop) != NextHopState::REACHABLE {
                        changed.push(NextHopId(n));
                    }
                    self.news.push_back((next_hop, Usage::Unused));
                }
            }
        }
        changed
    }

    /// The number of a next hop that is in use.
    pub(crate) fn find(&self, next_hop: NextHop) -> Option<NextHopId> {
        self.numbers.get(&next_hop).map(|&n| NextHopId(n))
    }

    /// Takes an event in; the number of the next hop when it changed something.
    pub(crate) fn handle(&mut self, event: NextHopEvent) -> Option<NextHopId> {
        match self.states.handle(event) {
            Changed::Yes => self.numbers.get(&event.next_hop).map(|&n| NextHopId(n)),
            Changed::No => None,
        }
    }

    /// The next thing that whoever resolves has to know.
    pub(crate) fn poll(&mut self) -> Option<(NextHop, Usage)> {
        self.news.pop_front()
    }
}
