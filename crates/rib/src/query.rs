//! Look-ups: what `show routes` asks. A whole table is read in pieces with a [`Cursor`], so that no question stops the
//! owner for long.

use heddle_bgp_core::attr::BlockView;
use heddle_bgp_core::{Family, PathId, Prefix};
use smallvec::SmallVec;

use crate::decision::{Reason, explain};
use crate::dirty::Announced;
use crate::export::{AddPathSend, ExportScratch, Exported, Withheld, export, export_default};
use crate::family::{FamilyRib, Shared};
use crate::policy::Refusal;
use crate::rib::Rib;
use crate::route::{Candidate, Ineligible, PathFlags, PeerId, RouteView, SourceInfo};
use crate::session::DefaultOriginate;
use crate::table::{Addr, PathRec};
use crate::update_group::GroupKind;

/// Which destinations are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// All of a family.
    All(Family),
    /// This one.
    Exact(Prefix),
    /// The longest that contains this prefix, or address as a host prefix.
    LongestMatch(Prefix),
    /// This one and all that it contains.
    Longer(Prefix),
}

impl Scope {
    /// The family that is asked.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::All(family) => family,
            Self::Exact(p) | Self::LongestMatch(p) | Self::Longer(p) => p.family(),
        }
    }
}

/// Which side of the RIB is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    /// All paths of the destinations, and which is best.
    LocRib,
    /// What a peer sent: Adj-RIB-In.
    Received(PeerId),
    /// What a peer gets: Adj-RIB-Out, computed, as none is kept.
    Advertised(PeerId),
}

/// Where reading goes on; begins with the default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Cursor(u32);

/// Whether reading is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// Ask again with the cursor.
    More,
    /// That was all.
    Done,
}

/// What became of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// What the decision process says of an eligible path.
    Decided(Reason),
    /// It takes no part.
    Ineligible(Ineligible),
    /// It takes no part: the guard of the peer refuses it.
    Refused(Refusal),
    /// It is sent: of a path that a peer gets.
    Advertised,
}

/// A path, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteInfo {
    /// The destination.
    pub prefix: Prefix,
    /// The Path Identifier that it came with, or of an advertised route the one that it is sent with; 0 without
    /// ADD-PATH.
    pub path_id: PathId,
    /// Where it came from.
    pub source: SourceInfo,
    /// Its flags.
    pub flags: PathFlags,
    /// What became of it.
    pub standing: Standing,
    /// When it arrived, in seconds since the origin of the RIB's clock.
    pub since: u32,
    /// Its attributes, a canonical block: after import policy, or of an advertised route as it is sent.
    pub block: Vec<u8>,
    /// Its attributes as they were received, where import policy changed them.
    pub received: Option<Vec<u8>>,
}

impl Rib {
    /// Reads routes, beginning at the cursor: appends what is found among about the next `max_slots` destinations. What
    /// changes meanwhile may be seen before or after its change.
    pub fn routes(
        &self,
        scope: Scope,
        view: View,
        cursor: &mut Cursor,
        max_slots: u32,
        out: &mut Vec<RouteInfo>,
    ) -> Reading {
        match scope.family() {
            Family::IPV4_UNICAST => self.v4.routes(&self.shared, scope, view, cursor, max_slots, out),
            Family::IPV6_UNICAST => self.v6.routes(&self.shared, scope, view, cursor, max_slots, out),
            _ => Reading::Done,
        }
    }

    /// Why a peer does not get the best route of a destination; none when it gets it, or when there is none.
    #[must_use]
    pub fn withheld(&self, prefix: Prefix, peer: PeerId) -> Option<Withheld> {
        match prefix.family() {
            Family::IPV4_UNICAST => self.v4.withheld(&self.shared, prefix, peer),
            Family::IPV6_UNICAST => self.v6.withheld(&self.shared, prefix, peer),
            _ => None,
        }
    }
}

impl<A: Addr> FamilyRib<A> {
    fn routes(
        &self,
        shared: &Shared,
        scope: Scope,
        view: View,
        cursor: &mut Cursor,
        max_slots: u32,
        out: &mut Vec<RouteInfo>,
    ) -> Reading {
        let within = match scope {
            Scope::All(_) => None,
            Scope::Longer(p) => Some(p),
            Scope::Exact(p) => {
                let slot = A::of(p).and_then(|(addr, len)| self.table.find(addr, len));
                slot.into_iter().for_each(|s| self.show(shared, s, view, out));
                return Reading::Done;
            }
            Scope::LongestMatch(p) => {
                for len in (0..=p.len()).rev() {
                    let found = Prefix::new(p.addr(), len).and_then(A::of);
                    let Some(slot) = found.and_then(|(addr, len)| self.table.find(addr, len)) else { continue };
                    let before = out.len();
                    self.show(shared, slot, view, out);
                    if out.len() > before {
                        break;
                    }
                }
                return Reading::Done;
            }
        };
        let to = cursor.0.saturating_add(max_slots.max(1)).min(self.table.slots());
        for slot in cursor.0..to {
            let inside = |p: Prefix| p.contains(self.table.prefix(slot));
            if self.table.dest(slot).is_used() && within.is_none_or(inside) {
                self.show(shared, slot, view, out);
            }
        }
        cursor.0 = to;
        if to < self.table.slots() { Reading::More } else { Reading::Done }
    }

