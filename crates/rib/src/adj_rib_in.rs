//! Adj-RIB-In (RFC 4271 §3.2): what peers sent, before and after import policy, in the paths of destinations.

use heddle_bgp_core::nlri::NlriIter;
use heddle_bgp_core::{Nlri, Prefix};

use crate::counters::Row;
use crate::dirty::Urgency;
use crate::family::{FamilyRib, Gate, PeerFamily, Shared};
use crate::ingest::{Action, Batch, Entry};
use crate::policy::{GuardCounts, Imported, Refusal, import};
use crate::rib::{Output, ResetReason};
use crate::route::{AttrId, Ineligible, PathFlags, PeerId, RouteView, SourceId, Staleness};
use crate::session::Beyond;
use crate::table::{Addr, MAX_PATHS, NO_TX, PathRec};

/// A route to be stored: attributes before and after policy.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Incoming {
    /// After policy.
    pub(crate) attr: AttrId,
    /// Before policy where it differs, else [`AttrId::NONE`].
    pub(crate) pre: AttrId,
    pub(crate) flags: PathFlags,
    /// Why the guard refused it.
    pub(crate) refused: Option<Refusal>,
}

/// What became of something that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// It changed something.
    Taken,
    /// All is as it was.
    Same,
    /// It is beyond a limit.
    Refused,
}

/// Counts an advert.
fn note(row: &mut Row, flags: PathFlags, stored: Stored) {
    row.received += 1;
    let counter = match (flags.reason(), stored) {
        (_, Stored::Refused) => &mut row.rejected,
        (Some(Ineligible::Guard | Ineligible::ImportPolicy), Stored::Taken | Stored::Same) => &mut row.filtered,
        (
            Some(Ineligible::OwnAsLoop | Ineligible::OriginatorLoop | Ineligible::ClusterLoop | Ineligible::OtcLeak),
            Stored::Taken | Stored::Same,
        ) => &mut row.rejected,
        (Some(Ineligible::NextHopUnreachable) | None, Stored::Same) => &mut row.ignored,
        // A next hop may be reachable at any time.
        (Some(Ineligible::NextHopUnreachable) | None, Stored::Taken) => &mut row.accepted,
    };
    *counter += 1;
}

/// Who sends.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sender {
    pub(crate) peer: PeerId,
    pub(crate) source: SourceId,
    pub(crate) urgency: Urgency,
    /// The same of destinations that others have a path to already.
    pub(crate) further: Urgency,
}

/// Routes of a batch, until as many were taken as there is time for.
struct Counted<'a, 'b> {
    routes: &'a mut NlriIter<'b>,
    most: &'a mut usize,
}

impl Iterator for Counted<'_, '_> {
    type Item = Nlri;

    #[inline]
    fn next(&mut self) -> Option<Nlri> {
        *self.most = self.most.checked_sub(1)?;
        self.routes.next()
    }
}

impl<A: Addr> FamilyRib<A> {
    /// Stores at most `most` prefixes of an entry of what a session sent, from octet `taken` on; says how many octets are
    /// left of the entry then.
    pub(crate) fn ingest(
        &mut self,
        shared: &mut Shared,
        peer: PeerId,
        (batch, entry): (&Batch, &Entry),
        taken: usize,
        most: &mut usize,
    ) -> usize {
        // A refresh that begins changes the source.
        let Some(source) = self.peer(peer).and_then(|p| p.source) else { return 0 };
        let complete = self.peer(peer).is_some_and(|p| p.complete);
        let (urgency, further) = match (batch.nlri_bytes() <= shared.limits.small_batch, complete) {
            (true, true) => (Urgency::Urgent, Urgency::Urgent),
            (true, false) => (Urgency::Bulk, Urgency::Bulk),
            (false, _) => (Urgency::Bulk, Urgency::Later),
        };
        let sender = Sender { peer, source, urgency, further };
        let mut routes = batch.nlri(entry, taken).iter();
        match entry.action {
            Action::Advertise => {
                let routes = &mut Counted { routes: &mut routes, most };
                self.ingest_adverts(shared, sender, (batch.block(entry), entry), routes);
            }
            Action::Withdraw => {
                let mut row = Row::default();
                for nlri in (Counted { routes: &mut routes, most }) {
                    row.received += 1;
                    match self.withdraw(shared, sender, nlri) {
                        Stored::Taken => row.accepted += 1,
                        Stored::Same | Stored::Refused => row.ignored += 1,
                    }
                }
                self.peer_mut(peer).into_iter().for_each(|p| p.withdraws += row);
            }
            Action::EndOfRib => self.end_of_rib(shared, peer),
            Action::BeginRefresh => self.begin_refresh(shared, peer),
            Action::EndRefresh => self.end_refresh(shared, peer),
        }
        routes.octets_left()
    }

