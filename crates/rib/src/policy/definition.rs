//! What a route policy is: named policies of rules, each with matches and actions, and chains of policies.
//!
//! The values are plain data that compare and hash by content, so that peers with equal policies share an update group.
//! They are made by [`PolicySet::builder`](super::PolicySet::builder) and the constructors here.

use std::hash::{Hash, Hasher};
use std::net::IpAddr;
use std::sync::Arc;

use heddle_bgp_core::attr::Origin;
use heddle_bgp_core::{Asn, Family, PeerType};

use super::as_path::AsPathRegex;
use super::community::{CommunityKind, CommunityList, Extended, Large, Span, Standard};
use super::error::PolicyError;
use super::interface::InterfacePattern;
use super::prefix_set::PrefixSet;
use crate::route::SourceKind;

/// The most times that one action prepends an AS number.
pub const MAX_PREPEND: usize = 64;

/// From what kind of source a route came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RouteType {
    /// Originated here.
    Local,
    /// From an external peer.
    Ebgp,
    /// From an internal peer.
    Ibgp,
}

impl RouteType {
    /// The type of routes from such a source.
    #[must_use]
    pub const fn of(kind: SourceKind) -> Self {
        match kind.peer_type() {
            None => Self::Local,
            Some(PeerType::Ebgp) => Self::Ebgp,
            Some(PeerType::Ibgp) => Self::Ibgp,
        }
    }
}

/// A condition of a rule. All conditions of a rule have to hold.
///
/// What is compared is the route as the rules before left it; an absent LOCAL_PREF counts as 100, an absent MED matches no
/// number.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Match {
    /// The prefix is in a set.
    Prefix(Arc<PrefixSet>),
    /// Standard communities.
    Communities(Arc<CommunityList<Standard>>),
    /// Extended communities.
    ExtendedCommunities(Arc<CommunityList<Extended>>),
    /// Large communities.
    LargeCommunities(Arc<CommunityList<Large>>),
    /// One of the expressions matches the AS_PATH's text.
    AsPath(Arc<[AsPathRegex]>),
    /// The AS_PATH's length (RFC 4271 §9.1.2.2 a).
    AsPathLength(Span),
    /// The last AS of the path is one of these.
    OriginAs(Arc<[Asn]>),
    /// The first AS of the path is one of these.
    FirstAs(Arc<[Asn]>),
    /// The next hop's address lies in a set.
    NextHop(Arc<PrefixSet>),
    /// ORIGIN.
    Origin(Origin),
    /// MULTI_EXIT_DISC.
    Med(Span),
    /// LOCAL_PREF.
    LocalPref(Span),
    /// The peer that the policy is applied to (the sender on import, the receiver on export) has one of these addresses.
    PeerAddress(Arc<[IpAddr]>),
    /// That peer is in one of these peer groups.
    PeerGroup(Arc<[String]>),
    /// That peer's AS is one of these.
    PeerAs(Arc<[Asn]>),
    /// The address family.
    Family(Family),
    /// Where the route came from.
    RouteType(RouteType),
    /// One of the patterns matches the interface that the route lies on; never for a route without one, as every learned
    /// route is.
    Interface(Arc<[InterfacePattern]>),
    /// The contrary holds.
    Not(Box<Match>),
    /// One of these holds; none for an empty list.
    AnyOf(Box<[Match]>),
    /// All of these hold; always for an empty list.
    AllOf(Box<[Match]>),
}

/// How a number changes; it stays within 0 and 4,294,967,295.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NumberEdit {
    /// To a value.
    Set(u32),
    /// Up.
    Add(u32),
    /// Down.
    Subtract(u32),
}

impl NumberEdit {
    /// The number after the change.
    #[must_use]
    pub const fn apply(self, n: u32) -> u32 {
        match self {
            Self::Set(to) => to,
            Self::Add(by) => n.saturating_add(by),
            Self::Subtract(by) => n.saturating_sub(by),
        }
    }
}

