//! What to write for one destination: the difference between what is wanted and what the kernel has of ours.
//!
//! - A key that is not known as ours is made with `CREATE | EXCL`, so that nobody's route is overwritten.
//! - A key that is ours is replaced in place, without `CREATE`.
//! - Where another key is to go (another metric), the new one is made first and the old one goes when it is there.
//! - Where a stranger lies under the key, nothing is written; a route of ours beside his goes by its full description,
//!   because a replacement would take whichever comes first.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::route::Target;
use crate::table::Actual;

/// What a destination is wanted to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Not there.
    Nothing,
    /// As it is.
    Kept,
    /// This.
    Route { metric: u32, protocol: u8, target: Arc<Target> },
}

/// Whether routes of the run before may be taken away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stale {
    Kept,
    Swept,
}

/// What to do with a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Make it; nobody may have the key.
    Create { metric: u32, protocol: u8, target: Arc<Target> },
    /// Put it in place of ours.
    Replace { metric: u32, protocol: u8, target: Arc<Target> },
    /// Take ours away.
    Delete(Actual),
}

/// What to do for a destination now.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Plan {
    pub(crate) write: Option<Step>,
    pub(crate) deletions: SmallVec<[Step; 1]>,
    /// The protocol of the stranger under our key.
    pub(crate) conflict: Option<u8>,
    /// Which of ours is as it is wanted: it is no longer stale.
    pub(crate) wanted: Option<usize>,
}

/// The plan for a destination. `stranger` is the protocol of a route of others under the wanted key.
pub(crate) fn plan(wanted: &Wanted, actual: &[Actual], stranger: Option<u8>, stale: Stale) -> Plan {
    let mut plan = Plan::default();
    let (metric, protocol, target) = match wanted {
        Wanted::Kept => return plan,
        Wanted::Nothing => {
            let gone = actual.iter().filter(|known| !known.stale || stale == Stale::Swept);
            plan.deletions.extend(gone.map(|known| Step::Delete(known.clone())));
            return plan;
        }
        Wanted::Route { metric, protocol, target } => (*metric, *protocol, target),
    };
    let ours = actual.iter().position(|known| known.tos == 0 && known.metric == metric);
    let mut in_place = false;
    match (ours.and_then(|at| actual.get(at).map(|known| (at, known))), stranger) {
        (Some((at, known)), _) if known.target == *target && known.protocol == protocol => {
            plan.wanted = Some(at);
            in_place = true;
        }
        (Some((_, known)), Some(stranger)) => {
            plan.conflict = Some(stranger);
            plan.deletions.push(Step::Delete(known.clone()));
        }
        (Some(_), None) => plan.write = Some(Step::Replace { metric, protocol, target: Arc::clone(target) }),
        (None, Some(stranger)) => {
            plan.conflict = Some(stranger);
            in_place = true;
        }
        (None, None) => plan.write = Some(Step::Create { metric, protocol, target: Arc::clone(target) }),
    }
    if in_place {
        let others = actual.iter().enumerate().filter(|(at, _)| Some(*at) != ours);
        plan.deletions.extend(others.map(|(_, known)| Step::Delete(known.clone())));
    }
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::route::{IfIndex, Leg, Legs};

    const OWN: u8 = 158;

    fn target(interface: u32) -> Arc<Target> {
        Arc::new(Target::legs(Legs::from_slice(&[Leg::new(IfIndex(interface), None)])))
    }

    fn actual(metric: u32, interface: u32) -> Actual {
        Actual { metric, target: target(interface), tos: 0, protocol: OWN, stale: false, seen: true }
    }

    fn wanted(metric: u32, interface: u32) -> Wanted {
        Wanted::Route { metric, protocol: OWN, target: target(interface) }
    }

    fn create(metric: u32, interface: u32) -> Option<Step> {
        Some(Step::Create { metric, protocol: OWN, target: target(interface) })
    }

    #[test]
    fn nothing_to_do_when_it_is_so() {
        let plan = plan(&wanted(5, 1), &[actual(5, 1)], None, Stale::Swept);
        assert_eq!(plan, Plan { wanted: Some(0), ..Plan::default() });
    }

    #[test]
    fn unknown_keys_are_made_and_known_ones_replaced() {
        assert_eq!(plan(&wanted(5, 1), &[], None, Stale::Kept).write, create(5, 1));
        let replaced = plan(&wanted(5, 2), &[actual(5, 1)], None, Stale::Kept);
        assert_eq!(replaced.write, Some(Step::Replace { metric: 5, protocol: OWN, target: target(2) }));
        assert!(replaced.deletions.is_empty());
    }

    /// A metric that changes adds before it deletes: first the new key alone, then the deletion.
    #[test]
    fn another_metric_adds_before_it_deletes() {
        let first = plan(&wanted(6, 1), &[actual(5, 1)], None, Stale::Kept);
        assert_eq!((first.write, first.deletions.len()), (create(6, 1), 0));
        let then = plan(&wanted(6, 1), &[actual(5, 1), actual(6, 1)], None, Stale::Kept);
        assert_eq!(then.write, None);
        assert_eq!(then.deletions.as_slice(), [Step::Delete(actual(5, 1))]);
    }

    #[test]
    fn a_stranger_is_left_alone() {
        let alone = plan(&wanted(5, 1), &[], Some(4), Stale::Kept);
        assert_eq!(alone, Plan { conflict: Some(4), ..Plan::default() });
        let beside = plan(&wanted(5, 2), &[actual(5, 1)], Some(4), Stale::Kept);
        assert_eq!((beside.write, beside.conflict), (None, Some(4)));
        assert_eq!(beside.deletions.as_slice(), [Step::Delete(actual(5, 1))]);
    }

    #[test]
    fn stale_ones_stay_until_they_are_swept() {
        let stale = Actual { stale: true, ..actual(5, 1) };
        assert_eq!(plan(&Wanted::Nothing, std::slice::from_ref(&stale), None, Stale::Kept), Plan::default());
        assert_eq!(plan(&Wanted::Nothing, std::slice::from_ref(&stale), None, Stale::Swept).deletions.len(), 1);
        assert_eq!(plan(&Wanted::Nothing, &[actual(5, 1)], None, Stale::Kept).deletions.len(), 1);
        assert_eq!(plan(&Wanted::Kept, &[stale], None, Stale::Swept), Plan::default());
    }

    #[test]
    fn an_adopted_route_becomes_ours_in_place() {
        let adopted = Actual { protocol: 12, stale: true, ..actual(5, 1) };
        let plan = plan(&wanted(5, 1), &[adopted], None, Stale::Kept);
        assert_eq!(plan.write, Some(Step::Replace { metric: 5, protocol: OWN, target: target(1) }));
    }

    #[test]
    fn a_route_of_ours_gets_another_number_in_place() {
        let wanted = Wanted::Route { metric: 5, protocol: 12, target: target(1) };
        let write = plan(&wanted, &[actual(5, 1)], None, Stale::Kept).write;
        assert_eq!(write, Some(Step::Replace { metric: 5, protocol: 12, target: target(1) }));
    }
}
