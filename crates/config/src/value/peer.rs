//! Peers, groups of them, and the ranges from which dynamic peers come.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use heddle_bgp_core::{Asn, Family, PeerType, Prefix};

pub use heddle_bgp_core::Role;

use super::address::PeerAddress;
use super::authentication::AoKey;
use super::guard::Guard;
use super::seconds::Seconds;

/// Which AS a peer may be in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerAs {
    /// This one.
    Asn(Asn),
    /// Ours, whatever it is (RFC 4271 §1.1, internal peer).
    Internal,
    /// Any but ours.
    External,
}

impl PeerAs {
    /// iBGP or eBGP, seen from AS `local` (the AS that this peer knows us by).
    #[must_use]
    pub fn peer_type(self, local: Asn) -> PeerType {
        match self {
            Self::Asn(asn) if asn == local => PeerType::Ibgp,
            Self::Internal => PeerType::Ibgp,
            Self::Asn(_) | Self::External => PeerType::Ebgp,
        }
    }

    /// Whether an OPEN with `asn` is acceptable to us, who are AS `local`; if not: Bad Peer AS (RFC 4271 §6.2).
    #[must_use]
    pub fn accepts(self, local: Asn, asn: Asn) -> bool {
        match self {
            Self::Asn(wanted) => wanted == asn,
            Self::Internal => asn == local,
            Self::External => asn != local,
        }
    }

    /// The one AS number that is accepted; none where there are many.
    #[must_use]
    pub const fn expected(self, local: Asn) -> Option<Asn> {
        match self {
            Self::Asn(asn) => Some(asn),
            Self::Internal => Some(local),
            Self::External => None,
        }
    }
}

/// A static peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Its address, which is also its name in the API.
    pub address: PeerAddress,
    /// Its AS.
    pub asn: PeerAs,
    /// For people.
    pub description: Option<String>,
    /// The group from which it took what it does not say itself.
    pub group: Option<String>,
    /// Everything else, complete. Peers whose settings are equal may share them: a large cluster has thousands of them.
    pub settings: Arc<PeerSettings>,
}

impl Peer {
    /// A peer with everything by default.
    #[must_use]
    pub fn new(address: PeerAddress, asn: PeerAs) -> Self {
        Self { address, asn, description: None, group: None, settings: Arc::default() }
    }
}

/// A named set of settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerGroup {
    /// Its name.
    pub name: String,
    /// The AS of its peers, where they share one.
    pub asn: Option<PeerAs>,
    /// What peers take that say nothing else.
    pub settings: PeerSettings,
}

/// Addresses from which peers may connect that are not configured one by one. We never connect to them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenRange {
    /// The addresses.
    pub prefix: Prefix,
    /// The group that says how to treat these peers.
    pub group: String,
    /// The AS of these peers, from the group.
    pub asn: PeerAs,
    /// The most peers at once.
    pub limit: u32,
    /// The group's settings, with the range's own password file.
    pub settings: Arc<PeerSettings>,
}

impl ListenRange {
    /// How many dynamic peers a range takes when it does not say.
    pub const DEFAULT_LIMIT: u32 = 1000;
}

/// A TCP MD5 key (RFC 2385): 1 to 80 octets. Neither `Debug` nor a written configuration shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(Arc<str>);

impl Password {
    /// What stands for a key in what is shown.
    pub const HIDDEN: &'static str = "(hidden)";
    /// Linux: `TCP_MD5SIG_MAXKEYLEN`.
    pub const MAX_LEN: usize = 80;

    /// A key; none when it is empty, longer than [`MAX_LEN`](Self::MAX_LEN) or [`HIDDEN`](Self::HIDDEN).
    #[must_use]
    pub fn new(key: &str) -> Option<Self> {
        let usable = (1..=Self::MAX_LEN).contains(&key.len()) && key != Self::HIDDEN;
        usable.then(|| Self(key.into()))
    }

    /// The key.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Password {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(Self::HIDDEN)
    }
}

