//! `BGPFilter`: its rules as route policies that leave undecided routes to the next policy.

use std::sync::Arc;

use heddle_bgp_core::{Asn, PeerType};
use heddle_config::{
    CommunityPattern, Conditions, Located, Modifications, Policy, PolicyDefault, PrefixRange, Prepend, Range,
    RouteType, Rule, RuleAction,
};
use heddle_resources::bgp_filter::{
    self, BgpFilterRule, FilterAction, FilterOperation, MatchOperator, PrefixMatch, RouteSource,
};
use heddle_resources::value::{AsNumber, Family, RoutePriority};
use heddle_resources::{BgpFilter, Key, Kind};

use crate::cluster::{METRIC_BASE, prefix};
use crate::communities::on_wire;
use crate::origin::Source;
use crate::warning::Warning;

/// The most AS numbers that a policy prepends: a longer list would make the whole configuration invalid.
const MOST_PREPENDED: usize = 32;

/// Whether routes come in or go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Direction {
    /// In.
    Import,
    /// Out.
    Export,
}

/// A policy with the sources of its rules.
pub(crate) type Traced = (Policy, Vec<Vec<Source>>);

/// One of the four lists of a filter, for one kind of session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List<'a> {
    pub(crate) filter: &'a BgpFilter,
    pub(crate) direction: Direction,
    pub(crate) family: Family,
}

impl<'a> List<'a> {
    fn rules(self) -> &'a [BgpFilterRule] {
        match self.direction {
            Direction::Import => self.filter.spec.import(self.family),
            Direction::Export => self.filter.spec.export(self.family),
        }
    }

    /// As the resource has it.
    const fn name(self) -> &'static str {
        match (self.direction, self.family) {
            (Direction::Import, Family::V4) => "importV4",
            (Direction::Export, Family::V4) => "exportV4",
            (Direction::Import, Family::V6) => "importV6",
            (Direction::Export, Family::V6) => "exportV6",
        }
    }

    /// The name of the policy: one for both kinds of peers unless a rule asks for the kind.
    fn policy_name(self, peer_type: PeerType) -> String {
        let direction = match self.direction {
            Direction::Import => "import",
            Direction::Export => "export",
        };
        let family = family_word(self.family);
        let name = &self.filter.metadata.name;
        if self.rules().iter().any(|r| r.peer_type.is_some()) {
            format!("filter-{name}-{direction}-{family}-{}", peer_type_word(peer_type))
        } else {
            format!("filter-{name}-{direction}-{family}")
        }
    }

    /// The policy for sessions of one kind; none where it would have no rules.
    pub(crate) fn policy(self, peer_type: PeerType, warnings: &mut Vec<Warning>) -> Option<Traced> {
        let key = Key::cluster(Kind::BgpFilter, Arc::clone(&self.filter.metadata.name));
        let (mut rules, mut sources) = (Vec::new(), Vec::new());
        for (index, rule) in self.rules().iter().enumerate() {
            warnings.extend(self.warning(index, rule));
            warnings.extend(self.long_prepend(index, rule));
            if is_for(rule, peer_type)
                && let Some(converted) = self.rule(index, rule)
            {
                rules.push(converted);
                sources.push(vec![Source::field(key.clone(), format!("{}[{index}]", self.name()))]);
            }
        }
        if rules.is_empty() {
            return None;
        }
        Some((Policy { name: self.policy_name(peer_type), default: PolicyDefault::Next, rules }, sources))
    }

    fn warning(self, index: usize, rule: &BgpFilterRule) -> Option<Warning> {
        let (operator, matches) = match rule.prefix? {
            PrefixMatch { length: None, .. } => return None,
            PrefixMatch { operator: MatchOperator::In | MatchOperator::NotIn, .. } => return None,
            PrefixMatch { operator: MatchOperator::Equal, .. } => ("Equal", "no"),
            PrefixMatch { operator: MatchOperator::NotEqual, .. } => ("NotEqual", "every"),
        };
        Some(Warning::LengthWithEquality {
            filter: Arc::clone(&self.filter.metadata.name),
            direction: self.name(),
            rule: index + 1,
            operator,
            matches,
        })
    }

    fn long_prepend(self, index: usize, rule: &BgpFilterRule) -> Option<Warning> {
        let count = |operation: &FilterOperation| match operation {
            FilterOperation::PrependAsPath(asns) => asns.len(),
            FilterOperation::AddCommunity(_) | FilterOperation::SetPriority(_) => 0,
        };
        let asked = rule.operations.iter().map(count).sum();
        (asked > MOST_PREPENDED).then(|| Warning::LongPrepend {
            filter: Arc::clone(&self.filter.metadata.name),
            direction: self.name(),
            rule: index + 1,
            asked,
            used: MOST_PREPENDED,
        })
    }

    /// A rule; none where it can match nothing.
    fn rule(self, index: usize, rule: &BgpFilterRule) -> Option<Rule> {
        let mut conditions = Conditions::default();
        match rule.prefix.map_or(PrefixCondition::Any, prefix_condition) {
            PrefixCondition::Any => {}
            PrefixCondition::Nothing => return None,
            PrefixCondition::In(range) => conditions.prefixes.push(range),
            PrefixCondition::NotIn(range) => conditions.not_prefixes.push(range),
        }
        if let Some(RouteSource::RemotePeers) = rule.source {
            conditions.route_types = vec![RouteType::Ebgp, RouteType::Ibgp];
        }
        // "*" matches routes without an interface too: in BIRD theirs is an empty text.
        let interface = rule.interface.as_ref().map(|i| i.as_str()).filter(|i| !i.chars().all(|c| c == '*'));
        conditions.interfaces.extend(interface.map(str::to_owned));
        conditions.communities.extend(rule.community.map(|c| CommunityPattern::from(on_wire(c))));
        if !rule.as_path_prefix.is_empty() {
            conditions.as_paths.push(Located::new(as_path_beginning(&rule.as_path_prefix)));
        }
        conditions.local_pref = rule.priority.map(|p| Range { ge: local_pref(p), le: local_pref(p) });
        let (modifications, action) = match rule.action {
            FilterAction::Accept => (modifications(&rule.operations), RuleAction::Accept),
            FilterAction::Reject => (Modifications::default(), RuleAction::Reject),
        };
        let name = Some(format!("BGPFilter {} {}[{index}]", self.filter.metadata.name, self.name()));
        Some(Rule { name, conditions, modifications, action })
    }
}

