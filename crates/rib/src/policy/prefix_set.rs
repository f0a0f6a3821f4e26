//! Prefix sets with `ge` and `le`, as in FRR's prefix lists and BIRD's prefix sets.
//!
//! An entry matches a route whose prefix lies inside the entry's prefix and whose length is within the entry's bounds.
//! Without bounds only the prefix itself matches; `ge` alone opens the range up to the longest length of the family,
//! `le` alone begins it at the entry's own length.
//!
//! A look-up costs one binary search for each *different* length among the entries that is no longer than the route's
//! prefix (a set of a million /24 costs one search), and a set of at most eight entries is read through.

use std::fmt;
use std::net::IpAddr;

use heddle_bgp_core::Prefix;

use super::error::{PolicyError, PolicyField};

/// Below this many entries of a family reading them all is faster than searching.
const LINEAR: usize = 8;

/// One entry of a prefix set: a prefix and the lengths that match inside it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PrefixRange {
    prefix: Prefix,
    min_len: u8,
    max_len: u8,
}

impl PrefixRange {
    /// Exactly this prefix.
    #[must_use]
    pub const fn exact(prefix: Prefix) -> Self {
        Self { prefix, min_len: prefix.len(), max_len: prefix.len() }
    }

    /// This prefix and everything more specific.
    #[must_use]
    pub const fn or_longer(prefix: Prefix) -> Self {
        Self { prefix, min_len: prefix.len(), max_len: longest(prefix) }
    }

    /// The prefixes inside `prefix` with a length from `ge` to `le`; see the [module](self) for what absence means.
    ///
    /// # Errors
    /// A bound shorter than the prefix, longer than the family allows, or `ge` above `le`.
    pub fn new(prefix: Prefix, ge: Option<u8>, le: Option<u8>) -> Result<Self, PolicyError> {
        let longest = longest(prefix);
        let (min_len, max_len) = match (ge, le) {
            (None, None) => (prefix.len(), prefix.len()),
            (Some(ge), None) => (ge, longest),
            (None, Some(le)) => (prefix.len(), le),
            (Some(ge), Some(le)) => (ge, le),
        };
        if min_len < prefix.len() || max_len > longest || min_len > max_len {
            return Err(PolicyError::PrefixBounds { prefix, min_len, max_len, longest });
        }
        Ok(Self { prefix, min_len, max_len })
    }

    /// Reads `PREFIX`, `PREFIX ge N`, `PREFIX le N` or `PREFIX ge N le M`.
    ///
    /// # Errors
    /// Text that is no prefix, an unknown word, or bounds that [`PrefixRange::new`] refuses.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let mut words = text.split_ascii_whitespace();
        let prefix = words.next().unwrap_or("");
        let prefix = prefix.parse::<Prefix>().map_err(|error| PolicyError::Prefix {
            field: PolicyField::PrefixSet,
            column: 1,
            error,
        })?;
        let (mut ge, mut le) = (None, None);
        while let Some(word) = words.next() {
            let bad =
                |at: &str| PolicyError::syntax(PolicyField::PrefixSet, text, at, "PREFIX [ge LENGTH] [le LENGTH]");
            let slot = match word {
                "ge" if ge.is_none() => &mut ge,
                "le" if le.is_none() => &mut le,
                other => return Err(bad(other)),
            };
            let number = words.next().ok_or_else(|| bad(word))?;
            *slot = Some(number.parse::<u8>().map_err(|_| bad(number))?);
        }
        Self::new(prefix, ge, le)
    }

    /// Whether a route for `prefix` matches.
    #[must_use]
    pub const fn matches(&self, prefix: Prefix) -> bool {
        let len = prefix.len();
        self.min_len <= len && len <= self.max_len && self.prefix.contains(prefix)
    }
}

/// The longest length in the prefix's family.
const fn longest(prefix: Prefix) -> u8 {
    match prefix {
        Prefix::V4(_) => 32,
        Prefix::V6(_) => 128,
    }
}

impl fmt::Display for PrefixRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.prefix.fmt(f)?;
        if self.min_len > self.prefix.len() {
            write!(f, " ge {}", self.min_len)?;
        }
        let opened_by_ge = self.min_len > self.prefix.len() && self.max_len == longest(self.prefix);
        if self.max_len > self.prefix.len() && !opened_by_ge {
            write!(f, " le {}", self.max_len)?;
        }
        Ok(())
    }
}

