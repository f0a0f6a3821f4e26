//! The destinations: what each is wanted to be and what the kernel has of ours, in slots; and the groups that they
//! form by having the same next hops.
//!
//! All routes of a group lead to the same target, so a next hop that moves is resolved once a group, and the group's
//! slots are linked to each other so that only they are visited.

use std::hash::BuildHasher as _;
use std::sync::Arc;

use hashbrown::hash_table::Entry as IndexEntry;
use hashbrown::{DefaultHashBuilder, HashTable};
use heddle_bgp_core::{Prefix, Timestamp};
use smallvec::SmallVec;

use crate::input::{NextHop, Source};
use crate::lengths::Lengths;
use crate::resolver::Unresolved;
use crate::route::{Dead, Target};

/// Index of a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Slot(pub(crate) u32);

/// Index of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct GroupId(pub(crate) u32);

/// No slot, no group.
const NONE: u32 = u32::MAX;

/// What the rules decided about a route; the numbers are those of the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome {
    Install,
    Tunnel(u16),
    Reject(u16),
}

/// What kind of wish stands behind a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Wish {
    Learned(Source),
    Static,
    Blackhole,
}

/// All that decides about the target of a route, and its metric.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct GroupKey {
    pub(crate) wish: Wish,
    pub(crate) outcome: Outcome,
    pub(crate) metric: u32,
    pub(crate) next_hops: SmallVec<[NextHop; 1]>,
}

/// By which interfaces the routes of a group leave, where that says which number they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Exit {
    /// All of them are workloads'.
    Workload,
    /// Some are not, or there is but one number.
    Elsewhere,
}

/// What holds for a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GroupState {
    /// Its routes lead there.
    Good(Arc<Target>),
    /// It cannot be resolved since then; what the kernel has stays until the time is over.
    Held { since: Timestamp, why: Unresolved },
    /// It cannot be resolved, and its routes are not in the kernel.
    Unresolved { since: Timestamp, why: Unresolved },
    /// A rule keeps it out.
    Rejected,
}

#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) key: Arc<GroupKey>,
    pub(crate) state: GroupState,
    /// Where its routes leave, as far as they were resolved last.
    pub(crate) exit: Exit,
    /// The object of the kernel that its routes point to.
    pub(crate) object: Option<Arc<Target>>,
    pub(crate) members: u32,
    head: u32,
}

/// What we know of a route of ours in the kernel.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Actual {
    pub(crate) metric: u32,
    pub(crate) target: Arc<Target>,
    pub(crate) tos: u8,
    pub(crate) protocol: u8,
    pub(crate) stale: bool,
    pub(crate) seen: bool,
}

#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) prefix: Prefix,
    group: u32,
    previous: u32,
    next: u32,
    pub(crate) dirty: bool,
    /// Withdrawn while its next hop could not be resolved: it goes when the time of its group is over.
    pub(crate) withdrawn: bool,
    pub(crate) actual: SmallVec<[Actual; 1]>,
}

impl Entry {
    pub(crate) fn group(&self) -> Option<GroupId> {
        (self.group != NONE).then_some(GroupId(self.group))
    }
}

#[derive(Debug, Default)]
pub(crate) struct Table {
    entries: Vec<Entry>,
    free: Vec<u32>,
    /// Slots by the hashes of their destinations.
    index: HashTable<u32>,
    groups: Vec<Option<Group>>,
    free_groups: Vec<u32>,
    /// Groups by the hashes of their keys.
    group_index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    lengths: Lengths,
}

impl Table {
    pub(crate) fn lengths(&self) -> &Lengths {
        &self.lengths
    }

    pub(crate) fn find(&self, prefix: Prefix) -> Option<Slot> {
        let is_it = |slot: &u32| self.entries[*slot as usize].prefix == prefix;
        self.index.find(self.hasher.hash_one(prefix), is_it).map(|slot| Slot(*slot))
    }

    /// The slot of a destination, made when there is none.
    pub(crate) fn slot(&mut self, prefix: Prefix) -> Slot {
        let Self { entries, free, index, hasher, .. } = self;
        let is_it = |slot: &u32| entries[*slot as usize].prefix == prefix;
        let hash = |slot: &u32| hasher.hash_one(entries[*slot as usize].prefix);
        let vacant = match index.entry(hasher.hash_one(prefix), is_it, hash) {
            IndexEntry::Occupied(known) => return Slot(*known.get()),
            IndexEntry::Vacant(vacant) => vacant,
        };
        let entry = Entry {
            prefix,
            group: NONE,
            previous: NONE,
            next: NONE,
            dirty: false,
            withdrawn: false,
            actual: SmallVec::new(),
        };
        let slot = free.pop().unwrap_or_else(|| number(entries.len()));
        vacant.insert(slot);
        match entries.get_mut(slot as usize) {
            Some(free) => *free = entry,
            None => entries.push(entry),
        }
        Slot(slot)
    }

    pub(crate) fn entry(&self, slot: Slot) -> &Entry {
        &self.entries[slot.0 as usize]
    }

    pub(crate) fn entry_mut(&mut self, slot: Slot) -> &mut Entry {
        &mut self.entries[slot.0 as usize]
    }

    /// Forgets a destination that nobody wants and of which the kernel has nothing.
    pub(crate) fn forget_if_empty(&mut self, slot: Slot) {
        let entry = self.entry(slot);
        let (prefix, empty) = (entry.prefix, entry.group == NONE && entry.actual.is_empty() && !entry.dirty);
        if empty && let Ok(entry) = self.index.find_entry(self.hasher.hash_one(prefix), |other| *other == slot.0) {
            entry.remove();
            self.free.push(slot.0);
        }
    }

