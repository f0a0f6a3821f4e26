//! Nexthop objects: routes of large groups point to one, so that a next hop that moves is one write.
//!
//! Routes point to group objects, also of one leg, because a single object and a group cannot replace one another. Objects
//! die with the carrier of their link, and routes of IPv4 with the last leg of their group, silently; they cannot be made
//! without carrier. So `auto` uses them only where they pay, and where one cannot be made the routes have their legs
//! themselves. Objects of the run before are taken over when they say what is wanted. An object goes when no route of ours
//! in the kernel points to it, which the count of references to its target tells.

mod strangers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use hashbrown::{HashMap, HashSet};
use heddle_bgp_core::Timestamp;
use smallvec::SmallVec;

use super::FibSync;
use super::writes::{Heard, InFlight, Refusal, Write, WriteKind};
use crate::plan::Stale;
use crate::route::{IfIndex, KernelObject, Leg, ObjectSpec, Target};
use crate::settings::NexthopObjects;
use crate::table::{Exit, Group, GroupId, GroupState, Slot, Wish};

/// Numbers of our objects begin here.
const FIRST: u32 = 0x4845_0000;
/// More routes than this are worth an object; fewer than half of it are not any more.
const MANY: u32 = 10_000;

/// Members of a group object: numbers of leg objects with weights, sorted.
type Members = SmallVec<[(u32, u16); 2]>;

#[derive(Debug)]
struct GroupObject {
    target: Arc<Target>,
    owner: Option<GroupId>,
    want: Members,
    /// What the kernel has; none: no such object.
    have: Option<Members>,
    seen: bool,
}

#[derive(Debug)]
struct LegObject {
    leg: Leg,
    there: bool,
    seen: bool,
}

/// What went with some leg objects.
struct Lost {
    /// Whether one of them was taken to be in the kernel, or in a group there.
    known: Known,
    /// Groups that have no leg left.
    emptied: Vec<u32>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Known {
    Yes,
    No,
}

#[derive(Debug)]
pub(super) struct Objects {
    mode: NexthopObjects,
    groups: BTreeMap<u32, GroupObject>,
    legs: BTreeMap<u32, LegObject>,
    leg_ids: HashMap<Leg, u32>,
    owners: HashMap<GroupId, u32>,
    /// Groups whose object could not be made; they are tried again when links change, and from time to time.
    failed: HashSet<GroupId>,
    retry_at: Option<Timestamp>,
    wait: Duration,
    /// Numbers that others use.
    taken: BTreeSet<u32>,
    dirty: BTreeSet<u32>,
    /// How many of them are to be replaced, and wait until it is known whose they are.
    waiting: usize,
    next: u32,
}

impl Objects {
    pub(super) fn new(mode: NexthopObjects) -> Self {
        Self {
            mode,
            groups: BTreeMap::new(),
            legs: BTreeMap::new(),
            leg_ids: HashMap::new(),
            owners: HashMap::new(),
            failed: HashSet::new(),
            retry_at: None,
            wait: FibSync::RETRY.0,
            taken: BTreeSet::new(),
            dirty: BTreeSet::new(),
            waiting: 0,
            next: FIRST,
        }
    }

    pub(super) fn set_mode(&mut self, mode: NexthopObjects) {
        self.mode = mode;
    }

    /// Whether there are none, and none are wanted.
    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.legs.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        let groups = self.groups.values().filter(|group| group.have.is_some()).count();
        groups + self.legs.values().filter(|leg| leg.there).count()
    }

    /// How many are to be replaced, and wait for reports or a dump.
    pub(super) fn waiting(&self) -> usize {
        self.waiting
    }

    /// Whether a group is large enough for an object, not counting objects of the run before.
    pub(super) fn wants_object(&self, group: &Group, id: GroupId) -> bool {
        let eligible = may_have_object(group) && !self.failed.contains(&id);
        eligible
            && match self.mode {
                NexthopObjects::Never => false,
                NexthopObjects::Always => true,
                NexthopObjects::Auto => {
                    let least = if group.object.is_some() { MANY / 2 } else { MANY };
                    group.members > least
                }
            }
    }

    /// Whether the kernel has the object that a target names.
    pub(super) fn is_ready(&self, target: &Target) -> bool {
        match target {
            Target::Object(id) => self.groups.get(id).is_some_and(|group| group.have.is_some()),
            Target::Legs(_) | Target::Dead(_) => true,
        }
    }