/// A set of [`PrefixRange`]s of both families. Two sets are equal when their entries are, whatever their order was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PrefixSet {
    v4: FamilySet,
    v6: FamilySet,
}

/// The entries of one family, sorted by prefix (address, then length), then bounds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
struct FamilySet {
    entries: Box<[PrefixRange]>,
    /// The different lengths of entries' prefixes, ascending.
    lengths: Box<[u8]>,
}

impl PrefixSet {
    /// A set of these entries.
    #[must_use]
    pub fn new(entries: impl IntoIterator<Item = PrefixRange>) -> Self {
        let (v4, v6): (Vec<_>, Vec<_>) = entries.into_iter().partition(|e| matches!(e.prefix, Prefix::V4(_)));
        Self { v4: FamilySet::new(v4), v6: FamilySet::new(v6) }
    }

    /// Whether an entry matches a route for `prefix`.
    #[must_use]
    pub fn matches(&self, prefix: Prefix) -> bool {
        match prefix {
            Prefix::V4(_) => self.v4.matches(prefix),
            Prefix::V6(_) => self.v6.matches(prefix),
        }
    }

    /// Whether an entry matches an address, taken as a prefix of the full length: `10.0.0.0/8 le 32` matches every
    /// address in 10.0.0.0/8, and so does `10.0.0.0/8` alone, as an address has no length that could be meant.
    #[must_use]
    pub fn matches_addr(&self, addr: IpAddr) -> bool {
        let set = if addr.is_ipv4() { &self.v4 } else { &self.v6 };
        set.entries.iter().any(|e| e.prefix.contains_addr(addr))
    }

    /// Number of entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.v4.entries.len() + self.v6.entries.len()
    }

    /// Whether there is no entry, so that nothing matches.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl FromIterator<PrefixRange> for PrefixSet {
    fn from_iter<I: IntoIterator<Item = PrefixRange>>(entries: I) -> Self {
        Self::new(entries)
    }
}

impl FamilySet {
    fn new(mut entries: Vec<PrefixRange>) -> Self {
        entries.sort_unstable();
        entries.dedup();
        let mut lengths: Vec<u8> = entries.iter().map(|e| e.prefix.len()).collect();
        lengths.sort_unstable();
        lengths.dedup();
        Self { entries: entries.into(), lengths: lengths.into() }
    }

