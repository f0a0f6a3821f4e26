//! Route policies and the sets that they match with.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use heddle_bgp_core::{Asn, Family, Prefix};
use thiserror::Error;

use super::address::PeerAddress;
use super::community::{Community, CommunityPattern};
use super::located::Located;

/// A named set of prefixes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrefixSet {
    /// Its name.
    pub name: String,
    /// A route is in the set when one of these has it.
    pub prefixes: Vec<PrefixRange>,
}

/// Prefixes inside a prefix, by length: `10.0.0.0/8 ge 16 le 24`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PrefixRange {
    /// What covers them.
    pub prefix: Prefix,
    /// Least length in bits; at least that of `prefix`.
    pub ge: u8,
    /// Greatest length in bits.
    pub le: u8,
}

/// Why a text is no prefix range.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PrefixRangeError {
    /// The prefix itself.
    #[error(transparent)]
    Prefix(#[from] heddle_bgp_core::prefix::PrefixParseError),
    /// Something else than `ge N le N` follows.
    #[error("after the prefix only \"ge N\" and \"le N\" may stand, as in \"10.0.0.0/8 ge 16 le 24\"")]
    Shape,
    /// The lengths are out of order.
    #[error("lengths have to be in the order {0} <= ge <= le <= {1}")]
    Order(u8, u8),
}

impl PrefixRange {
    /// Exactly one prefix.
    #[must_use]
    pub const fn exact(prefix: Prefix) -> Self {
        Self { prefix, ge: prefix.len(), le: prefix.len() }
    }

    /// A range with bounds as written: without `ge` from the prefix's own length on, without `le` to the longest
    /// where there is a `ge`; with neither exactly the prefix.
    ///
    /// # Errors
    /// When the lengths are out of order.
    pub fn new(prefix: Prefix, ge: Option<u8>, le: Option<u8>) -> Result<Self, PrefixRangeError> {
        let longest = if prefix.addr().is_ipv4() { 32 } else { 128 };
        let low = ge.unwrap_or(prefix.len());
        let high = match (ge, le) {
            (_, Some(le)) => le,
            (Some(_), None) => longest,
            (None, None) => prefix.len(),
        };
        if prefix.len() <= low && low <= high && high <= longest {
            Ok(Self { prefix, ge: low, le: high })
        } else {
            Err(PrefixRangeError::Order(prefix.len(), longest))
        }
    }

    /// Whether `prefix` is in the range.
    #[must_use]
    pub const fn contains(&self, prefix: Prefix) -> bool {
        self.ge <= prefix.len() && prefix.len() <= self.le && self.prefix.contains(prefix)
    }
}

impl fmt::Display for PrefixRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let longest = if self.prefix.addr().is_ipv4() { 32 } else { 128 };
        self.prefix.fmt(f)?;
        if self.ge != self.prefix.len() {
            write!(f, " ge {}", self.ge)?;
        }
        let implied = if self.ge == self.prefix.len() { self.prefix.len() } else { longest };
        if self.le != implied {
            write!(f, " le {}", self.le)?;
        }
        Ok(())
    }
}

impl FromStr for PrefixRange {
    type Err = PrefixRangeError;
    fn from_str(s: &str) -> Result<Self, Self::Err> {
        let mut words = s.split_ascii_whitespace();
        let prefix: Prefix = words.next().unwrap_or_default().parse()?;
        let (mut ge, mut le) = (None, None);
        while let Some(word) = words.next() {
            let slot = match word {
                "ge" => &mut ge,
                "le" => &mut le,
                _ => return Err(PrefixRangeError::Shape),
            };
            let length = words.next().and_then(|n| n.parse::<u8>().ok()).ok_or(PrefixRangeError::Shape)?;
            if slot.replace(length).is_some() {
                return Err(PrefixRangeError::Shape);
            }
        }
        Self::new(prefix, ge, le)
    }
}

/// A named set of communities of the three kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommunitySet {
    /// Its name.
    pub name: String,
    /// A community is in the set when one of these matches it.
    pub communities: Vec<CommunityPattern>,
}

/// A named set of AS_PATH expressions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AsPathSet {
    /// Its name.
    pub name: String,
    /// An AS_PATH is in the set when one of these matches it. They are compiled elsewhere;
    /// [`Config::from_toml_with`](crate::Config::from_toml_with) takes the compiler and tells its errors with line and
    /// column.
    pub expressions: Vec<Located<String>>,
}

/// A named route policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// What happens to a route that no rule decides.
    pub default: PolicyDefault,
    /// Rules, asked in this order.
    pub rules: Vec<Rule>,
}

/// What happens to a route at the end of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PolicyDefault {
    /// It passes.
    Accept,
    /// It does not.
    #[default]
    Reject,
    /// The next policy of the list decides; at the end of the list the route is rejected.
    Next,
}

/// One rule of a policy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// For people; shown by `--explain`.
    pub name: Option<String>,
    /// When the rule applies: all of these have to hold.
    pub conditions: Conditions,
    /// What it changes, before `action`.
    pub modifications: Modifications,
    /// What becomes of the route.
    pub action: RuleAction,
}

