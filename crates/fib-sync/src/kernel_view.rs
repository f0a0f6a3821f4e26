//! What the kernel has beside our own routes: links, addresses, and the routes of others.
//!
//! Every change is collected as the prefixes and links that it touches; whoever depends on them looks again.
//!
//! A node may have tens of thousands of links, most of them to workloads. What one of them costs must not depend on how many
//! others there are: whatever belongs to a link is found by the link. The one destination that all of them have, that of
//! their link-local addresses, is left out: such next hops are resolved by their interface alone, and nothing of that
//! scope is ever advertised.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use hashbrown::HashMap;
use heddle_bgp_core::{Prefix, Prefix4};
use smallvec::SmallVec;

use crate::lengths::Lengths;
use crate::resolver::is_link_local;
use crate::route::{Address, IfIndex, KernelRoute, Link, LinkState, Placed, Target};

/// The first of all prefixes.
const LOWEST: Prefix = Prefix::V4(Prefix4::new(0, 0).expect("invariant: a length of 0 is not above 32"));

/// A route of somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ForeignRoute {
    pub(crate) table: u32,
    pub(crate) tos: u8,
    pub(crate) metric: u32,
    pub(crate) protocol: u8,
    source: Option<IpAddr>,
    pub(crate) target: Target,
    seen: u32,
}

#[derive(Clone, Debug)]
pub(crate) struct LinkEntry {
    pub(crate) name: Arc<str>,
    pub(crate) state: LinkState,
    seen: u32,
}

/// What changed since it was last asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes {
    /// Destinations whose foreign routes or connected prefixes changed.
    pub(crate) prefixes: Vec<Prefix>,
    /// Links that came, went, were renamed, or are in another state.
    links: Vec<LinkChange>,
    /// Addresses that are ours now, or not any more.
    pub(crate) addresses: Vec<IpAddr>,
}

/// What became of a link.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LinkChange {
    pub(crate) index: IfIndex,
    pub(crate) after: Option<LinkState>,
    pub(crate) name: LinkName,
}

/// Whether a link has another name than before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkName {
    /// It has, or it is a new link.
    New,
    Same,
}

#[derive(Debug, Default)]
pub(crate) struct KernelView {
    links: HashMap<IfIndex, LinkEntry>,
    names: HashMap<Arc<str>, IfIndex>,
    /// With the dump that saw each last. A link has few.
    addresses: HashMap<IfIndex, SmallVec<[(Address, u32); 2]>>,
    /// Links that have lost their last IPv4 address.
    without_ipv4: BTreeSet<IfIndex>,
    own: HashMap<IpAddr, u32>,
    connected: HashMap<Prefix, SmallVec<[IfIndex; 1]>>,
    routes: HashMap<Prefix, SmallVec<[ForeignRoute; 1]>>,
    by_interface: BTreeSet<(IfIndex, Prefix)>,
    lengths: Lengths,
    generation: u32,
    changes: Changes,
}

impl KernelView {
    pub(crate) fn link(&self, index: IfIndex) -> Option<&LinkEntry> {
        self.links.get(&index)
    }

    pub(crate) fn link_state(&self, index: IfIndex) -> Option<LinkState> {
        self.links.get(&index).map(|link| link.state)
    }

    pub(crate) fn link_named(&self, name: &str) -> Option<IfIndex> {
        self.names.get(name).copied()
    }

    pub(crate) fn links(&self) -> impl Iterator<Item = (IfIndex, &LinkEntry)> {
        self.links.iter().map(|(index, link)| (*index, link))
    }

    pub(crate) fn is_own(&self, address: IpAddr) -> bool {
        self.own.contains_key(&address)
    }

    /// Interfaces on which a prefix is connected.
    pub(crate) fn connected(&self, prefix: Prefix) -> &[IfIndex] {
        self.connected.get(&prefix).map_or(&[], SmallVec::as_slice)
    }

