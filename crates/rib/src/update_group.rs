//! An update group: peers for which export is the same pure function (B.2), their journal, and the encoding of changes
//! into it.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex};

use bytes::{Bytes, BytesMut};
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use heddle_bgp_core::update::{EncodeParams, Encoder};
use heddle_bgp_core::{Family, Nlri, PathId, Timestamp};
use smallvec::SmallVec;

use crate::attr_store::AttrStore;
use crate::counters::Tallies;
use crate::dirty::Announced;
use crate::export::{AddPathSend, ExportKey, ExportScratch, Exported as Export, Withheld, export, export_default};
use crate::feed::{self, Paths};
use crate::journal::{Audience, Framing, Journal, Run, SEGMENT_BYTES};
use crate::legs::LegChange;
use crate::route::{AttrId, PeerId, RouteView, SourceId};
use crate::session::DefaultOriginate;
use crate::source::Sources;
use crate::table::{Addr, NO_TX, Table};

/// What members of a group have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum GroupKind {
    /// Peers: UPDATEs.
    Peers {
        /// What export depends on.
        key: Arc<ExportKey>,
        default_originate: DefaultOriginate,
    },
    /// Programs: change records.
    Feed(Paths),
}

/// A range of slots that a walk wrote for some members.
#[derive(Debug)]
pub(crate) struct Step {
    /// Positions before and after what it wrote.
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) members: SmallVec<[u32; 8]>,
}

/// One change of what is announced, of the best path or of one Path Identifier.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change {
    pub(crate) slot: u32,
    pub(crate) tx: u16,
    pub(crate) old: Option<Announced>,
    /// How many paths of the destination were better.
    pub(crate) old_rank: u16,
    pub(crate) new: Option<Announced>,
    pub(crate) new_rank: u16,
}

/// What encoding reads of the family.
#[derive(Clone, Copy)]
pub(crate) struct Context<'a, A> {
    pub(crate) table: &'a Table<A>,
    pub(crate) sources: &'a Sources,
    pub(crate) attrs: &'a AttrStore,
    /// The group of each peer, by its number.
    pub(crate) group_of: &'a [Option<u32>],
    /// The slot of the default route, where a group originates one.
    pub(crate) default_slot: Option<u32>,
}

impl<A: Addr> Context<'_, A> {
    /// A path as export reads it.
    fn route(&self, slot: u32, p: Announced) -> RouteView<'_> {
        RouteView {
            prefix: self.table.prefix(slot),
            meta: self.attrs.meta(p.attr),
            block: self.attrs.block(p.attr),
            source: self.sources.info(p.source),
            flags: p.flags,
        }
    }
}

/// What a group says of a (prefix, path id): a block of its memo, and the peer that must not get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) block: u32,
    pub(crate) peer: PeerId,
}

/// What export depends on beside the prefix: attributes, source, flags.
type Asked = (AttrId, SourceId, u8);

/// Exported blocks of one batch, by what they were made of, each once.
#[derive(Debug, Default)]
struct Memo {
    known: HashMap<Asked, Option<u32>>,
    /// What was looked up in it last: neighbours have the same attributes as a rule.
    last: Option<(Asked, Option<u32>)>,
    /// Whether what was asked last is exported at all.
    last_says: Option<(Asked, bool)>,
    /// Blocks by content.
    index: HashTable<u32>,
    hasher: DefaultHashBuilder,
    bytes: Vec<u8>,
    ends: Vec<u32>,
    scratch: ExportScratch,
}

impl Memo {
    fn clear(&mut self) {
        self.known.clear();
        self.last = None;
        self.last_says = None;
        self.index.clear();
        self.bytes.clear();
        self.ends.clear();
    }
    /// What was found out of a path; none if it was not asked for.
    fn known(&mut self, asked: Asked) -> Option<Option<u32>> {
        if let Some((_, said)) = self.last.filter(|last| last.0 == asked) {
            return Some(said);
        }
        let said = *self.known.get(&asked)?;
        self.last = Some((asked, said));
        Some(said)
    }
    fn block(&self, n: u32) -> &[u8] {
        piece(&self.bytes, &self.ends, n)
    }
    fn push(&mut self, block: &[u8]) -> u32 {
        // Routes whose attributes became equal share messages: what policy made of each prefix, and routes of our own that
        // differ only in their interface.
        let hash = self.hasher.hash_one(block);
        if let Some(&known) = self.index.find(hash, |&n| self.block(n) == block) {
            return known;
        }
        self.bytes.extend_from_slice(block);
        self.ends.push(u32::try_from(self.bytes.len()).expect("invariant: a batch has 4096 blocks of 64 KiB"));
        let n = u32::try_from(self.ends.len() - 1).unwrap_or(0);
        let Self { index, hasher, bytes, ends, .. } = self;
        index.insert_unique(hash, n, |&n| hasher.hash_one(piece(bytes, ends, n)));
        n
    }
}

