//! What others may see of a peer: written by its task, read by the API without asking the task.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use heddle_admin::types::{ConnectError, LastReset};
use heddle_bgp_core::{Negotiated, Timestamp};
use heddle_bgp_fsm::{MessageCounts, StateKind};
use heddle_config::{PeerAddress, PeerAs, PeerSettings};

use crate::connection::Opens;

/// The shared side of a peer.
#[derive(Debug)]
pub(crate) struct PeerShared {
    status: Mutex<PeerStatus>,
    /// Octets received and sent, and faults; counted on the fast path.
    pub traffic: Traffic,
}

/// Counters of the fast path.
#[derive(Debug, Default)]
pub(crate) struct Traffic {
    /// Octets received.
    pub bytes_in: AtomicU64,
    /// Octets sent.
    pub bytes_out: AtomicU64,
    /// UPDATEs sent.
    pub updates_out: AtomicU64,
    /// ROUTE-REFRESH messages sent.
    pub refreshes_out: AtomicU64,
    /// UPDATEs whose routes were treated as withdrawn (RFC 7606).
    pub treat_as_withdraw: AtomicU64,
    /// Attributes that were discarded (RFC 7606).
    pub attribute_discard: AtomicU64,
    /// Sessions reset for an error of the peer.
    pub session_reset: AtomicU64,
}

impl Traffic {
    /// Adds to a counter.
    pub(crate) fn add(counter: &AtomicU64, n: usize) {
        counter.fetch_add(u64::try_from(n).unwrap_or(u64::MAX), Relaxed);
    }
}

/// What the task of a peer publishes.
#[derive(Clone, Debug)]
pub(crate) struct PeerStatus {
    /// Its address.
    pub address: PeerAddress,
    /// Its AS as configured.
    pub asn: PeerAs,
    /// For people.
    pub description: Option<String>,
    /// The AS of the router.
    pub router_asn: heddle_bgp_core::Asn,
    /// The group from which its settings came.
    pub group: Option<String>,
    /// Its settings.
    pub settings: Arc<PeerSettings>,
    /// Whether it came by a listen range.
    pub origin: PeerOrigin,
    /// State of its session.
    pub state: StateKind,
    /// Since when.
    pub since: Timestamp,
    /// What the operator wants.
    pub wish: Wish,
    /// Why no session is tried: a word for programs, a sentence for people.
    pub blocked: Option<Blocked>,
    /// When the state machine tries again.
    pub retry_at: Option<Timestamp>,
    /// When the peer is given up unless it says something.
    pub hold_until: Option<Timestamp>,
    /// How connections are signed.
    pub signature: Signature,
    /// Messages received, by type.
    pub messages_in: MessageCounts,
    /// Messages sent, by type.
    pub messages_out: MessageCounts,
    /// How often a session was established.
    pub established: u64,
    /// How often an established session ended.
    pub flaps: u64,
    /// Panics of its task.
    pub internal_errors: u64,
    /// Why the last attempt to connect failed; none once one has not.
    pub connect_error: Option<Box<(Timestamp, ConnectError)>>,
    /// How the last one ended.
    pub last_reset: Option<Box<(Timestamp, LastReset)>>,
    /// When the last octets came.
    pub last_received: Option<Timestamp>,
    /// When the last octets went.
    pub last_sent: Option<Timestamp>,
    /// The established session.
    pub session: Option<SessionStatus>,
    /// Until when stale routes are kept.
    pub stale_until: Option<Timestamp>,
}

/// The established session.
#[derive(Clone, Debug)]
pub(crate) struct SessionStatus {
    /// What was negotiated.
    pub negotiated: Arc<Negotiated>,
    /// Our end.
    pub local: std::net::SocketAddr,
    /// The peer's end.
    pub remote: std::net::SocketAddr,
    /// What both sides said.
    pub opens: Opens,
}

/// Whether a peer is configured by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PeerOrigin {
    /// By address.
    Static,
    /// By a listen range.
    Dynamic,
}

/// How the segments of connections are signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signature {
    /// Not at all.
    None,
    /// TCP MD5 (RFC 2385).
    Md5,
    /// The TCP Authentication Option (RFC 5925).
    Ao,
}

/// What the operator wants of a peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// A session.
    Up,
    /// None.
    Down,
    /// A session whose routes carry GRACEFUL_SHUTDOWN (RFC 8326).
    Draining,
}

/// Why there is no session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blocked {
    /// What is in the way.
    pub by: Obstacle,
    /// A sentence for people.
    pub text: Cow<'static, str>,
}

/// What is in the way of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Obstacle {
    /// The operator or the configuration.
    AdminDown,
    /// The key is configured and cannot be read.
    PasswordMissing,
    /// Keys of the TCP Authentication Option are configured, and the kernel does not take them.
    TcpAoUnsupported,
    /// A prefix limit; until somebody starts the peer, or for a while.
    PrefixLimit,
    /// A pause after an error.
    IdleHold,
    /// We have not the address that we are to connect from.
    NoLocalAddress,
    /// The interface of a link-local address does not exist.
    InterfaceMissing,
    /// Nothing: the peer is to connect.
    Passive,
}

impl Obstacle {
    /// The word for programs (`docs/api.md`).
    #[must_use]
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::AdminDown => "admin_down",
            Self::PasswordMissing => "password_missing",
            Self::TcpAoUnsupported => "tcp_ao_unsupported",
            Self::PrefixLimit => "prefix_limit",
            Self::IdleHold => "idle_hold",
            Self::NoLocalAddress => "no_local_address",
            Self::InterfaceMissing => "interface_missing",
            Self::Passive => "passive",
        }
    }
}

impl PeerStatus {
    /// Whether somebody has to do something before there is a session.
    #[must_use]
    pub(crate) fn is_down(&self) -> bool {
        let by = self.blocked.as_ref().map(|b| b.by);
        self.wish == Wish::Down
            || matches!(by, Some(Obstacle::PasswordMissing | Obstacle::TcpAoUnsupported))
            || by == Some(Obstacle::PrefixLimit) && self.retry_at.is_none()
    }
}

impl PeerShared {
    /// With a first status.
    #[must_use]
    pub(crate) fn new(status: PeerStatus) -> Self {
        Self { status: Mutex::new(status), traffic: Traffic::default() }
    }

    /// The status, locked for the moment of reading or writing.
    pub(crate) fn lock(&self) -> MutexGuard<'_, PeerStatus> {
        self.status.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
