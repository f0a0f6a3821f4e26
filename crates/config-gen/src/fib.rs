//! What goes into the kernel: `calico_kernel_programming`, own blocks and service routes as black holes, gateways of
//! peers.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use heddle_bgp_core::Prefix;
use heddle_config::{Fib, FibAction, FibRule, Network, RouteMetric, StaticRoute, Tunnel};
use heddle_resources::IpPool;
use heddle_resources::ip_pool::EncapsulationMode;
use heddle_resources::value::{Cidr, Family};

use crate::cluster::{Cluster, FAMILIES, prefix};
use crate::export::{all_within, pool_key};
use crate::origin::{Origins, Source, Subject};
use crate::policies::Facts;
use crate::services::ServiceRoutes;

/// The interface of IPIP.
const TUNNEL: &str = "tunl0";

/// BIRD's protocol number (`RTPROT_BIRD`): Felix removes what has another one, and is not its own, from workload interfaces,
/// and spares these on the interface of a workload that peers (`RemoveExternalRoutes`, `RouteIsOurs`).
///
/// Every node has it, also where no workload peers at present: the number counts from the start on, while such a `BGPPeer` comes and
/// goes, and what was left in the kernel has to be ours to the next run, too. Of others it takes none: what leads to a workload
/// has no gateway.
const BIRD: u8 = 12;