fn piece<'a>(bytes: &'a [u8], ends: &[u32], n: u32) -> &'a [u8] {
    let n = n as usize;
    let start = if n == 0 { 0 } else { ends[n - 1] as usize };
    &bytes[start..ends[n] as usize]
}

/// Messages that are being encoded, cut into segments.
#[derive(Debug)]
struct Out {
    buffer: BytesMut,
    runs: Vec<Run>,
    segments: Vec<(Bytes, Box<[Run]>)>,
    bytes: usize,
}

impl Out {
    fn new() -> Self {
        Self { buffer: BytesMut::new(), runs: Vec::new(), segments: Vec::new(), bytes: 0 }
    }
    /// What was added since the last call is for `audience`.
    fn end_run(&mut self, audience: Audience) {
        let audience = match audience {
            Audience::Except(PeerId::LOCAL) => Audience::All,
            Audience::SetExcept(set, PeerId::LOCAL) => Audience::Set(set),
            Audience::All | Audience::Except(_) | Audience::Only(_) | Audience::Set(_) | Audience::SetExcept(..) => {
                audience
            }
        };
        let end = u32::try_from(self.buffer.len()).unwrap_or(u32::MAX);
        match self.runs.last_mut() {
            Some(last) if last.audience == audience => last.end = end,
            Some(last) if last.end == end => {}
            Some(_) | None if end > 0 => self.runs.push(Run { end, audience }),
            Some(_) | None => {}
        }
        if self.buffer.len() >= SEGMENT_BYTES {
            self.close();
        }
    }
    fn close(&mut self) {
        if !self.buffer.is_empty() {
            self.bytes += self.buffer.len();
            self.segments.push((self.buffer.split().freeze(), std::mem::take(&mut self.runs).into_boxed_slice()));
        }
    }
}

/// An update group of one family.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) kind: GroupKind,
    pub(crate) journal: Arc<Mutex<Journal>>,
    /// Members, attached or not.
    pub(crate) members: Vec<u32>,
    /// Where the next walk begins.
    pub(crate) rotor: u32,
    pub(crate) steps: VecDeque<Step>,
    /// The most octets of its journal that a step took since the group was last calm: a destination with very many paths may
    /// take more than a step should.
    pub(crate) largest_step: usize,
    /// Since when a step for members that fell behind waits for room.
    pub(crate) waits: Option<Timestamp>,
    /// All members are attached, have passed all of the journal, owe themselves nothing and await nothing: until that
    /// changes, nobody has to look at them.
    pub(crate) calm: bool,
    /// Routes that had no room in a message beside their attributes.
    pub(crate) too_long: u64,
    /// How many routes it exports.
    pub(crate) exported: Exported,
    /// What its attached members were told.
    pub(crate) told: Tallies,
    encoder: Encoder,
    pub(crate) draft: Draft,
    out: Out,
}

/// What a group is about to say. Groups have it one after the other, so that its room is that of one.
#[derive(Debug, Default)]
pub(crate) struct Draft {
    memo: Memo,
    adverts: Vec<(Said, u32, u16)>,
    withdrawals: Vec<(Audience, u32, u16)>,
}

/// How many routes a group exports, in all and by the peer that they came from.
#[derive(Debug, Default)]
pub(crate) struct Exported {
    all: u32,
    from: Vec<u32>,
    /// Slots below are counted; of the others nothing is.
    pub(crate) counted_to: u32,
}

impl Exported {
    /// Routes that a member gets.
    pub(crate) fn to(&self, peer: PeerId) -> u32 {
        self.all.saturating_sub(self.from.get(usize::from(peer.0)).copied().unwrap_or(0))
    }
    pub(crate) fn add(&mut self, peer: PeerId) {
        self.all += 1;
        let at = usize::from(peer.0);
        if at >= self.from.len() {
            self.from.resize(at + 1, 0);
        }
        self.from[at] += 1;
    }
    fn remove(&mut self, peer: PeerId) {
        self.all = self.all.saturating_sub(1);
        if let Some(n) = self.from.get_mut(usize::from(peer.0)) {
            *n = n.saturating_sub(1);
        }
    }
}

