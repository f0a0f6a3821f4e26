//! Nexthop objects.

use std::sync::Arc;

use super::FibSync;
use super::writes::{Refusal, Write, WriteKind};
use crate::route::{IfIndex, KernelObject, Target};
use crate::settings::NexthopObjects;
use crate::table::{Group, GroupId, GroupState};

#[derive(Debug)]
pub(super) struct Objects {
    mode: NexthopObjects,
}

impl Objects {
    pub(super) fn new(mode: NexthopObjects) -> Self {
        Self { mode }
    }
    pub(super) fn set_mode(&mut self, mode: NexthopObjects) {
        self.mode = mode;
    }
    pub(super) fn len(&self) -> usize {
        0
    }
    pub(super) fn wants_object(&self, _group: &Group) -> bool {
        false
    }
    pub(super) fn begin_dump(&mut self) {}
}

impl FibSync {
    pub(super) fn object_for(&mut self, _id: GroupId, _state: &GroupState) -> Option<Arc<Target>> {
        None
    }
    pub(super) fn object_reported(&mut self, _object: KernelObject) {}
    pub(super) fn object_gone(&mut self, _id: u32) {}
    pub(super) fn objects_lost(&mut self, _index: IfIndex) {}
    pub(super) fn objects_possible(&mut self) {}
    pub(super) fn settle_objects(&mut self) {}
    pub(super) fn end_object_dump(&mut self) {}
    pub(super) fn poll_objects(&mut self, _most: usize, _writes: &mut Vec<Write>) {}
    pub(super) fn poll_object_deletions(&mut self, _most: usize, _writes: &mut Vec<Write>) {}
    pub(super) fn object_result(&mut self, _kind: WriteKind, _object: KernelObject, _refusal: Option<Refusal>) {}
}
