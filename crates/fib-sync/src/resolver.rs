//! Next hops to legs: recursive resolution over connected routes, routes of others and learned routes.
//!
//! The longest prefix around the address decides, as in the kernel; the default route counts, as it does in BIRD. Among
//! routes to one prefix a connected one comes first, then the lowest metric. A learned route is followed to its own next
//! hops, at most [`MAX_DEPTH`] times. An address that is being resolved is not resolved over routes that lead back to
//! it: such a route is passed over, so that no route ever stands on itself, and the next shorter prefix is asked.
//!
//! Each next hop remembers all the addresses that were looked up for it, and how long the prefix was that each one
//! matched. A route that changes touches the next hops with such an address in its prefix, unless a longer one decided.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use heddle_bgp_core::Prefix;
use smallvec::SmallVec;

use crate::input::{NextHop, NextHopState, Usage};
use crate::kernel_view::{ForeignRoute, KernelView};
use crate::lengths::{around, last_address};
use crate::route::{IfIndex, Leg, Legs, LinkState, MAIN_TABLE, PROTOCOL_KERNEL, Target};
use crate::table::{GroupKey, Table, Wish};

/// How many learned routes a next hop may be resolved through.
const MAX_DEPTH: usize = 8;
/// How many legs a route gets at most.
const MAX_LEGS: usize = 64;

/// Why packets cannot be sent to a next hop.
#[derive(Clone, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unresolved {
    /// No route leads to it.
    #[error("no route leads to the next hop {0}")]
    NoRoute(IpAddr),
    /// It is one of our own addresses.
    #[error("the next hop {0} is an address of this machine")]
    OwnAddress(IpAddr),
    /// The route to it drops packets.
    #[error("the next hop {0} lies in {1}, which drops packets")]
    Dead(IpAddr, Prefix),
    /// The links that lead to it are down or without carrier.
    #[error("the link to the next hop {0} is down")]
    LinkDown(IpAddr),
    /// All routes to it lead back to it.
    #[error("the routes to the next hop {0} lead back to it")]
    Loop(IpAddr),
    /// It is behind too many learned routes.
    #[error("the next hop {0} is behind more than {MAX_DEPTH} learned routes")]
    TooDeep(IpAddr),
    /// A link-local address without an interface.
    #[error("the link-local next hop {0} has no interface")]
    NoInterface(IpAddr),
    /// The tunnel that a rule asks for is not there or not up.
    #[error("the tunnel interface {0} is not there or not up")]
    NoTunnel(String),
    /// The route has no next hop.
    #[error("the route has no next hop")]
    NoNextHop,
    /// The route names a nexthop object that says nothing to us.
    #[error("the route to the next hop {0} uses a nexthop object that is not known")]
    UnknownObject(IpAddr),
}

/// The routes that next hops are resolved over.
pub(crate) struct Routes<'a> {
    pub(crate) view: &'a KernelView,
    pub(crate) table: &'a Table,
    /// The table of the kernel that is ours.
    pub(crate) own_table: u32,
}

/// What a next hop was resolved to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Resolved {
    pub(crate) legs: Legs,
    pub(crate) cost: u32,
}

type Resolution = Result<Resolved, Unresolved>;

/// A next hop in use.
#[derive(Debug)]
pub(crate) struct Tracked {
    wanted_by_rib: bool,
    groups: u32,
    resolution: Resolution,
    seen: Seen,
}

/// What a resolution depends on. Most next hops are on a link: then this needs no memory beside itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Seen {
    /// How long the prefix was that decided about the next hop's own address; none: it was not looked up.
    own: Option<u8>,
    /// The other addresses that were looked up, and how long the prefix was that decided.
    others: BTreeMap<IpAddr, u8>,
    /// Interfaces whose state was asked, each once.
    interfaces: SmallVec<[IfIndex; 1]>,
}

