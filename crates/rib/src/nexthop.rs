//! Reachability of next hops and the interior cost to them (RFC 4271 §9.1.2.1): an input of the RIB, not its business.
//!
//! A reflector does not resolve: every next hop is reachable at no cost. A router that forwards does: whoever watches
//! the kernel's routes tells the table what it found, and the table says which next hops changed, so that the
//! destinations behind them are decided anew. Until something is known of a next hop it is unreachable.

use std::collections::BTreeMap;

use heddle_bgp_core::attr::NextHop;

use crate::route::NextHopState;

/// Whether next hops are resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Resolve {
    /// All are reachable at no cost.
    #[default]
    Off,
    /// They are what the events say.
    On,
}

impl NextHopState {
    /// Unreachable: routes with it are not eligible (RFC 4271 §9.1.2.1).
    pub const UNREACHABLE: Self = Self { cost: None };

    /// Whether routes with it are eligible.
    #[must_use]
    pub const fn is_reachable(self) -> bool {
        self.cost.is_some()
    }
}

/// What happened to a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NextHopEvent {
    /// The next hop.
    pub next_hop: NextHop,
    /// What holds from now on.
    pub state: NextHopState,
}

/// Whether an event or a reference changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// Routes with the next hop have to be decided anew.
    Yes,
    /// Nothing.
    No,
}

/// The state of all next hops that are in use.
#[derive(Clone, Debug, Default)]
pub struct NextHops {
    resolve: Resolve,
    tracked: BTreeMap<NextHop, Tracked>,
}

#[derive(Clone, Copy, Debug)]
struct Tracked {
    state: NextHopState,
    refs: u32,
}

impl NextHops {
    /// An empty table.
    #[must_use]
    pub const fn new(resolve: Resolve) -> Self {
        Self { resolve, tracked: BTreeMap::new() }
    }

    /// What holds for a next hop.
    #[must_use]
    pub fn state(&self, next_hop: NextHop) -> NextHopState {
        match self.resolve {
            Resolve::Off => NextHopState::REACHABLE,
            Resolve::On => self.tracked.get(&next_hop).map_or(NextHopState::UNREACHABLE, |t| t.state),
        }
    }

    /// One user more. With `Yes` the next hop is new, and whoever resolves has to be told to look it up.
    pub fn hold(&mut self, next_hop: NextHop) -> Changed {
        match self.resolve {
            Resolve::Off => Changed::No,
            Resolve::On => {
                let entry =
                    self.tracked.entry(next_hop).or_insert(Tracked { state: NextHopState::UNREACHABLE, refs: 0 });
                entry.refs = entry.refs.saturating_add(1);
                if entry.refs == 1 { Changed::Yes } else { Changed::No }
            }
        }
    }

    /// The first user of a next hop that was not resolved so far: reachable at no cost until something else is said, so
    /// that nothing is lost when resolution begins at run time.
    pub fn adopt(&mut self, next_hop: NextHop) -> Changed {
        let changed = self.hold(next_hop);
        if let Some(entry) = self.tracked.get_mut(&next_hop).filter(|e| e.refs == 1) {
            entry.state = NextHopState::REACHABLE;
        }
        changed
    }

    /// One user less. With `Yes` nobody uses it any more, and whoever resolves can forget it.
    pub fn release(&mut self, next_hop: NextHop) -> Changed {
        let Some(entry) = self.tracked.get_mut(&next_hop) else { return Changed::No };
        entry.refs = entry.refs.saturating_sub(1);
        if entry.refs > 0 {
            return Changed::No;
        }
        self.tracked.remove(&next_hop);
        Changed::Yes
    }

    /// Takes an event in. What is said of a next hop that nobody uses is ignored.
    pub fn handle(&mut self, event: NextHopEvent) -> Changed {
        match self.tracked.get_mut(&event.next_hop) {
            Some(entry) if entry.state != event.state => {
                entry.state = event.state;
                Changed::Yes
            }
            Some(_) | None => Changed::No,
        }
    }

    /// The next hops in use, in order.
    pub fn in_use(&self) -> impl Iterator<Item = NextHop> + '_ {
        self.tracked.keys().copied()
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

    #[test]
    fn without_resolution_all_are_reachable() {
        let mut hops = NextHops::new(Resolve::Off);
        assert_eq!(hops.state(HOP), NextHopState::REACHABLE);
        assert_eq!(hops.hold(HOP), Changed::No);
        assert_eq!(hops.handle(event(HOP, None)), Changed::No);
        assert_eq!(hops.state(HOP), NextHopState::REACHABLE);
        assert_eq!(hops.in_use().count(), 0);
    }

    /// RFC 4271 §9.1.2.1: unresolvable routes are excluded.
    #[test]
    fn with_resolution_events_decide() {
        let mut hops = NextHops::new(Resolve::On);
        assert!(!hops.state(HOP).is_reachable(), "unknown");
        assert_eq!(hops.hold(HOP), Changed::Yes);
        assert_eq!(hops.hold(HOP), Changed::No);
        assert!(!hops.state(HOP).is_reachable(), "not resolved yet");
        assert_eq!(hops.handle(event(HOP, Some(10))), Changed::Yes);
        assert_eq!(hops.handle(event(HOP, Some(10))), Changed::No, "the same again");
        assert_eq!(hops.state(HOP).cost, Some(10));
        assert_eq!(hops.handle(event(HOP, Some(20))), Changed::Yes, "another cost");
        assert_eq!(hops.handle(event(HOP, None)), Changed::Yes);
        assert!(!hops.state(HOP).is_reachable());
        assert_eq!(hops.handle(event(OTHER, Some(1))), Changed::No, "nobody uses it");
        assert!(!hops.state(OTHER).is_reachable());
        assert_eq!(hops.in_use().collect::<Vec<_>>(), [HOP]);
        assert_eq!(hops.release(HOP), Changed::No);
        assert_eq!(hops.release(HOP), Changed::Yes);
        assert_eq!(hops.release(HOP), Changed::No, "gone already");
        assert_eq!(hops.in_use().count(), 0);
    }
}
