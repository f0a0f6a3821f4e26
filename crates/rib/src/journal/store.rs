//! The segments of a journal and their bookkeeping.

use std::collections::VecDeque;

use bytes::Bytes;

use super::{Audience, MemberLink, SEGMENT_OVERHEAD};
use crate::route::PeerId;

/// Number of an interned set of peers in one journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SetId(pub(crate) u32);

/// Whole messages for the same audience.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// Where it ends in the segment's data; it begins where the one before ends.
    pub(crate) end: u32,
    pub(crate) audience: Audience,
}

/// A piece of a journal.
#[derive(Debug)]
pub(crate) struct Segment {
    /// Position of its first octet.
    pub(crate) start: u64,
    /// The batch whose changes it carries, or the last flushed one when a walk wrote it.
    pub(crate) generation: u32,
    pub(crate) data: Bytes,
    pub(crate) runs: Box<[Run]>,
}

impl Segment {
    fn end(&self) -> u64 {
        self.start + self.data.len() as u64
    }
    fn cost(&self) -> usize {
        self.data.len() + SEGMENT_OVERHEAD + size_of_val(&*self.runs)
    }
}

#[derive(Debug)]
struct PeerSet {
    peers: Box<[PeerId]>,
    /// Runs that name it.
    runs: u32,
}

/// The journal of one update group.
#[derive(Debug)]
pub(crate) struct Journal {
    pub(super) segments: VecDeque<Segment>,
    head: u64,
    sets: Vec<Option<PeerSet>>,
    bytes: usize,
}

impl Journal {
    pub(crate) fn new() -> Self {
        Self { segments: VecDeque::new(), head: 0, sets: Vec::new(), bytes: 0 }
    }

    /// Position after the last octet.
    pub(crate) const fn head(&self) -> u64 {
        self.head
    }

    /// What the segments take, as it is counted against the bounds.
    pub(crate) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Interns a sorted set of peers.
    pub(crate) fn set(&mut self, peers: &[PeerId]) -> SetId {
        let known = self.sets.iter().position(|s| s.as_ref().is_some_and(|s| *s.peers == *peers));
        let at = known.or_else(|| self.sets.iter().position(Option::is_none)).unwrap_or_else(|| {
            self.sets.push(None);
            self.sets.len() - 1
        });
        if let Some(slot) = self.sets.get_mut(at) {
            slot.get_or_insert_with(|| PeerSet { peers: peers.into(), runs: 0 });
        }
        SetId(u32::try_from(at).unwrap_or(u32::MAX))
    }

    /// Whether `peer` is in the audience.
    pub(crate) fn is_for(&self, audience: Audience, peer: PeerId) -> bool {
        let in_set = |set: SetId| {
            let set = self.sets.get(set.0 as usize).and_then(Option::as_ref);
            set.is_some_and(|s| s.peers.binary_search(&peer).is_ok())
        };
        match audience {
            Audience::All => true,
            Audience::Except(p) => p != peer,
            Audience::Only(p) => p == peer,
            Audience::Set(s) => in_set(s),
            Audience::SetExcept(s, p) => p != peer && in_set(s),
        }
    }

    /// Appends a segment; empty ones are left out. Members that had reached the end and for whom nothing is in it stay
    /// at the end; the writers of the others are to be woken and are pushed to `wake`.
    pub(crate) fn append<'m>(
        &mut self,
        generation: u32,
        data: Bytes,
        runs: Box<[Run]>,
        members: impl Iterator<Item = &'m MemberLink>,
        wake: &mut Vec<PeerId>,
    ) {
        if data.is_empty() {
            return;
        }
        for run in &runs {
            if let Audience::Set(set) | Audience::SetExcept(set, _) = run.audience
                && let Some(Some(set)) = self.sets.get_mut(set.0 as usize)
            {
                set.runs += 1;
            }
        }
        let segment = Segment { start: self.head, generation, data, runs };
        self.head = segment.end();
        self.bytes += segment.cost();
        for member in members.filter(|m| m.is_parked()) {
            if segment.runs.iter().any(|r| self.is_for(r.audience, member.peer())) {
                member.unpark();
                wake.push(member.peer());
            } else {
                member.publish(self.head);
            }
        }
        self.segments.push_back(segment);
    }

    /// The segment that has the octet at `position`; none at the end.
    pub(crate) fn segment_at(&self, position: u64) -> Option<&Segment> {
        let at = self.segments.partition_point(|s| s.end() <= position);
        self.segments.get(at)
    }

    /// The last batch that a member at `position` has wholly received: B.6, "s".
    pub(crate) fn delivered(&self, position: u64, last: u32) -> u32 {
        self.segment_at(position).map_or(last, |s| s.generation.saturating_sub(1))
    }

    /// Drops what lies wholly before `position`.
    pub(crate) fn trim(&mut self, position: u64) {
        while let Some(s) = self.segments.front().filter(|s| s.end() <= position) {
            self.bytes -= s.cost();
            for run in &s.runs {
                if let Audience::Set(set) | Audience::SetExcept(set, _) = run.audience
                    && let Some(slot) = self.sets.get_mut(set.0 as usize)
                    && let Some(peers) = slot
                {
                    peers.runs -= 1;
                    if peers.runs == 0 {
                        *slot = None;
                    }
                }
            }
            self.segments.pop_front();
        }
    }

    /// The number of batches began anew: whatever is undelivered belongs to batch 2 (B.1).
    pub(crate) fn renumber(&mut self) {
        for s in &mut self.segments {
            s.generation = 2;
        }
    }
}
