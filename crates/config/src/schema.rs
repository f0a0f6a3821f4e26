//! The keys of a configuration file: one table that the parser, [`diff`](crate::diff) and `docs/configuration.md` share.

use std::fmt;

mod keys;

pub use keys::keys;

/// What it takes until a changed key is in force.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// At once, a timer from the next time that it starts; sessions stay as they are.
    Immediate,
    /// At once; routes are evaluated anew and what comes out differently is sent. Sessions stay. Where a key decides
    /// about routes as they come in, the peer is asked for them again (RFC 2918).
    Refresh,
    /// With the next session of the peer; the present one stays as it is.
    NextSession,
    /// The session is closed and starts again.
    Reset,
    /// With the next start of the program.
    Restart,
}

impl Effect {
    /// The word for it in messages, JSON and documentation.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Immediate => "immediate",
            Self::Refresh => "refresh",
            Self::NextSession => "next session",
            Self::Reset => "reset",
            Self::Restart => "restart",
        }
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The tables of a configuration file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Table {
    /// The file itself.
    Root,
    /// `[router]`
    Router,
    /// `[router.decision]`
    Decision,
    /// `multipath` of `[router.decision]`
    Multipath,
    /// `[router.graceful_restart]`
    GracefulRestart,
    /// `[router.long_lived]`
    LongLived,
    /// `[api]`
    Api,
    /// `[log]`
    Log,
    /// `[confinement]`
    Confinement,
    /// `[[prefix_sets]]`
    PrefixSet,
    /// An entry of a prefix set that is written as a table.
    PrefixRange,
    /// `[[community_sets]]`
    CommunitySet,
    /// `[[as_path_sets]]`
    AsPathSet,
    /// `[[policies]]`
    Policy,
    /// `[[policies.rules]]`
    Rule,
    /// `match` of a rule
    Match,
    /// A range of numbers in `match`
    Range,
    /// `then` of a rule
    Then,
    /// `set` of `then`
    Set,
    /// `add` of `then`
    Add,
    /// `remove` of `then`
    Remove,
    /// `prepend` of `then`
    Prepend,
    /// `[[peer_groups]]`: its name, and all keys of a peer but the address
    PeerGroup,
    /// `[[peers]]`
    Peer,
    /// What peers and groups have in common
    PeerSettings,
    /// `idle_hold` of a peer
    IdleHold,
    /// `local_as` of a peer
    LocalAs,
    /// `guard` of a peer
    Guard,
    /// A key of `tcp_ao`
    AoKey,
    /// What can stand in a peer for all its families, and in `families.NAME` for one
    Family,
    /// `add_path`
    AddPath,
    /// `prefix_limit` and `prefix_limit_out`
    PrefixLimit,
    /// `[[listen_ranges]]`
    ListenRange,
    /// `[[networks]]`
    Network,
    /// `[fib]`
    Fib,
    /// `metric` of `[fib]`
    RouteMetric,
    /// `[[fib.static_routes]]`
    StaticRoute,
    /// `[[fib.rules]]`
    FibRule,
    /// `then` of a rule of `[fib]` that is a table
    FibThen,
}

impl Table {
    /// All, in the order of the documentation.
    pub const ALL: [Self; 39] = [
        Self::Root,
        Self::Router,
        Self::Decision,
        Self::Multipath,
        Self::GracefulRestart,
        Self::LongLived,
        Self::Api,
        Self::Log,
        Self::Confinement,
        Self::Peer,
        Self::PeerGroup,
        Self::ListenRange,
        Self::PeerSettings,
        Self::IdleHold,
        Self::AoKey,
        Self::LocalAs,
        Self::Guard,
        Self::Family,
        Self::AddPath,
        Self::PrefixLimit,
        Self::Policy,
        Self::Rule,
        Self::Match,
        Self::Range,
        Self::Then,
        Self::Set,
        Self::Add,
        Self::Remove,
        Self::Prepend,
        Self::PrefixSet,
        Self::PrefixRange,
        Self::CommunitySet,
        Self::AsPathSet,
        Self::Network,
        Self::Fib,
        Self::RouteMetric,
        Self::StaticRoute,
        Self::FibRule,
        Self::FibThen,
    ];

