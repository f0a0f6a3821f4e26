//! A peer's configuration and what was negotiated, as the RIB takes them.

use std::net::IpAddr;
use std::sync::Arc;

use heddle_bgp_core::attr::{AsPath, Community, ExtCommunity, LargeCommunity, NextHop, PathAttributes};
use heddle_bgp_core::capability::AddPathMode;
use heddle_bgp_core::negotiated::NegotiatedFamily;
use heddle_bgp_core::{Family, Negotiated, PeerType, Prefix};
use heddle_config::{AddPathSend, Config, LimitAction, NextHopMode, PeerSettings, RemovePrivateAs, Router};
use heddle_rib::decision::{Aigp, DecisionOptions, MedOrder, MedScope, MissingMed, MultipathAsPath, PreferOldest};
use heddle_rib::export::{self, AsOverride, Drain, ExportKey, ExtendedNextHop, LlgrMode, Receiver, SelfNextHop};
use heddle_rib::ingest::IngestContext;
use heddle_rib::nexthop::Resolve;
use heddle_rib::policy::{
    EvalContext, GracefulShutdown, Guard, ImportSettings, PeerContext, PolicyChain, PolicySet, Verdict,
};
use heddle_rib::route::SourceKind;
use heddle_rib::session::{Beyond, DefaultOriginate, FamilyParams, PrefixLimit, RefreshMode, Retained, SessionParams};
use tracing::error;

use crate::interface::SessionAddresses;
use crate::peer::Runtime;
use crate::peer::status::Wish;
use crate::rib_thread::RibSettings;

/// The compiled policies of a configuration.
#[derive(Debug)]
pub(crate) struct Policies(PolicySet);

impl Policies {
    /// Of a set.
    #[must_use]
    pub(crate) const fn new(set: PolicySet) -> Self {
        Self(set)
    }

    /// The chain of these names for a peer; what holds without policy when there are none.
    fn chain(&self, names: &[String], peer_type: PeerType, peer: &PeerContext<'_>) -> PolicyChain {
        if names.is_empty() {
            return PolicyChain::without_policy(peer_type);
        }
        match self.0.chain(names.iter().map(String::as_str)) {
            Ok(chain) => chain.resolve(peer),
            Err(e) => {
                // The configuration's check knows all names; closed is the safe side.
                error!(error = %e, "a policy is missing; nothing is accepted");
                PolicyChain::reject_all()
            }
        }
    }
}

/// Options of the decision process.
#[must_use]
pub(crate) fn decision(config: &Config) -> DecisionOptions {
    let d = &config.router.decision;
    DecisionOptions {
        missing_med: if d.med_missing_as_worst { MissingMed::Worst } else { MissingMed::Best },
        med_scope: if d.always_compare_med { MedScope::Always } else { MedScope::NeighborAs },
        med_order: if d.deterministic_med { MedOrder::Deterministic } else { MedOrder::Arrival },
        prefer_oldest: if d.prefer_oldest { PreferOldest::On } else { PreferOldest::Off },
        aigp: if config.peers.iter().any(|p| p.settings.aigp) || config.listen_ranges.iter().any(|r| r.settings.aigp) {
            Aigp::On
        } else {
            Aigp::Off
        },
        max_paths_ebgp: d.multipath.ebgp,
        max_paths_ibgp: d.multipath.ibgp,
        multipath_as_path: if d.multipath.as_path_relax { MultipathAsPath::Relax } else { MultipathAsPath::Equal },
    }
}

/// What the RIB has of the configuration beside what concerns a single peer.
#[must_use]
pub(crate) fn settings(config: &Config) -> RibSettings {
    RibSettings {
        asn: config.router.asn,
        bgp_id: config.router.router_id,
        decision: decision(config),
        resolve: if config.router.decision.resolve_next_hops { Resolve::On } else { Resolve::Off },
        networks: networks(config),
        refresh_time: config.router.refresh_stale_time.duration(),
    }
}

/// Originated prefixes with their canonical blocks.
#[must_use]
fn networks(config: &Config) -> Vec<(Prefix, Vec<u8>)> {
    config.networks.iter().map(|n| (n.prefix, network_block(n))).collect()
}

fn network_block(n: &heddle_config::Network) -> Vec<u8> {
    let mut attributes = PathAttributes::new();
    attributes.origin = Some(super::policy::origin(n.origin));
    attributes.as_path = Some(AsPath::new());
    attributes.next_hop = n.next_hop.map(|addr| match addr {
        IpAddr::V4(a) => NextHop::V4(a),
        IpAddr::V6(a) => NextHop::V6(a),
    });
    attributes.local_pref = n.local_pref;
    attributes.med = n.med;
    for community in &n.communities {
        match community {
            heddle_config::Community::Standard(c) => attributes.add_community(Community(*c)),
            heddle_config::Community::Extended(c) => attributes.add_ext_community(ExtCommunity(*c)),
            heddle_config::Community::Large([a, b, c]) => {
                attributes.add_large_community(LargeCommunity::new(*a, *b, *c))
            }
        }
    }
    // A few communities of a file do not exceed 65,535 octets; a block without them is the safe side.
    attributes.to_block().unwrap_or_default()
}