/// Everything that is said about a peer beside its address, AS and description.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "independent switches, each with its own key")]
pub struct PeerSettings {
    /// For people: what groups and listen ranges say. None in a static peer, which has its own.
    pub description: Option<String>,
    /// Administratively down: no session is started, a running one ends with Cease 6/2.
    pub shutdown: bool,
    /// What the peer is told then (RFC 9003), at most 255 octets.
    pub shutdown_text: Option<String>,
    /// Why no session may be started though the peer is not shut down: something that it needs is missing. Shown as the
    /// reason wherever the peer is.
    pub blocked: Option<String>,

    /// TCP port that we connect to.
    pub port: u16,
    /// Our address toward this peer; none: the system chooses, and connections to any of ours are taken.
    pub local_address: Option<PeerAddress>,
    /// Wait for the peer to connect.
    pub passive: bool,
    /// File with the TCP MD5 key (RFC 2385). Read when sessions are started, not when the configuration is.
    pub password_file: Option<PathBuf>,
    /// The TCP MD5 key itself.
    pub password: Option<Password>,
    /// Keys of the TCP Authentication Option (RFC 5925), the first one that which we sign with. Of file, key and these at most
    /// one is given.
    pub tcp_ao: Vec<AoKey>,
    /// How many hops away an eBGP peer may be: the TTL that we send with. None: 1 for eBGP, 255 for iBGP.
    pub multihop: Option<u8>,
    /// Accept packets only from at most this many hops away (RFC 5082), and send with TTL 255.
    pub ttl_security: Option<u8>,

    /// Hold Time that we offer: 0 (no keepalives) or from 3 s (RFC 4271 §4.2).
    pub hold_time: Seconds,
    /// Interval of keepalives; none: a third of the negotiated hold time. Never more than that third.
    pub keepalive: Option<Seconds>,
    /// ConnectRetryTime (RFC 4271 §8), before jitter.
    pub connect_retry: Seconds,
    /// Pause after an error, doubled from `min` to `max` (RFC 4271 §8.1.1, DampPeerOscillations).
    pub idle_hold: IdleHold,
    /// How long a send may stall before the session is closed (RFC 9687); none: twice the hold time, at least 480 s
    /// (§4.3); 0: never.
    pub send_hold_time: Option<Seconds>,
    /// How long the peer's OPEN may take once there is a connection (RFC 4271 §8.2.2).
    pub open_hold_time: Seconds,

    /// The families that we offer, each with complete settings.
    pub families: Vec<PeerFamily>,
    /// What a family takes that says nothing else.
    pub family_defaults: FamilySettings,

    /// The peer is our client (RFC 4456 §5).
    pub route_reflector_client: bool,
    /// The AS that the peer knows us by, where it is not the router's.
    pub local_as: Option<LocalAs>,
    /// How many times our own AS may stand in the AS_PATH of a route of this peer.
    pub allow_own_as: u8,
    /// A route of an eBGP peer must begin with its AS (RFC 4271 §6.3).
    pub enforce_first_as: bool,
    /// Treat routes with AS_SET or AS_CONFED_SET as withdrawn (RFC 9774); none: on eBGP only.
    pub reject_as_sets: Option<bool>,
    /// AS 0 in AS_PATH and AGGREGATOR is malformed (RFC 7607); off only where a recording is to be carried as it is.
    pub reject_as_zero: bool,
    /// What is refused of an eBGP peer before its import policy is asked (RFC 7454 §6); none: nothing.
    pub guard: Option<Guard>,
    /// What happens to private ASes in AS_PATHs that we advertise to this peer.
    pub remove_private_as: RemovePrivateAs,
    /// Put our own AS for the peer's in AS_PATHs that we advertise to it.
    pub as_override: bool,
    /// Our role toward this peer (RFC 9234).
    pub role: Option<Role>,
    /// Refuse a session with a peer that tells no role (RFC 9234 §4.2).
    pub strict_role: bool,
    /// Send and accept AIGP (RFC 7311).
    pub aigp: bool,

