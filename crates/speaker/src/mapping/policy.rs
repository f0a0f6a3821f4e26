//! Route policies of the configuration as the RIB evaluates them.

use std::sync::Arc;

use heddle_config::{
    CommunityMatch, CommunityPattern, Conditions, Config, Located, Modifications, NextHopAction, PolicyDefault,
    PrefixRange, Prepend, Range, RouteType, RuleAction,
};
use heddle_rib::policy::{
    self, Action, AsPathRegex, CommunityEdit, CommunityList, Extended, Large, Match, NextHopEdit, NumberEdit, Policy,
    PolicyError, PolicySet, PrefixSet, Quantifier, Rule, Span, Standard, Then,
};
use thiserror::Error;

/// A policy that cannot be built, and where in the file it is.
#[derive(Debug, Error)]
pub enum MappingError {
    /// An AS_PATH expression.
    #[error("{}{error}", place(.at.as_ref()))]
    Expression {
        /// Where it stands.
        at: Option<heddle_config::Location>,
        /// What is wrong.
        error: PolicyError,
    },
    /// Anything else; the configuration's own checks should have found it.
    #[error("policy {policy:?}: {error}")]
    Policy {
        /// The policy.
        policy: String,
        /// What is wrong.
        error: PolicyError,
    },
}

fn place(at: Option<&heddle_config::Location>) -> String {
    at.map(|l| format!("{l}: ")).unwrap_or_default()
}

/// Compiles all policies of a configuration.
///
/// # Errors
/// The first that cannot be compiled.
pub(crate) fn compile(config: &Config) -> Result<PolicySet, Box<MappingError>> {
    let mut builder = PolicySet::builder();
    for p in &config.policies {
        let failed = |error| Box::new(MappingError::Policy { policy: p.name.clone(), error });
        let rules = p.rules.iter().map(|r| rule(config, &p.name, r)).collect::<Result<Vec<_>, _>>()?;
        let default = match p.default {
            PolicyDefault::Accept => Then::Accept,
            PolicyDefault::Reject => Then::Reject,
            PolicyDefault::Next => Then::NextPolicy,
        };
        builder = builder.policy(Policy { name: p.name.clone(), rules, default }).map_err(failed)?;
    }
    Ok(builder.build())
}

fn rule(config: &Config, policy: &str, r: &heddle_config::Rule) -> Result<Rule, Box<MappingError>> {
    let failed = |error| Box::new(MappingError::Policy { policy: policy.to_owned(), error });
    let mut matches = simple_matches(&r.conditions);
    matches.extend(prefix_match(config, &r.conditions).map_err(failed)?);
    matches.extend(community_match(config, &r.conditions).map_err(failed)?);
    matches.extend(as_path_match(config, &r.conditions)?);
    let then = match r.action {
        RuleAction::Accept => Then::Accept,
        RuleAction::Reject => Then::Reject,
        RuleAction::Next => Then::NextRule,
    };
    Ok(Rule { matches, actions: actions(config, &r.modifications).map_err(failed)?, then })
}

fn simple_matches(c: &Conditions) -> Vec<Match> {
    let span = |r: Range| Span { min: r.ge, max: r.le };
    let mut matches = Vec::new();
    if let Some(r) = c.as_path_length {
        matches.push(Match::AsPathLength(span(r)));
    }
    if let Some(r) = c.med {
        matches.push(Match::Med(span(r)));
    }
    if let Some(r) = c.local_pref {
        matches.push(Match::LocalPref(span(r)));
    }
    if !c.interfaces.is_empty() {
        matches.push(Match::Interface(c.interfaces.iter().map(|i| policy::InterfacePattern::new(i)).collect()));
    }
    if !c.peers.is_empty() {
        matches.push(Match::PeerAddress(c.peers.iter().map(|p| p.ip).collect()));
    }
    any_of(&mut matches, c.origins.iter().map(|o| Match::Origin(origin(*o))).collect());
    let route_type = |t: &RouteType| {
        Match::RouteType(match t {
            RouteType::Local => policy::RouteType::Local,
            RouteType::Ebgp => policy::RouteType::Ebgp,
            RouteType::Ibgp => policy::RouteType::Ibgp,
        })
    };
    any_of(&mut matches, c.route_types.iter().map(route_type).collect());
    any_of(&mut matches, c.families.iter().map(|f| Match::Family(*f)).collect());
    matches
}

