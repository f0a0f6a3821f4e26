//! Limits on routes sent. (Those on routes received are kept where routes come in.)
//!
//! A group counts what it exports, in all and by source, so that the number that a member gets is a subtraction.

use crate::family::{FamilyRib, Shared};
use crate::rib::Output;
use crate::table::Addr;
use crate::update_group::{Context, Exported};

impl<A: Addr> FamilyRib<A> {
    /// Counts what a group exports, once; from then on changes are counted.
    pub(crate) fn count_exported(&mut self, shared: &Shared, group: u32) {
        let Some(Some(mut g)) = self.groups.get_mut(group as usize).map(Option::take) else { return };
        if g.exported.is_none() {
            let mut exported = Exported::default();
            let cx = Context {
                table: &self.table,
                sources: &self.sources,
                attrs: &shared.attrs,
                group_of: &self.group_of,
                default_slot: self.default_slot,
            };
            for slot in 0..self.table.slots() {
                if !self.table.dest(slot).is_used() {
                    continue;
                }
                match g.paths() {
                    None => {
                        if let Some(said) = g.say(&cx, slot, 0, self.announced(slot)) {
                            exported.add(said.peer);
                        }
                    }
                    Some(max) => {
                        for a in self.announced_all(shared, slot).iter().take(usize::from(max)) {
                            if let Some(said) = g.say(&cx, slot, a.tx, Some(*a)) {
                                exported.add(said.peer);
                            }
                        }
                    }
                }
            }
            g.forget_said();
            g.exported = Some(exported);
        }
        self.groups[group as usize] = Some(g);
    }

    /// Reports members that get more than they may.
    pub(crate) fn check_out_limits(&mut self, shared: &mut Shared) {
        let Self { members, groups, .. } = self;
        for m in members.iter_mut().flatten() {
            let Some(limit) = m.limit else { continue };
            let group = groups.get(m.group as usize).and_then(Option::as_ref);
            let Some(exported) = group.and_then(|g| g.exported.as_ref()) else { continue };
            let count = exported.to(m.peer);
            if count > limit.max && !m.limit_exceeded {
                m.limit_exceeded = true;
                shared.outputs.push_back(Output::OutLimitExceeded {
                    peer: m.peer,
                    family: A::FAMILY,
                    count,
                    limit,
                });
            } else if limit.warn_at.is_some_and(|w| count >= w) && !m.limit_warned {
                m.limit_warned = true;
                shared.outputs.push_back(Output::OutLimitWarning { peer: m.peer, family: A::FAMILY, count, limit });
            }
        }
    }
}