    /// Offer messages up to 65535 octets (RFC 8654).
    pub extended_messages: bool,
    /// Use the extended form of the optional parameters even where it is not needed (RFC 9072 §2).
    pub force_extended_open: bool,
    /// Offer 4-octet AS numbers (RFC 6793). Turning this off is for tests only.
    pub four_octet_as: bool,
    /// Graceful restart with this peer (RFC 4724).
    pub graceful_restart: GracefulRestartMode,
    /// Restart Time that we advertise to this peer, 0 to 4095 s; none: the router's.
    pub restart_time: Option<Seconds>,
    /// Long-lived graceful restart with this peer (RFC 9494).
    pub long_lived: bool,
}

impl PeerSettings {
    /// Hold Time where none is given (RFC 4271 §10).
    pub const DEFAULT_HOLD_TIME: Seconds = Seconds(90);

    /// ConnectRetryTime where none is given (RFC 4271 §10).
    pub const DEFAULT_CONNECT_RETRY: Seconds = Seconds(120);
    /// `open_hold_time` where nothing is said: RFC 4271 §8.2.2 suggests four minutes.
    pub const DEFAULT_OPEN_HOLD_TIME: Seconds = Seconds(240);

    /// The settings of one family.
    #[must_use]
    pub fn family(&self, family: Family) -> Option<&FamilySettings> {
        self.families.iter().find(|f| f.family == family).map(|f| &f.settings)
    }

    /// The send hold time in effect: RFC 9687 §4.3 recommends twice the hold time, at least 8 minutes; none: off.
    #[must_use]
    pub fn effective_send_hold_time(&self) -> Option<Seconds> {
        match self.send_hold_time {
            Some(Seconds(0)) => None,
            Some(s) => Some(s),
            None => Some(Seconds(self.hold_time.0.saturating_mul(2).max(480))),
        }
    }
}

impl Default for PeerSettings {
    fn default() -> Self {
        let family_defaults = FamilySettings::default();
        Self {
            description: None,
            shutdown: false,
            shutdown_text: None,
            blocked: None,
            port: 179,
            local_address: None,
            passive: false,
            password_file: None,
            password: None,
            tcp_ao: Vec::new(),
            multihop: None,
            ttl_security: None,
            hold_time: Self::DEFAULT_HOLD_TIME,
            keepalive: None,
            connect_retry: Self::DEFAULT_CONNECT_RETRY,
            idle_hold: IdleHold::default(),
            send_hold_time: None,
            open_hold_time: Self::DEFAULT_OPEN_HOLD_TIME,
            families: vec![PeerFamily { family: Family::IPV4_UNICAST, settings: family_defaults.clone() }],
            family_defaults,
            route_reflector_client: false,
            local_as: None,
            allow_own_as: 0,
            enforce_first_as: true,
            reject_as_sets: None,
            reject_as_zero: true,
            guard: None,
            remove_private_as: RemovePrivateAs::Off,
            as_override: false,
            role: None,
            strict_role: false,
            aigp: false,
            extended_messages: true,
            force_extended_open: false,
            four_octet_as: true,
            graceful_restart: GracefulRestartMode::On,
            restart_time: None,
            long_lived: false,
        }
    }
}

/// One family of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerFamily {
    /// The family.
    pub family: Family,
    /// Its settings, complete.
    pub settings: FamilySettings,
}

/// What can be said of each family of a peer separately.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FamilySettings {
    /// Names of the import policies, asked in this order. Empty: accept all of an iBGP peer, nothing of an eBGP peer
    /// (RFC 8212 §2).
    pub import_policy: Vec<String>,
    /// Names of the export policies, asked in this order. Empty: as above.
    pub export_policy: Vec<String>,
    /// Additional paths (RFC 7911).
    pub add_path: AddPath,
    /// The next hop that we advertise.
    pub next_hop: NextHopMode,
    /// IPv4 routes with IPv6 next hops (RFC 8950). Means something for IPv4 families only.
    pub extended_next_hop: bool,
    /// The most prefixes that the peer may send.
    pub prefix_limit: Option<PrefixLimit>,
    /// The most prefixes that we send to the peer.
    pub prefix_limit_out: Option<PrefixLimit>,
    /// Advertise a default route to this peer, whether we have one or not.
    pub default_originate: bool,
}

