//! What is advertised where no `BGPFilter` decides: `calico_export_to_bgp_peers`, one policy a family and kind of peer.
//!
//! In BIRD the rules look at `krt_metric`, which the filter sets from LOCAL_PREF (`M - LOCAL_PREF`) or the other way
//! round; here local routes are originated with the LOCAL_PREF of their metric, so that `krt_metric < P` is
//! `LOCAL_PREF > M - P` for every route.

use heddle_bgp_core::PeerType;
use heddle_config::{Add, Conditions, Modifications, Policy, PolicyDefault, PrefixRange, Range, Rule, RuleAction};
use heddle_resources::ip_pool::BgpExport;
use heddle_resources::value::{Cidr, Family};
use heddle_resources::{IpPool, Key, Kind};

use crate::blocks::{Block, Hold, are_nested};
use crate::cluster::{Cluster, METRIC_BASE, prefix};
use crate::communities::Advertisement;
use crate::filters::{Traced, family_word, peer_type_word};
use crate::origin::Source;
use crate::services::ServiceRoutes;

/// What the policy is made of, of one family.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Material<'a> {
    pub(crate) cluster: &'a Cluster<'a>,
    pub(crate) family: Family,
    pub(crate) blocks: &'a [Block],
    pub(crate) services: &'a ServiceRoutes,
    pub(crate) advertisements: &'a [Advertisement],
    /// The pools of the family, in the order of the texts of their CIDRs.
    pub(crate) pools: &'a [&'a IpPool],
}

/// Rules with the source of each.
#[derive(Debug, Default)]
struct Rules {
    rules: Vec<Rule>,
    sources: Vec<Vec<Source>>,
}

impl Rules {
    fn add(&mut self, name: String, conditions: Conditions, action: RuleAction, sources: Vec<Source>) {
        self.change(name, conditions, Modifications::default(), action, sources);
    }

    fn change(
        &mut self,
        name: String,
        conditions: Conditions,
        modifications: Modifications,
        action: RuleAction,
        sources: Vec<Source>,
    ) {
        self.rules.push(Rule { name: Some(name), conditions, modifications, action });
        self.sources.push(sources);
    }
}

/// A CIDR and all that is in it.
pub(crate) fn all_within(cidr: Cidr) -> Option<PrefixRange> {
    let prefix = prefix(cidr)?;
    Some(PrefixRange { prefix, ge: prefix.len(), le: cidr.family().bits() })
}

fn within<'a>(cidrs: impl IntoIterator<Item = &'a Cidr>) -> Conditions {
    Conditions { prefixes: cidrs.into_iter().filter_map(|c| all_within(*c)).collect(), ..Conditions::default() }
}

fn on_interfaces(names: &[&str]) -> Conditions {
    Conditions { interfaces: names.iter().map(|n| (*n).to_owned()).collect(), ..Conditions::default() }
}

/// The name of the policy.
pub(crate) fn policy_name(family: Family, peer_type: PeerType) -> String {
    format!("export-{}-{}", family_word(family), peer_type_word(peer_type))
}

/// The policy for sessions of one kind. It ends in a rejection.
pub(crate) fn policy(material: &Material<'_>, peer_type: PeerType) -> Traced {
    let mut rules = Rules::default();
    pools_without_export(material, &mut rules);
    interfaces(material.cluster, peer_type, &mut rules);
    for entry in material.advertisements {
        let add = Add { communities: entry.communities.clone(), ..Add::default() };
        let modifications = Modifications { add, ..Modifications::default() };
        let name = format!("communities of {}", entry.cidr);
        rules.change(name, within([&entry.cidr]), modifications, RuleAction::Next, vec![entry.source.clone()]);
    }
    aggregation(material, &mut rules);
    services(material, &mut rules);
    for pool in material.pools.iter().filter(|p| p.spec.bgp_export == BgpExport::Enabled) {
        let name = format!("IPPool {}", pool.metadata.name);
        rules.add(name, within([&pool.spec.cidr]), RuleAction::Accept, vec![Source::whole(pool_key(pool))]);
    }
    let name = policy_name(material.family, peer_type);
    (Policy { name, default: PolicyDefault::Reject, rules: rules.rules }, rules.sources)
}

pub(crate) fn pool_key(pool: &IpPool) -> Key {
    Key::cluster(Kind::IpPool, pool.metadata.name.clone())
}