/// What becomes of a route that a rule applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RuleAction {
    /// It passes; no further rule or policy is asked.
    Accept,
    /// It does not pass; no further rule or policy is asked.
    Reject,
    /// The next rule is asked, with the changes made so far.
    #[default]
    Next,
}

/// When a rule applies. An empty list or none asks nothing; all that is given has to hold.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Conditions {
    /// The prefix is in one of these sets, or in `prefixes`.
    pub prefix_sets: Vec<String>,
    /// See `prefix_sets`.
    pub prefixes: Vec<PrefixRange>,
    /// Communities of the route are in one of these sets, or in `communities`.
    pub community_sets: Vec<String>,
    /// See `community_sets`.
    pub communities: Vec<CommunityPattern>,
    /// How `community_sets` and `communities` together match.
    pub community_match: CommunityMatch,
    /// The AS_PATH is in one of these sets, or matches one of `as_paths`.
    pub as_path_sets: Vec<String>,
    /// See `as_path_sets`.
    pub as_paths: Vec<Located<String>>,
    /// Length of the AS_PATH as the decision process counts it (RFC 4271 §9.1.2.2 a).
    pub as_path_length: Option<Range>,
    /// The next hop is in one of these prefixes.
    pub next_hops: Vec<PrefixRange>,
    /// ORIGIN is one of these.
    pub origins: Vec<Origin>,
    /// MULTI_EXIT_DISC; a route without it does not match.
    pub med: Option<Range>,
    /// LOCAL_PREF, 100 where the route has none.
    pub local_pref: Option<Range>,
    /// The route comes from (import) or goes to (export) one of these peers.
    pub peers: Vec<PeerAddress>,
    /// The family of the route is one of these.
    pub families: Vec<Family>,
    /// The prefix is in none of these.
    pub not_prefixes: Vec<PrefixRange>,
    /// The interface of a local route matches one of these shell globs (`*`, `?`). Learned routes have no interface.
    pub interfaces: Vec<String>,
    /// The route is of one of these types.
    pub route_types: Vec<RouteType>,
}

/// Where a route came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteType {
    /// Originated here: a network of the configuration or a route of this machine.
    Local,
    /// From an eBGP peer.
    Ebgp,
    /// From an iBGP peer.
    Ibgp,
}

/// How the communities of a route match a list of patterns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum CommunityMatch {
    /// One community or more matches a pattern.
    #[default]
    Any,
    /// Every pattern is matched by a community.
    All,
    /// No community matches a pattern.
    None,
}

/// Numbers from `ge` to `le`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// Least.
    pub ge: u32,
    /// Greatest.
    pub le: u32,
}

impl Range {
    /// Whether `n` is in the range.
    #[must_use]
    pub const fn contains(&self, n: u32) -> bool {
        self.ge <= n && n <= self.le
    }
}

/// What a rule changes, in this order: remove, set, add, prepend.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Modifications {
    /// What is taken away.
    pub remove: Remove,
    /// What is put in place of what was there.
    pub set: SetAttributes,
    /// What is added.
    pub add: Add,
    /// What is put before the AS_PATH.
    pub prepend: Option<Prepend>,
}

/// What a rule takes away.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Remove {
    /// Communities that match one of these.
    pub communities: Vec<CommunityPattern>,
    /// Communities in one of these sets.
    pub community_sets: Vec<String>,
    /// MULTI_EXIT_DISC.
    pub med: bool,
}

/// What a rule puts in place of what was there.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct SetAttributes {
    /// LOCAL_PREF.
    pub local_pref: Option<u32>,
    /// MULTI_EXIT_DISC.
    pub med: Option<u32>,
    /// ORIGIN.
    pub origin: Option<Origin>,
    /// NEXT_HOP.
    pub next_hop: Option<NextHopAction>,
    /// All communities, of every kind, are replaced by these; an empty list takes all away.
    pub communities: Option<Vec<Community>>,
}

/// What a rule adds.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Add {
    /// Communities.
    pub communities: Vec<Community>,
    /// To LOCAL_PREF; stops at the ends of the number range.
    pub local_pref: Option<i64>,
    /// To MULTI_EXIT_DISC; likewise.
    pub med: Option<i64>,
}

/// NEXT_HOP as a rule sets it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NextHopAction {
    /// Our address on the session.
    SelfAddress,
    /// As received, whatever the peer's `next_hop` says.
    Unchanged,
    /// This one.
    Address(IpAddr),
}

/// What a rule puts before the AS_PATH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prepend {
    /// Our AS toward the peer, so many times, 1 to 32.
    Own(u8),
    /// These, at most 32; the first of the list ends up first.
    List(Vec<Asn>),
}

/// ORIGIN (RFC 4271 §5.1.1), best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Origin {
    /// 0.
    #[default]
    Igp,
    /// 1.
    Egp,
    /// 2.
    Incomplete,
}
