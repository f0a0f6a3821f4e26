//! What the receivers must have in the end, and what each of them has.

use std::collections::BTreeMap;

use super::index::{Index, Recorded};
use super::walk::{self, PathIds, Reflection, Sum, Update};

/// Differences that are kept for the message.
const KEPT: usize = 64;

/// A client, counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ClientNumber(pub(crate) u16);

/// What is expected for one destination.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expected {
    /// The sum over its attributes as receivers see them; `None`: no route.
    sum: Option<Sum>,
    /// Who sent it, and so does not get it back.
    owner: Option<ClientNumber>,
}

/// What happens to attributes on the way through what is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Passage {
    /// A reflector adds its attributes.
    Reflected(Reflection),
    /// The floor copies.
    Copied,
}

impl Passage {
    /// The sum over attributes as receivers see them.
    pub(crate) fn sum(self, attributes: &[u8]) -> Sum {
        match self {
            Self::Reflected(reflection) => walk::reflected(attributes, reflection),
            Self::Copied => walk::sum(attributes),
        }
    }
}

/// What is expected of a reflector, for all destinations.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    entries: Vec<Expected>,
    /// LOCAL_PREF of what stands in `entries`.
    preference: Vec<u32>,
    /// Whether a destination has routes of several clients.
    contested: bool,
}

impl Target {
    /// Nothing.
    pub(crate) fn empty(count: usize) -> Self {
        Self { entries: vec![Expected::default(); count], preference: vec![0; count], contested: false }
    }

    /// Applies what a client sends: of several clients' routes to a destination, that of the highest LOCAL_PREF is the best.
    pub(crate) fn apply(&mut self, index: &Index, client: ClientNumber, passage: Passage, messages: &[u8]) {
        let mut next = 0;
        for update in updates(messages) {
            let sum = passage.sum(update.attributes);
            let preference = walk::local_pref(update.attributes);
            for packed in update.withdrawn {
                walk::prefixes(packed, PathIds::Absent, |length, octets| {
                    let Some(number) = index.find(length, octets, &mut next) else { return };
                    if let Some(entry) = self.entries.get_mut(number).filter(|entry| entry.owner == Some(client)) {
                        *entry = Expected::default();
                    }
                });
            }
            for packed in update.advertised {
                walk::prefixes(packed, PathIds::Absent, |length, octets| {
                    if let Some(number) = index.find(length, octets, &mut next) {
                        self.offer(number, client, preference, sum);
                    }
                });
            }
        }
    }

    fn offer(&mut self, number: usize, client: ClientNumber, preference: u32, sum: Sum) {
        let Some((entry, best)) = self.entries.get_mut(number).zip(self.preference.get_mut(number)) else { return };
        self.contested |= entry.owner.is_some_and(|owner| owner != client);
        if entry.sum.is_none() || entry.owner == Some(client) || preference > *best {
            *entry = Expected { sum: Some(sum), owner: Some(client) };
            *best = preference;
        }
    }

    /// Whether a destination has routes of several clients, of which a reflector has to choose.
    pub(crate) const fn is_contested(&self) -> bool {
        self.contested
    }

    /// Whether a route is expected for a destination, by anybody.
    pub(crate) fn has(&self, number: usize) -> bool {
        self.entries.get(number).is_some_and(|entry| entry.sum.is_some())
    }

    /// Changes what is expected for one destination; returns what was expected before.
    pub(crate) fn exchange(&mut self, number: usize, expected: Expected) -> Option<Expected> {
        Some(std::mem::replace(self.entries.get_mut(number)?, expected))
    }

    /// Takes over what another target has from this number on.
    pub(crate) fn keep(&mut self, other: &Self, from: usize) {
        for (entry, kept) in self.entries.iter_mut().zip(&other.entries).skip(from) {
            *entry = *kept;
        }
    }

    /// What a client should have for a destination: a mark, 0 for no route.
    #[inline]
    fn mark(&self, number: usize, view: &View) -> u32 {
        self.entries.get(number).map_or(0, |entry| entry.mark(view))
    }
}

