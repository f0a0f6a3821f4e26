//! Counters of a peer; plain numbers, exported by the binaries. They outlive sessions.

use heddle_bgp_core::Timestamp;

use crate::down::DownReason;

/// Messages by type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
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
}

impl MessageCounts {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.open + self.update + self.notification + self.keepalive + self.route_refresh
    }
}

/// Why and when the last connection or session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastReset {
    /// When.
    pub at: Timestamp,
    /// Why.
    pub reason: DownReason,
}

/// Counters of a peer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Received.
    pub messages_in: MessageCounts,
    /// Sent; ROUTE-REFRESH is counted by who sends it.
    pub messages_out: MessageCounts,
    /// How often the session was established.
    pub established: u64,
    /// How often an established session ended.
    pub flaps: u64,
    /// Connections that the peer opened and that were refused because it is stopped or damped.
    pub refused: u64,
    /// Connections that lost a collision.
    pub collisions: u64,
    /// ConnectRetryCounter (RFC 4271 §8): attempts and sessions that ended since the operator started the peer.
    pub connect_retries: u64,
    /// The last end.
    pub last_reset: Option<Box<LastReset>>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_total_is_of_all_types() {
        let counts = MessageCounts { open: 1, update: 20, notification: 300, keepalive: 4000, route_refresh: 50_000 };
        assert_eq!(counts.total(), 54_321);
    }
}
