//! All sessions of a node, each peer once, as peers of the configuration.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;
use std::time::Duration;

use heddle_bgp_core::PeerType;
use heddle_config::{
    AddPath, AddPathSend, FamilySettings, IdleHold, LocalAs, NextHopMode, Peer, PeerAddress, PeerAs, PeerFamily,
    PeerSettings, Seconds, StaticRoute,
};
use heddle_resources::bgp_peer::{NextHop, ReversePeering, SourceAddress};
use heddle_resources::value::Cidr;
use heddle_resources::{BgpPeer, Key};

use crate::cluster::{Cluster, prefix, unicast};
use crate::context::NodeContext;
use crate::generated::{PeerIdentity, PeerKind};
use crate::origin::{Origins, Source, Subject};
use crate::passwords::Passwords;
use crate::policies::Policies;
use crate::router::BGP_PORT;
use crate::session::{Role, Session};
use crate::warning::Warning;
use crate::{explicit, mesh, reverse};

/// BIRD's hold time; keepalives are sent every third of it.
const HOLD_TIME: Seconds = Seconds(240);
/// BIRD tries every 5 s. A peer that is not up yet is not to be waited for, and an attempt costs one packet.
const CONNECT_RETRY: Seconds = Seconds(2);
/// BIRD's `error wait time` is 5 to 30 s; a node that restarts is back sooner than that.
const IDLE_HOLD: IdleHold = IdleHold { min: Seconds(1), max: Seconds(30) };
/// BIRD's `multihop` without a number.
const MULTIHOP: u8 = 64;
/// The most that the capability holds (RFC 4724 §3).
const LONGEST_RESTART: u32 = 4095;

/// How many settings those of a peer are compared with.
const MOST_COMPARED: usize = 4;

/// The peers of a node, and what comes with them.
#[derive(Debug, Default)]
pub(crate) struct Made {
    /// In the order of the addresses.
    pub(crate) peers: Vec<Peer>,
    /// In the same order.
    pub(crate) identities: Vec<PeerIdentity>,
    /// Gateways to peers.
    pub(crate) static_routes: BTreeMap<StaticRoute, Source>,
}

/// All peers of this node.
pub(crate) fn peers<'a>(
    cluster: &Cluster<'a>,
    context: &'a NodeContext,
    policies: &mut Policies<'_, 'a>,
    warnings: &mut Vec<Warning>,
    origins: &mut Origins,
) -> Made {
    let sessions = resolved(cluster, context, warnings);
    let mut passwords = Passwords::new(cluster.snapshot, &context.secrets_namespace);
    let mut family = |session: &Session<'a>, peer_type, warnings: &mut Vec<Warning>| {
        family_settings(cluster, session, peer_type, policies, warnings)
    };
    made(cluster, sessions, &mut passwords, &mut family, (warnings, origins))
}

/// What a session does with the routes of its family.
type OfFamily<'f, 'a> = dyn FnMut(&Session<'a>, PeerType, &mut Vec<Warning>) -> FamilySettings + 'f;

/// The peers of these sessions.
pub(crate) fn made<'a>(
    cluster: &Cluster<'a>,
    sessions: BTreeMap<IpAddr, Session<'a>>,
    passwords: &mut Passwords<'a>,
    family: &mut OfFamily<'_, 'a>,
    (warnings, origins): (&mut Vec<Warning>, &mut Origins),
) -> Made {
    let mut made = Made::default();
    let mut distinct = Vec::new();
    for (address, session) in sessions {
        // A session that can never come up stands in the list with the reason, as in Calico it would without one.
        let unusable = unusable(address);
        if let Some(reason) = &unusable {
            let (peer, reason) = (session.asked_by.clone(), reason.clone());
            warnings.push(Warning::UnusableAddress { peer, address, reason });
        }
        let address = PeerAddress::from(address);
        made.identities.push(PeerIdentity { address: address.clone(), name: name(&session), kind: session.kind });
        if let (Some(via), Some(prefix)) = (session.reachable_by, prefix(Cidr::host(session.address))) {
            let source = Source::field(session.asked_by.clone(), "reachableBy");
            made.static_routes.insert(StaticRoute { prefix, via }, source);
        }
        let description = Some(description(&session));
        let of_family = family(&session, peer_type(cluster, &session), warnings);
        let mut settings = settings(cluster, &session, of_family, passwords, warnings);
        settings.blocked = unusable.or(settings.blocked);
        origins.set(Subject::Peer(address.clone()), session.sources);
        let settings = shared(&mut distinct, settings);
        made.peers.push(Peer { address, asn: PeerAs::Asn(session.asn), description, group: None, settings });
    }
    made
}

/// "Internal" is what has the AS that the peer knows us by.
fn peer_type(cluster: &Cluster<'_>, session: &Session<'_>) -> PeerType {
    PeerAs::Asn(session.asn).peer_type(session.wishes.local_asn.unwrap_or_else(|| cluster.own_asn()))
}

