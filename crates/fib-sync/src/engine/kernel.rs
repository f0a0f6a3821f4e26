//! What the kernel reports, and what follows from it.

use std::sync::Arc;

use heddle_bgp_core::Timestamp;

use super::FibSync;
use crate::glob::matches_any;
use crate::input::Output;
use crate::kernel_view::{LinkChange, LinkName};
use crate::route::{Address, IfIndex, KernelEvent, KernelRoute, LinkState, Placed, Target};
use crate::settings::FibAction;
use crate::table::{Actual, GroupId, Outcome, Slot};

impl FibSync {
    /// Something happened in the kernel that this table did not do itself.
    pub fn handle_kernel(&mut self, now: Timestamp, event: KernelEvent) {
        self.advance(now);
        match event {
            KernelEvent::Link(link) => {
                let (index, state) = (link.index, link.state);
                self.view.set_link(link);
                self.apply_links();
                self.link_reported(index, Some(state));
            }
            KernelEvent::LinkGone(index) => {
                self.view.remove_link(index);
                self.apply_links();
                self.link_reported(index, None);
            }
            KernelEvent::Address(address) => self.address_came(address),
            KernelEvent::AddressGone(address) => self.address_went(address),
            KernelEvent::Route(route, placed) => self.route_added(route, placed),
            KernelEvent::RouteGone(route) => self.route_gone(&route),
            KernelEvent::Object(object) => self.object_reported(object),
            KernelEvent::ObjectGone(id) => self.object_gone(id),
            KernelEvent::Overrun => {
                self.counters.overruns += 1;
                self.dumps.lost();
            }
        }
    }

    /// Whether a route counts as ours: by its protocol number, also where that is ours on some interfaces only, or because it
    /// is or was adopted.
    pub(super) fn is_ours(&self, route: &KernelRoute) -> bool {
        route.table == self.settings.table
            && (route.protocol == self.settings.protocol
                || self.is_ours_by_interface(route)
                || (self.settings.adopt_protocols.contains(&route.protocol)
                    && (self.dumps.adopts() || self.is_adopted(route))))
    }

    /// Whether the first dump found the route, and it has been neither replaced nor swept since.
    fn is_adopted(&self, route: &KernelRoute) -> bool {
        let Some(slot) = self.table.find(route.prefix) else { return false };
        self.table
            .entry(slot)
            .actual
            .iter()
            .any(|known| known.metric == route.metric && known.tos == route.tos && known.protocol == route.protocol)
    }

    /// With the last IPv4 address of an interface the kernel takes the IPv4 routes over it, and does not say so.
    fn address_went(&mut self, address: Address) {
        self.view.lose_address(address);
        if address.address.is_ipv4() && self.view.is_without_ipv4(address.interface) {
            self.assume_gone(address.interface, Some(LinkState::Down));
        }
    }

    /// The kernel tells of an address that goes before it takes the routes: a dump between the two still had them.
    fn address_came(&mut self, address: Address) {
        if address.address.is_ipv4() && self.view.is_without_ipv4(address.interface) {
            self.dumps.want();
        }
        self.view.set_address(address);
    }

    fn route_added(&mut self, route: KernelRoute, placed: Placed) {
        if self.is_ours(&route) {
            self.own_route_written(route);
            return;
        }
        let ours = route.table == self.settings.table;
        if let Some(slot) = self.table.find(route.prefix).filter(|_| ours) {
            // It may have taken the place of ours or have come beside it; only a dump tells.
            if self.drop_actual(slot, |known| known.metric == route.metric && known.tos == route.tos) {
                self.flaps.note(route.prefix, self.now);
                self.counters.repairs += 1;
                self.dumps.want();
            }
            self.mark(slot);
        }
        self.view.set_route(route, placed);
    }

    /// Somebody else wrote a route with our protocol number, perhaps over one of ours.
    fn own_route_written(&mut self, route: KernelRoute) {
        let slot = self.table.slot(route.prefix);
        let target = self.intern(route.target);
        self.note_interfaces(&target);
        let entry = self.table.entry_mut(slot);
        match entry.actual.iter_mut().find(|known| known.metric == route.metric && known.tos == route.tos) {
            Some(known) if known.target == target && known.protocol == route.protocol => {}
            Some(known) => {
                known.target = target;
                known.protocol = route.protocol;
                self.counters.repairs += 1;
            }
            None => {
                entry.actual.push(Actual {
                    metric: route.metric,
                    target,
                    tos: route.tos,
                    protocol: route.protocol,
                    stale: false,
                    seen: true,
                });
                self.counters.installed += 1;
            }
        }
        self.mark(slot);
    }

