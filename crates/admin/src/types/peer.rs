//! Peers: list, detail, and what can be done to one.

use std::borrow::Cow;
use std::fmt;
use std::net::Ipv4Addr;

use serde::{Deserialize, Serialize};

use super::{Family, PeerAddress, WallTime};

/// State of the session with a peer (RFC 4271 §8.2.2); the furthest one where two connections exist.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerState {
    /// Nothing is tried at the moment: shut down, held after an error, or without what it needs.
    #[default]
    Idle,
    /// A TCP connection is being made.
    Connect,
    /// Waiting for the peer to connect, or for the next try.
    Active,
    /// OPEN sent.
    OpenSent,
    /// OPEN received, waiting for KEEPALIVE.
    OpenConfirm,
    /// Routes are exchanged.
    Established,
}

impl PeerState {
    /// All, in the order of the RFC.
    pub const ALL: [Self; 6] =
        [Self::Idle, Self::Connect, Self::Active, Self::OpenSent, Self::OpenConfirm, Self::Established];
    /// The name in the RFC's spelling.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Idle => "Idle",
            Self::Connect => "Connect",
            Self::Active => "Active",
            Self::OpenSent => "OpenSent",
            Self::OpenConfirm => "OpenConfirm",
            Self::Established => "Established",
        }
    }
}

impl fmt::Display for PeerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether a peer is in our AS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PeerType {
    /// The same AS.
    Ibgp,
    /// Another AS.
    Ebgp,
}

/// What operator and configuration want of a peer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdminState {
    /// A session is wanted.
    #[default]
    Up,
    /// None is wanted.
    Down,
    /// A session is wanted, and our routes in it carry GRACEFUL_SHUTDOWN (RFC 8326).
    Draining,
}

/// `GET /v1/peers/{address}`: all about one peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// Its address.
    pub address: PeerAddress,
    /// What the operator calls it.
    pub description: Option<String>,
    /// Its peer group.
    pub group: Option<String>,
    /// Its AS: the configured one, or of a dynamic peer the one in its OPEN; none as long as neither is known.
    pub asn: Option<u32>,
    /// Our AS toward it.
    pub local_asn: u32,
    /// iBGP or eBGP; none as long as its AS is not known.
    pub peer_type: Option<PeerType>,
    /// It came by a listen range and goes with its session.
    #[serde(default)]
    pub dynamic: bool,
    /// It is our route reflector client (RFC 4456).
    #[serde(default)]
    pub route_reflector_client: bool,
    /// State of the session.
    pub state: PeerState,
    /// What is wanted.
    #[serde(default)]
    pub admin_state: AdminState,
    /// Since when the state is so.
    pub state_since: WallTime,
    /// Seconds in this state.
    pub state_seconds: u64,
    /// Seconds in Established; none in all other states.
    pub uptime_seconds: Option<u64>,
    /// Why there is no session and none is tried; none when one is there or tried.
    pub down_reason: Option<DownReason>,
    /// Why the last try to connect failed; none where there was none, and after one that did not fail.
    pub connect_error: Option<ConnectError>,
    /// Seconds until the next try; none when nothing waits.
    pub retry_seconds: Option<u64>,
    /// The peer's BGP Identifier, from its OPEN.
    pub router_id: Option<Ipv4Addr>,
    /// The peer's host name, where it advertised one.
    pub host_name: Option<String>,
    /// The TCP connection.
    #[serde(default)]
    pub transport: Transport,
    /// Timers.
    #[serde(default)]
    pub timers: Timers,
    /// Capabilities that one of both sides advertised, by code; empty before the OPENs.
    #[serde(default)]
    pub capabilities: Vec<Capability>,
    /// Graceful restart with this peer; none when it was not negotiated.
    pub graceful_restart: Option<GracefulRestart>,
    /// One for each configured family.
    #[serde(default)]
    pub families: Vec<PeerFamily>,
    /// Messages since the peer was configured.
    #[serde(default)]
    pub messages: Messages,
    /// Errors since the peer was configured.
    #[serde(default)]
    pub errors: ErrorCounts,
    /// Faults of this program in the work for the peer; each ended its session, and no other.
    #[serde(default)]
    pub internal_errors: u64,
    /// How often a session was established.
    #[serde(default)]
    pub established_count: u64,
    /// How often an established session ended.
    #[serde(default)]
    pub flap_count: u64,
    /// How the last connection that got as far as an OPEN ended; none when none did.
    pub last_reset: Option<LastReset>,
}

