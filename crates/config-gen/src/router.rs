//! The speaker itself: AS, BGP Identifier, where it listens, how it decides.

use heddle_bgp_core::BgpId;
use heddle_config::{Config, ListenAddress, Multipath, PeerAddress, Seconds};
use heddle_resources::bgp_configuration::{BindMode, LogSeverity};
use heddle_resources::value::Family;
use heddle_resources::{Key, Kind};
use sha2::{Digest, Sha256};

use crate::cluster::{Cluster, FAMILIES, Member};
use crate::context::{NodeContext, RouterIdSource};
use crate::origin::{Origins, Source, Subject};
use crate::warning::{Waiting, Warning};

/// BIRD's `merge paths on` uses so many.
const MOST_PATHS: u16 = 16;
/// Where a peer or listener has no port of its own.
pub(crate) const BGP_PORT: u16 = 179;
/// How long the routes of peers that do not come back after a restart are waited for. (Calico waits 240 s, mute.)
pub(crate) const DEFERRAL: Seconds = Seconds(10);

/// A configuration without peers.
pub(crate) fn configuration(
    cluster: &Cluster<'_>,
    context: &NodeContext,
    origins: &mut Origins,
) -> Result<Config, Waiting> {
    let own = cluster.own();
    let (id, source) = router_id(own, context).ok_or_else(|| Waiting::RouterId(own.name().clone()))?;
    origins.add(Subject::Setting("router.router_id"), source);
    let mut config = Config::new(cluster.own_asn(), id);
    let source = match own.asn {
        Some(_) => Source::field(own.key(), "bgp.asNumber"),
        None => cluster.global_or_default(cluster.global.as_number, "asNumber"),
    };
    origins.add(Subject::Setting("router.asn"), source);
    if let Some(cluster_id) = own.cluster_id {
        config.router.cluster_id = cluster_id;
        let source = Source::field(own.key(), "bgp.routeReflectorClusterID");
        origins.add(Subject::Setting("router.cluster_id"), source);
    }
    config.router.listen = listen(cluster, origins);
    // BIRD's `merge paths` asks for AS_PATHs of one length, not of one content.
    config.router.decision.multipath = Multipath { ebgp: MOST_PATHS, ibgp: MOST_PATHS, as_path_relax: true };
    config.router.decision.resolve_next_hops = true;
    config.router.graceful_restart.selection_deferral_time = DEFERRAL;
    config.log.level = log_level(cluster, context, origins).to_owned();
    Ok(config)
}

fn router_id(own: &Member<'_>, context: &NodeContext) -> Option<(BgpId, Source)> {
    let environment = Source::Environment("CALICO_ROUTER_ID");
    match context.router_id {
        Some(RouterIdSource::Given(id)) => Some((id, environment)),
        Some(RouterIdSource::NodeName) => Some((hash(own.name()), environment)),
        // Of IPv6 sessions too: a BGP Identifier has four octets (RFC 4271 §4.2).
        None => {
            let address = own.node.spec.bgp.ipv4_address?.address();
            let source = Source::field(own.key(), "bgp.ipv4Address");
            v4_bits(address).map(|bits| (BgpId(bits), source))
        }
    }
}

const fn v4_bits(address: std::net::IpAddr) -> Option<u32> {
    match address {
        std::net::IpAddr::V4(ip) => Some(ip.to_bits()),
        std::net::IpAddr::V6(_) => None,
    }
}

/// Calico's identifier from a name: the first four octets of its SHA-256, the first of them taken out of the multicast
/// and reserved range.
pub(crate) fn hash(name: &str) -> BgpId {
    let digest = Sha256::digest(name.as_bytes());
    let mut octets = digest.iter().copied();
    let mut next = || octets.next().unwrap_or_default();
    let first = next();
    let first = if first > 223 { first - 32 } else { first };
    BgpId(u32::from_be_bytes([first, next(), next(), next()]))
}