/// How communities of one kind change.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum CommunityEdit<K: CommunityKind> {
    /// To exactly these, in wire form; to none when empty.
    Set(Arc<[K::Value]>),
    /// These are there afterwards.
    Add(Arc<[K::Value]>),
    /// What matches one of these patterns is gone afterwards.
    Remove(Arc<[K]>),
}

impl<K: CommunityKind> CommunityEdit<K> {
    /// Sets to these values.
    ///
    /// # Errors
    /// The first text that is no value.
    pub fn set<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, PolicyError> {
        Ok(Self::Set(texts.into_iter().map(K::parse_value).collect::<Result<_, _>>()?))
    }
    /// Adds these values.
    ///
    /// # Errors
    /// The first text that is no value.
    pub fn add<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, PolicyError> {
        Ok(Self::Add(texts.into_iter().map(K::parse_value).collect::<Result<_, _>>()?))
    }
    /// Removes what matches these patterns.
    ///
    /// # Errors
    /// The first text that is no pattern.
    pub fn remove<'t>(texts: impl IntoIterator<Item = &'t str>) -> Result<Self, PolicyError> {
        Ok(Self::Remove(texts.into_iter().map(K::parse).collect::<Result<_, _>>()?))
    }
}

/// A next hop to set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NextHopEdit {
    /// This address.
    Address(IpAddr),
    /// Our own address on the session to the peer that the policy is applied to.
    SelfAddress,
    /// The one that the route has, even where the peer's setting says self.
    Unchanged,
}

/// What a rule does to a route that matches.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Changes LOCAL_PREF, from 100 where absent.
    LocalPref(NumberEdit),
    /// Changes MULTI_EXIT_DISC, from 0 where absent.
    Med(NumberEdit),
    /// Removes MULTI_EXIT_DISC.
    RemoveMed,
    /// Sets ORIGIN.
    Origin(Origin),
    /// Sets the next hop.
    NextHop(NextHopEdit),
    /// Changes standard communities.
    Communities(CommunityEdit<Standard>),
    /// Changes extended communities.
    ExtendedCommunities(CommunityEdit<Extended>),
    /// Changes large communities.
    LargeCommunities(CommunityEdit<Large>),
    /// Prepends our AS this many times.
    PrependOwn(u8),
    /// Prepends these AS numbers; the first of the list ends up first.
    Prepend(Arc<[Asn]>),
}

impl Action {
    /// Prepends our AS `times` times.
    ///
    /// # Errors
    /// Zero, or more than [`MAX_PREPEND`].
    pub fn prepend_own(times: usize) -> Result<Self, PolicyError> {
        let checked = u8::try_from(times).ok().filter(|_| (1..=MAX_PREPEND).contains(&times));
        checked.map(Self::PrependOwn).ok_or(PolicyError::PrependCount { times, max: MAX_PREPEND })
    }

    /// Prepends these AS numbers.
    ///
    /// # Errors
    /// None, or more than [`MAX_PREPEND`].
    pub fn prepend(asns: &[Asn]) -> Result<Self, PolicyError> {
        if (1..=MAX_PREPEND).contains(&asns.len()) {
            Ok(Self::Prepend(asns.into()))
        } else {
            Err(PolicyError::PrependCount { times: asns.len(), max: MAX_PREPEND })
        }
    }
}

/// Where evaluation goes after a rule that matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Then {
    /// The route is accepted; nothing further is looked at.
    Accept,
    /// The route is rejected; nothing further is looked at.
    Reject,
    /// On with the next rule, keeping the changes.
    NextRule,
    /// On with the next policy of the chain, keeping the changes.
    NextPolicy,
}

/// A rule: when all matches hold, the actions are done, then evaluation goes where `then` says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Rule {
    /// Conditions; a rule without any always matches.
    pub matches: Vec<Match>,
    /// Changes, in order.
    pub actions: Vec<Action>,
    /// What follows.
    pub then: Then,
}

/// What becomes of a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It goes on, with the changes.
    Accept,
    /// It does not.
    Reject,
}

/// A named policy.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Policy {
    /// Its name.
    pub name: String,
    /// Its rules, in order.
    pub rules: Vec<Rule>,
    /// What becomes of a route that no rule decided.
    pub default: Then,
}

