//! What the state machine has to know about a peer.
//!
//! All of it can be replaced while a session runs ([`Peer::set_config`](crate::Peer::set_config)): timers act at once,
//! what is in the OPEN acts with the next session.

use std::time::Duration;

use heddle_bgp_core::capability::{AddPathMode, ForwardingState};
use heddle_bgp_core::open::OptionalParameters;
use heddle_bgp_core::{Asn, BgpId, Family, Role};

/// The configuration of one peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerConfig {
    /// Our AS toward this peer.
    pub local_asn: Asn,
    /// Our BGP Identifier; not zero.
    pub local_id: BgpId,
    /// Which AS the peer may be in.
    pub peer_asn: PeerAsn,
    /// Whether we open connections.
    pub mode: ConnectMode,
    /// Hold time that we propose, in seconds: 0 (timers off), or at least 3.
    pub hold_time: u16,
    /// Interval of KEEPALIVEs, where it is to be shorter than a third of the negotiated hold time (RFC 4271 §4.4).
    pub keepalive: Option<Duration>,
    /// The smallest hold time in seconds that we accept from the peer; 0 accepts all that RFC 4271 §4.2 allows, and
    /// any other value also refuses a peer without hold timer.
    pub minimum_hold_time: u16,
    /// How long we wait for the peer's OPEN (RFC 4271 §8.2.2 suggests 4 minutes).
    pub open_hold_time: Duration,
    /// The longest time between two attempts to connect, and what one may take (RFC 4271 §8, ConnectRetryTime).
    pub connect_retry: Duration,
    /// The time after the first failed attempt, at least 100 ms; doubles up to `connect_retry`.
    pub connect_retry_initial: Duration,
    /// How long to wait for the peer's OPEN before we send ours (RFC 4271 §8.1.1, DelayOpen).
    pub delay_open: Option<Duration>,
    /// Damping of a session that comes and goes.
    pub idle_hold: IdleHold,
    /// When a peer that takes nothing is given up (RFC 9687).
    pub send_hold: SendHold,
    /// The families that we advertise, in this order.
    pub families: Vec<FamilyConfig>,
    /// Advertise route refresh (RFC 2918).
    pub route_refresh: bool,
    /// Advertise enhanced route refresh (RFC 7313).
    pub enhanced_route_refresh: bool,
    /// Advertise extended messages (RFC 8654).
    pub extended_message: bool,
    /// Advertise 4-octet AS numbers (RFC 6793). Off only for tests and for peers that choke on it.
    pub four_octet_as: bool,
    /// Advertise graceful restart (RFC 4724).
    pub graceful_restart: Option<GracefulRestartConfig>,
    /// Our role toward the peer (RFC 9234).
    pub role: Option<RoleConfig>,
    /// The host name that we advertise.
    pub host_name: Option<HostName>,
    /// How the optional parameters of our OPEN are encoded (RFC 9072).
    pub open_form: OptionalParameters,
    /// Whether a second connection may take over from an established session by RFC 4271 §6.8.
    pub collision_detect_established: bool,
}

/// Which AS a peer may be in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerAsn {
    /// Exactly this one.
    Exactly(Asn),
    /// One of these.
    OneOf(Vec<Asn>),
    /// Ours.
    Internal,
    /// Any but ours.
    External,
    /// Any.
    Any,
}

impl PeerAsn {
    /// Whether a peer in `asn` is expected by a speaker in `local`.
    #[must_use]
    pub fn accepts(&self, asn: Asn, local: Asn) -> bool {
        match self {
            Self::Exactly(a) => *a == asn,
            Self::OneOf(set) => set.contains(&asn),
            Self::Internal => asn == local,
            Self::External => asn != local,
            Self::Any => true,
        }
    }
}

/// Whether we open connections to a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ConnectMode {
    /// Yes; the peer may too.
    Active,
    /// No: we wait for the peer (RFC 4271 §8.1.1, PassiveTcpEstablishment).
    Passive,
    /// Once, when the peer is started; then we wait for it. For a speaker that has restarted: the peer, who would open
    /// the connection, does not know yet that we are back.
    Once,
}

/// Damping of a session that comes and goes (RFC 4271 §8.1.1, DampPeerOscillations and IdleHoldTime).
///
/// *Errors* (somebody broke the protocol: a NOTIFICATION that is not a Cease, either way) hold the peer in Idle, where
/// its connections are refused, passive or not: for `min`, beyond the tolerated number for `damped`, doubling to `max`.
/// *Losses* (TCP ended, the hold timer ran out, the peer sent a Cease) only delay our own attempts, from `min` doubling
/// to `damped`; beyond `tolerated_losses` of established sessions they hold in Idle too. The counts outlive the next
/// session; only one that lasts `stable_after`, a start by the operator, or a configuration that changes what is
/// negotiated ends them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleHold {
    /// The shortest delay before a new attempt.
    pub min: Duration,
    /// Errors that cost only `min`.
    pub tolerated_errors: u32,
    /// Losses in a row before they count as oscillation.
    pub tolerated_losses: u32,
    /// The first hold beyond the tolerated errors.
    pub damped: Duration,
    /// The longest hold after errors of established sessions.
    pub max: Duration,
    /// The longest hold after errors before the session was established: a configuration that does not fit, and that
    /// somebody may be correcting on the other side.
    pub max_before_established: Duration,
    /// A session that was up so long counts as stable.
    pub stable_after: Duration,
}