impl Peer {
    /// Prefixes received, over all families.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.families.iter().map(|f| f.received).sum()
    }
    /// Prefixes accepted, over all families.
    #[must_use]
    pub fn accepted(&self) -> u64 {
        self.families.iter().map(|f| f.accepted).sum()
    }
    /// Prefixes advertised, over all families.
    #[must_use]
    pub fn advertised(&self) -> u64 {
        self.families.iter().map(|f| f.advertised).sum()
    }
}

/// `GET /v1/peers`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerList {
    /// All peers, by address.
    pub peers: Vec<PeerSummary>,
}

/// One line of the list of peers; the keys mean what they mean in [`Peer`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerSummary {
    /// Its address.
    pub address: PeerAddress,
    /// What the operator calls it.
    pub description: Option<String>,
    /// Its peer group.
    pub group: Option<String>,
    /// Its AS.
    pub asn: Option<u32>,
    /// iBGP or eBGP.
    pub peer_type: Option<PeerType>,
    /// It came by a listen range.
    #[serde(default)]
    pub dynamic: bool,
    /// State of the session.
    pub state: PeerState,
    /// What is wanted.
    #[serde(default)]
    pub admin_state: AdminState,
    /// Since when the state is so.
    pub state_since: WallTime,
    /// Seconds in this state.
    pub state_seconds: u64,
    /// Seconds in Established.
    pub uptime_seconds: Option<u64>,
    /// Why there is no session and none is tried.
    pub down_reason: Option<DownReason>,
    /// Why the last try to connect failed.
    pub connect_error: Option<ConnectError>,
    /// Prefixes received, over all families.
    #[serde(default)]
    pub received: u64,
    /// Prefixes accepted, over all families.
    #[serde(default)]
    pub accepted: u64,
    /// Prefixes advertised, over all families.
    #[serde(default)]
    pub advertised: u64,
    /// How often an established session ended.
    #[serde(default)]
    pub flap_count: u64,
    /// How the last connection that got as far as an OPEN ended.
    pub last_reset: Option<LastReset>,
}

impl From<Peer> for PeerSummary {
    fn from(peer: Peer) -> Self {
        Self {
            received: peer.received(),
            accepted: peer.accepted(),
            advertised: peer.advertised(),
            address: peer.address,
            description: peer.description,
            group: peer.group,
            asn: peer.asn,
            peer_type: peer.peer_type,
            dynamic: peer.dynamic,
            state: peer.state,
            admin_state: peer.admin_state,
            state_since: peer.state_since,
            state_seconds: peer.state_seconds,
            uptime_seconds: peer.uptime_seconds,
            down_reason: peer.down_reason,
            connect_error: peer.connect_error,
            flap_count: peer.flap_count,
            last_reset: peer.last_reset,
        }
    }
}

/// Why no session is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DownReason {
    /// A word for programs: `admin_down`, `idle_hold`, `password_missing`, `tcp_ao_unsupported`, `prefix_limit`,
    /// `no_local_address`, `interface_missing`, `passive`.
    pub code: Cow<'static, str>,
    /// A sentence for people, with what to do: `cannot read /etc/heddle/rr2.key: no such file`.
    pub text: String,
}

/// Why a try to connect failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectError {
    /// When.
    pub at: WallTime,
    /// Seconds since then.
    pub seconds_ago: u64,
    /// A word for programs: `refused`, `timed_out`, `unreachable`, `closed` and `reset` (after TCP, before the peer's
    /// OPEN), `system`.
    pub code: Cow<'static, str>,
    /// A sentence for people.
    pub text: String,
    /// How many tries failed in a row.
    pub attempts: u32,
}

/// The TCP connection of a session; what is not there is not known or not in use.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Transport {
    /// Our address.
    pub local_address: Option<PeerAddress>,
    /// Our port.
    pub local_port: Option<u16>,
    /// The peer's port.
    pub remote_port: Option<u16>,
    /// We wait for the peer to connect and never connect ourselves.
    pub passive: bool,
    /// TCP MD5 signatures (RFC 2385).
    pub tcp_md5: bool,
    /// The TCP Authentication Option (RFC 5925).
    pub tcp_ao: bool,
    /// Hops of TTL security (RFC 5082).
    pub ttl_security_hops: Option<u8>,
    /// TTL of what we send to a peer that is more than one hop away.
    pub multihop_ttl: Option<u8>,
}

/// Timers, in seconds; none where a timer does not run or is not negotiated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Timers {
    /// Hold Time that we ask for.
    pub hold_time_configured_seconds: u16,
    /// Hold Time that was negotiated; 0 is off.
    pub hold_time_seconds: Option<u16>,
    /// Interval of our KEEPALIVEs.
    pub keepalive_interval_seconds: Option<u16>,
    /// Until we give the peer up.
    pub hold_remaining_seconds: Option<u64>,
    /// Until our next KEEPALIVE.
    pub keepalive_remaining_seconds: Option<u64>,
    /// Between two tries to connect.
    pub connect_retry_seconds: u16,
    /// How long the peer may read nothing (RFC 9687).
    pub send_hold_time_seconds: Option<u32>,
    /// Since the last message that came from the peer.
    pub last_received_seconds: Option<u64>,
    /// Since the last message that we sent.
    pub last_sent_seconds: Option<u64>,
}