/// The next hops in use, and what they are resolved to.
#[derive(Debug, Default)]
pub(crate) struct Resolver {
    /// Boxed: the nodes of such a map are half empty where next hops come in their order, as they do at a start.
    tracked: BTreeMap<NextHop, Box<Tracked>>,
    /// Addresses that were looked up for a next hop with another address, with that next hop.
    asked: BTreeMap<(IpAddr, NextHop), u8>,
    dirty: BTreeSet<NextHop>,
}

/// A next hop whose resolution is another one than before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moved {
    pub(crate) next_hop: NextHop,
    /// What the RIB has to hear.
    pub(crate) report: Option<NextHopState>,
    /// Whether the legs are others.
    pub(crate) legs: bool,
}

impl Resolver {
    /// The RIB has routes with the next hop, or not any more; says what it has to hear at once.
    pub(crate) fn usage(&mut self, next_hop: NextHop, usage: Usage, routes: &Routes<'_>) -> Option<NextHopState> {
        match usage {
            Usage::Used => {
                let tracked = self.track(next_hop, routes);
                tracked.wanted_by_rib = true;
                Some(state(&tracked.resolution))
            }
            Usage::Unused => {
                if let Some(tracked) = self.tracked.get_mut(&next_hop) {
                    tracked.wanted_by_rib = false;
                    self.forget_unused(next_hop);
                }
                None
            }
        }
    }

    /// A group uses the next hop.
    pub(crate) fn hold(&mut self, next_hop: NextHop, routes: &Routes<'_>) {
        self.track(next_hop, routes).groups += 1;
    }

    /// A group uses it no longer.
    pub(crate) fn release(&mut self, next_hop: NextHop) {
        if let Some(tracked) = self.tracked.get_mut(&next_hop) {
            tracked.groups = tracked.groups.saturating_sub(1);
            self.forget_unused(next_hop);
        }
    }

    /// What a next hop in use is resolved to.
    pub(crate) fn get(&self, next_hop: NextHop) -> Resolution {
        match self.tracked.get(&next_hop) {
            Some(tracked) => tracked.resolution.clone(),
            None => Err(Unresolved::NoRoute(next_hop.address)),
        }
    }

    /// All next hops in use, with what they are resolved to.
    pub(crate) fn all(&self) -> impl Iterator<Item = (NextHop, &Resolution)> {
        self.tracked.iter().map(|(next_hop, tracked)| (*next_hop, &tracked.resolution))
    }

    /// Routes to a prefix changed.
    pub(crate) fn prefix_changed(&mut self, prefix: Prefix) {
        if self.tracked.is_empty() {
            return;
        }
        let last = last_address(prefix);
        for (next_hop, tracked) in self.tracked.range(NextHop::new(prefix.addr())..) {
            if next_hop.address > last {
                break;
            }
            if tracked.seen.own.is_some_and(|matched| prefix.len() >= matched) {
                self.dirty.insert(*next_hop);
            }
        }
        let lowest = NextHop::new(IpAddr::from([0, 0, 0, 0]));
        for ((address, next_hop), matched) in self.asked.range((prefix.addr(), lowest)..) {
            if *address > last {
                break;
            }
            if prefix.len() >= *matched {
                self.dirty.insert(*next_hop);
            }
        }
    }

    /// An address became one of this machine's, or ceased to be.
    pub(crate) fn address_changed(&mut self, address: IpAddr) {
        if let Some(prefix) = Prefix::new(address, if address.is_ipv4() { 32 } else { 128 }) {
            self.prefix_changed(prefix);
        }
    }

    /// A link is in another state.
    pub(crate) fn link_changed(&mut self, index: IfIndex) {
        let behind = self.tracked.iter().filter(|(_, tracked)| tracked.seen.interfaces.contains(&index));
        self.dirty.extend(behind.map(|(next_hop, _)| *next_hop));
    }

