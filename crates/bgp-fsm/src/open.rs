//! Our OPEN: what a configuration advertises.

use heddle_bgp_core::capability::{Capability, GracefulRestart, LlgrFamily};
use heddle_bgp_core::{Afi, Family, Open};

use crate::config::{FamilyConfig, GracefulRestartConfig, GracefulRestartMode, PeerConfig};

/// The OPEN of a configuration. A family stands in it once, and only one that we carry.
pub(crate) fn build(config: &PeerConfig) -> Open {
    let families = advertised(config);
    let mut capabilities: Vec<_> = families.iter().map(|f| Capability::MultiProtocol(f.family)).collect();
    if config.route_refresh {
        capabilities.push(Capability::RouteRefresh);
    }
    // RFC 8950 §4: IPv6 next hops (AFI 2) for these families.
    let next_hops: Vec<_> = families.iter().filter(|f| f.extended_next_hop).map(|f| (f.family, Afi::IPV6.0)).collect();
    if !next_hops.is_empty() {
        capabilities.push(Capability::ExtendedNextHop(next_hops));
    }
    if config.extended_message {
        capabilities.push(Capability::ExtendedMessage);
    }
    if let Some(role) = config.role {
        capabilities.push(Capability::Role(role.role));
    }
    if let Some(gr) = &config.graceful_restart {
        capabilities.push(Capability::GracefulRestart(graceful_restart(gr, &families)));
    }
    if config.four_octet_as {
        capabilities.push(Capability::FourOctetAs(config.local_asn));
    }
    let add_path: Vec<_> = families.iter().filter_map(|f| f.add_path.map(|mode| (f.family, mode))).collect();
    if !add_path.is_empty() {
        capabilities.push(Capability::AddPath(add_path));
    }
    if config.enhanced_route_refresh {
        capabilities.push(Capability::EnhancedRouteRefresh);
    }
    if let Some(long_lived) = config.graceful_restart.and_then(|_| long_lived(&families)) {
        capabilities.push(long_lived);
    }
    if let Some(name) = &config.host_name {
        capabilities.push(Capability::HostName { host: name.host.clone(), domain: name.domain.clone() });
    }
    Open { asn: config.local_asn, hold_time: config.hold_time, bgp_id: config.local_id, capabilities }
}

fn advertised(config: &PeerConfig) -> Vec<FamilyConfig> {
    let mut families: Vec<FamilyConfig> = Vec::with_capacity(Family::SUPPORTED.len());
    for f in &config.families {
        if f.family.index().is_some() && families.iter().all(|g| g.family != f.family) {
            families.push(*f);
        }
    }
    families
}

/// RFC 4724 §3: the restart time has 12 bits; a speaker that only helps lists no family.
fn graceful_restart(gr: &GracefulRestartConfig, families: &[FamilyConfig]) -> GracefulRestart {
    let families = match gr.mode {
        GracefulRestartMode::Helper => Vec::new(),
        GracefulRestartMode::Restarter => families.iter().map(|f| (f.family, f.forwarding)).collect(),
    };
    GracefulRestart {
        restarted: gr.restarted,
        notification: gr.notification,
        restart_time: gr.restart_time.min(4095),
        families,
    }
}

/// RFC 9494 §3.1: the stale time has 24 bits.
fn long_lived(families: &[FamilyConfig]) -> Option<Capability> {
    let tuples: Vec<_> = families
        .iter()
        .filter_map(|f| {
            let stale_time = f.long_lived_stale_time?.min(0x00ff_ffff);
            Some(LlgrFamily { family: f.family, forwarding: f.forwarding, stale_time })
        })
        .collect();
    if tuples.is_empty() { None } else { Some(Capability::LongLivedGracefulRestart(tuples)) }
}
