//! The policies of all sessions: each made once, and shared by the sessions that have the same.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use heddle_bgp_core::PeerType;
use heddle_config::{Conditions, Modifications, NextHopAction, Policy, PolicyDefault, Rule, RuleAction, SetAttributes};
use heddle_resources::value::Family;
use heddle_resources::{BgpFilter, IpPool, Key};

use crate::blocks::{self, Block};
use crate::cluster::{Cluster, FAMILIES};
use crate::communities::{self, Advertisement};
use crate::context::NodeContext;
use crate::export::{self, Material};
use crate::filters::{Direction, List, Traced};
use crate::origin::{Origins, Source, Subject};
use crate::services::ServiceRoutes;
use crate::warning::Warning;

/// Takes everything that no filter rejected. Named, because an eBGP peer without a policy gives nothing (RFC 8212 §2).
pub(crate) const ACCEPT: &str = "import-accept";
/// What `nextHopMode: Self` does on a reflector.
const NEXT_HOP_SELF: &str = "next-hop-self";

/// The names of a session's policies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chains {
    pub(crate) import: Vec<String>,
    pub(crate) export: Vec<String>,
}

/// What is asked of one family, made once.
#[derive(Debug)]
pub(crate) struct Facts<'a> {
    pub(crate) blocks: Vec<Block>,
    pub(crate) advertisements: Vec<Advertisement>,
    /// In the order of the texts of their CIDRs, as Calico's statements are.
    pub(crate) pools: Vec<&'a IpPool>,
}

impl<'a> Facts<'a> {
    pub(crate) fn of(cluster: &Cluster<'a>, context: &NodeContext, family: Family) -> Self {
        let pools = cluster.snapshot.all::<IpPool>().map(|p| &**p).filter(|p| p.spec.cidr.family() == family);
        let mut pools: Vec<&IpPool> = pools.collect();
        pools.sort_by_cached_key(|p| p.spec.cidr.to_string());
        Self {
            blocks: blocks::own(cluster, context, family),
            advertisements: communities::advertisements(cluster, family),
            pools,
        }
    }
}

/// What decides over the policies of a session.
type Asked<'a> = (Family, PeerType, &'a [Arc<str>]);

/// The policies made so far.
pub(crate) struct Policies<'c, 'a> {
    cluster: &'c Cluster<'a>,
    services: &'c ServiceRoutes,
    facts: &'c [Facts<'a>; FAMILIES.len()],
    chains: HashMap<Asked<'a>, Chains>,
    made: BTreeMap<String, Traced>,
}

impl<'c, 'a> Policies<'c, 'a> {
    pub(crate) fn new(
        cluster: &'c Cluster<'a>,
        services: &'c ServiceRoutes,
        facts: &'c [Facts<'a>; FAMILIES.len()],
    ) -> Self {
        Self { cluster, services, facts, chains: HashMap::new(), made: BTreeMap::new() }
    }

    /// The policies of a session with these filters, which `asked_by` names.
    pub(crate) fn chains(&mut self, asked: Asked<'a>, asked_by: &Key, warnings: &mut Vec<Warning>) -> Chains {
        if let Some(chains) = self.chains.get(&asked) {
            return chains.clone();
        }
        let (family, peer_type, filters) = asked;
        let mut chains = Chains { import: Vec::new(), export: Vec::new() };
        for name in filters {
            let Some(filter) = self.cluster.snapshot.named::<BgpFilter>(name) else {
                warnings.push(Warning::UnknownFilter { peer: asked_by.clone(), filter: Arc::clone(name) });
                continue;
            };
            let mut add = |direction, chain: &mut Vec<String>| {
                let list = List { filter, direction, family };
                if let Some(traced) = list.policy(peer_type, warnings) {
                    chain.push(traced.0.name.clone());
                    self.made.entry(traced.0.name.clone()).or_insert(traced);
                }
            };
            add(Direction::Import, &mut chains.import);
            add(Direction::Export, &mut chains.export);
        }
        chains.import.push(self.accept());
        chains.export.push(self.export(family, peer_type));
        self.chains.insert(asked, chains.clone());
        chains
    }

    fn accept(&mut self) -> String {
        self.made.entry(ACCEPT.to_owned()).or_insert_with(|| (accept(), Vec::new()));
        ACCEPT.to_owned()
    }

    fn export(&mut self, family: Family, peer_type: PeerType) -> String {
        let [v4, v6] = self.facts;
        let facts = match family {
            Family::V4 => v4,
            Family::V6 => v6,
        };
        let material = Material {
            cluster: self.cluster,
            family,
            blocks: &facts.blocks,
            services: self.services,
            advertisements: &facts.advertisements,
            pools: &facts.pools,
        };
        let name = export::policy_name(family, peer_type);
        self.made.entry(name.clone()).or_insert_with(|| export::policy(&material, peer_type));
        name
    }

    /// A policy that puts our address in for every next hop, those of reflected routes included, as BIRD's
    /// `next hop self` does. To be asked before all others.
    pub(crate) fn next_hop_self(&mut self) -> String {
        let set = SetAttributes { next_hop: Some(NextHopAction::SelfAddress), ..SetAttributes::default() };
        let rule = Rule {
            name: Some("nextHopMode Self".to_owned()),
            conditions: Conditions::default(),
            modifications: Modifications { set, ..Modifications::default() },
            action: RuleAction::Next,
        };
        let policy = Policy { name: NEXT_HOP_SELF.to_owned(), default: PolicyDefault::Next, rules: vec![rule] };
        self.made.entry(NEXT_HOP_SELF.to_owned()).or_insert_with(|| (policy, vec![vec![Source::BuiltIn]]));
        NEXT_HOP_SELF.to_owned()
    }

    /// All policies, by name.
    pub(crate) fn into_policies(self, origins: &mut Origins) -> Vec<Policy> {
        let trace = |(policy, sources): Traced| {
            let name: Arc<str> = policy.name.as_str().into();
            let resources: BTreeSet<Source> = sources.iter().flatten().filter_map(resource).collect();
            origins.set(Subject::Policy(Arc::clone(&name)), resources.into_iter().collect());
            for (index, sources) in sources.into_iter().enumerate() {
                origins.set(Subject::Rule(Arc::clone(&name), index), sources);
            }
            policy
        };
        self.made.into_values().map(trace).collect()
    }
}

/// The policy that takes everything.
pub(crate) fn accept() -> Policy {
    Policy { name: ACCEPT.to_owned(), default: PolicyDefault::Accept, rules: Vec::new() }
}

/// The resource of a source, whichever field it is.
fn resource(source: &Source) -> Option<Source> {
    match source {
        Source::Resource { key, .. } => Some(Source::whole(key.clone())),
        Source::Environment(_) | Source::Default(_) | Source::BuiltIn => None,
    }
}