    /// The group does not want an object any more.
    pub(super) fn release(&mut self, owner: GroupId) {
        if let Some(group) = self.owners.remove(&owner).and_then(|id| self.groups.get_mut(&id)) {
            group.owner = None;
        }
    }

    pub(super) fn retry_at(&self) -> Option<Timestamp> {
        self.retry_at
    }

    /// The group is no more.
    pub(super) fn forget(&mut self, owner: GroupId) {
        self.release(owner);
        self.failed.remove(&owner);
    }

    fn free_id(&mut self) -> u32 {
        while self.groups.contains_key(&self.next)
            || self.legs.contains_key(&self.next)
            || self.taken.contains(&self.next)
        {
            self.next = self.next.wrapping_add(1).max(FIRST);
        }
        self.next
    }

    /// The leg objects of some legs; numbers are given to new ones.
    fn members(&mut self, legs: &[Leg]) -> Members {
        let mut members: Members = legs
            .iter()
            .map(|leg| {
                let bare = Leg { weight: 1, ..*leg };
                let id = match self.leg_ids.get(&bare) {
                    Some(id) => *id,
                    None => {
                        let id = self.free_id();
                        self.legs.insert(id, LegObject { leg: bare, there: false, seen: false });
                        self.leg_ids.insert(bare, id);
                        id
                    }
                };
                (id, leg.weight)
            })
            .collect();
        members.sort_unstable();
        members
    }

    /// An object of the run before, or without an owner, that says the same.
    fn unowned(&self, want: &Members) -> Option<u32> {
        let same = |group: &&GroupObject| group.owner.is_none() && group.have.as_ref() == Some(want);
        self.groups.iter().find(|(_, group)| same(group)).map(|(id, _)| *id)
    }

    pub(super) fn begin_dump(&mut self) {
        self.groups.values_mut().for_each(|group| group.seen = false);
        self.legs.values_mut().for_each(|leg| leg.seen = false);
    }

    /// Leg objects are gone from the kernel, also those that were not known to be there: a group may have them. Where a
    /// stranger has taken the number of a leg of ours, groups may have his.
    fn lose(&mut self, is_gone: impl Fn(u32, Option<&LegObject>) -> bool) -> Lost {
        let mut gone = BTreeSet::new();
        let mut known = Known::No;
        for (id, leg) in &mut self.legs {
            if is_gone(*id, Some(leg)) {
                if std::mem::take(&mut leg.there) {
                    known = Known::Yes;
                }
                gone.insert(*id);
            }
        }
        let mut emptied = Vec::new();
        for (id, group) in &mut self.groups {
            let Some(have) = &mut group.have else { continue };
            let before = have.len();
            let legs = &self.legs;
            have.retain(|(leg, _)| !gone.contains(leg) && (legs.contains_key(leg) || !is_gone(*leg, None)));
            if have.len() == before {
                continue;
            }
            known = Known::Yes;
            self.dirty.insert(*id);
            if have.is_empty() {
                group.have = None;
                emptied.push(*id);
            }
        }
        Lost { known, emptied }
    }
}

/// Whether a group is one of those whose routes may point to an object. By a workload interface a route of ours is known by
/// the interface that it names itself.
fn may_have_object(group: &Group) -> bool {
    match (group.key.wish, group.exit) {
        (Wish::Learned(_), Exit::Elsewhere) => true,
        (Wish::Learned(_), Exit::Workload) | (Wish::Static | Wish::Blackhole, _) => false,
    }
}

impl FibSync {
    /// The object that the routes of a group point to, if there is to be one.
    pub(super) fn object_for(&mut self, id: GroupId, state: &GroupState) -> Option<Arc<Target>> {
        let group = self.table.group(id)?;
        let target = match state {
            GroupState::Good(target) => Arc::clone(target),
            // What holds now will hold when it can be resolved again.
            GroupState::Held { .. } => return group.object.clone(),
            GroupState::Unresolved { .. } | GroupState::Rejected => {
                self.objects.release(id);
                return None;
            }
        };
        let Target::Legs(legs) = &*target else {
            self.objects.release(id);
            return None;
        };
        let large = self.objects.wants_object(group, id);
        let early = !large
            && self.stale == Stale::Kept
            && self.objects.mode == NexthopObjects::Auto
            && !self.objects.groups.is_empty()
            && may_have_object(group);
        if !large && !early {
            self.objects.release(id);
            return None;
        }
        let want = self.objects.members(legs);
        let known = self.objects.owners.get(&id).copied();
        let number = match known.or_else(|| self.objects.unowned(&want)) {
            Some(number) => number,
            None if early => return None,
            None => {
                let number = self.objects.free_id();
                let target = self.intern(Target::Object(number));
                let object = GroupObject { target, owner: None, want: want.clone(), have: None, seen: false };
                self.objects.groups.insert(number, object);
                number
            }
        };
        self.objects.owners.insert(id, number);
        let object = self.objects.groups.get_mut(&number)?;
        object.owner = Some(id);
        if object.have.as_ref() != Some(&want) {
            self.objects.dirty.insert(number);
        }
        object.want = want;
        Some(Arc::clone(&object.target))
    }