    fn route_gone(&mut self, route: &KernelRoute) {
        self.view.remove_route(route);
        let Some(slot) = self.table.find(route.prefix) else { return };
        let known = self.table.entry(slot).actual.iter().position(|known| {
            known.metric == route.metric && known.tos == route.tos && known.protocol == route.protocol
        });
        if let Some(at) = known.filter(|_| route.table == self.settings.table) {
            match self.table.entry(slot).actual[at].target.without(&route.target) {
                None => {
                    let gone = self.table.entry_mut(slot).actual.remove(at);
                    self.flaps.note(route.prefix, self.now);
                    self.counters.repairs += 1;
                    self.uncount(&gone);
                }
                // What it was before: not worth a guess.
                Some(rest) if rest == *self.table.entry(slot).actual[at].target => self.dumps.want(),
                // IPv6 takes several legs away one after the other.
                Some(rest) => {
                    let rest = self.intern(rest);
                    self.table.entry_mut(slot).actual[at].target = rest;
                    self.counters.repairs += 1;
                }
            }
        }
        self.mark(slot);
    }

    /// Forgets routes of ours that the kernel does not have any more; says whether there were any.
    pub(super) fn drop_actual(&mut self, slot: Slot, is_gone: impl Fn(&Actual) -> bool) -> bool {
        let Self { table, counters, .. } = self;
        let mut any = false;
        table.entry_mut(slot).actual.retain(|known| {
            let gone = is_gone(known);
            counters.installed = counters.installed.saturating_sub(u64::from(gone));
            counters.stale = counters.stale.saturating_sub(u64::from(gone && known.stale));
            any |= gone;
            !gone
        });
        any
    }

    /// Remembers which interfaces our routes use.
    pub(super) fn note_interfaces(&mut self, target: &Arc<Target>) {
        if let Target::Legs(legs) = &**target {
            for leg in legs {
                if !self.interfaces.contains(&leg.interface) {
                    self.interfaces.insert(leg.interface);
                }
            }
        }
    }

    /// What the kernel has done to objects and routes before it reported a link, which it does not say of most of them.
    ///
    /// The report counts, not whether the state is another one than before. A link that is read has its present carrier,
    /// while the kernel acts on a carrier that was lost up to a second later, and only then reports it: a dump between the
    /// two finds the link without carrier and all the objects on it.
    fn link_reported(&mut self, index: IfIndex, state: Option<LinkState>) {
        match state {
            Some(LinkState::Up) => {}
            Some(LinkState::NoCarrier) => self.objects_lost(index),
            Some(LinkState::Down) | None => {
                self.objects_lost(index);
                self.assume_gone(index, state);
            }
        }
    }

    /// What follows for next hops and what waits from links that are in another state.
    pub(super) fn apply_links(&mut self) {
        for change in self.view.take_link_changes() {
            let LinkChange { index, after, name } = change;
            self.resolver.link_changed(index);
            match name {
                LinkName::New => {
                    self.tell_workload_interface(index);
                    self.exits_changed(index);
                }
                LinkName::Same => {}
            }
            if self.settings.rules.iter().any(|rule| matches!(rule.action, FibAction::Tunnel { .. })) {
                let is_tunnel = |id: &GroupId| {
                    self.table.group(*id).is_some_and(|group| matches!(group.key.outcome, Outcome::Tunnel(_)))
                };
                let tunnels: Vec<GroupId> = self.table.group_ids().into_iter().filter(is_tunnel).collect();
                self.dirty_groups.extend(tunnels);
            }
            match after {
                Some(LinkState::Up) => {
                    self.retry_refused();
                    self.objects_possible();
                }
                Some(LinkState::Down | LinkState::NoCarrier) | None => {}
            }
        }
    }