impl Target {
    /// Whether a mark is that of the client's own route, come back.
    fn is_echo(&self, number: usize, mark: u32, view: &View) -> bool {
        let own = |entry: &&Expected| entry.owner == Some(view.client);
        let sum = || self.entries.get(number).filter(own)?.sum;
        view.echo == Echo::Allowed && sum().is_some_and(|sum| view.changed(sum).mark() == mark)
    }
}

impl Expected {
    /// A route of a client.
    pub(crate) const fn route(sum: Sum, owner: ClientNumber) -> Self {
        Self { sum: Some(sum), owner: Some(owner) }
    }

    #[inline]
    fn mark(&self, view: &View) -> u32 {
        match self.sum {
            Some(sum) if self.owner != Some(view.client) => view.changed(sum).mark(),
            Some(_) | None => 0,
        }
    }
}

/// The UPDATEs among whole messages.
pub(crate) fn updates(messages: &[u8]) -> impl Iterator<Item = Update<'_>> {
    let mut rest = messages;
    let bodies = std::iter::from_fn(move || {
        let length = usize::from(u16::from_be_bytes(*rest.get(16..)?.first_chunk()?));
        let (message, tail) = rest.split_at_checked(length)?;
        rest = tail;
        Some((*message.get(18)?, message.get(19..)?))
    });
    bodies.filter(|(kind, _)| *kind == 2).filter_map(|(_, body)| walk::update(body))
}

/// The destinations of recorded UPDATEs, in order.
pub(crate) fn recorded(messages: &[u8]) -> Index {
    let mut all = Recorded::default();
    for update in updates(messages) {
        walk::prefixes(update.advertised[0], PathIds::Absent, |length, octets| {
            all.add(length, octets);
        });
    }
    Index::Recorded(all)
}

/// Whether a daemon sends a client's routes back to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Echo {
    /// It does not, and must not.
    Never,
    /// It may: FRR does where clients share an update group. The client drops such a route by its ORIGINATOR_ID (RFC 4456
    /// §8), so it is as if it had been withdrawn.
    Allowed,
}

/// A receiver's table, and how much of it is as it should be.
#[derive(Clone, Debug)]
pub(crate) struct View {
    client: ClientNumber,
    echo: Echo,
    /// A community that the export policy toward this client adds.
    community: Option<u32>,
    path_ids: PathIds,
    marks: Vec<u32>,
    /// Where the next destination is looked for first.
    next: usize,
    /// Destinations that are as expected.
    right: usize,
    /// Prefixes advertised and withdrawn by the daemon since the phase began.
    pub(crate) heard: u64,
    /// Prefixes that were advertised and that nobody had sent; a withdrawal of one does no harm.
    foreign: u64,
    /// Attributes that were not expected, by their mark.
    odd: BTreeMap<u32, Vec<u8>>,
}

/// A destination that became as expected.
pub(crate) trait Became {
    fn right(&mut self, number: usize);
}

impl Became for () {
    fn right(&mut self, _: usize) {}
}

impl View {
    pub(crate) fn new(client: ClientNumber, echo: Echo, community: Option<u32>, count: usize) -> Self {
        // Written once, so that no page of it is new while the clock runs.
        let mut marks = vec![1; count];
        marks.fill(0);
        let odd = BTreeMap::new();
        Self { client, echo, community, path_ids: PathIds::Absent, marks, next: 0, right: 0, heard: 0, foreign: 0, odd }
    }

    /// As negotiated.
    pub(crate) fn set_path_ids(&mut self, path_ids: PathIds) {
        self.path_ids = path_ids;
    }

    fn changed(&self, sum: Sum) -> Sum {
        self.community.map_or(sum, |community| sum.with_community(community))
    }

    /// Compares with a new target.
    pub(crate) fn begin(&mut self, target: &Target) {
        self.heard = 0;
        self.odd.clear();
        self.right =
            self.marks.iter().enumerate().filter(|(number, mark)| target.mark(*number, self) == **mark).count();
    }