    fn matches(&self, prefix: Prefix) -> bool {
        if self.entries.len() <= LINEAR {
            return self.entries.iter().any(|e| e.matches(prefix));
        }
        self.lengths.iter().take_while(|&&len| len <= prefix.len()).any(|&len| {
            let Some(cover) = Prefix::new(prefix.addr(), len) else { return false };
            let first = self.entries.partition_point(|e| e.prefix < cover);
            let same = self.entries.get(first..).unwrap_or_default().iter().take_while(|e| e.prefix == cover);
            same.into_iter().any(|e| e.matches(prefix))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn prefix(text: &str) -> Prefix {
        text.parse().expect("a prefix")
    }

    #[test]
    fn bounds() {
        let rows: &[(&str, &[&str], &[&str])] = &[
            ("10.0.0.0/8", &["10.0.0.0/8"], &["10.0.0.0/9", "0.0.0.0/0", "11.0.0.0/8"]),
            ("10.0.0.0/8 ge 16", &["10.1.0.0/16", "10.1.1.1/32"], &["10.0.0.0/8", "10.0.0.0/15", "11.1.0.0/16"]),
            ("10.0.0.0/8 le 16", &["10.0.0.0/8", "10.1.0.0/16"], &["10.1.0.0/17", "0.0.0.0/0"]),
            ("10.0.0.0/8 ge 12 le 16", &["10.0.0.0/12", "10.9.0.0/16"], &["10.0.0.0/11", "10.0.0.0/17"]),
            ("0.0.0.0/0 le 32", &["0.0.0.0/0", "192.0.2.1/32"], &["::/0"]),
            ("2001:db8::/32 le 48", &["2001:db8:7::/48"], &["2001:db8::/49", "2001:db9::/48", "::/0"]),
        ];
        for (text, inside, outside) in rows {
            let range = PrefixRange::parse(text).expect(text);
            assert_eq!(range.to_string(), *text);
            // Once through all entries, once by search.
            let small = PrefixSet::new([range]);
            let filler = (0..20u32).map(|i| PrefixRange::exact(prefix(&format!("198.51.{i}.0/24"))));
            let filler6 = (0..20u32).map(|i| PrefixRange::exact(prefix(&format!("3fff:{i}::/32"))));
            let large = PrefixSet::new(filler.chain(filler6).chain([range]));
            for set in [&small, &large] {
                inside.iter().for_each(|p| assert!(set.matches(prefix(p)), "{text} has {p}"));
                outside.iter().for_each(|p| assert!(!set.matches(prefix(p)), "{text} has not {p}"));
            }
        }
    }

    #[test]
    fn search_agrees_with_reading_through() {
        // Nested entries of many lengths; every look-up compared with the plain rule.
        let mut entries = Vec::new();
        for i in 0..60u32 {
            let len = u8::try_from(8 + i % 17).expect("small");
            let p = Prefix::new(std::net::Ipv4Addr::from(0x0a00_0000 | i.wrapping_mul(2_654_435_761) >> 9).into(), len);
            let p = p.expect("a length up to 32");
            entries.push(PrefixRange::new(p, None, Some(len + u8::try_from(i % 5).expect("small"))).expect("bounds"));
        }
        let set: PrefixSet = entries.iter().copied().collect();
        let (mut hits, mut misses) = (0, 0);
        for entry in &entries {
            for len in 0..=32 {
                let p = Prefix::new(entry.prefix.addr(), len).expect("a length up to 32");
                let expected = entries.iter().any(|e| e.matches(p));
                assert_eq!(set.matches(p), expected, "{p}");
                if expected { hits += 1 } else { misses += 1 }
            }
        }
        assert!(hits > 60 && misses > 60, "{hits} {misses}");
    }

    #[test]
    fn order_of_entries_does_not_matter() {
        let a = PrefixRange::parse("10.0.0.0/8").expect("a");
        let b = PrefixRange::parse("2001:db8::/32 ge 48").expect("b");
        assert_eq!(PrefixSet::new([a, b]), PrefixSet::new([b, a, a]));
    }

    #[test]
    fn entries_are_counted_once() {
        let range = |text| PrefixRange::parse(text).expect(text);
        assert!(PrefixSet::default().is_empty());
        for (entries, len) in [
            (vec!["10.0.0.0/8"], 1),
            (vec!["10.0.0.0/8", "10.0.0.0/8", "10.0.0.0/8 le 9"], 2),
            (vec!["2001:db8::/32"], 1),
            (vec!["10.0.0.0/8", "11.0.0.0/8", "2001:db8::/32"], 3),
        ] {
            let set: PrefixSet = entries.iter().copied().map(range).collect();
            assert_eq!((set.len(), set.is_empty()), (len, false), "{entries:?}");
        }
    }

    #[test]
    fn errors_name_the_place() {
        let message = |text| PrefixRange::parse(text).expect_err(text).to_string();
        assert!(message("10.0.0.1/8").contains("did you mean 10.0.0.0/8"), "{}", message("10.0.0.1/8"));
        assert!(message("10.0.0.0/8 eq 9").contains("column 12"), "{}", message("10.0.0.0/8 eq 9"));
        assert!(message("10.0.0.0/8 ge 9 ge 10").contains("column 17"), "{}", message("10.0.0.0/8 ge 9 ge 10"));
        assert!(message("10.0.0.0/8 le 9 le 10").contains("column 17"), "{}", message("10.0.0.0/8 le 9 le 10"));
        assert!(message("10.0.0.0/8 ge x").contains("\"x\""), "{}", message("10.0.0.0/8 ge x"));
        assert!(message("10.0.0.0/8 ge 4").contains("8 to 32"), "{}", message("10.0.0.0/8 ge 4"));
        assert!(message("10.0.0.0/8 ge 24 le 16").contains("ge 24"), "{}", message("10.0.0.0/8 ge 24 le 16"));
        assert!(message("2001:db8::/32 le 129").contains("32 to 128"), "{}", message("2001:db8::/32 le 129"));
    }

    #[test]
    fn addresses() {
        let set = PrefixSet::new([PrefixRange::parse("10.0.0.0/8").expect("range")]);
        assert!(set.matches_addr("10.1.2.3".parse().expect("address")));
        assert!(!set.matches_addr("11.1.2.3".parse().expect("address")));
        assert!(!set.matches_addr("2001:db8::1".parse().expect("address")));
    }
}