/// A peer, as matches on it see it.
#[derive(Clone, Copy, Debug)]
pub struct PeerContext<'a> {
    /// Its address.
    pub address: IpAddr,
    /// Its peer group.
    pub group: Option<&'a str>,
    /// Its AS.
    pub asn: Asn,
}

/// The policies that are applied one after another in one direction of a peer, and the verdict when all of them pass
/// the route on.
///
/// Chains are equal when their content is; the hash is computed once.
#[derive(Clone, Debug)]
pub struct PolicyChain {
    policies: Arc<[Arc<Policy>]>,
    end: Verdict,
    content_hash: u64,
}

impl PolicyChain {
    /// A chain of policies. A route that every policy passes on (`next` in the last one) is rejected, as in BIRD and
    /// FRR.
    #[must_use]
    pub fn new(policies: impl IntoIterator<Item = Arc<Policy>>) -> Self {
        Self::with_end(policies.into_iter().collect(), Verdict::Reject)
    }

    /// What holds for a peer without policy: an external peer's routes are neither imported nor exported (RFC 8212 §3),
    /// an internal peer's all are.
    #[must_use]
    pub fn without_policy(peer_type: PeerType) -> Self {
        match peer_type {
            PeerType::Ebgp => Self::reject_all(),
            PeerType::Ibgp => Self::accept_all(),
        }
    }

    /// Accepts everything unchanged.
    #[must_use]
    pub fn accept_all() -> Self {
        Self::with_end(Arc::new([]), Verdict::Accept)
    }

    /// Rejects everything.
    #[must_use]
    pub fn reject_all() -> Self {
        Self::with_end(Arc::new([]), Verdict::Reject)
    }

    fn with_end(policies: Arc<[Arc<Policy>]>, end: Verdict) -> Self {
        // A hasher with fixed keys: equal content gives equal numbers in every run.
        let mut hasher = xxhash_rust::xxh3::Xxh3Default::new();
        policies.hash(&mut hasher);
        Self { policies, end, content_hash: hasher.finish() }
    }

    /// The policies in order.
    #[must_use]
    pub fn policies(&self) -> &[Arc<Policy>] {
        &self.policies
    }
    /// The verdict when all policies pass a route on.
    #[must_use]
    pub const fn end(&self) -> Verdict {
        self.end
    }
    /// Whether everything is accepted without a look at the route.
    #[must_use]
    pub fn is_accept_all(&self) -> bool {
        self.policies.is_empty() && self.end == Verdict::Accept
    }
    /// Whether everything is rejected without a look at the route.
    #[must_use]
    pub fn is_reject_all(&self) -> bool {
        self.policies.is_empty() && self.end == Verdict::Reject
    }

    /// Whether the outcome can differ between two routes of one family with the same attributes and the same kind of
    /// source; where not, it can be remembered by (attributes, kind of source).
    #[must_use]
    pub fn depends_on_prefix(&self) -> bool {
        self.any_match(|m| matches!(m, Match::Prefix(_)))
    }

    /// Whether a match looks at the peer, so that [`PolicyChain::resolve`] has work to do.
    #[must_use]
    pub fn depends_on_peer(&self) -> bool {
        self.any_match(|m| matches!(m, Match::PeerAddress(_) | Match::PeerGroup(_) | Match::PeerAs(_)))
    }

    /// The chain as it is for one peer: matches on the peer become true or false. Chains that come out equal make
    /// peers share an update group. Evaluation of an unresolved chain takes matches on the peer as false.
    #[must_use]
    pub fn resolve(&self, peer: &PeerContext<'_>) -> Self {
        if !self.depends_on_peer() {
            return self.clone();
        }
        let policies = self.policies.iter().map(|policy| {
            let rules = policy.rules.iter().filter_map(|rule| rule.resolve(peer)).collect();
            Arc::new(Policy { name: policy.name.clone(), rules, default: policy.default })
        });
        Self::with_end(policies.collect(), self.end)
    }

    fn any_match(&self, mut f: impl FnMut(&Match) -> bool) -> bool {
        self.policies.iter().flat_map(|p| &p.rules).flat_map(|r| &r.matches).any(|m| m.any(&mut f))
    }
}