/// Blocks and service routes, originated with the LOCAL_PREF of ordinary routes, each a black hole in the kernel where
/// no rule rejects it.
pub(crate) fn networks(
    cluster: &Cluster<'_>,
    facts: &[Facts<'_>; FAMILIES.len()],
    services: &ServiceRoutes,
    origins: &mut Origins,
) -> Vec<Network> {
    // Blocks of a single address are known as the workload's own route.
    let blocks = facts.iter().flat_map(|f| &f.blocks).filter(|b| !b.cidr.is_host());
    let blocks = blocks.map(|b| (b.cidr, std::slice::from_ref(&b.source)));
    let services = services.routes.iter().map(|(cidr, sources)| (*cidr, sources.as_slice()));
    let mut networks: BTreeMap<Prefix, Network> = BTreeMap::new();
    for (cidr, sources) in blocks.chain(services) {
        let Some(prefix) = prefix(cidr) else { continue };
        for source in sources {
            origins.add(Subject::Network(prefix), source.clone());
        }
        networks.entry(prefix).or_insert_with(|| Network {
            local_pref: Some(cluster.normal_local_pref(cidr.family())),
            blackhole: true,
            ..Network::new(prefix)
        });
    }
    networks.into_values().collect()
}

/// Which of them are there for services alone.
pub(crate) fn of_services(facts: &[Facts<'_>; FAMILIES.len()], services: &ServiceRoutes) -> BTreeSet<Prefix> {
    let is_block = |cidr: &Cidr| facts.iter().flat_map(|f| &f.blocks).any(|b| b.cidr == *cidr);
    services.routes.keys().filter(|cidr| !is_block(cidr)).filter_map(|cidr| prefix(*cidr)).collect()
}

/// The forwarding table. What the node's owner chooses (table, protocol, sysctls) is left as it is by default.
pub(crate) fn fib(
    cluster: &Cluster<'_>,
    facts: &[Facts<'_>; FAMILIES.len()],
    services: &ServiceRoutes,
    static_routes: BTreeMap<StaticRoute, Source>,
    origins: &mut Origins,
) -> Fib {
    let mut fib = Fib {
        workload_protocol: Some(BIRD),
        metric: RouteMetric { v4: cluster.priority(Family::V4), v6: cluster.priority(Family::V6) },
        ..Fib::default()
    };
    origins.add(
        Subject::Setting("fib.metric.v4"),
        cluster.global_or_default(cluster.global.ipv4_normal_route_priority, "ipv4NormalRoutePriority"),
    );
    origins.add(
        Subject::Setting("fib.metric.v6"),
        cluster.global_or_default(cluster.global.ipv6_normal_route_priority, "ipv6NormalRoutePriority"),
    );
    // Before the patterns that Calico always has: the first that matches decides, and all of them exclude.
    let ignored = cluster.global.ignored_interfaces.iter().map(|i| i.as_str().to_owned());
    fib.ignored_interfaces.splice(0..0, ignored);
    origins.add(
        Subject::Setting("fib.ignored_interfaces"),
        cluster.global_or_default(cluster.global.ignored_interfaces.first(), "ignoredInterfaces"),
    );
    for (route, source) in static_routes {
        origins.add(Subject::StaticRoute(route.prefix), source);
        fib.static_routes.push(route);
    }
    let mut rules = Vec::new();
    reject_services(services, &mut rules);
    leave_to_wireguard(cluster, &mut rules);
    for (family, facts) in FAMILIES.into_iter().zip(facts) {
        pools(cluster, family, &facts.pools, &mut rules);
    }
    for (index, (rule, sources)) in rules.into_iter().enumerate() {
        origins.set(Subject::FibRule(index), sources);
        fib.rules.push(rule);
    }
    fib
}

type Rules = Vec<(FibRule, Vec<Source>)>;

/// Routes of services are for others: here they are the business of who balances the load.
fn reject_services(services: &ServiceRoutes, rules: &mut Rules) {
    for (cidr, source) in &services.rejected {
        let rule = FibRule {
            name: Some(format!("services {cidr}")),
            prefixes: all_within(*cidr).into_iter().collect(),
            next_hops: Vec::new(),
            action: FibAction::Reject,
        };
        rules.push((rule, vec![source.clone()]));
    }
}

/// A node with WireGuard reaches the others that have it through its WireGuard interface, whose routes Felix makes.
fn leave_to_wireguard(cluster: &Cluster<'_>, rules: &mut Rules) {
    let own = cluster.own();
    for family in FAMILIES {
        if own.node.spec.wireguard_address(family).is_none() {
            continue;
        }
        let others = cluster.members.iter().filter(|m| m.name() != own.name());
        let with_wireguard = others.filter(|m| m.node.spec.wireguard_address(family).is_some());
        let (next_hops, mut sources): (Vec<IpAddr>, Vec<Source>) =
            with_wireguard.filter_map(|m| Some((m.address(family)?, Source::whole(m.key())))).unzip();
        if next_hops.is_empty() {
            continue;
        }
        sources.insert(0, Source::whole(own.key()));
        let name = Some(format!("WireGuard, {family}"));
        rules.push((FibRule { name, prefixes: Vec::new(), next_hops, action: FibAction::Reject }, sources));
    }
}

/// Pools: those of others are rejected, our own go in, IPIP through the tunnel. What is in no pool goes in.
fn pools(cluster: &Cluster<'_>, family: Family, pools: &[&IpPool], rules: &mut Rules) {
    let own_network = cluster.own().node.spec.bgp.address(family).map(|a| a.network());
    // Calico leaves all pools out where an IPv4 node has no network.
    if family == Family::V4 && own_network.is_none() {
        return;
    }
    let programs = cluster.programs();
    for pool in pools {
        let (how, action) = match (pool.spec.vxlan_mode, pool.spec.ipip_mode) {
            (EncapsulationMode::Always | EncapsulationMode::CrossSubnet, _) => {
                (": VXLAN, left to Felix", FibAction::Reject)
            }
            (EncapsulationMode::Never, EncapsulationMode::Never) if !programs.plain => {
                (": left to Felix", FibAction::Reject)
            }
            (EncapsulationMode::Never, EncapsulationMode::Never) => ("", FibAction::Install),
            (EncapsulationMode::Never, _) if !programs.ipip => (": IPIP, left to Felix", FibAction::Reject),
            (EncapsulationMode::Never, EncapsulationMode::Always) => (": IPIP", tunnel(None)),
            (EncapsulationMode::Never, EncapsulationMode::CrossSubnet) => {
                (": IPIP across subnets", tunnel(own_network.and_then(prefix)))
            }
        };
        let action = match (family, action) {
            (_, FibAction::Reject) => FibAction::Reject,
            (Family::V4, action) => action,
            // IPIP is IPv4 only, and of IPv6 pools Calico writes only the rejections.
            (Family::V6, FibAction::Install | FibAction::Tunnel(_)) => continue,
        };
        let rule = FibRule {
            name: Some(format!("IPPool {}{how}", pool.metadata.name)),
            prefixes: all_within(pool.spec.cidr).into_iter().collect(),
            next_hops: Vec::new(),
            action,
        };
        rules.push((
            rule,
            vec![
                Source::whole(pool_key(pool)),
                cluster.global_or_default(cluster.global.program_cluster_routes, "programClusterRoutes"),
            ],
        ));
    }
}

fn tunnel(except: Option<Prefix>) -> FibAction {
    FibAction::Tunnel(Tunnel { interface: TUNNEL.to_owned(), except: except.into_iter().collect() })
}
