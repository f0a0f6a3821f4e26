//! What a session hands to the RIB: a [`Batch`] is what one read of its socket brought (decoded, checked, attributes as
//! canonical blocks with their hash, NLRI still packed), built in the session's task by a [`BatchBuilder`].
//!
//! What depends on the session and not on the attributes alone (loops, leaks) is found out here, so that the owner of
//! the RIB reads no attribute twice.

use std::ops::Range;

use heddle_bgp_core::attr::{AsPathView, AttrCode, BlockView};
use heddle_bgp_core::nlri::PathIds;
use heddle_bgp_core::update::Update;
use heddle_bgp_core::{Asn, BgpId, ClusterId, Family, NlriSlice};
use smallvec::SmallVec;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::route::{Ineligible, PathFlags, SourceKind};

/// When a batch counts as full, in octets; it may be exceeded by one message.
pub const BATCH_BYTES: usize = 64 * 1024;

/// What judging a peer's routes has to know of the session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IngestContext {
    /// What kind of speaker the peer is.
    pub kind: SourceKind,
    /// AS numbers that are ours toward this peer: the router's, and `local_as` where it differs.
    pub own_asns: SmallVec<[Asn; 2]>,
    /// How often one of them may stand in AS_PATH.
    pub allow_own_as: u8,
    /// Our BGP Identifier.
    pub bgp_id: BgpId,
    /// Our CLUSTER_ID.
    pub cluster_id: ClusterId,
    /// Seed of the hash of attribute blocks: that of [`RibConfig`](crate::rib::RibConfig).
    pub seed: u64,
}

impl IngestContext {
    /// Why routes with these attributes take no part in the decision, so far as the session knows.
    #[must_use]
    pub fn judge(&self, block: BlockView<'_>) -> PathFlags {
        for attr in block {
            // RFC 4271 §9.1.2: a route whose AS_PATH has our AS is not considered.
            if attr.code == AttrCode::AS_PATH {
                let path = AsPathView(attr.value);
                if self.own_asns.iter().any(|&own| path.count(own) > usize::from(self.allow_own_as)) {
                    return PathFlags::ineligible(Ineligible::OwnAsLoop);
                }
            }
            if self.kind == SourceKind::Ebgp {
                continue;
            }
            // RFC 4456 §8: our own route came back.
            if attr.code == AttrCode::ORIGINATOR_ID && attr.value == self.bgp_id.0.to_be_bytes() {
                return PathFlags::ineligible(Ineligible::OriginatorLoop);
            }
            // RFC 4456 §8: the route was in our cluster before.
            if attr.code == AttrCode::CLUSTER_LIST {
                let ours = self.cluster_id.0.to_be_bytes();
                if attr.value.chunks_exact(4).any(|id| id == ours) {
                    return PathFlags::ineligible(Ineligible::ClusterLoop);
                }
            }
        }
        PathFlags::NONE
    }
}

/// What is done with the prefixes of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// They are advertised with the entry's block.
    Advertise,
    /// They are withdrawn.
    Withdraw,
    /// The peer's table is complete (RFC 4724 §2).
    EndOfRib,
    /// The peer begins to send its table anew (RFC 7313 §4).
    BeginRefresh,
    /// It has sent it (RFC 7313 §4).
    EndRefresh,
}

/// Prefixes of one family that share what is done with them.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) family: Family,
    pub(crate) path_ids: PathIds,
    pub(crate) action: Action,
    pub(crate) flags: PathFlags,
    pub(crate) hash: u64,
    block: Range<usize>,
    nlri: Range<usize>,
    /// Of an UPDATE that withdraws and advertises.
    cut: Cut,
}

/// Where a batch may be taken in pieces. What an UPDATE withdraws and advertises is not withdrawn (RFC 4271 §4.3): nobody is
/// to hear of the one without the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Anywhere,
    Nowhere,
}

/// What one read of a session's socket brought.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    entries: Vec<Entry>,
    nlri: Vec<u8>,
    blocks: Vec<u8>,
    messages: usize,
}

impl Batch {
    /// Octets that it takes: what a bounded queue counts.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.nlri.len() + self.blocks.len() + self.entries.len() * size_of::<Entry>()
    }
    /// Whether nothing is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
    /// UPDATEs that went into it.
    #[must_use]
    pub const fn messages(&self) -> usize {
        self.messages
    }
    /// Octets of NLRI: a measure of how many routes it has.
    pub(crate) fn nlri_bytes(&self) -> usize {
        self.nlri.len()
    }
    /// The entry that a position is in.
    pub(crate) fn entry(&self, at: BatchPosition) -> Option<&Entry> {
        self.entries.get(at.entry as usize)
    }
    pub(crate) fn block(&self, entry: &Entry) -> &[u8] {
        self.blocks.get(entry.block.clone()).unwrap_or_default()
    }
    /// Whether an entry may be taken in pieces, and be the last one of a piece.
    pub(crate) fn is_cut(&self, entry: &Entry) -> bool {
        entry.cut == Cut::Anywhere
    }
    /// Octets of an entry's prefixes.
    pub(crate) fn octets(&self, entry: &Entry) -> usize {
        entry.nlri.len()
    }
    /// The prefixes of an entry without those in its first `taken` octets.
    pub(crate) fn nlri(&self, entry: &Entry, taken: usize) -> NlriSlice<'_> {
        let bytes = self.nlri.get(entry.nlri.clone()).and_then(|all| all.get(taken..)).unwrap_or_default();
        NlriSlice::trusted(entry.family, entry.path_ids, bytes)
    }
}

