//! From the words of the libraries to those of the API.

use std::fmt::Write as _;
use std::io;
use std::time::SystemTime;

use heddle_admin::types::{self, ResetBy};
use heddle_bgp_core::{Family, Notification, Timestamp};
use heddle_bgp_fsm::{DownCause, DownReason, NotificationWay, StateKind, Stop, TcpFailure};
use heddle_config::PeerAddress;

use crate::clock::Clock;

/// A peer's address.
#[must_use]
pub(crate) fn address(a: &PeerAddress) -> types::PeerAddress {
    types::PeerAddress::new(a.ip, a.zone.clone())
}

/// A peer's address, the other way.
#[must_use]
pub(crate) fn config_address(a: &types::PeerAddress) -> PeerAddress {
    PeerAddress { ip: a.ip(), zone: a.interface().map(ToOwned::to_owned) }
}

/// A family that we carry.
#[must_use]
pub(crate) fn family(f: Family) -> types::Family {
    if f == Family::IPV6_UNICAST { types::Family::Ipv6Unicast } else { types::Family::Ipv4Unicast }
}

/// A family, the other way.
#[must_use]
pub(crate) const fn core_family(f: types::Family) -> Family {
    match f {
        types::Family::Ipv4Unicast => Family::IPV4_UNICAST,
        types::Family::Ipv6Unicast => Family::IPV6_UNICAST,
    }
}

/// A time of the wall clock.
#[must_use]
pub(crate) fn wall(t: SystemTime) -> types::WallTime {
    types::WallTime::from(t)
}

/// The state of a session.
#[must_use]
pub(crate) const fn peer_state(kind: StateKind) -> types::PeerState {
    match kind {
        StateKind::Idle => types::PeerState::Idle,
        StateKind::Connect => types::PeerState::Connect,
        StateKind::Active => types::PeerState::Active,
        StateKind::OpenSent => types::PeerState::OpenSent,
        StateKind::OpenConfirm => types::PeerState::OpenConfirm,
        StateKind::Established => types::PeerState::Established,
    }
}

/// What the transport said.
#[must_use]
pub(crate) fn tcp_failure(error: &io::Error) -> TcpFailure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => TcpFailure::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
            TcpFailure::Reset
        }
        io::ErrorKind::TimedOut => TcpFailure::TimedOut,
        io::ErrorKind::HostUnreachable | io::ErrorKind::NetworkUnreachable => TcpFailure::Unreachable,
        _ => error.raw_os_error().map_or(TcpFailure::NotPossible, TcpFailure::Os),
    }
}

/// How a connection ended.
#[must_use]
pub(crate) fn last_reset(clock: &Clock, at: Timestamp, reason: &DownReason) -> types::LastReset {
    let (by, notification) = match &reason.notification {
        Some((NotificationWay::Sent, n)) => (ResetBy::Sent, Some(n)),
        Some((NotificationWay::Received, n)) => (ResetBy::Received, Some(n)),
        None => (ResetBy::Connection, None),
    };
    let text = notification.and_then(shutdown_text);
    let data_hex = notification.filter(|n| text.is_none() && !n.data.is_empty()).map(|n| hex(&n.data));
    types::LastReset {
        at: wall(clock.wall(at)),
        seconds_ago: clock.now().since(at).as_secs(),
        by,
        code: notification.map(|n| n.code),
        subcode: notification.map(|n| n.subcode),
        reason: words(reason, notification),
        text,
        data_hex,
    }
}

/// Whether a connection got as far as an OPEN of the peer, or ended by a fault of our own.
#[must_use]
pub(crate) fn had_open(reason: &DownReason) -> bool {
    // A fault of our own is told wherever it happened.
    if matches!(reason.cause, DownCause::InternalError(_)) {
        return true;
    }
    match reason.state {
        StateKind::OpenConfirm | StateKind::Established => true,
        // What ended it was said in answer to an OPEN.
        StateKind::OpenSent => reason.notification.is_some(),
        StateKind::Idle | StateKind::Connect | StateKind::Active => false,
    }
}

/// Why an attempt to connect failed, the `attempts`-th in a row.
#[must_use]
pub(crate) fn connect_error(clock: &Clock, at: Timestamp, failure: TcpFailure, attempts: u32) -> types::ConnectError {
    let code = match failure {
        TcpFailure::Closed => "closed",
        TcpFailure::Reset => "reset",
        TcpFailure::Refused => "refused",
        TcpFailure::TimedOut => "timed_out",
        TcpFailure::Unreachable => "unreachable",
        TcpFailure::Os(_) | TcpFailure::NotPossible => "system",
    };
    let text = match failure {
        TcpFailure::Closed | TcpFailure::Reset => format!("{failure} before its OPEN: it may not know us"),
        TcpFailure::Os(errno) => io::Error::from_raw_os_error(errno).to_string(),
        TcpFailure::Refused | TcpFailure::TimedOut | TcpFailure::Unreachable | TcpFailure::NotPossible => {
            failure.to_string()
        }
    };
    types::ConnectError { at: wall(clock.wall(at)), seconds_ago: 0, code: code.into(), text, attempts }
}

/// What was said to people, also inside a Hard Reset (RFC 9003 §2, RFC 8538 §3.1).
fn shutdown_text(n: &Notification) -> Option<String> {
    n.encapsulated().as_ref().unwrap_or(n).shutdown_text()
}

fn words(reason: &DownReason, notification: Option<&Notification>) -> String {
    let cause = match &reason.cause {
        // The NOTIFICATION says all of it.
        DownCause::ManualStop(
            Stop::AdministrativeShutdown(_)
            | Stop::AdministrativeReset(_)
            | Stop::PeerDeconfigured
            | Stop::ConfigurationChange,
        )
        | DownCause::NotificationReceived => None,
        other => Some(other.to_string()),
    };
    match (cause, notification.map(name)) {
        (Some(cause), Some(n)) => format!("{n} ({cause})"),
        (Some(cause), None) => cause,
        (None, Some(n)) => n,
        (None, None) => reason.to_string(),
    }
}

/// A NOTIFICATION in words; a text for people stands beside it.
fn name(n: &Notification) -> String {
    if shutdown_text(n).is_none() {
        return n.to_string();
    }
    let names = |n: &Notification| {
        let code = n.code_name().map_or_else(|| n.code.to_string(), ToString::to_string);
        let subcode = n.subcode_name().map_or_else(|| n.subcode.to_string(), ToString::to_string);
        format!("{code}/{subcode}")
    };
    match n.encapsulated() {
        Some(inner) => format!("{} ({})", names(n), names(&inner)),
        None => names(n),
    }
}

/// Octets in hexadecimal.
#[must_use]
pub(crate) fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::with_capacity(octets.len() * 2), |mut s, o| {
        let _ = write!(s, "{o:02x}");
        s
    })
}
