//! Values of the configuration and of the RIB as the forwarding table takes them, and back.

use std::net::IpAddr;

use heddle_bgp_core::attr::{AttrCode, NextHop as WireNextHop};
use heddle_bgp_core::{Family, Prefix};
use heddle_config::{Fib, FibAction, NexthopObjects};
use heddle_fib_sync as fib;
use heddle_fib_sync::sysctl::Ipv6;
use heddle_speaker::forwarding::{LocalRoute, PathRecord, Record, SourceKind};

/// What the forwarding table does, of a configuration.
#[must_use]
pub(crate) fn settings(config: &Fib) -> fib::Settings {
    fib::Settings {
        table: config.table,
        protocol: config.protocol,
        workload_protocol: config.workload_protocol,
        adopt_protocols: config.adopt_protocols.clone(),
        learn_protocols: config.learn_protocols.clone(),
        workload_interfaces: config.workload_interfaces.clone(),
        ignored_interfaces: config.ignored_interfaces.clone(),
        metric: fib::settings::RouteMetric { v4: config.metric.v4, v6: config.metric.v6 },
        nexthop_objects: match config.nexthop_objects {
            NexthopObjects::Auto => fib::settings::NexthopObjects::Auto,
            NexthopObjects::Always => fib::settings::NexthopObjects::Always,
            NexthopObjects::Never => fib::settings::NexthopObjects::Never,
        },
        stale_time: config.stale_time.duration(),
        unresolved_time: config.unresolved_time.duration(),
        manage_sysctls: if config.manage_sysctls {
            fib::settings::ManageSysctls::Yes
        } else {
            fib::settings::ManageSysctls::No
        },
        static_routes: config
            .static_routes
            .iter()
            .map(|r| fib::settings::StaticRoute { prefix: r.prefix, via: r.via })
            .collect(),
        rules: config.rules.iter().map(rule).collect(),
    }
}

fn rule(rule: &heddle_config::FibRule) -> fib::settings::FibRule {
    let range = |r: &heddle_config::PrefixRange| fib::settings::PrefixRange { prefix: r.prefix, min: r.ge, max: r.le };
    fib::settings::FibRule {
        name: rule.name.clone(),
        prefixes: rule.prefixes.iter().map(range).collect(),
        next_hops: rule.next_hops.clone(),
        action: match &rule.action {
            FibAction::Install => fib::settings::FibAction::Install,
            FibAction::Reject => fib::settings::FibAction::Reject,
            FibAction::Tunnel(t) => {
                fib::settings::FibAction::Tunnel { interface: t.interface.clone(), except: t.except.clone() }
            }
        },
    }
}

/// Whether the node forwards IPv6: it has an address of it, on which it listens.
#[must_use]
pub(crate) fn ipv6(config: &heddle_config::Config) -> Ipv6 {
    let listens = config.router.listen.iter().any(|l| l.address.ip.is_ipv6());
    if listens { Ipv6::Forwarded } else { Ipv6::Unused }
}

/// Prefixes that are blackholed: networks that ask for it, unless a rule keeps them out of the kernel.
#[must_use]
pub(crate) fn blackholes(config: &heddle_config::Config) -> Vec<Prefix> {
    let rules: Vec<fib::settings::FibRule> = config.fib.iter().flat_map(|f| &f.rules).map(rule).collect();
    let wanted = |prefix: Prefix| {
        let decides = rules.iter().find(|r| r.applies(prefix, None));
        decides.is_none_or(|r| !matches!(r.action, fib::settings::FibAction::Reject))
    };
    config.networks.iter().filter(|n| n.blackhole).map(|n| n.prefix).filter(|p| wanted(*p)).collect()
}

/// The families whose forwarding a kernel has kept in which there are routes of ours in the families `found`. Where no
/// block of the node had to be there (its pools are of VXLAN, or it has none), none that is there says nothing.
#[must_use]
pub(crate) fn preserved(found: &[Family], blackholes: &[Prefix]) -> Vec<Family> {
    let lost = |family: &Family| !found.contains(family) && blackholes.iter().any(|block| block.family() == *family);
    Family::SUPPORTED.into_iter().filter(|family| !lost(family)).collect()
}

/// A change of a best path; none for what is no change.
#[must_use]
pub(crate) fn best_path(record: Record<'_>) -> Option<fib::BestPath> {
    match record {
        Record::Complete => None,
        Record::Withdrawn(prefix) => Some(fib::BestPath { prefix, best: None }),
        Record::Announced { prefix, best, others } => {
            let next_hops = std::iter::once(best).chain(others).filter_map(next_hop).collect();
            let best = fib::Best { source: source(best.kind), local_pref: local_pref(best), next_hops };
            Some(fib::BestPath { prefix, best: Some(best) })
        }
    }
}

const fn source(kind: SourceKind) -> fib::Source {
    match kind {
        SourceKind::Local => fib::Source::Local,
        SourceKind::Ebgp => fib::Source::Ebgp,
        SourceKind::Client | SourceKind::NonClient => fib::Source::Ibgp,
    }
}

fn local_pref(path: PathRecord<'_>) -> Option<u32> {
    let value: [u8; 4] = path.block.get(AttrCode::LOCAL_PREF)?.value.try_into().ok()?;
    Some(u32::from_be_bytes(value))
}

fn next_hop(path: PathRecord<'_>) -> Option<fib::NextHop> {
    path.block.next_hop().map(from_wire)
}

/// A next hop as the forwarding table names it. Of a pair of global and link-local address the global one counts: it is
/// found in the table; the interface of a link-local one alone is that of the session, which the RIB does not tell.
#[must_use]
pub(crate) const fn from_wire(next_hop: WireNextHop) -> fib::NextHop {
    fib::NextHop::new(match next_hop {
        WireNextHop::V4(a) => IpAddr::V4(a),
        WireNextHop::V6(a) | WireNextHop::V6LinkLocal(a, _) => IpAddr::V6(a),
    })
}

/// A route of this machine, with the LOCAL_PREF that its metric stands for.
#[must_use]
pub(crate) fn local_route(route: &fib::LocalRoute, config: &Fib) -> LocalRoute {
    let ordinary = match route.prefix {
        Prefix::V4(_) => config.metric.v4,
        Prefix::V6(_) => config.metric.v6,
    };
    let metric = route.metric.filter(|m| *m != 0).unwrap_or(ordinary);
    LocalRoute {
        prefix: route.prefix,
        local_pref: Fib::METRIC_BASE.saturating_sub(metric),
        interface: route.interface.as_deref().map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A kernel that lacks what had to be there was emptied; where nothing had to be there, nothing was lost.
    #[test]
    fn forwarding_is_preserved_unless_a_block_is_gone() {
        let (v4, v6) = (Family::IPV4_UNICAST, Family::IPV6_UNICAST);
        let blocks: Vec<Prefix> =
            ["10.0.0.0/26", "fd00::/122"].iter().map(|text| text.parse().expect("a prefix")).collect();
        assert_eq!(preserved(&[v4, v6], &blocks), [v4, v6]);
        assert_eq!(preserved(&[v4], &blocks), [v4]);
        assert_eq!(preserved(&[], &blocks), []);
        // Pools of VXLAN, or none at all.
        assert_eq!(preserved(&[v4], &blocks[..1]), [v4, v6]);
        assert_eq!(preserved(&[], &blocks[1..]), [v4]);
    }
}