/// One capability (RFC 5492) of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capability {
    /// Code.
    pub code: u8,
    /// Name: `multiprotocol`, `route_refresh`, `extended_next_hop`, `extended_message`, `role`, `graceful_restart`,
    /// `four_octet_as`, `add_path`, `enhanced_route_refresh`, `long_lived_graceful_restart`, `host_name`, `unknown`.
    pub name: Cow<'static, str>,
    /// We sent it.
    pub advertised: bool,
    /// The peer sent it.
    pub received: bool,
    /// Our value in words, like `ipv4-unicast`; none when it has none or we did not send it.
    pub local: Option<String>,
    /// The peer's value in words.
    pub remote: Option<String>,
}

/// Graceful restart (RFC 4724) with a peer, as negotiated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GracefulRestart {
    /// How long the peer may be away.
    pub restart_time_seconds: u16,
    /// A NOTIFICATION does not end it (RFC 8538).
    pub notification: bool,
    /// The peer is away or has just come back; its routes are kept.
    pub restarting: bool,
    /// Until its stale routes go.
    pub stale_remaining_seconds: Option<u64>,
}

/// One configured family of a peer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PeerFamily {
    /// The family.
    pub family: Family,
    /// Both sides advertised it.
    pub negotiated: bool,
    /// Paths in Adj-RIB-In.
    #[serde(default)]
    pub received: u64,
    /// Those of them that import policy accepted and that may be used.
    #[serde(default)]
    pub accepted: u64,
    /// Those that import policy rejected.
    #[serde(default)]
    pub rejected: u64,
    /// Those that may not be used (loops, unreachable next hop).
    #[serde(default)]
    pub ineligible: u64,
    /// Those that are stale.
    #[serde(default)]
    pub stale: u64,
    /// Those that are best.
    #[serde(default)]
    pub best: u64,
    /// Paths that we advertise to it.
    #[serde(default)]
    pub advertised: u64,
    /// Limit of received prefixes.
    pub limit_in: Option<u64>,
    /// Limit of advertised prefixes.
    pub limit_out: Option<u64>,
    /// Path Identifiers are received (RFC 7911).
    #[serde(default)]
    pub add_path_receive: bool,
    /// Path Identifiers are sent.
    #[serde(default)]
    pub add_path_send: bool,
    /// IPv4 prefixes may have IPv6 next hops (RFC 8950).
    #[serde(default)]
    pub extended_next_hop: bool,
    /// The peer has sent its End-of-RIB.
    #[serde(default)]
    pub end_of_rib_received: bool,
    /// We have sent ours.
    #[serde(default)]
    pub end_of_rib_sent: bool,
    /// Number of its update group; none while it is in none.
    pub update_group: Option<u32>,
    /// Bytes that wait in the journal for this peer; none when it is detached.
    pub backlog_bytes: Option<u64>,
    /// What the guard refused in UPDATEs, since the session was established; none where the peer has no guard.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard_refused: Option<GuardCounts>,
    /// Import policy.
    pub import_policy: Option<String>,
    /// Export policy.
    pub export_policy: Option<String>,
    /// What became of the routes in UPDATEs, since the session was established.
    #[serde(default)]
    pub counters: RouteCounters,
}

/// Routes that the guard of a peer refused (RFC 7454 §6), by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct GuardCounts {
    /// The default route.
    pub default_route: u64,
    /// Our own prefix, or part of it.
    pub own_prefix: u64,
    /// Special-purpose prefixes.
    pub martian: u64,
    /// Prefixes that are too long.
    pub too_long: u64,
    /// Prefixes that are too short.
    pub too_short: u64,
    /// Next hops that are nobody's neighbour.
    pub next_hop: u64,
}

impl GuardCounts {
    /// Each reason, as labels and documents have it, and its count.
    #[must_use]
    pub const fn by_reason(&self) -> [(&'static str, u64); 6] {
        [
            ("default_route", self.default_route),
            ("own_prefix", self.own_prefix),
            ("martian", self.martian),
            ("too_long", self.too_long),
            ("too_short", self.too_short),
            ("next_hop", self.next_hop),
        ]
    }
}

/// What became of routes: the counters table of a peer and family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteCounters {
    /// Advertised by the peer.
    pub import_updates: CounterRow,
    /// Withdrawn by the peer.
    pub import_withdraws: CounterRow,
    /// Advertised by us.
    pub export_updates: CounterRow,
    /// Withdrawn by us.
    pub export_withdraws: CounterRow,
}