    fn ingest_adverts(
        &mut self,
        shared: &mut Shared,
        sender: Sender,
        (block, entry): (&[u8], &Entry),
        routes: &mut Counted<'_, '_>,
    ) {
        let Ok(received) = shared.attrs.intern(block, entry.hash, sender.peer) else { return };
        if !Self::affordable(shared, sender.peer) {
            shared.attrs.release(received);
            let count = routes.map(|_| 1).sum();
            let row = Row { received: count, rejected: count, ..Row::default() };
            return self.peer_mut(sender.peer).into_iter().for_each(|p| p.updates += row);
        }
        let by_prefix = self.peer(sender.peer).is_some_and(|p| p.import.depends_on_prefix());
        let mut known: Option<Incoming> = None;
        let mut row = Row::default();
        let mut refused = GuardCounts::default();
        for nlri in routes {
            if by_prefix && let Some(k) = known.take() {
                release(shared, k);
            }
            let route = match known {
                Some(k) => k,
                None => self.import(shared, sender, nlri.prefix, received, entry.flags),
            };
            known = Some(route);
            let stored = self.advertise(shared, sender, nlri, route);
            note(&mut row, route.flags, stored);
            if let Some(refusal) = route.refused {
                refused.count(refusal);
            }
        }
        if let Some(k) = known {
            release(shared, k);
        }
        shared.attrs.release(received);
        let Some(p) = self.peer_mut(sender.peer) else { return };
        p.updates += row;
        if !refused.is_zero() {
            **p.guarded.get_or_insert_default() += refused;
        }
    }

    /// Whether what a peer makes us keep is within its budget; the session of one that exceeds it is about to end.
    fn affordable(shared: &mut Shared, peer: PeerId) -> bool {
        if shared.attrs.ledger.octets(peer) <= shared.limits.attribute_bytes {
            return true;
        }
        if shared.attrs.ledger.report(peer) {
            shared.outputs.push_back(Output::Reset { peer, reason: ResetReason::OutOfResources });
        }
        false
    }

    /// Import policy for one route; what it returns holds a reference to each of its attribute sets.
    pub(crate) fn import(
        &self,
        shared: &mut Shared,
        sender: Sender,
        prefix: Prefix,
        received: AttrId,
        flags: PathFlags,
    ) -> Incoming {
        shared.attrs.hold(received);
        let unchanged = |flags| Incoming { attr: received, pre: AttrId::NONE, flags, refused: None };
        let Some(peer) = self.peer(sender.peer) else { return unchanged(flags) };
        if !flags.is_eligible() {
            return unchanged(flags);
        }
        let route = RouteView {
            prefix,
            meta: shared.attrs.meta(received),
            block: shared.attrs.block(received),
            source: self.sources.info(sender.source),
            flags,
        };
        let mut scratch = std::mem::take(&mut shared.import);
        let outcome = match import(&peer.import, &route, &mut scratch) {
            Imported::Unchanged => unchanged(flags),
            Imported::Rejected => unchanged(PathFlags::ineligible(Ineligible::ImportPolicy)),
            Imported::Refused(refusal) => {
                Incoming { refused: Some(refusal), ..unchanged(PathFlags::ineligible(Ineligible::Guard)) }
            }
            Imported::Changed(block) => match shared.attrs.intern_own(block, shared.seed, sender.peer) {
                Ok(attr) => Incoming { attr, pre: received, flags, refused: None },
                Err(_) => unchanged(PathFlags::ineligible(Ineligible::ImportPolicy)),
            },
        };
        shared.import = scratch;
        Incoming { flags: self.judge(shared, sender.source, outcome.attr, outcome.flags), ..outcome }
    }

    /// What the RIB itself has to say of a path: next hop and staleness.
    pub(crate) fn judge(&self, shared: &Shared, source: SourceId, attr: AttrId, flags: PathFlags) -> PathFlags {
        let info = self.sources.info(source);
        let mut flags = flags;
        // RFC 4271 §9.1.2: a route whose next hop cannot be resolved is not considered.
        if flags.is_eligible() && source != SourceId::LOCAL && !shared.attrs.is_reachable(attr) {
            flags = PathFlags::ineligible(Ineligible::NextHopUnreachable);
        }
        // RFC 9494 §4.3: least preferred, whoever found the route stale.
        let stale = shared.attrs.meta(attr).bits.has(crate::route::AttrBits::LLGR_STALE);
        if stale || info.staleness == Staleness::LongLived { flags.with_llgr_stale() } else { flags }
    }