    /// How the table is called in messages and headings.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Root => "the file",
            Self::Router => "[router]",
            Self::Decision => "[router.decision]",
            Self::Multipath => "multipath",
            Self::GracefulRestart => "[router.graceful_restart]",
            Self::LongLived => "[router.long_lived]",
            Self::Api => "[api]",
            Self::Log => "[log]",
            Self::Confinement => "[confinement]",
            Self::PrefixSet => "[[prefix_sets]]",
            Self::PrefixRange => "a prefix",
            Self::CommunitySet => "[[community_sets]]",
            Self::AsPathSet => "[[as_path_sets]]",
            Self::Policy => "[[policies]]",
            Self::Rule => "[[policies.rules]]",
            Self::Match => "match",
            Self::Range => "a range",
            Self::Then => "then",
            Self::Set => "set",
            Self::Add => "add",
            Self::Remove => "remove",
            Self::Prepend => "prepend",
            Self::PeerGroup => "[[peer_groups]]",
            Self::Peer => "[[peers]]",
            Self::PeerSettings => "peers and groups",
            Self::IdleHold => "idle_hold",
            Self::LocalAs => "local_as",
            Self::Guard => "guard",
            Self::AoKey => "a key of tcp_ao",
            Self::Family => "families",
            Self::AddPath => "add_path",
            Self::PrefixLimit => "prefix_limit",
            Self::ListenRange => "[[listen_ranges]]",
            Self::Network => "[[networks]]",
            Self::Fib => "[fib]",
            Self::RouteMetric => "metric",
            Self::StaticRoute => "[[fib.static_routes]]",
            Self::FibRule => "[[fib.rules]]",
            Self::FibThen => "then",
        }
    }

    /// Tables whose keys may stand in this one as well.
    const fn includes(self) -> &'static [Self] {
        match self {
            Self::Peer | Self::PeerGroup => &[Self::PeerSettings, Self::Family],
            Self::Root
            | Self::Router
            | Self::Decision
            | Self::Multipath
            | Self::GracefulRestart
            | Self::LongLived
            | Self::Api
            | Self::Log
            | Self::Confinement
            | Self::PrefixSet
            | Self::PrefixRange
            | Self::CommunitySet
            | Self::AsPathSet
            | Self::Policy
            | Self::Rule
            | Self::Match
            | Self::Range
            | Self::Then
            | Self::Set
            | Self::Add
            | Self::Remove
            | Self::Prepend
            | Self::PeerSettings
            | Self::IdleHold
            | Self::LocalAs
            | Self::Guard
            | Self::AoKey
            | Self::Family
            | Self::AddPath
            | Self::PrefixLimit
            | Self::ListenRange
            | Self::Network
            | Self::Fib
            | Self::RouteMetric
            | Self::StaticRoute
            | Self::FibRule
            | Self::FibThen => &[],
        }
    }

    /// The keys that may stand in this table.
    pub fn keys(self) -> impl Iterator<Item = &'static Key> {
        keys().filter(move |k| k.table == self || self.includes().contains(&k.table))
    }

    /// The key of this name.
    #[must_use]
    pub fn key(self, name: &str) -> Option<&'static Key> {
        self.keys().find(|k| k.name == name)
    }
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The table in which it stands.
    pub table: Table,
    /// Its name.
    pub name: &'static str,
    /// Its type, with unit and range.
    pub kind: &'static str,
    /// Its default, as it would be written; empty: the key is required.
    pub default: &'static str,
    /// What a change takes; none for a key that only names or holds other keys.
    pub effect: Option<Effect>,
    /// What it means, with the RFC.
    pub meaning: &'static str,
}

/// The name in `known` that was probably meant by `text`.
#[must_use]
pub fn nearest<'k>(text: &str, known: impl IntoIterator<Item = &'k str>) -> Option<&'k str> {
    let text: String = text.chars().take(64).collect::<String>().to_lowercase();
    known
        .into_iter()
        .map(|k| (distance(&text, k), k))
        .filter(|(d, k)| *d <= 1 + text.len().max(k.len()) / 4 && *d < text.len().max(k.len()))
        .min_by_key(|(d, _)| *d)
        .map(|(_, k)| k)
}

/// Edits (insert, delete, replace, swap of neighbours) from one text to the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    let mut last_a = None;
    for (i, &ca) in a.iter().enumerate() {
        let mut next = vec![i + 1];
        for (j, &cb) in b.iter().enumerate() {
            let at = |row: &[usize], k: usize| row.get(k).copied().unwrap_or(usize::MAX - 1);
            let mut best = (at(&row, j) + usize::from(ca != cb)).min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            let last_b = j.checked_sub(1).and_then(|j| b.get(j));
            if last_a == Some(cb) && last_b == Some(&ca) {
                best = best.min(at(&before, j - 1) + 1);
            }
            next.push(best);
        }
        before = std::mem::replace(&mut row, next);
        last_a = Some(ca);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_name_by_edit_distance() {
        let known = ["asn", "address", "hold_time", "keepalive", "description", "route_reflector_client"];
        for (text, want) in [
            ("asm", Some("asn")),
            ("adress", Some("address")),
            ("holdtime", Some("hold_time")),
            ("hold-time", Some("hold_time")),
            ("HOLD_TIME", Some("hold_time")),
            ("kepealive", Some("keepalive")),
            ("route_reflektor_klient", Some("route_reflector_client")),
            ("colour", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(nearest(text, known), want, "{text}");
        }
    }

    #[test]
    fn a_key_stands_once_in_a_table() {
        for table in Table::ALL {
            let mut names: Vec<_> = table.keys().map(|k| k.name).collect();
            assert!(!names.is_empty(), "{table:?} has no keys");
            names.sort_unstable();
            let all = names.len();
            names.dedup();
            assert_eq!(names.len(), all, "{table:?}");
        }
    }
}
