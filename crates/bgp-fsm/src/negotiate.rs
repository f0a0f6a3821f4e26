//! What two OPENs agree on, or why not (RFC 4271 §6.2, RFC 5492, RFC 6286, RFC 9234).

use heddle_bgp_core::capability::{AddPathMode, Capability, ForwardingState, GracefulRestart};
use heddle_bgp_core::message::{MAX_EXTENDED_LEN, MAX_LEN};
use heddle_bgp_core::negotiated::{NegotiatedFamily, PeerGracefulRestart};
use heddle_bgp_core::open::AdvertisedRole;
use heddle_bgp_core::{Afi, AsWidth, Asn, BgpId, Family, Negotiated, Notification, Open, PeerType, Role};
use thiserror::Error;

use crate::config::PeerConfig;

/// Why an OPEN that decodes is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum OpenRejected {
    /// RFC 4271 §6.2: NOTIFICATION 2/2.
    #[error("the peer is in AS {0}, which is not the AS that is configured for it")]
    PeerAs(Asn),
    /// RFC 6286 §2.1: NOTIFICATION 2/3.
    #[error("the peer's BGP Identifier {0} is zero, or is ours and the peer is in our AS: give each router its own")]
    BgpIdentifier(BgpId),
    /// RFC 4271 §6.2: NOTIFICATION 2/6.
    #[error("the peer proposes a hold time of {0} s, which is less than the minimum that is configured for it")]
    HoldTime(u16),
    /// RFC 5492 §5: NOTIFICATION 2/7.
    #[error("the peer lacks families that are required of it: {}", names(.0))]
    MissingFamilies(Vec<Family>),
    /// RFC 9234 §4.2: NOTIFICATION 2/11.
    #[error("our role {ours:?} does not fit the peer's: {theirs:?}")]
    Role {
        /// Ours.
        ours: Role,
        /// What the peer advertised.
        theirs: AdvertisedRole,
    },
}

fn names(families: &[Family]) -> String {
    families.iter().map(Family::to_string).collect::<Vec<_>>().join(", ")
}

impl OpenRejected {
    /// What goes on the wire for it.
    #[must_use]
    pub fn notification(&self) -> Notification {
        match self {
            Self::PeerAs(_) => Notification::bad_peer_as(),
            Self::BgpIdentifier(_) => Notification::bad_bgp_id(),
            Self::HoldTime(t) => Notification::unacceptable_hold_time(*t),
            // RFC 5492 §5: the data lists the capabilities that are missed.
            Self::MissingFamilies(families) => {
                let missing: Vec<_> = families.iter().map(|f| Capability::MultiProtocol(*f)).collect();
                Notification::unsupported_capability(&missing)
            }
            Self::Role { .. } => Notification::role_mismatch(),
        }
    }
}

