//! `[fib]` as a tree.

use crate::node::{Keys, Node, text};
use crate::value::{Fib, FibAction, FibRule, NexthopObjects, PROTOCOL_NAMES, StaticRoute};

/// `[fib]`; without a base every key.
pub(crate) fn fib_keys(fib: &Fib, base: Option<&Fib>) -> Keys {
    let b = base;
    let mut keys = Keys::default();
    let seconds = |s: &crate::Seconds| s.0.into();
    let names = |list: &Vec<String>| Node::List(list.iter().map(|n| n.as_str().into()).collect());
    let protocols = |list: &Vec<u8>| Node::List(list.iter().copied().map(protocol).collect());
    keys.differing("table", &fib.table, b.map(|b| &b.table), |n| (*n).into());
    keys.differing("protocol", &fib.protocol, b.map(|b| &b.protocol), |n| u32::from(*n).into());
    keys.optional("workload_protocol", fib.workload_protocol, protocol);
    keys.differing("adopt_protocols", &fib.adopt_protocols, b.map(|b| &b.adopt_protocols), protocols);
    keys.differing("learn_protocols", &fib.learn_protocols, b.map(|b| &b.learn_protocols), protocols);
    keys.differing("workload_interfaces", &fib.workload_interfaces, b.map(|b| &b.workload_interfaces), names);
    keys.differing("ignored_interfaces", &fib.ignored_interfaces, b.map(|b| &b.ignored_interfaces), names);
    let mut metric = Keys::default();
    metric.differing("v4", &fib.metric.v4, b.map(|b| &b.metric.v4), |n| (*n).into());
    metric.differing("v6", &fib.metric.v6, b.map(|b| &b.metric.v6), |n| (*n).into());
    keys.table("metric", metric, Node::Inline);
    let objects = |o: &NexthopObjects| match o {
        NexthopObjects::Auto => Node::from("auto"),
        NexthopObjects::Always => Node::from("always"),
        NexthopObjects::Never => Node::from("never"),
    };
    keys.differing("nexthop_objects", &fib.nexthop_objects, b.map(|b| &b.nexthop_objects), objects);
    keys.differing("stale_time", &fib.stale_time, b.map(|b| &b.stale_time), seconds);
    keys.differing("unresolved_time", &fib.unresolved_time, b.map(|b| &b.unresolved_time), seconds);
    keys.differing("manage_sysctls", &fib.manage_sysctls, b.map(|b| &b.manage_sysctls), |v| (*v).into());
    let tables = |list: Vec<Keys>| Some(list).filter(|l| base.is_none() || !l.is_empty());
    keys.optional("static_routes", tables(fib.static_routes.iter().map(static_route).collect()), Node::Tables);
    keys.optional("rules", tables(fib.rules.iter().map(rule).collect()), Node::Tables);
    keys
}

/// By name where `rt_protos` has one.
fn protocol(number: u8) -> Node {
    let name = PROTOCOL_NAMES.iter().find(|(_, n)| *n == number);
    name.map_or_else(|| u32::from(number).into(), |(name, _)| Node::from(*name))
}

fn static_route(route: &StaticRoute) -> Keys {
    let mut keys = Keys::default();
    keys.put("prefix", text(&route.prefix));
    keys.put("via", text(&route.via));
    keys
}

fn rule(rule: &FibRule) -> Keys {
    let mut keys = Keys::default();
    keys.optional("name", rule.name.as_deref(), Node::from);
    keys.list("prefixes", &rule.prefixes, text);
    keys.list("next_hop", &rule.next_hops, text);
    match &rule.action {
        FibAction::Install => keys.put("then", "install"),
        FibAction::Reject => keys.put("then", "reject"),
        FibAction::Tunnel(tunnel) => {
            let mut then = Keys::default();
            then.put("tunnel", tunnel.interface.as_str());
            then.list("except", &tunnel.except, text);
            keys.put("then", Node::Inline(then));
        }
    }
    keys
}