/// How much of a batch the RIB has taken in; at first nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BatchPosition {
    entry: u32,
    /// Octets of the entry's NLRI that are taken.
    octets: u32,
}

impl BatchPosition {
    /// Octets of the present entry's NLRI that are taken.
    pub(crate) const fn octets(self) -> usize {
        self.octets as usize
    }
    /// Behind the present entry.
    pub(crate) const fn next_entry(self) -> Self {
        Self { entry: self.entry.saturating_add(1), octets: 0 }
    }
    /// In the present entry, with so many octets taken: a session's messages are far shorter than 4 GiB.
    pub(crate) fn within_entry(self, octets: usize) -> Self {
        Self { octets: u32::try_from(octets).unwrap_or(u32::MAX), ..self }
    }
}

/// Collects decoded UPDATEs of one session until they are handed over.
#[derive(Debug)]
pub struct BatchBuilder {
    context: IngestContext,
    batch: Batch,
}

impl BatchBuilder {
    /// For a session.
    #[must_use]
    pub fn new(context: IngestContext) -> Self {
        Self { context, batch: Batch::default() }
    }

    /// What it judges by.
    #[must_use]
    pub const fn context(&self) -> &IngestContext {
        &self.context
    }

    /// Judges what comes from now on otherwise; what was added stays as it was judged.
    pub fn set_context(&mut self, context: IngestContext) {
        self.context = context;
    }

    /// Adds an UPDATE: what it withdraws first, then what it advertises (RFC 4271 §4.3).
    pub fn push(&mut self, update: &Update<'_>) {
        self.batch.messages += 1;
        let first = self.batch.entries.len();
        for &nlri in &update.withdrawn {
            self.withdraw(nlri);
        }
        for reach in &update.reach {
            let leak = update.ineligible.map(|i| match i {
                heddle_bgp_core::update::Ineligible::RouteLeak => Ineligible::OtcLeak,
            });
            self.advertise(reach.nlri, reach.block, leak);
        }
        if !update.withdrawn.is_empty() && !update.reach.is_empty() {
            self.batch.entries.iter_mut().skip(first).for_each(|entry| entry.cut = Cut::Nowhere);
        }
        if let Some(family) = update.end_of_rib {
            self.end_of_rib(family);
        }
    }

    /// Adds routes with one canonical block; `barred` is what decoding found against them.
    pub fn advertise(&mut self, nlri: NlriSlice<'_>, block: &[u8], barred: Option<Ineligible>) {
        if nlri.is_empty() {
            return;
        }
        let b = &mut self.batch;
        let same = b.entries.last().filter(|e| e.action == Action::Advertise && b.block(e) == block);
        let (range, hash, judged) = match same {
            Some(e) => (e.block.clone(), e.hash, e.flags),
            None => {
                let start = b.blocks.len();
                b.blocks.extend_from_slice(block);
                let hash = xxh3_64_with_seed(block, self.context.seed);
                (start..b.blocks.len(), hash, self.context.judge(BlockView(block)))
            }
        };
        let flags = if barred.is_some() { PathFlags::NONE.with_reason(barred) } else { judged };
        self.entry(Action::Advertise, nlri, flags, hash, range);
    }

    /// Adds withdrawals.
    pub fn withdraw(&mut self, nlri: NlriSlice<'_>) {
        if !nlri.is_empty() {
            self.entry(Action::Withdraw, nlri, PathFlags::NONE, 0, 0..0);
        }
    }

    /// Adds End-of-RIB.
    pub fn end_of_rib(&mut self, family: Family) {
        self.mark(Action::EndOfRib, family);
    }

    /// Adds Beginning of Route Refresh (RFC 7313).
    pub fn begin_refresh(&mut self, family: Family) {
        self.mark(Action::BeginRefresh, family);
    }

    /// Adds Ending of Route Refresh (RFC 7313).
    pub fn end_refresh(&mut self, family: Family) {
        self.mark(Action::EndRefresh, family);
    }

    fn mark(&mut self, action: Action, family: Family) {
        let none = NlriSlice::trusted(family, PathIds::Absent, &[]);
        self.entry(action, none, PathFlags::NONE, 0, 0..0);
    }

    fn entry(&mut self, action: Action, nlri: NlriSlice<'_>, flags: PathFlags, hash: u64, block: Range<usize>) {
        let start = self.batch.nlri.len();
        self.batch.nlri.extend_from_slice(nlri.bytes());
        self.batch.entries.push(Entry {
            family: nlri.family(),
            path_ids: nlri.path_ids(),
            action,
            flags,
            hash,
            block,
            nlri: start..self.batch.nlri.len(),
            cut: Cut::Anywhere,
        });
    }

    /// Whether the batch has to be handed over before more is read.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.batch.bytes() >= BATCH_BYTES
    }
    /// Whether nothing was added.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batch.is_empty()
    }
    /// The batch; the builder begins anew.
    pub fn take(&mut self) -> Batch {
        std::mem::take(&mut self.batch)
    }
}