    /// An object was made or changed by somebody else, or is told by a dump.
    pub(super) fn object_reported(&mut self, object: KernelObject) {
        if object.protocol != self.settings.protocol {
            self.object_taken(object.id);
            return;
        }
        let id = object.id;
        match object.object {
            ObjectSpec::Leg(leg) => {
                let other = self.objects.legs.get(&id).is_some_and(|known| known.leg != leg);
                if other || self.objects.groups.contains_key(&id) {
                    self.number_lost(id);
                }
                // A second object for the same leg belongs to nobody; it goes when nothing points to it.
                self.objects.leg_ids.entry(leg).or_insert(id);
                let entry = self.objects.legs.entry(id).or_insert(LegObject { leg, there: true, seen: true });
                entry.there = true;
                entry.seen = true;
            }
            ObjectSpec::Group(members) => {
                if self.objects.legs.contains_key(&id) {
                    self.number_lost(id);
                }
                let target = self.intern(Target::Object(id));
                let entry = self.objects.groups.entry(id).or_insert_with(|| GroupObject {
                    target,
                    owner: None,
                    want: members.clone(),
                    have: None,
                    seen: true,
                });
                entry.seen = true;
                if entry.want != members {
                    self.objects.dirty.insert(id);
                }
                let first = entry.have.replace(members).is_none();
                if let Some(owner) = entry.owner.filter(|_| first) {
                    self.mark_group(owner);
                }
            }
            ObjectSpec::Other => self.object_taken(id),
        }
    }

    /// Somebody else took an object away.
    pub(super) fn object_gone(&mut self, id: u32) {
        self.objects.taken.remove(&id);
        let mut lost = self.objects.lose(|other, _| other == id);
        let group = self.objects.groups.get_mut(&id);
        if group.is_none_or(|group| group.have.take().is_some()) {
            self.objects.dirty.insert(id);
            lost.emptied.push(id);
        }
        self.lost(&lost);
    }

    /// The carrier of a link is gone: so are the objects on it, and the routes that have no other leg.
    pub(super) fn objects_lost(&mut self, index: IfIndex) {
        let mut lost = self.objects.lose(|_, leg| leg.is_none_or(|object| object.leg.interface == index));
        lost.emptied.extend(self.pointed_to_in_vain());
        self.lost(&lost);
    }

    /// Objects are assumed gone, and routes with them; a dump tells.
    fn lost(&mut self, lost: &Lost) {
        self.routes_lost(&lost.emptied);
        if lost.known == Known::Yes {
            self.dumps.want();
        }
    }

    /// Routes that point to objects that are gone are assumed gone; a dump tells.
    fn routes_lost(&mut self, objects: &[u32]) {
        let pointed_to = |id: &u32| self.targets.get(&Target::Object(*id)).is_some_and(|t| Arc::strong_count(t) > 1);
        if !objects.iter().any(pointed_to) {
            return;
        }
        let mut touched: Vec<Slot> = Vec::new();
        for slot in 0..self.table.slots() {
            let Some((slot, entry)) = self.table.used(slot) else { continue };
            let points = |target: &Target| matches!(target, Target::Object(id) if objects.contains(id));
            if !entry.actual.iter().any(|known| points(&known.target)) {
                continue;
            }
            self.drop_actual(slot, |known| points(&known.target));
            touched.push(slot);
        }
        for slot in touched {
            self.mark(slot);
        }
        self.dumps.want();
    }

    /// It is time to try objects again that could not be made.
    pub(super) fn retry_objects(&mut self) {
        if self.objects.retry_at.is_some_and(|at| at <= self.now) {
            self.objects.retry_at = None;
            self.objects.wait = self.objects.wait.saturating_mul(2).min(Self::RETRY.1);
            self.dirty_groups.extend(self.objects.failed.drain());
        }
    }

