//! The speaker itself, its API and its logs.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;

use heddle_bgp_core::{Asn, BgpId, ClusterId};

use super::address::{ListenAddress, PeerAddress};
use super::seconds::Seconds;

/// The speaker itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Router {
    /// Our AS.
    pub asn: Asn,
    /// Our BGP Identifier.
    pub router_id: BgpId,
    /// Our CLUSTER_ID as a reflector (RFC 4456 §7); the BGP Identifier where the file gives none.
    pub cluster_id: ClusterId,
    /// Where connections are accepted; empty: nowhere.
    pub listen: Vec<ListenAddress>,
    /// Our name in the FQDN capability; none: the capability is not sent.
    pub hostname: Option<String>,
    /// The decision process.
    pub decision: Decision,
    /// Graceful restart, as far as it concerns all peers.
    pub graceful_restart: GracefulRestart,
    /// Long-lived graceful restart, as far as it concerns all peers.
    pub long_lived: LongLived,
    /// How long the routes that a peer has not sent again since the start of an enhanced route refresh are kept when
    /// its End-of-RIB does not come (RFC 7313 §4).
    pub refresh_stale_time: Seconds,
}

impl Router {
    /// A router with everything else by default.
    #[must_use]
    pub fn new(asn: Asn, router_id: BgpId) -> Self {
        let any = |ip: IpAddr| ListenAddress { address: PeerAddress::from(ip), port: 179 };
        Self {
            asn,
            router_id,
            cluster_id: ClusterId(router_id.0),
            listen: vec![any(Ipv4Addr::UNSPECIFIED.into()), any(Ipv6Addr::UNSPECIFIED.into())],
            hostname: None,
            decision: Decision::default(),
            graceful_restart: GracefulRestart::default(),
            long_lived: LongLived::default(),
            refresh_stale_time: Seconds(600),
        }
    }
}

/// Options of the decision process (RFC 4271 §9.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "five independent switches, each with its own key")]
pub struct Decision {
    /// Compare MED between paths of different neighbour ASes too.
    pub always_compare_med: bool,
    /// Compare MED group by group (neighbour AS), so that the order of arrival does not matter. On unless turned off.
    pub deterministic_med: bool,
    /// A path without MED has the largest one instead of 0.
    pub med_missing_as_worst: bool,
    /// Among equal eBGP paths keep the oldest instead of the lowest BGP Identifier (RFC 5004).
    pub prefer_oldest: bool,
    /// How many paths are used at once.
    pub multipath: Multipath,
    /// Ask the kernel's routes (or whatever feeds reachability in) about next hops. Off: every next hop is reachable
    /// at cost 0, as a reflector wants it that forwards nothing.
    pub resolve_next_hops: bool,
}

impl Default for Decision {
    fn default() -> Self {
        Self {
            always_compare_med: false,
            deterministic_med: true,
            med_missing_as_worst: false,
            prefer_oldest: false,
            multipath: Multipath::default(),
            resolve_next_hops: false,
        }
    }
}

/// How many equal paths are used at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Multipath {
    /// Most eBGP paths, from 1.
    pub ebgp: u16,
    /// Most iBGP paths, from 1.
    pub ibgp: u16,
    /// AS_PATHs of equal length count as equal, whatever is in them.
    pub as_path_relax: bool,
}

impl Default for Multipath {
    fn default() -> Self {
        Self { ebgp: 1, ibgp: 1, as_path_relax: false }
    }
}

/// Graceful restart for all peers (RFC 4724, RFC 8538).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GracefulRestart {
    /// Restart Time that we advertise, 0 to 4095 s.
    pub restart_time: Seconds,
    /// After our own restart, how long the decision process waits for the End-of-RIB of all peers (RFC 4724 §4.1).
    pub selection_deferral_time: Seconds,
    /// How long stale routes are kept at most, counted from the loss of the session, whatever the peer advertised
    /// (RFC 4724 §4.2).
    pub stale_time: Seconds,
    /// Advertise the N bit: NOTIFICATION and hold timer do not end the peer's patience (RFC 8538).
    pub notification: bool,
}

impl Default for GracefulRestart {
    fn default() -> Self {
        Self {
            restart_time: Seconds(120),
            selection_deferral_time: Seconds(360),
            stale_time: Seconds(600),
            notification: true,
        }
    }
}

/// Long-lived graceful restart for all peers (RFC 9494).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongLived {
    /// Long-lived stale time that we advertise, 24 bits of seconds.
    pub stale_time: Seconds,
    /// The longest time that we keep a peer's routes, whatever it advertised.
    pub max_stale_time: Seconds,
}

impl Default for LongLived {
    fn default() -> Self {
        Self { stale_time: Seconds(86_400), max_stale_time: Seconds(86_400) }
    }
}

/// The admin API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Api {
    /// Path of the Unix socket.
    pub socket: PathBuf,
    /// Whether the socket is for its group as well: mode 0660 in place of 0600.
    pub group_access: bool,
    /// Where `/metrics` is served over TCP as well; none: only on the Unix socket.
    pub metrics: Option<SocketAddr>,
}

impl Api {
    /// Where the socket is when the configuration does not say.
    pub const DEFAULT_SOCKET: &'static str = "/run/heddle/route-reflector.sock";
}

impl Default for Api {
    fn default() -> Self {
        Self { socket: PathBuf::from(Self::DEFAULT_SOCKET), group_access: false, metrics: None }
    }
}

/// Logging.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// Filter in the manner of `tracing`'s `EnvFilter`: a level, or levels by module.
    pub level: String,
    /// Form of a line.
    pub format: LogFormat,
}

impl Default for Log {
    fn default() -> Self {
        Self { level: "info".to_owned(), format: LogFormat::Text }
    }
}

/// Form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}