fn audience_key(a: Audience) -> (u8, u32, u16) {
    match a {
        Audience::All => (0, 0, 0),
        Audience::Except(p) => (1, 0, p.0),
        Audience::Only(p) => (2, 0, p.0),
        Audience::Set(s) => (3, s.0, 0),
        Audience::SetExcept(s, p) => (4, s.0, p.0),
    }
}

impl Group {
    pub(crate) fn new(kind: GroupKind, family: Family) -> Self {
        let encode = match &kind {
            GroupKind::Peers { key, .. } => EncodeParams {
                family,
                as_width: key.as_width,
                path_ids: key.path_ids(),
                max_message_len: key.max_message_len,
            },
            GroupKind::Feed(_) => feed::params(family),
        };
        Self {
            kind,
            journal: Arc::new(Mutex::new(Journal::new())),
            members: Vec::new(),
            rotor: 0,
            steps: VecDeque::new(),
            largest_step: 0,
            waits: None,
            calm: false,
            too_long: 0,
            exported: Exported::default(),
            told: Tallies::default(),
            encoder: Encoder::new(encode),
            draft: Draft::default(),
            out: Out::new(),
        }
    }

    pub(crate) fn framing(&self) -> Framing {
        match self.kind {
            GroupKind::Peers { .. } => Framing::Bgp,
            GroupKind::Feed(_) => Framing::Records,
        }
    }

    /// How many paths of a destination are sent with identifiers; none: the best, without.
    pub(crate) fn paths(&self) -> Option<u16> {
        match &self.kind {
            GroupKind::Feed(_) => None,
            GroupKind::Peers { key, .. } => match key.add_path {
                AddPathSend::Off => None,
                AddPathSend::All => Some(u16::MAX),
                AddPathSend::Best(n) => Some(n),
            },
        }
    }

    /// Whether its members read all paths that share traffic.
    pub(crate) fn reads_legs(&self) -> bool {
        self.kind == GroupKind::Feed(Paths::Multipath)
    }

    /// Whether its members get a default route whatever the table says.
    pub(crate) fn originates_default(&self) -> bool {
        matches!(&self.kind, GroupKind::Peers { default_originate: DefaultOriginate::On, .. })
    }

    /// What the group says of a path.
    pub(crate) fn say<A: Addr>(
        &mut self,
        cx: &Context<'_, A>,
        slot: u32,
        tx: u16,
        path: Option<Announced>,
    ) -> Option<Said> {
        let key = match &self.kind {
            GroupKind::Peers { key, default_originate } => {
                if cx.default_slot == Some(slot) && *default_originate == DefaultOriginate::On {
                    let mut scratch = std::mem::take(&mut self.draft.memo.scratch);
                    let block = match export_default(key, &mut scratch) {
                        Export::Changed(block) if tx == 0 => Some(self.draft.memo.push(block)),
                        Export::Changed(_) | Export::Unchanged | Export::Withheld(_) => None,
                    };
                    self.draft.memo.scratch = scratch;
                    return block.map(|block| Said { block, peer: PeerId::LOCAL });
                }
                key
            }
            GroupKind::Feed(_) => return self.say_paths(cx, path.as_slice()),
        };
        let p = path?;
        if tx == NO_TX && self.paths().is_some() {
            return None;
        }
        let peer = cx.sources.peer(p.source);
        let id = (p.attr, p.source, p.flags.0);
        let memoise = !key.depends_on_prefix();
        if memoise && let Some(known) = self.draft.memo.known(id) {
            return known.map(|block| Said { block, peer });
        }
        let route = cx.route(slot, p);
        let mut scratch = std::mem::take(&mut self.draft.memo.scratch);
        let exported = export(key, &route, &mut scratch);
        if exported == Export::Withheld(Withheld::TooLong) {
            self.too_long += 1;
        }
        let said = exported.attributes(route.block).map(|b| self.draft.memo.push(b));
        self.draft.memo.scratch = scratch;
        if memoise {
            self.draft.memo.known.insert(id, said);
            self.draft.memo.last = Some((id, said));
        }
        said.map(|block| Said { block, peer })
    }