impl PartialEq for PolicyChain {
    fn eq(&self, other: &Self) -> bool {
        self.content_hash == other.content_hash
            && self.end == other.end
            && (Arc::ptr_eq(&self.policies, &other.policies) || self.policies == other.policies)
    }
}
impl Eq for PolicyChain {}
impl Hash for PolicyChain {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.content_hash, self.end).hash(state);
    }
}

impl Rule {
    /// The rule for one peer; none when it can never match.
    fn resolve(&self, peer: &PeerContext<'_>) -> Option<Self> {
        let mut matches = Vec::with_capacity(self.matches.len());
        for m in &self.matches {
            match m.resolve(peer) {
                Resolved::True => {}
                Resolved::False => return None,
                Resolved::Open(m) => matches.push(m),
            }
        }
        Some(Self { matches, actions: self.actions.clone(), then: self.then })
    }
}

/// A match after the peer is known.
enum Resolved {
    True,
    False,
    Open(Match),
}

impl From<bool> for Resolved {
    fn from(b: bool) -> Self {
        if b { Self::True } else { Self::False }
    }
}

impl Match {
    /// Whether `f` holds for the match or one inside it.
    fn any(&self, f: &mut impl FnMut(&Self) -> bool) -> bool {
        f(self)
            || match self {
                Self::Not(inner) => inner.any(f),
                Self::AnyOf(list) | Self::AllOf(list) => list.iter().any(|m| m.any(f)),
                Self::Prefix(_)
                | Self::Communities(_)
                | Self::ExtendedCommunities(_)
                | Self::LargeCommunities(_)
                | Self::AsPath(_)
                | Self::AsPathLength(_)
                | Self::OriginAs(_)
                | Self::FirstAs(_)
                | Self::NextHop(_)
                | Self::Origin(_)
                | Self::Med(_)
                | Self::LocalPref(_)
                | Self::PeerAddress(_)
                | Self::PeerGroup(_)
                | Self::PeerAs(_)
                | Self::Family(_)
                | Self::RouteType(_)
                | Self::Interface(_) => false,
            }
    }

    fn resolve(&self, peer: &PeerContext<'_>) -> Resolved {
        match self {
            Self::PeerAddress(list) => list.contains(&peer.address).into(),
            Self::PeerGroup(list) => list.iter().any(|g| Some(g.as_str()) == peer.group).into(),
            Self::PeerAs(list) => list.contains(&peer.asn).into(),
            Self::Not(inner) => match inner.resolve(peer) {
                Resolved::True => Resolved::False,
                Resolved::False => Resolved::True,
                Resolved::Open(m) => Resolved::Open(Self::Not(Box::new(m))),
            },
            Self::AnyOf(list) => {
                let mut open = Vec::new();
                for m in list {
                    match m.resolve(peer) {
                        Resolved::True => return Resolved::True,
                        Resolved::False => {}
                        Resolved::Open(m) => open.push(m),
                    }
                }
                if open.is_empty() { Resolved::False } else { Resolved::Open(Self::AnyOf(open.into())) }
            }
            Self::AllOf(list) => {
                let mut open = Vec::new();
                for m in list {
                    match m.resolve(peer) {
                        Resolved::True => {}
                        Resolved::False => return Resolved::False,
                        Resolved::Open(m) => open.push(m),
                    }
                }
                if open.is_empty() { Resolved::True } else { Resolved::Open(Self::AllOf(open.into())) }
            }
            Self::Prefix(_)
            | Self::Communities(_)
            | Self::ExtendedCommunities(_)
            | Self::LargeCommunities(_)
            | Self::AsPath(_)
            | Self::AsPathLength(_)
            | Self::OriginAs(_)
            | Self::FirstAs(_)
            | Self::NextHop(_)
            | Self::Origin(_)
            | Self::Med(_)
            | Self::LocalPref(_)
            | Self::Family(_)
            | Self::RouteType(_)
            | Self::Interface(_) => Resolved::Open(self.clone()),
        }
    }
}