    fn belongs(peer: Option<&PeerFamily>, sender: Sender, source: SourceId) -> bool {
        source == sender.source || peer.is_some_and(|p| p.old.contains(&source))
    }

    fn urgency(&self, slot: u32, sender: Sender, line: Urgency) -> Urgency {
        if self.gate == Gate::Open {
            return line;
        }
        let own = sender.source == SourceId::LOCAL || self.table.each_path(slot).any(|p| p.source == SourceId::LOCAL);
        if own { Urgency::Own } else { line }
    }

    /// Stores a route; the caller keeps its own references.
    pub(crate) fn advertise(&mut self, shared: &mut Shared, sender: Sender, nlri: Nlri, route: Incoming) -> Stored {
        let Some((addr, len)) = A::of(nlri.prefix) else { return Stored::Refused };
        let slot = self.table.slot(addr, len);
        let rx = nlri.path_id.0;
        let d = *self.table.dest(slot);
        let simple = d.is_simple() && rx == 0 && route.pre == AttrId::NONE;
        // With ADD-PATH a Path Identifier that was announced and is free now is not given anew in the same batch.
        let reserved = self.tracks_all && !self.dirty.all_before(slot).is_empty();
        if simple && !d.has_paths() && !reserved {
            if !self.admit(shared, sender) {
                return self.drop_unused(slot);
            }
            let urgency = self.urgency(slot, sender, sender.urgency);
            self.touch(shared, slot, urgency);
            shared.attrs.hold(route.attr);
            let now = shared.seconds();
            self.table.set_simple(slot, route.attr, sender.source, route.flags, now);
            self.count_added(sender.source, route.flags);
            return Stored::Taken;
        }
        let peer = self.peer(sender.peer);
        let mut count = 0;
        let at = self.table.each_path(slot).position(|p| {
            count += 1;
            p.rx == rx && Self::belongs(peer, sender, p.source)
        });
        let now = shared.seconds();
        let mut new = PathRec {
            attr: route.attr,
            pre: route.pre,
            rx,
            time: now,
            source: sender.source,
            tx: 0,
            flags: route.flags,
        };
        let Some(at) = at else {
            if !self.admit(shared, sender) {
                return self.drop_unused(slot);
            }
            if count >= MAX_PATHS {
                self.refused += 1;
                let output = Output::OutOfResources { peer: sender.peer, family: A::FAMILY };
                if shared.outputs.back() != Some(&output) {
                    shared.outputs.push_back(output);
                }
                return Stored::Refused;
            }
            let urgency = self.urgency(slot, sender, if count > 0 { sender.further } else { sender.urgency });
            self.touch(shared, slot, urgency);
            new.tx = self.free_tx(slot);
            Self::hold_attrs(shared, &new);
            self.count_added(sender.source, new.flags);
            if count > 0 {
                self.table.add_path(slot, &new);
            } else {
                self.table.set_paths(slot, &mut [new]);
            }
            return Stored::Taken;
        };
        let mut paths = self.table.paths(slot);
        let old = paths[at];
        new.tx = old.tx;
        let unchanged = old.attr == new.attr && old.pre == new.pre && old.flags == new.flags;
        if unchanged {
            new.time = old.time;
            if old.source == new.source {
                return Stored::Same;
            }
        }
        if !unchanged || !self.same_source(old.source, new.source) {
            let urgency = self.urgency(slot, sender, if paths.len() > 1 { sender.further } else { sender.urgency });
            self.touch(shared, slot, urgency);
        } else {
            self.rename_leg(slot, old.source, new.source);
        }
        Self::hold_attrs(shared, &new);
        self.count_added(new.source, new.flags);
        paths[at] = new;
        self.table.set_paths(slot, &mut paths);
        self.count_removed(old.source, old.flags);
        Self::release_attrs(shared, &old);
        if unchanged { Stored::Same } else { Stored::Taken }
    }

    /// A destination that was made for a route that is not taken.
    fn drop_unused(&mut self, slot: u32) -> Stored {
        let d = self.table.dest(slot);
        if !d.has_paths() && d.generation == 0 && !self.dirty.is_set(slot) && self.default_slot != Some(slot) {
            self.table.remove(slot);
        }
        Stored::Refused
    }