impl Default for IdleHold {
    fn default() -> Self {
        Self {
            min: Duration::from_secs(1),
            tolerated_errors: 2,
            tolerated_losses: 5,
            damped: Duration::from_secs(30),
            max: Duration::from_secs(3600),
            max_before_established: Duration::from_secs(120),
            stable_after: Duration::from_secs(600),
        }
    }
}

/// When a peer that takes nothing of what we write is given up (RFC 9687 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendHold {
    /// After 8 minutes, or twice the negotiated hold time where that is longer.
    Auto,
    /// After this time.
    After(Duration),
    /// Never.
    Off,
}

/// One family that we advertise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyConfig {
    /// The family.
    pub family: Family,
    /// Which directions of ADD-PATH we advertise (RFC 7911).
    pub add_path: Option<AddPathMode>,
    /// Advertise IPv6 next hops for this IPv4 family (RFC 8950).
    pub extended_next_hop: bool,
    /// Advertise long-lived graceful restart with this stale time in seconds (RFC 9494); needs graceful restart.
    pub long_lived_stale_time: Option<u32>,
    /// F: whether we forward as before (RFC 4724 §3, RFC 9494 §3.1).
    pub forwarding: ForwardingState,
    /// Whether a peer that does not have the family is refused (RFC 5492 §5).
    pub required: bool,
}

impl FamilyConfig {
    /// The family with nothing besides.
    #[must_use]
    pub const fn new(family: Family) -> Self {
        Self {
            family,
            add_path: None,
            extended_next_hop: false,
            long_lived_stale_time: None,
            forwarding: ForwardingState::Lost,
            required: false,
        }
    }
}

/// Graceful restart that we advertise (RFC 4724 §3, RFC 8538 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GracefulRestartConfig {
    /// Whether we can restart gracefully, or only help others to.
    pub mode: GracefulRestartMode,
    /// Seconds until we should be back, at most 4095.
    pub restart_time: u16,
    /// R: we have restarted.
    pub restarted: bool,
    /// N: a NOTIFICATION does not end graceful restart (RFC 8538).
    pub notification: bool,
}

/// What we can do in graceful restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GracefulRestartMode {
    /// Help a peer that restarts: the capability without families.
    Helper,
    /// Restart ourselves too: the capability with all our families.
    Restarter,
}

/// Our role (RFC 9234 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RoleConfig {
    /// The role that we have toward the peer.
    pub role: Role,
    /// Whether a peer without a role is refused (RFC 9234 §4.2, strict mode).
    pub strict: bool,
}

/// Host and domain name that we advertise (draft-walton-bgp-hostname-capability).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostName {
    /// Host name.
    pub host: String,
    /// Domain name; may be empty.
    pub domain: String,
}

impl PeerConfig {
    /// Whether a session under this configuration is negotiated otherwise than under `other`: another OPEN, or another
    /// judgement of the peer's.
    #[must_use]
    pub fn negotiates_otherwise(&self, other: &Self) -> bool {
        let required = |c: &Self| -> Vec<Family> {
            let mut families: Vec<_> = c.families.iter().filter(|f| f.required).map(|f| f.family).collect();
            families.sort_unstable();
            families
        };
        crate::open::build(self) != crate::open::build(other)
            || self.open_form != other.open_form
            || self.peer_asn != other.peer_asn
            || self.role != other.role
            || self.minimum_hold_time != other.minimum_hold_time
            || required(self) != required(other)
    }

    /// A peer with the defaults: IPv4 unicast, hold time 90 s, all harmless capabilities on.
    #[must_use]
    pub fn new(local_asn: Asn, local_id: BgpId, peer_asn: PeerAsn) -> Self {
        Self {
            local_asn,
            local_id,
            peer_asn,
            mode: ConnectMode::Active,
            hold_time: 90,
            keepalive: None,
            minimum_hold_time: 0,
            open_hold_time: Duration::from_secs(240),
            connect_retry: Duration::from_secs(120),
            connect_retry_initial: Duration::from_millis(100),
            delay_open: None,
            idle_hold: IdleHold::default(),
            send_hold: SendHold::Auto,
            families: vec![FamilyConfig::new(Family::IPV4_UNICAST)],
            route_refresh: true,
            enhanced_route_refresh: true,
            extended_message: true,
            four_octet_as: true,
            graceful_restart: Some(GracefulRestartConfig {
                mode: GracefulRestartMode::Helper,
                restart_time: 120,
                restarted: false,
                notification: true,
            }),
            role: None,
            host_name: None,
            open_form: OptionalParameters::WhereNeeded,
            collision_detect_established: false,
        }
    }
}