    fn tell_workload_interface(&mut self, index: IfIndex) {
        if let Some(link) = self.view.link(index).filter(|_| self.dumps.is_ready())
            && matches_any(&self.settings.workload_interfaces, &link.name)
        {
            self.outputs.push_back(Output::WorkloadInterface(Arc::clone(&link.name)));
        }
    }

    /// Routes of ours over a link that went down, or has no IPv4 address any more, are gone, as far as is known; a dump tells.
    fn assume_gone(&mut self, index: IfIndex, after: Option<LinkState>) {
        if !self.interfaces.remove(&index) {
            return;
        }
        let dead = self.view.links().map(|(leg, _)| leg).filter(|leg| self.view.is_dead_to_ipv4(*leg));
        let down: Vec<IfIndex> = dead.chain([index]).collect();
        let mut still_used = false;
        let mut touched: Vec<Slot> = Vec::new();
        for slot in 0..self.table.slots() {
            let Some((slot, entry)) = self.table.used(slot) else { continue };
            if !entry.actual.iter().any(|known| known.target.uses(index)) {
                continue;
            }
            let ipv4 = entry.prefix.addr().is_ipv4();
            self.drop_actual(slot, |known| match after {
                None => known.target.uses(index),
                Some(_) => ipv4 && known.target.is_only_on(&down),
            });
            still_used |= self.table.entry(slot).actual.iter().any(|known| known.target.uses(index));
            touched.push(slot);
        }
        if still_used {
            self.interfaces.insert(index);
        }
        if !touched.is_empty() {
            self.dumps.want();
        }
        for slot in touched {
            self.mark(slot);
        }
    }

    /// Draws the consequences of all that was handed in.
    pub(super) fn settle(&mut self) {
        if !self.unsettled && self.dirty_groups.is_empty() {
            return;
        }
        self.unsettled = false;
        let changes = self.view.take_changes();
        let retry = !changes.addresses.is_empty();
        for address in changes.addresses {
            self.resolver.address_changed(address);
        }
        for prefix in changes.prefixes {
            if let Some(output) = self.local.update(prefix, &self.view, &self.settings) {
                self.outputs.push_back(output);
            }
            self.resolver.prefix_changed(prefix);
            if let Some(slot) = self.table.find(prefix) {
                self.mark(slot);
            }
        }
        if retry {
            self.retry_refused();
        }
        let routes = crate::resolver::Routes { view: &self.view, table: &self.table, own_table: self.settings.table };
        for moved in self.resolver.settle(&routes) {
            if let Some(state) = moved.report {
                self.outputs.push_back(Output::NextHop(moved.next_hop, state));
            }
            if moved.legs {
                let groups = self.hop_groups.range((moved.next_hop, GroupId(0))..);
                let groups = groups.take_while(|(next_hop, _)| *next_hop == moved.next_hop);
                self.dirty_groups.extend(groups.map(|(_, group)| *group));
            }
        }
        while let Some(group) = self.dirty_groups.pop_first() {
            self.update_group(group);
        }
    }

    /// What the kernel refused may be possible now.
    fn retry_refused(&mut self) {
        for prefix in self.refused.take_all() {
            if let Some(slot) = self.table.find(prefix) {
                self.mark(slot);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::DumpEnd;
    use crate::route::Link;
    use crate::settings::Settings;

    /// A report may say both that a link has another name and that it has another state.
    #[test]
    fn a_workload_interface_is_told_whatever_else_changed() {
        let mut fib = FibSync::new(Settings::default());
        let now = Timestamp::from_secs(1);
        let link = |name: &str, state| Link { index: IfIndex(5), name: name.to_owned(), state };
        fib.begin_dump(now);
        fib.handle_dumped(KernelEvent::Link(link("b0", LinkState::Up)));
        fib.end_dump(now, DumpEnd::Complete);
        let reports = [
            (link("cali1", LinkState::NoCarrier), true),
            (link("cali1", LinkState::Up), false),
            (link("cali2", LinkState::Up), true),
            (link("cali2", LinkState::Up), false),
        ];
        for (link, is_told) in reports {
            let told = Output::WorkloadInterface(link.name.as_str().into());
            fib.handle_kernel(now, KernelEvent::Link(link));
            let outputs: Vec<Output> = std::iter::from_fn(|| fib.poll_output()).collect();
            assert_eq!(outputs.contains(&told), is_told, "{outputs:?}");
        }
    }
}
