//! A peer's configuration as its state machine and its decoder take it.

use std::net::IpAddr;

use heddle_bgp_core::capability::AddPathMode;
use heddle_bgp_core::open::OptionalParameters;
use heddle_bgp_core::update::{AigpSession, AsSets, AsZero, DecodeOptions};
use heddle_bgp_core::{Asn, Negotiated, PeerType};
use heddle_bgp_fsm::{
    ConnectMode, FamilyConfig, GracefulRestartConfig, GracefulRestartMode, HostName, IdleHold, PeerAsn, PeerConfig,
    RoleConfig, SendHold,
};
use heddle_config::{AddPathSend, PeerAs, PeerSettings, Router, Seconds};

use crate::restart::HeldRoutes;
use crate::restart_marker::Start;

/// Our AS toward a peer.
#[must_use]
pub(crate) fn local_asn(router: &Router, settings: &PeerSettings) -> Asn {
    settings.local_as.map_or(router.asn, |l| l.asn)
}

/// What the state machine has to know.
#[must_use]
pub(crate) fn fsm_config(
    router: &Router,
    asn: PeerAs,
    settings: &PeerSettings,
    start: Start,
    kernel: &HeldRoutes,
) -> PeerConfig {
    let mut c = PeerConfig::new(local_asn(router, settings), router.router_id, peer_asn(asn));
    c.mode = match (settings.passive, start) {
        (false, _) => ConnectMode::Active,
        (true, Start::Fresh) => ConnectMode::Passive,
        // The peer waits before it tries again; a restarted speaker should be back as soon as it can.
        (true, Start::Restart) => ConnectMode::Once,
    };
    c.hold_time = seconds_u16(settings.hold_time);
    c.keepalive = settings.keepalive.map(Seconds::duration);
    c.connect_retry = settings.connect_retry.duration();
    c.connect_retry_initial = c.connect_retry.min(c.connect_retry_initial);
    c.idle_hold = IdleHold {
        min: settings.idle_hold.min.duration(),
        max: settings.idle_hold.max.duration(),
        damped: settings.idle_hold.max.duration().min(IdleHold::default().damped),
        ..IdleHold::default()
    };
    c.open_hold_time = settings.open_hold_time.duration();
    c.send_hold = match settings.send_hold_time {
        None => SendHold::Auto,
        Some(Seconds(0)) => SendHold::Off,
        Some(s) => SendHold::After(s.duration()),
    };
    c.families = settings.families.iter().map(|f| family(router, settings, f, kernel)).collect();
    c.extended_message = settings.extended_messages;
    c.four_octet_as = settings.four_octet_as;
    c.graceful_restart = graceful_restart(router, settings, start);
    c.role = settings.role.map(|role| RoleConfig { role, strict: settings.strict_role });
    c.host_name = router.hostname.clone().map(|host| HostName { host, domain: String::new() });
    c.open_form =
        if settings.force_extended_open { OptionalParameters::AlwaysExtended } else { OptionalParameters::WhereNeeded };
    c
}

fn peer_asn(asn: PeerAs) -> PeerAsn {
    match asn {
        PeerAs::Asn(a) => PeerAsn::Exactly(a),
        PeerAs::Internal => PeerAsn::Internal,
        PeerAs::External => PeerAsn::External,
    }
}

fn family(
    router: &Router,
    settings: &PeerSettings,
    f: &heddle_config::PeerFamily,
    kernel: &HeldRoutes,
) -> FamilyConfig {
    let add_path = match (f.settings.add_path.receive, f.settings.add_path.send) {
        (false, AddPathSend::Off) => None,
        (true, AddPathSend::Off) => Some(AddPathMode::Receive),
        (false, AddPathSend::All | AddPathSend::Best(_)) => Some(AddPathMode::Send),
        (true, AddPathSend::All | AddPathSend::Best(_)) => Some(AddPathMode::Both),
    };
    FamilyConfig {
        family: f.family,
        add_path,
        extended_next_hop: f.settings.extended_next_hop,
        long_lived_stale_time: settings.long_lived.then_some(router.long_lived.stale_time.0),
        forwarding: kernel.state(f.family),
        required: false,
    }
}

/// R = 1 only after a restart.
fn graceful_restart(router: &Router, settings: &PeerSettings, start: Start) -> Option<GracefulRestartConfig> {
    let mode = match settings.graceful_restart {
        heddle_config::GracefulRestartMode::Off => return None,
        heddle_config::GracefulRestartMode::Helper => GracefulRestartMode::Helper,
        heddle_config::GracefulRestartMode::On => GracefulRestartMode::Restarter,
    };
    Some(GracefulRestartConfig {
        mode,
        restart_time: seconds_u16(settings.restart_time.unwrap_or(router.graceful_restart.restart_time)),
        restarted: start == Start::Restart,
        notification: router.graceful_restart.notification,
    })
}

fn seconds_u16(s: Seconds) -> u16 {
    u16::try_from(s.0).unwrap_or(u16::MAX)
}

/// What decoding has to know beside what was negotiated.
#[must_use]
pub(crate) fn decode_options(
    settings: &PeerSettings,
    negotiated: &Negotiated,
    local_addrs: &[IpAddr],
) -> DecodeOptions {
    let external = negotiated.peer_type == PeerType::Ebgp;
    DecodeOptions {
        enforce_first_as: (external && settings.enforce_first_as).then_some(negotiated.peer_asn),
        as_zero: if settings.reject_as_zero { AsZero::Reject } else { AsZero::Accept },
        as_sets: settings.reject_as_sets.map(|r| if r { AsSets::TreatAsWithdraw } else { AsSets::Accept }),
        local_role: settings.role,
        aigp: Some(if settings.aigp || !external { AigpSession::Enabled } else { AigpSession::Disabled }),
        local_addrs: local_addrs.iter().copied().collect(),
        ..DecodeOptions::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where nothing is configured, a peer is damped by the numbers that the state machine's tests are about: from the third
    /// error on at most one session in 30 s, doubling to an hour.
    #[test]
    fn the_defaults_damp_as_the_state_machine_does_by_itself() {
        let router = Router::new(Asn(65001), heddle_bgp_core::BgpId(1));
        let settings = PeerSettings::default();
        let held = HeldRoutes::of(&[]);
        let config = fsm_config(&router, PeerAs::External, &settings, Start::Fresh, &held);
        assert_eq!(config.idle_hold, IdleHold::default());
        assert_eq!(config.open_hold_time.as_secs(), 240);
        let settings = PeerSettings { open_hold_time: Seconds(7), ..PeerSettings::default() };
        let config = fsm_config(&router, PeerAs::External, &settings, Start::Fresh, &held);
        assert_eq!(config.open_hold_time.as_secs(), 7);
    }
}