pub(crate) const fn family_word(family: Family) -> &'static str {
    match family {
        Family::V4 => "ipv4",
        Family::V6 => "ipv6",
    }
}

pub(crate) const fn peer_type_word(peer_type: PeerType) -> &'static str {
    match peer_type {
        PeerType::Ibgp => "ibgp",
        PeerType::Ebgp => "ebgp",
    }
}

/// `peerType`: what a session is does not change while it lasts, so that the rule either is there or is not.
const fn is_for(rule: &BgpFilterRule, peer_type: PeerType) -> bool {
    match (rule.peer_type, peer_type) {
        (None, _)
        | (Some(bgp_filter::PeerType::Ebgp), PeerType::Ebgp)
        | (Some(bgp_filter::PeerType::Ibgp), PeerType::Ibgp) => true,
        (Some(bgp_filter::PeerType::Ebgp), PeerType::Ibgp) | (Some(bgp_filter::PeerType::Ibgp), PeerType::Ebgp) => {
            false
        }
    }
}

/// A priority is the metric of the route: M less of it is its LOCAL_PREF.
const fn local_pref(priority: RoutePriority) -> u32 {
    METRIC_BASE.saturating_sub(priority.get())
}

/// `[= a b * =]` in BIRD: these first, then anything.
fn as_path_beginning(asns: &[AsNumber]) -> String {
    let asns: Vec<String> = asns.iter().map(ToString::to_string).collect();
    format!("^{}_", asns.join(" "))
}

/// What is asked of a prefix.
enum PrefixCondition {
    Any,
    Nothing,
    In(PrefixRange),
    NotIn(PrefixRange),
}

/// `cidr`, `matchOperator`, `prefixLength`. BIRD makes a prefix set of a CIDR with lengths, and compares a prefix with a
/// set for equality: they never are equal, so that `Equal` with lengths matches nothing and `NotEqual` everything.
fn prefix_condition(asked: PrefixMatch) -> PrefixCondition {
    let Some(within) = prefix(asked.cidr) else { return PrefixCondition::Any };
    let longest = asked.cidr.family().bits();
    let range = match asked.length {
        None => PrefixRange { prefix: within, ge: within.len(), le: longest },
        Some(length) => PrefixRange {
            prefix: within,
            ge: length.min.unwrap_or(0).max(within.len()),
            le: length.max.unwrap_or(longest).min(longest),
        },
    };
    let is_empty = range.ge > range.le;
    match (asked.operator, asked.length) {
        (MatchOperator::In, _) if is_empty => PrefixCondition::Nothing,
        (MatchOperator::NotIn, _) if is_empty => PrefixCondition::Any,
        (MatchOperator::In, _) => PrefixCondition::In(range),
        (MatchOperator::NotIn, _) => PrefixCondition::NotIn(range),
        (MatchOperator::Equal, None) => PrefixCondition::In(PrefixRange::exact(within)),
        (MatchOperator::NotEqual, None) => PrefixCondition::NotIn(PrefixRange::exact(within)),
        (MatchOperator::Equal, Some(_)) => PrefixCondition::Nothing,
        (MatchOperator::NotEqual, Some(_)) => PrefixCondition::Any,
    }
}

/// `operations`, one after the other. They touch different attributes, so that their order matters among those of one
/// kind only: a later list of AS numbers goes before an earlier one, a later priority replaces an earlier one.
fn modifications(operations: &[FilterOperation]) -> Modifications {
    let mut changes = Modifications::default();
    let mut path: Vec<Asn> = Vec::new();
    for operation in operations {
        match operation {
            FilterOperation::AddCommunity(community) => changes.add.communities.push(on_wire(*community)),
            FilterOperation::PrependAsPath(asns) => {
                path.splice(0..0, asns.iter().map(|n| Asn(n.0)));
            }
            FilterOperation::SetPriority(priority) => changes.set.local_pref = Some(local_pref(*priority)),
        }
    }
    path.truncate(MOST_PREPENDED);
    changes.prepend = (!path.is_empty()).then_some(Prepend::List(path));
    changes
}