/// The settings, which are those of other peers wherever they are equal: in a mesh the peers of a family have one of two, as
/// some of them wait and some connect. Only with the newest is it compared.
fn shared(distinct: &mut Vec<Arc<PeerSettings>>, settings: PeerSettings) -> Arc<PeerSettings> {
    if let Some(known) = distinct.iter().rev().take(MOST_COMPARED).find(|known| ***known == settings) {
        return Arc::clone(known);
    }
    let settings = Arc::new(settings);
    distinct.push(Arc::clone(&settings));
    settings
}

/// One session an address: those for all nodes come before those for some, what is asked for before the other end of
/// what others ask for, the mesh last; within one kind the first name wins. (In Calico the order within a kind is
/// random; and a node that is in the mesh and selected too gets two sessions, of which BIRD keeps one.)
fn resolved<'a>(
    cluster: &Cluster<'a>,
    context: &NodeContext,
    warnings: &mut Vec<Warning>,
) -> BTreeMap<IpAddr, Session<'a>> {
    let mut sessions: Vec<Session<'a>> = Vec::with_capacity(cluster.members.len());
    explicit::global(cluster, &context.endpoints, &mut sessions, warnings);
    explicit::node(cluster, &context.endpoints, &mut sessions, warnings);
    explicit::strays(cluster, &context.endpoints, warnings);
    reverse::sessions(cluster, &mut sessions);
    mesh::sessions(cluster, &mut sessions);
    once_each(cluster, sessions, warnings)
}

/// The first session of each address.
pub(crate) fn once_each<'a>(
    cluster: &Cluster<'_>,
    sessions: Vec<Session<'a>>,
    warnings: &mut Vec<Warning>,
) -> BTreeMap<IpAddr, Session<'a>> {
    let mut by_address: BTreeMap<IpAddr, Session<'a>> = BTreeMap::new();
    for session in sessions {
        // A family that the node has no address of has no sessions, and nobody peers with himself.
        match cluster.own().address(session.family()) {
            None => continue,
            Some(own) if own == session.address && !is_beside(cluster, &session) => continue,
            Some(_) => {}
        }
        match by_address.entry(session.address) {
            Entry::Vacant(entry) => {
                entry.insert(session);
            }
            Entry::Occupied(entry) => warnings.extend(duplicate(entry.get(), &session)),
        }
    }
    by_address
}

/// Whether a session with our own address is one with another speaker there, as with a reflector that shares the address of its
/// node: on another port, and no node is to be the other end.
fn is_beside(cluster: &Cluster<'_>, session: &Session<'_>) -> bool {
    let port = |port: Option<NonZeroU16>| port.map_or(BGP_PORT, NonZeroU16::get);
    let asked_by = cluster.snapshot.named::<BgpPeer>(&session.asked_by.name);
    session.kind != PeerKind::Mesh
        && port(session.port) != port(cluster.port_of(cluster.own()))
        && asked_by.is_some_and(|peer| peer.spec.reverse_peering == ReversePeering::Manual)
}

/// What to say of a session that another one hides.
fn duplicate(used: &Session<'_>, ignored: &Session<'_>) -> Option<Warning> {
    // On the way from the mesh to reflectors both are there for a while; that is how it is done.
    if ignored.kind == PeerKind::Mesh || used.asked_by == ignored.asked_by || used.is_like(ignored) {
        return None;
    }
    let (used, ignored, address) = (used.asked_by.clone(), ignored.asked_by.clone(), used.address);
    Some(Warning::DuplicatePeer { address, used, ignored })
}

/// As Calico calls the session.
fn name(session: &Session<'_>) -> String {
    let address = session.address.to_string().replace(['.', ':'], "_");
    let kind = session.kind.as_str();
    match (session.kind, session.port) {
        (PeerKind::Mesh, _) | (_, None) => format!("{kind}_{address}"),
        (PeerKind::Global | PeerKind::Node | PeerKind::LocalWorkload, Some(port)) => {
            format!("{kind}_{address}_port_{port}")
        }
    }
}

fn description(session: &Session<'_>) -> String {
    match (session.kind, session.node) {
        (PeerKind::Mesh, Some(node)) => format!("mesh, node {node}"),
        (PeerKind::Mesh, None) => "mesh".to_owned(),
        (_, Some(node)) => format!("{}, node {node}", session.asked_by),
        (_, None) => session.asked_by.to_string(),
    }
}