fn any_of(matches: &mut Vec<Match>, mut alternatives: Vec<Match>) {
    match (alternatives.len(), alternatives.pop()) {
        (_, None) => {}
        (1, Some(only)) => matches.push(only),
        (_, Some(last)) => {
            alternatives.push(last);
            matches.push(Match::AnyOf(alternatives.into()));
        }
    }
}

fn ranges<'a>(entries: impl Iterator<Item = &'a PrefixRange>) -> Result<Arc<PrefixSet>, PolicyError> {
    let entries = entries.map(|r| policy::PrefixRange::new(r.prefix, Some(r.ge), Some(r.le)));
    Ok(Arc::new(entries.collect::<Result<PrefixSet, _>>()?))
}

fn prefix_match(config: &Config, c: &Conditions) -> Result<Vec<Match>, PolicyError> {
    let mut matches = Vec::new();
    if !c.prefixes.is_empty() || !c.prefix_sets.is_empty() {
        let named = c.prefix_sets.iter().filter_map(|n| config.prefix_set(n)).flat_map(|s| &s.prefixes);
        matches.push(Match::Prefix(ranges(named.chain(&c.prefixes))?));
    }
    if !c.not_prefixes.is_empty() {
        matches.push(Match::Not(Box::new(Match::Prefix(ranges(c.not_prefixes.iter())?))));
    }
    if !c.next_hops.is_empty() {
        matches.push(Match::NextHop(ranges(c.next_hops.iter())?));
    }
    Ok(matches)
}

/// Patterns sorted by kind, as texts that the RIB reads.
#[derive(Default)]
struct ByKind {
    standard: Vec<String>,
    extended: Vec<String>,
    large: Vec<String>,
}

impl ByKind {
    fn of<'a>(patterns: impl Iterator<Item = &'a CommunityPattern>) -> Self {
        let mut k = Self::default();
        for p in patterns {
            match p {
                CommunityPattern::Standard(_) => k.standard.push(p.to_string()),
                CommunityPattern::Raw(_) | CommunityPattern::Extended(..) => k.extended.push(p.to_string()),
                CommunityPattern::Large(_) => k.large.push(p.to_string()),
            }
        }
        k
    }
}

fn texts(list: &[String]) -> impl Iterator<Item = &str> {
    list.iter().map(String::as_str)
}

fn community_match(config: &Config, c: &Conditions) -> Result<Vec<Match>, PolicyError> {
    let named = c.community_sets.iter().filter_map(|n| config.community_set(n)).flat_map(|s| &s.communities);
    let kinds = ByKind::of(named.chain(&c.communities));
    let quantifier = match c.community_match {
        CommunityMatch::Any => Quantifier::Any,
        CommunityMatch::All => Quantifier::All,
        CommunityMatch::None => Quantifier::None,
    };
    let mut lists = Vec::new();
    if !kinds.standard.is_empty() {
        lists.push(Match::Communities(Arc::new(CommunityList::<Standard>::parse(quantifier, texts(&kinds.standard))?)));
    }
    if !kinds.extended.is_empty() {
        let list = CommunityList::<Extended>::parse(quantifier, texts(&kinds.extended))?;
        lists.push(Match::ExtendedCommunities(Arc::new(list)));
    }
    if !kinds.large.is_empty() {
        lists.push(Match::LargeCommunities(Arc::new(CommunityList::<Large>::parse(quantifier, texts(&kinds.large))?)));
    }
    let mut matches = Vec::new();
    match c.community_match {
        CommunityMatch::Any => any_of(&mut matches, lists),
        CommunityMatch::All | CommunityMatch::None => matches = lists,
    }
    Ok(matches)
}

fn as_path_match(config: &Config, c: &Conditions) -> Result<Vec<Match>, Box<MappingError>> {
    if c.as_paths.is_empty() && c.as_path_sets.is_empty() {
        return Ok(Vec::new());
    }
    let named = c.as_path_sets.iter().filter_map(|n| config.as_path_set(n)).flat_map(|s| &s.expressions);
    let compiled = named.chain(&c.as_paths).map(expression).collect::<Result<Arc<[_]>, _>>()?;
    Ok(vec![Match::AsPath(compiled)])
}