/// What `sent` (ours) and `received` (the peer's) agree on. `config` says what we accept; what we can do is in `sent`,
/// so that a configuration that changed meanwhile does not promise what was not said.
///
/// # Errors
/// The peer's OPEN is not acceptable; the first fault of AS, identifier, hold time, role, families.
pub fn negotiate(config: &PeerConfig, sent: &Open, received: &Open) -> Result<Negotiated, OpenRejected> {
    // RFC 4271 §6.2.
    if !config.peer_asn.accepts(received.asn, sent.asn) {
        return Err(OpenRejected::PeerAs(received.asn));
    }
    let peer_type = if received.asn == sent.asn { PeerType::Ibgp } else { PeerType::Ebgp };
    // RFC 6286 §2.1: not zero, and unique within an AS; two AS may use the same.
    if received.bgp_id == BgpId(0) || (peer_type == PeerType::Ibgp && received.bgp_id == sent.bgp_id) {
        return Err(OpenRejected::BgpIdentifier(received.bgp_id));
    }
    // RFC 4271 §4.2, §6.2: one and two seconds are refused always; other minimums are the operator's.
    if matches!(received.hold_time, 1 | 2) || received.hold_time < config.minimum_hold_time {
        return Err(OpenRejected::HoldTime(received.hold_time));
    }
    check_role(config, sent, received, peer_type)?;
    let families = families(sent, received);
    check_families(config, &families)?;
    let has = |c: &Capability| sent.capabilities.contains(c) && received.capabilities.contains(c);
    Ok(Negotiated {
        local_asn: sent.asn,
        peer_asn: received.asn,
        local_id: sent.bgp_id,
        peer_id: received.bgp_id,
        peer_type,
        // RFC 4271 §4.2: the smaller of both.
        hold_time: sent.hold_time.min(received.hold_time),
        as_width: if speaks_four_octets(sent) && speaks_four_octets(received) { AsWidth::Four } else { AsWidth::Two },
        // RFC 8654 §4: only to a peer that advertised it, and where it may be so by our configuration; but who advertises
        // it takes such messages, and the error is that of a listener who did not.
        max_message_len: max_len(has(&Capability::ExtendedMessage)),
        max_receive_len: max_len(sent.capabilities.contains(&Capability::ExtendedMessage)),
        families,
        // RFC 2918 §3: who advertised it takes requests; we may ask whatever we advertise ourselves.
        route_refresh: received.capabilities.contains(&Capability::RouteRefresh),
        enhanced_route_refresh: has(&Capability::EnhancedRouteRefresh),
        graceful_restart: peer_graceful_restart(sent, received),
        peer_role: match received.role() {
            AdvertisedRole::Known(role) => Some(role),
            AdvertisedRole::Absent | AdvertisedRole::Unassigned(_) => None,
        },
        peer_host_name: host_name(received),
    })
}

/// RFC 9234 §4.2. Roles are for eBGP; on iBGP they are ignored (§4.1).
fn check_role(config: &PeerConfig, sent: &Open, received: &Open, peer_type: PeerType) -> Result<(), OpenRejected> {
    let ours = match (sent.role(), peer_type) {
        (AdvertisedRole::Known(ours), PeerType::Ebgp) => ours,
        (AdvertisedRole::Known(_), PeerType::Ibgp) | (AdvertisedRole::Absent | AdvertisedRole::Unassigned(_), _) => {
            return Ok(());
        }
    };
    let theirs = received.role();
    let fits = match theirs {
        AdvertisedRole::Known(theirs) => roles_fit(ours, theirs),
        AdvertisedRole::Absent => !config.role.is_some_and(|r| r.strict),
        AdvertisedRole::Unassigned(_) => false,
    };
    if fits { Ok(()) } else { Err(OpenRejected::Role { ours, theirs }) }
}

/// The pairs of RFC 9234 §4.2, table 2.
const fn roles_fit(ours: Role, theirs: Role) -> bool {
    match ours {
        Role::Provider => matches!(theirs, Role::Customer),
        Role::Customer => matches!(theirs, Role::Provider),
        Role::RouteServer => matches!(theirs, Role::RouteServerClient),
        Role::RouteServerClient => matches!(theirs, Role::RouteServer),
        Role::Peer => matches!(theirs, Role::Peer),
    }
}

fn check_families(config: &PeerConfig, negotiated: &[NegotiatedFamily]) -> Result<(), OpenRejected> {
    let missing: Vec<_> = config
        .families
        .iter()
        .filter(|f| f.required && negotiated.iter().all(|n| n.family != f.family))
        .map(|f| f.family)
        .collect();
    if missing.is_empty() { Ok(()) } else { Err(OpenRejected::MissingFamilies(missing)) }
}

const fn max_len(extended: bool) -> usize {
    if extended { MAX_EXTENDED_LEN } else { MAX_LEN }
}

fn speaks_four_octets(open: &Open) -> bool {
    open.capabilities.iter().any(|c| matches!(c, Capability::FourOctetAs(_)))
}

/// The families of an OPEN. One that names none speaks plain RFC 4271, which is IPv4 unicast (RFC 4760 §8).
fn advertised(open: &Open) -> Vec<Family> {
    let mut families = Vec::new();
    for c in &open.capabilities {
        if let Capability::MultiProtocol(f) = c
            && !families.contains(f)
        {
            families.push(*f);
        }
    }
    if families.is_empty() {
        families.push(Family::IPV4_UNICAST);
    }
    families
}