/// Additional paths of one family (RFC 7911).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct AddPath {
    /// Offer to receive several paths of a prefix.
    pub receive: bool,
    /// Offer to send several paths of a prefix.
    pub send: AddPathSend,
}

/// How many paths of a prefix are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AddPathSend {
    /// The best one, without a Path Identifier.
    #[default]
    Off,
    /// All.
    All,
    /// The best so many.
    Best(u16),
}

/// NEXT_HOP of routes that we advertise (RFC 4271 §5.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum NextHopMode {
    /// As the RFC says: our address toward eBGP peers that do not share the next hop's subnet, unchanged toward iBGP
    /// peers.
    #[default]
    Auto,
    /// Our address on this session, except for reflected routes.
    SelfAddress,
    /// As received.
    Unchanged,
}

/// A limit on prefixes of one family in one direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixLimit {
    /// The most prefixes that are allowed.
    pub max: u32,
    /// Warn from this share of `max` on, in percent, 1 to 100.
    pub warning_percent: u8,
    /// What happens beyond `max`.
    pub action: LimitAction,
}

impl PrefixLimit {
    /// Warn from here on when the configuration does not say.
    pub const DEFAULT_WARNING_PERCENT: u8 = 75;
    /// A pause before the next attempt when the configuration does not say.
    pub const DEFAULT_RESTART_AFTER: Seconds = Seconds(300);

    /// The count from which a warning is due.
    #[must_use]
    pub fn warning_at(&self) -> u32 {
        let count = u64::from(self.max) * u64::from(self.warning_percent) / 100;
        u32::try_from(count).unwrap_or(self.max)
    }
}

/// What happens beyond a prefix limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LimitAction {
    /// A warning, nothing else.
    Warn,
    /// The session ends with Cease 6/1 (RFC 4486 §4) and may start again after this time.
    Restart(Seconds),
    /// The session ends with Cease 6/1 and stays down until somebody clears it.
    Down,
}

/// The AS that a peer knows us by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LocalAs {
    /// The AS number in our OPEN.
    pub asn: Asn,
    /// Do not prepend it to routes received from the peer.
    pub no_prepend: bool,
    /// Prepend only it, not the router's AS as well, to routes that we advertise.
    pub replace_as: bool,
}

/// Private ASes (RFC 6996) in AS_PATHs that we advertise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum RemovePrivateAs {
    /// They stay.
    #[default]
    Off,
    /// They are removed when the path has no others.
    Only,
    /// All are removed.
    All,
    /// All are replaced by our AS.
    Replace,
}

/// Graceful restart with one peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum GracefulRestartMode {
    /// Not offered.
    Off,
    /// We keep the peer's routes while it restarts, and do not ask for the same.
    Helper,
    /// Both.
    #[default]
    On,
}

/// Bounds of the pause after an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IdleHold {
    /// The first pause.
    pub min: Seconds,
    /// The longest pause.
    pub max: Seconds,
}

impl Default for IdleHold {
    fn default() -> Self {
        Self { min: Seconds(1), max: Seconds(3600) }
    }
}

impl FamilySettings {
    /// Whether `ip` could be a next hop of routes of `family` with these settings.
    #[must_use]
    pub fn takes_next_hop(&self, family: Family, ip: IpAddr) -> bool {
        match ip {
            IpAddr::V4(_) => family == Family::IPV4_UNICAST,
            IpAddr::V6(_) => family == Family::IPV6_UNICAST || self.extended_next_hop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A large cluster has thousands of them: what they have in common is shared.
    #[test]
    fn a_peer_is_small_beside_its_settings() {
        assert!(size_of::<Peer>() <= 112 && size_of::<PeerSettings>() > 3 * size_of::<Peer>());
    }
}
