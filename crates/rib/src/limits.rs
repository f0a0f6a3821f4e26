//! Limits on routes sent. (Those on routes received are kept where routes come in.)
//!
//! A group counts what it exports, in all and by source, so that the number that a member gets is a subtraction.

use crate::family::{FamilyRib, Shared};
use crate::rib::Output;
use crate::table::Addr;
use crate::update_group::{Context, GroupKind};

/// Slots that are counted at once.
const COUNT_SLOTS: u32 = 4096;

impl<A: Addr> FamilyRib<A> {
    /// Counts what a group exports, a step; from then on changes are counted. Says whether it did anything.
    pub(crate) fn count_exported(&mut self, shared: &Shared, group: u32) -> bool {
        let slots = self.table.slots();
        let Some(slot) = self.groups.get_mut(group as usize) else { return false };
        if slot.as_ref().is_none_or(|g| g.exported.counted_to >= slots || matches!(g.kind, GroupKind::Feed(_))) {
            // Destinations to come are counted by their changes.
            slot.iter_mut().for_each(|g| g.exported.counted_to = u32::MAX);
            return false;
        }
        let Some(mut g) = slot.take() else { return false };
        let cx = Context {
            table: &self.table,
            sources: &self.sources,
            attrs: &shared.attrs,
            group_of: &self.group_of,
            default_slot: self.default_slot,
        };
        std::mem::swap(&mut g.draft, &mut self.draft);
        let from = g.exported.counted_to;
        let to = from.saturating_add(COUNT_SLOTS).min(slots);
        for slot in from..to {
            if !self.table.dest(slot).is_used() {
                continue;
            }
            match g.paths() {
                None => {
                    if let Some(said) = g.say(&cx, slot, 0, self.announced(slot)) {
                        g.exported.add(said.peer);
                    }
                }
                Some(_) if g.originates_default() && self.default_slot == Some(slot) => {
                    if let Some(said) = g.say(&cx, slot, 0, None) {
                        g.exported.add(said.peer);
                    }
                }
                Some(max) => {
                    for a in self.announced_all(shared, slot).iter().take(usize::from(max)) {
                        if let Some(said) = g.say(&cx, slot, a.tx, Some(*a)) {
                            g.exported.add(said.peer);
                        }
                    }
                }
            }
        }
        g.exported.counted_to = to;
        g.forget_said();
        std::mem::swap(&mut g.draft, &mut self.draft);
        self.groups[group as usize] = Some(g);
        true
    }

    /// Reports members that get more than they may.
    pub(crate) fn check_out_limits(&mut self, shared: &mut Shared) {
        if !self.limits_out {
            return;
        }
        let Self { members, groups, .. } = self;
        for m in members.iter_mut().flatten() {
            let Some(limit) = m.limit else { continue };
            let group = groups.get(m.group as usize).and_then(Option::as_ref);
            let Some(group) = group else { continue };
            let count = group.exported.to(m.peer);
            if count > limit.max && !m.limit_exceeded {
                m.limit_exceeded = true;
                shared.outputs.push_back(Output::OutLimitExceeded { peer: m.peer, family: A::FAMILY, count, limit });
            } else if limit.warn_at.is_some_and(|w| count >= w) && !m.limit_warned {
                m.limit_warned = true;
                shared.outputs.push_back(Output::OutLimitWarning { peer: m.peer, family: A::FAMILY, count, limit });
            }
        }
    }
}
