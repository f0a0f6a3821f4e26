//! What is wanted: best paths, blackhole and static routes, rules; and the groups that come of it.

use heddle_bgp_core::{Prefix, Timestamp};
use smallvec::SmallVec;

use super::FibSync;
use crate::input::{Best, BestPath, NextHop, Output, Source, Usage};
use crate::resolver::{Routes, Unresolved};
use crate::route::{Leg, Legs, LinkState, OnLink, Target};
use crate::settings::{FibAction, Settings};
use crate::table::{Exit, GroupId, GroupKey, GroupState, Outcome, Table, Wish};

impl FibSync {
    /// Best paths changed.
    pub fn handle_best_paths(&mut self, now: Timestamp, paths: impl IntoIterator<Item = BestPath>) {
        self.advance(now);
        for path in paths {
            let best = path.best.filter(|best| best.source != Source::Local);
            self.set_best(path.prefix, best);
        }
    }

    /// The RIB has routes with these next hops, or not any more. What holds for each is an output.
    pub fn handle_usage(&mut self, now: Timestamp, usages: impl IntoIterator<Item = (NextHop, Usage)>) {
        self.advance(now);
        self.settle();
        for (next_hop, usage) in usages {
            let routes = Routes { view: &self.view, table: &self.table, own_table: self.settings.table };
            if let Some(state) = self.resolver.usage(next_hop, usage, &routes) {
                self.outputs.push_back(Output::NextHop(next_hop, state));
            }
        }
    }

    /// The blocks of this node, each of which gets a blackhole route.
    pub fn set_blackholes(&mut self, now: Timestamp, prefixes: impl IntoIterator<Item = Prefix>) {
        self.advance(now);
        let before = std::mem::replace(&mut self.blackholes, prefixes.into_iter().collect());
        let changed: Vec<Prefix> = before.symmetric_difference(&self.blackholes).copied().collect();
        for prefix in changed {
            self.refresh_fixed(prefix);
        }
    }

    /// Other settings. Routes in another table or of another protocol number than before become strangers': these
    /// are for the start.
    pub fn set_settings(&mut self, now: Timestamp, settings: Settings) {
        self.advance(now);
        self.settle();
        if settings == self.settings {
            return;
        }
        let before = std::mem::replace(&mut self.settings, settings);
        self.settings.table = before.table;
        self.settings.protocol = before.protocol;
        self.settings.workload_protocol = before.workload_protocol;
        self.objects.set_mode(self.settings.nexthop_objects);
        let statics = before.static_routes.iter().chain(&self.settings.static_routes);
        let mut fixed: Vec<Prefix> = statics.map(|route| route.prefix).collect();
        fixed.extend(self.blackholes.iter().copied());
        for prefix in fixed {
            self.refresh_fixed(prefix);
        }
        if before.rules != self.settings.rules {
            self.apply_rules();
        }
        if before.workload_interfaces != self.settings.workload_interfaces {
            self.workloads_changed();
        }
        self.relocate_locals(&before);
        self.dirty_groups.extend(self.table.group_ids());
    }

    pub(super) fn apply_statics(&mut self) {
        let prefixes: Vec<Prefix> = self.settings.static_routes.iter().map(|route| route.prefix).collect();
        for prefix in prefixes {
            self.refresh_fixed(prefix);
        }
    }

    /// Asks the rules again about all learned routes.
    fn apply_rules(&mut self) {
        for slot in 0..self.table.slots() {
            let Some((_, entry)) = self.table.used(slot) else { continue };
            let prefix = entry.prefix;
            let Some(group) = entry.group().and_then(|group| self.table.group(group)) else { continue };
            let Wish::Learned(_) = group.key.wish else { continue };
            let outcome = self.outcome(prefix, group.key.next_hops.first());
            if outcome != group.key.outcome {
                let key = GroupKey { outcome, ..(*group.key).clone() };
                self.set_key(prefix, Some(key));
            }
        }
    }

    /// Looks at all local routes again when what makes them has changed.
    fn relocate_locals(&mut self, before: &Settings) {
        let now = &self.settings;
        if before.workload_interfaces == now.workload_interfaces
            && before.ignored_interfaces == now.ignored_interfaces
            && before.learn_protocols == now.learn_protocols
        {
            return;
        }
        for prefix in self.view.prefixes() {
            if let Some(output) = self.local.update(prefix, &self.view, &self.settings) {
                self.outputs.push_back(output);
            }
        }
    }

    fn is_fixed(&self, prefix: Prefix) -> bool {
        self.blackholes.contains(&prefix) || self.settings.static_routes.iter().any(|route| route.prefix == prefix)
    }

    fn set_best(&mut self, prefix: Prefix, best: Option<Best>) {
        if self.is_fixed(prefix) {
            match best {
                Some(best) => self.parked.insert(prefix, best),
                None => self.parked.remove(&prefix),
            };
            return;
        }
        let Some(best) = best else {
            if !self.hold_withdrawn(prefix) {
                self.set_key(prefix, None);
            }
            return;
        };
        let key = self.learned_key(prefix, best);
        self.set_key(prefix, Some(key));
    }