    /// A link came up: what could not be made may be possible now.
    pub(super) fn objects_possible(&mut self) {
        self.dirty_groups.extend(self.objects.failed.drain());
        let all: Vec<u32> = self.objects.groups.keys().copied().collect();
        self.objects.dirty.extend(all);
    }

    /// What a whole dump did not have is not there.
    pub(super) fn end_object_dump(&mut self) {
        let all: Vec<u32> = self.objects.groups.keys().copied().collect();
        self.objects.dirty.extend(all);
        let mut emptied = self.objects.lose(|_, leg| leg.is_some_and(|leg| !leg.seen)).emptied;
        for (id, group) in &mut self.objects.groups {
            if !group.seen && group.have.take().is_some() {
                self.objects.dirty.insert(*id);
                emptied.push(*id);
            }
        }
        if !emptied.is_empty() {
            self.routes_lost(&emptied);
        }
    }

    /// Appends what makes the objects that are wanted: legs before groups.
    pub(super) fn poll_objects(&mut self, most: usize, heard: Heard, writes: &mut Vec<Write>) {
        self.give_up_objects();
        let mut groups = Vec::new();
        let mut waiting = Vec::new();
        while self.in_flight.len() < most
            && let Some(id) = self.objects.dirty.pop_first()
        {
            let Some(group) = self.objects.groups.get(&id) else { continue };
            let owned = group.owner.is_some_and(|owner| self.is_good(owner));
            if !owned || group.have.as_ref() == Some(&group.want) {
                continue;
            }
            let kind = if group.have.is_some() { WriteKind::Replace } else { WriteKind::Create };
            let want = group.want.clone();
            if kind == WriteKind::Replace && !self.may_touch_objects(heard) {
                waiting.push(id);
                continue;
            }
            for (leg, _) in &want {
                let Some(leg_object) = self.objects.legs.get(leg).filter(|leg| !leg.there) else { continue };
                let spec = ObjectSpec::Leg(leg_object.leg);
                let queued = self.in_flight.iter().any(|w| matches!(w, InFlight::Object(_, o) if o.id == *leg));
                if !queued {
                    self.send_object(WriteKind::Create, *leg, spec, writes);
                }
            }
            groups.push((kind, id, want));
        }
        self.objects.waiting = waiting.len();
        self.objects.dirty.extend(waiting);
        for (kind, id, want) in groups {
            self.send_object(kind, id, ObjectSpec::Group(want), writes);
        }
    }

    fn is_good(&self, id: GroupId) -> bool {
        self.table.group(id).is_some_and(|group| matches!(group.state, GroupState::Good(_)))
    }

    fn send_object(&mut self, kind: WriteKind, id: u32, object: ObjectSpec, writes: &mut Vec<Write>) {
        let object = KernelObject { id, protocol: self.settings.protocol, object };
        writes.push(Write::Object(kind, object.clone()));
        self.in_flight.push(InFlight::Object(kind, object));
    }

    /// Appends what takes away objects that nothing points to: groups first, then legs. Routes that are only assumed gone may
    /// be there and point to one that a torn dump has told of, so where a dump is wanted it is waited for.
    pub(super) fn poll_object_deletions(&mut self, most: usize, heard: Heard, writes: &mut Vec<Write>) {
        if self.stale == Stale::Kept || self.dumps.is_wanted() {
            return;
        }
        // One reference of the set of targets, one of the object itself.
        let idle = |group: &GroupObject| group.owner.is_none() && Arc::strong_count(&group.target) <= 2;
        let groups: Vec<u32> =
            self.objects.groups.iter().filter(|(_, group)| idle(group)).map(|(id, _)| *id).take(most).collect();
        for id in groups {
            let Some(group) = self.objects.groups.get(&id) else { continue };
            match group.have.clone() {
                Some(members) if self.may_touch_objects(heard) => {
                    self.send_object(WriteKind::Delete, id, ObjectSpec::Group(members), writes);
                }
                Some(_) => {}
                None => {
                    self.objects.groups.remove(&id);
                }
            }
        }
        if !self.in_flight.is_empty() {
            return;
        }
        let used: HashSet<u32> = self
            .objects
            .groups
            .values()
            .flat_map(|group| group.want.iter().chain(group.have.iter().flatten()))
            .map(|(leg, _)| *leg)
            .collect();
        let legs: Vec<u32> = self.objects.legs.keys().filter(|id| !used.contains(*id)).copied().take(most).collect();
        for id in legs {
            let Some(leg) = self.objects.legs.get(&id) else { continue };
            let spec = ObjectSpec::Leg(leg.leg);
            if !leg.there {
                self.forget_leg(id);
            } else if self.may_touch_objects(heard) {
                self.send_object(WriteKind::Delete, id, spec, writes);
            }
        }
    }