/// What kind of speaker a peer is.
#[must_use]
pub(crate) const fn source_kind(settings: &PeerSettings, peer_type: PeerType) -> SourceKind {
    match (peer_type, settings.route_reflector_client) {
        (PeerType::Ebgp, _) => SourceKind::Ebgp,
        (PeerType::Ibgp, true) => SourceKind::Client,
        (PeerType::Ibgp, false) => SourceKind::NonClient,
    }
}

/// What judging a peer's routes has to know.
#[must_use]
pub(crate) fn ingest_context(
    router: &Router,
    settings: &PeerSettings,
    negotiated: &Negotiated,
    seed: u64,
) -> IngestContext {
    let mut own_asns = smallvec::smallvec![router.asn];
    if negotiated.local_asn != router.asn {
        own_asns.push(negotiated.local_asn);
    }
    IngestContext {
        kind: source_kind(settings, negotiated.peer_type),
        own_asns,
        allow_own_as: settings.allow_own_as,
        bgp_id: router.router_id,
        cluster_id: router.cluster_id,
        seed,
    }
}

/// What is agreed on a session.
#[must_use]
pub(crate) fn session_params(
    runtime: &Runtime,
    negotiated: &Negotiated,
    addresses: &SessionAddresses,
    retained: &[(Family, Retained)],
) -> SessionParams {
    let kind = source_kind(&runtime.settings, negotiated.peer_type);
    SessionParams {
        kind,
        peer_asn: negotiated.peer_asn,
        local_asn: negotiated.local_asn,
        bgp_id: negotiated.peer_id,
        peer_addr: runtime.address.ip,
        families: negotiated
            .families
            .iter()
            .map(|f| {
                let kept = retained.iter().find(|(family, _)| *family == f.family).map(|(_, r)| *r);
                family_params(runtime, negotiated, f, addresses, kept.unwrap_or(Retained::Discard))
            })
            .collect(),
    }
}

fn family_params(
    runtime: &Runtime,
    negotiated: &Negotiated,
    family: &NegotiatedFamily,
    addresses: &SessionAddresses,
    retained: Retained,
) -> FamilyParams {
    let settings = &runtime.settings;
    let own = settings.family(family.family).unwrap_or(&settings.family_defaults);
    let peer = PeerContext { address: runtime.address.ip, group: runtime.group.as_deref(), asn: negotiated.peer_asn };
    let import = runtime.policies.chain(&own.import_policy, negotiated.peer_type, &peer);
    FamilyParams {
        export: export_key(runtime, negotiated, family, addresses, &peer),
        import: Arc::new(ImportSettings {
            guard: guard(runtime, negotiated.peer_type),
            policy: import,
            prepend: settings.local_as.filter(|l| !l.no_prepend).map(|l| l.asn),
            graceful_shutdown: match runtime.wish {
                Wish::Draining => GracefulShutdown::Drain,
                Wish::Up | Wish::Down => GracefulShutdown::Honor,
            },
            context: EvalContext {
                own_asn: negotiated.local_asn,
                self_next_hop: self_next_hop(family.family, addresses),
            },
        }),
        refresh: if negotiated.enhanced_route_refresh { RefreshMode::Enhanced } else { RefreshMode::Plain },
        limit_in: own.prefix_limit.map(limit),
        limit_out: own.prefix_limit_out.map(limit),
        retained,
        default_originate: if own.default_originate { DefaultOriginate::On } else { DefaultOriginate::Off },
    }
}

/// The guard of an external peer that has one (RFC 7454 §6).
fn guard(runtime: &Runtime, peer_type: PeerType) -> Option<Guard> {
    let settings = runtime.settings.guard.as_ref().filter(|_| peer_type == PeerType::Ebgp)?;
    let verdict = |allow| if allow { Verdict::Accept } else { Verdict::Reject };
    // A default route that we originate makes not everything ours.
    let networks = runtime.networks.iter().filter(|p| !settings.allow_networks && p.len() > 0);
    Some(Guard {
        ipv4_lengths: settings.ipv4_lengths.min..=settings.ipv4_lengths.max,
        ipv6_lengths: settings.ipv6_lengths.min..=settings.ipv6_lengths.max,
        default_route: verdict(settings.allow_default),
        martians: verdict(settings.allow_martians),
        own: networks.chain(settings.own.iter()).copied().collect(),
    })
}

