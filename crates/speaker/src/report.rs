//! From the words of the libraries to those of the API.

use std::fmt::Write as _;
use std::io;
use std::time::SystemTime;

use heddle_admin::types::{self, ResetBy};
use heddle_bgp_core::{Family, Notification};
use heddle_bgp_fsm::{DownCause, LastReset, NotificationWay, Stop, TcpFailure};
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

/// What the transport said.
#[must_use]
pub(crate) fn tcp_failure(error: &io::Error) -> TcpFailure {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => TcpFailure::Refused,
        io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionAborted => {
            TcpFailure::Reset
        }
        io::ErrorKind::TimedOut => TcpFailure::TimedOut,
        _ => error.raw_os_error().map_or(TcpFailure::NotPossible, TcpFailure::Os),
    }
}

/// How a session ended.
#[must_use]
pub(crate) fn last_reset(clock: &Clock, reset: &LastReset) -> types::LastReset {
    let (by, notification) = match &reset.reason.notification {
        Some((NotificationWay::Sent, n)) => (ResetBy::Sent, Some(n)),
        Some((NotificationWay::Received, n)) => (ResetBy::Received, Some(n)),
        None => (ResetBy::Connection, None),
    };
    let inner = notification.and_then(Notification::encapsulated);
    let told = inner.as_ref().or(notification);
    let text = told.and_then(Notification::shutdown_text);
    let data_hex = notification.filter(|n| text.is_none() && !n.data.is_empty()).map(|n| hex(&n.data));
    types::LastReset {
        at: wall(clock.wall(reset.at)),
        seconds_ago: clock.now().since(reset.at).as_secs(),
        by,
        code: notification.map(|n| n.code),
        subcode: notification.map(|n| n.subcode),
        reason: reason(reset, notification),
        text,
        data_hex,
    }
}

fn reason(reset: &LastReset, notification: Option<&Notification>) -> String {
    let cause = match &reset.reason.cause {
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
    match (cause, notification) {
        (Some(cause), Some(n)) => format!("{n} ({cause})"),
        (Some(cause), None) => cause,
        (None, Some(n)) => n.to_string(),
        (None, None) => reset.reason.to_string(),
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