    /// The routes of others to a destination.
    pub(crate) fn routes(&self, prefix: Prefix) -> &[ForeignRoute] {
        self.routes.get(&prefix).map_or(&[], SmallVec::as_slice)
    }

    pub(crate) fn lengths(&self) -> &Lengths {
        &self.lengths
    }

    /// The route of somebody else that lies under a key of ours.
    pub(crate) fn stranger(&self, table: u32, prefix: Prefix, metric: u32) -> Option<&ForeignRoute> {
        self.routes(prefix).iter().find(|r| r.table == table && r.tos == 0 && r.metric == metric)
    }

    /// The destinations that have to do with a link.
    pub(crate) fn prefixes_on(&self, index: IfIndex) -> Vec<Prefix> {
        let of_link = self.by_interface.range((index, LOWEST)..);
        of_link.take_while(|(interface, _)| *interface == index).map(|(_, prefix)| *prefix).collect()
    }

    /// What changed since the last call.
    pub(crate) fn take_changes(&mut self) -> Changes {
        let links = std::mem::take(&mut self.changes.links);
        std::mem::replace(&mut self.changes, Changes { links, ..Changes::default() })
    }

    /// Links that changed since the last call, in order.
    pub(crate) fn take_link_changes(&mut self) -> Vec<LinkChange> {
        std::mem::take(&mut self.changes.links)
    }

    /// All destinations that have routes of others or are connected.
    pub(crate) fn prefixes(&self) -> BTreeSet<Prefix> {
        self.routes.keys().chain(self.connected.keys()).copied().collect()
    }

    pub(crate) fn set_link(&mut self, link: Link) {
        let seen = self.generation;
        let before = self.links.get(&link.index).map(|old| (old.state, Arc::clone(&old.name)));
        let renamed = before.as_ref().is_none_or(|(_, name)| **name != *link.name);
        let name: Arc<str> = match &before {
            Some((_, name)) if !renamed => Arc::clone(name),
            Some(_) | None => Arc::from(link.name.as_str()),
        };
        if renamed {
            if let Some((_, old)) = &before
                && self.names.get(old) == Some(&link.index)
            {
                self.names.remove(old);
            }
            self.names.insert(Arc::clone(&name), link.index);
        }
        self.links.insert(link.index, LinkEntry { name, state: link.state, seen });
        let before = before.map(|(state, _)| state);
        if renamed || before != Some(link.state) {
            let name = if renamed { LinkName::New } else { LinkName::Same };
            self.changes.links.push(LinkChange { index: link.index, after: Some(link.state), name });
            let touched = self.prefixes_on(link.index);
            self.changes.prefixes.extend(touched);
        }
        if link.state == LinkState::Down && before != Some(LinkState::Down) {
            self.drop_ipv4_routes(link.index);
        }
    }

    pub(crate) fn remove_link(&mut self, index: IfIndex) {
        let Some(old) = self.links.remove(&index) else { return };
        self.without_ipv4.remove(&index);
        if self.names.get(&old.name) == Some(&index) {
            self.names.remove(&old.name);
        }
        for prefix in self.prefixes_on(index) {
            self.retain_routes(prefix, |route| !route.target.uses(index));
        }
        let gone: Vec<Address> =
            self.addresses.get(&index).into_iter().flatten().map(|(address, _)| *address).collect();
        for address in gone {
            self.remove_address(address);
        }
        self.changes.links.push(LinkChange { index, after: None, name: LinkName::Same });
    }

    /// The kernel takes IPv4 routes out of a link that goes down, or loses its last IPv4 address, and says nothing.
    fn drop_ipv4_routes(&mut self, index: IfIndex) {
        for prefix in self.prefixes_on(index) {
            if matches!(prefix, Prefix::V4(_)) {
                let down: SmallVec<[IfIndex; 4]> = self
                    .routes(prefix)
                    .iter()
                    .flat_map(|route| interfaces(&route.target))
                    .filter(|leg| self.is_dead_to_ipv4(*leg))
                    .collect();
                self.retain_routes(prefix, |route| !route.target.is_only_on(&down));
            }
        }
    }