fn limit(l: heddle_config::PrefixLimit) -> PrefixLimit {
    let beyond = match l.action {
        LimitAction::Warn => Beyond::Take,
        LimitAction::Restart(_) | LimitAction::Down => Beyond::Refuse,
    };
    PrefixLimit { max: l.max, warn_at: Some(l.warning_at()), beyond }
}

fn self_next_hop(family: Family, addresses: &SessionAddresses) -> Option<NextHop> {
    if family == Family::IPV4_UNICAST {
        return addresses.v4.map(NextHop::V4);
    }
    match (addresses.v6, addresses.link_local) {
        (Some(global), Some(local)) => Some(NextHop::V6LinkLocal(global, local)),
        (Some(global), None) => Some(NextHop::V6(global)),
        (None, Some(local)) => Some(NextHop::V6(local)),
        (None, None) => None,
    }
}

/// Whether a link-local next hop means something to the peer (RFC 2545 §3): it has a link-local address itself, or is an
/// external peer over IPv6 that has to be on a shared subnet.
fn shares_link(runtime: &Runtime, peer_type: PeerType) -> bool {
    let single_hop = runtime.settings.multihop.is_none() && runtime.settings.ttl_security.is_none_or(|hops| hops <= 1);
    match runtime.address.ip {
        IpAddr::V4(_) => false,
        IpAddr::V6(ip) => ip.is_unicast_link_local() || peer_type == PeerType::Ebgp && single_hop,
    }
}

fn export_key(
    runtime: &Runtime,
    negotiated: &Negotiated,
    family: &NegotiatedFamily,
    addresses: &SessionAddresses,
    peer: &PeerContext<'_>,
) -> ExportKey {
    let settings = &runtime.settings;
    let own = settings.family(family.family).unwrap_or(&settings.family_defaults);
    let receiver = match source_kind(settings, negotiated.peer_type) {
        SourceKind::Ebgp | SourceKind::Local => Receiver::Ebgp,
        SourceKind::Client => Receiver::Client,
        SourceKind::NonClient => Receiver::NonClient,
    };
    let mut key = ExportKey::new(family.family, receiver, negotiated.local_asn);
    key.router_asn = settings.local_as.filter(|l| !l.replace_as).map(|_| runtime.router.asn);
    key.peer_asn = Some(negotiated.peer_asn);
    key.policy = runtime.policies.chain(&own.export_policy, negotiated.peer_type, peer);
    key.as_width = negotiated.as_width;
    key.max_message_len = negotiated.max_message_len;
    key.add_path = match (family.add_path, own.add_path.send) {
        (Some(AddPathMode::Send | AddPathMode::Both), AddPathSend::All) => export::AddPathSend::All,
        (Some(AddPathMode::Send | AddPathMode::Both), AddPathSend::Best(n)) => export::AddPathSend::Best(n),
        _ => export::AddPathSend::Off,
    };
    key.next_hop = match own.next_hop {
        NextHopMode::Auto => export::NextHopMode::Auto,
        NextHopMode::SelfAddress => export::NextHopMode::SelfAddress,
        NextHopMode::Unchanged => export::NextHopMode::Unchanged,
    };
    let link_local = addresses.link_local.filter(|_| shares_link(runtime, negotiated.peer_type));
    key.self_next_hop = SelfNextHop {
        v4: addresses.v4,
        v6: addresses.v6,
        link_local,
        interface: link_local.and(addresses.index).unwrap_or(0),
    };
    key.extended_next_hop = if family.extended_next_hop { ExtendedNextHop::On } else { ExtendedNextHop::Off };
    key.role = settings.role.filter(|_| negotiated.peer_type == PeerType::Ebgp);
    key.aigp = if settings.aigp || negotiated.peer_type == PeerType::Ibgp { Aigp::On } else { Aigp::Off };
    key.llgr = if family.long_lived.is_some() { LlgrMode::Capable } else { LlgrMode::Withhold };
    key.cluster_id = runtime.router.cluster_id;
    key.remove_private_as = match settings.remove_private_as {
        RemovePrivateAs::Off => export::RemovePrivateAs::Off,
        RemovePrivateAs::Only => export::RemovePrivateAs::IfOnlyPrivate,
        RemovePrivateAs::All => export::RemovePrivateAs::All,
        RemovePrivateAs::Replace => export::RemovePrivateAs::Replace,
    };
    key.as_override = if settings.as_override { AsOverride::On } else { AsOverride::Off };
    key.drain = if runtime.wish == Wish::Draining { Drain::On } else { Drain::Off };
    key.canonical()
}