    /// A route that is withdrawn because its next hop cannot be resolved stays for the time that such routes stay.
    fn hold_withdrawn(&mut self, prefix: Prefix) -> bool {
        let Some(slot) = self.table.find(prefix) else { return false };
        let entry = self.table.entry(slot);
        let Some(group) = entry.group().and_then(|group| self.table.group(group)) else { return false };
        let GroupState::Held { since, .. } = group.state else { return false };
        if entry.actual.is_empty() {
            return false;
        }
        self.table.entry_mut(slot).withdrawn = true;
        self.withdrawn_until.insert((since + self.settings.unresolved_time, prefix));
        true
    }

    fn learned_key(&self, prefix: Prefix, best: Best) -> GroupKey {
        GroupKey {
            wish: Wish::Learned(best.source),
            outcome: self.outcome(prefix, best.next_hops.first()),
            metric: Settings::learned_metric(best.local_pref),
            next_hops: best.next_hops,
        }
    }

    /// What the rules decide: the first that applies.
    fn outcome(&self, prefix: Prefix, next_hop: Option<&NextHop>) -> Outcome {
        let address = next_hop.map(|next_hop| next_hop.address);
        for (number, rule) in (0..u16::MAX).zip(&self.settings.rules) {
            if rule.applies(prefix, address) {
                return match rule.action {
                    FibAction::Install => Outcome::Install,
                    FibAction::Tunnel { .. } => Outcome::Tunnel(number),
                    FibAction::Reject => Outcome::Reject(number),
                };
            }
        }
        Outcome::Install
    }

    /// A blackhole or static route came or went.
    fn refresh_fixed(&mut self, prefix: Prefix) {
        let metric = self.settings.own_metric(prefix);
        let fixed = if self.blackholes.contains(&prefix) {
            Some(GroupKey { wish: Wish::Blackhole, outcome: Outcome::Install, metric, next_hops: SmallVec::new() })
        } else {
            let hops: SmallVec<[NextHop; 1]> = self
                .settings
                .static_routes
                .iter()
                .filter(|route| route.prefix == prefix)
                .map(|route| NextHop::new(route.via))
                .collect();
            let key = GroupKey { wish: Wish::Static, outcome: Outcome::Install, metric, next_hops: hops };
            (!key.next_hops.is_empty()).then_some(key)
        };
        let held = self.table.learned(prefix);
        let learned = held.filter(|key| matches!(key.wish, Wish::Learned(_))).cloned();
        match (fixed, learned) {
            (Some(fixed), Some(learned)) => {
                let Wish::Learned(source) = learned.wish else { return };
                let local_pref = Some(crate::settings::METRIC_BASE.saturating_sub(learned.metric));
                self.parked.insert(prefix, Best { source, local_pref, next_hops: learned.next_hops });
                self.set_key(prefix, Some(fixed));
            }
            (Some(fixed), None) => self.set_key(prefix, Some(fixed)),
            (None, Some(_)) => {}
            (None, None) => {
                let key = self.parked.remove(&prefix).map(|best| self.learned_key(prefix, best));
                self.set_key(prefix, key);
            }
        }
    }

    /// Puts a destination into the group that a key names.
    pub(super) fn set_key(&mut self, prefix: Prefix, key: Option<GroupKey>) {
        let slot = match &key {
            Some(_) => self.table.slot(prefix),
            None => match self.table.find(prefix) {
                Some(slot) => slot,
                None => return,
            },
        };
        let group = key.map(|key| self.group_for(key));
        self.table.entry_mut(slot).withdrawn = false;
        let before = self.table.entry(slot).group();
        if before == group {
            return;
        }
        self.table.set_group(slot, group);
        match (before, group) {
            (None, Some(_)) => self.counters.wanted += 1,
            (Some(_), None) => self.counters.wanted = self.counters.wanted.saturating_sub(1),
            (Some(_), Some(_)) | (None, None) => {}
        }
        for group in before.into_iter().chain(group) {
            self.group_size_changed(group);
        }
        self.resolver.prefix_changed(prefix);
        self.mark(slot);
    }

    /// After members came or went: an empty group goes; a large one may get an object.
    fn group_size_changed(&mut self, id: GroupId) {
        let Some(group) = self.table.group(id) else { return };
        if group.members > 0 {
            if self.objects.wants_object(group, id) != group.object.is_some() {
                self.dirty_groups.insert(id);
            }
            return;
        }
        if let GroupState::Held { since, .. } = group.state {
            self.held_until.remove(&(since + self.settings.unresolved_time, id));
        }
        if let Some(group) = self.table.remove_group(id) {
            self.objects.forget(id);
            self.dirty_groups.remove(&id);
            for next_hop in &group.key.next_hops {
                self.hop_groups.remove(&(*next_hop, id));
                self.resolver.release(*next_hop);
            }
        }
    }