    /// Resolves anew what may have changed.
    pub(crate) fn settle(&mut self, routes: &Routes<'_>) -> Vec<Moved> {
        let mut moved = Vec::new();
        while let Some(next_hop) = self.dirty.pop_first() {
            let Some(tracked) = self.tracked.get_mut(&next_hop) else { continue };
            let (resolution, seen) = resolve(next_hop, routes);
            if seen != tracked.seen {
                for address in tracked.seen.others.keys() {
                    self.asked.remove(&(*address, next_hop));
                }
                self.asked.extend(seen.others.iter().map(|(address, matched)| ((*address, next_hop), *matched)));
                tracked.seen = seen;
            }
            if resolution == tracked.resolution {
                continue;
            }
            let (before, after) = (state(&tracked.resolution), state(&resolution));
            let legs = match (&tracked.resolution, &resolution) {
                (Ok(a), Ok(b)) => a.legs != b.legs,
                (Ok(_) | Err(_), Ok(_) | Err(_)) => true,
            };
            tracked.resolution = resolution;
            let report = (tracked.wanted_by_rib && before != after).then_some(after);
            moved.push(Moved { next_hop, report, legs });
        }
        moved
    }

    fn track(&mut self, next_hop: NextHop, routes: &Routes<'_>) -> &mut Tracked {
        let asked = &mut self.asked;
        self.tracked.entry(next_hop).or_insert_with(|| {
            let (resolution, seen) = resolve(next_hop, routes);
            asked.extend(seen.others.iter().map(|(address, matched)| ((*address, next_hop), *matched)));
            Box::new(Tracked { wanted_by_rib: false, groups: 0, resolution, seen })
        })
    }

    fn forget_unused(&mut self, next_hop: NextHop) {
        if self.tracked.get(&next_hop).is_some_and(|tracked| !tracked.wanted_by_rib && tracked.groups == 0)
            && let Some(tracked) = self.tracked.remove(&next_hop)
        {
            for address in tracked.seen.others.keys() {
                self.asked.remove(&(*address, next_hop));
            }
            self.dirty.remove(&next_hop);
        }
    }
}

fn state(resolution: &Resolution) -> NextHopState {
    NextHopState { cost: resolution.as_ref().ok().map(|resolved| resolved.cost) }
}

/// Resolves a next hop, and says what that depended on.
fn resolve(next_hop: NextHop, routes: &Routes<'_>) -> (Resolution, Seen) {
    let mut walk = Walk { routes, own: next_hop.address, seen: Seen::default(), stack: SmallVec::new() };
    let resolution = walk.resolve(next_hop).map(|mut resolved| {
        if let Target::Legs(legs) = Target::legs(resolved.legs) {
            resolved.legs = legs;
            resolved.legs.truncate(MAX_LEGS);
        } else {
            resolved.legs = Legs::new();
        }
        resolved
    });
    (resolution, walk.seen)
}

/// Whether an address is of `fe80::/10`.
pub(crate) fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(_) => false,
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

struct Walk<'a, 'r> {
    routes: &'a Routes<'r>,
    /// The address of the next hop that is resolved.
    own: IpAddr,
    seen: Seen,
    stack: SmallVec<[IpAddr; MAX_DEPTH]>,
}

impl Walk<'_, '_> {
    fn resolve(&mut self, next_hop: NextHop) -> Resolution {
        let address = next_hop.address;
        if is_link_local(address) {
            let interface = next_hop.interface.ok_or(Unresolved::NoInterface(address))?;
            self.note(address, 128);
            return match self.usable(interface) {
                true => Ok(Resolved { legs: Legs::from_slice(&[Leg::new(interface, Some(address))]), cost: 0 }),
                false => Err(Unresolved::LinkDown(address)),
            };
        }
        if self.routes.view.is_own(address) {
            self.note(address, if address.is_ipv4() { 32 } else { 128 });
            return Err(Unresolved::OwnAddress(address));
        }
        if self.stack.len() >= MAX_DEPTH {
            return Err(Unresolved::TooDeep(address));
        }
        self.stack.push(address);
        let resolution = self.look_up(address);
        self.stack.pop();
        resolution
    }

