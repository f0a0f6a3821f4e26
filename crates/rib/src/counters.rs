//! Counts of what became of routes on their way in and out.
//!
//! On import each route is counted where it is stored. On export a group counts once for all its members, in all and by
//! the peer that a route came from, as that one gets no advert of it: what a member gets is a subtraction. Walks are for
//! some members only and are counted with these.

use crate::route::PeerId;

/// What became of routes of one kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// That came: from the peer on import, from the decision process on export.
    pub received: u64,
    /// Looped, leaked or beyond a limit; nothing on export.
    pub rejected: u64,
    /// Rejected by policy, or by a rule of export.
    pub filtered: u64,
    /// Without effect: the same again, a withdrawal of nothing.
    pub ignored: u64,
    /// Taken: into Adj-RIB-In on import, for the peer on export.
    pub accepted: u64,
}

impl Row {
    fn combine(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            received: f(self.received, other.received),
            rejected: f(self.rejected, other.rejected),
            filtered: f(self.filtered, other.filtered),
            ignored: f(self.ignored, other.ignored),
            accepted: f(self.accepted, other.accepted),
        }
    }
}

impl std::ops::AddAssign for Row {
    fn add_assign(&mut self, other: Self) {
        *self = self.combine(other, u64::wrapping_add);
    }
}

/// What became of the routes of one family and session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteCounters {
    /// Advertised by the peer.
    pub import_updates: Row,
    /// Withdrawn by the peer.
    pub import_withdraws: Row,
    /// Best paths, or with ADD-PATH paths, that came or changed, and walks over all of them.
    pub export_updates: Row,
    /// Paths that went, and withdrawals that were written.
    pub export_withdraws: Row,
}

/// What was said to somebody: what [`Row`]s of export are made of, as there is one for each peer and group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    /// Adverts that policy or a rule of export kept back.
    pub(crate) filtered: u64,
    /// Adverts without effect.
    pub(crate) ignored: u64,
    /// Adverts that were written.
    pub(crate) accepted: u64,
    /// Paths that went.
    pub(crate) gone: u64,
    /// Withdrawals that were written.
    pub(crate) withdrawn: u64,
}

impl Tally {
    fn combine(self, other: Self, f: impl Fn(u64, u64) -> u64) -> Self {
        Self {
            filtered: f(self.filtered, other.filtered),
            ignored: f(self.ignored, other.ignored),
            accepted: f(self.accepted, other.accepted),
            gone: f(self.gone, other.gone),
            withdrawn: f(self.withdrawn, other.withdrawn),
        }
    }
    pub(crate) fn plus(self, other: Self) -> Self {
        self.combine(other, u64::wrapping_add)
    }
    /// Differences of running counts; one may pass through what would be below zero, and the sum is right again.
    pub(crate) fn minus(self, other: Self) -> Self {
        self.combine(other, u64::wrapping_sub)
    }

    /// Adverts. Whatever came was one of the three.
    pub(crate) fn updates(self) -> Row {
        let Self { filtered, ignored, accepted, .. } = self;
        let received = filtered.wrapping_add(ignored).wrapping_add(accepted);
        Row { received, filtered, ignored, accepted, ..Row::default() }
    }

    /// Withdrawals.
    pub(crate) fn withdraws(self) -> Row {
        Row { received: self.gone, accepted: self.withdrawn, ..Row::default() }
    }
}

/// Counts for many, of whom some do not get some.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tallies {
    all: Tally,
    /// By [`PeerId`]: what its share differs by.
    own: Vec<Tally>,
}

impl Tallies {
    /// Counts something for all but the peer.
    pub(crate) fn count(&mut self, but: PeerId, f: impl Fn(&mut Tally)) {
        f(&mut self.all);
        if but != PeerId::LOCAL {
            let own = self.own(but);
            let mut one = Tally::default();
            f(&mut one);
            *own = own.minus(one);
        }
    }
    /// Counts something for all.
    pub(crate) fn count_all(&mut self, f: impl Fn(&mut Tally)) {
        f(&mut self.all);
    }
    /// Counts something for the peer only.
    pub(crate) fn count_only(&mut self, peer: PeerId, f: impl Fn(&mut Tally)) {
        let own = self.own(peer);
        let mut one = Tally::default();
        f(&mut one);
        *own = own.plus(one);
    }
    fn own(&mut self, peer: PeerId) -> &mut Tally {
        let at = usize::from(peer.0);
        if at >= self.own.len() {
            self.own.resize(at + 1, Tally::default());
        }
        &mut self.own[at]
    }
    /// What a peer's share is.
    pub(crate) fn of(&self, peer: PeerId) -> Tally {
        self.own.get(usize::from(peer.0)).map_or(self.all, |own| self.all.plus(*own))
    }
}