/// `disableBGPExport`
fn pools_without_export(material: &Material<'_>, rules: &mut Rules) {
    for pool in material.pools.iter().filter(|p| p.spec.bgp_export == BgpExport::Disabled) {
        let name = format!("IPPool {}: disableBGPExport", pool.metadata.name);
        let source = Source::field(pool_key(pool), "disableBGPExport");
        rules.add(name, within([&pool.spec.cidr]), RuleAction::Reject, vec![source]);
    }
}

/// Routes of tunnels and of the eBPF data plane, which Felix makes and which never leave the node.
fn interfaces(cluster: &Cluster<'_>, peer_type: PeerType, rules: &mut Rules) {
    match peer_type {
        PeerType::Ibgp => {
            let name = "routes of tunnels".to_owned();
            let (names, source): (&[&str], Source) = if cluster.programs().ipip {
                (&["*.cali", "*.calico"], Source::BuiltIn)
            } else {
                (
                    &["*.cali", "*.calico", "tunl0"],
                    cluster.global_or_default(cluster.global.program_cluster_routes, "programClusterRoutes"),
                )
            };
            rules.add(name, on_interfaces(names), RuleAction::Reject, vec![source]);
        }
        PeerType::Ebgp => {}
    }
    let name = "routes of the eBPF data plane".to_owned();
    rules.add(name, on_interfaces(&["bpf*.cali"]), RuleAction::Reject, vec![Source::BuiltIn]);
}

/// `calico_aggr`: own blocks are advertised, what is in them is not, unless its priority is better than the normal one.
fn aggregation(material: &Material<'_>, rules: &mut Rules) {
    let confirmed: Vec<&Block> = material.blocks.iter().filter(|b| b.hold == Hold::Confirmed).collect();
    if are_nested(&confirmed) {
        // Then it matters which is asked first.
        for block in &confirmed {
            aggregate(material, std::slice::from_ref(block), rules);
        }
    } else if !confirmed.is_empty() {
        aggregate(material, &confirmed, rules);
    }
}

fn aggregate(material: &Material<'_>, blocks: &[&Block], rules: &mut Rules) {
    let inside = || within(blocks.iter().map(|b| &b.cidr));
    let itself = Conditions {
        prefixes: blocks.iter().filter_map(|b| prefix(b.cidr)).map(PrefixRange::exact).collect(),
        ..Conditions::default()
    };
    let least = material.cluster.normal_local_pref(material.family).saturating_add(1);
    let elevated = Conditions { local_pref: Some(Range { ge: least, le: METRIC_BASE }), ..inside() };
    let names = match blocks {
        [block] => format!("block {}", block.cidr),
        _ => "blocks of this node".to_owned(),
    };
    let sources: Vec<Source> = blocks.iter().map(|b| b.source.clone()).collect();
    rules.add(names.clone(), itself, RuleAction::Accept, sources.clone());
    rules.add(format!("{names}: elevated priority"), elevated, RuleAction::Accept, sources.clone());
    rules.add(format!("{names}: aggregated"), inside(), RuleAction::Reject, sources);
}

/// Routes of services; on a reflector those of other nodes too.
fn services(material: &Material<'_>, rules: &mut Rules) {
    let of_family = |cidr: &&Cidr| cidr.family() == material.family;
    let (mut cidrs, mut sources) = (Vec::new(), std::collections::BTreeSet::new());
    for (cidr, of_route) in material.services.routes.iter().filter(|(cidr, _)| of_family(cidr)) {
        cidrs.push(cidr);
        sources.extend(of_route.iter().cloned());
    }
    if !cidrs.is_empty() {
        let sources = sources.into_iter().collect();
        rules.add("services".to_owned(), within(cidrs), RuleAction::Accept, sources);
    }
    if material.cluster.own().cluster_id.is_none() {
        return;
    }
    let global = material.cluster.global;
    let mut reflect = |cidrs: &[Cidr], field: &'static str| {
        let conditions = within(cidrs.iter().filter(of_family));
        if !conditions.prefixes.is_empty() {
            let source = material.cluster.global_or_default(Some(()), field);
            rules.add(format!("{field}, as a reflector"), conditions, RuleAction::Accept, vec![source]);
        }
    };
    reflect(&global.service_load_balancer_ips, "serviceLoadBalancerIPs");
    reflect(&global.service_external_ips, "serviceExternalIPs");
}
