//! Draining a node: its routes become the last choice (RFC 8326), so that traffic moves while they still work; then they
//! are withdrawn. Routes that it reflects for others stay as they are.

use std::collections::BTreeSet;

use heddle_config::{Community, Conditions, Config, Modifications, Policy, PolicyDefault, RouteType, Rule, RuleAction};

/// How far a node is drained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Drained {
    /// Not at all.
    #[default]
    No,
    /// Its routes carry GRACEFUL_SHUTDOWN and LOCAL_PREF 0.
    Lowered,
    /// They are withdrawn.
    Withdrawn,
}

impl Drained {
    /// The word for it in the API.
    #[must_use]
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::No => "none",
            Self::Lowered => "lowered",
            Self::Withdrawn => "withdrawn",
        }
    }

    /// Changes what is exported.
    pub(crate) fn apply(self, config: &mut Config) {
        let families = config.peers.iter().flat_map(|p| &p.settings.families);
        let used: BTreeSet<String> = families.flat_map(|f| f.settings.export_policy.iter().cloned()).collect();
        let exports = config.policies.iter_mut().filter(|p| used.contains(&p.name));
        match self {
            Self::No => {}
            Self::Lowered => exports.for_each(lower),
            Self::Withdrawn => exports.for_each(withdraw),
        }
    }
}

/// GRACEFUL_SHUTDOWN (RFC 8326 §5).
const GRACEFUL_SHUTDOWN: Community = Community::Standard(0xffff_0000);

fn lower(policy: &mut Policy) {
    let mut rules = Vec::with_capacity(policy.rules.len() * 2);
    for rule in std::mem::take(&mut policy.rules) {
        if rule.action == RuleAction::Accept
            && let Some(conditions) = local(&rule.conditions)
        {
            rules.push(Rule { conditions, modifications: lowered(rule.modifications.clone()), ..rule.clone() });
        }
        rules.push(rule);
    }
    if policy.default == PolicyDefault::Accept {
        let conditions = Conditions { route_types: vec![RouteType::Local], ..Conditions::default() };
        let name = Some("drained".to_owned());
        let modifications = lowered(Modifications::default());
        rules.push(Rule { name, conditions, modifications, action: RuleAction::Accept });
    }
    policy.rules = rules;
}

/// The same conditions for routes of this node alone; none where they hold for no such route.
fn local(conditions: &Conditions) -> Option<Conditions> {
    let possible = conditions.route_types.is_empty() || conditions.route_types.contains(&RouteType::Local);
    possible.then(|| Conditions { route_types: vec![RouteType::Local], ..conditions.clone() })
}

fn lowered(mut modifications: Modifications) -> Modifications {
    modifications.set.local_pref = Some(0);
    modifications.add.local_pref = None;
    modifications.add.communities.push(GRACEFUL_SHUTDOWN);
    modifications
}

fn withdraw(policy: &mut Policy) {
    let conditions = Conditions { route_types: vec![RouteType::Local], ..Conditions::default() };
    let rule = Rule {
        name: Some("drained".to_owned()),
        conditions,
        modifications: Modifications::default(),
        action: RuleAction::Reject,
    };
    policy.rules.insert(0, rule);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn config() -> Config {
        Config::from_toml(
            r#"
router = { asn = 64512, router_id = "10.0.0.1" }
[[policies]]
name = "out"
rules = [
    { match = { prefixes = "10.1.0.0/26" }, then = "accept" },
    { match = { prefixes = "10.0.0.0/8 le 32" }, then = { action = "accept", set = { med = 7 } } },
]
[[policies]]
name = "in"
rules = [{ then = "accept" }]
[[peers]]
address = "10.0.0.2"
asn = 64512
import_policy = "in"
export_policy = "out"
"#,
            "test.toml",
        )
        .unwrap()
    }

    #[test]
    fn lowering_marks_own_routes_alone_and_leaves_import_as_it_is() {
        let (before, mut after) = (config(), config());
        Drained::Lowered.apply(&mut after);
        assert_eq!(after.policy("in"), before.policy("in"));
        let rules = &after.policy("out").unwrap().rules;
        assert_eq!(rules.len(), 4);
        assert_eq!(rules[0].conditions.route_types, [RouteType::Local]);
        assert_eq!(rules[2].modifications.set.local_pref, Some(0));
        assert_eq!(rules[2].modifications.set.med, Some(7));
        assert_eq!(rules[2].modifications.add.communities, [GRACEFUL_SHUTDOWN]);
        assert_eq!(
            (&rules[1], &rules[3]),
            (&before.policy("out").unwrap().rules[0], &before.policy("out").unwrap().rules[1])
        );
    }

    #[test]
    fn withdrawing_rejects_own_routes_first() {
        let mut after = config();
        Drained::Withdrawn.apply(&mut after);
        let rule = &after.policy("out").unwrap().rules[0];
        assert_eq!((rule.action, &rule.conditions.route_types[..]), (RuleAction::Reject, &[RouteType::Local][..]));
        Drained::No.apply(&mut after);
        assert_eq!(after.policy("out").unwrap().rules.len(), 3);
    }
}
