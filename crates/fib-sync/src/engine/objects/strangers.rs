//! Strangers: who takes the number of an object of ours, and what is done while it is not known who has it.
//!
//! The kernel replaces and deletes an object by its number alone, whoever has it. So both wait, as routes do, until all
//! reports are read, and after lost ones for a dump. Where dumps are in vain the routes have their legs themselves until
//! objects are tried again, and what is not used any more is left for better times: there is no full description of an
//! object that the kernel would look at.

use std::sync::Arc;

use super::FibSync;
use crate::engine::writes::Heard;
use crate::route::Target;
use crate::table::GroupId;

impl FibSync {
    /// Somebody else has a number, perhaps in place of us: then the object gets another one. Routes that pointed to ours
    /// point to his until they are replaced.
    pub(super) fn object_taken(&mut self, id: u32) {
        self.objects.taken.insert(id);
        self.number_lost(id);
    }

    /// What we have, or would have, under a number is not what the kernel has there.
    pub(super) fn number_lost(&mut self, id: u32) {
        let group = self.objects.groups.get(&id).is_some_and(|group| group.have.is_some());
        let leg = self.objects.legs.get(&id).is_some_and(|leg| leg.there);
        if (group || leg) && !self.dumps.is_running() {
            // The report may be older than what we have written there since.
            self.dumps.want();
        }
        self.renumber(id);
    }

    /// Objects of others that routes of ours point to: they have the numbers of ours.
    pub(super) fn pointed_to_in_vain(&self) -> Vec<u32> {
        let objects = self.targets.iter().filter(|target| Arc::strong_count(target) > 1);
        let ids = objects.filter_map(|target| match **target {
            Target::Object(id) => Some(id),
            Target::Legs(_) | Target::Dead(_) => None,
        });
        ids.filter(|id| !self.objects.groups.contains_key(id)).collect()
    }

    /// Whether an object of ours may be replaced or taken away.
    pub(super) fn may_touch_objects(&mut self, heard: Heard) -> bool {
        match heard {
            _ if self.dumps.is_blind() => false,
            Heard::All => true,
            Heard::Some => {
                self.to_hear = true;
                false
            }
        }
    }

    /// Where dumps are in vain, objects are not waited for that are to be replaced.
    pub(super) fn give_up_objects(&mut self) {
        if !self.dumps.is_blind() || !self.dumps.is_in_vain() {
            return;
        }
        let groups = self.objects.dirty.iter().filter_map(|id| self.objects.groups.get(id));
        let waiting = groups.filter(|group| group.have.as_ref().is_some_and(|have| *have != group.want));
        let owners: Vec<GroupId> = waiting.filter_map(|group| group.owner).filter(|id| self.is_good(*id)).collect();
        for owner in owners {
            self.do_without_object(owner);
        }
        self.settle();
    }

    /// The routes of a group have their legs themselves, until objects are tried again.
    pub(super) fn do_without_object(&mut self, owner: GroupId) {
        self.objects.release(owner);
        self.objects.failed.insert(owner);
        self.dirty_groups.insert(owner);
        self.objects.retry_at.get_or_insert(self.now + self.objects.wait);
    }
}