    fn group_for(&mut self, key: GroupKey) -> GroupId {
        if let Some(id) = self.table.find_group(&key) {
            return id;
        }
        for next_hop in &key.next_hops {
            let routes = Routes { view: &self.view, table: &self.table, own_table: self.settings.table };
            self.resolver.hold(*next_hop, &routes);
        }
        let hops = key.next_hops.clone();
        let state = self.first_state(&key);
        let held = matches!(state, GroupState::Held { .. });
        let exit = self.exit_of(&state).unwrap_or(Exit::Elsewhere);
        let id = self.table.add_group(key, state, exit);
        self.hop_groups.extend(hops.into_iter().map(|next_hop| (next_hop, id)));
        if held {
            self.held_until.insert((self.now + self.settings.unresolved_time, id));
        }
        id
    }

    fn first_state(&mut self, key: &GroupKey) -> GroupState {
        match self.target_of(key) {
            None => GroupState::Rejected,
            Some(Ok(target)) => GroupState::Good(self.intern(target)),
            Some(Err(why)) => GroupState::Held { since: self.now, why },
        }
    }

    /// Resolves a group anew; its routes follow when something changed.
    pub(super) fn update_group(&mut self, id: GroupId) {
        let Some(group) = self.table.group(id) else { return };
        let key = std::sync::Arc::clone(&group.key);
        let hold = self.settings.unresolved_time;
        let before = group.state.clone();
        let after = match (self.target_of(&key), &before) {
            (None, _) => GroupState::Rejected,
            (Some(Ok(target)), _) => GroupState::Good(self.intern(target)),
            (Some(Err(why)), GroupState::Held { since, .. }) => GroupState::Held { since: *since, why },
            (Some(Err(why)), GroupState::Unresolved { since, .. }) => GroupState::Unresolved { since: *since, why },
            (Some(Err(why)), GroupState::Good(_) | GroupState::Rejected) => GroupState::Held { since: self.now, why },
        };
        if let GroupState::Held { since, .. } = before {
            self.held_until.remove(&(since + hold, id));
        }
        if let GroupState::Held { since, .. } = after {
            self.held_until.insert((since + hold, id));
        }
        let renumbered = self.set_exit(id, &after);
        let object = self.object_for(id, &after);
        let Some(group) = self.table.group_mut(id) else { return };
        let moved = group.object != object
            || renumbered
            || match (&before, &after) {
                (GroupState::Good(a), GroupState::Good(b)) => object.is_none() && a != b,
                (a, b) => a != b,
            };
        group.state = after;
        group.object = object;
        if moved {
            self.mark_group(id);
        }
    }

    /// Where the routes of a group lead; none: a rule keeps them out.
    fn target_of(&self, key: &GroupKey) -> Option<Result<Target, Unresolved>> {
        match key.wish {
            Wish::Blackhole => return Some(Ok(Table::blackhole())),
            Wish::Learned(_) | Wish::Static => {}
        }
        match key.outcome {
            Outcome::Reject(_) => None,
            Outcome::Install => Some(self.legs_of(key, None)),
            Outcome::Tunnel(rule) => {
                let rule = self.settings.rules.get(usize::from(rule));
                match rule.map(|rule| &rule.action) {
                    Some(FibAction::Tunnel { interface, except }) => Some(self.legs_of(key, Some((interface, except)))),
                    Some(FibAction::Install | FibAction::Reject) | None => Some(self.legs_of(key, None)),
                }
            }
        }
    }

    fn legs_of(&self, key: &GroupKey, tunnel: Option<(&String, &Vec<Prefix>)>) -> Result<Target, Unresolved> {
        let mut legs = Legs::new();
        let mut why = None;
        for next_hop in &key.next_hops {
            match self.resolver.get(*next_hop) {
                Err(reason) => why = why.or(Some(reason)),
                Ok(resolved) => match tunnel {
                    Some((interface, except)) if !except.iter().any(|p| p.contains_addr(next_hop.address)) => {
                        match self.tunnel_leg(interface, *next_hop) {
                            Ok(leg) => legs.push(leg),
                            Err(reason) => why = why.or(Some(reason)),
                        }
                    }
                    Some(_) | None => legs.extend(resolved.legs),
                },
            }
        }
        match why {
            Some(why) if legs.is_empty() => Err(why),
            Some(_) | None if !legs.is_empty() => Ok(Target::legs(legs)),
            Some(_) | None => Err(Unresolved::NoNextHop),
        }
    }

    /// `via NEXT_HOP dev TUNNEL onlink`.
    fn tunnel_leg(&self, interface: &str, next_hop: NextHop) -> Result<Leg, Unresolved> {
        let index = self.view.link_named(interface);
        match index.filter(|index| self.view.link_state(*index) == Some(LinkState::Up)) {
            Some(index) => Ok(Leg { on_link: OnLink::Yes, ..Leg::new(index, Some(next_hop.address)) }),
            None => Err(Unresolved::NoTunnel(interface.to_owned())),
        }
    }
}