    /// Whether the group says anything of a path, where what does not matter: the peer that must not get it.
    fn says<A: Addr>(&mut self, cx: &Context<'_, A>, slot: u32, tx: u16, path: Option<Announced>) -> Option<PeerId> {
        let key = match &self.kind {
            GroupKind::Peers { key, .. } if cx.default_slot != Some(slot) && !key.depends_on_prefix() => key,
            GroupKind::Peers { .. } | GroupKind::Feed(_) => return self.say(cx, slot, tx, path).map(|said| said.peer),
        };
        let p = path?;
        if tx == NO_TX && self.paths().is_some() {
            return None;
        }
        let peer = cx.sources.peer(p.source);
        let id = (p.attr, p.source, p.flags.0);
        let known = self.draft.memo.last_says.filter(|last| last.0 == id).map(|last| last.1);
        if let Some(says) = known.or_else(|| self.draft.memo.known(id).map(|said| said.is_some())) {
            return says.then_some(peer);
        }
        let route = cx.route(slot, p);
        let mut scratch = std::mem::take(&mut self.draft.memo.scratch);
        let says = !matches!(export(key, &route, &mut scratch), Export::Withheld(_));
        self.draft.memo.scratch = scratch;
        self.draft.memo.last_says = Some((id, says));
        says.then_some(peer)
    }

    /// What a group of records says of a destination's paths; nothing when there is none.
    pub(crate) fn say_paths<A: Addr>(&mut self, cx: &Context<'_, A>, paths: &[Announced]) -> Option<Said> {
        if paths.is_empty() {
            return None;
        }
        let mut record = Vec::new();
        for p in paths {
            feed::push_path(&mut record, cx.attrs.block(p.attr), p.flags, cx.sources.info(p.source));
        }
        // The source of a path is no receiver of records.
        Some(Said { block: self.draft.memo.push(&record), peer: PeerId::LOCAL })
    }

    /// Notes what follows from a change of the paths that share traffic.
    pub(crate) fn change_legs<A: Addr>(&mut self, cx: &Context<'_, A>, c: &LegChange) {
        match self.say_paths(cx, &c.new) {
            Some(said) => self.advertise(said, c.slot, 0),
            None if c.had => self.withdraw(Audience::All, c.slot, 0),
            None => {}
        }
    }

    /// Forgets what was said without writing it.
    pub(crate) fn forget_said(&mut self) {
        self.draft.memo.clear();
    }

    /// The block of something said since the last [`encode`](Self::encode).
    pub(crate) fn block(&self, said: Said) -> &[u8] {
        self.draft.memo.block(said.block)
    }

    /// Notes an advert for [`encode`](Self::encode).
    pub(crate) fn advertise(&mut self, said: Said, slot: u32, tx: u16) {
        self.draft.adverts.push((said, slot, tx));
    }
    /// Notes a withdrawal.
    pub(crate) fn withdraw(&mut self, to: Audience, slot: u32, tx: u16) {
        self.draft.withdrawals.push((to, slot, tx));
    }

    /// Notes what follows from a change (B.6, flush), and counts.
    pub(crate) fn change<A: Addr>(&mut self, cx: &Context<'_, A>, me: u32, c: &Change) {
        let max = self.paths().unwrap_or(u16::MAX);
        let (was, is) = (c.old.filter(|_| c.old_rank < max), c.new.filter(|_| c.new_rank < max));
        // The default route may be said without a path.
        if is.is_none() && cx.default_slot != Some(c.slot) {
            return self.retract(cx, c, was);
        }
        let old = self.say(cx, c.slot, c.tx, was);
        let new = self.say(cx, c.slot, c.tx, is);
        let repeats = matches!((old, new), (Some(o), Some(n)) if o.peer == n.peer && self.block(o) == self.block(n));
        match (was, is) {
            (_, Some(is)) => {
                self.told.count(new.map_or_else(|| cx.sources.peer(is.source), |n| n.peer), |t| match new {
                    None => t.filtered += 1,
                    Some(_) if repeats => t.ignored += 1,
                    Some(_) => t.accepted += 1,
                });
            }
            (Some(was), None) => self.told.count(cx.sources.peer(was.source), |t| t.gone += 1),
            (None, None) => {}
        }
        if c.slot < self.exported.counted_to {
            old.inspect(|o| self.exported.remove(o.peer));
            new.inspect(|n| self.exported.add(n.peer));
        }
        match (old, new) {
            (None, None) => {}
            (Some(o), None) => {
                self.told.count(o.peer, |t| t.withdrawn += 1);
                self.withdraw(Audience::Except(o.peer), c.slot, c.tx);
            }
            (None, Some(n)) => self.advertise(n, c.slot, c.tx),
            (Some(_), Some(_)) if repeats => {}
            (Some(o), Some(n)) if o.peer == n.peer => self.advertise(n, c.slot, c.tx),
            (Some(_), Some(n)) => {
                if cx.group_of.get(usize::from(n.peer.0)).copied().flatten() == Some(me) {
                    self.told.count_only(n.peer, |t| t.withdrawn += 1);
                    self.withdraw(Audience::Only(n.peer), c.slot, c.tx);
                }
                self.advertise(n, c.slot, c.tx);
            }
        }
    }

