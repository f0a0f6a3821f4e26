//! The rules, with examples of what they forbid and of what they still allow.

mod bgp_configuration;
mod bgp_filter;
mod bgp_peer;
mod common;
mod ip_pool;
mod kubernetes;
mod node;

/// What a value that breaks a rule leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// The whole object is ignored.
    Invalid,
    /// The value is passed over, the object counts.
    PassedOver,
}

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Rule {
    /// The kind; `all` for rules of all kinds.
    pub(crate) kind: &'static str,
    /// The field that the message names.
    pub(crate) field: &'static str,
    /// The rule, as the documentation says it.
    pub(crate) rule: &'static str,
    /// What happens.
    pub(crate) effect: Effect,
    /// Manifests that break it and nothing else.
    pub(crate) examples: &'static [&'static str],
    /// Manifests that are close to it, and keep it.
    pub(crate) allowed: &'static [&'static str],
}

const fn invalid(
    kind: &'static str,
    field: &'static str,
    rule: &'static str,
    examples: &'static [&'static str],
    allowed: &'static [&'static str],
) -> Rule {
    Rule { kind, field, rule, effect: Effect::Invalid, examples, allowed }
}

const fn passed_over(
    kind: &'static str,
    field: &'static str,
    rule: &'static str,
    examples: &'static [&'static str],
    allowed: &'static [&'static str],
) -> Rule {
    Rule { kind, field, rule, effect: Effect::PassedOver, examples, allowed }
}

/// Every rule.
pub(crate) fn rules() -> impl Iterator<Item = &'static Rule> {
    let kinds = [
        common::RULES,
        node::RULES,
        bgp_configuration::RULES,
        bgp_peer::RULES,
        bgp_filter::RULES,
        ip_pool::RULES,
        kubernetes::RULES,
    ];
    kinds.into_iter().flatten()
}