    /// The smallest Path Identifier that no path has or had announced.
    fn free_tx(&self, slot: u32) -> u16 {
        let before = self.dirty.all_before(slot);
        let taken = || self.table.each_path(slot).map(|p| p.tx).chain(before.iter().map(|a| a.tx));
        let low = taken().filter(|id| *id < 64).fold(0_u64, |low, id| low | 1 << id).trailing_ones();
        match u16::try_from(low) {
            Ok(free) if free < 64 => free,
            Ok(_) | Err(_) => (64..NO_TX).find(|id| taken().all(|t| t != *id)).unwrap_or(NO_TX),
        }
    }

    /// Removes a route; what the peer never sent is ignored.
    pub(crate) fn withdraw(&mut self, shared: &mut Shared, sender: Sender, nlri: Nlri) -> Stored {
        let Some(slot) = A::of(nlri.prefix).and_then(|(addr, len)| self.table.find_next(addr, len)) else {
            return Stored::Same;
        };
        let peer = self.peer(sender.peer);
        let rx = nlri.path_id.0;
        let d = self.table.dest(slot);
        if d.is_simple() {
            if !d.has_paths() || rx != 0 || !Self::belongs(peer, sender, d.source) {
                return Stored::Same;
            }
            let (attr, source, flags) = (d.attr, d.source, d.flags());
            let urgency = self.urgency(slot, sender, sender.urgency);
            self.touch(shared, slot, urgency);
            self.table.clear_simple(slot);
            self.count_removed(source, flags);
            shared.attrs.release(attr);
            return Stored::Taken;
        }
        let paths = self.table.paths(slot);
        if let Some(at) = paths.iter().position(|p| p.rx == rx && Self::belongs(peer, sender, p.source)) {
            let urgency = self.urgency(slot, sender, sender.urgency);
            self.touch(shared, slot, urgency);
            self.remove_path(shared, slot, paths, at);
            return Stored::Taken;
        }
        Stored::Same
    }

    /// Removes a path of a destination that is dirty.
    pub(crate) fn remove_path(&mut self, shared: &mut Shared, slot: u32, mut paths: crate::table::PathVec, at: usize) {
        let old = paths.remove(at);
        self.table.set_paths(slot, &mut paths);
        self.count_removed(old.source, old.flags);
        Self::release_attrs(shared, &old);
    }

    pub(crate) fn count_added(&mut self, source: SourceId, flags: PathFlags) {
        self.sources.path_added(source);
        let peer = self.sources.peer(source);
        if let Some(p) = self.peer_mut(peer) {
            p.paths += 1;
            *p.counter(flags) += 1;
        }
    }

    pub(crate) fn count_removed(&mut self, source: SourceId, flags: PathFlags) {
        let peer = self.sources.peer(source);
        let dead = self.sources.is_dead(source);
        self.sources.path_removed(source);
        if let Some(p) = self.peer_mut(peer) {
            p.paths -= 1;
            p.dead -= u32::from(dead);
            *p.counter(flags) -= 1;
        }
    }

    /// Whether one more path of the peer is taken (limits on routes received).
    fn admit(&mut self, shared: &mut Shared, sender: Sender) -> bool {
        let Some(peer) = self.peer_mut(sender.peer) else { return true };
        let Some(limit) = peer.limit else { return true };
        let count = peer.living() + 1;
        if limit.warn_at.is_some_and(|w| count >= w) && !peer.warned {
            peer.warned = true;
            shared.outputs.push_back(Output::LimitWarning { peer: sender.peer, family: A::FAMILY, count, limit });
        }
        if count <= limit.max {
            return true;
        }
        if !peer.exceeded {
            peer.exceeded = true;
            shared.outputs.push_back(Output::LimitExceeded { peer: sender.peer, family: A::FAMILY, count, limit });
        }
        limit.beyond == Beyond::Take
    }
}

impl PeerFamily {
    /// Paths that it has, without those of dead sources, which wait for the sweep.
    pub(crate) const fn living(&self) -> u32 {
        self.paths - self.dead
    }

    /// What counts paths with these flags.
    fn counter(&mut self, flags: PathFlags) -> &mut u32 {
        match flags.reason() {
            None => &mut self.eligible,
            Some(Ineligible::Guard | Ineligible::ImportPolicy) => &mut self.rejected,
            Some(
                Ineligible::OwnAsLoop
                | Ineligible::OriginatorLoop
                | Ineligible::ClusterLoop
                | Ineligible::OtcLeak
                | Ineligible::NextHopUnreachable,
            ) => &mut self.barred,
        }
    }
}

pub(crate) fn release(shared: &mut Shared, route: Incoming) {
    shared.attrs.release(route.attr);
    if route.pre != AttrId::NONE {
        shared.attrs.release(route.pre);
    }
}