    fn show(&self, shared: &Shared, slot: u32, view: View, out: &mut Vec<RouteInfo>) {
        match view {
            View::Advertised(peer) => self.show_advertised(shared, slot, peer, out),
            View::LocRib => self.show_paths(shared, slot, |_| true, out),
            View::Received(peer) => self.show_paths(shared, slot, |p| self.sources.peer(p.source) == peer, out),
        }
    }

    fn show_paths(&self, shared: &Shared, slot: u32, wanted: impl Fn(&PathRec) -> bool, out: &mut Vec<RouteInfo>) {
        let mut paths = self.table.paths(slot);
        paths.retain(|p| !self.sources.is_dead(p.source));
        if !paths.iter().any(&wanted) {
            return;
        }
        let eligible: SmallVec<[&PathRec; 8]> = paths.iter().filter(|p| p.flags.is_eligible()).collect();
        let candidates: SmallVec<[Candidate<'_>; 8]> = eligible.iter().map(|p| self.candidate(shared, p)).collect();
        let mut reasons = explain(&candidates, &shared.decision).into_iter();
        for p in &paths {
            let standing = match p.flags.reason() {
                Some(Ineligible::Guard) => self.refusal(shared, slot, p),
                Some(reason) => Standing::Ineligible(reason),
                None => Standing::Decided(reasons.next().unwrap_or(Reason::Best)),
            };
            if !wanted(p) {
                continue;
            }
            let received = (p.received() != p.attr).then(|| shared.attrs.block(p.received()).0.to_vec());
            out.push(RouteInfo {
                prefix: self.table.prefix(slot),
                path_id: PathId(p.rx),
                source: *self.sources.info(p.source),
                flags: p.flags,
                standing,
                since: p.time,
                block: shared.attrs.block(p.attr).0.to_vec(),
                received,
            });
        }
    }

    /// What the guard of a path's peer has against it. Where the guard has changed and the path is not judged anew yet, it
    /// is still refused, and nobody can say for what.
    fn refusal(&self, shared: &Shared, slot: u32, p: &PathRec) -> Standing {
        let guard = self.peer(self.sources.peer(p.source)).and_then(|peer| peer.import.guard.as_ref());
        let next_hop = shared.attrs.block(p.received()).next_hop();
        let refusal = guard.and_then(|g| g.refuses(self.table.prefix(slot), next_hop));
        refusal.map_or(Standing::Ineligible(Ineligible::Guard), Standing::Refused)
    }

    fn show_advertised(&self, shared: &Shared, slot: u32, peer: PeerId, out: &mut Vec<RouteInfo>) {
        let member = self.peer(peer).and_then(|p| p.member).and_then(|m| self.member(m));
        let Some(group) = member.and_then(|m| self.group(m.group)) else { return };
        let GroupKind::Peers { key, default_originate } = &group.kind else { return };
        let mut scratch = ExportScratch::default();
        let mut push = |path_id, path: Option<&Announced>, source: &SourceInfo, block: &[u8]| {
            out.push(RouteInfo {
                prefix: self.table.prefix(slot),
                path_id,
                source: *source,
                flags: path.map_or(PathFlags::NONE, |p| p.flags),
                standing: Standing::Advertised,
                since: self.table.inline(slot).map_or(0, |p| p.time),
                block: block.to_vec(),
                received: None,
            });
        };
        let id = |tx: u16| match key.add_path {
            AddPathSend::Off => PathId(0),
            AddPathSend::All | AddPathSend::Best(_) => PathId(u32::from(tx) + 1),
        };
        if self.default_slot == Some(slot) && *default_originate == DefaultOriginate::On {
            if let Exported::Changed(block) = export_default(key, &mut scratch) {
                push(id(0), None, self.sources.info(crate::route::SourceId::LOCAL), block);
            }
            return;
        }
        let sent = match group.paths() {
            None => self.announced(slot).into_iter().collect(),
            Some(max) => {
                let mut all = self.announced_all(shared, slot);
                all.truncate(usize::from(max));
                all
            }
        };
        for a in sent.iter().filter(|a| self.sources.peer(a.source) != peer && a.tx < crate::table::NO_TX) {
            let route = self.view_of(shared, slot, a);
            if let Some(block) = export(key, &route, &mut scratch).attributes(route.block) {
                push(id(a.tx), Some(a), route.source, block);
            }
        }
    }

    fn view_of<'a>(&'a self, shared: &'a Shared, slot: u32, a: &Announced) -> RouteView<'a> {
        let block: BlockView<'a> = shared.attrs.block(a.attr);
        RouteView {
            prefix: self.table.prefix(slot),
            meta: shared.attrs.meta(a.attr),
            block,
            source: self.sources.info(a.source),
            flags: a.flags,
        }
    }

    fn withheld(&self, shared: &Shared, prefix: Prefix, peer: PeerId) -> Option<Withheld> {
        let slot = A::of(prefix).and_then(|(addr, len)| self.table.find(addr, len))?;
        let member = self.peer(peer)?.member.and_then(|m| self.member(m))?;
        let GroupKind::Peers { key, .. } = &self.group(member.group)?.kind else { return None };
        let route = self.view_of(shared, slot, &self.announced(slot)?);
        match export(key, &route, &mut ExportScratch::default()) {
            Exported::Withheld(reason) => Some(reason),
            Exported::Unchanged | Exported::Changed(_) => None,
        }
    }
}