fn expression(text: &Located<String>) -> Result<AsPathRegex, Box<MappingError>> {
    AsPathRegex::new(&text.value).map_err(|error| Box::new(MappingError::Expression { at: text.at.clone(), error }))
}

/// ORIGIN as the RIB has it.
#[must_use]
pub(crate) const fn origin(o: heddle_config::Origin) -> policy::Origin {
    match o {
        heddle_config::Origin::Igp => policy::Origin::Igp,
        heddle_config::Origin::Egp => policy::Origin::Egp,
        heddle_config::Origin::Incomplete => policy::Origin::Incomplete,
    }
}

/// In the order remove, set, add, prepend.
fn actions(config: &Config, m: &Modifications) -> Result<Vec<Action>, PolicyError> {
    let mut actions = Vec::new();
    let sets = m.remove.community_sets.iter().filter_map(|n| config.community_set(n)).flat_map(|s| &s.communities);
    let remove = ByKind::of(sets.chain(&m.remove.communities));
    if !remove.standard.is_empty() {
        actions.push(Action::Communities(CommunityEdit::remove(texts(&remove.standard))?));
    }
    if !remove.extended.is_empty() {
        actions.push(Action::ExtendedCommunities(CommunityEdit::remove(texts(&remove.extended))?));
    }
    if !remove.large.is_empty() {
        actions.push(Action::LargeCommunities(CommunityEdit::remove(texts(&remove.large))?));
    }
    if m.remove.med {
        actions.push(Action::RemoveMed);
    }
    set_actions(m, &mut actions)?;
    add_actions(m, &mut actions)?;
    match &m.prepend {
        None => {}
        Some(Prepend::Own(times)) => actions.push(Action::prepend_own((*times).into())?),
        Some(Prepend::List(asns)) => actions.push(Action::prepend(asns)?),
    }
    Ok(actions)
}

fn set_actions(m: &Modifications, actions: &mut Vec<Action>) -> Result<(), PolicyError> {
    let set = &m.set;
    actions.extend(set.local_pref.map(|n| Action::LocalPref(NumberEdit::Set(n))));
    actions.extend(set.med.map(|n| Action::Med(NumberEdit::Set(n))));
    actions.extend(set.origin.map(|o| Action::Origin(origin(o))));
    actions.extend(set.next_hop.map(|n| {
        Action::NextHop(match n {
            NextHopAction::SelfAddress => NextHopEdit::SelfAddress,
            NextHopAction::Unchanged => NextHopEdit::Unchanged,
            NextHopAction::Address(a) => NextHopEdit::Address(a),
        })
    }));
    if let Some(list) = &set.communities {
        let patterns: Vec<CommunityPattern> = list.iter().map(|c| (*c).into()).collect();
        let kinds = ByKind::of(patterns.iter());
        actions.push(Action::Communities(CommunityEdit::set(texts(&kinds.standard))?));
        actions.push(Action::ExtendedCommunities(CommunityEdit::set(texts(&kinds.extended))?));
        actions.push(Action::LargeCommunities(CommunityEdit::set(texts(&kinds.large))?));
    }
    Ok(())
}

fn add_actions(m: &Modifications, actions: &mut Vec<Action>) -> Result<(), PolicyError> {
    let patterns: Vec<CommunityPattern> = m.add.communities.iter().map(|c| (*c).into()).collect();
    let kinds = ByKind::of(patterns.iter());
    if !kinds.standard.is_empty() {
        actions.push(Action::Communities(CommunityEdit::add(texts(&kinds.standard))?));
    }
    if !kinds.extended.is_empty() {
        actions.push(Action::ExtendedCommunities(CommunityEdit::add(texts(&kinds.extended))?));
    }
    if !kinds.large.is_empty() {
        actions.push(Action::LargeCommunities(CommunityEdit::add(texts(&kinds.large))?));
    }
    actions.extend(m.add.local_pref.map(|n| Action::LocalPref(offset(n))));
    actions.extend(m.add.med.map(|n| Action::Med(offset(n))));
    Ok(())
}

fn offset(n: i64) -> NumberEdit {
    let size = u32::try_from(n.unsigned_abs()).unwrap_or(u32::MAX);
    if n < 0 { NumberEdit::Subtract(size) } else { NumberEdit::Add(size) }
}
