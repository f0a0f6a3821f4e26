//! A set of kinds.

use std::fmt;

use heddle_resources::Kind;

/// A set of kinds, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Kinds(u32);

/// The bit of a kind: its place in the order.
fn bit(kind: Kind) -> u32 {
    let place = Kind::ALL.iter().position(|k| *k == kind).unwrap_or_default();
    1 << place
}

impl Kinds {
    /// None.
    pub const NONE: Self = Self(0);

    /// Every kind that Heddle reads.
    #[must_use]
    pub fn all() -> Self {
        Kind::ALL.into_iter().collect()
    }

    /// Whether a kind is in the set.
    #[must_use]
    pub fn contains(self, kind: Kind) -> bool {
        self.0 & bit(kind) != 0
    }

    /// Adds a kind.
    pub fn insert(&mut self, kind: Kind) {
        self.0 |= bit(kind);
    }

    /// What is in this set and not in the other.
    #[must_use]
    pub const fn without(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The kinds, in order.
    pub fn iter(self) -> impl Iterator<Item = Kind> {
        Kind::ALL.into_iter().filter(move |kind| self.contains(*kind))
    }
}

impl FromIterator<Kind> for Kinds {
    fn from_iter<I: IntoIterator<Item = Kind>>(kinds: I) -> Self {
        let mut set = Self::NONE;
        kinds.into_iter().for_each(|kind| set.insert(kind));
        set
    }
}

impl From<Kind> for Kinds {
    fn from(kind: Kind) -> Self {
        Self(bit(kind))
    }
}

impl fmt::Display for Kinds {
    /// `Node, BGPPeer`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, kind) in self.iter().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            write!(f, "{comma}{kind}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_a_bit_of_its_own() {
        for kind in Kind::ALL {
            let one = Kinds::from(kind);
            assert_eq!(one.iter().collect::<Vec<_>>(), [kind]);
            assert!(Kinds::all().contains(kind) && !Kinds::all().without(one).contains(kind));
        }
        assert_eq!(Kinds::all().iter().collect::<Vec<_>>(), Kind::ALL);
        assert_eq!([Kind::BgpPeer, Kind::Node].into_iter().collect::<Kinds>().to_string(), "Node, BGPPeer");
        assert!(Kinds::all().without(Kinds::all()).is_empty());
    }
}