    /// What is expected for one destination has changed; tells whether this client has it already.
    pub(crate) fn expect(&mut self, number: usize, before: Expected, after: Expected) -> bool {
        let Some(mark) = self.marks.get(number) else { return true };
        let right = after.mark(self) == *mark;
        self.right -= usize::from(before.mark(self) == *mark);
        self.right += usize::from(right);
        right
    }

    /// Whether all is as it should be.
    pub(crate) fn complete(&self) -> bool {
        self.right == self.marks.len()
    }

    /// Destinations that are not as they should be.
    pub(crate) fn wrong(&self) -> usize {
        self.marks.len().saturating_sub(self.right)
    }

    /// Applies an UPDATE; nothing when it is malformed.
    #[inline]
    pub(crate) fn apply(
        &mut self,
        index: &Index,
        target: &Target,
        body: &[u8],
        became: &mut impl Became,
    ) -> Option<()> {
        let update = walk::update(body)?;
        let path_ids = self.path_ids;
        let mut next = self.next;
        for packed in update.withdrawn {
            self.heard += walk::prefixes(packed, path_ids, |length, octets| {
                if let Some(number) = index.find(length, octets, &mut next) {
                    self.set(number, 0, target, became);
                }
            })?;
        }
        if update.advertised.iter().all(|packed| packed.is_empty()) {
            self.next = next;
            return Some(());
        }
        let mark = walk::sum(update.attributes).mark();
        let mut expected = true;
        for packed in update.advertised {
            self.heard +=
                walk::prefixes(packed, path_ids, |length, octets| match index.find(length, octets, &mut next) {
                    Some(number) => {
                        let mark = if target.is_echo(number, mark, self) { 0 } else { mark };
                        self.set(number, mark, target, became);
                        expected &= target.mark(number, self) == mark;
                    }
                    None => self.foreign += 1,
                })?;
        }
        self.next = next;
        if !expected && self.odd.len() < KEPT {
            self.odd.insert(mark, update.attributes.to_vec());
        }
        Some(())
    }

    #[inline]
    fn set(&mut self, number: usize, mark: u32, target: &Target, became: &mut impl Became) {
        let expected = target.mark(number, self);
        let Some(current) = self.marks.get_mut(number) else { return };
        let before = std::mem::replace(current, mark);
        if before != mark {
            self.right -= usize::from(before == expected);
            if mark == expected {
                self.right += 1;
                became.right(number);
            }
        }
    }

    /// Whether there is nothing that should not be there, beyond what [`complete`](Self::complete) says.
    pub(crate) const fn is_clean(&self) -> bool {
        self.foreign == 0
    }

    /// Compares the whole table once more, prefix by prefix: what is wrong, in words, at most `most` lines.
    pub(crate) fn differences(&self, index: &Index, target: &Target, most: usize) -> Vec<String> {
        let one = |(number, mark): (usize, &u32)| {
            let expected = target.mark(number, self);
            let prefix = index.prefix(number).map_or_else(|| number.to_string(), |prefix| prefix.to_string());
            let found = || self.odd.get(mark).map_or_else(|| format!("{mark:08x}"), |octets| walk::describe(octets));
            match (*mark, expected) {
                (mark, expected) if mark == expected => None,
                (0, _) => Some(format!("client {}: {prefix} is missing", self.client.0)),
                (_, 0) => Some(format!("client {}: {prefix} should not be there: {}", self.client.0, found())),
                (..) => Some(format!("client {}: {prefix} has other attributes: {}", self.client.0, found())),
            }
        };
        let foreign = (self.foreign > 0)
            .then(|| format!("client {}: {} prefixes that nobody has sent", self.client.0, self.foreign));
        foreign.into_iter().chain(self.marks.iter().enumerate().filter_map(one)).take(most).collect()
    }
}

#[cfg(test)]
mod tests;