    pub(crate) fn set_address(&mut self, address: Address) {
        let seen = self.generation;
        let of_link = self.addresses.entry(address.interface).or_default();
        match of_link.iter_mut().find(|(known, _)| *known == address) {
            Some((_, last)) => {
                *last = seen;
                return;
            }
            None => of_link.push((address, seen)),
        }
        if address.address.is_ipv4() {
            self.without_ipv4.remove(&address.interface);
        }
        self.changes.addresses.push(address.address);
        if is_link_local(address.address) {
            return;
        }
        *self.own.entry(address.address).or_default() += 1;
        self.connected.entry(address.prefix).or_default().push(address.interface);
        self.by_interface.insert((address.interface, address.prefix));
        self.changes.prefixes.push(address.prefix);
    }

    /// The kernel has taken an address away, and with the last IPv4 address of a link the IPv4 routes over it.
    pub(crate) fn lose_address(&mut self, address: Address) {
        let of_link = |view: &Self| view.addresses.get(&address.interface).is_some_and(|all| has_ipv4(all));
        let before = of_link(self);
        self.remove_address(address);
        if before && !of_link(self) {
            self.without_ipv4.insert(address.interface);
            self.drop_ipv4_routes(address.interface);
        }
    }

    /// Whether IPv4 routes do not lead over a link: it is down, or has lost its last IPv4 address.
    pub(crate) fn is_dead_to_ipv4(&self, index: IfIndex) -> bool {
        self.link_state(index) == Some(LinkState::Down) || self.is_without_ipv4(index)
    }

    /// Whether a link has lost its last IPv4 address.
    pub(crate) fn is_without_ipv4(&self, index: IfIndex) -> bool {
        self.without_ipv4.contains(&index)
    }

    /// An address is not there any more.
    pub(crate) fn remove_address(&mut self, address: Address) {
        let Some(of_link) = self.addresses.get_mut(&address.interface) else { return };
        let Some(at) = of_link.iter().position(|(known, _)| *known == address) else { return };
        of_link.swap_remove(at);
        if of_link.is_empty() {
            self.addresses.remove(&address.interface);
        }
        self.changes.addresses.push(address.address);
        if is_link_local(address.address) {
            return;
        }
        if let Some(count) = self.own.get_mut(&address.address) {
            *count -= 1;
            if *count == 0 {
                self.own.remove(&address.address);
            }
        }
        if let Some(interfaces) = self.connected.get_mut(&address.prefix) {
            if let Some(at) = interfaces.iter().position(|i| *i == address.interface) {
                interfaces.swap_remove(at);
            }
            if interfaces.is_empty() {
                self.connected.remove(&address.prefix);
            }
        }
        self.forget_interface(address.interface, address.prefix);
        self.changes.prefixes.push(address.prefix);
        if address.address.is_ipv4() && !self.is_own(address.address) {
            self.drop_routes_from(address.address);
        }
    }

    /// IPv4 routes that prefer an address as source go with it, and the kernel does not say so.
    fn drop_routes_from(&mut self, source: IpAddr) {
        let from = |route: &ForeignRoute| route.source == Some(source);
        let prefixes: Vec<Prefix> =
            self.routes.iter().filter(|(_, routes)| routes.iter().any(from)).map(|(prefix, _)| *prefix).collect();
        for prefix in prefixes {
            self.retain_routes(prefix, |route| !from(route));
        }
    }

    pub(crate) fn set_route(&mut self, route: KernelRoute, placed: Placed) {
        let seen = self.generation;
        let prefix = route.prefix;
        if is_link_local(prefix.addr()) {
            return;
        }
        if let Some(known) = self
            .routes
            .get_mut(&prefix)
            .and_then(|routes| routes.iter_mut().find(|known| known.is_at(&route) && known.is_same(&route)))
        {
            known.seen = seen;
            return;
        }
        let replaced = placed == Placed::Replaced;
        self.retain_routes(prefix, |known| !(known.is_at(&route) && (replaced || known.protocol == route.protocol)));
        for interface in interfaces(&route.target) {
            self.by_interface.insert((interface, prefix));
        }
        let routes = self.routes.entry(prefix).or_insert_with(|| {
            self.lengths.add(prefix);
            SmallVec::new()
        });
        let KernelRoute { table, prefix: _, tos, metric, protocol, source, target } = route;
        routes.push(ForeignRoute { table, tos, metric, protocol, source, target, seen });
        self.changes.prefixes.push(prefix);
    }