/// One row of [`RouteCounters`]; none where a figure has no meaning or is not counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CounterRow {
    /// That came in: from the peer on import, from the RIB on export.
    pub received: Option<u64>,
    /// Invalid: malformed and treated as withdrawn, looped, beyond a limit.
    pub rejected: Option<u64>,
    /// Rejected by policy.
    pub filtered: Option<u64>,
    /// Without effect: the same route again, a withdrawal of nothing.
    pub ignored: Option<u64>,
    /// Taken: into the RIB on import, to the peer on export.
    pub accepted: Option<u64>,
}

/// Messages in both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Messages {
    /// From the peer.
    pub received: MessageCounts,
    /// To the peer.
    pub sent: MessageCounts,
}

/// Messages by type, and their bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct MessageCounts {
    /// OPEN.
    pub open: u64,
    /// UPDATE.
    pub update: u64,
    /// NOTIFICATION.
    pub notification: u64,
    /// KEEPALIVE.
    pub keepalive: u64,
    /// ROUTE-REFRESH.
    pub route_refresh: u64,
    /// Octets of all messages.
    pub bytes: u64,
}

impl MessageCounts {
    /// All messages.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.open + self.update + self.notification + self.keepalive + self.route_refresh
    }
}

/// Errors in what the peer sent, and what was done (RFC 7606 §2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ErrorCounts {
    /// UPDATEs whose routes were treated as withdrawn.
    pub treat_as_withdraw: u64,
    /// Attributes that were discarded.
    pub attribute_discard: u64,
    /// Sessions that were reset for an error of the peer.
    pub session_reset: u64,
    /// Routes that could not be advertised because their attributes exceed the largest message.
    pub attributes_too_long: u64,
}

/// Who ended a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResetBy {
    /// We sent a NOTIFICATION.
    Sent,
    /// The peer sent one.
    Received,
    /// Neither: the connection was closed or broke.
    Connection,
}

/// How a session ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastReset {
    /// When.
    pub at: WallTime,
    /// Seconds since then.
    pub seconds_ago: u64,
    /// By whom.
    pub by: ResetBy,
    /// Error code of the NOTIFICATION.
    pub code: Option<u8>,
    /// Its subcode.
    pub subcode: Option<u8>,
    /// In words: `Cease/Administrative Shutdown`, `Hold Timer Expired`, `connection reset by peer`.
    pub reason: String,
    /// The text in a shutdown communication (RFC 9003).
    pub text: Option<String>,
    /// Data of the NOTIFICATION in hexadecimal, where it is not a shutdown communication.
    pub data_hex: Option<String>,
}

/// What can be done to a peer: `POST /v1/peers/{address}/{action}`, with the action's value as the body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PeerAction {
    /// Start the session again after [`PeerAction::Down`] or a limit; nothing when it is up.
    Up,
    /// End the session and stay down until [`PeerAction::Up`] or a restart of the daemon.
    Down(Down),
    /// Ask for, or send, the routes anew without a reset.
    Refresh(Refresh),
    /// Reset the session; it comes back by itself.
    Clear(Clear),
    /// Mark our routes with GRACEFUL_SHUTDOWN, or stop doing so (RFC 8326).
    Drain(Drain),
}

impl PeerAction {
    /// The last part of the path.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Down(_) => "down",
            Self::Refresh(_) => "refresh",
            Self::Clear(_) => "clear",
            Self::Drain(_) => "drain",
        }
    }
}

/// Body of `down`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Down {
    /// Text for the operator of the peer, at most 255 octets (RFC 9003 §2).
    pub text: Option<String>,
}

/// Body of `clear`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clear {
    /// Text for the operator of the peer, at most 255 octets (RFC 9003 §2).
    pub text: Option<String>,
}

/// Body of `refresh`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Refresh {
    /// Only this family; none is all.
    pub family: Option<Family>,
    /// Which way; both when it is not there.
    pub direction: RefreshDirection,
}

/// Which way routes are refreshed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshDirection {
    /// The peer sends its routes again (RFC 2918).
    In,
    /// We send ours again.
    Out,
    /// Both.
    #[default]
    Both,
}

/// Body of `drain`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Drain {
    /// End the draining instead of beginning it.
    pub undrain: bool,
}

/// Answer to an action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionResult {
    /// The peer.
    pub peer: PeerAddress,
    /// The action.
    pub action: Cow<'static, str>,
    /// Whether anything was to be done: false for `up` of a peer that is up.
    pub changed: bool,
    /// What was done, in words.
    pub message: String,
}