fn settings<'a>(
    cluster: &Cluster<'a>,
    session: &Session<'a>,
    of_family: FamilySettings,
    passwords: &mut Passwords<'a>,
    warnings: &mut Vec<Warning>,
) -> PeerSettings {
    let wishes = &session.wishes;
    let own_asn = cluster.own_asn();
    let (password, blocked) = match wishes.password.map(|wanted| passwords.get(wanted)) {
        None => (None, None),
        Some(Ok(password)) => (Some(password.clone()), None),
        Some(Err(reason)) => {
            let (peer, reason) = (session.asked_by.clone(), reason.clone());
            warnings.push(Warning::MissingPassword { peer, reason: reason.clone() });
            (None, Some(reason))
        }
    };
    let ttl_security = wishes.ttl_security.map(std::num::NonZeroU8::get);
    let own_address = match wishes.source_address {
        SourceAddress::UseNodeIp => cluster.own().address(session.family()),
        SourceAddress::None => None,
    };
    PeerSettings {
        blocked,
        password,
        port: session.port.map_or(BGP_PORT, NonZeroU16::get),
        local_address: own_address.map(PeerAddress::from),
        passive: match session.role {
            Role::Active => false,
            Role::Passive => true,
        },
        // TTL security has the number of hops itself.
        multihop: ttl_security.is_none().then_some(MULTIHOP),
        ttl_security,
        hold_time: HOLD_TIME,
        keepalive: keepalive(wishes.keepalive, &session.asked_by, warnings),
        connect_retry: CONNECT_RETRY,
        idle_hold: IDLE_HOLD,
        families: vec![PeerFamily { family: unicast(session.family()), settings: of_family }],
        route_reflector_client: is_client(cluster, session),
        // BIRD's `local as` takes the place of the node's AS everywhere on the session.
        local_as: wishes.local_asn.filter(|asn| *asn != own_asn).map(|asn| LocalAs {
            asn,
            no_prepend: true,
            replace_as: true,
        }),
        allow_own_as: u8::try_from(wishes.allow_own_as).unwrap_or(u8::MAX),
        restart_time: restart_time(wishes.restart_time, &session.asked_by, warnings),
        // BIRD takes routes of route servers, whose AS is not in the AS_PATH (RFC 4271 §6.3 leaves it open).
        enforce_first_as: false,
        ..PeerSettings::default()
    }
}

fn family_settings<'a>(
    cluster: &Cluster<'a>,
    session: &Session<'a>,
    peer_type: PeerType,
    policies: &mut Policies<'_, 'a>,
    warnings: &mut Vec<Warning>,
) -> FamilySettings {
    let wishes = &session.wishes;
    let mut chains = policies.chains((session.family(), peer_type, wishes.filters), &session.asked_by, warnings);
    let next_hop = match (wishes.next_hop, peer_type) {
        (NextHop::Auto, _) | (NextHop::KeepExternal, PeerType::Ibgp) => NextHopMode::Auto,
        (NextHop::OwnAddress, _) => NextHopMode::SelfAddress,
        (NextHop::Keep, _) | (NextHop::KeepExternal, PeerType::Ebgp) => NextHopMode::Unchanged,
    };
    let is_reflector = cluster.own().cluster_id.is_some();
    if wishes.next_hop == NextHop::OwnAddress && peer_type == PeerType::Ibgp && is_reflector {
        chains.export.insert(0, policies.next_hop_self());
    }
    FamilySettings {
        import_policy: chains.import,
        export_policy: chains.export,
        next_hop,
        // BIRD's `add paths on`.
        add_path: AddPath { receive: true, send: AddPathSend::All },
        ..FamilySettings::default()
    }
}

/// A reflector's internal peers are its clients, but for reflectors of the same cluster.
fn is_client(cluster: &Cluster<'_>, session: &Session<'_>) -> bool {
    match (peer_type(cluster, session), cluster.own().cluster_id) {
        (PeerType::Ibgp, Some(own)) => session.cluster_id != Some(own),
        (PeerType::Ibgp, None) | (PeerType::Ebgp, _) => false,
    }
}

/// Seconds, halves rounded up, as Go's `math.Round` has it.
fn rounded(duration: Duration) -> u32 {
    let up = u64::from(duration.subsec_millis() >= 500);
    u32::try_from(duration.as_secs().saturating_add(up)).unwrap_or(u32::MAX)
}

/// `keepaliveTime`, at most a third of the hold time. 0 is as in BIRD: a third.
fn keepalive(asked: Option<Duration>, asked_by: &Key, warnings: &mut Vec<Warning>) -> Option<Seconds> {
    let asked = asked.map(rounded).filter(|s| *s > 0)?;
    let most = HOLD_TIME.0 / 3;
    if asked > most {
        warnings.push(Warning::LongKeepalive { peer: asked_by.clone(), asked, used: most });
    }
    Some(Seconds(asked.min(most)))
}

/// `maxRestartTime`
fn restart_time(asked: Option<Duration>, asked_by: &Key, warnings: &mut Vec<Warning>) -> Option<Seconds> {
    let asked = rounded(asked?);
    if asked > LONGEST_RESTART {
        warnings.push(Warning::LongRestartTime { peer: asked_by.clone(), asked });
    }
    Some(Seconds(asked.min(LONGEST_RESTART)))
}

/// Why nobody can have a session with an address.
fn unusable(address: IpAddr) -> Option<String> {
    if let IpAddr::V6(v6) = address
        && v6.is_unicast_link_local()
    {
        let reason =
            "a link-local address is one on an interface, and a BGPPeer cannot say which; peer by a global address";
        return Some(reason.to_owned());
    }
    address.to_string().parse::<PeerAddress>().err().map(|reason| reason.to_string())
}