    pub(crate) fn remove_route(&mut self, route: &KernelRoute) {
        self.retain_routes(route.prefix, |known| {
            let same = known.is_at(route) && known.protocol == route.protocol;
            !(same && (known.target == route.target || known.target.without(&route.target).is_none()))
        });
        // IPv6 reports the loss of one leg of several as the removal of that leg.
        let Some(routes) = self.routes.get_mut(&route.prefix) else { return };
        for known in routes.iter_mut().filter(|known| known.is_at(route) && known.protocol == route.protocol) {
            if let Some(rest) = known.target.without(&route.target)
                && rest != known.target
            {
                known.target = rest;
                self.changes.prefixes.push(route.prefix);
            }
        }
    }

    fn retain_routes(&mut self, prefix: Prefix, keep: impl Fn(&ForeignRoute) -> bool) {
        let Some(routes) = self.routes.get_mut(&prefix) else { return };
        let mut gone: SmallVec<[IfIndex; 4]> = SmallVec::new();
        let before = routes.len();
        routes.retain(|route| {
            let kept = keep(route);
            if !kept {
                gone.extend(interfaces(&route.target));
            }
            kept
        });
        if routes.len() == before {
            return;
        }
        if routes.is_empty() {
            self.routes.remove(&prefix);
            self.lengths.remove(prefix);
        }
        for interface in gone {
            self.forget_interface(interface, prefix);
        }
        self.changes.prefixes.push(prefix);
    }

    fn forget_interface(&mut self, interface: IfIndex, prefix: Prefix) {
        let used = self.connected(prefix).contains(&interface)
            || self.routes(prefix).iter().any(|route| route.target.uses(interface));
        if !used {
            self.by_interface.remove(&(interface, prefix));
        }
    }

    /// From here on a dump is read: what it does not have is gone at its end.
    pub(crate) fn begin_dump(&mut self) {
        self.generation = self.generation.wrapping_add(1);
    }

    /// The dump was read as a whole.
    pub(crate) fn end_dump(&mut self) {
        let now = self.generation;
        let links: Vec<IfIndex> = self.links.iter().filter(|(_, l)| l.seen != now).map(|(i, _)| *i).collect();
        for index in links {
            self.remove_link(index);
        }
        let addresses = self.addresses.values().flatten().filter(|(_, seen)| *seen != now);
        let addresses: Vec<Address> = addresses.map(|(address, _)| *address).collect();
        for address in addresses {
            self.remove_address(address);
        }
        let prefixes: Vec<Prefix> =
            self.routes.iter().filter(|(_, r)| r.iter().any(|r| r.seen != now)).map(|(p, _)| *p).collect();
        for prefix in prefixes {
            self.retain_routes(prefix, |route| route.seen == now);
        }
    }
}

impl ForeignRoute {
    fn is_same(&self, route: &KernelRoute) -> bool {
        self.protocol == route.protocol && self.source == route.source && self.target == route.target
    }

    fn is_at(&self, route: &KernelRoute) -> bool {
        self.table == route.table && self.tos == route.tos && self.metric == route.metric
    }
}

fn has_ipv4(addresses: &[(Address, u32)]) -> bool {
    addresses.iter().any(|(address, _)| address.address.is_ipv4())
}

fn interfaces(target: &Target) -> SmallVec<[IfIndex; 4]> {
    match target {
        Target::Legs(legs) => legs.iter().map(|leg| leg.interface).collect(),
        Target::Object(_) | Target::Dead(_) => SmallVec::new(),
    }
}
