//! Listings, a page at a time.

use std::sync::Arc;

use heddle_bgp_core::{Family, Prefix};

use super::FibSync;
use crate::input::LocalRoute;
use crate::route::Target;
use crate::status::{Cursor, Desired, Filter, InterfaceName, NextHopRow, Origin, Page, Present, Row, State};
use crate::table::{Entry, Group, GroupState, Outcome, Slot, Wish};

/// Most destinations that one page looks at, so that it takes well under a millisecond.
const LOOKED_AT: u32 = 1024;

impl FibSync {
    /// A page of the listing; begin with `Cursor::default()`.
    #[must_use]
    pub fn show(&self, from: Cursor, filter: Filter) -> Page {
        let end = from.0.saturating_add(LOOKED_AT).min(self.table.slots());
        let rows = (from.0..end)
            .filter_map(|slot| self.table.used(slot))
            .map(|(slot, entry)| self.row(slot, entry))
            .filter(|row| match filter {
                Filter::All => true,
                Filter::Differing => row.state != State::Installed,
            })
            .collect();
        Page { rows, next: (end < self.table.slots()).then_some(Cursor(end)) }
    }

    /// One destination.
    #[must_use]
    pub fn show_prefix(&self, prefix: Prefix) -> Option<Row> {
        let slot = self.table.find(prefix)?;
        Some(self.row(slot, self.table.entry(slot)))
    }

    /// Families of which the kernel has routes of ours.
    #[must_use]
    pub fn families_in_kernel(&self) -> Vec<Family> {
        let present = |family: &Family| {
            let mut entries = (0..self.table.slots()).filter_map(|slot| self.table.used(slot));
            entries.any(|(_, entry)| entry.prefix.family() == *family && !entry.actual.is_empty())
        };
        Family::SUPPORTED.into_iter().filter(present).collect()
    }

    /// The next hops in use.
    #[must_use]
    pub fn show_next_hops(&self) -> Vec<NextHopRow> {
        let row = |(next_hop, resolution): (_, &Result<crate::resolver::Resolved, _>)| NextHopRow {
            next_hop,
            cost: resolution.as_ref().ok().map(|resolved| resolved.cost),
            resolution: resolution.clone().map(|resolved| Target::legs(resolved.legs)),
        };
        self.resolver.all().map(row).collect()
    }

    /// The local routes that were told.
    pub fn local_routes(&self) -> impl Iterator<Item = &LocalRoute> {
        self.local.iter()
    }

    /// The names of all interfaces.
    #[must_use]
    pub fn interface_names(&self) -> Vec<InterfaceName> {
        let named =
            |(index, link): (_, &crate::kernel_view::LinkEntry)| InterfaceName { index, name: Arc::clone(&link.name) };
        self.view.links().map(named).collect()
    }

    fn row(&self, slot: Slot, entry: &Entry) -> Row {
        let group = entry.group().and_then(|group| self.table.group(group));
        let present = |known: &crate::table::Actual| Present {
            metric: known.metric,
            target: Arc::clone(&known.target),
            protocol: known.protocol,
            stale: known.stale,
        };
        Row {
            prefix: entry.prefix,
            desired: group.filter(|_| !entry.withdrawn).map(|group| desired(group, self.protocol_of(group.exit))),
            actual: entry.actual.iter().map(present).collect(),
            state: self.state(slot, entry, group),
        }
    }

    fn state(&self, slot: Slot, entry: &Entry, group: Option<&Group>) -> State {
        let Some(group) = group else {
            return if entry.actual.iter().any(|known| known.stale) { State::Stale } else { State::Pending };
        };
        match &group.state {
            GroupState::Held { since, why } => return State::Held { since: *since, why: why.clone() },
            GroupState::Unresolved { since, why } => return State::Unresolved { since: *since, why: why.clone() },
            GroupState::Rejected => return State::Rejected { rule: self.rule_name(group.key.outcome) },
            GroupState::Good(_) => {}
        }
        if let Some(protocol) = self.conflicts.get(&entry.prefix) {
            return State::Conflict { protocol: *protocol };
        }
        if let Some(error) = self.refused.get(entry.prefix) {
            return State::Refused { error };
        }
        let wanted = self.wanted(slot);
        match (entry.actual.as_slice(), wanted) {
            ([known], crate::plan::Wanted::Route { metric, protocol, target })
                if known.metric == metric && known.target == target && known.protocol == protocol =>
            {
                State::Installed
            }
            (_, _) => State::Pending,
        }
    }

    fn rule_name(&self, outcome: Outcome) -> String {
        let number = match outcome {
            Outcome::Reject(number) | Outcome::Tunnel(number) => usize::from(number),
            Outcome::Install => return String::new(),
        };
        let name = self.settings.rules.get(number).and_then(|rule| rule.name.clone());
        name.unwrap_or_else(|| number.saturating_add(1).to_string())
    }
}

fn desired(group: &Group, protocol: u8) -> Desired {
    Desired {
        origin: match group.key.wish {
            Wish::Learned(source) => Origin::Learned(source),
            Wish::Static => Origin::Static,
            Wish::Blackhole => Origin::Blackhole,
        },
        metric: group.key.metric,
        protocol,
        next_hops: group.key.next_hops.to_vec(),
        target: match &group.state {
            GroupState::Good(target) => Some(Arc::clone(target)),
            GroupState::Held { .. } | GroupState::Unresolved { .. } | GroupState::Rejected => None,
        },
    }
}