/// Two nodes with one address, or with our BGP Identifier.
pub(crate) fn conflicts(cluster: &Cluster<'_>, context: &NodeContext, id: BgpId, warnings: &mut Vec<Warning>) {
    for (address, indexes) in cluster.shared_addresses() {
        let mut names = indexes.iter().filter_map(|&i| cluster.members.get(i)).map(|m| m.name().clone());
        if let (Some(first), Some(second)) = (names.next(), names.next()) {
            warnings.push(Warning::SharedAddress { address, nodes: (first, second) });
        }
    }
    let own = cluster.own();
    for other in cluster.members.iter().filter(|m| m.name() != own.name()) {
        // What the others have: as far as we can know, they choose it as we do.
        let theirs = match context.router_id {
            Some(RouterIdSource::NodeName) => Some(hash(other.name())),
            Some(RouterIdSource::Given(_)) | None => other.address(Family::V4).and_then(v4_bits).map(BgpId),
        };
        if theirs == Some(id) {
            let mut nodes = [own.name().clone(), other.name().clone()];
            nodes.sort_unstable();
            let [first, second] = nodes;
            warnings.push(Warning::SharedRouterId { id, nodes: (first, second) });
        }
    }
}

/// One socket a family that the node has sessions of.
fn listen(cluster: &Cluster<'_>, origins: &mut Origins) -> Vec<ListenAddress> {
    let own_settings = cluster.own_settings.filter(|c| c.spec.listen_port.is_some());
    let source = match own_settings {
        Some(c) => Source::field(Key::cluster(Kind::BgpConfiguration, c.metadata.name.clone()), "listenPort"),
        None => cluster.global_or_default(cluster.global.listen_port, "listenPort"),
    };
    origins.add(Subject::Setting("router.listen"), source);
    origins.add(Subject::Setting("router.listen"), cluster.global_or_default(cluster.global.bind_mode, "bindMode"));
    let port = cluster.port_of(cluster.own()).map_or(BGP_PORT, std::num::NonZeroU16::get);
    let own_addresses = FAMILIES.into_iter().filter_map(|f| cluster.own().address(f));
    own_addresses
        .map(|own| {
            let any: std::net::IpAddr = match Family::of(own) {
                Family::V4 => std::net::Ipv4Addr::UNSPECIFIED.into(),
                Family::V6 => std::net::Ipv6Addr::UNSPECIFIED.into(),
            };
            let address = match cluster.global.bind_mode {
                None | Some(BindMode::None) => any,
                Some(BindMode::NodeIp) => own,
            };
            ListenAddress { address: PeerAddress::from(address), port }
        })
        .collect()
}

/// `logSeverityScreen`: of the environment, of the node, of all.
fn log_level(cluster: &Cluster<'_>, context: &NodeContext, origins: &mut Origins) -> &'static str {
    const FIELD: &str = "logSeverityScreen";
    let of_node = cluster.own_settings.and_then(|c| Some((c.spec.log_severity_screen?, &c.metadata.name)));
    let (severity, source) = match (context.log_severity, of_node) {
        (Some(severity), _) => (severity, Source::Environment("BGP_LOGSEVERITYSCREEN")),
        (None, Some((severity, name))) => {
            (severity, Source::field(Key::cluster(Kind::BgpConfiguration, name.clone()), FIELD))
        }
        (None, None) => (
            cluster.global.log_severity_screen.unwrap_or(LogSeverity::Info),
            cluster.global_or_default(cluster.global.log_severity_screen, FIELD),
        ),
    };
    origins.add(Subject::Setting("log.level"), source);
    match severity {
        LogSeverity::Trace => "trace",
        LogSeverity::Debug => "debug",
        LogSeverity::Info => "info",
        LogSeverity::Warning => "warn",
        LogSeverity::Error | LogSeverity::Fatal => "error",
        LogSeverity::None => "off",
    }
}
