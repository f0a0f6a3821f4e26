//! Sets, policies and networks as trees.

use crate::node::{Keys, Node, text};
use crate::value::{
    AsPathSet, CommunityMatch, CommunitySet, Conditions, Modifications, Network, NextHopAction, Origin, Policy,
    PolicyDefault, PrefixSet, Prepend, Range, RouteType, Rule, RuleAction,
};

/// `[[prefix_sets]]`.
pub(crate) fn prefix_set(set: &PrefixSet) -> Keys {
    let mut keys = Keys::default();
    keys.put("name", set.name.as_str());
    keys.list("prefixes", &set.prefixes, text);
    keys
}

/// `[[community_sets]]`.
pub(crate) fn community_set(set: &CommunitySet) -> Keys {
    let mut keys = Keys::default();
    keys.put("name", set.name.as_str());
    keys.list("communities", &set.communities, text);
    keys
}

/// `[[as_path_sets]]`.
pub(crate) fn as_path_set(set: &AsPathSet) -> Keys {
    let mut keys = Keys::default();
    keys.put("name", set.name.as_str());
    keys.list("expressions", &set.expressions, |e| e.as_str().into());
    keys
}

/// `[[policies]]`.
pub(crate) fn policy(policy: &Policy) -> Keys {
    let mut keys = Keys::default();
    keys.put("name", policy.name.as_str());
    let default = match policy.default {
        PolicyDefault::Accept => Some("accept"),
        PolicyDefault::Reject => None,
        PolicyDefault::Next => Some("next"),
    };
    keys.optional("default", default, Node::from);
    if !policy.rules.is_empty() {
        keys.put("rules", Node::Tables(policy.rules.iter().map(rule).collect()));
    }
    keys
}

fn rule(rule: &Rule) -> Keys {
    let mut keys = Keys::default();
    keys.optional("name", rule.name.as_deref(), Node::from);
    keys.table("match", conditions(&rule.conditions), Node::Inline);
    let action = match rule.action {
        RuleAction::Accept => "accept",
        RuleAction::Reject => "reject",
        RuleAction::Next => "next",
    };
    let mut then = modifications(&rule.modifications);
    if then.0.is_empty() {
        keys.put("then", action);
    } else {
        then.put("action", action);
        keys.put("then", Node::Inline(then));
    }
    keys
}

fn conditions(c: &Conditions) -> Keys {
    let mut keys = Keys::default();
    let name = |s: &String| Node::from(s.as_str());
    keys.list("prefix_set", &c.prefix_sets, name);
    keys.list("prefixes", &c.prefixes, text);
    keys.list("not_prefixes", &c.not_prefixes, text);
    keys.list("community_set", &c.community_sets, name);
    keys.list("communities", &c.communities, text);
    let some = !c.community_sets.is_empty() || !c.communities.is_empty();
    let how = match c.community_match {
        CommunityMatch::Any => None,
        CommunityMatch::All => Some("all"),
        CommunityMatch::None => Some("none"),
    };
    keys.optional("community_match", how.filter(|_| some), Node::from);
    keys.list("as_path_set", &c.as_path_sets, name);
    keys.list("as_path", &c.as_paths, |e| e.as_str().into());
    keys.optional("as_path_length", c.as_path_length, range);
    keys.list("next_hop", &c.next_hops, text);
    keys.list("origin", &c.origins, |o| origin(*o));
    keys.optional("med", c.med, range);
    keys.optional("local_pref", c.local_pref, range);
    keys.list("peer", &c.peers, text);
    keys.list("family", &c.families, text);
    keys.list("interface", &c.interfaces, name);
    let route_type = |t: &RouteType| match t {
        RouteType::Local => Node::from("local"),
        RouteType::Ebgp => Node::from("ebgp"),
        RouteType::Ibgp => Node::from("ibgp"),
    };
    keys.list("route_type", &c.route_types, route_type);
    keys
}

fn range(range: Range) -> Node {
    if range.ge == range.le {
        return range.ge.into();
    }
    let mut keys = Keys::default();
    keys.differing("ge", &range.ge, Some(&0), |v| (*v).into());
    keys.differing("le", &range.le, Some(&u32::MAX), |v| (*v).into());
    Node::Inline(keys)
}

fn origin(origin: Origin) -> Node {
    match origin {
        Origin::Igp => "igp".into(),
        Origin::Egp => "egp".into(),
        Origin::Incomplete => "incomplete".into(),
    }
}

fn modifications(m: &Modifications) -> Keys {
    let mut keys = Keys::default();
    let mut remove = Keys::default();
    remove.list("communities", &m.remove.communities, text);
    remove.list("community_set", &m.remove.community_sets, |s| s.as_str().into());
    remove.differing("med", &m.remove.med, Some(&false), |v| (*v).into());
    keys.table("remove", remove, Node::Inline);
    let mut set = Keys::default();
    set.optional("local_pref", m.set.local_pref, Node::from);
    set.optional("med", m.set.med, Node::from);
    set.optional("origin", m.set.origin, origin);
    let next_hop = |action| match action {
        NextHopAction::SelfAddress => Node::from("self"),
        NextHopAction::Unchanged => Node::from("unchanged"),
        NextHopAction::Address(address) => text(&address),
    };
    set.optional("next_hop", m.set.next_hop, next_hop);
    let all = m.set.communities.as_ref();
    set.optional("communities", all, |list| Node::List(list.iter().map(text).collect()));
    keys.table("set", set, Node::Inline);
    let mut add = Keys::default();
    add.list("communities", &m.add.communities, text);
    add.optional("local_pref", m.add.local_pref, Node::from);
    add.optional("med", m.add.med, Node::from);
    keys.table("add", add, Node::Inline);
    match &m.prepend {
        None => {}
        Some(Prepend::Own(times)) => keys.put("prepend", u32::from(*times)),
        Some(Prepend::List(asns)) => keys.list("prepend", asns, |a| a.0.into()),
    }
    keys
}

/// `[[networks]]`.
pub(crate) fn network(network: &Network) -> Keys {
    let mut keys = Keys::default();
    keys.put("prefix", text(&network.prefix));
    keys.optional("next_hop", network.next_hop.as_ref(), text);
    keys.differing("origin", &network.origin, Some(&Origin::Igp), |o| origin(*o));
    keys.optional("local_pref", network.local_pref, Node::from);
    keys.optional("med", network.med, Node::from);
    keys.list("communities", &network.communities, text);
    keys.differing("blackhole", &network.blackhole, Some(&false), |v| (*v).into());
    keys
}
