//! Routes of a table, collected by their attributes so that they can be packed.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use heddle_bgp_core::{Family, Prefix};

/// Collected octets from which on everything is given out: a full table stays below, whatever the file claims.
const LIMIT: usize = 64 << 20;
/// Octets of prefixes from which on a group is given out: about a message.
const GROUP_LIMIT: usize = 4 << 10;

/// Routes with the same attributes.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) family: Family,
    /// Canonical block.
    pub(super) block: Box<[u8]>,
    /// Packed prefixes.
    pub(super) nlri: Vec<u8>,
}

/// Collects groups, and gives them out in the order in which they began.
#[derive(Debug, Default)]
pub(super) struct Groups {
    /// Positions in `collected`.
    index: HashMap<(Family, Box<[u8]>), usize>,
    collected: Vec<Group>,
    size: usize,
    out: VecDeque<Group>,
}

impl Groups {
    /// Adds a route.
    pub(super) fn add(&mut self, family: Family, block: Vec<u8>, prefix: Prefix) {
        let block = block.into_boxed_slice();
        let len = block.len();
        let position = *self.index.entry((family, block.clone())).or_insert_with(|| {
            self.size += 2 * len + 200;
            self.collected.push(Group { family, block, nlri: Vec::new() });
            self.collected.len() - 1
        });
        let Some(group) = self.collected.get_mut(position) else { return };
        let before = group.nlri.len();
        push_prefix(&mut group.nlri, prefix);
        self.size += group.nlri.len() - before;
        if group.nlri.len() >= GROUP_LIMIT {
            let nlri = std::mem::take(&mut group.nlri);
            self.size -= nlri.len();
            self.out.push_back(Group { family, block: group.block.clone(), nlri });
        }
        if self.size > LIMIT {
            self.drain();
        }
    }

    /// From now on everything that was collected is given out.
    pub(super) fn drain(&mut self) {
        self.index.clear();
        self.size = 0;
        self.out.extend(self.collected.drain(..).filter(|g| !g.nlri.is_empty()));
    }

    /// Whether there is something to give out.
    pub(super) fn draining(&self) -> bool {
        !self.out.is_empty()
    }

    /// The next to give out.
    pub(super) fn pop(&mut self) -> Option<Group> {
        self.out.pop_front()
    }
}

fn push_prefix(out: &mut Vec<u8>, prefix: Prefix) {
    out.push(prefix.len());
    let octets = usize::from(prefix.len()).div_ceil(8);
    match prefix.addr() {
        IpAddr::V4(a) => out.extend(a.octets().into_iter().take(octets)),
        IpAddr::V6(a) => out.extend(a.octets().into_iter().take(octets)),
    }
}
