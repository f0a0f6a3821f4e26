//! Multipath: what was said of the further paths that share a destination's traffic, kept while somebody subscribes to
//! them ([`Paths::Multipath`](crate::feed::Paths)).
//!
//! The best path that was announced of a clean destination is its inline path. Which others share its traffic depends
//! also on interior costs and options, which may have changed since: so what was said is kept, with references, from one
//! flush to the next. A change of it counts as a change of the destination: the batch of the destination's last change
//! (`gen`) becomes that of the flush, by which whoever fell behind is owed it. Groups that do not read it do not see such
//! a change.

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::decision::multipath;
use crate::dirty::Announced;
use crate::family::{FamilyRib, Shared};
use crate::feed::Paths;
use crate::route::{Candidate, SourceId};
use crate::stale::Task;
use crate::table::Addr;
use crate::update_group::GroupKind;

/// The best path first, then those that share its traffic; none without a best path.
pub(crate) type LegVec = SmallVec<[Announced; 4]>;

/// What the last flush of each destination said beside the best path.
#[derive(Debug, Default)]
pub(crate) struct Legs {
    /// Whether anybody reads it.
    on: bool,
    /// Of destinations that have any.
    said: HashMap<u32, Box<[Announced]>>,
}

/// A change of a destination's best path or of those beside it.
#[derive(Debug)]
pub(crate) struct LegChange {
    pub(crate) slot: u32,
    /// Whether it had a best path.
    pub(crate) had: bool,
    pub(crate) new: LegVec,
}

impl Legs {
    pub(crate) const fn is_on(&self) -> bool {
        self.on
    }
    fn said(&self, slot: u32) -> &[Announced] {
        self.said.get(&slot).map_or(&[], |legs| legs)
    }
    pub(crate) fn bytes(&self) -> usize {
        self.said.allocation_size() + self.said.values().map(|legs| size_of_val(&**legs)).sum::<usize>()
    }
}

impl<A: Addr> FamilyRib<A> {
    /// Somebody subscribes. What is there is decided anew, a step at a time; walks decide what they come to before.
    pub(crate) fn track_legs(&mut self) {
        if !std::mem::replace(&mut self.legs.on, true) {
            self.begin_pass(Task::Decide);
        }
    }

    /// Forgets all when nobody subscribes any more.
    pub(crate) fn untrack_legs(&mut self, shared: &mut Shared) {
        let read = self.groups.iter().flatten().any(|g| g.kind == GroupKind::Feed(Paths::Multipath));
        if self.legs.on && !read {
            for legs in std::mem::take(&mut self.legs).said.into_values() {
                self.release_legs(shared, &legs);
            }
        }
    }

    fn release_legs(&mut self, shared: &mut Shared, legs: &[Announced]) {
        for leg in legs {
            shared.attrs.release(leg.attr);
            self.sources.release(leg.source);
        }
    }

    /// What the last flush said.
    pub(crate) fn announced_legs(&self, slot: u32) -> LegVec {
        let Some(best) = self.announced(slot) else { return LegVec::new() };
        std::iter::once(best).chain(self.legs.said(slot).iter().copied()).collect()
    }

    /// Which paths share the traffic of the best one, which was just selected.
    fn find_legs(&self, shared: &Shared, slot: u32) -> LegVec {
        let paths = self.table.paths(slot);
        let options = &shared.decision;
        if paths.len() < 2 || options.max_paths_ebgp.max(options.max_paths_ibgp) < 2 {
            return LegVec::new();
        }
        let mut eligible: SmallVec<[_; 8]> = paths.iter().filter(|p| p.flags.is_eligible()).collect();
        if paths.first().is_none_or(|best| !best.flags.is_eligible()) {
            eligible.clear();
        }
        let candidates: SmallVec<[Candidate<'_>; 8]> = eligible.iter().map(|p| self.candidate(shared, p)).collect();
        let found = multipath(&candidates, options, 0);
        found.iter().filter_map(|&i| self.announced_of(eligible.get(usize::from(i))?)).collect()
    }

    /// Decides which paths share the traffic of the best one of a destination, after that was selected; says whether they
    /// are others than before.
    pub(crate) fn decide_legs(&mut self, shared: &mut Shared, slot: u32) -> (LegVec, bool) {
        let new = self.find_legs(shared, slot);
        let old = self.legs.said(slot);
        if old.len() == new.len() && old.iter().zip(&new).all(|(o, n)| self.same(Some(o), Some(n))) {
            return (new, false);
        }
        for leg in &new {
            shared.attrs.hold(leg.attr);
            self.sources.hold(leg.source);
        }
        let old = if new.is_empty() {
            self.legs.said.remove(&slot)
        } else {
            self.legs.said.insert(slot, new.as_slice().into())
        };
        self.release_legs(shared, &old.unwrap_or_default());
        (new, true)
    }

    /// A path came again in another session of its peer, which changes nothing: what was said does not keep the ended
    /// session's source.
    pub(crate) fn rename_leg(&mut self, slot: u32, old: SourceId, new: SourceId) {
        let Some(legs) = self.legs.said.get_mut(&slot) else { return };
        for leg in legs.iter_mut().filter(|leg| leg.source == old) {
            leg.source = new;
            self.sources.hold(new);
            self.sources.release(old);
        }
    }
}