    /// Asks the prefixes around an address, the longest first.
    fn look_up(&mut self, address: IpAddr) -> Resolution {
        let routes = self.routes;
        let mut why = Unresolved::NoRoute(address);
        for prefix in around(routes.view.lengths(), routes.table.lengths(), address) {
            let foreign = best_foreign(routes, prefix);
            let learned = routes.table.learned(prefix);
            let rank = |route: &ForeignRoute| if is_connected(route) { (0, 0) } else { (1, route.metric) };
            let learned_first = match (foreign, learned) {
                (_, None) => false,
                (None, Some(_)) => true,
                (Some(foreign), Some(key)) => (1, key.metric) < rank(foreign),
            };
            let mut found = None;
            if learned_first && let Some(key) = learned {
                found = self.through_learned(address, prefix, key, &mut why);
            }
            if found.is_none()
                && let Some(route) = foreign
            {
                found = Some(self.through_foreign(address, prefix, route));
            }
            if let Some(resolution) = found {
                self.note(address, prefix.len());
                return resolution;
            }
        }
        self.note(address, 0);
        Err(why)
    }

    /// An address was looked up more than once when routes meet again: the shortest match counts.
    fn note(&mut self, address: IpAddr, matched: u8) {
        let known = if address == self.own {
            self.seen.own.get_or_insert(matched)
        } else {
            self.seen.others.entry(address).or_insert(matched)
        };
        *known = matched.min(*known);
    }

    fn usable(&mut self, interface: IfIndex) -> bool {
        if !self.seen.interfaces.contains(&interface) {
            self.seen.interfaces.push(interface);
        }
        self.routes.view.link_state(interface) == Some(LinkState::Up)
    }

    fn through_foreign(&mut self, address: IpAddr, prefix: Prefix, route: &ForeignRoute) -> Resolution {
        let legs = match &route.target {
            Target::Dead(_) => return Err(Unresolved::Dead(address, prefix)),
            Target::Object(_) => return Err(Unresolved::UnknownObject(address)),
            Target::Legs(legs) => legs,
        };
        let usable: Legs = legs
            .iter()
            .filter(|leg| self.usable(leg.interface))
            .map(|leg| Leg { gateway: leg.gateway.or(Some(address)), weight: 1, ..*leg })
            .collect();
        if usable.is_empty() {
            return Err(Unresolved::LinkDown(address));
        }
        Ok(Resolved { legs: usable, cost: u32::from(!is_connected(route)) })
    }

    /// None: the route is to be passed over.
    fn through_learned(
        &mut self,
        address: IpAddr,
        prefix: Prefix,
        key: &GroupKey,
        why: &mut Unresolved,
    ) -> Option<Resolution> {
        match key.wish {
            Wish::Blackhole => return Some(Err(Unresolved::Dead(address, prefix))),
            Wish::Learned(_) | Wish::Static => {}
        }
        let mut legs = Legs::new();
        for next_hop in &key.next_hops {
            if self.stack.contains(&next_hop.address) {
                *why = Unresolved::Loop(address);
                continue;
            }
            match self.resolve(*next_hop) {
                Ok(resolved) => legs.extend(resolved.legs),
                Err(reason) => *why = reason,
            }
        }
        (!legs.is_empty()).then_some(Ok(Resolved { legs, cost: 1 }))
    }
}

/// The route of others that the kernel prefers: connected, then the lowest metric; the table main and ours count.
fn best_foreign<'a>(routes: &Routes<'a>, prefix: Prefix) -> Option<&'a ForeignRoute> {
    routes
        .view
        .routes(prefix)
        .iter()
        .filter(|route| route.tos == 0 && (route.table == MAIN_TABLE || route.table == routes.own_table))
        .min_by_key(|route| (!is_connected(route), route.metric))
}

/// Whether destinations of the route are on the link.
fn is_connected(route: &ForeignRoute) -> bool {
    match &route.target {
        Target::Legs(legs) => route.protocol == PROTOCOL_KERNEL || legs.iter().all(|leg| leg.gateway.is_none()),
        Target::Object(_) | Target::Dead(_) => false,
    }
}

#[cfg(test)]
mod tests;
