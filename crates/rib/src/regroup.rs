//! A member changes its group without a reset: what it gets by another policy is sent only where it differs from what it
//! has (B.6, regroup).
//!
//! What it has of a destination is known where nothing was owed to it and nothing was flushed since: that is what its old
//! group said of what is announced now. Everywhere else it is sent what the new group says.

use heddle_bgp_core::Family;

use crate::debt::{Debt, NONE};
use crate::dirty::Announced;
use crate::family::{FamilyRib, Shared};
use crate::table::Addr;
use crate::update_group::{Context, Group, GroupKind, Said};

/// What a member had when it left its group.
#[derive(Debug)]
pub(crate) struct Moved {
    /// The group that it left.
    from: GroupKind,
    /// The last batch that it had wholly.
    since: u32,
    /// What it owed itself apart from later batches.
    owed: Debt,
}

/// What all of some members had.
#[derive(Debug)]
pub(crate) struct Had {
    groups: Vec<Group>,
    since: u32,
    owed: Vec<Debt>,
}

impl Had {
    /// None unless all of them moved.
    pub(crate) fn by<'a>(family: Family, members: impl Iterator<Item = Option<&'a Moved>>) -> Option<Self> {
        let mut had = Self { groups: Vec::new(), since: u32::MAX, owed: Vec::new() };
        for moved in members {
            let moved = moved?;
            had.since = had.since.min(moved.since);
            if !had.groups.iter().any(|g| g.kind == moved.from) {
                had.groups.push(Group::new(moved.from.clone(), family));
            }
            if !had.owed.contains(&moved.owed) {
                had.owed.push(moved.owed.clone());
            }
        }
        (!had.groups.is_empty()).then_some(had)
    }

    /// Whether they have what their groups say of a destination that was last flushed in this batch.
    pub(crate) fn knows(&self, slot: u32, generation: u32) -> bool {
        generation <= self.since && self.owed.iter().all(|debt| debt.at(slot) == (NONE, NONE))
    }

    /// Whether their groups said of a path what `group` says.
    pub(crate) fn is_same<A: Addr>(
        &mut self,
        cx: &Context<'_, A>,
        (slot, tx, path): (u32, u16, Option<Announced>),
        group: &Group,
        said: Option<Said>,
    ) -> bool {
        self.groups.iter_mut().all(|old| match (old.say(cx, slot, tx, path), said) {
            (None, None) => true,
            (Some(o), Some(n)) => o.peer == n.peer && old.block(o) == group.block(n),
            (Some(_), None) | (None, Some(_)) => false,
        })
    }
}

impl<A: Addr> FamilyRib<A> {
    /// What is exported to a member changes: it goes to another group (B.6, regroup).
    pub(crate) fn regroup(&mut self, shared: &mut Shared, member: u32, kind: GroupKind) {
        let Some(m) = self.member(member) else { return };
        let (old, peer, owed) = (m.group, m.peer, m.debt.clone());
        let Some(from) = self.group(old).map(|g| g.kind.clone()).filter(|from| *from != kind) else { return };
        let since = self.detach(shared, member);
        let new = self.group_for(shared, kind);
        let slots = self.table.slots();
        // Other identifiers, or other paths by the same ones, are not compared.
        let comparable = self.group(old).map(Group::paths) == self.group(new).map(Group::paths);
        let Some(m) = self.member_mut(member) else { return };
        // One that has not come back since it moved has still what it had then.
        if let Some(since) = since {
            m.moved = Some(Box::new(Moved { from, since, owed }));
        }
        if !comparable {
            m.moved = None;
        }
        m.debt.owe(0, slots, 0, 0);
        m.group = new;
        m.limit_exceeded = false;
        if let Some(Some(g)) = self.groups.get_mut(new as usize) {
            g.members.push(member);
            g.calm = false;
        }
        self.set_group_of(peer, Some(new));
        self.drop_from_group(old, member);
        self.trim(old);
        self.look_at_members = true;
    }
}