    /// How many slots there are, used or not.
    pub(crate) fn slots(&self) -> u32 {
        u32::try_from(self.entries.len()).unwrap_or(u32::MAX)
    }

    /// The destination of a slot that is in use.
    pub(crate) fn used(&self, slot: u32) -> Option<(Slot, &Entry)> {
        let entry = self.entries.get(slot as usize)?;
        (self.find(entry.prefix) == Some(Slot(slot))).then_some((Slot(slot), entry))
    }

    pub(crate) fn group(&self, id: GroupId) -> Option<&Group> {
        self.groups.get(id.0 as usize).and_then(Option::as_ref)
    }

    pub(crate) fn group_mut(&mut self, id: GroupId) -> Option<&mut Group> {
        self.groups.get_mut(id.0 as usize).and_then(Option::as_mut)
    }

    pub(crate) fn find_group(&self, key: &GroupKey) -> Option<GroupId> {
        let is_it = |id: &u32| self.group(GroupId(*id)).is_some_and(|group| *group.key == *key);
        self.group_index.find(self.hasher.hash_one(key), is_it).map(|id| GroupId(*id))
    }

    pub(crate) fn add_group(&mut self, key: GroupKey, state: GroupState, exit: Exit) -> GroupId {
        let hash = self.hasher.hash_one(&key);
        let group = Some(Group { key: Arc::new(key), state, exit, object: None, members: 0, head: NONE });
        let id = match self.free_groups.pop() {
            Some(id) => {
                self.groups[id as usize] = group;
                id
            }
            None => {
                self.groups.push(group);
                number(self.groups.len() - 1)
            }
        };
        let Self { groups, group_index, hasher, .. } = self;
        let hash_of = |id: &u32| groups[*id as usize].as_ref().map_or(0, |group| hasher.hash_one(&*group.key));
        group_index.insert_unique(hash, id, hash_of);
        GroupId(id)
    }

    /// Takes a group without members away.
    pub(crate) fn remove_group(&mut self, id: GroupId) -> Option<Group> {
        let group = self.groups.get_mut(id.0 as usize)?.take_if(|group| group.members == 0)?;
        if let Ok(entry) = self.group_index.find_entry(self.hasher.hash_one(&*group.key), |other| *other == id.0) {
            entry.remove();
        }
        self.free_groups.push(id.0);
        Some(group)
    }

    pub(crate) fn group_ids(&self) -> Vec<GroupId> {
        (0..u32::try_from(self.groups.len()).unwrap_or(u32::MAX))
            .map(GroupId)
            .filter(|id| self.group(*id).is_some())
            .collect()
    }

    /// Puts a destination into a group, or into none; the group that it left, with what it is wanted for.
    pub(crate) fn set_group(&mut self, slot: Slot, group: Option<GroupId>) -> Option<GroupId> {
        let old = self.entry(slot).group();
        if old == group {
            return None;
        }
        let prefix = self.entry(slot).prefix;
        match (old, group) {
            (None, Some(_)) => self.lengths.add(prefix),
            (Some(_), None) => self.lengths.remove(prefix),
            (Some(_), Some(_)) | (None, None) => {}
        }
        if let Some(old) = old {
            self.unlink(slot, old);
        }
        if let Some(GroupId(id)) = group
            && let Some(target) = self.groups.get_mut(id as usize).and_then(Option::as_mut)
        {
            let head = std::mem::replace(&mut target.head, slot.0);
            target.members += 1;
            if let Some(head) = self.entries.get_mut(head as usize) {
                head.previous = slot.0;
            }
            let entry = self.entry_mut(slot);
            entry.group = id;
            entry.previous = NONE;
            entry.next = head;
        }
        old
    }

    fn unlink(&mut self, slot: Slot, group: GroupId) {
        let entry = self.entry_mut(slot);
        let (previous, next) = (entry.previous, entry.next);
        entry.group = NONE;
        entry.previous = NONE;
        entry.next = NONE;
        if let Some(next) = self.entries.get_mut(next as usize) {
            next.previous = previous;
        }
        match self.entries.get_mut(previous as usize) {
            Some(previous) => previous.next = next,
            None => {
                if let Some(group) = self.group_mut(group) {
                    group.head = next;
                }
            }
        }
        if let Some(group) = self.group_mut(group) {
            group.members -= 1;
        }
    }

    /// The slots of a group.
    pub(crate) fn members(&self, group: GroupId) -> Members<'_> {
        Members { table: self, at: self.group(group).map_or(NONE, |group| group.head) }
    }

    /// What is wanted for a destination, as far as next hops are concerned: what other next hops may resolve over.
    pub(crate) fn learned(&self, prefix: Prefix) -> Option<&GroupKey> {
        let group = self.entry(self.find(prefix)?).group()?;
        self.group(group).map(|group| &*group.key)
    }

    /// The dead target of blackhole routes.
    pub(crate) fn blackhole() -> Target {
        Target::Dead(Dead::Blackhole)
    }
}

/// The number of a slot or group.
fn number(place: usize) -> u32 {
    u32::try_from(place).expect("invariant: fewer destinations than 2^32")
}

/// The slots of a group, one after the other.
pub(crate) struct Members<'a> {
    table: &'a Table,
    at: u32,
}

impl Iterator for Members<'_> {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        let entry = self.table.entries.get(self.at as usize)?;
        let slot = Slot(self.at);
        self.at = entry.next;
        Some(slot)
    }
}