fn families(sent: &Open, received: &Open) -> Vec<NegotiatedFamily> {
    let theirs = advertised(received);
    advertised(sent)
        .into_iter()
        .filter(|f| theirs.contains(f))
        .map(|family| NegotiatedFamily {
            family,
            add_path: add_path(sent, received, family),
            extended_next_hop: extended_next_hop(sent, family) && extended_next_hop(received, family),
            graceful_restart: restart_family(sent, received, family),
            long_lived: long_lived(sent, received, family),
        })
        .collect()
}

/// RFC 7911 §4: we send what they receive, and receive what they send.
fn add_path(sent: &Open, received: &Open, family: Family) -> Option<AddPathMode> {
    let (ours, theirs) = (add_path_mode(sent, family)?, add_path_mode(received, family)?);
    let sends = |m| matches!(m, AddPathMode::Send | AddPathMode::Both);
    let receives = |m| matches!(m, AddPathMode::Receive | AddPathMode::Both);
    match (sends(ours) && receives(theirs), receives(ours) && sends(theirs)) {
        (true, true) => Some(AddPathMode::Both),
        (true, false) => Some(AddPathMode::Send),
        (false, true) => Some(AddPathMode::Receive),
        (false, false) => None,
    }
}

fn add_path_mode(open: &Open, family: Family) -> Option<AddPathMode> {
    open.capabilities.iter().find_map(|c| {
        let Capability::AddPath(tuples) = c else { return None };
        tuples.iter().find(|(f, _)| *f == family).map(|(_, mode)| *mode)
    })
}

/// RFC 8950 §4.
fn extended_next_hop(open: &Open, family: Family) -> bool {
    open.capabilities
        .iter()
        .any(|c| matches!(c, Capability::ExtendedNextHop(tuples) if tuples.contains(&(family, Afi::IPV6.0))))
}

fn graceful_restart(open: &Open) -> Option<&GracefulRestart> {
    open.capabilities.iter().find_map(|c| if let Capability::GracefulRestart(gr) = c { Some(gr) } else { None })
}

/// RFC 4724 §3, RFC 8538 §2: N counts when both sides set it.
fn peer_graceful_restart(sent: &Open, received: &Open) -> Option<PeerGracefulRestart> {
    let (ours, theirs) = (graceful_restart(sent)?, graceful_restart(received)?);
    Some(PeerGracefulRestart {
        restarted: theirs.restarted,
        notification: ours.notification && theirs.notification,
        restart_time: theirs.restart_time,
    })
}

/// RFC 4724 §3, §4.2: the peer's list says whose routes we keep; that we advertised the capability, with families or
/// without, says that we do.
fn restart_family(sent: &Open, received: &Open, family: Family) -> Option<ForwardingState> {
    graceful_restart(sent)?;
    let theirs = graceful_restart(received)?;
    theirs.families.iter().find(|(f, _)| *f == family).map(|(_, forwarding)| *forwarding)
}

/// RFC 9494 §3.1, §4.1: only together with graceful restart, and where both sides advertised the family.
fn long_lived(sent: &Open, received: &Open, family: Family) -> Option<(u32, ForwardingState)> {
    graceful_restart(sent)?;
    graceful_restart(received)?;
    let tuple = |open: &Open| {
        open.capabilities.iter().find_map(|c| {
            let Capability::LongLivedGracefulRestart(tuples) = c else { return None };
            tuples.iter().find(|t| t.family == family).copied()
        })
    };
    tuple(sent)?;
    tuple(received).map(|t| (t.stale_time, t.forwarding))
}

fn host_name(open: &Open) -> Option<String> {
    open.capabilities.iter().find_map(
        |c| {
            if let Capability::HostName { host, .. } = c { Some(host.clone()) } else { None }
        },
    )
}

#[cfg(test)]
mod tests;