    /// The same of a path that is gone.
    fn retract<A: Addr>(&mut self, cx: &Context<'_, A>, c: &Change, was: Option<Announced>) {
        let Some(gone) = was else { return };
        self.told.count(cx.sources.peer(gone.source), |t| t.gone += 1);
        let Some(peer) = self.says(cx, c.slot, c.tx, was) else { return };
        if c.slot < self.exported.counted_to {
            self.exported.remove(peer);
        }
        self.told.count(peer, |t| t.withdrawn += 1);
        self.withdraw(Audience::Except(peer), c.slot, c.tx);
    }

    /// Encodes what was noted, each advert for what `audience` says of its source. Octets of messages.
    pub(crate) fn encode<A: Addr>(&mut self, cx: &Context<'_, A>, audience: impl Fn(PeerId) -> Audience) -> usize {
        let ids = self.paths().is_some();
        let nlri = |slot: u32, tx: u16| Nlri {
            prefix: cx.table.prefix(slot),
            path_id: if ids { PathId(u32::from(tx) + 1) } else { PathId(0) },
        };
        let mut withdrawals = std::mem::take(&mut self.draft.withdrawals);
        withdrawals.sort_by_key(|w| audience_key(w.0));
        for run in withdrawals.chunk_by(|a, b| a.0 == b.0) {
            let Some(&(to, ..)) = run.first() else { continue };
            let mut items = run.iter().map(|&(_, slot, tx)| nlri(slot, tx)).peekable();
            while items.peek().is_some() {
                match self.kind {
                    GroupKind::Peers { .. } => self.encoder.withdraw(&mut self.out.buffer, &mut items, SEGMENT_BYTES),
                    GroupKind::Feed(_) => feed::withdraw(&mut self.out.buffer, &mut items, SEGMENT_BYTES),
                }
                self.out.end_run(to);
            }
        }
        withdrawals.clear();
        self.draft.withdrawals = withdrawals;
        let mut adverts = std::mem::take(&mut self.draft.adverts);
        adverts.sort_by_key(|(said, ..)| (said.peer, said.block));
        for run in adverts.chunk_by(|a, b| a.0 == b.0) {
            let Some(&(said, ..)) = run.first() else { continue };
            let mut items = run.iter().map(|&(_, slot, tx)| nlri(slot, tx)).peekable();
            while items.peek().is_some() {
                let block = self.draft.memo.block(said.block);
                match self.kind {
                    GroupKind::Peers { .. } => {
                        if self.encoder.advertise(&mut self.out.buffer, block, &mut items, SEGMENT_BYTES).is_err() {
                            // `say` asked whether the block fits; nothing was appended.
                            self.too_long += 1;
                            break;
                        }
                    }
                    GroupKind::Feed(_) => feed::advertise(&mut self.out.buffer, block, &mut items, SEGMENT_BYTES),
                }
                self.out.end_run(audience(said.peer));
            }
        }
        adverts.clear();
        self.draft.adverts = adverts;
        self.draft.memo.clear();
        self.out.bytes + self.out.buffer.len()
    }

    /// Encodes a marker for one member.
    pub(crate) fn encode_end_of_rib(&mut self, to: PeerId) {
        match self.kind {
            GroupKind::Peers { .. } => self.encoder.end_of_rib(&mut self.out.buffer),
            GroupKind::Feed(_) => feed::end_of_rib(&mut self.out.buffer),
        }
        self.out.end_run(Audience::Only(to));
    }

    /// Adds a whole message for one member.
    pub(crate) fn encode_raw(&mut self, to: PeerId, message: &[u8]) {
        self.out.buffer.extend_from_slice(message);
        self.out.end_run(Audience::Only(to));
    }

    /// The segments encoded since the last call.
    pub(crate) fn take_segments(&mut self) -> Vec<(Bytes, Box<[Run]>)> {
        self.out.close();
        self.out.bytes = 0;
        std::mem::take(&mut self.out.segments)
    }
}