    fn forget_leg(&mut self, id: u32) {
        if let Some(leg) = self.objects.legs.remove(&id)
            && self.objects.leg_ids.get(&leg.leg) == Some(&id)
        {
            self.objects.leg_ids.remove(&leg.leg);
        }
    }

    /// What became of a write of an object.
    pub(super) fn object_result(&mut self, kind: WriteKind, object: KernelObject, refusal: Option<Refusal>) {
        let id = object.id;
        match (kind, refusal) {
            (_, Some(Refusal::Unknown)) => {
                self.counters.unknown += 1;
                self.dumps.want();
            }
            (WriteKind::Delete, None | Some(Refusal::Missing)) => match object.object {
                ObjectSpec::Group(_) => {
                    self.objects.groups.remove(&id);
                }
                ObjectSpec::Leg(_) | ObjectSpec::Other => self.forget_leg(id),
            },
            (WriteKind::Create | WriteKind::Replace, None) => self.object_made(id, object.object),
            // It may be ours, taken to be gone too early: after the dump it is known, or tried again.
            (WriteKind::Create, Some(Refusal::Exists)) if self.deletions_wait_for_dump() => {}
            (WriteKind::Create, Some(Refusal::Exists)) => {
                // Somebody has taken the number; the object gets another one.
                self.objects.taken.insert(id);
                self.renumber(id);
            }
            (WriteKind::Replace, Some(Refusal::Missing)) => {
                if let Some(group) = self.objects.groups.get_mut(&id) {
                    group.have = None;
                    self.objects.dirty.insert(id);
                }
                self.routes_lost(&[id]);
            }
            (
                WriteKind::Create | WriteKind::Replace | WriteKind::Delete,
                Some(Refusal::Exists | Refusal::Missing | Refusal::Errno(_)),
            ) => {
                self.counters.failures += 1;
                match kind {
                    WriteKind::Create | WriteKind::Replace => self.object_failed(id),
                    WriteKind::Delete => {
                        // It stays in the kernel; its number is not used again.
                        self.objects.taken.insert(id);
                        self.objects.groups.remove(&id);
                        self.forget_leg(id);
                    }
                }
            }
        }
    }

    fn object_made(&mut self, id: u32, made: ObjectSpec) {
        match made {
            ObjectSpec::Leg(_) | ObjectSpec::Other => {
                if let Some(leg) = self.objects.legs.get_mut(&id) {
                    leg.there = true;
                    leg.seen = true;
                }
            }
            ObjectSpec::Group(members) => {
                let Some(group) = self.objects.groups.get_mut(&id) else { return };
                let first = group.have.is_none();
                group.seen = true;
                if group.want != members {
                    self.objects.dirty.insert(id);
                }
                group.have = Some(members);
                if first && let Some(owner) = group.owner {
                    self.mark_group(owner);
                }
                if self.objects.retry_at.is_none() {
                    self.objects.wait = Self::RETRY.0;
                }
            }
        }
    }

    /// A number is another's: whoever used it is set up anew.
    fn renumber(&mut self, id: u32) {
        if self.objects.legs.contains_key(&id) {
            self.forget_leg(id);
            let users = self.objects.groups.values().filter(|group| group.want.iter().any(|(leg, _)| *leg == id));
            self.dirty_groups.extend(users.filter_map(|group| group.owner));
        }
        if let Some(group) = self.objects.groups.remove(&id)
            && let Some(owner) = group.owner
        {
            self.objects.owners.remove(&owner);
            self.dirty_groups.insert(owner);
        }
    }

    /// An object cannot be made: the routes have their legs themselves, until links change.
    fn object_failed(&mut self, id: u32) {
        let by_leg = |group: &GroupObject| group.want.iter().any(|(leg, _)| *leg == id);
        let owners: Vec<GroupId> = self
            .objects
            .groups
            .iter()
            .filter(|(number, group)| **number == id || (group.have.is_none() && by_leg(group)))
            .filter_map(|(_, group)| group.owner)
            .collect();
        for owner in owners {
            self.do_without_object(owner);
        }
        self.dumps.want();
    }
}
